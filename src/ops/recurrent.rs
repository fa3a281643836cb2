//! Recurrent networks as ONNX has them: LSTM, GRU and RNN over a whole sequence, in one or two directions.

use super::{Reader, given, widened};
use crate::array::{Array, DType};
use crate::dim::{Dim, Sizes, Type};
use crate::error::{Error, Result};
use crate::graph::{Attributes, Inputs, Operator};
use crate::kernels::recurrent::{self, FUNCTIONS};
use crate::onnx::{GraphBuilder, Name, Node};
use crate::tensor::{Tensor, apply};

pub use crate::kernels::recurrent::{ActivationFunction, Cell};

/// A recurrent network. Inputs: x, w, r, bias, lengths, first state, first cell, peepholes; all but three optional.
///
/// ONNX: [LSTM](https://onnx.ai/onnx/operators/onnx__LSTM.html), [GRU](https://onnx.ai/onnx/operators/onnx__GRU.html),
/// [RNN](https://onnx.ai/onnx/operators/onnx__RNN.html).
#[derive(Clone, Debug, PartialEq)]
pub struct Recurrent {
    /// What a unit computes.
    pub cell: Cell,
    /// For each direction whether it runs from the end to the start.
    pub reverse: Vec<bool>,
    /// The functions of the gates, direction by direction.
    pub functions: Vec<ActivationFunction>,
    /// The bound on what goes into them.
    pub clip: Option<f32>,
    /// Whether the batch is the first axis.
    pub batch_first: bool,
}

fn function(name: &str) -> Result<ActivationFunction> {
    let row = FUNCTIONS.iter().find(|row| row.0.eq_ignore_ascii_case(name));
    row.map(|row| ActivationFunction { name: row.0, alpha: row.1, beta: row.2 })
        .ok_or_else(|| Error::unsupported(format!("unknown gate activation {name}")))
}

impl Recurrent {
    /// The functions that ONNX takes where none are named.
    fn usual(cell: Cell) -> &'static [&'static str] {
        match cell {
            Cell::Rnn => &["Tanh"],
            Cell::Gru { .. } => &["Sigmoid", "Tanh"],
            Cell::Lstm { .. } => &["Sigmoid", "Tanh", "Tanh"],
        }
    }

    /// A network with the usual functions.
    ///
    /// # Errors
    /// Never for the cells that there are.
    pub fn new(cell: Cell, reverse: Vec<bool>) -> Result<Recurrent> {
        let one = Recurrent::usual(cell).iter().map(|name| function(name)).collect::<Result<Vec<_>>>()?;
        let functions = reverse.iter().flat_map(|_| one.clone()).collect();
        Ok(Recurrent { cell, reverse, functions, clip: None, batch_first: false })
    }

    /// ONNX's name of the direction, or of both.
    fn direction(&self) -> &'static str {
        match self.reverse.as_slice() {
            [false] => "forward",
            [true] => "reverse",
            _ => "bidirectional",
        }
    }

    /// steps, batch, inputs, hidden
    fn dims(&self, inputs: &Inputs<Type>) -> Result<(Dim, Dim, Dim, Dim)> {
        let (x, w, r) = (inputs.at(0)?, inputs.at(1)?, inputs.at(2)?);
        let directions = Dim::from(self.reverse.len());
        let gates = self.cell.gates() as i64;
        let refused = || Error::shape(format!("weights {w} and {r} do not fit input {x} in {directions} directions"));
        let ([a, b, n], [d, rows, own], [e, more, hidden]) = (&x.shape[..], &w.shape[..], &r.shape[..]) else {
            return Err(refused());
        };
        let fits = *d == directions && *e == directions && *rows == hidden * gates && rows == more && own == n;
        if !fits || !x.dtype.is_float() || w.dtype != x.dtype || r.dtype != x.dtype {
            return Err(refused());
        }
        let (steps, batch) = if self.batch_first { (b, a) } else { (a, b) };
        let state = if self.batch_first { [batch, &directions, hidden] } else { [&directions, batch, hidden] };
        let expect = |i: usize, shape: &[&Dim], what: &str| match inputs.opt(i) {
            Some(ty) if ty.rank() != shape.len() || !ty.shape.iter().zip(shape).all(|(a, b)| a.agrees(b, inputs.constraints())) => {
                Err(Error::shape(format!("{what} is {ty}, which does not fit weights {r}")))
            }
            _ => Ok(()),
        };
        expect(3, &[&directions, &(rows * 2i64)], "the bias")?;
        expect(4, &[batch], "sequence_lens")?;
        expect(5, &state, "initial_h")?;
        if matches!(self.cell, Cell::Lstm { .. }) {
            expect(6, &state, "initial_c")?;
            expect(7, &[&directions, &(hidden * 3i64)], "the peepholes")?;
        }
        Ok((steps.clone(), batch.clone(), n.clone(), hidden.clone()))
    }
}

