//! Branches and loops whose course depends on data: both branches, or the body, are recorded as graphs of their own.

use crate::array::{Array, DType};
use crate::dim::{Dim, Sizes, Type};
use crate::error::{Error, Result};
use crate::graph::{Graph, Inputs, Operator};
use crate::onnx::{Name, Pen};
use crate::tensor::{Recorder, Tensor, apply};

/// How often a loop may turn: a program that is read is not trusted to end.
const LONGEST: usize = 1 << 24;

/// One of two graphs. Inputs: the condition, then what the first graph uses, then what the second does.
///
/// ONNX: [If](https://onnx.ai/onnx/operators/onnx__If.html), whose graphs use outer values by name.
#[derive(Debug)]
pub struct If {
    then: Graph,
    otherwise: Graph,
    types: Vec<Type>,
}

/// A graph run as long as its first output is true. Inputs: the condition, the state, then what the graph uses besides.
///
/// ONNX: [Loop](https://onnx.ai/onnx/operators/onnx__Loop.html)
#[derive(Debug)]
pub struct Loop {
    body: Graph,
    state: Vec<Type>,
}

/// The arrays among inputs that must all be there.
fn present(inputs: &Inputs<Array>, range: std::ops::Range<usize>) -> Result<Vec<Array>> {
    range.map(|i| inputs.at(i).cloned()).collect()
}

/// The lengths among the attributes of the operators inside.
fn inner(graph: &Graph) -> impl Iterator<Item = &Dim> {
    graph.nodes().iter().flat_map(|node| node.op.dims())
}

fn truth(array: &Array) -> Result<bool> {
    array.reshape(&[])?.item().map(|x| x.to_f64() != 0.0)
}

impl Operator for If {
    fn name(&self) -> &'static str {
        "If"
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let condition = inputs.at(0)?;
        if condition.dtype != DType::Bool || inputs.len() != 1 + self.then.inputs().len() + self.otherwise.inputs().len() {
            return Err(Error::argument(format!("a branch on {condition}")));
        }
        Ok(self.types.clone())
    }

    fn eval(&self, inputs: &Inputs<Array>, sizes: Sizes) -> Result<Vec<Array>> {
        let first = 1 + self.then.inputs().len();
        if truth(inputs.at(0)?)? {
            self.then.replay_within(&present(inputs, 1..first)?, sizes)
        } else {
            self.otherwise.replay_within(&present(inputs, first..inputs.len())?, sizes)
        }
    }

    fn lower(&self, pen: &mut Pen, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let first = 1 + self.then.inputs().len();
        let then = pen.subgraph("then", &[], |pen, _| Ok(self.then.write(pen, &inputs[1..first])?.outputs))?;
        let otherwise = pen.subgraph("else", &[], |pen, _| Ok(self.otherwise.write(pen, &inputs[first..])?.outputs))?;
        Ok(pen.node("If", &inputs[..1]).graph("then_branch", then).graph("else_branch", otherwise).write(outputs))
    }

    fn dims(&self) -> Vec<&Dim> {
        inner(&self.then).chain(inner(&self.otherwise)).collect()
    }
}

impl Operator for Loop {
    fn name(&self) -> &'static str {
        "Loop"
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let condition = inputs.at(0)?;
        if condition.dtype != DType::Bool || inputs.len() != 1 + self.body.inputs().len() {
            return Err(Error::argument(format!("a loop while {condition}")));
        }
        Ok(self.state.clone())
    }

    fn eval(&self, inputs: &Inputs<Array>, sizes: Sizes) -> Result<Vec<Array>> {
        let count = self.state.len();
        let mut state = present(inputs, 1..1 + count)?;
        let besides = present(inputs, 1 + count..inputs.len())?;
        let mut on = truth(inputs.at(0)?)?;
        let mut turns = 0;
        while on {
            turns += 1;
            if turns > LONGEST {
                return Err(Error::too_big(format!("more than {LONGEST} turns of a loop")));
            }
            let mut outputs = self.body.replay_within(&[state, besides.clone()].concat(), sizes)?.into_iter();
            on = outputs.next().map_or(Ok(false), |condition| truth(&condition))?;
            state = outputs.collect();
        }
        Ok(state)
    }

    fn lower(&self, pen: &mut Pen, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let count = self.state.len();
        let besides = inputs[1 + count..].to_vec();
        let mut declared =
            vec![("iteration", Type::new(DType::I64, Vec::<Dim>::new())), ("condition", Type::new(DType::Bool, Vec::<Dim>::new()))];
        declared.extend(self.state.iter().map(|ty| ("state", ty.clone())));
        let body = pen.subgraph("body", &declared, |pen, names| Ok(self.body.write(pen, &[&names[2..], &besides].concat())?.outputs))?;
        let operands = [&[Name::from("")], &inputs[..1 + count]].concat();
        Ok(pen.node("Loop", &operands).graph("body", body).write(outputs))
    }

    fn dims(&self) -> Vec<&Dim> {
        inner(&self.body).collect()
    }
}

/// What both branches give: where lengths differ, one that depends on data.
fn unified(then: &[Type], otherwise: &[Type]) -> Result<Vec<Type>> {
    if then.len() != otherwise.len() {
        return Err(Error::argument(format!("{} results of one branch, {} of the other", then.len(), otherwise.len())));
    }
    let mut unnamed = 0;
    let both = |(a, b): (&Type, &Type)| {
        if a.dtype != b.dtype || a.rank() != b.rank() {
            return Err(Error::argument(format!("one branch gives {a}, the other {b}")).help("a result has one dtype and one rank"));
        }
        let dims = a.shape.iter().zip(b.shape.iter()).map(|(a, b)| {
            if a == b {
                return a.clone();
            }
            unnamed += 1;
            Dim::of_data(unnamed - 1)
        });
        Ok(Type::new(a.dtype, dims.collect::<Vec<_>>()))
    };
    then.iter().zip(otherwise).map(both).collect()
}

