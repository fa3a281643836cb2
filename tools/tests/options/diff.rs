//! `ontrace diff`: graphs up to names and order, and weights by value.

use super::program::{Folder, data};
use ontrace::onnx::Model;
use ontrace::onnx::proto::{NodeProto, tensor_shape_proto::dimension::Value as Size, type_proto};
use ontrace::{Array, DType, Example, Result, Tensor, module, record};
use serde_json::Value;
use std::collections::HashMap;

fn weights(seed: f32) -> Tensor {
    Tensor::new([4, 4], (0..16).map(|n| (n as f32 * seed).sin()).collect::<Vec<_>>()).unwrap()
}

fn model(f: impl Fn(Tensor) -> Result<Tensor>) -> Model {
    let x = Tensor::zeros([3, 4], DType::F32).unwrap();
    record(&module::from_fn(f), Example::new().input("x", &x)).unwrap().to_model().unwrap()
}

/// Three layers and a residual connection.
fn layers(x: Tensor, scale: f64) -> Result<Tensor> {
    let x = x.matmul(&weights(1.0))?.relu()?;
    let y = x.matmul(&weights(2.0))?.tanh()?.mul(scale)?;
    y.matmul(&weights(3.0))?.add(&x)?.softmax(1)
}

/// The result of a comparison of a.onnx and b.onnx.
#[track_caller]
fn diff(folder: &Folder, options: &[&str], exit: i32) -> Value {
    let ran = folder.run(&[&["diff", "a.onnx", "b.onnx", "--json"], options].concat()).exits(exit);
    let value: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!((value["schema"].as_str(), value["same"].as_bool()), (Some("ontrace.diff/1"), Some(exit == 0)), "{value}");
    value
}

fn count(value: &Value, key: &str) -> usize {
    value[key].as_array().unwrap().len()
}

/// Gives every value and node another name, and another program as its maker.
fn rename(model: &mut Model) {
    let mut names: HashMap<String, String> = HashMap::new();
    let mut next = 0;
    let mut renamed = |name: &mut String| {
        if !name.is_empty() {
            *name = names
                .entry(name.clone())
                .or_insert_with(|| {
                    next += 1;
                    format!("/r/{next}")
                })
                .clone();
        }
    };
    model.proto.producer_name = "elsewhere".into();
    model.proto.metadata_props.clear();
    for (name, _) in &mut model.initializers {
        renamed(name);
    }
    let graph = model.proto.graph.as_mut().unwrap();
    for node in &mut graph.node {
        node.name = format!("n_{}", node.op_type);
        node.metadata_props.clear();
        node.input.iter_mut().chain(&mut node.output).for_each(&mut renamed);
    }
    graph.input.iter_mut().chain(&mut graph.output).for_each(|info| renamed(&mut info.name));
    graph.value_info.clear();
}

#[test]
fn other_names_are_no_difference() {
    let folder = Folder::new();
    folder.save("a.onnx", model(|x| layers(x, 2.0)), |_| {});
    folder.save("b.onnx", model(|x| layers(x, 2.0)), rename);
    assert_eq!(diff(&folder, &[], 0)["nodes"], serde_json::json!([8, 8]));
    assert!(
        folder.run(&["diff", "a.onnx", "b.onnx"]).exits(0).text().contains("the same    8 nodes, weights included, up to names and order")
    );
}

#[test]
fn another_order_is_no_difference() {
    let folder = Folder::new();
    let branches = |first: bool| {
        model(move |x| {
            let (left, right);
            if first {
                left = x.matmul(&weights(1.0))?.tanh()?;
                right = x.matmul(&weights(2.0))?.exp()?;
            } else {
                right = x.matmul(&weights(2.0))?.exp()?;
                left = x.matmul(&weights(1.0))?.tanh()?;
            }
            if first { left.add(&right)?.mul(&left) } else { left.mul(right.add(&left)?) }
        })
    };
    folder.save("a.onnx", branches(true), |_| {});
    folder.save("b.onnx", branches(false), rename);
    diff(&folder, &[], 0);
}

