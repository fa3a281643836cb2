//! Tracing: recording what a module does as a graph, and exporting the graph as ONNX.

mod code;
mod declaration;
mod diagnostic;
mod lower;
mod metadata;
mod mixed_precision;
mod random_mode;
mod recording;
mod rename;
mod simplify;
mod specialized;
mod transform;

pub use diagnostic::{Diagnostic, DiagnosticKind};
pub use metadata::Provenance;
#[cfg(feature = "tract")]
pub(crate) use metadata::signature_of;
pub(crate) use metadata::{METHODS_KEY, entry, example_sizes_of, restored};
pub use mixed_precision::{MixedPrecision, WideReason};
pub use random_mode::RandomMode;
pub(crate) use recording::{Recording, repeated};
pub use simplify::{Simplification, Simplified};
pub use specialized::SpecializedValue;

use crate::array::Array;
use crate::dim::{SizeRange, Type};
use crate::error::{Error, ErrorCode, Result};
use crate::graph::{Condition, Graph, Guard, Operator};
use crate::module::{AsDynModule, Example, Signature};
use crate::onnx::{Model, Saved};
use crate::ops::OpRegistry;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The opset that is written where nothing else is asked for and nothing needs a later one.
pub const OPSET: i64 = 18;

/// The opsets that can be written, as far as they have the operators.
pub const OPSETS: std::ops::RangeInclusive<i64> = 13..=26;

/// Options of the export to ONNX.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportOptions {
    /// The opset; where it is `None` the [default](OPSET), or the first later one that has what the trace needs.
    pub opset: Option<i64>,
    /// Whether a module that is there more than once, with other weights, is written as one function that is called: the layers of an
    /// encoder, say. The function has the path of the module without its indices for a name.
    pub functions: bool,
}

/// What a module did to its inputs: a graph that can be replayed, read, checked and saved as ONNX.
///
/// A traced graph is valid under its [guards](Traced::guards): a call for which one does not hold is refused with the source location that made it.
#[derive(Clone, Debug)]
pub struct Traced {
    pub(crate) graph: Graph,
    pub(crate) name: String,
    pub(crate) signature: Signature,
    pub(crate) notes: Vec<Diagnostic>,
    /// What users keep with it.
    pub(crate) extra: BTreeMap<String, String>,
    /// What a check said, in a line.
    pub(crate) verdict: Option<String>,
    random_mode: RandomMode,
    /// The random operators whose samples are its last inputs.
    noise: Vec<Arc<dyn Operator>>,
}

/// Traces a module without checking the trace.
///
/// # Errors
/// What the module fails with, and [`Trace`](ErrorCode::Trace) where tensors cross the border of the trace.
pub fn record<K: ?Sized>(module: &(impl AsDynModule<K> + ?Sized), example: impl Into<Example>) -> Result<Traced> {
    let example = example.into();
    let module = &*module.as_dyn(example.structure());
    Ok(Recording::default().record(module, example.arranged(module)?)?.0)
}

impl Traced {
    /// The traced graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// A subgraph as a traced graph of its own: inputs and outputs in lists, the outputs named by their order.
    pub(crate) fn of_part(&self, graph: Graph) -> Traced {
        let outputs = (0..graph.outputs().len()).map(|i| format!("value_{i}")).collect();
        let signature = Signature::flat(graph.inputs().len(), outputs, BTreeMap::new());
        Traced::of(graph, &self.name, signature)
    }

    /// The inputs: name and type.
    pub fn inputs(&self) -> Vec<(String, Type)> {
        let input = |&id| (self.graph.label(id), self.graph.value(id).ty.clone());
        self.graph.inputs().iter().map(input).collect()
    }

    /// The outputs: name and type.
    pub fn outputs(&self) -> Vec<(String, Type)> {
        let ty = |&id| self.graph.value(id).ty.clone();
        self.signature.output_names().iter().cloned().zip(self.graph.outputs().iter().map(ty)).collect()
    }

    /// Names, types and structure of what it takes and gives.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The parameters by name, in the order of their first use.
    pub fn parameters(&self) -> Vec<(&str, &Array)> {
        self.graph.parameters().collect()
    }

    /// The guards: conditions under which the graph does what its module does, for values and sizes that the program read and may have branched on.
    pub fn guards(&self) -> &[Guard] {
        self.graph.guards()
    }

    /// The range of each symbolic size of the inputs, by name: what the [guards](Traced::guards) about it alone leave.
    pub fn size_ranges(&self) -> BTreeMap<String, SizeRange> {
        let constraints = self.guards().iter().filter_map(|guard| match &guard.condition {
            Condition::Sizes(constraint) => Some(constraint),
            Condition::Values(..) => None,
        });
        let symbols = self.signature.example_sizes().keys();
        symbols.map(|symbol| (symbol.clone(), SizeRange::of(symbol, constraints.clone()))).collect()
    }

