//! What the command line verifies and reports: tolerances, made-up inputs, nodes at fault, schemas and declarations.

use super::program::Folder;
use ontrace::onnx::proto::{AttributeProto, attribute_proto::AttributeType, tensor_shape_proto::dimension::Value, type_proto};
use ontrace::onnx::{Model, proto};
use ontrace::{Array, DType, Example, Result, Tensor, module, record};

fn of(f: impl Fn(Tensor) -> Result<Tensor>, x: &Tensor) -> Model {
    record(&module::from_fn(f), Example::of(x)).unwrap().to_model().unwrap()
}

fn free_rows(f: impl Fn(Tensor) -> Result<Tensor>, x: &Tensor) -> Model {
    record(&module::from_fn(f), Example::of(x).symbolic("x", 0, "n").unwrap()).unwrap().to_model().unwrap()
}

fn graph(model: &mut Model) -> &mut proto::GraphProto {
    model.proto.graph.as_mut().unwrap()
}

#[test]
fn usage_errors_are_one_object_under_json() {
    let folder = Folder::new();
    for (arguments, says) in [
        (&["check", "--json", "--bad", "m.onnx"][..], "--bad"),
        (&["run", "m.onnx", "--json", "--backend", "gpu"], "gpu"),
        (&["--json", "check", "m.onnx", "--atol", "nan"], "--atol"),
        (&["--json", "convert"], "MODEL"),
        (&["--json", "frobnicate"], "frobnicate"),
    ] {
        let ran = folder.run(arguments).exits(2).says(&[says]);
        let value: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
        assert_eq!((value["schema"].as_str(), value["exit"].as_i64()), (Some("ontrace.error/1"), Some(2)), "{value}");
        assert!(ran.stdout.is_empty());
    }
    assert!(folder.run(&["check", "--json", "--help"]).exits(0).text().contains("Usage"));
    folder.run(&["check", "--bad"]).exits(2).says(&["Usage"]);
}

#[test]
fn a_tolerance_is_a_finite_number_and_each_part_has_its_own_default() {
    let folder = Folder::new();
    let x = Tensor::zeros([3, 2], DType::F32).unwrap();
    folder.save("a.onnx", free_rows(|x| x.mul(0.0), &x), |_| {});
    folder.save("b.onnx", free_rows(|x| x.mul(0.0)?.add(1e-9), &x), |_| {});
    let check = |options: &[&str]| folder.run(&[&["check", "b.onnx", "--against", "a.onnx"], options].concat());
    for option in ["--atol", "--rtol"] {
        for value in ["nan", "inf", "-1"] {
            check(&[&format!("{option}={value}")]).exits(2).says(&[option]);
            check(&[option, value]).exits(2).says(&[option, "0 or more"]);
        }
    }
    check(&["--rtol", "1e-4"]).exits(0);
    check(&["--rtol", "1e-4", "--atol", "1e-12"]).exits(3);
    check(&["--atol", "1e-12"]).exits(3);
    check(&["--atol", "1e-6"]).exits(0);
}

#[test]
fn made_up_indices_reach_every_row_of_a_table() {
    let folder = Folder::new();
    let lookup = |change: usize| {
        let mut table: Vec<f32> = (0..120).map(|n| (n as f32).sin()).collect();
        table[2 * change..2 * change + 2].iter_mut().for_each(|x| *x += f32::from(u8::from(change < 59)));
        let table = Tensor::new([60, 2], table).unwrap();
        free_rows(move |ids| table.embedding(&ids), &Tensor::new([4], vec![0i64; 4]).unwrap())
    };
    folder.save("right.onnx", lookup(59), |_| {});
    for row in [1, 37, 58] {
        folder.save("wrong.onnx", lookup(row), |_| {});
        folder.run(&["check", "wrong.onnx", "--against", "right.onnx"]).exits(3);
    }
    folder.run(&["check", "right.onnx", "--against", "right.onnx"]).exits(0);
    folder.run(&["run", "right.onnx"]).exits(0).says(&["indices 0 to 59 of a table of 60 rows"]);
}

