//! Products of tensors of higher rank with a matrix, and the bias after them, as products of matrices: where fewer nodes are left.
//!
//! `MatMul` and `Add` of x: [a, b, k] become a reshape to [a·b, k], a Gemm, and a reshape back. Several products of one x share the first reshape, and
//! reshapes that follow each other become one; without that the three nodes would be one more.

use super::as_op;
use crate::dim::{Shape, Type};
use crate::error::Result;
use crate::graph::{Graph, Node, Rewrite, ValueId};
use crate::ops::{Binary, Gemm, MatMul, Reshape};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A product with a constant matrix and the constant vector that is added to it.
struct RowProduct {
    x: ValueId,
    weight: ValueId,
    bias: ValueId,
    /// What the sum is.
    output: ValueId,
    /// The reshaped x, and the product of it.
    rows: (Type, Type),
    /// How many nodes it adds behind the Gemm: none where a reshape follows.
    reshapes: usize,
}

/// The makers and users of the values of a graph.
pub(super) struct Uses<'a> {
    graph: &'a Graph,
    makers: HashMap<ValueId, &'a Node>,
    users: HashMap<ValueId, Vec<&'a Node>>,
}

impl<'a> Uses<'a> {
    pub(super) fn of(graph: &'a Graph) -> Uses<'a> {
        let (mut makers, mut users) = (HashMap::new(), HashMap::<ValueId, Vec<&Node>>::new());
        for node in graph.nodes() {
            makers.extend(node.outputs.iter().map(|id| (*id, node)));
            node.inputs.iter().flatten().for_each(|id| users.entry(*id).or_default().push(node));
        }
        Uses { graph, makers, users }
    }

    pub(super) fn graph(&self) -> &'a Graph {
        self.graph
    }

    pub(super) fn maker(&self, id: ValueId) -> Option<&'a Node> {
        self.makers.get(&id).copied()
    }

    /// The nodes that use a value; `None` where it is an output, too.
    pub(super) fn users(&self, id: ValueId) -> Option<&[&'a Node]> {
        if self.graph.outputs().contains(&id) { None } else { self.users.get(&id).map(Vec::as_slice) }
    }

    /// The only node that uses a value that is no output.
    pub(super) fn only_user(&self, id: ValueId) -> Option<&'a Node> {
        match self.users.get(&id).map(Vec::as_slice) {
            Some([node]) if !self.graph.outputs().contains(&id) => Some(node),
            _ => None,
        }
    }

    /// The layer that ends in a sum.
    fn linear(&self, node: &'a Node) -> Option<RowProduct> {
        let (Binary::Add, [Some(a), Some(b)]) = (as_op::<Binary>(&node.op)?, &node.inputs[..]) else { return None };
        let (product, bias) = if self.graph.value(*b).constant().is_some() { (*a, *b) } else { (*b, *a) };
        let maker = self.makers.get(&product).filter(|maker| as_op::<MatMul>(&maker.op).is_some())?;
        let (x, weight, output) = (maker.inputs[0]?, maker.inputs[1]?, *node.outputs.first()?);
        let ty = |id: ValueId| &self.graph.value(id).ty;
        self.only_user(product)?;
        let is_constant = |id: ValueId| self.graph.value(id).constant().is_some();
        let fits = ty(x).rank() > 2 && ty(weight).rank() == 2 && is_constant(weight) && is_constant(bias) && ty(output) == ty(product);
        let width = ty(weight).shape.get(1)?;
        if !fits || !ty(output).dtype.is_float() || ty(bias).shape[..] != [width.clone()] {
            return None;
        }
        let (last, dtype) = (ty(x).rank() - 1, ty(x).dtype);
        let count = Shape::from(&ty(x).shape[..last]).numel();
        let rows = Type::new(dtype, vec![count.clone(), ty(x).shape[last].clone()]);
        let result = Type::new(dtype, vec![count, width.clone()]);
        let next = self.only_user(output).and_then(|node| as_op::<Reshape>(&node.op));
        let merges = next.is_some_and(|next| Reshape::is_written_alone(&result.shape, &next.shape));
        let is_written =
            Reshape::is_written_alone(&ty(x).shape, &rows.shape) && (merges || Reshape::is_written_alone(&result.shape, &ty(output).shape));
        let reshapes = usize::from(!merges);
        is_written.then_some(RowProduct { x, weight, bias, output, rows: (rows, result), reshapes })
    }

    /// The layers that are fewer nodes as Gemm, by their outputs.
    fn gains(&self) -> BTreeMap<ValueId, RowProduct> {
        let mut groups: BTreeMap<ValueId, Vec<RowProduct>> = BTreeMap::new();
        for linear in self.graph.nodes().iter().filter_map(|node| self.linear(node)) {
            groups.entry(linear.x).or_default().push(linear);
        }
        let mut found = BTreeMap::new();
        for (x, group) in groups {
            let is_reshaped = self.makers.get(&x).is_some_and(|maker| as_op::<Reshape>(&maker.op).is_some());
            let is_alone = self.users.get(&x).map_or(0, Vec::len) == group.len() && !self.graph.outputs().contains(&x);
            let reshapes = usize::from(!(is_reshaped && is_alone)) + group.iter().map(|linear| linear.reshapes).sum::<usize>();
            if reshapes < group.len() {
                found.extend(group.into_iter().map(|linear| (linear.output, linear)));
            }
        }
        found
    }
}

/// Rewrites the layers of a graph that are fewer nodes as Gemm; how many there were.
///
/// # Errors
/// None in practice.
pub(super) fn gemms(graph: &mut Graph) -> Result<usize> {
    let gains = Uses::of(graph).gains();
    if gains.is_empty() {
        return Ok(0);
    }
    let mut reshaped: HashMap<ValueId, ValueId> = HashMap::new();
    graph.rewrite(&mut |rewriter, node| {
        let Some(linear) = node.outputs.first().and_then(|id| gains.get(id)) else { return Ok(None) };
        // The operands as they are by now: those of the product that is the operand of the sum.
        let product = node.inputs.iter().flatten().find_map(|id| rewriter.maker(*id).filter(|maker| as_op::<MatMul>(&maker.op).is_some()));
        let Some(x) = product.and_then(|product| product.inputs[0]) else { return Ok(None) };
        let (rows, result) = &linear.rows;
        let first = match reshaped.get(&x) {
            Some(id) => *id,
            None => {
                let op = Arc::new(Reshape { shape: rows.shape.clone() });
                let id = rewriter.insert(op, vec![Some(x)], rows.clone(), node.location.clone());
                reshaped.insert(x, id);
                id
            }
        };
        let op = Arc::new(Gemm { alpha: 1.0, beta: 1.0, trans_a: false, trans_b: false });
        let inputs = vec![Some(first), Some(linear.weight), Some(linear.bias)];
        let gemm = rewriter.insert(op, inputs, result.clone(), node.location.clone());
        let shape = rewriter.ty(linear.output).shape.clone();
        Ok(Some(Rewrite::Operator { op: Arc::new(Reshape { shape }), inputs: vec![Some(gemm)], location: node.location.clone() }))
    })
}
