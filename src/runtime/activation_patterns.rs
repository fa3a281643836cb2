//! Activations that a model writes out as several nodes, as one: a pass over the model before tract reads it.
//!
//! Gelu and x · sigmoid(x) are younger than most opsets, and files have them as formulas. As one node they are computed in one pass over memory,
//! or as the end of a product or a convolution.

#[cfg(test)]
mod tests;

use super::formulas::{Factors, Formulas, MOST, close};
use crate::array::DType;
use crate::onnx::Model;
use crate::onnx::proto::attribute_proto::AttributeType;
use crate::onnx::proto::{AttributeProto, NodeProto};
use std::collections::{BTreeSet, HashMap, HashSet};

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

impl<'a> Formulas<'a> {
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
        let is_scalar = || node.outputs().flatten().next().and_then(|y| self.types.get(y)).is_some_and(|ty| ty.rank() == 0);
        let fits = self.types.get(x).is_some_and(|ty| ty.dtype == DType::F32 && (ty.rank() > 0 || is_scalar()));
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
}
