//! What can stand beside a tensor in an operation: a tensor, a number, a size, or a result of either.

use super::Tensor;
use crate::array::Scalar;
use crate::dim::Dim;
use crate::error::Result;

/// The other side of a binary operation. Values are weak: they never change the category's width of a dtype.
pub trait Operand {
    /// The operand as a tensor.
    ///
    /// # Errors
    /// The error that it already is.
    fn into_tensor(self) -> Result<Tensor>;
}

impl Operand for Tensor {
    fn into_tensor(self) -> Result<Tensor> {
        Ok(self)
    }
}

impl Operand for &Tensor {
    fn into_tensor(self) -> Result<Tensor> {
        Ok(self.clone())
    }
}

impl Operand for Result<Tensor> {
    fn into_tensor(self) -> Result<Tensor> {
        self
    }
}

impl Operand for Scalar {
    fn into_tensor(self) -> Result<Tensor> {
        Ok(Tensor::weak(self))
    }
}

impl Operand for &Dim {
    fn into_tensor(self) -> Result<Tensor> {
        Ok(Tensor::from_dim(self).weakened())
    }
}

/// Rust values, as Python's.
macro_rules! scalars {
    ($($T:ty),*) => {
        $(impl Operand for $T {
            fn into_tensor(self) -> Result<Tensor> {
                Ok(Tensor::weak(self))
            }
        })*
    };
}

scalars!(bool, i32, i64, f32, f64);
