//! From a module to a record of what it did, and from the record to ONNX.

mod code;
mod diagnostic;
mod jit;
mod lower;
mod metadata;
mod methods;
mod random_mode;
mod signature;
mod test_vectors;
mod tracer;
mod transform;

pub use diagnostic::{Diagnostic, DiagnosticKind};
pub use jit::{Jit, jit};
pub use metadata::Provenance;
pub(crate) use metadata::{Saved as SavedGuard, guards_of, lengths_of};
pub use methods::{Methods, trace_methods};
pub use random_mode::RandomMode;
pub use signature::Signature;
pub use tracer::Tracer;
pub(crate) use tracer::repeated;

use crate::array::Array;
use crate::dim::Type;
use crate::error::{At, Error, ErrorCode, Result};
use crate::graph::{Graph, Guard, Operator};
use crate::module::{Example, Module, function};
use crate::onnx::{Model, Saved};
use crate::ops::OpRegistry;
use crate::read::OnnxModule;
use crate::tensor::Tensor;
use crate::tree::{Structure, Tree};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The opset that is written where nothing else is asked for and nothing needs a later one.
pub const OPSET: i64 = 18;

/// The opsets that can be written, as far as they have the operators.
pub const OPSETS: std::ops::RangeInclusive<i64> = 13..=26;

/// How a record is written as ONNX.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportOptions {
    /// The opset; where it is `None` the [default](OPSET), or the first later one that has what the record needs.
    pub opset: Option<i64>,
    /// Whether a module that is there more than once, with other weights, is written as one function that is called: the layers of an
    /// encoder, say. The function has the path of the module without its indices for a name.
    pub functions: bool,
}

/// What a module did to its inputs: a graph that can be replayed, read, checked and saved as ONNX.
///
/// A record holds under its [guards](Traced::guards): a call for which one does not hold is refused with the line that made it.
#[derive(Clone, Debug)]
pub struct Traced {
    graph: Graph,
    name: String,
    signature: Signature,
    notes: Vec<Diagnostic>,
    /// What users keep with it.
    extra: BTreeMap<String, String>,
    /// What a check said, in a line.
    verdict: Option<String>,
    draws: RandomMode,
    /// What drew the numbers that are its last inputs.
    noise: Vec<Arc<dyn Operator>>,
}

/// Traces a module: runs it on the example, records what it does, and checks that the record does the same.
///
/// The check replays the record beside the module on the example, on fresh numbers, and with every symbolic axis at other
/// lengths. Where the example has [shapes only](Example::shapes_only) nothing is computed but what is constant, and there
/// is nothing to check; [`record`] never checks. [`Tracer`] has the options.
///
/// # Errors
/// What the module fails with; [`Trace`](ErrorCode::Trace) where tensors cross the border of the trace; [`Size`](ErrorCode::Size) where the program
/// contradicts a declared length, with the line; [`Mismatch`](ErrorCode::Mismatch) where the record does something else than the module, with
/// the first node that differs.
///
/// ```
/// use ontrace::{Tensor, trace_fn};
/// let x = Tensor::from(&[1.0f32, 2.0]);
/// let traced = trace_fn(|x: Tensor| 2.0 * &x, &x)?;
/// assert_eq!(traced.graph().nodes().len(), 1);
/// # Ok::<(), ontrace::Error>(())
/// ```
pub fn trace(module: &(impl Module + ?Sized), example: impl Into<Example>) -> Result<Traced> {
    Tracer::new().trace(module, example)
}

/// Traces a module without checking the record.
///
/// # Errors
/// What the module fails with, and [`Trace`](ErrorCode::Trace) where tensors cross the border of the trace.
pub fn record(module: &(impl Module + ?Sized), example: impl Into<Example>) -> Result<Traced> {
    Tracer::new().unchecked().trace(module, example)
}

/// Traces a closure over a tensor or a tree of tensors.
///
/// # Errors
/// As [`trace`].
pub fn trace_fn<I: Tree, O: Tree>(f: impl Fn(I) -> Result<O>, example: &I) -> Result<Traced> {
    trace(&function(f, example), Example::of(example))
}

