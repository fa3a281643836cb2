//! Rewriting a graph node by node: a rule replaces a node by another operator, or says that its outputs are values that exist already.

use super::structural_eq::equal_operators;
use super::{Agreement, Condition, ConstantHashes, Graph, Node, Operator, Source, SourceLocation, Value, ValueId, ValueIds};
use crate::array::Array;
use crate::dim::Type;
use crate::error::Result;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};

/// What a rule makes of a node.
pub(crate) enum Rewrite {
    /// The outputs are these values.
    Values(Vec<ValueId>),
    /// The outputs are those of this operator on these inputs.
    Operator {
        /// The operator instead of the node's.
        op: Arc<dyn Operator>,
        /// Its inputs.
        inputs: Vec<Option<ValueId>>,
        /// Where the node that is written comes from.
        location: SourceLocation,
    },
}

/// A graph that is being rewritten, as far as the rules have come.
pub(crate) struct Rewriter<'a> {
    graph: &'a mut Graph,
    /// How often each value is used: by nodes, outputs and guards. Uses by nodes that became dead in this round still count.
    uses: Vec<usize>,
    /// The node that makes a value, by its index among those that are written.
    makers: Vec<Option<usize>>,
}

impl Rewriter<'_> {
    /// A value.
    pub(crate) fn value(&self, id: ValueId) -> &Value {
        self.graph.value(id)
    }

    /// The type of a value.
    pub(crate) fn ty(&self, id: ValueId) -> &Type {
        &self.graph.value(id).ty
    }

    /// The elements of a constant.
    pub(crate) fn constant(&self, id: ValueId) -> Option<&Array> {
        self.graph.value(id).constant()
    }

    /// The node that makes a value.
    pub(crate) fn maker(&self, id: ValueId) -> Option<&Node> {
        self.graph.nodes.get((*self.makers.get(id.index())?)?)
    }

    /// Whether a value is used once.
    pub(crate) fn is_used_once(&self, id: ValueId) -> bool {
        self.uses(id) == 1
    }

    /// How often a value is used.
    pub(crate) fn uses(&self, id: ValueId) -> usize {
        self.uses.get(id.index()).copied().unwrap_or_default()
    }

    /// Adds an operation with one output before the node that is being rewritten.
    pub(crate) fn insert(&mut self, op: Arc<dyn Operator>, inputs: Vec<Option<ValueId>>, ty: Type, location: SourceLocation) -> ValueId {
        self.insert_all(op, inputs, &[ty], location)[0]
    }

    /// As [`Rewriter::insert`], with outputs of these types.
    pub(crate) fn insert_all(
        &mut self,
        op: Arc<dyn Operator>,
        inputs: Vec<Option<ValueId>>,
        types: &[Type],
        location: SourceLocation,
    ) -> ValueIds {
        let value = |ty: &Type| Value { ty: ty.clone(), source: Source::Node, derivation: None };
        let outputs: ValueIds = types.iter().map(|ty| self.graph.add(value(ty))).collect();
        self.count(&inputs, true);
        self.push(Node { op, inputs: inputs.into(), outputs: outputs.clone(), location });
        outputs
    }

    /// Adds a constant; it has the name of the parameter whose place it takes.
    pub(crate) fn add_constant(&mut self, array: &Array, name: Option<&Arc<str>>) -> ValueId {
        self.graph.add_constant(array, name, None)
    }

    fn count(&mut self, ids: &[Option<ValueId>], more: bool) {
        for id in ids.iter().flatten() {
            if self.uses.len() <= id.index() {
                self.uses.resize(id.index() + 1, 0);
            }
            self.uses[id.index()] = if more { self.uses[id.index()] + 1 } else { self.uses[id.index()].saturating_sub(1) };
        }
    }

    fn push(&mut self, node: Node) {
        for id in &node.outputs {
            if self.makers.len() <= id.index() {
                self.makers.resize(id.index() + 1, None);
            }
            self.makers[id.index()] = Some(self.graph.nodes.len());
        }
        self.graph.nodes.push(node);
    }
}

