//! The functions of a real number, written once for f32 and f64.

use super::fast_math_f32;
use super::number::Number;
use super::vector::SimdFloat;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub};

/// f32 and f64, the floats that are calculated with; halves are widened to f32 (see [`real`](super::elementwise::real)).
///
/// In code that is generic over `T: Real`, `x.exp()` is this trait's: for f32 it is written so that a loop over it becomes
/// vector instructions, and right to 2 units in the last place.
pub trait Real:
    Number<Wide = f64>
    + SimdFloat
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + MulAssign
{
    /// The nearest number of this type.
    fn of(x: f64) -> Self;
    /// Whether it is neither infinite nor NaN.
    fn is_finite(self) -> bool;
    /// e to this power.
    fn exp(self) -> Self;
    /// e to this power, which is not above 0; 0 where it would be below the normal values.
    fn exp_up_to_0(self) -> Self;
    /// e to this power, less 1: exact near 0.
    fn expm1(self) -> Self;
    /// The natural logarithm.
    fn ln(self) -> Self;
    /// ln(1 + x) for x from 0 to 1
    fn ln_1p_unit(self) -> Self;
    /// The hyperbolic tangent.
    fn tanh(self) -> Self;
    /// The inverse of the hyperbolic sine.
    fn asinh(self) -> Self;
    /// The inverse of the hyperbolic cosine.
    fn acosh(self) -> Self;
    /// The inverse of the hyperbolic tangent.
    fn atanh(self) -> Self;
    /// The error function.
    fn erf(self) -> Self;
    /// Φ: the distribution function of the normal distribution.
    fn phi(self) -> Self;
}

/// One row a function: its name, and what it is for f32 and for f64.
macro_rules! functions {
    ($($name:ident: $single:expr, $double:expr;)*) => {
        impl Real for f32 { functions! { @of f32 $($name $single;)* } }
        impl Real for f64 { functions! { @of f64 $($name $double;)* } }
    };
    (@of $T:ident $($name:ident $f:expr;)*) => {

        #[inline(always)]
        fn of(x: f64) -> $T { x as $T }
        #[inline]
        fn is_finite(self) -> bool { $T::is_finite(self) }
        $(#[inline(always)] fn $name(self) -> $T { let f: fn($T) -> $T = $f; f(self) })*
    };
}

functions! {
    exp: fast_math_f32::exp, f64::exp;
    exp_up_to_0: fast_math_f32::exp_up_to_0, f64::exp;
    expm1: f32::exp_m1, f64::exp_m1;
    ln: f32::ln, f64::ln;
    ln_1p_unit: fast_math_f32::ln_1p_unit, f64::ln_1p;
    tanh: fast_math_f32::tanh, f64::tanh;
    asinh: |x| libm::asinh(x.into()) as f32, libm::asinh;
    acosh: |x| acosh(x.into()) as f32, acosh;
    atanh: |x| libm::atanh(x.into()) as f32, libm::atanh;
    erf: fast_math_f32::erf, libm::erf;
    phi: fast_math_f32::phi, |x| 0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2);
}

/// libm's is wrong far below its domain.
fn acosh(x: f64) -> f64 {
    if x < 1.0 { f64::NAN } else { libm::acosh(x) }
}

/// 1 / (1 + e^−x), without overflow on either side.
#[inline(always)]
pub fn sigmoid<T: Real>(x: T) -> T {
    let small = (-x.abs()).exp();
    (if x < T::ZERO { small } else { T::ONE }) / (T::ONE + small)
}

/// ln(1 + e^x), without overflow and without losing the small side.
#[inline(always)]
pub fn softplus<T: Real>(x: T) -> T {
    // A comparison that NaN fails hands NaN on.
    (if x < T::ZERO { T::ZERO } else { x }) + (-x.abs()).exp().ln_1p_unit()
}

/// x · Φ(x), where Φ is the distribution function of the normal distribution.
#[inline(always)]
pub fn gelu<T: Real>(x: T) -> T {
    x * x.phi()
}

/// [`gelu`] with Φ by a hyperbolic tangent.
#[inline(always)]
pub fn gelu_tanh<T: Real>(x: T) -> T {
    let inner = (x + x * x * x * T::of(0.044715)) * T::of((2.0 / std::f64::consts::PI).sqrt());
    x * T::of(0.5) * (inner.tanh() + T::ONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sigmoid_and_softplus_are_stable_on_both_sides() {
        for x in [-1000.0f32, -90.0, -1.0, -0.0, 0.5, 20.0, 1000.0] {
            let wide = f64::from(x);
            let (s, p) = (1.0 / (1.0 + (-wide).exp()), wide.exp().ln_1p());
            assert!((f64::from(sigmoid(x)) - s).abs() <= 3e-7 * s + 1e-44, "{x}");
            assert!((f64::from(softplus(x)) - if x > 500.0 { wide } else { p }).abs() <= 3e-7 * p.min(1000.0) + 1e-44, "{x}");
        }
        assert!(sigmoid(f32::NAN).is_nan() && softplus(f64::NAN).is_nan());
    }

    #[test]
    fn inverse_hyperbolics_are_right_where_they_are_small() {
        let x = 1.0000001f32;
        assert!((Real::acosh(x) / 4.882_812_3e-4 - 1.0).abs() < 1e-6, "{}", Real::acosh(x));
        assert_eq!(Real::atanh(1e-20f32), 1e-20);
        assert!(Real::atanh(1f64).is_infinite() && Real::acosh(0.5f32).is_nan());
    }
}
