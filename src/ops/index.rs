//! Elements by their index: gather, embedding, scatter.

use super::Reader;
use crate::array::{Array, DType};
use crate::dim::{Dim, DimArray, Shape, Sizes, Type};
use crate::error::{Error, Result};
use crate::graph::{Agreement, Attributes, FIRST_OPSET, Inputs, Operator};
use crate::kernels::{gather, scatter};
use crate::onnx::{GraphBuilder, Name};
use crate::tensor::{Operand, Tensor, apply_one, size};

pub use crate::kernels::scatter::Reduction;

/// The slices of an axis that an index tensor names; its axes replace that axis. ONNX: [Gather](https://onnx.ai/onnx/operators/onnx__Gather.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gather {
    /// The axis.
    pub axis: usize,
}

fn indices(ty: &Type) -> Result<&Type> {
    if matches!(ty.dtype, DType::I64 | DType::I32) {
        Ok(ty)
    } else {
        Err(Error::dtype(format!("expected i64 or i32 indices, got {}", ty.dtype)))
    }
}

impl Operator for Gather {
    fn name(&self) -> &'static str {
        "Gather"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("axis", self.axis)
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let (x, index) = (inputs.at(0)?, indices(inputs.at(1)?)?);
        if self.axis >= x.rank() {
            return Err(Error::argument(format!("axis {} is out of range for shape {}", self.axis, x.shape)));
        }
        let dims: Shape = x.shape[..self.axis].iter().chain(index.shape.iter()).chain(&x.shape[self.axis + 1..]).cloned().collect();
        Ok(vec![Type::new(x.dtype, dims)])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        Ok(vec![gather::gather(inputs.at(0)?, inputs.at(1)?, self.axis)?])
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        Ok(builder.node("Gather", inputs).int("axis", self.axis as i64).write(outputs))
    }

    fn agreement(&self) -> Agreement {
        Agreement::Exact
    }

    fn of_dims(&self, inputs: &Inputs<DimArray>) -> Option<DimArray> {
        let (x, index) = (inputs.opt(0)?, inputs.opt(1)?);
        let length = x.dims.len() as i64;
        let at = |i: i64| x.dims.get(usize::try_from(if i < 0 { i + length } else { i }).ok()?).cloned();
        let dims = index.dims.iter().map(|dim| dim.fixed().and_then(at)).collect::<Option<Vec<_>>>()?;
        (!x.scalar).then_some(DimArray { scalar: index.scalar, dims })
    }
}

/// One element along an axis for each index. ONNX: [GatherElements](https://onnx.ai/onnx/operators/onnx__GatherElements.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatherElements {
    /// The axis.
    pub axis: usize,
}

impl Operator for GatherElements {
    fn name(&self) -> &'static str {
        "GatherElements"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("axis", self.axis)
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let (x, index) = (inputs.at(0)?, indices(inputs.at(1)?)?);
        if self.axis >= x.rank() || x.rank() != index.rank() {
            return Err(Error::shape(format!("indices of shape {} do not fit axis {} of {}", index.shape, self.axis, x.shape)));
        }
        Ok(vec![Type::new(x.dtype, index.shape.clone())])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        Ok(vec![gather::gather_elements(inputs.at(0)?, inputs.at(1)?, self.axis)?])
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        Ok(builder.node("GatherElements", inputs).int("axis", self.axis as i64).write(outputs))
    }

    fn agreement(&self) -> Agreement {
        Agreement::Exact
    }
}

/// Updates written to one index along an axis each. ONNX: [ScatterElements](https://onnx.ai/onnx/operators/onnx__ScatterElements.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScatterElements {
    /// The axis.
    pub axis: usize,
    /// What becomes of the number that was there.
    pub reduction: Reduction,
}

/// The name that ONNX gives a reduction.
fn reduction_name(reduction: Reduction) -> &'static str {
    match reduction {
        Reduction::Replace => "none",
        Reduction::Add => "add",
        Reduction::Mul => "mul",
        Reduction::Max => "max",
        Reduction::Min => "min",
    }
}

/// The reduction, where there is one: opsets before 16 know none.
/// The first opset that has a reduction; the extremes came later than sums and products.
fn reduction_since(reduction: Reduction) -> i64 {
    match reduction {
        Reduction::Replace => FIRST_OPSET,
        Reduction::Add | Reduction::Mul => 16,
        Reduction::Max | Reduction::Min => 18,
    }
}

