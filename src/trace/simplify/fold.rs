//! What follows or precedes a convolution or a matrix product and becomes part of it.

use super::{Shared, as_op};
use crate::array::{Array, DType};
use crate::dim::Type;
use crate::error::Result;
use crate::graph::{Node, Operator, Rewrite, Rewriter, Source, ValueId};
use crate::ops::{BatchNorm, Binary, Conv, ConvTranspose, Gemm, MatMul, Pad, Padding, Reshape, Transpose, Window};
use crate::tensor::{Tensor, untraced};
use std::sync::Arc;

/// y ↦ y · scale + shift for each channel, as f64 vectors with one number a channel.
struct Affine {
    scale: Option<Tensor>,
    shift: Option<Tensor>,
}

/// A linear operator with constant weights.
enum LinearOperator {
    Conv,
    /// Of this many groups.
    ConvTranspose(usize),
    Gemm(Gemm),
    MatMul,
}

impl LinearOperator {
    fn of(op: &Arc<dyn Operator>) -> Option<LinearOperator> {
        if as_op::<Conv>(op).is_some() {
            Some(LinearOperator::Conv)
        } else if let Some(conv) = as_op::<ConvTranspose>(op) {
            Some(LinearOperator::ConvTranspose(conv.groups))
        } else if let Some(gemm) = as_op::<Gemm>(op) {
            Some(LinearOperator::Gemm(*gemm))
        } else {
            as_op::<MatMul>(op).map(|_| LinearOperator::MatMul)
        }
    }

    /// The axis of the result that has the channels.
    fn channel_axis(&self, rank: usize) -> usize {
        match self {
            LinearOperator::Conv | LinearOperator::ConvTranspose(_) => 1,
            LinearOperator::Gemm(_) | LinearOperator::MatMul => rank.saturating_sub(1),
        }
    }

    /// The weight with every channel of the result scaled.
    fn scaled(&self, weight: &Tensor, scale: &Tensor) -> Result<Tensor> {
        let shape = weight.shape().to_vec();
        match self {
            LinearOperator::Conv => {
                let mut sizes = vec![1i64; shape.len()];
                sizes[0] = -1;
                weight.mul(scale.reshape(sizes)?)
            }
            LinearOperator::ConvTranspose(groups) => {
                // The channels of the result are those of the groups one after the other; the weight has those of a group in axis 1.
                let groups = *groups as i64;
                let grouped = [vec![groups.into(), &shape[0] / groups], shape[1..].to_vec()].concat();
                let mut sizes = vec![1i64; grouped.len()];
                (sizes[0], sizes[2]) = (groups, -1);
                weight.reshape(&grouped)?.mul(scale.reshape(sizes)?)?.reshape(&shape)
            }
            LinearOperator::Gemm(gemm) if gemm.trans_b => weight.mul(scale.reshape([-1, 1])?),
            LinearOperator::Gemm(_) | LinearOperator::MatMul => weight.mul(scale),
        }
    }
}

