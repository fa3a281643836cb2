//! Guards of a traced graph that is called in another trace, and those that a program makes itself.

use super::relation::SizeScope;
use super::{Tensor, location, recorder};
use crate::array::{Array, DType, Scalar};
use crate::dim::{Bindings, Constraint, Dim, Sizes, is_reserved};
use crate::error::Result;
use crate::graph::{Condition, Graph, Guard, Inputs, ValueId};
use std::collections::HashMap;
use std::panic::Location;
use std::sync::Arc;

/// Checks these sizes against a guard on a relation between symbols that stand for them; where they are symbolic, the relation becomes a guard.
///
/// # Errors
/// [`Guard`](crate::ErrorCode::Guard) where it does not hold in the example.
pub(crate) fn sizes(guard: &Guard, constraint: &Constraint, sizes: &HashMap<Arc<str>, Dim>) -> Result<()> {
    let mut bindings = Bindings::new();
    for (symbol, dim) in sizes {
        if let Some(seen) = dim.example() {
            bindings.bind(symbol, seen)?;
        }
    }
    guard.check_sizes(&bindings)?;
    let substituted = constraint.substitute(&|symbol| sizes.get(symbol).map(Dim::expr));
    if substituted.symbols().is_empty() {
        return Ok(());
    }
    recorder::grant(substituted.clone());
    recorder::add_size_guard(Guard { raises: guard.raises.clone(), ..Guard::sizes(substituted, guard.location.clone()) })
}

/// Checks a tensor against the values that a guard says it must have; where it is traced, that becomes a guard.
///
/// # Errors
/// [`Guard`](crate::ErrorCode::Guard) where it has others.
pub(crate) fn values(guard: &Guard, tensor: &Tensor, seen: &Array) -> Result<()> {
    let own = Guard { raises: guard.raises.clone(), ..Guard::values(Default::default(), seen.clone(), guard.location.clone()) };
    if let Some(array) = tensor.value() {
        // No graph is asked for the value: it is here.
        own.check_values(array)?;
    }
    match tensor.traced_ref() {
        Some(traced_ref) => recorder::guard_values(traced_ref, seen, || own.location, own.raises),
        None => Ok(()),
    }
}

/// Requires that a truth value is this one in every call, because the program raises an error otherwise. Of sizes it becomes guards on these, of
/// data a guard on the value; where no trace is active, nothing happens.
///
/// # Errors
/// [`Trace`](crate::ErrorCode::Trace) for a value in the body of a loop or a branch, [`Denied`](crate::ErrorCode::Denied) in a strict trace.
#[track_caller]
pub(crate) fn required(condition: &Tensor, holds: bool, raises: &str) -> Result<()> {
    let location = location::here(None, Location::caller());
    let Some(traced_ref) = condition.traced_ref() else { return Ok(()) };
    let raises: Option<Arc<str>> = Some(raises.into());
    match recorder::of_graph(traced_ref, |graph| SizeScope::of(graph).relations(traced_ref.value, holds)) {
        Some(constraints) => constraints.into_iter().try_for_each(|constraint| {
            recorder::add_size_guard(Guard { raises: raises.clone(), ..Guard::sizes(constraint, location.clone()) })
        }),
        None => {
            let seen = Array::full(DType::Bool, &condition.ty().shape.to_fixed()?, Scalar::Bool(holds));
            recorder::guard_values(traced_ref, &seen, || location, raises)
        }
    }
}

/// Whether a truth value that follows from sizes holds in the example, which becomes guards on these sizes; `None` where it does not follow from
/// sizes, or they are not known.
///
/// # Errors
/// [`Denied`](crate::ErrorCode::Denied) in a strict trace.
#[track_caller]
pub(crate) fn decided_by_sizes(condition: &Tensor) -> Result<Option<bool>> {
    let location = location::here(None, Location::caller());
    let Some(traced_ref) = condition.traced_ref() else { return Ok(None) };
    let mut bindings = Bindings::new();
    for (symbol, seen) in recorder::visible() {
        if let Some(n) = seen.filter(|_| !is_reserved(&symbol)) {
            bindings.bind(&symbol, n)?;
        }
    }
    let relations = |holds| recorder::of_graph(traced_ref, |graph| SizeScope::of(graph).relations(traced_ref.value, holds));
    for holds in [true, false] {
        let Some(constraints) = relations(holds) else { continue };
        if constraints.iter().all(|constraint| constraint.holds(&bindings) == Some(true)) {
            for constraint in constraints {
                recorder::grant(constraint.clone());
                recorder::add_size_guard(Guard::sizes(constraint, location.clone()))?;
            }
            return Ok(Some(holds));
        }
    }
    Ok(None)
}

/// The value of one element that follows from values which guards fix already: no further guard is needed for it.
pub(crate) fn fixed_by_guards(tensor: &Tensor) -> Option<Array> {
    const DEEPEST: usize = 16;
    let traced_ref = tensor.traced_ref()?;
    recorder::of_graph(traced_ref, |graph| {
        graph.guarded().next()?;
        computed(graph, traced_ref.value, DEEPEST, &mut HashMap::new())
    })
}

/// A value computed from constants and guarded values by at most so many nodes one after the other. What is found for a value and a number of nodes is
/// kept: of sums of a value with itself, one upon the other, there are as many paths as powers of 2.
fn computed(graph: &Graph, id: ValueId, deepest: usize, found: &mut HashMap<(ValueId, usize), Option<Array>>) -> Option<Array> {
    if let Some(known) = found.get(&(id, deepest)) {
        return known.clone();
    }
    let value = computed_anew(graph, id, deepest, found);
    found.insert((id, deepest), value.clone());
    value
}

fn computed_anew(graph: &Graph, id: ValueId, deepest: usize, found: &mut HashMap<(ValueId, usize), Option<Array>>) -> Option<Array> {
    let guarded = graph.guards().iter().find_map(|guard| match &guard.condition {
        Condition::Values(guarded, array) if *guarded == id => Some(array),
        _ => None,
    });
    if let Some(array) = guarded.or(graph.value(id).constant()) {
        return Some(array.clone());
    }
    let node = graph.nodes().iter().rev().find(|node| node.outputs.contains(&id)).filter(|node| !node.inputs.is_empty())?;
    if deepest == 0 || graph.value(id).ty.shape.numel() != 1 {
        return None;
    }
    let inputs = node.inputs.iter().map(|input| input.map(|id| computed(graph, id, deepest - 1, found).ok_or(())).transpose());
    let inputs = inputs.collect::<Result<Vec<_>, ()>>().ok()?;
    let output = node.outputs.iter().position(|output| *output == id)?;
    node.op.eval(&Inputs::new(&inputs.iter().map(Option::as_ref).collect::<Vec<_>>()), Sizes::Example).ok()?.into_iter().nth(output)
}
