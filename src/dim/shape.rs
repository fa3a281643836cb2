//! Shapes and types: what is known of a tensor before its values are.

use super::{Constraints, Dim};
use crate::array::{Array, DType};
use crate::error::{Error, Result};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The size of each axis; cheap to clone.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Shape(Arc<[Dim]>);

impl Shape {
    /// The shape with these sizes.
    pub fn new(dims: impl Into<Shape>) -> Shape {
        dims.into()
    }

    /// A shape that is the same at every call.
    pub fn fixed(sizes: &[usize]) -> Shape {
        sizes.iter().copied().collect()
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The number of elements.
    pub fn numel(&self) -> Dim {
        self.0.iter().cloned().product()
    }

    /// The axis that a torch index (negative from the end) names.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where there is no such axis.
    pub fn axis(&self, index: i64) -> Result<usize> {
        axis(index, self.rank())
    }

    /// The sizes in the example, where all are known.
    pub fn example(&self) -> Option<Vec<usize>> {
        self.0.iter().map(|dim| dim.example().and_then(|n| usize::try_from(n).ok())).collect()
    }

    /// The sizes as values.
    ///
    /// # Errors
    /// [`Size`](crate::ErrorCode::Size) where one is symbolic, [`Shape`](crate::ErrorCode::Shape) where one is negative.
    pub fn to_fixed(&self) -> Result<Vec<usize>> {
        let size = |dim: &Dim| {
            let n = dim.fixed().ok_or_else(|| Error::size(format!("expected fixed sizes, got shape {self}")))?;
            usize::try_from(n).map_err(|_| Error::shape(format!("negative size in shape {self}")))
        };
        self.0.iter().map(size).collect()
    }

    /// Whether any size is symbolic.
    pub fn is_symbolic(&self) -> bool {
        self.0.iter().any(Dim::is_symbolic)
    }

    /// Whether all sizes [agree](Dim::agrees) under these constraints.
    pub fn agrees(&self, other: &Shape, constraints: &Constraints) -> bool {
        self.rank() == other.rank() && self.iter().zip(other.iter()).all(|(a, b)| a.agrees(b, constraints))
    }

    /// The shape that both broadcast to, by the rules of numpy, torch and ONNX.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where fixed sizes differ; [`Size`](crate::ErrorCode::Size) where a symbolic size
    /// meets another size, because then the result would be right at some sizes only.
    pub fn broadcast(&self, other: &Shape, constraints: &Constraints) -> Result<Shape> {
        let rank = self.rank().max(other.rank());
        let size = |shape: &Shape, axis: usize| (axis + shape.rank()).checked_sub(rank).map(|axis| shape.0[axis].clone());
        let mut dims = Vec::with_capacity(rank);
        for axis in 0..rank {
            dims.push(match (size(self, axis), size(other, axis)) {
                (Some(a), Some(b)) if a == b || b == 1 => a,
                (Some(a), Some(b)) if a == 1 => b,
                (Some(a), Some(b)) if a.fixed().is_some() && b.fixed().is_some() => {
                    return Err(Error::shape(format!("shapes {self} and {other} do not broadcast: sizes {a} and {b} at axis {axis}")));
                }
                (Some(a), Some(b)) if a.agrees(&b, constraints) => a,
                // One that the user did not declare is taken to be 1 always, where it is in the example.
                (Some(a), Some(b)) if b.agrees(&Dim::Fixed(1), constraints) => a,
                (Some(a), Some(b)) if a.agrees(&Dim::Fixed(1), constraints) => b,
                (Some(a), Some(b)) => {
                    let (symbol, size) = if a.is_symbolic() { (a, b) } else { (b, a) };
                    let message =
                        format!("shapes {self} and {other} do not broadcast at every size: `{symbol}` and `{size}` at axis {axis}");
                    return Err(Error::size(message).help(format!("give `{symbol}` a fixed size, or give both axes the same name")));
                }
                (a, b) => a.or(b).unwrap_or(Dim::Fixed(1)),
            });
        }
        // The shape of an operand is shared.
        Ok([self, other].into_iter().find(|shape| *shape.0 == *dims).cloned().unwrap_or_else(|| dims.into()))
    }
}

/// The axis that a torch index (negative from the end) names among `rank` axes.
///
/// # Errors
/// [`Argument`](crate::ErrorCode::Argument) where there is no such axis.
pub(crate) fn axis(index: i64, rank: usize) -> Result<usize> {
    let axis = if index < 0 { index + rank as i64 } else { index };
    usize::try_from(axis)
        .ok()
        .filter(|&axis| axis < rank)
        .ok_or_else(|| Error::argument(format!("axis {index} is out of range for a tensor of rank {rank}")))
}

impl Deref for Shape {
    type Target = [Dim];
    fn deref(&self) -> &[Dim] {
        &self.0
    }
}

impl<D: Into<Dim>> From<Vec<D>> for Shape {
    fn from(dims: Vec<D>) -> Shape {
        dims.into_iter().collect()
    }
}

impl<D: Into<Dim> + Clone> From<&Vec<D>> for Shape {
    fn from(dims: &Vec<D>) -> Shape {
        dims.iter().cloned().collect()
    }
}

impl<D: Into<Dim> + Clone> From<&[D]> for Shape {
    fn from(dims: &[D]) -> Shape {
        dims.iter().cloned().collect()
    }
}

impl<D: Into<Dim>, const N: usize> From<[D; N]> for Shape {
    fn from(dims: [D; N]) -> Shape {
        dims.into_iter().collect()
    }
}

impl<D: Into<Dim> + Clone, const N: usize> From<&[D; N]> for Shape {
    fn from(dims: &[D; N]) -> Shape {
        dims.iter().cloned().collect()
    }
}

impl From<&Shape> for Shape {
    fn from(shape: &Shape) -> Shape {
        shape.clone()
    }
}

/// The shape of a scalar.
impl From<()> for Shape {
    fn from((): ()) -> Shape {
        Shape::default()
    }
}

/// Tuples, whose members may differ in type: `(batch, 3)`.
macro_rules! tuples {
    ($(($($D:ident $i:tt),*);)*) => {
        $(impl<$($D: Into<Dim>),*> From<($($D,)*)> for Shape {
            fn from(dims: ($($D,)*)) -> Shape {
                Shape(Arc::new([$(dims.$i.into()),*]))
            }
        })*
    };
}

tuples! {
    (A 0);
    (A 0, B 1);
    (A 0, B 1, C 2);
    (A 0, B 1, C 2, D 3);
    (A 0, B 1, C 2, D 3, E 4);
    (A 0, B 1, C 2, D 3, E 4, F 5);
}

impl<D: Into<Dim>> FromIterator<D> for Shape {
    fn from_iter<I: IntoIterator<Item = D>>(dims: I) -> Shape {
        Shape(dims.into_iter().map(Into::into).collect())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<_> = self.0.iter().map(Dim::to_string).collect();
        write!(f, "[{}]", dims.join(","))
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A dtype and a shape: all that a rule of inference sees.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Type {
    /// The element type.
    pub dtype: DType,
    /// The size of each axis.
    pub shape: Shape,
}

impl Type {
    /// The type with this dtype and shape.
    pub fn new(dtype: DType, shape: impl Into<Shape>) -> Type {
        Type { dtype, shape: shape.into() }
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.shape.rank()
    }
}

impl From<&Array> for Type {
    fn from(array: &Array) -> Type {
        Type { dtype: array.dtype(), shape: Shape::fixed(array.shape()) }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.dtype, self.shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(dims: &[i64]) -> Shape {
        dims.iter().map(|&n| Dim::Fixed(n)).collect()
    }

    #[test]
    fn ones_and_missing_axes_broadcast() {
        assert_eq!(shape(&[4, 1, 3]).broadcast(&shape(&[2, 3]), Constraints::none()).unwrap(), shape(&[4, 2, 3]));
        assert_eq!(shape(&[]).broadcast(&shape(&[0]), Constraints::none()).unwrap(), shape(&[0]));
        assert!(shape(&[4]).broadcast(&shape(&[3]), Constraints::none()).is_err());
    }

    #[test]
    fn a_symbol_broadcasts_with_itself_and_with_one_only() {
        let n = Shape::new(vec![Dim::symbol("n", 3)]);
        assert_eq!(n.broadcast(&shape(&[1]), Constraints::none()).unwrap(), n);
        assert_eq!(n.broadcast(&n, Constraints::none()).unwrap(), n);
        assert_eq!(n.broadcast(&shape(&[3]), Constraints::none()).unwrap_err().code(), crate::ErrorCode::Size);
    }
}
