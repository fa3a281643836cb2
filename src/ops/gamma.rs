//! The gamma function and its kin: its logarithm, the derivatives of that, the zeta function.

use super::coefficients::EULER_MACLAURIN;
use super::special::{at_least, at_most, constant, functions, series};
use crate::array::{DType, Scalar};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, size};
use std::f64::consts::PI;

functions! {
    /// ln |Γ(x)|. [torch.lgamma](https://pytorch.org/docs/stable/generated/torch.lgamma.html)
    lgamma(x) {
        let left = x.lt(0.5)?;
        let right = log_gamma(&left.where_(&x.neg()?.add(1.0)?, x)?)?;
        let sine = x.sub(x.floor()?)?.mul(PI)?.sin()?.abs()?;
        let y = left.where_(&sine.log()?.neg()?.add(PI.ln())?.sub(&right)?, &right)?;
        // At the poles, and at both ends.
        let infinite = left.logical_and(x.eq(x.floor()?)?)?.logical_or(x.is_inf()?)?;
        infinite.where_(&constant(x, f64::INFINITY)?, &y)
    }

    /// ψ, the logarithmic derivative of Γ. [torch.special.digamma](https://pytorch.org/docs/stable/special.html#torch.special.digamma)
    digamma(x) {
        let left = x.lt(0.0)?;
        let y = left.where_(&x.neg()?.add(1.0)?, x)?;
        let mut between = y.reciprocal()?;
        for k in 1..8 {
            between = between.add(y.add(f64::from(k))?.reciprocal()?)?;
        }
        let shifted = y.add(8.0)?;
        let inverse = shifted.square()?.reciprocal()?;
        let tail = series(&inverse, DIGAMMA)?.mul(&inverse)?;
        let right = shifted.log()?.sub(shifted.reciprocal()?.mul(0.5)?)?.add(tail)?.sub(between)?;
        let angle = x.sub(x.floor()?)?.mul(PI)?;
        let y = left.where_(&right.sub(angle.cos()?.div(angle.sin()?)?.mul(PI)?)?, &right)?;
        let y = left.logical_and(x.eq(x.floor()?)?)?.where_(&constant(x, f64::NAN)?, &y)?;
        // 1/x keeps the sign of a zero.
        x.eq(0.0)?.where_(&x.reciprocal()?.neg()?, &y)
    }

    /// The n-th derivative of [`digamma`](Tensor::digamma). [torch.special.polygamma](https://pytorch.org/docs/stable/special.html#torch.special.polygamma)
    polygamma(x, n: i64) {
        if n < 1 {
            return if n == 0 { x.digamma() } else { Err(Error::argument(format!("a derivative of order {n} is not supported"))) };
        }
        if n == 1 {
            return trigamma(x);
        }
        let factorial: f64 = (1..=n).map(|k| k as f64).product();
        constant(x, n as f64 + 1.0)?.zeta(x)?.mul(if n % 2 == 0 { -factorial } else { factorial })
    }
}

