//! Resampling along axes: nearest, linear and cubic.

use super::fill::fill;
use crate::array::{Array, DType, Element, count};
use crate::error::{Error, Result};

/// How a place in the result is carried back to the input. The names are ONNX's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coordinates {
    /// (x + ½) / scale − ½
    HalfPixel,
    /// As half pixel, but 0 where the result has one place.
    PytorchHalfPixel,
    /// x · (in − 1) / (out − 1)
    AlignCorners,
    /// x / scale
    Asymmetric,
}

/// What stands between the numbers of the input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Interpolation {
    /// The nearest one, by this rule of rounding.
    Nearest(Rounding),
    /// The line through two neighbours.
    Linear,
    /// The cubic through four neighbours, with this coefficient.
    Cubic(f64),
}

/// Which of two neighbours is nearest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rounding {
    /// The lower one of two as near.
    PreferFloor,
    /// The upper one of two as near.
    PreferCeil,
    /// The lower one.
    Floor,
    /// The upper one.
    Ceil,
}

/// The new length of one axis, and the scale that is used for its places.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// The axis.
    pub axis: usize,
    /// Its length in the result.
    pub length: usize,
    /// Result over input.
    pub scale: f64,
}

/// Resamples axes one after the other; floats only, halves by the caller.
///
/// [ONNX Resize](https://onnx.ai/onnx/operators/onnx__Resize.html), [torch.nn.functional.interpolate](https://pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html)
///
/// # Errors
/// [`Argument`](crate::Code::Argument) where an axis is empty or a scale is not positive.
pub fn resize(x: &Array, scales: &[Scale], coordinates: Coordinates, interpolation: Interpolation) -> Result<Array> {
    scales.iter().try_fold(x.clone(), |x, scale| {
        let length = *x.shape().get(scale.axis).ok_or_else(|| Error::argument(format!("axis {} of rank {}", scale.axis, x.rank())))?;
        if length == 0 || !scale.scale.is_finite() || scale.scale <= 0.0 {
            return Err(Error::argument(format!("axis {} of length {length} resized by {}", scale.axis, scale.scale)));
        }
        let taps: Vec<Vec<(usize, f64)>> = (0..scale.length).map(|i| taps(i, length, scale, coordinates, interpolation)).collect();
        if taps.len() == length && taps.iter().enumerate().all(|(i, taps)| matches!(taps.as_slice(), [(j, w)] if *j == i && *w == 1.0)) {
            return Ok(x);
        }
        match (x.dtype(), interpolation) {
            (DType::F32, _) => weigh::<f32>(&x, scale.axis, &taps),
            (DType::F64, _) => weigh::<f64>(&x, scale.axis, &taps),
            (_, Interpolation::Nearest(_)) => {
                let index = taps.iter().map(|taps| taps.first().map_or(0, |tap| tap.0 as i64)).collect();
                super::gather::gather(&x, &Array::vector(index), scale.axis)
            }
            (other, _) => Err(DType::not_taken(other)),
        }
    })
}

