//! Joining, repeating and picking elements.

use super::value::Value;
use super::{Row, one, value};
use crate::array::{DType, Scalar};
use crate::error::{Error, Result};
use crate::ops::Padding;
use crate::ops::Reduction;
use crate::tensor::Tensor;

pub(super) const ROWS: &[Row] = &[
    one("cat(Tensor[] tensors, int dim=0) -> Tensor", |a| Tensor::cat(&a.tensors(0)?.iter().collect::<Vec<_>>(), a.int(1)?)),
    one("concat(Tensor[] tensors, int dim=0) -> Tensor", |a| Tensor::cat(&a.tensors(0)?.iter().collect::<Vec<_>>(), a.int(1)?)),
    one("stack(Tensor[] tensors, int dim=0) -> Tensor", |a| Tensor::stack(&a.tensors(0)?.iter().collect::<Vec<_>>(), a.int(1)?)),
    one("repeat(Tensor self, SymInt[] repeats) -> Tensor", |a| a.tensor(0)?.repeat(&a.dims(1)?)),
    one("tile(Tensor self, SymInt[] dims) -> Tensor", |a| {
        let (x, mut repeats) = (a.tensor(0)?, a.dims(1)?);
        while repeats.len() < x.rank() {
            repeats.insert(0, 1.into());
        }
        x.repeat(&repeats)
    }),
    one("flip(Tensor self, int[] dims) -> Tensor", |a| a.tensor(0)?.flip(&a.ints(1)?)),
    one("roll(Tensor self, SymInt[1] shifts, int[1] dims=[]) -> Tensor", |a| rolled(&a.tensor(0)?, &a.ints(1)?, &a.ints(2)?)),
    one("constant_pad_nd(Tensor self, SymInt[] pad, Scalar value=0) -> Tensor", |a| {
        a.tensor(0)?.pad(&a.dims(1)?, Padding::Constant(a.number(2)?))
    }),
    one("pad(Tensor self, SymInt[] pad, str mode=\"constant\", float? value=None) -> Tensor", |a| {
        let mode = match a.opt_str(2)? {
            Some("reflect") => Padding::Reflect,
            Some("replicate") => Padding::Edge,
            Some("circular") => Padding::Wrap,
            _ => Padding::Constant(Scalar::Float(a.opt_float(3)?.unwrap_or(0.0))),
        };
        a.tensor(0)?.pad(&a.dims(1)?, mode)
    }),
    one("reflection_pad1d(Tensor self, SymInt[2] padding) -> Tensor", |a| a.tensor(0)?.pad(&a.dims(1)?, Padding::Reflect)),
    one("reflection_pad2d(Tensor self, SymInt[4] padding) -> Tensor", |a| a.tensor(0)?.pad(&a.dims(1)?, Padding::Reflect)),
    one("replication_pad1d(Tensor self, SymInt[2] padding) -> Tensor", |a| a.tensor(0)?.pad(&a.dims(1)?, Padding::Edge)),
    one("replication_pad2d(Tensor self, SymInt[4] padding) -> Tensor", |a| a.tensor(0)?.pad(&a.dims(1)?, Padding::Edge)),
    one(
        "embedding(Tensor weight, Tensor indices, SymInt padding_idx=-1, bool scale_grad_by_freq=False, bool sparse=False) -> Tensor",
        |a| a.tensor(0)?.embedding(&a.tensor(1)?),
    ),
    one("index_select(Tensor self, int dim, Tensor index) -> Tensor", |a| a.tensor(0)?.index_select(a.int(1)?, &a.tensor(2)?)),
    one("gather(Tensor self, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor", |a| {
        a.tensor(0)?.gather(a.int(1)?, &a.tensor(2)?)
    }),
    one("scatter(Tensor self, int dim, Tensor index, Tensor src) -> Tensor", |a| {
        a.tensor(0)?.scatter(a.int(1)?, &a.tensor(2)?, a.tensor(3)?, Reduction::Replace)
    }),
    one("scatter(Tensor self, int dim, Tensor index, Scalar value) -> Tensor", |a| {
        a.tensor(0)?.scatter(a.int(1)?, &a.tensor(2)?, a.tensor(3)?, Reduction::Replace)
    }),
    one("scatter_add(Tensor self, int dim, Tensor index, Tensor src) -> Tensor", |a| {
        a.tensor(0)?.scatter(a.int(1)?, &a.tensor(2)?, a.tensor(3)?, Reduction::Add)
    }),
    value("index(Tensor self, Tensor?[] indices) -> Tensor", |a| indexed(&a.tensor(0)?, &a.value(1)?.elements()?).map(Value::from)),
];

/// The elements moved around the axes, or around the flattened tensor.
fn rolled(x: &Tensor, shifts: &[i64], axes: &[i64]) -> Result<Tensor> {
    if axes.is_empty() {
        return rolled(&x.reshape(&[-1])?, shifts, &[0])?.reshape(x.shape());
    }
    if axes.len() != shifts.len() {
        return Err(Error::argument(format!("{} shifts for {} axes", shifts.len(), axes.len())));
    }
    axes.iter().zip(shifts).try_fold(x.clone(), |x, (&axis, &shift)| {
        let length = x.dim(axis)?;
        let shift = match length.fixed() {
            Some(0) => return Ok(x),
            Some(n) => shift.rem_euclid(n),
            None => return Err(Error::size(format!("rolling an axis of symbolic length {length}"))),
        };
        if shift == 0 {
            return Ok(x);
        }
        let cut = length - shift;
        let (head, tail) = (x.slice(axis, None, Some(cut.clone()), 1)?, x.slice(axis, Some(cut), None, 1)?);
        Tensor::cat(&[&tail, &head], axis)
    })
}

/// Indexing by tensors of integers: one of them is a Gather, several that stand together are flattened into one.
fn indexed(x: &Tensor, indices: &[Value]) -> Result<Tensor> {
    let mut given = Vec::new();
    for (axis, index) in indices.iter().enumerate() {
        match index {
            Value::None => {}
            index => given.push((axis, index.view()?.read()?)),
        }
    }
    if given.iter().any(|(_, index)| matches!(index.dtype(), DType::Bool | DType::U8)) {
        return Err(
            Error::unsupported("indexing by a mask, whose result has a length that depends on data").help("use where or masked_fill")
        );
    }
    let (Some((first, _)), Some((last, _))) = (given.first().cloned(), given.last()) else { return Ok(x.clone()) };
    if let [(axis, index)] = given.as_slice() {
        return x.index_select(*axis as i64, index);
    }
    let together = last - first + 1 == given.len();
    let count = given.len();
    // The indexed axes are brought to the front where they do not stand together, as torch does.
    let axes: Vec<usize> = given.iter().map(|(axis, _)| *axis).collect();
    let (x, start) = if together {
        (x.clone(), first)
    } else {
        let rest = (0..x.rank()).filter(|axis| !axes.contains(axis));
        let order: Vec<i64> = axes.iter().copied().chain(rest).map(|axis| axis as i64).collect();
        (x.permute(&order)?, 0)
    };
    let mut flat = Tensor::weak(0i64);
    for (i, (_, index)) in given.iter().enumerate() {
        let length = x.shape()[start + i].clone();
        let index = index.lt(0)?.choose(&index.add(&length)?, index)?;
        flat = flat.mul(&length)?.add(index)?;
    }
    let end = start + count - 1;
    x.flatten(start as i64, end as i64)?.index_select(start as i64, &flat)
}
