//! Order: sorting, medians and quantiles, places in sorted rows, running extremes and products.

use super::args::Args;
use super::row::{Row, one, tuple};
use crate::array::{DType, Scalar};
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::ops::Reduction;
use crate::tensor::Tensor;

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
        let (values, indices) = sorted(&a.tensor("self")?, a.int("dim")?, false)?;
        Ok(vec![
            at(&values, a.int("dim")?, a.dim("k")? - 1i64, a.flag("keepdim")?)?,
            at(&indices, a.int("dim")?, a.dim("k")? - 1i64, a.flag("keepdim")?)?,
        ])
    }),
    one("median(Tensor self) -> Tensor", |a| {
        let x = a.tensor("self")?.reshape(&[-1])?;
        median(&x, 0, false).map(|both| both.0)
    }),
    tuple("median(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", |a| {
        median(&a.tensor("self")?, a.int("dim")?, a.flag("keepdim")?).map(pair)
    }),
    one("nanmedian(Tensor self) -> Tensor", |a| {
        let x = a.tensor("self")?.reshape(&[-1])?;
        nan_median(&x, 0, false).map(|both| both.0)
    }),
    tuple("nanmedian(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", |a| {
        nan_median(&a.tensor("self")?, a.int("dim")?, a.flag("keepdim")?).map(pair)
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
        mode(&a.tensor("self")?, a.int("dim")?, a.flag("keepdim")?)
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
    tuple("cummax(Tensor self, int dim) -> (Tensor values, Tensor indices)", |a| running(&a.tensor("self")?, a.int("dim")?, true)),
    tuple("cummin(Tensor self, int dim) -> (Tensor values, Tensor indices)", |a| running(&a.tensor("self")?, a.int("dim")?, false)),
    one("logcumsumexp(Tensor self, int dim) -> Tensor", |a| log_running_sum(&a.tensor("self")?, a.int("dim")?)),
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
            let (values, inverse, counts) = a.tensor("self")?.unique(Some(a.int("dim")?))?;
            once(values, inverse, counts, a.flag("return_inverse")?, a.flag("return_counts")?)
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
        |a| consecutive(&a.tensor("self")?, a.opt_ints("dim")?.map(|axis| axis[0]), a.flag("return_inverse")?, a.flag("return_counts")?),
    ),
    tuple(
        "unique_dim_consecutive(Tensor self, int dim, bool return_inverse=False, bool return_counts=False) -> (Tensor, Tensor, Tensor)",
        |a| consecutive(&a.tensor("self")?, Some(a.int("dim")?), a.flag("return_inverse")?, a.flag("return_counts")?),
    ),
    one("cumprod(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor", |a| {
        let x = a.tensor("self")?;
        let Some(dtype) = a.opt_dtype("dtype")? else { return running_product(&x, a.int("dim")?) };
        running_product(&x.cast(dtype)?, a.int("dim")?)?.cast(dtype)
    }),
];

fn pair((values, indices): (Tensor, Tensor)) -> Vec<Tensor> {
    vec![values, indices]
}

/// All numbers along an axis in order; equal ones as they stood.
fn sorted(x: &Tensor, axis: i64, descending: bool) -> Result<(Tensor, Tensor)> {
    if x.rank() == 0 {
        return Ok((x.clone(), Tensor::zeros((), DType::I64)?));
    }
    if x.dtype() == DType::Bool {
        let (values, indices) = x.cast(DType::U8)?.sort(axis, descending)?;
        return Ok((values.cast(DType::Bool)?, indices));
    }
    x.sort(axis, descending)
}

/// One place along an axis.
fn at(x: &Tensor, axis: i64, place: Dim, keep: bool) -> Result<Tensor> {
    if x.rank() == 0 {
        return Ok(x.clone());
    }
    if keep { x.narrow(axis, place, 1i64) } else { x.select(axis, place) }
}

