//! Archives of torch.export (`.pt2`): the graph runs with tensor methods, by the table of torch's operators.

mod run;
pub(super) mod schema;
mod symbol;

use super::checkpoint;
use super::file_version;
use super::storage;
use super::zip::Archive;
use crate::array::{Array, DType};
use crate::dim::{Dim, Type};
use crate::error::{Error, ErrorCode, Result, ResultExt};
use crate::module::{DynModule, Example, Outputs};
use crate::read::aten;
use crate::tensor::Tensor;
use indexmap::IndexMap;
use schema::{InputSpec, OutputSpec, Payloads, SchemaArgument, SchemaGraph, SchemaProgram, Size, TensorMeta, TreeSpec};
use std::collections::BTreeMap;
use symbol::Hints;

/// A program of torch.export that can be called.
pub struct ExportedProgram {
    graph: SchemaGraph,
    outputs: Vec<OutputSpec>,
    /// What the inputs of the graph are, in their order.
    inputs: Vec<InputSource>,
    example: Example,
    names: Vec<String>,
}

/// Where an input of the graph comes from.
enum InputSource {
    /// A parameter, a buffer or a constant of the program, by its name.
    Stored { input: String, name: String, tensor: Tensor, buffer: bool, pairs: bool },
    /// The next input of the caller.
    Given(String),
    /// A value that the program was exported for.
    Fixed(String, SchemaArgument),
    /// Nothing that computes.
    Nothing,
}

/// torch.export's codes of dtypes, which are not those of `c10::ScalarType`.
const DTYPES: &[(i64, DType)] = &[
    (1, DType::U8),
    (2, DType::I8),
    (3, DType::I16),
    (4, DType::I32),
    (5, DType::I64),
    (6, DType::F16),
    (7, DType::F32),
    (8, DType::F64),
    (12, DType::Bool),
    (13, DType::BF16),
    (28, DType::U16),
    (29, DType::F8E4M3FN),
    (30, DType::F8E5M2),
    (31, DType::F8E4M3FNUZ),
    (32, DType::F8E5M2FNUZ),
    (33, DType::F8E8M0),
    (34, DType::U32),
    (35, DType::U64),
];

/// torch.export's codes of complex dtypes, c10's, and the dtype of the parts.
const PAIRS: &[(i64, i64, DType)] = &[(9, 8, DType::F16), (10, 9, DType::F32), (11, 10, DType::F64)];

fn dtype(number: i64) -> Result<DType> {
    let row = DTYPES.iter().find(|row| row.0 == number);
    row.map(|row| row.1)
        .ok_or_else(|| Error::unsupported(format!("torch.export's dtype number {number}, which is complex, quantised or unknown")))
}

