//! Random programs of views and writes, run through the table, through a traced graph of it, and on plain memory with strides.

use super::table::call;
use super::value::Value;
use crate::dim::Dim;
use crate::error::Result;
use crate::module::{DynModule, Example, Outputs};
use crate::tensor::Tensor;
use proptest::prelude::*;

/// One step of a program: what is done, to which of the values so far, and three integers that say how.
type ProgramStep = (u8, u8, i8, i8, i8);

/// Memory as torch has it: storages, and windows onto them.
#[derive(Clone, Default)]
struct Memory {
    storages: Vec<Vec<f32>>,
    views: Vec<View>,
}

#[derive(Clone, Debug, PartialEq)]
struct View {
    storage: usize,
    offset: i64,
    shape: Vec<i64>,
    strides: Vec<i64>,
    /// Whether no two of its elements are one.
    distinct: bool,
}

impl View {
    fn positions(&self) -> Vec<usize> {
        let mut positions = vec![self.offset];
        for (&n, &stride) in self.shape.iter().zip(&self.strides) {
            positions = positions.iter().flat_map(|&at| (0..n).map(move |i| at + i * stride)).collect();
        }
        positions.into_iter().map(|position| position as usize).collect()
    }

    fn in_order(storage: usize, shape: &[i64]) -> View {
        let mut strides = vec![1; shape.len()];
        for axis in (0..shape.len().saturating_sub(1)).rev() {
            strides[axis] = strides[axis + 1] * shape[axis + 1].max(1);
        }
        View { storage, offset: 0, shape: shape.to_vec(), strides, distinct: true }
    }
}

impl Memory {
    fn own(&mut self, shape: &[i64], values: Vec<f32>) -> View {
        self.storages.push(values);
        View::in_order(self.storages.len() - 1, shape)
    }

    fn read(&self, view: &View) -> Vec<f32> {
        view.positions().into_iter().map(|position| self.storages[view.storage][position]).collect()
    }

    fn write(&mut self, view: &View, values: &[f32]) {
        for (position, &number) in view.positions().into_iter().zip(values) {
            self.storages[view.storage][position] = number;
        }
    }
}

