//! Protobuf messages as trees, without their schema: every field that parses as a message is one.

use crate::random::{INTERESTING, Random};

#[derive(Clone)]
pub enum Value {
    Varint(u64),
    Fixed(Vec<u8>),
    Bytes(Vec<u8>),
    Message(Vec<Field>),
}

#[derive(Clone)]
pub struct Field {
    number: u64,
    wire: u64,
    value: Value,
}

const DEPTH: usize = 12;

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

pub fn parse(bytes: &[u8], depth: usize) -> Option<Vec<Field>> {
    let (mut at, mut fields) = (0, Vec::new());
    while at < bytes.len() {
        let key = varint(bytes, &mut at)?;
        let (number, wire) = (key >> 3, key & 7);
        if number == 0 || number > 100 {
            return None;
        }
        let mut take = |n: usize| {
            let taken = bytes.get(at..at.checked_add(n)?)?;
            at += n;
            Some(taken.to_vec())
        };
        let value = match wire {
            0 => Value::Varint(varint(bytes, &mut at)?),
            1 => Value::Fixed(take(8)?),
            5 => Value::Fixed(take(4)?),
            2 => {
                let length = usize::try_from(varint(bytes, &mut at)?).ok()?;
                let end = at.checked_add(length).filter(|&end| end <= bytes.len())?;
                let inner = &bytes[at..end];
                at = end;
                // Text of letters is a name, though it may parse.
                let is_text = !inner.is_empty() && inner.iter().all(|byte| byte.is_ascii_graphic());
                match if depth == 0 || is_text || length == 0 || length > 1 << 16 { None } else { parse(inner, depth - 1) } {
                    Some(message) => Value::Message(message),
                    None => Value::Bytes(inner.to_vec()),
                }
            }
            _ => return None,
        };
        fields.push(Field { number, wire, value });
    }
    Some(fields)
}

fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub fn write(fields: &[Field]) -> Vec<u8> {
    let mut out = Vec::new();
    for field in fields {
        write_varint(field.number << 3 | field.wire, &mut out);
        let inner = match &field.value {
            Value::Varint(value) => {
                write_varint(*value, &mut out);
                continue;
            }
            Value::Fixed(bytes) => {
                out.extend(bytes);
                continue;
            }
            Value::Bytes(bytes) => bytes.clone(),
            Value::Message(fields) => write(fields),
        };
        write_varint(inner.len() as u64, &mut out);
        out.extend(inner);
    }
    out
}

/// The texts of a message: names of values and operators.
fn texts(fields: &[Field], found: &mut Vec<Vec<u8>>) {
    for field in fields {
        match &field.value {
            Value::Bytes(bytes) if bytes.len() < 64 => found.push(bytes.clone()),
            Value::Message(inner) => texts(inner, found),
            _ => {}
        }
    }
}

/// Operators that a mutated node may become.
const OPERATORS: &[&str] = &[
    "Relu",
    "Add",
    "Div",
    "Mod",
    "Conv",
    "ConvTranspose",
    "MaxPool",
    "AveragePool",
    "LpPool",
    "Pad",
    "Resize",
    "Slice",
    "Expand",
    "Tile",
    "Reshape",
    "Gather",
    "ScatterND",
    "TopK",
    "NonZero",
    "Range",
    "OneHot",
    "Loop",
    "If",
    "Scan",
    "LSTM",
    "Einsum",
    "MatMul",
    "Gemm",
    "Concat",
    "Split",
    "Transpose",
    "CenterCropPad",
    "Col2Im",
    "GridSample",
    "RoiAlign",
    "NonMaxSuppression",
    "STFT",
    "DFT",
    "HannWindow",
    "Compress",
    "Unique",
    "CumSum",
    "ReverseSequence",
    "QLinearConv",
    "DequantizeLinear",
    "Bernoulli",
    "RandomNormal",
    "ConstantOfShape",
    "SequenceAt",
    "SpaceToDepth",
    "DepthToSpace",
    "MaxUnpool",
    "BitShift",
];

fn choose<'a>(fields: &'a mut Vec<Field>, random: &mut Random) -> (&'a mut Vec<Field>, usize) {
    let index = random.below(fields.len());
    let goes_on = matches!(&fields[index].value, Value::Message(inner) if !inner.is_empty()) && random.below(8) > 0;
    if goes_on {
        let Value::Message(inner) = &mut fields[index].value else { unreachable!("matched above") };
        return choose(inner, random);
    }
    (fields, index)
}

/// A model with one field changed, taken away, repeated or replaced by another.
pub fn mutate(bytes: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let mut message = parse(bytes, DEPTH).filter(|fields| !fields.is_empty())?;
    let mut names = Vec::new();
    texts(&message, &mut names);
    for _ in 0..=random.below(3) {
        if message.is_empty() {
            break;
        }
        let (fields, index) = choose(&mut message, random);
        match random.below(8) {
            0 => drop(fields.remove(index)),
            1 => {
                let field = fields[index].clone();
                let to = random.below(fields.len() + 1);
                fields.insert(to, field);
            }
            2 => {
                let other = random.below(fields.len());
                fields.swap(index, other);
            }
            _ => match &mut fields[index].value {
                Value::Varint(value) => *value = if random.below(4) == 0 { value.wrapping_add(1) } else { *random.of(INTERESTING) as u64 },
                Value::Fixed(bytes) => {
                    let at = random.below(bytes.len());
                    bytes[at] = random.next() as u8;
                }
                Value::Bytes(bytes) => match random.below(4) {
                    0 if !names.is_empty() => *bytes = random.of(&names).clone(),
                    1 => *bytes = random.of(OPERATORS).as_bytes().to_vec(),
                    2 if bytes.len() % 8 == 0 && !bytes.is_empty() => {
                        let at = random.below(bytes.len() / 8) * 8;
                        bytes[at..at + 8].copy_from_slice(&random.of(INTERESTING).to_le_bytes());
                    }
                    _ => *bytes = crate::mutate::bytes(bytes, random),
                },
                Value::Message(inner) => inner.clear(),
            },
        }
    }
    Some(write(&message))
}
