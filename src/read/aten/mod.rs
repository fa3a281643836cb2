//! The table of torch's operators: each a row that calls tensor methods, which both torch readers use.

mod activation;
mod alias;
mod args;
mod binary;
pub(crate) mod complex;
mod conv;
mod create;
mod fourier;
mod gradient;
mod histogram;
mod index;
mod layout;
mod ldl;
mod linear;
mod loss;
mod matrix;
mod norm;
mod order;
mod packed;
mod pool;
#[cfg(test)]
mod programs;
mod random;
mod recurrent;
mod reduce;
mod sample;
mod scatter;
pub mod schema;
mod shape;
mod unary;
pub(crate) mod value;
mod view;
mod vision;

pub(crate) use args::{scalar_type, scalar_type_number};

use crate::error::{At, Error, ErrorCode, Result};
use crate::tensor::Tensor;
use args::Args;
use schema::Schema;
use std::collections::HashMap;
use std::sync::OnceLock;
use value::Value;

/// One operator of torch: its schema in torch's own notation, and what it does.
pub(crate) struct Row {
    schema: &'static str,
    run: Run,
}

/// What a row gives.
enum Run {
    One(fn(&Args) -> Result<Tensor>),
    Tuple(fn(&Args) -> Result<Vec<Tensor>>),
    Any(fn(&Args) -> Result<Value>),
}

/// A row of one tensor.
const fn one(schema: &'static str, run: fn(&Args) -> Result<Tensor>) -> Row {
    Row { schema, run: Run::One(run) }
}

/// A row of a tuple of tensors.
const fn tuple(schema: &'static str, run: fn(&Args) -> Result<Vec<Tensor>>) -> Row {
    Row { schema, run: Run::Tuple(run) }
}

/// A row of anything else.
const fn value(schema: &'static str, run: fn(&Args) -> Result<Value>) -> Row {
    Row { schema, run: Run::Any(run) }
}

/// The rows of every family; overloads of one name are tried in this order.
const FAMILIES: &[&[Row]] = &[
    activation::ROWS,
    binary::ROWS,
    complex::ROWS,
    conv::ROWS,
    create::ROWS,
    fourier::ROWS,
    gradient::ROWS,
    histogram::ROWS,
    index::ROWS,
    ldl::ROWS,
    linear::ROWS,
    loss::ROWS,
    matrix::ROWS,
    norm::ROWS,
    order::ROWS,
    packed::ROWS,
    pool::ROWS,
    random::ROWS,
    recurrent::ROWS,
    reduce::ROWS,
    sample::ROWS,
    scatter::ROWS,
    shape::ROWS,
    unary::METHODS,
    unary::ROWS,
    view::ROWS,
    vision::ROWS,
];

/// A row with its schema read.
struct Known {
    schema: Schema,
    run: &'static Run,
}

/// The rows by name.
fn table() -> &'static HashMap<String, Vec<Known>> {
    static TABLE: OnceLock<HashMap<String, Vec<Known>>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table: HashMap<String, Vec<Known>> = HashMap::new();
        for row in FAMILIES.iter().flat_map(|family| family.iter()) {
            // A schema that does not parse is caught by a test; here it is as if it were not there.
            if let Ok(schema) = Schema::parse(row.schema) {
                table.entry(schema.name.clone()).or_default().push(Known { schema, run: &row.run });
            }
        }
        table
    })
}

