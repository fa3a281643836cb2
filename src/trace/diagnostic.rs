//! Diagnostics of a trace: what limits its use with other inputs.

use super::Traced;
use crate::dim::{Constraint, Expr, Type};
use crate::graph::{Agreement, Condition, Graph, Node, Source, SourceLocation, ValueId};
use crate::ops::Slice;
use crate::tensor::scalar_value::ScalarValue;
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// The kinds of diagnostics: what a [`Tracer`](crate::Tracer) may refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DiagnosticKind {
    /// An input that nothing uses.
    UnusedInput,
    /// An output that is the same at every call.
    ConstantOutput,
    /// An unnamed constant of several elements.
    ConstantFolded,
    /// A random operator.
    Random,
    /// Sizes that the program needs to be equal.
    Sizes,
    /// Attributes that the source keeps from call to call.
    State,
    /// A value that the program read out of a traced tensor or size.
    Guard,
}

impl DiagnosticKind {
    /// Every kind, with the name that people give it.
    pub const ALL: &[(&str, DiagnosticKind)] = &[
        ("unused-input", DiagnosticKind::UnusedInput),
        ("constant-output", DiagnosticKind::ConstantOutput),
        ("constant-folded", DiagnosticKind::ConstantFolded),
        ("random", DiagnosticKind::Random),
        ("sizes", DiagnosticKind::Sizes),
        ("state", DiagnosticKind::State),
        ("guard", DiagnosticKind::Guard),
    ];
}

/// A fact about a trace that its user did not ask for.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Diagnostic {
    /// An input that nothing uses; it stays an input.
    UnusedInput(String),
    /// An output that is the same at every call.
    ConstantOutput(String),
    /// An unnamed constant of several elements: a literal of the program, or a tensor that it captured.
    ConstantFolded {
        /// What they are.
        ty: Type,
        /// How much memory they take.
        bytes: usize,
        /// Where they were used first.
        location: SourceLocation,
    },
    /// Random samples.
    Random {
        /// The operator.
        op: &'static str,
        /// Where.
        location: SourceLocation,
    },
    /// Sizes that were declared as different symbols and that the program needs to be equal.
    Sizes {
        /// What it needs, `m == n`.
        constraint: String,
        /// Where.
        location: SourceLocation,
    },
    /// Attributes of the source's modules that a call writes to and the next one reads: every call of the traced graph starts from the stored values.
    State(Vec<String>),
    /// A value that the program read out of a traced tensor or size, with its source location.
    Guard(String),
    /// A value of an input that the program read: its input, what was read, and the source location.
    Specialized(String),
}

impl Diagnostic {
    /// Its kind.
    pub fn kind(&self) -> DiagnosticKind {
        match self {
            Diagnostic::UnusedInput(_) => DiagnosticKind::UnusedInput,
            Diagnostic::ConstantOutput(_) => DiagnosticKind::ConstantOutput,
            Diagnostic::ConstantFolded { .. } => DiagnosticKind::ConstantFolded,
            Diagnostic::Random { .. } => DiagnosticKind::Random,
            Diagnostic::Sizes { .. } => DiagnosticKind::Sizes,
            Diagnostic::State(_) => DiagnosticKind::State,
            Diagnostic::Guard(_) | Diagnostic::Specialized(_) => DiagnosticKind::Guard,
        }
    }
}

