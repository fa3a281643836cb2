//! Element-wise functions of two tensors: arithmetic, comparison, choice.

use super::{Row, one};
use crate::array::{DType, Scalar};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

pub(super) const ROWS: &[Row] = &[
    one("add(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor", |a| a.tensor(0)?.add(scaled(a.tensor(1)?, a.number(2)?)?)),
    one("add(Tensor self, Scalar other, Scalar alpha=1) -> Tensor", |a| a.tensor(0)?.add(scaled(a.tensor(1)?, a.number(2)?)?)),
    one("sub(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor", |a| a.tensor(0)?.sub(scaled(a.tensor(1)?, a.number(2)?)?)),
    one("sub(Tensor self, Scalar other, Scalar alpha=1) -> Tensor", |a| a.tensor(0)?.sub(scaled(a.tensor(1)?, a.number(2)?)?)),
    one("rsub(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor", |a| a.tensor(1)?.sub(scaled(a.tensor(0)?, a.number(2)?)?)),
    one("rsub(Tensor self, Scalar other, Scalar alpha=1) -> Tensor", |a| a.tensor(1)?.sub(scaled(a.tensor(0)?, a.number(2)?)?)),
    one("mul(Tensor self, Tensor other) -> Tensor", |a| a.tensor(0)?.mul(a.tensor(1)?)),
    one("mul(Tensor self, Scalar other) -> Tensor", |a| a.tensor(0)?.mul(a.tensor(1)?)),
    one("div(Tensor self, Tensor other) -> Tensor", |a| a.tensor(0)?.div(a.tensor(1)?)),
    one("div(Tensor self, Scalar other) -> Tensor", |a| a.tensor(0)?.div(a.tensor(1)?)),
    one("div(Tensor self, Tensor other, *, str? rounding_mode) -> Tensor", |a| divided(a.tensor(0)?, a.tensor(1)?, a.opt_str(2)?)),
    one("div(Tensor self, Scalar other, *, str? rounding_mode) -> Tensor", |a| divided(a.tensor(0)?, a.tensor(1)?, a.opt_str(2)?)),
    one("floor_divide(Tensor self, Tensor other) -> Tensor", |a| a.tensor(0)?.floor_divide(a.tensor(1)?)),
    one("floor_divide(Tensor self, Scalar other) -> Tensor", |a| a.tensor(0)?.floor_divide(a.tensor(1)?)),
    one("remainder(Tensor self, Tensor other) -> Tensor", |a| a.tensor(0)?.remainder(a.tensor(1)?)),
    one("remainder(Tensor self, Scalar other) -> Tensor", |a| a.tensor(0)?.remainder(a.tensor(1)?)),
    one("fmod(Tensor self, Tensor other) -> Tensor", |a| a.tensor(0)?.fmod(a.tensor(1)?)),
    one("fmod(Tensor self, Scalar other) -> Tensor", |a| a.tensor(0)?.fmod(a.tensor(1)?)),
    one("pow(Tensor self, Tensor exponent) -> Tensor", |a| power(a.tensor(0)?, a.tensor(1)?)),
    one("pow(Tensor self, Scalar exponent) -> Tensor", |a| power(a.tensor(0)?, a.tensor(1)?)),
    one("pow(Scalar self, Tensor exponent) -> Tensor", |a| a.tensor(0)?.pow(a.tensor(1)?)),
    one("maximum(Tensor self, Tensor other) -> Tensor", |a| a.tensor(0)?.maximum(a.tensor(1)?)),
    one("minimum(Tensor self, Tensor other) -> Tensor", |a| a.tensor(0)?.minimum(a.tensor(1)?)),
    one("logical_and(Tensor self, Tensor other) -> Tensor", |a| a.tensor(0)?.logical_and(a.tensor(1)?)),
    one("logical_or(Tensor self, Tensor other) -> Tensor", |a| a.tensor(0)?.logical_or(a.tensor(1)?)),
    one("logical_xor(Tensor self, Tensor other) -> Tensor", |a| a.tensor(0)?.logical_xor(a.tensor(1)?)),
    one("bitwise_and(Tensor self, Tensor other) -> Tensor", |a| a.tensor(0)?.bitwise_and(a.tensor(1)?)),
    one("bitwise_and(Tensor self, Scalar other) -> Tensor", |a| a.tensor(0)?.bitwise_and(a.tensor(1)?)),
    one("bitwise_or(Tensor self, Tensor other) -> Tensor", |a| a.tensor(0)?.bitwise_or(a.tensor(1)?)),
    one("bitwise_or(Tensor self, Scalar other) -> Tensor", |a| a.tensor(0)?.bitwise_or(a.tensor(1)?)),
    one("bitwise_xor(Tensor self, Tensor other) -> Tensor", |a| a.tensor(0)?.bitwise_xor(a.tensor(1)?)),
    one("bitwise_xor(Tensor self, Scalar other) -> Tensor", |a| a.tensor(0)?.bitwise_xor(a.tensor(1)?)),
    one("eq(Tensor self, Tensor other) -> Tensor", |a| a.tensor(0)?.eq(a.tensor(1)?)),
    one("eq(Tensor self, Scalar other) -> Tensor", |a| a.tensor(0)?.eq(a.tensor(1)?)),
    one("ne(Tensor self, Tensor other) -> Tensor", |a| a.tensor(0)?.ne(a.tensor(1)?)),
    one("ne(Tensor self, Scalar other) -> Tensor", |a| a.tensor(0)?.ne(a.tensor(1)?)),
    one("lt(Tensor self, Tensor other) -> Tensor", |a| a.tensor(0)?.lt(a.tensor(1)?)),
    one("lt(Tensor self, Scalar other) -> Tensor", |a| a.tensor(0)?.lt(a.tensor(1)?)),
    one("le(Tensor self, Tensor other) -> Tensor", |a| a.tensor(0)?.le(a.tensor(1)?)),
    one("le(Tensor self, Scalar other) -> Tensor", |a| a.tensor(0)?.le(a.tensor(1)?)),
    one("gt(Tensor self, Tensor other) -> Tensor", |a| a.tensor(0)?.gt(a.tensor(1)?)),
    one("gt(Tensor self, Scalar other) -> Tensor", |a| a.tensor(0)?.gt(a.tensor(1)?)),
    one("ge(Tensor self, Tensor other) -> Tensor", |a| a.tensor(0)?.ge(a.tensor(1)?)),
    one("ge(Tensor self, Scalar other) -> Tensor", |a| a.tensor(0)?.ge(a.tensor(1)?)),
    one("where(Tensor condition, Tensor self, Tensor other) -> Tensor", |a| {
        a.tensor(0)?.cast(DType::Bool)?.choose(&a.tensor(1)?, &a.tensor(2)?)
    }),
    one("where(Tensor condition, Scalar self, Tensor other) -> Tensor", |a| {
        a.tensor(0)?.cast(DType::Bool)?.choose(&a.tensor(1)?, &a.tensor(2)?)
    }),
    one("where(Tensor condition, Tensor self, Scalar other) -> Tensor", |a| {
        a.tensor(0)?.cast(DType::Bool)?.choose(&a.tensor(1)?, &a.tensor(2)?)
    }),
    one("masked_fill(Tensor self, Tensor mask, Tensor value) -> Tensor", |a| a.tensor(0)?.masked_fill(&a.tensor(1)?, a.tensor(2)?)),
    one("masked_fill(Tensor self, Tensor mask, Scalar value) -> Tensor", |a| a.tensor(0)?.masked_fill(&a.tensor(1)?, a.tensor(2)?)),
    one("clamp(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor", |a| a.tensor(0)?.clamp(a.opt_number(1)?, a.opt_number(2)?)),
    one("clamp(Tensor self, Tensor? min=None, Tensor? max=None) -> Tensor", |a| {
        a.tensor(0)?.clamp_tensors(a.opt_tensor(1)?.as_ref(), a.opt_tensor(2)?.as_ref())
    }),
    one("clamp_min(Tensor self, Scalar min) -> Tensor", |a| a.tensor(0)?.clamp(a.opt_number(1)?, None)),
    one("clamp_max(Tensor self, Scalar max) -> Tensor", |a| a.tensor(0)?.clamp(None, a.opt_number(1)?)),
    one("hardtanh(Tensor self, Scalar min_val=-1, Scalar max_val=1) -> Tensor", |a| a.tensor(0)?.clamp(a.opt_number(1)?, a.opt_number(2)?)),
    one("relu6(Tensor self) -> Tensor", |a| a.tensor(0)?.clamp(Some(Scalar::Int(0)), Some(Scalar::Int(6)))),
    one("addcmul(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor", |a| {
        a.tensor(0)?.add(scaled(a.tensor(1)?.mul(a.tensor(2)?)?, a.number(3)?)?)
    }),
    one("addcdiv(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor", |a| {
        a.tensor(0)?.add(scaled(a.tensor(1)?.div(a.tensor(2)?)?, a.number(3)?)?)
    }),
    one("copy(Tensor self, Tensor src, bool non_blocking=False) -> Tensor", |a| super::view::like(&a.tensor(0)?, &a.tensor(1)?)),
    one("fill(Tensor self, Scalar value) -> Tensor", |a| super::view::like(&a.tensor(0)?, &a.tensor(1)?)),
    one("fill(Tensor self, Tensor value) -> Tensor", |a| super::view::like(&a.tensor(0)?, &a.tensor(1)?)),
    one("zero(Tensor self) -> Tensor", |a| {
        let x = a.tensor(0)?;
        Tensor::zeros(x.shape(), x.dtype())
    }),
];

/// The tensor times the factor, which is mostly 1.
fn scaled(x: Tensor, factor: Scalar) -> Result<Tensor> {
    if factor.to_f64() == 1.0 { Ok(x) } else { x.mul(Tensor::weak(factor)) }
}

/// A square or a root is that, and not a power.
fn power(x: Tensor, exponent: Tensor) -> Result<Tensor> {
    match exponent.constant().filter(|array| array.rank() == 0).map(|array| array.item()) {
        Some(Ok(Scalar::Int(2))) if x.dtype() != DType::Bool => x.square(),
        Some(Ok(Scalar::Float(2.0))) if x.dtype().is_float() => x.square(),
        Some(Ok(Scalar::Float(0.5))) if x.dtype().is_float() => x.sqrt(),
        _ => x.pow(exponent),
    }
}

fn divided(x: Tensor, y: Tensor, rounding: Option<&str>) -> Result<Tensor> {
    match rounding {
        None => x.div(y),
        Some("floor") => x.floor_divide(y),
        Some("trunc") => x.trunc_divide(y),
        Some(other) => Err(Error::argument(format!("the rounding mode `{other}`"))),
    }
}
