//! Attributes of a node: named, typed values.

use super::Graph;
use crate::array::{Array, DType, Scalar};
use crate::dim::{Dim, Shape};
use crate::error::Result;
use crate::onnx::proto::{AttributeProto, attribute_proto::AttributeType};
use crate::onnx::tensor;
use prost::Message;
use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The value of an attribute.
///
/// Two values are equal where they have one kind and the same content: floats to the bit, symbolic dimensions as expressions (whatever they are in
/// the example), tensors by dtype, shape and elements, graphs by structure.
#[derive(Clone)]
#[non_exhaustive]
pub enum Attribute {
    /// A truth value. ONNX writes it as the integer 0 or 1.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A text.
    String(Cow<'static, str>),
    /// An element type.
    DType(DType),
    /// A size, fixed or symbolic.
    Dim(Dim),
    /// A tensor.
    Tensor(Array),
    /// A graph: a branch or the body of a loop.
    Graph(Arc<Graph>),
    /// Several values.
    List(Vec<Attribute>),
}

/// The attributes of a node in a fixed order, under the names that ONNX gives them. A size or an axis that ONNX takes as an input, and that is
/// constant or symbolic here, is an attribute under the name of that input.
///
/// They hold everything that an operator computes from besides its inputs: two operators of one name with equal attributes give equal outputs
/// of equal inputs, unless they are random.
///
/// ```
/// use ontrace::graph::Attributes;
/// let attributes = Attributes::new().with("axis", 1).with("epsilon", 1e-5f32);
/// assert_eq!(attributes.to_string(), "axis=1, epsilon=1e-5");
/// assert_ne!(attributes, Attributes::new().with("axis", 1).with("epsilon", 1e-6f32));
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Attributes(Vec<(Cow<'static, str>, Attribute)>);

impl Attributes {
    /// No attributes.
    pub fn new() -> Attributes {
        Attributes::default()
    }

    /// These and one more.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Attribute>) -> Attributes {
        self.0.push((name.into(), value.into()));
        self
    }

    /// These and one more, where there is a value.
    #[must_use]
    pub fn with_some(self, name: impl Into<Cow<'static, str>>, value: Option<impl Into<Attribute>>) -> Attributes {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The attribute of this name.
    pub fn get(&self, name: &str) -> Option<&Attribute> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Attribute)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sizes among the values, those of nested graphs included.
    pub fn dims(&self) -> Vec<Dim> {
        let mut dims = Vec::new();
        self.0.iter().for_each(|(_, value)| value.push_dims(&mut dims));
        dims
    }

    /// The attributes of an ONNX node. A graph, of which nothing is known but its encoding, is a tensor of bytes.
    ///
    /// # Errors
    /// Where a tensor among them cannot be decoded.
    pub(crate) fn from_proto(attributes: &[AttributeProto]) -> Result<Attributes> {
        let named = |proto: &AttributeProto| Ok((Cow::from(proto.name.clone()), value(proto)?));
        attributes.iter().map(named).collect::<Result<_>>().map(Attributes)
    }
}

fn value(proto: &AttributeProto) -> Result<Attribute> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(match AttributeType::try_from(proto.r#type) {
        Ok(AttributeType::Int) => proto.i.into(),
        Ok(AttributeType::Ints) => proto.ints.as_slice().into(),
        Ok(AttributeType::Float) => proto.f.into(),
        Ok(AttributeType::Floats) => proto.floats.as_slice().into(),
        Ok(AttributeType::String) => text(&proto.s).into(),
        Ok(AttributeType::Strings) => proto.strings.iter().map(|bytes| text(bytes)).collect::<Vec<_>>().into(),
        Ok(AttributeType::Tensor) if let Some(inner) = &proto.t => tensor::array(inner)?.into(),
        _ => Array::vector(proto.encode_to_vec()).into(),
    })
}

impl Attribute {
    fn push_dims(&self, dims: &mut Vec<Dim>) {
        match self {
            Attribute::Dim(dim) => dims.push(dim.clone()),
            Attribute::List(values) => values.iter().for_each(|value| value.push_dims(dims)),
            Attribute::Graph(graph) => dims.extend(graph.nodes().iter().flat_map(|node| node.op.dims())),
            _ => {}
        }
    }
}

impl PartialEq for Attribute {
    fn eq(&self, other: &Attribute) -> bool {
        match (self, other) {
            (Attribute::Bool(a), Attribute::Bool(b)) => a == b,
            (Attribute::Int(a), Attribute::Int(b)) => a == b,
            (Attribute::Float(a), Attribute::Float(b)) => a.to_bits() == b.to_bits(),
            (Attribute::String(a), Attribute::String(b)) => a == b,
            (Attribute::DType(a), Attribute::DType(b)) => a == b,
            (Attribute::Dim(a), Attribute::Dim(b)) => a == b,
            (Attribute::Tensor(a), Attribute::Tensor(b)) => a.is_same(b) || a.same_bytes(b),
            (Attribute::Graph(a), Attribute::Graph(b)) => Arc::ptr_eq(a, b) || a.structurally_equals(b),
            (Attribute::List(a), Attribute::List(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Attribute {}

impl Hash for Attribute {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Attribute::Bool(x) => x.hash(state),
            Attribute::Int(x) => x.hash(state),
            Attribute::Float(x) => x.to_bits().hash(state),
            Attribute::String(x) => x.hash(state),
            Attribute::DType(x) => x.hash(state),
            Attribute::Dim(x) => x.expr().hash(state),
            Attribute::Tensor(x) => x.hash_bytes(state),
            Attribute::Graph(x) => x.structural_hash().hash(state),
            Attribute::List(x) => x.hash(state),
        }
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Attribute::Bool(x) => write!(f, "{x}"),
            Attribute::Int(x) => write!(f, "{x}"),
            // The shortest text that gives the number back, in the precision that it has.
            Attribute::Float(x) if f64::from(*x as f32) == *x => write!(f, "{:?}", *x as f32),
            Attribute::Float(x) => write!(f, "{x:?}"),
            Attribute::String(x) => write!(f, "{x:?}"),
            Attribute::DType(x) => write!(f, "{x}"),
            Attribute::Dim(x) => write!(f, "{x}"),
            Attribute::Tensor(x) if x.len() <= 16 => write!(f, "{}{:?} {x}", x.dtype(), x.shape()),
            Attribute::Tensor(x) => write!(f, "{}{:?}", x.dtype(), x.shape()),
            Attribute::Graph(x) => write!(f, "{}", x.to_string().replace('\n', "\n  ")),
            Attribute::List(values) => {
                f.write_str("[")?;
                for (i, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if i == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
        }
    }
}

impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, value)) in self.0.iter().enumerate() {
            write!(f, "{}{name}={value}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}

/// Conversions into one kind of value.
macro_rules! conversions {
    ($($from:ty => $Kind:ident $convert:expr;)*) => {
        $(impl From<$from> for Attribute {
            fn from(x: $from) -> Attribute {
                Attribute::$Kind($convert(x))
            }
        })*
    };
}

conversions! {
    bool => Bool |x| x;
    i32 => Int i64::from;
    i64 => Int |x| x;
    usize => Int |x| x as i64;
    f32 => Float f64::from;
    f64 => Float |x| x;
    &'static str => String Cow::from;
    String => String Cow::from;
    DType => DType |x| x;
    Dim => Dim |x| x;
    &Dim => Dim Dim::clone;
    Array => Tensor |x| x;
    Arc<Graph> => Graph |x| x;
    &Arc<Graph> => Graph Arc::clone;
    &Shape => List |x: &Shape| x.iter().map(Attribute::from).collect();
}

impl From<Scalar> for Attribute {
    fn from(x: Scalar) -> Attribute {
        match x {
            Scalar::Bool(x) => x.into(),
            Scalar::Int(x) => x.into(),
            Scalar::Float(x) => x.into(),
        }
    }
}

impl<T: Into<Attribute>> From<Vec<T>> for Attribute {
    fn from(values: Vec<T>) -> Attribute {
        Attribute::List(values.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Attribute> + Clone> From<&[T]> for Attribute {
    fn from(values: &[T]) -> Attribute {
        Attribute::List(values.iter().cloned().map(Into::into).collect())
    }
}

impl<T: Into<Attribute> + Clone> From<&Vec<T>> for Attribute {
    fn from(values: &Vec<T>) -> Attribute {
        values.as_slice().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_compared_by_their_bits() {
        let of = |x: f32| Attributes::new().with("alpha", x);
        assert_ne!(of(0.0), of(-0.0));
        assert_eq!(of(f32::NAN), of(f32::NAN));
    }

    #[test]
    fn a_value_is_not_its_text() {
        assert_ne!(Attributes::new().with("k", "5"), Attributes::new().with("k", 5));
        assert_ne!(Attributes::new().with("k", 1), Attributes::new().with("k", true));
    }

    #[test]
    fn a_symbolic_dimension_is_its_expression_whatever_it_is_in_the_example() {
        let shape = |example: usize| Attributes::new().with("shape", vec![Dim::symbol("n", example) * 2i64, Dim::Fixed(3)]);
        assert_eq!(shape(5), shape(7));
        assert_eq!(shape(5).to_string(), "shape=[2*n, 3]");
        assert_ne!(shape(5), Attributes::new().with("shape", vec![Dim::Fixed(10), Dim::Fixed(3)]));
    }

    #[test]
    fn what_is_equal_has_one_hash() {
        let hash = |x: &Attributes| {
            let mut hasher = std::hash::DefaultHasher::new();
            x.hash(&mut hasher);
            hasher.finish()
        };
        let (a, b) = (Attributes::new().with("n", Dim::symbol("n", 2)), Attributes::new().with("n", Dim::symbol("n", 3)));
        assert_eq!(hash(&a), hash(&b));
        assert_ne!(hash(&a), hash(&Attributes::new().with("n", Dim::symbol("m", 2))));
    }
}
