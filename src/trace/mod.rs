//! From a module to a record of what it did, and from the record to ONNX.

mod lower;
mod notes;

pub use notes::Note;

use crate::array::Array;
use crate::check::{self, Check};
use crate::dim::Type;
use crate::error::{At, Code, Error, Result};
use crate::graph::{Graph, Source};
use crate::module::{Example, Function, Module, function};
use crate::onnx::{Model, Saved};
use crate::ops::seeded;
use crate::tensor::{Guard, Recorder, Tensor};
use crate::tree::Tree;
use std::path::Path;

/// The opset that is written where nothing else is asked for and nothing needs a later one.
pub const OPSET: i64 = 18;

/// The opsets that can be written, as far as they have the operators.
pub const OPSETS: std::ops::RangeInclusive<i64> = 13..=26;

/// What a module did to its inputs: a graph that can be replayed, read, checked and saved as ONNX.
#[derive(Clone, Debug)]
pub struct Traced {
    graph: Graph,
    output_names: Vec<String>,
    guards: Vec<Guard>,
    name: String,
}

/// Traces a module: runs it on the example, records what it does, and checks that the record does the same.
///
/// The check replays the record beside the module on the example, on fresh numbers, and with every symbolic axis at other
/// lengths. Where the example has [shapes only](Example::shapes_only) nothing is computed but what is constant, and there
/// is nothing to check; [`record`] never checks.
///
/// # Errors
/// What the module fails with; [`Trace`](crate::Code::Trace) where tensors cross the border of the trace;
/// [`Mismatch`](crate::Code::Mismatch) where the record does something else than the module, with the first node that differs.
///
/// ```
/// use ontrace::{Tensor, trace_fn};
/// let x = Tensor::from(&[1.0f32, 2.0]);
/// let traced = trace_fn(|x: Tensor| 2.0 * &x, &x)?;
/// assert_eq!(traced.graph().nodes().len(), 1);
/// # Ok::<(), ontrace::Error>(())
/// ```
pub fn trace(module: &(impl Module + ?Sized), example: impl Into<Example>) -> Result<Traced> {
    let example = example.into();
    let traced = record(module, example.clone())?;
    let known = example.inputs().iter().all(|(_, tensor)| !tensor.is_type_only());
    if known {
        check::check(&module, &traced, &traced, &example, &Check::default())?;
    }
    Ok(traced)
}

/// Traces a module without checking the record.
///
/// # Errors
/// What the module fails with, and [`Trace`](crate::Code::Trace) where tensors cross the border of the trace.
pub fn record(module: &(impl Module + ?Sized), example: impl Into<Example>) -> Result<Traced> {
    let mut example = example.into();
    let names = module.input_names();
    if !names.is_empty() {
        example = example.named(&names);
    }
    let recorder = Recorder::open();
    let mut inputs = Vec::with_capacity(example.inputs().len());
    for (name, tensor) in example.inputs() {
        if inputs.iter().any(|(known, _)| known == name) {
            return Err(Error::input(format!("two inputs are called `{name}`")));
        }
        inputs.push((name.clone(), recorder.input(name, tensor.ty().clone(), tensor)?));
    }
    let inputs: Vec<Tensor> = inputs.into_iter().map(|input| input.1).collect();
    let outputs = seeded(0, || module.forward(&inputs))?;
    let wanted = module.output_names();
    let mut output_names: Vec<String> = Vec::with_capacity(outputs.len());
    for i in 0..outputs.len() {
        let wanted = wanted.get(i).cloned().unwrap_or_else(|| default_name(i, outputs.len()));
        output_names.push(free_name(wanted, &example, &output_names));
    }
    let (graph, guards) = recorder.finish(&outputs)?;
    Ok(Traced { graph, output_names, guards, name: "main".to_string() })
}

/// The name, marked as an output's where an input or another output has it already.
fn free_name(wanted: String, example: &Example, taken: &[String]) -> String {
    let is_taken = |name: &String| taken.contains(name) || example.inputs().iter().any(|input| input.0 == *name);
    let mut name = wanted;
    while is_taken(&name) {
        name.push_str("_out");
    }
    name
}

/// Traces a closure over a tensor or a tree of tensors.
///
/// # Errors
/// As [`trace`].
pub fn trace_fn<I: Tree + Clone, O: Tree>(f: impl Fn(I) -> Result<O>, example: &I) -> Result<Traced> {
    let module: Function<_, I, O> = function(f, example);
    trace(&module, Example::of(example))
}

