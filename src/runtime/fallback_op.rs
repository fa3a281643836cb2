//! A node inside tract's plan that runs on our kernels: the reader of its ONNX operator, recorded once for the types that it gets.

use super::activation_op::{ActivationOp, activation_of};
use super::broadcast_op::{BroadcastOp, broadcast, combine};
use super::conversion::{datum_type, dtype, from_tract, to_tract};
use super::kernel_nodes::{self, KERNEL};
use super::panic::from_ours;
use super::row_op::{RowOp, row_operator};
use super::symbols::SymbolMap;
use crate::array::{Array, DType};
use crate::dim::{Shape, Type};
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::onnx::proto::{AttributeProto, FunctionProto, NodeProto, attribute_proto::AttributeType};
use crate::onnx::{Node, calls, tensor};
use crate::ops::OpRegistry;
use crate::read::{NodeOperand, NodeProgram};
use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};
use tract_onnx::model::ParsingContext;
use tract_onnx::tract_hir::internal::*;

/// What the names begin with under which tract knows our operators.
const OURS: &str = "ontrace.";

/// The attribute that holds the node as it was.
const NODE: &str = "ontrace.node";

/// The value of a ConstantOfShape that says none: 0 in f32.
pub(super) fn zero_value() -> Result<AttributeProto> {
    let t = Some(Box::new(tensor::proto("", &Array::vector(vec![0f32]))?));
    Ok(AttributeProto { name: "value".to_string(), r#type: AttributeType::Tensor as i32, t, ..AttributeProto::default() })
}

/// The node as tract gets it: under a name of ours, with all that it uses among its inputs.
pub(super) fn node(node: NodeProto, size_nodes: Vec<NodeProto>, functions: &[FunctionProto], opset: i64) -> NodeProto {
    let holds_calls =
        node.attribute.iter().any(|attribute| attribute.g.is_some()) || functions.iter().any(|function| calls(&node, function));
    let mut new = NodeProto {
        op_type: format!("{OURS}{}", node.op_type),
        name: node.name.clone(),
        output: node.output.clone(),
        ..NodeProto::default()
    };
    let single = NodeProgram::new(node, size_nodes, if holds_calls { functions.to_vec() } else { vec![] }, opset);
    new.input = single.inputs();
    new.attribute.push(AttributeProto {
        name: NODE.to_string(),
        r#type: AttributeType::String as i32,
        s: single.encode().into(),
        ..AttributeProto::default()
    });
    new
}

thread_local! {
    /// The operators of users' crates in the model that tract is reading on this thread: it calls [`build`] with nothing of ours in hand.
    static KNOWN: RefCell<Arc<OpRegistry>> = RefCell::default();
}

/// Has tract read a model that may have these operators of users' crates.
pub(super) fn knowing<R>(operators: &OpRegistry, read: impl FnOnce() -> R) -> R {
    KNOWN.set(Arc::new(operators.clone()));
    read()
}

/// Registers with tract every operator of ours in a model.
pub(super) fn register(onnx: &mut tract_onnx::Onnx, model: &tract_onnx::pb::ModelProto) {
    for node in model.graph.iter().flat_map(|graph| &graph.node).filter(|node| node.op_type.starts_with(OURS)) {
        onnx.op_register.0.insert(node.op_type.clone(), if node.op_type == KERNEL { kernel_nodes::build } else { build });
    }
}

/// The types of what a node is given at every call, as tract has them.
type InputTypes = Vec<(DType, TVec<TDim>)>;

/// A node as it stands in the model that tract gets: with the constants among its inputs, which our reader may need to know, and which the plan does not
/// hand to it at every call.
#[derive(Clone)]
struct FallbackOp {
    node: Arc<NodeProgram>,
    operators: Arc<OpRegistry>,
    name: String,
    /// The names of the inputs, and the values of the constants.
    inputs: Arc<Vec<(String, Option<Array>)>>,
    symbols: SymbolScope,
    /// What was recorded last, and for which types.
    known: Arc<Mutex<Option<(InputTypes, FallbackKernel)>>>,
}

impl std::fmt::Debug for FallbackOp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.node.node.op_type)
    }
}

