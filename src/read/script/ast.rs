//! The syntax of TorchScript: the small part of Python that its printer writes.

use crate::read::aten::AtenOperator;
use std::sync::{Arc, OnceLock};

/// How deeply expressions and blocks may nest; torch's own code stays below 20.
pub(super) const MAX_NESTING: usize = 100;

/// A line of the source, from 1.
pub(crate) type LineNumber = u32;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AstExpr {
    Name(Arc<str>),
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// A real number times i.
    Imaginary(f64),
    Str(Arc<str>),
    /// `self.weight`, `torch.add`
    Attribute(Box<AstExpr>, Arc<str>),
    /// `xs[0]`, `List[int]`
    Index(Box<AstExpr>, Box<AstExpr>),
    Call(Box<CallExpr>),
    List(Vec<AstExpr>),
    Tuple(Vec<AstExpr>),
    Dict(Vec<(AstExpr, AstExpr)>),
    /// A named tuple as a type: its fields with theirs.
    Fields(Vec<(Arc<str>, AstExpr)>),
    /// `-x`, `not x`, `~x`
    Unary(&'static str, Box<AstExpr>),
    /// `a + b`, `a < b`, `a and b`
    Binary(&'static str, Box<(AstExpr, AstExpr)>),
    /// `a if c else b`: the condition, then, else.
    Either(Box<(AstExpr, AstExpr, AstExpr)>),
}

/// A call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CallExpr {
    pub(crate) callee: AstExpr,
    pub(crate) positional: Vec<AstExpr>,
    pub(crate) named: Vec<(Arc<str>, AstExpr)>,
    pub(crate) line: LineNumber,
    /// The operator of torch that the callee names, looked up at the first run that comes here.
    pub(crate) operator: OnceLock<Option<&'static AtenOperator>>,
}

/// A statement with its line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Statement {
    pub(crate) line: LineNumber,
    pub(crate) kind: StatementKind,
}

/// What a statement does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum StatementKind {
    /// `a, b, = f(x)`, `xs[0] = y`: the target is a name, an index, or a tuple of those.
    Assign(AstExpr, AstExpr),
    /// `n : int`, without a value.
    Declare,
    Expr(AstExpr),
    Return(Option<AstExpr>),
    If(AstExpr, Vec<Statement>, Vec<Statement>),
    While(AstExpr, Vec<Statement>),
    For(AstExpr, AstExpr, Vec<Statement>),
    /// `with manager as x:`
    With(AstExpr, Option<AstExpr>, Vec<Statement>),
    Assert(AstExpr, Option<AstExpr>),
    Raise(Option<AstExpr>),
    Pass,
    Break,
    Continue,
}

/// A function.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FunctionDef {
    pub(crate) name: Arc<str>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) body: Vec<Statement>,
    /// The file that it stands in.
    pub(crate) file: Arc<str>,
}

/// A parameter of a function, with its declared type and its default.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parameter {
    pub(crate) name: Arc<str>,
    pub(crate) kind: Option<AstExpr>,
    pub(crate) default: Option<AstExpr>,
}

/// A class: its methods, and the members that it has as an enumeration.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ClassDef {
    pub(crate) methods: Vec<Arc<FunctionDef>>,
    pub(crate) members: Vec<(Arc<str>, AstExpr)>,
    /// The fields with their types, where it is a named tuple.
    pub(crate) fields: Option<Vec<(Arc<str>, AstExpr)>>,
}

/// `torch.add` of an expression that is names and dots.
pub(super) fn dotted(expr: &AstExpr) -> Option<String> {
    match expr {
        AstExpr::Name(name) => Some(name.to_string()),
        AstExpr::Attribute(base, name) => Some(format!("{}.{name}", dotted(base)?)),
        _ => None,
    }
}
