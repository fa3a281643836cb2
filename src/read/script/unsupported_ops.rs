//! What a program needs that we do not have: all of it at once, with counts and lines, before anything runs.

use super::ast::dotted;
use super::ast::{AstExpr, FunctionDef, Statement, StatementKind};
use super::{Program, ScriptModule, builtin};
use crate::error::{Error, ErrorCode};
use crate::read::aten;
use std::collections::BTreeMap;

/// How often an operator is called, and where first.
#[derive(Default)]
struct Use {
    count: usize,
    first: String,
}

/// The error of a program that calls operators without a translation: it names each.
pub(super) fn find(script: &ScriptModule) -> Option<Error> {
    let mut missing: BTreeMap<String, Use> = BTreeMap::new();
    let mut functions: Vec<&FunctionDef> = script.program.functions.values().map(|function| &**function).collect();
    functions.extend(script.program.classes.values().flat_map(|class| &class.methods).map(|method| &**method));
    functions.sort_by_key(|function| (function.file.clone(), function.name.clone()));
    for function in functions {
        let mut found = |name: String, line: u32| {
            let entry = missing.entry(name).or_default();
            entry.count += 1;
            if entry.first.is_empty() {
                entry.first = format!("{}:{line}", function.file);
            }
        };
        for statement in &function.body {
            walk(statement, &script.program, &mut found);
        }
    }
    if missing.is_empty() {
        return None;
    }
    let lines: Vec<String> = missing.iter().map(|(name, found)| format!("\n   {name:<32} ×{:<4} {}", found.count, found.first)).collect();
    let noun = if missing.len() == 1 { "1 operator has" } else { &format!("{} operators have", missing.len()) };
    Some(Error::new(ErrorCode::UnknownOperators, format!("{noun} no translation to ONNX{}", lines.concat())))
}

/// Whether every line of a program runs: none stands in a branch or a loop.
pub(super) fn is_straight(script: &ScriptModule) -> bool {
    let program = &script.program;
    let mut functions = program.functions.values().chain(program.classes.values().flat_map(|class| &class.methods));
    functions.all(|function| function.body.iter().all(runs))
}

fn runs(statement: &Statement) -> bool {
    match &statement.kind {
        StatementKind::If(..) | StatementKind::While(..) | StatementKind::For(..) => false,
        StatementKind::With(_, _, body) => body.iter().all(runs),
        _ => true,
    }
}

fn walk(statement: &Statement, program: &Program, found: &mut dyn FnMut(String, u32)) {
    let mut visit = |expr: &AstExpr| expression(expr, program, found);
    match &statement.kind {
        StatementKind::Assign(target, value) => {
            visit(target);
            visit(value);
        }
        StatementKind::Expr(value) | StatementKind::Return(Some(value)) => visit(value),
        StatementKind::If(condition, then, otherwise) => {
            visit(condition);
            then.iter().chain(otherwise).for_each(|statement| walk(statement, program, found));
        }
        StatementKind::While(condition, body) => {
            visit(condition);
            body.iter().for_each(|statement| walk(statement, program, found));
        }
        StatementKind::For(_, over, body) | StatementKind::With(over, _, body) => {
            visit(over);
            body.iter().for_each(|statement| walk(statement, program, found));
        }
        StatementKind::Assert(condition, _) => visit(condition),
        StatementKind::Raise(_)
        | StatementKind::Return(None)
        | StatementKind::Declare
        | StatementKind::Pass
        | StatementKind::Break
        | StatementKind::Continue => {}
    }
}

fn expression(expr: &AstExpr, program: &Program, found: &mut dyn FnMut(String, u32)) {
    match expr {
        AstExpr::Call(call) => {
            if let Some(path) = dotted(&call.callee) {
                let operator = path.strip_prefix("torch.").or_else(|| path.strip_prefix("ops."));
                if let Some(name) = operator.filter(|name| {
                    aten::resolve(name).is_none() && !builtin::NAMES.contains(&path.as_str()) && !program.functions.contains_key(&path)
                }) {
                    found(aten::full(name), call.line);
                }
            } else {
                expression(&call.callee, program, found);
            }
            call.positional.iter().chain(call.named.iter().map(|named| &named.1)).for_each(|argument| expression(argument, program, found));
        }
        AstExpr::Attribute(base, _) | AstExpr::Unary(_, base) => expression(base, program, found),
        AstExpr::Index(base, index) => {
            expression(base, program, found);
            expression(index, program, found);
        }
        AstExpr::List(items) | AstExpr::Tuple(items) => items.iter().for_each(|item| expression(item, program, found)),
        AstExpr::Dict(entries) => entries.iter().for_each(|(key, value)| {
            expression(key, program, found);
            expression(value, program, found);
        }),
        AstExpr::Binary(_, sides) => {
            expression(&sides.0, program, found);
            expression(&sides.1, program, found);
        }
        AstExpr::Either(parts) => {
            expression(&parts.0, program, found);
            expression(&parts.1, program, found);
            expression(&parts.2, program, found);
        }
        AstExpr::Fields(_)
        | AstExpr::Name(_)
        | AstExpr::None
        | AstExpr::Bool(_)
        | AstExpr::Int(_)
        | AstExpr::Float(_)
        | AstExpr::Imaginary(_)
        | AstExpr::Str(_) => {}
    }
}
