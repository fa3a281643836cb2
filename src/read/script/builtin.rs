//! Values of TorchScript beside tensors: values, lists, dictionaries, strings.

use super::branches::RAISED;
use super::lists::{check_length, range, range_length, spend_elements};
use crate::array::{DType, PromotionPriority, Scalar};
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::read::aten::{
    self, AtenOperator, scalar_type_number,
    value::{Pair, Value, View},
};
use crate::tensor::{Tensor, size};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::OnceLock;

/// The names that [`call`] may run, for the search for unsupported operators.
pub(super) const NAMES: &[&str] = &[
    "int",
    "float",
    "bool",
    "str",
    "range",
    "list",
    "torch.device",
    "torch.list",
    "torch.pop",
    "torch.insert",
    "torch.reverse",
    "torch.clear",
    "torch.sorted",
    "torch.get",
    "torch.join",
    "torch.upper",
    "torch.lower",
    "torch.startswith",
    "torch.endswith",
    "torch.tensor",
    "torch.as_tensor",
    "torch.element_size",
    "torch.is_tracing",
    "torch._is_tracing",
    "torch._get_tracing_state",
    "torch.is_scripting",
    "torch.manual_seed",
    "torch.set_grad_enabled",
    "torch.degrees",
    "torch.radians",
    "torch.fabs",
    "torch.is_floating_point",
    "torch.is_autocast_enabled",
    "torch.is_grad_enabled",
    "torch.__range_length",
    "torch.__derive_index",
    "torch.len",
    "torch.append",
    "torch.extend",
    "torch.add_",
    "torch.format",
    "torch.__is__",
    "torch.__isnot__",
    "torch.__not__",
    "torch.__contains__",
    "torch.__getitem__",
    "torch._set_item",
    "torch.dict",
    "torch.copy",
    "torch.update",
    "torch.keys",
    "torch.values",
    "torch.items",
    "torch.dim",
    "torch.warn",
    "torch.eq",
    "torch.ne",
    "torch.lt",
    "torch.le",
    "torch.gt",
    "torch.ge",
    "torch.add",
    "torch.sub",
    "torch.mul",
    "torch.floordiv",
    "torch.remainder",
    "torch.div",
    "torch.neg",
    "torch.Int",
    "torch.Float",
    "torch.Bool",
    "torch.format",
    "torch.mod",
    "torch.divmod",
    "ops.prim.NumToTensor",
    "ops.prim.RaiseException",
    "ops.prim.abs",
    "ops.prim.min",
    "ops.prim.max",
    "ops.prim.data",
    "ops.prim.is_nested",
    "ops.prim.requires_grad",
    "ops.prim.type",
    "ops.prim.dtype",
    "ops.prim.device",
    "ops.prim.unchecked_unwrap_optional",
    "print",
    "annotate",
    "unchecked_cast",
    "getattr",
    "uninitialized",
    "isinstance",
    "hasattr",
    "len",
];

