//! Activation functions as modules.

use crate::error::Result;
use crate::module::Module;
use crate::tensor::Tensor;

/// An elementwise activation function. As a [`Module`] it can be pushed onto a [`Sequential`](super::Sequential).
/// [torch.nn: non-linear activations](https://pytorch.org/docs/stable/nn.html#non-linear-activations-weighted-sum-nonlinearity)
///
/// ```
/// use ontrace::nn::Activation;
/// use ontrace::{Module, Tensor};
/// let y = Activation::LeakyRelu(0.5).forward(&Tensor::from(&[-2.0f32, 3.0]))?;
/// assert_eq!(y.to_vec::<f32>()?, [-1.0, 3.0]);
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Activation {
    /// max(x, 0)
    Relu,
    /// min(max(x, 0), 6)
    Relu6,
    /// x, but x · slope below 0; torch's default slope is 0.01.
    LeakyRelu(f64),
    /// x, but α(eˣ − 1) below 0; torch's default α is 1.
    Elu(f64),
    /// The self-normalising exponential unit.
    Selu,
    /// x · Φ(x), Φ by the error function.
    Gelu,
    /// x · Φ(x), Φ by its approximation with tanh.
    GeluTanh,
    /// x · sigmoid(x), also called swish.
    Silu,
    /// x · tanh(softplus(x))
    Mish,
    /// The hyperbolic tangent.
    Tanh,
    /// 1 / (1 + e⁻ˣ)
    Sigmoid,
    /// log(1 + eˣ)
    Softplus,
    /// max(0, min(1, x/6 + ½))
    HardSigmoid,
    /// x · max(0, min(1, x/6 + ½))
    HardSwish,
    /// The identity.
    Identity,
}

impl Activation {
    /// The function applied to each element.
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) for a dtype that torch refuses too.
    #[track_caller]
    pub fn apply(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Activation::Relu => x.relu(),
            Activation::Relu6 => x.clamp(Some(0.into()), Some(6.into())),
            Activation::LeakyRelu(slope) => x.leaky_relu(slope),
            Activation::Elu(alpha) => x.elu(alpha),
            Activation::Selu => x.selu(),
            Activation::Gelu => x.gelu(false),
            Activation::GeluTanh => x.gelu(true),
            Activation::Silu => x.silu(),
            Activation::Mish => x.mish(),
            Activation::Tanh => x.tanh(),
            Activation::Sigmoid => x.sigmoid(),
            Activation::Softplus => x.softplus(1.0, 20.0),
            Activation::HardSigmoid => x.hard_sigmoid(),
            Activation::HardSwish => x.hard_swish(),
            Activation::Identity => Ok(x.clone()),
        }
    }
}

impl Module for Activation {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.apply(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_its_formula_at_minus_two_and_one() {
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let softplus = |x: f64| (1.0 + x.exp()).ln();
        let tanh_gelu = |x: f64| 0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x)).tanh());
        let selu = 1.0507009873554805;
        let rows = [
            (Activation::Relu, [0.0, 1.0]),
            (Activation::Relu6, [0.0, 1.0]),
            (Activation::LeakyRelu(0.1), [-0.2, 1.0]),
            (Activation::Elu(2.0), [2.0 * ((-2f64).exp() - 1.0), 1.0]),
            (Activation::Selu, [selu * 1.6732632423543772 * ((-2f64).exp() - 1.0), selu]),
            // Φ(−2) and Φ(1) from a table of the normal distribution.
            (Activation::Gelu, [-2.0 * 0.0227501319, 0.8413447461]),
            (Activation::GeluTanh, [tanh_gelu(-2.0), tanh_gelu(1.0)]),
            (Activation::Silu, [-2.0 * sigmoid(-2.0), sigmoid(1.0)]),
            (Activation::Mish, [-2.0 * softplus(-2.0).tanh(), softplus(1.0).tanh()]),
            (Activation::Tanh, [(-2f64).tanh(), 1f64.tanh()]),
            (Activation::Sigmoid, [sigmoid(-2.0), sigmoid(1.0)]),
            (Activation::Softplus, [softplus(-2.0), softplus(1.0)]),
            (Activation::HardSigmoid, [1.0 / 6.0, 2.0 / 3.0]),
            (Activation::HardSwish, [-1.0 / 3.0, 2.0 / 3.0]),
            (Activation::Identity, [-2.0, 1.0]),
        ];
        for (activation, expected) in rows {
            let y = activation.forward(&Tensor::from(&[-2.0f32, 1.0])).unwrap().to_vec::<f32>().unwrap();
            assert!(y.iter().zip(expected).all(|(y, e)| (f64::from(*y) - e).abs() < 2e-6), "{activation:?}: {y:?} {expected:?}");
        }
    }
}
