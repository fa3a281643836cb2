//! Localisation: the first node whose value differs, and the step at fault: the trace, the ONNX model, our kernel, tract's reading or its optimiser.

use super::alignment::{self, Evaluated, Parting};
use super::cost;
use super::error_bounds::Bound;
use super::graph_diff::{self, Difference};
use super::input_generation::Call;
use super::model_comparison::{OPERATOR, differences};
use super::rounding::{self, Reference};
use super::subgraph::{self, ComputedValues, Subgraph};
use super::tolerance::{allowed, apart};
use super::{Candidate, CheckOptions};
use crate::array::{Array, Tolerance};
use crate::error::{Error, Result};
use crate::graph::{Agreement, Graph, Node, SourceLocation, ValueId};
use crate::module::{DynModule, Example};
use crate::ops::seeded;
use crate::read::OnnxModule;
use crate::tensor::Tensor;
use crate::tensor::observer::{ObservedOp, digest, observe};
use crate::trace::{ExportOptions, Traced, record, repeated};
use std::collections::HashSet;
use std::fmt;
use std::ops::RangeInclusive;

/// A node to blame.
#[derive(Clone, Debug)]
pub(super) struct Divergence {
    pub(super) op: &'static str,
    pub(super) location: SourceLocation,
    pub(super) fault: Fault,
    /// What the module does instead, where the traced graph differs.
    pub(super) instead: Option<(&'static str, SourceLocation)>,
    /// What is different: attributes, or values with their index.
    pub(super) what: String,
    /// The nodes of the traced graph that fail together, and the last of them; none where the trace itself is wrong.
    pub(super) nodes: Vec<usize>,
    /// For a wrong trace: the inputs and outputs of the module's node, and the traced graph's node alone.
    pub(super) reproduced: Option<Reproduced>,
}

/// A node of the traced graph with the inputs and outputs that the module has there.
#[derive(Clone, Debug)]
pub(super) struct Reproduced {
    pub(super) traced: Traced,
    pub(super) inputs: Vec<Array>,
    pub(super) expected: Vec<Array>,
}

/// The step that is at fault.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(not(feature = "tract"), expect(dead_code, reason = "only a session has these steps"))]
pub(super) enum Fault {
    /// The traced graph computes something else than the module.
    Trace,
    /// The ONNX model computes something else than the traced graph.
    Export,
    /// A kernel of ours inside the runtime's plan.
    Kernel,
    /// The runtime reads a node otherwise than the standard has it.
    Reading,
    /// The runtime's optimiser changes what it has read right.
    Optimiser,
    /// What is held against the module, of which no more is known.
    Candidate,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Trace => "the traced graph differs from the module",
            Fault::Export => "the ONNX model differs from the traced graph",
            Fault::Kernel => "ontrace's kernel in tract's plan computes this node differently from the traced graph",
            Fault::Reading => "tract computes this node differently from ONNX's definition",
            Fault::Optimiser => "it differs only after tract's optimisation",
            Fault::Candidate => "the candidate computes this node differently from the traced graph",
        })
    }
}

/// An operator with its source location.
fn named(op: &str, location: &SourceLocation) -> String {
    match location.to_string() {
        location if location.is_empty() => op.to_string(),
        location => format!("{op} ({location})"),
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the first differing value is the output of {}", named(self.op, &self.location))?;
        if let Some((op, location)) = self.instead.as_ref().filter(|other| **other != (self.op, self.location.clone())) {
            write!(f, ", where the module has {}", named(op, location))?;
        }
        if !self.what.is_empty() {
            write!(f, ", {}", self.what)?;
        }
        write!(f, ": {}", self.fault)
    }
}

/// An operator and its source location; sizes that meet data have none of their own, and take that of the data.
fn node(graph: &Graph, i: usize) -> (&'static str, SourceLocation) {
    let node = &graph.nodes()[i];
    let user = || graph.nodes()[i..].iter().find(|user| user.inputs.iter().flatten().any(|id| node.outputs.contains(id)));
    let location = if node.location == SourceLocation::default() { user().map(|user| &user.location) } else { None };
    (node.op.name(), location.unwrap_or(&node.location).clone())
}

