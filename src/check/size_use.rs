//! Inputs whose elements are sizes or bounds: operands of Reshape, Split, Expand, Tile, ConstantOfShape, Resize, Slice and Range that a caller gives.

use crate::array::Random;
use crate::dim::{Constraint, Dim, Expr, Relation, Shape, Sizes, is_value};
use crate::graph::{Attribute, Graph, Node, ValueId};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// How the elements of an input are bound to each other.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum SizeRule {
    /// Their product is a number of elements; where `is_open`, one may be -1.
    Product { is_open: bool },
    /// Their sum is the size of an axis.
    Sum,
    /// Each has a range of its own: the least and the greatest, by the element's index; 1 is right for the others.
    Each(Vec<(usize, [Dim; 2])>),
}

/// An input whose elements are sizes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SizeUse {
    pub(super) rule: SizeRule,
    /// What they multiply or add up to, together with `rest`.
    whole: Dim,
    /// The product or the sum of the sizes beside them.
    rest: Dim,
    /// The elements that the declared shapes of outputs and the guards say, by index.
    declared: Vec<(usize, Dim)>,
}

/// What sizes are made up from, where nothing binds them.
const EACH: [i64; 2] = [1, 3];

/// How many numbers a made-up range has at most.
const LONGEST: i64 = 6;

/// How far from 0 the bound of a range is looked for.
const FAR: i64 = 64;

/// How far a size is looked for that is right for a declared one.
const FACTORS: i64 = 64;

/// For each input, how its elements are used as sizes, where they are.
pub(super) fn find(graph: &Graph) -> Vec<Option<SizeUse>> {
    let mut uses = vec![None; graph.inputs().len()];
    let position = |id: &ValueId| graph.inputs().iter().position(|input| input == id);
    // The input that each symbol is an element of, and which.
    let mut symbols: HashMap<Arc<str>, (usize, usize)> = HashMap::new();
    let mut declared = declared(graph);
    let of_declared = |dim: &Dim| declared.get(dim.expr().as_symbol()?);
    for node in graph.nodes() {
        if let Some(symbol) = node.op.defines().and_then(|dim| dim.expr().as_symbol().cloned()) {
            let input = node.inputs.first().copied().flatten().and_then(|id| position(&id));
            let Some(Attribute::Int(element)) = node.op.attributes().get("element").cloned() else { continue };
            symbols.extend(input.zip(usize::try_from(element).ok()).map(|found| (symbol, found)));
            continue;
        }
        let element = |dim: &Dim| dim.expr().as_symbol().and_then(|symbol| symbols.get(symbol)).copied();
        let length = length(graph, node).and_then(|length| of_declared(&length));
        let bounds = bounds(graph, node, length).into_iter().filter_map(|(dim, range)| {
            let range = of_declared(&dim).map_or(range, |known| [known.clone(), known.clone()]);
            Some((element(&dim)?, range))
        });
        let operands = operand_bounds(node).into_iter().filter_map(|(id, range)| Some(((position(&id)?, 0), range)));
        for ((input, index), range) in bounds.chain(operands) {
            let each = uses[input].get_or_insert_with(|| SizeUse::new(SizeRule::Each(Vec::new()), Dim::Fixed(1), Dim::Fixed(1)));
            if let SizeRule::Each(ranges) = &mut each.rule
                && ranges.iter().all(|(other, _)| *other != index)
            {
                ranges.push((index, range));
            }
        }
        let Some((rule, whole, sizes)) = bound(graph, node) else { continue };
        let input_of = |dim: &Dim| element(dim).map(|found| found.0);
        let mut inputs: Vec<usize> = sizes.iter().filter_map(input_of).collect();
        inputs.dedup();
        inputs.retain(|&input| uses[input].is_none());
        let results = node.outputs.first().map(|id| &graph.value(*id).ty.shape);
        for input in inputs {
            let said = sizes.iter().enumerate().filter(|(_, dim)| input_of(dim) == Some(input)).filter_map(|(i, dim)| {
                let result = results.filter(|shape| node.op.name() == "Reshape" && shape.len() == sizes.len()).map(|shape| &shape[i]);
                Some((element(dim)?.1, of_declared(dim).or_else(|| of_declared(result?))?.clone()))
            });
            let others = || sizes.iter().filter(|dim| input_of(dim) != Some(input)).cloned();
            let rest = if rule == SizeRule::Sum { others().sum() } else { others().product() };
            uses[input] = Some(SizeUse { declared: said.collect(), ..SizeUse::new(rule.clone(), whole.clone(), rest) });
        }
    }
    let mut elements_of: BTreeMap<usize, Vec<(Arc<str>, usize)>> = BTreeMap::new();
    for (symbol, &(input, index)) in &symbols {
        elements_of.entry(input).or_default().push((symbol.clone(), index));
    }
    let example = example_sizes(graph);
    for (input, mut elements) in elements_of {
        let used = &mut uses[input];
        elements.sort_by_key(|element| element.1);
        if used.is_none() {
            complete(graph, &elements.iter().map(|element| element.0.clone()).collect::<Vec<_>>(), &example, &mut declared);
        }
        let said = elements.iter().filter_map(|(symbol, index)| Some((*index, declared.get(symbol)?.clone())));
        let said: Vec<(usize, [Dim; 2])> = said.map(|(index, dim)| (index, [dim.clone(), dim])).collect();
        match used.as_mut().map(|used| &mut used.rule) {
            Some(SizeRule::Each(ranges)) => {
                let further = said.into_iter().filter(|(index, _)| ranges.iter().all(|(known, _)| known != index));
                ranges.extend(further.collect::<Vec<_>>());
            }
            // What other operators take, where all that is read of it is said.
            None if !said.is_empty() && said.len() == elements.len() => {
                *used = Some(SizeUse::new(SizeRule::Each(said), Dim::Fixed(1), Dim::Fixed(1)));
            }
            _ => {}
        }
    }
    uses
}

