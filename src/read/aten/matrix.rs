//! Decompositions of matrices that end after as many steps as there are columns, written out.
//!
//! Each step costs some fifteen nodes, so only small fixed sizes are decomposed. What needs eigenvalues has no finite form and no row.

use super::args::Args;
use super::layout;
use super::row::{Row, one, tuple};
use crate::array::DType;
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::tensor::{Tensor, size};

/// The largest matrix whose elimination is written out.
const LARGEST: i64 = 64;

pub(super) const ROWS: &[Row] = &[
    one("linalg_det(Tensor A) -> Tensor", |a| Lu::of(&a.tensor("A")?)?.determinant()),
    tuple("linalg_slogdet(Tensor A) -> (Tensor sign, Tensor logabsdet)", |a| {
        let (sign, log) = Lu::of(&a.tensor("A")?)?.log_determinant()?;
        Ok(vec![sign, log])
    }),
    one("logdet(Tensor self) -> Tensor", |a| Lu::of(&a.tensor("self")?)?.determinant()?.log()),
    one("linalg_inv(Tensor A) -> Tensor", |a| inverse(&a.tensor("A")?)),
    tuple("linalg_inv_ex(Tensor A, *, bool check_errors=False) -> (Tensor inverse, Tensor info)", |a| {
        let x = a.tensor("A")?;
        Ok(vec![inverse(&x)?, no_errors(&x)?])
    }),
    one("linalg_solve(Tensor A, Tensor B, *, bool left=True) -> Tensor", |a| solve(&a.tensor("A")?, &a.tensor("B")?, a.flag("left")?)),
    tuple("linalg_solve_ex(Tensor A, Tensor B, *, bool left=True, bool check_errors=False) -> (Tensor result, Tensor info)", |a| {
        let x = a.tensor("A")?;
        Ok(vec![solve(&x, &a.tensor("B")?, a.flag("left")?)?, no_errors(&x)?])
    }),
    tuple("linalg_lu(Tensor A, *, bool pivot=True) -> (Tensor P, Tensor L, Tensor U)", |a| Lu::of(&a.tensor("A")?)?.factors()),
    tuple("linalg_lu_factor(Tensor A, *, bool pivot=True) -> (Tensor LU, Tensor pivots)", |a| {
        let lu = Lu::of(&a.tensor("A")?)?;
        Ok(vec![lu.packed, lu.pivots])
    }),
    tuple("linalg_lu_factor_ex(Tensor A, *, bool pivot=True, bool check_errors=False) -> (Tensor LU, Tensor pivots, Tensor info)", |a| {
        let lu = Lu::of(&a.tensor("A")?)?;
        Ok(vec![lu.packed, lu.pivots, no_errors(&a.tensor("A")?)?])
    }),
    tuple("_lu_with_info(Tensor self, bool pivot=True, bool check_errors=True) -> (Tensor LU, Tensor pivots, Tensor info)", |a| {
        let lu = Lu::of(&a.tensor("self")?)?;
        Ok(vec![lu.packed, lu.pivots, no_errors(&a.tensor("self")?)?])
    }),
    one("linalg_lu_solve(Tensor LU, Tensor pivots, Tensor B, *, bool left=True, bool adjoint=False) -> Tensor", |a| {
        lu_solve(&a.tensor("LU")?, &a.tensor("pivots")?, &a.tensor("B")?, a.flag("left")?, a.flag("adjoint")?)
    }),
    one("lu_solve(Tensor self, Tensor LU_data, Tensor LU_pivots) -> Tensor", |a| {
        lu_solve(&a.tensor("LU_data")?, &a.tensor("LU_pivots")?, &a.tensor("self")?, true, false)
    }),
    tuple(
        "lu_unpack(Tensor LU_data, Tensor LU_pivots, bool unpack_data=True, bool unpack_pivots=True) -> (Tensor P, Tensor L, Tensor U)",
        |a| {
            let packed = a.tensor("LU_data")?;
            let (rows, columns) = size(&packed)?;
            let order = order_of(&a.tensor("LU_pivots")?, rows)?;
            let empty = Tensor::zeros([0], packed.dtype())?;
            let permutation = if a.flag("unpack_pivots")? { permutation(&order, rows, packed.dtype())? } else { empty.clone() };
            if !a.flag("unpack_data")? {
                return Ok(vec![permutation, empty.clone(), empty]);
            }
            let (lower, upper) = unpacked(&packed, rows, columns)?;
            Ok(vec![permutation, lower, upper])
        },
    ),
    one("linalg_cholesky(Tensor self, *, bool upper=False) -> Tensor", |a| cholesky(&a.tensor("self")?, a.flag("upper")?)),
    tuple("linalg_cholesky_ex(Tensor self, *, bool upper=False, bool check_errors=False) -> (Tensor L, Tensor info)", |a| {
        let x = a.tensor("self")?;
        Ok(vec![cholesky(&x, a.flag("upper")?)?, no_errors(&x)?])
    }),
    one("cholesky(Tensor self, bool upper=False) -> Tensor", |a| cholesky(&a.tensor("self")?, a.flag("upper")?)),
    one("cholesky_solve(Tensor self, Tensor input2, bool upper=False) -> Tensor", |a| {
        let (b, factor) = (a.tensor("self")?, a.tensor("input2")?);
        let lower = if a.flag("upper")? { factor.transpose(-2, -1)? } else { factor };
        triangular(&lower.transpose(-2, -1)?, &triangular(&lower, &b, false, false)?, true, false)
    }),
    one("cholesky_inverse(Tensor self, bool upper=False) -> Tensor", |a| {
        let factor = a.tensor("self")?;
        let lower = if a.flag("upper")? { factor.transpose(-2, -1)? } else { factor };
        let (n, _) = size(&lower)?;
        let root = triangular(&lower, &identity(n, lower.dtype())?, false, false)?;
        root.transpose(-2, -1)?.matmul(&root)
    }),
    one("linalg_solve_triangular(Tensor self, Tensor B, *, bool upper, bool left=True, bool unitriangular=False) -> Tensor", |a| {
        let (x, b, upper, unit) = (a.tensor("self")?, a.tensor("B")?, a.flag("upper")?, a.flag("unitriangular")?);
        if a.flag("left")? {
            return triangular(&x, &b, upper, unit);
        }
        triangular(&x.transpose(-2, -1)?, &b.transpose(-2, -1)?, !upper, unit)?.transpose(-2, -1)
    }),
    tuple(
        "triangular_solve(Tensor self, Tensor A, bool upper=True, bool transpose=False, bool unitriangular=False) -> (Tensor solution, Tensor cloned_coefficient)",
        |a| {
            let (b, x, upper) = (a.tensor("self")?, a.tensor("A")?, a.flag("upper")?);
            let solution = match a.flag("transpose")? {
                true => triangular(&x.transpose(-2, -1)?, &b, !upper, a.flag("unitriangular")?)?,
                false => triangular(&x, &b, upper, a.flag("unitriangular")?)?,
            };
            Ok(vec![solution, x])
        },
    ),
    tuple("linalg_qr(Tensor A, str mode=\"reduced\") -> (Tensor Q, Tensor R)", |a| {
        let x = a.tensor("A")?;
        let (rows, columns) = size(&x)?;
        let (packed, tau) = reflections(&x)?;
        let kept = if a.opt_str("mode")? == Some("complete") { rows } else { rows.min(columns) };
        let upper = packed.triu(0)?.slice(-2, ..kept)?;
        if a.opt_str("mode")? == Some("r") {
            return Ok(vec![Tensor::zeros([0], x.dtype())?, upper]);
        }
        Ok(vec![reflected(&packed, &tau, rows)?.slice(-1, ..kept)?, upper])
    }),
    tuple(
        "linalg_lstsq(Tensor self, Tensor b, float? rcond=None, *, str? driver=None) -> (Tensor solution, Tensor residuals, Tensor rank, Tensor singular_values)",
        |a| match a.opt_str("driver")? {
            Some("gels") => least_squares(&a.tensor("self")?, &a.tensor("b")?),
            // The others find out the rank, by estimates of singular values.
            _ => Err(Error::unsupported("lstsq is supported for matrices of full rank only").help("driver=\"gels\" assumes full rank")),
        },
    ),
    tuple("geqrf(Tensor self) -> (Tensor a, Tensor tau)", |a| reflections(&a.tensor("self")?).map(|(packed, tau)| vec![packed, tau])),
    one("linalg_householder_product(Tensor input, Tensor tau) -> Tensor", |a| {
        let packed = a.tensor("input")?;
        let (rows, columns) = size(&packed)?;
        reflected(&packed, &a.tensor("tau")?, rows)?.slice(-1, ..columns)
    }),
    one("ormqr(Tensor self, Tensor input2, Tensor input3, bool left=True, bool transpose=False) -> Tensor", |a| {
        let (packed, other) = (a.tensor("self")?, a.tensor("input3")?);
        let (rows, _) = size(&packed)?;
        let q = reflected(&packed, &a.tensor("input2")?, rows)?;
        let q = if a.flag("transpose")? { q.transpose(-2, -1)? } else { q };
        if a.flag("left")? { q.matmul(&other) } else { other.matmul(&q) }
    }),
    one("linalg_matrix_power(Tensor self, int n) -> Tensor", |a| power(&a.tensor("self")?, a.int("n")?)),
    one("matrix_power(Tensor self, int n) -> Tensor", |a| power(&a.tensor("self")?, a.int("n")?)),
    one("linalg_matrix_exp(Tensor self) -> Tensor", |a| exponential(&a.tensor("self")?)),
    one("linalg_tensorinv(Tensor self, int ind=2) -> Tensor", |a| {
        let (x, split) = (a.tensor("self")?, a.int("ind")? as usize);
        if split > x.rank() {
            return Err(Error::argument(format!("{split} does not fit {} axes", x.rank())));
        }
        let (front, back) = (x.shape()[..split].to_vec(), x.shape()[split..].to_vec());
        let n = front.iter().fold(Dim::Fixed(1), |n, dim| n * dim);
        inverse(&x.reshape(&[n.clone(), n])?)?.reshape(&[back, front].concat())
    }),
    one("linalg_tensorsolve(Tensor self, Tensor other, int[]? dims=None) -> Tensor", |a| {
        let (mut x, b) = (a.tensor("self")?, a.tensor("other")?);
        if let Some(axes) = a.opt_ints("dims")? {
            let axes = axes.into_iter().map(|axis| crate::dim::axis(axis, x.rank())).collect::<Result<Vec<_>>>()?;
            let order: Vec<i64> =
                (0..x.rank()).filter(|axis| !axes.contains(axis)).chain(axes.iter().copied()).map(|axis| axis as i64).collect();
            x = x.permute(&order)?;
        }
        let back = x.shape()[b.rank()..].to_vec();
        let n = b.numel();
        solve(&x.reshape(&[n.clone(), n.clone()])?, &b.reshape(&[n])?, true)?.reshape(&back)
    }),
    one(
        "linalg_matrix_norm(Tensor self, str ord='fro', int[] dim=[-2,-1], bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
        |a| {
            let x = typed(a)?;
            matrix_norm(&x, a.opt_str("ord")?.unwrap_or("fro"), None, &a.ints("dim")?, a.flag("keepdim")?)
        },
    ),
    one("linalg_matrix_norm(Tensor self, Scalar ord, int[] dim=[-2,-1], bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        let x = typed(a)?;
        matrix_norm(&x, "", Some(a.float("ord")?), &a.ints("dim")?, a.flag("keepdim")?)
    }),
    one("linalg_norm(Tensor self, Scalar? ord=None, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        let (x, order, axes, keep) = (typed(a)?, a.opt_float("ord")?, a.opt_ints("dim")?, a.flag("keepdim")?);
        match (order, &axes) {
            (None, axes) => x.norm(2.0, axes.as_deref(), keep),
            (Some(p), None) if x.rank() == 2 => matrix_norm(&x, "", Some(p), &[0, 1], keep),
            (Some(p), Some(two)) if two.len() == 2 => matrix_norm(&x, "", Some(p), two, keep),
            (Some(p), axes) => x.norm(p, axes.as_deref(), keep),
        }
    }),
    one("linalg_norm(Tensor self, str ord, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        let axes = a.opt_ints("dim")?.unwrap_or_else(|| vec![0, 1]);
        matrix_norm(&typed(a)?, a.opt_str("ord")?.unwrap_or("fro"), None, &axes, a.flag("keepdim")?)
    }),
    one("linalg_cond(Tensor self, Scalar? p=None) -> Tensor", |a| {
        let x = a.tensor("self")?;
        let norm = |x: &Tensor| matrix_norm(x, "", Some(a.opt_float("p")?.unwrap_or(2.0)), &[-2, -1], false);
        norm(&x)?.mul(norm(&inverse(&x)?)?)
    }),
    one("linalg_cond(Tensor self, str p) -> Tensor", |a| {
        let x = a.tensor("self")?;
        let norm = |x: &Tensor| matrix_norm(x, a.opt_str("p")?.unwrap_or("fro"), None, &[-2, -1], false);
        norm(&x)?.mul(norm(&inverse(&x)?)?)
    }),
    tuple("_linalg_det(Tensor A) -> (Tensor result, Tensor LU, Tensor pivots)", |a| {
        let lu = Lu::of(&stored(a)?)?;
        Ok(vec![lu.determinant()?, lu.packed, lu.pivots])
    }),
    tuple("_linalg_slogdet(Tensor A) -> (Tensor sign, Tensor logabsdet, Tensor LU, Tensor pivots)", |a| {
        let lu = Lu::of(&stored(a)?)?;
        let (sign, log) = lu.log_determinant()?;
        Ok(vec![sign, log, lu.packed, lu.pivots])
    }),
    tuple(
        "_linalg_solve_ex(Tensor A, Tensor B, *, bool left=True, bool check_errors=False) -> (Tensor result, Tensor LU, Tensor pivots, Tensor info)",
        |a| {
            let (x, lu) = (a.tensor("A")?, Lu::of(&a.tensor("A")?)?);
            Ok(vec![solve(&x, &a.tensor("B")?, a.flag("left")?)?, lu.packed, lu.pivots, no_errors(&x)?])
        },
    ),
    one("linalg_vander(Tensor x, *, SymInt? N=None) -> Tensor", |a| powers(&a.tensor("x")?, a.opt_ints("N")?.map(|n| n[0]))),
    one("vander(Tensor x, int? N=None, bool increasing=False) -> Tensor", |a| {
        let columns = powers(&a.tensor("x")?, a.opt_ints("N")?.map(|n| n[0]))?;
        if a.flag("increasing")? { Ok(columns) } else { columns.flip(&[-1]) }
    }),
];

