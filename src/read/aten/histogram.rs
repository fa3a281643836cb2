//! Histograms.

use super::args::Args;
use super::row::{Row, one, value};
use super::value::Value;
use crate::array::Scalar;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

pub(super) const ROWS: &[Row] = &[
    one("histc(Tensor self, int bins=100, Scalar min=0, Scalar max=0) -> Tensor", |a| {
        a.tensor("self")?.histc(a.int("bins")?, a.float("min")?, a.float("max")?)
    }),
    value("histogram(Tensor self, Tensor bins, *, Tensor? weight=None, bool density=False) -> (Tensor hist, Tensor bin_edges)", |a| {
        let edges = vec![a.tensor("bins")?];
        pair(counted(a, &column(&a.tensor("self")?)?, &edges)?, edges)
    }),
    value(
        "histogram(Tensor self, int bins=100, *, float[]? range=None, Tensor? weight=None, bool density=False) -> (Tensor hist, Tensor bin_edges)",
        |a| {
            let x = column(&a.tensor("self")?)?;
            let edges = edges(a, &x, &a.ints("bins")?)?;
            pair(counted(a, &x, &edges)?, edges)
        },
    ),
    value(
        "histogramdd(Tensor self, int[] bins, float[]? range=None, Tensor? weight=None, bool density=False) -> (Tensor hist, Tensor[] bin_edges)",
        |a| {
            let x = a.tensor("self")?;
            let edges = edges(a, &x, &a.ints("bins")?)?;
            listed(counted(a, &x, &edges)?, edges)
        },
    ),
    value(
        "histogramdd(Tensor self, int bins, float[]? range=None, Tensor? weight=None, bool density=False) -> (Tensor hist, Tensor[] bin_edges)",
        |a| {
            let x = a.tensor("self")?;
            let coordinates = x.dim(-1)?.fixed().ok_or_else(|| Error::shape("points of a symbolic number of coordinates"))?;
            let bins = vec![a.int("bins")?; usize::try_from(coordinates).unwrap_or(0)];
            let edges = edges(a, &x, &bins)?;
            listed(counted(a, &x, &edges)?, edges)
        },
    ),
    value(
        "histogramdd(Tensor self, Tensor[] bins, float[]? range=None, Tensor? weight=None, bool density=False) -> (Tensor hist, Tensor[] bin_edges)",
        |a| {
            let edges = a.tensors("bins")?;
            listed(counted(a, &a.tensor("self")?, &edges)?, edges)
        },
    ),
    value(
        "_histogramdd_bin_edges(Tensor self, int[] bins, *, float[]? range=None, Tensor? weight=None, bool density=False) -> Tensor[]",
        |a| edges(a, &a.tensor("self")?, &a.ints("bins")?).map(Value::tensors),
    ),
    one(
        "_histogramdd_from_bin_cts(Tensor self, int[] bins, *, float[]? range=None, Tensor? weight=None, bool density=False) -> Tensor",
        |a| {
            let x = a.tensor("self")?;
            counted(a, &x, &edges(a, &x, &a.ints("bins")?)?)
        },
    ),
    one("_histogramdd_from_bin_tensors(Tensor self, Tensor[] bins, *, Tensor? weight=None, bool density=False) -> Tensor", |a| {
        counted(a, &a.tensor("self")?, &a.tensors("bins")?)
    }),
    one("bincount(Tensor self, Tensor? weights=None, SymInt minlength=0) -> Tensor", |a| {
        a.tensor("self")?.bincount(a.opt_tensor("weights")?.as_ref(), a.int("minlength")?)
    }),
];

fn pair(counts: Tensor, edges: Vec<Tensor>) -> Result<Value> {
    let edges = edges.into_iter().next().ok_or_else(|| Error::internal("histogram: no bin edges"))?;
    Ok(Value::tuple(vec![counts.into(), edges.into()]))
}

fn listed(counts: Tensor, edges: Vec<Tensor>) -> Result<Value> {
    Ok(Value::tuple(vec![counts.into(), Value::tensors(edges)]))
}

/// Elements as points of one coordinate.
fn column(x: &Tensor) -> Result<Tensor> {
    x.reshape([-1, 1])
}

fn ends(a: &Args) -> Result<Option<Vec<f64>>> {
    if a.is_none("range")? {
        return Ok(None);
    }
    a.value("range")?.elements()?.iter().map(|end| end.number().map(Scalar::to_f64)).collect::<Result<_>>().map(Some)
}

/// The edges of bins of one width.
fn edges(a: &Args, x: &Tensor, bins: &[i64]) -> Result<Vec<Tensor>> {
    x.histogram_edges(bins, ends(a)?.as_deref())
}

/// The weights of the points in each bin.
fn counted(a: &Args, x: &Tensor, edges: &[Tensor]) -> Result<Tensor> {
    x.histogramdd(edges, a.opt_tensor("weight")?.as_ref(), a.flag("density")?)
}