/// What the declared shapes of the outputs and the guards say of symbols that stand for elements and for sizes that depend on data.
fn declared(graph: &Graph) -> HashMap<Arc<str>, Dim> {
    let shapes = || graph.inputs().iter().flat_map(|id| graph.value(*id).ty.shape.iter());
    let of_inputs: HashSet<Arc<str>> = shapes().flat_map(|dim| dim.expr().symbols()).collect();
    let example = example_sizes(graph);
    let is_known = |dim: &Dim| dim.expr().symbols().iter().all(|symbol| of_inputs.contains(symbol));
    let mut known = HashMap::new();
    for (id, declared) in graph.outputs().iter().zip(graph.declared_outputs()) {
        let shape = &graph.value(*id).ty.shape;
        let Some(declared) = declared.as_ref().filter(|declared| declared.len() == shape.len()) else { continue };
        for (dim, declared) in shape.iter().zip(declared.iter()).filter(|(_, declared)| is_known(declared)) {
            let open = dim.expr().symbols().into_iter().filter(|symbol| !of_inputs.contains(symbol)).collect::<Vec<_>>();
            let [symbol] = open.as_slice() else { continue };
            let with = |n: i64| dim.expr().substitute(&|name| (*name == **symbol).then(|| Expr::from(n)));
            let found = match dim.expr().as_symbol() {
                Some(_) => Some(declared.clone()),
                None => (1..=FACTORS).find(|&n| with(n) == declared.expr()).map(Dim::Fixed),
            };
            known.extend(found.map(|found| (symbol.clone(), found)));
        }
    }
    for constraint in graph.size_constraints() {
        let constraint = with_known(constraint, &known);
        let open = constraint.symbols().into_iter().filter(|symbol| !of_inputs.contains(symbol)).collect::<Vec<_>>();
        let [symbol] = open.as_slice() else { continue };
        let factor = || (1..=FACTORS).find(|&n| holds_with(&constraint, symbol, n)).map(Expr::from);
        let found = constraint.solved_for(symbol).or_else(factor).or_else(|| part(&constraint, symbol)).map(|expr| {
            let seen = expr.eval(&|name| example.get(name).copied());
            Dim::new(expr, seen)
        });
        known.extend(found.map(|found| (symbol.clone(), found)));
    }
    known
}

