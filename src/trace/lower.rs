//! A record written down as ONNX.

use super::Traced;
use crate::error::Result;
use crate::graph::ValueId;
use crate::onnx::{Model, Pen};

/// Writes every node by its operator's own `lower`; inputs, parameters and outputs keep their names.
pub(super) fn lower(traced: &Traced, opset: i64) -> Result<Model> {
    let graph = traced.graph();
    let mut pen = Pen::new(opset);
    let mut inputs = Vec::new();
    for (name, ty) in traced.inputs() {
        inputs.push(pen.input(&name, &ty));
    }
    // Output names are reserved, so that no inner value takes one.
    let outputs: Vec<(String, ValueId)> =
        traced.outputs().into_iter().map(|output| output.0).zip(graph.outputs().iter().copied()).collect();
    pen.reserve(outputs.iter().map(|output| output.0.as_str()));
    let written = graph.write(&mut pen, &inputs)?;
    let finals = outputs.into_iter().map(|output| output.0).zip(written).collect::<Vec<_>>();
    pen.finish(&traced.name, &inputs, &finals)
}