/// How a name is to be understood.
enum Spelling<'a> {
    /// As it stands, or as another name for the same.
    Plain(&'a [Known]),
    /// As the plain name, whose result is written to the first operand: `relu_`.
    InPlace(&'a str),
    /// As the name of a view whose numbers are copied: `select_copy`.
    Copied(&'a str),
}

/// Understands a name; `None` where nothing in the table serves for it.
fn spelling(name: &str) -> Option<Spelling<'_>> {
    let name = alias::of(name);
    if let Some(rows) = table().get(name) {
        return Some(Spelling::Plain(rows));
    }
    let known = |plain: &&str| table().contains_key(alias::of(plain));
    let in_place = name.strip_suffix('_').filter(|plain| !plain.is_empty() && !plain.ends_with('_')).filter(known);
    in_place.map(Spelling::InPlace).or_else(|| name.strip_suffix("_copy").filter(known).map(Spelling::Copied))
}

/// The name of an operator as torch writes it: `aten::relu`, `torchvision::nms`.
pub(crate) fn full(name: &str) -> String {
    match name.split_once('.') {
        Some((space, name)) => format!("{space}::{name}"),
        None => format!("aten::{name}"),
    }
}

/// Whether an operator is in the table, in place or not. One that is not aten's own has its namespace and a point before its name.
pub(crate) fn knows(name: &str) -> bool {
    spelling(name).is_some()
}

/// Every operator of the table, by name.
pub fn readable() -> Vec<&'static str> {
    let mut names: Vec<_> = table().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// Calls an operator of torch by name, as [`knows`] has it.
///
/// An in-place spelling (`relu_`) runs the plain one and writes the result to its first operand.
pub(crate) fn call(name: &str, positional: &[Value], named: &[(String, Value)]) -> Result<Value> {
    let at = || full(name);
    let unknown = || Error::new(ErrorCode::UnknownOperators, format!("{} has no translation", full(name)));
    match spelling(name).ok_or_else(unknown)? {
        Spelling::Plain(rows) => run(name, rows, positional, named).at(at()),
        Spelling::Copied(plain) => call(plain, positional, named).and_then(detached).at(at()),
        Spelling::InPlace(plain) => {
            let target = positional.first().ok_or_else(|| Error::argument("an in-place operation on nothing")).at(at())?;
            let result = call(plain, positional, named).at(at())?;
            write(target, &result).at(at())?;
            Ok(target.clone())
        }
    }
}

/// Writes a result to the operand of an in-place operation.
fn write(target: &Value, result: &Value) -> Result<()> {
    if let Value::Complex(pair) = target {
        return complex::write(pair, result);
    }
    let (target, result) = (target.view()?, result.view()?.read()?);
    target.write(view::like(&target.read()?, &result)?)
}

/// The same numbers in tensors of their own.
fn detached(value: Value) -> Result<Value> {
    Ok(match value {
        Value::Tensor(view) => view.read()?.into(),
        Value::Complex(pair) => pair.read()?.into(),
        Value::List(values) => Value::list(values.borrow().iter().cloned().map(detached).collect::<Result<_>>()?),
        Value::Tuple(values) => Value::tuple(values.iter().cloned().map(detached).collect::<Result<_>>()?),
        other => other,
    })
}

fn run(name: &str, rows: &[Known], positional: &[Value], named: &[(String, Value)]) -> Result<Value> {
    if let Some(result) = complex::made(name, positional, named) {
        return result;
    }
    let bound = |positional: &[Value]| rows.iter().find_map(|row| Args::bind(&row.schema, positional, named).map(|args| (row, args)));
    // A decomposed program may have a number in front where the operator wants a tensor: `sub(1, x)`.
    let raised = || match positional {
        [first @ (Value::Int(_) | Value::Float(_)), rest @ ..] => {
            let first = match first {
                Value::Int(dim) => Tensor::from_dim(dim).weakened(),
                other => Tensor::weak(other.number().ok()?),
            };
            bound(&[&[first.into()], rest].concat())
        }
        _ => None,
    };
    let Some((row, args)) = bound(positional).or_else(raised) else {
        if let Some(result) = complex::call(name, positional, named) {
            return result;
        }
        let kinds: Vec<String> = positional
            .iter()
            .map(|value| value.kind().to_string())
            .chain(named.iter().map(|(name, value)| format!("{name}={}", value.kind())))
            .collect();
        return Err(Error::unsupported(format!("no overload of {} that is translated takes ({})", full(name), kinds.join(", "))));
    };
    match row.run {
        Run::One(f) => f(&args).map(Value::from),
        Run::Tuple(f) => f(&args).map(|tensors| Value::tuple(tensors.into_iter().map(Value::from).collect())),
        Run::Any(f) => f(&args),
    }
}

/// The integers in a tensor, where a length of the result depends on them: what is recorded holds for these only.
fn ints_in(tensor: &Tensor) -> Result<Vec<i64>> {
    Ok(tensor.to_array()?.to_i64s())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_of_the_table_parses() {
        for row in FAMILIES.iter().flat_map(|family| family.iter()) {
            assert!(Schema::parse(row.schema).is_ok(), "{}: {:?}", row.schema, Schema::parse(row.schema));
        }
    }

    #[test]
    fn in_place_spellings_write_to_their_operand() {
        let x: Value = Tensor::from(&[-1.0f32, 2.0]).into();
        let y = call("relu_", std::slice::from_ref(&x), &[]).unwrap();
        for value in [x, y] {
            assert_eq!(value.view().unwrap().read().unwrap().to_vec::<f32>().unwrap(), [0.0, 2.0]);
        }
    }

    #[test]
    fn an_unknown_operator_says_its_name() {
        let error = call("frobnicate", &[], &[]).unwrap_err();
        assert_eq!((error.code(), error.message().contains("aten::frobnicate")), (ErrorCode::UnknownOperators, true));
    }
}