fn build(context: &ParsingContext, node: &tract_onnx::pb::NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let bytes = node.attribute.iter().find(|attribute| attribute.name == NODE).map(|attribute| &attribute.s[..]);
    let single = NodeProgram::decode(bytes.unwrap_or_default()).map_err(from_ours)?;
    let input = |name: &String| -> TractResult<(String, Option<Array>)> {
        let initializers = context.model.graph.iter().flat_map(|graph| &graph.initializer);
        let Some(found) = initializers.into_iter().find(|initializer| initializer.name == *name) else {
            return Ok((name.clone(), None));
        };
        let tensor = context.load_tensor(found)?;
        let dtype = dtype(tensor.datum_type()).map_err(from_ours)?;
        Ok((name.clone(), Some(from_tract(tensor.into_tvalue(), dtype).map_err(from_ours)?)))
    };
    let inputs = node.input.iter().map(input).collect::<TractResult<Vec<_>>>()?;
    let symbols = context.template.symbols.clone();
    let fallback = FallbackOp {
        node: Arc::new(single),
        operators: KNOWN.with_borrow(Arc::clone),
        name: node.name.clone(),
        inputs: Arc::new(inputs),
        symbols,
        known: Arc::new(Mutex::new(None)),
    };
    Ok((expand(fallback), vec![]))
}

impl FallbackOp {
    /// Of these values, a value an input, those that are no constants.
    fn given<T: Clone>(&self, values: &[T]) -> Vec<T> {
        self.inputs.iter().zip(values).filter(|(input, _)| input.1.is_none()).map(|(_, value)| value.clone()).collect()
    }

    /// An operator of f32 that takes tract's tensors as they are, where there is one for the node.
    fn faster(&self, facts: &InputTypes) -> Option<Box<dyn TypedOp>> {
        let [(DType::F32, shape)] = &facts[..] else { return None };
        let constant = |name: &str| self.inputs.iter().find(|input| input.0 == name)?.1.as_ref();
        let node = Node::new(&self.node.node, 0);
        if self.operators.reader(node.domain(), node.op_type()).is_some() {
            return None;
        }
        if let Some(activation) = activation_of(&node, constant) {
            return Some(Box::new(ActivationOp(activation)));
        }
        let operator = row_operator(&node, shape.len(), constant)?;
        operator.fits(shape.last()?.to_usize().ok()?).then(|| Box::new(RowOp(Arc::new(operator))) as Box<dyn TypedOp>)
    }

    /// A sum or a product of f32 with an operand that broadcasts, constants among the operands.
    fn broadcast(&self, model: &TypedModel, inputs: &[OutletId]) -> TractResult<Option<BroadcastOp>> {
        let node = Node::new(&self.node.node, 0);
        let (Some(combine), [a, b]) = (combine(&node), inputs) else { return Ok(None) };
        let fixed = |outlet: &OutletId| -> TractResult<Option<Vec<usize>>> {
            let fact = model.outlet_fact(*outlet)?;
            let shape = fact.shape.iter().map(|n| n.to_usize().ok()).collect::<Option<Vec<usize>>>();
            Ok(shape.filter(|_| fact.datum_type == f32::datum_type()))
        };
        let (Some(a), Some(b)) = (fixed(a)?, fixed(b)?) else { return Ok(None) };
        let in_order = node.inputs().eq(self.inputs.iter().map(|input| Some(input.0.as_str())));
        Ok(broadcast([&a, &b]).filter(|_| in_order).map(|(whole, broadcast)| BroadcastOp { combine, whole, broadcast }))
    }

    /// What the node does to inputs of these types, and our shape rule.
    fn kernel(&self, facts: &InputTypes) -> Result<FallbackKernel> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, kernel)) = known.as_ref().filter(|known| known.0 == *facts) {
            return Ok(kernel.clone());
        }
        let mut symbols = SymbolMap::new(&self.symbols, &self.name);
        let mut types = facts.iter().map(|(dtype, shape)| Type::new(*dtype, shape.iter().map(|n| symbols.ours(n)).collect::<Shape>()));
        let operands = self.inputs.iter().map(|(name, constant)| {
            let operand = match constant {
                Some(array) => NodeOperand::Constant(array),
                None => NodeOperand::Given(types.next().ok_or_else(|| Error::internal("an input without a type"))?),
            };
            Ok((name.as_str(), operand))
        });
        let graph = self.node.record(operands.collect::<Result<Vec<_>>>()?, &self.operators)?;
        let kernel = FallbackKernel {
            op: self.node.node.op_type.clone(),
            name: self.name.clone(),
            scope: self.symbols.clone(),
            graph: Arc::new(graph),
        };
        *known = Some((facts.clone(), kernel.clone()));
        Ok(kernel)
    }
}

impl Expansion for FallbackOp {
    fn name(&self) -> StaticName {
        format!("{OURS}{}", self.node.node.op_type).into()
    }

