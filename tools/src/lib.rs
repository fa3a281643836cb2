//! The `ontrace` command line: converts models to verified ONNX, inspects, checks and runs them. The program and the Python package call it.

mod array_files;
mod batch;
mod bench;
mod check;
mod compare;
mod completions;
mod console;
mod convert;
mod diff;
mod draw;
mod edit;
mod error;
mod evidence;
mod explain;
mod images;
mod input_spec;
mod inputs;
mod inspect;
mod isolation;
mod limit;
mod man;
mod markup;
mod option_tables;
mod progress;
mod recorded;
mod run;
mod serve_layout;
mod sessions;
mod signals;
mod simplify;
mod strict;
mod strip;
mod suggestion;
mod tolerance;
mod verification;

pub use error::{CommandError, CommandResult};
pub use sessions::open_session;

use clap::{CommandFactory, Parser, Subcommand};
use console::Console;
use ontrace::Error;
use std::ffi::OsString;
use std::process::ExitCode;

/// Where the options that all commands have stand in a help: behind those of the command, in front of `--help`.
const COMMON: usize = 900;

/// Convert TorchScript, torch.export and ONNX models to ONNX, and verify that the result computes what the source computes.
///
/// Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the answer is no (outputs differ), 4 unsupported operators, 5 refused for safety,
/// 6 converted but not verified.
#[derive(Parser)]
#[command(name = "ontrace", version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// One JSON object on stdout instead of text; errors are one object on stderr
    #[arg(long, global = true, display_order = COMMON)]
    json: bool,
    /// Only errors on stderr
    #[arg(short, long, global = true, display_order = COMMON)]
    quiet: bool,
    /// More on stderr: every note, where several are one line otherwise
    #[arg(short, long, global = true, display_order = COMMON, conflicts_with = "quiet")]
    verbose: bool,
    /// Run in this process, not in a child whose memory is limited: for debuggers and profilers
    #[arg(long, global = true, display_order = COMMON)]
    in_process: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Convert a model to ONNX; verified before it is written
    Convert(convert::Convert),
    /// Show what a model file contains: inputs, outputs, operators, parameters
    Inspect(inspect::Inspect),
    /// Check whether a model is valid, runs here, and agrees with a reference
    Check(check::Check),
    /// Compare two models on the same inputs: outputs, and the first node that differs, also behind a simplifier
    Compare(compare::Compare),
    /// Show what is different between two models: graphs up to names and order, and weights
    Diff(diff::Diff),
    /// Draw the graph of a model as SVG, HTML or DOT
    Draw(draw::Draw),
    /// Run a model on given or random inputs
    Run(run::Run),
    /// Measure a model: load time, latency, throughput, memory, and where the time goes
    Bench(bench::Bench),
    /// Write a model with fewer nodes: batch norms folded, duplicates merged, no-ops dropped; verified before it is written
    #[command(after_help = simplify::EXAMPLES)]
    Simplify(simplify::Simplify),
    /// Rename inputs and outputs, fix or name sizes, extract a part, change the opset, convert to f16, set metadata
    #[command(after_help = edit::EXAMPLES)]
    Edit(edit::Edit),
    /// Convert many models by worker processes with limits; goes on after a crash, and reports as CSV, JSON or JUnit
    #[command(after_help = batch::EXAMPLES)]
    Batch(batch::Batch),
    /// Put a model into a Triton model repository: config.pbtxt and the next version, atomically
    #[command(after_help = serve_layout::EXAMPLES)]
    ServeLayout(serve_layout::ServeLayout),
    /// Remove ontrace's metadata from an ONNX file: source paths and lines, hashes, verdict, guards
    Strip(strip::Strip),
    /// Explain an error code: why it happens, an example, what to do
    Explain(explain::Explain),
    /// Print the completion script of a shell
    Completions(completions::Completions),
    /// Print or write the manual, as `man` reads it
    Man(man::Man),
}

