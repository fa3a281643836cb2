//! Which node of one graph is which node of another: by what they compute, whatever their names and their order.
//!
//! Nodes are paired from the strongest sign to the weakest: the same computation from the inputs with the same weights; the same with other weights; the
//! same on the way to the outputs; neighbours of nodes that are paired; what is left over with one operator and one type, in its order.

use ontrace::graph::{Graph, Node, Source, ValueId};
use ontrace::{Array, Result};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Operators of which the order of the operands does not matter.
const COMMUTATIVE: &[&str] = &["Add", "Mul", "And", "Or", "Xor", "Equal", "Max", "Min", "Sum", "Mean"];

/// Whether the order of the operands does not matter.
pub fn is_commutative(node: &Node) -> bool {
    node.op.domain().is_empty() && COMMUTATIVE.contains(&node.op.name())
}

/// A graph with what the alignment needs to know of it.
pub struct Side<'a> {
    pub graph: &'a Graph,
    /// The node that makes a value.
    pub maker: HashMap<ValueId, usize>,
    /// The nodes that take a value, each with the position among its operands.
    uses: HashMap<ValueId, Vec<(usize, usize)>>,
    /// The hash of the elements of each constant.
    constants: HashMap<ValueId, u64>,
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn operator(node: &Node) -> (String, &'static str, &'static str, usize) {
    (format!("{:?}", node.inputs.iter().map(Option::is_some).collect::<Vec<_>>()), node.op.domain(), node.op.name(), node.outputs.len())
}

impl<'a> Side<'a> {
    /// The graph and its constants.
    ///
    /// # Errors
    /// Where the elements of a constant cannot be read.
    pub fn new(graph: &'a Graph) -> Result<Side<'a>> {
        let (mut maker, mut uses) = (HashMap::new(), HashMap::<ValueId, Vec<(usize, usize)>>::new());
        for (i, node) in graph.nodes().iter().enumerate() {
            maker.extend(node.outputs.iter().map(|&id| (id, i)));
            for (k, id) in node.inputs.iter().enumerate() {
                id.iter().for_each(|id| uses.entry(*id).or_default().push((i, k)));
            }
        }
        let mut constants = HashMap::new();
        for (id, value) in graph.values() {
            if let Source::Constant(array, _) = &value.source {
                constants.insert(id, hash(&(type_of(array), &array.to_bytes()?[..])));
            }
        }
        Ok(Side { graph, maker, uses, constants })
    }

    /// The constant that a value is.
    pub fn constant(&self, id: ValueId) -> Option<(&'a Array, Option<&'a str>)> {
        match &self.graph.value(id).source {
            Source::Constant(array, name) => Some((array, name.as_deref())),
            _ => None,
        }
    }

    /// A hash of what each node computes from the inputs; of constants only the type counts where values do not.
    fn forward(&self, with_values: bool) -> Vec<u64> {
        let mut values: HashMap<ValueId, u64> = HashMap::new();
        for (position, &id) in self.graph.inputs().iter().enumerate() {
            values.insert(id, hash(&("input", position)));
        }
        let mut nodes = Vec::with_capacity(self.graph.nodes().len());
        for node in self.graph.nodes() {
            let mut operands: Vec<Option<u64>> = node
                .inputs
                .iter()
                .map(|id| id.map(|id| values.get(&id).copied().unwrap_or_else(|| self.of_constant(id, with_values))))
                .collect();
            if is_commutative(node) {
                operands.sort();
            }
            let own = hash(&(operator(node), node.op.attributes(), operands));
            values.extend(node.outputs.iter().enumerate().map(|(i, &id)| (id, hash(&(own, i)))));
            nodes.push(own);
        }
        nodes
    }

    fn of_constant(&self, id: ValueId, with_values: bool) -> u64 {
        match self.constant(id) {
            Some((array, _)) if !with_values => hash(&type_of(array)),
            _ => self.constants.get(&id).copied().unwrap_or_default(),
        }
    }

    /// A hash of what each node's results are used for, up to the outputs.
    fn backward(&self, with_attributes: bool) -> Vec<u64> {
        let count = self.graph.nodes().len();
        let mut nodes = vec![0u64; count];
        let outputs: HashMap<ValueId, usize> = self.graph.outputs().iter().enumerate().map(|(i, &id)| (id, i)).collect();
        for (i, node) in self.graph.nodes().iter().enumerate().rev() {
            let used = |id: &ValueId| {
                let position = |&(user, k): &(usize, usize)| (nodes[user], if is_commutative(&self.graph.nodes()[user]) { 0 } else { k });
                let mut users: Vec<(u64, usize)> = self.uses.get(id).into_iter().flatten().map(position).collect();
                users.sort();
                (users, outputs.get(id).copied())
            };
            let operands: Vec<Option<u64>> =
                node.inputs.iter().map(|id| id.filter(|id| self.constant(*id).is_some()).map(|id| self.of_constant(id, false))).collect();
            let attributes = with_attributes.then(|| node.op.attributes());
            let users: Vec<_> = node.outputs.iter().map(used).collect();
            nodes[i] = hash(&(operator(node), attributes, operands, users));
        }
        nodes
    }
}

fn type_of(array: &Array) -> (&'static str, Vec<usize>) {
    (array.dtype().name(), array.shape().to_vec())
}

/// The pairs of an alignment, by the index in either graph.
pub struct Alignment {
    pub of_first: Vec<Option<usize>>,
    pub of_second: Vec<Option<usize>>,
}

impl Alignment {
    /// The alignment of two graphs.
    pub fn new(a: &Side, b: &Side) -> Alignment {
        let mut alignment = Alignment { of_first: vec![None; a.graph.nodes().len()], of_second: vec![None; b.graph.nodes().len()] };
        alignment.pair_by(&a.forward(true), &b.forward(true), false);
        alignment.pair_by(&a.forward(false), &b.forward(false), false);
        alignment.pair_by(&a.backward(true), &b.backward(true), false);
        alignment.pair_neighbours(a, b);
        alignment.pair_by(&a.backward(false), &b.backward(false), true);
        alignment.pair_neighbours(a, b);
        let left_over = |side: &Side| -> Vec<u64> {
            let types = |node: &Node| node.outputs.iter().map(|&id| side.graph.value(id).ty.to_string()).collect::<Vec<_>>();
            side.graph.nodes().iter().map(|node| hash(&(operator(node), types(node)))).collect()
        };
        alignment.pair_by(&left_over(a), &left_over(b), true);
        alignment
    }

