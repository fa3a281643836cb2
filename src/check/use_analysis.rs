//! Dataflow analysis from the inputs of a graph to the operators that index tables or mask.

use super::size_use::{self, SizeUse};
use crate::array::{Array, DType};
use crate::dim::{Dim, Sizes};
use crate::graph::{Attribute, Graph, Node, ValueId};
use std::collections::HashMap;
use std::sync::Arc;

/// What an input is used for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum InputUse {
    Index(IndexUse),
    /// A mask: ones, and zeros at the end of some rows.
    Mask,
    /// A mask that is added to scores: zeros, and large negative values at the end of some rows.
    AdditiveMask,
    /// What the first layer standardises: a batch norm with its running mean and variance, or a shift and a scale by constants.
    Scaled {
        mean: f64,
        deviation: f64,
    },
    /// Sizes, as operands of a Reshape are.
    Sizes(SizeUse),
    /// A threshold of overlaps or scores.
    Threshold,
    /// Anything else.
    Other,
}

/// An index ⌊(scale · x + offset) / divisor⌋ into a table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct IndexUse {
    pub(super) rows: Dim,
    pub(super) scale: i64,
    /// The least and the greatest of what is added to the elements.
    pub(super) offset: (i64, i64),
    pub(super) divisor: i64,
    /// Whether every index outside of the table is an error: nothing wraps or clamps it, and no condition decides whether it is used.
    pub(super) is_checked: bool,
}

impl IndexUse {
    /// How many rows the table has in the example.
    pub(super) fn example_rows(&self) -> Option<i64> {
        self.rows.example()
    }

    /// The least and the greatest input for which the index is `low` … `high`, where there is one.
    pub(super) fn inputs(&self, low: i64, high: i64) -> Option<(i64, i64)> {
        let low = low.checked_mul(self.divisor)?.checked_sub(self.offset.0)?;
        let high = high.checked_add(1)?.checked_mul(self.divisor)?.checked_sub(1)?.checked_sub(self.offset.1)?;
        let (low, high) = if self.scale < 0 { (high.checked_neg()?, low.checked_neg()?) } else { (low, high) };
        let scale = self.scale.checked_abs().filter(|scale| *scale > 0)?;
        let (low, high) = (low.div_euclid(scale) + i64::from(low.rem_euclid(scale) != 0), high.div_euclid(scale));
        (low <= high).then_some((low, high))
    }

    pub(super) fn rows(&self, sizes: Sizes) -> Option<i64> {
        sizes.of(&self.rows).ok().or(self.rows.example()).filter(|rows| *rows > 0)
    }
}

