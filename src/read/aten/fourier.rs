//! Fourier transforms and windows.

use super::args::Args;
use super::row::{Row, one, value};
use super::value::Value;
use crate::array::{DType, Scalar};
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::ops::fourier::{Complex, length, real, signal, spectrum, table, transformed};
use crate::ops::{Padding, Reduction};
use crate::tensor::Tensor;
use std::f64::consts::TAU;

pub(super) const ROWS: &[Row] = &[
    value("fft_fft(Complex self, SymInt? n=None, int dim=-1, str? norm=None) -> Tensor", |a| along(a, false)),
    value("fft_fft(Tensor self, SymInt? n=None, int dim=-1, str? norm=None) -> Tensor", |a| along(a, false)),
    value("fft_ifft(Complex self, SymInt? n=None, int dim=-1, str? norm=None) -> Tensor", |a| along(a, true)),
    value("fft_ifft(Tensor self, SymInt? n=None, int dim=-1, str? norm=None) -> Tensor", |a| along(a, true)),
    value("fft_fft2(Tensor self, SymInt[1]? s=None, int[1] dim=[-2,-1], str? norm=None) -> Tensor", |a| over(a, false)),
    value("fft_fft2(Complex self, SymInt[1]? s=None, int[1] dim=[-2,-1], str? norm=None) -> Tensor", |a| over(a, false)),
    value("fft_ifft2(Tensor self, SymInt[1]? s=None, int[1] dim=[-2,-1], str? norm=None) -> Tensor", |a| over(a, true)),
    value("fft_ifft2(Complex self, SymInt[1]? s=None, int[1] dim=[-2,-1], str? norm=None) -> Tensor", |a| over(a, true)),
    value("fft_fftn(Tensor self, SymInt[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor", |a| over(a, false)),
    value("fft_fftn(Complex self, SymInt[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor", |a| over(a, false)),
    value("fft_ifftn(Tensor self, SymInt[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor", |a| over(a, true)),
    value("fft_ifftn(Complex self, SymInt[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor", |a| over(a, true)),
    value("fft_rfft(Tensor self, SymInt? n=None, int dim=-1, str? norm=None) -> Tensor", |a| half_along(a, false)),
    value("fft_ihfft(Tensor self, SymInt? n=None, int dim=-1, str? norm=None) -> Tensor", |a| half_along(a, true)),
    value("fft_rfft2(Tensor self, SymInt[1]? s=None, int[1] dim=[-2,-1], str? norm=None) -> Tensor", |a| half_over(a, false)),
    value("fft_rfftn(Tensor self, SymInt[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor", |a| half_over(a, false)),
    value("fft_ihfft2(Tensor self, SymInt[1]? s=None, int[1] dim=[-2,-1], str? norm=None) -> Tensor", |a| half_over(a, true)),
    value("fft_ihfftn(Tensor self, SymInt[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor", |a| half_over(a, true)),
    value("_fft_r2c(Tensor self, int[] dim, int normalization, bool onesided) -> Tensor", |a| {
        let axes = whole(&a.ints("dim")?);
        spectrum(&a.tensor("self")?, &axes, a.flag("onesided")?, false, Some(norm(a.int("normalization")?, false)?)).map(Value::from)
    }),
    value("_fft_c2c(Complex self, SymInt[] dim, int normalization, bool forward) -> Tensor", |a| {
        let inverse = !a.flag("forward")?;
        transformed(&a.complex("self")?, &whole(&a.ints("dim")?), inverse, Some(norm(a.int("normalization")?, inverse)?)).map(Value::from)
    }),
    one("_fft_c2r(Complex self, int[] dim, int normalization, SymInt last_dim_size) -> Tensor", |a| {
        let (axes, norm) = (a.ints("dim")?, Some(norm(a.int("normalization")?, true)?));
        let (&last, front) = axes.split_last().ok_or_else(|| Error::argument("a Fourier transform needs an axis"))?;
        signal(&transformed(&a.complex("self")?, &whole(front), true, norm)?, last, a.int("last_dim_size")?, true, norm)
    }),
    one("fft_irfft(Complex self, SymInt? n=None, int dim=-1, str? norm=None) -> Tensor", |a| from_half(a, true)),
    one("fft_irfft(Tensor self, SymInt? n=None, int dim=-1, str? norm=None) -> Tensor", |a| from_half(a, true)),
    one("fft_hfft(Complex self, SymInt? n=None, int dim=-1, str? norm=None) -> Tensor", |a| from_half(a, false)),
    one("fft_hfft(Tensor self, SymInt? n=None, int dim=-1, str? norm=None) -> Tensor", |a| from_half(a, false)),
    one("fft_irfft2(Tensor self, SymInt[1]? s=None, int[1] dim=[-2,-1], str? norm=None) -> Tensor", |a| from_half_over(a, true)),
    one("fft_irfft2(Complex self, SymInt[1]? s=None, int[1] dim=[-2,-1], str? norm=None) -> Tensor", |a| from_half_over(a, true)),
    one("fft_irfftn(Tensor self, SymInt[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor", |a| from_half_over(a, true)),
    one("fft_irfftn(Complex self, SymInt[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor", |a| from_half_over(a, true)),
    one("fft_hfft2(Tensor self, SymInt[1]? s=None, int[1] dim=[-2,-1], str? norm=None) -> Tensor", |a| from_half_over(a, false)),
    one("fft_hfft2(Complex self, SymInt[1]? s=None, int[1] dim=[-2,-1], str? norm=None) -> Tensor", |a| from_half_over(a, false)),
    one("fft_hfftn(Tensor self, SymInt[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor", |a| from_half_over(a, false)),
    one("fft_hfftn(Complex self, SymInt[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor", |a| from_half_over(a, false)),
    one(
        "fft_fftfreq(int n, float d=1.0, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| {
            let (n, d) = (a.int("n")?, a.float("d")?);
            let numbers: Vec<f64> = (0..n).map(|i| if i < (n + 1) / 2 { i } else { i - n } as f64 / (n as f64 * d)).collect();
            Tensor::from(numbers.as_slice()).cast(a.opt_dtype("dtype")?.unwrap_or(DType::F32))
        },
    ),
    one(
        "fft_rfftfreq(int n, float d=1.0, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| {
            let (n, d) = (a.int("n")?, a.float("d")?);
            let numbers: Vec<f64> = (0..n / 2 + 1).map(|i| i as f64 / (n as f64 * d)).collect();
            Tensor::from(numbers.as_slice()).cast(a.opt_dtype("dtype")?.unwrap_or(DType::F32))
        },
    ),
    value(
        "stft(Tensor self, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None, bool normalized=False, bool? onesided=None, bool? return_complex=None, bool? align_to_window=None) -> Tensor",
        stft,
    ),
    one(
        "hann_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| cosines(a.int("window_length")?, true, &[0.5, -0.5], a.opt_dtype("dtype")?),
    ),
    one(
        "hann_window(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| cosines(a.int("window_length")?, a.flag("periodic")?, &[0.5, -0.5], a.opt_dtype("dtype")?),
    ),
    one(
        "hamming_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| cosines(a.int("window_length")?, true, &[0.54, -0.46], a.opt_dtype("dtype")?),
    ),
    one(
        "hamming_window(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| cosines(a.int("window_length")?, a.flag("periodic")?, &[0.54, -0.46], a.opt_dtype("dtype")?),
    ),
    one(
        "blackman_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| cosines(a.int("window_length")?, true, &[0.42, -0.5, 0.08], a.opt_dtype("dtype")?),
    ),
    one(
        "blackman_window(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| cosines(a.int("window_length")?, a.flag("periodic")?, &[0.42, -0.5, 0.08], a.opt_dtype("dtype")?),
    ),
    one(
        "bartlett_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| triangle(a.int("window_length")?, true, a.opt_dtype("dtype")?),
    ),
    one(
        "bartlett_window(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| triangle(a.int("window_length")?, a.flag("periodic")?, a.opt_dtype("dtype")?),
    ),
    one(
        "kaiser_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| kaiser(a.int("window_length")?, true, 12.0, a.opt_dtype("dtype")?),
    ),
    one(
        "kaiser_window(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| kaiser(a.int("window_length")?, a.flag("periodic")?, 12.0, a.opt_dtype("dtype")?),
    ),
    one(
        "kaiser_window(int window_length, bool periodic, float beta, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| kaiser(a.int("window_length")?, a.flag("periodic")?, a.float("beta")?, a.opt_dtype("dtype")?),
    ),
    one(
        "istft(Complex self, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None, bool center=True, bool normalized=False, bool? onesided=None, int? length=None, bool return_complex=False) -> Tensor",
        istft,
    ),
];

