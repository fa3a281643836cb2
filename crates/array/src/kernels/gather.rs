//! Gather: elements fetched by index, rows, single elements, what a mask lets through.

use super::fill::{fill, zeros};
use super::take::{advance, take};
use crate::array::strided_loop::{StridedLoop, at_offset};
use crate::array::{Array, DType, Dims, contiguous_strides, count, room};
use crate::each_dtype;
use crate::error::{Error, Result};

/// Indices into an axis of this size, in row-major order; negative ones count from the end.
///
/// # Errors
/// [`Argument`](crate::ErrorCode::Argument) that names the index outside; [`DType`](crate::ErrorCode::DType) unless integers.
pub(super) fn resolve(indices: &Array, length: usize) -> Result<Vec<usize>> {
    if !indices.dtype().is_int() {
        return Err(Error::dtype(format!("indices are {}, expected integers", indices.dtype())));
    }
    let raw = indices.cast(DType::I64)?.to_vec::<i64>()?;
    let mut positions = Vec::with_capacity(raw.len());
    for (at, index) in raw.into_iter().enumerate() {
        positions.push(index_of(index, length, at)?);
    }
    Ok(positions)
}

/// An index as a position on an axis of this size.
fn index_of(index: i64, length: usize, at: usize) -> Result<usize> {
    let position = if index < 0 { index.wrapping_add_unsigned(length as u64) } else { index };
    match usize::try_from(position) {
        Ok(position) if position < length => Ok(position),
        _ => Err(Error::argument(format!("index {index} (element {at} of the indices) is out of range for an axis of size {length}"))),
    }
}

/// Checks that an array has this axis, and gives its size.
pub(super) fn length_of(x: &Array, axis: usize) -> Result<usize> {
    x.shape().get(axis).copied().ok_or_else(|| Error::argument(format!("axis {axis} is out of range for an array of rank {}", x.rank())))
}

/// The slices of `x` at these indices of an axis, which the axes of `indices` replace. A single index copies nothing.
///
/// <https://onnx.ai/onnx/operators/onnx__Gather.html>
///
/// # Errors
/// [`Argument`](crate::ErrorCode::Argument) for an axis or an index outside; [`DType`](crate::ErrorCode::DType) unless the indices are
/// integers; [`TooBig`](crate::ErrorCode::TooBig).
pub fn gather(x: &Array, indices: &Array, axis: usize) -> Result<Array> {
    let positions = resolve(indices, length_of(x, axis)?)?;
    let shape = [&x.shape()[..axis], indices.shape(), &x.shape()[axis + 1..]].concat();
    let taken = match positions[..] {
        [position] => x.slice(axis, position, 1, 1)?,
        _ => {
            let mut tables = vec![None; x.rank()];
            tables[axis] = Some(positions);
            take(x, &tables)?
        }
    };
    taken.reshape(&shape)
}

/// One element for each index: the result has the shape of `indices`, and its element at (i, j, …) is that of `x` at the same
/// place, but for the index on `axis`. On the other axes `indices` may be shorter than `x`.
///
/// <https://onnx.ai/onnx/operators/onnx__GatherElements.html>, `torch.gather`.
///
/// # Errors
/// As [`gather`]; [`Shape`](crate::ErrorCode::Shape) where `indices` does not fit into `x`.
pub fn gather_elements(x: &Array, indices: &Array, axis: usize) -> Result<Array> {
    let positions = resolve(indices, length_of(x, axis)?)?;
    refuse_larger(indices.shape(), x.shape(), axis, "indices", "the operand")?;
    let mut strides = x.strides().to_vec();
    let stride = std::mem::replace(&mut strides[axis], 0);
    let strided = StridedLoop::new(indices.shape(), [&strides]);
    let [step] = strided.step();
    x.move_elements(|x| {
        each_dtype!(x.dtype(), T: word => {
            let (elements, start) = x.span::<T>()?;
            let out = fill(positions.len(), 1, 1, |first, out: &mut [T]| {
                strided.runs(first..first + out.len(), &mut |at, [offset]| {
                    let positions = &positions[first + at.start..];
                    for (i, (out, &position)) in out[at].iter_mut().zip(positions).enumerate() {
                        *out = elements[at_offset(start, offset + i as isize * step + position as isize * stride)];
                    }
                });
            })?;
            Array::new(indices.shape(), out)
        })
    })
}

/// Refuses a shape of another rank, or longer on an axis other than this.
pub(super) fn refuse_larger(small: &[usize], large: &[usize], axis: usize, what: &str, than: &str) -> Result<()> {
    let fits = small.len() == large.len() && (0..small.len()).all(|i| i == axis || small[i] <= large[i]);
    match fits {
        true => Ok(()),
        false => Err(Error::shape(format!("{what} of shape {small:?} exceed {than} of shape {large:?}"))),
    }
}

