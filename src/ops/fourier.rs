//! Fourier transforms: products with tables of cosines and sines, complex values being pairs of tensors.

use super::{Padding, Reader};
use crate::array::{DType, Scalar};
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use std::f64::consts::TAU;

/// A complex tensor: a pair of real ones of the same shape and dtype, as ONNX has no complex dtype.
#[derive(Clone, Debug)]
pub struct Complex {
    /// The real part.
    pub re: Tensor,
    /// The imaginary part.
    pub im: Tensor,
}

/// The longest axis whose transform is written as a product with a table.
const LONGEST: i64 = 4096;

pub(super) const READS: &[(&str, Reader)] = &[
    ("DFT", |node, inputs| {
        let x = inputs.at(0)?;
        // An attribute before opset 20; counted without the last axis, which holds the parts.
        let axis = match inputs.opt(2) {
            Some(axis) => super::fixed(axis)?.first().copied().unwrap_or(-2),
            None => node.int("axis", if node.has("axis") { 1 } else { -2 })?,
        };
        let axis = x.shape().axis(axis)? as i64;
        let n = inputs.opt(1).map(super::dims_of).transpose()?.and_then(|n| n.into_iter().next());
        let (inverse, half) = (node.int("inverse", 0)? != 0, node.int("onesided", 0)? != 0);
        let parts = match x.dim(-1)?.fixed() {
            Some(1) => real(&x.select(-1, 0i64)?)?,
            _ => Complex { re: x.select(-1, 0i64)?, im: x.select(-1, 1i64)? },
        };
        if inverse && half {
            let n = match n {
                Some(n) => super::slice::nonnegative(n),
                None => (parts.re.dim(axis)? - 1i64) * 2,
            };
            return Ok(vec![signal(&parts, axis, &n, true, None)?.unsqueeze(-1)?]);
        }
        let y = transformed(&parts, &[(axis, n)], inverse, None)?;
        let y = if half { halved(&y, axis)? } else { y };
        Ok(vec![Tensor::stack(&[&y.re, &y.im], -1)?])
    }),
    ("STFT", |node, inputs| {
        let x = inputs.at(0)?;
        let number = |i: usize| inputs.opt(i).map(super::fixed).transpose().map(|n| n.and_then(|n| n.first().copied()));
        let hop = number(1)?.filter(|&hop| hop > 0).ok_or_else(|| Error::argument("the hop size must not be 0"))?;
        let window = inputs.opt(2);
        let n = match (number(3)?, window) {
            (Some(n), _) => n,
            (None, Some(window)) => {
                let n = window.dim(0)?;
                n.fixed()
                    .ok_or_else(|| Error::size("STFT: a window of symbolic size").help("give frame_length, or a window of fixed size"))?
            }
            (None, None) => return Err(Error::argument("the frame size must not be 0")),
        };
        let x = if x.rank() == 3 { x.select(-1, 0i64)? } else { x.clone() };
        let frames = frames(&x, n, hop)?;
        let frames = window.map_or(Ok(frames.clone()), |window| frames.mul(window))?;
        let y = transformed(&real(&frames)?, &[(-1, None)], false, None)?;
        let y = if node.int("onesided", 1)? != 0 { halved(&y, -1)? } else { y };
        Ok(vec![Tensor::stack(&[&y.re, &y.im], -1)?])
    }),
];

/// The samples of frames that begin `hop` samples apart: (batch, samples) → (batch, frames, n).
pub(crate) fn frames(x: &Tensor, n: i64, hop: i64) -> Result<Tensor> {
    let count = super::slice::nonnegative((x.dim(1)? - n) / hop + 1i64);
    x.index_select(1, &super::positions((&count, hop), (&Dim::Fixed(n), 1))?)
}

/// The real or the imaginary part of e^iθ.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wave {
    Cos,
    Sin,
}

/// f64 misses the zeros of half and quarter turns by 1e-16, and the phase of a real number hangs on the sign of its imaginary part.
const ZERO: f64 = 1e-15;

