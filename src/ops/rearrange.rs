//! Composites that take elements by their position: rolled axes, diagonals, slices that are replaced.

use super::Reduction;
use crate::array::DType;
use crate::dim::{Dim, Shape};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

impl Tensor {
    /// The elements shifted along `axes`, those that leave at one end coming in at the other; with no axes, along the flattened tensor.
    /// [torch.roll](https://docs.pytorch.org/docs/stable/generated/torch.roll.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// let x = Tensor::from(&[1i64, 2, 3, 4]);
    /// assert_eq!(x.roll(&[1], &[0])?.to_vec::<i64>()?, [4, 1, 2, 3]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Where there are not as many shifts as axes.
    #[track_caller]
    pub fn roll(&self, shifts: impl Into<Shape>, axes: &[i64]) -> Result<Tensor> {
        let shifts = shifts.into();
        if axes.is_empty() {
            return self.reshape([-1])?.roll(shifts, &[0])?.reshape(self.shape());
        }
        if axes.len() != shifts.len() {
            return Err(Error::argument(format!("expected one shift per axis: got {} for {} axes", shifts.len(), axes.len())));
        }
        axes.iter().zip(shifts.iter()).try_fold(self.clone(), |x, (&axis, shift)| {
            let (axis, size) = (x.shape().axis(axis)?, x.dim(axis)?);
            if size == 0 {
                return Ok(x);
            }
            let cut = match shift.fixed() {
                Some(n) if n < 0 => Dim::Fixed(-n) % &size,
                _ => &size - &(shift % &size),
            };
            if cut == 0 || cut == size {
                return Ok(x);
            }
            let (head, tail) = (x.part(axis, 0, &cut)?, x.part(axis, &cut, size - &cut)?);
            Tensor::cat(&[&tail, &head], axis as i64)
        })
    }

    /// The elements whose index on axis `second` is `offset` larger than on axis `first`, as a new last axis in place of the two.
    /// [torch.diagonal](https://docs.pytorch.org/docs/stable/generated/torch.diagonal.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// let x = Tensor::from(&[1i64, 2, 3, 4, 5, 6]).reshape(&[2, 3])?;
    /// assert_eq!(x.diagonal(1, 0, 1)?.to_vec::<i64>()?, [2, 6]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Where both axes are the same.
    #[track_caller]
    pub fn diagonal(&self, offset: i64, first: i64, second: i64) -> Result<Tensor> {
        let (order, index, _) = self.diagonal_positions(offset, first, second)?;
        self.permute(&order)?.flatten(-2, -1)?.index_select(-1, &index)
    }

    /// The permutation that brings two axes to the end, the positions of their diagonal once they are one axis, and the size of the second.
    pub(crate) fn diagonal_positions(&self, offset: i64, first: i64, second: i64) -> Result<(Vec<i64>, Tensor, Dim)> {
        let (first, second) = (self.shape().axis(first)?, self.shape().axis(second)?);
        if first == second {
            return Err(Error::argument("a diagonal needs two axes"));
        }
        let (rows, columns) = (self.shape()[first].clone(), self.shape()[second].clone());
        let (row, column) = ((-offset).max(0), offset.max(0));
        let count = super::slice::nonnegative((&rows - row).min(&columns - column));
        let mut order: Vec<i64> = (0..self.rank()).filter(|&axis| axis != first && axis != second).map(|axis| axis as i64).collect();
        order.extend([first as i64, second as i64]);
        // Every step goes one row down and one column on.
        let index = super::constant_where_fixed(&[&rows, &columns], || {
            Tensor::arange(0, &count, 1, DType::I64)?.mul(&(&columns + 1i64))?.add(&(&columns * row + column))
        })?;
        Ok((order, index, columns))
    }

    /// The tensor with the slices `index` of one axis combined with the slices of `source` by `reduction`.
    /// [torch.index_copy](https://docs.pytorch.org/docs/stable/generated/torch.index_copy.html),
    /// [torch.index_add](https://docs.pytorch.org/docs/stable/generated/torch.index_add.html).
    ///
    /// `source` has the shape of the tensor with the size of `index` on the axis; `index` has rank 1, or 0 for one slice. A tensor of rank 0
    /// counts as a vector of one element.
    ///
    /// ```
    /// use ontrace::{Tensor, ops::Reduction};
    /// let x = Tensor::from(&[1i64, 2, 3]);
    /// let y = x.index_put_along(0, &Tensor::from(&[2i64, 0]), &Tensor::from(&[10i64, 20]), Reduction::Add)?;
    /// assert_eq!(y.to_vec::<i64>()?, [21, 2, 13]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`index_put`](Tensor::index_put).
    #[track_caller]
    pub fn index_put_along(&self, axis: i64, index: &Tensor, source: &Tensor, reduction: Reduction) -> Result<Tensor> {
        if self.rank() == 0 {
            let vector = self.reshape([1])?;
            return vector.index_put_along(0, &index.reshape([-1])?, &source.reshape([-1])?, reduction)?.reshape(());
        }
        let axis = self.shape().axis(axis)?;
        let mut indices = vec![None; axis];
        let index = if index.rank() == 0 { index.reshape([1])? } else { index.clone() };
        indices.push(Some(&index));
        self.index_put(&indices, source, reduction)
    }
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;

    cases! {
        "roll", [floats(&[5, 4])], |x| one(x[0].roll([2, -1], &[0, 1])?);
        "roll_far", [floats(&[2, 3])], |x| one(x[0].roll([-7], &[1])?);
        "diagonal", [floats(&[2, 4, 5])], |x| one(x[0].diagonal(0, 1, 2)?);
        "diagonal_below", [floats(&[5, 3])], |x| one(x[0].diagonal(-1, 0, 1)?);
    }
}
