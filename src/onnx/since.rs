//! From which opset on the standard has an operator in the form that is written.

use super::proto::NodeProto;
use crate::error::{Error, Result};

/// Operators younger than opset 13, or that got what we write of them later: name, attribute (or none), first opset.
const SINCE: &[(&str, &str, i64)] = &[
    ("AveragePool", "dilations", 19),
    ("BitwiseAnd", "", 18),
    ("BitwiseNot", "", 18),
    ("BitwiseOr", "", 18),
    ("BitwiseXor", "", 18),
    ("Col2Im", "", 18),
    ("GridSample", "", 16),
    ("HardSwish", "", 14),
    ("LayerNormalization", "", 17),
    ("Mish", "", 18),
    ("Reshape", "allowzero", 14),
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
    "Round",
    "Selu",
    "Sin",
    "Sinh",
    "Softplus",
    "Softsign",
    "Tan",
];

/// Whether an operator takes bf16 in this opset.
pub(crate) fn takes_bf16(op_type: &str, opset: i64) -> bool {
    opset >= 22 || !SINGLE.contains(&op_type)
}

/// Refuses nodes that the opset lacks, and names the first of them.
///
/// # Errors
/// [`Unsupported`](crate::Code::Unsupported).
pub(super) fn check(nodes: &[NodeProto], opset: i64) -> Result<()> {
    for node in nodes {
        let has = |name: &str| name.is_empty() || node.attribute.iter().any(|attribute| attribute.name == name);
        let late = SINCE.iter().find(|row| row.0 == node.op_type && has(row.1) && opset < row.2);
        // Extremes as a reduction came later than sums and products.
        let extreme = node.attribute.iter().any(|attribute| attribute.name == "reduction" && matches!(&attribute.s[..], b"max" | b"min"));
        let first = if extreme { Some(18) } else { late.map(|row| row.2) };
        if let Some(first) = first.filter(|&first| opset < first) {
            return Err(Error::unsupported(format!("{} needs opset {first}, not {opset}", node.op_type))
                .at(format!("node {}", node.name))
                .help(format!("write opset {first} or later")));
        }
        for graph in node.attribute.iter().filter_map(|attribute| attribute.g.as_ref()) {
            check(&graph.node, opset)?;
        }
    }
    Ok(())
}
