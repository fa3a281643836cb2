//! Resampling with an antialiasing filter.

use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

impl Tensor {
    /// The last two axes resampled by a filter as wide as a step of the output: bilinear, or cubic with a = −½. `scales` are the factors,
    /// where they are not those of the sizes.
    /// [torch.nn.functional.interpolate](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html).
    ///
    /// # Errors
    ///
    /// Where an axis has a symbolic size.
    #[track_caller]
    pub fn upsample_antialiased(&self, out: [i64; 2], cubic: bool, corners: bool, scales: [Option<f64>; 2]) -> Result<Tensor> {
        filtered(self, out, corners, scales, if cubic { 2 } else { 1 })
    }
}

fn fixed(x: &Tensor, axis: i64) -> Result<i64> {
    x.dim(axis)?.fixed().ok_or_else(|| Error::size("a filter over an axis of symbolic size"))
}

/// The last two axes resampled by a triangle (reach 1) or a cubic with a = −½ (reach 2) as wide as the step: a matrix for each axis.
fn filtered(x: &Tensor, out: [i64; 2], corners: bool, scales: [Option<f64>; 2], reach: i64) -> Result<Tensor> {
    let [height, width] = out;
    let rows = weights(fixed(x, -2)?, height, corners, scales[0], reach)?.cast(x.dtype())?;
    let columns = weights(fixed(x, -1)?, width, corners, scales[1], reach)?.cast(x.dtype())?;
    rows.matmul(x)?.matmul(&columns.transpose(0, 1)?)
}

/// The weights of n elements in each of `out` outputs.
fn weights(n: i64, out: i64, corners: bool, scale: Option<f64>, reach: i64) -> Result<Tensor> {
    let step = match (corners, scale) {
        (true, _) if out > 1 => (n - 1) as f64 / (out - 1) as f64,
        (true, _) => 0.0,
        (false, Some(scale)) if scale > 0.0 => 1.0 / scale,
        _ => n as f64 / out.max(1) as f64,
    };
    let support = reach as f64 * step.max(1.0);
    let kernel = |x: f64| {
        let x = x.abs();
        match (reach, x) {
            (1, x) => (1.0 - x).max(0.0),
            (_, x) if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            (_, x) if x < 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            _ => 0.0,
        }
    };
    if n.checked_mul(out).is_none_or(|size| !(0..=1 << 24).contains(&size)) {
        return Err(Error::too_big(format!("a filter of {n} by {out}")));
    }
    let mut table = vec![0f64; (n * out) as usize];
    for i in 0..out {
        let centre = step * (i as f64 + 0.5);
        let first = ((centre - support + 0.5) as i64).max(0);
        let last = ((centre + support + 0.5) as i64).min(n);
        let row: Vec<f64> = (first..last).map(|j| kernel((j as f64 - centre + 0.5) / step.max(1.0))).collect();
        let sum: f64 = row.iter().sum();
        for (j, weight) in (first..last).zip(row) {
            table[(i * n + j) as usize] = weight / sum;
        }
    }
    Tensor::from(table.as_slice()).reshape(&[Dim::Fixed(out), Dim::Fixed(n)])
}