fn operand(a: &Args) -> Result<Complex> {
    if a.is_complex("self")? { a.complex("self") } else { real(&a.tensor("self")?) }
}

fn along(a: &Args, inverse: bool) -> Result<Value> {
    frequencies(a, &[(a.int("dim")?, a.opt_ints("n")?.map(|n| n[0]))], inverse)
}

/// All frequencies of a signal that may be complex.
fn frequencies(a: &Args, axes: &[(i64, Option<i64>)], inverse: bool) -> Result<Value> {
    let y = match a.is_complex("self")? {
        true => transformed(&a.complex("self")?, axes, inverse, a.opt_str("norm")?),
        false => spectrum(&a.tensor("self")?, axes, false, inverse, a.opt_str("norm")?),
    };
    y.map(Value::from)
}

/// The axes of a transform with their lengths: those given, or the last ones for which lengths are given, or all.
fn axes(a: &Args, rank: usize) -> Result<Vec<(i64, Option<i64>)>> {
    let lengths = a.opt_ints("s")?;
    let places = match (a.opt_ints("dim")?, &lengths) {
        (Some(axes), _) => axes,
        (None, Some(lengths)) => (rank as i64 - lengths.len() as i64..rank as i64).collect(),
        (None, None) => (0..rank as i64).collect(),
    };
    if lengths.as_ref().is_some_and(|lengths| lengths.len() != places.len()) || places.is_empty() {
        return Err(Error::argument("expected one size per axis of the transform"));
    }
    Ok(places.into_iter().enumerate().map(|(i, axis)| (axis, lengths.as_ref().map(|lengths| lengths[i]))).collect())
}

