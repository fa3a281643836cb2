//! What goes into a program and comes out of it, flat.

use super::ast::{AstExpr, FunctionDef, Parameter};
use super::side_effects::number;
use crate::error::{Error, Result};
use crate::module::Example;
use crate::read::aten::{self, value::Value};
use crate::tensor::Tensor;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// An input that the declared types list: its name, its type, and whether its parameter has a default.
type DeclaredInput<'a> = (String, Option<&'a AstExpr>, bool);

/// The parameters of a program, and instead of a named tuple its fields.
fn declared(forward: &FunctionDef) -> Vec<DeclaredInput<'_>> {
    fn add<'a>(name: String, kind: Option<&'a AstExpr>, has_default: bool, all: &mut Vec<DeclaredInput<'a>>) {
        match kind {
            Some(AstExpr::Fields(fields)) => {
                fields.iter().for_each(|(field, kind)| add(format!("{name}.{field}"), Some(kind), has_default, all));
            }
            kind => all.push((name, kind, has_default)),
        }
    }
    let mut all = Vec::new();
    for parameter in forward.parameters.iter().skip(1) {
        add(parameter.name.to_string(), parameter.kind.as_ref(), parameter.default.is_some(), &mut all);
    }
    all
}

/// The names of the inputs: the parameters, without those that have a default and take no tensors.
pub(super) fn input_names(forward: &FunctionDef) -> Vec<String> {
    let named = declared(forward).into_iter().filter(|(_, kind, has_default)| !has_default || takes_tensors(*kind));
    named.map(|(name, ..)| name).collect()
}

/// The arguments of tensors that have a default.
pub(super) fn optional(forward: &FunctionDef) -> Vec<String> {
    let optional = declared(forward).into_iter().filter(|(_, kind, has_default)| *has_default && takes_tensors(*kind));
    optional.map(|(name, ..)| name).collect()
}

/// The arguments whose members the types do not list: lists and dictionaries, and tuples with such in them.
pub(super) fn open(forward: &FunctionDef) -> Vec<String> {
    let open = declared(forward).into_iter().filter(|(_, kind, _)| !matches!(source_of(*kind), ValueSource::Tensor));
    open.map(|(name, ..)| name).collect()
}

/// Whether a type consists of tensors alone.
fn takes_tensors(kind: Option<&AstExpr>) -> bool {
    match (source_of(kind), kind) {
        (ValueSource::List(kind) | ValueSource::Dict(kind), _) => takes_tensors(Some(kind)),
        (ValueSource::Tuple(kinds), _) => kinds.iter().all(|kind| takes_tensors(Some(kind))),
        (ValueSource::Fields(fields), _) => fields.iter().all(|(_, kind)| takes_tensors(Some(kind))),
        (ValueSource::Tensor, None) => true,
        (ValueSource::Tensor, Some(AstExpr::Name(name))) => **name == *"Tensor",
        (ValueSource::Tensor, Some(AstExpr::Index(_, inner))) => is_optional(kind) && takes_tensors(Some(inner)),
        _ => false,
    }
}

/// The arguments and their types as TorchScript writes them: `int`, `List[Tensor]`.
pub(super) fn types(forward: &FunctionDef) -> Vec<(String, String)> {
    let text = |kind: Option<&AstExpr>| kind.map_or_else(|| "Tensor".to_string(), type_text);
    declared(forward).into_iter().map(|(name, kind, _)| (name, text(kind))).collect()
}

