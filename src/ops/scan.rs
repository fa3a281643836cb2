//! Running sums along an axis.

use super::Reader;
use crate::array::{Array, DType};
use crate::dim::{Sizes, Type};
use crate::error::{Error, Result};
use crate::graph::{Attributes, Inputs, Operator};
use crate::kernels::scan;
use crate::onnx::{GraphBuilder, Name};
use crate::tensor::{Tensor, apply_one};

/// The sum of all values up to each. ONNX: [CumSum](https://onnx.ai/onnx/operators/onnx__CumSum.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CumSum {
    /// The axis.
    pub axis: usize,
    /// Whether a number is left out of its own sum.
    pub exclusive: bool,
    /// Whether it runs from the end.
    pub reverse: bool,
}

impl Operator for CumSum {
    fn name(&self) -> &'static str {
        "CumSum"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("axis", self.axis).with("exclusive", self.exclusive).with("reverse", self.reverse)
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        if x.dtype == DType::Bool || self.axis >= x.rank() {
            return Err(Error::argument(format!("CumSum: axis {} does not fit {x}", self.axis)));
        }
        Ok(vec![x.clone()])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        super::widened(inputs, |inputs| Ok(vec![scan::cumsum(inputs.at(0)?, self.axis, self.exclusive, self.reverse)?]))
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let axis = builder.number(DType::I64, self.axis as i64);
        let mut line = builder.node("CumSum", &[inputs[0].clone(), axis]);
        for (name, set) in [("exclusive", self.exclusive), ("reverse", self.reverse)] {
            line = if set { line.flag(name, true) } else { line };
        }
        Ok(line.write(outputs))
    }
}

pub(super) const READS: &[(&str, Reader)] = &[("CumSum", |node, inputs| {
    let x = inputs.at(0)?;
    let axis = super::fixed(inputs.at(1)?)?.first().copied().unwrap_or(0);
    let op = CumSum { axis: x.shape().axis(axis)?, exclusive: node.int("exclusive", 0)? != 0, reverse: node.int("reverse", 0)? != 0 };
    Ok(vec![apply_one(op, &[x])?])
})];

impl Tensor {
    /// The sum of all values up to each along an axis; of integers in i64.
    ///
    /// [torch.cumsum](https://pytorch.org/docs/stable/generated/torch.cumsum.html)
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where the axis does not exist.
    #[track_caller]
    pub fn cumsum(&self, axis: i64) -> Result<Tensor> {
        let x = if self.dtype().is_float() { self.clone() } else { self.cast(DType::I64)? };
        if x.rank() == 0 {
            return Ok(x);
        }
        apply_one(CumSum { axis: x.shape().axis(axis)?, exclusive: false, reverse: false }, &[&x])
    }
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;

    cases! {
        "cumsum", [floats(&[2, 5])], |x| one(x[0].cumsum(1)?);
        "cumsum_first", [floats(&[2, 5])], |x| one(x[0].cumsum(0)?);
        "cumsum_i64", [integers(&[2, 5])], |x| one(x[0].cumsum(-1)?);
        "cumsum_bool", [bools(&[2, 5])], |x| one(x[0].cumsum(-1)?);
    }
}
