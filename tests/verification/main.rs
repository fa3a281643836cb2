//! Verification: the checker itself, planted faults, and random programs run in every way.

mod check;
#[path = "../shared/exported.rs"]
mod exported;
#[cfg(feature = "tract")]
mod faults;
#[path = "../shared/panics.rs"]
mod panics;
mod programs;
