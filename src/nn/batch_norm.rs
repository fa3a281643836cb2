//! Batch normalisation.

use super::{Init, Weights, within};
use crate::error::Result;
use crate::module::Module;
use crate::tensor::Tensor;

/// Batch normalisation in evaluation mode: (x − running_mean) / √(running_var + ε) · weight + bias for each channel.
///
/// Parameters: `weight`, `bias`, `running_mean` and `running_var` (channels). Shapes: (batch, channels, …) → the same, so that
/// this is `BatchNorm1d`, `2d` and `3d`. Without weight and bias it is [`Tensor::batch_norm`].
/// [torch.nn.BatchNorm2d](https://pytorch.org/docs/stable/generated/torch.nn.BatchNorm2d.html)
///
/// ```
/// use ontrace::nn::{BatchNorm, Weights};
/// use ontrace::{Array, Module, Tensor};
/// let values = [("weight", 3.0f32), ("bias", 1.0), ("running_mean", 5.0), ("running_var", 4.0)];
/// let weights = Weights::from_map(values.map(|(name, x)| (name, Array::vector(vec![x]))));
/// let y = BatchNorm::new(&weights, 1)?.epsilon(0.0).forward(&Tensor::new([1, 1, 1, 1], vec![9.0f32])?)?;
/// assert_eq!(y.to_vec::<f32>()?, [(9.0 - 5.0) / 2.0 * 3.0 + 1.0]);
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    var: Tensor,
    epsilon: f64,
}

impl BatchNorm {
    /// Over this many channels, with ε = 10⁻⁵.
    ///
    /// # Errors
    /// Those of [`Weights::get`].
    pub fn new(weights: &Weights, channels: usize) -> Result<BatchNorm> {
        let get = |name, x| weights.get(name, &[channels], Init::Constant(x));
        Ok(BatchNorm {
            weight: get("weight", 1.0)?,
            bias: get("bias", 0.0)?,
            mean: get("running_mean", 0.0)?,
            var: get("running_var", 1.0)?,
            epsilon: 1e-5,
        })
    }

    /// With another ε.
    pub fn epsilon(self, epsilon: f64) -> BatchNorm {
        BatchNorm { epsilon, ..self }
    }
}

impl Module for BatchNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        within(&self.weight, || x.batch_norm(Some(&self.weight), Some(&self.bias), &self.mean, &self.var, self.epsilon))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_rank_with_channels_will_do() {
        let norm = BatchNorm::new(&Weights::seeded(0), 2).unwrap().epsilon(3.0);
        for shape in [&[1, 2][..], &[1, 2, 1], &[1, 2, 1, 1], &[1, 2, 1, 1, 1]] {
            let y = norm.forward(&Tensor::new(shape, vec![2.0f32, -4.0]).unwrap()).unwrap();
            // √(1 + 3) = 2
            assert_eq!((y.shape().example().unwrap().as_slice(), y.to_vec::<f32>().unwrap()), (shape, vec![1.0, -2.0]));
        }
    }
}