impl Divergence {
    fn new((op, location): (&'static str, SourceLocation), fault: Fault, what: String) -> Divergence {
        Divergence { op, location, fault, instead: None, what, nodes: Vec::new(), reproduced: None }
    }

    /// Where the trace is wrong and no node of it corresponds to one of the module, the whole graph reproduces the fault.
    pub(super) fn cover_whole_graph(&mut self, trace: &Traced, call: &Call, expected: &[Array]) {
        if self.fault == Fault::Trace && self.reproduced.is_none() {
            let (traced, inputs, expected) = (trace.clone(), call.inputs.clone(), expected.to_vec());
            self.reproduced = Some(Reproduced { traced, inputs, expected });
        }
    }

    /// The node where a traced graph and the trace that it should equal differ, with the values that both have there.
    pub(super) fn of_difference(trace: &Traced, module: &Graph, difference: &Difference, call: &[Array]) -> Divergence {
        let (a, b) = (trace.graph(), module);
        let first = difference.first.map(|i| node(a, i));
        let second = difference.second.map(|i| node(b, i));
        // What only the module does is named, before what then takes another value.
        let missing = first.as_ref().map(|first| first.0) != second.as_ref().map(|second| second.0);
        let mut found = match (first, second) {
            (Some(first), second) => Divergence { instead: second, ..Divergence::new(first, Fault::Trace, difference.what.clone()) },
            (None, Some(second)) => Divergence::new(second, Fault::Trace, difference.what.clone()),
            (None, None) => Divergence::new(("the traced graph", SourceLocation::default()), Fault::Trace, difference.what.clone()),
        };
        if let (Some(i), Some(j)) = (difference.first, difference.second) {
            let values = |graph: &Graph, wanted: usize| at_node(graph, wanted, call);
            if let (Some((got, _)), Some((expected, operands))) = (values(a, i), values(b, j)) {
                let words = got.iter().zip(&expected).find_map(|(got, expected)| apart(got, expected, Tolerance::EXACT, true));
                found.what =
                    [Some(found.what), words].into_iter().flatten().filter(|words| !words.is_empty()).collect::<Vec<_>>().join("; ");
                found.reproduced = reproduce((trace, i), (module, j), call, operands, expected).filter(|_| !missing);
            }
        }
        found
    }
}

/// The outputs of one node, and the values that it takes.
fn at_node(graph: &Graph, wanted: usize, call: &[Array]) -> Option<(Vec<Array>, ComputedValues)> {
    let mut result = None;
    let _ = subgraph::each_node(graph, call, |i, node, alive| {
        if i == wanted {
            let outputs = node.outputs.iter().map(|id| alive.get(id).cloned()).collect::<Option<Vec<_>>>();
            let operands = node.inputs.iter().flatten().filter_map(|id| Some((*id, alive.get(id)?.clone()))).collect();
            result = outputs.map(|outputs| (outputs, operands));
            return Err(stop());
        }
        Ok(())
    });
    result
}

/// Ends a replay whose rest is not needed.
fn stop() -> Error {
    Error::internal("traversal stopped")
}

/// The traced graph's node on the operands of the module's, as far as these correspond.
fn reproduce(
    (trace, i): (&Traced, usize),
    (module, j): (&Graph, usize),
    call: &[Array],
    operands: ComputedValues,
    expected: Vec<Array>,
) -> Option<Reproduced> {
    let (x, y): (&Node, &Node) = (&trace.graph().nodes()[i], &module.nodes()[j]);
    if x.inputs.len() != y.inputs.len() || x.outputs.len() != y.outputs.len() {
        return None;
    }
    let mut values: ComputedValues =
        x.inputs.iter().zip(&y.inputs).filter_map(|(mine, theirs)| Some(((*mine)?, operands.get(&(*theirs)?)?.clone()))).collect();
    values.extend(x.outputs.iter().copied().zip(expected.iter().cloned()));
    let Subgraph { traced, inputs, .. } = subgraph::cut(trace, &[i], &x.outputs, call, &values).ok()?;
    Some(Reproduced { traced, inputs, expected })
}

/// Looks for the node in the traced graph first, by its operator and by its value; then in what was made from it.
pub(super) fn locate(
    module: &dyn DynModule,
    traced: &Traced,
    candidate: &dyn Candidate,
    example: &Example,
    call: &Call,
    expected: &[Array],
    options: &CheckOptions,
) -> Option<Divergence> {
    let example = &example.with(&call.inputs).ok()?;
    if options.retrace
        && let Ok((again, _)) = repeated(module, traced, example)
        && let Some(difference) = graph_diff::difference(traced.graph(), &again)
    {
        return Some(Divergence::of_difference(traced, &again, &difference, &call.inputs));
    }
    // The traced graph runs the kernels that the module ran; another module need not.
    let differs = |got: &Array, expected: &Array| match (options.tolerance_for(expected), options.retrace) {
        (Some(tolerance), _) => apart(got, expected, tolerance, false),
        (None, true) => apart(got, expected, Tolerance::EXACT, true),
        (None, false) => apart_at(got, expected, &call.inputs, 1.0),
    };
    let trace_agrees = traced.graph().replay(&call.inputs).is_ok_and(|outputs| {
        outputs.len() == expected.len() && outputs.iter().zip(expected).all(|(got, expected)| differs(got, expected).is_none())
    });
    if !trace_agrees {
        let beside = |agrees: &dyn Fn(&Array, &Array) -> bool| beside_module(module, traced.graph(), &call.inputs, expected, agrees);
        if options.retrace {
            return beside(&|_, _| false);
        }
        // Another model may round otherwise: the first node that differs by more than rounding, where the nodes correspond; else by more than the
        // tolerance, and at last by more than a small share of it.
        let by_rounding = || beyond_rounding(module, traced, example, call, options);
        let closely = |got: &Array, expected: &Array| apart_at(got, expected, &call.inputs, 0.05).is_none();
        return by_rounding().or_else(|| beside(&|got, expected| differs(got, expected).is_none())).or_else(|| beside(&closely));
    }
    if !options.retrace
        && let Some(found) = beyond_rounding(module, traced, example, call, options)
    {
        return Some(found);
    }
    if candidate.replays() {
        return None;
    }
    if let Some(model) = candidate.model()
        && let Some(found) = in_export(traced, model, example, call)
    {
        return Some(found);
    }
    let kept = cost::total(traced.graph(), &call.sizes);
    alone(traced, candidate, call).or_else(|| if options.is_beyond_memory(kept) { None } else { together(traced, candidate, call) })
}

/// What differs by more than a share of what rounding explains for these inputs; what cannot be compared differs.
fn apart_at(got: &Array, expected: &Array, inputs: &[Array], share: f64) -> Option<String> {
    match allowed(expected, inputs) {
        Ok(Tolerance { abs, rel }) => apart(got, expected, Tolerance { abs: abs * share, rel: rel * share }, false),
        Err(error) => Some(format!("cannot be compared: {}", error.message())),
    }
}

/// The most elements of all values together that are kept to compare two graphs.
const MOST_KEPT: usize = 1 << 27;

/// The bytes of an element that is kept: in f64, and three samples in f32.
const REFERENCE: u64 = 20;

/// The first node of a traced graph whose value in f64 differs from that of the module's by more than rounding explains, where both graphs do
/// the same operations in the same order.
fn beyond_rounding(module: &dyn DynModule, traced: &Traced, example: &Example, call: &Call, options: &CheckOptions) -> Option<Divergence> {
    if options.is_beyond_memory(cost::exact_memory(traced.graph(), &call.sizes)) {
        return None;
    }
    let most_kept = options.memory.map_or(MOST_KEPT, |bytes| MOST_KEPT.min(usize::try_from(bytes / REFERENCE).unwrap_or(MOST_KEPT)));
    let (other, _) = repeated(module, traced, example).ok()?;
    let graph = traced.graph();
    let names = |graph: &Graph| graph.nodes().iter().map(|node| node.op.name()).collect::<Vec<_>>();
    let inputs = [call.inputs.clone(), traced.noise(&call.inputs).ok()?].concat();
    if names(graph) != names(&other) {
        return parted(traced, &other, &inputs);
    }
    let (mut kept, mut count): (Vec<Vec<Option<Reference>>>, usize) = (Vec::new(), 0);
    rounding::evaluate(graph, &inputs, |_, references| {
        count += references.iter().flatten().map(|reference| reference.value.len()).sum::<usize>();
        kept.push(references.to_vec());
        if count > most_kept { Err(stop()) } else { Ok(()) }
    })
    .ok()?;
    let mut found = None;
    let _ = rounding::evaluate(&other, &inputs, |i, references| {
        for (own, reference) in kept[i].iter().zip(references) {
            let (Some(own), Some(reference)) = (own, reference) else { continue };
            let closeness = own.closeness_of(reference)?;
            if closeness.share > 1.0 {
                found = Some((i, closeness));
                return Err(stop());
            }
        }
        // What was compared is not needed again.
        kept[i] = Vec::new();
        Ok(())
    });
    let Some((i, closeness)) = found else { return parted(traced, &other, &inputs) };
    let difference = Difference { first: Some(i), second: Some(i), what: attributes_apart(&graph.nodes()[i], &other.nodes()[i]) };
    let mut divergence = Divergence::of_difference(traced, &other, &difference, &call.inputs);
    if divergence.what.is_empty() {
        divergence.what = format!("{:.1e} apart where rounding explains {:.1e}", closeness.share * closeness.limit, closeness.limit);
    }
    Some(divergence)
}

/// Where a traced graph parts from another that makes the same outputs with other nodes.
fn parted(traced: &Traced, other: &Graph, inputs: &[Array]) -> Option<Divergence> {
    let graph = traced.graph();
    let (mine, theirs) = (Evaluated::new(graph, inputs).ok()?, Evaluated::new(other, inputs).ok()?);
    let count = graph.outputs().len().min(other.outputs().len());
    let is_off = |i: &usize| mine.output_nearness(&theirs, (*i, *i)).is_ok_and(|nearness| nearness.share > 1.0);
    let parting = alignment::parting(&mine, &theirs, &(0..count).filter(is_off).map(|i| (i, i)).collect::<Vec<_>>(), (inputs, inputs))?;
    // What the module has is expected.
    let reversed = Parting { nodes: (parting.nodes.1, parting.nodes.0), runs: (parting.runs.1.clone(), parting.runs.0.clone()) };
    let found = differences((other, graph), &reversed, (inputs, inputs));
    // Which operator the module has is said beside the node.
    let what = found.into_iter().filter(|line| !line.starts_with(OPERATOR)).collect::<Vec<_>>().join("; ");
    let (own, another) = (parting.nodes.0.map(|i| node(graph, i)), parting.nodes.1.map(|j| node(other, j)));
    let mut found = match (own, another) {
        (Some(own), another) => Divergence { instead: another, ..Divergence::new(own, Fault::Trace, what) },
        (None, Some(another)) => Divergence::new(another, Fault::Trace, what),
        (None, None) => return None,
    };
    found.reproduced = reproduce_run(traced, &parting.runs.0, (other, &parting.runs.1), inputs);
    Some(found)
}

/// Some nodes of a traced graph with their values, and what the other graph makes of them.
fn reproduce_run(traced: &Traced, run: &[usize], (other, fused): (&Graph, &[usize]), inputs: &[Array]) -> Option<Reproduced> {
    let graph = traced.graph();
    let [output] = graph.nodes()[*run.last()?].outputs[..] else { return None };
    let expected = alignment::computed(other, *fused.last()?, inputs)?;
    let needed: HashSet<ValueId> = run.iter().flat_map(|&i| graph.nodes()[i].inputs.iter().flatten().copied()).chain([output]).collect();
    let values = subgraph::values(graph, inputs, |id| needed.contains(id)).ok()?;
    let Subgraph { traced, inputs, expected: own } = subgraph::cut(traced, run, &[output], inputs, &values).ok()?;
    let is_alike = own.first().is_some_and(|own| own.shape() == expected.shape() && own.dtype() == expected.dtype());
    is_alike.then_some(Reproduced { traced, inputs, expected: vec![expected] })
}

/// The attributes in which two nodes differ.
fn attributes_apart(a: &Node, b: &Node) -> String {
    let (a, b) = (a.op.attributes(), b.op.attributes());
    let differing = a.iter().filter(|(name, value)| b.get(name) != Some(*value));
    differing
        .map(|(name, value)| match b.get(name) {
            Some(other) => format!("{name}={value} instead of {name}={other}"),
            None => format!("{name}={value}"),
        })
        .collect::<Vec<_>>()
        .join(", ")
}

/// How many values that are not the same to the bit are compared by their elements, each with a run of the module.
const MOST_COMPARED: usize = 64;

/// Replays the traced graph beside the module, which runs eagerly, and names the first node whose value no operation of the
/// module makes, or one that `agrees`. Of the module's values only digests are kept.
fn beside_module(
    module: &dyn DynModule,
    graph: &Graph,
    call: &[Array],
    expected: &[Array],
    agrees: &dyn Fn(&Array, &Array) -> bool,
) -> Option<Divergence> {
    let tensors: Vec<Tensor> = call.iter().cloned().map(Tensor::from).collect();
    let run = || seeded(0, || module.forward(&tensors));
    let (_, done, _) = observe(None, run);
    let mut cursor = 0;
    let mut wrong: Option<(usize, Vec<Array>)> = None;
    let mut skipped: Vec<usize> = Vec::new();
    let mut compared = 0;
    let walked = subgraph::each_node(graph, call, |i, node, alive| {
        if node.op.is_traced_only() {
            skipped.push(i);
            return Ok(());
        }
        let values: Vec<Array> = node.outputs.iter().filter_map(|id| alive.get(id).cloned()).collect();
        let digests: Vec<u64> = values.iter().map(digest).collect();
        let same = |done: &ObservedOp| done.op.name() == node.op.name() && done.digests == digests;
        match done[cursor..].iter().position(same) {
            Some(found) => cursor += found + 1,
            None if done[..cursor].iter().any(same) => {}
            None if compared < MOST_COMPARED
                && let Some(k) = counterpart(&done, cursor, node) =>
            {
                compared += 1;
                let (_, _, expected) = observe(Some(k), run);
                if expected.len() != values.len() || !values.iter().zip(&expected).all(|(got, expected)| agrees(got, expected)) {
                    wrong = Some((i, values));
                    return Err(stop());
                }
                cursor = k + 1;
            }
            None => {
                wrong = Some((i, values));
                return Err(stop());
            }
        }
        Ok(())
    });
    let made_by = |i: &usize, ids: &[ValueId]| graph.nodes()[*i].outputs.iter().any(|id| ids.contains(id));
    let operands = |i: usize| graph.nodes()[i].inputs.iter().flatten().copied().collect::<Vec<_>>();
    let suspect = match &wrong {
        Some((i, _)) => skipped.iter().find(|skipped| made_by(skipped, &operands(*i))),
        None => skipped.iter().rev().find(|skipped| made_by(skipped, graph.outputs())),
    };
    if let Some(&suspect) = suspect {
        return Some(Divergence::new(node(graph, suspect), Fault::Trace, String::new()));
    }
    let Some((i, got)) = wrong else {
        return match walked {
            Err(error) => Some(Divergence::new(("the traced graph", SourceLocation::default()), Fault::Trace, error.to_string())),
            Ok(()) => other_output(graph, call, expected, &done),
        };
    };
    let name = graph.nodes()[i].op.name();
    let counterpart = done[cursor..].iter().position(|done| done.op.name() == name).map(|found| cursor + found);
    // What the module does before that, and the traced graph nowhere, is what is missing; constants are made beforehand.
    let constants: HashSet<u64> = graph.values().filter_map(|(_, value)| value.constant().map(digest)).collect();
    let end = counterpart.map_or(done.len(), |end| end + 1);
    let missing = (cursor..end).find(|&k| !done[k].digests.iter().all(|digest| constants.contains(digest)));
    let mut found = Divergence::new(node(graph, i), Fault::Trace, String::new());
    if let Some(done) = missing.or(counterpart).and_then(|k| done.get(k)) {
        found.instead = Some((done.op.name(), done.location.clone()));
    }
    if let Some(k) = counterpart {
        let (_, _, expected) = observe(Some(k), run);
        found.what = got.iter().zip(&expected).find_map(|(got, expected)| apart(got, expected, Tolerance::EXACT, true)).unwrap_or_default();
    }
    Some(found)
}

/// The operation of the module that a node stands for, not before `cursor`: the one of its source line, else the next of its kind.
fn counterpart(done: &[ObservedOp], cursor: usize, node: &Node) -> Option<usize> {
    let same_kind = |done: &ObservedOp| done.op.name() == node.op.name();
    let same_line = |done: &ObservedOp| same_kind(done) && !node.location.line.is_empty() && done.location.line == node.location.line;
    let rest = &done[cursor..];
    rest.iter().position(same_line).or_else(|| rest.iter().position(same_kind)).map(|found| cursor + found)
}

/// Where every value is right, the first output that is not the value that it should be: its node, and that of the right value.
fn other_output(graph: &Graph, call: &[Array], expected: &[Array], done: &[ObservedOp]) -> Option<Divergence> {
    let got = graph.replay(call).ok()?;
    let i = got.iter().zip(expected).position(|(got, expected)| digest(got) != digest(expected))?;
    let maker = graph.nodes().iter().position(|node| node.outputs.contains(&graph.outputs()[i]))?;
    let right = done.iter().find(|done| done.digests.contains(&digest(&expected[i])));
    let instead = right.map(|done| (done.op.name(), done.location.clone()));
    Some(Divergence { instead, ..Divergence::new(node(graph, maker), Fault::Trace, format!("output {i} is another value")) })
}

/// The first node of an ONNX model that differs from the model that the traced graph is written as.
fn in_export(traced: &Traced, model: &crate::onnx::Model, example: &Example, call: &Call) -> Option<Divergence> {
    let operators = traced.operators();
    let read = |model: crate::onnx::Model| record(&OnnxModule::with_operators(model, &operators)?, example.clone());
    let written = traced.to_unhashed_model(ExportOptions { opset: model.opset(""), ..ExportOptions::default() }).ok()?;
    let right = read(written).ok()?;
    let wrong = match read(model.clone()) {
        Ok(wrong) => wrong,
        Err(error) => return Some(Divergence::new(("the ONNX model", SourceLocation::default()), Fault::Export, error.to_string())),
    };
    let difference = graph_diff::difference(wrong.graph(), right.graph())?;
    Some(Divergence {
        fault: Fault::Export,
        reproduced: None,
        ..Divergence::of_difference(&wrong, right.graph(), &difference, &call.inputs)
    })
}

/// How closely a candidate must compute a subgraph.
#[derive(Clone, Copy, PartialEq)]
enum Closely {
    /// As the outputs of a model are compared.
    ByTolerance,
    /// A node alone, within the worst case of its rounding.
    WorstCase,
    /// A node alone, within some deviations of its rounding.
    Deviations,
}

/// What a candidate answers for a subgraph: what is wrong with it, or `None`.
fn wrong(candidate: &dyn Candidate, subgraph: &Subgraph, closely: Closely) -> Option<String> {
    let tensors: Vec<Tensor> = subgraph.inputs.iter().cloned().map(Tensor::from).collect();
    // A candidate that cannot be made from a subgraph says nothing about the whole.
    let made = candidate.subgraph(&subgraph.traced).ok()?;
    let got = match seeded(0, || made.forward(&tensors)).and_then(|got| got.iter().map(Tensor::to_array).collect::<Result<Vec<_>>>()) {
        Ok(got) => got,
        Err(error) => return Some(error.to_string()),
    };
    if got.len() != subgraph.expected.len() {
        return Some(format!("{} outputs instead of {}", got.len(), subgraph.expected.len()));
    }
    let bounds = match closely {
        Closely::ByTolerance => None,
        Closely::WorstCase => rounding::bounds(subgraph.traced.graph(), &subgraph.inputs, Bound::Worst).ok(),
        Closely::Deviations => rounding::bounds(subgraph.traced.graph(), &subgraph.inputs, Bound::Deviation).ok(),
    };
    let Some(bounds) = bounds else {
        return got.iter().zip(&subgraph.expected).find_map(|(got, expected)| apart_at(got, expected, &subgraph.inputs, 1.0));
    };
    got.iter().zip(&subgraph.expected).zip(bounds).find_map(|((got, expected), bound)| match bound {
        Some(reference) if got.dtype() == expected.dtype() && got.shape() == expected.shape() => match reference.closeness(got) {
            Ok(closeness) if closeness.share <= 1.0 => None,
            _ => Some(apart(got, expected, Tolerance::EXACT, false).unwrap_or_else(|| "off by more than rounding".to_string())),
        },
        _ => apart(got, expected, Tolerance::EXACT, false),
    })
}

/// Every node by itself, on the very values that it meets in this call: first within the worst case of its rounding, then within what is
/// usual, because the nodes behind may enlarge what one node does.
fn alone(traced: &Traced, candidate: &dyn Candidate, call: &Call) -> Option<Divergence> {
    for closely in [Closely::WorstCase, Closely::Deviations] {
        let mut found = None;
        let _ = subgraph::each_node(traced.graph(), &call.inputs, |i, node, alive| {
            let Ok(subgraph) = subgraph::cut(traced, &[i], &node.outputs, &call.inputs, alive) else { return Ok(()) };
            if node.op.agreement() == Agreement::Random {
                return Ok(());
            }
            match wrong(candidate, &subgraph, closely) {
                Some(what) => {
                    let fault = fault(candidate, &subgraph);
                    found = Some(Divergence { nodes: vec![i], ..Divergence::new(self::node(traced.graph(), i), fault, what) });
                    Err(stop())
                }
                None => Ok(()),
            }
        });
        if found.is_some() {
            return found;
        }
    }
    None
}

/// The shortest run of nodes that is wrong only when they stand together: the end is sought from the front, then the front from the end.
fn together(traced: &Traced, candidate: &dyn Candidate, call: &Call) -> Option<Divergence> {
    let graph = traced.graph();
    // Only on this road are all values kept; the memory is that of one run without forgetting.
    let values = subgraph::values(graph, &call.inputs, |_| true).ok()?;
    let fails = |from: usize, to: usize| -> Option<(String, Subgraph)> {
        let ids: Vec<ValueId> = graph.nodes()[to].outputs.to_vec();
        let subgraph = subgraph::cut(traced, &needed(graph, from..=to, &ids), &ids, &call.inputs, &values).ok()?;
        wrong(candidate, &subgraph, Closely::ByTolerance).map(|what| (what, subgraph))
    };
    let count = graph.nodes().len();
    let end = (0..count).find(|&end| fails(0, end).is_some())?;
    let front = (0..=end).rev().find(|&front| fails(front, end).is_some())?;
    let (what, subgraph) = fails(front, end)?;
    let nodes = needed(graph, front..=end, &graph.nodes()[end].outputs);
    let first = first_of(traced, candidate, call, &nodes, &values).unwrap_or((end, what));
    Some(Divergence { nodes, ..Divergence::new(node(graph, first.0), fault(candidate, &subgraph), first.1) })
}

/// Of nodes that are wrong together, the first fault value differs when all of their values are shown; that may break what joins them up.
fn first_of(traced: &Traced, candidate: &dyn Candidate, call: &Call, nodes: &[usize], values: &ComputedValues) -> Option<(usize, String)> {
    let graph = traced.graph();
    let all: Vec<(usize, ValueId)> = nodes.iter().flat_map(|&i| graph.nodes()[i].outputs.iter().map(move |&id| (i, id))).collect();
    let outputs: Vec<ValueId> = all.iter().map(|made| made.1).filter(|id| values.contains_key(id)).collect();
    let subgraph = subgraph::cut(traced, nodes, &outputs, &call.inputs, values).ok()?;
    let tensors: Vec<Tensor> = subgraph.inputs.iter().cloned().map(Tensor::from).collect();
    let got = seeded(0, || candidate.subgraph(&subgraph.traced)?.forward(&tensors)).ok()?;
    let maker = |id: &ValueId| all.iter().find(|made| made.1 == *id).map(|made| made.0);
    outputs.iter().zip(got.iter().zip(&subgraph.expected)).find_map(|(id, (got, expected))| {
        let what = apart_at(&got.to_array().ok()?, expected, &call.inputs, 1.0)?;
        Some((maker(id)?, what))
    })
}

/// Of a run of nodes, those that the outputs need.
fn needed(graph: &Graph, run: RangeInclusive<usize>, outputs: &[ValueId]) -> Vec<usize> {
    let wanted = graph.needed_by(outputs);
    run.filter(|&i| graph.nodes()[i].outputs.iter().any(|id| wanted.contains(id))).collect()
}

/// Which step is at fault for a wrong subgraph: the model is run by our own reader, then by tract without its optimiser.
fn fault(candidate: &dyn Candidate, subgraph: &Subgraph) -> Fault {
    let Ok(made) = candidate.subgraph(&subgraph.traced) else { return Fault::Candidate };
    let Some(model) = made.model() else { return Fault::Candidate };
    let agrees = |got: Result<Vec<Array>>| {
        got.is_ok_and(|got| {
            got.len() == subgraph.expected.len()
                && got.iter().zip(&subgraph.expected).all(|(got, expected)| apart_at(got, expected, &subgraph.inputs, 1.0).is_none())
        })
    };
    let tensors: Vec<Tensor> = subgraph.inputs.iter().cloned().map(Tensor::from).collect();
    let ours = OnnxModule::with_operators(model.clone(), &subgraph.traced.operators())
        .and_then(|module| seeded(0, || module.forward(&tensors)))
        .and_then(|outputs| outputs.iter().map(Tensor::to_array).collect());
    if !agrees(ours) {
        return Fault::Export;
    }
    by_tract(model, subgraph, agrees)
}

#[cfg(feature = "tract")]
fn by_tract(model: &crate::onnx::Model, subgraph: &Subgraph, agrees: impl Fn(Result<Vec<Array>>) -> bool) -> Fault {
    let Ok(session) = crate::runtime::Session::builder().operators(&subgraph.traced.operators()).build(model) else {
        return Fault::Candidate;
    };
    match session.run_unoptimized(&subgraph.inputs) {
        unoptimized if agrees(unoptimized.clone()) => Fault::Optimiser,
        _ if session.explain().is_empty() => Fault::Reading,
        _ => Fault::Kernel,
    }
}

#[cfg(not(feature = "tract"))]
fn by_tract(_: &crate::onnx::Model, _: &Subgraph, _: impl Fn(Result<Vec<Array>>) -> bool) -> Fault {
    Fault::Candidate
}
