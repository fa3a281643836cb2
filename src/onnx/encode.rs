//! Protobuf encoding of a model as a stream: lengths are computed first, then everything is written once, weights directly from their storage.

use super::atomic_file::BLOCK;
use super::external::Location;
use super::hash::{DIGITS, WEIGHTS_HASH_KEY, WeightsHash};
use super::model::{declarations, outside_graph};
use super::proto::tensor_proto::DataLocation;
use super::proto::{ModelProto, StringStringEntryProto, TensorProto};
use super::{Model, tensor};
use crate::array::Array;
use crate::error::Result;
use prost::Message;
use std::borrow::Cow;
use std::io::{self, Write};

/// The maximum length of a protobuf message: 2 GiB less a byte.
pub const MAX_MESSAGE: u64 = i32::MAX as u64;

/// The alignment of weights in an external data file: a memory page, so that they can be mapped.
const PAGE: u64 = 4096;

/// Tensors of fewer bytes stay in the model.
const SMALL: usize = 1024;

// The fields that are written by hand: data of `proto/onnx.proto`.
pub(super) const MODEL_GRAPH: u8 = 7;
const GRAPH_NODE: u8 = 1;
const GRAPH_INITIALIZER: u8 = 5;
const TENSOR_RAW_DATA: u8 = 9;

/// What a field with a length takes: one byte of key, the length, the contents.
fn field_len(contents: u64) -> u64 {
    1 + u64::from((64 - (contents | 1).leading_zeros()).div_ceil(7)) + contents
}

/// The key and the length in front of a field's contents.
pub(super) fn open(number: u8, length: u64, out: &mut impl Write) -> io::Result<()> {
    let mut head = vec![number << 3 | 2];
    // Lengths fit in usize: they are sums of lengths of what is in memory or mapped.
    prost::encode_length_delimiter(length as usize, &mut head).map_err(io::Error::other)?;
    out.write_all(&head)
}

/// An initializer: its tensor without data, and the data, unless it is external.
struct Weight<'a> {
    header: Vec<u8>,
    data: Option<Cow<'a, Array>>,
}

/// The data as a file packs it.
fn packed(array: &Array) -> Result<Cow<'_, Array>> {
    Ok(if array.dtype().bits() < 8 { Cow::Owned(array.packed()?) } else { Cow::Borrowed(array) })
}

impl Weight<'_> {
    fn len(&self) -> u64 {
        self.header.len() as u64 + self.data.as_ref().map_or(0, |data| field_len(data.byte_len() as u64))
    }
}

/// A model laid out: every length is known, nothing is written yet.
pub(super) struct Layout<'a> {
    model: &'a Model,
    /// The model's message without its graph and its metadata.
    outer: Vec<u8>,
    /// The graph's message without nodes and initializers.
    inner: Vec<u8>,
    weights: Vec<Weight<'a>>,
    graph: u64,
    /// Values that lie in the data file: which of the initializers, where, and as the file packs them.
    external: Vec<(usize, u64, Cow<'a, Array>)>,
    /// The length of the metadata, which come last: the hash of the weights is among them.
    metadata: u64,
}

/// Writes to two places.
struct Tee<'a, W>(&'a mut W, &'a mut WeightsHash);

impl<W: Write> Write for Tee<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A block at a time, which is in the cache.
        let written = self.0.write(&bytes[..bytes.len().min(BLOCK)])?;
        self.1.write_all(&bytes[..written])?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Writes an array as the file packs it, and takes it into the hash of the weights, where there is one.
fn write_weight(array: &Array, packed: &Array, hash: Option<&mut WeightsHash>, out: &mut impl Write) -> io::Result<()> {
    let Some(hash) = hash else { return packed.write_to(out) };
    hash.begin(array);
    if array.dtype().bits() < 8 {
        array.write_to(hash)?;
        return packed.write_to(out);
    }
    packed.write_to(&mut Tee(out, hash))
}

