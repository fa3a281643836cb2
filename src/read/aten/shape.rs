//! Rearrangements that are not views: stacks, diagonals, shuffles of channels.

use super::args::{Args, ints_in};
use super::row::{Row, one, tuple, value};
use super::value::Value;
use crate::array::{DType, Scalar};
use crate::dim::{Dim, Shape};
use crate::error::{Error, Result};
use crate::ops::Padding;
use crate::tensor::{Tensor, size};

pub(super) const ROWS: &[Row] = &[
    value("broadcast_tensors(Tensor[] tensors) -> Tensor[]", |a| {
        let tensors = a.tensors("tensors")?;
        let shape = broadcast(&tensors)?;
        Ok(Value::list(tensors.iter().map(|x| x.expand(&shape).map(Value::from)).collect::<Result<_>>()?))
    }),
    value("meshgrid(Tensor[] tensors) -> Tensor[]", |a| Tensor::meshgrid(&a.tensors("tensors")?, "ij").map(Value::tensors)),
    value("meshgrid(Tensor[] tensors, *, str indexing) -> Tensor[]", |a| {
        Tensor::meshgrid(&a.tensors("tensors")?, a.opt_str("indexing")?.unwrap_or("ij")).map(Value::tensors)
    }),
    one("cartesian_prod(Tensor[] tensors) -> Tensor", |a| match a.tensors("tensors")?.as_slice() {
        [one] => Ok(one.clone()),
        several => {
            let columns = Tensor::meshgrid(several, "ij")?.iter().map(|grid| grid.reshape([-1])).collect::<Result<Vec<_>>>()?;
            Tensor::stack(&columns.iter().collect::<Vec<_>>(), 1)
        }
    }),
    one("combinations(Tensor self, int r=2, bool with_replacement=False) -> Tensor", |a| {
        a.tensor("self")?.combinations(a.int("r")?, a.flag("with_replacement")?)
    }),
    value("tensor_split(Tensor(a) self, SymInt sections, int dim=0) -> Tensor(a)[]", |a| {
        // A vector of one index fits here, too.
        let given = a.tensor("sections")?;
        match given.rank() {
            0 => a.tensor("self")?.split_sections(a.int("sections")?, a.int("dim")?).map(Value::tensors),
            _ => a.tensor("self")?.split_at(&given.to_dims()?, a.int("dim")?).map(Value::tensors),
        }
    }),
    value("tensor_split(Tensor(a) self, SymInt[] indices, int dim=0) -> Tensor(a)[]", |a| {
        a.tensor("self")?.split_at(&a.dims("indices")?, a.int("dim")?).map(Value::tensors)
    }),
    value("tensor_split(Tensor(a) self, Tensor tensor_indices_or_sections, int dim=0) -> Tensor(a)[]", |a| {
        let cuts = a.tensor("tensor_indices_or_sections")?;
        if cuts.rank() > 0 && cuts.is_traced() {
            return a.tensor("self")?.split_at(&cuts.to_dims()?, a.int("dim")?).map(Value::tensors);
        }
        let values = ints_in(&cuts)?;
        match (cuts.rank(), values.as_slice()) {
            (0, &[count]) => a.tensor("self")?.split_sections(count, a.int("dim")?).map(Value::tensors),
            _ => a.tensor("self")?.split_at(&values.into_iter().map(Dim::Fixed).collect::<Vec<_>>(), a.int("dim")?).map(Value::tensors),
        }
    }),
    value("hsplit(Tensor(a) self, int sections) -> Tensor(a)[]", |a| {
        let x = a.tensor("self")?;
        x.split_sections(a.int("sections")?, i64::from(x.rank() > 1)).map(Value::tensors)
    }),
    value("hsplit(Tensor(a) self, int[] indices) -> Tensor(a)[]", |a| {
        let x = a.tensor("self")?;
        x.split_at(&a.dims("indices")?, i64::from(x.rank() > 1)).map(Value::tensors)
    }),
    value("vsplit(Tensor(a) self, int sections) -> Tensor(a)[]", |a| {
        a.tensor("self")?.split_sections(a.int("sections")?, 0).map(Value::tensors)
    }),
    value("vsplit(Tensor(a) self, int[] indices) -> Tensor(a)[]", |a| {
        a.tensor("self")?.split_at(&a.dims("indices")?, 0).map(Value::tensors)
    }),
    value("dsplit(Tensor(a) self, int sections) -> Tensor(a)[]", |a| {
        a.tensor("self")?.split_sections(a.int("sections")?, 2).map(Value::tensors)
    }),
    value("dsplit(Tensor(a) self, int[] indices) -> Tensor(a)[]", |a| {
        a.tensor("self")?.split_at(&a.dims("indices")?, 2).map(Value::tensors)
    }),
    one("atleast_1d(Tensor self) -> Tensor", |a| at_least(&a.tensor("self")?, 1)),
    one("atleast_2d(Tensor self) -> Tensor", |a| at_least(&a.tensor("self")?, 2)),
    one("atleast_3d(Tensor self) -> Tensor", |a| at_least(&a.tensor("self")?, 3)),
    value("atleast_1d(Tensor[] tensors) -> Tensor[]", |a| raised(a, 1).map(Value::tensors)),
    value("atleast_2d(Tensor[] tensors) -> Tensor[]", |a| raised(a, 2).map(Value::tensors)),
    value("atleast_3d(Tensor[] tensors) -> Tensor[]", |a| raised(a, 3).map(Value::tensors)),
    one("hstack(Tensor[] tensors) -> Tensor", |a| {
        let tensors = raised(a, 1)?;
        let axis = i64::from(tensors.first().is_some_and(|x| x.rank() > 1));
        join(&tensors, axis)
    }),
    one("vstack(Tensor[] tensors) -> Tensor", |a| join(&raised(a, 2)?, 0)),
    one("dstack(Tensor[] tensors) -> Tensor", |a| join(&raised(a, 3)?, 2)),
    one("column_stack(Tensor[] tensors) -> Tensor", |a| {
        let column = |x: &Tensor| if x.rank() < 2 { x.reshape([-1, 1]) } else { Ok(x.clone()) };
        join(&a.tensors("tensors")?.iter().map(column).collect::<Result<Vec<_>>>()?, 1)
    }),
    one("block_diag(Tensor[] tensors) -> Tensor", |a| Tensor::block_diag(&raised(a, 2)?)),
    one("_chunk_cat(Tensor[] tensors, int dim, int num_chunks) -> Tensor", |a| {
        chunk_cat(&a.tensors("tensors")?, a.int("dim")?, a.int("num_chunks")?)
    }),
    one("diag(Tensor self, int diagonal=0) -> Tensor", |a| {
        let x = a.tensor("self")?;
        if x.rank() == 1 { x.diag_embed(a.int("diagonal")?, 0, 1) } else { x.diagonal(a.int("diagonal")?, 0, 1) }
    }),
    one("diagflat(Tensor self, int offset=0) -> Tensor", |a| a.tensor("self")?.reshape([-1])?.diag_embed(a.int("offset")?, 0, 1)),
    one("diag_embed(Tensor self, int offset=0, int dim1=-2, int dim2=-1) -> Tensor", |a| {
        a.tensor("self")?.diag_embed(a.int("offset")?, a.int("dim1")?, a.int("dim2")?)
    }),
    one("fill_diagonal(Tensor self, Scalar fill_value, bool wrap=False) -> Tensor", |a| {
        a.tensor("self")?.fill_diagonal(a.number("fill_value")?, a.flag("wrap")?)
    }),
    one("trace(Tensor self) -> Tensor", |a| a.tensor("self")?.diagonal(0, 0, 1)?.sum(.., false)),
    one("fliplr(Tensor self) -> Tensor", |a| a.tensor("self")?.flip(&[1])),
    one("flipud(Tensor self) -> Tensor", |a| a.tensor("self")?.flip(&[0])),
    one("rot90(Tensor self, int k=1, int[] dims=[0,1]) -> Tensor", |a| match a.ints("dims")?.as_slice() {
        &[first, second] => a.tensor("self")?.rot90(a.int("k")?, first, second),
        _ => Err(Error::argument("rot90 needs two axes")),
    }),
    one("pixel_shuffle(Tensor self, int upscale_factor) -> Tensor", |a| a.tensor("self")?.pixel_shuffle(a.int("upscale_factor")?)),
    one("pixel_unshuffle(Tensor self, int downscale_factor) -> Tensor", |a| a.tensor("self")?.pixel_unshuffle(a.int("downscale_factor")?)),
    one("_shape_as_tensor(Tensor self) -> Tensor", |a| Ok(Tensor::from_dims(a.tensor("self")?.shape()))),
    one("channel_shuffle(Tensor self, SymInt groups) -> Tensor", |a| a.tensor("self")?.channel_shuffle(a.int("groups")?)),
    one("sum_to_size(Tensor self, SymInt[] size) -> Tensor", |a| a.tensor("self")?.sum_to_size(&a.dims("size")?)),
    one("diff(Tensor self, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None) -> Tensor", |a| {
        let (x, axis) = (a.tensor("self")?, a.int("dim")?);
        if a.int("n")? == 0 {
            return Ok(x);
        }
        let parts = [a.opt_tensor("prepend")?, Some(x), a.opt_tensor("append")?];
        let parts: Vec<&Tensor> = parts.iter().flatten().collect();
        let x = if let [one] = parts.as_slice() { (*one).clone() } else { Tensor::cat(&parts, axis)? };
        x.diff(a.int("n")?, axis)
    }),
    one("repeat_interleave(Tensor self, SymInt repeats, int? dim=None, *, SymInt? output_size=None) -> Tensor", |a| {
        let (x, axis) = flat_or(a)?;
        x.repeat_interleave(a.dim("repeats")?, axis)
    }),
    one("repeat_interleave(Tensor self, Tensor repeats, int? dim=None, *, SymInt? output_size=None) -> Tensor", |a| {
        let (x, axis) = flat_or(a)?;
        let repeats = a.tensor("repeats")?;
        let repeats = if repeats.numel() == 1 { repeats.reshape([1])?.expand(&[x.dim(axis)?])? } else { repeats };
        x.index_select(axis, &repeats.repeated_indices(a.opt_dim("output_size")?)?)
    }),
    one("repeat_interleave(Tensor repeats, *, SymInt? output_size=None) -> Tensor", |a| {
        let repeats = a.tensor("repeats")?;
        repeats.repeated_indices(a.opt_dim("output_size")?)?.cast(repeats.dtype())
    }),
    value("unflatten_dense_tensors(Tensor flat, Tensor[] tensors) -> Tensor[]", |a| {
        let (flat, like) = (a.tensor("flat")?, a.tensors("tensors")?);
        let mut begin = Dim::Fixed(0);
        let parts = like.iter().map(|like| {
            let end = &begin + like.numel();
            let part = flat.slice(0, (Some(begin.clone()), Some(end.clone())))?.reshape(like.shape());
            begin = end;
            part
        });
        parts.collect::<Result<_>>().map(Value::tensors)
    }),
    one("fft_fftshift(Tensor self, int[1]? dim=None) -> Tensor", |a| shifted(a, |n| n / 2)),
    one("fft_ifftshift(Tensor self, int[1]? dim=None) -> Tensor", |a| shifted(a, |n| n - n / 2)),
    one(
        "tril_indices(int row, int col, int offset=0, *, ScalarType? dtype=long, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| triangle(a, true),
    ),
    one(
        "triu_indices(int row, int col, int offset=0, *, ScalarType? dtype=long, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| triangle(a, false),
    ),
    tuple("unravel_index(Tensor indices, SymInt[] shape) -> Tensor[]", |a| a.tensor("indices")?.unravel_index(&a.ints("shape")?)),
];

