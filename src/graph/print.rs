//! Text form of a graph: one line a node, in topological order.

use super::{Graph, Node, Source, ValueId};
use std::fmt;

impl Graph {
    /// A short name for a value: its own where it has one.
    pub fn label(&self, id: ValueId) -> String {
        match &self.value(id).source {
            Source::Input(name) | Source::Constant(_, Some(name)) => name.to_string(),
            Source::Constant(array, None) if array.len() == 1 && array.rank() == 0 => match array.item() {
                Ok(number) => number.to_string(),
                Err(_) => format!("c{}", id.index()),
            },
            Source::Constant(..) => format!("c{}", id.index()),
            Source::Node => format!("v{}", id.index()),
        }
    }
}

impl Node {
    /// The operator with its attributes, `Softmax[axis=1]`; one of a user's with its domain, `com.example.Snake[a=2.0]`.
    pub fn operation(&self) -> String {
        let (domain, attributes) = (self.op.domain(), self.op.attributes());
        let dot = if domain.is_empty() { "" } else { "." };
        match attributes.is_empty() {
            true => format!("{domain}{dot}{}", self.op.name()),
            false => format!("{domain}{dot}{}[{attributes}]", self.op.name()),
        }
    }
}

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let typed = |id: &ValueId| format!("{}: {}", self.label(*id), self.value(*id).ty);
        let join = |ids: &[ValueId]| ids.iter().map(typed).collect::<Vec<_>>().join(", ");
        writeln!(f, "graph({})", join(&self.inputs))?;
        for node in &self.nodes {
            let inputs: Vec<_> = node.inputs.iter().map(|id| id.map_or("-".to_string(), |id| self.label(id))).collect();
            write!(f, "  {} = {}({})", join(&node.outputs), node.operation(), inputs.join(", "))?;
            match node.location.to_string() {
                location if location.is_empty() => writeln!(f)?,
                location => writeln!(f, "  # {location}")?,
            }
        }
        let outputs: Vec<_> = self.outputs.iter().map(|id| self.label(*id)).collect();
        write!(f, "  return {}", outputs.join(", "))
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
