//! ONNX files as modules: every node is run by the reader that mirrors its operator.

#[cfg(test)]
mod computed_operands;
mod encoded;
mod extract;
mod freed_axes;
#[cfg(feature = "tract")]
mod model_rest;
#[cfg(feature = "tract")]
mod node_program;
mod opset_upgrade;
mod run;
mod traced;
mod value;

pub use extract::extract;
pub use value::Value;

use crate::array::Array;
use crate::dim::{Bindings, Dim, Shape};
use crate::error::{Error, ErrorCode, Result, ResultExt};
use crate::graph::{Guard, SavedCondition, SavedGuard, guards_of};
use crate::module::{DynModule, Example, Outputs};
use crate::onnx::proto::{FunctionProto, NodeProto, ValueInfoProto, tensor_shape_proto};
use crate::onnx::{Model, called, sort_functions, tensor, verify, wrong_types};
use crate::ops::{self, OpRegistry};
use crate::tensor::{Tensor, guard};
use crate::trace::example_sizes_of;
use crate::tree::Tree;
use crate::work::LoopBudget;
use bytes::Bytes;
use encoded::{Encoded, LastUse};
use freed_axes::FreedAxis;
#[cfg(feature = "tract")]
pub(crate) use model_rest::ModelRest;
#[cfg(feature = "tract")]
pub(crate) use node_program::{NodeOperand, NodeProgram};
use run::{DeclarationCheck, GraphRunner, Parameters, Scope};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use value::Declared;

/// The opsets whose operators mean what the readers take them to mean.
const OPSETS: std::ops::RangeInclusive<i64> = 1..=28;

/// The nodes that a comparison of declarations with values may run, and bytes of the file for each further one: as short as nodes are.
const NODES: usize = 1 << 16;
const NODE: usize = 16;

/// An ONNX model that can be called.
#[derive(Debug)]
pub struct OnnxModule {
    nodes: Encoded<NodeProto>,
    /// The declarations of the outputs, and of other values.
    declared_outputs: Encoded<ValueInfoProto>,
    declared_values: Encoded<ValueInfoProto>,
    /// The symbolic sizes of the inputs.
    symbols: BTreeSet<String>,
    /// The last uses of values that are neither outputs nor guarded.
    last_uses: Vec<LastUse>,
    functions: Vec<FunctionProto>,
    operators: OpRegistry,
    opset: i64,
    parameters: Parameters,
    inputs: Vec<(String, Declared)>,
    /// The structure of the inputs, where it was given.
    form: Option<Vec<Value>>,
    /// The names of the outputs, as declared.
    outputs: Vec<String>,
    /// The guards of a traced graph.
    guards: Vec<SavedGuard>,
    /// Whether another program wrote the file: the names of nodes then stand for their source lines.
    is_foreign: bool,
    /// The bytes of the graph and of its parameters.
    size: usize,
}

impl OnnxModule {
    /// Reads a model; external data is looked for in the folder.
    ///
    /// # Errors
    /// [`Damaged`](ErrorCode::Damaged) where it is no valid model, [`UnknownOperators`](ErrorCode::UnknownOperators) with all that have no reader.
    pub fn open(bytes: Bytes, folder: Option<&Path>) -> Result<OnnxModule> {
        OnnxModule::new(Model::load(bytes, folder)?)
    }

    /// A model in memory. [`LoadOptions`](super::LoadOptions) takes options.
    ///
    /// # Errors
    /// As [`OnnxModule::open`].
    pub fn new(model: Model) -> Result<OnnxModule> {
        OnnxModule::with_operators(model, &OpRegistry::new())
    }

    /// A model in memory, with these operators of users' crates.
    ///
    /// # Errors
    /// As [`OnnxModule::open`].
    pub(crate) fn with_operators(mut model: Model, operators: &OpRegistry) -> Result<OnnxModule> {
        verify(&model).into_result()?;
        let size = size_of(&model);
        let nodes = model.proto.graph.as_mut().map(|graph| std::mem::take(&mut graph.node)).unwrap_or_default();
        OnnxModule::of_nodes(model, Cow::Owned(nodes), size, operators)
    }

