//! Convolutions.

use super::args::Args;
use super::row::{Row, one};
use crate::array::DType;
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::ops::Window;
use crate::tensor::{Tensor, size};

pub(super) const ROWS: &[Row] = &[
    one(
        "_convolution(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding, SymInt[] dilation, bool transposed, SymInt[] output_padding, SymInt groups, bool benchmark, bool deterministic, bool cudnn_enabled, bool allow_tf32) -> Tensor",
        general,
    ),
    one(
        "_convolution(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding, SymInt[] dilation, bool transposed, SymInt[] output_padding, SymInt groups, bool benchmark, bool deterministic, bool cudnn_enabled) -> Tensor",
        general,
    ),
    one(
        "convolution(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding, SymInt[] dilation, bool transposed, SymInt[] output_padding, SymInt groups) -> Tensor",
        general,
    ),
    one(
        "conv1d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[1] stride=1, SymInt[1] padding=0, SymInt[1] dilation=1, SymInt groups=1) -> Tensor",
        convolution,
    ),
    one(
        "conv1d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[1] stride=1, str padding=\"valid\", SymInt[1] dilation=1, SymInt groups=1) -> Tensor",
        named_padding,
    ),
    one(
        "conv2d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=1, SymInt[2] padding=0, SymInt[2] dilation=1, SymInt groups=1) -> Tensor",
        convolution,
    ),
    one(
        "conv2d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=1, str padding=\"valid\", SymInt[2] dilation=1, SymInt groups=1) -> Tensor",
        named_padding,
    ),
    one(
        "conv3d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[3] stride=1, SymInt[3] padding=0, SymInt[3] dilation=1, SymInt groups=1) -> Tensor",
        convolution,
    ),
    one(
        "conv3d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[3] stride=1, str padding=\"valid\", SymInt[3] dilation=1, SymInt groups=1) -> Tensor",
        named_padding,
    ),
    one(
        "_convolution_mode(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, str padding, SymInt[] dilation, SymInt groups) -> Tensor",
        named_padding,
    ),
    one(
        "conv_transpose1d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[1] stride=1, SymInt[1] padding=0, SymInt[1] output_padding=0, SymInt groups=1, SymInt[1] dilation=1) -> Tensor",
        transposed,
    ),
    one(
        "conv_transpose2d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=1, SymInt[2] padding=0, SymInt[2] output_padding=0, SymInt groups=1, SymInt[2] dilation=1) -> Tensor",
        transposed,
    ),
    one(
        "conv_transpose3d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[3] stride=1, SymInt[3] padding=0, SymInt[3] output_padding=0, SymInt groups=1, SymInt[3] dilation=1) -> Tensor",
        transposed,
    ),
    // The kernels behind them, whose schemas have the size of the kernel too.
    one(
        "_conv_depthwise2d(Tensor self, Tensor weight, SymInt[2] kernel_size, Tensor? bias, SymInt[2] stride, SymInt[2] padding, SymInt[2] dilation) -> Tensor",
        depthwise,
    ),
    one(
        "conv_depthwise3d(Tensor self, Tensor weight, SymInt[3] kernel_size, Tensor? bias, SymInt[3] stride, SymInt[3] padding, SymInt[3] dilation) -> Tensor",
        depthwise,
    ),
    one(
        "thnn_conv2d(Tensor self, Tensor weight, SymInt[2] kernel_size, Tensor? bias=None, SymInt[2] stride=1, SymInt[2] padding=0) -> Tensor",
        by_kernel_size,
    ),
    one(
        "_slow_conv2d_forward(Tensor self, Tensor weight, SymInt[2] kernel_size, Tensor? bias, SymInt[2] stride, SymInt[2] padding) -> Tensor",
        by_kernel_size,
    ),
    one(
        "slow_conv3d(Tensor self, Tensor weight, SymInt[3] kernel_size, Tensor? bias=None, SymInt[3] stride=1, SymInt[3] padding=0) -> Tensor",
        |a| kernel(a, &[1; 3], 1),
    ),
    one(
        "slow_conv_dilated2d(Tensor self, Tensor weight, SymInt[2] kernel_size, Tensor? bias=None, SymInt[2] stride=1, SymInt[2] padding=0, SymInt[2] dilation=1) -> Tensor",
        |a| kernel(a, &a.counts("dilation", axes(a)?)?, 1),
    ),
    one(
        "slow_conv_dilated3d(Tensor self, Tensor weight, SymInt[3] kernel_size, Tensor? bias=None, SymInt[3] stride=1, SymInt[3] padding=0, SymInt[3] dilation=1) -> Tensor",
        |a| kernel(a, &a.counts("dilation", axes(a)?)?, 1),
    ),
    one(
        "slow_conv_transpose2d(Tensor self, Tensor weight, SymInt[2] kernel_size, Tensor? bias=None, SymInt[2] stride=1, SymInt[2] padding=0, SymInt[2] output_padding=0, SymInt[2] dilation=1) -> Tensor",
        transposed_kernel,
    ),
    one(
        "slow_conv_transpose3d(Tensor self, Tensor weight, SymInt[3] kernel_size, Tensor? bias=None, SymInt[3] stride=1, SymInt[3] padding=0, SymInt[3] output_padding=0, SymInt[3] dilation=1) -> Tensor",
        transposed_kernel,
    ),
    one("_nnpack_spatial_convolution(Tensor input, Tensor weight, Tensor? bias, SymInt[2] padding, SymInt[2] stride=1) -> Tensor", |a| {
        let window = Window::symmetric(&a.counts("stride", 2)?, &a.counts("padding", 2)?, &[1, 1]);
        exact_of(a, |x, weight, bias| x.conv(weight, bias, window, 1))
    }),
    one(
        "mkldnn_convolution(Tensor self, Tensor weight, Tensor? bias, SymInt[] padding, SymInt[] stride, SymInt[] dilation, SymInt groups) -> Tensor",
        convolution,
    ),
    // Time, batch, channels; the weight is (kernel, in, out).
    one("conv_tbc(Tensor self, Tensor weight, Tensor bias, int pad=0) -> Tensor", |a| {
        let window = Window::symmetric(&[1], &a.counts("pad", 1)?, &[1]);
        exact_of(a, |x, weight, bias| x.permute(&[1, 2, 0])?.conv(&weight.permute(&[2, 1, 0])?, bias, window, 1)?.permute(&[2, 0, 1]))
    }),
];

