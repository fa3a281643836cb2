//! Tracing: what a traced graph holds, what it refuses, and what its file keeps.
//!
//! One binary for all of them: each binary links tract.

mod control_flow;
#[path = "../shared/corpus.rs"]
mod corpus;
mod custom;
mod errors;
#[cfg(feature = "tract")]
mod examples;
#[path = "../shared/exported.rs"]
mod exported;
mod functions;
mod promotion;
mod ranges;
mod silent;
mod trace;
mod tracer;
mod vectors;
