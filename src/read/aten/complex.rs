//! Operators on complex tensors, which are pairs of real ones, and complex values in files and at the boundary of a program.

use super::aliasing::{permuted, selected};
use super::args::Args;
use super::row::{Row, one, value};
use super::value::{Pair, Value, View};
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::ops::fourier::Complex;
use crate::tensor::{Tensor, size};

/// A complex number.
pub(crate) fn number(re: f64, im: f64) -> Value {
    Complex { re: Tensor::weak(re), im: Tensor::weak(im) }.into()
}

/// Complex values as files have them: the parts side by side in a last axis.
pub(crate) fn stored(x: &Tensor) -> Result<Value> {
    Ok(Complex { re: x.select(-1, 0i64)?, im: x.select(-1, 1i64)? }.into())
}

pub(super) const ROWS: &[Row] = &[
    one("abs(Complex self) -> Tensor", |a| absolute(&a.complex("self")?)),
    one("angle(Complex self) -> Tensor", |a| a.complex("self")?.im.atan2(&a.complex("self")?.re)),
    value("real(Complex self) -> Tensor", |a| Ok(Value::Tensor(a.pair("self")?.re.clone()))),
    value("imag(Complex self) -> Tensor", |a| Ok(Value::Tensor(a.pair("self")?.im.clone()))),
    one("view_as_real(Complex self) -> Tensor", |a| Tensor::stack(&[&a.complex("self")?.re, &a.complex("self")?.im], -1)),
    value("view_as_complex(Tensor self) -> Tensor", |a| {
        if a.tensor("self")?.dim(-1)? != 2 {
            return Err(Error::shape(format!("expected a last axis of size 2 (real, imaginary), got {}", a.tensor("self")?.ty())));
        }
        let part = |i: i64| selected(a.view("self")?, -1, Dim::Fixed(i))?.view().cloned();
        Ok(Value::Complex(Pair { re: part(0)?, im: part(1)? }))
    }),
    value("complex(Tensor real, Tensor imag) -> Tensor", |a| {
        let shape = size::broadcast(a.tensor("real")?.shape(), a.tensor("imag")?.shape())?;
        Ok(Complex { re: a.tensor("real")?.expand(&shape)?, im: a.tensor("imag")?.expand(&shape)? }.into())
    }),
    value("polar(Tensor abs, Tensor angle) -> Tensor", |a| from_polar(&a.tensor("abs")?, &a.tensor("angle")?)),
    value("conj(Complex self) -> Tensor", |a| Ok(conjugate(a.complex("self")?)?.into())),
    value("conj_physical(Complex self) -> Tensor", |a| Ok(conjugate(a.complex("self")?)?.into())),
    value("mH(Complex self) -> Tensor", |a| adjoint(a.complex("self")?)),
    value("matrix_H(Complex self) -> Tensor", |a| adjoint(a.complex("self")?)),
    value("resolve_conj(Complex self) -> Tensor", |a| Ok(a.value("self")?.clone())),
    value("vdot(Complex self, Complex other) -> Tensor", |a| {
        let product = multiplied(&conjugate(a.complex("self")?)?, &a.complex("other")?)?;
        Ok(Complex { re: product.re.sum(.., false)?, im: product.im.sum(.., false)? }.into())
    }),
    // x / y = x ȳ / |y|².
    value("div(Any self, Complex other) -> Tensor", |a| {
        let inverse = reciprocal(&a.complex("other")?)?;
        if a.is_complex("self")? {
            return Ok(multiplied(&a.complex("self")?, &inverse)?.into());
        }
        let x = a.tensor("self")?;
        Ok(Complex { re: x.mul(&inverse.re)?, im: x.mul(&inverse.im)? }.into())
    }),
    value("reciprocal(Complex self) -> Tensor", |a| Ok(reciprocal(&a.complex("self")?)?.into())),
    value("square(Complex self) -> Tensor", |a| Ok(square(&a.complex("self")?)?.into())),
    value("pow(Complex self, Scalar exponent) -> Tensor", |a| {
        let (x, exponent) = (a.complex("self")?, a.float("exponent")?);
        if exponent == 2.0 {
            return Ok(square(&x)?.into());
        }
        from_polar(&absolute(&x)?.pow(exponent)?, &x.im.atan2(&x.re)?.mul(exponent)?)
    }),
    value("exp(Complex self) -> Tensor", |a| from_polar(&a.complex("self")?.re.exp()?, &a.complex("self")?.im)),
    value("log(Complex self) -> Tensor", |a| {
        let x = a.complex("self")?;
        Ok(Complex { re: absolute(&x)?.log()?, im: x.im.atan2(&x.re)? }.into())
    }),
    // √((|x| + re) / 2) and √((|x| − re) / 2), which have no difference that cancels to less than 0.
    value("sqrt(Complex self) -> Tensor", |a| {
        let x = a.complex("self")?;
        let (size, zero) = (absolute(&x)?, Tensor::weak(0.0));
        let (re, im) = (size.add(&x.re)?.mul(0.5)?.maximum(&zero)?.sqrt()?, size.sub(&x.re)?.mul(0.5)?.maximum(&zero)?.sqrt()?);
        Ok(Complex { re, im: x.im.sign_bit()?.where_(&im.neg()?, &im)? }.into())
    }),
    value("sgn(Complex self) -> Tensor", |a| {
        let x = a.complex("self")?;
        let size = absolute(&x)?;
        let size = size.eq(0.0)?.where_(&Tensor::ones((), size.dtype())?, &size)?;
        Ok(Complex { re: x.re.div(&size)?, im: x.im.div(size)? }.into())
    }),
    one("eq(Complex self, Any other) -> Tensor", equal),
    one("eq(Any self, Complex other) -> Tensor", equal),
    one("ne(Complex self, Any other) -> Tensor", |a| equal(a)?.logical_not()),
    one("ne(Any self, Complex other) -> Tensor", |a| equal(a)?.logical_not()),
    one("isreal(Complex self) -> Tensor", |a| a.complex("self")?.im.eq(0.0)),
    value("is_complex(Complex self) -> bool", |_| Ok(Value::Bool(true))),
    value("is_complex(Tensor self) -> bool", |_| Ok(Value::Bool(false))),
];

