//! Special functions as composites of polynomials that were fitted to them, right to single precision.

use super::fitted::{
    AIRY, AIRY_F, AIRY_G, AIRY_RIGHT, ERFCX, ERFINV_CENTRE, ERFINV_TAIL, EULER_MACLAURIN, I0, I0_FAR, I1, I1_FAR, J0, J1, K0, K0_FAR, K1,
    K1_FAR, P0, P1, Q0, Q1, Y0, Y1, ZETA_3,
};
use crate::array::{DType, Scalar};
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI, FRAC_PI_4, LN_2, PI, SQRT_2};

/// c₀uⁿ + c₁uⁿ⁻¹ + … + cₙ.
fn series(u: &Tensor, coefficients: &[f64]) -> Result<Tensor> {
    let mut rest = coefficients.iter().copied();
    let mut sum = u.mul(rest.next().unwrap_or(0.0))?.add(rest.next().unwrap_or(0.0))?;
    for c in rest {
        sum = sum.mul(u)?.add(c)?;
    }
    Ok(sum)
}

/// The tensor kept at or above a bound, so that a branch not taken does not overflow.
pub(super) fn at_least(x: &Tensor, low: f64) -> Result<Tensor> {
    x.clamp(Some(Scalar::Float(low)), None)
}

pub(super) fn at_most(x: &Tensor, high: f64) -> Result<Tensor> {
    x.clamp(None, Some(Scalar::Float(high)))
}

/// A number of the dtype of `x`.
pub(super) fn constant(x: &Tensor, number: f64) -> Result<Tensor> {
    Tensor::full::<i64>(&[], number, x.dtype())
}

/// J or Y beyond 8: √(2/πx) (P cos(x − φ) − 8/x Q sin(x − φ)), or with the sine and the cosine exchanged.
fn far(x: &Tensor, order: usize, second: bool) -> Result<Tensor> {
    let x = at_least(x, 8.0)?;
    let u = x.square()?.reciprocal()?.mul(128.0)?.sub(1.0)?;
    let (p, q) = if order == 0 { (P0, Q0) } else { (P1, Q1) };
    let phase = x.sub(FRAC_PI_4 + order as f64 * PI / 2.0)?;
    let (sin, cos) = (phase.sin()?, phase.cos()?);
    let (p, q) = (series(&u, p)?, series(&u, q)?.mul(8.0)?.div(&x)?);
    let wave = if second { p.mul(sin)?.add(q.mul(cos)?)? } else { p.mul(cos)?.sub(q.mul(sin)?)? };
    x.reciprocal()?.mul(FRAC_2_PI)?.sqrt()?.mul(wave)
}

/// The odd function that has this value at |x|.
fn odd(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    x.lt(0.0)?.choose(&y.neg()?, y)
}

/// `y` for positive numbers, `at_zero` for 0 and NaN for negative ones.
fn positive(x: &Tensor, y: &Tensor, at_zero: f64) -> Result<Tensor> {
    let edge = x.eq(0.0)?.choose(&constant(x, at_zero)?, &constant(x, f64::NAN)?)?;
    x.gt(0.0)?.choose(y, &edge)
}

/// The function, NaN where its argument is: comparisons lose that.
fn with_nan(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    x.is_nan()?.choose(x, y)
}

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident($x:ident $(, $argument:ident: $ty:ty)*) $body:block)*) => {
        impl Tensor {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// Where the tensor belongs to another trace.
                #[track_caller]
                pub fn $name(&self $(, $argument: $ty)*) -> Result<Tensor> {
                    let $x = &self.cast(self.dtype().or_float())?;
                    $body
                }
            )*
        }
    };
}

