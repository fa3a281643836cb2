//! The names of values that a node knows: its inputs, those in the graphs inside it, its outputs.

use super::proto::{GraphProto, NodeProto};
use std::collections::BTreeSet;

/// Visits the names of a node in the order in which they turn up; an absent input has an empty one.
pub(super) fn each_name(node: &mut NodeProto, visit: &mut dyn FnMut(&mut String)) {
    node.input.iter_mut().for_each(&mut *visit);
    for graph in node.attribute.iter_mut().filter_map(|attribute| attribute.g.as_mut()) {
        each_name_in(graph, visit);
    }
    node.output.iter_mut().for_each(visit);
}

/// Visits the names of a graph: inputs, initializers, nodes, outputs.
pub(super) fn each_name_in(graph: &mut GraphProto, visit: &mut dyn FnMut(&mut String)) {
    graph.input.iter_mut().for_each(|info| visit(&mut info.name));
    graph.initializer.iter_mut().for_each(|tensor| visit(&mut tensor.name));
    graph.node.iter_mut().for_each(|node| each_name(node, visit));
    graph.output.iter_mut().for_each(|info| visit(&mut info.name));
}

/// Visits what a node uses: its inputs, and what the graphs inside it use from outside.
pub(super) fn each_use<'a>(node: &'a NodeProto, visit: &mut dyn FnMut(&'a str)) {
    node.input.iter().map(String::as_str).filter(|name| !name.is_empty()).for_each(&mut *visit);
    outer_names(node).into_iter().for_each(visit);
}

/// The values from outside that the graphs inside a node use, in the order of their names.
pub(crate) fn outer_names(node: &NodeProto) -> BTreeSet<&str> {
    let graphs = node.attribute.iter().flat_map(|attribute| attribute.g.as_deref().into_iter().chain(&attribute.graphs));
    graphs.flat_map(free).collect()
}

/// The names that a graph uses and does not make.
fn free(graph: &GraphProto) -> BTreeSet<&str> {
    let used = graph.node.iter().flat_map(|node| node.input.iter().map(String::as_str).chain(outer_names(node)));
    let used = used.chain(graph.output.iter().map(|info| info.name.as_str()));
    let made: BTreeSet<&str> = graph
        .node
        .iter()
        .flat_map(|node| &node.output)
        .chain(graph.input.iter().map(|info| &info.name))
        .chain(graph.initializer.iter().map(|initializer| &initializer.name))
        .chain(graph.sparse_initializer.iter().filter_map(|sparse| sparse.values.as_ref()).map(|values| &values.name))
        .map(String::as_str)
        .collect();
    used.filter(|name| !name.is_empty() && !made.contains(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::{AttributeProto, ValueInfoProto};
    use crate::onnx::sample::node;

    #[test]
    fn what_graphs_use_from_outside_is_found_however_deep() {
        let named = |name: &str| ValueInfoProto { name: name.into(), ..ValueInfoProto::default() };
        let within = |graph| AttributeProto { g: Some(Box::new(graph)), ..AttributeProto::default() };
        let inner = GraphProto { node: vec![node("Add", &["a", "state"], &["y"])], output: vec![named("y")], ..GraphProto::default() };
        let branch = NodeProto { attribute: vec![within(inner)], ..node("If", &["c"], &["z"]) };
        let body = GraphProto {
            input: vec![named("state")],
            node: vec![node("Neg", &["w"], &["c"]), branch],
            output: vec![named("z"), named("b")],
            ..GraphProto::default()
        };
        let outer = NodeProto { attribute: vec![within(body)], ..node("Loop", &["m"], &["out"]) };
        assert_eq!(outer_names(&outer).into_iter().collect::<Vec<_>>(), ["a", "b", "w"]);
    }
}
