//! Process isolation: a command runs in a child process of the program, with a limit on its memory, so that what ends the process is an error with a code.
//!
//! A checker cannot know everything that a model makes a runtime allocate or recurse into, and a file that somebody truncates while it is mapped
//! ends the process that reads it (SIGBUS). The child inherits the standard streams and the arguments; its exit code is the program's.

use crate::console::Console;
use crate::error::CommandError;
use ontrace::isolation::{StepRecord, child_of_this_process, end_with_parent, ended, is_child, note_steps};
use std::ffi::OsString;

/// Runs the command in a child, which is this program with its arguments, and gives its exit code; `None` in the child, and where no child can be started.
pub fn supervise(program: &[OsString], console: &Console) -> Option<u8> {
    if is_child() {
        end_with_parent();
        note_steps();
        return None;
    }
    let (executable, arguments) = program.split_first()?;
    let mut command = child_of_this_process(executable);
    command.args(arguments);
    // A command that computes keeps what is freed for the next value. This one makes lists as long as the file, one after the other: they are given back.
    if arguments.iter().find(|word| !word.as_encoded_bytes().starts_with(b"-")).is_some_and(|word| word == "inspect") {
        command.env("MALLOC_MMAP_THRESHOLD_", "262144");
    }
    if console.json {
        // Errors are one object on stderr: what the system and Rust say of an end is inside it.
        command.stderr(std::process::Stdio::piped());
    }
    let step = StepRecord::of(&mut command);
    let child = command.spawn().ok()?;
    let outcome = child.wait_with_output().ok()?;
    if let Some(code) = outcome.status.code() {
        let is_lost = !outcome.stderr.is_empty() && std::io::Write::write_all(&mut std::io::stderr(), &outcome.stderr).is_err();
        return Some(if code == 0 && is_lost { 1 } else { u8::try_from(code).unwrap_or(1) });
    }
    let failed = CommandError::from(step.explain(ended(outcome.status, &String::from_utf8_lossy(&outcome.stderr))));
    console.error(&failed);
    Some(failed.exit)
}
