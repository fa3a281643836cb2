//! The operator trait: attributes, type inference, kernel, and lowering to ONNX.

use super::{Attributes, Graph};
use crate::array::{Array, DType};
use crate::dim::{Constraints, Dim, DimArray, Sizes, Type};
use crate::error::{Error, Result};
use crate::onnx::{GraphBuilder, Name};
use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// An operator of the ONNX standard with its attributes, as one node of a graph.
///
/// Type inference ([`infer`](Operator::infer)) and the kernel ([`eval`](Operator::eval)) state the same fact twice and are
/// compared on every call; [`lower`](Operator::lower) and the reader of the same file are mirror images.
pub trait Operator: Any + fmt::Debug + Send + Sync {
    /// The name in the ONNX standard, `Conv` for example.
    fn name(&self) -> &'static str;

    /// The domain of the name: empty for ONNX's own.
    fn domain(&self) -> &'static str {
        ""
    }

    /// Everything that the operator computes from besides its inputs, under ONNX's names.
    ///
    /// Structural equality, hashing, the comparison of traces and the printed graph use it.
    fn attributes(&self) -> Attributes;

    /// The first opset in which ONNX has the operator with these attributes.
    fn since(&self) -> i64 {
        FIRST_OPSET
    }

    /// The types of the outputs.
    ///
    /// # Errors
    /// Where the inputs do not fit the operator or each other.
    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>>;

    /// The outputs, with `sizes` giving the values behind the operator's own symbolic sizes.
    ///
    /// # Errors
    /// Where an element does not fit (an index out of range, say).
    fn eval(&self, inputs: &Inputs<Array>, sizes: Sizes) -> Result<Vec<Array>>;

    /// Writes the operator as ONNX nodes; returns the names of the values that are the outputs.
    ///
    /// # Errors
    /// Where the opset that is being written has no form for it.
    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>>;

    /// As [`lower`](Operator::lower), with older operators for an opset before [`since`](Operator::since); `None` where there is no such form.
    ///
    /// # Errors
    /// As [`lower`](Operator::lower).
    fn lower_decomposed(&self, _builder: &mut GraphBuilder, _inputs: &[Name], _outputs: &[Type]) -> Result<Option<Vec<Name>>> {
        Ok(None)
    }

    /// How closely two implementations must agree.
    fn agreement(&self) -> Agreement {
        Agreement::Rounding
    }

    /// The sizes among the attributes: where one is symbolic, the operator is not constant even if its inputs are.
    fn dims(&self) -> Vec<Dim> {
        self.attributes().dims()
    }

    /// The symbol that stands for the only element of the first output, where there is one.
    fn defines(&self) -> Option<&Dim> {
        None
    }

    /// How large a size of an output is at most on these inputs that depends on their values.
    fn bound_of_data(&self, inputs: &Inputs<Array>) -> usize {
        (0..inputs.len()).filter_map(|i| inputs.opt(i)).map(Array::len).max().unwrap_or(0)
    }

    /// Whether data decide how often a graph inside runs.
    fn is_data_dependent_loop(&self) -> bool {
        false
    }

    /// The operator with other sizes and dtypes among its attributes; `None` where it has none of them. Operators with graphs inside are not
    /// asked.
    fn substituted(&self, _of: &Substitution) -> Option<Arc<dyn Operator>> {
        None
    }

    /// The graphs inside: the branches or the body.
    fn graphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    /// The operator with other graphs inside: as many, with the same types of inputs and outputs. `None` where it has none.
    fn with_graphs(&self, _graphs: Vec<Graph>) -> Option<Arc<dyn Operator>> {
        None
    }

    /// Whether the operator exists in traced graphs only: an eager run takes the branch itself, or has the sizes as numbers.
    fn is_traced_only(&self) -> bool {
        false
    }

    /// The outputs by the operator's decomposition, where it has one: a check compares its kernel with them.
    ///
    /// # Errors
    /// Those of its decomposition.
    fn composed(&self, _inputs: &Inputs<Array>) -> Result<Option<Vec<Array>>> {
        Ok(None)
    }

    /// The output where every input is a small tensor of sizes, if that is again sizes.
    fn of_dims(&self, _inputs: &Inputs<DimArray>) -> Option<DimArray> {
        None
    }
}

/// Substitution of the sizes and dtypes among an operator's attributes, where a graph is inlined into another.
pub struct Substitution<'a> {
    /// The size that replaces a size.
    pub(crate) dim: &'a dyn Fn(&Dim) -> Dim,
    /// The dtype that replaces a dtype.
    pub(crate) dtype: &'a dyn Fn(DType) -> DType,
}

impl Substitution<'_> {
    /// The size that replaces a size.
    pub fn dim(&self, dim: &Dim) -> Dim {
        (self.dim)(dim)
    }

    /// The sizes that replace these.
    pub fn dims(&self, dims: &[Dim]) -> Vec<Dim> {
        dims.iter().map(self.dim).collect()
    }

    /// The dtype that replaces a dtype.
    pub fn dtype(&self, dtype: DType) -> DType {
        (self.dtype)(dtype)
    }

    /// Sizes as a tensor, which replace these.
    pub(crate) fn dim_array(&self, array: &DimArray) -> DimArray {
        DimArray { dims: self.dims(&array.dims), ..array.clone() }
    }
}

/// The oldest opset that is written.
pub const FIRST_OPSET: i64 = 13;

/// The error for what an opset lacks.
pub(crate) fn needs_opset(what: impl fmt::Display, first: i64, opset: i64) -> Error {
    Error::unsupported(format!("{what} needs opset {first}, the model has opset {opset}")).help(format!("write opset {first} or later"))
}

/// How closely two implementations of one operator agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Agreement {
    /// To the bit.
    Exact,
    /// Up to the rounding of floats.
    Rounding,
    /// In type only.
    Random,
}

/// The inputs of an operator, of which optional ones may be absent.
#[derive(Clone, Copy)]
pub struct Inputs<'a, T> {
    inputs: &'a [Option<&'a T>],
    constraints: &'a Constraints,
}

impl<'a, T> Inputs<'a, T> {
    /// These inputs.
    pub fn new(inputs: &'a [Option<&'a T>]) -> Inputs<'a, T> {
        Inputs { inputs, constraints: Constraints::none() }
    }

    /// These inputs, for inference under these constraints.
    pub fn under(self, constraints: &'a Constraints) -> Inputs<'a, T> {
        Inputs { constraints, ..self }
    }

    /// What inference may assume of symbolic sizes.
    pub fn constraints(&self) -> &'a Constraints {
        self.constraints
    }

    /// A required input.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where it is absent.
    pub fn at(&self, i: usize) -> Result<&'a T> {
        self.opt(i).ok_or_else(|| Error::argument(format!("input {i} is missing")))
    }

    /// An optional input.
    pub fn opt(&self, i: usize) -> Option<&'a T> {
        self.inputs.get(i).copied().flatten()
    }

    /// How many there are, absent ones in between included.
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// Those that are present.
    pub fn iter(&self) -> impl Iterator<Item = &'a T> {
        self.inputs.iter().copied().flatten()
    }
}
