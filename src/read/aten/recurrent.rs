//! Recurrent networks: layers, directions, projections, packed sequences, single cells.

use super::args::Args;
use super::row::{Row, one, tuple, value};
use super::sequence::Packed;
use super::value::{Sequence, Value, View};
use crate::array::{DType, Scalar};
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::ops::{ActivationFunction, Cell, Padding, Recurrent, RecurrentWeights, layered, scan};
use crate::tensor::Tensor;
use std::rc::Rc;

const LSTM: Cell = Cell::Lstm { coupled: false };
const GRU: Cell = Cell::Gru { reset_after: true };

pub(super) const ROWS: &[Row] = &[
    tuple(
        "lstm(Tensor input, Tensor[] hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor, Tensor)",
        |a| whole(a, LSTM, None, &a.tensors("hx")?),
    ),
    value(
        "lstm(Tensor data, Tensor batch_sizes, Tensor[] hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional) -> (Tensor, Tensor, Tensor)",
        |a| packed(a, LSTM, None, &a.tensors("hx")?),
    ),
    tuple(
        "gru(Tensor input, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor)",
        |a| whole(a, GRU, None, &[a.tensor("hx")?]),
    ),
    value(
        "gru(Tensor data, Tensor batch_sizes, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional) -> (Tensor, Tensor)",
        |a| packed(a, GRU, None, &[a.tensor("hx")?]),
    ),
    tuple(
        "rnn_tanh(Tensor input, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor)",
        |a| whole(a, Cell::Rnn, None, &[a.tensor("hx")?]),
    ),
    value(
        "rnn_tanh(Tensor data, Tensor batch_sizes, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional) -> (Tensor, Tensor)",
        |a| packed(a, Cell::Rnn, None, &[a.tensor("hx")?]),
    ),
    tuple(
        "rnn_relu(Tensor input, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor)",
        |a| whole(a, Cell::Rnn, Some("Relu"), &[a.tensor("hx")?]),
    ),
    value(
        "rnn_relu(Tensor data, Tensor batch_sizes, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional) -> (Tensor, Tensor)",
        |a| packed(a, Cell::Rnn, Some("Relu"), &[a.tensor("hx")?]),
    ),
    tuple(
        "lstm_cell(Tensor input, Tensor[] hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> (Tensor, Tensor)",
        |a| {
            let state = a.tensors("hx")?;
            let (h, c) = lstm_step(&gates(a)?, state.get(1).ok_or_else(few)?, None)?;
            Ok(vec![h, c])
        },
    ),
    one("gru_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> Tensor", |a| {
        let h = a.tensor("hx")?;
        let (x, y) = (
            a.tensor("input")?.linear(&a.tensor("w_ih")?, a.opt_tensor("b_ih")?.as_ref())?,
            h.linear(&a.tensor("w_hh")?, a.opt_tensor("b_hh")?.as_ref())?,
        );
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
    value("_pack_padded_sequence(Tensor input, Tensor lengths, bool batch_first) -> (Tensor, Tensor)", |a| {
        let (x, lengths) = (a.tensor("input")?, a.tensor("lengths")?.cast(DType::I64)?);
        let padded = if a.flag("batch_first")? { x.transpose(0, 1)? } else { x };
        if padded.rank() < 2 || lengths.rank() != 1 {
            return Err(Error::shape(format!("packed sequence: input {} does not fit lengths {}", padded.ty(), lengths.ty())));
        }
        let packed = Packed { padded, lengths };
        let (data, sizes) = (packed.data()?, packed.sizes()?);
        let packed = Rc::new(packed);
        Ok(Value::tuple(vec![
            Value::Tensor(View::sequenced(data, Sequence::Data(packed.clone()))),
            Value::Tensor(View::sequenced(sizes, Sequence::Sizes(packed))),
        ]))
    }),
    value(
        "_pad_packed_sequence(Tensor data, Tensor batch_sizes, bool batch_first, Scalar padding_value, SymInt total_length) -> (Tensor, Tensor)",
        |a| {
            let packed = packed_of(a.view("data")?, a.view("batch_sizes")?, None)?;
            let total = a.dim("total_length")?;
            let inside = packed.inside()?;
            let behind: Vec<i64> = (2..packed.padded.rank() as i64).collect();
            let filler = Tensor::full((), a.number("padding_value")?, packed.padded.dtype())?;
            let padded = inside.unsqueeze_axes(&behind)?.where_(&packed.padded, &filler)?;
            let longest = a.tensor("batch_sizes")?.dim(0)?;
            let padded = if total == longest || total.fixed().is_some_and(|n| n < 1) {
                padded.slice(0, ..longest)?
            } else {
                let mut more = padded.shape().to_vec();
                more[0] = total.clone();
                Tensor::cat(&[&padded, &filler.expand(&more)?], 0)?.slice(0, ..total)?
            };
            let padded = if a.flag("batch_first")? { padded.transpose(0, 1)? } else { padded };
            Ok(Value::tuple(vec![padded.into(), packed.lengths.clone().into()]))
        },
    ),
    one("pad_sequence(Tensor[] sequences, bool batch_first=False, float padding_value=0.0, str padding_side=\"right\") -> Tensor", |a| {
        let (sequences, left) = (a.tensors("sequences")?, a.opt_str("padding_side")? == Some("left"));
        let longest = sequences.iter().try_fold(Dim::Fixed(0), |n, x| Ok::<_, Error>(n.max(x.dim(0)?)))?;
        let filler = Padding::Constant(Scalar::Float(a.float("padding_value")?));
        let behind = sequences.first().map(|x| x.shape().iter().skip(1).cloned().collect::<Vec<Dim>>()).unwrap_or_default();
        let padded = |x: &Tensor| {
            // Each is copied to where the first would stand.
            let x = x.expand([vec![x.dim(0)?], behind.clone()].concat())?;
            let mut widths = vec![Dim::Fixed(0); 2 * x.rank()];
            let side = widths.len() - if left { 2 } else { 1 };
            widths[side] = &longest - &x.dim(0)?;
            x.pad(&widths, filler)
        };
        let padded = sequences.iter().map(padded).collect::<Result<Vec<_>>>()?;
        Tensor::stack(&padded.iter().collect::<Vec<_>>(), i64::from(!a.flag("batch_first")?))
    }),
];

fn few() -> Error {
    Error::argument("LSTM: expected two states (h, c)")
}

fn plain_gates(a: &Args) -> Result<Tensor> {
    let x = a.tensor("input")?.linear(&a.tensor("w_ih")?, a.opt_tensor("b_ih")?.as_ref())?;
    x.add(a.tensor("hx")?.linear(&a.tensor("w_hh")?, a.opt_tensor("b_hh")?.as_ref())?)
}

fn gates(a: &Args) -> Result<Tensor> {
    let h = a.tensors("hx")?.into_iter().next().ok_or_else(few)?;
    let x = a.tensor("input")?.linear(&a.tensor("w_ih")?, a.opt_tensor("b_ih")?.as_ref())?;
    x.add(h.linear(&a.tensor("w_hh")?, a.opt_tensor("b_hh")?.as_ref())?)
}

/// The next states of an LSTM, of its gates i f g o; `projection` makes the state smaller than the cell.
fn lstm_step(gates: &Tensor, c: &Tensor, projection: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
    let parts = gates.chunk(4, -1)?;
    let [i, f, g, o] = parts.as_slice() else { return Err(Error::shape(format!("LSTM: unexpected gates {}", gates.ty()))) };
    let c = f.sigmoid()?.mul(c)?.add(i.sigmoid()?.mul(g.tanh()?)?)?;
    let h = o.sigmoid()?.mul(c.tanh()?)?;
    Ok((projection.map_or(Ok(h.clone()), |projection| h.linear(projection, None))?, c))
}

/// A network over sequences of one length.
fn whole(a: &Args, cell: Cell, function: Option<&'static str>, states: &[Tensor]) -> Result<Vec<Tensor>> {
    network(a, (cell, function), &a.tensor("input")?, None, a.flag("batch_first")?, states)
}

/// A network over a packed sequence, which gives another one.
fn packed(a: &Args, cell: Cell, function: Option<&'static str>, states: &[Tensor]) -> Result<Value> {
    let batch = states.first().ok_or_else(few)?.dim(1)?;
    let packed = packed_of(a.view("data")?, a.view("batch_sizes")?, Some(batch))?;
    let mut outputs = network(a, (cell, function), &packed.padded, Some(&packed.lengths), false, states)?.into_iter();
    let padded = outputs.next().ok_or_else(|| Error::internal("the operator has no output"))?;
    Ok(Value::tuple(std::iter::once(holding(&packed, padded)).chain(outputs.map(|state| Ok(state.into()))).collect::<Result<_>>()?))
}

/// All layers of a network, each one node of ONNX; with projections, which ONNX lacks, a scan over the steps.
fn network(
    a: &Args,
    (cell, function): (Cell, Option<&'static str>),
    x: &Tensor,
    lengths: Option<&Tensor>,
    batch_first: bool,
    states: &[Tensor],
) -> Result<Vec<Tensor>> {
    let (params, biases, layers) = (a.tensors("params")?, a.flag("has_biases")?, a.int("num_layers")?);
    let (dropout, train, both) = (a.float("dropout")?, a.flag("train")?, a.flag("bidirectional")?);
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
            op.functions = reverse.iter().map(|_| ActivationFunction { name, alpha: 0.0, beta: 0.0 }).collect();
        }
        x.recurrent(op, &weights, lengths, first)
    })
}

