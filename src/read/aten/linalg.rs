//! Linear algebra on matrices: decompositions, equations, norms.

use super::args::Args;
use super::layout;
use super::row::{Row, one, tuple};
use crate::array::DType;
use crate::error::{Error, Result};
use crate::ops::{Lu, MatrixNorm};
use crate::tensor::Tensor;

pub(super) const ROWS: &[Row] = &[
    one("linalg_det(Tensor A) -> Tensor", |a| a.tensor("A")?.det()),
    tuple("linalg_slogdet(Tensor A) -> (Tensor sign, Tensor logabsdet)", |a| {
        let (sign, log) = a.tensor("A")?.slogdet()?;
        Ok(vec![sign, log])
    }),
    one("logdet(Tensor self) -> Tensor", |a| a.tensor("self")?.det()?.log()),
    one("linalg_inv(Tensor A) -> Tensor", |a| a.tensor("A")?.inverse()),
    tuple("linalg_inv_ex(Tensor A, *, bool check_errors=False) -> (Tensor inverse, Tensor info)", |a| {
        let x = a.tensor("A")?;
        Ok(vec![x.inverse()?, zero_pivot(&x.lu_factor()?.0)?])
    }),
    one("linalg_solve(Tensor A, Tensor B, *, bool left=True) -> Tensor", |a| a.tensor("A")?.solve(&a.tensor("B")?, a.flag("left")?)),
    tuple("linalg_solve_ex(Tensor A, Tensor B, *, bool left=True, bool check_errors=False) -> (Tensor result, Tensor info)", |a| {
        let x = a.tensor("A")?;
        Ok(vec![x.solve(&a.tensor("B")?, a.flag("left")?)?, zero_pivot(&x.lu_factor()?.0)?])
    }),
    tuple("linalg_lu(Tensor A, *, bool pivot=True) -> (Tensor P, Tensor L, Tensor U)", |a| {
        a.tensor("A")?.lu().map(|(p, l, u)| vec![p, l, u])
    }),
    tuple("linalg_lu_factor(Tensor A, *, bool pivot=True) -> (Tensor LU, Tensor pivots)", |a| {
        a.tensor("A")?.lu_factor().map(|(packed, pivots)| vec![packed, pivots])
    }),
    tuple("linalg_lu_factor_ex(Tensor A, *, bool pivot=True, bool check_errors=False) -> (Tensor LU, Tensor pivots, Tensor info)", |a| {
        let (packed, pivots) = a.tensor("A")?.lu_factor()?;
        let info = zero_pivot(&packed)?;
        Ok(vec![packed, pivots, info])
    }),
    tuple("_lu_with_info(Tensor self, bool pivot=True, bool check_errors=True) -> (Tensor LU, Tensor pivots, Tensor info)", |a| {
        let (packed, pivots) = a.tensor("self")?.lu_factor()?;
        let info = zero_pivot(&packed)?;
        Ok(vec![packed, pivots, info])
    }),
    one("linalg_lu_solve(Tensor LU, Tensor pivots, Tensor B, *, bool left=True, bool adjoint=False) -> Tensor", |a| {
        a.tensor("LU")?.lu_solve(&a.tensor("pivots")?, &a.tensor("B")?, a.flag("left")?, a.flag("adjoint")?)
    }),
    one("lu_solve(Tensor self, Tensor LU_data, Tensor LU_pivots) -> Tensor", |a| {
        a.tensor("LU_data")?.lu_solve(&a.tensor("LU_pivots")?, &a.tensor("self")?, true, false)
    }),
    tuple(
        "lu_unpack(Tensor LU_data, Tensor LU_pivots, bool unpack_data=True, bool unpack_pivots=True) -> (Tensor P, Tensor L, Tensor U)",
        |a| {
            let (permutation, lower, upper) = a.tensor("LU_data")?.lu_unpack(&a.tensor("LU_pivots")?)?;
            let empty = Tensor::zeros([0], lower.dtype())?;
            let part = |wanted: bool, part: Tensor| if wanted { part } else { empty.clone() };
            let (data, pivots) = (a.flag("unpack_data")?, a.flag("unpack_pivots")?);
            Ok(vec![part(pivots, permutation), part(data, lower), part(data, upper)])
        },
    ),
    one("linalg_cholesky(Tensor self, *, bool upper=False) -> Tensor", |a| a.tensor("self")?.cholesky(a.flag("upper")?)),
    tuple("linalg_cholesky_ex(Tensor self, *, bool upper=False, bool check_errors=False) -> (Tensor L, Tensor info)", |a| {
        let x = a.tensor("self")?;
        Ok(vec![x.cholesky(a.flag("upper")?)?, no_errors(&x)?])
    }),
    one("cholesky(Tensor self, bool upper=False) -> Tensor", |a| a.tensor("self")?.cholesky(a.flag("upper")?)),
    one("cholesky_solve(Tensor self, Tensor input2, bool upper=False) -> Tensor", |a| {
        a.tensor("input2")?.cholesky_solve(&a.tensor("self")?, a.flag("upper")?)
    }),
    one("cholesky_inverse(Tensor self, bool upper=False) -> Tensor", |a| a.tensor("self")?.cholesky_inverse(a.flag("upper")?)),
    one("linalg_solve_triangular(Tensor self, Tensor B, *, bool upper, bool left=True, bool unitriangular=False) -> Tensor", |a| {
        a.tensor("self")?.solve_triangular(&a.tensor("B")?, a.flag("upper")?, a.flag("left")?, a.flag("unitriangular")?)
    }),
    tuple(
        "triangular_solve(Tensor self, Tensor A, bool upper=True, bool transpose=False, bool unitriangular=False) -> (Tensor solution, Tensor cloned_coefficient)",
        |a| {
            let (x, upper, transpose) = (a.tensor("A")?, a.flag("upper")?, a.flag("transpose")?);
            let triangle = if transpose { x.transpose(-2, -1)? } else { x.clone() };
            Ok(vec![triangle.solve_triangular(&a.tensor("self")?, upper != transpose, true, a.flag("unitriangular")?)?, x])
        },
    ),
    tuple("linalg_qr(Tensor A, str mode=\"reduced\") -> (Tensor Q, Tensor R)", |a| {
        let x = a.tensor("A")?;
        let mode = a.opt_str("mode")?;
        let (q, r) = x.qr(mode == Some("complete"))?;
        Ok(vec![if mode == Some("r") { Tensor::zeros([0], x.dtype())? } else { q }, r])
    }),
    tuple(
        "linalg_lstsq(Tensor self, Tensor b, float? rcond=None, *, str? driver=None) -> (Tensor solution, Tensor residuals, Tensor rank, Tensor singular_values)",
        least_squares,
    ),
    tuple("geqrf(Tensor self) -> (Tensor a, Tensor tau)", |a| a.tensor("self")?.geqrf().map(|(packed, tau)| vec![packed, tau])),
    one("linalg_householder_product(Tensor input, Tensor tau) -> Tensor", |a| a.tensor("input")?.householder_product(&a.tensor("tau")?)),
    one("ormqr(Tensor self, Tensor input2, Tensor input3, bool left=True, bool transpose=False) -> Tensor", |a| {
        a.tensor("self")?.ormqr(&a.tensor("input2")?, &a.tensor("input3")?, a.flag("left")?, a.flag("transpose")?)
    }),
    one("linalg_matrix_power(Tensor self, int n) -> Tensor", |a| a.tensor("self")?.matrix_power(a.int("n")?)),
    one("matrix_power(Tensor self, int n) -> Tensor", |a| a.tensor("self")?.matrix_power(a.int("n")?)),
    one("linalg_matrix_exp(Tensor self) -> Tensor", |a| a.tensor("self")?.matrix_exp()),
    one("linalg_tensorinv(Tensor self, int ind=2) -> Tensor", |a| {
        let split = usize::try_from(a.int("ind")?).map_err(|_| Error::argument("a negative number of axes"))?;
        a.tensor("self")?.tensorinv(split)
    }),
    one("linalg_tensorsolve(Tensor self, Tensor other, int[]? dims=None) -> Tensor", |a| {
        a.tensor("self")?.tensorsolve(&a.tensor("other")?, &a.opt_ints("dims")?.unwrap_or_default())
    }),
    one(
        "linalg_matrix_norm(Tensor self, str ord='fro', int[] dim=[-2,-1], bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
        |a| typed(a)?.matrix_norm(named_norm(a.opt_str("ord")?)?, &a.ints("dim")?, a.flag("keepdim")?),
    ),
    one("linalg_matrix_norm(Tensor self, Scalar ord, int[] dim=[-2,-1], bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        typed(a)?.matrix_norm(MatrixNorm::Order(a.float("ord")?), &a.ints("dim")?, a.flag("keepdim")?)
    }),
    one("linalg_norm(Tensor self, Scalar? ord=None, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        let (x, order, axes, keep) = (typed(a)?, a.opt_float("ord")?, a.opt_ints("dim")?, a.flag("keepdim")?);
        match (order, &axes) {
            (None, axes) => x.norm(2.0, axes.as_deref(), keep),
            (Some(p), None) if x.rank() == 2 => x.matrix_norm(MatrixNorm::Order(p), &[0, 1], keep),
            (Some(p), Some(two)) if two.len() == 2 => x.matrix_norm(MatrixNorm::Order(p), two, keep),
            (Some(p), axes) => x.norm(p, axes.as_deref(), keep),
        }
    }),
    one("linalg_norm(Tensor self, str ord, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        let axes = a.opt_ints("dim")?.unwrap_or_else(|| vec![0, 1]);
        typed(a)?.matrix_norm(named_norm(a.opt_str("ord")?)?, &axes, a.flag("keepdim")?)
    }),
    one("linalg_svdvals(Tensor A, *, str? driver=None) -> Tensor", |a| a.tensor("A")?.svdvals()),
    tuple("linalg_svd(Tensor A, bool full_matrices=True, *, str? driver=None) -> (Tensor U, Tensor S, Tensor Vh)", |a| {
        let (u, s, vh) = a.tensor("A")?.svd(a.flag("full_matrices")?)?;
        Ok(vec![u, s, vh])
    }),
    tuple(
        "_linalg_svd(Tensor A, bool full_matrices=False, bool compute_uv=True, *, str? driver=None) -> (Tensor U, Tensor S, Tensor Vh)",
        |a| {
            let x = a.tensor("A")?;
            if a.flag("compute_uv")? {
                let (u, s, vh) = x.svd(a.flag("full_matrices")?)?;
                return Ok(vec![u, s, vh]);
            }
            let nothing = Tensor::zeros([0], x.dtype())?;
            Ok(vec![nothing.clone(), x.svdvals()?, nothing])
        },
    ),
    tuple("svd(Tensor self, bool some=True, bool compute_uv=True) -> (Tensor U, Tensor S, Tensor V)", |a| {
        let x = a.tensor("self")?;
        if a.flag("compute_uv")? {
            let (u, s, vh) = x.svd(!a.flag("some")?)?;
            return Ok(vec![u, s, vh.transpose(-2, -1)?]);
        }
        // Square matrices of zeros stand for the vectors.
        let square = |axis: i64| Tensor::zeros([&x.shape()[..x.rank() - 2], &[x.dim(axis)?, x.dim(axis)?]].concat(), x.dtype());
        Ok(vec![square(-2)?, x.svdvals()?, square(-1)?])
    }),
    tuple("linalg_polar(Tensor A) -> (Tensor U, Tensor H)", |a| a.tensor("A")?.polar_decomposition().map(|(u, h)| vec![u, h])),
    tuple("linalg_eigh(Tensor self, str UPLO='L') -> (Tensor eigenvalues, Tensor eigenvectors)", |a| {
        a.tensor("self")?.eigh(is_upper(a)?).map(|(values, vectors)| vec![values, vectors])
    }),
    tuple("_linalg_eigh(Tensor A, str UPLO='L', bool compute_v=True) -> (Tensor eigenvalues, Tensor eigenvectors)", |a| {
        let (values, vectors) = a.tensor("A")?.eigh(is_upper(a)?)?;
        let vectors = if a.flag("compute_v")? { vectors } else { Tensor::zeros([0], vectors.dtype())? };
        Ok(vec![values, vectors])
    }),
    one("linalg_eigvalsh(Tensor self, str UPLO='L') -> Tensor", |a| a.tensor("self")?.eigh(is_upper(a)?).map(|(values, _)| values)),
    one("linalg_matrix_sqrth(Tensor self) -> Tensor", |a| a.tensor("self")?.matrix_sqrth()),
    one("nuclear_norm(Tensor self, bool keepdim=False) -> Tensor", |a| {
        a.tensor("self")?.matrix_norm(MatrixNorm::Nuclear, &[-2, -1], a.flag("keepdim")?)
    }),
    one("nuclear_norm(Tensor self, int[2] dim, bool keepdim=False) -> Tensor", |a| {
        a.tensor("self")?.matrix_norm(MatrixNorm::Nuclear, &a.ints("dim")?, a.flag("keepdim")?)
    }),
    one("linalg_matrix_rank(Tensor self, float tol, bool hermitian=False) -> Tensor", |a| rank_above(a, "self")),
    one("linalg_matrix_rank(Tensor input, Tensor tol, bool hermitian=False) -> Tensor", |a| rank_above(a, "input")),
    one("linalg_matrix_rank(Tensor input, *, Tensor? atol=None, Tensor? rtol=None, bool hermitian=False) -> Tensor", |a| rank(a, "input")),
    one("linalg_matrix_rank(Tensor self, *, float? atol=None, float? rtol=None, bool hermitian=False) -> Tensor", |a| rank(a, "self")),
    one("linalg_pinv(Tensor self, float rcond, bool hermitian=False) -> Tensor", pseudoinverse_above),
    one("linalg_pinv(Tensor self, Tensor rcond, bool hermitian=False) -> Tensor", pseudoinverse_above),
    one("linalg_pinv(Tensor self, *, Tensor? atol=None, Tensor? rtol=None, bool hermitian=False) -> Tensor", pseudoinverse),
    one("linalg_pinv(Tensor self, *, float? atol=None, float? rtol=None, bool hermitian=False) -> Tensor", pseudoinverse),
    one("pinverse(Tensor self, float rcond=1e-15) -> Tensor", |a| a.tensor("self")?.pinv(None, Some(&a.tensor("rcond")?))),
    one("linalg_cond(Tensor self, Scalar? p=None) -> Tensor", |a| {
        a.tensor("self")?.cond(MatrixNorm::Order(a.opt_float("p")?.unwrap_or(2.0)))
    }),
    one("linalg_cond(Tensor self, str p) -> Tensor", |a| a.tensor("self")?.cond(named_norm(a.opt_str("p")?)?)),
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
            Ok(vec![x.solve(&a.tensor("B")?, a.flag("left")?)?, lu.packed, lu.pivots, no_errors(&x)?])
        },
    ),
    one("linalg_vander(Tensor x, *, SymInt? N=None) -> Tensor", |a| a.tensor("x")?.vander(a.opt_ints("N")?.map(|n| n[0]))),
    one("vander(Tensor x, int? N=None, bool increasing=False) -> Tensor", |a| {
        let columns = a.tensor("x")?.vander(a.opt_ints("N")?.map(|n| n[0]))?;
        if a.flag("increasing")? { Ok(columns) } else { columns.flip(&[-1]) }
    }),
    tuple("linalg_ldl_factor(Tensor self, *, bool hermitian=False) -> (Tensor LD, Tensor pivots)", |a| {
        a.tensor("self")?.ldl_factor().map(|(packed, pivots)| vec![packed, pivots])
    }),
    tuple(
        "linalg_ldl_factor_ex(Tensor self, *, bool hermitian=False, bool check_errors=False) -> (Tensor LD, Tensor pivots, Tensor info)",
        |a| {
            let (packed, pivots) = a.tensor("self")?.ldl_factor()?;
            Ok(vec![packed, pivots, no_errors(&a.tensor("self")?)?])
        },
    ),
    one("linalg_ldl_solve(Tensor LD, Tensor pivots, Tensor B, *, bool hermitian=False) -> Tensor", |a| {
        a.tensor("LD")?.ldl_solve(&a.tensor("pivots")?, &a.tensor("B")?)
    }),
];

