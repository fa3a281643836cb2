//! A part of an ONNX file, between values that are named, as a model of its own.

use crate::dim::is_symbol;
use crate::error::{Error, Result};
use crate::onnx::proto::tensor_shape_proto::dimension::Value;
use crate::onnx::proto::{GraphProto, NodeProto, TypeProto, ValueInfoProto, type_proto};
use crate::onnx::{Model, ModulePath, outer_names};
use crate::trace::Traced;
use std::collections::{BTreeMap, BTreeSet};

/// The nodes of a model between `from`, which become its inputs, and `to`, which become its outputs. Where `from` is empty, the inputs of the model
/// that are needed stay its inputs; where `to` is empty, its outputs stay.
///
/// A name is that of a value of the main graph, or of a module that has one input or output: `layer4` of `from` is what goes into it, of `to` what comes out
/// of it. Types that the file does not state are found by a trace.
///
/// # Errors
/// [`Argument`](crate::ErrorCode::Argument) for a name that is neither, and where the outputs depend on inputs that `from` does not
/// name; the errors of the trace.
pub fn extract(model: &Model, from: &[String], to: &[String]) -> Result<Model> {
    let graph = model.proto.graph.clone().unwrap_or_default();
    let bounds = PartBounds { known: values(model, &graph), model, graph: &graph };
    let from = &from.iter().map(|name| bounds.value(name, PartBounds::first)).collect::<Result<Vec<_>>>()?;
    let to = &to.iter().map(|name| bounds.value(name, PartBounds::last)).collect::<Result<Vec<_>>>()?;
    let initializers: BTreeSet<&str> = model.initializers.iter().map(|(name, _)| name.as_str()).collect();
    let inputs: Vec<String> =
        graph.input.iter().map(|info| info.name.clone()).filter(|name| !initializers.contains(name.as_str())).collect();
    let outputs: Vec<String> = if to.is_empty() { graph.output.iter().map(|info| info.name.clone()).collect() } else { to.to_vec() };
    let needed = needed(&graph, from, &outputs);
    let missing: Vec<&str> =
        inputs.iter().map(String::as_str).filter(|name| needed.values.contains(*name) && !from.iter().any(|known| known == name)).collect();
    if !from.is_empty() && !missing.is_empty() {
        return Err(Error::argument(format!("the outputs depend on {} besides", missing.join(", ")))
            .help(format!("take it as an input, too: --from {}", missing.join(" --from "))));
    }
    let taken: Vec<String> = if from.is_empty() { missing.iter().map(|name| name.to_string()).collect() } else { from.to_vec() };
    let types = types(model, &graph, &taken)?;
    let mut part = model.clone();
    let info = |name: &String| ValueInfoProto { name: name.clone(), r#type: types.get(name).cloned(), ..ValueInfoProto::default() };
    let declared = |name: &String| graph.output.iter().find(|info| info.name == *name).cloned();
    let new = GraphProto {
        input: taken.iter().map(info).collect(),
        output: outputs
            .iter()
            .map(|name| declared(name).unwrap_or_else(|| ValueInfoProto { name: name.clone(), ..Default::default() }))
            .collect(),
        node: graph.node.iter().zip(&needed.nodes).filter(|(_, needed)| **needed).map(|(node, _)| node.clone()).collect(),
        value_info: Vec::new(),
        ..graph
    };
    part.initializers.retain(|(name, _)| needed.values.contains(name.as_str()) && !taken.contains(name));
    // What the file says of itself is said of the whole.
    part.proto.metadata_props.retain(|entry| !entry.key.starts_with("ontrace."));
    part.proto.graph = Some(new);
    complete_outputs(&mut part)?;
    Ok(part)
}

/// Where a part may begin and end.
struct PartBounds<'a> {
    /// The values of the main graph.
    known: BTreeSet<&'a str>,
    model: &'a Model,
    graph: &'a GraphProto,
}

impl<'a> PartBounds<'a> {
    /// The value of this name, or the one end of the module of this name.
    fn value(&self, name: &str, ends: fn(&PartBounds<'a>, &[bool]) -> Vec<&'a str>) -> Result<String> {
        if self.known.contains(name) {
            return Ok(name.to_string());
        }
        let members: Vec<bool> = self.graph.node.iter().map(|node| ModulePath::of(node).is_within(name)).collect();
        if !members.contains(&true) {
            return Err(Error::argument(format!("there is no value or module `{name}` in the graph")).help(self.near(name)));
        }
        match ends(self, &members)[..] {
            [end] => Ok(end.to_string()),
            ref ends => {
                let listed = if ends.is_empty() { "none".to_string() } else { ends[..ends.len().min(8)].join(", ") };
                let error = Error::argument(format!("`{name}` is a module with {} such values, not one", ends.len()));
                Err(error.help(format!("name the value: {listed}")))
            }
        }
    }

    /// What goes into the nodes of a module: values that nodes outside compute, and inputs of the graph.
    fn first(&self, members: &[bool]) -> Vec<&'a str> {
        let inside: BTreeSet<&str> = self.nodes(members, true).flat_map(|node| &node.output).map(String::as_str).collect();
        let is_constant = |node: &NodeProto| node.op_type == "Constant";
        let outside = self.nodes(members, false).filter(|node| !is_constant(node)).flat_map(|node| &node.output);
        let mut computed: BTreeSet<&str> = outside.chain(self.graph.input.iter().map(|info| &info.name)).map(String::as_str).collect();
        for (name, _) in &self.model.initializers {
            computed.remove(name.as_str());
        }
        let used = self.nodes(members, true).flat_map(uses);
        distinct(used.filter(|name| !inside.contains(name) && computed.contains(name)))
    }

