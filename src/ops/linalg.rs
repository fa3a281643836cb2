//! Linear algebra: decompositions of small matrices, and what follows from them.
//!
//! A decomposition takes as many steps as there are columns, each of some fifteen nodes, so only matrices of a fixed size up to 64 by 64 are
//! decomposed. Eigenvalues have no finite form and are not here. The matrices are the last two axes of a tensor.

use crate::array::DType;
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::tensor::{Tensor, size};

/// The largest matrix whose elimination is written out.
const LARGEST: i64 = 64;

impl Tensor {
    /// The determinant of square matrices (the last two axes), by elimination with partial pivoting.
    /// [torch.linalg.det](https://docs.pytorch.org/docs/stable/generated/torch.linalg.det.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// let x = Tensor::from(&[4.0f32, 2.0, 2.0, 3.0]).reshape(&[2, 2])?;
    /// assert_eq!(x.det()?.to_vec::<f32>()?, [8.0]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Where the matrices are not square, larger than 64 by 64, or of symbolic size.
    #[track_caller]
    pub fn det(&self) -> Result<Tensor> {
        Lu::of(self)?.determinant()
    }

    /// The sign of the determinant of square matrices, and the natural logarithm of its absolute value.
    /// [torch.linalg.slogdet](https://docs.pytorch.org/docs/stable/generated/torch.linalg.slogdet.html).
    ///
    /// # Errors
    ///
    /// Where the matrix is larger than 64 by 64, or has a symbolic size.
    #[track_caller]
    pub fn slogdet(&self) -> Result<(Tensor, Tensor)> {
        Lu::of(self)?.log_determinant()
    }

    /// The inverse of square matrices. A singular matrix gives infinities or NaN, as no runtime check is written.
    /// [torch.linalg.inv](https://docs.pytorch.org/docs/stable/generated/torch.linalg.inv.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// let x = Tensor::from(&[4.0f32, 2.0, 2.0, 3.0]).reshape(&[2, 2])?;
    /// assert_eq!(x.inverse()?.matmul(&x)?.to_vec::<f32>()?, [1.0, 0.0, 0.0, 1.0]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Where the matrix is larger than 64 by 64, or has a symbolic size.
    #[track_caller]
    pub fn inverse(&self) -> Result<Tensor> {
        inverse(self)
    }

    /// The solution X of A X = B, or of X A = B where `left` is false; `self` is A. B is a matrix (in its last two axes), or a vector where
    /// it has one axis less than A. The axes before are broadcast.
    /// [torch.linalg.solve](https://docs.pytorch.org/docs/stable/generated/torch.linalg.solve.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// let x = Tensor::from(&[4.0f32, 2.0, 2.0, 3.0]).reshape(&[2, 2])?;
    /// let b = Tensor::from(&[8.0f32, 8.0]);
    /// assert_eq!(x.solve(&b, true)?.to_vec::<f32>()?, [1.0, 2.0]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Where the matrix is larger than 64 by 64, or has a symbolic size.
    #[track_caller]
    pub fn solve(&self, b: &Tensor, left: bool) -> Result<Tensor> {
        solve(self, b, left)
    }

    /// The factors P, L and U of A = P L U: a permutation, a lower triangle with ones on its diagonal, an upper triangle.
    /// [torch.linalg.lu](https://docs.pytorch.org/docs/stable/generated/torch.linalg.lu.html).
    ///
    /// # Errors
    ///
    /// Where the matrix is larger than 64 by 64, or has a symbolic size.
    #[track_caller]
    pub fn lu(&self) -> Result<(Tensor, Tensor, Tensor)> {
        Lu::of(self)?.factors()
    }

    /// L (without its diagonal of ones) and U in one matrix, and the pivots: the row, counted from 1, that each step exchanged with its own,
    /// as i32.
    /// [torch.linalg.lu_factor](https://docs.pytorch.org/docs/stable/generated/torch.linalg.lu_factor.html).
    ///
    /// # Errors
    ///
    /// Where the matrix is larger than 64 by 64, or has a symbolic size.
    #[track_caller]
    pub fn lu_factor(&self) -> Result<(Tensor, Tensor)> {
        let lu = Lu::of(self)?;
        Ok((lu.packed, lu.pivots))
    }

    /// The factors P, L and U from the results of [`lu_factor`](Tensor::lu_factor); `self` is the packed matrix.
    /// [torch.lu_unpack](https://docs.pytorch.org/docs/stable/generated/torch.lu_unpack.html).
    ///
    /// # Errors
    ///
    /// Where the matrix is larger than 64 by 64, or has a symbolic size.
    #[track_caller]
    pub fn lu_unpack(&self, pivots: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
        let (rows, columns) = size(self)?;
        let (lower, upper) = unpacked(self, rows, columns)?;
        Ok((permutation(&order_of(pivots, rows)?, rows, self.dtype())?, lower, upper))
    }