/// Operators that move elements and change none.
const MOVES: &[&str] = &[
    "Cast",
    "Reshape",
    "Transpose",
    "Expand",
    "Slice",
    "Split",
    "Identity",
    "Concat",
    "Tile",
    "Pad",
    "Gather",
    "GatherElements",
    "GatherND",
    "Floor",
];
/// Comparisons, and what joins their results.
const LOGIC: &[&str] = &["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "And", "Or", "Xor", "Not"];
/// From here on a factor makes a mask an addition that removes what it meets.
const LARGE: f64 = 1e3;

/// A value that follows from an input: ⌊(scale · x + offset) / divisor⌋.
#[derive(Clone, Debug)]
struct IndexOrigin {
    input: usize,
    scale: i64,
    offset: (i64, i64),
    divisor: i64,
    /// The table that stands for the one behind a remainder.
    rows: Option<Dim>,
    is_checked: bool,
}

impl IndexOrigin {
    fn unchecked(self) -> IndexOrigin {
        IndexOrigin { is_checked: false, ..self }
    }

    fn plus(self, low: f64, high: f64) -> Option<IndexOrigin> {
        if self.rows.is_some() {
            return Some(self);
        }
        let by = |n: f64| (n * self.divisor as f64) as i64;
        let offset = (self.offset.0.checked_add(by(low))?, self.offset.1.checked_add(by(high))?);
        Some(IndexOrigin { offset, ..self })
    }

    fn times(self, factor: i64) -> Option<IndexOrigin> {
        if self.rows.is_some() || factor == 0 {
            return Some(self).filter(|_| factor != 0);
        }
        if self.divisor != 1 {
            return None;
        }
        let (a, b) = (self.offset.0.checked_mul(factor)?, self.offset.1.checked_mul(factor)?);
        Some(IndexOrigin { scale: self.scale.checked_mul(factor)?, offset: (a.min(b), a.max(b)), ..self })
    }
}

/// What is known of values, each until it is used for the last time: of a long graph that is little at once.
struct KnownValues<T> {
    known: HashMap<ValueId, T>,
    /// By value: the node that uses it last; of outputs there is none.
    last: Vec<usize>,
}

impl<T> KnownValues<T> {
    fn new(graph: &Graph, known: HashMap<ValueId, T>) -> KnownValues<T> {
        let mut last = vec![0; graph.values().count()];
        for (i, node) in graph.nodes().iter().enumerate() {
            node.inputs.iter().flatten().for_each(|id| last[id.index()] = i);
        }
        graph.outputs().iter().for_each(|id| last[id.index()] = usize::MAX);
        KnownValues { known, last }
    }

    fn get(&self, id: ValueId) -> Option<&T> {
        self.known.get(&id)
    }

    fn extend(&mut self, values: impl IntoIterator<Item = (ValueId, T)>) {
        self.known.extend(values);
    }

    /// Forgets the values that this node, the `i`-th, uses last.
    fn forget(&mut self, i: usize, node: &Node) {
        for id in node.inputs.iter().flatten().filter(|id| self.last[id.index()] == i) {
            self.known.remove(id);
        }
    }
}

/// What is known of a mask.
#[derive(Clone, Copy, Default)]
struct MaskUse {
    /// Whether it selects or removes.
    masks: bool,
    /// Whether it is added.
    is_added: bool,
    /// Whether it meets anything else.
    other: bool,
}

/// The use of each input, in order.
pub(super) fn uses(graph: &Graph) -> Vec<InputUse> {
    let mut uses = vec![InputUse::Other; graph.inputs().len()];
    let origins = graph.inputs().iter().enumerate().map(|(input, id)| {
        let origin = IndexOrigin { input, scale: 1, offset: (0, 0), divisor: 1, rows: None, is_checked: true };
        (*id, origin)
    });
    indices(graph, origins.collect(), &mut uses);
    for (used, sizes) in uses.iter_mut().zip(size_use::find(graph)) {
        if let Some(sizes) = sizes.filter(|_| *used == InputUse::Other) {
            *used = InputUse::Sizes(sizes);
        }
    }
    for (used, _) in uses.iter_mut().zip(thresholds(graph)).filter(|(used, is_one)| *is_one && **used == InputUse::Other) {
        *used = InputUse::Threshold;
    }
    let masks = masks(graph);
    for ((used, mask), id) in uses.iter_mut().zip(masks).zip(graph.inputs()) {
        let is_named = graph.label(*id).to_lowercase().contains("mask");
        let dtype = graph.value(*id).ty.dtype;
        if *used != InputUse::Other {
            continue;
        }
        if is_named && dtype.is_float() && mask.is_added && !mask.masks && !mask.other {
            *used = InputUse::AdditiveMask;
        } else if is_named || mask.masks && !mask.other && !dtype.is_float() {
            *used = InputUse::Mask;
        }
    }
    for (used, (id, scaled)) in uses.iter_mut().zip(graph.inputs().iter().zip(statistics(graph))) {
        let dtype = graph.value(*id).ty.dtype;
        if let Some((mean, deviation)) = scaled.filter(|_| *used == InputUse::Other && (dtype.is_float() || dtype == DType::U8)) {
            *used = InputUse::Scaled { mean, deviation };
        }
    }
    uses
}

/// Which inputs are the thresholds of a suppression.
fn thresholds(graph: &Graph) -> Vec<bool> {
    let mut found = vec![false; graph.inputs().len()];
    let mut known: HashMap<ValueId, usize> = graph.inputs().iter().enumerate().map(|(i, id)| (*id, i)).collect();
    for node in graph.nodes() {
        let operand = |i: usize| node.inputs.get(i).copied().flatten().and_then(|id| known.get(&id)).copied();
        match node.op.name() {
            "NonMaxSuppression" => [3, 4].into_iter().filter_map(operand).for_each(|input| found[input] = true),
            name if MOVES.contains(&name) => {
                if let Some(input) = operand(0) {
                    known.extend(node.outputs.iter().map(|id| (*id, input)));
                }
            }
            _ => {}
        }
    }
    found
}

/// `scale · x + offset` of an input x, and whether it was shifted and scaled by constants.
#[derive(Clone, Copy)]
struct ScaledOrigin {
    input: usize,
    scale: f64,
    offset: f64,
    is_shifted: bool,
    is_scaled: bool,
}

impl ScaledOrigin {
    /// The mean and the deviation of x, where these are the ones of the value.
    fn input_statistics(self, mean: f64, deviation: f64) -> Option<(f64, f64)> {
        let (mean, deviation) = ((mean - self.offset) / self.scale, deviation / self.scale.abs());
        let is_usual = mean.is_finite() && mean.abs() < 1e4 && (1e-4..1e4).contains(&deviation);
        is_usual.then_some((mean, deviation))
    }
}

/// For each input the mean and the deviation that the first layer takes it to have, where it says so.
fn statistics(graph: &Graph) -> Vec<Option<(f64, f64)>> {
    let mut found = vec![None; graph.inputs().len()];
    let start = |input| ScaledOrigin { input, scale: 1.0, offset: 0.0, is_shifted: false, is_scaled: false };
    let mut known = KnownValues::new(graph, graph.inputs().iter().enumerate().map(|(i, id)| (*id, start(i))).collect());
    for (i, node) in graph.nodes().iter().enumerate() {
        let operand = |i: usize| node.inputs.get(i).copied().flatten().and_then(|id| known.get(id)).copied();
        let operands = (0..node.inputs.len().min(2)).find_map(|i| Some((i, operand(i)?)));
        known.forget(i, node);
        let Some((position, x)) = operands else { continue };
        let other = |i: usize| mean(graph, node, i).filter(|c| *c != 0.0);
        let next = match (node.op.name(), position, other(1 - position)) {
            (name, 0, _) if MOVES.contains(&name) => Some(x),
            ("Mul", _, Some(c)) => Some(ScaledOrigin { scale: x.scale * c, offset: x.offset * c, is_scaled: true, ..x }),
            ("Div", 0, Some(c)) => Some(ScaledOrigin { scale: x.scale / c, offset: x.offset / c, is_scaled: true, ..x }),
            ("Add", _, Some(c)) => Some(ScaledOrigin { offset: x.offset + c, is_shifted: true, ..x }),
            ("Sub", 0, Some(c)) => Some(ScaledOrigin { offset: x.offset - c, is_shifted: true, ..x }),
            ("BatchNormalization", 0, _) => {
                let statistics = mean(graph, node, 3).zip(mean(graph, node, 4)).and_then(|(m, v)| x.input_statistics(m, v.sqrt()));
                found[x.input] = found[x.input].or(statistics);
                None
            }
            _ if x.is_shifted && x.is_scaled => {
                found[x.input] = found[x.input].or(x.input_statistics(0.0, 1.0));
                None
            }
            _ => None,
        };
        known.extend(next.into_iter().flat_map(|next| node.outputs.iter().map(move |id| (*id, next))));
    }
    found
}

/// The mean of a constant operand with few elements.
fn mean(graph: &Graph, node: &Node, i: usize) -> Option<f64> {
    const FEW: usize = 1 << 12;
    let values = constant(graph, node, i).filter(|array| array.dtype().is_float() && array.len() <= FEW)?.to_f64s().ok()?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Follows the origins through a graph and notes the tables that they index.
fn indices(graph: &Graph, origins: HashMap<ValueId, IndexOrigin>, uses: &mut [InputUse]) {
    let mut origins = KnownValues::new(graph, origins);
    // Of the symbols that stand for elements of inputs.
    let mut symbols: HashMap<Arc<str>, IndexOrigin> = HashMap::new();
    for (i, node) in graph.nodes().iter().enumerate() {
        if let (Some(symbol), Some(origin)) = (node.op.defines().and_then(|dim| dim.expr().as_symbol().cloned()), operand(node, &origins)) {
            // A bound of one element says nothing of the others.
            let is_single = node.inputs[0].is_some_and(|id| graph.value(id).ty.shape.numel() == 1);
            symbols.insert(symbol, if is_single { origin } else { origin.unchecked() });
        }
        if let (Some(origin), Some(output)) = (of_symbols(node, &symbols), node.outputs.first()) {
            origins.extend([(*output, origin)]);
        }
        for (position, origin) in node.inputs.iter().enumerate().filter_map(|(i, id)| Some((i, origins.get((*id)?)?.clone()))) {
            if let Some((rows, is_whole)) = table(graph, node, position) {
                note(uses, origin, rows, is_whole);
            }
        }
        for (inner, operands) in inner_graphs(node) {
            let pairs =
                inner.inputs().iter().zip(operands).filter_map(|(id, operand)| Some((*id, origins.get((*operand)?)?.clone().unchecked())));
            indices(inner, pairs.collect(), uses);
        }
        let origin = result(graph, node, &origins);
        origins.forget(i, node);
        origins.extend(origin.into_iter().flat_map(|origin| node.outputs.iter().map(move |id| (*id, origin.clone()))));
    }
}

/// The origin of a node's first operand.
fn operand(node: &Node, origins: &KnownValues<IndexOrigin>) -> Option<IndexOrigin> {
    node.inputs.first().copied().flatten().and_then(|id| origins.get(id)).cloned()
}

/// The origin of indices that are written as expressions of one symbol, each a multiple of it and a number: `n`, `n + 1` …
fn of_symbols(node: &Node, symbols: &HashMap<Arc<str>, IndexOrigin>) -> Option<IndexOrigin> {
    if node.op.name() != "DimTensor" {
        return None;
    }
    let dims = node.op.dims();
    let symbol = dims.iter().flat_map(|dim| dim.expr().symbols()).find(|symbol| symbols.contains_key(symbol))?;
    let origin = symbols.get(&symbol)?.clone();
    let at = |dim: &Dim, n: i64| dim.expr().eval(&|name| (*name == *symbol).then_some(n));
    let linear = |dim: &Dim| {
        let (offset, scale) = (at(dim, 0)?, at(dim, 1)?.checked_sub(at(dim, 0)?)?);
        let is_linear = [-1000i64, -3, 2, 1000].iter().all(|&n| at(dim, n) == Some(scale * n + offset));
        is_linear.then_some((scale, offset))
    };
    let Some(terms) = dims.iter().map(linear).collect::<Option<Vec<_>>>() else { return Some(origin.unchecked()) };
    let (scale, low, high) = (terms.first()?.0, terms.iter().map(|term| term.1).min()?, terms.iter().map(|term| term.1).max()?);
    if terms.iter().any(|term| term.0 != scale) {
        return Some(origin.unchecked());
    }
    origin.times(scale)?.plus(low as f64, high as f64)
}

/// The graphs inside a node, and the operands that are their inputs.
fn inner_graphs(node: &Node) -> Vec<(&Graph, &[Option<ValueId>])> {
    let graphs = node.op.graphs();
    let mut from = 1;
    let mut pairs = Vec::new();
    for graph in graphs {
        let count = graph.inputs().len();
        let operands = match node.op.name() {
            "If" => node.inputs.get(from..from + count),
            // Without the number of the iteration, which is no operand.
            "Loop" => node.inputs.get(1..).filter(|_| count > 0),
            _ => node.inputs.get(node.inputs.len().saturating_sub(count)..),
        };
        from += count;
        pairs.extend(operands.map(|operands| (graph, operands)));
    }
    pairs
}

/// How many rows the table has that an operand indexes, and whether the index alone says which row.
fn table(graph: &Graph, node: &Node, position: usize) -> Option<(Dim, bool)> {
    let shape = |i: usize| node.inputs.get(i).copied().flatten().map(|id| &graph.value(id).ty.shape);
    let attributes = node.op.attributes();
    let number = |name: &str| if let Some(Attribute::Int(n)) = attributes.get(name) { usize::try_from(*n).ok() } else { None };
    match (node.op.name(), position) {
        ("Gather" | "GatherElements" | "ScatterElements", 1) => Some((shape(0)?.get(number("axis")?)?.clone(), true)),
        ("GatherND" | "ScatterND", 1) => {
            let (first, width) = (number("batch_dims").unwrap_or(0), usize::try_from(shape(1)?.last()?.fixed()?).ok()?);
            let axes = shape(0)?.get(first..first + width)?;
            let least = axes.iter().min_by_key(|dim| dim.example().unwrap_or(i64::MAX))?;
            Some((least.clone(), width == 1))
        }
        ("Slice", 1..) => Some((shape(0)?.get(number("axis")?)?.clone(), false)),
        // One of several classes.
        ("Equal", 0 | 1) => {
            let classes = constant(graph, node, 1 - position)?.to_f64s().ok()?;
            let is_range = classes.len() > 2 && classes.iter().enumerate().all(|(i, class)| *class == i as f64);
            is_range.then(|| (Dim::from(classes.len() as i64), false))
        }
        _ => None,
    }
}

fn note(uses: &mut [InputUse], origin: IndexOrigin, rows: Dim, is_whole: bool) {
    let IndexOrigin { input, scale, offset, divisor, rows: wrapped, is_checked } = origin;
    let rows = wrapped.unwrap_or(rows);
    // How many rows a table has that is made of data is known when a call runs.
    let is_checked = is_checked && is_whole && !rows.expr().depends_on_data();
    let new = IndexUse { rows, scale, offset, divisor, is_checked };
    let smaller = match &uses[input] {
        InputUse::Index(known) => new.example_rows().unwrap_or(i64::MAX) < known.example_rows().unwrap_or(i64::MAX),
        _ => true,
    };
    if smaller && new.example_rows().is_none_or(|rows| rows > 0) {
        uses[input] = InputUse::Index(new);
    }
}

fn constant<'a>(graph: &'a Graph, node: &Node, i: usize) -> Option<&'a Array> {
    node.inputs.get(i).copied().flatten().and_then(|id| graph.value(id).constant())
}

