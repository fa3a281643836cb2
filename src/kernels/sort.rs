//! Numbers in order: sorted, the largest few, each only once. NaN counts as larger than every number.

use super::gather::length_of;
use super::lanes::map_lanes_two;
use super::number;
use crate::array::{Array, Element, count, room};
use crate::each_dtype;
use crate::error::{Error, Result};
use std::cmp::Ordering;

/// The numbers along an axis in order, and the index (i64) at which each stood; equal numbers keep their order.
///
/// <https://docs.pytorch.org/docs/stable/generated/torch.sort.html>, always stable.
///
/// # Errors
/// [`Argument`](crate::ErrorCode::Argument) for an axis that there is not.
pub fn sort(x: &Array, axis: usize, descending: bool) -> Result<(Array, Array)> {
    let length = length_of(x, axis)?;
    each_dtype!(x.dtype(), T => map_lanes_two(x, axis, length, |lane: &[T], values: &mut [T], indices: &mut [i64]| {
        indices.iter_mut().zip(0..).for_each(|(index, i)| *index = i);
        indices.sort_by(|&i, &j| directed(lane, i, j, descending));
        write(lane, values, indices);
    }))
}

/// The `k` largest (or smallest) numbers along an axis in descending (ascending) order, and their indices (i64); of equal
/// numbers the first.
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
    each_dtype!(x.dtype(), T => map_lanes_two(x, axis, k, |lane: &[T], values: &mut [T], indices: &mut [i64]| {
        let before = |&i: &i64, &j: &i64| directed(lane, i, j, largest).then(i.cmp(&j));
        let mut candidates: Vec<i64> = (0..lane.len() as i64).collect();
        if 0 < k && k < candidates.len() {
            candidates.select_nth_unstable_by(k - 1, before);
            candidates.truncate(k);
        }
        candidates.sort_unstable_by(before);
        indices.copy_from_slice(&candidates);
        write(lane, values, indices);
    }))
}

fn directed<T: Element>(lane: &[T], i: i64, j: i64, descending: bool) -> Ordering {
    let order = number::order(&lane[i as usize], &lane[j as usize]);
    if descending { order.reverse() } else { order }
}

fn write<T: Element>(lane: &[T], values: &mut [T], indices: &[i64]) {
    values.iter_mut().zip(indices).for_each(|(value, &i)| *value = lane[i as usize]);
}

/// Where sorted numbers would be put so that they stay sorted: the index (i64) before the first that is not smaller, or
/// (`right`) after the last that is not larger. `sorted` has one lane for all, or the axes of `values` but for the last.
///
/// <https://docs.pytorch.org/docs/stable/generated/torch.searchsorted.html>
///
/// # Errors
/// [`Shape`](crate::ErrorCode::Shape) where the lanes do not fit; [`DType`](crate::ErrorCode::DType) where dtypes differ.
pub fn search_sorted(sorted: &Array, values: &Array, right: bool) -> Result<Array> {
    let fits = match (sorted.shape(), values.shape()) {
        ([_], _) => true,
        ([outer @ .., _], [same @ .., _]) => outer == same,
        _ => false,
    };
    if !fits {
        return Err(Error::shape(format!(
            "sorted sequence of shape {:?} does not fit values of shape {:?}",
            sorted.shape(),
            values.shape()
        )));
    }
    if sorted.dtype() != values.dtype() {
        return Err(Error::dtype(format!("the sorted sequence is {}, the values are {}", sorted.dtype(), values.dtype())));
    }
    let n = count(values.shape())?;
    let (lane, row) = (sorted.shape().last().copied().unwrap_or(0), values.shape().last().copied().unwrap_or(1));
    each_dtype!(sorted.dtype(), T => {
        let (sorted_numbers, values_numbers) = (sorted.to_vec::<T>()?, values.to_vec::<T>()?);
        let shared = sorted.rank() == 1;
        let found = super::fill::fill(n, 1, 8, |first, out: &mut [i64]| {
            for (i, out) in out.iter_mut().enumerate() {
                let at = first + i;
                let lane = &sorted_numbers[if shared { 0 } else { at / row * lane }..][..lane];
                *out = lane.partition_point(|x| match number::order(x, &values_numbers[at]) {
                    Ordering::Less => true,
                    Ordering::Equal => right,
                    Ordering::Greater => false,
                }) as i64;
            }
        })?;
        Array::new(values.shape(), found)
    })
}

