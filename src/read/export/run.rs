//! Runs an exported graph: every node is a call of the table of torch's operators.

use super::schema::{OutputSpec, SchemaArgument, SchemaGraph, SchemaNode};
use super::{ExportedProgram, InputSource, scalar_type};
use crate::array::DType;
use crate::dim::Dim;
use crate::error::{Error, Result, ResultExt};
use crate::read::aten;
use crate::read::aten::value::{Value, View};
use crate::read::script::{binary, unary};
use crate::tensor::{Tensor, location, superseded};
use std::collections::HashMap;

/// How deeply graphs may nest.
pub(super) const DEEPEST: usize = 32;

/// Nodes that only check what is known anyway, or that say something to torch alone.
const SILENT: &[&str] = &[
    "aten._assert_async",
    "aten._assert_scalar",
    "aten._assert_tensor_metadata",
    "aten.sym_constrain_range",
    "aten.sym_constrain_range_for_size",
    "aten._check",
    "aten._linalg_check_errors",
];

/// Runs an operator in the order of others: a token goes in first and comes out first.
const EFFECTS: &str = "torch.ops.higher_order.with_effects";

/// The operator that a node stands for.
pub(super) fn performed(node: &SchemaNode) -> &str {
    match node.inputs.get(1).map(|input| &input.arg) {
        Some(SchemaArgument::AsOperator(target)) if node.target == EFFECTS => target,
        _ => &node.target,
    }
}

/// Arithmetic on sizes: torch's name, and the sign.
const ARITHMETIC: &[(&str, &str)] = &[
    ("_operator.add", "+"),
    ("_operator.and_", "and"),
    ("_operator.eq", "=="),
    ("_operator.floordiv", "//"),
    ("_operator.ge", ">="),
    ("_operator.gt", ">"),
    ("_operator.le", "<="),
    ("_operator.lt", "<"),
    ("_operator.mod", "%"),
    ("_operator.mul", "*"),
    ("_operator.ne", "!="),
    ("_operator.or_", "or"),
    ("_operator.pow", "**"),
    ("_operator.sub", "-"),
    ("_operator.truediv", "/"),
];

/// What is done with sizes besides.
const OF_SIZES: &[&str] = &[
    "torch.sym_max",
    "torch.sym_min",
    "torch.sym_not",
    "torch.sym_int",
    "torch.sym_float",
    "torch.sym_sum",
    "torch.sym_ite",
    "_operator.neg",
    "_operator.not_",
    "_operator.pos",
];

/// Operators that hold graphs.
const HIGHER: &[&str] = &["wrap_with_set_grad_enabled", "wrap_with_autocast", "cond", "while_loop", "map_impl", "scan"];

/// The name and the overload of an operator: `aten.relu` of `torch.ops.aten.relu.default`.
fn operator(target: &str) -> &str {
    let name = target.trim_start_matches("torch.ops.");
    match name.match_indices('.').nth(1) {
        Some((end, _)) => &name[..end],
        None => name,
    }
}

/// The name that the table of operators has for one: aten's own stand there without their namespace.
fn in_table(name: &str) -> &str {
    name.strip_prefix("aten.").unwrap_or(name)
}

/// Whether a node can be run.
pub(super) fn knows(target: &str) -> bool {
    let name = operator(target);
    SILENT.contains(&name)
        || ARITHMETIC.iter().any(|row| row.0 == target)
        || OF_SIZES.contains(&target)
        || name.strip_prefix("higher_order.").is_some_and(|name| HIGHER.contains(&name))
        || aten::resolve(in_table(name)).is_some()
}

type Values = HashMap<String, Value>;

