//! The recorder: a thread's stack of active traces.

use super::Tensor;
use crate::array::Array;
use crate::dim::{Assumptions, Constraint, Constraints, Expr, Type};
use crate::error::{Error, ErrorCode, Result};
use crate::graph::{Condition, Graph, Guard, Operator, SourceLocation, ValueId};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Identifies a trace; never part of any output.
static NEXT: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static ACTIVE: RefCell<Vec<ActiveTrace>> = const { RefCell::new(Vec::new()) };
}

/// A trace that is active: its graph so far.
struct ActiveTrace {
    id: u64,
    graph: Graph,
    /// The constraints on sizes that the program needs.
    constraints: Vec<Guard>,
    /// What inference may assume of sizes in this trace.
    assumptions: Option<Assumptions>,
    /// Whether reading a number is an error.
    strict: bool,
    /// How many sizes that depend on data have a symbol.
    named: usize,
    /// For the body of a branch or loop: the tensors of outer traces that it uses, and what they are in it.
    captures: Option<Vec<(Tensor, ValueId)>>,
}

/// The origin of a traced tensor: its trace, and its value there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TracedRef {
    trace: u64,
    pub(super) value: ValueId,
}

/// An active trace; dropping it without [`Recorder::finish`] (an error, a panic) discards its graph.
pub struct Recorder {
    id: u64,
}

impl Recorder {
    /// Starts a trace on this thread.
    pub fn open() -> Recorder {
        Recorder::push(None)
    }

    /// Makes it an error to read a number out of what is recorded, or not.
    ///
    /// # Errors
    /// [`Trace`](crate::ErrorCode::Trace) on another thread than the one that started the trace.
    pub fn with_strictness(self, strict: bool) -> Result<Recorder> {
        self.with(|active| active.strict = strict)?;
        Ok(self)
    }

    /// Lets inference assume this of sizes.
    ///
    /// # Errors
    /// As [`Recorder::with_strictness`].
    pub(crate) fn with_assumptions(self, assumptions: Assumptions) -> Result<Recorder> {
        self.with(|active| active.assumptions = Some(assumptions))?;
        Ok(self)
    }

    /// Starts the trace of a branch or a loop's body, which may use the tensors of the traces around it.
    pub(crate) fn open_body() -> Recorder {
        Recorder::push(Some(Vec::new()))
    }

    fn push(captures: Option<Vec<(Tensor, ValueId)>>) -> Recorder {
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        ACTIVE.with_borrow_mut(|open| {
            open.push(ActiveTrace {
                id,
                graph: Graph::default(),
                constraints: Vec::new(),
                assumptions: None,
                strict: false,
                named: 0,
                captures,
            });
        });
        Recorder { id }
    }

    /// Ends the trace of a body: its graph, and the outer tensors that it uses, which are its last inputs.
    pub(crate) fn finish_body(self, outputs: &[Tensor]) -> Result<(Graph, Vec<Tensor>)> {
        let values: Vec<ValueId> = outputs.iter().map(value).collect::<Result<_>>()?;
        let (mut graph, captures) = self.with(|active| (std::mem::take(&mut active.graph), active.captures.take()))?;
        graph.set_outputs(values);
        graph.prune();
        Ok((graph, captures.unwrap_or_default().into_iter().map(|capture| capture.0).collect()))
    }

    fn with<T>(&self, f: impl FnOnce(&mut ActiveTrace) -> T) -> Result<T> {
        ACTIVE
            .with_borrow_mut(|open| open.iter_mut().find(|active| active.id == self.id).map(f))
            .ok_or_else(|| Error::trace("the trace was moved to another thread"))
    }

    /// Adds an input: the tensor that the function gets instead of the example's.
    ///
    /// # Errors
    /// [`Trace`](crate::ErrorCode::Trace) on another thread than the one that started the trace.
    pub fn input(&self, name: &str, ty: Type, example: &Tensor) -> Result<Tensor> {
        let value = self.with(|active| active.graph.add_input(name, ty.clone()))?;
        Ok(example.traced(ty, TracedRef { trace: self.id, value }))
    }

    /// The constraints on sizes so far, with their source locations.
    pub(crate) fn take_constraints(&self) -> Result<Vec<Guard>> {
        self.with(|active| std::mem::take(&mut active.constraints))
    }

    /// Ends the trace: the graph that computes these outputs, with a guard for every value that the program read on the way.
    ///
    /// # Errors
    /// [`Trace`](crate::ErrorCode::Trace) where an output belongs to another trace.
    pub fn finish(self, outputs: &[Tensor]) -> Result<Graph> {
        let values: Vec<ValueId> = outputs.iter().map(value).collect::<Result<_>>()?;
        let mut graph = self.with(|active| std::mem::take(&mut active.graph))?;
        graph.set_outputs(values);
        graph.prune();
        Ok(graph)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // Whatever was opened inside and not closed goes with it.
        ACTIVE.with_borrow_mut(|open| {
            if let Some(depth) = open.iter().position(|active| active.id == self.id) {
                open.truncate(depth);
            }
        });
    }
}

