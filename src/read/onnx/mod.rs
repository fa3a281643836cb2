//! ONNX files as modules: every node is run by the reader that mirrors its operator.

mod lift;
mod run;
mod single;

use crate::array::Array;
use crate::dim::{Bindings, Dim, Expr, Shape, Type};
use crate::error::{At, Code, Error, Result};
use crate::graph::Place;
use crate::module::{Example, Module};
use crate::onnx::proto::{self, FunctionProto, GraphProto, NodeProto, ValueInfoProto};
use crate::onnx::{Model, tensor, verify};
use crate::ops;
use crate::tensor::{Tensor, guard};
use crate::trace::{SavedGuard, guards_of, lengths_of};
use bytes::Bytes;
use run::{Runner, Scope};
#[cfg(feature = "tract")]
pub(crate) use single::{Operand, Single, outer_names};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

/// The opsets whose operators mean what the readers take them to mean.
const OPSETS: std::ops::RangeInclusive<i64> = 1..=28;

/// The length that a symbol has where a file does not say one: kernels and k reach no further in most models.
const ASSUMED: usize = 64;

/// An ONNX model that can be called.
#[derive(Debug)]
pub struct OnnxModule {
    graph: GraphProto,
    functions: Vec<FunctionProto>,
    opset: i64,
    parameters: HashMap<String, Array>,
    inputs: Vec<(String, Type)>,
    outputs: Vec<String>,
    /// The conditions under which a record of ours holds.
    guards: Vec<(SavedGuard, Place)>,
}

impl OnnxModule {
    /// Reads a model; external data is looked for in the folder.
    ///
    /// # Errors
    /// [`Damaged`](Code::Damaged) where it is no valid model, [`UnknownOperators`](Code::UnknownOperators) with all that have no reader.
    pub fn open(bytes: Bytes, folder: Option<&Path>) -> Result<OnnxModule> {
        OnnxModule::new(Model::load(bytes, folder)?)
    }

    /// A model in memory.
    ///
    /// # Errors
    /// As [`OnnxModule::open`].
    pub fn new(model: Model) -> Result<OnnxModule> {
        verify(&model).into_result()?;
        let (guards, lengths) = (guards_of(&model)?, lengths_of(&model));
        let opset = model.opset("").unwrap_or(0);
        if !OPSETS.contains(&opset) {
            return Err(Error::unsupported(format!("opset {opset}, expected {} to {}", OPSETS.start(), OPSETS.end())));
        }
        let parameters: HashMap<String, Array> = model.initializers.into_iter().collect();
        let graph = model.proto.graph.ok_or_else(|| Error::damaged("a model without a graph"))?;
        if let Some(odd) = graph.initializer.first() {
            return Err(
                Error::unsupported(format!("numbers of type {}", tensor::type_name(odd.data_type))).at(format!("initializer {}", odd.name))
            );
        }
        let functions = model.proto.functions;
        missing(&graph, &functions)?;
        let given = graph.input.iter().filter(|info| !parameters.contains_key(&info.name));
        let known = given.clone().flat_map(symbols).collect();
        let typed = |info: &ValueInfoProto| Ok((info.name.clone(), value_type(info, &known, &lengths).at(format!("input {}", info.name))?));
        let inputs = given.map(typed).collect::<Result<_>>()?;
        let outputs = graph.output.iter().map(|info| info.name.clone()).collect();
        Ok(OnnxModule { graph, functions, opset, parameters, inputs, outputs, guards })
    }

    /// Inputs of the declared types, by name.
    pub fn example(&self) -> Option<Example> {
        Some(self.inputs.iter().fold(Example::new(), |example, (name, ty)| example.input(name, &Tensor::of_type(ty.clone()))))
    }

    /// The parameters by name.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &Array)> {
        let ordered: BTreeMap<&str, &Array> = self.parameters.iter().map(|(name, array)| (name.as_str(), array)).collect();
        ordered.into_iter()
    }
}

/// Refuses a graph with operators that have no reader, naming all of them.
fn missing(graph: &GraphProto, functions: &[FunctionProto]) -> Result<()> {
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
        let own = functions.iter().any(|function| function.name == node.op_type && function.domain == node.domain);
        if !own && (!standard || !(run::runs(&node.op_type) || ops::reader(&node.op_type).is_some())) {
            let domain = if standard { String::new() } else { format!("{}.", node.domain) };
            *unknown.entry(format!("{domain}{}", node.op_type)).or_default() += 1;
        }
    };
    walk(&graph.node, 0, &mut visit);
    for function in functions {
        walk(&function.node, 0, &mut visit);
    }
    if unknown.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = unknown.iter().map(|(name, count)| format!("\n   {name:<32} ×{count}")).collect();
    Err(Error::new(Code::UnknownOperators, format!("{} operators of ONNX are not read{}", unknown.len(), lines.concat())))
}

