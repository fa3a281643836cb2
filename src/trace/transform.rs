//! Transformations of a traced graph: other weights, or the part that one module did.

use super::{Traced, record};
use crate::array::{Array, DType};
use crate::dim::{Dim, Type};
use crate::error::{Error, Result};
use crate::graph::{Graph, Substitution};
use crate::module::{DynModule, Example, Outputs, Signature, default_name};
use crate::ops::inline_as;
use crate::tensor::Tensor;
use std::collections::BTreeMap;

/// A graph whose f32 are another float.
struct Converted<'a> {
    graph: &'a Graph,
    dtype: DType,
}

impl DynModule for Converted<'_> {
    fn forward(&self, inputs: &[Tensor]) -> Result<Outputs> {
        inline_as(self.graph, inputs, |known| if known == DType::F32 { self.dtype } else { known }).map(Outputs::from)
    }
}

impl Traced {
    /// The parameters by the names that the module gave them: also those that the trace has only as what was computed from them.
    ///
    /// What was computed from parameters is known to a graph that was traced here; one that was loaded has the values of its file.
    pub fn state(&self) -> BTreeMap<String, Array> {
        self.graph.state().into_iter().map(|(name, array)| (name.to_string(), array)).collect()
    }

    /// The traced graph with other values for some parameters: nothing is traced again, what was computed from them is computed again.
    ///
    /// ```
    /// use ontrace::nn::{Linear, Weights};
    /// use ontrace::{Array, DType, DynModule, Tensor, trace};
    /// let x = Tensor::ones([1, 2], DType::F32)?;
    /// let traced = trace(&Linear::new(&Weights::seeded(0).at("fc"), 2, 1)?, &x)?;
    /// let mut state = traced.state();
    /// state.insert("fc.weight".into(), Array::new(&[1, 2], vec![2f32, 3.0])?);
    /// state.insert("fc.bias".into(), Array::vector(vec![1f32]));
    /// assert_eq!(traced.with_state(&state)?.call(&x)?.to_vec::<f32>()?, [6.0]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Input`](crate::ErrorCode::Input) for a name that is none (the names are listed), or values of another dtype or shape.
    pub fn with_state(&self, parameters: &BTreeMap<String, Array>) -> Result<Traced> {
        Ok(Traced { graph: self.graph.with_state(parameters)?, verdict: None, ..self.clone() })
    }

    /// What the module at this path does (`encoder.layers.0`), as a traced graph of its own: its inputs are what it took from elsewhere, its
    /// outputs what others took from it.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where no node belongs to such a module; the paths are listed.
    pub fn sub(&self, path: &str) -> Result<Traced> {
        let (inputs, outputs) = self.graph.border(path).ok_or_else(|| {
            let mut paths: Vec<&str> =
                self.graph.nodes().iter().map(|node| &*node.location.scope).filter(|path| !path.is_empty()).collect();
            paths.dedup();
            Error::argument(format!("no node belongs to a module `{path}`")).help(format!("the modules are: {}", paths.join(", ")))
        })?;
        let graph = self.graph.part(&inputs, &outputs)?;
        let names = (0..outputs.len()).map(|i| default_name(i, outputs.len())).collect();
        let signature = Signature::flat(inputs.len(), names, self.signature.example_sizes().clone());
        Ok(Traced::of(graph, path, signature))
    }

    /// The same traced graph in another width of float: parameters, constants, inputs and casts that are f32 become this.
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) for one that is no float, and where an operator does not take it.
    pub fn with_dtype(&self, dtype: DType) -> Result<Traced> {
        if !dtype.is_float() {
            return Err(DType::not_taken(dtype));
        }
        let converted = |known: DType| if known == DType::F32 { dtype } else { known };
        let inputs = self.inputs().into_iter();
        let example = inputs
            .fold(Example::new(), |example, (name, ty)| example.input(&name, &Tensor::of_type(Type::new(converted(ty.dtype), ty.shape))));
        let graph = record(&Converted { graph: &self.graph, dtype }, example)?.graph;
        let of = Substitution { dim: &Dim::clone, dtype: &converted };
        let noise = self.noise.iter().map(|op| op.substituted(&of).unwrap_or_else(|| op.clone())).collect();
        Ok(Traced { graph, noise, verdict: None, ..self.clone() })
    }
}
