//! The same values under another shape: reshape, transpose, expand.

use super::Reader;
use super::slice::Slice;
use crate::array::Array;
use crate::dim::{Dim, DimArray, Shape, Sizes, Type};
use crate::error::{Error, Result};
use crate::graph::{Agreement, Attributes, Inputs, Operator, Substitution};
use crate::onnx::{GraphBuilder, Name};
use crate::tensor::{Tensor, apply_one, size};
use std::sync::Arc;

/// The same values in row-major order under this shape. ONNX: Reshape, or Squeeze, Unsqueeze and Flatten where it is one of these.
#[derive(Clone, Debug, PartialEq)]
pub struct Reshape {
    /// The new sizes; their product is the number of elements.
    pub shape: Shape,
}

impl Operator for Reshape {
    fn name(&self) -> &'static str {
        "Reshape"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("shape", &self.shape)
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        let (given, asked) = (x.shape.numel(), self.shape.numel());
        // Whether a size that is a value fills the shape is known when a call runs.
        let is_open = [&given, &asked].into_iter().any(|count| count.depends_on_values() && count.example().is_none());
        if !is_open && !given.agrees(&asked, inputs.constraints()) {
            return Err(Error::shape(format!("shape {} has {given} elements, {} has {asked}", x.shape, self.shape)));
        }
        Ok(vec![Type::new(x.dtype, self.shape.clone())])
    }

    fn eval(&self, inputs: &Inputs<Array>, sizes: Sizes) -> Result<Vec<Array>> {
        Ok(vec![inputs.at(0)?.reshape(&sizes.shape(&self.shape)?)?])
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let Type { dtype, shape: from } = builder.ty(&inputs[0])?.clone();
        // Narrow values are reshaped before they are squeezed.
        let as_ones = !dtype.is_narrow() || builder.opset() >= 21;
        if let Some(axes) = ones_added(&from, &self.shape).filter(|_| as_ones) {
            let axes = builder.ints(&axes);
            return Ok(builder.node("Unsqueeze", &[inputs[0].clone(), axes]).write(outputs));
        }
        if let Some(axes) = ones_added(&self.shape, &from).filter(|_| as_ones) {
            let axes = builder.ints(&axes);
            return Ok(builder.node("Squeeze", &[inputs[0].clone(), axes]).write(outputs));
        }
        let shape = match inferable(&from, &self.shape) {
            Some(ints) => builder.ints(&ints),
            None => builder.dims(&self.shape)?,
        };
        // A size 0 means "as in the input" unless it is said that it does not.
        let zero = self.shape.iter().any(|dim| *dim == 0);
        // One that depends on data may be 0 in a call.
        let may_be_zero = builder.opset() >= 14 && self.shape.iter().any(|dim| dim.is_symbolic() && dim.expr().depends_on_data());
        let zero = zero || may_be_zero && inferable(&from, &self.shape).is_none();
        if zero && builder.opset() < 14 {
            return Err(crate::graph::needs_opset("Reshape to a shape with a size 0", 14, builder.opset()));
        }
        let node = builder.node("Reshape", &[inputs[0].clone(), shape]);
        Ok(if zero { node.flag("allowzero", true) } else { node }.write(outputs))
    }

    fn agreement(&self) -> Agreement {
        Agreement::Exact
    }

    fn of_dims(&self, inputs: &Inputs<DimArray>) -> Option<DimArray> {
        let dims = inputs.opt(0)?.dims.clone();
        (self.shape.rank() <= 1).then_some(DimArray { scalar: self.shape.rank() == 0, dims })
    }

    fn substituted(&self, of: &Substitution) -> Option<Arc<dyn Operator>> {
        Some(Arc::new(Reshape { shape: of.dims(&self.shape).into() }))
    }
}

impl Reshape {
    /// Whether a reshape from one shape to another is one node of ONNX, whose shape needs no arithmetic.
    pub(crate) fn is_written_alone(from: &Shape, to: &Shape) -> bool {
        !to.is_symbolic() || ones_added(from, to).is_some() || ones_added(to, from).is_some() || inferable(from, to).is_some()
    }
}

