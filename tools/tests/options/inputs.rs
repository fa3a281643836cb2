//! Inputs of the command line: names, files of arrays, members, inputs that are left out, and sizes.

use super::program::{Folder, data};
use ontrace::onnx::proto::{tensor_shape_proto::dimension::Value, type_proto};
use ontrace::onnx::{Model, proto};
use ontrace::{Array, DType, Example, Tensor, module, record};

fn ramp(shape: &[usize]) -> Array {
    Array::new(shape, (0..shape.iter().product::<usize>()).map(|n| n as f32 - 2.0).collect()).unwrap()
}

/// `a * 2 + b`, of inputs with these names.
fn two_inputs(names: [&str; 2], dtype: DType) -> Model {
    let sum = module::from_fn(|(a, b): (Tensor, Tensor)| a.mul(2)?.add(&b));
    let x = Tensor::zeros([2, 3], dtype).unwrap();
    let traced = record(&module::named(sum, &names, &["y"]), Example::new().input(names[0], &x).input(names[1], &x)).unwrap();
    traced.to_model().unwrap()
}

/// The declared sizes of an input.
fn sizes(model: &mut Model, input: usize) -> &mut Vec<proto::tensor_shape_proto::Dimension> {
    let info = &mut model.proto.graph.as_mut().unwrap().input[input];
    let Some(type_proto::Value::TensorType(ty)) = info.r#type.as_mut().unwrap().value.as_mut() else { panic!("no tensor") };
    &mut ty.shape.as_mut().unwrap().dim
}

/// Takes the declared shapes of the outputs away, which a test that changes sizes would contradict.
fn forget_outputs(model: &mut Model) {
    let graph = model.proto.graph.as_mut().unwrap();
    graph.value_info.clear();
    for output in &mut graph.output {
        let Some(type_proto::Value::TensorType(ty)) = output.r#type.as_mut().unwrap().value.as_mut() else { panic!("no tensor") };
        ty.shape = None;
    }
}

#[test]
fn any_name_of_the_model_can_be_given() {
    for names in [["x:0", "x"], ["0", "1"], ["a.b", "a"], ["f32", "ones"], ["2,3", "x=1"], ["-x", "--y"], ["-i", "--fixed"]] {
        let folder = Folder::new();
        folder.save("m.onnx", two_inputs(names, DType::F32), |_| {});
        folder.write("in.npz", &[(names[0], ramp(&[2, 3])), (names[1], ramp(&[2, 3]))]);
        let [a, b] = names.map(|name| format!("{name}=@in.npz#{name}"));
        folder.run(&["run", "m.onnx", "-i", &a, "-i", &b, "--out", "y.npz"]).exits(0);
        let expected = ramp(&[2, 3]).to_f64s().unwrap().iter().map(|x| 3.0 * x).collect::<Vec<_>>();
        assert_eq!(folder.outputs("y.npz")[0].to_f64s().unwrap(), expected, "{names:?}");
        let [a, b] = names.map(|name| format!("{name}:batch=2,3:f32=ones"));
        folder.run(&["run", "m.onnx", "-i", &a, "-i", &b, "--out", "y.npz"]).exits(0);
        assert_eq!(folder.outputs("y.npz")[0].to_f64s().unwrap(), [3.0; 6]);
        let dynamic = names.map(|name| format!("{name}:1=width"));
        folder.run(&["inspect", "m.onnx", "--dynamic", &dynamic[0], "--dynamic", &dynamic[1]]).exits(0);
    }
}

