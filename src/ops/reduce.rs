//! One number from the values along some axes: sums, means, extremes.

use super::{Reader, widened};
use crate::array::{Array, DType, Scalar};
use crate::dim::{Dim, DimArray, Shape, Sizes, Type};
use crate::error::{Error, Result};
use crate::graph::{Agreement, Attributes, Inputs, Operator};
use crate::kernels::reduce;
use crate::onnx::{GraphBuilder, Name};
use crate::tensor::Axes;
use crate::tensor::{Tensor, apply_one};

/// A function of the values along some axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fold {
    /// The sum.
    Sum,
    /// The sum over the count.
    Mean,
    /// The product.
    Prod,
    /// The largest; NaN if any is.
    Max,
    /// The smallest; NaN if any is.
    Min,
    /// The sum of absolute values.
    L1,
    /// The root of the sum of squares.
    L2,
    /// The logarithm of the sum of exponentials.
    LogSumExp,
}

/// A fold over axes, which stay with size 1 or go away. ONNX: [ReduceSum](https://onnx.ai/onnx/operators/onnx__ReduceSum.html) and its kin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reduce {
    /// The function.
    pub fold: Fold,
    /// The axes, in order.
    pub axes: Vec<usize>,
    /// Whether they stay.
    pub keep: bool,
}

fn folded(shape: &Shape, axes: &[usize], keep: bool) -> Shape {
    let stays = |axis: usize, dim: &Dim| match (axes.contains(&axis), keep) {
        (false, _) => Some(dim.clone()),
        (true, true) => Some(Dim::Fixed(1)),
        (true, false) => None,
    };
    shape.iter().enumerate().filter_map(|(axis, dim)| stays(axis, dim)).collect()
}

impl Operator for Reduce {
    fn name(&self) -> &'static str {
        match self.fold {
            Fold::Sum => "ReduceSum",
            Fold::Mean => "ReduceMean",
            Fold::Prod => "ReduceProd",
            Fold::Max => "ReduceMax",
            Fold::Min => "ReduceMin",
            Fold::L1 => "ReduceL1",
            Fold::L2 => "ReduceL2",
            Fold::LogSumExp => "ReduceLogSumExp",
        }
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("axes", &self.axes).with("keepdims", self.keep)
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        if x.dtype == DType::Bool || self.axes.iter().any(|&axis| axis >= x.rank()) {
            return Err(Error::argument(format!("{} does not support axes {:?} of {x}", self.name(), self.axes)));
        }
        if matches!(self.fold, Fold::Mean | Fold::L2 | Fold::LogSumExp) && !x.dtype.is_float() {
            return Err(DType::not_taken(x.dtype));
        }
        Ok(vec![Type::new(x.dtype, folded(&x.shape, &self.axes, self.keep))])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        widened(inputs, |inputs| {
            let (x, axes, keep) = (inputs.at(0)?, &self.axes, self.keep);
            Ok(vec![match self.fold {
                Fold::Sum => reduce::sum(x, axes, keep)?,
                Fold::Mean => reduce::mean(x, axes, keep)?,
                Fold::Prod => reduce::prod(x, axes, keep)?,
                Fold::Max => reduce::max(x, axes, keep)?,
                Fold::Min => reduce::min(x, axes, keep)?,
                Fold::L1 => reduce::l1(x, axes, keep)?,
                Fold::L2 => reduce::l2(x, axes, keep)?,
                Fold::LogSumExp => reduce::log_sum_exp(x, axes, keep)?,
            }])
        })
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let axes: Vec<i64> = self.axes.iter().map(|&axis| axis as i64).collect();
        if builder.opset() < 18 && self.fold != Fold::Sum {
            // Axes were an attribute, and none of them meant all.
            if axes.is_empty() {
                return Err(Error::unsupported(format!("{} over an empty list of axes needs opset 18", self.name())));
            }
            return Ok(builder.node(self.name(), &inputs[..1]).ints("axes", &axes).flag("keepdims", self.keep).write(outputs));
        }
        let axes = builder.ints(&axes);
        // No axes would mean all axes.
        let none = self.axes.is_empty();
        let node = builder.node(self.name(), &[inputs[0].clone(), axes]).flag("keepdims", self.keep);
        Ok(if none { node.flag("noop_with_empty_axes", true) } else { node }.write(outputs))
    }

    fn agreement(&self) -> Agreement {
        if matches!(self.fold, Fold::Max | Fold::Min) { Agreement::Exact } else { Agreement::Rounding }
    }

    fn of_dims(&self, inputs: &Inputs<DimArray>) -> Option<DimArray> {
        let dims = inputs.opt(0)?.dims.iter().cloned();
        let all = match self.fold {
            Fold::Prod => dims.product(),
            Fold::Sum => dims.sum(),
            _ => return None,
        };
        Some(DimArray { scalar: !self.keep, dims: vec![all] })
    }
}

