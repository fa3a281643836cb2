//! A model with its weights as arrays: what a writer makes and a file holds.

use super::names::{canonical_domain, node_location, printable};
use super::proto::{AttributeProto, GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto};
use super::tensor;
use crate::array::Array;
use crate::error::{ErrorCode, Result, ResultExt};

/// A model whose initializers are arrays beside the messages, in order.
///
/// Reading leaves an initializer of a type that we have no array for (strings, 8-bit floats) in `proto.graph`.
/// Documentation and metadata of single initializers are not kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    /// Everything but the initializers.
    pub proto: ModelProto,
    /// Name and data of each initializer of the main graph; strided views are allowed.
    pub initializers: Vec<(String, Array)>,
}

impl Model {
    /// Takes the initializers of a decoded model out as arrays; they share its bytes.
    ///
    /// # Errors
    /// As [`tensor::array`], but for types that we have no array for.
    pub fn from_proto(mut proto: ModelProto) -> Result<Model> {
        let mut initializers = Vec::new();
        if let Some(graph) = &mut proto.graph {
            initializers.reserve_exact(graph.initializer.len());
            for initializer in std::mem::take(&mut graph.initializer) {
                graph.initializer.extend(take_initializer(initializer, &mut initializers)?);
            }
        }
        Ok(Model { proto, initializers })
    }

    /// The model as one message, its initializers in it. Their bytes are shared where they stand in row-major order.
    ///
    /// # Errors
    /// [`TooBig`](ErrorCode::TooBig) for repeated elements whose dense copy does not fit into memory.
    pub fn into_proto(self) -> Result<ModelProto> {
        let mut proto = self.proto;
        let initializers = self.initializers.iter().map(|(name, array)| tensor::proto(name, array)).collect::<Result<Vec<_>>>()?;
        proto.graph.get_or_insert_default().initializer.splice(0..0, initializers);
        Ok(proto)
    }

    /// A copy without the nodes of the graph.
    #[cfg(feature = "tract")]
    pub(crate) fn without_nodes(&self) -> Model {
        let graph = self.proto.graph.as_ref();
        let graph = graph.map(|graph| GraphProto { initializer: graph.initializer.clone(), ..declarations(graph) });
        let proto = ModelProto { graph, ..outside_graph(&self.proto) };
        Model { proto, initializers: self.initializers.clone() }
    }

    /// The data of an initializer.
    pub fn initializer(&self, name: &str) -> Option<&Array> {
        self.initializers.iter().find_map(|initializer| (initializer.0 == name).then_some(&initializer.1))
    }

    /// The version of an operator set that the model imports; `""` is ONNX's own.
    pub fn opset(&self, domain: &str) -> Option<i64> {
        let same = |other: &str| canonical_domain(other) == canonical_domain(domain);
        self.proto.opset_import.iter().find_map(|import| same(&import.domain).then_some(import.version))
    }
}

/// A model without its graph.
pub(super) fn outside_graph(model: &ModelProto) -> ModelProto {
    let ModelProto {
        ir_version,
        opset_import,
        producer_name,
        producer_version,
        domain,
        model_version,
        doc_string,
        graph: _,
        metadata_props,
        training_info,
        functions,
        configuration,
    } = model;
    ModelProto {
        ir_version: *ir_version,
        opset_import: opset_import.clone(),
        producer_name: producer_name.clone(),
        producer_version: producer_version.clone(),
        domain: domain.clone(),
        model_version: *model_version,
        doc_string: doc_string.clone(),
        graph: None,
        metadata_props: metadata_props.clone(),
        training_info: training_info.clone(),
        functions: functions.clone(),
        configuration: configuration.clone(),
    }
}

/// A graph without its nodes and initializers.
pub(super) fn declarations(graph: &GraphProto) -> GraphProto {
    let GraphProto {
        node: _,
        name,
        initializer: _,
        sparse_initializer,
        doc_string,
        input,
        output,
        value_info,
        quantization_annotation,
        metadata_props,
    } = graph;
    GraphProto {
        node: Vec::new(),
        name: name.clone(),
        initializer: Vec::new(),
        sparse_initializer: sparse_initializer.clone(),
        doc_string: doc_string.clone(),
        input: input.clone(),
        output: output.clone(),
        value_info: value_info.clone(),
        quantization_annotation: quantization_annotation.clone(),
        metadata_props: metadata_props.clone(),
    }
}

