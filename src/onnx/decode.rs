//! Decoding of a model whose bytes were [scanned](super::decode_budget), an element of its graph at a time: lists get the room that they need and no more, and an
//! initializer becomes an array before the next one is read.

use super::proto::tensor_shape_proto::dimension;
use super::proto::{GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, type_proto};
use crate::error::{Error, Result};
use bytes::Bytes;
use prost::Message;

// The fields that are read by hand: data of `proto/onnx.proto`.
const MODEL_GRAPH: u64 = 7;
const GRAPH_NODE: u64 = 1;
const GRAPH_INITIALIZER: u64 = 5;
const GRAPH_INPUT: u64 = 11;
const GRAPH_OUTPUT: u64 = 12;
const GRAPH_VALUE_INFO: u64 = 13;

/// A field of a message: its number, all of its bytes, and those behind its key and length.
struct WireField {
    number: u64,
    whole: Bytes,
    contents: Bytes,
}

/// The fields of a message, in the order of its bytes.
struct WireFields {
    rest: Bytes,
}

impl Iterator for WireFields {
    type Item = Result<WireField>;

    fn next(&mut self) -> Option<Result<WireField>> {
        (!self.rest.is_empty()).then(|| self.field())
    }
}

impl WireFields {
    fn of(message: &Bytes) -> WireFields {
        WireFields { rest: message.clone() }
    }

    fn field(&mut self) -> Result<WireField> {
        let damaged = || Error::damaged("a protobuf field that is truncated");
        let mut cursor = &self.rest[..];
        let before = cursor.len();
        let mut varint = || prost::encoding::decode_varint(&mut cursor).map_err(|_| damaged());
        let key = varint()?;
        let length = match key & 7 {
            0 => varint().map(|_| 0)?,
            1 => 8,
            2 => varint()?,
            5 => 4,
            _ => return Err(damaged()),
        };
        let start = before - cursor.len();
        let length = usize::try_from(length).ok().filter(|&length| length <= cursor.len()).ok_or_else(damaged)?;
        let whole = self.rest.split_to(start + length);
        Ok(WireField { number: key >> 3, contents: whole.slice(start..), whole })
    }
}

fn undecodable(error: prost::DecodeError) -> Error {
    Error::damaged(error.to_string()).with_source(error)
}

fn decoded<M: Message + Default>(bytes: Bytes) -> Result<M> {
    M::decode(bytes).map_err(undecodable)
}

/// The model but for the initializers of its graph, which are handed over one by one; what is given back of them stays in the graph.
///
/// # Errors
/// [`Damaged`](crate::ErrorCode::Damaged) where the bytes are no message, and what taking an initializer fails with.
pub(super) fn model(bytes: &Bytes, take: &mut dyn FnMut(TensorProto, usize) -> Result<Option<TensorProto>>) -> Result<ModelProto> {
    parts(bytes, true, take)
}

/// As [`model`], without the nodes and the declarations of values.
///
/// # Errors
/// As [`model`].
pub(super) fn outline(bytes: &Bytes, take: &mut dyn FnMut(TensorProto, usize) -> Result<Option<TensorProto>>) -> Result<ModelProto> {
    parts(bytes, false, take)
}

/// Hands over the nodes of the graph one by one.
///
/// # Errors
/// As [`model`], and what `visit` fails with.
pub(super) fn each_node(bytes: &Bytes, visit: &mut dyn FnMut(NodeProto) -> Result<()>) -> Result<()> {
    for field in WireFields::of(bytes) {
        let field = field?;
        if field.number == MODEL_GRAPH {
            for field in WireFields::of(&field.contents) {
                let field = field?;
                if field.number == GRAPH_NODE {
                    visit(decoded(field.contents)?)?;
                }
            }
        }
    }
    Ok(())
}

