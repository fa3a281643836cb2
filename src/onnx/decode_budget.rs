//! What is refused before decoding: a walk over the wire that adds up the memory the messages would take.
//!
//! Two bytes of an empty attribute become three hundred bytes of struct, so the size of a file says little about the size of what it
//! decodes to. The walk keeps its own stack, skips over weights, and allocates next to nothing.

use crate::error::{Error, ErrorCode, Result};

/// How deep messages may nest. A subgraph takes three levels (node, attribute, graph): twenty fit, real models have five.
pub const MOST_NESTED: usize = 64;

/// The memory that the elements of a file of this length may take: 64 MiB and four times its length.
pub fn budget(length: usize) -> u64 {
    (64 << 20) + 4 * length as u64
}

/// The memory that its messages may take with their names and elements. The shortest node with a parameter of its own is sixty bytes, and a kilobyte once
/// decoded: 64 MiB and sixteen times the length hold any number of them.
fn message_budget(length: usize) -> u64 {
    (64 << 20) + 16 * length as u64
}

/// What an allocation takes beside its contents.
const OVERHEAD: u64 = 16;

/// The bytes of the largest number that a tensor or an attribute lists.
const LARGEST_ELEMENT: usize = 8;

struct Message {
    name: &'static str,
    /// Of prost's struct.
    size: usize,
    fields: &'static [Field],
}

struct Field {
    name: &'static str,
    number: u32,
    kind: FieldKind,
    repeated: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum FieldKind {
    /// Of as many bytes once decoded.
    Varint(usize),
    Fixed(usize),
    Text,
    /// Stays a slice of the file.
    Bytes,
    /// By its index in the table.
    Message(usize),
}

include!(concat!(env!("OUT_DIR"), "/schema.rs"));

/// A message that is being walked through.
struct OpenMessage {
    message: &'static Message,
    end: usize,
    /// The fields that came already, a bit each.
    seen: u32,
    /// The elements of each repeated field so far.
    counts: [u32; MOST_FIELDS],
}

const _: () = assert!(MOST_FIELDS <= 32, "`seen` has a bit for each field");

/// Walks over the bytes of a model and returns the memory that decoding them will take.
///
/// # Errors
/// [`TooBig`](ErrorCode::TooBig) beyond the budgets for elements and messages, [`TooDeep`](ErrorCode::TooDeep) beyond [`MOST_NESTED`], [`Damaged`](ErrorCode::Damaged) where
/// the bytes are truncated or contradict the schema, [`NotAModel`](ErrorCode::NotAModel) where they have nothing to do with it.
pub fn scan(bytes: &[u8]) -> Result<u64> {
    let mut scan = MessageScan { bytes, at: 0, cost: 0, elements: 0, stack: Vec::new() };
    scan.enter(ROOT, bytes.len())?;
    loop {
        let start = scan.at;
        match scan.step() {
            Ok(true) => {}
            Ok(false) => return Ok(scan.cost),
            Err(error) if error.code() == ErrorCode::Damaged && matches!(&scan.stack[..], [OpenMessage { seen: 0, .. }]) => {
                return Err(Error::new(ErrorCode::NotAModel, format!("not an ONNX model: {}", error.message())));
            }
            Err(error) => return Err(error.at(format!("byte {start}"))),
        }
    }
}

struct MessageScan<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Of all that was read, and of elements among it.
    cost: u64,
    elements: u64,
    stack: Vec<OpenMessage>,
}

