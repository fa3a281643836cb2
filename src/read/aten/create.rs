//! Tensors from nothing.

use super::args::Args;
use super::row::{Row, one};
use crate::array::{DType, Scalar};
use crate::dim::{Dim, Shape};
use crate::error::{Error, Result};
use crate::tensor::{Operand, Tensor};

pub(super) const ROWS: &[Row] = &[
    one("arange(Scalar end, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", |a| {
        range(Tensor::weak(0), a.tensor("end")?, Tensor::weak(1), a.opt_dtype("dtype")?)
    }),
    one(
        "arange(Scalar start, Scalar end, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| range(a.tensor("start")?, a.tensor("end")?, Tensor::weak(1), a.opt_dtype("dtype")?),
    ),
    one(
        "arange(Scalar start, Scalar end, Scalar step=1, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| range(a.tensor("start")?, a.tensor("end")?, a.tensor("step")?, a.opt_dtype("dtype")?),
    ),
    one(
        "zeros(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::zeros(&a.dims("size")?, a.opt_dtype("dtype")?.unwrap_or(DType::F32)),
    ),
    one("ones(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", |a| {
        Tensor::ones(&a.dims("size")?, a.opt_dtype("dtype")?.unwrap_or(DType::F32))
    }),
    one(
        "full(SymInt[] size, Scalar fill_value, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| {
            let number = a.tensor("fill_value")?;
            let natural = if number.dtype().is_float() { DType::F32 } else { number.dtype() };
            filled(a, &a.dims("size")?.into(), a.opt_dtype("dtype")?.unwrap_or(natural))
        },
    ),
    one(
        "zeros_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
        |a| full_like(a, Scalar::Int(0)),
    ),
    one(
        "ones_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
        |a| full_like(a, Scalar::Int(1)),
    ),
    one(
        "full_like(Tensor self, Scalar fill_value, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
        |a| {
            let x = a.tensor("self")?;
            filled(a, x.shape(), a.opt_dtype("dtype")?.unwrap_or(x.dtype()))
        },
    ),
    one(
        "new_zeros(Tensor self, SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::zeros(&a.dims("size")?, a.opt_dtype("dtype")?.unwrap_or(a.tensor("self")?.dtype())),
    ),
    one(
        "new_ones(Tensor self, SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::ones(&a.dims("size")?, a.opt_dtype("dtype")?.unwrap_or(a.tensor("self")?.dtype())),
    ),
    one(
        "new_full(Tensor self, SymInt[] size, Scalar fill_value, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| filled(a, &a.dims("size")?.into(), a.opt_dtype("dtype")?.unwrap_or(a.tensor("self")?.dtype())),
    ),
    one(
        "linspace(Scalar start, Scalar end, int steps, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| spaced(a, &a.dim("steps")?),
    ),
    one(
        "linspace(Tensor start, Tensor end, int steps, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| spaced(a, &a.dim("steps")?),
    ),
    one(
        "linspace(Tensor start, Scalar end, int steps, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| spaced(a, &a.dim("steps")?),
    ),
    one(
        "linspace(Scalar start, Tensor end, int steps, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| spaced(a, &a.dim("steps")?),
    ),
    one(
        "logspace(Scalar start, Scalar end, int steps, float base=10.0, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| logarithmic(a, &a.dim("steps")?),
    ),
    one(
        "logspace(Tensor start, Tensor end, int steps, float base=10.0, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| logarithmic(a, &a.dim("steps")?),
    ),
    one(
        "logspace(Tensor start, Scalar end, int steps, float base=10.0, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| logarithmic(a, &a.dim("steps")?),
    ),
    one(
        "logspace(Scalar start, Tensor end, int steps, float base=10.0, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| logarithmic(a, &a.dim("steps")?),
    ),
    one("eye(SymInt n, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor", |a| {
        Tensor::eye(&a.dim("n")?, &a.dim("n")?, 0, a.opt_dtype("dtype")?.unwrap_or(DType::F32))
    }),
    one(
        "eye(SymInt n, SymInt m, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::eye(&a.dim("n")?, &a.dim("m")?, 0, a.opt_dtype("dtype")?.unwrap_or(DType::F32)),
    ),
    // What torch leaves uninitialised is zero here.
    one(
        "empty(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
        |a| Tensor::zeros(&a.dims("size")?, a.opt_dtype("dtype")?.unwrap_or(DType::F32)),
    ),
    one(
        "empty_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
        |a| full_like(a, Scalar::Int(0)),
    ),
    one(
        "new_empty(Tensor self, SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::zeros(&a.dims("size")?, a.opt_dtype("dtype")?.unwrap_or(a.tensor("self")?.dtype())),
    ),
    one(
        "new_empty_strided(Tensor self, SymInt[] size, SymInt[] stride, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::zeros(&a.dims("size")?, a.opt_dtype("dtype")?.unwrap_or(a.tensor("self")?.dtype())),
    ),
    one(
        "empty_strided(SymInt[] size, SymInt[] stride, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::zeros(&a.dims("size")?, a.opt_dtype("dtype")?.unwrap_or(DType::F32)),
    ),
    one(
        "empty_permuted(SymInt[] size, int[] physical_layout, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| Tensor::zeros(&a.dims("size")?, a.opt_dtype("dtype")?.unwrap_or(DType::F32)),
    ),
    one("tril(Tensor self, int diagonal=0) -> Tensor", |a| a.tensor("self")?.tril(a.dim("diagonal")?)),
    one("triu(Tensor self, int diagonal=0) -> Tensor", |a| a.tensor("self")?.triu(a.dim("diagonal")?)),
    one(
        "scalar_tensor(Scalar s, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
        |a| a.tensor("s")?.strengthened().cast(a.opt_dtype("dtype")?.unwrap_or(DType::F32)),
    ),
];

