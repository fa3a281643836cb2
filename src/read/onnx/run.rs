//! Runs a graph of an ONNX file: nodes, the graphs inside them, functions, and values that are no tensors.

use super::encoded::{Encoded, LastUse};
use super::freed_axes::{self, FreedAxis};
use super::opset_upgrade::{Upgraded, upgrade};
use super::value::Value;
use super::wrong_declaration;
use crate::array::Array;
use crate::dim::Dim;
use crate::error::{Error, ErrorCode, Result, ResultExt};
use crate::graph::Inputs;
use crate::onnx::proto::{AttributeProto, FunctionProto, GraphProto, NodeProto};
use crate::onnx::{LINE_KEY, Node, SCOPE_KEY, called};
use crate::ops::{self, Iteration, IterationCount, OpRegistry};
use crate::tensor::{Tensor, is_tracing, location, superseded};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

/// How deeply graphs and functions may nest.
const DEEPEST: usize = 64;

/// The parameters of a model by name: a tensor of one is made where it is used.
pub(super) type Parameters = HashMap<Arc<str>, Arc<Array>>;

/// The values that can be seen from a graph: its own, then those around it.
#[derive(Clone)]
pub(super) struct Scope<'a> {
    own: HashMap<Cow<'a, str>, Value>,
    parameters: Option<&'a Parameters>,
    around: Option<&'a Scope<'a>>,
}

impl<'a> Scope<'a> {
    pub(super) fn new() -> Scope<'a> {
        Scope { own: HashMap::new(), parameters: None, around: None }
    }

    /// That of a whole model, which sees its inputs and parameters.
    pub(super) fn of_model(parameters: &'a Parameters, inputs: impl Iterator<Item = (&'a str, Value)>) -> Scope<'a> {
        Scope { own: inputs.map(|(name, value)| (Cow::Borrowed(name), value)).collect(), parameters: Some(parameters), around: None }
    }

    fn inside(around: &'a Scope<'a>) -> Scope<'a> {
        Scope { around: Some(around), ..Scope::new() }
    }

    pub(super) fn insert(&mut self, name: &str, value: Value) {
        self.own.insert(Cow::Owned(name.to_string()), value);
    }

    pub(super) fn get(&self, name: &str) -> Result<Value> {
        if let Some(value) = self.own.get(name) {
            return Ok(value.clone());
        }
        if let Some((name, array)) = self.parameters.and_then(|parameters| parameters.get_key_value(name)) {
            return Ok(Tensor::of_parameter(name, array).into());
        }
        match self.around {
            Some(around) => around.get(name),
            None => Err(Error::damaged(format!("`{name}` is not defined"))),
        }
    }
}

/// The operators of this file: those that hold graphs, and those on values that are no tensors.
const OWN: &[&str] = &[
    "If",
    "Loop",
    "Scan",
    "SequenceMap",
    "SequenceConstruct",
    "SequenceEmpty",
    "SequenceAt",
    "SequenceInsert",
    "SequenceErase",
    "SequenceLength",
    "SplitToSequence",
    "ConcatFromSequence",
    "Optional",
    "OptionalHasElement",
    "OptionalGetElement",
];

/// Whether this file, and not a reader of tensors, runs a node.
pub(super) fn runs(node: &NodeProto) -> bool {
    match node.domain.as_str() {
        "" | "ai.onnx" => OWN.contains(&node.op_type.as_str()),
        "ai.onnx.preview" => node.op_type == "FlexAttention",
        _ => false,
    }
}

/// A comparison of declarations with values: what was found, and how many nodes it may still run.
pub(super) struct DeclarationCheck {
    pub wrong: RefCell<Vec<Error>>,
    pub nodes: Cell<usize>,
}

