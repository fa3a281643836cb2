//! Arithmetic that every dtype but Bool has, as torch does it: integers wrap, floats follow IEEE 754, halves go through f32.

use crate::array::{Array, DType, Element};
use crate::error::Result;
use half::{bf16, f16};
use std::cmp::Ordering;

/// An element that can be calculated with.
pub trait Number: Element {
    /// What sums and products are accumulated in: f64 for floats; i64, wrapping, for integers.
    type Wide: Number<Wide = Self::Wide>;
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;

    /// The number in [`Number::Wide`].
    fn widen(self) -> Self::Wide;
    /// Rounded or wrapped from [`Number::Wide`].
    fn narrow(wide: Self::Wide) -> Self;
    /// The sum.
    fn add(self, other: Self) -> Self;
    /// The difference.
    fn sub(self, other: Self) -> Self;
    /// The product.
    fn mul(self, other: Self) -> Self;
    /// The quotient; of integers towards zero, and 0 where the divisor is 0.
    fn div(self, other: Self) -> Self;
    /// The remainder of the quotient rounded down, with the divisor's sign, as `torch.remainder`; of integers 0 where the divisor is 0.
    fn remainder(self, other: Self) -> Self;
    /// What division towards zero leaves, with the dividend's sign, as `torch.fmod`; of integers 0 where the divisor is 0.
    fn fmod(self, other: Self) -> Self;
    /// The power. Of integers it wraps, and a negative exponent gives the integer part: 0 unless the base is 1 or −1.
    fn pow(self, exponent: Self) -> Self;
    /// 0 − the number.
    fn neg(self) -> Self;

    /// The distance from 0; the lowest integer stays as it is.
    fn abs(self) -> Self {
        // A comparison would leave −0.0 as it is.
        if self.partial_cmp(&Self::ZERO) == Some(Ordering::Less) { self.neg() } else { self.add(Self::ZERO) }
    }

    /// −1, 0 or 1; 0 for NaN, as `torch.sign`.
    fn sign(self) -> Self {
        match self.partial_cmp(&Self::ZERO) {
            Some(Ordering::Less) => Self::ZERO.sub(Self::ONE),
            Some(Ordering::Greater) => Self::ONE,
            _ => Self::ZERO,
        }
    }
}

macro_rules! integers {
    ($($T:ty),*) => { $(impl Number for $T {
        type Wide = i64;
        const ZERO: $T = 0;
        const ONE: $T = 1;

        #[inline]
        fn widen(self) -> i64 { self as i64 }
        #[inline]
        fn narrow(wide: i64) -> $T { wide as $T }
        #[inline]
        fn add(self, other: $T) -> $T { self.wrapping_add(other) }
        #[inline]
        fn sub(self, other: $T) -> $T { self.wrapping_sub(other) }
        #[inline]
        fn mul(self, other: $T) -> $T { self.wrapping_mul(other) }
        #[inline]
        fn div(self, other: $T) -> $T { if other == 0 { 0 } else { self.wrapping_div(other) } }
        #[inline]
        fn remainder(self, other: $T) -> $T {
            let rest = self.fmod(other);
            let signs_differ = rest != 0 && rest.cmp(&0) != other.cmp(&0);
            if signs_differ { rest.wrapping_add(other) } else { rest }
        }
        #[inline]
        fn fmod(self, other: $T) -> $T { if other == 0 { 0 } else { self.wrapping_rem(other) } }
        #[inline]
        fn neg(self) -> $T { self.wrapping_neg() }
        fn pow(self, exponent: $T) -> $T {
            if exponent.cmp(&0) == Ordering::Less {
                return match self {
                    1 => 1,
                    // −1, which unsigned integers cannot meet here.
                    base if base.wrapping_add(1) == 0 => if exponent & 1 == 0 { 1 } else { base },
                    _ => 0,
                };
            }
            let (mut result, mut square, mut rest) = (1 as $T, self, exponent);
            while rest != 0 {
                if rest & 1 == 1 {
                    result = result.wrapping_mul(square);
                }
                square = square.wrapping_mul(square);
                rest >>= 1;
            }
            result
        }
    })* };
}

integers! { u8, i8, i16, i32, i64, u16, u32, u64 }