    /// What nodes outside a module, or the outputs of the graph, have from it.
    fn last(&self, members: &[bool]) -> Vec<&'a str> {
        let used = self.nodes(members, false).flat_map(uses).chain(self.graph.output.iter().map(|info| info.name.as_str()));
        let used: BTreeSet<&str> = used.collect();
        distinct(self.nodes(members, true).flat_map(|node| &node.output).map(String::as_str).filter(|name| used.contains(name)))
    }

    fn nodes(&self, members: &[bool], inside: bool) -> impl Iterator<Item = &'a NodeProto> {
        self.graph.node.iter().zip(members.to_vec()).filter(move |(_, member)| *member == inside).map(|(node, _)| node)
    }

    /// Names like one that is not known: what nodes compute before what is stored.
    fn near(&self, name: &str) -> String {
        let initializers: BTreeSet<&str> = self.model.initializers.iter().map(|initializer| initializer.0.as_str()).collect();
        let (stored, computed): (Vec<&str>, Vec<&str>) = self
            .known
            .iter()
            .filter(|known| known.contains(name) || name.contains(**known))
            .partition(|known| initializers.contains(**known));
        let near: Vec<&str> = computed.into_iter().chain(stored).take(8).collect();
        match near.is_empty() {
            true => {
                "a value is an input or an output of a node, by the name in the file; a module is a part of the name of a node".to_string()
            }
            false => format!("names like it: {}", near.join(", ")),
        }
    }
}

/// Each name once, in the order of the first.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    names.filter(|name| seen.insert(*name)).collect()
}

/// The names of the values of the main graph.
fn values<'a>(model: &'a Model, graph: &'a GraphProto) -> BTreeSet<&'a str> {
    let made = graph.node.iter().flat_map(|node| &node.output).chain(graph.input.iter().map(|info| &info.name)).map(String::as_str);
    made.chain(model.initializers.iter().map(|initializer| initializer.0.as_str())).filter(|name| !name.is_empty()).collect()
}

struct Needed {
    nodes: Vec<bool>,
    values: BTreeSet<String>,
}

/// What outputs are computed from, back to values that are given.
fn needed(graph: &GraphProto, given: &[String], outputs: &[String]) -> Needed {
    let mut values: BTreeSet<String> = outputs.iter().cloned().collect();
    let mut nodes = vec![false; graph.node.len()];
    let is_given = |name: &str| given.iter().any(|known| known == name);
    for (i, node) in graph.node.iter().enumerate().rev() {
        if node.output.iter().any(|name| values.contains(name) && !is_given(name)) {
            nodes[i] = true;
            values.extend(uses(node).map(str::to_string));
        }
    }
    Needed { nodes, values }
}

fn uses(node: &NodeProto) -> impl Iterator<Item = &str> {
    node.input.iter().map(String::as_str).filter(|name| !name.is_empty()).chain(outer_names(node))
}

/// The types of values: as the file declares them, else by a trace of what leads to them.
fn types(model: &Model, graph: &GraphProto, names: &[String]) -> Result<BTreeMap<String, TypeProto>> {
    let declared = |name: &String| {
        let mut infos = graph.input.iter().chain(&graph.value_info).chain(&graph.output);
        let info = infos.find(|info| info.name == *name && is_complete(info))?;
        Some((name.clone(), info.r#type.clone()?))
    };
    let mut types: BTreeMap<String, TypeProto> = names.iter().filter_map(declared).collect();
    let open: Vec<String> = names.iter().filter(|name| !types.contains_key(*name)).cloned().collect();
    if !open.is_empty() {
        types.extend(traced_types(extract(model, &[], &open)?)?);
    }
    for (name, ty) in &mut types {
        simplify(name, ty);
    }
    Ok(types)
}

/// Whether an element type and a rank are declared.
fn is_complete(info: &ValueInfoProto) -> bool {
    match info.r#type.as_ref().and_then(|ty| ty.value.as_ref()) {
        Some(type_proto::Value::TensorType(tensor)) => tensor.elem_type != 0 && tensor.shape.is_some(),
        Some(_) => true,
        None => false,
    }
}

/// Gives sizes that are expressions, or unknown, a symbol of their own: an input has no others.
fn simplify(name: &str, ty: &mut TypeProto) {
    let Some(type_proto::Value::TensorType(tensor)) = ty.value.as_mut() else { return };
    for (axis, dim) in tensor.shape.iter_mut().flat_map(|shape| &mut shape.dim).enumerate() {
        let is_plain = match &dim.value {
            Some(Value::DimValue(n)) => *n >= 0,
            Some(Value::DimParam(symbol)) => is_symbol(symbol),
            None => false,
        };
        if !is_plain {
            let word: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
            dim.value = Some(Value::DimParam(format!("size_{word}_{axis}")));
        }
    }
}

/// The types of the outputs of a model, by a trace.
fn traced_types(model: Model) -> Result<BTreeMap<String, TypeProto>> {
    let traced = Traced::from_model(model)?;
    let outputs = traced.outputs().into_iter();
    Ok(outputs.filter_map(|(name, ty)| Some((name.clone(), crate::onnx::value_info(&name, &ty).r#type?))).collect())
}

/// Declares the types of outputs that were inner values.
fn complete_outputs(part: &mut Model) -> Result<()> {
    let is_open = |info: &ValueInfoProto| !is_complete(info);
    if !part.proto.graph.iter().flat_map(|graph| &graph.output).any(is_open) {
        return Ok(());
    }
    let types = traced_types(part.clone())?;
    for info in part.proto.graph.iter_mut().flat_map(|graph| &mut graph.output).filter(|info| !is_complete(info)) {
        info.r#type = types.get(&info.name).cloned();
    }
    Ok(())
}