/// Whether somebody is recording on this thread.
pub fn is_tracing() -> bool {
    ACTIVE.with_borrow(|open| !open.is_empty())
}

/// The symbols in the types of the values of this thread's active traces, and what each stands for in the example.
pub(crate) fn visible() -> BTreeMap<Arc<str>, Option<i64>> {
    ACTIVE.with_borrow(|open| {
        let mut symbols = BTreeMap::new();
        for (_, value) in open.iter().flat_map(|active| active.graph.values()) {
            for dim in value.ty.shape.iter().filter(|dim| dim.is_symbolic()) {
                if let Some(symbol) = dim.expr().as_symbol() {
                    let seen = symbols.entry(symbol.clone()).or_insert(None);
                    *seen = seen.or(dim.example());
                }
            }
        }
        symbols
    })
}

/// A symbol for a size that depends on data, which no input of the trace has.
pub(crate) fn fresh_symbol() -> Expr {
    ACTIVE.with_borrow_mut(|open| {
        // Bodies share the symbols of the trace that they are in.
        let Some(active) = open.iter_mut().rfind(|active| active.captures.is_none()) else { return Expr::symbol("data") };
        loop {
            let symbol = Expr::symbol(&format!("data{}", active.named));
            active.named += 1;
            let taken = |id: &ValueId| active.graph.value(*id).ty.shape.iter().any(|dim| dim.expr() == symbol);
            if !active.graph.inputs().iter().any(taken) {
                return symbol;
            }
        }
    })
}

/// Runs a function outside all active traces.
pub fn untraced<R>(run: impl FnOnce() -> R) -> R {
    /// Also where the function panics.
    struct Before(Vec<ActiveTrace>);
    impl Drop for Before {
        fn drop(&mut self) {
            ACTIVE.set(std::mem::take(&mut self.0));
        }
    }
    let _before = Before(ACTIVE.take());
    run()
}

/// Adds a guard for a relation between sizes that the program read, where a trace is active.
pub(super) fn guard_sizes(constraint: Constraint, location: SourceLocation) -> Result<()> {
    ACTIVE.with_borrow_mut(|open| {
        // Bodies share the sizes of the trace that they are in.
        let Some(active) = open.iter_mut().rfind(|active| active.captures.is_none()) else { return Ok(()) };
        let guard = Guard::lengths(constraint, location);
        if active.strict {
            return Err(denied(&guard));
        }
        active.graph.add_guard(guard);
        Ok(())
    })
}

/// Adds a guard: the program read the elements of a traced value.
pub(super) fn guard_values(traced_ref: TracedRef, seen: &Array, location: impl FnOnce() -> SourceLocation) -> Result<()> {
    ACTIVE.with_borrow_mut(|open| {
        let Some(active) = open.iter_mut().find(|active| active.id == traced_ref.trace) else { return Ok(()) };
        let location = location();
        if active.captures.is_some() {
            return Err(Error::trace("a value was read in the traced body of a branch or loop, where it differs between iterations")
                .at(location)
                .help("compute it outside, keep it a tensor, or nest another cond, while_loop or scan"));
        }
        let guard = Guard { condition: Condition::Numbers(traced_ref.value, seen.clone()), location };
        if active.strict {
            return Err(denied(&guard));
        }
        active.graph.add_guard(guard);
        Ok(())
    })
}

fn denied(guard: &Guard) -> Error {
    let error = Error::new(ErrorCode::Denied, format!("a strict trace must not read values: {guard}"));
    error.help("keep it a tensor or a Dim, use cond, while_loop or scan, or trace without strict")
}

/// The constraints of the active trace, for one inference. Bodies share those of the trace that they are in.
pub(super) fn constraints() -> Constraints {
    ACTIVE.with_borrow(|open| {
        let active = open.iter().rfind(|active| active.captures.is_none());
        Constraints::under(active.and_then(|active| active.assumptions.clone()))
    })
}

/// Lets the active trace assume a constraint from here on.
pub(super) fn grant(constraint: Constraint) {
    ACTIVE.with_borrow_mut(|open| {
        let active = open.iter_mut().rfind(|active| active.captures.is_none());
        if let Some(assumptions) = active.and_then(|active| active.assumptions.as_mut()) {
            assumptions.grant(constraint);
        }
    });
}

/// Keeps what inference had to assume of sizes, with the location where it did.
pub(super) fn constrain(constraints: Vec<Constraint>, location: impl FnOnce() -> SourceLocation) {
    if constraints.is_empty() {
        return;
    }
    let location = location();
    ACTIVE.with_borrow_mut(|open| {
        if let Some(active) = open.iter_mut().rfind(|active| active.captures.is_none()) {
            active.constraints.extend(constraints.into_iter().map(|constraint| Guard::lengths(constraint, location.clone())));
        }
    });
}

/// How far below the top the trace of a value is; `usize::MAX` where it is not active.
fn depth(open: &[ActiveTrace], traced_ref: TracedRef) -> usize {
    open.iter().rev().position(|active| active.id == traced_ref.trace).unwrap_or(usize::MAX)
}

