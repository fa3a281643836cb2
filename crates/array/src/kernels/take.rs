//! The elements at chosen indices of each axis, and a window pasted into another: what all copying comes down to.

use super::fill::fill;
use crate::array::strided_loop::{StridedLoop, at_offset};
use crate::array::{Array, Dims, Element, count, room};
use crate::each_dtype;
use crate::error::{Error, Result};

/// Index `i` of an axis of the result is index `tables[axis][i]` of the operand; an axis without a table stays.
///
/// # Errors
/// [`Argument`](crate::ErrorCode::Argument) where a table leads outside its axis; [`TooBig`](crate::ErrorCode::TooBig).
pub fn take(x: &Array, tables: &[Option<Vec<usize>>]) -> Result<Array> {
    if tables.len() != x.rank() {
        return Err(Error::internal(format!("expected one index table per axis: got {} for {} axes", tables.len(), x.rank())));
    }
    let shape: Vec<_> = tables.iter().zip(x.shape()).map(|(table, &length)| table.as_ref().map_or(length, Vec::len)).collect();
    count(&shape)?;
    refuse_long(&shape)?;
    if shape.contains(&0) {
        return Array::empty(x.dtype(), &shape);
    }
    // Behind the last table whole blocks are copied.
    let split = tables.iter().rposition(Option::is_some).map_or(0, |axis| axis + 1);
    let block = StridedLoop::new(&x.shape()[split..], [&x.strides()[split..]]);
    let steps = (0..split).map(|axis| steps(x, axis, tables[axis].as_deref())).collect::<Result<Vec<_>>>()?;
    let (length, [step]) = (block.len(), block.step());
    x.move_elements(|x| {
        each_dtype!(x.dtype(), T: word => {
            let (elements, start) = x.span::<T>()?;
            let blocks = shape[..split].iter().product();
            let out = fill(blocks, length, length, |first, out: &mut [T]| {
                let mut index = unravel(first, &shape[..split]);
                for out in out.chunks_exact_mut(length) {
                    let from = index.iter().zip(&steps).fold(start, |at, (&i, steps)| at_offset(at, steps[i]));
                    match length {
                        1 => out[0] = elements[from],
                        _ => block.runs(0..length, &mut |at, [offset]| copy(&elements, at_offset(from, offset), step, &mut out[at])),
                    }
                    advance(&mut index, &shape[..split]);
                }
            })?;
            Array::new(&shape, out)
        })
    })
}

/// Refuses axes for which there is no room for a table.
pub fn refuse_long(shape: &[usize]) -> Result<()> {
    room::<u64>(shape.iter().copied().max().unwrap_or(0))
}

/// How far each index of a result's axis lies from the operand's index 0.
fn steps(x: &Array, axis: usize, table: Option<&[usize]>) -> Result<Vec<isize>> {
    let (length, stride) = (x.shape()[axis], x.strides()[axis]);
    let step = |i: usize| match i < length {
        true => Ok(i as isize * stride),
        false => Err(Error::argument(format!("index {i} is out of range for axis {axis} of size {length}"))),
    };
    match table {
        Some(table) => table.iter().map(|&i| step(i)).collect(),
        None => (0..length).map(step).collect(),
    }
}

/// Copies elements that are `step` apart.
fn copy<T: Element>(elements: &[T], from: usize, step: isize, out: &mut [T]) {
    match step {
        1 => out.copy_from_slice(&elements[from..from + out.len()]),
        _ => out.iter_mut().enumerate().for_each(|(i, out)| *out = elements[at_offset(from, i as isize * step)]),
    }
}

/// The index of an element, counted in row-major order.
pub fn unravel(mut element: usize, shape: &[usize]) -> Dims<usize> {
    let mut index = Dims::from_elem(0, shape.len());
    for (i, &length) in index.iter_mut().zip(shape).rev() {
        *i = element % length.max(1);
        element /= length.max(1);
    }
    index
}

/// The next index in row-major order.
pub fn advance(index: &mut [usize], shape: &[usize]) {
    for (i, &length) in index.iter_mut().zip(shape).rev() {
        *i += 1;
        if *i < length {
            return;
        }
        *i = 0;
    }
}

/// Copies an array into a window of a result, given by where its element 0 stands and its strides.
///
/// # Errors
/// [`DType`](crate::ErrorCode::DType) where `T` is not the dtype.
pub fn paste<T: Element>(x: &Array, out: &mut [T], start: usize, strides: &[isize]) -> Result<()> {
    let strided = StridedLoop::new(x.shape(), [x.strides(), strides]);
    let [from_step, to_step] = strided.step();
    let (elements, origin) = x.span::<T>()?;
    strided.runs(0..strided.len(), &mut |at, [from, to]| {
        let (from, to) = (at_offset(origin, from), at_offset(start, to));
        if to_step == 1 {
            copy(&elements, from, from_step, &mut out[to..to + at.len()]);
        } else {
            (0..at.len() as isize).for_each(|i| out[at_offset(to, i * to_step)] = elements[at_offset(from, i * from_step)]);
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_choose_on_every_axis() {
        let x = Array::new(&[2, 3, 2], (0..12i32).collect()).unwrap();
        let y = take(&x, &[Some(vec![1, 0]), None, Some(vec![1, 1, 0])]).unwrap();
        assert_eq!(y.shape(), [2, 3, 3]);
        assert_eq!(y.to_i64s().unwrap(), [7, 7, 6, 9, 9, 8, 11, 11, 10, 1, 1, 0, 3, 3, 2, 5, 5, 4]);
        let transposed = x.permute(&[2, 0, 1]).unwrap();
        assert_eq!(take(&transposed, &[None, Some(vec![1]), None]).unwrap().to_i64s().unwrap(), [6, 8, 10, 7, 9, 11]);
        assert_eq!(take(&x, &[None, None, None]).unwrap(), x);
        assert!(take(&x, &[Some(vec![2]), None, None]).is_err());
    }

    #[test]
    fn large_and_small_take_the_same() {
        let n = 300usize;
        let x = Array::new(&[n, n], (0..(n * n) as i64).collect()).unwrap();
        let back: Vec<usize> = (0..n).rev().collect();
        let y = take(&x, &[None, Some(back)]).unwrap();
        assert_eq!(y, x.slice(1, n - 1, n, -1).unwrap());
    }
}
