//! `ontrace bench`: what is measured, in text and JSON.

use super::program::{Folder, data};
use ontrace::{DType, Example, Tensor, module, record};
use serde_json::Value;

fn two_products() -> (Folder, Tensor) {
    let folder = Folder::new();
    let x = Tensor::zeros([4, 8], DType::F32).unwrap();
    let weight = Tensor::new([8, 8], (0..64).map(|n| (n as f32).sin()).collect::<Vec<_>>()).unwrap();
    let model = module::from_fn(move |x: Tensor| x.matmul(&weight)?.tanh()?.matmul(&weight));
    folder.save("m.onnx", record(&model, Example::new().input("x", &x)).unwrap().to_model().unwrap(), |_| {});
    (folder, x)
}

fn json(folder: &Folder, arguments: &[&str]) -> Value {
    let ran = folder.run(&[arguments, &["--json"]].concat()).exits(0);
    serde_json::from_slice(&ran.stdout).unwrap()
}

#[test]
fn every_format_is_measured() {
    let folder = Folder::new();
    folder.run(&["convert", &data("mlp.pt"), "-o", "mlp.onnx"]).exits(0);
    for model in [data("mlp.pt"), data("while_loop.pt2"), "mlp.onnx".to_string()] {
        let value = json(&folder, &["bench", &model, "--runs", "7"]);
        assert_eq!(value["schema"], "ontrace.bench/1");
        let (measured, latency) = (&value["models"][0], &value["models"][0]["latency"]);
        assert_eq!(latency["calls"], 7, "{value}");
        let ordered: Vec<f64> = ["min", "p50", "p90", "p99", "max"].iter().map(|key| latency[*key].as_f64().unwrap()).collect();
        assert!(ordered.is_sorted() && ordered[0] > 0.0, "{value}");
        let throughput = latency["throughput"].as_f64().unwrap() * latency["mean"].as_f64().unwrap();
        assert!((throughput - 1.0).abs() < 1e-9, "{value}");
        assert!(measured["load"].as_f64().unwrap() > 0.0 && measured["first_call"].as_f64().unwrap() > 0.0, "{value}");
        #[cfg(target_os = "linux")]
        assert!(measured["peak_memory"].as_u64().unwrap() > 1 << 20, "{value}");
    }
    let text = folder.run(&["bench", "mlp.onnx", "--runs", "3"]).exits(0).text();
    assert!(["tract, 1 thread", "first call", "p99", "calls/s", "mlp.onnx"].iter().all(|word| text.contains(word)), "{text}");
}

#[test]
fn two_models_are_measured_in_rounds_and_their_ratio_is_given() {
    let (folder, _) = two_products();
    std::fs::copy(folder.path("m.onnx"), folder.path("same.onnx")).unwrap();
    let value = json(&folder, &["bench", "m.onnx", "--against", "same.onnx", "--runs", "40", "--plot", "lat.svg"]);
    let ratio = &value["ratio"];
    assert_eq!(ratio["rounds"], 20);
    let ordered: Vec<f64> = ["min", "p25", "median", "p75", "max"].iter().map(|key| ratio[*key].as_f64().unwrap()).collect();
    assert!(ordered.is_sorted() && ordered[0] > 0.0, "{value}");
    let svg = std::fs::read_to_string(folder.path("lat.svg")).unwrap();
    assert!(svg.contains("m.onnx: median") && svg.contains("same.onnx: median") && svg.matches("<circle").count() >= 80, "{svg}");
    let text = folder.run(&["bench", "m.onnx", "--against", "same.onnx", "--time", "0.1"]).exits(0).text();
    assert!(text.contains("same.onnx takes") && text.contains("× the time of m.onnx"), "{text}");
}

#[test]
fn the_time_of_nodes_is_given_by_operator_scope_and_node() {
    let (folder, _) = two_products();
    let value = json(&folder, &["bench", "m.onnx", "--runs", "3", "--by", "operator"]);
    let time = &value["models"][0]["time"];
    assert_eq!((time["by"].as_str(), time["measured"].as_str()), (Some("operator"), Some("tract")), "{value}");
    let rows = time["rows"].as_array().unwrap();
    let row = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name} in {value}"));
    assert_eq!((row("MatMul")["nodes"].as_u64(), row("Tanh")["nodes"].as_u64()), (Some(2), Some(1)), "{value}");
    let sum: f64 = rows.iter().map(|row| row["seconds"].as_f64().unwrap()).sum();
    assert!((sum - time["seconds"].as_f64().unwrap()).abs() < 1e-9, "{value}");
    // The eager kernels, node by node, and scopes of a model of torch.
    let value = json(&folder, &["bench", "m.onnx", "--runs", "3", "--by", "operator", "--backend", "eager"]);
    assert_eq!((value["backend"].as_str(), value["models"][0]["time"]["measured"].as_str()), (Some("eager"), Some("eager")), "{value}");
    let names = |depth: &str| {
        let value = json(&folder, &["bench", &data("resnet_tiny.pt"), "--runs", "3", "--by", "scope", "--depth", depth]);
        let rows = value["models"][0]["time"]["rows"].as_array().unwrap().clone();
        rows.iter().map(|row| row["name"].as_str().unwrap().to_string()).collect::<Vec<_>>()
    };
    let (coarse, fine) = (names("1"), names("8"));
    assert!(
        coarse.len() < fine.len() && coarse.iter().all(|name| !name.contains('.')) && fine.iter().any(|name| name.contains('.')),
        "{fine:?}"
    );
    let text = folder.run(&["bench", "m.onnx", "--runs", "3", "--by", "node"]).exits(0).text();
    assert!(text.contains("time by node, nodes of tract's plan") && text.contains("(Tanh)"), "{text}");
}

#[test]
fn wrong_options_of_bench_are_usage_errors() {
    let (folder, x) = two_products();
    for (options, says) in [
        (&["--time", "0"][..], "above 0"),
        (&["--time", "nan"], "above 0"),
        (&["--runs", "0"], "--runs"),
        (&["--runs", "3", "--time", "1"], "cannot be used"),
        (&["--threads", "0"], "--threads"),
        (&["--plot", "lat.png"], "written as .svg"),
        (&["--depth", "1"], "--by"),
        (&["-i", "y:4,8"], "no input `y`"),
    ] {
        folder.run(&[&["bench", "m.onnx"], options].concat()).exits(2).says(&[says]);
    }
    folder.run(&["bench", "m.onnx", "--runs", "1", "--plot", "nowhere/lat.svg"]).exits(1).says(&["E0602"]);
    let two = module::from_fn(|(x, y): (Tensor, Tensor)| x.add(&y));
    folder.save("two.onnx", record(&two, Example::of(&(x.clone(), x))).unwrap().to_model().unwrap(), |_| {});
    folder.run(&["bench", "m.onnx", "--against", "two.onnx"]).exits(2).says(&["2 inputs"]);
    folder.run(&["bench", "m.onnx", "--against", "nowhere.onnx"]).exits(1).says(&["nowhere.onnx"]);
}
