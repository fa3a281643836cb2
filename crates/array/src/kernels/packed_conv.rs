//! Convolutions of f32 by filters that stay, over images whose channels lie together: the filters are laid out once, what they see is gathered
//! into a core's cache and multiplied there, and what follows the sum is done before it leaves the cache.

use super::depthwise::Depthwise;
use super::fill::{write_lines, zeros};
use super::fused_activation::{FusedActivation, add};
use super::packed_gemm::{Ends, Finish, Left, Panels, Segment, segments};
use super::room::with_room;
use super::take::{advance, unravel};
use super::threads::threads;
use super::vector::LINE;
use super::window::Window;
use super::winograd::{FinishRun, Images, Winograd};
use crate::array::count;
use crate::error::{Error, Result};
use ndarray::{ArrayView2, ArrayView3, ArrayViewMut2, Axis, s};
use std::sync::OnceLock;

/// Elements of a task that are worth a thread of their own.
const GRAIN: usize = 1 << 13;
/// Elements of images that are padded together.
const ROOM: usize = 1 << 22;

/// A convolution with its filters laid out, and what is done to its results.
#[derive(Debug)]
pub struct PackedConv {
    window: Window,
    kernel: Vec<usize>,
    groups: usize,
    /// Input channels of a group.
    channels: usize,
    /// Output channels of a group.
    filters: usize,
    weights: PackedWeights,
    bias: Option<Vec<f32>>,
    activation: Option<FusedActivation>,
}

/// How filters are laid out.
#[derive(Debug)]
enum PackedWeights {
    /// A matrix a group: a row for each element that a filter sees, channels fastest.
    Dense(Vec<Panels>),
    /// One filter a channel: tap by tap, channels fastest.
    Depthwise(Vec<f32>),
    /// Transformed, and as matrices as well once a result was not finite.
    Winograd(Winograd, OnceLock<Vec<Panels>>),
}

/// The least channels and filters of a group that a product is worth.
const LEAST: usize = 4;

impl PackedConv {
    /// Whether filters of this shape (out, in / groups, kernel …) are laid out here.
    pub fn suits(filters: &[usize], groups: usize) -> bool {
        let (&[out, channels], kernel) = filters.split_first_chunk().unwrap_or((&[0, 0], &[]));
        let each = out.checked_div(groups).unwrap_or(0);
        let fits = out > 0 && channels > 0 && each * groups == out && kernel.iter().all(|&n| n > 0) && !kernel.is_empty();
        fits && (groups == 1 || channels == 1 && each == 1 || channels >= LEAST && each >= LEAST)
    }

    /// Lays filters out, of shape (out, in / groups, kernel …) and in row-major order. The way depends on the spatial sizes of the results, where they are
    /// known: `steps`.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where they are of a kind that is not [laid out](PackedConv::suits) or the bias does not fit,
    /// [`TooBig`](crate::ErrorCode::TooBig) where there is no room.
    pub fn new(
        filters: (&[usize], &[f32]),
        bias: Option<Vec<f32>>,
        window: Window,
        groups: usize,
        activation: Option<FusedActivation>,
        steps: Option<&[usize]>,
    ) -> Result<PackedConv> {
        let (shape, values) = filters;
        let misfit = || Error::shape(format!("filters of shape {shape:?} in {groups} groups are not laid out"));
        let (&[out, channels], kernel) = shape.split_first_chunk().filter(|_| PackedConv::suits(shape, groups)).ok_or_else(misfit)?;
        if bias.as_ref().is_some_and(|bias| bias.len() != out) || values.len() != count(shape)? {
            return Err(misfit());
        }
        let (taps, each) = (kernel.iter().product::<usize>(), out / groups);
        let weights = PackedWeights::Depthwise(Vec::new());
        let conv = PackedConv { window, kernel: kernel.to_vec(), groups, channels, filters: each, weights, bias, activation };
        let by_tap = ArrayView3::from_shape((out, channels, taps), values).map_err(|_| misfit())?;
        let is_fast = groups == 1 && steps.is_some_and(|steps| Winograd::suits(kernel, &conv.window, channels, out, steps));
        let winograd = if is_fast { Winograd::new(by_tap)? } else { None };
        let weights = match winograd {
            Some(winograd) => PackedWeights::Winograd(winograd, OnceLock::new()),
            None if groups > 1 && channels == 1 => PackedWeights::Depthwise(by_tap.permuted_axes([2, 1, 0]).iter().copied().collect()),
            None => PackedWeights::Dense(conv.matrices(by_tap)?),
        };
        Ok(PackedConv { weights, ..conv })
    }

