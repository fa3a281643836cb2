//! Weight normalisation.

use crate::error::Result;
use crate::tensor::Tensor;

impl Tensor {
    /// The 2-norm (or p-norm) over all axes but one, which keep size 1; over all axes where `axis` is −1.
    /// [torch.norm_except_dim](https://docs.pytorch.org/docs/stable/generated/torch.norm_except_dim.html).
    #[track_caller]
    pub fn norm_except(&self, p: f64, axis: i64) -> Result<Tensor> {
        norm_but(self, p, axis)
    }

    /// v · g / ‖v‖ with the norm over all axes but one, or all for −1: the weight that torch's weight normalisation keeps as two tensors.
    /// [torch.nn.utils.weight_norm](https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.weight_norm.html).
    #[track_caller]
    pub fn weight_norm(&self, g: &Tensor, axis: i64) -> Result<Tensor> {
        self.mul(g.div(self.norm_except(2.0, axis)?)?)
    }
}

/// The norm over all axes but one (or all, for -1), which stay with size 1.
fn norm_but(v: &Tensor, p: f64, axis: i64) -> Result<Tensor> {
    let axes: Vec<i64> = match axis {
        -1 => (0..v.rank() as i64).collect(),
        axis => {
            let kept = v.shape().axis(axis)? as i64;
            (0..v.rank() as i64).filter(|&other| other != kept).collect()
        }
    };
    v.norm(p, &axes, true)
}