functions! {
    /// J₀, the Bessel function of the first kind of order 0. [torch.special.bessel_j0](https://pytorch.org/docs/stable/special.html)
    bessel_j0(x) {
        let x = x.abs()?;
        let near = series(&at_most(&x, 8.0)?.square()?.div(32.0)?.sub(1.0)?, J0)?;
        x.lt(8.0)?.choose(&near, &far(&x, 0, false)?)
    }

    /// J₁, the Bessel function of the first kind of order 1. [torch.special.bessel_j1](https://pytorch.org/docs/stable/special.html)
    bessel_j1(x) {
        let y = x.abs()?;
        let near = series(&at_most(&y, 8.0)?.square()?.div(32.0)?.sub(1.0)?, J1)?.mul(&y)?;
        odd(x, &y.lt(8.0)?.choose(&near, &far(&y, 1, false)?)?)
    }

    /// Y₀, the Bessel function of the second kind of order 0. [torch.special.bessel_y0](https://pytorch.org/docs/stable/special.html)
    bessel_y0(x) {
        let z = at_most(x, 8.0)?;
        let singular = z.log()?.mul(z.bessel_j0()?)?.mul(FRAC_2_PI)?;
        let near = series(&z.square()?.div(32.0)?.sub(1.0)?, Y0)?.add(singular)?;
        positive(x, &x.lt(8.0)?.choose(&near, &far(x, 0, true)?)?, f64::NEG_INFINITY)
    }

    /// Y₁, the Bessel function of the second kind of order 1. [torch.special.bessel_y1](https://pytorch.org/docs/stable/special.html)
    bessel_y1(x) {
        let z = at_most(x, 8.0)?;
        let singular = z.log()?.mul(z.bessel_j1()?)?.sub(z.reciprocal()?)?.mul(FRAC_2_PI)?;
        let near = series(&z.square()?.div(32.0)?.sub(1.0)?, Y1)?.mul(&z)?.add(singular)?;
        positive(x, &x.lt(8.0)?.choose(&near, &far(x, 1, true)?)?, f64::NEG_INFINITY)
    }

    /// e^−|x| I₀. [torch.special.i0e](https://pytorch.org/docs/stable/special.html#torch.special.i0e)
    i0e(x) {
        let x = x.abs()?;
        let near = series(&at_most(&x, 8.0)?.div(4.0)?.sub(1.0)?, I0)?;
        let y = at_least(&x, 8.0)?;
        let far = series(&y.reciprocal()?.mul(16.0)?.sub(1.0)?, I0_FAR)?.div(y.sqrt()?)?;
        x.lt(8.0)?.choose(&near, &far)
    }

    /// I₀, the modified Bessel function of the first kind of order 0. [torch.special.i0](https://pytorch.org/docs/stable/special.html#torch.special.i0)
    i0(x) { x.i0e()?.mul(x.abs()?.exp()?) }

    /// e^−|x| I₁. [torch.special.i1e](https://pytorch.org/docs/stable/special.html#torch.special.i1e)
    i1e(x) {
        let z = x.abs()?;
        let near = series(&at_most(&z, 8.0)?.div(4.0)?.sub(1.0)?, I1)?.mul(&z)?;
        let y = at_least(&z, 8.0)?;
        let far = series(&y.reciprocal()?.mul(16.0)?.sub(1.0)?, I1_FAR)?.div(y.sqrt()?)?;
        odd(x, &z.lt(8.0)?.choose(&near, &far)?)
    }

    /// I₁, the modified Bessel function of the first kind of order 1. [torch.special.i1](https://pytorch.org/docs/stable/special.html#torch.special.i1)
    i1(x) { x.i1e()?.mul(x.abs()?.exp()?) }

    /// eˣ K₀. [torch.special.scaled_modified_bessel_k0](https://pytorch.org/docs/stable/special.html)
    k0e(x) {
        let z = at_most(x, 2.0)?;
        let near = series(&z.square()?.div(2.0)?.sub(1.0)?, K0)?.sub(z.div(2.0)?.log()?.mul(z.i0()?)?)?.mul(z.exp()?)?;
        let y = at_least(x, 2.0)?;
        let far = series(&y.reciprocal()?.mul(4.0)?.sub(1.0)?, K0_FAR)?.div(y.sqrt()?)?;
        positive(x, &x.le(2.0)?.choose(&near, &far)?, f64::INFINITY)
    }

    /// K₀, the modified Bessel function of the second kind of order 0. [torch.special.modified_bessel_k0](https://pytorch.org/docs/stable/special.html)
    k0(x) { x.k0e()?.mul(x.neg()?.exp()?) }

    /// eˣ K₁. [torch.special.scaled_modified_bessel_k1](https://pytorch.org/docs/stable/special.html)
    k1e(x) {
        let z = at_most(x, 2.0)?;
        let singular = z.div(2.0)?.log()?.mul(z.i1()?)?;
        let near = series(&z.square()?.div(2.0)?.sub(1.0)?, K1)?.div(&z)?.add(singular)?.mul(z.exp()?)?;
        let y = at_least(x, 2.0)?;
        let far = series(&y.reciprocal()?.mul(4.0)?.sub(1.0)?, K1_FAR)?.div(y.sqrt()?)?;
        positive(x, &x.le(2.0)?.choose(&near, &far)?, f64::INFINITY)
    }

    /// K₁, the modified Bessel function of the second kind of order 1. [torch.special.modified_bessel_k1](https://pytorch.org/docs/stable/special.html)
    k1(x) { x.k1e()?.mul(x.neg()?.exp()?) }

    /// sin x / x, 1 at 0. [torch.special.spherical_bessel_j0](https://pytorch.org/docs/stable/special.html)
    spherical_bessel_j0(x) { x.eq(0.0)?.choose(&constant(x, 1.0)?, &x.sin()?.div(x)?) }

    /// sin πx / πx, 1 at 0. [torch.sinc](https://pytorch.org/docs/stable/generated/torch.sinc.html)
    sinc(x) { x.mul(PI)?.spherical_bessel_j0() }

    /// Ai, the Airy function. [torch.special.airy_ai](https://pytorch.org/docs/stable/special.html)
    airy_ai(x) {
        let near = series(&at_most(&at_least(x, -3.0)?, 3.0)?.div(3.0)?, AIRY)?;
        let y = at_least(&x.abs()?, 3.0)?;
        let (zeta, quarter) = (y.mul(y.sqrt()?)?.mul(2.0 / 3.0)?, y.sqrt()?.sqrt()?);
        let inverse = zeta.reciprocal()?.mul(ZETA_3)?;
        let right = series(&inverse.mul(2.0)?.sub(1.0)?, AIRY_RIGHT)?.mul(zeta.neg()?.exp()?)?.div(&quarter)?;
        let (v, angle) = (inverse.square()?.mul(2.0)?.sub(1.0)?, zeta.add(FRAC_PI_4)?);
        let wave = angle.sin()?.mul(series(&v, AIRY_F)?)?.sub(angle.cos()?.mul(series(&v, AIRY_G)?)?.div(&zeta)?)?;
        let outside = x.gt(0.0)?.choose(&right, &wave.div(quarter.mul(PI.sqrt())?)?)?;
        with_nan(x, &x.abs()?.lt(3.0)?.choose(&near, &outside)?)
    }

    /// eˣ² erfc x, which does not vanish. [torch.special.erfcx](https://pytorch.org/docs/stable/special.html#torch.special.erfcx)
    erfcx(x) {
        let z = x.abs()?;
        let right = series(&z.sub(2.0)?.div(z.add(2.0)?)?, ERFCX)?.div(z.mul(2.0)?.add(1.0)?)?;
        let right = z.eq(f64::INFINITY)?.choose(&constant(x, 0.0)?, &right)?;
        x.lt(0.0)?.choose(&z.square()?.exp()?.mul(2.0)?.sub(&right)?, &right)
    }

    /// 1 − erf x without cancellation. [torch.special.erfc](https://pytorch.org/docs/stable/special.html#torch.special.erfc)
    erfc(x) {
        let tail = x.erfcx()?.mul(x.square()?.neg()?.exp()?)?;
        x.gt(0.5)?.choose(&tail, &x.erf()?.neg()?.add(1.0)?)
    }

    /// The inverse of erf: ±∞ at ±1, NaN beyond. [torch.special.erfinv](https://pytorch.org/docs/stable/special.html#torch.special.erfinv)
    erfinv(x) {
        let product = x.neg()?.add(1.0)?.mul(x.add(1.0)?)?;
        x.abs()?.eq(1.0)?.choose(&x.mul(f64::INFINITY)?, &quantile(x, &product)?)
    }

    /// Φ, the distribution function of the normal distribution. [torch.special.ndtr](https://pytorch.org/docs/stable/special.html#torch.special.ndtr)
    ndtr(x) { x.mul(-FRAC_1_SQRT_2)?.erfc()?.mul(0.5) }

    /// ln Φ, right in the tail too. [torch.special.log_ndtr](https://pytorch.org/docs/stable/special.html#torch.special.log_ndtr)
    log_ndtr(x) {
        let y = x.mul(-FRAC_1_SQRT_2)?;
        let left = y.erfcx()?.mul(0.5)?.log()?.sub(y.square()?)?;
        let right = y.neg()?.erfc()?.mul(-0.5)?.log1p()?;
        x.lt(-1.0)?.choose(&left, &right)
    }

    /// The inverse of Φ: ∓∞ at 0 and 1, NaN outside. [torch.special.ndtri](https://pytorch.org/docs/stable/special.html#torch.special.ndtri)
    ndtri(x) {
        let (centred, product) = (x.mul(2.0)?.sub(1.0)?, x.neg()?.add(1.0)?.mul(x)?.mul(4.0)?);
        let edge = x.eq(0.0)?.logical_or(x.eq(1.0)?)?;
        edge.choose(&centred.mul(f64::INFINITY)?, &quantile(&centred, &product)?.mul(SQRT_2)?)
    }

    /// −x ln x: 0 at 0, −∞ below. [torch.special.entr](https://pytorch.org/docs/stable/special.html#torch.special.entr)
    entr(x) {
        let edge = x.eq(0.0)?.choose(&constant(x, 0.0)?, &constant(x, f64::NEG_INFINITY)?)?;
        with_nan(x, &x.gt(0.0)?.choose(&x.mul(x.log()?)?.neg()?, &edge)?)
    }

    /// eˣ − 1 without cancellation. [torch.special.expm1](https://pytorch.org/docs/stable/special.html#torch.special.expm1)
    expm1(x) {
        let half = at_most(&at_least(x, -1.0)?, 1.0)?.div(2.0)?.tanh()?;
        let near = half.mul(2.0)?.div(half.neg()?.add(1.0)?)?;
        x.abs()?.lt(1.0)?.choose(&near, &x.exp()?.sub(1.0)?)
    }

    /// ln(1 + x) without cancellation. [torch.special.log1p](https://pytorch.org/docs/stable/special.html#torch.special.log1p)
    log1p(x) {
        // What rounding takes from 1 + x it takes from (1 + x) − 1 as well: Kahan's quotient gives it back.
        let sum = x.add(1.0)?;
        let rounded = sum.sub(1.0)?;
        let small = rounded.eq(0.0)?.choose(x, &sum.log()?.mul(x.div(&rounded)?)?)?;
        x.abs()?.lt(1.0)?.choose(&small, &sum.log()?)
    }

    /// ln |Γ(x)|. [torch.lgamma](https://pytorch.org/docs/stable/generated/torch.lgamma.html)
    lgamma(x) {
        let left = x.lt(0.5)?;
        let right = log_gamma(&left.choose(&x.neg()?.add(1.0)?, x)?)?;
        let sine = x.sub(x.floor()?)?.mul(PI)?.sin()?.abs()?;
        let y = left.choose(&sine.log()?.neg()?.add(PI.ln())?.sub(&right)?, &right)?;
        // At the poles, and at both ends.
        let infinite = left.logical_and(x.eq(x.floor()?)?)?.logical_or(x.is_inf()?)?;
        infinite.choose(&constant(x, f64::INFINITY)?, &y)
    }

    /// ψ, the logarithmic derivative of Γ. [torch.special.digamma](https://pytorch.org/docs/stable/special.html#torch.special.digamma)
    digamma(x) {
        let left = x.lt(0.0)?;
        let y = left.choose(&x.neg()?.add(1.0)?, x)?;
        let mut between = y.reciprocal()?;
        for k in 1..8 {
            between = between.add(y.add(f64::from(k))?.reciprocal()?)?;
        }
        let shifted = y.add(8.0)?;
        let inverse = shifted.square()?.reciprocal()?;
        let tail = series(&inverse, &[-1.0 / 252.0, 1.0 / 120.0, -1.0 / 12.0])?.mul(&inverse)?;
        let right = shifted.log()?.sub(shifted.reciprocal()?.mul(0.5)?)?.add(tail)?.sub(between)?;
        let angle = x.sub(x.floor()?)?.mul(PI)?;
        let y = left.choose(&right.sub(angle.cos()?.div(angle.sin()?)?.mul(PI)?)?, &right)?;
        let y = left.logical_and(x.eq(x.floor()?)?)?.choose(&constant(x, f64::NAN)?, &y)?;
        // 1/x keeps the sign of a zero.
        x.eq(0.0)?.choose(&x.reciprocal()?.neg()?, &y)
    }

    /// The n-th derivative of [`digamma`](Tensor::digamma). [torch.special.polygamma](https://pytorch.org/docs/stable/special.html#torch.special.polygamma)
    polygamma(x, n: i64) {
        if n < 1 {
            return if n == 0 { x.digamma() } else { Err(Error::argument(format!("the derivative of order {n}"))) };
        }
        let factorial: f64 = (1..=n).map(|k| k as f64).product();
        constant(x, n as f64 + 1.0)?.zeta(x)?.mul(if n % 2 == 0 { -factorial } else { factorial })
    }

    /// The logarithm of the gamma function of p variables. [torch.special.multigammaln](https://pytorch.org/docs/stable/special.html#torch.special.multigammaln)
    multigammaln(x, p: i64) {
        let mut sum = x.lgamma()?.add((p * (p - 1)) as f64 / 4.0 * PI.ln())?;
        for j in 1..p {
            sum = sum.add(x.sub(j as f64 / 2.0)?.lgamma()?)?;
        }
        Ok(sum)
    }

    /// ln(x/(1 − x)), of x kept between epsilon and 1 − epsilon. [torch.special.logit](https://pytorch.org/docs/stable/special.html#torch.special.logit)
    logit(x, epsilon: Option<f64>) {
        let x = match epsilon {
            Some(epsilon) => x.lt(epsilon)?.choose(&constant(x, epsilon)?, &at_most(x, 1.0 - epsilon)?)?,
            None => x.clone(),
        };
        x.div(x.neg()?.add(1.0)?)?.log()
    }

    /// 2ˣ. [torch.special.exp2](https://pytorch.org/docs/stable/special.html#torch.special.exp2)
    exp2(x) { x.mul(LN_2)?.exp() }
}

