//! Several tensors as one, and one as several of itself: concat, stack, tile, pad.

use super::{Reader, one};
use crate::array::{Array, DType, Scalar};
use crate::dim::{Dim, DimArray, Shape, Sizes, Type};
use crate::error::{Error, Result};
use crate::graph::{Agreement, Attributes, Inputs, Operator, Substitution};
use crate::kernels::join;
use crate::onnx::{GraphBuilder, Name};
use crate::tensor::{Tensor, apply, apply_one};
use std::sync::Arc;

pub use crate::kernels::join::Padding;

/// Tensors one after the other along an axis. ONNX: [Concat](https://onnx.ai/onnx/operators/onnx__Concat.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concat {
    /// The axis.
    pub axis: usize,
}

impl Operator for Concat {
    fn name(&self) -> &'static str {
        "Concat"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("axis", self.axis)
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let first = inputs.at(0)?;
        let mut dims = first.shape.to_vec();
        let axis = self.axis;
        for ty in inputs.iter().skip(1) {
            let fits = ty.dtype == first.dtype
                && ty.rank() == first.rank()
                && (0..ty.rank()).all(|i| i == axis || ty.shape[i].agrees(&dims[i], inputs.constraints()));
            if !fits {
                return Err(Error::shape(format!("cannot concatenate {ty} to {first} along axis {axis}")));
            }
            dims[axis] = &dims[axis] + &ty.shape[axis];
        }
        Ok(vec![Type::new(first.dtype, dims)])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        Ok(vec![join::concat(&inputs.iter().collect::<Vec<_>>(), self.axis)?])
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        Ok(builder.node("Concat", inputs).int("axis", self.axis as i64).write(outputs))
    }

    fn agreement(&self) -> Agreement {
        Agreement::Exact
    }

    fn of_dims(&self, inputs: &Inputs<DimArray>) -> Option<DimArray> {
        Some(DimArray::vector(inputs.iter().flat_map(|array| array.dims.iter().cloned()).collect::<Vec<_>>()))
    }
}

/// A tensor repeated along each axis. ONNX: [Tile](https://onnx.ai/onnx/operators/onnx__Tile.html).
#[derive(Clone, Debug, PartialEq)]
pub struct Tile {
    /// How often, for each axis.
    pub repeats: Vec<Dim>,
}

impl Operator for Tile {
    fn name(&self) -> &'static str {
        "Tile"
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("repeats", &self.repeats)
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        if x.rank() != self.repeats.len() {
            return Err(Error::argument(format!("expected one repeat per axis: got {} for {} axes", self.repeats.len(), x.rank())));
        }
        let dims: Vec<Dim> = x.shape.iter().zip(&self.repeats).map(|(dim, n)| dim * n).collect();
        Ok(vec![Type::new(x.dtype, dims)])
    }

    fn eval(&self, inputs: &Inputs<Array>, sizes: Sizes) -> Result<Vec<Array>> {
        Ok(vec![join::tile(inputs.at(0)?, &sizes.shape(&self.repeats)?)?])
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let repeats = builder.dims(&self.repeats)?;
        Ok(builder.node("Tile", &[inputs[0].clone(), repeats]).write(outputs))
    }

    fn agreement(&self) -> Agreement {
        Agreement::Exact
    }

    fn substituted(&self, of: &Substitution) -> Option<Arc<dyn Operator>> {
        Some(Arc::new(Tile { repeats: of.dims(&self.repeats) }))
    }
}

/// A border around a tensor; a negative width cuts off. ONNX: [Pad](https://onnx.ai/onnx/operators/onnx__Pad.html).
#[derive(Clone, Debug, PartialEq)]
pub struct Pad {
    /// The width before each axis.
    pub begin: Vec<Dim>,
    /// The width after each axis.
    pub end: Vec<Dim>,
    /// What stands in the border.
    pub mode: Padding,
}

