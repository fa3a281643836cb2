//! What kind of file it is: told by what is in it, never by its name.

use super::other_files::{self, varint};
use super::{legacy, safetensors, zip::Archive};
use crate::array::map_file;
use crate::error::{Error, Result, ResultExt};
use bytes::Bytes;
use std::path::Path;

/// What kind of file it is, by its contents and not by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// `torch.jit.save`: modules with code.
    TorchScript,
    /// `torch.export.save`: a graph as JSON.
    ExportedProgram,
    /// `torch.save`: tensors without a program.
    Checkpoint,
    /// safetensors: tensors without a program.
    Safetensors,
    /// An ONNX model.
    Onnx,
}

impl Format {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Format::TorchScript => "TorchScript",
            Format::ExportedProgram => "torch.export",
            Format::Checkpoint => "PyTorch checkpoint",
            Format::Safetensors => "safetensors",
            Format::Onnx => "ONNX",
        }
    }

    /// Recognises a file.
    ///
    /// # Errors
    /// [`NotAModel`](crate::ErrorCode::NotAModel) where it is none of these, with what it is instead; [`Unsupported`](crate::ErrorCode::Unsupported) for TorchScript of torch 1.0 to 1.2; as the zip directory is refused, where it is a zip file.
    pub fn of(bytes: &Bytes) -> Result<Format> {
        if bytes.starts_with(b"PK\x03\x04") {
            return of_archive(&Archive::open(bytes.clone())?);
        }
        // Before pickles and ONNX: the length of a header may begin with any byte.
        if safetensors::begins(bytes) {
            return Ok(Format::Safetensors);
        }
        if bytes.starts_with(legacy::MAGIC) {
            return Ok(Format::Checkpoint);
        }
        if is_onnx(bytes) {
            return Ok(Format::Onnx);
        }
        Err(other_files::refused(bytes))
    }

    /// Recognises the file at this path.
    ///
    /// # Errors
    /// As [`Format::of`]; [`Read`](crate::ErrorCode::Read), with what a folder is.
    pub fn of_file(path: impl AsRef<Path>) -> Result<Format> {
        let path = path.as_ref();
        Format::of(&mapped(path)?).at(path.display())
    }
}

/// The contents of a file; what a folder is, where it is one.
pub(super) fn mapped(path: &Path) -> Result<Bytes> {
    if path.is_dir() { Err(other_files::folder(path)) } else { map_file(path) }
}

fn of_archive(archive: &Archive) -> Result<Format> {
    let has_below = |folder: &str| archive.names().any(|name| name.starts_with(folder));
    // Archives of torch.export carry a checkpoint inside, and their flat ancestors a state dict.
    if archive.has("archive_format") || archive.has("serialized_exported_program.json") || has_below("models/") {
        return Ok(Format::ExportedProgram);
    }
    if archive.has("model.json") && !archive.has("data.pkl") {
        let help = "torch still reads it: torch.jit.save(torch.jit.load(path), \"new.pt\")";
        return Err(Error::unsupported("a TorchScript archive of torch 1.0 to 1.2, which has a model.json").help(help));
    }
    if archive.has("constants.pkl") || has_below("code/") {
        return Ok(Format::TorchScript);
    }
    if archive.has("data.pkl") {
        return Ok(Format::Checkpoint);
    }
    Err(other_files::archive(&archive.names().collect::<Vec<_>>()))
}

