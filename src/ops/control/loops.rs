//! A computation repeated on its own results.

use super::{Outside, Replay, around, gathered, present, recorded, stacked, tensors, truth, types, varies};
use crate::array::{Array, DType};
use crate::dim::{Dim, Sizes, Type};
use crate::error::{Error, Result};
use crate::graph::{Attributes, Graph, Inputs, Operator};
use crate::onnx::{GraphBuilder, Name};
use crate::ops::iteration_count::IterationCount;
use crate::tensor::{Operand, Tensor, apply};
use std::panic::Location;
use std::sync::Arc;

/// A graph run so often, or as long as it says so. Inputs: how often and whether at all (either may be absent), the state, then what the
/// graph uses besides. The graph gets the number of the iteration, the state and the rest; it gives whether to go on (where that is not certain),
/// the next state, and what is collected iteration by iteration.
///
/// ONNX: [Loop](https://onnx.ai/onnx/operators/onnx__Loop.html)
#[derive(Debug)]
pub struct Loop {
    body: Arc<Graph>,
    /// Whether the body says if it goes on.
    asks: bool,
    state: Vec<Type>,
    /// What each iteration adds.
    items: Vec<Type>,
    /// How many iterations there are, where that is a size.
    iterations: Dim,
}

impl Loop {
    /// The iterations as part of the active trace.
    pub(in crate::ops) fn inline(&self, inputs: &[Option<Tensor>], replay: Replay) -> Result<Vec<Tensor>> {
        let (state, captured) = (2 + self.state.len(), tensors(&inputs[2..])?);
        let (state, captured) = captured.split_at(state - 2);
        let mut body = |iteration: &Tensor, state: &[Tensor]| {
            let mut outputs = replay(&self.body, &[std::slice::from_ref(iteration), state, captured].concat())?;
            let on = self.asks.then(|| outputs.remove(0));
            let items = outputs.split_off(self.state.len());
            Ok(Iteration { on, state: outputs, items })
        };
        let (state, lists) = repeat(inputs[0].as_ref(), inputs[1].as_ref(), state.to_vec(), &mut body)?;
        Ok([state, lists].concat())
    }
}

impl Operator for Loop {
    fn name(&self) -> &'static str {
        "Loop"
    }

    fn attributes(&self) -> Attributes {
        // A number of iterations that depends on data is no attribute.
        let iterations = Some(&self.iterations).filter(|iterations| !iterations.is_unnamed());
        Attributes::new().with("body", &self.body).with("has_condition", self.asks).with_some("iterations", iterations)
    }

    fn is_traced_only(&self) -> bool {
        true
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let wrong = |i: usize, dtype: DType| inputs.opt(i).is_some_and(|ty| ty.dtype != dtype || ty.rank() != 0);
        if wrong(0, DType::I64) || wrong(1, DType::Bool) || inputs.len() + 1 != 2 + self.body.inputs().len() {
            return Err(Error::argument("Loop needs a trip count, a condition and the values its body uses"));
        }
        let lists = self.items.iter().map(|ty| Type::new(ty.dtype, [std::slice::from_ref(&self.iterations), ty.shape.as_ref()].concat()));
        Ok(self.state.iter().cloned().chain(lists).collect())
    }

    fn eval(&self, inputs: &Inputs<Array>, sizes: Sizes) -> Result<Vec<Array>> {
        let (count, sizes) = (self.state.len(), around(sizes)?);
        let mut arguments = vec![Array::scalar(0i64)];
        arguments.extend(present(inputs, 2..inputs.len())?);
        let limit = inputs.opt(0).map(|limit| limit.reshape(&[])?.item()).transpose()?.map(|n| n.to_i64());
        let mut on = inputs.opt(1).map_or(Ok(true), truth)?;
        let mut lists = vec![Vec::new(); self.items.len()];
        let known = (!self.asks && on).then(|| limit.unwrap_or(i64::MAX));
        let mut iterations = IterationCount::start(&arguments, self.body.nodes().len(), known)?;
        let mut iteration = 0;
        while on && limit.is_none_or(|limit| iteration < limit) {
            iterations.count()?;
            arguments[0] = Array::scalar(iteration);
            let mut outputs = self.body.replay_within(&arguments, &sizes)?.into_iter();
            if self.asks {
                on = outputs.next().map_or(Ok(false), |condition| truth(&condition))?;
            }
            for (slot, array) in arguments[1..=count].iter_mut().zip(&mut outputs) {
                *slot = array;
            }
            lists.iter_mut().zip(outputs).for_each(|(list, array)| list.push(array));
            iterations.holds(&arguments[1..=count], lists.iter().filter_map(|list| list.last()))?;
            iteration += 1;
        }
        let mut outputs = arguments.drain(1..=count).collect::<Vec<_>>();
        for (items, ty) in lists.iter().zip(&self.items) {
            outputs.push(stacked(items, ty, &sizes)?);
        }
        Ok(outputs)
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let count = self.state.len();
        let besides = inputs[2 + count..].to_vec();
        let number = |dtype| Type::new(dtype, ());
        let mut declared = vec![("iteration", number(DType::I64)), ("condition", number(DType::Bool))];
        let state = &self.body.inputs()[1..=count];
        declared.extend(state.iter().map(|&id| ("state", self.body.value(id).ty.clone())));
        let body = builder.subgraph("body", &declared, |builder, names| {
            let mut results = self.body.write(builder, &[&names[..1], &names[2..], &besides].concat())?.outputs;
            if !self.asks {
                results.insert(0, names[1].clone());
            }
            Ok(results)
        })?;
        let mut operands = inputs[..2 + count].to_vec();
        if count == 0 && operands[1].is_empty() {
            // ONNX Runtime wants a second operand where there is no state.
            operands[1] = builder.number(DType::Bool, true);
        }
        Ok(builder.node("Loop", &operands).graph("body", body).write(outputs))
    }

    fn is_data_dependent_loop(&self) -> bool {
        true
    }

    fn graphs(&self) -> Vec<&Graph> {
        vec![&self.body]
    }

    fn with_graphs(&self, graphs: Vec<Graph>) -> Option<Arc<dyn Operator>> {
        let [body] = <[Graph; 1]>::try_from(graphs).ok()?;
        let (state, items, iterations) = (self.state.clone(), self.items.clone(), self.iterations.clone());
        Some(Arc::new(Loop { body: Arc::new(body), asks: self.asks, state, items, iterations }))
    }
}