/// The symbols that are sizes of inputs, in the example.
fn example_sizes(graph: &Graph) -> HashMap<Arc<str>, i64> {
    let dims = graph.inputs().iter().flat_map(|id| graph.value(*id).ty.shape.iter());
    dims.filter_map(|dim| Some((dim.expr().as_symbol()?.clone(), dim.example()?))).collect()
}

/// A constraint with what is known in place of its symbols.
fn with_known(constraint: &Constraint, known: &HashMap<Arc<str>, Dim>) -> Constraint {
    constraint.substitute(&|name| known.get(name).map(Dim::expr))
}

/// Completes what is known of these elements by a sum of several: of the widths of a padding all but one are 0.
fn complete(graph: &Graph, elements: &[Arc<str>], example: &HashMap<Arc<str>, i64>, known: &mut HashMap<Arc<str>, Dim>) {
    for constraint in graph.size_constraints() {
        let constraint = with_known(constraint, known);
        let symbols = constraint.symbols();
        let open: Vec<&Arc<str>> = elements.iter().filter(|symbol| symbols.contains(*symbol)).collect();
        let Some((last, others)) = open.split_last() else { continue };
        let zeros: HashMap<Arc<str>, Dim> = others.iter().map(|&other| (other.clone(), Dim::Fixed(0))).collect();
        if let Some(expr) = with_known(&constraint, &zeros).solved_for(last).filter(|expr| !expr.depends_on_data()) {
            known.extend(zeros);
            let seen = expr.eval(&|name| example.get(name).copied());
            known.insert((*last).clone(), Dim::new(expr, seen));
        }
    }
}

/// What a symbol is in an equation of a multiple of it, at sizes that the factor divides.
fn part(constraint: &Constraint, symbol: &str) -> Option<Expr> {
    let Constraint::Related(left, Relation::Equal, right) = constraint else { return None };
    let difference = left.add(&right.neg());
    let free = |expr: &Expr| expr.symbols().iter().all(|other| **other != *symbol);
    (2..=FACTORS).find_map(|factor| {
        let multiple = Expr::symbol(symbol).mul(&factor.into());
        let (above, below) = (difference.add(&multiple.neg()).neg(), difference.add(&multiple));
        [above, below].into_iter().find(free).map(|whole| whole.floor_div(&factor.into()))
    })
}

/// Whether an equation is one of equal expressions where a symbol is this number.
fn holds_with(constraint: &Constraint, symbol: &str, n: i64) -> bool {
    match constraint.substitute(&|name| (*name == *symbol).then(|| Expr::from(n))) {
        Constraint::Related(left, Relation::Equal, right) => left == right,
        _ => false,
    }
}

/// How many indices a slice with ends that are values leaves.
fn length(graph: &Graph, node: &Node) -> Option<Dim> {
    let attributes = node.op.attributes();
    let Some(Attribute::Int(axis)) = attributes.get("axis").filter(|_| node.op.name() == "Slice") else { return None };
    let result = node.outputs.first().map(|id| &graph.value(*id).ty.shape)?;
    result.get(usize::try_from(*axis).ok()?).cloned()
}

/// The sizes that a node is given, and what binds them together.
fn bound(graph: &Graph, node: &Node) -> Option<(SizeRule, Dim, Vec<Dim>)> {
    let attributes = node.op.attributes();
    let sizes = node.op.dims();
    if !sizes.iter().any(is_element) {
        return None;
    }
    match node.op.name() {
        "Reshape" => Some((SizeRule::Product { is_open: attributes.get("by_values").is_some() }, shape(graph, node)?.numel(), sizes)),
        "Split" => {
            let Some(Attribute::Int(axis)) = attributes.get("axis") else { return None };
            Some((SizeRule::Sum, shape(graph, node)?.get(usize::try_from(*axis).ok()?)?.clone(), sizes))
        }
        _ => None,
    }
}

/// Whether a size is an element of a tensor, as it is.
fn is_element(dim: &Dim) -> bool {
    dim.expr().as_symbol().is_some_and(|symbol| is_value(symbol))
}

fn shape<'a>(graph: &'a Graph, node: &Node) -> Option<&'a Shape> {
    node.inputs.first().copied().flatten().map(|id| &graph.value(id).ty.shape)
}

