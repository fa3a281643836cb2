//! The same values in another dtype.

use super::Reader;
use crate::array::{Array, DType, Narrowing, Round};
use crate::dim::{Dim, DimArray, Sizes, Type};
use crate::error::{Error, Result};
use crate::graph::{Agreement, Attributes, Inputs, Operator};
use crate::onnx::{GraphBuilder, Name, Node, tensor};
use crate::tensor::{Tensor, apply_one, size};

/// Conversion to a dtype: towards zero into integers, `x ≠ 0` into Bool. ONNX: [Cast](https://onnx.ai/onnx/operators/onnx__Cast.html).
#[derive(Clone, Debug, PartialEq)]
pub struct Cast {
    /// The dtype of the result.
    pub to: DType,
    /// How a narrow dtype takes what it does not have.
    pub narrowing: Narrowing,
}

impl Operator for Cast {
    fn name(&self) -> &'static str {
        "Cast"
    }

    fn attributes(&self) -> Attributes {
        let attributes = Attributes::new().with("to", self.to);
        if self.narrowing == Narrowing::default() {
            return attributes;
        }
        attributes.with("saturate", self.narrowing.saturate).with("round_mode", round_name(self.narrowing.round))
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        Ok(vec![Type::new(self.to, inputs.at(0)?.shape.clone())])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        Ok(vec![inputs.at(0)?.narrowed(self.to, self.narrowing)?])
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let mut node = builder.node("Cast", inputs).dtype("to", self.to);
        if !self.narrowing.saturate {
            node = node.int("saturate", 0);
        }
        if self.to == DType::F8E8M0 && self.narrowing.round != Round::Up {
            node = node.string("round_mode", round_name(self.narrowing.round));
        }
        Ok(node.write(outputs))
    }

    fn agreement(&self) -> Agreement {
        Agreement::Exact
    }

    fn of_dims(&self, inputs: &Inputs<DimArray>) -> Option<DimArray> {
        matches!(self.to, DType::I64 | DType::I32).then(|| inputs.opt(0).cloned()).flatten()
    }
}

/// The same bits read as another dtype of the same width. ONNX: [BitCast](https://onnx.ai/onnx/operators/onnx__BitCast.html).
#[derive(Clone, Debug, PartialEq)]
pub struct BitCast {
    /// The dtype of the result.
    pub to: DType,
}

impl Operator for BitCast {
    fn name(&self) -> &'static str {
        "BitCast"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("to", self.to)
    }

    fn since(&self) -> i64 {
        26
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        match x.dtype.bits() == self.to.bits() {
            true => Ok(vec![Type::new(self.to, x.shape.clone())]),
            false => Err(Error::dtype(format!("the bits of {} are not those of {}", x.dtype, self.to))),
        }
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        Ok(vec![inputs.at(0)?.bit_cast(self.to)?])
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        Ok(builder.node("BitCast", inputs).dtype("to", self.to).write(outputs))
    }

    fn agreement(&self) -> Agreement {
        Agreement::Exact
    }
}

pub(super) const READS: &[(&str, Reader)] = &[
    ("Cast", |node, inputs| {
        let to = tensor::dtype(node.int("to", 0)? as i32)?;
        Ok(vec![inputs.at(0)?.narrow_to(to, narrowing(node)?)?])
    }),
    ("BitCast", |node, inputs| Ok(vec![inputs.at(0)?.bit_cast(tensor::dtype(node.int("to", 0)? as i32)?)?])),
    ("CastLike", |node, inputs| Ok(vec![inputs.at(0)?.narrow_to(inputs.at(1)?.dtype(), narrowing(node)?)?])),
];

/// ONNX's name of a rounding.
fn round_name(round: Round) -> &'static str {
    match round {
        Round::Up => "up",
        Round::Down => "down",
        Round::Nearest => "nearest",
    }
}

/// The integer without a sign as wide as a dtype.
fn unsigned(dtype: DType) -> Option<DType> {
    match dtype.bits() {
        8 => Some(DType::U8),
        16 => Some(DType::U16),
        32 => Some(DType::U32),
        64 => Some(DType::U64),
        _ => None,
    }
}

/// How a node says that it narrows.
pub(super) fn narrowing(node: &Node) -> Result<Narrowing> {
    let round = match node.string("round_mode", "up")? {
        "up" => Round::Up,
        "down" => Round::Down,
        "nearest" => Round::Nearest,
        other => return Err(Error::unsupported(format!("Cast rounding {other}"))),
    };
    Ok(Narrowing { saturate: node.int("saturate", 1)? != 0, round })
}

impl Tensor {
    /// The same values in another dtype.
    ///
    /// [torch.Tensor.to](https://pytorch.org/docs/stable/generated/torch.Tensor.to.html)
    ///
    /// # Errors
    /// Where the tensor belongs to another trace.
    #[track_caller]
    pub fn cast(&self, dtype: DType) -> Result<Tensor> {
        self.narrow_to(dtype, Narrowing::default())
    }