fn reducing<'a>(node: crate::onnx::NodeBuilder<'a>, reduction: Reduction) -> crate::onnx::NodeBuilder<'a> {
    if reduction == Reduction::Replace { node } else { node.string("reduction", reduction_name(reduction)) }
}

fn reduction(node: &crate::onnx::Node) -> Result<Reduction> {
    Ok(match node.string("reduction", "none")? {
        "none" => Reduction::Replace,
        "add" => Reduction::Add,
        "mul" => Reduction::Mul,
        "max" => Reduction::Max,
        "min" => Reduction::Min,
        other => return Err(Error::argument(format!("unknown reduction `{other}`"))),
    })
}

impl Operator for ScatterElements {
    fn name(&self) -> &'static str {
        "ScatterElements"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("axis", self.axis).with("reduction", reduction_name(self.reduction))
    }

    fn since(&self) -> i64 {
        reduction_since(self.reduction)
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let (x, index, updates) = (inputs.at(0)?, indices(inputs.at(1)?)?, inputs.at(2)?);
        if self.axis >= x.rank() || x.rank() != index.rank() || index.shape != updates.shape || x.dtype != updates.dtype {
            return Err(Error::shape(format!("updates {updates} and indices {index} do not fit axis {} of {x}", self.axis)));
        }
        Ok(vec![x.clone()])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        Ok(vec![scatter::scatter_elements(inputs.at(0)?, inputs.at(1)?, inputs.at(2)?, self.axis, self.reduction)?])
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        Ok(reducing(builder.node("ScatterElements", inputs).int("axis", self.axis as i64), self.reduction).write(outputs))
    }

    fn agreement(&self) -> Agreement {
        if matches!(self.reduction, Reduction::Add | Reduction::Mul) { Agreement::Rounding } else { Agreement::Exact }
    }
}

/// The slices that tuples of indices name. ONNX: [GatherND](https://onnx.ai/onnx/operators/onnx__GatherND.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatherNd {
    /// Leading axes that indices and data share.
    pub batch: usize,
}

impl Operator for GatherNd {
    fn name(&self) -> &'static str {
        "GatherND"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("batch_dims", self.batch)
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let (x, index) = (inputs.at(0)?, indices(inputs.at(1)?)?);
        let depth = index.shape.last().and_then(|dim| dim.fixed()).and_then(|n| usize::try_from(n).ok());
        let depth = depth.filter(|depth| self.batch + depth <= x.rank() && self.batch < index.rank());
        let depth = depth.ok_or_else(|| Error::shape(format!("index tuples of shape {} do not fit {}", index.shape, x.shape)))?;
        let dims: Shape = index.shape[..index.rank() - 1].iter().chain(&x.shape[self.batch + depth..]).cloned().collect();
        Ok(vec![Type::new(x.dtype, dims)])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        Ok(vec![gather::gather_nd(inputs.at(0)?, inputs.at(1)?, self.batch)?])
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        Ok(builder.node("GatherND", inputs).int("batch_dims", self.batch as i64).write(outputs))
    }

    fn agreement(&self) -> Agreement {
        Agreement::Exact
    }
}

/// Updates written where tuples of indices say. ONNX: [ScatterND](https://onnx.ai/onnx/operators/onnx__ScatterND.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScatterNd {
    /// What becomes of the number that was there.
    pub reduction: Reduction,
}

impl Operator for ScatterNd {
    fn name(&self) -> &'static str {
        "ScatterND"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("reduction", reduction_name(self.reduction))
    }

    fn since(&self) -> i64 {
        reduction_since(self.reduction)
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let (x, index, updates) = (inputs.at(0)?, indices(inputs.at(1)?)?, inputs.at(2)?);
        let depth = index.shape.last().and_then(|dim| dim.fixed()).and_then(|n| usize::try_from(n).ok()).filter(|&depth| depth <= x.rank());
        let depth = depth.ok_or_else(|| Error::shape(format!("index tuples of shape {} do not fit {}", index.shape, x.shape)))?;
        let expected: Shape = index.shape[..index.rank() - 1].iter().chain(&x.shape[depth..]).cloned().collect();
        if expected != updates.shape || x.dtype != updates.dtype {
            return Err(Error::shape(format!("expected updates {}{expected}, got {updates}", x.dtype)));
        }
        Ok(vec![x.clone()])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        Ok(vec![scatter::scatter_nd(inputs.at(0)?, inputs.at(1)?, inputs.at(2)?, self.reduction)?])
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        Ok(reducing(builder.node("ScatterND", inputs), self.reduction).write(outputs))
    }

    fn agreement(&self) -> Agreement {
        if matches!(self.reduction, Reduction::Add | Reduction::Mul) { Agreement::Rounding } else { Agreement::Exact }
    }
}

