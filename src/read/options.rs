//! Options of loading a model.

use super::{LoadedModel, OnnxModule, open_file};
use crate::error::{Result, ResultExt};
use crate::onnx::Model;
use crate::ops::OpRegistry;
use crate::trace::Traced;
use std::path::Path;

/// The options of loading a model, where the defaults of [`open`](super::open()) and [`Traced::load`] do not suit.
///
/// ```
/// use ontrace::{DynModule, Tensor, ops::OpRegistry, read::LoadOptions};
/// let model = LoadOptions::new().operators(&OpRegistry::new()).open("tests/data/mlp.pt")?;
/// let x = Tensor::new([1, 16], vec![0.5f32; 16])?;
/// assert_eq!(model.call(&x)?.shape().to_string(), "[1,10]");
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    operators: OpRegistry,
}

impl LoadOptions {
    /// The defaults: no custom operators.
    pub fn new() -> LoadOptions {
        LoadOptions::default()
    }

    /// Custom operators that an ONNX model may use: they run by their own kernels instead of their decompositions.
    #[must_use]
    pub fn operators(mut self, operators: &OpRegistry) -> LoadOptions {
        self.operators = operators.clone();
        self
    }

    /// Reads a model of any format as a module.
    ///
    /// # Errors
    /// As [`open`](super::open()).
    pub fn open(&self, path: impl AsRef<Path>) -> Result<LoadedModel> {
        open_file(path.as_ref(), &self.operators)
    }

    /// An ONNX model in memory as a module.
    ///
    /// # Errors
    /// As [`OnnxModule::new`].
    pub fn onnx(&self, model: Model) -> Result<OnnxModule> {
        OnnxModule::with_operators(model, &self.operators)
    }

    /// A traced graph that was saved.
    ///
    /// # Errors
    /// As [`Traced::load`].
    pub fn traced(&self, path: impl AsRef<Path>) -> Result<Traced> {
        let path = path.as_ref();
        Model::open(path).and_then(|model| self.traced_model(model)).at(path.display())
    }

    /// The traced graph of a model in memory.
    ///
    /// # Errors
    /// As [`Traced::from_model`].
    pub fn traced_model(&self, model: Model) -> Result<Traced> {
        Traced::from_model_with(model, &self.operators)
    }
}
