//! A state dict: tensors by name.

use crate::array::Array;
use indexmap::IndexMap;

/// Tensors by name, in the order of the file.
pub type Checkpoint = IndexMap<String, Array>;
