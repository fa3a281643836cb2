//! What rounding explains: a traced graph evaluated in f64, beside evaluations in which every operation is off by what its bound allows.

use super::error_bounds::{Bound, Operation, SquareMean, rms, underflow, unit_roundoff, widened};
use crate::array::{Array, DType, Elements, Random, blocks};
use crate::dim::{Bindings, Dim, Sizes};
use crate::error::{Error, Result};
use crate::graph::{Agreement, Graph, Inputs, Node, Operator, Substitution, ValueId};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// How many evaluations have sampled errors.
const SAMPLES: usize = 3;
/// How many deviations are allowed: of the element, and of all elements of its tensor.
const DEVIATIONS: f64 = 6.0;

/// Float operators that jump: the reference takes their results from the evaluation in working precision, so that both stay on one branch.
const DISCONTINUOUS: &[&str] = &["Floor", "Ceil", "Round", "Sign", "Mod", "BitCast"];

/// A float value without rounding, and how far rounding takes it.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    /// In f64.
    pub(super) value: Array,
    /// What the error may be at most, where it has a bound of its own.
    bound: Option<Vec<f64>>,
    /// With sampled errors, in the dtype of the samples; none where nothing was rounded on the way.
    samples: Vec<Array>,
    /// The dtype that the graph computes in.
    dtype: DType,
}

/// How close a value is to its reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Closeness {
    /// The largest |got − reference| / limit.
    pub(super) share: f64,
    /// The limit at that element.
    pub(super) limit: f64,
    /// The element, in row-major order.
    pub(super) element: usize,
}

impl Reference {
    fn sample(&self, k: usize) -> &Array {
        self.samples.get(k).unwrap_or(&self.value)
    }

    /// How close a result is.
    ///
    /// # Errors
    /// Where it cannot be compared.
    pub(super) fn closeness(&self, got: &Array) -> Result<Closeness> {
        self.closest(got, &[RoundingLimits::of(self)?], 1.0)
    }

    /// How close the reference of another graph is. Neither is rounded on the way, and what a simplifier rounds of the weights is less than what
    /// a product rounds: of the sum of both limits a quarter is allowed.
    ///
    /// # Errors
    /// Where they cannot be compared.
    pub(super) fn closeness_of(&self, other: &Reference) -> Result<Closeness> {
        if self.value.shape() != other.value.shape() {
            return Ok(Closeness { share: f64::INFINITY, limit: 0.0, element: 0 });
        }
        self.closest(&other.value, &[RoundingLimits::of(self)?, RoundingLimits::of(other)?], 0.25)
    }

    /// How close an array is, where this share of the sum of the limits is allowed.
    fn closest(&self, got: &Array, limits: &[RoundingLimits], allowed: f64) -> Result<Closeness> {
        if got.len() != self.value.len() {
            return Err(Error::shape(format!("{} elements, expected {}", got.len(), self.value.len())));
        }
        let largest = largest(self.dtype);
        let (elements, exact) = (got.doubles()?, self.value.doubles()?);
        let (mut got_block, mut values, mut one, mut all) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut worst = Closeness { share: 0.0, limit: 0.0, element: 0 };
        for range in blocks(got.len()) {
            elements.read(range.clone(), &mut got_block);
            exact.read(range.clone(), &mut values);
            all.clear();
            all.resize(range.len(), 0.0);
            for limits in limits {
                limits.read(range.clone(), &mut one);
                all.iter_mut().zip(&one).for_each(|(sum, limit): (&mut f64, _)| *sum += limit);
            }
            for (k, ((&got, &value), &sum)) in got_block.iter().zip(&values).zip(&all).enumerate() {
                let (limit, element) = (allowed * sum, range.start + k);
                if element == 0 {
                    worst.limit = limit;
                }
                // What the dtype does not have is an infinity in it.
                let overflows = value.abs() >= largest && got.is_infinite() && got.is_sign_negative() == value.is_sign_negative();
                let share = match got == value || got.is_nan() && value.is_nan() || overflows {
                    true => 0.0,
                    false if got.is_finite() && value.is_finite() && limit.is_finite() => (got - value).abs() / limit,
                    false => f64::INFINITY,
                };
                if share > worst.share {
                    worst = Closeness { share, limit, element };
                }
            }
        }
        Ok(worst)
    }
}