/// The indices of the elements that are not zero, in row-major order: one row an axis, one column an element.
///
/// [ONNX NonZero](https://onnx.ai/onnx/operators/onnx__NonZero.html); torch's `nonzero` is the transpose.
#[derive(Clone, Debug, PartialEq)]
pub struct NonZero;

impl Operator for NonZero {
    fn name(&self) -> &'static str {
        "NonZero"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new()
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        Ok(vec![Type::new(DType::I64, vec![Dim::from(x.rank()), Dim::of_data(0)])])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        Ok(vec![gather::nonzero(inputs.at(0)?)?])
    }

    fn bound_of_data(&self, inputs: &Inputs<Array>) -> usize {
        inputs.opt(0).map_or(0, |x| gather::count_nonzero(x).unwrap_or(x.len()))
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        if builder.ty(&inputs[0])?.rank() > 0 {
            return Ok(builder.node("NonZero", inputs).write(outputs));
        }
        // Of a scalar the result has no rows; ONNX Runtime gives it one.
        let (dtype, count) = (builder.ty(&inputs[0])?.dtype, outputs[0].shape[1].clone());
        let zero = builder.ints(&[0]);
        let vector = builder.node("Unsqueeze", &[inputs[0].clone(), zero.clone()]).write_one(Type::new(dtype, [1]))?;
        let found = builder.node("NonZero", &[vector]).write_one(Type::new(DType::I64, vec![Dim::Fixed(1), count]))?;
        Ok(builder.node("Slice", &[found, zero.clone(), zero.clone(), zero]).write(outputs))
    }
}

pub(super) const READS: &[(&str, Reader)] = &[
    ("Gather", |node, inputs| {
        let x = inputs.at(0)?;
        Ok(vec![apply_one(Gather { axis: x.shape().axis(node.int("axis", 0)?)? }, &[x, inputs.at(1)?])?])
    }),
    ("GatherElements", |node, inputs| Ok(vec![inputs.at(0)?.gather(node.int("axis", 0)?, inputs.at(1)?)?])),
    ("GatherND", |node, inputs| {
        let batch = usize::try_from(node.int("batch_dims", 0)?).map_err(|_| Error::argument("negative batch_dims"))?;
        Ok(vec![apply_one(GatherNd { batch }, &[inputs.at(0)?, inputs.at(1)?])?])
    }),
    ("NonZero", |_, inputs| Ok(vec![apply_one(NonZero, &[inputs.at(0)?])?])),
    ("ScatterElements", |node, inputs| {
        let x = inputs.at(0)?;
        let op = ScatterElements { axis: x.shape().axis(node.int("axis", 0)?)?, reduction: reduction(node)? };
        Ok(vec![apply_one(op, &[x, inputs.at(1)?, inputs.at(2)?])?])
    }),
    ("ScatterND", |node, inputs| {
        Ok(vec![apply_one(ScatterNd { reduction: reduction(node)? }, &[inputs.at(0)?, inputs.at(1)?, inputs.at(2)?])?])
    }),
];

impl Tensor {
    /// The slices of an axis that a vector of indices names.
    ///
    /// [torch.index_select](https://pytorch.org/docs/stable/generated/torch.index_select.html)
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where an index is outside the axis.
    #[track_caller]
    pub fn index_select(&self, axis: i64, index: &Tensor) -> Result<Tensor> {
        let axis = self.shape().axis(axis)?;
        apply_one(Gather { axis }, &[self, index])
    }