/// Whether the bytes are fields of a `ModelProto`, a graph among them. A graph that is cut off counts: its reader can
/// say more about it.
fn is_onnx(bytes: &[u8]) -> bool {
    let (mut at, mut graph) = (0, false);
    while at < bytes.len() {
        let Some((tag, value)) = varint(bytes, &mut at).zip(varint(bytes, &mut at)) else { return graph };
        let skip = match tag {
            // ir_version and model_version are values.
            0x08 | 0x28 => 0,
            // producer, its version, domain, doc_string, graph, opset_import, metadata_props, training_info, functions, configuration.
            0x12 | 0x1a | 0x22 | 0x32 | 0x3a | 0x42 | 0x72 | 0xa2 | 0xca | 0xd2 => value,
            _ => return graph,
        };
        graph |= tag == 0x3a;
        match usize::try_from(skip).ok().and_then(|skip| at.checked_add(skip)) {
            Some(next) => at = next,
            None => return graph,
        }
    }
    graph
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Packed, pack, pickled};
    use super::*;
    use crate::ErrorCode;

    #[test]
    fn older_files_of_torch_are_named_with_what_to_do() {
        let mut tar = vec![0; 1024];
        tar[..10].copy_from_slice(b"./storages");
        tar[257..262].copy_from_slice(b"ustar");
        let json = pack(&[Packed::stored("m/model.json", b"{}"), Packed::stored("m/code/m.py", b""), Packed::stored("m/version", b"1")]);
        let cases = [
            (tar, ErrorCode::NotAModel, "tar archive"),
            (pickled(b"c__main__\nNet\n)\x81}b"), ErrorCode::NotAModel, "Python pickle"),
            (json, ErrorCode::Unsupported, "torch 1.0 to 1.2"),
        ];
        for (bytes, code, what) in cases {
            let error = Format::of(&bytes.into()).unwrap_err();
            assert_eq!(error.code(), code, "{error}");
            assert!(error.message().contains(what) && error.help_line().is_some(), "{error}");
        }
    }

    /// A field of a protobuf message.
    fn field(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(content.len()).unwrap()][..], content].concat()
    }

    #[test]
    fn what_is_no_model_is_named_with_what_to_do() {
        let node = [field(0x0a, b"input"), field(0x12, b"Placeholder")].concat();
        let saved = [&[0x08, 0x01][..], &field(0x12, &field(0x0a, b"meta"))].concat();
        let cases: Vec<(Vec<u8>, &str)> = vec![
            (Vec::new(), "empty"),
            (b"<!DOCTYPE html>\n<html lang=\"en\">".to_vec(), "HTML page"),
            ("\u{feff}  <HTML><body>".as_bytes().to_vec(), "HTML page"),
            (b"<!-- saved -->\n<html>".to_vec(), "HTML page"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 46830571\n".to_vec(), "Git LFS pointer"),
            (b"GGUF\x03\0\0\0".to_vec(), "GGUF"),
            (b"\x89HDF\r\n\x1a\n\0\0".to_vec(), "HDF5"),
            (b"\x1c\0\0\0TFL3\0\0".to_vec(), "TensorFlow Lite"),
            (b"\x1c\0\0\0ORTM\0\0".to_vec(), "ONNX Runtime"),
            (saved, "SavedModel"),
            (field(0x0a, &node), "frozen graph of TensorFlow"),
            (b"\x93NUMPY\x01\0".to_vec(), "NumPy array"),
            (b"\x1f\x8b\x08\0".to_vec(), "gzip"),
            (b"\x89PNG\r\n\x1a\n".to_vec(), "image"),
            (b"%PDF-1.7".to_vec(), "PDF"),
            (b"\x7fELF\x02\x01".to_vec(), "compiled"),
            (b"Entry not found".to_vec(), "a text file; it begins with \"Entry not found\""),
            (b"{\"error\": \"not found\"}".to_vec(), "JSON"),
            (b"<?xml version=\"1.0\"?>\n<net name=\"m\" version=\"11\">".to_vec(), "OpenVINO"),
            (vec![0xff; 40], "neither"),
        ];
        for (bytes, what) in cases {
            let error = Format::of(&bytes.into()).unwrap_err();
            assert_eq!(error.code(), ErrorCode::NotAModel, "{error}");
            assert!(error.message().contains(what) && error.help_line().is_some(), "{what}: {error:?}");
        }
    }
}