    /// Filters of shape (out, in / groups, taps) as a matrix a group.
    fn matrices(&self, filters: ArrayView3<f32>) -> Result<Vec<Panels>> {
        let (_, channels, taps) = filters.dim();
        let (count, size, together) = (self.filters, channels * taps, self.together());
        let filters = filters.as_standard_layout();
        let filters = filters.as_slice().unwrap_or_default();
        let parts = segments((0..taps / together).map(|_| 0), together * channels);
        let matrix = |group: usize| {
            let mut matrix = zeros::<f32>(count * size)?;
            for (first, filters) in (0..).step_by(LINE).zip(filters[group * count * size..][..count * size].chunks((LINE * size).max(1))) {
                let filters: Vec<&[f32]> = filters.chunks_exact(size).collect();
                for at in 0..size {
                    let row = at % taps * channels + at / taps;
                    let line = &mut matrix[row * count + first..][..filters.len()];
                    line.iter_mut().zip(&filters).for_each(|(to, filter)| *to = filter[at]);
                }
            }
            let matrix = ArrayView2::from_shape((size, count), &matrix);
            Panels::for_segments(matrix.map_err(|error| Error::internal(error.to_string()))?, &parts)
        };
        (0..self.groups).map(matrix).collect()
    }

    /// The sizes of the filters.
    pub fn kernel(&self) -> &[usize] {
        &self.kernel
    }

    /// How the filters slide.
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// How many filters there are.
    pub fn filters(&self) -> usize {
        self.groups * self.filters
    }

    /// The shape of the results for images of this one: both are (batch, spatial …, channels).
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where they do not fit, and as [`Window::steps`].
    pub fn shape(&self, images: &[usize]) -> Result<Vec<usize>> {
        let misfit = || Error::shape(format!("expected images of {} channels, got shape {images:?}", self.groups * self.channels));
        let (Some((&batch, rest)), Some(&channels)) = (images.split_first(), images.last()) else { return Err(misfit()) };
        if images.len() != self.kernel.len() + 2 || channels != self.groups * self.channels {
            return Err(misfit());
        }
        let steps = self.window.steps(&self.kernel, &rest[..self.kernel.len()])?;
        Ok([&[batch], &steps[..], &[self.groups * self.filters]].concat())
    }

    /// Writes the results for images, with `added` put onto the sums before the activation.
    ///
    /// # Errors
    /// As [`PackedConv::shape`], and [`Shape`](crate::ErrorCode::Shape) where slices do not have the sizes of their shapes.
    pub fn run(&self, images: (&[usize], &[f32]), added: Option<&[f32]>, out: &mut [f32]) -> Result<()> {
        let (shape, x) = images;
        let result = self.shape(shape)?;
        let wide = count(&result)?;
        if x.len() != count(shape)? || out.len() != wide || added.is_some_and(|added| added.len() != wide) {
            return Err(Error::shape("slices do not have the sizes of their shapes"));
        }
        if wide == 0 {
            return Ok(());
        }
        let axes = self.kernel.len();
        let (spatial, steps) = (&shape[1..=axes], &result[1..=axes]);
        match &self.weights {
            PackedWeights::Depthwise(weights) => self.depthwise(weights, &PaddedImages::new(self, spatial, steps), x, added, out),
            PackedWeights::Dense(panels) => self.dense(panels, &PaddedImages::new(self, spatial, steps), x, added, out)?,
            PackedWeights::Winograd(winograd, panels) => {
                if !self.winograd(winograd, (spatial, steps), x, added, out) {
                    let panels = match panels.get() {
                        Some(panels) => panels,
                        None => {
                            let made = self.matrices(winograd.filters().view())?;
                            panels.get_or_init(|| made)
                        }
                    };
                    self.dense(panels, &PaddedImages::new(self, spatial, steps), x, added, out)?;
                }
            }
        }
        Ok(())
    }

    /// The convolution by transformed filters; false where a result is infinite or NaN.
    fn winograd(
        &self,
        winograd: &Winograd,
        (spatial, steps): (&[usize], &[usize]),
        x: &[f32],
        added: Option<&[f32]>,
        out: &mut [f32],
    ) -> bool {
        let two = |sizes: &[usize]| [sizes[0], sizes[1]];
        let images = Images { values: x, spatial: two(spatial), pads: two(&self.window.pads_begin), steps: two(steps) };
        let finish = |first: usize, sums: &mut [f32]| self.finish_slice(added.map(|added| &added[first..]), sums);
        let finish: Option<FinishRun> = if self.is_unfinished(added.is_some()) { Some(&finish) } else { None };
        let ends = Ends { bias: self.bias.as_deref(), bounds: self.bounds(added.is_some()) };
        winograd.run(images, ends, finish, out)
    }

