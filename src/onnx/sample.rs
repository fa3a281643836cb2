//! Small models for the tests of this floor.

use super::Model;
use super::proto::attribute_proto::AttributeType;
use super::proto::tensor_shape_proto::{Dimension, dimension};
use super::proto::*;
use super::tensor;
use crate::array::Array;

/// An axis sizes: a number or a name.
pub fn dim(length: &str) -> Dimension {
    let value = match length.parse() {
        Ok(n) => dimension::Value::DimValue(n),
        Err(_) => dimension::Value::DimParam(length.into()),
    };
    Dimension { value: Some(value), ..Default::default() }
}

/// A value of a tensor type.
pub fn value(name: &str, data_type: i32, dims: &[&str]) -> ValueInfoProto {
    let shape = TensorShapeProto { dim: dims.iter().map(|length| dim(length)).collect() };
    let kind = type_proto::Tensor { elem_type: data_type, shape: Some(shape) };
    let kind = TypeProto { value: Some(type_proto::Value::TensorType(kind)), ..Default::default() };
    ValueInfoProto { name: name.into(), r#type: Some(kind), ..Default::default() }
}

/// A node without attributes.
pub fn node(op_type: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
    NodeProto { op_type: op_type.into(), input: names(inputs), output: names(outputs), ..Default::default() }
}

/// An attribute that is an integer.
pub fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: AttributeType::Int as i32, i, ..Default::default() }
}

/// An attribute that is a graph.
pub fn body(name: &str, graph: GraphProto) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: AttributeType::Graph as i32, g: Some(Box::new(graph)), ..Default::default() }
}

/// A subgraph without inputs.
pub fn branch(name: &str, output: &str, node: Vec<NodeProto>, initializer: Vec<TensorProto>) -> GraphProto {
    let output = vec![ValueInfoProto { name: output.into(), ..Default::default() }];
    GraphProto { name: name.into(), node, initializer, output, ..Default::default() }
}

/// A matrix product, then one of two branches that use it.
pub fn branches() -> Model {
    let two = tensor::proto("two", &Array::scalar(2f32)).unwrap();
    let gemm = NodeProto { attribute: vec![int("transB", 1)], ..node("Gemm", &["x", "weight"], &["h"]) };
    let attribute = vec![
        body("then_branch", branch("then", "a", vec![node("Relu", &["h"], &["a"])], vec![])),
        body("else_branch", branch("else", "b", vec![node("Mul", &["h", "two"], &["b"])], vec![two])),
    ];
    let choose = NodeProto { name: "choose".into(), attribute, ..node("If", &["flag"], &["y"]) };
    let graph = GraphProto {
        name: "main".into(),
        node: vec![gemm, choose],
        input: vec![value("x", 1, &["batch", "2"]), value("flag", 9, &[])],
        output: vec![value("y", 1, &["batch", "2"])],
        value_info: vec![value("h", 1, &["batch", "2"])],
        ..Default::default()
    };
    let proto = ModelProto {
        ir_version: 8,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 17 }],
        producer_name: "torch export".into(),
        producer_version: "2.9".into(),
        graph: Some(graph),
        ..Default::default()
    };
    Model { proto, initializers: vec![("weight".into(), Array::new(&[2, 2], vec![1f32, 2.0, 3.0, 4.0]).unwrap())] }
}
