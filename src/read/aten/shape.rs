//! Other arrangements of the same elements that are no views: stacks, diagonals, shuffles of channels.

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
    value("meshgrid(Tensor[] tensors) -> Tensor[]", |a| meshgrid(&a.tensors("tensors")?, "ij").map(Value::tensors)),
    value("meshgrid(Tensor[] tensors, *, str indexing) -> Tensor[]", |a| {
        meshgrid(&a.tensors("tensors")?, a.opt_str("indexing")?.unwrap_or("ij")).map(Value::tensors)
    }),
    one("cartesian_prod(Tensor[] tensors) -> Tensor", |a| match a.tensors("tensors")?.as_slice() {
        [one] => Ok(one.clone()),
        several => {
            let columns = meshgrid(several, "ij")?.iter().map(|grid| grid.reshape(&[-1])).collect::<Result<Vec<_>>>()?;
            Tensor::stack(&columns.iter().collect::<Vec<_>>(), 1)
        }
    }),
    one("combinations(Tensor self, int r=2, bool with_replacement=False) -> Tensor", |a| {
        combinations(&a.tensor("self")?, a.int("r")?, a.flag("with_replacement")?)
    }),
    value("tensor_split(Tensor(a) self, SymInt sections, int dim=0) -> Tensor(a)[]", |a| {
        sections(&a.tensor("self")?, a.int("sections")?, a.int("dim")?).map(Value::tensors)
    }),
    value("tensor_split(Tensor(a) self, SymInt[] indices, int dim=0) -> Tensor(a)[]", |a| {
        cuts(&a.tensor("self")?, &a.dims("indices")?, a.int("dim")?).map(Value::tensors)
    }),
    value("tensor_split(Tensor(a) self, Tensor tensor_indices_or_sections, int dim=0) -> Tensor(a)[]", |a| {
        let places = a.tensor("tensor_indices_or_sections")?;
        let numbers = ints_in(&places)?;
        match (places.rank(), numbers.as_slice()) {
            (0, &[count]) => sections(&a.tensor("self")?, count, a.int("dim")?).map(Value::tensors),
            _ => cuts(&a.tensor("self")?, &numbers.into_iter().map(Dim::Fixed).collect::<Vec<_>>(), a.int("dim")?).map(Value::tensors),
        }
    }),
    value("hsplit(Tensor(a) self, int sections) -> Tensor(a)[]", |a| {
        let x = a.tensor("self")?;
        sections(&x, a.int("sections")?, i64::from(x.rank() > 1)).map(Value::tensors)
    }),
    value("hsplit(Tensor(a) self, int[] indices) -> Tensor(a)[]", |a| {
        let x = a.tensor("self")?;
        cuts(&x, &a.dims("indices")?, i64::from(x.rank() > 1)).map(Value::tensors)
    }),
    value("vsplit(Tensor(a) self, int sections) -> Tensor(a)[]", |a| {
        sections(&a.tensor("self")?, a.int("sections")?, 0).map(Value::tensors)
    }),
    value("vsplit(Tensor(a) self, int[] indices) -> Tensor(a)[]", |a| cuts(&a.tensor("self")?, &a.dims("indices")?, 0).map(Value::tensors)),
    value("dsplit(Tensor(a) self, int sections) -> Tensor(a)[]", |a| {
        sections(&a.tensor("self")?, a.int("sections")?, 2).map(Value::tensors)
    }),
    value("dsplit(Tensor(a) self, int[] indices) -> Tensor(a)[]", |a| cuts(&a.tensor("self")?, &a.dims("indices")?, 2).map(Value::tensors)),
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
        let column = |x: &Tensor| if x.rank() < 2 { x.reshape(&[-1, 1]) } else { Ok(x.clone()) };
        join(&a.tensors("tensors")?.iter().map(column).collect::<Result<Vec<_>>>()?, 1)
    }),
    one("block_diag(Tensor[] tensors) -> Tensor", |a| block_diag(&raised(a, 2)?)),
    one("_chunk_cat(Tensor[] tensors, int dim, int num_chunks) -> Tensor", |a| {
        chunk_cat(&a.tensors("tensors")?, a.int("dim")?, a.int("num_chunks")?)
    }),
    one("diag(Tensor self, int diagonal=0) -> Tensor", |a| {
        let x = a.tensor("self")?;
        if x.rank() == 1 { diag_embed(&x, a.int("diagonal")?, 0, 1) } else { x.diagonal(a.int("diagonal")?, 0, 1) }
    }),
    one("diagflat(Tensor self, int offset=0) -> Tensor", |a| diag_embed(&a.tensor("self")?.reshape(&[-1])?, a.int("offset")?, 0, 1)),
    one("diag_embed(Tensor self, int offset=0, int dim1=-2, int dim2=-1) -> Tensor", |a| {
        diag_embed(&a.tensor("self")?, a.int("offset")?, a.int("dim1")?, a.int("dim2")?)
    }),
    one("fill_diagonal(Tensor self, Scalar fill_value, bool wrap=False) -> Tensor", |a| {
        let x = a.tensor("self")?;
        x.masked_fill(&on_diagonal(&x, a.flag("wrap")?)?, Tensor::weak(a.number("fill_value")?))
    }),
    one("trace(Tensor self) -> Tensor", |a| a.tensor("self")?.diagonal(0, 0, 1)?.sum(.., false)),
    one("fliplr(Tensor self) -> Tensor", |a| a.tensor("self")?.flip(&[1])),
    one("flipud(Tensor self) -> Tensor", |a| a.tensor("self")?.flip(&[0])),
    one("rot90(Tensor self, int k=1, int[] dims=[0,1]) -> Tensor", |a| match (a.int("k")?.rem_euclid(4), a.ints("dims")?.as_slice()) {
        (0, _) => a.tensor("self"),
        (1, &[first, second]) => a.tensor("self")?.flip(&[second])?.transpose(first, second),
        (2, axes) => a.tensor("self")?.flip(axes),
        (_, &[first, second]) => a.tensor("self")?.transpose(first, second)?.flip(&[second]),
        _ => Err(Error::argument("rot90 needs two axes")),
    }),
    one("pixel_shuffle(Tensor self, int upscale_factor) -> Tensor", |a| {
        let (x, r) = (a.tensor("self")?, a.int("upscale_factor")?);
        let (c, h, w) = (x.dim(-3)?, x.dim(-2)?, x.dim(-1)?);
        let few =
            size::div_exact(&c, &Dim::Fixed(r * r)).ok_or_else(|| Error::shape(format!("{c} channels are not a multiple of {r}²")))?;
        let front = x.shape()[..x.rank() - 3].to_vec();
        let split = x.reshape(&lengths(&front, &[few.clone(), r.into(), r.into(), h.clone(), w.clone()]))?;
        let n = front.len() as i64;
        split.permute(&order(n, &[0, 3, 1, 4, 2]))?.reshape(&lengths(&front, &[few, h * r, w * r]))
    }),
    one("pixel_unshuffle(Tensor self, int downscale_factor) -> Tensor", |a| {
        let (x, r) = (a.tensor("self")?, a.int("downscale_factor")?);
        let (c, h, w) = (x.dim(-3)?, x.dim(-2)?, x.dim(-1)?);
        let part = |n: Dim| size::div_exact(&n, &Dim::Fixed(r)).ok_or_else(|| Error::shape(format!("{n} is not a multiple of {r}")));
        let (h, w) = (part(h)?, part(w)?);
        let front = x.shape()[..x.rank() - 3].to_vec();
        let split = x.reshape(&lengths(&front, &[c.clone(), h.clone(), r.into(), w.clone(), r.into()]))?;
        let n = front.len() as i64;
        split.permute(&order(n, &[0, 2, 4, 1, 3]))?.reshape(&lengths(&front, &[c * (r * r), h, w]))
    }),
    one("_shape_as_tensor(Tensor self) -> Tensor", |a| Ok(Tensor::from_dims(a.tensor("self")?.shape()))),
    one("channel_shuffle(Tensor self, SymInt groups) -> Tensor", |a| {
        let (x, groups) = (a.tensor("self")?, a.int("groups")?);
        let mut split = x.shape().to_vec();
        let channels = x.dim(1)?;
        split[1] = size::div_exact(&channels, &Dim::Fixed(groups))
            .ok_or_else(|| Error::shape(format!("{channels} channels are not divisible into {groups} groups")))?;
        split.insert(1, groups.into());
        x.reshape(&split)?.transpose(1, 2)?.reshape(x.shape())
    }),
    one("sum_to_size(Tensor self, SymInt[] size) -> Tensor", |a| {
        let (x, size) = (a.tensor("self")?, a.dims("size")?);
        let extra = x.rank().checked_sub(size.len()).ok_or_else(|| Error::shape("sum_to_size cannot add axes"))?;
        let narrow = |axis: &usize| *axis < extra || (size[*axis - extra] == 1 && x.shape()[*axis] != 1);
        let axes: Vec<i64> = (0..x.rank()).filter(narrow).map(|axis| axis as i64).collect();
        if size.is_empty() {
            return x.sum(.., false);
        }
        if axes.is_empty() { Ok(x) } else { x.sum(&axes, true)?.reshape(&size) }
    }),
    one("diff(Tensor self, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None) -> Tensor", |a| {
        let (x, axis) = (a.tensor("self")?, a.int("dim")?);
        if a.int("n")? == 0 {
            return Ok(x);
        }
        let parts = [a.opt_tensor("prepend")?, Some(x), a.opt_tensor("append")?];
        let parts: Vec<&Tensor> = parts.iter().flatten().collect();
        let x = if let [one] = parts.as_slice() { (*one).clone() } else { Tensor::cat(&parts, axis)? };
        (0..a.int("n")?).try_fold(x, |x, _| {
            let (high, low) = (x.slice(axis, 1..)?, x.slice(axis, ..-1)?);
            if x.dtype() == DType::Bool { high.logical_xor(low) } else { high.sub(low) }
        })
    }),
    one("repeat_interleave(Tensor self, SymInt repeats, int? dim=None, *, SymInt? output_size=None) -> Tensor", |a| {
        let (x, axis) = flat_or(a)?;
        let (axis, repeats) = (x.shape().axis(axis)?, a.dim("repeats")?);
        let mut wide = x.shape().to_vec();
        wide.insert(axis + 1, repeats);
        x.unsqueeze(axis as i64 + 1)?.expand(&wide)?.flatten(axis as i64, axis as i64 + 1)
    }),
    one("repeat_interleave(Tensor self, Tensor repeats, int? dim=None, *, SymInt? output_size=None) -> Tensor", |a| {
        let (x, axis) = flat_or(a)?;
        let repeats = a.tensor("repeats")?;
        let index = repeated(&if repeats.rank() == 0 { repeats.expand(&[x.dim(axis)?])? } else { repeats })?;
        x.index_select(axis, &index)
    }),
    one("repeat_interleave(Tensor repeats, *, SymInt? output_size=None) -> Tensor", |a| repeated(&a.tensor("repeats")?)),
    one("unflatten_dense_tensors(Tensor flat) -> Tensor", |a| a.tensor("flat")),
    one("fft_fftshift(Tensor self, int[1]? dim=None) -> Tensor", |a| shifted(a, |n| n / 2)),
    one("fft_ifftshift(Tensor self, int[1]? dim=None) -> Tensor", |a| shifted(a, |n| n - n / 2)),
    one(
        "tril_indices(int row, int col, int offset=0, *, ScalarType? dtype=long, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| triangle(a.int("row")?, a.int("col")?, |row, column| Ok(column <= row + a.int("offset")?), a.opt_dtype("dtype")?),
    ),
    one(
        "triu_indices(int row, int col, int offset=0, *, ScalarType? dtype=long, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| triangle(a.int("row")?, a.int("col")?, |row, column| Ok(column >= row + a.int("offset")?), a.opt_dtype("dtype")?),
    ),
    tuple("unravel_index(Tensor indices, SymInt[] shape) -> Tensor[]", |a| {
        let shape = a.ints("shape")?;
        let mut rest = a.tensor("indices")?;
        let mut places = Vec::new();
        for &n in shape.iter().rev() {
            places.push(rest.remainder(n)?);
            rest = rest.floor_divide(n)?;
        }
        places.reverse();
        Ok(places)
    }),
];

