//! Singular values and vectors, and what follows from them: norms, ranks and inverses of matrices that need not be square.
//!
//! Jacobi's rotations of columns, one-sided: a loop of as many rounds as make the columns of a matrix orthogonal to the last digits. In a round every column is
//! rotated with one other, and as many rounds as there are columns less one (a sweep) pair each with each, as in a tournament. Their Euclidean norms are then the singular
//! values. [Demmel and Veselić, Jacobi's method is more accurate than QR](https://www.netlib.org/lapack/lawnspdf/lawn15.pdf)

use super::fori_loop;
use super::join::Padding;
use crate::array::{DType, Scalar};
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The most columns, or rows, whichever are fewer: more would need more sweeps.
const LARGEST: i64 = 128;

/// How often each column is rotated with each: matrices of 128 columns were measured to need up to 14, of 64 up to 12.
const SWEEPS: i64 = 16;

impl Tensor {
    /// The singular values of matrices (the last two axes), the largest first.
    /// [torch.linalg.svdvals](https://docs.pytorch.org/docs/stable/generated/torch.linalg.svdvals.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// let x = Tensor::from(&[3.0f32, 0.0, 4.0, 5.0]).reshape(&[2, 2])?;
    /// let values = x.svdvals()?.to_vec::<f32>()?;
    /// assert!((values[0] - 45f32.sqrt()).abs() < 1e-6 && (values[1] - 5f32.sqrt()).abs() < 1e-6);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Where the matrices have more than 128 rows and columns, or a symbolic size.
    #[track_caller]
    pub fn svdvals(&self) -> Result<Tensor> {
        let found = Orthogonal::of(self, false)?;
        let values = found.values()?;
        let count = values.dim(-1)?;
        values.topk(count, -1, true)?.0.cast(self.dtype().or_float())
    }

    /// The factors U, S and Vᵀ of A = U diag(S) Vᵀ for matrices (the last two axes): orthonormal columns, the singular values, the largest first, and
    /// orthonormal rows. With m rows and n columns U has m columns and Vᵀ n rows where `full` is true, else min(m, n). The sign of a column of U with that
    /// of its row of Vᵀ is not determined, nor are the vectors of equal singular values: other implementations give others.
    /// [torch.linalg.svd](https://docs.pytorch.org/docs/stable/generated/torch.linalg.svd.html).
    ///
    /// # Errors
    ///
    /// As [`svdvals`](Tensor::svdvals).
    #[track_caller]
    pub fn svd(&self, full: bool) -> Result<(Tensor, Tensor, Tensor)> {
        let found = Orthogonal::of(self, true)?;
        let (values, long, short) = found.factors(full)?;
        let dtype = self.dtype().or_float();
        let (left, right) = if found.transposed { (short, long) } else { (long, short) };
        Ok((left.cast(dtype)?, values.cast(dtype)?, right.transpose(-2, -1)?.cast(dtype)?))
    }

    /// The factors U and H of A = U H for matrices of at least as many rows as columns: orthonormal columns, and a symmetric matrix without negative
    /// eigenvalues. [torch.linalg.polar](https://docs.pytorch.org/docs/main/generated/torch.linalg.polar.html).
    ///
    /// # Errors
    ///
    /// As [`svdvals`](Tensor::svdvals), and where there are fewer rows than columns.
    #[track_caller]
    pub fn polar_decomposition(&self) -> Result<(Tensor, Tensor)> {
        let (height, width) = sizes(self)?;
        if height < width {
            return Err(Error::shape(format!(
                "a polar decomposition: at least as many rows as columns are needed, not {height} × {width}"
            )));
        }
        let (values, left, right) = Orthogonal::of(self, true)?.factors(false)?;
        let dtype = self.dtype().or_float();
        let right = right.transpose(-2, -1)?;
        let symmetric = right.transpose(-2, -1)?.matmul(&right.mul(values.unsqueeze(-1)?)?)?;
        Ok((left.matmul(&right)?.cast(dtype)?, symmetric.cast(dtype)?))
    }

    /// The pseudoinverse of matrices: singular values up to the larger of `absolute` and `relative` times the largest count as 0. Where neither is given,
    /// `relative` is the larger size of the matrix times the distance from 1 to the next number of the dtype.
    /// [torch.linalg.pinv](https://docs.pytorch.org/docs/stable/generated/torch.linalg.pinv.html).
    ///
    /// # Errors
    ///
    /// As [`svdvals`](Tensor::svdvals).
    #[track_caller]
    pub fn pinv(&self, absolute: Option<&Tensor>, relative: Option<&Tensor>) -> Result<Tensor> {
        pseudoinverse(self, absolute, relative)
    }

