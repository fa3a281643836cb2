//! Operators of old TorchScript archives: what they computed before a version of the file format changed them.
//!
//! torch's own table is `torch._C._get_operator_version_map()`, and its replacements are
//! [upgraders_entry.cpp](https://github.com/pytorch/pytorch/blob/main/torch/csrc/jit/operator_upgraders/upgraders_entry.cpp). The entry is found by
//! the name in the program: aliases (`divide`, `true_divide`) never had another meaning.

use super::args::Args;
use super::row::{Row, one, value};
use super::value::{Value, write_out};
use crate::array::{DType, Scalar};
use crate::error::Result;
use crate::tensor::Tensor;

/// What an operator was before a version.
pub(super) struct Upgrader {
    /// The operator's name in the program.
    pub(super) name: &'static str,
    /// The first version of the file format in which the name means what it does today.
    pub(super) changed_in: u32,
    /// Its overloads before that version, in the order in which they are tried; those that did not change are left out.
    pub(super) rows: &'static [Row],
    /// Whether the overloads of today are tried behind them.
    pub(super) others: bool,
}

/// Every operator that a version of the file format changed.
pub(super) const UPGRADERS: &[Upgrader] = &[
    Upgrader { name: "div", changed_in: 4, rows: DIV, others: false },
    Upgrader { name: "div_", changed_in: 4, rows: DIV, others: false },
    Upgrader { name: "full", changed_in: 5, rows: FULL, others: false },
    Upgrader { name: "gelu", changed_in: 10, rows: GELU, others: false },
    Upgrader { name: "linspace", changed_in: 8, rows: LINSPACE, others: true },
    Upgrader { name: "logspace", changed_in: 9, rows: LOGSPACE, others: true },
];

/// How many steps `linspace` and `logspace` took where none were given.
const STEPS: i64 = 100;

const DIV: &[Row] = &[
    one("div(Tensor self, Tensor other) -> Tensor", |a| quotient(a, None)),
    one("div(Tensor self, Scalar other) -> Tensor", |a| quotient(a, None)),
    one("div(Tensor self, Tensor other, *, str? rounding_mode) -> Tensor", super::binary::rounded),
    one("div(Tensor self, Scalar other, *, str? rounding_mode) -> Tensor", super::binary::rounded),
    value("div(Tensor self, Tensor other, *, Tensor out) -> Tensor", |a| {
        write_out(a.value("out")?, &quotient(a, Some(a.tensor("out")?.dtype()))?)
    }),
    value("div(Tensor self, Tensor other, *, str? rounding_mode, Tensor out) -> Tensor", |a| {
        write_out(a.value("out")?, &super::binary::rounded(a)?)
    }),
];

const FULL: &[Row] = &[one(
    "full(SymInt[] size, Scalar fill_value, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
    |a| match a.opt_dtype("dtype")? {
        Some(dtype) => Tensor::full(&a.dims("size")?, a.number("fill_value")?, dtype),
        None => Tensor::full(&a.dims("size")?, Scalar::Float(a.number("fill_value")?.to_f64()), DType::F32),
    },
)];

const GELU: &[Row] = &[one("gelu(Tensor self) -> Tensor", |a| a.tensor("self")?.gelu(false))];

const LINSPACE: &[Row] = &[one(
    "linspace(Scalar start, Scalar end, int? steps=None, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
    |a| super::create::spaced(a, &steps(a)?),
)];

const LOGSPACE: &[Row] = &[one(
    "logspace(Scalar start, Scalar end, int? steps=None, float base=10.0, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
    |a| super::create::logarithmic(a, &steps(a)?),
)];

/// The quotient that integers lost by truncation: true division where an operand, or the tensor that takes the result, is of a float dtype.
fn quotient(a: &Args, out: Option<DType>) -> Result<Tensor> {
    let (x, y) = (a.tensor("self")?, a.tensor("other")?);
    let is_true = [Some(x.dtype()), Some(y.dtype()), out].into_iter().flatten().any(DType::is_float);
    if is_true { x.div(y) } else { x.trunc_divide(y) }
}

fn steps(a: &Args) -> Result<crate::Dim> {
    if matches!(a.value("steps")?, Value::None) { Ok(STEPS.into()) } else { a.dim("steps") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_operator_that_torch_upgrades() {
        let mut known: Vec<(&str, u32)> = include_str!("../../../tests/data/upgraders.txt")
            .lines()
            .filter_map(|line| {
                let (operator, rest) = line.strip_prefix("= aten::")?.split_once(' ')?;
                Some((operator.split('.').next()?, rest.split(' ').next()?.parse().ok()?))
            })
            .collect();
        known.dedup();
        let own: Vec<(&str, u32)> = UPGRADERS.iter().map(|upgrader| (upgrader.name, upgrader.changed_in)).collect();
        assert_eq!(own, known);
    }
}