    /// The solution X of A X = B (or X A = B, or with the transpose of A) from the results of [`lu_factor`](Tensor::lu_factor); `self` is the
    /// packed matrix.
    /// [torch.linalg.lu_solve](https://docs.pytorch.org/docs/stable/generated/torch.linalg.lu_solve.html).
    ///
    /// # Errors
    ///
    /// Where the matrix is larger than 64 by 64, or has a symbolic size.
    #[track_caller]
    pub fn lu_solve(&self, pivots: &Tensor, b: &Tensor, left: bool, adjoint: bool) -> Result<Tensor> {
        lu_solve(self, pivots, b, left, adjoint)
    }

    /// The lower triangle L of A = L Lᵀ, or the upper one of A = Uᵀ U. A matrix that is not positive definite gives NaN.
    /// [torch.linalg.cholesky](https://docs.pytorch.org/docs/stable/generated/torch.linalg.cholesky.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// let x = Tensor::from(&[4.0f32, 2.0, 2.0, 5.0]).reshape(&[2, 2])?;
    /// assert_eq!(x.cholesky(false)?.to_vec::<f32>()?, [2.0, 0.0, 1.0, 2.0]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Where the matrix is larger than 64 by 64, or has a symbolic size.
    #[track_caller]
    pub fn cholesky(&self, upper: bool) -> Result<Tensor> {
        cholesky(self, upper)
    }

    /// The solution of A X = B, given the triangle that [`cholesky`](Tensor::cholesky) makes of A.
    /// [torch.cholesky_solve](https://docs.pytorch.org/docs/stable/generated/torch.cholesky_solve.html).
    ///
    /// # Errors
    ///
    /// Where the matrix is larger than 64 by 64, or has a symbolic size.
    #[track_caller]
    pub fn cholesky_solve(&self, b: &Tensor, upper: bool) -> Result<Tensor> {
        let lower = if upper { self.transpose(-2, -1)? } else { self.clone() };
        triangular(&lower.transpose(-2, -1)?, &triangular(&lower, b, false, false)?, true, false)
    }

    /// The inverse of A, given the triangle that [`cholesky`](Tensor::cholesky) makes of it.
    /// [torch.cholesky_inverse](https://docs.pytorch.org/docs/stable/generated/torch.cholesky_inverse.html).
    ///
    /// # Errors
    ///
    /// Where the matrix is larger than 64 by 64, or has a symbolic size.
    #[track_caller]
    pub fn cholesky_inverse(&self, upper: bool) -> Result<Tensor> {
        let lower = if upper { self.transpose(-2, -1)? } else { self.clone() };
        let (n, _) = size(&lower)?;
        let root = triangular(&lower, &identity(n, lower.dtype())?, false, false)?;
        root.transpose(-2, -1)?.matmul(&root)
    }

    /// The solution X of A X = B, or of X A = B where `left` is false, for a triangle A, of which the other half is not read. `unit` says
    /// that the diagonal counts as ones.
    /// [torch.linalg.solve_triangular](https://docs.pytorch.org/docs/stable/generated/torch.linalg.solve_triangular.html).
    ///
    /// # Errors
    ///
    /// Where the matrix is larger than 64 by 64, or has a symbolic size.
    #[track_caller]
    pub fn solve_triangular(&self, b: &Tensor, upper: bool, left: bool, unit: bool) -> Result<Tensor> {
        if left {
            return triangular(self, b, upper, unit);
        }
        triangular(&self.transpose(-2, -1)?, &b.transpose(-2, -1)?, !upper, unit)?.transpose(-2, -1)
    }

    /// The factors Q and R of A = Q R: orthonormal columns and an upper triangle, by Householder reflections. With m rows and n columns, Q
    /// has min(m, n) columns, or all m where `complete` is true.
    /// [torch.linalg.qr](https://docs.pytorch.org/docs/stable/generated/torch.linalg.qr.html).
    ///
    /// # Errors
    ///
    /// Where the matrix is larger than 64 by 64, or has a symbolic size.
    #[track_caller]
    pub fn qr(&self, complete: bool) -> Result<(Tensor, Tensor)> {
        let (rows, columns) = size(self)?;
        let (packed, tau) = reflections(self)?;
        let kept = if complete { rows } else { rows.min(columns) };
        let upper = packed.triu(0)?.slice(-2, ..kept)?;
        Ok((reflected(&packed, &tau, rows)?.slice(-1, ..kept)?, upper))
    }

    /// Householder reflections of the columns: R on and above the diagonal with the vectors below it, and the factor of each reflection.
    /// [torch.geqrf](https://docs.pytorch.org/docs/stable/generated/torch.geqrf.html).
    ///
    /// # Errors
    ///
    /// Where the matrix is larger than 64 by 64, or has a symbolic size.
    #[track_caller]
    pub fn geqrf(&self) -> Result<(Tensor, Tensor)> {
        reflections(self)
    }