/// Runs the program: its own outputs, then the buffers that it wrote to; and what it wrote to, by name.
pub(super) fn run(program: &ExportedProgram, inputs: &[Tensor]) -> Result<(Vec<Tensor>, Vec<String>)> {
    let wanted = program.example.inputs().len();
    if inputs.len() != wanted {
        let names: Vec<&str> = program.example.inputs().iter().map(|input| input.0.as_str()).collect();
        return Err(Error::input(format!("expected {wanted} inputs ({}), got {}", names.join(", "), inputs.len())));
    }
    let mut values = Values::new();
    let mut given = inputs.iter();
    for source in &program.inputs {
        match source {
            // A cell of its own for every call, so that what one call writes the next does not see.
            InputSource::Stored { input, tensor, pairs: true, .. } => drop(values.insert(input.clone(), aten::complex::stored(tensor)?)),
            InputSource::Stored { input, tensor, .. } => drop(values.insert(input.clone(), Value::Tensor(View::stored(tensor.clone())))),
            InputSource::Given(name) => {
                let tensor = given.next().ok_or_else(|| Error::internal("too few inputs"))?;
                values.insert(name.clone(), tensor.clone().into());
            }
            InputSource::Fixed(name, argument) if !name.is_empty() => {
                let value = value(argument, &values)?;
                values.insert(name.clone(), value);
            }
            InputSource::Fixed(..) | InputSource::Nothing => {}
        }
    }
    ProgramRunner { autocast: false, depth: 0 }.nodes(&program.graph, &mut values)?;
    let mut outputs = Vec::new();
    for spec in &program.outputs {
        let found = match spec {
            OutputSpec::UserOutput { arg } => value(arg, &values)?,
            OutputSpec::BufferMutation { arg, .. }
            | OutputSpec::ParameterMutation { arg, .. }
            | OutputSpec::UserInputMutation { arg, .. }
            | OutputSpec::LossOutput { arg } => get(&arg.name, &values)?,
            OutputSpec::GradientToParameter(_) | OutputSpec::GradientToUserInput(_) => {
                return Err(Error::unsupported("programs that compute gradients are not supported"));
            }
            OutputSpec::Token(_) => continue,
        };
        match found {
            Value::Tensor(view) => outputs.push(view.read()?),
            Value::Int(dim) => outputs.push(Tensor::from_dim(&dim)),
            Value::Float(x) => outputs.push(Tensor::from(crate::Array::scalar(x as f32))),
            Value::Bool(x) => outputs.push(Tensor::from(crate::Array::scalar(x))),
            Value::None => {}
            Value::Complex(_) => return Err(aten::complex::refused()),
            other => return Err(Error::unsupported(format!("an output of type {} is not supported", other.kind()))),
        }
    }
    let mut written: Vec<String> = Vec::new();
    written.extend(program.outputs.iter().filter_map(|spec| match spec {
        OutputSpec::BufferMutation { buffer_name: name, .. } | OutputSpec::ParameterMutation { parameter_name: name, .. } => {
            Some(name.clone())
        }
        _ => None,
    }));
    for source in &program.inputs {
        let InputSource::Stored { input, name, buffer: true, .. } = source else { continue };
        match values.get(input) {
            Some(Value::Tensor(view)) if view.is_written() => {
                outputs.push(view.read().at(name)?);
                written.push(name.clone());
            }
            Some(Value::Complex(pair)) if pair.re.is_written() || pair.im.is_written() => {
                return Err(aten::complex::refused()).at(name);
            }
            _ => {}
        }
    }
    Ok((outputs, written))
}

fn get(name: &str, values: &Values) -> Result<Value> {
    values.get(name).cloned().ok_or_else(|| Error::damaged(format!("`{name}` is not defined")))
}

fn list<T>(items: &[T], value: impl Fn(&T) -> Result<Value>) -> Result<Value> {
    items.iter().map(value).collect::<Result<Vec<_>>>().map(Value::list)
}

