//! Traced graphs as modules: loading a saved one, calling it, and inlining it in another trace.

use super::OnnxModule;
use super::value::ASSUMED;
use crate::error::{Result, ResultExt};
use crate::module::{self, DynModule, Outputs};
use crate::onnx::Model;
use crate::ops::{OpRegistry, inline};
use crate::tensor::Tensor;
use crate::trace::{Traced, record, restored};
use crate::tree::{Tree, TreeDef};
use std::collections::BTreeMap;
use std::path::Path;

impl Traced {
    /// The outputs for a tree of inputs, as a tree: the types may be those of the traced function, or [`DynTree`](crate::tree::DynTree).
    ///
    /// ```
    /// use ontrace::{Tensor, trace_fn};
    /// let (x, y) = (Tensor::from(&[1.0f32]), Tensor::from(&[5.0f32]));
    /// let traced = trace_fn(|(x, y): (Tensor, Tensor)| Ok((x.add(&y)?, vec![x.mul(&y)?])), &(x.clone(), y.clone()))?;
    /// let (sum, products): (Tensor, Vec<Tensor>) = traced.call_tree(&(y.clone(), y.add(1)?))?;
    /// assert_eq!((sum.to_vec::<f32>()?, products[0].to_vec::<f32>()?), (vec![11.0], vec![30.0]));
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Input`](crate::ErrorCode::Input) where the tree is built otherwise than the example was, naming the argument and the line of the
    /// call; else as [`DynModule::forward`].
    #[track_caller]
    pub fn call_tree<I: Tree, O: Tree>(&self, inputs: &I) -> Result<O> {
        module::call_tree(self, inputs)
    }

    /// The outputs, with their names, for inputs given by name, in any order.
    ///
    /// # Errors
    /// [`Input`](crate::ErrorCode::Input) where a name is unknown, given twice or missing; the names are listed.
    pub fn call_named(&self, inputs: &[(&str, &Tensor)]) -> Result<BTreeMap<String, Tensor>> {
        module::call_named(self, inputs)
    }

    /// A traced graph that was saved, with its structure, names, guards, notes and extra texts. Any other ONNX file is read as well: it then has
    /// no structure but a list of inputs and outputs. [`LoadOptions`](crate::read::LoadOptions) takes options.
    ///
    /// # Errors
    /// [`Read`](crate::ErrorCode::Read), and as [`read::open`](crate::read::open()).
    pub fn load(path: impl AsRef<Path>) -> Result<Traced> {
        let path = path.as_ref();
        Model::open(path).and_then(Traced::from_model).at(path.display())
    }

    /// The traced graph of a model in memory; see [`Traced::load`].
    ///
    /// # Errors
    /// As [`Traced::load`], but for reading the file.
    pub fn from_model(model: Model) -> Result<Traced> {
        Traced::from_model_with(model, &OpRegistry::new())
    }

    /// As [`Traced::from_model`], with these operators of users' crates.
    ///
    /// # Errors
    /// As [`Traced::from_model`].
    pub(crate) fn from_model_with(model: Model, operators: &OpRegistry) -> Result<Traced> {
        let metadata = restored(&model);
        let module = OnnxModule::with_operators(model, operators)?;
        let example = module.example().unwrap_or_default();
        let traced = record(&module, example.clone()).or_else(|error| {
            // Where the file does not say how large free axes are, the sizes that were assumed may be too small for a kernel.
            let larger = example.with_sizes(&|_| Some(ASSUMED as i64));
            record(&module, larger).map_err(|_| error)
        });
        Ok(metadata.beside(traced?))
    }

    /// The outputs with the names and the structure of the signature.
    fn outputs_of(&self, outputs: Vec<Tensor>) -> Result<Outputs> {
        Outputs::from(outputs).with_names(self.signature.output_names()).with_structure(self.signature.outputs().clone())
    }

    /// Inlines the graph in the trace that is active: its operations are applied one by one.
    fn inlined(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        inline(self.graph(), inputs)
    }
}

impl DynModule for Traced {
    /// Evaluates the graph with our kernels; inside a trace, and where only types are known, its operations are applied one by one.
    fn forward(&self, inputs: &[Tensor]) -> Result<Outputs> {
        if inputs.iter().any(|tensor| tensor.varies() || tensor.is_type_only()) {
            return self.outputs_of(self.inlined(inputs).at(&self.name)?);
        }
        let arrays = inputs.iter().map(Tensor::to_array).collect::<Result<Vec<_>>>()?;
        let noise = if arrays.len() < self.graph().inputs().len() { self.noise(&arrays)? } else { Vec::new() };
        let arrays = [arrays, noise].concat();
        let outputs: Vec<Tensor> = self.graph().replay(&arrays).at(&self.name)?.into_iter().map(Tensor::from).collect();
        self.outputs_of(outputs)
    }

    fn input_names(&self) -> Vec<String> {
        self.inputs().into_iter().map(|input| input.0).collect()
    }

    fn input_structure(&self) -> Option<TreeDef> {
        Some(self.signature().inputs().clone())
    }

    fn output_names(&self) -> Vec<String> {
        self.signature().output_names().to_vec()
    }
}
