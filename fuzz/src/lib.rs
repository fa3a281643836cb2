//! What the fuzz targets share: a file is either refused with an error, or everything that is made of it is valid.

use bytes::Bytes;
use ontrace::onnx::{Model, verify};
use ontrace::{read, record};
use std::io::Write;

/// Reads a file with these bytes as a model, traces it with its own inputs, and writes it.
///
/// # Panics
/// Where the written model is not valid: that is what a fuzzer looks for.
pub fn convert(bytes: &[u8]) {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("room for a temporary file");
    let Ok(model) = read::open(file.path()) else { return };
    let example = model.example().cloned().unwrap_or_default().shapes_only();
    let Ok(written) = record(&model, example).and_then(|traced| traced.to_bytes()) else { return };
    let written = Model::load(Bytes::from(written), None).expect("a written model is read");
    verify(&written).into_result().expect("a written model is valid");
}
