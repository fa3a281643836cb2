//! What a model is, in 64 digits: its graph whatever the names, its weights whatever they are called.

use super::Model;
use super::hash::blake3;
use super::names::{each_name, each_name_in};
use super::proto::{FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto};
use prost::Message;
use std::collections::HashMap;

impl Model {
    /// The BLAKE3 hash of what is computed: operators, attributes, types and the edges between them. Names of values, source lines, metadata and
    /// the values of the weights are not part of it; two traces of one program have one hash.
    pub fn graph_hash(&self) -> String {
        let mut proto = ModelProto {
            ir_version: 0,
            opset_import: self.proto.opset_import.clone(),
            graph: self.proto.graph.clone(),
            functions: self.proto.functions.clone(),
            ..ModelProto::default()
        };
        let mut names = Names::default();
        if let Some(graph) = &mut proto.graph {
            let stub = |(name, array): &(String, crate::array::Array)| TensorProto {
                name: name.clone(),
                data_type: super::tensor::data_type(array.dtype()),
                dims: array.shape().iter().map(|&n| n as i64).collect(),
                ..TensorProto::default()
            };
            // Which constant was written first depends on nothing but the program.
            graph.initializer = self.initializers.iter().map(stub).collect();
            names.graph(graph);
        }
        for function in &mut proto.functions {
            names.function(function);
        }
        blake3(&proto.encode_to_vec())
    }

    /// The BLAKE3 hash of the weights in the order of the file: dtype, shape and data.
    pub fn weights_hash(&self) -> String {
        let mut hash = ::blake3::Hasher::new();
        for (_, array) in &self.initializers {
            hash.update(format!("{}{:?}", array.dtype(), array.shape()).as_bytes());
            // A hash takes all that is written to it.
            let written = array.write_to(&mut hash);
            debug_assert!(written.is_ok());
        }
        hash.finalize().to_string()
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
pub(super) struct Names(HashMap<String, String>);

impl Names {
    pub(super) fn rename(&mut self, name: &mut String) {
        if !name.is_empty() {
            let next = self.0.len();
            *name = self.0.entry(std::mem::take(name)).or_insert_with(|| format!("v{next}")).clone();
        }
    }

    fn graph(&mut self, graph: &mut GraphProto) {
        blank(graph);
        each_name_in(graph, &mut |name| self.rename(name));
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
