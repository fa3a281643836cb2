//! Conversion of a traced graph to another float dtype.

use crate::array::DType;
use crate::error::Result;
use crate::onnx::proto::{GraphProto, NodeProto, attribute_proto::AttributeType, type_proto};
use crate::onnx::{Model, tensor};
use crate::trace::{ExportOptions, Traced};

impl Traced {
    /// The traced graph in another float dtype: parameters, constants, inputs and casts that are f32 become this one.
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) for one that is no float, and where an operator does not take it.
    pub fn with_dtype(&self, dtype: DType) -> Result<Traced> {
        if !dtype.is_float() {
            return Err(DType::not_taken(dtype));
        }
        let mut model = self.to_unhashed_model(ExportOptions::default())?;
        convert(&mut model, dtype);
        let mut traced = Traced::from_model_with(model, &self.operators())?;
        traced.verdict = None;
        Ok(traced)
    }
}

/// Every f32 of a model as another float.
fn convert(model: &mut Model, dtype: DType) {
    for (_, array) in &mut model.initializers {
        if array.dtype() == DType::F32 {
            *array = array.cast(dtype);
        }
    }
    if let Some(graph) = &mut model.proto.graph {
        convert_graph(graph, dtype);
    }
}

fn convert_graph(graph: &mut GraphProto, dtype: DType) {
    let single = tensor::data_type(DType::F32);
    for info in graph.input.iter_mut().chain(&mut graph.output) {
        if let Some(type_proto::Value::TensorType(ty)) = info.r#type.as_mut().and_then(|ty| ty.value.as_mut())
            && ty.elem_type == single
        {
            ty.elem_type = tensor::data_type(dtype);
        }
    }
    // What is declared of values in between follows from the rest.
    graph.value_info.clear();
    graph.node.iter_mut().for_each(|node| convert_node(node, dtype));
}

fn convert_node(node: &mut NodeProto, dtype: DType) {
    let single = i64::from(tensor::data_type(DType::F32));
    for attribute in &mut node.attribute {
        if matches!(attribute.name.as_str(), "to" | "dtype") && attribute.r#type == AttributeType::Int as i32 && attribute.i == single {
            attribute.i = i64::from(tensor::data_type(dtype));
        }
        if let Some(inner) = &mut attribute.t
            && let Ok(array) = tensor::array(inner)
            && array.dtype() == DType::F32
        {
            **inner = tensor::proto("", &array.cast(dtype));
        }
        if let Some(graph) = &mut attribute.g {
            convert_graph(graph, dtype);
        }
    }
}