/// What nodes are run with.
#[derive(Clone, Copy)]
pub(super) struct GraphRunner<'a> {
    /// In the order of what identifies them.
    pub functions: &'a [FunctionProto],
    /// Operators of other domains that are read as what they are, whether or not there is a function of their name.
    pub operators: &'a OpRegistry,
    /// The version of the standard domain.
    pub opset: i64,
    pub depth: usize,
    /// In the body of a function: the module that the call belongs to.
    pub caller: Option<&'a str>,
    /// Sizes that are free in this trace and fixed in the file.
    pub freed: &'a [FreedAxis],
    /// Whether another program wrote the file.
    pub is_foreign: bool,
    /// Where wrong declarations in the graphs inside nodes are collected, if they are asked for.
    pub found: Option<&'a DeclarationCheck>,
    /// Whether the graph to be run is the body of a Scan, of which the sizes are the same in each iteration.
    pub is_scan: bool,
}

impl GraphRunner<'_> {
    /// Runs all nodes of a model in order, and drops each value behind its last use where these are given.
    pub(super) fn encoded_nodes(&self, nodes: &Encoded<NodeProto>, scope: &mut Scope, last_uses: &[LastUse]) -> Result<()> {
        let mut ahead = last_uses;
        for (i, proto) in nodes.iter().enumerate() {
            let proto = proto?;
            self.step(i, &proto, scope)?;
            for name in LastUse::take(&mut ahead, i, &proto) {
                scope.own.remove(name);
            }
        }
        Ok(())
    }

    /// Runs all nodes of a graph in order.
    pub(super) fn nodes(&self, nodes: &[NodeProto], scope: &mut Scope) -> Result<()> {
        if self.depth > DEEPEST {
            return Err(Error::too_deep("graphs nested too deeply"));
        }
        nodes.iter().enumerate().try_for_each(|(i, proto)| self.step(i, proto, scope))
    }

    fn step(&self, i: usize, proto: &NodeProto, scope: &mut Scope) -> Result<()> {
        superseded()?;
        if let Some(check) = self.found {
            let left = check.nodes.get().checked_sub(1);
            check.nodes.set(left.ok_or_else(|| Error::too_big("more nodes are run than the size of the file justifies"))?);
        }
        let node = Node::new(proto, i);
        let outputs = self
            .node(&node, proto, scope)
            .map_err(|error| if error.locations().next().is_some() { error } else { error.at(node.location()) })?;
        for (name, value) in proto.output.iter().zip(outputs).filter(|(name, _)| !name.is_empty()) {
            scope.insert(name, value);
        }
        Ok(())
    }

    fn node(&self, node: &Node, proto: &NodeProto, scope: &Scope) -> Result<Vec<Value>> {
        let known = |name: Option<&str>| name.map(|name| scope.get(name)).transpose();
        let arguments = node.inputs().map(known).collect::<Result<Vec<_>>>().at(node.location())?;
        let metadata = |key: &str| proto.metadata_props.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str());
        let path = match (self.caller.unwrap_or_default(), metadata(SCOPE_KEY).unwrap_or_default()) {
            (outer, "") => outer.to_string(),
            ("", own) => own.to_string(),
            (outer, own) => format!("{outer}.{own}"),
        };
        let _scope = (!path.is_empty()).then(|| location::absolute_scope(&path));
        // What says no line in the body of a function is at the line of the call.
        let own_name = if self.is_foreign { proto.name.as_str() } else { "" };
        let line = metadata(LINE_KEY).or(self.caller.is_none().then_some(own_name));
        let _line = line.map(location::line);
        let standard = matches!(node.domain(), "" | "ai.onnx");
        if standard && node.op_type() == "Identity" {
            return Ok(arguments.into_iter().flatten().collect());
        }
        let own = self.operators.reader(node.domain(), node.op_type());
        if own.is_none()
            && let Some(function) = called(self.functions, proto)
        {
            return self.function(function, proto, &path, &arguments).at(node.location());
        }
        if runs(proto) {
            return self.own(node, &arguments, scope).at(node.location());
        }
        let tensors =
            arguments.iter().map(|value| value.as_ref().map(Value::tensor).transpose()).collect::<Result<Vec<_>>>().at(node.location())?;
        let target = self.freed_shape(node, &tensors)?;
        let tensors = match &target {
            Some(shape) => vec![tensors[0], Some(shape)],
            None => tensors,
        };
        if let Some(read) = own {
            return Ok(read(node, &Inputs::new(&tensors)).at(node.location())?.into_iter().map(Value::from).collect());
        }
        if let Some(read) = ops::reader_of_domain(node.domain(), node.op_type()) {
            return Ok(read(node, &Inputs::new(&tensors)).at(node.location())?.into_iter().map(Value::from).collect());
        }
        let outputs = match if standard { upgrade(proto, self.opset, &tensors).at(node.location())? } else { Upgraded::AsItIs } {
            Upgraded::AsItIs => ops::read(node, &Inputs::new(&tensors))?,
            Upgraded::Node(proto, operands) => {
                let operands: Vec<Option<&Tensor>> = operands.iter().map(Option::as_ref).collect();
                ops::read(&Node::new(&proto, 0), &Inputs::new(&operands))?
            }
            Upgraded::Done(outputs) => outputs,
        };
        Ok(outputs.into_iter().map(Value::from).collect())
    }

    /// The shape operand of a Reshape that follows the sizes that are free; `None` where it stays as it is.
    fn freed_shape(&self, node: &Node, operands: &[Option<&Tensor>]) -> Result<Option<Tensor>> {
        let ("Reshape", false, &[Some(x), Some(shape)]) = (node.op_type(), self.freed.is_empty(), operands) else { return Ok(None) };
        // With allowzero a 0 is a size, and no copy of the axis.
        let Some(target) = shape.constant().filter(|_| node.int("allowzero", 0).is_ok_and(|allowed| allowed == 0)) else { return Ok(None) };
        let dims = freed_axes::reshaped(x.shape(), &target.to_vec::<i64>()?, self.freed);
        Ok(dims.map(|dims| Tensor::from_dims(&dims)))
    }

    /// A function of the model: its nodes, with the attributes of the call instead of their references.
    fn function(&self, function: &FunctionProto, call: &NodeProto, path: &str, arguments: &[Option<Value>]) -> Result<Vec<Value>> {
        let mut scope = Scope::new();
        for (name, value) in function.input.iter().zip(arguments) {
            if let Some(value) = value {
                scope.insert(name, value.clone());
            }
        }
        let given: Vec<&AttributeProto> = call.attribute.iter().chain(&function.attribute_proto).collect();
        let is_absent = |i: usize| arguments.get(i).is_none_or(Option::is_none);
        let absent: Vec<&str> =
            function.input.iter().enumerate().filter(|input| is_absent(input.0)).map(|input| input.1.as_str()).collect();
        let mut nodes = function.node.clone();
        filled_in(&mut nodes, &given, &absent);
        let opset = function
            .opset_import
            .iter()
            .find(|import| matches!(import.domain.as_str(), "" | "ai.onnx"))
            .map_or(self.opset, |import| import.version);
        GraphRunner { depth: self.depth + 1, opset, caller: Some(path), ..*self }.nodes(&nodes, &mut scope)?;
        function.output.iter().map(|name| scope.get(name)).collect()
    }

    /// Runs a graph inside a node on these values.
    fn graph(&self, graph: &GraphProto, around: &Scope, inputs: Vec<Value>) -> Result<Vec<Value>> {
        let mut scope = Scope::inside(around);
        for initializer in &graph.initializer {
            scope.insert(&initializer.name, Tensor::from(crate::onnx::tensor::array(initializer)?).into());
        }
        for sparse in &graph.sparse_initializer {
            let name = sparse.values.as_ref().map_or("", |values| values.name.as_str());
            scope.insert(name, Tensor::from(crate::onnx::tensor::dense(sparse)?).into());
        }
        for (info, value) in graph.input.iter().zip(inputs) {
            scope.insert(&info.name, value);
        }
        GraphRunner { depth: self.depth + 1, is_scan: false, ..*self }.nodes(&graph.node, &mut scope)?;
        if let Some(found) = self.found {
            let declared = graph.input.iter().map(|info| ("input", info)).chain(graph.output.iter().map(|info| ("output", info)));
            let none = std::collections::BTreeSet::new();
            let wrong = declared
                .filter_map(|(what, info)| wrong_declaration(what, info, &scope.get(&info.name).ok()?, self.is_scan.then_some(&none)));
            let mut found = found.wrong.borrow_mut();
            // A body runs more than once.
            for error in wrong.map(|error| error.at(format!("graph {}", graph.name))) {
                if !found.contains(&error) {
                    found.push(error);
                }
            }
        }
        graph.output.iter().map(|info| scope.get(&info.name)).collect()
    }

    fn own(&self, node: &Node, arguments: &[Option<Value>], scope: &Scope) -> Result<Vec<Value>> {
        let given = |i: usize| arguments.get(i).and_then(Option::as_ref).ok_or_else(|| Error::argument(format!("input {i} is missing")));
        let graph = |name: &str| node.graph(name)?.ok_or_else(|| node.missing(name));
        let position = |i: usize, length: usize| {
            let at = number(given(i)?.tensor()?)?;
            let at = if at < 0 { at + length as i64 } else { at };
            usize::try_from(at)
                .ok()
                .filter(|&at| at <= length)
                .ok_or_else(|| Error::argument(format!("position {at} is out of range for a sequence of {length}")))
        };
        Ok(match node.op_type() {
            "If" => self.choice(given(0)?.tensor()?, graph("then_branch")?, graph("else_branch")?, scope)?,
            "Loop" => self.repeated(graph("body")?, arguments, scope)?,
            "Scan" => self.scanned(node, graph("body")?, arguments, scope)?,
            "FlexAttention" => self.flexible(node, arguments, scope)?,
            "SequenceMap" => {
                let body = graph("body")?;
                let count = given(0)?.sequence()?.len();
                let mut lists: Vec<Vec<Value>> = vec![Vec::new(); body.output.len()];
                for i in 0..count {
                    let item = |value: &Value| match value {
                        Value::Sequence(items) => {
                            items.get(i).cloned().ok_or_else(|| Error::argument("the sequences have different lengths"))
                        }
                        other => Ok(other.clone()),
                    };
                    let inputs = arguments.iter().flatten().map(item).collect::<Result<Vec<_>>>()?;
                    for (list, value) in lists.iter_mut().zip(self.graph(body, scope, inputs)?) {
                        list.push(value);
                    }
                }
                lists.into_iter().map(Value::Sequence).collect()
            }
            "SequenceConstruct" => vec![Value::Sequence(arguments.iter().flatten().cloned().collect())],
            "SequenceEmpty" => vec![Value::Sequence(Vec::new())],
            "SequenceLength" => vec![Tensor::from_dim(&Dim::from(given(0)?.sequence()?.len())).into()],
            "SequenceAt" => {
                let items = given(0)?.sequence()?;
                vec![
                    items
                        .get(position(1, items.len())?)
                        .cloned()
                        .ok_or_else(|| Error::argument("position out of range for the sequence"))?,
                ]
            }
            "SequenceInsert" => {
                let mut items = copied(given(0)?.sequence()?)?;
                let at = if arguments.get(2).is_some_and(Option::is_some) { position(2, items.len())? } else { items.len() };
                items.insert(at, given(1)?.clone());
                vec![Value::Sequence(items)]
            }
            "SequenceErase" => {
                let mut items = copied(given(0)?.sequence()?)?;
                let at =
                    if arguments.get(1).is_some_and(Option::is_some) { position(1, items.len())? } else { items.len().saturating_sub(1) };
                if at >= items.len() {
                    return Err(Error::argument("position out of range for the sequence"));
                }
                items.remove(at);
                vec![Value::Sequence(items)]
            }
            "ConcatFromSequence" => {
                let items = given(0)?.sequence()?.iter().map(Value::tensor).collect::<Result<Vec<_>>>()?;
                let axis = node.int("axis", 0)?;
                vec![if node.int("new_axis", 0)? != 0 { Tensor::stack(&items, axis)? } else { Tensor::cat(&items, axis)? }.into()]
            }
            "SplitToSequence" => {
                let (x, axis) = (given(0)?.tensor()?, node.int("axis", 0)?);
                let pieces = match arguments.get(1).and_then(Option::as_ref) {
                    None => {
                        let pieces = x.split(1i64, axis)?;
                        if node.int("keepdims", 1)? == 0 {
                            pieces.iter().map(|piece| piece.squeeze_axes(&[axis])).collect::<Result<Vec<_>>>()?
                        } else {
                            pieces
                        }
                    }
                    Some(sizes) => {
                        let sizes = sizes.tensor()?;
                        let known = ops::fixed(sizes)?;
                        if sizes.rank() == 0 {
                            x.split(known.first().copied().unwrap_or(1), axis)?
                        } else {
                            x.split_with_sizes(&known, axis)?
                        }
                    }
                };
                vec![Value::Sequence(pieces.into_iter().map(Value::from).collect())]
            }
            "Optional" => vec![Value::Optional(arguments.first().and_then(Option::as_ref).cloned().map(Box::new))],
            "OptionalHasElement" => {
                let has = match arguments.first().and_then(Option::as_ref) {
                    None | Some(Value::Optional(None)) => false,
                    Some(_) => true,
                };
                vec![Tensor::from(crate::Array::scalar(has)).into()]
            }
            _ => match given(0)? {
                Value::Optional(Some(inner)) => vec![(**inner).clone()],
                Value::Optional(None) => return Err(Error::argument("an optional value that is absent")),
                other => vec![other.clone()],
            },
        })
    }

    fn choice(&self, condition: &Tensor, then: &GraphProto, otherwise: &GraphProto, scope: &Scope) -> Result<Vec<Value>> {
        if !condition.is_traced() {
            let taken = condition.reshape(())?.item()?.to_f64() != 0.0;
            return self.graph(if taken { then } else { otherwise }, scope, vec![]);
        }
        let run = |graph: &GraphProto| tensors(&self.graph(graph, scope, vec![])?);
        Ok(ops::cond_by_sizes(condition, || run(then), || run(otherwise))?.into_iter().map(Value::from).collect())
    }

    /// A loop: unrolled where its conditions are known and few, and else recorded once.
    fn repeated(&self, body: &GraphProto, arguments: &[Option<Value>], scope: &Scope) -> Result<Vec<Value>> {
        let tensor = |i: usize| arguments.get(i).and_then(Option::as_ref).map(Value::tensor).transpose();
        let (limit, start) = (tensor(0)?, tensor(1)?);
        let state: Vec<Value> = arguments.iter().skip(2).flatten().cloned().collect();
        let lists = body.output.len().checked_sub(1 + state.len()).ok_or_else(|| Error::damaged("the body has too few outputs"))?;
        let iterate = |iteration: &Tensor, on: Tensor, state: &[Value]| {
            let mut inputs: Vec<Value> = vec![iteration.clone().into(), on.into()];
            inputs.extend_from_slice(state);
            let mut outputs = self.graph(body, scope, inputs)?;
            let mut rest = outputs.split_off(1);
            let items = tensors(&rest.split_off(rest.len() - lists))?;
            let on = outputs.first().ok_or_else(|| Error::damaged("the body returns no condition"))?.tensor()?.reshape(())?;
            Ok((on, rest, items))
        };
        let once = |state: &[Value]| -> Result<Vec<Value>> {
            let (state, stacks) = ops::repeat(limit, start, tensors(state)?, &mut |number, state| {
                let state: Vec<Value> = state.iter().cloned().map(Value::from).collect();
                let (on, state, items) = iterate(number, yes(), &state)?;
                Ok(Iteration { on: Some(on), state: tensors(&state)?, items })
            })?;
            Ok(state.into_iter().chain(stacks).map(Value::from).collect())
        };
        if limit.is_some_and(Tensor::varies) || start.is_some_and(Tensor::varies) {
            return once(&state);
        }
        let most = limit.map(number).transpose()?.unwrap_or(i64::MAX);
        // A long loop is recorded once, unless it needs its iterations one by one: for a sequence, or an index that must be known.
        if is_tracing()
            && most > ops::FEW
            && limit.is_some()
            && let Ok(done) = once(&state)
        {
            return Ok(done);
        }
        let mut condition = start.cloned().unwrap_or_else(yes).reshape(())?;
        let is_known = keeps_its_condition(body) && condition.item()?.to_f64() != 0.0;
        let (mut now, mut collected) = (state.clone(), vec![Vec::new(); lists]);
        let mut count = IterationCount::start(arrays(&state), body.node.len(), is_known.then_some(most))?;
        for i in 0..most {
            if condition.item()?.to_f64() == 0.0 {
                break;
            }
            count.count()?;
            let (on, next, items) = iterate(&Tensor::from(crate::Array::scalar(i)), condition, &now)?;
            if on.varies() {
                // The iterations so far were known; whether there are more is not.
                return once(&state);
            }
            count.holds(arrays(&next), items.iter().filter_map(Tensor::value))?;
            collected.iter_mut().zip(items).for_each(|(list, item)| list.push(item));
            (condition, now) = (on, next);
        }
        if collected.iter().any(Vec::is_empty) {
            // No iteration: what one would give says the types.
            return once(&state);
        }
        for list in collected {
            now.push(Tensor::stack(&list.iter().collect::<Vec<_>>(), 0)?.into());
        }
        Ok(now)
    }

    /// A loop over the positions of axes.
    fn scanned(&self, node: &Node, body: &GraphProto, arguments: &[Option<Value>], scope: &Scope) -> Result<Vec<Value>> {
        let count = node.int("num_scan_inputs", 1)? as usize;
        let batched = self.opset < 9;
        if batched && arguments.first().is_some_and(Option::is_some) {
            return Err(Error::unsupported("Scan (opset 8) with sequence_lens is not supported"));
        }
        let given = arguments.iter().skip(usize::from(batched)).flatten().map(|value| value.tensor().cloned());
        let mut given = given.collect::<Result<Vec<_>>>()?;
        let states = given.len().checked_sub(count).ok_or_else(|| Error::damaged("Scan: too few inputs"))?;
        let scans = given.split_off(states);
        let axes = |name: &str, n: usize| Ok::<_, Error>(node.ints(name)?.map_or_else(|| vec![0; n], <[i64]>::to_vec));
        let outputs = body.output.len().checked_sub(states).ok_or_else(|| Error::damaged("Scan: too few outputs"))?;
        let (in_axes, in_back) =
            (axes("scan_input_axes", count)?, axes(if batched { "directions" } else { "scan_input_directions" }, count)?);
        let (out_axes, out_back) = (axes("scan_output_axes", outputs)?, axes("scan_output_directions", outputs)?);
        if in_axes.len() != count || in_back.len() != count || out_axes.len() != outputs || out_back.len() != outputs {
            return Err(Error::damaged("Scan: too few axes or directions"));
        }
        // Steps go forward along the first axis: what goes otherwise is flipped and transposed before and after.
        let oriented = |x: &Tensor, from: i64, to: i64, flipped: i64, back: i64| {
            let x = if back != 0 { x.flip(&[flipped])? } else { x.clone() };
            moved(&x, from, to)
        };
        let scan = |carry: Vec<Tensor>, scans: &[Tensor]| -> Result<Vec<Tensor>> {
            let xs = scans.iter().zip(in_axes.iter().zip(&in_back)).map(|(x, (&axis, &back))| oriented(x, axis, 0, axis, back));
            let xs = xs.collect::<Result<Vec<_>>>()?;
            let (state, stacks) = ops::read_scan(carry, &xs, |state, slices| {
                let inputs = state.iter().chain(slices).cloned().map(Value::from).collect();
                let mut results = tensors(&GraphRunner { is_scan: true, ..*self }.graph(body, scope, inputs)?)?;
                let items = results.split_off(states.min(results.len()));
                Ok((results, items))
            })?;
            let stacks = stacks.iter().zip(out_axes.iter().zip(&out_back)).map(|(x, (&axis, &back))| oriented(x, 0, axis, 0, back));
            Ok(state.into_iter().chain(stacks.collect::<Result<Vec<_>>>()?).collect())
        };
        if !batched {
            return Ok(scan(given, &scans)?.into_iter().map(Value::from).collect());
        }
        // Opset 8 goes through each element of a batch by itself.
        let batch = scans.first().ok_or_else(|| Error::argument("Scan: no input to scan"))?.dim(0)?;
        let batch = batch.fixed().filter(|&n| n > 0).ok_or_else(|| Error::unsupported("Scan (opset 8) needs a fixed batch size"))?;
        let each = (0..batch).map(|i| {
            let of = |list: &[Tensor]| list.iter().map(|x| x.select(0, i)).collect::<Result<Vec<_>>>();
            scan(of(&given)?, &of(&scans)?)
        });
        let each = each.collect::<Result<Vec<_>>>()?;
        let across = |k: usize| Tensor::stack(&each.iter().filter_map(|outputs| outputs.get(k)).collect::<Vec<_>>(), 0).map(Value::from);
        (0..body.output.len()).map(across).collect()
    }

    /// Attention whose scores and weights pass through graphs of the model.
    fn flexible(&self, node: &Node, arguments: &[Option<Value>], scope: &Scope) -> Result<Vec<Value>> {
        let operand = |i: usize| match arguments.get(i) {
            Some(Some(value)) => value.tensor(),
            _ => Err(Error::argument(format!("input {i} is missing"))),
        };
        let through = |name: &str, x: Tensor| match node.graph(name)? {
            Some(graph) => match self.graph(graph, scope, vec![x.into()])?.as_slice() {
                [value] => value.tensor().cloned(),
                _ => Err(Error::damaged(format!("{name}: expected one tensor"))),
            },
            None => Ok(x),
        };
        let y = ops::flex_attention(node, [operand(0)?, operand(1)?, operand(2)?], through)?;
        Ok(vec![y.into()])
    }
}

