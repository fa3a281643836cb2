//! Boxes by score, without those that overlap a better one.

use crate::array::Array;
use crate::error::{Error, Result};

/// Which boxes stay.
#[derive(Clone, Copy, Debug)]
pub struct NmsOptions {
    /// How many of a class stay at most.
    pub most: usize,
    /// The share of what two boxes cover together above which the worse one goes.
    pub overlap: f32,
    /// The score that a box must exceed.
    pub least: Option<f32>,
    /// Whether boxes are their middle and their sides instead of two corners.
    pub centred: bool,
}

/// Boxes (batch, n, 4) of f32, scores (batch, classes, n) of f32 → for each box that stays its sample, its class and its position (kept, 3);
/// of a class the best first, of equals the first first.
///
/// [ONNX NonMaxSuppression](https://onnx.ai/onnx/operators/onnx__NonMaxSuppression.html)
///
/// # Errors
/// [`Shape`](crate::ErrorCode::Shape) where they do not fit, [`DType`](crate::ErrorCode::DType) where they are not f32.
pub fn suppress(boxes: &Array, scores: &Array, rule: &NmsOptions) -> Result<Array> {
    let misfit = || Error::shape(format!("boxes of shape {:?} do not match scores of shape {:?}", boxes.shape(), scores.shape()));
    let &[batch, classes, count] = scores.shape() else { return Err(misfit()) };
    if boxes.shape() != [batch, count, 4] {
        return Err(misfit());
    }
    let (corners, points) = (boxes.to_vec::<f32>()?, scores.to_vec::<f32>()?);
    let mut kept: Vec<i64> = Vec::new();
    for sample in 0..batch {
        let corners = &corners[sample * count * 4..][..count * 4];
        let regions: Vec<BoxCorners> = corners.as_chunks().0.iter().map(|corners| BoxCorners::new(*corners, rule.centred)).collect();
        for class in 0..classes {
            let points = &points[(sample * classes + class) * count..][..count];
            let mut order: Vec<usize> = (0..count).filter(|&i| rule.least.is_none_or(|least| points[i] > least)).collect();
            order.sort_by(|&a, &b| points[b].total_cmp(&points[a]));
            let mut best: Vec<usize> = Vec::new();
            for i in order {
                if best.len() >= rule.most {
                    break;
                }
                if best.iter().all(|&other| !regions[i].overlaps(&regions[other], rule.overlap)) {
                    best.push(i);
                }
            }
            kept.extend(best.iter().flat_map(|&i| [sample as i64, class as i64, i as i64]));
        }
    }
    Array::new(&[kept.len() / 3, 3], kept)
}

/// A box by its lower and its upper ends.
struct BoxCorners {
    low: [f32; 2],
    high: [f32; 2],
}

impl BoxCorners {
    fn new(corners: [f32; 4], centred: bool) -> BoxCorners {
        let [a, b, c, d] = corners;
        if centred {
            return BoxCorners { low: [a - c / 2.0, b - d / 2.0], high: [a + c / 2.0, b + d / 2.0] };
        }
        BoxCorners { low: [a.min(c), b.min(d)], high: [a.max(c), b.max(d)] }
    }

    fn area(&self) -> f32 {
        (self.high[0] - self.low[0]) * (self.high[1] - self.low[1])
    }

    /// Whether two share more than this part of what they cover together. Boxes without an area share nothing, and nothing is never too much.
    fn overlaps(&self, other: &BoxCorners, part: f32) -> bool {
        let side = |axis: usize| (self.high[axis].min(other.high[axis]) - self.low[axis].max(other.low[axis])).max(0.0);
        let common = side(0) * side(1);
        common > 0.0 && common / (self.area() + other.area() - common) > part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: NmsOptions = NmsOptions { most: usize::MAX, overlap: 0.5, least: None, centred: false };

    fn kept(scores: &[f32], rule: &NmsOptions) -> Vec<i64> {
        // The second shares 0.9 / 1.1 with the first, the third nothing.
        let boxes = vec![0.0f32, 0.0, 1.0, 1.0, 0.0, 0.1, 1.0, 1.1, 0.0, 10.0, 1.0, 11.0];
        let found = suppress(&Array::new(&[1, 3, 4], boxes).unwrap(), &Array::new(&[1, 1, 3], scores.to_vec()).unwrap(), rule).unwrap();
        found.to_i64s().unwrap().chunks(3).map(|row| row[2]).collect()
    }

    #[test]
    fn the_better_of_two_that_overlap_stays() {
        assert_eq!(kept(&[0.9, 0.75, 0.95], &RULE), [2, 0]);
        assert_eq!(kept(&[0.5, 0.75, 0.25], &RULE), [1, 2]);
        assert_eq!(kept(&[0.9, 0.75, 0.95], &NmsOptions { overlap: 0.85, ..RULE }), [2, 0, 1]);
    }

    #[test]
    fn of_equals_the_first_is_the_better() {
        assert_eq!(kept(&[0.5, 0.5, 0.5], &RULE), [0, 2]);
    }

    #[test]
    fn bounds_on_number_and_score_are_held() {
        assert_eq!(kept(&[0.9, 0.75, 0.95], &NmsOptions { most: 1, ..RULE }), [2]);
        assert_eq!(kept(&[0.9, 0.75, 0.95], &NmsOptions { most: 0, ..RULE }), [0i64; 0]);
        assert_eq!(kept(&[0.9, 0.75, 0.95], &NmsOptions { least: Some(0.9), ..RULE }), [2]);
    }

    #[test]
    fn boxes_without_an_area_do_not_overlap() {
        let found = suppress(&Array::new(&[1, 2, 4], vec![1f32; 8]).unwrap(), &Array::new(&[1, 1, 2], vec![0.5f32; 2]).unwrap(), &RULE);
        assert_eq!(found.unwrap().shape(), [2, 3]);
    }
}
