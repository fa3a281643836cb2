//! Activations that a model writes out as several nodes, as one: a pass over the model before tract reads it.
//!
//! Gelu and x · sigmoid(x) are younger than most opsets, and files have them as formulas. As one node they are computed in one pass over memory,
//! or as the end of a product or a convolution.

#[cfg(test)]
mod tests;

use super::fallback_table::types;
use crate::array::{Array, DType};
use crate::dim::Type;
use crate::onnx::proto::attribute_proto::AttributeType;
use crate::onnx::proto::{AttributeProto, GraphProto, NodeProto};
use crate::onnx::{Model, Node, outer_names};
use std::collections::{BTreeSet, HashMap, HashSet};

/// How far a factor of a formula may be from the exact one, as a part of it: what f32 rounds, and the digits that files write.
const ROUNDED: f64 = 1e-6;

/// The most nodes of a formula, and of a product that may be one.
const MOST: usize = 16;

/// A model with its activations as one node each; `None` where it has none. The values of these names stay.
pub(super) fn with_activations(model: &Model, kept: &BTreeSet<&str>) -> Option<Model> {
    let graph = model.proto.graph.as_ref()?;
    if !graph.node.iter().any(|node| ["Erf", "Sigmoid", "Tanh"].contains(&node.op_type.as_str())) {
        return None;
    }
    let formulas = Formulas::new(model, graph, kept);
    let found: Vec<Formula> = (0..graph.node.len()).filter_map(|i| formulas.activation(i)).collect();
    if found.is_empty() {
        return None;
    }
    let inner: HashSet<usize> = found.iter().flat_map(|formula| formula.inner.iter().copied()).collect();
    let roots: HashMap<usize, &Formula> = found.iter().map(|formula| (formula.root, formula)).collect();
    let node = |(i, node): (usize, NodeProto)| match roots.get(&i) {
        Some(formula) => Some(formula.node(&node)),
        None => (!inner.contains(&i)).then_some(node),
    };
    let mut new = model.clone();
    let nodes = &mut new.proto.graph.get_or_insert_default().node;
    *nodes = std::mem::take(nodes).into_iter().enumerate().filter_map(node).collect();
    Some(new)
}

/// What a formula computes.
#[derive(Clone, Copy)]
enum Function {
    Gelu,
    /// By a hyperbolic tangent.
    GeluTanh,
    /// x · sigmoid(x)
    Swish,
}

/// The nodes of a formula: the last, and those before it, whose results nothing else uses.
struct Formula<'a> {
    function: Function,
    x: &'a str,
    root: usize,
    inner: Vec<usize>,
}

impl Formula<'_> {
    /// The one node, in place of the last.
    fn node(&self, last: &NodeProto) -> NodeProto {
        let (op, attribute) = match self.function {
            Function::Gelu => ("Gelu", None),
            Function::GeluTanh => ("Gelu", Some(by_tanh())),
            Function::Swish => ("Swish", None),
        };
        NodeProto {
            op_type: op.to_string(),
            name: last.name.clone(),
            input: vec![self.x.to_string()],
            output: last.output.clone(),
            attribute: attribute.into_iter().collect(),
            ..NodeProto::default()
        }
    }
}

/// The attribute of a Gelu by a hyperbolic tangent.
fn by_tanh() -> AttributeProto {
    let (name, s) = ("approximate".to_string(), b"tanh".to_vec().into());
    AttributeProto { name, r#type: AttributeType::String as i32, s, ..AttributeProto::default() }
}

/// A value as a product: its factors that are no numbers, and the product of those that are.
struct Factors<'a> {
    values: Vec<&'a str>,
    number: f64,
}

impl<'a> Factors<'a> {
    /// Whether it is a number times this power of a value.
    fn is_power(&self, number: f64, x: &str, power: usize) -> bool {
        self.values.len() == power && self.values.iter().all(|value| *value == x) && close(self.number, number)
    }

    /// The other factor of a product of two.
    fn beside(&self, x: &str) -> Option<&'a str> {
        match self.values[..] {
            [a, b] if a == x => Some(b),
            [a, b] if b == x => Some(a),
            _ => None,
        }
    }
}

fn close(number: f64, exact: f64) -> bool {
    (number - exact).abs() <= ROUNDED * exact.abs()
}

struct Formulas<'a> {
    graph: &'a GraphProto,
    types: HashMap<&'a str, Type>,
    constants: HashMap<&'a str, &'a Array>,
    makers: HashMap<&'a str, usize>,
    /// How many nodes use a value; one more where it must stay.
    users: HashMap<&'a str, usize>,
}

