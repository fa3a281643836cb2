//! A record made into another: with other weights, in another dtype, or a part of it.

use super::tracer::default_name;
use super::{ExportOptions, Signature, Traced};
use crate::array::{Array, DType};
use crate::error::{Error, Result};
use crate::onnx::proto::{GraphProto, NodeProto, attribute_proto::AttributeType, type_proto};
use crate::onnx::{Model, tensor};
use std::collections::BTreeMap;

impl Traced {
    /// The parameters by the names that the module gave them: also those that the record has only as what was computed from them.
    ///
    /// What was computed from parameters is known to a record that was traced here; one that was loaded has the numbers of its file.
    pub fn state(&self) -> BTreeMap<String, Array> {
        self.graph.state().into_iter().map(|(name, array)| (name.to_string(), array)).collect()
    }

    /// The same record with other numbers for some parameters: nothing is traced again, what was computed from them is computed again.
    ///
    /// ```
    /// use ontrace::nn::{Linear, Weights};
    /// use ontrace::{Array, DType, Module, Tensor, trace};
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
    /// [`Input`](crate::ErrorCode::Input) for a name that is none (the names are listed), or numbers of another dtype or shape.
    pub fn with_state(&self, parameters: &BTreeMap<String, Array>) -> Result<Traced> {
        Ok(Traced { graph: self.graph.with_state(parameters)?, verdict: None, ..self.clone() })
    }

    /// What the module at this path does (`encoder.layers.0`), as a record of its own: its inputs are what it took from elsewhere, its
    /// outputs what others took from it.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where no node belongs to such a module; the paths are listed.
    pub fn sub(&self, path: &str) -> Result<Traced> {
        let (inputs, outputs) = self.graph.border(path).ok_or_else(|| {
            let mut paths: Vec<&str> = self.graph.nodes().iter().map(|node| &*node.place.scope).filter(|path| !path.is_empty()).collect();
            paths.dedup();
            Error::argument(format!("no node belongs to a module `{path}`")).help(format!("there are: {}", paths.join(", ")))
        })?;
        let graph = self.graph.part(&inputs, &outputs)?;
        let names = (0..outputs.len()).map(|i| default_name(i, outputs.len())).collect();
        let signature = Signature::flat(inputs.len(), names, self.signature.lengths().clone());
        Ok(Traced::of(graph, path, signature))
    }

    /// The same record in another width of float: parameters, constants, inputs and casts that are f32 become this.
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) for one that is no float, and where an operator does not take it.
    pub fn with_dtype(&self, dtype: DType) -> Result<Traced> {
        if !dtype.is_float() {
            return Err(DType::not_taken(dtype));
        }
        let mut model = self.page(ExportOptions::default())?;
        convert(&mut model, dtype);
        let mut traced = Traced::from_model_with(model, &self.operators())?;
        traced.verdict = None;
        Ok(traced)
    }
}

/// Every f32 of a model as another float.
fn convert(model: &mut Model, dtype: DType) {
    for (_, array) in &mut model.initializers {
        if array.dtype() == DType::F32 {
            *array = array.cast(dtype);
        }
    }
    if let Some(graph) = &mut model.proto.graph {
        convert_graph(graph, dtype);
    }
}

fn convert_graph(graph: &mut GraphProto, dtype: DType) {
    let single = tensor::data_type(DType::F32);
    for info in graph.input.iter_mut().chain(&mut graph.output) {
        if let Some(type_proto::Value::TensorType(ty)) = info.r#type.as_mut().and_then(|ty| ty.value.as_mut())
            && ty.elem_type == single
        {
            ty.elem_type = tensor::data_type(dtype);
        }
    }
    // What is declared of values in between follows from the rest.
    graph.value_info.clear();
    graph.node.iter_mut().for_each(|node| convert_node(node, dtype));
}

fn convert_node(node: &mut NodeProto, dtype: DType) {
    let single = i64::from(tensor::data_type(DType::F32));
    for attribute in &mut node.attribute {
        if matches!(attribute.name.as_str(), "to" | "dtype") && attribute.r#type == AttributeType::Int as i32 && attribute.i == single {
            attribute.i = i64::from(tensor::data_type(dtype));
        }
        if let Some(inner) = &mut attribute.t
            && let Ok(array) = tensor::array(inner)
            && array.dtype() == DType::F32
        {
            **inner = tensor::proto("", &array.cast(dtype));
        }
        if let Some(graph) = &mut attribute.g {
            convert_graph(graph, dtype);
        }
    }
}
