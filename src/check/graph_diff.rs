//! Graph diff: the first nodes in which two traced graphs differ. Names, source locations and the order of independent nodes do not count.

use crate::array::{Tolerance, compare};
use crate::graph::{ConstantHashes, Graph, Node, Source, StructuralHashes, ValueId};
use std::collections::HashSet;

/// Where two graphs differ.
#[derive(Clone, Debug)]
pub(super) struct Difference {
    /// The first node of the first graph that the second does not have.
    pub(super) first: Option<usize>,
    /// The first node of the second graph that the first does not have.
    pub(super) second: Option<usize>,
    /// The difference as text.
    pub(super) what: String,
}

/// Where the second graph differs from the first; `None` where they compute the same.
pub(super) fn difference(a: &Graph, b: &Graph) -> Option<Difference> {
    let outputs = |graph: &Graph, hashes: &StructuralHashes| graph.outputs().iter().map(|&id| hashes.value(id)).collect::<Vec<_>>();
    let mut constants = ConstantHashes::by_identity(a, b);
    if outputs(a, &a.structural_hashes(&mut constants)) == outputs(b, &b.structural_hashes(&mut constants)) {
        return None;
    }
    // Constants with equal elements are one constant.
    let mut constants = ConstantHashes::default();
    let (left, right) = (a.structural_hashes(&mut constants), b.structural_hashes(&mut constants));
    let (mine, theirs) = (outputs(a, &left), outputs(b, &right));
    if mine == theirs {
        return None;
    }
    let lacking = |nodes: &[u64], other: &[u64]| {
        let other: HashSet<u64> = other.iter().copied().collect();
        nodes.iter().position(|node| !other.contains(node))
    };
    let (first, second) = (lacking(&left.nodes, &right.nodes), lacking(&right.nodes, &left.nodes));
    let producer = |graph: &Graph, i: usize| {
        let id = graph.outputs()[i];
        graph.nodes().iter().position(|node| node.outputs.contains(&id))
    };
    let (mut first, mut second) = (first, second);
    let what = match (first, second) {
        (Some(i), Some(j)) => between((a, &left, i), (b, &right, j)),
        (Some(_), None) => "is missing in the other trace".to_string(),
        (None, Some(_)) => "is only in the other trace".to_string(),
        (None, None) => match mine.iter().zip(&theirs).position(|(a, b)| a != b) {
            Some(i) => {
                (first, second) = (producer(a, i), producer(b, i));
                format!("output {i} is another value")
            }
            None => format!("{} outputs, {} in the other trace", mine.len(), theirs.len()),
        },
    };
    Some(Difference { first, second, what })
}

/// The difference between two nodes in corresponding positions.
fn between((a, left, i): (&Graph, &StructuralHashes, usize), (b, right, j): (&Graph, &StructuralHashes, usize)) -> String {
    let (x, y) = (&a.nodes()[i], &b.nodes()[j]);
    let (mine, theirs) = (x.operation(), y.operation());
    if mine != theirs {
        return format!("{mine} instead of {theirs}");
    }
    if x.inputs.len() != y.inputs.len() {
        return format!("{} inputs instead of {}", x.inputs.len(), y.inputs.len());
    }
    let hash = |hashes: &StructuralHashes, id: &Option<ValueId>| id.map(|id| hashes.value(id));
    let Some(k) = (0..x.inputs.len()).find(|&k| hash(left, &x.inputs[k]) != hash(right, &y.inputs[k])) else {
        return "another operation".to_string();
    };
    let constant = |graph: &Graph, id: &Option<ValueId>| match id.map(|id| graph.value(id).source.clone()) {
        Some(Source::Constant(array, _)) => Some(array),
        _ => None,
    };
    match (constant(a, &x.inputs[k]), constant(b, &y.inputs[k])) {
        (Some(got), Some(expected)) => match compare(&got, &expected, Tolerance::EXACT).ok().and_then(|found| found.worst) {
            Some((at, got, expected)) => format!("input {k} is a constant with {got} instead of {expected} at {at:?}"),
            None => format!("input {k} is {got} instead of {expected}"),
        },
        (None, None) if same_set(x, y, |id| hash(left, id), |id| hash(right, id)) => "its operands are in another order".to_string(),
        (Some(_), None) => format!("input {k} is a constant here and computed in the other trace"),
        (None, Some(_)) => format!("input {k} is computed here and a constant in the other trace"),
        _ => format!("input {k} is another value"),
    }
}

