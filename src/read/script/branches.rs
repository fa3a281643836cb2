//! What the branches and loops of TorchScript are: how often a loop runs, and which branches only raise an error.

use super::ast::{AstExpr, Statement, StatementKind, dotted};
use crate::array::DType;
use crate::error::{Error, ErrorCode, Result};
use crate::tensor::{Tensor, location};

/// What the message of an error begins with that the program raises.
pub(super) const RAISED: &str = "the program raises an error: ";

/// How often a loop runs.
pub(super) enum Trips<'a> {
    /// As long as a condition holds; whether it does now.
    While(Tensor, &'a AstExpr),
    /// So many times, for the integers from a start on, which a target gets.
    Count { limit: Tensor, start: Tensor, target: &'a AstExpr },
}

/// Whether a block always ends with an error of the program.
pub(super) fn raises(block: &[Statement]) -> bool {
    block.iter().any(|statement| match &statement.kind {
        StatementKind::Raise(_) => true,
        StatementKind::Expr(AstExpr::Call(call)) => dotted(&call.callee).is_some_and(|path| path == "ops.prim.RaiseException"),
        StatementKind::If(_, then, otherwise) => raises(then) && raises(otherwise),
        StatementKind::With(_, _, body) => raises(body),
        _ => false,
    })
}

/// Whether an error is one that the program raises.
pub(super) fn is_raised(error: &Error) -> bool {
    error.code() == ErrorCode::Argument && error.message().starts_with(RAISED)
}

/// Requires that a condition is this one, or else the program raises this error: now, where the example says so.
pub(super) fn required(condition: &Tensor, holds: bool, error: Error, line: &str) -> Result<()> {
    if let Some(array) = condition.value()
        && (array.item()?.to_f64() != 0.0) != holds
    {
        return Err(error.at(line));
    }
    let _line = location::line(line);
    crate::tensor::guard::required(&condition.cast(DType::Bool)?, holds, error.message())
}