impl ExportedProgram {
    /// Reads an archive: the graph, and the weights where they stand in the file.
    ///
    /// # Errors
    /// [`Damaged`](ErrorCode::Damaged); [`Unsupported`](ErrorCode::Unsupported) for programs with objects other than tensors;
    /// [`UnknownOperators`](ErrorCode::UnknownOperators) with all that have no translation.
    pub(crate) fn open(archive: &Archive) -> Result<ExportedProgram> {
        file_version::check_archive(archive)?;
        let model = match archive.names().find(|name| name.starts_with("models/") && name.ends_with(".json")) {
            Some(name) => name.to_string(),
            None => "serialized_exported_program.json".to_string(),
        };
        let text = archive.read(&model)?;
        // Before the program, which a newer schema may write in another way.
        let damaged = |error| Error::damaged(format!("invalid torch.export program: {error}"));
        let header: file_version::SchemaHeader = serde_json::from_slice(&text).map_err(damaged).at(&model)?;
        file_version::check_schema(&header).at(&model)?;
        let program: SchemaProgram = serde_json::from_slice(&text).map_err(damaged).at(&model)?;
        let stem = model.trim_start_matches("models/").trim_end_matches(".json").to_string();
        let weights = Stored::open(archive, "weights", &stem, "serialized_state_dict.pt")?;
        let constants = Stored::open(archive, "constants", &stem, "serialized_constants.pt")?;
        let (module, ranges) = (program.graph_module, program.range_constraints);
        refuse_unsupported(&module.graph)?;
        let mut hints = Hints::new();
        for size in module.graph.tensor_values.values().flat_map(|meta| &meta.sizes) {
            if let Size::AsExpr(size) = size
                && let (Some(name), Some(schema::Hint::AsInt(n))) = (symbol::name(&size.expr_str), &size.hint)
            {
                hints.insert(name.to_string(), *n);
            }
        }
        let mut inputs = Vec::with_capacity(module.signature.input_specs.len());
        for spec in module.signature.input_specs {
            let stored = |input: String, name: String, first: &Stored, second: &Stored, buffer| {
                let found = first.get(&name).or_else(|| second.get(&name));
                let (array, pairs) = found.ok_or_else(|| Error::damaged(format!("the archive has no data for `{name}`")))?;
                Ok::<_, Error>(InputSource::Stored { input, tensor: Tensor::from(array).named(&name), name, buffer, pairs })
            };
            inputs.push(match spec {
                InputSpec::Parameter { arg, parameter_name } => stored(arg.name, parameter_name, &weights, &constants, false)?,
                InputSpec::Buffer { arg, buffer_name } => stored(arg.name, buffer_name, &weights, &constants, true)?,
                InputSpec::TensorConstant { arg, tensor_constant_name } => {
                    stored(arg.name, tensor_constant_name, &constants, &weights, false)?
                }
                InputSpec::UserInput { arg: SchemaArgument::AsTensor(arg) } => InputSource::Given(arg.name),
                InputSpec::UserInput { arg: SchemaArgument::AsSymInt(arg) } => match *arg {
                    SchemaArgument::AsName(name) => {
                        return Err(Error::unsupported(format!("input {name} is a symbolic int; only tensors can be inputs")));
                    }
                    other => InputSource::Fixed(String::new(), other),
                },
                InputSpec::UserInput { arg } => InputSource::Fixed(String::new(), arg),
                InputSpec::ConstantInput { name, value } => InputSource::Fixed(name, value),
                InputSpec::Token(_) => InputSource::Nothing,
                InputSpec::CustomObj(_) => return Err(Error::unsupported("custom objects among the inputs are not supported")),
            });
        }
        let given: Vec<&str> =
            inputs.iter().filter_map(|source| if let InputSource::Given(name) = source { Some(name.as_str()) } else { None }).collect();
        let samples = samples(archive);
        let mut example = Example::new();
        for (i, name) in given.iter().enumerate() {
            let meta = module.graph.tensor_values.get(*name).ok_or_else(|| Error::damaged(format!("the input {name} has no type")))?;
            if PAIRS.iter().any(|row| row.0 == meta.dtype) {
                return Err(aten::complex::refused_input()).at(name);
            }
            let ty = type_of(meta, &hints).at(name)?;
            let sample = samples.as_ref().filter(|samples| samples.len() == given.len()).map(|samples| &samples[i]);
            let fits = |array: &&Array| array.dtype() == ty.dtype && ty.shape.example().as_deref() == Some(array.shape());
            let tensor = match sample.filter(fits) {
                Some(array) => Tensor::from(array.clone()).retyped(ty),
                None => Tensor::of_type(ty),
            };
            example = example.input(name, &tensor);
        }
        example = within(example, &ranges)?;
        let names = output_names(&module.module_call_graph, &module.signature.output_specs);
        Ok(ExportedProgram { graph: module.graph, outputs: module.signature.output_specs, inputs, example, names })
    }

    /// The inputs that the program was exported with: their values where the archive keeps them, and their symbolic axes.
    pub fn example(&self) -> &Example {
        &self.example
    }

    /// The parameters and buffers by name, in the order of the program.
    pub fn parameters(&self) -> Vec<(String, Array)> {
        let stored = self.inputs.iter().filter_map(|source| match source {
            InputSource::Stored { name, tensor, .. } => Some((name.clone(), tensor.constant()?.clone())),
            _ => None,
        });
        stored.collect()
    }
}

/// The size that torch.export takes as the least of every dynamic axis, because it specialises 0 and 1: no constraint of the program's.
const SPECIALISED: i64 = 2;