#[test]
fn an_index_out_of_range_names_the_input_and_the_range() {
    let folder = Folder::new();
    let table = Tensor::new([50, 2], vec![0f32; 100]).unwrap();
    let model = free_rows(move |ids| table.embedding(&ids.reshape([-1i64, 1])?), &Tensor::new([3], vec![0i64; 3]).unwrap());
    folder.save("m.onnx", model, |_| {});
    for index in [50, 73, -51] {
        folder.write("x.npy", &[("", Array::vector(vec![0i64, 1, index]))]);
        for backend in ["tract", "eager"] {
            let ran = folder.run(&["run", "m.onnx", "-i", "x=@x.npy", "--backend", backend]).exits(2);
            let ran = ran.says(&["error[E0401]", "input x", &format!("index {index} at [2]"), "-50 to 49"]);
            assert!(!ran.stderr.contains("panic"), "{}", ran.stderr);
        }
    }
    for command in [&["check", "m.onnx"][..], &["convert", "m.onnx", "-o", "out.onnx"]] {
        let ran = folder.run(&[command, &["-i", "x=@x.npy"]].concat()).exits(2);
        ran.says(&["error[E0401]", "input x", "index -51 at [2]", "-50 to 49"]);
    }
    folder.write("x.npy", &[("", Array::vector(vec![0i64, 49, -50]))]);
    folder.run(&["run", "m.onnx", "-i", "x=@x.npy"]).exits(0);
}

#[test]
fn a_failed_check_shows_what_was_compared_in_text_and_json() {
    let folder = Folder::new();
    let x = Tensor::zeros([3, 2], DType::F32).unwrap();
    folder.save("a.onnx", free_rows(|x| x.mul(2.0), &x), |_| {});
    folder.save("b.onnx", free_rows(|x| x.mul(3.0), &x), |_| {});
    let text = folder.run(&["check", "b.onnx", "--against", "a.onnx"]).exits(3);
    text.says(&["largest difference", "of the limit", "seed 1"]);
    let ran = folder.run(&["check", "b.onnx", "--against", "a.onnx", "--json"]).exits(3);
    let value: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    let output = &value["check"]["outputs"][0];
    assert_eq!((value["ok"].as_bool(), output["agrees"].as_bool()), (Some(false), Some(false)), "{value}");
    assert!(output["share"].as_f64().unwrap() > 1.0 && output["worst"]["index"].is_array(), "{value}");
    assert!(value["reference"].as_str().unwrap().contains("a.onnx"), "{value}");
}

#[test]
fn tolerances_of_convert_decide_and_need_a_check() {
    let folder = Folder::new();
    folder.save("m.onnx", free_rows(|x| x.exp()?.sin(), &Tensor::zeros([3, 2], DType::F32).unwrap()), |_| {});
    let convert = |options: &[&str]| folder.run(&[&["convert", "m.onnx", "-o", "out.onnx", "--json"], options].concat());
    convert(&["--atol", "1e-3"]).exits(0);
    convert(&["--rtol", "1e-3"]).exits(0);
    for option in ["--atol=nan", "--rtol=-1", "--atol=inf", "--rtol=-inf"] {
        convert(&[option]).exits(2).says(&[&option[..6]]);
    }
    convert(&["--atol", "1", "--no-check"]).exits(2).says(&["--no-check"]);
}

