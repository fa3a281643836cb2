//! Convolutions: one small kernel moved over all places.

use super::{Init, Weights, within};
use crate::error::{At, Error, Result};
use crate::module::{Module, only};
use crate::ops::Window;
use crate::tensor::Tensor;

/// How a convolution of `N` axes moves, and what it leaves out.
///
/// ```
/// use ontrace::nn::ConvOptions;
/// let halving = ConvOptions { stride: [2, 2], padding: [1, 1], bias: false, ..ConvOptions::default() };
/// assert_eq!((halving.dilation, halving.groups), ([1, 1], 1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvOptions<const N: usize> {
    /// The distance of neighbouring windows; 1.
    pub stride: [usize; N],
    /// The zeros at both ends of each axis; 0.
    pub padding: [usize; N],
    /// The distance of neighbouring elements of a window; 1.
    pub dilation: [usize; N],
    /// Groups of channels that do not see each other; 1.
    pub groups: usize,
    /// Whether there is a bias; there is.
    pub bias: bool,
}

impl<const N: usize> Default for ConvOptions<N> {
    fn default() -> ConvOptions<N> {
        ConvOptions { stride: [1; N], padding: [0; N], dilation: [1; N], groups: 1, bias: true }
    }
}

/// A convolution over one axis: [torch.nn.Conv1d](https://pytorch.org/docs/stable/generated/torch.nn.Conv1d.html).
pub type Conv1d = Conv<1>;
/// A convolution over two axes: [torch.nn.Conv2d](https://pytorch.org/docs/stable/generated/torch.nn.Conv2d.html).
pub type Conv2d = Conv<2>;
/// A convolution over three axes: [torch.nn.Conv3d](https://pytorch.org/docs/stable/generated/torch.nn.Conv3d.html).
pub type Conv3d = Conv<3>;

/// A convolution over the last `N` axes, padded with zeros.
///
/// Parameters: `weight` (outputs, inputs / groups, kernel …) and `bias` (outputs).
/// Shapes: (batch, inputs, lengths …) → (batch, outputs, lengths …); the batch axis may be missing.
///
/// ```
/// use ontrace::nn::{Conv1d, ConvOptions, Weights};
/// use ontrace::{Array, Module, Tensor};
/// let weights = Weights::from_map([("weight", Array::new(&[1, 1, 2], vec![-1.0f32, 1.0])?)]);
/// let differences = Conv1d::new(&weights, 1, 1, [2], ConvOptions { bias: false, ..ConvOptions::default() })?;
/// let y = differences.call(&Tensor::new([1, 1, 4], vec![0.0f32, 1.0, 4.0, 9.0])?)?;
/// assert_eq!(y.to_vec::<f32>()?, [1.0, 3.0, 5.0]);
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Conv<const N: usize> {
    weight: Tensor,
    bias: Option<Tensor>,
    window: Window,
    groups: usize,
}

impl<const N: usize> Conv<N> {
    /// From channels to channels by a kernel of these lengths.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where the groups do not divide the channels, and those of [`Weights::get`].
    pub fn new(weights: &Weights, inputs: usize, outputs: usize, kernel: [usize; N], options: ConvOptions<N>) -> Result<Conv<N>> {
        let ConvOptions { stride, padding, dilation, groups, bias } = options;
        if groups == 0 || !inputs.is_multiple_of(groups) || !outputs.is_multiple_of(groups) {
            return Err(Error::argument(format!("{groups} groups do not divide {inputs} input and {outputs} output channels")))
                .at(weights.path());
        }
        let shape = [&[outputs, inputs / groups], kernel.as_slice()].concat();
        let init = Init::fan_in(shape[1..].iter().product());
        Ok(Conv {
            weight: weights.get("weight", &shape, init)?,
            bias: bias.then(|| weights.get("bias", &[outputs], init)).transpose()?,
            window: Window::symmetric(&stride, &padding, &dilation),
            groups,
        })
    }
}

impl<const N: usize> Module for Conv<N> {
    fn forward(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let x = only(inputs)?;
        Ok(vec![within(&self.weight, || x.conv(&self.weight, self.bias.as_ref(), self.window.clone(), self.groups))?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;

    #[test]
    fn lengths_follow_torch_s_formula() {
        let options = ConvOptions { stride: [2, 1], padding: [1, 0], dilation: [1, 2], groups: 2, bias: true };
        let conv = Conv2d::new(&Weights::seeded(3), 4, 6, [3, 3], options).unwrap();
        let y = conv.call(&Tensor::zeros([1, 4, 8, 9], DType::F32).unwrap()).unwrap();
        // ⌊(length + 2·padding − dilation·(kernel − 1) − 1) / stride⌋ + 1
        assert_eq!(y.shape().example(), Some(vec![1, 6, (8 + 2 - 2 - 1) / 2 + 1, 9 - 4]));
    }

    #[test]
    fn of_zeros_there_is_the_bias() {
        let conv = Conv2d::new(&Weights::seeded(3), 1, 2, [1, 1], ConvOptions::default()).unwrap();
        let y = conv.call(&Tensor::zeros([1, 1, 1, 1], DType::F32).unwrap()).unwrap();
        assert_eq!(y.to_vec::<f32>().unwrap(), conv.bias.unwrap().to_vec::<f32>().unwrap());
    }

    #[test]
    fn groups_divide_the_channels() {
        let options = ConvOptions { groups: 2, ..ConvOptions::default() };
        let error = Conv1d::new(&Weights::seeded(0).at("conv"), 3, 4, [1], options).unwrap_err();
        assert_eq!(error.to_string(), "conv: 2 groups do not divide 3 input and 4 output channels");
    }
}