/// The sizes and bounds that a node is given and that nothing binds together, each with its range: of a slice and a range those that leave something,
/// or as much as is declared.
fn bounds(graph: &Graph, node: &Node, length: Option<&Dim>) -> Vec<(Dim, [Dim; 2])> {
    let attributes = node.op.attributes();
    let dim = |name: &str| if let Some(Attribute::Dim(dim)) = attributes.get(name) { Some(dim.clone()) } else { None };
    let int = |name: &str| if let Some(Attribute::Int(n)) = attributes.get(name) { Some(*n) } else { None };
    let step = int("step").or_else(|| dim("step").map(|_| 1));
    match (node.op.name(), step) {
        ("Expand" | "Tile" | "ConstantOfShape" | "Resize", _) => {
            node.op.dims().into_iter().filter(is_element).map(|dim| (dim, EACH.map(Dim::Fixed))).collect()
        }
        ("Col2Im", _) => image_bounds(graph, node).unwrap_or_default(),
        ("Slice", Some(step)) => {
            let axis = int("axis").and_then(|axis| usize::try_from(axis).ok());
            let Some(whole) = axis.and_then(|axis| shape(graph, node)?.get(axis)) else { return Vec::new() };
            // Both ends on their own side of the middle, counted from the first index; backwards the end from the last one, beyond the first.
            let middle = (whole - 1i64) / 2i64;
            let (start, end) = match step > 0 {
                true if length.is_some() => {
                    let end = (length.cloned().unwrap_or(Dim::Fixed(1)) - 1i64) * step + 1i64;
                    ([Dim::Fixed(0), Dim::Fixed(0)], [end.clone(), end])
                }
                true => ([Dim::Fixed(0), middle.clone()], [&middle + 1i64, whole.clone()]),
                false => ([middle.clone(), whole - 1i64], [Dim::Fixed(-1) - whole, &middle - 1i64 - whole]),
            };
            let steps = [Dim::Fixed(1), Dim::Fixed(if length.is_some() { 1 } else { 2 })];
            [("start", start), ("end", end), ("step", steps)].into_iter().filter_map(|(name, range)| Some((dim(name)?, range))).collect()
        }
        ("Range", Some(step)) => {
            dim("start").zip(dim("length")).map_or_else(Vec::new, |(start, length)| range_bounds(&start, &length, step))
        }
        _ => Vec::new(),
    }
}

/// The sizes of an image whose windows are the columns: one row of them.
fn image_bounds(graph: &Graph, node: &Node) -> Option<Vec<(Dim, [Dim; 2])>> {
    let attributes = node.op.attributes();
    let int = |value: &Attribute| if let Attribute::Int(n) = value { Some(*n) } else { None };
    let ints = |name: &str| match attributes.get(name) {
        Some(Attribute::List(values)) => values.iter().map(int).collect::<Option<Vec<i64>>>(),
        _ => None,
    };
    let (kernel, strides, dilations, pads) = (ints("block_shape")?, ints("strides")?, ints("dilations")?, ints("pads")?);
    let (sizes, columns) = (node.op.dims(), shape(graph, node)?.get(2)?.clone());
    let last = sizes.len().checked_sub(1).filter(|_| sizes.iter().all(is_element))?;
    let size = |axis: usize, windows: Dim| {
        let padding = pads.get(axis)? + pads.get(axis + sizes.len())?;
        let size = (windows - 1i64) * *strides.get(axis)? + ((kernel.get(axis)? - 1) * dilations.get(axis)? + 1 - padding);
        Some((sizes.get(axis)?.clone(), [size.clone(), size]))
    };
    (0..=last).map(|axis| size(axis, if axis == last { columns.clone() } else { Dim::Fixed(1) })).collect()
}