/// What one iteration of a loop gives.
pub(crate) struct Iteration {
    /// Whether to go on; without it the number of iterations alone decides.
    pub(crate) on: Option<Tensor>,
    /// The next state.
    pub(crate) state: Vec<Tensor>,
    /// What is collected: stacked over the iterations.
    pub(crate) items: Vec<Tensor>,
}

impl Iteration {
    fn all(self) -> Result<Vec<Tensor>> {
        let on = self.on.map(|on| on.cast(DType::Bool)?.reshape(())).transpose()?;
        Ok(on.into_iter().chain(self.state).chain(self.items).map(|x| x.strengthened()).collect())
    }
}

/// A loop of ONNX: so many iterations, or as long as its condition holds; gives the last state, and what was collected.
///
/// Where nothing varies from call to call it just runs; else the body is traced once.
#[track_caller]
pub(crate) fn repeat(
    limit: Option<&Tensor>,
    condition: Option<&Tensor>,
    state: Vec<Tensor>,
    body: &mut dyn FnMut(&Tensor, &[Tensor]) -> Result<Iteration>,
) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
    let caller = Location::caller();
    let limit = limit.map(|limit| limit.cast(DType::I64)?.reshape(())).transpose()?;
    let condition = condition.map(|condition| condition.cast(DType::Bool)?.reshape(())).transpose()?;
    let state: Vec<Tensor> = state.iter().map(Tensor::strengthened).collect();
    if !limit.iter().chain(&condition).chain(&state).any(varies)
        && let Some(done) = followed(limit.as_ref(), condition.as_ref(), &state, body)?
    {
        return Ok(done);
    }
    let mut asks = false;
    let first = Tensor::from(Array::scalar(0i64));
    let body = recorded("a loop", [&[first], &state, &[]], caller, &mut |inputs| {
        let iteration = body(&inputs[0], &inputs[1..])?;
        asks = iteration.on.as_ref().is_some_and(|on| varies(on) || on.item().is_ok_and(|on| on.to_f64() == 0.0));
        let iteration = if asks { iteration } else { Iteration { on: None, ..iteration } };
        Ok((usize::from(asks), iteration.all()?))
    })?;
    let skipped = usize::from(asks);
    let mut outside = Outside::new();
    let results = types(&body.graph);
    let iterations =
        limit.as_ref().filter(|_| !asks && condition.is_none()).and_then(|limit| limit.symbolic_values()?.dims.first().cloned());
    let iterations = iterations.map_or_else(|| outside.fresh(), crate::ops::slice::nonnegative);
    let kept: Vec<Type> = body.state.iter().map(|ty| outside.ty(ty)).collect();
    let items = results[skipped + state.len()..].iter().map(|ty| outside.ty(ty)).collect();
    let ends = [limit.as_ref(), condition.as_ref()];
    let inputs: Vec<Option<&Tensor>> = ends.into_iter().chain(state.iter().chain(&body.besides).map(Some)).collect();
    let mut outputs = apply(Loop { body: Arc::new(body.graph), asks, state: kept, items, iterations }, &inputs)?;
    let lists = outputs.split_off(state.len());
    Ok((outputs, lists))
}

