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
    never("the record", "the traced graph, the trace"),
    never("a record", "a traced graph, a trace"),
    never("the page", "the ONNX model"),
    Avoided { phrase: "a page", allowed: PAGE, instead: "an ONNX model" },
    never("the numbers", "the values, the elements"),
    never("numbers that", "values that"),
    never("its numbers", "its values"),
    Avoided { phrase: "lengths", allowed: PROSE_LENGTHS, instead: "sizes" },
    never("what it is made of", "its decomposition"),
    never("what they are made of", "their decompositions"),
    never("are made of", "consist of"),
    never("the place of", "the index, position or source location of"),
    never("written down", "recorded, traced, written"),
    never("whoever", "the caller"),
];

const PAGE: &[(&str, &str)] = &[("tests/docs.rs", "pages of the documentation")];

/// Where `lengths` are those of sequences, byte strings or files.
const PROSE_LENGTHS: &[(&str, &str)] = &[
    ("src/onnx/", "byte lengths"),
    ("src/ops/recurrent.rs", "sequence lengths"),
    ("crates/array/src/kernels/recurrent.rs", "sequence lengths"),
    ("crates/array/src/kernels/packed_recurrent.rs", "sequence lengths"),
    ("src/ops/loss.rs", "sequence lengths, as torch's ctc_loss names them"),
    ("src/ops/segments.rs", "segment lengths, as torch's segment_reduce names them"),
    ("src/ops/decompositions.rs", "sequence lengths of ReverseSequence"),
    ("src/read/aten/", "sequence and segment lengths, as torch names them"),
    ("src/read/onnx/", "lengths of sequences"),
    ("src/runtime/fallback_table", "sequence lengths"),
    ("tools/reference/packed.py", "sequence lengths"),
    ("tests/layers.rs", "lengths of files"),
    ("docs/coverage.md", "sequence lengths"),
];

/// Files that have the words as data: this one, and the list of old names.
const DATA: &[&str] = &["tests/language.rs", "CHANGELOG.md"];

/// Words that no identifier has as a part: `numbers` in `check_values`, `pen` in `Pen`.
const PARTS: &[Avoided] = &[
    never("pen", "builder"),
    Avoided {
        phrase: "page",
        allowed: &[("tests/docs.rs", "pages of the documentation"), ("src/onnx/file.rs", "memory pages")],
        instead: "model",
    },
    Avoided { phrase: "pages", allowed: &[("tests/docs.rs", "pages of the documentation")], instead: "models" },
    Avoided { phrase: "turn", allowed: &[("src/runtime/runnable.rs", "a field of tract's")], instead: "iteration" },
    never("turns", "iterations"),
    never("turned", "transposed, rotated, negated"),
    Avoided { phrase: "draw", allowed: DRAW, instead: "sample" },
    never("draws", "samples"),
    never("drawn", "sampled"),
    never("twin", "structurally equal"),
    never("twins", "duplicates"),
    never("baked", "folded"),
    never("bakes", "folds"),
    never("place", "location, index, position"),
    never("places", "locations, indices, positions"),
    never("numbers", "values, elements"),
    Avoided { phrase: "lengths", allowed: LENGTHS, instead: "sizes, dims" },
];

const DRAW: &[(&str, &str)] = &[
    ("tools/src/draw/", "the command"),
    ("tools/src/bench/plot.rs", "methods of plotters"),
    ("tools/src/lib.rs", "the command"),
    ("tools/tests/options/main.rs", "tests of the command"),
];

/// Where `lengths` are those of sequences, byte strings or Rust collections.
const LENGTHS: &[(&str, &str)] = &[
    ("src/onnx/encode.rs", "byte lengths of protobuf fields"),
    ("src/ops/recurrent.rs", "sequence lengths"),
    ("crates/array/src/kernels/recurrent.rs", "sequence lengths"),
    ("crates/array/src/kernels/packed_recurrent.rs", "sequence lengths"),
    ("src/ops/loss.rs", "sequence lengths, as torch's ctc_loss names them"),
    ("src/ops/segments.rs", "segment lengths, as torch's segment_reduce names them"),
    ("src/ops/decompositions.rs", "sequence lengths of ReverseSequence"),
    ("src/read/aten/", "sequence and segment lengths, as torch names them"),
];