    /// How many singular values are larger than `absolute`, and than `relative` times the largest, with the defaults of [`pinv`](Tensor::pinv).
    /// [torch.linalg.matrix_rank](https://docs.pytorch.org/docs/stable/generated/torch.linalg.matrix_rank.html).
    ///
    /// # Errors
    ///
    /// As [`svdvals`](Tensor::svdvals).
    #[track_caller]
    pub fn matrix_rank(&self, absolute: Option<&Tensor>, relative: Option<&Tensor>) -> Result<Tensor> {
        let values = self.svdvals()?;
        if values.dim(-1)? == 0 {
            return Tensor::zeros(&values.shape()[..values.rank() - 1], DType::I64);
        }
        values.gt(least(self, &values, absolute, relative)?)?.sum(-1, false)
    }
}

/// Matrices A, or their transposes, as rows of W = (A V)ᵀ that are orthogonal to each other, and of Vᵀ behind them.
pub(super) struct Orthogonal {
    rows: Tensor,
    /// The elements of a row of W.
    length: i64,
    /// What W was divided by, so that no square leaves its range.
    scale: Tensor,
    transposed: bool,
}

impl Orthogonal {
    pub(super) fn of(x: &Tensor, vectors: bool) -> Result<Orthogonal> {
        let (height, width) = sizes(x)?;
        let (count, length) = (height.min(width), height.max(width));
        if count > LARGEST {
            return Err(Error::unsupported(format!("singular values of a matrix of {height} × {width}"))
                .help(format!("they are computed of matrices with at most {LARGEST} rows or columns")));
        }
        let wide = x.cast(DType::F64)?;
        // Fewer rows than they are long.
        let transposed = height < width;
        let rows = if transposed { wide } else { wide.transpose(-2, -1)? };
        if count == 0 {
            let scale = Tensor::ones((), DType::F64)?;
            return Ok(Orthogonal { rows, length, scale, transposed });
        }
        let largest = rows.abs()?.amax([-2, -1], true)?;
        let scale = largest.eq(0.0)?.where_(&Tensor::ones((), DType::F64)?, &largest)?;
        let mut rows = rows.div(&scale)?;
        if vectors {
            let mut shape = rows.shape()[..rows.rank() - 1].to_vec();
            shape.push(Dim::Fixed(count));
            let identity = Tensor::eye(&Dim::Fixed(count), &Dim::Fixed(count), 0, DType::F64)?.expand(&shape)?;
            rows = Tensor::cat(&[&rows, &identity], -1)?;
        }
        Ok(Orthogonal { rows: orthogonal(&rows, count, length)?, length, scale, transposed })
    }

    fn squares(&self) -> Result<Tensor> {
        self.rows.narrow(-1, 0, self.length)?.square()?.sum(-1, false)
    }

    /// The singular values, in no order.
    fn values(&self) -> Result<Tensor> {
        let roots = self.squares()?.sqrt()?;
        if self.scale.rank() == 0 { Ok(roots) } else { roots.mul(self.scale.squeeze_axes(&[-1])?) }
    }

    /// Columns of V as rows, in no order.
    pub(super) fn rotations(&self) -> Result<Tensor> {
        self.rows.slice(-1, self.length..)
    }

    /// The singular values, the largest first, with the left and the right vectors of the matrix that is not transposed, as columns: of the left ones as
    /// many as they are long where `full` is true.
    fn factors(&self, full: bool) -> Result<(Tensor, Tensor, Tensor)> {
        let values = self.values()?;
        let count = values.dim(-1)?;
        let batch = values.shape()[..values.rank() - 1].to_vec();
        let wanted = if full { Dim::Fixed(self.length) } else { count.clone() };
        if count == 0 {
            let square = |n: &Dim| [&batch[..], &[n.clone(), n.clone()]].concat();
            let identity = Tensor::eye(&Dim::Fixed(self.length), &wanted, 0, DType::F64)?;
            return Ok((
                values,
                identity.expand([&batch[..], &[self.length.into(), wanted]].concat())?,
                Tensor::zeros(square(&count), DType::F64)?,
            ));
        }
        let (values, order) = values.topk(count, -1, true)?;
        let rows = self.rows.gather(-2, &order.unsqueeze(-1)?.expand(self.rows.shape())?)?;
        let (left, right) = (rows.narrow(-1, 0, self.length)?, rows.slice(-1, self.length..)?);
        Ok((values, basis(&left.transpose(-2, -1)?, self.length)?.narrow(-1, 0, wanted)?, right.transpose(-2, -1)?))
    }
}

