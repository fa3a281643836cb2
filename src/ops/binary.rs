//! Element-wise functions of two tensors that broadcast: arithmetic, logic and bits.

use super::{Reader, widened};
use crate::array::{Array, DType, Scalar};
use crate::dim::{DimArray, Sizes, Type};
use crate::error::{Error, Result};
use crate::graph::{Agreement, Attributes, FIRST_OPSET, Inputs, Operator};
use crate::kernels::binary;
use crate::onnx::{GraphBuilder, Name};
use crate::tensor::{Operand, Tensor, apply_one};

pub use crate::kernels::binary::Binary;

/// The operands that a function takes.
enum Domain {
    Number,
    Bool,
    Int,
}

impl Domain {
    fn of(op: Binary) -> Domain {
        match op {
            Binary::And | Binary::Or | Binary::Xor => Domain::Bool,
            Binary::BitwiseAnd | Binary::BitwiseOr | Binary::BitwiseXor => Domain::Int,
            _ => Domain::Number,
        }
    }
}

impl Operator for Binary {
    fn name(&self) -> &'static str {
        match self {
            Binary::Add => "Add",
            Binary::Sub => "Sub",
            Binary::Mul => "Mul",
            Binary::Div => "Div",
            Binary::Pow => "Pow",
            Binary::Mod | Binary::Fmod => "Mod",
            Binary::Min => "Min",
            Binary::Max => "Max",
            Binary::And => "And",
            Binary::Or => "Or",
            Binary::Xor => "Xor",
            Binary::BitwiseAnd => "BitwiseAnd",
            Binary::BitwiseOr => "BitwiseOr",
            Binary::BitwiseXor => "BitwiseXor",
        }
    }

    fn attributes(&self) -> Attributes {
        match self {
            Binary::Mod => Attributes::new().with("fmod", false),
            Binary::Fmod => Attributes::new().with("fmod", true),
            _ => Attributes::new(),
        }
    }

    fn since(&self) -> i64 {
        match self {
            Binary::BitwiseAnd | Binary::BitwiseOr | Binary::BitwiseXor => 18,
            _ => FIRST_OPSET,
        }
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let (a, b) = (inputs.at(0)?, inputs.at(1)?);
        let taken = match Domain::of(*self) {
            Domain::Number => a.dtype != DType::Bool,
            Domain::Bool => a.dtype == DType::Bool,
            Domain::Int => a.dtype.is_int(),
        };
        if a.dtype != b.dtype || !taken {
            return Err(Error::dtype(format!("{} does not take {} and {}", self.name(), a.dtype, b.dtype)));
        }
        Ok(vec![Type::new(a.dtype, a.shape.broadcast(&b.shape, inputs.constraints())?)])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        widened(inputs, |inputs| Ok(vec![binary::binary(*self, inputs.at(0)?, inputs.at(1)?)?]))
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let float = outputs.first().is_some_and(|ty| ty.dtype.is_float());
        Ok(match self {
            Binary::Fmod => builder.node("Mod", inputs).int("fmod", 1).write(outputs),
            // ONNX's Mod has the divisor's sign for integers only: a − floor(a / b)·b would round, so fmod is corrected.
            Binary::Mod if float => {
                let ty = &outputs[0];
                let bools = Type::new(DType::Bool, ty.shape.clone());
                let rest = builder.node("Mod", inputs).int("fmod", 1).write_one(ty.clone())?;
                let negated = builder.node("Mul", &[rest.clone(), inputs[1].clone()]).write_one(ty.clone())?;
                let zero = builder.number(ty.dtype, 0);
                let wrong = builder.node("Less", &[negated, zero]).write_one(bools)?;
                let shifted = builder.node("Add", &[rest.clone(), inputs[1].clone()]).write_one(ty.clone())?;
                builder.node("Where", &[wrong, shifted, rest]).write(outputs)
            }
            _ => builder.node(self.name(), inputs).write(outputs),
        })
    }

    fn agreement(&self) -> Agreement {
        match self {
            Binary::Pow | Binary::Mod | Binary::Fmod | Binary::Div => Agreement::Rounding,
            _ => Agreement::Exact,
        }
    }

    fn of_dims(&self, inputs: &Inputs<DimArray>) -> Option<DimArray> {
        let (a, b) = (inputs.opt(0)?, inputs.opt(1)?);
        let nonnegative = |array: &DimArray| array.dims.iter().all(|dim| dim.expr().is_nonnegative());
        match self {
            Binary::Add => a.zip(b, |x, y| x + y),
            Binary::Sub => a.zip(b, |x, y| x - y),
            Binary::Mul => a.zip(b, |x, y| x * y),
            Binary::Min => a.zip(b, |x, y| x.min(y)),
            Binary::Max => a.zip(b, |x, y| x.max(y)),
            // Sizes divide rounding down; that is truncation only where nothing is negative.
            Binary::Div if nonnegative(a) && nonnegative(b) && b.dims.iter().all(|dim| *dim != 0) => a.zip(b, |x, y| x / y),
            Binary::Mod if b.dims.iter().all(|dim| dim.fixed().is_some_and(|n| n > 0)) => a.zip(b, |x, y| x % y),
            _ => None,
        }
    }
}

