//! Scaled dot-product attention, softmax(scale · Q·Kᵀ + mask)·V, of f32: matrix by matrix, without the scores of all of them in memory.

use super::norm::softmax_row;
use super::packed_gemm::{Ends, Left, Panels, segments};
use super::product::{HEIGHT, ROWS};
use super::threads::{alone, run_tasks, threads};
use super::vector::vectorised;
use crate::array::{count, room};
use crate::error::{Error, Result};
use ndarray::{ArrayView2, ArrayViewMut2, ArrayViewMutD, Axis, Ix2, ShapeBuilder, s};
use std::sync::Mutex;

/// Scores that are computed together: so many lie in a core's cache.
const SCORES: usize = 1 << 16;

/// Multiplications that are worth a thread of their own.
const GRAIN: usize = 1 << 18;

/// The sizes of an attention.
#[derive(Clone, Debug)]
pub struct AttentionSizes {
    /// The axes before the matrices.
    pub batch: Vec<usize>,
    /// The rows of Q and of the result.
    pub rows: usize,
    /// The columns of Q, and of K.
    pub depth: usize,
    /// The rows of K and of V.
    pub keys: usize,
    /// The columns of V and of the result.
    pub width: usize,
}

impl AttentionSizes {
    /// Where a matrix stands along the axes before it.
    fn position(&self, mut matrix: usize) -> Vec<usize> {
        let mut position = vec![0; self.batch.len()];
        for (at, &size) in position.iter_mut().zip(&self.batch).rev() {
            (*at, matrix) = (matrix % size, matrix / size);
        }
        position
    }
}

/// StridedMatrices in memory, and how far apart neighbours along each axis are.
#[derive(Clone, Debug)]
pub struct StridedMatrices<'a, T> {
    pub values: &'a [T],
    pub strides: Vec<usize>,
}

impl<T> StridedMatrices<'_, T> {
    /// Where the matrix at a position starts, and the distances of its rows and columns.
    fn at(&self, position: &[usize]) -> Result<(usize, usize, usize)> {
        match self.strides.get(position.len()..) {
            Some(&[row, column]) => Ok((position.iter().zip(&self.strides).map(|(at, stride)| at * stride).sum(), row, column)),
            _ => Err(Error::shape(format!("matrices with strides {:?} at {position:?}", self.strides))),
        }
    }
}

impl StridedMatrices<'_, f32> {
    /// The matrix at a position, laid out for the right side of products.
    fn panels(&self, position: &[usize], rows: usize, columns: usize) -> Result<Panels> {
        let (start, row, column) = self.at(position)?;
        let outside = || Error::shape("a matrix that lies outside its memory");
        let values = self.values.get(start..).ok_or_else(outside)?;
        Panels::new(ArrayView2::from_shape((rows, columns).strides((row, column)), values).map_err(|_| outside())?)
    }
}

/// What is done to the scores.
pub enum Mask<'a> {
    /// These are added.
    Added(StridedMatrices<'a, f32>),
    /// Where these are, or are not, true, a value takes their place.
    Filled { selected: StridedMatrices<'a, bool>, when: bool, value: f32 },
}

/// Q, K transposed and V, with the axes that [`AttentionSizes`] names; the columns of Q lie together.
pub struct Attention<'a> {
    pub sizes: AttentionSizes,
    pub scale: f32,
    pub queries: StridedMatrices<'a, f32>,
    pub keys: StridedMatrices<'a, f32>,
    pub values: StridedMatrices<'a, f32>,
    pub mask: Option<Mask<'a>>,
}

