//! Joining, repeating and picking elements.

use super::args::Args;
use super::row::{Row, one, tuple};
use crate::array::{DType, Scalar};
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::ops::{Padding, Reduction};
use crate::tensor::Tensor;

pub(super) const ROWS: &[Row] = &[
    one("cat(Tensor[] tensors, int dim=0) -> Tensor", |a| concatenated(&a.tensor_parts("tensors")?, a.int("dim")?)),
    one("stack(Tensor[] tensors, int dim=0) -> Tensor", |a| stacked(&a.tensor_parts("tensors")?, a.int("dim")?)),
    one("repeat(Tensor self, SymInt[] repeats) -> Tensor", |a| a.tensor("self")?.repeat(&a.dims("repeats")?)),
    one("tile(Tensor self, SymInt[] dims) -> Tensor", |a| {
        let (x, mut repeats) = (a.tensor("self")?, a.dims("dims")?);
        while repeats.len() < x.rank() {
            repeats.insert(0, 1.into());
        }
        x.repeat(&repeats)
    }),
    one("flip(Tensor self, int[] dims) -> Tensor", |a| a.tensor("self")?.flip(&a.ints("dims")?)),
    one("roll(Tensor self, SymInt[1] shifts, int[1] dims=[]) -> Tensor", |a| a.tensor("self")?.roll(a.dims("shifts")?, &a.ints("dims")?)),
    one("constant_pad_nd(Tensor self, SymInt[] pad, Scalar value=0) -> Tensor", |a| {
        a.tensor("self")?.pad(&a.dims("pad")?, Padding::Constant(a.number("value")?))
    }),
    one("pad(Tensor self, SymInt[] pad, str mode=\"constant\", float? value=None) -> Tensor", |a| {
        let mode = match a.opt_str("mode")? {
            Some("reflect") => Padding::Reflect,
            Some("replicate") => Padding::Edge,
            _ => Padding::Constant(Scalar::Float(a.opt_float("value")?.unwrap_or(0.0))),
        };
        let (x, widths) = (a.tensor("self")?, a.dims("pad")?);
        if a.opt_str("mode")? == Some("circular") { circular(x, widths) } else { x.pad(&widths, mode) }
    }),
    one("_pad_circular(Tensor self, SymInt[] pad) -> Tensor", |a| circular(a.tensor("self")?, a.dims("pad")?)),
    one("reflection_pad1d(Tensor self, SymInt[2] padding) -> Tensor", |a| a.tensor("self")?.pad(&a.dims("padding")?, Padding::Reflect)),
    one("reflection_pad2d(Tensor self, SymInt[4] padding) -> Tensor", |a| a.tensor("self")?.pad(&a.dims("padding")?, Padding::Reflect)),
    one("reflection_pad3d(Tensor self, SymInt[6] padding) -> Tensor", |a| a.tensor("self")?.pad(&a.dims("padding")?, Padding::Reflect)),
    one("replication_pad1d(Tensor self, SymInt[2] padding) -> Tensor", |a| a.tensor("self")?.pad(&a.dims("padding")?, Padding::Edge)),
    one("replication_pad2d(Tensor self, SymInt[4] padding) -> Tensor", |a| a.tensor("self")?.pad(&a.dims("padding")?, Padding::Edge)),
    one("replication_pad3d(Tensor self, SymInt[6] padding) -> Tensor", |a| a.tensor("self")?.pad(&a.dims("padding")?, Padding::Edge)),
    one(
        "embedding(Tensor weight, Tensor indices, SymInt padding_idx=-1, bool scale_grad_by_freq=False, bool sparse=False) -> Tensor",
        |a| a.tensor("weight")?.embedding(&a.tensor("indices")?),
    ),
    // The rows at the indices, scaled down to the largest norm where they exceed it.
    one("embedding_renorm(Tensor self, Tensor indices, float max_norm, float norm_type) -> Tensor", |a| {
        let (table, index, most) = (a.tensor("self")?, a.tensor("indices")?.reshape([-1])?, a.float("max_norm")?);
        // No row is looked at, whatever its dtype.
        if index.numel() == 0 {
            return Ok(table);
        }
        let asked = Tensor::zeros([table.dim(0)?], DType::I64)?.index_put(
            &[Some(&index)],
            &Tensor::ones(index.shape(), DType::I64)?,
            Reduction::Replace,
        )?;
        let norm = table.norm(a.float("norm_type")?, 1, true)?;
        let long = norm.gt(most)?.logical_and(asked.ne(0)?.unsqueeze(-1)?)?;
        long.where_(&table.mul(norm.add(1e-7)?.reciprocal()?.mul(most)?)?, &table)?.cast(table.dtype())
    }),
    one("index_select(Tensor self, int dim, Tensor index) -> Tensor", |a| match a.tensor("self")? {
        x if x.rank() == 0 => Ok(x),
        x => x.index_select(a.int("dim")?, &a.tensor("index")?.reshape([-1])?),
    }),
    tuple(
        "embedding_bag(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, int mode=0, bool sparse=False, Tensor? per_sample_weights=None, bool include_last_offset=False, int? padding_idx=None) -> (Tensor, Tensor, Tensor, Tensor)",
        |a| embedding_bag(a, a.opt_ints("padding_idx")?.map(|padding| padding[0]), a.tensor("offsets")?.dim(0)?),
    ),
    // Inside torch −1 means that no index is padding.
    tuple(
        "_embedding_bag_forward_only(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, int mode=0, bool sparse=False, Tensor? per_sample_weights=None, bool include_last_offset=False, int padding_idx=-1) -> (Tensor, Tensor, Tensor, Tensor)",
        |a| embedding_bag(a, Some(a.int("padding_idx")?).filter(|&padding| padding >= 0), a.tensor("offsets")?.dim(0)?),
    ),
    tuple(
        "_embedding_bag(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, int mode=0, bool sparse=False, Tensor? per_sample_weights=None, bool include_last_offset=False, int padding_idx=-1) -> (Tensor, Tensor, Tensor, Tensor)",
        |a| {
            let (offsets, last) = (a.tensor("offsets")?.dim(0)?, i64::from(a.flag("include_last_offset")?));
            embedding_bag(a, Some(a.int("padding_idx")?).filter(|&padding| padding >= 0), &offsets - last)
        },
    ),
    one("gather(Tensor self, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor", |a| {
        let (x, index) = (a.tensor("self")?, a.tensor("index")?.cast(DType::I64)?);
        if x.rank() == 0 || index.rank() == 0 {
            return x.reshape([-1])?.gather(0, &index.reshape([-1])?)?.reshape(index.shape());
        }
        // No index reads nothing, whatever its shape.
        if index.numel() == 0 { Tensor::zeros(index.shape(), x.dtype()) } else { x.gather(a.int("dim")?, &index) }
    }),
    one("index(Tensor self, Tensor?[] indices) -> Tensor", |a| {
        let indices = a.opt_tensors("indices")?;
        a.tensor("self")?.index(&indices.iter().map(Option::as_ref).collect::<Vec<_>>())
    }),
];

