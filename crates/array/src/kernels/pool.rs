//! Pooling: one value for each region of a plane, its largest or its mean.

use super::fill::{fill, fill_two};
use super::half_precision::widened;
use super::number::{self, Number, is_nan};
use super::real::Real;
use super::take::{advance, unravel};
use super::window::Window;
use crate::array::{Array, DType, Element, count};
use crate::each_dtype;
use crate::error::{Error, Result};

/// What one output index of an axis sees: `count` indices, `step` apart, from `start` on. Padding is not among them.
#[derive(Clone, Copy)]
struct Region {
    start: usize,
    count: usize,
    step: usize,
    /// The indices it would see if the padding were elements.
    padded: usize,
}

/// The regions of `out` positions of a window along an axis; those that hang over the end of the padding are cut off there.
fn windows(window: &Window, axis: usize, length: usize, kernel: usize, out: usize) -> Vec<Region> {
    let (step, pad) = (window.dilations[axis], window.pads_begin[axis]);
    let region = |i: usize| {
        let first = i * window.strides[axis];
        // Elements of the kernel that come before a position of the padded axis.
        let before = |end: usize| end.saturating_sub(first).div_ceil(step).min(kernel);
        let (low, high) = (before(pad), before(pad + length));
        let start = (first + low * step).saturating_sub(pad);
        Region { start, count: high - low, step, padded: before(pad + length + window.pads_end[axis]) }
    };
    (0..out).map(region).collect()
}

/// The regions of every axis, and the axes of the operand that they do not touch.
struct Regions {
    axes: Vec<Vec<Region>>,
    spatial: Vec<usize>,
    /// For each index of the first axes of the result, the rows of a plane that it sees.
    rows: Vec<Vec<usize>>,
    planes: usize,
    shape: Vec<usize>,
}

impl Regions {
    fn new(x: &Array, axes: Vec<Vec<Region>>) -> Result<Regions> {
        let (leading, spatial) = x.shape().split_at(x.rank() - axes.len());
        let outer: Vec<usize> = axes[..axes.len() - 1].iter().map(Vec::len).collect();
        let shape: Vec<usize> = leading.iter().copied().chain(axes.iter().map(Vec::len)).collect();
        count(&shape)?;
        let mut index = vec![0; outer.len()];
        let mut rows = Vec::with_capacity(count(&outer)?);
        for _ in 0..count(&outer)? {
            let mut starts = vec![0];
            for (axis, &i) in index.iter().enumerate() {
                let Region { start, count, step, .. } = axes[axis][i];
                let along = |row: usize| (0..count).map(move |n| (row + start + n * step) * spatial[axis + 1]);
                starts = starts.into_iter().flat_map(along).collect();
            }
            rows.push(starts);
            advance(&mut index, &outer);
        }
        Ok(Regions { spatial: spatial.to_vec(), rows, planes: count(leading)?, shape, axes })
    }

    fn of_window(x: &Array, kernel: &[usize], window: &Window, out: &[usize]) -> Result<Regions> {
        let spatial = spatial(x, out)?;
        window.check(kernel, spatial)?;
        if out.iter().any(|&n| n >= 1 << 31) {
            return Err(Error::too_big(format!("cannot pool to output size {out:?}")));
        }
        Regions::new(x, (0..out.len()).map(|axis| windows(window, axis, spatial[axis], kernel[axis], out[axis])).collect())
    }

    /// The last axis.
    fn last(&self) -> &[Region] {
        self.axes.last().map_or(&[], Vec::as_slice)
    }

    /// Elements of a plane, and of what becomes of it.
    fn sizes(&self) -> (usize, usize) {
        (self.spatial.iter().product(), self.axes.iter().map(Vec::len).product())
    }

    /// Elements looked at for one plane.
    fn work(&self) -> usize {
        let width = self.spatial.last().copied().unwrap_or(0) + self.last().iter().map(|region| region.count).sum::<usize>();
        self.rows.iter().map(|rows| rows.len() + 1).sum::<usize>().saturating_mul(width)
    }

    /// Combines the elements of each region: the rows it sees into one, then the runs of that row. Divided into `parts` afterwards.
    fn combine<T: Number>(
        &self,
        x: &Array,
        none: T,
        pick: impl Fn(T, T) -> T + Sync,
        finish: impl Fn(usize, T) -> T + Sync,
    ) -> Result<Array> {
        let x = x.contiguous()?;
        let (x, _) = x.span::<T>()?;
        let ((image, plane), width) = (self.sizes(), self.spatial.last().copied().unwrap_or(0));
        let out = fill(self.planes, plane, self.work(), |first, out: &mut [T]| {
            let mut merged = vec![none; width];
            for (out, of) in out.chunks_exact_mut(plane).zip(first..) {
                let from = &x[of * image..][..image];
                for (i, (rows, out)) in self.rows.iter().zip(out.chunks_exact_mut(self.last().len())).enumerate() {
                    merged.fill(none);
                    for &row in rows {
                        merged.iter_mut().zip(&from[row..]).for_each(|(to, &x)| *to = pick(*to, x));
                    }
                    for (j, (out, region)) in out.iter_mut().zip(self.last()).enumerate() {
                        let run = merged.get(region.start..).unwrap_or(&[]).iter().step_by(region.step).take(region.count);
                        *out = finish(i * self.last().len() + j, run.fold(none, |a, &b| pick(a, b)));
                    }
                }
            }
        })?;
        Array::new(&self.shape, out)
    }

