//! Branches and loops whose course depends on data: both branches, or the body, are traced once as graphs of their own.

mod cond;
mod loops;
mod scan;

pub(super) use cond::If;
pub use cond::cond;
pub(crate) use cond::cond_by_sizes;
pub(super) use loops::Loop;
pub(crate) use loops::{Iteration, repeat};
pub use loops::{fori_loop, while_loop};
pub(super) use scan::Scan;
pub(crate) use scan::read_scan;
pub use scan::{map, scan};

use crate::array::Array;
use crate::dim::{Bindings, Dim, Sizes, Type};
use crate::error::{Error, Result};
use crate::graph::{Graph, Inputs};
use crate::kernels::join;
use crate::tensor::{Recorder, Tensor, fresh_symbol, visible};
use std::collections::BTreeSet;
use std::panic::Location;
use std::sync::Arc;

/// How many iterations of known number are written out where a file has them.
pub(crate) const FEW: i64 = 16;

/// Runs a graph inside an operator on tensors.
pub(super) type Replay<'a> = &'a mut dyn FnMut(&Graph, &[Tensor]) -> Result<Vec<Tensor>>;

/// The tensors among inputs that must all be there.
fn tensors(inputs: &[Option<Tensor>]) -> Result<Vec<Tensor>> {
    inputs.iter().map(|input| input.clone().ok_or_else(|| Error::argument("an input is missing"))).collect()
}

/// The arrays among inputs that must all be there.
fn present(inputs: &Inputs<Array>, range: std::ops::Range<usize>) -> Result<Vec<Array>> {
    range.map(|i| inputs.at(i).cloned()).collect()
}

/// The types of what a graph gives.
fn types(graph: &Graph) -> Vec<Type> {
    graph.outputs().iter().map(|&id| graph.value(id).ty.clone()).collect()
}

fn truth(array: &Array) -> Result<bool> {
    array.reshape(&[])?.item().map(|x| x.to_f64() != 0.0)
}

fn list(types: &[Type]) -> String {
    types.iter().map(Type::to_string).collect::<Vec<_>>().join(", ")
}

/// What the symbols around a body stand for while it runs. In a trace that is what they stand for in the example: a symbol of the body's
/// own is another number at every iteration, so its graph is run with bindings even there.
fn around(sizes: Sizes) -> Result<Bindings> {
    match sizes {
        Sizes::Bound(bindings) => Ok(bindings.clone()),
        Sizes::Example => {
            let mut bindings = Bindings::new();
            for (symbol, seen) in visible() {
                if let Some(n) = seen {
                    bindings.bind(&symbol, n)?;
                }
            }
            Ok(bindings)
        }
    }
}

/// The sizes of a body's results that mean nothing outside it, counted from `unnamed` on: sizes that depend on data.
struct Outside {
    symbols: BTreeSet<Arc<str>>,
    unnamed: usize,
}

impl Outside {
    fn new() -> Outside {
        Outside { symbols: visible().into_keys().collect(), unnamed: 0 }
    }

    fn fresh(&mut self) -> Dim {
        self.unnamed += 1;
        Dim::of_data(self.unnamed - 1)
    }

    fn dim(&mut self, dim: &Dim) -> Dim {
        if dim.is_symbolic() && dim.expr().symbols().iter().any(|symbol| !self.symbols.contains(symbol)) {
            return self.fresh();
        }
        dim.clone()
    }

    fn ty(&mut self, ty: &Type) -> Type {
        Type::new(ty.dtype, ty.shape.iter().map(|dim| self.dim(dim)).collect::<Vec<_>>())
    }
}

/// A body that was traced: its graph, and the tensors from outside that it uses.
struct Body {
    graph: Graph,
    besides: Vec<Tensor>,
    /// What the state is at the beginning of each iteration: a size that changes from iteration to iteration is a symbol.
    state: Vec<Type>,
    /// Whether a size of the state changes.
    changes: bool,
}

