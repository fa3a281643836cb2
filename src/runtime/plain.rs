//! tract as it reads a page, before it optimises: tells a wrong reading from a wrong optimiser.

use super::{Session, guard, numbers, shapes};
use crate::array::Array;
use crate::error::Result;
use crate::onnx::Model;
use tract_onnx::prelude::{InferenceModelExt, IntoRunnable};
use tract_onnx::tract_hir::infer::InferenceFact;

impl Session {
    /// The page that was compiled.
    pub fn model(&self) -> &Model {
        &self.page
    }

    /// The outputs for these inputs by tract's plan without any optimisation, our kernels inside it as in [`Session::run`].
    ///
    /// # Errors
    /// [`Runtime`](crate::Code::Runtime) where tract refuses the page or fails: then there is no plan to compare with.
    pub fn run_plain(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let model = self.model.as_ref().map_err(Clone::clone)?;
        let plan = guard::on_a_deep_stack(|| {
            let mut model = model.clone();
            for (i, (shape, (_, ty))) in shapes(inputs).iter().zip(&self.inputs).enumerate() {
                let datum = numbers::datum_type(ty.dtype).map_err(guard::from_ours)?;
                model.set_input_fact(i, InferenceFact::dt_shape(datum, shape.as_slice()))?;
            }
            model.into_typed()?.into_runnable()
        })?;
        self.on_threads(|| self.by_tract(&plan, inputs))
    }
}
