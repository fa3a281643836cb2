//! From which opset on the standard has an operator and an element type in the form that is written.

use super::proto::NodeProto;
use crate::array::DType;
use crate::dim::Type;
use crate::error::{Error, Result};

/// Operators younger than opset 13, or that got what we write of them later: name, attribute (or none), first opset.
const SINCE: &[(&str, &str, i64)] = &[
    ("AveragePool", "dilations", 19),
    ("BitCast", "", 26),
    ("BitwiseAnd", "", 18),
    ("BitwiseNot", "", 18),
    ("BitwiseOr", "", 18),
    ("BitwiseXor", "", 18),
    ("Col2Im", "", 18),
    ("Gelu", "", 20),
    ("GridSample", "", 16),
    ("HardSwish", "", 14),
    ("LayerNormalization", "", 17),
    ("Mish", "", 18),
    ("Reshape", "allowzero", 14),
    ("Resize", "antialias", 18),
    ("Resize", "axes", 18),
    ("RoiAlign", "", 16),
    ("ScatterElements", "reduction", 16),
    ("ScatterND", "reduction", 16),
    ("Shape", "start", 15),
    ("Trilu", "", 14),
];

/// Operators that take bf16 from opset 22 on only.
const SINGLE: &[&str] = &[
    "Acos",
    "Acosh",
    "Asin",
    "Asinh",
    "Atan",
    "Atanh",
    "AveragePool",
    "Conv",
    "ConvTranspose",
    "Cos",
    "Cosh",
    "Elu",
    "GRU",
    "GridSample",
    "HardSigmoid",
    "HardSwish",
    "InstanceNormalization",
    "LSTM",
    "MaxPool",
    "Mish",
    "RNN",
    "RoiAlign",
    "Round",
    "Selu",
    "Sin",
    "Sinh",
    "Softplus",
    "Softsign",
    "Tan",
];

/// Operators that take the narrow types of an opset: name, first opset.
const NARROW: &[(&str, i64)] = &[
    ("BitCast", 26),
    ("Cast", 19),
    ("Flatten", 21),
    ("Identity", 19),
    ("Reshape", 19),
    ("Squeeze", 21),
    ("Transpose", 21),
    ("Unsqueeze", 21),
];

/// The first opset that has an element type.
fn first_of(dtype: DType) -> i64 {
    match dtype {
        DType::F8E4M3FN | DType::F8E4M3FNUZ | DType::F8E5M2 | DType::F8E5M2FNUZ => 19,
        DType::I4 | DType::U4 => 21,
        DType::F4E2M1 => 23,
        DType::F8E8M0 => 24,
        DType::I2 | DType::U2 => 25,
        _ => 13,
    }
}

/// The first of the written opsets that has an operator.
#[cfg(all(test, feature = "tract"))]
pub(crate) fn first(op_type: &str) -> i64 {
    SINCE.iter().find(|row| row.0 == op_type && row.1.is_empty()).map_or(13, |row| row.2)
}

/// Dtypes that an operator does not take: name, dtypes, the first opset that takes them, and the dtype that stands in. It has all their
/// numbers, or (integers come back with their last bits) computes the same.
const LACKING: &[(&str, &[DType], i64, DType)] = &[
    ("Add", SHORT, 14, DType::I64),
    ("Celu", &[DType::F16, DType::BF16], NEVER, DType::F32),
    ("CumSum", SHORT, NEVER, DType::I64),
    ("Div", SHORT, 14, DType::I64),
    ("Gemm", SHORT, NEVER, DType::I64),
    ("MatMul", SHORT, NEVER, DType::I64),
    ("MaxPool", &[DType::I16, DType::U16], NEVER, DType::F32),
    ("MaxPool", &[DType::I32, DType::U32], NEVER, DType::F64),
    ("Mul", SHORT, 14, DType::I64),
    ("Neg", &[DType::U8, DType::U16, DType::U32, DType::U64], NEVER, DType::I64),
    ("Pow", &[DType::U8, DType::I8, DType::U16, DType::I16, DType::U32, DType::U64], NEVER, DType::I64),
    ("Range", &[DType::F16, DType::BF16], NEVER, DType::F32),
    ("ReduceL1", SHORT, NEVER, DType::I64),
    ("ReduceMax", &[DType::U16, DType::I16], NEVER, DType::I64),
    ("ReduceMin", &[DType::U16, DType::I16], NEVER, DType::I64),
    ("ReduceProd", SHORT, NEVER, DType::I64),
    ("ReduceSum", SHORT, NEVER, DType::I64),
    ("ReduceSumSquare", SHORT, NEVER, DType::I64),
    ("Sub", SHORT, 14, DType::I64),
    ("TopK", &[DType::BF16], 24, DType::F32),
    ("Unique", &[DType::BF16], NEVER, DType::F32),
];

