//! One loop over several views: axes that step alike are walked as one, and the innermost is a run.

use super::{Dims, Element, contiguous_strides};
use smallvec::smallvec;
use std::ops::Range;

/// Columns that are copied together where neighbours in a row lie far apart in memory: each is read along the axis in which memory is continuous, and what
/// is written of a row is a cache line of f32.
const COLUMNS: usize = 16;

/// A loop nest over `N` views of one shape.
pub struct StridedLoop<const N: usize> {
    /// At least one axis; no two neighbours could be one.
    sizes: Dims<usize>,
    strides: Dims<[isize; N]>,
}

impl<const N: usize> StridedLoop<N> {
    /// The loop nest of a shape whose views step by these strides.
    pub fn new(shape: &[usize], strides: [&[isize]; N]) -> StridedLoop<N> {
        let mut strided = StridedLoop { sizes: Dims::new(), strides: Dims::new() };
        if shape.contains(&0) {
            return StridedLoop { sizes: smallvec![0], strides: smallvec![[0; N]] };
        }
        for (axis, &length) in shape.iter().enumerate().filter(|(_, length)| **length != 1) {
            let step = strides.map(|strides| strides[axis]);
            match (strided.sizes.last_mut(), strided.strides.last_mut()) {
                (Some(outer), Some(last)) if (0..N).all(|i| step[i].checked_mul(length as isize) == Some(last[i])) => {
                    *outer *= length;
                    *last = step;
                }
                _ => {
                    strided.sizes.push(length);
                    strided.strides.push(step);
                }
            }
        }
        if strided.sizes.is_empty() {
            strided.sizes.push(1);
            strided.strides.push([0; N]);
        }
        strided
    }

    /// The steps of the innermost axis.
    pub fn step(&self) -> [isize; N] {
        self.strides[self.strides.len() - 1]
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.sizes.iter().product()
    }

    /// Whether the whole nest is one run.
    pub fn is_run(&self) -> bool {
        self.sizes.len() == 1
    }

    /// Calls `run` for each stretch of the innermost axis in a range of elements, counted in row-major order: with the
    /// positions in the range, from 0, and the offset of each view at the first, relative to its element 0.
    pub fn runs(&self, range: Range<usize>, run: &mut dyn FnMut(Range<usize>, [isize; N])) {
        let range = range.start.min(self.len())..range.end.min(self.len());
        let rank = self.sizes.len();
        let mut index = Dims::from_elem(0, rank);
        let mut offsets = [0; N];
        let mut rest = range.start;
        for axis in (0..rank).rev() {
            let length = self.sizes[axis].max(1);
            // The outermost axis takes what is left, so that a range may start at the end.
            index[axis] = if axis == 0 { rest } else { rest % length };
            rest /= length;
            self.step_by(&mut offsets, axis, index[axis] as isize);
        }
        let mut at = 0;
        while at < range.len() {
            let inner = rank - 1;
            let length = (self.sizes[inner] - index[inner]).min(range.len() - at);
            run(at..at + length, offsets);
            at += length;
            index[inner] += length;
            self.step_by(&mut offsets, inner, length as isize);
            for axis in (1..rank).rev() {
                if index[axis] < self.sizes[axis] {
                    break;
                }
                index[axis] = 0;
                index[axis - 1] += 1;
                self.step_by(&mut offsets, axis, -(self.sizes[axis] as isize));
                self.step_by(&mut offsets, axis - 1, 1);
            }
        }
    }

    fn step_by(&self, offsets: &mut [isize; N], axis: usize, steps: isize) {
        for (offset, stride) in offsets.iter_mut().zip(self.strides[axis]) {
            *offset += stride * steps;
        }
    }
}

/// The index that lies `offset` from `start`.
pub fn at_offset(start: usize, offset: isize) -> usize {
    start.wrapping_add_signed(offset)
}

impl StridedLoop<1> {
    /// The elements of the view in row-major order, its element 0 at `start`.
    pub fn gather<T: Element>(&self, elements: &[T], start: usize) -> Vec<T> {
        let inner = self.sizes.len() - 1;
        let [step] = self.step();
        let near = (0..inner).min_by_key(|&axis| self.strides[axis][0].unsigned_abs());
        match near.filter(|&near| self.strides[near][0].unsigned_abs() < step.unsigned_abs()) {
            Some(near) => self.transposed(near, elements, start),
            None => {
                let mut out = Vec::with_capacity(self.len());
                self.runs(0..self.len(), &mut |at, [offset]| {
                    let from = at_offset(start, offset);
                    match step {
                        1 => out.extend_from_slice(&elements[from..from + at.len()]),
                        _ => out.extend((0..at.len() as isize).map(|i| elements[at_offset(from, i * step)])),
                    }
                });
                out
            }
        }
    }

