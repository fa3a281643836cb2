//! Torch operators that give a view: a write to the result is a write to the operand.

use super::args::Args;
use super::layout;
use super::value::{Sequence, Step, Value, View};
use super::{Row, value};
use crate::array::DType;
use crate::dim::{Dim, Shape};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

pub(super) const ROWS: &[Row] = &[
    value("view(Tensor(a) self, SymInt[] size) -> Tensor(a)", |a| reshaped(a, |x, size| x.reshape(size))),
    value("view(Tensor(a) self, ScalarType dtype) -> Tensor(a)", |a| {
        let (base, dtype) = (a.view(0)?, super::args::scalar_type(a.int(1)?)?);
        let cast = move |x: &Tensor| x.bit_cast(dtype);
        let strides = base.strides().to_vec();
        base.step(step_of(cast, |base, new| new.bit_cast(base.dtype())), strides).map(Value::Tensor)
    }),
    value("reshape(Tensor(a) self, SymInt[] shape) -> Tensor(a)", |a| {
        let size = a.dims(1)?;
        view_or_copy(a, move |x| x.reshape(&size))
    }),
    value("_unsafe_view(Tensor self, SymInt[] size) -> Tensor", |a| reshaped(a, |x, size| x.reshape(size))),
    value("_reshape_alias(Tensor(a) self, SymInt[] size, SymInt[] stride) -> Tensor(a)", |a| reshaped(a, |x, size| x.reshape(size))),
    value("_reshape_copy(Tensor self, SymInt[] size) -> Tensor", |a| a.tensor(0)?.reshape(&a.dims(1)?).map(Value::from)),
    value("sym_stride(Tensor self, int dim) -> SymInt", |a| {
        let x = a.view(0)?;
        Ok(Value::Int(x.strides()[x.read()?.shape().axis(a.int(1)?)?].clone()))
    }),
    value("sym_is_contiguous(Tensor self, MemoryFormat memory_format=contiguous_format) -> SymBool", |a| {
        let x = a.view(0)?;
        Ok(Value::Bool(a.int(1)? == 0 && layout::is_contiguous(x.read()?.shape(), x.strides())))
    }),
    value("view_as(Tensor(a) self, Tensor other) -> Tensor(a)", |a| {
        let shape = a.tensor(1)?.shape().clone();
        bijection(a, move |x| x.reshape(&shape))
    }),
    value("reshape_as(Tensor(a) self, Tensor other) -> Tensor(a)", |a| {
        let shape = a.tensor(1)?.shape().clone();
        view_or_copy(a, move |x| x.reshape(&shape))
    }),
    value("flatten(Tensor(a) self, int start_dim=0, int end_dim=-1) -> Tensor(a)", |a| {
        let (start, end) = (a.int(1)?, a.int(2)?);
        view_or_copy(a, move |x| x.flatten(start, end))
    }),
    value("unflatten(Tensor(a) self, int dim, SymInt[] sizes) -> Tensor(a)", |a| {
        let (axis, sizes) = (a.int(1)?, a.dims(2)?);
        bijection(a, move |x| x.unflatten(axis, &sizes))
    }),
    value("squeeze(Tensor(a) self) -> Tensor(a)", |a| bijection(a, Tensor::squeeze)),
    value("squeeze(Tensor(a) self, int dim) -> Tensor(a)", |a| {
        let axes = a.ints(1)?;
        bijection(a, move |x| squeezed(x, &axes))
    }),
    value("squeeze(Tensor(a) self, int[] dim) -> Tensor(a)", |a| {
        let axes = a.ints(1)?;
        bijection(a, move |x| squeezed(x, &axes))
    }),
    value("unsqueeze(Tensor(a) self, int dim) -> Tensor(a)", |a| {
        let axis = a.int(1)?;
        bijection(a, move |x| x.unsqueeze(axis))
    }),
    value("permute(Tensor(a) self, int[] dims) -> Tensor(a)", |a| {
        let rank = a.tensor(0)?.rank();
        let axes = a.ints(1)?.into_iter().map(|axis| crate::dim::axis(axis, rank).map(|axis| axis as i64)).collect::<Result<Vec<_>>>()?;
        permuted(a, axes)
    }),
    value("transpose(Tensor(a) self, int dim0, int dim1) -> Tensor(a)", |a| {
        let x = a.tensor(0)?;
        let mut axes: Vec<i64> = (0..x.rank() as i64).collect();
        if x.rank() > 0 {
            axes.swap(x.shape().axis(a.int(1)?)?, x.shape().axis(a.int(2)?)?);
        }
        permuted(a, axes)
    }),
    value("t(Tensor(a) self) -> Tensor(a)", |a| {
        let rank = a.tensor(0)?.rank() as i64;
        permuted(a, (0..rank).rev().collect())
    }),
    value("numpy_T(Tensor(a) self) -> Tensor(a)", |a| {
        let rank = a.tensor(0)?.rank() as i64;
        permuted(a, (0..rank).rev().collect())
    }),
    value("movedim(Tensor(a) self, int[] source, int[] destination) -> Tensor(a)", |a| {
        let rank = a.tensor(0)?.rank();
        let axes = |i: usize| a.ints(i)?.into_iter().map(|axis| crate::dim::axis(axis, rank)).collect::<Result<Vec<_>>>();
        moved(a, &axes(1)?, &axes(2)?)
    }),
    value("expand(Tensor(a) self, SymInt[] size, *, bool implicit=False) -> Tensor(a)", |a| expanded(a.view(0)?, a.dims(1)?)),
    value("expand_as(Tensor(a) self, Tensor other) -> Tensor(a)", |a| expanded(a.view(0)?, a.tensor(1)?.shape().to_vec())),
    value("broadcast_to(Tensor(a) self, SymInt[] size) -> Tensor(a)", |a| expanded(a.view(0)?, a.dims(1)?)),
    value("select(Tensor(a) self, int dim, SymInt index) -> Tensor(a)", |a| match a.value(2)? {
        Value::Tensor(index) if index.read()?.is_traced() && index.read()?.symbolic_values().is_none() => {
            let (base, axis) = (a.view(0)?, a.tensor(0)?.shape().axis(a.int(1)?)?);
            let one = picked(base, axis, index.read()?.cast(DType::I64)?.reshape(&[1])?, base.strides().to_vec())?;
            selected(&one, axis as i64, Dim::Fixed(0))
        }
        _ => selected(a.view(0)?, a.int(1)?, a.dim(2)?),
    }),
    value("slice(Tensor(a) self, int dim=0, SymInt? start=None, SymInt? end=None, SymInt step=1) -> Tensor(a)", |a| {
        sliced(a.view(0)?, a.int(1)?, a.opt_dim(2)?, a.opt_dim(3)?, a.int(4)?)
    }),
    value("narrow(Tensor(a) self, int dim, SymInt start, SymInt length) -> Tensor(a)", |a| {
        let (start, length) = (a.dim(2)?, a.dim(3)?);
        let start = if start.example().is_some_and(|n| n < 0) { a.tensor(0)?.dim(a.int(1)?)? + start } else { start };
        let end = &start + &length;
        sliced(a.view(0)?, a.int(1)?, Some(start), Some(end), 1)
    }),
    value("split(Tensor(a) self, SymInt split_size, int dim=0) -> Tensor(a)[]", |a| {
        let (x, axis) = (a.tensor(0)?, a.int(2)?);
        pieces(a.view(0)?, axis, x.split(a.dim(1)?, axis)?)
    }),
    value("split(Tensor(a) self, SymInt[] split_sizes, int dim=0) -> Tensor(a)[]", |a| {
        let (x, axis) = (a.tensor(0)?, a.int(2)?);
        pieces(a.view(0)?, axis, x.split_with_sizes(&a.dims(1)?, axis)?)
    }),
    value("split_with_sizes(Tensor(a) self, SymInt[] split_sizes, int dim=0) -> Tensor(a)[]", |a| {
        let (x, axis) = (a.tensor(0)?, a.int(2)?);
        pieces(a.view(0)?, axis, x.split_with_sizes(&a.dims(1)?, axis)?)
    }),
    value("chunk(Tensor(a) self, int chunks, int dim=0) -> Tensor(a)[]", |a| {
        let (x, axis) = (a.tensor(0)?, a.int(2)?);
        pieces(a.view(0)?, axis, x.chunk(a.int(1)?, axis)?)
    }),
    value("unbind(Tensor(a) self, int dim=0) -> Tensor(a)[]", |a| {
        let (x, axis) = (a.tensor(0)?, a.int(1)?);
        let count = x.dim(axis)?;
        let count = count.fixed().ok_or_else(|| Error::size(format!("an axis of length {count} has no fixed number of indices")))?;
        // One Split, then views of single indices: what runtimes do best.
        let base = a.view(0)?;
        let split = x.split(1i64, axis)?;
        if split.len() != count.max(0) as usize {
            return Ok(Value::list(vec![]));
        }
        let select = |(i, piece): (i64, Tensor)| selected_as(base, axis, Dim::Fixed(i), Some(piece.squeeze_axes(&[axis])?));
        Ok(Value::list((0..count).zip(split).map(select).collect::<Result<_>>()?))
    }),
    value("cpu(Tensor(a) self) -> Tensor(a)", |a| Ok(a.value(0)?.clone())),
    value("detach(Tensor(a) self) -> Tensor(a)", |a| Ok(a.value(0)?.clone())),
    value("alias(Tensor(a) self) -> Tensor(a)", |a| Ok(a.value(0)?.clone())),
    value("contiguous(Tensor(a) self, *, MemoryFormat memory_format=contiguous_format) -> Tensor(a)", |a| {
        // Itself where its elements stand in order already.
        let x = a.view(0)?;
        let in_order = a.int(1)? == 0 && layout::is_contiguous(x.read()?.shape(), x.strides());
        Ok(if in_order { a.value(0)?.clone() } else { x.read()?.into() })
    }),
    value("diagonal(Tensor(a) self, int offset=0, int dim1=0, int dim2=1) -> Tensor(a)", |a| {
        diagonal_view(a.view(0)?, a.int(1)?, a.int(2)?, a.int(3)?)
    }),
    value("linalg_diagonal(Tensor(a) A, *, int offset=0, int dim1=-2, int dim2=-1) -> Tensor(a)", |a| {
        diagonal_view(a.view(0)?, a.int(1)?, a.int(2)?, a.int(3)?)
    }),
    value("movedim(Tensor(a) self, int source, int destination) -> Tensor(a)", |a| {
        let rank = a.tensor(0)?.rank();
        moved(a, &[crate::dim::axis(a.int(1)?, rank)?], &[crate::dim::axis(a.int(2)?, rank)?])
    }),
    value("mT(Tensor(a) self) -> Tensor(a)", transposed),
    value("mH(Tensor(a) self) -> Tensor(a)", transposed),
    value("matrix_H(Tensor(a) self) -> Tensor(a)", transposed),
    value("ravel(Tensor(a) self) -> Tensor(a)", |a| view_or_copy(a, |x| x.reshape(&[-1]))),
    value("unfold(Tensor(a) self, int dimension, int size, int step) -> Tensor(a)", |a| {
        let x = a.tensor(0)?;
        let (axis, size, step) = (a.int(1)?, a.int(2)?, a.int(3)?);
        if x.rank() == 0 {
            return bijection(a, |x| x.reshape(&[-1]));
        }
        let axis = x.shape().axis(axis)?;
        let n = fixed(&x, axis)?;
        if size < 0 || step < 1 || size > n {
            return Err(Error::argument(format!("windows of {size} every {step} on {n} elements")));
        }
        let count = (n - size) / step + 1;
        let index: Vec<i64> = (0..count).flat_map(|i| (0..size).map(move |j| i * step + j)).collect();
        let base = a.view(0)?;
        let mut strides = base.strides().to_vec();
        strides.push(strides[axis].clone());
        strides[axis] = &strides[axis] * step;
        let windows = picked(base, axis, Tensor::from(index.as_slice()), base.strides().to_vec())?;
        let split = windows.step(
            step_of(
                move |x| {
                    let x = x.unflatten(axis as i64, &[count, size])?;
                    let mut order: Vec<i64> = (0..x.rank() as i64).collect();
                    let last = order.remove(axis + 1);
                    order.push(last);
                    x.permute(&order)
                },
                move |base, new| {
                    let mut order: Vec<i64> = (0..new.rank() as i64 - 1).collect();
                    order.insert(axis + 1, new.rank() as i64 - 1);
                    new.permute(&order)?.reshape(base.shape())
                },
            ),
            strides,
        )?;
        Ok(Value::Tensor(split))
    }),
    value("as_strided(Tensor(a) self, SymInt[] size, SymInt[] stride, SymInt? storage_offset=None) -> Tensor(a)", |a| {
        strided(a.view(0)?, &a.ints(1)?, &a.ints(2)?, a.opt_ints(3)?.map_or(0, |offset| offset[0]))
    }),
    value("select_scatter(Tensor self, Tensor src, int dim, SymInt index) -> Tensor", |a| {
        super::shape::scattered(a, |base| selected(base, a.int(2)?, a.dim(3)?)).map(Value::from)
    }),
    value("slice_scatter(Tensor self, Tensor src, int dim=0, SymInt? start=None, SymInt? end=None, SymInt step=1) -> Tensor", |a| {
        super::shape::scattered(a, |base| sliced(base, a.int(2)?, a.opt_dim(3)?, a.opt_dim(4)?, a.int(5)?)).map(Value::from)
    }),
    value("diagonal_scatter(Tensor self, Tensor src, int offset=0, int dim1=0, int dim2=1) -> Tensor", |a| {
        super::shape::scattered(a, |base| diagonal_view(base, a.int(2)?, a.int(3)?, a.int(4)?)).map(Value::from)
    }),
    value("as_strided_scatter(Tensor self, Tensor src, SymInt[] size, SymInt[] stride, SymInt? storage_offset=None) -> Tensor", |a| {
        let offset = a.opt_ints(4)?.map_or(0, |offset| offset[0]);
        super::shape::scattered(a, |base| strided(base, &a.ints(2)?, &a.ints(3)?, offset)).map(Value::from)
    }),
    value("real(Tensor(a) self) -> Tensor(a)", |a| Ok(a.value(0)?.clone())),
    value("conj(Tensor(a) self) -> Tensor(a)", |a| Ok(a.value(0)?.clone())),
    value("resolve_conj(Tensor(a) self) -> Tensor(a)", |a| Ok(a.value(0)?.clone())),
    value("resolve_neg(Tensor(a) self) -> Tensor(a)", |a| Ok(a.value(0)?.clone())),
    value("data(Tensor(a) self) -> Tensor(a)", |a| Ok(a.value(0)?.clone())),
];

