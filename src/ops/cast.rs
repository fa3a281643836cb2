//! The same numbers in another dtype.

use super::Reader;
use crate::array::{Array, DType};
use crate::dim::{DimArray, Sizes, Type};
use crate::error::Result;
use crate::graph::{Agreement, Inputs, Operator};
use crate::onnx::{Name, Pen, tensor};
use crate::tensor::{Tensor, apply_one};

/// Conversion to a dtype: towards zero into integers, `x ≠ 0` into Bool. ONNX: [Cast](https://onnx.ai/onnx/operators/onnx__Cast.html).
#[derive(Clone, Debug, PartialEq)]
pub struct Cast {
    /// The dtype of the result.
    pub to: DType,
}

impl Operator for Cast {
    fn name(&self) -> &'static str {
        "Cast"
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        Ok(vec![Type::new(self.to, inputs.at(0)?.shape.clone())])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        Ok(vec![inputs.at(0)?.cast(self.to)])
    }

    fn lower(&self, pen: &mut Pen, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        Ok(pen.node("Cast", inputs).dtype("to", self.to).write(outputs))
    }

    fn agreement(&self) -> Agreement {
        Agreement::Exact
    }

    fn of_dims(&self, inputs: &Inputs<DimArray>) -> Option<DimArray> {
        matches!(self.to, DType::I64 | DType::I32).then(|| inputs.opt(0).cloned()).flatten()
    }
}

pub(super) const READS: &[(&str, Reader)] = &[
    ("Cast", |node, inputs| {
        let to = tensor::dtype(node.int("to", 0)? as i32)?;
        Ok(vec![inputs.at(0)?.cast(to)?])
    }),
    ("CastLike", |_, inputs| Ok(vec![inputs.at(0)?.cast(inputs.at(1)?.dtype())?])),
];

impl Tensor {
    /// The same numbers in another dtype.
    ///
    /// [torch.Tensor.to](https://pytorch.org/docs/stable/generated/torch.Tensor.to.html)
    ///
    /// # Errors
    /// Where the tensor belongs to another trace.
    #[track_caller]
    pub fn cast(&self, dtype: DType) -> Result<Tensor> {
        if self.dtype() == dtype { Ok(self.clone()) } else { apply_one(Cast { to: dtype }, &[self]) }
    }
}