/// The lower middle of the numbers along an axis; NaN if any is.
fn median(x: &Tensor, axis: i64, keep: bool) -> Result<(Tensor, Tensor)> {
    let (values, indices) = sorted(x, axis, false)?;
    let n = if x.rank() == 0 { Dim::Fixed(1) } else { x.dim(axis)? };
    let end = n - 1i64;
    let place = &end / 2i64;
    let (middle, index) = (at(&values, axis, place.clone(), keep)?, at(&indices, axis, place, keep)?);
    if !x.dtype().is_float() || x.rank() == 0 {
        return Ok((middle, index));
    }
    // NaNs stand at the end of the order, whatever the middle is.
    let (last, last_index) = (at(&values, axis, end, keep)?, x.is_nan()?.cast(DType::U8)?.argmax(Some(axis), keep)?);
    let lost = last.is_nan()?;
    Ok((lost.where_(&last, &middle)?, lost.where_(&last_index, &index)?))
}

/// The lower middle of the numbers along an axis that are not NaN.
fn nan_median(x: &Tensor, axis: i64, keep: bool) -> Result<(Tensor, Tensor)> {
    if !x.dtype().is_float() || x.rank() == 0 {
        return median(x, axis, keep);
    }
    let (values, indices) = sorted(x, axis, false)?;
    let count = x.is_nan()?.logical_not()?.sum(axis, true)?;
    let place = count.sub(1)?.clamp(Some(Scalar::Int(0)), None)?.floor_divide(2)?;
    let (middle, index) = (values.gather(axis, &place)?, indices.gather(axis, &place)?);
    if keep { Ok((middle, index)) } else { Ok((middle.squeeze_axes(&[axis])?, index.squeeze_axes(&[axis])?)) }
}

fn quantile(a: &Args, skip_nan: bool) -> Result<Tensor> {
    let (x, q) = (a.tensor("self")?, a.tensor("q")?.strengthened());
    let rank = x.rank();
    let all = a.is_none("dim")? || rank == 0;
    let (x, axis) = if all { (x.reshape(&[-1])?, 0) } else { (x.clone(), x.shape().axis(a.int("dim")?)?) };
    let q = q.cast(x.dtype())?;
    let keep = a.flag("keepdim")?;
    // The quantiles stand before all other axes.
    let (values, _) = sorted(&x.transpose(axis as i64, -1)?, -1, false)?;
    let nan = x.transpose(axis as i64, -1)?.is_nan()?;
    let last = match skip_nan {
        true => nan.logical_not()?.sum(-1, true)?.sub(1)?.clamp(Some(Scalar::Int(0)), None)?.cast(x.dtype())?,
        false => Tensor::from_dim(&(x.dim(axis as i64)? - 1i64)).cast(x.dtype())?.reshape(&vec![1i64; values.rank()])?,
    };
    let place = last.mul(q.reshape(&[-1])?)?;
    let mut shape = values.shape().to_vec();
    let count = shape.len() - 1;
    shape[count] = q.numel();
    let place = place.expand(&shape)?;
    let (below, above) = (place.floor()?, place.ceil()?);
    let fetch = |place: &Tensor| values.gather(-1, &place.cast(DType::I64)?);
    let y = match a.opt_str("interpolation")? {
        Some("lower") => fetch(&below)?,
        Some("higher") => fetch(&above)?,
        Some("nearest") => fetch(&place.round()?)?,
        Some("midpoint") => fetch(&below)?.add(fetch(&above)?)?.mul(0.5)?,
        Some("linear") => {
            let low = fetch(&below)?;
            low.add(fetch(&above)?.sub(&low)?.mul(place.sub(&below)?)?)?
        }
        other => return Err(Error::argument(format!("unknown interpolation {other:?}"))),
    };
    let y = if skip_nan { y } else { y.masked_fill(&nan.any(-1, true)?.expand(&shape)?, f64::NAN)? };
    // [.., axis' old neighbour .., q] to [q, ..], with the axis as one or gone.
    let y = y.unsqueeze(0)?.transpose(0, -1)?.transpose(axis as i64 + 1, -1)?;
    let y = match (keep, all) {
        (true, true) => y.reshape(&[vec![q.numel()], vec![Dim::Fixed(1); rank]].concat())?,
        (true, false) => y,
        (false, _) => y.squeeze_axes(&[axis as i64 + 1])?,
    };
    if q.rank() == 0 { y.squeeze_axes(&[0]) } else { Ok(y) }
}

