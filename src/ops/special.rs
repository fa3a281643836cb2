//! Special functions as composites. Those of polynomials that were fitted to them have one of a higher degree for f64.

use super::coefficients::{ERFINV_CENTRE, ERFINV_TAIL};
use crate::array::{DType, Scalar};
use crate::error::Result;
use crate::tensor::Tensor;
use std::f64::consts::{FRAC_1_SQRT_2, LN_2, PI, SQRT_2};

/// c₀uⁿ + c₁uⁿ⁻¹ + … + cₙ.
pub(super) fn series(u: &Tensor, coefficients: &[f64]) -> Result<Tensor> {
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
    Tensor::full((), number, x.dtype())
}

/// The odd function that has this value at |x|.
pub(super) fn odd(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    x.lt(0.0)?.where_(&y.neg()?, y)
}

/// `y` for positive values, `at_zero` for 0 and NaN for negative ones.
pub(super) fn positive(x: &Tensor, y: &Tensor, at_zero: f64) -> Result<Tensor> {
    let edge = x.eq(0.0)?.where_(&constant(x, at_zero)?, &constant(x, f64::NAN)?)?;
    x.gt(0.0)?.where_(y, &edge)
}

/// The function, NaN where its argument is: comparisons lose that.
pub(super) fn with_nan(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    x.is_nan()?.where_(x, y)
}

/// A function fitted on −1 to 1: to single precision by powers from the highest down, to double precision by Chebyshev polynomials.
#[derive(Clone, Copy)]
pub(super) struct Fit {
    pub(super) single: &'static [f64],
    pub(super) double: &'static [f64],
}

/// The fit of this name in both precisions.
macro_rules! fit {
    ($name:ident) => {
        $crate::ops::special::Fit { single: $crate::ops::coefficients::$name, double: $crate::ops::double_coefficients::$name }
    };
}
pub(super) use fit;

impl Fit {
    /// The function at u, to the precision of its dtype.
    pub(super) fn at(self, u: &Tensor) -> Result<Tensor> {
        if u.dtype() != DType::F64 {
            return series(u, self.single);
        }
        // Clenshaw's recurrence.
        let twice = u.mul(2.0)?;
        let (mut last, mut sum) = (constant(u, 0.0)?, constant(u, 0.0)?);
        for &c in self.double.iter().skip(1).rev() {
            let next = twice.mul(&sum)?.sub(&last)?.add(c)?;
            last = std::mem::replace(&mut sum, next);
        }
        u.mul(&sum)?.sub(&last)?.add(self.double.first().copied().unwrap_or(0.0))
    }
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
                    if matches!(self.dtype(), $crate::array::DType::F16 | $crate::array::DType::BF16) {
                        // What stands between leaves the range of halves.
                        return self.cast($crate::array::DType::F32)?.$name($($argument),*)?.cast(self.dtype());
                    }
                    let $x = &self.cast(self.dtype().or_float())?;
                    $body
                }
            )*
        }
    };
}

pub(super) use functions;

