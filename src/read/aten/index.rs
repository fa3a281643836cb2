//! Joining, repeating and picking elements.

use super::{Row, one};
use crate::array::Scalar;
use crate::error::{Error, Result};
use crate::ops::Padding;
use crate::tensor::Tensor;

pub(super) const ROWS: &[Row] = &[
    one("cat(Tensor[] tensors, int dim=0) -> Tensor", |a| Tensor::cat(&a.tensors(0)?.iter().collect::<Vec<_>>(), a.int(1)?)),
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
    one("index(Tensor self, Tensor?[] indices) -> Tensor", |a| {
        let indices = a.opt_tensors(1)?;
        a.tensor(0)?.index(&indices.iter().map(Option::as_ref).collect::<Vec<_>>())
    }),
];

/// The elements moved around the axes, or around the flattened tensor.
pub(super) fn rolled(x: &Tensor, shifts: &[i64], axes: &[i64]) -> Result<Tensor> {
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
