//! Flattening of axes.

use crate::error::Result;
use crate::module::Module;
use crate::tensor::Tensor;

/// Merges the axes from `start` to `end` into one. Both are included, and negative axes count from the end; by default all axes but the first are merged.
/// [torch.nn.Flatten](https://pytorch.org/docs/stable/generated/torch.nn.Flatten.html)
///
/// ```
/// use ontrace::nn::Flatten;
/// use ontrace::{DType, Module, Tensor};
/// let y = Flatten::default().forward(&Tensor::zeros([2, 3, 4, 5], DType::F32)?)?;
/// assert_eq!(y.shape().example(), Some(vec![2, 60]));
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flatten {
    /// The first axis; 1 by default.
    pub start: i64,
    /// The last axis; −1 by default.
    pub end: i64,
}

impl Default for Flatten {
    fn default() -> Flatten {
        Flatten { start: 1, end: -1 }
    }
}

impl Module for Flatten {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.flatten(self.start, self.end)
    }
}