fn types(graph: &Graph) -> Vec<Type> {
    graph.outputs().iter().map(|&id| graph.value(id).ty.clone()).collect()
}

/// One of two computations. Where the condition is known, that one just runs; where it is traced, both are recorded and the choice is made at
/// every call. They may use any tensor; their results have the same number, dtypes and ranks.
///
/// [torch.cond](https://pytorch.org/docs/stable/generated/torch.cond.html), ONNX [If](https://onnx.ai/onnx/operators/onnx__If.html)
///
/// ```
/// use ontrace::{Array, Tensor, cond, trace_fn};
/// let x = Tensor::from(&[1.0f32, 2.0]);
/// let f = |x: Tensor| {
///     let large = x.sum(None, false)?.gt(10.0)?;
///     Ok(cond(&large, || Ok(vec![x.mul(0.5)?]), || Ok(vec![x.add(1.0)?]))?.remove(0))
/// };
/// let traced = trace_fn(f, &x)?;
/// assert_eq!(traced.graph().replay(&[Array::vector(vec![3.0f32, 4.0])])?[0].to_vec::<f32>()?, [4.0, 5.0]);
/// assert_eq!(traced.graph().replay(&[Array::vector(vec![30.0f32, 4.0])])?[0].to_vec::<f32>()?, [15.0, 2.0]);
/// # Ok::<(), ontrace::Error>(())
/// ```
///
/// # Errors
/// [`Argument`](crate::Code::Argument) where the condition is no truth value or the results differ in kind; what the computations say.
#[track_caller]
pub fn cond(
    condition: &Tensor,
    then: impl FnOnce() -> Result<Vec<Tensor>>,
    otherwise: impl FnOnce() -> Result<Vec<Tensor>>,
) -> Result<Vec<Tensor>> {
    let condition = condition.cast(DType::Bool)?.reshape::<i64>(&[])?;
    if !condition.is_traced() {
        return if condition.item()?.to_f64() != 0.0 { then() } else { otherwise() };
    }
    let recorder = Recorder::open_body();
    let (then, first) = recorder.finish_body(&then()?)?;
    let recorder = Recorder::open_body();
    let (otherwise, second) = recorder.finish_body(&otherwise()?)?;
    let types = unified(&types(&then), &types(&otherwise))?;
    let inputs: Vec<Option<&Tensor>> = std::iter::once(&condition).chain(&first).chain(&second).map(Some).collect();
    apply(If { then, otherwise, types }, &inputs)
}

/// A computation repeated on its own results as long as it says so: `body` gives whether to go on, and the next state, of the same types.
///
/// Where everything is known it just runs; where the condition or the state is traced, the body is recorded once and may turn any number of
/// times at a call. ONNX: [Loop](https://onnx.ai/onnx/operators/onnx__Loop.html)
///
/// ```
/// use ontrace::{Array, Tensor, trace_fn, while_loop};
/// let x = Tensor::from(&[3.0f32]);
/// let below = |x: &Tensor| x.sum(None, false)?.lt(100.0);
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
/// [`Argument`](crate::Code::Argument) where the state changes its types; [`TooBig`](crate::Code::TooBig) for a loop that does not end; what
/// the body says.
#[track_caller]
pub fn while_loop(
    condition: &Tensor,
    state: Vec<Tensor>,
    mut body: impl FnMut(&[Tensor]) -> Result<(Tensor, Vec<Tensor>)>,
) -> Result<Vec<Tensor>> {
    let mut condition = condition.cast(DType::Bool)?.reshape::<i64>(&[])?;
    let mut state: Vec<Tensor> = state.iter().map(Tensor::strengthened).collect();
    let mut turns = 0;
    // As long as the course is known it is followed.
    while !condition.is_traced() {
        if condition.item()?.to_f64() == 0.0 {
            return Ok(state);
        }
        turns += 1;
        if turns > LONGEST {
            return Err(Error::too_big(format!("more than {LONGEST} turns of a loop")));
        }
        let (next, new) = body(&state)?;
        condition = next.cast(DType::Bool)?.reshape::<i64>(&[])?;
        state = new.iter().map(Tensor::strengthened).collect();
    }
    let recorder = Recorder::open_body();
    let inputs =
        state.iter().enumerate().map(|(i, x)| recorder.input(&format!("state{i}"), x.ty().clone(), x)).collect::<Result<Vec<_>>>()?;
    let (next, new) = body(&inputs)?;
    let mut outputs = vec![next.cast(DType::Bool)?.reshape::<i64>(&[])?];
    outputs.extend(new);
    let (graph, besides) = recorder.finish_body(&outputs)?;
    let types: Vec<Type> = state.iter().map(|x| x.ty().clone()).collect();
    let results: Vec<Type> = self::types(&graph).into_iter().skip(1).collect();
    if types != results {
        let list = |types: &[Type]| types.iter().map(Type::to_string).collect::<Vec<_>>().join(", ");
        return Err(Error::argument(format!("the state of a loop begins as {} and goes on as {}", list(&types), list(&results)))
            .help("a state keeps its dtype and its shape"));
    }
    let inputs: Vec<Option<&Tensor>> = std::iter::once(&condition).chain(&state).chain(&besides).map(Some).collect();
    apply(Loop { body: graph, state: types }, &inputs)
}
