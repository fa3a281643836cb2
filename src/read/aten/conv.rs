//! Convolutions.

use super::{Args, Row, one};
use crate::array::DType;
use crate::error::{Error, Result};
use crate::ops::Window;
use crate::tensor::Tensor;

pub(super) const ROWS: &[Row] = &[
    one(
        "_convolution(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding, SymInt[] dilation, bool transposed, SymInt[] output_padding, SymInt groups, bool benchmark, bool deterministic, bool cudnn_enabled, bool allow_tf32) -> Tensor",
        |a| convolution(a, 3, 4, 5, Some(6), Some(7), 8),
    ),
    one(
        "_convolution(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding, SymInt[] dilation, bool transposed, SymInt[] output_padding, SymInt groups, bool benchmark, bool deterministic, bool cudnn_enabled) -> Tensor",
        |a| convolution(a, 3, 4, 5, Some(6), Some(7), 8),
    ),
    one(
        "convolution(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding, SymInt[] dilation, bool transposed, SymInt[] output_padding, SymInt groups) -> Tensor",
        |a| convolution(a, 3, 4, 5, Some(6), Some(7), 8),
    ),
    one(
        "conv1d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[1] stride=1, SymInt[1] padding=0, SymInt[1] dilation=1, SymInt groups=1) -> Tensor",
        |a| convolution(a, 3, 4, 5, None, None, 6),
    ),
    one(
        "conv1d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[1] stride=1, str padding=\"valid\", SymInt[1] dilation=1, SymInt groups=1) -> Tensor",
        named_padding,
    ),
    one(
        "conv2d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=1, SymInt[2] padding=0, SymInt[2] dilation=1, SymInt groups=1) -> Tensor",
        |a| convolution(a, 3, 4, 5, None, None, 6),
    ),
    one(
        "conv2d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=1, str padding=\"valid\", SymInt[2] dilation=1, SymInt groups=1) -> Tensor",
        named_padding,
    ),
    one(
        "conv3d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[3] stride=1, SymInt[3] padding=0, SymInt[3] dilation=1, SymInt groups=1) -> Tensor",
        |a| convolution(a, 3, 4, 5, None, None, 6),
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
    // What follows are the kernels behind them, which say the size of their window once more.
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
        |a| kernel(a, None, 1),
    ),
    one(
        "_slow_conv2d_forward(Tensor self, Tensor weight, SymInt[2] kernel_size, Tensor? bias, SymInt[2] stride, SymInt[2] padding) -> Tensor",
        |a| kernel(a, None, 1),
    ),
    one(
        "slow_conv3d(Tensor self, Tensor weight, SymInt[3] kernel_size, Tensor? bias=None, SymInt[3] stride=1, SymInt[3] padding=0) -> Tensor",
        |a| kernel(a, None, 1),
    ),
    one(
        "slow_conv_dilated2d(Tensor self, Tensor weight, SymInt[2] kernel_size, Tensor? bias=None, SymInt[2] stride=1, SymInt[2] padding=0, SymInt[2] dilation=1) -> Tensor",
        |a| kernel(a, Some(6), 1),
    ),
    one(
        "slow_conv_dilated3d(Tensor self, Tensor weight, SymInt[3] kernel_size, Tensor? bias=None, SymInt[3] stride=1, SymInt[3] padding=0, SymInt[3] dilation=1) -> Tensor",
        |a| kernel(a, Some(6), 1),
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
        let window = Window::symmetric(&a.counts(4, 2)?, &a.counts(3, 2)?, &[1, 1]);
        exact(a, 2, |x, weight, bias| x.conv(weight, bias, window, 1))
    }),
    one(
        "mkldnn_convolution(Tensor self, Tensor weight, Tensor? bias, SymInt[] padding, SymInt[] stride, SymInt[] dilation, SymInt groups) -> Tensor",
        |a| convolution(a, 4, 3, 5, None, None, 6),
    ),
    // Time, batch, channels; the weight is (window, in, out).
    one("conv_tbc(Tensor self, Tensor weight, Tensor bias, int pad=0) -> Tensor", |a| {
        let window = Window::symmetric(&[1], &a.counts(3, 1)?, &[1]);
        exact(a, 2, |x, weight, bias| x.permute(&[1, 2, 0])?.conv(&weight.permute(&[2, 1, 0])?, bias, window, 1)?.permute(&[2, 0, 1]))
    }),
];

fn groups(a: &Args, i: usize) -> Result<usize> {
    usize::try_from(a.int(i)?).map_err(|_| Error::argument("a negative number of groups"))
}

/// The axes over which a kernel moves: those of the weight after its channels.
fn axes(a: &Args) -> Result<usize> {
    let weight = a.tensor(1)?;
    weight
        .rank()
        .checked_sub(2)
        .filter(|&axes| axes > 0)
        .ok_or_else(|| Error::shape(format!("weight has {} axes, expected 3 or more", weight.rank())))
}

