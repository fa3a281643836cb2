//! Sums, means, extremes, running sums, order.

use super::{Row, one, tuple};
use crate::array::DType;
use crate::error::Result;
use crate::tensor::Tensor;

pub(super) const ROWS: &[Row] = &[
    one("sum(Tensor self, *, ScalarType? dtype=None) -> Tensor", |a| typed(a.tensor(0)?, a.opt_dtype(1)?)?.sum(None, false)),
    one("sum(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        typed(a.tensor(0)?, a.opt_dtype(3)?)?.sum(some(&a.opt_ints(1)?), a.flag(2)?)
    }),
    one("mean(Tensor self, *, ScalarType? dtype=None) -> Tensor", |a| typed(a.tensor(0)?, a.opt_dtype(1)?)?.mean(None, false)),
    one("mean(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        typed(a.tensor(0)?, a.opt_dtype(3)?)?.mean(some(&a.opt_ints(1)?), a.flag(2)?)
    }),
    one("prod(Tensor self, *, ScalarType? dtype=None) -> Tensor", |a| typed(a.tensor(0)?, a.opt_dtype(1)?)?.prod(None, false)),
    one("prod(Tensor self, int dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        typed(a.tensor(0)?, a.opt_dtype(3)?)?.prod(Some(&[a.int(1)?]), a.flag(2)?)
    }),
    one("amax(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor", |a| a.tensor(0)?.amax(some(&a.opt_ints(1)?), a.flag(2)?)),
    one("amin(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor", |a| a.tensor(0)?.amin(some(&a.opt_ints(1)?), a.flag(2)?)),
    one("max(Tensor self) -> Tensor", |a| a.tensor(0)?.amax(None, false)),
    tuple("max(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", |a| {
        a.tensor(0)?.max_along(a.int(1)?, a.flag(2)?).map(|(values, indices)| vec![values, indices])
    }),
    one("max(Tensor self, Tensor other) -> Tensor", |a| a.tensor(0)?.maximum(a.tensor(1)?)),
    one("min(Tensor self) -> Tensor", |a| a.tensor(0)?.amin(None, false)),
    tuple("min(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", |a| {
        a.tensor(0)?.min_along(a.int(1)?, a.flag(2)?).map(|(values, indices)| vec![values, indices])
    }),
    one("min(Tensor self, Tensor other) -> Tensor", |a| a.tensor(0)?.minimum(a.tensor(1)?)),
    one("argmax(Tensor self, int? dim=None, bool keepdim=False) -> Tensor", |a| {
        a.tensor(0)?.argmax(a.opt_ints(1)?.map(|d| d[0]), a.flag(2)?)
    }),
    one("argmin(Tensor self, int? dim=None, bool keepdim=False) -> Tensor", |a| {
        a.tensor(0)?.argmin(a.opt_ints(1)?.map(|d| d[0]), a.flag(2)?)
    }),
    one("all(Tensor self) -> Tensor", |a| a.tensor(0)?.all(None, false)),
    one("all(Tensor self, int dim, bool keepdim=False) -> Tensor", |a| a.tensor(0)?.all(Some(&[a.int(1)?]), a.flag(2)?)),
    one("any(Tensor self) -> Tensor", |a| a.tensor(0)?.any(None, false)),
    one("any(Tensor self, int dim, bool keepdim=False) -> Tensor", |a| a.tensor(0)?.any(Some(&[a.int(1)?]), a.flag(2)?)),
    one("logsumexp(Tensor self, int[1] dim, bool keepdim=False) -> Tensor", |a| {
        a.tensor(0)?.log_sum_exp(some(&a.opt_ints(1)?), a.flag(2)?)
    }),
    one("var(Tensor self, bool unbiased=True) -> Tensor", |a| a.tensor(0)?.var(None, f64::from(u8::from(a.flag(1)?)), false)),
    one("var(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> Tensor", |a| {
        a.tensor(0)?.var(some(&a.opt_ints(1)?), f64::from(u8::from(a.flag(2)?)), a.flag(3)?)
    }),
    one("var(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor", |a| {
        a.tensor(0)?.var(some(&a.opt_ints(1)?), a.opt_float(2)?.unwrap_or(1.0), a.flag(3)?)
    }),
    one("std(Tensor self, bool unbiased=True) -> Tensor", |a| a.tensor(0)?.var(None, f64::from(u8::from(a.flag(1)?)), false)?.sqrt()),
    one("std(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> Tensor", |a| {
        a.tensor(0)?.var(some(&a.opt_ints(1)?), f64::from(u8::from(a.flag(2)?)), a.flag(3)?)?.sqrt()
    }),
    one("std(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor", |a| {
        a.tensor(0)?.var(some(&a.opt_ints(1)?), a.opt_float(2)?.unwrap_or(1.0), a.flag(3)?)?.sqrt()
    }),
    one("norm(Tensor self, Scalar p=2) -> Tensor", |a| a.tensor(0)?.norm(a.float(1)?, None, false)),
    one("norm(Tensor self, Scalar? p, int[1] dim, bool keepdim=False) -> Tensor", |a| {
        a.tensor(0)?.norm(a.opt_float(1)?.unwrap_or(2.0), some(&a.opt_ints(2)?), a.flag(3)?)
    }),
    one("linalg_vector_norm(Tensor self, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", |a| {
        typed(a.tensor(0)?, a.opt_dtype(4)?)?.norm(a.float(1)?, some(&a.opt_ints(2)?), a.flag(3)?)
    }),
    one("cumsum(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor", |a| typed(a.tensor(0)?, a.opt_dtype(2)?)?.cumsum(a.int(1)?)),
    tuple("topk(Tensor self, SymInt k, int dim=-1, bool largest=True, bool sorted=True) -> (Tensor values, Tensor indices)", |a| {
        a.tensor(0)?.topk(a.dim(1)?, a.int(2)?, a.flag(3)?).map(|(values, indices)| vec![values, indices])
    }),
    tuple("sort(Tensor self, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)", |a| {
        a.tensor(0)?.sort(a.int(1)?, a.flag(2)?).map(|(values, indices)| vec![values, indices])
    }),
    one("argsort(Tensor self, int dim=-1, bool descending=False) -> Tensor", |a| {
        a.tensor(0)?.sort(a.int(1)?, a.flag(2)?).map(|sorted| sorted.1)
    }),
];

/// An empty list of axes means all of them, as none does.
fn some(axes: &Option<Vec<i64>>) -> Option<&[i64]> {
    axes.as_deref().filter(|axes| !axes.is_empty())
}

fn typed(x: Tensor, dtype: Option<DType>) -> Result<Tensor> {
    dtype.map_or(Ok(x.clone()), |dtype| x.cast(dtype))
}
