//! Convolutions whose kernels look where offsets send them: read as their decomposition, and never written.

use super::conv::read_window;
use super::{Reader, Window};
use crate::array::DType;
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

pub(super) const READS: &[(&str, Reader)] = &[("DeformConv", |node, inputs| {
    let (x, weight, offset) = (inputs.at(0)?, inputs.at(1)?, inputs.at(2)?);
    let kernel: Vec<i64> = weight.shape().iter().skip(2).filter_map(Dim::fixed).collect();
    let window = read_window(node, x.shape().get(2..).unwrap_or(&[]), &kernel)?;
    let (groups, offset_groups) = (node.int("group", 1)?, node.int("offset_group", 1)?);
    Ok(vec![x.deform_conv(weight, offset, inputs.opt(4), inputs.opt(3), &window, groups, offset_groups)?])
})];

impl Tensor {
    /// A convolution of images (batch, channels, height, width) whose every tap looks where an offset (batch, offset groups · taps · 2,
    /// rows, columns), y before x, moves it: between pixels, and at zeros outside. A mask (batch, offset groups · taps, rows, columns) scales
    /// what each tap sees.
    ///
    /// ONNX [DeformConv](https://onnx.ai/onnx/operators/onnx__DeformConv.html),
    /// [torchvision.ops.deform_conv2d](https://pytorch.org/vision/stable/generated/torchvision.ops.deform_conv2d.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where channels, groups or taps do not fit, [`Size`](crate::ErrorCode::Size) where their values are symbolic.
    #[allow(clippy::too_many_arguments)]
    pub fn deform_conv(
        &self,
        weight: &Tensor,
        offset: &Tensor,
        mask: Option<&Tensor>,
        bias: Option<&Tensor>,
        window: &Window,
        groups: i64,
        offset_groups: i64,
    ) -> Result<Tensor> {
        let fixed = |dim: Dim| {
            dim.fixed().ok_or_else(|| Error::size("deformable convolution needs a fixed number of channels and kernel positions"))
        };
        if [self, weight, offset].iter().any(|x| x.rank() != 4) {
            return Err(Error::shape(format!(
                "deformable convolution: input {}, weight {} and offsets {} do not fit",
                self.ty(),
                weight.ty(),
                offset.ty()
            )));
        }
        super::conv::check_window(window, 2)?;
        let (channels, out, each) = (fixed(self.dim(1)?)?, fixed(weight.dim(0)?)?, fixed(weight.dim(1)?)?);
        let kernel = [fixed(weight.dim(2)?)?, fixed(weight.dim(3)?)?];
        let taps = kernel[0] * kernel[1];
        let misfit = groups < 1
            || offset_groups < 1
            || channels != each * groups
            || out % groups != 0
            || channels % offset_groups != 0
            || fixed(offset.dim(1)?)? != offset_groups * taps * 2;
        if misfit {
            return Err(Error::shape(format!(
                "{} channels in {groups} and {offset_groups} groups do not fit a weight {} and offsets {}",
                channels,
                weight.ty(),
                offset.ty()
            )));
        }
        let (batch, rows, columns) = (self.dim(0)?, offset.dim(2)?, offset.dim(3)?);
        let dtype = self.dtype();
        // (batch, offset groups, taps, y and x, rows, columns)
        let offset = offset.cast(dtype)?.unflatten(1, [offset_groups, taps, 2])?;
        let mask = mask.map(|mask| mask.cast(dtype)?.unflatten(1, [offset_groups, taps])).transpose()?;
        let mut ends = Vec::new();
        for axis in 0..2usize {
            let tap =
                Tensor::from((0..taps).map(|tap| if axis == 0 { tap / kernel[1] } else { tap % kernel[1] }).collect::<Vec<_>>().as_slice());
            let tap = tap.mul(window.dilations[axis] as i64)?.sub(window.pads_begin[axis] as i64)?.reshape([-1, 1, 1])?;
            let (count, shape) = if axis == 0 { (&rows, [-1, 1]) } else { (&columns, [1, -1]) };
            let start = Tensor::arange(0, count, 1, DType::I64)?.mul(window.strides[axis] as i64)?.reshape(shape)?;
            let at = offset.select(3, axis as i64)?.add(tap.add(start)?.cast(dtype)?)?;
            let low = at.floor()?;
            ends.push([(low.clone(), low.add(1.0)?.sub(&at)?), (low.add(1.0)?, at.sub(&low)?)]);
        }
        let (height, width) = (self.dim(2)?, self.dim(3)?);
        let inside = |position: &Tensor, length: &Dim| -> Result<(Tensor, Tensor)> {
            let last = Tensor::from_dim(&(length - 1i64)).cast(dtype)?;
            let is = position.ge(0.0)?.logical_and(position.le(&last)?)?.cast(dtype)?;
            Ok((position.maximum(0.0)?.minimum(&last)?.cast(DType::I64)?, is))
        };
        // Each channel sees the positions of its offset group.
        let image = self.unflatten(1, [offset_groups, channels / offset_groups])?.flatten(3, 4)?;
        let per_group = channels / offset_groups;
        let mut sum: Option<Tensor> = None;
        for (y, y_weight) in &ends[0] {
            for (x, x_weight) in &ends[1] {
                let ((row, row_is), (column, column_is)) = (inside(y, &height)?, inside(x, &width)?);
                let position = row.mul(Tensor::from_dim(&width))?.add(column)?.flatten(2, -1)?.unsqueeze(2)?;
                let wide: Vec<Dim> = vec![batch.clone(), offset_groups.into(), per_group.into(), position.dim(3)?];
                let pixel = image.gather(3, &position.expand(&wide)?)?;
                let share = y_weight.mul(x_weight)?.mul(row_is)?.mul(column_is)?.flatten(2, -1)?.unsqueeze(2)?;
                let term = pixel.mul(share)?;
                sum = Some(sum.map_or(Ok(term.clone()), |sum| sum.add(&term))?);
            }
        }
        let mut patches = sum.ok_or_else(|| Error::internal("an image without elements"))?;
        if let Some(mask) = mask {
            patches = patches.mul(mask.flatten(2, -1)?.unsqueeze(2)?)?;
        }
        // (batch, groups, channels of a group · taps, positions)
        let positions = &rows * &columns;
        let patches = patches.reshape(&[batch.clone(), groups.into(), Dim::from(each * taps), positions])?;
        let weight = weight.reshape([groups, out / groups, each * taps])?;
        let y = weight.matmul(&patches)?.reshape(&[batch, out.into(), rows, columns])?;
        bias.map_or(Ok(y.clone()), |bias| y.add(bias.reshape([-1, 1, 1])?))
    }
}
