//! Layer normalisation.

use super::{Init, Weights, within};
use crate::dim::Dim;
use crate::error::Result;
use crate::module::Module;
use crate::tensor::Tensor;

/// Layer normalisation: (x − mean) / √(var + ε) · weight + bias, with mean and variance over the last axes.
///
/// Parameters: `weight` and `bias`, of the shape of those axes. Shapes: (…, shape) → the same.
/// Without them it is [`Tensor::layer_norm`].
/// [torch.nn.LayerNorm](https://pytorch.org/docs/stable/generated/torch.nn.LayerNorm.html)
///
/// ```
/// use ontrace::nn::{LayerNorm, Weights};
/// use ontrace::{Module, Tensor};
/// let y = LayerNorm::new(&Weights::seeded(0), &[2])?.epsilon(0.0).forward(&Tensor::new([1, 2], vec![3.0f32, 7.0])?)?;
/// assert_eq!(y.to_vec::<f32>()?, [-1.0, 1.0]);
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Option<Tensor>,
    shape: Vec<Dim>,
    epsilon: f64,
}

impl LayerNorm {
    /// Over the last axes, which have this shape, with ε = 10⁻⁵.
    ///
    /// # Errors
    /// Those of [`Weights::get`].
    pub fn new(weights: &Weights, shape: &[usize]) -> Result<LayerNorm> {
        let bias = weights.get("bias", shape, Init::Constant(0.0))?;
        Ok(LayerNorm { bias: Some(bias), ..LayerNorm::without_bias(weights, shape)? })
    }

    /// Without a bias.
    ///
    /// # Errors
    /// Those of [`Weights::get`].
    pub fn without_bias(weights: &Weights, shape: &[usize]) -> Result<LayerNorm> {
        let weight = weights.get("weight", shape, Init::Constant(1.0))?;
        let shape = weight.shape().to_vec();
        Ok(LayerNorm { weight, bias: None, shape, epsilon: 1e-5 })
    }

    /// With another ε.
    pub fn epsilon(self, epsilon: f64) -> LayerNorm {
        LayerNorm { epsilon, ..self }
    }
}

impl Module for LayerNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        within(&self.weight, || x.layer_norm(&self.shape, Some(&self.weight), self.bias.as_ref(), self.epsilon))
    }
}
