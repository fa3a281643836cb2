//! Values of a file, which need not be tensors: lists of values, and values that may be absent.

use crate::DType;
use crate::dim::{Dim, Expr, MOST_AXES, Shape, Type, is_reserved, is_symbol, too_many_axes};
use crate::error::{Error, Result, ResultExt};
use crate::module::symbol_of;
use crate::onnx::proto::tensor_shape_proto::{Dimension, dimension::Value as Length};
use crate::onnx::proto::{self, OptionalProto, SequenceProto, TypeProto, ValueInfoProto};
use crate::onnx::tensor;
use crate::tensor::Tensor;
use crate::tree::{Tree, TreeDef};
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};

/// How deeply a value of a file may nest.
const DEEPEST: usize = 16;

/// A value of an ONNX program.
///
/// It is a [`Tree`]: a module takes and gives its tensors flat, those of the list `xs` as `xs.0`, `xs.1` ….
#[derive(Clone, Debug)]
pub enum Value {
    /// A tensor.
    Tensor(Tensor),
    /// A list of values.
    Sequence(Vec<Value>),
    /// A value that may be absent.
    Optional(Option<Box<Value>>),
}

impl Value {
    /// The tensor that this is, perhaps as a value that might have been absent.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where it is none.
    pub fn tensor(&self) -> Result<&Tensor> {
        match self {
            Value::Tensor(tensor) => Ok(tensor),
            Value::Optional(Some(inner)) => inner.tensor(),
            Value::Sequence(_) => Err(Error::argument("expected a tensor, got a sequence")),
            Value::Optional(None) => Err(Error::argument("expected a tensor, got nothing")),
        }
    }

    pub(super) fn sequence(&self) -> Result<&[Value]> {
        match self {
            Value::Sequence(items) => Ok(items),
            Value::Optional(Some(inner)) => inner.sequence(),
            _ => Err(Error::argument("expected a sequence")),
        }
    }

    /// Decodes a value of this type as ONNX's tests store it: a TensorProto, SequenceProto or OptionalProto.
    ///
    /// # Errors
    /// [`Damaged`](crate::ErrorCode::Damaged) where the bytes are none, [`Unsupported`](crate::ErrorCode::Unsupported) for maps and sparse tensors.
    pub fn decode(bytes: &[u8], ty: &TypeProto) -> Result<Value> {
        use proto::type_proto::Value as Kind;
        let damaged = |error: prost::DecodeError| Error::damaged(error.to_string()).with_source(error);
        match &ty.value {
            Some(Kind::TensorType(_)) => {
                let tensor = proto::TensorProto::decode(bytes).map_err(damaged)?;
                Ok(Value::Tensor(tensor::array(&tensor)?.into()))
            }
            Some(Kind::SequenceType(_)) => of_sequence(&SequenceProto::decode(bytes).map_err(damaged)?, 0),
            Some(Kind::OptionalType(_)) => of_optional(&OptionalProto::decode(bytes).map_err(damaged)?, 0),
            _ => Err(Error::unsupported("unsupported value type: neither tensor, sequence nor optional")),
        }
    }
}

fn of_sequence(list: &SequenceProto, depth: usize) -> Result<Value> {
    if depth > DEEPEST {
        return Err(Error::too_deep("sequences nested too deeply"));
    }
    let tensors = list.tensor_values.iter().map(|tensor| Ok(Value::Tensor(tensor::array(tensor)?.into())));
    let lists = list.sequence_values.iter().map(|list| of_sequence(list, depth + 1));
    let optionals = list.optional_values.iter().map(|optional| of_optional(optional, depth + 1));
    tensors.chain(lists).chain(optionals).collect::<Result<_>>().map(Value::Sequence)
}

fn of_optional(optional: &OptionalProto, depth: usize) -> Result<Value> {
    if depth > DEEPEST {
        return Err(Error::too_deep("optional values nested too deeply"));
    }
    let inner = match (&optional.tensor_value, &optional.sequence_value, &optional.optional_value) {
        (Some(tensor), ..) => Some(Value::Tensor(tensor::array(tensor)?.into())),
        (_, Some(list), _) => Some(of_sequence(list, depth + 1)?),
        (.., Some(inner)) => Some(of_optional(inner, depth + 1)?),
        _ => None,
    };
    Ok(Value::Optional(inner.map(Box::new)))
}

