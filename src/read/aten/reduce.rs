//! Sums, means, extremes, running sums, order.

use super::{Row, one, tuple};
use crate::array::DType;
use crate::error::Result;
use crate::tensor::Tensor;

pub(super) const ROWS: &[Row] = &[
    one("sum(Tensor self, *, ScalarType? dtype=None) -> Tensor", |a| {
        typed(typed(a.tensor(0)?, a.opt_dtype(1)?)?.sum(.., false)?, a.opt_dtype(1)?)
    }),
    one("sum(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        typed(typed(a.tensor(0)?, a.opt_dtype(3)?)?.sum(some(&a.opt_ints(1)?), a.flag(2)?)?, a.opt_dtype(3)?)
    }),
    one("mean(Tensor self, *, ScalarType? dtype=None) -> Tensor", |a| typed(a.tensor(0)?, a.opt_dtype(1)?)?.mean(.., false)),
    one("mean(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        typed(a.tensor(0)?, a.opt_dtype(3)?)?.mean(some(&a.opt_ints(1)?), a.flag(2)?)
    }),
    one("prod(Tensor self, *, ScalarType? dtype=None) -> Tensor", |a| {
        typed(typed(a.tensor(0)?, a.opt_dtype(1)?)?.prod(.., false)?, a.opt_dtype(1)?)
    }),
    one("prod(Tensor self, int dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        typed(typed(a.tensor(0)?, a.opt_dtype(3)?)?.prod(a.int(1)?, a.flag(2)?)?, a.opt_dtype(3)?)
    }),
    one("amax(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor", |a| a.tensor(0)?.amax(some(&a.opt_ints(1)?), a.flag(2)?)),
    one("amin(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor", |a| a.tensor(0)?.amin(some(&a.opt_ints(1)?), a.flag(2)?)),
    one("max(Tensor self) -> Tensor", |a| a.tensor(0)?.amax(.., false)),
    one("max(Tensor self, Tensor other) -> Tensor", |a| a.tensor(0)?.maximum(a.tensor(1)?)),
    tuple("max(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", |a| {
        a.tensor(0)?.max_along(a.int(1)?, a.flag(2)?).map(|(values, indices)| vec![values, indices])
    }),
    one("min(Tensor self) -> Tensor", |a| a.tensor(0)?.amin(.., false)),
    one("min(Tensor self, Tensor other) -> Tensor", |a| a.tensor(0)?.minimum(a.tensor(1)?)),
    tuple("min(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", |a| {
        a.tensor(0)?.min_along(a.int(1)?, a.flag(2)?).map(|(values, indices)| vec![values, indices])
    }),
    one("argmax(Tensor self, int? dim=None, bool keepdim=False) -> Tensor", |a| {
        a.tensor(0)?.argmax(a.opt_ints(1)?.map(|d| d[0]), a.flag(2)?)
    }),
    one("argmin(Tensor self, int? dim=None, bool keepdim=False) -> Tensor", |a| {
        a.tensor(0)?.argmin(a.opt_ints(1)?.map(|d| d[0]), a.flag(2)?)
    }),
    one("all(Tensor self) -> Tensor", |a| a.tensor(0)?.all(.., false)),
    one("all(Tensor self, int dim, bool keepdim=False) -> Tensor", |a| a.tensor(0)?.all(a.int(1)?, a.flag(2)?)),
    one("all(Tensor self, int[]? dim, bool keepdim=False) -> Tensor", |a| a.tensor(0)?.all(a.opt_ints(1)?.as_deref(), a.flag(2)?)),
    one("any(Tensor self) -> Tensor", |a| a.tensor(0)?.any(.., false)),
    one("any(Tensor self, int dim, bool keepdim=False) -> Tensor", |a| a.tensor(0)?.any(a.int(1)?, a.flag(2)?)),
    one("any(Tensor self, int[]? dim, bool keepdim=False) -> Tensor", |a| a.tensor(0)?.any(a.opt_ints(1)?.as_deref(), a.flag(2)?)),
    one("logsumexp(Tensor self, int[1] dim, bool keepdim=False) -> Tensor", |a| a.tensor(0)?.logsumexp(some(&a.opt_ints(1)?), a.flag(2)?)),
    one("var(Tensor self, bool unbiased=True) -> Tensor", |a| a.tensor(0)?.var(.., f64::from(u8::from(a.flag(1)?)), false)),
    one("var(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> Tensor", |a| {
        a.tensor(0)?.var(some(&a.opt_ints(1)?), f64::from(u8::from(a.flag(2)?)), a.flag(3)?)
    }),
    one("var(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor", |a| {
        a.tensor(0)?.var(some(&a.opt_ints(1)?), a.opt_float(2)?.unwrap_or(1.0), a.flag(3)?)
    }),
    one("std(Tensor self, bool unbiased=True) -> Tensor", |a| a.tensor(0)?.var(.., f64::from(u8::from(a.flag(1)?)), false)?.sqrt()),
    one("std(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> Tensor", |a| {
        a.tensor(0)?.var(some(&a.opt_ints(1)?), f64::from(u8::from(a.flag(2)?)), a.flag(3)?)?.sqrt()
    }),
    one("std(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor", |a| {
        a.tensor(0)?.var(some(&a.opt_ints(1)?), a.opt_float(2)?.unwrap_or(1.0), a.flag(3)?)?.sqrt()
    }),
    one("norm(Tensor self, Scalar p=2) -> Tensor", |a| a.tensor(0)?.norm(a.float(1)?, .., false)),
    one("norm(Tensor self, Scalar? p, int[1] dim, bool keepdim=False) -> Tensor", |a| {
        a.tensor(0)?.norm(a.opt_float(1)?.unwrap_or(2.0), some(&a.opt_ints(2)?), a.flag(3)?)
    }),
    one("linalg_vector_norm(Tensor self, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        typed(a.tensor(0)?, a.opt_dtype(4)?)?.norm(a.float(1)?, some(&a.opt_ints(2)?), a.flag(3)?)
    }),
    tuple("aminmax(Tensor self, *, int? dim=None, bool keepdim=False) -> (Tensor min, Tensor max)", |a| {
        let (x, axes) = (a.tensor(0)?, a.opt_ints(1)?);
        Ok(vec![x.amin(axes.as_deref(), a.flag(2)?)?, x.amax(axes.as_deref(), a.flag(2)?)?])
    }),
    tuple("var_mean(Tensor self, bool unbiased=True) -> (Tensor, Tensor)", |a| {
        let x = a.tensor(0)?;
        Ok(vec![x.var(.., f64::from(u8::from(a.flag(1)?)), false)?, x.mean(.., false)?])
    }),
    tuple("var_mean(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> (Tensor, Tensor)", |a| {
        moments(a, f64::from(u8::from(a.flag(2)?)), false)
    }),
    tuple("var_mean(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> (Tensor, Tensor)", |a| {
        moments(a, a.opt_float(2)?.unwrap_or(1.0), false)
    }),
    tuple("std_mean(Tensor self, bool unbiased=True) -> (Tensor, Tensor)", |a| {
        let x = a.tensor(0)?;
        Ok(vec![x.var(.., f64::from(u8::from(a.flag(1)?)), false)?.sqrt()?, x.mean(.., false)?])
    }),
    tuple("std_mean(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> (Tensor, Tensor)", |a| {
        moments(a, f64::from(u8::from(a.flag(2)?)), true)
    }),
    tuple("std_mean(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> (Tensor, Tensor)", |a| {
        moments(a, a.opt_float(2)?.unwrap_or(1.0), true)
    }),
    one("nansum(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        let x = typed(a.tensor(0)?, a.opt_dtype(3)?)?;
        typed(without_nan(&x)?.sum(some(&a.opt_ints(1)?), a.flag(2)?)?, a.opt_dtype(3)?)
    }),
    one("nanmean(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        let x = typed(a.tensor(0)?, a.opt_dtype(3)?)?;
        let axes = a.opt_ints(1)?;
        let count = x.is_nan()?.logical_not()?.sum(some(&axes), a.flag(2)?)?;
        without_nan(&x)?.sum(some(&axes), a.flag(2)?)?.div(count.cast(x.dtype())?)
    }),
    one("norm(Tensor self, Scalar? p, *, ScalarType dtype) -> Tensor", |a| {
        typed(a.tensor(0)?, a.opt_dtype(2)?)?.norm(a.opt_float(1)?.unwrap_or(2.0), .., false)
    }),
    one("norm(Tensor self, Scalar? p, int[1] dim, bool keepdim=False, *, ScalarType dtype) -> Tensor", |a| {
        typed(a.tensor(0)?, a.opt_dtype(4)?)?.norm(a.opt_float(1)?.unwrap_or(2.0), some(&a.opt_ints(2)?), a.flag(3)?)
    }),
    one("frobenius_norm(Tensor self, int[1] dim, bool keepdim=False) -> Tensor", |a| {
        a.tensor(0)?.norm(2.0, some(&a.opt_ints(1)?), a.flag(2)?)
    }),
    one("dist(Tensor self, Tensor other, Scalar p=2) -> Tensor", |a| a.tensor(0)?.sub(a.tensor(1)?)?.norm(a.float(2)?, .., false)),
    one("renorm(Tensor self, Scalar p, int dim, Scalar maxnorm) -> Tensor", |a| {
        let (x, most) = (a.tensor(0)?, a.float(3)?);
        let kept = x.shape().axis(a.int(2)?)? as i64;
        let axes: Vec<i64> = (0..x.rank() as i64).filter(|&axis| axis != kept).collect();
        let norm = x.norm(a.float(1)?, &axes, true)?;
        let factor = norm.gt(most)?.where_(&norm.add(1e-7)?.reciprocal()?.mul(most)?, &Tensor::ones((), x.dtype())?)?;
        x.mul(factor)
    }),
    one("trapezoid(Tensor y, *, int dim=-1) -> Tensor", |a| trapezia(&a.tensor(0)?, None, Some(1.0), a.int(1)?)?.sum(a.int(1)?, false)),
    one("trapezoid(Tensor y, *, Scalar dx, int dim=-1) -> Tensor", |a| {
        trapezia(&a.tensor(0)?, None, Some(a.float(1)?), a.int(2)?)?.sum(a.int(2)?, false)
    }),
    one("trapezoid(Tensor y, Tensor x, *, int dim=-1) -> Tensor", |a| {
        trapezia(&a.tensor(0)?, Some(&a.tensor(1)?), None, a.int(2)?)?.sum(a.int(2)?, false)
    }),
    one("cumulative_trapezoid(Tensor y, Tensor x, *, int dim=-1) -> Tensor", |a| {
        trapezia(&a.tensor(0)?, Some(&a.tensor(1)?), None, a.int(2)?)?.cumsum(a.int(2)?)
    }),
    one("cumulative_trapezoid(Tensor y, *, Scalar dx=1, int dim=-1) -> Tensor", |a| {
        trapezia(&a.tensor(0)?, None, Some(a.float(1)?), a.int(2)?)?.cumsum(a.int(2)?)
    }),
    one("cov(Tensor self, *, int correction=1, Tensor? fweights=None, Tensor? aweights=None) -> Tensor", |a| {
        covariance(&a.tensor(0)?, a.int(1)?, a.opt_tensor(2)?, a.opt_tensor(3)?)
    }),
    one("corrcoef(Tensor self) -> Tensor", |a| {
        let c = covariance(&a.tensor(0)?, 1, None, None)?;
        if c.rank() == 0 {
            return c.div(&c);
        }
        let deviation = super::view::diagonal(&c, 0, 0, 1)?.sqrt()?;
        let y = c.div(deviation.unsqueeze(1)?)?.div(deviation.unsqueeze(0)?)?;
        y.clamp(Some(crate::Scalar::Float(-1.0)), Some(crate::Scalar::Float(1.0)))
    }),
    tuple("_aminmax(Tensor self) -> (Tensor, Tensor)", |a| {
        let x = a.tensor(0)?;
        Ok(vec![x.amin(.., false)?, x.amax(.., false)?])
    }),
    tuple("_aminmax(Tensor self, int dim, bool keepdim=False) -> (Tensor, Tensor)", |a| {
        let (x, axes) = (a.tensor(0)?, [a.int(1)?]);
        Ok(vec![x.amin(&axes, a.flag(2)?)?, x.amax(&axes, a.flag(2)?)?])
    }),
    one("native_norm(Tensor self, Scalar p=2) -> Tensor", |a| a.tensor(0)?.norm(a.float(1)?, .., false)),
    one("native_norm(Tensor self, Scalar? p, int[1] dim, bool keepdim, ScalarType? dtype) -> Tensor", |a| {
        typed(a.tensor(0)?, a.opt_dtype(4)?)?.norm(a.opt_float(1)?.unwrap_or(2.0), some(&a.opt_ints(2)?), a.flag(3)?)
    }),
    // A norm before its root is taken.
    one("linalg__powsum(Tensor self, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        let x = typed(a.tensor(0)?, a.opt_dtype(4)?)?;
        let powers = if a.float(1)? == 2.0 { x.square()? } else { x.abs()?.pow(a.float(1)?)? };
        powers.sum(some(&a.opt_ints(2)?), a.flag(3)?)
    }),
];

