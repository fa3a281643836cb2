//! The recorder: a thread's stack of active traces.

use super::Tensor;
use super::account::Account;
use crate::array::Array;
use crate::dim::{Assumptions, Constraint, Constraints, DATA, Dim, DimArray, Expr, Type, VALUE};
use crate::error::{Error, ErrorCode, Result};
use crate::graph::{Graph, Guard, Operator, SourceLocation, ValueId};
use crate::work::Work;
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
    /// Where the trace is made again once its constraints are known: how many nodes it had when the last one was found.
    found_at: Option<usize>,
    /// Whether it is made again.
    is_repeated: bool,
    /// Whether reading a number is an error.
    strict: bool,
    /// How many sizes and values that depend on data have got a name.
    named: usize,
    /// The symbols that stand for elements of values.
    scalars: BTreeMap<(ValueId, usize), Dim>,
    /// The small integer values in the example, for the symbols that stand for their elements.
    examples: BTreeMap<ValueId, Array>,
    /// For the body of a branch or loop: the tensors of outer traces that it uses, and what they are in it.
    captures: Option<Vec<(Tensor, ValueId)>>,
    /// What it may still take; that of a body is not used.
    account: Account,
}

impl ActiveTrace {
    /// Keeps the value of the example, where a symbol may come to stand for an element of it.
    fn keep_example(&mut self, value: ValueId, array: Option<&Array>) {
        if let Some(array) = array.filter(|array| array.dtype().is_int() && array.rank() <= 1 && array.len() <= MOST_ELEMENTS) {
            self.examples.insert(value, array.clone());
        }
    }
}

/// The most elements of a vector that are read as symbols.
const MOST_ELEMENTS: usize = 64;

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

    /// Limits what the trace may take by the size of the file that the program comes from.
    ///
    /// # Errors
    /// As [`Recorder::with_strictness`].
    pub(crate) fn with_file_size(self, size: Option<usize>) -> Result<Recorder> {
        self.with(|active| active.account = size.map_or(Account::UNLIMITED, Account::of_file))?;
        Ok(self)
    }

    /// Makes the trace one that is made again where it finds constraints: then [`superseded`] may end it before the program ends.
    ///
    /// # Errors
    /// As [`Recorder::with_strictness`].
    pub(crate) fn repeated(self, is_repeated: bool) -> Result<Recorder> {
        self.with(|active| active.is_repeated = is_repeated)?;
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
                found_at: None,
                is_repeated: false,
                strict: false,
                named: 0,
                scalars: BTreeMap::new(),
                examples: BTreeMap::new(),
                captures,
                account: Account::UNLIMITED,
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
        let value = self.with(|active| {
            let value = active.graph.add_input(name, ty.clone());
            active.keep_example(value, example.value());
            value
        })?;
        Ok(example.traced(ty, TracedRef { trace: self.id, value }))
    }

    /// Adds an input whose value is taken for a constant: the function gets the example's, and a guard keeps it.
    ///
    /// # Errors
    /// As [`input`](Recorder::input), [`Trace`](crate::ErrorCode::Trace) where the example has no value, and
    /// [`Denied`](crate::ErrorCode::Denied) in a strict trace.
    pub(crate) fn specialized_input(&self, name: &str, example: &Tensor) -> Result<Tensor> {
        let array = example.value().ok_or_else(|| Error::trace(format!("input `{name}` has no value to specialize for")))?;
        let value = self.with(|active| active.graph.add_input(name, example.ty().clone()))?;
        guard_values(TracedRef { trace: self.id, value }, array, SourceLocation::default, None)?;
        Ok(example.clone())
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
        let (mut graph, assumptions) = self.with(|active| (std::mem::take(&mut active.graph), active.assumptions.take()))?;
        graph.set_outputs(values);
        // What is assumed of them becomes a guard.
        graph.prune_keeping(&assumptions.map(|assumptions| assumptions.symbols_of_data()).unwrap_or_default());
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
        for dim in open.iter().flat_map(|active| active.scalars.values()) {
            if let Some(symbol) = dim.expr().as_symbol() {
                symbols.insert(symbol.clone(), dim.example());
            }
        }
        symbols
    })
}

