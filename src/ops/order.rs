//! Values by size: the k largest, sorted; each once.

use super::Reader;
use crate::array::{Array, DType};
use crate::dim::{Dim, Sizes, Type};
use crate::error::{Error, Result};
use crate::graph::{Agreement, Attributes, Inputs, Operator, Substitution};
use crate::kernels::sort;
use crate::onnx::{GraphBuilder, Name};
use crate::tensor::{Tensor, apply};
use std::sync::Arc;

/// The k largest or smallest values along an axis, in order, and their indices. ONNX: [TopK](https://onnx.ai/onnx/operators/onnx__TopK.html).
#[derive(Clone, Debug, PartialEq)]
pub struct TopK {
    /// How many.
    pub k: Dim,
    /// The axis.
    pub axis: usize,
    /// The largest, or the smallest.
    pub largest: bool,
}

impl Operator for TopK {
    fn name(&self) -> &'static str {
        "TopK"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("k", &self.k).with("axis", self.axis).with("largest", self.largest)
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        let length = x.shape.get(self.axis).filter(|_| x.dtype != DType::Bool);
        let length = length.ok_or_else(|| Error::argument(format!("TopK: axis {} is out of range for {x}", self.axis)))?;
        if self.k.example().zip(length.example()).is_some_and(|(k, n)| k < 0 || k > n) {
            let k = self.k.example().map_or_else(|| self.k.to_string(), |k| k.to_string());
            return Err(Error::argument(format!("TopK: k = {k} is out of range for size {length}")));
        }
        let mut dims = x.shape.to_vec();
        dims[self.axis] = self.k.clone();
        Ok(vec![Type::new(x.dtype, dims.clone()), Type::new(DType::I64, dims)])
    }

    fn eval(&self, inputs: &Inputs<Array>, sizes: Sizes) -> Result<Vec<Array>> {
        let k = usize::try_from(sizes.of(&self.k)?).map_err(|_| Error::argument("k must not be negative"))?;
        let (values, indices) = sort::topk(inputs.at(0)?, k, self.axis, self.largest)?;
        Ok(vec![values, indices])
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let k = builder.dims(std::slice::from_ref(&self.k))?;
        let node = builder.node("TopK", &[inputs[0].clone(), k]).int("axis", self.axis as i64);
        Ok(if self.largest { node } else { node.flag("largest", false) }.write(outputs))
    }

    fn agreement(&self) -> Agreement {
        Agreement::Exact
    }

    fn substituted(&self, of: &Substitution) -> Option<Arc<dyn Operator>> {
        Some(Arc::new(TopK { k: of.dim(&self.k), ..self.clone() }))
    }
}

/// The different values, or the different slices of an axis: each once; where it stands first; which one each was; how often it occurs.
///
/// [ONNX Unique](https://onnx.ai/onnx/operators/onnx__Unique.html)
#[derive(Clone, Debug, PartialEq)]
pub struct Unique {
    /// The axis; none for all values.
    pub axis: Option<usize>,
    /// In order, or as they come.
    pub sorted: bool,
}

impl Operator for Unique {
    fn name(&self) -> &'static str {
        "Unique"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with_some("axis", self.axis).with("sorted", self.sorted)
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        let (mut dims, slices) = match self.axis {
            None => (vec![Dim::Fixed(0)], x.shape.numel()),
            Some(axis) => {
                let length = x.shape.get(axis).cloned().ok_or_else(|| Error::argument(format!("axis {axis} is out of range for {x}")))?;
                (x.shape.to_vec(), length)
            }
        };
        dims[self.axis.unwrap_or(0)] = Dim::of_data(0);
        let ints = |dim: Dim| Type::new(DType::I64, vec![dim]);
        Ok(vec![Type::new(x.dtype, dims), ints(Dim::of_data(0)), ints(slices), ints(Dim::of_data(0))])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        let found = sort::unique(inputs.at(0)?, self.axis, self.sorted)?;
        Ok(vec![found.values, found.first, found.inverse, found.counts])
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let line = builder.node("Unique", inputs).int("sorted", i64::from(self.sorted));
        let line = match self.axis {
            Some(axis) => line.int("axis", axis as i64),
            None => line,
        };
        Ok(line.write(outputs))
    }
}

