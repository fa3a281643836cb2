//! Regions of images brought to one size.

use super::{Reader, widened};
use crate::array::{Array, DType};
use crate::dim::{Sizes, Type};
use crate::error::{Error, Result};
use crate::graph::{Attributes, Inputs, Operator};
use crate::kernels::roi;
use crate::onnx::{GraphBuilder, Name};
use crate::tensor::{Tensor, apply_one};

pub use crate::kernels::roi::{Alignment, Gathered};

/// Regions of images read between the pixels. Inputs: images, regions, the image of each region.
///
/// ONNX: [RoiAlign](https://onnx.ai/onnx/operators/onnx__RoiAlign.html).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoiAlign(pub Alignment);

impl Operator for RoiAlign {
    fn name(&self) -> &'static str {
        "RoiAlign"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
            .with("coordinate_transformation_mode", if self.0.half_pixel { "half_pixel" } else { "output_half_pixel" })
            .with("mode", if self.0.gathered == Gathered::Mean { "avg" } else { "max" })
            .with("output_height", self.0.bins[0])
            .with("output_width", self.0.bins[1])
            .with("sampling_ratio", self.0.samples)
            .with("spatial_scale", self.0.scale)
    }

    fn since(&self) -> i64 {
        16
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let (x, regions, images) = (inputs.at(0)?, inputs.at(1)?, inputs.at(2)?);
        if !x.dtype.is_float() || regions.dtype != x.dtype || images.dtype != DType::I64 {
            return Err(Error::dtype(format!("RoiAlign: rois {regions} and batch indices {images} do not fit {x}")));
        }
        if x.rank() != 4 || regions.rank() != 2 || regions.shape[1] != 4 || images.rank() != 1 {
            return Err(Error::shape(format!("RoiAlign: rois {regions} and batch indices {images} do not fit {x}")));
        }
        let [rows, columns] = self.0.bins;
        Ok(vec![Type::new(x.dtype, vec![images.shape[0].clone(), x.shape[1].clone(), rows.into(), columns.into()])])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        widened(inputs, |inputs| Ok(vec![roi::roi_align(inputs.at(0)?, inputs.at(1)?, inputs.at(2)?, &self.0)?]))
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let how = &self.0;
        let line = builder
            .node("RoiAlign", inputs)
            .string("coordinate_transformation_mode", if how.half_pixel { "half_pixel" } else { "output_half_pixel" })
            .string("mode", if how.gathered == Gathered::Mean { "avg" } else { "max" })
            .int("output_height", how.bins[0] as i64)
            .int("output_width", how.bins[1] as i64)
            .int("sampling_ratio", how.samples as i64);
        Ok(line.float("spatial_scale", how.scale).write(outputs))
    }
}

pub(super) const READS: &[(&str, Reader)] = &[
    ("RoiAlign", |node, inputs| {
        let count = |name: &str, default: i64| {
            usize::try_from(node.int(name, default)?).map_err(|_| Error::argument(format!("{name} must not be negative")))
        };
        let gathered = match node.string("mode", "avg")? {
            "avg" => Gathered::Mean,
            "max" => Gathered::Max,
            other => return Err(Error::argument(format!("unknown mode {other}"))),
        };
        let how = Alignment {
            bins: [count("output_height", 1)?, count("output_width", 1)?],
            gathered,
            samples: count("sampling_ratio", 0)?,
            scale: node.float("spatial_scale", 1.0)?,
            half_pixel: node.string("coordinate_transformation_mode", "half_pixel")? == "half_pixel",
        };
        Ok(vec![inputs.at(0)?.roi_align(inputs.at(1)?, inputs.at(2)?, how)?])
    }),
    ("MaxRoiPool", |node, inputs| {
        let bins = node.ints("pooled_shape")?.ok_or_else(|| node.missing("pooled_shape"))?;
        Ok(vec![inputs.at(0)?.max_roi_pool(inputs.at(1)?, bins, f64::from(node.float("spatial_scale", 1.0)?))?])
    }),
];

