//! A computation done for each index of the first axis, in order.

use super::{FEW, Iteration, Outside, Replay, around, gathered, location_of, present, recorded, repeat, stacked, tensors, types, varies};
use crate::array::Array;
use crate::dim::{Dim, Shape, Sizes, Type};
use crate::error::{Error, Result, ResultExt};
use crate::graph::{Attributes, Graph, Inputs, Operator};
use crate::onnx::{GraphBuilder, Name};
use crate::ops::iteration_count::IterationCount;
use crate::tensor::{Tensor, apply};
use std::panic::Location;
use std::sync::Arc;

/// A graph run for each index of the first axis of some inputs. Inputs: the state, what is cut, then what the graph uses besides. The graph
/// gets the state, the slices and the rest; it gives the next state, and what is stacked.
///
/// ONNX: [Scan](https://onnx.ai/onnx/operators/onnx__Scan.html)
#[derive(Debug)]
pub struct Scan {
    body: Arc<Graph>,
    state: Vec<Type>,
    /// How many inputs are cut.
    cut: usize,
    /// What each step adds.
    items: Vec<Type>,
}

/// The size that the first axes of the inputs share.
fn steps<'a>(shapes: impl IntoIterator<Item = &'a Shape>) -> Result<Dim> {
    let mut shapes = shapes.into_iter();
    let first = |shape: &Shape| shape.first().cloned().ok_or_else(|| Error::shape("cannot scan over a tensor of rank 0"));
    let length =
        first(shapes.next().ok_or_else(|| Error::argument("scan needs a tensor to iterate over").help("`fori_loop` counts by itself"))?)?;
    for shape in shapes {
        let other = first(shape)?;
        if other != length {
            return Err(Error::shape(format!("the scanned tensors have different sizes: {length} and {other}")));
        }
    }
    Ok(length)
}

impl Scan {
    /// The steps as part of the active trace.
    pub(in crate::ops) fn inline(&self, inputs: &[Option<Tensor>], replay: Replay) -> Result<Vec<Tensor>> {
        let (count, inputs) = (self.state.len(), tensors(inputs)?);
        let (xs, captured) = inputs[count..].split_at(self.cut);
        let (carry, stacks) = scan(inputs[..count].to_vec(), xs, |carry, slices| {
            let mut outputs = replay(&self.body, &[carry, slices, captured].concat())?;
            let items = outputs.split_off(count);
            Ok((outputs, items))
        })?;
        Ok([carry, stacks].concat())
    }
}

impl Operator for Scan {
    fn name(&self) -> &'static str {
        "Scan"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("body", &self.body).with("num_scan_inputs", self.cut)
    }

    fn is_traced_only(&self) -> bool {
        true
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let first = self.state.len();
        if inputs.len() != self.body.inputs().len() {
            return Err(Error::argument(format!("scan got {} inputs, its body needs {}", inputs.len(), self.body.inputs().len())));
        }
        let cut = (first..first + self.cut).map(|i| inputs.at(i).map(|ty| &ty.shape)).collect::<Result<Vec<_>>>()?;
        let length = steps(cut)?;
        let stacks = self.items.iter().map(|ty| Type::new(ty.dtype, [std::slice::from_ref(&length), ty.shape.as_ref()].concat()));
        Ok(self.state.iter().cloned().chain(stacks).collect())
    }

    fn eval(&self, inputs: &Inputs<Array>, sizes: Sizes) -> Result<Vec<Array>> {
        let (count, sizes) = (self.state.len(), around(sizes)?);
        let cut = present(inputs, count..count + self.cut)?;
        let mut arguments = present(inputs, 0..inputs.len())?;
        let length = cut.first().and_then(|x| x.shape().first().copied()).unwrap_or(0);
        let mut iterations = IterationCount::start(&arguments, self.body.nodes().len(), Some(i64::try_from(length).unwrap_or(i64::MAX)))?;
        let mut stacks = vec![Vec::new(); self.items.len()];
        for step in 0..length {
            iterations.count()?;
            for (slot, x) in arguments[count..].iter_mut().zip(&cut) {
                *slot = x.slice(0, step, 1, 1)?.reshape(&x.shape()[1..])?;
            }
            let mut outputs = self.body.replay_within(&arguments, &sizes)?.into_iter();
            for (slot, array) in arguments[..count].iter_mut().zip(&mut outputs) {
                *slot = array;
            }
            stacks.iter_mut().zip(outputs).for_each(|(stack, array)| stack.push(array));
            iterations.holds(&arguments[..count], stacks.iter().filter_map(|stack| stack.last()))?;
        }
        arguments.truncate(count);
        for (items, ty) in stacks.iter().zip(&self.items) {
            arguments.push(stacked(items, ty, &sizes)?);
        }
        Ok(arguments)
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let given = self.state.len() + self.cut;
        let besides = inputs[given..].to_vec();
        let name = |i: usize| if i < self.state.len() { "state" } else { "slice" };
        let ids = self.body.inputs()[..given].iter().enumerate();
        let declared: Vec<_> = ids.map(|(i, &id)| (name(i), self.body.value(id).ty.clone())).collect();
        let body =
            builder.subgraph("body", &declared, |builder, names| Ok(self.body.write(builder, &[names, &besides].concat())?.outputs))?;
        Ok(builder.node("Scan", &inputs[..given]).graph("body", body).int("num_scan_inputs", self.cut as i64).write(outputs))
    }

    fn graphs(&self) -> Vec<&Graph> {
        vec![&self.body]
    }

    fn with_graphs(&self, graphs: Vec<Graph>) -> Option<Arc<dyn Operator>> {
        let [body] = <[Graph; 1]>::try_from(graphs).ok()?;
        Some(Arc::new(Scan { body: Arc::new(body), state: self.state.clone(), cut: self.cut, items: self.items.clone() }))
    }
}