    /// The largest element of each region, and where in its plane it stands; −1 where there is none.
    fn largest<T: Number>(&self, x: &Array, none: T) -> Result<(Array, Array)> {
        let x = x.contiguous()?;
        let (x, _) = x.span::<T>()?;
        let (image, plane) = self.sizes();
        let (values, indices) = fill_two(self.planes, plane, self.work(), &|first, values: &mut [T], indices: &mut [i64]| {
            for ((values, indices), of) in values.chunks_exact_mut(plane).zip(indices.chunks_exact_mut(plane)).zip(first..) {
                let from = &x[of * image..][..image];
                let width = self.last().len();
                let positions = self.rows.iter().flat_map(|rows| self.last().iter().map(move |region| (rows, region)));
                debug_assert_eq!(plane, self.rows.len() * width);
                for ((value, index), (rows, region)) in values.iter_mut().zip(indices).zip(positions) {
                    (*value, *index) = (none, -1);
                    for at in rows.iter().flat_map(|row| (0..region.count).map(move |n| row + region.start + n * region.step)) {
                        // The first of equals, and the last NaN, as torch.
                        if *index < 0 || from[at] > *value || is_nan(from[at]) {
                            (*value, *index) = (from[at], at as i64);
                        }
                    }
                }
            }
        })?;
        Ok((Array::new(&self.shape, values)?, Array::new(&self.shape, indices)?))
    }

    /// The product over the axes of a number of each region, for each element of a result plane.
    fn product(&self, of: impl Fn(&Region) -> usize) -> Vec<usize> {
        let spatial: Vec<usize> = self.axes.iter().map(Vec::len).collect();
        let values = spatial.iter().product();
        let mut index = unravel(0, &spatial);
        let mut products = Vec::with_capacity(values);
        for _ in 0..values {
            products.push(index.iter().zip(&self.axes).fold(1usize, |product, (&i, axis)| product.saturating_mul(of(&axis[i]))));
            advance(&mut index, &spatial);
        }
        products
    }

    fn mean(&self, x: &Array, divisors: &[f64]) -> Result<Array> {
        widened(&[x], |operands| {
            let x = operands[0];
            each_dtype!(x.dtype(), T: float => {
                let divisors: Vec<T> = divisors.iter().map(|&n| T::of(n)).collect();
                self.combine::<T>(x, T::ZERO, |a, b| a + b, |i, sum| sum / divisors[i])
            })
        })
    }
}

/// The sizes of the axes that are pooled: as many as are asked for, the last ones.
fn spatial<'a>(x: &'a Array, out: &[usize]) -> Result<&'a [usize]> {
    match x.rank().checked_sub(out.len()) {
        Some(leading) if !out.is_empty() => Ok(&x.shape()[leading..]),
        _ => Err(Error::shape(format!("cannot pool {} axes of shape {:?}", out.len(), x.shape()))),
    }
}

/// The lowest value of a dtype: what is less than no other.
fn lowest(dtype: DType) -> f64 {
    if dtype.is_float() { f64::NEG_INFINITY } else { number::limits(dtype).0 }
}

/// The largest element of each region and its index, computed in a wide dtype.
fn largest(regions: &Regions, x: &Array) -> Result<(Array, Array)> {
    if x.dtype() == DType::Bool {
        return Err(DType::not_taken(x.dtype()));
    }
    let (wide, lowest) = (number::widened(x)?, lowest(x.dtype()));
    let (values, indices) = each_dtype!(wide.dtype(), T: wide => regions.largest::<T>(&wide, T::from_f64(lowest))?);
    Ok((values.cast(x.dtype())?, indices))
}

