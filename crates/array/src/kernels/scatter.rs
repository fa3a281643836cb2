//! Scatter: elements written by index into a copy.
//!
//! Updates are written one after the other in row-major order, so that of two to one position the later stands, always.

use super::gather::{length_of, refuse_larger, resolve, slices};
use super::number::{self, Number};
use crate::array::strided_loop::{StridedLoop, at_offset};
use crate::array::{Array, DType, Element, contiguous_strides, count};
use crate::each_dtype;
use crate::error::{Error, Result};
use half::{bf16, f16};

/// What becomes of an element and its update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// The update.
    Replace,
    /// Their sum; of Bools, whether either holds.
    Add,
    /// Their product; of Bools, whether both hold.
    Mul,
    /// The larger; NaN where either is NaN.
    Max,
    /// The smaller; NaN where either is NaN.
    Min,
}

/// Refuses updates of another dtype.
fn refuse_other(x: &Array, updates: &Array) -> Result<()> {
    match x.dtype() == updates.dtype() {
        true => Ok(()),
        false => Err(Error::dtype(format!("updates are {}, expected {}", updates.dtype(), x.dtype()))),
    }
}

/// A copy of `x` where the element of each update is put (or reduced into) at its own position, but for the index on `axis`.
///
/// `updates` may be longer than `indices`, and `indices` shorter than `x` on the other axes: what has no index is not used.
///
/// <https://onnx.ai/onnx/operators/onnx__ScatterElements.html>, `torch.scatter`.
///
/// # Errors
/// [`Argument`](crate::ErrorCode::Argument) for an axis or an index outside; [`DType`](crate::ErrorCode::DType) unless the indices are
/// integers and the updates as `x`; [`Shape`](crate::ErrorCode::Shape) where shapes do not fit.
pub fn scatter_elements(x: &Array, indices: &Array, updates: &Array, axis: usize, reduction: Reduction) -> Result<Array> {
    refuse_other(x, updates)?;
    let positions = resolve(indices, length_of(x, axis)?)?;
    refuse_larger(indices.shape(), x.shape(), axis, "indices", "the operand")?;
    refuse_larger(indices.shape(), updates.shape(), indices.rank(), "indices", "updates")?;
    let mut strides = contiguous_strides(x.shape());
    let stride = std::mem::replace(&mut strides[axis], 0);
    let strided = StridedLoop::new(indices.shape(), [&strides, updates.strides()]);
    let [to_step, from_step] = strided.step();
    write(x, updates, reduction, &|put| {
        strided.runs(0..positions.len(), &mut |at, [to, from]| {
            for (i, &position) in positions[at].iter().enumerate() {
                put(at_offset(0, to + i as isize * to_step + position as isize * stride), from + i as isize * from_step, 1);
            }
        });
    })
}

/// A copy of `x` where the slices that tuples of indices along the last axis of `indices` name are replaced by (or reduced
/// with) those of `updates`.
///
/// <https://onnx.ai/onnx/operators/onnx__ScatterND.html>
///
/// # Errors
/// As [`scatter_elements`].
pub fn scatter_nd(x: &Array, indices: &Array, updates: &Array, reduction: Reduction) -> Result<Array> {
    refuse_other(x, updates)?;
    let (starts, each) = slices(x.shape(), indices, 0)?;
    let (named, outer) = indices.shape().split_last().unwrap_or((&0, &[]));
    let expected = [outer, &x.shape()[*named..]].concat();
    if updates.shape() != expected {
        return Err(Error::shape(format!("updates have shape {:?}, expected {expected:?}", updates.shape())));
    }
    write(x, &updates.contiguous()?, reduction, &|put| {
        starts.iter().enumerate().for_each(|(slice, &to)| put(to, (slice * each) as isize, each));
    })
}

/// The writes of a scatter: calls back with where to, where from (relative to element 0 of the updates) and how many.
type Writes<'a> = &'a dyn Fn(&mut dyn FnMut(usize, isize, usize));

/// A copy of `x` after some writes.
fn write(x: &Array, updates: &Array, reduction: Reduction, writes: Writes) -> Result<Array> {
    let is_bool = x.dtype() == DType::Bool;
    if reduction == Reduction::Replace {
        let updates = updates.words()?;
        return x.move_elements(|x| each_dtype!(x.dtype(), T: word => write_with::<T>(x, &updates, writes, |_, update| update)));
    }
    if matches!(x.dtype(), DType::F16 | DType::BF16) && matches!(reduction, Reduction::Add | Reduction::Mul) {
        // Each of several updates is rounded.
        return match x.dtype() {
            DType::F16 => write_rounding::<f16>(x, updates, reduction, writes),
            _ => write_rounding::<bf16>(x, updates, reduction, writes),
        };
    }
    let updates = number::widened(updates)?;
    number::in_wide(x, |x| match reduction {
        Reduction::Max => each_dtype!(x.dtype(), T: wide => write_with::<T>(x, &updates, writes, number::max)),
        Reduction::Min => each_dtype!(x.dtype(), T: wide => write_with::<T>(x, &updates, writes, number::min)),
        Reduction::Add if is_bool => write_with::<i64>(x, &updates, writes, number::max),
        Reduction::Add => each_dtype!(x.dtype(), T: wide => write_with::<T>(x, &updates, writes, T::add)),
        _ => each_dtype!(x.dtype(), T: wide => write_with::<T>(x, &updates, writes, T::mul)),
    })
}

fn write_rounding<T: Number>(x: &Array, updates: &Array, reduction: Reduction, writes: Writes) -> Result<Array> {
    write_with::<T>(x, updates, writes, if reduction == Reduction::Add { T::add } else { T::mul })
}