/// A computation done for each index of the first axis of `xs`, in order: `body` gets the carry and the slices, and gives the next carry, of
/// the same dtypes and ranks, and what is stacked over the steps. The carry at the end, and the stacks.
///
/// Where everything is known it just runs; where the carry, `xs` or their size is traced, the body is traced once and does any number of
/// steps at a call. It may use any tensor.
///
/// [jax.lax.scan](https://docs.jax.dev/en/latest/_autosummary/jax.lax.scan.html), ONNX
/// [Scan](https://onnx.ai/onnx/operators/onnx__Scan.html)
///
/// ```
/// use ontrace::{Array, Example, Tensor, module, scan, trace};
/// let x = Tensor::from(&[1.0f32, 2.0, 3.0]);
/// let f = module::from_fn(|x: Tensor| {
///         let zero = Tensor::from(Array::scalar(0.0f32));
///         let (_, sums) = scan(vec![zero], &[x], |carry, x| {
///             let sum = carry[0].add(&x[0])?;
///             Ok((vec![sum.clone()], vec![sum]))
///         })?;
///         Ok(sums[0].clone())
///     });
/// let traced = trace(&f, Example::new().input("x", &x).symbolic("x", 0, "steps")?)?;
/// let sums = traced.graph().replay(&[Array::vector(vec![1.0f32, 1.0, 1.0, 1.0])])?;
/// assert_eq!(sums[0].to_vec::<f32>()?, [1.0, 2.0, 3.0, 4.0]);
/// # Ok::<(), ontrace::Error>(())
/// ```
///
/// # Errors
/// [`Argument`](crate::ErrorCode::Argument) where there is no `xs` or the carry changes its dtypes or ranks; [`Shape`](crate::ErrorCode::Shape) where
/// the `xs` differ in length; what the body says.
#[track_caller]
pub fn scan(
    carry: Vec<Tensor>,
    xs: &[Tensor],
    mut body: impl FnMut(&[Tensor], &[Tensor]) -> Result<(Vec<Tensor>, Vec<Tensor>)>,
) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
    scan_dyn(carry, xs, &mut body)
}

/// What a step of a scan does: with the carry and the slices, to the next carry and what is stacked.
type ScanStep<'a> = dyn FnMut(&[Tensor], &[Tensor]) -> Result<(Vec<Tensor>, Vec<Tensor>)> + 'a;

/// [`scan`], compiled once.
#[track_caller]
fn scan_dyn(carry: Vec<Tensor>, xs: &[Tensor], body: &mut ScanStep) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
    let caller = Location::caller();
    let length = steps(xs.iter().map(Tensor::shape)).map_err(|error| error.at(location_of(caller)))?;
    let state: Vec<Tensor> = carry.iter().map(Tensor::strengthened).collect();
    let count = state.len();
    if !state.iter().chain(xs).any(varies)
        && let Some(length) = length.fixed()
    {
        return followed(state, xs, length, body);
    }
    // The first slice is the example of all.
    let slices = xs.iter().map(|x| {
        let ty = Type::new(x.dtype(), &x.shape()[1..]);
        let first = x.value().filter(|x| x.shape()[0] > 0).map(|x| x.slice(0, 0, 1, 1)?.reshape(&x.shape()[1..])).transpose()?;
        Ok(first.map_or_else(|| Tensor::of_type(ty.clone()), |first| Tensor::from(first).retyped(ty.clone())))
    });
    let slices = slices.collect::<Result<Vec<_>>>()?;
    let recorded = recorded("a scan", [&[], &state, &slices], caller, &mut |inputs| {
        let (carry, items) = body(&inputs[..count], &inputs[count..])?;
        Ok((0, carry.iter().chain(&items).map(Tensor::strengthened).collect()))
    })?;
    if recorded.changes {
        // A Scan of ONNX keeps the shapes of its state; a Loop does not.
        return repeat(Some(&Tensor::from_dim(&length)), None, state, &mut |iteration, state| {
            let slices = xs.iter().map(|x| x.index_select(0, iteration)).collect::<Result<Vec<_>>>()?;
            let (state, items) = body(state, &slices)?;
            Ok(Iteration { on: None, state, items })
        });
    }
    let mut outside = Outside::new();
    let items = types(&recorded.graph)[count..].iter().map(|ty| outside.ty(ty)).collect();
    let inputs: Vec<Option<&Tensor>> = state.iter().chain(xs).chain(&recorded.besides).map(Some).collect();
    let mut outputs = apply(Scan { body: Arc::new(recorded.graph), state: recorded.state, cut: xs.len(), items }, &inputs)?;
    let stacks = outputs.split_off(count);
    Ok((outputs, stacks))
}

