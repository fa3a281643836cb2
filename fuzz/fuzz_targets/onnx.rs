//! ONNX models: decoding, the rules of the standard, tracing and writing.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ontrace::onnx::{Model, verify};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(model) = Model::load(Bytes::copy_from_slice(bytes), None)
        && verify(&model).into_result().is_ok()
    {
        ontrace_fuzz::convert(bytes);
    }
});