/// The matrix in column-major order, as LAPACK reads it: torch passes the transpose of a contiguous one to the determinant.
fn stored(a: &Args) -> Result<Tensor> {
    let x = a.tensor("A")?;
    if layout::is_contiguous(x.shape(), a.view("A")?.strides()) { x.transpose(-2, -1) } else { Ok(x) }
}

/// A norm of matrices by its name in torch.
fn named_norm(name: Option<&str>) -> Result<MatrixNorm> {
    match name {
        None | Some("fro") => Ok(MatrixNorm::Frobenius),
        Some("nuc") => Ok(MatrixNorm::Nuclear),
        Some(other) => Err(Error::argument(format!("there is no matrix norm `{other}`"))),
    }
}

/// The least squares solution by one of LAPACK's drivers, with what it tells besides.
fn least_squares(a: &Args) -> Result<Vec<Tensor>> {
    let (x, b) = (a.tensor("self")?, a.tensor("b")?);
    let nothing = |dtype| Tensor::zeros([0], dtype);
    let driver = a.opt_str("driver")?.unwrap_or("gelsy");
    if driver == "gels" {
        let (solution, residuals) = x.lstsq(&b)?;
        let dtype = solution.dtype();
        return Ok(vec![solution, residuals, nothing(DType::I64)?, nothing(dtype)?]);
    }
    let (rows, columns) = (x.dim(-2)?, x.dim(-1)?);
    if driver != "gelsy" && rows != columns && rows.fixed().zip(columns.fixed()).is_none_or(|(rows, columns)| rows > columns) {
        return Err(Error::unsupported(format!(
            "lstsq with the driver {driver} and more rows than columns: the size of its residuals depends on the rank"
        ))
        .help("the default driver, gelsy, finds the same solution"));
    }
    // A vector stands for a matrix of one column.
    let vector = b.rank() + 1 == x.rank();
    let relative = a.opt_float("rcond")?.map(|number| Tensor::full((), number, x.dtype())).transpose()?;
    let inverse = x.pinv(None, relative.as_ref())?;
    let solution = if vector { inverse.matmul(&b.unsqueeze(-1)?)?.squeeze_axes(&[-1])? } else { inverse.matmul(&b)? };
    let values = if driver == "gelsy" { nothing(x.dtype())? } else { x.svdvals()? };
    Ok(vec![solution, nothing(x.dtype())?, x.matrix_rank(None, relative.as_ref())?, values])
}

