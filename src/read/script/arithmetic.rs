//! Functions of two of Python's numbers, as torch's operators of these names compute them
//! ([register_prim_ops.cpp](https://github.com/pytorch/pytorch/blob/main/torch/csrc/jit/runtime/register_prim_ops.cpp)).

use crate::dim::Dim;
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

#[cfg(test)]
mod tests {
    use super::*;

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