/// √½ times the quantile of the normal distribution at p, of x = 2p − 1 and of 1 − x².
fn quantile(x: &Tensor, product: &Tensor) -> Result<Tensor> {
    let w = product.log()?.neg()?;
    let centre = series(&at_most(&w, 5.0)?.sub(2.5)?, ERFINV_CENTRE)?;
    let tail = series(&at_least(&w, 5.0)?.sqrt()?.sub(3.0)?, ERFINV_TAIL)?;
    with_nan(&w, &w.lt(5.0)?.choose(&centre, &tail)?)?.mul(x)
}

/// ln Γ of what is at least ½: Stirling's series at x + 7, less the logarithm of what lies between.
fn log_gamma(x: &Tensor) -> Result<Tensor> {
    // The product of large numbers would overflow; there the series needs no help.
    let near = x.lt(32.0)?;
    let small = at_most(x, 32.0)?;
    let mut between = small.clone();
    for k in 1..7 {
        between = between.mul(small.add(f64::from(k))?)?;
    }
    let y = near.choose(&x.add(7.0)?, x)?;
    let inverse = y.reciprocal()?;
    let tail = series(&inverse.square()?, &[1.0 / 1260.0, -1.0 / 360.0, 1.0 / 12.0])?.mul(&inverse)?;
    let stirling = y.sub(0.5)?.mul(y.log()?)?.sub(&y)?.add((2.0 * PI).sqrt().ln())?.add(tail)?;
    near.choose(&stirling.sub(between.log()?)?, &stirling)
}