/// Whether the upper triangle of a symmetric matrix counts.
fn is_upper(a: &Args) -> Result<bool> {
    match a.opt_str("UPLO")?.unwrap_or("L") {
        "U" | "u" => Ok(true),
        "L" | "l" => Ok(false),
        other => Err(Error::argument(format!("there is no triangle `{other}`, but \"L\" and \"U\""))),
    }
}

/// The matrix of a call, of which the lower triangle counts where it is said to be symmetric.
fn perhaps_symmetric(a: &Args, name: &str) -> Result<Tensor> {
    let x = a.tensor(name)?;
    if a.flag("hermitian")? { x.symmetric(false) } else { Ok(x) }
}

/// The rank of matrices by the bounds `atol` and `rtol`.
fn rank(a: &Args, matrix: &str) -> Result<Tensor> {
    perhaps_symmetric(a, matrix)?.matrix_rank(a.opt_tensor("atol")?.as_ref(), a.opt_tensor("rtol")?.as_ref())
}

/// The rank of matrices by a bound on their singular values alone.
fn rank_above(a: &Args, matrix: &str) -> Result<Tensor> {
    let x = perhaps_symmetric(a, matrix)?;
    x.matrix_rank(Some(&a.tensor("tol")?), Some(&Tensor::zeros((), x.dtype())?))
}

