//! Nodes whose operands are inputs of the graph where ONNX mostly has constants: a trace holds for those of the example.

use super::OnnxModule;
use crate::module::{DynModule, Example};
use crate::onnx::Model;
use crate::onnx::proto::{GraphProto, ModelProto, OperatorSetIdProto};
use crate::onnx::sample::{node, value};
use crate::tensor::Tensor;
use crate::trace::record;

/// A model of one node whose inputs are those of the graph.
fn model(operator: &str, opset: i64, inputs: &[(&str, i32, &[&str])]) -> Model {
    let names: Vec<&str> = inputs.iter().map(|input| if input.2 == ["none"] { "" } else { input.0 }).collect();
    let graph = GraphProto {
        name: "g".into(),
        node: vec![node(operator, &names, &["y"])],
        input: inputs.iter().filter(|input| input.2 != ["none"]).map(|(name, ty, dims)| value(name, *ty, dims)).collect(),
        output: vec![crate::onnx::proto::ValueInfoProto { name: "y".into(), ..Default::default() }],
        ..Default::default()
    };
    let import = OperatorSetIdProto { domain: String::new(), version: opset };
    Model {
        proto: ModelProto { ir_version: 8, opset_import: vec![import], graph: Some(graph), ..Default::default() },
        initializers: vec![],
    }
}

#[test]
fn computed_axes_steps_scales_and_sizes_are_those_of_the_example() {
    let x = || Tensor::arange(0, 24, 1, crate::DType::F32).unwrap();
    let ints = |values: &[i64]| Tensor::from(values);
    let slice = model("Slice", 18, &[("x", 1, &["2", "3", "4"]), ("s", 7, &["1"]), ("e", 7, &["1"]), ("a", 7, &["1"]), ("t", 7, &["1"])]);
    let expand = model("Expand", 18, &[("x", 1, &["2", "3", "4"]), ("s", 7, &["4"])]);
    let resize = model("Resize", 18, &[("x", 1, &["1", "1", "4", "6"]), ("", 1, &["none"]), ("s", 1, &["4"])]);
    let reshape = || model("Reshape", 18, &[("x", 1, &["2", "3", "4"]), ("s", 7, &["3"])]);
    let shaped = |shape: &[i64]| vec![("x", x().reshape([2, 3, 4]).unwrap()), ("s", ints(shape))];
    let cases: [(Model, Vec<(&str, Tensor)>, &[usize]); 6] = [
        (reshape(), shaped(&[0, -1, 2]), &[2, 6, 2]),
        (reshape(), shaped(&[4, 0, -1]), &[4, 3, 2]),
        (reshape(), shaped(&[4, 3, 2]), &[4, 3, 2]),
        (
            slice,
            vec![("x", x().reshape([2, 3, 4]).unwrap()), ("s", ints(&[0])), ("e", ints(&[4])), ("a", ints(&[2])), ("t", ints(&[2]))],
            &[2, 3, 2],
        ),
        (expand, vec![("x", x().reshape([2, 3, 4]).unwrap()), ("s", ints(&[5, 1, 3, 1]))], &[5, 2, 3, 4]),
        (resize, vec![("x", x().reshape([1, 1, 4, 6]).unwrap()), ("s", Tensor::from(&[1.0f32, 1.0, 1.5, 2.0]))], &[1, 1, 6, 12]),
    ];
    for (model, inputs, shape) in cases {
        let operator = model.proto.graph.as_ref().unwrap().node[0].op_type.clone();
        let module = OnnxModule::new(model).unwrap();
        let given: Vec<Tensor> = inputs.iter().map(|(_, tensor)| tensor.clone()).collect();
        let expected = module.forward(&given).unwrap()[0].to_array().unwrap();
        assert_eq!(expected.shape(), shape, "{operator}");
        let example = inputs.iter().fold(Example::new(), |example, (name, tensor)| example.input(name, tensor));
        let traced = record(&module, example).unwrap_or_else(|error| panic!("{operator}: {error}"));
        let again = OnnxModule::new(traced.to_model().unwrap()).unwrap().forward(&given).unwrap()[0].to_array().unwrap();
        assert_eq!(again.to_f64s().unwrap(), expected.to_f64s().unwrap(), "{operator}");
    }
}

