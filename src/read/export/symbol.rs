//! Symbolic sizes as sympy spells them: `Mul(Integer(16), Symbol('s77', positive=True, integer=True))`.

use crate::dim::Dim;
use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// How deeply an expression may nest.
const DEEPEST: usize = 60;

/// What the symbols of a program were in its example.
pub(super) type Hints = BTreeMap<String, i64>;

/// Reads an expression.
///
/// # Errors
/// [`Damaged`](crate::ErrorCode::Damaged) for no expression, [`Unsupported`](crate::ErrorCode::Unsupported) for a function that sizes do not use.
pub(super) fn parse(text: &str, hints: &Hints) -> Result<Dim> {
    let mut reader = SymbolParser { rest: text.trim(), hints, whole: text };
    let dim = reader.expression(0)?;
    if reader.rest.trim().is_empty() { Ok(dim) } else { Err(reader.damaged()) }
}

/// The symbol that an expression is, if it is one alone.
pub(super) fn name(text: &str) -> Option<&str> {
    text.strip_prefix("Symbol('")?.split('\'').next()
}

struct SymbolParser<'a> {
    rest: &'a str,
    hints: &'a Hints,
    whole: &'a str,
}

impl<'a> SymbolParser<'a> {
    fn damaged(&self) -> Error {
        Error::damaged(format!("unsupported size expression `{}`", self.whole.chars().take(80).collect::<String>()))
    }

    fn take(&mut self, token: char) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn word(&mut self) -> &'a str {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn expression(&mut self, depth: usize) -> Result<Dim> {
        if depth > DEEPEST {
            return Err(Error::too_deep("a size expression nested too deeply"));
        }
        let head = self.word();
        if let Ok(n) = head.parse::<i64>() {
            return Ok(Dim::Fixed(n));
        }
        if !self.take('(') {
            return Err(self.damaged());
        }
        if head == "Symbol" {
            let name = self.rest.trim_start().strip_prefix('\'').and_then(|rest| rest.split('\'').next()).ok_or_else(|| self.damaged())?;
            let close = self.rest.find(')').ok_or_else(|| self.damaged())?;
            self.rest = &self.rest[close + 1..];
            return Ok(Dim::new(crate::dim::Expr::symbol(name), self.hints.get(name).copied()));
        }
        let mut operands = Vec::new();
        while !self.take(')') {
            if !operands.is_empty() && !self.take(',') {
                return Err(self.damaged());
            }
            operands.push(self.expression(depth + 1)?);
        }
        let overflow = || Error::unsupported(format!("unsupported size expression {head}"));
        match (head, operands.as_slice()) {
            ("Integer", [n]) => Ok(n.clone()),
            ("Add", [first, rest @ ..]) => Ok(rest.iter().fold(first.clone(), |sum, x| sum + x)),
            ("Mul", [first, rest @ ..]) => Ok(rest.iter().fold(first.clone(), |product, x| product * x)),
            ("Pow", [base, power]) => {
                let power = power.fixed().filter(|power| (0..=16).contains(power)).ok_or_else(overflow)?;
                Ok((0..power).fold(Dim::Fixed(1), |product, _| product * base))
            }
            ("FloorDiv" | "CleanDiv" | "IntTrueDiv", [a, b]) => Ok(a / b),
            ("CeilDiv", [a, b]) => Ok(a.ceil_div(b)),
            ("Mod" | "PythonMod", [a, b]) => Ok(a % b),
            ("Max", [first, rest @ ..]) => Ok(rest.iter().fold(first.clone(), |most, x| most.max(x))),
            ("Min", [first, rest @ ..]) => Ok(rest.iter().fold(first.clone(), |least, x| least.min(x))),
            _ => Err(overflow()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sympys_spelling_is_read() {
        let hints = Hints::from([("s77".to_string(), 2)]);
        let dim = parse("Add(Mul(Integer(16), Symbol('s77', positive=True, integer=True)), Integer(-3))", &hints).unwrap();
        assert_eq!((dim.to_string(), dim.example()), ("16*s77 - 3".to_string(), Some(29)));
        assert_eq!(parse("FloorDiv(Symbol('s77', integer=True), Integer(2))", &hints).unwrap().example(), Some(1));
        assert_eq!(name("Symbol('s0', positive=True)"), Some("s0"));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "Add(", "Add(Integer(1)", "Symbol(", "Rational(1, 2)", &"Add(".repeat(1000)] {
            assert!(parse(text, &Hints::new()).is_err(), "{text}");
        }
    }
}
