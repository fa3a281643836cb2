//! What reading takes: tests that count the allocations of their own thread, in a process of their own.

mod counting;
mod hostile;
mod onnx;
#[path = "../shared/panics.rs"]
mod panics;
mod read;