/// What rounding explains of each element of a reference, computed where it is asked for.
struct RoundingLimits<'a> {
    value: Elements<'a, f64>,
    samples: Vec<Elements<'a, f64>>,
    bound: Option<&'a [f64]>,
    dtype: DType,
    /// The root of the mean square of all deviations.
    common: f64,
}

impl<'a> RoundingLimits<'a> {
    fn of(reference: &'a Reference) -> Result<RoundingLimits<'a>> {
        let value = reference.value.doubles()?;
        let samples = reference.samples.iter().map(Array::doubles).collect::<Result<Vec<_>>>()?;
        let mut limits = RoundingLimits { value, samples, bound: reference.bound.as_deref(), dtype: reference.dtype, common: 0.0 };
        if limits.bound.is_none() && !limits.samples.is_empty() {
            let (mut mean, mut values, mut deviations) = (SquareMean::default(), Vec::new(), Vec::new());
            for range in blocks(reference.value.len()) {
                limits.value.read(range.clone(), &mut values);
                limits.deviations(range, &values, &mut deviations);
                deviations.iter().for_each(|&deviation| mean.add(deviation));
            }
            limits.common = mean.root();
        }
        Ok(limits)
    }

    /// The deviations of the samples from these values, which are those of the range.
    fn deviations(&self, range: Range<usize>, values: &[f64], deviations: &mut Vec<f64>) {
        deviations.clear();
        deviations.resize(range.len(), 0.0);
        let mut sample = Vec::new();
        for elements in &self.samples {
            elements.read(range.clone(), &mut sample);
            deviations.iter_mut().zip(sample.iter().zip(values)).for_each(|(sum, (a, b))| *sum += (a - b) * (a - b));
        }
        let count = self.samples.len().max(1) as f64;
        deviations.iter_mut().for_each(|sum| *sum = (*sum / count).sqrt());
    }

    fn read(&self, range: Range<usize>, limits: &mut Vec<f64>) {
        let (unit, least) = (unit_roundoff(self.dtype), underflow(self.dtype));
        let mut values = Vec::new();
        self.value.read(range.clone(), &mut values);
        match self.bound {
            Some(bound) => {
                limits.clear();
                limits.extend_from_slice(&bound[range]);
            }
            None => {
                self.deviations(range, &values, limits);
                limits.iter_mut().for_each(|deviation| *deviation = DEVIATIONS * (*deviation + self.common));
            }
        }
        limits.iter_mut().zip(&values).for_each(|(limit, value)| *limit += 2.0 * unit * value.abs() + least);
    }
}

/// The largest finite number, less what rounds to it.
fn largest(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::MAX,
        DType::F32 | DType::BF16 => 0.999 * f64::from(f32::MAX),
        DType::F16 => 65_000.0,
        _ => f64::INFINITY,
    }
}

/// The references of a graph's outputs, and the outputs in working precision.
pub(super) struct Evaluation {
    /// As our kernels compute them.
    pub(super) replayed: Vec<Array>,
    /// `None` for outputs that are no floats.
    pub(super) outputs: Vec<Option<Reference>>,
}

/// How errors are sampled beside the evaluation in f64.
#[derive(Clone, Copy)]
struct ErrorSampling {
    /// How many evaluations have sampled errors.
    count: usize,
    /// The dtype in which these run: how far they are from the reference need not be known to more than a few bits, and the rounding of a working
    /// precision of their own is as the rounding that they stand for. Halves are evaluated in f32.
    dtype: DType,
}

impl ErrorSampling {
    fn of(graph: &Graph, count: usize) -> ErrorSampling {
        let has_doubles = graph.values().any(|(_, value)| value.ty.dtype == DType::F64);
        ErrorSampling { count, dtype: if has_doubles { DType::F64 } else { DType::F32 } }
    }
}

/// Evaluates a graph in f64, beside evaluations with sampled errors, and shows each node's references to `visit`.
///
/// # Errors
/// Those of the kernels, and what `visit` returns.
pub(super) fn evaluate(
    graph: &Graph,
    inputs: &[Array],
    mut visit: impl FnMut(usize, &[Option<Reference>]) -> Result<()>,
) -> Result<Evaluation> {
    evaluate_sampled(graph, inputs, ErrorSampling::of(graph, SAMPLES), |i, references, _| visit(i, references))
}

