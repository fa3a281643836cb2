//! One of two computations, chosen by data.

use super::{Outside, Replay, around, location_of, present, tensors, truth, types};
use crate::array::{Array, DType};
use crate::dim::{Sizes, Type};
use crate::error::{Error, ErrorCode, Result};
use crate::graph::{Attributes, Graph, Inputs, Operator};
use crate::onnx::{GraphBuilder, Name};
use crate::tensor::guard::decided_by_sizes;
use crate::tensor::{Recorder, Tensor, apply};
use std::cell::RefCell;
use std::panic::Location;
use std::sync::Arc;

/// One of two graphs. Inputs: the condition, then what the first graph uses, then what the second does.
///
/// ONNX: [If](https://onnx.ai/onnx/operators/onnx__If.html), whose graphs use outer values by name.
#[derive(Debug)]
pub struct If {
    then: Arc<Graph>,
    otherwise: Arc<Graph>,
    types: Vec<Type>,
}

impl If {
    /// The branch that is taken, as part of the active trace.
    pub(in crate::ops) fn inline(&self, inputs: &[Option<Tensor>], replay: Replay) -> Result<Vec<Tensor>> {
        let (inputs, first) = (tensors(inputs)?, 1 + self.then.inputs().len());
        let replay = RefCell::new(replay);
        cond(
            &inputs[0],
            || (replay.borrow_mut())(&self.then, &inputs[1..first]),
            || (replay.borrow_mut())(&self.otherwise, &inputs[first..]),
        )
    }
}

impl Operator for If {
    fn name(&self) -> &'static str {
        "If"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("then_branch", &self.then).with("else_branch", &self.otherwise)
    }

    fn is_traced_only(&self) -> bool {
        true
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let condition = inputs.at(0)?;
        if condition.dtype != DType::Bool || inputs.len() != 1 + self.then.inputs().len() + self.otherwise.inputs().len() {
            return Err(Error::argument(format!("the condition must be one bool, got {condition}")));
        }
        Ok(self.types.clone())
    }

    fn eval(&self, inputs: &Inputs<Array>, sizes: Sizes) -> Result<Vec<Array>> {
        let (first, sizes) = (1 + self.then.inputs().len(), around(sizes)?);
        if truth(inputs.at(0)?)? {
            self.then.replay_within(&present(inputs, 1..first)?, &sizes)
        } else {
            self.otherwise.replay_within(&present(inputs, first..inputs.len())?, &sizes)
        }
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let first = 1 + self.then.inputs().len();
        let then = builder.subgraph("then", &[], |builder, _| Ok(self.then.write(builder, &inputs[1..first])?.outputs))?;
        let otherwise = builder.subgraph("else", &[], |builder, _| Ok(self.otherwise.write(builder, &inputs[first..])?.outputs))?;
        Ok(builder.node("If", &inputs[..1]).graph("then_branch", then).graph("else_branch", otherwise).write(outputs))
    }

    fn graphs(&self) -> Vec<&Graph> {
        vec![&self.then, &self.otherwise]
    }

    fn with_graphs(&self, graphs: Vec<Graph>) -> Option<Arc<dyn Operator>> {
        let [then, otherwise] = <[Graph; 2]>::try_from(graphs).ok()?;
        Some(Arc::new(If { then: Arc::new(then), otherwise: Arc::new(otherwise), types: self.types.clone() }))
    }
}

/// What both branches give: where sizes differ, or are known inside a branch only, they depend on data.
fn unified(then: &[Type], otherwise: &[Type]) -> Result<Vec<Type>> {
    if then.len() != otherwise.len() {
        return Err(Error::argument(format!("the branches return different numbers of outputs: {} and {}", then.len(), otherwise.len())));
    }
    let mut outside = Outside::new();
    let both = |(a, b): (&Type, &Type)| {
        if a.dtype != b.dtype || a.rank() != b.rank() {
            return Err(Error::argument(format!("the branches return different types: {a} and {b}"))
                .help("both branches must return the same dtype and rank"));
        }
        let dims = a.shape.iter().zip(b.shape.iter()).map(|(a, b)| if a == b { outside.dim(a) } else { outside.fresh() });
        Ok(Type::new(a.dtype, dims.collect::<Vec<_>>()))
    };
    then.iter().zip(otherwise).map(both).collect()
}

