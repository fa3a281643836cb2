//! Writing to chosen elements, and picking those that data chooses.

use super::args::{Args, ints_in};
use super::row::{Row, one, tuple};
use crate::array::Scalar;
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::ops::{Padding, ReduceMode, Reduction, Segments, scattered};
use crate::tensor::{Tensor, size};

pub(super) const ROWS: &[Row] = &[
    one("scatter(Tensor self, int dim, Tensor index, Tensor src) -> Tensor", |a| scatter(a, &a.tensor("src")?, Reduction::Replace)),
    one("scatter(Tensor self, int dim, Tensor index, Scalar value) -> Tensor", |a| {
        let value = a.tensor("value")?.expand(a.tensor("index")?.shape())?;
        scatter(a, &value, Reduction::Replace)
    }),
    one("scatter(Tensor self, int dim, Tensor index, Tensor src, *, str reduce) -> Tensor", |a| {
        scatter(a, &a.tensor("src")?, reduction(a.opt_str("reduce")?)?)
    }),
    one("scatter(Tensor self, int dim, Tensor index, Scalar value, *, str reduce) -> Tensor", |a| {
        let value = a.tensor("value")?.expand(a.tensor("index")?.shape())?;
        scatter(a, &value, reduction(a.opt_str("reduce")?)?)
    }),
    one("scatter_add(Tensor self, int dim, Tensor index, Tensor src) -> Tensor", |a| scatter(a, &a.tensor("src")?, Reduction::Add)),
    one("scatter_reduce(Tensor self, int dim, Tensor index, Tensor src, str reduce, *, bool include_self=True) -> Tensor", |a| {
        a.tensor("self")?.scatter_reduce(a.int("dim")?, &a.tensor("index")?, &a.tensor("src")?, reduce(a)?, a.flag("include_self")?)
    }),
    one(
        "segment_reduce(Tensor data, str reduce, *, Tensor? lengths=None, Tensor? indices=None, Tensor? offsets=None, int axis=0, bool unsafe=False, Scalar? initial=None) -> Tensor",
        segments,
    ),
    one("index_put(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor", index_put),
    one("_index_put_impl(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False, bool unsafe=False) -> Tensor", index_put),
    one("_unsafe_index_put(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor", index_put),
    one("_unsafe_index(Tensor self, Tensor?[] indices) -> Tensor", |a| {
        let indices = a.opt_tensors("indices")?;
        a.tensor("self")?.index(&indices.iter().map(Option::as_ref).collect::<Vec<_>>())
    }),
    one("_unsafe_masked_index(Tensor self, Tensor mask, Tensor?[] indices, Scalar fill) -> Tensor", |a| {
        let (x, mask) = (a.tensor("self")?, a.tensor("mask")?);
        let indices = clamped(&x, a.opt_tensors("indices")?)?;
        let picked = x.index(&indices.iter().map(Option::as_ref).collect::<Vec<_>>())?;
        picked.masked_fill(&mask.logical_not()?, a.tensor("fill")?)
    }),
    one("_unsafe_masked_index_put_accumulate(Tensor self, Tensor mask, Tensor?[] indices, Tensor values) -> Tensor", |a| {
        let (x, mask) = (a.tensor("self")?, a.tensor("mask")?);
        let indices = clamped(&x, a.opt_tensors("indices")?)?;
        let values = a.tensor("values")?.masked_fill(&mask.logical_not()?, 0)?;
        x.index_put(&indices.iter().map(Option::as_ref).collect::<Vec<_>>(), &values, Reduction::Add)
    }),
    one("index_copy(Tensor self, int dim, Tensor index, Tensor source) -> Tensor", |a| along(a, &a.tensor("source")?, Reduction::Replace)),
    one("index_fill(Tensor self, int dim, Tensor index, Tensor value) -> Tensor", |a| fill(a, &a.tensor("value")?)),
    one("index_fill(Tensor self, int dim, Tensor index, Scalar value) -> Tensor", |a| fill(a, &a.tensor("value")?)),
    one("index_add(Tensor self, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> Tensor", |a| {
        along(a, &a.scaled(a.tensor("source")?, "alpha")?, Reduction::Add)
    }),
    one("index_reduce(Tensor self, int dim, Tensor index, Tensor source, str reduce, *, bool include_self=True) -> Tensor", |a| {
        let (x, source) = (a.tensor("self")?, a.tensor("source")?);
        if x.rank() == 0 {
            let index = a.tensor("index")?.reshape([1])?;
            let source = source.reshape([1])?;
            return x.reshape([1])?.scatter_reduce(0, &index, &source, reduce(a)?, a.flag("include_self")?)?.reshape(());
        }
        let index = spread(&a.tensor("index")?, source.shape(), x.shape().axis(a.int("dim")?)?)?;
        x.scatter_reduce(a.int("dim")?, &index, &source, reduce(a)?, a.flag("include_self")?)
    }),
    one("put(Tensor self, Tensor index, Tensor source, bool accumulate=False) -> Tensor", |a| {
        let (x, index) = (a.tensor("self")?, a.tensor("index")?.reshape([-1])?);
        let reduction = if a.flag("accumulate")? { Reduction::Add } else { Reduction::Replace };
        x.reshape([-1])?.index_put(&[Some(&index)], &a.tensor("source")?.reshape([-1])?, reduction)?.reshape(x.shape())
    }),
    one("take(Tensor self, Tensor index) -> Tensor", |a| a.tensor("self")?.reshape([-1])?.index_select(0, &a.tensor("index")?)),
    one("take_along_dim(Tensor self, Tensor indices, int? dim=None) -> Tensor", |a| {
        let (x, index) = (a.tensor("self")?, a.tensor("indices")?);
        if a.is_none("dim")? {
            return x.reshape([-1])?.gather(0, &index.reshape([-1])?);
        }
        let axis = x.shape().axis(a.int("dim")?)?;
        let (mut wide, mut sizes) = (x.shape().to_vec(), index.shape().to_vec());
        for i in (0..x.rank()).filter(|&i| i != axis) {
            let both = size::broadcast(&crate::dim::Shape::new(vec![wide[i].clone()]), &crate::dim::Shape::new(vec![sizes[i].clone()]))?;
            (wide[i], sizes[i]) = (both[0].clone(), both[0].clone());
        }
        // Unlike those of gather, indices beyond the axis begin again.
        x.expand(&wide)?.gather(axis as i64, &index.expand(&sizes)?.remainder(&x.dim(axis as i64)?)?)
    }),
    one("masked_select(Tensor self, Tensor mask) -> Tensor", |a| a.tensor("self")?.masked_select(&a.tensor("mask")?)),
    one("masked_scatter(Tensor self, Tensor mask, Tensor source) -> Tensor", |a| {
        a.tensor("self")?.masked_scatter(&a.tensor("mask")?, &a.tensor("source")?)
    }),
    one("nonzero(Tensor self) -> Tensor", |a| a.tensor("self")?.nonzero()),
    tuple("nonzero_numpy(Tensor self) -> Tensor[]", |a| nonzero_by_axis(&a.tensor("self")?)),
    tuple("where(Tensor condition) -> Tensor[]", |a| nonzero_by_axis(&a.tensor("condition")?)),
    one("argwhere(Tensor self) -> Tensor", |a| a.tensor("self")?.nonzero()),
    one("nonzero_static(Tensor self, *, SymInt size, int fill_value=-1) -> Tensor", |a| {
        let (x, size) = (a.tensor("self")?, a.dim("size")?);
        let padded = x
            .nonzero()?
            .pad(&[Dim::Fixed(0), Dim::Fixed(0), Dim::Fixed(0), size.clone()], Padding::Constant(Scalar::Int(a.int("fill_value")?)))?;
        padded.slice(0, ..size)
    }),
    one("count_nonzero(Tensor self, int[] dim) -> Tensor", |a| {
        // An empty list of axes means all of them.
        counted(&a.tensor("self")?, Some(a.ints("dim")?.as_slice()).filter(|axes| !axes.is_empty()))
    }),
    one("count_nonzero(Tensor self, int? dim=None) -> Tensor", |a| counted(&a.tensor("self")?, a.opt_ints("dim")?.as_deref())),
    one("one_hot(Tensor self, int num_classes=-1) -> Tensor", |a| {
        let (x, classes) = (a.tensor("self")?, a.dim("num_classes")?);
        let classes = match classes.fixed() {
            Some(n) if n < 0 && x.is_traced() => x.amax(.., false)?.to_dim()? + 1i64,
            Some(n) if n < 0 => Dim::Fixed(ints_in(&x)?.into_iter().max().map_or(0, |n| n + 1)),
            _ => classes,
        };
        x.one_hot(classes)
    }),
    one("isin(Tensor elements, Tensor test_elements, *, bool assume_unique=False, bool invert=False) -> Tensor", |a| {
        is_in(a, &a.tensor("elements")?, &a.tensor("test_elements")?)
    }),
    one("isin(Tensor elements, Scalar test_element, *, bool assume_unique=False, bool invert=False) -> Tensor", |a| {
        is_in(a, &a.tensor("elements")?, &a.tensor("test_element")?)
    }),
    one("isin(Scalar element, Tensor test_elements, *, bool assume_unique=False, bool invert=False) -> Tensor", |a| {
        is_in(a, &a.tensor("element")?, &a.tensor("test_elements")?)
    }),
];