/// The matrix as LAPACK finds it, column by column: for a determinant torch hands over the transpose of one whose rows lie in order.
fn stored(a: &Args) -> Result<Tensor> {
    let x = a.tensor("A")?;
    if layout::is_contiguous(x.shape(), a.view("A")?.strides()) { x.transpose(-2, -1) } else { Ok(x) }
}

/// The powers of numbers from 0 on, in a last axis: as many as there are numbers where no count is given.
fn powers(x: &Tensor, count: Option<i64>) -> Result<Tensor> {
    let x = if x.dtype().is_float() { x.clone() } else { x.cast(DType::I64)? };
    let x = if x.rank() == 0 { x.unsqueeze(0)? } else { x };
    let n = match count {
        Some(n) => n,
        None => x.dim(-1)?.fixed().ok_or_else(|| Error::size("the matrix size must be fixed"))?,
    };
    let one = x.mul(0)?.add(1)?;
    let mut powers = vec![one];
    for _ in 1..n {
        let last = powers.last().map_or(Ok(x.clone()), |last| last.mul(&x))?;
        powers.push(last);
    }
    Tensor::stack(&powers.iter().take(n.max(0) as usize).collect::<Vec<_>>(), -1)
}

fn typed(a: &Args) -> Result<Tensor> {
    let x = a.tensor("self")?;
    a.opt_dtype("dtype")?.map_or(Ok(x.clone()), |dtype| x.cast(dtype))
}