impl Tensor {
    /// The logarithm of the gamma function of p variables. [torch.special.multigammaln](https://pytorch.org/docs/stable/special.html#torch.special.multigammaln)
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) for a narrow dtype.
    #[track_caller]
    pub fn multigammaln(&self, p: i64) -> Result<Tensor> {
        // Halves are rounded before and after each logarithm, which shows near its poles; the sum is one of singles.
        let dtype = self.dtype().or_float();
        let (x, wide) = (self.strengthened().cast(dtype)?, if dtype.size() < 4 { DType::F32 } else { dtype });
        let mut sum = x.lgamma()?.cast(wide)?;
        for j in 1..p {
            sum = sum.add(x.sub(j as f64 / 2.0)?.lgamma()?.cast(wide)?)?;
        }
        sum.cast(dtype)?.add((p * (p - 1)) as f64 / 4.0 * PI.ln())
    }

    /// ζ(s, q), the zeta function of Hurwitz. [torch.special.zeta](https://pytorch.org/docs/stable/special.html#torch.special.zeta)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the shapes do not broadcast.
    #[track_caller]
    pub fn zeta(&self, q: &Tensor) -> Result<Tensor> {
        // A number keeps its value beside integers that do not have it.
        let dtype = self.promoted(q)?.0.dtype().or_float();
        let shape = size::broadcast(self.shape(), q.shape())?;
        let (s, q) = (self.strengthened().cast(dtype)?.expand(&shape)?, q.strengthened().cast(dtype)?.expand(&shape)?);
        let right = hurwitz(&s, &q.le(0.0)?.where_(&constant(&q, 1.0)?, &q)?)?;
        let known_positive = q.constant().is_some_and(|array| array.to_f64s().is_ok_and(|values| values.iter().all(|&q| q > 0.0)));
        let y = if known_positive { right } else { q.gt(0.0)?.where_(&right, &left_of_zero(&s, &q)?)? };
        let y = s.eq(1.0)?.where_(&constant(&s, f64::INFINITY)?, &y)?;
        // Of an infinite s torch adds powers of q, and takes a quotient of infinities where these vanish.
        let powers =
            q.eq(1.0)?.where_(&constant(&s, 1.0)?, &q.lt(1.0)?.where_(&constant(&s, f64::INFINITY)?, &constant(&s, f64::NAN)?)?)?;
        let y = s.eq(f64::INFINITY)?.where_(&powers, &y)?;
        s.lt(1.0)?.where_(&constant(&s, f64::NAN)?, &y)
    }

    /// P(a, x): the part of Γ(a) = ∫ tᵃ⁻¹ e⁻ᵗ dt that lies below x. This is a; both are taken as f64.
    ///
    /// [torch.special.gammainc](https://pytorch.org/docs/stable/special.html#torch.special.gammainc)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the shapes do not broadcast.
    #[track_caller]
    pub fn gammainc(&self, x: &Tensor) -> Result<Tensor> {
        parts(self, x).map(|both| both.0)
    }

    /// Q(a, x) = 1 − P(a, x), which does not vanish where P is nearly 1.
    ///
    /// [torch.special.gammaincc](https://pytorch.org/docs/stable/special.html#torch.special.gammaincc)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the shapes do not broadcast.
    #[track_caller]
    pub fn gammaincc(&self, x: &Tensor) -> Result<Tensor> {
        parts(self, x).map(|both| both.1)
    }
}

/// Stirling's series of ln Γ in 1/x², highest power first: right to double precision from 7.5 on.
const STIRLING: &[f64] =
    &[-3617.0 / 122_400.0, 1.0 / 156.0, -691.0 / 360_360.0, 1.0 / 1188.0, -1.0 / 1680.0, 1.0 / 1260.0, -1.0 / 360.0, 1.0 / 12.0];

/// The asymptotic series of ψ in 1/x², highest power first: right to double precision from 8 on.
const DIGAMMA: &[f64] = &[-1.0 / 12.0, 691.0 / 32_760.0, -1.0 / 132.0, 1.0 / 240.0, -1.0 / 252.0, 1.0 / 120.0, -1.0 / 12.0];

/// ln Γ of what is at least ½: Stirling's series at x + 7, less the logarithm of what lies between.
fn log_gamma(x: &Tensor) -> Result<Tensor> {
    // The product of large values would overflow; there the series needs no help.
    let near = x.lt(32.0)?;
    let small = at_most(x, 32.0)?;
    let mut between = small.clone();
    for k in 1..7 {
        between = between.mul(small.add(f64::from(k))?)?;
    }
    let y = near.where_(&x.add(7.0)?, x)?;
    let inverse = y.reciprocal()?;
    let tail = series(&inverse.square()?, STIRLING)?.mul(&inverse)?;
    let stirling = y.sub(0.5)?.mul(y.log()?)?.sub(&y)?.add((2.0 * PI).sqrt().ln())?.add(tail)?;
    near.where_(&stirling.sub(between.log()?)?, &stirling)
}

/// ψ′(x), below ½ by reflection as torch takes it: its sine of a multiple of π is not 0 at the poles but at 0.
fn trigamma(x: &Tensor) -> Result<Tensor> {
    let left = x.lt(0.5)?;
    let y = left.where_(&x.neg()?.add(1.0)?, x)?;
    let right = y.eq(f64::INFINITY)?.where_(&constant(x, 0.0)?, &hurwitz(&constant(x, 2.0)?, &y)?)?;
    let mirrored = x.mul(PI)?.sin()?.square()?.reciprocal()?.mul(PI * PI)?;
    left.where_(&mirrored.sub(&right)?, &right)
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
    // s · (s + 1) ⋯ over powers of the end, factor by factor: a large s would overflow where the power is 0.
    power = power.div(&end)?.mul(s)?;
    for (k, &c) in EULER_MACLAURIN.iter().enumerate() {
        sum = sum.add(power.mul(c)?)?;
        let next = 2.0 * k as f64;
        power = power.mul(s.add(next + 1.0)?.div(&end)?)?.mul(s.add(next + 2.0)?.div(&end)?)?;
    }
    Ok(sum)
}

