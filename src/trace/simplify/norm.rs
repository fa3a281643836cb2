//! A layer normalisation that is written out as the mean, the variance and what is done with them.

use super::{as_op, elements, uniform};
use crate::array::{Array, Scalar};
use crate::graph::{Node, Rewrite, Rewriter, ValueId};
use crate::ops::{Binary, Fold, LayerNorm, Reduce, Unary};
use std::sync::Arc;

/// (x − mean) / √(mean((x − mean)²) + ε), or what follows a layer normalisation and is its scale or its bias, as one node.
pub(super) fn layer_norm(rewriter: &mut Rewriter, node: &Node) -> Option<Rewrite> {
    match as_op::<Binary>(&node.op)? {
        Binary::Div => {
            let (centred, root) = (node.inputs[0]?, node.inputs[1]?);
            from_parts(rewriter, node, centred, root, 0.5)
        }
        Binary::Mul => {
            let (a, b) = (node.inputs[0]?, node.inputs[1]?);
            affine(rewriter, node).or_else(|| inverse(rewriter, node, a, b)).or_else(|| inverse(rewriter, node, b, a))
        }
        Binary::Add => affine(rewriter, node),
        _ => None,
    }
}

/// The product of centred values with the inverse of the root, or with the power −½.
fn inverse(rewriter: &mut Rewriter, node: &Node, centred: ValueId, factor: ValueId) -> Option<Rewrite> {
    let before = rewriter.maker(factor).filter(|_| rewriter.is_used_once(factor))?;
    if as_op::<Unary>(&before.op) == Some(&Unary::Reciprocal) {
        let root = before.inputs[0]?;
        return from_parts(rewriter, node, centred, root, 0.5);
    }
    from_parts(rewriter, node, centred, factor, -0.5)
}

/// The layer normalisation of which `centred` is the dividend, and `root` the variance and ε to the power of `exponent`.
fn from_parts(rewriter: &mut Rewriter, node: &Node, centred: ValueId, root: ValueId, exponent: f64) -> Option<Rewrite> {
    let ty = rewriter.ty(*node.outputs.first()?).clone();
    let (x, mean) = operands(rewriter, centred, Binary::Sub)?;
    let axis = mean_axis(rewriter, mean, x)?;
    let power = rewriter.maker(root).filter(|_| rewriter.is_used_once(root))?;
    let spread = match (as_op::<Unary>(&power.op), as_op::<Binary>(&power.op)) {
        (Some(Unary::Sqrt), _) if exponent == 0.5 => power.inputs[0]?,
        (_, Some(Binary::Pow)) if number(rewriter, power.inputs[1]?) == Some(exponent) => power.inputs[0]?,
        _ => return None,
    };
    let (variance, epsilon) = constant_operand(rewriter, spread, Binary::Add)?;
    let square = rewriter.maker(variance).filter(|_| rewriter.is_used_once(variance)).and_then(|maker| maker.inputs[0])?;
    if mean_axis(rewriter, variance, square)? != axis || !is_square(rewriter, square, centred) || !rewriter.is_used_once(square) {
        return None;
    }
    // What others use of the parts would be computed twice.
    let uses = 1 + if as_op::<Binary>(&rewriter.maker(square)?.op) == Some(&Binary::Mul) { 2 } else { 1 };
    if rewriter.uses(centred) != uses || !rewriter.is_used_once(mean) || *rewriter.ty(x) != ty || !ty.dtype.is_float() {
        return None;
    }
    // The attribute is an f32.
    let epsilon = Some(epsilon as f32).filter(|&rounded| epsilon >= 0.0 && f64::from(rounded) == epsilon)?;
    let sizes = ty.shape[axis..].iter().map(|dim| usize::try_from(dim.fixed()?).ok()).collect::<Option<Vec<_>>>()?;
    let ones = elements(&sizes).map(|_| Array::full(ty.dtype, &sizes, Scalar::Float(1.0)))?.contiguous().ok()?;
    let scale = rewriter.add_constant(&ones, None);
    let op = LayerNorm { axis, epsilon };
    Some(Rewrite::Operator { op: Arc::new(op), inputs: vec![Some(x), Some(scale)], location: node.location.clone() })
}

