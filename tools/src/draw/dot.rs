//! Diagrams as DOT, the language of graphviz; scopes are clusters.

use super::color::Colors;
use super::diagram::{Diagram, Kind};
use super::text::dot as quoted;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// A diagram as a graph of graphviz; the blocks with these indices stand out.
pub fn dot(title: &str, diagram: &Diagram, colors: &Colors, highlighted: &BTreeSet<usize>) -> String {
    let mut out = format!("digraph {} {{\n", quoted(&[title.to_string()]));
    out.push_str("  graph [rankdir=TB, fontname=\"Helvetica\", color=\"#aab2bc\"];\n");
    out.push_str("  node [shape=box, style=\"rounded,filled\", fontname=\"Helvetica\", fontcolor=white, fontsize=11];\n");
    out.push_str("  edge [fontname=\"Helvetica\", fontsize=9, color=\"#8d97a3\", fontcolor=\"#6a7480\"];\n");
    clusters(diagram, colors, highlighted, &mut out);
    for edge in &diagram.edges {
        let _ = writeln!(out, "  n{} -> n{} [label={}];", edge.from, edge.to, quoted(std::slice::from_ref(&edge.ty)));
    }
    out.push_str("}\n");
    out
}

/// The nodes, each in the clusters of its scopes.
fn clusters(diagram: &Diagram, colors: &Colors, highlighted: &BTreeSet<usize>, out: &mut String) {
    // A cluster of one node says what the node says.
    let sizes: BTreeMap<String, usize> = diagram.scopes().into_iter().map(|(scope, members)| (scope, members.len())).collect();
    let scopes =
        |i: usize| -> Vec<&String> { diagram.blocks[i].scopes.iter().filter(|scope| sizes.get(*scope).is_some_and(|&n| n > 1)).collect() };
    let mut order: Vec<usize> = (0..diagram.blocks.len()).collect();
    order.sort_by(|&a, &b| scopes(a).cmp(&scopes(b)).then(a.cmp(&b)));
    let (mut open, mut clusters): (Vec<&String>, usize) = (Vec::new(), 0);
    for i in order {
        let wanted = scopes(i);
        let common = open.iter().zip(&wanted).take_while(|(a, b)| a == b).count();
        for depth in (common..open.len()).rev() {
            let _ = writeln!(out, "{:1$}}}", "", 2 * depth + 2);
        }
        for (depth, scope) in wanted.iter().enumerate().skip(common) {
            let _ = writeln!(out, "{:1$}subgraph cluster_{clusters} {{ label={2};", "", 2 * depth + 2, quoted(&[(*scope).clone()]));
            clusters += 1;
        }
        open = wanted;
        let block = &diagram.blocks[i];
        let face = block.face();
        let lines: Vec<String> = std::iter::once(face.header).chain(face.rows).collect();
        let shape = if block.kind == Kind::Scope { ", shape=box3d, style=filled" } else { "" };
        let outline = if highlighted.contains(&i) { ", penwidth=4, color=\"#d81b60\"" } else { "" };
        let color = colors.of(block);
        let _ = writeln!(out, "{:1$}n{i} [label={2}, fillcolor=\"{color}\"{shape}{outline}];", "", 2 * open.len() + 2, quoted(&lines));
    }
    for depth in (0..open.len()).rev() {
        let _ = writeln!(out, "{:1$}}}", "", 2 * depth + 2);
    }
}