fn convolution(
    a: &Args,
    stride: usize,
    padding: usize,
    dilation: usize,
    transposed: Option<usize>,
    output_padding: Option<usize>,
    group: usize,
) -> Result<Tensor> {
    let axes = axes(a)?;
    let window = Window::symmetric(&a.counts(stride, axes)?, &a.counts(padding, axes)?, &a.counts(dilation, axes)?);
    exact(a, 2, |x, weight, bias| match transposed.map(|i| a.flag(i)).transpose()? {
        Some(true) => {
            let extra = output_padding.map(|i| a.counts(i, axes)).transpose()?.unwrap_or_else(|| vec![0; axes]);
            x.conv_transpose(weight, bias, window, groups(a, group)?, &extra)
        }
        _ => x.conv(weight, bias, window, groups(a, group)?),
    })
}

/// Runs a convolution of floats on what it was given; integers go through f64, exact as long as their sums stay below 2⁵³.
fn exact(a: &Args, bias: usize, convolve: impl FnOnce(&Tensor, &Tensor, Option<&Tensor>) -> Result<Tensor>) -> Result<Tensor> {
    let (x, weight, bias) = (a.tensor(0)?, a.tensor(1)?, a.opt_tensor(bias)?);
    if !x.dtype().is_int() {
        return convolve(&x, &weight, bias.as_ref());
    }
    let wide = |t: &Tensor| t.cast(DType::F64);
    convolve(&wide(&x)?, &wide(&weight)?, bias.as_ref().map(wide).transpose()?.as_ref())?.cast(x.dtype())
}

fn transposed(a: &Args) -> Result<Tensor> {
    let axes = axes(a)?;
    let window = Window::symmetric(&a.counts(3, axes)?, &a.counts(4, axes)?, &a.counts(7, axes)?);
    exact(a, 2, |x, weight, bias| x.conv_transpose(weight, bias, window, groups(a, 6)?, &a.counts(5, axes)?))
}

/// A kernel: stride and padding are the arguments 4 and 5.
fn kernel(a: &Args, dilation: Option<usize>, groups: usize) -> Result<Tensor> {
    let axes = axes(a)?;
    let dilation = dilation.map_or(Ok(vec![1; axes]), |i| a.counts(i, axes))?;
    let window = Window::symmetric(&a.counts(4, axes)?, &a.counts(5, axes)?, &dilation);
    exact(a, 3, |x, weight, bias| x.conv(weight, bias, window, groups))
}

/// Every channel is a group of its own.
fn depthwise(a: &Args) -> Result<Tensor> {
    let channels = a.tensor(0)?.dim(-1 - axes(a)? as i64)?.fixed().ok_or_else(|| Error::size("a symbolic number of channels"))?;
    kernel(a, Some(6), channels.max(1) as usize)
}

fn transposed_kernel(a: &Args) -> Result<Tensor> {
    let axes = axes(a)?;
    let window = Window::symmetric(&a.counts(4, axes)?, &a.counts(5, axes)?, &a.counts(7, axes)?);
    exact(a, 3, |x, weight, bias| x.conv_transpose(weight, bias, window, 1, &a.counts(6, axes)?))
}

/// `valid` pads nothing, `same` so much that a stride of 1 keeps the length, the odd one at the end.
fn named_padding(a: &Args) -> Result<Tensor> {
    let axes = axes(a)?;
    let weight = a.tensor(1)?;
    let (stride, dilation) = (a.counts(3, axes)?, a.counts(5, axes)?);
    let mut window = Window::symmetric(&stride, &vec![0; axes], &dilation);
    match a.opt_str(4)? {
        Some("same") => {
            for (axis, &dilation) in dilation.iter().enumerate() {
                let kernel = weight.shape()[axis + 2].fixed().ok_or_else(|| Error::size("a kernel of symbolic length"))?;
                let all = dilation * (kernel.max(1) as usize - 1);
                (window.pads_begin[axis], window.pads_end[axis]) = (all / 2, all - all / 2);
            }
        }
        Some("valid") => {}
        other => return Err(Error::argument(format!("the padding {other:?}"))),
    }
    exact(a, 2, |x, weight, bias| x.conv(weight, bias, window, groups(a, 6)?))
}

#[cfg(test)]
mod tests {
    use super::super::{Value, call};
    use super::*;

    #[test]
    fn a_depthwise_kernel_is_a_convolution_of_as_many_groups() {
        let tensor = |shape: &[i64]| {
            let count = shape.iter().product::<i64>();
            let numbers: Vec<f32> = (0..count).map(|i| (i * 7 % 5) as f32 - 2.0).collect();
            Value::from(Tensor::from(numbers.as_slice()).reshape(shape).unwrap())
        };
        let ints = |n: i64| Value::list(vec![Value::Int(n.into()), Value::Int(n.into())]);
        let (x, weight, bias) = (tensor(&[2, 3, 5, 5]), tensor(&[6, 1, 2, 2]), tensor(&[6]));
        let ours = call("_conv_depthwise2d", &[x.clone(), weight.clone(), ints(2), bias.clone(), ints(1), ints(0), ints(2)], &[]).unwrap();
        let plain = call("conv2d", &[x, weight, bias, ints(1), ints(0), ints(2), Value::Int(3.into())], &[]).unwrap();
        let numbers = |value: &Value| value.view().unwrap().read().unwrap().to_vec::<f32>().unwrap();
        assert_eq!(numbers(&ours), numbers(&plain));
    }
}
