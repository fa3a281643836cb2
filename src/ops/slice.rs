//! Parts of a tensor: slices, single indices, pieces.

use super::iteration_count::spend_steps;
use super::{Reader, Reduction};
use crate::array::{Array, DType};
use crate::dim::{Dim, DimArray, Shape, Sizes, Type};
use crate::error::{Error, ErrorCode, Result};
use crate::graph::{Agreement, Attributes, Inputs, Operator, Substitution};
use crate::onnx::{GraphBuilder, Name};
use crate::tensor::AxisRange;
use crate::tensor::{Operand, Tensor, apply, apply_one, size};
use std::sync::Arc;

/// Every `step`-th index of one axis. ONNX: [Slice](https://onnx.ai/onnx/operators/onnx__Slice.html).
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// The axis.
    pub axis: usize,
    /// The first index, not negative.
    pub start: Dim,
    /// How many indices.
    pub length: Dim,
    /// The distance of neighbours; negative runs backwards.
    pub step: i64,
}

impl Operator for Slice {
    fn name(&self) -> &'static str {
        "Slice"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("axis", self.axis).with("start", &self.start).with("length", &self.length).with("step", self.step)
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        if self.axis >= x.rank() || self.step == 0 {
            return Err(Error::argument(format!("invalid slice of axis {} with step {} of shape {}", self.axis, self.step, x.shape)));
        }
        let mut dims = x.shape.to_vec();
        dims[self.axis] = self.length.clone();
        Ok(vec![Type::new(x.dtype, dims)])
    }

    fn eval(&self, inputs: &Inputs<Array>, sizes: Sizes) -> Result<Vec<Array>> {
        let (start, length) = (sizes.of(&self.start)?, sizes.of(&self.length)?);
        let negative = |n: i64| match self.start.is_symbolic() || self.length.is_symbolic() {
            false => Error::argument(format!("invalid slice: start or size is {n}")),
            // That there is such a slice was taken for granted, as in the example.
            true => Error::new(
                ErrorCode::Guard,
                format!(
                    "the traced graph is valid only for a slice that exists, from {} of size {}; one of them is {n} in this call",
                    self.start, self.length
                ),
            ),
        };
        let start = usize::try_from(start).map_err(|_| negative(start))?;
        let length = usize::try_from(length).map_err(|_| negative(length))?;
        Ok(vec![inputs.at(0)?.slice(self.axis, start, length, self.step as isize)?])
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let whole = builder.ty(&inputs[0])?.shape[self.axis].clone();
        let end = &self.start + &(&self.length * self.step);
        // To the end of the axis, whatever its size: no arithmetic is needed in the ONNX graph.
        let end = match self.step {
            1 if end == whole => Dim::Fixed(i64::MAX),
            step if step > 0 => end,
            // Backwards past index 0, which -1 would not say.
            step if end.fixed().is_some_and(|n| n < 0) || (&self.start + &(&(&self.length - 1i64) * step)) == 0 => Dim::Fixed(i64::MIN),
            // A symbolic end may turn out to be -1, which is the last index in ONNX: it is counted from the end of the axis.
            step if end.is_symbolic() => &self.start + &(&(&self.length - 1i64) * step) - 1i64 - whole.clone(),
            _ => end,
        };
        // An index counted from the end is arithmetic that the operator does itself.
        let from_end = &self.start - &whole;
        let start = if self.start.is_symbolic() && from_end.fixed().is_some_and(|n| n < 0) { from_end } else { self.start.clone() };
        let (start, end) = (builder.dims(&[start])?, builder.dims(&[end])?);
        let (axis, step) = (builder.ints(&[self.axis as i64]), builder.ints(&[self.step]));
        Ok(builder.node("Slice", &[inputs[0].clone(), start, end, axis, step]).write(outputs))
    }

    fn agreement(&self) -> Agreement {
        Agreement::Exact
    }

    fn of_dims(&self, inputs: &Inputs<DimArray>) -> Option<DimArray> {
        let x = inputs.opt(0)?;
        let (start, length) = (self.start.fixed()?, self.length.fixed()?);
        let dims = (0..length).map(|i| x.dims.get(usize::try_from(start + i * self.step).ok()?).cloned()).collect::<Option<Vec<_>>>()?;
        (!x.scalar).then_some(DimArray { scalar: false, dims })
    }

    fn substituted(&self, of: &Substitution) -> Option<Arc<dyn Operator>> {
        Some(Arc::new(Slice { start: of.dim(&self.start), length: of.dim(&self.length), ..self.clone() }))
    }
}

