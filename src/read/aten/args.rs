//! The arguments of a call, bound to a schema and read by name.

use super::scalar_type::scalar_type;
use super::schema::{Default, Kind, Schema};
use super::value::{Pair, Value, View};
use crate::array::{DType, PromotionPriority, Scalar};
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::ops::fourier::Complex;
use crate::tensor::{Tensor, size};

/// The arguments of a call, defaults filled in. Each getter takes the argument's name in the schema; a name that the schema does not have is an
/// internal error, and a test compares the names in the source of every row with its schema.
pub(crate) struct Args<'a> {
    schema: &'a Schema,
    values: Vec<Value>,
}

impl<'a> Args<'a> {
    /// Binds a call to a schema; `None` where it does not fit, so that the next overload is tried.
    pub(crate) fn bind(schema: &'a Schema, positional: &[Value], named: &[(String, Value)]) -> Option<Args<'a>> {
        let mut given: Vec<Option<Value>> = vec![None; schema.arguments.len()];
        for (i, value) in positional.iter().enumerate() {
            if schema.arguments.get(i)?.keyword_only {
                return None;
            }
            given[i] = Some(value.clone());
        }
        for (name, value) in named {
            let i = schema.arguments.iter().position(|argument| argument.name == *name)?;
            if given[i].replace(value.clone()).is_some() {
                return None;
            }
        }
        let values = given.into_iter().zip(&schema.arguments).map(|(value, argument)| match (value, &argument.default) {
            (Some(value), _) => fits(&value, &argument.kind).then_some(value),
            (None, Some(default)) => Some(constant(default)),
            (None, None) => None,
        });
        Some(Args { schema, values: values.collect::<Option<_>>()? })
    }

    /// Adds the argument's name to an error.
    fn named<T>(&self, name: &str, result: Result<T>) -> Result<T> {
        result.map_err(|error| error.at(name))
    }

    /// Whether the schema has an argument of this name: for helpers of rows of which only some have it.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.schema.arguments.iter().any(|argument| argument.name == name)
    }

