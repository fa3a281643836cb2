//! Operations that do the same to the same.

use super::{Agreement, Graph, Node, Operator, Source, Value, ValueId};
use crate::array::Array;
use std::collections::HashMap;

/// How far back two values are followed to what they are made of.
const DEEPEST: usize = 16;

/// Numbers of a constant that are compared one by one; larger ones are the same where they stand in one place.
const SMALL: usize = 64;

impl Graph {
    /// An operation of the record that does to the same values what this one does to these: what it gives has the same numbers at every call.
    pub(crate) fn twin(&self, op: &dyn Operator, inputs: &[Option<ValueId>]) -> Option<&Node> {
        let mut alike = Alike { graph: self, makers: HashMap::new(), known: HashMap::new() };
        for node in &self.nodes {
            alike.makers.extend(node.outputs.iter().enumerate().map(|(i, &id)| (id, (node, i))));
        }
        self.nodes.iter().rev().find(|node| alike.does(node, op, inputs, 0))
    }

    /// Whether another graph is known to make equal outputs of equal inputs at every call: it is this one, value by value.
    pub(crate) fn is_twin_of(&self, other: &Graph) -> bool {
        let same_value = |(a, b): (&Value, &Value)| {
            a.ty == b.ty
                && match (&a.source, &b.source) {
                    (Source::Constant(x, _), Source::Constant(y, _)) => holds_the_same(x, y),
                    (Source::Input(_), Source::Input(_)) | (Source::Node, Source::Node) => true,
                    _ => false,
                }
        };
        let same_node = |(a, b): (&Node, &Node)| a.inputs == b.inputs && a.outputs == b.outputs && does_the_same(&*a.op, &*b.op);
        (self.values.len(), self.nodes.len()) == (other.values.len(), other.nodes.len())
            && (&self.inputs, &self.outputs) == (&other.inputs, &other.outputs)
            && self.guards.is_empty()
            && other.guards.is_empty()
            && self.values.iter().zip(&other.values).all(same_value)
            && self.nodes.iter().zip(&other.nodes).all(same_node)
    }
}

/// What is known of values that are equal at every call: looked up only, never walked.
struct Alike<'a> {
    graph: &'a Graph,
    /// What makes a value, as which of its outputs.
    makers: HashMap<ValueId, (&'a Node, usize)>,
    /// Pairs that were compared: each once, however often it is met.
    known: HashMap<(ValueId, ValueId), bool>,
}

impl Alike<'_> {
    fn does(&mut self, node: &Node, op: &dyn Operator, inputs: &[Option<ValueId>], depth: usize) -> bool {
        let mut same = |(a, b): (&Option<ValueId>, &Option<ValueId>)| match (a, b) {
            (Some(a), Some(b)) => self.equals(*a, *b, depth),
            (None, None) => true,
            _ => false,
        };
        node.inputs.len() == inputs.len() && does_the_same(&*node.op, op) && node.inputs.iter().zip(inputs).all(&mut same)
    }

    /// Whether two values are known to be equal at every call.
    fn equals(&mut self, a: ValueId, b: ValueId, depth: usize) -> bool {
        if a == b {
            return true;
        }
        if let Some(&known) = self.known.get(&(a, b)) {
            return known;
        }
        let equal = match (&self.graph.value(a).source, &self.graph.value(b).source) {
            (Source::Constant(x, _), Source::Constant(y, _)) => holds_the_same(x, y),
            (Source::Node, Source::Node) if depth < DEEPEST => match (self.makers.get(&a).copied(), self.makers.get(&b).copied()) {
                (Some((x, i)), Some((y, j))) => i == j && self.does(x, &*y.op, &y.inputs, depth + 1),
                _ => false,
            },
            _ => false,
        };
        self.known.insert((a, b), equal);
        equal
    }
}

/// Whether two operators are known to make equal values of equal values, at every call.
fn does_the_same(a: &dyn Operator, b: &dyn Operator) -> bool {
    // What is drawn differs from one time to the next; what a user's operator holds may not show.
    let certain = || a.agreement() != Agreement::Random && a.domain().is_empty() && a.graphs().is_empty();
    a.name() == b.name() && certain() && format!("{a:?}") == format!("{b:?}")
}

/// Whether two constants are known to be equal; large ones are not looked through.
fn holds_the_same(x: &Array, y: &Array) -> bool {
    x.is_same(y) || x.len() <= SMALL && (x.dtype(), x.shape(), x.to_bytes()) == (y.dtype(), y.shape(), y.to_bytes())
}

#[cfg(test)]
mod tests {
    use crate::{Array, DType, Tensor, trace_fn};

    #[test]
    fn what_is_found_twice_has_one_length() {
        let x = Tensor::from(&[1.0f32, -2.0, 3.0]);
        let twice = |x: Tensor| {
            let found = || x.index_select(0, &x.gt(0.0)?.nonzero()?.reshape(&[-1])?);
            found()?.add(found()?)
        };
        let traced = trace_fn(twice, &x).unwrap();
        let sum = traced.graph().replay(&[Array::vector(vec![5.0f32, 6.0, -1.0])]).unwrap();
        assert_eq!(sum[0].to_vec::<f32>().unwrap(), [10.0, 12.0]);
    }

    #[test]
    fn what_is_drawn_twice_has_two() {
        let drawn = |x: Tensor| {
            let length = || Tensor::rand(x.shape(), DType::F32)?.gt(0.5)?.nonzero()?.dim(0);
            let (first, second) = (length()?, length()?);
            assert!(!first.is_symbolic() || first != second, "{first}");
            x.add(1.0)
        };
        trace_fn(drawn, &Tensor::from(&[0.0f32; 64])).unwrap();
    }
}
