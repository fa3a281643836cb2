//! Dropout, which is the identity in evaluation mode.

use crate::error::Result;
use crate::module::Module;
use crate::tensor::Tensor;

/// Dropout in evaluation mode: the identity. It adds no node to the graph.
///
/// With it a [`Sequential`](super::Sequential) has the indices of torch's, by which the parameters are named.
/// [torch.nn.Dropout](https://pytorch.org/docs/stable/generated/torch.nn.Dropout.html)
///
/// ```
/// use ontrace::nn::Dropout;
/// use ontrace::{Module, Tensor};
/// assert_eq!(Dropout.forward(&Tensor::from(&[1.0f32, 2.0]))?.to_vec::<f32>()?, [1.0, 2.0]);
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropout;

impl Module for Dropout {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.clone())
    }
}
