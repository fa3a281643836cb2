//! The command line: output, messages and exit codes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data").join(name)
}

fn ontrace(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ontrace")).args(arguments).env("NO_COLOR", "1").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_model_is_converted_verified_and_runs() {
    let folder = tempfile::tempdir().unwrap();
    let onnx = folder.path().join("m.onnx");
    let (model, onnx) = (data("resnet_tiny.pt"), onnx.to_str().unwrap());
    let output = ontrace(&["convert", model.to_str().unwrap(), "-o", onnx, "--dynamic", "x:0=batch"]);
    let (result, progress) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{progress}");
    assert!(result.contains("within rounding") && result.contains("opset 18"), "{result}");
    assert!(progress.contains("verified") && progress.contains("batch 3 1 5"), "{progress}");

    let inspected = ontrace(&["inspect", onnx]);
    assert!(text(&inspected.stdout).contains("f32[batch="), "{}", text(&inspected.stdout));

    let outputs = folder.path().join("y.npz");
    let ran = ontrace(&["run", onnx, "-i", "x:3,3,32,32=ones", "--out", outputs.to_str().unwrap()]);
    assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stderr));
    let against = ontrace(&["check", model.to_str().unwrap(), "-i", "x:3,3,32,32=ones", "--against", outputs.to_str().unwrap()]);
    assert_eq!(against.status.code(), Some(0), "{}", text(&against.stderr));
    let checked = ontrace(&["check", onnx, "--against", model.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));
}

#[test]
fn a_converted_file_has_metadata_that_can_be_stripped() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let model = data("resnet_tiny.pt");
    let converted = ontrace(&["convert", model.to_str().unwrap(), "-o", &at("m.onnx"), "--functions"]);
    assert_eq!(converted.status.code(), Some(0), "{}", text(&converted.stderr));
    let stdout = text(&ontrace(&["inspect", &at("m.onnx")]).stdout);
    assert!(
        stdout.contains("unchanged since ontrace wrote it") && stdout.contains("function") && stdout.contains("main(x: f32["),
        "{stdout}"
    );
    let stripped = ontrace(&["strip", &at("m.onnx"), "-o", &at("bare.onnx")]);
    assert_eq!(stripped.status.code(), Some(0), "{}", text(&stripped.stderr));
    assert!(!String::from_utf8_lossy(&std::fs::read(at("bare.onnx")).unwrap()).contains("ontrace.line"));
    assert!(text(&ontrace(&["inspect", &at("bare.onnx")]).stdout).contains("no hashes stored"));
    assert_eq!(ontrace(&["check", &at("bare.onnx"), "--against", &at("m.onnx")]).status.code(), Some(0));
    assert_eq!(ontrace(&["strip", &at("m.onnx"), "-o", &at("m.onnx")]).status.code(), Some(2));
}

#[test]
fn test_vectors_beside_a_model_are_run() {
    use ontrace::onnx::DataSet;
    let folder = tempfile::tempdir().unwrap();
    let x = ontrace::Tensor::from(&[1.0f32, -2.0]);
    let traced = ontrace::trace_fn(|x: ontrace::Tensor| x.relu(), &x).unwrap();
    traced.save_with_tests(folder.path(), &[ontrace::Example::of(&x)]).unwrap();
    let home = folder.path().to_str().unwrap();
    let output = ontrace(&["check", home]);
    let stdout = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(stdout.contains("test_data_set_0    eager  1 output,") && stdout.contains("test_data_set_0    tract  1 output,"), "{stdout}");
    let mut set = DataSet::open(folder.path().join("test_data_set_0")).unwrap();
    set.outputs[0].1 = ontrace::Array::vector(vec![1.0f32, 0.5]);
    set.save(folder.path(), 3).unwrap();
    let output = ontrace(&["check", home]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("test_data_set_3: eager: output 0 (y): at [1]: expected 0.5, got 0"), "{}", text(&output.stderr));
}

#[test]
fn a_conversion_is_the_same_bytes_in_every_directory_and_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let model = data("resnet_tiny.pt").canonicalize().unwrap();
    let convert = |name: &str, threads: &str| {
        let home = folder.path().join(name);
        std::fs::create_dir(&home).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ontrace"));
        command.arg("convert").arg(&model).args(["-o", "m.onnx", "--functions"]).current_dir(&home).env("RAYON_NUM_THREADS", threads);
        assert!(command.output().unwrap().status.success());
        std::fs::read(home.join("m.onnx")).unwrap()
    };
    assert!(convert("here", "1") == convert("there", "3"));
}

#[test]
fn json_is_one_object_with_a_schema() {
    let folder = tempfile::tempdir().unwrap();
    let onnx = folder.path().join("m.onnx");
    let output = ontrace(&["--json", "convert", data("mlp.pt").to_str().unwrap(), "-o", onnx.to_str().unwrap()]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((value["schema"].as_str(), value["opset"].as_i64()), (Some("ontrace.convert/1"), Some(18)));
    let failed = ontrace(&["--json", "inspect", "nowhere.pt"]);
    let value: serde_json::Value = serde_json::from_slice(&failed.stderr).unwrap();
    assert_eq!(
        (value["schema"].as_str(), value["code"].as_str(), value["exit"].as_i64()),
        (Some("ontrace.error/1"), Some("E0601"), Some(1))
    );
}

#[test]
fn every_error_has_its_exit_code_and_a_message() {
    let folder = tempfile::tempdir().unwrap();
    let onnx = folder.path().join("m.onnx");
    let broken = folder.path().join("broken.pt");
    let whole = std::fs::read(data("mlp.pt")).unwrap();
    std::fs::write(&broken, &whole[..whole.len() / 2]).unwrap();
    let (mlp, onnx, broken) = (data("mlp.pt"), onnx.to_str().unwrap(), broken.to_str().unwrap());
    let mlp = mlp.to_str().unwrap();
    for (arguments, exit, says) in [
        (vec!["convert", "nowhere.pt"], 1, "nowhere.pt"),
        (vec!["convert", broken], 1, "error[E03"),
        (vec!["convert", mlp, "-o", onnx, "--dynamic", "y:0=batch"], 2, "the inputs are: input"),
        (vec!["convert", mlp, "-o", onnx, "--dynamic", "input:7=batch"], 2, "axis 7"),
        (vec!["convert", mlp, "-o", onnx, "-i", "input:1,?"], 2, "[NAME:]SHAPE"),
        (vec!["convert", mlp, "-o", onnx, "-i", "input:1,17"], 1, "code/__torch__"),
        (vec!["convert", mlp, "-o", onnx, "--opset", "12"], 2, "opset 12 (13 to 26)"),
        (vec!["convert", mlp, "-o", mlp], 2, "overwritten by its own conversion"),
        (vec!["convert", mlp, "-o", "nowhere/m.onnx"], 1, "no folder"),
        (vec!["convert", mlp, "-o", "/"], 1, "error[E0602]"),
        (vec!["convert"], 2, "Usage"),
        (vec!["frobnicate"], 2, "Usage"),
    ] {
        let output = ontrace(&arguments);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {message}");
        assert!(message.contains(says), "{arguments:?}: {message}");
        assert!(!Path::new(onnx).exists(), "{arguments:?} wrote a file");
    }
}
