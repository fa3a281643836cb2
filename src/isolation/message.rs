//! What a program and its worker say to each other over the worker's pipes: a kind, a length, and as many bytes.

use crate::array::Array;
use crate::error::{Error, ErrorCode, Result};
use crate::onnx::proto::{GraphProto, ModelProto};
use crate::onnx::{decode_budget, tensor};
use bytes::Bytes;
use prost::Message as _;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};

/// One message, in either direction.
#[derive(Debug)]
pub(super) enum PipeMessage {
    /// The model to load, as JSON.
    Load(LoadRequest),
    /// The model was loaded: the names of its inputs and outputs.
    Loaded(LoadedNames),
    /// The inputs of a call, or its outputs.
    Arrays(Vec<Array>),
    Failed(Error),
}

/// What a worker is asked to load.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LoadRequest {
    pub path: std::path::PathBuf,
    pub memory: Option<u64>,
    pub cpu: Option<u64>,
    pub threads: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LoadedNames {
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
}

/// An error as its parts.
#[derive(Serialize, Deserialize)]
struct ErrorParts {
    code: String,
    message: String,
    /// Outermost first.
    locations: Vec<String>,
    help: Option<String>,
}

impl ErrorParts {
    fn of(error: &Error) -> ErrorParts {
        ErrorParts {
            code: error.code().id().to_string(),
            message: error.message().to_string(),
            locations: error.locations().map(str::to_string).collect(),
            help: error.help_line().map(str::to_string),
        }
    }

    fn error(self) -> Error {
        let code = ErrorCode::all().find(|code| code.id() == self.code).unwrap_or(ErrorCode::Internal);
        let error = self.locations.into_iter().rev().fold(Error::new(code, self.message), Error::at);
        match self.help {
            Some(help) => error.help(help),
            None => error,
        }
    }
}

const LOAD: u8 = 1;
const LOADED: u8 = 2;
const ARRAYS: u8 = 3;
const FAILED: u8 = 4;

impl PipeMessage {
    /// The error of a message that is no answer to what was asked.
    pub(super) fn unexpected(&self) -> Error {
        let kind = match self {
            PipeMessage::Load(_) => "a request to load a model",
            PipeMessage::Loaded(_) => "the names of a model that was loaded",
            PipeMessage::Arrays(_) => "arrays",
            PipeMessage::Failed(_) => "an error",
        };
        Error::internal(format!("a worker's answer is of the wrong kind: {kind}"))
    }

    /// Writes the message.
    ///
    /// # Errors
    /// [`Write`](ErrorCode::Write) where the pipe is closed.
    pub(super) fn write(&self, pipe: &mut impl Write) -> Result<()> {
        let json = |value: serde_json::Result<Vec<u8>>| value.map_err(|error| Error::internal(error.to_string()));
        let (kind, bytes) = match self {
            PipeMessage::Load(load) => (LOAD, json(serde_json::to_vec(load))?),
            PipeMessage::Loaded(names) => (LOADED, json(serde_json::to_vec(names))?),
            PipeMessage::Arrays(arrays) => {
                let initializer = arrays.iter().map(|array| tensor::proto("", array)).collect::<Result<Vec<_>>>()?;
                let graph = Some(GraphProto { initializer, ..GraphProto::default() });
                (ARRAYS, ModelProto { graph, ..ModelProto::default() }.encode_to_vec())
            }
            PipeMessage::Failed(error) => (FAILED, json(serde_json::to_vec(&ErrorParts::of(error)))?),
        };
        let all = [&[kind][..], &(bytes.len() as u64).to_le_bytes(), &bytes];
        let written = all.iter().try_for_each(|part| pipe.write_all(part)).and_then(|()| pipe.flush());
        written.map_err(|error| Error::write(format!("the pipe between a program and its worker: {error}")))
    }

    /// Reads a message; `None` where the pipe has ended.
    ///
    /// # Errors
    /// [`Damaged`](ErrorCode::Damaged) for what is no message; the errors of [`decode_budget::scan`].
    pub(super) fn read(pipe: &mut impl Read) -> Result<Option<PipeMessage>> {
        let failed = |error: std::io::Error| Error::read(format!("the pipe between a program and its worker: {error}"));
        let mut head = [0; 9];
        match pipe.read_exact(&mut head) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(failed(error)),
        }
        let [kind, length @ ..] = head;
        let length = u64::from_le_bytes(length);
        let mut bytes = Vec::new();
        // As long as it claims to be, and no memory for what does not come.
        pipe.take(length).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 != length {
            return Ok(None);
        }
        let damaged = |error: serde_json::Error| Error::damaged(format!("a message of a worker: {error}"));
        Ok(Some(match kind {
            LOAD => PipeMessage::Load(serde_json::from_slice(&bytes).map_err(damaged)?),
            LOADED => PipeMessage::Loaded(serde_json::from_slice(&bytes).map_err(damaged)?),
            FAILED => PipeMessage::Failed(serde_json::from_slice::<ErrorParts>(&bytes).map_err(damaged)?.error()),
            ARRAYS => {
                decode_budget::scan(&bytes)?;
                let model = ModelProto::decode(Bytes::from(bytes)).map_err(|error| Error::damaged(error.to_string()))?;
                PipeMessage::Arrays(model.graph.unwrap_or_default().initializer.iter().map(tensor::array).collect::<Result<_>>()?)
            }
            other => return Err(Error::damaged(format!("a message of kind {other}"))),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;

    fn again(message: &PipeMessage) -> PipeMessage {
        let mut bytes = Vec::new();
        message.write(&mut bytes).unwrap();
        assert!(PipeMessage::read(&mut &bytes[..bytes.len() - 1]).unwrap().is_none(), "a pipe that ends in a message");
        PipeMessage::read(&mut &bytes[..]).unwrap().unwrap()
    }

    #[test]
    fn arrays_arrive_as_they_are() {
        let full = |dtype, shape: &[usize]| Array::full(dtype, shape, 1.0.into());
        let arrays = [DType::F32, DType::BF16, DType::F16, DType::I64, DType::Bool, DType::U8].map(|dtype| full(dtype, &[2, 3]));
        let arrays =
            [arrays.to_vec(), vec![full(DType::F32, &[]), full(DType::F64, &[0, 4]), Array::vector(vec![f32::NAN, -0.0])]].concat();
        let PipeMessage::Arrays(got) = again(&PipeMessage::Arrays(arrays.clone())) else { panic!("arrays") };
        assert_eq!(got.len(), arrays.len());
        assert!(got.iter().zip(&arrays).all(|(got, array)| got.same_bytes(array) && got.shape() == array.shape()));
    }

    #[test]
    fn errors_arrive_with_code_locations_and_help() {
        let error = Error::too_big("over 7 MB").at("Expand y").at("m.onnx").help("smaller");
        let PipeMessage::Failed(got) = again(&PipeMessage::Failed(error.clone())) else { panic!("an error") };
        assert_eq!(got, error);
    }
}
