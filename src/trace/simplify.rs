//! Simplification of a traced graph: the same outputs from fewer nodes.
//!
//! Tracing has already folded constants and dropped what no output needs. The rules here look at a node and the nodes before it, and are applied
//! until none of them changes anything, in the graphs inside `If`, `Loop` and `Scan`, too. They change results by the rounding of floats at most: which
//! of them do is part of each rule.

mod constants;
mod fold;
mod gelu;
mod layout;
mod norm;
mod reduce;
mod rows;
mod siblings;
#[cfg(test)]
mod tests;

use super::Traced;
use crate::array::{Array, Scalar};
use crate::error::Result;
use crate::graph::{Graph, Node, Operator, Rewrite, Rewriter, ValueId};
use crate::ops::{Binary, Reshape, Slice, Transpose};
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// A kind of simplification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Simplification {
    /// Nodes whose operands are all constants are computed, where the result takes at most 1 MiB.
    Constants,
    /// Equal operators on equal inputs become one node, constants with the same elements one initializer.
    Duplicates,
    /// Nodes that return their input go: casts to the same type and back, reshapes and transposes that change nothing, slices of the whole axis,
    /// paddings of width 0, multiplications by 1; a sum with 0 where the other operand is a sum of products, of which the sign of a zero is not defined,
    /// or where only sums of products use the result.
    Identities,
    /// A reshape of a reshape, a transpose of a transpose and a concatenation of a concatenation become one node, where a transpose that moves axes of
    /// size 1 alone is a reshape, too; an expansion that the operator
    /// after it does itself goes, and so do two reshapes that undo each other around a function of single elements. A Split of the last axis goes before a reshape
    /// where reshapes follow it.
    Layout,
    /// A reduction of a reduction, and a reshape that drops the reduced axes, become one reduction. Sums, products and means differ by rounding.
    Reductions,
    /// A layer normalisation written out as means, a difference, a root and a quotient becomes one LayerNormalization with its scale and bias: before
    /// opset 17 it is written out again. Results differ by rounding.
    LayerNorm,
    /// Gelu written out with Erf or Tanh becomes one Gelu: before opset 20 it is written out again. Results differ by rounding.
    Gelu,
    /// A batch normalisation, and a product, quotient, sum or difference with one constant a channel, become part of the weights and the bias of the
    /// convolution or matrix product before it, also across a transpose. Results differ by rounding.
    BatchNorm,
    /// The product of two matrices and what is added to it become one Gemm; of tensors of higher rank with a constant matrix, where the reshapes before
    /// and behind it leave fewer nodes. Results differ by rounding.
    Gemm,
    /// Products of one value with three constant matrices or more become one product and a Split. Results differ by rounding.
    Siblings,
    /// A padding with zeros becomes part of the convolution after it.
    Pad,
}

impl Simplification {
    /// All of them, in the order in which they are applied.
    pub const ALL: [Simplification; 11] = [
        Simplification::Constants,
        Simplification::Duplicates,
        Simplification::Identities,
        Simplification::Layout,
        Simplification::Reductions,
        Simplification::LayerNorm,
        Simplification::Gelu,
        Simplification::BatchNorm,
        Simplification::Gemm,
        Simplification::Siblings,
        Simplification::Pad,
    ];

    /// Its name: `batch-norm`.
    pub fn name(self) -> &'static str {
        match self {
            Simplification::Constants => "constants",
            Simplification::Duplicates => "duplicates",
            Simplification::Identities => "identities",
            Simplification::Layout => "layout",
            Simplification::Reductions => "reductions",
            Simplification::LayerNorm => "layer-norm",
            Simplification::Gelu => "gelu",
            Simplification::BatchNorm => "batch-norm",
            Simplification::Gemm => "gemm",
            Simplification::Siblings => "siblings",
            Simplification::Pad => "pad",
        }
    }

    fn apply(self, graph: &mut Graph, shared: &Shared) -> Result<usize> {
        let rule: fn(&mut Rewriter, &Node) -> Result<Option<Rewrite>> = match self {
            Simplification::Constants => return constants::fold(graph),
            Simplification::Duplicates => return graph.merge_duplicates(),
            Simplification::Siblings => return siblings::products(graph, shared),
            Simplification::Identities => {
                let unsigned = unsigned_sums(graph);
                return graph.rewrite(&mut |rewriter, node| {
                    let is_unsigned = node.outputs.first().is_some_and(|id| unsigned.contains(id));
                    Ok(identity(rewriter, node, is_unsigned).map(|id| Rewrite::Values(vec![id])))
                });
            }
            Simplification::Layout => {
                let merged = graph.rewrite(&mut |rewriter, node| Ok(layout::merged(rewriter, node)))?;
                return Ok(merged + siblings::splits(graph)?);
            }
            Simplification::Gemm => {
                let matrices = graph.rewrite(&mut |rewriter, node| Ok(fold::gemm(rewriter, node)))?;
                return Ok(matrices + rows::gemms(graph)?);
            }
            Simplification::BatchNorm => {
                return graph.rewrite(&mut |rewriter, node| match fold::across_transpose(rewriter, node)? {
                    None => fold::batch_norm(rewriter, node, shared),
                    rewrite => Ok(rewrite),
                });
            }
            Simplification::Reductions => |rewriter, node| Ok(reduce::merged(rewriter, node)),
            Simplification::LayerNorm => |rewriter, node| Ok(norm::layer_norm(rewriter, node)),
            Simplification::Gelu => |rewriter, node| Ok(gelu::gelu(rewriter, node)),
            Simplification::Pad => |rewriter, node| Ok(fold::pad(rewriter, node)),
        };
        graph.rewrite(&mut { rule })
    }
}

