//! `edit`: names, sizes, parts, opsets, precision and metadata.

use super::program::{Folder, data};
use ontrace::onnx::Model;
use ontrace::{DType, Example, Tensor, module, record};

fn saved(folder: &Folder) {
    let x = Tensor::new([2, 3], vec![1f32, -2.0, 3.0, 4.0, -5.0, 6.0]).unwrap();
    let network = module::from_fn(|x: Tensor| x.exp()?.matmul(&Tensor::new([3, 2], vec![0.5f32; 6])?)?.tanh()?.sum(1, true));
    let model = record(&network, Example::of(&x).symbolic("x", 0, "n").unwrap()).unwrap().to_model().unwrap();
    folder.save("m.onnx", model, |_| {});
}

fn names(path: &std::path::Path) -> (Vec<String>, Vec<String>) {
    let graph = Model::open(path).unwrap().proto.graph.unwrap();
    let list = |infos: &[ontrace::onnx::proto::ValueInfoProto]| infos.iter().map(|info| info.name.clone()).collect();
    (list(&graph.input), list(&graph.output))
}

fn inspected(folder: &Folder, file: &str) -> serde_json::Value {
    serde_json::from_slice(&folder.run(&["inspect", file, "--json"]).exits(0).stdout).unwrap()
}

#[test]
fn inputs_outputs_and_sizes_get_other_names_and_metadata_is_set() {
    let folder = Folder::new();
    saved(&folder);
    let options = ["--rename", "x=image", "--rename", "y=scores", "--set", "author=me", "--set", "note=a=b"];
    let ran = folder.run(&[&["edit", "m.onnx", "-o", "out.onnx"][..], &options, &["--json"]].concat()).exits(0);
    let value: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!((value["schema"].as_str(), value["verified"].as_bool()), (Some("ontrace.edit/1"), Some(true)), "{value}");
    assert_eq!(names(&folder.path("out.onnx")), (vec!["image".to_string()], vec!["scores".to_string()]));
    let text = folder.run(&["inspect", "out.onnx"]).exits(0).text();
    assert!(text.contains("author: me") && text.contains("note: a=b"), "{text}");
    folder.run(&["edit", "out.onnx", "-o", "back.onnx", "--unset", "author"]).exits(0);
    assert!(!folder.run(&["inspect", "back.onnx"]).exits(0).text().contains("author"));
    folder.run(&["edit", "out.onnx", "-o", "fixed.onnx", "--dim", "image:0=4"]).exits(0);
    assert_eq!(inspected(&folder, "fixed.onnx")["inputs"][0]["shape"][0], "4");
    // The file itself takes no other size, so there is nothing to compare with at one.
    let free = ["edit", "fixed.onnx", "-o", "free.onnx", "--dim", "image:0=rows"];
    folder.run(&free).exits(6).says(&["compared at size 4 only"]);
    folder.run(&[&free[..], &["--keep"]].concat()).exits(6);
    assert_eq!(inspected(&folder, "free.onnx")["inputs"][0]["shape"][0], "rows");
    folder.run(&["edit", &data("mlp.pt"), "-o", "mlp.onnx", "--rename", "input=x", "--dim", "x:0=batch"]).exits(0);
    assert_eq!(inspected(&folder, "mlp.onnx")["inputs"][0]["shape"][0], "batch");
}