/// Evaluates a graph in f64 without sampled errors, and shows each node's references and its outputs in working precision to `visit`.
///
/// # Errors
/// Those of the kernels, and what `visit` returns.
pub(super) fn evaluate_exactly(
    graph: &Graph,
    inputs: &[Array],
    visit: impl FnMut(usize, &[Option<Reference>], &[&Array]) -> Result<()>,
) -> Result<Evaluation> {
    evaluate_sampled(graph, inputs, ErrorSampling::of(graph, 0), visit)
}

fn evaluate_sampled(
    graph: &Graph,
    inputs: &[Array],
    sampling: ErrorSampling,
    mut visit: impl FnMut(usize, &[Option<Reference>], &[&Array]) -> Result<()>,
) -> Result<Evaluation> {
    let mut alive: HashMap<ValueId, Reference> = HashMap::new();
    let uses = graph.last_uses();
    let replayed = graph.observe_nodes(inputs, |i, operands, outputs, bindings| {
        let node = &graph.nodes()[i];
        let references = node_references(node, operands, outputs, &alive, bindings, (i as u64, sampling))?;
        visit(i, &references, outputs)?;
        for (id, reference) in node.outputs.iter().zip(references) {
            alive.extend(reference.map(|reference| (*id, reference)));
        }
        uses.of(i).iter().for_each(|id| drop(alive.remove(id)));
        Ok(())
    })?;
    let outputs = graph.outputs().iter().zip(&replayed).map(|(id, array)| match alive.get(id) {
        Some(reference) => Ok(Some(reference.clone())),
        None if array.dtype().is_float() => exact(array).map(Some),
        None => Ok(None),
    });
    Ok(Evaluation { outputs: outputs.collect::<Result<_>>()?, replayed })
}

/// The references of a graph of one node, with the bounds of its own rounding: the worst case, or as many deviations as are allowed.
///
/// # Errors
/// Those of the kernels.
pub(super) fn bounds(graph: &Graph, inputs: &[Array], bound: Bound) -> Result<Vec<Option<Reference>>> {
    let mut references: HashMap<ValueId, Reference> = HashMap::new();
    let none = ErrorSampling { count: 0, dtype: DType::F64 };
    let outputs = graph.observe_nodes(inputs, |i, operands, outputs, bindings| {
        let node = &graph.nodes()[i];
        let computed = node_references(node, operands, outputs, &HashMap::new(), bindings, (0, none))?;
        let exact_operands = operands.iter().map(|array| array.map(widened).transpose()).collect::<Result<Vec<_>>>()?;
        let wide = in_dtype(node, DType::F64);
        for (position, (id, reference)) in node.outputs.iter().zip(computed).enumerate() {
            let Some(reference) = reference else { continue };
            let sizes = Sizes::Bound(bindings);
            let (sampled, dtype) = ((&*wide, DType::F64), reference.dtype);
            let operation = Operation { op: &*node.op, wide: &*wide, sampled, operands: &exact_operands, sizes, dtype };
            let errors = operation.error(position, &reference.value, bound)?.unwrap_or_else(|| vec![0.0; reference.value.len()]);
            let factor = if bound == Bound::Worst { 1.0 } else { 2.0 * DEVIATIONS };
            let bound = Some(errors.into_iter().map(|error| factor * error).collect());
            references.insert(*id, Reference { bound, ..reference });
        }
        Ok(())
    })?;
    Ok(graph.outputs().iter().zip(&outputs).map(|(id, _)| references.remove(id)).collect())
}

/// The operator with another dtype in place of the float dtypes among its attributes.
fn in_dtype(node: &Node, dtype: DType) -> Arc<dyn Operator> {
    let keep = |dim: &Dim| dim.clone();
    let change = |before: DType| if before.is_float() { dtype } else { before };
    node.op.substituted(&Substitution { dim: &keep, dtype: &change }).unwrap_or_else(|| node.op.clone())
}

/// An array with its floats in another dtype.
fn converted(array: &Array, dtype: DType) -> Result<Array> {
    if array.dtype().is_float() && array.dtype() != dtype { array.cast(dtype) } else { Ok(array.clone()) }
}