/// What a step comes to for a value of this shape: the name and arguments of the call, and what it does to memory.
enum Done {
    View(&'static str, Vec<Value>, View),
    Copy(&'static str, Vec<Value>, Vec<i64>),
    Write(&'static str, Vec<Value>, Vec<f32>),
}

fn int(n: i64) -> Value {
    Value::Int(Dim::Fixed(n))
}

fn ints(values: &[i64]) -> Value {
    Value::list(values.iter().map(|&n| int(n)).collect())
}

/// The step, where it makes sense.
fn done(memory: &Memory, values: &[Value], (kind, target, a, b, c): ProgramStep) -> Option<(usize, Done)> {
    let target = target as usize % memory.views.len();
    let view = &memory.views[target];
    let rank = view.shape.len() as i64;
    let (a, b, c) = (i64::from(a), i64::from(b), i64::from(c));
    let axis = if rank > 0 { a.rem_euclid(rank) as usize } else { 0 };
    let n = view.shape.get(axis).copied().unwrap_or(1);
    let mut new = view.clone();
    let elements = memory.read(view);
    let rest = |x: i64, n: i64| x.rem_euclid(n.max(1));
    let done = match kind % 17 {
        0 if rank > 0 && n > 0 => {
            let i = rest(b, n);
            new.offset += i * new.strides[axis];
            new.shape.remove(axis);
            new.strides.remove(axis);
            Done::View("select", vec![int(axis as i64), int(if c < 0 { i - n } else { i })], new)
        }
        1 if rank > 0 => {
            let (start, by) = (rest(b, n + 1), rest(c, 3) + 1);
            let end = start + rest(a + b, n - start + 1);
            new.offset += start * new.strides[axis];
            new.shape[axis] = (end - start + by - 1) / by;
            new.strides[axis] *= by;
            if new.shape[axis] == 0 {
                return None;
            }
            Done::View("slice", vec![int(axis as i64), int(start), int(end), int(by)], new)
        }
        2 if rank > 1 => {
            let other = rest(b, rank) as usize;
            new.shape.swap(axis, other);
            new.strides.swap(axis, other);
            Done::View("transpose", vec![int(axis as i64), int(other as i64 - rank)], new)
        }
        3 if rank < 4 => {
            let axis = rest(a, rank + 1) as usize;
            let stride = if axis < rank as usize { new.shape[axis] * new.strides[axis] } else { 1 };
            new.shape.insert(axis, 1);
            new.strides.insert(axis, stride);
            Done::View("unsqueeze", vec![int(axis as i64)], new)
        }
        4 => {
            let kept: Vec<usize> = (0..rank as usize).filter(|&axis| new.shape[axis] != 1).collect();
            new.strides = kept.iter().map(|&axis| new.strides[axis]).collect();
            new.shape = kept.iter().map(|&axis| new.shape[axis]).collect();
            Done::View("squeeze", vec![], new)
        }
        5 | 6 => {
            let total = elements.len() as i64;
            let rows = (1..=total.max(1)).filter(|rows| total % rows == 0).nth(rest(b, 3) as usize).unwrap_or(1);
            let shape = if c < 0 { vec![total] } else { vec![rows, total / rows] };
            // Strides reach the new shape where every element of it lies where strides that fit would put it.
            match fitting(view, &shape) {
                Some(strides) => Done::View("reshape", vec![ints(&shape)], View { shape, strides, ..new }),
                None => Done::Copy("reshape", vec![ints(&shape)], shape),
            }
        }
        7 if rank > 1 => {
            let other = (axis + 1) % rank as usize;
            let offset = rest(c, 3) - 1;
            let (row, column) = ((-offset).max(0), offset.max(0));
            let length = (new.shape[axis] - row).min(new.shape[other] - column);
            if length < 1 {
                return None;
            }
            new.offset += row * new.strides[axis] + column * new.strides[other];
            let kept: Vec<usize> = (0..rank as usize).filter(|&i| i != axis && i != other).collect();
            let stride = view.strides[axis] + view.strides[other];
            new.shape = kept.iter().map(|&i| view.shape[i]).chain([length]).collect();
            new.strides = kept.iter().map(|&i| view.strides[i]).chain([stride]).collect();
            Done::View("diagonal", vec![int(offset), int(axis as i64), int(other as i64)], new)
        }
        8 if rank < 4 => {
            new.shape.insert(0, 2);
            new.strides.insert(0, 0);
            new.distinct = false;
            let size = ints(&new.shape);
            Done::View("expand", vec![size], new)
        }
        9 if rank > 0 && rank < 4 && n > 0 => {
            let (size, by) = (rest(b, n) + 1, rest(c, 3) + 1);
            new.shape[axis] = (n - size) / by + 1;
            new.shape.push(size);
            new.strides.push(new.strides[axis]);
            new.strides[axis] *= by;
            new.distinct &= by >= size;
            Done::View("unfold", vec![int(axis as i64), int(size), int(by)], new)
        }
        10 => {
            let ordered = View::in_order(0, &view.shape).strides;
            let same = view.shape.iter().zip(view.strides.iter().zip(&ordered)).all(|(&n, (a, b))| n == 1 || a == b);
            if same { Done::View("contiguous", vec![], new) } else { Done::Copy("contiguous", vec![], view.shape.clone()) }
        }
        11 => Done::Copy("clone", vec![], view.shape.clone()),
        12 if view.distinct => Done::Write("fill_", vec![Value::Float(a as f64)], vec![a as f32; elements.len()]),
        13 if view.distinct => Done::Write("add_", vec![Value::Float(b as f64)], elements.iter().map(|x| x + b as f32).collect()),
        14 if view.distinct => Done::Write("zero_", vec![], vec![0.0; elements.len()]),
        15 | 16 if view.distinct => {
            // Another value of the same shape; from the same memory only where it is the very same window.
            let fits = |other: &View| other.shape == view.shape && (other.storage != view.storage || other == view);
            let source = (0..memory.views.len()).cycle().skip(b as u8 as usize % memory.views.len()).take(memory.views.len());
            let source = source.into_iter().find(|&i| fits(&memory.views[i]))?;
            let other = memory.read(&memory.views[source]);
            if kind % 17 == 15 {
                Done::Write("copy_", vec![values[source].clone()], other)
            } else {
                Done::Write("sub_", vec![values[source].clone()], elements.iter().zip(other).map(|(x, y)| x - y).collect())
            }
        }
        _ => return None,
    };
    Some((target, done))
}

/// Strides of a shape that address the same elements in the same order: found by trying, not by torch's rule.
fn fitting(view: &View, shape: &[i64]) -> Option<Vec<i64>> {
    let positions = view.positions();
    let mut strides = Vec::new();
    let mut inner: i64 = shape.iter().product();
    for &n in shape {
        inner /= n.max(1);
        strides.push(if n > 1 { positions[inner as usize] as i64 - positions[0] as i64 } else { inner.max(1) });
    }
    let fits = View { shape: shape.to_vec(), strides: strides.clone(), ..view.clone() }.positions() == positions;
    fits.then_some(strides)
}

/// Runs the program on both; the elements of every value at the end.
fn run(inputs: &[Tensor], steps: &[ProgramStep]) -> Result<(Vec<Tensor>, Vec<Vec<f32>>)> {
    let mut memory = Memory::default();
    let mut values: Vec<Value> = Vec::new();
    for (i, input) in inputs.iter().enumerate() {
        let shape: Vec<i64> = input.shape().iter().filter_map(Dim::fixed).collect();
        let count = shape.iter().product::<i64>();
        let view = memory.own(&shape, (0..count).map(|n| (n + 10 * i as i64) as f32).collect());
        memory.views.push(view);
        values.push(input.clone().into());
    }
    for &step in steps {
        let Some((target, done)) = done(&memory, &values, step) else { continue };
        let (name, mut arguments) = match &done {
            Done::View(name, arguments, _) | Done::Copy(name, arguments, _) | Done::Write(name, arguments, _) => (*name, arguments.clone()),
        };
        arguments.insert(0, values[target].clone());
        let result = call(name, &arguments, &[])?;
        match done {
            Done::View(_, _, view) => {
                memory.views.push(view);
                values.push(result);
            }
            Done::Copy(_, _, shape) => {
                let elements = memory.read(&memory.views[target]);
                let view = memory.own(&shape, elements);
                memory.views.push(view);
                values.push(result);
            }
            Done::Write(_, _, elements) => {
                let view = memory.views[target].clone();
                memory.write(&view, &elements);
            }
        }
    }
    let got = values.iter().map(|value| value.view()?.read()).collect::<Result<_>>()?;
    Ok((got, memory.views.iter().map(|view| memory.read(view)).collect()))
}

struct Program(Vec<ProgramStep>);

impl DynModule for Program {
    fn forward(&self, inputs: &[Tensor]) -> Result<Outputs> {
        run(inputs, &self.0).map(|both| both.0.into())
    }
}

fn elements_of(tensors: &[Tensor]) -> Vec<Vec<f32>> {
    tensors.iter().map(|tensor| tensor.to_vec().unwrap()).collect()
}

proptest! {
    // `PROPTEST_CASES=100000 cargo test --lib programs` is the long campaign.
    #![proptest_config(ProptestConfig { cases: std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(300), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn writes_through_views_reach_the_memory_that_torchs_reach(steps in prop::collection::vec(any::<ProgramStep>(), 1..14)) {
        let input = |i: usize, shape: &[usize]| {
            let count = shape.iter().product::<usize>();
            Tensor::new(shape, (0..count).map(|n| (n + 10 * i) as f32).collect()).unwrap()
        };
        let inputs = [input(0, &[3, 4]), input(1, &[2, 3, 2])];
        let (got, expected) = run(&inputs, &steps).unwrap();
        prop_assert_eq!(&elements_of(&got), &expected);
        let example = Example::new().input("x", &inputs[0]).input("y", &inputs[1]);
        let traced = crate::trace::record(&Program(steps), example).unwrap();
        prop_assert_eq!(elements_of(&traced.forward(&inputs).unwrap()), expected);
    }
}
