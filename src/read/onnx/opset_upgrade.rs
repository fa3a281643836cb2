//! Nodes of older opsets as those of today: attributes that became inputs, and operators that once meant something else.

use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::graph::Inputs;
use crate::onnx::proto::attribute_proto::AttributeType;
use crate::onnx::proto::{AttributeProto, NodeProto};
use crate::onnx::{Node, tensor};
use crate::ops;
use crate::tensor::Tensor;

/// What became of a node.
pub(super) enum Upgraded {
    /// It means what it says.
    AsItIs,
    /// It is this one, with these inputs.
    Node(Box<NodeProto>, Vec<Option<Tensor>>),
    /// It was run.
    Done(Vec<Tensor>),
}

/// The binary operators that took an axis before opset 7.
const BROADCAST: &[&str] = &["Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Equal", "Greater", "Less", "PRelu"];

/// Attributes that became inputs: operator, the first opset in which they are, the attribute, the input's position.
const ATTRIBUTES: &[(&str, i64, &str, usize)] = &[
    ("Reshape", 5, "shape", 1),
    ("Slice", 10, "starts", 1),
    ("Slice", 10, "ends", 2),
    ("Slice", 10, "axes", 3),
    ("TopK", 10, "k", 1),
    ("Pad", 11, "pads", 1),
    ("Pad", 11, "paddings", 1),
    ("Pad", 11, "value", 2),
    ("Split", 13, "split", 1),
    ("Squeeze", 13, "axes", 1),
    ("Unsqueeze", 13, "axes", 1),
    ("Tile", 6, "repeats", 1),
];

fn attribute(name: &str, kind: AttributeType, fill: impl FnOnce(&mut AttributeProto)) -> AttributeProto {
    let mut attribute = AttributeProto { name: name.to_string(), r#type: kind as i32, ..AttributeProto::default() };
    fill(&mut attribute);
    attribute
}

/// Lifts a node of the standard domain to what its readers expect.
pub(super) fn upgrade(proto: &NodeProto, opset: i64, inputs: &[Option<&Tensor>]) -> Result<Upgraded> {
    let changed_late = match proto.op_type.as_str() {
        "RoiAlign" => 16,
        "BatchNormalization" => 14,
        _ => 13,
    };
    if opset >= changed_late {
        return Ok(Upgraded::AsItIs);
    }
    let node = Node::new(proto, 0);
    let op = node.op_type();
    let owned = || inputs.iter().map(|input| input.cloned()).collect::<Vec<_>>();
    if matches!(op, "Softmax" | "LogSoftmax" | "Hardmax") {
        // Once over all axes from one on, as if they were one.
        let x = Inputs::new(inputs).at(0)?;
        let axis = crate::dim::axis(node.int("axis", 1)?, x.rank().max(1))?;
        let total = |dims: &[Dim]| dims.iter().fold(Dim::Fixed(1), |n, dim| n * dim);
        let flat = x.reshape(&[total(&x.shape()[..axis]), total(&x.shape()[axis..])])?;
        let plain = NodeProto { attribute: vec![attribute("axis", AttributeType::Int, |a| a.i = 1)], ..proto.clone() };
        let y = ops::read(&Node::new(&plain, 0), &Inputs::new(&[Some(&flat)]))?;
        return Ok(Upgraded::Done(y.iter().map(|y| y.reshape(x.shape())).collect::<Result<_>>()?));
    }
    if opset < 7
        && BROADCAST.contains(&op)
        && let Some(axis) = node.find_int("axis")?
    {
        let (x, y) = (Inputs::new(inputs).at(0)?, Inputs::new(inputs).at(1)?);
        let axis = crate::dim::axis(axis, x.rank())?;
        let after = x
            .rank()
            .checked_sub(axis + y.rank())
            .ok_or_else(|| Error::shape(format!("{}: axis {axis} does not fit {}", y.ty(), x.ty())))?;
        let shape: Vec<Dim> = y.shape().iter().cloned().chain(vec![Dim::Fixed(1); after]).collect();
        return Ok(Upgraded::Node(Box::new(proto.clone()), vec![Some(x.clone()), Some(y.reshape(&shape)?)]));
    }
    if op == "BatchNormalization" && node.int("spatial", 1)? == 0 {
        return Err(Error::unsupported("BatchNormalization with spatial=0 (removed in opset 9) is not supported"));
    }
    if op == "BatchNormalization" {
        // More outputs than one were what said that the statistics are those of the batch.
        let trains = proto.output.iter().skip(1).any(|name| !name.is_empty()) && node.int("is_test", 0)? == 0;
        let mut plain = proto.clone();
        plain.attribute.push(attribute("training_mode", AttributeType::Int, |a| a.i = i64::from(trains)));
        return Ok(Upgraded::Node(Box::new(plain), owned()));
    }
    if op == "Cast" && opset < 6 {
        let name = node.find_string("to")?.ok_or_else(|| node.missing("to"))?;
        let number =
            (1..=16).find(|&number| tensor::type_name(number) == name).ok_or_else(|| Error::argument(format!("unknown type {name}")))?;
        let plain = NodeProto { attribute: vec![attribute("to", AttributeType::Int, |a| a.i = i64::from(number))], ..proto.clone() };
        return Ok(Upgraded::Node(Box::new(plain), owned()));
    }
    if op == "Clip" && opset < 11 {
        // The bounds had the ends of f32 as defaults, so that an infinity became finite.
        let mut plain = proto.clone();
        for (name, default) in [("min", f32::MIN), ("max", f32::MAX)] {
            if !proto.attribute.iter().any(|given| given.name == name) {
                plain.attribute.push(attribute(name, AttributeType::Float, |a| a.f = default));
            }
        }
        return Ok(Upgraded::Node(Box::new(plain), owned()));
    }
    if op == "Resize" && opset < 11 {
        let mut plain = proto.clone();
        plain.attribute.push(attribute("coordinate_transformation_mode", AttributeType::String, |a| a.s = b"asymmetric".to_vec().into()));
        plain.attribute.push(attribute("nearest_mode", AttributeType::String, |a| a.s = b"floor".to_vec().into()));
        return Ok(Upgraded::Node(
            Box::new(plain),
            vec![inputs.first().copied().flatten().cloned(), None, inputs.get(1).copied().flatten().cloned()],
        ));
    }
    if op == "RoiAlign" {
        // Pixel centres were at integer coordinates before opset 16.
        let mut plain = proto.clone();
        let mode = "coordinate_transformation_mode";
        plain.attribute.push(attribute(mode, AttributeType::String, |a| a.s = b"output_half_pixel".to_vec().into()));
        return Ok(Upgraded::Node(Box::new(plain), owned()));
    }
    let mut operands = owned();
    let mut upgraded = false;
    for &(_, _, name, position) in ATTRIBUTES.iter().filter(|row| row.0 == op && opset < row.1) {
        let ints = match node.proto().attribute.iter().find(|attribute| attribute.name == name) {
            Some(given) if given.r#type == AttributeType::Int as i32 => Tensor::from(&[given.i]),
            Some(given) if given.r#type == AttributeType::Float as i32 => {
                let dtype = Inputs::new(inputs).at(0)?.dtype();
                Tensor::from(crate::Array::scalar(given.f)).cast(dtype)?
            }
            Some(given) => Tensor::from(given.ints.as_slice()),
            None => continue,
        };
        if operands.len() <= position {
            operands.resize(position + 1, None);
        }
        operands[position] = Some(ints);
        upgraded = true;
    }
    Ok(if upgraded { Upgraded::Node(Box::new(proto.clone()), operands) } else { Upgraded::AsItIs })
}
