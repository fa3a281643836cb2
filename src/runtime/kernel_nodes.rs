//! Nodes of ours in the model that tract reads, whose weights are laid out before: each names its kernel by a number.

use crate::array::Array;
use crate::error::Result;
use crate::onnx::proto::attribute_proto::AttributeType;
use crate::onnx::proto::{AttributeProto, GraphProto, NodeProto};
use crate::onnx::{Model, outer_names};
use crate::ops::OpRegistry;
use std::cell::RefCell;
use std::collections::HashSet;
use tract_onnx::model::ParsingContext;
use tract_onnx::tract_hir::internal::*;

/// The name under which tract knows such a node.
pub(super) const KERNEL: &str = "ontrace.Kernel";

/// The attribute that holds the number.
const NUMBER: &str = "number";

/// The kernels that passes over a model made, as tract's operators, by their numbers.
#[derive(Default)]
pub(super) struct Kernels {
    all: Vec<Box<dyn InferenceOp>>,
    /// The nodes that they run in place of: name and operator.
    pub(super) replaced: Vec<(String, String)>,
}

impl Kernels {
    /// A node that runs a kernel.
    pub(super) fn node(&mut self, kernel: impl Expansion + 'static, name: String, input: Vec<String>, output: Vec<String>) -> NodeProto {
        let i = self.all.len() as i64;
        self.all.push(expand(kernel));
        let number = AttributeProto { name: NUMBER.to_string(), r#type: AttributeType::Int as i32, i, ..AttributeProto::default() };
        NodeProto { op_type: KERNEL.to_string(), name, input, output, attribute: vec![number], ..NodeProto::default() }
    }

    /// The nodes of a graph, those for which `of` gives a kernel and its inputs replaced by a node that runs it; `None` where it gives none. Operators of
    /// users' crates stay.
    ///
    /// # Errors
    /// Those of `of`.
    pub(super) fn in_place<'a, K: Expansion + 'static>(
        &mut self,
        graph: &'a GraphProto,
        operators: &OpRegistry,
        mut of: impl FnMut(&'a NodeProto) -> Result<Option<(K, Vec<String>)>>,
    ) -> Result<Option<Vec<NodeProto>>> {
        let before = self.all.len();
        let mut nodes = Vec::with_capacity(graph.node.len());
        for node in &graph.node {
            let is_custom = operators.reader(&node.domain, &node.op_type).is_some();
            nodes.push(match if is_custom { None } else { of(node)? } {
                Some((kernel, inputs)) => {
                    self.replaces(node);
                    self.node(kernel, node.name.clone(), inputs, node.output.clone())
                }
                None => node.clone(),
            });
        }
        Ok((self.all.len() > before).then_some(nodes))
    }

    /// Says that a node of the model runs on a kernel.
    pub(super) fn replaces(&mut self, node: &NodeProto) {
        self.replaced.push((node.name.clone(), node.op_type.clone()));
    }
}

thread_local! {
    /// The kernels of the model that tract is reading on this thread: it calls [`build`] with nothing of ours in hand.
    static KERNELS: RefCell<Vec<Box<dyn InferenceOp>>> = const { RefCell::new(Vec::new()) };
}

/// Has tract read a model that has nodes of these kernels.
pub(super) fn knowing<R>(kernels: Kernels, read: impl FnOnce() -> R) -> R {
    KERNELS.set(kernels.all);
    let read = read();
    KERNELS.take();
    read
}

pub(super) fn build(_: &ParsingContext, node: &tract_onnx::pb::NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let number = node.attribute.iter().find(|attribute| attribute.name == NUMBER).and_then(|attribute| usize::try_from(attribute.i).ok());
    let kernel = number.and_then(|i| KERNELS.with_borrow(|kernels| kernels.get(i).cloned()));
    Ok((kernel.context("a kernel that is not known")?, vec![]))
}

/// A model with these nodes in place of its own, and the initializers that they use, or that it declares.
pub(super) fn with_nodes(model: &Model, nodes: Vec<NodeProto>, initializers: Vec<(String, Array)>) -> Model {
    let mut new = Model { proto: model.proto.clone(), initializers: Vec::new() };
    let graph = new.proto.graph.get_or_insert_default();
    graph.node = nodes;
    let used: HashSet<&str> = graph.node.iter().flat_map(|node| node.input.iter().map(String::as_str).chain(outer_names(node))).collect();
    let declared: HashSet<&str> = declared(graph).collect();
    let all = model.initializers.iter().cloned().chain(initializers);
    new.initializers = all.filter(|(name, _)| used.contains(name.as_str()) || declared.contains(name.as_str())).collect();
    new
}

/// The names of inputs and outputs.
fn declared(graph: &GraphProto) -> impl Iterator<Item = &str> {
    graph.input.iter().chain(&graph.output).map(|info| info.name.as_str())
}