/// What a frequency (a column) and a position (a row) of a transform of n points make of 1.
pub(crate) fn table(frequencies: &Dim, positions: &Dim, n: &Dim, wave: Wave, dtype: DType) -> Result<Tensor> {
    let (Some(frequencies), Some(positions), Some(n)) = (frequencies.fixed(), positions.fixed(), n.fixed()) else {
        return computed_table(frequencies, positions, n, wave)?.cast(dtype);
    };
    if n > LONGEST || frequencies > LONGEST || positions > LONGEST {
        return Err(Error::unsupported(format!(
            "a Fourier transform of size {n} is not supported: it is a matrix product, up to size {LONGEST}"
        )));
    }
    // The product is taken modulo n first: the angle of a large one would lose its digits.
    let angle = |k: i64, j: i64| TAU * ((k * j).rem_euclid(n.max(1)) as f64) / n.max(1) as f64;
    let exact = |x: f64| if x.abs() < ZERO { 0.0 } else { x };
    let of = |x: f64| match wave {
        Wave::Cos => x.cos(),
        Wave::Sin => x.sin(),
    };
    let values: Vec<f64> = (0..positions).flat_map(|j| (0..frequencies).map(move |k| exact(of(angle(k, j))))).collect();
    Tensor::from(values.as_slice()).reshape([positions, frequencies])?.cast(dtype)
}

/// The same table where a size is symbolic: computed where the graph runs, in f64.
fn computed_table(frequencies: &Dim, positions: &Dim, n: &Dim, wave: Wave) -> Result<Tensor> {
    let count = |dim: &Dim| Tensor::arange(0, dim, 1, DType::I64);
    let steps = count(positions)?.unsqueeze(1)?.mul(count(frequencies)?)?.remainder(n)?;
    let angle = steps.cast(DType::F64)?.mul(TAU)?.div(float(n, DType::F64)?)?;
    let value = match wave {
        Wave::Cos => angle.cos()?,
        Wave::Sin => angle.sin()?,
    };
    value.abs()?.lt(ZERO)?.where_(&Tensor::zeros((), DType::F64)?, &value)
}

/// A size as a number of a tensor.
fn float(n: &Dim, dtype: DType) -> Result<Tensor> {
    Tensor::from_dim(n).cast(dtype)
}

pub(crate) fn real(x: &Tensor) -> Result<Complex> {
    let x = x.cast(x.dtype().or_float())?;
    Ok(Complex { im: x.mul(0.0)?, re: x })
}

/// The tensor times 1, 1/√n or 1/n: `norm` says which way carries it.
pub(crate) fn normalized(x: Tensor, n: &Dim, inverse: bool, norm: Option<&str>) -> Result<Tensor> {
    let root = match (norm.unwrap_or("backward"), inverse) {
        ("ortho", _) => true,
        ("backward", true) | ("forward", false) => false,
        ("backward", false) | ("forward", true) => return Ok(x),
        (other, _) => return Err(Error::argument(format!("unknown norm `{other}`"))),
    };
    match n.fixed() {
        Some(n) if root => x.mul(1.0 / (n as f64).sqrt()),
        Some(1) => Ok(x),
        Some(n) => x.mul(1.0 / n as f64),
        None => {
            let n = float(n, x.dtype())?;
            x.div(if root { n.sqrt()? } else { n })
        }
    }
}

/// Cut, or filled up with zeros, to this size.
pub(crate) fn fitted(x: &Tensor, axis: i64, n: &Dim) -> Result<Tensor> {
    let (at, have) = (x.shape().axis(axis)?, x.dim(axis)?);
    let missing = match (n - &have).fixed() {
        Some(missing) => Dim::Fixed(missing.max(0)),
        None => (n - &have).max(0i64),
    };
    let mut widths = vec![Dim::Fixed(0); 2 * (x.rank() - 1 - at) + 1];
    widths.push(missing);
    x.pad(&widths, Padding::Constant(Scalar::Int(0)))?.part(at, 0, n)
}

/// A product with a table along an axis.
pub(crate) fn product(x: &Tensor, table: &Tensor, axis: i64) -> Result<Tensor> {
    x.transpose(axis, -1)?.matmul(table)?.transpose(axis, -1)
}

/// A size that is given, or else that of the axis.
fn size_of(x: &Tensor, axis: i64, n: &Option<Dim>) -> Result<Dim> {
    n.clone().filter(|n| n.example().is_none_or(|n| n >= 0)).map_or_else(|| x.dim(axis), |n| Ok(super::slice::nonnegative(n)))
}

/// The transform over some axes, each perhaps of another size.
pub(crate) fn transformed(x: &Complex, axes: &[(i64, Option<Dim>)], inverse: bool, norm: Option<&str>) -> Result<Complex> {
    let mut x = x.clone();
    for (axis, n) in axes {
        let (axis, n) = (*axis, size_of(&x.re, *axis, n)?);
        let (re, im) = (fitted(&x.re, axis, &n)?, fitted(&x.im, axis, &n)?);
        let dtype = re.dtype();
        let (cos, sin) = (table(&n, &n, &n, Wave::Cos, dtype)?, table(&n, &n, &n, Wave::Sin, dtype)?);
        let of = |x: &Tensor, table: &Tensor| product(x, table, axis);
        // e^∓iθ: the sine is taken away going there, added coming back.
        let (a, b) = (of(&im, &sin)?, of(&re, &sin)?);
        let (re, im) = (of(&re, &cos)?, of(&im, &cos)?);
        let (re, im) = if inverse { (re.sub(a)?, im.add(b)?) } else { (re.add(a)?, im.sub(b)?) };
        x = Complex { re: normalized(re, &n, inverse, norm)?, im: normalized(im, &n, inverse, norm)? };
    }
    Ok(x)
}

