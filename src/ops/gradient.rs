//! Derivatives along axes by finite differences.

use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The distances of the sample points along an axis.
#[derive(Clone, Debug)]
pub enum Spacing {
    /// The same everywhere.
    Even(f64),
    /// Between these points, a vector.
    At(Tensor),
}

impl Tensor {
    /// The derivative along an axis by central differences of second order; at the edges by one-sided differences of the order 1 or 2.
    /// [torch.gradient](https://docs.pytorch.org/docs/stable/generated/torch.gradient.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// use ontrace::ops::Spacing;
    /// let x = Tensor::from(&[0.0f64, 1.0, 4.0, 9.0]);
    /// assert_eq!(x.gradient(0, &Spacing::Even(1.0), 1)?.to_vec::<f64>()?, [1.0, 2.0, 4.0, 5.0]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Where the order is not 1 or 2, or the axis has too few elements.
    #[track_caller]
    pub fn gradient(&self, axis: i64, spacing: &Spacing, edge_order: i64) -> Result<Tensor> {
        if !(1..=2).contains(&edge_order) {
            return Err(Error::argument(format!("gradient: unsupported edge_order {edge_order}")));
        }
        let axis = self.shape().axis(axis)? as i64;
        let parts = match spacing {
            // Differences of integers, and products of them, have their dtype, as in torch.
            Spacing::Even(step) => even(self, axis, *step, edge_order)?,
            Spacing::At(points) => uneven(self, axis, points, edge_order)?,
        };
        Tensor::cat(&parts.iter().collect::<Vec<_>>(), axis)
    }
}

/// Elements from one position up to another, where a negative position counts from the end.
fn part(x: &Tensor, axis: i64, start: i64, end: Option<i64>) -> Result<Tensor> {
    x.slice(axis, (Some(Dim::Fixed(start)), end.map(Dim::Fixed)))
}

/// The first, the middle ones and the last.
fn even(x: &Tensor, axis: i64, step: f64, order: i64) -> Result<[Tensor; 3]> {
    let at = |start: i64, end: Option<i64>| part(x, axis, start, end);
    let middle = at(2, None)?.sub(at(0, Some(-2))?)?.div(step)?.div(2.0)?;
    let (first, last) = match order {
        1 => (at(1, Some(2))?.sub(at(0, Some(1))?)?, at(-1, None)?.sub(at(-2, Some(-1))?)?),
        _ => {
            let sum = |a: Tensor, b: Tensor, c: Tensor| a.mul(-1.5)?.add(b.mul(2)?)?.sub(c.mul(0.5)?);
            (sum(at(0, Some(1))?, at(1, Some(2))?, at(2, Some(3))?)?, sum(at(-1, None)?, at(-2, Some(-1))?, at(-3, Some(-2))?)?.neg()?)
        }
    };
    Ok([first.div(step)?, middle, last.div(step)?])
}

/// The same where neighbours are not as far apart everywhere: the slope of the parabola through three of them.
fn uneven(x: &Tensor, axis: i64, points: &Tensor, order: i64) -> Result<[Tensor; 3]> {
    let at = |start: i64, end: Option<i64>| part(x, axis, start, end);
    let mut across = vec![1i64; x.rank()];
    across[axis as usize] = -1;
    let widths = part(points, 0, 1, None)?.sub(part(points, 0, 0, Some(-1))?)?.reshape(&across)?;
    let width = |start: i64, end: Option<i64>| part(&widths, axis, start, end);
    let (left, right) = (width(0, Some(-1))?, width(1, None)?);
    let both = left.add(&right)?;
    let (a, b, c) = (right.neg()?.div(left.mul(&both)?)?, right.sub(&left)?.div(left.mul(&right)?)?, left.div(right.mul(&both)?)?);
    let sum = |terms: [(&Tensor, Tensor); 3]| {
        let [(a, x), (b, y), (c, z)] = terms;
        a.mul(x)?.add(b.mul(y)?)?.add(c.mul(z)?)
    };
    let middle = sum([(&a, at(0, Some(-2))?), (&b, at(1, Some(-1))?), (&c, at(2, None)?)])?;
    // At the ends torch has widths without axes, which leave the dtype of floats as it is.
    let alone = |c: Tensor| if x.dtype().is_float() { c.cast(x.dtype()) } else { Ok(c) };
    if order == 1 {
        let first = at(1, Some(2))?.sub(at(0, Some(1))?)?.div(alone(width(0, Some(1))?)?)?;
        let last = at(-1, None)?.sub(at(-2, Some(-1))?)?.div(alone(width(-1, None)?)?)?;
        return Ok([first.cast(middle.dtype())?, middle.clone(), last.cast(middle.dtype())?]);
    }
    let sum = |[(a, x), (b, y), (c, z)]: [(&Tensor, Tensor); 3]| {
        let [a, b, c] = [alone(a.clone())?, alone(b.clone())?, alone(c.clone())?];
        sum([(&a, x), (&b, y), (&c, z)])?.cast(middle.dtype())
    };
    let (l, r) = (width(0, Some(1))?, width(1, Some(2))?);
    let both = l.add(&r)?;
    let first = sum([
        (&l.mul(2.0)?.add(&r)?.div(l.mul(&both)?)?.neg()?, at(0, Some(1))?),
        (&both.div(l.mul(&r)?)?, at(1, Some(2))?),
        (&l.neg()?.div(r.mul(&both)?)?, at(2, Some(3))?),
    ])?;
    let (l, r) = (width(-2, Some(-1))?, width(-1, None)?);
    let both = l.add(&r)?;
    let last = sum([
        (&r.div(l.mul(&both)?)?, at(-3, Some(-2))?),
        (&both.neg()?.div(l.mul(&r)?)?, at(-2, Some(-1))?),
        (&r.mul(2.0)?.add(&l)?.div(r.mul(&both)?)?, at(-1, None)?),
    ])?;
    Ok([first, middle, last])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_of_a_parabola_is_exact_with_edges_of_the_second_order() {
        let points = [0.0f64, 1.0, 1.5, 4.0];
        let x = Tensor::from(&points.map(|x| x * x));
        let got = x.gradient(0, &Spacing::At(Tensor::from(&points)), 2).unwrap().to_vec::<f64>().unwrap();
        for (got, point) in got.iter().zip(points) {
            assert!((got - 2.0 * point).abs() < 1e-12, "{got} at {point}");
        }
        let even = Tensor::from(&[0.0f64, 1.0, 4.0, 9.0]).gradient(0, &Spacing::Even(1.0), 1).unwrap();
        assert_eq!(even.to_vec::<f64>().unwrap(), [1.0, 2.0, 4.0, 5.0]);
    }
}