fn join(tensors: &[Tensor], axis: i64) -> Result<Tensor> {
    Tensor::cat(&tensors.iter().collect::<Vec<_>>(), axis)
}

/// The shape that all of them broadcast to.
pub(super) fn broadcast(tensors: &[Tensor]) -> Result<Shape> {
    tensors.iter().try_fold(Shape::default(), |shape, x| size::broadcast(&shape, x.shape()))
}

/// The tensor and the axis, or the flattened tensor where no axis is given.
fn flat_or(a: &Args) -> Result<(Tensor, i64)> {
    let x = a.tensor("self")?;
    if a.is_none("dim")? { Ok((x.reshape([-1])?, 0)) } else { Ok((x, a.int("dim")?)) }
}

fn at_least(x: &Tensor, rank: usize) -> Result<Tensor> {
    match (x.rank(), rank) {
        (have, want) if have >= want => Ok(x.clone()),
        (0, want) => x.reshape(vec![1i64; want]),
        (1, 2) => x.unsqueeze(0),
        (1, _) => x.unsqueeze(0)?.unsqueeze(2),
        _ => x.unsqueeze(2),
    }
}

fn raised(a: &Args, rank: usize) -> Result<Vec<Tensor>> {
    a.tensors("tensors")?.iter().map(|x| at_least(x, rank)).collect()
}

