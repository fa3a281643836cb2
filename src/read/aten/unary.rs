//! Element-wise functions of one tensor, and conversions.

use super::row::{Row, one, tuple, value};
use super::value::Value;
use crate::array::DType;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Rows that are one method.
macro_rules! methods {
    ($($name:ident $method:ident)*) => {
        &[$(one(concat!(stringify!($name), "(Tensor self) -> Tensor"), |a| a.tensor("self")?.$method())),*]
    };
}

/// Functions that are one method.
pub(super) const METHODS: &[Row] = methods! {
    abs abs
    neg neg
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
    expm1 expm1
    log1p log1p
    exp2 exp2
    erfc erfc
    erfinv erfinv
    lgamma lgamma
    digamma digamma
    i0 i0
    sinc sinc
    special_i0e i0e
    special_i1 i1
    special_i1e i1e
    special_modified_bessel_i0 i0
    special_modified_bessel_i1 i1
    special_modified_bessel_k0 k0
    special_modified_bessel_k1 k1
    special_scaled_modified_bessel_k0 k0e
    special_scaled_modified_bessel_k1 k1e
    special_bessel_j0 bessel_j0
    special_bessel_j1 bessel_j1
    special_bessel_y0 bessel_y0
    special_bessel_y1 bessel_y1
    special_spherical_bessel_j0 spherical_bessel_j0
    special_airy_ai airy_ai
    special_erfcx erfcx
    special_ndtr ndtr
    special_ndtri ndtri
    special_log_ndtr log_ndtr
    special_entr entr
};

