//! Torch operators whose result is a view: a write to the result is a write to the operand.

use super::aliasing::{self, diagonal_view, expanded, in_order, picked, pieces, selected, selected_as, sliced, step_of, strided};
use super::args::Args;
use super::layout;
use super::row::{Row, value};
use super::scalar_type::scalar_type;
use super::value::{Value, View};
use crate::array::DType;
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::tensor::{Tensor, size};

pub(super) const ROWS: &[Row] = &[
    value("view(Tensor(a) self, SymInt[] size) -> Tensor(a)", |a| reshaped(a, |x, size| x.reshape(size))),
    value("view(Tensor(a) self, ScalarType dtype) -> Tensor(a)", |a| {
        let (base, dtype) = (a.view("self")?, scalar_type(a.int("dtype")?)?);
        let cast = move |x: &Tensor| x.bit_cast(dtype);
        let viewed = cast(&base.read()?)?;
        let strides = if viewed.shape() == base.read()?.shape() { base.strides().to_vec() } else { layout::contiguous(viewed.shape()) };
        base.step(step_of(cast, |base, new| new.bit_cast(base.dtype())), strides).map(Value::Tensor)
    }),
    value("reshape(Tensor(a) self, SymInt[] shape) -> Tensor(a)", |a| {
        let size = a.dims("shape")?;
        view_or_copy(a, move |x| x.reshape(&size))
    }),
    value("_unsafe_view(Tensor self, SymInt[] size) -> Tensor", |a| reshaped(a, |x, size| x.reshape(size))),
    value("_reshape_alias(Tensor(a) self, SymInt[] size, SymInt[] stride) -> Tensor(a)", |a| reshaped(a, |x, size| x.reshape(size))),
    value("_reshape_copy(Tensor self, SymInt[] size) -> Tensor", |a| a.tensor("self")?.reshape(&a.dims("size")?).map(Value::from)),
    value("sym_stride(Tensor self, int dim) -> SymInt", |a| {
        let x = a.view("self")?;
        Ok(Value::Int(x.strides()[x.read()?.shape().axis(a.int("dim")?)?].clone()))
    }),
    // Only assertions of torch.export ask for it, of which nothing is known here.
    value("sym_storage_offset(Tensor self) -> SymInt", |_| Ok(Value::None)),
    value("sym_is_contiguous(Tensor self, MemoryFormat memory_format=contiguous_format) -> SymBool", |a| {
        let x = a.view("self")?;
        Ok(Value::Bool(a.int("memory_format")? == 0 && layout::is_contiguous(x.read()?.shape(), x.strides())))
    }),
    value("view_as(Tensor(a) self, Tensor other) -> Tensor(a)", |a| {
        let shape = a.tensor("other")?.shape().clone();
        bijection(a, move |x| x.reshape(&shape))
    }),
    value("reshape_as(Tensor(a) self, Tensor other) -> Tensor(a)", |a| {
        let shape = a.tensor("other")?.shape().clone();
        view_or_copy(a, move |x| x.reshape(&shape))
    }),
    value("flatten(Tensor(a) self, int start_dim=0, int end_dim=-1) -> Tensor(a)", |a| {
        let (start, end) = (a.int("start_dim")?, a.int("end_dim")?);
        view_or_copy(a, move |x| x.flatten(start, end))
    }),
    value("unflatten(Tensor(a) self, int dim, SymInt[] sizes) -> Tensor(a)", |a| {
        let (axis, sizes) = (a.int("dim")?, a.dims("sizes")?);
        bijection(a, move |x| x.unflatten(axis, &sizes))
    }),
    value("squeeze(Tensor(a) self) -> Tensor(a)", |a| bijection(a, Tensor::squeeze)),
    value("squeeze(Tensor(a) self, int dim) -> Tensor(a)", |a| {
        let axes = a.ints("dim")?;
        bijection(a, move |x| squeezed(x, &axes))
    }),
    value("squeeze(Tensor(a) self, int[] dim) -> Tensor(a)", |a| {
        let axes = a.ints("dim")?;
        bijection(a, move |x| squeezed(x, &axes))
    }),
    value("unsqueeze(Tensor(a) self, int dim) -> Tensor(a)", |a| {
        let axis = a.int("dim")?;
        bijection(a, move |x| x.unsqueeze(axis))
    }),
    value("permute(Tensor(a) self, int[] dims) -> Tensor(a)", |a| {
        let rank = a.tensor("self")?.rank();
        let axes =
            a.ints("dims")?.into_iter().map(|axis| crate::dim::axis(axis, rank).map(|axis| axis as i64)).collect::<Result<Vec<_>>>()?;
        permuted(a, axes)
    }),
    value("transpose(Tensor(a) self, int dim0, int dim1) -> Tensor(a)", |a| {
        let x = a.tensor("self")?;
        let mut axes: Vec<i64> = (0..x.rank() as i64).collect();
        if x.rank() > 0 {
            axes.swap(x.shape().axis(a.int("dim0")?)?, x.shape().axis(a.int("dim1")?)?);
        }
        permuted(a, axes)
    }),
    value("t(Tensor(a) self) -> Tensor(a)", |a| {
        let rank = a.tensor("self")?.rank() as i64;
        permuted(a, (0..rank).rev().collect())
    }),
    value("numpy_T(Tensor(a) self) -> Tensor(a)", |a| {
        let rank = a.tensor("self")?.rank() as i64;
        permuted(a, (0..rank).rev().collect())
    }),
    value("movedim(Tensor(a) self, int[] source, int[] destination) -> Tensor(a)", |a| {
        // A tensor without axes has axis 0 here.
        let rank = a.tensor("self")?.rank().max(1);
        let axes = |name: &str| a.ints(name)?.into_iter().map(|axis| crate::dim::axis(axis, rank)).collect::<Result<Vec<_>>>();
        moved(a, &axes("source")?, &axes("destination")?)
    }),
    value("expand(Tensor(a) self, SymInt[] size, *, bool implicit=False) -> Tensor(a)", |a| expanded(a.view("self")?, a.dims("size")?)),
    value("expand_as(Tensor(a) self, Tensor other) -> Tensor(a)", |a| expanded(a.view("self")?, a.tensor("other")?.shape().to_vec())),
    value("broadcast_to(Tensor(a) self, SymInt[] size) -> Tensor(a)", |a| expanded(a.view("self")?, a.dims("size")?)),
    value("select(Tensor(a) self, int dim, SymInt index) -> Tensor(a)", |a| match a.value("index")? {
        Value::Tensor(index) if index.read()?.is_traced() && index.read()?.symbolic_values().is_none() => {
            let (base, axis) = (a.view("self")?, a.tensor("self")?.shape().axis(a.int("dim")?)?);
            let one = picked(base, axis, index.read()?.cast(DType::I64)?.reshape([1])?, base.strides().to_vec())?;
            selected(&one, axis as i64, Dim::Fixed(0))
        }
        _ => selected(a.view("self")?, a.int("dim")?, a.dim("index")?),
    }),
    value("slice(Tensor(a) self, int dim=0, SymInt? start=None, SymInt? end=None, SymInt step=1) -> Tensor(a)", |a| {
        let (dim, step) = (a.int("dim")?, a.dim("step")?);
        let by = if step.is_symbolic() { 1 } else { a.int("step")? };
        if by < 1 || step.example().is_some_and(|n| n < 1) {
            let step = step.example().map_or_else(|| step.to_string(), |n| n.to_string());
            return Err(Error::argument(format!("the step of a slice must be positive, got {step}")));
        }
        let cut = sliced(a.view("self")?, dim, a.opt_dim("start")?, a.opt_dim("end")?, by)?;
        if !step.is_symbolic() {
            return Ok(cut);
        }
        let base = cut.view()?;
        let axis = base.read()?.shape().axis(dim)?;
        // As many as there are, or where the step is negative beyond the start of the axis: an index that every runtime refuses.
        let whole = base.read()?.shape()[axis].clone();
        let sign = step.max(-1i64).min(1i64);
        let end = &whole + (sign - 1i64) * (&whole + 1i64 - &step);
        // From 1 on and less 1: of a Gather of a Range, ONNX Runtime makes a Slice, which refuses nothing.
        let index = Tensor::arange(1, &(end + 1i64), &step, DType::I64)?.sub(1)?;
        picked(base, axis, index, base.strides().to_vec()).map(Value::Tensor)
    }),
    value("narrow(Tensor(a) self, int dim, SymInt start, SymInt length) -> Tensor(a)", |a| {
        let (start, length) = (a.dim("start")?, a.dim("length")?);
        if start.depends_on_values() {
            // Negative ones count from the end, each by itself.
            size::refuse_wrapped(&start, &length)?;
            let (base, axis) = (a.view("self")?, a.tensor("self")?.shape().axis(a.int("dim")?)?);
            let index = Tensor::arange(0, &length, 1, DType::I64)?.add(&start)?;
            return picked(base, axis, index, base.strides().to_vec()).map(Value::Tensor);
        }
        let (start, end) = size::span(&start, &length, &a.tensor("self")?.dim(a.int("dim")?)?)?;
        sliced(a.view("self")?, a.int("dim")?, Some(start), Some(end), 1)
    }),
    value("split(Tensor(a) self, SymInt split_size, int dim=0) -> Tensor(a)[]", |a| {
        let (x, axis) = (a.tensor("self")?, a.int("dim")?);
        pieces(a.view("self")?, axis, x.split(a.dim("split_size")?, axis)?)
    }),
    value("split(Tensor(a) self, SymInt[] split_sizes, int dim=0) -> Tensor(a)[]", |a| {
        let (x, axis) = (a.tensor("self")?, a.int("dim")?);
        pieces(a.view("self")?, axis, x.split_with_sizes(&a.dims("split_sizes")?, axis)?)
    }),
    value("split_with_sizes(Tensor(a) self, SymInt[] split_sizes, int dim=0) -> Tensor(a)[]", |a| {
        let (x, axis) = (a.tensor("self")?, a.int("dim")?);
        pieces(a.view("self")?, axis, x.split_with_sizes(&a.dims("split_sizes")?, axis)?)
    }),
    value("chunk(Tensor(a) self, int chunks, int dim=0) -> Tensor(a)[]", |a| {
        let (x, axis) = (a.tensor("self")?, a.int("dim")?);
        pieces(a.view("self")?, axis, x.chunk(a.int("chunks")?, axis)?)
    }),
    value("unbind(Tensor(a) self, int dim=0) -> Tensor(a)[]", |a| {
        let (x, axis) = (a.tensor("self")?, a.int("dim")?);
        let count = x.dim(axis)?;
        let Some(count) = count.fixed() else {
            // As many tensors as the axis is long, whatever that is in a call.
            let axis = x.shape().axis(axis)?;
            return Ok(Value::list(vec![Value::Part(Some(moved(a, &[axis], &[0])?.view()?.clone()))]));
        };
        // One Split, then views of single indices: what runtimes do best.
        let base = a.view("self")?;
        let split = x.split(1i64, axis)?;
        if split.len() != count.max(0) as usize {
            return Ok(Value::list(vec![]));
        }
        let select = |(i, piece): (i64, Tensor)| selected_as(base, axis, Dim::Fixed(i), Some(piece.squeeze_axes(&[axis])?));
        Ok(Value::list((0..count).zip(split).map(select).collect::<Result<_>>()?))
    }),
    value("cpu(Tensor(a) self) -> Tensor(a)", |a| Ok(a.value("self")?.clone())),
    value("detach(Tensor(a) self) -> Tensor(a)", |a| Ok(a.value("self")?.clone())),
    value("alias(Tensor(a) self) -> Tensor(a)", |a| Ok(a.value("self")?.clone())),
    value("contiguous(Tensor(a) self, *, MemoryFormat memory_format=contiguous_format) -> Tensor(a)", |a| {
        // Itself where it is contiguous already.
        let x = a.view("self")?;
        let in_order = a.int("memory_format")? == 0 && layout::is_contiguous(x.read()?.shape(), x.strides());
        Ok(if in_order { a.value("self")?.clone() } else { x.read()?.into() })
    }),
    value("diagonal(Tensor(a) self, int offset=0, int dim1=0, int dim2=1) -> Tensor(a)", |a| {
        diagonal_view(a.view("self")?, a.int("offset")?, a.int("dim1")?, a.int("dim2")?)
    }),
    value("linalg_diagonal(Tensor(a) A, *, int offset=0, int dim1=-2, int dim2=-1) -> Tensor(a)", |a| {
        diagonal_view(a.view("A")?, a.int("offset")?, a.int("dim1")?, a.int("dim2")?)
    }),
    value("movedim(Tensor(a) self, int source, int destination) -> Tensor(a)", |a| {
        let rank = a.tensor("self")?.rank().max(1);
        moved(a, &[crate::dim::axis(a.int("source")?, rank)?], &[crate::dim::axis(a.int("destination")?, rank)?])
    }),
    value("mT(Tensor(a) self) -> Tensor(a)", transposed),
    value("mH(Tensor(a) self) -> Tensor(a)", transposed),
    value("matrix_H(Tensor(a) self) -> Tensor(a)", transposed),
    value("ravel(Tensor(a) self) -> Tensor(a)", |a| view_or_copy(a, |x| x.reshape([-1]))),
    value("unfold(Tensor(a) self, int dimension, int size, int step) -> Tensor(a)", |a| {
        let x = a.tensor("self")?;
        let (axis, size, step) = (a.int("dimension")?, a.int("size")?, a.int("step")?);
        if x.rank() == 0 {
            return bijection(a, |x| x.reshape([-1]));
        }
        let axis = x.shape().axis(axis)?;
        let n = &x.shape()[axis];
        if size < 0 || step < 1 || n.example().is_some_and(|n| size > n) {
            return Err(Error::argument(format!("unfold: size {size} and step {step} do not fit an axis of size {n}")));
        }
        let count = (n - size) / step + 1i64;
        let index = crate::ops::positions((&count, step), (&Dim::Fixed(size), 1))?.reshape([-1])?;
        let base = a.view("self")?;
        let mut strides = base.strides().to_vec();
        strides.push(strides[axis].clone());
        strides[axis] = &strides[axis] * step;
        let parts = picked(base, axis, index, base.strides().to_vec())?;
        let split = parts.step(
            step_of(
                move |x| {
                    let x = x.unflatten(axis as i64, [count.clone(), Dim::Fixed(size)])?;
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
        strided(a.view("self")?, &a.dims("size")?, &a.dims("stride")?, &a.opt_dim("storage_offset")?.unwrap_or(Dim::Fixed(0)))
    }),
    value("select_scatter(Tensor self, Tensor src, int dim, SymInt index) -> Tensor", |a| {
        scattered(a, |base| selected(base, a.int("dim")?, a.dim("index")?)).map(Value::from)
    }),
    value("slice_scatter(Tensor self, Tensor src, int dim=0, SymInt? start=None, SymInt? end=None, SymInt step=1) -> Tensor", |a| {
        scattered(a, |base| sliced(base, a.int("dim")?, a.opt_dim("start")?, a.opt_dim("end")?, a.int("step")?)).map(Value::from)
    }),
    value("diagonal_scatter(Tensor self, Tensor src, int offset=0, int dim1=0, int dim2=1) -> Tensor", |a| {
        scattered(a, |base| diagonal_view(base, a.int("offset")?, a.int("dim1")?, a.int("dim2")?)).map(Value::from)
    }),
    value("as_strided_scatter(Tensor self, Tensor src, SymInt[] size, SymInt[] stride, SymInt? storage_offset=None) -> Tensor", |a| {
        let offset = a.opt_dim("storage_offset")?.unwrap_or(Dim::Fixed(0));
        scattered(a, |base| strided(base, &a.dims("size")?, &a.dims("stride")?, &offset)).map(Value::from)
    }),
    value("real(Tensor(a) self) -> Tensor(a)", |a| Ok(a.value("self")?.clone())),
    value("conj(Tensor(a) self) -> Tensor(a)", |a| Ok(a.value("self")?.clone())),
    value("resolve_conj(Tensor(a) self) -> Tensor(a)", |a| Ok(a.value("self")?.clone())),
    value("resolve_neg(Tensor(a) self) -> Tensor(a)", |a| Ok(a.value("self")?.clone())),
    value("data(Tensor(a) self) -> Tensor(a)", |a| Ok(a.value("self")?.clone())),
];

/// A view that has every element of its base once, in the same order.
fn bijection(a: &Args, apply: impl Fn(&Tensor) -> Result<Tensor> + 'static) -> Result<Value> {
    in_order(a.view("self")?, apply).map(Value::Tensor)
}

/// The same as a view where strides can reach the elements, and else a copy: what a write to it does differs.
fn view_or_copy(a: &Args, apply: impl Fn(&Tensor) -> Result<Tensor> + 'static) -> Result<Value> {
    let base = a.view("self")?;
    let (old, new) = (base.read()?, apply(&base.read()?)?);
    match layout::reshaped(old.shape(), base.strides(), new.shape()) {
        Some(_) => bijection(a, apply),
        None => Ok(new.into()),
    }
}

fn reshaped(a: &Args, reshape: impl Fn(&Tensor, &[Dim]) -> Result<Tensor> + 'static) -> Result<Value> {
    let size = a.dims("size")?;
    bijection(a, move |x| reshape(x, &size))
}

/// Without those of these axes that have size 1; others stay, as in torch.
fn squeezed(x: &Tensor, axes: &[i64]) -> Result<Tensor> {
    if x.rank() == 0 {
        return Ok(x.clone());
    }
    let axes = axes.iter().map(|&axis| x.shape().axis(axis)).collect::<Result<Vec<_>>>()?;
    let ones: Vec<i64> = axes.into_iter().filter(|&axis| x.shape()[axis] == 1).map(|axis| axis as i64).collect();
    x.squeeze_axes(&ones)
}

fn permuted(a: &Args, axes: Vec<i64>) -> Result<Value> {
    aliasing::permuted(a.view("self")?, axes).map(Value::Tensor)
}

/// The last two axes exchanged.
fn transposed(a: &Args) -> Result<Value> {
    let rank = a.tensor("self")?.rank() as i64;
    if rank == 0 {
        return Ok(a.value("self")?.clone());
    }
    if rank < 2 {
        return Err(Error::shape(format!("t() expects at most 2 axes, got {rank}")));
    }
    let mut axes: Vec<i64> = (0..rank).collect();
    axes.swap(rank as usize - 1, rank as usize - 2);
    permuted(a, axes)
}

fn moved(a: &Args, from: &[usize], to: &[usize]) -> Result<Value> {
    let rank = a.tensor("self")?.rank();
    if from.len() != to.len() {
        return Err(Error::argument("destinations and sources differ in number"));
    }
    let mut rest = (0..rank).filter(|axis| !from.contains(axis));
    let source = |axis| to.iter().position(|&t| t == axis).map_or_else(|| rest.next(), |i| Some(from[i]));
    let order: Option<Vec<usize>> = (0..rank).map(source).collect();
    permuted(a, order.unwrap_or_default().into_iter().map(|axis| axis as i64).collect())
}

/// `self` with `src` where a view of it lies.
fn scattered(a: &Args, view: impl Fn(&View) -> Result<Value>) -> Result<Tensor> {
    aliasing::scattered(a.tensor("self")?, &a.tensor("src")?, view)
}
