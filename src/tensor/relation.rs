//! Truth values that follow from sizes alone, as relations between sizes.

use crate::dim::{Constraint, Expr, Relation};
use crate::graph::{Graph, Node, Source, ValueId};

/// Comparisons by their name in ONNX.
const COMPARISONS: &[(&str, Relation)] = &[
    ("Equal", Relation::Equal),
    ("Less", Relation::Less),
    ("LessOrEqual", Relation::AtMost),
    ("Greater", Relation::Greater),
    ("GreaterOrEqual", Relation::AtLeast),
];

/// What the value of a node is whatever its shape and dtype.
const SAME_VALUE: &[&str] = &["Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze"];

/// A graph, and for the branch of a node what its inputs are outside.
#[derive(Clone, Copy)]
pub(super) struct SizeScope<'a> {
    graph: &'a Graph,
    outer: Option<(&'a SizeScope<'a>, &'a [Option<ValueId>])>,
}

impl<'a> SizeScope<'a> {
    pub(super) fn of(graph: &'a Graph) -> SizeScope<'a> {
        SizeScope { graph, outer: None }
    }

    /// The scope in which a value is made, and what it is there.
    fn resolved(&self, id: ValueId) -> Option<(SizeScope<'a>, ValueId)> {
        let input = self.graph.inputs().iter().position(|&input| input == id);
        match (input, self.outer) {
            (Some(i), Some((outer, outside))) => outer.resolved((*outside.get(i)?)?),
            _ => Some((*self, id)),
        }
    }

    fn node(&self, id: ValueId) -> Option<&'a Node> {
        self.graph.nodes().iter().rev().find(|node| node.outputs.contains(&id))
    }

    /// The number of a constant of one element.
    fn constant(&self, id: ValueId) -> Option<i64> {
        let (scope, id) = self.resolved(id)?;
        match &scope.graph.value(id).source {
            Source::Constant(array, _) if array.len() == 1 && !array.dtype().is_float() => array.to_i64s().ok()?.first().copied(),
            _ => None,
        }
    }

    /// The size that a value of one element is.
    fn size(&self, id: ValueId) -> Option<Expr> {
        let (scope, id) = self.resolved(id)?;
        if let Some(n) = scope.constant(id) {
            return Some(n.into());
        }
        let node = scope.node(id)?;
        match (node.op.name(), node.op.dims().as_slice()) {
            ("DimTensor", [dim]) => Some(dim.expr()),
            (name, _) if SAME_VALUE.contains(&name) && !scope.graph.value((*node.inputs.first()?)?).ty.dtype.is_float() => {
                scope.size((*node.inputs.first()?)?)
            }
            _ => None,
        }
    }

    /// The relations between sizes that hold exactly where a truth value is this one; `None` where it does not follow from sizes, or from one
    /// of several relations.
    pub(super) fn relations(&self, id: ValueId, holds: bool) -> Option<Vec<Constraint>> {
        let (scope, id) = self.resolved(id)?;
        if let Some(n) = scope.constant(id) {
            return ((n != 0) == holds).then(Vec::new);
        }
        let node = scope.node(id)?;
        let input = |i: usize| node.inputs.get(i).copied().flatten();
        let both = |a: Option<Vec<Constraint>>, b: Option<Vec<Constraint>>| Some([a?, b?].concat());
        let name = node.op.name();
        if let Some((_, relation)) = COMPARISONS.iter().find(|row| row.0 == name) {
            let relation = if holds { *relation } else { relation.opposite() };
            return Some(vec![Constraint::Related(scope.size(input(0)?)?, relation, scope.size(input(1)?)?)]);
        }
        match name {
            "Not" => scope.relations(input(0)?, !holds),
            "And" | "Or" if (name == "And") == holds => both(scope.relations(input(0)?, holds), scope.relations(input(1)?, holds)),
            // `a and b` is `b if a else False` in a script, `a or b` is `True if a else b`.
            "If" => {
                let ([then, otherwise], output) =
                    (node.op.graphs().try_into().ok()?, node.outputs.iter().position(|&output| output == id)?);
                let (first, second): (&Graph, &Graph) = (then, otherwise);
                let outside = node.inputs.get(1..)?.split_at_checked(first.inputs().len())?;
                let then = SizeScope { graph: first, outer: Some((&scope, outside.0)) };
                let otherwise = SizeScope { graph: second, outer: Some((&scope, outside.1)) };
                let (taken, left) = (*first.outputs().get(output)?, *second.outputs().get(output)?);
                let never = |scope: &SizeScope, id| scope.constant(id).is_some_and(|n| (n != 0) != holds);
                match (never(&then, taken), never(&otherwise, left)) {
                    (true, _) => both(scope.relations(input(0)?, false), otherwise.relations(left, holds)),
                    (_, true) => both(scope.relations(input(0)?, true), then.relations(taken, holds)),
                    _ => None,
                }
            }
            _ if SAME_VALUE.contains(&name) => scope.relations(input(0)?, holds),
            _ => None,
        }
    }
}
