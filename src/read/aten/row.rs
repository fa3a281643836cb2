//! A row of the operator table: a schema and the function that runs it.

use super::args::Args;
use super::value::Value;
use crate::error::Result;
use crate::tensor::Tensor;

/// One overload of a torch operator: its schema in torch's own notation, and what it computes.
pub(super) struct Row {
    pub(super) schema: &'static str,
    pub(super) run: Run,
}

/// What a row computes.
pub(super) enum Run {
    One(fn(&Args) -> Result<Tensor>),
    Tuple(fn(&Args) -> Result<Vec<Tensor>>),
    Any(fn(&Args) -> Result<Value>),
}

/// A row of one tensor.
pub(super) const fn one(schema: &'static str, run: fn(&Args) -> Result<Tensor>) -> Row {
    Row { schema, run: Run::One(run) }
}

/// A row of a tuple of tensors.
pub(super) const fn tuple(schema: &'static str, run: fn(&Args) -> Result<Vec<Tensor>>) -> Row {
    Row { schema, run: Run::Tuple(run) }
}

/// A row of anything else.
pub(super) const fn value(schema: &'static str, run: fn(&Args) -> Result<Value>) -> Row {
    Row { schema, run: Run::Any(run) }
}
