//! From tokens to syntax, by recursive descent with a bound on the depth.

use super::ast::{AstExpr, CallExpr, ClassDef, FunctionDef, LineNumber, MAX_NESTING, Parameter, Statement, StatementKind};
use super::lexer::{Token, tokens};
use crate::error::{Error, Result};
use std::sync::{Arc, OnceLock};

/// How many attributes, calls and operators one statement may chain: each makes its tree one higher, and what walks the
/// tree must not overflow its stack. Torch breaks statements long before.
const LINKS: usize = 500;

/// What a source file defines, in order: classes by name, and functions.
#[derive(Debug, Default)]
pub(crate) struct SourceFile {
    pub(crate) classes: Vec<(Arc<str>, ClassDef)>,
    pub(crate) functions: Vec<Arc<FunctionDef>>,
}

/// Reads a source file.
///
/// # Errors
/// [`Damaged`](crate::ErrorCode::Damaged) or [`TooDeep`](crate::ErrorCode::TooDeep) with the line.
pub(crate) fn parse(file: &str, text: &str) -> Result<SourceFile> {
    let parse = || {
        let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0, links: 0, file: file.into() };
        parser.source().map_err(|error| error.at(format!("line {}", parser.line())))
    };
    parse().map_err(|error| error.at(file))
}

struct Parser {
    tokens: Vec<(Token, LineNumber)>,
    at: usize,
    depth: usize,
    /// The links of this statement so far.
    links: usize,
    file: Arc<str>,
}

/// The binary operators, by how tightly they bind, loosest first.
const BINARY: &[&[&str]] =
    &[&["or"], &["and"], &["==", "!=", "<=", ">=", "<", ">", "in", "is"], &["|"], &["^"], &["&"], &["+", "-"], &["*", "/", "//", "%", "@"]];