/// Ranges of the bounds of a range so that it has a few numbers: the start is chosen first, and the other bound fits the worst of its values.
fn range_bounds(start: &Dim, length: &Dim, step: i64) -> Vec<(Dim, [Dim; 2])> {
    let symbols = length.expr().symbols();
    let (low, high) = if step > 0 { (0, 1) } else { (LONGEST, LONGEST + 1) };
    let nearest = if step > 0 { high } else { low };
    let first = start.expr().as_symbol().cloned().filter(|_| is_element(start) && symbols.len() > 1);
    let Some(other) = symbols.iter().find(|symbol| Some(*symbol) != first.as_ref()) else { return Vec::new() };
    let fits = |n: &i64| {
        let length = length.expr().eval(&|symbol| Some(if symbol == &**other { *n } else { nearest }));
        length.is_some_and(|length| (1..=LONGEST).contains(&length))
    };
    let fitting: Vec<i64> = (-FAR..=FAR).filter(fits).collect();
    let Some(range) = fitting.first().zip(fitting.last()) else { return Vec::new() };
    let other = (Dim::new(Expr::symbol(other), None), [*range.0, *range.1].map(Dim::Fixed));
    first.map(|_| (start.clone(), [low, high].map(Dim::Fixed))).into_iter().chain([other]).collect()
}

/// The start, the end and the step of a range that are tensors, with ranges for values that leave a few numbers.
fn operand_bounds(node: &Node) -> Vec<(ValueId, [Dim; 2])> {
    if node.op.name() != "Range" {
        return Vec::new();
    }
    let ranges = [[0, 1], [2, LONGEST], [1, 2]];
    node.inputs.iter().zip(ranges).filter_map(|(id, range)| Some(((*id)?, range.map(Dim::Fixed)))).collect()
}

impl SizeUse {
    fn new(rule: SizeRule, whole: Dim, rest: Dim) -> SizeUse {
        SizeUse { rule, whole, rest, declared: Vec::new() }
    }

    /// Whether so many elements can be valid together: those that are said leave a part of the whole to the others.
    pub(super) fn holds(&self, count: usize, sizes: Sizes) -> bool {
        let said = self.declared.iter().filter(|(index, _)| *index < count);
        let said: Vec<Option<i64>> = said.map(|(_, dim)| sizes.of(dim).ok()).collect();
        let is_whole = said.len() == count;
        let (Some(whole), Some(rest), Some(said)) =
            (sizes.of(&self.whole).ok(), sizes.of(&self.rest).ok(), said.into_iter().collect::<Option<Vec<i64>>>())
        else {
            return true;
        };
        match self.rule {
            SizeRule::Each(_) => true,
            SizeRule::Product { .. } => {
                let part = said.iter().fold(rest, |part, &n| part.saturating_mul(n));
                part == whole || !is_whole && part > 0 && whole % part == 0
            }
            SizeRule::Sum => {
                let part = said.iter().fold(rest, |part, &n| part.saturating_add(n));
                part == whole || !is_whole && part < whole
            }
        }
    }

    /// The symbols that its elements depend on.
    pub(super) fn symbols(&self) -> impl Iterator<Item = Arc<str>> {
        let dims = self.declared.iter().map(|(_, dim)| dim).chain([&self.whole, &self.rest]);
        dims.flat_map(|dim| dim.expr().symbols()).collect::<Vec<_>>().into_iter()
    }