/// Tensors one after the other along an axis; of a part of a list the first axis counts its tensors.
fn concatenated(parts: &[(Tensor, bool)], axis: i64) -> Result<Tensor> {
    let flat = |(tensor, many): &(Tensor, bool)| {
        if !many {
            return Ok(tensor.clone());
        }
        let axis = crate::dim::axis(axis, tensor.rank() - 1)? as i64;
        let order: Vec<i64> = (1..=axis).chain([0]).chain(axis + 1..tensor.rank() as i64).collect();
        tensor.permute(&order)?.flatten(axis, axis + 1)
    };
    let parts = parts.iter().map(flat).collect::<Result<Vec<_>>>()?;
    Tensor::cat(&parts.iter().collect::<Vec<_>>(), axis)
}

/// Tensors along a new axis; of a part of a list that is its first axis.
fn stacked(parts: &[(Tensor, bool)], axis: i64) -> Result<Tensor> {
    let (first, many) = parts.first().ok_or_else(|| Error::argument("nothing to stack"))?;
    let axis = crate::dim::axis(axis, first.rank() + usize::from(!many))? as i64;
    let raised = |(tensor, many): &(Tensor, bool)| {
        let order: Vec<i64> = (1..=axis).chain([0]).chain(axis + 1..tensor.rank() as i64).collect();
        if *many { tensor.permute(&order) } else { tensor.unsqueeze(axis) }
    };
    let parts = parts.iter().map(raised).collect::<Result<Vec<_>>>()?;
    Tensor::cat(&parts.iter().collect::<Vec<_>>(), axis)
}

/// Circular padding; negative widths cut off first.
fn circular(mut x: Tensor, mut widths: Vec<Dim>) -> Result<Tensor> {
    for (i, width) in widths.iter_mut().enumerate().filter(|(_, width)| width.fixed().is_some_and(|n| n < 0)) {
        let (axis, cut) = (-1 - (i as i64 / 2), std::mem::replace(width, 0.into()));
        x = if i % 2 == 0 { x.slice(axis, -cut..)? } else { x.slice(axis, ..cut)? };
    }
    x.pad(&widths, Padding::Wrap)
}

