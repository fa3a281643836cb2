//! Sums and products of f32 with an operand that broadcasts, as nodes of tract's plan: in place where nothing else needs the larger operand.

use crate::kernels::broadcast::{Broadcast, Combine};
use crate::onnx::Node;
use tract_onnx::tract_hir::internal::*;

/// The larger of two operands, by its index, and how the other broadcasts to it, for operands of these shapes; `None` where neither
/// is the larger one.
pub(super) fn broadcast(shapes: [&[usize]; 2]) -> Option<(usize, Broadcast)> {
    let of = |whole: usize| Some((whole, Broadcast::new(shapes[whole], shapes[1 - whole])?));
    of(0).or_else(|| of(1))
}

/// What a node does to each element of its larger operand.
pub(super) fn combine(node: &Node) -> Option<Combine> {
    match (node.domain(), node.op_type()) {
        ("", "Add") => Some(Combine::Add),
        ("", "Mul") => Some(Combine::Mul),
        _ => None,
    }
}

/// The sum or the product of two operands, one of which broadcasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BroadcastOp {
    pub(super) combine: Combine,
    /// Which of the operands is the larger one.
    pub(super) whole: usize,
    pub(super) broadcast: Broadcast,
}

impl Op for BroadcastOp {
    fn name(&self) -> StaticName {
        match self.combine {
            Combine::Add => "ontrace.BroadcastAdd".into(),
            Combine::Mul => "ontrace.BroadcastMul".into(),
        }
    }

    op_as_typed_op!();
}

impl EvalOp for BroadcastOp {
    fn eval(&self, _: &EvalContext, mut inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        ensure!(inputs.len() == 2, "two operands");
        let whole = inputs.remove(self.whole);
        let part = inputs.remove(0);
        let part = part.try_as_plain_ram()?;
        // A copy only where something else needs it.
        let mut result = whole.into_tensor();
        self.broadcast.run(self.combine, result.try_as_plain_ram_mut()?.as_slice_mut::<f32>()?, part.as_slice::<f32>()?);
        Ok(tvec![result.into_tvalue()])
    }

    op_out_of_plan!();
}

impl TypedOp for BroadcastOp {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec![inputs[self.whole].without_value()])
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
        plan_counts(f, x, Tolerance { abs: 1e-6, rel: 1e-6 }, [name])[0]
    }

    #[test]
    fn a_bias_and_a_mask_of_scores_are_added_in_place() {
        let (x, bias, mask) = (noise(&[8, 3, 49, 49], 1), noise(&[1, 3, 49, 49], 2), noise(&[8, 1, 1, 49], 3));
        assert_eq!(count(|x| x.relu()?.add(&bias)?.add(&mask), &x, "ontrace.BroadcastAdd"), 2);
        assert_eq!(count(|x| bias.add(&x), &x, "ontrace.BroadcastAdd"), 1);
        // The larger operand is needed afterwards.
        assert_eq!(count(|x| x.relu()?.mul(&mask)?.sub(&x), &x, "ontrace.BroadcastMul"), 1);
        assert_eq!(count(|x| x.mul(x.mean([-1], true)?)?.sub(&x), &x, "ontrace.BroadcastMul"), 1);
    }

    #[test]
    fn rows_and_outer_products_are_left_to_tract() {
        let (x, row) = (noise(&[64, 128], 1), noise(&[128], 2));
        assert_eq!(count(|x| x.add(&row), &x, "ontrace.BroadcastAdd"), 0);
        assert_eq!(count(|x| x.part(1, 0, 1)?.add(x.part(0, 0, 1)?), &x, "ontrace.BroadcastAdd"), 0);
    }
}
