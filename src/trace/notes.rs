//! What a reader of a trace should know before trusting it with other inputs.

use super::{Traced, constant, is_used};
use std::fmt;

/// A fact about a trace that its user did not ask for.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// An input that nothing uses; it stays an input.
    UnusedInput(String),
    /// An output that is the same at every call.
    ConstantOutput(String),
    /// A number that the program read out of a traced tensor or length, with its place.
    Guard(String),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::UnusedInput(name) => write!(f, "input `{name}` is not used"),
            Note::ConstantOutput(name) => write!(f, "output `{name}` is the same at every call"),
            Note::Guard(guard) => write!(f, "the trace holds only where {guard}"),
        }
    }
}

/// The notes on a trace, in a fixed order.
pub(super) fn notes(traced: &Traced) -> Vec<Note> {
    let graph = traced.graph();
    let unused = graph.inputs().iter().filter(|&&id| !is_used(graph, id)).map(|&id| Note::UnusedInput(graph.label(id)));
    let outputs = graph.outputs().iter().zip(traced.outputs());
    let fixed = outputs.filter(|(id, _)| constant(graph, **id).is_some()).map(|(_, (name, _))| Note::ConstantOutput(name));
    let guards = traced.guards().iter().map(|guard| Note::Guard(guard.to_string()));
    unused.chain(fixed).chain(guards).collect()
}
