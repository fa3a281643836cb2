//! The traced graph: values in single-assignment form, and the nodes that compute them.

mod attributes;
mod guard;
mod lower;
mod metadata;
mod operator;
mod print;
mod replay;
mod rewrite;
mod structural_eq;
mod structural_hash;
mod subgraph;
mod weight_provenance;

pub use attributes::{Attribute, Attributes};
pub(crate) use guard::VALID_ONLY;
pub use guard::{Condition, Guard};
pub use lower::Written;
pub(crate) use metadata::{SavedCondition, SavedGuard, guards_entry, guards_of};
pub(crate) use operator::needs_opset;
pub use operator::{Agreement, FIRST_OPSET, Inputs, Operator, Substitution};
pub(crate) use rewrite::{Rewrite, Rewriter};
pub(crate) use structural_hash::{ConstantHashes, StructuralHashes};
pub use weight_provenance::{Computed, Derivation};

use crate::array::Array;
use crate::dim::{Shape, Type};
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};

/// The index of a value in its graph.
///
/// It takes 4 bytes, also where it may be absent: a graph of many nodes holds more of them than of anything else.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(NonZeroU32);

impl ValueId {
    fn new(index: usize) -> ValueId {
        // Memory ends before 2³² values do.
        ValueId(NonZeroU32::MIN.saturating_add(u32::try_from(index).unwrap_or(u32::MAX)))
    }

    /// Its number in the order in which the values of the graph were made.
    pub(crate) fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// The first value.
impl Default for ValueId {
    fn default() -> ValueId {
        ValueId::new(0)
    }
}

impl fmt::Debug for ValueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ValueId").field(&self.index()).finish()
    }
}

/// Some values of a graph: the operands or outputs of a node, of which most have few.
pub type ValueIds<Id = ValueId> = SmallVec<[Id; 4]>;

/// A value of a graph: made once, used any number of times.
#[derive(Clone, Debug)]
pub struct Value {
    /// What is known of it at every call.
    pub ty: Type,
    /// Where it comes from.
    pub source: Source,
    /// For a constant behind which there are parameters: how it follows from them.
    pub derivation: Option<Box<Derivation>>,
}

impl Value {
    /// The values, where they are the same at every call.
    pub(crate) fn constant(&self) -> Option<&Array> {
        match &self.source {
            Source::Constant(array, _) => Some(array),
            _ => None,
        }
    }
}

/// Where a value comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// An input of the graph, by name.
    Input(Arc<str>),
    /// Values that are the same at every call; a parameter has a name.
    Constant(Arc<Array>, Option<Arc<str>>),
    /// An output of a node.
    Node,
}

/// One operation.
#[derive(Clone, Debug)]
pub struct Node {
    /// What is done.
    pub op: Arc<dyn Operator>,
    /// To what; optional inputs may be absent.
    pub inputs: ValueIds<Option<ValueId>>,
    /// What it makes.
    pub outputs: ValueIds,
    /// Where in the model and in the source it was called.
    pub location: SourceLocation,
}

/// Where an operation was called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceLocation {
    /// The path of the module, `layer1.0.conv1`; empty at the top.
    pub scope: Arc<str>,
    /// The line of the source, `src/net.rs:41:9`; empty where unknown.
    pub line: Arc<str>,
}

impl fmt::Display for SourceLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.scope.is_empty(), self.line.is_empty()) {
            (false, false) => write!(f, "{} at {}", self.scope, self.line),
            (false, true) => f.write_str(&self.scope),
            (true, _) => f.write_str(&self.line),
        }
    }
}

impl SourceLocation {
    /// ` at` and the location, or nothing where it is unknown: the end of a sentence.
    pub(crate) fn suffix(&self) -> impl fmt::Display {
        fmt::from_fn(move |f| match self.to_string() {
            location if location.is_empty() => Ok(()),
            location => write!(f, " at {location}"),
        })
    }
}

/// A traced graph of operations in the order in which they were done.
#[derive(Clone, Default)]
pub struct Graph {
    values: Vec<Value>,
    nodes: Vec<Node>,
    inputs: Vec<ValueId>,
    outputs: Vec<ValueId>,
    guards: Vec<Guard>,
    /// The shapes of the outputs that the source declares, which may say more than the sizes that follow from its operators.
    declared: Vec<Option<Shape>>,
    /// Constants by address, to write shared values once; looked up only, never walked.
    constants: HashMap<usize, SmallVec<[ValueId; 1]>>,
    /// For each node, the values that nothing needs after it: found on the first replay.
    last_uses: OnceLock<replay::LastUses>,
}