fn type_text(kind: &AstExpr) -> String {
    match kind {
        AstExpr::Name(name) => name.to_string(),
        AstExpr::Index(name, inner) => format!("{}[{}]", type_text(name), type_text(inner)),
        AstExpr::Tuple(kinds) => kinds.iter().map(type_text).collect::<Vec<_>>().join(", "),
        AstExpr::Fields(fields) => {
            let field = |(name, kind): &(Arc<str>, AstExpr)| format!("{name}: {}", type_text(kind));
            format!("NamedTuple[{}]", fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
        AstExpr::Attribute(of, name) => format!("{}.{name}", type_text(of)),
        _ => "?".to_string(),
    }
}

fn is_optional(kind: Option<&AstExpr>) -> bool {
    matches!(kind, Some(AstExpr::Index(name, _)) if matches!(&**name, AstExpr::Name(name) if **name == *"Optional"))
}

/// The arguments of `forward` by name from flat tensors, put together as its declared types say. The names of the example inputs say where each
/// belongs (`pair_0`, `batch.image`); without them the tensors are dealt out in order, a list taking what the other parameters leave.
pub(super) fn arguments(forward: &FunctionDef, inputs: &[Tensor], example: Option<&Example>) -> Result<Vec<(String, Value)>> {
    let parameters = forward.parameters.get(1..).unwrap_or_default();
    if let Some(example) = example.filter(|example| example.inputs().len() == inputs.len())
        && let Some(members) = example.inputs().iter().map(|(name, _)| member(parameters, name)).collect::<Option<Vec<_>>>()
        && let Ok(arguments) = by_name(parameters, members.into_iter().zip(inputs.iter().cloned()).collect())
    {
        return Ok(arguments);
    }
    let has_keys = parameters.iter().any(|parameter| matches!(source_of(parameter.kind.as_ref()), ValueSource::Dict(_)));
    let shares = (!has_keys).then(|| shares_by_type(parameters, inputs.len())).flatten().ok_or_else(|| {
        let names: Vec<&str> = parameters.iter().map(|parameter| &*parameter.name).collect();
        Error::input(format!("expected {} inputs ({}), got {}", names.len(), names.join(", "), inputs.len()))
            .help("each tensor of a list, tuple or dictionary is an input of its own: xs.0, inputs.ids")
    })?;
    let mut given = inputs.iter().cloned();
    let argument =
        |(parameter, share): (&Parameter, usize)| (parameter.name.to_string(), assembled(parameter.kind.as_ref(), share, &mut given));
    Ok(parameters.iter().zip(shares).map(argument).collect())
}

/// The inputs of an example in the order of the parameters.
///
/// # Errors
/// [`Input`](crate::ErrorCode::Input) where one is unknown, or a parameter without a default is missing.
pub(super) fn arranged(forward: &FunctionDef, example: &Example) -> Result<Example> {
    let parameters = forward.parameters.get(1..).unwrap_or_default();
    let position = |name: &str| {
        member(parameters, name).ok_or_else(|| {
            let names: Vec<&str> = parameters.iter().map(|parameter| &*parameter.name).collect();
            Error::input(format!("there is no input `{name}`")).help(format!("the inputs are: {}", names.join(", ")))
        })
    };
    let members = example.inputs().iter().map(|(name, tensor)| Ok((position(name)?, tensor.clone()))).collect::<Result<Vec<_>>>()?;
    by_name(parameters, members)?;
    Ok(example.clone().sorted_by(|name| member(parameters, name).map(|member| member.parameter)))
}

/// The name of the tensor at this path below an argument: `pair_0` in lists, `batch.image` in dictionaries.
pub(super) fn member_name(argument: &str, path: &[String]) -> String {
    path.iter().fold(argument.to_string(), |name, step| match step.parse::<usize>() {
        Ok(_) => format!("{name}_{step}"),
        Err(_) => format!("{name}.{step}"),
    })
}

/// Where a tensor belongs: its parameter, and the path below that.
struct Member {
    parameter: usize,
    path: Vec<String>,
}

/// Where the tensor of this name belongs, the parameter with the longest name first.
fn member(parameters: &[Parameter], name: &str) -> Option<Member> {
    let mut order: Vec<usize> = (0..parameters.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(parameters[i].name.len()));
    order.into_iter().find_map(|parameter| {
        let rest = name.strip_prefix(&*parameters[parameter].name)?;
        Some(Member { parameter, path: path_below(parameters[parameter].kind.as_ref(), rest)? })
    })
}

/// The steps of a path below a value of this type; each begins with a dot or an underscore.
fn path_below(kind: Option<&AstExpr>, text: &str) -> Option<Vec<String>> {
    let Some(rest) = text.strip_prefix(['.', '_']) else { return text.is_empty().then(Vec::new) };
    let (step, inner, rest) = match source_of(kind) {
        ValueSource::Tensor => return None,
        ValueSource::Dict(inner) => match rest.split_once('.') {
            Some((key, _)) if !matches!(source_of(Some(inner)), ValueSource::Tensor) => (key, Some(inner), &rest[key.len()..]),
            _ => (rest, Some(inner), ""),
        },
        ValueSource::List(inner) => {
            let end = rest.find(['.', '_']).unwrap_or(rest.len());
            (&rest[..end], Some(inner), &rest[end..])
        }
        ValueSource::Tuple(kinds) => {
            let end = rest.find(['.', '_']).unwrap_or(rest.len());
            (&rest[..end], Some(kinds.get(rest[..end].parse::<usize>().ok()?)?), &rest[end..])
        }
        ValueSource::Fields(fields) => {
            // By its name, which may have underscores, or by its index.
            let ends = |name: &str| rest.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '_']));
            let named = fields.iter().filter(|(name, _)| ends(name)).max_by_key(|(name, _)| name.len());
            match named {
                Some((name, inner)) => (&**name, Some(inner), &rest[name.len()..]),
                None => {
                    let end = rest.find(['.', '_']).unwrap_or(rest.len());
                    let (name, inner) = fields.get(rest[..end].parse::<usize>().ok()?)?;
                    (&**name, Some(inner), &rest[end..])
                }
            }
        }
    };
    if matches!(source_of(kind), ValueSource::List(_) | ValueSource::Tuple(_)) {
        step.parse::<usize>().ok()?;
    }
    let below = path_below(inner, rest)?;
    Some(std::iter::once(step.to_string()).chain(below).collect())
}

