//! Transposed convolutions: every element of the image is spread over a window of the result.

use super::conv_layer::matrix;
use super::fill::fill;
use super::half_precision::widened;
use super::im2col::Columns;
use super::matmul::block;
use super::product::serial_product;
use super::real::Real;
use super::window::Window;
use crate::array::{Array, count};
use crate::each_dtype;
use crate::error::{Error, Result};

/// Elements that a thread computes before it spreads them.
const COLUMNS: usize = 1 << 18;

/// The transpose of a convolution: `x` (batch, in, spatial …), `w` (in, out / groups, kernel …), bias (out).
///
/// The sizes of the result are (size − 1) · stride + dilation · (kernel − 1) + 1 + output padding − pads.
/// As torch's [conv_transpose2d](https://pytorch.org/docs/stable/generated/torch.nn.functional.conv_transpose2d.html) and ONNX
/// [ConvTranspose](https://onnx.ai/onnx/operators/onnx__ConvTranspose.html) with explicit pads.
///
/// # Errors
/// [`Shape`](crate::ErrorCode::Shape) where channels, groups or sizes do not fit, [`DType`](crate::ErrorCode::DType) unless all are one
/// float dtype, and as [`Window::unsteps`].
pub fn conv_transpose(
    x: &Array,
    w: &Array,
    bias: Option<&Array>,
    window: &Window,
    groups: usize,
    output_padding: &[usize],
) -> Result<Array> {
    let misfit =
        || Error::shape(format!("a weight of shape {:?} in {groups} groups does not fit an input of shape {:?}", w.shape(), x.shape()));
    let (&[batch, all], spatial) = x.shape().split_first_chunk().ok_or_else(misfit)?;
    let (&[inputs, filters], kernel) = w.shape().split_first_chunk().ok_or_else(misfit)?;
    if x.rank() != w.rank() || inputs != all || all.checked_rem(groups) != Some(0) {
        return Err(misfit());
    }
    let out = filters.checked_mul(groups).ok_or_else(misfit)?;
    if let Some(bias) = bias.filter(|bias| bias.shape() != [out]) {
        return Err(Error::shape(format!("expected a bias of shape [{out}], got {:?}", bias.shape())));
    }
    let result = window.unsteps(kernel, spatial, output_padding)?;
    let shape = [&[batch, out], &result[..]].concat();
    count(&shape)?;
    let operands: Vec<&Array> = [x, w].into_iter().chain(bias).collect();
    widened(&operands, |operands| {
        let contiguous = operands.iter().map(|operand| operand.contiguous()).collect::<Result<Vec<Array>>>()?;
        let columns = Columns::new(window, kernel, &result, spatial);
        let sizes = TransposeSizes {
            groups,
            channels: all / groups,
            filters,
            taps: kernel.iter().product(),
            image: spatial.iter().product(),
            plane: result.iter().product(),
        };
        each_dtype!(contiguous[0].dtype(), T: float => {
            let (x, _) = contiguous[0].span::<T>()?;
            let (w, _) = contiguous[1].span::<T>()?;
            let bias = contiguous.get(2).map(|bias| bias.span::<T>()).transpose()?.map(|(bias, _)| bias);
            let steps = sizes.channels.saturating_mul(sizes.taps).saturating_mul(sizes.image) / 8;
            let out = fill(batch * out, sizes.plane, steps, |first, out: &mut [T]| {
                // The sizes were checked above: there is nothing to fail.
                let _ = sizes.spread(&columns, &x, &w, bias.as_deref(), first, out);
            })?;
            Array::new(&shape, out)
        })
    })
}

/// Channels in and out of a group, and how many elements each part has.
struct TransposeSizes {
    groups: usize,
    channels: usize,
    filters: usize,
    taps: usize,
    image: usize,
    plane: usize,
}

impl TransposeSizes {
    /// Computes planes of the result from the `first` on.
    fn spread<T: Real>(&self, columns: &Columns, x: &[T], w: &[T], bias: Option<&[T]>, mut first: usize, mut out: &mut [T]) -> Result<()> {
        let width = (COLUMNS / self.taps.max(1)).clamp(64, 4096).min(self.image.max(1));
        let most = (COLUMNS / (self.taps * width).max(1)).max(1);
        let mut room = Vec::new();
        while !out.is_empty() {
            // Filters of one group are computed together.
            let (sheet, filter) = (first / self.filters, first % self.filters);
            let count = (out.len() / self.plane).min(self.filters - filter).min(most);
            let (planes, rest) = out.split_at_mut(count * self.plane);
            (first, out) = (first + count, rest);
            let group = sheet % self.groups;
            for (i, plane) in planes.chunks_exact_mut(self.plane).enumerate() {
                plane.fill(bias.map_or(T::ZERO, |bias| bias[group * self.filters + filter + i]));
            }
            if self.channels == 0 || self.image == 0 {
                continue;
            }
            let rows = count * self.taps;
            let weights = matrix(self.channels, self.filters * self.taps, &w[group * self.channels * self.filters * self.taps..])?;
            let weights = weights.slice_move(ndarray::s![.., filter * self.taps..filter * self.taps + rows]).reversed_axes();
            let image = matrix(self.channels, self.image, &x[sheet * self.channels * self.image..])?;
            for start in (0..self.image).step_by(width) {
                let width = width.min(self.image - start);
                room.resize(rows * width, T::ZERO);
                serial_product(weights, image.slice(ndarray::s![.., start..start + width]), false, block(rows, width, &mut room)?);
                for (row, values) in room.chunks_exact(width).enumerate() {
                    let plane = &mut planes[row / self.taps * self.plane..][..self.plane];
                    columns.scatter(values, row % self.taps, start, plane);
                }
            }
        }
        Ok(())
    }
}
