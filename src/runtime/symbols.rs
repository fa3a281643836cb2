//! Sizes that tract's plan does not know: its symbols as ours, and ours as its.

use crate::dim::{Dim, Expr, Shape, Step};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::sync::Arc;
use tract_onnx::tract_hir::internal::{SymbolScope, TDim};

/// What our symbols stand for in tract's plan, seen from one node.
pub(super) struct SymbolMap<'a> {
    scope: &'a SymbolScope,
    node: &'a str,
    known: BTreeMap<Arc<str>, TDim>,
}

impl<'a> SymbolMap<'a> {
    pub(super) fn new(scope: &'a SymbolScope, node: &'a str) -> SymbolMap<'a> {
        SymbolMap { scope, node, known: BTreeMap::new() }
    }

    /// A size of tract's as one of ours: a number, or a symbol for the whole expression.
    pub(super) fn ours(&mut self, length: &TDim) -> Dim {
        if let Some(n) = length.as_i64() {
            return Dim::Fixed(n);
        }
        let name: Arc<str> = length.to_string().into();
        self.known.insert(name.clone(), length.clone());
        Dim::new(Expr::symbol(&name), None)
    }

    /// Learns what the symbols of a shape stand for.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where a size that is known is another.
    pub(super) fn observe(&mut self, ours: &Shape, theirs: &[TDim]) -> Result<()> {
        let differs = || Error::shape(format!("the plan is for {ours}, got {theirs:?}"));
        if ours.rank() != theirs.len() {
            return Err(differs());
        }
        for (dim, length) in ours.iter().zip(theirs) {
            match dim.expr().as_symbol() {
                Some(symbol) => drop(self.known.insert(symbol.clone(), length.clone())),
                None if dim.fixed() != length.as_i64() => return Err(differs()),
                None => {}
            }
        }
        Ok(())
    }

    /// A size of ours as tract's. What stands for nothing in the plan is a symbol that the node makes.
    pub(super) fn theirs(&self, dim: &Dim) -> TDim {
        let expr = dim.expr();
        self.built(&expr).unwrap_or_else(|| self.scope.sym(&format!("{}.{}", self.node, dim)).into())
    }

    fn built(&self, expr: &Expr) -> Option<TDim> {
        Some(match expr.step() {
            Step::Number(n) => n.into(),
            Step::Symbol(symbol) => match self.known.get(&symbol) {
                Some(length) => length.clone(),
                None => self.scope.sym(&format!("{}.{symbol}", self.node)).into(),
            },
            Step::Sum(terms) => terms.iter().map(|term| self.built(term)).sum::<Option<TDim>>()?,
            Step::Product(factors) => factors.iter().map(|factor| self.built(factor)).product::<Option<TDim>>()?,
            Step::Floor(a, b) => match (a.is_nonnegative(), b.number()) {
                (true, Some(b)) if b > 0 => self.built(&a)? / b as u64,
                _ => return None,
            },
            Step::Min(..) | Step::Max(..) => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_go_there_and_back() {
        let scope = SymbolScope::default();
        let n: TDim = scope.sym("n").into();
        let mut symbols = SymbolMap::new(&scope, "node");
        let ours = symbols.ours(&n);
        assert_eq!(symbols.theirs(&(&ours * 2 + 1i64)), n.clone() * 2 + 1);
        assert_eq!(symbols.ours(&3.into()), Dim::Fixed(3));
        assert_eq!(symbols.theirs(&(&ours / 2i64)), n / 2u64);
        assert_eq!(symbols.theirs(&Dim::new(Expr::symbol("data0"), None)).to_string(), "node.data0");
    }

    #[test]
    fn a_shape_that_was_recorded_holds_for_no_other() {
        let scope = SymbolScope::default();
        let mut symbols = SymbolMap::new(&scope, "node");
        let shape = Shape::new(vec![Dim::Fixed(2), Dim::new(Expr::symbol("n"), None)]);
        assert!(symbols.observe(&shape, &[2.into(), 5.into()]).is_ok());
        assert_eq!(symbols.theirs(&shape[1]), 5.into());
        assert_eq!(symbols.observe(&shape, &[3.into(), 5.into()]).unwrap_err().code(), crate::ErrorCode::Shape);
    }
}
