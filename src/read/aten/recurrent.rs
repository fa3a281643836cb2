//! Recurrent networks: layers, directions, projections, packed sequences, single cells.

use super::packed::Packed;
use super::value::Value;
use super::{Args, Row, one, tuple, value};
use crate::array::DType;
use crate::error::{Error, Result};
use crate::ops::{Cell, Function, Recurrent, RecurrentWeights, layered, scan};
use crate::tensor::Tensor;

const LSTM: Cell = Cell::Lstm { coupled: false };
const GRU: Cell = Cell::Gru { reset_after: true };

pub(super) const ROWS: &[Row] = &[
    tuple(
        "lstm(Tensor input, Tensor[] hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor, Tensor)",
        |a| whole(a, LSTM, None, &a.tensors(1)?),
    ),
    value(
        "lstm(Tensor data, Tensor batch_sizes, Tensor[] hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional) -> (Tensor, Tensor, Tensor)",
        |a| packed(a, LSTM, None, &a.tensors(2)?),
    ),
    tuple(
        "gru(Tensor input, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor)",
        |a| whole(a, GRU, None, &[a.tensor(1)?]),
    ),
    value(
        "gru(Tensor data, Tensor batch_sizes, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional) -> (Tensor, Tensor)",
        |a| packed(a, GRU, None, &[a.tensor(2)?]),
    ),
    tuple(
        "rnn_tanh(Tensor input, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor)",
        |a| whole(a, Cell::Rnn, None, &[a.tensor(1)?]),
    ),
    value(
        "rnn_tanh(Tensor data, Tensor batch_sizes, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional) -> (Tensor, Tensor)",
        |a| packed(a, Cell::Rnn, None, &[a.tensor(2)?]),
    ),
    tuple(
        "rnn_relu(Tensor input, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor)",
        |a| whole(a, Cell::Rnn, Some("Relu"), &[a.tensor(1)?]),
    ),
    value(
        "rnn_relu(Tensor data, Tensor batch_sizes, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional) -> (Tensor, Tensor)",
        |a| packed(a, Cell::Rnn, Some("Relu"), &[a.tensor(2)?]),
    ),
    tuple(
        "lstm_cell(Tensor input, Tensor[] hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> (Tensor, Tensor)",
        |a| {
            let state = a.tensors(1)?;
            let (h, c) = lstm_step(&gates(a)?, state.get(1).ok_or_else(few)?, None)?;
            Ok(vec![h, c])
        },
    ),
    one("gru_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> Tensor", |a| {
        let h = a.tensor(1)?;
        let (x, y) = (a.tensor(0)?.linear(&a.tensor(2)?, a.opt_tensor(4)?.as_ref())?, h.linear(&a.tensor(3)?, a.opt_tensor(5)?.as_ref())?);
        let (x, y) = (x.chunk(3, -1)?, y.chunk(3, -1)?);
        let (r, z) = (x[0].add(&y[0])?.sigmoid()?, x[1].add(&y[1])?.sigmoid()?);
        let n = x[2].add(r.mul(&y[2])?)?.tanh()?;
        n.add(z.mul(h.sub(&n)?)?)
    }),
    one("rnn_tanh_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> Tensor", |a| {
        plain_gates(a)?.tanh()
    }),
    one("rnn_relu_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> Tensor", |a| {
        plain_gates(a)?.relu()
    }),
];

fn few() -> Error {
    Error::argument("an LSTM has two states")
}

fn plain_gates(a: &Args) -> Result<Tensor> {
    let x = a.tensor(0)?.linear(&a.tensor(2)?, a.opt_tensor(4)?.as_ref())?;
    x.add(a.tensor(1)?.linear(&a.tensor(3)?, a.opt_tensor(5)?.as_ref())?)
}

fn gates(a: &Args) -> Result<Tensor> {
    let h = a.tensors(1)?.into_iter().next().ok_or_else(few)?;
    let x = a.tensor(0)?.linear(&a.tensor(2)?, a.opt_tensor(4)?.as_ref())?;
    x.add(h.linear(&a.tensor(3)?, a.opt_tensor(5)?.as_ref())?)
}

/// The next states of an LSTM, of its gates i f g o; `projection` makes the state smaller than the cell.
fn lstm_step(gates: &Tensor, c: &Tensor, projection: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
    let parts = gates.chunk(4, -1)?;
    let [i, f, g, o] = parts.as_slice() else { return Err(Error::shape(format!("the gates of an LSTM are {}", gates.ty()))) };
    let c = f.sigmoid()?.mul(c)?.add(i.sigmoid()?.mul(g.tanh()?)?)?;
    let h = o.sigmoid()?.mul(c.tanh()?)?;
    Ok((projection.map_or(Ok(h.clone()), |projection| h.linear(projection, None))?, c))
}

/// A network over sequences of one length.
fn whole(a: &Args, cell: Cell, function: Option<&'static str>, states: &[Tensor]) -> Result<Vec<Tensor>> {
    network(a, (cell, function), 2, &a.tensor(0)?, None, a.flag(8)?, states)
}

