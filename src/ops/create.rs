//! Tensors from nothing: constants of a shape, ranges, triangles.

use super::Reader;
use crate::array::{Array, DType, Scalar};
use crate::dim::{Dim, Shape, Sizes, Type};
use crate::error::{Error, ErrorCode, Result};
use crate::graph::{Agreement, Attributes, Inputs, Operator, Substitution};
use crate::onnx::{GraphBuilder, Name};
use crate::tensor::{Operand, Tensor, apply_one};
use std::sync::Arc;

/// One number in every position. ONNX: [ConstantOfShape](https://onnx.ai/onnx/operators/onnx__ConstantOfShape.html).
#[derive(Clone, Debug, PartialEq)]
pub struct Full {
    /// The shape.
    pub shape: Shape,
    /// The dtype.
    pub dtype: DType,
    /// The number.
    pub number: Scalar,
}

impl Operator for Full {
    fn name(&self) -> &'static str {
        "ConstantOfShape"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("shape", &self.shape).with("dtype", self.dtype).with("value", self.number)
    }

    fn infer(&self, _: &Inputs<Type>) -> Result<Vec<Type>> {
        if self.shape.iter().any(|dim| dim.fixed().is_some_and(|n| n < 0)) {
            return Err(Error::shape(format!("negative size in {}", self.shape)));
        }
        Ok(vec![Type::new(self.dtype, self.shape.clone())])
    }

    fn eval(&self, _: &Inputs<Array>, sizes: Sizes) -> Result<Vec<Array>> {
        Ok(vec![Array::full(self.dtype, &sizes.shape(&self.shape)?, self.number)])
    }

    fn lower(&self, builder: &mut GraphBuilder, _: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let shape = builder.dims(&self.shape)?;
        let value = Array::full(self.dtype, &[1], self.number);
        Ok(builder.node("ConstantOfShape", &[shape]).tensor("value", &value)?.write(outputs))
    }

    fn agreement(&self) -> Agreement {
        Agreement::Exact
    }

    fn substituted(&self, of: &Substitution) -> Option<Arc<dyn Operator>> {
        Some(Arc::new(Full { shape: of.dims(&self.shape).into(), dtype: of.dtype(self.dtype), ..self.clone() }))
    }
}

/// 0, 1, 2 … up to a size, times a step, plus a start. ONNX: [Range](https://onnx.ai/onnx/operators/onnx__Range.html) of i64.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    /// The first number.
    pub start: Dim,
    /// How many.
    pub length: Dim,
    /// The difference of neighbours.
    pub step: i64,
}

impl Operator for Range {
    fn name(&self) -> &'static str {
        "Range"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("start", &self.start).with("length", &self.length).with("step", self.step)
    }

    fn infer(&self, _: &Inputs<Type>) -> Result<Vec<Type>> {
        Ok(vec![Type::new(DType::I64, vec![self.length.clone()])])
    }

    fn eval(&self, _: &Inputs<Array>, sizes: Sizes) -> Result<Vec<Array>> {
        let (start, length) = (sizes.of(&self.start)?, sizes.of(&self.length)?);
        crate::array::room::<i64>(usize::try_from(length).unwrap_or(0))?;
        Ok(vec![Array::vector((0..length).map(|i| start.wrapping_add(i.wrapping_mul(self.step))).collect())])
    }

    fn lower(&self, builder: &mut GraphBuilder, _: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let end = &self.start + &(&self.length * self.step);
        let mut scalar = |dim: &Dim| -> Result<Name> {
            if let Some(n) = dim.fixed() {
                return Ok(builder.number(DType::I64, n));
            }
            let vector = builder.dims(std::slice::from_ref(dim))?;
            let axes = builder.ints(&[0]);
            builder.node("Squeeze", &[vector, axes]).write_one(Type::new(DType::I64, ()))
        };
        if self.step < 0 && self.length.is_symbolic() {
            // Runtimes disagree about the size of a descending range whose ends they do not know: it is computed from an ascending one.
            let (zero, one, length, step, start) = (
                scalar(&Dim::Fixed(0))?,
                scalar(&Dim::Fixed(1))?,
                scalar(&self.length)?,
                scalar(&Dim::Fixed(self.step))?,
                scalar(&self.start)?,
            );
            let ascending = builder.node("Range", &[zero, length, one]).write_one(outputs[0].clone())?;
            let steps = builder.node("Mul", &[ascending, step]).write_one(outputs[0].clone())?;
            return Ok(builder.node("Add", &[steps, start]).write(outputs));
        }
        let (start, end, step) = (scalar(&self.start)?, scalar(&end)?, scalar(&Dim::Fixed(self.step))?);
        Ok(builder.node("Range", &[start, end, step]).write(outputs))
    }

    fn agreement(&self) -> Agreement {
        Agreement::Exact
    }

    fn substituted(&self, of: &Substitution) -> Option<Arc<dyn Operator>> {
        Some(Arc::new(Range { start: of.dim(&self.start), length: of.dim(&self.length), ..self.clone() }))
    }
}