    /// As [`OnnxModule::with_operators`], of a model that stays; its nodes are not copied.
    ///
    /// # Errors
    /// As [`OnnxModule::open`].
    #[cfg(feature = "tract")]
    pub(crate) fn of_model(model: &Model, operators: &OpRegistry) -> Result<OnnxModule> {
        verify(model).into_result()?;
        let nodes = model.proto.graph.as_ref().map(|graph| graph.node.as_slice()).unwrap_or_default();
        OnnxModule::of_nodes(model.without_nodes(), Cow::Borrowed(nodes), size_of(model), operators)
    }

    /// A valid model as a module, and what else there is of it: [`OnnxModule::joined`] puts both together again.
    ///
    /// # Errors
    /// As [`OnnxModule::open`].
    #[cfg(feature = "tract")]
    pub(crate) fn split(mut model: Model, operators: &OpRegistry) -> Result<(OnnxModule, ModelRest)> {
        let size = size_of(&model);
        let (nodes, rest) = ModelRest::of(&mut model)?;
        Ok((OnnxModule::of_nodes(model, Cow::Owned(nodes), size, operators)?, rest))
    }

    /// The model of which this is the rest.
    ///
    /// # Errors
    /// [`Internal`](ErrorCode::Internal) where what was encoded is not decoded.
    #[cfg(feature = "tract")]
    pub(crate) fn joined(&self, rest: &ModelRest) -> Result<Model> {
        rest.join(&self.nodes, &self.declared_outputs, &self.declared_values, &self.parameters)
    }

    /// A valid model of this size whose nodes are beside it.
    fn of_nodes(model: Model, nodes: Cow<[NodeProto]>, size: usize, operators: &OpRegistry) -> Result<OnnxModule> {
        let (guards, sizes) = (guards_of(&model)?, example_sizes_of(&model));
        // A model that needs none of ONNX's own operators may not say a version.
        let opset = model.opset("").unwrap_or(*OPSETS.end());
        let mut graph = model.proto.graph.ok_or_else(|| Error::damaged("a model without a graph"))?;
        if let Some(unread) = graph.initializer.first() {
            return Err(Error::unsupported(format!("unsupported element type {}", tensor::type_name(unread.data_type)))
                .at(format!("initializer {}", unread.name)));
        }
        let is_foreign = model.proto.producer_name != env!("CARGO_PKG_NAME");
        let mut functions = model.proto.functions;
        sort_functions(&mut functions);
        missing(&nodes, &functions, operators)?;
        if !OPSETS.contains(&opset) {
            return Err(Error::unsupported(format!("opset {opset}, expected {} to {}", OPSETS.start(), OPSETS.end())));
        }
        let outputs: Vec<String> = graph.output.iter().map(|info| info.name.clone()).collect();
        let guarded = guards.iter().filter_map(|guard| match &guard.condition {
            SavedCondition::Values(name, _) => Some(name.as_str()),
            _ => None,
        });
        let last_uses = LastUse::find(
            &nodes,
            graph.input.len() + model.initializers.len(),
            &outputs.iter().map(String::as_str).chain(guarded).collect(),
        );
        // Before there are parameters: decoded nodes take more than anything else of the model.
        let nodes = Encoded::nodes(nodes)?;
        let (declared_outputs, declared_values) =
            (Encoded::infos(std::mem::take(&mut graph.output))?, Encoded::infos(std::mem::take(&mut graph.value_info))?);
        let parameter = |(name, array): (String, Array)| (Arc::from(name), Arc::new(array));
        let mut parameters: Parameters = model.initializers.into_iter().map(parameter).collect();
        for sparse in &graph.sparse_initializer {
            let name = sparse.values.as_ref().map_or("", |values| values.name.as_str());
            parameters.extend([parameter((name.to_string(), tensor::dense(sparse).at(format!("initializer {name}"))?))]);
        }
        let given = graph.input.iter().filter(|info| !parameters.contains_key(info.name.as_str()));
        let known = given.clone().flat_map(value::symbols).collect();
        let symbols = graph.input.iter().flat_map(value::symbols).map(str::to_string).collect();
        let declared =
            |info: &ValueInfoProto| Ok((info.name.clone(), Declared::of(info, &known, &sizes).at(format!("input {}", info.name))?));
        let mut inputs = given.map(declared).collect::<Result<Vec<_>>>()?;
        inputs.shrink_to_fit();
        Ok(OnnxModule {
            nodes,
            declared_outputs,
            declared_values,
            symbols,
            last_uses,
            functions,
            operators: operators.clone(),
            opset,
            parameters,
            inputs,
            form: None,
            outputs,
            guards,
            is_foreign,
            size,
        })
    }