/// A network over a packed sequence, which gives another one.
fn packed(a: &Args, cell: Cell, function: Option<&'static str>, states: &[Tensor]) -> Result<Value> {
    let batch = states.first().ok_or_else(few)?.dim(1)?;
    let packed = Packed::of(a, Some(batch))?;
    let mut outputs = network(a, (cell, function), 3, &packed.padded, Some(&packed.lengths), false, states)?.into_iter();
    let padded = outputs.next().ok_or_else(|| Error::internal("a network without an output"))?;
    Ok(Value::tuple(std::iter::once(packed.holding(padded)).chain(outputs.map(|state| Ok(state.into()))).collect::<Result<_>>()?))
}

/// All layers of a network, each one node of ONNX; with projections, which ONNX lacks, a scan over the steps. `at` is where its arguments begin.
fn network(
    a: &Args,
    (cell, function): (Cell, Option<&'static str>),
    at: usize,
    x: &Tensor,
    lengths: Option<&Tensor>,
    batch_first: bool,
    states: &[Tensor],
) -> Result<Vec<Tensor>> {
    let (params, biases, layers) = (a.tensors(at)?, a.flag(at + 1)?, a.int(at + 2)?);
    let (dropout, train, both) = (a.float(at + 3)?, a.flag(at + 4)?, a.flag(at + 5)?);
    let reverse = if both { vec![false, true] } else { vec![false] };
    let count = layers.max(1) as usize * reverse.len();
    let plain = if biases { 4 } else { 2 };
    let each = params.len() / count;
    let smaller = each == plain + 1;
    if params.len() != each * count || !(smaller || each == plain) {
        return Err(Error::argument(format!("{} weights for {count} layers and directions", params.len())));
    }
    let sets: Vec<&[Tensor]> = params.chunks(each * reverse.len()).collect();
    layered(x, (sets.len(), reverse.len()), batch_first, states, |layer, x, first| {
        // What goes into the next layer is dropped while training.
        let x = &if train && dropout > 0.0 && layer > 0 { x.drop_out(dropout)?.0 } else { x.clone() };
        if smaller {
            return projected(x, sets[layer], each, biases, lengths, first);
        }
        let weights: Vec<RecurrentWeights> = sets[layer]
            .chunks(each)
            .map(|set| RecurrentWeights {
                input: set[0].clone(),
                state: set[1].clone(),
                biases: biases.then(|| (set[2].clone(), set[3].clone())),
            })
            .collect();
        let mut op = Recurrent::new(cell, reverse.clone())?;
        if let Some(name) = function {
            op.functions = reverse.iter().map(|_| Function { name, alpha: 0.0, beta: 0.0 }).collect();
        }
        x.recurrent(op, &weights, lengths, first)
    })
}

/// One layer of an LSTM with projections, both directions. Behind the end of a sequence its states stay, and its outputs are zero.
fn projected(x: &Tensor, sets: &[Tensor], each: usize, biases: bool, lengths: Option<&Tensor>, first: &[Tensor]) -> Result<Vec<Tensor>> {
    let [h0, c0] = first else { return Err(few()) };
    let (mut sides, mut ends, mut cells) = (Vec::new(), Vec::new(), Vec::new());
    for (d, set) in sets.chunks(each).enumerate() {
        let turned = |x: Tensor| if d == 1 { x.flip(&[0]) } else { Ok(x) };
        let (input_bias, state_bias) = if biases { (Some(&set[2]), Some(&set[3])) } else { (None, None) };
        let inputs = turned(x.linear(&set[0], input_bias)?)?;
        let steps = turned(Tensor::arange(0, &x.dim(0)?, 1, DType::I64)?)?;
        let states = vec![h0.select(0, d as i64)?, c0.select(0, d as i64)?];
        let (states, outputs) = scan(states, &[inputs, steps], |state, cut| {
            let gates = cut[0].add(state[0].linear(&set[1], state_bias)?)?;
            let (h, c) = lstm_step(&gates, &state[1], set.last())?;
            let Some(lengths) = lengths else { return Ok((vec![h.clone(), c], vec![h])) };
            let inside = lengths.gt(&cut[1])?.unsqueeze(-1)?;
            let output = inside.where_(&h, &Tensor::zeros((), h.dtype())?)?;
            Ok((vec![inside.where_(&h, &state[0])?, inside.where_(&c, &state[1])?], vec![output]))
        })?;
        let [h, c] = <[Tensor; 2]>::try_from(states).map_err(|_| few())?;
        sides.push(turned(outputs.into_iter().next().ok_or_else(few)?)?);
        ends.push(h);
        cells.push(c);
    }
    let stack = |parts: &[Tensor]| Tensor::stack(&parts.iter().collect::<Vec<_>>(), 0);
    Ok(vec![Tensor::cat(&sides.iter().collect::<Vec<_>>(), -1)?, stack(&ends)?, stack(&cells)?])
}