/// The value of an argument.
fn value(argument: &SchemaArgument, values: &Values) -> Result<Value> {
    let int = |n: &i64| Ok(Value::Int(Dim::Fixed(*n)));
    Ok(match argument {
        SchemaArgument::AsNone(_) => Value::None,
        SchemaArgument::AsTensor(name) => get(&name.name, values)?,
        SchemaArgument::AsName(name) => get(name, values)?,
        SchemaArgument::AsTensors(names) => list(names, |name| get(&name.name, values))?,
        SchemaArgument::AsNestedTensors(lists) => list(lists, |names| list(names, |name| get(&name.name, values)))?,
        SchemaArgument::AsOptionalTensor(inner)
        | SchemaArgument::AsSymInt(inner)
        | SchemaArgument::AsSymFloat(inner)
        | SchemaArgument::AsSymBool(inner) => value(inner, values)?,
        SchemaArgument::AsOptionalTensors(items)
        | SchemaArgument::AsSymInts(items)
        | SchemaArgument::AsSymFloats(items)
        | SchemaArgument::AsSymBools(items) => list(items, |item| value(item, values))?,
        SchemaArgument::AsInt(n) => int(n)?,
        SchemaArgument::AsInts(ints) => list(ints, int)?,
        SchemaArgument::AsIntLists(lists) => list(lists, |ints| list(ints, int))?,
        SchemaArgument::AsFloat(x) => Value::Float(x.number()),
        SchemaArgument::AsFloats(floats) => list(floats, |x| Ok(Value::Float(x.number())))?,
        SchemaArgument::AsBool(x) => Value::Bool(*x),
        SchemaArgument::AsBools(flags) => list(flags, |x| Ok(Value::Bool(*x)))?,
        SchemaArgument::AsString(text) => Value::Str(text.as_str().into()),
        SchemaArgument::AsStrings(texts) => list(texts, |text| Ok(Value::Str(text.as_str().into())))?,
        SchemaArgument::AsScalarType(number) => int(&scalar_type(*number)?)?,
        // Contiguous, channels last, channels last in 3d, preserve: c10 counts otherwise.
        SchemaArgument::AsMemoryFormat(number) => int(&match number {
            1 => 0,
            4 => 1,
            other => *other,
        })?,
        SchemaArgument::AsLayout(_) => int(&0)?,
        SchemaArgument::AsDevice(_) => Value::Device,
        SchemaArgument::AsGraph(_) => return Err(Error::unsupported("an operator with a graph argument is not supported")),
        SchemaArgument::AsComplex(x) => aten::complex::number(x.real.number(), x.imag.number()),
        SchemaArgument::AsOperator(_) | SchemaArgument::AsCustomObj(_) => {
            return Err(Error::unsupported("an argument is not a tensor, number or string"));
        }
    })
}

/// What holds for the nodes of a graph.
struct ProgramRunner {
    /// Whether dtypes are those that the file declares, as under autocast.
    autocast: bool,
    depth: usize,
}

impl ProgramRunner {
    fn nodes(&self, graph: &SchemaGraph, values: &mut Values) -> Result<()> {
        if self.depth > DEEPEST {
            return Err(Error::too_deep("graphs nested too deeply"));
        }
        for node in &graph.nodes {
            superseded()?;
            let stack = node.metadata.nn_module_stack.as_deref().unwrap_or_default();
            let path = stack.rsplit(';').next().and_then(|entry| entry.split(',').nth(1)).unwrap_or_default();
            let _scope = location::absolute_scope(path);
            let _line = location::line(node.metadata.stack_trace.as_deref().unwrap_or_default());
            let location = || match (&node.metadata.stack_trace, path) {
                (Some(line), "") => line.clone(),
                (Some(line), path) => format!("{path} at {line}"),
                (None, path) => path.to_string(),
            };
            self.node(graph, node, values).at(location())?;
        }
        Ok(())
    }

    fn node(&self, graph: &SchemaGraph, node: &SchemaNode, values: &mut Values) -> Result<()> {
        let target = performed(node);
        let name = operator(target);
        if SILENT.contains(&name) {
            return Ok(());
        }
        if let Some(higher) = name.strip_prefix("higher_order.") {
            return self.higher(higher, node, values);
        }
        let (mut positional, mut named) = (Vec::new(), Vec::new());
        // Beside its own operands, an effect has a token and the operator in front, and a token among the outputs.
        let (inputs, outputs) = match node.target == EFFECTS {
            true => (node.inputs.get(2..).unwrap_or_default(), node.outputs.get(1..).unwrap_or_default()),
            false => (&node.inputs[..], &node.outputs[..]),
        };
        for input in inputs {
            let value = value(&input.arg, values).at(&input.name)?;
            match input.kind {
                Some(2) => named.push((input.name.clone(), value)),
                _ => positional.push(value),
            }
        }
        let mut result = call(node, &positional, &named)?;
        if self.autocast
            && let Some(dtype) = declared(graph, node)?
            && let Value::Tensor(view) = &result
            && view.read()?.dtype() != dtype
            && dtype.is_float()
        {
            for value in &mut positional {
                if let Value::Tensor(view) = value
                    && view.read()?.dtype().is_float()
                {
                    *value = view.read()?.cast(dtype)?.into();
                }
            }
            result = call(node, &positional, &named)?;
            result = result.view()?.read()?.cast(dtype)?.into();
        }
        bind(outputs, result, values)
    }

