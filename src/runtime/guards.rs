//! The guards of a model as a session checks them: sizes when a plan is made, values at every call.

use super::conversion::from_tract;
use crate::array::{Array, DType};
use crate::dim::{Bindings, Type};
use crate::error::Result;
use crate::graph::{Guard, SavedCondition, SavedGuard, guards_of};
use crate::onnx::Model;
use crate::onnx::proto::{GraphProto, ValueInfoProto};
use tract_onnx::prelude::TValue;

/// The names of the values that the guards of a model look at.
///
/// # Errors
/// As [`Conditions::of`].
pub(super) fn values_of(model: &Model) -> Result<Vec<String>> {
    let name = |guard: SavedGuard| match guard.condition {
        SavedCondition::Values(name, _) => Some(name),
        SavedCondition::Sizes(_) => None,
    };
    Ok(guards_of(model)?.into_iter().filter_map(name).collect())
}

/// The guards of a model, by what they look at.
#[derive(Default)]
pub(super) struct Conditions {
    sizes: Vec<Guard>,
    /// Guards on inputs, by their index.
    inputs: Vec<(usize, Guard)>,
    /// Guards on intermediate values, which the plan gives after its outputs, and their dtypes.
    values: Vec<(Guard, DType)>,
}

impl Conditions {
    /// Those of a model; what they look at becomes an output of the graph that is made for tract.
    ///
    /// # Errors
    /// [`Damaged`](crate::ErrorCode::Damaged) where they are not to be read.
    pub(super) fn of(model: &Model, inputs: &[(String, Type)], graph: &mut GraphProto) -> Result<Conditions> {
        let mut conditions = Conditions::default();
        for SavedGuard { condition, location, raises } in guards_of(model)? {
            match condition {
                SavedCondition::Sizes(constraint) => conditions.sizes.push(Guard { raises, ..Guard::sizes(constraint, location) }),
                SavedCondition::Values(name, seen) => {
                    let dtype = seen.dtype();
                    let guard = Guard { raises, ..Guard::values(Default::default(), seen, location) };
                    match inputs.iter().position(|input| input.0 == name) {
                        Some(i) => conditions.inputs.push((i, guard)),
                        None => {
                            graph.output.push(ValueInfoProto { name, ..ValueInfoProto::default() });
                            conditions.values.push((guard, dtype));
                        }
                    }
                }
            }
        }
        Ok(conditions)
    }

    /// Checks the sizes of a call.
    ///
    /// # Errors
    /// [`Guard`](crate::ErrorCode::Guard).
    pub(super) fn check_sizes(&self, bindings: &Bindings) -> Result<()> {
        self.sizes.iter().try_for_each(|guard| guard.check_sizes(bindings))
    }

    /// Checks the inputs of a call.
    ///
    /// # Errors
    /// [`Guard`](crate::ErrorCode::Guard).
    pub(super) fn check_inputs(&self, inputs: &[Array]) -> Result<()> {
        self.inputs.iter().try_for_each(|(i, guard)| guard.check_values(&inputs[*i]))
    }

    /// Checks the values that a plan gave after its outputs: tract computed them, and rounds in its own way.
    ///
    /// # Errors
    /// [`Guard`](crate::ErrorCode::Guard), and where a value is not of the declared type.
    pub(super) fn check_values(&self, values: impl Iterator<Item = TValue>) -> Result<()> {
        self.values.iter().zip(values).try_for_each(|((guard, dtype), value)| guard.check_rounded(&from_tract(value, *dtype)?))
    }
}
