//! Lanes: the elements of an array along some axes, one slice after the other, whatever the strides.

use super::fill::{Output, fill_with, write_with};
use crate::array::strided_loop::{StridedLoop, at_offset};
use crate::array::{Array, Element, count};
use crate::error::{Error, Result};
use std::borrow::Cow;
use std::ops::Range;

/// Lanes that are gathered together where they are interleaved in memory: as many as share a cache line.
const TILE: usize = 16;

/// The elements that a tile of gathered lanes may have.
const ROOM: usize = 1 << 20;

/// An array as lanes along some of its axes, one for each index of the other axes, in row-major order.
struct Lanes<'a, T: Element> {
    elements: Cow<'a, [T]>,
    start: usize,
    /// Where each lane starts.
    starts: StridedLoop<1>,
    /// Where a lane's elements stand, from its start; `None` where they follow one another.
    steps: Option<Vec<isize>>,
    length: usize,
    /// Whether neighbouring lanes lie closer in memory than neighbours in a lane.
    interleaved: bool,
}

impl<'a, T: Element> Lanes<'a, T> {
    /// The lanes of an array along `axes`, which ascend.
    fn new(x: &'a Array, axes: &[usize]) -> Result<Lanes<'a, T>> {
        let part = |lane: bool| -> (Vec<usize>, Vec<isize>) {
            (0..x.rank()).filter(|axis| axes.contains(axis) == lane).map(|axis| (x.shape()[axis], x.strides()[axis])).unzip()
        };
        let ((sizes, strides), (outer, outer_strides)) = (part(true), part(false));
        let lane = StridedLoop::new(&sizes, [&strides]);
        let starts = StridedLoop::new(&outer, [&outer_strides]);
        let length = count(&sizes)?;
        let scattered = length > 1 && !x.is_empty() && !(lane.is_run() && lane.step() == [1]);
        let steps = match scattered {
            true => {
                let mut steps = Vec::new();
                steps.try_reserve_exact(length).map_err(|_| Error::too_big(format!("too many elements along axes {axes:?}: {length}")))?;
                lane.runs(0..length, &mut |at, [offset]| steps.extend((0..at.len() as isize).map(|i| offset + i * lane.step()[0])));
                Some(steps)
            }
            false => None,
        };
        let interleaved = starts.step()[0].unsigned_abs() < lane.step()[0].unsigned_abs();
        let (elements, start) = x.span()?;
        Ok(Lanes { elements, start, starts, steps, length, interleaved })
    }

    /// Calls `run` with batches of the lanes in a range, in order: with the indices of the lanes and the lanes.
    fn batches(&self, range: Range<usize>, run: &mut dyn FnMut(Range<usize>, Batch<T>)) {
        let first = range.start;
        if self.length == 0 {
            return run(range, Batch { elements: &[], start: 0, step: 0, length: 0 });
        }
        let [step] = self.starts.step();
        let Some(steps) = &self.steps else {
            return self.starts.runs(range, &mut |at, [offset]| {
                let batch = Batch { elements: &self.elements, start: at_offset(self.start, offset), step, length: self.length };
                run(first + at.start..first + at.end, batch);
            });
        };
        let tile = if self.interleaved { (ROOM / self.length).clamp(1, TILE) } else { 1 };
        let mut gathered = vec![T::default(); tile * self.length];
        self.starts.runs(range, &mut |at, [offset]| {
            for begin in (0..at.len()).step_by(tile) {
                let from = at_offset(self.start, offset + begin as isize * step);
                let lanes = tile.min(at.len() - begin);
                for (i, &along) in steps.iter().enumerate() {
                    for lane in 0..lanes {
                        gathered[lane * self.length + i] = self.elements[at_offset(from, along + lane as isize * step)];
                    }
                }
                let lane = first + at.start + begin;
                run(lane..lane + lanes, Batch { elements: &gathered, start: 0, step: self.length as isize, length: self.length });
            }
        });
    }
}

/// Lanes of contiguous elements that start a fixed step apart.
struct Batch<'a, T> {
    elements: &'a [T],
    start: usize,
    step: isize,
    length: usize,
}

impl<T> Batch<'_, T> {
    /// The elements of the i-th lane.
    #[inline(always)]
    fn lane(&self, i: usize) -> &[T] {
        let from = at_offset(self.start, i as isize * self.step);
        &self.elements[from..from + self.length]
    }
}

