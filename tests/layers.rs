//! The architecture as tests: layers, lengths of files, and where `unsafe` and tract may be used.

use std::path::{Path, PathBuf};

/// The layer of each module of the crate: a file uses its own module and modules of a strictly lower layer.
const LAYERS: &[(&str, u8)] = &[
    ("error", 0),
    ("array", 1),
    ("dim", 2),
    ("kernels", 3),
    ("onnx", 3),
    ("graph", 4),
    ("tensor", 5),
    ("ops", 6),
    ("tree", 7),
    ("module", 8),
    ("trace", 9),
    ("read", 10),
    ("nn", 11),
    ("runtime", 11),
    ("check", 12),
    ("tracer", 13),
];

/// The longest file that a person reads.
const LINES: usize = 800;

/// The only files that hold `unsafe`: bytes of a mapped file, room for results, products by raw pointers, hints to the cache, and the allocators that measure.
const UNSAFE: &[&str] = &[
    "src/array/mapped.rs",
    "src/kernels/fill.rs",
    "src/kernels/packed_gemm.rs",
    "src/kernels/product.rs",
    "src/runtime/packed_matmul.rs",
    "tests/",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        match path.is_dir() {
            true => walk(&path, files),
            false if path.extension().is_some_and(|extension| extension == "rs") => files.push(path),
            false => {}
        }
    }
}

/// The Rust files of these folders: the path from the root, and the text.
fn sources(folders: &[&str]) -> Vec<(String, String)> {
    let mut files = Vec::new();
    folders.iter().for_each(|folder| walk(&root().join(folder), &mut files));
    files.sort();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
        (name, std::fs::read_to_string(path).unwrap())
    };
    files.into_iter().map(read).collect()
}

/// The program alone: no comments, and nothing behind `#[cfg(test)]`.
fn program(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    while let Some(line) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            kept.push_str(line);
            kept.push('\n');
            continue;
        }
        // The item that follows: up to its semicolon, or to the brace that closes its first.
        let mut depth = 0i32;
        for line in lines.by_ref() {
            depth += line.matches('{').count() as i32 - line.matches('}').count() as i32;
            if depth == 0 && (line.contains('}') || line.contains(';')) {
                break;
            }
        }
    }
    kept
}

/// The modules that are compiled for tests only: `#[cfg(test)] mod sample;`.
fn only_for_tests(sources: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in sources {
        let folder = name.trim_end_matches("mod.rs").trim_end_matches("lib.rs").trim_end_matches(".rs").trim_end_matches('/');
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.starts_with("#[cfg(feature")).collect();
        for pair in lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]") {
            if let Some((_, module)) = pair[1].trim_end_matches(';').split_once("mod ").filter(|_| pair[1].ends_with(';')) {
                found.push(format!("{folder}/{module}.rs"));
            }
        }
    }
    found
}

/// What the root of the crate re-exports: the name and the module that it comes from.
fn exports() -> Vec<(String, String)> {
    let lib = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let uses = lib.lines().filter_map(|line| line.strip_prefix("pub use ")?.trim_end_matches(';').split_once("::"));
    uses.flat_map(|(module, names)| {
        let names = names.trim_matches(['{', '}']).split(',').map(|name| name.trim().to_string());
        names.map(|name| (name, module.to_string())).collect::<Vec<_>>()
    })
    .collect()
}

/// The exported macros, which stand at the root of the crate: the name and the module that defines it.
fn macros(sources: &[(String, String)]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, text) in sources {
        let module = name["src/".len()..].split(['/', '.']).next().unwrap();
        for exported in text.split("#[macro_export]").skip(1) {
            if let Some((_, rest)) = exported.split_once("macro_rules! ") {
                found.push((rest.split([' ', '{']).next().unwrap().to_string(), module.to_string()));
            }
        }
    }
    found
}

