//! Lowering: a graph written as ONNX nodes.

use super::operator::needs_opset;
use super::{Derivation, Graph, Inputs, Operator, Source, ValueId};
use crate::array::{Array, DType, Scalar};
use crate::dim::{Dim, Expr, Shape, Type};
use crate::error::{Error, Result, ResultExt};
use crate::onnx::{GraphBuilder, Name};
use std::collections::HashMap;
use std::sync::Arc;

/// Writes a node of dtypes that the opset has.
fn lower_typed(builder: &mut GraphBuilder, op: &dyn Operator, arguments: &[Name], types: &[Type]) -> Result<Vec<Name>> {
    // Other domains have versions of their own.
    if builder.opset() >= op.since() || !op.domain().is_empty() {
        return op.lower(builder, arguments, types);
    }
    let opset = builder.opset();
    op.lower_decomposed(builder, arguments, types)?.ok_or_else(|| needs_opset(op.name(), op.since(), opset))
}

/// The dtypes that a node may be written in instead of one that its opset does not define for it: they have all its values or, of integers, give the
/// same last bits.
fn wider(dtype: DType) -> &'static [DType] {
    match dtype {
        DType::F32 | DType::F64 | DType::I64 | DType::Bool => &[],
        DType::U8 | DType::I8 | DType::U16 | DType::I16 => &[DType::I64, DType::F32],
        DType::U32 | DType::I32 => &[DType::I64, DType::F64],
        DType::U64 => &[DType::I64],
        _ => &[DType::F32],
    }
}

/// The dtypes of the node that is written, by those of the node.
type Substitutes = Vec<(DType, DType)>;

/// What stands for each dtype for which the opset does not define what the operator is written as, by ONNX's schemas: as few as do.
fn substitutes(op: &dyn Operator, arguments: &[Option<Type>], types: &[Type], opset: i64) -> Substitutes {
    let mut unusual: Vec<DType> = Vec::new();
    for ty in arguments.iter().flatten().chain(types) {
        if !wider(ty.dtype).is_empty() && !unusual.contains(&ty.dtype) {
            unusual.push(ty.dtype);
        }
    }
    let mut choices: Vec<Substitutes> = vec![Vec::new()];
    for &dtype in &unusual {
        let more =
            |choice: &Substitutes| wider(dtype).iter().map(|&wide| [choice.as_slice(), &[(dtype, wide)]].concat()).collect::<Vec<_>>();
        let further: Vec<Substitutes> = choices.iter().flat_map(more).collect();
        choices.extend(further);
    }
    if choices.len() == 1 || nodes_of(op, arguments, types, &Vec::new(), opset).is_some() {
        return Vec::new();
    }
    let cost = |choice: Substitutes| Some(((choice.len(), nodes_of(op, arguments, types, &choice, opset)?), choice));
    choices.into_iter().filter_map(cost).min_by_key(|(cost, _)| *cost).map(|(_, choice)| choice).unwrap_or_default()
}

/// How many nodes the operator is written as in these dtypes, where ONNX's schemas allow them.
fn nodes_of(op: &dyn Operator, arguments: &[Option<Type>], types: &[Type], choice: &Substitutes, opset: i64) -> Option<usize> {
    let mut trial = GraphBuilder::new(opset);
    let shapes = arguments.iter().flatten().chain(types).map(|ty| ty.shape.clone()).chain([op.dims().into()]);
    for symbol in shapes.flat_map(|shape: Shape| shape.iter().flat_map(|dim| dim.expr().symbols()).collect::<Vec<_>>()) {
        trial.input("size", &Type::new(DType::I64, vec![Dim::new(Expr::symbol(&symbol), None)]));
    }
    let names: Vec<Name> =
        arguments.iter().map(|ty| ty.as_ref().map_or_else(|| "".into(), |ty| trial.input("value", &substituted(ty, choice)))).collect();
    let types: Vec<Type> = types.iter().map(|ty| substituted(ty, choice)).collect();
    // What is no matter of dtypes is told where it is written.
    let Ok(written) = lower_typed(&mut trial, op, &names, &types) else { return Some(0) };
    (written.len() >= types.len() && trial.check().is_ok()).then(|| trial.len())
}

fn substitute(dtype: DType, choice: &Substitutes) -> Option<DType> {
    choice.iter().find(|(from, _)| *from == dtype).map(|(_, to)| *to)
}

fn substituted(ty: &Type, choice: &Substitutes) -> Type {
    Type::new(substitute(ty.dtype, choice).unwrap_or(ty.dtype), ty.shape.clone())
}

/// Writes a node; in another dtype, between casts, where the opset does not define what it is written as for these types.
fn lower(builder: &mut GraphBuilder, op: &dyn Operator, arguments: &[Name], types: &[Type]) -> Result<Vec<Name>> {
    let given = arguments.iter().map(|name| if name.is_empty() { Ok(None) } else { builder.ty(name).cloned().map(Some) });
    let given = given.collect::<Result<Vec<Option<Type>>>>()?;
    let is_standard = op.domain().is_empty() && op.graphs().is_empty();
    if is_standard && types.iter().all(|ty| ty.shape.to_fixed().is_ok_and(|shape| shape.contains(&0))) {
        // What has no elements is computed from nothing, and runtimes refuse many an operator of empty operands.
        return types.iter().map(|ty| Ok(builder.constant(&Array::full(ty.dtype, &ty.shape.to_fixed()?, Scalar::Int(0))))).collect();
    }
    let choice = if is_standard { substitutes(op, &given, types, builder.opset()) } else { Vec::new() };
    if choice.is_empty() {
        return lower_typed(builder, op, arguments, types);
    }
    let mut taken = Vec::with_capacity(arguments.len());
    for (name, ty) in arguments.iter().zip(&given) {
        let wide = ty.as_ref().and_then(|ty| Some(Type::new(substitute(ty.dtype, &choice)?, ty.shape.clone())));
        taken.push(match wide {
            Some(ty) => builder.node("Cast", std::slice::from_ref(name)).dtype("to", ty.dtype).write_one(ty)?,
            None => name.clone(),
        });
    }
    let written = lower_typed(builder, op, &taken, &types.iter().map(|ty| substituted(ty, &choice)).collect::<Vec<_>>())?;
    let back = |(name, ty): (Name, &Type)| match substitute(ty.dtype, &choice) {
        Some(_) => builder.node("Cast", &[name]).dtype("to", ty.dtype).write_one(ty.clone()),
        None => Ok(name),
    };
    written.into_iter().zip(types).map(back).collect()
}

