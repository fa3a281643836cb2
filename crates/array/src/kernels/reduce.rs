//! Reductions: sums, means, extremes and norms along axes.
//!
//! Floats of every width are summed in doubles, sixteen partial sums a lane, and rounded once (variances: sums of four in their own precision first); integers in i64,
//! wrapping.
//! The result has the dtype of the operand unless said otherwise: cast before where torch promotes (a sum of i32 to i64).
//! No axes means no reduction: every element is a lane of its own. "All axes" is the caller's to spell out.

use super::elementwise::widened;
use super::lanes::reduce_lanes;
use super::number::{self, Number, in_wide, in_wide_number, is_nan};
use super::real::Real;
use super::vector::vectorised;
use crate::array::{Array, DType, Element, count};
use crate::each_dtype;
use crate::error::{Error, Result};

/// Partial sums of a lane: as many as keep the adders of wide vectors busy.
const PARTS: usize = 16;

/// The sum of a function of every element of a lane, in partial sums.
#[inline(always)]
pub(super) fn total<T: Copy, W: Number>(lane: &[T], of: impl Fn(T) -> W) -> W {
    let mut sums = [W::ZERO; PARTS];
    let (blocks, rest) = lane.as_chunks::<PARTS>();
    for block in blocks {
        for (sum, &x) in sums.iter_mut().zip(block) {
            *sum = sum.add(of(x));
        }
    }
    for (sum, &x) in sums.iter_mut().zip(rest) {
        *sum = sum.add(of(x));
    }
    sums.into_iter().fold(W::ZERO, W::add)
}

/// The sum of a function of every element of a lane of floats: sums of a few elements in their own precision, which are added in doubles.
/// Where a sum of a few overflows, all are taken in doubles by `wide`.
#[inline(always)]
pub(super) fn float_total<T: Real>(lane: &[T], of: impl Fn(T) -> T, wide: impl Fn(f64) -> f64) -> f64 {
    const WIDE: usize = 4 * PARTS;
    let mut sums = [0f64; WIDE];
    for block in lane.chunks(4 * WIDE) {
        let mut few = [T::ZERO; WIDE];
        let (rows, rest) = block.as_chunks::<WIDE>();
        for row in rows {
            few.iter_mut().zip(row).for_each(|(sum, &x)| *sum += of(x));
        }
        few.iter_mut().zip(rest).for_each(|(sum, &x)| *sum += of(x));
        sums.iter_mut().zip(few).for_each(|(sum, few)| *sum += few.widen());
    }
    let sum = joined(sums, |a, b| a + b);
    if sum.is_finite() { sum } else { total(lane, |x| wide(x.widen())) }
}

/// Values joined in pairs until one is left.
#[inline(always)]
fn joined<T: Copy, const N: usize>(mut values: [T; N], join: impl Fn(T, T) -> T) -> T {
    let mut count = N;
    while count > 1 {
        count /= 2;
        let (first, second) = values.split_at_mut(count);
        first.iter_mut().zip(second).for_each(|(a, b)| *a = join(*a, *b));
    }
    values[0]
}

/// The number of a lane that `pick` prefers to every other; `None` where there is none.
#[inline(always)]
pub(super) fn extreme<T: Element>(lane: &[T], pick: impl Fn(T, T) -> T) -> Option<T> {
    const WIDE: usize = 4 * PARTS;
    let mut best = [*lane.first()?; WIDE];
    let (blocks, rest) = lane.as_chunks::<WIDE>();
    for block in blocks {
        best.iter_mut().zip(block).for_each(|(best, &x)| *best = pick(*best, x));
    }
    let (blocks, rest) = rest.as_chunks::<PARTS>();
    for (best, block) in best.as_chunks_mut::<PARTS>().0.iter_mut().zip(blocks) {
        best.iter_mut().zip(block).for_each(|(best, &x)| *best = pick(*best, x));
    }
    best.iter_mut().zip(rest).for_each(|(best, &x)| *best = pick(*best, x));
    Some(joined(best, pick))
}

/// Refuses a reduction of no elements that has no neutral element.
fn refuse_empty(x: &Array, axes: &[usize], name: &str) -> Result<()> {
    let sizes: Vec<_> = axes.iter().filter_map(|&axis| x.shape().get(axis).copied()).collect();
    let others: Vec<_> = (0..x.rank()).filter(|axis| !axes.contains(axis)).map(|axis| x.shape()[axis]).collect();
    if count(&sizes)? == 0 && count(&others)? > 0 {
        return Err(Error::shape(format!("{name} of an empty set of elements: shape {:?} along axes {axes:?}", x.shape())));
    }
    Ok(())
}

