//! Functions of one and of two of Python's numbers, as torch's operators of these names compute them
//! ([register_prim_ops.cpp](https://github.com/pytorch/pytorch/blob/main/torch/csrc/jit/runtime/register_prim_ops.cpp)).

use crate::array::Scalar;
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::read::aten::value::Value;

/// The result; `None` where torch has no such function of these numbers, or a number is not known.
pub(super) fn of_two(path: &str, a: &Value, b: &Value) -> Option<Value> {
    let int = |n: i64| Some(Value::Int(Dim::Fixed(n)));
    match (a, b) {
        (Value::Int(Dim::Fixed(x)), Value::Int(Dim::Fixed(y))) => match path {
            "torch.__and__" => int(x & y),
            "torch.__or__" => int(x | y),
            "torch.__xor__" => int(x ^ y),
            // By the last six bits of the number, as processors shift.
            "torch.__lshift__" => int(x.wrapping_shl(*y as u32)),
            "torch.__rshift__" => int(x.wrapping_shr(*y as u32)),
            "torch.gcd" => int(gcd(*x, *y)),
            // Unlike Python's, a power of integers is a float.
            "torch.pow" => Some(Value::Float((*x as f64).powf(*y as f64))),
            _ => of_floats(path, *x as f64, *y as f64),
        },
        (Value::Bool(x), Value::Bool(y)) => match path {
            "torch.__and__" => Some(Value::Bool(x & y)),
            "torch.__or__" => Some(Value::Bool(x | y)),
            "torch.__xor__" => Some(Value::Bool(x ^ y)),
            _ => None,
        },
        _ => of_floats(path, float(a)?, float(b)?),
    }
}

/// An operator of two values by its sign, tensors among them.
type BinaryFunction = fn(&str, &Value, &Value) -> Result<Value>;

/// The quotient rounded down and the remainder, which has the sign of the divisor.
///
/// # Errors
/// [`Argument`](crate::ErrorCode::Argument) where the divisor is 0.
pub(super) fn divmod(a: &Value, b: &Value, binary: BinaryFunction) -> Result<Value> {
    if let (Some(x), Some(y)) = (float(a), float(b))
        && !matches!((a, b), (Value::Int(_), Value::Int(_)))
    {
        if y == 0.0 {
            return Err(Error::argument("division by zero"));
        }
        let rest = x % y;
        let rest = if rest != 0.0 && (x < 0.0) != (y < 0.0) { rest + y } else { rest };
        return Ok(Value::tuple(vec![Value::Float((x - rest) / y), Value::Float(rest)]));
    }
    let rest = binary("%", a, b)?;
    let is_whole = |value: &Value| match value {
        Value::Tensor(view) => view.read().is_ok_and(|tensor| tensor.dtype().is_int()),
        value => matches!(value, Value::Int(_) | Value::Bool(_)),
    };
    let quotient = match is_whole(a) && is_whole(b) {
        true => binary("//", a, b)?,
        false => binary("/", &binary("-", a, &rest)?, b)?,
    };
    Ok(Value::tuple(vec![quotient, rest]))
}

fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Float(x) => Some(*x),
        Value::Int(Dim::Fixed(x)) => Some(*x as f64),
        _ => None,
    }
}

fn of_floats(path: &str, x: f64, y: f64) -> Option<Value> {
    Some(Value::Float(match path {
        "torch.fmod" => x % y,
        "torch.atan2" => x.atan2(y),
        "torch.copysign" => x.copysign(y),
        _ => return None,
    }))
}

/// Euclid's algorithm on remainders of the sign of the dividend.
fn gcd(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a.wrapping_rem(b));
    }
    a.wrapping_abs()
}