/// A slice with ends that are values: negative ones count from the end of the axis, and ends beyond it are clamped, at every call anew. How
/// many indices there are depends on the data. ONNX: [Slice](https://onnx.ai/onnx/operators/onnx__Slice.html).
#[derive(Clone, Debug, PartialEq)]
pub struct SliceBetween {
    /// The axis.
    pub axis: usize,
    /// The first index; absent, the first of the axis, or the last where the step is negative.
    pub start: Option<Dim>,
    /// The index before which the slice ends; absent, past the end of the axis.
    pub end: Option<Dim>,
    /// The distance of neighbours; negative runs backwards.
    pub step: Dim,
}

impl SliceBetween {
    /// How many indices there probably are: as many as the ends say, if they exist.
    fn guess(&self, whole: &Dim) -> Option<i64> {
        let distance = self.end.as_ref()? - self.start.as_ref()?;
        let step = self.step.fixed().filter(|&step| step > 0)?;
        let n = distance.fixed().filter(|&n| n > 0)?;
        let count = n / step + i64::from(n % step != 0);
        Some(whole.fixed().map_or(count, |whole| count.min(whole)))
    }
}

impl Operator for SliceBetween {
    fn name(&self) -> &'static str {
        "Slice"
    }

    fn attributes(&self) -> Attributes {
        let attributes = Attributes::new().with("axis", self.axis);
        let attributes = match self.step.fixed() {
            Some(step) => attributes.with("step", step),
            None => attributes.with("step", &self.step),
        };
        attributes.with_some("start", self.start.as_ref()).with_some("end", self.end.as_ref())
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        if self.axis >= x.rank() || self.step == 0 {
            return Err(Error::argument(format!("invalid slice of axis {} with step {} of shape {}", self.axis, self.step, x.shape)));
        }
        let mut dims = x.shape.to_vec();
        dims[self.axis] = Dim::of_data_near(0, self.guess(&dims[self.axis]));
        Ok(vec![Type::new(x.dtype, dims)])
    }

    fn eval(&self, inputs: &Inputs<Array>, sizes: Sizes) -> Result<Vec<Array>> {
        let x = inputs.at(0)?;
        let whole = x.shape()[self.axis] as i64;
        let step = sizes.of(&self.step)?;
        if step == 0 {
            return Err(Error::argument("the step of a slice must not be 0"));
        }
        // Backwards a slice starts at an index that exists and ends before the first one.
        let (starts, ends) = if step > 0 { ((0, whole), (0, whole)) } else { ((0, whole - 1), (-1, whole - 1)) };
        let bound = |end: &Option<Dim>, (low, high): (i64, i64), default: i64| match end {
            None => Ok(default),
            Some(dim) => sizes.of(dim).map(|n| if n < 0 { n.saturating_add(whole) } else { n }.clamp(low, high.max(low))),
        };
        let (first, last) = if step > 0 { (0, whole) } else { (whole - 1, -1) };
        let (start, end) = (bound(&self.start, starts, first)?, bound(&self.end, ends, last)?);
        let distance = if step > 0 { end - start } else { start - end }.max(0) as u64;
        let length = if whole == 0 { 0 } else { distance.div_ceil(step.unsigned_abs()) };
        let start = if length == 0 { 0 } else { start };
        Ok(vec![x.slice(self.axis, start as usize, length as usize, step as isize)?])
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let (first, last) = if self.step.fixed().is_none_or(|step| step > 0) { (0, i64::MAX) } else { (i64::MAX, i64::MIN) };
        let start = builder.dims(&[self.start.clone().unwrap_or(Dim::Fixed(first))])?;
        let end = builder.dims(&[self.end.clone().unwrap_or(Dim::Fixed(last))])?;
        let (axis, step) = (builder.ints(&[self.axis as i64]), builder.dims(std::slice::from_ref(&self.step))?);
        Ok(builder.node("Slice", &[inputs[0].clone(), start, end, axis, step]).write(outputs))
    }

    fn agreement(&self) -> Agreement {
        Agreement::Exact
    }

    fn substituted(&self, of: &Substitution) -> Option<Arc<dyn Operator>> {
        let (start, end) = (self.start.as_ref().map(|dim| of.dim(dim)), self.end.as_ref().map(|dim| of.dim(dim)));
        Some(Arc::new(SliceBetween { start, end, step: of.dim(&self.step), ..self.clone() }))
    }
}

