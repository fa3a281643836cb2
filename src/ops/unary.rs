//! Element-wise functions of one tensor.

use super::{Reader, widened};
use crate::array::{Array, DType};
use crate::dim::{DimArray, Sizes, Type};
use crate::error::Result;
use crate::graph::{Agreement, Attributes, FIRST_OPSET, Inputs, Operator};
use crate::kernels::unary;
use crate::onnx::{GraphBuilder, Name};
use crate::tensor::{Tensor, apply_one};

pub use crate::kernels::unary::Unary;

/// Each function with the name that ONNX gives it.
const NAMES: &[(Unary, &str)] = &[
    (Unary::Abs, "Abs"),
    (Unary::Neg, "Neg"),
    (Unary::Sign, "Sign"),
    (Unary::Ceil, "Ceil"),
    (Unary::Floor, "Floor"),
    (Unary::Round, "Round"),
    (Unary::Exp, "Exp"),
    (Unary::Log, "Log"),
    (Unary::Sqrt, "Sqrt"),
    (Unary::Reciprocal, "Reciprocal"),
    (Unary::Sin, "Sin"),
    (Unary::Cos, "Cos"),
    (Unary::Tan, "Tan"),
    (Unary::Asin, "Asin"),
    (Unary::Acos, "Acos"),
    (Unary::Atan, "Atan"),
    (Unary::Sinh, "Sinh"),
    (Unary::Cosh, "Cosh"),
    (Unary::Tanh, "Tanh"),
    (Unary::Asinh, "Asinh"),
    (Unary::Acosh, "Acosh"),
    (Unary::Atanh, "Atanh"),
    (Unary::Erf, "Erf"),
    (Unary::Sigmoid, "Sigmoid"),
    (Unary::Relu, "Relu"),
    (Unary::Softplus, "Softplus"),
    (Unary::Softsign, "Softsign"),
    (Unary::BitwiseNot, "BitwiseNot"),
    (Unary::Not, "Not"),
    (Unary::IsNaN, "IsNaN"),
    (Unary::IsInf, "IsInf"),
];

/// Whether the function is exact on integers too.
fn takes_integers(op: Unary) -> bool {
    matches!(op, Unary::Abs | Unary::Neg | Unary::Sign | Unary::Relu | Unary::BitwiseNot)
}

impl Operator for Unary {
    fn name(&self) -> &'static str {
        NAMES.iter().find(|row| row.0 == *self).map_or("Unary", |row| row.1)
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
    }

    fn since(&self) -> i64 {
        if *self == Unary::BitwiseNot { 18 } else { FIRST_OPSET }
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        let taken = match self {
            Unary::Not => x.dtype == DType::Bool,
            Unary::BitwiseNot => x.dtype.is_int(),
            op => x.dtype.is_float() || (takes_integers(*op) && x.dtype.is_int()),
        };
        if !taken {
            return Err(DType::not_taken(x.dtype));
        }
        let dtype = if matches!(self, Unary::IsNaN | Unary::IsInf) { DType::Bool } else { x.dtype };
        Ok(vec![Type::new(dtype, x.shape.clone())])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        widened(inputs, |inputs| Ok(vec![unary::unary(*self, inputs.at(0)?)?]))
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let x = builder.ty(&inputs[0])?.clone();
        if *self == Unary::IsInf && matches!(x.dtype, DType::F16 | DType::BF16) {
            // Before opset 20 only singles and doubles are asked; widening keeps what is infinite.
            let wide = builder.node("Cast", inputs).dtype("to", DType::F32).write_one(Type::new(DType::F32, x.shape))?;
            return Ok(builder.node("IsInf", &[wide]).write(outputs));
        }
        if *self == Unary::Softplus && x.dtype == DType::F16 {
            // The exponential of a half overflows where the logarithm of it does not.
            let single = Type::new(DType::F32, x.shape.clone());
            let wide = builder.node("Cast", inputs).dtype("to", DType::F32).write_one(single.clone())?;
            let soft = builder.node("Softplus", &[wide]).write_one(single)?;
            return Ok(builder.node("Cast", &[soft]).dtype("to", DType::F16).write(outputs));
        }
        // ONNX's takes no unsigned integers, which are never below 0.
        let unsigned = matches!(x.dtype, DType::U8 | DType::U16 | DType::U32 | DType::U64);
        let name = if *self == Unary::Relu && unsigned { "Identity" } else { self.name() };
        Ok(builder.node(name, inputs).write(outputs))
    }

    fn agreement(&self) -> Agreement {
        match self {
            Unary::Abs | Unary::Neg | Unary::Sign | Unary::Ceil | Unary::Floor | Unary::Round | Unary::Relu => Agreement::Exact,
            Unary::BitwiseNot | Unary::Not | Unary::IsNaN | Unary::IsInf => Agreement::Exact,
            _ => Agreement::Rounding,
        }
    }

    fn of_dims(&self, inputs: &Inputs<DimArray>) -> Option<DimArray> {
        let x = inputs.opt(0)?;
        (*self == Unary::Neg).then(|| DimArray { scalar: x.scalar, dims: x.dims.iter().map(|dim| -dim).collect() })
    }
}

