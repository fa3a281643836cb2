//! torch's numbering of dtypes, `c10::ScalarType`.

use crate::array::DType;
use crate::error::{Error, Result};

/// The real dtypes by their number in torch.
const SCALAR_TYPES: &[(i64, DType)] = &[
    (0, DType::U8),
    (1, DType::I8),
    (2, DType::I16),
    (3, DType::I32),
    (4, DType::I64),
    (5, DType::F16),
    (6, DType::F32),
    (7, DType::F64),
    (11, DType::Bool),
    (15, DType::BF16),
    (23, DType::F8E5M2),
    (24, DType::F8E4M3FN),
    (25, DType::F8E5M2FNUZ),
    (26, DType::F8E4M3FNUZ),
    (27, DType::U16),
    (28, DType::U32),
    (29, DType::U64),
    (44, DType::F8E8M0),
];

/// The complex dtypes by their number in torch, with the dtype of their parts.
pub(super) const COMPLEX_TYPES: &[(i64, DType)] = &[(8, DType::F16), (9, DType::F32), (10, DType::F64)];

/// The dtype with this number in torch.
pub(crate) fn scalar_type(number: i64) -> Result<DType> {
    let row = SCALAR_TYPES.iter().find(|row| row.0 == number);
    row.map(|row| row.1).ok_or_else(|| Error::unsupported(format!("torch's dtype number {number}, which is complex, quantised or unknown")))
}

/// The number that torch gives a dtype.
pub(crate) fn scalar_type_number(dtype: DType) -> i64 {
    SCALAR_TYPES.iter().find(|row| row.1 == dtype).map_or(-1, |row| row.0)
}
