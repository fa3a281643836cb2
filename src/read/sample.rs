//! Small archives made for tests, laid out as torch lays them out.

use flate2::{Compression, Crc, write::DeflateEncoder};
use std::io::Write;

/// An entry of a zip file, every field of which may be a lie.
#[derive(Clone)]
pub(super) struct Packed {
    pub name: String,
    /// The name in the local header, where it differs.
    pub local_name: Option<&'static str>,
    pub data: Vec<u8>,
    pub size: usize,
    pub crc: u32,
    pub method: u16,
    pub flags: u16,
    /// Where the directory says that the entry stands, where that is a lie.
    pub offset: Option<u32>,
    /// Whether the sizes stand in a zip64 field.
    pub wide: bool,
}

impl Packed {
    pub fn stored(name: &str, data: &[u8]) -> Packed {
        let mut crc = Crc::new();
        crc.update(data);
        Packed {
            name: name.into(),
            local_name: None,
            data: data.into(),
            size: data.len(),
            crc: crc.sum(),
            method: 0,
            flags: 0,
            offset: None,
            wide: false,
        }
    }

    pub fn deflated(name: &str, data: &[u8]) -> Packed {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(data).unwrap();
        Packed { data: encoder.finish().unwrap(), method: 8, ..Packed::stored(name, data) }
    }
}

/// A zip file as torch writes one: data at multiples of 64, sizes in the directory only, zip64 records always.
pub(super) fn pack(entries: &[Packed]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let offset = file.len() as u32;
        let name = entry.local_name.unwrap_or(&entry.name).as_bytes();
        let padding = (64 - (file.len() + 30 + name.len() + 4) % 64) % 64;
        let (flags, method) = (entry.flags | 0x808, entry.method);
        file.extend(b"PK\x03\x04\0\0");
        file.extend([flags, method, 0, 0].map(u16::to_le_bytes).concat());
        file.extend([0; 12]);
        file.extend([name.len() as u16, padding as u16 + 4].map(u16::to_le_bytes).concat());
        file.extend(name);
        file.extend([b"FB", &(padding as u16).to_le_bytes()[..]].concat());
        file.extend(vec![b'Z'; padding]);
        file.extend(&entry.data);
        file.extend(b"PK\x07\x08");
        file.extend(entry.crc.to_le_bytes());
        file.extend([entry.data.len() as u32, entry.size as u32].map(u32::to_le_bytes).concat());

        let (stored, size) =
            if entry.wide || entry.size > u32::MAX as usize { (u32::MAX, u32::MAX) } else { (entry.data.len() as u32, entry.size as u32) };
        let extra = match size {
            u32::MAX => [&[1, 0, 16, 0], &(entry.size as u64).to_le_bytes()[..], &(entry.data.len() as u64).to_le_bytes()].concat(),
            _ => vec![],
        };
        directory.extend(b"PK\x01\x02\0\0\0\0");
        directory.extend([flags, method, 0, 0].map(u16::to_le_bytes).concat());
        directory.extend([entry.crc, stored, size].map(u32::to_le_bytes).concat());
        directory.extend([entry.name.len() as u16, extra.len() as u16, 0, 0, 0].map(u16::to_le_bytes).concat());
        directory.extend([0, entry.offset.unwrap_or(offset)].map(u32::to_le_bytes).concat());
        directory.extend(entry.name.as_bytes());
        directory.extend(extra);
    }
    let (start, count, wide) = (file.len() as u64, entries.len() as u64, (file.len() + directory.len()) as u64);
    file.extend(&directory);
    file.extend(b"PK\x06\x06");
    file.extend(44u64.to_le_bytes());
    file.extend([0x1e, 3, 0x2d, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    file.extend([count, count, directory.len() as u64, start].map(u64::to_le_bytes).concat());
    file.extend(b"PK\x06\x07\0\0\0\0");
    file.extend(wide.to_le_bytes());
    file.extend(1u32.to_le_bytes());
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend([count as u16; 2].map(u16::to_le_bytes).concat());
    file.extend([directory.len() as u32, start as u32].map(u32::to_le_bytes).concat());
    file.extend([0, 0]);
    file
}

/// A pickled string.
pub(super) fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

/// A pickled integer.
pub(super) fn int(n: i64) -> Vec<u8> {
    [&[0x8a, 8], &n.to_le_bytes()[..]].concat()
}

/// A pickled tuple.
pub(super) fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
    [b"(", &items.concat()[..], b"t"].concat()
}

/// A pickled dictionary with strings as keys.
pub(super) fn dict(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let items: Vec<_> = entries.iter().map(|(key, value)| [text(key), value.clone()].concat()).collect();
    [b"}(", &items.concat()[..], b"u"].concat()
}

/// A call of a function with these arguments.
pub(super) fn call(function: &str, arguments: &[Vec<u8>]) -> Vec<u8> {
    let (module, name) = function.rsplit_once('.').unwrap();
    [format!("c{module}\n{name}\n").as_bytes(), &tuple(arguments), b"R"].concat()
}

/// A reference to a storage.
pub(super) fn storage(class: &str, key: &str, count: i64) -> Vec<u8> {
    let (module, name) = class.rsplit_once('.').unwrap();
    let class = format!("c{module}\n{name}\n").into_bytes();
    [tuple(&[text("storage"), class, text(key), text("cpu"), int(count)]), b"Q".to_vec()].concat()
}

/// A pickled tensor: a view of a storage.
pub(super) fn tensor(storage: Vec<u8>, offset: i64, shape: &[i64], strides: &[i64]) -> Vec<u8> {
    let ints = |ints: &[i64]| tuple(&ints.iter().map(|&n| int(n)).collect::<Vec<_>>());
    let hooks = call("collections.OrderedDict", &[]);
    call("torch._utils._rebuild_tensor_v2", &[storage, int(offset), ints(shape), ints(strides), vec![0x89], hooks])
}

/// A whole pickle of one value.
pub(super) fn pickled(value: &[u8]) -> Vec<u8> {
    [b"\x80\x02", value, b"."].concat()
}
