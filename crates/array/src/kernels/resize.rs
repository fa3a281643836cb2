//! Resampling along axes: nearest, linear and cubic.

use super::fill::fill;
use super::real::Real;
use crate::array::{Array, DType, count};
use crate::error::{Error, Result};
use std::ops::Range;

/// How a position in the result is carried back to the input. The names are ONNX's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Coordinates {
    /// (x + ½) / scale − ½
    HalfPixel,
    /// As half pixel, but 0 where the result has one position.
    PytorchHalfPixel,
    /// As half pixel, about the middle of the axis where the size is not that of the scale.
    HalfPixelSymmetric,
    /// x · (in − 1) / (out − 1), with the out of the scale, which need not be whole.
    AlignCorners,
    /// x / scale
    Asymmetric,
    /// As align corners, in a part of the axis.
    Crop,
}

/// What stands between the elements of the input.
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

/// The new size of one axis, and the scale that is used for its positions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// The axis.
    pub axis: usize,
    /// Its size in the result.
    pub length: usize,
    /// Result over input.
    pub scale: f64,
    /// The part of the axis that is cropped, where it is: from 0 to 1.
    pub part: (f64, f64),
}

/// How an axis is resampled. The names are those of ONNX's attributes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// How positions are carried back.
    pub coordinates: Coordinates,
    /// What stands between the elements.
    pub interpolation: Interpolation,
    /// Whether a kernel grows with what it has to leave out.
    pub antialias: bool,
    /// Whether neighbours outside have no weight, instead of being that at the border.
    pub exclude_outside: bool,
    /// What a position outside gives that a crop reads.
    pub extrapolation: f64,
}

impl Rule {
    /// Plain resampling.
    pub fn new(coordinates: Coordinates, interpolation: Interpolation) -> Rule {
        Rule { coordinates, interpolation, antialias: false, exclude_outside: false, extrapolation: 0.0 }
    }
}

/// Resamples axes one after the other; floats only, halves by the caller.
///
/// [ONNX Resize](https://onnx.ai/onnx/operators/onnx__Resize.html), [torch.nn.functional.interpolate](https://pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html)
///
/// # Errors
/// [`Argument`](crate::ErrorCode::Argument) where an axis is empty or a scale is not positive.
pub fn resize(x: &Array, scales: &[Scale], rule: Rule) -> Result<Array> {
    scales.iter().try_fold(x.clone(), |x, scale| {
        let length = *x
            .shape()
            .get(scale.axis)
            .ok_or_else(|| Error::argument(format!("axis {} is out of range for rank {}", scale.axis, x.rank())))?;
        if length == 0 || !scale.scale.is_finite() || scale.scale <= 0.0 {
            return Err(Error::argument(format!("axis {} of size {length} cannot be resized by {}", scale.axis, scale.scale)));
        }
        let longest = if rule.antialias { (2.0 / scale.scale).ceil() * scale.length as f64 } else { 0.0 };
        if longest > LONGEST {
            return Err(Error::too_big(format!("axis {} of size {length} cannot be resized by {}", scale.axis, scale.scale)));
        }
        let axis = Axis { length, scale, rule: &rule };
        if axis.is_unchanged() {
            return Ok(x);
        }
        match (x.dtype(), rule.interpolation) {
            (DType::F32, _) => weigh::<f32>(&x, &axis, rule.extrapolation as f32),
            (DType::F64, _) => weigh::<f64>(&x, &axis, rule.extrapolation),
            (_, Interpolation::Nearest(_)) => {
                let mut taps = Taps::default();
                axis.taps(0..scale.length, &mut taps);
                if taps.lines().any(|line| line.is_none()) {
                    return Err(DType::not_taken(x.dtype()));
                }
                super::gather::gather(&x, &Array::vector(taps.taps.iter().map(|tap| tap.0 as i64).collect()), scale.axis)
            }
            (other, _) => Err(DType::not_taken(other)),
        }
    })
}

/// An axis of some length that is resampled.
#[derive(Clone, Copy)]
struct Axis<'a> {
    length: usize,
    scale: &'a Scale,
    rule: &'a Rule,
}

impl Axis<'_> {
    /// Whether each position of the result is that of the input.
    fn is_unchanged(&self) -> bool {
        let mut taps = Vec::new();
        self.scale.length == self.length
            && (0..self.length).all(|i| {
                taps.clear();
                self.tap(i, &mut taps) && matches!(taps.as_slice(), [(j, weight)] if *j == i && *weight == 1.0)
            })
    }

    /// Replaces `taps` by those of some positions of the result.
    fn taps(&self, positions: Range<usize>, taps: &mut Taps) {
        taps.ends.clear();
        taps.taps.clear();
        for i in positions {
            let is_inside = self.tap(i, &mut taps.taps);
            taps.ends.push((taps.taps.len(), is_inside));
        }
    }

    fn tap(&self, i: usize, taps: &mut Vec<(usize, f64)>) -> bool {
        tap(i, self.length, self.scale, self.rule, taps)
    }
}