/// One direction of an operand whose axis it is.
fn part(array: Option<&Array>, axis: usize, direction: usize) -> Result<Option<Array>> {
    let Some(array) = array else { return Ok(None) };
    let mut shape = array.shape().to_vec();
    shape.remove(axis);
    array.slice(axis, direction, 1, 1)?.reshape(&shape).map(Some)
}

impl Operator for Recurrent {
    fn name(&self) -> &'static str {
        match self.cell {
            Cell::Rnn => "RNN",
            Cell::Gru { .. } => "GRU",
            Cell::Lstm { .. } => "LSTM",
        }
    }

    fn attributes(&self) -> Attributes {
        let attributes = match self.cell {
            Cell::Rnn => Attributes::new(),
            Cell::Gru { reset_after } => Attributes::new().with("linear_before_reset", reset_after),
            Cell::Lstm { coupled } => Attributes::new().with("input_forget", coupled),
        };
        attributes
            .with("direction", self.direction())
            .with("activations", self.functions.iter().map(|function| function.name).collect::<Vec<_>>())
            .with("activation_alpha", self.functions.iter().map(|function| function.alpha).collect::<Vec<_>>())
            .with("activation_beta", self.functions.iter().map(|function| function.beta).collect::<Vec<_>>())
            .with_some("clip", self.clip)
            .with("layout", self.batch_first)
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let (steps, batch, _, hidden) = self.dims(inputs)?;
        let (dtype, directions) = (inputs.at(0)?.dtype, Dim::from(self.reverse.len()));
        let (all, state) = if self.batch_first {
            (vec![batch.clone(), steps, directions.clone(), hidden.clone()], vec![batch, directions, hidden])
        } else {
            (vec![steps, directions.clone(), batch.clone(), hidden.clone()], vec![directions, batch, hidden])
        };
        let mut types = vec![Type::new(dtype, all), Type::new(dtype, state.clone())];
        if matches!(self.cell, Cell::Lstm { .. }) {
            types.push(Type::new(dtype, state));
        }
        Ok(types)
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        let lengths = inputs.opt(4).map(Array::to_i64s).transpose()?;
        widened(inputs, |inputs| {
            let x = inputs.at(0)?;
            let x = if self.batch_first { x.permute(&[1, 0, 2])? } else { x.clone() };
            let state = usize::from(self.batch_first);
            super::iteration_count::spend_steps(x.shape().first().copied().unwrap_or(0).saturating_mul(self.reverse.len()))?;
            let each = self.cell.functions();
            let (mut all, mut last, mut cells) = (Vec::new(), Vec::new(), Vec::new());
            for (d, &reverse) in self.reverse.iter().enumerate() {
                let of = |i: usize, axis: usize| part(inputs.opt(i), axis, d);
                let (w, r, bias) = (of(1, 0)?, of(2, 0)?, of(3, 0)?);
                let (h, c, peepholes) = (of(5, state)?, of(6, state)?, of(7, 0)?);
                let (Some(w), Some(r)) = (&w, &r) else { return Err(Error::argument("the weights are missing")) };
                let operands = recurrent::Operands {
                    x: &x,
                    w,
                    r,
                    bias: bias.as_ref(),
                    lengths: lengths.as_deref(),
                    h: h.as_ref(),
                    c: c.as_ref(),
                    peepholes: peepholes.as_ref(),
                };
                let functions = self.functions.get(d * each..(d + 1) * each).ok_or_else(|| Error::argument("an activation is missing"))?;
                let direction = recurrent::Direction { cell: self.cell, reverse, functions, clip: self.clip.map(f64::from) };
                let (y, h, c) = recurrent::run(&direction, &operands)?;
                all.push(y);
                last.push(h);
                cells.push(c);
            }
            let stacked = |parts: Vec<Array>, axis: usize| {
                let wide = parts.iter().map(|part| {
                    let mut shape = part.shape().to_vec();
                    shape.insert(axis, 1);
                    part.reshape(&shape)
                });
                let wide = wide.collect::<Result<Vec<_>>>()?;
                crate::kernels::join::concat(&wide.iter().collect::<Vec<_>>(), axis)
            };
            let (mut y, mut h, mut c) = (stacked(all, 1)?, stacked(last, 0)?, stacked(cells, 0)?);
            if self.batch_first {
                (y, h, c) = (y.permute(&[2, 0, 1, 3])?, h.permute(&[1, 0, 2])?, c.permute(&[1, 0, 2])?);
            }
            Ok(if matches!(self.cell, Cell::Lstm { .. }) { vec![y, h, c] } else { vec![y, h] })
        })
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let hidden = builder.ty(&inputs[2])?.shape[2].fixed().ok_or_else(|| Error::size("hidden_size must be fixed"))?;
        let usual = Recurrent::new(self.cell, self.reverse.clone())?.functions;
        let node = builder.node(self.name(), inputs).int("hidden_size", hidden).string("direction", self.direction());
        let node = match self.cell {
            Cell::Gru { reset_after: true } => node.int("linear_before_reset", 1),
            Cell::Lstm { coupled: true } => node.int("input_forget", 1),
            _ => node,
        };
        let node = if self.functions == usual {
            node
        } else {
            // Only the functions that have them name their values.
            let alphas: Vec<f32> = self.functions.iter().filter(|f| f.takes().0).map(|f| f.alpha as f32).collect();
            let betas: Vec<f32> = self.functions.iter().filter(|f| f.takes().1).map(|f| f.beta as f32).collect();
            let node = node.strings("activations", &self.functions.iter().map(|f| f.name).collect::<Vec<_>>());
            let node = if alphas.is_empty() { node } else { node.floats("activation_alpha", &alphas) };
            if betas.is_empty() { node } else { node.floats("activation_beta", &betas) }
        };
        let node = match self.clip {
            Some(clip) => node.float("clip", clip),
            None => node,
        };
        Ok(if self.batch_first { node.int("layout", 1) } else { node }.write(outputs))
    }
}

