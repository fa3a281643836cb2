//! The extension module `ontrace._native`: commands by their arguments, and sessions on numpy arrays. What users import is in `ontrace/`.

mod arrays;

use arrays::{NamedType, from_numpy, named_types, to_numpy};
use numpy::PyUntypedArray;
use ontrace::Error;
use ontrace_cli::CommandError;
use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use std::ffi::OsString;
use std::path::PathBuf;

create_exception!(ontrace, OntraceError, PyException, "An error of ontrace: what is wrong, where, and what helps.");

/// The exception of an error: its text, and what it consists of as attributes.
fn raised(py: Python<'_>, failed: &CommandError) -> PyErr {
    let error = &failed.error;
    let text = match error.help_line() {
        Some(help) => format!("[{}] {error}\nhelp: {help}", error.code()),
        None => format!("[{}] {error}", error.code()),
    };
    let exception = OntraceError::new_err(text);
    let value = exception.value(py);
    let locations: Vec<&str> = error.locations().collect();
    let report = failed.report.as_ref().map(|report| report.to_string());
    let attributes = value
        .setattr("code", error.code().id())
        .and_then(|()| value.setattr("title", error.code().title()))
        .and_then(|()| value.setattr("message", error.message()))
        .and_then(|()| value.setattr("location", locations))
        .and_then(|()| value.setattr("help", error.help_line()))
        .and_then(|()| value.setattr("exit_code", failed.exit))
        .and_then(|()| value.setattr("report_json", report));
    attributes.err().unwrap_or(exception)
}

fn failed(py: Python<'_>, error: Error) -> PyErr {
    raised(py, &CommandError::from(error))
}

/// Runs the program with these arguments, of which the first is its name; prints, and gives the exit code. `child` is the command line that starts it again.
#[pyfunction]
fn main(py: Python<'_>, arguments: Vec<OsString>, child: Vec<OsString>) -> u8 {
    py.detach(|| ontrace_cli::launch(arguments, &child))
}

/// Runs a command and gives the object that it prints under `--json`, as JSON.
#[pyfunction]
fn answer(py: Python<'_>, arguments: Vec<OsString>) -> PyResult<String> {
    let answer = py.detach(|| ontrace_cli::answer(arguments));
    answer.map(|value| value.to_string()).map_err(|error| raised(py, &error))
}

/// A model that is loaded and runs.
#[pyclass(frozen)]
struct NativeSession(ontrace::runtime::Session);

#[pymethods]
impl NativeSession {
    #[new]
    fn new(py: Python<'_>, path: PathBuf, inputs: Vec<String>, dynamic: Vec<String>, threads: Option<usize>) -> PyResult<NativeSession> {
        let session = py.detach(|| ontrace_cli::open_session(&path, &inputs, &dynamic, threads));
        session.map(NativeSession).map_err(|error| failed(py, error))
    }

    /// Name, dtype and sizes of each input.
    fn inputs(&self) -> Vec<NamedType> {
        named_types(self.0.inputs())
    }

    /// Name, dtype and sizes of each output.
    fn outputs(&self) -> Vec<NamedType> {
        named_types(self.0.outputs())
    }

    /// Runs the model on arrays by position, each with its dtype; other threads run meanwhile.
    fn run<'py>(
        &self,
        py: Python<'py>,
        inputs: Vec<(String, Bound<'py, PyUntypedArray>)>,
    ) -> PyResult<Vec<(&'static str, Bound<'py, PyAny>)>> {
        let arrays = inputs.iter().map(|(dtype, array)| from_numpy(dtype, array)).collect::<ontrace::Result<Vec<_>>>();
        let arrays = arrays.map_err(|error| failed(py, error))?;
        let outputs = py.detach(|| ontrace::ops::seeded(0, || self.0.run(&arrays))).map_err(|error| failed(py, error))?;
        outputs.iter().map(|array| to_numpy(py, array).map_err(|error| failed(py, error))).collect()
    }
}

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("Error", module.py().get_type::<OntraceError>())?;
    module.add_function(wrap_pyfunction!(main, module)?)?;
    module.add_function(wrap_pyfunction!(answer, module)?)?;
    module.add_class::<NativeSession>()
}