impl Operator for Pad {
    fn name(&self) -> &'static str {
        "Pad"
    }

    fn attributes(&self) -> Attributes {
        let (mode, fill) = match self.mode {
            Padding::Constant(fill) => ("constant", Some(fill)),
            Padding::Reflect => ("reflect", None),
            Padding::Edge => ("edge", None),
            Padding::Wrap => ("wrap", None),
        };
        let pads = [self.begin.as_slice(), &self.end].concat();
        Attributes::new().with("mode", mode).with("pads", pads).with_some("constant_value", fill)
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        if x.rank() != self.begin.len() || x.rank() != self.end.len() {
            return Err(Error::argument(format!("pads for {} axes do not fit {}", self.begin.len(), x.rank())));
        }
        let dims: Vec<Dim> = x.shape.iter().zip(self.begin.iter().zip(&self.end)).map(|(dim, (begin, end))| dim + &(begin + end)).collect();
        if dims.iter().any(|dim| dim.example().is_some_and(|n| n < 0)) {
            return Err(Error::shape(format!("negative padding exceeds shape {}", x.shape)));
        }
        Ok(vec![Type::new(x.dtype, dims)])
    }

    fn eval(&self, inputs: &Inputs<Array>, sizes: Sizes) -> Result<Vec<Array>> {
        let values = |dims: &[Dim]| dims.iter().map(|dim| sizes.of(dim)).collect::<Result<Vec<_>>>();
        Ok(vec![join::pad(inputs.at(0)?, &values(&self.begin)?, &values(&self.end)?, self.mode)?])
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let (mode, fill) = match self.mode {
            Padding::Constant(number) => ("constant", builder.number(outputs[0].dtype, number)),
            Padding::Reflect => ("reflect", Name::from("")),
            Padding::Edge => ("edge", Name::from("")),
            // Opset 19 has a mode of its own; before, the tensor stands beside itself.
            Padding::Wrap => return wrapped(self, builder, inputs, outputs),
        };
        let widths: Vec<Dim> = self.begin.iter().chain(&self.end).cloned().collect();
        let widths = builder.dims(&widths)?;
        Ok(builder.node("Pad", &[inputs[0].clone(), widths, fill]).string("mode", mode).write(outputs))
    }

    fn agreement(&self) -> Agreement {
        Agreement::Exact
    }

    fn substituted(&self, of: &Substitution) -> Option<Arc<dyn Operator>> {
        Some(Arc::new(Pad { begin: of.dims(&self.begin), end: of.dims(&self.end), ..self.clone() }))
    }
}

/// Padding with the other end of each axis, by slices and Concat.
fn wrapped(pad: &Pad, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
    let mut x = inputs[0].clone();
    let mut dims = builder.ty(&x)?.shape.to_vec();
    for axis in 0..dims.len() {
        let (begin, end) = (pad.begin[axis].clone(), pad.end[axis].clone());
        let mut parts = vec![x.clone()];
        for (width, from, to, first) in [(&begin, -&begin, Dim::Fixed(i64::MAX), true), (&end, Dim::Fixed(0), end.clone(), false)] {
            if *width == 0 {
                continue;
            }
            if width.fixed().is_none_or(|n| n < 0) {
                return Err(Error::unsupported("Pad: wrap padding by a symbolic or negative width")
                    .help("give the axes that the width follows from fixed sizes"));
            }
            let (start, stop, axes) = (builder.dims(&[from])?, builder.dims(&[to])?, builder.ints(&[axis as i64]));
            let mut part = dims.clone();
            part[axis] = width.clone();
            let part = builder.node("Slice", &[x.clone(), start, stop, axes]).write_one(Type::new(outputs[0].dtype, part))?;
            if first { parts.insert(0, part) } else { parts.push(part) }
        }
        if parts.len() > 1 {
            dims[axis] = &dims[axis] + &(&begin + &end);
            x = builder.node("Concat", &parts).int("axis", axis as i64).write_one(Type::new(outputs[0].dtype, dims.clone()))?;
        }
    }
    Ok(vec![x])
}

