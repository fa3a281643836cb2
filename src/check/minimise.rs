//! The smallest part of a model that is wrong, with its inputs, in the layout of ONNX's own tests.

use super::input_generation::Call;
use super::locate::{Divergence, Fault};
use super::subgraph;
use super::{Checker, Failure};
use crate::array::Array;
use crate::dim::Type;
use crate::error::{Error, Result};
use crate::onnx::{DataSet, Model};
use crate::trace::Traced;
use std::path::Path;

/// A model that answers wrong, its inputs, and what it should answer.
#[derive(Clone, Debug)]
pub struct Reproducer {
    /// The part of the model.
    pub model: Model,
    /// Its inputs, by name.
    pub inputs: Vec<(String, Array)>,
    /// The right outputs, by name.
    pub outputs: Vec<(String, Array)>,
    /// The failure of the check that led here.
    pub error: Error,
}

impl Reproducer {
    /// Writes `model.onnx`, `test_data_set_0/input_0.pb` … and `output_0.pb` … into a folder, which is made where it is missing:
    /// the layout of [ONNX's backend tests](https://github.com/onnx/onnx/blob/main/docs/OnnxBackendTest.md).
    ///
    /// # Errors
    /// [`Write`](crate::ErrorCode::Write).
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<()> {
        let folder = folder.as_ref();
        let failed = |error: std::io::Error| Error::write(error.to_string()).with_source(error).at(folder.display());
        std::fs::create_dir_all(folder).map_err(failed)?;
        self.model.save(folder.join("model.onnx"))?;
        DataSet { inputs: self.inputs.clone(), outputs: self.outputs.clone() }.save(folder, 0)?;
        std::fs::write(folder.join("error.txt"), format!("{:?}\n", self.error)).map_err(failed)
    }
}

impl Checker<'_> {
    /// Runs the check, and where it fails reduces the graph to the smallest subgraph that still fails. `None` where the check passes.
    ///
    /// # Errors
    /// The failure of the check, where no subgraph reproduces it.
    pub fn minimise(&self) -> Result<Option<Reproducer>> {
        let failure = match self.checked() {
            Ok(_) => return Ok(None),
            Err(failure) => failure,
        };
        let traced = self.traced;
        let error = Failure { error: failure.error.clone(), found: failure.found.clone() }.error();
        let Some((call, divergence)) = failure.found.map(|divergence| *divergence) else { return Err(error) };
        if let (true, true, Some(model)) = (divergence.fault == Fault::Export, divergence.nodes.is_empty(), self.candidate.model()) {
            let outputs = traced.graph().replay(&call.inputs)?;
            return named(model.clone(), traced, call.inputs, outputs, error).map(Some);
        }
        shrink(traced, &call, divergence, error).map(Some)
    }
}

fn shrink(traced: &Traced, call: &Call, divergence: Divergence, error: Error) -> Result<Reproducer> {
    if let Some(part) = divergence.reproduced {
        return reproducer(&part.traced, part.inputs, part.expected, error);
    }
    let graph = traced.graph();
    let Some(&last) = divergence.nodes.last() else { return Err(error) };
    let outputs = &graph.nodes()[last].outputs;
    let values = subgraph::values(graph, &call.inputs, |_| true)?;
    let part = subgraph::cut(traced, &divergence.nodes, outputs, &call.inputs, &values)?;
    reproducer(&part.traced, part.inputs, part.expected, error)
}

fn reproducer(traced: &Traced, inputs: Vec<Array>, outputs: Vec<Array>, error: Error) -> Result<Reproducer> {
    named(traced.to_model()?, traced, inputs, outputs, error)
}

fn named(model: Model, traced: &Traced, inputs: Vec<Array>, outputs: Vec<Array>, error: Error) -> Result<Reproducer> {
    let names = |names: Vec<(String, Type)>, arrays: Vec<Array>| names.into_iter().map(|named| named.0).zip(arrays).collect();
    Ok(Reproducer { model, inputs: names(traced.inputs(), inputs), outputs: names(traced.outputs(), outputs), error })
}