/// A reshape to sizes that are values: 0 is the size of that axis of the input, and one -1 is what the others leave, at every call anew. ONNX:
/// [Reshape](https://onnx.ai/onnx/operators/onnx__Reshape.html) without `allowzero`.
#[derive(Clone, Debug, PartialEq)]
pub struct ReshapeByValues {
    /// The elements of the shape operand.
    pub shape: Vec<Dim>,
}

impl ReshapeByValues {
    /// The sizes that these elements stand for.
    fn resolved(from: &[usize], shape: &[i64]) -> Result<Vec<usize>> {
        let numel: usize = from.iter().product();
        let refused = || Error::shape(format!("{numel} elements of shape {from:?} do not fill {shape:?}"));
        let size = |(axis, n): (usize, &i64)| match *n {
            0 => from.get(axis).copied().ok_or_else(refused),
            -1 => Ok(1),
            n => usize::try_from(n).map_err(|_| refused()),
        };
        let mut sizes = shape.iter().enumerate().map(size).collect::<Result<Vec<_>>>()?;
        let known = sizes.iter().try_fold(1usize, |product, n| product.checked_mul(*n)).ok_or_else(refused)?;
        let mut open = shape.iter().enumerate().filter(|(_, n)| **n == -1).map(|(axis, _)| axis);
        match (open.next(), open.next()) {
            (None, _) if known == numel => Ok(sizes),
            (Some(axis), None) if known > 0 && numel.is_multiple_of(known) => {
                sizes[axis] = numel / known;
                Ok(sizes)
            }
            _ => Err(refused()),
        }
    }
}

impl Operator for ReshapeByValues {
    fn name(&self) -> &'static str {
        "Reshape"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("shape", &self.shape).with("by_values", true)
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let size = |(i, dim): (usize, &Dim)| match dim.fixed() {
            Some(n) if n > 0 => dim.clone(),
            _ => Dim::of_data_near(i, dim.example().filter(|n| *n > 0)),
        };
        let x = inputs.at(0)?;
        // Where all of them are known in this call, so are the sizes.
        let fixed: Option<Vec<i64>> = self.shape.iter().map(Dim::fixed).collect();
        let from: Option<Vec<usize>> = x.shape.iter().map(|dim| usize::try_from(dim.fixed()?).ok()).collect();
        let dims = match fixed.zip(from) {
            Some((shape, from)) => ReshapeByValues::resolved(&from, &shape)?.into_iter().map(Dim::from).collect(),
            None => self.shape.iter().enumerate().map(size).collect::<Vec<Dim>>(),
        };
        Ok(vec![Type::new(x.dtype, dims)])
    }

    fn eval(&self, inputs: &Inputs<Array>, sizes: Sizes) -> Result<Vec<Array>> {
        let x = inputs.at(0)?;
        let shape = self.shape.iter().map(|dim| sizes.of(dim)).collect::<Result<Vec<_>>>()?;
        Ok(vec![x.reshape(&ReshapeByValues::resolved(x.shape(), &shape)?)?])
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let shape = builder.dims(&self.shape)?;
        Ok(builder.node("Reshape", &[inputs[0].clone(), shape]).write(outputs))
    }

    fn agreement(&self) -> Agreement {
        Agreement::Exact
    }

    fn substituted(&self, of: &Substitution) -> Option<Arc<dyn Operator>> {
        Some(Arc::new(ReshapeByValues { shape: of.dims(&self.shape) }))
    }
}

/// The axes of `to` that are ones put into `from`, if that is all that differs.
fn ones_added(from: &Shape, to: &Shape) -> Option<Vec<i64>> {
    let mut axes = Vec::new();
    let mut next = 0;
    for (axis, dim) in to.iter().enumerate() {
        let rest = to.rank() - axis;
        if next < from.rank() && from[next] == *dim && (rest > 1 || from.rank() - next <= 1) {
            next += 1;
        } else if *dim == 1 {
            axes.push(axis as i64);
        } else {
            return None;
        }
    }
    (next == from.rank() && !axes.is_empty()).then_some(axes)
}