/// As [`scan`] for a program that is read: a few steps of known number are written out, which a runtime optimises better.
#[track_caller]
pub(crate) fn read_scan(
    carry: Vec<Tensor>,
    xs: &[Tensor],
    mut body: impl FnMut(&[Tensor], &[Tensor]) -> Result<(Vec<Tensor>, Vec<Tensor>)>,
) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
    match steps(xs.iter().map(Tensor::shape))?.fixed() {
        Some(length) if length <= FEW => followed(carry, xs, length, &mut body),
        _ => scan_dyn(carry, xs, &mut body),
    }
}

/// The steps done one after the other.
fn followed(mut state: Vec<Tensor>, xs: &[Tensor], length: i64, body: &mut ScanStep) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
    let mut steps = Vec::new();
    let mut count = IterationCount::start(state.iter().chain(xs).filter_map(Tensor::value), 1, Some(length))?;
    for step in 0..length {
        count.count()?;
        let slices = xs.iter().map(|x| x.select(0, step)).collect::<Result<Vec<_>>>()?;
        let (next, items) = body(&state, &slices).at(format!("step {step}"))?;
        state = next.iter().map(Tensor::strengthened).collect();
        count.holds(state.iter().filter_map(Tensor::value), items.iter().filter_map(Tensor::value))?;
        steps.push(items);
    }
    let slices = xs.iter().map(|x| Type::new(x.dtype(), &x.shape()[1..]));
    let (count, given) = (state.len(), state.iter().map(|x| x.ty().clone()).chain(slices).collect::<Vec<_>>());
    let stacks = gathered(steps, &given, &mut |given| body(&given[..count], &given[count..]).map(|step| step.1))?;
    Ok((state, stacks))
}

/// A computation done for each index of the first axis of `xs`, each for itself: what `body` gives for the slices is stacked.
///
/// [torch.map](https://docs.pytorch.org/docs/stable/higher_order_ops.html); ONNX: [Scan](https://onnx.ai/onnx/operators/onnx__Scan.html)
/// without a state.
///
/// ```
/// use ontrace::{Array, Tensor, map, trace_fn};
/// let x = Tensor::new([2, 2], vec![1.0f32, 2.0, 3.0, 5.0])?;
/// let f = |x: Tensor| Ok(map(&[x], |row| Ok(vec![row[0].sum(.., false)?]))?.remove(0));
/// assert_eq!(trace_fn(f, &x)?.graph().replay(&[x.to_array()?])?[0].to_vec::<f32>()?, [3.0, 8.0]);
/// # Ok::<(), ontrace::Error>(())
/// ```
///
/// # Errors
/// As [`scan`].
#[track_caller]
pub fn map(xs: &[Tensor], mut body: impl FnMut(&[Tensor]) -> Result<Vec<Tensor>>) -> Result<Vec<Tensor>> {
    Ok(scan(vec![], xs, |_, slices| Ok((vec![], body(slices)?)))?.1)
}

/// What the laws are tried on.
#[cfg(test)]
pub(in crate::ops) fn examples() -> Vec<crate::ops::examples::Case> {
    use crate::ops::examples::*;

    cases! {
        "scan", [floats(&[4, 3]), floats(&[3])], |x| {
            let (carry, sums) = scan(vec![x[1].clone()], &x[..1], |carry, row| {
                let sum = carry[0].add(&row[0])?;
                Ok((vec![sum.clone()], vec![sum.sum(.., false)?]))
            })?;
            Ok([carry, sums].concat())
        };
        "map", [floats(&[4, 3]), floats(&[3])], |x| map(&x[..1], |row| one(row[0].mul(&x[1])?.tanh()?));
    }
}
