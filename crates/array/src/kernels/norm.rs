//! Normalisation: softmax and the normalisations of network layers.
//!
//! Sums over a row are taken in doubles, those of a few elements in the dtype; halves are computed in f32 and rounded once.

use super::elementwise::widened;
use super::fill::{Output, write_lines};
use super::lanes::{map_rows, write_lanes, write_rows};
use super::real::Real;
use super::reduce::{extreme, float_total, variance};
use super::threads::threads;
use super::vector::vectorised;
use crate::array::{Array, Element, count};
use crate::each_dtype;
use crate::error::{Error, Result};

/// e^x / Σ e^x along an axis.
///
/// # Errors
/// [`DType`](crate::ErrorCode::DType) unless a float; [`Argument`](crate::ErrorCode::Argument) for an axis that there is not.
pub fn softmax(x: &Array, axis: usize) -> Result<Array> {
    lanewise(x, axis, SoftMax)
}

/// ln of [`softmax`], exact where that is small.
///
/// # Errors
/// As [`softmax`].
pub fn log_softmax(x: &Array, axis: usize) -> Result<Array> {
    lanewise(x, axis, LogSoftMax)
}

/// Elements to read, and room for what becomes of them.
trait RowMap<'a, T: 'a> {
    /// What is read.
    fn elements(&self) -> &[T];
    /// Writes what `f` makes of each element and its index, and gives it.
    fn map(self, f: impl Fn(usize, T) -> T) -> &'a mut [T];
}

/// A row that becomes what is made of it.
struct InPlace<'a, T>(&'a mut [T]);

/// A row, and as many elements to overwrite.
struct Overwriting<'a, T>(&'a [T], &'a mut [T]);

/// A row, and the next elements of a result.
struct Writing<'a, 'b, T>(&'a [T], &'a mut Output<'b, T>);

impl<'a, T: Copy> RowMap<'a, T> for InPlace<'a, T> {
    #[inline(always)]
    fn elements(&self) -> &[T] {
        self.0
    }

    #[inline(always)]
    fn map(self, f: impl Fn(usize, T) -> T) -> &'a mut [T] {
        self.0.iter_mut().enumerate().for_each(|(i, x)| *x = f(i, *x));
        self.0
    }
}

impl<'a, T: Copy> RowMap<'a, T> for Overwriting<'a, T> {
    #[inline(always)]
    fn elements(&self) -> &[T] {
        self.0
    }

    #[inline(always)]
    fn map(self, f: impl Fn(usize, T) -> T) -> &'a mut [T] {
        self.1.iter_mut().zip(self.0).enumerate().for_each(|(i, (to, &x))| *to = f(i, x));
        self.1
    }
}

impl<'a, T: Element> RowMap<'a, T> for Writing<'a, '_, T> {
    #[inline(always)]
    fn elements(&self) -> &[T] {
        self.0
    }

    #[inline(always)]
    fn map(self, f: impl Fn(usize, T) -> T) -> &'a mut [T] {
        self.1.write(self.0.len(), |i| f(i, self.0[i]))
    }
}

/// What becomes of a lane.
trait Lane: Sync {
    /// Writes it.
    fn write<'a, T: Real>(&self, row: impl RowMap<'a, T>);
}

fn lanewise(x: &Array, axis: usize, lane: impl Lane) -> Result<Array> {
    widened(x, |x| {
        let length = x.shape().get(axis).copied().unwrap_or(0);
        each_dtype!(x.dtype(), T: float => write_lanes(x, axis, length, |from: &[T], out: &mut Output<T>| {
            vectorised(
                #[inline(always)]
                || lane.write(Writing(from, out)),
            )
        }))
    })
}

/// The largest element, or 0 of none; any where one is NaN, which makes NaN of all that it is taken from.
#[inline(always)]
fn highest<T: Real>(lane: &[T]) -> T {
    extreme(lane, |a, b| if b > a { b } else { a }).unwrap_or(T::ZERO)
}

struct SoftMax;

impl Lane for SoftMax {
    #[inline(always)]
    fn write<'a, T: Real>(&self, row: impl RowMap<'a, T>) {
        let highest = highest(row.elements());
        let lane = row.map(|_, x| (x - highest).exp_up_to_0());
        // The sum is at least 1, if it is a number: its reciprocal is a normal one.
        let factor = T::of(1.0 / float_total(lane, |x| x, |x| x));
        lane.iter_mut().for_each(|x| *x *= factor);
    }
}