/// The last state and what was collected, where the course is known all the way.
fn followed(
    limit: Option<&Tensor>,
    condition: Option<&Tensor>,
    state: &[Tensor],
    body: &mut dyn FnMut(&Tensor, &[Tensor]) -> Result<Iteration>,
) -> Result<Option<(Vec<Tensor>, Vec<Tensor>)>> {
    let limit = limit.map(Tensor::item).transpose()?.map(|n| n.to_i64());
    let mut on = condition.map(Tensor::item).transpose()?.is_none_or(|on| on.to_f64() != 0.0);
    let mut state = state.to_vec();
    let mut iterations = Vec::new();
    let mut count = IterationCount::start(state.iter().filter_map(Tensor::value), 1, None)?;
    while on && limit.is_none_or(|limit| (iterations.len() as i64) < limit) {
        count.count()?;
        let iteration = body(&Tensor::from(Array::scalar(iterations.len() as i64)), &state)?;
        on = match &iteration.on {
            Some(on) if varies(on) => return Ok(None),
            Some(on) => on.reshape(())?.item()?.to_f64() != 0.0,
            None => true,
        };
        state = iteration.state.iter().map(Tensor::strengthened).collect();
        count.holds(state.iter().filter_map(Tensor::value), iteration.items.iter().filter_map(Tensor::value))?;
        iterations.push(iteration.items);
    }
    let given: Vec<Type> = std::iter::once(Type::new(DType::I64, ())).chain(state.iter().map(|x| x.ty().clone())).collect();
    let lists = gathered(iterations, &given, &mut |given| body(&given[0], &given[1..]).map(|iteration| iteration.items))?;
    Ok(Some((state, lists)))
}

/// A computation repeated on its own results as long as it says so: `body` gives whether to go on, and the next state, of the same dtypes and
/// ranks. A size that changes from iteration to iteration depends on data afterwards.
///
/// Where everything is known it just runs; where the condition or the state is traced, the body is traced once and may run any number of
/// times at a call. ONNX: [Loop](https://onnx.ai/onnx/operators/onnx__Loop.html)
///
/// ```
/// use ontrace::{Array, Tensor, trace_fn, while_loop};
/// let x = Tensor::from(&[3.0f32]);
/// let below = |x: &Tensor| x.sum(.., false)?.lt(100.0);
/// let f = |x: Tensor| {
///     let state = while_loop(&below(&x)?, vec![x], |state| {
///         let doubled = state[0].mul(2.0)?;
///         Ok((below(&doubled)?, vec![doubled]))
///     })?;
///     Ok(state[0].clone())
/// };
/// let traced = trace_fn(f, &x)?;
/// assert_eq!(traced.graph().replay(&[Array::vector(vec![60.0f32])])?[0].to_vec::<f32>()?, [120.0]);
/// assert_eq!(traced.graph().replay(&[Array::vector(vec![1.0f32])])?[0].to_vec::<f32>()?, [128.0]);
/// # Ok::<(), ontrace::Error>(())
/// ```
///
/// # Errors
/// [`Argument`](crate::ErrorCode::Argument) where the state changes its dtypes or ranks; [`TooBig`](crate::ErrorCode::TooBig) for a loop that does not
/// end; what the body says.
#[track_caller]
pub fn while_loop(
    condition: &Tensor,
    state: Vec<Tensor>,
    mut body: impl FnMut(&[Tensor]) -> Result<(Tensor, Vec<Tensor>)>,
) -> Result<Vec<Tensor>> {
    let (state, _) = repeat(None, Some(condition), state, &mut |_, state| {
        let (on, state) = body(state)?;
        Ok(Iteration { on: Some(on), state, items: vec![] })
    })?;
    Ok(state)
}