/// Which places have one index on all axes; in a tall matrix the diagonal may begin again below its end.
fn on_diagonal(x: &Tensor, wrap: bool) -> Result<Tensor> {
    let along = |axis: usize, n: &Dim| {
        let mut across = vec![Dim::Fixed(1); x.rank()];
        across[axis] = n.clone();
        Tensor::arange(0, n, 1, DType::I64)?.reshape(&across)
    };
    let places = x.shape().iter().enumerate().map(|(axis, n)| along(axis, n)).collect::<Result<Vec<_>>>()?;
    match places.as_slice() {
        [rows, columns] if wrap => rows.remainder(&(x.dim(1)? + 1i64))?.eq(columns),
        [first, rest @ ..] if !rest.is_empty() => {
            rest.iter().try_fold(Tensor::ones((), DType::Bool)?, |same, other| same.logical_and(first.eq(other)?))
        }
        _ => Err(Error::shape("a diagonal needs two axes")),
    }
}

fn join(tensors: &[Tensor], axis: i64) -> Result<Tensor> {
    Tensor::cat(&tensors.iter().collect::<Vec<_>>(), axis)
}

/// The shape that all of them broadcast to.
pub(super) fn broadcast(tensors: &[Tensor]) -> Result<Shape> {
    tensors.iter().try_fold(Shape::default(), |shape, x| size::broadcast(&shape, x.shape()))
}

