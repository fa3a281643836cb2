//! Casts, reshapes, transposes, concatenations and expansions that undo, repeat or precede each other.

use super::as_op;
use crate::array::DType;
use crate::dim::Shape;
use crate::graph::{Inputs, Node, Operator, Rewrite, Rewriter, ValueId};
use crate::ops::{Activation, Binary, Cast, Concat, Expand, Pad, Reshape, Transpose, Unary};
use std::sync::Arc;

/// Whether a node of one operand returns it.
pub(super) fn is_identity(rewriter: &Rewriter, node: &Node, x: ValueId) -> bool {
    let ty = rewriter.ty(x);
    if let Some(cast) = as_op::<Cast>(&node.op) {
        return cast.to == ty.dtype;
    }
    if let Some(reshape) = as_op::<Reshape>(&node.op) {
        return reshape.shape == ty.shape;
    }
    if let Some(expand) = as_op::<Expand>(&node.op) {
        return expand.shape == ty.shape;
    }
    if let Some(transpose) = as_op::<Transpose>(&node.op) {
        return transpose.axes.iter().copied().eq(0..ty.rank());
    }
    if let Some(pad) = as_op::<Pad>(&node.op) {
        return pad.begin.iter().chain(&pad.end).all(|width| *width == 0);
    }
    as_op::<Concat>(&node.op).is_some()
}

/// The value before two nodes of which the second undoes the first.
pub(super) fn undone(rewriter: &Rewriter, node: &Node, x: ValueId) -> Option<ValueId> {
    let before = rewriter.maker(x)?;
    let [Some(earlier)] = before.inputs[..] else { return None };
    let is_back = if let (Some(second), Some(first)) = (as_op::<Cast>(&node.op), as_op::<Cast>(&before.op)) {
        let from = rewriter.ty(earlier).dtype;
        second.to == from && holds(first.to, from)
    } else if as_op::<Reshape>(&node.op).is_some() && as_op::<Reshape>(&before.op).is_some() {
        rewriter.ty(earlier) == rewriter.ty(*node.outputs.first()?)
    } else if let (Some(second), Some(first)) = (as_op::<Transpose>(&node.op), as_op::<Transpose>(&before.op)) {
        second.axes.iter().enumerate().all(|(i, &axis)| first.axes.get(axis) == Some(&i))
    } else {
        false
    };
    is_back.then_some(earlier)
}

/// Whether a dtype has every value of another.
fn holds(wide: DType, narrow: DType) -> bool {
    const WIDER: &[(DType, &[DType])] = &[
        (DType::Bool, &[DType::U8, DType::I8, DType::I16, DType::I32, DType::I64, DType::F16, DType::BF16, DType::F32, DType::F64]),
        (DType::U8, &[DType::I16, DType::I32, DType::I64, DType::F16, DType::F32, DType::F64]),
        (DType::I8, &[DType::I16, DType::I32, DType::I64, DType::F16, DType::BF16, DType::F32, DType::F64]),
        (DType::I16, &[DType::I32, DType::I64, DType::F32, DType::F64]),
        (DType::I32, &[DType::I64, DType::F64]),
        (DType::F16, &[DType::F32, DType::F64]),
        (DType::BF16, &[DType::F32, DType::F64]),
        (DType::F32, &[DType::F64]),
    ];
    wide == narrow || WIDER.iter().any(|row| row.0 == narrow && row.1.contains(&wide))
}

