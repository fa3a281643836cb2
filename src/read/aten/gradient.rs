//! Derivatives along axes from the differences of neighbours.

use super::args::Args;
use super::row::{Row, value};
use super::value::Value;
use crate::error::{Error, Result};
use crate::ops::Spacing;
use crate::tensor::Tensor;

pub(super) const ROWS: &[Row] = &[
    value("gradient(Tensor self, *, Scalar? spacing=None, int? dim=None, int edge_order=1) -> Tensor[]", |a| {
        let (x, step) = (a.tensor("self")?, a.opt_float("spacing")?.unwrap_or(1.0));
        derivatives(a, &x, |_| Ok(Spacing::Even(step)))
    }),
    value("gradient(Tensor self, *, Scalar spacing, int[] dim, int edge_order=1) -> Tensor[]", |a| {
        let (x, step) = (a.tensor("self")?, a.float("spacing")?);
        derivatives(a, &x, |_| Ok(Spacing::Even(step)))
    }),
    value("gradient(Tensor self, *, int[] dim, int edge_order=1) -> Tensor[]", |a| {
        derivatives(a, &a.tensor("self")?, |_| Ok(Spacing::Even(1.0)))
    }),
    value("gradient(Tensor self, *, Scalar[] spacing, int? dim=None, int edge_order=1) -> Tensor[]", by_steps),
    value("gradient(Tensor self, *, Scalar[] spacing, int[] dim, int edge_order=1) -> Tensor[]", by_steps),
    value("gradient(Tensor self, *, Tensor[] spacing, int? dim=None, int edge_order=1) -> Tensor[]", by_points),
    value("gradient(Tensor self, *, Tensor[] spacing, int[] dim, int edge_order=1) -> Tensor[]", by_points),
];

fn by_steps(a: &Args) -> Result<Value> {
    let steps = a.value("spacing")?.elements()?.iter().map(|step| step.number().map(crate::Scalar::to_f64)).collect::<Result<Vec<_>>>()?;
    derivatives(a, &a.tensor("self")?, |i| steps.get(i).copied().map(Spacing::Even).ok_or_else(few))
}

fn by_points(a: &Args) -> Result<Value> {
    let points = a.tensors("spacing")?;
    derivatives(a, &a.tensor("self")?, |i| points.get(i).cloned().map(Spacing::At).ok_or_else(few))
}

fn few() -> Error {
    Error::argument("gradient: fewer spacings than axes")
}

/// The derivative along each axis, all axes where none is named.
fn derivatives(a: &Args, x: &Tensor, spacing: impl Fn(usize) -> Result<Spacing>) -> Result<Value> {
    let axes = a.opt_ints("dim")?.unwrap_or_else(|| (0..x.rank() as i64).collect());
    let spacings = (0..axes.len()).map(spacing).collect::<Result<Vec<_>>>()?;
    let along = axes.iter().zip(&spacings).map(|(&axis, spacing)| x.gradient(axis, spacing, a.int("edge_order")?));
    along.collect::<Result<_>>().map(Value::tensors)
}