/// The places of the input that make one place of the result, with their weights.
fn taps(i: usize, length: usize, scale: &Scale, coordinates: Coordinates, interpolation: Interpolation) -> Vec<(usize, f64)> {
    let place = i as f64;
    let source = match coordinates {
        Coordinates::HalfPixel => (place + 0.5) / scale.scale - 0.5,
        Coordinates::PytorchHalfPixel if scale.length == 1 => 0.0,
        Coordinates::PytorchHalfPixel => (place + 0.5) / scale.scale - 0.5,
        Coordinates::AlignCorners if scale.length == 1 => 0.0,
        Coordinates::AlignCorners => place * (length as f64 - 1.0) / (scale.length as f64 - 1.0),
        Coordinates::Asymmetric => place / scale.scale,
    };
    let clamp = |at: f64| at.clamp(0.0, length as f64 - 1.0) as usize;
    let floor = source.floor();
    let rest = source - floor;
    let mut taps: Vec<(usize, f64)> = match interpolation {
        Interpolation::Nearest(rounding) => {
            let nearest = match rounding {
                Rounding::Floor => floor,
                Rounding::Ceil => source.ceil(),
                Rounding::PreferFloor => (source - 0.5).ceil(),
                Rounding::PreferCeil => (source + 0.5).floor(),
            };
            return vec![(clamp(nearest), 1.0)];
        }
        Interpolation::Linear => vec![(clamp(floor), 1.0 - rest), (clamp(floor + 1.0), rest)],
        Interpolation::Cubic(a) => {
            let near = |t: f64| ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0;
            let far = |t: f64| ((a * t - 5.0 * a) * t + 8.0 * a) * t - 4.0 * a;
            vec![
                (clamp(floor - 1.0), far(rest + 1.0)),
                (clamp(floor), near(rest)),
                (clamp(floor + 1.0), near(1.0 - rest)),
                (clamp(floor + 2.0), far(2.0 - rest)),
            ]
        }
    };
    taps.retain(|tap| tap.1 != 0.0);
    taps
}

/// Weighted sums along one axis.
fn weigh<T: Element + num_traits::Float + Send>(x: &Array, axis: usize, taps: &[Vec<(usize, f64)>]) -> Result<Array> {
    let mut shape = x.shape().to_vec();
    let length = shape[axis];
    shape[axis] = taps.len();
    count(&shape)?;
    let (outer, inner): (usize, usize) = (shape[..axis].iter().product(), shape[axis + 1..].iter().product());
    let x = x.contiguous();
    let view = x.view::<T>()?;
    let numbers = view.as_slice().ok_or_else(|| Error::internal("a contiguous array that is not"))?;
    let slab = inner * taps.len();
    let out = fill(outer, slab, slab, |first, out: &mut [T]| {
        for (out, from) in out.chunks_exact_mut(slab).zip(numbers[first * length * inner..].chunks_exact((length * inner).max(1))) {
            for (line, taps) in out.chunks_exact_mut(inner).zip(taps) {
                for &(i, weight) in taps {
                    let weight = num_traits::NumCast::from(weight).unwrap_or(T::zero());
                    line.iter_mut().zip(&from[i * inner..(i + 1) * inner]).for_each(|(sum, &x)| *sum = *sum + x * weight);
                }
            }
        }
    })?;
    Array::new(&shape, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(length: usize, coordinates: Coordinates, interpolation: Interpolation) -> Vec<f64> {
        let x = Array::new(&[1, 1, 4], vec![1.0f64, 2.0, 3.0, 4.0]).unwrap();
        resize(&x, &[Scale { axis: 2, length, scale: length as f64 / 4.0 }], coordinates, interpolation).unwrap().to_f64s()
    }

    #[test]
    fn places_are_carried_back_as_onnx_says() {
        // The examples of the ONNX page, one row of each.
        assert_eq!(line(8, Coordinates::HalfPixel, Interpolation::Linear), [1.0, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 4.0]);
        assert_eq!(line(2, Coordinates::HalfPixel, Interpolation::Linear), [1.5, 3.5]);
        assert_eq!(line(7, Coordinates::AlignCorners, Interpolation::Linear), [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0]);
        assert_eq!(line(8, Coordinates::Asymmetric, Interpolation::Nearest(Rounding::Floor)), [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0]);
        assert_eq!(line(1, Coordinates::AlignCorners, Interpolation::Linear), [1.0]);
    }

    #[test]
    fn a_cubic_keeps_the_numbers_that_it_passes() {
        let wide = line(7, Coordinates::AlignCorners, Interpolation::Cubic(-0.75));
        for (i, expected) in [1.0, 2.0, 3.0, 4.0].into_iter().enumerate() {
            assert!((wide[2 * i] - expected).abs() < 1e-12);
        }
    }
}
