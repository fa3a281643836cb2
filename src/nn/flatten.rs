//! Flattening: several axes become one.

use crate::error::Result;
use crate::module::{Module, only};
use crate::tensor::Tensor;

/// The axes from `start` to `end` (with it, negative from the end) as one; by default all but the batch.
/// [torch.nn.Flatten](https://pytorch.org/docs/stable/generated/torch.nn.Flatten.html)
///
/// ```
/// use ontrace::nn::Flatten;
/// use ontrace::{DType, Module, Tensor};
/// let y = Flatten::default().call(&Tensor::zeros([2, 3, 4, 5], DType::F32)?)?;
/// assert_eq!(y.shape().example(), Some(vec![2, 60]));
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flatten {
    /// The first axis; 1.
    pub start: i64,
    /// The last axis; −1.
    pub end: i64,
}

impl Default for Flatten {
    fn default() -> Flatten {
        Flatten { start: 1, end: -1 }
    }
}

impl Module for Flatten {
    fn forward(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        Ok(vec![only(inputs)?.flatten(self.start, self.end)?])
    }
}