    /// The name of the first argument, which some schemas call `self` and others `input`.
    pub(crate) fn first(&self) -> &'a str {
        self.schema.arguments.first().map_or("", |argument| &argument.name)
    }

    /// The value of an argument.
    pub(crate) fn value(&self, name: &str) -> Result<&Value> {
        let value = self.schema.arguments.iter().zip(&self.values).find(|(argument, _)| argument.name == name);
        value.map(|(_, value)| value).ok_or_else(|| Error::internal(format!("the schema of {} has no argument `{name}`", self.schema.name)))
    }

    /// A tensor that can be written to.
    pub(crate) fn view(&self, name: &str) -> Result<&View> {
        self.named(name, self.value(name)?.view())
    }

    /// A tensor; a number is one of rank 0.
    pub(crate) fn tensor(&self, name: &str) -> Result<Tensor> {
        let value = self.value(name)?;
        self.named(
            name,
            match value {
                Value::Tensor(view) => view.read(),
                Value::Int(dim) => Ok(Tensor::from_dim(dim).weakened()),
                other => other.number().map(Tensor::weak),
            },
        )
    }

    /// A tensor, or none.
    pub(crate) fn opt_tensor(&self, name: &str) -> Result<Option<Tensor>> {
        if self.is_none(name)? { Ok(None) } else { self.tensor(name).map(Some) }
    }

    /// Whether the argument is complex.
    pub(crate) fn is_complex(&self, name: &str) -> Result<bool> {
        Ok(matches!(self.value(name)?, Value::Complex(_)))
    }

    /// The parts of a complex tensor.
    pub(crate) fn complex(&self, name: &str) -> Result<Complex> {
        self.pair(name)?.read()
    }

    /// A complex tensor, whose parts can be written to.
    pub(crate) fn pair(&self, name: &str) -> Result<&Pair> {
        match self.value(name)? {
            Value::Complex(pair) => Ok(pair),
            other => self.named(name, Err(Error::argument(format!("expected a complex Tensor, got {}", other.kind())))),
        }
    }

    /// A list of tensors.
    pub(crate) fn tensors(&self, name: &str) -> Result<Vec<Tensor>> {
        let elements = self.named(name, self.value(name)?.elements())?;
        elements.iter().map(|value| self.named(name, value.view().and_then(View::read))).collect()
    }

    /// A list of tensors, each by itself (`false`) or as many as its first axis is long (`true`).
    pub(crate) fn tensor_parts(&self, name: &str) -> Result<Vec<(Tensor, bool)>> {
        let part = |item: &Value| match item {
            Value::Part(Some(view)) => Ok((view.read()?, true)),
            value => self.named(name, value.view().and_then(View::read)).map(|tensor| (tensor, false)),
        };
        self.named(name, self.value(name)?.items())?.iter().map(part).collect()
    }

    /// A list of tensors some of which may be absent.
    pub(crate) fn opt_tensors(&self, name: &str) -> Result<Vec<Option<Tensor>>> {
        let elements = self.named(name, self.value(name)?.elements())?;
        let tensor = |value: &Value| match value {
            Value::None => Ok(None),
            value => self.named(name, value.view().and_then(View::read)).map(Some),
        };
        elements.iter().map(tensor).collect()
    }

    /// Whether the argument is None.
    pub(crate) fn is_none(&self, name: &str) -> Result<bool> {
        Ok(matches!(self.value(name)?, Value::None))
    }

    /// An integer, which may be a symbolic size.
    pub(crate) fn dim(&self, name: &str) -> Result<Dim> {
        self.named(name, self.value(name)?.dim())
    }

    /// An integer, which may be a symbolic size, or none.
    pub(crate) fn opt_dim(&self, name: &str) -> Result<Option<Dim>> {
        if self.is_none(name)? { Ok(None) } else { self.dim(name).map(Some) }
    }

    /// An integer that is the same at every call.
    pub(crate) fn int(&self, name: &str) -> Result<i64> {
        let dim = self.dim(name)?;
        if dim.depends_on_values() {
            return self.named(name, size::integer(&dim));
        }
        self.named(name, dim.fixed().ok_or_else(|| Error::size(format!("expected a fixed int, got the symbolic size `{dim}`"))))
    }

    /// Integers, which may be symbolic sizes; one integer is a list of one.
    pub(crate) fn dims(&self, name: &str) -> Result<Vec<Dim>> {
        let value = self.value(name)?;
        self.named(
            name,
            match value {
                Value::Int(dim) => Ok(vec![dim.clone()]),
                // A tensor of sizes where torch unpacks one.
                Value::Tensor(view) => view.read().and_then(|tensor| tensor.to_dims()),
                other => other.elements().and_then(|elements| elements.iter().map(Value::dim).collect()),
            },
        )
    }

    /// Integers that are the same at every call.
    pub(crate) fn ints(&self, name: &str) -> Result<Vec<i64>> {
        let fixed = |dim: Dim| match dim.depends_on_values() {
            true => size::integer(&dim),
            false => dim.fixed().ok_or_else(|| Error::size(format!("expected fixed ints, got the symbolic size `{dim}`"))),
        };
        let ints = self.dims(name)?.into_iter().map(fixed).collect();
        self.named(name, ints)
    }

    /// Integers, or none.
    pub(crate) fn opt_ints(&self, name: &str) -> Result<Option<Vec<i64>>> {
        if self.is_none(name)? { Ok(None) } else { self.ints(name).map(Some) }
    }

    /// As many sizes, which may be symbolic, as there are axes; one counts for all.
    pub(crate) fn sizes(&self, name: &str, axes: usize) -> Result<Vec<Dim>> {
        match self.dims(name)?.as_slice() {
            [one] => Ok(vec![one.clone(); axes]),
            many if many.len() == axes => Ok(many.to_vec()),
            many => self.named(name, Err(Error::argument(format!("{} values for {axes} axes", many.len())))),
        }
    }

    /// As many counts (not negative) as there are axes; one counts for all.
    pub(crate) fn counts(&self, name: &str, axes: usize) -> Result<Vec<usize>> {
        let count = |n: i64| usize::try_from(n).map_err(|_| Error::argument(format!("{n} must not be negative")));
        let counts: Vec<usize> = self.named(name, self.ints(name)?.into_iter().map(count).collect())?;
        match counts.as_slice() {
            [one] => Ok(vec![*one; axes]),
            many if many.len() == axes => Ok(counts),
            many => self.named(name, Err(Error::argument(format!("{} values for {axes} axes", many.len())))),
        }
    }

    /// A number.
    pub(crate) fn number(&self, name: &str) -> Result<Scalar> {
        self.named(name, self.value(name)?.number())
    }

    /// Whether a number differs from call to call: then it is a [`tensor`](Args::tensor).
    pub(crate) fn varies(&self, name: &str) -> Result<bool> {
        Ok(match self.value(name)? {
            Value::Int(dim) => dim.is_symbolic(),
            Value::Tensor(view) => view.read()?.varies(),
            _ => false,
        })
    }

    /// The tensor times a number of the call, which is mostly 1.
    pub(crate) fn scaled(&self, x: Tensor, name: &str) -> Result<Tensor> {
        if self.varies(name)? {
            return x.mul(self.tensor(name)?);
        }
        let factor = self.number(name)?;
        // The factor of integers is cut to an integer.
        let factor = if x.dtype().is_int() { Scalar::Int(factor.to_i64()) } else { factor };
        if factor.to_f64() == 1.0 { Ok(x) } else { x.mul(Tensor::weak(factor)) }
    }

    /// A number, or none.
    pub(crate) fn opt_number(&self, name: &str) -> Result<Option<Scalar>> {
        if self.is_none(name)? { Ok(None) } else { self.number(name).map(Some) }
    }

    /// A number as a float.
    pub(crate) fn float(&self, name: &str) -> Result<f64> {
        self.number(name).map(Scalar::to_f64)
    }

    /// A number as a float, or none.
    pub(crate) fn opt_float(&self, name: &str) -> Result<Option<f64>> {
        if self.is_none(name)? { Ok(None) } else { self.float(name).map(Some) }
    }

    /// A truth value.
    pub(crate) fn flag(&self, name: &str) -> Result<bool> {
        self.number(name).map(|number| number.to_f64() != 0.0)
    }

    /// A string, or none.
    pub(crate) fn opt_str(&self, name: &str) -> Result<Option<&str>> {
        match self.value(name)? {
            Value::None => Ok(None),
            Value::Str(text) => Ok(Some(text)),
            other => self.named(name, Err(Error::argument(format!("expected a string, got {}", other.kind())))),
        }
    }

    /// A dtype by its number in torch, or none.
    pub(crate) fn opt_dtype(&self, name: &str) -> Result<Option<DType>> {
        if self.is_none(name)? { Ok(None) } else { self.named(name, scalar_type(self.int(name)?)).map(Some) }
    }
}

