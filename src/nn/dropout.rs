//! Dropout: nothing, once training is over.

use crate::error::Result;
use crate::module::{Module, only};
use crate::tensor::Tensor;

/// The input itself: what torch's dropout is in evaluation mode, whatever its probability. It records no node.
///
/// It is here so that a network can be written down as it was trained, and the indices of a chain stay torch's.
/// [torch.nn.Dropout](https://pytorch.org/docs/stable/generated/torch.nn.Dropout.html)
///
/// ```
/// use ontrace::nn::Dropout;
/// use ontrace::{Module, Tensor};
/// assert_eq!(Dropout.call(&Tensor::from(&[1.0f32, 2.0]))?.to_vec::<f32>()?, [1.0, 2.0]);
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropout;

impl Module for Dropout {
    fn forward(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        Ok(vec![only(inputs)?.clone()])
    }
}