/// The index of the largest or smallest number along an axis. ONNX: [ArgMax](https://onnx.ai/onnx/operators/onnx__ArgMax.html), ArgMin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgExtreme {
    /// The largest, or the smallest.
    pub largest: bool,
    /// The axis.
    pub axis: usize,
    /// Whether it stays with size 1.
    pub keep: bool,
    /// Of equal values the last one, or the first.
    pub last: bool,
}

impl Operator for ArgExtreme {
    fn name(&self) -> &'static str {
        if self.largest { "ArgMax" } else { "ArgMin" }
    }

    fn attributes(&self) -> Attributes {
        Attributes::new().with("axis", self.axis).with("keepdims", self.keep).with("select_last_index", self.last)
    }

    fn infer(&self, inputs: &Inputs<Type>) -> Result<Vec<Type>> {
        let x = inputs.at(0)?;
        if x.dtype == DType::Bool || self.axis >= x.rank() {
            return Err(Error::argument(format!("{} does not support axis {} of {x}", self.name(), self.axis)));
        }
        if x.shape[self.axis] == 0 {
            return Err(Error::shape(format!("no minimum or maximum along an axis of size 0 of {x}")));
        }
        Ok(vec![Type::new(DType::I64, folded(&x.shape, &[self.axis], self.keep))])
    }

    fn eval(&self, inputs: &Inputs<Array>, _: Sizes) -> Result<Vec<Array>> {
        let kernel = if self.largest { reduce::argmax } else { reduce::argmin };
        widened(inputs, |inputs| Ok(vec![kernel(inputs.at(0)?, self.axis, self.keep, self.last)?]))
    }

    fn lower(&self, builder: &mut GraphBuilder, inputs: &[Name], outputs: &[Type]) -> Result<Vec<Name>> {
        let node = builder.node(self.name(), inputs).int("axis", self.axis as i64).flag("keepdims", self.keep);
        Ok(if self.last { node.flag("select_last_index", true) } else { node }.write(outputs))
    }

    fn agreement(&self) -> Agreement {
        Agreement::Exact
    }
}

/// A reader of a fold: axes as input or attribute, all of them where none are given.
macro_rules! read {
    ($name:literal, $fold:expr) => {
        ($name, |node, inputs| {
            let x = inputs.at(0)?;
            let mut axes = super::axes(node, inputs, 1)?.filter(|axes| !axes.is_empty());
            if axes.is_none() && node.int("noop_with_empty_axes", 0)? != 0 {
                // Only the reduction is left out: the absolute value of ReduceL1 is still taken.
                axes = Some(Vec::new());
            }
            let keep = node.int("keepdims", 1)? != 0;
            if !x.dtype().is_float() && matches!($fold, Fold::Mean | Fold::L2 | Fold::LogSumExp) {
                // ONNX gives integers here too: the result rounded towards zero.
                return Ok(vec![x.cast(DType::F64)?.fold($fold, axes.as_deref(), keep)?.cast(x.dtype())?]);
            }
            Ok(vec![x.fold($fold, axes.as_deref(), keep)?])
        })
    };
}

