//! Composites that create evenly spaced values, and search in sorted ones.

use crate::array::DType;
use crate::dim::Dim;
use crate::error::Result;
use crate::tensor::Tensor;

impl Tensor {
    /// `steps` values from `start` to `end` at equal distances, both ends included, in f64; each is computed from the nearer end.
    /// [torch.linspace](https://docs.pytorch.org/docs/stable/generated/torch.linspace.html).
    ///
    /// `start` and `end` have rank 0.
    ///
    /// ```
    /// use ontrace::{DType, Tensor};
    /// let (start, end) = (Tensor::full((), 0.0, DType::F64)?, Tensor::full((), 1.0, DType::F64)?);
    /// let x = Tensor::linspace(&start, &end, 5)?;
    /// assert_eq!(x.to_vec::<f64>()?, [0.0, 0.25, 0.5, 0.75, 1.0]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    #[track_caller]
    pub fn linspace(start: &Tensor, end: &Tensor, steps: impl Into<Dim>) -> Result<Tensor> {
        let steps = steps.into();
        let wide = |t: &Tensor| t.strengthened().cast(DType::F64);
        let (start, end) = (wide(start)?, wide(end)?);
        if steps == 1 {
            return start.reshape([1]);
        }
        let float = |dim: Dim| Tensor::from_dim(&dim).cast(DType::F64);
        let position = Tensor::arange(0, &steps, 1, DType::I64)?.cast(DType::F64)?;
        // One step alone is the start.
        let step = end.sub(&start)?.div(float((&steps - 1i64).max(1i64))?)?;
        let from_end = position.neg()?.add(float(&steps - 1i64)?)?.mul(&step)?.neg()?.add(&end)?;
        position.lt(float((steps / 2).max(1i64))?)?.where_(&position.mul(&step)?.add(&start)?, &from_end)
    }

    /// The positions at which `values` would be inserted into this sorted tensor: how many of its elements along the last axis are smaller, or
    /// not larger where `right` is true. [torch.searchsorted](https://docs.pytorch.org/docs/stable/generated/torch.searchsorted.html).
    ///
    /// A tensor of rank 1 is searched for every value; one of a higher rank has the axes of `values` before the last.
    /// The result is an i64 tensor of the shape of `values`.
    ///
    /// ```
    /// use ontrace::Tensor;
    /// let sorted = Tensor::from(&[1.0f32, 3.0, 5.0]);
    /// assert_eq!(sorted.searchsorted(&Tensor::from(&[3.0f32, 6.0]), false)?.to_vec::<i64>()?, [1, 3]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    #[track_caller]
    pub fn searchsorted(&self, values: &Tensor, right: bool) -> Result<Tensor> {
        if self.rank() == 1 && values.rank() != 1 {
            return self.searchsorted(&values.reshape([-1])?, right)?.reshape(values.shape());
        }
        let (among, value) = (self.unsqueeze(-2)?, values.unsqueeze(-1)?);
        let before = if right { among.le(&value)? } else { among.lt(&value)? };
        before.sum(-1, false)
    }
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;

    cases! {
        "linspace", [of(DType::F64, &[5], -1.0, 1.0)], |x| one(Tensor::linspace(&x[0].select(0, 0i64)?, &Tensor::full((), 2.5, DType::F64)?, x[0].dim(0)?)?);
        "searchsorted", [these(DType::F32, &[4], &[-1.0, 0.5, 1.5, 9.0]), floats(&[2, 3])], |x| one(x[0].searchsorted(&x[1], true)?);
    }
}
