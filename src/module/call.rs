//! Calls of a module with trees of tensors, and with tensors by name.

use super::{DynModule, Example};
use crate::error::{ErrorCode, Result};
use crate::tensor::Tensor;
use crate::tree::Tree;
use std::collections::BTreeMap;

/// The outputs for a tree of inputs, as a tree. An error about the inputs names the line of the caller.
///
/// # Errors
/// [`Input`](ErrorCode::Input) where the tree has another structure than the module's inputs; else as [`DynModule::forward`].
#[track_caller]
pub(crate) fn call_tree<I: Tree, O: Tree>(module: &dyn DynModule, inputs: &I) -> Result<O> {
    let caller = std::panic::Location::caller();
    let mut leaves = Vec::new();
    let structure = inputs.tree_flatten(&mut leaves);
    let checked = module.input_structure().map_or(Ok(()), |expected| expected.expect(&structure));
    let outputs = checked.and_then(|()| module.forward(&leaves)).map_err(|error| match error.code() {
        ErrorCode::Input => error.at(caller),
        _ => error,
    })?;
    outputs.into_tree()
}

/// The outputs, with their names, for inputs given by name, in any order.
///
/// # Errors
/// [`Input`](ErrorCode::Input) where a name is unknown, given twice or missing; the names are listed.
pub(crate) fn call_named(module: &dyn DynModule, inputs: &[(&str, &Tensor)]) -> Result<BTreeMap<String, Tensor>> {
    let given = inputs.iter().fold(Example::new(), |example, (name, tensor)| example.input(name, tensor));
    let outputs = module.forward(&given.arranged(module)?.tensors())?;
    Ok(outputs.names().to_vec().into_iter().zip(outputs).collect())
}