    /// The same bits read as another dtype, `i32` as `f32` say. Where the widths differ, the last axis has so many times more elements, or fewer: the
    /// lowest bytes come first.
    ///
    /// [torch.Tensor.view](https://pytorch.org/docs/stable/generated/torch.Tensor.view.html) with a dtype.
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) where the widths differ and one is less than a byte; [`Shape`](crate::ErrorCode::Shape) where the last axis is no
    /// multiple, or there is none.
    #[track_caller]
    pub fn bit_cast(&self, dtype: DType) -> Result<Tensor> {
        if self.dtype() == dtype {
            return Ok(self.clone());
        }
        if self.dtype().bits() == dtype.bits() {
            return apply_one(BitCast { to: dtype }, &[self]);
        }
        let (Some(from), Some(to)) = (unsigned(self.dtype()), unsigned(dtype)) else {
            return Err(Error::dtype(format!("the bits of {} are not those of {dtype}", self.dtype())));
        };
        let last = self.rank().checked_sub(1).ok_or_else(|| Error::shape(format!("a scalar of {} has no {dtype}", self.dtype())))?;
        let x = self.read_as(from)?;
        let mut dims = self.shape().to_vec();
        let (narrow, ratio) = (from.size().min(to.size()), from.size().max(to.size()) / from.size().min(to.size()));
        let powers = (0..ratio).map(|k| 1u64 << (8 * narrow * k)).collect::<Vec<_>>();
        let joined = if from.size() > to.size() {
            let powers = Tensor::from(Array::vector(powers)).cast(from)?;
            let most = Tensor::from(Array::scalar(u64::MAX >> (64 - 8 * narrow))).cast(from)?;
            dims[last] = &dims[last] * ratio as i64;
            x.unsqueeze(-1)?.floor_divide(&powers)?.bitwise_and(&most)?.cast(to)?.reshape(&dims)?
        } else {
            dims[last] = size::div_exact(&dims[last], &Dim::from(ratio as i64))
                .ok_or_else(|| Error::shape(format!("the last axis of {} is no multiple of {ratio}", self.ty())))?;
            let parts = x.cast(to)?.reshape([dims.as_slice(), &[Dim::from(ratio as i64)]].concat())?;
            let mut sum = parts.select(-1, 0i64)?;
            for (k, power) in powers.into_iter().enumerate().skip(1) {
                let power = Tensor::from(Array::scalar(power)).cast(to)?;
                sum = sum.bitwise_or(&parts.select(-1, k as i64)?.mul(&power)?)?;
            }
            sum
        };
        joined.read_as(dtype)
    }

    /// The same bits as an integer without a sign, or such an integer as another dtype of its width.
    fn read_as(&self, dtype: DType) -> Result<Tensor> {
        match (self.dtype(), dtype) {
            (from, to) if from == to => Ok(self.clone()),
            (DType::Bool, _) | (_, DType::Bool) => self.cast(dtype),
            _ => apply_one(BitCast { to: dtype }, &[self]),
        }
    }

    /// As [`Tensor::cast`], with a say in how a narrow dtype takes what it does not have.
    ///
    /// # Errors
    /// As [`Tensor::cast`].
    #[track_caller]
    pub fn narrow_to(&self, dtype: DType, narrowing: Narrowing) -> Result<Tensor> {
        if self.dtype() == dtype {
            return Ok(self.clone());
        }
        // How to narrow says nothing where nothing is narrowed: one cast has one form.
        let narrowing = if dtype.is_narrow() { narrowing } else { Narrowing::default() };
        apply_one(Cast { to: dtype, narrowing }, &[self])
    }
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;

    cases! {
        "cast_f32_i64", [floats(&[2, 3])], |x| one(x[0].cast(DType::I64)?);
        "cast_f32_bool", [these(DType::F32, &[2, 3], &[0.0, 1.0, 0.5, -0.0, NAN])], |x| one(x[0].cast(DType::Bool)?);
        "cast_i64_u8", [of(DType::I64, &[2, 3], 0.0, 255.0)], |x| one(x[0].cast(DType::U8)?);
        "cast_i64_i32", [integers(&[2, 3])], |x| one(x[0].cast(DType::I32)?);
        "cast_bool_f32", [bools(&[2, 3])], |x| one(x[0].cast(DType::F32)?);
        "cast_f32_f64", [floats(&[2, 3])], |x| one(x[0].cast(DType::F64)?);
        "cast_f32_f8e4m3fn", [floats(&[2, 3])], |x| one(x[0].cast(DType::F8E4M3FN)?.transpose(0, 1)?.cast(DType::F32)?);
        "cast_f32_f8e5m2", [floats(&[2, 3])], |x| one(x[0].cast(DType::F8E5M2)?.cast(DType::F32)?);
        "cast_f32_i4", [floats(&[2, 3])], |x| one(x[0].cast(DType::I4)?.narrow(1, 0i64, 2i64)?.cast(DType::F32)?);
        "cast_f32_f4e2m1", [floats(&[2, 3])], |x| one(x[0].cast(DType::F4E2M1)?.cast(DType::F32)?);
        "bit_cast", [floats(&[2, 3])], |x| one(x[0].bit_cast(DType::I32)?);
        "cast_f32_f16", [floats(&[2, 3])], |x| one(x[0].cast(DType::F16)?);
    }
}