impl From<Tensor> for Value {
    fn from(tensor: Tensor) -> Value {
        Value::Tensor(tensor)
    }
}

impl Tree for Value {
    fn tree_flatten(&self, leaves: &mut Vec<Tensor>) -> TreeDef {
        match self {
            Value::Tensor(tensor) => tensor.tree_flatten(leaves),
            Value::Sequence(items) => items.tree_flatten(leaves),
            Value::Optional(Some(inner)) => inner.tree_flatten(leaves),
            Value::Optional(None) => TreeDef::Absent,
        }
    }

    /// An optional value that is there comes back as what it is.
    fn tree_unflatten(structure: &TreeDef, leaves: &mut dyn Iterator<Item = Tensor>) -> Result<Value> {
        match structure {
            TreeDef::Absent => Ok(Value::Optional(None)),
            TreeDef::List(_) => Vec::tree_unflatten(structure, leaves).map(Value::Sequence),
            _ => Tensor::tree_unflatten(structure, leaves).map(Value::Tensor),
        }
    }
}

impl Value {
    /// The tensors in it, each by the path that begins with this name.
    pub(super) fn named(&self, name: &str) -> Vec<(String, Tensor)> {
        let mut leaves = Vec::new();
        let paths = self.tree_flatten(&mut leaves).paths().into_iter();
        paths.map(|path| if path.is_empty() { name.to_string() } else { format!("{name}.{path}") }).zip(leaves).collect()
    }
}

/// What a file says of the type of a value.
#[derive(Clone, Debug)]
pub(super) enum Declared {
    /// A dtype, and a shape if the rank is known.
    Tensor(DType, Option<Shape>),
    Sequence(Box<Declared>),
    Optional(Box<Declared>),
}

/// The size that a free axis is traced at where a file does not say one: kernels and k reach no further in most models.
pub(super) const ASSUMED: usize = 64;
/// The size of a batch: one row would hide what mixes rows, and many would cost time.
const ASSUMED_BATCH: usize = 2;
/// The length of a sequence, which tables of positions exceed in most models.
const ASSUMED_SEQUENCE: usize = 16;

/// The size that an axis of this name is traced at; where it has none, the first axis is a batch.
fn assumed(name: Option<&str>, axis: usize) -> usize {
    let Some(name) = name.map(str::to_lowercase) else { return if axis == 0 { ASSUMED_BATCH } else { ASSUMED } };
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    match name.as_str() {
        "n" | "b" | "bs" => ASSUMED_BATCH,
        _ if has(&["batch"]) => ASSUMED_BATCH,
        "t" | "s" | "l" => ASSUMED_SEQUENCE,
        _ if has(&["seq", "token", "time", "past"]) => ASSUMED_SEQUENCE,
        _ => ASSUMED,
    }
}

impl Declared {
    /// The declared type of an input; a symbolic size keeps its name, or its expression where inputs have axes of all its symbols.
    /// `sizes` are those of the example, where the file knows them.
    pub(super) fn of(info: &ValueInfoProto, known: &BTreeSet<&str>, sizes: &BTreeMap<String, i64>) -> Result<Declared> {
        let ty = info.r#type.as_ref().ok_or_else(|| Error::unsupported("an input without a type"))?;
        let seen = |symbol: &str| Some(sizes.get(symbol).copied().unwrap_or(assumed(Some(symbol), 0) as i64));
        let length = |(axis, dim): (usize, &Dimension)| match &dim.value {
            Some(Length::DimValue(n)) if *n >= 0 => Dim::Fixed(*n),
            Some(Length::DimParam(name)) if is_symbol(name) && !is_reserved(name) => Dim::new(Expr::symbol(name), seen(name)),
            Some(Length::DimParam(text)) if expression(text, known).is_some() => {
                let expr = expression(text, known).unwrap_or_default();
                let seen = expr.eval(&seen);
                Dim::new(expr, seen)
            }
            _ => Dim::symbol(&symbol_of(&info.name, axis), assumed(None, axis)),
        };
        Declared::read(ty, &length, 0)
    }

