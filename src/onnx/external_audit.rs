//! What no schema says of external data: links to files that other paths name too, and checksums.

use super::decode_budget;
use super::external::Location;
use super::model::each_tensor;
use super::names::printable;
use super::proto::ModelProto;
use super::tensor::is_external;
use crate::array::map_file;
use crate::error::{Error, ErrorCode, Result, ResultExt};
use prost::Message;
use std::collections::BTreeMap;
use std::path::Path;

/// The deviations of a model's data files from what a strict reader accepts: a file that has other names outside the model's sight (hard links), a checksum that is
/// not that of the file, or is none. Each file is read once where a tensor states its checksum.
///
/// The model must load: [`Model::open`](super::Model::open) refuses paths that leave the folder.
///
/// # Errors
/// [`Read`](ErrorCode::Read) where the model or a data file cannot be read; [`Damaged`](ErrorCode::Damaged) where it is no model.
pub fn audit_external_data(path: &Path) -> Result<Vec<Error>> {
    let bytes = map_file(path)?;
    decode_budget::scan(&bytes).at(path.display())?;
    let mut proto = ModelProto::decode(bytes).map_err(|error| Error::damaged(error.to_string()).with_source(error)).at(path.display())?;
    // The file and the first checksum that is stated for it, with the tensor.
    let mut files: BTreeMap<String, Option<(String, String)>> = BTreeMap::new();
    each_tensor(&mut proto, &mut |tensor| {
        if is_external(tensor) {
            let checksum =
                tensor.external_data.iter().find(|entry| entry.key == "checksum").map(|entry| (entry.value.clone(), tensor.name.clone()));
            let file = files.entry(Location::read(&tensor.external_data)?.path).or_default();
            *file = file.take().or(checksum);
        }
        Ok(())
    })?;
    let mut findings = Vec::new();
    let folder = path.parent().unwrap_or(Path::new(""));
    for (location, checksum) in files {
        let file = folder.join(&location);
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let links = std::fs::metadata(&file).map_or(1, |metadata| metadata.nlink());
            if links > 1 {
                let error = Error::new(
                    ErrorCode::Escapes,
                    format!("external data: the file has {links} names (hard links), so that it may be one from outside the folder"),
                );
                findings.push(error.help("copy the file").at(printable(&location)));
            }
        }
        if let Some((stated, tensor)) = checksum {
            let found = sha1(&map_file(&file)?);
            if !found.eq_ignore_ascii_case(stated.trim()) {
                let message =
                    format!("external data: the SHA-1 of the file is {found}, tensor {} states {}", printable(&tensor), printable(&stated));
                findings.push(Error::damaged(message).at(printable(&location)));
            }
        }
    }
    Ok(findings)
}

/// SHA-1 in hexadecimal, which ONNX asks for (FIPS 180-4). It keeps nobody from making another file of one sum; it finds accidents.
fn sha1(bytes: &[u8]) -> String {
    let mut state = [0x6745_2301u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let mut chunks = bytes.chunks_exact(64);
    chunks.by_ref().for_each(|block| sha1_block(&mut state, block));
    let mut last = chunks.remainder().to_vec();
    last.push(0x80);
    while last.len() % 64 != 56 {
        last.push(0);
    }
    last.extend((bytes.len() as u64 * 8).to_be_bytes());
    last.chunks_exact(64).for_each(|block| sha1_block(&mut state, block));
    state.iter().map(|word| format!("{word:08x}")).collect()
}

fn sha1_block(state: &mut [u32; 5], block: &[u8]) {
    let mut words = [0u32; 80];
    for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
        *word = bytes.iter().fold(0, |word, &byte| word << 8 | u32::from(byte));
    }
    for i in 16..80 {
        words[i] = (words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16]).rotate_left(1);
    }
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for (i, word) in words.iter().enumerate() {
        let (f, k) = match i / 20 {
            0 => (b & c | !b & d, 0x5a82_7999),
            1 => (b ^ c ^ d, 0x6ed9_eba1),
            2 => (b & c | b & d | c & d, 0x8f1b_bcdc),
            _ => (b ^ c ^ d, 0xca62_c1d6u32),
        };
        let next = a.rotate_left(5).wrapping_add(f).wrapping_add(e).wrapping_add(k).wrapping_add(*word);
        (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
    }
    for (sum, value) in state.iter_mut().zip([a, b, c, d, e]) {
        *sum = sum.wrapping_add(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::{GraphProto, StringStringEntryProto, TensorProto};
    use std::fs;

    #[test]
    fn sha1_has_the_values_of_the_standard() {
        // FIPS 180-4's examples, and the empty text.
        assert_eq!(sha1(b"abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(sha1(b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
        assert_eq!(sha1(b""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(sha1(&[b'a'; 1_000_000]), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    }

    #[test]
    fn wrong_checksums_and_hard_links_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.onnx");
        fs::write(folder.path().join("w"), b"abc").unwrap();
        let save = |checksum: &str| {
            let entry = |(key, value): (&str, &str)| StringStringEntryProto { key: key.into(), value: value.into() };
            let external_data = [("location", "./w"), ("length", "3"), ("checksum", checksum)].map(entry).to_vec();
            let tensor =
                TensorProto { name: "t".into(), dims: vec![3], data_type: 2, data_location: 1, external_data, ..Default::default() };
            let graph = GraphProto { initializer: vec![tensor], ..Default::default() };
            fs::write(&path, ModelProto { graph: Some(graph), ..Default::default() }.encode_to_vec()).unwrap();
            audit_external_data(&path).unwrap()
        };
        assert!(save("A9993E364706816ABA3E25717850C26C9CD0D89D").is_empty());
        let findings = save("a9993e364706816aba3e25717850c26c9cd0d89e");
        assert!(findings.len() == 1 && findings[0].to_string().contains("tensor t states a999"), "{findings:?}");
        fs::hard_link(folder.path().join("w"), folder.path().join("other")).unwrap();
        let findings = save("a9993e364706816aba3e25717850c26c9cd0d89d");
        assert!(!cfg!(unix) || findings[0].code() == ErrorCode::Escapes, "{findings:?}");
    }
}