/// An orthonormal basis that begins with the directions of orthogonal columns of so many elements, by Householder reflections: what rounding left of
/// columns of zeros is replaced.
fn basis(columns: &Tensor, length: i64) -> Result<Tensor> {
    let norms = columns.square()?.sum(-2, true)?.sqrt()?;
    let (zero, one) = (Tensor::zeros((), DType::F64)?, Tensor::ones((), DType::F64)?);
    let columns = columns.div(norms.eq(0.0)?.where_(&one, &norms)?)?;
    let n = Dim::Fixed(length);
    let shape = [&columns.shape()[..columns.rank() - 2], &[n.clone(), n.clone()]].concat();
    let identity = Tensor::eye(&n, &n, 0, DType::F64)?.expand(&shape)?;
    let positions = Tensor::arange(0, length, 1, DType::I64)?.unsqueeze(-1)?;
    let reflect = |k: &Tensor, state: &[Tensor]| {
        let (left, basis) = (&state[0], &state[1]);
        let below = positions.ge(k)?.where_(&left.index_select(-1, &k.reshape([1])?)?, &zero)?;
        let at = positions.eq(k)?;
        let sign = at.where_(&below, &zero)?.sum(-2, true)?.lt(0.0)?.where_(&one.neg()?, &one)?;
        let norm = below.square()?.sum(-2, true)?.sqrt()?.mul(&sign)?;
        let vector = below.add(at.where_(&norm, &zero)?)?;
        let square = vector.square()?.sum(-2, true)?;
        let factor = square.eq(0.0)?.where_(&zero, &square.reciprocal()?.mul(2.0)?)?;
        let across = vector.transpose(-2, -1)?;
        let left = left.sub(vector.mul(&factor)?.matmul(&across.matmul(left)?)?)?;
        // The direction itself is the column with the other sign.
        let basis = basis.sub(basis.matmul(&vector)?.matmul(&across.mul(&factor)?)?)?;
        let signs = square.eq(0.0)?.where_(&one, &sign.neg()?)?;
        let signs = at.transpose(-2, -1)?.where_(&signs, &one)?;
        Ok(vec![left, basis.mul(signs)?])
    };
    let count = columns.dim(-1)?;
    fori_loop(&count, vec![columns, identity], reflect).map(|mut state| state.remove(1))
}

/// So many rows rotated until they are orthogonal in their first `length` elements.
fn orthogonal(rows: &Tensor, count: i64, length: i64) -> Result<Tensor> {
    if count < 2 {
        return Ok(rows.clone());
    }
    // A row of zeros stays one.
    let padded = if count % 2 == 1 { rows.pad([0, 0, 0, 1], Padding::Constant(Scalar::Int(0)))? } else { rows.clone() };
    let (n, half) = (count + count % 2, (count + 1) / 2);
    let next = Tensor::from(tournament(n).as_slice());
    let round = |_: &Tensor, state: &[Tensor]| {
        let (a, b) = (state[0].narrow(-2, 0, half)?, state[0].narrow(-2, half, half)?);
        let (x, y) = (a.narrow(-1, 0, length)?, b.narrow(-1, 0, length)?);
        let product = x.mul(&y)?.sum(-1, true)?;
        let zeta = y.square()?.sum(-1, true)?.sub(x.square()?.sum(-1, true)?)?.div(product.mul(2.0)?)?;
        let one = Tensor::ones((), DType::F64)?;
        let sign = zeta.lt(0.0)?.where_(&one.neg()?, &one)?;
        let tangent = sign.div(zeta.abs()?.add(zeta.square()?.add(1.0)?.sqrt()?)?)?;
        let tangent = product.eq(0.0)?.where_(&Tensor::zeros((), DType::F64)?, &tangent)?;
        let cosine = tangent.square()?.add(1.0)?.sqrt()?.reciprocal()?;
        let sine = cosine.mul(&tangent)?;
        let (first, second) = (a.mul(&cosine)?.sub(b.mul(&sine)?)?, a.mul(&sine)?.add(b.mul(&cosine)?)?);
        Ok(vec![Tensor::cat(&[&first, &second], -2)?.index_select(-2, &next)?])
    };
    // Whole tournaments, after which each row stands where it was.
    let rotated = fori_loop(SWEEPS * (n - 1), vec![padded], round)?.remove(0);
    rotated.narrow(-2, 0, count)
}

/// Which row comes to each position for the next round of a tournament: the first stays, the others go round. Row i meets row i + n / 2.
fn tournament(n: i64) -> Vec<i64> {
    let half = n / 2;
    // The second half stands in the opposite order.
    let seat = |i: i64| if i < half { i } else { n - 1 - (i - half) };
    let before = |i: i64| match i {
        0 => 0,
        1 => n - 1,
        i => i - 1,
    };
    (0..n).map(|i| seat(before(seat(i)))).collect()
}