impl MessageScan<'_> {
    /// Takes one field; false at the end.
    fn step(&mut self) -> Result<bool> {
        let Some(frame) = self.stack.last() else { return Ok(false) };
        let (message, end) = (frame.message, frame.end);
        if self.at == end {
            self.stack.pop();
            return Ok(true);
        }
        let key = self.varint(end)?;
        let (number, wire) = (key >> 3, key & 7);
        let slot = message.fields.iter().position(|field| u64::from(field.number) == number);
        let known = slot.map(|slot| (slot, &message.fields[slot]));
        if number == 0 || key > u64::from(u32::MAX) {
            return Err(Error::damaged("a protobuf field with number 0"));
        }
        let length = match wire {
            0 => {
                self.varint(end)?;
                0
            }
            1 => 8,
            2 => self.varint(end)?,
            5 => 4,
            _ => return Err(Error::damaged(format!("wire type {wire} is not used by ONNX"))),
        };
        let length = usize::try_from(length).ok().filter(|&length| length <= end - self.at).ok_or_else(|| {
            let field = known.map_or_else(|| format!("field {number}"), |(_, field)| format!("`{}`", field.name));
            Error::damaged(format!("truncated: {field} claims {length} bytes, {} are left", end - self.at))
        })?;
        let start = self.at;
        self.at += length;
        let Some((slot, field)) = known else { return Ok(true) };
        let again = self.frame(|frame| {
            let before = frame.seen;
            frame.seen |= 1 << slot;
            before == frame.seen
        });
        match (field.kind, wire) {
            (FieldKind::Message(index), 2) => {
                if again && !field.repeated {
                    return Err(Error::damaged(format!("field `{}` occurs twice in one {}", field.name, message.name)));
                }
                let size = MESSAGES[index].size;
                if field.repeated {
                    self.push(slot, 1, size)?
                } else {
                    self.charge(size as u64)?
                }
                self.at = start;
                self.enter(index, start + length)?;
            }
            (FieldKind::Text, 2) => {
                if length > 0 {
                    self.charge(length.max(8) as u64 + OVERHEAD)?;
                }
                if field.repeated {
                    self.push(slot, 1, size_of::<String>())?;
                }
            }
            (FieldKind::Bytes, 2) if field.repeated => self.push(slot, 1, size_of::<bytes::Bytes>())?,
            (FieldKind::Bytes, 2) => {}
            (FieldKind::Varint(size), 0) | (FieldKind::Fixed(size @ 4), 5) | (FieldKind::Fixed(size @ 8), 1) => {
                if field.repeated {
                    self.push(slot, 1, size)?;
                }
            }
            (FieldKind::Varint(size), 2) if field.repeated => {
                let elements = self.bytes[start..self.at].iter().filter(|&&byte| byte < 0x80).count();
                self.push(slot, elements, size)?;
            }
            (FieldKind::Fixed(size), 2) if field.repeated && length.is_multiple_of(size) => self.push(slot, length / size, size)?,
            _ => return Err(Error::damaged(format!("field `{}` of {} has wire type {wire}", field.name, message.name))),
        }
        Ok(true)
    }

    fn enter(&mut self, index: usize, end: usize) -> Result<()> {
        if self.stack.len() == MOST_NESTED {
            return Err(Error::too_deep(format!("messages nested over {MOST_NESTED} deep")));
        }
        self.stack.push(OpenMessage { message: &MESSAGES[index], end, seen: 0, counts: [0; MOST_FIELDS] });
        Ok(())
    }

    /// Asks or changes the innermost message.
    fn frame<T: Default>(&mut self, with: impl FnOnce(&mut OpenMessage) -> T) -> T {
        self.stack.last_mut().map(with).unwrap_or_default()
    }

    /// Elements added to a vector, which grows by doubling.
    fn push(&mut self, slot: usize, elements: usize, size: usize) -> Result<()> {
        let elements = u32::try_from(elements).unwrap_or(u32::MAX);
        let (before, after) = self.frame(|frame| {
            let before = frame.counts[slot];
            frame.counts[slot] = before.saturating_add(elements);
            (before, frame.counts[slot])
        });
        let first = if size == 1 {
            8
        } else if size <= 1024 {
            4
        } else {
            1
        };
        let capacity = |count: u32| if count == 0 { 0 } else { u64::from(count).next_power_of_two().max(first) };
        let overhead = if before == 0 && after > 0 { OVERHEAD } else { 0 };
        let bytes = (capacity(after) - capacity(before)) * size as u64 + overhead;
        if size <= LARGEST_ELEMENT {
            self.elements = self.elements.saturating_add(bytes);
            self.within(self.elements, budget(self.bytes.len()))?;
        }
        self.charge(bytes)
    }

    fn charge(&mut self, bytes: u64) -> Result<()> {
        self.cost = self.cost.saturating_add(bytes);
        self.within(self.cost, message_budget(self.bytes.len()))
    }

    fn within(&self, cost: u64, budget: u64) -> Result<()> {
        if cost > budget {
            return Err(Error::too_big(format!("decoding this file of {} bytes would take over {} MiB", self.bytes.len(), budget >> 20)));
        }
        Ok(())
    }

    /// A number of seven bits a byte, ten bytes at most.
    fn varint(&mut self, end: usize) -> Result<u64> {
        let mut value = 0u64;
        for (i, &byte) in self.bytes[self.at..end].iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                if i == 9 && byte > 1 {
                    break;
                }
                self.at += i + 1;
                return Ok(value);
            }
        }
        Err(Error::damaged(if end - self.at < 10 { "truncated inside a varint" } else { "a varint of more than 64 bits" }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::*;
    use prost::Message as _;

    /// A field with a length.
    fn field(number: u8, contents: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2];
        prost::encode_length_delimiter(contents.len(), &mut bytes).unwrap();
        bytes.extend_from_slice(contents);
        bytes
    }

    fn code(bytes: &[u8]) -> Option<ErrorCode> {
        scan(bytes).err().map(|error| error.code())
    }

    /// A model of one node whose attribute holds a graph, and so on.
    fn nested(graphs: usize) -> Vec<u8> {
        (0..graphs).fold(Vec::new(), |graph, _| field(1, &field(5, &field(6, &graph))))
    }

    #[test]
    fn two_megabytes_of_empty_attributes_are_refused() {
        let attributes = [0x2a, 0].repeat(1_000_000);
        assert_eq!(code(&field(7, &field(1, &attributes))), Some(ErrorCode::TooBig));
        for number in [1u8, 5, 11, 12, 13, 15] {
            let bytes = field(7, &[number << 3 | 2, 0].repeat(1_000_000));
            assert_eq!(code(&bytes), Some(ErrorCode::TooBig), "graph field {number}");
        }
        // One-byte values become eight bytes each.
        let tensor = TensorProto { int64_data: vec![0; 30_000_000], ..TensorProto::default() };
        assert_eq!(code(&field(7, &field(5, &tensor.encode_to_vec()))), Some(ErrorCode::TooBig));
    }

    #[test]
    fn a_hundred_thousand_nodes_with_a_parameter_each_are_decoded() {
        let tensor = |i: usize| TensorProto {
            dims: vec![2],
            data_type: 1,
            raw_data: vec![0; 8].into(),
            name: format!("w{i}"),
            ..TensorProto::default()
        };
        let node = |i: usize| NodeProto {
            input: vec![format!("v{i}"), format!("w{i}")],
            output: vec![format!("v{}", i + 1)],
            name: format!("n{i}"),
            op_type: "Add".into(),
            ..NodeProto::default()
        };
        for n in [100_000, 400_000] {
            let graph = GraphProto { node: (0..n).map(node).collect(), initializer: (0..n).map(tensor).collect(), ..GraphProto::default() };
            let bytes = field(7, &graph.encode_to_vec());
            assert_eq!(code(&bytes), None, "{} bytes", bytes.len());
        }
    }

    #[test]
    fn weights_cost_nothing() {
        let tensor = TensorProto { raw_data: vec![0xff; 10_000_000].into(), ..TensorProto::default() };
        let tensor = field(5, &tensor.encode_to_vec());
        assert!(scan(&field(7, &tensor)).unwrap() < 2000);
    }

    #[test]
    fn nesting_beyond_any_real_model_is_refused() {
        assert_eq!(code(&field(7, &nested(20))), None);
        assert!(ModelProto::decode(&field(7, &nested(20))[..]).is_ok());
        for depth in [21, 33, 34, 10_000] {
            assert_eq!(code(&field(7, &nested(depth))), Some(ErrorCode::TooDeep), "{depth}");
        }
        let sequences = (0..1000).fold(Vec::new(), |kind, _| field(4, &field(1, &kind)));
        assert_eq!(code(&field(7, &field(11, &field(2, &sequences)))), Some(ErrorCode::TooDeep));
    }

    #[test]
    fn what_is_no_protobuf_is_no_model() {
        for bytes in [&b"PK\x03\x04"[..], b"hello world", b"\xff\xff", b"<html>", b"\x89PNG\r\n"] {
            assert_eq!(code(bytes), Some(ErrorCode::NotAModel), "{bytes:?}");
        }
    }

    #[test]
    fn bytes_that_contradict_the_schema_are_damaged() {
        let start = [0x08, 0x08]; // ir_version 8
        for (what, rest) in [
            ("a group", &[0x3b][..]),
            ("the end of a group", &[0x3c]),
            ("wire type 7", &[0x3f]),
            ("field 0", &[0x02, 0]),
            ("a graph that is a number", &[0x38, 1]),
            ("a length past the end", &[0x3a, 5, 0]),
            ("a length of 2^64-1", &[0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
            ("a number of 11 bytes", &[0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0]),
            ("a number of 70 bits", &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]),
            ("half a number", &[0x08, 0x80]),
            ("two graphs", &[0x3a, 0, 0x3a, 0]),
            ("three bytes of floats", &[0x3a, 7, 0x2a, 5, 0x22, 3, 0, 0, 0]),
        ] {
            assert_eq!(code(&[&start, rest].concat()), Some(ErrorCode::Damaged), "{what}");
        }
    }
}