/// Runs a function of this file; `None` where the name is an operator on tensors.
pub(super) fn call(path: &str, positional: &[Value], named: &[(String, Value)]) -> Option<Result<Value>> {
    let are_scalars = |values: &[Value]| !values.is_empty() && values.iter().all(is_number);
    if let ([a, b], []) = (positional, named)
        && let Some(result) = super::arithmetic::of_two(path, a, b)
    {
        return Some(Ok(result));
    }
    if let [Value::List(list), rest @ ..] = positional
        && let Some(result) = of_list(path, list, rest)
    {
        return Some(result);
    }
    Some(match (path, positional) {
        // What depends on data stays a tensor of rank 0.
        ("int" | "float" | "bool", [Value::Tensor(view)])
            if view.read().is_ok_and(|tensor| tensor.is_traced() && tensor.symbolic_values().is_none()) =>
        {
            let dtype = match path {
                "int" => DType::I64,
                // Python's floats are f64.
                "float" => DType::F64,
                _ => DType::Bool,
            };
            view.read().and_then(|tensor| tensor.cast(dtype)).map(|tensor| tensor.weakened().into())
        }
        ("int", [value]) => value.dim().map(Value::Int),
        ("float", [Value::Str(text)]) => {
            text.trim().parse().map(Value::Float).map_err(|_| Error::argument(format!("could not convert {text:?} to a float")))
        }
        ("float", [value]) => value.number().map(|x| Value::Float(x.to_f64())),
        ("bool", [value]) => value.number().map(|x| Value::Bool(x.to_f64() != 0.0)),
        ("str", [value]) => Ok(Value::Str(format!("{value:?}").into())),
        ("list" | "torch.list", [value]) => value.elements().map(Value::list),
        ("torch.tensor" | "torch.as_tensor", [value, dtype, ..]) => tensor(value, dtype),
        ("torch.tensor" | "torch.as_tensor", [value]) => {
            let dtype = named.iter().find(|entry| entry.0 == "dtype").map_or(Value::None, |entry| entry.1.clone());
            tensor(value, &dtype)
        }
        ("torch.element_size", [value]) => value.view().and_then(View::read).map(|x| Value::Int(x.dtype().size().into())),
        ("torch.is_floating_point", [Value::Complex(_)]) => Ok(Value::Bool(false)),
        ("torch.is_floating_point", [value]) => value.view().and_then(View::read).map(|x| Value::Bool(x.dtype().is_float())),
        // As in a plain call: what is fast only without gradients computes the same.
        ("ops.prim.requires_grad", [_]) => Ok(Value::Bool(true)),
        ("torch.is_scripting", []) => Ok(Value::Bool(true)),
        ("torch.manual_seed", [_]) => Ok(Value::None),
        ("torch.is_autocast_enabled" | "torch.is_tracing" | "torch._is_tracing" | "torch._get_tracing_state", _)
        | ("ops.prim.is_nested", [_]) => Ok(Value::Bool(false)),
        ("ops.prim.type", [_]) => Ok(Value::Str("cpu".into())),
        ("torch.__range_length", [low, high, step]) => range_length(low, high, step),
        ("torch.__derive_index", [index, start, step]) => binary("*", index, step).and_then(|offset| binary("+", start, &offset)),
        ("range", bounds) => range(bounds),
        ("print" | "torch.warn", _) => Ok(Value::None),
        ("torch.device", _) => Ok(Value::Device),
        ("len" | "torch.len", [value]) => length(value),
        ("torch.append", [list, value]) => {
            if let Value::List(values) = list {
                values.borrow_mut().push(value.clone());
            }
            Ok(list.clone())
        }
        ("torch.add_", [Value::List(list), more]) => more.items().map(|more| {
            list.borrow_mut().extend(more);
            positional[0].clone()
        }),
        ("torch.extend", [Value::List(list), more]) => more.items().and_then(|more| {
            check_length("a list", list.borrow().len() + more.len())?;
            list.borrow_mut().extend(more);
            Ok(Value::None)
        }),
        ("torch.get", [Value::Dict(_), key, rest @ ..]) => contains(&positional[0], key)
            .and_then(|there| if there { get_item(&positional[0], key) } else { Ok(rest.first().cloned().unwrap_or(Value::None)) }),
        ("torch.join", [Value::Str(between), parts]) => parts.elements().and_then(|parts| {
            let texts: Vec<String> = parts.iter().map(|part| format("{}", std::slice::from_ref(part))).collect::<Result<_>>()?;
            check_length("a string", texts.iter().map(|text| text.len() + between.len()).sum())?;
            Ok(Value::Str(texts.join(between).into()))
        }),
        ("torch.upper", [Value::Str(text)]) => Ok(Value::Str(text.to_uppercase().into())),
        ("torch.lower", [Value::Str(text)]) => Ok(Value::Str(text.to_lowercase().into())),
        ("torch.startswith", [Value::Str(text), Value::Str(part)]) => Ok(Value::Bool(text.starts_with(&**part))),
        ("torch.endswith", [Value::Str(text), Value::Str(part)]) => Ok(Value::Bool(text.ends_with(&**part))),
        ("torch.format", [Value::Str(text), rest @ ..]) => format(text, rest).map(|text| Value::Str(text.into())),
        ("torch.__is__", [a, b]) => same(a, b).map(Value::Bool),
        ("torch.__isnot__", [a, b]) => same(a, b).map(|same| Value::Bool(!same)),
        ("torch.__not__", [value]) => unary("not", value),
        ("torch.__contains__", [container, value]) => contains(container, value).map(Value::Bool),
        ("torch.__getitem__", [container, index]) => get_item(container, index),
        ("torch._set_item", [container, index, value]) => set_item(container, index, value.clone()).map(|()| Value::None),
        ("torch.dict", []) => Ok(Value::Dict(Rc::default())),
        ("torch.dict" | "torch.copy", [Value::Dict(entries)]) => Ok(Value::Dict(Rc::new(RefCell::new(entries.borrow().clone())))),
        ("torch.dict", [pairs]) => pairs.elements().and_then(|pairs| {
            let dict = Value::Dict(Rc::default());
            pairs.iter().try_for_each(|pair| match pair.elements()?.as_slice() {
                [key, value] => set_item(&dict, key, value.clone()),
                other => Err(Error::argument(format!("a dictionary of groups of {}", other.len()))),
            })?;
            Ok(dict)
        }),
        ("torch.update", [dict @ Value::Dict(_), Value::Dict(more)]) => {
            let more = more.borrow().clone();
            more.into_iter().try_for_each(|(key, value)| set_item(dict, &key, value)).map(|()| Value::None)
        }
        ("torch.keys", [Value::Dict(entries)]) => Ok(Value::list(entries.borrow().iter().map(|entry| entry.0.clone()).collect())),
        ("torch.values", [Value::Dict(entries)]) => Ok(Value::list(entries.borrow().iter().map(|entry| entry.1.clone()).collect())),
        ("torch.items", [Value::Dict(entries)]) => {
            Ok(Value::list(entries.borrow().iter().map(|entry| Value::tuple(vec![entry.0.clone(), entry.1.clone()])).collect()))
        }
        ("ops.prim.NumToTensor", [value]) => number_to_tensor(value),
        ("ops.prim.data" | "ops.prim.unchecked_unwrap_optional", [value]) => Ok(value.clone()),
        ("ops.prim.device", [_]) => Ok(Value::Device),
        ("ops.prim.dtype", [Value::Complex(pair)]) => pair.dtype_number().map(|number| Value::Int(number.into())),
        ("ops.prim.dtype", [value]) => value.view().and_then(View::read).map(|x| Value::Int(scalar_type_number(x.dtype()).into())),
        ("ops.prim.RaiseException", [message, ..]) => Err(Error::argument(format!("{RAISED}{message:?}"))),
        ("ops.prim.min" | "ops.prim.max", [a, b]) if are_scalars(positional) && positional.iter().any(is_tensor) => {
            let sign = if path.ends_with("min") { "min" } else { "max" };
            number_tensor(a).and_then(|a| binary(sign, &a.into(), &number_tensor(b)?.into()))
        }
        ("ops.prim.min" | "ops.prim.max", [a, b]) if are_scalars(positional) => {
            a.dim().and_then(|a| Ok(Value::Int(if path.ends_with("min") { a.min(b.dim()?) } else { a.max(b.dim()?) })))
        }
        ("torch.neg", [a]) if are_scalars(positional) => unary("-", a),
        ("ops.prim.abs" | "torch.abs", [a @ Value::Tensor(_)]) if is_number(a) => unary("abs", a),
        ("torch.pow", [a, b]) if are_scalars(positional) => binary("**", a, b),
        ("torch.divmod", [a, b]) if are_scalars(positional) => super::arithmetic::divmod(a, b, binary),
        (_, [a @ (Value::Int(_) | Value::Float(_) | Value::Bool(_))]) => return super::arithmetic::of_number(path, a),
        (_, [a, b]) if are_scalars(positional) && named.is_empty() => binary(operator(path)?, a, b),
        _ => return None,
    })
}

