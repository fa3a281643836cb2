//! Constraints on symbolic sizes: what inference may assume, and what it had to assume besides.

use super::bounds::{Ranges, TRIED, all_hold};
use super::expr::Atom;
use super::{Bindings, Constraint, Dim, Expr, Relation, Shape};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// How many quotients, minima and maxima of an equation are taken apart to find on which part of the range it holds.
const PARTS: usize = 12;

/// What a trace may assume of its sizes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Assumptions {
    granted: Arc<BTreeSet<Constraint>>,
    ranges: Arc<Ranges>,
    /// What the symbols are in the example.
    example: Arc<Bindings>,
    may_fix: bool,
}

impl Assumptions {
    /// These constraints hold; `example` says what the symbols are in the example, and `may_fix` whether a size may turn out to be one number,
    /// because the user did not declare it.
    pub(crate) fn new(granted: BTreeSet<Constraint>, example: Bindings, may_fix: bool) -> Assumptions {
        let ranges = Arc::new(Ranges::of(granted.iter()));
        Assumptions { granted: Arc::new(granted), ranges, example: Arc::new(example), may_fix }
    }

    /// One constraint more holds.
    pub(crate) fn grant(&mut self, constraint: Constraint) {
        Arc::make_mut(&mut self.ranges).add(&constraint);
        Arc::make_mut(&mut self.granted).insert(constraint);
    }

    /// The symbols in the constraints that stand for values and for sizes that depend on data.
    pub(crate) fn symbols_of_data(&self) -> BTreeSet<Arc<str>> {
        self.granted.iter().flat_map(Constraint::symbols).filter(|symbol| super::is_reserved(symbol)).collect()
    }

    /// Whether a constraint was granted, or follows from what was.
    fn implies(&self, constraint: &Constraint) -> bool {
        self.granted.contains(constraint)
            || match constraint {
                Constraint::Related(left, relation, right) => self.ranges.proves_relation(left, *relation, right),
                Constraint::Multiple(..) => false,
            }
    }

    /// The conditions, all true in the example, under which the expression is 0: a quotient is taken as exact, a minimum or maximum as the
    /// side that it is. `None` where there are none.
    fn part_where_zero(&self, expr: &Expr, left: usize) -> Option<Vec<Constraint>> {
        if expr.number() == Some(0) {
            return Some(Vec::new());
        }
        let atom = expr.atoms().pop_last().filter(|_| left > 0)?;
        let (factor, rest) = expr.linear_in(&atom)?;
        let with = |condition: Constraint, expr: Expr| {
            let mut conditions = self.part_where_zero(&expr, left - 1)?;
            conditions.push(condition);
            Some(conditions)
        };
        let at_most = |a: &Expr, b: &Expr| Constraint::Related(a.clone(), Relation::AtMost, b.clone()).normalized();
        let either = |a: &Expr, b: &Expr, is_minimum: bool| {
            let (x, y) = (self.example.eval(a)?, self.example.eval(b)?);
            let side = |chosen: &Expr| rest.add(&factor.mul(chosen));
            let first = (x <= y).then(|| with(at_most(a, b), side(if is_minimum { a } else { b })));
            first.flatten().or_else(|| (y <= x).then(|| with(at_most(b, a), side(if is_minimum { b } else { a }))).flatten())
        };
        match &atom {
            Atom::Symbol(_) => None,
            Atom::Min(a, b) => either(a, b, true),
            Atom::Max(a, b) => either(a, b, false),
            Atom::Floor(a, b) => {
                let n = b.number().filter(|&n| n > 1 && self.example.eval(a).is_some_and(|x| x % n == 0))?;
                let (reduced, least) = a.reduced(n);
                with(Constraint::Multiple(reduced, least), rest.mul(b).add(&factor.mul(a)))
            }
        }
    }

    /// Whether an equation with one symbol holds at more sizes of its range than the example's.
    fn holds_elsewhere(&self, equation: &Constraint) -> bool {
        let symbols = equation.symbols();
        matches!(symbols.first(), Some(symbol) if symbols.len() == 1 && leave_a_choice(self.granted.iter().chain([equation]), symbol))
    }
}