fn over(a: &Args, inverse: bool) -> Result<Value> {
    let rank = if a.is_complex("self")? { a.complex("self")?.re.rank() } else { a.tensor("self")?.rank() };
    frequencies(a, &axes(a, rank)?, inverse)
}

/// The frequencies up to the half of a real signal; coming back, of one whose transform is real.
fn half_along(a: &Args, inverse: bool) -> Result<Value> {
    let axes = [(a.int("dim")?, a.opt_ints("n")?.map(|n| n[0]))];
    spectrum(&a.tensor("self")?, &axes, true, inverse, a.opt_str("norm")?).map(Value::from)
}

fn half_over(a: &Args, inverse: bool) -> Result<Value> {
    let x = a.tensor("self")?;
    spectrum(&x, &axes(a, x.rank())?, true, inverse, a.opt_str("norm")?).map(Value::from)
}

/// Axes of which no other length is asked for.
fn whole(axes: &[i64]) -> Vec<(i64, Option<i64>)> {
    axes.iter().map(|&axis| (axis, None)).collect()
}

/// torch's number of a normalisation (0: none, 1: by √n, 2: by n) in the words of its users.
fn norm(number: i64, inverse: bool) -> Result<&'static str> {
    match (number, inverse) {
        (0, false) | (2, true) => Ok("backward"),
        (1, _) => Ok("ortho"),
        (2, false) | (0, true) => Ok("forward"),
        (other, _) => Err(Error::argument(format!("unknown norm {other}"))),
    }
}

/// The length of a signal of which these are the frequencies up to the half.
fn doubled(x: &Complex, axis: i64, n: Option<i64>) -> Result<i64> {
    n.filter(|&n| n > 0).map_or_else(|| Ok(2 * (length(&x.re, axis)? - 1)), Ok)
}

fn from_half(a: &Args, inverse: bool) -> Result<Tensor> {
    let (x, axis) = (operand(a)?, a.int("dim")?);
    let n = doubled(&x, axis, a.opt_ints("n")?.map(|n| n[0]))?;
    signal(&x, axis, n, inverse, a.opt_str("norm")?)
}

fn from_half_over(a: &Args, inverse: bool) -> Result<Tensor> {
    let x = operand(a)?;
    let axes = axes(a, x.re.rank())?;
    let (&(last, n), front) = axes.split_last().ok_or_else(|| Error::argument("a Fourier transform needs an axis"))?;
    let n = doubled(&x, last, n)?;
    signal(&transformed(&x, front, inverse, a.opt_str("norm")?)?, last, n, inverse, a.opt_str("norm")?)
}

/// A window by its formula over 0…1; a periodic one leaves out the end, where it would begin again.
fn window(n: i64, periodic: bool, at: impl Fn(f64) -> f64) -> Tensor {
    let span = if periodic { n } else { n - 1 }.max(1) as f64;
    let numbers: Vec<f64> = if n == 1 { vec![1.0] } else { (0..n.clamp(0, 1 << 24)).map(|i| at(i as f64 / span)).collect() };
    Tensor::from(numbers.as_slice())
}

/// Sums of cosines over a window: Hann's, Hamming's, Blackman's.
fn cosines(n: i64, periodic: bool, parts: &[f64], dtype: Option<DType>) -> Result<Tensor> {
    let at = |t: f64| parts.iter().enumerate().map(|(k, part)| part * (TAU * k as f64 * t).cos()).sum::<f64>();
    window(n, periodic, at).cast(dtype.unwrap_or(DType::F32))
}

