//! How the values of a graph are computed: for passes that look for formulas, from their last node back.

use super::fallback_table::types;
use crate::array::Array;
use crate::dim::Type;
use crate::onnx::proto::GraphProto;
use crate::onnx::{Model, Node, outer_names};
use std::collections::{BTreeSet, HashMap};

/// How far a factor of a formula may be from the exact one, as a part of it: what f32 rounds, and the digits that files write.
const ROUNDED: f64 = 1e-6;

/// The most nodes of a formula, and of a product that may be one.
pub(super) const MOST: usize = 16;

/// A value as a product: its factors that are no numbers, and the product of those that are.
pub(super) struct Factors<'a> {
    pub(super) values: Vec<&'a str>,
    pub(super) number: f64,
}

impl<'a> Factors<'a> {
    /// Whether it is a number times this power of a value.
    pub(super) fn is_power(&self, number: f64, x: &str, power: usize) -> bool {
        self.values.len() == power && self.values.iter().all(|value| *value == x) && close(self.number, number)
    }

    /// The other factor of a product of two.
    pub(super) fn beside(&self, x: &str) -> Option<&'a str> {
        match self.values[..] {
            [a, b] if a == x => Some(b),
            [a, b] if b == x => Some(a),
            _ => None,
        }
    }
}

pub(super) fn close(number: f64, exact: f64) -> bool {
    (number - exact).abs() <= ROUNDED * exact.abs()
}

/// The nodes of a graph by what they make, and what is known of its values.
pub(super) struct Formulas<'a> {
    pub(super) graph: &'a GraphProto,
    pub(super) types: HashMap<&'a str, Type>,
    pub(super) constants: HashMap<&'a str, &'a Array>,
    pub(super) makers: HashMap<&'a str, usize>,
    /// How many nodes use a value; one more where it must stay.
    users: HashMap<&'a str, usize>,
}

impl<'a> Formulas<'a> {
    pub(super) fn new(model: &'a Model, graph: &'a GraphProto, kept: &BTreeSet<&'a str>) -> Formulas<'a> {
        let mut users: HashMap<&str, usize> = HashMap::new();
        let mut makers = HashMap::new();
        for (i, node) in graph.node.iter().enumerate() {
            let names: BTreeSet<&str> = node.input.iter().map(String::as_str).chain(outer_names(node)).collect();
            names.into_iter().for_each(|name| *users.entry(name).or_default() += 1);
            makers.extend(node.output.iter().map(|name| (name.as_str(), i)));
        }
        kept.iter().for_each(|name| *users.entry(name).or_default() += 1);
        let constants = model.initializers.iter().map(|(name, array)| (name.as_str(), array)).collect();
        Formulas { graph, types: types(graph, model), constants, makers, users }
    }

    pub(super) fn node(&self, i: usize) -> Node<'a> {
        Node::new(&self.graph.node[i], i)
    }

    /// The number that a value is at every call, if it is one.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        let array = self.constants.get(name).filter(|array| array.len() == 1 && array.rank() <= 1)?;
        array.to_f64s().ok()?.first().copied()
    }

    /// The operands of the node that makes a value, where it is this operator of two and nothing else uses the value.
    pub(super) fn operands(&self, op: &str, name: &str, nodes: &mut Vec<usize>) -> Option<[&'a str; 2]> {
        let i = self.maker(op, name)?;
        let node = self.node(i);
        nodes.push(i);
        Some([node.input(0)?, node.input(1)?])
    }

    /// The operand of the node that makes a value, as [`Formulas::operands`].
    pub(super) fn applied(&self, op: &str, name: &str, nodes: &mut Vec<usize>) -> Option<&'a str> {
        let i = self.maker(op, name)?;
        nodes.push(i);
        self.node(i).input(0)
    }

    pub(super) fn maker(&self, op: &str, name: &str) -> Option<usize> {
        let &i = self.makers.get(name).filter(|_| self.users.get(name) == Some(&1))?;
        let node = self.node(i);
        (node.op_type() == op && node.domain().is_empty()).then_some(i)
    }

    /// The operand that 1 is added to.
    pub(super) fn plus_one(&self, name: &str, nodes: &mut Vec<usize>) -> Option<&'a str> {
        let [a, b] = self.operands("Add", name, nodes)?;
        if self.number(a) == Some(1.0) { Some(b) } else { (self.number(b) == Some(1.0)).then_some(a) }
    }

    /// A value as a product, through multiplications, and divisions by numbers, whose results nothing else uses.
    pub(super) fn factors(&self, name: &'a str, nodes: &mut Vec<usize>) -> Option<Factors<'a>> {
        let mut factors = Factors { values: Vec::new(), number: 1.0 };
        self.multiply(name, &mut factors, nodes)?;
        Some(factors)
    }

    /// As [`Formulas::factors`], of the result of a multiplication, whatever uses it.
    pub(super) fn factors_of(&self, i: usize, nodes: &mut Vec<usize>) -> Option<Factors<'a>> {
        let mut factors = Factors { values: Vec::new(), number: 1.0 };
        let node = self.node(i);
        [node.input(0)?, node.input(1)?].into_iter().try_for_each(|name| self.multiply(name, &mut factors, nodes))?;
        Some(factors)
    }

    /// Takes a value into a product; `None` where that has too many factors.
    fn multiply(&self, name: &'a str, factors: &mut Factors<'a>, nodes: &mut Vec<usize>) -> Option<()> {
        if nodes.len() > MOST {
            return None;
        }
        if let Some(number) = self.number(name) {
            factors.number *= number;
            return Some(());
        }
        if let Some([a, b]) = self.operands("Mul", name, nodes) {
            self.multiply(a, factors, nodes)?;
            return self.multiply(b, factors, nodes);
        }
        if let Some(i) = self.maker("Div", name)
            && let Some(divisor) = self.number(self.node(i).input(1)?)
        {
            nodes.push(i);
            factors.number /= divisor;
            return self.multiply(self.node(i).input(0)?, factors, nodes);
        }
        factors.values.push(name);
        Some(())
    }
}
