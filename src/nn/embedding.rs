//! Embedding tables.

use super::{Init, Weights, within};
use crate::error::Result;
use crate::module::Module;
use crate::tensor::Tensor;

/// An embedding: looks up rows of a table by index.
///
/// Parameter: `weight` (count, width). Shapes: integers (…) → (…, width).
/// [torch.nn.Embedding](https://pytorch.org/docs/stable/generated/torch.nn.Embedding.html)
///
/// ```
/// use ontrace::nn::{Embedding, Weights};
/// use ontrace::{Array, Module, Tensor};
/// let weights = Weights::from_map([("wte.weight", Array::new(&[3, 2], vec![0.0f32, 1.0, 10.0, 11.0, 20.0, 21.0])?)]);
/// let y = Embedding::new(&weights.at("wte"), 3, 2)?.forward(&Tensor::from(&[2i64, 0]))?;
/// assert_eq!(y.to_vec::<f32>()?, [20.0, 21.0, 0.0, 1.0]);
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Embedding {
    weight: Tensor,
}

impl Embedding {
    /// A table of `count` rows of `width` elements.
    ///
    /// # Errors
    /// Those of [`Weights::get`].
    pub fn new(weights: &Weights, count: usize, width: usize) -> Result<Embedding> {
        Ok(Embedding { weight: weights.get("weight", &[count, width], Init::Normal(1.0))? })
    }

    /// The table. A language model often uses it as the weight of its last linear layer too.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }
}

impl Module for Embedding {
    fn forward(&self, indices: &Tensor) -> Result<Tensor> {
        within(&self.weight, || self.weight.embedding(indices))
    }
}