/// The arguments by name from tensors whose places are known; parameters that have a default, and optional ones, may be left out.
fn by_name(parameters: &[Parameter], members: Vec<(Member, Tensor)>) -> Result<Vec<(String, Value)>> {
    let mut leaves: Vec<Vec<(Vec<String>, Tensor)>> = parameters.iter().map(|_| Vec::new()).collect();
    for (member, tensor) in members {
        leaves[member.parameter].push((member.path, tensor));
    }
    let mut arguments = Vec::with_capacity(parameters.len());
    for (parameter, leaves) in parameters.iter().zip(leaves) {
        let name = parameter.name.to_string();
        let kind = parameter.kind.as_ref();
        match leaves.is_empty() {
            true if parameter.default.is_some() => {}
            true if is_optional(kind) => arguments.push((name, Value::None)),
            true => return Err(Error::input(format!("the input `{name}` is missing"))),
            false => arguments.push((name.clone(), with_members(kind, &name, leaves)?)),
        }
    }
    Ok(arguments)
}

/// A value of a type from tensors with their paths.
fn with_members(kind: Option<&AstExpr>, name: &str, mut leaves: Vec<(Vec<String>, Tensor)>) -> Result<Value> {
    let is_whole = leaves.len() == 1 && leaves[0].0.is_empty();
    let indices = |count: usize| (0..count).map(|i| i.to_string()).collect::<Vec<_>>();
    match source_of(kind) {
        ValueSource::Tensor if is_whole => Ok(leaf(kind, leaves.remove(0).1)),
        ValueSource::Tensor => Err(Error::input(format!("the input `{name}` is given twice"))),
        // A list of one tensor may be given by the name of the list.
        ValueSource::List(inner) if is_whole => Ok(Value::list(vec![with_members(Some(inner), name, leaves)?])),
        ValueSource::List(inner) => {
            let count = leaves.iter().filter_map(|(path, _)| path.first()?.parse::<usize>().ok()).max().map_or(0, |last| last + 1);
            if count > leaves.len() {
                return Err(Error::input(format!(
                    "the elements of `{name}` have gaps: {} are given, the last is {}",
                    leaves.len(),
                    count - 1
                )));
            }
            Ok(Value::list(members_of(&indices(count), &|_| Some(inner), name, leaves)?))
        }
        ValueSource::Tuple(kinds) => Ok(Value::tuple(members_of(&indices(kinds.len()), &|i| kinds.get(i), name, leaves)?)),
        ValueSource::Fields(fields) => {
            let names: Vec<String> = fields.iter().map(|(name, _)| name.to_string()).collect();
            Ok(Value::tuple(members_of(&names, &|i| fields.get(i).map(|field| &field.1), name, leaves)?))
        }
        ValueSource::Dict(inner) => {
            let mut keys: Vec<String> = Vec::new();
            for key in leaves.iter().filter_map(|(path, _)| path.first()) {
                if !keys.contains(key) {
                    keys.push(key.clone());
                }
            }
            let items = members_of(&keys, &|_| Some(inner), name, leaves)?;
            let entries = keys.into_iter().map(|key| Value::Str(key.into())).zip(items).collect();
            Ok(Value::Dict(Rc::new(RefCell::new(entries))))
        }
    }
}

/// The values of the members with these keys, each of its type.
fn members_of<'a>(
    keys: &[String],
    kind: &dyn Fn(usize) -> Option<&'a AstExpr>,
    name: &str,
    leaves: Vec<(Vec<String>, Tensor)>,
) -> Result<Vec<Value>> {
    let mut members: Vec<Vec<(Vec<String>, Tensor)>> = keys.iter().map(|_| Vec::new()).collect();
    for (path, tensor) in leaves {
        let missing = || Error::input(format!("`{name}` has members: give them as {name}.0 or {name}.KEY"));
        let (first, rest) = path.split_first().ok_or_else(missing)?;
        let i = keys.iter().position(|key| key == first).ok_or_else(missing)?;
        members[i].push((rest.to_vec(), tensor));
    }
    let member = |(i, leaves): (usize, Vec<(Vec<String>, Tensor)>)| {
        let name = member_name(name, std::slice::from_ref(&keys[i]));
        match leaves.is_empty() {
            true if is_optional(kind(i)) => Ok(Value::None),
            true => Err(Error::input(format!("the input `{name}` is missing"))),
            false => with_members(kind(i), &name, leaves),
        }
    };
    members.into_iter().enumerate().map(member).collect()
}

