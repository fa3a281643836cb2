//! Two graphs that make the same outputs of the same inputs with other nodes, as a simplifier leaves them: which values of one are values of the
//! other, and the first node behind which they are not.
//!
//! Both are evaluated in f64 and in working precision on the same inputs. Where a value of one graph is within rounding of a value of the other
//! (of the same number of elements), they are one value. From an output that differs the search goes backwards through values that have no
//! counterpart, as far as the values that have one: a node all of whose operands have one, and whose result has none, is where the graphs part.
//! What was fused further up is passed over, because its result has a counterpart.

use super::error_bounds::{rms, underflow, unit_roundoff};
use super::rounding::{self, Closeness, Evaluation};
use crate::array::{Array, DType};
use crate::error::{Error, Result};
use crate::graph::{Graph, Node, Source, ValueId};
use std::collections::{BTreeSet, HashMap, HashSet};

/// How many elements of a value are kept: of larger ones evenly spread elements.
const KEPT: usize = 1 << 15;
/// How many times the rounding errors that were observed two values may be apart.
const OBSERVED: f64 = 8.0;
/// How many units of roundoff of the value itself, for constants that were multiplied and rounded by a simplifier.
const UNITS: f64 = 4.0;
/// How many times the root mean squares of the errors of two arrays that of their difference may be: over many elements what is observed is known well.
const SPREAD: f64 = 1.0;
/// From how many elements on a root mean square says something.
const MANY: usize = 64;
/// The longest run of nodes that is taken for one that was fused.
const LONGEST: usize = 8;

/// Values of one array in f64, and how far the evaluation in working precision is from them.
pub(super) struct Observed {
    values: Vec<f64>,
    noise: Vec<f64>,
    /// The root mean square of the error over the whole array.
    common: f64,
    unit: f64,
    least: f64,
}

impl Observed {
    /// At most `most` elements.
    fn new(exact: Option<&Array>, computed: &Array, most: usize) -> Result<Observed> {
        let computed_values = computed.to_f64s()?;
        let exact = exact.map(Array::to_f64s).transpose()?;
        let values = exact.as_ref().unwrap_or(&computed_values);
        let error = |i: usize| if values[i] == computed_values[i] { 0.0 } else { (values[i] - computed_values[i]).abs() };
        let picked: Vec<usize> = positions(values.len(), most).collect();
        let is_float = computed.dtype().is_float();
        Ok(Observed {
            values: picked.iter().map(|&i| values[i]).collect(),
            noise: picked.iter().map(|&i| error(i)).collect(),
            common: if is_float { rms((0..values.len()).map(error)) } else { 0.0 },
            unit: if is_float { unit_roundoff(computed.dtype()) } else { 0.0 },
            least: underflow(computed.dtype()),
        })
    }

    /// How close another is that has as many elements: each of them, and where there are many, all of them together. What is NaN or infinite in
    /// working precision only says nothing.
    fn nearness(&self, other: &Observed, enough: f64) -> Closeness {
        let mut worst = Closeness { share: 0.0, limit: 0.0, element: 0 };
        let (unit, common, least) = (self.unit.max(other.unit), self.common + other.common, self.least.max(other.least));
        let (mut differences, mut sizes, mut count, mut furthest) = (0.0, 0.0, 0usize, (0.0, 0));
        for (i, (&a, &b)) in self.values.iter().zip(&other.values).enumerate() {
            let noise = self.noise[i] + other.noise[i] + common;
            if a.is_finite() && b.is_finite() && noise.is_finite() {
                (differences, sizes, count) = (differences + (a - b) * (a - b), sizes + (a * a).max(b * b), count + 1);
                furthest = if (a - b).abs() > furthest.0 { ((a - b).abs(), i) } else { furthest };
            }
            if a == b || a.is_nan() && b.is_nan() {
                continue;
            }
            let limit = OBSERVED * noise + UNITS * unit * a.abs().max(b.abs()) + least;
            let share = match a.is_finite() && b.is_finite() {
                true if noise.is_nan() || limit.is_infinite() => 0.0,
                true => (a - b).abs() / limit,
                false => f64::INFINITY,
            };
            if share > worst.share {
                worst = Closeness { share, limit, element: i };
                if share > enough {
                    return worst;
                }
            }
        }
        let mean = |sum: f64| (sum / count.max(1) as f64).sqrt();
        let share = mean(differences) / (SPREAD * common + UNITS / 2.0 * unit * mean(sizes) + least);
        match count >= MANY && worst.share <= 1.0 && share > worst.share {
            true => Closeness { share, limit: furthest.0 / share, element: furthest.1 },
            false => worst,
        }
    }
}

