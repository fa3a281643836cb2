//! Files and streams that want the program to fail in another way than by an error with a code.

use crate::program::{Folder, data};
use ontrace::onnx::Model;
use ontrace::{DType, Example, Tensor, module, record};
use std::fs::File;
use std::process::{Command, Stdio};

/// y = Relu(x), x: f32[3], without ontrace's metadata.
fn small() -> Model {
    let relu = module::from_fn(|x: Tensor| x.relu());
    let mut model = record(&relu, &Tensor::zeros([3], DType::F32).unwrap()).unwrap().to_model().unwrap();
    model.proto.metadata_props.clear();
    model
}

/// The same of 1.6 GB.
fn huge(model: &mut Model) {
    use ontrace::onnx::proto::{TensorShapeProto, tensor_shape_proto::Dimension, tensor_shape_proto::dimension::Value, type_proto};
    let graph = model.proto.graph.as_mut().unwrap();
    graph.value_info.clear();
    for info in graph.input.iter_mut().chain(&mut graph.output) {
        let Some(type_proto::Value::TensorType(tensor)) = info.r#type.as_mut().and_then(|ty| ty.value.as_mut()) else { continue };
        tensor.shape = Some(TensorShapeProto { dim: vec![Dimension { value: Some(Value::DimValue(400_000_000)), ..Default::default() }] });
    }
}