    /// The product of the reflections of [`geqrf`](Tensor::geqrf), as many columns as `self` has.
    /// [torch.linalg.householder_product](https://docs.pytorch.org/docs/stable/generated/torch.linalg.householder_product.html).
    ///
    /// # Errors
    ///
    /// Where the matrix is larger than 64 by 64, or has a symbolic size.
    #[track_caller]
    pub fn householder_product(&self, tau: &Tensor) -> Result<Tensor> {
        let (rows, columns) = size(self)?;
        reflected(self, tau, rows)?.slice(-1, ..columns)
    }

    /// The product Q B, or B Q where `left` is false, with the square Q of the reflections of [`geqrf`](Tensor::geqrf), or its transpose.
    /// [torch.ormqr](https://docs.pytorch.org/docs/stable/generated/torch.ormqr.html).
    ///
    /// # Errors
    ///
    /// Where the matrix is larger than 64 by 64, or has a symbolic size.
    #[track_caller]
    pub fn ormqr(&self, tau: &Tensor, b: &Tensor, left: bool, transpose: bool) -> Result<Tensor> {
        let (rows, _) = size(self)?;
        let q = reflected(self, tau, rows)?;
        let q = if transpose { q.transpose(-2, -1)? } else { q };
        if left { q.matmul(b) } else { b.matmul(&q) }
    }

    /// The least squares solution of A X = B for a matrix of full rank (of several solutions the shortest), and the sums of squares of what
    /// is left over, empty where there are no more rows than columns.
    /// [torch.linalg.lstsq](https://docs.pytorch.org/docs/stable/generated/torch.linalg.lstsq.html).
    ///
    /// # Errors
    ///
    /// Where the matrix is larger than 64 by 64, or has a symbolic size.
    #[track_caller]
    pub fn lstsq(&self, b: &Tensor) -> Result<(Tensor, Tensor)> {
        least_squares(self, b)
    }

    /// The n-th power of square matrices, by repeated squaring; of the inverse where n is negative.
    /// [torch.linalg.matrix_power](https://docs.pytorch.org/docs/stable/generated/torch.linalg.matrix_power.html).
    ///
    /// # Errors
    ///
    /// Where the matrix is larger than 64 by 64, or has a symbolic size.
    #[track_caller]
    pub fn matrix_power(&self, n: i64) -> Result<Tensor> {
        power(self, n)
    }

    /// The exponential of square matrices: a Taylor series after scaling by powers of two. A matrix whose 1-norm exceeds 2²⁴ gives NaN.
    /// [torch.linalg.matrix_exp](https://docs.pytorch.org/docs/stable/generated/torch.linalg.matrix_exp.html).
    ///
    /// # Errors
    ///
    /// Where the matrices are not square.
    #[track_caller]
    pub fn matrix_exp(&self) -> Result<Tensor> {
        exponential(self)
    }

    /// The inverse of a tensor as a map from its last axes to its first `split` ones.
    /// [torch.linalg.tensorinv](https://docs.pytorch.org/docs/stable/generated/torch.linalg.tensorinv.html).
    ///
    /// # Errors
    ///
    /// Where there are fewer axes, and those of [`inverse`](Tensor::inverse).
    #[track_caller]
    pub fn tensorinv(&self, split: usize) -> Result<Tensor> {
        if split > self.rank() {
            return Err(Error::argument(format!("{split} does not fit {} axes", self.rank())));
        }
        let (front, back) = (self.shape()[..split].to_vec(), self.shape()[split..].to_vec());
        let n = front.iter().fold(Dim::Fixed(1), |n, dim| n * dim);
        inverse(&self.reshape(&[n.clone(), n])?)?.reshape([back, front].concat())
    }

    /// The solution X of tensordot(A, X) = B over the axes of X, the axes `axes` of A being moved to its end first.
    /// [torch.linalg.tensorsolve](https://docs.pytorch.org/docs/stable/generated/torch.linalg.tensorsolve.html).
    ///
    /// # Errors
    ///
    /// Those of [`solve`](Tensor::solve).
    #[track_caller]
    pub fn tensorsolve(&self, b: &Tensor, axes: &[i64]) -> Result<Tensor> {
        let axes = axes.iter().map(|&axis| self.shape().axis(axis)).collect::<Result<Vec<_>>>()?;
        let order = (0..self.rank()).filter(|axis| !axes.contains(axis)).chain(axes.iter().copied()).map(|axis| axis as i64);
        let x = if axes.is_empty() { self.clone() } else { self.permute(&order.collect::<Vec<_>>())? };
        let back = x.shape().get(b.rank()..).ok_or_else(|| Error::shape("a right side of more axes than the tensor has"))?.to_vec();
        let n = b.numel();
        solve(&x.reshape(&[n.clone(), n.clone()])?, &b.reshape(&[n])?, true)?.reshape(&back)
    }

