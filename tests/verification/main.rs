//! Verification: the checker itself, planted faults, and random programs run in every way.

mod check;
#[cfg(feature = "tract")]
mod faults;
#[path = "../left.rs"]
mod left;
#[path = "../panics.rs"]
mod panics;
mod programs;