/// One axis in pieces of given sizes. ONNX: [Split](https://onnx.ai/onnx/operators/onnx__Split.html).
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// The axis.
    pub axis: usize,
    /// The size of each piece.
    pub split: Vec<Dim>,
}

impl Operator for Split {
    fn name(&self) -> &'static str {
        "Split"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("axis", self.axis).with("split", &self.split)
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        let whole =
            x.shape.get(self.axis).ok_or_else(|| Error::argument(format!("axis {} is out of range for shape {}", self.axis, x.shape)))?;
        if !self.split.iter().cloned().sum::<Dim>().fits(whole, inputs.constraints()) {
            return Err(Error::shape(format!("split sizes {:?} do not add up to the axis size {whole}", self.split)));
        }
        let piece = |length: &Dim| {
            let mut dims = x.shape.to_vec();
            dims[self.axis] = length.clone();
            Type::new(x.dtype, dims)
        };
        Ok(self.split.iter().map(piece).collect())
    }

    fn eval(&self, inputs: &Inputs<Array>, sizes: Sizes) -> Result<Vec<Array>> {
        let x = inputs.at(0)?;
        let mut start = 0;
        let mut pieces = Vec::with_capacity(self.split.len());
        for length in sizes.shape(&self.split)? {
            pieces.push(x.slice(self.axis, start, length, 1)?);
            start += length;
        }
        Ok(pieces)
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let split = builder.dims(&self.split)?;
        Ok(builder.node("Split", &[inputs[0].clone(), split]).int("axis", self.axis as i64).write(outputs))
    }

    fn agreement(&self) -> Agreement {
        Agreement::Exact
    }

    fn substituted(&self, of: &Substitution) -> Option<Arc<dyn Operator>> {
        Some(Arc::new(Split { split: of.dims(&self.split), ..self.clone() }))
    }
}