impl Traced {
    /// The record.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// A part of the record as a record of its own: inputs and outputs in lists, the outputs named by their order.
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

    /// The conditions under which the record does what its module does: numbers and lengths that the program read and may have branched on.
    pub fn guards(&self) -> &[Guard] {
        self.graph.guards()
    }

    /// What a reader of the result should know: what is not used, what is the same at every call, what was baked in, what is random, guards.
    pub fn notes(&self) -> Vec<Diagnostic> {
        diagnostic::notes(self)
    }

    /// What the check of the trace said, in a line; `None` where it was not checked.
    pub fn verdict(&self) -> Option<&str> {
        self.verdict.as_deref()
    }

    /// What is kept with the record under names of the user's: saved with it, and there again when it is loaded.
    pub fn extra(&self) -> &BTreeMap<String, String> {
        &self.extra
    }

    /// Keeps a text with the record, in the metadata of the file.
    ///
    /// # Errors
    /// [`Argument`](ErrorCode::Argument) for a key of ontrace's own.
    pub fn with_extra(mut self, key: &str, value: &str) -> Result<Traced> {
        if key.starts_with(metadata::OWN_PREFIX) {
            return Err(Error::argument(format!("the key `{key}` is ontrace's own")));
        }
        self.extra.insert(key.to_string(), value.to_string());
        Ok(self)
    }