    /// A graph that runs where it stands, or one of two.
    fn higher(&self, name: &str, node: &SchemaNode, values: &mut Values) -> Result<()> {
        let graphs: Vec<&SchemaGraph> = node
            .inputs
            .iter()
            .filter_map(|input| if let SchemaArgument::AsGraph(inner) = &input.arg { Some(&inner.graph) } else { None })
            .collect();
        let last = node.inputs.iter().rposition(|input| matches!(input.arg, SchemaArgument::AsGraph(_)));
        let mut groups = Vec::new();
        for input in &node.inputs[last.map_or(0, |last| last + 1)..] {
            groups.push(match value(&input.arg, values)? {
                Value::List(items) => items.borrow().to_vec(),
                Value::Tuple(items) => items.to_vec(),
                other => vec![other],
            });
        }
        let operands = groups.concat();
        let (graph, autocast) = match (name, graphs.as_slice()) {
            ("wrap_with_set_grad_enabled", [graph]) => (*graph, self.autocast),
            // device, dtype, enabled, cache
            ("wrap_with_autocast", [graph]) => {
                (*graph, matches!(node.inputs.get(2).map(|input| &input.arg), Some(SchemaArgument::AsBool(true))))
            }
            ("cond", [then, otherwise]) => {
                let condition = node.inputs.first().ok_or_else(|| Error::damaged("a condition is missing"))?;
                match value(&condition.arg, values)? {
                    Value::Tensor(view) if view.read()?.is_traced() => {
                        let run = |graph: &SchemaGraph| tensors(&self.inside(graph, &operands, self.autocast)?);
                        let chosen = crate::ops::cond(&view.read()?, || run(then), || run(otherwise))?;
                        return bind_all(node, chosen.into_iter().map(Value::from).collect(), values);
                    }
                    Value::Tensor(view) => (if view.read()?.item()?.to_f64() != 0.0 { *then } else { *otherwise }, self.autocast),
                    other => (if other.number()?.to_f64() != 0.0 { *then } else { *otherwise }, self.autocast),
                }
            }
            ("while_loop", [condition, body]) => return bind_all(node, self.repeat(condition, body, &operands)?, values),
            ("map_impl", [body]) => {
                let [xs, others] = groups.as_slice() else { return Err(Error::damaged("map: expected two lists of operands")) };
                return bind_all(node, self.steps(body, &[], xs, others)?, values);
            }
            ("scan", [body]) => {
                let [first, xs, others] = groups.as_slice() else { return Err(Error::damaged("scan: expected three lists of operands")) };
                return bind_all(node, self.steps(body, first, xs, others)?, values);
            }
            _ => return Err(Error::damaged(format!("{name}: unexpected number of graphs: {}", graphs.len()))),
        };
        let results = self.inside(graph, &operands, autocast)?;
        bind_all(node, results, values)
    }

    /// A graph that runs as long as another says so; what its outputs do not replace stays as it is.
    fn repeat(&self, condition: &SchemaGraph, body: &SchemaGraph, operands: &[Value]) -> Result<Vec<Value>> {
        let (state, others) =
            operands.split_at_checked(body.outputs.len()).ok_or_else(|| Error::damaged("while_loop: too few operands"))?;
        let run = |graph: &SchemaGraph, state: &[Tensor]| {
            let operands: Vec<Value> = state.iter().cloned().map(Value::from).chain(others.iter().cloned()).collect();
            tensors(&self.inside(graph, &operands, self.autocast)?)
        };
        let goes_on =
            |state: &[Tensor]| run(condition, state)?.into_iter().next().ok_or_else(|| Error::damaged("while_loop: no condition"));
        let state = tensors(state)?;
        let first = goes_on(&state)?;
        let end = crate::ops::while_loop(&first, state, |state| {
            let new = run(body, state)?;
            Ok((goes_on(&new)?, new))
        })?;
        Ok(end.into_iter().map(Value::from).collect())
    }