fn reduction(name: Option<&str>) -> Result<Reduction> {
    match name {
        Some("add") => Ok(Reduction::Add),
        Some("multiply") => Ok(Reduction::Mul),
        other => Err(Error::argument(format!("unknown reduction {other:?}"))),
    }
}

/// Elements along an axis, of which torch reads as many as there are indices. A tensor of rank 0 is one of one element.
fn scatter(a: &Args, source: &Tensor, reduction: Reduction) -> Result<Tensor> {
    let (x, index) = (a.tensor("self")?, a.tensor("index")?);
    // No index writes nothing, whatever its shape.
    if index.numel() == 0 { Ok(x) } else { scattered(&x, a.int("dim")?, &index, source, reduction) }
}

fn index_put(a: &Args) -> Result<Tensor> {
    let indices = a.opt_tensors("indices")?;
    let reduction = if a.flag("accumulate")? { Reduction::Add } else { Reduction::Replace };
    a.tensor("self")?.index_put(&indices.iter().map(Option::as_ref).collect::<Vec<_>>(), &a.tensor("values")?, reduction)
}

/// Indices clamped to their axes, where a mask drops those outside.
fn clamped(x: &Tensor, indices: Vec<Option<Tensor>>) -> Result<Vec<Option<Tensor>>> {
    let clamp = |(axis, index): (usize, Option<Tensor>)| {
        let Some(index) = index else { return Ok(None) };
        let n = x.dim(axis as i64)?;
        index.maximum(&(Dim::Fixed(0) - &n))?.minimum(&(&n - 1i64)).map(Some)
    };
    indices.into_iter().enumerate().map(clamp).collect()
}