pub(super) const ROWS: &[Row] = &[
    one("round(Tensor self) -> Tensor", |a| a.tensor("self")?.round()),
    one("round(Tensor self, *, int decimals) -> Tensor", |a| {
        let (x, decimals) = (a.tensor("self")?, a.int("decimals")?);
        if x.dtype().is_int() {
            return Ok(x);
        }
        let scale = 10f64.powi(decimals.unsigned_abs() as i32);
        // The scaled values of halves would leave their range.
        let wide = if matches!(x.dtype(), DType::F16 | DType::BF16) { x.cast(DType::F32)? } else { x.clone() };
        let y = if decimals < 0 { wide.div(scale)?.round()?.mul(scale)? } else { wide.mul(scale)?.round()?.div(scale)? };
        y.cast(x.dtype())
    }),
    one("logit(Tensor self, float? eps=None) -> Tensor", |a| a.tensor("self")?.logit(a.opt_float("eps")?)),
    one("polygamma(int n, Tensor self) -> Tensor", |a| a.tensor("self")?.polygamma(a.int("n")?)),
    one("special_polygamma(int n, Tensor self) -> Tensor", |a| a.tensor("self")?.polygamma(a.int("n")?)),
    one("mvlgamma(Tensor self, int p) -> Tensor", |a| a.tensor("self")?.multigammaln(a.int("p")?)),
    one("positive(Tensor self) -> Tensor", |a| a.tensor("self")),
    one("conj_physical(Tensor self) -> Tensor", |a| a.tensor("self")),
    one("deg2rad(Tensor self) -> Tensor", |a| a.tensor("self")?.mul(std::f64::consts::PI / 180.0)),
    one("rad2deg(Tensor self) -> Tensor", |a| a.tensor("self")?.mul(180.0 / std::f64::consts::PI)),
    one("sign(Tensor self) -> Tensor", |a| signs(&a.tensor("self")?)),
    one("sgn(Tensor self) -> Tensor", |a| signs(&a.tensor("self")?)),
    one("signbit(Tensor self) -> Tensor", |a| a.tensor("self")?.sign_bit()),
    one("isneginf(Tensor self) -> Tensor", |a| a.tensor("self")?.eq(f64::NEG_INFINITY)),
    one("isposinf(Tensor self) -> Tensor", |a| a.tensor("self")?.eq(f64::INFINITY)),
    one("isreal(Tensor self) -> Tensor", |a| Tensor::ones(a.tensor("self")?.shape(), DType::Bool)),
    one("angle(Tensor self) -> Tensor", |a| {
        let x = a.tensor("self")?;
        let x = x.cast(x.dtype().or_float())?;
        let angle = x.lt(0.0)?.where_(&Tensor::full((), std::f64::consts::PI, x.dtype())?, &Tensor::zeros((), x.dtype())?)?;
        x.is_nan()?.where_(&x, &angle)
    }),
    one("nan_to_num(Tensor self, float? nan=None, float? posinf=None, float? neginf=None) -> Tensor", |a| {
        a.tensor("self")?.nan_to_num(a.opt_float("nan")?, a.opt_float("posinf")?, a.opt_float("neginf")?)
    }),
    tuple("frexp(Tensor self) -> (Tensor mantissa, Tensor exponent)", |a| a.tensor("self")?.frexp().map(|(m, e)| vec![m, e])),
    one("bool(Tensor self) -> Tensor", |a| a.tensor("self")?.cast(DType::Bool)),
    one("byte(Tensor self) -> Tensor", |a| a.tensor("self")?.cast(DType::U8)),
    one("char(Tensor self) -> Tensor", |a| a.tensor("self")?.cast(DType::I8)),
    one("int(Tensor self) -> Tensor", |a| a.tensor("self")?.cast(DType::I32)),
    one("short(Tensor self) -> Tensor", |a| a.tensor("self")?.cast(DType::I16)),
    one("frac(Tensor self) -> Tensor", |a| {
        let x = a.tensor("self")?;
        x.sub(x.trunc()?)
    }),
    one("log2(Tensor self) -> Tensor", |a| a.tensor("self")?.log()?.mul(std::f64::consts::LOG2_E)),
    one("log10(Tensor self) -> Tensor", |a| a.tensor("self")?.log()?.mul(std::f64::consts::LOG10_E)),
    one("clone(Tensor self, *, MemoryFormat? memory_format=None) -> Tensor", |a| a.tensor("self")),
    one("lift_fresh(Tensor self) -> Tensor", |a| a.tensor("self")),
    one("lift_fresh_copy(Tensor self) -> Tensor", |a| a.tensor("self")),
    // The overloads of `to` take a dtype, a device and a dtype, or a tensor whose dtype counts.
    one("to(Tensor self, ScalarType dtype, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor", |a| {
        to(a.tensor("self")?, a.opt_dtype("dtype")?)
    }),
    one(
        "to(Tensor self, Device device, ScalarType dtype, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor",
        |a| to(a.tensor("self")?, a.opt_dtype("dtype")?),
    ),
    one("to(Tensor self, Tensor other, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor", |a| {
        let dtype = a.tensor("other")?.dtype();
        to(a.tensor("self")?, Some(dtype))
    }),
    one("to(Tensor self, Device? device, ScalarType? dtype=None, bool non_blocking=False, bool copy=False) -> Tensor", |a| {
        to(a.tensor("self")?, a.opt_dtype("dtype")?)
    }),
    one(
        "to(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor",
        |a| to(a.tensor("self")?, a.opt_dtype("dtype")?),
    ),
    one(
        "_to_copy(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, bool non_blocking=False, MemoryFormat? memory_format=None) -> Tensor",
        |a| to(a.tensor("self")?, a.opt_dtype("dtype")?),
    ),
    one("type_as(Tensor self, Tensor other) -> Tensor", |a| {
        let dtype = a.tensor("other")?.dtype();
        a.tensor("self")?.cast(dtype)
    }),
    one("float(Tensor self) -> Tensor", |a| a.tensor("self")?.cast(DType::F32)),
    one("double(Tensor self) -> Tensor", |a| a.tensor("self")?.cast(DType::F64)),
    one("half(Tensor self) -> Tensor", |a| a.tensor("self")?.cast(DType::F16)),
    one("bfloat16(Tensor self) -> Tensor", |a| a.tensor("self")?.cast(DType::BF16)),
    one("long(Tensor self) -> Tensor", |a| a.tensor("self")?.cast(DType::I64)),
    value("numel(Tensor self) -> int", |a| Ok(Value::Int(a.tensor("self")?.numel()))),
    value("dim(Tensor self) -> int", |a| Ok(Value::Int(a.tensor("self")?.rank().into()))),
    value("sym_size(Tensor self, int dim) -> int", |a| Ok(Value::Int(a.tensor("self")?.dim(a.int("dim")?)?))),
    value("sym_numel(Tensor self) -> int", |a| Ok(Value::Int(a.tensor("self")?.numel()))),
    value("size(Tensor self, int dim) -> int", |a| Ok(Value::Int(a.tensor("self")?.dim(a.int("dim")?)?))),
    value("size(Tensor self) -> int[]", |a| Ok(Value::list(a.tensor("self")?.shape().iter().cloned().map(Value::Int).collect()))),
    value("ScalarImplicit(Tensor a) -> Scalar", |a| number_of(&a.tensor("a")?)),
    value("IntImplicit(Tensor a) -> int", |a| number_of(&a.tensor("a")?)),
    value("FloatImplicit(Tensor a) -> float", |a| number_of(&a.tensor("a")?)),
    value("Int(Scalar a) -> int", |a| Ok(Value::Int(a.dim("a")?))),
    value("Float(Scalar a) -> float", |a| Ok(Value::Float(a.float("a")?))),
    value("Bool(Scalar a) -> bool", |a| Ok(Value::Bool(a.flag("a")?))),
    value("item(Tensor self) -> Scalar", |a| number_of(&a.tensor("self")?)),
    one("_cast_Byte(Tensor self, bool non_blocking=False) -> Tensor", |a| a.tensor("self")?.cast(DType::U8)),
    one("_cast_Char(Tensor self, bool non_blocking=False) -> Tensor", |a| a.tensor("self")?.cast(DType::I8)),
    one("_cast_Short(Tensor self, bool non_blocking=False) -> Tensor", |a| a.tensor("self")?.cast(DType::I16)),
    one("_cast_Int(Tensor self, bool non_blocking=False) -> Tensor", |a| a.tensor("self")?.cast(DType::I32)),
    one("_cast_Long(Tensor self, bool non_blocking=False) -> Tensor", |a| a.tensor("self")?.cast(DType::I64)),
    one("_cast_Half(Tensor self, bool non_blocking=False) -> Tensor", |a| a.tensor("self")?.cast(DType::F16)),
    one("_cast_Float(Tensor self, bool non_blocking=False) -> Tensor", |a| a.tensor("self")?.cast(DType::F32)),
    one("_cast_Double(Tensor self, bool non_blocking=False) -> Tensor", |a| a.tensor("self")?.cast(DType::F64)),
];