/// The sign of an operator that torch spells as a function, also of plain values.
fn operator(path: &str) -> Option<&'static str> {
    const OPERATORS: &[(&str, &str)] = &[
        ("torch.eq", "=="),
        ("torch.ne", "!="),
        ("torch.lt", "<"),
        ("torch.le", "<="),
        ("torch.gt", ">"),
        ("torch.ge", ">="),
        ("torch.add", "+"),
        ("torch.sub", "-"),
        ("torch.mul", "*"),
        ("torch.floordiv", "//"),
        ("torch.remainder", "%"),
        ("torch.mod", "%"),
        ("torch.div", "/"),
    ];
    OPERATORS.iter().find(|row| row.0 == path).map(|row| row.1)
}

/// A function of a list of TorchScript; `None` where it is one of tensors after all.
fn of_list(path: &str, list: &Rc<RefCell<Vec<Value>>>, rest: &[Value]) -> Option<Result<Value>> {
    let items = || list.borrow().to_vec();
    let int = |i: usize, default: i64| match rest.get(i) {
        None | Some(Value::None) => Ok(default),
        Some(value) => value.number().map(Scalar::to_i64),
    };
    let truth = |value: &Value| value.number().map(|x| x.to_f64() != 0.0);
    let sorted = |mut items: Vec<Value>| -> Result<Vec<Value>> {
        let mut keys = items.iter().map(|item| item.number().map(Scalar::to_f64)).collect::<Result<Vec<_>>>()?.into_iter();
        let mut pairs: Vec<(f64, Value)> = items.drain(..).filter_map(|item| Some((keys.next()?, item))).collect();
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        Ok(pairs.into_iter().map(|pair| pair.1).collect())
    };
    let work = || -> Result<Option<Value>> {
        let none = Value::None;
        Ok(Some(match path {
            "torch.slice" => {
                let (items, n) = (items(), list.borrow().len() as i64);
                let bound = |i: i64| if i < 0 { (i + n).max(0) } else { i.min(n) };
                let (start, end, step) = (bound(int(0, 0)?), bound(int(1, n)?), int(2, 1)?);
                if step < 1 {
                    return Err(Error::argument(format!("a step of {step}")));
                }
                let taken = (start..end).step_by(step as usize).filter_map(|i| items.get(i as usize).cloned());
                Value::list(taken.collect())
            }
            "torch.any" => Value::Bool(items().iter().map(truth).collect::<Result<Vec<_>>>()?.contains(&true)),
            "torch.all" => Value::Bool(!items().iter().map(truth).collect::<Result<Vec<_>>>()?.contains(&false)),
            "torch.pop" => {
                let at = position(&Value::Int(Dim::Fixed(int(0, -1)?)), list.borrow().len())?;
                list.borrow_mut().remove(at)
            }
            "torch.insert" => {
                let (n, i) = (list.borrow().len() as i64, int(0, 0)?);
                let at = (if i < 0 { i + n } else { i }).clamp(0, n);
                list.borrow_mut().insert(at as usize, rest.get(1).cloned().unwrap_or(Value::None));
                none
            }
            "torch.reverse" => {
                list.borrow_mut().reverse();
                none
            }
            "torch.clear" => {
                list.borrow_mut().clear();
                none
            }
            "torch.copy" => Value::list(items()),
            "torch.index" | "torch.remove" | "torch.count" => {
                let Some(wanted) = rest.first() else { return Ok(None) };
                let mut found = Vec::new();
                for (i, item) in items().iter().enumerate() {
                    found.extend(equal(item, wanted)?.then_some(i));
                }
                if path == "torch.count" {
                    return Ok(Some(Value::Int(found.len().into())));
                }
                let &first = found.first().ok_or_else(|| Error::argument(format!("{wanted:?} is not in the list")))?;
                if path == "torch.index" {
                    return Ok(Some(Value::Int(first.into())));
                }
                list.borrow_mut().remove(first);
                none
            }
            "torch.sum" => items().iter().try_fold(Value::Int(Dim::Fixed(0)), |sum, item| binary("+", &sum, item))?,
            "torch.mul" => {
                let (items, times) = (items(), int(0, 1)?.max(0) as usize);
                spend_elements(items.len() as u64, times as u64)?;
                Value::list((0..times).flat_map(|_| items.iter().cloned()).collect())
            }
            "torch.sorted" => Value::list(sorted(items())?),
            "torch.sort" => {
                let sorted = sorted(items())?;
                *list.borrow_mut() = sorted;
                none
            }
            "ops.prim.min" if rest.is_empty() => {
                sorted(items())?.into_iter().next().ok_or_else(|| Error::argument("min of an empty list"))?
            }
            "ops.prim.max" if rest.is_empty() => sorted(items())?.pop().ok_or_else(|| Error::argument("max of an empty list"))?,
            _ => return Ok(None),
        }))
    };
    // Lists of tensors are what some operators on tensors take.
    if list.borrow().iter().any(|item| matches!(item, Value::Tensor(_))) && matches!(path, "torch.sum" | "torch.any" | "torch.all") {
        return None;
    }
    work().transpose()
}

