//! Element-wise functions of two tensors: arithmetic, comparison, choice.

use super::args::Args;
use super::row::{Row, one};
use super::value::like;
use crate::array::{DType, PromotionPriority, Scalar};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

pub(super) const ROWS: &[Row] = &[
    one("add(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor", |a| summed(a, a.tensor("self")?, a.tensor("other")?)),
    one("add(Tensor self, Scalar other, Scalar alpha=1) -> Tensor", |a| summed(a, a.tensor("self")?, a.tensor("other")?)),
    one("sub(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor", |a| less(a, a.tensor("self")?, a.tensor("other")?)),
    one("sub(Tensor self, Scalar other, Scalar alpha=1) -> Tensor", |a| less(a, a.tensor("self")?, a.tensor("other")?)),
    one("rsub(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor", |a| less(a, a.tensor("other")?, a.tensor("self")?)),
    one("rsub(Tensor self, Scalar other, Scalar alpha=1) -> Tensor", |a| less(a, a.tensor("other")?, a.tensor("self")?)),
    one("mul(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.mul(a.tensor("other")?)),
    one("mul(Tensor self, Scalar other) -> Tensor", |a| a.tensor("self")?.mul(a.tensor("other")?)),
    one("div(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.div(a.tensor("other")?)),
    one("div(Tensor self, Scalar other) -> Tensor", |a| a.tensor("self")?.div(a.tensor("other")?)),
    one("div(Tensor self, Tensor other, *, str? rounding_mode) -> Tensor", rounded),
    one("div(Tensor self, Scalar other, *, str? rounding_mode) -> Tensor", rounded),
    one("floor_divide(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.floor_divide(a.tensor("other")?)),
    one("floor_divide(Tensor self, Scalar other) -> Tensor", |a| a.tensor("self")?.floor_divide(a.tensor("other")?)),
    one("remainder(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.remainder(a.tensor("other")?)),
    one("remainder(Tensor self, Scalar other) -> Tensor", |a| a.tensor("self")?.remainder(a.tensor("other")?)),
    one("remainder(Scalar self, Tensor other) -> Tensor", |a| a.tensor("self")?.remainder(a.tensor("other")?)),
    one("fmod(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.fmod(a.tensor("other")?)),
    one("fmod(Tensor self, Scalar other) -> Tensor", |a| a.tensor("self")?.fmod(a.tensor("other")?)),
    one("pow(Tensor self, Tensor exponent) -> Tensor", |a| power(a.tensor("self")?, a.tensor("exponent")?)),
    one("pow(Tensor self, Scalar exponent) -> Tensor", |a| scalar_power(a.tensor("self")?, a.tensor("exponent")?)),
    one("pow(Scalar self, Tensor exponent) -> Tensor", |a| a.tensor("self")?.pow(a.tensor("exponent")?)),
    one("float_power(Tensor self, Tensor exponent) -> Tensor", |a| {
        power(a.tensor("self")?.cast(DType::F64)?, a.tensor("exponent")?.cast(DType::F64)?)
    }),
    one("float_power(Tensor self, Scalar exponent) -> Tensor", |a| {
        scalar_power(a.tensor("self")?.cast(DType::F64)?, a.tensor("exponent")?)
    }),
    one("float_power(Scalar self, Tensor exponent) -> Tensor", |a| {
        a.tensor("self")?.strengthened().cast(DType::F64)?.pow(a.tensor("exponent")?.cast(DType::F64)?)
    }),
    one("xlogy(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.xlogy(&a.tensor("other")?)),
    one("xlogy(Tensor self, Scalar other) -> Tensor", |a| a.tensor("self")?.xlogy(&a.tensor("other")?)),
    one("xlogy(Scalar self, Tensor other) -> Tensor", |a| a.tensor("self")?.xlogy(&a.tensor("other")?)),
    one("special_xlog1py(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.xlog1py(&a.tensor("other")?)),
    one("special_xlog1py(Tensor self, Scalar other) -> Tensor", |a| a.tensor("self")?.xlog1py(&a.tensor("other")?)),
    one("special_xlog1py(Scalar self, Tensor other) -> Tensor", |a| a.tensor("self")?.xlog1py(&a.tensor("other")?)),
    one("special_zeta(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.zeta(&a.tensor("other")?)),
    one("special_zeta(Tensor self, Scalar other) -> Tensor", |a| a.tensor("self")?.zeta(&a.tensor("other")?)),
    one("special_zeta(Scalar self, Tensor other) -> Tensor", |a| a.tensor("self")?.zeta(&a.tensor("other")?)),
    one("special_chebyshev_polynomial_t(Tensor x, Tensor n) -> Tensor", chebyshev_t),
    one("special_chebyshev_polynomial_t(Tensor x, Scalar n) -> Tensor", chebyshev_t),
    one("special_chebyshev_polynomial_t(Scalar x, Tensor n) -> Tensor", chebyshev_t),
    one("special_chebyshev_polynomial_u(Tensor x, Tensor n) -> Tensor", chebyshev_u),
    one("special_chebyshev_polynomial_u(Tensor x, Scalar n) -> Tensor", chebyshev_u),
    one("special_chebyshev_polynomial_u(Scalar x, Tensor n) -> Tensor", chebyshev_u),
    one("special_chebyshev_polynomial_v(Tensor x, Tensor n) -> Tensor", chebyshev_v),
    one("special_chebyshev_polynomial_v(Tensor x, Scalar n) -> Tensor", chebyshev_v),
    one("special_chebyshev_polynomial_v(Scalar x, Tensor n) -> Tensor", chebyshev_v),
    one("special_chebyshev_polynomial_w(Tensor x, Tensor n) -> Tensor", chebyshev_w),
    one("special_chebyshev_polynomial_w(Tensor x, Scalar n) -> Tensor", chebyshev_w),
    one("special_chebyshev_polynomial_w(Scalar x, Tensor n) -> Tensor", chebyshev_w),
    one("special_shifted_chebyshev_polynomial_t(Tensor x, Tensor n) -> Tensor", shifted_t),
    one("special_shifted_chebyshev_polynomial_t(Tensor x, Scalar n) -> Tensor", shifted_t),
    one("special_shifted_chebyshev_polynomial_t(Scalar x, Tensor n) -> Tensor", shifted_t),
    one("special_shifted_chebyshev_polynomial_u(Tensor x, Tensor n) -> Tensor", shifted_u),
    one("special_shifted_chebyshev_polynomial_u(Tensor x, Scalar n) -> Tensor", shifted_u),
    one("special_shifted_chebyshev_polynomial_u(Scalar x, Tensor n) -> Tensor", shifted_u),
    one("special_shifted_chebyshev_polynomial_v(Tensor x, Tensor n) -> Tensor", shifted_v),
    one("special_shifted_chebyshev_polynomial_v(Tensor x, Scalar n) -> Tensor", shifted_v),
    one("special_shifted_chebyshev_polynomial_v(Scalar x, Tensor n) -> Tensor", shifted_v),
    one("special_shifted_chebyshev_polynomial_w(Tensor x, Tensor n) -> Tensor", shifted_w),
    one("special_shifted_chebyshev_polynomial_w(Tensor x, Scalar n) -> Tensor", shifted_w),
    one("special_shifted_chebyshev_polynomial_w(Scalar x, Tensor n) -> Tensor", shifted_w),
    one("special_hermite_polynomial_h(Tensor x, Tensor n) -> Tensor", hermite_h),
    one("special_hermite_polynomial_h(Tensor x, Scalar n) -> Tensor", hermite_h),
    one("special_hermite_polynomial_h(Scalar x, Tensor n) -> Tensor", hermite_h),
    one("special_hermite_polynomial_he(Tensor x, Tensor n) -> Tensor", hermite_he),
    one("special_hermite_polynomial_he(Tensor x, Scalar n) -> Tensor", hermite_he),
    one("special_hermite_polynomial_he(Scalar x, Tensor n) -> Tensor", hermite_he),
    one("special_laguerre_polynomial_l(Tensor x, Tensor n) -> Tensor", laguerre_l),
    one("special_laguerre_polynomial_l(Tensor x, Scalar n) -> Tensor", laguerre_l),
    one("special_laguerre_polynomial_l(Scalar x, Tensor n) -> Tensor", laguerre_l),
    one("special_legendre_polynomial_p(Tensor x, Tensor n) -> Tensor", legendre_p),
    one("special_legendre_polynomial_p(Tensor x, Scalar n) -> Tensor", legendre_p),
    one("special_legendre_polynomial_p(Scalar x, Tensor n) -> Tensor", legendre_p),
    one("nextafter(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.next_after(&a.tensor("other")?)),
    one("igamma(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.gammainc(&a.tensor("other")?)),
    one("igammac(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.gammaincc(&a.tensor("other")?)),
    one("atan2(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.atan2(&a.tensor("other")?)),
    one("hypot(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.hypot(&a.tensor("other")?)),
    one("copysign(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.copysign(&a.tensor("other")?)),
    one("copysign(Tensor self, Scalar other) -> Tensor", |a| a.tensor("self")?.copysign(&a.tensor("other")?)),
    one("ldexp(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.ldexp(&a.tensor("other")?)),
    one("logaddexp(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.logaddexp(&a.tensor("other")?)),
    one("logaddexp2(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.logaddexp2(&a.tensor("other")?)),
    one("heaviside(Tensor self, Tensor values) -> Tensor", |a| a.tensor("self")?.heaviside(&a.tensor("values")?)),
    one("fmax(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.fmax(&a.tensor("other")?)),
    one("fmin(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.fmin(&a.tensor("other")?)),
    one("lerp(Tensor self, Tensor end, Scalar weight) -> Tensor", |a| a.tensor("self")?.lerp(&a.tensor("end")?, &a.tensor("weight")?)),
    one("lerp(Tensor self, Tensor end, Tensor weight) -> Tensor", |a| a.tensor("self")?.lerp(&a.tensor("end")?, &a.tensor("weight")?)),
    one("gcd(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.gcd(&a.tensor("other")?)),
    one("lcm(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.lcm(&a.tensor("other")?)),
    one("bitwise_left_shift(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.bit_shift(&a.tensor("other")?, true)),
    one("bitwise_left_shift(Tensor self, Scalar other) -> Tensor", |a| a.tensor("self")?.bit_shift(&a.tensor("other")?, true)),
    one("bitwise_left_shift(Scalar self, Tensor other) -> Tensor", |a| a.tensor("self")?.bit_shift(&a.tensor("other")?, true)),
    one("bitwise_right_shift(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.bit_shift(&a.tensor("other")?, false)),
    one("bitwise_right_shift(Tensor self, Scalar other) -> Tensor", |a| a.tensor("self")?.bit_shift(&a.tensor("other")?, false)),
    one("bitwise_right_shift(Scalar self, Tensor other) -> Tensor", |a| a.tensor("self")?.bit_shift(&a.tensor("other")?, false)),
    one("__lshift__(Tensor self, Scalar other) -> Tensor", |a| a.tensor("self")?.bit_shift(&a.tensor("other")?, true)),
    one("__lshift__(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.bit_shift(&a.tensor("other")?, true)),
    one("__rshift__(Tensor self, Scalar other) -> Tensor", |a| a.tensor("self")?.bit_shift(&a.tensor("other")?, false)),
    one("__rshift__(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.bit_shift(&a.tensor("other")?, false)),
    one("isclose(Tensor self, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> Tensor", close),
    // What is one truth value in torch stays a tensor of one here: it may depend on data.
    one("allclose(Tensor self, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> bool", |a| {
        close(a)?.all(.., false)
    }),
    one("equal(Tensor self, Tensor other) -> bool", |a| {
        let (x, y) = (a.tensor("self")?, a.tensor("other")?);
        if x.shape() != y.shape() {
            return Tensor::zeros((), DType::Bool);
        }
        x.eq(y)?.all(.., false)
    }),
    one("is_nonzero(Tensor self) -> bool", |a| a.tensor("self")?.ne(0)?.reshape(())),
    one("_add_relu(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor", clamped_sum),
    one("_add_relu(Tensor self, Scalar other, Scalar alpha=1) -> Tensor", clamped_sum),
    one("threshold(Tensor self, Scalar threshold, Scalar value) -> Tensor", |a| {
        let x = a.tensor("self")?;
        let value = a.tensor("value")?.strengthened().cast(x.dtype())?;
        // Both numbers are cut to the dtype of integers.
        x.le(a.tensor("threshold")?.strengthened().cast(x.dtype())?)?.where_(&value, &x)
    }),
    one("maximum(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.maximum(a.tensor("other")?)),
    one("minimum(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.minimum(a.tensor("other")?)),
    one("logical_and(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.logical_and(a.tensor("other")?)),
    one("logical_or(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.logical_or(a.tensor("other")?)),
    one("logical_xor(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.logical_xor(a.tensor("other")?)),
    one("bitwise_and(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.bitwise_and(a.tensor("other")?)),
    one("bitwise_and(Tensor self, Scalar other) -> Tensor", |a| a.tensor("self")?.bitwise_and(a.tensor("other")?)),
    one("bitwise_and(Scalar self, Tensor other) -> Tensor", |a| a.tensor("self")?.bitwise_and(a.tensor("other")?)),
    one("bitwise_or(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.bitwise_or(a.tensor("other")?)),
    one("bitwise_or(Tensor self, Scalar other) -> Tensor", |a| a.tensor("self")?.bitwise_or(a.tensor("other")?)),
    one("bitwise_or(Scalar self, Tensor other) -> Tensor", |a| a.tensor("self")?.bitwise_or(a.tensor("other")?)),
    one("bitwise_xor(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.bitwise_xor(a.tensor("other")?)),
    one("bitwise_xor(Tensor self, Scalar other) -> Tensor", |a| a.tensor("self")?.bitwise_xor(a.tensor("other")?)),
    one("bitwise_xor(Scalar self, Tensor other) -> Tensor", |a| a.tensor("self")?.bitwise_xor(a.tensor("other")?)),
    one("eq(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.eq(a.tensor("other")?)),
    one("eq(Tensor self, Scalar other) -> Tensor", |a| a.tensor("self")?.eq(a.tensor("other")?)),
    one("ne(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.ne(a.tensor("other")?)),
    one("ne(Tensor self, Scalar other) -> Tensor", |a| a.tensor("self")?.ne(a.tensor("other")?)),
    one("lt(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.lt(a.tensor("other")?)),
    one("lt(Tensor self, Scalar other) -> Tensor", |a| a.tensor("self")?.lt(a.tensor("other")?)),
    one("le(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.le(a.tensor("other")?)),
    one("le(Tensor self, Scalar other) -> Tensor", |a| a.tensor("self")?.le(a.tensor("other")?)),
    one("gt(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.gt(a.tensor("other")?)),
    one("gt(Tensor self, Scalar other) -> Tensor", |a| a.tensor("self")?.gt(a.tensor("other")?)),
    one("ge(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.ge(a.tensor("other")?)),
    one("ge(Tensor self, Scalar other) -> Tensor", |a| a.tensor("self")?.ge(a.tensor("other")?)),
    one("where(Tensor condition, Tensor self, Tensor other) -> Tensor", |a| {
        a.tensor("condition")?.cast(DType::Bool)?.where_(&a.tensor("self")?, &a.tensor("other")?)
    }),
    one("where(Tensor condition, Scalar self, Tensor other) -> Tensor", |a| {
        a.tensor("condition")?.cast(DType::Bool)?.where_(&a.tensor("self")?, &a.tensor("other")?)
    }),
    one("where(Tensor condition, Tensor self, Scalar other) -> Tensor", |a| {
        a.tensor("condition")?.cast(DType::Bool)?.where_(&a.tensor("self")?, &a.tensor("other")?)
    }),
    one("where(Tensor condition, Scalar self, Scalar other) -> Tensor", |a| {
        a.tensor("condition")?.cast(DType::Bool)?.where_(&a.tensor("self")?, &a.tensor("other")?)
    }),
    one("masked_fill(Tensor self, Tensor mask, Tensor value) -> Tensor", |a| {
        a.tensor("self")?.masked_fill(&a.tensor("mask")?, a.tensor("value")?)
    }),
    one("masked_fill(Tensor self, Tensor mask, Scalar value) -> Tensor", |a| {
        a.tensor("self")?.masked_fill(&a.tensor("mask")?, a.tensor("value")?)
    }),
    one("clamp(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor", |a| {
        // A tensor of one element goes for a number, but has a dtype of its own.
        let is_tensor =
            |bound: &str| -> Result<bool> { Ok(a.opt_tensor(bound)?.is_some_and(|bound| bound.strength() != PromotionPriority::Weak)) };
        if a.varies("min")? || a.varies("max")? || is_tensor("min")? || is_tensor("max")? {
            return a.tensor("self")?.clamp_tensors(a.opt_tensor("min")?.as_ref(), a.opt_tensor("max")?.as_ref());
        }
        a.tensor("self")?.clamp(a.opt_number("min")?, a.opt_number("max")?)
    }),
    one("clamp(Tensor self, Tensor? min=None, Tensor? max=None) -> Tensor", |a| {
        a.tensor("self")?.clamp_tensors(a.opt_tensor("min")?.as_ref(), a.opt_tensor("max")?.as_ref())
    }),
    one("clamp_min(Tensor self, Scalar min) -> Tensor", |a| match is_number_bound(a, "min")? {
        true => a.tensor("self")?.clamp(Some(a.number("min")?), None),
        false => a.tensor("self")?.maximum(a.tensor("min")?),
    }),
    one("clamp_min(Tensor self, Tensor min) -> Tensor", |a| a.tensor("self")?.maximum(a.tensor("min")?)),
    one("clamp_max(Tensor self, Scalar max) -> Tensor", |a| match is_number_bound(a, "max")? {
        true => a.tensor("self")?.clamp(None, Some(a.number("max")?)),
        false => a.tensor("self")?.minimum(a.tensor("max")?),
    }),
    one("clamp_max(Tensor self, Tensor max) -> Tensor", |a| a.tensor("self")?.minimum(a.tensor("max")?)),
    one("hardtanh(Tensor self, Scalar min_val=-1, Scalar max_val=1) -> Tensor", |a| {
        // The bounds take the dtype of the tensor, as they do not in clamp.
        let x = a.tensor("self")?;
        let whole = |bound: Scalar| if x.dtype().is_float() { bound } else { Scalar::Int(bound.to_i64()) };
        x.clamp(Some(whole(a.number("min_val")?)), Some(whole(a.number("max_val")?)))
    }),
    one("relu6(Tensor self) -> Tensor", |a| a.tensor("self")?.clamp(Some(Scalar::Int(0)), Some(Scalar::Int(6)))),
    one("addcmul(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor", |a| {
        let [x, y, z] = of_one_dtype(a)?;
        x.add(a.scaled(y, "value")?.mul(z)?)
    }),
    one("addcdiv(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor", |a| {
        let [x, y, z] = of_one_dtype(a)?;
        x.add(a.scaled(y, "value")?.div(z)?)
    }),
    one("copy(Tensor self, Tensor src, bool non_blocking=False) -> Tensor", |a| like(&a.tensor("self")?, &a.tensor("src")?)),
    one("fill(Tensor self, Scalar value) -> Tensor", |a| like(&a.tensor("self")?, &a.tensor("value")?)),
    one("fill(Tensor self, Tensor value) -> Tensor", |a| like(&a.tensor("self")?, &a.tensor("value")?)),
    one("zero(Tensor self) -> Tensor", |a| {
        let x = a.tensor("self")?;
        Tensor::zeros(x.shape(), x.dtype())
    }),
];

/// x + alpha · y, in the dtype of the result.
fn summed(a: &Args, x: Tensor, y: Tensor) -> Result<Tensor> {
    let (x, y) = operands(a, x, y)?;
    if x.dtype() == DType::Bool && y.dtype() == DType::Bool && !a.varies("alpha")? {
        // Whether there is anything: a factor is something or nothing.
        return if a.float("alpha")? == 0.0 { x.logical_or(y.logical_and(Tensor::weak(false))?) } else { x.logical_or(&y) };
    }
    x.add(a.scaled(y, "alpha")?)
}

/// x − alpha · y, in the dtype of the result.
fn less(a: &Args, x: Tensor, y: Tensor) -> Result<Tensor> {
    let (x, y) = operands(a, x, y)?;
    x.sub(a.scaled(y, "alpha")?)
}

/// The operands in the dtype of the result where the second is scaled: a narrow one would wrap.
fn operands(a: &Args, x: Tensor, y: Tensor) -> Result<(Tensor, Tensor)> {
    if !a.varies("alpha")? && a.float("alpha")? == 1.0 { Ok((x, y)) } else { x.promoted(y) }
}

/// Whether a bound is one that clamp takes: a number and no tensor of one element, which has a dtype of its own; and not of truth values.
fn is_number_bound(a: &Args, bound: &str) -> Result<bool> {
    let is_tensor = a.tensor(bound)?.strength() != PromotionPriority::Weak;
    Ok(a.tensor("self")?.dtype() != DType::Bool && !is_tensor && !a.varies(bound)?)
}

/// A sum in the dtype of the result, from 0 to the most that the dtype of the first operand holds; NaN becomes 0.
fn clamped_sum(a: &Args) -> Result<Tensor> {
    let own = a.tensor("self")?.dtype();
    let (x, other) = a.tensor("self")?.promoted(a.tensor("other")?)?;
    let dtype = x.dtype();
    // Integers are scaled by the whole part of the factor.
    let sum = match dtype.is_float() || a.varies("alpha")? {
        true => summed(a, x, other)?.cast(dtype)?,
        false => x.add(other.mul(Tensor::weak(Scalar::Int(a.number("alpha")?.to_i64())))?)?,
    };
    if dtype == own && !dtype.is_float() {
        return sum.relu();
    }
    let most = match own {
        DType::F64 => Scalar::Float(f64::MAX),
        DType::F16 => Scalar::Float(65504.0),
        DType::BF16 => Scalar::Float(f64::from(half::bf16::MAX.to_f32())),
        DType::F32 => Scalar::Float(f64::from(f32::MAX)),
        DType::I8 => Scalar::Int(i8::MAX.into()),
        DType::U8 => Scalar::Int(u8::MAX.into()),
        DType::I16 => Scalar::Int(i16::MAX.into()),
        DType::I32 => Scalar::Int(i32::MAX.into()),
        _ => Scalar::Int(i64::MAX),
    };
    let zero = Tensor::zeros((), dtype)?;
    sum.gt(&zero)?.where_(&sum.minimum(Tensor::full((), most, dtype)?)?, &zero)
}

/// The operands of `addcmul` and `addcdiv` in the dtype of the result.
fn of_one_dtype(a: &Args) -> Result<[Tensor; 3]> {
    Tensor::promoted_all([a.tensor("self")?, a.tensor("tensor1")?, a.tensor("tensor2")?])
}

/// A square or a root is that, and not a power.
fn power(x: Tensor, exponent: Tensor) -> Result<Tensor> {
    // A scalar tensor may widen another.
    if DType::result(&[(x.dtype(), x.strength()), (exponent.dtype(), exponent.strength())])? != x.dtype() {
        return x.pow(exponent);
    }
    match exponent.constant().filter(|array| array.rank() == 0).map(|array| array.item()) {
        Some(Ok(Scalar::Int(2))) if x.dtype() != DType::Bool => x.square(),
        // Products wrap everywhere; ONNX Runtime computes powers of integers in doubles.
        Some(Ok(Scalar::Int(n @ 3..=LARGEST_PRODUCT))) if x.dtype().is_int() => product(&x, n),
        Some(Ok(Scalar::Float(2.0))) if x.dtype().is_float() => x.square(),
        _ => x.pow(exponent),
    }
}

/// The largest exponent whose power of an integer is written as products.
const LARGEST_PRODUCT: i64 = 64;

/// A power by squaring.
fn product(x: &Tensor, exponent: i64) -> Result<Tensor> {
    let half = if exponent > 1 { product(x, exponent / 2)?.square()? } else { return Ok(x.clone()) };
    if exponent % 2 == 0 { Ok(half) } else { half.mul(x) }
}

/// A power whose exponent is a number and no tensor. Where that is ±½, torch takes square roots, but not of f16: of −∞ they are NaN where the
/// power is ∞ or 0, and they keep the sign of a negative zero.
fn scalar_power(x: Tensor, exponent: Tensor) -> Result<Tensor> {
    let roots = x.dtype().is_float() && x.dtype() != DType::F16;
    match exponent.constant().filter(|array| array.rank() == 0).map(|array| array.item()) {
        // Whatever is raised to them, truth values too.
        Some(Ok(Scalar::Bool(true))) => Ok(x),
        Some(Ok(Scalar::Bool(false))) => Tensor::ones(x.shape(), x.dtype()),
        Some(Ok(Scalar::Float(0.5))) if roots => x.sqrt(),
        Some(Ok(Scalar::Float(-0.5))) if roots => x.rsqrt(),
        _ => power(x, exponent),
    }
}

/// A quotient, rounded as the call says.
pub(super) fn rounded(a: &Args) -> Result<Tensor> {
    let (x, y) = (a.tensor("self")?, a.tensor("other")?);
    match a.opt_str("rounding_mode")? {
        None => x.div(y),
        Some("floor") => x.floor_divide(y),
        Some("trunc") => x.trunc_divide(y),
        Some(other) => Err(Error::argument(format!("unknown rounding mode `{other}`"))),
    }
}

/// The argument of the polynomials that are shifted from −1…1 to 0…1.
fn shifted(a: &Args) -> Result<Tensor> {
    let (x, n) = (a.tensor("x")?, a.tensor("n")?);
    // It is shifted in the dtype of the result, which the order may widen.
    let dtype = DType::result(&[(x.dtype(), x.strength()), (n.dtype(), n.strength())])?.or_float();
    x.cast(dtype)?.mul(2.0)?.sub(1.0)
}

fn close(a: &Args) -> Result<Tensor> {
    a.tensor("self")?.isclose(&a.tensor("other")?, a.float("rtol")?, a.float("atol")?, a.flag("equal_nan")?)
}

fn chebyshev_t(a: &Args) -> Result<Tensor> {
    a.tensor("x")?.chebyshev_t(&a.tensor("n")?)
}

fn chebyshev_u(a: &Args) -> Result<Tensor> {
    a.tensor("x")?.chebyshev_u(&a.tensor("n")?)
}

fn chebyshev_v(a: &Args) -> Result<Tensor> {
    a.tensor("x")?.chebyshev_v(&a.tensor("n")?)
}

fn chebyshev_w(a: &Args) -> Result<Tensor> {
    a.tensor("x")?.chebyshev_w(&a.tensor("n")?)
}

fn shifted_t(a: &Args) -> Result<Tensor> {
    shifted(a)?.chebyshev_t(&a.tensor("n")?)
}

fn shifted_u(a: &Args) -> Result<Tensor> {
    shifted(a)?.chebyshev_u(&a.tensor("n")?)
}

fn shifted_v(a: &Args) -> Result<Tensor> {
    shifted(a)?.chebyshev_v(&a.tensor("n")?)
}

fn shifted_w(a: &Args) -> Result<Tensor> {
    shifted(a)?.chebyshev_w(&a.tensor("n")?)
}

fn hermite_h(a: &Args) -> Result<Tensor> {
    a.tensor("x")?.by_recurrence(&a.tensor("n")?, true, |x| x.mul(2.0), |x, k, p, q| x.mul(2.0)?.mul(p)?.sub(q.mul(k.mul(2.0)?)?))
}

fn hermite_he(a: &Args) -> Result<Tensor> {
    a.tensor("x")?.by_recurrence(&a.tensor("n")?, true, |x| Ok(x.clone()), |x, k, p, q| x.mul(p)?.sub(q.mul(k)?))
}

fn laguerre_l(a: &Args) -> Result<Tensor> {
    a.tensor("x")?.by_recurrence(
        &a.tensor("n")?,
        false,
        |x| x.neg()?.add(1.0),
        |x, k, p, q| x.neg()?.add(k.mul(2.0)?.add(1.0)?)?.mul(p)?.sub(q.mul(k)?)?.div(k.add(1.0)?),
    )
}

fn legendre_p(a: &Args) -> Result<Tensor> {
    a.tensor("x")?.by_recurrence(
        &a.tensor("n")?,
        false,
        |x| Ok(x.clone()),
        |x, k, p, q| x.mul(p)?.mul(k.mul(2.0)?.add(1.0)?)?.sub(q.mul(k)?)?.div(k.add(1.0)?),
    )
}
