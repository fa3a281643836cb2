//! Do two arrays agree? The largest differences, where they are, and whether a tolerance allows them.

use super::{Array, DType, blocks};
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
    let doubles = (got.doubles()?, expected.doubles()?);
    let integers = if got.dtype().is_int() { Some((got.integers()?, expected.integers()?)) } else { None };
    let ((mut a, mut b), (mut x, mut y)) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
    for range in blocks(got.len()) {
        doubles.0.read(range.clone(), &mut a);
        doubles.1.read(range.clone(), &mut b);
        if let Some((got, expected)) = &integers {
            got.read(range.clone(), &mut x);
            expected.read(range.clone(), &mut y);
        }
        for (k, (&a, &b)) in a.iter().zip(&b).enumerate() {
            let exact = integers.as_ref().map(|_| (x[k], y[k]));
            let same = match exact {
                Some((x, y)) => x == y,
                None => a == b || (a.is_nan() && b.is_nan()),
            };
            if same {
                continue;
            }
            let apart = match exact {
                Some((x, y)) => (x as f64 - y as f64).abs().max(1.0),
                None if a.is_finite() && b.is_finite() => (a - b).abs(),
                None => f64::INFINITY,
            };
            result.max_abs = result.max_abs.max(apart);
            if b != 0.0 && apart.is_finite() {
                result.max_rel = result.max_rel.max(apart / b.abs());
            }
            let allowed = tolerance.abs + if b.is_finite() { tolerance.rel * b.abs() } else { 0.0 };
            let share = if apart > 0.0 { apart / allowed } else { 0.0 };
            let position = || index(got.shape(), range.start + k);
            if share > result.share || result.closest_to_limit.is_none() {
                result.share = share;
                result.closest_to_limit = Some((position(), a, b));
            }
            if apart > allowed {
                result.agrees = false;
                result.outside += 1;
                if apart - allowed > furthest || result.worst.is_none() {
                    furthest = apart - allowed;
                    result.worst = Some((position(), a, b));
                }
            }
        }
    }
    Ok(result)
}

/// The index of the i-th element in row-major order.
pub fn index(shape: &[usize], mut i: usize) -> Vec<usize> {
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