#[test]
fn a_converted_file_says_what_was_verified_and_how() {
    let folder = Folder::new();
    folder.save("m.onnx", free_rows(|x| x.exp()?.sin(), &Tensor::zeros([3, 2], DType::F32).unwrap()), |_| {});
    let convert = |output: &str, options: &[&str]| folder.run(&[&["convert", "m.onnx", "-o", output], options].concat()).exits(0);
    convert("a.onnx", &["--rtol", "1e-3"]);
    convert("b.onnx", &["--rtol", "1e-3"]);
    assert_eq!(std::fs::read(folder.path("a.onnx")).unwrap(), std::fs::read(folder.path("b.onnx")).unwrap());
    let ran = folder.run(&["inspect", "a.onnx", "--json"]).exits(0);
    let value: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    let evidence = &value["evidence"];
    assert_eq!(evidence["verdict"], "agrees", "{value}");
    assert_eq!(evidence["options"]["tolerance"]["rtol"], 1e-3);
    assert_eq!(evidence["source"]["blake3"], ontrace::onnx::blake3(&std::fs::read(folder.path("m.onnx")).unwrap()));
    assert!(evidence["compared"]["calls"].as_array().unwrap().iter().any(|call| call == "n = 1"), "{value}");
    assert!(folder.run(&["inspect", "a.onnx"]).text().contains("rtol 1e-3"));
    assert!(folder.run(&["inspect", "a.onnx"]).text().contains("  verified when it was written: tract agrees"));
    convert("c.onnx", &["--no-check"]);
    assert!(folder.run(&["inspect", "c.onnx"]).text().contains("  not verified when it was written: not compared"));
    let ran = folder.run(&["inspect", "c.onnx", "--json"]).exits(0);
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&ran.stdout).unwrap()["evidence"]["verdict"], "not checked");
    folder.run(&["strip", "a.onnx", "-o", "bare.onnx"]).exits(0);
    let ran = folder.run(&["inspect", "bare.onnx", "--json"]).exits(0);
    assert!(serde_json::from_slice::<serde_json::Value>(&ran.stdout).unwrap()["evidence"].is_null());
}

#[test]
fn an_output_of_nothing_but_nan_is_noted() {
    let folder = Folder::new();
    let x = Tensor::zeros([3, 2], DType::F32).unwrap();
    folder.save("m.onnx", free_rows(|x| x.abs()?.neg()?.sub(1)?.log(), &x), |_| {});
    let note = "is NaN for every input that was tried";
    assert!(folder.run(&["check", "m.onnx"]).exits(0).text().contains(note));
    assert!(folder.run(&["convert", "m.onnx", "-o", "out.onnx"]).exits(0).text().contains(note));
    folder.save("m.onnx", free_rows(|x| x.log(), &x), |_| {});
    assert!(!folder.run(&["check", "m.onnx"]).exits(0).text().contains(note), "log is a number of some inputs");
}

#[test]
fn nan_and_infinity_are_warnings_and_an_output_of_nan_alone_does_not_just_agree() {
    let folder = Folder::new();
    let x = Tensor::zeros([3, 2], DType::F32).unwrap();
    folder.save("m.onnx", free_rows(|x| x.abs()?.neg()?.sub(1)?.log(), &x), |_| {});
    let text = folder.run(&["check", "m.onnx"]).exits(0).text();
    assert!(text.contains("warning: output") && text.contains("only NaN") && !text.contains("within rounding"), "{text}");
    let ran = folder.run(&["check", "m.onnx", "--json"]).exits(0);
    let value: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert!(value["check"]["warnings"][0].as_str().unwrap().contains("NaN"), "{value}");
    folder.run(&["convert", "m.onnx", "-o", "out.onnx"]).exits(0);
    let ran = folder.run(&["inspect", "out.onnx", "--json"]).exits(0);
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&ran.stdout).unwrap()["evidence"]["verdict"], "only NaN");
    folder.write("x.npy", &[("", Array::new(&[3, 2], vec![1f32, 0.0, 2.0, 3.0, 4.0, 5.0]).unwrap())]);
    folder.save("m.onnx", free_rows(|x| x.reciprocal(), &x), |_| {});
    folder.run(&["run", "m.onnx", "-i", "@x.npy"]).exits(0).says(&["warning", "1 of 6 elements are infinite"]);
    folder.save("other.onnx", free_rows(|x| x.add(1e-3)?.reciprocal(), &x), |_| {});
    folder.run(&["check", "other.onnx", "--against", "m.onnx", "-i", "@x.npy"]).exits(3);
}

#[test]
fn a_symbolic_size_that_could_not_be_varied_is_not_verified() {
    let folder = Folder::new();
    let x = Tensor::zeros([1, 4], DType::F32).unwrap();
    folder.save("m.onnx", of(|x| x.cumsum(0), &x), |_| {});
    for options in [&["check", "m.onnx"][..], &["check", "m.onnx", "--against", "m.onnx"], &["convert", "m.onnx", "-o", "out.onnx"]] {
        folder.run(&[options, &["--dynamic", "x:0=batch"]].concat()).exits(6).says(&["not verified", "`batch`", "size 1 only"]);
    }
    let ran = folder.run(&["check", "m.onnx", "--dynamic", "x:0=batch", "--json"]).exits(6);
    let value: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!((value["ok"].as_bool(), value["check"]["unvaried"].as_array().map(Vec::len)), (Some(false), Some(1)), "{value}");
}