/// The shape with 0 for "as in the input" and one -1 for "what is left", where that says it without arithmetic.
fn inferable(from: &Shape, to: &Shape) -> Option<Vec<i64>> {
    if to.iter().any(|dim| *dim == 0) || from.iter().any(|dim| *dim == 0) || !to.is_symbolic() {
        return None;
    }
    let mut left = 0;
    let mut ints = Vec::with_capacity(to.rank());
    for (axis, dim) in to.iter().enumerate() {
        ints.push(match dim.fixed() {
            Some(n) => n,
            None if from.get(axis) == Some(dim) => 0,
            None => {
                left += 1;
                -1
            }
        });
    }
    // What is left of no elements is not known: of sizes that depend on data any may be 0.
    let may_be_zero = |(dim, n): (&Dim, &i64)| *n == 0 && dim.expr().depends_on_data();
    let is_known = left == 0 || left == 1 && !to.iter().zip(&ints).any(may_be_zero);
    is_known.then_some(ints)
}

/// Axis i of the result is axis `axes[i]` of the input. ONNX: Transpose.
#[derive(Clone, Debug, PartialEq)]
pub struct Transpose {
    /// The order of the axes.
    pub axes: Vec<usize>,
}

impl Operator for Transpose {
    fn name(&self) -> &'static str {
        "Transpose"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("perm", &self.axes)
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        let mut sorted = self.axes.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..x.rank()) {
            return Err(Error::argument(format!("{:?} is not a permutation of the {} axes", self.axes, x.rank())));
        }
        Ok(vec![Type::new(x.dtype, self.axes.iter().map(|&axis| x.shape[axis].clone()).collect::<Shape>())])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        Ok(vec![inputs.at(0)?.permute(&self.axes)?])
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let perm: Vec<i64> = self.axes.iter().map(|&axis| axis as i64).collect();
        Ok(builder.node("Transpose", inputs).ints("perm", &perm).write(outputs))
    }

    fn agreement(&self) -> Agreement {
        Agreement::Exact
    }
}

/// The values repeated along axes of size 1, and along new leading axes. ONNX: Expand.
#[derive(Clone, Debug, PartialEq)]
pub struct Expand {
    /// The shape of the result.
    pub shape: Shape,
}

impl Operator for Expand {
    fn name(&self) -> &'static str {
        "Expand"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("shape", &self.shape)
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        if !x.shape.broadcast(&self.shape, inputs.constraints())?.agrees(&self.shape, inputs.constraints()) {
            return Err(Error::shape(format!("shape {} does not expand to {}", x.shape, self.shape)));
        }
        Ok(vec![Type::new(x.dtype, self.shape.clone())])
    }

    fn eval(&self, inputs: &Inputs<Array>, sizes: Sizes) -> Result<Vec<Array>> {
        Ok(vec![inputs.at(0)?.broadcast(&sizes.shape(&self.shape)?)?])
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let shape = builder.dims(&self.shape)?;
        Ok(builder.node("Expand", &[inputs[0].clone(), shape]).write(outputs))
    }

    fn agreement(&self) -> Agreement {
        Agreement::Exact
    }

    fn substituted(&self, of: &Substitution) -> Option<Arc<dyn Operator>> {
        Some(Arc::new(Expand { shape: of.dims(&self.shape).into() }))
    }
}