/// Of truths too; of no number the least (largest) that there is.
fn extreme(node: &crate::onnx::Node, inputs: &Inputs<Tensor>, largest: bool) -> Result<Vec<Tensor>> {
    let x = inputs.at(0)?;
    let axes = super::axes(node, inputs, 1)?.filter(|axes| !axes.is_empty());
    if axes.is_none() && node.int("noop_with_empty_axes", 0)? != 0 {
        return Ok(vec![x.clone()]);
    }
    let keep = node.int("keepdims", 1)? != 0;
    let truth = x.dtype() == DType::Bool;
    if x.shape().iter().any(|n| *n == 0) {
        // A sum has the shape of the result.
        let like = if truth { x.cast(DType::U8)? } else { x.clone() }.fold(Fold::Sum, axes.as_deref(), keep)?;
        if x.dtype() == DType::U64 && !largest {
            // The largest u64, which is beyond the integers of a scalar.
            return Ok(vec![Tensor::full(like.shape(), Scalar::Int(-1), DType::I64)?.cast(DType::U64)?]);
        }
        let unsigned = matches!(x.dtype(), DType::U8 | DType::U16 | DType::U32 | DType::U64);
        // The bits of an i64 that the dtype has not.
        let more = 64 - 8 * x.dtype().size() as u32;
        let number = match (x.dtype().is_float(), largest) {
            (true, true) => Scalar::Float(f64::NEG_INFINITY),
            (true, false) => Scalar::Float(f64::INFINITY),
            (false, true) => Scalar::Int(if truth || unsigned { 0 } else { i64::MIN >> more }),
            (false, false) if truth => Scalar::Int(1),
            (false, false) => Scalar::Int(if unsigned { (u64::MAX >> more) as i64 } else { i64::MAX >> more }),
        };
        return Ok(vec![Tensor::full(like.shape(), number, x.dtype())?]);
    }
    let fold = if largest { Fold::Max } else { Fold::Min };
    let wide = if truth { x.cast(DType::U8)? } else { x.clone() };
    Ok(vec![wide.fold(fold, axes.as_deref(), keep)?.cast(x.dtype())?])
}

fn arg_extreme(largest: bool, node: &crate::onnx::Node, inputs: &Inputs<Tensor>) -> Result<Vec<Tensor>> {
    let x = inputs.at(0)?;
    let axis = x.shape().axis(node.int("axis", 0)?)?;
    let keep = node.int("keepdims", 1)? != 0;
    if x.shape().iter().enumerate().any(|(other, n)| other != axis && *n == 0) {
        // No index is asked for, also where there is nothing to choose from.
        return Ok(vec![Tensor::zeros(folded(x.shape(), &[axis], keep), DType::I64)?]);
    }
    let op = ArgExtreme { largest, axis, keep, last: node.int("select_last_index", 0)? != 0 };
    Ok(vec![apply_one(op, &[x])?])
}

pub(super) const READS: &[(&str, Reader)] = &[
    read!("ReduceSum", Fold::Sum),
    read!("ReduceMean", Fold::Mean),
    read!("ReduceProd", Fold::Prod),
    ("ReduceMax", |node, inputs| extreme(node, inputs, true)),
    ("ReduceMin", |node, inputs| extreme(node, inputs, false)),
    read!("ReduceL1", Fold::L1),
    read!("ReduceL2", Fold::L2),
    read!("ReduceLogSumExp", Fold::LogSumExp),
    ("ArgMax", |node, inputs| arg_extreme(true, node, inputs)),
    ("ArgMin", |node, inputs| arg_extreme(false, node, inputs)),
    ("GlobalAveragePool", |_, inputs| {
        let x = inputs.at(0)?;
        Ok(vec![x.mean((2..x.rank() as i64).collect::<Vec<_>>(), true)?])
    }),
    ("GlobalMaxPool", |_, inputs| {
        let x = inputs.at(0)?;
        Ok(vec![x.amax((2..x.rank() as i64).collect::<Vec<_>>(), true)?])
    }),
];

impl Tensor {
    /// A fold over these axes, or over all where there are none.
    #[track_caller]
    pub(crate) fn fold(&self, fold: Fold, axes: impl Into<Axes>, keep: bool) -> Result<Tensor> {
        let mut axes = match axes.into().listed() {
            None => (0..self.rank()).collect(),
            Some(axes) => {
                axes.iter().map(|&axis| if self.rank() == 0 { Ok(0) } else { self.shape().axis(axis) }).collect::<Result<Vec<_>>>()?
            }
        };
        axes.sort_unstable();
        axes.dedup();
        if self.rank() == 0 {
            axes.clear();
        }
        // The logarithm of the exponential is the value itself, too.
        if axes.is_empty() && !matches!(fold, Fold::L1 | Fold::L2) {
            return Ok(self.clone());
        }
        if axes.is_empty() {
            return self.abs();
        }
        apply_one(Reduce { fold, axes, keep }, &[self])
    }