/// A computation repeated so often on its own results: `body` gets the number of the iteration, from 0 on, as an i64 tensor, and gives the next
/// state, of the same dtypes and ranks. The count is a number, a size, or an integer tensor, which may be traced; below 0 it is 0.
///
/// [jax.lax.fori_loop](https://docs.jax.dev/en/latest/_autosummary/jax.lax.fori_loop.html), ONNX
/// [Loop](https://onnx.ai/onnx/operators/onnx__Loop.html)
///
/// ```
/// use ontrace::{Array, Tensor, fori_loop, trace_fn};
/// let f = |n: Tensor| {
///     let one = Tensor::from(Array::scalar(1i64));
///     Ok(fori_loop(&n, vec![one], |i, state| Ok(vec![state[0].mul(i.add(1)?)?]))?.remove(0))
/// };
/// let traced = trace_fn(f, &Tensor::from(Array::scalar(3i64)))?;
/// assert_eq!(traced.graph().replay(&[Array::scalar(10i64)])?[0].to_vec::<i64>()?, [3628800]);
/// assert_eq!(traced.graph().replay(&[Array::scalar(0i64)])?[0].to_vec::<i64>()?, [1]);
/// # Ok::<(), ontrace::Error>(())
/// ```
///
/// # Errors
/// As [`while_loop`].
#[track_caller]
pub fn fori_loop(
    count: impl Operand,
    state: Vec<Tensor>,
    mut body: impl FnMut(&Tensor, &[Tensor]) -> Result<Vec<Tensor>>,
) -> Result<Vec<Tensor>> {
    let count = count.into_tensor()?.strengthened();
    let mut body = |iteration: &Tensor, state: &[Tensor]| Ok(Iteration { on: None, state: body(iteration, state)?, items: vec![] });
    let (state, _) = repeat(Some(&count), None, state, &mut body)?;
    Ok(state)
}

/// What the laws are tried on.
#[cfg(test)]
pub(in crate::ops) fn examples() -> Vec<crate::ops::examples::Case> {
    use crate::ops::examples::*;

    cases! {
        "while_loop", [of(DType::F32, &[3], 0.5, 2.0)], |x| {
            let below = |x: &Tensor| x.sum(.., false)?.lt(100.0);
            while_loop(&below(&x[0])?, vec![x[0].clone()], |state| {
                let doubled = state[0].mul(2.0)?;
                Ok((below(&doubled)?, vec![doubled]))
            })
        };
        "fori_loop", [these(DType::I64, &[], &[3.0]), floats(&[2, 3])], |x| {
            fori_loop(&x[0], vec![x[1].clone()], |i, state| one(state[0].mul(0.5)?.add(i.cast(DType::F32)?)?))
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::LoopBudget;
    use crate::{ErrorCode, trace_fn};

    #[test]
    fn a_loop_whose_state_doubles_ends_before_its_values_take_more_than_the_file_justifies() {
        let count = |n: i64| Tensor::from(Array::scalar(n));
        let doubled =
            |(n, x): (Tensor, Tensor)| Ok(fori_loop(&n, vec![x], |_, state| Ok(vec![Tensor::cat(&[&state[0], &state[0]], 0)?]))?.remove(0));
        let x = Tensor::ones([4], DType::F32).unwrap();
        let traced = trace_fn(doubled, &(count(2), x.clone())).unwrap();
        let replayed = |n: i64| {
            let _budget = LoopBudget::of_file(0);
            let outputs = traced.graph().replay(&[Array::scalar(n), x.to_array().unwrap()]);
            outputs.map(|outputs| outputs[0].len()).map_err(|error| (error.code(), error.message().to_string()))
        };
        let refused = || (ErrorCode::TooBig, "the values of a loop take 268 MB, the limit is 134 MB".to_string());
        assert_eq!((replayed(10), replayed(40)), (Ok(4096), Err(refused())));
        let _budget = LoopBudget::of_file(0);
        let error = doubled((count(40), x.clone())).unwrap_err();
        assert_eq!((error.code(), error.message().to_string()), refused());
    }

    #[test]
    fn what_a_loop_collects_counts_with_what_it_was_given() {
        let refused = |given: usize, each: usize| {
            let _budget = LoopBudget::of_file(0);
            let (x, item) = (Array::vector(vec![0f32; given]), Array::vector(vec![0u8; each]));
            let mut count = IterationCount::start([&x], 1, None).unwrap();
            (0..200).position(|_| count.holds([&x], [&item]).is_err())
        };
        assert_eq!(refused(0, 1 << 20), Some(128));
        // 64 times 1 MB more.
        assert_eq!(refused(1 << 18, 1 << 20), Some(191));
    }
}