/// A reader of an operator of two operands.
macro_rules! read {
    ($op:ident) => {
        (stringify!($op), |_, inputs| Ok(vec![apply_one(Binary::$op, &[inputs.at(0)?, inputs.at(1)?])?]))
    };
}

/// A reader of an operator that ONNX gives any number of operands.
macro_rules! read_many {
    ($op:ident) => {
        (stringify!($op), |_, inputs| {
            let first = inputs.at(0)?.clone();
            let folded = inputs.iter().skip(1).try_fold(first, |a, b| apply_one(Binary::$op, &[&a, b]))?;
            Ok(vec![folded])
        })
    };
}

pub(super) const READS: &[(&str, Reader)] = &[
    read!(Add),
    read!(Sub),
    read!(Mul),
    read!(Div),
    read!(And),
    read!(Or),
    read!(Xor),
    read!(BitwiseAnd),
    read!(BitwiseOr),
    read!(BitwiseXor),
    read_many!(Min),
    read_many!(Max),
    ("Sum", |_, inputs| {
        let first = inputs.at(0)?.clone();
        Ok(vec![inputs.iter().skip(1).try_fold(first, |a, b| apply_one(Binary::Add, &[&a, b]))?])
    }),
    ("Pow", |_, inputs| {
        let (a, b) = (inputs.at(0)?, inputs.at(1)?);
        if b.dtype().is_float() && !a.dtype().is_float() {
            // The exponent keeps its fraction: 9 to the power of 0.5 is 3.
            let power = apply_one(Binary::Pow, &[&a.cast(DType::F64)?, &b.cast(DType::F64)?])?;
            return Ok(vec![power.cast(a.dtype())?]);
        }
        // ONNX lets the exponent have a dtype of its own; the result has the base's.
        Ok(vec![apply_one(Binary::Pow, &[a, &b.cast(a.dtype())?])?])
    }),
    ("Mod", |node, inputs| {
        let (a, b) = (inputs.at(0)?, inputs.at(1)?);
        if node.int("fmod", 0)? == 1 {
            return Ok(vec![apply_one(Binary::Fmod, &[a, b])?]);
        }
        let rest = apply_one(Binary::Mod, &[a, b])?;
        if !a.dtype().is_float() {
            return Ok(vec![rest]);
        }
        // ONNX gives a zero the divisor's sign too, torch the dividend's.
        let zero = |x: f64| Tensor::full((), x, a.dtype());
        let signed = b.lt(0.0)?.where_(&zero(-0.0)?, &zero(0.0)?)?;
        Ok(vec![rest.eq(0.0)?.where_(&signed, &rest)?])
    }),
];

