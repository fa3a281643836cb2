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
    /// Where one of these axes has a symbolic size.
    #[track_caller]
    pub fn sum_pool(&self, kernel: &[usize], window: &Window, ceil: bool) -> Result<Tensor> {
        window_sum(self, kernel, window, ceil)
    }
}

/// The sum over each window: the mean times its volume, once zeros stand wherever a window reaches beyond.
fn window_sum(x: &Tensor, kernel: &[usize], window: &Window, ceil: bool) -> Result<Tensor> {
    let mut widths = Vec::new();
    for (i, &kernel) in kernel.iter().enumerate() {
        let n = x.shape()[x.rank() - window.strides.len() + i].fixed().ok_or_else(|| Error::size("this pooling needs a fixed size"))?;
        let (before, after, stride, kernel) =
            (window.pads_begin[i] as i64, window.pads_end[i] as i64, window.strides[i] as i64, kernel as i64);
        let rest = n + before + after - kernel;
        let mut out = rest.div_euclid(stride) + 1 + i64::from(ceil && rest.rem_euclid(stride) != 0);
        // The last window must begin inside, or in the padding before.
        if ceil && (out - 1) * stride >= n + before {
            out -= 1;
        }
        widths.push([before, ((out - 1) * stride + kernel - n - before).max(after)]);
    }
    let widths: Vec<i64> = widths.into_iter().rev().flatten().collect();
    let dense = Window::symmetric(&window.strides, &vec![0; kernel.len()], &vec![1; kernel.len()]);
    let mean = x.pad(&widths, Padding::Constant(Scalar::Int(0)))?.average_pool(kernel, dense, false, true)?;
    mean.mul(kernel.iter().product::<usize>() as f64)
}