functions! {
    /// sin πx / πx, 1 at 0. [torch.sinc](https://pytorch.org/docs/stable/generated/torch.sinc.html)
    sinc(x) { x.mul(PI)?.spherical_bessel_j0() }

    /// eˣ² erfc x, which does not vanish. [torch.special.erfcx](https://pytorch.org/docs/stable/special.html#torch.special.erfcx)
    erfcx(x) {
        let z = x.abs()?;
        let right = fit!(ERFCX).at(&z.sub(2.0)?.div(z.add(2.0)?)?)?.div(z.mul(2.0)?.add(1.0)?)?;
        let right = z.eq(f64::INFINITY)?.where_(&constant(x, 0.0)?, &right)?;
        x.lt(0.0)?.where_(&exp_square(&z, false)?.mul(2.0)?.sub(&right)?, &right)
    }

    /// 1 − erf x without cancellation. [torch.special.erfc](https://pytorch.org/docs/stable/special.html#torch.special.erfc)
    erfc(x) {
        let tail = x.erfcx()?.mul(exp_square(x, true)?)?;
        x.gt(0.5)?.where_(&tail, &x.erf()?.neg()?.add(1.0)?)
    }

    /// The inverse of erf: ±∞ at ±1, NaN beyond. [torch.special.erfinv](https://pytorch.org/docs/stable/special.html#torch.special.erfinv)
    erfinv(x) {
        let product = x.neg()?.add(1.0)?.mul(x.add(1.0)?)?;
        let y = refined(x, &quantile(x, &product)?, &x.abs()?.neg()?.add(1.0)?)?;
        x.abs()?.eq(1.0)?.where_(&x.mul(f64::INFINITY)?, &y)
    }

    /// Φ, the distribution function of the normal distribution. [torch.special.ndtr](https://pytorch.org/docs/stable/special.html#torch.special.ndtr)
    ndtr(x) {
        x.mul(-FRAC_1_SQRT_2)?.erfc()?.mul(0.5)
    }

    /// ln Φ, right in the tail too. [torch.special.log_ndtr](https://pytorch.org/docs/stable/special.html#torch.special.log_ndtr)
    log_ndtr(x) {
        let y = x.mul(-FRAC_1_SQRT_2)?;
        let left = y.erfcx()?.mul(0.5)?.log()?.sub(y.square()?)?;
        let right = y.neg()?.erfc()?.mul(-0.5)?.log1p()?;
        x.lt(-1.0)?.where_(&left, &right)
    }

    /// The inverse of Φ: ∓∞ at 0 and 1, NaN outside. [torch.special.ndtri](https://pytorch.org/docs/stable/special.html#torch.special.ndtri)
    ndtri(x) {
        let (centred, product) = (x.mul(2.0)?.sub(1.0)?, x.neg()?.add(1.0)?.mul(x)?.mul(4.0)?);
        let edge = x.eq(0.0)?.logical_or(x.eq(1.0)?)?;
        let nearest = x.lt(0.5)?.where_(x, &x.neg()?.add(1.0)?)?;
        let y = refined(&centred, &quantile(&centred, &product)?, &nearest.mul(2.0)?)?;
        edge.where_(&centred.mul(f64::INFINITY)?, &y.mul(SQRT_2)?)
    }

    /// −x ln x: 0 at 0, −∞ below. [torch.special.entr](https://pytorch.org/docs/stable/special.html#torch.special.entr)
    entr(x) {
        let edge = x.eq(0.0)?.where_(&constant(x, 0.0)?, &constant(x, f64::NEG_INFINITY)?)?;
        with_nan(x, &x.gt(0.0)?.where_(&x.mul(x.log()?)?.neg()?, &edge)?)
    }

    /// eˣ − 1 without cancellation. [torch.special.expm1](https://pytorch.org/docs/stable/special.html#torch.special.expm1)
    expm1(x) {
        let half = at_most(&at_least(x, -1.0)?, 1.0)?.div(2.0)?.tanh()?;
        let near = half.mul(2.0)?.div(half.neg()?.add(1.0)?)?;
        x.abs()?.lt(1.0)?.where_(&near, &x.exp()?.sub(1.0)?)
    }

    /// ln(1 + x) without cancellation. [torch.special.log1p](https://pytorch.org/docs/stable/special.html#torch.special.log1p)
    log1p(x) {
        // What rounding takes from 1 + x it takes from (1 + x) − 1 as well: Kahan's quotient gives it back.
        let sum = x.add(1.0)?;
        let rounded = sum.sub(1.0)?;
        let small = rounded.eq(0.0)?.where_(x, &sum.log()?.mul(x.div(&rounded)?)?)?;
        x.abs()?.lt(1.0)?.where_(&small, &sum.log()?)
    }

    /// ln(x/(1 − x)), of x kept between epsilon and 1 − epsilon. [torch.special.logit](https://pytorch.org/docs/stable/special.html#torch.special.logit)
    logit(x, epsilon: Option<f64>) {
        let x = match epsilon {
            Some(epsilon) => x.lt(epsilon)?.where_(&constant(x, epsilon)?, &at_most(x, 1.0 - epsilon)?)?,
            None => x.clone(),
        };
        x.div(x.neg()?.add(1.0)?)?.log()
    }

    /// 2ˣ. [torch.special.exp2](https://pytorch.org/docs/stable/special.html#torch.special.exp2)
    exp2(x) { x.mul(LN_2)?.exp() }
}

/// e^(x²), or e^(−x²), of which double precision takes the square in two parts: that of some leading digits is exact.
fn exp_square(x: &Tensor, negative: bool) -> Result<Tensor> {
    let signed = |square: Tensor| if negative { square.neg() } else { Ok(square) };
    if x.dtype() != DType::F64 {
        return signed(x.square()?)?.exp();
    }
    // Beyond 32 the power is infinite, or 0.
    let x = at_most(&x.abs()?, 32.0)?;
    let leading = x.mul(16.0)?.floor()?.div(16.0)?;
    let rest = x.sub(&leading)?.mul(x.add(&leading)?)?;
    signed(leading.square()?)?.exp()?.mul(signed(rest)?.exp()?)
}