fn lengths(front: &[Dim], back: &[Dim]) -> Vec<Dim> {
    [front, back].concat()
}

/// A permutation that leaves the first axes where they are.
fn order(front: i64, back: &[i64]) -> Vec<i64> {
    (0..front).chain(back.iter().map(|axis| axis + front)).collect()
}

/// The tensor and the axis, or the flattened tensor where no axis is given.
fn flat_or(a: &Args) -> Result<(Tensor, i64)> {
    let x = a.tensor("self")?;
    if a.is_none("dim")? { Ok((x.reshape(&[-1])?, 0)) } else { Ok((x, a.int("dim")?)) }
}

fn meshgrid(tensors: &[Tensor], indexing: &str) -> Result<Vec<Tensor>> {
    let turned = indexing == "xy" && tensors.len() > 1;
    let mut vectors = tensors.to_vec();
    if turned {
        vectors.swap(0, 1);
    }
    let shape: Vec<Dim> = vectors.iter().map(Tensor::numel).collect();
    let grid = |(i, x): (usize, &Tensor)| {
        let mut across = vec![Dim::Fixed(1); shape.len()];
        across[i] = shape[i].clone();
        x.reshape(&across)?.expand(&shape)
    };
    let mut grids = vectors.iter().enumerate().map(grid).collect::<Result<Vec<_>>>()?;
    if turned {
        grids.swap(0, 1);
    }
    Ok(grids)
}