/// A batch normalisation, or arithmetic with one constant a channel, as part of the linear operator before it.
pub(super) fn batch_norm(rewriter: &mut Rewriter, node: &Node, shared: &Shared) -> Result<Option<Rewrite>> {
    let Some((x, linear, affine)) = affine(rewriter, node)? else { return Ok(None) };
    let Some(before) = rewriter.maker(x).cloned() else { return Ok(None) };
    let dtype = rewriter.ty(x).dtype;
    let (Some(weight_id), bias_id) = (before.inputs.get(1).copied().flatten(), before.inputs.get(2).copied().flatten()) else {
        return Ok(None);
    };
    // A weight that others use would be stored twice.
    let is_own = |weight: &Array| affine.scale.is_none() || rewriter.is_used_once(weight_id) && !shared.has(weight);
    let Some(weight) = rewriter.constant(weight_id).cloned().filter(is_own) else { return Ok(None) };
    let bias = match bias_id.map(|id| rewriter.constant(id).cloned()) {
        Some(None) => return Ok(None),
        bias => bias.flatten(),
    };
    let takes_bias = !matches!(linear, LinearOperator::MatMul);
    if !takes_bias && (affine.shift.is_some() || weight.rank() != 2) {
        return Ok(None);
    }
    let folded = untraced(|| -> Result<Option<(Array, Option<Array>)>> {
        let wide = |array: &Array| Tensor::from(array.clone()).cast(DType::F64);
        let mut product = wide(&weight)?;
        let beta = if let LinearOperator::Gemm(gemm) = &linear { f64::from(gemm.beta) } else { 1.0 };
        let mut sum = match &bias {
            Some(bias) if bias.len() != bias.shape().last().copied().unwrap_or(1) => return Ok(None),
            Some(bias) => Some(wide(bias)?.reshape([-1])?.mul(beta)?),
            None => None,
        };
        if let Some(scale) = &affine.scale {
            product = linear.scaled(&product, scale)?;
            sum = sum.map(|sum| sum.mul(scale)).transpose()?;
        }
        if let Some(shift) = &affine.shift {
            sum = Some(sum.map_or(Ok(shift.clone()), |sum| sum.add(shift))?);
        }
        let narrow = |tensor: Tensor| tensor.cast(dtype)?.to_array();
        Ok(Some((narrow(product)?, sum.map(narrow).transpose()?)))
    })?;
    let Some((product, sum)) = folded else { return Ok(None) };
    let weight_name = name(rewriter, weight_id);
    let bias_name = bias_id.and_then(|id| name(rewriter, id)).or_else(|| {
        let module = weight_name.as_deref()?.strip_suffix("weight")?;
        Some(format!("{module}bias").into())
    });
    let weight = if affine.scale.is_some() { rewriter.add_constant(&product, weight_name.as_ref()) } else { weight_id };
    let sum = sum.map(|sum| rewriter.add_constant(&sum, bias_name.as_ref()));
    let op: Arc<dyn Operator> = match linear {
        LinearOperator::Gemm(gemm) => Arc::new(Gemm { beta: 1.0, ..gemm }),
        _ => before.op.clone(),
    };
    let inputs = if takes_bias { vec![before.inputs[0], Some(weight), sum] } else { vec![before.inputs[0], Some(weight)] };
    Ok(Some(Rewrite::Operator { op, inputs, location: before.location }))
}

/// Whether an operator gives sums of products of its operands.
pub(super) fn is_linear(op: &Arc<dyn Operator>) -> bool {
    LinearOperator::of(op).is_some()
}

/// Whether a value is a sum of products, perhaps under another shape or scaled: the sign of its zeros depends on the order of the sum.
pub(super) fn is_sum_of_products(rewriter: &Rewriter, id: ValueId) -> bool {
    let mut id = Some(id);
    while let Some(maker) = id.and_then(|id| rewriter.maker(id)) {
        if LinearOperator::of(&maker.op).is_some() {
            return true;
        }
        let is_scaled = matches!(as_op::<Binary>(&maker.op), Some(Binary::Mul | Binary::Div))
            && maker.inputs.get(1).copied().flatten().is_some_and(|factor| rewriter.constant(factor).is_some());
        let moves = as_op::<Transpose>(&maker.op).is_some() || as_op::<Reshape>(&maker.op).is_some() || is_scaled;
        id = maker.inputs.first().copied().flatten().filter(|_| moves);
    }
    false
}

/// A product or quotient with one constant a channel that stands after a transpose, or after the sum with a bias, of what a linear operator gives: done
/// before it, so that it can become part of the weights.
pub(super) fn across_transpose(rewriter: &mut Rewriter, node: &Node) -> Result<Option<Rewrite>> {
    let Some(op) = as_op::<Binary>(&node.op).copied().filter(|op| matches!(op, Binary::Mul | Binary::Div)) else { return Ok(None) };
    let [Some(a), Some(b)] = node.inputs[..] else { return Ok(None) };
    let (x, factor) = if rewriter.constant(a).is_some() && op == Binary::Mul { (b, a) } else { (a, b) };
    let (Some(constant), Some(before)) = (rewriter.constant(factor).cloned(), rewriter.maker(x).cloned()) else { return Ok(None) };
    let (ty, output) = (rewriter.ty(x).clone(), node.outputs.first().map(|id| rewriter.ty(*id)));
    if !rewriter.is_used_once(x) || output != Some(&ty) || !ty.dtype.is_float() {
        return Ok(None);
    }
    // The axis of the channels.
    let transpose = as_op::<Transpose>(&before.op).cloned();
    let Some(y) = transpose.as_ref().map_or_else(|| summand(rewriter, &before), |_| before.inputs[0].map(|y| (y, None))) else {
        return Ok(None);
    };
    let (y, bias) = y;
    let Some(channels) = channel_axis(rewriter, y) else { return Ok(None) };
    let axis = transpose.as_ref().map_or(Some(channels), |transpose| transpose.axes.iter().position(|axis| *axis == channels));
    let count = axis.and_then(|axis| usize::try_from(ty.shape[axis].fixed()?).ok());
    let (Some(axis), Some(count)) = (axis, count) else { return Ok(None) };
    let Some(vector) = by_channel(&constant, &ty, axis, count) else { return Ok(None) };
    let inner = rewriter.ty(y).clone();
    let sizes: Vec<i64> = (0..inner.rank()).map(|i| if i == channels { -1 } else { 1 }).collect();
    let vector = untraced(|| Tensor::from(vector).reshape(sizes)?.to_array())?;
    let moved = rewriter.add_constant(&vector, None);
    let scaled = rewriter.insert(Arc::new(op), vec![Some(y), Some(moved)], inner, node.location.clone());
    let mut inputs = vec![Some(scaled)];
    if let Some(bias) = bias {
        let Some(array) = rewriter.constant(bias).cloned() else { return Ok(None) };
        let sum = untraced(|| {
            let (bias, factor) = (Tensor::from(array).cast(DType::F64)?, Tensor::from(vector).cast(DType::F64)?);
            if op == Binary::Mul { bias.mul(&factor) } else { bias.div(&factor) }?.cast(ty.dtype)?.to_array()
        })?;
        let name = name(rewriter, bias);
        inputs.push(Some(rewriter.add_constant(&sum, name.as_ref())));
    }
    Ok(Some(Rewrite::Operator { op: before.op, inputs, location: before.location }))
}

