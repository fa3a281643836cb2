//! Sampling on grids, im2col and col2im, and resampling with an antialiasing filter.

use super::args::Args;
use super::row::{Row, one};
use crate::array::DType;
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::ops::{Outside, Sampling, Window};
use crate::tensor::Tensor;

pub(super) const ROWS: &[Row] = &[
    one("grid_sampler(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners) -> Tensor", sampled),
    one("grid_sampler_2d(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners) -> Tensor", sampled),
    one("grid_sampler_3d(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners) -> Tensor", sampled),
    one("affine_grid_generator(Tensor theta, SymInt[] size, bool align_corners) -> Tensor", |a| {
        a.tensor("theta")?.affine_grid(&a.dims("size")?, a.flag("align_corners")?)
    }),
    one("im2col(Tensor self, int[2] kernel_size, int[2] dilation, int[2] padding, int[2] stride) -> Tensor", |a| {
        let (x, kernel) = (a.tensor("self")?, a.counts("kernel_size", 2)?);
        let window = Window::symmetric(&a.counts("stride", 2)?, &a.counts("padding", 2)?, &a.counts("dilation", 2)?);
        if x.dtype() == DType::Bool {
            return x.cast(DType::U8)?.im2col(&kernel, window)?.cast(DType::Bool);
        }
        x.im2col(&kernel, window)
    }),
    one("col2im(Tensor self, SymInt[2] output_size, int[2] kernel_size, int[2] dilation, int[2] padding, int[2] stride) -> Tensor", |a| {
        let window = Window::symmetric(&a.counts("stride", 2)?, &a.counts("padding", 2)?, &a.counts("dilation", 2)?);
        a.tensor("self")?.col2im(&a.counts("output_size", 2)?, &a.counts("kernel_size", 2)?, window)
    }),
    one(
        "_upsample_bilinear2d_aa(Tensor self, SymInt[2] output_size, bool align_corners, float? scales_h=None, float? scales_w=None) -> Tensor",
        |a| {
            filtered(
                &a.tensor("self")?,
                &a.ints("output_size")?,
                a.flag("align_corners")?,
                &[a.opt_float("scales_h")?, a.opt_float("scales_w")?],
                1,
            )
        },
    ),
    one("_upsample_bilinear2d_aa(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> Tensor", |a| {
        by_factors(a, 1)
    }),
    one(
        "_upsample_bicubic2d_aa(Tensor self, SymInt[2] output_size, bool align_corners, float? scales_h=None, float? scales_w=None) -> Tensor",
        |a| {
            filtered(
                &a.tensor("self")?,
                &a.ints("output_size")?,
                a.flag("align_corners")?,
                &[a.opt_float("scales_h")?, a.opt_float("scales_w")?],
                2,
            )
        },
    ),
    one("_upsample_bicubic2d_aa(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> Tensor", |a| {
        by_factors(a, 2)
    }),
];

fn sampled(a: &Args) -> Result<Tensor> {
    let sampling = match a.int("interpolation_mode")? {
        0 => Sampling::Linear,
        1 => Sampling::Nearest,
        2 => Sampling::Cubic,
        other => return Err(Error::argument(format!("unknown interpolation {other}"))),
    };
    let outside = match a.int("padding_mode")? {
        0 => Outside::Zeros,
        1 => Outside::Border,
        2 => Outside::Reflection,
        other => return Err(Error::argument(format!("the padding {other}"))),
    };
    a.tensor("input")?.grid_sample(&a.tensor("grid")?, sampling, outside, a.flag("align_corners")?)
}

fn by_factors(a: &Args, reach: i64) -> Result<Tensor> {
    let x = a.tensor("input")?;
    if !a.is_none("output_size")? {
        return filtered(&x, &a.ints("output_size")?, a.flag("align_corners")?, &[None, None], reach);
    }
    let factors =
        a.value("scale_factors")?.elements()?.iter().map(|value| value.number().map(crate::Scalar::to_f64)).collect::<Result<Vec<_>>>()?;
    let length = |(axis, factor): (i64, &f64)| Ok((fixed(&x, axis)? as f64 * factor).floor() as i64);
    let out = (-2..0).zip(&factors).map(length).collect::<Result<Vec<_>>>()?;
    filtered(&x, &out, a.flag("align_corners")?, &factors.into_iter().map(Some).collect::<Vec<_>>(), reach)
}

fn fixed(x: &Tensor, axis: i64) -> Result<i64> {
    x.dim(axis)?.fixed().ok_or_else(|| Error::size("a filter over an axis of symbolic size"))
}

/// The last two axes resampled by a triangle (reach 1) or a cubic with a = −½ (reach 2) as wide as the step: a matrix for each axis.
fn filtered(x: &Tensor, out: &[i64], corners: bool, scales: &[Option<f64>], reach: i64) -> Result<Tensor> {
    let &[height, width] = out else { return Err(Error::argument("two sizes")) };
    let rows = weights(fixed(x, -2)?, height, corners, scales[0], reach)?.cast(x.dtype())?;
    let columns = weights(fixed(x, -1)?, width, corners, scales[1], reach)?.cast(x.dtype())?;
    rows.matmul(x)?.matmul(&columns.transpose(0, 1)?)
}

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
