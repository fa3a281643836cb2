//! Axis sizes that remember where they came from.

mod array;
mod bind;
mod bounds;
mod constraint;
mod expr;
mod parse;
mod shape;
mod solver;

pub use array::DimArray;
pub use bind::{Bindings, Sizes};
pub use bounds::SizeRange;
pub use constraint::{Constraint, Relation};
pub use expr::{Expr, Step};
pub(crate) use parse::is_symbol;
pub(crate) use shape::axis;
pub use shape::{Shape, Type};
pub use solver::Constraints;
pub(crate) use solver::{Assumptions, leave_a_choice};

use crate::error::Error;
use std::fmt;
use std::ops;
use std::sync::Arc;

/// The size of an axis: a number, or an expression over the symbolic sizes of the inputs.
///
/// Arithmetic on sizes stays symbolic, so that a shape computed from an input's shape is right at every size.
/// A `Dim` is deliberately no `usize`: the only way to an integer is `ontrace::concrete`, which adds a guard.
#[derive(Clone)]
pub enum Dim {
    /// The same number at every call.
    Fixed(i64),
    /// An expression, and what it is for the example.
    Symbolic(Arc<Symbolic>),
}

/// The most axes of a tensor: four times as many as torch and numpy allow.
pub(crate) const MOST_AXES: usize = 256;

/// The refusal of a tensor of more axes than [`MOST_AXES`].
pub(crate) fn too_many_axes(rank: usize) -> Error {
    Error::too_big(format!("a tensor of {rank} axes: at most {MOST_AXES} are supported"))
}

/// What the symbols begin with that [`Dim::of_data`] makes: no name that a user can give.
const OF_DATA: &str = "?";

/// What the symbols of sizes that depend on data begin with, once they have a name; a number follows.
pub(crate) const DATA: &str = "data";
/// What the symbols begin with that stand for the value of a scalar of the graph, an index or a count; a number follows.
pub(crate) const VALUE: &str = "value";

/// Whether a symbol is one that a trace made, with this prefix.
fn is_made(symbol: &str, prefix: &str) -> bool {
    symbol.strip_prefix(prefix).is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a symbol stands for the value of a scalar of the graph, which may be negative; any other is the size of an axis.
pub(crate) fn is_value(symbol: &str) -> bool {
    is_made(symbol, VALUE)
}

/// Whether a name is one that a trace gives to what depends on data: no axis of an input can have it.
pub(crate) fn is_reserved(symbol: &str) -> bool {
    is_made(symbol, DATA) || is_made(symbol, VALUE)
}

/// A symbolic size.
#[derive(Debug)]
pub struct Symbolic {
    expr: Expr,
    seen: Option<i64>,
}

impl Dim {
    /// The symbol of this name, which has size `seen` in the example.
    pub fn symbol(name: &str, seen: usize) -> Dim {
        Dim::new(Expr::symbol(name), Some(seen as i64))
    }

    /// A size that depends on data, the `i`-th of one operator: `apply` gives it a name of its own.
    pub fn of_data(i: usize) -> Dim {
        Dim::new(Expr::symbol(&format!("{OF_DATA}{i}")), None)
    }

    /// As [`Dim::of_data`], with what the size probably is in the example.
    pub(crate) fn of_data_near(i: usize, guess: Option<i64>) -> Dim {
        Dim::new(Expr::symbol(&format!("{OF_DATA}{i}")), guess)
    }

    /// Whether it is computed from values of scalars of the graph: it may be negative, and is not known before a call runs.
    pub fn depends_on_values(&self) -> bool {
        self.is_symbolic() && self.expr().any_symbol(&is_value)
    }

    /// Whether the size depends on data and has no name yet.
    pub(crate) fn is_unnamed(&self) -> bool {
        self.is_symbolic() && self.expr().as_symbol().is_some_and(|symbol| symbol.starts_with(OF_DATA))
    }

    /// The size that this expression gives, `seen` in the example if that is known.
    pub fn new(expr: Expr, seen: Option<i64>) -> Dim {
        match expr.number() {
            Some(n) => Dim::Fixed(n),
            None => Dim::Symbolic(Arc::new(Symbolic { expr, seen })),
        }
    }

    /// The number, if it is the same at every call.
    pub fn fixed(&self) -> Option<i64> {
        match self {
            Dim::Fixed(n) => Some(*n),
            Dim::Symbolic(_) => None,
        }
    }

    /// Whether the size differs from call to call.
    pub fn is_symbolic(&self) -> bool {
        self.fixed().is_none()
    }

    /// What the size is in the example. Branching on it makes the graph valid for the example only: use `ontrace::concrete`, which records that.
    pub fn example(&self) -> Option<i64> {
        match self {
            Dim::Fixed(n) => Some(*n),
            Dim::Symbolic(symbolic) => symbolic.seen,
        }
    }

    /// The expression.
    pub fn expr(&self) -> Expr {
        match self {
            Dim::Fixed(n) => Expr::from(*n),
            Dim::Symbolic(symbolic) => symbolic.expr.clone(),
        }
    }

    /// What an operation makes of two sizes: of their values in the example by `values`, of their expressions by `exprs`.
    fn combine(&self, other: &Dim, values: fn(i64, i64) -> i64, exprs: fn(&Expr, &Expr) -> Expr) -> Dim {
        if let (Dim::Fixed(a), Dim::Fixed(b)) = (self, other) {
            return Dim::Fixed(values(*a, *b));
        }
        let seen = self.example().zip(other.example()).map(|(a, b)| values(a, b));
        Dim::new(exprs(&self.expr(), &other.expr()), seen)
    }

    /// The quotient rounded up; by zero it is 0.
    pub fn ceil_div(&self, divisor: impl Into<Dim>) -> Dim {
        -(-self / divisor.into())
    }

    /// The smaller of two sizes.
    pub fn min(&self, other: impl Into<Dim>) -> Dim {
        self.combine(&other.into(), i64::min, Expr::minimum)
    }

    /// The larger of two sizes.
    pub fn max(&self, other: impl Into<Dim>) -> Dim {
        self.combine(&other.into(), i64::max, Expr::maximum)
    }

    /// Whether the sizes are equal: at every value of their symbols, or under these constraints, which may assume it because it holds in
    /// the example.
    pub fn agrees(&self, other: &Dim, constraints: &Constraints) -> bool {
        self == other || constraints.equal(self, other)
    }

    /// Whether this size agrees with another, or is one that the data of a call gives: then the operator checks it in each call.
    pub fn fits(&self, other: &Dim, constraints: &Constraints) -> bool {
        let seen = || self.example().zip(other.example()).is_none_or(|(a, b)| a == b);
        self.agrees(other, constraints) || (self.depends_on_values() && seen())
    }

    /// The quotient where the division is exact: at every value of the symbols, or under these constraints, which may assume it because it
    /// holds in the example.
    pub fn div_exact(&self, divisor: &Dim, constraints: &Constraints) -> Option<Dim> {
        let expr = constraints.quotient(self, divisor)?;
        let seen = self.example().zip(divisor.example()).and_then(|(a, b)| a.checked_div(b));
        Some(Dim::new(expr, seen))
    }
}

impl PartialEq for Dim {
    /// Whether the sizes are equal at every size.
    fn eq(&self, other: &Dim) -> bool {
        match (self, other) {
            (Dim::Fixed(a), Dim::Fixed(b)) => a == b,
            (Dim::Symbolic(a), Dim::Symbolic(b)) => a.expr == b.expr,
            _ => false,
        }
    }
}

impl Eq for Dim {}

impl PartialEq<i64> for Dim {
    fn eq(&self, other: &i64) -> bool {
        self.fixed() == Some(*other)
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dim::Fixed(n) => write!(f, "{n}"),
            Dim::Symbolic(symbolic) => write!(f, "{}", symbolic.expr),
        }
    }
}

