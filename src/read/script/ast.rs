//! The syntax of TorchScript: the small part of Python that its printer writes.

use crate::read::aten::Operator;
use std::sync::{Arc, OnceLock};

/// How deeply expressions and blocks may nest; torch's own code stays below 20.
pub(super) const MAX_NESTING: usize = 100;

/// A line of the source, from 1.
pub(crate) type LineNumber = u32;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    Name(Arc<str>),
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// A real number times i.
    Imaginary(f64),
    Str(Arc<str>),
    /// `self.weight`, `torch.add`
    Attribute(Box<Expr>, Arc<str>),
    /// `xs[0]`, `List[int]`
    Index(Box<Expr>, Box<Expr>),
    Call(Box<Call>),
    List(Vec<Expr>),
    Tuple(Vec<Expr>),
    Dict(Vec<(Expr, Expr)>),
    /// `-x`, `not x`, `~x`
    Unary(&'static str, Box<Expr>),
    /// `a + b`, `a < b`, `a and b`
    Binary(&'static str, Box<(Expr, Expr)>),
    /// `a if c else b`: the condition, then, else.
    Either(Box<(Expr, Expr, Expr)>),
}

/// A call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) callee: Expr,
    pub(crate) positional: Vec<Expr>,
    pub(crate) named: Vec<(Arc<str>, Expr)>,
    pub(crate) line: LineNumber,
    /// The operator of torch that the callee names, looked up at the first run that comes here.
    pub(crate) operator: OnceLock<Option<&'static Operator>>,
}

/// A statement with its line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Statement {
    pub(crate) line: LineNumber,
    pub(crate) kind: Kind,
}

/// What a statement does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// `a, b, = f(x)`, `xs[0] = y`: the target is a name, an index, or a tuple of those.
    Assign(Expr, Expr),
    /// `n : int`, without a value.
    Declare,
    Expr(Expr),
    Return(Option<Expr>),
    If(Expr, Vec<Statement>, Vec<Statement>),
    While(Expr, Vec<Statement>),
    For(Expr, Expr, Vec<Statement>),
    Assert(Expr, Option<Expr>),
    Raise(Option<Expr>),
    Pass,
    Break,
    Continue,
}

/// A function.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Function {
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
    pub(crate) kind: Option<Expr>,
    pub(crate) default: Option<Expr>,
}

/// A class: its methods, and the members that it has as an enumeration.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Class {
    pub(crate) methods: Vec<Arc<Function>>,
    pub(crate) members: Vec<(Arc<str>, Expr)>,
}
