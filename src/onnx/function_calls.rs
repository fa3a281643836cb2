//! Functions that call functions: no circle, no endless chain, no doubling that fills the memory when they are written out.

use super::names::{canonical_domain, printable};
use super::proto::{FunctionProto, GraphProto, ModelProto, NodeProto};
use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// What identifies a function: domain, name, overload.
pub(super) type Key<'a> = (&'a str, &'a str, &'a str);

/// Functions called inside each other.
const MOST_NESTED: u64 = 64;

/// Nodes of a model after every call is replaced by the function's body.
const MOST_NODES: u64 = 1_000_000;

/// What identifies the function that a node calls, if it calls one.
pub(super) fn callee(node: &NodeProto) -> Key<'_> {
    (canonical_domain(&node.domain), &node.op_type, &node.overload)
}

/// What identifies a function.
pub(super) fn key(function: &FunctionProto) -> Key<'_> {
    (canonical_domain(&function.domain), &function.name, &function.overload)
}

/// Orders functions by what identifies them, for [`called`].
pub(crate) fn sort_functions(functions: &mut [FunctionProto]) {
    functions.sort_by(|a, b| key(a).cmp(&key(b)));
}

/// The function that a node calls, of functions in [order](sort_functions).
pub(crate) fn called<'a>(functions: &'a [FunctionProto], node: &NodeProto) -> Option<&'a FunctionProto> {
    functions.binary_search_by(|function| key(function).cmp(&callee(node))).ok().map(|i| &functions[i])
}

/// Whether a node calls this function.
#[cfg(feature = "tract")]
pub(crate) fn calls(node: &NodeProto, function: &FunctionProto) -> bool {
    callee(node) == key(function)
}

/// A body's own nodes, and how often it calls which function.
#[derive(Default)]
struct BodySize {
    nodes: u64,
    calls: BTreeMap<usize, u64>,
}

impl BodySize {
    fn add(&mut self, nodes: &[NodeProto], functions: &BTreeMap<Key, usize>) {
        for node in nodes {
            self.nodes += 1;
            if let Some(&function) = functions.get(&callee(node)) {
                *self.calls.entry(function).or_default() += 1;
            }
            for attribute in &node.attribute {
                for graph in attribute.g.as_deref().into_iter().chain(&attribute.graphs) {
                    self.add(&graph.node, functions);
                }
            }
        }
    }

    fn graph(graph: &GraphProto, functions: &BTreeMap<Key, usize>) -> BodySize {
        let mut body = BodySize::default();
        body.add(&graph.node, functions);
        body
    }
}

/// How far a body reaches once its calls are replaced.
#[derive(Clone, Copy)]
struct Reach {
    nodes: u64,
    nested: u64,
}

/// Checks that every call of a model can be replaced by a body.
///
/// # Errors
/// [`Damaged`](crate::ErrorCode::Damaged) for a function that reaches itself, [`TooDeep`](crate::ErrorCode::TooDeep) and
/// [`TooBig`](crate::ErrorCode::TooBig) where the bodies nest over 64 deep or add up to over a million nodes.
pub(super) fn check(model: &ModelProto) -> Result<()> {
    if model.functions.is_empty() {
        return Ok(());
    }
    let functions: BTreeMap<Key, usize> = model.functions.iter().enumerate().map(|(i, function)| (key(function), i)).collect();
    let mut bodies: Vec<BodySize> = Vec::with_capacity(model.functions.len() + 1);
    for function in &model.functions {
        let mut body = BodySize::default();
        body.add(&function.node, &functions);
        bodies.push(body);
    }
    bodies.push(model.graph.as_ref().map_or_else(BodySize::default, |graph| BodySize::graph(graph, &functions)));

    // Depth first with a stack of our own; a body is finished once all that it calls is.
    let mut reach: Vec<Option<Reach>> = vec![None; bodies.len()];
    let mut open = vec![false; bodies.len()];
    for start in 0..bodies.len() {
        let mut stack = vec![start];
        while let Some(&current) = stack.last() {
            if reach[current].is_some() {
                stack.pop();
                continue;
            }
            open[current] = true;
            let waiting: Vec<usize> = bodies[current].calls.keys().copied().filter(|&called| reach[called].is_none()).collect();
            if let Some(&circle) = waiting.iter().find(|&&called| open[called]) {
                return Err(Error::damaged(format!("function {} calls itself", printable(&model.functions[circle].name))));
            }
            if !waiting.is_empty() {
                stack.extend(waiting);
                continue;
            }
            let mut total = Reach { nodes: bodies[current].nodes, nested: 0 };
            for (&called, &times) in &bodies[current].calls {
                if let Some(inner) = reach[called] {
                    total.nodes = total.nodes.saturating_add(inner.nodes.saturating_mul(times));
                    total.nested = total.nested.max(inner.nested + 1);
                }
            }
            if total.nested > MOST_NESTED {
                return Err(Error::too_deep(format!("function calls nested over {MOST_NESTED} deep")));
            }
            if total.nodes > MOST_NODES && total.nested > 0 {
                return Err(Error::too_big(format!("inlining the functions gives over {MOST_NODES} nodes")));
            }
            open[current] = false;
            reach[current] = Some(total);
            stack.pop();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::sample::node;
    use crate::{ErrorCode, onnx::proto};

    /// Functions f0, f1 … of which each calls those given.
    fn model(calls: &[&[usize]]) -> ModelProto {
        let function = |(i, calls): (usize, &&[usize])| {
            let node = calls.iter().map(|called| node(&format!("f{called}"), &[], &[])).collect();
            proto::FunctionProto { name: format!("f{i}"), node, ..Default::default() }
        };
        ModelProto { functions: calls.iter().enumerate().map(function).collect(), ..Default::default() }
    }

    fn code(calls: &[&[usize]]) -> Option<ErrorCode> {
        check(&model(calls)).err().map(|error| error.code())
    }

    #[test]
    fn circles_are_found() {
        assert_eq!(code(&[&[1, 1, 2], &[2], &[]]), None);
        assert_eq!(code(&[&[0]]), Some(ErrorCode::Damaged));
        assert_eq!(code(&[&[1], &[2], &[0]]), Some(ErrorCode::Damaged));
    }

    #[test]
    fn doubling_and_endless_chains_are_refused() {
        let twice: Vec<Vec<usize>> = (0..40).map(|i| if i < 39 { vec![i + 1; 2] } else { vec![] }).collect();
        assert_eq!(code(&twice.iter().map(|calls| &calls[..]).collect::<Vec<_>>()), Some(ErrorCode::TooBig));
        let chain: Vec<Vec<usize>> = (0..100_000).map(|i| if i < 99_999 { vec![i + 1] } else { vec![] }).collect();
        assert_eq!(code(&chain.iter().map(|calls| &calls[..]).collect::<Vec<_>>()), Some(ErrorCode::TooDeep));
    }
}
