//! Pooling of f32 over images whose channels lie together: each position is a vector of channels.

use super::take::{advance, unravel};
use super::threads::{run_tasks, threads};
use super::vector::vectorised;
use super::window::Window;
use crate::array::count;
use crate::error::{Error, Result};
use std::sync::Mutex;

/// Elements of a task that are worth a thread of their own.
const GRAIN: usize = 1 << 15;

/// What a window makes of the elements that it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// The largest; NaN where there is one.
    Max,
    /// The mean of those that are no padding.
    Mean,
    /// The mean, where padding counts as zeros.
    MeanWithPadding,
}

/// Pooling of images of shape (batch, spatial …, channels).
#[derive(Debug)]
pub struct ChannelsLastPool {
    pub pooling: Pooling,
    pub kernel: Vec<usize>,
    pub window: Window,
    /// Whether a window may hang over the end, as long as it begins before it.
    pub ceil: bool,
}

impl ChannelsLastPool {
    /// The shape of the results for images of this one.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the rank differs, and as [`Window::steps`].
    pub fn shape(&self, images: &[usize]) -> Result<Vec<usize>> {
        let axes = self.kernel.len();
        if images.len() != axes + 2 {
            return Err(Error::shape(format!("expected images of {axes} spatial axes, got shape {images:?}")));
        }
        let spatial = &images[1..=axes];
        let mut steps = self.window.steps(&self.kernel, spatial)?;
        for (axis, steps) in steps.iter_mut().enumerate().filter(|_| self.ceil) {
            let (stride, begin) = (self.window.strides[axis], self.window.pads_begin[axis]);
            let room = spatial[axis] + begin + self.window.pads_end[axis] - self.window.span(axis, self.kernel[axis]);
            let hangs = *steps * stride < spatial[axis] + begin;
            *steps += usize::from(room % stride > 0 && hangs);
        }
        Ok([&images[..1], &steps[..], &images[axes + 1..]].concat())
    }

    /// Writes the results for images.
    ///
    /// # Errors
    /// As [`ChannelsLastPool::shape`], and [`Shape`](crate::ErrorCode::Shape) where slices do not have the sizes of their shapes.
    pub fn run(&self, (shape, x): (&[usize], &[f32]), out: &mut [f32]) -> Result<()> {
        let result = self.shape(shape)?;
        if x.len() != count(shape)? || out.len() != count(&result)? {
            return Err(Error::shape("slices do not have the sizes of their shapes"));
        }
        let axes = self.kernel.len();
        let (spatial, channels) = (&shape[1..=axes], shape[axes + 1]);
        let positions = &result[..=axes];
        if out.is_empty() {
            return Ok(());
        }
        let (lines, length) = (out.len() / (positions[axes] * channels), positions[axes] * channels);
        let parallel = threads() > 1 && out.len().saturating_mul(self.kernel.iter().product()) > 2 * GRAIN;
        let share = if parallel { lines.div_ceil(4 * threads()) } else { lines };
        let chunks: Vec<_> = out.chunks_mut(share * length).map(Mutex::new).collect();
        run_tasks(chunks.len(), parallel, &|i| {
            let Ok(mut chunk) = chunks[i].lock() else { return };
            let mut position = unravel(i * share * positions[axes], positions);
            for out in chunk.chunks_exact_mut(channels) {
                self.position(&position, spatial, x, out);
                advance(&mut position, positions);
            }
        });
        Ok(())
    }

    /// The result of one position, given with the image before it.
    fn position(&self, position: &[usize], spatial: &[usize], x: &[f32], out: &mut [f32]) {
        let (window, last, channels) = (&self.window, spatial.len() - 1, out.len());
        let at = |axis: usize, tap: usize| {
            let at = position[axis + 1] * window.strides[axis] + tap * window.dilations[axis];
            at.checked_sub(window.pads_begin[axis]).filter(|&at| at < spatial[axis])
        };
        let outer = &self.kernel[..last];
        let mut seen = 0usize;
        let lines = (0..outer.iter().product::<usize>()).filter_map(|tap| {
            let tap = unravel(tap, outer);
            (0..last).try_fold(position[0], |line, axis| Some(line * spatial[axis] + at(axis, tap[axis])?))
        });
        out.fill(if self.pooling == Pooling::Max { f32::NEG_INFINITY } else { 0.0 });
        for line in lines {
            for at in (0..self.kernel[last]).filter_map(|tap| at(last, tap)) {
                seen += 1;
                let x = &x[(line * spatial[last] + at) * channels..][..channels];
                vectorised(
                    #[inline(always)]
                    || match self.pooling {
                        // A comparison that NaN fails hands NaN on.
                        Pooling::Max => out.iter_mut().zip(x).for_each(|(y, &x)| *y = if x > *y || x.is_nan() { x } else { *y }),
                        Pooling::Mean | Pooling::MeanWithPadding => out.iter_mut().zip(x).for_each(|(y, &x)| *y += x),
                    },
                );
            }
        }
        let counted = match self.pooling {
            Pooling::Max => return,
            Pooling::Mean => seen,
            Pooling::MeanWithPadding => self.kernel.iter().product(),
        };
        out.iter_mut().for_each(|y| *y /= counted as f32);
    }
}