/// A symbol for a size that depends on data, which no input of the trace has.
pub(crate) fn fresh_symbol() -> Expr {
    ACTIVE.with_borrow_mut(|open| fresh(open, DATA))
}

/// A symbol with this prefix that no input of the trace has.
fn fresh(open: &mut [ActiveTrace], prefix: &str) -> Expr {
    // Bodies share the symbols of the trace that they are in.
    let Some(active) = open.iter_mut().rfind(|active| active.captures.is_none()) else { return Expr::symbol(prefix) };
    loop {
        let symbol = Expr::symbol(&format!("{prefix}{}", active.named));
        active.named += 1;
        let taken = |id: &ValueId| active.graph.value(*id).ty.shape.iter().any(|dim| dim.expr() == symbol);
        if !active.graph.inputs().iter().any(taken) {
            return symbol;
        }
    }
}

/// The elements of a traced vector or scalar of integers: sizes as far as they were computed from sizes, and symbols that stand for values.
///
/// # Errors
/// [`Size`](ErrorCode::Size) where their number is symbolic, [`Argument`](ErrorCode::Argument) where they are too many.
pub(super) fn elements(tensor: &Tensor) -> Result<Vec<Dim>> {
    let id = value(tensor)?;
    ACTIVE.with_borrow_mut(|open| {
        let Some(top) = open.last_mut() else { return Err(Error::internal("no active trace for this value")) };
        top.keep_example(id, tensor.value());
        let ty = top.graph.value(id).ty.clone();
        let count = ty.shape.iter().map(Dim::fixed).collect::<Option<Vec<i64>>>().filter(|sizes| sizes.len() <= 1);
        let count = count.ok_or_else(|| Error::size(format!("expected an integer or a vector of fixed size, got {ty}")))?;
        let count = count.first().map_or(1, |&n| n.max(0) as usize);
        if count > MOST_ELEMENTS {
            return Err(Error::argument(format!("{count} elements, of which each would be a size or an index")));
        }
        if let Some(dims) = computed(open, id, 0) {
            return Ok(dims.dims);
        }
        (0..count).map(|element| scalar(open, id, element)).collect()
    })
}

/// How far back arithmetic on scalars is followed.
const FOLLOWED: usize = 16;

/// The elements of a value that was computed from sizes and scalars by operators that have a rule for sizes.
fn computed(open: &mut [ActiveTrace], id: ValueId, depth: usize) -> Option<DimArray> {
    let graph = &open.last()?.graph;
    let ty = graph.value(id).ty.clone();
    let count = match &*ty.shape {
        [] => 1,
        [size] => usize::try_from(size.fixed()?).ok().filter(|&n| n <= MOST_ELEMENTS)?,
        _ => return None,
    };
    if let Some(array) = graph.value(id).constant() {
        return DimArray::read(array);
    }
    let node = graph.nodes().iter().rev().find(|node| node.outputs.contains(&id)).filter(|node| node.outputs.len() == 1);
    let Some(node) = node.filter(|_| depth < FOLLOWED).cloned() else { return leaf(open, id, count, depth) };
    let op: &dyn std::any::Any = &*node.op;
    if let Some(sizes) = op.downcast_ref::<super::dim_tensor::DimTensor>() {
        return Some(sizes.dims.clone());
    }
    let inputs = node.inputs.iter().copied().collect::<Option<Vec<ValueId>>>()?;
    // Asked with stand-ins first, so that no symbol is made for an operand that the rule does not take.
    let stand_in = |&id: &ValueId| {
        let ty = &open.last()?.graph.value(id).ty;
        let sizes = ty.shape.iter().map(|dim| usize::try_from(dim.fixed()?).ok()).collect::<Option<Vec<usize>>>()?;
        let fits = matches!(ty.dtype, crate::DType::I64 | crate::DType::I32) && sizes.len() <= 1;
        let n = sizes.first().copied().unwrap_or(1);
        match open.last()?.graph.value(id).constant() {
            Some(array) => DimArray::read(array),
            None => (fits && n <= count).then(|| DimArray { scalar: sizes.is_empty(), dims: (0..n).map(|i| scratch(id, i)).collect() }),
        }
    };
    let rule = |dims: &[DimArray]| {
        let known: Vec<Option<&DimArray>> = dims.iter().map(Some).collect();
        node.op.of_dims(&crate::graph::Inputs::new(&known)).filter(|dims| dims.dims.len() == count)
    };
    let stand_ins = inputs.iter().map(stand_in).collect::<Option<Vec<DimArray>>>();
    if !inputs.is_empty() && stand_ins.is_some_and(|dims| rule(&dims).is_some()) {
        let dims = inputs.iter().map(|&id| computed(open, id, depth + 1)).collect::<Option<Vec<DimArray>>>();
        if let Some(dims) = dims.and_then(|dims| rule(&dims)) {
            return Some(dims);
        }
    }
    leaf(open, id, count, depth)
}

