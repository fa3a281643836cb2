//! What a model is, in 64 digits: its graph whatever the names, its weights whatever they are called.

use super::Model;
use super::encode::{MODEL_GRAPH, open};
use super::hash::WeightsHash;
use super::names::each_name;
use super::proto::{FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto};
use crate::error::Result;
use prost::Message;
use std::collections::HashMap;

/// Hands over the nodes of a graph in order.
pub(super) type EachNode<'a> = dyn Fn(&mut dyn FnMut(NodeProto) -> Result<()>) -> Result<()> + 'a;

impl Model {
    /// The BLAKE3 hash of what is computed: operators, attributes, types and the edges between them. Names of values, source lines, metadata and
    /// the values of the weights are not part of it; two traces of one program have one hash.
    pub fn graph_hash(&self) -> String {
        let nodes = self.proto.graph.iter().flat_map(|graph| &graph.node);
        let each_node = |visit: &mut dyn FnMut(NodeProto) -> Result<()>| nodes.clone().cloned().try_for_each(visit);
        // Nodes that are there do not fail.
        let hash = self.hash_with_nodes(&each_node);
        debug_assert!(hash.is_ok());
        hash.unwrap_or_default()
    }

    /// As [`Model::graph_hash`], of a model whose nodes come from elsewhere.
    ///
    /// # Errors
    /// What `each_node` fails with.
    pub(super) fn hash_with_nodes(&self, each_node: &EachNode) -> Result<String> {
        let mut names = Names::default();
        let mut hash = ::blake3::Hasher::new();
        if let Some(graph) = &self.proto.graph {
            // The length of the graph comes first: it is encoded twice, since all of its bytes at once would take as much memory as the model.
            let mut length = 0;
            self.renamed(graph, each_node, &mut names, &mut |bytes| length += bytes.len() as u64)?;
            // A hash takes all that is written to it.
            let opened = open(MODEL_GRAPH, length, &mut hash);
            debug_assert!(opened.is_ok());
            self.renamed(graph, each_node, &mut names, &mut |bytes| {
                hash.update(bytes);
            })?;
        }
        let mut rest =
            ModelProto { opset_import: self.proto.opset_import.clone(), functions: self.proto.functions.clone(), ..ModelProto::default() };
        rest.functions.iter_mut().for_each(|function| names.function(function));
        hash.update(&rest.encode_to_vec());
        Ok(hash.finalize().to_string())
    }

    /// Writes the encoding of the graph, with names by the order of their first occurrence. Nodes, initializers and declarations are copied one at a time:
    /// all of them at once would take as much memory as the model.
    fn renamed(&self, graph: &GraphProto, each_node: &EachNode, names: &mut Names, write: &mut dyn FnMut(&[u8])) -> Result<()> {
        let GraphProto { sparse_initializer, input, output, quantization_annotation, .. } = graph;
        // Names count from the inputs on. Which constant was written first depends on nothing but the program.
        input.iter().for_each(|info| drop(names.renamed(&info.name)));
        self.initializers.iter().for_each(|(name, _)| drop(names.renamed(name)));
        let mut bytes = Vec::new();
        let mut append = |part: GraphProto| {
            bytes.clear();
            // A vector has room for all that is written to it.
            let encoded = part.encode(&mut bytes);
            debug_assert!(encoded.is_ok());
            write(&bytes);
        };
        // The fields of a message are written in the order of their numbers: nodes, initializers, the rest.
        each_node(&mut |mut node| {
            names.node(&mut node);
            append(GraphProto { node: vec![node], ..GraphProto::default() });
            Ok(())
        })?;
        for (name, array) in &self.initializers {
            let stub = TensorProto {
                name: names.renamed(name),
                data_type: super::tensor::data_type(array.dtype()),
                dims: array.shape().iter().map(|&n| n as i64).collect(),
                ..TensorProto::default()
            };
            append(GraphProto { initializer: vec![stub], ..GraphProto::default() });
        }
        for info in input {
            append(GraphProto { input: vec![names.info(info)], ..GraphProto::default() });
        }
        for info in output {
            append(GraphProto { output: vec![names.info(info)], ..GraphProto::default() });
        }
        let (sparse_initializer, quantization_annotation) = (sparse_initializer.clone(), quantization_annotation.clone());
        append(GraphProto { sparse_initializer, quantization_annotation, ..GraphProto::default() });
        Ok(())
    }

    /// The BLAKE3 hash of the weights in the order of the file: dtype, shape and data.
    pub fn weights_hash(&self) -> String {
        let mut hash = WeightsHash::default();
        for (_, array) in &self.initializers {
            hash.begin(array);
            // A hash takes all that is written to it.
            let written = array.write_to(&mut hash);
            debug_assert!(written.is_ok());
        }
        hash.finish()
    }

