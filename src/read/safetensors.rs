//! safetensors: a JSON header that says where each tensor's bytes stand, and the bytes.
//!
//! The format is [huggingface/safetensors](https://github.com/huggingface/safetensors#format). Its rules are checked here, without
//! its crate, because a header must not be built up as JSON values before it is known to be reasonable.

use super::budget::Budget;
use super::state_dict::Checkpoint;
use crate::array::{Array, DType, count};
use crate::error::{Error, Result, ResultExt};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// The longest header, in bytes.
const HEADER: u64 = 100_000_000;
/// The most axes of a tensor.
const RANK: usize = 64;

/// The names of the dtypes. The rest of the format's (floats of 6 and 4 bits, complex numbers) is not read.
const DTYPES: &[(&str, DType)] = &[
    ("BOOL", DType::Bool),
    ("U8", DType::U8),
    ("I8", DType::I8),
    ("I16", DType::I16),
    ("U16", DType::U16),
    ("F16", DType::F16),
    ("BF16", DType::BF16),
    ("I32", DType::I32),
    ("U32", DType::U32),
    ("F32", DType::F32),
    ("I64", DType::I64),
    ("U64", DType::U64),
    ("F64", DType::F64),
    ("F8_E4M3", DType::F8E4M3FN),
    ("F8_E5M2", DType::F8E5M2),
    ("F8_E8M0", DType::F8E8M0),
    ("F8_E4M3FNUZ", DType::F8E4M3FNUZ),
    ("F8_E5M2FNUZ", DType::F8E5M2FNUZ),
];

/// Whether these bytes begin like such a file: a header's length, and a header that is an object.
pub(super) fn begins(bytes: &[u8]) -> bool {
    let length = bytes.first_chunk::<8>().map(|head| u64::from_le_bytes(*head));
    length.is_some_and(|length| (2..=HEADER).contains(&length)) && bytes.get(8) == Some(&b'{')
}

/// Reads the tensors in the order in which their bytes stand.
///
/// # Errors
/// [`Damaged`](crate::ErrorCode::Damaged) unless the tensors cover the file, without gaps and without sharing bytes;
/// [`Unsupported`](crate::ErrorCode::Unsupported) for other dtypes.
pub(super) fn read(bytes: &Bytes) -> Result<Checkpoint> {
    let short = || Error::damaged("the header is cut off");
    let length = bytes.first_chunk::<8>().map(|head| u64::from_le_bytes(*head)).ok_or_else(short)?;
    if length > HEADER {
        return Err(Error::too_big(format!("a header of {length} bytes, at most {HEADER} are allowed")));
    }
    let start = 8 + length as usize;
    let header = std::str::from_utf8(bytes.get(8..start).ok_or_else(short)?).map_err(|_| Error::damaged("the header is not UTF-8"))?;
    let mut header: Header =
        serde_json::from_str(header).map_err(|error| Error::damaged(error.to_string()).with_source(error).at("header"))?;
    header.0.sort_by_key(|(_, entry)| entry.data_offsets);
    let (data, mut at) = (bytes.slice(start..), 0);
    let (mut tensors, mut budget) = (Checkpoint::new(), Budget::of(bytes.len()));
    for (name, entry) in header.0 {
        budget.spend(400 + name.len() + 16 * entry.shape.0.len())?;
        let location = || name.escape_default().to_string();
        let (from, to) = entry.data_offsets;
        let dtype = DTYPES.iter().find(|row| row.0 == entry.dtype).map(|row| row.1);
        let dtype =
            dtype.ok_or_else(|| Error::unsupported(format!("unsupported element type {}", entry.dtype.escape_default())).at(location()))?;
        let size = count(&entry.shape.0).at(location())? * dtype.size();
        if from != at || to.checked_sub(from) != Some(size) || to > data.len() {
            let message = format!("{dtype}{:?} is at {from}..{to} of {} bytes, expected {size} bytes at {at}", entry.shape.0, data.len());
            return Err(Error::damaged(message).at(location()));
        }
        at = to;
        let array = Array::from_bytes(dtype, data.slice(from..to), &entry.shape.0, None, 0).at(location())?;
        if let (index, Some(_)) = tensors.insert_full(name, array) {
            return Err(Error::damaged("duplicate tensor name").at(tensors.get_index(index).map_or("", |(name, _)| name).escape_default()));
        }
    }
    match at == data.len() {
        true => Ok(tensors),
        false => Err(Error::damaged(format!("{} bytes belong to no tensor", data.len() - at))),
    }
}

#[derive(Deserialize)]
struct TensorEntry {
    dtype: String,
    shape: ShapeField,
    data_offsets: (usize, usize),
}

/// The entries of the header; `__metadata__`, a map of strings, is left out.
struct Header(Vec<(String, TensorEntry)>);

