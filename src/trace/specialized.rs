//! Values of inputs that a program read while it was traced: the graph is right for these alone.

use super::Traced;
use crate::array::Array;
use crate::graph::{Condition, Graph, SourceLocation, ValueId};
use std::fmt;

/// A value that the program read and may have branched on: the traced graph is valid only where it is the same. An exported file cannot
/// check that, so that the caller of an export must agree.
#[derive(Clone, Debug, PartialEq)]
pub struct SpecializedValue {
    /// The inputs that the value is computed from, by name. Where the value is an input, that one.
    pub inputs: Vec<String>,
    /// Whether the value is the input itself.
    pub is_input: bool,
    /// The value that was read.
    pub value: Array,
    /// Where the program read it.
    pub location: SourceLocation,
}

/// The inputs that a value is computed from; sizes do not count.
fn inputs_of(graph: &Graph, id: ValueId) -> Vec<String> {
    let needed = graph.needed_by(&[id]);
    graph.inputs().iter().filter(|input| needed.contains(input)).map(|&input| graph.label(input)).collect()
}

impl Traced {
    /// The values of inputs that the traced graph is specialized for, in the order in which the program read them.
    ///
    /// ```
    /// use ontrace::{Tensor, trace_fn};
    /// let (x, n) = (Tensor::from(&[1.0f32, 2.0]), Tensor::from(&[2i64]));
    /// let traced = trace_fn(|(x, n): (Tensor, Tensor)| x.mul(n.item()?), &(x, n))?;
    /// assert_eq!(traced.specialized()[0].inputs.len(), 1);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    pub fn specialized(&self) -> Vec<SpecializedValue> {
        let graph = self.graph();
        let value = |guard: &crate::graph::Guard| match &guard.condition {
            Condition::Values(id, value) => {
                let inputs = inputs_of(graph, *id);
                let is_input = graph.inputs().contains(id);
                (!inputs.is_empty()).then(|| SpecializedValue { inputs, is_input, value: value.clone(), location: guard.location.clone() })
            }
            Condition::Sizes(_) => None,
        };
        self.guards().iter().filter_map(value).collect()
    }
}

impl SpecializedValue {
    /// What the value is, in a condition: `t = 3`, or `values of a, b for which it is 3`.
    fn condition(&self) -> String {
        // Without the type, which stands before the values.
        let value = match self.value.to_string().split_once(' ') {
            Some((_, value)) if self.value.len() <= 16 => value.to_string(),
            _ => format!("the {} elements of the example", self.value.len()),
        };
        match (self.is_input, self.inputs.join(", ")) {
            (true, input) => format!("{input} = {value}"),
            (false, inputs) => format!("values of {inputs} for which it is {value}"),
        }
    }

    /// What a file says of one of its inputs.
    pub(crate) fn of_input(&self) -> String {
        let what = if self.is_input { "" } else { "a value is computed: " };
        format!("specialized: {what}valid only for {}{}", self.condition(), self.location.suffix())
    }
}

impl fmt::Display for SpecializedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.inputs.len() == 1 { "input" } else { "inputs" };
        let names: Vec<String> = self.inputs.iter().map(|name| format!("`{name}`")).collect();
        let what = if self.is_input { "the value" } else { "a value computed from the value" };
        write!(f, "the model reads {what} of {noun} {}; the exported graph is valid only for {}", names.join(", "), self.condition())?;
        write!(f, "{}", self.location.suffix())
    }
}
