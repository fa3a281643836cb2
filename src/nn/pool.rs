//! Pooling layers.

use crate::error::{Error, Result};
use crate::module::Module;
use crate::ops::Window;
use crate::tensor::Tensor;

/// Max pooling over one axis: [torch.nn.MaxPool1d](https://pytorch.org/docs/stable/generated/torch.nn.MaxPool1d.html).
pub type MaxPool1d = MaxPool<1>;
/// Max pooling over two axes: [torch.nn.MaxPool2d](https://pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html).
pub type MaxPool2d = MaxPool<2>;
/// Average pooling over one axis: [torch.nn.AvgPool1d](https://pytorch.org/docs/stable/generated/torch.nn.AvgPool1d.html).
pub type AvgPool1d = AvgPool<1>;
/// Average pooling over two axes: [torch.nn.AvgPool2d](https://pytorch.org/docs/stable/generated/torch.nn.AvgPool2d.html).
pub type AvgPool2d = AvgPool<2>;
/// Adaptive average pooling over two axes: [torch.nn.AdaptiveAvgPool2d](https://pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool2d.html).
pub type AdaptiveAvgPool2d = AdaptiveAvgPool<2>;

/// Max pooling over the last `N` axes. Shapes: (batch, channels, sizes …) → (batch, channels, pooled sizes …).
///
/// ```
/// use ontrace::nn::MaxPool2d;
/// use ontrace::{Module, Tensor};
/// let x = Tensor::new([1, 1, 2, 4], vec![1.0f32, 2.0, 3.0, 4.0, 8.0, 7.0, 6.0, 5.0])?;
/// assert_eq!(MaxPool2d::new([2, 2]).forward(&x)?.to_vec::<f32>()?, [8.0, 6.0]);
/// let sliding = MaxPool2d { stride: [1, 1], ..MaxPool2d::new([2, 2]) };
/// assert_eq!(sliding.forward(&x)?.to_vec::<f32>()?, [8.0, 7.0, 6.0]);
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool<const N: usize> {
    /// The size of the window along each axis.
    pub kernel: [usize; N],
    /// The step from window to window; by default the size of the window.
    pub stride: [usize; N],
    /// How many elements of −∞ are added at both ends of each axis; 0 by default.
    pub padding: [usize; N],
    /// The spacing of the elements of a window; 1 by default.
    pub dilation: [usize; N],
    /// Whether the output size is rounded up, so that the last window may extend past the end; `false` by default.
    pub ceil: bool,
}

impl<const N: usize> MaxPool<N> {
    /// Windows of this size that do not overlap, without padding.
    pub fn new(kernel: [usize; N]) -> MaxPool<N> {
        MaxPool { kernel, stride: kernel, padding: [0; N], dilation: [1; N], ceil: false }
    }
}

impl<const N: usize> Module for MaxPool<N> {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let window = Window::symmetric(&self.stride, &self.padding, &self.dilation);
        x.max_pool(&self.kernel, window, self.ceil)
    }
}

/// Average pooling over the last `N` axes. Shapes: (batch, channels, sizes …) → (batch, channels, pooled sizes …).
///
/// ```
/// use ontrace::nn::AvgPool2d;
/// use ontrace::{Module, Tensor};
/// let x = Tensor::new([1, 1, 2, 2], vec![1.0f32, 2.0, 3.0, 6.0])?;
/// assert_eq!(AvgPool2d::new([2, 2]).forward(&x)?.to_vec::<f32>()?, [3.0]);
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvgPool<const N: usize> {
    /// The size of the window along each axis.
    pub kernel: [usize; N],
    /// The step from window to window; by default the size of the window.
    pub stride: [usize; N],
    /// How many zeros are added at both ends of each axis; 0 by default.
    pub padding: [usize; N],
    /// Whether the output size is rounded up, so that the last window may extend past the end; `false` by default.
    pub ceil: bool,
    /// Whether the padding counts in the mean; `true` by default.
    pub count_pad: bool,
}

impl<const N: usize> AvgPool<N> {
    /// Windows of this size that do not overlap, without padding.
    pub fn new(kernel: [usize; N]) -> AvgPool<N> {
        AvgPool { kernel, stride: kernel, padding: [0; N], ceil: false, count_pad: true }
    }
}

impl<const N: usize> Module for AvgPool<N> {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let window = Window::symmetric(&self.stride, &self.padding, &[1; N]);
        x.average_pool(&self.kernel, window, self.ceil, self.count_pad)
    }
}

/// Adaptive average pooling: the mean of regions into which the last `N` axes are divided. Shapes: (batch, channels, sizes …) → (batch, channels, regions …).
/// An axis of symbolic size allows for one region only.
///
/// ```
/// use ontrace::nn::AdaptiveAvgPool2d;
/// use ontrace::{Module, Tensor};
/// let x = Tensor::new([1, 1, 2, 4], vec![1.0f32, 3.0, 5.0, 7.0, 1.0, 3.0, 5.0, 7.0])?;
/// assert_eq!(AdaptiveAvgPool2d::new([1, 2]).forward(&x)?.to_vec::<f32>()?, [2.0, 6.0]);
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdaptiveAvgPool<const N: usize> {
    regions: [usize; N],
}

impl<const N: usize> AdaptiveAvgPool<N> {
    /// With this many regions along each axis.
    pub fn new(regions: [usize; N]) -> AdaptiveAvgPool<N> {
        AdaptiveAvgPool { regions }
    }
}

impl<const N: usize> Module for AdaptiveAvgPool<N> {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.adaptive_average_pool(self.regions)
    }
}

/// Global average pooling: the mean of each channel. Shapes: (batch, channels, …) → (batch, channels), as `x.mean((2, 3))` in torch.
///
/// ```
/// use ontrace::nn::GlobalAveragePool;
/// use ontrace::{Module, Tensor};
/// let x = Tensor::new([1, 2, 1, 2], vec![1.0f32, 3.0, 10.0, 30.0])?;
/// assert_eq!(GlobalAveragePool.forward(&x)?.to_vec::<f32>()?, [2.0, 20.0]);
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GlobalAveragePool;

impl Module for GlobalAveragePool {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if x.rank() < 3 {
            return Err(Error::shape(format!("expected (batch, channels, …), got shape {}", x.shape())));
        }
        let axes: Vec<i64> = (2..x.rank() as i64).collect();
        x.mean(&axes, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_counts_in_a_mean_unless_told_otherwise() {
        let x = Tensor::new([1, 1, 2], vec![2f32, 4.0]).unwrap();
        let padded = AvgPool1d { padding: [1], ..AvgPool1d::new([2]) };
        assert_eq!(padded.forward(&x).unwrap().to_vec::<f32>().unwrap(), [1.0, 2.0]);
        assert_eq!(AvgPool1d { count_pad: false, ..padded }.forward(&x).unwrap().to_vec::<f32>().unwrap(), [2.0, 4.0]);
    }

    #[test]
    fn padding_is_never_the_largest() {
        let x = Tensor::new([1, 1, 2], vec![-2f32, -4.0]).unwrap();
        let padded = MaxPool1d { padding: [1], ..MaxPool1d::new([2]) };
        assert_eq!(padded.forward(&x).unwrap().to_vec::<f32>().unwrap(), [-2.0, -4.0]);
    }
}