pub(super) const READS: &[(&str, Reader)] = &[
    ("Slice", |node, inputs| {
        let mut x = inputs.at(0)?.clone();
        let part = |input: usize, attribute: &str| match inputs.opt(input) {
            Some(tensor) => super::dims_of(tensor).map(Some),
            None => Ok(node.ints(attribute)?.map(|ints| ints.iter().copied().map(Dim::Fixed).collect())),
        };
        let (starts, ends) = (part(1, "starts")?.unwrap_or_default(), part(2, "ends")?.unwrap_or_default());
        // The type of the result hangs on the axes: a trace holds for these.
        let axes = match inputs.opt(3) {
            Some(tensor) => super::fixed(tensor)?,
            None => node.ints("axes")?.map_or_else(|| (0..starts.len() as i64).collect(), <[i64]>::to_vec),
        };
        let steps = part(4, "steps")?.unwrap_or_else(|| vec![Dim::Fixed(1); starts.len()]);
        if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
            return Err(Error::argument("starts, ends, axes and steps have different sizes"));
        }
        for (((start, end), &axis), step) in starts.iter().zip(&ends).zip(&axes).zip(&steps) {
            let Some(step) = step.fixed() else {
                let (start, end) = (Some(start.clone()), Some(end.clone()));
                x = apply_one(SliceBetween { axis: x.shape().axis(axis)?, start, end, step: step.clone() }, &[&x])?;
                continue;
            };
            // A start before the beginning is the first element, where Python's slices with a negative step are empty.
            let first = match (start.fixed(), x.dim(axis)?.fixed()) {
                (Some(start), Some(size)) if step < 0 && start < -size => Dim::Fixed(0),
                _ => start.clone(),
            };
            x = x.slice_step(axis, first..end.clone(), step)?;
        }
        Ok(vec![x])
    }),
    ("Split", |node, inputs| {
        let x = inputs.at(0)?;
        let axis = x.shape().axis(node.int("axis", 0)?)?;
        let given = match inputs.opt(1) {
            Some(split) => Some(super::dims_of(split)?),
            None => node.ints("split")?.map(|ints| ints.iter().copied().map(Dim::Fixed).collect()),
        };
        let split = match given {
            Some(split) => split,
            None => {
                let count = node.find_int("num_outputs")?.unwrap_or(node.outputs().len() as i64);
                if !(1..=1 << 16).contains(&count) {
                    return Err(Error::argument(format!("cannot split into {count}")));
                }
                let whole = x.shape()[axis].clone();
                if node.find_int("num_outputs")?.is_none() && whole.fixed().is_some_and(|whole| whole % count != 0) {
                    return Err(Error::shape(format!("{whole} elements do not split into {count} equal parts")));
                }
                let piece = whole.ceil_div(count);
                let mut split = vec![piece.clone(); count as usize];
                split[count as usize - 1] = whole - piece * (count - 1);
                split
            }
        };
        if split.len() != node.outputs().len() {
            return Err(Error::damaged(format!("Split: {} sizes for {} outputs", split.len(), node.outputs().len())));
        }
        apply(Split { axis, split }, &[Some(x)])
    }),
];

impl Tensor {
    /// A range of indices along an axis, as Python's `x[start:end]`: negative ends count from the end of the axis, and ends beyond it are
    /// clamped. Ends may be symbolic: `x.slice(0, ..n)`.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where there is no such axis.
    #[track_caller]
    pub fn slice(&self, axis: i64, range: impl Into<AxisRange>) -> Result<Tensor> {
        self.slice_step(axis, range, 1)
    }

    /// Every `step`-th index of a range along an axis, as Python's `x[start:end:step]`; a negative step goes backwards. A start that is a value and
    /// lies before the first index is the first, as ONNX has it, also backwards.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where there is no such axis or the step is 0.
    #[track_caller]
    pub fn slice_step(&self, axis: i64, range: impl Into<AxisRange>, step: i64) -> Result<Tensor> {
        let AxisRange { start, end } = range.into();
        if [&start, &end].into_iter().flatten().any(Dim::depends_on_values) {
            return apply_one(SliceBetween { axis: self.shape().axis(axis)?, start, end, step: Dim::Fixed(step) }, &[self]);
        }
        let slice = self.slice_of(axis, AxisRange { start, end }, step)?;
        if slice.start == 0 && slice.length == self.shape()[slice.axis] && step == 1 { Ok(self.clone()) } else { apply_one(slice, &[self]) }
    }

    /// What Python's slice is on this tensor.
    fn slice_of(&self, axis: i64, AxisRange { start, end }: AxisRange, step: i64) -> Result<Slice> {
        let axis = self.shape().axis(axis)?;
        let whole = &self.shape()[axis];
        if step == 0 {
            return Err(Error::argument("the step of a slice must not be 0"));
        }
        Ok(match step > 0 {
            true if [&start, &end].into_iter().flatten().any(Dim::depends_on_values) => {
                let start = clamp_value(&start.unwrap_or(Dim::Fixed(0)), whole);
                let end = end.map_or_else(|| whole.clone(), |end| clamp_value(&end, whole));
                Slice { axis, length: (&end - &start).max(0i64).ceil_div(step), start, step }
            }
            true => {
                let start = clamp(&start.unwrap_or(Dim::Fixed(0)), whole, 0);
                let end = clamp(&end.unwrap_or(Dim::Fixed(i64::MAX)), whole, 0);
                let length = nonnegative((&end - &start).ceil_div(step));
                Slice { axis, start, length, step }
            }
            false => {
                let last = whole - 1i64;
                let start = start.map_or(last.clone(), |start| clamp(&start, whole, -1).min(&last));
                let end = end.map_or(Dim::Fixed(-1), |end| clamp(&end, whole, -1));
                let length = nonnegative((&start - &end).ceil_div(-step));
                // An empty slice may start anywhere that exists.
                Slice { axis, start: if length == 0 { Dim::Fixed(0) } else { start }, length, step }
            }
        })
    }

