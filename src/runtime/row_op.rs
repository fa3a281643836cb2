//! Operators on rows of f32 as nodes of tract's plan: in place where nothing else needs the operand, on all threads of a session.

use super::packed_matmul::room;
use crate::array::{Array, DType};
use crate::kernels::norm::{RowNorm, RowOperator};
use crate::onnx::Node;
use std::sync::Arc;
use tract_onnx::tract_hir::internal::*;

/// What a node does to rows along the last axis, where it does that to f32 of this rank with constant parameters and one result; `constant`
/// gives the value of an input that is the same at every call.
pub(super) fn row_operator<'a>(node: &Node, rank: usize, constant: impl Fn(&str) -> Option<&'a Array>) -> Option<RowOperator> {
    let axis = node.int("axis", -1).ok()?;
    let last = axis == -1 || usize::try_from(axis).is_ok_and(|axis| axis + 1 == rank);
    if !node.domain().is_empty() || !last || node.outputs().skip(1).any(|name| name.is_some()) {
        return None;
    }
    let parameter = |name: &str| constant(name).filter(|array| array.dtype() == DType::F32 && array.rank() == 1)?.to_vec::<f32>().ok();
    match node.op_type() {
        "LayerNormalization" => {
            let scale = parameter(node.input(1)?)?;
            let bias = match node.input(2) {
                Some(name) => Some(parameter(name).filter(|bias| bias.len() == scale.len())?),
                None => None,
            };
            Some(RowOperator::Norm(RowNorm { scale, bias, epsilon: f64::from(node.float("epsilon", 1e-5).ok()?) }))
        }
        "Softmax" => Some(RowOperator::Softmax),
        "LogSoftmax" => Some(RowOperator::LogSoftmax),
        _ => None,
    }
}

/// An operator on rows.
#[derive(Clone, Debug)]
pub(super) struct RowOp(pub(super) Arc<RowOperator>);

impl PartialEq for RowOp {
    fn eq(&self, other: &RowOp) -> bool {
        match (&*self.0, &*other.0) {
            (RowOperator::Norm(_), RowOperator::Norm(_)) => Arc::ptr_eq(&self.0, &other.0),
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        }
    }
}

impl Eq for RowOp {}

impl Op for RowOp {
    fn name(&self) -> StaticName {
        match *self.0 {
            RowOperator::Norm(_) => "ontrace.RowNorm".into(),
            RowOperator::Softmax => "ontrace.RowSoftmax".into(),
            RowOperator::LogSoftmax => "ontrace.RowLogSoftmax".into(),
        }
    }

    op_as_typed_op!();
}

impl EvalOp for RowOp {
    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let x = args_1!(inputs);
        let length = *x.shape().last().context("rows of a scalar")?;
        ensure!(self.0.fits(length), "rows of shape {:?} do not fit the parameters", x.shape());
        if x.is_exclusive() {
            let mut rows = x.into_tensor();
            self.0.run(length, None, rows.try_as_plain_ram_mut()?.as_slice_mut::<f32>()?);
            return Ok(tvec![rows.into_tvalue()]);
        }
        let mut rows = room(x.shape())?;
        self.0.run(length, Some(x.try_as_plain_ram()?.as_slice::<f32>()?), rows.try_as_plain_ram_mut()?.as_slice_mut::<f32>()?);
        Ok(tvec![rows.into_tvalue()])
    }

    op_out_of_plan!();
}

impl TypedOp for RowOp {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec![inputs[0].without_value()])
    }

    as_op!();
}

#[cfg(test)]
mod tests {
    use crate::array::Tolerance;
    use crate::runtime::noise;
    use crate::runtime::plan_counts::plan_counts;
    use crate::{Result, Tensor};

    /// How many operators of this name stand in the plan of a function.
    fn count(f: impl Fn(Tensor) -> Result<Tensor>, x: &Tensor, name: &str) -> usize {
        plan_counts(f, x, Tolerance { abs: 1e-6, rel: 1e-5 }, [name])[0]
    }

    #[test]
    fn a_layer_norm_is_one_node() {
        let (scale, bias, x) = (noise(&[50], 2), noise(&[50], 3), noise(&[70, 11, 50], 1));
        let norm = |x: &Tensor, bias: Option<&Tensor>| x.layer_norm(&[50.into()], Some(&scale), bias, 1e-5);
        assert_eq!(count(|x| norm(&x, Some(&bias)), &x, "ontrace.RowNorm"), 1);
        // The operand is needed afterwards, or is nobody else's.
        assert_eq!(count(|x| norm(&x, None)?.add(&x), &x, "ontrace.RowNorm"), 1);
        assert_eq!(count(|x| norm(&x.relu()?, None), &x, "ontrace.RowNorm"), 1);
        // Over two axes it is tract's or a kernel of ours.
        assert_eq!(count(|x| x.layer_norm(&[11.into(), 50.into()], None, None, 1e-5), &x, "ontrace.RowNorm"), 0);
    }

    #[test]
    fn a_softmax_along_the_last_axis_is_one_node() {
        let x = noise(&[70, 13, 49], 1);
        assert_eq!(count(|x| x.softmax(-1), &x, "ontrace.RowSoftmax"), 1);
        assert_eq!(count(|x| x.mul(3.0)?.softmax(2)?.add(&x), &x, "ontrace.RowSoftmax"), 1);
        assert_eq!(count(|x| x.log_softmax(-1), &x, "ontrace.RowLogSoftmax"), 1);
        let infinite = Tensor::from(&[f32::NEG_INFINITY, 0.0, 1000.0, 1000.0]);
        assert_eq!(count(|x| x.softmax(-1), &infinite, "ontrace.RowSoftmax"), 1);
        assert_eq!(count(|x| x.softmax(0), &noise(&[1, 5], 2), "ontrace.RowSoftmax"), 0);
    }
}
