//! Sessions of any model file, for callers that are no command.

use crate::console::Console;
use crate::inputs::Inputs;
use crate::verification::traced_unchecked;
use ontrace::onnx::Model;
use ontrace::read::{self, Format};
use ontrace::runtime::Session;
use ontrace::{ErrorCode, Result, ResultExt};
use std::path::Path;

/// A session of a model: an ONNX file as it is, everything else traced with inputs as `-i` and `--dynamic` say them. `threads` are those of a call; `None` for
/// the caller's alone.
///
/// # Errors
/// Where the file cannot be read, needs inputs that are not given, or tract cannot load the model.
pub fn open_session(path: &Path, inputs: &[String], dynamic: &[String], threads: Option<usize>) -> Result<Session> {
    let builder = threads.map_or_else(Session::builder, |threads| Session::builder().threads(threads));
    if Format::of_file(path)? == Format::Onnx && inputs.is_empty() && dynamic.is_empty() {
        match Model::open(path).and_then(|model| builder.build(&model)) {
            Err(error) if error.code() == ErrorCode::Unsupported => {}
            session => return session.at(path.display()),
        }
    }
    let prepared = Inputs::new(inputs, dynamic).apply(read::open(path)?)?;
    let (traced, _) = traced_unchecked(&prepared, &Console::silent()).at(path.display())?;
    builder.build_traced(&traced).at(path.display())
}
