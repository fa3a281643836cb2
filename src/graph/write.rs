//! A graph put on a page of ONNX, node after node.

use super::{Graph, Source, ValueId};
use crate::error::{At, Error, Result};
use crate::onnx::{Name, Pen};
use std::collections::HashMap;

impl Graph {
    /// Writes the constants and nodes; `inputs` are the names of what stands for its inputs. Gives the names of its outputs.
    ///
    /// # Errors
    /// Where an operator has no form in the opset that is being written.
    pub fn write(&self, pen: &mut Pen, inputs: &[Name]) -> Result<Vec<Name>> {
        let mut names: HashMap<ValueId, Name> = self.inputs().iter().copied().zip(inputs.iter().cloned()).collect();
        for (id, value) in self.values() {
            if let Source::Constant(array, name) = &value.source {
                let written = match name {
                    Some(name) => pen.parameter(name, array),
                    None => pen.constant(array),
                };
                names.insert(id, written);
            }
        }
        for node in self.nodes() {
            pen.at(&node.place.scope, &node.place.line);
            let known = |id: &Option<ValueId>| match id {
                None => Ok(Name::from("")),
                Some(id) => names.get(id).cloned().ok_or_else(|| Error::internal("a value is used before it is made")),
            };
            let arguments = node.inputs.iter().map(known).collect::<Result<Vec<_>>>()?;
            let types: Vec<_> = node.outputs.iter().map(|&id| self.value(id).ty.clone()).collect();
            let written = node.op.lower(pen, &arguments, &types).at(node.op.name()).at(&node.place)?;
            if written.len() < node.outputs.len() {
                return Err(Error::internal(format!("{} writes {} of {} outputs", node.op.name(), written.len(), node.outputs.len())));
            }
            names.extend(node.outputs.iter().copied().zip(written));
        }
        let output = |id: &ValueId| names.get(id).cloned().ok_or_else(|| Error::internal("an output that nothing makes"));
        self.outputs().iter().map(output).collect()
    }
}