impl Attention<'_> {
    /// Writes the result: the axes before the matrices, rows, columns. Each matrix is computed by one thread, so that the number of threads does not show.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where operands or the result do not have these sizes, and [`TooBig`](crate::ErrorCode::TooBig) where there is
    /// no room for a matrix.
    pub fn run(&self, out: ArrayViewMutD<f32>) -> Result<()> {
        let AttentionSizes { batch, rows, depth, keys, width } = &self.sizes;
        if out.shape() != [&batch[..], &[*rows, *width]].concat() {
            return Err(Error::shape(format!("a result of shape {:?} for {:?}", out.shape(), self.sizes)));
        }
        if out.is_empty() {
            return Ok(());
        }
        let mut results = Vec::with_capacity(count(batch)?);
        divide(out, &mut results)?;
        let work = [*rows, *keys, depth + width, results.len()].into_iter().fold(1usize, usize::saturating_mul);
        let parallel = threads() > 1 && results.len() > 1 && work >= 2 * GRAIN;
        let results: Vec<_> = results.into_iter().map(Mutex::new).collect();
        let failure = Mutex::new(None);
        run_tasks(results.len(), parallel, &|matrix| {
            let Ok(mut out) = results[matrix].lock() else { return };
            let mut one = || self.one(&self.sizes.position(matrix), out.view_mut());
            if let (Err(error), Ok(mut failure)) = (if parallel { alone(one) } else { one() }, failure.lock()) {
                failure.get_or_insert(error);
            }
        });
        failure.into_inner().ok().flatten().map_or(Ok(()), Err)
    }

    /// The result of one matrix.
    fn one(&self, position: &[usize], mut out: ArrayViewMut2<f32>) -> Result<()> {
        let &AttentionSizes { rows, depth, keys, width, .. } = &self.sizes;
        if keys == 0 {
            out.fill(0.0);
            return Ok(());
        }
        let (start, row, _) = self.queries.at(position)?;
        let transposed = self.keys.panels(position, depth, keys)?;
        let values = self.values.panels(position, keys, width)?;
        let height = (SCORES / keys / ROWS * ROWS).clamp(ROWS, HEIGHT).min(rows);
        room::<f32>(height.saturating_mul(keys))?;
        let mut scores = vec![0.0; height * keys];
        let (of_depth, of_keys) = (segments([0], depth), segments([0], keys));
        let ends = Ends { bias: None, bounds: None };
        for first in (0..rows).step_by(height) {
            let count = height.min(rows - first);
            let scores = &mut scores[..count * keys];
            if depth == 0 {
                scores.fill(0.0);
            } else {
                let starts = |from: usize, starts: &mut [usize]| (from..).zip(starts).for_each(|(i, at)| *at = start + (first + i) * row);
                let left = Left { values: self.queries.values, count, starts: &starts, segments: &of_depth };
                let view = ArrayViewMut2::from_shape((count, keys), &mut *scores).map_err(|error| Error::internal(error.to_string()))?;
                transposed.multiply_rows(left, ends, None, view);
            }
            for (i, scores) in scores.chunks_exact_mut(keys).enumerate() {
                self.weigh(position, first + i, scores)?;
            }
            let starts = |from: usize, starts: &mut [usize]| (from..).zip(starts).for_each(|(i, at)| *at = i * keys);
            let left = Left { values: scores, count, starts: &starts, segments: &of_keys };
            values.multiply_rows(left, ends, None, out.slice_mut(s![first..first + count, ..]));
        }
        Ok(())
    }

    /// The weights of a row by its scores, in place.
    fn weigh(&self, position: &[usize], row: usize, scores: &mut [f32]) -> Result<()> {
        let keys = scores.len();
        let outside = || Error::shape("a mask that lies outside its memory");
        /// The elements of a row of a mask at these distances.
        fn line<T>(values: &[T], step: usize, count: usize) -> Option<(&[T], usize)> {
            Some((values.get(..(count - 1).checked_mul(step)?.checked_add(1)?)?, step))
        }
        let (added, filled) = match &self.mask {
            Some(Mask::Added(mask)) => {
                let (start, stride, step) = mask.at(position)?;
                (Some(mask.values.get(start + row * stride..).and_then(|values| line(values, step, keys)).ok_or_else(outside)?), None)
            }
            Some(Mask::Filled { selected, when, value }) => {
                let (start, stride, step) = selected.at(position)?;
                let line = selected.values.get(start + row * stride..).and_then(|values| line(values, step, keys)).ok_or_else(outside)?;
                (None, Some((line, *when, *value)))
            }
            None => (None, None),
        };
        vectorised(
            #[inline(always)]
            || {
                let scale = self.scale;
                match (added, filled) {
                    (Some((line, 1)), _) => scores.iter_mut().zip(line).for_each(|(x, added)| *x = *x * scale + added),
                    (Some((line, step)), _) => scores.iter_mut().enumerate().for_each(|(i, x)| *x = *x * scale + line[i * step]),
                    (_, Some(((line, step), when, value))) => {
                        scores.iter_mut().enumerate().for_each(|(i, x)| *x = if line[i * step] == when { value } else { *x * scale });
                    }
                    _ if scale == 1.0 => {}
                    _ => scores.iter_mut().for_each(|x| *x *= scale),
                }
                softmax_row(scores);
            },
        );
        Ok(())
    }
}

/// The matrices of a result, in order.
fn divide<'a>(mut view: ArrayViewMutD<'a, f32>, into: &mut Vec<ArrayViewMut2<'a, f32>>) -> Result<()> {
    if view.ndim() == 2 {
        into.push(view.into_dimensionality::<Ix2>().map_err(|error| Error::internal(error.to_string()))?);
        return Ok(());
    }
    while view.len_of(Axis(0)) > 0 {
        let (first, rest) = view.split_at(Axis(0), 1);
        divide(first.index_axis_move(Axis(0), 0), into)?;
        view = rest;
    }
    Ok(())
}