/// A function of one number, where torch has one of that name.
pub(super) fn of_number(path: &str, value: &Value) -> Option<Result<Value>> {
    let of: fn(f64) -> f64 = match path {
        "torch.ceil" => f64::ceil,
        "torch.floor" => f64::floor,
        "torch.round" => f64::round_ties_even,
        "torch.sqrt" => f64::sqrt,
        "torch.exp" => f64::exp,
        "torch.log" => f64::ln,
        "torch.sin" => f64::sin,
        "torch.cos" => f64::cos,
        "torch.tan" => f64::tan,
        "torch.asin" => f64::asin,
        "torch.acos" => f64::acos,
        "torch.atan" => f64::atan,
        "torch.sinh" => f64::sinh,
        "torch.cosh" => f64::cosh,
        "torch.tanh" => f64::tanh,
        "torch.expm1" => f64::exp_m1,
        "torch.log1p" => f64::ln_1p,
        "torch.log2" => f64::log2,
        "torch.log10" => f64::log10,
        "torch.degrees" => f64::to_degrees,
        "torch.radians" => f64::to_radians,
        "torch.abs" | "torch.fabs" | "ops.prim.abs" => f64::abs,
        _ => return None,
    };
    if let (Value::Int(Dim::Fixed(x)), "torch.abs" | "ops.prim.abs") = (value, path) {
        return Some(Ok(Value::Int(Dim::Fixed(x.wrapping_abs()))));
    }
    Some(value.number().map(|x| {
        let y = of(x.to_f64());
        // What is whole by its nature, or was given whole.
        let whole = matches!(path, "torch.ceil" | "torch.floor") || matches!(x, Scalar::Int(_)) && path.ends_with(".abs");
        if whole { Value::Int(Dim::Fixed(y as i64)) } else { Value::Float(y) }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divmod_gives_what_torch_gives() {
        let pair = |value: Result<Value>| format!("{:?}", value.unwrap().elements().unwrap());
        let int = |n: i64| Value::Int(Dim::Fixed(n));
        let cases = [(7, 2), (-7, 2), (7, -2), (-7, -2), (6, -3)].map(|(x, y)| pair(divmod(&int(x), &int(y), super::super::binary)));
        assert_eq!(cases, [(3, 1), (-4, 1), (-4, -1), (3, -1), (-2, 0)].map(|(q, r)| format!("{:?}", [int(q), int(r)])));
        // What torch.jit.script gives.
        let cases = [(7.5, 2.0), (-7.5, 2.0), (7.5, -2.0), (-1.0, -2.0)]
            .map(|(x, y)| pair(divmod(&Value::Float(x), &Value::Float(y), super::super::binary)));
        let expected = [(3.0, 1.5), (-4.0, 0.5), (-4.0, -0.5), (-0.0, -1.0)];
        assert_eq!(cases, expected.map(|(q, r)| format!("{:?}", [Value::Float(q), Value::Float(r)])));
        let by_zero = |x: Value| divmod(&x, &int(0), super::super::binary);
        assert!(by_zero(int(1)).is_err() && by_zero(Value::Float(1.0)).is_err());
    }

    #[test]
    fn arithmetic_gives_what_torch_gives() {
        let int = |n: i64| Value::Int(Dim::Fixed(n));
        let of = |name: &str, x: i64, y: i64| match of_two(&format!("torch.{name}"), &int(x), &int(y)) {
            Some(Value::Int(Dim::Fixed(n))) => n.to_string(),
            Some(Value::Float(x)) => format!("{x:?}"),
            other => format!("{other:?}"),
        };
        // What torch.jit.script gives.
        assert_eq!(
            ["pow", "__lshift__", "__rshift__", "gcd", "fmod", "__xor__"].map(|name| of(name, 2, 3)),
            ["8.0", "16", "0", "1", "2.0", "1"]
        );
        assert_eq!(
            ["pow", "__lshift__", "__rshift__", "gcd", "fmod", "__xor__"].map(|name| of(name, -7, 2)),
            ["49.0", "-28", "-2", "1", "-1.0", "-5"]
        );
        assert_eq!(of("gcd", 0, 0), "0");
        assert_eq!(of("fmod", 1, 0), "NaN");
        assert_eq!(of("pow", 2, -1), "0.5");
    }
}
