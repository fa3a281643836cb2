//! A graph cut out of another: between values that become its inputs and values that become its outputs.

use super::{Agreement, Condition, Graph, Node, Operator, Source, Value, ValueId};
use crate::error::{Error, Result};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Graph {
    /// The nodes between these values, as a graph of its own: `inputs` are given to it, under the names that they have here, and whatever
    /// is needed for `outputs` besides is taken along. Guards on what is no longer there are left behind.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where an output depends on an input of this graph that is not given.
    pub fn part(&self, inputs: &[ValueId], outputs: &[ValueId]) -> Result<Graph> {
        let mut graph = self.clone();
        for &id in inputs {
            graph.values[id.index()].source = Source::Input(self.label(id).into());
            graph.values[id.index()].derivation = None;
        }
        // What makes a given value makes something that nobody needs instead.
        let mut nodes = std::mem::take(&mut graph.nodes);
        for node in &mut nodes {
            for output in node.outputs.iter_mut().filter(|output| inputs.contains(output)) {
                let ty = graph.values[output.index()].ty.clone();
                *output = graph.add(Value { ty, source: Source::Node, derivation: None });
            }
        }
        graph.nodes = nodes;
        graph.inputs = inputs.to_vec();
        graph.outputs = outputs.to_vec();
        let needed = graph.needed_by(outputs);
        if let Some(missing) = self.inputs.iter().find(|id| needed.contains(id) && !inputs.contains(id)) {
            return Err(Error::argument(format!(
                "the subgraph depends on the input `{}`, which is not among its inputs",
                self.label(*missing)
            )));
        }
        let symbols: BTreeSet<Arc<str>> =
            inputs.iter().flat_map(|id| graph.values[id.index()].ty.shape.to_vec()).flat_map(|dim| dim.expr().symbols()).collect();
        let mut guards = std::mem::take(&mut graph.guards);
        guards.retain(|guard| match &guard.condition {
            Condition::Values(id, _) => {
                let needed = graph.needed_by(&[*id]);
                self.inputs.iter().all(|id| !needed.contains(id) || inputs.contains(id)) && inputs.iter().any(|id| needed.contains(id))
            }
            Condition::Sizes(constraint) => constraint.symbols().iter().all(|symbol| symbols.contains(symbol)),
        });
        graph.guards = guards;
        graph.prune();
        Ok(graph)
    }

    /// The values that these depend on, themselves included, back to the inputs.
    pub(crate) fn needed_by(&self, values: &[ValueId]) -> BTreeSet<ValueId> {
        let makers = self.makers();
        let mut needed: BTreeSet<ValueId> = values.iter().copied().collect();
        for node in self.nodes.iter().rev() {
            if node.outputs.iter().any(|id| needed.contains(id)) {
                needed.extend(node.inputs.iter().flatten());
                let symbols = node.op.dims().into_iter().filter(|dim| dim.is_symbolic()).flat_map(|dim| dim.expr().symbols());
                let made = symbols.filter_map(|symbol| makers.get(&symbol)).flat_map(|&maker| &self.nodes[maker].outputs);
                needed.extend(made);
            }
        }
        needed
    }

    /// Makes an input of every value that a node samples at random out of nothing, under this name with a number; gives the operators that drew them.
    pub(crate) fn open_sources(&mut self, name: &str) -> Vec<Arc<dyn Operator>> {
        let mut opened = Vec::new();
        for node in std::mem::take(&mut self.nodes) {
            match (node.op.agreement(), node.inputs.as_slice(), node.outputs.as_slice()) {
                (Agreement::Random, [], [output]) => {
                    self.values[output.index()].source = Source::Input(format!("{name}_{}", opened.len()).into());
                    self.inputs.push(*output);
                    opened.push(node.op);
                }
                _ => self.nodes.push(node),
            }
        }
        opened
    }

    /// What the nodes of a module make of what: the values that they take from elsewhere, and those that others take from them, of the
    /// nodes whose scope is `path` or below it. `None` where there is no such node.
    pub fn border(&self, path: &str) -> Option<(Vec<ValueId>, Vec<ValueId>)> {
        let below = format!("{path}.");
        let is_inside = |node: &&Node| *node.location.scope == *path || node.location.scope.starts_with(&below);
        let (inside, outside): (Vec<&Node>, Vec<&Node>) = self.nodes.iter().partition(is_inside);
        let made: BTreeSet<ValueId> = inside.iter().flat_map(|node| &node.outputs).copied().collect();
        let mut inputs: Vec<ValueId> = Vec::new();
        for id in inside.iter().flat_map(|node| node.inputs.iter().flatten()) {
            let given = !made.contains(id) && !matches!(self.value(*id).source, Source::Constant(..));
            if given && !inputs.contains(id) {
                inputs.push(*id);
            }
        }
        let taken: BTreeSet<ValueId> = outside.iter().flat_map(|node| node.inputs.iter().flatten()).chain(&self.outputs).copied().collect();
        let outputs: Vec<ValueId> = inside.iter().flat_map(|node| &node.outputs).filter(|id| taken.contains(id)).copied().collect();
        (!inside.is_empty()).then_some((inputs, outputs))
    }

    /// Several graphs side by side in one, their inputs named after them, their constants shared: the inputs and outputs of one after those
    /// of another.
    pub(crate) fn side_by_side(graphs: &[(&str, &Graph)]) -> Graph {
        let mut all = Graph::default();
        for (name, graph) in graphs {
            let mut ids = Vec::with_capacity(graph.values.len());
            for value in &graph.values {
                ids.push(match &value.source {
                    Source::Input(input) => all.add_input(&format!("{name}.{input}"), value.ty.clone()),
                    Source::Constant(array, named) => all.add_constant(array, named.as_ref(), value.derivation.as_deref().cloned()),
                    Source::Node => all.add(value.clone()),
                });
            }
            let moved = |id: &ValueId| ids[id.index()];
            for node in &graph.nodes {
                let inputs = node.inputs.iter().map(|id| id.as_ref().map(moved)).collect();
                all.nodes.push(Node { inputs, outputs: node.outputs.iter().map(moved).collect(), ..node.clone() });
            }
            all.outputs.extend(graph.outputs.iter().map(moved));
            for guard in &graph.guards {
                let mut guard = guard.clone();
                if let Condition::Values(id, _) = &mut guard.condition {
                    *id = moved(id);
                }
                all.guards.push(guard);
            }
        }
        all
    }
}
