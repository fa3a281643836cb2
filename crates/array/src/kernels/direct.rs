//! Convolutions with few filters a group, depthwise ones above all: every output row is a sum of shifted input rows.

use super::conv_layer::Layer;
use super::fill::fill;
use super::real::Real;
use crate::error::Result;
use pulp::{Arch, Simd, WithSimd};

/// Whether there are too few filters to fill the tiles of a matrix product, and frames that are not mostly padding: of them every element is written.
pub fn suits(layer: &Layer) -> bool {
    let is_small =
        |frame: Frame| frame.checked_size().is_some_and(|size| size / MOST_PADDED <= frame.spatial.iter().product::<usize>().max(LEAST));
    layer.spatial.len() <= 2 && layer.filters <= 2 && is_small(Frame::of(layer))
}

/// How many times as large as its image a frame may be, or as this many elements.
const MOST_PADDED: usize = 16;
const LEAST: usize = 1 << 12;

/// At least as many elements as are summed at a time lie behind a run.
const LANES: usize = 32;

/// The geometry of one image plane, padded and sorted so that every tap of a row of positions is a contiguous run:
/// a row is stored as `stride` runs, the n-th of them every stride-th element from the n-th on.
struct Frame {
    /// Rows of the padded plane, and elements of a run.
    rows: usize,
    run: usize,
    stride: usize,
    pad: [usize; 2],
    spatial: [usize; 2],
}

/// Two sizes, of which a plane of one row has the second.
fn pair(values: &[usize], missing: usize) -> [usize; 2] {
    match values {
        [] => [missing; 2],
        [single] => [missing, *single],
        _ => [values[0], values[1]],
    }
}

impl Frame {
    fn of(layer: &Layer) -> Frame {
        let (window, kernel, steps) = (layer.window, pair(&layer.kernel, 1), pair(&layer.steps, 1));
        let (strides, dilations) = (pair(&window.strides, 1), pair(&window.dilations, 1));
        let (stride, spatial) = (strides[1], pair(&layer.spatial, 1));
        let reach = |axis: usize| (kernel[axis] - 1).saturating_mul(dilations[axis]);
        let run = (steps[1].saturating_add(reach(1) / stride)).checked_next_multiple_of(LANES).unwrap_or(usize::MAX).saturating_add(LANES);
        let rows = steps[0].saturating_sub(1).saturating_mul(strides[0]).saturating_add(reach(0)).saturating_add(1);
        Frame { rows, run, stride, pad: pair(&window.pads_begin, 0), spatial }
    }

    fn checked_size(&self) -> Option<usize> {
        self.rows.checked_mul(self.stride)?.checked_mul(self.run)
    }

    fn size(&self) -> usize {
        self.rows * self.stride * self.run
    }

    /// Sorts a plane into its frame; the padding is not touched.
    fn load<T: Copy>(&self, plane: &[T], frame: &mut [T]) {
        let rows = self.rows.saturating_sub(self.pad[0]).min(self.spatial[0]);
        // Elements behind the last one that any position sees are left out.
        let seen = (self.run * self.stride - self.pad[1].min(self.run * self.stride)).min(self.spatial[1]);
        for (row, from) in plane.chunks_exact(self.spatial[1]).take(rows).enumerate() {
            let to = &mut frame[(row + self.pad[0]) * self.stride * self.run..][..self.stride * self.run];
            match self.stride {
                1 => to[self.pad[1]..][..seen].copy_from_slice(&from[..seen]),
                stride => {
                    for (run, to) in to.chunks_exact_mut(self.run).enumerate() {
                        // The first number of this run that is not padding.
                        let first = self.pad[1].saturating_sub(run).div_ceil(stride);
                        let skipped = first * stride + run - self.pad[1];
                        let from = from[..seen].iter().skip(skipped).step_by(stride);
                        to[first.min(self.run)..].iter_mut().zip(from).for_each(|(to, &x)| *to = x);
                    }
                }
            }
        }
    }
}

/// Computes a [suitable](suits) layer.
pub fn conv<T: Real>(layer: &Layer, x: &[T], w: &[T], bias: Option<&[T]>) -> Result<Vec<T>> {
    let window = layer.window;
    let (kernel, steps) = (pair(&layer.kernel, 1), pair(&layer.steps, 1));
    let (strides, dilations) = (pair(&window.strides, 1), pair(&window.dilations, 1));
    let frame = Frame::of(layer);
    let Frame { run, stride, spatial, .. } = frame;
    let (image, plane, taps) = (spatial[0] * spatial[1], steps[0] * steps[1], kernel[0] * kernel[1]);
    let depth = layer.channels * taps;
    // Where in the frames of a group each weight finds the element for the first position.
    let offsets: Vec<usize> = (0..depth)
        .map(|weight| {
            let (channel, y, x) = (weight / taps, weight % taps / kernel[1] * dilations[0], weight % kernel[1] * dilations[1]);
            channel * frame.size() + (y * stride + x % stride) * run + x / stride
        })
        .collect();
    let (groups, filters) = (layer.groups, layer.filters);
    fill(layer.batch * groups * filters, plane, plane.saturating_mul(depth) / 8, |first, out: &mut [T]| {
        let mut frames = vec![T::ZERO; layer.channels * frame.size()];
        let mut loaded = None;
        for (out, plane) in out.chunks_exact_mut(plane).zip(first..) {
            let (sheet, filter) = (plane / filters, plane % (groups * filters));
            if loaded.replace(sheet) != Some(sheet) {
                let images = x[sheet * layer.channels * image..].chunks_exact(image);
                images.zip(frames.chunks_exact_mut(frame.size())).for_each(|(plane, room)| frame.load(plane, room));
            }
            let taps: Vec<(usize, T)> = offsets.iter().copied().zip(w[filter * depth..].iter().copied()).collect();
            let bias = bias.map_or(T::ZERO, |bias| bias[filter]);
            let frames = &frames[..];
            Arch::new().dispatch(Plane { frames, apart: strides[0] * stride * run, taps: &taps, bias, out, length: steps[1] });
        }
    })
}

/// A plane of positions, each row of which sees the frames so many elements behind the row before.
struct Plane<'a, T> {
    frames: &'a [T],
    apart: usize,
    taps: &'a [(usize, T)],
    bias: T,
    out: &'a mut [T],
    /// The positions of a row.
    length: usize,
}

impl<T: Real> WithSimd for Plane<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for (y, out) in self.out.chunks_exact_mut(self.length).enumerate() {
            row(simd, &self.frames[y * self.apart..], self.taps, self.bias, out);
        }
    }
}

/// One row of positions: out[i] = bias + Σ weight · frames[offset + i].
#[inline(always)]
fn row<S: Simd, T: Real>(simd: S, frames: &[T], taps: &[(usize, T)], bias: T, out: &mut [T]) {
    /// Vectors that are summed at a time.
    const VECTORS: usize = 2;
    let lanes = VECTORS * size_of::<T::Vector<S>>() / size_of::<T>();
    let bias = T::splat(simd, bias);
    for (out, first) in out.chunks_mut(lanes).zip((0..).step_by(lanes)) {
        let mut sums = [bias; VECTORS];
        for &(offset, weight) in taps {
            let from: &[T::Vector<S>] = bytemuck::cast_slice(&frames[offset + first..][..lanes]);
            let weight = T::splat(simd, weight);
            for (sum, &x) in sums.iter_mut().zip(from) {
                *sum = T::multiply_add(simd, weight, x, *sum);
            }
        }
        out.copy_from_slice(&bytemuck::cast_slice(&sums)[..out.len()]);
    }
}