/// A value that is as it is in working precision.
fn exact(array: &Array) -> Result<Reference> {
    Ok(Reference { value: widened(array)?, bound: None, samples: Vec::new(), dtype: array.dtype() })
}

fn node_references(
    node: &Node,
    operands: &[Option<&Array>],
    outputs: &[&Array],
    alive: &HashMap<ValueId, Reference>,
    bindings: &Bindings,
    (seed, sampling): (u64, ErrorSampling),
) -> Result<Vec<Option<Reference>>> {
    let as_computed = || outputs.iter().map(|array| array.dtype().is_float().then(|| exact(array)).transpose()).collect();
    let Some(dtype) = outputs.iter().map(|array| array.dtype()).find(|dtype| dtype.is_float()) else { return as_computed() };
    if node.op.agreement() == Agreement::Random || DISCONTINUOUS.contains(&node.op.name()) {
        return as_computed();
    }
    let known = |i: usize| node.inputs.get(i).copied().flatten().and_then(|id| alive.get(&id));
    let exact_operand = |(i, array): (usize, &Option<&Array>)| match known(i) {
        Some(reference) => Ok(Some(reference.value.clone())),
        None => array.map(widened).transpose(),
    };
    let exact_operands: Vec<Option<Array>> = operands.iter().enumerate().map(exact_operand).collect::<Result<_>>()?;
    let sampled_operands = |k: usize| -> Result<Vec<Option<Array>>> {
        let one = |(i, array): (usize, &Option<&Array>)| match known(i) {
            Some(reference) => converted(reference.sample(k), sampling.dtype).map(Some),
            None => array.map(|array| converted(array, sampling.dtype)).transpose(),
        };
        operands.iter().enumerate().map(one).collect()
    };
    let is_off = (0..operands.len()).any(|i| known(i).is_some_and(|reference| !reference.samples.is_empty()));
    if node.op.name() == "Cast" {
        let known = is_off.then(|| known(0)).flatten();
        return cast(operands, &exact_operands, known, dtype, (seed, sampling)).map(|reference| vec![Some(reference)]);
    }
    let (wide, sampled) = (in_dtype(node, DType::F64), in_dtype(node, sampling.dtype));
    let sizes = Sizes::Bound(bindings);
    let operation =
        Operation { op: &*node.op, wide: &*wide, sampled: (&*sampled, sampling.dtype), operands: &exact_operands, sizes, dtype };
    let fits = |values: &[Array], dtype: DType| {
        let expected = |array: &Array| if array.dtype().is_float() { dtype } else { array.dtype() };
        let same = |(value, array): (&Array, &&Array)| value.shape() == array.shape() && value.dtype() == expected(array);
        values.len() == outputs.len() && values.iter().zip(outputs).all(same)
    };
    // Operators with graphs inside and kernels for one dtype run in working precision.
    let narrow = |arrays: &[Option<Array>], dtype: DType| -> Result<Vec<Array>> {
        let one = |(array, before): (&Option<Array>, &Option<&Array>)| match (array, before) {
            (Some(array), Some(before)) => array.cast(before.dtype()).map(Some),
            _ => Ok(None),
        };
        let arrays = arrays.iter().zip(operands).map(one).collect::<Result<Vec<_>>>()?;
        let arrays: Vec<Option<&Array>> = arrays.iter().map(Option::as_ref).collect();
        node.op.eval(&Inputs::new(&arrays), sizes)?.iter().map(|array| converted(array, dtype)).collect()
    };
    let wide_values = operation.outputs(&exact_operands).ok().filter(|values| fits(values, DType::F64));
    let is_wide = wide_values.is_some();
    let in_working_precision = || narrow(&exact_operands, DType::F64).ok().filter(|values| fits(values, DType::F64));
    let Some(values) = wide_values.or_else(in_working_precision) else { return as_computed() };
    let sample = |k: usize| -> Option<Vec<Array>> {
        let arrays = sampled_operands(k).ok()?;
        let values = if is_wide { operation.sample(&arrays) } else { narrow(&arrays, sampling.dtype) };
        values.ok().filter(|values| fits(values, sampling.dtype))
    };
    let Some(sampled) = (0..if is_off { sampling.count } else { 0 }).map(sample).collect::<Option<Vec<_>>>() else { return as_computed() };
    let mut references = Vec::with_capacity(values.len());
    for (position, (value, array)) in values.iter().zip(outputs).enumerate() {
        if !array.dtype().is_float() {
            references.push(None);
            continue;
        }
        let samples: Vec<Array> = sampled.iter().map(|values| values[position].clone()).collect();
        let reference = Reference { value: value.clone(), samples, bound: None, dtype: array.dtype() };
        if sampling.count == 0 {
            references.push(Some(reference));
            continue;
        }
        references.push(Some(match is_wide.then(|| operation.error(position, value, Bound::Deviation)).transpose()? {
            Some(Some(errors)) => disturbed(reference, &errors, (seed, sampling))?,
            Some(None) => reference,
            None => unbounded(reference, (seed, sampling))?,
        }));
    }
    Ok(references)
}