fn read(node: &Node, inputs: &Inputs<Tensor>, cell: Cell) -> Result<Vec<Tensor>> {
    let reverse = match node.string("direction", "forward")? {
        "forward" => vec![false],
        "reverse" => vec![true],
        "bidirectional" => vec![false, true],
        other => return Err(Error::argument(format!("unknown direction {other}"))),
    };
    let mut op = Recurrent::new(cell, reverse)?;
    if let Some(names) = node.strings("activations")? {
        let mut alphas = node.floats("activation_alpha")?.unwrap_or_default().iter();
        let mut betas = node.floats("activation_beta")?.unwrap_or_default().iter();
        let named = names.iter().map(|name| {
            let mut f = function(name)?;
            if let (true, Some(alpha)) = (f.takes().0, alphas.as_slice().first()) {
                f.alpha = f64::from(*alpha);
                alphas.next();
            }
            if let (true, Some(beta)) = (f.takes().1, betas.as_slice().first()) {
                f.beta = f64::from(*beta);
                betas.next();
            }
            Ok(f)
        });
        op.functions = named.collect::<Result<_>>()?;
        if op.functions.len() != cell.functions() * op.reverse.len() {
            return Err(Error::argument(format!("{} activations for {} directions", op.functions.len(), op.reverse.len())));
        }
    }
    op.clip = node.find_float("clip")?;
    op.batch_first = node.int("layout", 0)? != 0;
    let operands: Vec<Option<&Tensor>> = (0..8).map(|i| inputs.opt(i)).collect();
    apply(op, given(&operands))
}

pub(super) const READS: &[(&str, Reader)] = &[
    ("RNN", |node, inputs| read(node, inputs, Cell::Rnn)),
    ("GRU", |node, inputs| read(node, inputs, Cell::Gru { reset_after: node.int("linear_before_reset", 0)? != 0 })),
    ("LSTM", |node, inputs| read(node, inputs, Cell::Lstm { coupled: node.int("input_forget", 0)? != 0 })),
];