    /// One element along an axis for each index.
    ///
    /// [torch.gather](https://pytorch.org/docs/stable/generated/torch.gather.html)
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where an index is outside the axis.
    #[track_caller]
    pub fn gather(&self, axis: i64, index: &Tensor) -> Result<Tensor> {
        apply_one(GatherElements { axis: self.shape().axis(axis)? }, &[self, index])
    }

    /// The indices of the elements that are not zero: a row an element, a column an axis. How many depends on the data.
    ///
    /// [torch.nonzero](https://pytorch.org/docs/stable/generated/torch.nonzero.html)
    ///
    /// # Errors
    /// [`Trace`](crate::ErrorCode::Trace) where the tensor belongs to another trace.
    #[track_caller]
    pub fn nonzero(&self) -> Result<Tensor> {
        apply_one(NonZero, &[self])?.transpose(0, 1)
    }

    /// The elements where a mask of the same (or a broadcast) shape is true, as a vector. How many depends on the data.
    ///
    /// [torch.masked_select](https://pytorch.org/docs/stable/generated/torch.masked_select.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the shapes do not broadcast.
    #[track_caller]
    pub fn masked_select(&self, mask: &Tensor) -> Result<Tensor> {
        let shape = size::broadcast(self.shape(), mask.shape())?;
        let positions = apply_one(NonZero, &[&mask.expand(&shape)?.reshape([-1])?])?.reshape([-1])?;
        self.expand(&shape)?.reshape([-1])?.index_select(0, &positions)
    }

    /// Where a mask is true the values of a source, one after the other; all are broadcast to the mask first.
    ///
    /// [torch.Tensor.masked_scatter](https://pytorch.org/docs/stable/generated/torch.Tensor.masked_scatter_.html)
    ///
    /// ```
    /// use ontrace::Tensor;
    /// let (x, mask) = (Tensor::from(&[1.0f32, 2.0, 3.0]), Tensor::from(&[true, false, true]));
    /// assert_eq!(x.masked_scatter(&mask, &Tensor::from(&[7.0f32, 8.0]))?.to_vec::<f32>()?, [7.0, 2.0, 8.0]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the shapes do not broadcast, [`Argument`](crate::ErrorCode::Argument) where the source has too few values.
    #[track_caller]
    pub fn masked_scatter(&self, mask: &Tensor, source: &Tensor) -> Result<Tensor> {
        let shape = size::broadcast(self.shape(), mask.shape())?;
        self.expand(&shape)?.rows_at_mask(&mask.cast(DType::Bool)?.expand(&shape)?, &source.reshape([-1])?)
    }

    /// Where a mask over the first axes is true, the rows of a source one after the other.
    fn rows_at_mask(&self, mask: &Tensor, source: &Tensor) -> Result<Tensor> {
        let rest = &self.shape()[mask.rank()..];
        // The n-th position gets the n-th row, counted from 1; those before the first position look at a row of zeros.
        let position = mask.reshape([-1])?.cumsum(0)?;
        let zeros = Tensor::zeros([&[Dim::Fixed(1)], rest].concat(), self.dtype())?;
        let picked = Tensor::cat(&[&zeros, &source.cast(self.dtype())?], 0)?.index_select(0, &position)?;
        let across: Vec<i64> = (mask.rank()..self.rank()).map(|axis| axis as i64).collect();
        mask.unsqueeze_axes(&across)?.where_(&picked.reshape(self.shape())?, self)
    }

    /// What `x[mask] = values` leaves in x. How many elements the mask names need not be known for it.
    fn put_at_mask(&self, mask: &Tensor, values: &Tensor) -> Result<Tensor> {
        let mask = mask.cast(DType::Bool)?;
        if mask.rank() > self.rank() || !size::agree(mask.shape(), &Shape::from(&self.shape()[..mask.rank()])) {
            return Err(Error::argument(format!("a mask of shape {} does not fit a tensor of shape {}", mask.shape(), self.shape())));
        }
        let values = values.cast(self.dtype())?;
        let rest = &self.shape()[mask.rank()..];
        let (extra, shape) = match values.rank().checked_sub(rest.len() + 1) {
            None => (0, Vec::new()),
            Some(extra) => (extra, values.shape()[extra..].to_vec()),
        };
        if values.shape()[..extra].iter().any(|dim| *dim != 1) {
            return Err(Error::shape(format!("values of shape {} do not fit the masked elements of shape {:?}", values.shape(), rest)));
        }
        match shape.first() {
            Some(count) if *count != 1 => {
                let rows = values.reshape(&shape)?.expand([std::slice::from_ref(count), rest].concat())?;
                self.rows_at_mask(&mask, &rows)
            }
            // One for all.
            _ => {
                let across: Vec<i64> = (mask.rank()..self.rank()).map(|axis| axis as i64).collect();
                let value = if shape.is_empty() { values } else { values.reshape(&shape[1..])? };
                mask.unsqueeze_axes(&across)?.where_(&value.expand(self.shape())?, self)
            }
        }
    }

