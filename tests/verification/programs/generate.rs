//! Programs grown a call at a time, each kept only where its values are sound in every call that will be tried.

use super::choose::{Chooser, DTYPES, Known, Values};
use super::methods::METHODS;
use super::program::{Node, Program, Step};
use super::run::{self, Failure};
use ontrace::array::{Random, Tolerance, compare};
use ontrace::{Array, DType, Dim, Tensor, Traced, Type, record};
use std::collections::BTreeMap;

/// How many sizes each program is tried at, the example's included.
pub const CALLS: usize = 3;

/// The runs beside the true one, whose roundings are others: what they move is ill-conditioned.
const SHAKEN: usize = 2;

/// What floats and integers stay below, by dtype.
fn bound(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => 200.0,
        DType::F32 | DType::F64 => 1e4,
        _ => 1e6,
    }
}

/// A program in the making.
struct Draft {
    program: Program,
    known: Vec<Known>,
    /// The values of each call, of the true run and of the shaken ones.
    runs: Vec<Vec<Vec<Tensor>>>,
}

/// The program of a seed, or what failed before there was one.
pub fn program(seed: u64) -> Result<Program, (Program, Failure)> {
    let mut random = Random::new(seed);
    let symbols: BTreeMap<String, Vec<usize>> = ["n", "m", "k"]
        .into_iter()
        .map(|name| {
            let example = random.integer(2, 4) as usize;
            let dims = (0..CALLS).map(|call| if call == 0 { example } else { random.integer(if call == 1 { 1 } else { 2 }, 6) as usize });
            (name.to_string(), dims.collect())
        })
        .collect();
    let mut draft =
        Draft { program: Program { nodes: vec![], outputs: vec![] }, known: vec![], runs: vec![vec![vec![]; 1 + SHAKEN]; CALLS] };
    let mut chooser = Chooser { random: &mut random, known: vec![], fresh: vec![], symbols: &symbols, calls: CALLS };
    for i in 0..1 + chooser.below(2) {
        let rank = if i == 0 { 1 + chooser.below(3) } else { chooser.below(4) };
        let dims: Vec<Dim> = (0..rank)
            .map(|axis| {
                let name = chooser.of(&["n", "m", "k"]);
                // The first axis of all is symbolic, so that there is always an input.
                if (i, axis) != (0, 0) && chooser.one_in(3) {
                    Dim::Fixed(chooser.random.integer(1, 4))
                } else {
                    Dim::symbol(name, symbols[name][0])
                }
            })
            .collect();
        let dtype = if chooser.one_in(2) { DType::F32 } else { chooser.of(DTYPES) };
        chooser.make(dtype, &dims, Values::Any);
    }
    let (fresh, known) = (chooser.fresh, chooser.known);
    draft.take(fresh, known);
    let wanted = 2 + random.integer(0, 8) as usize;
    let mut tried = 0;
    while draft.program.steps().count() < wanted && tried < 6 * wanted {
        tried += 1;
        let method = &METHODS[random.integer(0, METHODS.len() as i64 - 1) as usize];
        let mut chooser = Chooser { random: &mut random, known: draft.known.clone(), fresh: vec![], symbols: &symbols, calls: CALLS };
        let Some((inputs, arguments)) = (method.fit)(&mut chooser) else { continue };
        let (fresh, known) = (chooser.fresh, chooser.known);
        let before = draft.before();
        draft.take(fresh, known);
        let step = Step { method, inputs, arguments, count: 0 };
        match draft.grown(step, &mut random) {
            Ok(true) => {}
            Ok(false) => draft.back_to(before),
            Err(failure) => {
                let program = draft.program.clone();
                return Err((program.pruned(), failure));
            }
        }
    }
    let mut used = vec![false; draft.known.len()];
    draft.program.steps().for_each(|step| step.inputs.iter().for_each(|&value| used[value] = true));
    let ends: Vec<usize> = (0..used.len()).filter(|&value| !used[value]).collect();
    let steps: Vec<usize> = ends.iter().copied().filter(|&value| draft.made(value)).collect();
    draft.program.outputs = if steps.is_empty() { ends } else { steps };
    Ok(draft.program.pruned())
}

