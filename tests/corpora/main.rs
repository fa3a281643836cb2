//! Whole corpora: archives of torch, torch's OpInfo samples, ONNX's backend tests.
//!
//! One binary for all of them: each binary links tract.

mod archives;
#[path = "../left.rs"]
mod left;
mod onnx_backend;
mod opinfo;
mod zoo;
