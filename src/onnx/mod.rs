//! The protobuf layer of ONNX: models as files state them, without the semantics of operators.

mod atomic_file;
mod builder;
mod data_set;
mod decode;
pub mod decode_budget;
mod digest;
mod encode;
pub mod external;
mod external_audit;
mod file;
mod function_calls;
mod functions;
mod hash;
mod model;
mod module_path;
mod names;
mod node;
mod rules;
mod schema;
pub mod tensor;
pub mod text;
mod unnamed_file;
mod verify;

pub use atomic_file::{AtomicFile, remove_temporary_files};
pub(crate) use builder::value_info;
pub use builder::{GraphBuilder, LINE_KEY, Name, NodeBuilder, SCOPE_KEY};
pub use data_set::DataSet;
pub use external_audit::audit_external_data;
pub use file::{MAX_MESSAGE, ModelFile, Saved};
#[cfg(feature = "tract")]
pub(crate) use function_calls::calls;
pub(crate) use function_calls::{called, sort_functions};
pub use functions::MODULES_DOMAIN;
pub(crate) use hash::WEIGHTS_HASH_KEY;
pub use hash::blake3;
pub use model::Model;
pub use module_path::ModulePath;
pub use names::canonical_domain;
pub(crate) use names::outer_names;
pub use node::Node;
pub use schema::{OperatorSchema, check_schemas};
pub(crate) use schema::{refuse_misread, wrong_types};
pub use verify::{Findings, NEWEST_IR, NEWEST_OPSET, OLDEST_IR, verify};

/// The messages of the ONNX schema (`proto/onnx.proto`), as prost spells them.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/onnx.rs"));
}

#[cfg(test)]
pub(crate) mod sample;

#[cfg(test)]
mod mutations;
