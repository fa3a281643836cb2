//! Torch's own notation for operators: `add(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor`.

use crate::error::{Error, Result};

/// What an operator takes, by name, with defaults.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Schema {
    /// The name without the overload; of an operator that is not aten's own, behind its namespace and a point.
    pub(crate) name: String,
    /// The arguments in order.
    pub(crate) arguments: Vec<Argument>,
}

/// One argument.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Argument {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) default: Option<Default>,
    /// Whether it comes after the `*`.
    pub(crate) keyword_only: bool,
}

/// The type of an argument.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Tensor,
    /// A complex tensor, which torch's own schemas do not tell apart.
    Complex,
    Int,
    Float,
    Bool,
    Scalar,
    Str,
    ScalarType,
    Layout,
    MemoryFormat,
    Device,
    /// A list, perhaps of a fixed number of elements, for all of which one may be given.
    List(Box<Kind>, Option<usize>),
    Optional(Box<Kind>),
    /// Anything else: generators, storages.
    Any,
}

/// The value that an argument has where it is not given.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Default {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    List(Vec<Default>),
}

/// Constants that schemas name.
const NAMED: &[(&str, i64)] =
    &[("contiguous_format", 0), ("preserve_format", 1), ("channels_last", 2), ("Mean", 1), ("long", 4), ("strided", 0)];

impl Schema {
    /// Reads a schema.
    pub(crate) fn parse(text: &str) -> Result<Schema> {
        let refused = |what: &str| Error::internal(format!("{what} in the schema `{text}`"));
        let (head, rest) = text.split_once('(').ok_or_else(|| refused("no arguments"))?;
        let (inside, _) = rest.rsplit_once(") ->").ok_or_else(|| refused("no result"))?;
        let mut arguments = Vec::new();
        let mut keyword_only = false;
        for part in split(inside) {
            let part = part.trim();
            match part {
                "" => {}
                "*" => keyword_only = true,
                _ => arguments.push(argument(part, keyword_only).ok_or_else(|| refused(part))?),
            }
        }
        let plain = |name: &str| name.split('.').next().unwrap_or(name).to_string();
        let name = match head.split_once("::") {
            Some((space, name)) => format!("{space}.{}", plain(name)),
            None => plain(head),
        };
        Ok(Schema { name, arguments })
    }
}

/// The parts between the commas outside brackets and strings.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start, mut quoted) = (Vec::new(), 0, 0, false);
    for (i, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '(' | '[' if !quoted => depth += 1,
            ')' | ']' if !quoted => depth -= 1,
            ',' if depth == 0 && !quoted => {
                parts.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn argument(text: &str, keyword_only: bool) -> Option<Argument> {
    let (declared, default) = match text.split_once('=') {
        Some((declared, default)) => (declared, Some(self::default(default.trim())?)),
        None => (text, None),
    };
    let (kind, name) = declared.trim().rsplit_once(' ')?;
    Some(Argument { name: name.to_string(), kind: self::kind(kind.trim())?, default, keyword_only })
}

fn kind(text: &str) -> Option<Kind> {
    if let Some(inner) = text.strip_suffix('?') {
        return Some(Kind::Optional(Box::new(kind(inner)?)));
    }
    if let Some(open) = text.strip_suffix(']') {
        let (inner, length) = open.rsplit_once('[')?;
        return Some(Kind::List(Box::new(kind(inner)?), length.parse().ok()));
    }
    // `Tensor(a!)`: which storage a tensor shares is not part of its type.
    Some(match text.split('(').next()? {
        "Tensor" => Kind::Tensor,
        "Complex" => Kind::Complex,
        "int" | "SymInt" => Kind::Int,
        "float" | "SymFloat" => Kind::Float,
        "bool" | "SymBool" => Kind::Bool,
        "Scalar" | "number" => Kind::Scalar,
        "str" => Kind::Str,
        "ScalarType" => Kind::ScalarType,
        "Layout" => Kind::Layout,
        "MemoryFormat" => Kind::MemoryFormat,
        "Device" => Kind::Device,
        name if name.starts_with(|c: char| c.is_ascii_alphabetic()) => Kind::Any,
        _ => return None,
    })
}

fn default(text: &str) -> Option<Default> {
    if let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return split(inner)
            .into_iter()
            .filter(|part| !part.trim().is_empty())
            .map(|part| default(part.trim()))
            .collect::<Option<_>>()
            .map(Default::List);
    }
    if let Some(inner) = text.strip_prefix(['"', '\'']) {
        return Some(Default::Str(inner.trim_end_matches(['"', '\'']).to_string()));
    }
    Some(match text {
        "None" => Default::None,
        "True" => Default::Bool(true),
        "False" => Default::Bool(false),
        _ => match (NAMED.iter().find(|row| row.0 == text), text.parse::<i64>(), text.parse::<f64>()) {
            (Some(row), ..) => Default::Int(row.1),
            (_, Ok(int), _) => Default::Int(int),
            (_, _, Ok(float)) => Default::Float(float),
            _ => return None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn torchs_notation_is_read_whole() {
        let schema = Schema::parse(
            "max_pool2d.x(Tensor(a) self, int[2] kernel_size, int[2] stride=[], *, Scalar? v=1e-05, str m=\"a,b\") -> Tensor(a)",
        )
        .unwrap();
        assert_eq!(schema.name, "max_pool2d");
        let [x, kernel, stride, v, m] = schema.arguments.as_slice() else { panic!("{schema:?}") };
        assert_eq!((x.name.as_str(), &x.kind), ("self", &Kind::Tensor));
        assert_eq!(kernel.kind, Kind::List(Box::new(Kind::Int), Some(2)));
        assert_eq!(stride.default, Some(Default::List(vec![])));
        assert_eq!((v.keyword_only, &v.kind, &v.default), (true, &Kind::Optional(Box::new(Kind::Scalar)), &Some(Default::Float(1e-5))));
        assert_eq!(m.default, Some(Default::Str("a,b".to_string())));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "f", "f(", "f(Tensor) -> Tensor", "f(? x) -> Tensor", "f(int x=[) -> int"] {
            assert!(Schema::parse(text).is_err(), "{text}");
        }
    }
}
