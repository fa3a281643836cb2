//! Mutations: of bytes, and of what is inside a file of a known format, which is then put together again with right sizes and checksums.

use crate::protobuf;
use crate::random::{INTERESTING, Random};
use serde_json::Value;

/// A mutated file, and how it was made.
pub fn file(original: &[u8], extension: &str, random: &mut Random) -> (Vec<u8>, &'static str) {
    let inside = match (random.below(4) > 0, extension) {
        (false, _) => None,
        (true, "onnx") => protobuf::mutate(original, random).map(|bytes| (bytes, "protobuf")),
        (true, "pt" | "pt2" | "pth" | "npz") => archive(original, random),
        (true, "safetensors") => safetensors(original, random).map(|bytes| (bytes, "safetensors")),
        (true, "npy") => Some((number_replaced(original, random), "npy header")),
        (true, _) => None,
    };
    inside.unwrap_or_else(|| (bytes(original, random), "bytes"))
}

/// Bits, pieces, sizes and ends of bytes changed.
pub fn bytes(original: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for _ in 0..=random.below(3) {
        let length = bytes.len();
        if length < 8 {
            bytes.push(random.next() as u8);
            continue;
        }
        match random.below(6) {
            0 | 1 => {
                let at = random.below(length);
                bytes[at] ^= 1 << random.below(8);
            }
            2 => {
                let count = 1 + random.below(64.min(length / 2));
                let (from, to) = (random.below(length - count), random.below(length - count));
                bytes.copy_within(from..from + count, to);
            }
            3 => bytes.truncate(random.below(length)),
            4 => {
                let at = random.below(length - 7);
                bytes[at..at + 8].copy_from_slice(&random.of(INTERESTING).to_le_bytes());
            }
            _ => {
                let at = random.below(length);
                bytes.insert(at, random.next() as u8);
            }
        }
    }
    bytes
}

/// A number of a text replaced.
fn number_replaced(original: &[u8], random: &mut Random) -> Vec<u8> {
    let starts: Vec<usize> = (0..original.len().min(1 << 20))
        .filter(|&i| original[i].is_ascii_digit() && (i == 0 || !original[i - 1].is_ascii_digit()))
        .collect();
    if starts.is_empty() {
        return bytes(original, random);
    }
    let start = *random.of(&starts);
    let end = start + original[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    [&original[..start], random.of(INTERESTING).to_string().as_bytes(), &original[end..]].concat()
}

/// TorchScript source: a number, an operator, a name or a line replaced, lines repeated or taken away, parentheses nested.
fn source(original: &[u8], random: &mut Random) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(original) else { return bytes(original, random) };
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    if lines.is_empty() {
        return bytes(original, random);
    }
    let at = random.below(lines.len());
    match random.below(7) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(at, lines[at].clone()),
        2 => {
            let other = random.below(lines.len());
            lines.swap(at, other);
        }
        3 => {
            // Words of the file instead of others.
            let words: Vec<&str> =
                text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).filter(|word| !word.is_empty()).collect();
            let (Some(word), Some(line)) = (words.get(random.below(words.len())), lines.get_mut(at)) else { return original.to_vec() };
            let there: Vec<String> = line
                .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'))
                .filter(|word| !word.is_empty())
                .map(str::to_string)
                .collect();
            if !there.is_empty() {
                *line = line.replacen(random.of(&there).as_str(), word, 1);
            }
        }
        4 => {
            let nested = format!("{}1{}", "(".repeat(1 + random.below(5000)), ")".repeat(1 + random.below(5000)));
            lines[at] = lines[at].replacen('1', &nested, 1);
        }
        5 => return number_replaced(original, random),
        _ => return bytes(original, random),
    }
    lines.join("\n").into_bytes()
}

/// JSON with a value replaced, taken away or repeated.
fn json(original: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(original).ok()?;
    for _ in 0..=random.below(3) {
        change(&mut value, random);
    }
    serde_json::to_vec(&value).ok()
}

fn change(value: &mut Value, random: &mut Random) {
    let goes_on = random.below(10) > 0;
    match value {
        Value::Array(items) if !items.is_empty() && goes_on => {
            let at = random.below(items.len());
            match random.below(12) {
                0 => drop(items.remove(at)),
                1 => items.push(items[at].clone()),
                _ => change(&mut items[at], random),
            }
        }
        Value::Object(map) if !map.is_empty() && goes_on => {
            let keys: Vec<String> = map.keys().cloned().collect();
            let key = random.of(&keys);
            match random.below(12) {
                0 => drop(map.remove(key)),
                1 => drop(map.insert(random.of(&keys).clone(), map[key].clone())),
                _ => change(map.get_mut(key).expect("a key of the map"), random),
            }
        }
        other => {
            *other = match random.below(5) {
                0 => Value::Null,
                1 => Value::from(*random.of(INTERESTING)),
                2 => Value::from("as_int"),
                3 => Value::Array(vec![other.clone(); random.below(4)]),
                _ => Value::from(*random.of(INTERESTING) as f64 * 0.5),
            };
        }
    }
}

fn safetensors(original: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let length = usize::try_from(u64::from_le_bytes(original.get(..8)?.try_into().ok()?)).ok()?;
    let header = original.get(8..8usize.checked_add(length)?)?;
    let header = if random.below(2) == 0 { json(header, random)? } else { number_replaced(header, random) };
    Some([&(header.len() as u64).to_le_bytes(), &header[..], &original[8 + length..]].concat())
}