/// The sum; 0 of no elements.
///
/// # Errors
/// [`DType`](crate::ErrorCode::DType) for Bool; [`Argument`](crate::ErrorCode::Argument) for an axis that there is not, or twice.
pub fn sum(x: &Array, axes: &[usize], keep: bool) -> Result<Array> {
    in_wide_number(x, |x| each_dtype!(x.dtype(), T: wide => reduce_lanes(x, axes, keep, |lane: &[T]| T::narrow(total(lane, T::widen)))))
}

/// The mean; of no floats NaN, of integers rounded towards zero.
///
/// # Errors
/// As [`sum`]; [`Shape`](crate::ErrorCode::Shape) for the mean of no integers.
pub fn mean(x: &Array, axes: &[usize], keep: bool) -> Result<Array> {
    if !x.dtype().is_float() {
        refuse_empty(x, axes, "the mean")?;
    }
    in_wide_number(x, |x| {
        each_dtype!(x.dtype(), T: wide => reduce_lanes(x, axes, keep, |lane: &[T]| {
            T::narrow(total(lane, T::widen).div(<T as Number>::Wide::from_i64(lane.len() as i64)))
        }))
    })
}

/// The product; 1 of no elements.
///
/// # Errors
/// As [`sum`].
pub fn prod(x: &Array, axes: &[usize], keep: bool) -> Result<Array> {
    in_wide_number(x, |x| {
        each_dtype!(x.dtype(), T: wide => reduce_lanes(x, axes, keep, |lane: &[T]| {
            T::narrow(lane.iter().fold(<T as Number>::Wide::ONE, |product, x| product.mul(x.widen())))
        }))
    })
}

/// The largest element, of any dtype; NaN where there is one.
///
/// # Errors
/// [`Shape`](crate::ErrorCode::Shape) for no elements; [`Argument`](crate::ErrorCode::Argument) for an axis that there is not, or twice.
pub fn max(x: &Array, axes: &[usize], keep: bool) -> Result<Array> {
    refuse_empty(x, axes, "the maximum")?;
    in_wide(
        x,
        |x| each_dtype!(x.dtype(), T: wide => reduce_lanes(x, axes, keep, |lane: &[T]| extreme(lane, number::max).unwrap_or_default())),
    )
}

/// The smallest element, as [`max`].
///
/// # Errors
/// As [`max`].
pub fn min(x: &Array, axes: &[usize], keep: bool) -> Result<Array> {
    refuse_empty(x, axes, "the minimum")?;
    in_wide(
        x,
        |x| each_dtype!(x.dtype(), T: wide => reduce_lanes(x, axes, keep, |lane: &[T]| extreme(lane, number::min).unwrap_or_default())),
    )
}

/// ln Σ e^x, without overflow; −∞ of no elements.
///
/// # Errors
/// [`DType`](crate::ErrorCode::DType) unless a float; [`Argument`](crate::ErrorCode::Argument) for an axis that there is not, or twice.
pub fn log_sum_exp(x: &Array, axes: &[usize], keep: bool) -> Result<Array> {
    widened(x, |x| {
        each_dtype!(x.dtype(), T: float => reduce_lanes(x, axes, keep, |lane: &[T]| {
            let highest = extreme(lane, number::max).unwrap_or(T::NEG_INFINITY);
            // An infinity is its own answer, and so is NaN.
            if !Real::is_finite(highest) {
                return highest;
            }
            let sum = vectorised(
                #[inline(always)]
                || total(lane, |x| Real::exp(x - highest).widen()),
            );
            T::narrow(highest.widen() + sum.ln())
        }))
    })
}

/// Σ |x|. (ONNX ReduceL1)
///
/// # Errors
/// As [`sum`].
pub fn l1(x: &Array, axes: &[usize], keep: bool) -> Result<Array> {
    if matches!(x.dtype(), DType::U8 | DType::U16 | DType::U32 | DType::U64) {
        // As i64 the upper half of u64 would be below 0.
        return sum(x, axes, keep);
    }
    in_wide_number(
        x,
        |x| each_dtype!(x.dtype(), T: wide => reduce_lanes(x, axes, keep, |lane: &[T]| T::narrow(total(lane, |x| Number::abs(x.widen()))))),
    )
}

/// √Σ x², of integers rounded towards zero. (ONNX ReduceL2)
///
/// # Errors
/// As [`sum`].
pub fn l2(x: &Array, axes: &[usize], keep: bool) -> Result<Array> {
    // A norm that the dtype cannot hold is its largest element: it is bounded before it is narrowed.
    let (dtype, largest) = (x.dtype(), number::limits(x.dtype()).1);
    in_wide_number(x, |x| {
        each_dtype!(x.dtype(), T: wide => reduce_lanes(x, axes, keep, |lane: &[T]| {
            let norm = total(lane, |x| x.to_f64() * x.to_f64()).sqrt();
            T::from_f64(if dtype.is_int() { norm.min(largest) } else { norm })
        }))
    })
}

