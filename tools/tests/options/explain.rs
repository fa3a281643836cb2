//! `ontrace explain`, completions and the manual: what is explained is what happens.

use super::program::{Folder, data};
use ontrace::onnx::proto::{self, AttributeProto, GraphProto, NodeProto, StringStringEntryProto, TensorProto};
use ontrace::onnx::{Model, verify};
use ontrace::{ErrorCode, Tensor, module, record};
use std::path::Path;

fn scaled(factor: f64) -> Model {
    record(&module::from_fn(move |x: Tensor| x.mul(factor)), &Tensor::from(&[1.0f32, 2.0])).unwrap().to_model().unwrap()
}

/// A node with a graph in a graph, as deep as that.
fn nested(depth: usize) -> NodeProto {
    (0..depth).fold(NodeProto::default(), |inner, _| {
        let graph = GraphProto { node: vec![inner], ..GraphProto::default() };
        let attribute = AttributeProto { name: "body".into(), r#type: 5, g: Some(Box::new(graph)), ..AttributeProto::default() };
        NodeProto { op_type: "Loop".into(), attribute: vec![attribute], ..NodeProto::default() }
    })
}

/// A weight whose elements are in a file outside the folder.
fn outside() -> TensorProto {
    let entry = |key: &str, value: &str| StringStringEntryProto { key: key.into(), value: value.into() };
    let external_data = vec![entry("location", "../weights.bin"), entry("length", "4")];
    TensorProto { name: "w".into(), dims: vec![1], data_type: 1, data_location: 1, external_data, ..TensorProto::default() }
}

/// The files that the examples name besides those of the test data.
fn files() -> Folder {
    let folder = Folder::new();
    let graph = |model: &mut Model, change: &dyn Fn(&mut GraphProto)| change(model.proto.graph.as_mut().unwrap());
    folder.save("frobnicate.onnx", scaled(2.0), |model| graph(model, &|graph| graph.node[0].op_type = "Frobnicate".into()));
    folder.save("newer.onnx", scaled(2.0), |model| {
        model.proto.opset_import = vec![proto::OperatorSetIdProto { domain: String::new(), version: 999 }];
    });
    folder.save("double.onnx", scaled(2.0), |_| {});
    folder.save("triple.onnx", scaled(3.0), |_| {});
    folder.save("deep.onnx", scaled(2.0), |model| graph(model, &|graph| graph.node.push(nested(100))));
    folder.save("outside.onnx", scaled(2.0), |model| graph(model, &|graph| graph.initializer.push(outside())));
    std::fs::write(folder.path("download.onnx"), "<!DOCTYPE html>\n<html><body>Not found</body></html>").unwrap();
    std::fs::write(folder.path("cut.pt"), &std::fs::read(data("mlp.pt")).unwrap()[..3000]).unwrap();
    assert!(verify(&Model::open(folder.path("double.onnx")).unwrap()).into_result().is_ok());
    folder
}

#[test]
fn every_example_of_an_explanation_gives_its_code_and_message() {
    let folder = files();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests").canonicalize().unwrap();
    std::os::unix::fs::symlink(tests, folder.path("tests")).unwrap();
    let (mut count, mut wrong) = (0, Vec::new());
    for code in ErrorCode::all() {
        for block in code.explanation().split("```console\n").skip(1) {
            let block = block.split("```").next().unwrap();
            let (command, expected) = block.split_once('\n').unwrap();
            let arguments: Vec<&str> = command.strip_prefix("$ ontrace ").unwrap().split(' ').collect();
            let ran = folder.run(&arguments);
            let expected = expected.trim_end();
            assert!(expected.starts_with(&format!("error[{code}]: ")), "{code}: {expected}");
            if ran.exit == 0 || !ran.stderr.lines().any(|line| line == expected) {
                wrong.push(format!("{command}: expected {expected}\ngot {}", ran.stderr));
            }
            count += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 17, "only {count} examples were run");
}

#[test]
fn an_unknown_code_is_answered_with_the_nearest_one() {
    let folder = Folder::new();
    folder.run(&["explain", "E0505"]).exits(2).says(&["no error code `E0505`", "did you mean E050"]);
    folder.run(&["explain", "memory"]).exits(2).says(&["did you mean E0501 (memory limit exceeded)?"]);
    let list = folder.run(&["explain"]).exits(0).text();
    assert_eq!(list.lines().count(), ErrorCode::all().count(), "{list}");
    for spelling in ["E0304", "e304", "304"] {
        assert!(folder.run(&["explain", spelling]).exits(0).text().starts_with("E0304 example inputs needed\n"));
    }
    let value: serde_json::Value = serde_json::from_slice(&folder.run(&["explain", "E0304", "--json"]).exits(0).stdout).unwrap();
    assert_eq!((value["schema"].as_str(), value["code"].as_str()), (Some("ontrace.explain/1"), Some("E0304")));
}

#[test]
fn every_shell_gets_a_script_that_knows_the_commands() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = folder.run(&["completions", shell]).exits(0).text();
        assert!(["convert", "inspect", "explain", "dynamic"].iter().all(|word| script.contains(word)), "{shell}");
    }
    folder.run(&["completions", "tcsh"]).exits(2).says(&["bash"]);
    folder.run(&["completions"]).exits(2);
}

#[test]
fn the_manual_has_every_command() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("man1")).unwrap();
    folder.run(&["man", "--to", "man1"]).exits(0);
    let convert = std::fs::read_to_string(folder.path("man1/ontrace-convert.1")).unwrap();
    assert!(convert.contains(".TH") && convert.contains("\\-\\-dynamic"), "{convert}");
    assert_eq!(folder.run(&["man", "convert"]).exits(0).text(), convert);
    assert!(folder.path("man1/ontrace.1").exists() && !folder.path("man1/ontrace-help.1").exists());
    folder.run(&["man", "convrt"]).exits(2).says(&["did you mean `convert`?"]);
    folder.run(&["man", "--to", "nowhere"]).exits(1).says(&["error[E0602]", "no folder nowhere"]);
}

#[test]
fn the_option_tables_of_the_documentation_are_those_of_the_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let expected = Folder::new().run(&["man", "--markdown"]).exits(0).text();
    let begin = expected.lines().next().unwrap();
    let (written, known) = text.split_once(begin).map(|(before, after)| (before, format!("{begin}{after}"))).unwrap();
    if std::env::var_os("ONTRACE_RENEW").is_some() {
        std::fs::write(&path, format!("{written}{expected}")).unwrap();
        return;
    }
    let differing = known.lines().zip(expected.lines()).find(|(known, expected)| known != expected);
    assert!(known == expected, "docs/cli.md is not up to date, ONTRACE_RENEW=1 renews it; the first line that differs: {differing:?}");
}
