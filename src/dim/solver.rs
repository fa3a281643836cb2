//! What a program turns out to need of its lengths, found while its shapes are inferred.

use super::{Constraint, Dim, Expr, Relation};
use std::cell::RefCell;
use std::collections::BTreeSet;

thread_local! {
    static OPEN: RefCell<Option<Assumptions>> = const { RefCell::new(None) };
}

/// What is taken for granted about lengths, and what was found to be needed besides.
#[derive(Clone, Debug, Default)]
pub(crate) struct Assumptions {
    granted: BTreeSet<Constraint>,
    may_fix: bool,
    found: Vec<Constraint>,
}

impl Assumptions {
    /// These may be relied upon; `may_fix` says whether a length may turn out to be one number, because nobody declared it.
    pub(crate) fn new(granted: BTreeSet<Constraint>, may_fix: bool) -> Assumptions {
        Assumptions { granted, may_fix, found: Vec::new() }
    }
}

/// While it lives, a rule that meets two lengths that are equal in the example alone may take them for equal.
pub(crate) struct Assuming(Option<Assumptions>);

/// Opens a search; an outer one goes on when it is dropped.
pub(crate) fn assuming(assumptions: Assumptions) -> Assuming {
    Assuming(OPEN.replace(Some(assumptions)))
}

/// Nothing is assumed while it lives: for what runs inside a trace and is no part of it.
pub(crate) fn nothing() -> Assuming {
    Assuming(OPEN.replace(None))
}

impl Drop for Assuming {
    fn drop(&mut self) {
        OPEN.set(self.0.take());
    }
}

/// Lets a condition be relied upon from here on: a file that is run says it.
pub(crate) fn grant(constraint: Constraint) {
    OPEN.with_borrow_mut(|open| {
        if let Some(open) = open {
            open.granted.insert(constraint);
        }
    });
}

/// What was found since this was asked last.
pub(crate) fn take_found() -> Vec<Constraint> {
    OPEN.with_borrow_mut(|open| open.as_mut().map(|open| std::mem::take(&mut open.found)).unwrap_or_default())
}

/// Whether the constraint may be relied upon: it was granted, or is now, because the example is as it says.
fn assume(constraint: Constraint, fixes: bool) -> bool {
    OPEN.with_borrow_mut(|open| {
        let Some(open) = open else { return false };
        if open.granted.contains(&constraint) {
            return true;
        }
        if fixes && !open.may_fix {
            return false;
        }
        if !open.found.contains(&constraint) {
            open.found.push(constraint);
        }
        true
    })
}

/// Whether two lengths that differ as expressions may be taken for equal.
pub(super) fn equal(a: &Dim, b: &Dim) -> bool {
    if a.example().is_none() || a.example() != b.example() {
        return false;
    }
    let (left, right) = if a.is_symbolic() { (a.expr(), b.expr()) } else { (b.expr(), a.expr()) };
    let fixes = right.number().is_some() || left.add(&right.neg()).symbols().len() < 2;
    assume(Constraint::Related(left, Relation::Equal, right), fixes)
}

/// Whether a length that is a multiple of this number in the example may be taken for one always.
pub(super) fn multiple(a: &Dim, of: i64) -> bool {
    let (expr, least) = a.expr().reduced(of);
    of > 1 && a.example().is_some_and(|seen| seen % of == 0) && assume(Constraint::Multiple(expr, least), false)
}

/// Whether the expression is granted to be a multiple of the number.
pub(super) fn is_multiple(expr: &Expr, of: i64) -> bool {
    OPEN.with_borrow(|open| open.as_ref().is_some_and(|open| open.granted.contains(&Constraint::Multiple(expr.clone(), of))))
}

/// Whether any multiple is granted: without one no expression needs a second look.
pub(super) fn has_multiples() -> bool {
    OPEN.with_borrow(|open| open.as_ref().is_some_and(|open| open.granted.iter().any(|one| matches!(one, Constraint::Multiple(..)))))
}
