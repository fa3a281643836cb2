//! Whole corpora: archives of torch, torch's OpInfo samples, ONNX's backend tests.
//!
//! One binary for all of them: each binary links tract.

mod archives;
#[path = "../shared/corpus.rs"]
mod corpus;
#[path = "../shared/exported.rs"]
mod exported;
mod known_failures;
mod onnx_backend;
mod opinfo;
#[path = "../shared/panics.rs"]
mod panics;
mod zoo;
