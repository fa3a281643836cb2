//! Names: those of the values that a node uses and makes, and how names are printed.

use super::proto::{GraphProto, NodeProto};
use std::collections::BTreeSet;

/// Letters of a name before the rest becomes a hash.
const LONGEST_NAME: usize = 120;

/// Visits the names of a node in the order of their occurrence; an absent input has an empty one.
pub(super) fn each_name(node: &mut NodeProto, visit: &mut dyn FnMut(&mut String)) {
    node.input.iter_mut().for_each(&mut *visit);
    for graph in node.attribute.iter_mut().filter_map(|attribute| attribute.g.as_mut()) {
        each_name_in(graph, visit);
    }
    node.output.iter_mut().for_each(visit);
}

/// Visits the names of a graph: inputs, initializers, nodes, outputs.
fn each_name_in(graph: &mut GraphProto, visit: &mut dyn FnMut(&mut String)) {
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

/// A domain in one spelling: ONNX's own has two.
pub fn canonical_domain(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}

/// The location of an error: the name of a node, or else its index in the graph, and its operator.
pub(super) fn node_location(node: &NodeProto, index: usize) -> String {
    let title = if node.name.is_empty() { format!("#{index}") } else { printable(&node.name) };
    format!("node {title} ({})", printable(&node.op_type))
}

/// A name that is safe to print: as it is where it is plain, otherwise quoted with everything escaped that does not show (control
/// characters, marks that turn the direction of text); a very long one is cut and ends in a hash of the whole.
pub(crate) fn printable(name: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() && !"\"'(){}[],=\\`".contains(c);
    let short = shorten(name);
    if !name.is_empty() && short.chars().all(|c| plain(c) || c == '…') { short } else { format!("\"{}\"", short.escape_debug()) }
}

/// A text that is too long, cut, with a hash of the whole at its end.
pub(super) fn shorten(text: &str) -> String {
    match text.char_indices().nth(LONGEST_NAME) {
        None => text.into(),
        Some((end, _)) => {
            format!("{}…#{}", &text[..end], &super::hash::blake3(text.as_bytes())[..8])
        }
    }
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

    #[test]
    fn names_are_escaped_and_cut_for_printing() {
        assert_eq!(printable("/layer1/conv1/Conv_output_0"), "/layer1/conv1/Conv_output_0");
        assert_eq!(printable("a\x1b[31mb\0"), r#""a\u{1b}[31mb\0""#);
        assert_eq!(printable("\u{202e}abc"), r#""\u{202e}abc""#);
        assert_eq!(printable("größe"), "\"größe\"");
        assert_eq!(printable(""), "\"\"");
        let long = printable(&"x".repeat(1_000_000));
        assert!(long.starts_with("xxx") && long.len() < 140 && long.contains("…#"), "{long}");
    }
}
