//! Regions of images, read between their pixels and brought to one size.

use crate::array::{Array, count};
use crate::error::{Error, Result};

/// How the positions that a bin reads become its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gathered {
    /// Their mean.
    Mean,
    /// The largest of their pixels, each times its weight.
    Max,
}

/// How regions are read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alignment {
    /// Rows and columns of bins.
    pub bins: [usize; 2],
    /// How a bin's value is computed.
    pub gathered: Gathered,
    /// Samples along each side of a bin; 0 for about one a pixel.
    pub samples: usize,
    /// Pixels for one unit of the regions.
    pub scale: f32,
    /// Whether pixels lie at halves: a region then may be empty, and is else at least one pixel wide.
    pub half_pixel: bool,
}

/// The pixels around a position, with their weights; none where it lies more than a pixel outside.
fn corners(y: f64, x: f64, height: usize, width: usize) -> Option<[(usize, f64); 4]> {
    if height == 0 || width == 0 || !(-1.0..=height as f64).contains(&y) || !(-1.0..=width as f64).contains(&x) {
        return None;
    }
    let along = |at: f64, length: usize| {
        let at = at.max(0.0);
        let low = at as usize;
        if low >= length - 1 { (length - 1, length - 1, 0.0) } else { (low, low + 1, at - low as f64) }
    };
    let ((top, bottom, v), (left, right, u)) = (along(y, height), along(x, width));
    Some([
        (top * width + left, (1.0 - v) * (1.0 - u)),
        (top * width + right, (1.0 - v) * u),
        (bottom * width + left, v * (1.0 - u)),
        (bottom * width + right, v * u),
    ])
}

/// Images (batch, channels, height, width), regions (n, 4) as x and y of two corners, the image of each (n) → (n, channels, bins).
///
/// [ONNX RoiAlign](https://onnx.ai/onnx/operators/onnx__RoiAlign.html)
///
/// # Errors
/// [`Shape`](crate::ErrorCode::Shape) where they do not fit, [`Argument`](crate::ErrorCode::Argument) where there is no such image,
/// [`TooBig`](crate::ErrorCode::TooBig) where a region asks for too many samples.
pub fn roi_align(x: &Array, regions: &Array, images: &Array, how: &Alignment) -> Result<Array> {
    let misfit = || {
        Error::shape(format!(
            "regions of shape {:?} and batch indices of shape {:?} do not fit images of shape {:?}",
            regions.shape(),
            images.shape(),
            x.shape()
        ))
    };
    let &[batch, channels, height, width] = x.shape() else { return Err(misfit()) };
    let n = regions.shape().first().copied().unwrap_or(0);
    if regions.shape() != [n, 4] || images.shape() != [n] {
        return Err(misfit());
    }
    let [rows, columns] = how.bins;
    let shape = [n, channels, rows, columns];
    let mut out = vec![0f64; count(&shape)?];
    let (pixels, sides) = (x.to_f64s()?, regions.to_f64s()?);
    for (region, image) in images.to_i64s()?.into_iter().enumerate() {
        let image = usize::try_from(image).ok().filter(|&image| image < batch);
        let image = image.ok_or_else(|| Error::argument(format!("the batch index of a region is out of range for a batch of {batch}")))?;
        let shift = if how.half_pixel { 0.5 } else { 0.0 };
        let side = |i: usize| sides[region * 4 + i] * f64::from(how.scale) - shift;
        let extent = |low: f64, high: f64| if how.half_pixel { high - low } else { (high - low).max(1.0) };
        let (left, top) = (side(0), side(1));
        let (bin_h, bin_w) = (extent(top, side(3)) / rows as f64, extent(left, side(2)) / columns as f64);
        let samples = |bin: f64| if how.samples > 0 { how.samples } else { bin.ceil().max(0.0) as usize };
        let (down, across) = (samples(bin_h), samples(bin_w));
        if down.saturating_mul(across).saturating_mul(rows * columns) > 1 << 26 {
            return Err(Error::too_big(format!("too many sampling points: {down} × {across} in each of {rows} × {columns} bins")));
        }
        for row in 0..rows {
            for column in 0..columns {
                let at =
                    |start: f64, bin: f64, of: usize, i: usize, many: usize| start + of as f64 * bin + (i as f64 + 0.5) * bin / many as f64;
                let positions: Vec<_> = (0..down)
                    .flat_map(|i| (0..across).map(move |j| (i, j)))
                    .map(|(i, j)| corners(at(top, bin_h, row, i, down), at(left, bin_w, column, j, across), height, width))
                    .collect();
                for channel in 0..channels {
                    let plane = &pixels[(image * channels + channel) * height * width..][..height * width];
                    let read =
                        |position: &Option<[(usize, f64); 4]>| position.map(|corners| corners.map(|(pixel, weight)| plane[pixel] * weight));
                    out[((region * channels + channel) * rows + row) * columns + column] = match how.gathered {
                        Gathered::Mean => positions.iter().filter_map(read).flatten().sum::<f64>() / positions.len().max(1) as f64,
                        Gathered::Max => {
                            let largest =
                                |position| read(position).map_or(0.0, |values| values.into_iter().fold(f64::NEG_INFINITY, f64::max));
                            positions.iter().map(largest).reduce(f64::max).unwrap_or(0.0)
                        }
                    };
                }
            }
        }
    }
    Array::new(&shape, out)?.cast(x.dtype())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp() -> Array {
        Array::new(&[1, 1, 4, 4], (0..16).map(|i| i as f32).collect()).unwrap()
    }

    fn align(region: [f32; 4], how: Alignment) -> Vec<f64> {
        roi_align(&ramp(), &Array::new(&[1, 4], region.to_vec()).unwrap(), &Array::vector(vec![0i64]), &how).unwrap().to_f64s().unwrap()
    }

    #[test]
    fn a_bin_is_the_mean_of_the_positions_it_reads() {
        // On a ramp the mean is the value at the middle of the bin: row 1 and column 1 of half a pixel less.
        let how = Alignment { bins: [1, 1], gathered: Gathered::Mean, samples: 2, scale: 1.0, half_pixel: true };
        assert_eq!(align([0.5, 0.5, 2.5, 2.5], how), [5.0]);
        assert_eq!(align([0.5, 0.5, 2.5, 2.5], Alignment { samples: 0, ..how }), [5.0]);
        assert_eq!(align([0.0, 0.0, 2.0, 2.0], Alignment { half_pixel: false, ..how }), [5.0]);
        assert_eq!(align([2.0, 2.0, 4.0, 4.0], Alignment { scale: 0.5, half_pixel: false, ..how }), [7.5]);
    }

    #[test]
    fn a_region_of_no_image_is_refused() {
        let how = Alignment { bins: [1, 1], gathered: Gathered::Max, samples: 1, scale: 1.0, half_pixel: true };
        let regions = Array::new(&[1, 4], vec![0f32, 0.0, 1.0, 1.0]).unwrap();
        assert!(roi_align(&ramp(), &regions, &Array::vector(vec![1i64]), &how).is_err());
        assert!(roi_align(&ramp(), &regions, &Array::vector(vec![-1i64]), &how).is_err());
        let huge = Array::new(&[1, 4], vec![0f32, 0.0, 1e9, 1e9]).unwrap();
        assert!(roi_align(&ramp(), &huge, &Array::vector(vec![0i64]), &Alignment { samples: 0, ..how }).is_err());
    }
}