/// Whether these constraints leave a symbol more than one size, as far as they are about it alone.
pub(crate) fn leave_a_choice<'a>(constraints: impl Iterator<Item = &'a Constraint>, symbol: &str) -> bool {
    let about: Vec<_> = constraints.filter(|one| one.symbols().iter().map(|other| &**other).eq([symbol])).collect();
    let ranges = Ranges::of(about.iter().copied());
    let least = ranges.least(symbol);
    let greatest = ranges.greatest(symbol).unwrap_or(i64::MAX).min(least.saturating_add(TRIED));
    (least..=greatest).filter(|&n| all_hold(&about, symbol, n)).nth(1).is_some()
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
        if assumptions.implies(&constraint) {
            return true;
        }
        if fixes && !assumptions.may_fix && !assumptions.holds_elsewhere(&constraint) {
            return false;
        }
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if !found.contains(&constraint) {
            found.push(constraint);
        }
        true
    }

    /// Whether a relation holds at every size that the granted constraints leave, or at none; `None` where that differs from size to size.
    pub fn decide(&self, left: &Dim, relation: Relation, right: &Dim) -> Option<bool> {
        if let (Dim::Fixed(a), Dim::Fixed(b)) = (left, right) {
            return Some(relation.holds(*a, *b));
        }
        let (left, right) = (self.simplify_expr(&left.expr()), self.simplify_expr(&right.expr()));
        match &self.assumptions {
            Some(assumptions) => assumptions.ranges.decide(&left, relation, &right),
            None => Ranges::default().decide(&left, relation, &right),
        }
    }

    /// Whether two sizes may be taken as equal: their expressions are under what is granted, or they are in the example, and then on more
    /// than that size. A size that depends on data and is not known in the example is what the program needs it to be.
    pub(super) fn equal(&self, a: &Dim, b: &Dim) -> bool {
        let Some(assumptions) = &self.assumptions else { return false };
        let is_unknown = |dim: &Dim| dim.example().is_none() && dim.expr().depends_on_data();
        let unknown = is_unknown(a) || is_unknown(b);
        if !unknown && (a.example().is_none() || a.example() != b.example()) {
            return false;
        }
        let (left, right) = if a.is_symbolic() { (a, b) } else { (b, a) };
        let (left, right) = (self.simplify_expr(&left.expr()), self.simplify_expr(&right.expr()));
        if left == right {
            return true;
        }
        let difference = left.add(&right.neg());
        if assumptions.ranges.proves_relation(&left, Relation::Equal, &right) {
            return true;
        }
        if unknown {
            let apart = assumptions.ranges.proves_relation(&left, Relation::Unequal, &right);
            return !apart && self.assume(Constraint::Related(left, Relation::Equal, right), false);
        }
        if let Some(conditions) = assumptions.part_where_zero(&difference, PARTS) {
            return conditions.into_iter().all(|condition| self.assume(condition, false));
        }
        // Nobody declared a size that depends on data: it may turn out to be one number.
        let fixes = (right.number().is_some() || difference.symbols().len() < 2) && !difference.depends_on_data();
        self.assume(Constraint::Related(left, Relation::Equal, right), fixes)
    }

    /// The exact quotient under what is granted, and what may be assumed because it holds in the example: that quotients in it are exact, that the
    /// dividend is a multiple, or else that the quotient is the same number.
    pub(super) fn quotient(&self, dividend: &Dim, divisor: &Dim) -> Option<Expr> {
        let (a, b) = (dividend.expr(), divisor.expr());
        // As they are first: simplified, 14·floor(n / 7) becomes 2·n, and 7·floor(n / 7) divides it no more.
        if let Some(exact) = a.div_exact(&b) {
            return Some(exact);
        }
        let (a, b) = (self.simplify_expr(&a), self.simplify_expr(&b));
        if let Some(exact) = a.div_exact(&b) {
            return Some(exact);
        }
        let assumptions = self.assumptions.as_ref()?;
        let is_exact = dividend.example().zip(divisor.example()).is_some_and(|(a, b)| b != 0 && a % b == 0);
        if !is_exact {
            return None;
        }
        // n·a / 6·n: what both have in common decides nothing.
        let (a, b) = a.without_common_factors(&b);
        if let Some(n) = b.number() {
            let (reduced, least) = a.reduced(n);
            return (n > 0 && self.assume(Constraint::Multiple(reduced, least), false)).then(|| a.floor_div(&b));
        }
        // n·k / 2·floor(n / 2): under n % 2 == 0 this is k, once that is granted.
        let quotients = b.atoms().into_iter().chain(a.atoms()).filter_map(|atom| match atom {
            Atom::Floor(a, b) => {
                b.number().filter(|&n| n > 1 && assumptions.example.eval(&a).is_some_and(|x| x % n == 0)).map(|n| a.reduced(n))
            }
            _ => None,
        });
        let exact: Vec<Constraint> = quotients.map(|(expr, n)| Constraint::Multiple(expr, n)).collect();
        let with_these = |expr: &Expr| {
            expr.simplified(&assumptions.ranges, &|expr, of| {
                let multiple = Constraint::Multiple(expr.clone(), of);
                exact.contains(&multiple) || assumptions.granted.contains(&multiple)
            })
        };
        if let Some(quotient) = with_these(&a).div_exact(&with_these(&b)) {
            return exact.iter().all(|one| self.assume(one.clone(), false)).then_some(quotient);
        }
        // What is left is that it is what it is in the example, where that leaves other sizes.
        let number = dividend.example().zip(divisor.example()).and_then(|(a, b)| a.checked_div(b))?;
        let product = b.mul(&number.into());
        let fixes = a.add(&product.neg()).symbols().len() < 2;
        self.assume(Constraint::Related(a, Relation::Equal, product), fixes).then(|| number.into())
    }

    /// The expression under what is granted: `n / 2 * 2` is `n` where `n` is even, `min(64, n)` where `n` is at most 64.
    pub(super) fn simplify_expr(&self, expr: &Expr) -> Expr {
        let granted = self.assumptions.as_ref().map(|assumptions| &assumptions.granted);
        let expr = &match granted.filter(|_| expr.depends_on_data()) {
            Some(granted) => expr.substitute(&|symbol| granted.iter().find_map(|one| fixed(one, symbol)).map(Expr::from)),
            None => expr.clone(),
        };
        match &self.assumptions {
            // Without quotients, minima and maxima there is nothing to simplify.
            Some(Assumptions { granted, ranges, .. }) if !granted.is_empty() && expr.has_parts() => {
                expr.simplified(ranges, &|expr, of| granted.contains(&Constraint::Multiple(expr.clone(), of)))
            }
            _ => expr.clone(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quotient_that_no_rule_divides_is_the_one_of_the_example() {
        let mut example = Bindings::new();
        example.bind("n", 2).unwrap();
        example.bind("m", 8).unwrap();
        let dim = |text: &str| {
            let expr = Expr::parse(text).unwrap();
            let seen = example.eval(&expr);
            Dim::new(expr, seen)
        };
        let quotient = |a: &str, b: &str| {
            let constraints = Constraints::under(Some(Assumptions::new(BTreeSet::new(), example.clone(), false)));
            let quotient = constraints.quotient(&dim(a), &dim(b)).map(|expr| expr.to_string());
            (quotient, constraints.into_found().iter().map(Constraint::to_string).collect::<Vec<_>>())
        };
        let (number, found) = quotient("6*floor((n*m)/8)", "n*floor((m + 1)/4)");
        assert_eq!((number.as_deref(), found.len()), (Some("3"), 1), "{found:?}");
        // 6*floor(n/2) is 5 times n + 4 at no other n.
        assert_eq!(quotient("30*floor(n/2)", "n + 4").0, None);
    }
}