    /// Other values in a slice: what `x[start:end:step] = new` leaves in x. They are cast, and broadcast to the slice.
    ///
    /// [torch.slice_scatter](https://pytorch.org/docs/stable/generated/torch.slice_scatter.html)
    ///
    /// ```
    /// use ontrace::Tensor;
    /// let x = Tensor::from(&[1.0f32, 2.0, 3.0, 4.0]);
    /// assert_eq!(x.slice_scatter(0, 1.., 2, 0)?.to_vec::<f32>()?, [1.0, 0.0, 3.0, 0.0]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where there is no such axis or the step is not positive, [`Shape`](crate::ErrorCode::Shape) where the
    /// values do not broadcast to the slice.
    #[track_caller]
    pub fn slice_scatter(&self, axis: i64, range: impl Into<AxisRange>, step: i64, new: impl Operand) -> Result<Tensor> {
        if step < 1 {
            return Err(Error::argument(format!("cannot assign to a slice with step {step}")));
        }
        let Slice { axis: axis_index, start, length, .. } = self.slice_of(axis, range.into(), step)?;
        let mut region = self.shape().to_vec();
        region[axis_index] = length.clone();
        let new = new.into_tensor()?.cast(self.dtype())?.expand(&region)?;
        if length == self.shape()[axis_index] && step == 1 {
            return Ok(new);
        }
        if step == 1 {
            return self.joined(axis_index, start, &self.shape()[axis_index], &new);
        }
        // Every `step`-th index: written one by one along the axis.
        let index = Tensor::arange(Tensor::from_dim(&start), Tensor::from_dim(&(&start + &(&length * step))), step, DType::I64)?;
        let mut across = vec![Dim::Fixed(1); self.rank()];
        across[axis_index] = length;
        self.scatter(axis, &index.reshape(&across)?.expand(&region)?, new, Reduction::Replace)
    }

    /// Other values at one index of an axis: what `x[index] = new` leaves in x. They are cast, and broadcast.
    ///
    /// [torch.select_scatter](https://pytorch.org/docs/stable/generated/torch.select_scatter.html)
    ///
    /// # Errors
    /// As [`Tensor::select`], and [`Shape`](crate::ErrorCode::Shape) where the values do not broadcast to what that gives.
    #[track_caller]
    pub fn select_scatter(&self, axis: i64, index: impl Into<Dim>, new: impl Operand) -> Result<Tensor> {
        let axis_index = self.shape().axis(axis)?;
        let whole = &self.shape()[axis_index];
        let index = index.into();
        if index.depends_on_values() {
            let mut region = self.shape().to_vec();
            region[axis_index] = Dim::Fixed(1);
            let new = new.into_tensor()?.cast(self.dtype())?;
            let has_axis = new.rank() + axis_index >= self.rank();
            let new = if has_axis { new.unsqueeze(axis_index as i64 - self.rank() as i64)? } else { new };
            return self.index_put_along(axis, &Tensor::from_dims([index]), &new.expand(&region)?, Reduction::Replace);
        }
        let start = existing(&index, whole)?;
        let mut region = self.shape().to_vec();
        region.remove(axis_index);
        let new = new.into_tensor()?.cast(self.dtype())?.expand(&region)?.unsqueeze(axis_index as i64)?;
        if whole.is_symbolic() && start.fixed().is_some() {
            // An index that does not exist is refused at every call; the ends of slices would be sampled to that of the axis.
            let index = Tensor::from_dim(&start).reshape([1])?;
            let indices: Vec<Option<&Tensor>> = vec![None; axis_index].into_iter().chain([Some(&index)]).collect();
            return self.index_put(&indices, &new, Reduction::Replace);
        }
        self.joined(axis_index, start, whole, &new)
    }

