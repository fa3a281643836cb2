//! The arguments of a call, bound to the names and defaults of a schema.

use super::complex::{Complex, Pair};
use super::schema::{Default, Kind, Schema};
use super::value::{Value, View};
use crate::array::{DType, Scalar};
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The arguments of a call in the order of the schema, defaults filled in.
pub(crate) struct Args<'a> {
    pub(crate) schema: &'a Schema,
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

    /// The arguments as they are.
    pub(crate) fn values(&self) -> &[Value] {
        &self.values
    }

    fn named<T>(&self, i: usize, result: Result<T>) -> Result<T> {
        result.map_err(|error| error.at(self.schema.arguments.get(i).map_or("argument", |argument| &argument.name)))
    }

    /// The value of an argument.
    pub(crate) fn value(&self, i: usize) -> Result<&Value> {
        self.values.get(i).ok_or_else(|| Error::internal(format!("{} has no argument {i}", self.schema.name)))
    }

    /// A tensor that can be written to.
    pub(crate) fn view(&self, i: usize) -> Result<&View> {
        self.named(i, self.value(i)?.view())
    }

    /// A tensor; a number is one of rank 0.
    pub(crate) fn tensor(&self, i: usize) -> Result<Tensor> {
        let value = self.value(i)?;
        self.named(
            i,
            match value {
                Value::Tensor(view) => view.read(),
                Value::Int(dim) => Ok(Tensor::from_dim(dim).weakened()),
                other => other.number().map(Tensor::weak),
            },
        )
    }

    /// A tensor, or none.
    pub(crate) fn opt_tensor(&self, i: usize) -> Result<Option<Tensor>> {
        if self.is_none(i) { Ok(None) } else { self.tensor(i).map(Some) }
    }

    /// Whether the argument is complex.
    pub(crate) fn is_complex(&self, i: usize) -> bool {
        matches!(self.values.get(i), Some(Value::Complex(_)))
    }

    /// The numbers of a complex tensor.
    pub(crate) fn complex(&self, i: usize) -> Result<Complex> {
        self.pair(i)?.read()
    }

    /// A complex tensor, whose parts can be written to.
    pub(crate) fn pair(&self, i: usize) -> Result<&Pair> {
        match self.value(i)? {
            Value::Complex(pair) => Ok(pair),
            other => self.named(i, Err(Error::argument(format!("expected complex numbers, got {}", other.kind())))),
        }
    }

    /// A list of tensors.
    pub(crate) fn tensors(&self, i: usize) -> Result<Vec<Tensor>> {
        let elements = self.named(i, self.value(i)?.elements())?;
        elements.iter().map(|value| self.named(i, value.view().and_then(View::read))).collect()
    }

    /// A list of tensors some of which may be absent.
    pub(crate) fn opt_tensors(&self, i: usize) -> Result<Vec<Option<Tensor>>> {
        let elements = self.named(i, self.value(i)?.elements())?;
        let tensor = |value: &Value| match value {
            Value::None => Ok(None),
            value => self.named(i, value.view().and_then(View::read)).map(Some),
        };
        elements.iter().map(tensor).collect()
    }

    /// Whether the argument is None.
    pub(crate) fn is_none(&self, i: usize) -> bool {
        matches!(self.values.get(i), None | Some(Value::None))
    }

    /// An integer, which may be a length.
    pub(crate) fn dim(&self, i: usize) -> Result<Dim> {
        self.named(i, self.value(i)?.dim())
    }

    /// An integer, which may be a length, or none.
    pub(crate) fn opt_dim(&self, i: usize) -> Result<Option<Dim>> {
        if self.is_none(i) { Ok(None) } else { self.dim(i).map(Some) }
    }

    /// An integer that is the same at every call.
    pub(crate) fn int(&self, i: usize) -> Result<i64> {
        let dim = self.dim(i)?;
        self.named(i, dim.fixed().ok_or_else(|| Error::size(format!("expected a fixed int, got the length `{dim}`"))))
    }

    /// Integers, which may be lengths; one integer is a list of one.
    pub(crate) fn dims(&self, i: usize) -> Result<Vec<Dim>> {
        let value = self.value(i)?;
        self.named(
            i,
            match value {
                Value::Int(dim) => Ok(vec![dim.clone()]),
                // A tensor of lengths where torch unpacks one.
                Value::Tensor(view) => view.read().and_then(|tensor| match tensor.symbolic_values() {
                    Some(dims) => Ok(dims.dims.clone()),
                    None => Err(Error::no_value("a list of ints that depends on data")),
                }),
                other => other.elements().and_then(|elements| elements.iter().map(Value::dim).collect()),
            },
        )
    }

    /// Integers that are the same at every call.
    pub(crate) fn ints(&self, i: usize) -> Result<Vec<i64>> {
        let fixed = |dim: Dim| dim.fixed().ok_or_else(|| Error::size(format!("expected fixed ints, got the length `{dim}`")));
        let ints = self.dims(i)?.into_iter().map(fixed).collect();
        self.named(i, ints)
    }

    /// Integers, or none.
    pub(crate) fn opt_ints(&self, i: usize) -> Result<Option<Vec<i64>>> {
        if self.is_none(i) { Ok(None) } else { self.ints(i).map(Some) }
    }

    /// As many counts (not negative) as there are axes; one counts for all.
    pub(crate) fn counts(&self, i: usize, axes: usize) -> Result<Vec<usize>> {
        let count = |n: i64| usize::try_from(n).map_err(|_| Error::argument(format!("{n} is negative")));
        let counts: Vec<usize> = self.named(i, self.ints(i)?.into_iter().map(count).collect())?;
        match counts.as_slice() {
            [one] => Ok(vec![*one; axes]),
            many if many.len() == axes => Ok(counts),
            many => self.named(i, Err(Error::argument(format!("{} numbers for {axes} axes", many.len())))),
        }
    }

    /// A number.
    pub(crate) fn number(&self, i: usize) -> Result<Scalar> {
        self.named(i, self.value(i)?.number())
    }

    /// A number, or none.
    pub(crate) fn opt_number(&self, i: usize) -> Result<Option<Scalar>> {
        if self.is_none(i) { Ok(None) } else { self.number(i).map(Some) }
    }

    /// A number as a float.
    pub(crate) fn float(&self, i: usize) -> Result<f64> {
        self.number(i).map(Scalar::to_f64)
    }

    /// A number as a float, or none.
    pub(crate) fn opt_float(&self, i: usize) -> Result<Option<f64>> {
        if self.is_none(i) { Ok(None) } else { self.float(i).map(Some) }
    }

    /// A truth value.
    pub(crate) fn flag(&self, i: usize) -> Result<bool> {
        self.number(i).map(|number| number.to_f64() != 0.0)
    }

    /// A string, or none.
    pub(crate) fn opt_str(&self, i: usize) -> Result<Option<&str>> {
        match self.value(i)? {
            Value::None => Ok(None),
            Value::Str(text) => Ok(Some(text)),
            other => self.named(i, Err(Error::argument(format!("expected a string, got {}", other.kind())))),
        }
    }

    /// A dtype by its number in torch, or none.
    pub(crate) fn opt_dtype(&self, i: usize) -> Result<Option<DType>> {
        if self.is_none(i) { Ok(None) } else { self.named(i, scalar_type(self.int(i)?)).map(Some) }
    }
}

