//! Result dtypes are torch's: every row of a table that torch wrote, `promotion.csv`.

use ontrace::{DType, Result, Scalar, Tensor};

/// Rows that are not asked, and why.
const SKIPPED: &[(&str, &str)] = &[("atan2", "no such method yet"), ("std", "var and sqrt: no method of its own")];

/// Rows where we differ from torch on purpose (`scalar_` stands for all of its kind), and why.
const DIFFERENT: &[(&str, &str, &str, &str)] = &[
    ("maximum", "", "scalar_", "torch takes tensors only; a number is as clear"),
    ("pow", "bool", "scalar_bool", "torch refuses bool ** bool but for the exponent True, which it takes as a copy"),
];

fn dtype(name: &str) -> DType {
    *DType::ALL.iter().find(|dtype| dtype.name() == name).unwrap_or_else(|| panic!("no dtype {name}"))
}

/// The operand of a row: a matrix of ones, a number in a tensor (`0d_i8`), or a Python number (`scalar_int`).
fn operand(name: &str) -> Tensor {
    match (name.strip_prefix("0d_"), name.strip_prefix("scalar_")) {
        (Some(name), _) => Tensor::full((), 1, dtype(name)).unwrap(),
        (_, Some("bool")) => Tensor::weak(true),
        (_, Some("int")) => Tensor::weak(1i64),
        (_, Some("float")) => Tensor::weak(1.0),
        _ => Tensor::full([2usize, 2], Scalar::Int(1), dtype(name)).unwrap(),
    }
}

fn apply(op: &str, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    match op {
        "add" => a.add(b),
        "sub" => a.sub(b),
        "mul" => a.mul(b),
        "true_divide" => a.div(b),
        "floor_divide" => a.floor_divide(b),
        "remainder" => a.remainder(b),
        "fmod" => a.fmod(b),
        "pow" => a.pow(b),
        "maximum" => a.maximum(b),
        "bitwise_and" => a.bitwise_and(b),
        "eq" => a.eq(b),
        "where" => Tensor::from(&[true, false]).where_(a, b),
        "matmul" => a.matmul(b),
        "cat" => Tensor::cat(&[a, b], 0),
        "abs" => a.abs(),
        "neg" => a.neg(),
        "sqrt" => a.sqrt(),
        "exp" => a.exp(),
        "sigmoid" => a.sigmoid(),
        "relu" => a.relu(),
        "floor" => a.floor(),
        "round" => a.round(),
        "sum" => a.sum(.., false),
        "prod" => a.prod(.., false),
        "mean" => a.mean(.., false),
        "cumsum" => a.cumsum(0),
        "argmax" => a.argmax(None, false),
        "all" => a.all(.., false),
        "any" => a.any(.., false),
        "softmax" => a.softmax(-1),
        _ => panic!("no method for {op}"),
    }
}

#[test]
fn result_dtypes_are_torchs() {
    let mut wrong = Vec::new();
    let mut asked = 0;
    for row in include_str!("../data/promotion.csv").lines().skip(1) {
        let [op, left, right, expected] = row.split(',').collect::<Vec<_>>().try_into().unwrap();
        let different = DIFFERENT.iter().any(|row| row.0 == op && left.starts_with(row.1) && right.starts_with(row.2));
        if different || SKIPPED.iter().any(|skipped| skipped.0 == op) {
            continue;
        }
        let right = if right.is_empty() { left } else { right };
        let got = apply(op, &operand(left), &operand(right)).map_or("error".to_string(), |tensor| tensor.dtype().to_string());
        asked += 1;
        if got != expected {
            wrong.push(format!("{row}: {got}"));
        }
    }
    assert!(asked > 3300, "{asked}");
    assert!(wrong.is_empty(), "{} of {asked}\n{}", wrong.len(), wrong.join("\n"));
}