    /// Sizes that are valid together. `step` counts the calls.
    pub(super) fn values(&self, random: &mut Random, step: usize, count: usize, sizes: Sizes) -> Vec<i64> {
        let known = |dim: &Dim| sizes.of(dim).ok().or(dim.example()).filter(|n| *n >= 0);
        let (whole, rest) = (known(&self.whole).unwrap_or(1), known(&self.rest).unwrap_or(0));
        let mut values = vec![1; count];
        let mut free: Vec<usize> = (0..count).collect();
        for (index, size) in self.declared.iter().filter_map(|(index, dim)| Some((*index, known(dim)?))).filter(|(index, _)| *index < count)
        {
            values[index] = size;
            free.retain(|other| *other != index);
        }
        let said = || (0..count).filter(|i| !free.contains(i)).map(|i| values[i]);
        let (product, sum) = (said().product::<i64>(), said().sum::<i64>());
        match &self.rule {
            SizeRule::Product { .. } | SizeRule::Sum if free.is_empty() => {}
            SizeRule::Each(ranges) => {
                let end = |dim: &Dim| sizes.of(dim).ok().or(dim.example());
                for (index, [low, high]) in ranges.iter().filter(|(index, _)| *index < count) {
                    values[*index] = end(low).zip(end(high)).map_or(1, |(low, high)| random.integer(low, high.max(low)));
                }
            }
            SizeRule::Product { is_open } => {
                let mut left = whole / rest.max(1) / product.max(1);
                let mut factor = 2;
                while left > 1 {
                    // What is left has no factor below.
                    if factor * factor > left {
                        factor = left;
                    }
                    match left % factor {
                        0 => {
                            values[free[random.integer(0, free.len() as i64 - 1) as usize]] *= factor;
                            left /= factor;
                        }
                        _ => factor += 1,
                    }
                }
                if whole == 0 && rest > 0 {
                    values[free[free.len() - 1]] = 0;
                } else if *is_open && step % 2 == 1 {
                    values[free[random.integer(0, free.len() as i64 - 1) as usize]] = -1;
                }
            }
            SizeRule::Sum => {
                let left = (whole - rest - sum).max(0);
                let mut ends: Vec<i64> = (1..free.len()).map(|_| random.integer(0, left)).collect();
                ends.push(left);
                ends.sort_unstable();
                let mut start = 0;
                for (index, end) in free.into_iter().zip(ends) {
                    values[index] = end - start;
                    start = end;
                }
            }
        }
        values
    }

