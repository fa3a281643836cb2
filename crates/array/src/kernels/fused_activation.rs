//! Activations of f32 in place: what follows the sums of a layer while they are in the cache.

use super::fast_math_f32::{sigmoid, tanh};
use super::fill::write_lines;
use super::real::{gelu, gelu_tanh};
use super::threads::threads;
use super::vector::vectorised;
use pulp::{Arch, Simd, WithSimd};

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

impl FusedActivation {
    /// The bounds of one that keeps what lies between them.
    pub fn bounds(self) -> Option<[f32; 2]> {
        match self {
            FusedActivation::Relu => Some([0.0, f32::INFINITY]),
            FusedActivation::Clip(low, high) => Some([low, high]),
            _ => None,
        }
    }

    /// Applies it to each element of a sum, to which others are added first.
    pub fn apply_to_sum(self, sums: &mut [f32], added: &[f32]) {
        match self.bounds() {
            Some(bounds) => Arch::new().dispatch(BoundedSum { sums, added, bounds }),
            None => {
                add(sums, added);
                self.apply(sums);
            }
        }
    }

    /// Applies it to each element, on several threads where it is worth it.
    pub fn apply_to_all(self, values: &mut [f32]) {
        /// Elements that are worth threads of their own.
        const GRAIN: usize = 1 << 14;
        write_lines(values, 1, threads() > 1 && values.len() > GRAIN, |_, values| self.apply(values));
    }

    /// Applies it to each element, on this thread.
    pub fn apply(self, values: &mut [f32]) {
        /// A loop in vector instructions.
        macro_rules! each {
            ($f:expr) => {
                vectorised(
                    #[inline(always)]
                    || values.iter_mut().for_each(|x| *x = $f(*x)),
                )
            };
        }
        // Each result is computed, also where it is x: a compiler that sees that some elements stay would store the others one by one.
        match self {
            FusedActivation::Relu => each!(|x| between(x, 0.0, f32::INFINITY)),
            FusedActivation::Clip(low, high) => each!(|x| between(x, low, high)),
            FusedActivation::LeakyRelu(slope) => each!(|x| x * if x < 0.0 { slope } else { 1.0 }),
            FusedActivation::Sigmoid => each!(sigmoid),
            FusedActivation::Silu => each!(silu),
            FusedActivation::HardSigmoid(alpha, beta) => each!(|x| between(alpha * x + beta, 0.0, 1.0)),
            FusedActivation::HardSwish => each!(|x| x * between(x * (1.0 / 6.0) + 0.5, 0.0, 1.0)),
            FusedActivation::Gelu => each!(gelu),
            FusedActivation::GeluTanh => each!(gelu_tanh),
            FusedActivation::Tanh => each!(tanh),
        }
    }
}

/// x · sigmoid(x)
#[inline(always)]
fn silu(x: f32) -> f32 {
    x * sigmoid(x)
}

/// x between two bounds. Comparisons that NaN fails hand NaN on.
#[inline(always)]
fn between(x: f32, low: f32, high: f32) -> f32 {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

/// x between two bounds, vectors of them: splat them once.
#[inline(always)]
pub fn between_vectors<S: Simd>(simd: S, x: S::f32s, [low, high]: [S::f32s; 2]) -> S::f32s {
    let x = simd.select_f32s(simd.less_than_f32s(x, low), low, x);
    simd.select_f32s(simd.less_than_f32s(high, x), high, x)
}

/// Adds to each element.
pub fn add(sums: &mut [f32], added: &[f32]) {
    vectorised(
        #[inline(always)]
        || sums.iter_mut().zip(added).for_each(|(y, &x)| *y += x),
    );
}

/// Sums, and the bounds that they are kept between.
struct BoundedSum<'a> {
    sums: &'a mut [f32],
    added: &'a [f32],
    bounds: [f32; 2],
}

impl WithSimd for BoundedSum<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (added, bounds) = (&self.added[..self.sums.len()], self.bounds.map(|bound| simd.splat_f32s(bound)));
        let ((sums, rest), (added, last)) = (S::as_mut_simd_f32s(self.sums), S::as_simd_f32s(added));
        for (y, &x) in sums.iter_mut().zip(added) {
            *y = between_vectors(simd, simd.add_f32s(*y, x), bounds);
        }
        rest.iter_mut().zip(last).for_each(|(y, &x)| *y = between(*y + x, self.bounds[0], self.bounds[1]));
    }
}