    /// Taps that lie together: those along the last axis, where no gap and no other group's channel lies between them.
    fn together(&self) -> usize {
        match (self.kernel.last(), self.window.dilations.last()) {
            (Some(&taps), Some(1)) if self.groups == 1 => taps,
            _ => 1,
        }
    }

    /// The convolution of each group as a product.
    fn dense(&self, panels: &[Panels], images: &PaddedImages, x: &[f32], added: Option<&[f32]>, out: &mut [f32]) -> Result<()> {
        let all = self.groups * self.filters;
        let plane = images.steps.iter().product::<usize>();
        let rows = out.len() / all;
        let mut out = ArrayViewMut2::from_shape((rows, all), out).map_err(|error| Error::internal(error.to_string()))?;
        let segments = images.segments();
        images.for_padded(rows / plane, x, |padded, first, count| {
            let (first, rows) = (first * plane, count * plane);
            let mut out = out.slice_mut(s![first..first + rows, ..]);
            for (group, (panels, out)) in panels.iter().zip(out.axis_chunks_iter_mut(Axis(1), self.filters)).enumerate() {
                let bias = self.bias.as_ref().map(|bias| &bias[group * self.filters..][..self.filters]);
                let finish = |row: usize, column: usize, block: &mut ArrayViewMut2<f32>| {
                    let start = (first + row) * all + group * self.filters + column;
                    self.finish(added.map(|added| (&added[start..], all)), block);
                };
                let finish: Option<Finish> = if self.is_unfinished(added.is_some()) { Some(&finish) } else { None };
                let left = Left {
                    values: &padded[group * self.channels..],
                    count: rows,
                    starts: &|first, starts| images.starts(first, starts),
                    segments: &segments,
                };
                panels.multiply_rows(left, Ends { bias, bounds: self.bounds(added.is_some()) }, finish, out);
            }
        })
    }

    /// Adds to a block of sums the rows that stand so far apart, and applies the activation.
    fn finish(&self, added: Option<(&[f32], usize)>, block: &mut ArrayViewMut2<f32>) {
        let columns = block.ncols();
        if let (true, Some(whole)) = (added.is_none_or(|added| added.1 == columns), block.as_slice_mut()) {
            return self.finish_slice(added.map(|added| added.0), whole);
        }
        for (i, mut row) in block.rows_mut().into_iter().enumerate() {
            if let Some(row) = row.as_slice_mut() {
                self.finish_slice(added.map(|(added, apart)| &added[i * apart..]), row);
            }
        }
    }

    /// Adds to sums, and applies the activation.
    fn finish_slice(&self, added: Option<&[f32]>, sums: &mut [f32]) {
        match (self.activation, added) {
            (Some(activation), Some(added)) => activation.apply_to_sum(sums, added),
            (Some(activation), None) => activation.apply(sums),
            (None, Some(added)) => add(sums, added),
            (None, None) => {}
        }
    }

    /// The bounds that sums are kept between while they are in registers, where nothing is added to them any more.
    fn bounds(&self, added: bool) -> Option<[f32; 2]> {
        self.activation.filter(|_| !added)?.bounds()
    }

    /// Whether sums are not finished yet when they leave the registers.
    fn is_unfinished(&self, added: bool) -> bool {
        added || self.activation.is_some_and(|activation| activation.bounds().is_none())
    }

    /// The convolution of each channel by its own filter.
    fn depthwise(&self, weights: &[f32], images: &PaddedImages, x: &[f32], added: Option<&[f32]>, out: &mut [f32]) {
        let (steps, last) = (images.steps, images.steps.len() - 1);
        let length = steps[last] * self.groups;
        let parallel = threads() > 1 && out.len() * self.kernel.iter().product::<usize>() / 8 > 2 * GRAIN;
        let ends = Ends { bias: self.bias.as_deref(), bounds: self.bounds(added.is_some()) };
        let conv =
            Depthwise { window: &self.window, kernel: &self.kernel, channels: self.groups, weights, ends, spatial: images.spatial, steps };
        write_lines(out, length, parallel, |first, lines| {
            for (i, out) in lines.chunks_mut(Depthwise::TOGETHER * length).enumerate() {
                let first = first + i * Depthwise::TOGETHER;
                conv.write(x, first, out);
                if self.is_unfinished(added.is_some()) {
                    self.finish_slice(added.map(|added| &added[first * length..][..out.len()]), out);
                }
            }
        });
    }
}

/// What lies in memory for a window to slide over: images with the zeros around them that it sees.
struct PaddedImages<'a> {
    conv: &'a PackedConv,
    /// The spatial sizes of the images, of the results, and with the zeros.
    spatial: &'a [usize],
    steps: &'a [usize],
    padded: Vec<usize>,
}

