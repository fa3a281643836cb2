//! Structural equality: nodes and graphs that compute equal values from equal values.

use super::{Agreement, Graph, Node, Operator, Source, Value, ValueId};
use crate::array::Array;
use std::any::Any;
use std::collections::HashMap;

/// How many producers back two values are compared.
const MAX_DEPTH: usize = 16;

/// Elements of a constant that are compared one by one; larger ones are equal where they are one view of one buffer.
const SMALL: usize = 64;

impl Graph {
    /// A node with an equal operator on equal inputs: its outputs have the same elements at every call.
    pub(crate) fn equal_node(&self, op: &dyn Operator, inputs: &[Option<ValueId>]) -> Option<&Node> {
        let mut comparison = GraphComparison { graph: self, producers: HashMap::new(), known: HashMap::new() };
        for node in &self.nodes {
            comparison.producers.extend(node.outputs.iter().enumerate().map(|(i, &id)| (id, (node, i))));
        }
        self.nodes.iter().rev().find(|node| comparison.is_equal_node(node, op, inputs, 0))
    }

    /// Whether another graph is known to compute equal outputs from equal inputs at every call: it is this one, value by value.
    pub(crate) fn structurally_equals(&self, other: &Graph) -> bool {
        let same_value = |(a, b): (&Value, &Value)| {
            a.ty == b.ty
                && match (&a.source, &b.source) {
                    (Source::Constant(x, _), Source::Constant(y, _)) => equal_constants(x, y),
                    (Source::Input(_), Source::Input(_)) | (Source::Node, Source::Node) => true,
                    _ => false,
                }
        };
        let same_node = |(a, b): (&Node, &Node)| a.inputs == b.inputs && a.outputs == b.outputs && equal_operators(&*a.op, &*b.op);
        (self.values.len(), self.nodes.len()) == (other.values.len(), other.nodes.len())
            && (&self.inputs, &self.outputs) == (&other.inputs, &other.outputs)
            && self.guards.is_empty()
            && other.guards.is_empty()
            && self.values.iter().zip(&other.values).all(same_value)
            && self.nodes.iter().zip(&other.nodes).all(same_node)
    }
}

/// A comparison of values of one graph; its maps are looked up only, never iterated.
struct GraphComparison<'a> {
    graph: &'a Graph,
    /// The node that computes a value, as which of its outputs.
    producers: HashMap<ValueId, (&'a Node, usize)>,
    /// Results for pairs: each is compared once, however often it occurs.
    known: HashMap<(ValueId, ValueId), bool>,
}

impl GraphComparison<'_> {
    fn is_equal_node(&mut self, node: &Node, op: &dyn Operator, inputs: &[Option<ValueId>], depth: usize) -> bool {
        let mut same = |(a, b): (&Option<ValueId>, &Option<ValueId>)| match (a, b) {
            (Some(a), Some(b)) => self.equals(*a, *b, depth),
            (None, None) => true,
            _ => false,
        };
        node.inputs.len() == inputs.len() && equal_operators(&*node.op, op) && node.inputs.iter().zip(inputs).all(&mut same)
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
            (Source::Constant(x, _), Source::Constant(y, _)) => equal_constants(x, y),
            (Source::Node, Source::Node) if depth < MAX_DEPTH => match (self.producers.get(&a).copied(), self.producers.get(&b).copied()) {
                (Some((x, i)), Some((y, j))) => i == j && self.is_equal_node(x, &*y.op, &y.inputs, depth + 1),
                _ => false,
            },
            _ => false,
        };
        self.known.insert((a, b), equal);
        equal
    }
}

/// Whether two operators are known to compute equal outputs from equal inputs, at every call. Random ones differ from call to call.
pub(super) fn equal_operators(a: &dyn Operator, b: &dyn Operator) -> bool {
    (a as &dyn Any).type_id() == (b as &dyn Any).type_id()
        && (a.name(), a.domain()) == (b.name(), b.domain())
        && a.agreement() != Agreement::Random
        && a.attributes() == b.attributes()
}

/// Whether two constants are known to be equal; the elements of large ones are not compared.
fn equal_constants(x: &Array, y: &Array) -> bool {
    x.is_same(y) || x.len() <= SMALL && x.same_bytes(y)
}

#[cfg(test)]
mod tests {
    use crate::graph::Node;
    use crate::{Array, DType, Tensor, cond, trace_fn};

    #[test]
    fn what_is_computed_twice_has_one_size() {
        let x = Tensor::from(&[1.0f32, -2.0, 3.0]);
        let twice = |x: Tensor| {
            let selected = || x.index_select(0, &x.gt(0.0)?.nonzero()?.reshape([-1])?);
            selected()?.add(selected()?)
        };
        let traced = trace_fn(twice, &x).unwrap();
        let sum = traced.graph().replay(&[Array::vector(vec![5.0f32, 6.0, -1.0])]).unwrap();
        assert_eq!(sum[0].to_vec::<f32>().unwrap(), [10.0, 12.0]);
    }

    #[test]
    fn two_random_samples_have_two_sizes() {
        let sampled = |x: Tensor| {
            let size = || Tensor::rand(x.shape(), DType::F32)?.gt(0.5)?.nonzero()?.dim(0);
            let (first, second) = (size()?, size()?);
            assert!(!first.is_symbolic() || first != second, "{first}");
            x.add(1.0)
        };
        trace_fn(sampled, &Tensor::from(&[0.0f32; 64])).unwrap();
    }

    #[test]
    fn branches_are_compared_by_what_they_compute() {
        let branch = |scale: f64| {
            let f = move |x: Tensor| Ok(cond(&x.sum(.., false)?.gt(0.0)?, || Ok(vec![x.mul(scale)?]), || Ok(vec![x.neg()?]))?.remove(0));
            trace_fn(f, &Tensor::from(&[1.0f32, 2.0])).unwrap().graph().clone()
        };
        let attributes = |scale: f64| branch(scale).nodes().iter().map(|node: &Node| node.op.attributes()).collect::<Vec<_>>();
        assert_eq!(attributes(2.0), attributes(2.0));
        assert_ne!(attributes(2.0), attributes(3.0));
        assert!(branch(2.0).structurally_equals(&branch(2.0)) && !branch(2.0).structurally_equals(&branch(3.0)));
    }
}