/// The rest of a Rust file without its comments and strings, and its comments: line by line.
fn code_and_comments(text: &str) -> Vec<(String, String)> {
    let (mut string, mut lines) = (false, Vec::new());
    for line in text.lines() {
        let (mut code, mut comment) = (String::new(), String::new());
        let mut chars = line.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' if string => drop(chars.next()),
                '"' if !code.ends_with("'") && !code.ends_with("'\\") => string = !string,
                _ if string => {}
                '/' if line[at..].starts_with("//") => {
                    comment = line[at..].to_string();
                    break;
                }
                c => code.push(c),
            }
        }
        lines.push((code, comment));
    }
    lines
}

/// The parts of an identifier in lower case: `check`, `numbers` of `check_values`; `max`, `pool` of `MaxPool`. `in_place` and
/// `with_replacement` are torch's words.
fn parts(identifier: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for c in identifier.replace("in_place", "inplace").replace("InPlace", "Inplace").chars() {
        if c == '_' || (c.is_uppercase() && parts.last().is_some_and(|part| part.ends_with(|c: char| c.is_lowercase()))) {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut().filter(|_| c != '_') {
            part.extend(c.to_lowercase());
        }
    }
    parts
}

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
    for top in
        ["src", "crates", "tests", "tools", "docs", "benches", "examples", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "build.rs"]
    {
        let path = root().join(top);
        if path.exists() {
            walk(&path, &mut files);
        }
    }
    let name = |path: &Path| path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
    files.sort();
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    files.iter().map(|path| (name(path), read(path))).filter(|file| !DATA.contains(&file.0.as_str())).collect()
}

/// The lines with the phrase as words of its own; `pen` occurs in `a pen` and `pen.node()`, not in `open`. Letter case is ignored.
fn lines_with(phrase: &str, text: &str) -> Vec<usize> {
    if !text.to_lowercase().contains(phrase) {
        return Vec::new();
    }
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

/// The lines of code with an identifier of which the word is a part.
fn lines_naming(word: &str, text: &str) -> Vec<usize> {
    if !text.to_lowercase().contains(word) {
        return Vec::new();
    }
    let names = |code: &str| {
        let mut identifiers =
            code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|identifier| identifier.to_lowercase().contains(word));
        identifiers.any(|identifier| parts(identifier).iter().any(|part| part == word))
    };
    code_and_comments(text).iter().enumerate().filter(|(_, (code, _))| names(code)).map(|(i, _)| i + 1).collect()
}

#[test]
fn no_identifier_has_a_private_word_as_a_part() {
    let mut wrong = Vec::new();
    for (name, text) in sources().iter().filter(|(name, _)| name.ends_with(".rs")) {
        for word in PARTS.iter().filter(|word| !word.allowed.iter().any(|(prefix, _)| name.starts_with(prefix))) {
            for line in lines_naming(word.phrase, text) {
                wrong.push(format!("{name}:{line}: `{}`: write {}", word.phrase, word.instead));
            }
        }
    }
    assert!(wrong.is_empty(), "{} lines:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_exception_is_needed() {
    let sources = sources();
    for (word, lines) in AVOIDED
        .iter()
        .map(|word| (word, lines_with as fn(&str, &str) -> Vec<usize>))
        .chain(PARTS.iter().map(|word| (word, lines_naming as _)))
    {
        for (prefix, why) in word.allowed.iter() {
            let used = sources.iter().any(|(name, text)| name.starts_with(prefix) && !lines(word.phrase, text).is_empty());
            assert!(used, "`{}` does not occur in {prefix} any more ({why}): remove the exception", word.phrase);
        }
    }
}

#[test]
fn a_part_of_an_identifier_is_found() {
    assert_eq!(lines_naming("numbers", "check_numbers();\n// numbers\n\"numbers\";\nfn f(x: Numbers)\nlet cardinalnumbers = 1;"), [1, 4]);
    assert_eq!(parts("MaxPool_of_x"), ["max", "pool", "of", "x"]);
}

#[test]
fn a_phrase_is_found_as_words_of_its_own() {
    assert_eq!(lines_with("pen", "open\na pen.\npen_name\nPen::new"), [2, 4]);
    assert_eq!(lines_with("held against", "withheld against\nHeld against it"), [2]);
}