/// The least and the greatest element of a constant operand, where it has few.
fn ends(graph: &Graph, node: &Node, i: usize) -> Option<(f64, f64)> {
    const FEW: usize = 1 << 16;
    let values = constant(graph, node, i).filter(|array| array.len() <= FEW)?.to_f64s().ok()?;
    let first = *values.first()?;
    Some(values.iter().fold((first, first), |(low, high), x| (low.min(*x), high.max(*x))))
}

/// The only integer of a constant operand.
fn integer(graph: &Graph, node: &Node, i: usize) -> Option<i64> {
    ends(graph, node, i).filter(|(low, high)| low == high && low.fract() == 0.0 && low.abs() < 1e15).map(|(low, _)| low as i64)
}

/// The origin of what a node gives.
fn result(graph: &Graph, node: &Node, origins: &KnownValues<IndexOrigin>) -> Option<IndexOrigin> {
    let of = |i: usize| node.inputs.get(i).copied().flatten().and_then(|id| origins.get(id)).cloned();
    let name = node.op.name();
    match name {
        "Add" => match (of(0), of(1)) {
            (Some(x), None) => match ends(graph, node, 1) {
                Some((low, high)) => x.plus(low, high),
                // What else is added is not known; a part of the table is in reach.
                None => Some(x.unchecked()),
            },
            (None, Some(x)) => match ends(graph, node, 0) {
                Some((low, high)) => x.plus(low, high),
                None => Some(x.unchecked()),
            },
            (Some(x), Some(_)) => Some(x.unchecked()),
            (None, None) => None,
        },
        "Sub" => match (of(0), of(1)) {
            (Some(x), None) => ends(graph, node, 1).and_then(|(low, high)| x.plus(-high, -low)),
            (None, Some(x)) => ends(graph, node, 0).and_then(|(low, high)| x.times(-1)?.plus(low, high)),
            _ => None,
        },
        "Mul" => match (of(0), of(1)) {
            (Some(x), None) => x.times(integer(graph, node, 1)?),
            (None, Some(x)) => x.times(integer(graph, node, 0)?),
            _ => None,
        },
        "Neg" => of(0)?.times(-1),
        "Div" => {
            let divisor = integer(graph, node, 1).filter(|n| *n > 0)?;
            of(0).filter(|x| x.divisor == 1 && x.rows.is_none()).map(|x| IndexOrigin { divisor, ..x })
        }
        "Mod" => {
            let modulus = integer(graph, node, 1).filter(|n| *n > 0)?;
            of(0).map(|x| IndexOrigin { rows: x.rows.clone().or(Some(Dim::from(modulus))), is_checked: false, ..x })
        }
        "Abs" | "Min" | "Max" | "Clip" => (0..node.inputs.len()).find_map(of).map(IndexOrigin::unchecked),
        "Where" => {
            let values = [of(1), of(2)].into_iter().flatten();
            values.min_by_key(|x| x.offset.0.saturating_abs()).map(IndexOrigin::unchecked)
        }
        "Gather" | "GatherElements" | "GatherND" | "Slice" => of(0),
        // Elements that follow from one input are in range together: `n` and `n + 1`.
        "Concat" => (0..node.inputs.len()).filter_map(of).reduce(|x, y| {
            let is_alike = (x.input, x.scale, x.divisor, &x.rows) == (y.input, y.scale, y.divisor, &y.rows);
            let offset = if is_alike { (x.offset.0.min(y.offset.0), x.offset.1.max(y.offset.1)) } else { x.offset };
            IndexOrigin { offset, is_checked: x.is_checked && y.is_checked && is_alike, ..x }
        }),
        _ if MOVES.contains(&name) => (0..node.inputs.len()).find_map(of),
        _ => None,
    }
}

