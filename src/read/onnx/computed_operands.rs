//! Nodes whose operands are inputs of the graph where ONNX mostly has constants: a trace holds for those of the example.

use super::OnnxModule;
use crate::module::{DynModule, Example};
use crate::onnx::Model;
use crate::onnx::proto::AttributeProto;
use crate::onnx::proto::attribute_proto::AttributeType;
use crate::onnx::proto::{GraphProto, ModelProto, OperatorSetIdProto};
use crate::onnx::sample::{int, node, value};
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

/// The same model, with these attributes of its node.
fn with(mut model: Model, attributes: Vec<AttributeProto>) -> Model {
    model.proto.graph.as_mut().unwrap().node[0].attribute.extend(attributes);
    model
}

fn text(name: &str, s: &str) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: AttributeType::String as i32, s: s.as_bytes().to_vec().into(), ..Default::default() }
}

fn floats(name: &str, floats: &[f32]) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: AttributeType::Floats as i32, floats: floats.to_vec(), ..Default::default() }
}

fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: AttributeType::Ints as i32, ints: ints.to_vec(), ..Default::default() }
}

#[test]
fn positions_of_pixel_ends_are_those_of_onnx_runtime() {
    let line = Tensor::arange(0, 4, 1, crate::DType::F32).unwrap().reshape([1, 1, 1, 4]).unwrap();
    let resize = |mode: &str, more: Vec<AttributeProto>| {
        let inputs: [(&str, i32, &[&str]); 3] = [("x", 1, &["1", "1", "H", "W"]), ("r", 1, &["0"]), ("s", 1, &["4"])];
        let mode = vec![text("coordinate_transformation_mode", "tf_half_pixel_for_nn"), text("mode", mode)];
        OnnxModule::new(with(model("Resize", 11, &inputs), [mode, more].concat())).unwrap()
    };
    let nearest = |rounding: &str| resize("nearest", vec![text("nearest_mode", rounding)]);
    // ONNX Runtime 1.32.
    let cases: [(OnnxModule, [f32; 6]); 7] = [
        (nearest("floor"), [0.0, 1.0, 1.0, 2.0, 3.0, 3.0]),
        (nearest("ceil"), [1.0, 1.0, 2.0, 3.0, 3.0, 3.0]),
        (nearest("round_prefer_floor"), [0.0, 1.0, 2.0, 2.0, 3.0, 3.0]),
        (nearest("round_prefer_ceil"), [0.0, 1.0, 2.0, 2.0, 3.0, 3.0]),
        (resize("linear", vec![]), [0.33333334, 1.0, 1.6666666, 2.3333333, 3.0, 3.0]),
        (resize("cubic", vec![]), [0.2592588, 1.0, 1.6296294, 2.425927, 3.0, 3.0555563]),
        (resize("cubic", vec![int("exclude_outside", 1)]), [0.23333296, 1.0, 1.6296297, 2.4561403, 3.0, 3.176_469]),
    ];
    for (i, (module, expected)) in cases.into_iter().enumerate() {
        let given = |scale: f32| vec![line.clone(), Tensor::new([0], Vec::<f32>::new()).unwrap(), Tensor::from(&[1.0f32, 1.0, 1.0, scale])];
        let got = module.forward(&given(1.5)).unwrap()[0].to_array().unwrap().to_vec::<f32>().unwrap();
        assert!(got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 3e-6), "{i}: {got:?}");
        assert_eq!(module.forward(&given(0.5)).unwrap()[0].to_array().unwrap().to_vec::<f32>().unwrap(), [1.0, 3.0], "{i}");
        // Also where the sizes are symbolic, and written in an opset that has no such mode.
        let example = Example::new().input("x", &line).input("r", &given(1.5)[1]).input("s", &given(1.5)[2]);
        let traced = record(&module, example.symbolic("x", 3, "W").unwrap()).unwrap();
        let again = OnnxModule::new(traced.to_model().unwrap()).unwrap().forward(&given(1.5)).unwrap()[0].to_array().unwrap();
        assert_eq!(again.to_vec::<f32>().unwrap(), got, "{i}");
    }
}

#[test]
fn sizes_that_keep_their_proportion_may_be_inputs() {
    let x = Tensor::arange(0, 8, 1, crate::DType::F32).unwrap().reshape([1, 1, 2, 4]).unwrap();
    // ONNX Runtime's sizes.
    let cases: [(&str, [([i64; 2], [usize; 2]); 3]); 2] = [
        ("not_smaller", [([3, 3], [3, 6]), ([1, 8], [4, 8]), ([5, 1], [5, 10])]),
        ("not_larger", [([3, 3], [2, 3]), ([1, 8], [1, 2]), ([5, 6], [3, 6])]),
    ];
    for (policy, sizes) in cases {
        let inputs: [(&str, i32, &[&str]); 4] = [("x", 1, &["1", "1", "H", "W"]), ("", 1, &["none"]), ("", 1, &["none"]), ("s", 7, &["2"])];
        let attributes = vec![text("keep_aspect_ratio_policy", policy), text("mode", "linear"), ints("axes", &[2, 3])];
        let module = OnnxModule::new(with(model("Resize", 18, &inputs), attributes)).unwrap();
        let example = Example::new().input("x", &x).input("s", &Tensor::from(&[3i64, 3]));
        let example = example.symbolic("x", 2, "H").unwrap().symbolic("x", 3, "W").unwrap();
        let traced = record(&module, example.shapes_only()).unwrap();
        for (asked, expected) in sizes {
            let given = [x.clone(), Tensor::from(&asked)];
            let eager = module.forward(&given).unwrap()[0].to_array().unwrap();
            assert_eq!(eager.shape()[2..], expected, "{policy} {asked:?}");
            let arrays = given.map(|tensor| tensor.to_array().unwrap());
            assert_eq!(traced.graph().replay(&arrays).unwrap()[0].to_vec::<f32>().unwrap(), eager.to_vec::<f32>().unwrap());
        }
    }
}

