//! Edits of an ONNX file that need no trace: names of inputs, outputs and sizes, and metadata. Everything else of the file stays as it is.

use super::Pair;
use ontrace::onnx::Model;
use ontrace::onnx::proto::tensor_shape_proto::dimension::Value as Size;
use ontrace::onnx::proto::{GraphProto, StringStringEntryProto, TypeProto, ValueInfoProto, tensor_shape_proto, type_proto};
use ontrace::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};

/// What is edited: pairs of old and new names, sizes of the inputs (`x:0=batch`), texts to set, keys to remove.
pub struct Edits<'a> {
    pub names: &'a [Pair<'a>],
    pub dims: &'a [String],
    pub set: &'a [Pair<'a>],
    pub unset: &'a [String],
}

/// The names that replace others.
type Names<'a> = BTreeMap<&'a str, &'a str>;

/// The edited file. `None` where the edits are not of names alone: a size that is fixed becomes free or the other way round, or the file has metadata of
/// ontrace's that speaks of names.
///
/// # Errors
/// For names that there are not, or that there are already.
pub fn edited(model: &Model, edits: &Edits) -> Result<Option<Model>> {
    if model.proto.metadata_props.iter().any(|entry| entry.key.starts_with("ontrace.")) {
        return Ok(None);
    }
    let mut edited = model.clone();
    let initializers: BTreeSet<&str> = model.initializers.iter().map(|(name, _)| name.as_str()).collect();
    let Some(graph) = &mut edited.proto.graph else { return Ok(None) };
    let Some(sizes) = named_sizes(graph, edits) else { return Ok(None) };
    let names = checked(model, &initializers, edits.names)?;
    for (input, axis, name) in sizes {
        let known = dimension(graph, &input, axis).and_then(|dimension| dimension.value.clone());
        match known {
            Some(Size::DimParam(old)) if !old.is_empty() => each_shape(graph, &mut |size| {
                if *size == Some(Size::DimParam(old.clone())) {
                    *size = Some(Size::DimParam(name.clone()));
                }
            }),
            _ => dimension(graph, &input, axis).into_iter().for_each(|size| size.value = Some(Size::DimParam(name.clone()))),
        }
    }
    rename(graph, &names);
    for (name, _) in &mut edited.initializers {
        if let Some(new) = names.get(name.as_str()) {
            *name = new.to_string();
        }
    }
    let entries = &mut edited.proto.metadata_props;
    for key in edits.unset {
        let count = entries.len();
        entries.retain(|entry| entry.key != *key);
        if entries.len() == count {
            let keys: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
            let help = if keys.is_empty() { "there are none".to_string() } else { format!("the keys are: {}", keys.join(", ")) };
            return Err(Error::argument(format!("there is no metadata key `{key}`")).help(help));
        }
    }
    for (key, value) in edits.set {
        if key.starts_with("ontrace.") {
            return Err(Error::argument(format!("the metadata key `{key}` is reserved for ontrace")));
        }
        entries.retain(|entry| entry.key != *key);
        entries.push(StringStringEntryProto { key: key.to_string(), value: value.to_string() });
    }
    Ok(Some(edited))
}

/// The sizes that get names: input, axis, name. `None` where one is a number now or then, or is called so elsewhere.
fn named_sizes(graph: &mut GraphProto, edits: &Edits) -> Option<Vec<(String, usize, String)>> {
    let mut known = BTreeSet::new();
    each_shape(graph, &mut |size| {
        if let Some(Size::DimParam(name)) = size {
            known.insert(name.clone());
        }
    });
    let mut sizes = Vec::new();
    for spec in edits.dims {
        let parts = spec.rsplit_once('=').and_then(|(axis, name)| Some((axis.rsplit_once(':')?, name)));
        let ((input, axis), name) = parts?;
        let old = edits.names.iter().find(|pair| pair.1 == input).map_or(input, |pair| pair.0);
        let axis = axis.parse::<usize>().ok().filter(|_| name.starts_with(|c: char| c.is_alphabetic() || c == '_'))?;
        let is_free = dimension(graph, old, axis).is_some_and(|size| !matches!(size.value, Some(Size::DimValue(_))));
        if !is_free || known.contains(name) || !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
            return None;
        }
        known.insert(name.to_string());
        sizes.push((old.to_string(), axis, name.to_string()));
    }
    Some(sizes)
}

/// A size of an input.
fn dimension<'a>(graph: &'a mut GraphProto, input: &str, axis: usize) -> Option<&'a mut tensor_shape_proto::Dimension> {
    let info = graph.input.iter_mut().find(|info| info.name == input)?;
    match info.r#type.as_mut()?.value.as_mut()? {
        type_proto::Value::TensorType(tensor) => tensor.shape.as_mut()?.dim.get_mut(axis),
        _ => None,
    }
}