    /// Pairs what has one key, in its order; where that is asked, only keys that as many nodes of both have.
    fn pair_by(&mut self, a: &[u64], b: &[u64], only_as_many: bool) {
        let groups = |keys: &[u64], paired: &[Option<usize>]| {
            let mut groups: HashMap<u64, Vec<usize>> = HashMap::new();
            for (i, key) in keys.iter().enumerate().filter(|(i, _)| paired[*i].is_none()) {
                groups.entry(*key).or_default().push(i);
            }
            groups
        };
        let (first, second) = (groups(a, &self.of_first), groups(b, &self.of_second));
        for (key, left) in first {
            let right = second.get(&key).map_or(&[][..], Vec::as_slice);
            if !only_as_many || left.len() == right.len() {
                left.iter().zip(right).for_each(|(&i, &j)| self.pair(i, j));
            }
        }
    }

    fn pair(&mut self, i: usize, j: usize) {
        self.of_first[i] = Some(j);
        self.of_second[j] = Some(i);
    }

    /// Pairs the makers of the operands and the users of the results of nodes that are paired, where they have one operator.
    fn pair_neighbours(&mut self, a: &Side, b: &Side) {
        let mut open: Vec<(usize, usize)> = self.of_first.iter().enumerate().filter_map(|(i, j)| Some((i, (*j)?))).collect();
        while let Some((i, j)) = open.pop() {
            let (x, y) = (&a.graph.nodes()[i], &b.graph.nodes()[j]);
            let mut found = Vec::new();
            for (p, q) in x.inputs.iter().zip(&y.inputs) {
                if let (Some(p), Some(q)) = (p.and_then(|id| a.maker.get(&id)), q.and_then(|id| b.maker.get(&id))) {
                    found.push((*p, *q));
                }
            }
            for (p, q) in x.outputs.iter().zip(&y.outputs) {
                let users = |side: &Side, id: &ValueId| side.uses.get(id).cloned().unwrap_or_default();
                let (mine, theirs) = (users(a, p), users(b, q));
                for (user, k) in mine {
                    let alike = |(other, l): &&(usize, usize)| *l == k && self.is_alike(a, b, (user, *other));
                    found.extend(theirs.iter().find(alike).map(|(other, _)| (user, *other)));
                }
            }
            for (p, q) in found {
                if self.is_alike(a, b, (p, q)) {
                    self.pair(p, q);
                    open.push((p, q));
                }
            }
        }
    }

    /// Whether two nodes are without a pair, and have one operator.
    fn is_alike(&self, a: &Side, b: &Side, (i, j): (usize, usize)) -> bool {
        let name = |side: &Side, i: usize| (side.graph.nodes()[i].op.domain(), side.graph.nodes()[i].op.name());
        self.of_first[i].is_none() && self.of_second[j].is_none() && name(a, i) == name(b, j)
    }

    /// The nodes of both in one order: pairs, and nodes that only one has.
    pub fn merged(&self) -> Vec<(Option<usize>, Option<usize>)> {
        let (mut rows, mut next) = (Vec::new(), 0);
        for (i, pair) in self.of_first.iter().enumerate() {
            if let Some(j) = *pair {
                while next < j {
                    rows.extend(self.of_second[next].is_none().then_some((None, Some(next))));
                    next += 1;
                }
            }
            rows.push((Some(i), *pair));
        }
        rows.extend((next..self.of_second.len()).filter(|&j| self.of_second[j].is_none()).map(|j| (None, Some(j))));
        rows
    }
}
