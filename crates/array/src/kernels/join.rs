//! Concatenation, tiling, padding, rolling and triangles.

use super::fill::zeros;
use super::gather::length_of;
use super::lanes::map_rows;
use super::take::{paste, refuse_long, take};
use crate::array::{Array, Scalar, contiguous_strides, count};
use crate::each_dtype;
use crate::error::{Error, Result};

/// The arrays one after the other along an axis.
///
/// # Errors
/// [`Argument`](crate::ErrorCode::Argument) for no arrays or an axis that there is not; [`DType`](crate::ErrorCode::DType) where dtypes
/// differ; [`Shape`](crate::ErrorCode::Shape) where other axes do; [`TooBig`](crate::ErrorCode::TooBig).
pub fn concat(arrays: &[&Array], axis: usize) -> Result<Array> {
    let first = *arrays.first().ok_or_else(|| Error::argument("nothing to concatenate"))?;
    let mut shape = first.shape().to_vec();
    let mut length = length_of(first, axis)?;
    for (i, x) in arrays.iter().enumerate().skip(1) {
        if x.dtype() != first.dtype() {
            return Err(Error::dtype(format!("array {i} is {}, the first {}", x.dtype(), first.dtype())));
        }
        if x.rank() != shape.len() || (0..shape.len()).any(|other| other != axis && x.shape()[other] != shape[other]) {
            let (x, shape) = (x.shape(), first.shape());
            return Err(Error::shape(format!("array {i} has shape {x:?}, the first {shape:?}: they may differ on axis {axis} only")));
        }
        length = length
            .checked_add(x.shape()[axis])
            .ok_or_else(|| Error::too_big(format!("axis {axis} is out of range for {} arrays", arrays.len())))?;
    }
    if arrays.len() == 1 {
        return Ok(first.clone());
    }
    shape[axis] = length;
    let n = count(&shape)?;
    let strides = contiguous_strides(&shape);
    first.move_elements(|first| {
        each_dtype!(first.dtype(), T: word => {
            let mut out = zeros::<T>(n)?;
            let mut start = 0;
            for x in arrays {
                paste(&x.words()?, &mut out, start, &strides)?;
                start += x.shape()[axis] * strides[axis] as usize;
            }
            Array::new(&shape, out)
        })
    })
}

/// The array repeated along each axis; where only axes of size 1 are repeated, nothing is copied.
///
/// <https://onnx.ai/onnx/operators/onnx__Tile.html>
///
/// # Errors
/// [`Argument`](crate::ErrorCode::Argument) unless there is a value for each axis; [`TooBig`](crate::ErrorCode::TooBig).
pub fn tile(x: &Array, repeats: &[usize]) -> Result<Array> {
    if repeats.len() != x.rank() {
        return Err(Error::argument(format!("expected one repeat per axis: got {} for {} axes", repeats.len(), x.rank())));
    }
    let sizes = x.shape().iter().zip(repeats).map(|(length, &repeat)| length.checked_mul(repeat));
    let shape = sizes
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| Error::too_big(format!("shape {:?} cannot be repeated {repeats:?} times", x.shape())))?;
    count(&shape)?;
    if shape.contains(&0) {
        return Array::empty(x.dtype(), &shape);
    }
    if x.shape().iter().zip(repeats).all(|(&length, &repeat)| length == 1 || repeat == 1) {
        return x.broadcast(&shape);
    }
    refuse_long(&shape)?;
    let table = |(&length, &repeat): (&usize, &usize)| (repeat != 1).then(|| (0..length * repeat).map(|i| i % length).collect());
    take(x, &x.shape().iter().zip(repeats).map(table).collect::<Vec<_>>())
}

/// What stands beyond the edges of an array.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Padding {
    /// A constant.
    Constant(Scalar),
    /// Reflection about the last element, which is not repeated.
    Reflect,
    /// The element at the edge.
    Edge,
    /// The array again.
    Wrap,
}

/// The array with `begin` values more before and `end` after each axis; negative ones are cut off.
///
/// <https://onnx.ai/onnx/operators/onnx__Pad.html>
///
/// # Errors
/// [`Argument`](crate::ErrorCode::Argument) unless there is a value for each axis, where more is cut than there is, and where an
/// axis without values is reflected, extended or wrapped; [`TooBig`](crate::ErrorCode::TooBig).
pub fn pad(x: &Array, begin: &[i64], end: &[i64], mode: Padding) -> Result<Array> {
    if begin.len() != x.rank() || end.len() != x.rank() {
        return Err(Error::argument(format!(
            "expected a pad before and after each axis: got {} and {} for {} axes",
            begin.len(),
            end.len(),
            x.rank()
        )));
    }
    let mut shape = Vec::with_capacity(x.rank());
    for (axis, &length) in x.shape().iter().enumerate() {
        let padded = length as i128 + i128::from(begin[axis]) + i128::from(end[axis]);
        let padded = usize::try_from(padded)
            .map_err(|_| Error::argument(format!("pads {} and {} do not fit axis {axis} of size {length}", begin[axis], end[axis])))?;
        if length == 0 && padded > 0 && !matches!(mode, Padding::Constant(_)) {
            return Err(Error::argument(format!("axis {axis} is empty: no element to pad with")));
        }
        shape.push(padded);
    }
    let n = count(&shape)?;
    if n == 0 {
        return Array::empty(x.dtype(), &shape);
    }
    if let Padding::Constant(number) = mode {
        return framed(x, begin, &shape, number);
    }
    refuse_long(&shape)?;
    let tables = (0..x.rank()).map(|axis| {
        let (length, begin) = (x.shape()[axis] as i128, i128::from(begin[axis]));
        ((begin, shape[axis]) != (0, x.shape()[axis]))
            .then(|| (0..shape[axis] as i128).map(|i| reflected(i - begin, length, mode) as usize).collect::<Vec<_>>())
    });
    take(x, &tables.collect::<Vec<_>>())
}