    fn nboutputs(&self) -> TractResult<usize> {
        Ok(self.node.node.output.iter().filter(|name| !name.is_empty()).count())
    }

    fn rules<'r, 'p: 'r, 's: 'r>(&'s self, s: &mut Solver<'r>, inputs: &'p [TensorProxy], outputs: &'p [TensorProxy]) -> InferenceResult {
        let inputs = self.given(&inputs.iter().collect::<Vec<_>>());
        let shapes: Vec<_> = inputs.iter().map(|input| &input.shape).collect();
        let datums: Vec<_> = inputs.iter().map(|input| &input.datum_type).collect();
        s.given_all(datums, move |s, datums| {
            s.given_all(shapes.clone(), move |s, shapes| {
                let facts = datums.iter().zip(shapes).map(|(datum, shape)| Ok((dtype(*datum)?, shape))).collect::<Result<InputTypes>>();
                let facts = facts.and_then(|facts| self.kernel(&facts)?.facts(&facts)).map_err(from_ours)?;
                for (output, (datum, shape)) in outputs.iter().zip(facts) {
                    s.equals(&output.datum_type, datum)?;
                    s.equals(&output.shape, shape)?;
                }
                Ok(())
            })
        })
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        if let Some(op) = self.broadcast(model, inputs)? {
            return model.wire_node(prefix, op, inputs);
        }
        let given = self.given(inputs);
        let facts = given.iter().map(|&outlet| fact(model.outlet_fact(outlet)?)).collect::<TractResult<InputTypes>>()?;
        if let Some(op) = self.faster(&facts) {
            return model.wire_node(prefix, op, &given);
        }
        let kernel = self.kernel(&facts).map_err(from_ours)?;
        model.wire_node(prefix, kernel, &given)
    }
}

fn fact(fact: &TypedFact) -> TractResult<(DType, TVec<TDim>)> {
    Ok((dtype(fact.datum_type).map_err(from_ours)?, fact.shape.iter().cloned().collect()))
}

/// What a node does to inputs of some types: a graph that is replayed.
#[derive(Clone, Debug)]
struct FallbackKernel {
    op: String,
    name: String,
    scope: SymbolScope,
    graph: Arc<Graph>,
}

impl PartialEq for FallbackKernel {
    fn eq(&self, other: &FallbackKernel) -> bool {
        // tract runs what is equal once; sizes that depend on data are named for their node.
        let fixed = || self.graph.outputs().iter().all(|&id| self.graph.value(id).ty.shape.iter().all(|n| !n.is_symbolic()));
        Arc::ptr_eq(&self.graph, &other.graph) || self.op == other.op && fixed() && self.graph.structurally_equals(&other.graph)
    }
}

impl Eq for FallbackKernel {}

impl FallbackKernel {
    /// The types of the outputs where the inputs have these. A size that depends on data is a symbol of tract's.
    fn facts(&self, inputs: &InputTypes) -> Result<Vec<(DatumType, TVec<TDim>)>> {
        let mut symbols = SymbolMap::new(&self.scope, &self.name);
        for ((_, shape), &id) in inputs.iter().zip(self.graph.inputs()) {
            symbols.observe(&self.graph.value(id).ty.shape, shape)?;
        }
        let fact = |&id| {
            let ty = &self.graph.value(id).ty;
            Ok((datum_type(ty.dtype)?, ty.shape.iter().map(|dim| symbols.theirs(dim)).collect()))
        };
        self.graph.outputs().iter().map(fact).collect()
    }
}

impl Op for FallbackKernel {
    fn name(&self) -> StaticName {
        format!("{OURS}{}", self.op).into()
    }

    fn mints_runtime_symbols(&self) -> bool {
        true
    }

    op_as_typed_op!();
}

impl EvalOp for FallbackKernel {
    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let run = || -> Result<TVec<TValue>> {
            let ids = self.graph.inputs().iter();
            let arrays =
                ids.zip(inputs).map(|(&id, value)| from_tract(value, self.graph.value(id).ty.dtype)).collect::<Result<Vec<_>>>()?;
            self.graph.replay(&arrays)?.iter().map(|array| to_tract(array).map(TValue::from)).collect()
        };
        run().map_err(from_ours)
    }

    op_out_of_plan!();
}

impl TypedOp for FallbackKernel {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let inputs = inputs.iter().map(|input| fact(input)).collect::<TractResult<InputTypes>>()?;
        Ok(self.facts(&inputs).map_err(from_ours)?.into_iter().map(|(datum, shape)| datum.fact(shape)).collect())
    }

    as_op!();
}