impl Tensor {
    /// Regions (n, 4), as x and y of two corners, of images (batch, channels, height, width); `images` (n) says of which each is. The
    /// result is (n, channels, rows, columns).
    ///
    /// [torchvision.ops.roi_align](https://pytorch.org/vision/stable/generated/torchvision.ops.roi_align.html), whose boxes have the image in
    /// their first column
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) or [`DType`](crate::ErrorCode::DType) where they do not fit, [`Argument`](crate::ErrorCode::Argument) where there
    /// is no such image.
    #[track_caller]
    pub fn roi_align(&self, regions: &Tensor, images: &Tensor, how: Alignment) -> Result<Tensor> {
        apply_one(RoiAlign(how), &[self, regions, images])
    }

    /// The largest pixel in each bin of regions (n, 5): the image, then x and y of two corners, which are rounded to pixels.
    ///
    /// ONNX [MaxRoiPool](https://onnx.ai/onnx/operators/onnx__MaxRoiPool.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where they do not fit.
    #[track_caller]
    pub fn max_roi_pool(&self, regions: &Tensor, bins: &[i64], scale: f64) -> Result<Tensor> {
        if self.rank() != 4 || regions.rank() != 2 || regions.dim(1)? != 5i64 || bins.len() != 2 || bins.iter().any(|&n| n < 1) {
            return Err(Error::shape(format!("RoiAlign: {} and {} do not fit output size {bins:?}", regions.ty(), self.ty())));
        }
        let dtype = self.dtype();
        let side = |i: i64| regions.select(1, i)?.mul(scale)?.add(0.5)?.floor();
        let lowest = Tensor::full((), f64::NEG_INFINITY, dtype)?;
        let mut x = self.index_select(0, &regions.select(1, 0i64)?.cast(DType::I64)?)?;
        // Columns first, then rows: an axis goes, and its bins replace it.
        for axis in [3usize, 2] {
            let (first, last, count) = if axis == 3 { (side(1)?, side(3)?, bins[1]) } else { (side(2)?, side(4)?, bins[0]) };
            let bin = last.sub(&first)?.add(1.0)?.maximum(1.0)?.div(count)?.unsqueeze(1)?;
            let steps = Tensor::arange(0, count, 1, DType::I64)?.cast(dtype)?;
            let first = first.unsqueeze(1)?;
            let (start, end) = (steps.mul(&bin)?.floor()?.add(&first)?, steps.add(1.0)?.mul(&bin)?.ceil()?.add(&first)?);
            let position = Tensor::arange(0, &x.dim(axis as i64)?, 1, DType::I64)?.cast(dtype)?;
            // (regions, bins, positions), with room for the axes between.
            let seen = position.ge(start.unsqueeze(2)?)?.logical_and(position.lt(end.unsqueeze(2)?)?)?;
            let line = x.transpose(axis as i64, -1)?.unsqueeze(3)?;
            let largest = seen.unsqueeze(1)?.unsqueeze(1)?.where_(&line, &lowest)?.amax(-1, false)?;
            x = largest.transpose(axis as i64, -1)?;
        }
        // A bin without a pixel gives 0.
        x.eq(f64::NEG_INFINITY)?.where_(&Tensor::zeros((), dtype)?, &x)
    }
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;

    cases! {
        "roi_align", [floats(&[2, 3, 8, 9]), of(DType::F32, &[5, 4], 0.0, 7.0), indices(&[5], 2)], |x| {
            one(x[0].roi_align(&x[1], &x[2], Alignment { bins: [2, 3], gathered: Gathered::Mean, samples: 2, scale: 0.75, half_pixel: true })?)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bin_takes_the_largest_of_its_pixels() {
        let x = Tensor::new([1, 1, 4, 4], (0..16).map(|i| i as f32).collect()).unwrap();
        let regions = Tensor::new([2, 5], vec![0f32, 0.0, 0.0, 3.0, 3.0, 0.0, 1.0, 2.0, 1.0, 2.0]).unwrap();
        let y = x.max_roi_pool(&regions, &[2, 2], 1.0).unwrap();
        assert_eq!(y.shape().to_string(), "[2,1,2,2]");
        assert_eq!(y.to_vec::<f32>().unwrap(), [5.0, 7.0, 13.0, 15.0, 9.0, 9.0, 9.0, 9.0]);
        let outside = Tensor::new([1, 5], vec![0f32, 9.0, 9.0, 9.0, 9.0]).unwrap();
        assert_eq!(x.max_roi_pool(&outside, &[1, 1], 1.0).unwrap().to_vec::<f32>().unwrap(), [0.0]);
        assert_eq!(x.max_roi_pool(&outside, &[0, 1], 1.0).unwrap_err().code(), crate::ErrorCode::Shape);
    }
}
