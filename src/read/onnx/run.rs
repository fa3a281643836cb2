//! Runs a graph of an ONNX file: nodes, the graphs inside them, functions, and values that are no tensors.

use super::lift::{Lifted, lift};
use crate::array::DType;
use crate::dim::Dim;
use crate::error::{At, Code, Error, Result};
use crate::graph::Inputs;
use crate::onnx::proto::{FunctionProto, GraphProto, NodeProto};
use crate::onnx::{LINE_KEY, Node, SCOPE_KEY};
use crate::ops;
use crate::tensor::{Tensor, place};
use std::collections::HashMap;

/// How deeply graphs and functions may nest.
const DEEPEST: usize = 64;
/// How often a loop may turn whose course is known.
const LONGEST: i64 = 1 << 20;

/// A value of a file: a tensor, a list of values, or something that may be absent.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Tensor(Tensor),
    Sequence(Vec<Value>),
    Optional(Option<Box<Value>>),
}

impl Value {
    pub(super) fn tensor(&self) -> Result<&Tensor> {
        match self {
            Value::Tensor(tensor) => Ok(tensor),
            Value::Optional(Some(inner)) => inner.tensor(),
            Value::Sequence(_) => Err(Error::argument("expected a tensor, got a sequence")),
            Value::Optional(None) => Err(Error::argument("expected a tensor, got nothing")),
        }
    }

    fn sequence(&self) -> Result<&[Value]> {
        match self {
            Value::Sequence(items) => Ok(items),
            Value::Optional(Some(inner)) => inner.sequence(),
            _ => Err(Error::argument("expected a sequence")),
        }
    }
}

impl From<Tensor> for Value {
    fn from(tensor: Tensor) -> Value {
        Value::Tensor(tensor)
    }
}

/// The values that can be seen from a graph: its own, then those around it.
#[derive(Clone)]
pub(super) struct Scope<'a> {
    own: HashMap<String, Value>,
    around: Option<&'a Scope<'a>>,
}

