//! tract's model as parsed, before it is optimised: tells a wrong reading from a wrong optimiser.

use super::keep_nan::{keep_nan, keep_nan_in_bodies};
use super::runnable::Runnable;
use super::{Engine, Session, shapes};
use crate::array::Array;
use crate::error::Result;
use crate::onnx::Model;
use tract_onnx::prelude::{InferenceModelExt, IntoRunnable};

impl Session {
    /// The model that was compiled.
    pub fn model(&self) -> &Model {
        match (&self.rest, self.module.get()) {
            (Some(rest), Some(Ok(module))) => rest.with(module),
            _ => &self.model,
        }
    }

    /// The outputs for these inputs by tract's plan without any optimisation, our kernels inside it as in [`Session::run`].
    ///
    /// # Errors
    /// [`Runtime`](crate::ErrorCode::Runtime) where tract refuses the model or fails: then there is no plan to compare with.
    pub fn run_unoptimized(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        if let Engine::Specialised(plan) = self.engine(inputs)? {
            return plan.session.run_unoptimized(&plan.inputs(inputs));
        }
        let plan = self.planned(&shapes(inputs), |model| {
            let mut model = model.into_typed()?;
            keep_nan_in_bodies(&mut model)?;
            keep_nan(&mut model)?;
            Runnable::new(model.into_runnable()?)
        })?;
        self.on_threads(|| self.by_tract(&plan, inputs))
    }
}