    /// Takes everything out that says where the model comes from: metadata of the model and its nodes, and documentation. What it computes,
    /// and the names of its inputs and outputs, stay.
    pub fn strip(&mut self) {
        self.proto.metadata_props.clear();
        self.proto.doc_string.clear();
        if let Some(graph) = &mut self.proto.graph {
            strip_graph(graph);
        }
        for function in &mut self.proto.functions {
            function.doc_string.clear();
            function.metadata_props.clear();
            function.node.iter_mut().for_each(strip_node);
        }
    }
}

fn strip_graph(graph: &mut GraphProto) {
    graph.metadata_props.clear();
    graph.doc_string.clear();
    for info in graph.input.iter_mut().chain(&mut graph.output).chain(&mut graph.value_info) {
        info.metadata_props.clear();
        info.doc_string.clear();
    }
    graph.node.iter_mut().for_each(strip_node);
}

fn strip_node(node: &mut NodeProto) {
    node.metadata_props.clear();
    node.doc_string.clear();
    node.attribute.iter_mut().filter_map(|attribute| attribute.g.as_mut()).for_each(|graph| strip_graph(graph));
}

/// Names by the order of their first occurrence.
#[derive(Default)]
pub(super) struct Names(HashMap<String, usize>);

impl Names {
    pub(super) fn rename(&mut self, name: &mut String) {
        *name = self.renamed(name);
    }

    /// The name that stands for this one; no name stands for none.
    fn renamed(&mut self, name: &str) -> String {
        let next = self.0.len();
        match self.0.get(name) {
            _ if name.is_empty() => String::new(),
            Some(number) => format!("v{number}"),
            None => {
                self.0.insert(name.to_string(), next);
                format!("v{next}")
            }
        }
    }

    /// A declaration without what says where it comes from.
    fn info(&mut self, info: &ValueInfoProto) -> ValueInfoProto {
        ValueInfoProto { name: self.renamed(&info.name), r#type: info.r#type.clone(), ..ValueInfoProto::default() }
    }

    fn function(&mut self, function: &mut FunctionProto) {
        function.doc_string.clear();
        function.metadata_props.clear();
        function.value_info.clear();
        function.input.iter_mut().for_each(|name| self.rename(name));
        function.node.iter_mut().for_each(|node| self.node(node));
        function.output.iter_mut().for_each(|name| self.rename(name));
    }

    pub(super) fn node(&mut self, node: &mut NodeProto) {
        blank_node(node);
        each_name(node, &mut |name| self.rename(name));
    }
}

/// Takes out whatever has no say in what a graph computes.
fn blank(graph: &mut GraphProto) {
    strip_graph(graph);
    graph.name.clear();
    graph.value_info.clear();
    graph.node.iter_mut().for_each(blank_node);
}

fn blank_node(node: &mut NodeProto) {
    strip_node(node);
    node.name.clear();
    node.attribute.iter_mut().filter_map(|attribute| attribute.g.as_mut()).for_each(|graph| blank(graph));
}

#[cfg(test)]
mod tests {
    use super::super::sample::node;
    use super::*;
    use crate::Array;
    use crate::onnx::hash::blake3;
    use crate::onnx::proto::{AttributeProto, OperatorSetIdProto};

    #[test]
    fn the_hash_of_a_graph_is_that_of_its_renamed_encoding() {
        let info = |name: &str| ValueInfoProto { name: name.into(), ..ValueInfoProto::default() };
        let body = GraphProto { node: vec![node("Neg", &["w"], &["c"])], output: vec![info("c")], ..GraphProto::default() };
        let attribute = vec![AttributeProto { g: Some(Box::new(body)), ..AttributeProto::default() }];
        let graph = |x: &str, w: &str, s: &str, z: &str, c: &str| {
            let mut nodes = vec![node("Add", &[x, w], &[s]), NodeProto { attribute: attribute.clone(), ..node("If", &[s], &[z]) }];
            if let Some(body) = &mut nodes[1].attribute[0].g {
                (body.node[0], body.output[0]) = (node("Neg", &[w], &[c]), info(c));
            }
            GraphProto { node: nodes, input: vec![info(x)], output: vec![info(z)], ..GraphProto::default() }
        };
        let opset_import = vec![OperatorSetIdProto { version: 18, ..OperatorSetIdProto::default() }];
        let written = GraphProto { name: "g".into(), value_info: vec![info("s")], ..graph("x", "w", "s", "z", "c") };
        let proto = ModelProto { ir_version: 8, opset_import: opset_import.clone(), graph: Some(written), ..ModelProto::default() };
        let model = Model { proto, initializers: vec![("w".into(), Array::vector(vec![1.0f32, 2.0]))] };
        // Inputs first, then initializers, then what nodes make.
        let stub = TensorProto { name: "v1".into(), data_type: 1, dims: vec![2], ..TensorProto::default() };
        let renamed = GraphProto { initializer: vec![stub], ..graph("v0", "v1", "v2", "v4", "v3") };
        let expected = ModelProto { opset_import, graph: Some(renamed), ..ModelProto::default() };
        assert_eq!(model.graph_hash(), blake3(&expected.encode_to_vec()));
    }
}