fn combinations(x: &Tensor, r: i64, with_replacement: bool) -> Result<Tensor> {
    let n = x.dim(0)?.fixed().ok_or_else(|| Error::size("combinations need a fixed number of elements"))?;
    let mut rows: Vec<Vec<i64>> = vec![vec![]];
    for _ in 0..r {
        let from = |row: &Vec<i64>| row.last().map_or(0, |last| last + i64::from(!with_replacement));
        rows = rows.iter().flat_map(|row| (from(row)..n).map(|i| [row.as_slice(), &[i]].concat())).collect();
        if rows.len() > 1_000_000 {
            return Err(Error::too_big("too many combinations"));
        }
    }
    let flat: Vec<i64> = rows.concat();
    if r == 0 {
        return Tensor::zeros([0], x.dtype());
    }
    x.index_select(0, &Tensor::from(flat.as_slice()))?.reshape(&[rows.len() as i64, r])
}

/// As many sections of an axis, the first ones longer by one where it does not divide.
fn sections(x: &Tensor, count: i64, axis: i64) -> Result<Vec<Tensor>> {
    let n = x.dim(axis)?.fixed().ok_or_else(|| Error::size("tensor_split needs a fixed size"))?;
    if count < 1 {
        return Err(Error::argument(format!("{count} sections")));
    }
    let sizes: Vec<i64> = (0..count).map(|i| n / count + i64::from(i < n % count)).collect();
    x.split_with_sizes(&sizes, axis)
}

/// The parts of an axis between the indices.
fn cuts(x: &Tensor, indices: &[Dim], axis: i64) -> Result<Vec<Tensor>> {
    let mut parts = Vec::with_capacity(indices.len() + 1);
    let mut start = Dim::Fixed(0);
    for index in indices {
        parts.push(x.slice(axis, start..index.clone())?);
        start = index.clone();
    }
    parts.push(x.slice(axis, start..)?);
    Ok(parts)
}

fn at_least(x: &Tensor, rank: usize) -> Result<Tensor> {
    match (x.rank(), rank) {
        (have, want) if have >= want => Ok(x.clone()),
        (0, want) => x.reshape(&vec![1i64; want]),
        (1, 2) => x.unsqueeze(0),
        (1, _) => x.unsqueeze(0)?.unsqueeze(2),
        _ => x.unsqueeze(2),
    }
}

fn raised(a: &Args, rank: usize) -> Result<Vec<Tensor>> {
    a.tensors("tensors")?.iter().map(|x| at_least(x, rank)).collect()
}

