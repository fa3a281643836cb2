//! Sorting: the largest few, and each only once. NaN counts as larger than every element.

use super::elementwise::map;
use super::gather::{gather_elements, length_of};
use super::lanes::map_lanes;
use super::number;
use crate::array::{Array, DType, count, room};
use crate::error::{Error, Result};

/// Integers that are in the order of the elements, so that one dtype is sorted: all NaN are equal and above every element, and −0 is 0.
fn keys(x: &Array) -> Result<Array> {
    let x = number::widened(x)?;
    match x.dtype() {
        DType::U64 => Ok(x),
        DType::I64 => map(&x, |x: i64| x as u64 ^ SIGN),
        DType::F32 => map(&x, |x: f32| float_key(x.into())),
        DType::F64 => map(&x, float_key),
        other => Err(DType::not_taken(other)),
    }
}

const SIGN: u64 = 1 << 63;
/// The key of NaN.
const NAN: u64 = u64::MAX;

/// Negative floats are in descending order of their bits.
fn float_key(x: f64) -> u64 {
    let bits = (x + 0.0).to_bits();
    match bits & SIGN != 0 {
        _ if x.is_nan() => NAN,
        true => !bits,
        false => bits | SIGN,
    }
}

/// The `k` largest (or smallest) elements along an axis in descending (ascending) order, and their indices (i64); of equal
/// elements the first.
///
/// <https://onnx.ai/onnx/operators/onnx__TopK.html>
///
/// # Errors
/// [`Argument`](crate::ErrorCode::Argument) for an axis that there is not, or that is shorter than `k`.
pub fn topk(x: &Array, k: usize, axis: usize, largest: bool) -> Result<(Array, Array)> {
    let length = length_of(x, axis)?;
    if k > length {
        return Err(Error::argument(format!("k = {k} is out of range for an axis of size {length}")));
    }
    let indices = map_lanes(&keys(x)?, axis, k, |lane: &[u64], indices: &mut [i64]| {
        let key = |&i: &i64| (directed(lane[i as usize], largest), i);
        let mut candidates: Vec<i64> = (0..lane.len() as i64).collect();
        if 0 < k && k < candidates.len() {
            candidates.select_nth_unstable_by_key(k - 1, key);
            candidates.truncate(k);
        }
        candidates.sort_unstable_by_key(key);
        indices.copy_from_slice(&candidates);
    })?;
    Ok((gather_elements(x, &indices, axis)?, indices))
}

fn directed(key: u64, descending: bool) -> u64 {
    if descending { !key } else { key }
}

/// What [`unique`] finds: `n` different slices.
#[derive(Clone, Debug)]
pub struct UniqueValues {
    /// The slices, each once.
    pub values: Array,
    /// Where each stands first in the operand: i64 \[n\].
    pub first: Array,
    /// Which of them each slice of the operand is: i64, one for each slice.
    pub inverse: Array,
    /// How often each occurs: i64 \[n\].
    pub counts: Array,
}

/// The different elements of an array, or the different slices of an axis, in order, or as they come. A NaN differs from
/// every other, as in torch.
///
/// <https://onnx.ai/onnx/operators/onnx__Unique.html>
///
/// # Errors
/// [`Argument`](crate::ErrorCode::Argument) for an axis that there is not; [`TooBig`](crate::ErrorCode::TooBig).
pub fn unique(x: &Array, axis: Option<usize>, sorted: bool) -> Result<UniqueValues> {
    let n = count(x.shape())?;
    let Some(axis) = axis else {
        let flat = x.reshape(&[n])?;
        return unique(&flat, Some(0), sorted);
    };
    let length = length_of(x, axis)?;
    let outward: Vec<_> = std::iter::once(axis).chain((0..x.rank()).filter(|&other| other != axis)).collect();
    let slices = x.permute(&outward)?;
    let each = count(&slices.shape()[1..])?;
    // Slices of no elements need no memory themselves.
    room::<u64>(length)?;
    let (groups, inverse) = group(&keys(&slices)?.to_vec()?, each, length, sorted, x.dtype().is_float());
    let first: Vec<i64> = groups.iter().map(|group| group.first as i64).collect();
    let first = Array::vector(first);
    Ok(UniqueValues {
        values: super::gather::gather(x, &first, axis)?,
        first,
        inverse: Array::vector(inverse),
        counts: Array::vector(groups.iter().map(|group| group.count).collect()),
    })
}

/// Equal slices.
struct Group {
    first: usize,
    count: i64,
}