/// What [`unique`] finds: `n` different slices.
#[derive(Clone, Debug)]
pub struct Unique {
    /// The slices, each once.
    pub values: Array,
    /// Where each stands first in the operand: i64 \[n\].
    pub first: Array,
    /// Which of them each slice of the operand is: i64, one for each slice.
    pub inverse: Array,
    /// How often each occurs: i64 \[n\].
    pub counts: Array,
}

/// The different numbers of an array, or the different slices of an axis: in order, or as they come. A NaN differs from
/// every other, as in torch.
///
/// <https://onnx.ai/onnx/operators/onnx__Unique.html>
///
/// # Errors
/// [`Argument`](crate::ErrorCode::Argument) for an axis that there is not; [`TooBig`](crate::ErrorCode::TooBig).
pub fn unique(x: &Array, axis: Option<usize>, sorted: bool) -> Result<Unique> {
    let n = count(x.shape())?;
    let Some(axis) = axis else {
        let flat = x.reshape(&[n])?;
        return unique(&flat, Some(0), sorted);
    };
    let length = length_of(x, axis)?;
    let outward: Vec<_> = std::iter::once(axis).chain((0..x.rank()).filter(|&other| other != axis)).collect();
    let slices = x.permute(&outward)?;
    let each = count(&slices.shape()[1..])?;
    // Slices of no numbers need no memory themselves.
    room::<u64>(length)?;
    let (groups, inverse) = each_dtype!(x.dtype(), T => group(&slices.to_vec::<T>()?, each, length, sorted));
    let first: Vec<i64> = groups.iter().map(|group| group.first as i64).collect();
    let first = Array::vector(first);
    Ok(Unique {
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

/// The groups of equal slices of `each` numbers, and the group of every slice.
fn group<T: Element>(numbers: &[T], each: usize, length: usize, sorted: bool) -> (Vec<Group>, Vec<i64>) {
    let slice = |i: usize| &numbers[i * each..(i + 1) * each];
    let order = |&i: &usize, &j: &usize| {
        let apart = slice(i).iter().zip(slice(j)).map(|(a, b)| number::order(a, b)).find(|order| order.is_ne());
        apart.unwrap_or(Ordering::Equal)
    };
    let mut in_order: Vec<usize> = (0..length).collect();
    in_order.sort_by(order);
    let mut groups: Vec<Group> = Vec::new();
    let mut inverse = vec![0; length];
    for (at, &i) in in_order.iter().enumerate() {
        match groups.last_mut() {
            Some(group) if slice(in_order[at - 1]) == slice(i) => group.count += 1,
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
    fn equal_numbers_keep_their_order_both_ways() {
        let x = Array::vector(vec![2i32, 1, 2, 0]);
        let (values, indices) = sort(&x, 0, false).unwrap();
        assert_eq!((values.to_i64s(), indices.to_i64s()), (vec![0, 1, 2, 2], vec![3, 1, 0, 2]));
        let (values, indices) = sort(&x, 0, true).unwrap();
        assert_eq!((values.to_i64s(), indices.to_i64s()), (vec![2, 2, 1, 0], vec![0, 2, 1, 3]));
    }

    #[test]
    fn nan_is_the_largest() {
        let x = Array::vector(vec![f32::NAN, f32::INFINITY, -1.0]);
        assert_eq!(sort(&x, 0, false).unwrap().1.to_i64s(), [2, 1, 0]);
        assert_eq!(sort(&x, 0, true).unwrap().1.to_i64s(), [0, 1, 2]);
        assert_eq!(topk(&x, 1, 0, true).unwrap().1.to_i64s(), [0]);
        assert_eq!(topk(&x, 2, 0, false).unwrap().1.to_i64s(), [2, 1]);
    }

    #[test]
    fn the_first_few_along_any_axis() {
        // The example on the ONNX page of TopK.
        let x = Array::new(&[3, 4], (0..12i32).collect()).unwrap();
        let (values, indices) = topk(&x, 3, 1, true).unwrap();
        assert_eq!(values.to_i64s(), [3, 2, 1, 7, 6, 5, 11, 10, 9]);
        assert_eq!(indices.to_i64s(), [3, 2, 1, 3, 2, 1, 3, 2, 1]);
        let (values, _) = topk(&x, 1, 0, false).unwrap();
        assert_eq!(values, Array::new(&[1, 4], vec![0i32, 1, 2, 3]).unwrap());
        assert_eq!(topk(&Array::vector(vec![1i32; 5]), 3, 0, true).unwrap().1.to_i64s(), [0, 1, 2]);
        assert_eq!(topk(&x, 0, 1, true).unwrap().0.shape(), [3, 0]);
        assert!(topk(&x, 5, 1, true).is_err() && topk(&x, 1, 2, true).is_err());
    }

    #[test]
    fn large_lanes_are_sorted_as_small_ones() {
        let numbers: Vec<i64> = (0..40_000).map(|i| i * 7919 % 40_009).collect();
        let (values, indices) = sort(&Array::new(&[4, 10_000], numbers.clone()).unwrap(), 1, false).unwrap();
        let (values, indices) = (values.to_i64s(), indices.to_i64s());
        assert!(values.chunks(10_000).all(|lane| lane.is_sorted()));
        assert!((0..40_000).all(|i| values[i] == numbers[i / 10_000 * 10_000 + indices[i] as usize]));
    }

    #[test]
    fn places_among_sorted_numbers() {
        // The example on torch's page of searchsorted.
        let sorted = Array::new(&[2, 5], vec![1i64, 3, 5, 7, 9, 2, 4, 6, 8, 10]).unwrap();
        let values = Array::new(&[2, 3], vec![3i64, 6, 9, 3, 6, 9]).unwrap();
        assert_eq!(search_sorted(&sorted, &values, false).unwrap().to_i64s(), [1, 3, 4, 1, 2, 4]);
        assert_eq!(search_sorted(&sorted, &values, true).unwrap().to_i64s(), [2, 3, 5, 1, 3, 4]);
        assert_eq!(search_sorted(&Array::vector(vec![1i64, 2]), &Array::scalar(9i64), false).unwrap(), Array::scalar(2i64));
        assert!(search_sorted(&sorted, &Array::scalar(9i64), false).is_err());
    }

    #[test]
    fn each_number_once() {
        // The examples on the ONNX page of Unique.
        let x = Array::vector(vec![2f32, 1., 1., 3., 4., 3.]);
        let of = |sorted| {
            let u = unique(&x, None, sorted).unwrap();
            (u.values.to_f64s(), u.first.to_i64s(), u.inverse.to_i64s(), u.counts.to_i64s())
        };
        assert_eq!(of(true), (vec![1., 2., 3., 4.], vec![1, 0, 3, 4], vec![1, 0, 0, 2, 3, 2], vec![2, 1, 2, 1]));
        assert_eq!(of(false), (vec![2., 1., 3., 4.], vec![0, 1, 3, 4], vec![0, 1, 1, 2, 3, 2], vec![1, 2, 2, 1]));
    }

    #[test]
    fn each_slice_once() {
        let x = Array::new(&[3, 3], vec![1f32, 0., 0., 1., 0., 0., 2., 3., 4.]).unwrap();
        let rows = unique(&x, Some(0), true).unwrap();
        assert_eq!(rows.values, Array::new(&[2, 3], vec![1f32, 0., 0., 2., 3., 4.]).unwrap());
        assert_eq!((rows.inverse.to_i64s(), rows.counts.to_i64s()), (vec![0, 0, 1], vec![2, 1]));
        let columns = unique(&x, Some(1), true).unwrap();
        assert_eq!(columns.values, Array::new(&[3, 3], vec![0f32, 0., 1., 0., 0., 1., 3., 4., 2.]).unwrap());
        assert_eq!(unique(&Array::vector(vec![f32::NAN, f32::NAN]), None, true).unwrap().counts.to_i64s(), [1, 1]);
        assert_eq!(unique(&Array::vector::<f32>(vec![]), None, true).unwrap().values.shape(), [0]);
        assert!(unique(&x, Some(2), true).is_err());
    }
}