/// The rows and columns of matrices.
fn sizes(x: &Tensor) -> Result<(i64, i64)> {
    let length = |axis: i64| {
        x.dim(axis)?.fixed().ok_or_else(|| {
            Error::size("singular values of matrices of symbolic size: ONNX has no operator for them")
                .help("give the last two axes fixed sizes")
        })
    };
    Ok((length(-2)?, length(-1)?))
}

/// What singular values are compared with.
fn least(x: &Tensor, values: &Tensor, absolute: Option<&Tensor>, relative: Option<&Tensor>) -> Result<Tensor> {
    let (height, width) = sizes(x)?;
    let dtype = values.dtype();
    let epsilon = match dtype {
        DType::F64 => f64::EPSILON,
        _ => f64::from(f32::EPSILON),
    };
    let bound = |bound: &Tensor| -> Result<Tensor> { if bound.rank() == 0 { Ok(bound.clone()) } else { bound.unsqueeze(-1) } };
    let number = |number: f64| Tensor::full((), number, dtype);
    let default = number(epsilon * height.max(width) as f64)?;
    let relative = match (relative, absolute) {
        (Some(relative), _) => bound(relative)?,
        (None, None) => default,
        (None, Some(absolute)) => bound(absolute)?.gt(0.0)?.where_(&number(0.0)?, &default)?,
    };
    let limit = values.amax(-1, true)?.mul(relative)?;
    absolute.map_or(Ok(limit.clone()), |absolute| limit.maximum(bound(absolute)?))
}

fn pseudoinverse(x: &Tensor, absolute: Option<&Tensor>, relative: Option<&Tensor>) -> Result<Tensor> {
    let found = Orthogonal::of(x, true)?;
    if x.numel() == 0 {
        return x.transpose(-2, -1);
    }
    // Compared as the dtype has them: no value is larger than all of the largest.
    let values = found.values()?.cast(x.dtype().or_float())?;
    let kept = values.gt(least(x, &values, absolute, relative)?)?;
    // A V = W and the columns of W are orthogonal: the inverse is V W⁻¹, where W⁻¹ has the rows of Wᵀ over their squares.
    let squares = found.squares()?.mul(found.scale.squeeze_axes(&[-1])?)?;
    let inverse = kept.where_(&squares.reciprocal()?, &Tensor::zeros((), DType::F64)?)?.unsqueeze(-1)?;
    let (w, v) = (found.rows.narrow(-1, 0, found.length)?, found.rows.slice(-1, found.length..)?);
    let y = v.transpose(-2, -1)?.matmul(&w.mul(inverse)?)?.cast(x.dtype())?;
    if found.transposed { y.transpose(-2, -1) } else { Ok(y) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_a_tournament_each_meets_each_and_returns_to_its_seat() {
        for n in [2usize, 4, 6, 10] {
            let next = tournament(n as i64);
            let mut seats: Vec<usize> = (0..n).collect();
            let mut met = std::collections::BTreeSet::new();
            for _ in 1..n {
                met.extend((0..n / 2).map(|i| (seats[i].min(seats[i + n / 2]), seats[i].max(seats[i + n / 2]))));
                seats = next.iter().map(|&from| seats[from as usize]).collect();
            }
            assert_eq!((met.len(), seats), (n * (n - 1) / 2, (0..n).collect()));
        }
    }

    #[test]
    fn singular_values_of_a_hilbert_matrix_are_right_to_the_last_digits() {
        // By numpy.linalg.svd of the matrix in doubles.
        let expected =
            [1.567_050_691_098_231, 0.208_534_218_611_013_34, 0.011_407_491_623_419_79, 3.058_980_401_511_817e-4, 3.287_928_772_176_189e-6];
        let elements = (0..25).map(|i| 1.0 / f64::from(i / 5 + i % 5 + 1)).collect::<Vec<_>>();
        let values = Tensor::new([5, 5], elements).unwrap().svdvals().unwrap().to_vec::<f64>().unwrap();
        for (got, expected) in values.iter().zip(expected) {
            assert!((got / expected - 1.0).abs() < 1e-10, "{values:?}");
        }
    }

    #[test]
    fn a_pseudoinverse_of_too_few_ranks_is_that_of_the_others() {
        let x = Tensor::new([2, 3], vec![1.0f32, 2.0, 3.0, 2.0, 4.0, 6.0]).unwrap();
        assert_eq!(x.matrix_rank(None, None).unwrap().to_vec::<i64>().unwrap(), [1]);
        let y = x.pinv(None, None).unwrap().to_vec::<f32>().unwrap();
        let expected = [1.0, 2.0, 2.0, 4.0, 3.0, 6.0].map(|x: f32| x / 70.0);
        assert!(y.iter().zip(expected).all(|(y, expected)| (y - expected).abs() < 1e-7), "{y:?}");
    }
}
