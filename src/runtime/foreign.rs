//! A node inside tract's plan that runs on our kernel: the reader of its ONNX operator, with our shape rule.

use super::guard::from_ours;
use super::numbers::{datum_type, dtype, from_tract, to_tract};
use super::replace::REPLACED;
use crate::array::{Array, DType};
use crate::dim::{Shape, Type};
use crate::error::Result;
use crate::graph::Inputs;
use crate::onnx::proto::{AttributeProto, NodeProto, attribute_proto::AttributeType};
use crate::onnx::{Node, tensor};
use crate::ops;
use crate::tensor::Tensor;
use prost::Message;
use std::sync::Arc;
use tract_onnx::model::ParsingContext;
use tract_onnx::tract_hir::internal::*;

/// The name under which tract knows an operator of ours.
pub(super) fn name(op: &str) -> String {
    format!("ontrace.{op}")
}

/// The value of a ConstantOfShape that says none: 0 in f32.
pub(super) fn zero_value() -> AttributeProto {
    let zero = tensor::proto("", &Array::vector(vec![0f32]));
    AttributeProto { name: "value".to_string(), r#type: AttributeType::Tensor as i32, t: Some(Box::new(zero)), ..AttributeProto::default() }
}

/// Tells tract of every operator that we may run.
pub(super) fn register(onnx: &mut tract_onnx::Onnx) {
    for row in REPLACED {
        onnx.op_register.0.insert(name(row.0), build);
    }
}

/// A node as tract holds it: with the constants among its inputs, which our reader may need to know, and which the plan does not
/// hand to it at every call.
#[derive(Clone)]
struct Foreign {
    node: Arc<NodeProto>,
    constants: Arc<Vec<Option<Array>>>,
}

/// What an input of a node is.
enum Input<'a> {
    Absent,
    Constant(&'a Array),
    Given,
}

impl PartialEq for Foreign {
    fn eq(&self, other: &Foreign) -> bool {
        self.node == other.node
    }
}

impl Eq for Foreign {}

impl std::fmt::Debug for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.node.op_type)
    }
}

fn build(context: &ParsingContext, node: &tract_onnx::pb::NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let mut ours = NodeProto::decode(tract_onnx::pb::NodeProto::encode_to_vec(node).as_slice())?;
    ours.op_type = ours.op_type.trim_start_matches("ontrace.").to_string();
    let constant = |name: &String| -> TractResult<Option<Array>> {
        let Some(found) = context.model.graph.iter().flat_map(|graph| &graph.initializer).find(|initializer| initializer.name == *name)
        else {
            return Ok(None);
        };
        let tensor = context.load_tensor(found)?;
        let dtype = dtype(tensor.datum_type()).map_err(from_ours)?;
        from_tract(&tensor, dtype).map(Some).map_err(from_ours)
    };
    let constants = ours.input.iter().map(constant).collect::<TractResult<_>>()?;
    Ok((expand(Foreign { node: Arc::new(ours), constants: Arc::new(constants) }), vec![]))
}