macro_rules! floats {
    ($($T:ty),*) => { $(impl Number for $T {
        type Wide = f64;
        const ZERO: $T = 0.0;
        const ONE: $T = 1.0;

        #[inline(always)]
        fn widen(self) -> f64 { self as f64 }
        #[inline(always)]
        fn narrow(wide: f64) -> $T { wide as $T }
        #[inline(always)]
        fn add(self, other: $T) -> $T { self + other }
        #[inline(always)]
        fn sub(self, other: $T) -> $T { self - other }
        #[inline(always)]
        fn mul(self, other: $T) -> $T { self * other }
        #[inline(always)]
        fn div(self, other: $T) -> $T { self / other }
        fn remainder(self, other: $T) -> $T {
            let rest = self % other;
            if rest != 0.0 && (other < 0.0) != (rest < 0.0) { rest + other } else { rest }
        }
        fn fmod(self, other: $T) -> $T { self % other }
        fn pow(self, exponent: $T) -> $T { self.powf(exponent) }
        #[inline(always)]
        fn neg(self) -> $T { -self }
        #[inline(always)]
        fn abs(self) -> $T { <$T>::abs(self) }
    })* };
}

floats! { f32, f64 }

macro_rules! halves {
    ($($T:ident),*) => { $(impl Number for $T {
        type Wide = f64;
        const ZERO: $T = $T::ZERO;
        const ONE: $T = $T::ONE;

        fn widen(self) -> f64 { self.to_f64() }
        fn narrow(wide: f64) -> $T { $T::from_f64(wide) }
        fn add(self, other: $T) -> $T { self + other }
        fn sub(self, other: $T) -> $T { self - other }
        fn mul(self, other: $T) -> $T { self * other }
        fn div(self, other: $T) -> $T { self / other }
        fn remainder(self, other: $T) -> $T { $T::from_f32(self.to_f32().remainder(other.to_f32())) }
        fn fmod(self, other: $T) -> $T { $T::from_f32(self.to_f32() % other.to_f32()) }
        fn pow(self, exponent: $T) -> $T { $T::from_f32(self.to_f32().powf(exponent.to_f32())) }
        fn neg(self) -> $T { -self }
        fn abs(self) -> $T { $T::from_f32(self.to_f32().abs()) }
    })* };
}

halves! { f16, bf16 }

/// Whether the number is NaN; no integer is.
#[inline(always)]
pub fn is_nan<T: Element>(x: T) -> bool {
    #[allow(clippy::eq_op)]
    let differs_from_itself = x != x;
    differs_from_itself
}

/// The larger; NaN where either is NaN. (ONNX Max, torch.maximum)
#[inline(always)]
pub fn max<T: Element>(a: T, b: T) -> T {
    if a > b || is_nan(a) { a } else { b }
}

/// The smaller; NaN where either is NaN. (ONNX Min, torch.minimum)
#[inline(always)]
pub fn min<T: Element>(a: T, b: T) -> T {
    if a < b || is_nan(a) { a } else { b }
}

/// The dtype in which a kernel computes that is compiled for i64, u64, f32 and f64 only: it holds every value exactly, and wrapping or
/// rounding its results once gives what the narrower dtype gives.
fn wide(dtype: DType) -> DType {
    match dtype {
        DType::Bool | DType::U8 | DType::I8 | DType::I16 | DType::I32 | DType::U16 | DType::U32 => DType::I64,
        DType::F16 | DType::BF16 => DType::F64,
        other => other,
    }
}

/// The elements in i64, u64, f32 or f64.
///
/// # Errors
/// [`TooBig`](crate::ErrorCode::TooBig).
pub fn widened(x: &Array) -> Result<Array> {
    crate::array::count(x.shape())?;
    x.cast(wide(x.dtype()))
}

/// Runs a kernel in i64, u64, f32 or f64, and gives its result in the dtype of the operand: wrapped, or rounded once.
///
/// # Errors
/// Those of the kernel; [`TooBig`](crate::ErrorCode::TooBig).
pub(super) fn in_wide(x: &Array, kernel: impl FnOnce(&Array) -> Result<Array>) -> Result<Array> {
    if wide(x.dtype()) == x.dtype() {
        return kernel(x);
    }
    kernel(&widened(x)?)?.cast(x.dtype())
}

/// As [`in_wide`], for numeric dtypes: Bool is refused.
///
/// # Errors
/// As [`in_wide`]; [`DType`](crate::ErrorCode::DType) for Bool.
pub fn in_wide_number(x: &Array, kernel: impl FnOnce(&Array) -> Result<Array>) -> Result<Array> {
    if x.dtype() == DType::Bool { Err(DType::not_taken(x.dtype())) } else { in_wide(x, kernel) }
}