/// Whether two names stand for one thing.
fn same(a: &Value, b: &Value) -> Result<bool> {
    Ok(match (a, b) {
        (Value::Tensor(a), Value::Tensor(b)) => a.is_same(b),
        (Value::List(a), Value::List(b)) => Rc::ptr_eq(a, b),
        (Value::Dict(a), Value::Dict(b)) => Rc::ptr_eq(a, b),
        (Value::Object(a), Value::Object(b)) => a == b,
        (Value::Tensor(_), _) | (_, Value::Tensor(_)) => false,
        (a, b) => equal(a, b)?,
    })
}

/// A number as a tensor of rank 0; a symbolic size stays one.
fn number_to_tensor(value: &Value) -> Result<Value> {
    Ok(match value {
        Value::Int(dim) => Tensor::from_dim(dim).into(),
        Value::Bool(x) => Tensor::weak(*x).strengthened().into(),
        Value::Float(x) => Tensor::weak(*x).strengthened().into(),
        Value::Tensor(_) => value.clone(),
        other => return Err(Error::argument(format!("expected a number, got {}", other.kind()))),
    })
}

/// Values, nested in lists, as a tensor.
fn tensor(value: &Value, dtype: &Value) -> Result<Value> {
    fn stacked(value: &Value, is_default: bool) -> Result<Tensor> {
        if !matches!(value, Value::List(_) | Value::Tuple(_)) {
            let tensor = number_to_tensor(value)?.view()?.read()?;
            // A number becomes torch's default dtype, however it is computed.
            return if is_default && is_number(value) && tensor.dtype() == DType::F64 { tensor.cast(DType::F32) } else { Ok(tensor) };
        }
        let parts = value.elements()?.iter().map(|value| stacked(value, is_default)).collect::<Result<Vec<_>>>()?;
        match parts.is_empty() {
            true => Tensor::zeros([0i64], DType::F32),
            false => Tensor::stack(&parts.iter().collect::<Vec<_>>(), 0),
        }
    }
    let tensor = stacked(value, matches!(dtype, Value::None))?;
    Ok(match dtype {
        Value::None => tensor.into(),
        dtype => tensor.cast(aten::scalar_type(dtype.number()?.to_i64())?)?.into(),
    })
}

