//! Composites of one or two tensors, element by element.

use crate::array::{DType, Scalar};
use crate::error::Result;
use crate::tensor::Tensor;

impl Tensor {
    /// √(x² + y²) element by element, without overflow of the squares.
    /// [torch.hypot](https://docs.pytorch.org/docs/stable/generated/torch.hypot.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// assert_eq!(Tensor::from(&[3.0f32]).hypot(&Tensor::from(&[4.0f32]))?.to_vec::<f32>()?, [5.0]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    #[track_caller]
    pub fn hypot(&self, other: &Tensor) -> Result<Tensor> {
        // The larger is taken out, so that squares neither overflow nor vanish.
        let (x, y) = self.promoted(other)?;
        let (x, y) = (x.abs()?, y.abs()?);
        let (large, small) = (x.maximum(&y)?, x.minimum(&y)?);
        let safe = large.eq(0.0)?.where_(&Tensor::ones((), large.dtype())?, &large)?;
        let root = large.mul(small.div(safe)?.square()?.add(1.0)?.sqrt()?)?;
        // Where one is infinite so is the result, even if the other is NaN.
        let infinite = x.is_inf()?.logical_or(y.is_inf()?)?;
        infinite.where_(&Tensor::full((), f64::INFINITY, root.dtype())?, &root)
    }

    /// x · 2ʸ element by element.
    /// [torch.ldexp](https://docs.pytorch.org/docs/stable/generated/torch.ldexp.html).
    #[track_caller]
    pub fn ldexp(&self, exponent: &Tensor) -> Result<Tensor> {
        if self.dtype().is_float() && !exponent.dtype().is_float() {
            return scaled_by_power(self, exponent);
        }
        // The power has the dtype of an exponent that is a float.
        let dtype = if exponent.dtype().is_float() { exponent.dtype() } else { self.dtype().or_float() };
        self.mul(Tensor::full((), 2.0, dtype)?.pow(exponent.cast(dtype)?)?)
    }

    /// The mantissa m and the exponent e (i32) of x = m · 2ᵉ with |m| from ½ up to 1.
    /// [torch.frexp](https://docs.pytorch.org/docs/stable/generated/torch.frexp.html).
    #[track_caller]
    pub fn frexp(&self) -> Result<(Tensor, Tensor)> {
        frexp(self)
    }

    /// 0 where x is negative, 1 where it is positive, `at_zero` where it is 0; NaN stays.
    /// [torch.heaviside](https://docs.pytorch.org/docs/stable/generated/torch.heaviside.html).
    #[track_caller]
    pub fn heaviside(&self, at_zero: &Tensor) -> Result<Tensor> {
        let step = self.gt(0)?.cast(self.dtype())?;
        self.eq(0)?.where_(at_zero, &step)
    }

    /// The larger of two elements; where one is NaN, the other.
    /// [torch.fmax](https://docs.pytorch.org/docs/stable/generated/torch.fmax.html).
    #[track_caller]
    pub fn fmax(&self, other: &Tensor) -> Result<Tensor> {
        let larger = self.maximum(other)?;
        other.is_nan()?.where_(self, &self.is_nan()?.where_(other, &larger)?)?.cast(larger.dtype())
    }

    /// The smaller of two elements; where one is NaN, the other.
    /// [torch.fmin](https://docs.pytorch.org/docs/stable/generated/torch.fmin.html).
    #[track_caller]
    pub fn fmin(&self, other: &Tensor) -> Result<Tensor> {
        let smaller = self.minimum(other)?;
        other.is_nan()?.where_(self, &self.is_nan()?.where_(other, &smaller)?)?.cast(smaller.dtype())
    }

    /// start + weight · (end − start), from the nearer end; `self` is the start.
    /// [torch.lerp](https://docs.pytorch.org/docs/stable/generated/torch.lerp.html).
    #[track_caller]
    pub fn lerp(&self, end: &Tensor, weight: &Tensor) -> Result<Tensor> {
        let weight = &weight.cast(self.dtype().promote(end.dtype())?)?;
        let way = end.sub(self)?;
        let from_end = end.sub(way.mul(weight.neg()?.add(1.0)?)?)?;
        let from_start = self.add(way.mul(weight)?)?;
        weight.abs()?.lt(0.5)?.where_(&from_start, &from_end)
    }

    /// The greatest common divisor of integers, by as many steps of Euclid's algorithm as the dtype can need.
    /// [torch.gcd](https://docs.pytorch.org/docs/stable/generated/torch.gcd.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// assert_eq!(Tensor::from(&[12i64]).gcd(&Tensor::from(&[18i64]))?.to_vec::<i64>()?, [6]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    #[track_caller]
    pub fn gcd(&self, other: &Tensor) -> Result<Tensor> {
        gcd(self, other)
    }

    /// The least common multiple of integers.
    /// [torch.lcm](https://docs.pytorch.org/docs/stable/generated/torch.lcm.html).
    #[track_caller]
    pub fn lcm(&self, other: &Tensor) -> Result<Tensor> {
        let (x, y) = self.promoted(other)?;
        let (divisor, one) = (x.gcd(&y)?, Tensor::ones((), x.dtype())?);
        let safe = divisor.eq(0)?.where_(&one, &divisor)?;
        let product = x.abs()?.trunc_divide(safe)?.mul(y.abs()?)?;
        // Narrow integers are multiplied as those of 32 bits, and what does not fit wraps after its sign is gone.
        if matches!(product.dtype(), DType::I8 | DType::I16) { Ok(product) } else { product.abs() }
    }

