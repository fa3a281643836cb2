//! An image read at positions that another tensor names.

use super::real::Real;
use crate::array::{Array, DType, count};
use crate::error::{Error, Result};

/// How a value is computed from the pixels around a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// From the two nearest along each axis, by distance.
    Linear,
    /// The nearest; the even one of two as near.
    Nearest,
    /// From the four nearest along each axis, by a cubic with a = −0.75.
    Cubic,
}

/// What stands outside the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GridPadding {
    /// Zeros.
    Zeros,
    /// The nearest pixel of the border.
    Border,
    /// The image mirrored at its border.
    Reflection,
}

/// A function of f64 whose result any float has where it has the argument.
fn exactly<T: Real>(x: T, f: impl Fn(f64) -> f64) -> T {
    T::of(f(x.widen()))
}

/// The coordinate −1…1 of a grid as a position on an axis of this size.
fn position<T: Real>(x: T, length: usize, corners: bool) -> T {
    let (n, one, two) = (T::of(length as f64), T::of(1.0), T::of(2.0));
    if corners { (x + one) / two * (n - one) } else { ((x + one) * n - one) / two }
}

/// A position clamped or reflected to the inside, where the border or mirrors do that.
fn inside<T: Real>(x: T, length: usize, outside: GridPadding, corners: bool) -> T {
    let last = length as f64 - 1.0;
    let clamped = |x: T| exactly(x, |x| x.clamp(0.0, last));
    match outside {
        GridPadding::Zeros => x,
        GridPadding::Border => clamped(x),
        GridPadding::Reflection => {
            let (low, span) = if corners { (0.0, last) } else { (-0.5, length as f64) };
            if span <= 0.0 {
                return T::of(0.0);
            }
            let (low, span) = (T::of(low), T::of(span));
            let distance = exactly(x - low, f64::abs);
            let (flips, rest) = ((distance / span).widen().floor(), exactly(distance, |x| x % span.widen()));
            clamped(if flips % 2.0 == 0.0 { rest + low } else { span - rest + low })
        }
    }
}

/// The weights of four neighbours at a fraction between the second and the third.
fn cubic<T: Real>(t: T) -> [T; 4] {
    let (a, one, two) = (T::of(-0.75), T::of(1.0), T::of(2.0));
    let near = |x: T| ((a + two) * x - (a + T::of(3.0))) * x * x + one;
    let far = |x: T| ((a * x - T::of(5.0) * a) * x + T::of(8.0) * a) * x - T::of(4.0) * a;
    [far(t + one), near(t), near(one - t), far(two - t)]
}

/// The pixels along one axis that a position reads, with their weights; `None` for one outside.
fn taps<T: Real>(x: T, length: usize, sampling: Sampling, outside: GridPadding, corners: bool) -> Vec<(Option<usize>, f64)> {
    let pixel = |x: T| Some(x.widen()).filter(|&x| x >= 0.0 && x < length as f64).map(|x| x as usize);
    let (at, one) = (position(x, length, corners), T::of(1.0));
    match sampling {
        Sampling::Nearest => vec![(pixel(exactly(inside(at, length, outside, corners), f64::round_ties_even)), 1.0)],
        Sampling::Linear => {
            let at = inside(at, length, outside, corners);
            let low = exactly(at, f64::floor);
            vec![(pixel(low), (low + one - at).widen()), (pixel(low + one), (at - low).widen())]
        }
        Sampling::Cubic => {
            let low = exactly(at, f64::floor);
            let weights = cubic(at - low);
            (0..4)
                .map(|i| (pixel(inside(low - one + T::of(f64::from(i)), length, outside, corners)), weights[i as usize].widen()))
                .collect()
        }
    }
}

/// (batch, channels, sizes …) read at a grid (batch, out …, axes), whose last axis counts from the last spatial axis: → (batch, channels, out …).
///
/// [ONNX GridSample](https://onnx.ai/onnx/operators/onnx__GridSample.html). A position that is no number reads zeros.
///
/// # Errors
/// [`Shape`](crate::ErrorCode::Shape) where image and grid do not fit.
pub fn grid_sample(x: &Array, grid: &Array, sampling: Sampling, outside: GridPadding, corners: bool) -> Result<Array> {
    let misfit = || Error::shape(format!("a grid of shape {:?} does not fit an image of shape {:?}", grid.shape(), x.shape()));
    let axes = x.rank().checked_sub(2).filter(|&axes| axes > 0 && grid.rank() == axes + 2).ok_or_else(misfit)?;
    let (batch, channels) = (x.shape()[0], x.shape()[1]);
    let spatial = &x.shape()[2..];
    let out = &grid.shape()[1..=axes];
    if grid.shape()[0] != batch || grid.shape()[axes + 1] != axes {
        return Err(misfit());
    }
    let (plane, positions) = (count(spatial)?, count(out)?);
    let shape = [&[batch, channels], out].concat();
    let mut result = vec![0f64; count(&shape)?];
    let (pixels, points) = (x.to_f64s()?, grid.to_f64s()?);
    for sample in 0..batch {
        for at in 0..positions {
            let point = &points[(sample * positions + at) * axes..][..axes];
            if point.iter().any(|x| !x.is_finite()) {
                continue;
            }
            // Every combination of taps, with the product of their weights.
            let mut reads = vec![(0usize, 1f64)];
            for (axis, &length) in spatial.iter().enumerate() {
                let at = point[axes - 1 - axis];
                let taps = match grid.dtype() {
                    DType::F64 => taps(at, length, sampling, outside, corners),
                    _ => taps(at as f32, length, sampling, outside, corners),
                };
                let along = |&(offset, weight): &(usize, f64)| {
                    taps.iter().filter_map(move |&(pixel, w)| Some((offset * length + pixel?, weight * w))).collect::<Vec<_>>()
                };
                reads = reads.iter().flat_map(along).collect();
            }
            for channel in 0..channels {
                let image = &pixels[(sample * channels + channel) * plane..][..plane];
                result[(sample * channels + channel) * positions + at] = reads.iter().map(|&(offset, weight)| image[offset] * weight).sum();
            }
        }
    }
    Array::new(&shape, result)?.cast(x.dtype())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_between_pixels_are_weighted() {
        let x = Array::new(&[1, 1, 2, 2], vec![0f32, 1.0, 2.0, 3.0]).unwrap();
        let at = |x: f32, y: f32| Array::new(&[1, 1, 1, 2], vec![x, y]).unwrap();
        let read =
            |grid: &Array, sampling, outside, corners| grid_sample(&x, grid, sampling, outside, corners).unwrap().to_f64s().unwrap()[0];
        assert_eq!(read(&at(0.0, 0.0), Sampling::Linear, GridPadding::Zeros, true), 1.5);
        assert_eq!(read(&at(-1.0, -1.0), Sampling::Linear, GridPadding::Zeros, false), 0.0);
        assert_eq!(read(&at(1.0, 1.0), Sampling::Linear, GridPadding::Zeros, false), 0.75);
        assert_eq!(read(&at(1.0, 1.0), Sampling::Linear, GridPadding::Border, false), 3.0);
        assert_eq!(read(&at(9.0, 1.0), Sampling::Nearest, GridPadding::Border, true), 3.0);
        assert_eq!(read(&at(3.0, 1.0), Sampling::Nearest, GridPadding::Reflection, true), 2.0);
    }
}