impl Graph {
    /// Offers every node, in order and with its inputs rewritten, to a rule; then drops what nothing needs. Gives how many nodes were rewritten.
    ///
    /// The rule must not change the type of an output.
    ///
    /// # Errors
    /// Those of the rule: the graph is then incomplete.
    pub(crate) fn rewrite(&mut self, rule: &mut dyn FnMut(&mut Rewriter, &Node) -> Result<Option<Rewrite>>) -> Result<usize> {
        let nodes = std::mem::take(&mut self.nodes);
        let count = self.values.len();
        let mut uses = vec![0; count];
        for id in nodes.iter().flat_map(|node| node.inputs.iter().flatten()).chain(&self.outputs).copied().chain(self.guarded()) {
            uses[id.index()] += 1;
        }
        let mut same: Vec<ValueId> = (0..count).map(ValueId::new).collect();
        let mut rewriter = Rewriter { graph: self, uses, makers: vec![None; count] };
        let mut changed = 0;
        for mut node in nodes {
            node.inputs.iter_mut().flatten().for_each(|id| *id = same[id.index()]);
            match rule(&mut rewriter, &node)? {
                None => {}
                Some(Rewrite::Values(values)) => {
                    changed += 1;
                    rewriter.count(&node.inputs, false);
                    for (old, new) in node.outputs.iter().zip(values) {
                        let moved = rewriter.uses[old.index()];
                        rewriter.count(&vec![Some(new); moved], true);
                        same[old.index()] = new;
                    }
                    continue;
                }
                Some(Rewrite::Operator { op, inputs, location }) => {
                    changed += 1;
                    rewriter.count(&node.inputs, false);
                    rewriter.count(&inputs, true);
                    node = Node { op, inputs: inputs.into(), location, ..node };
                }
            }
            rewriter.push(node);
        }
        self.redirect(&same);
        self.last_uses = OnceLock::new();
        self.prune();
        Ok(changed)
    }

    /// Makes outputs and guards look at other values.
    fn redirect(&mut self, same: &[ValueId]) {
        self.outputs.iter_mut().for_each(|id| *id = same[id.index()]);
        for guard in &mut self.guards {
            if let Condition::Values(id, _) = &mut guard.condition {
                *id = same[id.index()];
            }
        }
    }

    /// Computes each value once: merges nodes with equal operators on equal inputs, and constants with equal elements. Gives how many nodes and
    /// constants went.
    ///
    /// # Errors
    /// None in practice.
    pub(crate) fn merge_duplicates(&mut self) -> Result<usize> {
        let merged = self.merge_constants();
        let mut known: HashMap<u64, Vec<Node>> = HashMap::new();
        let nodes = self.rewrite(&mut |rewriter, node| {
            if node.op.agreement() == Agreement::Random || node.op.defines().is_some() || !node.op.graphs().is_empty() {
                return Ok(None);
            }
            let mut hasher = DefaultHasher::new();
            (node.op.name(), node.op.domain(), node.op.attributes(), &node.inputs).hash(&mut hasher);
            let earlier = known.entry(hasher.finish()).or_default();
            let is_equal = |other: &&Node| {
                let same_types = || node.outputs.iter().zip(&other.outputs).all(|(a, b)| rewriter.ty(*a) == rewriter.ty(*b));
                other.inputs == node.inputs && equal_operators(&*other.op, &*node.op) && same_types()
            };
            if let Some(other) = earlier.iter().find(is_equal) {
                return Ok(Some(Rewrite::Values(other.outputs.to_vec())));
            }
            earlier.push(node.clone());
            Ok(None)
        })?;
        Ok(merged + nodes)
    }

    /// Uses the first of several constants with the same elements in place of the others.
    fn merge_constants(&mut self) -> usize {
        let mut hashes = ConstantHashes::default();
        let mut first: HashMap<u64, Vec<ValueId>> = HashMap::new();
        let mut same: Vec<ValueId> = (0..self.values.len()).map(ValueId::new).collect();
        let mut merged = 0;
        for (i, value) in self.values.iter().enumerate() {
            let Source::Constant(array, _) = &value.source else { continue };
            let known = first.entry(hashes.of(array)).or_default();
            let equal = known.iter().find(|id| {
                let other = &self.values[id.index()];
                other.ty == value.ty && other.constant().is_some_and(|other| other.is_same(array) || other.same_bytes(array))
            });
            match equal {
                Some(id) => {
                    same[i] = *id;
                    merged += 1;
                }
                None => known.push(ValueId::new(i)),
            }
        }
        for node in &mut self.nodes {
            node.inputs.iter_mut().flatten().for_each(|id| *id = same[id.index()]);
        }
        self.redirect(&same);
        merged
    }
}