impl<'a> Layout<'a> {
    /// Everything in one file.
    ///
    /// # Errors
    /// [`TooBig`](crate::ErrorCode::TooBig) for repeated elements of less than a byte whose dense copy does not fit into memory.
    pub fn whole(model: &'a Model) -> Result<Layout<'a>> {
        Layout::new(model, None)
    }

    /// Large initializers in a data file of this name beside the model. The name takes part in the sizes, not in the data.
    ///
    /// # Errors
    /// As [`Layout::whole`].
    pub fn split(model: &'a Model, data: &str) -> Result<Layout<'a>> {
        Layout::new(model, Some(data))
    }

    fn new(model: &'a Model, data: Option<&str>) -> Result<Layout<'a>> {
        // Metadata come last: they hold the hash of what is written before.
        let outer = ModelProto { metadata_props: Vec::new(), ..outside_graph(&model.proto) };
        let inner = model.proto.graph.as_ref().map(declarations);
        let mut end = 0u64;
        let mut external = Vec::new();
        let weight = |(i, (name, array)): (usize, &'a (String, Array))| {
            let (header, array) = (tensor::header(name, array), packed(array)?);
            Ok(match data {
                Some(path) if array.byte_len() >= SMALL => {
                    let offset = end.next_multiple_of(PAGE);
                    end = offset + array.byte_len() as u64;
                    let location = Location { path: path.into(), offset, length: Some(array.byte_len() as u64) };
                    external.push((i, offset, array));
                    let data_location = DataLocation::External as i32;
                    let header = TensorProto { external_data: location.write(), data_location, ..header };
                    Weight { header: header.encode_to_vec(), data: None }
                }
                _ => Weight { header: header.encode_to_vec(), data: Some(array).filter(|array| !array.is_empty()) },
            })
        };
        let weights = model.initializers.iter().enumerate().map(weight).collect::<Result<Vec<_>>>()?;
        let (outer, inner) = (outer.encode_to_vec(), inner.unwrap_or_default().encode_to_vec());
        let mut layout = Layout { model, outer, inner, weights, graph: 0, external, metadata: 0 };
        layout.metadata = layout.metadata(Some(&"0".repeat(DIGITS))).len() as u64;
        let nodes = model.proto.graph.iter().flat_map(|graph| &graph.node).map(Message::encoded_len);
        let kept = model.proto.graph.iter().flat_map(|graph| &graph.initializer).map(Message::encoded_len);
        layout.graph = layout.inner.len() as u64
            + nodes.chain(kept).map(|length| field_len(length as u64)).sum::<u64>()
            + layout.weights.iter().map(|weight| field_len(weight.len())).sum::<u64>();
        Ok(layout)
    }

    /// The length of the model in bytes.
    pub fn len(&self) -> u64 {
        self.outer.len() as u64 + field_len(self.graph) + self.metadata
    }

    /// The length of the data file in bytes, 0 where there is none.
    pub fn data_len(&self) -> u64 {
        self.external.last().map_or(0, |(_, offset, array)| offset + array.byte_len() as u64)
    }

    /// The metadata with the hash of the weights where it is wanted.
    fn metadata(&self, hash: Option<&str>) -> Vec<u8> {
        let mut metadata_props = self.model.proto.metadata_props.clone();
        for entry in metadata_props.iter_mut().filter(|entry| is_wanted(entry)) {
            entry.value = hash.unwrap_or_default().to_string();
        }
        ModelProto { metadata_props, ..ModelProto::default() }.encode_to_vec()
    }

    /// A hash of the weights to begin with, where the metadata want it.
    fn hash(&self) -> Option<WeightsHash> {
        self.model.proto.metadata_props.iter().any(is_wanted).then(WeightsHash::default)
    }

    /// Writes the model; the hash of the weights is that which [`Layout::write_data`] gave, where there is a data file.
    pub fn write(&self, hash: Option<String>, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&self.outer)?;
        open(MODEL_GRAPH, self.graph, out)?;
        out.write_all(&self.inner)?;
        if let Some(graph) = &self.model.proto.graph {
            for node in &graph.node {
                open(GRAPH_NODE, node.encoded_len() as u64, out)?;
                out.write_all(&node.encode_to_vec())?;
            }
            for initializer in &graph.initializer {
                open(GRAPH_INITIALIZER, initializer.encoded_len() as u64, out)?;
                out.write_all(&initializer.encode_to_vec())?;
            }
        }
        let mut own = self.hash().filter(|_| hash.is_none());
        for (weight, (_, array)) in self.weights.iter().zip(&self.model.initializers) {
            open(GRAPH_INITIALIZER, weight.len(), out)?;
            out.write_all(&weight.header)?;
            match &weight.data {
                Some(data) => {
                    open(TENSOR_RAW_DATA, data.byte_len() as u64, out)?;
                    write_weight(array, data, own.as_mut(), out)?;
                }
                // It has no elements, or they are in the data file.
                None => own.iter_mut().for_each(|hash| hash.begin(array)),
            }
        }
        out.write_all(&self.metadata(own.map(|own| own.finish()).or(hash).as_deref()))
    }

    /// Writes the data file, and gives the hash of the weights where the metadata want it.
    pub fn write_data(&self, out: &mut impl Write) -> io::Result<Option<String>> {
        let mut hash = self.hash();
        let (mut end, mut external) = (0, self.external.iter().peekable());
        for (i, (_, array)) in self.model.initializers.iter().enumerate() {
            match external.next_if(|external| external.0 == i) {
                Some((_, offset, packed)) => {
                    out.write_all(&vec![0; (offset - end) as usize])?;
                    write_weight(array, packed, hash.as_mut(), out)?;
                    end = offset + packed.byte_len() as u64;
                }
                None => {
                    if let Some(hash) = &mut hash {
                        hash.begin(array);
                        array.write_to(hash)?;
                    }
                }
            }
        }
        Ok(hash.map(|hash| hash.finish()))
    }
}

/// Whether an entry of the metadata is the hash of the weights, which is not known yet.
fn is_wanted(entry: &StringStringEntryProto) -> bool {
    entry.key == WEIGHTS_HASH_KEY && entry.value.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::{GraphProto, NodeProto};

    #[test]
    fn lengths_take_seven_bits_a_byte() {
        for contents in [0u64, 1, 127, 128, 16_383, 16_384, MAX_MESSAGE, MAX_MESSAGE + 1, 1 << 40] {
            assert_eq!(field_len(contents), 1 + prost::length_delimiter_len(contents as usize) as u64 + contents);
        }
    }

    #[test]
    fn the_stream_decodes_to_the_message() {
        let initializers = vec![
            ("window".into(), Array::new(&[40, 30], (0..1200i64).collect()).unwrap().permute(&[1, 0]).unwrap()),
            ("empty".into(), Array::new::<f32>(&[0, 3], vec![]).unwrap()),
            ("one".into(), Array::scalar(true)),
        ];
        let words = TensorProto { name: "words".into(), data_type: 8, string_data: vec!["a".into()], dims: vec![1], ..Default::default() };
        let node = NodeProto { op_type: "Relu".into(), input: vec!["x".into()], output: vec!["y".into()], ..Default::default() };
        let graph = GraphProto { name: "g".into(), node: vec![node; 3], initializer: vec![words], ..Default::default() };
        let proto = ModelProto { ir_version: 8, graph: Some(graph), producer_name: "p".into(), ..Default::default() };
        let model = Model { proto, initializers };
        let layout = Layout::whole(&model).unwrap();
        let mut bytes = Vec::new();
        layout.write(None, &mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, layout.len());
        let read = Model::from_proto(ModelProto::decode(&bytes[..]).unwrap()).unwrap();
        assert_eq!(read, model);
    }
}
