//! What is different between two aligned graphs.

use super::alignment::{Alignment, Side, is_commutative};
use ontrace::array::{Comparison, Tolerance, compare};
use ontrace::graph::{Attribute, Graph, Node, ValueId};
use ontrace::{Array, DType, Result};
use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

/// How the elements of weights are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// Not at all.
    Ignored,
    /// To the bit.
    Exact,
    /// Up to what rounding changes where weights are multiplied and added.
    Rounded,
}

impl Weights {
    fn tolerance(self, expected: &Array) -> Result<Tolerance> {
        let unit = match expected.dtype() {
            DType::F64 => f64::EPSILON,
            DType::F32 => f64::from(f32::EPSILON),
            DType::F16 => 1.0 / 1024.0,
            DType::BF16 => 1.0 / 128.0,
            _ => return Ok(Tolerance::EXACT),
        };
        if self != Weights::Rounded {
            return Ok(Tolerance::EXACT);
        }
        let largest = expected.to_f64s()?.into_iter().filter(|x| x.is_finite()).fold(0.0, |most: f64, x| most.max(x.abs()));
        Ok(Tolerance { abs: 16.0 * unit * largest, rel: 16.0 * unit })
    }
}

/// A node, as it is shown.
#[derive(Clone, Debug)]
pub struct NodeLabel {
    pub op: String,
    /// The path of its module, else the name of its first result.
    pub name: String,
    /// The operator with its attributes.
    pub operation: String,
    /// The types of its results.
    pub types: String,
}

/// A pair of nodes that are not the same.
#[derive(Clone, Debug)]
pub struct Change {
    pub first: NodeLabel,
    pub second: NodeLabel,
    /// What is different, a line each.
    pub what: Vec<String>,
}

/// A pair of constants that are not the same.
#[derive(Clone, Debug)]
pub struct WeightDifference {
    /// The names in both models, or the node and operand that they belong to.
    pub names: (String, String),
    /// `f32[64,3]`.
    pub ty: String,
    pub elements: usize,
    pub comparison: Comparison,
}

/// A row of both graphs in one order.
pub struct MergedRow {
    pub first: Option<NodeLabel>,
    pub second: Option<NodeLabel>,
    /// Whether the pair is the same.
    pub is_same: bool,
}

/// The differences of two graphs.
#[derive(Default)]
pub struct Differences {
    /// Of the inputs and outputs.
    pub signature: Vec<String>,
    pub changed: Vec<Change>,
    pub only_first: Vec<NodeLabel>,
    pub only_second: Vec<NodeLabel>,
    pub weights: Vec<WeightDifference>,
    /// How many nodes each graph has.
    pub nodes: (usize, usize),
    /// How many pairs are the same, weights aside.
    pub same: usize,
    pub rows: Vec<MergedRow>,
}

impl Differences {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.signature.len() + self.changed.len() + self.only_first.len() + self.only_second.len() + self.weights.len()
    }

    /// The differences of two graphs.
    ///
    /// # Errors
    /// Where constants cannot be read.
    pub fn of(first: &Graph, second: &Graph, weights: Weights) -> Result<Differences> {
        let (a, b) = (Side::new(first)?, Side::new(second)?);
        let alignment = Alignment::new(&a, &b);
        let mut search = Search { a: &a, b: &b, alignment: &alignment, weights, seen: BTreeSet::new(), found: Differences::default() };
        search.signature();
        search.nodes()?;
        let mut found = search.found;
        found.nodes = (first.nodes().len(), second.nodes().len());
        Ok(found)
    }
}

/// A node of a graph, as it is shown.
fn label(side: &Side, i: usize) -> NodeLabel {
    let node = &side.graph.nodes()[i];
    let name = match node.location.scope.is_empty() {
        false => node.location.scope.to_string(),
        true => node.outputs.first().map(|&id| side.graph.label(id)).unwrap_or_default(),
    };
    let types: Vec<String> = node.outputs.iter().map(|&id| side.graph.value(id).ty.to_string()).collect();
    NodeLabel { op: node.op.name().to_string(), name, operation: node.operation(), types: types.join(", ") }
}

struct Search<'a> {
    a: &'a Side<'a>,
    b: &'a Side<'a>,
    alignment: &'a Alignment,
    weights: Weights,
    /// The pairs of constants that were compared, by address: one that several nodes use is compared once.
    seen: BTreeSet<(usize, usize, usize)>,
    found: Differences,
}

