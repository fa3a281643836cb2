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
        let n = inputs.opt(1).map(super::fixed).transpose()?.and_then(|n| n.first().copied());
        let (inverse, half) = (node.int("inverse", 0)? != 0, node.int("onesided", 0)? != 0);
        let parts = match x.dim(-1)?.fixed() {
            Some(1) => real(&x.select(-1, 0i64)?)?,
            _ => Complex { re: x.select(-1, 0i64)?, im: x.select(-1, 1i64)? },
        };
        if inverse && half {
            let n = match n {
                Some(n) => n,
                None => 2 * (length(&parts.re, axis)? - 1),
            };
            return Ok(vec![signal(&parts, axis, n, true, None)?.unsqueeze(-1)?]);
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
            (None, Some(window)) => length(window, 0)?,
            (None, None) => return Err(Error::argument("the frame size must not be 0")),
        };
        let x = if x.rank() == 3 { x.select(-1, 0i64)? } else { x.clone() };
        let steps = (length(&x, 1)? - n).div_euclid(hop) + 1;
        let positions: Vec<i64> = (0..steps.max(0)).flat_map(|step| (0..n).map(move |i| step * hop + i)).collect();
        let frames = x.index_select(1, &Tensor::from(positions.as_slice()))?.unflatten(1, [steps.max(0), n])?;
        let frames = window.map_or(Ok(frames.clone()), |window| frames.mul(window))?;
        let y = transformed(&real(&frames)?, &[(-1, None)], false, None)?;
        let y = if node.int("onesided", 1)? != 0 { halved(&y, -1)? } else { y };
        Ok(vec![Tensor::stack(&[&y.re, &y.im], -1)?])
    }),
];

/// Two tables at a time: what a frequency and a position make of 1.
pub(crate) fn table(frequencies: i64, positions: i64, n: i64, wave: fn(f64) -> f64, dtype: DType) -> Result<Tensor> {
    if n > LONGEST || frequencies > LONGEST || positions > LONGEST {
        return Err(Error::unsupported(format!(
            "a Fourier transform of size {n} is not supported: it is a matrix product, up to size {LONGEST}"
        )));
    }
    // The product is taken modulo n first: the angle of a large one would lose its digits.
    let angle = |k: i64, j: i64| TAU * ((k * j).rem_euclid(n.max(1)) as f64) / n.max(1) as f64;
    // f64 misses the zeros of half and quarter iterations by 1e-16, and the phase of a real number hangs on the sign of its imaginary part.
    let exact = |x: f64| if x.abs() < 1e-15 { 0.0 } else { x };
    let values: Vec<f64> = (0..positions).flat_map(|j| (0..frequencies).map(move |k| exact(wave(angle(k, j))))).collect();
    Tensor::from(values.as_slice()).reshape([positions, frequencies])?.cast(dtype)
}

pub(crate) fn real(x: &Tensor) -> Result<Complex> {
    let x = x.cast(x.dtype().or_float())?;
    Ok(Complex { im: x.mul(0.0)?, re: x })
}

/// 1, 1/√n or 1/n: `norm` says which way carries it.
pub(crate) fn factor(n: f64, inverse: bool, norm: Option<&str>) -> Result<f64> {
    Ok(match (norm.unwrap_or("backward"), inverse) {
        ("ortho", _) => 1.0 / n.sqrt(),
        ("backward", true) | ("forward", false) => 1.0 / n,
        ("backward", false) | ("forward", true) => 1.0,
        (other, _) => return Err(Error::argument(format!("unknown norm `{other}`"))),
    })
}

pub(crate) fn length(x: &Tensor, axis: i64) -> Result<i64> {
    x.dim(axis)?.fixed().ok_or_else(|| Error::size("a Fourier transform needs a fixed size"))
}

/// Cut, or filled up with zeros, to this size.
pub(crate) fn fitted(x: &Tensor, axis: i64, n: i64) -> Result<Tensor> {
    let have = length(x, axis)?;
    if have >= n {
        return x.slice(axis, ..n);
    }
    let after = x.rank() - 1 - x.shape().axis(axis)?;
    let mut widths = vec![Dim::Fixed(0); 2 * after + 1];
    widths.push(Dim::Fixed(n - have));
    x.pad(&widths, Padding::Constant(Scalar::Int(0)))
}