/// ζ(s, q) of positive q: nine terms, and what Euler and Maclaurin say of the rest.
fn hurwitz(s: &Tensor, q: &Tensor) -> Result<Tensor> {
    let exponent = s.neg()?;
    let mut sum = q.pow(&exponent)?;
    for k in 1..9 {
        sum = sum.add(q.add(f64::from(k))?.pow(&exponent)?)?;
    }
    let end = q.add(9.0)?;
    let mut power = end.pow(&exponent)?;
    sum = sum.add(power.mul(&end)?.div(s.sub(1.0)?)?)?.add(power.mul(0.5)?)?;
    power = power.div(&end)?;
    let mut rising = s.clone();
    for (k, &c) in EULER_MACLAURIN.iter().enumerate() {
        sum = sum.add(rising.mul(&power)?.mul(c)?)?;
        let next = 2.0 * k as f64;
        rising = rising.mul(s.add(next + 1.0)?)?.mul(s.add(next + 2.0)?)?;
        power = power.div(end.square()?)?;
    }
    Ok(sum)
}

fn times_log(x: &Tensor, y: &Tensor, log: &Tensor) -> Result<Tensor> {
    let product = x.mul(log)?;
    let zero = x.eq(0)?.logical_and(y.is_nan()?.logical_not()?)?;
    zero.choose(&constant(&product, 0.0)?, &product)
}

