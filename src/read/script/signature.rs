//! What goes into a program and comes out of it, flat.

use super::ast::{AstExpr, FunctionDef, Parameter};
use crate::error::{Error, Result};
use crate::module::Example;
use crate::read::aten::value::Value;
use crate::tensor::Tensor;

/// The names of the inputs: the parameters, without those that have a default and take no tensors.
pub(super) fn input_names(forward: &FunctionDef) -> Vec<String> {
    let parameters = forward.parameters.iter().skip(1);
    let named = parameters.filter(|parameter| parameter.default.is_none() || takes_tensors(parameter.kind.as_ref()));
    named.map(|parameter| parameter.name.to_string()).collect()
}

/// Whether a type consists of tensors alone.
fn takes_tensors(kind: Option<&AstExpr>) -> bool {
    match (source_of(kind), kind) {
        (ValueSource::List(kind), _) => takes_tensors(Some(kind)),
        (ValueSource::Tuple(kinds), _) => kinds.iter().all(|kind| takes_tensors(Some(kind))),
        (ValueSource::Tensor, None) => true,
        (ValueSource::Tensor, Some(AstExpr::Name(name))) => **name == *"Tensor",
        (ValueSource::Tensor, Some(AstExpr::Index(name, inner))) => {
            matches!(&**name, AstExpr::Name(name) if **name == *"Optional") && takes_tensors(Some(inner))
        }
        _ => false,
    }
}

/// The arguments of `forward` from flat tensors, put together as its declared types say. How many go to each list is told by the names of the
/// example inputs (`pair_0`, `pair_1`), or by what the other parameters leave.
pub(super) fn arguments(forward: &FunctionDef, inputs: &[Tensor], example: Option<&Example>) -> Result<Vec<Value>> {
    let parameters = forward.parameters.get(1..).unwrap_or_default();
    let by_name = example.filter(|example| example.inputs().len() == inputs.len()).and_then(|example| shares_by_name(parameters, example));
    let shares = by_name.or_else(|| shares_by_type(parameters, inputs.len())).ok_or_else(|| {
        let names: Vec<&str> = parameters.iter().map(|parameter| &*parameter.name).collect();
        Error::input(format!("expected {} inputs ({}), got {}", names.len(), names.join(", "), inputs.len()))
            .help("each tensor of a list or tuple is an input of its own")
    })?;
    let mut given = inputs.iter().cloned();
    Ok(parameters.iter().zip(shares).map(|(parameter, share)| assembled(parameter.kind.as_ref(), share, &mut given)).collect())
}

/// A declared type, as far as tensors go into it one by one.
enum ValueSource<'a> {
    Tensor,
    List(&'a AstExpr),
    Tuple(&'a [AstExpr]),
}

fn source_of(kind: Option<&AstExpr>) -> ValueSource<'_> {
    let Some(AstExpr::Index(name, inner)) = kind else { return ValueSource::Tensor };
    match &**name {
        AstExpr::Name(name) if &**name == "Optional" => source_of(Some(inner)),
        AstExpr::Name(name) if &**name == "List" => ValueSource::List(inner),
        AstExpr::Name(name) if &**name == "Tuple" => match &**inner {
            AstExpr::Tuple(kinds) => ValueSource::Tuple(kinds),
            one => ValueSource::Tuple(std::slice::from_ref(one)),
        },
        _ => ValueSource::Tensor,
    }
}

/// How many tensors a type takes; `None` where a list leaves that open.
fn width(kind: Option<&AstExpr>) -> Option<usize> {
    match source_of(kind) {
        ValueSource::Tensor => Some(1),
        ValueSource::List(_) => None,
        ValueSource::Tuple(kinds) => kinds.iter().map(|kind| width(Some(kind))).sum(),
    }
}

/// What each of these types takes of so many tensors: what is open takes what is left, where it is one.
fn shares<'a>(kinds: impl Iterator<Item = Option<&'a AstExpr>> + Clone, count: usize) -> Option<Vec<usize>> {
    let certain: usize = kinds.clone().filter_map(width).sum();
    let open = kinds.clone().filter(|kind| width(*kind).is_none()).count();
    let left = count.checked_sub(certain)?;
    match open {
        0 if left > 0 => None,
        0 | 1 => Some(kinds.map(|kind| width(kind).unwrap_or(left)).collect()),
        _ => (left == open).then(|| kinds.map(|kind| width(kind).unwrap_or(1)).collect()),
    }
}