/// What every `crate::` of a program names, those in braces included: the first segment, and whether more segments follow.
fn targets(program: &str) -> Vec<(String, bool)> {
    let segment = |text: &str| {
        let name: String = text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let follows = text.trim_start()[name.len()..].starts_with("::");
        (name, follows)
    };
    let mut found = Vec::new();
    for rest in program.split("crate::").skip(1) {
        let Some(list) = rest.strip_prefix('{') else {
            found.push(segment(rest));
            continue;
        };
        let (mut depth, mut start) = (0, true);
        for (i, c) in list.char_indices() {
            if start && depth == 0 && !c.is_whitespace() {
                found.push(segment(&list[i..]));
                start = false;
            }
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                _ => {}
            }
        }
    }
    found.retain(|target| !target.0.is_empty());
    found
}

fn layer(module: &str) -> Option<u8> {
    LAYERS.iter().find(|row| row.0 == module).map(|row| row.1)
}

#[test]
fn a_file_uses_its_own_module_and_strictly_lower_layers() {
    let (sources, mut exports) = (sources(&["src"]), exports());
    exports.extend(macros(&sources));
    let tests = only_for_tests(&sources);
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (name, text) in sources.iter().filter(|(name, _)| name != "src/lib.rs" && !tests.contains(name)) {
        let module = name["src/".len()..].split(['/', '.']).next().unwrap();
        let Some(own) = layer(module) else {
            wrong.push(format!("{name}: the module {module} has no layer"));
            continue;
        };
        for (target, is_module) in targets(&program(text)) {
            // `crate::trace::…` is the module, `crate::trace` the function that the root re-exports.
            let export = exports.iter().find(|export| export.0 == target && !(is_module && layer(&target).is_some()));
            let home = export.map_or(target.as_str(), |export| &export.1);
            match layer(home) {
                Some(other) if other < own || home == module => seen += 1,
                Some(other) => wrong.push(format!("{name} (layer {own}) uses crate::{target} (layer {other})")),
                None => wrong.push(format!("{name} uses crate::{target}, which has no layer")),
            }
        }
    }
    assert!(seen > 200, "the search for imports finds only {seen}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_upward_import_would_be_found() {
    let text = "use crate::{array::{Array, DType}, ops};\n// crate::check\n#[cfg(test)]\nmod tests {\n    use crate::read;\n}\nfn f() { crate::trace::trace() }\n";
    let found: Vec<(String, bool)> = targets(&program(text));
    let found: Vec<(&str, bool)> = found.iter().map(|(name, is_module)| (name.as_str(), *is_module)).collect();
    assert_eq!(found, [("array", true), ("ops", false), ("trace", true)]);
}

#[test]
fn no_file_is_longer_than_a_person_reads() {
    let long =
        sources(&["src", "tools", "tests"]).into_iter().map(|(name, text)| (name, text.lines().count())).filter(|file| file.1 > LINES);
    assert_eq!(long.collect::<Vec<_>>(), []);
}

#[test]
fn only_the_runtime_names_tract() {
    let named: Vec<String> = sources(&["src", "tools"])
        .into_iter()
        .filter(|(name, text)| {
            !name.starts_with("src/runtime/")
                && (text.contains("tract_onnx") || text.contains("tract_core") || text.contains("tract_linalg"))
        })
        .map(|(name, _)| name)
        .collect();
    assert!(named.is_empty(), "{named:?}");
}

#[test]
fn unsafe_has_one_address() {
    // As a keyword: torch calls an argument so, too.
    let word = |text: &str| ["{", "fn", "impl", "extern", "trait"].iter().any(|next| text.contains(&format!("unsafe {next}")));
    let found: Vec<String> = sources(&["src", "tools"])
        .into_iter()
        .filter(|(name, text)| !UNSAFE.iter().any(|allowed| name.starts_with(allowed)) && word(&program(text)))
        .map(|(name, _)| name)
        .collect();
    assert!(found.is_empty(), "{found:?}");
}