fn groups(a: &Args) -> Result<usize> {
    usize::try_from(a.int("groups")?).map_err(|_| Error::argument("a negative number of groups"))
}

/// The axes over which a kernel moves: those of the weight after its channels.
fn axes(a: &Args) -> Result<usize> {
    let weight = a.tensor("weight")?;
    weight
        .rank()
        .checked_sub(2)
        .filter(|&axes| axes > 0)
        .ok_or_else(|| Error::shape(format!("weight has {} axes, expected 3 or more", weight.rank())))
}

/// Strides, padding and dilation by their usual names.
fn window(a: &Args) -> Result<Window> {
    let axes = axes(a)?;
    Ok(Window::symmetric(&a.counts("stride", axes)?, &a.counts("padding", axes)?, &a.counts("dilation", axes)?))
}

/// The operator that serves for every convolution: `transposed` says which kind.
fn general(a: &Args) -> Result<Tensor> {
    if a.flag("transposed")? { transposed(a) } else { convolution(a) }
}

fn convolution(a: &Args) -> Result<Tensor> {
    exact_of(a, |x, weight, bias| x.conv(weight, bias, window(a)?, groups(a)?))
}

/// A convolution whose weight is a row of elements for each channel of the result, in the shape of the kernel that is given apart.
fn by_kernel_size(a: &Args) -> Result<Tensor> {
    let (x, weight, bias) = (a.tensor("self")?, a.tensor("weight")?, a.opt_tensor("bias")?);
    let kernel = a.dims("kernel_size")?;
    let shape: Vec<Dim> = [weight.dim(0)?, x.dim(-3)?].into_iter().chain(kernel).collect();
    let window = Window::symmetric(&a.counts("stride", 2)?, &a.counts("padding", 2)?, &[1; 2]);
    // The weights are read one after the other: those that a smaller kernel leaves are the last.
    let weight = match (shape.iter().cloned().product::<Dim>().fixed(), weight.shape().numel().fixed()) {
        (Some(taken), Some(given)) if taken < given => weight.reshape([-1])?.slice(0, ..taken)?,
        _ => weight,
    };
    exact(&x, &weight.reshape(&shape)?, bias.as_ref(), |x, weight, bias| x.conv(weight, bias, window.clone(), 1))
}

/// Runs a convolution of floats on what it was given; narrow integers go through f64, where their sums are exact.
fn exact_of(a: &Args, convolve: impl FnOnce(&Tensor, &Tensor, Option<&Tensor>) -> Result<Tensor>) -> Result<Tensor> {
    exact(&a.tensor(a.first())?, &a.tensor("weight")?, a.opt_tensor("bias")?.as_ref(), convolve)
}

fn exact(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    convolve: impl FnOnce(&Tensor, &Tensor, Option<&Tensor>) -> Result<Tensor>,
) -> Result<Tensor> {
    if !x.dtype().is_int() || matches!(x.dtype(), DType::I32 | DType::I64) {
        return convolve(x, weight, bias);
    }
    let wide = |t: &Tensor| t.cast(DType::F64);
    convolve(&wide(x)?, &wide(weight)?, bias.map(wide).transpose()?.as_ref())?.cast(DType::I64)?.cast(x.dtype())
}