fn range(start: Tensor, end: Tensor, step: Tensor, dtype: Option<DType>) -> Result<Tensor> {
    let float = [&start, &end, &step].iter().any(|tensor| tensor.dtype().is_float());
    let dtype = dtype.unwrap_or(if float { DType::F32 } else { DType::I64 });
    let number = |tensor: &Tensor| tensor.value().and_then(|array| array.item().ok()).map(Scalar::to_f64);
    // ONNX gives nothing where torch refuses.
    if let (Some(first), Some(last), Some(by)) = (number(&start), number(&end), number(&step))
        && (by > 0.0 && last < first || by < 0.0 && last > first)
    {
        return Err(Error::argument(format!("a range from {first} to {last} by steps of {by}")));
    }
    Tensor::arange(start.into_tensor()?, end, step, dtype)
}

/// A tensor of the fill value.
fn filled(a: &Args, shape: &Shape, dtype: DType) -> Result<Tensor> {
    match a.varies("fill_value")? {
        true => a.tensor("fill_value")?.cast(dtype)?.expand(shape),
        false => Tensor::full(shape, a.number("fill_value")?, dtype),
    }
}

fn full_like(a: &Args, number: Scalar) -> Result<Tensor> {
    let x = a.tensor("self")?;
    Tensor::full(x.shape(), number, a.opt_dtype("dtype")?.unwrap_or(x.dtype()))
}

/// Values at equal distances.
pub(super) fn spaced(a: &Args, steps: &Dim) -> Result<Tensor> {
    Tensor::linspace(&bound(a, "start")?, &bound(a, "end")?, steps.clone())?.cast(a.opt_dtype("dtype")?.unwrap_or(DType::F32))
}

/// An end of a range, which is cut to an integer where the range is of integers.
fn bound(a: &Args, name: &str) -> Result<Tensor> {
    let x = a.tensor(name)?;
    match a.opt_dtype("dtype")? {
        Some(dtype) if dtype.is_int() && x.dtype().is_float() => x.cast(dtype),
        // A negative end of a range of bytes is the byte that it is cast to.
        Some(dtype) if dtype.is_int() => x.strengthened().cast(dtype)?.cast(DType::I64),
        _ => Ok(x),
    }
}

/// Powers of a base whose exponents are at equal distances.
pub(super) fn logarithmic(a: &Args, steps: &Dim) -> Result<Tensor> {
    // A single step is the power itself, also among integers.
    if *steps == 1 {
        let power = Tensor::full((), a.float("base")?, DType::F64)?.pow(a.tensor("start")?.strengthened().cast(DType::F64)?)?;
        return power.reshape([1])?.cast(a.opt_dtype("dtype")?.unwrap_or(DType::F32));
    }
    let exponents = Tensor::linspace(&bound(a, "start")?, &bound(a, "end")?, steps.clone())?;
    Tensor::full((), a.float("base")?, DType::F64)?.pow(exponents)?.cast(a.opt_dtype("dtype")?.unwrap_or(DType::F32))
}