fn block_diag(blocks: &[Tensor]) -> Result<Tensor> {
    let first = blocks.first().map_or(DType::F32, Tensor::dtype);
    let dtype = blocks.iter().try_fold(first, |dtype, x| dtype.promote(x.dtype()))?;
    let width: Dim = blocks.iter().try_fold(Dim::Fixed(0), |sum, x| Ok::<_, Error>(sum + x.dim(1)?))?;
    let mut before = Dim::Fixed(0);
    let mut rows = Vec::with_capacity(blocks.len());
    for block in blocks {
        let after = &width - &(&before + &block.dim(1)?);
        let row = block.cast(dtype)?.pad(&[before.clone(), after], Padding::Constant(Scalar::Int(0)))?;
        before = before + block.dim(1)?;
        rows.push(row);
    }
    join(&rows, 0)
}

/// Each tensor cut into as many chunks (the last ones padded), and the chunks laid side by side.
fn chunk_cat(tensors: &[Tensor], axis: i64, count: i64) -> Result<Tensor> {
    let mut flat = Vec::with_capacity(tensors.len());
    for x in tensors {
        let axis = x.shape().axis(axis)?;
        let n = x.shape()[axis].fixed().ok_or_else(|| Error::size("chunk needs a fixed size"))?;
        let size = (n + count - 1) / count.max(1);
        let mut widths = vec![Dim::Fixed(0); 2 * (x.rank() - axis)];
        let last = widths.len() - 1;
        widths[last] = Dim::Fixed(size * count - n);
        let mut shape = x.shape()[..axis].to_vec();
        shape.extend([Dim::Fixed(count), Dim::Fixed(-1)]);
        flat.push(x.pad(&widths, Padding::Constant(Scalar::Int(0)))?.reshape(&shape)?);
    }
    let rank = tensors.first().map_or(0, Tensor::rank);
    join(&flat, crate::dim::axis(axis, rank)? as i64 + 1)
}

/// The last axis laid on the diagonal of two new ones.
fn diag_embed(x: &Tensor, offset: i64, first: i64, second: i64) -> Result<Tensor> {
    let rank = x.rank() + 1;
    let (first, second) = (crate::dim::axis(first, rank)?, crate::dim::axis(second, rank)?);
    let n = x.dim(-1)? + offset.abs();
    // Each element stands in a row of its own, of which the mask keeps one place.
    let (above, left) = ((-offset).max(0), offset.max(0));
    let padded = x.pad(&[Dim::Fixed(left), Dim::Fixed(above)], Padding::Constant(Scalar::Int(0)))?;
    let mask = Tensor::eye(&n, &n, offset, DType::Bool)?;
    let spread = padded.unsqueeze(-2)?;
    let zero = Tensor::zeros((), x.dtype())?;
    let square = mask.where_(&spread, &zero)?;
    let mut order: Vec<i64> = (0..rank as i64 - 2).collect();
    let (low, high) = (first.min(second), first.max(second));
    let (row, column) = (rank as i64 - 2, rank as i64 - 1);
    order.insert(low, if first < second { row } else { column });
    order.insert(high, if first < second { column } else { row });
    square.permute(&order)
}

/// The index of the element that each place of a run-length code repeats.
fn repeated(repeats: &Tensor) -> Result<Tensor> {
    let times = ints_in(repeats)?;
    let mut index = Vec::new();
    for (i, &n) in times.iter().enumerate() {
        if !(0..=1 << 24).contains(&n) || index.len() > 1 << 24 {
            return Err(Error::argument(format!("{n} repeats")));
        }
        index.extend(std::iter::repeat_n(i as i64, n as usize));
    }
    Ok(Tensor::from(index.as_slice()))
}

fn shifted(a: &Args, by: fn(i64) -> i64) -> Result<Tensor> {
    let x = a.tensor("self")?;
    let axes = a.opt_ints("dim")?.unwrap_or_else(|| (0..x.rank() as i64).collect());
    let length = |&axis: &i64| x.dim(axis)?.fixed().map(by).ok_or_else(|| Error::size("roll needs a fixed size"));
    let shifts = axes.iter().map(length).collect::<Result<Vec<_>>>()?;
    x.roll(&shifts, &axes)
}

fn triangle(rows: i64, columns: i64, keep: impl Fn(i64, i64) -> Result<bool>, dtype: Option<DType>) -> Result<Tensor> {
    let (mut down, mut across) = (Vec::new(), Vec::new());
    if rows.checked_mul(columns).is_none_or(|n| !(0..=1 << 24).contains(&n)) {
        return Err(Error::too_big(format!("invalid triangle: {rows} × {columns}")));
    }
    for row in 0..rows {
        for column in 0..columns {
            if keep(row, column)? {
                down.push(row);
                across.push(column);
            }
        }
    }
    let count = down.len() as i64;
    down.extend(across);
    Tensor::from(down.as_slice()).reshape(&[2, count])?.cast(dtype.unwrap_or(DType::I64))
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