    /// The dtype in which torch sums: i64 for integers and Bool.
    fn summable(&self) -> Result<Tensor> {
        if self.dtype().is_float() { Ok(self.clone()) } else { self.cast(DType::I64) }
    }

    /// The sum over these axes, or over all; of integers in i64.
    ///
    /// [torch.sum](https://pytorch.org/docs/stable/generated/torch.sum.html)
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where an axis does not exist.
    #[track_caller]
    pub fn sum(&self, axes: impl Into<Axes>, keep: bool) -> Result<Tensor> {
        self.summable()?.fold(Fold::Sum, axes, keep)
    }

    /// The mean over these axes, or over all.
    ///
    /// [torch.mean](https://pytorch.org/docs/stable/generated/torch.mean.html)
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) for integers.
    #[track_caller]
    pub fn mean(&self, axes: impl Into<Axes>, keep: bool) -> Result<Tensor> {
        if !self.dtype().is_float() {
            return Err(DType::not_taken(self.dtype()).help("cast to a float first"));
        }
        self.fold(Fold::Mean, axes, keep)
    }

    /// The product over these axes, or over all; of integers in i64.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where an axis does not exist.
    #[track_caller]
    pub fn prod(&self, axes: impl Into<Axes>, keep: bool) -> Result<Tensor> {
        self.summable()?.fold(Fold::Prod, axes, keep)
    }

    /// The largest number over these axes, or over all.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where an axis does not exist.
    #[track_caller]
    pub fn amax(&self, axes: impl Into<Axes>, keep: bool) -> Result<Tensor> {
        self.extreme(Fold::Max, axes, keep)
    }

    /// The smallest number over these axes, or over all.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where an axis does not exist.
    #[track_caller]
    pub fn amin(&self, axes: impl Into<Axes>, keep: bool) -> Result<Tensor> {
        self.extreme(Fold::Min, axes, keep)
    }

    #[track_caller]
    fn extreme(&self, fold: Fold, axes: impl Into<Axes>, keep: bool) -> Result<Tensor> {
        match self.dtype() {
            DType::Bool => self.cast(DType::U8)?.fold(fold, axes, keep)?.cast(DType::Bool),
            _ => self.fold(fold, axes, keep),
        }
    }

    /// The index of the largest number along an axis, or in the flattened tensor; of equal ones the first.
    ///
    /// [torch.argmax](https://pytorch.org/docs/stable/generated/torch.argmax.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the axis is empty, [`DType`](crate::ErrorCode::DType) of Bools.
    #[track_caller]
    pub fn argmax(&self, axis: Option<i64>, keep: bool) -> Result<Tensor> {
        self.numeric()?.arg_extreme(true, axis, keep)
    }

    /// The index of the smallest number along an axis, or in the flattened tensor; of equal ones the first.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the axis is empty, [`DType`](crate::ErrorCode::DType) of Bools.
    #[track_caller]
    pub fn argmin(&self, axis: Option<i64>, keep: bool) -> Result<Tensor> {
        self.numeric()?.arg_extreme(false, axis, keep)
    }

    /// Refuses Bools, as torch's argmax does (though not its max along an axis).
    fn numeric(&self) -> Result<&Tensor> {
        if self.dtype() == DType::Bool { Err(Error::dtype("bool has no order").help("cast to u8 first")) } else { Ok(self) }
    }

    #[track_caller]
    fn arg_extreme(&self, largest: bool, axis: Option<i64>, keep: bool) -> Result<Tensor> {
        let x = if self.dtype() == DType::Bool { self.cast(DType::U8)? } else { self.clone() };
        let Some(axis) = axis.filter(|_| self.rank() > 0) else {
            let index = apply_one(ArgExtreme { largest, axis: 0, keep: false, last: false }, &[&x.reshape([-1])?])?;
            return if keep { index.reshape(vec![1; self.rank()]) } else { Ok(index) };
        };
        apply_one(ArgExtreme { largest, axis: x.shape().axis(axis)?, keep, last: false }, &[&x])
    }

    /// The largest values along an axis and their indices.
    ///
    /// [torch.max](https://pytorch.org/docs/stable/generated/torch.max.html)
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the axis is empty.
    #[track_caller]
    pub fn max_along(&self, axis: i64, keep: bool) -> Result<(Tensor, Tensor)> {
        Ok((self.amax(axis, keep)?, self.arg_extreme(true, Some(axis), keep)?))
    }

    /// The smallest values along an axis and their indices.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorCode::Shape) where the axis is empty.
    #[track_caller]
    pub fn min_along(&self, axis: i64, keep: bool) -> Result<(Tensor, Tensor)> {
        Ok((self.amin(axis, keep)?, self.arg_extreme(false, Some(axis), keep)?))
    }

    /// The dtype in which torch says whether: Bool, but u8 of u8.
    fn truth(&self) -> DType {
        if self.dtype() == DType::U8 { DType::U8 } else { DType::Bool }
    }

    /// Whether all (of these axes) are true or not zero; of u8 as u8, as in torch.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where an axis does not exist.
    #[track_caller]
    pub fn all(&self, axes: impl Into<Axes>, keep: bool) -> Result<Tensor> {
        if self.shape().iter().any(|n| *n == 0) {
            return self.cast(DType::Bool)?.sum(axes, keep)?.eq(0)?.cast(self.truth());
        }
        self.cast(DType::Bool)?.amin(axes, keep)?.cast(self.truth())
    }

    /// Whether any (of these axes) is true or not zero; of u8 as u8, as in torch.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where an axis does not exist.
    #[track_caller]
    pub fn any(&self, axes: impl Into<Axes>, keep: bool) -> Result<Tensor> {
        if self.shape().iter().any(|n| *n == 0) {
            return self.cast(DType::Bool)?.sum(axes, keep)?.ne(0)?.cast(self.truth());
        }
        self.cast(DType::Bool)?.amax(axes, keep)?.cast(self.truth())
    }

    /// log Σ eˣ over these axes.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorCode::Argument) where an axis does not exist.
    #[track_caller]
    pub fn logsumexp(&self, axes: impl Into<Axes>, keep: bool) -> Result<Tensor> {
        self.cast(self.dtype().or_float())?.fold(Fold::LogSumExp, axes, keep)
    }

    /// The variance over these axes, the sum of squares being divided by the count less `correction`.
    ///
    /// [torch.var](https://pytorch.org/docs/stable/generated/torch.var.html)
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) for integers.
    #[track_caller]
    pub fn var(&self, axes: impl Into<Axes>, correction: f64, keep: bool) -> Result<Tensor> {
        let axes = axes.into();
        // Squares of halves would leave their range.
        if matches!(self.dtype(), DType::F16 | DType::BF16) {
            return self.cast(DType::F32)?.var(axes, correction, keep)?.cast(self.dtype());
        }
        let squares = self.sub(self.mean(&axes, true)?)?.square()?;
        if correction == 0.0 {
            return squares.mean(axes, keep);
        }
        let count = match axes.listed() {
            None => self.numel(),
            Some(axes) => axes.iter().map(|&axis| self.dim(axis)).collect::<Result<Vec<_>>>()?.into_iter().product(),
        };
        let divisor = match count.fixed() {
            // Of nothing there is no variance, whatever the correction.
            Some(0) => Tensor::weak(0.0),
            Some(n) => Tensor::weak((n as f64 - correction).max(0.0)),
            None => Tensor::from_dim(&count).cast(self.dtype())?.sub(correction)?.maximum(0.0)?,
        };
        squares.sum(axes, keep)?.div(&divisor)
    }

    /// The square root of the [variance](Tensor::var).
    ///
    /// [torch.std](https://pytorch.org/docs/stable/generated/torch.std.html)
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) for integers.
    #[track_caller]
    pub fn std(&self, axes: impl Into<Axes>, correction: f64, keep: bool) -> Result<Tensor> {
        match self.dtype() {
            DType::F16 | DType::BF16 => self.cast(DType::F32)?.std(axes, correction, keep)?.cast(self.dtype()),
            _ => self.var(axes, correction, keep)?.sqrt(),
        }
    }

    /// Whether a fold over these axes is one of single elements.
    fn are_single(&self, axes: &Axes) -> bool {
        let is_single = |axis: usize| self.shape().get(axis).is_none_or(|dim| *dim == 1);
        match axes.listed() {
            None => (0..self.rank()).all(is_single),
            Some(axes) => axes.iter().all(|&axis| self.shape().axis(axis).is_ok_and(is_single)),
        }
    }

    /// The Euclidean (p = 2), Manhattan (1) or any other p-norm over these axes.
    ///
    /// # Errors
    /// [`DType`](crate::ErrorCode::DType) for integers.
    #[track_caller]
    pub fn norm(&self, p: f64, axes: impl Into<Axes>, keep: bool) -> Result<Tensor> {
        let axes = axes.into();
        match p {
            2.0 => self.fold(Fold::L2, axes, keep),
            1.0 => self.fold(Fold::L1, axes, keep),
            f64::INFINITY => self.abs()?.amax(axes, keep),
            f64::NEG_INFINITY => self.abs()?.amin(axes, keep),
            0.0 => self.ne(0)?.cast(self.dtype())?.sum(axes, keep),
            // The power of a single element may leave its range where the element does not.
            _ if self.are_single(&axes) => self.abs()?.sum(axes, keep),
            // Powers of halves would leave their range.
            p if matches!(self.dtype(), DType::F16 | DType::BF16) => self.cast(DType::F32)?.norm(p, axes, keep)?.cast(self.dtype()),
            p => self.abs()?.pow(p)?.sum(axes, keep)?.pow(1.0 / p),
        }
    }
}