/// What a draft was before a call was tried.
struct Before {
    nodes: usize,
    values: usize,
}

impl Draft {
    fn before(&self) -> Before {
        Before { nodes: self.program.nodes.len(), values: self.known.len() }
    }

    fn back_to(&mut self, before: Before) {
        self.program.nodes.truncate(before.nodes);
        self.known.truncate(before.values);
        self.runs.iter_mut().flatten().for_each(|values| values.truncate(before.values));
    }

    /// Whether a step makes the value.
    fn made(&self, value: usize) -> bool {
        let mut first = 0;
        for node in &self.program.nodes {
            if (first..first + node.count()).contains(&value) {
                return matches!(node, Node::Step(_));
            }
            first += node.count();
        }
        false
    }

    /// Takes fresh inputs and constants in.
    fn take(&mut self, fresh: Vec<Node>, known: Vec<Known>) {
        for value in &known[self.known.len()..] {
            for (runs, array) in self.runs.iter_mut().zip(&value.calls) {
                runs.iter_mut().for_each(|values| values.push(Tensor::from(array.clone())));
            }
        }
        self.program.nodes.extend(fresh);
        self.known = known;
    }

    /// Tries one call more: whether its values are sound. A call that fits must run, and its trace must be made.
    fn grown(&mut self, mut step: Step, random: &mut Random) -> Result<bool, Failure> {
        let run = |runs: &Vec<Vec<Tensor>>| run::caught(|| step.run(&runs[0]));
        let outputs = match self.runs.iter().map(run).collect::<ontrace::Result<Vec<_>>>() {
            Ok(outputs) => outputs,
            Err(error) => {
                step.count = 1;
                self.program.nodes.push(Node::Step(step));
                self.program.outputs = vec![self.program.count() - 1];
                return Err(Failure::new("eager", error));
            }
        };
        step.count = outputs[0].len();
        let arrays = |outputs: &[Tensor]| outputs.iter().map(|x| x.to_array().ok()).collect::<Option<Vec<Array>>>();
        let Some(truth) = outputs.iter().map(|row| arrays(row)).collect::<Option<Vec<_>>>() else { return Ok(false) };
        if step.count == 0 || !truth.iter().flatten().all(sound) || !self.fits_integers(&step, &truth) {
            return Ok(false);
        }
        self.program.nodes.push(Node::Step(step.clone()));
        let count = self.program.count();
        self.program.outputs = (count - step.count..count).collect();
        let example = run::example(&self.program).shapes_only();
        let traced = run::caught(|| record(&self.program, example)).map_err(|error| Failure::new("traced", error))?;
        let types: Vec<Type> = traced.outputs().into_iter().map(|output| output.1).collect();
        // Whether this call makes roundings that other implementations are free to make otherwise.
        let mut before = self.program.clone();
        before.outputs = step.inputs.clone();
        let example = run::example(&before).shapes_only();
        let before = run::caught(|| record(&before, example)).map_err(|error| Failure::new("traced", error))?;
        let rounds = roundings(&traced) > roundings(&before);
        let mut made: Vec<Vec<Vec<Tensor>>> = outputs.into_iter().map(|outputs| vec![outputs]).collect();
        for (call, row) in made.iter_mut().enumerate() {
            for k in 1..=SHAKEN {
                let Some(outputs) = shaken(&step, &self.runs[call][k], &truth[call], rounds.then_some(k), random) else { return Ok(false) };
                row.push(outputs);
            }
        }
        for (i, ty) in types.into_iter().enumerate() {
            self.known.push(Known { ty, calls: truth.iter().map(|arrays| arrays[i].clone()).collect() });
        }
        for (runs, row) in self.runs.iter_mut().zip(made) {
            for (values, outputs) in runs.iter_mut().zip(row) {
                values.extend(outputs);
            }
        }
        Ok(true)
    }

