//! Distances between vectors.

use crate::array::Scalar;
use crate::error::Result;
use crate::tensor::{Tensor, size};

impl Tensor {
    /// ‖x − y + ε‖ₚ along the last axis, which becomes 1 where `keep` is true and goes where it is false.
    /// [torch.nn.functional.pairwise_distance](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.pairwise_distance.html).
    #[track_caller]
    pub fn pairwise_distance(&self, other: &Tensor, p: f64, epsilon: f64, keep: bool) -> Result<Tensor> {
        self.sub(other)?.add(epsilon)?.norm(p, -1, keep)
    }

    /// The cosine of the angle between the vectors of two tensors along an axis; norms are taken to be at least `epsilon`.
    /// [torch.nn.functional.cosine_similarity](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cosine_similarity.html).
    #[track_caller]
    pub fn cosine_similarity(&self, other: &Tensor, axis: i64, epsilon: f64) -> Result<Tensor> {
        // As torch, each float is divided by its own norm before the two meet.
        let dtype = self.promoted(other)?.0.dtype();
        let shape = size::broadcast(self.shape(), other.shape())?;
        let own = |t: &Tensor| if t.dtype().is_float() { t.expand(&shape) } else { t.cast(dtype)?.expand(&shape) };
        let (x, y) = (own(self)?, own(other)?);
        let unit = |t: &Tensor| t.div(t.norm(2.0, axis, true)?.clamp(Some(Scalar::Float(epsilon)), None)?);
        unit(&x)?.mul(unit(&y)?)?.sum(axis, false)
    }

    /// The p-norms of the differences of all points of `self`, (…, n, d), and all of `other`, (…, m, d): (…, n, m).
    /// [torch.cdist](https://docs.pytorch.org/docs/stable/generated/torch.cdist.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// let x = Tensor::from(&[0.0f32, 0.0, 3.0, 4.0]).reshape(&[2, 2])?;
    /// assert_eq!(x.cdist(&x, 2.0)?.to_vec::<f32>()?, [0.0, 5.0, 5.0, 0.0]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    #[track_caller]
    pub fn cdist(&self, other: &Tensor, p: f64) -> Result<Tensor> {
        length(&self.unsqueeze(-2)?.sub(other.unsqueeze(-3)?)?, p)
    }

    /// The p-norms of the differences of each pair of the n points (n, d): a vector of n (n − 1) / 2.
    /// [torch.nn.functional.pdist](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.pdist.html).
    ///
    /// # Errors
    ///
    /// [`Shape`](crate::ErrorCode::Shape) for a tensor that is no matrix.
    #[track_caller]
    pub fn pdist(&self, p: f64) -> Result<Tensor> {
        let pairs = super::arrange::pairs(&self.dim(0)?, false)?;
        let rows = |which: i64| self.index_select(0, &pairs.select(1, which)?);
        let (first, second) = (rows(0)?, rows(1)?);
        length(&first.sub(second)?, p)
    }
}

/// The p-norms along the last axis; of order 0 the number of those that are not 0, which NaN makes NaN.
fn length(x: &Tensor, p: f64) -> Result<Tensor> {
    if p == 0.0 { x.abs()?.ceil()?.clamp(None, Some(Scalar::Float(1.0)))?.sum(-1, false) } else { x.norm(p, -1, false) }
}