/// The variance (or its root) and the mean.
fn moments(a: &super::Args, correction: f64, root: bool) -> Result<Vec<Tensor>> {
    let (x, axes, keep) = (a.tensor(0)?, a.opt_ints(1)?, a.flag(3)?);
    let spread = x.var(some(&axes), correction, keep)?;
    Ok(vec![if root { spread.sqrt()? } else { spread }, x.mean(some(&axes), keep)?])
}

fn without_nan(x: &Tensor) -> Result<Tensor> {
    if x.dtype().is_float() { x.masked_fill(&x.is_nan()?, 0) } else { Ok(x.clone()) }
}

/// The areas between neighbours along an axis.
fn trapezia(y: &Tensor, x: Option<&Tensor>, width: Option<f64>, axis: i64) -> Result<Tensor> {
    let y = y.cast(y.dtype().or_float())?;
    let pair = |t: &Tensor, axis: i64| -> Result<(Tensor, Tensor)> { Ok((t.slice(axis, ..-1)?, t.slice(axis, 1..)?)) };
    let (low, high) = pair(&y, axis)?;
    let height = low.add(high)?.mul(0.5)?;
    match x {
        None => height.mul(width.unwrap_or(1.0)),
        Some(x) => {
            // One row of places stands for all rows, along the axis.
            let (left, right) = if x.rank() == 1 { pair(x, 0)? } else { pair(x, axis)? };
            let mut widths = right.sub(left)?;
            if x.rank() == 1 {
                let after = y.rank() - 1 - y.shape().axis(axis)?;
                for _ in 0..after {
                    widths = widths.unsqueeze(-1)?;
                }
            }
            height.mul(widths)
        }
    }
}

