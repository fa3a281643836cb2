//! Composites that reduce elements by index or by segment, and one-hot encodings.

use super::{Padding, Reduction};
use crate::array::{DType, Scalar};
use crate::dim::Dim;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// How several elements become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReduceMode {
    /// Their sum.
    Sum,
    /// Their product.
    Prod,
    /// Their mean; of integers rounded down.
    Mean,
    /// The largest.
    Max,
    /// The smallest.
    Min,
}

/// The segments of an axis.
#[derive(Clone, Debug)]
pub enum Segments {
    /// The number of elements of each.
    Lengths(Tensor),
    /// The index at which each begins, and that at which the last one ends.
    Offsets(Tensor),
}

impl Tensor {
    /// The tensor with the elements of `source` reduced into the elements that `index` names along an axis. Where `include` is false, the
    /// elements of the tensor itself do not count if anything is reduced into them.
    /// [torch.Tensor.scatter_reduce](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.scatter_reduce.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// use ontrace::ops::ReduceMode;
    /// let x = Tensor::from(&[1i64, 2]);
    /// let y = x.scatter_reduce(0, &Tensor::from(&[0i64, 0]), &Tensor::from(&[5i64, 6]), ReduceMode::Sum, true)?;
    /// assert_eq!(y.to_vec::<i64>()?, [12, 2]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    #[track_caller]
    pub fn scatter_reduce(&self, axis: i64, index: &Tensor, source: &Tensor, reduce: ReduceMode, include: bool) -> Result<Tensor> {
        reduced(self, axis, index, source, reduce, include)
    }

    /// The reduction of each segment of an axis, from `initial` or else the neutral element of the reduction. The segments are given by their
    /// sizes, or by offsets with the end as the last, along the last axis; they may differ along the axes before.
    /// [torch.segment_reduce](https://docs.pytorch.org/docs/stable/generated/torch.segment_reduce.html).
    #[track_caller]
    pub fn segment_reduce(&self, reduce: ReduceMode, segments: &Segments, axis: i64, initial: Option<f64>) -> Result<Tensor> {
        segments_of(self, reduce, segments, axis, initial)
    }

    /// Whether each element occurs in another tensor.
    /// [torch.isin](https://docs.pytorch.org/docs/stable/generated/torch.isin.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// let y = Tensor::from(&[1i64, 2, 3]).isin(&Tensor::from(&[3i64, 1]))?;
    /// assert_eq!(y.to_vec::<bool>()?, [true, false, true]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    #[track_caller]
    pub fn isin(&self, among: &Tensor) -> Result<Tensor> {
        self.unsqueeze(-1)?.eq(&among.reshape([-1])?)?.any(-1, false)
    }

    /// Class indices as vectors in a new last axis: 1 at the class, 0 elsewhere, as i64.
    /// [torch.nn.functional.one_hot](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.one_hot.html).
    ///
    /// ```
    /// use ontrace::Tensor;
    /// assert_eq!(Tensor::from(&[1i64]).one_hot(3)?.to_vec::<i64>()?, [0, 1, 0]);
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    #[track_caller]
    pub fn one_hot(&self, classes: impl Into<Dim>) -> Result<Tensor> {
        self.unsqueeze(-1)?.eq(&Tensor::arange(0, &classes.into(), 1, DType::I64)?)?.cast(DType::I64)
    }
}

pub(crate) fn scattered(x: &Tensor, axis: i64, index: &Tensor, source: &Tensor, reduction: Reduction) -> Result<Tensor> {
    // Nothing is scattered, whatever its shape.
    if index.numel() == 0 {
        return Ok(x.clone());
    }
    let index = index.cast(DType::I64)?;
    if x.rank() == 0 {
        let one = |t: &Tensor| t.reshape([-1]);
        return one(x)?.scatter(0, &one(&index)?, one(source)?, reduction)?.reshape(());
    }
    let (index, mut source) = (if index.rank() == 0 { index.reshape([1])? } else { index }, source.clone());
    if source.rank() == 0 {
        source = source.reshape([1])?;
    }
    for (axis, n) in index.shape().iter().enumerate() {
        if source.dim(axis as i64)? != *n {
            source = source.slice(axis as i64, ..n.clone())?;
        }
    }
    x.scatter(axis, &index, source, reduction)
}

