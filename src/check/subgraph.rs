//! A subgraph of a traced graph as a traced graph of its own, with its values in one call.

use crate::array::Array;
use crate::dim::Type;
use crate::error::{Error, Result};
use crate::graph::{Graph, Node, Source, ValueId};
use crate::trace::Traced;
use std::collections::{BTreeSet, HashMap};

/// Some nodes of a traced graph, cut out: what comes from elsewhere is an input, with its value in this one call.
pub(super) struct Subgraph {
    pub(super) traced: Traced,
    pub(super) inputs: Vec<Array>,
    pub(super) expected: Vec<Array>,
}

/// The values that a run made, by value.
pub(super) type ComputedValues = HashMap<ValueId, Array>;

/// Cuts out these nodes (in order); `outputs` are what the part gives, `values` hold whatever crosses its border.
///
/// # Errors
/// Where a value is not known, or a size that the subgraph needs is computed outside of it.
pub(super) fn cut(trace: &Traced, nodes: &[usize], outputs: &[ValueId], call: &[Array], values: &ComputedValues) -> Result<Subgraph> {
    let whole = trace.graph();
    let number = |id: ValueId| values.get(&id).ok_or_else(|| Error::internal("the value was not computed in this run"));
    let mut graph = Graph::default();
    let mut names: HashMap<ValueId, ValueId> = HashMap::new();
    let mut inputs = Vec::new();
    let made: BTreeSet<ValueId> = nodes.iter().flat_map(|&i| whole.nodes()[i].outputs.iter().copied()).collect();
    let symbols: BTreeSet<_> = nodes
        .iter()
        .flat_map(|&i| whole.nodes()[i].op.dims())
        .filter(|dim| dim.is_symbolic())
        .flat_map(|dim| dim.expr().symbols())
        .collect();
    // The inputs that say what a symbol stands for come along.
    for (&id, array) in whole.inputs().iter().zip(call) {
        let ty = &whole.value(id).ty;
        let says = ty.shape.iter().any(|dim| dim.expr().as_symbol().is_some_and(|symbol| symbols.contains(symbol)));
        if says {
            names.insert(id, graph.add_input(&whole.label(id), ty.clone()));
            inputs.push(array.clone());
        }
    }
    for &i in nodes {
        let node = &whole.nodes()[i];
        let mut operands = Vec::with_capacity(node.inputs.len());
        for input in &node.inputs {
            let Some(id) = *input else {
                operands.push(None);
                continue;
            };
            if !names.contains_key(&id) && !made.contains(&id) {
                let new = match &whole.value(id).source {
                    Source::Constant(array, name) => {
                        graph.add_constant(array, name.as_ref(), whole.value(id).derivation.as_deref().cloned())
                    }
                    _ => {
                        let array = number(id)?;
                        inputs.push(array.clone());
                        graph.add_input(&whole.label(id), Type::from(array))
                    }
                };
                names.insert(id, new);
            }
            operands.push(names.get(&id).copied());
        }
        let types = node.outputs.iter().map(|&id| match outputs.contains(&id) {
            true => number(id).map(Type::from),
            false => Ok(values.get(&id).map_or_else(|| whole.value(id).ty.clone(), Type::from)),
        });
        let new = graph.add_node(node.op.clone(), operands, types.collect::<Result<_>>()?, node.location.clone());
        names.extend(node.outputs.iter().copied().zip(new));
    }
    let known = |id: &ValueId| names.get(id).copied().ok_or_else(|| Error::internal("the subgraph does not compute this output"));
    graph.set_outputs(outputs.iter().map(known).collect::<Result<_>>()?);
    let expected = outputs.iter().map(|&id| number(id).cloned()).collect::<Result<_>>()?;
    Ok(Subgraph { traced: trace.of_part(graph), inputs, expected })
}

/// The values of the inputs, and of those values that are wanted.
///
/// # Errors
/// As [`Graph::observe`].
pub(super) fn values(graph: &Graph, call: &[Array], wanted: impl Fn(&ValueId) -> bool) -> Result<ComputedValues> {
    let mut values: ComputedValues = graph.inputs().iter().copied().zip(call.iter().cloned()).collect();
    graph.observe(call, |_, id, array| {
        if wanted(&id) {
            values.insert(id, array.clone());
        }
        Ok(())
    })?;
    Ok(values)
}

/// Runs a graph and shows each node with the values of its inputs and outputs; they are forgotten as soon as nothing needs them.
///
/// # Errors
/// As [`Graph::observe`], and what `visit` returns.
pub(super) fn each_node(graph: &Graph, call: &[Array], mut visit: impl FnMut(usize, &Node, &ComputedValues) -> Result<()>) -> Result<()> {
    let uses = graph.last_uses();
    let mut alive: ComputedValues = graph.inputs().iter().copied().zip(call.iter().cloned()).collect();
    graph.observe(call, |i, id, array| {
        alive.insert(id, array.clone());
        let node = &graph.nodes()[i];
        if node.outputs.last() == Some(&id) {
            visit(i, node, &alive)?;
            for id in uses.of(i) {
                alive.remove(id);
            }
        }
        Ok(())
    })
}
