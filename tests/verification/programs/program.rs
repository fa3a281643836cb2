//! Programs as data: a list of inputs, constants and calls of methods, with the values of every call beside the inputs.

use super::methods::Method;
use ontrace::ops::{Padding, Reduction, Window};
use ontrace::{Array, DType, Dim, DynModule, Outputs, Result, Tensor};
use std::collections::BTreeMap;

/// A straight program. The first column of every input is the example that it is traced with.
#[derive(Clone)]
pub struct Program {
    pub nodes: Vec<Node>,
    /// The values that are given back.
    pub outputs: Vec<usize>,
}

/// What makes values; they are numbered in order.
#[derive(Clone)]
pub enum Node {
    Input(Input),
    Constant(Array),
    Step(Step),
}

/// An input: its declared axes, and an array for each call.
#[derive(Clone)]
pub struct Input {
    pub axes: Vec<Axis>,
    pub calls: Vec<Array>,
}

/// An axis of an input.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Axis {
    Fixed(usize),
    Symbol(String),
}

/// One call of a method.
#[derive(Clone)]
pub struct Step {
    pub method: &'static Method,
    /// The values it takes.
    pub inputs: Vec<usize>,
    pub arguments: Vec<Argument>,
    /// How many values it gives.
    pub count: usize,
}

/// What stands beside the tensors of a call.
#[derive(Clone, Debug)]
pub enum Argument {
    Int(i64),
    Float(f64),
    Flag(bool),
    Ints(Vec<i64>),
    Axes(Option<Vec<i64>>),
    Sizes(Vec<usize>),
    Kind(DType),
    Size(Size),
    Dims(Vec<Size>),
    Text(&'static str),
    Move(Window),
    Joined(Reduction),
    Border(Padding),
}

/// A size, computed from those of the tensors of the call.
#[derive(Clone, Debug)]
pub enum Size {
    Fixed(i64),
    /// The axis of a tensor of the call.
    Of(usize, usize),
    Times(Box<Size>, Box<Size>),
    Plus(Box<Size>, i64),
    Over(Box<Size>, i64),
}

impl Size {
    pub fn of(&self, tensors: &[&Tensor]) -> Result<Dim> {
        Ok(match self {
            Size::Fixed(n) => Dim::Fixed(*n),
            Size::Of(tensor, axis) => tensors[*tensor].dim(*axis as i64)?,
            Size::Times(a, b) => a.of(tensors)? * b.of(tensors)?,
            Size::Plus(a, n) => a.of(tensors)? + *n,
            Size::Over(a, n) => a.of(tensors)? / *n,
        })
    }
}

impl Node {
    /// How many values it makes.
    pub fn count(&self) -> usize {
        if let Node::Step(step) = self { step.count } else { 1 }
    }
}

impl Program {
    /// The inputs, in order.
    pub fn inputs(&self) -> impl Iterator<Item = &Input> {
        self.nodes.iter().filter_map(|node| if let Node::Input(input) = node { Some(input) } else { None })
    }

    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.nodes.iter().filter_map(|node| if let Node::Step(step) = node { Some(step) } else { None })
    }

    pub fn count(&self) -> usize {
        self.nodes.iter().map(Node::count).sum()
    }

    /// How many calls there are values for.
    pub fn calls(&self) -> usize {
        self.inputs().next().map_or(1, |input| input.calls.len())
    }

    /// The inputs of one call.
    pub fn arrays(&self, call: usize) -> Vec<Array> {
        self.inputs().map(|input| input.calls[call].clone()).collect()
    }

    /// Every symbol, with its size in each call.
    pub fn symbols(&self) -> BTreeMap<String, Vec<usize>> {
        let mut symbols = BTreeMap::new();
        for input in self.inputs() {
            for (i, axis) in input.axes.iter().enumerate() {
                if let Axis::Symbol(name) = axis {
                    symbols.insert(name.clone(), input.calls.iter().map(|array| array.shape()[i]).collect());
                }
            }
        }
        symbols
    }

