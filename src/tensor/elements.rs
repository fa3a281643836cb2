//! Elements of integer tensors as sizes and indices, which stay symbolic in a trace.

use super::{Tensor, recorder};
use crate::dim::Dim;
use crate::error::{Error, Result};

impl Tensor {
    /// The only element of an integer tensor as a size or index: as [`item`](Tensor::item), but in a trace it stays symbolic, so that no
    /// guard is needed. What is computed from it and given to operators as an index, a bound or a count is an operand of the exported nodes.
    ///
    /// ```
    /// use ontrace::{Array, Tensor, trace_fn};
    /// let (x, i) = (Tensor::from(&[1.0f32, 2.0, 3.0]), Tensor::from(&[0i64]));
    /// let traced = trace_fn(|(x, i): (Tensor, Tensor)| x.select(0, i.to_dim()?), &(x.clone(), i))?;
    /// assert!(traced.guards().is_empty());
    /// let y = traced.graph().replay(&[x.to_array()?, Array::vector(vec![2i64])])?;
    /// assert_eq!(y[0].item()?.to_f64(), 3.0);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) unless there is exactly one element, [`DType`](crate::ErrorCode::DType) unless it is an integer, and
    /// [`NoValue`](crate::ErrorCode::NoValue) outside a trace where only the type is known.
    #[track_caller]
    pub fn to_dim(&self) -> Result<Dim> {
        match self.to_dims()?.as_slice() {
            [one] => Ok(one.clone()),
            several => Err(Error::shape(format!("expected one element, got {}", several.len()))),
        }
    }

    /// The elements of an integer vector or scalar as sizes, as [`to_dim`](Tensor::to_dim) gives one.
    ///
    /// # Errors
    /// As [`to_dim`](Tensor::to_dim); [`Shape`](crate::ErrorCode::Shape) for matrices, [`Size`](crate::ErrorCode::Size) where the number of
    /// elements is symbolic.
    #[track_caller]
    pub fn to_dims(&self) -> Result<Vec<Dim>> {
        if let Some(dims) = self.symbolic_values() {
            return Ok(dims.dims.clone());
        }
        if !self.dtype().is_int() {
            return Err(Error::dtype(format!("expected integers, got {}", self.dtype())));
        }
        match self.is_traced() {
            true => recorder::elements(self),
            false => Ok(self.to_array()?.to_i64s()?.into_iter().map(Dim::Fixed).collect()),
        }
    }
}