    /// What a reader of the result should know: what is not used, what is the same at every call, constant-folded values, random operators, guards.
    pub fn notes(&self) -> Vec<Diagnostic> {
        diagnostic::notes(self)
    }

    /// The verdict of the check of the trace in one line; `None` where it was not checked.
    pub fn verdict(&self) -> Option<&str> {
        self.verdict.as_deref()
    }

    /// What is kept with the trace under names of the user's: saved with it, and there again when it is loaded.
    pub fn extra(&self) -> &BTreeMap<String, String> {
        &self.extra
    }

    /// Keeps a text with the trace, in the metadata of the file.
    ///
    /// # Errors
    /// [`Argument`](ErrorCode::Argument) for a key of ontrace's own.
    pub fn with_extra(mut self, key: &str, value: &str) -> Result<Traced> {
        if key.starts_with(metadata::OWN_PREFIX) {
            return Err(Error::argument(format!("the metadata key `{key}` is reserved for ontrace")));
        }
        self.extra.insert(key.to_string(), value.to_string());
        Ok(self)
    }

    /// The traced graph as an ONNX model of the default [opset](OPSET), or of the first later one that has all of its operators and types.
    ///
    /// # Errors
    /// Where an operator has no form at any opset.
    pub fn to_model(&self) -> Result<Model> {
        self.to_model_as(ExportOptions::default())
    }

    /// The traced graph as an ONNX model with these options.
    ///
    /// # Errors
    /// As [`Traced::to_model`] and [`Traced::to_model_at`].
    pub fn to_model_as(&self, options: ExportOptions) -> Result<Model> {
        let mut model = self.to_unhashed_model(options)?;
        metadata::seal(&mut model);
        Ok(model)
    }

    /// The model for execution, without the hashes that a file has: to make these, every weight is read.
    pub(crate) fn to_unhashed_model(&self, options: ExportOptions) -> Result<Model> {
        self.lowered(options, false)
    }

    /// As [`Traced::to_unhashed_model`], without the types of values between inputs and outputs.
    #[cfg(feature = "tract")]
    pub(crate) fn to_terse_model(&self) -> Result<Model> {
        self.lowered(ExportOptions::default(), true)
    }

    fn lowered(&self, options: ExportOptions, is_terse: bool) -> Result<Model> {
        let lower = |opset| lower::lower(self, opset, options.functions, is_terse);
        match options.opset {
            Some(opset) if !OPSETS.contains(&opset) => {
                Err(Error::unsupported(format!("cannot write opset {opset} ({} to {})", OPSETS.start(), OPSETS.end())))
            }
            Some(opset) => lower(opset),
            None => lower(OPSET).or_else(|error| match error.code() {
                ErrorCode::Unsupported => (OPSET + 1..=*OPSETS.end()).find_map(|opset| lower(opset).ok()).ok_or(error),
                _ => Err(error),
            }),
        }
    }

    /// The traced graph as an ONNX model of another opset.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorCode::Unsupported) for an opset that is not [written](OPSETS), and where an operator or a type has no form in it.
    pub fn to_model_at(&self, opset: i64) -> Result<Model> {
        self.to_model_as(ExportOptions { opset: Some(opset), ..ExportOptions::default() })
    }

    /// The ONNX file as bytes.
    ///
    /// # Errors
    /// As [`Traced::to_model`].
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.to_model()?.to_bytes()
    }

    /// Writes the ONNX file: to a temporary beside it that is then renamed, so that after a failure the old file is intact.
    ///
    /// # Errors
    /// As [`Traced::to_model`], and [`Write`](ErrorCode::Write).
    pub fn save(&self, path: impl AsRef<Path>) -> Result<Saved> {
        self.to_model()?.save(path)
    }

    /// The operators of users' crates that are in it.
    pub(crate) fn operators(&self) -> OpRegistry {
        OpRegistry::of(&self.graph)
    }
}

impl Traced {
    /// A graph without diagnostics or metadata.
    pub(crate) fn of(graph: Graph, name: &str, signature: Signature) -> Traced {
        Traced {
            graph,
            name: name.to_string(),
            signature,
            notes: Vec::new(),
            extra: BTreeMap::new(),
            verdict: None,
            random_mode: RandomMode::default(),
            noise: Vec::new(),
        }
    }
}

impl std::fmt::Display for Traced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.graph, f)
    }
}
