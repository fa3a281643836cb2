//! Views of tensors: how each is computed from its base, and how a write to it goes back.

use super::layout;
use super::value::{Sequence, Value, View, ViewStep};
use crate::array::DType;
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::ops::Reduction;
use crate::tensor::Tensor;

/// A view and its inverse.
pub(super) fn step_of(
    apply: impl Fn(&Tensor) -> Result<Tensor> + 'static,
    write: impl Fn(&Tensor, &Tensor) -> Result<Tensor> + 'static,
) -> ViewStep {
    ViewStep { apply: Box::new(apply), write: Box::new(write) }
}

pub(super) fn in_order(base: &View, apply: impl Fn(&Tensor) -> Result<Tensor> + 'static) -> Result<View> {
    let (old, new) = (base.read()?, apply(&base.read()?)?);
    // A program that asks for a view knows that there is one; a layout in memory that differs from the one here counts as contiguous.
    let strides = layout::reshaped(old.shape(), base.strides(), new.shape()).unwrap_or_else(|| layout::contiguous(new.shape()));
    base.step(step_of(apply, |base, new| new.reshape(base.shape())), strides)
}

pub(super) fn expanded(base: &View, size: Vec<Dim>) -> Result<Value> {
    let refused =
        |_: &Tensor, _: &Tensor| Err(Error::unsupported("in-place write through an expanded view: several of its elements share memory"));
    let (old, new) = (base.read()?, base.read()?.expand(&size)?);
    let added = new.rank() - old.rank();
    let stride = |axis: usize| match axis.checked_sub(added) {
        Some(axis) if old.shape()[axis] == new.shape()[axis + added] => base.strides()[axis].clone(),
        _ => Dim::Fixed(0),
    };
    let strides = (0..new.rank()).map(stride).collect();
    Ok(Value::Tensor(base.step(step_of(move |x| x.expand(&size), refused), strides)?))
}

pub(super) fn selected(base: &View, axis: i64, index: Dim) -> Result<Value> {
    // No sequence is empty: the first step of a packed one has them all.
    if let (Some(Sequence::Sizes(packed)), true) = (base.sequence(), index == 0) {
        return Ok(Tensor::from_dim(&packed.batch()?).into());
    }
    selected_as(base, axis, index, None)
}

/// One index of an axis, perhaps computed already.
pub(super) fn selected_as(base: &View, axis: i64, index: Dim, known: Option<Tensor>) -> Result<Value> {
    let known = std::cell::RefCell::new(known);
    let (at, to) = (index.clone(), index);
    let apply = move |x: &Tensor| known.borrow_mut().take().map_or_else(|| x.select(axis, &at), Ok);
    let write = move |base: &Tensor, new: &Tensor| base.select_scatter(axis, &to, new);
    let mut strides = base.strides().to_vec();
    strides.remove(base.read()?.shape().axis(axis)?);
    Ok(Value::Tensor(base.step(step_of(apply, write), strides)?))
}

pub(super) fn sliced(base: &View, axis: i64, start: Option<Dim>, end: Option<Dim>, by: i64) -> Result<Value> {
    let (s, e) = (start.clone(), end.clone());
    let apply = move |x: &Tensor| x.slice_step(axis, (s.clone(), e.clone()), by);
    let write = move |base: &Tensor, new: &Tensor| base.slice_scatter(axis, (start.clone(), end.clone()), by, new);
    let mut strides = base.strides().to_vec();
    let axis = base.read()?.shape().axis(axis)?;
    strides[axis] = &strides[axis] * by;
    Ok(Value::Tensor(base.step(step_of(apply, write), strides)?))
}

/// Pieces of an axis, one after the other, computed already.
pub(super) fn pieces(base: &View, axis: i64, tensors: Vec<Tensor>) -> Result<Value> {
    let mut start = Dim::Fixed(0);
    let mut views = Vec::with_capacity(tensors.len());
    for tensor in tensors {
        let end = &start + &tensor.dim(axis)?;
        let known = std::cell::RefCell::new(Some(tensor));
        let (from, to) = (start.clone(), end.clone());
        let apply = move |x: &Tensor| known.borrow_mut().take().map_or_else(|| x.slice(axis, from.clone()..to.clone()), Ok);
        let (from, to) = (start, end.clone());
        let write = move |base: &Tensor, new: &Tensor| base.slice_scatter(axis, from.clone()..to.clone(), 1, new);
        views.push(Value::Tensor(base.step(step_of(apply, write), base.strides().to_vec())?));
        start = end;
    }
    Ok(Value::list(views))
}

