//! Windows, and short-time Fourier transforms.

use super::fourier::{Complex, Wave, frames, signal, table};
use super::{Padding, Reduction};
use crate::array::{DType, Scalar};
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use std::f64::consts::TAU;

/// The options of [`Tensor::stft`] and [`Complex::istft`].
#[derive(Clone, Debug)]
pub struct Stft {
    /// The samples of a frame.
    pub n_fft: i64,
    /// The samples from the beginning of a frame to that of the next; n_fft / 4 where `None`.
    pub hop_length: Option<i64>,
    /// The samples of the window, which is padded to the frame at both ends; n_fft where `None`.
    pub win_length: Option<i64>,
    /// The window; ones where `None`.
    pub window: Option<Tensor>,
    /// Whether the transform is divided by √n_fft.
    pub normalized: bool,
    /// Whether only the frequencies up to the half are kept, as the others of a real signal repeat them.
    pub onesided: bool,
}

impl Stft {
    /// torch's defaults for frames of `n_fft` samples.
    pub fn new(n_fft: i64) -> Stft {
        Stft { n_fft, hop_length: None, win_length: None, window: None, normalized: false, onesided: true }
    }

    fn hop(&self) -> i64 {
        self.hop_length.unwrap_or(self.n_fft / 4)
    }

    /// The window, padded to the frame.
    fn padded_window(&self, dtype: DType) -> Result<Tensor> {
        let (n, hop, width) = (self.n_fft, self.hop(), self.win_length.unwrap_or(self.n_fft));
        if n < 1 || hop < 1 || width < 1 || width > n {
            return Err(Error::argument(format!("stft: win_length {width}, n_fft {n} and hop_length {hop} do not fit")));
        }
        let window = match &self.window {
            Some(window) => window.clone(),
            None => Tensor::ones([width], dtype)?,
        };
        let before = (n - width) / 2;
        window.pad([before, n - width - before], Padding::Constant(Scalar::Int(0)))
    }
}

impl Tensor {
    /// The Hann window of n values, ½ − ½ cos 2πt. A periodic window is one value of a longer symmetric one shorter.
    /// [torch.hann_window](https://docs.pytorch.org/docs/stable/generated/torch.hann_window.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// use ontrace::DType;
    /// assert_eq!(Tensor::hann_window(4, true, DType::F32)?.to_vec::<f32>()?, [0.0, 0.5, 1.0, 0.5]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    #[track_caller]
    pub fn hann_window(n: i64, periodic: bool, dtype: DType) -> Result<Tensor> {
        cosines(n, periodic, &[0.5, -0.5], dtype)
    }

    /// The Hamming window of n values, 0.54 − 0.46 cos 2πt. A periodic window is one value of a longer symmetric one shorter.
    /// [torch.hamming_window](https://docs.pytorch.org/docs/stable/generated/torch.hamming_window.html).
    #[track_caller]
    pub fn hamming_window(n: i64, periodic: bool, dtype: DType) -> Result<Tensor> {
        cosines(n, periodic, &[0.54, -0.46], dtype)
    }

    /// The Blackman window of n values, 0.42 − ½ cos 2πt + 0.08 cos 4πt. A periodic window is one value of a longer symmetric one shorter.
    /// [torch.blackman_window](https://docs.pytorch.org/docs/stable/generated/torch.blackman_window.html).
    #[track_caller]
    pub fn blackman_window(n: i64, periodic: bool, dtype: DType) -> Result<Tensor> {
        cosines(n, periodic, &[0.42, -0.5, 0.08], dtype)
    }

    /// The Bartlett window of n values, 1 − |2t − 1|.
    /// [torch.bartlett_window](https://docs.pytorch.org/docs/stable/generated/torch.bartlett_window.html).
    #[track_caller]
    pub fn bartlett_window(n: i64, periodic: bool, dtype: DType) -> Result<Tensor> {
        triangle(n, periodic, dtype)
    }

    /// The Kaiser window of n values, I₀(β √(1 − (2t − 1)²)) / I₀(β).
    /// [torch.kaiser_window](https://docs.pytorch.org/docs/stable/generated/torch.kaiser_window.html).
    #[track_caller]
    pub fn kaiser_window(n: i64, periodic: bool, beta: f64, dtype: DType) -> Result<Tensor> {
        kaiser(n, periodic, beta, dtype)
    }