impl fmt::Debug for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.is_symbolic(), self.example()) {
            (true, Some(seen)) => write!(f, "{self}={seen}"),
            _ => write!(f, "{self}"),
        }
    }
}

impl From<i64> for Dim {
    fn from(n: i64) -> Dim {
        Dim::Fixed(n)
    }
}

impl From<i32> for Dim {
    fn from(n: i32) -> Dim {
        Dim::Fixed(i64::from(n))
    }
}

impl From<usize> for Dim {
    fn from(n: usize) -> Dim {
        Dim::Fixed(n as i64)
    }
}

impl From<&Dim> for Dim {
    fn from(dim: &Dim) -> Dim {
        dim.clone()
    }
}

/// The operators on sizes, for values and references alike.
macro_rules! operators {
    ($($Op:ident $op:ident $values:expr, $exprs:expr;)*) => {
        $(impl<T: Into<Dim>> ops::$Op<T> for &Dim {
            type Output = Dim;
            fn $op(self, other: T) -> Dim { self.combine(&other.into(), $values, $exprs) }
        }
        impl<T: Into<Dim>> ops::$Op<T> for Dim {
            type Output = Dim;
            fn $op(self, other: T) -> Dim { (&self).$op(other) }
        })*
    };
}

operators! {
    Add add i64::saturating_add, Expr::add;
    Sub sub |a, b| a.saturating_add(b.saturating_neg()), |a, b| a.add(&b.neg());
    Mul mul i64::saturating_mul, Expr::mul;
    Div div expr::floor_div, Expr::floor_div;
    Rem rem |a, b| a.saturating_sub(expr::floor_div(a, b).saturating_mul(b)), Expr::modulo;
}

impl ops::Neg for &Dim {
    type Output = Dim;
    fn neg(self) -> Dim {
        self * -1i64
    }
}

impl ops::Neg for Dim {
    type Output = Dim;
    fn neg(self) -> Dim {
        -&self
    }
}

impl std::iter::Product for Dim {
    fn product<I: Iterator<Item = Dim>>(dims: I) -> Dim {
        dims.fold(Dim::Fixed(1), |a, b| a * b)
    }
}

impl std::iter::Sum for Dim {
    fn sum<I: Iterator<Item = Dim>>(dims: I) -> Dim {
        dims.fold(Dim::Fixed(0), |a, b| a + b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_keeps_the_symbol_and_the_example() {
        let n = Dim::symbol("n", 5);
        let d = (&n + 1i64).ceil_div(2) * 3;
        assert_eq!(d.example(), Some(9));
        assert_eq!((&n - &n).fixed(), Some(0));
        assert_eq!(format!("{:?}", &n * 2), "2*n=10");
    }

    #[test]
    fn a_symbol_is_not_its_example() {
        assert_ne!(Dim::symbol("n", 5), Dim::Fixed(5));
        assert_eq!(Dim::symbol("n", 5), Dim::symbol("n", 7));
    }
}