/// The elements of the input that make each of some positions of the result, with their weights.
#[derive(Default)]
struct Taps {
    /// Where those of a position end, and whether it lies inside what a crop reads.
    ends: Vec<(usize, bool)>,
    taps: Vec<(usize, f64)>,
}

impl Taps {
    /// Those of each position; `None` where a crop reads outside.
    fn lines(&self) -> impl Iterator<Item = Option<&[(usize, f64)]>> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|end| end.0));
        starts.zip(&self.ends).map(|(start, &(end, is_inside))| is_inside.then(|| &self.taps[start..end]))
    }
}

/// The most neighbours that an axis may ask for.
const LONGEST: f64 = (1u64 << 28) as f64;

/// The position in the input that a position of the result maps to; `None` where a crop reads outside. One that is rounded to the nearest element is
/// computed in f32, as torch and ONNX Runtime do: where the two neighbours are as near, the last digit decides.
fn source(i: usize, length: usize, scale: &Scale, rule: &Rule) -> Option<f64> {
    let single = matches!(rule.interpolation, Interpolation::Nearest(_)) && rule.coordinates != Coordinates::HalfPixelSymmetric;
    let rounded = |x: f64| if single { f64::from(x as f32) } else { x };
    let (position, last) = (i as f64, length as f64 - 1.0);
    // The size that the scale gives, which need not be whole.
    let width = scale.scale * length as f64;
    let width = if (width - scale.length as f64).abs() < 1e-6 * width { scale.length as f64 } else { width };
    let half = rounded(rounded((position + 0.5) / rounded(scale.scale)) - 0.5);
    Some(match rule.coordinates {
        Coordinates::HalfPixel => half,
        Coordinates::PytorchHalfPixel if scale.length == 1 => 0.0,
        Coordinates::PytorchHalfPixel => half,
        Coordinates::HalfPixelSymmetric => half + length as f64 / 2.0 * (1.0 - scale.length as f64 / width),
        Coordinates::AlignCorners if scale.length == 1 => 0.0,
        Coordinates::AlignCorners => rounded(position * last / (width - 1.0)),
        Coordinates::Asymmetric => rounded(position / rounded(scale.scale)),
        Coordinates::Crop => {
            let (start, end) = scale.part;
            let at =
                if scale.length == 1 { (start + end) / 2.0 * last } else { start * last + position * (end - start) * last / (width - 1.0) };
            return (0.0..=last).contains(&at).then_some(at);
        }
    })
}

/// Adds the elements of the input that make one element of the result, with their weights; false where a crop reads outside.
fn tap(i: usize, length: usize, scale: &Scale, rule: &Rule, all: &mut Vec<(usize, f64)>) -> bool {
    let Some(source) = source(i, length, scale, rule) else { return false };
    let last = length as f64 - 1.0;
    let clamp = |at: f64| at.clamp(0.0, last) as usize;
    // Every neighbour of the kernel counts, also without weight: infinity times 0 is NaN, as torch and ONNX Runtime have it.
    let mut kernel = |reach: f64, weight: &dyn Fn(f64) -> f64| {
        let squeeze = if rule.antialias { scale.scale.min(1.0) } else { 1.0 };
        let base = if rule.antialias { source.ceil() - 1.0 } else { source.floor() };
        let first = (-reach / squeeze).floor() + 1.0;
        let count = (2.0 - 2.0 * first) as usize;
        let mut taps: Vec<(f64, f64)> =
            (0..count).map(|k| base + first + k as f64).map(|at| (at, weight(((at - source) * squeeze).abs()))).collect();
        if rule.exclude_outside {
            taps.retain(|tap| tap.0 >= 0.0 && tap.0 < length as f64);
        }
        if rule.antialias {
            taps.retain(|tap| tap.1 != 0.0);
        }
        let sum: f64 = taps.iter().map(|tap| tap.1).sum();
        let whole = if (rule.antialias || rule.exclude_outside) && sum != 0.0 { sum } else { 1.0 };
        all.extend(taps.into_iter().map(|(at, weight)| (clamp(at), weight / whole)));
    };
    match rule.interpolation {
        Interpolation::Nearest(rounding) => {
            let nearest = match rounding {
                Rounding::Floor => source.floor(),
                Rounding::Ceil => source.ceil(),
                Rounding::PreferFloor => (source - 0.5).ceil(),
                Rounding::PreferCeil => (source + 0.5).floor(),
            };
            all.push((clamp(nearest), 1.0));
        }
        Interpolation::Linear if !rule.antialias => {
            // As torch: behind the last element both neighbours are the last one, and neither weight is 0, which matters to infinities.
            let base = source.max(0.0).floor().min(last);
            let t = (source - base).clamp(0.0, 1.0);
            all.extend([(clamp(base), 1.0 - t), (clamp(base + 1.0), t)]);
        }
        Interpolation::Linear => kernel(1.0, &|t| (1.0 - t).max(0.0)),
        Interpolation::Cubic(a) => kernel(2.0, &|t| match t {
            t if t <= 1.0 => ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0,
            t if t < 2.0 => ((a * t - 5.0 * a) * t + 8.0 * a) * t - 4.0 * a,
            _ => 0.0,
        }),
    }
    true
}