    /// Whether |x − y| ≤ atol + rtol · |y|, element by element; equal infinities are close, and NaNs where `equal_nan` is true.
    /// [torch.isclose](https://docs.pytorch.org/docs/stable/generated/torch.isclose.html).
    #[track_caller]
    pub fn isclose(&self, other: &Tensor, rtol: f64, atol: f64, equal_nan: bool) -> Result<Tensor> {
        let (x, y) = (self, other);
        let same = x.eq(y)?;
        let same = if equal_nan { same.logical_or(x.is_nan()?.logical_and(y.is_nan()?)?)? } else { same };
        if rtol == 0.0 && atol == 0.0 {
            return Ok(same);
        }
        // The difference of integers need not be one of their dtype: torch takes it of floats.
        let wide = |t: &Tensor| if t.dtype().is_float() { Ok(t.clone()) } else { t.cast(DType::F32) };
        let (x, y) = (wide(x)?, wide(y)?);
        let distance = x.sub(&y)?.abs()?;
        let near = distance.is_finite()?.logical_and(distance.le(y.mul(rtol)?.abs()?.add(atol)?)?)?;
        same.logical_or(near)
    }

    /// NaN and the infinities replaced, by default by 0 and the largest finite values of the dtype.
    /// [torch.nan_to_num](https://docs.pytorch.org/docs/stable/generated/torch.nan_to_num.html).
    #[track_caller]
    pub fn nan_to_num(&self, nan: Option<f64>, posinf: Option<f64>, neginf: Option<f64>) -> Result<Tensor> {
        if !self.dtype().is_float() {
            return Ok(self.clone());
        }
        let most = match self.dtype() {
            DType::F64 => f64::MAX,
            DType::F16 => 65504.0,
            DType::BF16 => 3.389_531_389_251_535_5e38,
            _ => f64::from(f32::MAX),
        };
        let y = self.masked_fill(&self.is_nan()?, nan.unwrap_or(0.0))?;
        let y = y.masked_fill(&self.eq(f64::INFINITY)?, posinf.unwrap_or(most))?;
        y.masked_fill(&self.eq(f64::NEG_INFINITY)?, neginf.unwrap_or(-most))
    }
}

/// Euclid's algorithm, as many steps as the dtype can need: the worst case are two Fibonacci values.
fn gcd(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let steps = match x.dtype().promote(y.dtype())? {
        DType::I8 | DType::U8 => 13,
        DType::I16 | DType::U16 => 24,
        DType::I32 | DType::U32 => 46,
        _ => 92,
    };
    // The remainders have the sign of what is divided: that of the least integer, which has no magnitude.
    let (x, y) = x.promoted(y)?;
    let (mut a, mut b, one) = (x.abs()?, y.abs()?, Tensor::ones((), x.dtype())?);
    for _ in 0..steps {
        let done = a.eq(0)?;
        let rest = b.fmod(done.where_(&one, &a)?)?;
        (a, b) = (done.where_(&a, &rest)?, done.where_(&b, &a)?);
    }
    Ok(b)
}

/// x · 2ⁿ for integers n, of which torch takes the lowest 32 bits. The power is multiplied in three parts: it may be beyond the dtype where the product is not.
fn scaled_by_power(x: &Tensor, exponent: &Tensor) -> Result<Tensor> {
    let wide = if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    // From the least number to the largest, and a little more.
    let most = if wide == DType::F64 { 2200 } else { 300 };
    let n = exponent.cast(DType::I64)?.cast(DType::I32)?.clamp(Some(Scalar::Int(-most)), Some(Scalar::Int(most)))?;
    let third = n.trunc_divide(3)?;
    let power = |n: &Tensor| Tensor::full((), 2.0, wide)?.pow(n.cast(wide)?);
    let part = power(&third)?;
    let y = x.cast(wide)?.mul(&part)?.mul(&part)?.mul(power(&n.sub(third.mul(2)?)?)?)?;
    y.cast(x.dtype())
}

/// x = m · 2ᵉ with |m| from ½ up to 1.
fn frexp(x: &Tensor) -> Result<(Tensor, Tensor)> {
    let magnitude = x.abs()?;
    let usual = magnitude.gt(0.0)?.logical_and(magnitude.is_finite()?)?;
    let safe = usual.where_(&magnitude, &Tensor::ones((), x.dtype())?)?;
    // The logarithm may be off by one next to a power of two; the mantissa says so.
    let e = safe.log()?.mul(std::f64::consts::LOG2_E)?.floor()?.add(1.0)?;
    let two = Tensor::full((), 2.0, x.dtype())?;
    let m = safe.div(two.pow(&e)?)?;
    let (low, high) = (m.lt(0.5)?, m.ge(1.0)?);
    let e = e.sub(low.cast(x.dtype())?)?.add(high.cast(x.dtype())?)?;
    let m = low.where_(&m.mul(2.0)?, &high.where_(&m.mul(0.5)?, &m)?)?;
    let m = usual.where_(&m.mul(x.sign()?)?, x)?;
    let e = usual.where_(&e, &Tensor::zeros((), x.dtype())?)?;
    Ok((m, e.cast(DType::I32)?))
}
