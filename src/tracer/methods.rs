//! Several methods of a module in one artefact: their graphs stand side by side and share their parameters.

use super::Tracer;
use crate::error::{Error, Result, ResultExt};
use crate::graph::{Condition, Graph};
use crate::module::{AsDynModule, Example, Signature};
use crate::onnx::{Model, Saved};
use crate::read::LoadOptions;
use crate::trace::{METHODS_KEY, Traced, entry};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Several traced methods of a module, saved as one file in which they share their parameters.
///
/// In the file, the name of a method stands before the names of its inputs and outputs: `encode.x`.
/// [torch.jit.trace_module](https://pytorch.org/docs/stable/generated/torch.jit.trace_module.html)
///
/// ```
/// use ontrace::nn::{Linear, Weights};
/// use ontrace::{DType, DynModule, Methods, Module, Tensor, module};
/// let fc = Linear::without_bias(&Weights::seeded(0).at("fc"), 4, 4)?;
/// let x = Tensor::ones([2, 4], DType::F32)?;
/// let twice = module::from_fn(|x: Tensor| fc.forward(&fc.forward(&x)?));
/// let methods = Methods::new().trace("once", &fc, &x)?.trace("twice", &twice, &x)?;
/// let y = methods.get("once")?.call(&methods.get("once")?.call(&x)?)?;
/// assert_eq!(methods.get("twice")?.call(&x)?.to_vec::<f32>()?, y.to_vec::<f32>()?);
/// assert_eq!(methods.to_model()?.initializers.len(), 1);
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Methods {
    tracer: Tracer,
    methods: Vec<(String, Traced)>,
}

/// What the file says of a method beside its graph.
#[derive(Serialize, Deserialize)]
struct SavedMethod {
    name: String,
    inputs: usize,
    outputs: Vec<String>,
    signature: Signature,
    /// The constraints on sizes that are guards of this one.
    relations: Vec<String>,
}

impl Methods {
    /// No methods yet.
    pub fn new() -> Methods {
        Methods::default()
    }

    /// No methods yet; they will be traced with these options.
    pub fn with(tracer: Tracer) -> Methods {
        Methods { tracer, methods: Vec::new() }
    }

    /// Traces a module as the method of this name.
    ///
    /// # Errors
    /// As [`trace`](crate::trace()), naming the method; [`Argument`](crate::ErrorCode::Argument) where there is a method of this name.
    pub fn trace<K: ?Sized>(mut self, name: &str, module: &(impl AsDynModule<K> + ?Sized), example: impl Into<Example>) -> Result<Methods> {
        if self.methods.iter().any(|(known, _)| known == name) {
            return Err(Error::argument(format!("duplicate method `{name}`")));
        }
        let traced = self.tracer.clone().name(name).trace(module, example).at(format!("method {name}"))?;
        self.methods.push((name.to_string(), traced));
        Ok(self)
    }

    /// The names of the methods in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.methods.iter().map(|method| method.0.as_str())
    }

    /// The trace of a method.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where there is none of this name; the names are listed.
    pub fn get(&self, name: &str) -> Result<&Traced> {
        let found = self.methods.iter().find(|method| method.0 == name).map(|method| &method.1);
        found.ok_or_else(|| {
            let names = self.names().collect::<Vec<_>>().join(", ");
            Error::argument(format!("there is no method `{name}`")).help(format!("the methods are: {names}"))
        })
    }

    /// All methods as one ONNX model.
    ///
    /// # Errors
    /// As [`Traced::to_model`].
    pub fn to_model(&self) -> Result<Model> {
        let graphs: Vec<(&str, &Graph)> = self.methods.iter().map(|(name, traced)| (name.as_str(), traced.graph())).collect();
        let relations = |traced: &Traced| {
            let text = |guard: &crate::graph::Guard| match &guard.condition {
                Condition::Sizes(constraint) => Some(constraint.to_string()),
                Condition::Values(..) => None,
            };
            traced.guards().iter().filter_map(text).collect()
        };
        let saved = self.methods.iter().map(|(name, traced)| SavedMethod {
            name: name.clone(),
            inputs: traced.inputs().len(),
            outputs: traced.signature.output_names().to_vec(),
            signature: traced.signature.clone(),
            relations: relations(traced),
        });
        let saved = serde_json::to_string(&saved.collect::<Vec<_>>()).map_err(|error| Error::internal(error.to_string()))?;
        let outputs: Vec<String> = self
            .methods
            .iter()
            .flat_map(|(name, traced)| traced.signature.output_names().iter().map(move |it| format!("{name}.{it}")))
            .collect();
        let graph = Graph::side_by_side(&graphs);
        let mut all_sizes = BTreeMap::new();
        for (_, traced) in &self.methods {
            all_sizes.extend(traced.signature.example_sizes().clone());
        }
        let signature = Signature::flat(graph.inputs().len(), outputs, all_sizes);
        let extra = BTreeMap::from([(METHODS_KEY.to_string(), saved)]);
        let mut all = Traced::of(graph, "methods", signature);
        all.extra = extra;
        all.to_model()
    }

    /// Writes all methods to one file, whole or not at all.
    ///
    /// # Errors
    /// As [`Traced::save`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<Saved> {
        self.to_model()?.save(path)
    }

    /// The methods of a file that was saved.
    ///
    /// # Errors
    /// As [`Traced::load`]; [`Damaged`](crate::ErrorCode::Damaged) where the file does not list its methods.
    pub fn load(path: impl AsRef<Path>) -> Result<Methods> {
        Methods::load_as(path, &LoadOptions::new())
    }

    /// The methods of a file that was saved, with these options.
    ///
    /// # Errors
    /// As [`Methods::load`].
    pub fn load_as(path: impl AsRef<Path>, options: &LoadOptions) -> Result<Methods> {
        let path = path.as_ref();
        Model::open(path).and_then(|model| Methods::from_model(model, options)).at(path.display())
    }

    fn from_model(model: Model, options: &LoadOptions) -> Result<Methods> {
        let damaged = || Error::damaged("the file does not list its methods");
        let saved: Vec<SavedMethod> = entry(&model, METHODS_KEY).and_then(|text| serde_json::from_str(text).ok()).ok_or_else(damaged)?;
        let all = options.traced_model(model)?;
        let (mut inputs, mut outputs) = (all.graph.inputs(), all.graph.outputs());
        let mut methods = Vec::with_capacity(saved.len());
        for method in saved {
            if method.inputs > inputs.len() || method.outputs.len() > outputs.len() {
                return Err(damaged());
            }
            let own;
            let made;
            (own, inputs) = inputs.split_at(method.inputs);
            (made, outputs) = outputs.split_at(method.outputs.len());
            let mut graph = all.graph.part(own, made)?;
            graph.rename_inputs(|name| name.strip_prefix(&format!("{}.", method.name)).unwrap_or(name).to_string());
            graph.retain_guards(|guard| match &guard.condition {
                Condition::Sizes(constraint) => method.relations.contains(&constraint.to_string()),
                Condition::Values(..) => true,
            });
            let signature = method.signature.with_names(method.outputs);
            let one = Traced::of(graph, &method.name, signature);
            methods.push((method.name, one));
        }
        Ok(Methods { tracer: Tracer::default(), methods })
    }
}
