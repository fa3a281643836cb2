//! Sampling on grids, im2col and col2im, and resampling with an antialiasing filter.

use super::args::Args;
use super::row::{Row, one};
use crate::array::DType;
use crate::error::{Error, Result};
use crate::ops::{GridPadding, Sampling, Window};
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
        a.tensor("self")?.col2im(&a.dims("output_size")?, &a.counts("kernel_size", 2)?, window)
    }),
    one(
        "_upsample_bilinear2d_aa(Tensor self, SymInt[2] output_size, bool align_corners, float? scales_h=None, float? scales_w=None) -> Tensor",
        |a| antialiased(a, false),
    ),
    one("_upsample_bilinear2d_aa(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> Tensor", |a| {
        by_factors(a, false)
    }),
    one(
        "_upsample_bicubic2d_aa(Tensor self, SymInt[2] output_size, bool align_corners, float? scales_h=None, float? scales_w=None) -> Tensor",
        |a| antialiased(a, true),
    ),
    one("_upsample_bicubic2d_aa(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> Tensor", |a| {
        by_factors(a, true)
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
        0 => GridPadding::Zeros,
        1 => GridPadding::Border,
        2 => GridPadding::Reflection,
        other => return Err(Error::argument(format!("the padding {other}"))),
    };
    a.tensor("input")?.grid_sample(&a.tensor("grid")?, sampling, outside, a.flag("align_corners")?)
}

fn antialiased(a: &Args, cubic: bool) -> Result<Tensor> {
    a.tensor("self")?.upsample_antialiased(
        &two(a.dims("output_size")?)?,
        cubic,
        a.flag("align_corners")?,
        [a.opt_float("scales_h")?, a.opt_float("scales_w")?],
    )
}

fn by_factors(a: &Args, cubic: bool) -> Result<Tensor> {
    let (x, corners) = (a.tensor("input")?, a.flag("align_corners")?);
    if !a.is_none("output_size")? {
        return x.upsample_antialiased(&two(a.dims("output_size")?)?, cubic, corners, [None, None]);
    }
    let factors = a.value("scale_factors")?.elements()?;
    let factors = factors.iter().map(|value| value.number().map(crate::Scalar::to_f64)).collect::<Result<Vec<_>>>()?;
    let [height, width] = two(factors)?;
    let size = |axis: i64, factor: f64| crate::ops::scaled_size(&x.dim(axis)?, factor);
    x.upsample_antialiased(&[size(-2, height)?, size(-1, width)?], cubic, corners, [Some(height), Some(width)])
}

fn two<T>(values: Vec<T>) -> Result<[T; 2]> {
    values.try_into().map_err(|values: Vec<T>| Error::argument(format!("expected two values, got {}", values.len())))
}
