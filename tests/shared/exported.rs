//! Models that tests leave for other runtimes to try.

use ontrace::onnx::Model;
use ontrace::{Array, DType};
use std::path::{Path, PathBuf};

/// Where a model that a test wrote is left for other runtimes to try, with its inputs and what torch computed.
pub fn path(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("models");
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(format!("{name}.onnx"))
}

/// Leaves a model with inputs and expected outputs for other runtimes.
pub fn save(model: &Model, name: &str, inputs: &[Array], expected: &[Array]) {
    let path = path(name);
    model.save(&path).unwrap();
    let named = |prefix: &'static str, arrays: &[Array]| {
        arrays.iter().enumerate().map(|(i, array)| (format!("{prefix}_{i}"), Stored(array.contiguous().unwrap()))).collect::<Vec<_>>()
    };
    let all = [named("in", inputs), named("out", expected)].concat();
    safetensors::serialize_to_file(all, None, &path.with_extension("safetensors")).unwrap();
}

/// An array as safetensors writes it.
#[derive(Clone)]
struct Stored(Array);

impl safetensors::View for Stored {
    fn dtype(&self) -> safetensors::Dtype {
        use safetensors::Dtype;
        match self.0.dtype() {
            DType::Bool => Dtype::BOOL,
            DType::U8 => Dtype::U8,
            DType::I8 => Dtype::I8,
            DType::I16 => Dtype::I16,
            DType::I32 => Dtype::I32,
            DType::I64 => Dtype::I64,
            DType::F16 => Dtype::F16,
            DType::BF16 => Dtype::BF16,
            DType::F32 => Dtype::F32,
            DType::F64 => Dtype::F64,
            other => panic!("{other} in no archive of the zoo"),
        }
    }

    fn shape(&self) -> &[usize] {
        self.0.shape()
    }

    fn data(&self) -> std::borrow::Cow<'_, [u8]> {
        self.0.to_bytes().unwrap().to_vec().into()
    }

    fn data_len(&self) -> usize {
        self.0.byte_len()
    }
}