fn step_of(apply: impl Fn(&Tensor) -> Result<Tensor> + 'static, write: impl Fn(&Tensor, &Tensor) -> Result<Tensor> + 'static) -> Step {
    Step { apply: Box::new(apply), write: Box::new(write) }
}

/// A view that has every element of its base once, in the same order.
fn bijection(a: &Args, apply: impl Fn(&Tensor) -> Result<Tensor> + 'static) -> Result<Value> {
    in_order(a.view(0)?, apply).map(Value::Tensor)
}

fn in_order(base: &View, apply: impl Fn(&Tensor) -> Result<Tensor> + 'static) -> Result<View> {
    let (old, new) = (base.read()?, apply(&base.read()?)?);
    // A program that asks for a view knows that there is one; what stands in memory otherwise than here counts as in order.
    let strides = layout::reshaped(old.shape(), base.strides(), new.shape()).unwrap_or_else(|| layout::contiguous(new.shape()));
    base.step(step_of(apply, |base, new| new.reshape(base.shape())), strides)
}

/// The same as a view where strides can reach the elements, and else a copy: what a write to it does differs.
fn view_or_copy(a: &Args, apply: impl Fn(&Tensor) -> Result<Tensor> + 'static) -> Result<Value> {
    let base = a.view(0)?;
    let (old, new) = (base.read()?, apply(&base.read()?)?);
    match layout::reshaped(old.shape(), base.strides(), new.shape()) {
        Some(_) => bijection(a, apply),
        None => Ok(new.into()),
    }
}