fn length(value: &Value) -> Result<Value> {
    let length = match value {
        Value::Tensor(view) | Value::Complex(Pair { re: view, .. }) => return Ok(Value::Int(view.read()?.dim(0)?)),
        Value::Dict(entries) => entries.borrow().len(),
        Value::Str(text) => text.chars().count(),
        other => return other.items()?.iter().try_fold(Dim::Fixed(0), |sum, item| Ok(sum + part_length(item)?)).map(Value::Int),
    };
    Ok(Value::Int(length.into()))
}

/// How many elements of a list an element of ours stands for.
fn part_length(item: &Value) -> Result<Dim> {
    match item {
        Value::Part(Some(view)) => view.read()?.dim(0),
        Value::Part(None) => Err(Error::unsupported("a list is read in the loop that adds to it, which depends on the inputs")),
        _ => Ok(Dim::Fixed(1)),
    }
}

/// An element of a list among whose elements are parts of unknown length: of the part that is all of it, or of those that stand before or behind it.
fn part_item(items: &[Value], index: &Value) -> Result<Value> {
    if let [Value::Part(Some(view))] = items {
        return aten::call("select", &[Value::Tensor(view.clone()), Value::Int(Dim::Fixed(0)), index.clone()], &[]);
    }
    let at = index.dim()?.fixed();
    let ahead = items.iter().position(|item| matches!(item, Value::Part(_))).unwrap_or(items.len()) as i64;
    let behind = items.iter().rev().position(|item| matches!(item, Value::Part(_))).unwrap_or(items.len()) as i64;
    match at {
        Some(i) if (0..ahead).contains(&i) => Ok(items[i as usize].clone()),
        Some(i) if (-behind..0).contains(&i) => Ok(items[(items.len() as i64 + i) as usize].clone()),
        Some(-1) if behind == 0 => match items.last() {
            Some(last) => part_item(std::slice::from_ref(last), index),
            None => Err(Error::argument("an index of an empty list")),
        },
        _ => Err(Error::unsupported("this element of a list whose length differs between calls cannot be read")),
    }
}

fn format(text: &str, values: &[Value]) -> Result<String> {
    let mut parts = text.split("{}");
    let mut result = parts.next().unwrap_or_default().to_string();
    for (part, value) in parts.zip(values) {
        match value {
            Value::Str(text) => result.push_str(text),
            other => result.push_str(&format!("{other:?}")),
        }
        result.push_str(part);
        check_length("a string", result.len())?;
    }
    Ok(result)
}