/// The index on an axis of this size that stands in for one that may lie outside.
fn reflected(i: i128, length: i128, mode: Padding) -> i128 {
    match mode {
        Padding::Reflect if length > 1 => {
            let phase = i.rem_euclid(2 * (length - 1));
            phase.min(2 * (length - 1) - phase)
        }
        Padding::Wrap => i.rem_euclid(length),
        _ => i.clamp(0, length - 1),
    }
}

/// The part of an array that is not cut off, in a frame of one value.
fn framed(x: &Array, begin: &[i64], shape: &[usize], number: Scalar) -> Result<Array> {
    let mut inner = x.clone();
    let mut start = 0;
    let strides = contiguous_strides(shape);
    for (axis, &begin) in begin.iter().enumerate() {
        let (from, to) = (begin.min(0).unsigned_abs() as usize, begin.max(0) as usize);
        // Where more is cut at one end than there is, the other end's frame is all that is left.
        let length = x.shape()[axis].saturating_sub(from).min(shape[axis].saturating_sub(to));
        inner = inner.slice(axis, if length == 0 { 0 } else { from }, length, 1)?;
        start += if length == 0 { 0 } else { to * strides[axis] as usize };
    }
    let number = Array::full(x.dtype(), &[], number).words()?;
    inner.move_elements(|inner| {
        each_dtype!(inner.dtype(), T: word => {
            let mut out = zeros::<T>(count(shape)?)?;
            let number = number.span::<T>()?.0[0];
            if number != 0 {
                out.fill(number);
            }
            paste(inner, &mut out, start, &strides)?;
            Array::new(shape, out)
        })
    })
}