/// Bartlett's window.
fn triangle(n: i64, periodic: bool, dtype: Option<DType>) -> Result<Tensor> {
    window(n, periodic, |t| 1.0 - (2.0 * t - 1.0).abs()).cast(dtype.unwrap_or(DType::F32))
}

/// Kaiser's window, I₀(β √(1 − (2t − 1)²)) / I₀(β).
fn kaiser(n: i64, periodic: bool, beta: f64, dtype: Option<DType>) -> Result<Tensor> {
    let whole = modified_bessel_i0(beta);
    let at = |t: f64| modified_bessel_i0(beta * (1.0 - (2.0 * t - 1.0).powi(2)).max(0.0).sqrt()) / whole;
    window(n, periodic, at).cast(dtype.unwrap_or(DType::F32))
}

/// I₀ by its power series Σ (x²/4)ᵏ / k!², whose terms are all positive.
fn modified_bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..1000 {
        term *= quarter / f64::from(k * k);
        sum += term;
        if term <= sum * f64::EPSILON / 4.0 {
            break;
        }
    }
    sum
}

/// The transform of windows that move over a signal: (batch, frequencies, steps).
fn stft(a: &Args) -> Result<Value> {
    let (x, n) = (a.tensor("self")?, a.int("n_fft")?);
    let hop = a.opt_ints("hop_length")?.map_or(n / 4, |hop| hop[0]);
    let width = a.opt_ints("win_length")?.map_or(n, |width| width[0]);
    let single = x.rank() == 1;
    let x = if single { x.unsqueeze(0)? } else { x };
    if n < 1 || hop < 1 || width < 1 || width > n || x.rank() != 2 {
        return Err(Error::argument(format!("stft: win_length {width}, n_fft {n} and hop_length {hop} do not fit {}", x.ty())));
    }
    let samples = length(&x, 1)?;
    let steps = (samples - n).div_euclid(hop) + 1;
    let places: Vec<i64> = (0..steps.max(0)).flat_map(|step| (0..n).map(move |i| step * hop + i)).collect();
    let frames = x.index_select(1, &Tensor::from(places.as_slice()))?.unflatten(1, &[steps.max(0), n])?;
    let window = match a.opt_tensor("window")? {
        Some(window) => window,
        None => Tensor::ones([width], x.dtype())?,
    };
    let before = (n - width) / 2;
    let window = window.pad(&[before, n - width - before], Padding::Constant(Scalar::Int(0)))?;
    let frames = frames.mul(window)?;
    let one_sided = a.is_none("onesided")? || a.flag("onesided")?;
    let kept = if one_sided { n / 2 + 1 } else { n };
    let dtype = frames.dtype();
    let scale = if a.flag("normalized")? { 1.0 / (n as f64).sqrt() } else { 1.0 };
    let part = |wave: fn(f64) -> f64, sign: f64| frames.matmul(&table(kept, n, n, wave, dtype)?.mul(scale * sign)?)?.transpose(1, 2);
    let (re, im) = (part(f64::cos, 1.0)?, part(f64::sin, -1.0)?);
    let (re, im) = if single { (re.squeeze_axes(&[0])?, im.squeeze_axes(&[0])?) } else { (re, im) };
    if a.is_none("return_complex")? || a.flag("return_complex")? {
        return Ok(Complex { re, im }.into());
    }
    Ok(Tensor::stack(&[&re, &im], -1)?.into())
}