    /// The frequencies of a transform of n samples that are `step` apart: 0, 1, …, then the negative ones, over n · step.
    /// [torch.fft.fftfreq](https://docs.pytorch.org/docs/stable/generated/torch.fft.fftfreq.html).
    #[track_caller]
    pub fn fftfreq(n: i64, step: f64, dtype: DType) -> Result<Tensor> {
        let values: Vec<f64> = (0..count(n)?).map(|i| if i < (n + 1) / 2 { i } else { i - n } as f64 / (n as f64 * step)).collect();
        Tensor::from(values.as_slice()).cast(dtype)
    }

    /// The frequencies of a transform of n real samples that are `step` apart: 0, 1, …, n / 2 over n · step.
    /// [torch.fft.rfftfreq](https://docs.pytorch.org/docs/stable/generated/torch.fft.rfftfreq.html).
    #[track_caller]
    pub fn rfftfreq(n: i64, step: f64, dtype: DType) -> Result<Tensor> {
        let values: Vec<f64> = (0..count(n)? / 2 + 1).map(|i| i as f64 / (n as f64 * step)).collect();
        Tensor::from(values.as_slice()).cast(dtype)
    }

    /// The short-time Fourier transform of signals (batch, samples) or (samples): (batch, frequencies, frames). The signal is not padded:
    /// where torch centres its frames, pad by n_fft / 2 at both ends first.
    /// [torch.stft](https://docs.pytorch.org/docs/stable/generated/torch.stft.html).
    ///
    /// # Errors
    ///
    /// Where sizes are not positive, or the window is longer than the frame.
    #[track_caller]
    pub fn stft(&self, options: &Stft) -> Result<Complex> {
        stft(self, options)
    }
}

impl Complex {
    /// The signal of which these are the short-time Fourier transforms: the frames are added up where they overlap and divided by the sum of
    /// the squared windows. `center` drops the padding of centred frames; `length` is the number of samples that are wanted.
    /// [torch.istft](https://docs.pytorch.org/docs/stable/generated/torch.istft.html).
    ///
    /// # Errors
    ///
    /// Those of [`stft`](Tensor::stft).
    #[track_caller]
    pub fn istft(&self, options: &Stft, center: bool, length: Option<Dim>) -> Result<Tensor> {
        istft(self, options, center, length)
    }
}

/// The most values of a window or of frequencies: they are computed one by one, while the program is read.
const MOST: i64 = 1 << 28;

/// How many values there are to compute.
fn count(n: i64) -> Result<i64> {
    match n {
        ..0 => Err(Error::argument(format!("a window of {n} values"))),
        n if n > MOST => Err(Error::too_big(format!("a window of {n} values; at most {MOST} are computed"))),
        n => Ok(n),
    }
}

/// A window by its formula over 0…1; a periodic one leaves out the end, where it would begin again.
fn window(n: i64, periodic: bool, at: impl Fn(f64) -> f64) -> Result<Tensor> {
    let span = if periodic { n } else { n - 1 }.max(1) as f64;
    let values: Vec<f64> = if n == 1 { vec![1.0] } else { (0..count(n)?).map(|i| at(i as f64 / span)).collect() };
    Ok(Tensor::from(values.as_slice()))
}

/// Sums of cosines over a window: Hann's, Hamming's, Blackman's.
fn cosines(n: i64, periodic: bool, parts: &[f64], dtype: DType) -> Result<Tensor> {
    let at = |t: f64| parts.iter().enumerate().map(|(k, part)| part * (TAU * k as f64 * t).cos()).sum::<f64>();
    window(n, periodic, at)?.cast(dtype)
}

/// Bartlett's window.
fn triangle(n: i64, periodic: bool, dtype: DType) -> Result<Tensor> {
    window(n, periodic, |t| 1.0 - (2.0 * t - 1.0).abs())?.cast(dtype)
}