/// [`softmax`] of a row of f32, in place.
#[inline(always)]
pub fn softmax_row(row: &mut [f32]) {
    SoftMax.write(InPlace(row));
}

struct LogSoftMax;

impl Lane for LogSoftMax {
    #[inline(always)]
    fn write<'a, T: Real>(&self, row: impl RowMap<'a, T>) {
        let highest = highest(row.elements());
        let log = T::of(float_total(row.elements(), |x| (x - highest).exp_up_to_0(), |x| (x - highest.widen()).exp()).ln());
        row.map(|_, x| x - highest - log);
    }
}

/// (x − mean) / √(variance + `epsilon`) · `scale` + `bias`, mean and variance over the axes from `axis` on, whose shape
/// `scale` and `bias` have or broadcast to.
///
/// <https://onnx.ai/onnx/operators/onnx__LayerNormalization.html>
///
/// # Errors
/// [`DType`](crate::ErrorCode::DType) unless a float; [`Argument`](crate::ErrorCode::Argument) for an axis beyond the rank;
/// [`Shape`](crate::ErrorCode::Shape) where `scale` or `bias` does not fit.
pub fn layer_norm(x: &Array, scale: Option<&Array>, bias: Option<&Array>, axis: usize, epsilon: f64) -> Result<Array> {
    normalise_from(x, scale, bias, axis, |mean, variance| (mean, 1.0 / (variance + epsilon).sqrt()))
}

/// Rows of the axes from `axis` on, moved and scaled by what `of` makes of mean and variance.
fn normalise_from(
    x: &Array,
    scale: Option<&Array>,
    bias: Option<&Array>,
    axis: usize,
    of: impl Fn(f64, f64) -> (f64, f64) + Sync,
) -> Result<Array> {
    let shape =
        x.shape().get(axis..).ok_or_else(|| Error::argument(format!("axis {axis} is out of range for an array of rank {}", x.rank())))?;
    let length = count(shape)?;
    widened(x, |x| {
        each_dtype!(x.dtype(), T: float => {
            let (scale, bias) = (parameter::<T>(scale, shape)?, parameter::<T>(bias, shape)?);
            write_rows(x, length, |_, row: &[T], out: &mut Output<T>| {
                vectorised(
                    #[inline(always)]
                    || normalise_row(Writing(row, out), &of, scale.as_deref(), bias.as_deref()),
                )
            })
        })
    })
}

/// A row moved and scaled by what `of` makes of mean and variance, then by the parameters.
#[inline(always)]
fn normalise_row<'a, T: Real>(row: impl RowMap<'a, T>, of: impl Fn(f64, f64) -> (f64, f64), scale: Option<&[T]>, bias: Option<&[T]>) {
    let length = row.elements().len();
    let (mean, variance) = variance(row.elements());
    let (shift, factor) = of(mean, variance);
    let (shift, factor) = (T::of(shift), T::of(factor));
    match (scale.map(|scale| &scale[..length]), bias.map(|bias| &bias[..length])) {
        (Some(scale), Some(bias)) => row.map(|i, x| (x - shift) * factor * scale[i] + bias[i]),
        (Some(scale), None) => row.map(|i, x| (x - shift) * factor * scale[i]),
        (None, Some(bias)) => row.map(|i, x| (x - shift) * factor + bias[i]),
        (None, None) => row.map(|_, x| (x - shift) * factor),
    };
}

/// The parameters of a [`layer_norm`] over the last axis, of f32.
#[derive(Debug)]
pub struct RowNorm {
    /// A value for each element of a row.
    pub scale: Vec<f32>,
    /// As many.
    pub bias: Option<Vec<f32>>,
    pub epsilon: f64,
}

/// What becomes of each row of f32.
#[derive(Debug)]
pub enum RowOperator {
    Norm(RowNorm),
    Softmax,
    LogSoftmax,
}

impl RowOperator {
    /// Whether rows of this length fit the parameters.
    pub fn fits(&self, length: usize) -> bool {
        !matches!(self, RowOperator::Norm(norm) if norm.scale.len() != length)
    }

