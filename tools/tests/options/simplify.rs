//! `simplify`: fewer nodes, verified, from every format.

use super::program::{Folder, data};
use ontrace::onnx::Model;
use ontrace::{Array, Example, Tensor, module, record};

fn json(text: &[u8]) -> serde_json::Value {
    serde_json::from_slice(text).unwrap()
}

fn operators(path: &std::path::Path) -> Vec<String> {
    Model::open(path).unwrap().proto.graph.unwrap().node.iter().map(|node| node.op_type.clone()).collect()
}

#[test]
fn batch_norms_of_an_archive_are_folded_and_the_operators_counted() {
    let folder = Folder::new();
    let ran = folder.run(&["simplify", &data("resnet_tiny.pt"), "-o", "out.onnx", "--dynamic", "x:0=batch", "--json"]).exits(0);
    let value = json(&ran.stdout);
    assert_eq!((value["schema"].as_str(), value["verified"].as_bool()), (Some("ontrace.simplify/1"), Some(true)), "{value}");
    assert!(value["before"]["operators"]["BatchNormalization"].as_u64().unwrap() > 0, "{value}");
    assert!(value["after"]["operators"]["BatchNormalization"].is_null(), "{value}");
    assert!(value["applied"]["batch-norm"].as_u64().unwrap() > 0, "{value}");
    assert_eq!(value["after"]["nodes"].as_u64(), value["nodes"].as_u64());
    assert!(!operators(&folder.path("out.onnx")).contains(&"BatchNormalization".to_string()));
    let ran =
        folder.run(&["simplify", &data("resnet_tiny.pt"), "-o", "kept.onnx", "--skip", "batch-norm", "--dynamic", "x:0=batch"]).exits(0);
    assert!(ran.text().contains("BatchNormalization") && ran.text().contains("simplified"), "{}", ran.text());
    assert!(operators(&folder.path("kept.onnx")).contains(&"BatchNormalization".to_string()));
    folder.run(&["check", "out.onnx", "--against", "kept.onnx"]).exits(0);
}

#[test]
fn an_onnx_file_keeps_its_opset_and_is_not_overwritten() {
    let folder = Folder::new();
    let x = Tensor::new([2, 3], vec![1f32; 6]).unwrap();
    let twice = module::from_fn(|x: Tensor| x.transpose(0, 1)?.transpose(0, 1)?.exp()?.add(x.exp()?));
    let model = record(&twice, Example::of(&x)).unwrap().to_model_at(21).unwrap();
    folder.save("m.onnx", model, |_| {});
    folder.run(&["simplify", "m.onnx", "-o", "out.onnx"]).exits(0);
    assert_eq!(Model::open(folder.path("out.onnx")).unwrap().opset(""), Some(21));
    assert_eq!(operators(&folder.path("out.onnx")), ["Exp", "Add"]);
    folder.run(&["simplify", "m.onnx"]).exits(2).says(&["overwritten", "-o OUT.onnx"]);
    folder.run(&["simplify", "m.onnx", "-o", "out.onnx", "--skip", "everything"]).exits(2).says(&["batch-norm"]);
    folder.run(&["simplify", "m.onnx", "-o", "low.onnx", "--opset", "13"]).exits(0);
    assert_eq!(Model::open(folder.path("low.onnx")).unwrap().opset(""), Some(13));
    let help = folder.run(&["simplify", "--help"]).exits(0).text();
    assert!(help.contains("Examples:") && help.contains("ontrace simplify"), "{help}");
}

#[test]
fn a_fixed_size_folds_the_arithmetic_on_it() {
    let folder = Folder::new();
    let x = Tensor::new([2, 3], vec![1f32; 6]).unwrap();
    let sizes = module::from_fn(|x: Tensor| x.mul(Tensor::from_dim(&x.dim(0)?).cast(ontrace::DType::F32)?));
    let model = record(&sizes, Example::of(&x).symbolic("x", 0, "n").unwrap()).unwrap().to_model().unwrap();
    folder.save("m.onnx", model, |_| {});
    folder.run(&["simplify", "m.onnx", "-o", "out.onnx", "--fix", "n=4"]).exits(0);
    assert_eq!(operators(&folder.path("out.onnx")), ["Mul"]);
    folder.write("x.npy", &[("", Array::new(&[4, 3], vec![1f32; 12]).unwrap())]);
    folder.run(&["run", "out.onnx", "-i", "@x.npy", "--out", "y.npz"]).exits(0);
    assert_eq!(folder.outputs("y.npz")[0].to_vec::<f32>().unwrap(), [4.0; 12]);
}