/// How many attributes a note names.
const STATES: usize = 4;

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Diagnostic::UnusedInput(name) => write!(f, "input `{name}` is not used"),
            Diagnostic::ConstantOutput(name) => write!(f, "output `{name}` is constant"),
            Diagnostic::ConstantFolded { ty, bytes, location } => {
                write!(f, "constant {ty} ({bytes} bytes) folded into the graph{}", location.suffix())
            }
            Diagnostic::Random { op, location } => write!(f, "random operator {op}{}", location.suffix()),
            Diagnostic::Sizes { constraint, location } => write!(f, "requires {constraint}{}", location.suffix()),
            Diagnostic::State(names) => {
                let (shown, more) = (names.iter().take(STATES).map(|name| format!("`{name}`")), names.len().saturating_sub(STATES));
                let shown = shown.collect::<Vec<_>>().join(", ");
                let more = if more == 0 { String::new() } else { format!(" and {more} more") };
                write!(f, "the source keeps {shown}{more} from call to call; here every call starts from the stored values")
            }
            Diagnostic::Guard(guard) => write!(f, "the traced graph is valid only for {guard}"),
            Diagnostic::Specialized(text) => f.write_str(text),
        }
    }
}

/// The diagnostics of a trace, in a fixed order.
pub(super) fn notes(traced: &Traced) -> Vec<Diagnostic> {
    let graph = traced.graph();
    // The first node that uses each value.
    let mut uses: BTreeMap<ValueId, &Node> = BTreeMap::new();
    for node in graph.nodes() {
        for &id in node.inputs.iter().flatten() {
            uses.entry(id).or_insert(node);
        }
    }
    let others: BTreeSet<ValueId> = graph.guarded().chain(graph.outputs().iter().copied()).collect();
    let givers = size_givers(graph);
    let is_used = |id: ValueId| uses.contains_key(&id) || others.contains(&id) || givers.contains(&id);
    let unused = graph.inputs().iter().filter(|&&id| !is_used(id)).map(|&id| Diagnostic::UnusedInput(graph.label(id)));
    let outputs = graph.outputs().iter().zip(traced.outputs());
    let fixed = outputs.filter(|(id, _)| graph.value(**id).constant().is_some()).map(|(_, (name, _))| Diagnostic::ConstantOutput(name));
    let folded = graph.values().filter_map(|(id, value)| match &value.source {
        Source::Constant(array, None) if array.len() > 1 => {
            let location = uses.get(&id).map(|node| node.location.clone());
            Some(Diagnostic::ConstantFolded { ty: value.ty.clone(), bytes: array.byte_len(), location: location.unwrap_or_default() })
        }
        _ => None,
    });
    let random = graph
        .nodes()
        .iter()
        .filter(|node| node.op.agreement() == Agreement::Random)
        .map(|node| Diagnostic::Random { op: node.op.name(), location: node.location.clone() });
    let mut specialized = traced.specialized().into_iter();
    // Those on values are of inputs, but for what is computed from nothing.
    let guards = traced.guards().iter().map(|guard| match &guard.condition {
        Condition::Values(..) => {
            specialized.next().map_or_else(|| Diagnostic::Guard(guard.to_string()), |value| Diagnostic::Specialized(value.to_string()))
        }
        Condition::Sizes(_) => Diagnostic::Guard(guard.to_string()),
    });
    unused.chain(fixed).chain(folded).chain(random).chain(traced.notes.iter().cloned()).chain(guards).collect()
}