struct ShapeField(Vec<usize>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Header, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut entries = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    match name == "__metadata__" {
                        true => drop(map.next_value::<IgnoredAny>()?),
                        false => entries.push((name, map.next_value()?)),
                    }
                }
                Ok(Header(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

impl<'de> Deserialize<'de> for ShapeField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ShapeField, D::Error> {
        struct Axes;
        impl<'de> Visitor<'de> for Axes {
            type Value = ShapeField;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                write!(f, "at most {RANK} dimensions")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<ShapeField, A::Error> {
                let mut sizes = Vec::new();
                while let Some(length) = items.next_element()? {
                    if sizes.len() == RANK {
                        return Err(de::Error::invalid_length(RANK + 1, &self));
                    }
                    sizes.push(length);
                }
                Ok(ShapeField(sizes))
            }
        }
        deserializer.deserialize_seq(Axes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;

    fn file(header: &str, data: &[u8]) -> Bytes {
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat().into()
    }

    fn refused(header: &str, data: &[u8]) -> ErrorCode {
        read(&file(header, data)).unwrap_err().code()
    }

    #[test]
    fn tensors_come_in_the_order_of_their_bytes_and_share_them() {
        let header = r#"{"__metadata__": {"format": "pt"}, "b": {"dtype": "I16", "shape": [2], "data_offsets": [4, 8]},
            "e": {"dtype": "F32", "shape": [3, 0], "data_offsets": [8, 8]}, "a": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}}"#;
        let bytes = file(header, &[0, 0, 0xc0, 0x3f, 1, 0, 0xff, 0xff]);
        let tensors = read(&bytes).unwrap();
        assert_eq!(tensors.keys().collect::<Vec<_>>(), ["a", "b", "e"]);
        assert_eq!(tensors["a"], Array::scalar(1.5f32));
        assert_eq!(tensors["b"], Array::vector(vec![1i16, -1]));
        assert_eq!(tensors["e"].shape(), [3, 0]);
        assert!(bytes.as_ptr_range().contains(&(tensors["b"].address() as *const u8)));
    }

    #[test]
    fn every_byte_belongs_to_one_tensor() {
        let one = |from, to| format!(r#"{{"a": {{"dtype": "U8", "shape": [{}], "data_offsets": [{from}, {to}]}}}}"#, to - from);
        assert!(read(&file(&one(0, 4), &[0; 4])).is_ok());
        assert_eq!(refused(&one(0, 4), &[0; 5]), ErrorCode::Damaged);
        assert_eq!(refused(&one(1, 4), &[0; 4]), ErrorCode::Damaged);
        assert_eq!(refused(&one(0, 5), &[0; 4]), ErrorCode::Damaged);
        let two =
            r#"{"a": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}, "b": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}}"#;
        assert_eq!(refused(two, &[0; 2]), ErrorCode::Damaged);
        let same =
            r#"{"a": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}, "a": {"dtype": "U8", "shape": [2], "data_offsets": [2, 4]}}"#;
        assert_eq!(refused(same, &[0; 4]), ErrorCode::Damaged);
    }

    #[test]
    fn a_header_that_lies_is_refused() {
        let entry =
            |dtype: &str, shape: &str, to: &str| format!(r#"{{"a": {{"dtype": "{dtype}", "shape": {shape}, "data_offsets": [0, {to}]}}}}"#);
        for (header, code) in [
            (entry("F32", "[1]", "8"), ErrorCode::Damaged),
            (entry("F32", "[2]", "18446744073709551615"), ErrorCode::Damaged),
            (entry("F32", "[-2]", "8"), ErrorCode::Damaged),
            (entry("F32", "[4611686018427387904, 4]", "0"), ErrorCode::TooBig),
            (entry("F32", &format!("[{}1]", "1, ".repeat(64)), "4"), ErrorCode::Damaged),
            (entry("F6_E2M3", "[8]", "6"), ErrorCode::Unsupported),
            (entry("BOOL", "[8]", "8"), ErrorCode::Damaged),
            ("[]".into(), ErrorCode::Damaged),
            ("{".into(), ErrorCode::Damaged),
            (format!(r#"{{"__metadata__": {}"#, "[".repeat(100_000)), ErrorCode::Damaged),
        ] {
            assert_eq!(refused(&header, &[7; 8]), code, "{}", &header[..header.len().min(200)]);
        }
        assert_eq!(read(&Bytes::from_static(&[0xff; 16])).unwrap_err().code(), ErrorCode::TooBig);
        assert_eq!(read(&Bytes::from_static(&[9, 0, 0, 0, 0, 0, 0, 0, b'{'])).unwrap_err().code(), ErrorCode::Damaged);
    }
}
