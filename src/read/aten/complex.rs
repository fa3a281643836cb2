//! What torch does with complex numbers.

use super::value::Value;
use super::{Row, one, value};
use crate::error::Result;
pub(crate) use crate::ops::fourier::Complex;
use crate::tensor::Tensor;

pub(super) const ROWS: &[Row] = &[
    one("abs(Complex self) -> Tensor", |a| {
        let x = a.complex(0)?;
        x.re.square()?.add(x.im.square()?)?.sqrt()
    }),
    one("angle(Complex self) -> Tensor", |a| a.complex(0)?.im.atan2(&a.complex(0)?.re)),
    one("real(Complex self) -> Tensor", |a| Ok(a.complex(0)?.re)),
    one("imag(Complex self) -> Tensor", |a| Ok(a.complex(0)?.im)),
    one("view_as_real(Complex self) -> Tensor", |a| Tensor::stack(&[&a.complex(0)?.re, &a.complex(0)?.im], -1)),
    value("view_as_complex(Tensor self) -> Tensor", |a| {
        let x = a.tensor(0)?;
        Ok(Value::Complex(Complex { re: x.select(-1, 0i64)?, im: x.select(-1, 1i64)? }))
    }),
    value("complex(Tensor real, Tensor imag) -> Tensor", |a| Ok(Value::Complex(Complex { re: a.tensor(0)?, im: a.tensor(1)? }))),
    value("polar(Tensor abs, Tensor angle) -> Tensor", |a| {
        let (length, angle) = (a.tensor(0)?, a.tensor(1)?);
        Ok(Value::Complex(Complex { re: length.mul(angle.cos()?)?, im: length.mul(angle.sin()?)? }))
    }),
    value("conj(Complex self) -> Tensor", |a| {
        let x = a.complex(0)?;
        Ok(Value::Complex(Complex { im: x.im.neg()?, ..x }))
    }),
    value("resolve_conj(Complex self) -> Tensor", |a| Ok(Value::Complex(a.complex(0)?))),
    value("mul(Complex self, Complex other) -> Tensor", |a| {
        let (x, y) = (a.complex(0)?, a.complex(1)?);
        Ok(Value::Complex(Complex { re: x.re.mul(&y.re)?.sub(x.im.mul(&y.im)?)?, im: x.re.mul(&y.im)?.add(x.im.mul(&y.re)?)? }))
    }),
    value("mul(Complex self, Tensor other) -> Tensor", |a| scaled(&a.complex(0)?, &a.tensor(1)?)),
    value("mul(Complex self, Scalar other) -> Tensor", |a| scaled(&a.complex(0)?, &a.tensor(1)?)),
    value("mul(Tensor self, Complex other) -> Tensor", |a| scaled(&a.complex(1)?, &a.tensor(0)?)),
    value("add(Complex self, Complex other, *, Scalar alpha=1) -> Tensor", |a| {
        let (x, y, alpha) = (a.complex(0)?, a.complex(1)?, a.float(2)?);
        Ok(Value::Complex(Complex { re: x.re.add(y.re.mul(alpha)?)?, im: x.im.add(y.im.mul(alpha)?)? }))
    }),
];

fn scaled(x: &Complex, by: &Tensor) -> Result<Value> {
    Ok(Value::Complex(Complex { re: x.re.mul(by)?, im: x.im.mul(by)? }))
}