    fn read(ty: &TypeProto, length: &dyn Fn((usize, &Dimension)) -> Dim, depth: usize) -> Result<Declared> {
        use proto::type_proto::Value as Kind;
        if depth > DEEPEST {
            return Err(Error::too_deep("types nested too deeply"));
        }
        let inside = |inner: &Option<Box<TypeProto>>| {
            let inner = inner.as_deref().ok_or_else(|| Error::damaged("a sequence or optional without an element type"))?;
            Declared::read(inner, length, depth + 1).map(Box::new)
        };
        match &ty.value {
            Some(Kind::TensorType(tensor)) => {
                if let Some(rank) = tensor.shape.as_ref().map(|shape| shape.dim.len()).filter(|&rank| rank > MOST_AXES) {
                    return Err(too_many_axes(rank));
                }
                let shape = tensor.shape.as_ref().map(|shape| shape.dim.iter().enumerate().map(length).collect());
                Ok(Declared::Tensor(tensor::dtype(tensor.elem_type)?, shape))
            }
            Some(Kind::SequenceType(list)) => inside(&list.elem_type).map(Declared::Sequence),
            Some(Kind::OptionalType(optional)) => inside(&optional.elem_type).map(Declared::Optional),
            _ => Err(Error::unsupported("unsupported input type: neither tensor, sequence nor optional")),
        }
    }

    /// The shape of a tensor, of known rank, that is not in a list.
    pub(super) fn shape(&self) -> Option<&Shape> {
        match self {
            Declared::Tensor(_, shape) => shape.as_ref(),
            Declared::Optional(inner) => inner.shape(),
            Declared::Sequence(_) => None,
        }
    }

    /// The type of a tensor of known rank.
    pub(super) fn type_of_tensor(&self) -> Option<Type> {
        match self {
            Declared::Tensor(dtype, Some(shape)) => Some(Type::new(*dtype, shape.clone())),
            _ => None,
        }
    }

    /// How many tensors it takes, an optional value being there: none can be said of a sequence.
    pub(super) fn leaves(&self) -> Option<usize> {
        match self {
            Declared::Tensor(..) => Some(1),
            Declared::Sequence(_) => None,
            Declared::Optional(inner) => inner.leaves(),
        }
    }

    /// A value of this type around tensors in order, of which `list` belong to the one list in it.
    fn around(&self, list: usize, leaves: &mut dyn Iterator<Item = Tensor>) -> Result<Value> {
        Ok(match self {
            Declared::Tensor(..) => Value::Tensor(leaves.next().ok_or_else(|| Error::input("too few inputs"))?),
            Declared::Sequence(_) => Value::Sequence(leaves.take(list).map(Value::Tensor).collect()),
            Declared::Optional(inner) => Value::Optional(Some(Box::new(inner.around(list, leaves)?))),
        })
    }

    /// A value of this type from tensors with their paths below it.
    pub(super) fn with_members(&self, name: &str, leaves: &[(&str, Tensor)]) -> Result<Value> {
        match (self, leaves) {
            (Declared::Optional(_), []) => Ok(Value::Optional(None)),
            (Declared::Optional(inner), _) => Ok(Value::Optional(Some(Box::new(inner.with_members(name, leaves)?)))),
            (Declared::Tensor(..), [("", tensor)]) => Ok(Value::Tensor(tensor.clone())),
            (Declared::Tensor(..), []) => Err(Error::input(format!("the input `{name}` is missing"))),
            (Declared::Tensor(..), _) => Err(Error::input(format!("the input `{name}` is one tensor"))),
            (Declared::Sequence(inner), _) => {
                let mut items: BTreeMap<usize, Vec<(&str, Tensor)>> = BTreeMap::new();
                for (path, tensor) in leaves {
                    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
                    let i = first
                        .parse()
                        .map_err(|_| Error::input(format!("`{name}` is a sequence: name its elements {name}.0, {name}.1 …")))?;
                    items.entry(i).or_default().push((rest, tensor.clone()));
                }
                if items.keys().enumerate().any(|(i, key)| i != *key) {
                    return Err(Error::input(format!("the elements of `{name}` have gaps")));
                }
                items
                    .iter()
                    .map(|(i, leaves)| inner.with_members(&format!("{name}.{i}"), leaves))
                    .collect::<Result<_>>()
                    .map(Value::Sequence)
            }
        }
    }