/// The readers follow the names.
macro_rules! reads {
    ($($op:ident),*) => {
        &[$((stringify!($op), |node, inputs| {
            if Unary::$op == Unary::Erf && inputs.at(0)?.dtype().is_int() {
                // ONNX gives integers here: the result rounded towards zero.
                let x = inputs.at(0)?;
                return Ok(vec![apply_one(Unary::Erf, &[&x.cast(DType::F64)?])?.cast(x.dtype())?]);
            }
            let (x, y) = (inputs.at(0)?, apply_one(Unary::$op, &[inputs.at(0)?])?);
            // Only IsInf has such attributes: one sign may not count.
            Ok(vec![match (node.int("detect_negative", 1)?, node.int("detect_positive", 1)?) {
                (0, 0) => Tensor::zeros(x.shape(), DType::Bool)?,
                (0, _) => y.logical_and(x.gt(0.0)?)?,
                (_, 0) => y.logical_and(x.lt(0.0)?)?,
                _ => y,
            }])
        })),*]
    };
}

pub(super) const READS: &[(&str, Reader)] = reads![
    Abs, Neg, Sign, Ceil, Floor, Round, Exp, Log, Sqrt, Reciprocal, Sin, Cos, Tan, Asin, Acos, Atan, Sinh, Cosh, Tanh, Asinh, Acosh, Atanh,
    Erf, Sigmoid, Relu, Softplus, Softsign, BitwiseNot, Not, IsNaN, IsInf
];

