//! Special functions as composites. Those of polynomials that were fitted to them are right to single precision, and refuse f64.

use super::coefficients::{ERFCX, ERFINV_CENTRE, ERFINV_TAIL};
use crate::array::{DType, Scalar};
use crate::error::{Error, Result};
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

/// The argument of a function that is right to single precision only.
pub(super) fn single_precision<'a>(name: &str, x: &'a Tensor) -> Result<&'a Tensor> {
    if x.dtype() != DType::F64 {
        return Ok(x);
    }
    Err(Error::dtype(format!("{name} is right to single precision only, got f64")).help("cast the argument to f32"))
}

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident($x:ident $(, $argument:ident: $ty:ty)*) $body:block)*) => {
        impl Tensor {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// [`DType`](crate::ErrorCode::DType) for f64 where the function is right to single precision only; where the tensor belongs to
                /// another trace.
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
        let x = single_precision("erfcx", x)?;
        let z = x.abs()?;
        let right = series(&z.sub(2.0)?.div(z.add(2.0)?)?, ERFCX)?.div(z.mul(2.0)?.add(1.0)?)?;
        let right = z.eq(f64::INFINITY)?.where_(&constant(x, 0.0)?, &right)?;
        x.lt(0.0)?.where_(&z.square()?.exp()?.mul(2.0)?.sub(&right)?, &right)
    }

    /// 1 − erf x without cancellation. [torch.special.erfc](https://pytorch.org/docs/stable/special.html#torch.special.erfc)
    erfc(x) {
        let x = single_precision("erfc", x)?;
        let tail = x.erfcx()?.mul(x.square()?.neg()?.exp()?)?;
        x.gt(0.5)?.where_(&tail, &x.erf()?.neg()?.add(1.0)?)
    }

    /// The inverse of erf: ±∞ at ±1, NaN beyond. [torch.special.erfinv](https://pytorch.org/docs/stable/special.html#torch.special.erfinv)
    erfinv(x) {
        let x = single_precision("erfinv", x)?;
        let product = x.neg()?.add(1.0)?.mul(x.add(1.0)?)?;
        x.abs()?.eq(1.0)?.where_(&x.mul(f64::INFINITY)?, &quantile(x, &product)?)
    }

    /// Φ, the distribution function of the normal distribution. [torch.special.ndtr](https://pytorch.org/docs/stable/special.html#torch.special.ndtr)
    ndtr(x) {
        let x = single_precision("ndtr", x)?;
        x.mul(-FRAC_1_SQRT_2)?.erfc()?.mul(0.5)
    }

    /// ln Φ, right in the tail too. [torch.special.log_ndtr](https://pytorch.org/docs/stable/special.html#torch.special.log_ndtr)
    log_ndtr(x) {
        let x = single_precision("log_ndtr", x)?;
        let y = x.mul(-FRAC_1_SQRT_2)?;
        let left = y.erfcx()?.mul(0.5)?.log()?.sub(y.square()?)?;
        let right = y.neg()?.erfc()?.mul(-0.5)?.log1p()?;
        x.lt(-1.0)?.where_(&left, &right)
    }

    /// The inverse of Φ: ∓∞ at 0 and 1, NaN outside. [torch.special.ndtri](https://pytorch.org/docs/stable/special.html#torch.special.ndtri)
    ndtri(x) {
        let x = single_precision("ndtri", x)?;
        let (centred, product) = (x.mul(2.0)?.sub(1.0)?, x.neg()?.add(1.0)?.mul(x)?.mul(4.0)?);
        let edge = x.eq(0.0)?.logical_or(x.eq(1.0)?)?;
        edge.where_(&centred.mul(f64::INFINITY)?, &quantile(&centred, &product)?.mul(SQRT_2)?)
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
    fn double_precision_is_right_or_refused() {
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
        let refused: &[(&str, fn(&Tensor) -> Result<Tensor>)] = &[
            ("bessel_j0", Tensor::bessel_j0),
            ("bessel_j1", Tensor::bessel_j1),
            ("bessel_y0", Tensor::bessel_y0),
            ("bessel_y1", Tensor::bessel_y1),
            ("i0", Tensor::i0),
            ("i0e", Tensor::i0e),
            ("i1", Tensor::i1),
            ("i1e", Tensor::i1e),
            ("k0", Tensor::k0),
            ("k0e", Tensor::k0e),
            ("k1", Tensor::k1),
            ("k1e", Tensor::k1e),
            ("airy_ai", Tensor::airy_ai),
            ("erfcx", Tensor::erfcx),
            ("erfc", Tensor::erfc),
            ("erfinv", Tensor::erfinv),
            ("ndtr", Tensor::ndtr),
            ("log_ndtr", Tensor::log_ndtr),
            ("ndtri", Tensor::ndtri),
        ];
        for (name, function) in refused {
            let error = function(&Tensor::from(&[0.5f64])).expect_err(name);
            assert!(error.code() == crate::ErrorCode::DType && error.message().starts_with(name), "{error}");
        }
    }
}