/// The number that stands most often along an axis (the smallest of several), and its last place.
fn mode(x: &Tensor, axis: i64, keep: bool) -> Result<Vec<Tensor>> {
    if x.rank() == 0 {
        return Ok(vec![x.clone(), Tensor::zeros((), DType::I64)?]);
    }
    let axis = x.shape().axis(axis)? as i64;
    let moved = x.transpose(axis, -1)?;
    let (ordered, _) = sorted(&moved, -1, false)?;
    let alike = ordered.unsqueeze(-1)?.eq(ordered.unsqueeze(-2)?)?.sum(-1, false)?;
    let value = ordered.gather(-1, &alike.argmax(Some(-1), true)?)?;
    // The last place of several: of the places that hold the number, the largest.
    let places = Tensor::arange(0, &x.dim(axis)?, 1, DType::I64)?;
    let index = moved.eq(&value)?.cast(DType::I64)?.mul(places.add(1)?)?.amax(-1, true)?.sub(1)?;
    let (value, index) = (value.transpose(axis, -1)?, index.transpose(axis, -1)?);
    if keep { Ok(vec![value, index]) } else { Ok(vec![value.squeeze_axes(&[axis])?, index.squeeze_axes(&[axis])?]) }
}

fn search_sorted(a: &Args) -> Result<Tensor> {
    let (row, values) = (a.tensor("sorted_sequence")?, a.tensor("self")?);
    let row = match a.opt_tensor("sorter")? {
        Some(sorter) => row.gather(-1, &sorter)?,
        None => row,
    };
    let right = a.flag("right")? || a.opt_str("side")? == Some("right");
    narrowed(a, row.searchsorted(&values, right)?)
}

fn bucketize(a: &Args) -> Result<Tensor> {
    narrowed(a, a.tensor("boundaries")?.searchsorted(&a.tensor("self")?, a.flag("right")?)?)
}

/// Positions in the dtype that is asked for.
fn narrowed(a: &Args, positions: Tensor) -> Result<Tensor> {
    if a.flag("out_int32")? { positions.cast(DType::I32) } else { Ok(positions) }
}

/// The largest (smallest) number so far along an axis, and the last place where it stood.
///
/// Halves meet: after k rounds each place knows the extreme of 2ᵏ places up to itself.
fn running(x: &Tensor, axis: i64, largest: bool) -> Result<Vec<Tensor>> {
    if x.rank() == 0 {
        return Ok(vec![x.clone(), Tensor::zeros((), DType::I64)?]);
    }
    let axis = x.shape().axis(axis)?;
    let n = x.shape()[axis].fixed().ok_or_else(|| Error::size("cummax and cummin need a fixed size"))?;
    let mut across = vec![1i64; x.rank()];
    across[axis] = n;
    let mut index = Tensor::arange(0, n, 1, DType::I64)?.reshape(&across)?.expand(x.shape())?;
    let truth = x.dtype() == DType::Bool;
    let mut value = if truth { x.cast(DType::U8)? } else { x.clone() };
    let axis = axis as i64;
    let mut step = 1;
    while step < n {
        let head = |t: &Tensor| t.slice(axis, ..step);
        let (now, then) = (value.slice(axis, step..)?, value.slice(axis, ..-step)?);
        let (now_at, then_at) = (index.slice(axis, step..)?, index.slice(axis, ..-step)?);
        // What came later stays where both are equal; a NaN stays for good.
        let mut stays = if largest { now.ge(&then)? } else { now.le(&then)? };
        if x.dtype().is_float() {
            stays = stays.logical_or(now.is_nan()?)?;
        }
        let (new, new_at) = (stays.where_(&now, &then)?, stays.where_(&now_at, &then_at)?);
        (value, index) = (Tensor::cat(&[&head(&value)?, &new], axis)?, Tensor::cat(&[&head(&index)?, &new_at], axis)?);
        step *= 2;
    }
    Ok(vec![if truth { value.cast(DType::Bool)? } else { value }, index])
}