/// √(re² + im²).
fn absolute(x: &Complex) -> Result<Tensor> {
    x.re.square()?.add(x.im.square()?)?.sqrt()
}

fn conjugate(x: Complex) -> Result<Complex> {
    Ok(Complex { im: x.im.neg()?, re: x.re })
}

/// The conjugate transpose of matrices.
fn adjoint(x: Complex) -> Result<Value> {
    let x = conjugate(x)?;
    let rank = x.re.rank();
    if rank == 1 {
        return Err(Error::shape("the transpose of a matrix, of a tensor with 1 axes"));
    }
    let mut axes: Vec<i64> = (0..rank as i64).collect();
    if rank > 1 {
        axes.swap(rank - 1, rank - 2);
    }
    let part = |x: Tensor| permuted(&View::new(x), axes.clone());
    Ok(Value::Complex(Pair { re: part(x.re)?, im: part(x.im)? }))
}

/// (a + bi)(c + di) = (ac − bd) + (ad + bc)i.
fn multiplied(x: &Complex, y: &Complex) -> Result<Complex> {
    let (real, mixed) = (x.re.mul(&y.re)?, x.re.mul(&y.im)?);
    Ok(Complex { re: real.sub(x.im.mul(&y.im)?)?, im: x.im.mul(&y.re)?.add(mixed)? })
}

/// The complex tensor of these absolute values and angles.
fn from_polar(absolute: &Tensor, angle: &Tensor) -> Result<Value> {
    Ok(Complex { re: absolute.mul(angle.cos()?)?, im: absolute.mul(angle.sin()?)? }.into())
}

fn reciprocal(x: &Complex) -> Result<Complex> {
    let square = x.re.square()?.add(x.im.square()?)?;
    Ok(Complex { re: x.re.div(&square)?, im: x.im.div(square)?.neg()? })
}

fn square(x: &Complex) -> Result<Complex> {
    Ok(Complex { re: x.re.square()?.sub(x.im.square()?)?, im: x.re.mul(&x.im)?.mul(2.0)? })
}

fn equal(a: &Args) -> Result<Tensor> {
    let operand =
        |name: &str| if a.is_complex(name)? { a.complex(name) } else { Ok(Complex { re: a.tensor(name)?, im: Tensor::weak(0.0) }) };
    let (x, y) = (operand("self")?, operand("other")?);
    x.re.eq(y.re)?.logical_and(x.im.eq(y.im)?)
}

/// The error of a complex number that would leave the program.
pub(crate) fn refused() -> Error {
    Error::unsupported("a complex tensor among the outputs: ONNX's operators have real ones only").help("return torch.view_as_real of it")
}

/// The error of a complex number that would be given to the program.
pub(crate) fn refused_input() -> Error {
    Error::unsupported("a complex tensor among the inputs: ONNX's operators have real ones only")
        .help("pass real and imaginary parts in a last axis, and use torch.view_as_complex inside")
}