fn reshaped(a: &Args, reshape: impl Fn(&Tensor, &[Dim]) -> Result<Tensor> + 'static) -> Result<Value> {
    let size = a.dims(1)?;
    bijection(a, move |x| reshape(x, &size))
}

/// Without those of these axes that have length 1; others stay, as in torch.
fn squeezed(x: &Tensor, axes: &[i64]) -> Result<Tensor> {
    if x.rank() == 0 {
        return Ok(x.clone());
    }
    let axes = axes.iter().map(|&axis| x.shape().axis(axis)).collect::<Result<Vec<_>>>()?;
    let ones: Vec<i64> = axes.into_iter().filter(|&axis| x.shape()[axis] == 1).map(|axis| axis as i64).collect();
    x.squeeze_axes(&ones)
}

fn permuted(a: &Args, axes: Vec<i64>) -> Result<Value> {
    let mut inverse = vec![0; axes.len()];
    for (i, &axis) in axes.iter().enumerate() {
        *inverse.get_mut(axis as usize).ok_or_else(|| Error::argument("a permutation of other axes"))? = i as i64;
    }
    let base = a.view(0)?;
    let strides = axes.iter().map(|&axis| base.strides()[axis as usize].clone()).collect();
    Ok(Value::Tensor(base.step(step_of(move |x| x.permute(&axes), move |_, new| new.permute(&inverse)), strides)?))
}