/// A view of indices along an axis, each of which may occur several times.
pub(super) fn picked(base: &View, axis: usize, index: Tensor, strides: Vec<Dim>) -> Result<View> {
    let axis = axis as i64;
    let positions = index.clone();
    let write = move |base: &Tensor, new: &Tensor| base.index_put_along(axis, &positions, new, Reduction::Replace);
    base.step(step_of(move |x| x.index_select(axis, &index), write), strides)
}

/// The elements whose indices on two axes differ by `offset`, as a last axis, and how a write to them goes back.
pub(super) fn diagonal_view(base: &View, offset: i64, first: i64, second: i64) -> Result<Value> {
    let x = base.read()?;
    let (order, index, columns) = x.diagonal_positions(offset, first, second)?;
    // How many rows of nothing there are does not follow from their elements.
    let rows = if columns == 0 { x.dim(first)? } else { Dim::Fixed(-1) };
    let mut inverse = vec![0; order.len()];
    for (i, &axis) in order.iter().enumerate() {
        inverse[axis as usize] = i as i64;
    }
    let (first, second) = (base.strides()[x.shape().axis(first)?].clone(), base.strides()[x.shape().axis(second)?].clone());
    let mut strides: Vec<Dim> = order[..order.len() - 2].iter().map(|&axis| base.strides()[axis as usize].clone()).collect();
    strides.push(first + second);
    let flat = base.step(
        step_of(
            move |x| x.permute(&order)?.flatten(-2, -1),
            move |_, new| new.unflatten(-1, &[rows.clone(), columns.clone()])?.permute(&inverse),
        ),
        strides.clone(),
    )?;
    let last = flat.read()?.rank() - 1;
    picked(&flat, last, index, strides).map(Value::Tensor)
}

/// A view of the storage of the base with strides of its own: torch's `as_strided`.
pub(super) fn strided(view: &View, size: &[Dim], stride: &[Dim], offset: &Dim) -> Result<Value> {
    if size.len() != stride.len() {
        return Err(Error::argument(format!("as_strided: {} strides for {} axes", stride.len(), size.len())));
    }
    let base = view.root();
    let fixed = |dims: &[Dim]| dims.iter().map(Dim::fixed).collect::<Option<Vec<i64>>>();
    let index = match (base.read()?.numel().fixed(), fixed(size), fixed(stride), offset.fixed()) {
        (Some(storage), Some(size), Some(stride), Some(offset)) => {
            Tensor::from(strided_positions(storage, &size, &stride, offset)?.as_slice())
        }
        _ => {
            let mut index = Tensor::from_dim(offset);
            for (n, by) in size.iter().zip(stride) {
                index = index.unsqueeze(-1)?.add(Tensor::arange(0, n, 1, DType::I64)?.mul(by)?)?;
            }
            index.reshape([-1])?
        }
    };
    let flat = in_order(&base, |x| x.reshape([-1]))?;
    let size = size.to_vec();
    let picked = picked(&flat, 0, index, vec![Dim::Fixed(1)])?;
    let shaped = picked.step(step_of(move |x| x.reshape(&size), |base, new| new.reshape(base.shape())), stride.to_vec())?;
    Ok(Value::Tensor(shaped))
}

/// Where in its storage the elements of a view lie.
fn strided_positions(storage: i64, size: &[i64], stride: &[i64], offset: i64) -> Result<Vec<i64>> {
    let mut index = vec![offset];
    for (&n, &by) in size.iter().zip(stride) {
        if index.len() as i64 * n.max(0) > 1 << 24 {
            return Err(Error::too_big("as_strided: the view is too large"));
        }
        index = index.iter().flat_map(|&at| (0..n).map(move |i| at + i * by)).collect();
    }
    match index.iter().find(|&&at| !(0..storage).contains(&at)) {
        Some(outside) => Err(Error::argument(format!("as_strided: element {outside} is outside the storage of {storage} elements"))),
        None => Ok(index),
    }
}

/// The axes in another order.
pub(super) fn permuted(base: &View, axes: Vec<i64>) -> Result<View> {
    let mut inverse = vec![0; axes.len()];
    for (i, &axis) in axes.iter().enumerate() {
        *inverse.get_mut(axis as usize).ok_or_else(|| Error::argument("the permutation does not fit the tensor's axes"))? = i as i64;
    }
    let strides = axes.iter().map(|&axis| base.strides()[axis as usize].clone()).collect();
    base.step(step_of(move |x| x.permute(&axes), move |_, new| new.permute(&inverse)), strides)
}

/// The base with other elements where one of its views lies, as a tensor of its own: torch's `select_scatter` and its like.
pub(super) fn scattered(base: Tensor, source: &Tensor, view: impl Fn(&View) -> Result<Value>) -> Result<Tensor> {
    let base = View::new(base);
    view(&base)?.view()?.assign(source)?;
    base.read()
}