/// The values from one up to but without another, so far apart: all three depend on data, and so does how many there are.
///
/// ONNX: [Range](https://onnx.ai/onnx/operators/onnx__Range.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps;

impl Operator for Steps {
    fn name(&self) -> &'static str {
        "Range"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let start = inputs.at(0)?;
        for i in 0..3 {
            let end = inputs.at(i)?;
            if end.rank() != 0 || end.dtype != start.dtype || end.dtype == DType::Bool {
                return Err(Error::argument(format!("the end of a range must be finite, got {end}")));
            }
        }
        Ok(vec![Type::new(start.dtype, vec![Dim::of_data(0)])])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        let number = |i: usize| inputs.at(i)?.item();
        let (start, end, step) = (number(0)?, number(1)?, number(2)?);
        Ok(vec![crate::kernels::create::range(inputs.at(0)?.dtype(), start, end, step)?])
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        Ok(builder.node("Range", inputs).write(outputs))
    }
}

/// The upper or lower triangle of each matrix, zero elsewhere. ONNX: [Trilu](https://onnx.ai/onnx/operators/onnx__Trilu.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trilu {
    /// Whether the part above the diagonal stays, or that below.
    pub upper: bool,
    /// The diagonal, counted upwards from the main one.
    pub diagonal: i64,
}

impl Operator for Trilu {
    fn name(&self) -> &'static str {
        "Trilu"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("upper", self.upper).with("k", self.diagonal)
    }

    fn since(&self) -> i64 {
        14
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        if x.rank() < 2 { Err(Error::shape(format!("expected matrices, got shape {}", x.shape))) } else { Ok(vec![x.clone()]) }
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        Ok(vec![crate::kernels::join::trilu(inputs.at(0)?, self.diagonal, self.upper)?])
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let diagonal = builder.number(DType::I64, self.diagonal);
        Ok(builder.node("Trilu", &[inputs[0].clone(), diagonal]).flag("upper", self.upper).write(outputs))
    }

    fn agreement(&self) -> Agreement {
        Agreement::Exact
    }
}