/// A declared type, as far as tensors go into it one by one.
enum ValueSource<'a> {
    Tensor,
    List(&'a AstExpr),
    Tuple(&'a [AstExpr]),
    /// A named tuple.
    Fields(&'a [(Arc<str>, AstExpr)]),
    /// A dictionary with texts as keys, and the type of its values.
    Dict(&'a AstExpr),
}

fn source_of(kind: Option<&AstExpr>) -> ValueSource<'_> {
    if let Some(AstExpr::Fields(fields)) = kind {
        return ValueSource::Fields(fields);
    }
    let Some(AstExpr::Index(name, inner)) = kind else { return ValueSource::Tensor };
    match &**name {
        AstExpr::Name(name) if &**name == "Optional" => source_of(Some(inner)),
        AstExpr::Name(name) if &**name == "List" => ValueSource::List(inner),
        AstExpr::Name(name) if &**name == "Tuple" => match &**inner {
            AstExpr::Tuple(kinds) => ValueSource::Tuple(kinds),
            one => ValueSource::Tuple(std::slice::from_ref(one)),
        },
        AstExpr::Name(name) if &**name == "Dict" => match &**inner {
            AstExpr::Tuple(kinds) if kinds.len() == 2 && kinds[0] == AstExpr::Name("str".into()) => ValueSource::Dict(&kinds[1]),
            _ => ValueSource::Tensor,
        },
        _ => ValueSource::Tensor,
    }
}

/// How many tensors a type takes; `None` where a list leaves that open.
fn width(kind: Option<&AstExpr>) -> Option<usize> {
    match source_of(kind) {
        ValueSource::Tensor => Some(1),
        ValueSource::List(_) | ValueSource::Dict(_) => None,
        ValueSource::Tuple(kinds) => kinds.iter().map(|kind| width(Some(kind))).sum(),
        ValueSource::Fields(fields) => fields.iter().map(|(_, kind)| width(Some(kind))).sum(),
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

/// A value of a type from so many tensors.
fn assembled(kind: Option<&AstExpr>, count: usize, given: &mut dyn Iterator<Item = Tensor>) -> Value {
    match source_of(kind) {
        ValueSource::Tensor | ValueSource::Dict(_) => given.next().map_or(Value::None, |tensor| leaf(kind, tensor)),
        ValueSource::List(kind) => {
            let each = width(Some(kind)).unwrap_or(count).max(1);
            Value::list((0..count / each).map(|_| assembled(Some(kind), each, given)).collect())
        }
        ValueSource::Tuple(kinds) => {
            let shares = shares(kinds.iter().map(Some), count).unwrap_or_default();
            Value::tuple(kinds.iter().zip(shares).map(|(kind, share)| assembled(Some(kind), share, given)).collect())
        }
        ValueSource::Fields(fields) => {
            let shares = shares(fields.iter().map(|field| Some(&field.1)), count).unwrap_or_default();
            Value::tuple(fields.iter().zip(shares).map(|((_, kind), share)| assembled(Some(kind), share, given)).collect())
        }
    }
}

/// A tensor as the value of a parameter: where the program declares a number it is one.
fn leaf(kind: Option<&AstExpr>, tensor: Tensor) -> Value {
    let is_number = match kind {
        Some(AstExpr::Name(name)) => matches!(&**name, "int" | "float" | "bool" | "number"),
        Some(AstExpr::Index(name, inner)) if **name == AstExpr::Name("Optional".into()) => return leaf(Some(inner), tensor),
        _ => false,
    };
    // What is known by its type alone stays a tensor, which gives way to other dtypes as a number does.
    match is_number && tensor.rank() == 0 {
        true => aten::number_of(&tensor).unwrap_or_else(|_| tensor.weakened().into()),
        false => tensor.into(),
    }
}

/// The tensors of a result with their paths, dictionaries by key and in their order.
pub(super) fn flatten(value: &Value, path: &str, leaves: &mut Vec<(String, Tensor)>) -> Result<()> {
    let below = |key: &str| if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
    match value {
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
        Value::None => {}
        Value::Complex(_) => return Err(crate::read::aten::complex::refused()),
        // A number among the outputs is a tensor of rank 0.
        other => match number(other) {
            Some(tensor) => leaves.push((path.to_string(), tensor?)),
            None => return Err(Error::unsupported(format!("an output of type {} is not supported", other.kind()))),
        },
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