/// From which a on the integral is taken point by point.
const LARGE: f64 = 32.0;

/// How many terms of the series are taken: the last one is 10⁻¹⁴ of the first at the largest a that it serves.
const TERMS: usize = 64;

/// Values along an axis of their own, behind all others.
fn across(values: impl Iterator<Item = f64>) -> Tensor {
    Tensor::from(values.collect::<Vec<f64>>().as_slice())
}

/// The sum over the last axis, each term with its weight.
fn weighed(terms: &Tensor, rule: &[(f64, f64)]) -> Result<Tensor> {
    terms.mul(across(rule.iter().map(|point| point.1)))?.sum(-1, false)
}

/// The rule of Gauss and Legendre on 0 to 1: positions and weights, from the roots of the polynomial by Newton's method.
fn legendre_rule(count: usize) -> Vec<(f64, f64)> {
    let n = count as f64;
    let point = |i: usize| {
        let (mut x, mut slope) = ((PI * (i as f64 + 0.75) / (n + 0.5)).cos(), 1.0);
        for _ in 0..8 {
            let (mut before, mut last) = (1.0, x);
            for k in 2..=count {
                let k = k as f64;
                (before, last) = (last, ((2.0 * k - 1.0) * x * last - (k - 1.0) * before) / k);
            }
            slope = n * (x * last - before) / (x * x - 1.0);
            x -= last / slope;
        }
        ((1.0 - x) / 2.0, 1.0 / ((1.0 - x * x) * slope * slope))
    };
    (0..count).map(point).collect()
}

/// The double exponential rule on 0 to ∞ for what is weighed by e⁻ᵛ: v = exp(t − e⁻ᵗ) at equal distances of t. The integrand may have a singularity
/// below 0, as near as it is.
fn exponential_rule(count: usize) -> Vec<(f64, f64)> {
    let (low, high) = (-3.55, 4.4);
    let step = (high - low) / (count - 1) as f64;
    let point = |i: usize| {
        let t: f64 = low + step * i as f64;
        let v = (t - (-t).exp()).exp();
        (v, step * (1.0 + (-t).exp()) * v * (-v).exp())
    };
    (0..count).map(point).collect()
}

/// ln(1 + u) − u, which is small where u is.
fn log1p_less(u: &Tensor) -> Result<Tensor> {
    const NEAR: f64 = 0.15;
    let coefficients: Vec<f64> = (2..22).rev().map(|k| if k % 2 == 0 { -1.0 / f64::from(k) } else { 1.0 / f64::from(k) }).collect();
    let inner = at_least(&at_most(u, NEAR)?, -NEAR)?;
    let small = series(&inner, &coefficients)?.mul(inner.square()?)?;
    u.abs()?.lt(NEAR)?.where_(&small, &u.add(1.0)?.log()?.sub(u)?)
}

/// Both parts of Γ(a), cut at x: of the small one an integral or a series, of the other what is missing from 1.
fn parts(a: &Tensor, x: &Tensor) -> Result<(Tensor, Tensor)> {
    let dtype = a.promoted(x)?.0.dtype().or_float();
    let shape = size::broadcast(a.shape(), x.shape())?;
    let wide = |t: &Tensor| t.cast(DType::F64)?.expand(&shape);
    let (a, x) = (wide(a)?, wide(x)?);
    // What stands outside these bounds is set by hand at the end.
    let inside = |t: &Tensor| t.clamp(Some(Scalar::Float(1e-300)), Some(Scalar::Float(1e300)));
    let (inner_a, inner_x) = (inside(&a)?, inside(&x)?);
    let (few, few_below) = near(&at_most(&inner_a, LARGE)?, &inner_x)?;
    let (many, many_below) = far(&at_least(&inner_a, LARGE)?, &inner_x)?;
    let large = a.ge(LARGE)?;
    let (part, below) = (large.where_(&many, &few)?, large.where_(&many_below, &few_below)?);
    let rest = part.neg()?.add(1.0)?;
    // No a, or an x without end: all of it lies below. No x, or an a without end: nothing does. Both at once is no number.
    let (all, none) = (a.eq(0.0)?.logical_or(x.is_inf()?)?, x.eq(0.0)?.logical_or(a.is_inf()?)?);
    // What one argument decides alone, it decides also where the other is no number.
    let unknown_x = x.is_nan()?.logical_and(a.is_inf()?.logical_not()?)?;
    let unknown_a = a.is_nan()?.logical_and(x.eq(0.0)?.logical_or(x.is_inf()?)?.logical_not()?)?;
    let lost = [x.lt(0.0)?, a.lt(0.0)?, unknown_x, unknown_a];
    let lost = lost.iter().try_fold(all.logical_and(&none)?, |lost, more| lost.logical_or(more))?;
    let (zero, one, nan) = (constant(&a, 0.0)?, constant(&a, 1.0)?, constant(&a, f64::NAN)?);
    let whole = |y: &Tensor, full: &Tensor, empty: &Tensor| lost.where_(&nan, &none.where_(empty, &all.where_(full, y)?)?)?.cast(dtype);
    Ok((whole(&below.where_(&part, &rest)?, &one, &zero)?, whole(&below.where_(&rest, &part)?, &zero, &one)?))
}