#[test]
fn names_are_printed_escaped_and_cut() {
    let folder = Folder::new();
    let long = "n".repeat(100_000);
    for name in ["a\u{202e}b", &long] {
        folder.save("m.onnx", small(), |model| {
            let graph = model.proto.graph.as_mut().unwrap();
            let last = graph.node.last_mut().unwrap();
            (last.output[0], graph.output[0].name) = (name.to_string(), name.to_string());
        });
        for command in ["inspect", "check", "run"] {
            let ran = folder.run(&[command, "m.onnx"]).exits(0);
            let all = ran.text() + &ran.stderr;
            assert!(!all.contains('\u{202e}') && all.len() < 5000, "{command}: {} bytes", all.len());
        }
        let said = folder.run(&["check", "m.onnx"]).exits(0).text();
        assert!(said.contains("warning: the name of value"), "{said}");
        folder.run(&["check", "m.onnx", "--strict"]).exits(3).says(&["the name of value"]);
    }
    folder.save("m.onnx", small(), |_| {});
    folder.run(&["check", "m.onnx", "--strict"]).exits(0);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_device_is_a_failure_and_no_panic() {
    let folder = Folder::new();
    folder.save("m.onnx", small(), |_| {});
    let full = || Stdio::from(File::create("/dev/full").unwrap());
    for command in ["inspect", "check", "run"] {
        for json in [&[][..], &["--json"]] {
            let run = |out: Stdio, error: Stdio| {
                let mut program = Command::new(env!("CARGO_BIN_EXE_ontrace"));
                program.arg(command).arg(folder.path("m.onnx")).args(json).stdout(out).stderr(error).status().unwrap().code()
            };
            assert_eq!(run(full(), Stdio::null()), Some(1), "{command} {json:?}, stdout");
            assert_eq!(run(full(), full()), Some(1), "{command} {json:?}, both");
        }
    }
    let help = Command::new(env!("CARGO_BIN_EXE_ontrace")).arg("--help").stdout(full()).status().unwrap();
    assert_eq!(help.code(), Some(1));
    // A note that is lost: the run has one, because nobody gave its input.
    let status =
        Command::new(env!("CARGO_BIN_EXE_ontrace")).arg("run").arg(folder.path("m.onnx")).stdout(Stdio::null()).stderr(full()).status();
    assert_eq!(status.unwrap().code(), Some(1));
}

#[test]
fn a_model_that_takes_more_memory_than_its_file_justifies_is_refused_by_every_command_that_runs_it() {
    let folder = Folder::new();
    folder.save("m.onnx", small(), huge);
    for command in ["check", "run", "convert"] {
        folder.run(&[command, "m.onnx", if command == "convert" { "-oout.onnx" } else { "--quiet" }]).exits(5).says(&["E0501", "--limit"]);
    }
    folder.run(&["compare", "m.onnx", "m.onnx"]).exits(5).says(&["E0501"]);
    folder.run(&["run", "m.onnx", "--limit", "many"]).exits(2).says(&["512MB"]);
}

#[test]
#[cfg(unix)]
fn an_output_that_does_not_fit_says_what_it_takes_and_leaves_the_file_before() {
    let folder = Folder::new();
    std::fs::write(folder.path("m.onnx"), "before").unwrap();
    let script = format!("ulimit -f 8; exec {} convert {} --no-check -o m.onnx", env!("CARGO_BIN_EXE_ontrace"), data("resnet_tiny.pt"));
    let output = Command::new("sh").args(["-c", &script]).current_dir(folder.path("")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("E0602") && said.contains("bytes are more than a file may have here ("), "{said}");
    assert_eq!(std::fs::read(folder.path("m.onnx")).unwrap(), b"before");
    assert_eq!(std::fs::read_dir(folder.path("")).unwrap().count(), 1);
}

#[test]
#[cfg(target_os = "linux")]
fn a_process_that_runs_out_of_memory_is_an_error_with_a_code() {
    let folder = Folder::new();
    folder.save("m.onnx", small(), huge);
    // Enough for the program, not for the inputs that it makes up.
    let script = format!("ulimit -v 1500000; exec {} run m.onnx --limit 64GB", env!("CARGO_BIN_EXE_ontrace"));
    let output = Command::new("sh").args(["-c", &script]).current_dir(folder.path("")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code().is_some_and(|code| code != 0 && code != 101) && said.contains("error[E0"), "{:?} {said}", output.status);
}

#[test]
fn a_pool_of_a_billion_elements_of_padding_takes_no_longer_than_its_input() {
    use ontrace::onnx::proto::{AttributeProto, attribute_proto::AttributeType};
    let folder = Folder::new();
    let relu = module::from_fn(|x: Tensor| x.relu());
    let model = record(&relu, &Tensor::zeros([1, 1, 5], DType::F32).unwrap()).unwrap().to_model().unwrap();
    folder.save("m.onnx", model, |model| {
        model.proto.metadata_props.clear();
        let node = &mut model.proto.graph.as_mut().unwrap().node[0];
        node.op_type = "MaxPool".into();
        let ints = |name: &str, ints: &[i64]| AttributeProto {
            name: name.into(),
            r#type: AttributeType::Ints as i32,
            ints: ints.to_vec(),
            ..AttributeProto::default()
        };
        node.attribute = vec![ints("kernel_shape", &[1_000_000_001]), ints("pads", &[500_000_000; 2])];
    });
    folder.run(&["check", "m.onnx"]).exits(0);
    let ran = folder.run(&["run", "m.onnx", "-i", "x=ones", "-o", "y.npz"]).exits(0);
    assert_eq!(folder.outputs("y.npz")[0].to_vec::<f32>().unwrap(), [1.0; 5], "{}", ran.text());
}

#[test]
#[cfg(target_os = "linux")]
fn a_process_that_a_signal_ends_says_which_node_it_was_evaluating() {
    let folder = Folder::new();
    // Some seconds of computing in nothing but products.
    let products = module::from_fn(|x: Tensor| (0..40).try_fold(x, |x, _| x.matmul(&x)));
    let example = Example::new().input("x", &Tensor::zeros([2, 2], DType::F32).unwrap());
    let example = example.symbolic("x", 0, "n").unwrap().symbolic("x", 1, "n").unwrap();
    record(&products, example).unwrap().save(folder.path("m.onnx")).unwrap();
    for options in ["", "--backend eager", "--json"] {
        let script = format!("ulimit -S -t 1; exec {} run m.onnx -i x:1500,1500 {options}", env!("CARGO_BIN_EXE_ontrace"));
        let output = Command::new("sh").args(["-c", &script]).current_dir(folder.path("")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{said}");
        assert!(said.contains("E0501") && said.contains("MatMul") && said.contains("it computed longer than it may"), "{said}");
    }
}

#[test]
fn an_output_without_a_shape_runs_and_is_refused_by_a_check() {
    use ontrace::onnx::proto::type_proto::Value;
    let folder = Folder::new();
    folder.save("m.onnx", small(), |model| {
        let output = &mut model.proto.graph.as_mut().unwrap().output[0];
        if let Some(Value::TensorType(ty)) = output.r#type.as_mut().and_then(|ty| ty.value.as_mut()) {
            ty.shape = None;
        }
    });
    folder.run(&["run", "m.onnx"]).exits(0);
    folder.run(&["check", "m.onnx"]).exits(1).says(&["E0302", "of the model has no shape", "ontrace convert"]);
    folder.run(&["convert", "m.onnx", "-o", "shaped.onnx"]).exits(0);
    folder.run(&["check", "shaped.onnx"]).exits(0);
}

#[test]
fn a_graph_without_a_name_runs_and_is_refused_by_a_check() {
    let folder = Folder::new();
    folder.save("m.onnx", small(), |model| model.proto.graph.as_mut().unwrap().name.clear());
    folder.run(&["run", "m.onnx"]).exits(0);
    folder.run(&["check", "m.onnx"]).exits(1).says(&["E0302", "a graph has no name", "ontrace convert"]);
    folder.run(&["convert", "m.onnx", "-o", "named.onnx"]).exits(0);
    folder.run(&["check", "named.onnx"]).exits(0);
}
