//! A recurrent network as one node of tract's plan, its weights laid out.

use super::kernel_nodes::{Kernels, with_nodes};
use super::packed_matmul::room;
use super::panic::from_ours;
use crate::array::{Array, DType};
use crate::error::{Error, Result};
use crate::kernels::packed_recurrent::{PackedRecurrent, RecurrentRun};
use crate::kernels::recurrent::Cell;
use crate::onnx::proto::NodeProto;
use crate::onnx::{Model, Node};
use crate::ops::OpRegistry;
use ndarray::{Ix2, Ix3};
use std::sync::Arc;
use tract_onnx::tract_hir::internal::*;

/// A model whose recurrent networks are nodes of ours where a packed kernel suits them; `None` where it has none.
///
/// # Errors
/// [`TooBig`](crate::ErrorCode::TooBig) where there is no room for weights.
pub(super) fn with_recurrent(model: &Model, operators: &OpRegistry, kernels: &mut Kernels) -> Result<Option<Model>> {
    let Some(graph) = &model.proto.graph else { return Ok(None) };
    let network = |node| Ok(RecurrentKernel::of(node, model)?.map(|(kernel, inputs)| (RecurrentOp(kernel), inputs)));
    Ok(kernels.in_place(graph, operators, network)?.map(|nodes| with_nodes(model, nodes, vec![])))
}

/// A recurrent network: a kernel for each direction. Inputs: x and, where they are given, the first states.
#[derive(Clone, Debug)]
pub(super) struct RecurrentKernel {
    directions: Arc<[PackedRecurrent]>,
    /// Which of the results the node has: all states, the last one, the last second one.
    results: [bool; 3],
    /// How many first states are given.
    given: usize,
}

impl RecurrentKernel {
    /// The kernel of a node, and its inputs; `None` where it is of another kind.
    fn of(node: &NodeProto, model: &Model) -> Result<Option<(RecurrentKernel, Vec<String>)>> {
        let node = Node::new(node, 0);
        let cell = match node.op_type() {
            "LSTM" => Cell::Lstm { coupled: node.int("input_forget", 0)? != 0 },
            "GRU" => Cell::Gru { reset_after: node.int("linear_before_reset", 0)? != 0 },
            "RNN" => Cell::Rnn,
            _ => return Ok(None),
        };
        let reverse: &[bool] = match node.string("direction", "forward")? {
            "forward" => &[false],
            "reverse" => &[true],
            _ => &[false, true],
        };
        let plain = node.strings("activations")?.is_none() && node.find_float("clip")?.is_none() && node.int("layout", 0)? == 0;
        let present = |i: usize| node.input(i).is_some();
        let states: Vec<&str> = [5, 6].into_iter().filter_map(|i| node.input(i)).collect();
        let all_or_none = present(5) == present(6) || !matches!(cell, Cell::Lstm { .. });
        if node.domain() != "" || !plain || !PackedRecurrent::suits(cell) || present(4) || present(7) || !all_or_none {
            return Ok(None);
        }
        let constant = |i: usize, rank: usize| {
            node.input(i).and_then(|name| model.initializer(name)).filter(|array| array.dtype() == DType::F32 && array.rank() == rank)
        };
        let (Some(x), Some(w), Some(r)) = (node.input(0), constant(1, 3), constant(2, 3)) else { return Ok(None) };
        let bias = constant(3, 2);
        let fits = |array: &Array| array.shape().first() == Some(&reverse.len());
        if present(3) != bias.is_some() || ![Some(w), Some(r), bias].into_iter().flatten().all(fits) {
            return Ok(None);
        }
        let misfit = |error: ndarray::ShapeError| Error::internal(error.to_string());
        let (w, r, bias) = (w.view::<f32>()?, r.view::<f32>()?, bias.map(Array::view::<f32>).transpose()?);
        let (w, r) = (w.view().into_dimensionality::<Ix3>().map_err(misfit)?, r.view().into_dimensionality::<Ix3>().map_err(misfit)?);
        let bias = bias.as_ref().map(|bias| bias.view().into_dimensionality::<Ix2>().map_err(misfit)).transpose()?;
        let mut directions = Vec::new();
        for (i, &reverse) in reverse.iter().enumerate() {
            let weights = (w.index_axis(ndarray::Axis(0), i), r.index_axis(ndarray::Axis(0), i));
            let Ok(packed) = PackedRecurrent::new(cell, reverse, weights, bias.as_ref().map(|bias| bias.row(i))) else { return Ok(None) };
            directions.push(packed);
        }
        let mut results = [false; 3];
        node.outputs().zip(&mut results).for_each(|(name, result)| *result = name.is_some());
        let inputs = [&[x], &states[..]].concat().into_iter().map(str::to_string).collect();
        Ok(Some((RecurrentKernel { directions: directions.into(), results, given: states.len() }, inputs)))
    }

    fn hidden(&self) -> usize {
        self.directions[0].dim().1
    }

    /// The shapes of the results that the node has, for inputs of this shape.
    fn shapes(&self, x: &[TDim]) -> TractResult<TVec<TVec<TDim>>> {
        ensure!(x.len() == 3, "expected inputs of shape (steps, batch, inputs)");
        let (directions, hidden) = (self.directions.len().to_dim(), self.hidden().to_dim());
        let state: TVec<TDim> = tvec![directions.clone(), x[1].clone(), hidden.clone()];
        let all = tvec![x[0].clone(), directions, x[1].clone(), hidden];
        Ok([all, state.clone(), state].into_iter().zip(self.results).filter(|result| result.1).map(|result| result.0).collect())
    }
}

/// A recurrent network as it stands in tract's plan.
#[derive(Clone, Debug)]
pub(super) struct RecurrentOp(pub(super) RecurrentKernel);