    /// The module whose inputs are made like these values: it takes the tensors in them, flat and in order.
    ///
    /// Without this a model may have one sequence among its inputs, which takes the tensors that the others leave; optional inputs
    /// are then there.
    ///
    /// # Errors
    /// [`Input`](ErrorCode::Input) where they are not of the declared types.
    pub fn arranged(mut self, inputs: Vec<Value>) -> Result<OnnxModule> {
        self.check(&inputs)?;
        self.form = Some(inputs);
        Ok(self)
    }

    fn check(&self, inputs: &[Value]) -> Result<()> {
        if inputs.len() != self.inputs.len() {
            return Err(Error::input(format!("expected {} inputs, got {}", self.inputs.len(), inputs.len())));
        }
        let mut seen = Vec::new();
        for ((name, declared), value) in self.inputs.iter().zip(inputs) {
            declared.accepts(value).at(format!("input {name}"))?;
            if let (Some(shape), Ok(tensor)) = (declared.shape(), value.tensor()) {
                seen.extend(tensor.shape().example().map(|sizes| (name.as_str(), shape, sizes)));
            }
        }
        Bindings::of(seen.iter().map(|(name, shape, sizes)| (*name, *shape, sizes.as_slice()))).map(drop)
    }

    /// Runs the model on values that need not be tensors.
    ///
    /// # Errors
    /// Where the inputs are not of the declared types, or an operation fails.
    pub fn evaluate(&self, inputs: &[Value]) -> Result<Vec<Value>> {
        self.evaluate_owned(inputs.to_vec())
    }

    /// As [`OnnxModule::evaluate`]; each input is dropped behind its last use.
    fn evaluate_owned(&self, inputs: Vec<Value>) -> Result<Vec<Value>> {
        self.check(&inputs)?;
        self.check_sizes(&inputs)?;
        let _budget = LoopBudget::of_file(self.size);
        let freed = freed_axes::find(&self.inputs, &inputs);
        let mut scope = self.scope(inputs);
        // Guards on inputs come before anything runs. Where a node fails, a guard that does not hold is the reason.
        self.check_values(&scope, false)?;
        let ran = self.run_nodes(&freed, &mut scope, None);
        self.check_values(&scope, ran.is_ok())?;
        ran?;
        self.outputs.iter().map(|name| scope.get(name).at(format!("output {name}"))).collect()
    }

