//! Pooling and resizing.

use super::args::Args;
use super::row::{Row, one, tuple};
use crate::array::DType;
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::ops::{Window, rounded_up};
use crate::tensor::Tensor;

pub(super) const ROWS: &[Row] = &[
    one(
        "max_pool1d(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] padding=0, int[1] dilation=1, bool ceil_mode=False) -> Tensor",
        |a| max(a, 1),
    ),
    one(
        "max_pool2d(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, int[2] dilation=1, bool ceil_mode=False) -> Tensor",
        |a| max(a, 2),
    ),
    one(
        "max_pool3d(Tensor self, int[3] kernel_size, int[3] stride=[], int[3] padding=0, int[3] dilation=1, bool ceil_mode=False) -> Tensor",
        |a| max(a, 3),
    ),
    one(
        "avg_pool1d(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] padding=0, bool ceil_mode=False, bool count_include_pad=True) -> Tensor",
        |a| mean(a, 1),
    ),
    one(
        "avg_pool2d(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, bool ceil_mode=False, bool count_include_pad=True, int? divisor_override=None) -> Tensor",
        |a| mean(a, 2),
    ),
    one(
        "avg_pool3d(Tensor self, int[3] kernel_size, int[3] stride=[], int[3] padding=0, bool ceil_mode=False, bool count_include_pad=True, int? divisor_override=None) -> Tensor",
        |a| mean(a, 3),
    ),
    one("adaptive_avg_pool1d(Tensor self, int[1] output_size) -> Tensor", |a| {
        a.tensor("self")?.adaptive_average_pool(a.sizes("output_size", 1)?)
    }),
    one("adaptive_avg_pool2d(Tensor self, SymInt[2] output_size) -> Tensor", |a| {
        a.tensor("self")?.adaptive_average_pool(a.sizes("output_size", 2)?)
    }),
    one("adaptive_avg_pool3d(Tensor self, SymInt[3] output_size) -> Tensor", |a| {
        a.tensor("self")?.adaptive_average_pool(a.sizes("output_size", 3)?)
    }),
    tuple(
        "max_pool1d_with_indices(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] padding=0, int[1] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)",
        |a| {
            let (kernel, window) = dilated(a, 1)?;
            a.tensor("self")?.max_pool_indices(&kernel, window, a.flag("ceil_mode")?).map(|(values, indices)| vec![values, indices])
        },
    ),
    tuple("adaptive_max_pool1d(Tensor self, int[1] output_size) -> (Tensor, Tensor)", |a| {
        a.tensor("self")?.adaptive_max_pool_indices(a.sizes("output_size", 1)?).map(|(values, indices)| vec![values, indices])
    }),
    tuple(
        "max_pool2d_with_indices(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, int[2] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)",
        |a| {
            let (kernel, window) = dilated(a, 2)?;
            a.tensor("self")?.max_pool_indices(&kernel, window, a.flag("ceil_mode")?).map(|(values, indices)| vec![values, indices])
        },
    ),
    tuple("adaptive_max_pool2d(Tensor self, int[2] output_size) -> (Tensor, Tensor)", |a| {
        a.tensor("self")?.adaptive_max_pool_indices(a.sizes("output_size", 2)?).map(|(values, indices)| vec![values, indices])
    }),
    tuple(
        "max_pool3d_with_indices(Tensor self, int[3] kernel_size, int[3] stride=[], int[3] padding=0, int[3] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)",
        |a| {
            let (kernel, window) = dilated(a, 3)?;
            a.tensor("self")?.max_pool_indices(&kernel, window, a.flag("ceil_mode")?).map(|(values, indices)| vec![values, indices])
        },
    ),
    tuple("adaptive_max_pool3d(Tensor self, int[3] output_size) -> (Tensor, Tensor)", |a| {
        a.tensor("self")?.adaptive_max_pool_indices(a.sizes("output_size", 3)?).map(|(values, indices)| vec![values, indices])
    }),
    tuple("fractional_max_pool2d(Tensor self, int[2] kernel_size, int[2] output_size, Tensor random_samples) -> (Tensor, Tensor)", |a| {
        fractional(a, &[1, 0])
    }),
    tuple("fractional_max_pool3d(Tensor self, int[3] kernel_size, int[3] output_size, Tensor random_samples) -> (Tensor, Tensor)", |a| {
        fractional(a, &[0, 1, 2])
    }),
    one("max_unpool2d(Tensor self, Tensor indices, SymInt[2] output_size) -> Tensor", |a| {
        a.tensor("self")?.max_unpool(&a.tensor("indices")?, &a.dims("output_size")?)
    }),
    one("max_unpool3d(Tensor self, Tensor indices, SymInt[3] output_size, int[3] stride, int[3] padding) -> Tensor", |a| {
        a.tensor("self")?.max_unpool(&a.tensor("indices")?, &a.dims("output_size")?)
    }),
    one(
        "max_pool2d_with_indices_backward(Tensor grad_output, Tensor self, int[2] kernel_size, int[2] stride, int[2] padding, int[2] dilation, bool ceil_mode, Tensor indices) -> Tensor",
        |a| {
            let (grad, x, indices) = (a.tensor("grad_output")?, a.tensor("self")?, a.tensor("indices")?);
            let flat = |t: &Tensor| t.flatten(-2, -1);
            let zero = flat(&Tensor::zeros(x.shape(), x.dtype())?)?;
            zero.scatter(-1, &flat(&indices)?, &flat(&grad)?, crate::ops::Reduction::Add)?.reshape(x.shape())
        },
    ),
    one("upsample_nearest1d(Tensor self, SymInt[1]? output_size, float? scales=None) -> Tensor", |a| {
        a.tensor("self")?.upsample(&a.dims("output_size")?, "nearest", false, &[a.opt_float("scales")?])
    }),
    one("upsample_nearest2d(Tensor self, SymInt[2]? output_size, float? scales_h=None, float? scales_w=None) -> Tensor", |a| {
        a.tensor("self")?.upsample(&a.dims("output_size")?, "nearest", false, &[a.opt_float("scales_h")?, a.opt_float("scales_w")?])
    }),
    one(
        "upsample_nearest3d(Tensor self, SymInt[3]? output_size, float? scales_d=None, float? scales_h=None, float? scales_w=None) -> Tensor",
        |a| {
            a.tensor("self")?.upsample(
                &a.dims("output_size")?,
                "nearest",
                false,
                &[a.opt_float("scales_d")?, a.opt_float("scales_h")?, a.opt_float("scales_w")?],
            )
        },
    ),
    one("upsample_nearest1d(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor", |a| scaled(a, "nearest", false)),
    one("upsample_nearest2d(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor", |a| scaled(a, "nearest", false)),
    one("upsample_nearest3d(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor", |a| scaled(a, "nearest", false)),
    one("upsample_linear1d(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> Tensor", |a| {
        scaled(a, "linear", a.flag("align_corners")?)
    }),
    one("upsample_trilinear3d(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> Tensor", |a| {
        scaled(a, "linear", a.flag("align_corners")?)
    }),
    one(
        "upsample_trilinear3d(Tensor self, SymInt[3] output_size, bool align_corners, float? scales_d=None, float? scales_h=None, float? scales_w=None) -> Tensor",
        |a| {
            a.tensor("self")?.upsample(
                &a.dims("output_size")?,
                "linear",
                a.flag("align_corners")?,
                &[a.opt_float("scales_d")?, a.opt_float("scales_h")?, a.opt_float("scales_w")?],
            )
        },
    ),
    one("_upsample_nearest_exact1d(Tensor self, SymInt[1]? output_size, float? scales=None) -> Tensor", |a| {
        a.tensor("self")?.upsample(&a.dims("output_size")?, "nearest-exact", false, &[a.opt_float("scales")?])
    }),
    one("_upsample_nearest_exact2d(Tensor self, SymInt[2]? output_size, float? scales_h=None, float? scales_w=None) -> Tensor", |a| {
        a.tensor("self")?.upsample(&a.dims("output_size")?, "nearest-exact", false, &[a.opt_float("scales_h")?, a.opt_float("scales_w")?])
    }),
    one("_upsample_nearest_exact1d(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor", |a| {
        scaled(a, "nearest-exact", false)
    }),
    one("_upsample_nearest_exact2d(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor", |a| {
        scaled(a, "nearest-exact", false)
    }),
    one(
        "_upsample_nearest_exact3d(Tensor self, SymInt[3]? output_size, float? scales_d=None, float? scales_h=None, float? scales_w=None) -> Tensor",
        |a| {
            a.tensor("self")?.upsample(
                &a.dims("output_size")?,
                "nearest-exact",
                false,
                &[a.opt_float("scales_d")?, a.opt_float("scales_h")?, a.opt_float("scales_w")?],
            )
        },
    ),
    one("_upsample_nearest_exact3d(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor", |a| {
        scaled(a, "nearest-exact", false)
    }),
    one("upsample_linear1d(Tensor self, SymInt[1]? output_size, bool align_corners, float? scales=None) -> Tensor", |a| {
        a.tensor("self")?.upsample(&a.dims("output_size")?, "linear", a.flag("align_corners")?, &[a.opt_float("scales")?])
    }),
    one(
        "upsample_bilinear2d(Tensor self, SymInt[2] output_size, bool align_corners, float? scales_h=None, float? scales_w=None) -> Tensor",
        |a| {
            a.tensor("self")?.upsample(
                &a.dims("output_size")?,
                "linear",
                a.flag("align_corners")?,
                &[a.opt_float("scales_h")?, a.opt_float("scales_w")?],
            )
        },
    ),
    one("upsample_bilinear2d(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> Tensor", |a| {
        scaled(a, "linear", a.flag("align_corners")?)
    }),
    one(
        "upsample_bicubic2d(Tensor self, SymInt[2] output_size, bool align_corners, float? scales_h=None, float? scales_w=None) -> Tensor",
        |a| {
            a.tensor("self")?.upsample(
                &a.dims("output_size")?,
                "cubic",
                a.flag("align_corners")?,
                &[a.opt_float("scales_h")?, a.opt_float("scales_w")?],
            )
        },
    ),
    one("upsample_bicubic2d(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> Tensor", |a| {
        scaled(a, "cubic", a.flag("align_corners")?)
    }),
];

