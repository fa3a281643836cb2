//! `batch`: many models, one of which stops nothing; killed and resumed; shards and reports.

use super::program::{Folder, data};
use ontrace::{Example, Tensor, module, record};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A folder with some models, one of which is broken.
fn models() -> Folder {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path("models/sub")).unwrap();
    for (from, to) in [("mlp.pt", "mlp.pt"), ("map.pt2", "sub/map.pt2"), ("rotary.pt", "rotary.pt")] {
        std::fs::copy(data(from), folder.path("models").join(to)).unwrap();
    }
    let x = Tensor::from(&[1.0f32, -2.0]);
    folder.save("models/relu.onnx", record(&module::from_fn(|x: Tensor| x.relu()), Example::of(&x)).unwrap().to_model().unwrap(), |_| {});
    std::fs::write(folder.path("models/page.pt"), "<!DOCTYPE html>\n<html></html>").unwrap();
    folder
}

fn report(folder: &Folder, name: &str) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(folder.path(name)).unwrap()).unwrap()
}

fn statuses(report: &serde_json::Value) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_string();
    report["models"].as_array().unwrap().iter().map(|model| (text(&model["source"]), text(&model["status"]))).collect()
}

#[test]
fn one_bad_model_stops_nothing_and_what_is_done_is_not_done_again() {
    let folder = models();
    let batch =
        |options: &[&str]| folder.run(&[&["batch", "models", "--to", "out", "--report", "r.csv", "--report", "r.xml"], options].concat());
    let ran = batch(&[]).exits(3);
    assert!(ran.text().contains("4 ok, 1 failed") && ran.text().contains("page.pt"), "{}", ran.text());
    for name in ["mlp.onnx", "sub/map.onnx", "rotary.onnx", "relu.onnx"] {
        assert!(folder.path("out").join(name).exists(), "{name}");
    }
    let value = report(&folder, "out/report.json");
    assert_eq!(value["schema"], "ontrace.batch/1");
    assert_eq!(statuses(&value).iter().filter(|row| row.1 == "ok").count(), 4);
    assert_eq!(value["models"][1]["source"], "page.pt");
    assert!(value["models"][1]["code"] == "E0301" && value["models"][1]["help"].is_string(), "{value}");
    assert!(std::fs::read_to_string(folder.path("r.csv")).unwrap().lines().count() >= 6);
    assert!(
        std::fs::read_to_string(folder.path("r.xml")).unwrap().contains(r#"tests="5" failures="1""#)
            || std::fs::read_to_string(folder.path("r.xml")).unwrap().contains(r#"tests="5""#)
    );
    let modified = |name: &str| std::fs::metadata(folder.path(name)).unwrap().modified().unwrap();
    let before = modified("out/mlp.onnx");
    batch(&[]).exits(3).says(&["5 models done before"]);
    assert_eq!(before, modified("out/mlp.onnx"));
    // What is mended is converted, the rest stays.
    std::fs::copy(data("mlp.pt"), folder.path("models/page.pt")).unwrap();
    batch(&[]).exits(0).says(&["4 models done before"]);
    assert_eq!(before, modified("out/mlp.onnx"));
    // Other options make it another conversion.
    batch(&["--", "--effort", "1"]).exits(0);
    assert_ne!(before, modified("out/mlp.onnx"));
}

#[test]
fn a_batch_that_is_killed_goes_on_where_it_stopped() {
    let folder = models();
    let mut child = Command::new(env!("CARGO_BIN_EXE_ontrace"))
        .args(["batch", "models", "--to", "out", "--jobs", "1"])
        .current_dir(folder.path(""))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let journal = folder.path("out/.ontrace-batch.jsonl");
    let started = Instant::now();
    while std::fs::read_to_string(&journal).map_or(0, |text| text.lines().count()) < 2 && started.elapsed() < Duration::from_secs(300) {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // The child that the program runs in notices that it is alone, and ends; so do its workers.
    std::thread::sleep(Duration::from_secs(1));
    let done = std::fs::read_to_string(&journal).unwrap().lines().count();
    assert!(!folder.path("out/report.json").exists() && done >= 2);
    let noun = if done == 1 { "model" } else { "models" };
    folder.run(&["batch", "models", "--to", "out"]).exits(3).says(&[&format!("{done} {noun} done before")]);
    assert_eq!(statuses(&report(&folder, "out/report.json")).len(), 5);
}

#[test]
fn shards_cover_all_models_once_and_their_reports_merge() {
    let folder = models();
    for index in ["0/2", "1/2"] {
        folder.run(&["batch", "models", "--to", "out", "--shard", index, "-q"]);
    }
    let parts = [report(&folder, "out/report-0-of-2.json"), report(&folder, "out/report-1-of-2.json")];
    assert_eq!(parts.iter().map(|part| statuses(part).len()).collect::<Vec<_>>(), [3, 2]);
    let merge = ["batch", "--merge", "out/report-0-of-2.json", "out/report-1-of-2.json", "--report", "all.json"];
    let ran = folder.run(&merge).exits(3);
    assert!(ran.text().contains("5 models: 4 ok, 1 failed"), "{}", ran.text());
    let mut all: Vec<String> = parts.iter().flat_map(statuses).map(|row| row.0).collect();
    all.sort();
    assert_eq!(statuses(&report(&folder, "all.json")).into_iter().map(|row| row.0).collect::<Vec<_>>(), all);
    folder.run(&["batch", "models", "--to", "out"]).exits(3).says(&["5 models done before"]);
    folder.run(&["batch", "--merge", "out/report-0-of-2.json"]).exits(2).says(&["--report"]);
    folder.run(&["batch", "--merge", "models/mlp.pt", "--report", "all.json"]).exits(1);
    folder.run(&["batch", "--merge", &data("laws.txt"), "--report", "all.json"]).exits(2).says(&["no JSON report"]);
}

#[test]
fn a_model_that_takes_too_long_or_too_much_is_ended_alone() {
    let folder = models();
    // Room for the program, but not for a run of the model.
    let x = Tensor::zeros([64, 1024, 256], ontrace::DType::F32).unwrap();
    let relu = record(&module::from_fn(|x: Tensor| x.relu()), Example::of(&x)).unwrap().to_model().unwrap();
    folder.save("models/relu.onnx", relu, |_| {});
    let manifest = "[[model]]\npath = 'models/mlp.pt'\ntimeout = 0.001\n[[model]]\npath = 'models/relu.onnx'\nmemory = '64MB'\noutput = 'renamed.onnx'\n";
    std::fs::write(folder.path("batch.toml"), manifest).unwrap();
    let ran = folder.run(&["batch", "models", "--to", "out", "--manifest", "batch.toml", "--json"]).exits(3);
    let value: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    let of = |source: &str| statuses(&value).into_iter().find(|row| row.0 == source).unwrap().1;
    assert_eq!(of("mlp.pt"), "timeout", "{value}");
    assert_eq!(of("relu.onnx"), "memory", "{value}");
    assert_eq!((of("rotary.pt"), of("sub/map.pt2")), ("ok".to_string(), "ok".to_string()));
    // With room and time enough they are converted when they are tried again.
    std::fs::write(folder.path("batch.toml"), manifest.replace("0.001", "600").replace("64MB", "8GB")).unwrap();
    folder.run(&["batch", "models", "--to", "out", "--manifest", "batch.toml", "--retry", "--timeout", "600"]).exits(3);
    assert_eq!(report(&folder, "out/report.json")["counts"]["ok"], 4);
    assert!(folder.path("out/renamed.onnx").exists());
}

#[test]
fn wrong_arguments_are_refused_before_anything_is_converted() {
    let folder = models();
    std::fs::write(folder.path("bad.toml"), "[[model]]\npth = 'a.pt'\n").unwrap();
    std::fs::create_dir(folder.path("empty")).unwrap();
    for (arguments, exit, says) in [
        (&["batch"][..], 2, "PATHS"),
        (&["batch", "models"], 2, "--to"),
        (&["batch", "empty", "--to", "out"], 2, "no model among these paths"),
        (&["batch", "nowhere", "--to", "out"], 1, "nowhere"),
        (&["batch", "models", "--to", "out", "--shard", "2/2"], 2, "0/2 to 1/2"),
        (&["batch", "models", "--to", "out", "--memory", "much"], 2, "500MB or 8GB"),
        (&["batch", "models", "--to", "out", "--memory", "1MB"], 2, "64 MB"),
        (&["batch", "models", "--to", "out", "--timeout=-1"], 2, "--timeout"),
        (&["batch", "models", "--to", "out", "--report", "r.pdf"], 2, ".csv, .json or .xml"),
        (&["batch", "models", "--to", "out", "--manifest", "bad.toml"], 2, "no key `pth`"),
        (&["batch", "models", "--to", "out", "--", "--frobnicate"], 2, "--frobnicate"),
        (&["batch", "models", "--to", "out", "--", "-o", "x.onnx"], 2, "--output"),
        (&["batch", "models", "models/mlp.pt", "mlp.pt", "--to", "out"], 1, "mlp.pt"),
    ] {
        folder.run(arguments).exits(exit).says(&[says]);
        assert!(!folder.path("out/mlp.onnx").exists(), "{arguments:?}");
    }
}
