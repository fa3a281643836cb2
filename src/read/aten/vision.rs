//! torchvision's operators: regions of images, boxes, convolutions that look where they are told.

use super::value::Value;
use super::{Args, Row, one, value};
use crate::array::DType;
use crate::error::{Error, Result};
use crate::ops::{Alignment, Gathered, Window};

pub(super) const ROWS: &[Row] = &[
    one("torchvision::nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor", |a| a.tensor(0)?.nms(&a.tensor(1)?, a.float(2)?)),
    one(
        "torchvision::roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, int sampling_ratio, bool aligned) -> Tensor",
        |a| {
            // A box has its image in the first column.
            let (x, rois) = (a.tensor(0)?, a.tensor(1)?);
            let how = Alignment {
                bins: [count(a, 3)?, count(a, 4)?],
                gathered: Gathered::Mean,
                samples: usize::try_from(a.int(5)?).unwrap_or(0),
                scale: a.float(2)? as f32,
                half_pixel: a.flag(6)?,
            };
            x.roi_align(&rois.narrow(1, 1, 4)?, &rois.select(1, 0i64)?.cast(DType::I64)?, how)
        },
    ),
    // The places of the largest pixels are there for gradients only.
    value(
        "torchvision::roi_pool(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width) -> (Tensor, Tensor)",
        |a| {
            let pooled = a.tensor(0)?.max_roi_pool(&a.tensor(1)?, &[a.int(3)?, a.int(4)?], a.float(2)?)?;
            Ok(Value::tuple(vec![pooled.into(), Value::None]))
        },
    ),
    one(
        "torchvision::deform_conv2d(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, SymInt stride_h, SymInt stride_w, SymInt pad_h, SymInt pad_w, SymInt dilation_h, SymInt dilation_w, SymInt groups, SymInt offset_groups, bool use_mask) -> Tensor",
        |a| {
            let two = |i: usize| -> Result<[usize; 2]> { Ok([count(a, i)?, count(a, i + 1)?]) };
            let window = Window::symmetric(&two(5)?, &two(7)?, &two(9)?);
            let mask = if a.flag(13)? { Some(a.tensor(3)?) } else { None };
            a.tensor(0)?.deform_conv(&a.tensor(1)?, &a.tensor(2)?, mask.as_ref(), Some(&a.tensor(4)?), &window, a.int(11)?, a.int(12)?)
        },
    ),
];

/// A number that counts something.
fn count(a: &Args, i: usize) -> Result<usize> {
    usize::try_from(a.int(i)?).map_err(|_| Error::argument(format!("{} is negative", a.schema.arguments[i].name)))
}