impl Tensor {
    /// ζ(s, q), the zeta function of Hurwitz. [torch.special.zeta](https://pytorch.org/docs/stable/special.html#torch.special.zeta)
    ///
    /// # Errors
    /// [`Shape`](crate::Code::Shape) where the shapes do not broadcast.
    #[track_caller]
    pub fn zeta(&self, q: &Tensor) -> Result<Tensor> {
        let dtype = self.dtype().promote(q.dtype())?.or_float();
        let (s, q) = (self.cast(dtype)?, q.cast(dtype)?);
        let right = hurwitz(&s, &q.le(0.0)?.choose(&constant(&q, 1.0)?, &q)?)?;
        let known_positive = q.constant().is_some_and(|array| array.to_f64s().iter().all(|&q| q > 0.0));
        let y = if known_positive { right } else { q.gt(0.0)?.choose(&right, &left_of_zero(&s, &q)?)? };
        let y = s.eq(1.0)?.choose(&constant(&s, f64::INFINITY)?, &y)?;
        s.lt(1.0)?.choose(&constant(&s, f64::NAN)?, &y)
    }

    /// x ln y, 0 where x is 0. [torch.special.xlogy](https://pytorch.org/docs/stable/special.html#torch.special.xlogy)
    ///
    /// # Errors
    /// [`Shape`](crate::Code::Shape) where the shapes do not broadcast.
    #[track_caller]
    pub fn xlogy(&self, y: &Tensor) -> Result<Tensor> {
        times_log(self, y, &y.cast(y.dtype().or_float())?.log()?)
    }

    /// x ln(1 + y), 0 where x is 0. [torch.special.xlog1py](https://pytorch.org/docs/stable/special.html#torch.special.xlog1py)
    ///
    /// # Errors
    /// [`Shape`](crate::Code::Shape) where the shapes do not broadcast.
    #[track_caller]
    pub fn xlog1py(&self, y: &Tensor) -> Result<Tensor> {
        times_log(self, y, &y.log1p()?)
    }
}