/// A size that stands for nothing: an element of an operand, as far as a rule must know it.
fn scratch(id: ValueId, element: usize) -> Dim {
    Dim::new(Expr::symbol(&format!("{VALUE}{}", id.index() * MOST_ELEMENTS + element)), None)
}

/// Symbols for the elements of an operand; `None` for the value itself that was asked for.
fn leaf(open: &mut [ActiveTrace], id: ValueId, count: usize, depth: usize) -> Option<DimArray> {
    if depth == 0 {
        return None;
    }
    let scalar_type = open.last()?.graph.value(id).ty.rank() == 0;
    let dims = (0..count).map(|element| scalar(open, id, element).ok()).collect::<Option<Vec<Dim>>>()?;
    Some(DimArray { scalar: scalar_type, dims })
}

/// The symbol that stands for an element of a value, with the node that says so.
fn scalar(open: &mut [ActiveTrace], id: ValueId, element: usize) -> Result<Dim> {
    let top = |open: &[ActiveTrace]| open.len().checked_sub(1).ok_or_else(|| Error::internal("no active trace for this value"));
    let at = top(open)?;
    if let Some(known) = open[at].scalars.get(&(id, element)) {
        return Ok(known.clone());
    }
    let seen = open[at].examples.get(&id).and_then(|array| array.to_i64s().ok()?.get(element).copied());
    let dim = Dim::new(fresh(open, VALUE), seen);
    let op: Arc<dyn Operator> = Arc::new(super::scalar_value::ScalarValue { element, dim: dim.clone() });
    let trace = &mut open[at];
    trace.graph.add_node(op, vec![Some(id)], vec![Type::new(crate::DType::I64, [1])], SourceLocation::default());
    trace.scalars.insert((id, element), dim.clone());
    Ok(dim)
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
    add_size_guard(Guard::sizes(constraint, location))
}

/// As [`guard_sizes`], perhaps with the message of the error that the program raises otherwise.
pub(super) fn add_size_guard(guard: Guard) -> Result<()> {
    ACTIVE.with_borrow_mut(|open| {
        // Bodies share the sizes of the trace that they are in.
        let Some(active) = open.iter_mut().rfind(|active| active.captures.is_none()) else { return Ok(()) };
        if active.strict {
            return Err(denied(&guard));
        }
        active.graph.add_guard(guard);
        Ok(())
    })
}

/// Adds a guard: the program read the elements of a traced value, or raises an error with this message unless they are these.
pub(super) fn guard_values(
    traced_ref: TracedRef,
    seen: &Array,
    location: impl FnOnce() -> SourceLocation,
    raises: Option<Arc<str>>,
) -> Result<()> {
    ACTIVE.with_borrow_mut(|open| {
        let Some(active) = open.iter_mut().find(|active| active.id == traced_ref.trace) else { return Ok(()) };
        let location = location();
        if active.captures.is_some() {
            return Err(Error::trace("a value was read in the traced body of a branch or loop, where it differs between iterations")
                .at(location)
                .help("compute it outside, keep it a tensor, or nest another cond, while_loop or scan"));
        }
        let guard = Guard { raises, ..Guard::values(traced_ref.value, seen.clone(), location) };
        if active.strict {
            return Err(denied(&guard));
        }
        active.graph.add_guard(guard);
        Ok(())
    })
}

