//! Small integer tensors whose elements are sizes: how sizes travel through a program's tensors.

use super::{Dim, Shape};
use crate::array::{Array, DType};

/// The elements that a tensor of sizes may have at most; anything larger is data.
const MOST: usize = 64;

/// The contents of an i64 tensor of rank 0 or 1 as sizes, symbolic ones included.
#[derive(Clone, Debug, PartialEq)]
pub struct DimArray {
    /// Whether the tensor has rank 0 (one element) rather than 1.
    pub scalar: bool,
    /// The elements.
    pub dims: Vec<Dim>,
}

impl DimArray {
    /// One size, as a tensor of rank 0.
    pub fn scalar(dim: Dim) -> DimArray {
        DimArray { scalar: true, dims: vec![dim] }
    }

    /// Sizes, as a tensor of rank 1.
    pub fn vector(dims: impl Into<Vec<Dim>>) -> DimArray {
        DimArray { scalar: false, dims: dims.into() }
    }

    /// The elements of an integer array that is small enough.
    pub fn read(array: &Array) -> Option<DimArray> {
        let fits = array.rank() <= 1 && array.len() <= MOST && matches!(array.dtype(), DType::I64 | DType::I32);
        let elements = fits.then(|| array.to_i64s().ok()).flatten()?;
        Some(DimArray { scalar: array.rank() == 0, dims: elements.into_iter().map(Dim::Fixed).collect() })
    }

    /// The shape of the tensor.
    pub fn shape(&self) -> Shape {
        if self.scalar { Shape::default() } else { Shape::fixed(&[self.dims.len()]) }
    }

    /// Whether any element differs from call to call.
    pub fn is_symbolic(&self) -> bool {
        self.dims.iter().any(Dim::is_symbolic)
    }

    /// The elements in the example, where all are known.
    pub fn example(&self) -> Option<Array> {
        let elements: Vec<i64> = self.dims.iter().map(Dim::example).collect::<Option<_>>()?;
        Some(if self.scalar { Array::scalar(elements[0]) } else { Array::vector(elements) })
    }

    /// An element-wise function of two, broadcast; `None` where they do not broadcast.
    pub fn zip(&self, other: &DimArray, f: impl Fn(&Dim, &Dim) -> Dim) -> Option<DimArray> {
        let (n, m) = (self.dims.len(), other.dims.len());
        if n != m && n != 1 && m != 1 {
            return None;
        }
        let size = if n == 1 { m } else { n };
        let at = |dims: &[Dim], i: usize| dims[if dims.len() == 1 { 0 } else { i }].clone();
        let dims = (0..size).map(|i| f(&at(&self.dims, i), &at(&other.dims, i))).collect();
        Some(DimArray { scalar: self.scalar && other.scalar, dims })
    }
}
