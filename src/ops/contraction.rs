//! Products of tensors: tensor contractions, Kronecker and cross products, products in groups.

use crate::array::DType;
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::tensor::{Tensor, size};

impl Tensor {
    /// The sum of products over axes of one tensor and as many of another; the other axes of the first, then those of the second, are left. A
    /// size of 1 is broadcast.
    /// [torch.tensordot](https://docs.pytorch.org/docs/stable/generated/torch.tensordot.html).
    ///
    /// # Errors
    ///
    /// Where there are not as many axes of the one as of the other, or sizes differ.
    #[track_caller]
    pub fn tensordot(&self, other: &Tensor, first: &[i64], second: &[i64]) -> Result<Tensor> {
        tensordot(self, other, first, second)
    }

    /// The Kronecker product: every element of the first tensor times the whole second one.
    /// [torch.kron](https://docs.pytorch.org/docs/stable/generated/torch.kron.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// let y = Tensor::from(&[1i64, 2]).kron(&Tensor::from(&[1i64, 10]))?;
    /// assert_eq!(y.to_vec::<i64>()?, [1, 10, 2, 20]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    #[track_caller]
    pub fn kron(&self, other: &Tensor) -> Result<Tensor> {
        let (mut x, mut y) = (self.clone(), other.clone());
        while x.rank() < y.rank() {
            x = x.unsqueeze(0)?;
        }
        while y.rank() < x.rank() {
            y = y.unsqueeze(0)?;
        }
        let rank = x.rank() as i64;
        let shape: Vec<Dim> = x.shape().iter().zip(y.shape().iter()).map(|(n, m)| n * m).collect();
        let even: Vec<i64> = (0..rank).map(|axis| 2 * axis).collect();
        let odd: Vec<i64> = even.iter().map(|axis| axis + 1).collect();
        x.unsqueeze_axes(&odd)?.mul(y.unsqueeze_axes(&even)?)?.reshape(&shape)
    }

    /// The cross product of vectors of three elements along an axis; the tensors are broadcast.
    /// [torch.linalg.cross](https://docs.pytorch.org/docs/stable/generated/torch.linalg.cross.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// let (x, y) = (Tensor::from(&[1i64, 0, 0]), Tensor::from(&[0i64, 1, 0]));
    /// assert_eq!(x.cross(&y, 0)?.to_vec::<i64>()?, [0, 0, 1]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    #[track_caller]
    pub fn cross(&self, other: &Tensor, axis: i64) -> Result<Tensor> {
        cross(self, other, axis)
    }

    /// x A y for each matrix A of `weight` (out, in1, in2), plus a bias: (…, in1) and (…, in2) to (…, out).
    /// [torch.nn.functional.bilinear](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.bilinear.html).
    #[track_caller]
    pub fn bilinear(&self, other: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        // [.., 1, i] · [o, i, j] gives [.., o, 1, j].
        let part = self.unsqueeze(-2)?.unsqueeze(-2)?.matmul(weight)?.squeeze_axes(&[-2])?;
        let product = part.mul(other.unsqueeze(-2)?)?;
        let product = product.sum(-1, false)?.cast(product.dtype())?;
        bias.map_or(Ok(product.clone()), |bias| product.add(bias))
    }

    /// Each row (rows, in) times the matrix (groups, in, out) of its group; `ends` says at which row each group ends. A row after the last
    /// end is zero.
    #[track_caller]
    pub fn grouped_matmul(&self, matrices: &Tensor, ends: &Tensor) -> Result<Tensor> {
        grouped(self, matrices, ends)
    }

    /// The products (rows, in) times (in, columns) over each group of `in` alone, as (groups, rows, columns); `ends` says where each group ends.
    #[track_caller]
    pub fn grouped_products(&self, other: &Tensor, ends: &Tensor) -> Result<Tensor> {
        let position = Tensor::arange(0, &self.dim(-1)?, 1, DType::I64)?;
        let group = ends.cast(DType::I64)?.unsqueeze(1)?.le(&position)?.sum(0, false)?;
        let is_own = group.eq(Tensor::arange(0, &ends.dim(0)?, 1, DType::I64)?.unsqueeze(1)?)?;
        // Both are cleared: what the other groups hold, also NaN, reaches no sum.
        let own = |x: &Tensor, axis: i64| {
            let zero = Tensor::zeros((), x.dtype())?;
            is_own.unsqueeze(axis)?.where_(&x.unsqueeze(0)?, &zero)
        };
        own(self, 1)?.matmul(&own(other, 2)?)
    }
}