/// Padding with the other end of each axis by widths that are not known, or negative: an index counts on around the axis.
fn wrapped_by_index(x: &Tensor, begin: &[Dim], end: &[Dim]) -> Result<Tensor> {
    let mut x = x.clone();
    for (axis, (begin, end)) in begin.iter().zip(end).enumerate().filter(|(_, (begin, end))| **begin != 0 || **end != 0) {
        let whole = x.shape()[axis].clone();
        let index = Tensor::arange(&-begin, &(&whole + end), 1, DType::I64)?.remainder(&whole)?;
        x = x.index_select(axis as i64, &index)?;
    }
    Ok(x)
}

pub(super) const READS: &[(&str, Reader)] = &[
    ("Concat", |node, inputs| {
        let tensors: Vec<&Tensor> = inputs.iter().collect();
        Ok(vec![Tensor::cat(&tensors, node.int("axis", 0)?)?])
    }),
    ("Tile", |_, inputs| Ok(vec![apply_one(Tile { repeats: super::dims_of(inputs.at(1)?)? }, &[inputs.at(0)?])?])),
    ("Pad", |node, inputs| {
        let x = inputs.at(0)?;
        let widths = match inputs.opt(1) {
            Some(widths) => super::dims_of(widths)?,
            None => node.ints("pads")?.unwrap_or_default().iter().copied().map(Dim::Fixed).collect(),
        };
        let constant = inputs.opt(2).map(|number| number.constant());
        let number = match constant {
            Some(Some(number)) => number.item()?,
            // A value that is an input replaces the padding afterwards.
            Some(None) => Scalar::Int(0),
            None => Scalar::Float(f64::from(node.find_float("value")?.unwrap_or(0.0))),
        };
        let mode = match node.string("mode", "constant")? {
            "constant" => Padding::Constant(number),
            "reflect" => Padding::Reflect,
            "edge" => Padding::Edge,
            "wrap" => Padding::Wrap,
            other => return Err(Error::argument(format!("unknown padding mode `{other}`"))),
        };
        let axes = match inputs.opt(3) {
            Some(axes) => super::fixed(axes)?,
            None => (0..x.rank() as i64).collect(),
        };
        if widths.len() != 2 * axes.len() {
            return Err(Error::argument(format!("expected two pads per axis: got {} for {} axes", widths.len(), axes.len())));
        }
        let (mut begin, mut end) = (vec![Dim::Fixed(0); x.rank()], vec![Dim::Fixed(0); x.rank()]);
        for (i, &axis) in axes.iter().enumerate() {
            let axis = x.shape().axis(axis)?;
            (begin[axis], end[axis]) = (widths[i].clone(), widths[i + axes.len()].clone());
        }
        if mode == Padding::Wrap && begin.iter().chain(&end).any(|width| width.fixed().is_none_or(|n| n < 0)) {
            return Ok(vec![wrapped_by_index(x, &begin, &end)?]);
        }
        let by_input = inputs.opt(2).filter(|_| constant == Some(None) && matches!(mode, Padding::Constant(_)));
        let padded = apply_one(Pad { begin: begin.clone(), end: end.clone(), mode }, &[x])?;
        let Some(number) = by_input else { return Ok(vec![padded]) };
        let inside = Tensor::full(x.shape(), 1i64, DType::U8)?;
        let inside = apply_one(Pad { begin, end, mode }, &[&inside])?.cast(DType::Bool)?;
        Ok(vec![inside.where_(&padded, &number.reshape(&[] as &[Dim])?)?])
    }),
];

impl Tensor {
    /// Tensors one after the other along an axis, in the dtype that all promote to.
    ///
    /// [torch.cat](https://pytorch.org/docs/stable/generated/torch.cat.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where other axes differ.
    #[track_caller]
    pub fn cat(tensors: &[&Tensor], axis: i64) -> Result<Tensor> {
        // A vector of size 0 joins anything, as in torch.
        let nothing = |tensor: &&&Tensor| tensor.rank() == 1 && tensor.shape()[0] == 0;
        let dtype = DType::result(&tensors.iter().map(|tensor| (tensor.dtype(), tensor.strength())).collect::<Vec<_>>())?;
        let some: Vec<Tensor> = tensors.iter().filter(|tensor| !nothing(tensor)).map(|tensor| tensor.cast(dtype)).collect::<Result<_>>()?;
        let Some(first) = some.first() else {
            return tensors.first().map_or_else(|| Err(Error::argument("nothing to concatenate")), |tensor| tensor.cast(dtype));
        };
        let axis = first.shape().axis(axis)?;
        if some.len() == 1 {
            return Ok(first.clone());
        }
        let inputs: Vec<Option<&Tensor>> = some.iter().map(Some).collect();
        one(apply(Concat { axis }, &inputs))
    }

