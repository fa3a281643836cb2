//! Files that people give as models and that are none: what each is, told by its contents, and what to do.

use crate::error::{Error, ErrorCode};
use std::path::Path;

/// What a file is, and what to do with it.
type Described = (String, &'static str);

const DOWNLOAD: &str = "download the file itself: on GitHub its raw form, on Hugging Face …/resolve/main/FILE";
const UNPACK: &str = "unpack it, and give the model that is in it";
const SOURCE_MODEL: &str =
    "convert the PyTorch model that it was made from: torch.export.save(torch.export.export(model, inputs), \"m.pt2\")";
const TENSORFLOW: &str =
    "export it as ONNX in Python: tf2onnx (python -m tf2onnx.convert), or keras: model.export(\"m.onnx\", format=\"onnx\")";
const KERAS: &str = "export it as ONNX in Python: keras.models.load_model(path).export(\"m.onnx\", format=\"onnx\"); of weights alone, build the model first";
const AGAIN: &str = "load it in Python, torch.load(path, weights_only=False), and save it again: torch.save for weights, torch.jit.trace(model, x).save for a model";

/// Files that begin with these bytes at this offset.
const SIGNATURES: &[(usize, &[u8], &str, &str)] = &[
    (
        0,
        b"version https://git-lfs",
        "a Git LFS pointer: the model itself was not downloaded",
        "run git lfs pull, or download the file itself",
    ),
    (0, b"GGUF", "a GGUF file (llama.cpp): weights of a language model without a graph", SOURCE_MODEL),
    (0, b"lmgg", "a GGML file (llama.cpp): weights without a graph", SOURCE_MODEL),
    (0, b"tjgg", "a GGML file (llama.cpp): weights without a graph", SOURCE_MODEL),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras saves models (.h5)", KERAS),
    (4, b"TFL3", "a TensorFlow Lite model", TENSORFLOW),
    (4, b"ORTM", "a model in ONNX Runtime's own format (.ort)", "give the .onnx file that it was made from"),
    (4, b"ET12", "an ExecuTorch program (.pte)", SOURCE_MODEL),
    (0, b"\x93NUMPY", "a NumPy array, no model", "give it as an input of one: -i x=@FILE"),
    (257, b"ustar", "a tar archive; if torch wrote it, a checkpoint of before torch 0.2", AGAIN),
    (0, b"\x1f\x8b", "a gzip file", UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard file", UNPACK),
    (0, b"\xfd7zXZ\0", "an xz file", UNPACK),
    (0, b"BZh", "a bzip2 file", UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK),
    (0, b"Rar!", "a RAR archive", UNPACK),
    (0, b"\x89PNG", "an image (PNG), no model", "give the model, and the image's values as an input: -i x=@x.npy"),
    (0, b"\xff\xd8\xff", "an image (JPEG), no model", "give the model, and the image's values as an input: -i x=@x.npy"),
    (0, b"%PDF", "a PDF document, no model", DOWNLOAD),
    (0, b"\x7fELF", "a compiled program or library", SOURCE_MODEL),
    (0, b"MZ", "a compiled program or library", SOURCE_MODEL),
];

/// The error of a file that is no model.
pub(super) fn refused(bytes: &[u8]) -> Error {
    let (what, help) = described(bytes).unwrap_or_else(|| {
        let what = "neither a torch archive nor an ONNX model";
        (what.to_string(), "give a .pt, .pt2, .onnx, .pth or .safetensors file")
    });
    Error::new(ErrorCode::NotAModel, what).help(help)
}

fn described(bytes: &[u8]) -> Option<Described> {
    if bytes.is_empty() {
        return Some(("the file is empty".to_string(), "download or save it again"));
    }
    let begins = |at: usize, signature: &[u8]| bytes.get(at..at + signature.len()) == Some(signature);
    if let Some((_, _, what, help)) = SIGNATURES.iter().find(|(at, signature, ..)| begins(*at, signature)) {
        return Some(((*what).to_string(), *help));
    }
    if matches!(bytes, [0x80, 2..=5, .., b'.']) {
        return Some(("a Python pickle: objects without the program that computes with them".to_string(), AGAIN));
    }
    if let Some(what) = tensorflow(bytes) {
        return Some((what.to_string(), TENSORFLOW));
    }
    text(bytes)
}

/// A SavedModel or a frozen graph of TensorFlow: messages of protobuf, as an ONNX model is.
fn tensorflow(bytes: &[u8]) -> Option<&'static str> {
    let part = |bytes: &[u8], tag: u8| -> Option<Vec<u8>> {
        let mut at = 1;
        let length = usize::try_from(varint(bytes, &mut at)?).ok()?;
        (bytes.first() == Some(&tag)).then(|| bytes.get(at..at.checked_add(length)?).map(<[u8]>::to_vec)).flatten()
    };
    // saved_model_schema_version = 1, and a meta graph.
    if bytes.starts_with(&[0x08, 0x01, 0x12]) && part(&bytes[2..], 0x12).is_some_and(|graph| matches!(graph.first(), Some(0x0a | 0x12))) {
        return Some("a TensorFlow SavedModel (saved_model.pb)");
    }
    // A node: its name, then its operator.
    let node = part(bytes, 0x0a)?;
    let name = part(&node, 0x0a)?;
    let operator = part(node.get(2 + name.len()..)?, 0x12)?;
    let is_word = |text: &[u8]| !text.is_empty() && text.iter().all(|c| c.is_ascii_graphic());
    (is_word(&name) && is_word(&operator) && operator[0].is_ascii_uppercase()).then_some("a frozen graph of TensorFlow (.pb)")
}

/// A number as protobuf writes it, and the position behind it.
pub(super) fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
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

/// A text: a web page, an answer of a server, a configuration.
fn text(bytes: &[u8]) -> Option<Described> {
    const SHOWN: usize = 40;
    let head = &bytes[..bytes.len().min(512)];
    let head = match std::str::from_utf8(head) {
        Ok(text) => text,
        // A character may be cut.
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&head[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let head = head.trim_start_matches('\u{feff}').trim_start();
    if head.is_empty() || head.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return None;
    }
    let lower = head.to_lowercase();
    if ["<!doctype html", "<html", "<head", "<body"].iter().any(|tag| lower.starts_with(tag)) || lower.contains("<html") {
        return Some(("an HTML page: a web site's answer was saved in place of the model".to_string(), DOWNLOAD));
    }
    if lower.starts_with("<?xml") && lower.contains("<net ") {
        return Some(("a model of OpenVINO (.xml)".to_string(), "give the .onnx file or the PyTorch model that it was made from"));
    }
    let line: String = head.lines().next().unwrap_or_default().chars().take(SHOWN).collect();
    let what = match head.chars().next() {
        Some('{' | '[') => "a JSON text: a configuration, an index of weights or an answer of a server",
        _ => "a text file",
    };
    Some((format!("{what}; it begins with {line:?}"), "give the model itself: .pt, .pt2 or .onnx"))
}

/// What a zip archive is that torch did not write, by the names in it.
pub(super) fn archive(names: &[&str]) -> Error {
    let ends = |end: &str| names.iter().find(|name| name.ends_with(end));
    let (what, help) = if ends("model.weights.h5").is_some() {
        ("a Keras model (.keras)".to_string(), KERAS)
    } else if ends("saved_model.pb").is_some() {
        ("a zip archive with a TensorFlow SavedModel".to_string(), TENSORFLOW)
    } else if let Some(inner) = ends(".onnx").or_else(|| ends(".pt")).or_else(|| ends(".pt2")).or_else(|| ends(".safetensors")) {
        (format!("a zip archive with {} in it", inner.escape_default()), UNPACK)
    } else if !names.is_empty() && names.iter().all(|name| name.ends_with(".npy")) {
        ("a NumPy archive of arrays (.npz), no model".to_string(), "give it as the inputs of one: -i @FILE")
    } else {
        ("a zip archive not written by torch".to_string(), "give a .pt, .pt2, .onnx, .pth or .safetensors file")
    };
    Error::new(ErrorCode::NotAModel, what).help(help)
}

/// What a folder is that was given as a model.
pub(super) fn folder(path: &Path) -> Error {
    let has = |name: &str| path.join(name).exists();
    let (what, help) = if has("saved_model.pb") || has("keras_metadata.pb") {
        ("a folder: a TensorFlow SavedModel", TENSORFLOW.to_string())
    } else if has("config.json") && (has("model.safetensors") || has("pytorch_model.bin") || has("model.safetensors.index.json")) {
        ("a folder of Hugging Face transformers: a configuration and weights", SOURCE_MODEL.to_string())
    } else if has("Manifest.json") {
        ("a folder: a Core ML package (.mlpackage)", SOURCE_MODEL.to_string())
    } else {
        let mut models: Vec<String> = std::fs::read_dir(path)
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| [".onnx", ".pt", ".pt2"].iter().any(|end| name.ends_with(end)))
            .collect();
        models.sort();
        let help = match models.first() {
            Some(model) => format!("give a file in it: {}", path.join(model).display()),
            None => "give a .pt, .pt2 or .onnx file".to_string(),
        };
        ("a folder, expected a file", help)
    };
    Error::read(what).help(help).at(path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_and_folders_are_named_by_what_is_in_them() {
        for (names, what) in [
            (&["config.json", "metadata.json", "model.weights.h5"][..], "Keras"),
            (&["x.npy", "y.npy"], "NumPy archive"),
            (&["models/net.onnx", "README"], "models/net.onnx"),
            (&["m/saved_model.pb"], "SavedModel"),
            (&["word/document.xml"], "not written by torch"),
        ] {
            let error = archive(names);
            assert!(error.message().contains(what) && error.help_line().is_some(), "{what}: {error:?}");
        }
        let home = tempfile::tempdir().unwrap();
        assert!(folder(home.path()).message().contains("a folder, expected a file"));
        std::fs::write(home.path().join("net.onnx"), b"").unwrap();
        assert!(folder(home.path()).help_line().unwrap().ends_with("net.onnx"));
        std::fs::write(home.path().join("saved_model.pb"), b"").unwrap();
        assert!(folder(home.path()).message().contains("SavedModel"));
    }
}
