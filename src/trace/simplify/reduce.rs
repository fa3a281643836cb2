//! Reductions along several axes, one after the other, and the reshape that drops the reduced axes.

use super::as_op;
use crate::graph::{Inputs, Node, Operator, Rewrite, Rewriter};
use crate::ops::{Fold, Reduce, Reshape};
use std::sync::Arc;

/// A reduction of a reduction, or a reshape of one, as one reduction.
pub(super) fn merged(rewriter: &Rewriter, node: &Node) -> Option<Rewrite> {
    let [Some(x)] = node.inputs[..] else { return None };
    let before = rewriter.maker(x).filter(|_| rewriter.is_used_once(x))?;
    let first = as_op::<Reduce>(&before.op).filter(|reduce| reduce.keep)?;
    let [Some(earlier)] = before.inputs[..] else { return None };
    let op = if let Some(second) = as_op::<Reduce>(&node.op) {
        // Along axes that both have, the second reduces one element to itself, which is no absolute value of another kind of reduction.
        let composes = second.fold == first.fold && matches!(first.fold, Fold::Sum | Fold::Mean | Fold::Prod | Fold::Max | Fold::Min);
        if !composes || !second.keep || second.axes.iter().any(|axis| first.axes.contains(axis)) {
            return None;
        }
        let mut axes = [&first.axes[..], &second.axes[..]].concat();
        axes.sort_unstable();
        Reduce { fold: first.fold, axes, keep: true }
    } else if as_op::<Reshape>(&node.op).is_some() {
        Reduce { keep: false, ..first.clone() }
    } else {
        return None;
    };
    let inferred = op.infer(&Inputs::new(&[Some(rewriter.ty(earlier))])).ok()?;
    let is_same = inferred.first()? == rewriter.ty(*node.outputs.first()?);
    is_same.then(|| Rewrite::Operator { op: Arc::new(op), inputs: vec![Some(earlier)], location: node.location.clone() })
}