/// A product with a table along an axis.
pub(crate) fn product(x: &Tensor, table: &Tensor, axis: i64) -> Result<Tensor> {
    x.transpose(axis, -1)?.matmul(table)?.transpose(axis, -1)
}

/// The transform over some axes, each perhaps of another size.
pub(crate) fn transformed(x: &Complex, axes: &[(i64, Option<i64>)], inverse: bool, norm: Option<&str>) -> Result<Complex> {
    let mut x = x.clone();
    for &(axis, n) in axes {
        let n = n.filter(|&n| n >= 0).map_or_else(|| length(&x.re, axis), Ok)?;
        let (re, im) = (fitted(&x.re, axis, n)?, fitted(&x.im, axis, n)?);
        let dtype = re.dtype();
        let (cos, sin) = (table(n, n, n, f64::cos, dtype)?, table(n, n, n, f64::sin, dtype)?);
        let scale = factor(n as f64, inverse, norm)?;
        let of = |x: &Tensor, table: &Tensor| product(x, table, axis);
        // e^∓iθ: the sine is taken away going there, added coming back.
        let (a, b) = (of(&im, &sin)?, of(&re, &sin)?);
        let (re, im) = (of(&re, &cos)?, of(&im, &cos)?);
        let (re, im) = if inverse { (re.sub(a)?, im.add(b)?) } else { (re.add(a)?, im.sub(b)?) };
        x = if scale == 1.0 { Complex { re, im } } else { Complex { re: re.mul(scale)?, im: im.mul(scale)? } };
    }
    Ok(x)
}

/// The transform of a real signal over some axes, of the last one perhaps the frequencies up to the half only.
pub(crate) fn spectrum(x: &Tensor, axes: &[(i64, Option<i64>)], half: bool, inverse: bool, norm: Option<&str>) -> Result<Complex> {
    let (&(axis, n), front) = axes.split_last().ok_or_else(|| Error::argument("a Fourier transform needs an axis"))?;
    let x = x.cast(x.dtype().or_float())?;
    let n = n.filter(|&n| n >= 0).map_or_else(|| length(&x, axis), Ok)?;
    let (x, kept) = (fitted(&x, axis, n)?, if half { n / 2 + 1 } else { n });
    let scale = factor(n as f64, inverse, norm)?;
    let part = |wave: fn(f64) -> f64, scale: f64| product(&x, &table(kept, n, n, wave, x.dtype())?.mul(scale)?, axis);
    let first = Complex { re: part(f64::cos, scale)?, im: part(f64::sin, if inverse { scale } else { -scale })? };
    transformed(&first, front, inverse, norm)
}

/// The frequencies up to the half of a real signal.
pub(crate) fn halved(x: &Complex, axis: i64) -> Result<Complex> {
    let kept = length(&x.re, axis)? / 2 + 1;
    let half = |t: &Tensor| t.slice(axis, ..kept);
    Ok(Complex { re: half(&x.re)?, im: half(&x.im)? })
}

/// The real signal of these frequencies up to its half: each of them but the first (and the middle one) stands for two.
pub(crate) fn signal(x: &Complex, axis: i64, n: i64, inverse: bool, norm: Option<&str>) -> Result<Tensor> {
    if n < 1 {
        return Err(Error::argument(format!("a Fourier transform of {n} points is not possible")));
    }
    let kept = n / 2 + 1;
    let (re, im) = (fitted(&x.re, axis, kept)?, fitted(&x.im, axis, kept)?);
    let dtype = re.dtype();
    let weight: Vec<f64> = (0..kept).map(|k| if k == 0 || 2 * k == n { 1.0 } else { 2.0 }).collect();
    let weight = Tensor::from(weight.as_slice()).cast(dtype)?.unsqueeze(1)?;
    let (cos, sin) = (table(n, kept, n, f64::cos, dtype)?.mul(&weight)?, table(n, kept, n, f64::sin, dtype)?.mul(&weight)?);
    let (even, odd) = (product(&re, &cos, axis)?, product(&im, &sin, axis)?);
    let y = if inverse { even.sub(odd)? } else { even.add(odd)? };
    match factor(n as f64, inverse, norm)? {
        1.0 => Ok(y),
        scale => y.mul(scale),
    }
}