/// `y`, or `y_0`, `y_1` … where there are several outputs.
fn default_name(i: usize, count: usize) -> String {
    if count == 1 { "y".to_string() } else { format!("y_{i}") }
}

impl Traced {
    /// The record.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The same inputs around another graph, whose outputs are named by their order.
    #[cfg(feature = "tract")]
    pub(crate) fn with_graph(&self, graph: Graph) -> Traced {
        let count = graph.outputs().len();
        let output_names = (0..count).map(|i| format!("value_{i}")).collect();
        Traced { graph, output_names, guards: Vec::new(), name: self.name.clone() }
    }

    /// The inputs: name and type.
    pub fn inputs(&self) -> Vec<(String, Type)> {
        let input = |&id| (self.graph.label(id), self.graph.value(id).ty.clone());
        self.graph.inputs().iter().map(input).collect()
    }

    /// The outputs: name and type.
    pub fn outputs(&self) -> Vec<(String, Type)> {
        let ty = |&id| self.graph.value(id).ty.clone();
        self.output_names.iter().cloned().zip(self.graph.outputs().iter().map(ty)).collect()
    }

    /// The parameters by name, in the order of their first use.
    pub fn parameters(&self) -> Vec<(&str, &Array)> {
        self.graph.parameters().collect()
    }

    /// The numbers that the program read out of traced tensors and may have branched on.
    pub fn guards(&self) -> &[Guard] {
        &self.guards
    }

    /// What a reader of the result should know: unused inputs, numbers that were baked in, guards.
    pub fn notes(&self) -> Vec<Note> {
        notes::notes(self)
    }

    /// The record as an ONNX model of the default [opset](OPSET), or of the first later one that has all of its operators and types.
    ///
    /// # Errors
    /// Where an operator has no form at any opset.
    pub fn to_model(&self) -> Result<Model> {
        lower::lower(self, OPSET).or_else(|error| match error.code() {
            Code::Unsupported => (OPSET + 1..=*OPSETS.end()).find_map(|opset| lower::lower(self, opset).ok()).ok_or(error),
            _ => Err(error),
        })
    }

    /// The record as an ONNX model of another opset.
    ///
    /// # Errors
    /// [`Unsupported`](crate::Code::Unsupported) for an opset that is not [written](OPSETS), and where an operator or a type has no form in it.
    pub fn to_model_at(&self, opset: i64) -> Result<Model> {
        if !OPSETS.contains(&opset) {
            return Err(Error::unsupported(format!("opset {opset} is not written, only {} to {}", OPSETS.start(), OPSETS.end())));
        }
        lower::lower(self, opset)
    }

    /// The ONNX file as bytes.
    ///
    /// # Errors
    /// As [`Traced::to_model`].
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        Ok(self.to_model()?.to_bytes())
    }

    /// Writes the ONNX file: to a temporary beside it that then takes its place, so that after a failure the old file is intact.
    ///
    /// # Errors
    /// As [`Traced::to_model`], and [`Write`](crate::Code::Write).
    pub fn save(&self, path: impl AsRef<Path>) -> Result<Saved> {
        self.to_model()?.save(path)
    }
}

impl Module for Traced {
    /// Replays the record on our kernels.
    fn forward(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let arrays = inputs.iter().map(Tensor::to_array).collect::<Result<Vec<_>>>()?;
        Ok(self.graph.replay(&arrays).at(&self.name)?.into_iter().map(Tensor::from).collect())
    }

    fn input_names(&self) -> Vec<String> {
        self.inputs().into_iter().map(|input| input.0).collect()
    }

    fn output_names(&self) -> Vec<String> {
        self.output_names.clone()
    }
}

impl std::fmt::Display for Traced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.graph, f)
    }
}

/// Whether an input is used by any node or output.
fn is_used(graph: &Graph, id: crate::graph::ValueId) -> bool {
    graph.outputs().contains(&id) || graph.nodes().iter().any(|node| node.inputs.contains(&Some(id)))
}

/// The bytes of a constant, where the value is one.
fn constant(graph: &Graph, id: crate::graph::ValueId) -> Option<&Array> {
    match &graph.value(id).source {
        Source::Constant(array, _) => Some(array),
        _ => None,
    }
}