/// The largest element of each window over the last axes: (…, spatial …) → (…, `out` …).
///
/// Padding never wins, NaN always does. `out` says how often the window is put down along each axis; it may hang over the end of
/// the padding (`ceil_mode`), and a window that sees no element at all gives the lowest one.
/// [torch](https://pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html),
/// [ONNX](https://onnx.ai/onnx/operators/onnx__MaxPool.html)
///
/// # Errors
/// [`Shape`](crate::ErrorCode::Shape) for more axes than there are, [`DType`](crate::ErrorCode::DType) for Bool, and as [`Window::check`].
pub fn max_pool(x: &Array, kernel: &[usize], window: &Window, out: &[usize]) -> Result<Array> {
    let regions = Regions::of_window(x, kernel, window, out)?;
    let lowest = lowest(x.dtype());
    number::in_wide_number(
        x,
        |x| each_dtype!(x.dtype(), T: wide => regions.combine::<T>(x, T::from_f64(lowest), number::max, |_, largest| largest)),
    )
}

/// As [`max_pool`], and where each element stood: its index (i64) in the flattened spatial axes of the operand, without padding,
/// as torch's `return_indices`; −1 where a window sees none.
///
/// ONNX counts through batch and channels too: add plane · elements of a plane. Of equals the first is taken.
///
/// # Errors
/// As [`max_pool`].
pub fn max_pool_indices(x: &Array, kernel: &[usize], window: &Window, out: &[usize]) -> Result<(Array, Array)> {
    let regions = Regions::of_window(x, kernel, window, out)?;
    largest(&regions, x)
}