/// The mean and the variance of a lane.
#[inline(always)]
pub(super) fn variance<T: Real>(lane: &[T]) -> (f64, f64) {
    let n = lane.len() as f64;
    let mean = float_total(lane, |x| x, |x| x) / n;
    // The distances are from the mean as T holds it, and what that is off is taken from the mean of their squares.
    let near = T::of(mean);
    let off = mean - near.widen();
    let squares = float_total(
        lane,
        |x| {
            let distance = x - near;
            distance * distance
        },
        |x| {
            let distance = x - near.widen();
            distance * distance
        },
    );
    (mean, (squares / n - off * off).max(0.0))
}

/// The index (i64) of the largest element along an axis: the first of several, or the last; a NaN where there is one.
///
/// # Errors
/// [`Shape`](crate::ErrorCode::Shape) for no elements; [`Argument`](crate::ErrorCode::Argument) for an axis that there is not.
pub fn argmax(x: &Array, axis: usize, keep: bool, last: bool) -> Result<Array> {
    refuse_empty(x, &[axis], "the index of the maximum")?;
    let x = &number::widened(x)?;
    each_dtype!(x.dtype(), T: wide => reduce_lanes(x, &[axis], keep, |lane: &[T]| position(lane, last, T::gt)))
}

/// The index (i64) of the smallest element, as [`argmax`].
///
/// # Errors
/// As [`argmax`].
pub fn argmin(x: &Array, axis: usize, keep: bool, last: bool) -> Result<Array> {
    refuse_empty(x, &[axis], "the index of the minimum")?;
    let x = &number::widened(x)?;
    each_dtype!(x.dtype(), T: wide => reduce_lanes(x, &[axis], keep, |lane: &[T]| position(lane, last, T::lt)))
}