/// How each input masks.
fn masks(graph: &Graph) -> Vec<MaskUse> {
    let mut masks = vec![MaskUse::default(); graph.inputs().len()];
    let mut known = KnownValues::new(graph, graph.inputs().iter().enumerate().map(|(i, id)| (*id, i)).collect());
    for (i, node) in graph.nodes().iter().enumerate() {
        let name = node.op.name();
        for (position, id) in node.inputs.iter().enumerate() {
            let Some(&input) = id.and_then(|id| known.get(id)) else { continue };
            let mask = &mut masks[input];
            let other = if node.inputs.len() == 2 { ends(graph, node, 1 - position.min(1)) } else { None };
            let is_flag = |(low, high): (f64, f64)| low == high && (low == 0.0 || low == 1.0);
            let goes_on = match name {
                _ if MOVES.contains(&name) => position == 0,
                "Not" | "And" | "Or" | "Xor" => true,
                _ if LOGIC.contains(&name) => other.is_some_and(is_flag),
                "Sub" => position == 1 && other.is_some_and(is_flag),
                "Mul" if other.is_some_and(|(low, high)| low == high && low.abs() >= LARGE) => {
                    mask.masks = true;
                    continue;
                }
                "Mul" => {
                    mask.masks = true;
                    continue;
                }
                "Where" if position == 0 => {
                    mask.masks = true;
                    continue;
                }
                "Add" => {
                    mask.is_added = true;
                    mask.other |= !graph.value(graph.inputs()[input]).ty.dtype.is_float();
                    continue;
                }
                "ReduceSum" | "ReduceMax" | "CumSum" | "If" | "Loop" | "Scan" => continue,
                _ => false,
            };
            match goes_on {
                true => known.extend(node.outputs.iter().map(|id| (*id, input))),
                false => mask.other = true,
            }
        }
        known.forget(i, node);
    }
    for id in graph.outputs() {
        if let Some(&input) = known.get(*id) {
            masks[input].other = true;
        }
    }
    masks
}
