//! Composites of two tensors in the logarithmic domain.

use crate::error::Result;
use crate::tensor::Tensor;

impl Tensor {
    /// ln(eˣ + eʸ) element by element, without overflow.
    /// [torch.logaddexp](https://docs.pytorch.org/docs/stable/generated/torch.logaddexp.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// let x = Tensor::from(&[1000.0f32]);
    /// assert_eq!(x.logaddexp(&x)?.to_vec::<f32>()?, [1000.0 + 2f32.ln()]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    #[track_caller]
    pub fn logaddexp(&self, other: &Tensor) -> Result<Tensor> {
        log_add(self, other, 1.0)
    }

    /// log₂(2ˣ + 2ʸ) element by element, without overflow.
    /// [torch.logaddexp2](https://docs.pytorch.org/docs/stable/generated/torch.logaddexp2.html).
    #[track_caller]
    pub fn logaddexp2(&self, other: &Tensor) -> Result<Tensor> {
        log_add(self, other, std::f64::consts::LN_2)
    }
}

/// log(bˣ + bʸ) to the base b, whose natural logarithm is given.
fn log_add(x: &Tensor, y: &Tensor, base: f64) -> Result<Tensor> {
    let (x, y) = x.promoted(y)?;
    let (large, distance) = (x.maximum(&y)?, x.sub(&y)?.abs()?);
    let sum = large.add(distance.mul(-base)?.exp()?.log1p()?.div(base)?)?;
    // Two equal infinities have no distance.
    large.is_inf()?.where_(&large, &sum)
}
