//! Failures and their exit codes.

use ontrace::{Code, Error};
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
const EXITS: &[(Code, u8)] = &[
    (Code::Argument, 2),
    (Code::NoInputs, 2),
    (Code::Input, 2),
    (Code::Mismatch, 3),
    (Code::UnknownOperators, 4),
    (Code::TooBig, 5),
    (Code::TooDeep, 5),
    (Code::Escapes, 5),
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