/// The rows and columns of the matrices in the last two axes.
pub(super) fn size(x: &Tensor) -> Result<(i64, i64)> {
    let length = |axis: i64| x.dim(axis)?.fixed().ok_or_else(|| Error::size("a matrix decomposition needs a fixed size"));
    let (rows, columns) = (length(-2)?, length(-1)?);
    if rows.max(columns) > LARGEST {
        return Err(Error::unsupported(format!(
            "the decomposition of a {rows} × {columns} matrix is not supported: it is unrolled, up to size {LARGEST}"
        )));
    }
    Ok((rows, columns))
}

/// LAPACK's word that nothing went wrong, which the numbers themselves say as well.
pub(super) fn no_errors(x: &Tensor) -> Result<Tensor> {
    Tensor::zeros(&x.shape()[..x.rank() - 2], DType::I32)
}

fn identity(n: i64, dtype: DType) -> Result<Tensor> {
    Tensor::eye(&n.into(), &n.into(), 0, dtype)
}

/// Which of n places are after the k-th, as a column (or a row).
pub(super) fn after(n: i64, k: i64, column: bool) -> Result<Tensor> {
    let places: Vec<bool> = (0..n).map(|i| i > k).collect();
    Tensor::from(places.as_slice()).reshape(&if column { [n, 1] } else { [1, n] })
}

