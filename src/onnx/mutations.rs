//! Broken files: whatever a mutation does, a model is read or refused with a code.

use super::proto::*;
use super::sample::{self, node, value};
use super::{Model, tensor, verify};
use crate::array::Array;
use prost::Message;

/// xorshift64*: the same mutations on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }
}

/// A small model with something of everything: branches, a function, sparse and typed tensors, sequences, metadata.
fn rich() -> Vec<u8> {
    let mut proto = sample::branches().into_proto().unwrap();
    let entry = StringStringEntryProto { key: "key".into(), value: "value".into() };
    proto.metadata_props.push(entry.clone());
    proto.functions.push(FunctionProto {
        name: "Twice".into(),
        domain: "mine".into(),
        input: vec!["v".into()],
        output: vec!["w".into()],
        node: vec![node("Add", &["v", "v"], &["w"])],
        opset_import: proto.opset_import.clone(),
        ..Default::default()
    });
    proto.opset_import.push(OperatorSetIdProto { domain: "mine".into(), version: 1 });
    if let Some(graph) = &mut proto.graph {
        graph.node.push(NodeProto { domain: "mine".into(), metadata_props: vec![entry], ..node("Twice", &["x"], &["t"]) });
        let typed = TensorProto { name: "typed".into(), data_type: 10, dims: vec![2], int32_data: vec![1, 2], ..Default::default() };
        graph.initializer.extend([typed, tensor::proto("truth", &Array::vector(vec![true, false])).unwrap()]);
        graph.sparse_initializer.push(SparseTensorProto {
            values: Some(tensor::proto("sparse", &Array::vector(vec![1i64, 2])).unwrap()),
            indices: Some(tensor::proto("", &Array::vector(vec![0i64, 3])).unwrap()),
            dims: vec![2, 2],
        });
        let inner = value("", 1, &["2"]).r#type.map(Box::new);
        let sequence = type_proto::Value::SequenceType(Box::new(type_proto::Sequence { elem_type: inner }));
        let kind = TypeProto { value: Some(sequence), ..Default::default() };
        graph.value_info.push(ValueInfoProto { name: "s".into(), r#type: Some(kind), ..Default::default() });
    }
    proto.encode_to_vec()
}

/// Reads, checks, prints and writes; a model that was read is read again from its own bytes, and has the same.
fn exercise(bytes: Vec<u8>) -> bool {
    let Ok(model) = Model::load(bytes.into(), None) else { return false };
    let _ = (verify(&model), model.to_string());
    let written = model.to_bytes().unwrap();
    let again = Model::load(written.clone().into(), None).expect("what was written can be read");
    assert_eq!(again.to_bytes().unwrap(), written);
    true
}

#[test]
fn the_model_itself_is_good() {
    let model = Model::load(rich().into(), None).unwrap();
    assert_eq!(verify(&model).errors, []);
    assert!(exercise(rich()));
}

#[test]
fn a_model_cut_off_anywhere_is_read_or_refused() {
    let whole = rich();
    let read = (0..whole.len()).filter(|&length| exercise(whole[..length].to_vec())).count();
    // Only where the cut falls between two fields behind the graph can there be a model left.
    assert!(read < 10, "{read}");
}

#[test]
fn a_model_with_changed_bytes_is_read_or_refused() {
    let (whole, mut random, mut read) = (rich(), Random(0x0417ace), 0);
    for _ in 0..3000 {
        let mut bytes = whole.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            match random.below(6) {
                0 => bytes[at] ^= 1 << random.below(8),
                1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
                2 => bytes[at] = bytes[at].wrapping_add(1),
                3 => drop(bytes.remove(at)),
                4 => bytes.insert(at, random.below(256) as u8),
                _ => {
                    let (from, length) = (random.below(whole.len()), random.below(20));
                    let piece = whole[from..(from + length).min(whole.len())].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        read += usize::from(exercise(bytes));
    }
    assert!((100..2900).contains(&read), "mutations that change nothing, or break everything, test nothing: {read}");
}