#[test]
fn constants_that_are_computed_and_constants_that_are_folded_are_the_same() {
    let folder = Folder::new();
    folder.save("a.onnx", model(|x| x.matmul(&weights(1.0))?.add(Tensor::from(&[2.0f32, 4.0, 6.0, 8.0]))), |_| {});
    // The same bias as a sum of two constants, and an Identity before the product.
    folder.save("b.onnx", model(|x| x.matmul(&weights(1.0))?.add(Tensor::from(&[2.0f32, 4.0, 6.0, 8.0]))), |model| {
        let bias = model.initializers.iter().position(|(_, array)| array.shape() == [4]).unwrap();
        let name = model.initializers[bias].0.clone();
        model.initializers[bias] = ("half".into(), Array::vector(vec![1f32, 2.0, 3.0, 4.0]));
        let node = |op: &str, input: &[&str], output: &str| NodeProto {
            op_type: op.into(),
            name: output.into(),
            input: input.iter().map(ToString::to_string).collect(),
            output: vec![output.to_string()],
            ..NodeProto::default()
        };
        let graph = model.proto.graph.as_mut().unwrap();
        graph.node.iter_mut().flat_map(|node| &mut node.input).filter(|input| *input == "x").for_each(|input| *input = "copied".into());
        graph.node.insert(0, node("Add", &["half", "half"], &name));
        graph.node.insert(0, node("Identity", &["x"], "copied"));
    });
    diff(&folder, &[], 0);
}

#[test]
fn an_attribute_that_changed_is_named_with_both_values() {
    let folder = Folder::new();
    let of = |axis: i64| model(move |x| x.matmul(&weights(1.0))?.exp()?.softmax(axis)?.matmul(&weights(2.0)));
    folder.save("a.onnx", of(0), |_| {});
    folder.save("b.onnx", of(1), rename);
    let value = diff(&folder, &[], 3);
    assert_eq!((count(&value, "changed"), value["same_nodes"].as_u64()), (1, Some(3)), "{value}");
    let changed = &value["changed"][0];
    assert_eq!(changed["first"]["op"], "Softmax");
    assert!(changed["differences"].to_string().contains("axis: 0 → 1"), "{value}");
    let ran = folder.run(&["diff", "a.onnx", "b.onnx"]).exits(3).says(&["error[E0403]", "1 node changed"]);
    assert!(ran.text().contains("axis: 0 → 1"), "{}", ran.text());
}

#[test]
fn nodes_that_only_one_model_has_are_listed_and_the_rest_stays_aligned() {
    let folder = Folder::new();
    folder.save("a.onnx", model(|x| layers(x, 2.0)), |_| {});
    folder.save("b.onnx", model(|x| layers(x.sin()?, 2.0)?.sqrt()), rename);
    let value = diff(&folder, &[], 3);
    let ops: Vec<&str> = value["only_second"].as_array().unwrap().iter().map(|node| node["op"].as_str().unwrap()).collect();
    assert_eq!((ops, count(&value, "only_first"), count(&value, "changed")), (vec!["Sin", "Sqrt"], 0, 0), "{value}");
    assert_eq!(value["same_nodes"], 8);
    let text = folder.run(&["diff", "b.onnx", "a.onnx"]).exits(3).text();
    assert!(text.contains("only in b.onnx\n   Sin") && !text.contains("only in a.onnx"), "{text}");
}

#[test]
fn weights_are_compared_by_value() {
    let folder = Folder::new();
    folder.save("a.onnx", model(|x| layers(x, 2.0)), |_| {});
    folder.save("b.onnx", model(|x| layers(x, 2.0)), |model| {
        rename(model);
        let (_, array) = model.initializers.iter_mut().filter(|(_, array)| array.shape() == [4, 4]).nth(1).unwrap();
        let mut values = array.to_vec::<f32>().unwrap();
        values[6] += 0.5;
        *array = Array::new(&[4, 4], values).unwrap();
    });
    let value = diff(&folder, &[], 3);
    let weight = &value["weights"][0];
    assert_eq!((count(&value, "weights"), count(&value, "changed"), value["same_nodes"].as_u64()), (1, 0, Some(8)), "{value}");
    assert_eq!((weight["differing"].as_u64(), weight["elements"].as_u64(), weight["max_abs"].as_f64()), (Some(1), Some(16), Some(0.5)));
    assert_eq!(weight["worst"]["index"], serde_json::json!([1, 2]));
    diff(&folder, &["--structure"], 0);
    // A number is a setting: it changes its node, also where values do not count.
    folder.save("b.onnx", model(|x| layers(x, 3.0)), rename);
    for options in [&[][..], &["--structure"]] {
        let value = diff(&folder, options, 3);
        assert!(value["changed"][0]["differences"].to_string().contains("2.0 → 3.0"), "{value}");
    }
}

