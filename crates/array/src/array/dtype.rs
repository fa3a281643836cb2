//! The kinds of number, and what torch makes of two kinds that meet.

use crate::error::{Error, Result};
use half::{bf16, f16};
use std::fmt;

/// The element type of an array, in torch's and ONNX's sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DType {
    /// Truth values, one byte each.
    Bool,
    /// Unsigned 8-bit integers.
    U8,
    /// Signed 8-bit integers.
    I8,
    /// Signed 16-bit integers.
    I16,
    /// Signed 32-bit integers.
    I32,
    /// Signed 64-bit integers.
    I64,
    /// Unsigned 16-bit integers.
    U16,
    /// Unsigned 32-bit integers.
    U32,
    /// Unsigned 64-bit integers.
    U64,
    /// IEEE half precision.
    F16,
    /// The upper half of a single: 8 bits of exponent, 8 of precision.
    BF16,
    /// IEEE single precision.
    F32,
    /// IEEE double precision.
    F64,
    /// 8-bit floats without infinities: 4 bits of exponent, 3 of mantissa. This and what follows only stores: cast it to compute.
    F8E4M3FN,
    /// The same with another bias, and without a negative zero.
    F8E4M3FNUZ,
    /// 8-bit floats: 5 bits of exponent, 2 of mantissa.
    F8E5M2,
    /// The same with another bias, without infinities and without a negative zero.
    F8E5M2FNUZ,
    /// Powers of two: 8 bits of exponent.
    F8E8M0,
    /// 4-bit floats: 2 bits of exponent, 1 of mantissa.
    F4E2M1,
    /// Signed 4-bit integers.
    I4,
    /// Unsigned 4-bit integers.
    U4,
    /// Signed 2-bit integers.
    I2,
    /// Unsigned 2-bit integers.
    U2,
}

/// A Rust type that is the element of an [`Array`](super::Array).
pub trait Element: Copy + Default + PartialEq + PartialOrd + fmt::Debug + fmt::Display + Send + Sync + 'static {
    /// The dtype whose elements these are.
    const DTYPE: DType;
    /// The bytes of a slice, in this machine's order.
    fn bytes(slice: &[Self]) -> &[u8];
    /// The slice that these bytes are, if they are aligned, whole and valid.
    fn slice(bytes: &[u8]) -> Option<&[Self]>;
    /// The number as a double; integers beyond 2⁵³ are rounded.
    fn to_f64(self) -> f64;
    /// The number as an integer, truncated towards zero and saturated.
    fn to_i64(self) -> i64;
    /// The nearest number of this type; `true` for a Bool that is not zero; integers saturate.
    fn from_f64(x: f64) -> Self;
    /// This integer in this type, wrapped to its width as torch does.
    fn from_i64(x: i64) -> Self;
}

/// Writes the element types down once: one row a dtype.
macro_rules! elements {
    (
        stored { $($N:ident, $narrow:literal;)* }
        $($T:ty, $D:ident, $name:literal, $to_f64:expr, $to_i64:expr, $from_f64:expr, $from_i64:expr;)*
    ) => {
        $(impl Element for $T {
            const DTYPE: DType = DType::$D;
            fn bytes(slice: &[Self]) -> &[u8] { bytemuck::cast_slice(slice) }
            fn slice(bytes: &[u8]) -> Option<&[Self]> { bytemuck::checked::try_cast_slice(bytes).ok() }
            #[inline]
            fn to_f64(self) -> f64 { let f: fn($T) -> f64 = $to_f64; f(self) }
            #[inline]
            fn to_i64(self) -> i64 { let f: fn($T) -> i64 = $to_i64; f(self) }
            #[inline]
            fn from_f64(x: f64) -> Self { let f: fn(f64) -> $T = $from_f64; f(x) }
            #[inline]
            fn from_i64(x: i64) -> Self { let f: fn(i64) -> $T = $from_i64; f(x) }
        })*

        impl DType {
            /// Every dtype that is computed with.
            pub const ALL: &'static [DType] = &[$(DType::$D),*];

            /// Every dtype that only stores.
            pub const NARROW: &'static [DType] = &[$(DType::$N),*];

            /// Bytes per element in memory.
            pub fn size(self) -> usize {
                match self { $(DType::$D => size_of::<$T>(),)* $(DType::$N => 1),* }
            }

            /// The name as Rust spells the type, or would: `f32`, `i64`, `bool`, `f8e4m3fn`.
            pub fn name(self) -> &'static str {
                match self { $(DType::$D => $name,)* $(DType::$N => $narrow),* }
            }
        }
    };
}

