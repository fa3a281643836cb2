//! Modules: functions from tensors to tensors, such as closures, networks, models from files and sessions.
//!
//! [`Module`] is typed: a network implements `forward` from its input to its output. [`DynModule`] is its object-safe form, with a list of
//! tensors on both sides; models that come from files implement it, since their inputs are known only at run time. [`trace`](crate::trace()) and
//! [`check`](crate::check::check) take both (see [`AsDynModule`]).

mod adapters;
mod call;
mod dynamic;
mod example;
mod outputs;
mod signature;

pub use adapters::{BindInputs, FromFn, NamedModule, TypedModule, bind_inputs, from_fn, named, typed};
pub(crate) use call::{call_named, call_tree};
pub use dynamic::{AsDynModule, DynModule, kind};
pub(crate) use example::symbol_of;
pub use example::{Example, element};
pub(crate) use outputs::default_name;
pub use outputs::{Outputs, output_order};
pub use signature::Signature;

use crate::error::Result;
use crate::tensor::Tensor;

/// A function of a tensor, or of a [tree](crate::Tree) of tensors.
///
/// ```
/// use ontrace::nn::{Linear, Weights};
/// use ontrace::{DType, Module, Result, Tensor, trace};
///
/// struct Net { hidden: Linear, out: Linear }
///
/// impl Module for Net {
///     fn forward(&self, x: &Tensor) -> Result<Tensor> {
///         self.out.forward(&self.hidden.forward(x)?.relu()?)
///     }
/// }
///
/// let weights = Weights::seeded(0);
/// let net = Net { hidden: Linear::new(&weights.at("hidden"), 4, 8)?, out: Linear::new(&weights.at("out"), 8, 2)? };
/// let traced = trace(&net, &Tensor::ones([1, 4], DType::F32)?)?;
/// assert_eq!(traced.declaration().to_string(), "main(x: f32[1,4]) -> (y: f32[1,2])");
/// # Ok::<(), ontrace::Error>(())
/// ```
///
/// The input and the output may be any trees. Names of struct fields become the names of inputs and outputs in the ONNX file.
///
/// ```
/// use ontrace::{Module, Result, Tensor, trace, tree};
///
/// struct Tokens { ids: Tensor, mask: Tensor }
/// tree!(Tokens { ids, mask });
///
/// struct Pool;
/// impl Module<Tokens, (Tensor, Tensor)> for Pool {
///     fn forward(&self, tokens: &Tokens) -> Result<(Tensor, Tensor)> {
///         Ok((tokens.ids.mul(&tokens.mask)?.sum(.., false)?, tokens.mask.sum(.., false)?))
///     }
/// }
///
/// let tokens = Tokens { ids: Tensor::from(&[1.0f32, 2.0]), mask: Tensor::from(&[1.0f32, 0.0]) };
/// let traced = trace(&Pool, &tokens)?;
/// assert_eq!(traced.declaration().to_string(), "main(ids: f32[2], mask: f32[2]) -> (y_0: f32[], y_1: f32[])");
/// # Ok::<(), ontrace::Error>(())
/// ```
pub trait Module<I: ?Sized = Tensor, O = Tensor> {
    /// The output for an input.
    ///
    /// # Errors
    /// Where the input does not fit, or an operation fails.
    fn forward(&self, input: &I) -> Result<O>;
}

impl<M: Module<I, O> + ?Sized, I: ?Sized, O> Module<I, O> for &M {
    fn forward(&self, input: &I) -> Result<O> {
        (**self).forward(input)
    }
}

impl<M: Module<I, O> + ?Sized, I: ?Sized, O> Module<I, O> for Box<M> {
    fn forward(&self, input: &I) -> Result<O> {
        (**self).forward(input)
    }
}

impl<M: Module<I, O> + ?Sized, I: ?Sized, O> Module<I, O> for std::sync::Arc<M> {
    fn forward(&self, input: &I) -> Result<O> {
        (**self).forward(input)
    }
}