/// The names that are the whole length of an axis.
fn symbols(info: &ValueInfoProto) -> Vec<&str> {
    use proto::tensor_shape_proto::dimension::Value;
    let Some(proto::type_proto::Value::TensorType(ty)) = info.r#type.as_ref().and_then(|ty| ty.value.as_ref()) else { return Vec::new() };
    let name = |dim: &'_ proto::tensor_shape_proto::Dimension| matches!(&dim.value, Some(Value::DimParam(name)) if is_name(name));
    let named = ty.shape.iter().flat_map(|shape| &shape.dim).filter(|dim| name(dim));
    named.filter_map(|dim| if let Some(Value::DimParam(name)) = &dim.value { Some(name.as_str()) } else { None }).collect()
}

/// The declared type of a value; a symbolic length keeps its name, or its expression where inputs have axes of all its symbols. `lengths`
/// are those of the example, where the file knows them.
fn value_type(info: &ValueInfoProto, known: &BTreeSet<&str>, lengths: &BTreeMap<String, i64>) -> Result<Type> {
    use proto::tensor_shape_proto::dimension::Value;
    let Some(proto::type_proto::Value::TensorType(ty)) = info.r#type.as_ref().and_then(|ty| ty.value.as_ref()) else {
        return Err(Error::unsupported("an input that is no tensor"));
    };
    let shape = ty.shape.as_ref().ok_or_else(|| Error::unsupported("an input without a rank"))?;
    let seen = |symbol: &str| Some(lengths.get(symbol).copied().unwrap_or(ASSUMED as i64));
    let length = |(axis, dim): (usize, &proto::tensor_shape_proto::Dimension)| match &dim.value {
        Some(Value::DimValue(n)) => Dim::Fixed(*n),
        Some(Value::DimParam(name)) if is_name(name) => Dim::new(Expr::symbol(name), seen(name)),
        Some(Value::DimParam(text)) if expression(text, known).is_some() => {
            let expr = expression(text, known).unwrap_or_default();
            let seen = expr.eval(&seen);
            Dim::new(expr, seen)
        }
        _ => Dim::symbol(&format!("{}_{axis}", info.name.replace(|c: char| !c.is_ascii_alphanumeric(), "_")), ASSUMED),
    };
    Ok(Type::new(tensor::dtype(ty.elem_type)?, shape.dim.iter().enumerate().map(length).collect::<Shape>()))
}

/// The expression of a text, where all of its symbols are known.
fn expression(text: &str, known: &BTreeSet<&str>) -> Option<Expr> {
    Expr::parse(text).filter(|expr| expr.symbols().iter().all(|symbol| known.contains(&**symbol)))
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl OnnxModule {
    /// Holds the lengths of a call against the guards; inside a trace they become guards of that.
    fn check_lengths(&self, inputs: &[Tensor]) -> Result<()> {
        let mut lengths: HashMap<Arc<str>, Dim> = HashMap::new();
        for ((_, ty), tensor) in self.inputs.iter().zip(inputs) {
            for (declared, length) in ty.shape.iter().zip(tensor.shape().iter()) {
                if let Some(symbol) = declared.expr().as_symbol() {
                    lengths.insert(symbol.clone(), length.clone());
                }
            }
        }
        for (guard, place) in &self.guards {
            if let SavedGuard::Lengths(constraint) = guard
                && constraint.symbols().iter().all(|symbol| lengths.contains_key(symbol))
            {
                guard::lengths(constraint, &lengths, place)?;
            }
        }
        Ok(())
    }
}

impl Module for OnnxModule {
    fn forward(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        if inputs.len() != self.inputs.len() {
            return Err(Error::input(format!("expected {} inputs, got {}", self.inputs.len(), inputs.len())));
        }
        let mut scope = Scope::new();
        let mut seen = Vec::with_capacity(inputs.len());
        for ((name, ty), tensor) in self.inputs.iter().zip(inputs) {
            if ty.dtype != tensor.dtype() || ty.rank() != tensor.rank() {
                return Err(Error::input(format!("expected {ty}, got {}", tensor.ty())).at(format!("input {name}")));
            }
            seen.extend(tensor.shape().seen().map(|lengths| (name.as_str(), &ty.shape, lengths)));
            scope.insert(name, tensor.clone().into());
        }
        Bindings::of(seen.iter().map(|(name, shape, lengths)| (*name, *shape, lengths.as_slice())))?;
        self.check_lengths(inputs)?;
        for (name, array) in &self.parameters {
            scope.insert(name, Tensor::from(array.clone()).named(name).into());
        }
        Runner { functions: &self.functions, opset: self.opset, depth: 0 }.nodes(&self.graph.node, &mut scope)?;
        for (guard, place) in &self.guards {
            if let SavedGuard::Numbers(name, seen) = guard {
                scope.get(name).and_then(|value| value.tensor().and_then(|tensor| guard::numbers(tensor, seen, place)))?;
            }
        }
        let output = |name: &String| scope.get(name).and_then(|value| value.tensor().cloned()).at(format!("output {name}"));
        self.outputs.iter().map(output).collect()
    }

    fn input_names(&self) -> Vec<String> {
        self.inputs.iter().map(|input| input.0.clone()).collect()
    }

    fn output_names(&self) -> Vec<String> {
        self.outputs.clone()
    }
}
