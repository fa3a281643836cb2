//! Element-wise functions of one tensor, and conversions.

use super::{Row, one, value};
use crate::array::DType;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Rows that are one method.
macro_rules! methods {
    ($($name:ident $method:ident)*) => {
        &[$(one(concat!(stringify!($name), "(Tensor self) -> Tensor"), |a| a.tensor(0)?.$method())),*]
    };
}

/// Functions that are one method.
pub(super) const METHODS: &[Row] = methods! {
    abs abs
    neg neg
    sign sign
    ceil ceil
    floor floor
    exp exp
    log log
    sqrt sqrt
    rsqrt rsqrt
    reciprocal reciprocal
    square square
    sin sin
    cos cos
    tan tan
    asin asin
    acos acos
    atan atan
    sinh sinh
    cosh cosh
    tanh tanh
    asinh asinh
    acosh acosh
    atanh atanh
    erf erf
    sigmoid sigmoid
    trunc trunc
    logical_not logical_not
    bitwise_not bitwise_not
    isnan is_nan
    isinf is_inf
    isfinite is_finite
};

pub(super) const ROWS: &[Row] = &[
    one("round(Tensor self) -> Tensor", |a| a.tensor(0)?.round()),
    one("frac(Tensor self) -> Tensor", |a| {
        let x = a.tensor(0)?;
        x.sub(x.trunc()?)
    }),
    one("expm1(Tensor self) -> Tensor", |a| a.tensor(0)?.exp()?.sub(1)),
    one("log1p(Tensor self) -> Tensor", |a| a.tensor(0)?.add(1)?.log()),
    one("log2(Tensor self) -> Tensor", |a| a.tensor(0)?.log()?.mul(std::f64::consts::LOG2_E)),
    one("log10(Tensor self) -> Tensor", |a| a.tensor(0)?.log()?.mul(std::f64::consts::LOG10_E)),
    one("exp2(Tensor self) -> Tensor", |a| a.tensor(0)?.mul(std::f64::consts::LN_2)?.exp()),
    one("clone(Tensor self, *, MemoryFormat? memory_format=None) -> Tensor", |a| a.tensor(0)),
    one("lift_fresh(Tensor self) -> Tensor", |a| a.tensor(0)),
    one("lift_fresh_copy(Tensor self) -> Tensor", |a| a.tensor(0)),
    // The overloads of `to` differ in what stands where: a dtype, a device and a dtype, or a tensor to be like.
    one("to(Tensor self, ScalarType dtype, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor", |a| {
        to(a.tensor(0)?, a.opt_dtype(1)?)
    }),
    one(
        "to(Tensor self, Device device, ScalarType dtype, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor",
        |a| to(a.tensor(0)?, a.opt_dtype(2)?),
    ),
    one("to(Tensor self, Tensor other, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor", |a| {
        let dtype = a.tensor(1)?.dtype();
        to(a.tensor(0)?, Some(dtype))
    }),
    one("to(Tensor self, Device? device, ScalarType? dtype=None, bool non_blocking=False, bool copy=False) -> Tensor", |a| {
        to(a.tensor(0)?, a.opt_dtype(2)?)
    }),
    one(
        "to(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor",
        |a| to(a.tensor(0)?, a.opt_dtype(1)?),
    ),
    one(
        "_to_copy(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, bool non_blocking=False, MemoryFormat? memory_format=None) -> Tensor",
        |a| to(a.tensor(0)?, a.opt_dtype(1)?),
    ),
    one("type_as(Tensor self, Tensor other) -> Tensor", |a| {
        let dtype = a.tensor(1)?.dtype();
        a.tensor(0)?.cast(dtype)
    }),
    one("float(Tensor self) -> Tensor", |a| a.tensor(0)?.cast(DType::F32)),
    one("double(Tensor self) -> Tensor", |a| a.tensor(0)?.cast(DType::F64)),
    one("half(Tensor self) -> Tensor", |a| a.tensor(0)?.cast(DType::F16)),
    one("bfloat16(Tensor self) -> Tensor", |a| a.tensor(0)?.cast(DType::BF16)),
    one("long(Tensor self) -> Tensor", |a| a.tensor(0)?.cast(DType::I64)),
    value("numel(Tensor self) -> int", |a| Ok(super::Value::Int(a.tensor(0)?.count()))),
    value("dim(Tensor self) -> int", |a| Ok(super::Value::Int(a.tensor(0)?.rank().into()))),
    value("size(Tensor self, int dim) -> int", |a| Ok(super::Value::Int(a.tensor(0)?.dim(a.int(1)?)?))),
    value("size(Tensor self) -> int[]", |a| Ok(super::Value::list(a.tensor(0)?.shape().iter().cloned().map(super::Value::Int).collect()))),
    value("ScalarImplicit(Tensor a) -> Scalar", |a| implicit(&a.tensor(0)?)),
    value("IntImplicit(Tensor a) -> int", |a| implicit(&a.tensor(0)?)),
    value("FloatImplicit(Tensor a) -> float", |a| implicit(&a.tensor(0)?)),
    value("Int(Scalar a) -> int", |a| Ok(super::Value::Int(a.dim(0)?))),
    value("Float(Scalar a) -> float", |a| Ok(super::Value::Float(a.float(0)?))),
    value("Bool(Scalar a) -> bool", |a| Ok(super::Value::Bool(a.flag(0)?))),
    value("item(Tensor self) -> Scalar", |a| implicit(&a.tensor(0)?)),
];

fn to(x: Tensor, dtype: Option<DType>) -> Result<Tensor> {
    // What is converted on purpose is an ordinary tensor from then on, even where nothing changes.
    let x = x.strengthened();
    dtype.map_or(Ok(x.clone()), |dtype| x.cast(dtype))
}

/// The number in a tensor of rank 0: a length stays one.
fn implicit(tensor: &Tensor) -> Result<super::Value> {
    if let Some(dims) = tensor.dims()
        && let [dim] = dims.dims.as_slice()
    {
        return Ok(super::Value::Int(dim.clone()));
    }
    match tensor.item() {
        Ok(crate::Scalar::Bool(x)) => Ok(super::Value::Bool(x)),
        Ok(crate::Scalar::Int(x)) => Ok(super::Value::Int(x.into())),
        Ok(crate::Scalar::Float(x)) => Ok(super::Value::Float(x)),
        Err(error) => Err(Error::new(error.code(), error.message())),
    }
}