    /// The rows of this table that indices name.
    ///
    /// [torch.nn.functional.embedding](https://pytorch.org/docs/stable/generated/torch.nn.functional.embedding.html)
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where an index is outside the table.
    #[track_caller]
    pub fn embedding(&self, indices: &Tensor) -> Result<Tensor> {
        if self.rank() != 2 {
            return Err(Error::shape(format!("expected a table, got shape {}", self.shape())));
        }
        apply_one(Gather { axis: 0 }, &[self, indices])
    }

    /// Other values at one index along an axis each.
    ///
    /// [torch.Tensor.scatter](https://pytorch.org/docs/stable/generated/torch.Tensor.scatter_.html)
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where an index is outside the axis.
    #[track_caller]
    pub fn scatter(&self, axis: i64, index: &Tensor, updates: impl Operand, reduction: Reduction) -> Result<Tensor> {
        let updates = updates.into_tensor()?.cast(self.dtype())?;
        let updates = if updates.rank() == 0 { updates.expand(index.shape())? } else { updates };
        apply_one(ScatterElements { axis: self.shape().axis(axis)?, reduction }, &[self, index, &updates])
    }

    /// Indexing by tensors: the axes that have an index give way to the axes of the indices, which broadcast together. A mask
    /// stands for the indices where it is true.
    ///
    /// [Advanced indexing](https://numpy.org/doc/stable/user/basics.indexing.html#advanced-indexing): the new axes stand where
    /// the indexed ones stood, or at the front where those do not stand together.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) for more indices than axes, and where an index is outside its axis.
    #[track_caller]
    pub fn index(&self, indices: &[Option<&Tensor>]) -> Result<Tensor> {
        let given = numbered(self, indices)?;
        match given.as_slice() {
            [] => Ok(self.clone()),
            [(axis, index)] => self.index_select(*axis as i64, index),
            _ => {
                let flat = FlatIndex::of(self, &given)?;
                let picked = flat.rows(self)?.index_select(0, &flat.index)?;
                flat.put_in_place(&picked)
            }
        }
    }

    /// Other values where [`index`](Tensor::index) reads, replaced or added; where a position is named twice the last number wins.
    ///
    /// [torch.Tensor.index_put](https://pytorch.org/docs/stable/generated/torch.Tensor.index_put_.html)
    ///
    /// # Errors
    /// As [`index`](Tensor::index), and [`Shape`](crate::ErrorCode::Shape) where the values do not broadcast to what it reads.
    #[track_caller]
    pub fn index_put(&self, indices: &[Option<&Tensor>], values: &Tensor, reduction: Reduction) -> Result<Tensor> {
        if let ([Some(mask)], Reduction::Replace) = (indices, reduction)
            && is_mask(mask)
        {
            return self.put_at_mask(mask, values);
        }
        let given = numbered(self, indices)?;
        if given.is_empty() {
            return values.cast(self.dtype())?.expand(self.shape());
        }
        let flat = FlatIndex::of(self, &given)?;
        let shape: Vec<Dim> = flat.index.shape().iter().chain(&flat.rest).cloned().collect();
        let values = flat.brought_front(&values.cast(self.dtype())?, shape.len())?.expand(&shape)?;
        let rows = flat.rows(self)?;
        let new = apply_one(ScatterNd { reduction }, &[&rows, &flat.index.unsqueeze(-1)?, &values])?;
        flat.undone(&new)
    }
}

/// Whether an index is true where it names an element.
fn is_mask(index: &Tensor) -> bool {
    matches!(index.dtype(), DType::Bool | DType::U8)
}

