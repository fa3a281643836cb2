//! Do two records say the same? By what is done to what, not by names, lines or order.

use crate::array::{Array, Tolerance, compare};
use crate::graph::{Graph, Node, Source, ValueId};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Where two records part.
#[derive(Clone, Debug)]
pub(super) struct Difference {
    /// The first node of the first record that the second does not have.
    pub(super) first: Option<usize>,
    /// The first node of the second record that the first does not have.
    pub(super) second: Option<usize>,
    /// What is different, for people.
    pub(super) what: String,
}

/// What an operator does, as text, without what is no part of it: lengths of the example (`n=3`), and places of the nodes inside it.
fn text<'a>(node: &Node, buffer: &'a mut String) -> Cow<'a, str> {
    buffer.clear();
    // Writing to a String does not fail.
    let _ = write!(buffer, "{} {:?}", node.op.name(), node.op);
    let name = node.op.name().len() + 1;
    if !buffer.contains(['=', '#']) {
        return Cow::Borrowed(buffer);
    }
    let mut kept = buffer[..name].to_string();
    for line in buffer[name..].split_inclusive('\n') {
        let line = line.split("  # ").next().unwrap_or_default();
        for (i, part) in line.split('=').enumerate() {
            // Behind an equals sign stands the length of the example, or a space.
            kept.push_str(if i == 0 { part } else { part.trim_start_matches(|c: char| c.is_ascii_digit()) });
        }
    }
    Cow::Owned(kept)
}

/// Constants of both records by number: the same window is the same without a look at its bytes.
#[derive(Default)]
struct Constants {
    windows: HashMap<usize, Vec<(Array, u64)>>,
}

impl Constants {
    fn hash(&mut self, array: &Array) -> u64 {
        let known = self.windows.entry(array.address()).or_default();
        if let Some((_, hash)) = known.iter().find(|(other, _)| other.is_same(array)) {
            return *hash;
        }
        let mut hasher = DefaultHasher::new();
        (array.dtype() as u32, array.shape(), &*array.to_bytes()).hash(&mut hasher);
        let hash = hasher.finish();
        known.push((array.clone(), hash));
        hash
    }
}

/// A number for each value that says how it is made, from the inputs on.
struct Meaning {
    values: Vec<u64>,
    nodes: Vec<u64>,
}

