//! Comparisons of sizes that a program may branch on: each result is that of the example, and becomes a guard of the trace.
//!
//! ```
//! use ontrace::{Example, Tensor, size, trace};
//! let x = Tensor::new([6], vec![1.0f32; 6])?;
//! let halved = ontrace::module::from_fn(|x: Tensor| if size::ge(&x.dim(0)?, 4)? { x.slice(0, ..x.dim(0)? / 2) } else { Ok(x) });
//! let traced = trace(&halved, Example::new().input("x", &x).symbolic("x", 0, "n")?)?;
//! assert!(traced.guards()[0].to_string().starts_with("n >= 4 at "));
//! # Ok::<(), ontrace::Error>(())
//! ```

use super::{location, recorder};
use crate::dim::{Constraint, Constraints, Dim, Relation, Shape};
use crate::error::{Error, Result};
use std::panic::Location;

fn example(dim: &Dim) -> Result<i64> {
    dim.example().ok_or_else(|| Error::no_value(format!("the size `{dim}` is not known here")))
}

/// Whether the relation holds in the example; a guard says so where that may differ from call to call.
#[track_caller]
fn holds(left: &Dim, relation: Relation, right: impl Into<Dim>) -> Result<bool> {
    let right = right.into();
    let holds = relation.holds(example(left)?, example(&right)?);
    let difference = left - &right;
    if difference.depends_on_values() {
        // The outcome is guarded, not the values: a number that is the same wherever the relation is.
        let tensor = super::Tensor::from_dim(&indicator(&difference, relation, holds));
        recorder::guard_computed(&tensor, tensor.array()?, || location::here(None, Location::caller()))?;
        return Ok(holds);
    }
    if recorder::constraints().decide(left, relation, &right).is_none() {
        let relation = if holds { relation } else { relation.opposite() };
        recorder::guard_sizes(Constraint::Related(left.expr(), relation, right.expr()), location::here(None, Location::caller()))?;
    }
    Ok(holds)
}

/// A number that is the same for all differences of two sizes for which a relation holds, or for all for which it does not.
fn indicator(difference: &Dim, relation: Relation, holds: bool) -> Dim {
    match relation {
        Relation::Less | Relation::AtLeast => difference.max(-1i64).min(0i64),
        Relation::AtMost | Relation::Greater => difference.max(0i64).min(1i64),
        Relation::Equal | Relation::Unequal => {
            let sign = difference.max(-1i64).min(1i64);
            if holds == (relation == Relation::Equal) { sign } else { &sign * &sign }
        }
    }
}