/// Visits every size that is declared in a graph and in those inside its nodes.
fn each_shape(graph: &mut GraphProto, visit: &mut dyn FnMut(&mut Option<Size>)) {
    fn of_type(ty: &mut TypeProto, visit: &mut dyn FnMut(&mut Option<Size>)) {
        match &mut ty.value {
            Some(type_proto::Value::TensorType(tensor)) => {
                tensor.shape.iter_mut().flat_map(|shape| &mut shape.dim).for_each(|size| visit(&mut size.value));
            }
            Some(type_proto::Value::SequenceType(sequence)) => sequence.elem_type.iter_mut().for_each(|ty| of_type(ty, visit)),
            Some(type_proto::Value::OptionalType(optional)) => optional.elem_type.iter_mut().for_each(|ty| of_type(ty, visit)),
            _ => {}
        }
    }
    let infos = graph.input.iter_mut().chain(&mut graph.output).chain(&mut graph.value_info);
    infos.filter_map(|info: &mut ValueInfoProto| info.r#type.as_mut()).for_each(|ty| of_type(ty, visit));
    let attributes = graph.node.iter_mut().flat_map(|node| &mut node.attribute);
    for attribute in attributes {
        attribute.g.iter_mut().map(|graph| &mut **graph).chain(&mut attribute.graphs).for_each(|graph| each_shape(graph, visit));
    }
}

/// The new names by the old ones.
///
/// # Errors
/// For a name that no input or output has, and for a new one that something else has.
fn checked<'a>(model: &Model, initializers: &BTreeSet<&str>, pairs: &[Pair<'a>]) -> Result<Names<'a>> {
    let Some(graph) = &model.proto.graph else { return Ok(Names::new()) };
    let inputs = graph.input.iter().filter(|info| !initializers.contains(info.name.as_str()));
    let known: Vec<&str> = inputs.chain(&graph.output).map(|info| info.name.as_str()).collect();
    let mut names = Names::new();
    for (old, new) in pairs {
        if !known.contains(old) {
            return Err(Error::argument(format!("there is no input or output `{old}`"))
                .help(format!("the inputs and outputs are: {}", known.join(", "))));
        }
        if new.is_empty() {
            return Err(Error::argument(format!("`{old}` cannot have an empty name")));
        }
        if names.insert(old, new).is_some() {
            return Err(Error::argument(format!("`{old}` is renamed twice")));
        }
    }
    let mut used = initializers.clone();
    all_names(graph, &mut used);
    let mut taken: BTreeSet<&str> = used.iter().copied().filter(|name| !names.contains_key(name)).collect();
    for new in names.values() {
        if !taken.insert(new) {
            let is_inner = used.contains(new) && !known.contains(new);
            let what = if is_inner { "two values" } else { "two inputs or outputs" };
            return Err(Error::argument(format!("{what} would be called `{new}`")));
        }
    }
    Ok(names)
}

/// The names of all values, those of the graphs inside nodes included.
fn all_names<'a>(graph: &'a GraphProto, names: &mut BTreeSet<&'a str>) {
    names.extend(graph.input.iter().chain(&graph.output).map(|info| info.name.as_str()));
    names.extend(graph.initializer.iter().map(|tensor| tensor.name.as_str()));
    for node in &graph.node {
        names.extend(node.input.iter().chain(&node.output).map(String::as_str));
        for attribute in &node.attribute {
            attribute.g.iter().map(|graph| &**graph).chain(&attribute.graphs).for_each(|graph| all_names(graph, names));
        }
    }
}

/// Renames values in a graph, and in the graphs inside its nodes where these do not have a value of their own under the name.
fn rename(graph: &mut GraphProto, names: &Names) {
    let change = |name: &mut String| {
        if let Some(new) = names.get(name.as_str()) {
            *name = new.to_string();
        }
    };
    let infos = graph.input.iter_mut().chain(&mut graph.output).chain(&mut graph.value_info);
    infos.for_each(|info| change(&mut info.name));
    graph.initializer.iter_mut().for_each(|tensor| change(&mut tensor.name));
    graph.sparse_initializer.iter_mut().filter_map(|sparse| sparse.values.as_mut()).for_each(|values| change(&mut values.name));
    graph.quantization_annotation.iter_mut().for_each(|annotation| change(&mut annotation.tensor_name));
    for node in &mut graph.node {
        node.input.iter_mut().chain(&mut node.output).for_each(change);
        for attribute in &mut node.attribute {
            for inner in attribute.g.iter_mut().map(|graph| &mut **graph).chain(&mut attribute.graphs) {
                let own: BTreeSet<String> = (inner.input.iter().map(|info| &info.name))
                    .chain(inner.initializer.iter().map(|tensor| &tensor.name))
                    .chain(inner.node.iter().flat_map(|node| &node.output))
                    .cloned()
                    .collect();
                let outer: Names = names.iter().filter(|(old, _)| !own.contains(**old)).map(|(old, new)| (*old, *new)).collect();
                rename(inner, &outer);
            }
        }
    }
}
