//! Composites of pooling: unpooling, and sums over windows.

use super::{Padding, Reduction, Window};
use crate::array::Scalar;
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

impl Tensor {
    /// The elements put back at the indices that [`max_pool_indices`](Tensor::max_pool_indices) gave, zeros elsewhere; `sizes` are those of
    /// the last axes.
    /// [torch.nn.functional.max_unpool2d](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.max_unpool2d.html).
    #[track_caller]
    pub fn max_unpool(&self, indices: &Tensor, sizes: &[Dim]) -> Result<Tensor> {
        let axes = sizes.len();
        let front = self.rank().checked_sub(axes).ok_or_else(|| Error::shape(format!("{axes} spatial axes do not fit {}", self.ty())))?;
        let flat = |t: &Tensor| t.flatten(front as i64, -1);
        let plane = sizes.iter().fold(Dim::Fixed(1), |n, dim| n * dim);
        let shape: Vec<_> = self.shape()[..front].iter().cloned().chain([plane]).collect();
        let whole: Vec<_> = self.shape()[..front].iter().cloned().chain(sizes.iter().cloned()).collect();
        Tensor::zeros(&shape, self.dtype())?.scatter(-1, &flat(indices)?, &flat(self)?, Reduction::Replace)?.reshape(&whole)
    }

    /// The sum over each window of the last axes: the mean times the volume of the kernel, with zeros wherever a window extends over the
    /// edge.
    /// [torch.nn.functional.avg_pool2d](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.avg_pool2d.html).
    ///
    /// # Errors
    ///
    /// [`Shape`](crate::ErrorCode::Shape) where the window does not fit.
    #[track_caller]
    pub fn sum_pool(&self, kernel: &[usize], window: &Window, ceil: bool) -> Result<Tensor> {
        window_sum(self, kernel, window, ceil)
    }
}

/// The sum over each window: the mean times its volume, once zeros stand wherever a window reaches beyond.
fn window_sum(x: &Tensor, kernel: &[usize], window: &Window, ceil: bool) -> Result<Tensor> {
    super::conv::check_window(window, kernel.len())?;
    let reaching = if ceil { super::rounded_up(kernel, window) } else { window.clone() };
    let widths = reaching.pads_begin.iter().zip(&reaching.pads_end).rev().flat_map(|(&before, &after)| [before as i64, after as i64]);
    let widths: Vec<i64> = widths.collect();
    let dense = Window::symmetric(&window.strides, &vec![0; kernel.len()], &vec![1; kernel.len()]);
    let mean = x.pad(&widths, Padding::Constant(Scalar::Int(0)))?.average_pool(kernel, dense, false, true)?;
    mean.mul(kernel.iter().product::<usize>() as f64)
}