pub(super) const READS: &[(&str, Reader)] = &[
    ("TopK", |node, inputs| {
        let x = inputs.at(0)?;
        let k = super::dims_of(inputs.at(1)?)?.into_iter().next().ok_or_else(|| Error::argument("TopK: k is missing"))?;
        apply(TopK { k, axis: x.shape().axis(node.int("axis", -1)?)?, largest: node.int("largest", 1)? != 0 }, &[Some(x)])
    }),
    ("Unique", |node, inputs| {
        let x = inputs.at(0)?;
        let axis = node.find_int("axis")?.map(|axis| x.shape().axis(axis)).transpose()?;
        apply(Unique { axis, sorted: node.int("sorted", 1)? != 0 }, &[Some(x)])
    }),
];

impl Tensor {
    /// The k largest (or smallest) values along an axis in order, and their indices.
    ///
    /// [torch.topk](https://pytorch.org/docs/stable/generated/torch.topk.html)
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where the axis has fewer than k values.
    #[track_caller]
    pub fn topk(&self, k: impl Into<Dim>, axis: i64, largest: bool) -> Result<(Tensor, Tensor)> {
        let both = apply(TopK { k: k.into(), axis: self.shape().axis(axis)?, largest }, &[Some(self)])?;
        <[Tensor; 2]>::try_from(both).map(|[values, indices]| (values, indices)).map_err(|_| Error::internal("TopK needs two outputs"))
    }

    /// The different values (or slices of an axis) in order; which of them each was; how often each occurs. How many depends on the data.
    ///
    /// [torch.unique](https://pytorch.org/docs/stable/generated/torch.unique.html)
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where the axis does not exist.
    #[track_caller]
    pub fn unique(&self, axis: Option<i64>) -> Result<(Tensor, Tensor, Tensor)> {
        let axis = axis.map(|axis| self.shape().axis(axis)).transpose()?;
        let found = apply(Unique { axis, sorted: true }, &[Some(self)])?;
        let [values, _, inverse, counts] = <[Tensor; 4]>::try_from(found).map_err(|_| Error::internal("Unique needs four outputs"))?;
        Ok((values, inverse, counts))
    }

    /// All values along an axis in order, and their indices.
    ///
    /// [torch.sort](https://pytorch.org/docs/stable/generated/torch.sort.html)
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where the axis does not exist.
    #[track_caller]
    pub fn sort(&self, axis: i64, descending: bool) -> Result<(Tensor, Tensor)> {
        self.topk(self.dim(axis)?, axis, descending)
    }
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;

    cases! {
        "unique", [these(DType::I64, &[7], &[3.0, 1.0, 3.0, 2.0, 1.0])], |x| {
            let (values, inverse, counts) = x[0].unique(None)?;
            Ok(vec![values, inverse, counts])
        };
        "unique_rows", [these(DType::I64, &[5, 2], &[3.0, 1.0, 2.0])], |x| one(x[0].unique(Some(0))?.0);
        "topk", [floats(&[2, 5])], |x| both(x[0].topk(2, -1, true)?);
        "topk_smallest", [floats(&[5, 3])], |x| both(x[0].topk(3, 0, false)?);
        "topk_i64", [these(DType::I64, &[2, 5], &[3.0, 1.0, 4.0, 2.0, 9.0, 7.0, 8.0])], |x| both(x[0].topk(2, 1, true)?);
        "sort", [floats(&[2, 5])], |x| both(x[0].sort(-1, false)?);
        "sort_descending", [floats(&[5, 3])], |x| both(x[0].sort(0, true)?);
        "sort_of_equals", [these(DType::F32, &[2, 5], &[2.0, 1.0, 2.0])], |x| both(x[0].sort(-1, false)?);
    }
}