    /// As [`StridedLoop::gather`], some columns of the innermost axis at a time, each along `near`, in which neighbours lie closer in memory.
    fn transposed<T: Element>(&self, near: usize, elements: &[T], start: usize) -> Vec<T> {
        let inner = self.sizes.len() - 1;
        let (rows, columns) = (self.sizes[near], self.sizes[inner]);
        let mut others = self.sizes.clone();
        (others[near], others[inner]) = (1, 1);
        let from: Vec<_> = self.strides.iter().map(|stride| stride[0]).collect();
        let to = contiguous_strides(&self.sizes);
        let mut out = vec![T::default(); self.len()];
        let planes = StridedLoop::new(&others, [&from, &to]);
        let steps = planes.step();
        planes.runs(0..planes.len(), &mut |at, offsets| {
            for plane in 0..at.len() as isize {
                let [source, target] = [offsets[0] + plane * steps[0], offsets[1] + plane * steps[1]];
                let first = |column: usize| at_offset(start, source + column as isize * from[inner]);
                let target = |row: usize| at_offset(0, target + row as isize * to[near]);
                let whole = columns / COLUMNS * COLUMNS;
                for left in (0..whole).step_by(COLUMNS) {
                    let first: [usize; COLUMNS] = std::array::from_fn(|column| first(left + column));
                    match from[near] {
                        1 => {
                            let lines = first.map(|first| &elements[first..first + rows]);
                            for row in 0..rows {
                                out[target(row) + left..][..COLUMNS].iter_mut().zip(&lines).for_each(|(to, line)| *to = line[row]);
                            }
                        }
                        step => {
                            for row in 0..rows {
                                let to = &mut out[target(row) + left..][..COLUMNS];
                                to.iter_mut().zip(&first).for_each(|(to, &first)| *to = elements[at_offset(first, row as isize * step)]);
                            }
                        }
                    }
                }
                for (column, row) in (whole..columns).flat_map(|column| (0..rows).map(move |row| (column, row))) {
                    out[target(row) + column] = elements[at_offset(first(column), row as isize * from[near])];
                }
            }
        });
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The offsets of a loop nest, element by element.
    fn walk(strided: &StridedLoop<1>, range: Range<usize>) -> Vec<isize> {
        let mut offsets = Vec::new();
        strided.runs(range, &mut |at, [offset]| offsets.extend((0..at.len() as isize).map(|i| offset + i * strided.step()[0])));
        offsets
    }

    #[test]
    fn axes_that_step_alike_are_one() {
        assert!(StridedLoop::new(&[2, 1, 3, 4], [&[12, 7, 4, 1]]).is_run());
        assert!(!StridedLoop::new(&[2, 3], [&[3, 1], &[0, 1]]).is_run());
        assert!(StridedLoop::new(&[2, 3], [&[0, 0]]).is_run());
    }

    #[test]
    fn any_range_continues_where_the_one_before_ended() {
        let strided = StridedLoop::new(&[2, 3, 2], [&[1, 2, -6]]);
        let whole = walk(&strided, 0..12);
        assert_eq!(whole, [0, -6, 2, -4, 4, -2, 1, -5, 3, -3, 5, -1]);
        for cut in 0..=12 {
            assert_eq!([walk(&strided, 0..cut), walk(&strided, cut..12)].concat(), whole);
        }
    }

    #[test]
    fn nothing_and_one_number_are_ordinary() {
        assert_eq!(walk(&StridedLoop::new(&[], [&[]]), 0..1), [0]);
        assert_eq!(walk(&StridedLoop::new(&[usize::MAX, usize::MAX, 0], [&[1, 1, 1]]), 0..5), [0isize; 0]);
    }

    #[test]
    fn columns_gather_in_row_major_order() {
        let values: Vec<i64> = (0..3 * 20 * 50).collect();
        for (shape, strides) in
            [([3, 50, 20], [1000, 1, 50]), ([20, 3, 50], [1, 1000, 20]), ([50, 20, 3], [-1, 50, 1000]), ([3, 50, 20], [0, 1, 50])]
        {
            let start = if strides[0] < 0 { 49 } else { 0 };
            let strided = StridedLoop::new(&shape, [&strides]);
            let expected: Vec<_> = walk(&strided, 0..3000).into_iter().map(|offset| values[at_offset(start, offset)]).collect();
            assert_eq!(strided.gather(&values, start), expected);
        }
    }
}