    /// The powers 0, 1, … of each value in a new last axis: `count` of them, or as many as the last axis has values.
    /// [torch.linalg.vander](https://docs.pytorch.org/docs/stable/generated/torch.linalg.vander.html).
    ///
    /// # Errors
    ///
    /// Where no count is given and the last axis has a symbolic size.
    #[track_caller]
    pub fn vander(&self, count: Option<i64>) -> Result<Tensor> {
        powers(self, count)
    }
}

/// The rows and columns of the matrices in the last two axes.
pub(super) fn size(x: &Tensor) -> Result<(i64, i64)> {
    let length = |axis: i64| {
        x.dim(axis)?.fixed().ok_or_else(|| {
            Error::size("a matrix decomposition of symbolic size: ONNX has no operator for it").help("give the last two axes fixed sizes")
        })
    };
    let (rows, columns) = (length(-2)?, length(-1)?);
    if rows.max(columns) > LARGEST {
        return Err(Error::unsupported(format!(
            "the decomposition of a {rows} × {columns} matrix is not supported: it is unrolled, up to size {LARGEST}"
        )));
    }
    Ok((rows, columns))
}

fn identity(n: i64, dtype: DType) -> Result<Tensor> {
    Tensor::eye(&n.into(), &n.into(), 0, dtype)
}

/// Which of n positions are after the k-th, as a column (or a row).
pub(super) fn after(n: i64, k: i64, column: bool) -> Result<Tensor> {
    let positions: Vec<bool> = (0..n).map(|i| i > k).collect();
    Tensor::from(positions.as_slice()).reshape(if column { [n, 1] } else { [1, n] })
}

/// One row (or column) with its axis kept.
pub(super) fn row(x: &Tensor, k: i64) -> Result<Tensor> {
    x.narrow(-2, k, 1i64)
}

pub(super) fn column(x: &Tensor, k: i64) -> Result<Tensor> {
    x.narrow(-1, k, 1i64)
}

/// Two positions of an order exchanged; `other` is a tensor.
fn exchanged(order: &Tensor, k: i64, other: &Tensor, n: i64) -> Result<Tensor> {
    let positions = Tensor::arange(0, n, 1, DType::I64)?;
    let (here, there) = (order.narrow(-1, k, 1i64)?, order.gather(-1, other)?);
    let order = positions.eq(other)?.where_(&here, order)?;
    positions.eq(k)?.where_(&there, &order)
}

/// The rows of a matrix in another order.
pub(super) fn ordered(x: &Tensor, order: &Tensor) -> Result<Tensor> {
    let mut shape = order.shape().to_vec();
    shape.push(x.dim(-1)?);
    let shape = crate::dim::Shape::new(shape);
    let x = x.expand(&shape)?;
    x.gather(-2, &order.unsqueeze(-1)?.expand(&shape)?)
}

/// Gauss's elimination with the largest pivot of each column.
pub(crate) struct Lu {
    /// L below the diagonal, U on and above it.
    pub(crate) packed: Tensor,
    /// The row that each step exchanged with its own, counted from 1, as LAPACK does.
    pub(crate) pivots: Tensor,
    /// Which row of the matrix stands in each position.
    order: Tensor,
    /// 1 or −1: the determinant of the permutation.
    parity: Tensor,
    rows: i64,
    columns: i64,
}

impl Lu {
    pub(crate) fn of(x: &Tensor) -> Result<Lu> {
        let (rows, columns) = size(x)?;
        let dtype = x.dtype();
        let front = x.shape()[..x.rank() - 2].to_vec();
        let mut shape = front.clone();
        shape.push(rows.into());
        let start = Tensor::arange(0, rows, 1, DType::I64)?.expand(&shape)?;
        let (mut packed, mut order, mut pivots) = (x.clone(), start.clone(), Vec::new());
        let mut parity = Tensor::ones(&front, dtype)?;
        let zero = Tensor::zeros((), dtype)?;
        for k in 0..rows.min(columns) {
            let below = column(&packed, k)?.slice(-2, k..)?;
            let pivot = below.squeeze_axes(&[-1])?.abs()?.argmax(Some(-1), true)?.add(k)?;
            packed = ordered(&packed, &exchanged(&start, k, &pivot, rows)?)?;
            order = exchanged(&order, k, &pivot, rows)?;
            let moved = pivot.ne(k)?.squeeze_axes(&[-1])?.cast(dtype)?;
            parity = parity.mul(moved.mul(-2.0)?.add(1.0)?)?;
            pivots.push(pivot);
            let head = column(&row(&packed, k)?, k)?;
            let safe = head.eq(0.0)?.where_(&Tensor::ones((), dtype)?, &head)?;
            let factor = after(rows, k, true)?.where_(&column(&packed, k)?.div(&safe)?, &zero)?;
            let rest = after(columns, k, false)?.where_(&row(&packed, k)?, &zero)?;
            let kept = after(rows, k, true)?.logical_and(Tensor::arange(0, columns, 1, DType::I64)?.eq(k)?)?;
            packed = kept.where_(&factor, &packed.sub(factor.mul(rest)?)?)?;
        }
        let pivots = match pivots.as_slice() {
            [] => Tensor::zeros([front, vec![0.into()]].concat(), DType::I32)?,
            some => Tensor::cat(&some.iter().collect::<Vec<_>>(), -1)?.add(1)?.cast(DType::I32)?,
        };
        Ok(Lu { packed, pivots, order, parity, rows, columns })
    }