/// The example with the ranges of its symbols.
fn within(mut example: Example, ranges: &BTreeMap<String, schema::RangeConstraint>) -> Result<Example> {
    for (symbol, seen) in example.symbols() {
        let Some(range) = ranges.get(&*symbol) else { continue };
        let least = range.min_val.filter(|&n| n > SPECIALISED && n <= seen).unwrap_or(0);
        let greatest = range.max_val.filter(|&n| n >= seen).unwrap_or(i64::MAX);
        let end = |n: i64| usize::try_from(n).unwrap_or(usize::MAX);
        example = example.range(&symbol, end(least)..=if greatest == i64::MAX { usize::MAX } else { end(greatest) })?;
    }
    Ok(example)
}

impl DynModule for ExportedProgram {
    fn forward(&self, inputs: &[Tensor]) -> Result<Outputs> {
        let (outputs, written) = run::run(self, inputs)?;
        Ok(Outputs::from(outputs).with_names(&self.names).with_state(written))
    }

    fn input_names(&self) -> Vec<String> {
        self.example.inputs().iter().map(|input| input.0.clone()).collect()
    }

    fn output_names(&self) -> Vec<String> {
        self.names.clone()
    }
}

/// The tensors of an archive by name, and whether they are complex: the parts then stand side by side in a last axis.
struct Stored(BTreeMap<String, (Array, bool)>);

impl Stored {
    /// From a folder of raw storages with a table, or (in flat archives) a checkpoint.
    fn open(archive: &Archive, kind: &str, model: &str, flat: &str) -> Result<Stored> {
        let folder = format!("data/{kind}/");
        let table = format!("{folder}{model}_{kind}_config.json");
        if archive.has(&table) {
            let payloads: Payloads = serde_json::from_slice(&archive.read(&table)?)
                .map_err(|error| Error::damaged(format!("invalid weight table: {error}")))
                .at(&table)?;
            let read = |(name, payload): (String, schema::Payload)| {
                let array = stored(archive, &folder, &payload).at(&name)?;
                Ok(array.map(|array| (name, array)))
            };
            return Ok(Stored(payloads.config.into_iter().filter_map(|entry| read(entry).transpose()).collect::<Result<_>>()?));
        }
        if archive.has(flat) {
            return Ok(Stored(
                checkpoint::read(&archive.slice(flat)?).at(flat)?.into_iter().map(|(name, array)| (name, (array, false))).collect(),
            ));
        }
        Ok(Stored(BTreeMap::new()))
    }

    fn get(&self, name: &str) -> Option<(Array, bool)> {
        self.0.get(name).cloned()
    }
}

/// A view of the bytes of a storage, and whether its elements are complex; `None` for objects that are no tensors.
fn stored(archive: &Archive, folder: &str, payload: &schema::Payload) -> Result<Option<(Array, bool)>> {
    let Some(meta) = payload.tensor_meta.as_ref().filter(|_| !payload.use_pickle) else { return Ok(None) };
    let parts = PAIRS.iter().find(|row| row.0 == meta.dtype).map(|row| row.2);
    let (dtype, pairs) = (parts.map_or_else(|| dtype(meta.dtype), Ok)?, parts.is_some());
    let int = |size: &Size| match size {
        Size::AsInt(n) => Ok(*n),
        Size::AsExpr(_) => Err(Error::damaged("a stored tensor must have a fixed shape")),
    };
    let count = |size: &Size| usize::try_from(int(size)?).map_err(|_| Error::damaged("negative size"));
    let mut shape = meta.sizes.iter().map(count).collect::<Result<Vec<_>>>()?;
    let mut strides = meta.strides.iter().map(|size| int(size).map(|n| n as isize)).collect::<Result<Vec<_>>>()?;
    let mut offset = meta.storage_offset.as_ref().map_or(Ok(0), count)?;
    if pairs {
        offset = storage::in_parts(&mut shape, &mut strides, offset)?;
    }
    if shape.contains(&0) {
        return Ok(Some((Array::from_bytes(dtype, bytes::Bytes::new(), &shape, None, 0)?, pairs)));
    }
    let bytes = archive.slice(&format!("{folder}{}", payload.path_name))?;
    Array::from_bytes(dtype, bytes, &shape, Some(&strides), offset).map(|array| Some((array, pairs)))
}

/// The tensors of the sample inputs in their order, where the archive keeps them.
fn samples(archive: &Archive) -> Option<Vec<Array>> {
    let names = archive.names().find(|name| name.starts_with("data/sample_inputs/")).map(str::to_string);
    let name = names.or_else(|| archive.has("serialized_example_inputs.pt").then(|| "serialized_example_inputs.pt".to_string()))?;
    let tensors: IndexMap<String, Array> = checkpoint::read(&archive.slice(&name).ok()?).ok()?;
    Some(tensors.into_values().collect())
}

