//! Arrays and types to and from tract's.

use crate::array::{Array, DType};
use crate::dim::{Dim, Expr, Shape, Type};

use crate::error::{Error, Result};
use crate::onnx::proto::{self, ValueInfoProto};
use crate::onnx::tensor;
use bytes::Bytes;
use std::sync::Arc;
use tract_onnx::prelude::{DatumType, IntoArcTensor, TValue, TVec, Tensor};

/// The dtypes that tract computes with, in its names and ours.
macro_rules! types {
    ($($name:ident),*) => {
        /// tract's name of a dtype.
        pub(super) fn datum_type(dtype: DType) -> Result<DatumType> {
            match dtype {
                $(DType::$name => Ok(DatumType::$name),)*
                _ => Err(Error::unsupported(format!("tract has no {dtype}")).help("run it on ontrace's kernels: call the Traced itself")),
            }
        }

        /// Our name of tract's, which has a type of its own for sizes.
        pub(super) fn dtype(datum: DatumType) -> Result<DType> {
            match datum {
                $(DatumType::$name => Ok(DType::$name),)*
                DatumType::TDim => Ok(DType::I64),
                _ => Err(Error::runtime(format!("unsupported tract type {datum:?}"))),
            }
        }
    };
}

types!(Bool, U8, U16, U32, U64, I8, I16, I32, I64, F16, F32, F64);

/// A copy of the array for tract.
pub(super) fn to_tract(array: &Array) -> Result<Tensor> {
    /// What tract takes: every element type but bf16.
    macro_rules! copy {
        ($($D:ident $T:ty),*) => {
            match array.dtype() {
                $(DType::$D => Tensor::from_shape(array.shape(), &array.elements::<$T>()?),)*
                other => return datum_type(other).and_then(|_| Err(DType::not_taken(other))),
            }
        };
    }
    let tensor = copy!(Bool bool, U8 u8, U16 u16, U32 u32, U64 u64, I8 i8, I16 i16, I32 i32, I64 i64, F16 half::f16, F32 f32, F64 f64);
    tensor.map_err(|error| Error::runtime(error.to_string()).with_source(error))
}

/// A tensor of tract, as the owner of the bytes of an array.
struct TractBytes(Arc<Tensor>);

impl AsRef<[u8]> for TractBytes {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// A tensor of tract as an array, not copied; its symbolic sizes in the dtype that is expected.
pub(super) fn from_tract(value: TValue, expected: DType) -> Result<Array> {
    let failed = |error: tract_onnx::prelude::TractError| Error::runtime(error.to_string()).with_source(error);
    let tensor = match value.datum_type() {
        DatumType::TDim => Arc::new(value.cast_to::<i64>().map_err(failed)?.into_owned()),
        _ => value.into_arc_tensor(),
    };
    let dtype = dtype(tensor.datum_type())?;
    let shape: TVec<usize> = tensor.shape().into();
    let array = Array::from_bytes(dtype, Bytes::from_owner(TractBytes(tensor)), &shape, None, 0)?;
    if dtype == expected {
        return Ok(array);
    }
    // tract computes with sizes in a type of its own and answers in i64.
    if dtype == DType::I64 && expected.is_int() {
        return array.cast(expected);
    }
    Err(Error::runtime(format!("expected {expected}, tract gives {dtype}")))
}

/// Whether the rank of a value is declared.
pub(super) fn is_ranked(info: &ValueInfoProto) -> bool {
    let value = info.r#type.as_ref().and_then(|ty| ty.value.as_ref());
    matches!(value, Some(proto::type_proto::Value::TensorType(ty)) if ty.shape.is_some())
}

/// The declared type of a value. A size that is an expression keeps its symbols.
pub(super) fn value_type(info: &ValueInfoProto) -> Result<Type> {
    use proto::tensor_shape_proto::dimension::Value;
    let Some(proto::type_proto::Value::TensorType(ty)) = info.r#type.as_ref().and_then(|ty| ty.value.as_ref()) else {
        return Err(Error::unsupported("a value is not a tensor"));
    };
    let unknown = |axis: usize| Expr::symbol(&format!("{}_{axis}", info.name));
    let length = |(axis, dim): (usize, &proto::tensor_shape_proto::Dimension)| match &dim.value {
        Some(Value::DimValue(n)) => Dim::Fixed(*n),
        Some(Value::DimParam(text)) if text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !text.is_empty() => {
            Dim::new(Expr::symbol(text), None)
        }
        _ => Dim::new(unknown(axis), None),
    };
    let dims = ty.shape.iter().flat_map(|shape| &shape.dim).enumerate().map(length).collect::<Shape>();
    Ok(Type::new(tensor::dtype(ty.elem_type)?, dims))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tract_onnx::prelude::IntoTValue;

    #[test]
    fn values_go_there_and_back() {
        for &dtype in DType::ALL.iter().filter(|&&dtype| dtype != DType::BF16) {
            let array = Array::full(dtype, &[2, 1], 0.into());
            assert_eq!(from_tract(to_tract(&array).unwrap().into_tvalue(), dtype).unwrap(), array);
        }
        assert_eq!(to_tract(&Array::full(DType::BF16, &[1], 1.into())).unwrap_err().code(), crate::ErrorCode::Unsupported);
    }
}
