//! Sums, means, extremes, running sums, order.

use super::args::Args;
use super::row::{Row, one, tuple};
use crate::array::DType;
use crate::error::Result;
use crate::tensor::Tensor;

pub(super) const ROWS: &[Row] = &[
    one("sum(Tensor self, *, ScalarType? dtype=None) -> Tensor", |a| {
        typed(typed(a.tensor("self")?, a.opt_dtype("dtype")?)?.sum(.., false)?, a.opt_dtype("dtype")?)
    }),
    one("sum(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        typed(typed(a.tensor("self")?, a.opt_dtype("dtype")?)?.sum(some(&a.opt_ints("dim")?), a.flag("keepdim")?)?, a.opt_dtype("dtype")?)
    }),
    one("mean(Tensor self, *, ScalarType? dtype=None) -> Tensor", |a| typed(a.tensor("self")?, a.opt_dtype("dtype")?)?.mean(.., false)),
    one("mean(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        typed(a.tensor("self")?, a.opt_dtype("dtype")?)?.mean(some(&a.opt_ints("dim")?), a.flag("keepdim")?)
    }),
    one("prod(Tensor self, *, ScalarType? dtype=None) -> Tensor", |a| {
        typed(typed(a.tensor("self")?, a.opt_dtype("dtype")?)?.prod(.., false)?, a.opt_dtype("dtype")?)
    }),
    one("prod(Tensor self, int dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        typed(typed(a.tensor("self")?, a.opt_dtype("dtype")?)?.prod(a.int("dim")?, a.flag("keepdim")?)?, a.opt_dtype("dtype")?)
    }),
    one("amax(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor", |a| {
        a.tensor("self")?.amax(some(&a.opt_ints("dim")?), a.flag("keepdim")?)
    }),
    one("amin(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor", |a| {
        a.tensor("self")?.amin(some(&a.opt_ints("dim")?), a.flag("keepdim")?)
    }),
    one("max(Tensor self) -> Tensor", |a| a.tensor("self")?.amax(.., false)),
    one("max(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.maximum(a.tensor("other")?)),
    tuple("max(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", |a| {
        a.tensor("self")?.max_along(a.int("dim")?, a.flag("keepdim")?).map(|(values, indices)| vec![values, indices])
    }),
    one("min(Tensor self) -> Tensor", |a| a.tensor("self")?.amin(.., false)),
    one("min(Tensor self, Tensor other) -> Tensor", |a| a.tensor("self")?.minimum(a.tensor("other")?)),
    tuple("min(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", |a| {
        a.tensor("self")?.min_along(a.int("dim")?, a.flag("keepdim")?).map(|(values, indices)| vec![values, indices])
    }),
    one("argmax(Tensor self, int? dim=None, bool keepdim=False) -> Tensor", |a| {
        a.tensor("self")?.argmax(a.opt_ints("dim")?.map(|d| d[0]), a.flag("keepdim")?)
    }),
    one("argmin(Tensor self, int? dim=None, bool keepdim=False) -> Tensor", |a| {
        a.tensor("self")?.argmin(a.opt_ints("dim")?.map(|d| d[0]), a.flag("keepdim")?)
    }),
    one("all(Tensor self) -> Tensor", |a| a.tensor("self")?.all(.., false)),
    one("all(Tensor self, int dim, bool keepdim=False) -> Tensor", |a| a.tensor("self")?.all(a.int("dim")?, a.flag("keepdim")?)),
    one("all(Tensor self, int[]? dim=None, bool keepdim=False) -> Tensor", |a| {
        a.tensor("self")?.all(a.opt_ints("dim")?.as_deref(), a.flag("keepdim")?)
    }),
    one("any(Tensor self) -> Tensor", |a| a.tensor("self")?.any(.., false)),
    one("any(Tensor self, int dim, bool keepdim=False) -> Tensor", |a| a.tensor("self")?.any(a.int("dim")?, a.flag("keepdim")?)),
    one("any(Tensor self, int[]? dim=None, bool keepdim=False) -> Tensor", |a| {
        a.tensor("self")?.any(a.opt_ints("dim")?.as_deref(), a.flag("keepdim")?)
    }),
    one("logsumexp(Tensor self, int[1] dim, bool keepdim=False) -> Tensor", |a| {
        a.tensor("self")?.logsumexp(some(&a.opt_ints("dim")?), a.flag("keepdim")?)
    }),
    one("var(Tensor self, bool unbiased=True) -> Tensor", |a| a.tensor("self")?.var(.., f64::from(u8::from(a.flag("unbiased")?)), false)),
    one("var(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> Tensor", |a| {
        a.tensor("self")?.var(some(&a.opt_ints("dim")?), f64::from(u8::from(a.flag("unbiased")?)), a.flag("keepdim")?)
    }),
    one("var(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor", |a| {
        a.tensor("self")?.var(some(&a.opt_ints("dim")?), a.opt_float("correction")?.unwrap_or(1.0), a.flag("keepdim")?)
    }),
    one("std(Tensor self, bool unbiased=True) -> Tensor", |a| a.tensor("self")?.std(.., f64::from(u8::from(a.flag("unbiased")?)), false)),
    one("std(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> Tensor", |a| {
        a.tensor("self")?.std(some(&a.opt_ints("dim")?), f64::from(u8::from(a.flag("unbiased")?)), a.flag("keepdim")?)
    }),
    one("std(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor", |a| {
        a.tensor("self")?.std(some(&a.opt_ints("dim")?), a.opt_float("correction")?.unwrap_or(1.0), a.flag("keepdim")?)
    }),
    one("norm(Tensor self, Scalar p=2) -> Tensor", |a| a.tensor("self")?.norm(a.float("p")?, .., false)),
    one("norm(Tensor self, Scalar? p, int[1] dim, bool keepdim=False) -> Tensor", |a| {
        a.tensor("self")?.norm(a.opt_float("p")?.unwrap_or(2.0), some(&a.opt_ints("dim")?), a.flag("keepdim")?)
    }),
    one("linalg_vector_norm(Tensor self, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        typed(a.tensor("self")?, a.opt_dtype("dtype")?)?.norm(a.float("ord")?, some(&a.opt_ints("dim")?), a.flag("keepdim")?)
    }),
    tuple("aminmax(Tensor self, *, int? dim=None, bool keepdim=False) -> (Tensor min, Tensor max)", |a| {
        let (x, axes) = (a.tensor("self")?, a.opt_ints("dim")?);
        Ok(vec![x.amin(axes.as_deref(), a.flag("keepdim")?)?, x.amax(axes.as_deref(), a.flag("keepdim")?)?])
    }),
    tuple("var_mean(Tensor self, bool unbiased=True) -> (Tensor, Tensor)", |a| {
        let x = a.tensor("self")?;
        Ok(vec![x.var(.., f64::from(u8::from(a.flag("unbiased")?)), false)?, x.mean(.., false)?])
    }),
    tuple("var_mean(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> (Tensor, Tensor)", |a| {
        moments(a, f64::from(u8::from(a.flag("unbiased")?)), false)
    }),
    tuple("var_mean(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> (Tensor, Tensor)", |a| {
        moments(a, a.opt_float("correction")?.unwrap_or(1.0), false)
    }),
    tuple("std_mean(Tensor self, bool unbiased=True) -> (Tensor, Tensor)", |a| {
        let x = a.tensor("self")?;
        Ok(vec![x.std(.., f64::from(u8::from(a.flag("unbiased")?)), false)?, x.mean(.., false)?])
    }),
    tuple("std_mean(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> (Tensor, Tensor)", |a| {
        moments(a, f64::from(u8::from(a.flag("unbiased")?)), true)
    }),
    tuple("std_mean(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> (Tensor, Tensor)", |a| {
        moments(a, a.opt_float("correction")?.unwrap_or(1.0), true)
    }),
    one("nansum(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        let x = typed(a.tensor("self")?, a.opt_dtype("dtype")?)?;
        typed(without_nan(&x)?.sum(some(&a.opt_ints("dim")?), a.flag("keepdim")?)?, a.opt_dtype("dtype")?)
    }),
    one("nanmean(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        let x = typed(a.tensor("self")?, a.opt_dtype("dtype")?)?;
        let axes = a.opt_ints("dim")?;
        let count = x.is_nan()?.logical_not()?.sum(some(&axes), a.flag("keepdim")?)?;
        without_nan(&x)?.sum(some(&axes), a.flag("keepdim")?)?.div(count.cast(x.dtype())?)
    }),
    one("norm(Tensor self, Scalar? p, *, ScalarType dtype) -> Tensor", |a| {
        typed(a.tensor("self")?, a.opt_dtype("dtype")?)?.norm(a.opt_float("p")?.unwrap_or(2.0), .., false)
    }),
    one("norm(Tensor self, Scalar? p, int[1] dim, bool keepdim=False, *, ScalarType dtype) -> Tensor", |a| {
        typed(a.tensor("self")?, a.opt_dtype("dtype")?)?.norm(
            a.opt_float("p")?.unwrap_or(2.0),
            some(&a.opt_ints("dim")?),
            a.flag("keepdim")?,
        )
    }),
    one("frobenius_norm(Tensor self, int[1] dim, bool keepdim=False) -> Tensor", |a| {
        a.tensor("self")?.norm(2.0, some(&a.opt_ints("dim")?), a.flag("keepdim")?)
    }),
    one("dist(Tensor self, Tensor other, Scalar p=2) -> Tensor", |a| {
        a.tensor("self")?.sub(a.tensor("other")?)?.norm(a.float("p")?, .., false)
    }),
    one("renorm(Tensor self, Scalar p, int dim, Scalar maxnorm) -> Tensor", |a| {
        let (x, most) = (a.tensor("self")?, a.float("maxnorm")?);
        let kept = x.shape().axis(a.int("dim")?)? as i64;
        let axes: Vec<i64> = (0..x.rank() as i64).filter(|&axis| axis != kept).collect();
        let norm = x.norm(a.float("p")?, &axes, true)?;
        let factor = norm.gt(most)?.where_(&norm.add(1e-7)?.reciprocal()?.mul(most)?, &Tensor::ones((), x.dtype())?)?;
        x.mul(factor)
    }),
    one("trapezoid(Tensor y, *, int dim=-1) -> Tensor", |a| a.tensor("y")?.trapezoid(1.0, a.int("dim")?)),
    one("trapezoid(Tensor y, *, Scalar dx, int dim=-1) -> Tensor", |a| a.tensor("y")?.trapezoid(a.float("dx")?, a.int("dim")?)),
    one("trapezoid(Tensor y, Tensor x, *, int dim=-1) -> Tensor", |a| a.tensor("y")?.trapezoid_over(&a.tensor("x")?, a.int("dim")?)),
    one("cumulative_trapezoid(Tensor y, Tensor x, *, int dim=-1) -> Tensor", |a| {
        a.tensor("y")?.cumulative_trapezoid_over(&a.tensor("x")?, a.int("dim")?)
    }),
    one("cumulative_trapezoid(Tensor y, *, Scalar dx=1, int dim=-1) -> Tensor", |a| {
        a.tensor("y")?.cumulative_trapezoid(a.float("dx")?, a.int("dim")?)
    }),
    one("cov(Tensor self, *, int correction=1, Tensor? fweights=None, Tensor? aweights=None) -> Tensor", |a| {
        a.tensor("self")?.cov(a.int("correction")?, a.opt_tensor("fweights")?.as_ref(), a.opt_tensor("aweights")?.as_ref())
    }),
    one("corrcoef(Tensor self) -> Tensor", |a| a.tensor("self")?.corrcoef()),
    tuple("_aminmax(Tensor self) -> (Tensor, Tensor)", |a| {
        let x = a.tensor("self")?;
        Ok(vec![x.amin(.., false)?, x.amax(.., false)?])
    }),
    tuple("_aminmax(Tensor self, int dim, bool keepdim=False) -> (Tensor, Tensor)", |a| {
        let (x, axes) = (a.tensor("self")?, [a.int("dim")?]);
        Ok(vec![x.amin(axes, a.flag("keepdim")?)?, x.amax(axes, a.flag("keepdim")?)?])
    }),
    one("native_norm(Tensor self, Scalar p=2) -> Tensor", |a| a.tensor("self")?.norm(a.float("p")?, .., false)),
    one("native_norm(Tensor self, Scalar? p, int[1] dim, bool keepdim, ScalarType? dtype) -> Tensor", |a| {
        typed(a.tensor("self")?, a.opt_dtype("dtype")?)?.norm(
            a.opt_float("p")?.unwrap_or(2.0),
            some(&a.opt_ints("dim")?),
            a.flag("keepdim")?,
        )
    }),
    // A norm before its root is taken.
    one("linalg__powsum(Tensor self, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        let x = typed(a.tensor("self")?, a.opt_dtype("dtype")?)?;
        let powers = if a.float("ord")? == 2.0 { x.square()? } else { x.abs()?.pow(a.float("ord")?)? };
        powers.sum(some(&a.opt_ints("dim")?), a.flag("keepdim")?)
    }),
];

/// The variance (or its root) and the mean.
fn moments(a: &Args, correction: f64, root: bool) -> Result<Vec<Tensor>> {
    let (x, axes, keep) = (a.tensor("self")?, a.opt_ints("dim")?, a.flag("keepdim")?);
    let spread = if root { x.std(some(&axes), correction, keep)? } else { x.var(some(&axes), correction, keep)? };
    Ok(vec![spread, x.mean(some(&axes), keep)?])
}

fn without_nan(x: &Tensor) -> Result<Tensor> {
    if x.dtype().is_float() { x.masked_fill(&x.is_nan()?, 0) } else { Ok(x.clone()) }
}

/// An empty list of axes means all of them, as none does.
fn some(axes: &Option<Vec<i64>>) -> Option<&[i64]> {
    axes.as_deref().filter(|axes| !axes.is_empty())
}

fn typed(x: Tensor, dtype: Option<DType>) -> Result<Tensor> {
    dtype.map_or(Ok(x.clone()), |dtype| x.cast(dtype))
}