fn expanded(base: &View, size: Vec<Dim>) -> Result<Value> {
    let refused =
        |_: &Tensor, _: &Tensor| Err(Error::unsupported("a write through an expanded view, where one element stands in several places"));
    let (old, new) = (base.read()?, base.read()?.expand(&size)?);
    let added = new.rank() - old.rank();
    let stride = |axis: usize| match axis.checked_sub(added) {
        Some(axis) if old.shape()[axis] == new.shape()[axis + added] => base.strides()[axis].clone(),
        _ => Dim::Fixed(0),
    };
    let strides = (0..new.rank()).map(stride).collect();
    Ok(Value::Tensor(base.step(step_of(move |x| x.expand(&size), refused), strides)?))
}

fn selected(base: &View, axis: i64, index: Dim) -> Result<Value> {
    // No sequence is empty: the first step of a packed one has them all.
    if let (Some(Sequence::Sizes(packed)), true) = (base.sequence(), index == 0) {
        return Ok(Tensor::from_dim(&packed.batch()?).into());
    }
    selected_as(base, axis, index, None)
}

/// One index of an axis, perhaps computed already.
fn selected_as(base: &View, axis: i64, index: Dim, known: Option<Tensor>) -> Result<Value> {
    let known = std::cell::RefCell::new(known);
    let (at, to) = (index.clone(), index);
    let apply = move |x: &Tensor| known.borrow_mut().take().map_or_else(|| x.select(axis, &at), Ok);
    let write = move |base: &Tensor, new: &Tensor| base.select_scatter(axis, &to, new);
    let mut strides = base.strides().to_vec();
    strides.remove(base.read()?.shape().axis(axis)?);
    Ok(Value::Tensor(base.step(step_of(apply, write), strides)?))
}

