//! The `ontrace` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(ontrace_cli::main(std::env::args_os()))
}
