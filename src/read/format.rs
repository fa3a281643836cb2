//! What kind of file it is: told by what is in it, never by its name.

use super::{legacy, safetensors, zip::Archive};
use crate::error::{Error, ErrorCode, Result};
use bytes::Bytes;

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
    /// [`NotAModel`](ErrorCode::NotAModel) where it is none of these; [`Unsupported`](ErrorCode::Unsupported) for TorchScript of torch 1.0 to 1.2; as the zip directory is refused, where it is a zip file.
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
        if let Some(error) = other_file_of_torch(bytes) {
            return Err(error);
        }
        let error = Error::new(
            ErrorCode::NotAModel,
            if bytes.is_empty() { "the file is empty" } else { "neither a torch archive nor an ONNX model" },
        );
        Err(error.help("give a .pt, .onnx, .pth or .safetensors file"))
    }
}

/// What torch or Python wrote, and what is no format of today's: old checkpoints, and pickles.
fn other_file_of_torch(bytes: &[u8]) -> Option<Error> {
    let again = "load it in Python, torch.load(path, weights_only=False), and save it again: torch.save for weights, torch.jit.trace(model, x).save for a model";
    let what = if bytes.get(257..262) == Some(b"ustar") {
        "a tar archive; if torch wrote it, a checkpoint of before torch 0.2"
    } else if matches!(bytes, [0x80, 2..=5, .., b'.']) {
        "a Python pickle: objects without the program that computes with them"
    } else {
        return None;
    };
    Some(Error::new(ErrorCode::NotAModel, what).help(again))
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
    Err(Error::new(ErrorCode::NotAModel, "a zip archive not written by torch"))
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

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0;
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

#[cfg(test)]
mod tests {
    use super::super::sample::{Packed, pack, pickled};
    use super::*;

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
}
