//! Linear layers.

use super::{Init, Weights, within};
use crate::error::Result;
use crate::module::Module;
use crate::tensor::Tensor;

/// A linear layer: x · weightᵀ + bias over the last axis.
///
/// Parameters: `weight` (outputs, inputs) and `bias` (outputs). Shapes: (…, inputs) → (…, outputs).
/// [torch.nn.Linear](https://pytorch.org/docs/stable/generated/torch.nn.Linear.html)
///
/// ```
/// use ontrace::nn::{Linear, Weights};
/// use ontrace::{Array, Module, Tensor};
/// let weights = Weights::from_map([("fc.weight", Array::new(&[1, 2], vec![2.0f32, 3.0])?), ("fc.bias", Array::vector(vec![1.0f32]))]);
/// let fc = Linear::new(&weights.at("fc"), 2, 1)?;
/// let y = fc.forward(&Tensor::new([1, 2], vec![10.0f32, 100.0])?)?;
/// assert_eq!(y.to_vec::<f32>()?, [2.0 * 10.0 + 3.0 * 100.0 + 1.0]);
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// With a bias.
    ///
    /// # Errors
    /// Those of [`Weights::get`].
    pub fn new(weights: &Weights, inputs: usize, outputs: usize) -> Result<Linear> {
        let bias = weights.get("bias", &[outputs], Init::fan_in(inputs))?;
        Ok(Linear { bias: Some(bias), ..Linear::without_bias(weights, inputs, outputs)? })
    }

    /// Without a bias.
    ///
    /// # Errors
    /// Those of [`Weights::get`].
    pub fn without_bias(weights: &Weights, inputs: usize, outputs: usize) -> Result<Linear> {
        Ok(Linear { weight: weights.get("weight", &[outputs, inputs], Init::fan_in(inputs))?, bias: None })
    }
}

impl Module for Linear {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        within(&self.weight, || x.linear(&self.weight, self.bias.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_have_torch_s_names() {
        let fc = Linear::new(&Weights::seeded(0).at("fc"), 10, 3).unwrap();
        assert_eq!(fc.weight.parameter().map(|name| &**name), Some("fc.weight"));
        assert_eq!(fc.bias.unwrap().parameter().map(|name| &**name), Some("fc.bias"));
        // torch initialises both from ±1/√inputs.
        assert!(fc.weight.to_vec::<f32>().unwrap().iter().all(|x| x.abs() <= 0.1f32.sqrt()));
    }

    #[test]
    fn leading_axes_stay() {
        let fc = Linear::without_bias(&Weights::seeded(0), 4, 3).unwrap();
        let y = fc.forward(&Tensor::zeros([2, 5, 4], crate::DType::F32).unwrap()).unwrap();
        assert_eq!(y.shape().example(), Some(vec![2, 5, 3]));
        assert!(y.to_vec::<f32>().unwrap().iter().all(|&x| x == 0.0));
    }

    #[test]
    fn an_error_says_which_layer() {
        let fc = Linear::new(&Weights::seeded(0).at("head.fc"), 4, 3).unwrap();
        let error = fc.forward(&Tensor::zeros([2, 5], crate::DType::F32).unwrap()).unwrap_err();
        assert_eq!(error.locations().next(), Some("head.fc"));
    }
}
