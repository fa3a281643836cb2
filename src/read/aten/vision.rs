//! torchvision's operators: regions of images, boxes, convolutions that look where they are told.

use super::args::Args;
use super::row::{Row, one, value};
use super::value::Value;
use crate::array::DType;
use crate::error::{Error, Result};
use crate::ops::{Alignment, Gathered, Window};

pub(super) const ROWS: &[Row] = &[
    one("torchvision::nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor", |a| {
        a.tensor("dets")?.nms(&a.tensor("scores")?, a.float("iou_threshold")?)
    }),
    one(
        "torchvision::roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, int sampling_ratio, bool aligned) -> Tensor",
        |a| {
            // A box has its image in the first column.
            let (x, rois) = (a.tensor("input")?, a.tensor("rois")?);
            let how = Alignment {
                bins: [count(a, "pooled_height")?, count(a, "pooled_width")?],
                gathered: Gathered::Mean,
                samples: usize::try_from(a.int("sampling_ratio")?).unwrap_or(0),
                scale: a.float("spatial_scale")? as f32,
                half_pixel: a.flag("aligned")?,
            };
            x.roi_align(&rois.narrow(1, 1, 4)?, &rois.select(1, 0i64)?.cast(DType::I64)?, how)
        },
    ),
    // The indices of the largest pixels are there for gradients only.
    value(
        "torchvision::roi_pool(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width) -> (Tensor, Tensor)",
        |a| {
            let pooled = a.tensor("input")?.max_roi_pool(
                &a.tensor("rois")?,
                &[a.int("pooled_height")?, a.int("pooled_width")?],
                a.float("spatial_scale")?,
            )?;
            Ok(Value::tuple(vec![pooled.into(), Value::None]))
        },
    ),
    one(
        "torchvision::deform_conv2d(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, SymInt stride_h, SymInt stride_w, SymInt pad_h, SymInt pad_w, SymInt dilation_h, SymInt dilation_w, SymInt groups, SymInt offset_groups, bool use_mask) -> Tensor",
        |a| {
            let two = |height: &str, width: &str| -> Result<[usize; 2]> { Ok([count(a, height)?, count(a, width)?]) };
            let window = Window::symmetric(&two("stride_h", "stride_w")?, &two("pad_h", "pad_w")?, &two("dilation_h", "dilation_w")?);
            let mask = if a.flag("use_mask")? { Some(a.tensor("mask")?) } else { None };
            a.tensor("input")?.deform_conv(
                &a.tensor("weight")?,
                &a.tensor("offset")?,
                mask.as_ref(),
                Some(&a.tensor("bias")?),
                &window,
                a.int("groups")?,
                a.int("offset_groups")?,
            )
        },
    ),
];

/// A non-negative integer.
fn count(a: &Args, name: &str) -> Result<usize> {
    usize::try_from(a.int(name)?).map_err(|_| Error::argument(format!("{name} must not be negative")))
}
