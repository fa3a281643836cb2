//! Activations of f32 as nodes of tract's plan: in place where nothing else needs the operand, on all threads of a session.

use crate::array::Array;
use crate::kernels::fused_activation::FusedActivation;
use crate::onnx::Node;
use tract_onnx::tract_hir::internal::*;

/// A node as an activation of f32; `constant` gives the value of an input that is the same at every call.
pub(super) fn activation_of<'a>(node: &Node, constant: impl Fn(&str) -> Option<&'a Array>) -> Option<FusedActivation> {
    let float = |name: &str, default: f32| node.float(name, default).ok();
    if !node.domain().is_empty() {
        return None;
    }
    Some(match node.op_type() {
        "Relu" => FusedActivation::Relu,
        "LeakyRelu" => FusedActivation::LeakyRelu(float("alpha", 0.01)?),
        "Sigmoid" => FusedActivation::Sigmoid,
        "Swish" => (float("alpha", 1.0)? == 1.0).then_some(FusedActivation::Silu)?,
        "HardSigmoid" => FusedActivation::HardSigmoid(float("alpha", 0.2)?, float("beta", 0.5)?),
        "HardSwish" => FusedActivation::HardSwish,
        "Tanh" => FusedActivation::Tanh,
        "Gelu" if node.string("approximate", "none").ok()? == "tanh" => FusedActivation::GeluTanh,
        "Gelu" => FusedActivation::Gelu,
        "Clip" => {
            let bound = |input: usize, name: &str, none: f32| match node.input(input) {
                Some(value) => constant(value)?.to_vec::<f32>().ok()?.first().copied(),
                None => node.float(name, none).ok(),
            };
            let (low, high) = (bound(1, "min", f32::NEG_INFINITY)?, bound(2, "max", f32::INFINITY)?);
            // Where they are in the wrong order, which of them wins is another matter.
            (low <= high).then_some(FusedActivation::Clip(low, high))?
        }
        _ => return None,
    })
}

/// An activation of each element.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ActivationOp(pub(super) FusedActivation);

// Two that have NaN among their numbers are merely not found to be equal.
impl Eq for ActivationOp {}

impl Op for ActivationOp {
    fn name(&self) -> StaticName {
        "ontrace.Activation".into()
    }

    op_as_typed_op!();
}

impl EvalOp for ActivationOp {
    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mut values = args_1!(inputs).into_tensor();
        self.0.apply_to_all(values.try_as_plain_ram_mut()?.as_slice_mut::<f32>()?);
        Ok(tvec![values.into_tvalue()])
    }

    op_out_of_plan!();
}

impl TypedOp for ActivationOp {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec![inputs[0].without_value()])
    }

    as_op!();
}
