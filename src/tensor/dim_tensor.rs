//! Sizes written out as an integer tensor: the one position where shape arithmetic enters a graph.

use crate::array::{Array, DType};
use crate::dim::{DimArray, Sizes, Type};
use crate::error::Result;
use crate::graph::{Attributes, Inputs, Operator};
use crate::onnx::{GraphBuilder, Name};

/// A tensor of sizes, computed from the inputs' shapes. In ONNX: Shape, Gather and arithmetic, once for each expression.
#[derive(Debug)]
pub struct DimTensor {
    /// The elements.
    pub dims: DimArray,
    /// I64 or I32.
    pub dtype: DType,
}

impl Operator for DimTensor {
    fn name(&self) -> &'static str {
        "DimTensor"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("value", &self.dims.dims).with("scalar", self.dims.scalar).with("dtype", self.dtype)
    }

    fn is_traced_only(&self) -> bool {
        true
    }

    fn infer(&self, _: &Inputs<Type>) -> Result<Vec<Type>> {
        Ok(vec![Type::new(self.dtype, self.dims.shape())])
    }

    fn eval(&self, _: &Inputs<Array>, sizes: Sizes) -> Result<Vec<Array>> {
        let elements = self.dims.dims.iter().map(|dim| sizes.of(dim)).collect::<Result<Vec<i64>>>()?;
        let array = if self.dims.scalar { Array::scalar(elements.first().copied().unwrap_or(0)) } else { Array::vector(elements) };
        Ok(vec![array.cast(self.dtype)?])
    }

    fn lower(&self, builder: &mut GraphBuilder, _: &[Name], _: &[Type]) -> Result<Vec<Name>> {
        let mut name = builder.dims(&self.dims.dims)?;
        if self.dims.scalar {
            let axes = builder.constant(&Array::vector(vec![0i64]));
            name = builder.node("Squeeze", &[name, axes]).write_one(Type::new(DType::I64, ()))?;
        }
        if self.dtype != DType::I64 {
            name = builder.node("Cast", &[name]).dtype("to", self.dtype).write_one(Type::new(self.dtype, self.dims.shape()))?;
        }
        Ok(vec![name])
    }
}
