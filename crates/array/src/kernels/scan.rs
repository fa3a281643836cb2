//! Running sums, products and extremes along an axis.

use super::gather::length_of;
use super::lanes::map_lanes;
use super::number::{Number, in_wide_number};
use crate::array::{Array, Element};
use crate::each_dtype;
use crate::error::Result;

/// The sum of the values up to each along an axis: without itself where `exclusive`, from the end where `reverse`.
///
/// Floats are summed in doubles, integers in i64, wrapping.
///
/// <https://onnx.ai/onnx/operators/onnx__CumSum.html>
///
/// # Errors
/// [`DType`](crate::ErrorCode::DType) for Bool; [`Argument`](crate::ErrorCode::Argument) for an axis that there is not.
pub fn cumsum(x: &Array, axis: usize, exclusive: bool, reverse: bool) -> Result<Array> {
    in_wide_number(x, |x| {
        each_dtype!(x.dtype(), T: wide => {
            scan(x, axis, exclusive, reverse, <T as Number>::Wide::ZERO, |sum, x: T| sum.add(x.widen()), T::narrow)
        })
    })
}

/// What `step` makes of the values so far, along an axis.
fn scan<T: Element, S: Copy + Sync>(
    x: &Array,
    axis: usize,
    exclusive: bool,
    reverse: bool,
    start: S,
    step: impl Fn(S, T) -> S + Sync,
    finish: impl Fn(S) -> T + Sync,
) -> Result<Array> {
    let length = length_of(x, axis)?;
    let oriented = |x: &Array| if reverse && length > 0 { x.slice(axis, length - 1, length, -1) } else { Ok(x.clone()) };
    let scanned = map_lanes(&oriented(x)?, axis, length, |lane: &[T], out: &mut [T]| {
        let mut so_far = start;
        for (out, &x) in out.iter_mut().zip(lane) {
            let next = step(so_far, x);
            *out = finish(if exclusive { so_far } else { next });
            so_far = next;
        }
    })?;
    oriented(&scanned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_run_all_four_ways() {
        // The examples in ONNX's documentation of CumSum.
        let x = Array::vector(vec![1i32, 2, 3]);
        let of = |exclusive, reverse| cumsum(&x, 0, exclusive, reverse).unwrap().to_i64s().unwrap();
        assert_eq!(of(false, false), [1, 3, 6]);
        assert_eq!(of(true, false), [0, 1, 3]);
        assert_eq!(of(false, true), [6, 5, 3]);
        assert_eq!(of(true, true), [5, 3, 0]);
    }

    #[test]
    fn any_axis_of_any_strides_runs() {
        let x = Array::new(&[2, 3], vec![1f32, 2., 3., 4., 5., 6.]).unwrap();
        assert_eq!(cumsum(&x, 0, false, false).unwrap().to_f64s().unwrap(), [1., 2., 3., 5., 7., 9.]);
        let oriented = cumsum(&x.permute(&[1, 0]).unwrap(), 1, false, false).unwrap();
        assert_eq!(oriented, cumsum(&x, 0, false, false).unwrap().permute(&[1, 0]).unwrap());
        assert!(cumsum(&x, 2, false, false).is_err());
        assert!(cumsum(&Array::scalar(1f32), 0, false, true).is_err());
        assert_eq!(cumsum(&Array::new::<f32>(&[2, 0], vec![]).unwrap(), 1, false, true).unwrap().shape(), [2, 0]);
        assert_eq!(cumsum(&Array::vector(vec![100i8, 100]), 0, false, false).unwrap().to_i64s().unwrap(), [100, -56]);
    }
}
