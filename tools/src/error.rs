//! Errors of a command and the exit codes of the process.

use ontrace::{Error, ErrorCode};
use std::fmt;

/// An error with the exit code of the process.
#[derive(Debug)]
pub struct CommandError {
    /// The exit code.
    pub exit: u8,
    /// What is printed.
    pub error: Error,
    /// What was compared, where the error is the result of a comparison: JSON.
    pub report: Option<Box<serde_json::Value>>,
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for CommandError {}

impl CommandError {
    /// An error of the options, whatever its code: exit code 2.
    pub fn usage(error: Error) -> CommandError {
        CommandError { exit: 2, error, report: None }
    }
}

/// The result of a command.
pub type CommandResult = Result<(), CommandError>;

/// The exit code of each error code; all others exit with 1.
const EXIT_CODES: &[(ErrorCode, u8)] = &[
    (ErrorCode::Argument, 2),
    (ErrorCode::NoInputs, 2),
    (ErrorCode::Input, 2),
    (ErrorCode::Mismatch, 3),
    (ErrorCode::UnknownOperators, 4),
    (ErrorCode::Unverified, 6),
    (ErrorCode::TooBig, 5),
    (ErrorCode::TooDeep, 5),
    (ErrorCode::Escapes, 5),
];

impl From<Error> for CommandError {
    fn from(error: Error) -> CommandError {
        let exit = EXIT_CODES.iter().find(|row| row.0 == error.code()).map_or(1, |row| row.1);
        CommandError { exit, error, report: None }
    }
}