/// The operands of the node that makes a value, where it is this function.
fn operands(rewriter: &Rewriter, id: ValueId, function: Binary) -> Option<(ValueId, ValueId)> {
    let maker = rewriter.maker(id).filter(|maker| as_op::<Binary>(&maker.op) == Some(&function))?;
    Some((maker.inputs[0]?, maker.inputs[1]?))
}

/// The operand that varies and the number that does not, of a function that commutes and whose result is used once.
fn constant_operand(rewriter: &Rewriter, id: ValueId, function: Binary) -> Option<(ValueId, f64)> {
    let (a, b) = operands(rewriter, id, function).filter(|_| rewriter.is_used_once(id))?;
    number(rewriter, b).map(|number| (a, number)).or_else(|| number(rewriter, a).map(|number| (b, number)))
}

/// The only number among the elements of a constant.
fn number(rewriter: &Rewriter, id: ValueId) -> Option<f64> {
    rewriter.constant(id).and_then(uniform)
}

/// The first axis of those along which a value is the mean of another: all up to the last, which stay with size 1.
fn mean_axis(rewriter: &Rewriter, mean: ValueId, of: ValueId) -> Option<usize> {
    let maker = rewriter.maker(mean)?;
    let reduce = as_op::<Reduce>(&maker.op).filter(|reduce| reduce.fold == Fold::Mean && reduce.keep)?;
    let (rank, first) = (rewriter.ty(of).rank(), *reduce.axes.first()?);
    (maker.inputs[0] == Some(of) && reduce.axes.iter().copied().eq(first..rank)).then_some(first)
}

/// Whether one value is the square of another.
fn is_square(rewriter: &Rewriter, square: ValueId, of: ValueId) -> bool {
    let Some(maker) = rewriter.maker(square) else { return false };
    match (as_op::<Binary>(&maker.op), &maker.inputs[..]) {
        (Some(Binary::Mul), [Some(a), Some(b)]) => *a == of && *b == of,
        (Some(Binary::Pow), [Some(a), Some(b)]) => *a == of && number(rewriter, *b) == Some(2.0),
        _ => false,
    }
}

/// A factor after a layer normalisation that has none yet, or a summand after one that has no bias, as its scale or bias.
fn affine(rewriter: &Rewriter, node: &Node) -> Option<Rewrite> {
    let function = as_op::<Binary>(&node.op)?;
    let [Some(a), Some(b)] = node.inputs[..] else { return None };
    let is_norm = |id: ValueId| rewriter.maker(id).filter(|maker| as_op::<LayerNorm>(&maker.op).is_some() && rewriter.is_used_once(id));
    let (norm, x, vector) = is_norm(a).map(|norm| (norm, a, b)).or_else(|| is_norm(b).map(|norm| (norm, b, a)))?;
    let axis = as_op::<LayerNorm>(&norm.op)?.axis;
    let tail = &rewriter.ty(x).shape[axis..];
    // Runtimes want one element for each normalised element.
    if rewriter.constant(vector)?.shape().len() != tail.len()
        || rewriter.ty(vector).shape[..] != *tail
        || rewriter.ty(vector).dtype != rewriter.ty(x).dtype
    {
        return None;
    }
    let mut inputs = norm.inputs.to_vec();
    match (function, &inputs[..]) {
        (Binary::Mul, [_, Some(scale)] | [_, Some(scale), None]) if number(rewriter, *scale) == Some(1.0) => inputs[1] = Some(vector),
        (Binary::Add, [_, _] | [_, _, None]) => {
            inputs.truncate(2);
            inputs.push(Some(vector));
        }
        _ => return None,
    }
    (rewriter.ty(*node.outputs.first()?) == rewriter.ty(x)).then(|| Rewrite::Operator {
        op: norm.op.clone(),
        inputs,
        location: norm.location.clone(),
    })
}