/// One function a relation.
macro_rules! questions {
    ($($(#[$doc:meta])* $name:ident $Relation:ident;)*) => {
        $($(#[$doc])*
        ///
        /// # Errors
        /// [`NoValue`](crate::ErrorCode::NoValue) where a size depends on data that is not known; [`Denied`](crate::ErrorCode::Denied) in a strict trace.
        #[track_caller]
        pub fn $name(left: &Dim, right: impl Into<Dim>) -> Result<bool> {
            holds(left, Relation::$Relation, right)
        })*
    };
}

questions! {
    /// Whether two sizes are equal.
    eq Equal;
    /// Whether two sizes differ.
    ne Unequal;
    /// Whether the first is smaller.
    lt Less;
    /// Whether the first is smaller, or both are equal.
    le AtMost;
    /// Whether the first is larger.
    gt Greater;
    /// Whether the first is larger, or both are equal.
    ge AtLeast;
}

/// Solves for sizes under the constraints of the active trace, which keeps what had to be assumed.
fn solve<R>(caller: &Location, solve: impl FnOnce(&Constraints) -> R) -> R {
    let constraints = recorder::constraints();
    let result = solve(&constraints);
    recorder::constrain(constraints.into_found(), || location::here(None, caller));
    result
}

/// The shape that two broadcast to, in a trace or outside.
///
/// # Errors
/// As [`Shape::broadcast`].
#[track_caller]
pub fn broadcast(a: &Shape, b: &Shape) -> Result<Shape> {
    let caller = Location::caller();
    solve(caller, |constraints| Ok(constraints.simplify_shape(a.broadcast(b, constraints)?)))
}

/// Whether two shapes agree: in a trace also where they do in the example, which then becomes a condition of the traced graph.
#[track_caller]
pub fn agree(a: &Shape, b: &Shape) -> bool {
    let caller = Location::caller();
    // What is not known in the example is not asked to agree.
    let is_known = |(a, b): (&Dim, &Dim)| a == b || (a.example().is_some() && b.example().is_some());
    a.rank() == b.rank() && a.iter().zip(b.iter()).all(is_known) && solve(caller, |constraints| a.agrees(b, constraints))
}

/// The exact quotient: in a trace also where it is exact in the example, which then becomes a condition of the traced graph.
#[track_caller]
pub fn div_exact(dividend: &Dim, divisor: &Dim) -> Option<Dim> {
    let caller = Location::caller();
    solve(caller, |constraints| dividend.div_exact(divisor, constraints))
}

/// The shape simplified by what the active trace may assume.
pub(crate) fn simplified(shape: Shape) -> Shape {
    recorder::constraints().simplify_shape(shape)
}

/// The first index of `length` indices of an axis of this size, and the index after the last; a negative start counts from the end.
///
/// # Errors
/// [`Argument`](crate::ErrorCode::Argument) where they do not all exist, in the example where a size is symbolic.
pub(crate) fn span(start: &Dim, length: &Dim, whole: &Dim) -> Result<(Dim, Dim)> {
    let first = if start.example().is_some_and(|n| n < 0) { whole + start } else { start.clone() };
    let end = &first + length;
    let (low, count, high, most) = (first.example(), length.example(), end.example(), whole.example());
    let is_wrong = low.is_some_and(|n| n < 0) || count.is_some_and(|n| n < 0) || high.zip(most).is_some_and(|(high, most)| high > most);
    match is_wrong {
        true => Err(Error::argument(format!("{length} indices from {start} on are out of range for an axis of size {whole}"))),
        false => Ok((first, end)),
    }
}

/// Refuses indices from a start on that is a value, where in the example they run from the end of the axis on to its start. Whether they exist at all
/// is checked where they are used.
///
/// # Errors
/// [`Argument`](crate::ErrorCode::Argument).
pub(crate) fn refuse_wrapped(start: &Dim, length: &Dim) -> Result<()> {
    match (start.example(), length.example()) {
        (Some(first), Some(count)) if first < 0 && first + count > 0 => {
            Err(Error::argument(format!("{count} indices from {first} on run past the end of the axis")))
        }
        _ => Ok(()),
    }
}

/// The value of a size, for code that must branch on it or count to it. Inside a trace this records a guard.
///
/// # Errors
/// [`NoValue`](crate::ErrorCode::NoValue) where the size depends on data that is not known; [`Denied`](crate::ErrorCode::Denied) in a strict trace.
#[track_caller]
pub fn concrete(dim: &Dim) -> Result<usize> {
    let seen = integer(dim)?;
    usize::try_from(seen).map_err(|_| Error::shape(format!("`{dim}` is {seen}, which is not a valid size")))
}

/// The integer behind a size, a count or an index, which may be negative. Inside a trace this records a guard.
///
/// # Errors
/// As [`concrete`].
#[track_caller]
pub(crate) fn integer(dim: &Dim) -> Result<i64> {
    let seen = example(dim)?;
    if dim.depends_on_values() {
        let tensor = super::Tensor::from_dim(dim);
        recorder::guard_computed(&tensor, tensor.array()?, || location::here(None, Location::caller()))?;
    } else if recorder::constraints().simplify(dim).is_symbolic() {
        let fixed = Constraint::Related(dim.expr(), Relation::Equal, seen.into());
        recorder::guard_sizes(fixed, location::here(None, Location::caller()))?;
    }
    Ok(seen)
}