    /// Tensors of one shape along a new axis.
    ///
    /// [torch.stack](https://pytorch.org/docs/stable/generated/torch.stack.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where shapes differ.
    #[track_caller]
    pub fn stack(tensors: &[&Tensor], axis: i64) -> Result<Tensor> {
        let first = tensors.first().ok_or_else(|| Error::argument("nothing to stack"))?;
        let axis = crate::dim::axis(axis, first.rank() + 1)? as i64;
        let raised = tensors.iter().map(|tensor| tensor.unsqueeze(axis)).collect::<Result<Vec<_>>>()?;
        Tensor::cat(&raised.iter().collect::<Vec<_>>(), axis)
    }

    /// The tensor repeated along each axis; more repeats than axes add leading axes.
    ///
    /// [torch.Tensor.repeat](https://pytorch.org/docs/stable/generated/torch.Tensor.repeat.html)
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where there are fewer repeats than axes.
    #[track_caller]
    pub fn repeat(&self, repeats: impl Into<Shape>) -> Result<Tensor> {
        let mut repeats: Vec<Dim> = repeats.into().to_vec();
        let new = repeats
            .len()
            .checked_sub(self.rank())
            .ok_or_else(|| Error::argument(format!("expected one repeat per axis: got {} for {} axes", repeats.len(), self.rank())))?;
        let raised = self.unsqueeze_axes(&(0..new as i64).collect::<Vec<_>>())?;
        // torch asks for no count of nothing.
        for (n, dim) in repeats.iter_mut().zip(raised.shape().iter()) {
            if *dim == 0 && n.fixed().is_some_and(|n| n < 0) {
                *n = Dim::Fixed(1);
            }
        }
        if repeats.iter().all(|n| *n == 1) { Ok(raised) } else { apply_one(Tile { repeats }, &[&raised]) }
    }