/// The name of a parameter.
fn name(rewriter: &Rewriter, id: ValueId) -> Option<Arc<str>> {
    match &rewriter.value(id).source {
        Source::Constant(_, name) => name.clone(),
        _ => None,
    }
}

/// What a constant is added to, and that constant.
fn summand(rewriter: &Rewriter, node: &Node) -> Option<(ValueId, Option<ValueId>)> {
    let (Binary::Add, [Some(a), Some(b)]) = (as_op::<Binary>(&node.op)?, &node.inputs[..]) else { return None };
    let (x, bias) = if rewriter.constant(*b).is_some() { (*a, *b) } else { (*b, *a) };
    // A longer result than the operand's would be scaled at another size.
    let is_whole = rewriter.ty(x) == rewriter.ty(*node.outputs.first()?);
    (is_whole && rewriter.constant(bias).is_some()).then_some((x, Some(bias)))
}

/// The axis of the channels of a value that a linear operator with a constant weight gives, perhaps with a constant summand, for one node alone.
fn channel_axis(rewriter: &Rewriter, id: ValueId) -> Option<usize> {
    let maker = rewriter.maker(id).filter(|_| rewriter.is_used_once(id))?;
    let Some(linear) = LinearOperator::of(&maker.op) else {
        let (x, _) = summand(rewriter, maker)?;
        return LinearOperator::of(&rewriter.maker(x)?.op).and_then(|_| channel_axis(rewriter, x));
    };
    let weight = maker.inputs.get(1).copied().flatten()?;
    // A product with several matrices has no weight that a channel could be part of.
    let is_single = !matches!(linear, LinearOperator::MatMul) || rewriter.ty(weight).rank() == 2;
    (rewriter.constant(weight).is_some() && rewriter.is_used_once(weight) && is_single).then(|| linear.channel_axis(rewriter.ty(id).rank()))
}

/// What a node does to the channels of the linear operator before it, where that is the only thing that uses its result.
fn affine(rewriter: &Rewriter, node: &Node) -> Result<Option<(ValueId, LinearOperator, Affine)>> {
    let channels = |x: ValueId| {
        let linear = LinearOperator::of(&rewriter.maker(x)?.op).filter(|_| rewriter.is_used_once(x) && rewriter.ty(x).dtype.is_float())?;
        let ty = rewriter.ty(x);
        let axis = linear.channel_axis(ty.rank());
        let count = usize::try_from(ty.shape.get(axis)?.fixed()?).ok().filter(|&count| count > 0)?;
        Some((linear, axis, count))
    };
    let wide = |array: &Array| untraced(|| Tensor::from(array.clone()).cast(DType::F64));
    if let Some(norm) = as_op::<BatchNorm>(&node.op) {
        let [Some(x), Some(scale), Some(bias), Some(mean), Some(var)] = node.inputs[..] else { return Ok(None) };
        let Some((linear, 1, _)) = channels(x) else { return Ok(None) };
        let constants = [scale, bias, mean, var].map(|id| rewriter.constant(id));
        let [Some(scale), Some(bias), Some(mean), Some(var)] = constants else { return Ok(None) };
        let (scale, bias, mean, var) = (wide(scale)?, wide(bias)?, wide(mean)?, wide(var)?);
        return untraced(|| {
            let scale = scale.div(var.add(f64::from(norm.epsilon))?.sqrt()?)?;
            let shift = bias.sub(mean.mul(&scale)?)?;
            Ok(Some((x, linear, Affine { scale: Some(scale), shift: Some(shift) })))
        });
    }
    let (Some(op), [Some(a), Some(b)]) = (as_op::<Binary>(&node.op), &node.inputs[..]) else { return Ok(None) };
    let (x, other) = if rewriter.constant(*b).is_some() { (*a, *b) } else { (*b, *a) };
    if x == *b && !matches!(op, Binary::Add | Binary::Mul) {
        return Ok(None);
    }
    let (Some((linear, axis, count)), Some(constant)) = (channels(x), rewriter.constant(other)) else { return Ok(None) };
    if node.outputs.first().is_none_or(|output| rewriter.ty(*output) != rewriter.ty(x)) {
        return Ok(None);
    }
    let Some(by_channel) = by_channel(constant, rewriter.ty(x), axis, count) else { return Ok(None) };
    let vector = wide(&by_channel)?;
    let affine = untraced(|| -> Result<Option<Affine>> {
        Ok(Some(match op {
            Binary::Add => Affine { scale: None, shift: Some(vector) },
            Binary::Sub => Affine { scale: None, shift: Some(vector.neg()?) },
            Binary::Mul => Affine { scale: Some(vector), shift: None },
            Binary::Div => Affine { scale: Some(vector.reciprocal()?), shift: None },
            _ => return Ok(None),
        }))
    })?;
    Ok(affine.map(|affine| (x, linear, affine)))
}