impl Parser {
    fn line(&self) -> LineNumber {
        self.tokens.get(self.at.min(self.tokens.len().saturating_sub(1))).map_or(0, |token| token.1)
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|token| &token.0)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).map(|token| token.0.clone());
        self.at += 1;
        token
    }

    fn is(&self, mark: &str) -> bool {
        match self.peek() {
            Some(Token::Mark(m)) => *m == mark,
            Some(Token::Name(name)) => **name == *mark,
            _ => false,
        }
    }

    fn take(&mut self, mark: &str) -> bool {
        let is = self.is(mark);
        self.at += usize::from(is);
        is
    }

    fn unexpected<T>(&self, wanted: &str) -> Result<T> {
        Err(Error::damaged(format!("expected {wanted}, got {:?}", self.peek())))
    }

    fn expect(&mut self, mark: &'static str) -> Result<()> {
        if self.take(mark) { Ok(()) } else { self.unexpected(mark) }
    }

    fn name(&mut self) -> Result<Arc<str>> {
        match self.peek() {
            Some(Token::Name(name)) => {
                let name = name.clone();
                self.at += 1;
                Ok(name)
            }
            _ => self.unexpected("a name"),
        }
    }

    /// Runs a part one level deeper.
    fn deeper<T>(&mut self, part: impl FnOnce(&mut Parser) -> Result<T>) -> Result<T> {
        if self.depth >= MAX_NESTING {
            return Err(Error::too_deep(format!("more than {MAX_NESTING} levels of nesting")));
        }
        self.depth += 1;
        let result = part(self);
        self.depth -= 1;
        result
    }

    fn source(&mut self) -> Result<SourceFile> {
        let mut source = SourceFile::default();
        while self.peek().is_some() {
            if matches!(self.peek(), Some(Token::Newline)) {
                self.at += 1;
            } else if self.take("class") {
                source.classes.push(self.class()?);
            } else if self.is("def") {
                source.functions.push(Arc::new(self.function()?));
            } else if self.take("op_version_set") {
                // The first archives say the version of the operators in each file too; torch reads the one of the archive.
                while !matches!(self.next(), Some(Token::Newline) | None) {}
            } else {
                return self.unexpected("class or def");
            }
        }
        Ok(source)
    }

    fn class(&mut self) -> Result<(Arc<str>, ClassDef)> {
        let name = self.name()?;
        let mut class = ClassDef::default();
        if self.take("(") {
            while !self.take(")") {
                if self.expression()? == AstExpr::Name("NamedTuple".into()) {
                    class.fields = Some(Vec::new());
                }
                self.take(",");
            }
        }
        self.expect(":")?;
        if !matches!(self.next(), Some(Token::Newline)) || !matches!(self.next(), Some(Token::Indent)) {
            return self.unexpected("a block");
        }
        loop {
            match self.peek() {
                Some(Token::Dedent) => {
                    self.at += 1;
                    return Ok((name, class));
                }
                Some(Token::Newline) => self.at += 1,
                None => return Ok((name, class)),
                _ if self.is("def") => class.methods.push(Arc::new(self.function()?)),
                _ if let Some(fields) = &mut class.fields => {
                    let name = self.name()?;
                    self.expect(":")?;
                    fields.push((name, self.expression()?));
                    if self.take("=") {
                        self.expression()?;
                    }
                }
                // Other attributes say nothing that the pickled object does not.
                _ => {
                    if let StatementKind::Assign(AstExpr::Name(name), value) = self.statement()?.kind
                        && matches!(value, AstExpr::Str(_) | AstExpr::Int(_) | AstExpr::Float(_) | AstExpr::Bool(_))
                    {
                        class.members.push((name, value));
                    }
                }
            }
        }
    }

    fn function(&mut self) -> Result<FunctionDef> {
        self.expect("def")?;
        let name = self.name()?;
        self.expect("(")?;
        let mut parameters = Vec::new();
        while !self.take(")") {
            if !self.take("*") {
                let name = self.name()?;
                let kind = if self.take(":") { Some(self.expression()?) } else { None };
                let default = if self.take("=") { Some(self.expression()?) } else { None };
                parameters.push(Parameter { name, kind, default });
            }
            if !self.take(",") && !self.is(")") {
                return self.unexpected("`,` or `)`");
            }
        }
        if self.take("->") {
            self.expression()?;
        }
        let body = self.block()?;
        Ok(FunctionDef { name, parameters, body, file: self.file.clone() })
    }

    fn block(&mut self) -> Result<Vec<Statement>> {
        self.deeper(|parser| {
            parser.expect(":")?;
            if !matches!(parser.peek(), Some(Token::Newline)) {
                return Ok(vec![parser.statement()?]);
            }
            parser.at += 1;
            if !matches!(parser.next(), Some(Token::Indent)) {
                return parser.unexpected("a block");
            }
            let mut statements = Vec::new();
            loop {
                match parser.peek() {
                    Some(Token::Dedent) => {
                        parser.at += 1;
                        return Ok(statements);
                    }
                    Some(Token::Newline) => parser.at += 1,
                    None => return Ok(statements),
                    _ => statements.push(parser.statement()?),
                }
            }
        })
    }

    /// Counts a link of the statement.
    fn link(&mut self) -> Result<()> {
        self.links += 1;
        if self.links > LINKS {
            Err(Error::too_deep(format!("a statement with more than {LINKS} chained calls and operators")))
        } else {
            Ok(())
        }
    }

    fn statement(&mut self) -> Result<Statement> {
        self.links = 0;
        let line = self.line();
        let kind = self.statement_kind()?;
        let compound = matches!(kind, StatementKind::If(..) | StatementKind::While(..) | StatementKind::For(..) | StatementKind::With(..));
        if !compound && !matches!(self.peek(), None | Some(Token::Newline | Token::Dedent)) {
            return self.unexpected("the end of the line");
        }
        Ok(Statement { line, kind })
    }

    fn statement_kind(&mut self) -> Result<StatementKind> {
        if self.take("return") {
            let value = if matches!(self.peek(), Some(Token::Newline)) { None } else { Some(self.tuple()?) };
            return Ok(StatementKind::Return(value));
        }
        if self.take("if") {
            return self.conditional();
        }
        if self.take("while") {
            let condition = self.expression()?;
            return Ok(StatementKind::While(condition, self.block()?));
        }
        if self.take("for") {
            let target = self.postfix()?;
            self.expect("in")?;
            let over = self.expression()?;
            return Ok(StatementKind::For(target, over, self.block()?));
        }
        if self.take("with") {
            let manager = self.expression()?;
            let target = if self.take("as") { Some(self.postfix()?) } else { None };
            return Ok(StatementKind::With(manager, target, self.block()?));
        }
        if self.take("assert") {
            let condition = self.expression()?;
            let message = if self.take(",") { Some(self.expression()?) } else { None };
            return Ok(StatementKind::Assert(condition, message));
        }
        if self.take("raise") {
            let value = if matches!(self.peek(), Some(Token::Newline)) { None } else { Some(self.expression()?) };
            return Ok(StatementKind::Raise(value));
        }
        for (word, kind) in [("pass", StatementKind::Pass), ("break", StatementKind::Break), ("continue", StatementKind::Continue)] {
            if self.take(word) {
                return Ok(kind);
            }
        }
        let target = self.tuple()?;
        if self.take(":") {
            self.expression()?;
            if !self.take("=") {
                return Ok(StatementKind::Declare);
            }
            return Ok(StatementKind::Assign(target, self.tuple()?));
        }
        if self.take("=") {
            return Ok(StatementKind::Assign(target, self.tuple()?));
        }
        for (mark, op) in [("+=", "+"), ("-=", "-"), ("*=", "*"), ("/=", "/")] {
            if self.take(mark) {
                let value = self.tuple()?;
                return Ok(StatementKind::Assign(target.clone(), AstExpr::Binary(op, Box::new((target, value)))));
            }
        }
        Ok(StatementKind::Expr(target))
    }

    fn conditional(&mut self) -> Result<StatementKind> {
        let condition = self.expression()?;
        let then = self.block()?;
        while matches!(self.peek(), Some(Token::Newline)) {
            self.at += 1;
        }
        let line = self.line();
        let otherwise = if self.take("elif") {
            vec![Statement { line, kind: self.deeper(Parser::conditional)? }]
        } else if self.take("else") {
            self.block()?
        } else {
            Vec::new()
        };
        Ok(StatementKind::If(condition, then, otherwise))
    }

    /// Expressions separated by commas; one without a comma is itself.
    fn tuple(&mut self) -> Result<AstExpr> {
        let first = self.expression()?;
        if !self.is(",") {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.take(",") {
            if matches!(self.peek(), None | Some(Token::Newline)) || self.is("=") {
                break;
            }
            items.push(self.expression()?);
        }
        Ok(AstExpr::Tuple(items))
    }

    fn expression(&mut self) -> Result<AstExpr> {
        self.deeper(|parser| {
            let value = parser.binary(0)?;
            if !parser.take("if") {
                return Ok(value);
            }
            let condition = parser.binary(0)?;
            parser.expect("else")?;
            let otherwise = parser.expression()?;
            Ok(AstExpr::Either(Box::new((condition, value, otherwise))))
        })
    }

    fn binary(&mut self, level: usize) -> Result<AstExpr> {
        let Some(operators) = BINARY.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        while let Some(op) = operators.iter().find(|op| self.is(op)) {
            self.link()?;
            self.at += 1;
            let op = if *op == "is" && self.take("not") { "is not" } else { op };
            let right = self.binary(level + 1)?;
            left = AstExpr::Binary(op, Box::new((left, right)));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<AstExpr> {
        for op in ["-", "+", "~", "not"] {
            if self.take(op) {
                let operand = self.deeper(Parser::unary)?;
                return Ok(match (op, operand) {
                    ("-", AstExpr::Int(n)) => AstExpr::Int(n.wrapping_neg()),
                    ("-", AstExpr::Float(x)) => AstExpr::Float(-x),
                    ("+", operand) => operand,
                    (op, operand) => AstExpr::Unary(op, Box::new(operand)),
                });
            }
        }
        let base = self.postfix()?;
        if self.take("**") {
            let power = self.deeper(Parser::unary)?;
            return Ok(AstExpr::Binary("**", Box::new((base, power))));
        }
        Ok(base)
    }

    fn postfix(&mut self) -> Result<AstExpr> {
        let mut value = self.atom()?;
        loop {
            let line = self.line();
            if matches!(self.peek(), Some(Token::Mark("." | "(" | "["))) {
                self.link()?;
            }
            value = if self.take(".") {
                AstExpr::Attribute(Box::new(value), self.name()?)
            } else if self.take("(") {
                let (positional, named) = self.arguments()?;
                AstExpr::Call(Box::new(CallExpr { callee: value, positional, named, line, operator: OnceLock::new() }))
            } else if self.take("[") {
                let mut items = Vec::new();
                while !self.take("]") {
                    items.push(self.expression()?);
                    if !self.take(",") && !self.is("]") {
                        return self.unexpected("`,` or `]`");
                    }
                }
                let index = if items.len() == 1 { items.remove(0) } else { AstExpr::Tuple(items) };
                AstExpr::Index(Box::new(value), Box::new(index))
            } else {
                return Ok(value);
            };
        }
    }

    #[allow(clippy::type_complexity)]
    fn arguments(&mut self) -> Result<(Vec<AstExpr>, Vec<(Arc<str>, AstExpr)>)> {
        let (mut positional, mut named) = (Vec::new(), Vec::new());
        while !self.take(")") {
            let keyword = matches!((self.peek(), self.tokens.get(self.at + 1)), (Some(Token::Name(_)), Some((Token::Mark("="), _))));
            if keyword {
                let name = self.name()?;
                self.expect("=")?;
                named.push((name, self.expression()?));
            } else {
                positional.push(self.expression()?);
            }
            if !self.take(",") && !self.is(")") {
                return self.unexpected("`,` or `)`");
            }
        }
        Ok((positional, named))
    }

    fn atom(&mut self) -> Result<AstExpr> {
        let atom = match self.peek() {
            Some(Token::Name(name)) => match &**name {
                "None" => AstExpr::None,
                "True" => AstExpr::Bool(true),
                "False" => AstExpr::Bool(false),
                "inf" => AstExpr::Float(f64::INFINITY),
                "nan" => AstExpr::Float(f64::NAN),
                "if" | "else" | "for" | "in" | "def" | "class" | "return" => return self.unexpected("an expression"),
                _ => AstExpr::Name(name.clone()),
            },
            Some(Token::Int(n)) => AstExpr::Int(*n),
            Some(Token::Float(x)) => AstExpr::Float(*x),
            Some(Token::Imaginary(x)) => AstExpr::Imaginary(*x),
            Some(Token::Str(text)) => AstExpr::Str(text.clone()),
            Some(Token::Mark(open @ ("(" | "[" | "{"))) => {
                let open = *open;
                self.at += 1;
                return self.deeper(|parser| parser.bracket(open));
            }
            _ => return self.unexpected("an expression"),
        };
        self.at += 1;
        // Strings that stand side by side are one.
        if let AstExpr::Str(first) = &atom {
            let mut text = first.to_string();
            while let Some(Token::Str(more)) = self.peek() {
                text.push_str(more);
                self.at += 1;
            }
            return Ok(AstExpr::Str(text.into()));
        }
        Ok(atom)
    }

    fn bracket(&mut self, open: &str) -> Result<AstExpr> {
        let close = match open {
            "(" => ")",
            "[" => "]",
            _ => "}",
        };
        let (mut items, mut entries, mut comma) = (Vec::new(), Vec::new(), false);
        while !self.take(close) {
            let item = self.expression()?;
            if close == "}" {
                self.expect(":")?;
                entries.push((item, self.expression()?));
            } else {
                items.push(item);
            }
            comma = self.take(",");
            if !comma && !self.is(close) {
                return self.unexpected("`,` or a closing bracket");
            }
        }
        Ok(match close {
            ")" if items.len() == 1 && !comma => items.remove(0),
            ")" => AstExpr::Tuple(items),
            "]" => AstExpr::List(items),
            _ => AstExpr::Dict(entries),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> Vec<Statement> {
        let source = parse("x.py", &format!("def f(x: Tensor) -> Tensor:\n{text}")).unwrap();
        source.functions[0].body.clone()
    }

    #[test]
    fn a_traced_module_is_read() {
        let text = "class Conv2d(Module):\n  __parameters__ = [\"weight\", ]\n  __annotations__[\"0\"] = __torch__.a.B\n  weight : Tensor\n  def forward(self: __torch__.Conv2d,\n    x: Tensor) -> Tensor:\n    weight = self.weight\n    input = torch._convolution(x, weight, None, [2, 2], groups=-1, eps=1.0000000000000001e-05)\n    return (input).forward(x, )\n";
        let source = parse("x.py", text).unwrap();
        let method = &source.classes[0].1.methods[0];
        assert_eq!((&*source.classes[0].0, &*method.name, method.parameters.len(), method.body.len()), ("Conv2d", "forward", 2, 3));
        let StatementKind::Assign(_, AstExpr::Call(call)) = &method.body[1].kind else { panic!() };
        assert_eq!((call.positional.len(), call.named.len(), call.line), (4, 2, 8));
        assert_eq!(call.named[0].1, AstExpr::Int(-1));
    }

    #[test]
    fn tuples_unpack_with_and_without_a_last_comma() {
        let statements = body("  a, b, = f(x)\n  c = (a,)\n  return -inf\n");
        assert!(matches!(&statements[0].kind, StatementKind::Assign(AstExpr::Tuple(items), _) if items.len() == 2));
        assert!(matches!(&statements[1].kind, StatementKind::Assign(_, AstExpr::Tuple(items)) if items.len() == 1));
        assert!(matches!(&statements[2].kind, StatementKind::Return(Some(AstExpr::Float(x))) if *x == f64::NEG_INFINITY));
    }

    #[test]
    fn scripted_control_flow_is_read() {
        let statements = body(
            "  for i in range(3):\n    x = torch.add(x, i)\n  while bool(x):\n    pass\n  if torch.gt(x, 0):\n    y = x\n  else:\n    y = d[\"k\"]\n  return y\n",
        );
        assert!(matches!(statements[0].kind, StatementKind::For(..)));
        assert!(matches!(statements[1].kind, StatementKind::While(..)));
        let managed = body("  with m:\n    y = x\n  with (self).m() as a:\n    y = a\n  return y\n");
        assert!(matches!(&managed[0].kind, StatementKind::With(_, None, body) if body.len() == 1));
        assert!(matches!(&managed[1].kind, StatementKind::With(AstExpr::Call(_), Some(AstExpr::Name(_)), _)));
        assert!(matches!(&statements[2].kind, StatementKind::If(_, then, otherwise) if then.len() == 1 && otherwise.len() == 1));
    }

    #[test]
    fn nesting_and_nonsense_are_refused_with_the_line() {
        let deep = format!("def f():\n  return {}x{}\n", "(".repeat(100_000), ")".repeat(100_000));
        assert_eq!(parse("x.py", &deep).unwrap_err().code(), crate::ErrorCode::TooDeep);
        let long = format!("def f():\n  return x{}\n", ".a".repeat(100_000));
        assert_eq!(parse("x.py", &long).unwrap_err().code(), crate::ErrorCode::TooDeep);
        for text in ["def f(:\n  pass", "def f():\n  return ]", "x = \"", "def f():\n    a = 1\n  b = 2", "\0", "def f():\n  a = 1e"] {
            let error = parse("x.py", text).unwrap_err();
            assert!(error.locations().any(|location| location.starts_with("line")), "{text:?}: {error}");
        }
    }
}