/// Whether two keys or values are equal.
/// Whether two values are equal; of sizes and values that are known in a call only, what they are in the example, which is guarded.
fn equal(a: &Value, b: &Value) -> Result<bool> {
    Ok(match (a, b) {
        (Value::Str(a), Value::Str(b)) => a == b,
        (Value::Int(a), Value::Int(b)) if a == b => true,
        (Value::Int(a), Value::Int(b)) if a.is_symbolic() || b.is_symbolic() => size::eq(a, b)?,
        (Value::Int(_), Value::Int(_)) => false,
        (Value::None, Value::None) => true,
        (Value::List(_) | Value::Tuple(_), Value::List(_) | Value::Tuple(_)) => {
            let (a, b) = (a.elements()?, b.elements()?);
            a.len() == b.len() && first(a.iter().zip(&b), |(a, b)| Ok(!equal(a, b)?))?.is_none()
        }
        _ => {
            let has_number = |value: &Value| matches!(value, Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Tensor(_));
            has_number(a) && has_number(b) && a.number()?.to_f64() == b.number()?.to_f64()
        }
    })
}

/// The index of the first item for which something holds; those after it are not asked.
fn first<T>(items: impl IntoIterator<Item = T>, mut holds: impl FnMut(T) -> Result<bool>) -> Result<Option<usize>> {
    for (i, item) in items.into_iter().enumerate() {
        if holds(item)? {
            return Ok(Some(i));
        }
    }
    Ok(None)
}

fn contains(container: &Value, value: &Value) -> Result<bool> {
    match container {
        Value::Dict(entries) => first(entries.borrow().iter(), |entry| equal(&entry.0, value)),
        other => first(&other.elements()?, |element| equal(element, value)),
    }
    .map(|found| found.is_some())
}

fn position(index: &Value, length: usize) -> Result<usize> {
    let i = index.number()?.to_i64();
    let at = if i < 0 { i + length as i64 } else { i };
    usize::try_from(at)
        .ok()
        .filter(|&at| at < length)
        .ok_or_else(|| Error::argument(format!("index {i} is out of range for {length} elements")))
}

/// An element of a list, a tuple, a dictionary or a tensor.
pub(super) fn get_item(container: &Value, index: &Value) -> Result<Value> {
    match container {
        Value::Dict(entries) => {
            let entries = entries.borrow();
            let found = first(entries.iter(), |entry| equal(&entry.0, index))?.map(|i| entries[i].1.clone());
            found.ok_or_else(|| Error::input(format!("key not found: {index:?}")))
        }
        Value::Tensor(_) | Value::Complex(_) => aten::call("select", &[container.clone(), Value::Int(Dim::Fixed(0)), index.clone()], &[]),
        other => {
            let items = other.items()?;
            if items.iter().any(|item| matches!(item, Value::Part(_))) {
                return part_item(&items, index);
            }
            Ok(items[position(index, items.len())?].clone())
        }
    }
}

/// Puts an element into a list or a dictionary.
pub(super) fn set_item(container: &Value, index: &Value, value: Value) -> Result<()> {
    match container {
        Value::Dict(entries) => {
            let mut entries = entries.borrow_mut();
            match first(entries.iter(), |entry| equal(&entry.0, index))? {
                Some(i) => entries[i].1 = value,
                None => entries.push((index.clone(), value)),
            }
            Ok(())
        }
        Value::List(values) => {
            let at = position(index, values.borrow().len())?;
            values.borrow_mut()[at] = value;
            Ok(())
        }
        other => Err(Error::argument(format!("cannot assign to an element of a {}", other.kind()))),
    }
}

/// What a tensor says of itself.
pub(super) fn tensor_attribute(tensor: &Tensor, name: &str) -> Result<Value> {
    Ok(match name {
        "shape" => Value::list(tensor.shape().iter().cloned().map(Value::Int).collect()),
        "dtype" => Value::Int(scalar_type_number(tensor.dtype()).into()),
        "device" => Value::Device,
        "ndim" => Value::Int(tensor.rank().into()),
        "requires_grad" | "is_cuda" => Value::Bool(false),
        other => return Err(Error::unsupported(format!("attribute {other} of a tensor is not supported"))),
    })
}

fn is_tensor(value: &Value) -> bool {
    matches!(value, Value::Tensor(_) | Value::Complex(_))
}

/// Whether a value is no tensor in the program: one of rank 0 stands for a number that differs from call to call.
pub(super) fn is_number(value: &Value) -> bool {
    match value {
        Value::Tensor(view) => view.read().is_ok_and(|tensor| tensor.strength() == PromotionPriority::Weak && tensor.varies()),
        other => !is_tensor(other),
    }
}

/// A number of the program as a tensor.
fn number_tensor(value: &Value) -> Result<Tensor> {
    match value {
        Value::Tensor(view) => view.read(),
        Value::Int(dim) => Ok(Tensor::from_dim(dim).weakened()),
        other => other.number().map(Tensor::weak),
    }
}

