//! Nodes whose operands are all constants, computed: what tracing leaves because the result is larger than its operands, where it is small all the same.

use crate::array::Array;
use crate::dim::{Dim, Sizes, Type};
use crate::error::Result;
use crate::graph::{Agreement, Graph, Inputs, Node, Rewrite, Rewriter};

/// The most bytes that one value may become, and all values together besides what the constants of the graph take already.
const MOST: (usize, usize) = (1 << 20, 16 << 20);

/// Computes what depends on constants alone; how many nodes that were.
///
/// # Errors
/// None in practice.
pub(super) fn fold(graph: &mut Graph) -> Result<usize> {
    let known: usize = graph.values().filter_map(|(_, value)| value.constant()).map(Array::byte_len).sum();
    let mut left = MOST.1.saturating_add(known);
    graph.rewrite(&mut |rewriter, node| {
        let Some(arrays) = computed(rewriter, node) else { return Ok(None) };
        let size: usize = arrays.iter().map(Array::byte_len).sum();
        if size > left {
            return Ok(None);
        }
        left -= size;
        Ok(Some(Rewrite::Values(arrays.iter().map(|array| rewriter.add_constant(array, None)).collect())))
    })
}

/// The outputs of a node that is the same at every call.
fn computed(rewriter: &Rewriter, node: &Node) -> Option<Vec<Array>> {
    let is_plain = node.op.agreement() != Agreement::Random && node.op.defines().is_none() && node.op.graphs().is_empty();
    if !is_plain || node.inputs.is_empty() || node.op.dims().iter().any(Dim::is_symbolic) {
        return None;
    }
    let is_small = |ty: &Type| {
        let elements = ty.shape.iter().try_fold(1usize, |n, dim| n.checked_mul(usize::try_from(dim.fixed()?).ok()?));
        elements.is_some_and(|n| n.saturating_mul(ty.dtype.size()) <= MOST.0)
    };
    if !node.outputs.iter().all(|id| is_small(rewriter.ty(*id))) {
        return None;
    }
    let operands: Vec<Option<&Array>> =
        node.inputs.iter().map(|id| id.map(|id| rewriter.constant(id).ok_or(())).transpose()).collect::<Result<_, ()>>().ok()?;
    let outputs = node.op.eval(&Inputs::new(&operands), Sizes::Example).ok()?;
    let fits = |(array, id): (&Array, &crate::graph::ValueId)| Type::from(array) == *rewriter.ty(*id);
    (outputs.len() == node.outputs.len() && outputs.iter().zip(&node.outputs).all(fits)).then_some(outputs)
}
