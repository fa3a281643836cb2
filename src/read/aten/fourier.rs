//! Fourier transforms and windows.

use super::args::Args;
use super::row::{Row, one, value};
use super::value::Value;
use crate::array::DType;
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::ops::Stft;
use crate::ops::fourier::{Complex, real, signal, spectrum, transformed};
use crate::tensor::Tensor;

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
        signal(&transformed(&a.complex("self")?, &whole(front), true, norm)?, last, &a.dim("last_dim_size")?, true, norm)
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
        |a| Tensor::fftfreq(a.int("n")?, a.float("d")?, dtype(a)?),
    ),
    one(
        "fft_rfftfreq(int n, float d=1.0, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::rfftfreq(a.int("n")?, a.float("d")?, dtype(a)?),
    ),
    value(
        "stft(Tensor self, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None, bool normalized=False, bool? onesided=None, bool? return_complex=None, bool? align_to_window=None) -> Tensor",
        stft,
    ),
    one(
        "hann_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::hann_window(a.int("window_length")?, true, dtype(a)?),
    ),
    one(
        "hann_window(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::hann_window(a.int("window_length")?, a.flag("periodic")?, dtype(a)?),
    ),
    one(
        "hamming_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::hamming_window(a.int("window_length")?, true, dtype(a)?),
    ),
    one(
        "hamming_window(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::hamming_window(a.int("window_length")?, a.flag("periodic")?, dtype(a)?),
    ),
    one(
        "blackman_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::blackman_window(a.int("window_length")?, true, dtype(a)?),
    ),
    one(
        "blackman_window(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::blackman_window(a.int("window_length")?, a.flag("periodic")?, dtype(a)?),
    ),
    one(
        "bartlett_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::bartlett_window(a.int("window_length")?, true, dtype(a)?),
    ),
    one(
        "bartlett_window(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::bartlett_window(a.int("window_length")?, a.flag("periodic")?, dtype(a)?),
    ),
    one(
        "kaiser_window(int window_length, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::kaiser_window(a.int("window_length")?, true, 12.0, dtype(a)?),
    ),
    one(
        "kaiser_window(int window_length, bool periodic, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::kaiser_window(a.int("window_length")?, a.flag("periodic")?, 12.0, dtype(a)?),
    ),
    one(
        "kaiser_window(int window_length, bool periodic, float beta, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::kaiser_window(a.int("window_length")?, a.flag("periodic")?, a.float("beta")?, dtype(a)?),
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
    frequencies(a, &[(a.int("dim")?, a.opt_dim("n")?)], inverse)
}

/// All frequencies of a signal that may be complex.
fn frequencies(a: &Args, axes: &[(i64, Option<Dim>)], inverse: bool) -> Result<Value> {
    let y = match a.is_complex("self")? {
        true => transformed(&a.complex("self")?, axes, inverse, a.opt_str("norm")?),
        false => spectrum(&a.tensor("self")?, axes, false, inverse, a.opt_str("norm")?),
    };
    y.map(Value::from)
}

/// The axes of a transform with their sizes: those given, or the last ones for which sizes are given, or all.
fn axes(a: &Args, rank: usize) -> Result<Vec<(i64, Option<Dim>)>> {
    let sizes = if a.is_none("s")? { None } else { Some(a.dims("s")?) };
    let axes = match (a.opt_ints("dim")?, &sizes) {
        (Some(axes), _) => axes,
        (None, Some(sizes)) => (rank as i64 - sizes.len() as i64..rank as i64).collect(),
        (None, None) => (0..rank as i64).collect(),
    };
    if sizes.as_ref().is_some_and(|sizes| sizes.len() != axes.len()) || axes.is_empty() {
        return Err(Error::argument("expected one size per axis of the transform"));
    }
    Ok(axes.into_iter().enumerate().map(|(i, axis)| (axis, sizes.as_ref().map(|sizes| sizes[i].clone()))).collect())
}