    fn diagonal(&self) -> Result<Tensor> {
        self.packed.diagonal(0, -2, -1)
    }

    pub(crate) fn determinant(&self) -> Result<Tensor> {
        if self.rows != self.columns {
            return Err(Error::shape(format!("the determinant needs a square matrix, got {} × {}", self.rows, self.columns)));
        }
        self.diagonal()?.prod(-1, false)?.mul(&self.parity)
    }

    /// The sign of the determinant, and the logarithm of its size.
    pub(crate) fn log_determinant(&self) -> Result<(Tensor, Tensor)> {
        let diagonal = self.diagonal()?;
        let sign = self.parity.mul(diagonal.sign()?.prod(-1, false)?)?;
        Ok((sign, diagonal.abs()?.log()?.sum(-1, false)?))
    }

    fn factors(&self) -> Result<(Tensor, Tensor, Tensor)> {
        let (lower, upper) = unpacked(&self.packed, self.rows, self.columns)?;
        Ok((permutation(&self.order, self.rows, self.packed.dtype())?, lower, upper))
    }
}

fn unpacked(packed: &Tensor, rows: i64, columns: i64) -> Result<(Tensor, Tensor)> {
    let least = Dim::Fixed(rows.min(columns));
    let unit = Tensor::eye(&rows.into(), &least, 0, packed.dtype())?;
    let lower = packed.slice(-1, ..least.clone())?.tril(-1)?.add(unit)?;
    Ok((lower, packed.slice(-2, ..least)?.triu(0)?))
}

/// P of A = P L U, of the order of the rows.
fn permutation(order: &Tensor, rows: i64, dtype: DType) -> Result<Tensor> {
    Tensor::arange(0, rows, 1, DType::I64)?.unsqueeze(-1)?.eq(order.unsqueeze(-2)?)?.cast(dtype)
}

/// The order of the rows after these exchanges.
fn order_of(pivots: &Tensor, rows: i64) -> Result<Tensor> {
    let steps = pivots.dim(-1)?.fixed().ok_or_else(|| Error::size("the number of pivots must be fixed"))?;
    let mut shape = pivots.shape().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = rows.into();
    }
    let pivots = pivots.cast(DType::I64)?.sub(1)?;
    let start = Tensor::arange(0, rows, 1, DType::I64)?.expand(&shape)?;
    (0..steps).try_fold(start, |order, k| exchanged(&order, k, &pivots.narrow(-1, k, 1i64)?, rows))
}

/// The solution of a triangular system, row by row.
fn triangular(x: &Tensor, b: &Tensor, upper: bool, unit: bool) -> Result<Tensor> {
    let (n, _) = size(x)?;
    if n == 0 {
        return Ok(b.clone());
    }
    let mut rest = b.clone();
    let mut solved: Vec<(i64, Tensor)> = Vec::new();
    let steps: Vec<i64> = if upper { (0..n).rev().collect() } else { (0..n).collect() };
    for k in steps {
        let here = row(&rest, k)?;
        let here = if unit { here } else { here.div(column(&row(x, k)?, k)?)? };
        rest = rest.sub(column(x, k)?.mul(&here)?)?;
        solved.push((k, here));
    }
    solved.sort_by_key(|row| row.0);
    Tensor::cat(&solved.iter().map(|row| &row.1).collect::<Vec<_>>(), -2)
}

fn inverse(x: &Tensor) -> Result<Tensor> {
    let (n, _) = size(x)?;
    solve(x, &identity(n, x.dtype())?.expand(x.shape())?, true)
}

