//! Element-wise comparisons of two tensors that broadcast; the answer is a Bool.

use super::{Reader, widened};
use crate::array::{Array, DType};
use crate::dim::{Sizes, Type};
use crate::error::{Error, Result};
use crate::graph::{Agreement, Attributes, Inputs, Operator};
use crate::kernels::comparison;
use crate::onnx::{GraphBuilder, Name};
use crate::tensor::{Operand, Tensor, apply_one};

pub use crate::kernels::comparison::Compare;

impl Operator for Compare {
    fn name(&self) -> &'static str {
        match self {
            Compare::Equal => "Equal",
            Compare::Less => "Less",
            Compare::LessOrEqual => "LessOrEqual",
            Compare::Greater => "Greater",
            Compare::GreaterOrEqual => "GreaterOrEqual",
        }
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let (a, b) = (inputs.at(0)?, inputs.at(1)?);
        if a.dtype != b.dtype || (a.dtype == DType::Bool && *self != Compare::Equal) {
            return Err(Error::dtype(format!("{} does not take {} and {}", self.name(), a.dtype, b.dtype)));
        }
        Ok(vec![Type::new(DType::Bool, a.shape.broadcast(&b.shape, inputs.constraints())?)])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        widened(inputs, |inputs| Ok(vec![comparison::compare(*self, inputs.at(0)?, inputs.at(1)?)?]))
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        Ok(builder.node(self.name(), inputs).write(outputs))
    }

    fn agreement(&self) -> Agreement {
        Agreement::Exact
    }
}

/// The readers follow the names.
macro_rules! reads {
    ($($op:ident),*) => {
        &[$((stringify!($op), |_, inputs| Ok(vec![apply_one(Compare::$op, &[inputs.at(0)?, inputs.at(1)?])?]))),*]
    };
}

pub(super) const READS: &[(&str, Reader)] = reads![Equal, Less, LessOrEqual, Greater, GreaterOrEqual];

impl Tensor {
    #[track_caller]
    fn compare(&self, op: Compare, other: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        // Only equality is defined on Bools; torch orders them as 0 and 1.
        match (op, a.dtype()) {
            (Compare::Equal, _) => apply_one(op, &[&a, &b]),
            (_, DType::Bool) => apply_one(op, &[&a.cast(DType::I32)?, &b.cast(DType::I32)?]),
            _ => apply_one(op, &[&a, &b]),
        }
    }

    /// Where this equals the other.
    ///
    /// # Errors
    /// Where shapes do not broadcast.
    #[track_caller]
    pub fn eq(&self, other: impl Operand) -> Result<Tensor> {
        self.compare(Compare::Equal, other)
    }

    /// Where this does not equal the other.
    ///
    /// # Errors
    /// Where shapes do not broadcast.
    #[track_caller]
    pub fn ne(&self, other: impl Operand) -> Result<Tensor> {
        self.eq(other)?.logical_not()
    }

    /// Where this is smaller.
    ///
    /// # Errors
    /// Where shapes do not broadcast.
    #[track_caller]
    pub fn lt(&self, other: impl Operand) -> Result<Tensor> {
        self.compare(Compare::Less, other)
    }

    /// Where this is smaller or equal.
    ///
    /// # Errors
    /// Where shapes do not broadcast.
    #[track_caller]
    pub fn le(&self, other: impl Operand) -> Result<Tensor> {
        self.compare(Compare::LessOrEqual, other)
    }

    /// Where this is larger.
    ///
    /// # Errors
    /// Where shapes do not broadcast.
    #[track_caller]
    pub fn gt(&self, other: impl Operand) -> Result<Tensor> {
        self.compare(Compare::Greater, other)
    }

    /// Where this is larger or equal.
    ///
    /// # Errors
    /// Where shapes do not broadcast.
    #[track_caller]
    pub fn ge(&self, other: impl Operand) -> Result<Tensor> {
        self.compare(Compare::GreaterOrEqual, other)
    }
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;

    [
        binary("eq", |a, b| a.eq(b)),
        binary("ne", |a, b| a.ne(b)),
        binary("lt", |a, b| a.lt(b)),
        binary("le", |a, b| a.le(b)),
        binary("gt", |a, b| a.gt(b)),
        binary("ge", |a, b| a.ge(b)),
        logical("eq", |a, b| a.eq(b)),
        logical("lt", |a, b| a.lt(b)),
    ]
    .concat()
}