#[test]
fn the_effort_decides_how_much_is_compared() {
    let folder = Folder::new();
    folder.save("m.onnx", free_rows(|x| x.exp(), &Tensor::zeros([3, 2], DType::F32).unwrap()), |_| {});
    let calls = |options: &[&str]| {
        let ran = folder.run(&[&["check", "m.onnx", "--json"], options].concat()).exits(0);
        let value: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
        value["check"]["calls"].as_array().unwrap().len()
    };
    let counts = [&["--effort", "1"][..], &[], &["--effort", "3"]].map(calls);
    assert!(counts.is_sorted() && counts[0] < counts[1] && counts[1] < counts[2], "{counts:?}");
    folder.run(&["check", "m.onnx", "--effort", "4"]).exits(2);
}

#[test]
fn recorded_outputs_are_compared_with_those_of_tract() {
    let folder = Folder::new();
    folder.save("m.onnx", free_rows(|x| x.exp(), &Tensor::zeros([3, 2], DType::F32).unwrap()), |_| {});
    folder.write("x.npy", &[("", Array::new(&[3, 2], vec![0f32; 6]).unwrap())]);
    for (y, exit) in [(1f32, 0), (1.1, 3)] {
        folder.write("y.npy", &[("", Array::new(&[3, 2], vec![y; 6]).unwrap())]);
        let ran = folder.run(&["check", "m.onnx", "-i", "x=@x.npy", "--against", "y.npy"]).exits(exit);
        let text = ran.text() + &ran.stderr;
        assert!(text.contains("runs here   yes, on tract"), "{text}");
    }
}

#[test]
fn outputs_that_show_nothing_do_not_just_agree() {
    let folder = Folder::new();
    let x = Tensor::zeros([3, 2], DType::F32).unwrap();
    folder.save("m.onnx", free_rows(|x| x.abs()?.neg()?.sub(1)?.log(), &x), |_| {});
    folder.write("x.npy", &[("", Array::new(&[3, 2], vec![1f32; 6]).unwrap())]);
    folder.write("y.npz", &[("y", Array::new(&[3, 2], vec![f32::NAN; 6]).unwrap()), ("z", Array::scalar(1f32))]);
    let text = folder.run(&["check", "m.onnx", "-i", "x=@x.npy", "--against", "y.npz"]).exits(0).text();
    assert!(text.contains("comparing NaN with NaN shows nothing") && text.contains("no output was compared with: z"), "{text}");
    // No elements: nothing is shown, in a check, a conversion, a comparison and against recorded outputs.
    let x = Tensor::zeros([0, 2], DType::F32).unwrap();
    folder.save("empty.onnx", of(|x| x.relu(), &x), |_| {});
    folder.write("x.npy", &[("", Array::new(&[0, 2], Vec::<f32>::new()).unwrap())]);
    for arguments in [
        &["check", "empty.onnx"][..],
        &["check", "empty.onnx", "--against", "empty.onnx"],
        &["check", "empty.onnx", "-i", "x=@x.npy", "--against", "x.npy"],
        &["convert", "empty.onnx", "-o", "out.onnx"],
        &["compare", "empty.onnx", "empty.onnx"],
    ] {
        folder.run(arguments).exits(6).says(&["error[E0404]", "not verified", "no output has any element"]);
    }
    assert!(!folder.path("out.onnx").exists());
    // One output of two: a warning.
    let x = Tensor::zeros([3, 2], DType::F32).unwrap();
    let model = record(&module::from_fn(|x: Tensor| Ok((x.slice(1, ..0)?, x.relu()?))), Example::of(&x)).unwrap();
    folder.save("m.onnx", model.to_model().unwrap(), |_| {});
    let text = folder.run(&["check", "m.onnx"]).exits(0).text();
    assert!(text.contains("has no elements in any call"), "{text}");
}

