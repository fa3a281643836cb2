//! Functions of two numbers, of every pair of elements of arrays that broadcast.

use super::elementwise::zip;
use super::number::{Number, in_wide_ints};
use crate::array::{Array, DType};
use crate::each_dtype;
use crate::error::{Error, Result};

/// A function of two values of one dtype. The names are ONNX's, the two remainders being one ONNX operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// a + b
    Add,
    /// a − b
    Sub,
    /// a · b
    Mul,
    /// a / b; of integers, truncated.
    Div,
    /// a to the power of b
    Pow,
    /// The remainder with the sign of b.
    Mod,
    /// The remainder with the sign of a.
    Fmod,
    /// The smaller; NaN if either is.
    Min,
    /// The larger; NaN if either is.
    Max,
    /// Both, of Bools.
    And,
    /// Either, of Bools.
    Or,
    /// One of two, of Bools.
    Xor,
    /// Both, bit by bit.
    BitwiseAnd,
    /// Either, bit by bit.
    BitwiseOr,
    /// One of two, bit by bit.
    BitwiseXor,
}

/// The function of every pair of elements.
///
/// # Errors
/// [`Shape`](crate::ErrorCode::Shape) where the shapes do not broadcast; [`DType`](crate::ErrorCode::DType) where the function does not take the dtype, halves among
/// them; [`Argument`](crate::ErrorCode::Argument) for the division of an integer by 0; [`TooBig`](crate::ErrorCode::TooBig).
pub fn binary(op: Binary, a: &Array, b: &Array) -> Result<Array> {
    match (op, a.dtype()) {
        (Binary::And, DType::Bool) => zip::<bool, bool, bool>(a, b, |x, y| x & y),
        (Binary::Or, DType::Bool) => zip::<bool, bool, bool>(a, b, |x, y| x | y),
        (Binary::Xor, DType::Bool) => zip::<bool, bool, bool>(a, b, |x, y| x ^ y),
        // The four of arithmetic without a branch inside the loop.
        (Binary::Add, DType::F32) => zip::<f32, f32, f32>(a, b, |x, y| x + y),
        (Binary::Sub, DType::F32) => zip::<f32, f32, f32>(a, b, |x, y| x - y),
        (Binary::Mul, DType::F32) => zip::<f32, f32, f32>(a, b, |x, y| x * y),
        (Binary::Div, DType::F32) => zip::<f32, f32, f32>(a, b, |x, y| x / y),
        (_, dtype) if dtype.is_float() => each_dtype!(dtype, T: float => zip::<T, T, T>(a, b, move |x, y| of_floats(op, x, y))),
        _ => integers(op, a, b),
    }
}

/// The function of two floats.
fn of_floats<T: num_traits::Float>(op: Binary, a: T, b: T) -> T {
    let nan = |x: T| if a.is_nan() || b.is_nan() { T::nan() } else { x };
    match op {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
        Binary::Pow => a.powf(b),
        Binary::Fmod => a % b,
        Binary::Min => nan(a.min(b)),
        Binary::Max => nan(a.max(b)),
        _ => {
            let rest = a % b;
            if rest != T::zero() && (rest < T::zero()) != (b < T::zero()) { rest + b } else { rest }
        }
    }
}

fn integers(op: Binary, a: &Array, b: &Array) -> Result<Array> {
    let divides = matches!(op, Binary::Div | Binary::Mod | Binary::Fmod);
    if divides && !a.is_empty() && b.to_i64s()?.contains(&0) {
        return Err(Error::argument("integer division by zero"));
    }
    in_wide_ints(&[a, b], |operands| {
        each_dtype!(operands[0].dtype(), T: wide_int => zip::<T, T, T>(operands[0], operands[1], move |x, y| match op {
            Binary::Add => x.wrapping_add(y),
            Binary::Sub => x.wrapping_sub(y),
            Binary::Mul => x.wrapping_mul(y),
            Binary::Div => x.wrapping_div(y),
            Binary::Pow => Number::pow(x, y),
            Binary::Fmod => x.wrapping_rem(y),
            Binary::Min => x.min(y),
            Binary::Max => x.max(y),
            Binary::BitwiseAnd => x & y,
            Binary::BitwiseOr => x | y,
            Binary::BitwiseXor => x ^ y,
            _ => Number::remainder(x, y),
        }))
    })
}
