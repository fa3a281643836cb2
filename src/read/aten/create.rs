//! Tensors from nothing.

use super::{Args, Row, one};
use crate::array::{DType, Scalar};
use crate::error::Result;
use crate::tensor::{Operand, Tensor};

pub(super) const ROWS: &[Row] = &[
    one("arange(Scalar end, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", |a| {
        range(Tensor::weak(0), a.tensor(0)?, Tensor::weak(1), a.opt_dtype(1)?)
    }),
    one(
        "arange(Scalar start, Scalar end, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| range(a.tensor(0)?, a.tensor(1)?, Tensor::weak(1), a.opt_dtype(2)?),
    ),
    one(
        "arange(Scalar start, Scalar end, Scalar step=1, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| range(a.tensor(0)?, a.tensor(1)?, a.tensor(2)?, a.opt_dtype(3)?),
    ),
    one(
        "zeros(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::zeros(&a.dims(0)?, a.opt_dtype(1)?.unwrap_or(DType::F32)),
    ),
    one("ones(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", |a| {
        Tensor::ones(&a.dims(0)?, a.opt_dtype(1)?.unwrap_or(DType::F32))
    }),
    one(
        "full(SymInt[] size, Scalar fill_value, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| {
            let number = a.number(1)?;
            Tensor::full(&a.dims(0)?, number, a.opt_dtype(2)?.unwrap_or(number.dtype()))
        },
    ),
    one(
        "zeros_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
        |a| full_like(a, Scalar::Int(0), 1),
    ),
    one(
        "ones_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
        |a| full_like(a, Scalar::Int(1), 1),
    ),
    one(
        "full_like(Tensor self, Scalar fill_value, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
        |a| full_like(a, a.number(1)?, 2),
    ),
    one(
        "new_zeros(Tensor self, SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::zeros(&a.dims(1)?, a.opt_dtype(2)?.unwrap_or(a.tensor(0)?.dtype())),
    ),
    one(
        "new_ones(Tensor self, SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::ones(&a.dims(1)?, a.opt_dtype(2)?.unwrap_or(a.tensor(0)?.dtype())),
    ),
    one(
        "new_full(Tensor self, SymInt[] size, Scalar fill_value, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::full(&a.dims(1)?, a.number(2)?, a.opt_dtype(3)?.unwrap_or(a.tensor(0)?.dtype())),
    ),
    one(
        "linspace(Scalar start, Scalar end, int steps, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| spaced(&a.tensor(0)?, &a.tensor(1)?, a.int(2)?)?.cast(a.opt_dtype(3)?.unwrap_or(DType::F32)),
    ),
    one(
        "linspace(Tensor start, Tensor end, int steps, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| spaced(&a.tensor(0)?, &a.tensor(1)?, a.int(2)?)?.cast(a.opt_dtype(3)?.unwrap_or(DType::F32)),
    ),
    one(
        "linspace(Tensor start, Scalar end, int steps, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| spaced(&a.tensor(0)?, &a.tensor(1)?, a.int(2)?)?.cast(a.opt_dtype(3)?.unwrap_or(DType::F32)),
    ),
    one(
        "linspace(Scalar start, Tensor end, int steps, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| spaced(&a.tensor(0)?, &a.tensor(1)?, a.int(2)?)?.cast(a.opt_dtype(3)?.unwrap_or(DType::F32)),
    ),
    one(
        "logspace(Scalar start, Scalar end, int steps, float base=10.0, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        logarithmic,
    ),
    one(
        "logspace(Tensor start, Tensor end, int steps, float base=10.0, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        logarithmic,
    ),
    one(
        "logspace(Tensor start, Scalar end, int steps, float base=10.0, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        logarithmic,
    ),
    one(
        "logspace(Scalar start, Tensor end, int steps, float base=10.0, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        logarithmic,
    ),
    one("eye(SymInt n, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", |a| {
        Tensor::eye(&a.dim(0)?, &a.dim(0)?, 0, a.opt_dtype(1)?.unwrap_or(DType::F32))
    }),
    one(
        "eye(SymInt n, SymInt m, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::eye(&a.dim(0)?, &a.dim(1)?, 0, a.opt_dtype(2)?.unwrap_or(DType::F32)),
    ),
    // What torch leaves uninitialised is zero here.
    one(
        "empty(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
        |a| Tensor::zeros(&a.dims(0)?, a.opt_dtype(1)?.unwrap_or(DType::F32)),
    ),
    one(
        "empty_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
        |a| full_like(a, Scalar::Int(0), 1),
    ),
    one(
        "new_empty(Tensor self, SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::zeros(&a.dims(1)?, a.opt_dtype(2)?.unwrap_or(a.tensor(0)?.dtype())),
    ),
    one(
        "new_empty_strided(Tensor self, SymInt[] size, SymInt[] stride, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::zeros(&a.dims(1)?, a.opt_dtype(3)?.unwrap_or(a.tensor(0)?.dtype())),
    ),
    one(
        "empty_strided(SymInt[] size, SymInt[] stride, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::zeros(&a.dims(0)?, a.opt_dtype(2)?.unwrap_or(DType::F32)),
    ),
    one(
        "empty_permuted(SymInt[] size, int[] physical_layout, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::zeros(&a.dims(0)?, a.opt_dtype(2)?.unwrap_or(DType::F32)),
    ),
    one("tril(Tensor self, int diagonal=0) -> Tensor", |a| a.tensor(0)?.tril(a.int(1)?)),
    one("triu(Tensor self, int diagonal=0) -> Tensor", |a| a.tensor(0)?.triu(a.int(1)?)),
    one(
        "scalar_tensor(Scalar s, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| a.tensor(0)?.strengthened().cast(a.opt_dtype(1)?.unwrap_or(DType::F32)),
    ),
];

fn range(start: Tensor, end: Tensor, step: Tensor, dtype: Option<DType>) -> Result<Tensor> {
    let float = [&start, &end, &step].iter().any(|tensor| tensor.dtype().is_float());
    let dtype = dtype.unwrap_or(if float { DType::F32 } else { DType::I64 });
    Tensor::arange(start.into_tensor()?, end, step, dtype)
}

fn full_like(a: &Args, number: Scalar, dtype: usize) -> Result<Tensor> {
    let x = a.tensor(0)?;
    Tensor::full(x.shape(), number, a.opt_dtype(dtype)?.unwrap_or(x.dtype()))
}

/// As many numbers at equal distances, both ends among them; computed from the nearer end.
pub(super) fn spaced(start: &Tensor, end: &Tensor, steps: i64) -> Result<Tensor> {
    let wide = |t: &Tensor| t.strengthened().cast(DType::F64);
    let (start, end) = (wide(start)?, wide(end)?);
    if steps == 1 {
        return start.reshape(&[1]);
    }
    let place = Tensor::arange(0, steps, 1, DType::I64)?.cast(DType::F64)?;
    let step = end.sub(&start)?.div((steps - 1) as f64)?;
    let last = (steps - 1) as f64;
    place.lt((steps / 2) as f64)?.where_(&place.mul(&step)?.add(&start)?, &place.neg()?.add(last)?.mul(&step)?.neg()?.add(&end)?)
}

fn logarithmic(a: &Args) -> Result<Tensor> {
    let exponents = spaced(&a.tensor(0)?, &a.tensor(1)?, a.int(2)?)?;
    Tensor::full((), a.float(3)?, DType::F64)?.pow(exponents)?.cast(a.opt_dtype(4)?.unwrap_or(DType::F32))
}