    /// Whether a value is of this type as far as that is declared, but for the sizes of axes.
    pub(super) fn accepts(&self, value: &Value) -> Result<()> {
        match (self, value) {
            (Declared::Optional(_), Value::Optional(None)) => Ok(()),
            (Declared::Optional(inner), Value::Optional(Some(value))) => inner.accepts(value),
            // What is there may be given as it is.
            (Declared::Optional(inner), value) => inner.accepts(value),
            (Declared::Sequence(inner), Value::Sequence(items)) => {
                let position = |i: usize| std::fmt::from_fn(move |f| write!(f, "element {i}"));
                items.iter().enumerate().try_for_each(|(i, item)| inner.accepts(item).at(position(i)))
            }
            (Declared::Tensor(dtype, shape), Value::Tensor(tensor)) => {
                let fits = shape.as_ref().is_none_or(|shape| shape.len() == tensor.rank());
                if *dtype != tensor.dtype() || !fits {
                    let shape = shape.as_ref().map_or_else(String::new, Shape::to_string);
                    return Err(Error::input(format!("expected {dtype}{shape}, got {}", tensor.ty())));
                }
                Ok(())
            }
            (Declared::Tensor(..), _) => Err(Error::input("expected a tensor")),
            (Declared::Sequence(_), _) => Err(Error::input("expected a sequence")),
        }
    }
}

/// Values of these types around tensors in order: the length of the only list among them follows from how many there are.
pub(super) fn around(inputs: &[(String, Declared)], leaves: &[Tensor]) -> Result<Vec<Value>> {
    let lists = inputs.iter().filter(|input| input.1.leaves().is_none()).count();
    let others: usize = inputs.iter().filter_map(|input| input.1.leaves()).sum();
    let list = leaves.len().saturating_sub(others);
    if lists > 1 || leaves.len() < others || (lists == 0 && list > 0) {
        return Err(Error::input(format!("expected {} inputs, got {}", inputs.len(), leaves.len()))
            .help("use `OnnxModule::arranged` to set the lengths of sequences and which optional inputs are absent"));
    }
    let mut leaves = leaves.iter().cloned();
    inputs.iter().map(|(name, declared)| declared.around(list, &mut leaves).at(format!("input {name}"))).collect()
}

/// The names that are the whole size of an axis of a tensor.
pub(super) fn symbols(info: &ValueInfoProto) -> Vec<&str> {
    let Some(proto::type_proto::Value::TensorType(ty)) = info.r#type.as_ref().and_then(|ty| ty.value.as_ref()) else { return Vec::new() };
    let name = |dim: &'_ Dimension| matches!(&dim.value, Some(Length::DimParam(name)) if is_symbol(name));
    let named = ty.shape.iter().flat_map(|shape| &shape.dim).filter(|dim| name(dim));
    named.filter_map(|dim| if let Some(Length::DimParam(name)) = &dim.value { Some(name.as_str()) } else { None }).collect()
}

/// The expression of a text, where all of its symbols are known.
fn expression(text: &str, known: &BTreeSet<&str>) -> Option<Expr> {
    Expr::parse(text).filter(|expr| expr.symbols().iter().all(|symbol| known.contains(&**symbol)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_of_more_than_256_axes_is_refused_where_it_is_declared_and_where_it_is_made() {
        let declared =
            |axes: usize| Declared::of(&crate::onnx::sample::value("x", 1, &vec!["1"; axes]), &BTreeSet::new(), &BTreeMap::new());
        let made = |axes: usize| Tensor::from(&[1f32]).reshape(vec![1; axes]);
        assert!(declared(256).is_ok() && made(256).is_ok());
        let codes = (declared(257).unwrap_err().code(), made(257).unwrap_err().code());
        assert_eq!(codes, (crate::ErrorCode::TooBig, crate::ErrorCode::TooBig));
    }

    #[test]
    fn free_axes_are_traced_at_sizes_that_fit_their_use() {
        let named = [("batch_size", 2), ("N", 2), ("seq_len", 16), ("past_tokens", 16), ("height", 64), ("k", 64)];
        for (name, size) in named {
            assert_eq!(assumed(Some(name), 0), size, "{name}");
        }
        assert_eq!((assumed(None, 0), assumed(None, 2)), (2, 64));
    }
}