/// Checks that these are axes of the array, each named once, and gives them ascending.
fn ascending(x: &Array, axes: &[usize]) -> Result<Vec<usize>> {
    let mut sorted = axes.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    match sorted.last() {
        Some(&last) if last >= x.rank() => Err(Error::argument(format!("axis {last} is out of range for an array of rank {}", x.rank()))),
        _ if sorted.len() < axes.len() => Err(Error::argument(format!("axes {axes:?} repeat an axis"))),
        _ => Ok(sorted),
    }
}

/// `f` of all elements along some axes. These are left out of the result, or kept with size 1.
///
/// # Errors
/// [`Argument`](crate::ErrorCode::Argument) for an axis that there is not, or twice; [`DType`](crate::ErrorCode::DType) where `T` is
/// not the dtype.
pub fn reduce_lanes<T: Element, U: Element>(x: &Array, axes: &[usize], keep: bool, f: impl Fn(&[T]) -> U + Sync) -> Result<Array> {
    reduce_batches(x, axes, keep, &|lanes: Batch<T>, out: &mut [U]| out.iter_mut().enumerate().for_each(|(i, out)| *out = f(lanes.lane(i))))
}

/// [`reduce_lanes`], compiled once for each pair of element types.
fn reduce_batches<T: Element, U: Element>(x: &Array, axes: &[usize], keep: bool, f: &(dyn Fn(Batch<T>, &mut [U]) + Sync)) -> Result<Array> {
    let axes = ascending(x, axes)?;
    let lanes = Lanes::<T>::new(x, &axes)?;
    let outer: Vec<_> = (0..x.rank()).filter(|axis| !axes.contains(axis)).map(|axis| x.shape()[axis]).collect();
    let out = fill_with(count(&outer)?, 1, lanes.length, &|first, out: &mut [U]| {
        lanes.batches(first..first + out.len(), &mut |at, batch| f(batch, &mut out[at.start - first..at.end - first]));
    })?;
    let kept: Vec<_> = (0..x.rank()).map(|axis| if axes.contains(&axis) { 1 } else { x.shape()[axis] }).collect();
    Array::new(if keep { &kept } else { &outer }, out)
}

/// A lane of `length` elements for each lane along an axis: `f` reads the one and writes the other, which is zero.
///
/// # Errors
/// As [`reduce_lanes`]; [`TooBig`](crate::ErrorCode::TooBig).
pub fn map_lanes<T: Element, U: Element>(x: &Array, axis: usize, length: usize, f: impl Fn(&[T], &mut [U]) + Sync) -> Result<Array> {
    write_lanes(x, axis, length, |lane, out| f(lane, out.zeros(length)))
}

/// As [`map_lanes`], without zeros: `f` writes the next `length` elements.
///
/// # Errors
/// As [`map_lanes`].
pub fn write_lanes<T: Element, U: Element>(
    x: &Array,
    axis: usize,
    length: usize,
    f: impl Fn(&[T], &mut Output<U>) + Sync,
) -> Result<Array> {
    write_batches(x, axis, length, &|lanes: Batch<T>, count, out: &mut Output<U>| (0..count).for_each(|i| f(lanes.lane(i), out)))
}

/// Writes so many lanes.
type WriteBatch<'a, T, U> = dyn Fn(Batch<T>, usize, &mut Output<U>) + Sync + 'a;

/// [`write_lanes`], compiled once for each pair of element types.
fn write_batches<T: Element, U: Element>(x: &Array, axis: usize, length: usize, f: &WriteBatch<T, U>) -> Result<Array> {
    let (lanes, mut shape) = along(x, axis)?;
    let out = write_with(count(&shape)?, length, lanes.length, &|first, out: &mut Output<U>| {
        let range = first..first + out.rest() / length;
        lanes.batches(range, &mut |at, batch| f(batch, at.len(), out));
    })?;
    shape.push(length);
    back(Array::new(&shape, out)?, axis)
}

/// A row for each `length` elements that follow one another in row-major order: `f` gets the index of the row, reads the one
/// and writes the other, which is zero. The result has the shape of `x`, whose rows these are.
///
/// # Errors
/// [`DType`](crate::ErrorCode::DType) where `T` is not the dtype; [`TooBig`](crate::ErrorCode::TooBig).
pub fn map_rows<T: Element>(x: &Array, length: usize, f: impl Fn(usize, &[T], &mut [T]) + Sync) -> Result<Array> {
    write_rows(x, length, |i, row, out| f(i, row, out.zeros(length)))
}