/// One layer of an LSTM with projections, both directions. Behind the end of a sequence its states stay, and its outputs are zero.
fn projected(x: &Tensor, sets: &[Tensor], each: usize, biases: bool, lengths: Option<&Tensor>, first: &[Tensor]) -> Result<Vec<Tensor>> {
    let [h0, c0] = first else { return Err(few()) };
    let (mut sides, mut ends, mut cells) = (Vec::new(), Vec::new(), Vec::new());
    for (d, set) in sets.chunks(each).enumerate() {
        let reversed = |x: Tensor| if d == 1 { x.flip(&[0]) } else { Ok(x) };
        let (input_bias, state_bias) = if biases { (Some(&set[2]), Some(&set[3])) } else { (None, None) };
        let inputs = reversed(x.linear(&set[0], input_bias)?)?;
        let steps = reversed(Tensor::arange(0, &x.dim(0)?, 1, DType::I64)?)?;
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
        sides.push(reversed(outputs.into_iter().next().ok_or_else(few)?)?);
        ends.push(h);
        cells.push(c);
    }
    let stack = |parts: &[Tensor]| Tensor::stack(&parts.iter().collect::<Vec<_>>(), 0);
    Ok(vec![Tensor::cat(&sides.iter().collect::<Vec<_>>(), -1)?, stack(&ends)?, stack(&cells)?])
}