fn position<T: Element>(lane: &[T], last: bool, beats: impl Fn(&T, &T) -> bool) -> i64 {
    let mut best = 0;
    for (i, x) in lane.iter().enumerate() {
        let champion = &lane[best];
        if is_nan(*champion) && !last {
            break;
        }
        if is_nan(*x) || beats(x, champion) || (last && x == champion) {
            best = i;
        }
    }
    best as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;
    use half::f16;

    fn grid() -> Array {
        Array::new(&[2, 3], vec![1f32, 5., 3., 4., 2., 6.]).unwrap()
    }

    #[test]
    fn axes_go_or_stay_with_size_one() {
        assert_eq!(sum(&grid(), &[1], false).unwrap(), Array::vector(vec![9f32, 12.]));
        assert_eq!(sum(&grid(), &[0], true).unwrap(), Array::new(&[1, 3], vec![5f32, 7., 9.]).unwrap());
        assert_eq!(sum(&grid(), &[1, 0], false).unwrap(), Array::scalar(21f32));
        assert_eq!(sum(&grid(), &[], false).unwrap(), grid());
        assert_eq!(mean(&grid(), &[0, 1], true).unwrap(), Array::new(&[1, 1], vec![3.5f32]).unwrap());
        assert!(sum(&grid(), &[2], false).is_err());
    }

    #[test]
    fn a_strided_operand_gives_the_same() {
        let x = grid().permute(&[1, 0]).unwrap();
        assert_eq!(sum(&x, &[0], false).unwrap(), sum(&grid(), &[1], false).unwrap());
        assert_eq!(max(&x.slice(0, 2, 2, -1).unwrap(), &[0], false).unwrap(), Array::vector(vec![5f32, 6.]));
    }

    #[test]
    fn of_no_values_there_is_a_sum_and_a_product_but_no_maximum() {
        let none = Array::new::<f32>(&[2, 0], vec![]).unwrap();
        assert_eq!(sum(&none, &[1], false).unwrap().to_f64s().unwrap(), [0.0, 0.0]);
        assert_eq!(prod(&none, &[1], false).unwrap().to_f64s().unwrap(), [1.0, 1.0]);
        assert!(mean(&none, &[1], false).unwrap().to_f64s().unwrap().iter().all(|x| x.is_nan()));
        assert_eq!(log_sum_exp(&none, &[1], false).unwrap().to_f64s().unwrap(), [f64::NEG_INFINITY; 2]);
        assert_eq!(max(&none, &[1], false).unwrap_err().code(), crate::ErrorCode::Shape);
        assert!(argmax(&none, 1, false, false).is_err());
        assert_eq!(max(&none, &[0], false).unwrap().shape(), [0]);
        assert!(mean(&none.cast(DType::I32).unwrap(), &[1], false).is_err());
    }

    #[test]
    fn nan_is_the_extreme_and_its_index_the_first() {
        let x = Array::vector(vec![1f32, f32::NAN, 3., f32::NAN]);
        assert!(
            max(&x, &[0], false).unwrap().to_f64s().unwrap()[0].is_nan() && min(&x, &[0], false).unwrap().to_f64s().unwrap()[0].is_nan()
        );
        assert_eq!(
            (argmax(&x, 0, false, false).unwrap().to_i64s().unwrap(), argmin(&x, 0, false, false).unwrap().to_i64s().unwrap()),
            (vec![1], vec![1])
        );
    }

    #[test]
    fn of_equals_the_first_or_the_last_is_named() {
        let x = Array::vector(vec![2i32, 7, 7, 2]);
        assert_eq!(argmax(&x, 0, false, true).unwrap(), Array::scalar(2i64));
        assert_eq!(argmin(&x, 0, false, true).unwrap(), Array::scalar(3i64));
        let nan = Array::vector(vec![1f32, f32::NAN, 9., f32::NAN, 0.]);
        assert_eq!(argmin(&nan, 0, false, true).unwrap(), Array::scalar(3i64));
        assert_eq!(argmax(&x, 0, true, false).unwrap().to_i64s().unwrap(), [1]);
        assert_eq!(argmin(&x, 0, false, false).unwrap(), Array::scalar(0i64));
        assert_eq!(argmax(&grid(), 0, true, false).unwrap(), Array::new(&[1, 3], vec![1i64, 0, 1]).unwrap());
    }

    #[test]
    fn singles_are_summed_in_doubles_and_integers_wrap() {
        let x = Array::vector(std::iter::once(1e8f32).chain(std::iter::repeat_n(1f32, 1000)).collect());
        assert_eq!(sum(&x, &[0], false).unwrap().to_f64s().unwrap(), [100_001_000.0]);
        assert_eq!(sum(&Array::vector(vec![200u8, 100]), &[0], false).unwrap().to_i64s().unwrap(), [44]);
        assert_eq!(sum(&Array::vector(vec![i64::MAX, 1]), &[0], false).unwrap().to_i64s().unwrap(), [i64::MIN]);
        assert_eq!(mean(&Array::vector(vec![-1i32, -2]), &[0], false).unwrap().to_i64s().unwrap(), [-1]);
        assert_eq!(sum(&Array::vector(vec![f16::from_f32(0.5); 4096]), &[0], false).unwrap().to_f64s().unwrap(), [2048.0]);
        assert!(sum(&Array::vector(vec![true]), &[0], false).is_err());
    }

    #[test]
    fn norms_by_their_formulas() {
        let x = Array::vector(vec![3f64, -4., 0.]);
        assert_eq!(l1(&x, &[0], false).unwrap().to_f64s().unwrap(), [7.0]);
        assert_eq!(l2(&x, &[0], false).unwrap().to_f64s().unwrap(), [5.0]);
        // A norm beyond the dtype is its largest element.
        assert_eq!(l2(&Array::vector(vec![255u8, 255]), &[0], false).unwrap().to_i64s().unwrap(), [255]);
        assert_eq!(l1(&Array::vector(vec![i8::MIN, 1]), &[0], false).unwrap().to_i64s().unwrap(), [-127]);
    }

    #[test]
    fn log_sum_exp_neither_overflows_nor_loses_infinities() {
        let of = |x: Vec<f32>| log_sum_exp(&Array::vector(x), &[0], false).unwrap().to_f64s().unwrap()[0];
        assert!((of(vec![1000., 1000.]) - (1000.0 + 2f64.ln())).abs() < 1e-4);
        assert_eq!((of(vec![f32::NEG_INFINITY; 2]), of(vec![f32::INFINITY, 1.])), (f64::NEG_INFINITY, f64::INFINITY));
        assert!(of(vec![f32::NAN, f32::INFINITY]).is_nan());
    }

    #[test]
    fn large_sums_are_the_small_ones() {
        let x = Array::new(&[200, 500], (0..100_000i64).collect()).unwrap();
        let rows: Vec<i64> = (0..200).map(|i| (0..500).map(|j| i * 500 + j).sum()).collect();
        let columns: Vec<i64> = (0..500).map(|j| (0..200).map(|i| i * 500 + j).sum()).collect();
        assert_eq!(sum(&x, &[1], false).unwrap().to_i64s().unwrap(), rows);
        assert_eq!(sum(&x, &[0], false).unwrap().to_i64s().unwrap(), columns);
    }
}