impl Tensor {
    /// This and another operand in the dtype that torch gives their combination.
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) where torch has none.
    #[track_caller]
    pub(crate) fn promoted(&self, other: impl Operand) -> Result<(Tensor, Tensor)> {
        let other = other.into_tensor()?;
        let dtype = DType::result(&[(self.dtype(), self.strength()), (other.dtype(), other.strength())])?;
        Ok((self.cast(dtype)?, other.cast(dtype)?))
    }

    /// Operands in the dtype of a result of all of them, which is not always that of the first two and then the third: a scalar counts less.
    pub(crate) fn promoted_all<const N: usize>(operands: [Tensor; N]) -> Result<[Tensor; N]> {
        let dtype = DType::result(&operands.each_ref().map(|x| (x.dtype(), x.strength())))?;
        let cast = operands.iter().map(|x| x.cast(dtype)).collect::<Result<Vec<_>>>()?;
        cast.try_into().map_err(|_| Error::internal("operands are lost in a cast"))
    }

    #[track_caller]
    fn binary(&self, op: Binary, other: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        let op = match (op, a.dtype()) {
            (Binary::Add | Binary::Max, DType::Bool) => Binary::Or,
            (Binary::Mul | Binary::Min, DType::Bool) => Binary::And,
            _ => op,
        };
        let result = apply_one(op, &[&a, &b])?;
        // The result of Python numbers is still a Python number.
        let weak = self.strength() == crate::array::PromotionPriority::Weak && b.strength() == crate::array::PromotionPriority::Weak;
        Ok(if weak && !result.is_traced() { result.weakened() } else { result })
    }

    /// The sum. Of Bools: either.
    ///
    /// [torch.add](https://pytorch.org/docs/stable/generated/torch.add.html)
    ///
    /// # Errors
    /// Where shapes do not broadcast.
    #[track_caller]
    pub fn add(&self, other: impl Operand) -> Result<Tensor> {
        self.binary(Binary::Add, other)
    }

    /// The difference.
    ///
    /// # Errors
    /// Where shapes do not broadcast, or either is Bool.
    #[track_caller]
    pub fn sub(&self, other: impl Operand) -> Result<Tensor> {
        let other = other.into_tensor()?;
        if self.dtype() == DType::Bool || other.dtype() == DType::Bool {
            return Err(Error::dtype("sub is not defined for bool").help("use logical_xor or logical_not, or cast first"));
        }
        self.binary(Binary::Sub, other)
    }

    /// The product. Of Bools: both.
    ///
    /// # Errors
    /// Where shapes do not broadcast.
    #[track_caller]
    pub fn mul(&self, other: impl Operand) -> Result<Tensor> {
        self.binary(Binary::Mul, other)
    }

    /// The quotient, a float even of integers.
    ///
    /// [torch.div](https://pytorch.org/docs/stable/generated/torch.div.html)
    ///
    /// # Errors
    /// Where shapes do not broadcast.
    #[track_caller]
    pub fn div(&self, other: impl Operand) -> Result<Tensor> {
        let other = other.into_tensor()?;
        // Each by itself: −1 as a u8 would be 255 before it is a float.
        let dtype = DType::result(&[(self.dtype(), self.strength()), (other.dtype(), other.strength())])?.or_float();
        self.cast(dtype)?.binary(Binary::Div, other.cast(dtype)?)
    }

    /// The quotient rounded down.
    ///
    /// [torch.floor_divide](https://pytorch.org/docs/stable/generated/torch.floor_divide.html)
    ///
    /// # Errors
    /// Where shapes do not broadcast; where an integer is divided by zero.
    #[track_caller]
    pub fn floor_divide(&self, other: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        if a.dtype().is_float() {
            // As torch: exact multiples must not fall below themselves because a quotient was rounded.
            let rest = a.binary(Binary::Mod, &b)?;
            let quotient = a.binary(Binary::Sub, rest)?.binary(Binary::Div, &b)?.round()?;
            let plain = a.binary(Binary::Div, &b)?;
            // Of an infinite number nothing is left to round down.
            let infinite = b.eq(0)?.where_(&plain, &plain.add(a.mul(0)?)?)?;
            let finite = plain.is_finite()?.where_(&quotient, &infinite)?;
            let is_finite = |array: &Array| array.to_f64s().is_ok_and(|values| values.iter().all(|value| value.is_finite()));
            if b.constant().is_some_and(is_finite) {
                return Ok(finite);
            }
            // By an infinite number: 0, or -1 where the signs differ.
            let below = a.binary(Binary::Mul, b.sign()?)?.lt(0)?.cast(a.dtype())?.neg()?.add(a.mul(0)?)?;
            return b.abs()?.eq(f64::INFINITY)?.where_(&below, &finite);
        }
        let unsigned = matches!(a.dtype(), DType::U8 | DType::U16 | DType::U32 | DType::U64);
        let nonnegative = |x: &Tensor| x.symbolic_values().is_some_and(|dims| dims.dims.iter().all(|dim| dim.expr().is_nonnegative()));
        let are_sizes = a.symbolic_values().is_some_and(DimArray::is_symbolic) && nonnegative(&a) && nonnegative(&b);
        if unsigned || are_sizes {
            return a.binary(Binary::Div, &b);
        }
        if let (Some(x), Some(y)) = (a.symbolic_values(), b.symbolic_values())
            && (x.is_symbolic() || y.is_symbolic())
            && y.dims.iter().all(|dim| *dim != 0)
            && let Some(dims) = x.zip(y, |x, y| x / y)
        {
            return Ok(Tensor::from_dim_array(dims, a.dtype()));
        }
        // One less than the quotient rounded towards zero where that is not exact and the signs differ: no value in between overflows.
        let inexact = a.binary(Binary::Mod, &b)?.ne(0)?;
        let below = a.lt(0)?.ne(b.lt(0)?)?.logical_and(inexact)?;
        a.binary(Binary::Div, &b)?.sub(below.cast(a.dtype())?)
    }

    /// The quotient rounded towards zero.
    ///
    /// # Errors
    /// As [`Tensor::floor_divide`].
    #[track_caller]
    pub fn trunc_divide(&self, other: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        let quotient = a.binary(Binary::Div, b)?;
        if quotient.dtype().is_float() { quotient.trunc() } else { Ok(quotient) }
    }

    /// The remainder with the sign of the divisor, as Python's `%`.
    ///
    /// [torch.remainder](https://pytorch.org/docs/stable/generated/torch.remainder.html)
    ///
    /// # Errors
    /// As [`Tensor::floor_divide`].
    #[track_caller]
    pub fn remainder(&self, other: impl Operand) -> Result<Tensor> {
        self.binary(Binary::Mod, other)
    }

    /// The remainder with the sign of the dividend, as C's `fmod`.
    ///
    /// # Errors
    /// As [`Tensor::floor_divide`].
    #[track_caller]
    pub fn fmod(&self, other: impl Operand) -> Result<Tensor> {
        self.binary(Binary::Fmod, other)
    }

    /// This to the power of another.
    ///
    /// [torch.pow](https://pytorch.org/docs/stable/generated/torch.pow.html)
    ///
    /// # Errors
    /// Where shapes do not broadcast.
    #[track_caller]
    pub fn pow(&self, other: impl Operand) -> Result<Tensor> {
        self.binary(Binary::Pow, other)
    }

    /// The smaller of two values; NaN if either is.
    ///
    /// # Errors
    /// Where shapes do not broadcast.
    #[track_caller]
    pub fn minimum(&self, other: impl Operand) -> Result<Tensor> {
        self.binary(Binary::Min, other)
    }

    /// The larger of two values; NaN if either is.
    ///
    /// # Errors
    /// Where shapes do not broadcast.
    #[track_caller]
    pub fn maximum(&self, other: impl Operand) -> Result<Tensor> {
        self.binary(Binary::Max, other)
    }

    /// Both are true (not zero).
    ///
    /// # Errors
    /// Where shapes do not broadcast.
    #[track_caller]
    pub fn logical_and(&self, other: impl Operand) -> Result<Tensor> {
        self.cast(DType::Bool)?.binary(Binary::And, other.into_tensor()?.cast(DType::Bool)?)
    }

    /// Either is true (not zero).
    ///
    /// # Errors
    /// Where shapes do not broadcast.
    #[track_caller]
    pub fn logical_or(&self, other: impl Operand) -> Result<Tensor> {
        self.cast(DType::Bool)?.binary(Binary::Or, other.into_tensor()?.cast(DType::Bool)?)
    }

    /// One of two is true (not zero).
    ///
    /// # Errors
    /// Where shapes do not broadcast.
    #[track_caller]
    pub fn logical_xor(&self, other: impl Operand) -> Result<Tensor> {
        self.cast(DType::Bool)?.binary(Binary::Xor, other.into_tensor()?.cast(DType::Bool)?)
    }

    /// Both, bit by bit; of Bools, logically.
    ///
    /// # Errors
    /// Where shapes do not broadcast, or a dtype is a float.
    #[track_caller]
    pub fn bitwise_and(&self, other: impl Operand) -> Result<Tensor> {
        self.bitwise(Binary::BitwiseAnd, Binary::And, other)
    }

    /// Either, bit by bit; of Bools, logically.
    ///
    /// # Errors
    /// As [`Tensor::bitwise_and`].
    #[track_caller]
    pub fn bitwise_or(&self, other: impl Operand) -> Result<Tensor> {
        self.bitwise(Binary::BitwiseOr, Binary::Or, other)
    }

    /// One of two, bit by bit; of Bools, logically.
    ///
    /// # Errors
    /// As [`Tensor::bitwise_and`].
    #[track_caller]
    pub fn bitwise_xor(&self, other: impl Operand) -> Result<Tensor> {
        self.bitwise(Binary::BitwiseXor, Binary::Xor, other)
    }

    #[track_caller]
    fn bitwise(&self, bits: Binary, logic: Binary, other: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        apply_one(if a.dtype() == DType::Bool { logic } else { bits }, &[&a, &b])
    }
}

