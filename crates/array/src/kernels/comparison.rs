//! Questions about every pair of elements of arrays that broadcast; the answer is a Bool.

use super::elementwise::zip;
use super::number;
use crate::array::Array;
use crate::each_dtype;
use crate::error::Result;

/// A question about two values. A NaN equals nothing and is neither smaller nor larger. The names are ONNX's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Compare {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// The answer for every pair of elements.
///
/// # Errors
/// [`Shape`](crate::ErrorCode::Shape) where the shapes do not broadcast; [`DType`](crate::ErrorCode::DType) for halves; [`TooBig`](crate::ErrorCode::TooBig).
pub fn compare(op: Compare, a: &Array, b: &Array) -> Result<Array> {
    let (a, b) = (&number::widened(a)?, &number::widened(b)?);
    let swapped = matches!(op, Compare::Greater | Compare::GreaterOrEqual);
    let (smaller, larger) = if swapped { (b, a) } else { (a, b) };
    each_dtype!(a.dtype(), T: wide => match op {
        Compare::Equal => zip::<T, T, bool>(a, b, |x, y| x == y),
        Compare::Less | Compare::Greater => zip::<T, T, bool>(smaller, larger, |x, y| x < y),
        _ => zip::<T, T, bool>(smaller, larger, |x, y| x <= y),
    })
}
