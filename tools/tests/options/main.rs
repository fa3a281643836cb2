//! The command line: how inputs are given, and what is verified and reported.

mod compare;
mod inputs;
mod program;
mod verification;