impl PartialEq for RecurrentOp {
    fn eq(&self, other: &RecurrentOp) -> bool {
        Arc::ptr_eq(&self.0.directions, &other.0.directions) && self.0.results == other.0.results
    }
}

impl Eq for RecurrentOp {}

impl Expansion for RecurrentOp {
    fn name(&self) -> StaticName {
        Op::name(self)
    }

    fn nboutputs(&self) -> TractResult<usize> {
        Ok(self.0.results.into_iter().filter(|result| *result).count())
    }

    fn rules<'r, 'p: 'r, 's: 'r>(&'s self, s: &mut Solver<'r>, inputs: &'p [TensorProxy], outputs: &'p [TensorProxy]) -> InferenceResult {
        for output in outputs {
            s.equals(&output.datum_type, f32::datum_type())?;
        }
        s.given(&inputs[0].shape, move |s, shape| {
            for (output, shape) in outputs.iter().zip(self.0.shapes(&shape)?) {
                s.equals(&output.shape, shape)?;
            }
            Ok(())
        })
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        model.wire_node(prefix, self.clone(), inputs)
    }
}

impl Op for RecurrentOp {
    fn name(&self) -> StaticName {
        "ontrace.Recurrent".into()
    }

    op_as_typed_op!();
}

impl EvalOp for RecurrentOp {
    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let RecurrentKernel { directions, results, given } = &self.0;
        let &[steps, batch, _] = inputs[0].shape() else { bail!("expected inputs of shape (steps, batch, inputs)") };
        let (hidden, plain) = (self.0.hidden(), inputs[0].try_as_plain_ram()?);
        let x = plain.as_slice::<f32>()?;
        let state = batch * hidden;
        let first = |i: usize| -> TractResult<Vec<f32>> {
            if i >= *given {
                return Ok(vec![0.0; directions.len() * state]);
            }
            let plain = inputs[1 + i].try_as_plain_ram()?;
            let values = plain.as_slice::<f32>()?;
            ensure!(values.len() == directions.len() * state, "a first state of shape {:?}", inputs[1 + i].shape());
            Ok(values.to_vec())
        };
        let (mut h, mut c) = (first(0)?, if directions[0].is_lstm() { first(1)? } else { Vec::new() });
        let shape = [steps, directions.len(), batch, hidden];
        crate::array::room::<f32>(crate::array::count(&shape).map_err(from_ours)?).map_err(from_ours)?;
        let mut y = room(&shape)?;
        let mut plain = y.try_as_plain_ram_mut()?;
        let all = plain.as_slice_mut::<f32>()?;
        let apart = directions.len() * state;
        for (i, direction) in directions.iter().enumerate() {
            let own = i * state..(i + 1) * state;
            let c = if direction.is_lstm() { &mut c[own.clone()] } else { &mut [] };
            let y = if all.is_empty() { &mut [] } else { &mut all[i * state..] };
            direction.run(RecurrentRun { x, steps, batch, h: &mut h[own], c, y, apart }).map_err(from_ours)?;
        }
        let last = [directions.len(), batch, hidden];
        let mut outputs = tvec![];
        if results[0] {
            outputs.push(y.into_tvalue());
        }
        for (result, values) in results[1..].iter().zip([h, c]) {
            if *result {
                outputs.push(Tensor::from_shape(&last, &values)?.into_tvalue());
            }
        }
        Ok(outputs)
    }

    op_out_of_plan!();
}

impl TypedOp for RecurrentOp {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(self.0.shapes(&inputs[0].shape.to_tvec())?.into_iter().map(f32::fact).collect())
    }

    as_op!();
}

#[cfg(test)]
mod tests {
    use crate::array::{Tolerance, compare};
    use crate::ops::{Cell, Recurrent, RecurrentWeights};
    use crate::runtime::{Session, noise};
    use crate::{Array, Tensor, trace_fn};

    #[test]
    fn networks_in_one_direction_and_in_both_are_one_node() {
        for (cell, gates) in [(Cell::Rnn, 1), (Cell::Gru { reset_after: true }, 3), (Cell::Lstm { coupled: false }, 4)] {
            for reverse in [vec![false], vec![true], vec![false, true]] {
                let weights: Vec<RecurrentWeights> = (0..reverse.len())
                    .map(|i| RecurrentWeights {
                        input: noise(&[gates * 6, 4], i as u64 + 1),
                        state: noise(&[gates * 6, 6], i as u64 + 3),
                        biases: Some((noise(&[gates * 6], 5), noise(&[gates * 6], 6))),
                    })
                    .collect();
                let states: Vec<Tensor> = (0..if gates == 4 { 2 } else { 1 }).map(|i| noise(&[reverse.len(), 2, 6], 7 + i)).collect();
                let network = |x: Tensor| x.recurrent(Recurrent::new(cell, reverse.clone())?, &weights, None, &states);
                let x = noise(&[5, 2, 4], 0);
                let session: Session = trace_fn(network, &x).unwrap().session().unwrap();
                let input: Array = x.to_array().unwrap();
                let got = session.run(std::slice::from_ref(&input)).unwrap();
                for (got, expected) in got.iter().zip(network(x.clone()).unwrap()) {
                    let close = compare(got, &expected.to_array().unwrap(), Tolerance { abs: 3e-6, rel: 0.0 }).unwrap();
                    assert!(close.agrees, "{cell:?}, reverse {reverse:?}");
                }
                let operators = session.compile(&[input.shape().to_vec()]).unwrap().operators();
                assert!(operators.iter().any(|name| name == "ontrace.Recurrent"), "{operators:?}");
            }
        }
    }
}