/// As [`map_rows`], without zeros: `f` writes the next `length` elements.
///
/// # Errors
/// As [`map_rows`].
pub fn write_rows<T: Element>(x: &Array, length: usize, f: impl Fn(usize, &[T], &mut Output<T>) + Sync) -> Result<Array> {
    let rows = count(x.shape())?.checked_div(length).unwrap_or(0);
    let dense = x.contiguous()?;
    let (elements, start) = dense.span::<T>()?;
    let out = write_with(rows, length, length, &|first, out: &mut Output<T>| {
        let from = start + first * length;
        let rows = elements[from..from + out.rest()].chunks_exact(length);
        rows.enumerate().for_each(|(i, row)| f(first + i, row, out));
    })?;
    Array::new(x.shape(), out)
}

/// The lanes along one axis, and the sizes of the others.
fn along<T: Element>(x: &Array, axis: usize) -> Result<(Lanes<'_, T>, Vec<usize>)> {
    let lanes = Lanes::new(x, &ascending(x, &[axis])?)?;
    let mut shape = x.shape().to_vec();
    shape.remove(axis);
    Ok((lanes, shape))
}

/// The last axis moved to where the lanes' axis was: a window, not a copy.
fn back(x: Array, axis: usize) -> Result<Array> {
    let last = x.rank() - 1;
    let mut axes: Vec<_> = (0..last).collect();
    axes.insert(axis, last);
    x.permute(&axes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(shape: &[usize]) -> Array {
        Array::new(shape, (0..count(shape).unwrap() as i64).collect()).unwrap()
    }

    #[test]
    fn lanes_come_in_row_major_order_whatever_the_strides() {
        // The same elements, laid out in memory in every order of three axes.
        let x = grid(&[3, 4, 5]);
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut inverse = [0; 3];
            (0..3).for_each(|i| inverse[order[i]] = i);
            let laid = x.permute(&order).unwrap().contiguous().unwrap().permute(&inverse).unwrap();
            for axes in [&[0][..], &[1], &[2], &[0, 1], &[0, 2], &[1, 2], &[0, 1, 2], &[]] {
                let sum = |x: &Array| {
                    reduce_lanes(x, axes, false, |lane: &[i64]| lane.iter().fold(0i64, |s, x| s.wrapping_mul(61).wrapping_add(*x))).unwrap()
                };
                assert_eq!(sum(&laid), sum(&x), "{order:?} {axes:?}");
            }
            let last = reduce_lanes(&laid, &[1], true, |lane: &[i64]| lane[3]).unwrap();
            assert_eq!(last, x.slice(1, 3, 1, 1).unwrap());
        }
    }

    #[test]
    fn many_interleaved_lanes_are_each_themselves() {
        let x = grid(&[50, 1001]);
        let first = reduce_lanes(&x, &[0], false, |lane: &[i64]| if lane.windows(2).all(|w| w[1] - w[0] == 1001) { lane[0] } else { -1 });
        assert_eq!(first.unwrap().to_i64s().unwrap(), (0..1001).collect::<Vec<_>>());
        let copied = map_lanes(&x, 0, 50, |lane: &[i64], out: &mut [i64]| out.copy_from_slice(lane)).unwrap();
        assert_eq!(copied, x);
    }

    #[test]
    fn empty_lanes_and_no_lanes_are_ordinary() {
        assert_eq!(reduce_lanes(&grid(&[3, 0]), &[1], true, |lane: &[i64]| lane.len() as i64).unwrap().shape(), [3, 1]);
        assert_eq!(reduce_lanes(&grid(&[0, 3]), &[1], false, |_: &[i64]| 1i64).unwrap().shape(), [0]);
        assert_eq!(reduce_lanes(&grid(&[]), &[], false, |lane: &[i64]| lane[0] + 1).unwrap(), Array::scalar(1i64));
        assert_eq!(map_lanes(&grid(&[3, 2]), 1, 0, |_: &[i64], _: &mut [i64]| ()).unwrap().shape(), [3, 0]);
    }

    #[test]
    fn an_axis_that_there_is_not_is_an_error() {
        assert!(reduce_lanes(&grid(&[2]), &[1], false, |_: &[i64]| 0i64).is_err());
        assert!(reduce_lanes(&grid(&[2]), &[0, 0], false, |_: &[i64]| 0i64).is_err());
        assert!(map_lanes(&grid(&[]), 0, 1, |_: &[i64], _: &mut [i64]| ()).is_err());
    }
}