/// The weights of one direction as torch keeps them: gates by rows, i f g o of an LSTM, r z n of a GRU.
#[derive(Clone, Debug)]
pub struct RecurrentWeights {
    /// (gates · hidden, inputs)
    pub input: Tensor,
    /// (gates · hidden, hidden)
    pub state: Tensor,
    /// (gates · hidden) each, for the inputs and for the state.
    pub biases: Option<(Tensor, Tensor)>,
}

/// The gates in ONNX's order.
fn arranged(x: &Tensor, cell: Cell) -> Result<Tensor> {
    let order: &[usize] = match cell {
        Cell::Rnn => return Ok(x.clone()),
        Cell::Gru { .. } => &[1, 0, 2],
        Cell::Lstm { .. } => &[0, 3, 1, 2],
    };
    let gates = x.chunk(order.len() as i64, 0)?;
    let pick = |&gate: &usize| gates.get(gate).ok_or_else(|| Error::shape(format!("weights {} do not fit {} gates", x.ty(), order.len())));
    Tensor::cat(&order.iter().map(pick).collect::<Result<Vec<_>>>()?, 0)
}

/// Layers one over the outputs of the other: `layer` gets its number, its inputs (steps, batch, inputs) and its share of the first states,
/// `directions` of each, and gives its outputs and its last states. All outputs, and the last states of all layers one after the other.
pub(crate) fn layered(
    x: &Tensor,
    (layers, directions): (usize, usize),
    batch_first: bool,
    states: &[Tensor],
    mut layer: impl FnMut(usize, &Tensor, &[Tensor]) -> Result<Vec<Tensor>>,
) -> Result<Vec<Tensor>> {
    let mut x = if batch_first { x.transpose(0, 1)? } else { x.clone() };
    let mut last: Vec<Vec<Tensor>> = Vec::new();
    for i in 0..layers {
        let first = |state: &Tensor| state.narrow(0, (i * directions) as i64, directions as i64);
        let mut outputs = layer(i, &x, &states.iter().map(first).collect::<Result<Vec<_>>>()?)?.into_iter();
        x = outputs.next().ok_or_else(|| Error::internal("the operator has no output"))?;
        last.resize(outputs.len(), Vec::new());
        last.iter_mut().zip(outputs).for_each(|(kept, state)| kept.push(state));
    }
    let mut results = vec![if batch_first { x.transpose(0, 1)? } else { x }];
    for states in &last {
        results.push(Tensor::cat(&states.iter().collect::<Vec<_>>(), 0)?);
    }
    Ok(results)
}

impl Tensor {
    /// One layer of a recurrent network over a sequence (steps, batch, inputs), in one direction or both.
    ///
    /// The first states are (directions, batch, hidden), zero where there are none; `lengths` says how many steps each element has. Gives
    /// (steps, batch, directions · hidden), the last state, and of an LSTM the last cell.
    /// [torch.nn.LSTM](https://pytorch.org/docs/stable/generated/torch.nn.LSTM.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where weights, states and inputs do not fit.
    #[track_caller]
    pub fn recurrent(
        &self,
        op: Recurrent,
        weights: &[RecurrentWeights],
        lengths: Option<&Tensor>,
        first: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        if weights.len() != op.reverse.len() || op.batch_first {
            return Err(Error::argument(format!("weights of {} directions, expected {}", weights.len(), op.reverse.len())));
        }
        let cell = op.cell;
        let stacked = |part: &dyn Fn(&RecurrentWeights) -> Result<Tensor>| {
            let parts = weights.iter().map(part).collect::<Result<Vec<_>>>()?;
            Tensor::stack(&parts.iter().collect::<Vec<_>>(), 0)
        };
        let (w, r) = (stacked(&|weights| arranged(&weights.input, cell))?, stacked(&|weights| arranged(&weights.state, cell))?);
        let bias = match weights.iter().all(|weights| weights.biases.is_some()) {
            true => Some(stacked(&|weights| match &weights.biases {
                Some((input, state)) => Tensor::cat(&[&arranged(input, cell)?, &arranged(state, cell)?], 0),
                None => Err(Error::argument("the bias of one direction is missing")),
            })?),
            false => None,
        };
        let lengths = lengths.map(|lengths| lengths.cast(DType::I32)).transpose()?;
        let operands = [Some(self), Some(&w), Some(&r), bias.as_ref(), lengths.as_ref(), first.first(), first.get(1)];
        let mut outputs = apply(op, given(&operands))?;
        let all = outputs.first().ok_or_else(|| Error::internal("the operator has no output"))?;
        // (steps, directions, batch, hidden)
        outputs[0] = all.transpose(1, 2)?.flatten(2, 3)?;
        Ok(outputs)
    }
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;