/// Whether a value can be an argument of this kind.
fn fits(value: &Value, kind: &Kind) -> bool {
    match (kind, value) {
        (Kind::Optional(_), Value::None) => true,
        (Kind::Optional(kind), value) => fits(value, kind),
        (Kind::List(kind, _), Value::List(values)) => values.borrow().iter().all(|value| fits(value, kind)),
        (Kind::List(kind, _), Value::Tuple(values)) => values.iter().all(|value| fits(value, kind)),
        (Kind::Tensor, Value::Part(_)) => true,
        // One int where a list of a given length is expected stands for all of them.
        (Kind::List(kind, Some(_)), value) => !matches!(**kind, Kind::Tensor) && fits(value, kind),
        (Kind::Tensor, Value::Tensor(_)) | (Kind::Complex, Value::Complex(_)) => true,
        (Kind::Int | Kind::ScalarType | Kind::Layout | Kind::MemoryFormat, Value::Int(_)) => true,
        (Kind::Int, Value::Tensor(view)) => view.read().is_ok_and(|tensor| tensor.numel() == 1 && tensor.dtype().is_int()),
        (Kind::Float, Value::Float(_) | Value::Int(_)) => true,
        (Kind::Float, Value::Tensor(view)) => {
            view.read().is_ok_and(|tensor| tensor.rank() == 0 && tensor.strength() == PromotionPriority::Weak)
        }
        (Kind::Bool, Value::Bool(_)) => true,
        (Kind::Scalar, Value::Int(_) | Value::Float(_) | Value::Bool(_)) => true,
        (Kind::Scalar, Value::Tensor(view)) => view.read().is_ok_and(|tensor| tensor.rank() == 0),
        (Kind::Str, Value::Str(_)) => true,
        (Kind::Device, Value::Device) => true,
        (Kind::Any, _) => true,
        _ => false,
    }
}

fn constant(default: &Default) -> Value {
    match default {
        Default::None => Value::None,
        Default::Bool(x) => Value::Bool(*x),
        Default::Int(x) => Value::Int(Dim::Fixed(*x)),
        Default::Float(x) => Value::Float(*x),
        Default::Str(x) => Value::Str(x.as_str().into()),
        Default::List(values) => Value::list(values.iter().map(constant).collect()),
    }
}

/// The integers in a tensor on whose values a size of the result depends: what is traced holds for these values only.
pub(super) fn ints_in(tensor: &Tensor) -> Result<Vec<i64>> {
    tensor.to_array()?.to_i64s()
}