fn write_with<T: Element>(x: &Array, updates: &Array, writes: Writes, combine: impl Fn(T, T) -> T) -> Result<Array> {
    count(x.shape())?;
    let mut out = x.to_vec::<T>()?;
    let (updates, start) = updates.span::<T>()?;
    writes(&mut |to, from, n| {
        // Slices without elements are nowhere.
        if n == 0 {
            return;
        }
        let from = at_offset(start, from);
        out[to..to + n].iter_mut().zip(&updates[from..from + n]).for_each(|(to, &update)| *to = combine(*to, update));
    });
    Array::new(x.shape(), out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Reduction::{Add, Max, Min, Mul};

    fn ints(shape: &[usize], x: &[i64]) -> Array {
        Array::new(shape, x.to_vec()).unwrap()
    }

    fn floats(shape: &[usize], x: &[f32]) -> Array {
        Array::new(shape, x.to_vec()).unwrap()
    }

    #[test]
    fn elements_go_where_their_index_says() {
        // The examples in ONNX's documentation of ScatterElements.
        let updates = floats(&[2, 3], &[1.0, 1.1, 1.2, 2.0, 2.1, 2.2]);
        let y = scatter_elements(&floats(&[3, 3], &[0.; 9]), &ints(&[2, 3], &[1, 0, 2, 0, 2, 1]), &updates, 0, Reduction::Replace).unwrap();
        assert_eq!(y, floats(&[3, 3], &[2.0, 1.1, 0.0, 1.0, 0.0, 2.2, 0.0, 2.1, 1.2]));
        let x = floats(&[1, 5], &[1., 2., 3., 4., 5.]);
        let y = scatter_elements(&x, &ints(&[1, 2], &[1, -2]), &floats(&[1, 2], &[1.1, 2.1]), 1, Reduction::Replace).unwrap();
        assert_eq!(y, floats(&[1, 5], &[1.0, 1.1, 3.0, 2.1, 5.0]));
    }

    #[test]
    fn updates_of_one_position_are_reduced_or_the_last_stands() {
        let of = |reduction| {
            let (x, updates) = (floats(&[3], &[1., 2., 3.]), floats(&[3], &[5., 4., f32::NAN]));
            scatter_elements(&x, &ints(&[3], &[1, 1, 2]), &updates, 0, reduction).unwrap().to_f64s().unwrap()
        };
        assert_eq!(of(Reduction::Replace)[1], 4.);
        assert_eq!((of(Add)[1], of(Mul)[1], of(Max)[1], of(Min)[1]), (11., 40., 5., 2.));
        assert!(of(Max)[2].is_nan() && of(Min)[2].is_nan());
    }

    #[test]
    fn indices_may_be_shorter_than_the_rest() {
        let updates = floats(&[3, 3], &[1., 2., 3., 4., 5., 6., 7., 8., 9.]).permute(&[1, 0]).unwrap();
        let y = scatter_elements(&floats(&[2, 3], &[0.; 6]), &ints(&[1, 2], &[2, 0]), &updates, 1, Reduction::Replace).unwrap();
        assert_eq!(y, floats(&[2, 3], &[4., 0., 1., 0., 0., 0.]));
    }

    #[test]
    fn slices_go_where_their_tuple_says() {
        // The first example in ONNX's documentation of ScatterND.
        let x = ints(&[8], &[1, 2, 3, 4, 5, 6, 7, 8]);
        let y = scatter_nd(&x, &ints(&[4, 1], &[4, 3, 1, 7]), &ints(&[4], &[9, 10, 11, 12]), Reduction::Replace).unwrap();
        assert_eq!(y, ints(&[8], &[1, 11, 3, 10, 9, 6, 7, 12]));
        let x = ints(&[2, 2], &[1, 1, 1, 1]);
        let y = scatter_nd(&x, &ints(&[2, 1], &[1, 1]), &ints(&[2, 2], &[1, 2, 3, 4]), Add).unwrap();
        assert_eq!(y, ints(&[2, 2], &[1, 1, 5, 7]));
        // An empty tuple names the whole.
        assert_eq!(scatter_nd(&x, &ints(&[0], &[]), &ints(&[2, 2], &[1, 2, 3, 4]), Mul).unwrap(), ints(&[2, 2], &[1, 2, 3, 4]));
        assert_eq!(scatter_nd(&x, &ints(&[0, 1], &[]), &ints(&[0, 2], &[]), Add).unwrap(), x);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let x = floats(&[2], &[0.; 2]);
        assert!(scatter_elements(&x, &ints(&[1], &[2]), &floats(&[1], &[1.]), 0, Reduction::Replace).is_err());
        assert!(scatter_elements(&x, &ints(&[2], &[0, 1]), &floats(&[1], &[1.]), 0, Reduction::Replace).is_err());
        assert!(scatter_elements(&x, &ints(&[1], &[0]), &ints(&[1], &[1]), 0, Reduction::Replace).is_err());
        assert!(scatter_nd(&x, &ints(&[1, 1], &[0]), &floats(&[2], &[1.; 2]), Reduction::Replace).is_err());
    }

    #[test]
    fn bools_are_reduced_as_logic() {
        let of = |reduction| {
            let (x, updates) = (Array::vector(vec![true, false]), Array::vector(vec![false, true]));
            scatter_elements(&x, &ints(&[2], &[0, 1]), &updates, 0, reduction).unwrap().to_i64s().unwrap()
        };
        assert_eq!((of(Reduction::Replace), of(Add), of(Mul)), (vec![0, 1], vec![1, 1], vec![0, 0]));
    }
}
