//! The architecture as tests: layers, lengths of files, and where `unsafe` and tract may be used.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The folders of the library: its crate, and the one below it, whose modules stand in the same tree.
const LIBRARY: [&str; 2] = ["crates/array/src", "src"];

/// The layer of each module of the library: a file uses its own module and modules of a strictly lower layer.
const LAYERS: &[(&str, u8)] = &[
    ("error", 0),
    ("work", 1),
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
    ("isolation", 13),
    ("tracer", 13),
];

/// The modules whose files still import each other in circles: to be untied.
const CIRCLES: &[&str] = &["dim/"];

/// The names that several types have, and why.
const SHARED_NAMES: &[(&str, &str)] = &[
    ("Activation", "the layer and the operator"),
    ("BatchNorm", "the layer and the operator"),
    ("Conv", "the layer and the operator"),
    ("LayerNorm", "the layer and the operator"),
    ("MaxPool", "the layer and the operator"),
    ("Node", "of a traced graph, and of an ONNX file"),
    ("Value", "of a traced graph, of a torch program, and of an ONNX file"),
];

/// The longest file that a person reads.
const LINES: usize = 800;

/// The only files that hold `unsafe`: bytes of a mapped file, room for results, hints to the cache, the name of an
/// unnamed file, the limits of a process, and the allocators that measure.
const UNSAFE: &[&str] = &[
    "crates/array/src/array/mapped.rs",
    "crates/array/src/kernels/fill.rs",
    "crates/array/src/kernels/packed_gemm.rs",
    "crates/array/src/kernels/vector.rs",
    "src/isolation/system.rs",
    "src/onnx/unnamed_file.rs",
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

/// The path of a file of the library in its crate.
fn in_library(name: &str) -> &str {
    LIBRARY.iter().find_map(|folder| name.strip_prefix(folder)?.strip_prefix('/')).unwrap_or(name)
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
        let module = in_library(name).split(['/', '.']).next().unwrap();
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
    let (sources, mut exports) = (sources(&LIBRARY), exports());
    exports.extend(macros(&sources));
    let tests = only_for_tests(&sources);
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (name, text) in sources.iter().filter(|(name, _)| in_library(name) != "lib.rs" && !tests.contains(name)) {
        let module = in_library(name).split(['/', '.']).next().unwrap();
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
    let long = sources(&["crates", "src", "tools", "tests"])
        .into_iter()
        .map(|(name, text)| (name, text.lines().count()))
        .filter(|file| file.1 > LINES);
    assert_eq!(long.collect::<Vec<_>>(), []);
}

#[test]
fn only_the_runtime_names_tract() {
    let named: Vec<String> = sources(&["crates", "src", "tools"])
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
    let found: Vec<String> = sources(&["crates", "src", "tools"])
        .into_iter()
        .filter(|(name, text)| !UNSAFE.iter().any(|allowed| name.starts_with(allowed)) && word(&program(text)))
        .map(|(name, _)| name)
        .collect();
    assert!(found.is_empty(), "{found:?}");
}

/// The path of a module: `["read", "script", "parser"]`; the root of the crate has none.
type ModulePath = Vec<String>;

/// The modules of the crate by their path, with their programs; those that are compiled for tests only are left out.
fn modules() -> BTreeMap<ModulePath, String> {
    let sources = sources(&LIBRARY);
    let tests = only_for_tests(&sources);
    let path = |name: &str| {
        let name = in_library(name).trim_end_matches(".rs");
        let name = name.trim_end_matches("/mod").trim_end_matches("lib");
        name.split('/').filter(|part| !part.is_empty()).map(str::to_string).collect()
    };
    let mut modules = BTreeMap::<ModulePath, String>::new();
    for (name, text) in sources.iter().filter(|(name, _)| !tests.contains(name)) {
        *modules.entry(path(name)).or_default() += &program(text);
    }
    modules
}

/// The paths of a tree of imports, `a::{b, c::{d, e as f}}`, each with the name that it has here; `text` begins with the tree.
fn expand(text: &str, prefix: &[String], paths: &mut Vec<(Vec<String>, String)>) -> usize {
    let (mut path, mut at) = (prefix.to_vec(), 0);
    loop {
        at += text[at..].len() - text[at..].trim_start().len();
        if text[at..].starts_with('{') {
            at += 1;
            loop {
                at += text[at..].len() - text[at..].trim_start_matches(|c: char| c.is_whitespace() || c == ',').len();
                match text[at..].chars().next() {
                    Some('}') => return at + 1,
                    Some(c) if c.is_alphanumeric() || c == '_' || c == '{' || c == '*' => at += expand(&text[at..], &path, paths),
                    _ => return at,
                }
            }
        }
        let name: String = text[at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        at += if text[at..].starts_with('*') { 1 } else { name.len() };
        if !name.is_empty() && name != "self" {
            path.push(name);
        }
        if text[at..].starts_with("::") {
            at += 2;
            continue;
        }
        let alias =
            text[at..].strip_prefix(" as ").map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>());
        at += alias.as_ref().map_or(0, |alias| " as ".len() + alias.len());
        let name = alias.or(path.last().cloned()).unwrap_or_default();
        paths.push((path, name));
        return at;
    }
}

/// What a program names by a path from the root or from a parent, as paths from the root, each with the name that it has here.
fn paths_of(module: &[String], program: &str) -> Vec<(Vec<String>, String)> {
    let mut paths = Vec::new();
    for (keyword, from) in [("crate::", 0), ("super::", module.len().saturating_sub(1))] {
        for (at, _) in program.match_indices(keyword) {
            if program[..at].ends_with("super::") || program[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                continue;
            }
            let (mut rest, mut from) = (&program[at + keyword.len()..], from);
            while let Some(further) = rest.strip_prefix("super::") {
                (rest, from) = (further, from.saturating_sub(1));
            }
            expand(rest, &module[..from], &mut paths);
        }
    }
    paths
}

/// The paths that the imports of a module name, those of its children included.
fn imports_of(module: &[String], program: &str, modules: &BTreeMap<ModulePath, String>) -> Vec<(Vec<String>, String)> {
    let mut paths = Vec::new();
    for statement in program.split(';') {
        let Some((_, tree)) = statement.rsplit_once("use ") else { continue };
        let first: String = tree.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if matches!(first.as_str(), "crate" | "super") {
            paths.extend(paths_of(module, tree));
        } else if modules.contains_key(&[module, &[first]].concat()) {
            expand(tree, module, &mut paths);
        }
    }
    paths
}

/// The module that defines what a path names: re-exports are followed.
fn home(path: &[String], imports: &BTreeMap<ModulePath, Vec<(Vec<String>, String)>>, depth: usize) -> ModulePath {
    let known = (0..=path.len()).rev().find(|&n| imports.contains_key(&path[..n])).unwrap_or(0);
    let module = path[..known].to_vec();
    let Some(name) = path.get(known).filter(|_| depth < 8) else { return module };
    match imports[&module].iter().find(|import| import.1 == *name && import.0 != path[..=known]) {
        Some((target, _)) => home(&[target, &path[known + 1..]].concat(), imports, depth + 1),
        None => module,
    }
}

/// The imports between the children of each folder (a file, or a folder with all that is in it), as edges between paths.
fn sibling_imports() -> BTreeSet<(ModulePath, ModulePath)> {
    let modules = modules();
    let imports: BTreeMap<ModulePath, Vec<(Vec<String>, String)>> =
        modules.iter().map(|(path, program)| (path.clone(), imports_of(path, program, &modules))).collect();
    let mut edges = BTreeSet::new();
    for (module, program) in &modules {
        for (path, _) in paths_of(module, program) {
            let target = home(&path, &imports, 0);
            let common = module.iter().zip(&target).take_while(|(a, b)| a == b).count();
            if common < module.len() && common < target.len() {
                edges.insert((module[..=common].to_vec(), target[..=common].to_vec()));
            }
        }
    }
    edges
}

/// The children of folders that import each other in a circle, the smallest set of each circle in one line.
fn circles(edges: &BTreeSet<(ModulePath, ModulePath)>) -> Vec<String> {
    let nodes: BTreeSet<&ModulePath> = edges.iter().flat_map(|edge| [&edge.0, &edge.1]).collect();
    let reached = |from: &ModulePath| {
        let (mut seen, mut stack) = (BTreeSet::new(), vec![from]);
        while let Some(node) = stack.pop() {
            stack.extend(edges.iter().filter(|edge| edge.0 == *node && seen.insert(&edge.1)).map(|edge| &edge.1));
        }
        seen
    };
    let reached: BTreeMap<&ModulePath, BTreeSet<&ModulePath>> = nodes.iter().map(|node| (*node, reached(node))).collect();
    let mut found = BTreeSet::new();
    for node in nodes.iter().filter(|node| reached[*node].contains(*node)) {
        let members = nodes.iter().filter(|other| reached[*node].contains(*other) && reached[*other].contains(*node));
        found.insert(members.map(|member| member.join("/")).collect::<Vec<_>>().join(" "));
    }
    found.into_iter().collect()
}

#[test]
fn no_files_and_no_folders_import_each_other_in_a_circle() {
    let edges = sibling_imports();
    assert!(edges.len() > 300, "the search for imports finds only {}", edges.len());
    let allowed = |circle: &String| CIRCLES.iter().any(|folder| circle.split(' ').all(|member| member.starts_with(folder)));
    let circles: Vec<String> = circles(&edges).into_iter().filter(|circle| !allowed(circle)).collect();
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn a_circle_of_imports_would_be_found() {
    let paths =
        |text: &str| paths_of(&["read".into(), "script".into()], text).into_iter().map(|(path, _)| path.join("/")).collect::<Vec<_>>();
    assert_eq!(paths("use super::{a::{self, B}, c::*};\nfn f() { super::super::dim::g() }"), ["read/a", "read/a/B", "read/c", "dim/g"]);
    let edge = |a: &str, b: &str| (vec![a.to_string()], vec![b.to_string()]);
    assert_eq!(circles(&[edge("a", "b"), edge("b", "c"), edge("c", "b"), edge("c", "d")].into()), ["b c"]);
}

#[test]
fn a_type_name_is_defined_once() {
    let mut homes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (module, program) in modules() {
        for line in program.lines() {
            let line = line.trim_start_matches("pub").trim_start_matches("(crate)").trim_start_matches("(super)");
            let line = if line.starts_with(' ') && !line.starts_with("  ") { &line[1..] } else { line };
            let name = ["struct ", "enum ", "trait ", "type ", "union "].iter().find_map(|keyword| line.strip_prefix(keyword));
            if let Some(name) = name {
                let name = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                homes.entry(name).or_default().push(module.join("/"));
            }
        }
    }
    assert!(homes.len() > 300, "the search for types finds only {}", homes.len());
    let twice = homes.iter().filter(|(name, homes)| homes.len() > 1 && !SHARED_NAMES.iter().any(|row| row.0 == **name));
    let twice: Vec<String> = twice.map(|(name, homes)| format!("{name}: {}", homes.join(", "))).collect();
    assert!(twice.is_empty(), "{}", twice.join("\n"));
    let stale = SHARED_NAMES.iter().filter(|row| homes.get(row.0).is_none_or(|homes| homes.len() < 2)).map(|row| row.0);
    assert_eq!(stale.collect::<Vec<_>>(), [""; 0], "these names are defined once by now");
}
