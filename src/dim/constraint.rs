//! What must hold between sizes for a traced graph to be right.

use super::{Bindings, Expr};
use std::fmt;
use std::sync::Arc;

/// How two numbers stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Relation {
    /// `==`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

/// The relations as they are spelled.
const SPELLED: &[(Relation, &str)] = &[
    (Relation::Equal, "=="),
    (Relation::Unequal, "!="),
    (Relation::Less, "<"),
    (Relation::AtMost, "<="),
    (Relation::Greater, ">"),
    (Relation::AtLeast, ">="),
];

impl Relation {
    /// Whether it holds between these values.
    pub fn holds(self, left: i64, right: i64) -> bool {
        match self {
            Relation::Equal => left == right,
            Relation::Unequal => left != right,
            Relation::Less => left < right,
            Relation::AtMost => left <= right,
            Relation::Greater => left > right,
            Relation::AtLeast => left >= right,
        }
    }

    /// The relation of the right to the left.
    fn mirrored(self) -> Relation {
        match self {
            Relation::Less => Relation::Greater,
            Relation::AtMost => Relation::AtLeast,
            Relation::Greater => Relation::Less,
            Relation::AtLeast => Relation::AtMost,
            Relation::Equal | Relation::Unequal => self,
        }
    }

    /// The relation that holds where this one does not.
    pub fn opposite(self) -> Relation {
        match self {
            Relation::Equal => Relation::Unequal,
            Relation::Unequal => Relation::Equal,
            Relation::Less => Relation::AtLeast,
            Relation::AtLeast => Relation::Less,
            Relation::Greater => Relation::AtMost,
            Relation::AtMost => Relation::Greater,
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SPELLED.iter().find(|row| row.0 == *self).map_or("", |row| row.1))
    }
}

/// A relation between two expressions over sizes: `n == 3`, `n >= 4`, or that one is divisible by the other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Constraint {
    /// The left stands so to the right.
    Related(Expr, Relation, Expr),
    /// The expression is a multiple of the number.
    Multiple(Expr, i64),
}

impl Constraint {
    /// Whether it holds; `None` where a symbol stands for no number.
    pub fn holds(&self, bindings: &Bindings) -> Option<bool> {
        match self {
            Constraint::Related(left, relation, right) => Some(relation.holds(bindings.eval(left)?, bindings.eval(right)?)),
            Constraint::Multiple(expr, of) => Some(*of != 0 && bindings.eval(expr)? % of == 0),
        }
    }

    /// The same with other expressions for the symbols.
    pub fn substitute(&self, of: &dyn Fn(&str) -> Option<Expr>) -> Constraint {
        match self {
            Constraint::Related(left, relation, right) => Constraint::Related(left.substitute(of), *relation, right.substitute(of)),
            Constraint::Multiple(expr, n) => Constraint::Multiple(expr.substitute(of), *n),
        }
    }

    /// The same with a single symbol on the left and a number on the right, where it says no more than that: `n <= 64` for `64 >= n`,
    /// `n >= 2` for `2*n > 3`.
    pub(super) fn normalized(&self) -> Constraint {
        let Constraint::Related(left, relation, right) = self else { return self.clone() };
        let difference = left.add(&right.neg());
        let mut symbols = difference.symbols().into_iter();
        let (Some(symbol), None) = (symbols.next(), symbols.next()) else { return self.clone() };
        let number = difference.substitute(&|_| Some(0.into()));
        let factor = difference.add(&number.neg()).div_exact(&Expr::symbol(&symbol));
        let (Some(factor), Some(number)) = (factor.and_then(|factor| factor.number()), number.number()) else { return self.clone() };
        // factor·symbol + number stands in the relation to 0: the symbol does to -number / factor.
        let (relation, factor, number) = match factor < 0 {
            true => (relation.mirrored(), -factor, -number),
            false => (*relation, factor, number),
        };
        let (below, exact) = ((-number).div_euclid(factor), (-number) % factor == 0);
        let related = |relation, n: i64| Constraint::Related(Expr::symbol(&symbol), relation, n.into());
        match relation {
            Relation::AtMost => related(Relation::AtMost, below),
            Relation::Less => related(Relation::AtMost, if exact { below - 1 } else { below }),
            Relation::AtLeast => related(Relation::AtLeast, if exact { below } else { below + 1 }),
            Relation::Greater => related(Relation::AtLeast, below + 1),
            Relation::Equal | Relation::Unequal if exact => related(relation, below),
            Relation::Equal | Relation::Unequal => self.clone(),
        }
    }

    /// The expression whose number decides.
    pub fn left(&self) -> &Expr {
        match self {
            Constraint::Related(left, ..) | Constraint::Multiple(left, _) => left,
        }
    }