#[test]
fn symbolic_sizes_may_have_other_names_and_fixed_ones_are_a_difference() {
    let folder = Folder::new();
    let size = |model: &mut Model, value: Size| {
        let graph = model.proto.graph.as_mut().unwrap();
        for info in graph.input.iter_mut().chain(&mut graph.output) {
            let Some(type_proto::Value::TensorType(ty)) = info.r#type.as_mut().unwrap().value.as_mut() else { panic!() };
            ty.shape.as_mut().unwrap().dim[0].value = Some(value.clone());
        }
    };
    folder.save("a.onnx", model(|x| layers(x, 2.0)), |model| size(model, Size::DimParam("batch".into())));
    folder.save("b.onnx", model(|x| layers(x, 2.0)), |model| {
        rename(model);
        size(model, Size::DimParam("N".into()))
    });
    diff(&folder, &[], 0);
    folder.save("b.onnx", model(|x| layers(x, 2.0)), |_| {});
    let value = diff(&folder, &[], 3);
    assert_eq!(value["signature"][0], "input 0: f32[batch,4] → f32[3,4]", "{value}");
    diff(&folder, &["--fixed", "batch=3"], 0);
}

#[test]
fn a_file_and_its_conversion_are_the_same_and_the_html_has_both() {
    let folder = Folder::new();
    for (source, name) in [("resnet_tiny.pt", "r.onnx"), ("while_loop.pt2", "w.onnx"), ("mlp.pt", "m.onnx")] {
        folder.run(&["convert", &data(source), "-o", name]).exits(0);
        folder.run(&["diff", &data(source), name, "--html", "d.html"]).exits(0);
        folder.run(&["diff", name, &data(source)]).exits(0);
        let html = std::fs::read_to_string(folder.path("d.html")).unwrap();
        assert!(html.contains("the same, up to names and order") && html.contains("<tr class=\"same\">"), "{html}");
    }
    let ran = folder.run(&["diff", "r.onnx", "m.onnx", "--html", "d.html"]).exits(3);
    assert!(ran.text().contains("only in r.onnx"), "{}", ran.text());
    assert!(std::fs::read_to_string(folder.path("d.html")).unwrap().contains("<tr class=\"first\">"));
    folder.run(&["diff", "r.onnx", "nowhere.onnx"]).exits(1).says(&["nowhere.onnx"]);
    folder.run(&["diff", "r.onnx"]).exits(2);
}

#[test]
fn what_a_simplifier_fuses_is_no_difference_where_both_are_simplified() {
    let folder = Folder::new();
    let scale = |x: &Tensor| x.mul(weights(7.0).slice(0, ..1)?.reshape([4])?)?.add(weights(5.0).slice(0, ..1)?.reshape([4])?);
    let norm = |x: Tensor, factor: f64| {
        let y = scale(&x.matmul(&weights(1.0).mul(factor)?)?)?;
        y.relu()?.transpose(0, 1)?.transpose(0, 1)
    };
    let x = Tensor::zeros([3, 4], DType::F32).unwrap();
    let traced = |factor: f64| record(&module::from_fn(move |x: Tensor| norm(x, factor)), Example::new().input("x", &x)).unwrap();
    folder.save("a.onnx", traced(1.0).to_model().unwrap(), |_| {});
    folder.save("b.onnx", traced(1.0).simplified(&[]).unwrap().traced.to_model().unwrap(), |_| {});
    diff(&folder, &[], 3);
    folder.run(&["diff", "a.onnx", "b.onnx"]).exits(3).says(&["--simplified compares them so"]);
    diff(&folder, &["--simplified"], 0);
    folder.save("b.onnx", traced(1.001).simplified(&[]).unwrap().traced.to_model().unwrap(), |_| {});
    let found = diff(&folder, &["--simplified"], 3);
    assert_eq!((count(&found, "changed"), count(&found, "weights")), (0, 1), "{found}");
    let ran = folder.run(&["diff", "a.onnx", "b.onnx"]).exits(3);
    assert!(!ran.stderr.contains("--simplified compares them so"));
}