fn same_set(x: &Node, y: &Node, left: impl Fn(&Option<ValueId>) -> Option<u64>, right: impl Fn(&Option<ValueId>) -> Option<u64>) -> bool {
    let sorted = |mut hashes: Vec<Option<u64>>| {
        hashes.sort();
        hashes
    };
    sorted(x.inputs.iter().map(left).collect()) == sorted(y.inputs.iter().map(right).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Array;
    use crate::dim::Type;
    use crate::graph::Inputs;
    use crate::onnx::{Node as OnnxNode, NodeBuilder};
    use crate::ops::CustomOp;
    use crate::{Example, Tensor, module, record};

    #[test]
    fn sizes_of_the_example_and_source_locations_do_not_count() {
        let graph = |rows: usize, twice: bool| {
            let x = Tensor::new([rows, 2], vec![1f32; 2 * rows]).unwrap();
            let halve = |x: &Tensor| x.reshape(&[x.dim(0)? * 2, 1.into()]);
            let f = module::from_fn(|x: Tensor| if twice { halve(&x)?.relu() } else { x.reshape(&[x.dim(0)? * 2, 1.into()])?.relu() });
            record(&f, Example::new().input("x", &x).symbolic("x", 0, "n").unwrap()).unwrap().graph().clone()
        };
        assert!(difference(&graph(3, false), &graph(5, true)).is_none());
    }

    #[test]
    fn the_first_node_that_is_really_another_is_named() {
        let x = Tensor::from(&[1f32, 2.0]);
        let graph = |factor: f64| {
            let f = module::from_fn(|x: Tensor| x.relu()?.mul(factor)?.exp());
            record(&f, &x).unwrap().graph().clone()
        };
        let found = difference(&graph(2.0), &graph(3.0)).unwrap();
        assert_eq!((found.first, found.second), (Some(1), Some(1)));
        assert!(found.what.contains("a constant with 2 instead of 3"), "{}", found.what);
    }

    /// x, with a key that only the attribute holds.
    #[derive(Debug)]
    struct Keyed(&'static str);

    impl CustomOp for Keyed {
        const DOMAIN: &'static str = "com.example";
        const NAME: &'static str = "Keyed";

        fn infer(&self, inputs: &Inputs<Type>) -> crate::Result<Vec<Type>> {
            Ok(vec![inputs.at(0)?.clone()])
        }

        fn eval(&self, inputs: &Inputs<Array>) -> crate::Result<Vec<Array>> {
            Ok(vec![inputs.at(0)?.clone()])
        }

        fn write<'a>(&self, node: NodeBuilder<'a>) -> NodeBuilder<'a> {
            node.string("key", self.0)
        }

        fn read(_: &OnnxNode) -> crate::Result<Keyed> {
            Ok(Keyed("k=5"))
        }
    }

    #[test]
    fn custom_operators_are_equal_where_they_write_the_same_attributes() {
        let x = Tensor::from(&[1f32, 2.0]);
        let graph = |key: &'static str| {
            let f = module::from_fn(|x: Tensor| Keyed(key).apply_one(&[&x])?.relu());
            record(&f, &x).unwrap().graph().clone()
        };
        assert!(difference(&graph("k=5"), &graph("k=5")).is_none());
        assert!(graph("k=5").structurally_equals(&graph("k=5")) && !graph("k=5").structurally_equals(&graph("k=6")));
        let other = difference(&graph("k=5"), &graph("k=6")).unwrap();
        assert_eq!(other.what, "com.example.Keyed[key=\"k=5\"] instead of com.example.Keyed[key=\"k=6\"]");
    }
}
