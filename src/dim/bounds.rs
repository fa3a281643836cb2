//! Bounds of symbolic expressions: what follows from the ranges of their symbols.

use super::expr::Atom;
use super::{Bindings, Constraint, Expr, Relation, is_value};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// How many quotients, minima and maxima a proof takes apart, one inside the other.
const DEPTH: usize = 5;

/// How many expressions one proof looks at: a proof that takes more is not found.
const EFFORT: usize = 64;

/// How many sizes of a symbol are tried to see at which of them an equation holds.
pub(super) const TRIED: i64 = 4096;

/// What a symbol is at least that nothing is known of: a size is not negative, a value may be.
fn unbounded(symbol: &str) -> i64 {
    if is_value(symbol) { i64::MIN } else { 0 }
}

/// The sizes that symbols can have: a least and a greatest, both included. A size without an entry is at least 0.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ranges {
    symbols: BTreeMap<Arc<str>, (i64, Option<i64>)>,
    /// Expressions over several symbols that are known not to be negative.
    nonnegative: Vec<Expr>,
    /// Those of them that each symbol is in, by their indices.
    about: BTreeMap<Arc<str>, Vec<usize>>,
    proofs: Proofs,
}

/// What was asked before, and its answer: a network asks the same of its sizes at every layer.
#[derive(Debug, Default)]
struct Proofs(Mutex<HashMap<Expr, bool>>);

impl Clone for Proofs {
    /// None: ranges are cloned to be changed.
    fn clone(&self) -> Proofs {
        Proofs::default()
    }
}

impl Proofs {
    /// How many are kept.
    const MOST: usize = 4096;

    /// The answer for this expression: that of before, or that of `prove`.
    fn of(&self, expr: &Expr, prove: impl FnOnce() -> bool) -> bool {
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = known().get(expr) {
            return *answer;
        }
        let answer = prove();
        let mut known = known();
        if known.len() >= Proofs::MOST {
            known.clear();
        }
        known.insert(expr.clone(), answer);
        answer
    }
}