/// The sum of products over axes of one and as many of the other; what is left of one, then of the other.
fn tensordot(x: &Tensor, y: &Tensor, first: &[i64], second: &[i64]) -> Result<Tensor> {
    let positions = |t: &Tensor, axes: &[i64]| axes.iter().map(|&axis| t.shape().axis(axis)).collect::<Result<Vec<_>>>();
    let (first, second) = (positions(x, first)?, positions(y, second)?);
    if first.len() != second.len() {
        return Err(Error::argument(format!("different ranks: {} and {} axes", first.len(), second.len())));
    }
    let free = |t: &Tensor, axes: &[usize]| (0..t.rank()).filter(|axis| !axes.contains(axis)).collect::<Vec<_>>();
    let (left, right) = (free(x, &first), free(y, &second));
    let sizes = |t: &Tensor, axes: &[usize]| axes.iter().map(|&axis| t.shape()[axis].clone()).collect::<Vec<Dim>>();
    let total = |dims: &[Dim]| dims.iter().fold(Dim::Fixed(1), |n, dim| n * dim);
    let order = |axes: &[usize], more: &[usize]| axes.iter().chain(more).map(|&axis| axis as i64).collect::<Vec<_>>();
    let (rows, columns) = (sizes(x, &left), sizes(y, &right));
    // A size of 1 is broadcast.
    let (a, b) = (sizes(x, &first), sizes(y, &second));
    let (x, y) = (narrowed(x, &first, &b)?, narrowed(y, &second, &a)?);
    let inner = total(&sizes(&x, &first));
    let x = x.permute(&order(&left, &first))?.reshape(&[total(&rows), inner.clone()])?;
    let y = y.permute(&order(&second, &right))?.reshape(&[inner, total(&columns)])?;
    x.matmul(&y)?.reshape([rows, columns].concat())
}

/// Summed over those axes whose partner has size 1.
fn narrowed(x: &Tensor, axes: &[usize], partners: &[Dim]) -> Result<Tensor> {
    let sums: Vec<i64> =
        axes.iter().zip(partners).filter(|(axis, n)| **n == 1 && x.shape()[**axis] != 1).map(|(&axis, _)| axis as i64).collect();
    if sums.is_empty() { Ok(x.clone()) } else { x.sum(&sums, true)?.cast(x.dtype()) }
}

fn cross(x: &Tensor, y: &Tensor, axis: i64) -> Result<Tensor> {
    let shape = size::broadcast(x.shape(), y.shape())?;
    let (x, y) = (x.expand(&shape)?, y.expand(&shape)?);
    let rolled = |t: &Tensor, by: i64| t.roll([by], &[axis]);
    rolled(&x, -1)?.mul(rolled(&y, -2)?)?.sub(rolled(&x, -2)?.mul(rolled(&y, -1)?)?)
}

/// Each row by the matrix of its group, given where the groups end; a row after the last end is zero.
///
/// Every row meets every matrix, and its own product is picked: a row of another group, whatever it holds, reaches no sum.
fn grouped(x: &Tensor, matrices: &Tensor, ends: &Tensor) -> Result<Tensor> {
    let (rows, groups, columns) = (x.dim(0)?, matrices.dim(0)?, matrices.dim(2)?);
    let position = Tensor::arange(0, &rows, 1, DType::I64)?.unsqueeze(1)?;
    let group = ends.cast(DType::I64)?.le(&position)?.sum(1, true)?;
    let beyond = group.ge(&groups)?;
    let index = group.minimum(&(&groups - 1i64))?.expand(&[rows.clone(), columns.clone()])?.unsqueeze(0)?;
    let own = x.unsqueeze(0)?.matmul(matrices)?.gather(0, &index)?.squeeze_axes(&[0])?;
    own.masked_fill(&beyond.expand(&[rows, columns])?, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_meets_the_matrix_of_its_group_only() {
        let x = Tensor::new([4, 1], vec![1.0f32, f32::NAN, 3.0, 4.0]).unwrap();
        let matrices = Tensor::new([3, 1, 2], vec![1.0f32, 2.0, 10.0, 20.0, 100.0, f32::INFINITY]).unwrap();
        // The second group is empty, and the last row is in none.
        let y = x.grouped_matmul(&matrices, &Tensor::from(&[2i32, 2, 3])).unwrap().to_vec::<f32>().unwrap();
        assert_eq!(y[..2], [1.0, 2.0]);
        assert!(y[2].is_nan() && y[3].is_nan());
        assert_eq!(y[4..], [300.0, f32::INFINITY, 0.0, 0.0]);
    }

    #[test]
    fn a_group_of_the_summed_axis_has_a_product_of_its_own() {
        let x = Tensor::new([1, 4], vec![1.0f32, f32::NAN, 3.0, 4.0]).unwrap();
        let y = Tensor::new([4, 2], vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0, f32::INFINITY, 8.0]).unwrap();
        // The second group is empty, and the last position is in none.
        let sums = x.grouped_products(&y, &Tensor::from(&[1i32, 1, 3])).unwrap();
        assert_eq!(sums.shape().to_vec(), [3, 1, 2].map(Dim::Fixed));
        let sums = sums.to_vec::<f32>().unwrap();
        assert_eq!(sums[..4], [1.0, 2.0, 0.0, 0.0]);
        assert!(sums[4].is_nan() && sums[5].is_nan());
    }
}