/// The inverse y of erf at x, in double precision by Newton's steps from a first approximation; `tail` is 1 − |x|.
fn refined(x: &Tensor, first: &Tensor, tail: &Tensor) -> Result<Tensor> {
    if x.dtype() != DType::F64 {
        return Ok(first.clone());
    }
    let half_root = PI.sqrt() / 2.0;
    // Near the middle from erf y = x, one step of the single approximation.
    let centre = at_least(&at_most(first, 1.0)?, -1.0)?;
    let slope = exp_square(&centre, false)?.mul(half_root)?;
    let centre = centre.sub(centre.erf()?.sub(x)?.mul(slope)?)?;
    // Near the ends from ln erfc |y| = ln (1 − |x|), with Winitzki's approximation to begin with.
    let log = tail.log()?;
    let width = log.add(x.abs()?.log1p()?)?;
    let middle = width.div(2.0)?.add(2.0 / (PI * WINITZKI))?;
    let mut y = middle.square()?.sub(width.div(WINITZKI)?)?.sqrt()?.sub(middle)?.sqrt()?;
    for _ in 0..4 {
        let scaled = y.erfcx()?;
        let miss = scaled.log()?.sub(y.square()?)?.sub(&log)?;
        y = y.add(miss.mul(scaled)?.mul(half_root)?)?;
    }
    with_nan(first, &x.abs()?.lt(0.5)?.where_(&centre, &odd(x, &y)?)?)
}

/// Winitzki's constant in erf x ≈ √(1 − exp(−x² (4/π + ax²)/(1 + ax²))).
const WINITZKI: f64 = 0.147;

/// √½ times the quantile of the normal distribution at p, of x = 2p − 1 and of 1 − x².
fn quantile(x: &Tensor, product: &Tensor) -> Result<Tensor> {
    let w = product.log()?.neg()?;
    let centre = series(&at_most(&w, 5.0)?.sub(2.5)?, ERFINV_CENTRE)?;
    let tail = series(&at_least(&w, 5.0)?.sqrt()?.sub(3.0)?, ERFINV_TAIL)?;
    with_nan(&w, &w.lt(5.0)?.where_(&centre, &tail)?)?.mul(x)
}

/// Two operands in the float dtype that they have together.
fn floats_of(x: &Tensor, y: &Tensor) -> Result<(Tensor, Tensor)> {
    let dtype = DType::result(&[(x.dtype(), x.strength()), (y.dtype(), y.strength())])?.or_float();
    Ok((x.cast(dtype)?, y.cast(dtype)?))
}

fn times_log(x: &Tensor, y: &Tensor, log: &Tensor) -> Result<Tensor> {
    let product = x.mul(log)?;
    let zero = x.eq(0)?.logical_and(y.is_nan()?.logical_not()?)?;
    zero.where_(&constant(&product, 0.0)?, &product)
}

impl Tensor {
    /// x ln y, 0 where x is 0. [torch.special.xlogy](https://pytorch.org/docs/stable/special.html#torch.special.xlogy)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the shapes do not broadcast.
    #[track_caller]
    pub fn xlogy(&self, y: &Tensor) -> Result<Tensor> {
        let (x, y) = floats_of(self, y)?;
        times_log(&x, &y, &y.log()?)
    }