/// Writes down that the program read sizes that are computed from values: the values that they have are guarded.
pub(super) fn guard_computed(tensor: &Tensor, seen: &Array, location: impl FnOnce() -> SourceLocation) -> Result<()> {
    if !is_tracing() {
        return Ok(());
    }
    let id = value(tensor)?;
    let trace = ACTIVE.with_borrow(|open| open.last().map(|top| top.id)).unwrap_or_default();
    guard_values(TracedRef { trace, value: id }, seen, location, None)
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

/// Keeps what inference had to assume of sizes, with the location where it did, and assumes it from there on.
pub(super) fn constrain(constraints: Vec<Constraint>, location: impl FnOnce() -> SourceLocation) {
    if constraints.is_empty() {
        return;
    }
    let location = location();
    ACTIVE.with_borrow_mut(|open| {
        let Some(active) = open.iter_mut().rfind(|active| active.captures.is_none()) else { return };
        for constraint in constraints {
            if let Some(assumptions) = &mut active.assumptions {
                assumptions.grant(constraint.clone());
            }
            active.constraints.push(Guard::sizes(constraint, location.clone()));
            active.found_at = Some(active.graph.nodes().len());
        }
    });
}

/// How many nodes a trace that is made again records at least after the last constraint that it found.
const FURTHER_NODES: usize = 32;

/// An error where the active trace is made again anyhow, and has found no constraint for as long as it took to the last one: an interpreter
/// asks it before each statement, and ends.
///
/// # Errors
/// [`Trace`](crate::ErrorCode::Trace), which nobody sees: the trace is made again.
pub(crate) fn superseded() -> Result<()> {
    let ends = ACTIVE.with_borrow(|open| {
        let active = open.iter().rfind(|active| active.captures.is_none()).filter(|active| active.is_repeated)?;
        Some(active.graph.nodes().len() > 2 * active.found_at? + FURTHER_NODES)
    });
    match ends {
        Some(true) => Err(Error::trace("the trace is made again under the constraints that it found")),
        _ => Ok(()),
    }
}

/// What a function finds in the graph of the active trace in which a traced value stands.
pub(super) fn of_graph<R>(traced_ref: TracedRef, find: impl FnOnce(&Graph) -> Option<R>) -> Option<R> {
    ACTIVE.with_borrow(|open| find(&open.iter().find(|active| active.id == traced_ref.trace)?.graph))
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
        Ok(top.graph.add_shared_constant(array, tensor.parameter(), tensor.derivation()))
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

/// What a function does with the account of the active trace; bodies share that of the trace that they are in.
pub(super) fn with_account<R>(f: impl FnOnce(&mut Account) -> R) -> Option<R> {
    ACTIVE.with_borrow_mut(|open| Some(f(&mut open.iter_mut().rfind(|active| active.captures.is_none())?.account)))
}

/// Writes an operation down: the marks of its outputs, which have these values in the example.
pub(super) fn record(
    op: Arc<dyn Operator>,
    inputs: &[Option<&Tensor>],
    (types, values): (&[Type], &[Option<Array>]),
    location: SourceLocation,
) -> Result<Vec<TracedRef>> {
    with_account(Account::spend_node).transpose()?;
    let inputs = inputs.iter().map(|input| input.map(value).transpose()).collect::<Result<Vec<_>>>()?;
    ACTIVE.with_borrow_mut(|open| {
        let top = open.last_mut().ok_or_else(|| Error::internal("no active trace for this operation"))?;
        let outputs = top.graph.add_node(op, inputs, types.to_vec(), location);
        Work::Operators.add(1);
        outputs.iter().zip(values).for_each(|(&id, array)| top.keep_example(id, array.as_ref()));
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
