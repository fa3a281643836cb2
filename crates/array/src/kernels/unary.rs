//! Functions of one number, of every element of an array.

use super::elementwise::{float, map};
use super::number::{self, Number, in_wide_ints};
use super::real::{self, Real};
use crate::array::Array;
use crate::each_dtype;
use crate::error::Result;

/// A function of one number. Those after [`Unary::Not`] give a Bool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Unary {
    Abs,
    Neg,
    Sign,
    Ceil,
    Floor,
    Round,
    Exp,
    Log,
    Sqrt,
    Reciprocal,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Tanh,
    Asinh,
    Acosh,
    Atanh,
    Erf,
    Sigmoid,
    Relu,
    Softplus,
    Softsign,
    BitwiseNot,
    Not,
    IsNaN,
    IsInf,
}

/// The function of every element.
///
/// # Errors
/// [`DType`](crate::ErrorCode::DType) where the function does not take the dtype, halves among them; [`TooBig`](crate::ErrorCode::TooBig).
pub fn unary(op: Unary, x: &Array) -> Result<Array> {
    match op {
        Unary::Not => map::<bool, bool>(x, |a| !a),
        Unary::BitwiseNot => in_wide_ints(&[x], |x| each_dtype!(x[0].dtype(), T: wide_int => map::<T, T>(x[0], |a| !a))),
        op if x.dtype().is_int() => in_wide_ints(&[x], |x| {
            each_dtype!(x[0].dtype(), T: wide_int => map::<T, T>(x[0], |a| match op {
                Unary::Abs => Number::abs(a),
                Unary::Neg => Number::neg(a),
                Unary::Sign => Number::sign(a),
                Unary::Relu => number::max(a, 0),
                _ => a,
            }))
        }),
        Unary::IsNaN => each_dtype!(x.dtype(), T: float => map::<T, bool>(x, |a| a.is_nan())),
        Unary::IsInf => each_dtype!(x.dtype(), T: float => map::<T, bool>(x, |a| a.is_infinite())),
        Unary::Abs => float!(x, |a| a.abs()),
        Unary::Neg => float!(x, |a| -a),
        Unary::Sign => float!(x, |a| if a.is_nan() {
            a
        } else if a == 0.0 {
            0.0
        } else {
            a.signum()
        }),
        Unary::Ceil => float!(x, |a| a.ceil()),
        Unary::Floor => float!(x, |a| a.floor()),
        Unary::Round => float!(x, |a| a.round_ties_even()),
        Unary::Exp => float!(x, Real::exp),
        Unary::Log => float!(x, |a| a.ln()),
        Unary::Sqrt => float!(x, |a| a.sqrt()),
        Unary::Reciprocal => float!(x, |a| 1.0 / a),
        Unary::Sin => float!(x, |a| a.sin()),
        Unary::Cos => float!(x, |a| a.cos()),
        Unary::Tan => float!(x, |a| a.tan()),
        Unary::Asin => float!(x, |a| a.asin()),
        Unary::Acos => float!(x, |a| a.acos()),
        Unary::Atan => float!(x, |a| a.atan()),
        Unary::Sinh => float!(x, |a| a.sinh()),
        Unary::Cosh => float!(x, |a| a.cosh()),
        Unary::Tanh => float!(x, Real::tanh),
        Unary::Asinh => float!(x, Real::asinh),
        Unary::Acosh => float!(x, Real::acosh),
        Unary::Atanh => float!(x, Real::atanh),
        Unary::Erf => float!(x, Real::erf),
        Unary::Sigmoid => float!(x, real::sigmoid),
        Unary::Relu => float!(x, |a| if a < 0.0 { 0.0 } else { a }),
        Unary::Softplus => float!(x, real::softplus),
        Unary::Softsign => float!(x, |a| a / (1.0 + a.abs())),
    }
}