    /// A graph that runs once for each index of the first axis of `xs`: a state goes from step to step, and what else it gives is stacked.
    fn steps(&self, body: &SchemaGraph, first: &[Value], xs: &[Value], others: &[Value]) -> Result<Vec<Value>> {
        let (state, stacks) = crate::ops::read_scan(tensors(first)?, &tensors(xs)?, |state, slices| {
            let operands: Vec<Value> = state.iter().chain(slices).cloned().map(Value::from).chain(others.iter().cloned()).collect();
            let mut results = tensors(&self.inside(body, &operands, self.autocast)?)?;
            if results.len() < state.len() {
                return Err(Error::damaged("scan: the body returns fewer values than its state has"));
            }
            let items = results.split_off(state.len());
            Ok((results, items))
        })?;
        Ok(state.into_iter().chain(stacks).map(Value::from).collect())
    }

    /// Runs a graph inside a node on these operands.
    fn inside(&self, graph: &SchemaGraph, operands: &[Value], autocast: bool) -> Result<Vec<Value>> {
        let mut inner = Values::new();
        if graph.inputs.len() != operands.len() {
            return Err(Error::damaged(format!("{} operands for a graph with {} inputs", operands.len(), graph.inputs.len())));
        }
        for (input, operand) in graph.inputs.iter().zip(operands) {
            let name = match input {
                SchemaArgument::AsTensor(name) => &name.name,
                SchemaArgument::AsName(name) => name,
                SchemaArgument::AsSymInt(inner) => match &**inner {
                    SchemaArgument::AsName(name) => name,
                    _ => continue,
                },
                _ => continue,
            };
            inner.insert(name.clone(), operand.clone());
        }
        ProgramRunner { autocast, depth: self.depth + 1 }.nodes(graph, &mut inner)?;
        graph.outputs.iter().map(|output| value(output, &inner)).collect()
    }
}

fn tensors(values: &[Value]) -> Result<Vec<Tensor>> {
    values.iter().map(|value| value.view()?.read()).collect()
}

/// Names what a node with a graph gave.
fn bind_all(node: &SchemaNode, results: Vec<Value>, values: &mut Values) -> Result<()> {
    let single = node.outputs.len() == 1 && results.len() == 1 && !matches!(node.outputs[0], SchemaArgument::AsTensors(_));
    let result = if single { results.into_iter().next().unwrap_or(Value::None) } else { Value::tuple(results) };
    bind(&node.outputs, result, values)
}