fn solve(x: &Tensor, b: &Tensor, left: bool) -> Result<Tensor> {
    let vector = b.rank() == 1 || (b.rank() + 1 == x.rank() && b.shape()[..] == x.shape()[..x.rank() - 1]);
    let b = if vector { b.unsqueeze(-1)? } else { b.clone() };
    if !left {
        return solve(&x.transpose(-2, -1)?, &b.transpose(-2, -1)?, true)?.transpose(-2, -1);
    }
    let lu = Lu::of(x)?;
    let y = substituted(&lu.packed, &lu.order, &b)?;
    if vector { y.squeeze_axes(&[-1]) } else { Ok(y) }
}

/// The least squares of a matrix of full rank: the solution (the shortest of many), and what is left over where there is none.
fn least_squares(x: &Tensor, b: &Tensor) -> Result<(Tensor, Tensor)> {
    let (rows, columns) = size(x)?;
    let vector = b.rank() + 1 == x.rank();
    let b = if vector { b.unsqueeze(-1)? } else { b.clone() };
    let front = |t: &Tensor| crate::dim::Shape::new(t.shape()[..t.rank() - 2].to_vec());
    let batch = size::broadcast(&front(x), &front(&b))?;
    let wide = |t: &Tensor| t.expand([batch.to_vec(), t.shape()[t.rank() - 2..].to_vec()].concat());
    let (x, b) = (wide(x)?, wide(&b)?);
    let mut left = Tensor::zeros([0], x.dtype())?;
    let y = if rows >= columns {
        let (packed, tau) = reflections(&x)?;
        let transposed = reflected(&packed, &tau, rows)?.transpose(-2, -1)?.matmul(&b)?;
        if rows > columns {
            left = transposed.slice(-2, columns..)?.square()?.sum(-2, false)?;
        }
        triangular(&packed.narrow(-2, 0, columns)?, &transposed.narrow(-2, 0, columns)?, true, false)?
    } else {
        let (packed, tau) = reflections(&x.transpose(-2, -1)?)?;
        let part = triangular(&packed.narrow(-2, 0, rows)?.transpose(-2, -1)?, &b, false, false)?;
        reflected(&packed, &tau, columns)?.narrow(-1, 0, rows)?.matmul(&part)?
    };
    Ok((if vector { y.squeeze_axes(&[-1])? } else { y }, left))
}

fn substituted(packed: &Tensor, order: &Tensor, b: &Tensor) -> Result<Tensor> {
    let front = crate::dim::Shape::new(packed.shape()[..packed.rank() - 2].to_vec());
    let front = size::broadcast(&front, &crate::dim::Shape::new(b.shape()[..b.rank() - 2].to_vec()))?;
    let wide = |t: &Tensor, axes: usize| t.expand([front.to_vec(), t.shape()[t.rank() - axes..].to_vec()].concat());
    let (packed, order, b) = (wide(packed, 2)?, wide(order, 1)?, wide(b, 2)?);
    triangular(&packed, &triangular(&packed, &ordered(&b, &order)?, false, true)?, true, false)
}

fn lu_solve(packed: &Tensor, pivots: &Tensor, b: &Tensor, left: bool, adjoint: bool) -> Result<Tensor> {
    if !left {
        return lu_solve(packed, pivots, &b.transpose(-2, -1)?, true, !adjoint)?.transpose(-2, -1);
    }
    let (rows, _) = size(packed)?;
    let order = order_of(pivots, rows)?;
    if !adjoint {
        return substituted(packed, &order, b);
    }
    // Aᵀ = Uᵀ Lᵀ Pᵀ.
    let transposed = packed.transpose(-2, -1)?;
    let y = triangular(&transposed, &triangular(&transposed, b, false, false)?, true, true)?;
    permutation(&order, rows, packed.dtype())?.matmul(&y)
}

fn cholesky(x: &Tensor, upper: bool) -> Result<Tensor> {
    let (n, _) = size(x)?;
    let x = if upper { x.transpose(-2, -1)? } else { x.clone() };
    let zero = Tensor::zeros((), x.dtype())?;
    let (mut rest, mut columns) = (x, Vec::new());
    for k in 0..n {
        let root = column(&row(&rest, k)?, k)?.sqrt()?;
        let here = after(n, k - 1, true)?.where_(&column(&rest, k)?.div(&root)?, &zero)?;
        rest = rest.sub(here.mul(here.transpose(-2, -1)?)?)?;
        columns.push(here);
    }
    if columns.is_empty() {
        return Ok(rest);
    }
    let lower = Tensor::cat(&columns.iter().collect::<Vec<_>>(), -1)?;
    if upper { lower.transpose(-2, -1) } else { Ok(lower) }
}