/// One row (or column) with its axis kept.
pub(super) fn row(x: &Tensor, k: i64) -> Result<Tensor> {
    x.narrow(-2, k, 1i64)
}

pub(super) fn column(x: &Tensor, k: i64) -> Result<Tensor> {
    x.narrow(-1, k, 1i64)
}

/// Gauss's elimination with the largest pivot of each column.
struct Lu {
    /// L below the diagonal, U on and above it.
    packed: Tensor,
    /// The row that each step exchanged with its own, counted from 1, as LAPACK does.
    pivots: Tensor,
    /// Which row of the matrix stands in each place.
    order: Tensor,
    /// 1 or −1: the determinant of the permutation.
    parity: Tensor,
    rows: i64,
    columns: i64,
}

/// Two places of an order exchanged; `other` is a tensor.
fn exchanged(order: &Tensor, k: i64, other: &Tensor, n: i64) -> Result<Tensor> {
    let places = Tensor::arange(0, n, 1, DType::I64)?;
    let (here, there) = (order.narrow(-1, k, 1i64)?, order.gather(-1, other)?);
    let order = places.eq(other)?.where_(&here, order)?;
    places.eq(k)?.where_(&there, &order)
}

/// The rows of a matrix in another order.
pub(super) fn ordered(x: &Tensor, order: &Tensor) -> Result<Tensor> {
    let mut shape = order.shape().to_vec();
    shape.push(x.dim(-1)?);
    let shape = crate::dim::Shape::new(shape);
    let x = x.expand(&shape)?;
    x.gather(-2, &order.unsqueeze(-1)?.expand(&shape)?)
}