/// Puts the attributes of a call in place of the references to them; a reference to one that is not given goes, and so does the use of an
/// input that is absent.
fn filled_in(nodes: &mut [NodeProto], given: &[&AttributeProto], absent: &[&str]) {
    for node in nodes {
        node.input.iter_mut().filter(|name| absent.contains(&name.as_str())).for_each(String::clear);
        node.attribute.retain_mut(|attribute| {
            if let Some(graph) = &mut attribute.g {
                filled_in(&mut graph.node, given, absent);
            }
            if attribute.ref_attr_name.is_empty() {
                return true;
            }
            let found = given.iter().find(|given| given.name == attribute.ref_attr_name);
            if let Some(&found) = found {
                *attribute = AttributeProto { name: std::mem::take(&mut attribute.name), ..found.clone() };
            }
            found.is_some()
        });
    }
}

/// Whether the body of a loop gives the condition that it gets, perhaps by an Identity: the number of iterations alone then ends the loop.
fn keeps_its_condition(body: &GraphProto) -> bool {
    let (Some(given), Some(result)) = (body.input.get(1), body.output.first()) else { return false };
    let source = |name: &str| {
        let node = body.node.iter().find(|node| node.output.first().is_some_and(|output| output == name));
        node.filter(|node| node.op_type == "Identity" && matches!(node.domain.as_str(), "" | "ai.onnx"))?.input.first()
    };
    result.name == given.name || source(&result.name).is_some_and(|name| *name == given.name)
}