impl Search<'_> {
    fn signature(&mut self) {
        let (a, b) = (self.a.graph, self.b.graph);
        for (what, mine, theirs) in [("input", a.inputs(), b.inputs()), ("output", a.outputs(), b.outputs())] {
            if mine.len() != theirs.len() {
                self.found.signature.push(format!("{} and {} {what}s", mine.len(), theirs.len()));
            }
            for (k, (&x, &y)) in mine.iter().zip(theirs).enumerate() {
                let (left, right) = (a.value(x).ty.to_string(), b.value(y).ty.to_string());
                if left != right {
                    self.found.signature.push(format!("{what} {k}: {left} → {right}"));
                }
                if what == "output" && !self.corresponds(x, y) {
                    self.found.signature.push(format!("output {k} is another value"));
                }
            }
        }
    }

    /// Whether a value of the first graph may be a value of the second: unless both are known and are others.
    fn corresponds(&self, x: ValueId, y: ValueId) -> bool {
        let position = |side: &Side, id: ValueId| side.graph.inputs().iter().position(|&other| other == id);
        match (self.a.maker.get(&x), self.b.maker.get(&y)) {
            (Some(&i), Some(&j)) => {
                let result = |side: &Side, i: usize, id: ValueId| side.graph.nodes()[i].outputs.iter().position(|&other| other == id);
                match (self.alignment.of_first[i], self.alignment.of_second[j]) {
                    (Some(pair), Some(_)) => pair == j && result(self.a, i, x) == result(self.b, j, y),
                    // A node that only one has is told of anyway.
                    _ => true,
                }
            }
            (None, None) => match (self.a.constant(x), self.b.constant(y)) {
                (Some(_), Some(_)) => true,
                (None, None) => position(self.a, x) == position(self.b, y),
                _ => false,
            },
            (Some(&i), None) => self.alignment.of_first[i].is_none(),
            (None, Some(&j)) => self.alignment.of_second[j].is_none(),
        }
    }

    fn nodes(&mut self) -> Result<()> {
        for (i, j) in self.alignment.merged() {
            let (first, second) = (i.map(|i| label(self.a, i)), j.map(|j| label(self.b, j)));
            let mut is_same = false;
            match (i, j) {
                (Some(i), Some(j)) => {
                    let before = self.found.weights.len();
                    let what = self.between(i, j)?;
                    is_same = what.is_empty() && self.found.weights.len() == before;
                    self.found.same += usize::from(what.is_empty());
                    if let (false, Some(first), Some(second)) = (what.is_empty(), first.clone(), second.clone()) {
                        self.found.changed.push(Change { first, second, what });
                    }
                }
                (Some(_), None) => self.found.only_first.extend(first.clone()),
                _ => self.found.only_second.extend(second.clone()),
            }
            self.found.rows.push(MergedRow { first, second, is_same });
        }
        Ok(())
    }

    /// What is different between two nodes that are paired.
    fn between(&mut self, i: usize, j: usize) -> Result<Vec<String>> {
        let (x, y) = (&self.a.graph.nodes()[i], &self.b.graph.nodes()[j]);
        let mut what = self.attributes(x, y)?;
        if x.inputs.len() != y.inputs.len() {
            what.push(format!("{} and {} operands", x.inputs.len(), y.inputs.len()));
        }
        let mut theirs = y.inputs.clone();
        if is_commutative(x) && x.inputs.len() == 2 && theirs.len() == 2 && !self.fit(x, &theirs) {
            theirs.swap(0, 1);
            if !self.fit(x, &theirs) {
                theirs.swap(0, 1);
            }
        }
        let mut types_follow = what.is_empty();
        for (k, pair) in x.inputs.iter().zip(&theirs).enumerate() {
            match pair {
                (None, None) => {}
                (Some(_), None) => what.push(format!("operand {k} is only in the first")),
                (None, Some(_)) => what.push(format!("operand {k} is only in the second")),
                (&Some(p), &Some(q)) => {
                    types_follow &= self.a.graph.value(p).ty.to_string() == self.b.graph.value(q).ty.to_string();
                    what.extend(self.operand((i, j), k, (p, q))?);
                }
            }
        }
        for (k, (&p, &q)) in x.outputs.iter().zip(&y.outputs).enumerate().filter(|_| types_follow) {
            let (left, right) = (self.a.graph.value(p).ty.to_string(), self.b.graph.value(q).ty.to_string());
            if left != right {
                what.push(format!("result {k}: {left} → {right}"));
            }
        }
        Ok(what)
    }

    /// Whether the operands of a node may be these of the other graph, in this order.
    fn fit(&self, x: &Node, theirs: &[Option<ValueId>]) -> bool {
        x.inputs.iter().zip(theirs).all(|pair| match pair {
            (Some(p), Some(q)) => {
                let constants = (self.a.constant(*p), self.b.constant(*q));
                self.corresponds(*p, *q)
                    && match constants {
                        (Some((p, _)), Some((q, _))) => p.shape() == q.shape() && p.dtype() == q.dtype(),
                        _ => true,
                    }
            }
            (None, None) => true,
            _ => false,
        })
    }

    fn operand(&mut self, (i, j): (usize, usize), k: usize, (p, q): (ValueId, ValueId)) -> Result<Option<String>> {
        match (self.a.constant(p), self.b.constant(q)) {
            (Some((left, left_name)), Some((right, right_name))) => {
                let ty = |array: &Array| format!("{}{:?}", array.dtype(), array.shape());
                if ty(left) != ty(right) {
                    return Ok(Some(format!("operand {k}: {} → {}", ty(left), ty(right))));
                }
                let small = left.rank() == 0;
                if self.weights == Weights::Ignored && !small || !self.seen.insert((left.address(), right.address(), left.len())) {
                    return Ok(None);
                }
                let comparison = compare(right, left, self.weights.tolerance(left)?)?;
                if comparison.agrees {
                    return Ok(None);
                }
                // A number is rather a setting than a weight.
                if small {
                    return Ok(Some(format!("operand {k}: {} → {}", left.item()?, right.item()?)));
                }
                let own = |side: &Side, i: usize, name: Option<&str>| match name {
                    Some(name) => name.to_string(),
                    None => format!("{} operand {k}", label(side, i).name),
                };
                let names = (own(self.a, i, left_name), own(self.b, j, right_name));
                self.found.weights.push(WeightDifference { names, ty: ty(left), elements: left.len(), comparison });
                Ok(None)
            }
            (Some(_), None) => Ok(Some(format!("operand {k} is a constant → computed"))),
            (None, Some(_)) => Ok(Some(format!("operand {k} is computed → a constant"))),
            (None, None) if !self.corresponds(p, q) => {
                let origin = |side: &Side, id: ValueId| match side.maker.get(&id) {
                    Some(&i) => {
                        let NodeLabel { op, name, .. } = label(side, i);
                        format!("{op} {name}")
                    }
                    None => format!("input {}", side.graph.label(id)),
                };
                Ok(Some(format!("operand {k}: {} → {}", origin(self.a, p), origin(self.b, q))))
            }
            (None, None) => Ok(None),
        }
    }

    fn attributes(&mut self, x: &Node, y: &Node) -> Result<Vec<String>> {
        let (left, right) = (x.op.attributes(), y.op.attributes());
        let theirs: HashMap<&str, &Attribute> = right.iter().collect();
        let mut what = Vec::new();
        for (name, value) in left.iter() {
            match theirs.get(name) {
                None => what.push(format!("{name} is only in the first")),
                Some(other) => what.extend(self.attribute(name, value, other)?),
            }
        }
        let only = right.iter().filter(|(name, _)| left.get(name).is_none());
        what.extend(only.map(|(name, _)| format!("{name} is only in the second")));
        Ok(what)
    }

    fn attribute(&mut self, name: &str, value: &Attribute, other: &Attribute) -> Result<Vec<String>> {
        let hash = |value: &Attribute| {
            let mut hasher = DefaultHasher::new();
            value.hash(&mut hasher);
            hasher.finish()
        };
        // The hash of a graph has the elements of its constants, wherever they are in memory.
        if hash(value) == hash(other) {
            return Ok(vec![]);
        }
        let (Attribute::Graph(left), Attribute::Graph(right)) = (value, other) else {
            return Ok(vec![format!("{name}: {value} → {other}")]);
        };
        let inner = Differences::of(left, right, self.weights)?;
        let mut lines: Vec<String> = inner.signature.iter().map(|line| format!("{name}: {line}")).collect();
        for change in &inner.changed {
            lines.extend(change.what.iter().map(|line| format!("{name}: {} {}: {line}", change.first.op, change.first.name)));
        }
        lines.extend(inner.only_first.iter().map(|node| format!("{name}: {} is only in the first", node.operation)));
        lines.extend(inner.only_second.iter().map(|node| format!("{name}: {} is only in the second", node.operation)));
        self.found.weights.extend(inner.weights);
        Ok(lines)
    }
}