/// The groups of equal slices of `each` keys, and the group of every slice. Of floats, a slice with a NaN equals no other.
fn group(keys: &[u64], each: usize, length: usize, sorted: bool, floats: bool) -> (Vec<Group>, Vec<i64>) {
    let slice = |i: usize| &keys[i * each..(i + 1) * each];
    let same = |i: usize, j: usize| slice(i) == slice(j) && !(floats && slice(i).contains(&NAN));
    let mut in_order: Vec<usize> = (0..length).collect();
    in_order.sort_by(|&i, &j| slice(i).cmp(slice(j)));
    let mut groups: Vec<Group> = Vec::new();
    let mut inverse = vec![0; length];
    for (at, &i) in in_order.iter().enumerate() {
        match groups.last_mut() {
            Some(group) if same(in_order[at - 1], i) => group.count += 1,
            _ => groups.push(Group { first: i, count: 1 }),
        }
        inverse[i] = groups.len() as i64 - 1;
    }
    if !sorted {
        let mut by_first: Vec<usize> = (0..groups.len()).collect();
        by_first.sort_unstable_by_key(|&group| groups[group].first);
        let mut rank = vec![0; groups.len()];
        by_first.iter().enumerate().for_each(|(i, &group)| rank[group] = i as i64);
        inverse.iter_mut().for_each(|group| *group = rank[*group as usize]);
        groups.sort_unstable_by_key(|group| group.first);
    }
    (groups, inverse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_is_the_largest() {
        let x = Array::vector(vec![f32::NAN, f32::INFINITY, -1.0]);
        assert_eq!(topk(&x, 1, 0, true).unwrap().1.to_i64s().unwrap(), [0]);
        assert_eq!(topk(&x, 2, 0, false).unwrap().1.to_i64s().unwrap(), [2, 1]);
    }

    #[test]
    fn the_first_few_along_any_axis() {
        // The example in ONNX's documentation of TopK.
        let x = Array::new(&[3, 4], (0..12i32).collect()).unwrap();
        let (values, indices) = topk(&x, 3, 1, true).unwrap();
        assert_eq!(values.to_i64s().unwrap(), [3, 2, 1, 7, 6, 5, 11, 10, 9]);
        assert_eq!(indices.to_i64s().unwrap(), [3, 2, 1, 3, 2, 1, 3, 2, 1]);
        let (values, _) = topk(&x, 1, 0, false).unwrap();
        assert_eq!(values, Array::new(&[1, 4], vec![0i32, 1, 2, 3]).unwrap());
        assert_eq!(topk(&Array::vector(vec![1i32; 5]), 3, 0, true).unwrap().1.to_i64s().unwrap(), [0, 1, 2]);
        assert_eq!(topk(&x, 0, 1, true).unwrap().0.shape(), [3, 0]);
        assert!(topk(&x, 5, 1, true).is_err() && topk(&x, 1, 2, true).is_err());
    }

    #[test]
    fn each_number_once() {
        // The examples in ONNX's documentation of UniqueValues.
        let x = Array::vector(vec![2f32, 1., 1., 3., 4., 3.]);
        let of = |sorted| {
            let u = unique(&x, None, sorted).unwrap();
            (u.values.to_f64s().unwrap(), u.first.to_i64s().unwrap(), u.inverse.to_i64s().unwrap(), u.counts.to_i64s().unwrap())
        };
        assert_eq!(of(true), (vec![1., 2., 3., 4.], vec![1, 0, 3, 4], vec![1, 0, 0, 2, 3, 2], vec![2, 1, 2, 1]));
        assert_eq!(of(false), (vec![2., 1., 3., 4.], vec![0, 1, 3, 4], vec![0, 1, 1, 2, 3, 2], vec![1, 2, 2, 1]));
    }

    #[test]
    fn each_slice_once() {
        let x = Array::new(&[3, 3], vec![1f32, 0., 0., 1., 0., 0., 2., 3., 4.]).unwrap();
        let rows = unique(&x, Some(0), true).unwrap();
        assert_eq!(rows.values, Array::new(&[2, 3], vec![1f32, 0., 0., 2., 3., 4.]).unwrap());
        assert_eq!((rows.inverse.to_i64s().unwrap(), rows.counts.to_i64s().unwrap()), (vec![0, 0, 1], vec![2, 1]));
        let columns = unique(&x, Some(1), true).unwrap();
        assert_eq!(columns.values, Array::new(&[3, 3], vec![0f32, 0., 1., 0., 0., 1., 3., 4., 2.]).unwrap());
        assert_eq!(unique(&Array::vector(vec![f32::NAN, f32::NAN]), None, true).unwrap().counts.to_i64s().unwrap(), [1, 1]);
        assert_eq!(unique(&Array::vector::<f32>(vec![]), None, true).unwrap().values.shape(), [0]);
        assert!(unique(&x, Some(2), true).is_err());
    }
}