/// Traces a body that gets these inputs, of which those in the middle are the state; `run` gives its results, and how many of them stand
/// before the next state.
///
/// An axis of the state that has another size after an iteration is traced anew as one of any size.
fn recorded(
    what: &str,
    [before, state, after]: [&[Tensor]; 3],
    caller: &Location,
    run: &mut dyn FnMut(&[Tensor]) -> Result<(usize, Vec<Tensor>)>,
) -> Result<Body> {
    let mut types: Vec<Type> = state.iter().map(|x| x.ty().clone()).collect();
    let mut changing: BTreeSet<(usize, usize)> = BTreeSet::new();
    loop {
        let recorder = Recorder::open_body();
        let given = before.iter().map(|x| (x, x.ty())).chain(state.iter().zip(&types)).chain(after.iter().map(|x| (x, x.ty())));
        let given = given.enumerate().map(|(i, (x, ty))| recorder.input(&format!("given{i}"), ty.clone(), x));
        let (skipped, outputs) = run(&given.collect::<Result<Vec<_>>>()?)?;
        let next: Vec<Type> = outputs.iter().skip(skipped).take(types.len()).map(|x| x.ty().clone()).collect();
        let fits = next.len() == types.len() && types.iter().zip(&next).all(|(a, b)| a.dtype == b.dtype && a.rank() == b.rank());
        if !fits {
            return Err(Error::argument(format!("the state of {what} is initially {} and later {}", list(&types), list(&next)))
                .help("a state must keep its number of tensors, their dtypes and ranks")
                .at(location_of(caller)));
        }
        let known = changing.len();
        for (i, (ty, next)) in types.iter_mut().zip(&next).enumerate() {
            let differs = |axis: usize| ty.shape[axis] != next.shape[axis] && !changing.contains(&(i, axis));
            let axes: Vec<usize> = (0..ty.rank()).filter(|&axis| differs(axis)).collect();
            if axes.is_empty() {
                continue;
            }
            let mut dims = ty.shape.to_vec();
            for axis in axes {
                dims[axis] = Dim::new(fresh_symbol(), dims[axis].example());
                changing.insert((i, axis));
            }
            *ty = Type::new(ty.dtype, dims);
        }
        if changing.len() == known {
            let (graph, besides) = recorder.finish_body(&outputs)?;
            return Ok(Body { graph, besides, state: types, changes: known > 0 });
        }
    }
}

fn location_of(caller: &Location) -> String {
    format!("{}:{}:{}", caller.file(), caller.line(), caller.column())
}

/// Items of one shape as one array with a new first axis; of no item, the shape is what the type says.
fn stacked(items: &[Array], ty: &Type, sizes: &Bindings) -> Result<Array> {
    let Some(first) = items.first() else {
        // What depends on data that never was has no elements.
        let length = |dim: &Dim| sizes.eval(&dim.expr()).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let shape: Vec<usize> = std::iter::once(0).chain(ty.shape.iter().map(length)).collect();
        return Ok(Array::full(ty.dtype, &shape, 0.into()));
    };
    let wide = [&[1], first.shape()].concat();
    let items = items.iter().map(|item| {
        if item.shape() != first.shape() {
            return Err(Error::shape(format!("one iteration returns {:?}, another {:?}", first.shape(), item.shape()))
                .help("the outputs of the iterations are stacked, so they must have one shape"));
        }
        item.reshape(&wide)
    });
    let items = items.collect::<Result<Vec<_>>>()?;
    join::concat(&items.iter().collect::<Vec<_>>(), 0)
}

/// Tensors of one shape with a new first axis; of none, those that an iteration on inputs of these types would give.
fn gathered(iterations: Vec<Vec<Tensor>>, inputs: &[Type], probe: &mut dyn FnMut(&[Tensor]) -> Result<Vec<Tensor>>) -> Result<Vec<Tensor>> {
    let Some(first) = iterations.first() else {
        let recorder = Recorder::open_body();
        let inputs = inputs.iter().map(|ty| recorder.input("given", ty.clone(), &Tensor::of_type(ty.clone())));
        let types: Vec<Type> = probe(&inputs.collect::<Result<Vec<_>>>()?)?.iter().map(|x| x.ty().clone()).collect();
        drop(recorder);
        // What depends on data that never was has no elements.
        let length = |dim: &Dim| if dim.is_symbolic() && !crate::tensor::is_tracing() { Dim::Fixed(0) } else { dim.clone() };
        let empty = |ty: &Type| {
            let shape: Vec<Dim> = std::iter::once(Dim::Fixed(0)).chain(ty.shape.iter().map(length)).collect();
            Tensor::zeros(&shape, ty.dtype)
        };
        return types.iter().map(empty).collect();
    };
    let column = |i: usize| {
        let items = iterations
            .iter()
            .map(|iteration| iteration.get(i).ok_or_else(|| Error::argument("the iterations return different numbers of tensors")));
        Tensor::stack(&items.collect::<Result<Vec<_>>>()?, 0)
    };
    (0..first.len()).map(column).collect()
}

/// Whether a number that the course depends on differs from call to call.
fn varies(x: &Tensor) -> bool {
    x.is_traced() || x.varies() && crate::tensor::is_tracing()
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    [cond::examples(), loops::examples(), scan::examples()].concat()
}