    /// One layer of a network with these weights' shapes: gates, inputs, hidden, directions.
    fn network(x: &Tensor, cell: Cell, reverse: &[bool], hidden: usize, first: &[Tensor]) -> Result<Vec<Tensor>> {
        let inputs = x.dim(-1)?.fixed().unwrap_or(1) as usize;
        let rows = cell.gates() * hidden;
        let set = |_: &bool| RecurrentWeights {
            input: weight(&[rows, inputs]),
            state: weight(&[rows, hidden]),
            biases: Some((weight(&[rows]), weight(&[rows]))),
        };
        x.recurrent(Recurrent::new(cell, reverse.to_vec())?, &reverse.iter().map(set).collect::<Vec<_>>(), None, first)
    }
    cases! {
        "rnn", [floats(&[4, 2, 3])], |x| network(&x[0], Cell::Rnn, &[false], 5, &[]);
        "gru", [floats(&[4, 2, 3]), floats(&[1, 2, 5])], |x| network(&x[0], Cell::Gru { reset_after: true }, &[false], 5, &x[1..]);
        "gru_reset_before", [floats(&[4, 2, 3])], |x| network(&x[0], Cell::Gru { reset_after: false }, &[true], 5, &[]);
        "lstm", [floats(&[4, 2, 3])], |x| network(&x[0], Cell::Lstm { coupled: false }, &[false], 5, &[]);
        "lstm_both_ways", [floats(&[4, 2, 3])], |x| network(&x[0], Cell::Lstm { coupled: false }, &[false, true], 5, &[]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One step by the formulas of torch's documentation.
    #[test]
    fn a_gru_resets_after_the_product_as_torchs() {
        let x = Tensor::new([1, 1, 1], vec![0.5f32]).unwrap();
        let column = |values: [f32; 3]| Tensor::new([3, 1], values.to_vec()).unwrap();
        let weights = RecurrentWeights {
            input: column([0.1, 0.2, 0.3]),
            state: column([0.4, 0.5, 0.6]),
            biases: Some((Tensor::from(&[0.01f32, 0.02, 0.03]), Tensor::from(&[0.04f32, 0.05, 0.06]))),
        };
        let h = Tensor::new([1, 1, 1], vec![0.7f32]).unwrap();
        let op = Recurrent::new(Cell::Gru { reset_after: true }, vec![false]).unwrap();
        let y = x.recurrent(op, &[weights], None, &[h]).unwrap();
        let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
        let r = sigmoid(0.1 * 0.5 + 0.01 + 0.4 * 0.7 + 0.04);
        let z = sigmoid(0.2 * 0.5 + 0.02 + 0.5 * 0.7 + 0.05);
        let n = (0.3 * 0.5 + 0.03 + r * (0.6 * 0.7 + 0.06)).tanh();
        let expected = (1.0 - z) * n + z * 0.7;
        assert!((y[0].to_vec::<f32>().unwrap()[0] - expected).abs() < 1e-6);
        assert_eq!(y[0].to_vec::<f32>().unwrap(), y[1].to_vec::<f32>().unwrap());
    }

    #[test]
    fn a_shorter_element_ends_with_zeros_and_keeps_its_state() {
        let x = Tensor::new([3, 2, 1], vec![1.0f32; 6]).unwrap();
        let one = Tensor::new([1, 1], vec![1.0f32]).unwrap();
        let weights = RecurrentWeights { input: one.clone(), state: one, biases: None };
        let op = Recurrent::new(Cell::Rnn, vec![false]).unwrap();
        let lengths = Tensor::from(&[3i64, 1]);
        let y = x.recurrent(op, &[weights], Some(&lengths), &[]).unwrap();
        let (all, last) = (y[0].to_vec::<f32>().unwrap(), y[1].to_vec::<f32>().unwrap());
        assert_eq!((all[1], all[3], all[5]), (1f32.tanh(), 0.0, 0.0));
        assert_eq!(last, [all[4], all[1]]);
    }
}
