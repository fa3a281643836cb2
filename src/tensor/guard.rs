//! Conditions that a record brings along when it is run as a part of something else.

use super::{Tensor, recorder};
use crate::array::Array;
use crate::dim::{Bindings, Constraint, Dim};
use crate::error::Result;
use crate::graph::{Condition, Guard, Place};
use std::collections::HashMap;
use std::sync::Arc;

/// Holds these lengths against a relation between symbols that stand for them; where they are symbolic, the relation is recorded.
///
/// # Errors
/// [`Guard`](crate::ErrorCode::Guard) where it does not hold in the example.
pub(crate) fn lengths(constraint: &Constraint, lengths: &HashMap<Arc<str>, Dim>, place: &Place) -> Result<()> {
    let mut bindings = Bindings::new();
    for (symbol, dim) in lengths {
        if let Some(seen) = dim.example() {
            bindings.bind(symbol, seen)?;
        }
    }
    Guard::lengths(constraint.clone(), place.clone()).check_lengths(&bindings)?;
    let substituted = constraint.substitute(&|symbol| lengths.get(symbol).map(Dim::expr));
    if substituted.symbols().is_empty() {
        return Ok(());
    }
    recorder::grant(substituted.clone());
    recorder::guard_lengths(substituted, place.clone())
}

/// Holds a tensor against the numbers that it must have; where it is traced, that is recorded.
///
/// # Errors
/// [`Guard`](crate::ErrorCode::Guard) where it has others.
pub(crate) fn numbers(tensor: &Tensor, seen: &Array, place: &Place) -> Result<()> {
    if let Some(array) = tensor.value() {
        // No graph is asked for the value: it is here.
        Guard { condition: Condition::Numbers(Default::default(), seen.clone()), place: place.clone() }.check_numbers(array)?;
    }
    match tensor.traced_ref() {
        Some(traced_ref) => recorder::guard_numbers(traced_ref, seen, || place.clone()),
        None => Ok(()),
    }
}
