//! ONNX as a page: what stands in a file, before anybody asks what it means.

mod calls;
mod data_set;
mod digest;
mod draft;
mod encode;
pub mod external;
mod file;
mod functions;
pub mod limits;
mod model;
mod names;
mod node;
mod pen;
pub(crate) mod since;
pub mod tensor;
pub mod text;
mod verify;

pub(crate) use calls::calls;
pub use data_set::DataSet;
pub use draft::Draft;
pub use file::{LONGEST, Saved};
pub use functions::MODULES_DOMAIN;
pub use model::{Model, canonical_domain};
pub(crate) use names::outer_names;
pub use node::Node;
pub use pen::{LINE_KEY, Line, Name, Pen, SCOPE_KEY};
pub use verify::{Findings, NEWEST_IR, NEWEST_OPSET, OLDEST_IR, verify};

/// The messages of the ONNX schema (`proto/onnx.proto`), as prost spells them.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/onnx.rs"));
}

#[cfg(test)]
mod sample;

#[cfg(test)]
mod mutations;