impl Ranges {
    /// What these constraints say.
    pub(crate) fn of<'a>(constraints: impl Iterator<Item = &'a Constraint>) -> Ranges {
        let mut ranges = Ranges::default();
        for constraint in constraints {
            ranges.add(constraint);
        }
        ranges
    }

    /// One constraint more.
    pub(crate) fn add(&mut self, constraint: &Constraint) {
        let Constraint::Related(left, relation, right) = constraint.normalized() else { return };
        self.proofs = Proofs::default();
        let difference = left.add(&right.neg());
        let (symbol, bound) = (left.as_symbol().cloned(), right.number());
        let least = match (relation, &symbol, bound) {
            (Relation::AtLeast | Relation::Equal, Some(_), Some(n)) => Some(n),
            (Relation::Unequal, Some(symbol), Some(n)) if self.least(symbol) == n => Some(n + 1),
            _ => None,
        };
        let greatest = match (relation, &symbol, bound) {
            (Relation::AtMost | Relation::Equal, Some(_), Some(n)) => Some(n),
            (Relation::Unequal, Some(symbol), Some(n)) if self.greatest(symbol) == Some(n) => Some(n - 1),
            _ => None,
        };
        if let Some(symbol) = symbol.filter(|_| bound.is_some()) {
            let range = self.symbols.entry(symbol.clone()).or_insert((unbounded(&symbol), None));
            range.0 = least.map_or(range.0, |n| n.max(range.0));
            range.1 = greatest.map_or(range.1, |n| Some(range.1.map_or(n, |known| known.min(n))));
            return;
        }
        match relation {
            Relation::AtLeast => self.know(difference),
            Relation::AtMost => self.know(difference.neg()),
            Relation::Greater => self.know(difference.add(&(-1).into())),
            Relation::Less => self.know(difference.neg().add(&(-1).into())),
            Relation::Equal => {
                let negated = difference.neg();
                self.know(difference);
                self.know(negated);
            }
            Relation::Unequal => {}
        }
    }

    /// This is not negative.
    fn know(&mut self, expr: Expr) {
        for symbol in expr.symbols() {
            self.about.entry(symbol).or_default().push(self.nonnegative.len());
        }
        self.nonnegative.push(expr);
    }

    /// The least size of a symbol.
    pub(crate) fn least(&self, symbol: &str) -> i64 {
        self.symbols.get(symbol).map_or(unbounded(symbol), |range| range.0)
    }

    /// The greatest size of a symbol, where it has one.
    pub(crate) fn greatest(&self, symbol: &str) -> Option<i64> {
        self.symbols.get(symbol).and_then(|range| range.1)
    }

    /// Whether the first is at most the second at every size (`true`), or at least (`false`); `None` where neither is known.
    pub(super) fn order(&self, a: &Expr, b: &Expr) -> Option<bool> {
        let difference = b.add(&a.neg());
        match difference.number() {
            Some(n) => Some(n >= 0),
            None if self.is_nonnegative(&difference) => Some(true),
            None => self.is_nonnegative(&difference.neg()).then_some(false),
        }
    }

    /// Whether the dividend is known to be from 0 to below the divisor.
    pub(super) fn is_remainder(&self, dividend: &Expr, divisor: &Expr) -> bool {
        // What has no greatest size is below no number: most quotients need no proof.
        let is_open = divisor.number().is_some() && dividend.any_symbol(&|symbol| self.greatest(symbol).is_none());
        !is_open && self.is_nonnegative(dividend) && self.is_nonnegative(&divisor.add(&dividend.neg()).add(&(-1).into()))
    }

    /// Whether a relation holds at every size, or at none; `None` where that differs from size to size, or no proof was found.
    pub(crate) fn decide(&self, left: &Expr, relation: Relation, right: &Expr) -> Option<bool> {
        if self.proves_relation(left, relation, right) {
            return Some(true);
        }
        self.proves_relation(left, relation.opposite(), right).then_some(false)
    }

    /// Whether a relation is known to hold at every size.
    pub(crate) fn proves_relation(&self, left: &Expr, relation: Relation, right: &Expr) -> bool {
        let difference = left.add(&right.neg());
        let at_least = |n: i64| self.is_nonnegative(&difference.add(&(-n).into()));
        let at_most = |n: i64| self.is_nonnegative(&difference.neg().add(&n.into()));
        match relation {
            Relation::Equal => at_least(0) && at_most(0),
            Relation::Unequal => at_least(1) || at_most(-1),
            Relation::AtLeast => at_least(0),
            Relation::Greater => at_least(1),
            Relation::AtMost => at_most(0),
            Relation::Less => at_most(-1),
        }
    }

    /// Whether an expression is known not to be negative.
    pub(crate) fn is_nonnegative(&self, expr: &Expr) -> bool {
        if let Some(n) = expr.number() {
            return n >= 0;
        }
        self.proofs.of(expr, || {
            let effort = Cell::new(EFFORT);
            // What has no symbol in common with it says nothing about it.
            let related = || expr.symbols().iter().filter_map(|symbol| self.about.get(symbol)).flatten().copied().collect::<BTreeSet<_>>();
            let follows = |known: usize| self.proves(&expr.add(&self.nonnegative[known].neg()), DEPTH, &effort);
            self.proves(expr, DEPTH, &effort) || related().into_iter().any(follows)
        })
    }

    fn proves(&self, expr: &Expr, depth: usize, effort: &Cell<usize>) -> bool {
        if let Some(n) = expr.number() {
            return n >= 0;
        }
        let Some(left) = effort.get().checked_sub(1) else { return false };
        effort.set(left);
        if self.terms_are_nonnegative(expr, depth, effort) {
            return true;
        }
        depth > 0 && expr.atoms().iter().any(|atom| self.proves_without(expr, atom, depth - 1, effort))
    }

    /// The proof with a bound instead of a quotient, minimum or maximum.
    fn proves_without(&self, expr: &Expr, atom: &Atom, depth: usize, effort: &Cell<usize>) -> bool {
        let Some((factor, rest)) = expr.linear_in(atom) else { return false };
        let up = self.proves(&factor, depth, effort);
        if !up && !self.proves(&factor.neg(), depth, effort) {
            return false;
        }
        let with = |bound: &Expr| self.proves(&rest.add(&factor.mul(bound)), depth, effort);
        match atom {
            Atom::Symbol(_) => false,
            Atom::Floor(a, b) => match b.number() {
                // b·floor(a / b) is between a - b + 1 and a.
                Some(n) if n > 0 => {
                    let bound = if up { a.add(&(1 - n).into()) } else { a.clone() };
                    self.proves(&rest.mul(b).add(&factor.mul(&bound)), depth, effort)
                        || (up && self.proves(a, depth, effort) && self.proves(&rest, depth, effort))
                }
                Some(_) => false,
                None if !self.proves(a, depth, effort) || !self.proves(&b.add(&(-1).into()), depth, effort) => false,
                None if up => with(&Expr::default()),
                None => with(a),
            },
            Atom::Min(a, b) if up => with(a) && with(b),
            Atom::Max(a, b) if up => with(a) || with(b),
            Atom::Min(a, b) => with(a) || with(b),
            Atom::Max(a, b) => with(a) && with(b),
        }
    }

    /// Whether the terms alone say it, every symbol being its least and something more.
    fn terms_are_nonnegative(&self, expr: &Expr, depth: usize, effort: &Cell<usize>) -> bool {
        let is_shifted = |symbol: &str| !matches!(self.least(symbol), 0 | i64::MIN);
        let more = |symbol: &str| Expr::symbol(symbol).add(&self.least(symbol).into());
        let shifted = match expr.any_symbol(&is_shifted) {
            true => expr.substitute_terms(&|symbol| is_shifted(symbol).then(|| more(symbol))),
            false => expr.clone(),
        };
        let mut least = 0i64;
        for (monomial, coefficient) in shifted.terms() {
            if !monomial.iter().all(|(atom, _)| depth > 0 && self.atom_is_nonnegative(atom, depth - 1, effort)) {
                return false;
            }
            if coefficient >= 0 && !monomial.is_empty() {
                continue;
            }
            let greatest = monomial.iter().try_fold(1i64, |product, (atom, power)| {
                let Atom::Symbol(symbol) = atom else { return None };
                let span = self.greatest(symbol)?.checked_sub(self.least(symbol))?;
                product.checked_mul(span.checked_pow(*power)?)
            });
            let Some(sum) = greatest.and_then(|n| coefficient.checked_mul(n)).and_then(|n| least.checked_add(n)) else { return false };
            least = sum;
        }
        least >= 0
    }

    fn atom_is_nonnegative(&self, atom: &Atom, depth: usize, effort: &Cell<usize>) -> bool {
        let proves = |expr: &Expr| self.proves(expr, depth, effort);
        match atom {
            Atom::Symbol(symbol) => self.least(symbol) > i64::MIN,
            Atom::Floor(a, b) => proves(a) && proves(b),
            Atom::Min(a, b) => proves(a) && proves(b),
            Atom::Max(a, b) => proves(a) || proves(b),
        }
    }
}