/// The window of a pooling; the stride is the kernel where it is not given.
fn window(a: &Args, axes: usize, dilation: &[usize]) -> Result<(Vec<usize>, Window)> {
    let kernel = a.counts("kernel_size", axes)?;
    let stride = if a.ints("stride")?.is_empty() { kernel.clone() } else { a.counts("stride", axes)? };
    let window = Window::symmetric(&stride, &a.counts("padding", axes)?, dilation);
    Ok((kernel, window))
}

fn dilated(a: &Args, axes: usize) -> Result<(Vec<usize>, Window)> {
    window(a, axes, &a.counts("dilation", axes)?)
}

fn max(a: &Args, axes: usize) -> Result<Tensor> {
    let (kernel, window) = dilated(a, axes)?;
    a.tensor("self")?.max_pool(&kernel, window, a.flag("ceil_mode")?)
}

fn mean(a: &Args, axes: usize) -> Result<Tensor> {
    let (kernel, window) = window(a, axes, &vec![1; axes])?;
    let x = a.tensor("self")?;
    let (ceil, count_pad) = (a.flag("ceil_mode")?, a.flag("count_include_pad")?);
    let divisor = if a.has("divisor_override") { a.opt_number("divisor_override")? } else { None };
    if x.dtype() == DType::I64 {
        return whole_mean(&x, &kernel, &window, ceil, count_pad, divisor);
    }
    match divisor {
        None => x.average_pool(&kernel, window, ceil, count_pad),
        Some(divisor) => x.sum_pool(&kernel, &window, ceil)?.div(divisor.to_f64()),
    }
}