/// The mean of each window over the last axes: (…, spatial …) → (…, `out` …).
///
/// The sum of the elements that a window sees is divided by `divisor` where there is one. Otherwise, with `count_include_pad`, by
/// the size of the window with the padding in it, but without what hangs over the end of the padding; else by how many elements
/// it sees. A window that sees none gives 0.
/// [torch](https://pytorch.org/docs/stable/generated/torch.nn.AvgPool2d.html),
/// [ONNX](https://onnx.ai/onnx/operators/onnx__AveragePool.html)
///
/// # Errors
/// As [`max_pool`]; [`DType`](crate::ErrorCode::DType) unless a float; [`Argument`](crate::ErrorCode::Argument) for a divisor of 0.
pub fn average_pool(
    x: &Array,
    kernel: &[usize],
    window: &Window,
    out: &[usize],
    count_include_pad: bool,
    divisor: Option<i64>,
) -> Result<Array> {
    if divisor == Some(0) {
        return Err(Error::argument("average pooling with divisor 0"));
    }
    let regions = Regions::of_window(x, kernel, window, out)?;
    let counts = regions.product(|region| if count_include_pad { region.padded } else { region.count });
    let divisors: Vec<f64> = counts.into_iter().map(|count| divisor.map_or(count.max(1) as f64, |divisor| divisor as f64)).collect();
    regions.mean(x, &divisors)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(strides: [usize; 2], dilations: [usize; 2], begin: [usize; 2], end: [usize; 2]) -> Window {
        Window { strides: strides.to_vec(), dilations: dilations.to_vec(), pads_begin: begin.to_vec(), pads_end: end.to_vec() }
    }

    fn image(spatial: [usize; 2]) -> Array {
        let n = 2 * spatial[0] * spatial[1];
        Array::new(&[2, spatial[0], spatial[1]], (0..n).map(|i| ((i * 7919) % 101) as f32 - 50.0).collect()).unwrap()
    }

    /// The elements of a window by the definition, `None` for padding; what hangs over the end of the padding is left out.
    fn seen(x: &Array, kernel: [usize; 2], window: &Window, plane: usize, at: [usize; 2]) -> Vec<Option<(f32, i64)>> {
        let (x, mut seen) = (x.view::<f32>().unwrap(), vec![]);
        for a in 0..kernel[0] {
            for b in 0..kernel[1] {
                let position = |axis: usize, n: usize| (at[axis] * window.strides[axis] + n * window.dilations[axis]) as i64;
                let (i, j) = (position(0, a), position(1, b));
                let end = |axis: usize| (x.shape()[axis + 1] + window.pads_begin[axis] + window.pads_end[axis]) as i64;
                if i < end(0) && j < end(1) {
                    let (i, j) = (i - window.pads_begin[0] as i64, j - window.pads_begin[1] as i64);
                    let inside = i >= 0 && j >= 0 && i < x.shape()[1] as i64 && j < x.shape()[2] as i64;
                    seen.push(inside.then(|| (x[[plane, i as usize, j as usize]], i * x.shape()[2] as i64 + j)));
                }
            }
        }
        seen
    }

    #[test]
    fn every_window_is_the_definition() {
        for (spatial, kernel, window, out) in [
            ([6, 7], [3, 3], window([2, 2], [1, 1], [1, 1], [1, 1]), [3, 4]),
            ([6, 7], [3, 2], window([1, 3], [2, 1], [0, 1], [1, 0]), [3, 3]),
            ([5, 5], [2, 2], window([2, 2], [1, 1], [0, 0], [0, 0]), [3, 3]),
            ([5, 9], [3, 4], window([3, 2], [1, 2], [1, 2], [0, 1]), [2, 4]),
        ] {
            let x = image(spatial);
            let (largest, indices) = max_pool_indices(&x, &kernel, &window, &out).unwrap();
            assert_eq!(largest, max_pool(&x, &kernel, &window, &out).unwrap());
            let (with_pad, without) = (
                average_pool(&x, &kernel, &window, &out, true, None).unwrap().to_f64s().unwrap(),
                average_pool(&x, &kernel, &window, &out, false, None).unwrap().to_f64s().unwrap(),
            );
            let by_seven = average_pool(&x, &kernel, &window, &out, false, Some(7)).unwrap().to_f64s().unwrap();
            for i in 0..2 * out[0] * out[1] {
                let all = seen(&x, kernel, &window, i / (out[0] * out[1]), [i / out[1] % out[0], i % out[1]]);
                let values: Vec<_> = all.iter().flatten().collect();
                let (max, at) = values.iter().rev().fold((f32::MIN, -1), |a, b| if b.0 >= a.0 { **b } else { a });
                assert_eq!((largest.to_f64s().unwrap()[i], indices.to_i64s().unwrap()[i]), (max as f64, at));
                let sum: f64 = values.iter().map(|x| x.0 as f64).sum();
                let near = |got: f64, expected: f64| assert!((got - expected).abs() < 1e-4, "{got} is not {expected}");
                near(with_pad[i], sum / all.len() as f64);
                near(without[i], sum / values.len() as f64);
                near(by_seven[i], sum / 7.0);
            }
        }
    }

    #[test]
    fn what_hangs_over_the_padding_is_not_counted() {
        // torch.nn.functional.avg_pool1d(torch.arange(1., 6)[None], 3, 2, 1, ceil_mode=True): the last window of [0 1 2 3 4 5 0]
        // is [4 5 0]; with padding only at the front, as ONNX allows, it is [4 5] and the rest hangs over.
        let x = Array::new(&[1, 5], vec![1f32, 2., 3., 4., 5.]).unwrap();
        let both = Window { strides: vec![2], dilations: vec![1], pads_begin: vec![1], pads_end: vec![1] };
        assert_eq!(average_pool(&x, &[3], &both, &[3], true, None).unwrap().to_f64s().unwrap(), [1.0, 3.0, 3.0]);
        let front = Window { pads_end: vec![0], ..both };
        assert_eq!(average_pool(&x, &[3], &front, &[3], true, None).unwrap().to_f64s().unwrap(), [1.0, 3.0, 4.5]);
    }

    #[test]
    fn padding_never_wins_and_nan_always_does() {
        let x = Array::new(&[1, 4], vec![-5f32, -6.0, f32::NAN, -7.0]).unwrap();
        let window = Window { strides: vec![2], dilations: vec![1], pads_begin: vec![1], pads_end: vec![1] };
        let (values, indices) = max_pool_indices(&x, &[2], &window, &[3]).unwrap();
        assert_eq!(indices.to_i64s().unwrap(), [0, 2, 3]);
        assert_eq!(values.to_f64s().unwrap()[0], -5.0);
        assert!(values.to_f64s().unwrap()[1].is_nan() && max_pool(&x, &[2], &window, &[3]).unwrap().to_f64s().unwrap()[1].is_nan());
        let x = Array::new(&[1, 1], vec![-128i8]).unwrap();
        assert_eq!(max_pool(&x, &[2], &window, &[1]).unwrap().to_i64s().unwrap(), [-128]);
    }

    #[test]
    fn three_axes_and_none_left_over_are_ordinary() {
        let x = Array::new(&[2, 2, 2], (0..8i64).collect()).unwrap();
        let unit = |n: usize| Window { strides: vec![1; n], dilations: vec![1; n], pads_begin: vec![0; n], pads_end: vec![0; n] };
        assert_eq!(max_pool(&x, &[2, 1, 2], &unit(3), &[1, 2, 1]).unwrap().to_i64s().unwrap(), [5, 7]);
        assert!(max_pool(&Array::new::<f32>(&[0, 4], vec![]).unwrap(), &[2], &unit(1), &[3]).unwrap().is_empty());
        assert_eq!(max_pool(&x, &[2], &unit(2), &[1]).unwrap_err().code(), crate::ErrorCode::Argument);
        assert_eq!(max_pool(&x, &[1; 4], &unit(4), &[1; 4]).unwrap_err().code(), crate::ErrorCode::Shape);
        assert_eq!(average_pool(&x, &[2], &unit(1), &[1], false, None).unwrap_err().code(), crate::ErrorCode::DType);
        assert_eq!(max_pool(&Array::vector(vec![true]), &[1], &unit(1), &[1]).unwrap_err().code(), crate::ErrorCode::DType);
    }
}
