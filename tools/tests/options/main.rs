//! The command line: how inputs are given, and what is verified and reported.

mod batch;
mod bench;
mod compare;
mod diff;
mod documents;
mod draw;
mod edit;
mod explain;
mod formats;
mod hostile;
mod images;
mod inputs;
mod program;
mod scalars;
mod serve_layout;
mod simplify;
mod usage;
mod verification;