/// Integers of at most 16 bits.
const SHORT: &[DType] = &[DType::U8, DType::I8, DType::U16, DType::I16];

/// No opset so far.
const NEVER: i64 = i64::MAX;

/// The dtype in whose place an operator is written where it does not take one in this opset; `None` where it takes it.
pub(crate) fn instead(op_type: &str, dtype: DType, opset: i64) -> Option<DType> {
    if let Some(row) = LACKING.iter().find(|row| row.0 == op_type && row.1.contains(&dtype) && opset < row.2) {
        return Some(row.3);
    }
    let taken = match dtype {
        DType::BF16 => opset >= 22 || !SINGLE.contains(&op_type),
        dtype if dtype.is_narrow() => NARROW.iter().any(|row| row.0 == op_type && row.1 <= opset),
        _ => true,
    };
    (!taken).then_some(DType::F32)
}

/// The IR version that came with an opset; an older one is as good for the opsets before it.
pub(super) fn ir_version(opset: i64) -> i64 {
    match opset {
        ..=22 => 10,
        23 => 11,
        24 => 12,
        25.. => 13,
    }
}

/// Refuses element types that the opset lacks, and names the first value that has one.
///
/// # Errors
/// [`Unsupported`](crate::ErrorCode::Unsupported).
pub(super) fn check_types<'a>(values: impl Iterator<Item = (&'a str, &'a Type)>, opset: i64) -> Result<()> {
    for (name, ty) in values {
        let first = first_of(ty.dtype);
        if opset < first {
            return Err(Error::unsupported(format!("element type {} needs opset {first}, the model has opset {opset}", ty.dtype))
                .at(format!("value {name}"))
                .help(format!("write opset {first} or later")));
        }
    }
    Ok(())
}

/// Refuses nodes that the opset lacks, and names the first of them.
///
/// # Errors
/// [`Unsupported`](crate::ErrorCode::Unsupported).
pub(super) fn check(nodes: &[NodeProto], opset: i64) -> Result<()> {
    for node in nodes {
        for graph in node.attribute.iter().filter_map(|attribute| attribute.g.as_ref()) {
            check(&graph.node, opset)?;
        }
        // Other domains have versions of their own.
        if !node.domain.is_empty() {
            continue;
        }
        let has = |name: &str| name.is_empty() || node.attribute.iter().any(|attribute| attribute.name == name);
        let late = SINCE.iter().find(|row| row.0 == node.op_type && has(row.1) && opset < row.2);
        // Extremes as a reduction came later than sums and products.
        let extreme = node.attribute.iter().any(|attribute| attribute.name == "reduction" && matches!(&attribute.s[..], b"max" | b"min"));
        let first = if extreme { Some(18) } else { late.map(|row| row.2) };
        if let Some(first) = first.filter(|&first| opset < first) {
            return Err(Error::unsupported(format!("{} needs opset {first}, the model has opset {opset}", node.op_type))
                .at(format!("node {}", node.name))
                .help(format!("write opset {first} or later")));
        }
    }
    Ok(())
}
