//! The activations that ONNX has as operators with parameters.

use super::elementwise::float;
use super::real::{Real, gelu, gelu_tanh, softplus};
use crate::array::Array;
use crate::error::Result;

/// An activation that ONNX has with parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// x · α below 0.
    LeakyRelu(f32),
    /// α(eˣ − 1) below 0.
    Elu(f32),
    /// γ·α(eˣ − 1) below 0, γ·x above.
    Selu,
    /// max(0, min(1, α·x + β))
    HardSigmoid(f32, f32),
    /// x · HardSigmoid(1/6, ½)
    HardSwish,
    /// x · tanh(softplus(x))
    Mish,
    /// α(eˣᐟᵅ − 1) below 0.
    Celu(f32),
    /// x · Φ(x), or that by a hyperbolic tangent.
    Gelu {
        /// Whether by the hyperbolic tangent.
        tanh: bool,
    },
}

/// The constants of the self-normalising unit.
pub const SELU: (f32, f32) = (1.673_263_2, 1.050_701);

/// The activation of every element.
///
/// # Errors
/// [`DType`](crate::ErrorCode::DType) unless a float; [`TooBig`](crate::ErrorCode::TooBig).
pub fn activation(op: Activation, x: &Array) -> Result<Array> {
    match op {
        Activation::Gelu { tanh: false } => float!(x, gelu),
        Activation::Gelu { tanh: true } => float!(x, gelu_tanh),
        op => float!(x, |x| op.of(x)),
    }
}

impl Activation {
    fn of<T: Real>(self, x: T) -> T {
        let wide = |a: f32| T::of(a.into());
        // A comparison that NaN fails hands NaN on.
        let gate = |x: T| {
            if x < T::ZERO {
                T::ZERO
            } else if x > T::ONE {
                T::ONE
            } else {
                x
            }
        };
        match self {
            Activation::LeakyRelu(a) if x < T::ZERO => x * wide(a),
            Activation::Elu(a) if x < T::ZERO => wide(a) * x.expm1(),
            Activation::Celu(a) if x < T::ZERO => wide(a) * (x / wide(a)).expm1(),
            Activation::LeakyRelu(_) | Activation::Elu(_) | Activation::Celu(_) => x,
            Activation::Selu => wide(SELU.1) * if x < T::ZERO { wide(SELU.0) * x.expm1() } else { x },
            Activation::HardSigmoid(a, b) => gate(wide(a) * x + wide(b)),
            Activation::HardSwish => x * gate(x * T::of(1.0 / 6.0) + T::of(0.5)),
            Activation::Mish => x * softplus(x).tanh(),
            Activation::Gelu { tanh: false } => gelu(x),
            Activation::Gelu { tanh: true } => gelu_tanh(x),
        }
    }
}
