//! The geometry of a convolution: sizes, groups and the matrices of its operands.

use super::window::Window;
use crate::array::{Array, count};
use crate::error::{Error, Result};
use ndarray::ArrayView2;

/// The sizes of a convolution, checked against each other.
pub struct Layer<'a> {
    pub window: &'a Window,
    pub batch: usize,
    pub groups: usize,
    /// Input channels of a group.
    pub channels: usize,
    /// Output channels of a group.
    pub filters: usize,
    pub kernel: Vec<usize>,
    /// The spatial sizes of the input.
    pub spatial: Vec<usize>,
    /// The spatial sizes of the output.
    pub steps: Vec<usize>,
}

impl<'a> Layer<'a> {
    pub fn new(x: &Array, w: &Array, bias: Option<&Array>, window: &'a Window, groups: usize) -> Result<Layer<'a>> {
        let misfit =
            || Error::shape(format!("a weight of shape {:?} in {groups} groups does not fit an input of shape {:?}", w.shape(), x.shape()));
        let (&[batch, all], spatial) = x.shape().split_first_chunk().ok_or_else(misfit)?;
        let (&[out, channels], kernel) = w.shape().split_first_chunk().ok_or_else(misfit)?;
        if x.rank() != w.rank() || channels.checked_mul(groups) != Some(all) || out.checked_rem(groups) != Some(0) {
            return Err(misfit());
        }
        if let Some(bias) = bias.filter(|bias| bias.shape() != [out]) {
            return Err(Error::shape(format!("expected a bias of shape [{out}], got {:?}", bias.shape())));
        }
        let steps = window.steps(kernel, spatial)?;
        let layer =
            Layer { window, batch, groups, channels, filters: out / groups, kernel: kernel.to_vec(), spatial: spatial.to_vec(), steps };
        count(&layer.shape())?;
        Ok(layer)
    }

    pub fn shape(&self) -> Vec<usize> {
        [&[self.batch, self.groups * self.filters], &self.steps[..]].concat()
    }

    /// Whether an output position sees the one input position of the same index.
    pub fn is_pointwise(&self) -> bool {
        let Window { strides, pads_begin, pads_end, .. } = self.window;
        self.kernel.iter().chain(strides).all(|&n| n == 1) && pads_begin.iter().chain(pads_end).all(|&n| n == 0)
    }
}

/// The beginning of a slice as a row-major matrix.
pub fn matrix<T>(rows: usize, columns: usize, slice: &[T]) -> Result<ArrayView2<'_, T>> {
    ArrayView2::from_shape((rows, columns), &slice[..rows * columns]).map_err(misshapen)
}

pub fn misshapen(error: ndarray::ShapeError) -> Error {
    Error::internal(format!("ndarray cannot view this block: {error}"))
}
