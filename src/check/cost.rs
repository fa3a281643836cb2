//! What a call costs, counted from the traced graph before anything runs: the same number on every machine.

use crate::dim::{Bindings, Dim, Sizes, Type};
use crate::graph::Graph;

/// What an operation costs besides its values: as much as this many of them.
const OPERATION: f64 = 500.0;

/// Below this much work a call is over before anybody waits, and a check need not save.
pub(super) const CHEAP: f64 = 2e6;

/// The elements of a value at these sizes; a size that depends on data counts as in the example.
fn elements(ty: &Type, sizes: &Bindings) -> f64 {
    let length = |dim: &Dim| Sizes::Bound(sizes).of(dim).ok().or(dim.example()).unwrap_or(1).max(0) as f64;
    ty.shape.iter().map(length).product()
}

/// The work of one run: every number that is made, and every operation.
pub(super) fn work(graph: &Graph, sizes: &Bindings) -> f64 {
    let made = |node: &crate::graph::Node| node.outputs.iter().map(|&id| elements(&graph.value(id).ty, sizes)).sum::<f64>();
    graph.nodes().iter().map(|node| OPERATION + made(node)).sum::<f64>().max(OPERATION)
}

/// The most bytes that are alive at once while the traced graph is replayed, constants aside.
pub(super) fn peak(graph: &Graph, sizes: &Bindings) -> u64 {
    let bytes = |ty: &Type| elements(ty, sizes) * ty.dtype.size() as f64;
    let uses = graph.last_uses();
    let mut alive: f64 = graph.inputs().iter().map(|&id| bytes(&graph.value(id).ty)).sum();
    let mut most = alive;
    for (node, dead) in graph.nodes().iter().zip(uses.iter()) {
        alive += node.outputs.iter().map(|&id| bytes(&graph.value(id).ty)).sum::<f64>();
        most = most.max(alive);
        alive -= dead.iter().filter(|&&id| graph.value(id).constant().is_none()).map(|&id| bytes(&graph.value(id).ty)).sum::<f64>();
    }
    most as u64
}

/// The bytes of all values that a run makes.
pub(super) fn total(graph: &Graph, sizes: &Bindings) -> u64 {
    let values = graph.values().filter(|(_, value)| value.constant().is_none());
    values.map(|(_, value)| elements(&value.ty, sizes) * value.ty.dtype.size() as f64).sum::<f64>() as u64
}

/// What evaluating the traced graph in f64 with sampled errors takes, in bytes: besides each value of four bytes one of eight and three of four, and what the
/// bound of an operation is computed from while it is.
pub(super) fn exact_memory(graph: &Graph, sizes: &Bindings) -> u64 {
    let bytes = |ty: &Type| elements(ty, sizes) * ty.dtype.size() as f64;
    let made = |node: &crate::graph::Node| node.outputs.iter().map(|&id| bytes(&graph.value(id).ty)).sum::<f64>();
    let largest = graph.nodes().iter().map(made).fold(0.0, f64::max);
    peak(graph, sizes).saturating_mul(6).saturating_add(10 * largest as u64)
}