impl Tensor {
    /// Bits moved left or right, the sign kept: a product, or a quotient rounded down. Moved by more than there are, nothing (but the sign) is
    /// left; a negative number moves by more than there are.
    ///
    /// [torch.bitwise_left_shift](https://pytorch.org/docs/stable/generated/torch.bitwise_left_shift.html)
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) for floats.
    #[track_caller]
    pub fn bit_shift(&self, by: &Tensor, left: bool) -> Result<Tensor> {
        let dtype = DType::result(&[(self.dtype(), self.strength()), (by.dtype(), by.strength())])?;
        if !dtype.is_int() {
            return Err(DType::not_taken(dtype));
        }
        let bits = 8 * dtype.size() as i64;
        let unsigned = matches!(dtype, DType::U8 | DType::U16 | DType::U32 | DType::U64);
        let (x, by) = (self.strengthened().cast(dtype)?, by.strengthened().cast(DType::I64)?);
        let outside = by.lt(0)?.logical_or(by.ge(bits)?)?;
        // The last bit of a signed number is its sign: it is moved by one step more.
        let most = if unsigned { bits - 1 } else { bits - 2 };
        let kept = by.clamp(Some(Scalar::Int(0)), Some(Scalar::Int(most)))?;
        let powers: Vec<u64> = (0..=most).map(|n| 1u64 << n).collect();
        let power = Tensor::from(Array::vector(powers)).cast(dtype)?.index_select(0, &kept)?;
        let two = Tensor::full((), 2, dtype)?;
        let further = by.gt(most)?.logical_and(outside.logical_not()?)?;
        let zero = Tensor::zeros((), dtype)?;
        if left {
            let y = x.mul(&power)?;
            let y = if unsigned { y } else { further.where_(&y.mul(&two)?, &y)? };
            return outside.where_(&zero, &y);
        }
        let y = x.floor_divide(&power)?;
        let y = if unsigned { y } else { further.where_(&y.floor_divide(&two)?, &y)? };
        let sign = if unsigned { zero } else { x.lt(0)?.cast(dtype)?.neg()? };
        outside.where_(&sign, &y)
    }
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;

    let cases = cases! {
        "pow", [of(DType::F32, &[2, 3], 0.1, 2.0), floats(&[3])], |x| one(x[0].pow(&x[1])?);
        "pow_square", [floats(&[2, 3])], |x| one(x[0].pow(2)?);
        "pow_half", [of(DType::F32, &[2, 3], 0.1, 2.0)], |x| one(x[0].pow(0.5)?);
        "pow_i64", [integers(&[2, 3]), indices(&[3], 4)], |x| one(x[0].pow(&x[1])?);
        "broadcast", [floats(&[2, 1, 5]), floats(&[3, 1])], |x| one(x[0].add(&x[1])?);
        "rank_0", [floats(&[]), floats(&[])], |x| one(x[0].mul(&x[1])?);
        "mixed_dtypes", [floats(&[2, 3]), integers(&[3])], |x| one(x[0].mul(&x[1])?);
        "number_on_the_left", [floats(&[2, 3])], |x| one((1.0 - &x[0])?);
        "bitwise_and_i32", [of(DType::I32, &[2, 3], -99.0, 99.0), of(DType::I32, &[3], -99.0, 99.0)], |x| one(x[0].bitwise_and(&x[1])?);
        "bitwise_or_u8", [of(DType::U8, &[2, 3], 0.0, 255.0), of(DType::U8, &[3], 0.0, 255.0)], |x| one(x[0].bitwise_or(&x[1])?);
        "floor_divide_limits_i8", [these(DType::I8, &[5], &[127.0, 101.0, -128.0, 99.0, -127.0]), these(DType::I8, &[1], &[-100.0])], |x| one(x[0].floor_divide(&x[1])?);
        "floor_divide_limits_i32", [these(DType::I32, &[3], &[2147483647.0, -2147483648.0, -2147483647.0]), these(DType::I32, &[1], &[2000000000.0])], |x| one(x[0].floor_divide(&x[1])?);
        "bitwise_xor_i64", [integers(&[2, 3]), integers(&[3])], |x| one(x[0].bitwise_xor(&x[1])?);
    };
    [
        &[cases][..],
        &[
            binary("add", |a, b| a.add(b)),
            binary("sub", |a, b| a.sub(b)),
            binary("mul", |a, b| a.mul(b)),
            binary("div", |a, b| a.div(b)),
            binary("floor_divide", |a, b| a.floor_divide(b)),
            binary("trunc_divide", |a, b| a.trunc_divide(b)),
            binary("remainder", |a, b| a.remainder(b)),
            binary("fmod", |a, b| a.fmod(b)),
            binary("minimum", |a, b| a.minimum(b)),
            binary("maximum", |a, b| a.maximum(b)),
            logical("logical_and", |a, b| a.logical_and(b)),
            logical("logical_or", |a, b| a.logical_or(b)),
            logical("logical_xor", |a, b| a.logical_xor(b)),
            logical("bitwise_and", |a, b| a.bitwise_and(b)),
            logical("bitwise_or", |a, b| a.bitwise_or(b)),
            logical("bitwise_xor", |a, b| a.bitwise_xor(b)),
            logical("mul", |a, b| a.mul(b)),
        ],
    ]
    .concat()
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_divide_rounding_down_at_the_limits_of_their_dtype() -> Result<()> {
        let limits = [
            (DType::I8, i64::from(i8::MIN), i64::from(i8::MAX)),
            (DType::I16, i64::from(i16::MIN), i64::from(i16::MAX)),
            (DType::I32, i64::from(i32::MIN), i64::from(i32::MAX)),
            (DType::I64, i64::MIN, i64::MAX),
            (DType::U8, 0, i64::from(u8::MAX)),
        ];
        for (dtype, least, most) in limits {
            let values = [least, least + 1, least / 2, 0, 1, most / 2, most - 1, most];
            for by in [least, least + 1, -most / 2, -3, 2, most - 1, most].into_iter().filter(|by| *by != 0 && (least..=most).contains(by))
            {
                let x = Tensor::from(values.as_slice()).cast(dtype)?;
                let expected = values.map(|x| {
                    i128::from(x).div_euclid(i128::from(by)) - i128::from(by < 0 && i128::from(x).rem_euclid(i128::from(by)) != 0)
                });
                let expected: Vec<i64> = expected.iter().map(|&y| y as i64).collect();
                let quotient = x.floor_divide(Tensor::from(&[by]).cast(dtype)?)?.cast(DType::I64)?.to_vec::<i64>()?;
                for ((got, expected), x) in quotient.iter().zip(&expected).zip(&values) {
                    assert_eq!(got, expected, "{dtype}: {x} // {by}");
                }
            }
        }
        Ok(())
    }
}