/// The indices by axis; a mask becomes one index for each of its axes.
fn numbered(x: &Tensor, indices: &[Option<&Tensor>]) -> Result<Vec<(usize, Tensor)>> {
    let mut given = Vec::new();
    let mut axis = 0;
    for index in indices {
        match index {
            None => axis += 1,
            Some(mask) if is_mask(mask) => {
                let positions = apply_one(NonZero, &[*mask])?;
                for i in 0..mask.rank() {
                    given.push((axis + i, positions.select(0, i as i64)?));
                }
                axis += mask.rank();
            }
            Some(index) => {
                given.push((axis, (*index).clone()));
                axis += 1;
            }
        }
    }
    if axis > x.rank() {
        return Err(Error::argument(format!("{axis} indices for a tensor of shape {}", x.shape())));
    }
    // In rows of nothing no index is out of range, but there must be one.
    let is_indexed = |axis: usize| given.iter().any(|(indexed, _)| *indexed == axis);
    let of_nothing = x.shape().iter().enumerate().any(|(axis, dim)| !is_indexed(axis) && *dim == 0);
    if of_nothing && given.iter().all(|(axis, _)| x.shape()[*axis].fixed().is_some_and(|n| n > 0)) {
        return given.into_iter().map(|(axis, index)| Ok((axis, index.mul(0)?))).collect();
    }
    Ok(given)
}

/// What several index tensors name: rows of the tensor with the indexed axes at the front, as one.
struct FlatIndex {
    /// The indexed axes, then the others.
    order: Vec<i64>,
    /// The sizes of the indexed axes.
    front: Vec<Dim>,
    /// The sizes of the others.
    rest: Vec<Dim>,
    /// The row of each element of the broadcast indices.
    index: Tensor,
    /// Before which of the other axes the new ones stand.
    start: usize,
}

impl FlatIndex {
    fn of(x: &Tensor, given: &[(usize, Tensor)]) -> Result<FlatIndex> {
        let axes: Vec<usize> = given.iter().map(|(axis, _)| *axis).collect();
        let together = axes.windows(2).all(|pair| pair[0] + 1 == pair[1]);
        let others: Vec<usize> = (0..x.rank()).filter(|axis| !axes.contains(axis)).collect();
        let length = |&axis: &usize| x.shape()[axis].clone();
        let mut index: Option<Tensor> = None;
        for (axis, positions) in given {
            let n = length(axis);
            let positions = positions.cast(DType::I64)?;
            let known = positions.constant().is_some_and(|array| array.to_i64s().is_ok_and(|indices| indices.iter().all(|&i| i >= 0)));
            let positions = if known { positions } else { positions.lt(0)?.where_(&positions.add(&n)?, &positions)? };
            index = Some(match index {
                None => positions,
                Some(index) => index.mul(&n)?.add(positions)?,
            });
        }
        Ok(FlatIndex {
            order: axes.iter().chain(&others).map(|&axis| axis as i64).collect(),
            front: axes.iter().map(length).collect(),
            rest: others.iter().map(length).collect(),
            index: index.ok_or_else(|| Error::internal("no index"))?,
            start: if together { axes[0] } else { 0 },
        })
    }

    fn rows(&self, x: &Tensor) -> Result<Tensor> {
        let x = x.permute(&self.order)?;
        if self.front.len() == 1 { Ok(x) } else { x.flatten(0, self.front.len() as i64 - 1) }
    }

    fn undone(&self, rows: &Tensor) -> Result<Tensor> {
        let x = if self.front.len() == 1 { rows.clone() } else { rows.unflatten(0, &self.front)? };
        let mut inverse = vec![0; self.order.len()];
        for (i, &axis) in self.order.iter().enumerate() {
            inverse[axis as usize] = i as i64;
        }
        x.permute(&inverse)
    }

    /// The axes of the index moved from the front to where they stand in the result.
    fn put_in_place(&self, picked: &Tensor) -> Result<Tensor> {
        let (new, rank) = (self.index.rank(), picked.rank());
        let order = (new..new + self.start).chain(0..new).chain(new + self.start..rank);
        picked.permute(&order.map(|axis| axis as i64).collect::<Vec<_>>())
    }