/// The signal of which these are the transforms of windows: overlapping frames are added up, and divided by what the windows add up to.
fn istft(a: &Args) -> Result<Tensor> {
    let (x, n) = (a.complex("self")?, a.int("n_fft")?);
    if a.flag("return_complex")? {
        return Err(Error::unsupported("istft with a complex result is not supported"));
    }
    let single = x.re.rank() == 2;
    let part = |t: &Tensor| if single { t.unsqueeze(0) } else { Ok(t.clone()) };
    let x = Complex { re: part(&x.re)?, im: part(&x.im)? };
    let hop = a.opt_ints("hop_length")?.map_or(n / 4, |hop| hop[0]);
    let width = a.opt_ints("win_length")?.map_or(n, |width| width[0]);
    if n < 1 || hop < 1 || width < 1 || width > n || x.re.rank() != 3 {
        return Err(Error::argument(format!("istft: win_length {width}, n_fft {n} and hop_length {hop} do not fit {}", x.re.ty())));
    }
    let window = match a.opt_tensor("window")? {
        Some(window) => window,
        None => Tensor::ones([width], x.re.dtype())?,
    };
    let before = (n - width) / 2;
    let window = window.pad(&[before, n - width - before], Padding::Constant(Scalar::Int(0)))?;
    let frames = signal(&x, 1, n, true, a.flag("normalized")?.then_some("ortho"))?.transpose(1, 2)?.mul(&window)?;
    let steps = length(&frames, 1)?;
    let whole = n + hop * (steps - 1);
    let places: Vec<i64> = (0..steps).flat_map(|step| (0..n).map(move |i| step * hop + i)).collect();
    let places = Tensor::from(places.as_slice());
    let batch = x.re.dim(0)?;
    let added = |frames: &Tensor, batch: Dim| {
        let index = places.expand(&[batch.clone(), places.dim(0)?])?;
        Tensor::zeros([batch, whole.into()], frames.dtype())?.scatter(1, &index, frames.flatten(1, 2)?, Reduction::Add)
    };
    let weight = added(&window.square()?.expand(&[1, steps, n])?, 1.into())?;
    let (start, end) = match (a.flag("center")?, a.opt_ints("length")?) {
        (centred, Some(length)) => (if centred { n / 2 } else { 0 }, if centred { n / 2 } else { 0 } + length[0]),
        (true, None) => (n / 2, whole - n / 2),
        (false, None) => (0, whole),
    };
    let cut = |t: &Tensor| t.slice(1, Dim::from(start)..end.min(whole).into());
    let y = cut(&added(&frames, batch)?)?.div(cut(&weight)?)?;
    let y = if end > whole { y.pad(&[0, end - whole], Padding::Constant(Scalar::Int(0)))? } else { y };
    if single { y.squeeze_axes(&[0]) } else { Ok(y) }
}

#[cfg(test)]
mod tests {
    use super::super::table::call;
    use super::*;

    fn close(got: &Value, expected: &[f32]) {
        let got = got.view().unwrap().read().unwrap().to_vec::<f32>().unwrap();
        assert_eq!(got.len(), expected.len());
        for (got, expected) in got.iter().zip(expected) {
            assert!((got - expected).abs() < 1e-5, "{got}, expected {expected}");
        }
    }

    fn int(n: i64) -> Value {
        Value::Int(n.into())
    }

    #[test]
    fn windows_are_as_torch_has_them() {
        let kaiser = call("kaiser_window", &[int(6)], &[]).unwrap();
        close(&kaiser, &[5.277_343_7e-5, 0.054_759_316, 0.518_844_54, 1.0, 0.518_844_54, 0.054_759_316]);
        let kaiser = call("kaiser_window", &[int(5), Value::Bool(false), Value::Float(3.0)], &[]).unwrap();
        close(&kaiser, &[0.204_884_74, 0.726_925_5, 1.0, 0.726_925_5, 0.204_884_74]);
        close(&call("bartlett_window", &[int(4)], &[]).unwrap(), &[0.0, 0.5, 1.0, 0.5]);
    }

    #[test]
    fn the_numbers_of_normalisations_are_none_root_and_whole() {
        // 1 + 2 + 4, and 1 + 2 w + 4 w², w being a third of a turn back.
        let expected = [[7.0, 0.0], [-2.0, 3f32.sqrt()]].concat();
        for (number, scale) in [(0, 1.0), (1, 3f32.sqrt()), (2, 3.0)] {
            let x = Value::from(Tensor::from(&[1.0f32, 2.0, 4.0]));
            let axes = Value::list(vec![int(0)]);
            let y = call("_fft_r2c", &[x, axes.clone(), int(number), Value::Bool(true)], &[]).unwrap();
            let pairs = call("view_as_real", std::slice::from_ref(&y), &[]).unwrap();
            close(&pairs, &expected.iter().map(|x| x / scale).collect::<Vec<_>>());
            // Back again, what is left of the two is the rest of a division by n.
            close(&call("_fft_c2r", &[y, axes, int(2 - number), int(3)], &[]).unwrap(), &[1.0, 2.0, 4.0]);
        }
    }

    #[test]
    fn the_windows_of_a_signal_give_it_back() {
        let signal: Vec<f32> = (0..40u16).map(|i| f32::from(i * 7 % 11) - 4.0).collect();
        let window = call("hamming_window", &[int(8)], &[]).unwrap();
        let named = [("window".to_string(), window)];
        let x = Value::from(Tensor::from(signal.as_slice()));
        let transforms = call("stft", &[x, int(8), int(2)], &named).unwrap();
        let y = call("istft", &[transforms, int(8), int(2), int(8)], &[named[0].clone(), ("center".to_string(), Value::Bool(false))]);
        close(&y.unwrap(), &signal);
    }
}
