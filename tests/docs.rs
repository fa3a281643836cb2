//! The documentation names files and functions that exist.

use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README, CONTRIBUTING and the pages of docs/: name and text.
fn pages() -> Vec<(String, String)> {
    let mut paths: Vec<PathBuf> = vec![root().join("README.md"), root().join("CONTRIBUTING.md")];
    paths.extend(
        std::fs::read_dir(root().join("docs"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "md")),
    );
    paths.sort();
    paths
        .into_iter()
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(path).unwrap()))
        .collect()
}

/// The code spans of a page, each with the text before it.
fn code_spans(text: &str) -> Vec<(&str, &str)> {
    let parts: Vec<&str> = text.split('`').collect();
    parts.windows(2).enumerate().filter(|(i, _)| i % 2 == 0).map(|(_, pair)| (pair[0], pair[1])).collect()
}

/// Whether a code span is a path; the lists of tests/data/ are written by test runs.
fn is_path(span: &str) -> bool {
    !span.starts_with("tests/data/")
        && ["src/", "crates/", "tests/", "tools/", "docs/", "benches/", "examples/"].iter().any(|folder| span.starts_with(folder))
        && !span.contains([' ', '*', '{'])
}

#[test]
fn every_named_file_exists() {
    let mut missing = Vec::new();
    let mut seen = 0;
    for (page, text) in pages() {
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', '#']).next())
            .filter(|link| !link.is_empty() && !link.contains("://"));
        let folder = if root().join("docs").join(&page).is_file() { root().join("docs") } else { root().to_path_buf() };
        for link in links {
            seen += 1;
            if !folder.join(link).exists() {
                missing.push(format!("{page}: {link}"));
            }
        }
        for (_, span) in code_spans(&text).into_iter().filter(|(_, span)| is_path(span)) {
            seen += 1;
            if !root().join(span).exists() {
                missing.push(format!("{page}: {span}"));
            }
        }
    }
    assert!(seen > 80, "only {seen} paths were found");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// In the form: `name` in `src/file.rs`.
#[test]
fn every_named_item_is_in_its_file() {
    let mut missing = Vec::new();
    let mut seen = 0;
    for (page, text) in pages() {
        let spans = code_spans(&text);
        for pair in spans.windows(2) {
            let ((_, name), (between, path)) = (pair[0], pair[1]);
            if between.split_whitespace().collect::<Vec<_>>() != ["in"] || !is_path(path) || !root().join(path).is_file() {
                continue;
            }
            seen += 1;
            let source = std::fs::read_to_string(root().join(path)).unwrap();
            let is_word = |at: usize| {
                let part = |c: char| c.is_alphanumeric() || c == '_';
                !source[..at].ends_with(part) && !source[at + name.len()..].starts_with(part)
            };
            if !source.match_indices(name).any(|(at, _)| is_word(at)) {
                missing.push(format!("{page}: {name} in {path}"));
            }
        }
    }
    assert!(seen > 40, "only {seen} items were found");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
