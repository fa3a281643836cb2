//! Inputs whose elements are sizes: operands of Reshape, Split, Expand, Tile, ConstantOfShape and Resize that a caller gives.

use crate::array::Random;
use crate::dim::{Dim, Sizes, is_value};
use crate::graph::{Attribute, Graph, Node};
use std::collections::HashMap;
use std::sync::Arc;

/// How the elements of an input are bound to each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum SizeRule {
    /// Their product is a number of elements; where `is_open`, one may be -1.
    Product { is_open: bool },
    /// Their sum is the size of an axis.
    Sum,
    /// Each is a size or a count of its own.
    Each,
}

/// An input whose elements are sizes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SizeUse {
    pub(super) rule: SizeRule,
    /// What they multiply or add up to, together with `rest`.
    whole: Dim,
    /// The product or the sum of the sizes beside them.
    rest: Dim,
    /// Which elements are read; 1 is right for the others.
    elements: Vec<usize>,
}

/// What sizes are made up from, where nothing binds them.
const EACH: (i64, i64) = (1, 3);

/// For each input, how its elements are used as sizes, where they are.
pub(super) fn find(graph: &Graph) -> Vec<Option<SizeUse>> {
    let mut uses = vec![None; graph.inputs().len()];
    // The input that each symbol is an element of, and which.
    let mut symbols: HashMap<Arc<str>, (usize, usize)> = HashMap::new();
    for node in graph.nodes() {
        if let Some(symbol) = node.op.defines().and_then(|dim| dim.expr().as_symbol().cloned()) {
            let input = graph.inputs().iter().position(|id| node.inputs.first() == Some(&Some(*id)));
            let Some(Attribute::Int(element)) = node.op.attributes().get("element").cloned() else { continue };
            symbols.extend(input.zip(usize::try_from(element).ok()).map(|found| (symbol, found)));
            continue;
        }
        let Some((rule, whole, sizes)) = bound(graph, node) else { continue };
        let element = |dim: &Dim| dim.expr().as_symbol().and_then(|symbol| symbols.get(symbol)).copied();
        let input_of = |dim: &Dim| element(dim).map(|found| found.0);
        let mut inputs: Vec<usize> = sizes.iter().filter_map(input_of).collect();
        inputs.dedup();
        inputs.retain(|&input| uses[input].is_none());
        for input in inputs {
            let others = || sizes.iter().filter(|dim| input_of(dim) != Some(input)).cloned();
            let rest = if rule == SizeRule::Sum { others().sum() } else { others().product() };
            let elements = sizes.iter().filter_map(element).filter(|found| found.0 == input).map(|found| found.1).collect();
            uses[input] = Some(SizeUse { rule, whole: whole.clone(), rest, elements });
        }
    }
    uses
}

/// The sizes that a node is given, and what binds them.
fn bound(graph: &Graph, node: &Node) -> Option<(SizeRule, Dim, Vec<Dim>)> {
    let shape = || node.inputs.first().copied().flatten().map(|id| &graph.value(id).ty.shape);
    let attributes = node.op.attributes();
    let sizes = node.op.dims();
    if !sizes.iter().any(|dim| dim.expr().as_symbol().is_some_and(|symbol| is_value(symbol))) {
        return None;
    }
    match node.op.name() {
        "Reshape" => Some((SizeRule::Product { is_open: attributes.get("by_values").is_some() }, shape()?.numel(), sizes)),
        "Split" => {
            let Some(Attribute::Int(axis)) = attributes.get("axis") else { return None };
            Some((SizeRule::Sum, shape()?.get(usize::try_from(*axis).ok()?)?.clone(), sizes))
        }
        "Expand" | "Tile" | "ConstantOfShape" | "Resize" => Some((SizeRule::Each, Dim::Fixed(1), sizes)),
        _ => None,
    }
}

