//! Calls of operators with torch's results: edge sizes, option values, dtypes and extremes, recorded by tools/reference/torch_sweep.py.

use super::table::call;
use super::value::Value;
use crate::array::{Array, DType};
use crate::dim::Dim;
use crate::error::Result;
use crate::tensor::Tensor;
use serde_json::Value as Json;

const CALLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/aten_calls.jsonl");

fn number(json: &Json) -> f64 {
    match json {
        Json::String(text) => text.parse().unwrap_or(f64::NAN),
        other => other.as_f64().unwrap(),
    }
}

fn array(json: &Json) -> Array {
    let shape: Vec<usize> = json["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
    let (dtype, values) = (DType::parse(json["dtype"].as_str().unwrap()).unwrap(), json["values"].as_array().unwrap());
    let array = match dtype {
        DType::I64 => Array::new(&shape, values.iter().map(|n| n.as_i64().unwrap()).collect::<Vec<_>>()),
        DType::Bool => Array::new(&shape, values.iter().map(|n| number(n) != 0.0).collect::<Vec<_>>()),
        _ => Array::new(&shape, values.iter().map(number).collect::<Vec<f64>>()),
    };
    array.unwrap().cast(dtype).unwrap()
}

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::None,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::String(text) => Value::Str(text.as_str().into()),
        Json::Array(items) => Value::list(items.iter().map(value).collect()),
        Json::Number(n) => n.as_i64().map_or_else(|| Value::Float(n.as_f64().unwrap()), |n| Value::Int(Dim::Fixed(n))),
        Json::Object(object) => match object.get("float") {
            Some(float) => Value::Float(number(float)),
            None => Tensor::from(array(json)).into(),
        },
    }
}

fn results(value: &Value) -> Result<Vec<Tensor>> {
    match value {
        Value::Tensor(view) => Ok(vec![view.read()?]),
        other => other.elements()?.iter().map(|item| item.view()?.read()).collect(),
    }
}

/// What is wrong with the result of a call, if anything is.
fn difference(case: &Json) -> Option<String> {
    let positional: Vec<Value> = case["args"].as_array().unwrap().iter().map(value).collect();
    let named: Vec<(String, Value)> = case["named"].as_object().unwrap().iter().map(|(name, json)| (name.clone(), value(json))).collect();
    let got = match call(case["op"].as_str().unwrap(), &positional, &named).and_then(|value| results(&value)) {
        Ok(got) => got,
        Err(error) => return Some(error.to_string()),
    };
    let expected: Vec<Array> = case["results"].as_array().unwrap().iter().map(array).collect();
    if got.len() != expected.len() {
        return Some(format!("{} results, expected {}", got.len(), expected.len()));
    }
    got.iter().zip(&expected).find_map(|(got, expected)| {
        let got = got.to_array().unwrap();
        if (got.dtype(), got.shape()) != (expected.dtype(), expected.shape()) {
            return Some(format!("{}{:?}, expected {}{:?}", got.dtype(), got.shape(), expected.dtype(), expected.shape()));
        }
        if !got.dtype().is_float() {
            let (got, expected) = (got.cast(DType::I64).unwrap().to_i64s().unwrap(), expected.cast(DType::I64).unwrap().to_i64s().unwrap());
            return (got != expected).then(|| format!("{got:?}, expected {expected:?}"));
        }
        let tolerance = case["tolerance"].as_f64().unwrap();
        let (got, expected) = (got.to_f64s().unwrap(), expected.to_f64s().unwrap());
        let close = |(x, y): (&f64, &f64)| x == y || (x.is_nan() && y.is_nan()) || (x - y).abs() <= tolerance * (1.0 + y.abs());
        (!got.iter().zip(&expected).all(close)).then(|| format!("{got:?}, expected {expected:?}"))
    })
}

#[test]
fn operators_give_what_torch_gives_at_the_edges() {
    let cases: Vec<Json> = std::fs::read_to_string(CALLS).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(cases.len() > 100, "{} calls", cases.len());
    let wrong: Vec<String> =
        cases.iter().filter_map(|case| difference(case).map(|what| format!("{}: {what}\n    {case}", case["op"]))).collect();
    assert!(wrong.is_empty(), "{} of {} calls differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