pub(super) const READS: &[(&str, Reader)] = &[
    ("Reshape", |node, inputs| {
        let (x, keep) = (inputs.at(0)?, node.int("allowzero", 0)? == 0);
        let shape = super::dims_of(inputs.at(1)?)?;
        if keep && !shape.is_empty() && shape.iter().all(|dim| dim.expr().as_symbol().is_some_and(|symbol| crate::dim::is_value(symbol))) {
            return Ok(vec![apply_one(ReshapeByValues { shape }, &[x])?]);
        }
        let dims: Vec<Dim> = shape
            .iter()
            .enumerate()
            .map(|(i, dim)| if keep && *dim == 0 { x.shape().get(i).cloned().unwrap_or(Dim::Fixed(0)) } else { dim.clone() })
            .collect();
        Ok(vec![x.reshape(&dims)?])
    }),
    ("Flatten", |node, inputs| {
        let x = inputs.at(0)?;
        let axis = node.int("axis", 1)?;
        let axis = if axis == x.rank() as i64 { x.rank() } else { x.shape().axis(axis)? };
        let (head, tail) = x.shape().split_at(axis);
        Ok(vec![x.reshape(&[head.iter().cloned().product::<Dim>(), tail.iter().cloned().product()])?])
    }),
    ("Squeeze", |node, inputs| {
        Ok(vec![match super::axes(node, inputs, 1)? {
            Some(axes) => {
                // That these axes have size 1 is the file's promise, even where the arithmetic does not show it.
                let promised = |x: Tensor, &axis: &i64| {
                    let first = Slice { axis: x.shape().axis(axis)?, start: Dim::Fixed(0), length: Dim::Fixed(1), step: 1 };
                    if x.dim(axis)?.is_symbolic() { apply_one(first, &[&x]) } else { Ok(x) }
                };
                axes.iter().try_fold(inputs.at(0)?.clone(), promised)?.squeeze_axes(&axes)?
            }
            None => inputs.at(0)?.squeeze()?,
        }])
    }),
    ("Unsqueeze", |node, inputs| {
        let axes = super::axes(node, inputs, 1)?.ok_or_else(|| Error::argument("Unsqueeze: axes are missing"))?;
        Ok(vec![inputs.at(0)?.unsqueeze_axes(&axes)?])
    }),
    ("Transpose", |node, inputs| {
        let x = inputs.at(0)?;
        let reversed: Vec<i64> = (0..x.rank() as i64).rev().collect();
        Ok(vec![x.permute(node.ints("perm")?.unwrap_or(&reversed))?])
    }),
    ("Expand", |_, inputs| {
        let (x, mut shape) = (inputs.at(0)?, super::dims_of(inputs.at(1)?)?);
        // A size that is a value can be only 1 or that of the input, where this is not 1.
        for (dim, have) in shape.iter_mut().rev().zip(x.shape().iter().rev()) {
            if dim.depends_on_values() && have.fixed().is_some_and(|have| have != 1) {
                *dim = have.clone();
            }
        }
        let both = size::broadcast(x.shape(), &Shape::new(shape))?;
        Ok(vec![x.expand(&both)?])
    }),
    ("Identity", |_, inputs| Ok(vec![inputs.at(0)?.clone()])),
    ("Shape", |node, inputs| {
        let x = inputs.at(0)?;
        let clamp = |i: i64| if i < 0 { (i + x.rank() as i64).max(0) } else { i.min(x.rank() as i64) } as usize;
        let (start, end) = (clamp(node.int("start", 0)?), clamp(node.int("end", i64::MAX)?));
        Ok(vec![Tensor::from_dims(x.shape().get(start..end).unwrap_or(&[]))])
    }),
    ("Size", |_, inputs| Ok(vec![Tensor::from_dim(&inputs.at(0)?.numel())])),
];

impl Tensor {
    /// The same values under another shape; one size may be -1, which is what the others leave.
    ///
    /// [torch.reshape](https://pytorch.org/docs/stable/generated/torch.reshape.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the number of elements differs.
    #[track_caller]
    pub fn reshape(&self, shape: impl Into<Shape>) -> Result<Tensor> {
        let mut dims: Vec<Dim> = shape.into().to_vec();
        let mut unknown = dims.iter().enumerate().filter(|(_, dim)| **dim == -1).map(|(i, _)| i);
        match (unknown.next(), unknown.next()) {
            (None, _) => {}
            (Some(_), Some(_)) => return Err(Error::argument("only one size can be -1")),
            (Some(i), None) => {
                dims[i] = Dim::Fixed(1);
                let known: Dim = dims.iter().cloned().product();
                let refused = || Error::shape(format!("{} elements of shape {} do not fill {known} × -1", self.numel(), self.shape()));
                dims[i] = match known.depends_on_values() {
                    _ if known == 0 => return Err(refused()),
                    // Whether a value divides is known when a call runs.
                    true => self.numel() / &known,
                    false => size::div_exact(&self.numel(), &known).ok_or_else(refused)?,
                };
            }
        }
        let shape = size::simplified(Shape::new(dims));
        if *self.shape() == shape { Ok(self.clone()) } else { apply_one(Reshape { shape }, &[self]) }
    }