/// Signs of Python and the operators of torch that they are of tensors, resolved at the first use.
struct Signs(&'static [(&'static str, &'static str)], OnceLock<Vec<(&'static str, Option<&'static AtenOperator>)>>);

impl Signs {
    const fn new(rows: &'static [(&'static str, &'static str)]) -> Signs {
        Signs(rows, OnceLock::new())
    }

    fn operator(&self, sign: &str) -> Option<&'static AtenOperator> {
        let resolved = self.1.get_or_init(|| self.0.iter().map(|&(sign, name)| (sign, aten::resolve(name))).collect());
        resolved.iter().find(|row| row.0 == sign)?.1
    }
}

static UNARY: Signs = Signs::new(&[("-", "neg"), ("~", "bitwise_not"), ("not", "logical_not"), ("abs", "abs")]);

static BINARY: Signs = Signs::new(&[
    ("+", "add"),
    ("-", "sub"),
    ("*", "mul"),
    ("/", "div"),
    ("//", "floor_divide"),
    ("%", "remainder"),
    ("**", "pow"),
    ("@", "matmul"),
    ("==", "eq"),
    ("!=", "ne"),
    ("<", "lt"),
    ("<=", "le"),
    (">", "gt"),
    (">=", "ge"),
    ("&", "bitwise_and"),
    ("|", "bitwise_or"),
    ("^", "bitwise_xor"),
    ("and", "logical_and"),
    ("or", "logical_or"),
    ("min", "minimum"),
    ("max", "maximum"),
]);

/// A unary operator on a number or a tensor.
pub(in crate::read) fn unary(op: &str, value: &Value) -> Result<Value> {
    match (op, value) {
        ("-", Value::Int(Dim::Fixed(x))) => Ok(Value::Int(Dim::Fixed(x.wrapping_neg()))),
        ("-", Value::Int(dim)) => Ok(Value::Int(-dim)),
        ("~", Value::Int(Dim::Fixed(x))) => Ok(Value::Int(Dim::Fixed(!x))),
        ("-", Value::Float(x)) => Ok(Value::Float(-x)),
        ("-", Value::Tensor(_) | Value::Complex(_)) | ("~" | "not" | "abs", Value::Tensor(_)) => {
            let operator = UNARY.operator(op).ok_or_else(|| aten::unknown(op))?;
            match operator.call(std::slice::from_ref(value), &[])? {
                Value::Tensor(view) if is_number(value) => Ok(view.read()?.weakened().into()),
                other => Ok(other),
            }
        }
        ("not", value) => Ok(Value::Bool(value.number()?.to_f64() == 0.0)),
        _ => Err(Error::unsupported(format!("{op} of a {} is not supported", value.kind()))),
    }
}

/// Comparisons of symbolic sizes give tensors: where a size differs from call to call, so does the result.
const COMPARISONS: &[&str] = &["==", "!=", "<", "<=", ">", ">="];

/// A binary operator on values, strings, lists or tensors. What is computed of numbers is a number.
pub(in crate::read) fn binary(op: &str, a: &Value, b: &Value) -> Result<Value> {
    match result_of(op, a, b)? {
        Value::Tensor(view) if is_number(a) && is_number(b) => Ok(view.read()?.weakened().into()),
        other => Ok(other),
    }
}