/// How many positions of an axis are resampled at a time where their weights would be more than the result, and how many sums are.
const BLOCK: usize = 1 << 14;

/// Weighted sums along one axis, rounded once, and a value at the positions that read outside.
fn weigh<T: Real>(x: &Array, axis: &Axis, number: T) -> Result<Array> {
    let (mut shape, index) = (x.shape().to_vec(), axis.scale.axis);
    let (length, positions) = (axis.length, axis.scale.length);
    shape[index] = positions;
    count(&shape)?;
    let (outer, inner): (usize, usize) = (shape[..index].iter().product(), shape[index + 1..].iter().product());
    let x = x.contiguous()?;
    let view = x.view::<T>()?;
    let values = view.as_slice().ok_or_else(|| Error::internal("array is not contiguous"))?;
    let slab = inner * positions;
    let step = if positions <= BLOCK || outer.saturating_mul(inner) >= 16 { positions } else { BLOCK };
    let mut all = Taps::default();
    if step == positions && slab > 0 && outer > 0 {
        axis.taps(0..positions, &mut all);
    }
    let out = fill(outer, slab, slab, |first, out: &mut [T]| {
        let mut sums = vec![0f64; inner.min(BLOCK)];
        let mut block = Taps::default();
        for start in (0..positions).step_by(step) {
            let end = positions.min(start + step);
            let taps = if step == positions {
                &all
            } else {
                axis.taps(start..end, &mut block);
                &block
            };
            for (out, from) in out.chunks_exact_mut(slab).zip(values[first * length * inner..].chunks_exact((length * inner).max(1))) {
                for (line, taps) in out[start * inner..end * inner].chunks_exact_mut(inner).zip(taps.lines()) {
                    match taps {
                        Some(taps) => weigh_line(line, taps, from, &mut sums),
                        None => line.fill(number),
                    }
                }
            }
        }
    })?;
    Array::new(&shape, out)
}

/// The sums of one position, for all that lies behind the axis.
fn weigh_line<T: Real>(line: &mut [T], taps: &[(usize, f64)], from: &[T], sums: &mut [f64]) {
    let inner = line.len();
    for (part, line) in line.chunks_mut(sums.len()).enumerate() {
        let start = part * sums.len();
        let sums = &mut sums[..line.len()];
        sums.fill(0.0);
        for &(i, weight) in taps {
            let x = &from[i * inner + start..][..sums.len()];
            sums.iter_mut().zip(x).for_each(|(sum, x)| *sum += x.widen() * weight);
        }
        line.iter_mut().zip(&*sums).for_each(|(y, &sum)| *y = T::of(sum));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(length: usize, coordinates: Coordinates, interpolation: Interpolation) -> Vec<f64> {
        let x = Array::new(&[1, 1, 4], vec![1.0f64, 2.0, 3.0, 4.0]).unwrap();
        resize(&x, &[Scale { axis: 2, length, scale: length as f64 / 4.0, part: (0.0, 1.0) }], Rule::new(coordinates, interpolation))
            .unwrap()
            .to_f64s()
            .unwrap()
    }

    #[test]
    fn positions_are_carried_back_as_onnx_says() {
        // The examples of ONNX's documentation, one row of each.
        assert_eq!(line(8, Coordinates::HalfPixel, Interpolation::Linear), [1.0, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 4.0]);
        assert_eq!(line(2, Coordinates::HalfPixel, Interpolation::Linear), [1.5, 3.5]);
        assert_eq!(line(7, Coordinates::AlignCorners, Interpolation::Linear), [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0]);
        assert_eq!(line(8, Coordinates::Asymmetric, Interpolation::Nearest(Rounding::Floor)), [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0]);
        assert_eq!(line(1, Coordinates::AlignCorners, Interpolation::Linear), [1.0]);
    }

    #[test]
    fn an_element_at_the_border_comes_out_as_it_is() {
        // Both neighbours of the first position are the first element: 0.8333 · 122 + 0.1667 · 122 is 121.99999 in f32.
        let x = Array::new(&[1, 1, 4], vec![122.0f32, 174.0, 183.0, 197.0]).unwrap();
        let scale = Scale { axis: 2, length: 6, scale: 1.5, part: (0.0, 1.0) };
        let y = resize(&x, &[scale], Rule::new(Coordinates::HalfPixel, Interpolation::Linear)).unwrap().to_f64s().unwrap();
        assert_eq!((y[0], y[5]), (122.0, 197.0));
    }

    #[test]
    fn a_cubic_keeps_the_values_that_it_passes() {
        let wide = line(7, Coordinates::AlignCorners, Interpolation::Cubic(-0.75));
        for (i, expected) in [1.0, 2.0, 3.0, 4.0].into_iter().enumerate() {
            assert!((wide[2 * i] - expected).abs() < 1e-12);
        }
    }
}