elements! {
    stored {
        F8E4M3FN, "f8e4m3fn";
        F8E4M3FNUZ, "f8e4m3fnuz";
        F8E5M2, "f8e5m2";
        F8E5M2FNUZ, "f8e5m2fnuz";
        F8E8M0, "f8e8m0";
        F4E2M1, "f4e2m1";
        I4, "i4";
        U4, "u4";
        I2, "i2";
        U2, "u2";
    }
    bool, Bool, "bool", |x| f64::from(u8::from(x)), i64::from, |x| x != 0.0, |x| x != 0;
    u8, U8, "u8", f64::from, i64::from, |x| x as u8, |x| x as u8;
    i8, I8, "i8", f64::from, i64::from, |x| x as i8, |x| x as i8;
    i16, I16, "i16", f64::from, i64::from, |x| x as i16, |x| x as i16;
    i32, I32, "i32", f64::from, i64::from, |x| x as i32, |x| x as i32;
    i64, I64, "i64", |x| x as f64, |x| x, |x| x as i64, |x| x;
    u16, U16, "u16", f64::from, i64::from, |x| x as u16, |x| x as u16;
    u32, U32, "u32", f64::from, i64::from, |x| x as u32, |x| x as u32;
    u64, U64, "u64", |x| x as f64, |x| x as i64, |x| x as u64, |x| x as u64;
    f16, F16, "f16", f64::from, |x| f64::from(x) as i64, f16::from_f64, |x| f16::from_f64(x as f64);
    bf16, BF16, "bf16", f64::from, |x| f64::from(x) as i64, bf16::from_f64, |x| bf16::from_f64(x as f64);
    f32, F32, "f32", f64::from, |x| x as i64, |x| x as f32, |x| x as f32;
    f64, F64, "f64", |x| x, |x| x as i64, |x| x, |x| x as f64;
}

/// Runs an expression with `T` standing for the element type of a dtype (closures can't be generic).
///
/// `each_dtype!(dtype, T => expr)` covers all dtypes that are computed with; `each_dtype!(dtype, T: kind => expr)` covers
/// `number` (all but Bool), `float` (F32 and F64), `int`, `wide` and `wide_int` (those that the others are computed in) or `word`
/// (unsigned integers, one a width). All return a coded error for the others.
/// `each_dtype!(dtype, T => expr, else other)` gives `other` for narrow dtypes.
#[macro_export]
#[doc(hidden)]
macro_rules! each_dtype {
    (@arms $dtype:expr, $T:ident, $body:expr, [$($D:ident $ty:ty),*], $($rest:tt)*) => {
        match $dtype { $($crate::array::DType::$D => { type $T = $ty; $body })* $($rest)* }
    };
    ($dtype:expr, $T:ident => $body:expr) => {
        $crate::each_dtype!(@arms $dtype, $T, $body, [Bool bool, U8 u8, I8 i8, I16 i16, I32 i32, I64 i64, U16 u16, U32 u32, U64 u64,
            F16 half::f16, BF16 half::bf16, F32 f32, F64 f64], other => return Err($crate::array::DType::not_taken(other)))
    };
    ($dtype:expr, $T:ident => $body:expr, else $narrow:expr) => {
        $crate::each_dtype!(@arms $dtype, $T, $body, [Bool bool, U8 u8, I8 i8, I16 i16, I32 i32, I64 i64, U16 u16, U32 u32, U64 u64,
            F16 half::f16, BF16 half::bf16, F32 f32, F64 f64], _ => $narrow)
    };
    ($dtype:expr, $T:ident: number => $body:expr) => {
        $crate::each_dtype!(@arms $dtype, $T, $body, [U8 u8, I8 i8, I16 i16, I32 i32, I64 i64, U16 u16, U32 u32, U64 u64,
            F16 half::f16, BF16 half::bf16, F32 f32, F64 f64], other => return Err($crate::array::DType::not_taken(other)))
    };
    ($dtype:expr, $T:ident: wide => $body:expr) => {
        $crate::each_dtype!(@arms $dtype, $T, $body, [I64 i64, U64 u64, F32 f32, F64 f64],
            other => return Err($crate::array::DType::not_taken(other)))
    };
    ($dtype:expr, $T:ident: word => $body:expr) => {
        $crate::each_dtype!(@arms $dtype, $T, $body, [U8 u8, U16 u16, U32 u32, U64 u64],
            other => return Err($crate::array::DType::not_taken(other)))
    };
    ($dtype:expr, $T:ident: wide_int => $body:expr) => {
        $crate::each_dtype!(@arms $dtype, $T, $body, [I32 i32, I64 i64, U64 u64],
            other => return Err($crate::array::DType::not_taken(other)))
    };
    ($dtype:expr, $T:ident: int => $body:expr) => {
        $crate::each_dtype!(@arms $dtype, $T, $body, [U8 u8, I8 i8, I16 i16, I32 i32, I64 i64, U16 u16, U32 u32, U64 u64],
            other => return Err($crate::array::DType::not_taken(other)))
    };
    ($dtype:expr, $T:ident: float => $body:expr) => {
        $crate::each_dtype!(@arms $dtype, $T, $body, [F32 f32, F64 f64], other => return Err($crate::array::DType::not_taken(other)))
    };
}