/// Two linear maps with names, as another program would write them.
fn named(scale: f32, model: &mut Model) {
    model.proto.producer_name = "elsewhere".into();
    graph(model).node.iter_mut().for_each(|node| node.metadata_props.clear());
    let mut second = graph(model).node.iter_mut().filter(|node| node.op_type == "MatMul").skip(1);
    second.next().unwrap().name = "/c2/MatMul".into();
    let weights = model.initializers.iter_mut().rfind(|(_, array)| array.shape() == [4, 4]).unwrap();
    let scaled = weights.1.to_f64s().unwrap().iter().map(|x| *x as f32 * scale).collect();
    weights.1 = Array::new(&[4, 4], scaled).unwrap();
}

#[test]
fn the_node_at_fault_is_named_with_any_tolerance() {
    let folder = Folder::new();
    let weights = |seed: f32| Tensor::new([4, 4], (0..16).map(|n| (n as f32 * seed).cos()).collect::<Vec<_>>()).unwrap();
    let (first, second) = (weights(1.0), weights(2.0));
    let model = || {
        let (first, second) = (first.clone(), second.clone());
        free_rows(move |x| x.matmul(&first)?.tanh()?.matmul(&second)?.sigmoid(), &Tensor::zeros([3, 4], DType::F32).unwrap())
    };
    folder.save("right.onnx", model(), |model| named(1.0, model));
    for (scale, options) in [(1.5, &[][..]), (1.0 + 1e-5, &["--atol", "1e-8", "--rtol", "1e-7"])] {
        folder.save("wrong.onnx", model(), |model| named(scale, model));
        folder.run(&[&["check", "wrong.onnx", "--against", "right.onnx"], options].concat()).exits(3).says(&["/c2/MatMul"]);
    }
}

#[test]
fn what_a_file_declares_must_be_so() {
    let folder = Folder::new();
    let x = Tensor::zeros([2], DType::F32).unwrap();
    for declared in [Some(3), Some(1), None] {
        folder.save("m.onnx", of(|x| x.relu(), &x), |model| {
            let Some(type_proto::Value::TensorType(ty)) = graph(model).output[0].r#type.as_mut().unwrap().value.as_mut() else { panic!() };
            match declared {
                Some(n) => ty.shape.as_mut().unwrap().dim[0].value = Some(Value::DimValue(n)),
                None => ty.elem_type = 7,
            }
        });
        match declared {
            Some(_) => folder.run(&["check", "m.onnx"]).exits(3).says(&["output y", "declared as", "but is f32[2]"]),
            None => {
                for command in [&["inspect", "m.onnx"][..], &["run", "m.onnx"], &["convert", "m.onnx", "-o", "n.onnx", "--no-check"]] {
                    folder.run(command).exits(1).says(&["output y: declared as i64, but is f32"]);
                }
                folder.run(&["check", "m.onnx"]).exits(1).says(&["output y: declared as i64, but is f32"])
            }
        };
    }
    // A size that is free in the input is not fixed in the output.
    folder.save("m.onnx", of(|x| x.relu(), &x), |model| {
        let Some(type_proto::Value::TensorType(ty)) = graph(model).input[0].r#type.as_mut().unwrap().value.as_mut() else { panic!() };
        ty.shape.as_mut().unwrap().dim[0].value = Some(Value::DimParam("N".to_string()));
    });
    folder.run(&["check", "m.onnx"]).exits(3).says(&["output y", "declared as f32[2]", "but is f32[N"]);
    folder.run(&["check", "m.onnx", "--fixed", "N=2"]).exits(0);
    // Axes of one name are of one size; runtimes compute the model all the same.
    folder.save("m.onnx", of(|x| x.relu(), &Tensor::zeros([2, 3], DType::F32).unwrap()), |model| {
        let Some(type_proto::Value::TensorType(ty)) = graph(model).output[0].r#type.as_mut().unwrap().value.as_mut() else { panic!() };
        ty.shape.as_mut().unwrap().dim.iter_mut().for_each(|dim| dim.value = Some(Value::DimParam("N".to_string())));
    });
    let contradiction = "warning: axis 1 of output y is named `N`, as axis 0 of output y, but is 3, not 2";
    let text = folder.run(&["check", "m.onnx"]).exits(0).text();
    assert!(text.contains(contradiction), "{text}");
    folder.save("m.onnx", of(|x| x.relu(), &x), |_| {});
    folder.run(&["check", "m.onnx"]).exits(0);
}

