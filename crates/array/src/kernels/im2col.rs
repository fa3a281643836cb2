//! Planes as matrices: a row for each element of a window, a column for each position of the window.

use super::take::{advance, unravel};
use super::window::Window;
use std::ops::{AddAssign, Range};

/// Where the elements that a window sees lie in a plane.
///
/// A tap is an element of the window, a position is where the window lies, a row all positions that differ in the last axis
/// only; all are counted in row-major order.
pub struct Columns {
    /// Where each tap's first axes lead from each row: the start of a row of the plane, `None` in the padding.
    starts: Vec<Option<usize>>,
    /// Rows of positions.
    rows: usize,
    /// Taps that differ in the last axis only.
    taps: usize,
    /// Positions of a row.
    positions: usize,
    /// Elements of a row of the plane.
    length: usize,
    stride: usize,
    dilation: usize,
    pad: usize,
}

impl Columns {
    /// The columns of a plane of these sizes seen through a [checked](Window::check) window that stands at `positions`.
    pub fn new(window: &Window, kernel: &[usize], spatial: &[usize], positions: &[usize]) -> Columns {
        let last = spatial.len() - 1;
        let (rows, outer_taps) = (positions[..last].iter().product::<usize>(), kernel[..last].iter().product::<usize>());
        let mut starts = Vec::with_capacity(rows * outer_taps);
        for tap in 0..outer_taps {
            let tap = unravel(tap, &kernel[..last]);
            let mut position = vec![0; last];
            for _ in 0..rows {
                starts.push((0..last).try_fold(0, |start, axis| {
                    let at = position[axis] * window.strides[axis] + tap[axis] * window.dilations[axis];
                    let at = at.checked_sub(window.pads_begin[axis]).filter(|&at| at < spatial[axis])?;
                    Some((start + at) * spatial[axis + 1])
                }));
                advance(&mut position, &positions[..last]);
            }
        }
        Columns {
            starts,
            rows,
            taps: kernel[last],
            positions: positions[last],
            length: spatial[last],
            stride: window.strides[last],
            dilation: window.dilations[last],
            pad: window.pads_begin[last],
        }
    }

    /// Writes what a tap sees from position `first` on: 0 in the padding.
    pub fn gather<T: Copy + Default>(&self, plane: &[T], tap: usize, first: usize, out: &mut [T]) {
        self.walk(tap, first, out.len(), |all, seen, from| {
            out[all.start..seen.start].fill(T::default());
            out[seen.end..all.end].fill(T::default());
            let out = &mut out[seen];
            match self.stride {
                1 => out.copy_from_slice(&plane[from..from + out.len()]),
                // A constant lets the compiler shuffle vectors.
                2 => out.iter_mut().zip(plane[from..].chunks(2)).for_each(|(out, from)| *out = from[0]),
                stride => out.iter_mut().zip(plane[from..].iter().step_by(stride)).for_each(|(out, &from)| *out = from),
            }
        });
    }

    /// Adds values to where a tap sees them from position `first` on; what falls into the padding is dropped.
    pub fn scatter<T: Copy + AddAssign>(&self, values: &[T], tap: usize, first: usize, plane: &mut [T]) {
        self.walk(tap, first, values.len(), |_, seen, from| {
            let values = &values[seen];
            match self.stride {
                1 => plane[from..].iter_mut().zip(values).for_each(|(to, &x)| *to += x),
                stride => plane[from..].iter_mut().step_by(stride).zip(values).for_each(|(to, &x)| *to += x),
            }
        });
    }

    /// Visits `count` positions from `first` on, row by row: their range (counted from `first`), the part of it that lies in the
    /// plane, and where in the plane that part begins.
    fn walk(&self, tap: usize, first: usize, count: usize, mut visit: impl FnMut(Range<usize>, Range<usize>, usize)) {
        let (starts, offset) = (&self.starts[tap / self.taps * self.rows..][..self.rows], tap % self.taps * self.dilation);
        // Positions whose element lies in the plane: 0 ≤ position · stride + offset − pad < size.
        let low = self.pad.saturating_sub(offset).div_ceil(self.stride).min(self.positions);
        let high = (self.length + self.pad).saturating_sub(offset).div_ceil(self.stride).clamp(low, self.positions);
        let mut done = 0;
        while done < count {
            let (row, from) = ((first + done) / self.positions, (first + done) % self.positions);
            let run = (self.positions - from).min(count - done);
            let all = done..done + run;
            let (seen_low, seen_high) = (low.clamp(from, from + run), high.clamp(from, from + run));
            match starts[row] {
                Some(start) if seen_low < seen_high => {
                    visit(all, done + seen_low - from..done + seen_high - from, start + seen_low * self.stride + offset - self.pad)
                }
                _ => visit(all, done..done, 0),
            }
            done += run;
        }
    }
}