/// A constant that broadcasts to a type with one number for each index of one axis alone, as that vector.
fn by_channel(constant: &Array, ty: &Type, axis: usize, count: usize) -> Option<Array> {
    let offset = ty.rank().checked_sub(constant.rank())?;
    let is_along_axis = |(i, &n): (usize, &usize)| n == 1 || i + offset == axis && n == count;
    if !constant.shape().iter().enumerate().all(is_along_axis) {
        return None;
    }
    let vector = constant.reshape(&[constant.len()]).ok()?;
    vector.broadcast(&[count]).ok()
}

/// The product of two matrices and a sum with it as one operator.
pub(super) fn gemm(rewriter: &Rewriter, node: &Node) -> Option<Rewrite> {
    let (Binary::Add, [Some(a), Some(b)]) = (as_op::<Binary>(&node.op)?, &node.inputs[..]) else { return None };
    let output = rewriter.ty(*node.outputs.first()?);
    let is_product = |id: ValueId| {
        let maker = rewriter.maker(id)?;
        let is_matrix = |id: &Option<ValueId>| id.is_some_and(|id| rewriter.ty(id).rank() == 2);
        let fits = as_op::<MatMul>(&maker.op).is_some() && maker.inputs.iter().all(is_matrix) && rewriter.is_used_once(id);
        (fits && rewriter.ty(id) == output && output.dtype.is_float()).then_some(maker)
    };
    let (product, added) = is_product(*a).map(|maker| (maker, *b)).or_else(|| is_product(*b).map(|maker| (maker, *a)))?;
    let op = Gemm { alpha: 1.0, beta: 1.0, trans_a: false, trans_b: false };
    let inputs = vec![product.inputs[0], product.inputs[1], Some(added)];
    Some(Rewrite::Operator { op: Arc::new(op), inputs, location: product.location.clone() })
}

/// A convolution with the zeros that are put around its input.
pub(super) fn pad(rewriter: &Rewriter, node: &Node) -> Option<Rewrite> {
    let conv = as_op::<Conv>(&node.op)?;
    let before = rewriter.maker(node.inputs.first().copied().flatten()?)?;
    let pad = as_op::<Pad>(&before.op)?;
    if !matches!(pad.mode, Padding::Constant(fill) if fill.to_f64() == 0.0) {
        return None;
    }
    let widths = |dims: &[crate::dim::Dim]| {
        let widths = dims.iter().map(|dim| usize::try_from(dim.fixed()?).ok()).collect::<Option<Vec<_>>>()?;
        (widths.len() > 2 && widths[..2] == [0, 0]).then(|| widths[2..].to_vec())
    };
    let sum = |more: Vec<usize>, known: &[usize]| more.iter().zip(known).map(|(a, b)| a + b).collect();
    let window = Window {
        pads_begin: sum(widths(&pad.begin)?, &conv.window.pads_begin),
        pads_end: sum(widths(&pad.end)?, &conv.window.pads_end),
        ..conv.window.clone()
    };
    let inputs = [&[before.inputs[0]], &node.inputs[1..]].concat();
    Some(Rewrite::Operator { op: Arc::new(Conv { window, groups: conv.groups }), inputs, location: node.location.clone() })
}
