//! Convolutions of integers, which wrap: a product of matrices for each position of the kernel.

use super::{Padding, Window};
use crate::array::DType;
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The most positions of a kernel, each of which is some nodes.
const LARGEST: usize = 1 << 10;

/// A convolution of 32 or 64 bits, like [`Tensor::conv`]: x (batch, in, …), weight (out, in / groups, kernel …), bias (out).
pub(super) fn integer_conv(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, window: &Window, groups: usize) -> Result<Tensor> {
    let axes = window.strides.len();
    let misfit = || Error::shape(format!("a kernel {} does not fit {} in {groups} groups", weight.ty(), x.ty()));
    let fixed = |dim: &Dim| dim.fixed().and_then(|n| usize::try_from(n).ok()).ok_or_else(misfit);
    if x.rank() != axes + 2 || weight.rank() != axes + 2 || groups == 0 {
        return Err(misfit());
    }
    let (out, channels) = (fixed(&weight.shape()[0])?, fixed(&weight.shape()[1])?);
    let kernel = weight.shape()[2..].iter().map(fixed).collect::<Result<Vec<_>>>()?;
    if fixed(&x.shape()[1])? != channels * groups || out % groups != 0 {
        return Err(misfit());
    }
    if kernel.iter().product::<usize>() > LARGEST {
        return Err(Error::too_big(format!("a convolution of integers by a kernel of {kernel:?}")));
    }
    let widths: Vec<Dim> = (0..axes).rev().flat_map(|axis| [window.pads_begin[axis], window.pads_end[axis]]).map(Dim::from).collect();
    let padded = x.pad(widths, Padding::Constant(0i64.into()))?;
    let reach = |axis: usize| (window.dilations[axis] * (kernel[axis].max(1) - 1)) as i64;
    let sizes: Vec<Dim> =
        (0..axes).map(|axis| (&padded.shape()[axis + 2] - reach(axis) - 1i64) / window.strides[axis] as i64 + 1i64).collect();
    let batch = x.dim(0)?;
    let columns = sizes.iter().fold(Dim::Fixed(1), |product, size| product * size);
    let weight = weight.reshape(
        [vec![Dim::from(groups), Dim::from(out / groups), Dim::from(channels)], vec![Dim::from(kernel.iter().product::<usize>())]].concat(),
    )?;
    let mut sum = match bias {
        Some(bias) => bias.reshape([Dim::Fixed(1), Dim::from(groups), Dim::from(out / groups), Dim::Fixed(1)].to_vec())?,
        None => Tensor::zeros((), x.dtype())?,
    };
    for at in 0..kernel.iter().product() {
        let (mut part, mut rest) = (padded.clone(), at);
        for axis in (0..axes).rev() {
            let begin = ((rest % kernel[axis]) * window.dilations[axis]) as i64;
            rest /= kernel[axis];
            let stride = window.strides[axis] as i64;
            let end = (&sizes[axis] - 1i64) * stride + (begin + 1);
            part = part.slice_step(axis as i64 + 2, (Some(Dim::Fixed(begin)), Some(end)), stride)?;
        }
        let part = part.reshape(vec![batch.clone(), Dim::from(groups), Dim::from(channels), columns.clone()])?;
        sum = sum.add(weight.select(-1, at as i64)?.matmul(&part)?)?;
    }
    let shape: Vec<Dim> = [batch, Dim::from(out)].into_iter().chain(sizes).collect();
    sum.expand(vec![shape[0].clone(), Dim::from(groups), Dim::from(out / groups), columns])?.reshape(shape)
}

/// The transpose of [`integer_conv`]: zeros between the elements and around them, and the kernel mirrored. Weight (in, out / groups, kernel …).
pub(super) fn integer_conv_transpose(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    window: &Window,
    groups: usize,
    output_padding: &[usize],
) -> Result<Tensor> {
    let axes = window.strides.len();
    let misfit = || Error::shape(format!("a kernel {} does not fit {} in {groups} groups", weight.ty(), x.ty()));
    if x.rank() != axes + 2 || weight.rank() != axes + 2 || output_padding.len() != axes || groups == 0 {
        return Err(misfit());
    }
    let (mut apart, mut widths) = (x.clone(), Vec::new());
    for (axis, &output_padding) in output_padding.iter().enumerate() {
        let (at, stride) = (axis as i64 + 2, window.strides[axis] as i64);
        if stride > 1 {
            let last = apart.dim(at)? * stride - (stride - 1);
            let between = apart.unsqueeze(at + 1)?.transpose(at + 1, -1)?;
            let between =
                between.pad(vec![Dim::Fixed(0), Dim::Fixed(stride - 1)], Padding::Constant(0i64.into()))?.transpose(at + 1, -1)?;
            apart = between.flatten(at, at + 1)?.slice(at, ..last)?;
        }
        let kernel = weight.dim(at)?.fixed().ok_or_else(misfit)?;
        let reach = window.dilations[axis] as i64 * (kernel - 1);
        let ends = [reach - window.pads_begin[axis] as i64, reach - window.pads_end[axis] as i64 + output_padding as i64];
        widths.splice(0..0, ends.map(Dim::Fixed));
    }
    let apart = apart.pad(widths, Padding::Constant(0i64.into()))?;
    let spatial = &weight.shape()[2..];
    let (channels, out) = (weight.dim(0)? / groups as i64, weight.dim(1)?);
    let grouped: Vec<Dim> = [Dim::from(groups), channels.clone(), out.clone()].iter().chain(spatial).cloned().collect();
    let whole: Vec<Dim> = [out * groups as i64, channels].iter().chain(spatial).cloned().collect();
    let mirrored = weight.reshape(grouped)?.transpose(1, 2)?.reshape(whole)?.flip(&(2..axes as i64 + 2).collect::<Vec<_>>())?;
    let window = Window::symmetric(&vec![1; axes], &vec![0; axes], &window.dilations);
    integer_conv(&apart, &mirrored, bias, &window, groups)
}

/// Whether products of this dtype are exact in no float.
pub(super) fn is_wide(dtype: DType) -> bool {
    matches!(dtype, DType::I32 | DType::I64 | DType::U32 | DType::U64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_convolution_of_integers_wraps() {
        // torch.nn.functional.conv1d of these.
        let x = Tensor::from(&[i64::MAX, 1, 2, 3]).reshape([1, 2, 2]).unwrap();
        let weight = Tensor::from(&[2i64, 1, 1, -1]).reshape([1, 2, 2]).unwrap();
        let window = Window::symmetric(&[1], &[1], &[1]);
        let y = x.conv(&weight, Some(&Tensor::from(&[5i64])), window, 1).unwrap();
        assert_eq!(y.to_vec::<i64>().unwrap(), [i64::MIN + 2, 3, 10]);
    }
}
