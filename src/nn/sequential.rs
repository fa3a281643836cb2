//! A sequence of modules.

use crate::error::{Result, ResultExt};
use crate::module::Module;
use crate::tensor::Tensor;

/// Modules applied in order, each to the output of the one before. An empty sequence is the identity.
/// [torch.nn.Sequential](https://pytorch.org/docs/stable/generated/torch.nn.Sequential.html)
///
/// Torch names the parameters of a sequence by index: `weights.at(0)` has the `0.weight` of a checkpoint.
///
/// ```
/// use ontrace::nn::{Activation, Sequential, Linear, Weights};
/// use ontrace::{DType, Module, Tensor};
/// let weights = Weights::seeded(0);
/// let net = Sequential::new().push(Linear::new(&weights.at(0), 4, 8)?).push(Activation::Gelu).push(Linear::new(&weights.at(2), 8, 2)?);
/// assert_eq!(net.forward(&Tensor::ones([3, 4], DType::F32)?)?.shape().example(), Some(vec![3, 2]));
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Default)]
pub struct Sequential {
    modules: Vec<Box<dyn Module + Send + Sync>>,
}

impl Sequential {
    /// An empty sequence.
    pub fn new() -> Sequential {
        Sequential::default()
    }

    /// Appends a module.
    #[must_use]
    pub fn push(mut self, module: impl Module + Send + Sync + 'static) -> Sequential {
        self.modules.push(Box::new(module));
        self
    }
}

impl Module for Sequential {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for (i, module) in self.modules.iter().enumerate() {
            x = module.forward(&x).at(format!("module {i} of the sequence"))?;
        }
        Ok(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;
    use crate::nn::{Activation, Linear, Weights};

    #[test]
    fn the_order_is_that_of_the_pushes() {
        let x = Tensor::from(&[-1f32]);
        let after = Sequential::new().push(Activation::Relu).push(Activation::Sigmoid).forward(&x).unwrap();
        let before = Sequential::new().push(Activation::Sigmoid).push(Activation::Relu).forward(&x).unwrap();
        assert_eq!(after.to_vec::<f32>().unwrap(), [0.5]);
        assert!((f64::from(before.to_vec::<f32>().unwrap()[0]) - 1.0 / (1.0 + 1f64.exp())).abs() < 1e-6);
    }

    #[test]
    fn an_error_says_which_module() {
        let sequence = Sequential::new().push(Activation::Relu).push(Linear::new(&Weights::seeded(0).at("fc"), 4, 2).unwrap());
        let error = sequence.forward(&Tensor::zeros([1, 3], DType::F32).unwrap()).unwrap_err();
        assert_eq!(error.locations().take(2).collect::<Vec<_>>(), ["module 1 of the sequence", "fc"]);
    }
}
