//! TorchScript source as tokens, with indentation as tokens of its own.

use super::ast::{LineNumber, MAX_NESTING};
use crate::error::{Error, Result};
use std::sync::Arc;

/// The smallest part of the source that means something.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(Arc<str>),
    Int(i64),
    Float(f64),
    /// `2.j`.
    Imaginary(f64),
    Str(Arc<str>),
    /// An operator, a bracket, a comma.
    Mark(&'static str),
    Newline,
    Indent,
    Dedent,
}

/// The marks, longer ones first.
const MARKS: &[&str] = &[
    "**=", "//=", "->", "==", "!=", "<=", ">=", "//", "**", "+=", "-=", "*=", "/=", "(", ")", "[", "]", "{", "}", ",", ":", ".", "=", "+",
    "-", "*", "/", "%", "<", ">", "~", "&", "|", "^", ";", "@",
];

/// The tokens of a source, each with its line.
///
/// # Errors
/// [`Damaged`](crate::ErrorCode::Damaged) with the line where it is no Python.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, LineNumber)>> {
    let mut lexer = Lexer { text, at: 0, line: 1, depth: 0, indents: vec![0], tokens: Vec::with_capacity(text.len() / 4) };
    lexer.run().map_err(|error| error.at(format!("line {}", lexer.line)))?;
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: LineNumber,
    /// Open brackets, in which lines and indentation do not count.
    depth: usize,
    indents: Vec<usize>,
    tokens: Vec<(Token, LineNumber)>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn push(&mut self, token: Token) {
        self.tokens.push((token, self.line));
    }

    fn run(&mut self) -> Result<()> {
        let mut fresh = true;
        while self.at < self.text.len() {
            if fresh && self.depth == 0 {
                self.indentation()?;
                fresh = false;
                continue;
            }
            let rest = self.rest();
            let Some(c) = rest.chars().next() else { break };
            match c {
                '\n' => {
                    if self.depth == 0 && !matches!(self.tokens.last(), None | Some((Token::Newline | Token::Indent | Token::Dedent, _))) {
                        self.push(Token::Newline);
                    }
                    self.line += 1;
                    self.at += 1;
                    fresh = self.depth == 0;
                }
                ' ' | '\t' | '\r' => self.at += 1,
                '\\' if rest[1..].starts_with('\n') => {
                    self.line += 1;
                    self.at += 2;
                }
                '#' => self.at += rest.find('\n').unwrap_or(rest.len()),
                '"' | '\'' => self.string(c)?,
                '0'..='9' => self.number()?,
                '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => self.number()?,
                c if c.is_alphabetic() || c == '_' => {
                    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                    self.push(Token::Name(rest[..end].into()));
                    self.at += end;
                }
                _ => {
                    let mark =
                        MARKS.iter().find(|mark| rest.starts_with(**mark)).ok_or_else(|| Error::damaged(format!("the character {c:?}")))?;
                    match *mark {
                        "(" | "[" | "{" => self.depth += 1,
                        ")" | "]" | "}" => {
                            self.depth = self.depth.checked_sub(1).ok_or_else(|| Error::damaged(format!("`{mark}` closes nothing")))?
                        }
                        _ => {}
                    }
                    self.push(Token::Mark(mark));
                    self.at += mark.len();
                }
            }
        }
        if self.depth > 0 {
            return Err(Error::damaged("a bracket that is not closed"));
        }
        self.push(Token::Newline);
        for _ in 1..self.indents.len() {
            self.push(Token::Dedent);
        }
        Ok(())
    }

    /// The spaces at the head of a line; lines without anything else do not count.
    fn indentation(&mut self) -> Result<()> {
        let rest = self.rest();
        let width = rest.bytes().take_while(|&b| b == b' ').count();
        self.at += width;
        if matches!(rest.as_bytes().get(width), None | Some(b'\n' | b'#' | b'\r')) {
            return Ok(());
        }
        let current = *self.indents.last().unwrap_or(&0);
        if width > current {
            if self.indents.len() > MAX_NESTING {
                return Err(Error::too_deep("blocks nested too deeply"));
            }
            self.indents.push(width);
            self.push(Token::Indent);
        }
        while width < *self.indents.last().unwrap_or(&0) {
            self.indents.pop();
            self.push(Token::Dedent);
        }
        if *self.indents.last().unwrap_or(&0) != width {
            return Err(Error::damaged("an indentation that no block has"));
        }
        Ok(())
    }

    fn string(&mut self, quote: char) -> Result<()> {
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((i, c)) = chars.next() {
            match c {
                c if c == quote => {
                    self.at += i + 1;
                    self.push(Token::Str(text.into()));
                    return Ok(());
                }
                '\n' => break,
                '\\' => {
                    let (_, escaped) = chars.next().ok_or_else(|| Error::damaged("a string that does not end"))?;
                    match escaped {
                        'n' => text.push('\n'),
                        't' => text.push('\t'),
                        'r' => text.push('\r'),
                        // Torch writes other bytes as octal or hexadecimal values.
                        'x' => text.push(code(&mut chars, 2, 16, None)?),
                        '0'..='7' => text.push(code(&mut chars, 2, 8, escaped.to_digit(8))?),
                        other => text.push(other),
                    }
                }
                c => text.push(c),
            }
        }
        Err(Error::damaged("a string that does not end"))
    }

    fn number(&mut self) -> Result<()> {
        let rest = self.rest();
        let mut end = 0;
        let mut float = false;
        let bytes = rest.as_bytes();
        while let Some(&b) = bytes.get(end) {
            match b {
                b'0'..=b'9' => {}
                b'.' => float = true,
                b'e' | b'E' => float = true,
                b'+' | b'-' if end > 0 && matches!(bytes[end - 1], b'e' | b'E') => {}
                _ => break,
            }
            end += 1;
        }
        let text = &rest[..end];
        let refused = || Error::damaged(format!("the number `{text}`"));
        let token = match float {
            true => Token::Float(text.parse().map_err(|_| refused())?),
            // The lowest integer is written as the negative of one that is too large by one.
            false => Token::Int(text.parse::<u64>().ok().filter(|&n| n <= 1 << 63).map(|n| n as i64).ok_or_else(refused)?),
        };
        let imaginary = bytes.get(end) == Some(&b'j');
        self.push(match token {
            Token::Float(x) if imaginary => Token::Imaginary(x),
            Token::Int(n) if imaginary => Token::Imaginary(n as f64),
            other => other,
        });
        self.at += end + usize::from(imaginary);
        Ok(())
    }
}

/// The character that up to `count` digits name.
fn code(chars: &mut impl Iterator<Item = (usize, char)>, count: usize, radix: u32, first: Option<u32>) -> Result<char> {
    let mut code = first.unwrap_or(0);
    for _ in 0..count {
        let digit = chars.next().and_then(|(_, c)| c.to_digit(radix)).ok_or_else(|| Error::damaged("an escape that is no number"))?;
        code = code * radix + digit;
    }
    char::from_u32(code).ok_or_else(|| Error::damaged("an escape that is no character"))
}