impl Cli {
    fn run(&self, console: &Console) -> CommandResult {
        match &self.command {
            Command::Convert(command) => command.run(console),
            Command::Inspect(command) => command.run(console),
            Command::Check(command) => command.run(console),
            Command::Compare(command) => command.run(console),
            Command::Diff(command) => command.run(console),
            Command::Draw(command) => command.run(console),
            Command::Run(command) => command.run(console),
            Command::Bench(command) => command.run(console),
            Command::Simplify(command) => command.run(console),
            Command::Edit(command) => command.run(console),
            Command::Batch(command) => command.run(console),
            Command::ServeLayout(command) => command.run(console),
            Command::Strip(command) => command.run(console),
            Command::Explain(command) => command.run(console),
            Command::Completions(command) => command.run(Cli::command(), console),
            Command::Man(command) => command.run(Cli::command(), console),
        }
    }
}

/// Runs the program with these arguments, of which the first is its name, and gives its exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, &arguments),
    };
    let console = Console { json: cli.json, quiet: cli.quiet, verbose: cli.verbose };
    match cli.run(&console) {
        Ok(()) => u8::from(console::is_lost()),
        Err(failed) => {
            console.error(&failed);
            failed.exit
        }
    }
}

/// The program: its arguments are those of the process. It handles signals, and runs the command in a child process whose memory is limited.
pub fn program() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let executable = std::env::current_exe().map(|path| path.into_os_string());
    let child: Vec<OsString> = executable.into_iter().chain(arguments.iter().skip(1).cloned()).collect();
    ExitCode::from(launch(arguments, &child))
}

/// As [`program`], with these arguments, of which the first is the program's name, and `child` as the command line that starts this program with them; gives
/// the exit code.
pub fn launch(arguments: Vec<OsString>, child: &[OsString]) -> u8 {
    signals::install();
    batch::limit_this_process();
    let console = Console { json: has_flag(&arguments, "--json"), ..Console::default() };
    if !has_flag(&arguments, "--in-process")
        && let Some(code) = isolation::supervise(child, &console)
    {
        return code;
    }
    ontrace::isolation::end_on_panic(child, move |error| {
        let failed = CommandError::from(error);
        console.error(&failed);
        failed.exit
    });
    ontrace::runtime::bound_threads();
    main(arguments)
}

/// Whether a flag is among the arguments, before the parser has read them.
fn has_flag(arguments: &[OsString], flag: &str) -> bool {
    arguments.iter().skip(1).take_while(|argument| *argument != "--").any(|argument| argument == flag)
}

/// Runs a command with these arguments, without the program's name, and gives the object that it prints under `--json`. Nothing is printed.
///
/// # Errors
/// The error that the program ends with.
pub fn answer(arguments: impl IntoIterator<Item = OsString>) -> Result<serde_json::Value, CommandError> {
    let arguments: Vec<OsString> = std::iter::once("ontrace".into()).chain(arguments).collect();
    let cli = Cli::try_parse_from(arguments).map_err(|error| CommandError::usage(usage_error(&error)))?;
    let (result, answer) = console::captured(|| cli.run(&Console::silent()));
    result.map(|()| answer)
}

/// Prints help and versions, or reports options that are wrong: under `--json` as an object.
fn usage(error: &clap::Error, arguments: &[OsString]) -> u8 {
    if error.use_stderr() && has_flag(arguments, "--json") {
        Console { json: true, ..Console::default() }.error(&CommandError::usage(usage_error(error)));
    } else {
        // A closed pipe is not an error: the reader has read enough.
        let is_full = error.print().is_err_and(|error| error.kind() != std::io::ErrorKind::BrokenPipe);
        if is_full && !error.use_stderr() {
            return 1;
        }
    }
    if error.use_stderr() { 2 } else { 0 }
}

/// What is wrong with options, and the usage as help.
fn usage_error(error: &clap::Error) -> Error {
    let text = error.render().to_string();
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let message = lines.next().unwrap_or_default().trim_start_matches("error: ").to_string();
    let rest: Vec<&str> = lines.map(str::trim).collect();
    Error::argument(message).help(rest.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