#[test]
fn half_precision_arrays_come_in_and_go_out_as_they_are() {
    for dtype in [DType::F16, DType::BF16] {
        let folder = Folder::new();
        folder.save("m.onnx", two_inputs(["a", "b"], dtype), |_| {});
        let half = ramp(&[2, 3]).cast(dtype).unwrap();
        folder.write("a.npy", &[("", half.clone())]);
        folder.write("b.npz", &[("b", half.clone())]);
        for backend in ["eager", "tract"] {
            let arguments = ["run", "m.onnx", "-i", "a=@a.npy", "-i", "b=@b.npz", "--backend", backend, "--out", "y.npz"];
            folder.run(&arguments).exits(0);
            let y = folder.outputs("y.npz").remove(0);
            assert_eq!((y.dtype(), y.to_f64s().unwrap()), (dtype, half.to_f64s().unwrap().iter().map(|x| 3.0 * x).collect::<Vec<_>>()));
        }
        folder.run(&["run", "m.onnx", "-i", "a:2,3=ones", "-i", "b:2,3=ones", "--out", "y.npy"]).exits(0);
        let y = ontrace::read::numpy::read_npy(&std::fs::read(folder.path("y.npy")).unwrap().into()).unwrap();
        assert_eq!(y.dtype(), dtype);
    }
}

#[test]
fn an_archive_gives_the_array_of_the_inputs_name_or_all_of_them() {
    let folder = Folder::new();
    folder.save("m.onnx", two_inputs(["a", "b"], DType::F32), |_| {});
    folder.write("in.npz", &[("b", ramp(&[2, 3])), ("a", ramp(&[2, 3])), ("other", ramp(&[1]))]);
    for arguments in [&["-i", "a=@in.npz", "-i", "b=@in.npz"][..], &["-i", "@in.npz"]] {
        folder.run(&[&["run", "m.onnx", "--out", "y.npz"], arguments].concat()).exits(0);
        assert_eq!(folder.outputs("y.npz")[0].to_f64s().unwrap()[0], -6.0);
    }
    folder.write("others.npz", &[("c", ramp(&[2, 3])), ("d", ramp(&[2, 3]))]);
    folder.run(&["run", "m.onnx", "-i", "a=@others.npz", "-i", "b:2,3=ones"]).exits(2).says(&["none is called `a`", "c, d"]);
    folder.run(&["run", "m.onnx", "-i", "@others.npz"]).exits(2).says(&["c, d", "a, b"]);
}

#[test]
fn an_input_that_is_missing_is_refused_and_one_that_nobody_gave_is_said() {
    let folder = Folder::new();
    folder.save("m.onnx", two_inputs(["a", "b"], DType::F32), |_| {});
    folder.write("a.npy", &[("", ramp(&[2, 3]))]);
    folder.run(&["run", "m.onnx", "-i", "a=@a.npy"]).exits(2).says(&["input `b` not given", "-i b=@b.npy"]);
    folder.run(&["run", "m.onnx"]).exits(0).says(&["input `a` f32[2,3] is made up", "input `b` f32[2,3] is made up"]);
    folder.run(&["run", "m.onnx", "-i", "a=@a.npy", "-i", "bb=@a.npy"]).exits(2).says(&["no input `bb`", "did you mean `b`?"]);
}