#[test]
fn old_upsampling_interpolates_integers_and_repeats_truth_values() {
    let attributes = |mode: &str| vec![text("mode", mode), floats("scales", &[1.0, 1.0, 1.0, 1.5])];
    let upsample =
        |ty: i32, mode: &str| OnnxModule::new(with(model("Upsample", 7, &[("x", ty, &["1", "1", "1", "4"])]), attributes(mode))).unwrap();
    let bytes = Tensor::new([1, 1, 1, 4], vec![2u8, 3, 1, 8]).unwrap();
    // ONNX Runtime's bytes.
    let linear = upsample(2, "linear").forward(std::slice::from_ref(&bytes)).unwrap()[0].to_array().unwrap();
    assert_eq!(linear.to_vec::<u8>().unwrap(), [2, 2, 2, 1, 5, 8]);
    let flags = bytes.ge(3).unwrap();
    let nearest = upsample(9, "nearest").forward(std::slice::from_ref(&flags)).unwrap()[0].to_array().unwrap();
    assert_eq!(nearest.to_vec::<bool>().unwrap(), [false, false, true, false, false, true]);
}

#[test]
fn a_size_that_the_program_allows_one_value_is_guarded() {
    let inputs: [(&str, i32, &[&str]); 3] = [("x", 1, &["1", "2", "4"]), ("s", 7, &["1"]), ("k", 7, &["1"])];
    let module = OnnxModule::new(model("Col2Im", 18, &inputs)).unwrap();
    let x = Tensor::ones([1, 2, 4], crate::DType::F32).unwrap();
    let example = Example::new().input("x", &x).input("s", &Tensor::from(&[5i64])).input("k", &Tensor::from(&[2i64]));
    let traced = record(&module, example).unwrap();
    let run = |size: i64| traced.graph().replay(&[&x, &Tensor::from(&[size]), &Tensor::from(&[2i64])].map(|x| x.to_array().unwrap()));
    assert_eq!(run(5).unwrap()[0].to_vec::<f32>().unwrap(), [1.0, 2.0, 2.0, 2.0, 1.0]);
    assert!(run(6).is_err());
}

#[test]
fn a_size_that_meets_a_fixed_axis_is_looked_at_in_every_call() {
    // y = Expand(x, s) + w
    let mut file = model("Expand", 18, &[("x", 1, &["1", "1"]), ("s", 7, &["2"]), ("w", 1, &["6", "4"])]);
    let graph = file.proto.graph.as_mut().unwrap();
    graph.node[0] = node("Expand", &["x", "s"], &["r"]);
    graph.node.push(node("Add", &["r", "w"], &["y"]));
    let module = OnnxModule::new(file).unwrap();
    let (x, w) = (Tensor::ones([1, 1], crate::DType::F32).unwrap(), Tensor::ones([6, 4], crate::DType::F32).unwrap());
    let example = Example::new().input("x", &x).input("s", &Tensor::from(&[6i64, 4])).input("w", &w);
    let traced = record(&module, example).unwrap();
    let inputs = |sizes: [i64; 2]| [&x, &Tensor::from(&sizes), &w].map(|tensor| tensor.to_array().unwrap());
    assert_eq!(traced.graph().replay(&inputs([6, 4])).unwrap()[0].to_vec::<f32>().unwrap(), [2.0; 24]);
    for wrong in [[6, 3], [5, 4]] {
        assert_eq!(traced.graph().replay(&inputs(wrong)).unwrap_err().code(), crate::ErrorCode::Guard, "{wrong:?}");
    }
}

#[test]
fn a_size_that_is_not_known_yet_is_what_the_program_needs() {
    // y = Reshape(x, s) has the rows of w as columns.
    let mut file = model("Reshape", 18, &[("x", 1, &["N", "K"]), ("s", 7, &["2"]), ("w", 1, &["M", "2"])]);
    let graph = file.proto.graph.as_mut().unwrap();
    graph.node[0] = node("Reshape", &["x", "s"], &["r"]);
    graph.node.push(node("MatMul", &["r", "w"], &["y"]));
    let module = OnnxModule::new(file).unwrap();
    let of = |dims: &[(&str, i64)]| {
        crate::dim::Shape::new(dims.iter().map(|(name, n)| crate::Dim::symbol(name, *n as usize)).collect::<Vec<_>>())
    };
    let x = Tensor::of_type(crate::dim::Type::new(crate::DType::F32, of(&[("N", 4), ("K", 6)])));
    let w = Tensor::of_type(crate::dim::Type::new(crate::DType::F32, vec![crate::Dim::symbol("M", 3), crate::Dim::Fixed(2)]));
    let s = Tensor::of_type(crate::dim::Type::new(crate::DType::I64, [2]));
    let traced = record(&module, Example::new().input("x", &x).input("s", &s).input("w", &w)).unwrap();
    let run = |sizes: [i64; 2]| {
        let (x, w) = (Tensor::ones([4, 6], crate::DType::F32).unwrap(), Tensor::ones([3, 2], crate::DType::F32).unwrap());
        traced.graph().replay(&[&x, &Tensor::from(&sizes), &w].map(|tensor| tensor.to_array().unwrap()))
    };
    assert_eq!(run([8, 3]).unwrap()[0].shape(), [8, 2]);
    assert!(run([6, 4]).is_err());
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