/// Householder's reflections, one a column: R on and above the diagonal, the vectors below it, and their factors.
fn reflections(x: &Tensor) -> Result<(Tensor, Tensor)> {
    let (rows, columns) = size(x)?;
    let dtype = x.dtype();
    let (zero, one) = (Tensor::zeros((), dtype)?, Tensor::ones((), dtype)?);
    let (mut packed, mut factors) = (x.clone(), Vec::new());
    for k in 0..rows.min(columns) {
        let head = column(&row(&packed, k)?, k)?;
        let below = after(rows, k, true)?.where_(&column(&packed, k)?, &zero)?;
        let rest = below.square()?.sum(-2, true)?;
        let length = head.square()?.add(&rest)?.sqrt()?;
        let flat = rest.eq(0.0)?;
        // The sign that does not cancel; a column that is zero below its head stays.
        let target = flat.where_(&head, &head.lt(0.0)?.where_(&length, &length.neg()?)?)?;
        let tau = flat.where_(&zero, &target.sub(&head)?.div(flat.where_(&one, &target)?)?)?;
        let vector = below.div(flat.where_(&one, &head.sub(&target)?)?)?;
        let position = Tensor::arange(0, rows, 1, DType::I64)?.eq(k)?.unsqueeze(-1)?;
        let whole = position.where_(&one, &vector)?;
        let transposed = packed.sub(whole.mul(whole.transpose(-2, -1)?.matmul(&packed)?)?.mul(&tau)?)?;
        // Columns before stay as they were packed; this one holds its head and its vector.
        let later = after(columns, k, false)?;
        let own = Tensor::arange(0, columns, 1, DType::I64)?.eq(k)?;
        let above = after(rows, k - 1, true)?.logical_not()?;
        let new = above.where_(&packed, &position.where_(&target, &vector)?)?;
        packed = later.where_(&transposed, &own.where_(&new, &packed)?)?;
        factors.push(tau.squeeze_axes(&[-1])?);
    }
    let tau = match factors.as_slice() {
        [] => Tensor::zeros([&x.shape()[..x.rank() - 2], &[0.into()]].concat(), dtype)?,
        some => Tensor::cat(&some.iter().collect::<Vec<_>>(), -1)?,
    };
    Ok((packed, tau))
}

/// The product of reflections, a square matrix.
fn reflected(packed: &Tensor, tau: &Tensor, rows: i64) -> Result<Tensor> {
    let dtype = packed.dtype();
    let steps = tau.dim(-1)?.fixed().ok_or_else(|| Error::size("the number of Householder reflections must be fixed"))?;
    let (zero, one) = (Tensor::zeros((), dtype)?, Tensor::ones((), dtype)?);
    let mut shape = packed.shape()[..packed.rank() - 2].to_vec();
    shape.extend([Dim::Fixed(rows), Dim::Fixed(rows)]);
    let mut q = identity(rows, dtype)?.expand(&shape)?;
    for k in (0..steps).rev() {
        let below = after(rows, k, true)?.where_(&column(packed, k)?, &zero)?;
        let position = Tensor::arange(0, rows, 1, DType::I64)?.eq(k)?.unsqueeze(-1)?;
        let vector = position.where_(&one, &below)?;
        let factor = tau.narrow(-1, k, 1i64)?.unsqueeze(-1)?;
        q = q.sub(vector.mul(vector.transpose(-2, -1)?.matmul(&q)?)?.mul(factor)?)?;
    }
    Ok(q)
}

/// Powers by squaring; of the inverse where negative.
fn power(x: &Tensor, n: i64) -> Result<Tensor> {
    let (size, _) = size(x)?;
    let mut base = if n < 0 { inverse(x)? } else { x.clone() };
    let mut rest = n.unsigned_abs();
    if rest == 3 {
        // In torch's order, which shows where a product leaves the range.
        return base.matmul(&base)?.matmul(&base);
    }
    let mut product: Option<Tensor> = None;
    while rest > 0 {
        if rest & 1 == 1 {
            product = Some(product.map_or(Ok(base.clone()), |product| product.matmul(&base))?);
        }
        rest >>= 1;
        if rest > 0 {
            base = base.matmul(&base)?;
        }
    }
    product.map_or_else(|| identity(size, x.dtype())?.expand(x.shape()), Ok)
}

/// How often a matrix is halved at most before its exponential is a short series: what is larger than 2²⁴ becomes NaN.
const HALVINGS: i32 = 24;