/// The sizes that a symbol can have, as far as conditions about it alone say: from a least to a greatest, both included, in steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SizeRange {
    /// The least size.
    pub least: i64,
    /// The greatest size, where there is one.
    pub greatest: Option<i64>,
    /// What every size is a multiple of; 1 where that is not restricted.
    pub multiple_of: i64,
}

impl SizeRange {
    /// What these constraints leave of a symbol's sizes.
    pub(crate) fn of<'a>(symbol: &str, constraints: impl Iterator<Item = &'a Constraint> + Clone) -> SizeRange {
        let ranges = Ranges::of(constraints.clone());
        let multiple = |constraint: &Constraint| match constraint {
            Constraint::Multiple(expr, of) if expr.as_symbol().is_some_and(|other| **other == *symbol) => Some(*of),
            _ => None,
        };
        let multiple_of =
            constraints.clone().filter_map(multiple).fold(1i64, |all, n| all.checked_mul(n / super::expr::gcd(all, n)).unwrap_or(all));
        let mut range = SizeRange { least: ranges.least(symbol), greatest: ranges.greatest(symbol), multiple_of };
        // Of what else is said of it alone, the first and the last size that fulfil it.
        let about: Vec<_> = constraints.filter(|one| one.symbols().iter().map(|other| &**other).eq([symbol])).collect();
        let last = range.least.saturating_add(TRIED);
        let mut sizes = (range.least..=last.min(range.greatest.unwrap_or(last))).filter(|&n| all_hold(&about, symbol, n));
        if about.iter().any(|one| matches!(one, Constraint::Related(left, Relation::Equal, _) if left.as_symbol().is_none()))
            && let Some(first) = sizes.next()
        {
            range.least = first;
            range.greatest = Some(sizes.next_back().unwrap_or(first)).filter(|&n| n < last).or(range.greatest);
        }
        range
    }

    /// Whether every size is in it.
    pub fn is_full(&self) -> bool {
        self.least <= 0 && self.greatest.is_none() && self.multiple_of == 1
    }
}

/// Whether constraints about this symbol alone hold at a size.
pub(super) fn all_hold(about: &[&Constraint], symbol: &str, size: i64) -> bool {
    let mut bindings = Bindings::new();
    bindings.bind(symbol, size).is_ok() && about.iter().all(|constraint| constraint.holds(&bindings) == Some(true))
}