    /// The axes in another order; negative axes count from the end.
    ///
    /// [torch.permute](https://pytorch.org/docs/stable/generated/torch.permute.html)
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) unless each axis is named once.
    #[track_caller]
    pub fn permute(&self, axes: &[i64]) -> Result<Tensor> {
        let axes = axes.iter().map(|&axis| self.shape().axis(axis)).collect::<Result<Vec<_>>>()?;
        if axes.iter().copied().eq(0..self.rank()) { Ok(self.clone()) } else { apply_one(Transpose { axes }, &[self]) }
    }

    /// Two axes exchanged.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where there is no such axis.
    #[track_caller]
    pub fn transpose(&self, a: i64, b: i64) -> Result<Tensor> {
        if self.rank() == 0 && (-1..=0).contains(&a) && (-1..=0).contains(&b) {
            return Ok(self.clone());
        }
        let (a, b) = (self.shape().axis(a)?, self.shape().axis(b)?);
        let mut axes: Vec<i64> = (0..self.rank() as i64).collect();
        axes.swap(a, b);
        self.permute(&axes)
    }

    /// The values repeated to fill this shape; -1 keeps a size.
    ///
    /// [torch.Tensor.expand](https://pytorch.org/docs/stable/generated/torch.Tensor.expand.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where an axis is neither 1 nor the size asked for.
    #[track_caller]
    pub fn expand(&self, shape: impl Into<Shape>) -> Result<Tensor> {
        let mut dims: Vec<Dim> = shape.into().to_vec();
        let new = dims
            .len()
            .checked_sub(self.rank())
            .ok_or_else(|| Error::shape(format!("shape {} has more axes than the {} asked for", self.shape(), dims.len())))?;
        for (axis, dim) in dims.iter_mut().enumerate().filter(|(_, dim)| **dim == -1) {
            *dim = self.shape().get(axis.wrapping_sub(new)).cloned().ok_or_else(|| Error::shape("a new axis needs a size"))?;
        }
        let shape = size::simplified(Shape::new(dims));
        if *self.shape() == shape {
            return Ok(self.clone());
        }
        if shape.contains(&Dim::Fixed(0)) && size::broadcast(self.shape(), &shape)? == shape {
            // Nothing of this is left. ONNX Runtime takes such an Expand out of the graph, and its result has the wrong size.
            return Tensor::zeros(shape, self.dtype());
        }
        apply_one(Expand { shape }, &[self])
    }

    /// The axes from `start` to `end` (inclusive) as one.
    ///
    /// [torch.flatten](https://pytorch.org/docs/stable/generated/torch.flatten.html)
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where the axes do not exist or are out of order.
    #[track_caller]
    pub fn flatten(&self, start: i64, end: i64) -> Result<Tensor> {
        if self.rank() == 0 {
            return self.reshape([1]);
        }
        let (start, end) = (self.shape().axis(start)?, self.shape().axis(end)?);
        if start > end {
            return Err(Error::argument(format!("cannot flatten from axis {start} to axis {end}")));
        }
        let mut dims = self.shape().to_vec();
        let one: Dim = dims.drain(start..=end).product();
        dims.insert(start, one);
        self.reshape(&dims)
    }

    /// An axis as several; one size may be -1.
    ///
    /// # Errors
    /// As [`Tensor::reshape`].
    #[track_caller]
    pub fn unflatten(&self, axis: i64, sizes: impl Into<Shape>) -> Result<Tensor> {
        let axis = self.shape().axis(axis)?;
        let mut dims = self.shape().to_vec();
        let inner: Vec<Dim> = sizes.into().to_vec();
        if let Some(unknown) = inner.iter().position(|dim| *dim == -1) {
            let known: Dim = inner.iter().enumerate().filter(|(i, _)| *i != unknown).map(|(_, dim)| dim.clone()).product();
            let left = size::div_exact(&dims[axis], &known)
                .ok_or_else(|| Error::shape(format!("an axis of size {} is not divisible by {known}", dims[axis])))?;
            dims.splice(axis..=axis, inner.into_iter().enumerate().map(|(i, dim)| if i == unknown { left.clone() } else { dim }));
        } else {
            dims.splice(axis..=axis, inner);
        }
        self.reshape(&dims)
    }

    /// A new axis of size 1 before `axis`.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where the axis is beyond the rank.
    #[track_caller]
    pub fn unsqueeze(&self, axis: i64) -> Result<Tensor> {
        self.unsqueeze_axes(&[axis])
    }

    /// New axes of size 1: `axes` are their positions in the result.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where a position is named twice or beyond the rank.
    #[track_caller]
    pub fn unsqueeze_axes(&self, axes: &[i64]) -> Result<Tensor> {
        let rank = self.rank() + axes.len();
        let inserted = axes.iter().map(|&axis| crate::dim::axis(axis, rank)).collect::<Result<std::collections::BTreeSet<_>>>()?;
        if inserted.len() != axes.len() {
            return Err(Error::argument(format!("axes {axes:?} repeat an axis")));
        }
        let mut old = self.shape().iter();
        let dims: Vec<Dim> = (0..rank)
            .map(|axis| if inserted.contains(&axis) { Dim::Fixed(1) } else { old.next().cloned().unwrap_or(Dim::Fixed(1)) })
            .collect();
        self.reshape(&dims)
    }

    /// Without the axes of size 1. A symbolic axis stays, whatever its size in the example.
    ///
    /// # Errors
    /// None in practice.
    #[track_caller]
    pub fn squeeze(&self) -> Result<Tensor> {
        let dims: Vec<Dim> = self.shape().iter().filter(|dim| **dim != 1).cloned().collect();
        self.reshape(&dims)
    }

    /// Without these axes, which must have size 1.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where one has another size.
    #[track_caller]
    pub fn squeeze_axes(&self, axes: &[i64]) -> Result<Tensor> {
        let axes = axes.iter().map(|&axis| self.shape().axis(axis)).collect::<Result<Vec<_>>>()?;
        if let Some(&axis) = axes.iter().find(|&&axis| self.shape()[axis] != 1) {
            return Err(Error::shape(format!("axis {axis} of shape {} does not have size 1", self.shape())));
        }
        let dims: Vec<Dim> = self.shape().iter().enumerate().filter(|(axis, _)| !axes.contains(axis)).map(|(_, dim)| dim.clone()).collect();
        self.reshape(&dims)
    }
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;
    use crate::array::DType;

    cases! {
        "reshape", [floats(&[2, 3, 4])], |x| one(x[0].reshape([-1, 4])?);
        "reshape_flat", [floats(&[2, 3, 4])], |x| one(x[0].reshape([-1])?);
        "reshape_named", [floats(&[2, 3, 4])], |x| one(x[0].reshape(&[x[0].dim(0)?, x[0].dim(1)? * x[0].dim(2)?])?);
        "reshape_rank_0", [floats(&[])], |x| one(x[0].reshape([1, 1])?);
        "permute", [floats(&[2, 3, 4])], |x| one(x[0].permute(&[2, 0, 1])?);
        "permute_bool", [bools(&[2, 3, 4])], |x| one(x[0].permute(&[-1, 1, 0])?);
        "transpose", [floats(&[2, 3, 4])], |x| one(x[0].transpose(-1, -2)?);
        "expand", [floats(&[3, 1])], |x| one(x[0].expand([2, -1, 4])?);
        "expand_like", [floats(&[1, 3]), floats(&[5, 3])], |x| one(x[0].expand(&[x[1].dim(0)?, x[1].dim(1)?])?);
        "flatten", [floats(&[2, 3, 4, 5])], |x| one(x[0].flatten(1, -1)?);
        "flatten_middle", [floats(&[2, 3, 4, 5])], |x| one(x[0].flatten(1, 2)?);
        "unflatten", [floats(&[2, 6])], |x| one(x[0].unflatten(1, [2, 3])?);
        "unsqueeze", [floats(&[2, 3])], |x| one(x[0].unsqueeze(-2)?);
        "unsqueeze_rank_0", [floats(&[])], |x| one(x[0].unsqueeze(0)?);
        "squeeze", [floats(&[2, 1, 3, 1])], |x| one(x[0].squeeze_axes(&[1, -1])?);
        "shape_as_numbers", [floats(&[2, 3])], |x| one(x[0].mul(Tensor::from_dim(&x[0].dim(0)?).cast(DType::F32)?)?);
        "identity", [floats(&[2, 3])], |x| one(x[0].clone());
    }
}