    /// Writes what becomes of the rows of this length of `x`, which has as many elements as there is room for, or of those that are there.
    pub fn run(&self, length: usize, x: Option<&[f32]>, rows: &mut [f32]) {
        if length == 0 {
            return;
        }
        write_lines(rows, length, threads() > 1 && rows.len() > GRAIN, |first, rows| {
            for (i, row) in (first..).zip(rows.chunks_exact_mut(length)) {
                vectorised(
                    #[inline(always)]
                    || match x {
                        Some(x) => self.write(Overwriting(&x[i * length..][..length], row)),
                        None => self.write(InPlace(row)),
                    },
                );
            }
        });
    }

    #[inline(always)]
    fn write<'a>(&self, row: impl RowMap<'a, f32>) {
        match self {
            RowOperator::Norm(norm) => {
                let of = |mean, variance: f64| (mean, 1.0 / (variance + norm.epsilon).sqrt());
                normalise_row(row, of, Some(&norm.scale), norm.bias.as_deref());
            }
            RowOperator::Softmax => SoftMax.write(row),
            RowOperator::LogSoftmax => LogSoftMax.write(row),
        }
    }
}

/// Elements of rows that are worth threads of their own.
const GRAIN: usize = 1 << 13;

/// A learned parameter in this dtype, spread over a shape.
fn parameter<T: Real>(x: Option<&Array>, shape: &[usize]) -> Result<Option<Vec<T>>> {
    x.map(|x| x.cast(T::DTYPE)?.broadcast(shape)?.to_vec()).transpose()
}

/// out = (x − shift) · factor.
#[inline]
fn affine<T: Real>(row: &[T], out: &mut [T], shift: T, factor: T) {
    out.iter_mut().zip(row).for_each(|(out, &x)| *out = (x - shift) * factor);
}

/// (x − mean) / √(variance + `epsilon`) · `scale` + `bias`, all four with a value for each index of axis 1.
///
/// <https://onnx.ai/onnx/operators/onnx__BatchNormalization.html>, at inference.
///
/// # Errors
/// [`DType`](crate::ErrorCode::DType) unless `x` is a float; [`Shape`](crate::ErrorCode::Shape) unless `x` has at least 2 axes and the
/// others shape \[channels\].
pub fn batch_norm(x: &Array, scale: &Array, bias: &Array, mean: &Array, variance: &Array, epsilon: f64) -> Result<Array> {
    let (channels, inner) = channels(x)?;
    let [scale, bias, mean, variance] =
        [("scale", scale), ("bias", bias), ("mean", mean), ("variance", variance)].map(|(name, p)| per_channel(name, p, channels));
    let (scale, bias, mean, variance) = (scale?, bias?, mean?, variance?);
    widened(x, |x| {
        each_dtype!(x.dtype(), T: float => map_rows(x, inner, |row, from: &[T], to: &mut [T]| {
            let c = row % channels;
            affine(from, to, T::of(mean[c]), T::of(scale[c] / (variance[c] + epsilon).sqrt()));
            to.iter_mut().for_each(|to| *to += T::of(bias[c]));
        }))
    })
}

/// Channels in `groups`: (x − mean) / √(variance + `epsilon`) within each group of each sample, then times `scale` plus
/// `bias`, which have a value for each channel (axis 1).
///
/// <https://onnx.ai/onnx/operators/onnx__GroupNormalization.html> (from opset 21 on)
///
/// # Errors
/// As [`batch_norm`]; [`Argument`](crate::ErrorCode::Argument) where the groups do not divide the channels.
pub fn group_norm(x: &Array, groups: usize, scale: Option<&Array>, bias: Option<&Array>, epsilon: f64) -> Result<Array> {
    let (channels, inner) = channels(x)?;
    if groups == 0 || channels % groups != 0 {
        return Err(Error::argument(format!("{channels} channels are not divisible into {groups} groups")));
    }
    let scale = scale.map(|scale| per_channel("scale", scale, channels)).transpose()?;
    let bias = bias.map(|bias| per_channel("bias", bias, channels)).transpose()?;
    let each = channels / groups;
    let length = each.checked_mul(inner).ok_or_else(|| Error::too_big(format!("an array of shape {:?}", x.shape())))?;
    widened(x, |x| {
        each_dtype!(x.dtype(), T: float => map_rows(x, length, |row, from: &[T], to: &mut [T]| {
            let (mean, variance) = variance(from);
            let factor = 1.0 / (variance + epsilon).sqrt();
            for (i, (from, to)) in from.chunks_exact(inner).zip(to.chunks_exact_mut(inner)).enumerate() {
                let c = row % groups * each + i;
                let (scale, bias) = (scale.as_ref().map_or(1.0, |scale| scale[c]), bias.as_ref().map_or(0.0, |bias| bias[c]));
                affine(from, to, T::of(mean), T::of(factor * scale));
                to.iter_mut().for_each(|to| *to += T::of(bias));
            }
        }))
    })
}

