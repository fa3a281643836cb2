//! Which operators tract lacks or gets wrong, and the copy of the page that is made for it.

use super::foreign;
use crate::array::DType;
use crate::onnx::proto::{GraphProto, ModelProto, NodeProto, ValueInfoProto, type_proto};
use crate::onnx::{Model, tensor};
use std::collections::HashMap;
use std::fmt;

/// What a row asks of a node: itself, and the dtypes of its inputs as far as they are known.
type Applies = fn(&NodeProto, &[Option<DType>]) -> bool;

/// The operators that run on our kernels: name, where it applies, and why (tract 0.23.9).
pub(super) const REPLACED: &[(&str, Applies, &str)] = &[
    ("Equal", |_, dtypes| dtypes.contains(&Some(DType::Bool)), "compares numbers only, not bools"),
    (
        "MatMul",
        |_, dtypes| dtypes.iter().any(|dtype| matches!(dtype, Some(DType::I64 | DType::U8 | DType::U32 | DType::U64))),
        "panics on i64, refuses unsigned integers",
    ),
    ("Erf", double, "has no f64 kernel"),
    ("Sigmoid", double, "has no f64 kernel"),
    ("HardSwish", double, "has no f64 kernel"),
    ("LeakyRelu", double, "has no f64 kernel"),
    ("Round", double, "has no f64 kernel"),
    ("IsNaN", double, "has no f64 kernel"),
    ("IsInf", double, "has no f64 kernel"),
    ("Selu", double, "rounds its constants to f32"),
    ("LayerNormalization", double, "rounds its epsilon to f32"),
    ("CumSum", integer, "mistakes cast integers for lengths"),
    ("TopK", integer, "mistakes cast integers for lengths"),
    ("ArgMax", integer, "mistakes cast integers for lengths"),
    ("ArgMin", integer, "mistakes cast integers for lengths"),
    ("Celu", |_, dtypes| dtypes.contains(&Some(DType::F16)), "is wrong in f16"),
];

fn double(_: &NodeProto, dtypes: &[Option<DType>]) -> bool {
    dtypes.first() == Some(&Some(DType::F64))
}

fn integer(_: &NodeProto, dtypes: &[Option<DType>]) -> bool {
    dtypes.first() == Some(&Some(DType::I64))
}

/// A node that runs on our kernel.
#[derive(Clone, Debug)]
pub(super) struct Replaced {
    name: String,
    op: String,
    why: &'static str,
}

impl fmt::Display for Replaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}) runs on our kernel: tract's {}", self.name, self.op, self.why)
    }
}

fn element(info: &ValueInfoProto) -> Option<(&str, DType)> {
    let type_proto::Value::TensorType(ty) = info.r#type.as_ref()?.value.as_ref()? else { return None };
    Some((info.name.as_str(), tensor::dtype(ty.elem_type).ok()?))
}

/// The dtypes of the values of a graph, as far as it declares them.
fn dtypes<'a>(graph: &'a GraphProto, model: &'a Model) -> HashMap<&'a str, DType> {
    let declared = graph.input.iter().chain(&graph.value_info).chain(&graph.output).filter_map(element);
    declared.chain(model.initializers.iter().map(|(name, array)| (name.as_str(), array.dtype()))).collect()
}

/// The page as tract gets it: without declarations that it would only trip over, and with our names on what we run.
pub(super) fn for_tract(model: &Model) -> (ModelProto, Vec<Replaced>) {
    let mut replaced = Vec::new();
    let mut page = model.clone().into_proto();
    if let (Some(graph), Some(original)) = (page.graph.as_mut(), model.proto.graph.as_ref()) {
        let dtypes = dtypes(original, model);
        for node in &mut graph.node {
            node.metadata_props.clear();
            if node.op_type == "ConstantOfShape" && node.attribute.is_empty() {
                // Without a value tract makes f64.
                node.attribute.push(foreign::zero_value());
            }
            let inputs: Vec<Option<DType>> = node.input.iter().map(|name| dtypes.get(name.as_str()).copied()).collect();
            if let Some(row) = REPLACED.iter().find(|row| row.0 == node.op_type && (row.1)(node, &inputs)) {
                replaced.push(Replaced { name: node.name.clone(), op: node.op_type.clone(), why: row.2 });
                node.op_type = foreign::name(&node.op_type);
            }
        }
        graph.value_info.clear();
    }
    (page, replaced)
}