pub(super) const READS: &[(&str, Reader)] = &[
    ("Constant", |node, _| {
        if let Some(array) = node.tensor("value")? {
            return Ok(vec![Tensor::from(array)]);
        }
        if let Some(ints) = node.ints("value_ints")? {
            return Ok(vec![Tensor::from(ints)]);
        }
        if let Some(floats) = node.floats("value_floats")? {
            return Ok(vec![Tensor::from(floats)]);
        }
        if let Some(float) = node.find_float("value_float")? {
            return Ok(vec![Tensor::from(Array::scalar(float))]);
        }
        if let Some(array) = node.sparse_tensor("sparse_value")? {
            return Ok(vec![Tensor::from(array)]);
        }
        match node.find_int("value_int")? {
            Some(int) => Ok(vec![Tensor::from(Array::scalar(int))]),
            None => Err(Error::unsupported("Constant: only numeric tensors are supported")),
        }
    }),
    ("ConstantOfShape", |node, inputs| {
        let value = node.tensor("value")?.unwrap_or_else(|| Array::vector(vec![0f32]));
        Ok(vec![Tensor::full(&super::dims_of(inputs.at(0)?)?, value.item()?, value.dtype())?])
    }),
    ("Range", |_, inputs| {
        let (start, end, step) = (inputs.at(0)?, inputs.at(1)?, inputs.at(2)?);
        match Tensor::arange(start, end, step, start.dtype()) {
            Err(error) if error.code() == ErrorCode::NoValue => Ok(vec![apply_one(Steps, &[start, end, step])?]),
            range => Ok(vec![range?]),
        }
    }),
    ("Trilu", |node, inputs| {
        let diagonal = inputs.opt(1).map_or(Ok(None), |k| super::dims_of(k).map(|k| k.first().cloned()))?.unwrap_or(Dim::Fixed(0));
        Ok(vec![inputs.at(0)?.triangle(node.int("upper", 1)? != 0, &diagonal)?])
    }),
    ("EyeLike", |node, inputs| {
        let x = inputs.at(0)?;
        let dtype = node.find_int("dtype")?.map_or(Ok(x.dtype()), |n| crate::onnx::tensor::dtype(n as i32))?;
        let [rows, columns] = &x.shape()[..] else { return Err(Error::shape(format!("EyeLike takes a matrix, got {}", x.ty()))) };
        Ok(vec![Tensor::eye(rows, columns, node.int("k", 0)?, dtype)?])
    }),
];

impl Tensor {
    /// One value for every element of a shape, whose sizes may be symbolic.
    ///
    /// [torch.full](https://pytorch.org/docs/stable/generated/torch.full.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where a size is negative.
    #[track_caller]
    pub fn full(shape: impl Into<Shape>, number: impl Into<Scalar>, dtype: DType) -> Result<Tensor> {
        apply_one(Full { shape: shape.into(), dtype, number: number.into() }, &[])
    }

    /// Zeros of a shape.
    ///
    /// # Errors
    /// As [`Tensor::full`].
    #[track_caller]
    pub fn zeros(shape: impl Into<Shape>, dtype: DType) -> Result<Tensor> {
        Tensor::full(shape, 0, dtype)
    }

    /// Ones of a shape.
    ///
    /// # Errors
    /// As [`Tensor::full`].
    #[track_caller]
    pub fn ones(shape: impl Into<Shape>, dtype: DType) -> Result<Tensor> {
        Tensor::full(shape, 1, dtype)
    }

    /// The values from `start` up to but without `end`, `step` apart. Integers may be sizes.
    ///
    /// [torch.arange](https://pytorch.org/docs/stable/generated/torch.arange.html)
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where the step is zero or leads away from the end, [`NoValue`](crate::ErrorCode::NoValue) where an end depends on data.
    #[track_caller]
    pub fn arange(start: impl Operand, end: impl Operand, step: impl Operand, dtype: DType) -> Result<Tensor> {
        let (start, end, step) = (start.into_tensor()?, end.into_tensor()?, step.into_tensor()?);
        let whole = |tensor: &Tensor| match tensor.symbolic_values() {
            _ if !tensor.dtype().is_int() => Ok(None),
            Some(dims) => Ok(dims.dims.first().cloned()),
            None if tensor.is_traced() => tensor.to_dim().map(Some),
            None => Ok(None),
        };
        if let (Some(start), Some(end), Some(Some(step))) = (whole(&start)?, whole(&end)?, whole(&step)?.map(|dim| dim.fixed())) {
            let length = match step {
                0 => return Err(Error::argument("the step of a range must not be 0")),
                step if step > 0 => (&end - &start).ceil_div(step),
                step => (&start - &end).ceil_div(-step),
            };
            let length = super::slice::nonnegative(length);
            return apply_one(Range { start, length, step }, &[])?.cast(dtype);
        }
        if [&start, &end, &step].into_iter().any(Tensor::varies) {
            let ends = [&start, &end, &step].map(|tensor| tensor.strengthened().cast(dtype)?.reshape(()));
            let [start, end, step] = ends;
            return apply_one(Steps, &[&start?, &end?, &step?]);
        }
        let number = |tensor: &Tensor| {
            tensor.constant().ok_or_else(|| Error::no_value("the end of a range of floats must not depend on data")).and_then(Array::item)
        };
        let (start, end, step) = (number(&start)?.to_f64(), number(&end)?.to_f64(), number(&step)?.to_f64());
        let length = ((end - start) / step).ceil();
        if !length.is_finite() || length > 1e9 {
            return Err(Error::argument(format!("invalid range: start {start}, end {end}, step {step}")));
        }
        let values: Vec<f64> = (0..length.max(0.0) as u64).map(|i| start + i as f64 * step).collect();
        Ok(Tensor::from(Array::vector(values).cast(dtype)?))
    }