/// The smaller part at small a, and whether it is the one below x.
///
/// Below a + 1 it is xᵃ e⁻ˣ / Γ(a + 1) times 1 + x/(a + 1) + x²/(a + 1)(a + 2) + …; beyond, the same over x times a ∫ e⁻ᵛ (1 + v/x)ᵃ⁻¹ dv.
fn near(a: &Tensor, x: &Tensor) -> Result<(Tensor, Tensor)> {
    let front = a.mul(x.log()?)?.sub(x)?.sub(a.add(1.0)?.lgamma()?)?.exp()?;
    let (wide_a, wide_x) = (a.unsqueeze(-1)?, x.unsqueeze(-1)?);
    let below = x.lt(a.add(1.0)?)?;
    let steps = at_most(x, LARGE + 1.0)?.unsqueeze(-1)?.div(wide_a.add(across((1..=TERMS).map(|n| n as f64)))?)?.log()?;
    let series = steps.cumsum(-1)?.exp()?.sum(-1, false)?.add(1.0)?;
    let rule = exponential_rule(64);
    let positions = across(rule.iter().map(|point| point.0));
    let terms = positions.div(at_least(&wide_x, 1.0)?)?.add(1.0)?.log()?.mul(wide_a.sub(1.0)?)?.exp()?;
    let tail = weighed(&terms, &rule)?.mul(a)?.div(x)?;
    Ok((front.mul(below.where_(&series, &tail)?)?, below))
}

/// The smaller part at large a, and whether it is the one below x: an integral from x to where nothing is left of tᵃ⁻¹ e⁻ᵗ, whose peak is at
/// m = a − 1, over what Stirling's series says of Γ(a).
fn far(a: &Tensor, x: &Tensor) -> Result<(Tensor, Tensor)> {
    let peak = a.sub(1.0)?;
    let width = peak.sqrt()?;
    let below = x.le(&peak)?;
    let left = at_least(&peak.sub(width.mul(9.0)?)?.minimum(x.sub(width.mul(6.0)?)?)?, 0.0)?;
    let right = peak.add(width.mul(14.0)?)?.maximum(x.add(width.mul(8.0)?)?)?;
    let way = below.where_(&left, &right)?.sub(x)?;
    let rule = legendre_rule(80);
    let steps = way.unsqueeze(-1)?.mul(across(rule.iter().map(|point| point.0)))?;
    let from_peak = steps.add(x.sub(&peak)?.unsqueeze(-1)?)?.div(peak.unsqueeze(-1)?)?;
    let heights = log1p_less(&from_peak)?.mul(peak.unsqueeze(-1)?)?.exp()?;
    let inverse = peak.reciprocal()?;
    let correction = series(&inverse.square()?, &[1.0 / 1680.0, -1.0 / 1260.0, 1.0 / 360.0, -1.0 / 12.0])?.mul(&inverse)?.exp()?;
    let height = correction.div(peak.mul(2.0 * PI)?.sqrt()?)?;
    Ok((weighed(&heights, &rule)?.mul(way.abs()?)?.mul(height)?, below))
}