impl<'a> Scope<'a> {
    pub(super) fn new() -> Scope<'a> {
        Scope { own: HashMap::new(), around: None }
    }

    fn inside(around: &'a Scope<'a>) -> Scope<'a> {
        Scope { own: HashMap::new(), around: Some(around) }
    }

    pub(super) fn insert(&mut self, name: &str, value: Value) {
        self.own.insert(name.to_string(), value);
    }

    pub(super) fn get(&self, name: &str) -> Result<Value> {
        match (self.own.get(name), self.around) {
            (Some(value), _) => Ok(value.clone()),
            (None, Some(around)) => around.get(name),
            (None, None) => Err(Error::damaged(format!("nothing makes `{name}`"))),
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

/// Whether this file, and not a reader of tensors, runs an operator of the standard domain.
pub(super) fn runs(op_type: &str) -> bool {
    OWN.contains(&op_type)
}

/// What nodes are run with.
#[derive(Clone, Copy)]
pub(super) struct Runner<'a> {
    pub functions: &'a [FunctionProto],
    /// The version of the standard domain.
    pub opset: i64,
    pub depth: usize,
}

impl Runner<'_> {
    /// Runs all nodes of a graph in order.
    pub(super) fn nodes(&self, nodes: &[NodeProto], scope: &mut Scope) -> Result<()> {
        if self.depth > DEEPEST {
            return Err(Error::too_deep("graphs that nest too deeply"));
        }
        for (i, proto) in nodes.iter().enumerate() {
            let node = Node::new(proto, i);
            let outputs = self
                .node(&node, proto, scope)
                .map_err(|error| if error.places().next().is_some() { error } else { error.at(node.place()) })?;
            for (name, value) in proto.output.iter().zip(outputs).filter(|(name, _)| !name.is_empty()) {
                scope.insert(name, value);
            }
        }
        Ok(())
    }

    fn node(&self, node: &Node, proto: &NodeProto, scope: &Scope) -> Result<Vec<Value>> {
        let known = |name: Option<&str>| name.map(|name| scope.get(name)).transpose();
        let arguments = node.inputs().map(known).collect::<Result<Vec<_>>>().at(node.place())?;
        let metadata = |key: &str| proto.metadata_props.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str());
        let _scope = metadata(SCOPE_KEY).map(place::absolute_scope);
        let _line = place::line(metadata(LINE_KEY).unwrap_or_default());
        let standard = matches!(node.domain(), "" | "ai.onnx");
        if standard && node.op_type() == "Identity" {
            return Ok(arguments.into_iter().flatten().collect());
        }
        if standard && runs(node.op_type()) {
            return self.own(node, &arguments, scope).at(node.place());
        }
        if let Some(function) = self.functions.iter().find(|function| function.name == node.op_type() && function.domain == node.domain()) {
            return self.function(function, proto, &arguments).at(node.place());
        }
        let tensors =
            arguments.iter().map(|value| value.as_ref().map(Value::tensor).transpose()).collect::<Result<Vec<_>>>().at(node.place())?;
        let outputs = match if standard { lift(proto, self.opset, &tensors).at(node.place())? } else { Lifted::AsItIs } {
            Lifted::AsItIs => ops::read(node, &Inputs::new(&tensors))?,
            Lifted::Node(proto, operands) => {
                let operands: Vec<Option<&Tensor>> = operands.iter().map(Option::as_ref).collect();
                ops::read(&Node::new(&proto, 0), &Inputs::new(&operands))?
            }
            Lifted::Done(outputs) => outputs,
        };
        Ok(outputs.into_iter().map(Value::from).collect())
    }

    /// A function of the model: its nodes, with the attributes of the call in place of their references.
    fn function(&self, function: &FunctionProto, call: &NodeProto, arguments: &[Option<Value>]) -> Result<Vec<Value>> {
        let mut scope = Scope::new();
        for (name, value) in function.input.iter().zip(arguments) {
            if let Some(value) = value {
                scope.insert(name, value.clone());
            }
        }
        let mut nodes = function.node.clone();
        for node in &mut nodes {
            node.attribute.retain_mut(|attribute| {
                if attribute.ref_attr_name.is_empty() {
                    return true;
                }
                let given = call.attribute.iter().chain(&function.attribute_proto).find(|given| given.name == attribute.ref_attr_name);
                match given {
                    Some(given) => {
                        let name = std::mem::take(&mut attribute.name);
                        *attribute = given.clone();
                        attribute.name = name;
                        true
                    }
                    None => false,
                }
            });
        }
        let opset = function
            .opset_import
            .iter()
            .find(|import| matches!(import.domain.as_str(), "" | "ai.onnx"))
            .map_or(self.opset, |import| import.version);
        Runner { depth: self.depth + 1, opset, ..*self }.nodes(&nodes, &mut scope)?;
        function.output.iter().map(|name| scope.get(name)).collect()
    }

    /// Runs a graph inside a node on these values.
    fn graph(&self, graph: &GraphProto, around: &Scope, inputs: Vec<Value>) -> Result<Vec<Value>> {
        let mut scope = Scope::inside(around);
        for initializer in &graph.initializer {
            scope.insert(&initializer.name, Tensor::from(crate::onnx::tensor::array(initializer)?).into());
        }
        for (info, value) in graph.input.iter().zip(inputs) {
            scope.insert(&info.name, value);
        }
        Runner { depth: self.depth + 1, ..*self }.nodes(&graph.node, &mut scope)?;
        graph.output.iter().map(|info| scope.get(&info.name)).collect()
    }

    fn own(&self, node: &Node, arguments: &[Option<Value>], scope: &Scope) -> Result<Vec<Value>> {
        let given = |i: usize| arguments.get(i).and_then(Option::as_ref).ok_or_else(|| Error::argument(format!("input {i} is missing")));
        let graph = |name: &str| node.graph(name)?.ok_or_else(|| node.missing(name));
        let place = |i: usize, length: usize| {
            let at = number(given(i)?.tensor()?)?;
            let at = if at < 0 { at + length as i64 } else { at };
            usize::try_from(at).ok().filter(|&at| at <= length).ok_or_else(|| Error::argument(format!("place {at} of {length}")))
        };
        Ok(match node.op_type() {
            "If" => self.choice(given(0)?.tensor()?, graph("then_branch")?, graph("else_branch")?, scope)?,
            "Loop" => self.repeated(graph("body")?, arguments, scope)?,
            "Scan" => self.scanned(node, graph("body")?, arguments, scope)?,
            "SequenceMap" => {
                let body = graph("body")?;
                let count = given(0)?.sequence()?.len();
                let mut lists: Vec<Vec<Value>> = vec![Vec::new(); body.output.len()];
                for i in 0..count {
                    let item = |value: &Value| match value {
                        Value::Sequence(items) => items.get(i).cloned().ok_or_else(|| Error::argument("sequences of other lengths")),
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
                vec![items.get(place(1, items.len())?).cloned().ok_or_else(|| Error::argument("a place beyond the sequence"))?]
            }
            "SequenceInsert" => {
                let mut items = given(0)?.sequence()?.to_vec();
                let at = if arguments.get(2).is_some_and(Option::is_some) { place(2, items.len())? } else { items.len() };
                items.insert(at, given(1)?.clone());
                vec![Value::Sequence(items)]
            }
            "SequenceErase" => {
                let mut items = given(0)?.sequence()?.to_vec();
                let at = if arguments.get(1).is_some_and(Option::is_some) { place(1, items.len())? } else { items.len().saturating_sub(1) };
                if at >= items.len() {
                    return Err(Error::argument("a place beyond the sequence"));
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
                    Some(lengths) => {
                        let lengths = lengths.tensor()?;
                        let numbers = ops::fixed(lengths)?;
                        if lengths.rank() == 0 {
                            x.split(numbers.first().copied().unwrap_or(1), axis)?
                        } else {
                            x.split_lengths(&numbers, axis)?
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
            let taken = condition.reshape::<i64>(&[])?.item()?.to_f64() != 0.0;
            return self.graph(if taken { then } else { otherwise }, scope, vec![]);
        }
        let run = |graph: &GraphProto| tensors(self.graph(graph, scope, vec![])?);
        Ok(ops::cond(condition, || run(then), || run(otherwise))?.into_iter().map(Value::from).collect())
    }

    /// A loop: followed where its course is known, and else recorded once.
    fn repeated(&self, body: &GraphProto, arguments: &[Option<Value>], scope: &Scope) -> Result<Vec<Value>> {
        let limit = arguments.first().and_then(Option::as_ref).map(Value::tensor).transpose()?;
        let start = arguments.get(1).and_then(Option::as_ref).map(Value::tensor).transpose()?;
        let mut state: Vec<Value> = arguments.iter().skip(2).flatten().cloned().collect();
        let lists = body.output.len().checked_sub(1 + state.len()).ok_or_else(|| Error::damaged("a body with too few outputs"))?;
        let yes = || Tensor::from(crate::Array::scalar(true));
        let known = |x: Option<&Tensor>| x.is_none_or(|x| !x.is_traced());
        let mut collected: Vec<Vec<Tensor>> = vec![Vec::new(); lists];
        let mut condition = start.cloned().unwrap_or_else(yes).reshape::<i64>(&[])?;
        if !known(limit) || condition.is_traced() {
            return self.unknown(body, limit, &condition, state, lists, scope);
        }
        let most = limit.map(number).transpose()?.unwrap_or(i64::MAX);
        let mut turn = 0;
        while turn < most {
            if condition.is_traced() {
                return Err(Error::unsupported("a loop that goes on by data after turns that were known"));
            }
            if condition.item()?.to_f64() == 0.0 {
                break;
            }
            if turn >= LONGEST {
                return Err(Error::too_big(format!("more than {LONGEST} turns of a loop")));
            }
            let mut inputs: Vec<Value> = vec![Tensor::from(crate::Array::scalar(turn)).into(), condition.clone().into()];
            inputs.append(&mut state);
            let mut outputs = self.graph(body, scope, inputs)?;
            let mut rest = outputs.split_off(1);
            condition = outputs.first().map_or_else(|| Ok(yes()), |value| value.tensor()?.reshape::<i64>(&[]))?;
            for (list, value) in collected.iter_mut().zip(rest.split_off(rest.len() - lists)) {
                list.push(value.tensor()?.clone());
            }
            state = rest;
            turn += 1;
        }
        for list in collected {
            state.push(stacked(&list, 0)?.into());
        }
        Ok(state)
    }

    /// A loop whose course depends on data.
    fn unknown(
        &self,
        body: &GraphProto,
        limit: Option<&Tensor>,
        condition: &Tensor,
        state: Vec<Value>,
        lists: usize,
        scope: &Scope,
    ) -> Result<Vec<Value>> {
        if lists > 0 {
            return Err(Error::unsupported("a loop that goes on by data and collects what it computes"));
        }
        let within =
            |turn: &Tensor| limit.map_or_else(|| Ok(Tensor::from(crate::Array::scalar(true))), |limit| turn.lt(limit.reshape::<i64>(&[])?));
        let zero = Tensor::from(crate::Array::scalar(0i64));
        let mut carried = vec![zero.clone()];
        carried.extend(tensors(state)?);
        let first = condition.logical_and(within(&zero)?)?;
        let last = ops::while_loop(&first, carried, |carried| {
            let mut inputs: Vec<Value> = vec![carried[0].clone().into(), Tensor::from(crate::Array::scalar(true)).into()];
            inputs.extend(carried[1..].iter().cloned().map(Value::from));
            let mut outputs = tensors(self.graph(body, scope, inputs)?)?;
            let next = outputs.remove(0).reshape::<i64>(&[])?;
            let turn = carried[0].add(1)?;
            let on = next.logical_and(within(&turn)?)?;
            outputs.insert(0, turn);
            Ok((on, outputs))
        })?;
        Ok(last.into_iter().skip(1).map(Value::from).collect())
    }

    /// A loop over the places of axes, whose number is known.
    fn scanned(&self, node: &Node, body: &GraphProto, arguments: &[Option<Value>], scope: &Scope) -> Result<Vec<Value>> {
        let count = node.int("num_scan_inputs", 1)? as usize;
        let mut given = arguments.iter().flatten().map(Value::tensor).collect::<Result<Vec<_>>>()?;
        // Opset 8 begins with lengths and has a batch axis.
        let old = node.ints("directions")?.is_some() || arguments.len() == 1 + body.input.len();
        if old {
            if arguments.first().is_some_and(Option::is_some) {
                return Err(Error::unsupported("a Scan of opset 8 with lengths"));
            }
            return Err(Error::unsupported("a Scan of opset 8"));
        }
        let states = given.len().checked_sub(count).ok_or_else(|| Error::damaged("a Scan with too few inputs"))?;
        let scans = given.split_off(states);
        let axes = |name: &str, n: usize| Ok::<_, Error>(node.ints(name)?.map_or_else(|| vec![0; n], <[i64]>::to_vec));
        let outputs = body.output.len().checked_sub(states).ok_or_else(|| Error::damaged("a Scan with too few outputs"))?;
        let (in_axes, in_back) = (axes("scan_input_axes", count)?, axes("scan_input_directions", count)?);
        let (out_axes, out_back) = (axes("scan_output_axes", outputs)?, axes("scan_output_directions", outputs)?);
        if in_axes.len() != count || in_back.len() != count || out_axes.len() != outputs || out_back.len() != outputs {
            return Err(Error::damaged("a Scan with too few axes or directions"));
        }
        let first = scans.first().ok_or_else(|| Error::argument("a Scan over nothing"))?;
        let steps = first.dim(in_axes[0])?.fixed().ok_or_else(|| Error::unsupported("a Scan over an axis of symbolic length"))?;
        if steps > LONGEST {
            return Err(Error::too_big(format!("a Scan of {steps} steps: each is written out")));
        }
        let mut state: Vec<Value> = given.into_iter().cloned().map(Value::from).collect();
        let mut lists: Vec<Vec<Tensor>> = vec![Vec::new(); outputs];
        for step in 0..steps {
            let mut inputs = state;
            for ((x, &axis), &back) in scans.iter().zip(&in_axes).zip(&in_back) {
                inputs.push(x.select(axis, if back != 0 { steps - 1 - step } else { step })?.into());
            }
            let mut results = self.graph(body, scope, inputs)?;
            for (list, value) in lists.iter_mut().zip(results.split_off(states)) {
                list.push(value.tensor()?.clone());
            }
            state = results;
        }
        for ((mut list, &axis), &back) in lists.into_iter().zip(&out_axes).zip(&out_back) {
            if back != 0 {
                list.reverse();
            }
            state.push(stacked(&list, axis)?.into());
        }
        Ok(state)
    }
}

fn tensors(values: Vec<Value>) -> Result<Vec<Tensor>> {
    values.iter().map(|value| value.tensor().cloned()).collect()
}

fn stacked(list: &[Tensor], axis: i64) -> Result<Tensor> {
    if list.is_empty() {
        return Tensor::zeros::<i64>(&[0], DType::F32);
    }
    Tensor::stack(&list.iter().collect::<Vec<_>>(), axis)
}

/// A number that the course of a program depends on.
fn number(x: &Tensor) -> Result<i64> {
    ops::fixed(x)?.first().copied().ok_or_else(|| Error::new(Code::Argument, "a number is missing"))
}
