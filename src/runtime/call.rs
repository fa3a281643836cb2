//! Calls of a session with trees of tensors, and with tensors by name.

use super::Session;
use crate::error::Result;
use crate::module;
use crate::tensor::Tensor;
use crate::tree::Tree;
use std::collections::BTreeMap;

impl Session {
    /// The outputs for a tree of inputs, as a tree: the types may be those of the traced function, or [`DynTree`](crate::tree::DynTree).
    ///
    /// ```
    /// use ontrace::{Tensor, trace_fn};
    /// let (x, y) = (Tensor::from(&[1.0f32]), Tensor::from(&[5.0f32]));
    /// let traced = trace_fn(|(x, y): (Tensor, Tensor)| Ok((x.add(&y)?, vec![x.mul(&y)?])), &(x.clone(), y.clone()))?;
    /// let (sum, products): (Tensor, Vec<Tensor>) = traced.session()?.call_tree(&(x, y))?;
    /// assert_eq!((sum.to_vec::<f32>()?, products[0].to_vec::<f32>()?), (vec![6.0], vec![5.0]));
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Input`](crate::ErrorCode::Input) where the tree has another structure than the example of the trace, naming the argument and the line of the
    /// call; else as [`Session::run`]. A model that ontrace did not write has no structure but a list of inputs and outputs.
    #[track_caller]
    pub fn call_tree<I: Tree, O: Tree>(&self, inputs: &I) -> Result<O> {
        module::call_tree(self, inputs)
    }

    /// The outputs, with their names, for inputs given by name, in any order.
    ///
    /// ```
    /// use ontrace::{Example, Tensor, module, trace};
    /// let (x, y) = (Tensor::from(&[1.0f32]), Tensor::from(&[2.0f32]));
    /// let model = module::from_fn(|(x, y): (Tensor, Tensor)| x.sub(&y));
    /// let session = trace(&model, Example::new().input("left", &x).input("right", &y))?.session()?;
    /// assert_eq!(session.call_named(&[("right", &y), ("left", &x)])?["y"].to_vec::<f32>()?, [-1.0]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Input`](crate::ErrorCode::Input) where a name is unknown, given twice or missing; the names are listed.
    pub fn call_named(&self, inputs: &[(&str, &Tensor)]) -> Result<BTreeMap<String, Tensor>> {
        module::call_named(self, inputs)
    }
}
