//! Failures and their exit codes.

use ontrace::{Error, ErrorCode};
use std::fmt;

/// A failure that ends the process with another code than its error alone would.
#[derive(Debug)]
pub struct Failure {
    /// What the process ends with.
    pub exit: u8,
    /// What is printed.
    pub error: Error,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Failure {}

/// The exit code of each kind of error; all others are 1.
const EXITS: &[(ErrorCode, u8)] = &[
    (ErrorCode::Argument, 2),
    (ErrorCode::NoInputs, 2),
    (ErrorCode::Input, 2),
    (ErrorCode::Mismatch, 3),
    (ErrorCode::UnknownOperators, 4),
    (ErrorCode::TooBig, 5),
    (ErrorCode::TooDeep, 5),
    (ErrorCode::Escapes, 5),
];

/// The exit code and the error of a failed command.
pub fn of(failure: anyhow::Error) -> Failure {
    let error = match failure.downcast::<Failure>() {
        Ok(failure) => return failure,
        Err(other) => other.downcast::<Error>().unwrap_or_else(|other| Error::internal(other.to_string())),
    };
    let exit = EXITS.iter().find(|row| row.0 == error.code()).map_or(1, |row| row.1);
    Failure { exit, error }
}

/// The result of a command.
pub type Outcome = anyhow::Result<()>;
