//! The command line: how inputs are given, and what is verified and reported.

mod inputs;
mod program;
mod verification;
