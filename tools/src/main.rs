//! `ontrace`: models to checked ONNX from the command line.

mod check;
mod convert;
mod fail;
mod inputs;
mod inspect;
mod numbers;
mod run;
mod say;
mod strip;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Convert TorchScript and ONNX models to ONNX, and prove that the result computes what the source computed.
///
/// Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the answer is no, 4 operators without a translation, 5 refused for safety,
/// 6 converted but not proven.
#[derive(Parser)]
#[command(name = "ontrace", version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// One JSON object on stdout instead of text; errors are one object on stderr
    #[arg(long, global = true)]
    json: bool,
    /// Nothing on stderr but errors
    #[arg(short, long, global = true)]
    quiet: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Convert a model to ONNX; checked before it is written
    Convert(convert::Convert),
    /// Say what a model file is: inputs, outputs, operators, parameters
    Inspect(inspect::Inspect),
    /// Check a model: is it valid, does it run here, does it agree with a reference
    Check(check::Check),
    /// Run a model on given or random data
    Run(run::Run),
    /// Write an ONNX file without what it says of where it comes from: paths, lines, hashes, verdict, guards
    Strip(strip::Strip),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let say = say::Say { json: cli.json, quiet: cli.quiet };
    let result = match &cli.command {
        Command::Convert(command) => command.run(&say),
        Command::Inspect(command) => command.run(&say),
        Command::Check(command) => command.run(&say),
        Command::Run(command) => command.run(&say),
        Command::Strip(command) => command.run(&say),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let failure = fail::of(failure);
            say.failure(&failure);
            ExitCode::from(failure.exit)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