/// −1, 0 or 1 by the sign; a truth value is its own.
fn signs(x: &Tensor) -> Result<Tensor> {
    if x.dtype() == DType::Bool {
        return Ok(x.clone());
    }
    let sign = x.sign()?;
    // NaN has the sign 0 in torch, and itself in ONNX.
    if x.dtype().is_float() { x.eq(x)?.where_(&sign, &Tensor::zeros((), x.dtype())?) } else { Ok(sign) }
}

fn to(x: Tensor, dtype: Option<DType>) -> Result<Tensor> {
    // What is converted on purpose is an ordinary tensor from then on, even where nothing changes.
    let x = x.strengthened();
    dtype.map_or(Ok(x.clone()), |dtype| x.cast(dtype))
}

/// The value of a scalar tensor; a symbolic size stays symbolic.
pub(crate) fn number_of(tensor: &Tensor) -> Result<Value> {
    if let Some(dims) = tensor.symbolic_values()
        && let [dim] = dims.dims.as_slice()
    {
        return Ok(Value::Int(dim.clone()));
    }
    // What depends on data stays a tensor, which gives way to other dtypes as a number does.
    if tensor.is_traced() && tensor.numel() == 1 {
        return Ok(tensor.reshape(())?.weakened().into());
    }
    match tensor.item() {
        Ok(crate::Scalar::Bool(x)) => Ok(Value::Bool(x)),
        Ok(crate::Scalar::Int(x)) => Ok(Value::Int(x.into())),
        Ok(crate::Scalar::Float(x)) => Ok(Value::Float(x)),
        Err(error) => Err(Error::new(error.code(), error.message())),
    }
}
