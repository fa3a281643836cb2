//! A record written down as ONNX.

use super::Traced;
use crate::error::{At, Error, Result};
use crate::graph::{Source, ValueId};
use crate::onnx::{Model, Name, Pen};
use std::collections::HashMap;

/// Writes every node by its operator's own `lower`; inputs, parameters and outputs keep their names.
pub(super) fn lower(traced: &Traced, opset: i64) -> Result<Model> {
    let graph = traced.graph();
    let mut pen = Pen::new(opset);
    let mut names: HashMap<ValueId, Name> = HashMap::new();
    let mut inputs = Vec::new();
    for (&id, (name, ty)) in graph.inputs().iter().zip(traced.inputs()) {
        let name = pen.input(&name, &ty);
        inputs.push(name.clone());
        names.insert(id, name);
    }
    // Output names are reserved, so that no inner value takes one.
    let outputs: Vec<(String, ValueId)> =
        traced.outputs().into_iter().map(|output| output.0).zip(graph.outputs().iter().copied()).collect();
    pen.reserve(outputs.iter().map(|output| output.0.as_str()));
    for (id, value) in graph.values() {
        if let Source::Constant(array, name) = &value.source {
            let written = match name {
                Some(name) => pen.parameter(name, array),
                None => pen.constant(array),
            };
            names.insert(id, written);
        }
    }
    for node in graph.nodes() {
        pen.at(&node.place.scope, &node.place.line);
        let known = |id: &Option<ValueId>| match id {
            None => Ok(Name::from("")),
            Some(id) => names.get(id).cloned().ok_or_else(|| Error::internal("a value is used before it is made")),
        };
        let arguments = node.inputs.iter().map(known).collect::<Result<Vec<_>>>()?;
        let types: Vec<_> = node.outputs.iter().map(|&id| graph.value(id).ty.clone()).collect();
        let written = node.op.lower(&mut pen, &arguments, &types).at(node.op.name()).at(&node.place)?;
        if written.len() < node.outputs.len() {
            return Err(Error::internal(format!("{} writes {} of {} outputs", node.op.name(), written.len(), node.outputs.len())));
        }
        names.extend(node.outputs.iter().copied().zip(written));
    }
    let finals = outputs.into_iter().map(|(name, id)| {
        let value = names.get(&id).cloned().ok_or_else(|| Error::internal("an output that nothing makes"))?;
        Ok((name, value))
    });
    let finals = finals.collect::<Result<Vec<_>>>()?;
    pen.finish(&traced.name, &inputs, &finals)
}