impl<'a> Formulas<'a> {
    fn new(model: &'a Model, graph: &'a GraphProto, kept: &BTreeSet<&'a str>) -> Formulas<'a> {
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

    /// The formula that ends with a node.
    fn activation(&self, root: usize) -> Option<Formula<'a>> {
        let node = self.node(root);
        if !node.domain().is_empty() || node.op_type() != "Mul" {
            return None;
        }
        let mut inner = Vec::new();
        let product = self.factors_of(root, &mut inner)?;
        let &[a, b] = &product.values[..] else { return None };
        let (function, x) = [(a, b), (b, a)].into_iter().find_map(|(x, gate)| {
            let mut nodes = Vec::new();
            let function = self.gate(x, gate, product.number, &mut nodes)?;
            inner.extend(nodes);
            Some((function, x))
        })?;
        // A number of rank 1 makes a vector of a scalar.
        let fits = self.types.get(x).is_some_and(|ty| ty.dtype == DType::F32 && ty.rank() > 0);
        (fits && inner.len() <= MOST).then_some(Formula { function, x, root, inner })
    }

    /// The function that is x times this gate times a number; the nodes of the gate are added.
    fn gate(&self, x: &str, gate: &'a str, number: f64, nodes: &mut Vec<usize>) -> Option<Function> {
        if let Some(inner) = self.applied("Sigmoid", gate, nodes) {
            return (inner == x && close(number, 1.0)).then_some(Function::Swish);
        }
        let share = self.plus_one(gate, nodes).filter(|_| close(number, 0.5))?;
        if let Some(scaled) = self.applied("Erf", share, nodes) {
            return self.factors(scaled, nodes)?.is_power(std::f64::consts::FRAC_1_SQRT_2, x, 1).then_some(Function::Gelu);
        }
        let angle = self.applied("Tanh", share, nodes)?;
        let scaled = self.factors(angle, nodes)?;
        let is_scaled = close(scaled.number, (2.0 / std::f64::consts::PI).sqrt());
        let is_cubic = match scaled.values[..] {
            // x + 0.044715 x³
            [sum] => {
                let [a, b] = self.operands("Add", sum, nodes)?;
                let cube = if a == x { b } else { (b == x).then_some(a)? };
                let factors = self.factors(cube, nodes)?;
                factors.is_power(0.044715, x, 3) || close(factors.number, 0.044715) && self.is_cube(x, &factors, nodes)
            }
            // x (1 + 0.044715 x²)
            _ => {
                let square = self.plus_one(scaled.beside(x)?, nodes)?;
                self.factors(square, nodes)?.is_power(0.044715, x, 2)
            }
        };
        (is_scaled && is_cubic).then_some(Function::GeluTanh)
    }

    /// Whether the only factor is the third power of a value.
    fn is_cube(&self, x: &str, factors: &Factors<'a>, nodes: &mut Vec<usize>) -> bool {
        let &[power] = &factors.values[..] else { return false };
        self.operands("Pow", power, nodes).is_some_and(|[base, exponent]| base == x && self.number(exponent) == Some(3.0))
    }

    fn node(&self, i: usize) -> Node<'a> {
        Node::new(&self.graph.node[i], i)
    }

    /// The number that a value is at every call, if it is one.
    fn number(&self, name: &str) -> Option<f64> {
        let array = self.constants.get(name).filter(|array| array.len() == 1 && array.rank() <= 1)?;
        array.to_f64s().ok()?.first().copied()
    }

    /// The operands of the node that makes a value, where it is this operator of two and nothing else uses the value.
    fn operands(&self, op: &str, name: &str, nodes: &mut Vec<usize>) -> Option<[&'a str; 2]> {
        let i = self.maker(op, name)?;
        let node = self.node(i);
        nodes.push(i);
        Some([node.input(0)?, node.input(1)?])
    }

    /// The operand of the node that makes a value, as [`Formulas::operands`].
    fn applied(&self, op: &str, name: &str, nodes: &mut Vec<usize>) -> Option<&'a str> {
        let i = self.maker(op, name)?;
        nodes.push(i);
        self.node(i).input(0)
    }

    fn maker(&self, op: &str, name: &str) -> Option<usize> {
        let &i = self.makers.get(name).filter(|_| self.users.get(name) == Some(&1))?;
        let node = self.node(i);
        (node.op_type() == op && node.domain().is_empty()).then_some(i)
    }

    /// The operand that 1 is added to.
    fn plus_one(&self, name: &str, nodes: &mut Vec<usize>) -> Option<&'a str> {
        let [a, b] = self.operands("Add", name, nodes)?;
        if self.number(a) == Some(1.0) { Some(b) } else { (self.number(b) == Some(1.0)).then_some(a) }
    }

    /// A value as a product, through multiplications, and divisions by numbers, whose results nothing else uses.
    fn factors(&self, name: &'a str, nodes: &mut Vec<usize>) -> Option<Factors<'a>> {
        let mut factors = Factors { values: Vec::new(), number: 1.0 };
        self.multiply(name, &mut factors, nodes)?;
        Some(factors)
    }

    /// As [`Formulas::factors`], of the result of a multiplication, whatever uses it.
    fn factors_of(&self, i: usize, nodes: &mut Vec<usize>) -> Option<Factors<'a>> {
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