/// Each tensor cut into as many chunks (the last ones padded), and the chunks laid side by side.
fn chunk_cat(tensors: &[Tensor], axis: i64, count: i64) -> Result<Tensor> {
    let mut flat = Vec::with_capacity(tensors.len());
    for x in tensors {
        let axis = x.shape().axis(axis)?;
        let n = x.shape()[axis].clone();
        let size = n.ceil_div(count.max(1));
        let mut widths = vec![Dim::Fixed(0); 2 * (x.rank() - axis)];
        let last = widths.len() - 1;
        widths[last] = size * count - n;
        let mut shape = x.shape()[..axis].to_vec();
        shape.extend([Dim::Fixed(count), Dim::Fixed(-1)]);
        flat.push(x.pad(&widths, Padding::Constant(Scalar::Int(0)))?.reshape(&shape)?);
    }
    let rank = tensors.first().map_or(0, Tensor::rank);
    join(&flat, crate::dim::axis(axis, rank)? as i64 + 1)
}

fn shifted(a: &Args, by: fn(&Dim) -> Dim) -> Result<Tensor> {
    let x = a.tensor("self")?;
    let axes = a.opt_ints("dim")?.unwrap_or_else(|| (0..x.rank() as i64).collect());
    let shifts = axes.iter().map(|&axis| Ok(by(&x.dim(axis)?))).collect::<Result<Vec<Dim>>>()?;
    x.roll(&shifts, &axes)
}