/// Evenly spread positions, each a little off so that no axis is met at one index only.
fn positions(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let kept = count.min(most);
    let step = count / kept.max(1);
    (0..kept).map(move |j| match step {
        0 | 1 => j,
        _ => j * step + (j.wrapping_mul(0x9e37_79b1) >> 7) % step,
    })
}

/// A value that a node makes.
struct Sketch {
    id: ValueId,
    len: usize,
    is_float: bool,
    /// Whether all elements are the same number, so that equality says little.
    is_plain: bool,
    op: &'static str,
    observed: Observed,
}

/// An evaluated graph.
pub(super) struct Evaluated<'a> {
    graph: &'a Graph,
    sketches: Vec<Sketch>,
    evaluation: Evaluation,
}

impl<'a> Evaluated<'a> {
    /// Evaluates a graph on these inputs, those of random operators among them.
    ///
    /// # Errors
    /// Those of the kernels.
    pub(super) fn new(graph: &'a Graph, inputs: &[Array]) -> Result<Evaluated<'a>> {
        let mut sketches = Vec::new();
        let evaluation = rounding::evaluate_exactly(graph, inputs, |i, references, outputs| {
            let node = &graph.nodes()[i];
            for ((&id, reference), computed) in node.outputs.iter().zip(references).zip(outputs) {
                let observed = Observed::new(reference.as_ref().map(|reference| &reference.value), computed, KEPT)?;
                let is_plain = observed.values.iter().all(|x| *x == observed.values[0]);
                let (len, is_float) = (computed.len(), computed.dtype().is_float());
                sketches.push(Sketch { id, len, is_float, is_plain, op: node.op.name(), observed });
            }
            Ok(())
        })?;
        Ok(Evaluated { graph, sketches, evaluation })
    }

    /// The outputs in working precision.
    pub(super) fn outputs(&self) -> &[Array] {
        &self.evaluation.replayed
    }

    /// How close the output at a position is to that of the other at its position.
    ///
    /// # Errors
    /// As [`output_nearness`].
    pub(super) fn output_nearness(&self, other: &Evaluated, (i, j): (usize, usize)) -> Result<Closeness> {
        output_nearness(&self.evaluation, &other.evaluation, (i, j))
    }

    /// The values that can be compared with one another: those of one size, floats apart from others.
    fn by_size(&self) -> HashMap<(usize, bool), Vec<&Sketch>> {
        let mut by_size: HashMap<_, Vec<&Sketch>> = HashMap::new();
        self.sketches.iter().for_each(|sketch| by_size.entry((sketch.len, sketch.is_float)).or_default().push(sketch));
        by_size
    }

    /// For each node how far its first result is from the nearest value of the other graph, in units of what rounding explains.
    pub(super) fn shares(&self, other: &Evaluated) -> Vec<Option<f64>> {
        let by_size = other.by_size();
        let own: HashMap<ValueId, &Sketch> = self.sketches.iter().map(|sketch| (sketch.id, sketch)).collect();
        let one = |node: &Node| {
            let sketch = own.get(node.outputs.first()?)?;
            let candidates = by_size.get(&(sketch.len, sketch.is_float)).into_iter().flatten();
            let nearest = candidates.fold(f64::INFINITY, |best, other| best.min(sketch.observed.nearness(&other.observed, best).share));
            nearest.is_finite().then_some(nearest)
        };
        self.graph.nodes().iter().map(one).collect()
    }

    /// The values of this graph that have a counterpart in the other.
    fn counterparts(&self, other: &Evaluated) -> HashSet<ValueId> {
        let by_size = other.by_size();
        let has_one = |sketch: &&Sketch| {
            let candidates = by_size.get(&(sketch.len, sketch.is_float)).into_iter().flatten();
            candidates
                .filter(|other| !sketch.is_plain || sketch.op == other.op)
                .any(|other| sketch.observed.nearness(&other.observed, 1.0).share <= 1.0)
        };
        self.sketches.iter().filter(has_one).map(|sketch| sketch.id).collect()
    }
}

/// How close two outputs of two evaluations are, each at its position, in all their elements: what the rounding of both that was observed explains.
///
/// # Errors
/// Where they cannot be compared.
pub(super) fn output_nearness(a: &Evaluation, b: &Evaluation, (i, j): (usize, usize)) -> Result<Closeness> {
    let observed = |of: &Evaluation, i: usize| {
        let exact = of.outputs.get(i).and_then(Option::as_ref).map(|reference| &reference.value);
        let computed = of.replayed.get(i).ok_or_else(|| Error::internal("an output that was not computed"))?;
        Observed::new(exact, computed, usize::MAX)
    };
    let (a, b) = (observed(a, i)?, observed(b, j)?);
    match a.values.len() == b.values.len() {
        true => Ok(a.nearness(&b, f64::INFINITY)),
        false => Ok(Closeness { share: f64::INFINITY, limit: 0.0, element: 0 }),
    }
}

/// Where two graphs part: the nodes to blame, and the runs of nodes that were fused with them.
#[derive(Clone, Debug)]
pub(super) struct Parting {
    /// The node of each graph.
    pub(super) nodes: (Option<usize>, Option<usize>),
    /// The run of each graph that the other has as one node, in order; its last node makes the first value that differs.
    pub(super) runs: (Vec<usize>, Vec<usize>),
}

/// Where two graphs part, given the positions of the outputs that differ, in each of them.
pub(super) fn parting(a: &Evaluated, b: &Evaluated, differing: &[(usize, usize)], inputs: (&[Array], &[Array])) -> Option<Parting> {
    let (shared_a, shared_b) = (a.counterparts(b), b.counterparts(a));
    let (in_a, in_b): (Vec<usize>, Vec<usize>) = differing.iter().copied().unzip();
    let (unshared_a, first_a) = unshared(a.graph, &shared_a, &in_a);
    let (unshared_b, first_b) = unshared(b.graph, &shared_b, &in_b);
    let (run_a, run_b) = match (first_a, first_b) {
        (Some(i), Some(j)) => (run(a.graph, i, &unshared_a), run(b.graph, j, &unshared_b)),
        (None, None) => return None,
        (first_a, first_b) => {
            let alone = |first: Option<usize>| first.into_iter().collect::<Vec<_>>();
            return Some(Parting { nodes: (first_a, first_b), runs: (alone(first_a), alone(first_b)) });
        }
    };
    let (length_a, length_b) = (affine_length(a.graph, &run_a), affine_length(b.graph, &run_b));
    let (run_a, run_b) = (run_a[..=length_a].to_vec(), run_b[..=length_b].to_vec());
    let first = (Some(run_a[0]), Some(run_b[0]));
    // One side has its factors and sums by channel in the weights of the node before them: which of them is another is said by whether the other
    // side's result is still some factor and sum of the first node's.
    let nodes = match length_a.cmp(&length_b) {
        std::cmp::Ordering::Equal => first,
        std::cmp::Ordering::Greater => (affine_culprit((a.graph, &run_a, inputs.0), (b.graph, &run_b, inputs.1)).or(first.0), first.1),
        std::cmp::Ordering::Less => (first.0, affine_culprit((b.graph, &run_b, inputs.1), (a.graph, &run_a, inputs.0)).or(first.1)),
    };
    // Runs of one length are node by node; the longer one was fused.
    let runs = if length_a == length_b { (vec![run_a[0]], vec![run_b[0]]) } else { (run_a, run_b) };
    Some(Parting { nodes, runs })
}

/// The nodes before the differing outputs whose values have no counterpart, and the first of them that has no such node before it.
fn unshared(graph: &Graph, shared: &HashSet<ValueId>, differing: &[usize]) -> (BTreeSet<usize>, Option<usize>) {
    let maker: HashMap<ValueId, usize> =
        graph.nodes().iter().enumerate().flat_map(|(i, node)| node.outputs.iter().map(move |&id| (id, i))).collect();
    let mut found = BTreeSet::new();
    let ids = differing.iter().filter_map(|&i| graph.outputs().get(i));
    let mut open: Vec<usize> = ids.filter_map(|id| maker.get(id).copied()).collect();
    let is_before = |id: &ValueId| maker.get(id).copied().filter(|_| !shared.contains(id));
    while let Some(i) = open.pop() {
        if found.insert(i) {
            open.extend(graph.nodes()[i].inputs.iter().flatten().filter_map(is_before));
        }
    }
    let first = found.iter().copied().find(|&i| graph.nodes()[i].inputs.iter().flatten().all(|id| is_before(id).is_none()));
    (found, first)
}

/// The node and those behind it, as long as each result has one use only, among these nodes.
fn run(graph: &Graph, first: usize, among: &BTreeSet<usize>) -> Vec<usize> {
    let mut run = vec![first];
    while run.len() < LONGEST {
        let outputs = &graph.nodes()[run[run.len() - 1]].outputs;
        let is_use = |i: &usize| graph.nodes()[*i].inputs.iter().flatten().any(|id| outputs.contains(id));
        let uses: Vec<usize> = (0..graph.nodes().len()).filter(is_use).collect();
        match uses[..] {
            [next] if among.contains(&next) => run.push(next),
            _ => break,
        }
    }
    run
}

/// How many nodes behind the first multiply by and add constants: what a simplifier folds into the weights before them.
fn affine_length(graph: &Graph, run: &[usize]) -> usize {
    const PRODUCTS: &[&str] = &["Conv", "ConvTranspose", "MatMul", "Gemm"];
    let is_constant = |id: &Option<ValueId>| id.is_some_and(|id| graph.value(id).constant().is_some());
    let is_affine = |node: &Node| match node.op.name() {
        "BatchNormalization" => true,
        "Mul" | "Add" | "Sub" | "Div" => node.inputs.iter().any(is_constant),
        _ => false,
    };
    if !PRODUCTS.contains(&graph.nodes()[run[0]].op.name()) {
        return 0;
    }
    run[1..].iter().take_while(|&&i| is_affine(&graph.nodes()[i])).count()
}

/// Of a run whose factors and sums by channel the other graph has in its weights, the node that the other has otherwise: the first node, unless the
/// other's result is an affine function by channel of its result.
fn affine_culprit((graph, run, own): (&Graph, &[usize], &[Array]), (other, fused, theirs): (&Graph, &[usize], &[Array])) -> Option<usize> {
    let before = result(graph, run[0], own).ok()?;
    let end = result(other, *fused.last()?, theirs).ok()?;
    let node = &graph.nodes()[run[0]];
    let axis = if node.op.name().starts_with("Conv") { 1 } else { before.0.rank().checked_sub(1)? };
    let is_affine = affine_by_channel(&before.0, &end, axis)?;
    if !is_affine {
        return Some(run[0]);
    }
    // Of several, the last one that explains the rest with a sum alone is looked for no further: the first factor or sum is named.
    run.get(1).copied()
}

/// The first output of a node in f64, and as computed in working precision.
fn result(graph: &Graph, node: usize, inputs: &[Array]) -> Result<(Array, Array)> {
    let mut found = None;
    let walked = rounding::evaluate_exactly(graph, inputs, |i, references, outputs| {
        if i != node {
            return Ok(());
        }
        let computed = outputs.first().ok_or_else(|| Error::internal("a node without outputs"))?;
        let exact = references.first().and_then(Option::as_ref).map_or_else(|| computed.cast(DType::F64), |r| Ok(r.value.clone()))?;
        found = Some((exact, (*computed).clone()));
        Err(Error::internal("traversal stopped"))
    });
    found.map_or_else(|| Err(walked.err().unwrap_or_else(|| Error::internal("no such node"))), Ok)
}

/// The first output of a node in working precision.
pub(super) fn computed(graph: &Graph, node: usize, inputs: &[Array]) -> Option<Array> {
    let mut found = None;
    let _ = graph.observe_nodes(inputs, |i, _, outputs, _| {
        if i != node {
            return Ok(());
        }
        found = outputs.first().map(|array| (*array).clone());
        Err(Error::internal("traversal stopped"))
    });
    found
}

/// Whether y is αx + β with one α and one β for each index of an axis; `None` where there are too few elements to say so.
fn affine_by_channel(x: &Array, y: &(Array, Array), axis: usize) -> Option<bool> {
    let shape = x.shape();
    let channels = *shape.get(axis)?;
    if y.0.len() != x.len() || channels == 0 || x.len() / channels < 3 {
        return None;
    }
    let inner: usize = shape[axis + 1..].iter().product();
    let (x, exact) = (x.to_f64s().ok()?, y.0.to_f64s().ok()?);
    let observed = Observed::new(Some(&y.0), &y.1, usize::MAX).ok()?;
    let mut sums = vec![[0.0f64; 5]; channels];
    let channel = |i: usize| (i / inner.max(1)) % channels;
    for (i, (x, y)) in x.iter().zip(&exact).enumerate() {
        let s = &mut sums[channel(i)];
        [1.0, *x, *y, x * x, x * y].iter().zip(s.iter_mut()).for_each(|(term, sum)| *sum += term);
    }
    let fit: Vec<(f64, f64)> = sums
        .iter()
        .map(|[n, x, y, xx, xy]| {
            let (variance, covariance) = (xx / n - x * x / (n * n), xy / n - x * y / (n * n));
            let slope = if variance > 0.0 { covariance / variance } else { 0.0 };
            (slope, (y - slope * x) / n)
        })
        .collect();
    let largest = exact.iter().filter(|y| y.is_finite()).fold(0.0f64, |most, y| most.max(y.abs()));
    let is_near = |i: usize| {
        let (slope, offset) = fit[channel(i)];
        let limit = 2.0 * OBSERVED * (observed.noise[i] + observed.common) + 64.0 * observed.unit * largest;
        (slope * x[i] + offset - exact[i]).abs() <= limit
    };
    Some((0..x.len()).all(is_near))
}

/// The name under which the file or the source knows a node, else its operator and position.
pub(super) fn node_name(graph: &Graph, i: usize) -> String {
    let node = &graph.nodes()[i];
    match node.location.to_string() {
        name if name.is_empty() => format!("node {i}"),
        name => name,
    }
}

/// The constant operands of a node with their positions.
pub(super) fn constants(graph: &Graph, i: usize) -> Vec<(usize, Array)> {
    let operand = |(k, id): (usize, &Option<ValueId>)| match &graph.value((*id)?).source {
        Source::Constant(array, _) => Some((k, Array::clone(array))),
        _ => None,
    };
    graph.nodes()[i].inputs.iter().enumerate().filter_map(operand).collect()
}