impl<'a> PaddedImages<'a> {
    fn new(conv: &'a PackedConv, spatial: &'a [usize], steps: &'a [usize]) -> PaddedImages<'a> {
        let window = &conv.window;
        let size = |axis: usize| {
            let seen = (steps[axis] - 1) * window.strides[axis] + window.span(axis, conv.kernel[axis]);
            if window.pads_begin[axis] == 0 && seen <= spatial[axis] { spatial[axis] } else { seen }
        };
        PaddedImages { conv, spatial, steps, padded: (0..spatial.len()).map(size).collect() }
    }

    /// The elements of a position of an image.
    fn pixel(&self) -> usize {
        self.conv.groups * self.conv.channels
    }

    /// The segments of what a group sees from where a window stands.
    fn segments(&self) -> Vec<Segment> {
        let (conv, together) = (self.conv, self.conv.together());
        let shape: Vec<usize> =
            conv.kernel.iter().enumerate().map(|(i, &n)| if i + 1 == conv.kernel.len() { n / together } else { n }).collect();
        let offset = |tap: usize| {
            let tap = unravel(tap, &shape);
            let step = |position: usize, axis: usize| position * self.padded[axis] + tap[axis] * conv.window.dilations[axis];
            (0..shape.len()).fold(0, step) * self.pixel()
        };
        segments((0..shape.iter().product()).map(offset), together * conv.channels)
    }

    /// Where in the padded images the window stands that makes a row of the results, for some rows one behind the other.
    fn starts(&self, mut first: usize, starts: &mut [usize]) {
        let last = self.steps.len() - 1;
        let (steps, stride) = (self.steps[last], self.conv.window.strides[last] * self.pixel());
        let mut rest = starts;
        while !rest.is_empty() {
            let (mut position, mut apart, mut row) = (0, self.pixel(), first);
            for axis in (0..=last).rev() {
                position += row % self.steps[axis] * self.conv.window.strides[axis] * apart;
                row /= self.steps[axis];
                apart *= self.padded[axis];
            }
            position += row * apart;
            let line = (steps - first % steps).min(rest.len());
            let (now, after) = rest.split_at_mut(line);
            now.iter_mut().enumerate().for_each(|(i, start)| *start = position + i * stride);
            rest = after;
            first += line;
        }
    }

    /// Copies images into a room, and zeros around them.
    fn pad(&self, images: &[f32], room: &mut [f32]) {
        let (last, pixel) = (self.spatial.len() - 1, self.pixel());
        let (length, line) = (self.spatial[last] * pixel, self.padded[last] * pixel);
        let before = &self.conv.window.pads_begin;
        let shape = [&[usize::MAX], &self.padded[..last]].concat();
        let parallel = threads() > 1 && room.len() > 2 * GRAIN;
        write_lines(room, line, parallel, |first, lines| {
            let mut position = unravel(first, &shape);
            for to in lines.chunks_exact_mut(line) {
                let from = (0..last).try_fold(position[0], |from, axis| {
                    let at = position[axis + 1].checked_sub(before[axis]).filter(|&at| at < self.spatial[axis])?;
                    Some(from * self.spatial[axis] + at)
                });
                match from {
                    Some(from) => {
                        // What no window reaches is not in the room.
                        let start = (before[last] * pixel).min(line);
                        let end = (start + length).min(line);
                        to[..start].fill(0.0);
                        to[start..end].copy_from_slice(&images[from * length..][..end - start]);
                        to[end..].fill(0.0);
                    }
                    None => to.fill(0.0),
                }
                advance(&mut position, &shape);
            }
        });
    }

    /// Hands the images to `run`, some at a time, with the zeros that the window sees: their elements, the first of them, and how many they are.
    ///
    /// # Errors
    /// [`TooBig`](crate::ErrorCode::TooBig) where the machine has no room for an image with its zeros.
    fn for_padded(&self, batch: usize, x: &[f32], mut run: impl FnMut(&[f32], usize, usize)) -> Result<()> {
        // Zeros before an image may be followed by as many elements that no window reaches.
        if self.padded == self.spatial && self.conv.window.pads_begin.iter().all(|&pad| pad == 0) {
            run(x, 0, batch);
            return Ok(());
        }
        let image = x.len() / batch;
        let size = count(&[&self.padded[..], &[self.pixel()]].concat())?;
        let each = (ROOM / size.max(1)).clamp(1, batch);
        crate::array::room::<f32>(each * size)?;
        with_room(each * size, |room| {
            for first in (0..batch).step_by(each) {
                let count = each.min(batch - first);
                let room = &mut room[..count * size];
                self.pad(&x[first * image..][..count * image], room);
                run(room, first, count);
            }
        });
        Ok(())
    }
}