/// What each of the first parameters takes; those that have a default are left out from the last, as far as need be.
fn shares_by_type(parameters: &[Parameter], count: usize) -> Option<Vec<usize>> {
    let optional = parameters.iter().rev().take_while(|parameter| parameter.default.is_some()).count();
    let first = |n: usize| shares(parameters[..n].iter().map(|parameter| parameter.kind.as_ref()), count);
    (parameters.len() - optional..=parameters.len()).rev().find_map(first)
}

/// What each parameter takes, by the names of the example inputs.
fn shares_by_name(parameters: &[Parameter], example: &Example) -> Option<Vec<usize>> {
    let mut shares = vec![0; parameters.len()];
    let mut last = 0;
    for (name, _) in example.inputs() {
        let exact = parameters.iter().position(|parameter| *parameter.name == **name);
        let element = || parameters.iter().position(|parameter| name.starts_with(&format!("{}_", parameter.name)));
        let index = exact.or_else(element).filter(|index| *index >= last)?;
        shares[index] += 1;
        last = index;
    }
    let fits = |(parameter, share): (&Parameter, &usize)| width(parameter.kind.as_ref()).is_none_or(|width| width == *share);
    parameters.iter().zip(&shares).all(fits).then_some(shares)
}

/// A value of a type from so many tensors.
fn assembled(kind: Option<&AstExpr>, count: usize, given: &mut dyn Iterator<Item = Tensor>) -> Value {
    match source_of(kind) {
        ValueSource::Tensor => given.next().map_or(Value::None, Value::from),
        ValueSource::List(kind) => {
            let each = width(Some(kind)).unwrap_or(count).max(1);
            Value::list((0..count / each).map(|_| assembled(Some(kind), each, given)).collect())
        }
        ValueSource::Tuple(kinds) => {
            let shares = shares(kinds.iter().map(Some), count).unwrap_or_default();
            Value::tuple(kinds.iter().zip(shares).map(|(kind, share)| assembled(Some(kind), share, given)).collect())
        }
    }
}

/// The tensors of a result with their paths, dictionaries by key and in their order.
pub(super) fn flatten(value: &Value, path: &str, leaves: &mut Vec<(String, Tensor)>) -> Result<()> {
    let below = |key: &str| if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
    match value {
        Value::Tensor(view) => leaves.push((path.to_string(), view.read()?)),
        Value::List(_) | Value::Tuple(_) => {
            for (i, value) in value.elements()?.iter().enumerate() {
                flatten(value, &below(&i.to_string()), leaves)?;
            }
        }
        Value::Dict(entries) => {
            for (key, value) in entries.borrow().iter() {
                let key = match key {
                    Value::Str(key) => key.to_string(),
                    other => format!("{other:?}"),
                };
                flatten(value, &below(&key), leaves)?;
            }
        }
        // A number among the outputs is one of rank 0.
        Value::Int(dim) => leaves.push((path.to_string(), Tensor::from_dim(dim))),
        Value::Float(x) => leaves.push((path.to_string(), Tensor::from(crate::Array::scalar(*x as f32)))),
        Value::Bool(x) => leaves.push((path.to_string(), Tensor::from(crate::Array::scalar(*x)))),
        Value::None => {}
        Value::Complex(_) => return Err(crate::read::aten::complex::refused()),
        other => return Err(Error::unsupported(format!("an output of type {} is not supported", other.kind()))),
    }
    Ok(())
}

/// Names for outputs: `y`, `y_0` for indices in tuples, the key in dictionaries.
pub(in crate::read) fn output_names(paths: Vec<String>) -> Vec<String> {
    let name = |path: &String| match path.chars().next() {
        None => "y".to_string(),
        Some(c) if c.is_ascii_digit() => format!("y_{}", path.replace('.', "_")),
        Some(_) => path.replace('.', "_"),
    };
    paths.iter().map(name).collect()
}
