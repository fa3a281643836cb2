//! Lowering: a graph written as ONNX nodes.

use super::operator::needs_opset;
use super::{Derivation, Graph, Inputs, Operator, Source, ValueId};
use crate::array::Array;
use crate::dim::Type;
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

/// Writes a node; in another dtype, between casts, where the opset has no kernel of these types for it.
fn lower(builder: &mut GraphBuilder, op: &dyn Operator, arguments: &[Name], types: &[Type]) -> Result<Vec<Name>> {
    let opset = builder.opset();
    let gaps = op.dtype_gaps();
    let instead = |ty: &Type| {
        let dtype = gaps.iter().find_map(|gap| gap.substitute(ty.dtype, opset));
        dtype.map(|dtype| Type::new(dtype, ty.shape.clone()))
    };
    if !op.domain().is_empty() || !types.iter().any(|ty| instead(ty).is_some()) {
        return lower_typed(builder, op, arguments, types);
    }
    let mut taken = Vec::with_capacity(arguments.len());
    for name in arguments {
        let ty = if name.is_empty() { None } else { instead(builder.ty(name)?) };
        taken.push(match ty {
            Some(ty) => builder.node("Cast", std::slice::from_ref(name)).dtype("to", ty.dtype).write_one(ty)?,
            None => name.clone(),
        });
    }
    let written = lower_typed(builder, op, &taken, &types.iter().map(|ty| instead(ty).unwrap_or_else(|| ty.clone())).collect::<Vec<_>>())?;
    let given = |(name, ty): (Name, &Type)| {
        if instead(ty).is_some() { builder.node("Cast", &[name]).dtype("to", ty.dtype).write_one(ty.clone()) } else { Ok(name) }
    };
    written.into_iter().zip(types).map(given).collect()
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
            let (mut derivation, mut ops) = (derivation.as_ref(), Vec::new());
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
