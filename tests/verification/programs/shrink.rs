//! The smallest program that still fails as a program failed.

use super::program::{Axis, Input, Node, Program};
use super::run::{self, Failure};
use ontrace::{Array, Dim, Tensor};

/// Cuts as long as what is left fails in the same way.
pub fn smallest(program: Program, failure: Failure, fails: impl Fn(&Program) -> Option<Failure>) -> (Program, Failure) {
    let (mut program, mut failure) = (program, failure);
    'again: loop {
        for candidate in candidates(&program) {
            if let Some(found) = fails(&candidate)
                && found.kind() == failure.kind()
            {
                (program, failure) = (candidate, found);
                continue 'again;
            }
        }
        return (program, failure);
    }
}

/// Programs that are smaller, the boldest cuts first.
fn candidates(program: &Program) -> Vec<Program> {
    let mut cuts = Vec::new();
    if program.outputs.len() > 1 {
        cuts.extend(program.outputs.iter().map(|&value| Program { nodes: program.nodes.clone(), outputs: vec![value] }.pruned()));
    }
    // An earlier value is the output.
    let last = program.nodes.len() - 1;
    if program.outputs.len() == 1
        && let Some(Node::Step(step)) = program.nodes.last()
    {
        for &value in &step.inputs {
            cuts.push(Program { nodes: program.nodes[..last].to_vec(), outputs: vec![value] }.pruned());
        }
    }
    if program.calls() > 1 {
        cuts.extend((1..program.calls()).rev().map(|call| without_call(program, call)));
    }
    cuts.extend((0..program.nodes.len()).filter_map(|node| bypassed(program, node)).flatten());
    cuts.extend((0..program.nodes.len()).filter_map(|node| given(program, node)));
    for (name, dims) in program.symbols() {
        if dims.iter().all(|n| *n == dims[0]) {
            cuts.push(fixed(program, &name));
        }
        for (call, &n) in dims.iter().enumerate() {
            if n > 1 && call < program.calls() {
                cuts.extend(shorter(program, &name, call));
            }
        }
    }
    cuts.extend(plainer(program));
    // Outputs that are inputs show nothing.
    cuts.retain(|cut| cut.steps().count() > 0);
    cuts
}

fn without_call(program: &Program, call: usize) -> Program {
    let mut program = program.clone();
    for node in &mut program.nodes {
        if let Node::Input(input) = node {
            input.calls.remove(call);
        }
    }
    program
}

/// The first value of each node.
fn first(program: &Program, node: usize) -> usize {
    program.nodes[..node].iter().map(Node::count).sum()
}

/// The step left out, one of its operands instead.
fn bypassed(program: &Program, node: usize) -> Option<Vec<Program>> {
    let Node::Step(step) = &program.nodes[node] else { return None };
    let at = first(program, node);
    let without = |value: usize| {
        let moved = |other: usize| match other {
            other if other < at => other,
            other if other < at + step.count => value,
            other => other - step.count,
        };
        let mut nodes = program.nodes.clone();
        nodes.remove(node);
        for node in &mut nodes[node..] {
            if let Node::Step(step) = node {
                step.inputs.iter_mut().for_each(|value| *value = moved(*value));
            }
        }
        Program { nodes, outputs: program.outputs.iter().map(|&value| moved(value)).collect() }.pruned()
    };
    Some(step.inputs.iter().map(|&value| without(value)).collect())
}

/// The step's values given as inputs, with the values that it made.
fn given(program: &Program, node: usize) -> Option<Program> {
    let Node::Step(step) = &program.nodes[node] else { return None };
    let at = first(program, node);
    let runs: Vec<Vec<Tensor>> = (0..program.calls())
        .map(|call| {
            let inputs: Vec<Tensor> = program.arrays(call).into_iter().map(Tensor::from).collect();
            run::caught(|| program.values(&inputs)).ok()
        })
        .collect::<Option<_>>()?;
    // What is traced of it says which sizes are symbols.
    let mut all = program.clone();
    all.outputs = (at..at + step.count).collect();
    let traced = run::caught(|| ontrace::record(&all, run::example(&all))).ok()?;
    let mut nodes = program.nodes[..node].to_vec();
    for (i, (_, ty)) in traced.outputs().into_iter().enumerate() {
        let calls = runs.iter().map(|values| values[at + i].to_array().ok()).collect::<Option<Vec<Array>>>()?;
        let axis = |dim: &Dim| match dim.fixed() {
            Some(n) => Axis::Fixed(n as usize),
            None => Axis::Symbol(dim.to_string().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect::<String>()),
        };
        let axes = ty.shape.iter().map(axis).collect::<Vec<_>>();
        let named = axes.iter().map(|axis| match axis {
            Axis::Symbol(name) if !name.starts_with(|c: char| c.is_ascii_alphabetic()) => Axis::Symbol(format!("s{name}")),
            axis => axis.clone(),
        });
        nodes.push(Node::Input(Input { axes: named.collect(), calls }));
    }
    nodes.extend(program.nodes[node + 1..].iter().cloned());
    let cut = Program { nodes, outputs: program.outputs.clone() }.pruned();
    (cut.steps().count() < program.steps().count()).then_some(cut)
}

/// The symbol as a number.
fn fixed(program: &Program, symbol: &str) -> Program {
    let mut program = program.clone();
    for node in &mut program.nodes {
        if let Node::Input(input) = node {
            for (axis, declared) in input.axes.iter_mut().enumerate() {
                if *declared == Axis::Symbol(symbol.to_string()) {
                    *declared = Axis::Fixed(input.calls[0].shape()[axis]);
                }
            }
        }
    }
    program
}

/// The symbol shorter by one in a call.
fn shorter(program: &Program, symbol: &str, call: usize) -> Option<Program> {
    let mut program = program.clone();
    for node in &mut program.nodes {
        if let Node::Input(input) = node {
            for (axis, declared) in input.axes.iter().enumerate() {
                if *declared == Axis::Symbol(symbol.to_string()) {
                    let n = input.calls[call].shape()[axis] as i64;
                    let cut = Tensor::from(input.calls[call].clone()).narrow(axis as i64, 0, n - 1).ok()?;
                    input.calls[call] = cut.to_array().ok()?.contiguous().unwrap();
                }
            }
        }
    }
    Some(program)
}

/// Values that are easier to read: halves of integers.
fn plainer(program: &Program) -> Option<Program> {
    let mut program = program.clone();
    let mut changed = false;
    let mut round = |array: &mut Array| {
        if array.dtype().is_float() {
            let values: Vec<f64> = array.to_f64s().unwrap().iter().map(|x| (x * 2.0).round() / 2.0).collect();
            changed |= values != array.to_f64s().unwrap();
            *array = Array::new(array.shape(), values).expect("as many numbers as before").cast(array.dtype()).unwrap();
        }
    };
    for node in &mut program.nodes {
        match node {
            Node::Input(input) => input.calls.iter_mut().for_each(&mut round),
            Node::Constant(array) => round(array),
            Node::Step(_) => {}
        }
    }
    changed.then_some(program)
}
