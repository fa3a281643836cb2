//! Running sums, products and extremes along an axis.

use super::elementwise::widened;
use super::gather::length_of;
use super::lanes::{map_lanes, map_lanes_two};
use super::number::{self, Number, in_wide_number, is_nan};
use crate::array::{Array, Element};
use crate::each_dtype;
use crate::error::Result;

/// The sum of the numbers up to each along an axis: without itself where `exclusive`, from the end where `reverse`.
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

/// The product of the numbers up to each along an axis, as [`cumsum`].
///
/// # Errors
/// As [`cumsum`].
pub fn cumprod(x: &Array, axis: usize, exclusive: bool, reverse: bool) -> Result<Array> {
    in_wide_number(x, |x| {
        each_dtype!(x.dtype(), T: wide => {
            scan(x, axis, exclusive, reverse, <T as Number>::Wide::ONE, |product, x: T| product.mul(x.widen()), T::narrow)
        })
    })
}

/// ln of the running sum of e^x along an axis, without overflow.
///
/// # Errors
/// [`DType`](crate::ErrorCode::DType) unless a float; [`Argument`](crate::ErrorCode::Argument) for an axis that there is not.
pub fn logcumsumexp(x: &Array, axis: usize) -> Result<Array> {
    widened(x, |x| {
        each_dtype!(x.dtype(), T: float => {
            scan(x, axis, false, false, f64::NEG_INFINITY, |sum, x: T| log_add_exp(sum, x.widen()), T::narrow)
        })
    })
}

/// ln(e^a + e^b), without overflow.
pub fn log_add_exp(a: f64, b: f64) -> f64 {
    // The difference of equal infinities would be NaN.
    if a == b && a.is_infinite() {
        return a;
    }
    super::number::max(a, b) + (-(a - b).abs()).exp().ln_1p()
}

/// What `step` makes of the numbers so far, along an axis.
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
    let turned = |x: &Array| if reverse && length > 0 { x.slice(axis, length - 1, length, -1) } else { Ok(x.clone()) };
    let scanned = map_lanes(&turned(x)?, axis, length, |lane: &[T], out: &mut [T]| {
        let mut so_far = start;
        for (out, &x) in out.iter_mut().zip(lane) {
            let next = step(so_far, x);
            *out = finish(if exclusive { so_far } else { next });
            so_far = next;
        }
    })?;
    turned(&scanned)
}

/// The largest number up to each along an axis, and its index (i64): of equals the last; from the first NaN on NaN.
///
/// <https://docs.pytorch.org/docs/stable/generated/torch.cummax.html>
///
/// # Errors
/// [`Argument`](crate::ErrorCode::Argument) for an axis that there is not.
pub fn cummax(x: &Array, axis: usize) -> Result<(Array, Array)> {
    let (values, indices) = {
        let x = number::widened(x)?;
        each_dtype!(x.dtype(), T: wide => running(&x, axis, |x: T, best| x >= best)?)
    };
    Ok((values.cast(x.dtype()), indices))
}

/// The smallest number up to each along an axis, as [`cummax`].
///
/// # Errors
/// As [`cummax`].
pub fn cummin(x: &Array, axis: usize) -> Result<(Array, Array)> {
    let (values, indices) = {
        let x = number::widened(x)?;
        each_dtype!(x.dtype(), T: wide => running(&x, axis, |x: T, best| x <= best)?)
    };
    Ok((values.cast(x.dtype()), indices))
}

fn running<T: Element>(x: &Array, axis: usize, stands: impl Fn(T, T) -> bool + Sync) -> Result<(Array, Array)> {
    map_lanes_two(x, axis, length_of(x, axis)?, &|lane: &[T], values: &mut [T], indices: &mut [i64]| {
        let mut best = 0;
        for (i, &x) in lane.iter().enumerate() {
            if is_nan(x) || stands(x, lane[best]) {
                best = i;
            }
            values[i] = lane[best];
            indices[i] = best as i64;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_run_all_four_ways() {
        // The examples on the ONNX page of CumSum.
        let x = Array::vector(vec![1i32, 2, 3]);
        let of = |exclusive, reverse| cumsum(&x, 0, exclusive, reverse).unwrap().to_i64s();
        assert_eq!(of(false, false), [1, 3, 6]);
        assert_eq!(of(true, false), [0, 1, 3]);
        assert_eq!(of(false, true), [6, 5, 3]);
        assert_eq!(of(true, true), [5, 3, 0]);
        assert_eq!(cumprod(&x, 0, true, true).unwrap().to_i64s(), [6, 3, 1]);
    }

    #[test]
    fn any_axis_of_any_strides_runs() {
        let x = Array::new(&[2, 3], vec![1f32, 2., 3., 4., 5., 6.]).unwrap();
        assert_eq!(cumsum(&x, 0, false, false).unwrap().to_f64s(), [1., 2., 3., 5., 7., 9.]);
        let turned = cumsum(&x.permute(&[1, 0]).unwrap(), 1, false, false).unwrap();
        assert_eq!(turned, cumsum(&x, 0, false, false).unwrap().permute(&[1, 0]).unwrap());
        assert!(cumsum(&x, 2, false, false).is_err());
        assert!(cumsum(&Array::scalar(1f32), 0, false, true).is_err());
        assert_eq!(cumsum(&Array::new::<f32>(&[2, 0], vec![]).unwrap(), 1, false, true).unwrap().shape(), [2, 0]);
        assert_eq!(cumsum(&Array::vector(vec![100i8, 100]), 0, false, false).unwrap().to_i64s(), [100, -56]);
    }

    #[test]
    fn running_extremes_name_the_last_of_equals() {
        let (values, indices) = cummax(&Array::vector(vec![1f32, 3., 3., 2., f32::NAN, 9.]), 0).unwrap();
        assert_eq!(values.to_f64s()[..4], [1., 3., 3., 3.]);
        assert!(values.to_f64s()[4..].iter().all(|x| x.is_nan()));
        assert_eq!(indices.to_i64s(), [0, 1, 2, 2, 4, 4]);
        let (values, indices) = cummin(&Array::vector(vec![2i32, 1, 1, 5]), 0).unwrap();
        assert_eq!((values.to_i64s(), indices.to_i64s()), (vec![2, 1, 1, 1], vec![0, 1, 2, 2]));
    }

    #[test]
    fn logarithms_of_running_sums_do_not_overflow() {
        let y = logcumsumexp(&Array::vector(vec![f32::NEG_INFINITY, 1000., 1000., f32::INFINITY]), 0).unwrap().to_f64s();
        assert_eq!((y[0], y[1], y[3]), (f64::NEG_INFINITY, 1000., f64::INFINITY));
        assert!((y[2] - 1000.0 - 2f64.ln()).abs() < 1e-4);
        assert!(log_add_exp(f64::NAN, 1.0).is_nan());
    }
}