/// The sums of windows, which wrap, divided like integers.
fn whole_mean(
    x: &Tensor,
    kernel: &[usize],
    window: &Window,
    ceil: bool,
    count_pad: bool,
    divisor: Option<crate::Scalar>,
) -> Result<Tensor> {
    let first = x
        .rank()
        .checked_sub(kernel.len())
        .ok_or_else(|| Error::shape(format!("a window of {} axes does not fit {}", kernel.len(), x.ty())))?;
    let reaching = if ceil { rounded_up(kernel, window) } else { window.clone() };
    let shape = |spatial: &[Dim], before: &[Dim]| -> Vec<Dim> { before.iter().chain(spatial).cloned().collect() };
    let ones = Tensor::ones([vec![Dim::Fixed(1); 2], kernel.iter().map(|&n| Dim::from(n)).collect()].concat(), DType::I64)?;
    let sums = |x: &Tensor, window: Window| -> Result<Tensor> {
        let planes = x.shape()[..first].iter().fold(Dim::Fixed(1), |product, dim| product * dim);
        let y = x.reshape(shape(&x.shape()[first..], &[planes, Dim::Fixed(1)]))?.conv(&ones, None, window, 1)?;
        y.reshape(shape(&y.shape()[2..], &x.shape()[..first]))
    };
    let sum = sums(x, reaching.clone())?;
    if let Some(divisor) = divisor {
        return sum.trunc_divide(divisor.to_f64() as i64);
    }
    // How many positions each window counts: those of the axis, or of the axis and its padding, but none beyond.
    let mut counted = x.shape()[first..].to_vec();
    let mut beyond = reaching;
    if count_pad {
        for (axis, n) in counted.iter_mut().enumerate() {
            *n = &*n + (window.pads_begin[axis] + window.pads_end[axis]) as i64;
            beyond.pads_begin[axis] = 0;
            beyond.pads_end[axis] = beyond.pads_end[axis].saturating_sub(window.pads_end[axis]);
        }
    }
    let one = vec![Dim::Fixed(1); first];
    sum.trunc_divide(sums(&Tensor::ones(shape(&counted, &one), DType::I64)?, beyond)?)
}