/// ζ(s, q) of negative q and whole s. The sum over all integers has the period 1, and what lies to the left of q is what lies to the right of
/// 1 − q.
fn left_of_zero(s: &Tensor, q: &Tensor) -> Result<Tensor> {
    let even = s.remainder(2.0)?.eq(0.0)?;
    let sign = even.where_(&constant(s, 1.0)?, &constant(s, -1.0)?)?;
    let fraction = at_most(&at_least(&q.sub(q.floor()?)?, 1e-6)?, 1.0 - 1e-6)?;
    let mirrored = |q: &Tensor| sign.mul(hurwitz(s, &at_least(&q.neg()?.add(1.0)?, 1e-6)?)?);
    let y = hurwitz(s, &fraction)?.add(mirrored(&fraction)?)?.sub(mirrored(q)?)?;
    let y = s.eq(s.floor()?)?.where_(&y, &constant(q, f64::NAN)?)?;
    q.eq(q.floor()?)?.where_(&constant(q, f64::INFINITY)?, &y)
}

#[cfg(test)]
mod tests {
    use super::super::special::tests::agree;
    use super::*;

    #[test]
    fn gamma_functions_are_mpmaths() {
        agree(&[
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
        ]);
    }

    #[test]
    fn zeta_of_negative_arguments_is_the_sum() {
        // mpmath.zeta(2, -1.5); 1/1.5² + 1/0.5² + ζ(2, ½).
        let y = Tensor::from(&[2.0f32]).zeta(&Tensor::from(&[-1.5f32])).unwrap().to_vec::<f32>().unwrap()[0];
        assert!((y - 9.379_246).abs() < 1e-4, "{y}");
        assert_eq!(Tensor::from(&[1.0f32]).zeta(&Tensor::from(&[2.0f32])).unwrap().to_vec::<f32>().unwrap()[0], f32::INFINITY);
    }

    #[test]
    fn incomplete_gamma_functions_are_mpmaths() {
        // mpmath.gammainc(a, 0, x, regularized=True), and of x to infinity.
        for (a, x, below, above) in [
            (0.001, 0.5, 0.9994399333435292, 0.0005600666564707498),
            (0.001, 1.5, 0.999899847040343, 0.00010015295965701439),
            (0.5, 0.25, 0.5204998778130465, 0.4795001221869535),
            (0.5, 30.0, 0.9999999999999906, 9.485737571073848e-15),
            (1.0, 1.0, 0.6321205588285577, 0.36787944117144233),
            (3.5, 4.75, 0.7812781488768428, 0.2187218511231572),
            (12.0, 2.0, 1.3646151596151952e-06, 0.9999986353848404),
            (12.0, 60.0, 0.9999999999999903, 9.702880449662407e-15),
            (31.5, 40.0, 0.9271045106753774, 0.07289548932462268),
            (33.0, 20.0, 0.004727425538530636, 0.9952725744614693),
            (33.0, 60.0, 0.9999452153818948, 5.4784618105141454e-05),
            (50.0, 50.0, 0.5188083154720433, 0.48119168452795674),
            (250.0, 300.0, 0.9986225281224718, 0.001377471877528202),
            (333.0, 120.0, 2.6956143640188085e-57, 1.0),
            (10000.0, 9900.0, 0.15865119219356466, 0.8413488078064354),
            (1e6, 1.002e6, 0.9771959041012301, 0.022804095898769864),
        ] {
            let (part, rest) = parts(&Tensor::from(&[a]), &Tensor::from(&[x])).unwrap();
            let of = |part: Tensor| part.to_vec::<f64>().unwrap()[0];
            for (got, expected) in [(of(part), below), (of(rest), above)] {
                // What is missing from 1 has its absolute error.
                let limit = 2e-13 * expected + if expected > 1e-5 { 2e-15 } else { 0.0 };
                assert!((got - expected).abs() <= limit, "{a} {x}: {got}, expected {expected}");
            }
        }
    }

    #[test]
    fn incomplete_gamma_functions_end_as_torchs() {
        const INFINITY: f32 = f32::INFINITY;
        let (a, x) = ([0.0, 0.0, 2.0, INFINITY, INFINITY, 2.0, -1.0, 2.0], [1.0, 0.0, 0.0, 1.0, INFINITY, INFINITY, 1.0, -1.0]);
        let got = Tensor::from(&a).gammainc(&Tensor::from(&x)).unwrap().to_vec::<f32>().unwrap();
        let expected = [1.0, f32::NAN, 0.0, 0.0, f32::NAN, 1.0, f32::NAN, f32::NAN];
        for (got, expected) in got.iter().zip(expected) {
            assert!(*got == expected || (got.is_nan() && expected.is_nan()), "{got}, expected {expected}");
        }
    }
}
