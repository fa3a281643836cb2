//! Convolutions: matrix products over columns of the image, gathered block by block.

use super::conv_layer::{Layer, matrix, misshapen};
use super::direct;
use super::fill::zeros;
use super::half_precision::widened;
use super::im2col::Columns;
use super::matmul::product;
use super::product::serial_product;
use super::real::Real;
use super::threads::{threads, try_each};
use crate::array::Array;
use crate::each_dtype;
use crate::error::Result;
use ndarray::{ArrayViewMut2, ArrayViewMut3, Axis};

pub use super::conv_transpose::conv_transpose;
pub use super::window::Window;

/// Elements of the columns that a thread gathers at a time: they stay in its cache.
const COLUMNS: usize = 1 << 18;
/// Positions below which reading the weights again costs more than the gathered columns save.
const POSITIONS: usize = 256;

/// The convolution of `x` (batch, in, spatial …) by `w` (out, in / groups, kernel …), plus a bias (out): (batch, out, steps …).
///
/// Any number of spatial axes from 1. As torch's [conv2d](https://pytorch.org/docs/stable/generated/torch.nn.functional.conv2d.html)
/// and ONNX [Conv](https://onnx.ai/onnx/operators/onnx__Conv.html), the kernel is not mirrored.
///
/// # Errors
/// [`Shape`](crate::ErrorCode::Shape) where channels, groups or sizes do not fit, [`DType`](crate::ErrorCode::DType) unless all are one
/// float dtype, and as [`Window::steps`].
pub fn conv(x: &Array, w: &Array, bias: Option<&Array>, window: &Window, groups: usize) -> Result<Array> {
    let operands: Vec<&Array> = [x, w].into_iter().chain(bias).collect();
    widened(&operands, |operands| {
        let layer = Layer::new(operands[0], operands[1], operands.get(2).copied(), window, groups)?;
        let contiguous = operands.iter().map(|operand| operand.contiguous()).collect::<Result<Vec<Array>>>()?;
        each_dtype!(contiguous[0].dtype(), T: float => {
            let (x, _) = contiguous[0].span::<T>()?;
            let (w, _) = contiguous[1].span::<T>()?;
            let bias = contiguous.get(2).map(|bias| bias.span::<T>()).transpose()?.map(|(bias, _)| bias);
            Array::new(&layer.shape(), layer.run(&x, &w, bias.as_deref())?)
        })
    })
}

impl Layer<'_> {
    fn run<T: Real>(&self, x: &[T], w: &[T], bias: Option<&[T]>) -> Result<Vec<T>> {
        let (image, plane) = (self.spatial.iter().product::<usize>(), self.steps.iter().product::<usize>());
        let (depth, sheets) = (self.channels * self.kernel.iter().product::<usize>(), self.batch * self.groups);
        if depth > 0 && direct::suits(self) {
            return direct::conv(self, x, w, bias);
        }
        let mut out = zeros::<T>(sheets * self.filters * plane)?;
        if out.is_empty() {
            return Ok(out);
        }
        if let Some(bias) = bias {
            out.chunks_exact_mut(plane).zip(bias.iter().cycle()).for_each(|(plane, &bias)| plane.fill(bias));
        }
        let add = bias.is_some();
        let weights = |group: usize| matrix(self.filters, depth, &w[group * self.filters * depth..]);
        let mut view = ArrayViewMut3::from_shape((sheets, self.filters, plane), &mut out[..]).map_err(misshapen)?;
        if depth == 0 {
            return Ok(out);
        }
        if self.is_pointwise() {
            let sheets: Vec<_> = view.outer_iter_mut().enumerate().collect();
            try_each(
                sheets,
                || (),
                |_, (sheet, out)| {
                    product(weights(sheet % self.groups)?, matrix(depth, plane, &x[sheet * depth * plane..])?, add, out);
                    Ok(())
                },
            )?;
            return Ok(out);
        }
        let threads = threads();
        let share = plane.div_ceil((4 * threads).div_ceil(sheets));
        let width = share.max(POSITIONS).min((COLUMNS / depth).max(POSITIONS));
        let mut blocks = Vec::new();
        for (sheet, out) in view.outer_iter_mut().enumerate() {
            strips(out, width).into_iter().enumerate().for_each(|(i, out)| blocks.push((sheet, i * width, out)));
        }
        let multiply = if blocks.len() < 2 * threads { product } else { serial_product };
        let columns = Columns::new(self.window, &self.kernel, &self.spatial, &self.steps);
        let taps = depth / self.channels;
        try_each(blocks, Vec::new, |gathered: &mut Vec<T>, (sheet, first, out)| {
            let width = out.ncols();
            gathered.resize(depth * width, T::ZERO);
            for (row, to) in gathered.chunks_exact_mut(width).enumerate() {
                let channel = sheet * self.channels + row / taps;
                columns.gather(&x[channel * image..][..image], row % taps, first, to);
            }
            multiply(weights(sheet % self.groups)?, matrix(depth, width, gathered)?, add, out);
            Ok(())
        })?;
        Ok(out)
    }
}