/// The reduction of the elements of `source` and, where `include` is true, of those of `x`, into the elements that the index names.
fn reduced(x: &Tensor, axis: i64, index: &Tensor, source: &Tensor, reduce: ReduceMode, include: bool) -> Result<Tensor> {
    if index.numel() == 0 {
        return Ok(x.clone());
    }
    let fold = |x: &Tensor, source: &Tensor, reduction| scattered(x, axis, index, source, reduction);
    let start = |x: &Tensor, number: Scalar| -> Result<Tensor> {
        // Where anything is folded in and the tensor itself does not count, the fold starts from its neutral element.
        if include {
            return Ok(x.clone());
        }
        let neutral = Tensor::full(source.shape(), number, x.dtype())?;
        fold(x, &neutral, Reduction::Replace)
    };
    let (least, most) = match x.dtype() {
        DType::Bool => (Scalar::Bool(false), Scalar::Bool(true)),
        dtype if dtype.is_float() => (Scalar::Float(f64::NEG_INFINITY), Scalar::Float(f64::INFINITY)),
        DType::U8 => (Scalar::Int(0), Scalar::Int(i64::from(u8::MAX))),
        DType::I8 => (Scalar::Int(i64::from(i8::MIN)), Scalar::Int(i64::from(i8::MAX))),
        DType::I16 => (Scalar::Int(i64::from(i16::MIN)), Scalar::Int(i64::from(i16::MAX))),
        DType::I32 => (Scalar::Int(i64::from(i32::MIN)), Scalar::Int(i64::from(i32::MAX))),
        _ => (Scalar::Int(i64::MIN), Scalar::Int(i64::MAX)),
    };
    match reduce {
        ReduceMode::Sum => fold(&start(x, Scalar::Int(0))?, source, Reduction::Add),
        ReduceMode::Prod => fold(&start(x, Scalar::Int(1))?, source, Reduction::Mul),
        ReduceMode::Max => fold(&start(x, least)?, source, Reduction::Max),
        ReduceMode::Min => fold(&start(x, most)?, source, Reduction::Min),
        ReduceMode::Mean => {
            let sum = fold(&start(x, Scalar::Int(0))?, source, Reduction::Add)?;
            let ones = Tensor::ones(x.shape(), x.dtype())?;
            let count = fold(&start(&ones, Scalar::Int(0))?, &Tensor::ones(source.shape(), x.dtype())?, Reduction::Add)?;
            let count = count.clamp(Some(Scalar::Int(1)), None)?;
            if x.dtype().is_float() { sum.div(count) } else { sum.floor_divide(count)?.cast(x.dtype()) }
        }
    }
}

/// The reduction of each segment of an axis.
fn segments_of(x: &Tensor, reduce: ReduceMode, segments: &Segments, axis: i64, initial: Option<f64>) -> Result<Tensor> {
    let axis = x.shape().axis(axis)?;
    let along = axis as i64;
    let offsets = match segments {
        Segments::Lengths(lengths) => {
            let ends = lengths.cast(DType::I64)?.cumsum(along)?;
            let mut widths = vec![0i64; 2 * (ends.rank() - axis)];
            if let Some(before) = widths.len().checked_sub(2) {
                widths[before] = 1;
            }
            ends.pad(&widths, Padding::Constant(Scalar::Int(0)))?
        }
        Segments::Offsets(offsets) => offsets.cast(DType::I64)?,
    };
    if offsets.rank() != axis + 1 {
        return Err(Error::shape(format!("segment_reduce: {} does not fit axis {axis} of {}", offsets.ty(), x.ty())));
    }
    let count = offsets.dim(along)? - 1i64;
    // Each element belongs to the last segment that begins before it; one in no segment goes to an index that is cut off.
    let position = Tensor::arange(0, &x.dim(along)?, 1, DType::I64)?;
    let segment = offsets.searchsorted(&position.expand([&x.shape()[..axis], &[x.dim(along)?]].concat())?, true)?.sub(1)?;
    let segment = segment.lt(0)?.where_(&Tensor::from_dim(&count), &segment)?;
    let behind: Vec<i64> = (axis as i64 + 1..x.rank() as i64).collect();
    let index = segment.unsqueeze_axes(&behind)?.expand(x.shape())?;
    let mut shape = x.shape().to_vec();
    shape[axis] = &count + 1i64;
    let (neutral, reduction) = match reduce {
        ReduceMode::Sum | ReduceMode::Mean => (0.0, Reduction::Add),
        ReduceMode::Prod => (1.0, Reduction::Mul),
        ReduceMode::Max => (f64::NEG_INFINITY, Reduction::Max),
        ReduceMode::Min => (f64::INFINITY, Reduction::Min),
    };
    let start = Tensor::full(&shape, initial.unwrap_or(neutral), x.dtype())?;
    let y = start.scatter(along, &index, x, reduction)?.slice(along, ..count)?;
    if reduce != ReduceMode::Mean {
        return Ok(y);
    }
    let (begins, ends) = (offsets.slice(along, ..-1)?, offsets.slice(along, 1..)?);
    let lengths = ends.sub(begins)?.unsqueeze_axes(&behind)?;
    let mean = y.div(lengths.cast(x.dtype())?)?;
    // Of nothing there is no mean, unless it was said what to begin with.
    if initial.is_some() { lengths.eq(0)?.where_(&y, &mean) } else { Ok(mean) }
}