impl std::fmt::Display for SizeRange {
    /// `1 to 64`, `2 or more`, `32 to 1024, multiples of 32`, `multiples of 32`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let SizeRange { least, greatest, multiple_of } = *self;
        match (least, greatest) {
            (..=0, None) if multiple_of > 1 => return write!(f, "multiples of {multiple_of}"),
            (..=0, None) => return write!(f, "any size"),
            (least, None) => write!(f, "{least} or more")?,
            (least, Some(greatest)) => write!(f, "{least} to {greatest}")?,
        }
        if multiple_of > 1 { write!(f, ", multiples of {multiple_of}") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn e(text: &str) -> Expr {
        Expr::parse(text).unwrap()
    }

    fn under(constraints: &[&str]) -> Ranges {
        let constraints: Vec<_> = constraints.iter().map(|text| Constraint::parse(text).unwrap()).collect();
        Ranges::of(constraints.iter())
    }

    #[test]
    fn what_follows_from_ranges_holds_at_every_size_of_the_range() {
        let cases = [
            ("n*m - n", vec!["m >= 1"], true),
            ("n*m - n", vec![], false),
            ("64 - n", vec!["n <= 64"], true),
            ("63 - n", vec!["n <= 64"], false),
            ("-7*floor((-h)/7) - h", vec![], true),
            ("h - 2*floor(h/2)", vec![], true),
            ("h - 2*floor(h/2) - 1", vec![], false),
            ("floor((h + 1)/2) - floor(h/2)", vec![], true),
            ("n - min(64, n)", vec![], true),
            ("min(64, n) - n", vec!["n <= 64"], true),
            ("max(n, 3) - 3", vec![], true),
            ("b - a", vec!["a <= b"], true),
            ("b - a", vec![], false),
        ];
        for (expr, constraints, known) in cases {
            assert_eq!(under(&constraints).is_nonnegative(&e(expr)), known, "{expr} under {constraints:?}");
        }
    }

    #[test]
    fn a_range_is_what_all_conditions_leave() {
        let range = |constraints: &[&str]| {
            let constraints: Vec<_> = constraints.iter().map(|text| Constraint::parse(text).unwrap()).collect();
            SizeRange::of("h", constraints.iter()).to_string()
        };
        assert_eq!(range(&["h >= 1", "h <= 64", "h <= 100", "w <= 3"]), "1 to 64");
        assert_eq!(range(&["h % 4 == 0", "h % 6 == 0"]), "multiples of 12");
        assert_eq!(range(&["h % 4 == 0", "h > 3"]), "4 or more, multiples of 4");
        assert_eq!(range(&["w <= 3"]), "any size");
        assert_eq!(range(&["floor((h + 1)/8) == 16"]), "127 to 134");
    }

    #[test]
    fn a_relation_is_decided_or_open() {
        let ranges = under(&["n >= 2", "n <= 64"]);
        let decided = |relation, right: i64| ranges.decide(&e("n"), relation, &right.into());
        assert_eq!(decided(Relation::Unequal, 1), Some(true));
        assert_eq!(decided(Relation::Less, 65), Some(true));
        assert_eq!(decided(Relation::Greater, 64), Some(false));
        assert_eq!(decided(Relation::Equal, 8), None);
    }

    #[test]
    fn a_proof_never_contradicts_the_values() {
        // Every expression over small coefficients, compared with all sizes of the range.
        let parts = ["n", "m", "floor(n/2)", "floor((n + 1)/3)", "min(n, 4)", "max(m, 2)", "n*m"];
        let ranges = under(&["n >= 1", "n <= 9", "m <= 5"]);
        for (i, a) in parts.iter().enumerate() {
            for b in &parts[i..] {
                for (x, y, z) in [(1, -1, 0), (-1, 1, 1), (1, -2, 3), (-1, -1, 14), (2, -1, -1)] {
                    let expr = e(a).mul(&x.into()).add(&e(b).mul(&y.into())).add(&z.into());
                    if ranges.is_nonnegative(&expr) {
                        for n in 1..=9 {
                            for m in 0..=5 {
                                let value = expr.eval(&|symbol| Some(if symbol == "n" { n } else { m })).unwrap();
                                assert!(value >= 0, "{expr} is {value} at n = {n}, m = {m}");
                            }
                        }
                    }
                }
            }
        }
    }
}