impl fmt::Display for Simplification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A simplified graph, and what was done.
#[derive(Clone, Debug)]
pub struct Simplified {
    /// The simplified graph.
    pub traced: Traced,
    /// How often each rule changed something.
    pub applied: BTreeMap<Simplification, usize>,
}

/// The most rounds over all rules: each shortens the graph, so that this is never reached by a graph of the kind that people write.
const ROUNDS: usize = 32;

impl Traced {
    /// The graph with the same outputs and as few nodes as the [rules](Simplification) find, without those in `skipped`.
    ///
    /// Parameters that a rule changes keep their names and have other values; what [`Traced::state`] says of them no longer leads to the module's.
    ///
    /// ```
    /// use ontrace::{Tensor, trace_fn};
    /// let x = Tensor::new([2, 3], vec![1.0f32; 6])?;
    /// let twice = |x: Tensor| x.transpose(0, 1)?.transpose(0, 1)?.relu()?.add(x.relu()?);
    /// let traced = trace_fn(twice, &x)?;
    /// let simple = traced.simplified(&[])?;
    /// assert_eq!((traced.graph().nodes().len(), simple.traced.graph().nodes().len()), (5, 2));
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`TooBig`](crate::ErrorCode::TooBig) where there is no room for changed weights.
    pub fn simplified(&self, skipped: &[Simplification]) -> Result<Simplified> {
        let mut graph = self.graph.clone();
        let mut applied = BTreeMap::new();
        simplify(&mut graph, skipped, &Shared::of(&self.graph), &mut applied)?;
        Ok(Simplified { traced: Traced { graph, verdict: None, ..self.clone() }, applied })
    }
}

/// The constants that stand in several graphs, those inside nodes included, by their addresses.
struct Shared(BTreeSet<usize>);

impl Shared {
    fn of(graph: &Graph) -> Shared {
        let (mut seen, mut shared) = (BTreeSet::new(), BTreeSet::new());
        let mut graphs = vec![graph];
        while let Some(graph) = graphs.pop() {
            let own: BTreeSet<usize> = graph.values().filter_map(|(_, value)| Some(value.constant()?.address())).collect();
            shared.extend(own.iter().filter(|address| !seen.insert(**address)));
            graphs.extend(graph.nodes().iter().flat_map(|node| node.op.graphs()));
        }
        Shared(shared)
    }

    fn has(&self, array: &Array) -> bool {
        self.0.contains(&array.address())
    }
}

/// Applies the rules to a graph and those inside its nodes until nothing changes.
fn simplify(
    graph: &mut Graph,
    skipped: &[Simplification],
    shared: &Shared,
    applied: &mut BTreeMap<Simplification, usize>,
) -> Result<usize> {
    let mut total = graph.rewrite(&mut |_, node| {
        let mut inner: Vec<Graph> = node.op.graphs().into_iter().cloned().collect();
        let mut changed = 0;
        for graph in &mut inner {
            changed += simplify(graph, skipped, shared, applied)?;
        }
        let op = (changed > 0).then(|| node.op.with_graphs(inner)).flatten();
        Ok(op.map(|op| Rewrite::Operator { op, inputs: node.inputs.to_vec(), location: node.location.clone() }))
    })?;
    for _ in 0..ROUNDS {
        let mut changed = 0;
        for rule in Simplification::ALL.into_iter().filter(|rule| !skipped.contains(rule)) {
            let count = rule.apply(graph, shared)?;
            if count > 0 {
                *applied.entry(rule).or_insert(0) += count;
                changed += count;
            }
        }
        total += changed;
        if changed == 0 {
            break;
        }
    }
    Ok(total)
}