fn covariance(x: &Tensor, correction: i64, counts: Option<Tensor>, weights: Option<Tensor>) -> Result<Tensor> {
    let x = x.cast(x.dtype().or_float())?;
    let x = if x.rank() < 2 { x.reshape(&[1, -1])? } else { x };
    let weight = match (&counts, &weights) {
        (None, None) => None,
        (Some(one), None) | (None, Some(one)) => Some(one.cast(x.dtype())?),
        (Some(counts), Some(weights)) => Some(counts.cast(x.dtype())?.mul(weights.cast(x.dtype())?)?),
    };
    let total = match &weight {
        None => Tensor::from_dim(&x.dim(1)?).cast(x.dtype())?,
        Some(weight) => weight.sum(.., false)?,
    };
    let weighted = |x: &Tensor| weight.as_ref().map_or(Ok(x.clone()), |weight| x.mul(weight));
    let centred = x.sub(weighted(&x)?.sum(1, true)?.div(&total)?)?;
    let taken = match (&weights, &weight) {
        (Some(weights), Some(weight)) if correction != 0 => {
            weight.mul(weights.cast(x.dtype())?)?.sum(.., false)?.mul(correction as f64)?.div(&total)?
        }
        _ => Tensor::full((), correction as f64, x.dtype())?,
    };
    let freedom = total.sub(taken)?.clamp(Some(crate::Scalar::Float(0.0)), None)?;
    let c = weighted(&centred)?.matmul(&centred.transpose(0, 1)?)?.div(freedom)?;
    if c.dim(0)? == 1 { c.reshape(()) } else { Ok(c) }
}

/// An empty list of axes means all of them, as none does.
fn some(axes: &Option<Vec<i64>>) -> Option<&[i64]> {
    axes.as_deref().filter(|axes| !axes.is_empty())
}

fn typed(x: Tensor, dtype: Option<DType>) -> Result<Tensor> {
    dtype.map_or(Ok(x.clone()), |dtype| x.cast(dtype))
}
