//! Strides: where the elements of a view lie in the storage of its base, which decides whether torch copies.

use crate::dim::Dim;

/// The strides of contiguous elements.
pub(super) fn contiguous(shape: &[Dim]) -> Vec<Dim> {
    let mut strides = vec![Dim::Fixed(1); shape.len()];
    for axis in (0..shape.len().saturating_sub(1)).rev() {
        strides[axis] = &strides[axis + 1] * &shape[axis + 1].max(1i64);
    }
    strides
}

/// Whether the elements are contiguous. The stride of an axis of size 1 does not matter.
pub(super) fn is_contiguous(shape: &[Dim], strides: &[Dim]) -> bool {
    shape.iter().any(|n| *n == 0)
        || contiguous(shape).iter().zip(strides).zip(shape).all(|((expected, stride), n)| *n == 1 || expected == stride)
}

/// The strides of the same elements in another shape; `None` where no strides reach them.
///
/// torch's `computeStride`: axes that lie within each other in memory form a chunk, and each chunk must split into whole new axes.
pub(super) fn reshaped(shape: &[Dim], strides: &[Dim], new: &[Dim]) -> Option<Vec<Dim>> {
    if shape.iter().chain(new).any(|n| *n == 0) {
        return Some(contiguous(new));
    }
    let Some(innermost) = strides.last() else { return Some(vec![Dim::Fixed(1); new.len()]) };
    let mut result = vec![Dim::Fixed(1); new.len()];
    let mut axis = new.len();
    let (mut base, mut old_count, mut new_count) = (innermost.clone(), Dim::Fixed(1), Dim::Fixed(1));
    for i in (0..shape.len()).rev() {
        old_count = &old_count * &shape[i];
        let ends = i == 0 || (shape[i - 1] != 1 && strides[i - 1] != &old_count * &base);
        if !ends {
            continue;
        }
        while axis > 0 && (new_count != old_count || new[axis - 1] == 1) {
            axis -= 1;
            result[axis] = &new_count * &base;
            new_count = &new_count * &new[axis];
        }
        if new_count != old_count {
            return None;
        }
        if i > 0 {
            (base, old_count, new_count) = (strides[i - 1].clone(), Dim::Fixed(1), Dim::Fixed(1));
        }
    }
    (axis == 0).then_some(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dims(sizes: &[i64]) -> Vec<Dim> {
        sizes.iter().map(|&n| Dim::Fixed(n)).collect()
    }

    #[test]
    fn chunks_in_memory_split_into_whole_axes() {
        let whole = contiguous(&dims(&[2, 3, 4]));
        assert_eq!(whole, dims(&[12, 4, 1]));
        assert_eq!(reshaped(&dims(&[2, 3, 4]), &whole, &dims(&[6, 4])), Some(dims(&[4, 1])));
        assert_eq!(reshaped(&dims(&[2, 3, 4]), &whole, &dims(&[2, 1, 12])), Some(dims(&[12, 12, 1])));
        // The transpose of 3 by 4 can split an axis, but not join both.
        assert_eq!(reshaped(&dims(&[4, 3]), &dims(&[1, 4]), &dims(&[2, 2, 3])), Some(dims(&[2, 1, 4])));
        assert_eq!(reshaped(&dims(&[4, 3]), &dims(&[1, 4]), &dims(&[12])), None);
        let n = Dim::symbol("n", 5);
        let batch = [n.clone(), Dim::Fixed(6)];
        assert_eq!(reshaped(&batch, &contiguous(&batch), &[&n * &Dim::Fixed(2), Dim::Fixed(3)]), Some(dims(&[3, 1])));
    }

    #[test]
    fn axes_of_size_one_stand_anywhere() {
        assert!(is_contiguous(&dims(&[1, 3]), &dims(&[7, 1])));
        assert!(!is_contiguous(&dims(&[3, 2]), &dims(&[1, 3])));
    }
}