/// The upper or the lower triangle of the last two axes, 0 elsewhere: from diagonal `k` on, up to it respectively.
///
/// <https://onnx.ai/onnx/operators/onnx__Trilu.html>
///
/// # Errors
/// [`Shape`](crate::ErrorCode::Shape) unless there are two axes.
pub fn trilu(x: &Array, k: i64, upper: bool) -> Result<Array> {
    let [.., rows, columns] = *x.shape() else {
        return Err(Error::shape(format!("expected at least 2 axes, got shape {:?}", x.shape())));
    };
    x.move_elements(|x| {
        each_dtype!(x.dtype(), T: word => map_rows(x, columns, |row, from: &[T], to: &mut [T]| {
            // Where the diagonal, or the one after it, meets this row.
            let diagonal = (row % rows) as i128 + i128::from(k) + i128::from(!upper);
            let cut = diagonal.clamp(0, columns as i128) as usize;
            let kept = if upper { cut..columns } else { 0..cut };
            to[kept.clone()].copy_from_slice(&from[kept]);
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Array {
        Array::new(&[2, 3], vec![1i32, 2, 3, 4, 5, 6]).unwrap()
    }

    fn row(x: &[i32]) -> Array {
        Array::vector(x.to_vec())
    }

    #[test]
    fn arrays_stand_one_after_the_other() {
        let transposed = Array::new(&[1, 2], vec![7i32, 8]).unwrap().permute(&[1, 0]).unwrap();
        assert_eq!(concat(&[&grid(), &transposed], 1).unwrap().to_i64s().unwrap(), [1, 2, 3, 7, 4, 5, 6, 8]);
        let none = Array::new::<i32>(&[0, 3], vec![]).unwrap();
        assert_eq!(concat(&[&none, &grid(), &none], 0).unwrap(), grid());
        assert_eq!(concat(&[&none, &none], 0).unwrap().shape(), [0, 3]);
    }

    #[test]
    fn arrays_that_do_not_fit_are_named() {
        let error = concat(&[&grid(), &grid(), &transposed()], 1).unwrap_err();
        assert_eq!(error.to_string(), "array 2 has shape [3, 2], the first [2, 3]: they may differ on axis 1 only");
        assert!(concat(&[], 0).is_err() && concat(&[&grid()], 2).is_err());
        assert!(concat(&[&grid(), &grid().cast(crate::DType::F32).unwrap()], 0).is_err());
        let huge = Array::full(crate::DType::U8, &[usize::MAX], 0.into());
        assert!(concat(&[&huge, &huge], 0).is_err());
    }

    fn transposed() -> Array {
        grid().permute(&[1, 0]).unwrap()
    }

    #[test]
    fn tiles_repeat() {
        assert_eq!(tile(&grid(), &[2, 1]).unwrap().to_i64s().unwrap(), [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6]);
        assert_eq!(tile(&transposed(), &[1, 2]).unwrap().to_i64s().unwrap(), [1, 4, 1, 4, 2, 5, 2, 5, 3, 6, 3, 6]);
        assert_eq!(tile(&grid(), &[0, 2]).unwrap().shape(), [0, 6]);
        assert_eq!(tile(&Array::scalar(1i32), &[]).unwrap(), Array::scalar(1i32));
        let one = Array::new(&[1, 2], vec![1i32, 2]).unwrap();
        assert_eq!(tile(&one, &[3, 1]).unwrap().address(), one.address());
        assert!(tile(&grid(), &[1]).is_err() && tile(&grid(), &[usize::MAX, 1]).is_err());
    }

    #[test]
    fn every_mode_pads_as_numpy_does() {
        let x = row(&[1, 2, 3]);
        let of = |mode| pad(&x, &[2], &[3], mode).unwrap().to_i64s().unwrap();
        assert_eq!(of(Padding::Constant(9.into())), [9, 9, 1, 2, 3, 9, 9, 9]);
        assert_eq!(of(Padding::Reflect), [3, 2, 1, 2, 3, 2, 1, 2]);
        assert_eq!(of(Padding::Edge), [1, 1, 1, 2, 3, 3, 3, 3]);
        assert_eq!(of(Padding::Wrap), [2, 3, 1, 2, 3, 1, 2, 3]);
        assert_eq!(pad(&row(&[5]), &[1], &[1], Padding::Reflect).unwrap().to_i64s().unwrap(), [5, 5, 5]);
        let framed = pad(&transposed(), &[1, 0], &[0, 1], Padding::Constant(0.into())).unwrap();
        assert_eq!(framed, Array::new(&[4, 3], vec![0i32, 0, 0, 1, 4, 0, 2, 5, 0, 3, 6, 0]).unwrap());
        let edges = pad(&grid(), &[1, 0], &[0, 1], Padding::Edge).unwrap();
        assert_eq!(edges, Array::new(&[3, 4], vec![1i32, 2, 3, 3, 1, 2, 3, 3, 4, 5, 6, 6]).unwrap());
    }

    #[test]
    fn negative_pads_cut() {
        let x = row(&[1, 2, 3, 4]);
        let constant = Padding::Constant(0.into());
        assert_eq!(pad(&x, &[-1], &[2], constant).unwrap().to_i64s().unwrap(), [2, 3, 4, 0, 0]);
        assert_eq!(pad(&x, &[1], &[-2], Padding::Edge).unwrap().to_i64s().unwrap(), [1, 1, 2]);
        assert_eq!(pad(&x, &[-6], &[4], constant).unwrap().to_i64s().unwrap(), [0, 0]);
        assert_eq!(pad(&x, &[4], &[-6], constant).unwrap().to_i64s().unwrap(), [0, 0]);
        assert_eq!(pad(&x, &[-2], &[-2], Padding::Reflect).unwrap().shape(), [0]);
        assert!(pad(&x, &[-5], &[0], constant).is_err());
        assert!(pad(&x, &[i64::MAX], &[i64::MAX], constant).is_err());
        assert!(pad(&row(&[]), &[1], &[0], Padding::Edge).is_err());
        assert_eq!(pad(&row(&[]), &[1], &[0], constant).unwrap().to_i64s().unwrap(), [0]);
        let zeros = pad(&Array::vector(vec![1f32]), &[1], &[0], Padding::Constant((-0.0).into())).unwrap();
        assert!(zeros.to_f64s().unwrap()[0].is_sign_negative());
    }

    #[test]
    fn triangles_keep_their_side_of_the_diagonal() {
        let of = |k, upper| trilu(&grid(), k, upper).unwrap().to_i64s().unwrap();
        assert_eq!((of(0, true), of(0, false)), (vec![1, 2, 3, 0, 5, 6], vec![1, 0, 0, 4, 5, 0]));
        assert_eq!((of(1, true), of(-1, false)), (vec![0, 2, 3, 0, 0, 6], vec![0, 0, 0, 4, 0, 0]));
        assert_eq!((of(i64::MAX, true), of(i64::MAX, false)), (vec![0; 6], vec![1, 2, 3, 4, 5, 6]));
        let batch = tile(&grid().reshape(&[1, 2, 3]).unwrap(), &[2, 1, 1]).unwrap();
        assert_eq!(trilu(&batch, 0, true).unwrap().slice(0, 1, 1, 1).unwrap().to_i64s().unwrap(), of(0, true));
        assert!(trilu(&row(&[1]), 0, true).is_err());
    }
}
