//! Do two arrays agree? The largest differences, where they are, and whether a tolerance allows them.

use super::{Array, DType};
use crate::error::{Error, ErrorCode, Result};

/// How far two values may differ: |a − b| ≤ `abs` + `rel` · |b|.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// The absolute part.
    pub abs: f64,
    /// The part relative to the expected element.
    pub rel: f64,
}

impl Tolerance {
    /// Nothing may differ.
    pub const EXACT: Tolerance = Tolerance { abs: 0.0, rel: 0.0 };

    /// What rounding explains for a dtype after a network's worth of operations; integers and Bool are exact.
    pub fn of(dtype: DType) -> Tolerance {
        match dtype {
            DType::F64 => Tolerance { abs: 1e-9, rel: 1e-7 },
            DType::F32 => Tolerance { abs: 1e-5, rel: 1e-4 },
            DType::F16 => Tolerance { abs: 1e-3, rel: 1e-2 },
            DType::BF16 => Tolerance { abs: 1e-2, rel: 5e-2 },
            _ => Tolerance::EXACT,
        }
    }
}

/// What [`compare`] found.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Whether every element is within the tolerance.
    pub agrees: bool,
    /// The largest |got − expected|; infinite where only one is NaN or infinite.
    pub max_abs: f64,
    /// The largest |got − expected| / |expected| over elements that are not zero.
    pub max_rel: f64,
    /// How many elements are outside the tolerance.
    pub outside: usize,
    /// The element furthest outside: its index, what was got and what was expected.
    pub worst: Option<(Vec<usize>, f64, f64)>,
    /// The largest |got − expected| / (abs + rel · |expected|); infinite where nothing is allowed.
    pub share: f64,
    /// The element with the largest share, where elements differ: its index, what was got and what was expected.
    pub closest_to_limit: Option<(Vec<usize>, f64, f64)>,
}

/// Compares two arrays of one shape element by element; NaN agrees with NaN, an infinity with itself.
///
/// # Errors
/// [`Mismatch`](crate::ErrorCode::Mismatch) where dtype or shape differ: then there is nothing to compare;
/// [`TooBig`](crate::ErrorCode::TooBig) for repeated elements whose dense copy does not fit into memory.
pub fn compare(got: &Array, expected: &Array, tolerance: Tolerance) -> Result<Comparison> {
    if got.dtype() != expected.dtype() || got.shape() != expected.shape() {
        let ty = |array: &Array| format!("{}{:?}", array.dtype(), array.shape());
        return Err(Error::new(ErrorCode::Mismatch, format!("expected {}, got {}", ty(expected), ty(got))));
    }
    let mut result = Comparison { agrees: true, max_abs: 0.0, max_rel: 0.0, outside: 0, worst: None, share: 0.0, closest_to_limit: None };
    let mut furthest = 0.0;
    // Integers beyond 2⁵³ have no exact double: their difference is taken in integers.
    let (a, b) = (got.to_f64s()?, expected.to_f64s()?);
    let exact = if got.dtype().is_int() { Some((got.to_i64s()?, expected.to_i64s()?)) } else { None };
    for i in 0..a.len() {
        let same = match &exact {
            Some((x, y)) => x[i] == y[i],
            None => a[i] == b[i] || (a[i].is_nan() && b[i].is_nan()),
        };
        if same {
            continue;
        }
        let apart = match &exact {
            Some((x, y)) => (x[i] as f64 - y[i] as f64).abs().max(1.0),
            None if a[i].is_finite() && b[i].is_finite() => (a[i] - b[i]).abs(),
            None => f64::INFINITY,
        };
        result.max_abs = result.max_abs.max(apart);
        if b[i] != 0.0 && apart.is_finite() {
            result.max_rel = result.max_rel.max(apart / b[i].abs());
        }
        let allowed = tolerance.abs + if b[i].is_finite() { tolerance.rel * b[i].abs() } else { 0.0 };
        let share = if apart > 0.0 { apart / allowed } else { 0.0 };
        if share > result.share || result.closest_to_limit.is_none() {
            result.share = share;
            result.closest_to_limit = Some((index(got.shape(), i), a[i], b[i]));
        }
        if apart > allowed {
            result.agrees = false;
            result.outside += 1;
            if apart - allowed > furthest || result.worst.is_none() {
                furthest = apart - allowed;
                result.worst = Some((index(got.shape(), i), a[i], b[i]));
            }
        }
    }
    Ok(result)
}

/// The index of the i-th element in row-major order.
pub(crate) fn index(shape: &[usize], mut i: usize) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for axis in (0..shape.len()).rev() {
        index[axis] = i % shape[axis];
        i /= shape[axis];
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_agrees_with_nan_only() {
        let x = Array::vector(vec![f32::NAN, 1.0]);
        assert!(compare(&x, &x, Tolerance::EXACT).unwrap().agrees);
        let y = Array::vector(vec![0.0f32, 1.0]);
        let c = compare(&x, &y, Tolerance::of(DType::F32)).unwrap();
        assert_eq!((c.agrees, c.outside, c.max_abs), (false, 1, f64::INFINITY));
    }

    #[test]
    fn integers_beyond_doubles_are_told_apart() {
        let x = Array::vector(vec![(1i64 << 60) + 1]);
        let y = Array::vector(vec![1i64 << 60]);
        assert!(!compare(&x, &y, Tolerance::EXACT).unwrap().agrees);
    }

    #[test]
    fn the_worst_number_is_named_by_its_index() {
        let x = Array::new(&[2, 2], vec![1.0f32, 2.0, 3.0, 9.0]).unwrap();
        let y = Array::new(&[2, 2], vec![1.0f32, 2.5, 3.0, 4.0]).unwrap();
        assert_eq!(compare(&x, &y, Tolerance::of(DType::F32)).unwrap().worst, Some((vec![1, 1], 9.0, 4.0)));
    }

    #[test]
    fn other_dtypes_are_not_compared() {
        let error = compare(&Array::scalar(1f32), &Array::scalar(1f64), Tolerance::EXACT).unwrap_err();
        assert_eq!((error.code(), error.message()), (ErrorCode::Mismatch, "expected f64[], got f32[]"));
    }
}