    /// The outputs for a tree of inputs, as a tree: the types may be those of the traced function, or [`StridedLoop`](crate::tree::StridedLoop).
    ///
    /// ```
    /// use ontrace::{Tensor, trace_fn};
    /// let (x, y) = (Tensor::from(&[1.0f32]), Tensor::from(&[5.0f32]));
    /// let traced = trace_fn(|(x, y): (Tensor, Tensor)| Ok((x.add(&y)?, vec![x.mul(&y)?])), &(x.clone(), y.clone()))?;
    /// let (sum, products): (Tensor, Vec<Tensor>) = traced.call_tree(&(y.clone(), y.add(1)?))?;
    /// assert_eq!((sum.to_vec::<f32>()?, products[0].to_vec::<f32>()?), (vec![11.0], vec![30.0]));
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Input`](ErrorCode::Input) where the tree is built otherwise than the example was, naming the place; else as [`Module::forward`].
    pub fn call_tree<I: Tree, O: Tree>(&self, inputs: &I) -> Result<O> {
        let mut leaves = Vec::new();
        let structure = inputs.take_apart(&mut leaves);
        self.signature.inputs().expect(&structure)?;
        O::assemble(self.signature.outputs(), &mut self.forward(&leaves)?.into_iter())
    }

    /// The outputs, with their names, for inputs given by name, in any order.
    ///
    /// # Errors
    /// [`Input`](ErrorCode::Input) where a name is unknown, given twice or missing; the names are listed.
    pub fn call_named(&self, inputs: &[(&str, &Tensor)]) -> Result<BTreeMap<String, Tensor>> {
        let given = inputs.iter().fold(Example::new(), |example, (name, tensor)| example.input(name, tensor));
        let outputs = self.forward(&given.arranged(self)?.tensors())?;
        Ok(self.signature.output_names().iter().cloned().zip(outputs).collect())
    }

    /// The record as an ONNX model of the default [opset](OPSET), or of the first later one that has all of its operators and types.
    ///
    /// # Errors
    /// Where an operator has no form at any opset.
    pub fn to_model(&self) -> Result<Model> {
        self.to_model_as(ExportOptions::default())
    }

    /// The record as an ONNX model of this form.
    ///
    /// # Errors
    /// As [`Traced::to_model`] and [`Traced::to_model_at`].
    pub fn to_model_as(&self, form: ExportOptions) -> Result<Model> {
        let mut model = self.page(form)?;
        metadata::seal(&mut model);
        Ok(model)
    }

    /// The model as whoever runs it needs it, without the hashes that a file has: to make these, every weight is read.
    pub(crate) fn page(&self, form: ExportOptions) -> Result<Model> {
        let lower = |opset| lower::lower(self, opset, form.functions);
        match form.opset {
            Some(opset) if !OPSETS.contains(&opset) => {
                Err(Error::unsupported(format!("opset {opset} is not written, only {} to {}", OPSETS.start(), OPSETS.end())))
            }
            Some(opset) => lower(opset),
            None => lower(OPSET).or_else(|error| match error.code() {
                ErrorCode::Unsupported => (OPSET + 1..=*OPSETS.end()).find_map(|opset| lower(opset).ok()).ok_or(error),
                _ => Err(error),
            }),
        }
    }

    /// The record as an ONNX model of another opset.
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
        Ok(self.to_model()?.to_bytes())
    }

    /// Writes the ONNX file: to a temporary beside it that then takes its place, so that after a failure the old file is intact.
    ///
    /// # Errors
    /// As [`Traced::to_model`], and [`Write`](ErrorCode::Write).
    pub fn save(&self, path: impl AsRef<Path>) -> Result<Saved> {
        self.to_model()?.save(path)
    }

    /// A record that was saved, with its structure, names, guards, notes and extra texts. Any other ONNX file is read as well: it then has
    /// no structure but a list of inputs and outputs.
    ///
    /// # Errors
    /// [`Read`](ErrorCode::Read), and as [`read::open`](crate::read::open()).
    pub fn load(path: impl AsRef<Path>) -> Result<Traced> {
        let path = path.as_ref();
        Model::open(path).and_then(Traced::from_model).at(path.display())
    }

    /// As [`Traced::load`], with these operators of users' crates.
    ///
    /// # Errors
    /// As [`Traced::load`].
    pub fn load_with(path: impl AsRef<Path>, operators: &OpRegistry) -> Result<Traced> {
        let path = path.as_ref();
        Model::open(path).and_then(|model| Traced::from_model_with(model, operators)).at(path.display())
    }

    /// The record that a model in memory is; see [`Traced::load`].
    ///
    /// # Errors
    /// As [`Traced::load`], but for reading the file.
    pub fn from_model(model: Model) -> Result<Traced> {
        Traced::from_model_with(model, &OpRegistry::new())
    }

    /// As [`Traced::from_model`], with these operators of users' crates.
    ///
    /// # Errors
    /// As [`Traced::from_model`].
    pub fn from_model_with(model: Model, operators: &OpRegistry) -> Result<Traced> {
        metadata::restore(model, operators)
    }

    /// The operators of users' crates that are in it.
    pub(crate) fn operators(&self) -> OpRegistry {
        OpRegistry::of(&self.graph)
    }

    /// The record as a part of whatever is being traced: its program is run once more, operation after operation.
    fn inlined(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        OnnxModule::with(self.page(ExportOptions::default())?, &self.operators())?.forward(inputs)
    }
}

impl Traced {
    /// A record of a graph, with nothing said beside it.
    fn of(graph: Graph, name: &str, signature: Signature) -> Traced {
        Traced {
            graph,
            name: name.to_string(),
            signature,
            notes: Vec::new(),
            extra: BTreeMap::new(),
            verdict: None,
            draws: RandomMode::default(),
            noise: Vec::new(),
        }
    }
}

impl Module for Traced {
    /// Replays the record on our kernels; inside a trace, and where only types are known, its operations are done one by one.
    fn forward(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        if inputs.iter().any(|tensor| tensor.varies() || tensor.is_type_only()) {
            return self.inlined(inputs).at(&self.name);
        }
        let arrays = inputs.iter().map(Tensor::to_array).collect::<Result<Vec<_>>>()?;
        let noise = if arrays.len() < self.graph.inputs().len() { self.noise(&arrays)? } else { Vec::new() };
        let arrays = [arrays, noise].concat();
        Ok(self.graph.replay(&arrays).at(&self.name)?.into_iter().map(Tensor::from).collect())
    }

    fn input_names(&self) -> Vec<String> {
        self.inputs().into_iter().map(|input| input.0).collect()
    }

    fn output_names(&self) -> Vec<String> {
        self.signature.output_names().to_vec()
    }

    fn input_structure(&self) -> Option<Structure> {
        Some(self.signature.inputs().clone())
    }

    fn output_structure(&self) -> Option<Structure> {
        Some(self.signature.outputs().clone())
    }
}

impl std::fmt::Display for Traced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.graph, f)
    }
}