/// What a node computes: arithmetic on sizes, or an operator of the table.
fn call(node: &SchemaNode, positional: &[Value], named: &[(String, Value)]) -> Result<Value> {
    let target = performed(node);
    let all = || positional.iter().chain(named.iter().map(|entry| &entry.1)).cloned().collect::<Vec<_>>();
    if let Some((_, sign)) = ARITHMETIC.iter().find(|row| row.0 == target) {
        return match all().as_slice() {
            // A comparison with a size that depends on data is not decided here; what it is for is an assertion.
            [a, b] if sign.starts_with(['<', '>', '=', '!', 'a', 'o']) => Ok(binary(sign, a, b).unwrap_or(Value::None)),
            [a, b] => binary(sign, a, b),
            other => Err(Error::damaged(format!("{target}: unexpected number of values: {}", other.len()))),
        };
    }
    match (target, all().as_slice()) {
        ("torch.sym_max", [a, b]) => return Ok(Value::Int(a.dim()?.max(b.dim()?))),
        ("torch.sym_min", [a, b]) => return Ok(Value::Int(a.dim()?.min(b.dim()?))),
        // Of what nothing is known, an assertion asks.
        ("torch.sym_not" | "_operator.not_", [Value::None]) => return Ok(Value::None),
        ("torch.sym_not" | "_operator.not_", [a]) => return unary("not", a),
        ("_operator.neg", [a]) => return unary("-", a),
        ("_operator.pos" | "torch.sym_int", [a]) => return a.dim().map(Value::Int),
        ("torch.sym_float", [a @ Value::Tensor(_)]) => return Ok(a.clone()),
        ("torch.sym_float", [a]) => return a.number().map(|x| Value::Float(x.to_f64())),
        ("torch.sym_sum", [list]) => {
            let sum = list.elements()?.iter().map(Value::dim).collect::<Result<Vec<Dim>>>()?;
            return Ok(Value::Int(sum.into_iter().sum()));
        }
        ("torch.sym_ite", [condition, then, otherwise]) => return either(condition, then, otherwise),
        _ => {}
    }
    let name = in_table(operator(target));
    let operator = node.operator.get_or_init(|| aten::resolve(name)).ok_or_else(|| aten::unknown(name))?;
    let result = operator.call(positional, named)?;
    match &result {
        // An integer that is read out of a tensor is a size or an index of what follows.
        Value::Tensor(view) if READS.contains(&name) && view.read()?.dtype().is_int() => view.read()?.to_dim().map(Value::Int),
        _ => Ok(result),
    }
}

/// The operators that read the only element of a tensor.
const READS: &[&str] = &["item", "_local_scalar_dense"];

/// One of two values, by a condition that may differ from call to call.
fn either(condition: &Value, then: &Value, otherwise: &Value) -> Result<Value> {
    let Value::Tensor(view) = condition else {
        return Ok(if condition.number()?.to_f64() != 0.0 { then.clone() } else { otherwise.clone() });
    };
    let tensor = |value: &Value| value.dim().map(|dim| Tensor::from_dim(&dim));
    view.read()?.where_(&tensor(then)?, &tensor(otherwise)?).map(Value::from)
}

/// The dtype that the file declares for the first output of a node.
fn declared(graph: &SchemaGraph, node: &SchemaNode) -> Result<Option<DType>> {
    let Some(SchemaArgument::AsTensor(name)) = node.outputs.first() else { return Ok(None) };
    graph.tensor_values.get(&name.name).map(|meta| super::dtype(meta.dtype)).transpose()
}

/// Names what a node gave.
fn bind(outputs: &[SchemaArgument], result: Value, values: &mut Values) -> Result<()> {
    match outputs {
        [] => Ok(()),
        [output] => one(output, result, values),
        several => {
            let results = result.elements()?;
            if results.len() < several.len() {
                return Err(Error::damaged(format!("{} names for {} results", several.len(), results.len())));
            }
            several.iter().zip(results).try_for_each(|(output, result)| one(output, result, values))
        }
    }
}

fn one(output: &SchemaArgument, result: Value, values: &mut Values) -> Result<()> {
    match output {
        SchemaArgument::AsTensor(name) => {
            // An operator of one tensor may be spelled as a tuple of one.
            let result = match &result {
                Value::Tuple(items) if items.len() == 1 => items[0].clone(),
                _ => result,
            };
            values.insert(name.name.clone(), result);
        }
        SchemaArgument::AsName(name) => drop(values.insert(name.clone(), result)),
        SchemaArgument::AsSymInt(inner)
        | SchemaArgument::AsSymBool(inner)
        | SchemaArgument::AsSymFloat(inner)
        | SchemaArgument::AsOptionalTensor(inner) => {
            one(inner, result, values)?;
        }
        SchemaArgument::AsTensors(names) => {
            let results = result.elements()?;
            if results.len() != names.len() {
                return Err(Error::damaged(format!("{} names for {} results", names.len(), results.len())));
            }
            for (name, result) in names.iter().zip(results) {
                values.insert(name.name.clone(), result);
            }
        }
        SchemaArgument::AsNone(_) => {}
        _ => return Err(Error::damaged("an output is not a value")),
    }
    Ok(())
}