/// Kaiser's window, I₀(β √(1 − (2t − 1)²)) / I₀(β).
fn kaiser(n: i64, periodic: bool, beta: f64, dtype: DType) -> Result<Tensor> {
    let whole = modified_bessel_i0(beta);
    let at = |t: f64| modified_bessel_i0(beta * (1.0 - (2.0 * t - 1.0).powi(2)).max(0.0).sqrt()) / whole;
    window(n, periodic, at)?.cast(dtype)
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

/// The transforms of frames, as products with tables of cosines and sines.
fn stft(x: &Tensor, options: &Stft) -> Result<Complex> {
    let (n, hop) = (options.n_fft, options.hop());
    let single = x.rank() == 1;
    let x = if single { x.unsqueeze(0)? } else { x.clone() };
    if x.rank() != 2 {
        return Err(Error::shape(format!("frames of {}", x.ty())));
    }
    let window = options.padded_window(x.dtype())?;
    let frames = frames(&x, n, hop)?.mul(window)?;
    let kept = if options.onesided { n / 2 + 1 } else { n };
    let dtype = frames.dtype();
    let scale = if options.normalized { 1.0 / (n as f64).sqrt() } else { 1.0 };
    let (kept, points) = (Dim::Fixed(kept), Dim::Fixed(n));
    let part = |wave: Wave, sign: f64| frames.matmul(&table(&kept, &points, &points, wave, dtype)?.mul(scale * sign)?)?.transpose(1, 2);
    let (re, im) = (part(Wave::Cos, 1.0)?, part(Wave::Sin, -1.0)?);
    let (re, im) = if single { (re.squeeze_axes(&[0])?, im.squeeze_axes(&[0])?) } else { (re, im) };
    Ok(Complex { re, im })
}

fn istft(x: &Complex, options: &Stft, center: bool, size: Option<Dim>) -> Result<Tensor> {
    let (n, hop) = (options.n_fft, options.hop());
    let single = x.re.rank() == 2;
    let part = |t: &Tensor| if single { t.unsqueeze(0) } else { Ok(t.clone()) };
    let x = Complex { re: part(&x.re)?, im: part(&x.im)? };
    if x.re.rank() != 3 {
        return Err(Error::shape(format!("the spectra of frames, of {}", x.re.ty())));
    }
    let window = options.padded_window(x.re.dtype())?;
    let frames = signal(&x, 1, &Dim::Fixed(n), true, options.normalized.then_some("ortho"))?.transpose(1, 2)?.mul(&window)?;
    let steps = frames.dim(1)?;
    let whole = (&steps - 1i64) * hop + n;
    let positions = super::positions((&steps, hop), (&Dim::Fixed(n), 1))?.reshape([-1])?;
    let batch = x.re.dim(0)?;
    let added = |frames: &Tensor, batch: Dim| {
        let index = positions.expand(&[batch.clone(), positions.dim(0)?])?;
        Tensor::zeros([batch, whole.clone()], frames.dtype())?.scatter(1, &index, frames.flatten(1, 2)?, Reduction::Add)
    };
    let weight = super::constant_where_fixed(&[&steps], || {
        added(&window.square()?.expand([Dim::Fixed(1), steps.clone(), Dim::Fixed(n)])?, 1.into())
    })?;
    let start = Dim::Fixed(if center { n / 2 } else { 0 });
    let kept = match size {
        Some(length) => length,
        None => &whole - &(&start * 2),
    };
    // What there is of what is wanted, and zeros behind it.
    let there = (&whole - &start).min(&kept);
    let cut = |t: &Tensor| t.part(1, &start, &there);
    let y = cut(&added(&frames, batch)?)?.div(cut(&weight)?)?;
    let y = y.pad([Dim::Fixed(0), &kept - &there], Padding::Constant(Scalar::Int(0)))?;
    if single { y.squeeze_axes(&[0]) } else { Ok(y) }
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;
    fn options() -> Stft {
        Stft { hop_length: Some(3), window: Tensor::hann_window(8, true, DType::F32).ok(), ..Stft::new(8) }
    }

    cases! {
        "stft", [floats(&[2, 20])], |x| x[0].stft(&options()).map(|y| vec![y.re, y.im]);
        "istft", [floats(&[2, 5, 6]), floats(&[2, 5, 6])], |x| one(Complex { re: x[0].clone(), im: x[1].clone() }.istft(&Stft { window: None, ..options() }, true, None)?);
    }
}