/// torch's numbers of dtypes, `c10::ScalarType`.
const SCALAR_TYPES: &[(i64, DType)] = &[
    (0, DType::U8),
    (1, DType::I8),
    (2, DType::I16),
    (3, DType::I32),
    (4, DType::I64),
    (5, DType::F16),
    (6, DType::F32),
    (7, DType::F64),
    (11, DType::Bool),
    (15, DType::BF16),
    (23, DType::F8E5M2),
    (24, DType::F8E4M3FN),
    (25, DType::F8E5M2FNUZ),
    (26, DType::F8E4M3FNUZ),
    (27, DType::U16),
    (28, DType::U32),
    (29, DType::U64),
    (44, DType::F8E8M0),
];

/// torch's numbers of complex dtypes, and the dtype of the parts.
pub(super) const COMPLEX_TYPES: &[(i64, DType)] = &[(8, DType::F16), (9, DType::F32), (10, DType::F64)];

/// The dtype with this number in torch.
pub(crate) fn scalar_type(number: i64) -> Result<DType> {
    let row = SCALAR_TYPES.iter().find(|row| row.0 == number);
    row.map(|row| row.1).ok_or_else(|| Error::unsupported(format!("torch's dtype number {number}, which is complex, quantised or unknown")))
}

/// The number that torch gives a dtype.
pub(crate) fn scalar_type_number(dtype: DType) -> i64 {
    SCALAR_TYPES.iter().find(|row| row.1 == dtype).map_or(-1, |row| row.0)
}

/// Whether a value can be an argument of this kind.
fn fits(value: &Value, kind: &Kind) -> bool {
    match (kind, value) {
        (Kind::Optional(_), Value::None) => true,
        (Kind::Optional(kind), value) => fits(value, kind),
        (Kind::List(kind, _), Value::List(values)) => values.borrow().iter().all(|value| fits(value, kind)),
        (Kind::List(kind, _), Value::Tuple(values)) => values.iter().all(|value| fits(value, kind)),
        // One int where a list of a given length is expected stands for all of them.
        (Kind::List(kind, Some(_)), value) => !matches!(**kind, Kind::Tensor) && fits(value, kind),
        (Kind::Tensor, Value::Tensor(_)) | (Kind::Complex, Value::Complex(_)) => true,
        (Kind::Int | Kind::ScalarType | Kind::Layout | Kind::MemoryFormat, Value::Int(_)) => true,
        (Kind::Int, Value::Tensor(view)) => view.read().is_ok_and(|tensor| tensor.rank() == 0 && tensor.dtype().is_int()),
        (Kind::Float, Value::Float(_) | Value::Int(_)) => true,
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