/// Adds an initializer to the others as an array; gives it back where it has a type that we have no array for.
pub(super) fn take_initializer(initializer: TensorProto, to: &mut Vec<(String, Array)>) -> Result<Option<TensorProto>> {
    match tensor::array(&initializer) {
        Ok(array) => to.push((initializer.name, array)),
        Err(error) if error.code() == ErrorCode::Unsupported => return Ok(Some(initializer)),
        Err(error) => return Err(error.at(format!("initializer {}", printable(&initializer.name)))),
    }
    Ok(None)
}

/// What is done to each tensor of a model.
pub(super) type Visit<'a> = dyn FnMut(&mut TensorProto) -> Result<()> + 'a;

/// Visits every tensor wherever it stands: initializers, attributes, sparse parts, subgraphs, functions, training graphs.
pub(super) fn each_tensor(model: &mut ModelProto, visit: &mut Visit) -> Result<()> {
    for graph in model.graph.iter_mut() {
        each_in_graph(graph, visit)?;
    }
    for function in &mut model.functions {
        each_in_attributes(&mut function.attribute_proto, visit)?;
        each_in_nodes(&mut function.node, visit)?;
    }
    for training in &mut model.training_info {
        for graph in training.initialization.iter_mut().chain(&mut training.algorithm) {
            each_in_graph(graph, visit)?;
        }
    }
    Ok(())
}

fn each_in_graph(graph: &mut GraphProto, visit: &mut Visit) -> Result<()> {
    for tensor in &mut graph.initializer {
        let name = printable(&tensor.name);
        visit(tensor).at(format!("initializer {name}"))?;
    }
    for sparse in &mut graph.sparse_initializer {
        each_in_sparse(sparse, visit)?;
    }
    each_in_nodes(&mut graph.node, visit)
}

fn each_in_sparse(sparse: &mut SparseTensorProto, visit: &mut Visit) -> Result<()> {
    sparse.values.iter_mut().chain(&mut sparse.indices).try_for_each(visit)
}

fn each_in_nodes(nodes: &mut [NodeProto], visit: &mut Visit) -> Result<()> {
    nodes.iter_mut().enumerate().try_for_each(|(i, node)| each_in_node(node, i, visit))
}

/// Visits the tensors of a node, the `i`-th of its graph.
pub(super) fn each_in_node(node: &mut NodeProto, i: usize, visit: &mut Visit) -> Result<()> {
    each_in_attributes(&mut node.attribute, visit).map_err(|error| error.at(node_location(node, i)))
}

fn each_in_attributes(attributes: &mut [AttributeProto], visit: &mut Visit) -> Result<()> {
    for attribute in attributes {
        for tensor in attribute.t.as_deref_mut().into_iter().chain(&mut attribute.tensors) {
            visit(tensor).at(format!("attribute {}", printable(&attribute.name)))?;
        }
        for sparse in attribute.sparse_tensor.as_deref_mut().into_iter().chain(&mut attribute.sparse_tensors) {
            each_in_sparse(sparse, visit)?;
        }
        for graph in attribute.g.as_deref_mut().into_iter().chain(&mut attribute.graphs) {
            each_in_graph(graph, visit)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::tensor_proto::DataType;

    #[test]
    fn initializers_leave_the_message_and_come_back_in_order() {
        let initializer = |name: &str, x: f32| tensor::proto(name, &Array::scalar(x)).unwrap();
        let graph = GraphProto { initializer: vec![initializer("b", 1.0), initializer("a", 2.0)], ..Default::default() };
        let proto = ModelProto { graph: Some(graph), ..Default::default() };
        let model = Model::from_proto(proto.clone()).unwrap();
        assert_eq!(model.initializers.iter().map(|i| &i.0[..]).collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!(model.initializer("a"), Some(&Array::scalar(2f32)));
        assert!(model.proto.graph.as_ref().unwrap().initializer.is_empty());
        assert_eq!(model.into_proto().unwrap(), proto);
    }

    #[test]
    fn strings_stay_in_the_message() {
        let words = TensorProto {
            name: "words".into(),
            data_type: DataType::String as i32,
            dims: vec![1],
            string_data: vec!["a".into()],
            ..Default::default()
        };
        let graph = GraphProto { initializer: vec![words], ..Default::default() };
        let proto = ModelProto { graph: Some(graph), ..Default::default() };
        assert_eq!(Model::from_proto(proto.clone()).unwrap().into_proto().unwrap(), proto);
    }
}