impl Traced {
    /// The axes of outputs that the file gives the name of another axis, which is of another size: those of inputs and of the outputs before.
    /// Runtimes compute such a model all the same.
    pub fn contradicting_axes(&self) -> Vec<String> {
        let graph = self.graph();
        let dims = |id: &ValueId| graph.value(*id).ty.shape.iter().enumerate().map(|(axis, dim)| (axis, dim.expr())).collect::<Vec<_>>();
        let of_inputs: BTreeSet<Arc<str>> = graph.inputs().iter().flat_map(dims).flat_map(|(_, expr)| expr.symbols()).collect();
        let related: BTreeSet<Arc<str>> = graph.size_constraints().flat_map(Constraint::symbols).collect();
        let is_free = |expr: &Expr| expr.symbols().iter().all(|symbol| of_inputs.contains(symbol) && !related.contains(symbol));
        let mut named: BTreeMap<Arc<str>, (String, Expr)> = BTreeMap::new();
        for (id, (axis, expr)) in graph.inputs().iter().flat_map(|id| dims(id).into_iter().map(move |dim| (id, dim))) {
            if let Some(symbol) = expr.as_symbol() {
                named.entry(symbol.clone()).or_insert_with(|| (format!("axis {axis} of input {}", graph.label(*id)), expr.clone()));
            }
        }
        let mut found = Vec::new();
        for ((id, declared), (name, _)) in graph.outputs().iter().zip(graph.declared_outputs()).zip(self.outputs()) {
            let declared = declared.iter().flat_map(|shape| shape.iter());
            for ((axis, expr), declared) in dims(id).into_iter().zip(declared).filter(|((_, expr), _)| is_free(expr)) {
                let Some(symbol) = declared.expr().as_symbol().cloned() else { continue };
                let (first, known) = named.entry(symbol.clone()).or_insert_with(|| (format!("axis {axis} of output {name}"), expr.clone()));
                if is_free(known) && differ(known, &expr) {
                    found.push(format!("axis {axis} of output {name} is named `{symbol}`, as {first}, but is {expr}, not {known}"));
                }
            }
        }
        found
    }
}

/// Whether two sizes are unlike at sizes that are unlike.
fn differ(one: &Expr, other: &Expr) -> bool {
    let symbols: Vec<Arc<str>> = one.symbols().union(&other.symbols()).cloned().collect();
    let at = |expr: &Expr, first: i64| expr.eval(&|symbol| symbols.iter().position(|known| **known == *symbol).map(|i| first + i as i64));
    [97, 1009].into_iter().all(|first| at(one, first).zip(at(other, first)).is_some_and(|(one, other)| one != other))
}

/// The symbols that stand for elements of inputs, with the elements' names: `size[0]`, or `n` of a scalar.
pub(super) fn elements_of_inputs(graph: &Graph) -> BTreeMap<Arc<str>, Expr> {
    let makers: BTreeMap<ValueId, &Node> = graph.nodes().iter().flat_map(|node| node.outputs.iter().map(move |id| (*id, node))).collect();
    let element = |node: &Node| {
        let op: &dyn Any = &*node.op;
        let value = op.downcast_ref::<ScalarValue>()?;
        let (mut id, mut element) = (node.inputs.first().copied().flatten()?, value.element);
        while let Some(node) = makers.get(&id) {
            let op: &dyn Any = &*node.op;
            match (node.op.name(), op.downcast_ref::<Slice>()) {
                ("Cast" | "Reshape" | "Squeeze" | "Unsqueeze", _) => {}
                (_, Some(slice)) => element = usize::try_from(slice.start.fixed()? + element as i64 * slice.step).ok()?,
                _ => return None,
            }
            id = node.inputs.first().copied().flatten().filter(|&id| graph.value(id).ty.rank() <= 1)?;
        }
        let name = graph.inputs().contains(&id).then(|| graph.label(id))?;
        let name = if graph.value(id).ty.rank() == 0 { name } else { format!("{name}[{element}]") };
        Some((value.dim.expr().as_symbol()?.clone(), Expr::symbol(&name)))
    };
    graph.nodes().iter().filter_map(element).collect()
}

/// The inputs with a size that operators compute with and that no input before it has.
fn size_givers(graph: &Graph) -> BTreeSet<ValueId> {
    let used: BTreeSet<Arc<str>> = graph.nodes().iter().flat_map(|node| node.op.dims()).flat_map(|dim| dim.expr().symbols()).collect();
    let mut seen = BTreeSet::new();
    let mut givers = BTreeSet::new();
    for &id in graph.inputs() {
        for dim in graph.value(id).ty.shape.iter() {
            let expr = dim.expr();
            let Some(symbol) = expr.as_symbol() else { continue };
            if seen.insert(symbol.clone()) && used.contains(symbol) {
                givers.insert(id);
            }
        }
    }
    givers
}