/// One of two computations. Where the condition is known, that one just runs; where it is traced, both are traced and the choice is made at
/// every call. They may use any tensor; their results have the same number, dtypes and ranks.
///
/// [torch.cond](https://pytorch.org/docs/stable/generated/torch.cond.html), ONNX [If](https://onnx.ai/onnx/operators/onnx__If.html)
///
/// ```
/// use ontrace::{Array, Tensor, cond, trace_fn};
/// let x = Tensor::from(&[1.0f32, 2.0]);
/// let f = |x: Tensor| {
///     let large = x.sum(.., false)?.gt(10.0)?;
///     Ok(cond(&large, || Ok(vec![x.mul(0.5)?]), || Ok(vec![x.add(1.0)?]))?.remove(0))
/// };
/// let traced = trace_fn(f, &x)?;
/// assert_eq!(traced.graph().replay(&[Array::vector(vec![3.0f32, 4.0])])?[0].to_vec::<f32>()?, [4.0, 5.0]);
/// assert_eq!(traced.graph().replay(&[Array::vector(vec![30.0f32, 4.0])])?[0].to_vec::<f32>()?, [15.0, 2.0]);
/// # Ok::<(), ontrace::Error>(())
/// ```
///
/// # Errors
/// [`Argument`](crate::ErrorCode::Argument) where the condition is no truth value or the results differ in kind; what the computations say.
#[track_caller]
pub fn cond(
    condition: &Tensor,
    then: impl FnOnce() -> Result<Vec<Tensor>>,
    otherwise: impl FnOnce() -> Result<Vec<Tensor>>,
) -> Result<Vec<Tensor>> {
    let caller = Location::caller();
    let condition = condition.cast(DType::Bool)?.reshape(())?;
    if !condition.is_traced() {
        return if condition.item()?.to_f64() != 0.0 { then() } else { otherwise() };
    }
    let recorder = Recorder::open_body();
    let (then, first) = recorder.finish_body(&strong(then()?))?;
    let recorder = Recorder::open_body();
    let (otherwise, second) = recorder.finish_body(&strong(otherwise()?))?;
    let types = unified(&types(&then), &types(&otherwise)).map_err(|error| error.at(location_of(caller)))?;
    let inputs: Vec<Option<&Tensor>> = std::iter::once(&condition).chain(&first).chain(&second).map(Some).collect();
    apply(If { then: Arc::new(then), otherwise: Arc::new(otherwise), types }, &inputs)
}

/// As [`cond`], where the branches may also differ in rank, or one of them may not be possible at the sizes of the example: of a condition that follows
/// from sizes that branch is traced which the example takes, and the sizes become a guard.
///
/// # Errors
/// As [`cond`].
#[track_caller]
pub(crate) fn cond_by_sizes(
    condition: &Tensor,
    then: impl Fn() -> Result<Vec<Tensor>>,
    otherwise: impl Fn() -> Result<Vec<Tensor>>,
) -> Result<Vec<Tensor>> {
    let error = match cond(condition, &then, &otherwise) {
        Err(error) if matches!(error.code(), ErrorCode::Argument | ErrorCode::Shape) => error,
        other => return other,
    };
    match decided_by_sizes(condition)? {
        Some(true) => then(),
        Some(false) => otherwise(),
        None => Err(error),
    }
}

/// A number that gave way to other dtypes while it was computed with is an ordinary one from here on.
fn strong(tensors: Vec<Tensor>) -> Vec<Tensor> {
    tensors.iter().map(Tensor::strengthened).collect()
}

/// What the laws are tried on.
#[cfg(test)]
pub(in crate::ops) fn examples() -> Vec<crate::ops::examples::Case> {
    use crate::ops::examples::*;

    cases! {
        "cond", [floats(&[2, 3])], |x| cond(&x[0].sum(.., false)?.gt(0.0)?, || one(x[0].mul(2.0)?), || one(x[0].add(1.0)?));
    }
}