/// Torch's `promote_types`, rows and columns in the order of [`DType`]'s first six, then the floats; `.` is an error.
///
/// u16, u32 and u64 are not in it: torch promotes them only with themselves, with bool and with floats.
const PROMOTION: &[(DType, [DType; 10])] = {
    use DType::*;
    &[
        (Bool, [Bool, U8, I8, I16, I32, I64, F16, BF16, F32, F64]),
        (U8, [U8, U8, I16, I16, I32, I64, F16, BF16, F32, F64]),
        (I8, [I8, I16, I8, I16, I32, I64, F16, BF16, F32, F64]),
        (I16, [I16, I16, I16, I16, I32, I64, F16, BF16, F32, F64]),
        (I32, [I32, I32, I32, I32, I32, I64, F16, BF16, F32, F64]),
        (I64, [I64, I64, I64, I64, I64, I64, F16, BF16, F32, F64]),
        (F16, [F16, F16, F16, F16, F16, F16, F16, F32, F32, F64]),
        (BF16, [BF16, BF16, BF16, BF16, BF16, BF16, F32, BF16, F32, F64]),
        (F32, [F32, F32, F32, F32, F32, F32, F32, F32, F32, F64]),
        (F64, [F64, F64, F64, F64, F64, F64, F64, F64, F64, F64]),
    ]
};

/// How much a value insists on its dtype when it meets another (torch's `result_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PromotionPriority {
    /// A Python number, or a 0-d constant that tracing made from one: only its category counts.
    Weak,
    /// A tensor of rank 0.
    Scalar,
    /// A tensor with axes.
    Strong,
}

impl DType {
    /// Whether the elements have a fraction.
    pub fn is_float(self) -> bool {
        use DType::*;
        matches!(self, F16 | BF16 | F32 | F64 | F8E4M3FN | F8E4M3FNUZ | F8E5M2 | F8E5M2FNUZ | F8E8M0 | F4E2M1)
    }

    /// Whether the elements are integers (Bool is not).
    pub fn is_int(self) -> bool {
        self != DType::Bool && !self.is_float()
    }

    /// Bool, integer, float: a weak value changes the result only where its category is higher.
    fn category(self) -> u8 {
        u8::from(self.is_int()) + 2 * u8::from(self.is_float())
    }

    /// This dtype if it is a float, otherwise f32: what `sqrt`, `mean` and true division give.
    pub fn or_float(self) -> DType {
        if self.is_float() { self } else { DType::F32 }
    }