fn pseudoinverse(a: &Args) -> Result<Tensor> {
    perhaps_symmetric(a, "self")?.pinv(a.opt_tensor("atol")?.as_ref(), a.opt_tensor("rtol")?.as_ref())
}

/// The pseudoinverse by a share of the largest singular value.
fn pseudoinverse_above(a: &Args) -> Result<Tensor> {
    perhaps_symmetric(a, "self")?.pinv(None, Some(&a.tensor("rcond")?))
}

fn typed(a: &Args) -> Result<Tensor> {
    let x = a.tensor("self")?;
    a.opt_dtype("dtype")?.map_or(Ok(x.clone()), |dtype| x.cast(dtype))
}

/// The position, from 1, of the first pivot that is 0, and 0 where there is none: LAPACK's info of a factored matrix.
fn zero_pivot(packed: &Tensor) -> Result<Tensor> {
    let is_zero = packed.diagonal(0, -2, -1)?.eq(0.0)?;
    if is_zero.dim(-1)? == 0 {
        return no_errors(packed);
    }
    let (found, first) = (is_zero.any(-1, false)?, is_zero.cast(DType::I32)?.argmax(Some(-1), false)?);
    found.where_(&first.add(1i64)?.cast(DType::I32)?, &Tensor::zeros((), DType::I32)?)
}

/// LAPACK's status, zero for each matrix: what went wrong shows in the values.
fn no_errors(x: &Tensor) -> Result<Tensor> {
    Tensor::zeros(&x.shape()[..x.rank() - 2], DType::I32)
}