impl Tensor {
    /// Whether the sign is minus, that of a zero too.
    ///
    /// [torch.signbit](https://pytorch.org/docs/stable/generated/torch.signbit.html)
    ///
    /// # Errors
    /// Where the tensor belongs to another trace.
    #[track_caller]
    pub fn sign_bit(&self) -> Result<Tensor> {
        match self.dtype() {
            DType::Bool => Tensor::zeros(self.shape(), DType::Bool),
            dtype if dtype.is_int() => self.lt(0),
            // The reciprocal of a zero keeps its sign.
            _ => self.lt(0.0)?.logical_or(self.reciprocal()?.eq(f64::NEG_INFINITY)?),
        }
    }

    /// The magnitude of this with the sign of the other.
    ///
    /// [torch.copysign](https://pytorch.org/docs/stable/generated/torch.copysign.html)
    ///
    /// # Errors
    /// [`Shape`](crate::Code::Shape) where the shapes do not broadcast.
    #[track_caller]
    pub fn copysign(&self, sign: &Tensor) -> Result<Tensor> {
        let dtype = self.dtype().promote(sign.dtype())?.or_float();
        let magnitude = self.cast(dtype)?.abs()?;
        sign.sign_bit()?.choose(&magnitude.neg()?, &magnitude)
    }

    /// The angle of the point (x, this) from −π to π.
    ///
    /// [torch.atan2](https://pytorch.org/docs/stable/generated/torch.atan2.html)
    ///
    /// # Errors
    /// [`Shape`](crate::Code::Shape) where the shapes do not broadcast.
    #[track_caller]
    pub fn atan2(&self, x: &Tensor) -> Result<Tensor> {
        let dtype = self.dtype().promote(x.dtype())?.or_float();
        let (y, x) = (self.cast(dtype)?, x.cast(dtype)?);
        let ratio = y.abs()?.div(x.abs()?)?;
        let ratio = y.eq(0.0)?.logical_and(x.eq(0.0)?)?.choose(&constant(&y, 0.0)?, &ratio)?;
        let ratio = y.is_inf()?.logical_and(x.is_inf()?)?.choose(&constant(&y, 1.0)?, &ratio)?;
        let angle = ratio.atan()?;
        x.sign_bit()?.choose(&angle.neg()?.add(PI)?, &angle)?.copysign(&y)
    }
}