/// A conversion to floats rounds only where the new dtype is the less precise one.
fn cast(
    operands: &[Option<&Array>],
    exact_operands: &[Option<Array>],
    known: Option<&Reference>,
    dtype: DType,
    (seed, sampling): (u64, ErrorSampling),
) -> Result<Reference> {
    let (Some(Some(array)), Some(Some(before))) = (exact_operands.first(), operands.first()) else {
        return Err(Error::internal("Cast without an operand"));
    };
    let value = array.cast(DType::F64)?;
    let samples = known.map(|reference| reference.samples.clone()).unwrap_or_default();
    let reference = Reference { value, bound: None, samples, dtype };
    let is_exact = before.dtype() == DType::Bool || before.dtype().is_float() && unit_roundoff(before.dtype()) >= unit_roundoff(dtype);
    if is_exact || sampling.count == 0 {
        return Ok(reference);
    }
    let unit = unit_roundoff(dtype);
    let is_held = |x: f64| !before.dtype().is_float() && x.abs() * unit <= 0.5;
    let errors: Vec<f64> = reference.value.to_f64s()?.into_iter().map(|x| if is_held(x) { 0.0 } else { unit * x.abs() }).collect();
    if errors.iter().all(|error| *error == 0.0) {
        return Ok(reference);
    }
    disturbed(reference, &errors, (seed, sampling))
}

/// For an operator that has no bound, some units of roundoff of what it gives.
fn unbounded(reference: Reference, (seed, sampling): (u64, ErrorSampling)) -> Result<Reference> {
    let value = reference.value.to_f64s()?;
    let size = rms(value.iter().copied());
    let errors: Vec<f64> = value.iter().map(|y| 16.0 * unit_roundoff(reference.dtype) * (y.abs() + size)).collect();
    disturbed(reference, &errors, (seed, sampling))
}

/// The value with errors of these deviations in its samples, evenly distributed and the same at every run.
fn disturbed(mut reference: Reference, errors: &[f64], (seed, sampling): (u64, ErrorSampling)) -> Result<Reference> {
    let least = underflow(reference.dtype);
    let mut samples = Vec::with_capacity(sampling.count);
    for k in 0..sampling.count {
        let mut random = Random::new(seed.wrapping_mul(SAMPLES as u64).wrapping_add(k as u64 + 1));
        let mut off = |x: f64, error: f64| {
            let share = 3f64.sqrt() * (2.0 * random.uniform() - 1.0);
            if error > 0.0 && error.is_finite() && x.is_finite() { x + share * (error + least) } else { x }
        };
        let before = reference.sample(k);
        let shape = reference.value.shape();
        samples.push(match (before.dtype(), sampling.dtype) {
            (DType::F32, DType::F32) => {
                let before = before.elements::<f32>()?;
                Array::new(shape, before.iter().zip(errors).map(|(&x, &error)| off(f64::from(x), error) as f32).collect::<Vec<f32>>())?
            }
            (_, dtype) => {
                let values = before.to_f64s()?.into_iter().zip(errors).map(|(x, &error)| off(x, error)).collect::<Vec<f64>>();
                Array::new(shape, values)?.cast(dtype)?
            }
        });
    }
    reference.samples = samples;
    Ok(reference)
}