#[test]
fn an_edit_of_names_leaves_everything_else_of_a_file_as_it_is() {
    let folder = Folder::new();
    saved(&folder);
    let mut model = Model::open(folder.path("m.onnx")).unwrap();
    model.strip();
    let graph = model.proto.graph.as_mut().unwrap();
    for (i, node) in graph.node.iter_mut().enumerate() {
        node.name = format!("/layer{i}/{}", node.op_type);
        node.doc_string = "from another exporter".to_string();
    }
    let first = graph.node[0].output[0].clone();
    model.proto.producer_name = "pytorch".to_string();
    folder.save("foreign.onnx", model.clone(), |_| {});
    let options = ["--rename", "x=image", "--rename", "y=scores", "--dim", "image:0=batch", "--set", "author=me"];
    let ran = folder.run(&[&["edit", "foreign.onnx", "-o", "out.onnx"][..], &options, &["--json"]].concat()).exits(0);
    let value: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!((value["schema"].as_str(), value["verified"].as_bool()), (Some("ontrace.edit/1"), Some(true)), "{value}");
    let edited = Model::open(folder.path("out.onnx")).unwrap();
    let (old, new) = (model.proto.graph.unwrap(), edited.proto.graph.unwrap());
    assert_eq!(edited.proto.producer_name, "pytorch");
    assert_eq!(edited.proto.metadata_props.len(), 1);
    let rest = |node: &ontrace::onnx::proto::NodeProto| (node.name.clone(), node.doc_string.clone(), node.attribute.clone());
    assert!(old.node.iter().map(rest).eq(new.node.iter().map(rest)));
    assert_eq!((new.node[0].input[0].as_str(), new.node[0].output[0].as_str()), ("image", first.as_str()));
    assert_eq!(inspected(&folder, "out.onnx")["inputs"][0]["shape"][0], "batch");
    folder.run(&["compare", "foreign.onnx", "out.onnx"]).exits(0);
    for (options, says) in [
        (["--rename", "z=a"], "there is no input or output `z`"),
        (["--rename", "x=y"], "two inputs or outputs would be called `y`"),
        (["--rename", &format!("x={first}")], "two values would be called"),
        (["--set", "ontrace.check=fine"], "reserved"),
        (["--unset", "author"], "no metadata key `author`"),
    ] {
        folder.run(&[&["edit", "foreign.onnx", "-o", "none.onnx"], &options[..]].concat()).exits(2).says(&[says]);
        assert!(!folder.path("none.onnx").exists(), "{options:?}");
    }
    // A size that is fixed becomes free only through a trace, which adapts what depends on it.
    folder.run(&["edit", "foreign.onnx", "-o", "fixed.onnx", "--dim", "x:0=4"]).exits(0);
    assert_eq!(inspected(&folder, "fixed.onnx")["inputs"][0]["shape"][0], "4");
}

#[test]
fn names_inside_branches_follow_those_outside() {
    let folder = Folder::new();
    let x = Tensor::new([2], vec![1f32, -2.0]).unwrap();
    let network = module::from_fn(|x: Tensor| {
        let large = x.sum(.., false)?.gt(0.0)?;
        Ok(ontrace::cond(&large, || Ok(vec![x.mul(2.0)?]), || Ok(vec![x.neg()?]))?.remove(0))
    });
    let mut model = record(&network, Example::of(&x)).unwrap().to_model().unwrap();
    model.strip();
    folder.save("branch.onnx", model, |_| {});
    folder.run(&["edit", "branch.onnx", "-o", "out.onnx", "--rename", "x=image"]).exits(0);
    folder.run(&["check", "out.onnx"]).exits(0);
    folder.run(&["compare", "branch.onnx", "out.onnx"]).exits(0);
}

#[test]
fn the_opset_goes_up_and_down() {
    let folder = Folder::new();
    saved(&folder);
    for opset in [21, 13] {
        folder.run(&["edit", "m.onnx", "-o", "out.onnx", "--opset", &opset.to_string()]).exits(0);
        assert_eq!(Model::open(folder.path("out.onnx")).unwrap().opset(""), Some(opset));
        folder.run(&["edit", "out.onnx", "-o", "same.onnx", "--rename", "x=a"]).exits(0);
        assert_eq!(Model::open(folder.path("same.onnx")).unwrap().opset(""), Some(opset), "an edit keeps the opset");
    }
    folder.run(&["edit", "m.onnx", "-o", "out.onnx", "--opset", "12"]).exits(2).says(&["13 to 26"]);
}

#[test]
fn a_part_between_values_is_a_model_of_its_own() {
    let folder = Folder::new();
    saved(&folder);
    let graph = Model::open(folder.path("m.onnx")).unwrap().proto.graph.unwrap();
    let made = |op: &str| graph.node.iter().find(|node| node.op_type == op).unwrap().output[0].clone();
    let (exp, tanh) = (made("Exp"), made("Tanh"));
    folder.run(&["edit", "m.onnx", "-o", "part.onnx", "--from", &exp, "--to", &tanh]).exits(0);
    assert_eq!(names(&folder.path("part.onnx")), (vec![exp.clone()], vec![tanh.clone()]));
    let part = Model::open(folder.path("part.onnx")).unwrap().proto.graph.unwrap();
    assert_eq!(part.node.iter().map(|node| node.op_type.as_str()).collect::<Vec<_>>(), ["MatMul", "Tanh"]);
    folder.run(&["edit", "m.onnx", "-o", "head.onnx", "--to", &exp, "--rename", &format!("{exp}=e")]).exits(0);
    assert_eq!(names(&folder.path("head.onnx")), (vec!["x".to_string()], vec!["e".to_string()]));
    folder.run(&["edit", "m.onnx", "-o", "none.onnx", "--from", "nowhere"]).exits(2).says(&["no value or module `nowhere`"]);
    folder.run(&["edit", &data("mlp.pt"), "-o", "mlp_part.onnx", "--to", "output"]);
}