/// The value that a tensor of an outer trace is in a body: an input of its own.
fn captured(tensor: &Tensor, traced_ref: TracedRef) -> Result<ValueId> {
    ACTIVE.with_borrow_mut(|open| {
        let top = open.last_mut().ok_or_else(|| Error::internal("no active trace for this value"))?;
        if top.id == traced_ref.trace {
            return Ok(traced_ref.value);
        }
        let captures = top.captures.get_or_insert_default();
        if let Some((_, id)) = captures.iter().find(|(known, _)| known.traced_ref() == Some(traced_ref)) {
            return Ok(*id);
        }
        let id = top.graph.add_input(&format!("captured{}", captures.len()), tensor.ty().clone());
        captures.push((tensor.clone(), id));
        Ok(id)
    })
}

/// Refuses a traced tensor that does not belong to the trace on top of this thread's stack.
fn belongs(traced_ref: TracedRef) -> Result<()> {
    ACTIVE.with_borrow(|open| match open.last() {
        Some(top) if top.id == traced_ref.trace => Ok(()),
        // A body sees the traces around it, as far as these are bodies too and the one that they are in.
        Some(_) if open.iter().rev().take_while(|active| active.captures.is_some()).count() + 1 > depth(open, traced_ref) => Ok(()),
        Some(_) if open.iter().any(|active| active.id == traced_ref.trace) => {
            Err(Error::trace("a tensor of an outer trace is used in an inner one").help("pass it to the inner function as an input"))
        }
        _ => Err(Error::trace("a traced tensor is used after its trace has ended, in another trace, or on another thread")
            .help("return it from the traced function instead of storing it, and trace on one thread")),
    })
}

/// The value that a tensor is in the trace on top: its own, or a constant.
fn value(tensor: &Tensor) -> Result<ValueId> {
    if let Some(traced_ref) = tensor.traced_ref() {
        return belongs(traced_ref).and_then(|()| captured(tensor, traced_ref));
    }
    if let Some(dims) = tensor.symbolic_values().filter(|dims| dims.is_symbolic()) {
        return dim_tensor(tensor, dims.clone());
    }
    let array = tensor.array()?;
    ACTIVE.with_borrow_mut(|open| {
        let top = open.last_mut().ok_or_else(|| Error::internal("no active trace for this value"))?;
        Ok(top.graph.add_constant(array, tensor.parameter(), tensor.derivation()))
    })
}

/// Adds a node that computes sizes as a tensor, because they meet data.
fn dim_tensor(tensor: &Tensor, dims: crate::dim::DimArray) -> Result<ValueId> {
    let op: Arc<dyn Operator> = Arc::new(super::dim_tensor::DimTensor { dims, dtype: tensor.dtype() });
    ACTIVE.with_borrow_mut(|open| {
        let top = open.last_mut().ok_or_else(|| Error::internal("no active trace for this value"))?;
        let outputs = top.graph.add_node(op, vec![], vec![tensor.ty().clone()], SourceLocation::default());
        outputs.first().copied().ok_or_else(|| Error::internal("DimTensor: no output"))
    })
}

/// Writes an operation down: the marks of its outputs.
pub(super) fn record(
    op: Arc<dyn Operator>,
    inputs: &[Option<&Tensor>],
    types: &[Type],
    location: SourceLocation,
) -> Result<Vec<TracedRef>> {
    let inputs = inputs.iter().map(|input| input.map(value).transpose()).collect::<Result<Vec<_>>>()?;
    ACTIVE.with_borrow_mut(|open| {
        let top = open.last_mut().ok_or_else(|| Error::internal("no active trace for this operation"))?;
        let outputs = top.graph.add_node(op, inputs, types.to_vec(), location);
        Ok(outputs.into_iter().map(|value| TracedRef { trace: top.id, value }).collect())
    })
}

/// The types of the outputs of an equal earlier node of the trace: sizes that depend on data are equal in both.
pub(super) fn repeated(op: &dyn Operator, inputs: &[Option<&Tensor>]) -> Result<Option<Vec<Type>>> {
    let inputs = inputs.iter().map(|input| input.map(value).transpose()).collect::<Result<Vec<_>>>()?;
    Ok(ACTIVE.with_borrow(|open| {
        let graph = &open.last()?.graph;
        graph.equal_node(op, &inputs).map(|node| node.outputs.iter().map(|&id| graph.value(id).ty.clone()).collect())
    }))
}

/// Whether an operation on these inputs becomes a node, and refuses inputs of other traces.
pub(super) fn is_recorded(inputs: &[Option<&Tensor>], symbolic: bool) -> Result<bool> {
    let mut traced = symbolic && is_tracing();
    for tensor in inputs.iter().flatten() {
        if let Some(traced_ref) = tensor.traced_ref() {
            belongs(traced_ref)?;
            traced = true;
        }
        // Sizes that meet data are data.
        traced |= is_tracing() && tensor.symbolic_values().is_some_and(|dims| dims.is_symbolic());
    }
    Ok(traced)
}