    /// The symbols of both sides.
    pub fn symbols(&self) -> std::collections::BTreeSet<Arc<str>> {
        match self {
            Constraint::Related(left, _, right) => left.symbols().into_iter().chain(right.symbols()).collect(),
            Constraint::Multiple(expr, _) => expr.symbols(),
        }
    }

    /// What a symbol of an equation must be, where that says all that the equation says.
    pub fn solved_for(&self, symbol: &str) -> Option<Expr> {
        let Constraint::Related(left, Relation::Equal, right) = self else { return None };
        let (difference, symbol) = (left.add(&right.neg()), Expr::symbol(symbol));
        let free = |expr: &Expr| !expr.symbols().iter().any(|other| Expr::symbol(other) == symbol);
        let (without, with) = (difference.add(&symbol.neg()), difference.add(&symbol));
        if free(&without) { Some(without.neg()) } else { Some(with).filter(free) }
    }

    /// The constraint that this text says: an expression, a relation and an expression, or `n % 4 == 0`.
    pub fn parse(text: &str) -> Option<Constraint> {
        let (at, row) = SPELLED.iter().find_map(|row| text.find(&format!(" {} ", row.1)).map(|at| (at, row)))?;
        let (left, right) = (&text[..at], &text[at + row.1.len() + 2..]);
        if let Some((expr, of)) = left.rsplit_once(" % ") {
            let expr = expr.strip_prefix('(').and_then(|expr| expr.strip_suffix(')')).unwrap_or(expr);
            return Some(Constraint::Multiple(Expr::parse(expr)?, of.parse().ok()?));
        }
        Some(Constraint::Related(Expr::parse(left)?, row.0, Expr::parse(right)?))
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Constraint::Related(left, relation, right) => write!(f, "{left} {relation} {right}"),
            Constraint::Multiple(expr, of) if expr.as_symbol().is_some() => write!(f, "{expr} % {of} == 0"),
            Constraint::Multiple(expr, of) => write!(f, "({expr}) % {of} == 0"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n() -> Expr {
        Expr::symbol("n")
    }

    fn equal(left: Expr, right: Expr) -> Constraint {
        Constraint::Related(left, Relation::Equal, right)
    }

    #[test]
    fn an_equation_is_solved_for_a_symbol_that_stands_alone() {
        let m = Expr::symbol("m");
        let double = equal(m.clone(), n().mul(&2.into()));
        assert_eq!(double.solved_for("m"), Some(n().mul(&2.into())));
        assert_eq!(double.solved_for("n"), None);
        assert_eq!(equal(n().add(&1.into()), 6.into()).solved_for("n"), Some(5.into()));
        assert_eq!(equal(n(), m.clone()).solved_for("n"), Some(m.clone()));
        assert_eq!(equal(n().mul(&m), 6.into()).solved_for("n"), None);
    }

    #[test]
    fn a_relation_with_one_symbol_is_one_between_the_symbol_and_a_number() {
        let cases = [
            ("64 >= n", "n <= 64"),
            ("2*n > 3", "n >= 2"),
            ("2*n >= 4", "n >= 2"),
            ("2*n < 8", "n <= 3"),
            ("2*n < 7", "n <= 3"),
            ("3 - n <= 0", "n >= 3"),
            ("n - 1 == 4", "n == 5"),
            ("2*n == 5", "2*n == 5"),
            ("n + m <= 4", "m + n <= 4"),
        ];
        for (constraint, normal) in cases {
            assert_eq!(Constraint::parse(constraint).unwrap().normalized().to_string(), normal, "{constraint}");
        }
    }

    #[test]
    fn what_is_printed_is_read_back() {
        let half = n().floor_div(&2.into());
        for constraint in [
            equal(n(), 3.into()),
            Constraint::Related(half.add(&(-1).into()), Relation::AtLeast, Expr::symbol("m").mul(&n())),
            Constraint::Multiple(n().add(&1.into()), 4),
            Constraint::Multiple(n(), 4),
        ] {
            assert_eq!(Constraint::parse(&constraint.to_string()), Some(constraint.clone()), "{constraint}");
        }
    }

    #[test]
    fn a_constraint_holds_or_not_or_is_not_known() {
        let mut bindings = Bindings::new();
        assert_eq!(equal(n(), 3.into()).holds(&bindings), None);
        bindings.bind("n", 8).unwrap();
        assert_eq!(equal(n(), 3.into()).holds(&bindings), Some(false));
        assert_eq!(Constraint::Multiple(n(), 4).holds(&bindings), Some(true));
    }
}
