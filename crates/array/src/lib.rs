//! The arrays of [ontrace](https://docs.rs/ontrace) and the numeric kernels on them: a crate of its own, since it is compiled for speed in every profile and
//! the crates above it for size.
//!
//! Use it through `ontrace`, which has what is stable of it: [`mod@array`] as `ontrace::array`, [`mod@error`] as `ontrace::error`. What its documentation hides (`kernels`, some methods of arrays) is for `ontrace` alone, and may change with every version.

pub mod array;
pub mod error;
// Hidden: its documentation is read in the source, where private items are seen.
#[allow(rustdoc::private_intra_doc_links)]
#[doc(hidden)]
pub mod kernels;

pub use array::{Array, DType, Scalar};
pub use error::{Error, ErrorCode, Result, ResultExt};

/// What each [`ErrorCode`] means.
#[cfg(not(doctest))]
pub mod error_codes {
    #![doc = include_str!("error_codes.md")]
}