#[test]
fn sizes_below_0_and_empty_types_say_nothing() {
    let folder = Folder::new();
    folder.save("m.onnx", of(|x| x.relu()?.exp(), &Tensor::zeros([2, 3], DType::F32).unwrap()), |model| {
        let graph = graph(model);
        for info in graph.input.iter_mut().chain(&mut graph.output) {
            let Some(type_proto::Value::TensorType(ty)) = info.r#type.as_mut().unwrap().value.as_mut() else { panic!() };
            ty.shape.as_mut().unwrap().dim[0].value = Some(Value::DimValue(-1));
        }
        let inner = graph.node[0].output[0].clone();
        graph.value_info.push(proto::ValueInfoProto { name: inner, r#type: Some(proto::TypeProto::default()), ..Default::default() });
    });
    assert!(folder.run(&["run", "m.onnx", "-i", "5,3=zeros"]).exits(0).text().contains("f32[5,3]"));
    folder.run(&["convert", "m.onnx", "-o", "out.onnx"]).exits(0).says(&["x_0 "]);
}

#[test]
fn attributes_and_operands_are_those_of_the_schema() {
    let folder = Folder::new();
    let x = Tensor::zeros([2, 2], DType::F32).unwrap();
    let float = |name: &str| AttributeProto { name: name.into(), f: 0.5, r#type: AttributeType::Float as i32, ..Default::default() };
    for (attribute, says) in [(float("slope"), "Softmax has no attribute slope"), (float("axis"), "attribute axis is FLOAT, expected INT")]
    {
        folder.save("m.onnx", of(|x| x.softmax(1), &x), |model| graph(model).node[0].attribute = vec![attribute.clone()]);
        folder.run(&["check", "m.onnx"]).says(&[says]);
    }
    folder.save("m.onnx", of(|x| x.softmax(1), &x), |_| {});
    folder.run(&["check", "m.onnx"]).exits(0);
}

#[test]
fn a_kept_file_exits_as_without_keep_and_the_object_says_what_failed() {
    let folder = Folder::new();
    let x = Tensor::zeros([1, 4], DType::F32).unwrap();
    folder.save("m.onnx", of(|x| x.cumsum(0), &x), |_| {});
    let convert =
        |options: &[&str]| folder.run(&[&["convert", "m.onnx", "-o", "out.onnx", "--dynamic", "x:0=batch"], options].concat()).exits(6);
    convert(&[]).says(&["not verified", "batch"]);
    assert!(!folder.path("out.onnx").exists());
    let ran = convert(&["--keep", "--json"]);
    let value: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!((value["verified"].as_bool(), value["failure"]["code"].as_str()), (Some(false), Some("E0404")), "{value}");
    assert!(folder.path("out.onnx").exists());
}

#[test]
fn reports_name_limits_inputs_and_the_reference_also_where_outputs_differ() {
    let folder = Folder::new();
    let x = Tensor::zeros([3, 2], DType::F32).unwrap();
    folder.save("a.onnx", free_rows(|x| x.mul(2.0)?.exp(), &x), |_| {});
    folder.save("b.onnx", free_rows(|x| x.mul(2.1)?.exp(), &x), |_| {});
    folder.save("one.onnx", free_rows(|x| x.mul(0.0)?.add(1.0), &x), |_| {});
    let reference = "reference: ontrace's interpreter of a.onnx";
    for (arguments, exit) in [(&["check", "a.onnx"][..], 0), (&["check", "b.onnx", "--against", "a.onnx"], 3)] {
        let ran = folder.run(arguments).exits(exit);
        let text = format!("{}{}", String::from_utf8_lossy(&ran.stdout), ran.stderr);
        assert!([reference, "limit: ", "input x: normally distributed"].iter().all(|words| text.contains(words)), "{text}");
    }
    folder.run(&["compare", "a.onnx", "b.onnx"]).exits(3).says(&["input x: normally distributed"]);
    assert!(folder.run(&["check", "a.onnx"]).exits(0).text().contains("(seeds 1 to 2)"));
    assert!(folder.run(&["check", "one.onnx"]).exits(0).text().contains("is 1 everywhere"));
}
