//! Composite activation functions.

use crate::error::Result;
use crate::tensor::Tensor;

impl Tensor {
    /// x where it is positive, α (e^(x / α) − 1) elsewhere.
    /// [torch.nn.functional.celu](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.celu.html).
    #[track_caller]
    pub fn celu(&self, alpha: f64) -> Result<Tensor> {
        let low = self.minimum(0.0)?.div(alpha)?.expm1()?.mul(alpha)?;
        self.gt(0.0)?.where_(self, &low)
    }

    /// 0 where |x| ≤ λ, x elsewhere.
    /// [torch.nn.functional.hardshrink](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.hardshrink.html).
    #[track_caller]
    pub fn hardshrink(&self, lambda: f64) -> Result<Tensor> {
        self.masked_fill(&self.ge(-lambda)?.logical_and(self.le(lambda)?)?, 0.0)
    }

    /// x moved towards 0 by λ, 0 where |x| ≤ λ.
    /// [torch.nn.functional.softshrink](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.softshrink.html).
    #[track_caller]
    pub fn softshrink(&self, lambda: f64) -> Result<Tensor> {
        let high = self.sub(lambda)?;
        let inner = self.lt(-lambda)?.where_(&self.add(lambda)?, &self.mul(0.0)?)?;
        self.gt(lambda)?.where_(&high, &inner)
    }

    /// ln σ(x), without overflow.
    /// [torch.nn.functional.logsigmoid](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.logsigmoid.html).
    #[track_caller]
    pub fn logsigmoid(&self) -> Result<Tensor> {
        self.neg()?.softplus(1.0, 20.0)?.neg()
    }
}
