//! A check of the source: every argument that a row reads by name is an argument of its schema.

use super::schema::Schema;
use std::collections::BTreeSet;
use std::path::Path;

/// The end of what begins with a bracket at `start`: strings, characters and comments are skipped.
fn end_of(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let (mut i, mut depth) = (start, 0);
    while i < bytes.len() {
        match bytes[i] {
            b'"' => i = end_of_string(text, i) - 1,
            b'\'' if bytes.get(i + 2) == Some(&b'\'') => i += 2,
            b'/' if bytes.get(i + 1) == Some(&b'/') => i += text[i..].find('\n').unwrap_or(0),
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth -= 1;
                if depth == 0 {
                    return i + 1;
                }
            }
            _ => {}
        }
        i += 1;
    }
    bytes.len()
}

/// The end of the string literal at `start`.
fn end_of_string(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let mut i = start + 1;
    while bytes[i] != b'"' {
        i += if bytes[i] == b'\\' { 2 } else { 1 };
    }
    i + 1
}

fn identifier(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())]
}

/// The names that a piece of source reads: `a.tensor("self")`, and those that it asks for first: `a.has("self")`.
fn read_names(body: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut read, mut asked) = (BTreeSet::new(), BTreeSet::new());
    for (at, _) in body.match_indices("a.") {
        if body[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let method = identifier(&body[at + 2..]);
        let Some(rest) = body[at + 2 + method.len()..].strip_prefix("(\"") else { continue };
        let name = rest[..rest.find('"').unwrap_or(0)].to_string();
        if method == "has" { &mut asked } else { &mut read }.insert(name);
    }
    (read, asked)
}

/// A function of a file that takes arguments, and its body.
fn functions(text: &str) -> Vec<(&str, &str)> {
    let taking = |(at, _): (usize, &str)| {
        let name = identifier(&text[at + 3..]);
        let open = at + text[at..].find('{')?;
        text[at..open].contains("a: &Args").then(|| (name, &text[open..end_of(text, open)]))
    };
    text.match_indices("fn ").filter_map(taking).collect()
}

/// The names that a piece of source reads, itself or through functions of its file, without those of which some function asks whether they are
/// there.
fn reached(body: &str, functions: &[(&str, &str)]) -> BTreeSet<String> {
    let (mut all_read, mut all_asked) = (BTreeSet::new(), BTreeSet::new());
    let (mut pending, mut seen) = (vec![body], BTreeSet::new());
    while let Some(body) = pending.pop() {
        let (read, asked) = read_names(body);
        all_read.extend(read);
        all_asked.extend(asked);
        for &(name, body_of) in functions {
            let called = body.match_indices(name).any(|(at, _)| {
                let after = &body[at + name.len()..];
                let whole = !body[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.' || c == '"');
                whole
                    && (after.starts_with("(a)") || after.starts_with("(a,") || after.trim_start_matches([',', ')', '\n', ' ']).is_empty())
            });
            if called && seen.insert(name) {
                pending.push(body_of);
            }
        }
    }
    all_read.difference(&all_asked).cloned().collect()
}

#[test]
fn rows_read_arguments_that_their_schemas_have() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/read/aten");
    let (mut wrong, mut rows) = (Vec::new(), 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().is_some_and(|name| name == "names.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let functions = functions(text);
        for make in ["one(", "tuple(", "value("] {
            for (at, _) in text.match_indices(make) {
                let quote = at + make.len() + text[at + make.len()..].len() - text[at + make.len()..].trim_start().len();
                if !text[quote..].starts_with('"') || text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.') {
                    continue;
                }
                let after = end_of_string(text, quote);
                let schema = text[quote + 1..after - 1].replace("\\\"", "\"");
                let Ok(schema) = Schema::parse(&schema) else { continue };
                let body = &text[after..end_of(text, at + make.len() - 1)];
                rows += 1;
                for name in reached(body, &functions) {
                    if !schema.arguments.iter().any(|argument| argument.name == name) {
                        wrong.push(format!("{}: {} reads `{name}`", path.display(), schema.name));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rows > 800, "only {rows} rows were found");
}