/// An operator as the type that it is.
fn as_op<T: Operator>(op: &Arc<dyn Operator>) -> Option<&T> {
    let any: &dyn Any = &**op;
    any.downcast_ref()
}

/// How many elements an array of these sizes has, where that is few enough for a constant.
fn elements(sizes: &[usize]) -> Option<usize> {
    let count = sizes.iter().try_fold(1usize, |count, size| count.checked_mul(*size));
    count.filter(|count| (1..=1 << 20).contains(count))
}

/// The only element of a constant, or the one that all of them are.
fn uniform(array: &Array) -> Option<f64> {
    let first = match array.len() {
        0 => return None,
        _ if array.len() > 1 << 16 => return None,
        _ => array.to_f64s().ok()?,
    };
    let value = *first.first()?;
    first.iter().all(|x| x.to_bits() == value.to_bits()).then_some(value)
}

/// The sums of two whose zeros may have either sign, because only sums of products use them, perhaps after another sum or in another shape.
fn unsigned_sums(graph: &Graph) -> BTreeSet<ValueId> {
    let uses = rows::Uses::of(graph);
    let mut found = BTreeSet::new();
    let mut sums = BTreeSet::new();
    for node in graph.nodes().iter().rev() {
        let [output] = node.outputs[..] else { continue };
        let binary = as_op::<Binary>(&node.op);
        let is_sum = matches!(binary, Some(Binary::Add | Binary::Sub));
        let moves = as_op::<Reshape>(&node.op).is_some() || as_op::<Transpose>(&node.op).is_some();
        let is_product = |user: &&Node| fold::is_linear(&user.op) || user.outputs.first().is_some_and(|id| found.contains(id));
        if (is_sum || moves) && uses.users(output).is_some_and(|users| users.iter().all(is_product)) {
            found.insert(output);
            sums.extend(is_sum.then_some(output));
        }
    }
    sums
}

/// The input that a node returns as it is.
fn identity(rewriter: &Rewriter, node: &Node, is_unsigned: bool) -> Option<ValueId> {
    let [output] = node.outputs[..] else { return None };
    let candidate = match *node.inputs {
        [Some(x)] => one_operand(rewriter, node, x)?,
        [Some(a), Some(b)] => two_operands(rewriter, node, (a, b), is_unsigned)?,
        _ => return None,
    };
    (rewriter.ty(candidate) == rewriter.ty(output)).then_some(candidate)
}

fn one_operand(rewriter: &Rewriter, node: &Node, x: ValueId) -> Option<ValueId> {
    if let Some(earlier) = layout::undone(rewriter, node, x) {
        return Some(earlier);
    }
    if let Some(slice) = as_op::<Slice>(&node.op) {
        let whole = rewriter.ty(x).shape.get(slice.axis)?;
        return (slice.start == 0 && slice.step == 1 && slice.length == *whole).then_some(x);
    }
    layout::is_identity(rewriter, node, x).then_some(x)
}

/// The operand that a function of two returns, because the other is the neutral element. A sum with +0 is among them only where ONNX does not say
/// which zero the operand is, or nothing depends on that: of −0 it is +0.
fn two_operands(rewriter: &Rewriter, node: &Node, (a, b): (ValueId, ValueId), is_unsigned: bool) -> Option<ValueId> {
    let op = *as_op::<Binary>(&node.op)?;
    let is_float = rewriter.ty(a).dtype.is_float();
    let is = |id: ValueId, neutral: Scalar| {
        let value = rewriter.constant(id).and_then(uniform);
        value.is_some_and(|value| value.to_bits() == neutral.to_f64().to_bits())
    };
    let (one, zero) = (Scalar::Float(1.0), Scalar::Float(if is_float && op == Binary::Add { -0.0 } else { 0.0 }));
    let plus_zero = Scalar::Float(0.0);
    match op {
        Binary::Mul if is(b, one) => Some(a),
        Binary::Mul if is(a, one) => Some(b),
        Binary::Div | Binary::Pow if is(b, one) => Some(a),
        Binary::Add | Binary::Sub if is(b, zero) => Some(a),
        Binary::Add if is(a, zero) => Some(b),
        Binary::Add if is_float && is(b, plus_zero) && (is_unsigned || fold::is_sum_of_products(rewriter, a)) => Some(a),
        Binary::Add if is_float && is(a, plus_zero) && (is_unsigned || fold::is_sum_of_products(rewriter, b)) => Some(b),
        // Of Bools, `And` with true and `Or` with false.
        Binary::And if is(b, one) => Some(a),
        Binary::And if is(a, one) => Some(b),
        Binary::Or if is(b, zero) => Some(a),
        Binary::Or if is(a, zero) => Some(b),
        _ => None,
    }
}
