//! The console blocks of README and docs: each command is run, in the order of the document, and prints what the document shows.
//!
//! What varies (times, memory, roundings, hashes) is not compared, nor how many spaces stand between words; a line `…` stands for any lines.
//! `ONTRACE_RENEW=1` writes what is printed into the documents.

use crate::program::{Folder, data};
use ontrace::onnx::Model;
use ontrace::onnx::proto::{tensor_shape_proto::dimension::Value, type_proto};
use ontrace::{Example, Result, Tensor, module, record};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What begins a command that is not run here, and where it is run.
const ELSEWHERE: &[(&str, &str)] = &[
    ("cargo test", "by .ci/run"),
    ("cargo build", "by .ci/run"),
    ("cargo run -p ontrace-cli --example torture", "by .ci/run, for a minute"),
    ("python ", "measurements with other libraries"),
    ("cd tools/python", "by .ci/run, as a wheel"),
    ("pip install", "by .ci/run, as a wheel"),
    ("ontrace --version", "the Python package's, by .ci/run"),
];

/// Commands whose lines come in an order that varies.
const UNORDERED: &[&str] = &["ontrace bench", "ontrace batch"];

/// A command of a document, and the lines that it prints.
struct Shown {
    command: String,
    lines: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The parts of a document: text, and between two texts the commands of a console block.
fn parts(document: &str) -> (Vec<&str>, Vec<Vec<Shown>>) {
    let (mut texts, mut blocks) = (Vec::new(), Vec::new());
    let mut rest = document;
    while let Some((text, after)) = rest.split_once("```console\n") {
        let (block, after) = after.split_once("```").unwrap();
        texts.push(text);
        let mut shown: Vec<Shown> = Vec::new();
        for line in block.lines() {
            match (line.strip_prefix("$ "), shown.last_mut()) {
                (Some(command), _) => shown.push(Shown { command: command.to_string(), lines: vec![] }),
                (None, Some(last)) if last.lines.is_empty() && last.command.ends_with('\\') => last.command += &format!("\n{line}"),
                (None, Some(last)) => last.lines.push(line.to_string()),
                (None, None) => panic!("a block begins with `{line}`"),
            }
        }
        blocks.push(shown);
        rest = after;
    }
    texts.push(rest);
    (texts, blocks)
}

/// A line without what varies from run to run and machine to machine.
fn masked(line: &str) -> String {
    // Where the largest rounding is, and the largest share of it, depends on the instructions that a processor has.
    let line = line.split("within rounding").next().unwrap_or(line);
    let line = line.split("differs   at").next().unwrap_or(line);
    let mut words: Vec<String> = line.split_whitespace().map(str::to_string).collect();
    for i in 0..words.len() {
        let unit = words.get(i + 1).is_some_and(|next| ["ns", "µs", "ms", "s", "B", "kB", "MB", "GB", "%", "%,"].contains(&next.as_str()));
        let after = i > 0 && words[i - 1] == "blake3";
        let is_position = words[i].starts_with('[') && words[i].contains('/');
        let word = words[i].trim_matches(|c| "[](),:;".contains(c));
        let is_number = word.parse::<f64>().is_ok();
        // As many calls as fit into a time.
        let is_median = i > 1 && words[i - 2..i] == ["median", "of"];
        if after || is_position || is_median || is_number && (unit || word.contains(['.', 'e'])) {
            words[i] = "#".to_string();
        }
        // So does the unit.
        if i > 0 && words[i - 1] == "#" {
            match words[i].as_str() {
                "ns" | "µs" | "ms" | "s" => words[i] = "time".to_string(),
                "B" | "kB" | "MB" | "GB" => words[i] = "bytes".to_string(),
                _ => {}
            }
        }
    }
    words.join(" ")
}

/// Whether a line is the one that a document shows; `…` in it stands for any words.
fn is_line(expected: &str, printed: &str) -> bool {
    match expected.split_once(" …") {
        Some((start, end)) => printed.len() >= start.len() + end.len() && printed.starts_with(start) && printed.ends_with(end),
        None => expected == printed,
    }
}

/// Whether lines are those that a document shows, in this order or in any.
fn agrees(expected: &[String], printed: &[String], in_order: bool) -> bool {
    let Some((first, rest)) = expected.split_first() else { return printed.is_empty() };
    if first == "…" {
        return if in_order { (0..=printed.len()).any(|from| agrees(rest, &printed[from..], true)) } else { true };
    }
    let found = printed.iter().take(if in_order { 1 } else { usize::MAX }).position(|line| is_line(first, line));
    found.is_some_and(|at| agrees(rest, &[&printed[..at], &printed[at + 1..]].concat(), in_order))
}

/// Lines as they are compared. That a build is not optimised is no part of a document.
fn lines_of(lines: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<String> {
    let is_build = |line: &String| line.starts_with("note this build of ontrace is not optimised");
    lines.into_iter().map(|line| masked(line.as_ref())).filter(|line| !line.is_empty() && !is_build(line)).collect()
}

fn traced(f: impl Fn(Tensor) -> Result<Tensor>, shape: &[usize]) -> Model {
    let x = Tensor::new(shape.to_vec(), vec![0.25f32; shape.iter().product()]).unwrap();
    record(&module::from_fn(f), Example::of(&x)).unwrap().to_model().unwrap()
}

/// The folder in which a document's commands run, with the files that it speaks of.
fn prepared() -> Folder {
    let folder = Folder::new();
    std::os::unix::fs::symlink(root().join("tests"), folder.path("tests")).unwrap();
    std::fs::copy(data("photo.jpg"), folder.path("photo.jpg")).unwrap();
    folder.save("m.onnx", traced(|x| x.mean(3, false)?.mean(2, false), &[1, 3, 224, 224]), |_| {});
    let softmax = |axis: i64| move |x: Tensor| x.exp()?.add(1.0)?.softmax(axis)?.relu();
    folder.save("a.onnx", traced(softmax(0), &[2, 3]), |_| {});
    folder.save("b.onnx", traced(softmax(1), &[2, 3]), |_| {});
    folder.save("declares_a_billion.onnx", traced(|x| x.relu(), &[3]), |model| {
        model.strip();
        let graph = model.proto.graph.as_mut().unwrap();
        graph.value_info.clear();
        for info in graph.input.iter_mut().chain(&mut graph.output) {
            let Some(type_proto::Value::TensorType(tensor)) = info.r#type.as_mut().and_then(|ty| ty.value.as_mut()) else { continue };
            tensor.shape.iter_mut().flat_map(|shape| &mut shape.dim).for_each(|dim| dim.value = Some(Value::DimValue(1_000_000_000)));
        }
    });
    folder.save("turns_the_text.onnx", traced(|x| x.relu(), &[3]), |model| {
        model.strip();
        let graph = model.proto.graph.as_mut().unwrap();
        let name = "a\u{202e}b".to_string();
        (graph.node[0].output[0], graph.output[0].name) = (name.clone(), name);
    });
    let models = folder.path("models");
    std::fs::create_dir(&models).unwrap();
    for name in ["mlp.pt", "map.pt2", "rotary.pt"] {
        std::fs::copy(data(name), models.join(name)).unwrap();
    }
    std::fs::copy(folder.path("a.onnx"), models.join("softmax.onnx")).unwrap();
    std::fs::write(models.join("page.pt"), "<!DOCTYPE html>\n<html><body>Not found</body></html>").unwrap();
    folder
}

/// Runs a command as a shell does, with both streams in one.
fn run(folder: &Folder, command: &str) -> Vec<String> {
    let program = Path::new(env!("CARGO_BIN_EXE_ontrace"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec 2>&1\n{command}")]).env("PATH", path).env("NO_COLOR", "1").current_dir(folder.path(""));
    let output = shell.output().unwrap();
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_string).collect()
}

/// The document with what its commands print, and what is not as the document shows it.
fn checked(document: &str, name: &str) -> (String, Vec<String>, usize) {
    let (texts, blocks) = parts(document);
    let folder = prepared();
    let (mut text, mut wrong, mut count) = (texts[0].to_string(), Vec::new(), 0);
    for (block, after) in blocks.iter().zip(&texts[1..]) {
        text += "```console\n";
        for shown in block {
            let mut lines = shown.lines.clone();
            if !ELSEWHERE.iter().any(|(prefix, _)| shown.command.starts_with(prefix)) {
                let command = shown.command.replacen("cargo run -p ontrace-cli -- ", "ontrace ", 1);
                let printed = run(&folder, &command);
                let (mut expected, masked) = (lines_of(&shown.lines), lines_of(&printed));
                let in_order = !UNORDERED.iter().any(|prefix| command.starts_with(prefix));
                if !in_order {
                    // What stands for any lines comes last.
                    expected.sort_by_key(|line| line == "…");
                }
                count += 1;
                // A command without output is one of which the document does not show it.
                if !(expected.is_empty() || agrees(&expected, &masked, in_order)) {
                    wrong.push(format!(
                        "{name}: $ {}\n--- the document\n{}\n--- printed\n{}",
                        shown.command,
                        expected.join("\n"),
                        printed.join("\n")
                    ));
                    lines = printed;
                } else if expected.is_empty() && printed.iter().any(|line| line.starts_with("error[")) {
                    wrong.push(format!("{name}: $ {}\n{}", shown.command, printed.join("\n")));
                }
            }
            text += &format!("$ {}\n", shown.command);
            lines.iter().for_each(|line| text += &format!("{}\n", line.trim_end()));
        }
        text += "```";
        text += after;
    }
    (text, wrong, count)
}

#[test]
fn every_command_of_the_documentation_prints_what_its_text_shows() {
    let mut documents: Vec<PathBuf> = vec![root().join("README.md"), root().join("SECURITY.md"), root().join("CONTRIBUTING.md")];
    documents.extend(std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path()));
    documents.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    documents.sort();
    let (mut all, mut total) = (Vec::new(), 0);
    for path in documents {
        let document = std::fs::read_to_string(&path).unwrap();
        let (text, wrong, count) = checked(&document, &path.file_name().unwrap().to_string_lossy());
        if std::env::var_os("ONTRACE_RENEW").is_some() && !wrong.is_empty() {
            std::fs::write(&path, text).unwrap();
        }
        total += count;
        all.extend(wrong);
    }
    assert!(total >= 20, "only {total} commands were run");
    assert!(all.is_empty(), "{}", all.join("\n\n"));
}

#[test]
fn what_varies_is_masked_and_the_rest_is_not() {
    assert_eq!(masked("traced      31 operators   input x f32[2]    0.02 s"), "traced 31 operators input x f32[2] # time");
    assert_eq!(masked("   y    1.2e-7   < 1 %   within rounding   at [2, 9]"), "y # < # %");
    assert_eq!(masked("wrote m.onnx   56.4 kB · opset 18 · blake3 c627d630…"), "wrote m.onnx # bytes · opset 18 · blake3 #");
    assert_eq!(masked("attribute epsilon=1e-5"), "attribute epsilon=1e-5");
    let lines = |text: &str| text.lines().map(str::to_string).collect::<Vec<_>>();
    assert!(agrees(&lines("a\n…\nd"), &lines("a\nb\nc\nd"), true) && agrees(&lines("a\n…"), &lines("a"), true));
    assert!(!agrees(&lines("a\n…\nd"), &lines("a\nb"), true) && !agrees(&lines("a"), &lines("a\nb"), true));
    assert!(agrees(&lines("a\nb …"), &lines("b c d\na"), false) && !agrees(&lines("a\nb"), &lines("b\na\nc"), false));
}