#[test]
fn members_of_lists_tuples_and_dictionaries_are_inputs_and_defaults_may_be_left_out() {
    let folder = Folder::new();
    let (model, arrays) = (data("members.pt"), data("members.safetensors"));
    let expected = ontrace::read::checkpoint(&arrays).unwrap();
    let members = ["pair.0", "pair.1", "xs.0", "xs.1", "xs.2", "batch.input_ids", "batch.mask"];
    let give = |names: &[&str]| names.iter().flat_map(|name| ["-i".to_string(), format!("{name}=@{arrays}#{name}")]).collect::<Vec<_>>();
    let close = |name: &str| {
        let got = folder.outputs("y.npz").remove(0);
        let off = got.to_f64s().unwrap().iter().zip(expected[name].to_f64s().unwrap()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(off < 1e-5, "{name}: {got} and {}", expected[name]);
    };
    let run = |model: &str, given: &[String]| {
        let arguments: Vec<&str> = ["run", model, "--out", "y.npz"].into_iter().chain(given.iter().map(String::as_str)).collect();
        folder.run(&arguments)
    };
    let without = give(&[&["x"], &members[..]].concat());
    run(&model, &without).exits(0).says(&["input `gain` is left out", "input `bias` is left out"]);
    close("out_0");
    // The one argument of two that may be left out is, though another follows it.
    run(&model, &give(&[&["x"], &members[..], &["bias"]].concat())).exits(0);
    close("out_1");
    run(&model, &[without.clone(), vec!["-i".into(), "bias=none".into()]].concat()).exits(0);
    run(&model, &give(&[&members[..], &["bias"]].concat())).exits(2).says(&["input `x`"]);
    run(&model, &give(&["x", "pair.0", "xs.0", "batch.mask"])).exits(2).says(&["`pair_1` is missing"]);

    let arguments: Vec<&str> = ["convert", &model, "-o", "m.onnx"].into_iter().chain(without.iter().map(String::as_str)).collect();
    folder.run(&arguments).exits(0);
    run("m.onnx", &without).exits(0);
    close("out_0");
}

#[test]
fn a_traced_dictionary_needs_no_options() {
    let folder = Folder::new();
    let (model, arrays) = (data("members_traced.pt"), data("members_traced.safetensors"));
    folder.run(&["convert", &model, "-o", "m.onnx"]).exits(0);
    let [a, b] = ["image", "weight"].map(|key| format!("batch.{key}=@{arrays}#batch.{key}"));
    folder.run(&["run", "m.onnx", "-i", &a, "-i", &b, "--out", "y.npz"]).exits(0);
    let expected = ontrace::read::checkpoint(&arrays).unwrap()["out_0"].to_f64s().unwrap();
    let off = folder.outputs("y.npz")[0].to_f64s().unwrap().iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(off < 1e-5, "{off}");
}

#[test]
fn a_declared_size_stays_symbolic_whatever_the_example() {
    let folder = Folder::new();
    for (name, value) in [("named", Some(Value::DimParam("batch".into()))), ("unnamed", None)] {
        folder.save("m.onnx", two_inputs(["a", "b"], DType::F32), |model| {
            for input in 0..2 {
                sizes(model, input)[0].value = value.clone();
            }
            forget_outputs(model);
        });
        folder.write("a.npy", &[("", ramp(&[4, 3]))]);
        for given in [&[][..], &["-i", "a=@a.npy"], &["-i", "a:4,3"], &["-i", "a:4,3=ones", "-i", "b=@a.npy"]] {
            folder.run(&[&["convert", "m.onnx", "-o", "out.onnx"], given].concat()).exits(0);
            for rows in ["1", "5"] {
                let [a, b] = ["a", "b"].map(|input| format!("{input}:{rows},3=ones"));
                folder.run(&["run", "out.onnx", "-i", &a, "-i", &b]).exits(0);
            }
            let inspected = folder.run(&["inspect", "out.onnx"]).text();
            assert!(name == "unnamed" || inspected.contains("f32[batch"), "{inspected}");
        }
        if name == "named" {
            folder.run(&["convert", "m.onnx", "-o", "out.onnx", "-i", "a:4,3", "-i", "b:5,3"]).exits(2).says(&["input b"]);
            folder.run(&["convert", "m.onnx", "-o", "out.onnx", "--fixed", "batch=4"]).exits(0);
            assert!(folder.run(&["inspect", "out.onnx"]).text().contains("f32[4,3]"));
        }
    }
}

/// `softmax(reshape(relu(x), shape) @ w)` of x [1, 2, 4] in a file that fixes the batch.
fn fixed_batch(shape: &[i64]) -> Model {
    let (shape, w) = (shape.to_vec(), Tensor::from(ramp(&[8, 5])));
    let model = module::from_fn(move |x: Tensor| x.relu()?.reshape(shape.as_slice())?.matmul(&w));
    record(&model, &Tensor::zeros([1, 2, 4], DType::F32).unwrap()).unwrap().to_model().unwrap()
}

#[test]
fn a_fixed_batch_becomes_free_where_the_graph_allows_it() {
    let folder = Folder::new();
    folder.save("m.onnx", fixed_batch(&[1, 8]), |_| {});
    // The source cannot be run at another size, but on rows of it.
    let free = ["convert", "m.onnx", "-o", "out.onnx", "--dynamic", "x:0=batch"];
    folder.run(&free).exits(6).says(&["`batch` was compared at size 1 only", "run on parts, it gives the same", "--keep"]);
    assert!(!folder.path("out.onnx").exists());
    folder.run(&[&free[..], &["--keep"]].concat()).exits(6);
    let rows = ramp(&[3, 2, 4]);
    folder.write("x.npy", &[("", rows.clone())]);
    folder.run(&["run", "out.onnx", "-i", "x=@x.npy", "--out", "y.npz"]).exits(0);
    let together = folder.outputs("y.npz")[0].to_f64s().unwrap();
    let mut alone = Vec::new();
    for row in 0..3 {
        folder.write("x.npy", &[("", Array::new(&[1, 2, 4], rows.to_vec::<f32>().unwrap()[8 * row..8 * row + 8].to_vec()).unwrap())]);
        folder.run(&["run", "m.onnx", "-i", "x=@x.npy", "--out", "y.npz"]).exits(0);
        alone.extend(folder.outputs("y.npz")[0].to_f64s().unwrap());
    }
    assert_eq!(together, alone);
}

#[test]
fn a_freed_batch_whose_rows_depend_on_each_other_is_not_verified() {
    let folder = Folder::new();
    let model = module::from_fn(|x: Tensor| x.sub(x.mean(0, true)?));
    let model = record(&model, &Tensor::zeros([2, 3], DType::F32).unwrap()).unwrap().to_model().unwrap();
    folder.save("m.onnx", model, |_| {});
    let refused = folder.run(&["convert", "m.onnx", "-o", "out.onnx", "--dynamic", "x:0=batch"]).exits(6);
    refused.says(&[
        "error[E0404]",
        "not verified",
        "`batch` was compared at size 2 only",
        "run on parts, it gives something else",
        "--keep",
    ]);
    assert!(!folder.path("out.onnx").exists());
    folder.run(&["convert", "m.onnx", "-o", "out.onnx", "--dynamic", "x:0=batch", "--keep"]).exits(6);
}

#[test]
fn a_fixed_batch_that_the_graph_needs_is_refused() {
    let folder = Folder::new();
    let w = Tensor::from(ramp(&[2, 2]));
    let model = module::from_fn(move |x: Tensor| w.matmul(&x));
    let model = record(&model, &Tensor::zeros([2, 3], DType::F32).unwrap()).unwrap().to_model().unwrap();
    folder.save("m.onnx", model, |_| {});
    let refused = folder.run(&["convert", "m.onnx", "-o", "out.onnx", "--dynamic", "x:0=batch"]);
    assert!(refused.exit != 0 && !folder.path("out.onnx").exists(), "{}", refused.stderr);
    refused.says(&["x"]);
}

#[test]
fn a_dash_is_standard_output() {
    let folder = Folder::new();
    folder.save("m.onnx", two_inputs(["a", "b"], DType::F32), |_| {});
    for arguments in [&["convert", "m.onnx", "-o", "-"][..], &["--json", "convert", "m.onnx", "-o", "-"]] {
        let ran = folder.run(arguments).exits(0).says(&["opset"]);
        assert!(Model::load(ran.stdout.into(), None).is_ok());
        assert!(!folder.path("-").exists());
    }
    let ran = folder.run(&["run", "m.onnx", "-i", "a:2,3=ones", "-i", "b:2,3=ones", "--out", "-"]).exits(0);
    assert_eq!(ontrace::read::numpy::read_npz(&ran.stdout.into()).unwrap()["y"].to_f64s().unwrap(), [3.0; 6]);
}