    /// Values that broadcast to the result, with the axes of the index first.
    fn brought_front(&self, values: &Tensor, rank: usize) -> Result<Tensor> {
        let mut values = values.clone();
        while values.rank() < rank {
            values = values.unsqueeze(0)?;
        }
        let new = self.index.rank();
        let order = (self.start..self.start + new).chain(0..self.start).chain(self.start + new..rank);
        values.permute(&order.map(|axis| axis as i64).collect::<Vec<_>>())
    }
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;

    fn gather_nd(x: &Tensor, index: &Tensor, batch: usize) -> Result<Tensor> {
        apply_one(GatherNd { batch }, &[x, index])
    }

    fn scatter_nd(x: &Tensor, index: &Tensor, updates: &Tensor, reduction: Reduction) -> Result<Tensor> {
        apply_one(ScatterNd { reduction }, &[x, index, updates])
    }
    cases! {
        "nonzero", [these(DType::F32, &[2, 3], &[0.0, 1.0, -2.0, 0.0, 3.0])], |x| one(x[0].nonzero()?);
        "masked_select", [floats(&[2, 3]), bools(&[2, 3])], |x| one(x[0].masked_select(&x[1])?);
        "index_put", [floats(&[4, 3]), indices(&[2], 4), floats(&[2, 3])], |x| one(x[0].index_put(&[Some(&x[1])], &x[2], Reduction::Add)?);
        "index_select", [floats(&[5, 3]), indices(&[4], 5)], |x| one(x[0].index_select(0, &x[1])?);
        "index_select_last", [floats(&[2, 5]), these(DType::I64, &[4], &[0.0, -1.0, 2.0, -5.0])], |x| one(x[0].index_select(-1, &x[1])?);
        "index_select_i32", [floats(&[5, 3]), of(DType::I32, &[4], 0.0, 4.0)], |x| one(x[0].index_select(0, &x[1])?);
        "gather", [floats(&[5, 3]), indices(&[4, 3], 5)], |x| one(x[0].gather(0, &x[1])?);
        "gather_last", [floats(&[2, 5]), indices(&[2, 3], 5)], |x| one(x[0].gather(-1, &x[1])?);
        "gather_i64", [integers(&[2, 5]), indices(&[2, 3], 5)], |x| one(x[0].gather(1, &x[1])?);
        "embedding", [indices(&[2, 3], 7)], |x| one(weight(&[7, 4]).embedding(&x[0])?);
        "scatter", [floats(&[2, 5]), these(DType::I64, &[2, 3], &[0.0, 3.0, 1.0]), floats(&[2, 3])], |x| one(x[0].scatter(1, &x[1], &x[2], Reduction::Replace)?);
        "scatter_add", [floats(&[5, 3]), indices(&[4, 3], 5), floats(&[4, 3])], |x| one(x[0].scatter(0, &x[1], &x[2], Reduction::Add)?);
        "scatter_mul", [floats(&[5, 3]), indices(&[4, 3], 5), floats(&[4, 3])], |x| one(x[0].scatter(0, &x[1], &x[2], Reduction::Mul)?);
        "scatter_max", [floats(&[5, 3]), indices(&[4, 3], 5), floats(&[4, 3])], |x| one(x[0].scatter(0, &x[1], &x[2], Reduction::Max)?);
        "scatter_min", [floats(&[5, 3]), indices(&[4, 3], 5), floats(&[4, 3])], |x| one(x[0].scatter(0, &x[1], &x[2], Reduction::Min)?);
        "gather_nd", [floats(&[3, 4, 5]), these(DType::I64, &[6, 2], &[0.0, 3.0, 2.0, 1.0])], |x| one(gather_nd(&x[0], &x[1], 0)?);
        "gather_nd_batch", [floats(&[2, 4, 5]), indices(&[2, 1], 4)], |x| one(gather_nd(&x[0], &x[1], 1)?);
        "scatter_nd", [floats(&[4, 3]), these(DType::I64, &[2, 1], &[0.0, 3.0]), floats(&[2, 3])], |x| one(scatter_nd(&x[0], &x[1], &x[2], Reduction::Replace)?);
        "scatter_nd_add", [floats(&[4, 3]), these(DType::I64, &[2, 1], &[0.0, 3.0]), floats(&[2, 3])], |x| one(scatter_nd(&x[0], &x[1], &x[2], Reduction::Add)?);
    }
}
