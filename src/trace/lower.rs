//! Export of a traced graph as ONNX.

use super::random_mode::RandomMode;
use super::{Traced, metadata};
use crate::error::Result;
use crate::graph::ValueId;
use crate::onnx::{GraphBuilder, Model, Name};
use std::collections::{HashMap, HashSet};

/// Writes every node by its operator's own `lower`; inputs, parameters and outputs keep their names. `is_terse` leaves out the types of values between them.
pub(super) fn lower(traced: &Traced, opset: i64, functions: bool, is_terse: bool) -> Result<Model> {
    let graph = traced.graph();
    let builder = GraphBuilder::new(opset);
    let mut builder = if traced.random_mode == RandomMode::Runtime { builder.without_seeds() } else { builder };
    builder = if is_terse { builder.without_inner_types() } else { builder };
    builder.reserve_nodes(graph.nodes().len());
    let mut inputs = Vec::new();
    for (name, ty) in traced.inputs() {
        inputs.push(builder.input(&name, &ty));
    }
    // Output names are reserved, so that no inner value takes one.
    let outputs: Vec<(String, ValueId)> =
        traced.outputs().into_iter().map(|output| output.0).zip(graph.outputs().iter().copied()).collect();
    builder.reserve(outputs.iter().map(|output| output.0.as_str()));
    let written = graph.write(&mut builder, &inputs)?;
    let finals = outputs.into_iter().map(|output| output.0).zip(written.outputs).collect::<Vec<_>>();
    let mut model = builder.finish(&traced.name, &inputs, &finals)?;
    // An output has its own name in the end; a guard on it looks there.
    let is_guarded: HashSet<&str> = written.guarded.iter().map(|name| &**name).collect();
    let made = model.proto.graph.iter().flat_map(|graph| &graph.node).flat_map(|node| &node.output).map(String::as_str);
    let made: HashSet<&str> = made.filter(|name| is_guarded.contains(name)).collect();
    let wanted: HashMap<&Name, &String> = finals.iter().rev().map(|(wanted, value)| (value, wanted)).collect();
    let named = |name: &Name| match wanted.get(name) {
        Some(wanted) if !made.contains(&&**name) && !inputs.contains(name) => wanted.to_string(),
        _ => name.to_string(),
    };
    let guarded: Vec<String> = written.guarded.iter().map(named).collect();
    if functions {
        let parameters: Vec<&str> = graph.parameters().map(|parameter| parameter.0).collect();
        model.write_modules_as_functions(&guarded, &parameters)?;
    }
    for value in traced.specialized() {
        let infos = model.proto.graph.iter_mut().flat_map(|graph| &mut graph.input);
        for info in infos.filter(|info| value.inputs.contains(&info.name)) {
            let before = if info.doc_string.is_empty() { String::new() } else { format!("{}\n", info.doc_string) };
            info.doc_string = before + &value.of_input();
        }
    }
    model.proto.metadata_props = metadata::metadata(traced, &guarded)?;
    Ok(model)
}
