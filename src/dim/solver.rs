//! Constraints on symbolic sizes: what inference may assume, and what it had to assume besides.

use super::{Constraint, Dim, Expr, Relation, Shape};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// What a trace may assume of its sizes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Assumptions {
    granted: Arc<BTreeSet<Constraint>>,
    may_fix: bool,
}

impl Assumptions {
    /// These constraints hold; `may_fix` says whether a size may turn out to be one number, because the user did not declare it.
    pub(crate) fn new(granted: BTreeSet<Constraint>, may_fix: bool) -> Assumptions {
        Assumptions { granted: Arc::new(granted), may_fix }
    }

    /// One constraint more holds.
    pub(crate) fn grant(&mut self, constraint: Constraint) {
        Arc::make_mut(&mut self.granted).insert(constraint);
    }
}

/// The constraints under which shapes are inferred: passed to every rule, which asks them whether two sizes may be taken as equal, or one as
/// a multiple. What a rule had to assume because it holds in the example only is collected here, for the trace to keep or reject.
///
/// ```
/// use ontrace::Dim;
/// use ontrace::dim::Constraints;
/// // Outside a trace nothing is assumed.
/// assert!(!Dim::symbol("n", 3).agrees(&Dim::Fixed(3), Constraints::none()));
/// ```
#[derive(Debug)]
pub struct Constraints {
    assumptions: Option<Assumptions>,
    found: Mutex<Vec<Constraint>>,
}

impl Constraints {
    /// No assumptions: sizes are equal where their expressions are.
    pub fn none() -> &'static Constraints {
        static NONE: Constraints = Constraints { assumptions: None, found: Mutex::new(Vec::new()) };
        &NONE
    }

    /// Inference under these assumptions; without any, nothing may be assumed.
    pub(crate) fn under(assumptions: Option<Assumptions>) -> Constraints {
        Constraints { assumptions, found: Mutex::new(Vec::new()) }
    }

    /// What had to be assumed.
    pub(crate) fn into_found(self) -> Vec<Constraint> {
        self.found.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the constraint may be relied upon: it was granted, or is now, because it holds in the example.
    fn assume(&self, constraint: Constraint, fixes: bool) -> bool {
        let Some(assumptions) = &self.assumptions else { return false };
        if assumptions.granted.contains(&constraint) {
            return true;
        }
        if fixes && !assumptions.may_fix {
            return false;
        }
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if !found.contains(&constraint) {
            found.push(constraint);
        }
        true
    }

    /// Whether two sizes may be taken as equal: their expressions are under what is granted, or they are in the example.
    pub(super) fn equal(&self, a: &Dim, b: &Dim) -> bool {
        if self.assumptions.is_none() || a.example().is_none() || a.example() != b.example() {
            return false;
        }
        let (left, right) = if a.is_symbolic() { (a, b) } else { (b, a) };
        let (left, right) = (self.simplify_expr(&left.expr()), self.simplify_expr(&right.expr()));
        if left == right {
            return true;
        }
        // Nobody declared a size that depends on data: it may turn out to be one number.
        let difference = left.add(&right.neg());
        let fixes = (right.number().is_some() || difference.symbols().len() < 2) && !difference.depends_on_data();
        self.assume(Constraint::Related(left, Relation::Equal, right), fixes)
    }

    /// Whether a size may be taken as a multiple of this number: that is granted, or it is one in the example.
    pub(super) fn multiple(&self, a: &Dim, of: i64) -> bool {
        let (expr, least) = self.simplify_expr(&a.expr()).reduced(of);
        of > 1 && a.example().is_some_and(|n| n % of == 0) && self.assume(Constraint::Multiple(expr, least), false)
    }

    /// The expression in which `n / 2 * 2` is `n` where `n` is granted to be even.
    pub(super) fn simplify_expr(&self, expr: &Expr) -> Expr {
        let granted = self.assumptions.as_ref().map(|assumptions| &assumptions.granted);
        let expr = &match granted.filter(|_| expr.depends_on_data()) {
            Some(granted) => expr.substitute(&|symbol| granted.iter().find_map(|one| fixed(one, symbol)).map(Expr::from)),
            None => expr.clone(),
        };
        // Without multiples no expression needs a second look.
        match granted.filter(|granted| granted.iter().any(|one| matches!(one, Constraint::Multiple(..)))) {
            Some(granted) => expr.simplified(&|expr, of| granted.contains(&Constraint::Multiple(expr.clone(), of))),
            None => expr.clone(),
        }
    }

    /// The size with its expression simplified by the multiples that are granted.
    pub fn simplify(&self, dim: &Dim) -> Dim {
        match dim.is_symbolic() && self.assumptions.is_some() {
            true => Dim::new(self.simplify_expr(&dim.expr()), dim.example()),
            false => dim.clone(),
        }
    }

    /// The shape with every size simplified.
    pub fn simplify_shape(&self, shape: Shape) -> Shape {
        match shape.is_symbolic() && self.assumptions.is_some() {
            true => shape.iter().map(|dim| self.simplify(dim)).collect(),
            false => shape,
        }
    }
}

/// The number that a constraint says a symbol for data to be.
fn fixed(constraint: &Constraint, symbol: &str) -> Option<i64> {
    match constraint {
        Constraint::Related(left, Relation::Equal, right) if left.as_symbol().is_some_and(|known| **known == *symbol) => {
            right.number().filter(|_| left.depends_on_data())
        }
        _ => None,
    }
}