fn type_of(meta: &TensorMeta, hints: &Hints) -> Result<Type> {
    let length = |size: &Size| match size {
        Size::AsInt(n) => Ok(Dim::Fixed(*n)),
        Size::AsExpr(size) => symbol::parse(&size.expr_str, hints),
    };
    Ok(Type::new(dtype(meta.dtype)?, meta.sizes.iter().map(length).collect::<Result<Vec<_>>>()?))
}

/// Refuses a program with operators that have no translation, naming all of them.
fn refuse_unsupported(graph: &SchemaGraph) -> Result<()> {
    let mut missing: BTreeMap<String, (usize, String)> = BTreeMap::new();
    walk(graph, 0, &mut |node| {
        let target = run::performed(node);
        if !run::knows(target) {
            let entry = missing.entry(target.trim_start_matches("torch.ops.").replacen('.', "::", 1)).or_default();
            entry.0 += 1;
            if entry.1.is_empty() {
                entry.1 = node.metadata.stack_trace.clone().unwrap_or_default();
            }
        }
    })?;
    if missing.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = missing.iter().map(|(name, (count, first))| format!("\n   {name:<40} ×{count:<4} {first}")).collect();
    let noun = if missing.len() == 1 { "1 operator has" } else { &format!("{} operators have", missing.len()) };
    Err(Error::new(ErrorCode::UnknownOperators, format!("{noun} no translation to ONNX{}", lines.concat())))
}

fn walk(graph: &SchemaGraph, depth: usize, visit: &mut dyn FnMut(&schema::SchemaNode)) -> Result<()> {
    if depth > run::DEEPEST {
        return Err(Error::too_deep("graphs nested too deeply"));
    }
    for node in &graph.nodes {
        visit(node);
        for input in &node.inputs {
            if let SchemaArgument::AsGraph(inner) = &input.arg {
                walk(&inner.graph, depth + 1, visit)?;
            }
        }
    }
    Ok(())
}

/// Names for the outputs: the keys of dictionaries, the indices in tuples; and the buffers that the program changes.
fn output_names(calls: &[schema::ModuleCall], outputs: &[OutputSpec]) -> Vec<String> {
    let top = calls.iter().find(|call| call.fqn.is_empty()).and_then(|call| call.signature.as_ref());
    let tree = top.and_then(|signature| serde_json::from_str::<(serde::de::IgnoredAny, TreeSpec)>(&signature.out_spec).ok());
    let mut paths = Vec::new();
    if let Some((_, root)) = &tree {
        leaves(root, String::new(), 0, &mut paths);
    }
    let mut paths = paths.into_iter();
    let path = |spec: &OutputSpec| match spec {
        OutputSpec::UserOutput { .. } | OutputSpec::LossOutput { .. } => paths.next().unwrap_or_default(),
        OutputSpec::BufferMutation { buffer_name: name, .. } | OutputSpec::ParameterMutation { parameter_name: name, .. } => name.clone(),
        OutputSpec::UserInputMutation { user_input_name, .. } => user_input_name.clone(),
        OutputSpec::GradientToParameter(_) | OutputSpec::GradientToUserInput(_) | OutputSpec::Token(_) => String::new(),
    };
    super::script::output_names(outputs.iter().map(path).collect())
}

fn leaves(node: &TreeSpec, path: String, depth: usize, paths: &mut Vec<String>) {
    let below = |key: &str| if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
    if node.kind.is_none() || depth > run::DEEPEST {
        paths.push(path);
        return;
    }
    let keys: Vec<String> = node.context.as_deref().and_then(|context| serde_json::from_str(context).ok()).unwrap_or_default();
    for (i, child) in node.children_spec.iter().enumerate() {
        let key = keys.get(i).cloned().unwrap_or_else(|| i.to_string());
        leaves(child, below(&key), depth + 1, paths);
    }
}

/// c10's code of a dtype for which torch.export has another.
fn scalar_type(number: i64) -> Result<i64> {
    match PAIRS.iter().find(|row| row.0 == number) {
        Some(row) => Ok(row.1),
        None => dtype(number).map(aten::scalar_type_number),
    }
}
