//! Sorting, medians and quantiles, searches in sorted vectors, cumulative extremes and products, unique elements.

use super::args::Args;
use super::row::{Row, one, tuple};
use crate::array::DType;
use crate::error::{Error, Result};
use crate::ops::{QuantileInterpolation, sorted};
use crate::tensor::Tensor;

/// The middle of all elements; of none it is NaN.
fn of_all(a: &Args, middle: impl Fn(&Tensor) -> Result<(Tensor, Tensor)>) -> Result<Tensor> {
    let x = a.tensor("self")?;
    match x.numel() == 0 {
        // NaN as an integer.
        true if x.dtype() == DType::I64 => Tensor::full((), i64::MIN, x.dtype()),
        true if x.dtype() == DType::I32 => Tensor::full((), i64::from(i32::MIN), x.dtype()),
        true if x.dtype() == DType::Bool => Tensor::full((), true, x.dtype()),
        true if !x.dtype().is_float() => Tensor::zeros((), x.dtype()),
        true => Tensor::full((), f64::NAN, x.dtype()),
        false => middle(&x.reshape([-1])?).map(|both| both.0),
    }
}

pub(super) const ROWS: &[Row] = &[
    tuple("topk(Tensor self, SymInt k, int dim=-1, bool largest=True, bool sorted=True) -> (Tensor values, Tensor indices)", |a| {
        let x = a.tensor("self")?;
        if x.rank() == 0 {
            return Ok(vec![x, Tensor::zeros((), DType::I64)?]);
        }
        x.topk(a.dim("k")?, a.int("dim")?, a.flag("largest")?).map(pair)
    }),
    tuple("sort(Tensor self, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)", |a| {
        sorted(&a.tensor("self")?, a.int("dim")?, a.flag("descending")?).map(pair)
    }),
    tuple("sort(Tensor self, *, bool? stable, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)", |a| {
        sorted(&a.tensor("self")?, a.int("dim")?, a.flag("descending")?).map(pair)
    }),
    one("argsort(Tensor self, int dim=-1, bool descending=False) -> Tensor", |a| {
        sorted(&a.tensor("self")?, a.int("dim")?, a.flag("descending")?).map(|both| both.1)
    }),
    one("argsort(Tensor self, *, bool stable, int dim=-1, bool descending=False) -> Tensor", |a| {
        sorted(&a.tensor("self")?, a.int("dim")?, a.flag("descending")?).map(|both| both.1)
    }),
    one("msort(Tensor self) -> Tensor", |a| sorted(&a.tensor("self")?, 0, false).map(|both| both.0)),
    tuple("kthvalue(Tensor self, SymInt k, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)", |a| {
        a.tensor("self")?.kthvalue(a.dim("k")?, a.int("dim")?, a.flag("keepdim")?).map(pair)
    }),
    one("median(Tensor self) -> Tensor", |a| of_all(a, |x| x.median(0, false))),
    tuple("median(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", |a| {
        a.tensor("self")?.median(a.int("dim")?, a.flag("keepdim")?).map(pair)
    }),
    one("nanmedian(Tensor self) -> Tensor", |a| of_all(a, |x| x.nanmedian(0, false))),
    tuple("nanmedian(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", |a| {
        a.tensor("self")?.nanmedian(a.int("dim")?, a.flag("keepdim")?).map(pair)
    }),
    one("quantile(Tensor self, Tensor q, int? dim=None, bool keepdim=False, *, str interpolation=\"linear\") -> Tensor", |a| {
        quantile(a, false)
    }),
    one("quantile(Tensor self, float q, int? dim=None, bool keepdim=False, *, str interpolation=\"linear\") -> Tensor", |a| {
        quantile(a, false)
    }),
    one("nanquantile(Tensor self, Tensor q, int? dim=None, bool keepdim=False, *, str interpolation=\"linear\") -> Tensor", |a| {
        quantile(a, true)
    }),
    one("nanquantile(Tensor self, float q, int? dim=None, bool keepdim=False, *, str interpolation=\"linear\") -> Tensor", |a| {
        quantile(a, true)
    }),
    tuple("mode(Tensor self, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)", |a| {
        a.tensor("self")?.mode(a.int("dim")?, a.flag("keepdim")?).map(pair)
    }),
    one(
        "searchsorted(Tensor sorted_sequence, Tensor self, *, bool out_int32=False, bool right=False, str? side=None, Tensor? sorter=None) -> Tensor",
        search_sorted,
    ),
    one(
        "searchsorted(Tensor sorted_sequence, Scalar self, *, bool out_int32=False, bool right=False, str? side=None, Tensor? sorter=None) -> Tensor",
        search_sorted,
    ),
    one("bucketize(Tensor self, Tensor boundaries, *, bool out_int32=False, bool right=False) -> Tensor", bucketize),
    one("bucketize(Scalar self, Tensor boundaries, *, bool out_int32=False, bool right=False) -> Tensor", bucketize),
    one("cumsum(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor", |a| {
        let x = a.tensor("self")?;
        let Some(dtype) = a.opt_dtype("dtype")? else { return x.cumsum(a.int("dim")?) };
        x.cast(dtype)?.cumsum(a.int("dim")?)?.cast(dtype)
    }),
    tuple("cummax(Tensor self, int dim) -> (Tensor values, Tensor indices)", |a| a.tensor("self")?.cummax(a.int("dim")?).map(pair)),
    tuple("cummin(Tensor self, int dim) -> (Tensor values, Tensor indices)", |a| a.tensor("self")?.cummin(a.int("dim")?).map(pair)),
    one("logcumsumexp(Tensor self, int dim) -> Tensor", |a| a.tensor("self")?.logcumsumexp(a.int("dim")?)),
    tuple(
        "_unique2(Tensor self, bool sorted=True, bool return_inverse=False, bool return_counts=False) -> (Tensor, Tensor, Tensor)",
        |a| {
            let x = a.tensor("self")?;
            let (values, inverse, counts) = x.unique(None)?;
            once(values, inverse.reshape(x.shape())?, counts, a.flag("return_inverse")?, a.flag("return_counts")?)
        },
    ),
    tuple(
        "unique_dim(Tensor self, int dim, bool sorted=True, bool return_inverse=False, bool return_counts=False) -> (Tensor, Tensor, Tensor)",
        |a| {
            // Along an axis torch gives all three, whatever is asked for.
            let (values, inverse, counts) = a.tensor("self")?.unique(Some(a.int("dim")?))?;
            Ok(vec![values, inverse, counts])
        },
    ),
    tuple("_unique(Tensor self, bool sorted=True, bool return_inverse=False) -> (Tensor, Tensor)", |a| {
        let x = a.tensor("self")?;
        let (values, inverse, counts) = x.unique(None)?;
        let mut parts = once(values, inverse.reshape(x.shape())?, counts, a.flag("return_inverse")?, false)?;
        parts.truncate(2);
        Ok(parts)
    }),
    tuple(
        "unique_consecutive(Tensor self, bool return_inverse=False, bool return_counts=False, int? dim=None) -> (Tensor, Tensor, Tensor)",
        |a| consecutive(a, a.opt_ints("dim")?.map(|axis| axis[0]), false),
    ),
    tuple(
        "unique_dim_consecutive(Tensor self, int dim, bool return_inverse=False, bool return_counts=False) -> (Tensor, Tensor, Tensor)",
        |a| consecutive(a, Some(a.int("dim")?), true),
    ),
    one("cumprod(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor", |a| {
        let x = a.tensor("self")?;
        let Some(dtype) = a.opt_dtype("dtype")? else { return x.cumprod(a.int("dim")?) };
        x.cast(dtype)?.cumprod(a.int("dim")?)?.cast(dtype)
    }),
];