    /// Compares values with the guards on them: all, or those that are there.
    fn check_values(&self, scope: &Scope, all: bool) -> Result<()> {
        for SavedGuard { condition, location, raises } in &self.guards {
            let SavedCondition::Values(name, seen) = condition else { continue };
            let guard = Guard { raises: raises.clone(), ..Guard::values(Default::default(), seen.clone(), location.clone()) };
            match scope.get(name) {
                Ok(value) => value.tensor().and_then(|tensor| guard::values(&guard, tensor, seen))?,
                Err(error) if all => return Err(error),
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Runs the nodes of the graph on the values in the scope.
    fn run_nodes(&self, freed: &[FreedAxis], scope: &mut Scope, found: Option<&DeclarationCheck>) -> Result<()> {
        let runner = GraphRunner {
            functions: &self.functions,
            operators: &self.operators,
            opset: self.opset,
            depth: 0,
            caller: None,
            freed,
            is_foreign: self.is_foreign,
            found,
            is_scan: false,
        };
        // Declarations are compared with values when all is done.
        let last_uses = if found.is_none() { &self.last_uses[..] } else { &[] };
        runner.encoded_nodes(&self.nodes, scope, last_uses).map_err(|error| match freed.first() {
            Some(freed) => error.help(format!(
                "the file declares axis {} of `{}` as {}, and the graph does not allow other sizes",
                freed.axis, freed.input, freed.declared
            )),
            None => error,
        })
    }

    /// The module as a function of the inputs of this example: members of sequences are named `xs.0`, `xs.1` …, and optional inputs that are not in it
    /// are absent.
    ///
    /// # Errors
    /// [`Input`](ErrorCode::Input) where an input is unknown, missing or of another type than declared.
    pub fn with_inputs(self, example: &Example) -> Result<OnnxModule> {
        let names: Vec<&str> = self.inputs.iter().map(|input| input.0.as_str()).collect();
        let known: HashSet<&str> = names.iter().copied().collect();
        // By input: the members that are given of it, with the rest of their names. A name of an input's own is no member of another.
        let mut members: HashMap<&str, Vec<(&str, Tensor)>> = HashMap::new();
        for (given, tensor) in example.inputs() {
            let own = known.contains(given.as_str()).then_some(given.len());
            let prefixes = given.match_indices('.').map(|(at, _)| at).filter(|_| own.is_none());
            let mut ends = own.into_iter().chain(prefixes).filter(|&end| known.contains(&given[..end])).peekable();
            if ends.peek().is_none() {
                return Err(Error::input(format!("there is no input `{given}`")).help(format!("the inputs are: {}", names.join(", "))));
            }
            for end in ends {
                members.entry(&given[..end]).or_default().push((given[end..].trim_start_matches('.'), tensor.clone()));
            }
        }
        let values = self
            .inputs
            .iter()
            .map(|(name, declared)| declared.with_members(name, members.get(name.as_str()).map_or(&[][..], Vec::as_slice)));
        let values = values.collect::<Result<Vec<_>>>()?;
        match self.inputs.iter().all(|(_, declared)| declared.type_of_tensor().is_some()) {
            true => self.check(&values).map(|()| self),
            false => self.arranged(values),
        }
    }

    /// The inputs that may be absent.
    pub(crate) fn optional_inputs(&self) -> Vec<String> {
        self.inputs.iter().filter(|(_, declared)| matches!(declared, Declared::Optional(_))).map(|input| input.0.clone()).collect()
    }

    /// The inputs that are sequences whose length nobody has said.
    pub(crate) fn open_inputs(&self) -> Vec<String> {
        match &self.form {
            Some(_) => Vec::new(),
            None => self.inputs.iter().filter(|(_, declared)| declared.leaves().is_none()).map(|input| input.0.clone()).collect(),
        }
    }

    /// What the file declares of its outputs and other values, where it is not so on these inputs: types of elements, ranks and fixed sizes.
    /// The inputs may be types without values.
    ///
    /// # Errors
    /// Where the graph does not run.
    pub fn wrong_declarations(&self, inputs: &[Tensor]) -> Result<Vec<Error>> {
        let values = match &self.form {
            Some(form) => {
                let mut leaves = inputs.iter().cloned();
                Vec::tree_unflatten(&form.structure(), &mut leaves)?
            }
            None => value::around(&self.inputs, inputs)?,
        };
        let _budget = LoopBudget::of_file(self.size);
        let freed = freed_axes::find(&self.inputs, &values);
        let mut scope = self.scope(values);
        // Iterations of loops, too, and calls of functions.
        let found = DeclarationCheck { wrong: RefCell::default(), nodes: Cell::new(NODES.saturating_add(self.size / NODE)) };
        self.run_nodes(&freed, &mut scope, Some(&found))?;
        let outputs = self.declared_outputs.iter().flatten().map(|info| (OUTPUT, info));
        let declared = outputs.chain(self.declared_values.iter().flatten().map(|info| ("value", info)));
        let free = self.free_symbols(inputs);
        let wrong = declared.filter_map(|(what, info)| wrong_declaration(what, &info, &scope.get(&info.name).ok()?, Some(&free)));
        Ok(wrong.chain(self.wrong_types(&scope)).chain(found.wrong.take()).collect())
    }

    /// The symbols of these inputs for which the file does not declare a size.
    fn free_symbols(&self, inputs: &[Tensor]) -> BTreeSet<Arc<str>> {
        let of_input = |((_, declared), tensor): (&(String, Declared), &Tensor)| {
            let dims = declared.shape()?.iter().zip(tensor.shape().iter());
            Some(dims.filter(|(declared, _)| declared.is_symbolic()).flat_map(|(_, dim)| dim.expr().symbols()).collect::<Vec<_>>())
        };
        match self.form {
            Some(_) => BTreeSet::new(),
            None => self.inputs.iter().zip(inputs).filter_map(of_input).flatten().collect(),
        }
    }

    /// The operands and results of nodes whose element types ONNX's schemas do not allow.
    fn wrong_types(&self, scope: &Scope) -> Vec<Error> {
        let element_type = |name: &str| Some(tensor::data_type(scope.get(name).ok()?.tensor().ok()?.dtype()));
        let mut wrong = Vec::new();
        for (i, proto) in self.nodes.iter().flatten().enumerate() {
            let location = crate::onnx::Node::new(&proto, i).location();
            wrong.extend(wrong_types(&proto, self.opset, &element_type).into_iter().map(|error| error.at(&location)));
        }
        wrong
    }

    /// The inputs and parameters by name.
    fn scope(&self, inputs: Vec<Value>) -> Scope<'_> {
        Scope::of_model(&self.parameters, self.inputs.iter().map(|(name, _)| name.as_str()).zip(inputs))
    }

    /// The shapes that the file declares of these outputs, where it does: with the symbols of the inputs. Where an output has its declared shape, both are one.
    fn declared_shapes(&self, outputs: &[Tensor]) -> Vec<Option<Shape>> {
        let symbols = self.symbols.iter().map(String::as_str).collect();
        let shape = |info: &ValueInfoProto| Declared::of(info, &symbols, &BTreeMap::new()).ok()?.shape().cloned();
        let shared = |(info, output): (Result<Cow<ValueInfoProto>>, &Tensor)| {
            let declared = shape(&*info.ok()?)?;
            Some(if declared == *output.shape() { output.shape().clone() } else { declared })
        };
        self.declared_outputs.iter().zip(outputs).map(shared).collect()
    }

    /// Inputs of the declared types, by name; `None` where a rank or the length of a sequence is not declared.
    pub fn example(&self) -> Option<Example> {
        if let Some(form) = &self.form {
            let leaves = self.named(form).into_iter();
            return Some(leaves.fold(Example::new(), |example, (name, tensor)| example.input(&name, &tensor)));
        }
        let typed = |(name, declared): &(String, Declared)| Some((name.clone(), declared.type_of_tensor()?));
        let types = self.inputs.iter().map(typed).collect::<Option<Vec<_>>>()?;
        Some(types.into_iter().fold(Example::new(), |example, (name, ty)| example.input(&name, &Tensor::of_type(ty))))
    }

    /// The tensors in values for the inputs, by name.
    fn named(&self, values: &[Value]) -> Vec<(String, Tensor)> {
        self.inputs.iter().zip(values).flat_map(|((name, _), value)| value.named(name)).collect()
    }

    /// The parameters by name.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &Array)> {
        let ordered: BTreeMap<&str, &Array> = self.parameters.iter().map(|(name, array)| (&**name, &**array)).collect();
        ordered.into_iter()
    }
}

/// The bytes of a model: of its graph and of its parameters.
fn size_of(model: &Model) -> usize {
    let weights: usize = model.initializers.iter().map(|(_, array)| array.byte_len()).sum();
    weights.saturating_add(prost::Message::encoded_len(&model.proto))
}

/// How messages call an output of the graph.
const OUTPUT: &str = "output";

/// What is wrong about a declared type, given the value; `None` where it is true as far as it is known. Without the symbols that the file leaves free,
/// only types and ranks count, and not whether one number is a scalar or a vector: a body may see other sizes each time.
fn wrong_declaration(what: &str, info: &ValueInfoProto, value: &Value, free: Option<&BTreeSet<Arc<str>>>) -> Option<Error> {
    use crate::onnx::proto::{tensor_shape_proto::dimension, type_proto};
    let wrong = |declared: &str, actual: &str| {
        Some(Error::damaged(format!("declared as {declared}, but is {actual}")).at(format!("{what} {}", info.name)))
    };
    let declared = match (info.r#type.as_ref()?.value.as_ref()?, value) {
        (type_proto::Value::TensorType(_), Value::Sequence(_)) => return wrong("a tensor", "a sequence"),
        (type_proto::Value::TensorType(_), Value::Optional(_)) => return wrong("a tensor", "an optional value"),
        (type_proto::Value::SequenceType(_), Value::Tensor(_)) => return wrong("a sequence", "a tensor"),
        (type_proto::Value::MapType(_), Value::Tensor(_)) => return wrong("a map", "a tensor"),
        (type_proto::Value::TensorType(declared), Value::Tensor(_)) => declared,
        _ => return None,
    };
    let tensor = value.tensor().ok()?;
    let same_type = tensor::dtype(declared.elem_type).is_ok_and(|dtype| dtype == tensor.dtype());
    let declared_sizes = declared.shape.as_ref().map(|shape| &shape.dim);
    let fits = |(dim, actual): (&tensor_shape_proto::Dimension, &Dim)| match (&dim.value, actual.fixed()) {
        (Some(dimension::Value::DimValue(n)), Some(actual)) if *n >= 0 => *n == actual,
        (Some(dimension::Value::DimValue(n)), None) if what == OUTPUT && *n >= 0 => {
            let is_free = free.is_some_and(|free| actual.expr().symbols().iter().all(|symbol| free.contains(symbol)));
            !(is_free && differs(actual, *n))
        }
        _ => true,
    };
    let same_shape = declared_sizes.is_none_or(|dims| match free.is_some() {
        true => dims.len() == tensor.rank() && dims.iter().zip(tensor.shape().iter()).all(fits),
        false => dims.len() == tensor.rank() || dims.len().max(tensor.rank()) == 1,
    });
    if same_type && same_shape {
        return None;
    }
    let size = |dim: &tensor_shape_proto::Dimension| match &dim.value {
        Some(dimension::Value::DimValue(n)) => n.to_string(),
        Some(dimension::Value::DimParam(name)) => name.clone(),
        None => "?".to_string(),
    };
    let sizes = declared_sizes.map_or_else(String::new, |dims| format!("[{}]", dims.iter().map(size).collect::<Vec<_>>().join(",")));
    let declared = tensor::dtype(declared.elem_type).map_or_else(|_| tensor::type_name(declared.elem_type), |dtype| dtype.to_string());
    Some(Error::damaged(format!("declared as {declared}{sizes}, but is {}", tensor.ty())).at(format!("{what} {}", info.name)))
}

/// Whether a size that follows from free sizes of the inputs is not this number wherever these are large.
fn differs(actual: &Dim, n: i64) -> bool {
    let (expr, symbols) = (actual.expr(), actual.expr().symbols());
    let at = |first: i64| expr.eval(&|symbol| symbols.iter().position(|known| **known == *symbol).map(|i| first + i as i64));
    !expr.depends_on_data() && [97, 1009].into_iter().all(|first| at(first).is_some_and(|size| size != n))
}

/// Refuses a graph with operators that have no reader, naming all of them.
fn missing(nodes: &[NodeProto], functions: &[FunctionProto], operators: &OpRegistry) -> Result<()> {
    fn walk<'a>(nodes: &'a [NodeProto], depth: usize, visit: &mut dyn FnMut(&'a NodeProto)) {
        // Deeper graphs are refused when they are run.
        for node in nodes.iter().filter(|_| depth < 64) {
            visit(node);
            for graph in node.attribute.iter().filter_map(|attribute| attribute.g.as_deref()) {
                walk(&graph.node, depth + 1, visit);
            }
        }
    }
    let mut unknown: BTreeMap<String, usize> = BTreeMap::new();
    let mut visit = |node: &NodeProto| {
        let standard = matches!(node.domain.as_str(), "" | "ai.onnx");
        let own = called(functions, node).is_some()
            || run::runs(node)
            || operators.reader(&node.domain, &node.op_type).is_some()
            || ops::reader_of_domain(&node.domain, &node.op_type).is_some();
        let known = own || (standard && ops::reader(&node.op_type).is_some());
        if !known {
            let domain = if standard { String::new() } else { format!("{}.", node.domain) };
            *unknown.entry(format!("{domain}{}", node.op_type)).or_default() += 1;
        }
    };
    walk(nodes, 0, &mut visit);
    for function in functions {
        walk(&function.node, 0, &mut visit);
    }
    if unknown.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = unknown.iter().map(|(name, count)| format!("\n   {name:<32} ×{count}")).collect();
    let operators = match unknown.len() {
        1 => "1 ONNX operator is".to_string(),
        n => format!("{n} ONNX operators are"),
    };
    let error = Error::new(ErrorCode::UnknownOperators, format!("{operators} not supported{}", lines.concat()));
    Err(match unknown.keys().find(|name| name.contains('.')) {
        Some(name) => error.help(format!("custom operator {name} is unknown: open the file with an OpRegistry that has it")),
        None => error,
    })
}

impl OnnxModule {
    /// Compares the sizes of a call with the guards; inside a trace they become guards of that.
    fn check_sizes(&self, inputs: &[Value]) -> Result<()> {
        let mut sizes: HashMap<Arc<str>, Dim> = HashMap::new();
        for ((_, declared), value) in self.inputs.iter().zip(inputs) {
            let (Some(shape), Ok(tensor)) = (declared.shape(), value.tensor()) else { continue };
            for (declared, length) in shape.iter().zip(tensor.shape().iter()) {
                if let Some(symbol) = declared.expr().as_symbol() {
                    sizes.insert(symbol.clone(), length.clone());
                }
            }
        }
        for SavedGuard { condition, location, raises } in &self.guards {
            if let SavedCondition::Sizes(constraint) = condition
                && constraint.symbols().iter().all(|symbol| sizes.contains_key(symbol))
            {
                let guard = Guard { raises: raises.clone(), ..Guard::sizes(constraint.clone(), location.clone()) };
                guard::sizes(&guard, constraint, &sizes)?;
            }
        }
        Ok(())
    }
}

impl DynModule for OnnxModule {
    fn forward(&self, inputs: &[Tensor]) -> Result<Outputs> {
        let values = match &self.form {
            Some(form) => {
                let mut leaves = inputs.iter().cloned();
                let values = Vec::tree_unflatten(&form.structure(), &mut leaves)?;
                if leaves.next().is_some() {
                    return Err(Error::input(format!("expected fewer inputs than {}", inputs.len())));
                }
                values
            }
            None => value::around(&self.inputs, inputs)?,
        };
        let outputs = self.evaluate_owned(values)?;
        let (names, tensors): (Vec<String>, Vec<Tensor>) =
            self.outputs.iter().zip(outputs).flat_map(|(name, value)| value.named(name)).unzip();
        let is_flat = tensors.len() == self.declared_outputs.len();
        let declared = if is_flat { self.declared_shapes(&tensors) } else { Vec::new() };
        Ok(Outputs::of_list(tensors, names).with_declared(declared))
    }

    fn output_names(&self) -> Vec<String> {
        self.outputs.clone()
    }

    fn input_names(&self) -> Vec<String> {
        match &self.form {
            Some(form) => self.named(form).into_iter().map(|leaf| leaf.0).collect(),
            None => self.inputs.iter().map(|input| input.0.clone()).collect(),
        }
    }

    fn file_size(&self) -> Option<usize> {
        Some(self.size)
    }
}