/// What the laws are tried on.
#[cfg(test)]
pub(super) fn examples() -> Vec<super::examples::Case> {
    use super::examples::*;

    let cases = cases! {
        "argmax", [floats(&[2, 5])], |x| one(x[0].argmax(Some(-1), false)?);
        "argmax_keep", [floats(&[2, 5])], |x| one(x[0].argmax(Some(0), true)?);
        "argmax_all", [floats(&[2, 5])], |x| one(x[0].argmax(None, false)?);
        "argmax_of_equals", [these(DType::F32, &[2, 5], &[1.0, 3.0, 3.0])], |x| one(x[0].argmax(Some(1), false)?);
        "argmin", [integers(&[2, 5])], |x| one(x[0].argmin(Some(1), false)?);
        "max_along", [floats(&[2, 5])], |x| both(x[0].max_along(1, false)?);
        "min_along", [floats(&[2, 5])], |x| both(x[0].min_along(0, true)?);
        "sum_bool", [bools(&[2, 5])], |x| one(x[0].sum(1, false)?);
        "sum_i32", [of(DType::I32, &[2, 5], -9.0, 9.0)], |x| one(x[0].sum(.., false)?);
        "mean_f64", [of(DType::F64, &[2, 5], -9.0, 9.0)], |x| one(x[0].mean(-1, false)?);
        "mean_f16", [of(DType::F16, &[2, 5], -9.0, 9.0)], |x| one(x[0].mean(-1, false)?);
        "amax_edges", [these(DType::F32, &[2, 3], &[1.0, -INF, 3.0, INF])], |x| one(x[0].amax(1, false)?);
        "amax_bool", [bools(&[2, 5])], |x| one(x[0].amax(1, false)?);
        "all_bool", [bools(&[2, 5])], |x| one(x[0].all(1, false)?);
        "any_u8", [of(DType::U8, &[2, 5], 0.0, 1.0)], |x| one(x[0].any(1, false)?);
        "var_biased", [floats(&[2, 5])], |x| one(x[0].var(1, 0.0, false)?);
        "norm_inf", [floats(&[2, 5])], |x| one(x[0].norm(f64::INFINITY, 1, false)?);
    };
    [
        &[cases][..],
        &[
            reduction("sum", |x, axes, keep| x.sum(axes, keep)),
            reduction("mean", |x, axes, keep| x.mean(axes, keep)),
            reduction("prod", |x, axes, keep| x.prod(axes, keep)),
            reduction("amax", |x, axes, keep| x.amax(axes, keep)),
            reduction("amin", |x, axes, keep| x.amin(axes, keep)),
            reduction("log_sum_exp", |x, axes, keep| x.logsumexp(axes, keep)),
            reduction("var", |x, axes, keep| x.var(axes, 1.0, keep)),
            reduction("norm_1", |x, axes, keep| x.norm(1.0, axes, keep)),
            reduction("norm_2", |x, axes, keep| x.norm(2.0, axes, keep)),
            reduction("all", |x, axes, keep| x.all(axes, keep)),
            reduction("any", |x, axes, keep| x.any(axes, keep)),
        ],
    ]
    .concat()
    .concat()
}
