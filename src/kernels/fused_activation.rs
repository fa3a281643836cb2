//! Activations of f32 in place: what follows the sums of a layer while they are in the cache.

use super::real::{Real, gelu, gelu_tanh, sigmoid};

/// A function of each element by itself. NaN gives NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FusedActivation {
    /// The larger of x and 0.
    Relu,
    /// x between two bounds.
    Clip(f32, f32),
    /// x, but x times this below 0.
    LeakyRelu(f32),
    /// 1 / (1 + e^−x)
    Sigmoid,
    /// x · sigmoid(x)
    Silu,
    /// max(0, min(1, αx + β))
    HardSigmoid(f32, f32),
    /// x · max(0, min(1, x/6 + ½))
    HardSwish,
    /// x · Φ(x), where Φ is the distribution function of the normal distribution.
    Gelu,
    /// Gelu with Φ by a hyperbolic tangent.
    GeluTanh,
    /// The hyperbolic tangent.
    Tanh,
}

/// x between two bounds. Comparisons that NaN fails hand NaN on.
#[inline(always)]
fn between(x: f32, low: f32, high: f32) -> f32 {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

impl FusedActivation {
    /// Applies it to each element. To be called where vector instructions are [enabled](super::vector::vectorised).
    #[inline(always)]
    pub fn apply(&self, values: &mut [f32]) {
        #[inline(always)]
        fn each(values: &mut [f32], f: impl Fn(f32) -> f32) {
            values.iter_mut().for_each(|x| *x = f(*x));
        }
        match *self {
            FusedActivation::Relu => each(values, |x| if x < 0.0 { 0.0 } else { x }),
            FusedActivation::Clip(low, high) => each(values, |x| between(x, low, high)),
            FusedActivation::LeakyRelu(slope) => each(values, |x| if x < 0.0 { x * slope } else { x }),
            FusedActivation::Sigmoid => each(values, sigmoid),
            FusedActivation::Silu => each(values, |x| x * sigmoid(x)),
            FusedActivation::HardSigmoid(alpha, beta) => each(values, |x| between(alpha * x + beta, 0.0, 1.0)),
            FusedActivation::HardSwish => each(values, |x| x * between(x * (1.0 / 6.0) + 0.5, 0.0, 1.0)),
            FusedActivation::Gelu => each(values, gelu),
            FusedActivation::GeluTanh => each(values, gelu_tanh),
            FusedActivation::Tanh => each(values, Real::tanh),
        }
    }
}