/// Pickle: an opcode, an argument or a text replaced.
fn pickle(original: &[u8], random: &mut Random) -> Vec<u8> {
    const OPCODES: &[u8] = b"(.0122FIJKLMNPQRSTUVXabcdeghijlmnopqrstu}])\x80\x81\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x90\x91\x93\x94\x95";
    let mut bytes = original.to_vec();
    if bytes.is_empty() {
        return bytes;
    }
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        match random.below(4) {
            0 => bytes[at] = *random.of(OPCODES),
            1 => bytes.insert(at, *random.of(OPCODES)),
            2 => {
                let from = random.below(bytes.len());
                let end = (from + 1 + random.below(40)).min(bytes.len());
                let piece = bytes[from..end].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => bytes[at] = random.next() as u8,
        }
    }
    bytes
}

/// An archive with an entry changed, and its checksums right; or with an entry missing, there twice, or under another name.
fn archive(original: &[u8], random: &mut Random) -> Option<(Vec<u8>, &'static str)> {
    let mut entries = zip::entries(original)?;
    if entries.is_empty() {
        return None;
    }
    // Code and structure are mutated more often than weights.
    let small: Vec<usize> = (0..entries.len()).filter(|&i| !entries[i].0.contains("/data/")).collect();
    let at = if small.is_empty() || random.below(5) == 0 { random.below(entries.len()) } else { *random.of(&small) };
    let (name, content) = entries[at].clone();
    let how = match name.rsplit_once('.').map_or("", |parts| parts.1) {
        _ if random.below(12) == 0 => {
            match random.below(3) {
                0 => drop(entries.remove(at)),
                1 => entries.push((name, content)),
                _ => {
                    let other = entries[random.below(entries.len())].0.clone();
                    entries[at].0 = other;
                }
            }
            return Some((zip::write(&entries), "zip directory"));
        }
        "py" => (source(&content, random), "TorchScript source"),
        "json" => (json(&content, random).unwrap_or_else(|| bytes(&content, random)), "JSON"),
        "pkl" => (pickle(&content, random), "pickle"),
        "npy" => (number_replaced(&content, random), "npy header"),
        _ => (bytes(&content, random), "zip entry"),
    };
    entries[at].1 = how.0;
    Some((zip::write(&entries), how.1))
}

/// Zip archives: entries are read stored or compressed, and written stored.
mod zip {
    use std::io::Read;

    fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
        Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?).into())
    }

    fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
        Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize)
    }

    /// The entries by the directory at the end; `None` where one cannot be read.
    pub fn entries(bytes: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
        let end = (0..=bytes.len().checked_sub(22)?).rev().find(|&at| bytes[at..].starts_with(b"PK\x05\x06"))?;
        let (count, mut at) = (u16_at(bytes, end + 10)?, u32_at(bytes, end + 16)?);
        let mut entries = Vec::new();
        for _ in 0..count {
            let (method, size, name_length) = (u16_at(bytes, at + 10)?, u32_at(bytes, at + 20)?, u16_at(bytes, at + 28)?);
            let (extra, comment, local) = (u16_at(bytes, at + 30)?, u16_at(bytes, at + 32)?, u32_at(bytes, at + 42)?);
            let name = String::from_utf8(bytes.get(at + 46..at + 46 + name_length)?.to_vec()).ok()?;
            let start = local + 30 + u16_at(bytes, local + 26)? + u16_at(bytes, local + 28)?;
            let content = bytes.get(start..start.checked_add(size)?)?;
            let content = match method {
                0 => content.to_vec(),
                8 => inflated(content)?,
                _ => return None,
            };
            entries.push((name, content));
            at += 46 + name_length + extra + comment;
        }
        Some(entries)
    }

    pub fn write(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
        let (mut file, mut directory) = (Vec::new(), Vec::new());
        for (name, content) in entries {
            let offset = file.len() as u32;
            // torch aligns what is in an entry to 64 bytes, by an extra field.
            let padding = (64 - (file.len() + 30 + name.len() + 4) % 64) % 64;
            let mut common = [20u16, 0, 0, 0, 0x21].map(u16::to_le_bytes).concat();
            common.extend([checksum(content), content.len() as u32, content.len() as u32].map(u32::to_le_bytes).concat());
            common.extend((name.len() as u16).to_le_bytes());
            file.extend(b"PK\x03\x04");
            file.extend(&common);
            file.extend(((padding + 4) as u16).to_le_bytes());
            file.extend(name.as_bytes());
            file.extend(b"FB");
            file.extend((padding as u16).to_le_bytes());
            file.extend(vec![b'Z'; padding]);
            file.extend(content);
            directory.extend(b"PK\x01\x02\x14\0");
            directory.extend(&common);
            directory.extend([0u8; 12]);
            directory.extend(offset.to_le_bytes());
            directory.extend(name.as_bytes());
        }
        let (start, size, count) = (file.len() as u32, directory.len() as u32, entries.len() as u16);
        file.extend(directory);
        file.extend(b"PK\x05\x06\0\0\0\0");
        file.extend([count, count].map(u16::to_le_bytes).concat());
        file.extend([size, start].map(u32::to_le_bytes).concat());
        file.extend([0, 0]);
        file
    }

    /// What a compressed entry holds.
    fn inflated(bytes: &[u8]) -> Option<Vec<u8>> {
        let mut content = Vec::new();
        flate2::read::DeflateDecoder::new(bytes).read_to_end(&mut content).ok()?;
        Some(content)
    }

    /// CRC-32 as zip has it.
    fn checksum(bytes: &[u8]) -> u32 {
        let mut sum = flate2::Crc::new();
        sum.update(bytes);
        sum.sum()
    }
}
