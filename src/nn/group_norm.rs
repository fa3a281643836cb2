//! Group normalisation.

use super::{Init, Weights, within};
use crate::error::{Error, Result, ResultExt};
use crate::module::Module;
use crate::tensor::Tensor;

/// Group normalisation: (x − mean) / √(var + ε) · weight + bias, with mean and variance over each group of channels.
///
/// Parameters: `weight` and `bias` (channels). Shapes: (batch, channels, …) → the same.
/// [torch.nn.GroupNorm](https://pytorch.org/docs/stable/generated/torch.nn.GroupNorm.html)
///
/// ```
/// use ontrace::nn::{GroupNorm, Weights};
/// use ontrace::{Module, Tensor};
/// let norm = GroupNorm::new(&Weights::seeded(0), 2, 4)?.epsilon(0.0);
/// let y = norm.forward(&Tensor::new([1, 4, 1], vec![3.0f32, 7.0, 10.0, -10.0])?)?;
/// assert_eq!(y.to_vec::<f32>()?, [-1.0, 1.0, 1.0, -1.0]);
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct GroupNorm {
    weight: Tensor,
    bias: Tensor,
    groups: usize,
    epsilon: f64,
}

impl GroupNorm {
    /// With this many groups and channels, and ε = 10⁻⁵.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where the groups do not divide the channels, and those of [`Weights::get`].
    pub fn new(weights: &Weights, groups: usize, channels: usize) -> Result<GroupNorm> {
        if groups == 0 || !channels.is_multiple_of(groups) {
            return Err(Error::argument(format!("{groups} groups do not divide {channels} channels"))).at(weights.path());
        }
        let get = |name, x| weights.get(name, &[channels], Init::Constant(x));
        Ok(GroupNorm { weight: get("weight", 1.0)?, bias: get("bias", 0.0)?, groups, epsilon: 1e-5 })
    }

    /// With another ε.
    pub fn epsilon(self, epsilon: f64) -> GroupNorm {
        GroupNorm { epsilon, ..self }
    }
}

impl Module for GroupNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        within(&self.weight, || x.group_norm(self.groups as i64, Some(&self.weight), Some(&self.bias), self.epsilon))
    }
}