impl Foreign {
    fn inputs(&self) -> impl Iterator<Item = Input<'_>> {
        self.node.input.iter().zip(self.constants.iter()).map(|(name, constant)| match constant {
            _ if name.is_empty() => Input::Absent,
            Some(array) => Input::Constant(array),
            None => Input::Given,
        })
    }

    /// Of the inputs that are present, as tract counts them, those that are no constants.
    fn given<T: Clone>(&self, present: &[T]) -> Vec<T> {
        let present = self.inputs().filter(|input| !matches!(input, Input::Absent)).zip(present);
        present.filter(|(input, _)| matches!(input, Input::Given)).map(|(_, value)| value.clone()).collect()
    }

    /// Runs the reader of the node on what is given, of which some may have a type only.
    fn read(&self, given: Vec<Tensor>) -> Result<Vec<Tensor>> {
        let mut given = given.into_iter();
        let tensor = |input| match input {
            Input::Absent => None,
            Input::Constant(array) => Some(Tensor::from(array.clone())),
            Input::Given => given.next(),
        };
        let tensors: Vec<Option<Tensor>> = self.inputs().map(tensor).collect();
        let inputs: Vec<Option<&Tensor>> = tensors.iter().map(Option::as_ref).collect();
        let mut outputs = ops::read(&Node::new(&self.node, 0), &Inputs::new(&inputs))?;
        outputs.truncate(self.node.output.len());
        Ok(outputs)
    }

    /// Our shape rule: the types of the outputs.
    fn types(&self, given: &[(DType, Vec<usize>)]) -> Result<Vec<Type>> {
        let tensors = given.iter().map(|(dtype, shape)| Tensor::of_type(Type::new(*dtype, Shape::fixed(shape)))).collect();
        Ok(self.read(tensors)?.iter().map(|tensor| tensor.ty().clone()).collect())
    }

    fn facts(&self, inputs: &[(DType, Vec<usize>)]) -> TractResult<Vec<(DatumType, Vec<usize>)>> {
        let fact = |ty: &Type| Ok((datum_type(ty.dtype)?, crate::dim::Sizes::Seen.shape(&ty.shape)?));
        self.types(inputs).and_then(|types| types.iter().map(fact).collect()).map_err(from_ours)
    }
}

impl Expansion for Foreign {
    fn name(&self) -> StaticName {
        name(&self.node.op_type).into()
    }

    fn nboutputs(&self) -> TractResult<usize> {
        Ok(self.node.output.len())
    }

    fn rules<'r, 'p: 'r, 's: 'r>(&'s self, s: &mut Solver<'r>, inputs: &'p [TensorProxy], outputs: &'p [TensorProxy]) -> InferenceResult {
        let inputs = self.given(&inputs.iter().collect::<Vec<_>>());
        let shapes: Vec<_> = inputs.iter().map(|input| &input.shape).collect();
        let datums: Vec<_> = inputs.iter().map(|input| &input.datum_type).collect();
        s.given_all(datums, move |s, datums| {
            s.given_all(shapes.clone(), move |s, shapes| {
                let inputs = datums.iter().zip(&shapes).map(|(datum, shape)| {
                    let shape = shape.iter().map(|dim| Ok(dim.to_usize()?)).collect::<TractResult<Vec<_>>>()?;
                    Ok((dtype(*datum).map_err(from_ours)?, shape))
                });
                let inputs = inputs.collect::<TractResult<Vec<_>>>()?;
                for (output, (datum, shape)) in outputs.iter().zip(self.facts(&inputs)?) {
                    s.equals(&output.datum_type, datum)?;
                    s.equals(&output.shape, shape.iter().map(|n| n.to_dim()).collect::<TVec<TDim>>())?;
                }
                Ok(())
            })
        })
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        model.wire_node(prefix, self.clone(), &self.given(inputs))
    }
}

impl Op for Foreign {
    fn name(&self) -> StaticName {
        name(&self.node.op_type).into()
    }

    op_as_typed_op!();
}

impl EvalOp for Foreign {
    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let run = || -> Result<Vec<tract_onnx::prelude::Tensor>> {
            let ours = |value: &TValue| from_tract(value, dtype(value.datum_type())?).map(Tensor::from);
            let tensors = inputs.iter().map(ours).collect::<Result<Vec<_>>>()?;
            self.read(tensors)?.iter().map(|tensor| to_tract(&tensor.to_array()?)).collect()
        };
        Ok(run().map_err(from_ours)?.into_iter().map(TValue::from).collect())
    }

    op_out_of_plan!();
}

impl TypedOp for Foreign {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let known = inputs.iter().map(|fact| {
            let shape = fact.shape.as_concrete().ok_or_else(|| format_err!("a plan for no shape in particular"))?;
            Ok((dtype(fact.datum_type).map_err(from_ours)?, shape.to_vec()))
        });
        let known = known.collect::<TractResult<Vec<_>>>()?;
        Ok(self.facts(&known)?.into_iter().map(|(datum, shape)| datum.fact(shape)).collect())
    }

    as_op!();
}