/// A node and the one before it as one.
pub(super) fn merged(rewriter: &Rewriter, node: &Node) -> Option<Rewrite> {
    if let Some(concat) = as_op::<Concat>(&node.op) {
        return flattened(rewriter, node, concat.axis);
    }
    if as_op::<Binary>(&node.op).is_some() {
        return unexpanded(rewriter, node);
    }
    let [Some(x)] = node.inputs[..] else { return None };
    let before = rewriter.maker(x)?;
    let [Some(earlier)] = before.inputs[..] else { return None };
    if as_op::<Reshape>(&node.op).is_some() && rewriter.is_used_once(x) && is_elementwise(&before.op) {
        // A function of single elements between two reshapes that undo each other.
        let first = rewriter.maker(earlier).filter(|maker| as_op::<Reshape>(&maker.op).is_some())?;
        let [Some(y)] = first.inputs[..] else { return None };
        let is_back = rewriter.ty(y) == rewriter.ty(*node.outputs.first()?) && rewriter.is_used_once(earlier);
        return is_back.then(|| Rewrite::Operator { op: before.op.clone(), inputs: vec![Some(y)], location: before.location.clone() });
    }
    let one = |op: Arc<dyn Operator>| Some(Rewrite::Operator { op, inputs: vec![Some(earlier)], location: node.location.clone() });
    if let (Some(second), Some(first)) = (as_op::<Cast>(&node.op), as_op::<Cast>(&before.op)) {
        // What the first cast keeps is what the second converts.
        let keeps = first.to != second.to && holds(first.to, rewriter.ty(earlier).dtype) && second.to != DType::Bool;
        return if keeps { one(node.op.clone()) } else { None };
    }
    if !rewriter.is_used_once(x) {
        return None;
    }
    if let (Some(second), Some(first)) = (as_op::<Transpose>(&node.op), as_op::<Transpose>(&before.op)) {
        let axes = second.axes.iter().map(|&axis| first.axes.get(axis).copied()).collect::<Option<Vec<_>>>()?;
        return one(Arc::new(Transpose { axes }));
    }
    if is_reshape(&node.op, &rewriter.ty(x).shape) && is_reshape(&before.op, &rewriter.ty(earlier).shape) {
        // A shape that has to be computed costs more nodes than the reshape before it.
        let (from, between, to) = (&rewriter.ty(earlier).shape, &rewriter.ty(x).shape, &rewriter.ty(*node.outputs.first()?).shape);
        let is_alone = Reshape::is_written_alone(from, to) || !Reshape::is_written_alone(between, to);
        return if is_alone { one(Arc::new(Reshape { shape: to.clone() })) } else { None };
    }
    None
}

/// Whether an operator of one operand computes each element from one alone, of the same dtype.
fn is_elementwise(op: &Arc<dyn Operator>) -> bool {
    as_op::<Unary>(op).is_some() || as_op::<Activation>(op).is_some()
}

/// Whether an operator on a value of this shape leaves its elements in their order: a reshape, or a transpose that moves axes of size 1 only.
fn is_reshape(op: &Arc<dyn Operator>, shape: &Shape) -> bool {
    let is_kept = |axis: &&usize| shape.get(**axis).is_some_and(|dim| dim.fixed() != Some(1));
    as_op::<Reshape>(op).is_some() || as_op::<Transpose>(op).is_some_and(|transpose| transpose.axes.iter().filter(is_kept).is_sorted())
}

/// A concatenation with the parts of those that it concatenates along the same axis.
fn flattened(rewriter: &Rewriter, node: &Node, axis: usize) -> Option<Rewrite> {
    let mut inputs = Vec::with_capacity(node.inputs.len());
    for id in node.inputs.iter().flatten() {
        let parts = rewriter.maker(*id).filter(|maker| as_op::<Concat>(&maker.op).is_some_and(|inner| inner.axis == axis));
        match parts.filter(|_| rewriter.is_used_once(*id)) {
            Some(inner) => inputs.extend(inner.inputs.iter().copied()),
            None => inputs.push(Some(*id)),
        }
    }
    (inputs.len() > node.inputs.len()).then(|| Rewrite::Operator { op: node.op.clone(), inputs, location: node.location.clone() })
}

/// A function of two operands of what was expanded for it.
fn unexpanded(rewriter: &Rewriter, node: &Node) -> Option<Rewrite> {
    let output = rewriter.ty(*node.outputs.first()?);
    for i in 0..node.inputs.len() {
        let x = node.inputs[i]?;
        let Some(before) = rewriter.maker(x).filter(|maker| as_op::<Expand>(&maker.op).is_some()) else { continue };
        let mut inputs = node.inputs.to_vec();
        inputs[i] = before.inputs[0];
        let types = inputs.iter().map(|id| id.map(|id| rewriter.ty(id))).collect::<Vec<_>>();
        // Inference may give an equal size another form; only the very same shape is the same for sure.
        let inferred = node.op.infer(&Inputs::new(&types)).ok()?;
        let same: &Shape = &inferred.first()?.shape;
        if *same == output.shape {
            return Some(Rewrite::Operator { op: node.op.clone(), inputs, location: node.location.clone() });
        }
    }
    None
}