    /// `length` indices of an axis from `start` on, which exist at every size.
    #[track_caller]
    pub(crate) fn part(&self, axis: usize, start: impl Into<Dim>, length: impl Into<Dim>) -> Result<Tensor> {
        let (start, length) = (start.into(), length.into());
        let whole = self.shape().get(axis).ok_or_else(|| Error::argument(format!("axis {axis} is out of range for {}", self.ty())))?;
        if start == 0 && length == *whole { Ok(self.clone()) } else { apply_one(Slice { axis, start, length, step: 1 }, &[self]) }
    }

    /// Values from `start` on along an axis, between what stands before and after them.
    #[track_caller]
    fn joined(&self, axis: usize, start: Dim, whole: &Dim, new: &Tensor) -> Result<Tensor> {
        let last = &start + &new.shape()[axis];
        let (before, after) = (self.part(axis, 0, start)?, self.part(axis, last.clone(), whole - &last)?);
        let parts: Vec<&Tensor> = [&before, new, &after].into_iter().filter(|part| part.shape()[axis] != 0).collect();
        Tensor::cat(&parts, axis as i64)
    }

    /// One index of an axis, which goes away; a negative index counts from the end.
    ///
    /// [torch.select](https://pytorch.org/docs/stable/generated/torch.select.html)
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where the axis or the index does not exist.
    #[track_caller]
    pub fn select(&self, axis: i64, index: impl Into<Dim>) -> Result<Tensor> {
        let axis = self.shape().axis(axis)?;
        let index = index.into();
        if index.depends_on_values() {
            return self.index_select(axis as i64, &Tensor::from_dim(&index));
        }
        let start = existing(&index, &self.shape()[axis])?;
        apply_one(Slice { axis, start, length: Dim::Fixed(1), step: 1 }, &[self])?.squeeze_axes(&[axis as i64])
    }

    /// `length` indices of an axis from `start` on; a negative start counts from the end.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where the axis does not exist, or one of the indices.
    #[track_caller]
    pub fn narrow(&self, axis: i64, start: impl Into<Dim>, length: impl Into<Dim>) -> Result<Tensor> {
        let (start, length) = (start.into(), length.into());
        if start.depends_on_values() {
            // Negative ones count from the end, each by itself.
            let ((), index) = (size::refuse_wrapped(&start, &length)?, Tensor::arange(0, &length, 1, DType::I64)?.add(&start)?);
            return self.index_select(axis, &index);
        }
        if length.depends_on_values() {
            let axis = self.shape().axis(axis)?;
            let start = existing(&start, &self.shape()[axis])?;
            return apply_one(Slice { axis, start, length, step: 1 }, &[self]);
        }
        let (start, end) = size::span(&start, &length, &self.dim(axis)?)?;
        self.slice(axis, start..end)
    }

    /// An axis in pieces of these sizes.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the sizes do not add up.
    #[track_caller]
    pub fn split_with_sizes(&self, sizes: impl Into<Shape>, axis: i64) -> Result<Vec<Tensor>> {
        let axis = self.shape().axis(axis)?;
        let split: Vec<Dim> = sizes.into().to_vec();
        if split.len() == 1 && split[0] == self.shape()[axis] {
            Ok(vec![self.clone()])
        } else {
            apply(Split { axis, split }, &[Some(self)])
        }
    }

    /// An axis in pieces of one size, the last perhaps shorter.
    ///
    /// [torch.split](https://pytorch.org/docs/stable/generated/torch.split.html)
    ///
    /// # Errors
    /// [`Size`](crate::ErrorCode::Size) where the number of pieces would differ from call to call. In a trace it is that of the example, and
    /// that it is becomes a condition of the traced graph.
    #[track_caller]
    pub fn split(&self, length: impl Into<Dim>, axis: i64) -> Result<Vec<Tensor>> {
        let (length, whole) = (length.into(), self.dim(axis)?);
        if length == 0 && whole == 0 {
            return Ok(vec![self.clone()]);
        }
        if length.fixed().is_some_and(|n| n <= 0) {
            return Err(Error::argument(format!("invalid split size {length}")));
        }
        let count = chunks(&whole, &length)?.max(1);
        spend_steps(count as usize)?;
        let mut sizes = vec![length.clone(); count as usize];
        sizes[count as usize - 1] = whole - length * (count - 1);
        self.split_with_sizes(&sizes, axis)
    }

