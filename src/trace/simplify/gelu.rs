//! Gelu that is written out with the error function or a hyperbolic tangent.

use super::{as_op, uniform};
use crate::array::DType;
use crate::graph::{Node, Rewrite, Rewriter, ValueId};
use crate::ops::{Activation, Binary, Unary};
use std::collections::BTreeMap;
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI};
use std::sync::Arc;

/// x · ½ · (1 + erf(x / √2)), or x · ½ · (1 + tanh(√(2/π) · (x + 0.044715 · x³))), in whatever order it is written, as one node.
pub(super) fn gelu(rewriter: &Rewriter, node: &Node) -> Option<Rewrite> {
    if as_op::<Binary>(&node.op) != Some(&Binary::Mul) {
        return None;
    }
    let output = *node.outputs.first()?;
    let mut leaves = Vec::new();
    collect(rewriter, node, &mut leaves, DEPTH)?;
    let is_curve = |id: &ValueId| rewriter.maker(*id).is_some_and(|maker| curve(maker).is_some()) && rewriter.is_used_once(*id);
    let (curves, mut others): (Vec<ValueId>, Vec<ValueId>) = leaves.into_iter().partition(is_curve);
    others.dedup();
    let ([f], [x]) = (&curves[..], &others[..]) else { return None };
    let (ty, dtype) = (rewriter.ty(output), rewriter.ty(output).dtype);
    if rewriter.ty(*x) != ty || !dtype.is_float() {
        return None;
    }
    let whole = Polynomial::of_node(rewriter, node, (*x, Some(*f)), DEPTH)?;
    let maker = rewriter.maker(*f)?;
    let inner = Polynomial::of(rewriter, maker.inputs[0]?, (*x, None), DEPTH)?;
    let tanh = curve(maker)?;
    let root = FRAC_2_PI.sqrt();
    let expected = if tanh { vec![((1, 0), root), ((3, 0), 0.044715 * root)] } else { vec![((1, 0), FRAC_1_SQRT_2)] };
    let is_gelu = whole.is(&[((1, 0), 0.5), ((1, 1), 0.5)], dtype) && inner.is(&expected, dtype);
    let op = Activation::Gelu { tanh };
    is_gelu.then(|| Rewrite::Operator { op: Arc::new(op), inputs: vec![Some(*x)], location: node.location.clone() })
}

/// How many operations stand above each other in a formula at most.
const DEPTH: usize = 8;

/// Whether a node is a hyperbolic tangent; `None` where it is no error function either.
fn curve(node: &Node) -> Option<bool> {
    match as_op::<Unary>(&node.op)? {
        Unary::Erf => Some(false),
        Unary::Tanh => Some(true),
        _ => None,
    }
}

/// The operands of the arithmetic that ends in a node, without constants: where something else uses a value, the formula begins there.
fn collect(rewriter: &Rewriter, node: &Node, leaves: &mut Vec<ValueId>, depth: usize) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    for id in node.inputs.iter().flatten().filter(|id| rewriter.constant(**id).is_none()) {
        let before = rewriter.maker(*id).filter(|maker| is_arithmetic(maker) && rewriter.is_used_once(*id));
        match before {
            Some(before) => collect(rewriter, before, leaves, depth)?,
            None => leaves.push(*id),
        }
    }
    (leaves.len() <= 4).then_some(())
}

fn is_arithmetic(node: &Node) -> bool {
    matches!(as_op::<Binary>(&node.op), Some(Binary::Add | Binary::Sub | Binary::Mul | Binary::Div | Binary::Pow))
}

/// A polynomial of two values: the factor of each product of their powers.
#[derive(Clone, Debug, PartialEq)]
struct Polynomial(BTreeMap<(u32, u32), f64>);

impl Polynomial {
    /// What a value is as a polynomial of two values; `None` where it is none.
    fn of(rewriter: &Rewriter, id: ValueId, of: (ValueId, Option<ValueId>), depth: usize) -> Option<Polynomial> {
        if id == of.0 {
            return Some(Polynomial(BTreeMap::from([((1, 0), 1.0)])));
        }
        if Some(id) == of.1 {
            return Some(Polynomial(BTreeMap::from([((0, 1), 1.0)])));
        }
        if let Some(constant) = rewriter.constant(id) {
            return Some(Polynomial(BTreeMap::from([((0, 0), uniform(constant)?)])));
        }
        Polynomial::of_node(rewriter, rewriter.maker(id)?, of, depth)
    }

    fn of_node(rewriter: &Rewriter, node: &Node, of: (ValueId, Option<ValueId>), depth: usize) -> Option<Polynomial> {
        let (depth, op) = (depth.checked_sub(1)?, as_op::<Binary>(&node.op)?);
        let [Some(a), Some(b)] = node.inputs[..] else { return None };
        let (a, b) = (Polynomial::of(rewriter, a, of, depth)?, Polynomial::of(rewriter, b, of, depth)?);
        Some(match op {
            Binary::Add => a.plus(&b, 1.0),
            Binary::Sub => a.plus(&b, -1.0),
            Binary::Mul => a.times(&b),
            Binary::Div => a.times(&Polynomial(BTreeMap::from([((0, 0), 1.0 / b.constant()?)]))),
            Binary::Pow if b.constant()? == 2.0 => a.times(&a),
            Binary::Pow if b.constant()? == 3.0 => a.times(&a).times(&a),
            _ => return None,
        })
        .filter(|result| result.0.len() <= 16)
    }

    fn constant(&self) -> Option<f64> {
        let value = *self.0.get(&(0, 0))?;
        (self.0.len() == 1).then_some(value)
    }

    fn plus(&self, other: &Polynomial, factor: f64) -> Polynomial {
        let mut sum = self.clone();
        for (powers, value) in &other.0 {
            *sum.0.entry(*powers).or_default() += factor * value;
        }
        sum
    }

    fn times(&self, other: &Polynomial) -> Polynomial {
        let mut product = BTreeMap::new();
        for ((a, b), x) in &self.0 {
            for ((c, d), y) in &other.0 {
                *product.entry((a + c, b + d)).or_default() += x * y;
            }
        }
        Polynomial(product)
    }

    /// Whether the factors are these, as a dtype holds them.
    fn is(&self, expected: &[((u32, u32), f64)], dtype: DType) -> bool {
        let close = match dtype {
            DType::F64 => 1e-14,
            DType::F32 => 1e-6,
            DType::F16 => 2e-3,
            _ => 1e-2,
        };
        self.0.len() == expected.len()
            && expected.iter().all(|(powers, y)| self.0.get(powers).is_some_and(|x| (x - y).abs() <= close * y.abs()))
    }
}