impl SizeUse {
    /// Sizes that are valid together. `step` counts the calls.
    pub(super) fn values(&self, random: &mut Random, step: usize, count: usize, sizes: Sizes) -> Vec<i64> {
        let known = |dim: &Dim| sizes.of(dim).ok().or(dim.example()).filter(|n| *n >= 0);
        let (whole, rest) = (known(&self.whole).unwrap_or(1), known(&self.rest).unwrap_or(0));
        let mut values = vec![1; count];
        match self.rule {
            _ if count == 0 => {}
            SizeRule::Each => {
                for n in values.iter_mut().enumerate().filter(|(i, _)| self.elements.contains(i)) {
                    *n.1 = random.integer(EACH.0, EACH.1);
                }
            }
            SizeRule::Product { is_open } => {
                let mut left = whole / rest.max(1);
                let mut factor = 2;
                while left > 1 {
                    // What is left has no factor below.
                    if factor * factor > left {
                        factor = left;
                    }
                    match left % factor {
                        0 => {
                            values[random.integer(0, count as i64 - 1) as usize] *= factor;
                            left /= factor;
                        }
                        _ => factor += 1,
                    }
                }
                if whole == 0 && rest > 0 {
                    values[count - 1] = 0;
                } else if is_open && step % 2 == 1 {
                    values[random.integer(0, count as i64 - 1) as usize] = -1;
                }
            }
            SizeRule::Sum => {
                let mut ends: Vec<i64> = (1..count).map(|_| random.integer(0, (whole - rest).max(0))).collect();
                ends.push((whole - rest).max(0));
                ends.sort_unstable();
                let mut start = 0;
                for (value, end) in values.iter_mut().zip(ends) {
                    *value = end - start;
                    start = end;
                }
            }
        }
        values
    }

    pub(super) fn describe(&self) -> &'static str {
        match self.rule {
            SizeRule::Product { .. } => "sizes whose product is the number of elements",
            SizeRule::Sum => "sizes that add up to the axis",
            SizeRule::Each => "sizes from 1 to 3",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::DType;
    use crate::module::{Example, from_fn};
    use crate::tensor::Tensor;
    use crate::trace::record;

    /// How the second input is used, which `function` takes as sizes.
    fn used(function: fn(Tensor, Vec<Dim>) -> crate::Result<Tensor>, x: &[usize], sizes: &[i64]) -> SizeUse {
        let model = from_fn(move |(x, sizes): (Tensor, Tensor)| function(x, sizes.to_dims()?));
        let x = Tensor::zeros(x.to_vec(), DType::F32).unwrap();
        let traced = record(&model, Example::new().input("x", &x).input("sizes", &Tensor::from(sizes)).shapes_only()).unwrap();
        find(traced.graph()).remove(1).unwrap()
    }

    #[test]
    fn sizes_are_bound_by_what_takes_them() {
        let rule = |used: SizeUse| (used.rule, used.whole, used.rest, used.elements);
        let reshaped = used(|x, sizes| x.reshape(&[sizes[0].clone(), sizes[1].clone(), Dim::Fixed(2)]), &[6, 4], &[3, 4]);
        assert_eq!(rule(reshaped), (SizeRule::Product { is_open: false }, Dim::Fixed(24), Dim::Fixed(2), vec![0, 1]));
        let expanded = used(|x, sizes| x.expand(&[sizes[0].clone(), Dim::Fixed(3)]), &[1, 3], &[2, 3]);
        assert_eq!(expanded.values(&mut Random::new(0), 0, 2, Sizes::Example)[1], 1, "an element that nothing reads");
    }

    fn made(rule: SizeRule, whole: i64, rest: i64, step: usize) -> Vec<i64> {
        let used = SizeUse { rule, whole: Dim::Fixed(whole), rest: Dim::Fixed(rest), elements: vec![0, 1, 2] };
        used.values(&mut Random::new(step as u64), step, 3, Sizes::Example)
    }

    #[test]
    fn sizes_fill_what_they_divide() {
        for step in 0..20 {
            assert_eq!(made(SizeRule::Product { is_open: false }, 360, 2, step).iter().product::<i64>(), 180);
            assert_eq!(made(SizeRule::Sum, 17, 4, step).iter().sum::<i64>(), 13);
            assert!(made(SizeRule::Each, 1, 1, step).iter().all(|n| (1..=3).contains(n)));
            let open = made(SizeRule::Product { is_open: true }, 360, 2, step);
            let (negative, known): (Vec<i64>, Vec<i64>) = open.iter().partition(|n| **n < 0);
            assert_eq!((negative.len(), 180 % known.iter().product::<i64>()), (step % 2, 0), "{open:?}");
        }
        assert_eq!(made(SizeRule::Product { is_open: true }, 0, 1, 0).iter().product::<i64>(), 0);
    }
}