fn sliced(base: &View, axis: i64, start: Option<Dim>, end: Option<Dim>, by: i64) -> Result<Value> {
    let (s, e) = (start.clone(), end.clone());
    let apply = move |x: &Tensor| x.slice_step(axis, (s.clone(), e.clone()), by);
    let write = move |base: &Tensor, new: &Tensor| base.slice_scatter(axis, (start.clone(), end.clone()), by, new);
    let mut strides = base.strides().to_vec();
    let place = base.read()?.shape().axis(axis)?;
    strides[place] = &strides[place] * by;
    Ok(Value::Tensor(base.step(step_of(apply, write), strides)?))
}

/// Pieces of an axis, one after the other, computed already.
fn pieces(base: &View, axis: i64, tensors: Vec<Tensor>) -> Result<Value> {
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

fn fixed(x: &Tensor, axis: usize) -> Result<i64> {
    x.shape()[axis].fixed().ok_or_else(|| Error::size("windows onto an axis of symbolic length"))
}

/// The last two axes exchanged.
fn transposed(a: &Args) -> Result<Value> {
    let rank = a.tensor(0)?.rank() as i64;
    if rank == 0 {
        return Ok(a.value(0)?.clone());
    }
    if rank < 2 {
        return Err(Error::shape(format!("the transpose of a matrix, of a tensor with {rank} axes")));
    }
    let mut axes: Vec<i64> = (0..rank).collect();
    axes.swap(rank as usize - 1, rank as usize - 2);
    permuted(a, axes)
}

fn moved(a: &Args, from: &[usize], to: &[usize]) -> Result<Value> {
    let rank = a.tensor(0)?.rank();
    if from.len() != to.len() {
        return Err(Error::argument("as many destinations as sources"));
    }
    let mut rest = (0..rank).filter(|axis| !from.contains(axis));
    let place = |axis| to.iter().position(|&t| t == axis).map_or_else(|| rest.next(), |i| Some(from[i]));
    let order: Option<Vec<usize>> = (0..rank).map(place).collect();
    permuted(a, order.unwrap_or_default().into_iter().map(|axis| axis as i64).collect())
}

/// Indices along an axis, each of which may stand in several places.
fn picked(base: &View, axis: usize, index: Tensor, strides: Vec<Dim>) -> Result<View> {
    let axis = axis as i64;
    let places = index.clone();
    let write = move |base: &Tensor, new: &Tensor| super::scatter::index_put_along(base, axis, &places, new);
    base.step(step_of(move |x| x.index_select(axis, &index), write), strides)
}

/// The elements whose indices on two axes differ by `offset`, as a last axis, and how a write to them goes back.
fn diagonal_view(base: &View, offset: i64, first: i64, second: i64) -> Result<Value> {
    let x = base.read()?;
    let (order, index, columns) = diagonal_places(&x, offset, first, second)?;
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
            move |_, new| new.unflatten(-1, &[Dim::Fixed(-1), Dim::Fixed(columns)])?.permute(&inverse),
        ),
        strides.clone(),
    )?;
    let last = flat.read()?.rank() - 1;
    picked(&flat, last, Tensor::from(index.as_slice()), strides).map(Value::Tensor)
}

