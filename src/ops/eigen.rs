//! Eigenvalues and eigenvectors of symmetric matrices, and what follows from them.
//!
//! With a multiple of the identity added that makes it positive definite, the singular vectors of a symmetric matrix are its eigenvectors.

use super::singular::Orthogonal;
use crate::array::DType;
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

impl Tensor {
    /// The eigenvalues of symmetric matrices (the last two axes), the smallest first, and the eigenvectors as orthonormal columns. The upper triangle counts
    /// where `upper` is true, else the lower one. The sign of a vector is not determined, nor are the vectors of equal eigenvalues: other implementations
    /// give others. [torch.linalg.eigh](https://docs.pytorch.org/docs/stable/generated/torch.linalg.eigh.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// let x = Tensor::from(&[2.0f32, 1.0, 1.0, 2.0]).reshape(&[2, 2])?;
    /// let values = x.eigh(false)?.0.to_vec::<f32>()?;
    /// assert!((values[0] - 1.0).abs() < 1e-6 && (values[1] - 3.0).abs() < 1e-6);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Where the matrices are not square, have more than 128 rows, or a symbolic size.
    #[track_caller]
    pub fn eigh(&self, upper: bool) -> Result<(Tensor, Tensor)> {
        let dtype = self.dtype().or_float();
        let (values, vectors) = decomposed(self, upper)?;
        Ok((values.cast(dtype)?, vectors.transpose(-2, -1)?.cast(dtype)?))
    }

    /// The symmetric square roots of symmetric matrices of which the lower triangle counts; negative eigenvalues count as 0.
    /// [torch.linalg.matrix_sqrth](https://docs.pytorch.org/docs/main/generated/torch.linalg.matrix_sqrth.html).
    ///
    /// # Errors
    ///
    /// As [`eigh`](Tensor::eigh).
    #[track_caller]
    pub fn matrix_sqrth(&self) -> Result<Tensor> {
        let (values, vectors) = decomposed(self, false)?;
        let roots = values.relu()?.sqrt()?.unsqueeze(-1)?;
        vectors.transpose(-2, -1)?.matmul(&vectors.mul(roots)?)?.cast(self.dtype().or_float())
    }

    /// The symmetric matrices that one of the triangles of matrices gives.
    pub(crate) fn symmetric(&self, upper: bool) -> Result<Tensor> {
        if self.numel() == 0 {
            return Ok(self.clone());
        }
        let (half, rest) = if upper { (self.triu(0)?, self.triu(1)?) } else { (self.tril(0)?, self.tril(-1)?) };
        half.add(rest.transpose(-2, -1)?)
    }
}

/// Eigenvalues in ascending order, and the eigenvectors as rows, in doubles.
fn decomposed(x: &Tensor, upper: bool) -> Result<(Tensor, Tensor)> {
    let n = x.dim(-1)?;
    if x.dim(-2)? != n {
        return Err(Error::shape(format!("eigenvalues are those of square matrices, not of {}", x.shape())));
    }
    let wide = x.cast(DType::F64)?.symmetric(upper)?;
    if n == 0 {
        return Ok((wide.sum(-1, false)?, wide));
    }
    // Twice a bound of the eigenvalues: the singular values are then within a factor of three.
    let shift = wide.abs()?.sum(-1, true)?.amax([-2, -1], true)?.mul(2.0)?;
    let shifted = wide.add(Tensor::eye(&n, &n, 0, DType::F64)?.mul(shift)?)?;
    let vectors = Orthogonal::of(&shifted, true)?.rotations()?;
    let values = vectors.mul(vectors.matmul(&wide)?)?.sum(-1, false)?;
    let (values, order) = values.topk(n, -1, false)?;
    let index: &[Dim] = vectors.shape();
    let vectors = vectors.gather(-2, &order.unsqueeze(-1)?.expand(index)?)?;
    Ok((values, vectors))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvalues_of_a_chain_are_cosines_at_all_sizes() {
        // The matrix with ones beside the diagonal has the eigenvalues 2 cos(π k / (n + 1)).
        for n in [1i64, 2, 5, 32] {
            let near = |i: i64| (0..n).map(move |j| f64::from(u8::from((i - j).abs() == 1)));
            let x = Tensor::new([n, n], (0..n).flat_map(near).collect::<Vec<_>>()).unwrap();
            let (values, vectors) = x.eigh(false).unwrap();
            for (k, got) in (1..=n).rev().zip(values.to_vec::<f64>().unwrap()) {
                let expected = 2.0 * (std::f64::consts::PI * k as f64 / (n + 1) as f64).cos();
                assert!((got - expected).abs() < 1e-13, "{got} {expected}");
            }
            // A V = V diag(λ).
            let left = x.matmul(&vectors).unwrap().sub(vectors.mul(&values).unwrap()).unwrap();
            assert!(left.to_vec::<f64>().unwrap().iter().all(|x| x.abs() < 1e-13));
        }
    }

    #[test]
    fn the_triangle_that_is_asked_for_counts() {
        let x = Tensor::new([2, 2], vec![1.0f32, 2.0, 3.0, 1.0]).unwrap();
        for (upper, expected) in [(false, [-2.0, 4.0]), (true, [-1.0, 3.0])] {
            let values = x.eigh(upper).unwrap().0.to_vec::<f32>().unwrap();
            assert!(values.iter().zip(expected).all(|(got, expected): (&f32, f32)| (got - expected).abs() < 1e-6), "{values:?}");
        }
        // By torch: the root of the part with a positive eigenvalue.
        let root = x.matrix_sqrth().unwrap().to_vec::<f32>().unwrap();
        assert!(root.iter().all(|x| (x - 1.0).abs() < 1e-6), "{root:?}");
    }
}