/// Where the slices start that the last axis of `indices` names, in an array of this shape in row-major order, and how many
/// elements a slice has.
pub(super) fn slices(shape: &[usize], indices: &Array, batch: usize) -> Result<(Vec<usize>, usize)> {
    let (&named, outer) =
        indices.shape().split_last().ok_or_else(|| Error::shape("indices have rank 0, expected a last axis of index tuples"))?;
    if batch > outer.len() || batch > shape.len() || outer[..batch] != shape[..batch] {
        let indices = indices.shape();
        return Err(Error::shape(format!("the first {batch} axes of indices {indices:?} and the operand {shape:?} differ")));
    }
    let rest = &shape[batch..];
    if named > rest.len() {
        return Err(Error::shape(format!("index tuples have {named} elements, the operand has {} axes", rest.len())));
    }
    if !indices.dtype().is_int() {
        return Err(Error::dtype(format!("indices are {}, expected integers", indices.dtype())));
    }
    let (slices, each) = (count(outer)?, count(&rest[named..])?);
    // Tuples of no indices need no memory themselves.
    room::<u64>(slices)?;
    let per_batch = count(&outer[batch..])?.max(1);
    let (strides, whole) = (contiguous_strides(rest), count(rest)?);
    let components = indices.to_i64s()?;
    let starts = (0..slices).map(|slice| {
        let tuple = components[slice * named..][..named].iter().enumerate();
        let within =
            tuple.map(|(i, &index)| Ok(index_of(index, rest[i], slice * named + i)? * strides[i] as usize)).sum::<Result<usize>>()?;
        Ok(slice / per_batch * whole + within)
    });
    Ok((starts.collect::<Result<_>>()?, each))
}

/// The slices of `x` that tuples of indices along the last axis of `indices` name; the first `batch` axes are common to both.
///
/// <https://onnx.ai/onnx/operators/onnx__GatherND.html>
///
/// # Errors
/// As [`gather`]; [`Shape`](crate::ErrorCode::Shape) where the tuples are longer than `x` has axes, or the batch axes differ.
pub fn gather_nd(x: &Array, indices: &Array, batch: usize) -> Result<Array> {
    let (starts, each) = slices(x.shape(), indices, batch)?;
    let (named, outer) = indices.shape().split_last().unwrap_or((&0, &[]));
    let shape = [outer, &x.shape()[batch + named..]].concat();
    count(&shape)?;
    let dense = x.contiguous()?;
    dense.move_elements(|dense| {
        each_dtype!(dense.dtype(), T: word => {
            let (elements, origin) = dense.span::<T>()?;
            let out = fill(starts.len(), each, each, |first, out: &mut [T]| {
                for (out, &from) in out.chunks_exact_mut(each).zip(&starts[first..]) {
                    out.copy_from_slice(&elements[origin + from..][..each]);
                }
            })?;
            Array::new(&shape, out)
        })
    })
}

/// Where the elements are that are not 0: an i64 array of shape [rank, how many], in row-major order.
///
/// <https://onnx.ai/onnx/operators/onnx__NonZero.html>; `torch.nonzero` is its transpose.
///
/// # Errors
/// [`TooBig`](crate::ErrorCode::TooBig).
pub fn nonzero(x: &Array) -> Result<Array> {
    let (n, columns) = (count(x.shape())?, count_nonzero(x)?);
    let mut out = zeros::<i64>(columns.checked_mul(x.rank()).ok_or_else(|| Error::too_big(format!("too many elements to index: {n}")))?)?;
    let (mut index, mut at) = (Dims::from_elem(0, x.rank()), 0);
    let truths = truths(x)?;
    let elements = truths.elements::<bool>()?;
    for (column, next) in elements.iter().enumerate().filter(|(_, holds)| **holds).map(|(at, _)| at).enumerate() {
        // A few steps are cheaper than a division an axis.
        if next - at < 8 {
            (at..next).for_each(|_| advance(&mut index, x.shape()));
        } else {
            index = super::take::unravel(next, x.shape());
        }
        at = next;
        index.iter().enumerate().for_each(|(axis, &i)| out[axis * columns + column] = i as i64);
    }
    Array::new(&[x.rank(), columns], out)
}

/// How many elements are not 0.
pub fn count_nonzero(x: &Array) -> Result<usize> {
    Ok(truths(x)?.elements::<bool>()?.iter().filter(|holds| **holds).count())
}