fn parts(bytes: &Bytes, with_nodes: bool, take: &mut dyn FnMut(TensorProto, usize) -> Result<Option<TensorProto>>) -> Result<ModelProto> {
    let mut model = ModelProto::default();
    for field in WireFields::of(bytes) {
        let field = field?;
        match field.number {
            MODEL_GRAPH => model.graph = Some(graph(&field.contents, with_nodes, take)?),
            _ => model.merge(field.whole).map_err(undecodable)?,
        }
    }
    Ok(model)
}

fn graph(bytes: &Bytes, with_nodes: bool, take: &mut dyn FnMut(TensorProto, usize) -> Result<Option<TensorProto>>) -> Result<GraphProto> {
    let mut counts = [0; GRAPH_VALUE_INFO as usize + 1];
    for field in WireFields::of(bytes) {
        if let Some(count) = counts.get_mut(field?.number as usize) {
            *count += 1;
        }
    }
    let count = |number: u64| counts[number as usize];
    let mut graph = GraphProto {
        node: Vec::with_capacity(if with_nodes { count(GRAPH_NODE) } else { 0 }),
        input: Vec::with_capacity(count(GRAPH_INPUT)),
        output: Vec::with_capacity(count(GRAPH_OUTPUT)),
        value_info: Vec::with_capacity(if with_nodes { count(GRAPH_VALUE_INFO) } else { 0 }),
        ..GraphProto::default()
    };
    for field in WireFields::of(bytes) {
        let WireField { number, whole, contents } = field?;
        match number {
            GRAPH_NODE | GRAPH_VALUE_INFO if !with_nodes => {}
            GRAPH_NODE => graph.node.push(node(contents)?),
            GRAPH_INITIALIZER => graph.initializer.extend(take(decoded(contents)?, count(GRAPH_INITIALIZER))?),
            GRAPH_INPUT => graph.input.push(info(contents)?),
            GRAPH_OUTPUT => graph.output.push(info(contents)?),
            GRAPH_VALUE_INFO => graph.value_info.push(info(contents)?),
            _ => graph.merge(whole).map_err(undecodable)?,
        }
    }
    Ok(graph)
}

/// A node without what its lists have room for beyond their members: decoding reserves four of each, and most nodes have one output.
fn node(bytes: Bytes) -> Result<NodeProto> {
    let mut node: NodeProto = decoded(bytes)?;
    node.input.shrink_to_fit();
    node.output.shrink_to_fit();
    node.attribute.shrink_to_fit();
    node.metadata_props.shrink_to_fit();
    Ok(node)
}

/// A declaration. Sizes below 0 are unknown: old exporters write −1 for them, and every runtime reads it so.
fn info(bytes: Bytes) -> Result<ValueInfoProto> {
    let mut info: ValueInfoProto = decoded(bytes)?;
    if let Some(type_proto::Value::TensorType(ty)) = info.r#type.as_mut().and_then(|ty| ty.value.as_mut())
        && let Some(shape) = &mut ty.shape
    {
        shape.dim.shrink_to_fit();
        for dim in &mut shape.dim {
            dim.value = dim.value.take().filter(|value| !matches!(value, dimension::Value::DimValue(..0)));
        }
    }
    Ok(info)
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn an_element_at_a_time_gives_what_decoding_at_once_gives() {
        let mut expected = sample::branches().into_proto().unwrap();
        if let Some(graph) = &mut expected.graph {
            graph.value_info = vec![sample::value("half", 1, &["batch", "2"])];
            graph.doc_string = "a graph".into();
        }
        let bytes = Bytes::from(expected.encode_to_vec());
        assert_eq!(super::model(&bytes, &mut |tensor, _| Ok(Some(tensor))).unwrap(), expected);
    }

    #[test]
    fn what_is_truncated_is_damaged() {
        let bytes = Bytes::from(sample::branches().to_bytes().unwrap());
        for length in (1..bytes.len()).step_by(7) {
            // Where it happens to end behind a field it is a shorter model.
            if let Err(error) = super::model(&bytes.slice(..length), &mut |tensor, _| Ok(Some(tensor))) {
                assert_eq!(error.code(), crate::ErrorCode::Damaged, "{length}");
            }
        }
    }
}