/// The transform of a real signal over some axes, of the last one perhaps the frequencies up to the half only.
pub(crate) fn spectrum(x: &Tensor, axes: &[(i64, Option<Dim>)], half: bool, inverse: bool, norm: Option<&str>) -> Result<Complex> {
    let ((axis, n), front) = axes.split_last().ok_or_else(|| Error::argument("a Fourier transform needs an axis"))?;
    let x = x.cast(x.dtype().or_float())?;
    let (axis, n) = (*axis, size_of(&x, *axis, n)?);
    let (x, kept) = (fitted(&x, axis, &n)?, if half { &n / 2 + 1i64 } else { n.clone() });
    let part = |wave: Wave, sign: f64| {
        let table = normalized(table(&kept, &n, &n, wave, x.dtype())?, &n, inverse, norm)?;
        product(&x, &if sign < 0.0 { table.mul(sign)? } else { table }, axis)
    };
    let first = Complex { re: part(Wave::Cos, 1.0)?, im: part(Wave::Sin, if inverse { 1.0 } else { -1.0 })? };
    transformed(&first, front, inverse, norm)
}

/// The frequencies up to the half of a real signal.
pub(crate) fn halved(x: &Complex, axis: i64) -> Result<Complex> {
    let (at, kept) = (x.re.shape().axis(axis)?, x.re.dim(axis)? / 2 + 1i64);
    let half = |t: &Tensor| t.part(at, 0, &kept);
    Ok(Complex { re: half(&x.re)?, im: half(&x.im)? })
}

/// The real signal of these frequencies up to its half: each of them but the first (and the middle one) stands for two.
pub(crate) fn signal(x: &Complex, axis: i64, n: &Dim, inverse: bool, norm: Option<&str>) -> Result<Tensor> {
    if n.example().is_some_and(|n| n < 1) {
        return Err(Error::argument(format!("a Fourier transform of {n} points is not possible")));
    }
    let kept = n / 2 + 1i64;
    let (re, im) = (fitted(&x.re, axis, &kept)?, fitted(&x.im, axis, &kept)?);
    let dtype = re.dtype();
    let weight = super::constant_where_fixed(&[n], || {
        let position = Tensor::arange(0, &kept, 1, DType::I64)?.unsqueeze(1)?;
        let once = position.eq(0)?.logical_or(position.mul(2)?.eq(n)?)?;
        Tensor::full((), 2, dtype)?.sub(once.cast(dtype)?)
    })?;
    let (cos, sin) = (table(n, &kept, n, Wave::Cos, dtype)?.mul(&weight)?, table(n, &kept, n, Wave::Sin, dtype)?.mul(&weight)?);
    let (even, odd) = (product(&re, &cos, axis)?, product(&im, &sin, axis)?);
    normalized(if inverse { even.sub(odd)? } else { even.add(odd)? }, n, inverse, norm)
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;
    fn pair(x: Complex) -> Result<Vec<Tensor>> {
        Ok(vec![x.re, x.im])
    }

    cases! {
        "fft", [floats(&[2, 6]), floats(&[2, 6])], |x| pair(transformed(&Complex { re: x[0].clone(), im: x[1].clone() }, &[(-1, None)], false, None)?);
        "ifft_ortho", [floats(&[5, 2]), floats(&[5, 2])], |x| pair(transformed(&Complex { re: x[0].clone(), im: x[1].clone() }, &[(0, None)], true, Some("ortho"))?);
        "fft_fitted", [floats(&[2, 6])], |x| pair(spectrum(&x[0], &[(-1, Some(Dim::Fixed(7)))], false, false, None)?);
        "rfft2", [floats(&[2, 4, 5])], |x| pair(spectrum(&x[0], &[(-2, None), (-1, None)], true, false, Some("forward"))?);
        "irfft", [floats(&[2, 5]), floats(&[2, 5])], |x| one(signal(&Complex { re: x[0].clone(), im: x[1].clone() }, -1, &((x[0].dim(1)? - 1i64) * 2), true, None)?);
    }
}