/// Methods of one operator: `float` casts integers and Bools to f32 first, as torch does; `number` keeps integers.
macro_rules! methods {
    ($($(#[$doc:meta])* $kind:ident $method:ident $op:ident;)*) => {
        impl Tensor {
            $($(#[$doc])*
            ///
            /// # Errors
            /// Where torch does not take the dtype either.
            #[track_caller]
            pub fn $method(&self) -> Result<Tensor> {
                methods!(@$kind self $op)
            })*
        }
    };
    (@float $x:ident $op:ident) => { apply_one(Unary::$op, &[&$x.cast($x.dtype().or_float())?]) };
    (@number $x:ident $op:ident) => { apply_one(Unary::$op, &[$x]) };
    (@whole $x:ident $op:ident) => { if $x.dtype().is_int() { Ok($x.clone()) } else { apply_one(Unary::$op, &[$x]) } };
}

methods! {
    /// |x|
    number abs Abs;
    /// −x
    number neg Neg;
    /// −1, 0 or 1; of NaN, NaN.
    number sign Sign;
    /// The next integer up.
    whole ceil Ceil;
    /// The next integer down.
    whole floor Floor;
    /// The nearest integer, halves to even.
    whole round Round;
    /// eˣ
    float exp Exp;
    /// The natural logarithm.
    float log Log;
    /// √x
    float sqrt Sqrt;
    /// 1 / x
    float reciprocal Reciprocal;
    /// The sine of an angle in radians.
    float sin Sin;
    /// The cosine of an angle in radians.
    float cos Cos;
    /// The tangent of an angle in radians.
    float tan Tan;
    /// The inverse sine.
    float asin Asin;
    /// The inverse cosine.
    float acos Acos;
    /// The inverse tangent.
    float atan Atan;
    /// The hyperbolic sine.
    float sinh Sinh;
    /// The hyperbolic cosine.
    float cosh Cosh;
    /// The hyperbolic tangent.
    float tanh Tanh;
    /// The inverse hyperbolic sine.
    float asinh Asinh;
    /// The inverse hyperbolic cosine.
    float acosh Acosh;
    /// The inverse hyperbolic tangent.
    float atanh Atanh;
    /// The error function.
    float erf Erf;
    /// 1 / (1 + e⁻ˣ)
    float sigmoid Sigmoid;
    /// max(x, 0), and NaN of NaN
    number relu Relu;
    /// x / (1 + |x|)
    float softsign Softsign;
}

impl Tensor {
    /// 1 / √x
    ///
    /// # Errors
    /// Where the tensor belongs to another trace.
    #[track_caller]
    pub fn rsqrt(&self) -> Result<Tensor> {
        self.sqrt()?.reciprocal()
    }

    /// x · x
    ///
    /// # Errors
    /// Where the tensor belongs to another trace.
    #[track_caller]
    pub fn square(&self) -> Result<Tensor> {
        // Of truth values an integer, as every power of them is.
        let x = if self.dtype() == DType::Bool { self.cast(DType::I64)? } else { self.clone() };
        x.mul(&x)
    }

    /// The integer part.
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) for Bool.
    #[track_caller]
    pub fn trunc(&self) -> Result<Tensor> {
        if self.dtype().is_int() { Ok(self.clone()) } else { self.sign()?.mul(self.abs()?.floor()?) }
    }

    /// Not: true where x is false or zero.
    ///
    /// # Errors
    /// Where the tensor belongs to another trace.
    #[track_caller]
    pub fn logical_not(&self) -> Result<Tensor> {
        apply_one(Unary::Not, &[&self.cast(DType::Bool)?])
    }

    /// Bitwise not; of Bools, [`Tensor::logical_not`].
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) for floats.
    #[track_caller]
    pub fn bitwise_not(&self) -> Result<Tensor> {
        if self.dtype() == DType::Bool { self.logical_not() } else { apply_one(Unary::BitwiseNot, &[self]) }
    }

    #[track_caller]
    fn float_test(&self, op: Unary) -> Result<Tensor> {
        match self.dtype().is_float() {
            true => apply_one(op, &[self]),
            false => self.ne(self),
        }
    }

    /// True where x is not a number.
    ///
    /// # Errors
    /// Where the tensor belongs to another trace.
    #[track_caller]
    pub fn is_nan(&self) -> Result<Tensor> {
        self.float_test(Unary::IsNaN)
    }

    /// True where x is an infinity.
    ///
    /// # Errors
    /// Where the tensor belongs to another trace.
    #[track_caller]
    pub fn is_inf(&self) -> Result<Tensor> {
        self.float_test(Unary::IsInf)
    }

    /// True where x is neither an infinity nor NaN.
    ///
    /// # Errors
    /// Where the tensor belongs to another trace.
    #[track_caller]
    pub fn is_finite(&self) -> Result<Tensor> {
        self.is_inf()?.logical_or(self.is_nan()?)?.logical_not()
    }
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;

    let cases = cases! {
        "logical_not", [bools(&[2, 3])], |x| one(x[0].logical_not()?);
        "logical_not_of_floats", [these(DType::F32, &[2, 3], &[0.0, 1.0, -0.0, NAN])], |x| one(x[0].logical_not()?);
        "bitwise_not", [integers(&[2, 3])], |x| one(x[0].bitwise_not()?);
        "bitwise_not_u8", [of(DType::U8, &[2, 3], 0.0, 255.0)], |x| one(x[0].bitwise_not()?);
    };
    [
        &[cases][..],
        &[
            unary("abs", Tensor::abs, -2.0, 2.0),
            unary("neg", Tensor::neg, -2.0, 2.0),
            unary("sign", Tensor::sign, -2.0, 2.0),
            unary("ceil", Tensor::ceil, -3.0, 3.0),
            unary("floor", Tensor::floor, -3.0, 3.0),
            unary("round", Tensor::round, -3.0, 3.0),
            unary("trunc", Tensor::trunc, -3.0, 3.0),
            unary("exp", Tensor::exp, -2.0, 2.0),
            unary("log", Tensor::log, 0.1, 3.0),
            unary("sqrt", Tensor::sqrt, 0.1, 3.0),
            unary("rsqrt", Tensor::rsqrt, 0.1, 3.0),
            unary("square", Tensor::square, -2.0, 2.0),
            unary("reciprocal", Tensor::reciprocal, 0.2, 3.0),
            unary("sin", Tensor::sin, -3.0, 3.0),
            unary("cos", Tensor::cos, -3.0, 3.0),
            unary("tan", Tensor::tan, -1.2, 1.2),
            unary("asin", Tensor::asin, -0.9, 0.9),
            unary("acos", Tensor::acos, -0.9, 0.9),
            unary("atan", Tensor::atan, -3.0, 3.0),
            unary("sinh", Tensor::sinh, -2.0, 2.0),
            unary("cosh", Tensor::cosh, -2.0, 2.0),
            unary("tanh", Tensor::tanh, -3.0, 3.0),
            unary("asinh", Tensor::asinh, -3.0, 3.0),
            unary("acosh", Tensor::acosh, 1.1, 3.0),
            unary("atanh", Tensor::atanh, -0.9, 0.9),
            unary("erf", Tensor::erf, -2.0, 2.0),
            unary("sigmoid", Tensor::sigmoid, -4.0, 4.0),
            unary("relu", Tensor::relu, -2.0, 2.0),
            unary("softsign", Tensor::softsign, -2.0, 2.0),
            unary("is_nan", Tensor::is_nan, -1.0, 1.0),
            unary("is_inf", Tensor::is_inf, -1.0, 1.0),
            unary("is_finite", Tensor::is_finite, -1.0, 1.0),
        ],
    ]
    .concat()
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_nan_and_of_edges_are_torchs() {
        let x = Tensor::from(&[-0.5f32, 2.5, f32::NAN, f32::INFINITY]);
        assert_eq!(x.round().unwrap().to_vec::<f32>().unwrap()[..2], [-0.0, 2.0]);
        assert!(x.relu().unwrap().to_vec::<f32>().unwrap()[2].is_nan());
        assert_eq!(x.is_finite().unwrap().to_vec::<bool>().unwrap(), [true, true, false, false]);
        assert_eq!(Tensor::from(&[-2i64, 3]).abs().unwrap().to_vec::<i64>().unwrap(), [2, 3]);
        assert_eq!(Tensor::from(&[4i64]).sqrt().unwrap().dtype(), DType::F32);
        assert_eq!(Tensor::from(&[true]).neg().unwrap_err().code(), crate::ErrorCode::DType);
    }

    #[test]
    fn every_function_has_its_name() {
        for (op, name) in NAMES {
            assert_eq!(op.name(), *name);
        }
        assert_eq!(NAMES.len(), READS.len());
    }
}