/// An axis moved to another position.
fn moved(x: &Tensor, from: i64, to: i64) -> Result<Tensor> {
    let (from, to) = (x.shape().axis(from)?, x.shape().axis(to)?);
    if from == to {
        return Ok(x.clone());
    }
    let mut order: Vec<i64> = (0..x.rank() as i64).collect();
    let axis = order.remove(from);
    order.insert(to, axis);
    x.permute(&order)
}

fn yes() -> Tensor {
    Tensor::from(Array::scalar(true))
}

fn tensors(values: &[Value]) -> Result<Vec<Tensor>> {
    values.iter().map(|value| value.tensor().cloned()).collect()
}

/// A sequence that becomes another: a loop that adds to one copies it each time.
fn copied(items: &[Value]) -> Result<Vec<Value>> {
    const A_STEP: usize = 64;
    ops::spend_steps(items.len() / A_STEP)?;
    Ok(items.to_vec())
}

/// The arrays in values, as far as they are known.
fn arrays(values: &[Value]) -> Vec<&Array> {
    let mut found = Vec::new();
    for value in values {
        match value {
            Value::Tensor(tensor) => found.extend(tensor.value()),
            Value::Sequence(items) => found.extend(arrays(items)),
            Value::Optional(inner) => found.extend(inner.as_deref().into_iter().flat_map(|inner| arrays(std::slice::from_ref(inner)))),
        }
    }
    found
}

