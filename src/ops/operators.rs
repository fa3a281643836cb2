//! `+ - * /` and unary minus on tensors, results and values; all give a `Result`.
//!
//! Of the values only f64 and i64 take part, so that a literal needs no suffix: its width says nothing anyway.

use crate::error::Result;
use crate::tensor::Tensor;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// One operator for every pair of sides of which one is a tensor.
macro_rules! operator {
    ($Op:ident $op:ident; $($number:ty),*) => {
        operator!(@pair $Op $op, &Tensor, &Tensor);
        operator!(@pair $Op $op, &Tensor, Tensor);
        operator!(@pair $Op $op, &Tensor, Result<Tensor>);
        operator!(@pair $Op $op, Tensor, &Tensor);
        operator!(@pair $Op $op, Tensor, Tensor);
        operator!(@pair $Op $op, Tensor, Result<Tensor>);
        operator!(@pair $Op $op, Result<Tensor>, &Tensor);
        operator!(@pair $Op $op, Result<Tensor>, Tensor);
        $(operator!(@pair $Op $op, &Tensor, $number);
        operator!(@pair $Op $op, Tensor, $number);
        operator!(@pair $Op $op, $number, &Tensor);
        operator!(@pair $Op $op, $number, Tensor);)*
    };
    (@pair $Op:ident $op:ident, $Left:ty, $Right:ty) => {
        impl $Op<$Right> for $Left {
            type Output = Result<Tensor>;
            #[track_caller]
            fn $op(self, other: $Right) -> Result<Tensor> {
                let left = crate::tensor::Operand::into_tensor(self)?;
                Tensor::$op(&left, other)
            }
        }
    };
}

operator!(Add add; f64, i64);
operator!(Sub sub; f64, i64);
operator!(Mul mul; f64, i64);
operator!(Div div; f64, i64);

impl Neg for &Tensor {
    type Output = Result<Tensor>;
    #[track_caller]
    fn neg(self) -> Result<Tensor> {
        Tensor::neg(self)
    }
}

impl Neg for Tensor {
    type Output = Result<Tensor>;
    #[track_caller]
    fn neg(self) -> Result<Tensor> {
        Tensor::neg(&self)
    }
}
