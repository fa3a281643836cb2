//! Norms of matrices.

use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// A norm of matrices.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum MatrixNorm {
    /// The root of the sum of squares.
    Frobenius,
    /// The sum of the singular values.
    Nuclear,
    /// 1 and −1: the largest and the smallest sum of absolute values of a column; ∞ and −∞: of a row; 2 and −2: the largest and the smallest singular value.
    Order(f64),
}

impl Tensor {
    /// A norm of the matrices on two axes, which become 1 where `keep` is true and go where it is false.
    /// [torch.linalg.matrix_norm](https://docs.pytorch.org/docs/stable/generated/torch.linalg.matrix_norm.html).
    ///
    /// # Errors
    ///
    /// Where there are not two axes, or the order is another; of the nuclear norm and the orders 2 and −2 those of [`svdvals`](Tensor::svdvals).
    #[track_caller]
    pub fn matrix_norm(&self, order: MatrixNorm, axes: &[i64], keep: bool) -> Result<Tensor> {
        matrix_norm(self, order, axes, keep)
    }

    /// The condition number ‖A‖ · ‖A⁻¹‖ in a norm of matrices.
    /// [torch.linalg.cond](https://docs.pytorch.org/docs/stable/generated/torch.linalg.cond.html).
    ///
    /// # Errors
    ///
    /// Those of [`matrix_norm`](Tensor::matrix_norm), and of [`inverse`](Tensor::inverse) unless singular values decide.
    #[track_caller]
    pub fn cond(&self, order: MatrixNorm) -> Result<Tensor> {
        let extremes = || -> Result<(Tensor, Tensor)> {
            let values = self.svdvals()?;
            Ok((values.amax(-1, false)?, values.amin(-1, false)?))
        };
        match order {
            MatrixNorm::Order(_) if self.rank() > 1 && self.numel() == 0 => Tensor::zeros(&self.shape()[..self.rank() - 2], self.dtype()),
            MatrixNorm::Nuclear => {
                let values = self.svdvals()?;
                values.sum(-1, false)?.mul(values.reciprocal()?.sum(-1, false)?)
            }
            MatrixNorm::Order(2.0) => extremes().and_then(|(largest, least)| largest.div(least)),
            MatrixNorm::Order(-2.0) => extremes().and_then(|(largest, least)| least.div(largest)),
            _ => self.matrix_norm(order, &[-2, -1], false)?.mul(self.inverse()?.matrix_norm(order, &[-2, -1], false)?),
        }
    }
}

/// The largest along an axis of what is not below 0; 0 of nothing.
fn largest_of(x: &Tensor, axis: i64, keep: bool) -> Result<Tensor> {
    if x.dim(axis)?.fixed() == Some(0) { x.sum(axis, keep) } else { x.amax(axis, keep) }
}

fn matrix_norm(x: &Tensor, order: MatrixNorm, axes: &[i64], keep: bool) -> Result<Tensor> {
    let &[rows, columns] = axes else { return Err(Error::argument("a matrix norm needs two axes")) };
    let (rows, columns) = (x.shape().axis(rows)? as i64, x.shape().axis(columns)? as i64);
    if rows == columns {
        return Err(Error::argument("a matrix norm needs two axes"));
    }
    let sums = |along: i64, across: i64, largest: bool| -> Result<Tensor> {
        let sums = x.abs()?.sum(along, true)?;
        let y = if largest { largest_of(&sums, across, true)? } else { sums.amin(across, true)? };
        if keep { Ok(y) } else { y.squeeze_axes(&[rows, columns]) }
    };
    let of_values = |f: &dyn Fn(&Tensor) -> Result<Tensor>| -> Result<Tensor> {
        let order: Vec<i64> = (0..x.rank() as i64).filter(|axis| ![rows, columns].contains(axis)).chain([rows, columns]).collect();
        let y = f(&x.permute(&order)?.svdvals()?)?;
        let (first, second) = (rows.min(columns), rows.max(columns));
        if keep { y.unsqueeze(first)?.unsqueeze(second) } else { Ok(y) }
    };
    match order {
        MatrixNorm::Frobenius => x.norm(2.0, [rows, columns], keep),
        MatrixNorm::Nuclear => of_values(&|values| values.sum(-1, false)),
        MatrixNorm::Order(2.0) => of_values(&|values| largest_of(values, -1, false)),
        MatrixNorm::Order(-2.0) => of_values(&|values| values.amin(-1, false)),
        MatrixNorm::Order(p) if p.abs() == 1.0 => sums(rows, columns, p > 0.0),
        MatrixNorm::Order(p) if p.is_infinite() => sums(columns, rows, p > 0.0),
        MatrixNorm::Order(p) => Err(Error::argument(format!("there is no matrix norm of order {p}"))),
    }
}
