//! The functions from dtypes to dtypes.

use super::args::Args;
use super::row::{Row, value};
use super::scalar_type::{COMPLEX_TYPES, scalar_type, scalar_type_number};
use super::value::Value;
use crate::array::DType;
use crate::error::{Error, Result};

pub(super) const ROWS: &[Row] = &[
    value("promote_types(ScalarType type1, ScalarType type2) -> ScalarType", |a| {
        let promoted = NumberType::of(a.int("type1")?)?.promote(NumberType::of(a.int("type2")?)?)?;
        Ok(Value::Int(promoted.scalar_type()?.into()))
    }),
    value("result_type(Tensor tensor, Tensor other) -> ScalarType", |a| result_type(a, ["tensor", "other"])),
    value("result_type(Tensor tensor, Scalar other) -> ScalarType", |a| result_type(a, ["tensor", "other"])),
    value("result_type(Scalar scalar, Tensor tensor) -> ScalarType", |a| result_type(a, ["scalar", "tensor"])),
    value("result_type(Scalar scalar1, Scalar scalar2) -> ScalarType", |a| result_type(a, ["scalar1", "scalar2"])),
    value("can_cast(ScalarType from_, ScalarType to) -> bool", |a| {
        Ok(Value::Bool(NumberType::of(a.int("from_")?)?.casts_to(NumberType::of(a.int("to")?)?)))
    }),
];

/// The dtype that torch gives an operation on two operands.
fn result_type(a: &Args, names: [&str; 2]) -> Result<Value> {
    let operands = [a.tensor(names[0])?, a.tensor(names[1])?];
    let dtype = DType::result(&operands.each_ref().map(|x| (x.dtype(), x.strength())))?;
    Ok(Value::Int(scalar_type_number(dtype).into()))
}

/// A dtype, or the complex one whose parts have it.
#[derive(Clone, Copy)]
struct NumberType {
    dtype: DType,
    is_complex: bool,
}

impl NumberType {
    /// That with this number in torch.
    fn of(number: i64) -> Result<NumberType> {
        match COMPLEX_TYPES.iter().find(|row| row.0 == number) {
            Some(&(_, dtype)) => Ok(NumberType { dtype, is_complex: true }),
            None => Ok(NumberType { dtype: scalar_type(number)?, is_complex: false }),
        }
    }

    /// That which holds both.
    fn promote(self, other: NumberType) -> Result<NumberType> {
        let is_complex = self.is_complex || other.is_complex;
        // An integer has no parts that are wider than those of a complex number.
        let dtype = match (self.dtype, other.dtype) {
            (dtype, integer) if is_complex && !integer.is_float() => dtype,
            (integer, dtype) if is_complex && !integer.is_float() => dtype,
            (a, b) => a.promote(b)?,
        };
        Ok(NumberType { dtype, is_complex })
    }

    /// Whether an operation may write its result to a tensor of the other dtype: not a complex number to a real one, a float to an integer, or a number to a truth value.
    fn casts_to(self, to: NumberType) -> bool {
        let is_lossy = self.is_complex && !to.is_complex || self.dtype.is_float() && !to.dtype.is_float();
        !is_lossy && (self.dtype == DType::Bool || to.dtype != DType::Bool)
    }

    /// Its number in torch.
    fn scalar_type(self) -> Result<i64> {
        if !self.is_complex {
            return Ok(scalar_type_number(self.dtype));
        }
        let row = COMPLEX_TYPES.iter().find(|row| row.1 == self.dtype);
        row.map(|row| row.0).ok_or_else(|| Error::unsupported(format!("complex numbers with parts of {}", self.dtype)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of a dtype, what `torch.promote_types` gives for it and each of these in turn, and whether `torch.can_cast` casts it to them.
    const TORCH: [(i64, [i64; 13], &str); 13] = [
        (0, [0, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 15], "1111111111101"),
        (1, [2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1, 15], "1111111111101"),
        (2, [2, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 2, 15], "1111111111101"),
        (3, [3, 3, 3, 3, 4, 5, 6, 7, 8, 9, 10, 3, 15], "1111111111101"),
        (4, [4, 4, 4, 4, 4, 5, 6, 7, 8, 9, 10, 4, 15], "1111111111101"),
        (5, [5, 5, 5, 5, 5, 5, 6, 7, 8, 9, 10, 5, 6], "0000011111101"),
        (6, [6, 6, 6, 6, 6, 6, 6, 7, 9, 9, 10, 6, 6], "0000011111101"),
        (7, [7, 7, 7, 7, 7, 7, 7, 7, 10, 10, 10, 7, 7], "0000011111101"),
        (8, [8, 8, 8, 8, 8, 8, 9, 10, 8, 9, 10, 8, 9], "0000000011100"),
        (9, [9, 9, 9, 9, 9, 9, 9, 10, 9, 9, 10, 9, 9], "0000000011100"),
        (10, [10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10], "0000000011100"),
        (11, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15], "1111111111111"),
        (15, [15, 15, 15, 15, 15, 6, 6, 7, 9, 9, 10, 15, 15], "0000011111101"),
    ];

    #[test]
    fn dtypes_are_promoted_and_cast_as_torch_does() {
        for (number, promoted, casts) in TORCH {
            let from = NumberType::of(number).unwrap();
            for ((other, expected), may) in TORCH.iter().map(|row| row.0).zip(promoted).zip(casts.chars()) {
                let to = NumberType::of(other).unwrap();
                assert_eq!(from.promote(to).unwrap().scalar_type().unwrap(), expected, "{number} and {other}");
                assert_eq!(from.casts_to(to), may == '1', "{number} to {other}");
            }
        }
        assert_eq!(NumberType::of(99).err().unwrap().code(), crate::ErrorCode::Unsupported);
    }
}
