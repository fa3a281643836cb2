//! Packed sequences: sequences of different lengths as torch packs them, all first elements, then all second ones, and so on.
//!
//! What a program packs is kept padded, with the sizes: a recurrent network runs over that, as ONNX's do. The packed elements are computed
//! only where a program reads them.

use crate::array::DType;
use crate::dim::Dim;
use crate::error::Result;
use crate::tensor::Tensor;

/// A packed sequence: padded sequences, and the length of each.
pub(crate) struct Packed {
    /// (steps, batch, …), with arbitrary values after the end of a sequence.
    pub(super) padded: Tensor,
    /// (batch)
    pub(super) lengths: Tensor,
}

/// The indices at which a vector is true.
fn indices(truth: &Tensor) -> Result<Tensor> {
    truth.nonzero()?.reshape([-1])
}

impl Packed {
    pub(super) fn is_of(&self, other: &Packed) -> bool {
        self.lengths.is_same(&other.lengths)
    }

    /// How many sequences there are.
    pub(super) fn batch(&self) -> Result<Dim> {
        self.padded.dim(1)
    }

    /// Which positions (steps, batch) are in a sequence.
    pub(super) fn inside(&self) -> Result<Tensor> {
        Tensor::arange(0, &self.padded.dim(0)?, 1, DType::I64)?.unsqueeze(1)?.lt(self.lengths.unsqueeze(0)?)
    }

    /// The elements of all sequences, step by step.
    pub(super) fn data(&self) -> Result<Tensor> {
        self.padded.flatten(0, 1)?.index_select(0, &indices(&self.inside()?.reshape([-1])?)?)
    }

    /// How many sequences reach each step that any reaches.
    pub(super) fn sizes(&self) -> Result<Tensor> {
        let sizes = self.inside()?.sum(1, false)?;
        sizes.index_select(0, &indices(&sizes.gt(0)?)?)
    }
}
