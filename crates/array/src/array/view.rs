//! Views: slices, permutations, broadcasts and reshapes of the same elements, without a copy.

use super::{Array, Dims};
use crate::error::{Error, Result};

impl Array {
    /// Axis `i` of the result is axis `axes[i]` of this.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) unless `axes` names each axis once.
    pub fn permute(&self, axes: &[usize]) -> Result<Array> {
        let mut seen = vec![false; self.rank()];
        let each_once =
            axes.len() == self.rank() && axes.iter().all(|&axis| axis < self.rank() && !std::mem::replace(&mut seen[axis], true));
        if !each_once {
            return Err(Error::argument(format!("{axes:?} is not a permutation of {} axes", self.rank())));
        }
        let mut view = self.clone();
        view.shape = axes.iter().map(|&axis| self.shape[axis]).collect();
        view.strides = axes.iter().map(|&axis| self.strides[axis]).collect();
        Ok(view)
    }

    /// Every `step`-th index of an axis from `start`, `length` of them; a negative step runs backwards.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where an index lies outside the axis.
    pub fn slice(&self, axis: usize, start: usize, length: usize, step: isize) -> Result<Array> {
        let whole =
            *self.shape.get(axis).ok_or_else(|| Error::argument(format!("axis {axis} is out of range for rank {}", self.rank())))?;
        let last = start as i128 + (length as i128 - 1) * step as i128;
        if length > 0 && (start >= whole || last < 0 || last >= whole as i128) {
            return Err(Error::argument(format!("indices {start}..={last} are out of range for an axis of size {whole}")));
        }
        let mut view = self.clone();
        view.shape[axis] = length;
        if length > 0 {
            view.offset = (self.offset as isize + start as isize * self.strides[axis]) as usize;
            view.strides[axis] = self.strides[axis].saturating_mul(step);
        }
        Ok(view)
    }

    /// The elements whose indices on two axes differ by `offset` (above the diagonal where positive): both axes go, and the
    /// diagonal becomes the last.
    ///
    /// <https://docs.pytorch.org/docs/stable/generated/torch.diagonal.html>
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) unless these are two axes of this array.
    pub fn diagonal(&self, offset: isize, row: usize, column: usize) -> Result<Array> {
        if row == column || row.max(column) >= self.rank() {
            return Err(Error::argument(format!("no diagonal over axes {row} and {column} of an array of rank {}", self.rank())));
        }
        let (down, right) = (offset.min(0).unsigned_abs(), offset.max(0).unsigned_abs());
        let length = self.shape[row].saturating_sub(down).min(self.shape[column].saturating_sub(right));
        let mut view = self.clone();
        if length > 0 && !self.is_empty() {
            let start = self.offset as isize + down as isize * self.strides[row] + right as isize * self.strides[column];
            view.offset = start as usize;
        }
        for axis in [row.max(column), row.min(column)] {
            view.shape.remove(axis);
            view.strides.remove(axis);
        }
        view.shape.push(length);
        view.strides.push(self.strides[row].saturating_add(self.strides[column]));
        Ok(view)
    }

    /// The elements repeated along axes of size 1, and along new leading axes, to fill this shape.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where an axis is neither 1 nor the requested size; [`TooBig`](crate::ErrorCode::TooBig).
    pub fn broadcast(&self, shape: &[usize]) -> Result<Array> {
        let refused = || Error::shape(format!("shape {:?} does not broadcast to {shape:?}", self.shape));
        let new = shape.len().checked_sub(self.rank()).ok_or_else(refused)?;
        super::count(shape)?;
        let mut view = self.clone();
        view.shape = shape.into();
        view.strides = Dims::from_elem(0, shape.len());
        for axis in 0..self.rank() {
            if self.shape[axis] == shape[new + axis] {
                view.strides[new + axis] = self.strides[axis];
            } else if self.shape[axis] != 1 {
                return Err(refused());
            }
        }
        Ok(view)
    }

    /// The elements in row-major order under another shape; copied only where the strides do not allow a view.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the number of elements differs; [`TooBig`](crate::ErrorCode::TooBig).
    pub fn reshape(&self, shape: &[usize]) -> Result<Array> {
        if super::count(shape)? != self.len() {
            return Err(Error::shape(format!("shape {:?} has {} elements, {shape:?} does not", self.shape, self.len())));
        }
        let mut view = match self.is_contiguous() {
            true => self.clone(),
            false => match self.reshaped_strides(shape) {
                Some(strides) => return Ok(Array { shape: shape.into(), strides, ..self.clone() }),
                None => self.contiguous()?,
            },
        };
        view.shape = shape.into();
        view.strides = super::contiguous_strides(shape);
        Ok(view)
    }

    /// Strides under which this shape is a view of the same elements, where only axes of size 1 come or go.
    fn reshaped_strides(&self, shape: &[usize]) -> Option<Dims<isize>> {
        let mut old = (0..self.rank()).filter(|&axis| self.shape[axis] != 1);
        let mut strides = Dims::with_capacity(shape.len());
        for &length in shape {
            strides.push(match length {
                1 => 0,
                _ => old.next().filter(|&axis| self.shape[axis] == length).map(|axis| self.strides[axis])?,
            });
        }
        old.next().is_none().then_some(strides)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Array {
        Array::new(&[2, 3], vec![0i32, 1, 2, 3, 4, 5]).unwrap()
    }

    #[test]
    fn views_share_their_bytes() {
        let x = grid();
        for view in [
            x.permute(&[1, 0]),
            x.slice(1, 0, 2, 1),
            x.broadcast(&[4, 2, 3]),
            x.reshape(&[3, 2]),
            x.permute(&[1, 0]).unwrap().reshape(&[3, 1, 2]),
        ] {
            assert_eq!(view.unwrap().address(), x.address());
        }
    }

    #[test]
    fn slices_run_both_ways() {
        assert_eq!(grid().slice(1, 2, 2, -2).unwrap().to_i64s().unwrap(), [2, 0, 5, 3]);
        assert!(grid().slice(1, 2, 2, 1).is_err());
    }

    #[test]
    fn a_permuted_array_reshapes_to_its_own_order() {
        let x = grid().permute(&[1, 0]).unwrap().reshape(&[6]).unwrap();
        assert_eq!(x.to_i64s().unwrap(), [0, 3, 1, 4, 2, 5]);
    }

    #[test]
    fn diagonals_are_views_too() {
        let x = grid();
        assert_eq!(x.diagonal(0, 0, 1).unwrap().to_i64s().unwrap(), [0, 4]);
        assert_eq!(x.diagonal(1, 0, 1).unwrap().to_i64s().unwrap(), [1, 5]);
        assert_eq!(x.diagonal(-1, 0, 1).unwrap().to_i64s().unwrap(), [3]);
        assert_eq!(x.diagonal(isize::MIN, 0, 1).unwrap().shape(), [0]);
        assert!(x.diagonal(0, 1, 1).is_err());
    }

    #[test]
    fn only_ones_broadcast() {
        assert!(grid().broadcast(&[2, 4]).is_err());
        assert_eq!(Array::vector(vec![7u8]).broadcast(&[3]).unwrap().to_i64s().unwrap(), [7, 7, 7]);
    }
}
