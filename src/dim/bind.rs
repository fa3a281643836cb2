//! From symbols to numbers: what the sizes are in one call.

use super::{Dim, Expr, Shape};
use crate::error::{Error, Result, ResultExt};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

/// The number that each symbol stands for in one call.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bindings(BTreeMap<Arc<str>, i64>);

impl Bindings {
    /// Nothing bound yet.
    pub fn new() -> Bindings {
        Bindings::default()
    }

    /// Binds a symbol.
    ///
    /// # Errors
    /// [`Size`](crate::ErrorCode::Size) where it already stands for another number.
    pub fn bind(&mut self, symbol: &str, n: i64) -> Result<()> {
        match self.0.insert(symbol.into(), n) {
            Some(before) if before != n => Err(Error::size(format!("`{symbol}` is {before} and {n} in one call"))),
            _ => Ok(()),
        }
    }

    /// Takes over what the symbols stand for around this call that mean nothing in it yet.
    pub fn inherit(&mut self, outer: &Bindings) {
        for (symbol, n) in &outer.0 {
            self.0.entry(symbol.clone()).or_insert(*n);
        }
    }

    /// Learns from the inputs of a call: of each its name, its declared shape and the sizes that came.
    ///
    /// # Errors
    /// [`Input`](crate::ErrorCode::Input) where ranks or sizes differ, [`Size`](crate::ErrorCode::Size) where a symbol stands for two numbers;
    /// both name the input.
    pub fn of<'a, N: Display>(inputs: impl Iterator<Item = (N, &'a Shape, &'a [usize])> + Clone) -> Result<Bindings> {
        let mut bindings = Bindings::new();
        fn input<N: Display>(name: &N) -> impl Display {
            std::fmt::from_fn(move |f| write!(f, "input {name}"))
        }
        for (name, declared, sizes) in inputs.clone() {
            if declared.rank() != sizes.len() {
                return Err(refused(declared, sizes).at(input(&name)));
            }
            for (dim, &size) in declared.iter().zip(sizes) {
                if let Dim::Symbolic(symbolic) = dim
                    && let Some(symbol) = symbolic.expr.as_symbol()
                {
                    bindings.bind(symbol, size as i64).at(input(&name))?;
                }
            }
        }
        for (name, declared, sizes) in inputs {
            for (dim, &size) in declared.iter().zip(sizes) {
                let expected = match dim {
                    Dim::Fixed(n) => Some(*n),
                    Dim::Symbolic(symbolic) if symbolic.expr.as_symbol().is_some() => continue,
                    Dim::Symbolic(symbolic) => bindings.eval(&symbolic.expr),
                };
                if expected.is_some_and(|n| n != size as i64) {
                    return Err(refused(declared, sizes).at(input(&name)));
                }
            }
        }
        Ok(bindings)
    }

    /// The number that a symbol stands for.
    pub fn get(&self, symbol: &str) -> Option<i64> {
        self.0.get(symbol).copied()
    }

    /// The value of an expression, where all its symbols are bound.
    pub fn eval(&self, expr: &Expr) -> Option<i64> {
        expr.eval(&|symbol| self.get(symbol))
    }

    /// The symbols and their numbers, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i64)> {
        self.0.iter().map(|(name, &n)| (&**name, n))
    }
}

fn refused(declared: &Shape, sizes: &[usize]) -> Error {
    Error::input(format!("expected shape {declared}, got {sizes:?}"))
}

/// Where a kernel finds the integers behind symbolic sizes.
#[derive(Clone, Copy, Debug)]
pub enum Sizes<'a> {
    /// As they are in the example: the function is running while it is traced.
    Example,
    /// As they are in this call: the traced graph is replayed.
    Bound(&'a Bindings),
}

impl Sizes<'_> {
    /// The number behind a size (or an index computed from sizes, which may be negative).
    ///
    /// # Errors
    /// [`NoValue`](crate::ErrorCode::NoValue) where it is not known here.
    pub fn of(&self, dim: &Dim) -> Result<i64> {
        // Most sizes are numbers, which need no expression.
        if let Dim::Fixed(n) = dim {
            return Ok(*n);
        }
        match self {
            Sizes::Example => dim.example(),
            Sizes::Bound(bindings) => bindings.eval(&dim.expr()),
        }
        .ok_or_else(|| Error::no_value(format!("the size `{dim}` is not known here")))
    }

    /// The integers behind a shape.
    ///
    /// # Errors
    /// [`NoValue`](crate::ErrorCode::NoValue) where one is not known, [`Shape`](crate::ErrorCode::Shape) where one is negative.
    pub fn shape(&self, dims: &[Dim]) -> Result<Vec<usize>> {
        let size = |dim| self.of(dim).and_then(|n| usize::try_from(n).map_err(|_| Error::shape(format!("an axis of size {n}"))));
        dims.iter().map(size).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_symbol_is_one_number_in_a_call() {
        let n = Dim::symbol("n", 2);
        let declared = Shape::new(vec![n.clone(), &n * 2]);
        let of = |sizes: &[usize]| Bindings::of([("x", &declared, sizes)].into_iter());
        assert_eq!(Sizes::Bound(&of(&[3, 6]).unwrap()).of(&(n + 1i64)).unwrap(), 4);
        let both = |first: &[usize], second: &[usize]| Bindings::of([("x", &declared, first), ("y", &declared, second)].into_iter());
        assert_eq!(both(&[3, 6], &[4, 8]).unwrap_err().code(), crate::ErrorCode::Size);
        assert_eq!(of(&[3, 7]).unwrap_err().code(), crate::ErrorCode::Input);
    }
}