fn transposed(a: &Args) -> Result<Tensor> {
    exact_of(a, |x, weight, bias| unsteps(a, x, weight, bias, groups(a)?))
}

/// A transposed convolution whose padding of the result may be a symbolic size: then it is made as long as any may be, and cut.
fn unsteps(a: &Args, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, groups: usize) -> Result<Tensor> {
    let (axes, window, padding) = (axes(a)?, window(a)?, a.sizes("output_padding", axes(a)?)?);
    if !padding.iter().any(Dim::is_symbolic) {
        return x.conv_transpose(weight, bias, window, groups, &a.counts("output_padding", axes)?);
    }
    let most = |axis: usize| window.strides[axis].max(window.dilations[axis]) - 1;
    let longest = |(axis, dim): (usize, &Dim)| match dim.fixed() {
        Some(n) => usize::try_from(n).map_err(|_| Error::argument(format!("an output padding of {n}"))),
        None => Ok(most(axis)),
    };
    let most = padding.iter().enumerate().map(longest).collect::<Result<Vec<usize>>>()?;
    let mut y = x.conv_transpose(weight, bias, window, groups, &most)?;
    for (axis, (padding, most)) in padding.iter().zip(&most).enumerate().filter(|(_, (padding, _))| padding.is_symbolic()) {
        if size::lt(padding, 0)? || size::gt(padding, *most as i64)? {
            return Err(Error::argument(format!("an output padding of {padding}, which must be from 0 to {most}")));
        }
        let at = y.rank() - axes + axis;
        let length = &y.shape()[at] - *most + padding;
        y = y.part(at, 0, length)?;
    }
    Ok(y)
}

/// A convolution by one of torch's kernels, whose schemas may lack the dilation and the number of groups.
fn kernel(a: &Args, dilation: &[usize], groups: usize) -> Result<Tensor> {
    let axes = axes(a)?;
    let window = Window::symmetric(&a.counts("stride", axes)?, &a.counts("padding", axes)?, dilation);
    exact_of(a, |x, weight, bias| x.conv(weight, bias, window, groups))
}

/// Every channel is a group of its own.
fn depthwise(a: &Args) -> Result<Tensor> {
    let channels =
        a.tensor("self")?.dim(-1 - axes(a)? as i64)?.fixed().ok_or_else(|| Error::size("the number of channels must be fixed"))?;
    kernel(a, &a.counts("dilation", axes(a)?)?, channels.max(1) as usize)
}

fn transposed_kernel(a: &Args) -> Result<Tensor> {
    exact_of(a, |x, weight, bias| unsteps(a, x, weight, bias, 1))
}

/// `valid` pads nothing, `same` so much that a stride of 1 keeps the size, an odd padding having more at the end.
fn named_padding(a: &Args) -> Result<Tensor> {
    let axes = axes(a)?;
    let weight = a.tensor("weight")?;
    let (stride, dilation) = (a.counts("stride", axes)?, a.counts("dilation", axes)?);
    let mut window = Window::symmetric(&stride, &vec![0; axes], &dilation);
    match a.opt_str("padding")? {
        Some("same") => {
            for (axis, &dilation) in dilation.iter().enumerate() {
                let kernel = weight.shape()[axis + 2].fixed().ok_or_else(|| Error::size("the kernel size must be fixed"))?;
                let all = dilation * (kernel.max(1) as usize - 1);
                (window.pads_begin[axis], window.pads_end[axis]) = (all / 2, all - all / 2);
            }
        }
        Some("valid") => {}
        other => return Err(Error::argument(format!("unknown padding {other:?}"))),
    }
    exact_of(a, |x, weight, bias| x.conv(weight, bias, window, groups(a)?))
}

#[cfg(test)]
mod tests {
    use super::super::table::call;
    use super::super::value::Value;
    use super::*;

    #[test]
    fn a_depthwise_kernel_is_a_convolution_of_as_many_groups() {
        let tensor = |shape: &[i64]| {
            let count = shape.iter().product::<i64>();
            let values: Vec<f32> = (0..count).map(|i| (i * 7 % 5) as f32 - 2.0).collect();
            Value::from(Tensor::from(values.as_slice()).reshape(shape).unwrap())
        };
        let ints = |n: i64| Value::list(vec![Value::Int(n.into()), Value::Int(n.into())]);
        let (x, weight, bias) = (tensor(&[2, 3, 5, 5]), tensor(&[6, 1, 2, 2]), tensor(&[6]));
        let ours = call("_conv_depthwise2d", &[x.clone(), weight.clone(), ints(2), bias.clone(), ints(1), ints(0), ints(2)], &[]).unwrap();
        let plain = call("conv2d", &[x, weight, bias, ints(1), ints(0), ints(2), Value::Int(3.into())], &[]).unwrap();
        let values = |value: &Value| value.view().unwrap().read().unwrap().to_vec::<f32>().unwrap();
        assert_eq!(values(&ours), values(&plain));
    }
}
