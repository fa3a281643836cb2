//! The command line: how inputs are given, and what is verified and reported.

mod compare;
mod draw;
mod hostile;
mod inputs;
mod program;
mod scalars;
mod usage;
mod verification;