    /// Without what no output needs.
    pub fn pruned(&self) -> Program {
        let mut needed = vec![false; self.count()];
        self.outputs.iter().for_each(|&value| needed[value] = true);
        let mut first = self.count();
        let mut kept = Vec::new();
        for node in self.nodes.iter().rev() {
            first -= node.count();
            if (first..first + node.count()).any(|value| needed[value]) {
                if let Node::Step(step) = node {
                    step.inputs.iter().for_each(|&value| needed[value] = true);
                }
                kept.push((first, node));
            }
        }
        let mut indices = vec![usize::MAX; self.count()];
        let mut next = 0;
        let mut nodes = Vec::new();
        for (first, node) in kept.into_iter().rev() {
            for i in 0..node.count() {
                indices[first + i] = next;
                next += 1;
            }
            let mut node = node.clone();
            if let Node::Step(step) = &mut node {
                step.inputs.iter_mut().for_each(|value| *value = indices[*value]);
            }
            nodes.push(node);
        }
        Program { nodes, outputs: self.outputs.iter().map(|&value| indices[value]).collect() }
    }

    /// Every value of a run.
    pub fn values(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let mut inputs = inputs.iter();
        let mut values: Vec<Tensor> = Vec::new();
        for node in &self.nodes {
            match node {
                Node::Input(_) => values.extend(inputs.next().cloned()),
                Node::Constant(array) => values.push(Tensor::from(array.clone())),
                Node::Step(step) => {
                    let made = step.run(&values)?;
                    values.extend(made);
                }
            }
        }
        Ok(values)
    }
}

impl Step {
    pub fn run(&self, values: &[Tensor]) -> Result<Vec<Tensor>> {
        let tensors: Vec<&Tensor> = self.inputs.iter().map(|&value| &values[value]).collect();
        (self.method.run)(&tensors, &self.arguments)
    }
}

impl DynModule for Program {
    fn forward(&self, inputs: &[Tensor]) -> Result<Outputs> {
        let values = self.values(inputs)?;
        Ok(self.outputs.iter().map(|&value| values[value].clone()).collect::<Vec<_>>().into())
    }
}

/// The arguments as the methods take them.
impl Argument {
    pub fn int(&self, _: &[&Tensor]) -> Result<i64> {
        Ok(if let Argument::Int(n) = self { *n } else { 0 })
    }

    pub fn float(&self, _: &[&Tensor]) -> Result<f64> {
        Ok(if let Argument::Float(x) = self { *x } else { 0.0 })
    }

    pub fn flag(&self, _: &[&Tensor]) -> Result<bool> {
        Ok(matches!(self, Argument::Flag(true)))
    }

    pub fn ints(&self, _: &[&Tensor]) -> Result<Vec<i64>> {
        Ok(if let Argument::Ints(ints) = self { ints.clone() } else { Vec::new() })
    }

    pub fn axes(&self, _: &[&Tensor]) -> Result<Option<Vec<i64>>> {
        Ok(if let Argument::Axes(axes) = self { axes.clone() } else { None })
    }

    pub fn sizes(&self, _: &[&Tensor]) -> Result<Vec<usize>> {
        Ok(if let Argument::Sizes(sizes) = self { sizes.clone() } else { Vec::new() })
    }

    pub fn kind(&self, _: &[&Tensor]) -> Result<DType> {
        Ok(if let Argument::Kind(dtype) = self { *dtype } else { DType::F32 })
    }

    pub fn length(&self, tensors: &[&Tensor]) -> Result<Dim> {
        if let Argument::Size(length) = self { length.of(tensors) } else { Ok(Dim::Fixed(0)) }
    }

    pub fn dims(&self, tensors: &[&Tensor]) -> Result<Vec<Dim>> {
        let Argument::Dims(dims) = self else { return Ok(Vec::new()) };
        dims.iter().map(|length| length.of(tensors)).collect()
    }

    pub fn text(&self, _: &[&Tensor]) -> Result<&'static str> {
        Ok(if let Argument::Text(text) = self { text } else { "" })
    }

    pub fn window(&self, _: &[&Tensor]) -> Result<Window> {
        Ok(if let Argument::Move(window) = self { window.clone() } else { Window::dense(1) })
    }

    pub fn reduction(&self, _: &[&Tensor]) -> Result<Reduction> {
        Ok(if let Argument::Joined(reduction) = self { *reduction } else { Reduction::Replace })
    }

    pub fn padding(&self, _: &[&Tensor]) -> Result<Padding> {
        Ok(if let Argument::Border(padding) = self { *padding } else { Padding::Constant(0.into()) })
    }
}