fn result_of(op: &str, a: &Value, b: &Value) -> Result<Value> {
    match (op, a, b) {
        ("is" | "is not", a, b) => return Ok(Value::Bool(same(a, b)? == (op == "is"))),
        ("in", a, b) => return contains(b, a).map(Value::Bool),
        ("+", Value::Str(a), Value::Str(b)) => {
            check_length("a string", a.len() + b.len())?;
            return Ok(Value::Str(format!("{a}{b}").into()));
        }
        ("+", Value::List(a), Value::List(b)) => {
            check_length("a list", a.borrow().len() + b.borrow().len())?;
            return Ok(Value::list(a.borrow().iter().chain(b.borrow().iter()).cloned().collect()));
        }
        ("==" | "!=", Value::List(_) | Value::Tuple(_), Value::List(_) | Value::Tuple(_))
        | ("==" | "!=", Value::Str(_) | Value::None, _)
        | ("==" | "!=", _, Value::Str(_) | Value::None) => {
            return Ok(Value::Bool(equal(a, b)? == (op == "==")));
        }
        _ => {}
    }
    // The quotient of two numbers is a float, also in archives whose integer tensors are divided to integers; so is a power.
    let wide = |value: &Value| number_tensor(value)?.cast(DType::F64);
    if matches!(op, "/" | "**")
        && is_number(a)
        && is_number(b)
        && [a, b].into_iter().any(|value| number_tensor(value).is_ok_and(|x| x.varies()))
    {
        let (a, b) = (wide(a)?, wide(b)?);
        return if op == "/" { a.div(b) } else { a.pow(b) }.map(Value::from);
    }
    if is_tensor(a) || is_tensor(b) {
        let operator = BINARY.operator(op).ok_or_else(|| Error::unsupported(format!("{op} of tensors is not supported")))?;
        return operator.call(&[a.clone(), b.clone()], &[]);
    }
    if let (Value::Int(Dim::Fixed(x)), Value::Int(Dim::Fixed(y))) = (a, b) {
        return on_ints(op, *x, *y);
    }
    if let (Value::Int(x), Value::Int(y)) = (a, b) {
        let dim = match op {
            "+" => x + y,
            "-" => x - y,
            "*" => x * y,
            // A divisor that is a value may be 0 in a call.
            "//" | "%" if y.depends_on_values() => return binary(op, &number_tensor(a)?.into(), &number_tensor(b)?.into()),
            "//" | "%" if *y == 0 => return Err(division_by_zero()),
            "//" => x / y,
            "%" => x % y,
            "==" if x == y => return Ok(Value::Bool(true)),
            _ if (COMPARISONS.contains(&op) || x.depends_on_values() || y.depends_on_values()) && (x.is_symbolic() || y.is_symbolic()) => {
                return binary(op, &number_tensor(a)?.into(), &number_tensor(b)?.into());
            }
            _ => return on_scalars(op, a.number()?, b.number()?),
        };
        return Ok(Value::Int(dim));
    }
    if [a, b].into_iter().any(|value| matches!(value, Value::Int(dim) if dim.is_symbolic())) {
        return binary(op, &wide(a)?.into(), &wide(b)?.into());
    }
    on_scalars(op, a.number()?, b.number()?)
}

fn division_by_zero() -> Error {
    Error::argument("division by zero")
}

/// An operator on integers of 64 bits, which wrap around as torch's do.
fn on_ints(op: &str, x: i64, y: i64) -> Result<Value> {
    // The quotient rounds down, and the remainder has the sign of the divisor, as in Python.
    let below = || x.wrapping_rem(y) != 0 && (x < 0) != (y < 0);
    Ok(Value::Int(Dim::Fixed(match op {
        "+" => x.wrapping_add(y),
        "-" => x.wrapping_sub(y),
        "*" => x.wrapping_mul(y),
        "//" | "%" if y == 0 => return Err(division_by_zero()),
        "//" => x.wrapping_div(y) - i64::from(below()),
        "%" => x.wrapping_rem(y) + if below() { y } else { 0 },
        "&" => x & y,
        "|" => x | y,
        "^" => x ^ y,
        "==" => return Ok(Value::Bool(x == y)),
        "!=" => return Ok(Value::Bool(x != y)),
        "<" => return Ok(Value::Bool(x < y)),
        "<=" => return Ok(Value::Bool(x <= y)),
        ">" => return Ok(Value::Bool(x > y)),
        ">=" => return Ok(Value::Bool(x >= y)),
        _ => return on_scalars(op, Scalar::Int(x), Scalar::Int(y)),
    })))
}

fn on_scalars(op: &str, a: Scalar, b: Scalar) -> Result<Value> {
    let (x, y) = (a.to_f64(), b.to_f64());
    let whole = !matches!((a, b), (Scalar::Float(_), _) | (_, Scalar::Float(_)));
    let number = |float: f64| if whole { Value::Int(Dim::Fixed(float as i64)) } else { Value::Float(float) };
    Ok(match op {
        "+" => number(x + y),
        "-" => number(x - y),
        "*" => number(x * y),
        "/" => Value::Float(x / y),
        "//" => number((x / y).floor()),
        "%" => number(x - (x / y).floor() * y),
        "**" => number(x.powf(y)),
        "==" => Value::Bool(x == y),
        "!=" => Value::Bool(x != y),
        "<" => Value::Bool(x < y),
        "<=" => Value::Bool(x <= y),
        ">" => Value::Bool(x > y),
        ">=" => Value::Bool(x >= y),
        "and" => Value::Bool(x != 0.0 && y != 0.0),
        "or" => Value::Bool(x != 0.0 || y != 0.0),
        other => return Err(Error::unsupported(format!("{other} of Python numbers is not supported"))),
    })
}