/// The elements whose indices on two axes differ by `offset`, as a last axis.
pub(super) fn diagonal(x: &Tensor, offset: i64, first: i64, second: i64) -> Result<Tensor> {
    let (order, index, _) = diagonal_places(x, offset, first, second)?;
    x.permute(&order)?.flatten(-2, -1)?.index_select(-1, &Tensor::from(index.as_slice()))
}

/// The permutation that brings two axes to the end, the places of their diagonal once they are one axis, and the length of the second.
fn diagonal_places(x: &Tensor, offset: i64, first: i64, second: i64) -> Result<(Vec<i64>, Vec<i64>, i64)> {
    let (first, second) = (x.shape().axis(first)?, x.shape().axis(second)?);
    if first == second {
        return Err(Error::argument("a diagonal needs two axes"));
    }
    let (rows, columns) = (fixed(x, first)?, fixed(x, second)?);
    let (row, column) = ((-offset).max(0), offset.max(0));
    let length = (rows - row).min(columns - column).max(0);
    let mut order: Vec<i64> = (0..x.rank()).filter(|&axis| axis != first && axis != second).map(|axis| axis as i64).collect();
    order.extend([first as i64, second as i64]);
    Ok((order, (0..length).map(|i| (row + i) * columns + column + i).collect(), columns))
}

/// A window with strides of its own onto the storage of the base, whose elements stand there in order.
fn strided(view: &View, size: &[i64], stride: &[i64], offset: i64) -> Result<Value> {
    if size.len() != stride.len() {
        return Err(Error::argument(format!("{} strides for {} axes", stride.len(), size.len())));
    }
    let base = view.root();
    let storage = base.read()?.numel().fixed().ok_or_else(|| Error::size("strides onto a storage of symbolic size"))?;
    let mut index = vec![offset];
    for (&n, &by) in size.iter().zip(stride) {
        if index.len() as i64 * n.max(0) > 1 << 24 {
            return Err(Error::too_big("a window with strides by the million"));
        }
        index = index.iter().flat_map(|&at| (0..n).map(move |i| at + i * by)).collect();
    }
    if let Some(&outside) = index.iter().find(|&&at| !(0..storage).contains(&at)) {
        return Err(Error::argument(format!("element {outside} of a storage of {storage}")));
    }
    let flat = in_order(&base, |x| x.reshape(&[-1]))?;
    let size = size.to_vec();
    let strides = stride.iter().map(|&stride| Dim::Fixed(stride)).collect();
    let picked = picked(&flat, 0, Tensor::from(index.as_slice()), vec![Dim::Fixed(1)])?;
    let shaped = picked.step(step_of(move |x| x.reshape(&size), |base, new| new.reshape(base.shape())), strides)?;
    Ok(Value::Tensor(shaped))
}

/// The shape of the target of an in-place operation, to which its operand is broadcast.
pub(super) fn like(target: &Tensor, tensor: &Tensor) -> Result<Tensor> {
    let shape: &Shape = target.shape();
    tensor.cast(target.dtype())?.expand(shape)
}