/// Where a tensor is not zero, axis by axis; one of rank 0 counts as a vector.
fn nonzero_by_axis(x: &Tensor) -> Result<Vec<Tensor>> {
    if x.rank() == 0 { nonzero_by_axis(&x.reshape([1])?) } else { x.nonzero()?.unbind(1) }
}

/// An index along one axis, repeated over the other axes of this shape.
fn spread(index: &Tensor, shape: &[Dim], axis: usize) -> Result<Tensor> {
    let mut across = vec![Dim::Fixed(1); shape.len()];
    if let Some(length) = across.get_mut(axis) {
        *length = Dim::Fixed(-1);
    }
    index.reshape(&across)?.expand(shape)
}

fn along(a: &Args, source: &Tensor, reduction: Reduction) -> Result<Tensor> {
    a.tensor("self")?.index_put_along(a.int("dim")?, &a.tensor("index")?, source, reduction)
}

fn fill(a: &Args, value: &Tensor) -> Result<Tensor> {
    let x = a.tensor("self")?;
    let index = a.tensor("index")?;
    if x.rank() == 0 {
        return if index.numel() == 0 { Ok(x) } else { value.cast(x.dtype()) };
    }
    let axis = x.shape().axis(a.int("dim")?)?;
    let mut shape = x.shape().to_vec();
    shape[axis] = index.numel();
    along(a, &value.cast(x.dtype())?.expand(&shape)?, Reduction::Replace)
}

fn counted(x: &Tensor, axes: Option<&[i64]>) -> Result<Tensor> {
    x.ne(0)?.sum(axes, false)
}

fn is_in(a: &Args, x: &Tensor, among: &Tensor) -> Result<Tensor> {
    // A number becomes one of the integers that it meets: −1 is 255 among bytes.
    let (x, among) = x.promoted(among)?;
    let inside = x.isin(&among)?;
    if a.flag("invert")? { inside.logical_not() } else { Ok(inside) }
}

fn reduce(a: &Args) -> Result<ReduceMode> {
    match a.opt_str("reduce")? {
        Some("sum") => Ok(ReduceMode::Sum),
        Some("prod") => Ok(ReduceMode::Prod),
        Some("mean") => Ok(ReduceMode::Mean),
        Some("amax" | "max") => Ok(ReduceMode::Max),
        Some("amin" | "min") => Ok(ReduceMode::Min),
        other => Err(Error::argument(format!("unknown reduction {other:?}"))),
    }
}

fn segments(a: &Args) -> Result<Tensor> {
    let segments = match (a.opt_tensor("lengths")?, a.opt_tensor("offsets")?) {
        (_, Some(offsets)) => Segments::Offsets(offsets),
        (Some(lengths), None) => Segments::Lengths(lengths),
        _ => return Err(Error::argument("segment_reduce needs either lengths or offsets")),
    };
    a.tensor("data")?.segment_reduce(reduce(a)?, &segments, a.int("axis")?, a.opt_float("initial")?)
}
