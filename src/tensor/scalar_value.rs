//! The operator of an integer that a program reads out of a tensor as a symbolic size: an index, count or bound that is a value of the graph.

use crate::array::{Array, DType};
use crate::dim::{Dim, Sizes, Type};
use crate::error::{Error, Result};
use crate::graph::{Agreement, Attributes, Inputs, Operator};
use crate::onnx::{GraphBuilder, Name};

/// One element of a vector or scalar of integers, for which a symbol stands in the sizes and indices of the nodes after this one.
///
/// In ONNX: the vector of one element that these nodes take as an operand.
#[derive(Debug)]
pub(crate) struct ScalarValue {
    /// Which element.
    pub(crate) element: usize,
    /// The symbol, with the value in the example where that is known.
    pub(crate) dim: Dim,
}

impl Operator for ScalarValue {
    fn name(&self) -> &'static str {
        "ScalarValue"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("element", self.element).with("symbol", self.dim.to_string())
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        if x.rank() > 1 || !x.dtype.is_int() {
            return Err(Error::argument(format!("expected an integer or a vector of integers, got {x}")));
        }
        Ok(vec![Type::new(DType::I64, [1])])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        let elements = inputs.at(0)?.to_i64s()?;
        let element = elements.get(self.element).copied();
        let element =
            element.ok_or_else(|| Error::argument(format!("there is no element {} in {} elements", self.element, elements.len())))?;
        Ok(vec![Array::vector(vec![element])])
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let x = builder.ty(&inputs[0])?.clone();
        let mut name = inputs[0].clone();
        if x.dtype != DType::I64 {
            name = builder.node("Cast", &[name]).dtype("to", DType::I64).write_one(Type::new(DType::I64, x.shape.clone()))?;
        }
        if x.rank() == 0 {
            let axes = builder.ints(&[0]);
            name = builder.node("Unsqueeze", &[name, axes]).write_one(outputs[0].clone())?;
        } else if x.shape[0] != 1 {
            let index = builder.ints(&[self.element as i64]);
            name = builder.node("Gather", &[name, index]).int("axis", 0).write_one(outputs[0].clone())?;
        }
        if let Some(symbol) = self.dim.expr().as_symbol() {
            builder.bind(symbol, &name);
        }
        Ok(vec![name])
    }

    fn agreement(&self) -> Agreement {
        Agreement::Exact
    }

    /// None: the symbol is what it gives, not what it takes.
    fn dims(&self) -> Vec<Dim> {
        Vec::new()
    }

    fn is_traced_only(&self) -> bool {
        true
    }

    fn defines(&self) -> Option<&Dim> {
        Some(&self.dim)
    }
}