/// The largest element of each window, and its position: windows that begin at steps of a size that is no integer, shifted by a sample for each
/// plane. `samples` says which of them belongs to which axis.
fn fractional(a: &Args, samples: &[i64]) -> Result<Vec<Tensor>> {
    let (x, axes) = (a.tensor("self")?, samples.len());
    if x.rank() == axes + 1 {
        let x = x.unsqueeze(0)?;
        let pooled = fractional_planes(a, &x, samples)?;
        return pooled.iter().map(|y| y.squeeze_axes(&[0])).collect();
    }
    fractional_planes(a, &x, samples)
}

fn fractional_planes(a: &Args, x: &Tensor, samples: &[i64]) -> Result<Vec<Tensor>> {
    let (axes, kernel, out, random) = (samples.len(), a.ints("kernel_size")?, a.ints("output_size")?, a.tensor("random_samples")?);
    if x.rank() != axes + 2 || kernel.len() != axes || out.len() != axes || random.rank() != 3 {
        return Err(Error::shape(format!(
            "fractional pooling: kernel {kernel:?} and output size {out:?} do not fit {} with samples {}",
            x.ty(),
            random.ty()
        )));
    }
    let planes = [x.dim(0)?, x.dim(1)?];
    let mut position: Option<Tensor> = None;
    for (i, &sample) in samples.iter().enumerate() {
        let (n, kernel, out) = (x.shape()[i + 2].clone(), kernel[i], out[i]);
        let last = &n - kernel;
        let begins = if out > 1 {
            let step = Tensor::from_dim(&last).cast(x.dtype())?.div((out - 1) as f64)?;
            let shift = random.select(-1, sample)?.cast(x.dtype())?.unsqueeze(-1)?;
            let whole = |t: Tensor| t.mul(&step)?.trunc()?.cast(DType::I64);
            let steps = Tensor::arange(0, out - 1, 1, DType::I64)?.cast(x.dtype())?;
            let moved = whole(steps.add(&shift)?)?.sub(whole(shift)?)?;
            let end = Tensor::from_dim(&last).expand([planes.as_slice(), &[1.into()]].concat())?;
            Tensor::cat(&[&moved, &end], -1)?
        } else {
            Tensor::from_dim(&last).expand([planes.as_slice(), &[out.into()]].concat())?
        };
        let within = begins.unsqueeze(-1)?.add(Tensor::arange(0, kernel, 1, DType::I64)?)?;
        // [planes, 1 .. indices .. 1, 1 .. window .. 1]
        let mut shape = planes.to_vec();
        shape.extend(vec![crate::Dim::Fixed(1); 2 * axes]);
        (shape[2 + i], shape[2 + axes + i]) = (out.into(), kernel.into());
        let along = within.reshape(&shape)?;
        position = Some(match position {
            None => along,
            Some(position) => position.mul(&n)?.add(along)?,
        });
    }
    let position = position.ok_or_else(|| Error::internal("pooling needs a spatial axis"))?;
    let position = position.flatten(2 + axes as i64, -1)?;
    let picked = x.flatten(2, -1)?.gather(-1, &position.flatten(2, -1)?)?.reshape(position.shape())?;
    let (largest, index) = picked.max_along(-1, true)?;
    Ok(vec![largest.squeeze_axes(&[-1])?, position.gather(-1, &index)?.squeeze_axes(&[-1])?])
}

/// The form whose sizes are given, or else follow from scale factors.
fn scaled(a: &Args, mode: &str, corners: bool) -> Result<Tensor> {
    let x = a.tensor("input")?;
    if !a.is_none("output_size")? {
        return x.upsample(&a.dims("output_size")?, mode, corners, &[]);
    }
    let factors: Vec<f64> =
        a.value("scale_factors")?.elements()?.iter().map(|value| value.number().map(crate::Scalar::to_f64)).collect::<Result<_>>()?;
    let first = x.rank().checked_sub(factors.len()).ok_or_else(|| Error::argument("more scale factors than axes"))?;
    let out =
        x.shape()[first..].iter().zip(&factors).map(|(dim, &factor)| crate::ops::scaled_size(dim, factor)).collect::<Result<Vec<_>>>()?;
    x.upsample(&out, mode, corners, &factors.into_iter().map(Some).collect::<Vec<_>>())
}