fn pair((values, indices): (Tensor, Tensor)) -> Vec<Tensor> {
    vec![values, indices]
}

fn search_sorted(a: &Args) -> Result<Tensor> {
    let (row, values) = (a.tensor("sorted_sequence")?, a.tensor("self")?);
    let row = match a.opt_tensor("sorter")? {
        Some(sorter) => row.gather(-1, &sorter)?,
        None => row,
    };
    let right = a.flag("right")? || a.opt_str("side")? == Some("right");
    narrowed(a, searched(&row, &values, right)?)
}

fn bucketize(a: &Args) -> Result<Tensor> {
    narrowed(a, searched(&a.tensor("boundaries")?, &a.tensor("self")?, a.flag("right")?)?)
}

/// Both are compared in the dtype of operations on them: a number wraps to that of narrow integers.
fn searched(row: &Tensor, values: &Tensor, right: bool) -> Result<Tensor> {
    let dtype = DType::result(&[(row.dtype(), row.strength()), (values.dtype(), values.strength())])?;
    row.cast(dtype)?.searchsorted(&values.cast(dtype)?, right)
}

/// Positions in the dtype that is asked for.
fn narrowed(a: &Args, positions: Tensor) -> Result<Tensor> {
    if a.flag("out_int32")? { positions.cast(DType::I32) } else { Ok(positions) }
}

/// The results of torch's `unique`: those that were not asked for are empty.
fn once(values: Tensor, inverse: Tensor, counts: Tensor, want_inverse: bool, want_counts: bool) -> Result<Vec<Tensor>> {
    let nothing = Tensor::zeros([0], DType::I64)?;
    Ok(vec![values, if want_inverse { inverse } else { nothing.clone() }, if want_counts { counts } else { nothing }])
}

fn quantile(a: &Args, skip_nan: bool) -> Result<Tensor> {
    let interpolation = match a.opt_str("interpolation")? {
        Some("linear") => QuantileInterpolation::Linear,
        Some("lower") => QuantileInterpolation::Lower,
        Some("higher") => QuantileInterpolation::Higher,
        Some("nearest") => QuantileInterpolation::Nearest,
        Some("midpoint") => QuantileInterpolation::Midpoint,
        other => return Err(Error::argument(format!("unknown interpolation {other:?}"))),
    };
    let (x, q, axis, keep) = (a.tensor("self")?, a.tensor("q")?, a.opt_ints("dim")?.map(|axis| axis[0]), a.flag("keepdim")?);
    if skip_nan { x.nanquantile(&q, axis, keep, interpolation) } else { x.quantile(&q, axis, keep, interpolation) }
}

fn consecutive(a: &Args, axis: Option<i64>, all: bool) -> Result<Vec<Tensor>> {
    let (values, inverse, counts) = a.tensor("self")?.unique_consecutive(axis)?;
    // Of a vector torch gives what is asked for, also along its axis, where that is not counted from the end.
    if all || axis.is_some_and(|axis| values.rank() != 1 || axis != 0) {
        return Ok(vec![values, inverse, counts]);
    }
    once(values, inverse, counts, a.flag("return_inverse")?, a.flag("return_counts")?)
}