/// [`group_norm`] with a group for each channel. (ONNX InstanceNormalization)
///
/// # Errors
/// As [`batch_norm`].
pub fn instance_norm(x: &Array, scale: Option<&Array>, bias: Option<&Array>, epsilon: f64) -> Result<Array> {
    // Without channels there is nothing to group.
    let (channels, _) = channels(x)?;
    group_norm(x, channels.max(1), scale, bias, epsilon)
}

/// The size of axis 1, and how many elements follow one another in a channel.
fn channels(x: &Array) -> Result<(usize, usize)> {
    match x.shape() {
        [_, channels, inner @ ..] => Ok((*channels, count(inner)?)),
        shape => Err(Error::shape(format!("expected axes [batch, channels, …], got shape {shape:?}"))),
    }
}

/// A parameter with a value for each channel, as doubles.
fn per_channel(name: &str, x: &Array, channels: usize) -> Result<Vec<f64>> {
    if x.shape() != [channels] {
        return Err(Error::shape(format!("{name} has shape {:?}, expected [{channels}] (one value per channel)", x.shape())));
    }
    x.to_f64s()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;
    use half::f16;

    fn close(got: &Array, expected: &[f64], tolerance: f64) {
        let got = got.to_f64s().unwrap();
        assert_eq!(got.len(), expected.len());
        for (g, e) in got.iter().zip(expected) {
            assert!((g - e).abs() <= tolerance, "{got:?} {expected:?}");
        }
    }

    fn grid(shape: &[usize]) -> Array {
        let values = (0..count(shape).unwrap()).map(|i| ((i * 7 % 11) as f32 - 4.0) / 2.0).collect();
        Array::new(shape, values).unwrap()
    }

    #[test]
    fn softmax_by_its_formula_along_any_axis() {
        let x = Array::new(&[1, 3], vec![1f32, 2., 3.]).unwrap();
        // ONNX's documentation of Softmax has these for −1, 0, 1; a shift changes nothing.
        close(&softmax(&x, 1).unwrap(), &[0.09003058, 0.24472848, 0.66524094], 1e-7);
        close(&softmax(&x, 0).unwrap(), &[1.0; 3], 0.0);
        let y = softmax(&grid(&[3, 4, 5]), 1).unwrap();
        assert_eq!(y.shape(), [3, 4, 5]);
        close(&super::super::reduce::sum(&y, &[1], false).unwrap(), &[1.0; 15], 1e-6);
        close(&log_softmax(&x, 1).unwrap(), &[-2.4076059, -1.4076059, -0.4076059], 1e-6);
    }

    #[test]
    fn softmax_neither_overflows_nor_hides_what_it_cannot_do() {
        let x = Array::vector(vec![1000f32, 1000., f32::NEG_INFINITY]);
        close(&softmax(&x, 0).unwrap(), &[0.5, 0.5, 0.0], 0.0);
        assert_eq!(log_softmax(&x, 0).unwrap().to_f64s().unwrap()[2], f64::NEG_INFINITY);
        assert!(softmax(&Array::vector(vec![f32::NEG_INFINITY; 2]), 0).unwrap().to_f64s().unwrap()[0].is_nan());
        assert_eq!(softmax(&Array::new::<f32>(&[2, 0], vec![]).unwrap(), 1).unwrap().shape(), [2, 0]);
        assert!(softmax(&x, 1).is_err());
        assert!(softmax(&x.cast(DType::I32).unwrap(), 0).is_err());
    }

    #[test]
    fn rows_are_centred_and_scaled() {
        let x = Array::new(&[2, 2], vec![1f32, 3., 10., 30.]).unwrap();
        close(&layer_norm(&x, None, None, 1, 0.0).unwrap(), &[-1., 1., -1., 1.], 1e-7);
        let scale = Array::vector(vec![2f32, 3.]);
        let bias = Array::vector(vec![10f32, 20.]);
        close(&layer_norm(&x, Some(&scale), Some(&bias), 1, 3.0).unwrap().slice(0, 0, 1, 1).unwrap(), &[9., 21.5], 1e-6);
        // Over all axes, the scale spread along the first.
        let y = layer_norm(&x, Some(&scale), None, 0, 0.0).unwrap();
        let deviation = ((1f64 + 9. + 100. + 900.) / 4. - 11. * 11.).sqrt();
        close(&y, &[-20. / deviation, -24. / deviation, -2. / deviation, 57. / deviation], 1e-6);
        assert!(layer_norm(&x, Some(&Array::vector(vec![1f32; 3])), None, 1, 0.0).is_err());
        assert!(layer_norm(&x, None, None, 3, 0.0).is_err());
    }

    #[test]
    fn a_large_mean_does_not_drown_the_variance() {
        let x = Array::vector(vec![10_000f32, 10_001., 10_002.]);
        close(&layer_norm(&x, None, None, 0, 0.0).unwrap(), &[-(1.5f64.sqrt()), 0., 1.5f64.sqrt()], 1e-6);
    }

    #[test]
    fn each_channel_has_its_own_statistics() {
        let x = Array::new(&[1, 2, 2], vec![1f32, 3., 10., 30.]).unwrap();
        let of = |x: Vec<f32>| Array::vector(x);
        let y = batch_norm(&x, &of(vec![2., 1.]), &of(vec![0., 5.]), &of(vec![1., 10.]), &of(vec![3., 99.]), 1.0).unwrap();
        close(&y, &[0., 2., 5., 7.], 1e-6);
        close(&instance_norm(&x, Some(&of(vec![1., 2.])), Some(&of(vec![0., 1.])), 0.0).unwrap(), &[-1., 1., -1., 3.], 1e-6);
        assert!(batch_norm(&x, &of(vec![1.]), &of(vec![0., 5.]), &of(vec![1., 10.]), &of(vec![3., 99.]), 1.0).is_err());
        assert!(instance_norm(&of(vec![1.]), None, None, 0.0).is_err());
    }

    #[test]
    fn groups_of_channels_share_their_statistics() {
        let x = grid(&[2, 4, 3]);
        let one = group_norm(&x, 1, None, None, 1e-5).unwrap();
        assert_eq!(one, layer_norm(&x, None, None, 1, 1e-5).unwrap());
        let two = group_norm(&x, 2, None, None, 1e-5).unwrap();
        let split = layer_norm(&x.reshape(&[4, 6]).unwrap(), None, None, 1, 1e-5).unwrap();
        assert_eq!(two, split.reshape(&[2, 4, 3]).unwrap());
        let scale = Array::vector(vec![1f32, 2., 3., 4.]);
        let scaled = group_norm(&x, 2, Some(&scale), Some(&scale), 1e-5).unwrap().to_f64s().unwrap();
        for (i, (got, plain)) in scaled.iter().zip(two.to_f64s().unwrap()).enumerate() {
            let s = (i / 3 % 4 + 1) as f64;
            assert!((got - (plain * s + s)).abs() < 1e-5);
        }
        assert!(group_norm(&x, 3, None, None, 0.0).is_err() && group_norm(&x, 0, None, None, 0.0).is_err());
        assert_eq!(group_norm(&grid(&[2, 4, 0]), 2, None, None, 0.0).unwrap().shape(), [2, 4, 0]);
    }

    #[test]
    fn halves_and_permuted_operands_are_ordinary() {
        let x = Array::vector(vec![f16::from_f32(1.0), f16::from_f32(3.0)]);
        assert_eq!(layer_norm(&x, None, None, 0, 0.0).unwrap(), Array::vector(vec![f16::from_f32(-1.0), f16::from_f32(1.0)]));
        let x = grid(&[4, 6]);
        let transposed = x.permute(&[1, 0]).unwrap();
        assert_eq!(softmax(&transposed, 0).unwrap().permute(&[1, 0]).unwrap(), softmax(&x, 1).unwrap());
        assert_eq!(
            layer_norm(&transposed, None, None, 1, 0.1).unwrap(),
            layer_norm(&transposed.contiguous().unwrap(), None, None, 1, 0.1).unwrap()
        );
    }
}
