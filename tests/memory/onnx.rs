//! What decoding a model takes, measured against what the scanner says before decoding.

use crate::counting;
use ontrace::onnx::proto::tensor_shape_proto::{Dimension, dimension};
use ontrace::onnx::proto::{
    GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorShapeProto, TypeProto, ValueInfoProto, type_proto,
};
use ontrace::onnx::{Model, decode_budget};
use ontrace::{Array, DType, ErrorCode, Module, Tensor, Traced};

/// A field with a length.
fn field(number: u8, contents: &[u8]) -> Vec<u8> {
    let mut bytes = vec![];
    prost::encode_length_delimiter(usize::from(number) << 3 | 2, &mut bytes).unwrap();
    prost::encode_length_delimiter(contents.len(), &mut bytes).unwrap();
    bytes.extend_from_slice(contents);
    bytes
}

/// A model in which something small stands `times` over.
type Shape = fn(usize) -> Vec<u8>;

const SHAPES: &[(&str, Shape)] = &[
    ("empty nodes", |times| field(7, &field(1, &[]).repeat(times))),
    ("empty attributes", |times| field(7, &field(1, &field(5, &[]).repeat(times)))),
    ("nodes of one attribute", |times| field(7, &field(1, &field(5, &[])).repeat(times))),
    ("attributes of one tensor", |times| field(7, &field(1, &field(5, &field(5, &[])).repeat(times)))),
    ("attributes of one graph with a weight", |times| field(7, &field(1, &field(5, &field(6, &field(5, &[]))).repeat(times)))),
    ("attributes of a list of graphs", |times| field(7, &field(1, &field(5, &field(11, &[])).repeat(times)))),
    ("lists of sparse tensors", |times| field(7, &field(1, &field(5, &field(23, &[])).repeat(times)))),
    ("sequences of sequences", |times| field(7, &field(11, &field(2, &field(4, &field(1, &field(4, &[]))))).repeat(times))),
    ("inputs of one axis", |times| field(7, &field(11, &field(2, &field(1, &field(2, &field(1, &[]))))).repeat(times))),
    ("names", |times| field(7, &field(1, &field(1, b"a").repeat(times)))),
    ("metadata", |times| [field(7, &[]), field(14, &[field(1, b"a"), field(2, b"b")].concat()).repeat(times)].concat()),
    ("functions", |times| [field(7, &[]), field(25, &field(7, &[])).repeat(times)].concat()),
    ("shards", |times| field(7, &field(1, &field(10, &field(2, &field(4, &field(2, &[])))).repeat(times)))),
];

#[test]
fn decoding_takes_no_more_than_the_scanner_says() {
    let mut refused = 0;
    for (what, shape) in SHAPES {
        for times in [1000, 60_000, 1_000_000] {
            let bytes = bytes::Bytes::from(shape(times));
            let length = bytes.len();
            let ((estimate, model), peak) = counting::peak(|| (decode_budget::scan(&bytes), Model::load(bytes, None)));
            let peak = peak as u64;
            match estimate {
                Ok(estimate) => assert!(peak <= estimate + 4096, "{times} {what}: {peak} bytes taken, {estimate} foretold"),
                Err(error) => {
                    refused += 1;
                    assert_eq!(error.code(), ErrorCode::TooBig);
                    assert_eq!(model.err().map(|error| error.code()), Some(ErrorCode::TooBig), "{times} {what}");
                    assert!(peak < 4096, "{times} {what}: {peak} bytes taken to refuse {length}");
                }
            }
        }
    }
    assert!(refused > 5, "{refused}");
}

/// A network whose every layer multiplies 4 MB by a weight.
#[test]
fn a_run_keeps_no_value_longer_than_it_is_needed() {
    const LAYERS: usize = 20;
    let module = ontrace::module::from_fn(|x: Tensor| {
        (0..LAYERS).try_fold(x, |x, i| x.mul(Tensor::from(Array::full(DType::F32, &[1], 0.5.into())).named(&format!("w{i}")))?.tanh())
    });
    let x = Tensor::ones([1 << 20], DType::F32).unwrap();
    let (run, peak) = counting::peak(|| module.forward(&x));
    assert!(run.is_ok() && peak < 5 << 22, "{peak} bytes for two or three values of 4 MB");
}

/// The declaration of a float32 vector.
fn info(name: &str) -> ValueInfoProto {
    let length = Dimension { value: Some(dimension::Value::DimValue(4)), ..Dimension::default() };
    let shape = Some(TensorShapeProto { dim: vec![length] });
    let ty = type_proto::Value::TensorType(type_proto::Tensor { elem_type: 1, shape });
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { value: Some(ty), ..TypeProto::default() }), ..ValueInfoProto::default() }
}

const NODES: usize = 20_000;

/// A chain of additions, each of a parameter of its own.
fn chain() -> bytes::Bytes {
    let node = |i: usize| NodeProto {
        input: vec![format!("v{i}"), format!("w{i}")],
        output: vec![format!("v{}", i + 1)],
        op_type: "Add".into(),
        ..NodeProto::default()
    };
    let graph = GraphProto {
        node: (0..NODES).map(node).collect(),
        input: vec![info("v0")],
        output: vec![info(&format!("v{NODES}"))],
        ..GraphProto::default()
    };
    let opset_import = vec![OperatorSetIdProto { version: 18, ..OperatorSetIdProto::default() }];
    let proto = ModelProto { ir_version: 8, opset_import, graph: Some(graph), ..ModelProto::default() };
    let initializers = (0..NODES).map(|i| (format!("w{i}"), Array::full(DType::F32, &[1], 0.5.into()))).collect();
    bytes::Bytes::from(Model { proto, initializers }.to_bytes().unwrap())
}

/// A model decodes to an array for each initializer and twenty times the bytes of its nodes, which its module holds as they are encoded: a trace takes more.
#[test]
fn a_model_of_many_nodes_and_parameters_is_traced_in_six_hundred_bytes_for_each() {
    let bytes = chain();
    let length = bytes.len();
    let (traced, peak) = counting::peak(|| Traced::from_model(Model::load(bytes, None).unwrap()).unwrap());
    assert_eq!(traced.graph().nodes().len(), NODES);
    // A node and its parameter are two of each.
    assert!(peak < 2 * 600 * NODES, "{peak} bytes for {NODES} nodes, {length} bytes long");
}

/// A table of all names of a model takes 80 bytes for a node and its parameter here.
#[test]
fn a_model_of_many_nodes_and_parameters_is_opened_with_one_table_of_names_at_a_time() {
    let file = tempfile::Builder::new().suffix(".onnx").tempfile().unwrap();
    std::fs::write(file.path(), chain()).unwrap();
    let (opened, peak) = counting::peak(|| ontrace::read::open(file.path()).unwrap());
    assert!(opened.example().is_some() && peak < 640 * NODES, "{peak} bytes for {NODES} nodes, {} for each", peak / NODES);
}