    /// Whether the integers are those that would come out of wider ones: nothing has overflowed, nothing was cast to what it is not.
    fn fits_integers(&self, step: &Step, truth: &[Vec<Array>]) -> bool {
        let cast = step.method.source.contains("cast(dtype)");
        for (call, arrays) in truth.iter().enumerate() {
            let values = &self.runs[call][0];
            if cast && arrays[0].dtype() != DType::Bool && step.inputs.len() == 1 {
                let Ok(from) = values[step.inputs[0]].to_array() else { return false };
                let same = from.shape() == arrays[0].shape();
                if same && from.to_f64s().unwrap().iter().zip(arrays[0].to_f64s().unwrap()).any(|(x, y)| (x - y).abs() >= 1.0) {
                    return false;
                }
            }
            if cast || !arrays.iter().any(|array| array.dtype().is_int() && array.dtype() != DType::I64) {
                continue;
            }
            let wide = |x: &Tensor| if x.dtype().is_int() { x.cast(DType::I64) } else { Ok(x.clone()) };
            let Ok(values) = values.iter().map(wide).collect::<ontrace::Result<Vec<_>>>() else { return false };
            let Ok(outputs) = step.run(&values) else { continue };
            for (wide, array) in outputs.iter().zip(arrays) {
                let Ok(wide) = wide.to_array() else { return false };
                if array.dtype().is_int() && wide.dtype() == DType::I64 && wide.to_i64s().unwrap() != array.to_i64s().unwrap() {
                    return false;
                }
            }
        }
        true
    }
}

/// Whether there are values, and ordinary ones.
fn sound(array: &Array) -> bool {
    let most = bound(array.dtype());
    !array.is_empty() && array.len() <= 3000 && array.rank() <= 5 && array.to_f64s().unwrap().iter().all(|x| x.abs() <= most)
}

fn largest(array: &Array) -> f64 {
    if array.dtype().is_float() { array.to_f64s().unwrap().iter().fold(0.0, |a: f64, b| a.max(b.abs())) } else { 0.0 }
}

/// How many nodes of a traced graph implementations may round each in its way.
fn roundings(traced: &Traced) -> usize {
    traced.graph().nodes().iter().filter(|node| run::rounds(traced.graph(), node)).count()
}

/// The call with other roundings, those before it and its own, where they make no difference that a comparison would see.
fn shaken(step: &Step, values: &[Tensor], truth: &[Array], rounds: Option<usize>, random: &mut Random) -> Option<Vec<Tensor>> {
    let mut operands: Vec<Tensor> = step.inputs.iter().map(|&value| values[value].clone()).collect();
    let mut scale: f64 = 0.0;
    for operand in operands.iter_mut().filter(|_| rounds.is_some()) {
        let array = operand.to_array().ok()?;
        scale = scale.max(largest(&array));
        *operand = Tensor::from(shake(&array, 0.0, false, random));
    }
    let step = Step { inputs: (0..operands.len()).collect(), ..step.clone() };
    let mut outputs = run::caught(|| step.run(&operands)).ok()?;
    for (output, truth) in outputs.iter_mut().zip(truth) {
        let mut array = output.to_array().ok()?;
        if let Some(k) = rounds {
            array = shake(&array, scale.max(largest(&array)) / 4.0, k == 1, random);
        }
        let Tolerance { abs, rel } = Tolerance::of(array.dtype());
        let half = Tolerance { abs: abs / 2.0, rel: rel / 2.0 };
        compare(&array, truth, half).ok().filter(|found| found.agrees)?;
        *output = Tensor::from(array);
    }
    Some(outputs)
}

/// The values as other roundings might have made them; `cleared` makes 0 of what may be one.
fn shake(array: &Array, scale: f64, cleared: bool, random: &mut Random) -> Array {
    let epsilon = match array.dtype() {
        DType::F64 => f64::EPSILON,
        DType::F32 => f64::from(f32::EPSILON),
        DType::F16 => 1.0 / 2048.0,
        _ => return array.clone(),
    };
    let values: Vec<f64> = array.to_f64s().unwrap();
    let mut next = values.iter();
    let shape = array.shape().to_vec();
    let signs: Vec<f64> = values.iter().map(|_| 2.0 * random.uniform() - 1.0).collect();
    let mut signs = signs.into_iter();
    random
        .array(array.dtype(), &shape, |_| {
            let x = next.next().copied().unwrap_or_default();
            let sign = signs.next().unwrap_or_default();
            if cleared && x.abs() <= 4.0 * epsilon * scale { 0.0 } else { x + sign * epsilon * (2.0 * x.abs() + scale) }
        })
        .unwrap()
}