/// Taylor's series of a matrix that is halved until it is small, and squared as often: per matrix, decided by its norm.
fn exponential(x: &Tensor) -> Result<Tensor> {
    let (n, width) = (x.dim(-2)?, x.dim(-1)?);
    if n != width {
        return Err(Error::shape(format!("matrix_exp needs a square matrix, got {n} × {width}")));
    }
    if n == 0 {
        return Ok(x.clone());
    }
    let dtype = x.dtype();
    let norm = x.abs()?.sum(-2, true)?.amax(-1, true)?;
    let powers = (0..HALVINGS).map(|k| 2f64.powi(k));
    let limits = Tensor::from(powers.clone().collect::<Vec<_>>().as_slice()).cast(dtype)?;
    let number = |number: f64| Tensor::full((), number, dtype);
    let halves = norm.unsqueeze(-1)?.gt(limits)?.where_(&number(0.5)?, &number(1.0)?)?.prod(-1, false)?;
    let small = x.mul(halves)?;
    let one = Tensor::eye(&n, &n, 0, dtype)?;
    // 1/13! and 1/19! are below the rounding of f32 and f64.
    let terms = if dtype == DType::F64 { 18 } else { 12 };
    let mut y = small.div(f64::from(terms))?.add(&one)?;
    for k in (1..terms).rev() {
        y = small.matmul(&y)?.div(f64::from(k))?.add(&one)?;
    }
    for limit in powers {
        y = norm.gt(limit)?.where_(&y.matmul(&y)?, &y)?;
    }
    norm.le(2f64.powi(HALVINGS))?.where_(&y, &number(f64::NAN)?)
}

/// The powers of values from 0 on, in a last axis: as many as there are values where no count is given.
fn powers(x: &Tensor, count: Option<i64>) -> Result<Tensor> {
    let x = if x.dtype().is_float() { x.clone() } else { x.cast(DType::I64)? };
    let x = if x.rank() == 0 { x.unsqueeze(0)? } else { x };
    let n = match count {
        Some(n) => n,
        None => x.dim(-1)?.fixed().ok_or_else(|| Error::size("the matrix size must be fixed"))?,
    };
    if n <= 0 {
        let shape: Vec<Dim> = x.shape().iter().cloned().chain([Dim::Fixed(0)]).collect();
        return Tensor::zeros(&shape, x.dtype());
    }
    let one = Tensor::ones((), x.dtype())?.expand(x.shape())?;
    let mut powers = vec![one];
    for _ in 1..n {
        let last = powers.last().map_or(Ok(x.clone()), |last| last.mul(&x))?;
        powers.push(last);
    }
    Tensor::stack(&powers.iter().collect::<Vec<_>>(), -1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: &Tensor, expected: &[f32]) {
        for (got, expected) in got.to_vec::<f32>().unwrap().into_iter().zip(expected) {
            assert!((got - expected).abs() < 1e-4, "{got}, expected {expected}");
        }
    }

    #[test]
    fn elimination_exchanges_rows_where_the_pivot_is_zero() {
        let x = Tensor::new([3, 3], vec![0.0f32, 2.0, 1.0, 1.0, 1.0, 0.0, 2.0, 0.0, 3.0]).unwrap();
        // 0·(1·3 − 0·0) − 2·(1·3 − 0·2) + 1·(1·0 − 1·2)
        close(&x.det().unwrap(), &[-8.0]);
        close(&x.inverse().unwrap().matmul(&x).unwrap(), &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
        let (p, l, u) = x.lu().unwrap();
        close(&p.matmul(&l).unwrap().matmul(&u).unwrap(), &x.to_vec::<f32>().unwrap());
        close(&x.matrix_power(-2).unwrap().matmul(&x.matrix_power(2).unwrap()).unwrap(), &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn a_singular_matrix_has_the_determinant_zero() {
        let x = Tensor::new([2, 2], vec![1.0f32, 2.0, 2.0, 4.0]).unwrap();
        close(&x.det().unwrap(), &[0.0]);
    }

    #[test]
    fn the_exponential_of_a_rotation_is_a_rotation() {
        let x = Tensor::new([2, 2, 2], vec![0.0f32, -2.0, 2.0, 0.0, 10.0, 0.0, 0.0, -40.0]).unwrap();
        let (cos, sin) = (2f32.cos(), 2f32.sin());
        close(
            &x.matrix_exp().unwrap().mul(Tensor::new([2, 1, 1], vec![1.0f32, (-10f32).exp()]).unwrap()).unwrap(),
            &[cos, -sin, sin, cos, 1.0, 0.0, 0.0, 0.0],
        );
        // A nilpotent matrix: the series ends.
        let x = Tensor::new([2, 2], vec![0.0f32, 3000.0, 0.0, 0.0]).unwrap();
        close(&x.matrix_exp().unwrap(), &[1.0, 3000.0, 0.0, 1.0]);
    }

    #[test]
    fn the_columns_of_vandermonde_are_powers() {
        let x = Tensor::from(&[2.0f32, 3.0]);
        close(&x.vander(Some(3)).unwrap(), &[1.0, 2.0, 4.0, 1.0, 3.0, 9.0]);
    }

    #[test]
    fn too_large_a_matrix_is_refused() {
        let x = Tensor::zeros([100i64, 100], DType::F32).unwrap();
        assert_eq!(x.det().err().map(|error| error.code()), Some(crate::ErrorCode::Unsupported));
    }
}