/// A number that the course of a program depends on.
fn number(x: &Tensor) -> Result<i64> {
    ops::fixed(x)?.first().copied().ok_or_else(|| Error::new(ErrorCode::Argument, "a required value is missing"))
}

#[cfg(test)]
mod tests {
    use crate::onnx::proto::{GraphProto, ModelProto, NodeProto, OperatorSetIdProto};
    use crate::onnx::{Model, sample};
    use crate::read::onnx::OnnxModule;
    use crate::{Array, ErrorCode, Result, Tensor};

    /// A loop of so many iterations, whose body negates the state twice.
    fn looped(iterations: i64) -> OnnxModule {
        let body = GraphProto {
            name: "body".into(),
            node: vec![sample::node("Neg", &["s"], &["t"]), sample::node("Neg", &["t"], &["u"])],
            input: vec![sample::value("i", 7, &[]), sample::value("on", 9, &[]), sample::value("s", 1, &[])],
            output: vec![sample::value("on", 9, &[]), sample::value("u", 1, &[])],
            ..GraphProto::default()
        };
        let node = NodeProto { attribute: vec![sample::body("body", body)], ..sample::node("Loop", &["n", "", "x"], &["y"]) };
        let graph = GraphProto {
            name: "main".into(),
            node: vec![node],
            input: vec![sample::value("x", 1, &[])],
            output: vec![sample::value("y", 1, &[])],
            ..GraphProto::default()
        };
        let opset_import = vec![OperatorSetIdProto { version: 17, ..OperatorSetIdProto::default() }];
        let proto = ModelProto { ir_version: 8, opset_import, graph: Some(graph), ..ModelProto::default() };
        OnnxModule::new(Model { proto, initializers: vec![("n".into(), Array::scalar(iterations))] }).unwrap()
    }

    #[test]
    fn declarations_are_compared_in_65536_nodes_and_a_model_runs_eight_times_as_many() -> Result<()> {
        let x = [Tensor::from(Array::scalar(1f32))];
        let code = |result: Result<usize>| result.map_err(|error| error.code());
        let compared = |iterations: i64| code(looped(iterations).wrong_declarations(&x).map(|wrong| wrong.len()));
        // The loop is a node, too.
        assert_eq!((compared(32_760), compared(32_800)), (Ok(0), Err(ErrorCode::TooBig)));
        let run = |iterations: i64| looped(iterations).evaluate(&[x[0].clone().into()]);
        assert_eq!(run(1000)?[0].tensor()?.to_vec::<f32>()?, [1.0]);
        let error = run(1 << 18).unwrap_err();
        assert_eq!(error.to_string().lines().next(), Some("node #0 (Loop): a loop of more iterations than the size of the file justifies"));
        assert!(error.help_line().is_some_and(|help| help.contains("--limit")), "{error}");
        Ok(())
    }
}