    /// An axis in at most `count` pieces of one size, the last perhaps shorter.
    ///
    /// [torch.chunk](https://pytorch.org/docs/stable/generated/torch.chunk.html)
    ///
    /// # Errors
    /// As [`Tensor::split`].
    #[track_caller]
    pub fn chunk(&self, count: i64, axis: i64) -> Result<Vec<Tensor>> {
        if count <= 0 {
            return Err(Error::argument(format!("{count} pieces")));
        }
        let whole = self.dim(axis)?;
        spend_steps(count as usize)?;
        if whole == 0 {
            return self.split_with_sizes(vec![Dim::Fixed(0); count as usize], axis);
        }
        // ceil(n / count) · count is at least n: only that there are as many is a condition.
        let length = whole.ceil_div(count);
        if whole.ceil_div(&length).is_symbolic() && whole.ceil_div(&length).example() == Some(count) {
            let last = &whole - &(&length * (count - 1));
            size::ge(&last, 1)?;
            let mut sizes = vec![length; count as usize];
            sizes[count as usize - 1] = last;
            return self.split_with_sizes(&sizes, axis);
        }
        self.split(length, axis)
    }

    /// The indices of an axis, one tensor each, without that axis.
    ///
    /// # Errors
    /// [`Size`](crate::ErrorCode::Size) where the axis is symbolic.
    #[track_caller]
    pub fn unbind(&self, axis: i64) -> Result<Vec<Tensor>> {
        let count = self.dim(axis)?;
        let count = count.fixed().ok_or_else(|| {
            Error::size(format!("unbind: an axis of size {count} has another number of parts in each call"))
                .help("give that axis a fixed size")
        })?;
        spend_steps(count as usize)?;
        (0..count).map(|i| self.select(axis, i)).collect()
    }

    /// These axes in the opposite order of indices.
    ///
    /// [torch.flip](https://pytorch.org/docs/stable/generated/torch.flip.html)
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where an axis does not exist.
    #[track_caller]
    pub fn flip(&self, axes: &[i64]) -> Result<Tensor> {
        axes.iter().try_fold(self.clone(), |x, &axis| x.slice_step(axis, .., -1))
    }
}

/// How many chunks of a size an axis has; where that differs from call to call, as many as in the example, and a guard says so.
#[track_caller]
fn chunks(whole: &Dim, length: &Dim) -> Result<i64> {
    let count = whole.ceil_div(length);
    if let Some(count) = count.fixed() {
        return Ok(count);
    }
    let Some(count) = count.example() else {
        return Err(Error::size(format!("split: an axis of size {whole} has another number of chunks of {length} in each call"))
            .help("give that axis a fixed size, or example inputs whose number of chunks is that of every call"));
    };
    let (most, fewest) = (length * count, length * (count - 1));
    // What is a chunk for certain is no condition.
    if !(&most - whole).expr().is_nonnegative() {
        size::le(whole, most)?;
    }
    size::gt(whole, fewest)?;
    Ok(count)
}

/// What a size is taken to be of which nothing is known.
const LONG: i64 = 1 << 20;

/// An index of an axis, negative ones counted from the end.
fn existing(index: &Dim, whole: &Dim) -> Result<Dim> {
    let start = if index.example().is_some_and(|n| n < 0) { whole + index } else { index.clone() };
    match start.example().zip(whole.example()).is_none_or(|(i, n)| (0..n).contains(&i)) {
        true => Ok(start),
        false => Err(Error::argument(format!("index {index} is out of range for an axis of size {whole}"))),
    }
}

