//! Code and documentation use the field's terms: the words of this list occur nowhere, except where they have their common meaning.

use std::path::{Path, PathBuf};

/// A word that is not used: the phrase, the folders or files in which it may occur and why, and what to write instead.
struct Avoided {
    phrase: &'static str,
    allowed: &'static [(&'static str, &'static str)],
    instead: &'static str,
}

const fn never(phrase: &'static str, instead: &'static str) -> Avoided {
    Avoided { phrase, allowed: &[], instead }
}

const AVOIDED: &[Avoided] = &[
    never("pens", "builders"),
    never("twin", "the structurally equal node"),
    never("the rim", "the boundary"),
    never("a rim", "a boundary"),
    never("holds against", "compares with"),
    never("baked in", "folded in as a constant"),
    never("write down", "record"),
    never("is not what the operator is made of", "differs from the decomposition"),
    never("through the door", "through `apply`"),
    never("the door", "`apply`"),
    never("proven", "verified"),
    never("cries wolf", "raises a false alarm"),
    never("numbers of a tensor", "elements"),
    never("the floors", "the layers"),
    never("floors", "layers"),
    never("is made by no node", "is not produced by a node"),
    never("not proven", "verification failed"),
    never("most at", "largest difference at"),
];

/// Files that have the words as data: this one, and the list of old names.
const DATA: &[&str] = &["tests/language.rs", "CHANGELOG.md"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn walk(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_dir() {
        std::fs::read_dir(path).unwrap().for_each(|entry| walk(&entry.unwrap().path(), files));
    } else if path.extension().is_some_and(|extension| ["rs", "md", "py"].iter().any(|known| extension == *known)) {
        files.push(path.to_path_buf());
    }
}

/// All code and documentation: path and text.
fn sources() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for top in ["src", "tests", "tools", "docs", "benches", "examples", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "build.rs"] {
        let path = root().join(top);
        if path.exists() {
            walk(&path, &mut files);
        }
    }
    let name = |path: &Path| path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
    files.sort();
    files.iter().map(|path| (name(path), std::fs::read_to_string(path).unwrap())).filter(|file| !DATA.contains(&file.0.as_str())).collect()
}

/// The lines with the phrase as words of its own; `pen` occurs in `a pen` and `pen.node()`, not in `open`. Letter case is ignored.
fn lines_with(phrase: &str, text: &str) -> Vec<usize> {
    let has = |line: &str| {
        let line = line.to_lowercase();
        line.match_indices(phrase).any(|(at, _)| {
            let letter = |c: char| c.is_alphanumeric() || c == '_';
            !line[..at].ends_with(letter) && !line[at + phrase.len()..].starts_with(letter)
        })
    };
    text.lines().enumerate().filter(|(_, line)| has(line)).map(|(i, _)| i + 1).collect()
}

#[test]
fn private_words_occur_nowhere() {
    let sources = sources();
    assert!(sources.len() > 200, "only {} files were found", sources.len());
    let mut wrong = Vec::new();
    for (name, text) in &sources {
        for word in AVOIDED.iter().filter(|word| !word.allowed.iter().any(|(prefix, _)| name.starts_with(prefix))) {
            for line in lines_with(word.phrase, text) {
                wrong.push(format!("{name}:{line}: `{}`: write {}", word.phrase, word.instead));
            }
        }
    }
    assert!(wrong.is_empty(), "{} lines:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_exception_is_needed() {
    let sources = sources();
    for word in AVOIDED {
        for (prefix, why) in word.allowed {
            let used = sources.iter().any(|(name, text)| name.starts_with(prefix) && !lines_with(word.phrase, text).is_empty());
            assert!(used, "`{}` does not occur in {prefix} any more ({why}): remove the exception", word.phrase);
        }
    }
}

#[test]
fn a_phrase_is_found_as_words_of_its_own() {
    assert_eq!(lines_with("pen", "open\na pen.\npen_name\nPen::new"), [2, 4]);
    assert_eq!(lines_with("held against", "withheld against\nHeld against it"), [2]);
}
