//! What reading a file takes: never more than 64 MiB and four times the file, whatever the file claims.

use crate::counting;
use ontrace::{ErrorCode, read};
use std::path::Path;

/// A stored zip file; names come with their folder.
fn zip(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in entries {
        let (offset, size) = (file.len() as u32, data.len() as u32);
        let name = [&(name.len() as u32).to_le_bytes()[..], name.as_bytes()].concat();
        file.extend([b"PK\x03\x04\0\0\0\0", &[0; 18][..], &name, data].concat());
        let sizes = [[0; 4], size.to_le_bytes(), size.to_le_bytes()].concat();
        directory
            .extend([b"PK\x01\x02\0\0\0\0\0\0\0\0\0\0\0\0", &sizes[..], &name[..4], &[0; 10], &offset.to_le_bytes(), &name[4..]].concat());
    }
    let (start, count) = (file.len() as u32, (entries.len() as u16).to_le_bytes());
    file.extend(&directory);
    let size = (directory.len() as u32).to_le_bytes();
    file.extend([b"PK\x05\x06\0\0\0\0", &count[..], &count, &size, &start.to_le_bytes(), &[0, 0]].concat());
    file
}

/// A checkpoint whose pickle is something small, many times over, between a beginning and an end.
fn pickle(begin: &[u8], fill: &[u8], end: &[u8], size: usize) -> Vec<u8> {
    let data = [begin, &fill.repeat(size / fill.len()), end, b"."].concat();
    zip(&[("m/data.pkl".into(), data), ("m/data/0".into(), vec![0; 4])])
}

/// A pickled tensor of one float, and its index in the memo.
const TENSOR: &[u8] = b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n\
    X\x01\0\0\x000X\x03\0\0\0cpuK\x01tQK\0K\x01\x85K\x01\x85\x89}tRq\0";

type Shape = fn(usize) -> Vec<u8>;

const SHAPES: &[(&str, Shape)] = &[
    ("empty lists", |size| pickle(b"(", b"]", b"t", size)),
    ("nothings", |size| pickle(b"(", b"N", b"t", size)),
    ("marks", |size| pickle(b"N", b"(", b"", size)),
    ("duplicates", |size| pickle(b"](N", b"2", b"e", size)),
    ("memo entries", |size| pickle(b"]", b"\x94", b"", size)),
    ("new memo entries", |size| pickle(b"(", b"]\x94", b"t", size)),
    ("names", |size| pickle(b"(", b"c\n\n", b"t", size)),
    ("short strings", |size| pickle(b"(", b"U\x01a", b"t", size)),
    ("one long string", |size| pickle(&[b"X", &(size as u32).to_le_bytes()[..]].concat(), b"a", b"", size)),
    ("a dictionary", |size| pickle(b"}(", b"U\x01aK\x01", b"u", size)),
    ("lists in lists", |size| pickle(b"]", b"]\x85", b"t", size)),
    ("a shared tensor", |size| pickle(&[b"(", TENSOR].concat(), b"h\0", b"t", size)),
    ("a name a tensor", |size| {
        let names: Vec<u8> = (0..size / 20).flat_map(|i| [b"X\x08\0\0\0", format!("{i:08}").as_bytes(), b"h\0"].concat()).collect();
        pickle(&[TENSOR, b"0}("].concat(), &names, b"u", names.len())
    }),
    ("a directory of small entries", |size| zip(&(0..(size / 90).min(60_000)).map(|i| (format!("m/{i}"), vec![])).collect::<Vec<_>>())),
    ("a header of small tensors", |size| {
        let entry = |i: usize| format!(r#""{i:x}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#);
        let header = format!("{{{}}}", (0..size / 54).map(entry).collect::<Vec<_>>().join(","));
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat()
    }),
    ("a header of metadata", |size| {
        let header = format!(r#"{{"__metadata__":[{}0]}}"#, "0,".repeat(size / 2));
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat()
    }),
    ("a header of axes", |size| {
        let axes = "0,".repeat(63);
        let entry = |i: usize| format!(r#""{i:x}":{{"dtype":"U8","shape":[{axes}0],"data_offsets":[0,0]}}"#);
        let header = format!("{{{}}}", (0..size / 180).map(entry).collect::<Vec<_>>().join(","));
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat()
    }),
];

/// Reads a file; says what it took and what came of it.
fn measured(path: &Path) -> (usize, Result<usize, ErrorCode>) {
    let (read, peak) = counting::peak(|| read::checkpoint(path).map(|tensors| tensors.len()).map_err(|error| error.code()));
    (peak, read)
}

#[test]
fn reading_takes_memory_in_proportion_to_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let mut read = 0;
    for (what, shape) in SHAPES {
        for size in [100_000, 4_000_000, 40_000_000] {
            let bytes = shape(size);
            let most = (64 << 20) + 4 * bytes.len();
            std::fs::write(&path, &bytes).unwrap();
            drop(bytes);
            let (peak, result) = measured(&path);
            assert!(peak <= most, "{size} bytes of {what}: {peak} bytes taken, {result:?}");
            read += usize::from(result.is_ok());
        }
    }
    assert!(read > 5, "{read}");
}

#[test]
fn weights_are_not_copied() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let header = br#"{"a":{"dtype":"F32","shape":[1000,10000],"data_offsets":[0,40000000]}}"#;
    std::fs::write(&path, [&(header.len() as u64).to_le_bytes()[..], header, &[0; 40_000_000]].concat()).unwrap();
    let (peak, result) = measured(&path);
    assert_eq!(result, Ok(1));
    assert!(peak < 100_000, "{peak}");
}
