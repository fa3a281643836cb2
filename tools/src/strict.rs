//! What is valid by the ONNX standard and still not to be trusted: `check --strict` refuses it, `check` warns of it.

use crate::console::{is_hidden, printable};
use crate::error::CommandError;
use ontrace::Error;
use ontrace::onnx::{Model, audit_external_data, proto::GraphProto};
use std::path::Path;

/// The longest name that no one doubts, in bytes.
const LONGEST: usize = 1000;

/// Warnings, a line each; the data files are read, and what is found is an error, where the check is strict.
///
/// # Errors
/// [`Damaged`](ontrace::ErrorCode::Damaged) where a graph has no name, or an input or output of the model no type or shape; the first finding of a strict check, with exit code 3.
pub fn findings(path: &Path, model: &Model, strict: bool) -> Result<String, CommandError> {
    let mut found = Vec::new();
    if let Some(graph) = &model.proto.graph {
        are_named(graph)?;
        are_declared(graph)?;
        names(graph, &mut found);
    }
    model.initializers.iter().for_each(|(name, _)| name_of("initializer", name, &mut found));
    if strict {
        found.extend(audit_external_data(path)?);
        let others = found.len().saturating_sub(1);
        if let Some(first) = found.into_iter().next() {
            let error = if others == 0 { first } else { first.help(format!("{others} more findings like this")) };
            return Err(CommandError { exit: 3, error, report: None });
        }
        return Ok(String::new());
    }
    Ok(found.iter().take(10).map(|finding| format!("warning: {}\n", printable(&finding.to_string()))).collect())
}

/// Whether a graph and those inside its nodes have names, which the standard demands and no runtime needs: only a check refuses a graph without one.
///
/// Source: <https://onnx.ai/onnx/repo-docs/IR.html>.
fn are_named(graph: &GraphProto) -> Result<(), Error> {
    if graph.name.is_empty() {
        return Err(Error::damaged("a graph has no name").help("the ONNX standard demands one: `ontrace convert` writes it"));
    }
    for node in &graph.node {
        for (attribute, inner) in node.attribute.iter().filter_map(|attribute| Some((attribute, attribute.g.as_deref()?))) {
            are_named(inner).map_err(|error| error.at(format!("attribute {}", printable(&attribute.name))).at(node.op_type.clone()))?;
        }
    }
    Ok(())
}

/// Whether the inputs and outputs of the model have types and shapes, which the standard demands of its outermost graph; sizes may be unknown.
///
/// Source: <https://onnx.ai/onnx/repo-docs/IR.html#graphs>.
fn are_declared(graph: &GraphProto) -> Result<(), Error> {
    use ontrace::onnx::proto::type_proto::Value;
    let values = graph.input.iter().map(|value| ("input", value)).chain(graph.output.iter().map(|value| ("output", value)));
    for (what, value) in values {
        let missing = match value.r#type.as_ref().and_then(|ty| ty.value.as_ref()) {
            None => "type",
            Some(Value::TensorType(ty)) if ty.shape.is_none() => "shape",
            Some(Value::SparseTensorType(ty)) if ty.shape.is_none() => "shape",
            Some(_) => continue,
        };
        return Err(Error::damaged(format!("{what} {} of the model has no {missing}", printable(&value.name)))
            .help("the ONNX standard demands one: `ontrace convert` writes it"));
    }
    Ok(())
}

/// The names of a graph and of the graphs inside its nodes.
fn names(graph: &GraphProto, found: &mut Vec<Error>) {
    graph.input.iter().for_each(|value| name_of("input", &value.name, found));
    for node in &graph.node {
        name_of("node", &node.name, found);
        node.output.iter().for_each(|name| name_of("value", name, found));
        node.attribute
            .iter()
            .flat_map(|attribute| attribute.g.as_deref().into_iter().chain(&attribute.graphs))
            .for_each(|graph| names(graph, found));
    }
}

fn name_of(what: &str, name: &str, found: &mut Vec<Error>) {
    // Enough to see that there are many.
    if found.len() >= 1000 {
        return;
    }
    if name.chars().any(|c| is_hidden(c) || c == '\n') {
        found.push(Error::damaged(format!(
            "the name of {what} {} has characters that do not show or turn the direction of text",
            name.escape_debug()
        )));
    } else if name.len() > LONGEST {
        found.push(Error::damaged(format!("the name of {what} {name} has {} bytes", name.len())));
    }
}