fn meaning(graph: &Graph, constants: &mut Constants) -> Meaning {
    let mut values = vec![0u64; graph.values().count()];
    for (place, &id) in graph.inputs().iter().enumerate() {
        let mut hasher = DefaultHasher::new();
        let ty = &graph.value(id).ty;
        ("input", place, ty.dtype as u32, ty.rank()).hash(&mut hasher);
        values[id.index()] = hasher.finish();
    }
    for (id, value) in graph.values() {
        if let Source::Constant(array, _) = &value.source {
            values[id.index()] = constants.hash(array);
        }
    }
    let (mut nodes, mut buffer) = (Vec::with_capacity(graph.nodes().len()), String::new());
    for node in graph.nodes() {
        let mut hasher = DefaultHasher::new();
        hasher.write(text(node, &mut buffer).as_bytes());
        for input in &node.inputs {
            input.map_or(1, |id| values[id.index()]).hash(&mut hasher);
        }
        let hash = hasher.finish();
        for (i, &id) in node.outputs.iter().enumerate() {
            values[id.index()] = hash.rotate_left(i as u32 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        nodes.push(hash);
    }
    Meaning { values, nodes }
}

/// Where the second record says otherwise than the first; `None` where they say the same.
pub(super) fn difference(a: &Graph, b: &Graph) -> Option<Difference> {
    let mut constants = Constants::default();
    let (left, right) = (meaning(a, &mut constants), meaning(b, &mut constants));
    let outputs = |graph: &Graph, meaning: &Meaning| graph.outputs().iter().map(|&id| meaning.values[id.index()]).collect::<Vec<_>>();
    let (mine, theirs) = (outputs(a, &left), outputs(b, &right));
    if mine == theirs {
        return None;
    }
    let lacking = |nodes: &[u64], other: &[u64]| {
        let other: HashSet<u64> = other.iter().copied().collect();
        nodes.iter().position(|node| !other.contains(node))
    };
    let (first, second) = (lacking(&left.nodes, &right.nodes), lacking(&right.nodes, &left.nodes));
    let maker = |graph: &Graph, i: usize| {
        let id = graph.outputs()[i];
        graph.nodes().iter().position(|node| node.outputs.contains(&id))
    };
    let (mut first, mut second) = (first, second);
    let what = match (first, second) {
        (Some(i), Some(j)) => between((a, &left, i), (b, &right, j)),
        (Some(_), None) => "is not done the other time".to_string(),
        (None, Some(_)) => "is done the other time only".to_string(),
        (None, None) => match mine.iter().zip(&theirs).position(|(a, b)| a != b) {
            Some(i) => {
                (first, second) = (maker(a, i), maker(b, i));
                format!("output {i} is another value")
            }
            None => format!("{} outputs, and {} the other time", mine.len(), theirs.len()),
        },
    };
    Some(Difference { first, second, what })
}

/// What two nodes that stand for each other do differently.
fn between((a, left, i): (&Graph, &Meaning, usize), (b, right, j): (&Graph, &Meaning, usize)) -> String {
    let (x, y) = (&a.nodes()[i], &b.nodes()[j]);
    let (mut first, mut second) = (String::new(), String::new());
    let (mine, theirs) = (text(x, &mut first), text(y, &mut second));
    if mine != theirs {
        return format!("{mine} instead of {theirs}");
    }
    if x.inputs.len() != y.inputs.len() {
        return format!("{} inputs instead of {}", x.inputs.len(), y.inputs.len());
    }
    let hash = |meaning: &Meaning, id: &Option<ValueId>| id.map(|id| meaning.values[id.index()]);
    let Some(k) = (0..x.inputs.len()).find(|&k| hash(left, &x.inputs[k]) != hash(right, &y.inputs[k])) else {
        return "another operation".to_string();
    };
    let constant = |graph: &Graph, id: &Option<ValueId>| match id.map(|id| graph.value(id).source.clone()) {
        Some(Source::Constant(array, _)) => Some(array),
        _ => None,
    };
    match (constant(a, &x.inputs[k]), constant(b, &y.inputs[k])) {
        (Some(got), Some(expected)) => match compare(&got, &expected, Tolerance::EXACT).and_then(|found| found.worst) {
            Some((at, got, expected)) => format!("input {k} is a constant with {got} instead of {expected} at {at:?}"),
            None => format!("input {k} is {got} instead of {expected}"),
        },
        (None, None) if same_set(x, y, |id| hash(left, id), |id| hash(right, id)) => "its operands in another order".to_string(),
        (Some(_), None) => format!("input {k} is a constant, and computed the other time"),
        (None, Some(_)) => format!("input {k} is computed, and a constant the other time"),
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
    use crate::{Example, Tensor, module, record};

    #[test]
    fn lengths_of_the_example_and_lines_are_no_part_of_what_is_done() {
        let graph = |rows: usize, twice: bool| {
            let x = Tensor::new([rows, 2], vec![1f32; 2 * rows]).unwrap();
            let halve = |x: &Tensor| x.reshape(&[x.dim(0)? * 2, 1.into()]);
            let f = module::function(|x: Tensor| if twice { halve(&x)?.relu() } else { x.reshape(&[x.dim(0)? * 2, 1.into()])?.relu() }, &x);
            record(&f, Example::new().input("x", &x).symbolic("x", 0, "n").unwrap()).unwrap().graph().clone()
        };
        assert!(difference(&graph(3, false), &graph(5, true)).is_none());
    }

    #[test]
    fn the_first_node_that_is_really_another_is_named() {
        let x = Tensor::from(&[1f32, 2.0]);
        let graph = |number: f64| {
            let f = module::function(|x: Tensor| x.relu()?.mul(number)?.exp(), &x);
            record(&f, &x).unwrap().graph().clone()
        };
        let found = difference(&graph(2.0), &graph(3.0)).unwrap();
        assert_eq!((found.first, found.second), (Some(1), Some(1)));
        assert!(found.what.contains("a constant with 2 instead of 3"), "{}", found.what);
    }
}
