//! A single node of a model as a graph: what it does to inputs of known types.

use super::run::{GraphRunner, Scope};
use crate::array::Array;
use crate::dim::Type;
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::onnx::proto::{FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto};
use crate::onnx::{outer_names, sort_functions};
use crate::ops::{OpRegistry, seeded};
use crate::tensor::{Recorder, Tensor};
use prost::Message;
use std::collections::BTreeSet;

/// A node, and what of its model it needs: the nodes that compute sizes for it, the functions, and the version of the standard domain.
#[derive(Debug, PartialEq)]
pub(crate) struct NodeProgram {
    size_nodes: Vec<NodeProto>,
    pub(crate) node: NodeProto,
    functions: Vec<FunctionProto>,
    opset: i64,
}

/// What stands behind a name that the node uses.
pub(crate) enum NodeOperand<'a> {
    /// A value that is the same at every call.
    Constant(&'a Array),
    /// An input of the graph.
    Given(Type),
}

impl NodeProgram {
    pub(crate) fn new(node: NodeProto, size_nodes: Vec<NodeProto>, mut functions: Vec<FunctionProto>, opset: i64) -> NodeProgram {
        sort_functions(&mut functions);
        NodeProgram { size_nodes, node, functions, opset }
    }

    /// The values of the model that are used, each once, in the order of their first use.
    pub(crate) fn inputs(&self) -> Vec<String> {
        let made: BTreeSet<&str> = self.size_nodes.iter().flat_map(|node| &node.output).map(String::as_str).collect();
        let mut names: Vec<String> = Vec::new();
        for node in self.size_nodes.iter().chain([&self.node]) {
            for name in node.input.iter().map(String::as_str).chain(outer_names(node)) {
                if !name.is_empty() && !made.contains(name) && !names.iter().any(|known| known == name) {
                    names.push(name.to_string());
                }
            }
        }
        names
    }

    /// As bytes: a model whose graph ends with this node.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let model = ModelProto {
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: self.opset }],
            functions: self.functions.clone(),
            graph: Some(GraphProto { node: [&self.size_nodes[..], std::slice::from_ref(&self.node)].concat(), ..GraphProto::default() }),
            ..ModelProto::default()
        };
        model.encode_to_vec()
    }

    /// The mirror image of [`NodeProgram::encode`].
    ///
    /// # Errors
    /// [`Damaged`](crate::ErrorCode::Damaged) where these are other bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Result<NodeProgram> {
        let model = ModelProto::decode(bytes).map_err(|error| Error::damaged(error.to_string()).with_source(error))?;
        let opset = model.opset_import.first().map_or(0, |import| import.version);
        let mut size_nodes = model.graph.map(|graph| graph.node).unwrap_or_default();
        let node = size_nodes.pop().ok_or_else(|| Error::damaged("no node"))?;
        Ok(NodeProgram { size_nodes, node, functions: model.functions, opset })
    }

    /// What the node does, as a graph from the operands that are given, in their order, to the outputs that have a name.
    ///
    /// # Errors
    /// Where the node cannot be read, or needs to know values that are given.
    pub(crate) fn record<'a>(
        &self,
        operands: impl IntoIterator<Item = (&'a str, NodeOperand<'a>)>,
        operators: &OpRegistry,
    ) -> Result<Graph> {
        let recorder = Recorder::open();
        let mut scope = Scope::new();
        for (name, operand) in operands {
            let tensor = match operand {
                NodeOperand::Constant(array) => Tensor::from(array.clone()),
                NodeOperand::Given(ty) => recorder.input(name, ty.clone(), &Tensor::of_type(ty))?,
            };
            scope.insert(name, tensor.into());
        }
        let runner = GraphRunner {
            functions: &self.functions,
            operators,
            opset: self.opset,
            depth: 0,
            caller: None,
            freed: &[],
            is_foreign: false,
            found: None,
            is_scan: false,
        };
        seeded(0, || {
            runner.nodes(&self.size_nodes, &mut scope)?;
            runner.nodes(std::slice::from_ref(&self.node), &mut scope)
        })?;
        let names = self.node.output.iter().filter(|name| !name.is_empty());
        let outputs = names.map(|name| scope.get(name)?.tensor().cloned()).collect::<Result<Vec<_>>>()?;
        recorder.finish(&outputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
        let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
        NodeProto { op_type: op.into(), input: names(inputs), output: names(outputs), ..NodeProto::default() }
    }

    #[test]
    fn a_node_is_recorded_for_the_types_that_it_is_given() {
        let single = NodeProgram::new(node("Add", &["x", "w"], &["y"]), vec![], vec![], 18);
        let single = NodeProgram::decode(&single.encode()).unwrap();
        assert_eq!(single.inputs(), ["x", "w"]);
        let (w, ty) = (Array::vector(vec![1.0f32, 2.0]), Type::new(crate::DType::F32, [2]));
        let graph = single.record([("x", NodeOperand::Given(ty)), ("w", NodeOperand::Constant(&w))], &OpRegistry::new()).unwrap();
        let y = graph.replay(&[Array::vector(vec![10.0f32, 20.0])]).unwrap();
        assert_eq!(y[0].to_vec::<f32>().unwrap(), [11.0, 22.0]);
    }
}