#[test]
fn a_step_that_is_an_input_is_read_anew_in_every_call() {
    let ends = [("s", 7, &["1"] as &[&str]), ("e", 7, &["1"]), ("", 1, &["none"]), ("t", 7, &["1"])];
    let file = model("Slice", 18, &[&[("x", 1, &["6"] as &[&str])], &ends[..]].concat());
    let module = OnnxModule::new(file).unwrap();
    let x = Tensor::arange(0, 6, 1, crate::DType::F32).unwrap();
    let vector = |n: i64| Tensor::from(&[n]);
    let example = Example::new().input("x", &x).input("s", &vector(0)).input("e", &vector(6)).input("t", &vector(1));
    let traced = record(&module, example.shapes_only()).unwrap();
    // ONNX Runtime's values: backwards a start before the first index is the first one.
    let cases: [([i64; 3], &[f32]); 6] = [
        ([0, 6, 2], &[0.0, 2.0, 4.0]),
        ([1, i64::MAX, 3], &[1.0, 4.0]),
        ([-1, i64::MIN, -2], &[5.0, 3.0, 1.0]),
        ([-20, -1000, -1], &[0.0]),
        ([4, 1, -1], &[4.0, 3.0, 2.0]),
        ([4, 1, 1], &[]),
    ];
    for (given, expected) in cases {
        let inputs = [&x, &vector(given[0]), &vector(given[1]), &vector(given[2])].map(|tensor| tensor.to_array().unwrap());
        assert_eq!(traced.graph().replay(&inputs).unwrap()[0].to_vec::<f32>().unwrap(), expected, "{given:?}");
        #[cfg(feature = "tract")]
        assert_eq!(traced.session().unwrap().run(&inputs).unwrap()[0].to_vec::<f32>().unwrap(), expected, "{given:?}");
    }
    let zero = [&x, &vector(0), &vector(6), &vector(0)].map(|tensor| tensor.to_array().unwrap());
    assert_eq!(traced.graph().replay(&zero).unwrap_err().code(), crate::ErrorCode::Argument);
}

#[test]
fn a_diagonal_that_is_an_input_is_read_anew_in_every_call() {
    let module = OnnxModule::new(model("Trilu", 18, &[("x", 1, &["2", "2"]), ("k", 7, &[])])).unwrap();
    let x = Tensor::new([2, 2], vec![1.0f32, 2.0, 3.0, 4.0]).unwrap();
    let example = Example::new().input("x", &x).input("k", &Tensor::from(crate::Array::scalar(0i64)));
    let traced = record(&module, example.shapes_only()).unwrap();
    for (k, expected) in [(0i64, [1.0f32, 2.0, 0.0, 4.0]), (1, [0.0, 2.0, 0.0, 0.0]), (-1, [1.0, 2.0, 3.0, 4.0])] {
        let inputs = [x.to_array().unwrap(), crate::Array::scalar(k)];
        assert_eq!(traced.graph().replay(&inputs).unwrap()[0].to_vec::<f32>().unwrap(), expected, "{k}");
    }
}

#[test]
fn a_computed_shape_is_read_anew_in_every_call() {
    let file = model("Reshape", 18, &[("x", 1, &["2", "3", "4"]), ("s", 7, &["2"])]);
    let module = OnnxModule::new(file).unwrap();
    let x = Tensor::arange(0, 24, 1, crate::DType::F32).unwrap().reshape([2, 3, 4]).unwrap();
    let example = Example::new().input("x", &x).input("s", &Tensor::from(&[0i64, -1]));
    let traced = record(&module, example.shapes_only()).unwrap();
    let run = |s: [i64; 2]| traced.graph().replay(&[x.to_array().unwrap(), Tensor::from(&s).to_array().unwrap()]);
    for (given, shape) in [([0, -1], [2, 12]), ([-1, 0], [8, 3]), ([4, 6], [4, 6]), ([24, -1], [24, 1])] {
        assert_eq!(run(given).unwrap()[0].shape(), shape, "{given:?}");
        #[cfg(feature = "tract")]
        {
            let session = traced.session().unwrap().run(&[x.to_array().unwrap(), Tensor::from(&given).to_array().unwrap()]);
            assert_eq!(session.unwrap()[0].shape(), shape, "{given:?}");
        }
    }
    for wrong in [[-1, -1], [5, -1], [4, 5], [-2, 12]] {
        assert_eq!(run(wrong).unwrap_err().code(), crate::ErrorCode::Shape, "{wrong:?}");
    }
}
