//! Derivatives along axes from the differences of neighbours.

use super::args::Args;
use super::row::{Row, value};
use super::value::Value;
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

pub(super) const ROWS: &[Row] = &[
    value("gradient(Tensor self, *, Scalar? spacing=None, int? dim=None, int edge_order=1) -> Tensor[]", |a| {
        let (x, step) = (a.tensor("self")?, a.opt_float("spacing")?.unwrap_or(1.0));
        each(&x, a.opt_ints("dim")?, a.int("edge_order")?, |_| Ok(Spacing::Even(step))).map(Value::tensors)
    }),
    value("gradient(Tensor self, *, Scalar spacing, int[] dim, int edge_order=1) -> Tensor[]", |a| {
        let (x, step) = (a.tensor("self")?, a.float("spacing")?);
        each(&x, a.opt_ints("dim")?, a.int("edge_order")?, |_| Ok(Spacing::Even(step))).map(Value::tensors)
    }),
    value("gradient(Tensor self, *, int[] dim, int edge_order=1) -> Tensor[]", |a| {
        each(&a.tensor("self")?, a.opt_ints("dim")?, a.int("edge_order")?, |_| Ok(Spacing::Even(1.0))).map(Value::tensors)
    }),
    value("gradient(Tensor self, *, Scalar[] spacing, int? dim=None, int edge_order=1) -> Tensor[]", by_steps),
    value("gradient(Tensor self, *, Scalar[] spacing, int[] dim, int edge_order=1) -> Tensor[]", by_steps),
    value("gradient(Tensor self, *, Tensor[] spacing, int? dim=None, int edge_order=1) -> Tensor[]", by_places),
    value("gradient(Tensor self, *, Tensor[] spacing, int[] dim, int edge_order=1) -> Tensor[]", by_places),
];

/// Where the numbers along an axis stand.
enum Spacing {
    /// As far apart everywhere.
    Even(f64),
    /// At these places.
    At(Tensor),
}

fn by_steps(a: &Args) -> Result<Value> {
    let steps = a.value("spacing")?.elements()?.iter().map(|step| step.number().map(crate::Scalar::to_f64)).collect::<Result<Vec<_>>>()?;
    each(&a.tensor("self")?, a.opt_ints("dim")?, a.int("edge_order")?, |i| steps.get(i).copied().map(Spacing::Even).ok_or_else(few))
        .map(Value::tensors)
}

fn by_places(a: &Args) -> Result<Value> {
    let places = a.tensors("spacing")?;
    each(&a.tensor("self")?, a.opt_ints("dim")?, a.int("edge_order")?, |i| places.get(i).cloned().map(Spacing::At).ok_or_else(few))
        .map(Value::tensors)
}

fn few() -> Error {
    Error::argument("gradient: fewer spacings than axes")
}

/// The derivative along each axis (all where none is named), with edges of the first or the second order.
fn each(x: &Tensor, axes: Option<Vec<i64>>, order: i64, spacing: impl Fn(usize) -> Result<Spacing>) -> Result<Vec<Tensor>> {
    if !(1..=2).contains(&order) {
        return Err(Error::argument(format!("gradient: unsupported edge_order {order}")));
    }
    let x = x.cast(x.dtype().or_float())?;
    let axes = axes.unwrap_or_else(|| (0..x.rank() as i64).collect());
    let along = |(i, axis): (usize, i64)| {
        let axis = x.shape().axis(axis)? as i64;
        let parts = match spacing(i)? {
            Spacing::Even(step) => even(&x, axis, step, order)?,
            Spacing::At(places) => uneven(&x, axis, &places, order)?,
        };
        Tensor::cat(&parts.iter().collect::<Vec<_>>(), axis)
    };
    axes.into_iter().enumerate().map(along).collect()
}

/// Elements from one place up to another, where a negative place counts from the end.
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
            let sum = |a: Tensor, b: Tensor, c: Tensor| a.mul(-1.5)?.add(b.mul(2.0)?)?.sub(c.mul(0.5)?);
            (sum(at(0, Some(1))?, at(1, Some(2))?, at(2, Some(3))?)?, sum(at(-1, None)?, at(-2, Some(-1))?, at(-3, Some(-2))?)?.neg()?)
        }
    };
    Ok([first.div(step)?, middle, last.div(step)?])
}

/// The same where neighbours are not as far apart everywhere: the slope of the parabola through three of them.
fn uneven(x: &Tensor, axis: i64, places: &Tensor, order: i64) -> Result<[Tensor; 3]> {
    let at = |start: i64, end: Option<i64>| part(x, axis, start, end);
    let mut across = vec![1i64; x.rank()];
    across[axis as usize] = -1;
    let widths = part(places, 0, 1, None)?.sub(part(places, 0, 0, Some(-1))?)?.cast(x.dtype())?.reshape(&across)?;
    let width = |start: i64, end: Option<i64>| part(&widths, axis, start, end);
    let (left, right) = (width(0, Some(-1))?, width(1, None)?);
    let both = left.add(&right)?;
    let (a, b, c) = (right.neg()?.div(left.mul(&both)?)?, right.sub(&left)?.div(left.mul(&right)?)?, left.div(right.mul(&both)?)?);
    let sum = |terms: [(&Tensor, Tensor); 3]| {
        let [(a, x), (b, y), (c, z)] = terms;
        a.mul(x)?.add(b.mul(y)?)?.add(c.mul(z)?)
    };
    let middle = sum([(&a, at(0, Some(-2))?), (&b, at(1, Some(-1))?), (&c, at(2, None)?)])?;
    if order == 1 {
        let first = at(1, Some(2))?.sub(at(0, Some(1))?)?.div(width(0, Some(1))?)?;
        let last = at(-1, None)?.sub(at(-2, Some(-1))?)?.div(width(-1, None)?)?;
        return Ok([first, middle, last]);
    }
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
        let places = [0.0f64, 1.0, 1.5, 4.0];
        let x = Tensor::from(&places.map(|x| x * x));
        let got = each(&x, None, 2, |_| Ok(Spacing::At(Tensor::from(&places)))).unwrap()[0].to_vec::<f64>().unwrap();
        for (got, place) in got.iter().zip(places) {
            assert!((got - 2.0 * place).abs() < 1e-12, "{got} at {place}");
        }
        let even = each(&Tensor::from(&[0.0f64, 1.0, 4.0, 9.0]), None, 1, |_| Ok(Spacing::Even(1.0))).unwrap();
        assert_eq!(even[0].to_vec::<f64>().unwrap(), [1.0, 2.0, 4.0, 5.0]);
    }
}