/// ζ(s, q) of negative q and whole s. The sum over all integers has the period 1, and what lies to the left of q is what lies to the right of
/// 1 − q.
fn left_of_zero(s: &Tensor, q: &Tensor) -> Result<Tensor> {
    let even = s.remainder(2.0)?.eq(0.0)?;
    let sign = even.choose(&constant(s, 1.0)?, &constant(s, -1.0)?)?;
    let fraction = at_most(&at_least(&q.sub(q.floor()?)?, 1e-6)?, 1.0 - 1e-6)?;
    let mirrored = |q: &Tensor| sign.mul(hurwitz(s, &at_least(&q.neg()?.add(1.0)?, 1e-6)?)?);
    let y = hurwitz(s, &fraction)?.add(mirrored(&fraction)?)?.sub(mirrored(q)?)?;
    let y = s.eq(s.floor()?)?.choose(&y, &constant(q, f64::NAN)?)?;
    q.eq(q.floor()?)?.choose(&constant(q, f64::INFINITY)?, &y)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_functions_are_mpmaths() {
        type Case = (&'static str, fn(&Tensor) -> Result<Tensor>, &'static [(f64, f64)]);
        let cases: &[Case] = &[
            (
                "bessel_j0",
                Tensor::bessel_j0,
                &[
                    (-9.5, -0.193928748),
                    (-4.25, -0.36919977),
                    (-2.5, -0.0483837765),
                    (-0.625, 0.904702223),
                    (0.375, 0.965151536),
                    (1.75, 0.36903253),
                    (3.5, -0.38012774),
                    (7.75, 0.225234069),
                    (12.5, 0.146884055),
                ],
            ),
            (
                "bessel_j1",
                Tensor::bessel_j1,
                &[
                    (-9.5, -0.161264431),
                    (-4.25, 0.155553193),
                    (-2.5, -0.497094102),
                    (-0.625, -0.297487552),
                    (0.375, 0.184223357),
                    (1.75, 0.580156198),
                    (3.5, 0.137377527),
                    (7.75, 0.191602592),
                    (12.5, -0.165483805),
                ],
            ),
            (
                "bessel_y0",
                Tensor::bessel_y0,
                &[
                    (0.125, -1.38968063),
                    (0.75, -0.137172769),
                    (1.75, 0.465492629),
                    (2.5, 0.49807036),
                    (5.5, -0.339480593),
                    (7.75, 0.176769878),
                    (9.5, 0.171210626),
                    (20.0, 0.0626405968),
                ],
            ),
            (
                "bessel_y1",
                Tensor::bessel_y1,
                &[
                    (0.125, -5.19993611),
                    (0.75, -1.03759455),
                    (1.75, -0.253972986),
                    (2.5, 0.145918138),
                    (5.5, -0.023758239),
                    (7.75, -0.214332229),
                    (9.5, 0.203179899),
                    (20.0, -0.165511614),
                ],
            ),
            (
                "i0",
                Tensor::i0,
                &[
                    (-9.5, 1753.48099),
                    (-4.25, 14.0412637),
                    (-2.5, 3.28983914),
                    (-0.625, 1.10006646),
                    (0.375, 1.03546645),
                    (1.75, 1.92525215),
                    (3.5, 7.37820343),
                    (7.75, 338.513754),
                    (12.5, 30596.3352),
                ],
            ),
            (
                "i0e",
                Tensor::i0e,
                &[
                    (-9.5, 0.131251261),
                    (-4.25, 0.20028787),
                    (-2.5, 0.270046442),
                    (-0.625, 0.588823147),
                    (0.375, 0.71166499),
                    (1.75, 0.334558659),
                    (3.5, 0.222802438),
                    (7.75, 0.145812274),
                    (12.5, 0.114021929),
                ],
            ),
            (
                "i1",
                Tensor::i1,
                &[
                    (-9.5, -1658.45308),
                    (-4.25, -12.2508747),
                    (-2.5, -2.51671625),
                    (-0.625, -0.328009173),
                    (0.375, 0.190815267),
                    (1.75, 1.25553751),
                    (3.5, 6.20583492),
                    (7.75, 315.852481),
                    (12.5, 29345.7496),
                ],
            ),
            (
                "i1e",
                Tensor::i1e,
                &[
                    (-9.5, -0.124138248),
                    (-4.25, -0.174749342),
                    (-2.5, -0.20658465),
                    (-0.625, -0.175570658),
                    (0.375, 0.131145287),
                    (1.75, 0.218179705),
                    (3.5, 0.187399977),
                    (7.75, 0.1360511),
                    (12.5, 0.109361431),
                ],
            ),
            (
                "k0",
                Tensor::k0,
                &[
                    (0.125, 2.20786909),
                    (0.75, 0.610582422),
                    (1.75, 0.155379812),
                    (2.5, 0.0623475532),
                    (5.5, 0.00213870857),
                    (7.75, 0.000190995455),
                    (9.5, 3.0057885e-5),
                    (20.0, 5.74123782e-10),
                ],
            ),
            (
                "k0e",
                Tensor::k0e,
                &[
                    (0.125, 2.50184344),
                    (0.75, 1.292603),
                    (1.75, 0.894149084),
                    (2.5, 0.75954869),
                    (5.5, 0.523324732),
                    (7.75, 0.443409779),
                    (9.5, 0.401565132),
                    (20.0, 0.278544877),
                ],
            ),
            (
                "k1",
                Tensor::k1,
                &[
                    (0.125, 7.8311183),
                    (0.75, 0.949580467),
                    (1.75, 0.195477453),
                    (2.5, 0.0738908163),
                    (5.5, 0.00232556901),
                    (7.75, 0.000202963304),
                    (9.5, 3.16020341e-5),
                    (20.0, 5.88305797e-10),
                ],
            ),
            (
                "k1e",
                Tensor::k1e,
                &[
                    (0.125, 8.87381959),
                    (0.75, 2.01026186),
                    (1.75, 1.12489508),
                    (2.5, 0.900174424),
                    (5.5, 0.569047974),
                    (7.75, 0.471194007),
                    (9.5, 0.422194543),
                    (20.0, 0.285425497),
                ],
            ),
            (
                "sinc",
                Tensor::sinc,
                &[
                    (-9.5, -0.0335063038),
                    (-4.25, 0.0529597833),
                    (-2.5, 0.127323954),
                    (-0.625, 0.470527982),
                    (0.375, 0.784213304),
                    (1.75, -0.128616617),
                    (3.5, -0.0909456818),
                    (7.75, -0.0290424618),
                    (12.5, 0.0254647909),
                ],
            ),
            (
                "airy_ai",
                Tensor::airy_ai,
                &[
                    (-9.5, 0.319103248),
                    (-4.25, 0.127782927),
                    (-2.5, -0.112325068),
                    (-0.625, 0.499189238),
                    (0.375, 0.260669573),
                    (1.75, 0.0505698808),
                    (3.5, 0.00258409879),
                    (7.75, 9.53703896e-8),
                    (12.5, 2.39682783e-14),
                ],
            ),
            (
                "erfcx",
                Tensor::erfcx,
                &[
                    (-2.5, 1035.81484),
                    (-0.5, 1.95236049),
                    (0.0, 1.0),
                    (0.375, 0.685857233),
                    (1.75, 0.284972235),
                    (7.75, 0.0722071708),
                    (100.0, 0.00564161378),
                ],
            ),
            (
                "erfc",
                Tensor::erfc,
                &[
                    (-9.5, 2.0),
                    (-4.25, 2.0),
                    (-2.5, 1.99959305),
                    (-0.625, 1.62324088),
                    (0.375, 0.595883091),
                    (1.75, 0.0133283288),
                    (3.5, 7.43098372e-7),
                    (7.75, 5.93974786e-28),
                    (12.5, 6.23194278e-70),
                ],
            ),
            ("erfinv", Tensor::erfinv, &[(-0.96875, -1.5230194), (-0.5, -0.476936276), (0.25, 0.225312055), (0.999023438, 2.33146777)]),
            (
                "ndtr",
                Tensor::ndtr,
                &[
                    (-9.5, 1.04945151e-21),
                    (-4.25, 1.06885258e-5),
                    (-2.5, 0.00620966533),
                    (-0.625, 0.265985529),
                    (0.375, 0.646169767),
                    (1.75, 0.959940843),
                    (3.5, 0.999767371),
                    (7.75, 1.0),
                    (12.5, 1.0),
                ],
            ),
            (
                "log_ndtr",
                Tensor::log_ndtr,
                &[
                    (-12.5, -81.5759679),
                    (-4.25, -11.4463397),
                    (-1.5, -2.7059444),
                    (-0.625, -1.32431337),
                    (0.375, -0.436693013),
                    (1.75, -0.0408836182),
                    (4.5, -3.3976789e-6),
                ],
            ),
            ("ndtri", Tensor::ndtri, &[(0.0009765625, -3.09726908), (0.125, -1.15034938), (0.5, 0.0), (0.96875, 1.86273187)]),
            (
                "expm1",
                Tensor::expm1,
                &[
                    (-5.0, -0.993262053),
                    (-0.0009765625, -0.000976085818),
                    (0.00048828125, 0.000488400479),
                    (0.5, 0.648721271),
                    (3.0, 19.0855369),
                ],
            ),
            (
                "log1p",
                Tensor::log1p,
                &[
                    (-0.875, -2.07944154),
                    (-0.0009765625, -0.000977039648),
                    (0.00048828125, 0.00048816208),
                    (0.5, 0.405465108),
                    (100.0, 4.61512052),
                ],
            ),
            (
                "lgamma",
                Tensor::lgamma,
                &[
                    (-9.5, -12.7958953),
                    (-4.25, -2.07007243),
                    (-2.5, -0.0562437165),
                    (-0.625, 1.33307761),
                    (0.375, 0.863073982),
                    (1.75, -0.084401121),
                    (3.5, 1.2009736),
                    (7.75, 8.0254584),
                    (12.5, 18.7343475),
                ],
            ),
            (
                "digamma",
                Tensor::digamma,
                &[
                    (-9.5, 2.30300103),
                    (-4.25, 4.70156999),
                    (-2.5, 1.10315664),
                    (-0.625, -1.15399905),
                    (0.375, -2.75399905),
                    (1.75, 0.247472454),
                    (3.5, 1.10315664),
                    (7.75, 1.98179156),
                    (12.5, 2.48519565),
                ],
            ),
            (
                "lgamma",
                Tensor::lgamma,
                &[(-3.0, f64::INFINITY), (0.0, f64::INFINITY), (f64::NEG_INFINITY, f64::INFINITY), (1.0, 0.0), (100.0, 359.13420)],
            ),
            ("digamma", Tensor::digamma, &[(0.0, f64::NEG_INFINITY), (-2.0, f64::NAN)]),
            ("erfinv", Tensor::erfinv, &[(1.0, f64::INFINITY), (-1.0, f64::NEG_INFINITY), (2.0, f64::NAN)]),
            ("bessel_y0", Tensor::bessel_y0, &[(0.0, f64::NEG_INFINITY), (-1.0, f64::NAN)]),
        ];
        for (name, function, points) in cases {
            for &(x, expected) in *points {
                let got = f64::from(function(&Tensor::from(&[x as f32])).unwrap().to_vec::<f32>().unwrap()[0]);
                let close = (got - expected).abs() <= 2e-6 + 3e-5 * expected.abs();
                assert!(close || got == expected || (got.is_nan() && expected.is_nan()), "{name}({x}) is {got}, expected {expected}");
            }
        }
    }

    #[test]
    fn zeta_of_negative_arguments_is_the_sum() {
        // mpmath.zeta(2, -1.5); 1/1.5² + 1/0.5² + ζ(2, ½).
        let y = Tensor::from(&[2.0f32]).zeta(&Tensor::from(&[-1.5f32])).unwrap().to_vec::<f32>().unwrap()[0];
        assert!((y - 9.379_246).abs() < 1e-4, "{y}");
        assert_eq!(Tensor::from(&[1.0f32]).zeta(&Tensor::from(&[2.0f32])).unwrap().to_vec::<f32>().unwrap()[0], f32::INFINITY);
    }
}
