//! Arrays: shared bytes with a dtype, a shape and strides, owned or mapped from a file.

#[cfg(feature = "tract")]
pub(crate) use ontrace_array::array::map_shared;
pub use ontrace_array::array::{
    Array, Comparison, DType, Element, Narrowing, PromotionPriority, Random, Round, Scalar, Tolerance, compare, count, map, map_file,
};
pub(crate) use ontrace_array::array::{Elements, blocks, contiguous_strides, index, room};
