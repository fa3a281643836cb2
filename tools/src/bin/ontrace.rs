//! The `ontrace` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    ontrace_cli::program()
}