fn over(a: &Args, inverse: bool) -> Result<Value> {
    let rank = if a.is_complex("self")? { a.complex("self")?.re.rank() } else { a.tensor("self")?.rank() };
    frequencies(a, &axes(a, rank)?, inverse)
}

/// The frequencies up to the half of a real signal; coming back, of one whose transform is real.
fn half_along(a: &Args, inverse: bool) -> Result<Value> {
    let axes = [(a.int("dim")?, a.opt_dim("n")?)];
    spectrum(&a.tensor("self")?, &axes, true, inverse, a.opt_str("norm")?).map(Value::from)
}

fn half_over(a: &Args, inverse: bool) -> Result<Value> {
    let x = a.tensor("self")?;
    spectrum(&x, &axes(a, x.rank())?, true, inverse, a.opt_str("norm")?).map(Value::from)
}

/// Axes that are transformed as a whole.
fn whole(axes: &[i64]) -> Vec<(i64, Option<Dim>)> {
    axes.iter().map(|&axis| (axis, None)).collect()
}

/// A normalisation by its number in torch: 0: none, 1: by √n, 2: by n.
fn norm(number: i64, inverse: bool) -> Result<&'static str> {
    match (number, inverse) {
        (0, false) | (2, true) => Ok("backward"),
        (1, _) => Ok("ortho"),
        (2, false) | (0, true) => Ok("forward"),
        (other, _) => Err(Error::argument(format!("unknown norm {other}"))),
    }
}

/// The size of the signal of which these are the frequencies up to the half.
fn doubled(x: &Complex, axis: i64, n: Option<Dim>) -> Result<Dim> {
    n.filter(|n| n.example().is_none_or(|n| n > 0)).map_or_else(|| Ok((x.re.dim(axis)? - 1i64) * 2), Ok)
}

fn from_half(a: &Args, inverse: bool) -> Result<Tensor> {
    let (x, axis) = (operand(a)?, a.int("dim")?);
    let n = doubled(&x, axis, a.opt_dim("n")?)?;
    signal(&x, axis, &n, inverse, a.opt_str("norm")?)
}

fn from_half_over(a: &Args, inverse: bool) -> Result<Tensor> {
    let x = operand(a)?;
    let axes = axes(a, x.re.rank())?;
    let ((last, n), front) = axes.split_last().ok_or_else(|| Error::argument("a Fourier transform needs an axis"))?;
    let n = doubled(&x, *last, n.clone())?;
    signal(&transformed(&x, front, inverse, a.opt_str("norm")?)?, *last, &n, inverse, a.opt_str("norm")?)
}

fn dtype(a: &Args) -> Result<DType> {
    Ok(a.opt_dtype("dtype")?.unwrap_or(DType::F32))
}

fn frames(a: &Args) -> Result<Stft> {
    let n_fft = a.int("n_fft")?;
    let one = |name: &str| Ok::<_, Error>(a.opt_ints(name)?.and_then(|ints| ints.first().copied()));
    let onesided = a.is_none("onesided")? || a.flag("onesided")?;
    let (hop_length, win_length) = (one("hop_length")?, one("win_length")?);
    Ok(Stft { n_fft, hop_length, win_length, window: a.opt_tensor("window")?, normalized: a.flag("normalized")?, onesided })
}

fn stft(a: &Args) -> Result<Value> {
    let y = a.tensor("self")?.stft(&frames(a)?)?;
    if a.is_none("return_complex")? || a.flag("return_complex")? {
        return Ok(y.into());
    }
    Ok(Tensor::stack(&[&y.re, &y.im], -1)?.into())
}

fn istft(a: &Args) -> Result<Tensor> {
    if a.flag("return_complex")? {
        return Err(Error::unsupported("istft with a complex result is not supported"));
    }
    a.complex("self")?.istft(&frames(a)?, a.flag("center")?, a.opt_dim("length")?)
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
    fn normalisations_divide_by_one_the_root_or_the_size() {
        // 1 + 2 + 4, and 1 + 2 w + 4 w², w = exp(−2πi / 3).
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