    pub(super) fn describe(&self) -> String {
        match &self.rule {
            SizeRule::Product { .. } => "sizes whose product is the number of elements".to_string(),
            SizeRule::Sum => "sizes that add up to the axis".to_string(),
            SizeRule::Each(ranges) => {
                let example = |at: usize| ranges.iter().filter_map(move |(_, range)| range[at].example());
                match example(0).min().zip(example(1).max()) {
                    Some((low, high)) => format!("sizes and bounds from {low} to {high}"),
                    None => "sizes and bounds that leave something".to_string(),
                }
            }
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
        let rule = |used: SizeUse| (used.rule, used.whole, used.rest);
        let reshaped = used(|x, sizes| x.reshape(&[sizes[0].clone(), sizes[1].clone(), Dim::Fixed(2)]), &[6, 4], &[3, 4]);
        assert_eq!(rule(reshaped), (SizeRule::Product { is_open: false }, Dim::Fixed(24), Dim::Fixed(2)));
        let expanded = used(|x, sizes| x.expand(&[sizes[0].clone(), Dim::Fixed(3)]), &[1, 3], &[2, 3]);
        assert_eq!(expanded.rule, SizeRule::Each(vec![(0, EACH.map(Dim::Fixed))]));
        assert_eq!(expanded.values(&mut Random::new(0), 0, 2, Sizes::Example)[1], 1, "an element that nothing reads");
    }

    #[test]
    fn declared_outputs_say_what_sizes_are() {
        let model = from_fn(|(x, sizes): (Tensor, Tensor)| {
            let sizes = sizes.to_dims()?;
            x.reshape(&[sizes[0].clone(), sizes[1].clone(), Dim::Fixed(2)])
        });
        let x = Tensor::zeros(vec![6, 4], DType::F32).unwrap();
        let example = Example::new().input("x", &x).input("sizes", &Tensor::from(&[3i64, 4])).symbolic("x", 0, "n").unwrap();
        let mut graph = record(&model, example.shapes_only()).unwrap().graph().clone();
        let n = Dim::new(Expr::symbol("n"), Some(6));
        graph.set_declared_outputs(vec![Some(Shape::new(vec![n, Dim::symbol("other", 1), Dim::Fixed(2)]))]);
        let used = find(&graph).remove(1).unwrap();
        for step in 0..5 {
            assert_eq!(used.values(&mut Random::new(step), 0, 2, Sizes::Example), [6, 2]);
        }
    }

    #[test]
    fn guards_say_what_sizes_are() {
        let model = from_fn(|(x, y, sizes): (Tensor, Tensor, Tensor)| x.expand(&sizes.to_dims()?)?.add(&y));
        let zeros = |shape: &[usize]| Tensor::zeros(shape.to_vec(), DType::F32).unwrap();
        let example = Example::new().input("x", &zeros(&[1, 1])).input("y", &zeros(&[6, 4])).input("sizes", &Tensor::from(&[6i64, 4]));
        let traced = record(&model, example.symbolic("y", 0, "n").unwrap().shapes_only()).unwrap();
        let used = find(traced.graph()).remove(2).unwrap();
        assert_eq!(used.values(&mut Random::new(0), 0, 2, Sizes::Example), [6, 4]);
        // A multiple that meets a size.
        let model = from_fn(|(x, y, count): (Tensor, Tensor, Tensor)| x.repeat(&count.to_dims()?)?.add(&y));
        let example = Example::new().input("x", &zeros(&[2])).input("y", &zeros(&[6])).input("count", &Tensor::from(&[3i64]));
        let traced = record(&model, example.symbolic("y", 0, "n").unwrap().shapes_only()).unwrap();
        let used = find(traced.graph()).remove(2).unwrap();
        assert_eq!(used.values(&mut Random::new(0), 0, 1, Sizes::Example), [3]);
        // A sum of two widths that nothing else says.
        let model = from_fn(|(x, y, widths): (Tensor, Tensor, Tensor)| {
            let widths = widths.to_dims()?;
            x.pad(&[widths[0].clone(), widths[1].clone()], crate::ops::Padding::Constant(0i64.into()))?.add(&y)
        });
        let example = Example::new().input("x", &zeros(&[3])).input("y", &zeros(&[5])).input("widths", &Tensor::from(&[1i64, 1]));
        let traced = record(&model, example.symbolic("y", 0, "n").unwrap().shapes_only()).unwrap();
        let used = find(traced.graph()).remove(2).unwrap();
        assert_eq!(used.values(&mut Random::new(0), 0, 2, Sizes::Example), [0, 2]);
    }

    #[test]
    fn the_bounds_of_a_range_leave_a_few_elements() {
        let bounds = |start: Dim, end: Dim, step: i64| {
            let distance = if step > 0 { &end - &start } else { &start - &end };
            range_bounds(&start, &((distance + (step.abs() - 1)) / step.abs()), step)
        };
        let (low, high) = (|| Dim::new(Expr::symbol("value0"), None), || Dim::new(Expr::symbol("value1"), None));
        let fixed = |range: [i64; 2]| range.map(Dim::Fixed);
        assert_eq!(bounds(Dim::Fixed(0), low(), 1), vec![(low(), fixed([1, LONGEST]))]);
        assert_eq!(bounds(low(), Dim::Fixed(0), 1), vec![(low(), fixed([-LONGEST, -1]))]);
        assert_eq!(bounds(low(), high(), 1), vec![(low(), fixed([0, 1])), (high(), fixed([2, LONGEST + 1]))]);
        assert_eq!(bounds(low(), high(), -2), vec![(low(), fixed([LONGEST, LONGEST + 1])), (high(), fixed([-LONGEST, LONGEST - 1]))]);
    }

    fn made(rule: SizeRule, whole: i64, rest: i64, step: usize) -> Vec<i64> {
        let used = SizeUse::new(rule, Dim::Fixed(whole), Dim::Fixed(rest));
        used.values(&mut Random::new(step as u64), step, 3, Sizes::Example)
    }

    #[test]
    fn sizes_fill_what_they_divide() {
        for step in 0..20 {
            assert_eq!(made(SizeRule::Product { is_open: false }, 360, 2, step).iter().product::<i64>(), 180);
            assert_eq!(made(SizeRule::Sum, 17, 4, step).iter().sum::<i64>(), 13);
            assert!(
                made(SizeRule::Each((0..3).map(|i| (i, EACH.map(Dim::Fixed))).collect()), 1, 1, step).iter().all(|n| (1..=3).contains(n))
            );
            let open = made(SizeRule::Product { is_open: true }, 360, 2, step);
            let (negative, known): (Vec<i64>, Vec<i64>) = open.iter().partition(|n| **n < 0);
            assert_eq!((negative.len(), 180 % known.iter().product::<i64>()), (step % 2, 0), "{open:?}");
        }
        assert_eq!(made(SizeRule::Product { is_open: true }, 0, 1, 0).iter().product::<i64>(), 0);
    }
}