/// Whether each element is not 0, as Bool.
pub(super) fn truths(x: &Array) -> Result<Array> {
    if x.dtype().is_narrow() {
        return Err(DType::not_taken(x.dtype()));
    }
    count(x.shape())?;
    x.cast(DType::Bool)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Array {
        Array::new(&[2, 3], vec![1f32, 2., 3., 4., 5., 6.]).unwrap()
    }

    fn ints(shape: &[usize], x: &[i64]) -> Array {
        Array::new(shape, x.to_vec()).unwrap()
    }

    #[test]
    fn the_axes_of_the_indices_replace_the_axis() {
        let x = gather(&grid(), &ints(&[2, 2], &[0, -1, 1, 1]), 1).unwrap();
        assert_eq!(x, Array::new(&[2, 2, 2], vec![1f32, 3., 2., 2., 4., 6., 5., 5.]).unwrap());
        let row = gather(&grid(), &Array::scalar(-1i64), 0).unwrap();
        assert_eq!(row, Array::vector(vec![4f32, 5., 6.]));
        let transposed = grid().permute(&[1, 0]).unwrap();
        assert_eq!(gather(&transposed, &ints(&[2], &[2, 0]), 0).unwrap(), Array::new(&[2, 2], vec![3f32, 6., 1., 4.]).unwrap());
        assert_eq!(gather(&grid(), &ints(&[0], &[]), 0).unwrap().shape(), [0, 3]);
    }

    #[test]
    fn an_index_outside_is_named() {
        let error = gather(&grid(), &ints(&[2], &[0, 3]), 1).unwrap_err();
        assert_eq!(error.to_string(), "index 3 (element 1 of the indices) is out of range for an axis of size 3");
        assert!(gather(&grid(), &ints(&[1], &[-4]), 1).is_err());
        assert!(gather(&grid(), &ints(&[1], &[i64::MIN]), 1).is_err());
        assert!(gather(&grid(), &Array::scalar(0f32), 0).is_err());
        assert!(gather(&grid(), &Array::scalar(0i64), 2).is_err());
        assert!(gather(&Array::new::<f32>(&[0, 3], vec![]).unwrap(), &Array::scalar(0i64), 0).is_err());
    }

    #[test]
    fn elements_are_fetched_one_by_one() {
        // From ONNX's documentation of GatherElements.
        let x = Array::new(&[2, 2], vec![1i32, 2, 3, 4]).unwrap();
        assert_eq!(gather_elements(&x, &ints(&[2, 2], &[0, 0, 1, 0]), 1).unwrap().to_i64s().unwrap(), [1, 1, 4, 3]);
        let x = Array::new(&[3, 3], (1..=9i32).collect()).unwrap();
        assert_eq!(gather_elements(&x, &ints(&[2, 3], &[-1, -2, 0, -2, 0, 0]), 0).unwrap().to_i64s().unwrap(), [7, 5, 3, 4, 2, 3]);
        // torch lets the indices be shorter on the other axes.
        assert_eq!(gather_elements(&x, &ints(&[1, 4], &[2, 2, 0, 1]), 1).unwrap().to_i64s().unwrap(), [3, 3, 1, 2]);
        assert!(gather_elements(&x, &ints(&[4, 1], &[0; 4]), 1).is_err());
    }

    #[test]
    fn tuples_of_indices_name_slices() {
        // The examples in ONNX's documentation of GatherND.
        let x = Array::new(&[2, 2], vec![0i32, 1, 2, 3]).unwrap();
        assert_eq!(gather_nd(&x, &ints(&[2, 2], &[0, 0, 1, 1]), 0).unwrap(), Array::vector(vec![0i32, 3]));
        assert_eq!(gather_nd(&x, &ints(&[2, 1], &[1, 0]), 0).unwrap(), Array::new(&[2, 2], vec![2i32, 3, 0, 1]).unwrap());
        let x = Array::new(&[2, 2, 2], (0..8i32).collect()).unwrap();
        assert_eq!(gather_nd(&x, &ints(&[2, 2], &[0, 1, 1, 0]), 0).unwrap(), Array::new(&[2, 2], vec![2i32, 3, 4, 5]).unwrap());
        assert_eq!(gather_nd(&x, &ints(&[2, 1], &[1, 0]), 1).unwrap(), Array::new(&[2, 2], vec![2i32, 3, 4, 5]).unwrap());
        assert!(gather_nd(&x, &ints(&[1, 4], &[0; 4]), 0).is_err());
        assert!(gather_nd(&x, &ints(&[1, 1], &[2]), 0).is_err());
        assert!(gather_nd(&x, &ints(&[3, 1], &[0; 3]), 1).is_err());
        assert!(gather_nd(&x, &Array::scalar(0i64), 0).is_err());
    }

    #[test]
    fn positions_that_are_not_zero_come_axis_by_axis() {
        let x = Array::new(&[2, 2], vec![1i32, 0, 1, 1]).unwrap();
        assert_eq!(nonzero(&x).unwrap(), ints(&[2, 3], &[0, 1, 1, 0, 0, 1]));
        assert_eq!(nonzero(&Array::scalar(1f32)).unwrap().shape(), [0, 1]);
        let sparse = Array::new(&[3, 100], (0..300).map(|i| i % 37 == 0).collect()).unwrap();
        let expected: Vec<i64> = (0..300).filter(|i| i % 37 == 0).collect();
        let indices = nonzero(&sparse).unwrap().to_i64s().unwrap();
        let (rows, columns) = indices.split_at(expected.len());
        assert!(expected.iter().zip(rows.iter().zip(columns)).all(|(at, (row, column))| *at == row * 100 + column));
    }

    #[test]
    fn large_lookups_are_the_small_ones() {
        let table = Array::new(&[100, 64], (0..6400i64).collect()).unwrap();
        let ids: Vec<i64> = (0..2000).map(|i| i * 31 % 100).collect();
        let rows = gather(&table, &ints(&[2000], &ids), 0).unwrap().to_i64s().unwrap();
        assert!(ids.iter().enumerate().all(|(i, id)| (0..64).all(|j| rows[i * 64 + j as usize] == id * 64 + j)));
    }
}
