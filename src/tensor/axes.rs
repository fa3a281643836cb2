//! Axis arguments: the axes of a reduction, and the range of a slice.

use crate::dim::Dim;
use std::ops::{Range, RangeFrom, RangeFull, RangeTo};

/// The axes of a reduction: `..` for all of them, one axis, or a list. Negative axes count from the end.
///
/// ```
/// use ontrace::Tensor;
/// let x = Tensor::new([2, 3], vec![1.0f32; 6])?;
/// assert_eq!(x.sum(.., false)?.to_vec::<f32>()?, [6.0]);
/// assert_eq!(x.sum(-1, false)?.to_vec::<f32>()?, [3.0, 3.0]);
/// assert_eq!(x.sum([0, 1], true)?.shape().to_string(), "[1,1]");
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axes(Option<Vec<i64>>);

impl Axes {
    /// The axes as given; `None` for all.
    pub fn listed(&self) -> Option<&[i64]> {
        self.0.as_deref()
    }
}

impl From<RangeFull> for Axes {
    fn from(_: RangeFull) -> Axes {
        Axes(None)
    }
}

impl From<i64> for Axes {
    fn from(axis: i64) -> Axes {
        Axes(Some(vec![axis]))
    }
}

impl From<i32> for Axes {
    fn from(axis: i32) -> Axes {
        Axes::from(i64::from(axis))
    }
}

impl From<&[i64]> for Axes {
    fn from(axes: &[i64]) -> Axes {
        Axes(Some(axes.to_vec()))
    }
}

impl<const N: usize> From<[i64; N]> for Axes {
    fn from(axes: [i64; N]) -> Axes {
        Axes(Some(axes.to_vec()))
    }
}

impl<const N: usize> From<&[i64; N]> for Axes {
    fn from(axes: &[i64; N]) -> Axes {
        Axes(Some(axes.to_vec()))
    }
}

impl From<Vec<i64>> for Axes {
    fn from(axes: Vec<i64>) -> Axes {
        Axes(Some(axes))
    }
}

impl From<&Vec<i64>> for Axes {
    fn from(axes: &Vec<i64>) -> Axes {
        Axes(Some(axes.clone()))
    }
}

/// A list of axes, or all where there is none.
impl From<Option<&[i64]>> for Axes {
    fn from(axes: Option<&[i64]>) -> Axes {
        Axes(axes.map(<[i64]>::to_vec))
    }
}

impl From<&Axes> for Axes {
    fn from(axes: &Axes) -> Axes {
        axes.clone()
    }
}

/// The range of a slice along one axis, as Python's `start:end:step`: `2..5`, `1..`, `..n`, `..`. Negative ends count from the end of the
/// axis, and ends beyond it are clamped.
///
/// ```
/// use ontrace::Tensor;
/// let x = Tensor::from(&[0i64, 1, 2, 3, 4]);
/// assert_eq!(x.slice(0, 1..3)?.to_vec::<i64>()?, [1, 2]);
/// assert_eq!(x.slice(0, -2..)?.to_vec::<i64>()?, [3, 4]);
/// assert_eq!(x.slice_step(0, .., 2)?.to_vec::<i64>()?, [0, 2, 4]);
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AxisRange {
    /// The first index; absent, the first of the axis, or the last where the step is negative.
    pub start: Option<Dim>,
    /// The index before which the slice ends; absent, past the end of the axis.
    pub end: Option<Dim>,
}

impl From<(Option<Dim>, Option<Dim>)> for AxisRange {
    fn from((start, end): (Option<Dim>, Option<Dim>)) -> AxisRange {
        AxisRange { start, end }
    }
}

impl From<RangeFull> for AxisRange {
    fn from(_: RangeFull) -> AxisRange {
        AxisRange { start: None, end: None }
    }
}

impl<D: Into<Dim>> From<Range<D>> for AxisRange {
    fn from(range: Range<D>) -> AxisRange {
        AxisRange { start: Some(range.start.into()), end: Some(range.end.into()) }
    }
}

impl<D: Into<Dim>> From<RangeFrom<D>> for AxisRange {
    fn from(range: RangeFrom<D>) -> AxisRange {
        AxisRange { start: Some(range.start.into()), end: None }
    }
}

impl<D: Into<Dim>> From<RangeTo<D>> for AxisRange {
    fn from(range: RangeTo<D>) -> AxisRange {
        AxisRange { start: None, end: Some(range.end.into()) }
    }
}