/// The packed sequence that two tensors are: the elements step by step, and how many sequences reach each step. How many sequences there are is
/// said by `batch`, the first states of a network, where the sizes are not a constant.
fn packed_of(data: &View, sizes: &View, batch: Option<Dim>) -> Result<Rc<Packed>> {
    let known = match sizes.sequence() {
        Some(Sequence::Sizes(packed)) => Some(packed),
        _ => None,
    };
    if let (Some(Sequence::Data(packed)), Some(known)) = (data.sequence(), known)
        && packed.is_of(known)
    {
        return Ok(packed.clone());
    }
    let (data, sizes) = (data.read()?, sizes.read()?.cast(DType::I64)?);
    let (sizes, batch, lengths) = match known {
        Some(known) => (known.inside()?.sum(1, false)?, known.batch()?, Some(known.lengths.clone())),
        None => {
            let batch = match batch {
                Some(batch) => batch,
                None => Dim::Fixed(sizes.select(0, 0i64)?.item()?.to_i64()),
            };
            (sizes, batch, None)
        }
    };
    // Each element comes after all those of the steps before, and those of its own step before it.
    let (column, row) = (sizes.unsqueeze(1)?, Tensor::arange(0, &batch, 1, DType::I64)?);
    let inside = row.lt(&column)?;
    let before = column.cumsum(0)?.sub(&column)?;
    let index = before.add(&row)?.mul(inside.cast(DType::I64)?)?;
    let lengths = match lengths {
        Some(lengths) => lengths,
        None => inside.sum(0, false)?,
    };
    Ok(Rc::new(Packed { padded: data.index_select(0, &index)?, lengths }))
}

/// A packed sequence of the same lengths with other elements.
fn holding(packed: &Packed, padded: Tensor) -> Result<Value> {
    let packed = Packed { padded, lengths: packed.lengths.clone() };
    Ok(Value::Tensor(View::sequenced(packed.data()?, Sequence::Data(Rc::new(packed)))))
}

#[cfg(test)]
mod tests {
    use super::super::table::call;
    use super::*;

    fn elements_of(value: &Value) -> Vec<i64> {
        value.view().unwrap().read().unwrap().to_array().unwrap().to_i64s().unwrap()
    }

    #[test]
    fn packing_goes_step_by_step_and_comes_back() {
        // (batch, steps): 1 2 3 and 4 5, padded by 9.
        let x: Value = Tensor::new([2, 4], vec![1i64, 2, 3, 9, 4, 5, 9, 9]).unwrap().into();
        let lengths: Value = Tensor::from(&[3i64, 2]).into();
        let packed = call("_pack_padded_sequence", &[x, lengths, Value::Bool(true)], &[]).unwrap().elements().unwrap();
        assert_eq!((elements_of(&packed[0]), elements_of(&packed[1])), (vec![1, 4, 2, 5, 3], vec![2, 2, 1]));
        // The same where nothing is remembered, and to more steps.
        let bare: Vec<Value> = packed.iter().map(|value| value.view().unwrap().read().unwrap().into()).collect();
        for pair in [packed, bare] {
            let rest = [Value::Bool(true), Value::Int(Dim::Fixed(-7)), Value::Int(Dim::Fixed(-1))];
            let padded = call("_pad_packed_sequence", &[pair.clone(), rest.to_vec()].concat(), &[]).unwrap().elements().unwrap();
            assert_eq!((elements_of(&padded[0]), elements_of(&padded[1])), (vec![1, 2, 3, 4, 5, -7], vec![3, 2]));
            let rest = [Value::Bool(false), Value::Int(Dim::Fixed(0)), Value::Int(Dim::Fixed(5))];
            let padded = call("_pad_packed_sequence", &[pair, rest.to_vec()].concat(), &[]).unwrap().elements().unwrap();
            assert_eq!(elements_of(&padded[0]), [1, 4, 2, 5, 3, 0, 0, 0, 0, 0]);
        }
    }
}
