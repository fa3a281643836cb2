//! The command line: how inputs are given, and what is verified and reported.

mod bench;
mod compare;
mod diff;
mod draw;
mod explain;
mod hostile;
mod inputs;
mod program;
mod scalars;
mod usage;
mod verification;