/// The names under which values of a graph stand in an ONNX graph.
pub struct Written {
    /// Of the outputs, in order.
    pub outputs: Vec<Name>,
    /// Of the values that guards look at, in order.
    pub guarded: Vec<Name>,
}

impl Graph {
    /// Writes the constants and nodes; `inputs` are the names of what stands for its inputs. Gives the names of its outputs and of what its guards look at.
    ///
    /// # Errors
    /// Where an operator has no form in the opset that is being written.
    pub fn write(&self, builder: &mut GraphBuilder, inputs: &[Name]) -> Result<Written> {
        let mut names: HashMap<ValueId, Name> = self.inputs().iter().copied().zip(inputs.iter().cloned()).collect();
        let rearranged = self.rearranged();
        for (id, value) in self.values().filter(|(id, _)| !rearranged.contains_key(id)) {
            if let Source::Constant(array, name) = &value.source {
                let written = match name {
                    Some(name) => builder.parameter(name, array),
                    None => builder.constant(array),
                };
                names.insert(id, written);
            }
        }
        for (id, _) in self.values().filter(|(id, _)| rearranged.contains_key(id)) {
            let Some((base, ops)) = rearranged.get(&id) else { continue };
            let mut name = names.get(base).cloned().ok_or_else(|| Error::internal("a constant that is not written"))?;
            let mut ty = self.value(*base).ty.clone();
            for op in ops.iter().rev() {
                let types = op.infer(&Inputs::new(&[Some(&ty)]))?;
                name =
                    lower(builder, &**op, &[name], &types)?.into_iter().next().ok_or_else(|| Error::internal("a node without output"))?;
                ty = types.into_iter().next().ok_or_else(|| Error::internal("a node without output"))?;
            }
            names.insert(id, name);
        }
        for node in self.nodes() {
            builder.at(&node.location.scope, &node.location.line);
            let known = |id: &Option<ValueId>| match id {
                None => Ok(Name::from("")),
                Some(id) => names.get(id).cloned().ok_or_else(|| Error::internal("a value is used before it is computed")),
            };
            let arguments = node.inputs.iter().map(known).collect::<Result<Vec<_>>>()?;
            let types: Vec<_> = node.outputs.iter().map(|&id| self.value(id).ty.clone()).collect();
            let written = lower(builder, &*node.op, &arguments, &types).at(node.op.name()).at(&node.location)?;
            if written.len() < node.outputs.len() {
                return Err(Error::internal(format!("{} writes {} of {} outputs", node.op.name(), written.len(), node.outputs.len())));
            }
            names.extend(node.outputs.iter().copied().zip(written));
        }
        let named = |id: ValueId| names.get(&id).cloned().ok_or_else(|| Error::internal("an output that no node computes"));
        Ok(Written {
            outputs: self.outputs().iter().copied().map(named).collect::<Result<_>>()?,
            guarded: self.guarded().map(named).collect::<Result<_>>()?,
        })
    }

    /// Constants that are another constant of this graph with its elements in another order (the weights of an output layer that are those of an
    /// embedding, transposed): that constant, and the operators, the last first. They are written as these operators, so that no weight is stored
    /// twice.
    fn rearranged(&self) -> HashMap<ValueId, (ValueId, Vec<Arc<dyn Operator>>)> {
        // Of small constants a copy is cheaper than a node.
        const SMALL: usize = 1 << 12;
        let constants = || self.values().filter_map(|(id, value)| Some((id, value.constant()?, &value.derivation)));
        let bases: HashMap<usize, Vec<(ValueId, &Array)>> = constants().fold(HashMap::new(), |mut bases, (id, array, _)| {
            bases.entry(array.address()).or_default().push((id, array));
            bases
        });
        let mut found = HashMap::new();
        for (id, array, derivation) in constants().filter(|(_, array, _)| array.byte_len() > SMALL) {
            let (mut derivation, mut ops) = (derivation.as_deref(), Vec::new());
            while let Some(Derivation::Computed(computed)) = derivation {
                let [Some((before, next))] = computed.inputs.as_slice() else { break };
                if !matches!(computed.op.name(), "Transpose" | "Reshape") || before.len() != array.len() {
                    break;
                }
                ops.push(computed.op.clone());
                let is_base = |(other, array): &&(ValueId, &Array)| *other != id && array.is_same(before);
                if let Some((base, _)) = bases.get(&before.address()).into_iter().flatten().find(is_base) {
                    found.insert(id, (*base, ops));
                    break;
                }
                derivation = next.as_ref();
            }
        }
        // What is written from another constant cannot be the base of a third.
        let derived: Vec<ValueId> = found.keys().copied().collect();
        found.retain(|_, (base, _)| !derived.contains(base));
        found
    }
}