/// A matrix cut into strips of so many columns, the last with up to half as many more.
fn strips<T>(mut matrix: ArrayViewMut2<'_, T>, width: usize) -> Vec<ArrayViewMut2<'_, T>> {
    let mut strips = Vec::with_capacity(matrix.ncols().div_ceil(width));
    while matrix.ncols() > width + width / 2 {
        let (strip, rest) = matrix.split_at(Axis(1), width);
        strips.push(strip);
        matrix = rest;
    }
    strips.push(matrix);
    strips
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::{DType, Tolerance, compare};

    /// Small integers without pattern, so that every sum is exact.
    fn noise(shape: &[usize], seed: usize) -> Array {
        Array::new(shape, (0..shape.iter().product::<usize>()).map(|i| ((i * 7919 + seed * 104729) % 17) as f64 - 8.0).collect()).unwrap()
    }

    fn window(axes: usize, pick: impl Fn(usize) -> [usize; 4]) -> Window {
        let part = |n: usize| (0..axes).map(|axis| pick(axis)[n]).collect();
        Window { strides: part(0), dilations: part(1), pads_begin: part(2), pads_end: part(3) }
    }

    /// Every index of a shape.
    fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
        (0..shape.iter().product()).map(|i| super::super::take::unravel(i, shape).to_vec()).collect()
    }

    /// Calls back with (position in the image, position in the result, tap) for each element that a window sees.
    fn pairs(spatial: &[usize], kernel: &[usize], steps: &[usize], window: &Window, mut visit: impl FnMut(&[usize], &[usize], &[usize])) {
        for step in indices(steps) {
            for tap in indices(kernel) {
                let position: Option<Vec<usize>> = (0..kernel.len())
                    .map(|axis| {
                        let at = step[axis] * window.strides[axis] + tap[axis] * window.dilations[axis];
                        at.checked_sub(window.pads_begin[axis]).filter(|&at| at < spatial[axis])
                    })
                    .collect();
                if let Some(position) = position {
                    visit(&position, &step, &tap);
                }
            }
        }
    }

    /// The definition: y[n, m, step] = bias[m] + Σ over channels and taps of x · w; transposed, the roles of x and y change.
    fn by_definition(x: &Array, w: &Array, bias: &Array, window: &Window, groups: usize, y: &[usize], transposed: bool) -> Array {
        let (x, w, bias) = (x.view::<f64>().unwrap(), w.view::<f64>().unwrap(), bias.view::<f64>().unwrap());
        let mut out = ndarray::ArrayD::<f64>::zeros(y);
        out.indexed_iter_mut().for_each(|(index, y)| *y = bias[[index[1]]]);
        let (wide, narrow) = if transposed { (y, x.shape()) } else { (x.shape(), y) };
        let (of_wide, of_narrow) = (wide[1] / groups, narrow[1] / groups);
        for n in 0..y[0] {
            for group in 0..groups {
                for (a, b) in (0..of_wide).flat_map(|a| (0..of_narrow).map(move |b| (a, b))) {
                    pairs(&wide[2..], &w.shape()[2..], &narrow[2..], window, |position, step, tap| {
                        let wide = [&[n, group * of_wide + a], position].concat();
                        let narrow = [&[n, group * of_narrow + b], step].concat();
                        let weight = w[&[&[group * of_narrow + b, a], tap].concat()[..]];
                        if transposed {
                            out[&wide[..]] += x[&narrow[..]] * weight;
                        } else {
                            out[&narrow[..]] += x[&wide[..]] * weight;
                        }
                    });
                }
            }
        }
        out.into()
    }

    /// (batch, groups, channels and filters a group, kernel, sizes, window)
    type Case = (usize, usize, usize, usize, Vec<usize>, Vec<usize>, Window);

    fn cases() -> Vec<Case> {
        let plain = |axes| window(axes, |_| [1, 1, 0, 0]);
        vec![
            (2, 1, 3, 5, vec![3, 3], vec![7, 9], window(2, |_| [1, 1, 1, 1])),
            (1, 1, 2, 4, vec![3, 2], vec![8, 9], window(2, |axis| [2 - axis, 1 + axis, axis, 2])),
            (2, 2, 3, 3, vec![2, 3], vec![6, 11], window(2, |axis| [2, 1, 1 - axis, axis])),
            (2, 4, 1, 1, vec![3, 3], vec![9, 40], window(2, |_| [1, 1, 1, 1])),
            (1, 3, 1, 2, vec![3, 5], vec![9, 11], window(2, |axis| [2, 2, 3 - axis, 1])),
            (1, 2, 1, 1, vec![2, 2], vec![3, 70], window(2, |_| [3, 1, 0, 0])),
            (1, 1, 4, 1, vec![3, 3], vec![5, 5], window(2, |_| [1, 1, 1, 1])),
            (2, 1, 8, 6, vec![1, 1], vec![5, 4], plain(2)),
            (2, 2, 4, 3, vec![1, 1], vec![5, 4], window(2, |_| [2, 1, 0, 0])),
            (1, 1, 2, 3, vec![4], vec![13], window(1, |_| [2, 2, 3, 0])),
            (2, 3, 1, 1, vec![5], vec![50], window(1, |_| [1, 1, 4, 0])),
            (1, 1, 2, 3, vec![2, 3, 2], vec![4, 5, 6], window(3, |axis| [1 + axis % 2, 1, axis, 1])),
            (1, 2, 1, 1, vec![2, 2, 2], vec![3, 3, 3], plain(3)),
            (1, 1, 1, 3, vec![2, 1, 2, 1], vec![3, 2, 3, 2], plain(4)),
            (1, 1, 1, 3, vec![3], vec![1], window(1, |_| [1, 1, 2, 2])),
            // Nearly all of it is padding.
            (1, 1, 1, 1, vec![3, 3], vec![4, 4], window(2, |_| [334, 1, 1000, 1000])),
            (1, 1, 3, 40, vec![3, 3], vec![40, 41], window(2, |_| [1, 1, 1, 1])),
        ]
    }

    #[test]
    fn every_convolution_is_the_definition() {
        for (i, (batch, groups, channels, filters, kernel, spatial, window)) in cases().into_iter().enumerate() {
            let x = noise(&[&[batch, groups * channels], &spatial[..]].concat(), i);
            let w = noise(&[&[groups * filters, channels], &kernel[..]].concat(), i + 1);
            let bias = noise(&[groups * filters], i + 2);
            let steps = window.steps(&kernel, &spatial).unwrap();
            let expected = by_definition(&x, &w, &bias, &window, groups, &[&[batch, groups * filters], &steps[..]].concat(), false);
            assert_eq!(conv(&x, &w, Some(&bias), &window, groups).unwrap(), expected, "case {i}");
            // Backwards in memory, as singles, without a bias.
            let axes: Vec<usize> = (0..x.rank()).rev().collect();
            let transposed = x.permute(&axes).unwrap().contiguous().unwrap().permute(&axes).unwrap();
            let zeros = Array::new(bias.shape(), vec![0f64; bias.len()]).unwrap();
            let expected = by_definition(&x, &w, &zeros, &window, groups, expected.shape(), false).cast(DType::F32).unwrap();
            assert_eq!(
                conv(&transposed.cast(DType::F32).unwrap(), &w.cast(DType::F32).unwrap(), None, &window, groups).unwrap(),
                expected,
                "case {i}"
            );
        }
    }

    #[test]
    fn every_transposed_convolution_is_the_definition() {
        for (i, (batch, groups, channels, filters, kernel, spatial, window)) in cases().into_iter().enumerate() {
            let x = noise(&[&[batch, groups * channels], &spatial[..]].concat(), i);
            let w = noise(&[&[groups * channels, filters], &kernel[..]].concat(), i + 1);
            let bias = noise(&[groups * filters], i + 2);
            let padding: Vec<usize> = window.strides.iter().map(|stride| stride - 1).collect();
            let Ok(result) = window.unsteps(&kernel, &spatial, &padding) else { continue };
            let expected = by_definition(&x, &w, &bias, &window, groups, &[&[batch, groups * filters], &result[..]].concat(), true);
            assert_eq!(conv_transpose(&x, &w, Some(&bias), &window, groups, &padding).unwrap(), expected, "case {i}");
        }
    }

    #[test]
    fn a_kernel_is_not_mirrored() {
        let x = Array::new(&[1, 1, 4], vec![1f32, 2.0, 3.0, 4.0]).unwrap();
        let w = Array::new(&[1, 1, 2], vec![1f32, 10.0]).unwrap();
        assert_eq!(conv(&x, &w, None, &window(1, |_| [1, 1, 0, 0]), 1).unwrap().to_f64s().unwrap(), [21.0, 32.0, 43.0]);
    }

    #[test]
    fn nothing_convolves_to_nothing_or_the_bias() {
        let none = |shape: &[usize]| Array::new::<f32>(shape, vec![]).unwrap();
        let plain = window(2, |_| [1, 1, 0, 0]);
        let w = Array::new(&[2, 3, 1, 1], vec![1f32; 6]).unwrap();
        assert_eq!(conv(&none(&[0, 3, 4, 4]), &w, None, &plain, 1).unwrap().shape(), [0, 2, 4, 4]);
        let bias = Array::vector(vec![1f32, 2.0]);
        assert_eq!(conv(&none(&[1, 0, 1, 1]), &none(&[2, 0, 1, 1]), Some(&bias), &plain, 1).unwrap().to_f64s().unwrap(), [1.0, 2.0]);
        assert_eq!(
            conv_transpose(&none(&[1, 0, 1, 1]), &none(&[0, 2, 1, 1]), Some(&bias), &plain, 1, &[0, 0]).unwrap().to_f64s().unwrap(),
            [1.0, 2.0]
        );
    }

    #[test]
    fn what_does_not_fit_is_refused_by_code() {
        let (x, w) = (noise(&[1, 4, 5, 5], 0), noise(&[6, 2, 3, 3], 1));
        let plain = window(2, |_| [1, 1, 0, 0]);
        let code =
            |x: &Array, w: &Array, bias: Option<&Array>, window: &Window, groups| conv(x, w, bias, window, groups).unwrap_err().code();
        assert!(conv(&x, &w, None, &plain, 2).is_ok());
        assert_eq!(code(&x, &w, None, &plain, 1), crate::ErrorCode::Shape);
        assert_eq!(code(&x, &w, None, &plain, 0), crate::ErrorCode::Shape);
        assert_eq!(code(&x, &w, Some(&noise(&[5], 0)), &plain, 2), crate::ErrorCode::Shape);
        assert_eq!(code(&x, &w, None, &window(1, |_| [1, 1, 0, 0]), 2), crate::ErrorCode::Argument);
        assert_eq!(code(&x, &w, None, &window(2, |_| [0, 1, 0, 0]), 2), crate::ErrorCode::Argument);
        assert_eq!(code(&x, &w, None, &window(2, |_| [1, 3, 0, 0]), 2), crate::ErrorCode::Shape);
        assert_eq!(code(&x, &w.cast(DType::F32).unwrap(), None, &plain, 2), crate::ErrorCode::DType);
        assert_eq!(code(&x.cast(DType::I32).unwrap(), &w.cast(DType::I32).unwrap(), None, &plain, 2), crate::ErrorCode::DType);
        assert_eq!(code(&noise(&[4], 0), &noise(&[4], 0), None, &plain, 2), crate::ErrorCode::Shape);
        assert_eq!(conv_transpose(&x, &w, None, &plain, 2, &[0, 0]).unwrap_err().code(), crate::ErrorCode::Shape);
    }

    #[test]
    fn halves_are_summed_as_singles() {
        let (x, w) = (noise(&[1, 4, 9, 9], 5), noise(&[4, 4, 3, 3], 6));
        let plain = window(2, |_| [1, 1, 0, 0]);
        let exact = conv(&x, &w, None, &plain, 1).unwrap();
        assert_eq!(
            conv(&x.cast(DType::BF16).unwrap(), &w.cast(DType::BF16).unwrap(), None, &plain, 1).unwrap(),
            exact.cast(DType::BF16).unwrap()
        );
    }

    #[test]
    fn threads_do_not_show() {
        let thirds = |shape: &[usize], seed| Array::from(noise(shape, seed).view::<f64>().unwrap().mapv(|x| (x / 3.0) as f32));
        let padded = |stride| window(2, |_| [stride, 1, 1, 1]);
        for (x, w, window, groups) in [
            (thirds(&[1, 16, 50, 47], 1), thirds(&[40, 16, 3, 3], 2), padded(1), 1),
            (thirds(&[3, 8, 31, 33], 3), thirds(&[36, 4, 3, 3], 4), padded(2), 2),
            (thirds(&[2, 24, 40, 40], 5), thirds(&[24, 1, 3, 3], 6), padded(1), 24),
            (thirds(&[1, 64, 7, 7], 7), thirds(&[130, 64, 3, 3], 8), padded(1), 1),
        ] {
            let run = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| conv(&x, &w, None, &window, groups).unwrap())
            };
            let (one, two, five) = (run(1), run(2), run(5));
            assert_eq!(one, two);
            assert_eq!(one, five);
            let double =
                conv(&x.cast(DType::F64).unwrap(), &w.cast(DType::F64).unwrap(), None, &window, groups).unwrap().cast(DType::F32).unwrap();
            assert!(compare(&one, &double, Tolerance { abs: 1e-3, rel: 1e-5 }).unwrap().agrees);
        }
    }
}