    /// x ln(1 + y), 0 where x is 0. [torch.special.xlog1py](https://pytorch.org/docs/stable/special.html#torch.special.xlog1py)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the shapes do not broadcast.
    #[track_caller]
    pub fn xlog1py(&self, y: &Tensor) -> Result<Tensor> {
        let (x, y) = floats_of(self, y)?;
        times_log(&x, &y, &y.log1p()?)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A function, and its values at some points.
    pub(in crate::ops) type Case = (&'static str, fn(&Tensor) -> Result<Tensor>, &'static [(f64, f64)]);

    /// Holds functions of f32 against values from mpmath.
    pub(in crate::ops) fn agree(cases: &[Case]) {
        for (name, function, points) in cases {
            for &(x, expected) in *points {
                let got = f64::from(function(&Tensor::from(&[x as f32])).unwrap().to_vec::<f32>().unwrap()[0]);
                let close = (got - expected).abs() <= 2e-6 + 3e-5 * expected.abs();
                assert!(close || got == expected || (got.is_nan() && expected.is_nan()), "{name}({x}) is {got}, expected {expected}");
            }
        }
    }

    #[test]
    fn special_functions_are_mpmaths() {
        agree(&[
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
            ("erfinv", Tensor::erfinv, &[(1.0, f64::INFINITY), (-1.0, f64::NEG_INFINITY), (2.0, f64::NAN)]),
        ]);
    }

    /// What is right to double precision: values from mpmath to 18 digits.
    #[test]
    #[allow(clippy::excessive_precision)]
    fn double_precision_is_right() {
        let exact: &[Case] = &[
            (
                "lgamma",
                Tensor::lgamma,
                &[
                    (-9.5, -12.7958953335543635),
                    (-2.5, -0.0562437164976740507),
                    (0.0078125, 4.84757077588166487),
                    (0.375, 0.863073982270647462),
                    (0.875, 0.0858587072253343235),
                    (1.25, -0.0982718364218131615),
                    (2.5, 0.28468287047291916),
                    (7.75, 8.02545839631598387),
                    (31.5, 76.3711978677827743),
                    (100.0, 359.134205369575399),
                    (1e6, 12815504.5691476117),
                ],
            ),
            (
                "digamma",
                Tensor::digamma,
                &[
                    (-9.5, 2.30300103429768638),
                    (-2.25, 4.15858356465797227),
                    (0.0078125, -128.564437472976728),
                    (0.375, -2.75399904914513958),
                    (1.25, -0.227453533376265408),
                    (2.5, 0.703156640645243187),
                    (7.75, 1.9817915626943456),
                    (31.5, 3.43403055420756272),
                    (1e6, 13.8155100579641908),
                ],
            ),
            ("trigamma", |x| x.polygamma(1), &[(0.375, 8.16177763276150785)]),
            ("tetragamma", |x| x.polygamma(2), &[(2.5, -0.236204051641727403)]),
            ("zeta of 1.5", |x| Tensor::from(&[1.5f64]).zeta(x), &[(1.0, 2.61237534868548834)]),
            ("zeta of 10", |x| Tensor::from(&[10.0f64]).zeta(x), &[(0.375, 18183.9536512169576)]),
            ("zeta of 2", |x| Tensor::from(&[2.0f64]).zeta(x), &[(200.0, 0.00501252083322916853)]),
            (
                "erf",
                Tensor::erf,
                &[
                    (-2.5, -0.999593047982555041),
                    (-0.625, -0.623240882188417972),
                    (1e-9, 1.12837916709551264e-9),
                    (0.375, 0.404116909434822298),
                    (0.875, 0.784075061059859658),
                    (1.75, 0.986671671219182444),
                    (5.5, 0.999999999999992642),
                ],
            ),
            (
                "expm1",
                Tensor::expm1,
                &[
                    (-5.0, -0.993262053000914533),
                    (-1.0, -0.632120558828557678),
                    (-0.0009765625, -0.000976085818024337765),
                    (0.5, 0.648721270700128147),
                    (1.0, 1.71828182845904524),
                    (30.0, 10686474581523.4621),
                ],
            ),
            (
                "log1p",
                Tensor::log1p,
                &[
                    (-0.875, -2.07944154167983593),
                    (-0.0009765625, -0.000977039647826612786),
                    (0.5, 0.405465108108164382),
                    (100.0, 4.61512051684125945),
                ],
            ),
            ("sinc", Tensor::sinc, &[(-2.5, 0.127323954473516269), (0.375, 0.784213303576537122), (7.75, -0.0290424618115195506)]),
            ("entr", Tensor::entr, &[(0.0009765625, 0.00676901543515571591), (2.5, -2.29072682968538766)]),
            ("exp2", Tensor::exp2, &[(-30.5, 6.58544507982719247e-10), (0.625, 1.54221082540794082), (12.5, 5792.61875148019732)]),
            ("logit", |x| x.logit(None), &[(0.0009765625, -6.93049476595162648), (0.75, 1.09861228866810969)]),
            ("gelu", |x| x.gelu(false), &[(-2.5, -0.0155241633144403379), (1.75, 1.67989647548832009)]),
        ];
        for (name, function, points) in exact {
            for &(x, expected) in *points {
                let got = function(&Tensor::from(&[x])).unwrap().to_vec::<f64>().unwrap()[0];
                assert!((got - expected).abs() <= 1e-14 + 4e-14 * expected.abs(), "{name}({x}) is {got}, expected {expected}");
            }
        }
        let edges: &[(&str, fn(&Tensor) -> Result<Tensor>, f64, f64)] = &[
            ("erfinv", Tensor::erfinv, 1.0, f64::INFINITY),
            ("erfinv", Tensor::erfinv, 0.0, 0.0),
            ("erfinv", Tensor::erfinv, 1.5, f64::NAN),
            ("erfc", Tensor::erfc, f64::INFINITY, 0.0),
            ("erfc", Tensor::erfc, f64::NEG_INFINITY, 2.0),
            ("erfc", Tensor::erfc, f64::NAN, f64::NAN),
            ("ndtri", Tensor::ndtri, 0.0, f64::NEG_INFINITY),
        ];
        for &(name, function, x, expected) in edges {
            let got = function(&Tensor::from(&[x])).unwrap().to_vec::<f64>().unwrap()[0];
            assert!(got == expected || got.is_nan() && expected.is_nan(), "{name}({x}) is {got}, expected {expected}");
        }
    }

    /// As above, of what is fitted.
    #[test]
    #[allow(clippy::excessive_precision)]
    fn fitted_functions_are_right_to_double_precision() {
        let fitted: &[Case] = &[
            (
                "erfc",
                Tensor::erfc,
                &[
                    (-1.5, 1.96610514647531073),
                    (0.25, 0.723673609831763067),
                    (3.5, 7.43098372341412746e-7),
                    (12.5, 6.23194278197991101e-70),
                    (26.0, 5.66319240885614285e-296),
                ],
            ),
            (
                "erfcx",
                Tensor::erfcx,
                &[
                    (-2.5, 1035.81484297262291),
                    (0.375, 0.685857233101292865),
                    (7.75, 0.0722071708146697605),
                    (1000000.0, 5.64189583547474192e-7),
                ],
            ),
            (
                "erfinv",
                Tensor::erfinv,
                &[
                    (-0.96875, -1.52301940199695611),
                    (0.25, 0.225312055012178105),
                    (0.5, 0.476936276204469873),
                    (0.9999999999990905, 5.05125408524938997),
                ],
            ),
            ("ndtr", Tensor::ndtr, &[(-9.5, 1.04945150753626075e-21), (0.375, 0.646169766672723794)]),
            ("log_ndtr", Tensor::log_ndtr, &[(-12.5, -81.5759678707438832), (4.5, -3.39767889683446614e-6)]),
            (
                "ndtri",
                Tensor::ndtri,
                &[(8.673617379884035e-19, -8.77332116902755168), (0.125, -1.15034938037600818), (0.96875, 1.86273186742165146)],
            ),
            ("i0", Tensor::i0, &[(0.5, 1.06348337074132352), (7.75, 338.513753747275945), (25.0, 5774560606.46631032)]),
            ("i0e", Tensor::i0e, &[(-30.0, 0.0731459464822372939)]),
            ("i1", Tensor::i1, &[(-7.5, -249.584365422688136), (25.0, 5657865129.87870135)]),
            ("i1e", Tensor::i1e, &[(8.5, 0.130549355094595855)]),
            ("bessel_j0", Tensor::bessel_j0, &[(5.5, -0.00684386941781919682), (100.25, 0.0384273024815013347)]),
            ("bessel_j1", Tensor::bessel_j1, &[(5.5, -0.34143821542904335), (-7.0, 0.0046828234823458327)]),
            ("bessel_y0", Tensor::bessel_y0, &[(0.25, -0.931573024930058687), (30.0, -0.117295731686664025)]),
            ("bessel_y1", Tensor::bessel_y1, &[(5.5, -0.0237582389563896183)]),
            ("k0", Tensor::k0, &[(0.125, 2.20786908674497006), (6.0, 0.00124399432801312309)]),
            ("k1", Tensor::k1, &[(0.125, 7.83111829911575116), (6.0, 0.00134391971773550901)]),
            (
                "airy_ai",
                Tensor::airy_ai,
                &[
                    (-12.5, -0.276274561381160248),
                    (-2.0, 0.227407428201685576),
                    (1.5, 0.0717494970081054097),
                    (7.0, 7.49212886399716708e-7),
                ],
            ),
        ];
        for (name, function, points) in fitted {
            for &(x, expected) in *points {
                let got = function(&Tensor::from(&[x])).unwrap().to_vec::<f64>().unwrap()[0];
                assert!((got - expected).abs() <= 1e-13 * expected.abs(), "{name}({x}) is {got}, expected {expected}");
            }
        }
    }
}