    /// Ones on a diagonal, zeros elsewhere.
    ///
    /// # Errors
    /// As [`Tensor::full`].
    #[track_caller]
    pub fn eye(rows: &Dim, columns: &Dim, diagonal: i64, dtype: DType) -> Result<Tensor> {
        diagonals(rows, columns)?.eq(diagonal)?.cast(dtype)
    }

    /// The lower triangle of each matrix, from a diagonal down.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the rank is below 2.
    #[track_caller]
    pub fn tril(&self, diagonal: impl Into<Dim>) -> Result<Tensor> {
        self.triangle(false, &diagonal.into())
    }

    /// The upper triangle of each matrix, from a diagonal up.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the rank is below 2.
    #[track_caller]
    pub fn triu(&self, diagonal: impl Into<Dim>) -> Result<Tensor> {
        self.triangle(true, &diagonal.into())
    }

    #[track_caller]
    fn triangle(&self, upper: bool, diagonal: &Dim) -> Result<Tensor> {
        if let Some(diagonal) = diagonal.fixed() {
            return apply_one(Trilu { upper, diagonal }, &[self]);
        }
        let (own, diagonal) = (diagonals(&self.dim(-2)?, &self.dim(-1)?)?, Tensor::from_dim(diagonal));
        let kept = if upper { own.ge(diagonal)? } else { own.le(diagonal)? };
        kept.where_(self, &Tensor::zeros((), self.dtype())?)
    }
}

/// For each element of a matrix the diagonal that it is on: 0 is the main one, positive ones are above it.
fn diagonals(rows: &Dim, columns: &Dim) -> Result<Tensor> {
    let row = Tensor::arange(0, rows, 1, DType::I64)?.unsqueeze(1)?;
    Tensor::arange(0, columns, 1, DType::I64)?.sub(row)
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;

    cases! {
        "tril", [floats(&[2, 4, 5])], |x| one(x[0].tril(0)?);
        "triu", [floats(&[4, 5])], |x| one(x[0].triu(1)?);
        "tril_below", [floats(&[4, 5])], |x| one(x[0].tril(-2)?);
        "triu_i64", [integers(&[4, 5])], |x| one(x[0].triu(-1)?);
        "full", [floats(&[3, 2])], |x| one(x[0].add(Tensor::full([x[0].dim(0)?, Dim::Fixed(2)], 1.5, DType::F32)?)?);
        "zeros_i64", [floats(&[3, 2])], |x| one(Tensor::zeros([x[0].dim(0)?, x[0].dim(1)?], DType::I64)?);
        "arange", [floats(&[5])], |x| one(Tensor::arange(0, &x[0].dim(0)?, 1, DType::I64)?);
        "arange_step", [floats(&[5])], |x| one(Tensor::arange(1, &(x[0].dim(0)? * 3), 2, DType::F32)?);
        "arange_down", [floats(&[5])], |x| one(Tensor::arange(&x[0].dim(0)?, 0, -2, DType::I64)?);
        "eye", [floats(&[5])], |x| one(Tensor::eye(&x[0].dim(0)?, &Dim::Fixed(4), 1, DType::F32)?);
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, ErrorCode, Tensor};

    #[test]
    fn a_range_that_memory_does_not_hold_is_an_error() {
        let end = crate::Dim::Fixed(1 << 58);
        assert_eq!(Tensor::arange(0i64, &end, 1i64, DType::I64).unwrap_err().code(), ErrorCode::TooBig);
    }
}