impl Lu {
    fn of(x: &Tensor) -> Result<Lu> {
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

    fn determinant(&self) -> Result<Tensor> {
        if self.rows != self.columns {
            return Err(Error::shape(format!("the determinant needs a square matrix, got {} × {}", self.rows, self.columns)));
        }
        self.diagonal()?.prod(-1, false)?.mul(&self.parity)
    }

    /// The sign of the determinant, and the logarithm of its size.
    fn log_determinant(&self) -> Result<(Tensor, Tensor)> {
        let diagonal = self.diagonal()?;
        let sign = self.parity.mul(diagonal.sign()?.prod(-1, false)?)?;
        Ok((sign, diagonal.abs()?.log()?.sum(-1, false)?))
    }

    fn factors(&self) -> Result<Vec<Tensor>> {
        let (lower, upper) = unpacked(&self.packed, self.rows, self.columns)?;
        Ok(vec![permutation(&self.order, self.rows, self.packed.dtype())?, lower, upper])
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
fn least_squares(x: &Tensor, b: &Tensor) -> Result<Vec<Tensor>> {
    let (rows, columns) = size(x)?;
    let vector = b.rank() + 1 == x.rank();
    let b = if vector { b.unsqueeze(-1)? } else { b.clone() };
    let front = |t: &Tensor| crate::dim::Shape::new(t.shape()[..t.rank() - 2].to_vec());
    let batch = size::broadcast(&front(x), &front(&b))?;
    let wide = |t: &Tensor| t.expand(&[batch.to_vec(), t.shape()[t.rank() - 2..].to_vec()].concat());
    let (x, b) = (wide(x)?, wide(&b)?);
    let nothing = |dtype| Tensor::zeros([0], dtype);
    let mut left = nothing(x.dtype())?;
    let y = if rows >= columns {
        let (packed, tau) = reflections(&x)?;
        let turned = reflected(&packed, &tau, rows)?.transpose(-2, -1)?.matmul(&b)?;
        if rows > columns {
            left = turned.slice(-2, columns..)?.square()?.sum(-2, false)?;
        }
        triangular(&packed.narrow(-2, 0, columns)?, &turned.narrow(-2, 0, columns)?, true, false)?
    } else {
        let (packed, tau) = reflections(&x.transpose(-2, -1)?)?;
        let part = triangular(&packed.narrow(-2, 0, rows)?.transpose(-2, -1)?, &b, false, false)?;
        reflected(&packed, &tau, columns)?.narrow(-1, 0, rows)?.matmul(&part)?
    };
    Ok(vec![if vector { y.squeeze_axes(&[-1])? } else { y }, left, nothing(DType::I64)?, nothing(x.dtype())?])
}

fn substituted(packed: &Tensor, order: &Tensor, b: &Tensor) -> Result<Tensor> {
    let front = crate::dim::Shape::new(packed.shape()[..packed.rank() - 2].to_vec());
    let front = size::broadcast(&front, &crate::dim::Shape::new(b.shape()[..b.rank() - 2].to_vec()))?;
    let wide = |t: &Tensor, axes: usize| t.expand(&[front.to_vec(), t.shape()[t.rank() - axes..].to_vec()].concat());
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
    let turned = packed.transpose(-2, -1)?;
    let y = triangular(&turned, &triangular(&turned, b, false, false)?, true, true)?;
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
        let place = Tensor::arange(0, rows, 1, DType::I64)?.eq(k)?.unsqueeze(-1)?;
        let whole = place.where_(&one, &vector)?;
        let turned = packed.sub(whole.mul(whole.transpose(-2, -1)?.matmul(&packed)?)?.mul(&tau)?)?;
        // Columns before stay as they were packed; this one holds its head and its vector.
        let later = after(columns, k, false)?;
        let own = Tensor::arange(0, columns, 1, DType::I64)?.eq(k)?;
        let above = after(rows, k - 1, true)?.logical_not()?;
        let new = above.where_(&packed, &place.where_(&target, &vector)?)?;
        packed = later.where_(&turned, &own.where_(&new, &packed)?)?;
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
        let place = Tensor::arange(0, rows, 1, DType::I64)?.eq(k)?.unsqueeze(-1)?;
        let vector = place.where_(&one, &below)?;
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

/// The norms of matrices that need no singular values.
fn matrix_norm(x: &Tensor, name: &str, order: Option<f64>, axes: &[i64], keep: bool) -> Result<Tensor> {
    let &[rows, columns] = axes else { return Err(Error::argument("a matrix norm needs two axes")) };
    let (rows, columns) = (x.shape().axis(rows)? as i64, x.shape().axis(columns)? as i64);
    let sums = |along: i64, across: i64, largest: bool| -> Result<Tensor> {
        let sums = x.abs()?.sum(along, true)?;
        let y = if largest { sums.amax(across, true)? } else { sums.amin(across, true)? };
        if keep { Ok(y) } else { y.squeeze_axes(&[rows, columns]) }
    };
    match (name, order) {
        ("fro", None) => x.norm(2.0, [rows, columns], keep),
        (_, Some(p)) if p.abs() == 1.0 => sums(rows, columns, p > 0.0),
        (_, Some(p)) if p.is_infinite() => sums(columns, rows, p > 0.0),
        _ => Err(Error::unsupported("this matrix norm needs singular values, which ONNX cannot express")),
    }
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
        close(&Lu::of(&x).unwrap().determinant().unwrap(), &[-8.0]);
        close(&inverse(&x).unwrap().matmul(&x).unwrap(), &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
        let factors = Lu::of(&x).unwrap().factors().unwrap();
        close(&factors[0].matmul(&factors[1]).unwrap().matmul(&factors[2]).unwrap(), &x.to_vec::<f32>().unwrap());
        close(&power(&x, -2).unwrap().matmul(&power(&x, 2).unwrap()).unwrap(), &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn a_singular_matrix_has_the_determinant_zero() {
        let x = Tensor::new([2, 2], vec![1.0f32, 2.0, 2.0, 4.0]).unwrap();
        close(&Lu::of(&x).unwrap().determinant().unwrap(), &[0.0]);
    }

    #[test]
    fn the_exponential_of_a_rotation_is_a_rotation() {
        let x = Tensor::new([2, 2, 2], vec![0.0f32, -2.0, 2.0, 0.0, 10.0, 0.0, 0.0, -40.0]).unwrap();
        let (cos, sin) = (2f32.cos(), 2f32.sin());
        close(
            &exponential(&x).unwrap().mul(Tensor::new([2, 1, 1], vec![1.0f32, (-10f32).exp()]).unwrap()).unwrap(),
            &[cos, -sin, sin, cos, 1.0, 0.0, 0.0, 0.0],
        );
        // A nilpotent matrix: the series ends.
        let x = Tensor::new([2, 2], vec![0.0f32, 3000.0, 0.0, 0.0]).unwrap();
        close(&exponential(&x).unwrap(), &[1.0, 3000.0, 0.0, 1.0]);
    }

    #[test]
    fn the_columns_of_vandermonde_are_powers_from_the_highest_down() {
        let x: super::super::value::Value = Tensor::from(&[2.0f32, 3.0]).into();
        let y = super::super::table::call("vander", &[x, super::super::value::Value::Int(3.into())], &[]).unwrap();
        close(&y.view().unwrap().read().unwrap(), &[4.0, 2.0, 1.0, 9.0, 3.0, 1.0]);
    }

    #[test]
    fn too_large_a_matrix_is_refused() {
        let x = Tensor::zeros([100i64, 100], DType::F32).unwrap();
        assert_eq!(Lu::of(&x).err().map(|error| error.code()), Some(crate::ErrorCode::Unsupported));
    }
}