/// ln Σ eˣ so far along an axis, by the same halving.
fn log_running_sum(x: &Tensor, axis: i64) -> Result<Tensor> {
    if x.rank() == 0 {
        return Ok(x.clone());
    }
    let axis = x.shape().axis(axis)? as i64;
    let n = x.dim(axis)?.fixed().ok_or_else(|| Error::size("a cumulative sum needs a fixed size here"))?;
    let mut value = x.cast(x.dtype().or_float())?;
    let mut step = 1;
    while step < n {
        let head = value.slice(axis, ..step)?;
        let (now, then) = (value.slice(axis, step..)?, value.slice(axis, ..-step)?);
        value = Tensor::cat(&[&head, &now.logaddexp(&then)?], axis)?;
        step *= 2;
    }
    Ok(value)
}

/// The slices along an axis (or all numbers) of which neighbours that are alike are one.
fn consecutive(x: &Tensor, axis: Option<i64>, want_inverse: bool, want_counts: bool) -> Result<Vec<Tensor>> {
    let (slices, along) = match axis {
        None => (x.reshape(&[-1])?, 0),
        Some(axis) => (x.clone(), x.shape().axis(axis)? as i64),
    };
    let others: Vec<i64> = (0..slices.rank() as i64).filter(|&other| other != along).collect();
    let pairs = (slices.slice(along, 1..)?, slices.slice(along, ..-1)?);
    let changes = pairs.0.ne(pairs.1)?;
    let changes = if others.is_empty() { changes } else { changes.any(&others, false)? };
    let begins = Tensor::cat(&[&Tensor::ones([slices.dim(along)?.min(1i64)], DType::Bool)?, &changes], 0)?;
    let places = begins.nonzero()?.reshape(&[-1])?;
    let inverse = begins.cumsum(0)?.sub(1)?;
    let ones = Tensor::ones(inverse.shape(), DType::I64)?;
    let counts = Tensor::zeros([places.dim(0)?], DType::I64)?.scatter(0, &inverse, ones, Reduction::Add)?;
    let inverse = if axis.is_none() { inverse.reshape(x.shape())? } else { inverse };
    once(slices.index_select(along, &places)?, inverse, counts, want_inverse, want_counts)
}

/// What torch gives of the different numbers: the parts that were not asked for are empty.
fn once(values: Tensor, inverse: Tensor, counts: Tensor, want_inverse: bool, want_counts: bool) -> Result<Vec<Tensor>> {
    let nothing = Tensor::zeros([0], DType::I64)?;
    Ok(vec![values, if want_inverse { inverse } else { nothing.clone() }, if want_counts { counts } else { nothing }])
}

/// The product of all numbers so far along an axis, by the same halving; of integers in i64.
fn running_product(x: &Tensor, axis: i64) -> Result<Tensor> {
    let mut value = if x.dtype().is_float() { x.clone() } else { x.cast(DType::I64)? };
    if x.rank() == 0 {
        return Ok(value);
    }
    let axis = x.shape().axis(axis)? as i64;
    let n = x.dim(axis)?.fixed().ok_or_else(|| Error::size("a cumulative product needs a fixed size"))?;
    let mut step = 1;
    while step < n {
        let head = value.slice(axis, ..step)?;
        let (now, then) = (value.slice(axis, step..)?, value.slice(axis, ..-step)?);
        value = Tensor::cat(&[&head, &now.mul(then)?], axis)?;
        step *= 2;
    }
    Ok(value)
}