#[test]
fn a_part_ends_and_begins_where_a_module_does() {
    let folder = Folder::new();
    folder.run(&["convert", &data("resnet_tiny.pt"), "-o", "m.onnx", "--dynamic", "x:0=batch", "-q"]).exits(0);
    folder.run(&["edit", "m.onnx", "-o", "backbone.onnx", "--to", "layer2"]).exits(0);
    folder.run(&["edit", "m.onnx", "-o", "head.onnx", "--from", "fc"]).exits(0);
    folder.run(&["edit", "m.onnx", "-o", "middle.onnx", "--from", "layer2", "--to", "layer2"]).exits(0);
    let shapes = |name: &str| {
        let found = inspected(&folder, name);
        let shape =
            |ends: &str| found[ends][0]["shape"].as_array().unwrap().iter().map(|n| n.as_str().unwrap().to_string()).collect::<Vec<_>>();
        [shape("inputs").join(","), shape("outputs").join(",")]
    };
    assert_eq!(shapes("backbone.onnx"), ["batch,3,32,32", "batch,16,4,4"]);
    assert_eq!(shapes("head.onnx"), ["batch,16", "batch,10"]);
    assert_eq!(shapes("middle.onnx"), ["batch,8,8,8", "batch,16,4,4"]);
    folder.run(&["edit", "m.onnx", "-o", "none.onnx", "--to", "layer"]).exits(2).says(&["no value or module `layer`", "layer1"]);
}

#[test]
fn f16_is_compared_with_f32_and_says_which_nodes_stay_wide() {
    let folder = Folder::new();
    saved(&folder);
    let ran = folder.run(&["edit", "m.onnx", "-o", "half.onnx", "--f16", "--json"]).exits(0);
    let value: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert!(value["precision"]["f16"].as_u64().unwrap() >= 4, "{value}");
    assert_eq!(inspected(&folder, "half.onnx")["inputs"][0]["dtype"], "f32");
    folder.run(&["edit", "m.onnx", "-o", "io.onnx", "--f16", "--io-f16"]).exits(0);
    assert_eq!(inspected(&folder, "io.onnx")["inputs"][0]["dtype"], "f16");
    let x = Tensor::zeros([2, 3], DType::F32).unwrap();
    let large = module::from_fn(|x: Tensor| x.add(3.0)?.mul(1e5)?.mul(1e-5)?.relu());
    folder.save("large.onnx", record(&large, Example::of(&x)).unwrap().to_model().unwrap(), |_| {});
    let text = folder.run(&["edit", "large.onnx", "-o", "islands.onnx", "--f16"]).exits(0).text();
    assert!(text.contains("in f16") && text.contains("f16 holds 65504"), "{text}");
}

#[test]
fn wrong_edits_are_usage_errors() {
    let folder = Folder::new();
    saved(&folder);
    for (options, says) in [
        (&[][..], "nothing is to be edited"),
        (&["--rename", "z=a"], "there is no input or output `z`"),
        (&["--rename", "x"], "expected OLD=NEW"),
        (&["--rename", "x=y"], "two inputs or outputs"),
        (&["--dim", "x=4"], "expected INPUT:AXIS"),
        (&["--dim", "z:0=4"], "there is no input `z`"),
        (&["--dim", "x:1=4"], "cannot become 4"),
        (&["--dim", "x:9=4"], "axis 9"),
        (&["--set", "author"], "expected KEY=VALUE"),
        (&["--set", "ontrace.check=fine"], "reserved"),
        (&["--unset", "author"], "no metadata key `author`"),
        (&["--unset", "ontrace.check"], "ontrace strip"),
        (&["--io-f16"], "--f16"),
    ] {
        folder.run(&[&["edit", "m.onnx", "-o", "out.onnx"], options].concat()).exits(2).says(&[says]);
        assert!(!folder.path("out.onnx").exists(), "{options:?}");
    }
    folder.run(&["edit", "m.onnx", "--rename", "x=a"]).exits(2).says(&["overwritten"]);
    assert!(folder.run(&["edit", "--help"]).exits(0).text().contains("Examples:"));
}