/// The sum, mean or maximum of the rows of each bag; then the bag of each index, the number of indices of each bag, and the index of each maximum,
/// as far as torch computes these: of sums it counts nothing, `uncounted` times.
fn embedding_bag(a: &Args, padding: Option<i64>, uncounted: Dim) -> Result<Vec<Tensor>> {
    let (table, indices, mut offsets, mode) =
        (a.tensor("weight")?, a.tensor("indices")?.cast(DType::I64)?, a.tensor("offsets")?.cast(DType::I64)?, a.int("mode")?);
    if indices.rank() != 1 {
        return Err(Error::shape(format!("embedding_bag: indices of shape {} instead of one axis", indices.shape()))
            .help("torch.nn.functional.embedding_bag flattens them, with one bag for each row"));
    }
    let none = |shape: &[Dim]| Tensor::zeros(shape, DType::I64);
    let of_sum = none(&[uncounted])?;
    if a.flag("include_last_offset")? {
        offsets = offsets.slice(0, ..-1)?;
    }
    let bags = offsets.dim(0)?;
    let count = indices.dim(0)?;
    let positions = Tensor::arange(0, &count, 1, DType::I64)?;
    let bag = positions.unsqueeze(1)?.ge(offsets.unsqueeze(0)?)?.sum(1, false)?.sub(1)?;
    let kept = match padding {
        Some(padding) if padding < 0 => Some(indices.ne(&(table.dim(0)? + padding))?),
        Some(padding) => Some(indices.ne(padding)?),
        None => None,
    };
    let shape = [bags.clone(), table.dim(1)?];
    // The sums of narrow floats are taken without a list of the bags, unless an index is padding.
    let is_listed = mode != 0 || padding.is_some() || table.dtype() == DType::F64;
    if bags.fixed() == Some(0) {
        let bag = if is_listed { bag } else { none(&[0.into()])? };
        let [sizes, chosen] = match mode {
            0 => [of_sum.clone(), of_sum],
            1 => [none(&shape[..1])?, none(&shape[..1])?],
            _ => [none(&shape[..1])?, none(&shape)?],
        };
        return Ok(vec![Tensor::zeros(&shape, table.dtype())?, bag, sizes, chosen]);
    }
    let rows = table.index_select(0, &indices)?;
    let rows = a.opt_tensor("per_sample_weights")?.map_or(Ok(rows.clone()), |weights| rows.mul(weights.unsqueeze(1)?))?;
    let ones = Tensor::ones(indices.shape(), DType::I64)?;
    let counted = kept.as_ref().map_or(Ok(ones), |kept| kept.cast(DType::I64))?;
    let sizes = || none(&shape[..1])?.index_put(&[Some(&bag)], &counted, Reduction::Add);
    let dropped = |number: f64| kept.as_ref().map_or(Ok(rows.clone()), |kept| rows.masked_fill(&kept.logical_not()?.unsqueeze(1)?, number));
    let sum = || Tensor::zeros(&shape, table.dtype())?.index_put(&[Some(&bag)], &dropped(0.0)?, Reduction::Add);
    match mode {
        0 => Ok(vec![sum()?, if is_listed { bag } else { none(&[0.into()])? }, of_sum.clone(), of_sum]),
        1 => {
            let sizes = sizes()?;
            let mean = sum()?.div(sizes.clamp(Some(Scalar::Int(1)), None)?.unsqueeze(1)?.cast(table.dtype())?)?;
            Ok(vec![mean, bag, sizes.clone(), sizes])
        }
        2 => {
            let sizes = sizes()?;
            let least = Tensor::full(&shape, f64::NEG_INFINITY, table.dtype())?;
            let values = dropped(f64::NEG_INFINITY)?;
            let most = least.index_put(&[Some(&bag)], &values, Reduction::Max)?;
            // The first of a bag's positions that holds the maximum.
            let is_first = values.eq(most.index_select(0, &bag)?)?;
            let is_first = kept.as_ref().map_or(Ok(is_first.clone()), |kept| is_first.logical_and(kept.unsqueeze(1)?))?;
            let position = is_first.where_(&positions.unsqueeze(1)?, &Tensor::from_dim(&count))?;
            let behind = Tensor::from_dim(&count).expand(&shape)?;
            let first = behind.index_put(&[Some(&bag)], &position, Reduction::Min)?;
            let padded = indices.pad([0, 1], Padding::Constant(Scalar::Int(0)))?;
            let chosen = padded.index_select(0, &first.reshape([-1])?)?.reshape(&shape[..])?;
            Ok(vec![most.masked_fill(&sizes.eq(0)?.unsqueeze(1)?, 0.0)?, bag, sizes, chosen])
        }
        other => Err(Error::argument(format!("embedding_bag: unknown mode {other}"))),
    }
}