/// An index of an axis, negative ones counted from the end, held between `low` and the size.
fn clamp(index: &Dim, whole: &Dim, low: i64) -> Dim {
    // What exporters write for "as far as there is".
    match index.fixed() {
        Some(n) if n >= i64::from(i32::MAX) => return whole.clone(),
        Some(n) if n <= i64::from(i32::MIN) => return Dim::Fixed(low),
        _ => {}
    }
    let negative = match index.fixed() {
        Some(n) => n < 0,
        None => {
            // Sizes that nobody has seen are taken to be long.
            let usual = || index.expr().eval(&|_| Some(LONG));
            !index.expr().is_nonnegative() && index.example().or_else(usual).is_some_and(|n| n < 0)
        }
    };
    let index = if negative { whole + index } else { index.clone() };
    match (index.fixed(), whole.fixed()) {
        (Some(i), Some(n)) => Dim::Fixed(i.clamp(low, n)),
        // From the start, 0 is within any size; from the end, `n` or less below a symbol is taken to exist.
        (Some(0), _) => index,
        _ if index == *whole => index,
        _ if (whole - &index).fixed().is_some_and(|n| n >= 0) => index,
        _ => index.min(whole),
    }
}

/// An index that is a value, a negative one counted from the end, held between 0 and the size: whichever it is in a call.
fn clamp_value(index: &Dim, whole: &Dim) -> Dim {
    // −1 where it is negative, and else 0.
    let negative = index.max(-1i64).min(0i64);
    let within = index - whole * negative;
    within.max(0i64).min(whole)
}

/// At least 0. A value is held so; a symbolic size that is not negative in the example is taken to be one: `n - 1` stays that, and a
/// call where it would be negative is refused.
pub(super) fn nonnegative(dim: Dim) -> Dim {
    if dim.is_symbolic() && dim.example().is_none_or(|n| n >= 0) && !dim.depends_on_values() { dim } else { dim.max(0i64) }
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;

    cases! {
        "slice", [floats(&[5, 7])], |x| one(x[0].slice(0, 1..4)?);
        "slice_step", [floats(&[5, 7])], |x| one(x[0].slice_step(1, 1.., 2)?);
        "slice_from_the_end", [floats(&[5, 7])], |x| one(x[0].slice(-1, -3..)?);
        "slice_but_the_last", [floats(&[5, 7])], |x| one(x[0].slice(0, ..-1)?);
        "slice_backwards", [floats(&[5, 7])], |x| one(x[0].slice_step(1, .., -2)?);
        "select", [floats(&[5, 7])], |x| one(x[0].select(0, 2)?);
        "select_last", [floats(&[5, 7])], |x| one(x[0].select(1, -1)?);
        "narrow", [integers(&[5, 7])], |x| one(x[0].narrow(1, 2, 3)?);
        "split", [floats(&[2, 7])], |x| x[0].split_with_sizes([2, 4, 1], 1);
        "split_first", [floats(&[6, 2])], |x| x[0].split(3, 0);
        "chunk", [floats(&[2, 6])], |x| x[0].chunk(3, -1);
        "unbind", [floats(&[2, 3])], |x| x[0].unbind(0);
        "flip", [floats(&[2, 3, 4])], |x| one(x[0].flip(&[0, -1])?);
        "select_at_value", [floats(&[5, 7]), indices(&[], 5)], |x| one(x[0].select(0, x[1].to_dim()?)?);
        "slice_between_values", [floats(&[5, 7]), indices(&[2], 5)], |x| {
            let ends = x[1].to_dims()?;
            one(x[0].slice(1, ends[0].clone()..&ends[1] + 2i64)?)
        };
        "slice_from_value", [floats(&[5, 7]), indices(&[1], 5)], |x| one(x[0].slice_step(0, x[1].to_dim()?.., 2)?);
        "narrow_at_value", [floats(&[5, 7]), indices(&[], 3)], |x| one(x[0].narrow(0, x[1].to_dim()?, 2)?);
        "select_scatter_at_value", [floats(&[5, 7]), indices(&[], 5), floats(&[7])], |x| {
            one(x[0].select_scatter(0, x[1].to_dim()?, &x[2])?)
        };
    }
}
