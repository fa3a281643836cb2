//! The first node whose value differs, and whose fault it is.

use super::Check;
use crate::array::{Array, Tolerance, compare};
use crate::error::{Error, Result};
use crate::graph::{Agreement, Graph, Place};
use crate::module::{Example, Module};
use crate::tensor::Tensor;
use crate::trace::{Traced, record};
use std::fmt;

/// A node whose value differs.
#[derive(Clone, Debug)]
pub(super) struct Found {
    op: &'static str,
    place: Place,
    whose: Fault,
}

/// Who computed something else.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// The record does at other inputs not what the module does.
    Record,
    /// The runtime does not do what the record says.
    Runtime,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = match self.whose {
            Fault::Record => "the record does something else than the module does on these inputs",
            Fault::Runtime => "the runtime computes something else than the record says",
        };
        write!(f, "the first value that differs is made by {}", self.op)?;
        match self.place.to_string() {
            place if place.is_empty() => write!(f, ": {whose}"),
            place => write!(f, " ({place}): {whose}"),
        }
    }
}

/// Replays the record beside a second trace of the module on the same inputs; where they agree, beside the runtime.
pub(super) fn locate(module: &dyn Module, traced: &Traced, inputs: &[Array], options: &Check) -> Option<Found> {
    let recorded = values(traced.graph(), inputs);
    let example = traced
        .inputs()
        .iter()
        .zip(inputs)
        .fold(Example::new(), |example, ((name, _), array)| example.input(name, &Tensor::from(array.clone())));
    let again = record(module, example).ok()?;
    let module_values = values(again.graph(), inputs);
    if let Some(i) = first_difference(&recorded, &module_values, traced.graph(), options) {
        return Some(found(traced.graph(), i, Fault::Record));
    }
    let runtime = runtime_values(traced, inputs).ok()?;
    first_difference(&runtime, &recorded, traced.graph(), options).map(|i| found(traced.graph(), i, Fault::Runtime))
}

fn found(graph: &Graph, i: usize, whose: Fault) -> Found {
    let node = &graph.nodes()[i];
    Found { op: node.op.name(), place: node.place.clone(), whose }
}

/// The outputs of every node, in order, as far as it runs.
fn values(graph: &Graph, inputs: &[Array]) -> Vec<(usize, &'static str, Array)> {
    let mut values = Vec::new();
    // A node that fails ends the list, which is then where the difference is.
    let _ = graph.observe(inputs, |i, _, array| {
        values.push((i, graph.nodes()[i].op.name(), array.clone()));
        Ok(())
    });
    values
}

/// The node of the first value that one list has otherwise than the other.
fn first_difference(got: &[(usize, &str, Array)], expected: &[(usize, &str, Array)], graph: &Graph, options: &Check) -> Option<usize> {
    for (i, (node, op, array)) in got.iter().enumerate() {
        let Some((_, expected_op, wanted)) = expected.get(i) else { return Some(*node) };
        if op != expected_op {
            return Some(*node);
        }
        let allowed = match graph.nodes()[*node].op.agreement() {
            Agreement::Random => continue,
            _ => options.tolerance.unwrap_or(Tolerance::of(array.dtype())),
        };
        if !compare(array, wanted, allowed).is_some_and(|comparison| comparison.agrees) {
            return Some(*node);
        }
    }
    (got.len() < expected.len()).then(|| got.last().map_or(0, |last| last.0 + 1)).filter(|&i| i < graph.nodes().len())
}

/// The outputs of every node as the runtime computes them: the same graph with every value an output.
#[cfg(feature = "tract")]
fn runtime_values(traced: &Traced, inputs: &[Array]) -> Result<Vec<(usize, &'static str, Array)>> {
    let graph = traced.graph();
    let all: Vec<_> =
        graph.nodes().iter().enumerate().flat_map(|(i, node)| node.outputs.iter().map(move |&id| (i, node.op.name(), id))).collect();
    let mut open = graph.clone();
    open.set_outputs(all.iter().map(|value| value.2).collect());
    let outputs = crate::runtime::Session::new(&traced.with_graph(open).to_model()?)?.run(inputs)?;
    if outputs.len() != all.len() {
        return Err(Error::internal("the runtime gives another number of values"));
    }
    Ok(all.into_iter().zip(outputs).map(|((i, op, _), array)| (i, op, array)).collect())
}

#[cfg(not(feature = "tract"))]
fn runtime_values(_: &Traced, _: &[Array]) -> Result<Vec<(usize, &'static str, Array)>> {
    Err(Error::unsupported("this build has no runtime"))
}
