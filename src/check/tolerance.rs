//! How far two answers may stand apart, and whether they do.

use super::error_bounds::SquareMean;
use crate::array::{Array, Comparison, DType, Tolerance, blocks, compare};
use crate::dim::Type;
use crate::error::Result;
use crate::graph::{Agreement, Graph};

/// The distance of 1 from the next number of a dtype.
fn epsilon(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::EPSILON,
        DType::F32 => f64::from(f32::EPSILON),
        DType::F16 => 9.765_625e-4,
        DType::BF16 => 7.812_5e-3,
        _ => 0.0,
    }
}

fn largest<'a>(arrays: impl Iterator<Item = &'a Array>) -> Result<f64> {
    let mut most = 0.0f64;
    for array in arrays.filter(|array| array.dtype().is_float()) {
        array.for_each_f64(|x| most = if x.is_finite() { most.max(x.abs()) } else { most })?;
    }
    Ok(most)
}

/// What rounding explains for these values: the absolute part follows the size of the answer, so that a small answer is held to its own
/// digits, but does not fall below what is lost to rounding among inputs of this size.
pub(super) fn allowed(expected: &Array, inputs: &[Array]) -> Result<Tolerance> {
    let Tolerance { abs, rel } = Tolerance::of(expected.dtype());
    if rel == 0.0 {
        return Ok(Tolerance::EXACT);
    }
    let size = largest(std::iter::once(expected))?;
    let floor = 4.0 * epsilon(expected.dtype()) * size.max(largest(inputs.iter())?.min(1.0));
    Ok(Tolerance { abs: abs.min(rel * size).max(floor), rel })
}

/// What rounding in a narrower dtype explains: in a network it follows the size of the values that an element is computed of, which its array shows.
pub(super) fn relative_to_size(dtype: DType, expected: &Array) -> Tolerance {
    let rel = Tolerance::of(dtype).rel;
    let mut squares = SquareMean::default();
    let size = expected.for_each_f64(|x| squares.add(x)).map_or(0.0, |()| squares.root());
    Tolerance { abs: rel * size, rel }
}

/// Which outputs are made by exact operators only, from the inputs on: two implementations agree on them to the bit.
pub(super) fn exact(graph: &Graph) -> Vec<bool> {
    let mut exact = vec![true; graph.values().count()];
    for node in graph.nodes() {
        let all = node.op.agreement() == Agreement::Exact && node.inputs.iter().flatten().all(|id| exact[id.index()]);
        node.outputs.iter().for_each(|id| exact[id.index()] = all);
    }
    graph.outputs().iter().map(|id| exact[id.index()]).collect()
}

/// Where zeros have other signs, and what else values hide that are equal: the index, got and expected.
fn sign(got: &Array, expected: &Array) -> Result<Option<String>> {
    if !expected.dtype().is_float() {
        return Ok(None);
    }
    let (elements, mut a, mut b) = ((got.doubles()?, expected.doubles()?), Vec::new(), Vec::new());
    for range in blocks(got.len()) {
        elements.0.read(range.clone(), &mut a);
        elements.1.read(range.clone(), &mut b);
        if let Some(k) = a.iter().zip(&b).position(|(a, b)| *a == 0.0 && *b == 0.0 && a.is_sign_negative() != b.is_sign_negative()) {
            let i = range.start + k;
            return Ok(Some(format!("zeros of different sign at element {i} (row-major): expected {:?}, got {:?}", b[k], a[k])));
        }
    }
    Ok(None)
}

/// How two answers differ.
#[derive(Clone, Debug, Default)]
pub(super) struct ArrayDifference {
    /// In words, where they do not agree.
    pub(super) words: Option<String>,
    pub(super) max_abs: f64,
    pub(super) max_rel: f64,
    /// The largest difference as a share of its limit.
    pub(super) share: f64,
    /// The element with that share: its index, what was got and what was expected.
    pub(super) element: Option<(Vec<usize>, f64, f64)>,
}

impl ArrayDifference {
    fn because(words: String) -> ArrayDifference {
        ArrayDifference { words: Some(words), share: f64::INFINITY, ..ArrayDifference::default() }
    }
}

/// How two answers differ; nothing where they are the same.
pub(super) fn difference(got: &Array, expected: &Array, tolerance: Tolerance, bits: bool) -> ArrayDifference {
    let same_type = got.dtype() == expected.dtype() && got.shape() == expected.shape();
    if same_type && (got.is_same(expected) || got.same_bytes(expected)) {
        return ArrayDifference::default();
    }
    if !same_type {
        return ArrayDifference::because(format!("expected {}, got {}", Type::from(expected), Type::from(got)));
    }
    let comparison = match compare(got, expected, tolerance) {
        Ok(comparison) => comparison,
        Err(error) => return ArrayDifference::because(format!("cannot be compared: {}", error.message())),
    };
    let words = match comparison.worst {
        Some((index, got_number, number)) => {
            let share = format!("{} of {} elements differ", comparison.outside, got.len());
            Some(format!("{share}, largest difference at {index:?}: expected {number}, got {got_number}"))
        }
        None if bits => sign(got, expected).unwrap_or_else(|error| Some(format!("cannot be compared: {}", error.message()))),
        None => None,
    };
    let Comparison { max_abs, max_rel, share, closest_to_limit, .. } = comparison;
    ArrayDifference { words, max_abs, max_rel, share, element: closest_to_limit }
}

/// What differs between two answers, in words; `None` where they agree.
pub(super) fn apart(got: &Array, expected: &Array, tolerance: Tolerance, bits: bool) -> Option<String> {
    difference(got, expected, tolerance, bits).words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_answers_are_held_to_their_own_digits() {
        // torch's checker takes 9e-6 for 1e-6, because its absolute tolerance is 1e-5.
        let (got, expected) = (Array::vector(vec![9e-6f32]), Array::vector(vec![1e-6f32]));
        let allowed = allowed(&expected, &[Array::vector(vec![1f32])]).unwrap();
        assert!(apart(&got, &expected, allowed, false).is_some(), "{allowed:?}");
    }

    #[test]
    fn half_precision_is_allowed_its_rounding() {
        // 0.1 + 0.2 in f16 is one step of 2^-12 away from 0.3 rounded to f16.
        let half = |x: f32| Array::vector(vec![half::f16::from_f32(x)]);
        let sum = half::f16::from_f32(0.1) + half::f16::from_f32(0.2);
        let expected = half(0.3);
        assert_ne!(sum.to_bits(), half::f16::from_f32(0.3).to_bits());
        assert_eq!(apart(&Array::vector(vec![sum]), &expected, allowed(&expected, &[]).unwrap(), false), None);
    }

    #[test]
    fn integers_are_exact() {
        let (got, expected) = (Array::vector(vec![100_001i64]), Array::vector(vec![100_000i64]));
        assert!(apart(&got, &expected, allowed(&expected, &[]).unwrap(), false).is_some());
    }

    #[test]
    fn zeros_of_two_signs_differ_where_bits_count() {
        let (got, expected) = (Array::vector(vec![0f32]), Array::vector(vec![-0f32]));
        assert_eq!(apart(&got, &expected, Tolerance::EXACT, false), None);
        assert!(apart(&got, &expected, Tolerance::EXACT, true).unwrap().contains("expected -0.0"));
    }
}