/// The rows and columns of a triangle of a matrix, whose sizes may be symbolic: then their number depends on them.
fn triangle(a: &Args, lower: bool) -> Result<Tensor> {
    let (rows, columns, offset) = (a.dim("row")?, a.dim("col")?, a.int("offset")?);
    if (&rows * &columns).example().is_some_and(|n| !(0..=1 << 24).contains(&n)) {
        return Err(Error::too_big(format!("invalid triangle: {rows} × {columns}")));
    }
    let index = |n: &Dim| Tensor::arange(0, n, 1, DType::I64);
    let (row, column) = (index(&rows)?.unsqueeze(1)?.add(offset)?, index(&columns)?);
    let kept = if lower { column.le(&row)? } else { column.ge(&row)? };
    kept.nonzero()?.transpose(0, 1)?.cast(a.opt_dtype("dtype")?.unwrap_or(DType::I64))
}

#[cfg(test)]
mod tests {
    use super::super::table::call;
    use super::*;

    #[test]
    fn a_diagonal_is_filled_and_begins_again_where_asked() {
        let filled = |shape: &[i64], wrap: bool| {
            let x = Value::from(Tensor::zeros(shape, DType::F32).unwrap());
            call("fill_diagonal_", &[x.clone(), Value::Int(1.into()), Value::Bool(wrap)], &[]).unwrap();
            x.view().unwrap().read().unwrap().to_vec::<f32>().unwrap()
        };
        assert_eq!(filled(&[5, 2], false), [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        // A row is left out between the two, as in NumPy.
        assert_eq!(filled(&[5, 2], true), [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
        assert_eq!(filled(&[2, 2, 2], false), [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
    }
}
