//! Guards of a traced graph that is called in another trace.

use super::{Tensor, recorder};
use crate::array::Array;
use crate::dim::{Bindings, Constraint, Dim};
use crate::error::Result;
use crate::graph::{Condition, Guard, SourceLocation};
use std::collections::HashMap;
use std::sync::Arc;

/// Checks these sizes against a relation between symbols that stand for them; where they are symbolic, the relation becomes a guard.
///
/// # Errors
/// [`Guard`](crate::ErrorCode::Guard) where it does not hold in the example.
pub(crate) fn sizes(constraint: &Constraint, sizes: &HashMap<Arc<str>, Dim>, location: &SourceLocation) -> Result<()> {
    let mut bindings = Bindings::new();
    for (symbol, dim) in sizes {
        if let Some(seen) = dim.example() {
            bindings.bind(symbol, seen)?;
        }
    }
    Guard::lengths(constraint.clone(), location.clone()).check_lengths(&bindings)?;
    let substituted = constraint.substitute(&|symbol| sizes.get(symbol).map(Dim::expr));
    if substituted.symbols().is_empty() {
        return Ok(());
    }
    recorder::grant(substituted.clone());
    recorder::guard_sizes(substituted, location.clone())
}

/// Checks a tensor against the values that it must have; where it is traced, that becomes a guard.
///
/// # Errors
/// [`Guard`](crate::ErrorCode::Guard) where it has others.
pub(crate) fn values(tensor: &Tensor, seen: &Array, location: &SourceLocation) -> Result<()> {
    if let Some(array) = tensor.value() {
        // No graph is asked for the value: it is here.
        Guard { condition: Condition::Numbers(Default::default(), seen.clone()), location: location.clone() }.check_numbers(array)?;
    }
    match tensor.traced_ref() {
        Some(traced_ref) => recorder::guard_values(traced_ref, seen, || location.clone()),
        None => Ok(()),
    }
}
