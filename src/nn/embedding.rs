//! Embeddings: a table of rows, one for each word.

use super::{Init, Weights, within};
use crate::error::Result;
use crate::module::{Module, only};
use crate::tensor::Tensor;

/// The rows of a table at the indices.
///
/// Parameter: `weight` (count, width). Shapes: integers (…) → (…, width).
/// [torch.nn.Embedding](https://pytorch.org/docs/stable/generated/torch.nn.Embedding.html)
///
/// ```
/// use ontrace::nn::{Embedding, Weights};
/// use ontrace::{Array, Module, Tensor};
/// let weights = Weights::from_map([("wte.weight", Array::new(&[3, 2], vec![0.0f32, 1.0, 10.0, 11.0, 20.0, 21.0])?)]);
/// let y = Embedding::new(&weights.at("wte"), 3, 2)?.call(&Tensor::from(&[2i64, 0]))?;
/// assert_eq!(y.to_vec::<f32>()?, [20.0, 21.0, 0.0, 1.0]);
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Embedding {
    weight: Tensor,
}

impl Embedding {
    /// So many rows of this width.
    ///
    /// # Errors
    /// Those of [`Weights::get`].
    pub fn new(weights: &Weights, count: usize, width: usize) -> Result<Embedding> {
        Ok(Embedding { weight: weights.get("weight", &[count, width], Init::Normal(1.0))? })
    }

    /// The table: a language model often uses it again as its last linear layer.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }
}

impl Module for Embedding {
    fn forward(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let indices = only(inputs)?;
        Ok(vec![within(&self.weight, || self.weight.embedding(indices))?])
    }
}