/// Runs a kernel of i32, i64 and u64 on integers of one dtype: narrower ones are computed in i64, and an integer result is wrapped to
/// their width.
///
/// # Errors
/// [`DType`](crate::ErrorCode::DType) unless the operands are integers; those of the kernel.
pub fn in_wide_ints(operands: &[&Array], kernel: impl FnOnce(&[&Array]) -> Result<Array>) -> Result<Array> {
    let Some(dtype) = operands.first().map(|x| x.dtype()) else { return kernel(operands) };
    if !matches!(dtype, DType::U8 | DType::I8 | DType::I16 | DType::U16 | DType::U32) {
        return kernel(operands);
    }
    let wide: Vec<Array> = operands.iter().map(|x| x.cast(DType::I64)).collect::<Result<_>>()?;
    let result = kernel(&wide.iter().collect::<Vec<_>>())?;
    if result.dtype() == DType::I64 { result.cast(dtype) } else { Ok(result) }
}

/// The lowest and the highest number of a dtype that is not infinite: what an open side of `clip` means.
pub fn limits(dtype: DType) -> (f64, f64) {
    match dtype {
        DType::Bool => (0.0, 1.0),
        DType::F16 => (f16::MIN.to_f64(), f16::MAX.to_f64()),
        DType::BF16 => (bf16::MIN.to_f64(), bf16::MAX.to_f64()),
        DType::F32 => (f32::MIN.into(), f32::MAX.into()),
        DType::F64 => (f64::MIN, f64::MAX),
        DType::U8 => (0.0, u8::MAX.into()),
        DType::U16 => (0.0, u16::MAX.into()),
        DType::U32 => (0.0, u32::MAX.into()),
        DType::U64 => (0.0, u64::MAX as f64),
        DType::I8 => (i8::MIN.into(), i8::MAX.into()),
        DType::I16 => (i16::MIN.into(), i16::MAX.into()),
        DType::I32 => (i32::MIN.into(), i32::MAX.into()),
        DType::I64 => (i64::MIN as f64, i64::MAX as f64),
        narrow => narrow.narrow_limits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_divide_as_python_does() {
        for (a, b, rest, fmod) in [(7, 3, 1, 1), (-7, 3, 2, -1), (7, -3, -2, 1), (-7, -3, -1, -1), (6, -3, 0, 0)] {
            assert_eq!((a.remainder(b), Number::fmod(a, b)), (rest, fmod), "{a} {b}");
            let (x, y) = (f64::from(a), f64::from(b));
            assert_eq!((x.remainder(y), x.fmod(y)), (rest.into(), fmod.into()), "{a} {b}");
        }
        assert_eq!(200u8.remainder(7), 4);
    }

    #[test]
    fn nothing_panics_at_the_edges() {
        assert_eq!(i64::MIN.remainder(-1), 0);
        assert_eq!((5i32.div(0), 5i32.remainder(0), 5i32.fmod(0)), (0, 0, 0));
        assert_eq!(Number::abs(i8::MIN), i8::MIN);
        assert_eq!(Number::neg(i8::MIN), i8::MIN);
        assert_eq!(Number::add(250u8, 10), 4);
    }

    #[test]
    fn floats_divide_by_zero_as_torch_does() {
        assert!(1f32.remainder(0.0).is_nan());
    }

    #[test]
    fn integer_powers_wrap_and_negative_exponents_truncate() {
        assert_eq!(Number::pow(3i64, 4), 81);
        assert_eq!((Number::pow(2i64, -1), Number::pow(1i64, -5), Number::pow(-1i64, -3), Number::pow(-1i64, -2)), (0, 1, -1, 1));
        assert_eq!(Number::pow(2u8, 8), 0);
        assert_eq!(Number::pow(0i32, 0), 1);
        assert_eq!(Number::pow(255u8, 2), 1);
    }

    #[test]
    fn nan_wins_in_max_and_min() {
        assert!(max(f32::NAN, 1.0).is_nan() && max(1.0, f32::NAN).is_nan() && min(1.0, f32::NAN).is_nan() && min(f32::NAN, 1.0).is_nan());
        assert_eq!((max(2, 3), min(2, 3)), (3, 2));
    }

    #[test]
    fn minus_zero_has_no_sign_of_its_own() {
        assert!(Number::abs(-0.0f32).is_sign_positive() && Number::abs(f16::NEG_ZERO).is_sign_positive());
        assert_eq!((Number::sign(-0.0f32), Number::sign(f32::NAN), Number::sign(-3i8), Number::sign(3u8)), (0.0, 0.0, -1, 1));
    }
}
