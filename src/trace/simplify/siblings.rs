//! Products of one value with several matrices as one product and a Split, and the Split of a reshaped value as that of the value.

use super::rows::Uses;
use super::{Shared, as_op};
use crate::array::Array;
use crate::dim::{Dim, Type};
use crate::error::Result;
use crate::graph::{Graph, Node, Rewrite, ValueId, ValueIds};
use crate::ops::{MatMul, Reshape, Split};
use crate::tensor::{Tensor, untraced};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A product and a Split are two nodes: fewer than so many products.
const FEWEST: usize = 3;

/// The product of a value with the matrices of several products beside each other.
struct Siblings {
    weight: Array,
    widths: Vec<Dim>,
    /// The types of the whole product and of its parts.
    types: (Type, Vec<Type>),
}

/// The value and the constant matrix of a product whose matrix no other node uses.
fn product(uses: &Uses, shared: &Shared, node: &Node) -> Option<(ValueId, ValueId)> {
    as_op::<MatMul>(&node.op)?;
    let (x, weight) = (node.inputs[0]?, node.inputs[1]?);
    let value = |id: ValueId| uses.graph().value(id);
    let matrix = value(weight).constant()?;
    let ty = &value(*node.outputs.first()?).ty;
    let is_own = uses.only_user(weight).is_some() && !shared.has(matrix);
    (is_own && matrix.rank() == 2 && ty.rank() >= 2 && ty.dtype.is_float() && ty.dtype == matrix.dtype()).then_some((x, weight))
}

fn groups(graph: &Graph, shared: &Shared) -> Result<Vec<(Vec<ValueId>, Siblings)>> {
    let uses = Uses::of(graph);
    let mut by_value: BTreeMap<ValueId, Vec<(ValueId, ValueId)>> = BTreeMap::new();
    for node in graph.nodes() {
        if let (Some((x, weight)), Some(output)) = (product(&uses, shared, node), node.outputs.first()) {
            by_value.entry(x).or_default().push((*output, weight));
        }
    }
    let mut found = Vec::new();
    for group in by_value.into_values().filter(|group| group.len() >= FEWEST) {
        let matrices: Vec<Tensor> = group.iter().filter_map(|(_, id)| graph.value(*id).constant().cloned().map(Tensor::from)).collect();
        let widths: Vec<Dim> = matrices.iter().map(|matrix| matrix.shape()[1].clone()).collect();
        let parts: Vec<Type> = group.iter().map(|(output, _)| graph.value(*output).ty.clone()).collect();
        let mut shape = parts[0].shape.to_vec();
        if let Some(last) = shape.last_mut() {
            *last = widths.iter().cloned().sum();
        }
        let weight = untraced(|| Tensor::cat(&matrices.iter().collect::<Vec<_>>(), 1)?.to_array())?;
        let siblings = Siblings { weight, widths, types: (Type::new(parts[0].dtype, shape), parts) };
        found.push((group.into_iter().map(|product| product.0).collect(), siblings));
    }
    Ok(found)
}

/// Makes one product of those of one value with three matrices or more; how many products went.
///
/// # Errors
/// [`TooBig`](crate::ErrorCode::TooBig) where there is no room for the matrices beside each other.
pub(super) fn products(graph: &mut Graph, shared: &Shared) -> Result<usize> {
    let found = groups(graph, shared)?;
    if found.is_empty() {
        return Ok(0);
    }
    let of: HashMap<ValueId, (usize, usize)> =
        found.iter().enumerate().flat_map(|(i, (outputs, _))| outputs.iter().enumerate().map(move |(k, id)| (*id, (i, k)))).collect();
    let mut parts: HashMap<usize, ValueIds> = HashMap::new();
    graph.rewrite(&mut |rewriter, node| {
        let Some(&(i, k)) = node.outputs.first().and_then(|id| of.get(id)) else { return Ok(None) };
        let split = match parts.get(&i) {
            Some(split) => split.clone(),
            None => {
                let Siblings { weight, widths, types } = &found[i].1;
                let weight = rewriter.add_constant(weight, None);
                let whole = rewriter.insert(node.op.clone(), vec![node.inputs[0], Some(weight)], types.0.clone(), node.location.clone());
                let op = Arc::new(Split { axis: types.0.rank() - 1, split: widths.clone() });
                let split = rewriter.insert_all(op, vec![Some(whole)], &types.1, node.location.clone());
                parts.insert(i, split.clone());
                split
            }
        };
        Ok(Some(Rewrite::Values(vec![split[k]])))
    })
}

/// Splits the last axis of a value before it is reshaped, where reshapes follow: these and the one before become one each. How many there were.
///
/// # Errors
/// None in practice.
pub(super) fn splits(graph: &mut Graph) -> Result<usize> {
    let uses = Uses::of(graph);
    let is_followed = |id: &ValueId| uses.only_user(*id).is_some_and(|user| as_op::<Reshape>(&user.op).is_some());
    let moved = |node: &&Node| {
        let [Some(x)] = node.inputs[..] else { return false };
        let (Some(split), Some(maker)) = (as_op::<Split>(&node.op), uses.maker(x)) else { return false };
        let [Some(earlier)] = maker.inputs[..] else { return false };
        let (from, to) = (&graph.value(earlier).ty.shape, &graph.value(x).ty.shape);
        let is_last = split.axis + 1 == to.rank() && from.last() == to.last();
        is_last && as_op::<Reshape>(&maker.op).is_some() && uses.only_user(x).is_some() && node.outputs.iter().all(is_followed)
    };
    let found: Vec<ValueId> = graph.nodes().iter().filter(moved).filter_map(|node| node.outputs.first().copied()).collect();
    if found.is_empty() {
        return Ok(0);
    }
    graph.rewrite(&mut |rewriter, node| {
        if !node.outputs.first().is_some_and(|id| found.contains(id)) {
            return Ok(None);
        }
        let Some(earlier) = node.inputs[0].and_then(|x| rewriter.maker(x)).and_then(|maker| maker.inputs[0]) else { return Ok(None) };
        let (Some(split), before) = (as_op::<Split>(&node.op).cloned(), rewriter.ty(earlier).clone()) else { return Ok(None) };
        let part = |width: &Dim| {
            let mut shape = before.shape.to_vec();
            if let Some(last) = shape.last_mut() {
                *last = width.clone();
            }
            Type::new(before.dtype, shape)
        };
        let types: Vec<Type> = split.split.iter().map(part).collect();
        let op = Arc::new(Split { axis: before.rank() - 1, split: split.split });
        let parts = rewriter.insert_all(op, vec![Some(earlier)], &types, node.location.clone());
        let reshaped = node.outputs.iter().zip(parts).map(|(output, part)| {
            let ty = rewriter.ty(*output).clone();
            rewriter.insert(Arc::new(Reshape { shape: ty.shape.clone() }), vec![Some(part)], ty, node.location.clone())
        });
        Ok(Some(Rewrite::Values(reshaped.collect())))
    })
}
