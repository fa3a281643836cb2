//! Convolution layers.

use super::{Init, Weights, within};
use crate::error::{Error, Result, ResultExt};
use crate::module::Module;
use crate::ops::Window;
use crate::tensor::Tensor;

/// The options of a convolution over `N` axes. The defaults are torch's.
///
/// ```
/// use ontrace::nn::ConvOptions;
/// let halving = ConvOptions { stride: [2, 2], padding: [1, 1], bias: false, ..ConvOptions::default() };
/// assert_eq!((halving.dilation, halving.groups), ([1, 1], 1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvOptions<const N: usize> {
    /// The step from window to window; 1 by default.
    pub stride: [usize; N],
    /// How many zeros are added at both ends of each axis; 0 by default.
    pub padding: [usize; N],
    /// The spacing of the elements of the kernel; 1 by default.
    pub dilation: [usize; N],
    /// The number of groups into which the channels are divided; 1 by default.
    pub groups: usize,
    /// Whether there is a bias; `true` by default.
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
/// Shapes: (batch, inputs, sizes …) → (batch, outputs, sizes …); the batch axis may be missing.
///
/// ```
/// use ontrace::nn::{Conv1d, ConvOptions, Weights};
/// use ontrace::{Array, Module, Tensor};
/// let weights = Weights::from_map([("weight", Array::new(&[1, 1, 2], vec![-1.0f32, 1.0])?)]);
/// let differences = Conv1d::new(&weights, 1, 1, [2], ConvOptions { bias: false, ..ConvOptions::default() })?;
/// let y = differences.forward(&Tensor::new([1, 1, 4], vec![0.0f32, 1.0, 4.0, 9.0])?)?;
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
    /// With this many input and output channels, and a kernel of this size.
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
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        within(&self.weight, || x.conv(&self.weight, self.bias.as_ref(), self.window.clone(), self.groups))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;

    #[test]
    fn sizes_follow_torch_s_formula() {
        let options = ConvOptions { stride: [2, 1], padding: [1, 0], dilation: [1, 2], groups: 2, bias: true };
        let conv = Conv2d::new(&Weights::seeded(3), 4, 6, [3, 3], options).unwrap();
        let y = conv.forward(&Tensor::zeros([1, 4, 8, 9], DType::F32).unwrap()).unwrap();
        // ⌊(size + 2·padding − dilation·(kernel − 1) − 1) / stride⌋ + 1
        assert_eq!(y.shape().example(), Some(vec![1, 6, (8 + 2 - 2 - 1) / 2 + 1, 9 - 4]));
    }

    #[test]
    fn the_output_for_zeros_is_the_bias() {
        let conv = Conv2d::new(&Weights::seeded(3), 1, 2, [1, 1], ConvOptions::default()).unwrap();
        let y = conv.forward(&Tensor::zeros([1, 1, 1, 1], DType::F32).unwrap()).unwrap();
        assert_eq!(y.to_vec::<f32>().unwrap(), conv.bias.unwrap().to_vec::<f32>().unwrap());
    }

    #[test]
    fn groups_divide_the_channels() {
        let options = ConvOptions { groups: 2, ..ConvOptions::default() };
        let error = Conv1d::new(&Weights::seeded(0).at("conv"), 3, 4, [1], options).unwrap_err();
        assert_eq!(error.to_string(), "conv: 2 groups do not divide 3 input and 4 output channels");
    }
}