    /// The dtype that holds both, as `torch.promote_types`.
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) for an unsigned 16, 32 or 64-bit integer with another integer, as in torch.
    pub fn promote(self, other: DType) -> Result<DType> {
        if self == other {
            return Ok(self);
        }
        let column = |dtype| PROMOTION[0].1.iter().position(|&d| d == dtype);
        match (column(self), column(other)) {
            (Some(row), Some(column)) => Ok(PROMOTION[row].1[column]),
            _ if self.is_narrow() || other.is_narrow() => Err(Error::dtype(format!("{self} and {other} have no common dtype"))
                .help("cast the narrow operand first: narrow dtypes are for storage only")),
            _ if self == DType::Bool || other.is_float() => Ok(other),
            _ if other == DType::Bool || self.is_float() => Ok(self),
            _ => Err(Error::dtype(format!("{self} and {other} have no common dtype in torch")).help("cast one of them to i64")),
        }
    }

    /// The dtype of an operation on several operands, as `torch.result_type`: tensors with axes decide, then
    /// 0-d tensors, then Python numbers; a weaker operand counts only where its category is higher.
    ///
    /// # Errors
    /// As [`DType::promote`].
    pub fn result(operands: &[(DType, PromotionPriority)]) -> Result<DType> {
        let mut result: Option<DType> = None;
        for strength in [PromotionPriority::Strong, PromotionPriority::Scalar, PromotionPriority::Weak] {
            let mut level: Option<DType> = None;
            for &(dtype, _) in operands.iter().filter(|operand| operand.1 == strength) {
                // A Python float is the default dtype, f32, and a Python int i64, whatever held it.
                let dtype = if strength == PromotionPriority::Weak && dtype.is_float() { DType::F32 } else { dtype };
                level = Some(level.map_or(Ok(dtype), |level| level.promote(dtype))?);
            }
            result = match (result, level) {
                (Some(result), Some(level)) if result.category() >= level.category() => Some(result),
                (result, level) => level.or(result),
            };
        }
        result.ok_or_else(|| Error::internal("a result dtype of no operands"))
    }

    /// Reads a name: `f32`, `float32`, `float`, `int64`, `long`, `bool` … in any of the usual spellings.
    pub fn parse(name: &str) -> Option<DType> {
        let name = name.strip_prefix("torch.").unwrap_or(name);
        Some(match name {
            "float" => DType::F32,
            "double" => DType::F64,
            "half" => DType::F16,
            "long" => DType::I64,
            "int" => DType::I32,
            "short" => DType::I16,
            "char" => DType::I8,
            "byte" => DType::U8,
            "boolean" => DType::Bool,
            "float8_e8m0fnu" => DType::F8E8M0,
            _ => {
                let short = name.replace("bfloat", "bf").replace("float", "f").replace("uint", "u").replace("int", "i").replace('_', "");
                return DType::ALL.iter().chain(DType::NARROW).copied().find(|dtype| dtype.name() == short);
            }
        })
    }

    #[doc(hidden)]
    pub fn not_taken(dtype: DType) -> Error {
        let error = Error::dtype(format!("this operation does not take {dtype}"));
        if dtype.is_narrow() { error.help("cast it first: this dtype is for storage only") } else { error }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promotion_is_symmetric() {
        for &a in DType::ALL {
            for &b in DType::ALL {
                assert_eq!(a.promote(b).ok(), b.promote(a).ok(), "{a} {b}");
            }
        }
    }

    #[test]
    fn a_python_float_never_makes_a_double() {
        assert_eq!(DType::result(&[(DType::I64, PromotionPriority::Strong), (DType::F64, PromotionPriority::Weak)]), Ok(DType::F32));
        assert_eq!(DType::result(&[(DType::F16, PromotionPriority::Strong), (DType::F64, PromotionPriority::Weak)]), Ok(DType::F16));
    }

    #[test]
    fn names_parse_in_the_usual_spellings() {
        for (name, dtype) in [
            ("f32", DType::F32),
            ("float32", DType::F32),
            ("bfloat16", DType::BF16),
            ("uint8", DType::U8),
            ("torch.int64", DType::I64),
            ("float8_e4m3fn", DType::F8E4M3FN),
        ] {
            assert_eq!(DType::parse(name), Some(dtype), "{name}");
        }
        assert_eq!(DType::parse("f12"), None);
    }
}
