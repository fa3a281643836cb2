//! How a window slides over axes: its steps, its gaps and the padding around.

use super::take::unravel;
use crate::error::{Error, Result};

/// How a window slides: one value a spatial axis. The sizes of the window itself are given beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// How far it moves from one output position to the next.
    pub strides: Vec<usize>,
    /// How far the elements it sees stand apart.
    pub dilations: Vec<usize>,
    /// Positions before the first element.
    pub pads_begin: Vec<usize>,
    /// Positions after the last element.
    pub pads_end: Vec<usize>,
}

/// Sizes, steps and paddings stay below this: products of two of them are far from overflowing.
const LIMIT: usize = 1 << 31;

impl Window {
    /// A window over axes with one stride, padding and dilation each, the same at both ends.
    pub fn symmetric(strides: &[usize], padding: &[usize], dilations: &[usize]) -> Window {
        Window { strides: strides.to_vec(), dilations: dilations.to_vec(), pads_begin: padding.to_vec(), pads_end: padding.to_vec() }
    }

    /// A window that moves by one over so many axes, without padding.
    pub fn dense(axes: usize) -> Window {
        Window::symmetric(&vec![1; axes], &vec![0; axes], &vec![1; axes])
    }

    /// Refuses a window that cannot slide over axes of these sizes.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) for a stride, a dilation or a kernel of size 0 and for one value too many or too few;
    /// [`TooBig`](crate::ErrorCode::TooBig) for sizes of 2³¹ and more.
    pub fn check(&self, kernel: &[usize], spatial: &[usize]) -> Result<()> {
        let parts = [&self.strides[..], &self.dilations, &self.pads_begin, &self.pads_end, kernel];
        if spatial.is_empty() || parts.iter().any(|part| part.len() != spatial.len()) {
            return Err(Error::argument(format!(
                "expected one value per axis for {} axes, got kernel {kernel:?} and {self:?}",
                spatial.len()
            )));
        }
        if self.strides.iter().chain(&self.dilations).chain(kernel).any(|&n| n == 0) {
            return Err(Error::argument(format!("expected strides, dilations and kernel of at least 1, got {kernel:?} and {self:?}")));
        }
        if parts.iter().copied().chain([spatial]).flatten().any(|&n| n >= LIMIT) {
            return Err(Error::too_big(format!("a window of size {kernel:?} ({self:?}) does not fit axes of sizes {spatial:?}")));
        }
        Ok(())
    }

    /// How many positions of an axis a kernel of this size spans. The window has been [checked](Window::check).
    pub fn span(&self, axis: usize, kernel: usize) -> usize {
        (kernel - 1) * self.dilations[axis] + 1
    }

    /// How many steps fit each axis: (size + pads − span) / stride + 1, rounded down.
    ///
    /// # Errors
    /// As [`Window::check`], and [`Shape`](crate::ErrorCode::Shape) where the kernel is longer than an axis with its padding.
    pub fn steps(&self, kernel: &[usize], spatial: &[usize]) -> Result<Vec<usize>> {
        self.check(kernel, spatial)?;
        let steps = |axis: usize| {
            let (room, span) = (spatial[axis] + self.pads_begin[axis] + self.pads_end[axis], self.span(axis, kernel[axis]));
            let misfit = || Error::shape(format!("a kernel of extent {span} does not fit axis {axis} of padded size {room}"));
            Ok(room.checked_sub(span).ok_or_else(misfit)? / self.strides[axis] + 1)
        };
        (0..spatial.len()).map(steps).collect()
    }

    /// The lines along the last axis that a window sees, whose position along the other axes is given with the image before it: which tap along these axes sees
    /// the line, and which line of the images it is. The window has been [checked](Window::check).
    pub fn lines(&self, kernel: &[usize], position: &[usize], spatial: &[usize]) -> impl Iterator<Item = (usize, usize)> {
        let outer = &kernel[..kernel.len() - 1];
        (0..outer.iter().product()).filter_map(move |tap| {
            let taps = unravel(tap, outer);
            let line = (0..outer.len()).try_fold(position[0], |line, axis| {
                let at = position[axis + 1] * self.strides[axis] + taps[axis] * self.dilations[axis];
                let at = at.checked_sub(self.pads_begin[axis]).filter(|&at| at < spatial[axis])?;
                Some(line * spatial[axis] + at)
            })?;
            Some((tap, line))
        })
    }

    /// The sizes that a transposed convolution makes: (size − 1) · stride + span + output padding − pads.
    ///
    /// # Errors
    /// As [`Window::check`], and [`Shape`](crate::ErrorCode::Shape) where the padding eats more than there is.
    pub fn unsteps(&self, kernel: &[usize], spatial: &[usize], output_padding: &[usize]) -> Result<Vec<usize>> {
        self.check(kernel, spatial)?;
        if output_padding.len() != spatial.len() || output_padding.iter().any(|&n| n >= LIMIT) {
            return Err(Error::argument(format!("output padding {output_padding:?} does not fit {} axes", spatial.len())));
        }
        let unsteps = |axis: usize| {
            let whole = spatial[axis].saturating_sub(1) * self.strides[axis] + self.span(axis, kernel[axis]) + output_padding[axis];
            let pads = self.pads_begin[axis] + self.pads_end[axis];
            let left = whole.checked_sub(pads).filter(|_| spatial[axis] > 0);
            left.ok_or_else(|| Error::shape(format!("padding {pads} exceeds axis {axis}, of size {whole}")))
        };
        (0..spatial.len()).map(unsteps).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(stride: usize, dilation: usize, begin: usize, end: usize) -> Window {
        Window { strides: vec![stride], dilations: vec![dilation], pads_begin: vec![begin], pads_end: vec![end] }
    }

    #[test]
    fn steps_are_counted_by_the_formula() {
        assert_eq!(window(2, 1, 3, 3).steps(&[7], &[224]), Ok(vec![112]));
        assert_eq!(window(1, 2, 0, 1).steps(&[3], &[4]), Ok(vec![1]));
        assert_eq!(window(2, 1, 1, 1).unsteps(&[3], &[6], &[1]), Ok(vec![12]));
    }

    #[test]
    fn windows_that_cannot_slide_are_refused() {
        assert_eq!(window(0, 1, 0, 0).steps(&[1], &[4]).unwrap_err().code(), crate::ErrorCode::Argument);
        assert_eq!(window(1, 1, 0, 0).steps(&[0], &[4]).unwrap_err().code(), crate::ErrorCode::Argument);
        assert_eq!(window(1, 1, 0, 0).steps(&[1, 1], &[4]).unwrap_err().code(), crate::ErrorCode::Argument);
        assert_eq!(window(1, 1, 0, 0).steps(&[5], &[4]).unwrap_err().code(), crate::ErrorCode::Shape);
        assert_eq!(window(1, 1, 9, 0).unsteps(&[1], &[4], &[0]).unwrap_err().code(), crate::ErrorCode::Shape);
        assert_eq!(window(usize::MAX, 1, 0, 0).steps(&[1], &[4]).unwrap_err().code(), crate::ErrorCode::TooBig);
    }
}