    /// A border around the last axes, given as torch gives it: the widths before and after the last axis, then the one before it …
    ///
    /// [torch.nn.functional.pad](https://pytorch.org/docs/stable/generated/torch.nn.functional.pad.html)
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where there are more widths than axes.
    #[track_caller]
    pub fn pad(&self, widths: impl Into<Shape>, mode: Padding) -> Result<Tensor> {
        let widths = widths.into();
        if !widths.len().is_multiple_of(2) || widths.len() / 2 > self.rank() {
            return Err(Error::argument(format!("expected two pads per axis: got {} for {} axes", widths.len(), self.rank())));
        }
        let (mut begin, mut end) = (vec![Dim::Fixed(0); self.rank()], vec![Dim::Fixed(0); self.rank()]);
        for (i, pair) in widths.chunks_exact(2).enumerate() {
            let axis = self.rank() - 1 - i;
            (begin[axis], end[axis]) = (pair[0].clone(), pair[1].clone());
        }
        // What is cut off is a slice: a negative width in ONNX is not what every runtime reads it as.
        let mut x = self.clone();
        if matches!(mode, Padding::Constant(_)) {
            for axis in 0..self.rank() {
                let cut = |width: &mut Dim| match width.fixed() {
                    Some(n) if n < 0 => std::mem::replace(width, Dim::Fixed(0)),
                    _ => Dim::Fixed(0),
                };
                let (first, last) = (cut(&mut begin[axis]), cut(&mut end[axis]));
                if first != 0 || last != 0 {
                    let whole = &x.shape()[axis];
                    let length = whole + &(&first + &last);
                    if length.example().is_some_and(|n| n < 0) {
                        return Err(Error::shape(format!("negative padding exceeds shape {}", self.shape())));
                    }
                    x = x.slice(axis as i64, -&first..whole + &last)?;
                }
            }
        }
        if mode == Padding::Wrap && begin.iter().chain(&end).any(|width| width.fixed().is_none_or(|n| n < 0)) {
            return wrapped_by_index(&x, &begin, &end);
        }
        if begin.iter().chain(&end).all(|dim| *dim == 0) {
            return Ok(x);
        }
        // Where the new elements are those of the tensor, what is cut off may be among them: it is cut at last.
        let is_cut = |dim: &Dim| dim.fixed().is_some_and(|n| n < 0);
        if !begin.iter().chain(&end).any(is_cut) {
            return apply_one(Pad { begin, end, mode }, &[&x]);
        }
        let positive = |widths: &[Dim]| widths.iter().map(|dim| if is_cut(dim) { Dim::Fixed(0) } else { dim.clone() }).collect::<Vec<_>>();
        let (wide_begin, wide_end) = (positive(&begin), positive(&end));
        let unchanged = wide_begin.iter().chain(&wide_end).all(|dim| *dim == 0);
        let mut y = if unchanged { x } else { apply_one(Pad { begin: wide_begin, end: wide_end, mode }, &[&x])? };
        for axis in 0..y.rank() {
            let cut = |width: &Dim| if is_cut(width) { -width } else { Dim::Fixed(0) };
            let (first, last) = (cut(&begin[axis]), cut(&end[axis]));
            if first != 0 || last != 0 {
                let stop = y.dim(axis as i64)? - &last;
                if (&stop - &first).example().is_some_and(|n| n < 0) {
                    return Err(Error::shape(format!("negative padding exceeds shape {}", self.shape())));
                }
                y = y.slice(axis as i64, first..stop)?;
            }
        }
        Ok(y)
    }
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;

    cases! {
        "cat", [floats(&[2, 3]), floats(&[5, 3])], |x| one(Tensor::cat(&[&x[0], &x[1]], 0)?);
        "cat_last", [floats(&[2, 3]), floats(&[2, 4]), floats(&[2, 3])], |x| one(Tensor::cat(&[&x[0], &x[1], &x[2]], -1)?);
        "cat_dtypes", [integers(&[2, 3]), floats(&[5, 3])], |x| one(Tensor::cat(&[&x[0], &x[1]], 0)?);
        "cat_bool", [bools(&[2, 3]), bools(&[5, 3])], |x| one(Tensor::cat(&[&x[0], &x[1]], 0)?);
        "stack", [floats(&[2, 3]), floats(&[2, 3])], |x| one(Tensor::stack(&[&x[0], &x[1]], 1)?);
        "repeat", [floats(&[2, 3])], |x| one(x[0].repeat([2, 1, 3])?);
        "repeat_by_length", [floats(&[2, 3])], |x| one(x[0].repeat(&[Dim::Fixed(1), x[0].dim(0)?])?);
        "pad", [floats(&[2, 3])], |x| one(x[0].pad([1, 2, 0, 3], Padding::Constant(Scalar::Float(0.5)))?);
        "pad_negative", [floats(&[2, 5])], |x| one(x[0].pad([-1, 2], Padding::Constant(Scalar::Int(0)))?);
        "pad_i64", [integers(&[2, 3])], |x| one(x[0].pad([1, 1], Padding::Constant(Scalar::Int(7)))?);
        "pad_reflect", [floats(&[2, 3, 5])], |x| one(x[0].pad([2, 3], Padding::Reflect)?);
        "pad_edge", [floats(&[2, 3, 5])], |x| one(x[0].pad([2, 3], Padding::Edge)?);
        "pad_wrap", [floats(&[2, 3, 5])], |x| one(x[0].pad([2, 3], Padding::Wrap)?);
        "pad_by_length", [floats(&[2, 3])], |x| one(x[0].pad(&[Dim::Fixed(0), x[0].dim(0)?], Padding::Constant(Scalar::Int(0)))?);
    }
}