impl Graph {
    /// The value at this position.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.index()]
    }

    /// Every value with its id, in the order in which they were added.
    pub fn values(&self) -> impl Iterator<Item = (ValueId, &Value)> {
        self.values.iter().enumerate().map(|(i, value)| (ValueId::new(i), value))
    }

    /// The operations in the order in which they were done.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The inputs in order.
    pub fn inputs(&self) -> &[ValueId] {
        &self.inputs
    }

    /// The outputs in order.
    pub fn outputs(&self) -> &[ValueId] {
        &self.outputs
    }

    /// The parameters: constants with a name, those of the graphs inside nodes last, each once.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &Array)> {
        let mut found: Vec<(&str, &Array)> = Vec::new();
        let mut names = BTreeSet::new();
        let mut graphs = VecDeque::from([self]);
        while let Some(graph) = graphs.pop_front() {
            for value in &graph.values {
                if let Source::Constant(array, Some(name)) = &value.source
                    && names.insert(&**name)
                {
                    found.push((name, array));
                }
            }
            graphs.extend(graph.nodes.iter().flat_map(|node| node.op.graphs()));
        }
        found.into_iter()
    }

    fn add(&mut self, value: Value) -> ValueId {
        self.values.push(value);
        ValueId::new(self.values.len() - 1)
    }

    /// Adds an input.
    pub fn add_input(&mut self, name: &str, ty: Type) -> ValueId {
        let id = self.add(Value { ty, source: Source::Input(name.into()), derivation: None });
        self.inputs.push(id);
        id
    }

    /// Adds values that are the same at every call; the same view of the same bytes is one value.
    pub fn add_constant(&mut self, array: &Array, name: Option<&Arc<str>>, derivation: Option<Derivation>) -> ValueId {
        self.known_constant(array).unwrap_or_else(|| self.add_new_constant(Arc::new(array.clone()), name, derivation))
    }

    /// As [`Graph::add_constant`], for values that a tensor has, too.
    pub(crate) fn add_shared_constant(&mut self, array: &Arc<Array>, name: Option<&Arc<str>>, derivation: Option<Derivation>) -> ValueId {
        self.known_constant(array).unwrap_or_else(|| self.add_new_constant(array.clone(), name, derivation))
    }

    fn known_constant(&self, array: &Array) -> Option<ValueId> {
        let known = self.constants.get(&array.address()).into_iter().flatten();
        known.copied().find(|id| matches!(&self.value(*id).source, Source::Constant(other, _) if other.is_same(array)))
    }

    fn add_new_constant(&mut self, array: Arc<Array>, name: Option<&Arc<str>>, derivation: Option<Derivation>) -> ValueId {
        let (ty, address) = (Type::from(&*array), array.address());
        let id = self.add(Value { ty, source: Source::Constant(array, name.cloned()), derivation: derivation.map(Box::new) });
        self.constants.entry(address).or_default().push(id);
        id
    }

    /// Adds an operation; its outputs have these types.
    pub fn add_node(
        &mut self,
        op: Arc<dyn Operator>,
        inputs: impl IntoIterator<Item = Option<ValueId>>,
        types: Vec<Type>,
        location: SourceLocation,
    ) -> ValueIds {
        let inputs = inputs.into_iter().collect();
        let outputs: ValueIds = types.into_iter().map(|ty| self.add(Value { ty, source: Source::Node, derivation: None })).collect();
        self.last_uses = OnceLock::new();
        self.nodes.push(Node { op, inputs, outputs: outputs.clone(), location });
        outputs
    }

    /// Gives the inputs other names.
    pub(crate) fn rename_inputs(&mut self, name: impl Fn(&str) -> String) {
        for id in &self.inputs {
            if let Source::Input(known) = &mut self.values[id.index()].source {
                *known = name(known).into();
            }
        }
    }

    /// Whether there is a loop in it, at any depth, of which data decide the number of iterations.
    pub(crate) fn has_data_dependent_loop(&self) -> bool {
        let is_one = |op: &dyn Operator| op.is_data_dependent_loop() || op.graphs().into_iter().any(Graph::has_data_dependent_loop);
        self.nodes.iter().any(|node| is_one(&*node.op))
    }

    /// The shapes of the outputs that the source declares; fewer where it does not.
    pub(crate) fn declared_outputs(&self) -> &[Option<Shape>] {
        &self.declared
    }

    pub(crate) fn set_declared_outputs(&mut self, declared: Vec<Option<Shape>>) {
        self.declared = declared;
    }

    /// Says which values are the outputs.
    pub fn set_outputs(&mut self, outputs: Vec<ValueId>) {
        self.last_uses = OnceLock::new();
        self.outputs = outputs;
    }

    /// The nodes that first make an axis of a symbolic size, or a value that a symbol stands for, by symbol: where what depends on data
    /// comes from.
    fn makers(&self) -> BTreeMap<Arc<str>, usize> {
        let symbols = |id: &ValueId| {
            let dims = self.value(*id).ty.shape.iter().filter(|dim| dim.is_symbolic());
            dims.filter_map(|dim| dim.expr().as_symbol().cloned()).collect::<Vec<_>>()
        };
        let given: BTreeSet<Arc<str>> = self.inputs.iter().flat_map(symbols).collect();
        let mut makers = BTreeMap::new();
        for (i, node) in self.nodes.iter().enumerate() {
            let value = node.op.defines().and_then(|dim| dim.expr().as_symbol().cloned());
            for symbol in node.outputs.iter().flat_map(symbols).chain(value).filter(|symbol| !given.contains(symbol)) {
                makers.entry(symbol).or_insert(i);
            }
        }
        makers
    }

    /// Drops the operations and constants that no output and no guard needs. Inputs stay, used or not.
    pub fn prune(&mut self) {
        self.prune_keeping(&BTreeSet::new());
    }

    /// As [`prune`](Graph::prune), with what defines these symbols kept, too.
    pub(crate) fn prune_keeping(&mut self, symbols: &BTreeSet<Arc<str>>) {
        let makers = self.makers();
        let mut needed = vec![false; self.values.len()];
        let of_guards = self.size_constraints().flat_map(|constraint| constraint.symbols());
        for &maker in of_guards.chain(symbols.iter().cloned()).filter_map(|symbol| makers.get(&symbol)) {
            self.nodes[maker].outputs.iter().for_each(|id| needed[id.index()] = true);
        }
        for id in self.outputs.iter().chain(&self.inputs).copied().chain(self.guarded()) {
            needed[id.index()] = true;
        }
        let mut kept = vec![false; self.nodes.len()];
        for (i, node) in self.nodes.iter().enumerate().rev() {
            if node.outputs.iter().any(|id| needed[id.index()]) {
                kept[i] = true;
                for symbol in node.op.dims().into_iter().filter(|dim| dim.is_symbolic()).flat_map(|dim| dim.expr().symbols()) {
                    for id in makers.get(&symbol).map(|&maker| &self.nodes[maker].outputs).into_iter().flatten() {
                        needed[id.index()] = true;
                    }
                }
                for id in node.inputs.iter().flatten().chain(&node.outputs) {
                    needed[id.index()] = true;
                }
            }
        }
        let mut kept = kept.into_iter();
        self.nodes.retain(|_| kept.next() == Some(true));
        let mut renumbered = Vec::with_capacity(self.values.len());
        let mut next = 0;
        for &keep in &needed {
            renumbered.push(ValueId::new(next));
            next += usize::from(keep);
        }
        let mut keep = needed.iter();
        self.values.retain(|_| keep.next() == Some(&true));
        let renumber = |id: &mut ValueId| *id = renumbered[id.index()];
        self.inputs.iter_mut().chain(&mut self.outputs).for_each(renumber);
        for node in &mut self.nodes {
            node.inputs.iter_mut().flatten().chain(&mut node.outputs).for_each(renumber);
        }
        for guard in &mut self.guards {
            if let Condition::Values(id, _) = &mut guard.condition {
                renumber(id);
            }
        }
        self.constants = HashMap::new();
        self.nodes.shrink_to_fit();
        self.values.shrink_to_fit();
        self.last_uses = OnceLock::new();
    }
}
