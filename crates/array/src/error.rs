//! Errors: a code, a message, locations, help and a source.

use std::fmt;
use std::sync::Arc;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of a failure. Stable: programs may match on it, people may look it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ErrorCode {
    /// Shapes that do not fit an operation.
    Shape,
    /// A dtype that an operation does not take.
    DType,
    /// An argument (axis, stride, name …) outside what an operation takes.
    Argument,
    /// A value was asked for where only the shape is known.
    NoValue,
    /// A tensor was used outside the trace that it belongs to.
    Trace,
    /// Sizes contradict each other, or an expression cannot be solved.
    Size,
    /// A known construct that this version does not convert.
    Unsupported,
    /// Operators without a translation, all of them at once.
    UnknownOperators,
    /// A traced graph was called with inputs that violate one of its guards.
    Guard,
    /// A diagnostic of a trace that its user denies.
    Denied,
    /// The bytes are no format that we read.
    NotAModel,
    /// The file contradicts its own format.
    Damaged,
    /// A checkpoint: weights without a program.
    Checkpoint,
    /// Example inputs are needed and none were given.
    NoInputs,
    /// Written by a version that is newer than this reader.
    TooNew,
    /// An input is missing, left over, or has the wrong dtype or shape.
    Input,
    /// The runtime refused or failed on a graph.
    Runtime,
    /// Two modules gave different outputs.
    Mismatch,
    /// Something that a result promises could not be compared.
    Unverified,
    /// Decoding would need more memory than the file justifies.
    TooBig,
    /// Nested more deeply than any real model.
    TooDeep,
    /// A path that leaves the model's folder.
    Escapes,
    /// Reading a file failed.
    Read,
    /// Writing a file failed; what stood there before is intact.
    Write,
    /// A broken promise of this crate: please report it.
    Internal,
}

/// One row a code: its number, and a title for people.
const CODES: &[(ErrorCode, &str, &str)] = &[
    (ErrorCode::Shape, "E0101", "incompatible shapes"),
    (ErrorCode::DType, "E0102", "dtype not supported here"),
    (ErrorCode::Argument, "E0103", "argument out of range"),
    (ErrorCode::NoValue, "E0104", "value not known"),
    (ErrorCode::Trace, "E0201", "tensor used outside its trace"),
    (ErrorCode::Size, "E0202", "contradictory sizes"),
    (ErrorCode::Unsupported, "E0203", "not supported"),
    (ErrorCode::UnknownOperators, "E0204", "operators without a translation"),
    (ErrorCode::Guard, "E0205", "the traced graph is not valid for these inputs"),
    (ErrorCode::Denied, "E0206", "a denied diagnostic"),
    (ErrorCode::NotAModel, "E0301", "not a model file"),
    (ErrorCode::Damaged, "E0302", "damaged file"),
    (ErrorCode::Checkpoint, "E0303", "a checkpoint without model code"),
    (ErrorCode::NoInputs, "E0304", "example inputs needed"),
    (ErrorCode::TooNew, "E0305", "written by a newer version"),
    (ErrorCode::Input, "E0401", "wrong input"),
    (ErrorCode::Runtime, "E0402", "the runtime failed"),
    (ErrorCode::Mismatch, "E0403", "outputs differ"),
    (ErrorCode::Unverified, "E0404", "not verified"),
    (ErrorCode::TooBig, "E0501", "memory limit exceeded"),
    (ErrorCode::TooDeep, "E0502", "nested too deeply"),
    (ErrorCode::Escapes, "E0503", "path outside the model's folder"),
    (ErrorCode::Read, "E0601", "reading failed"),
    (ErrorCode::Write, "E0602", "writing failed"),
    (ErrorCode::Internal, "E0901", "internal error"),
];

/// The section of each code, under its number and title.
const EXPLANATIONS: &str = include_str!("error_codes.md");

impl ErrorCode {
    fn row(self) -> &'static (ErrorCode, &'static str, &'static str) {
        CODES.iter().find(|row| row.0 == self).unwrap_or(&CODES[CODES.len() - 1])
    }

    /// The number that users see, `E0101` for example.
    pub fn id(self) -> &'static str {
        self.row().1
    }

    /// A few words that say what the code means.
    pub fn title(self) -> &'static str {
        self.row().2
    }

    /// What the code means, why it happens, an example, and what to do: Markdown that begins with the heading `E0101 incompatible shapes`.
    pub fn explanation(self) -> &'static str {
        let sections = EXPLANATIONS.split("\n## ").skip(1);
        sections.map(str::trim_end).find(|section| section.starts_with(self.id())).unwrap_or_default()
    }

    /// Every code, in the order of their codes.
    pub fn all() -> impl Iterator<Item = ErrorCode> {
        CODES.iter().map(|row| row.0)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// A failure: its code, what was expected and what came, where, and what would help.
///
/// Locations are added on the way up, innermost first, by [`ResultExt::at`]; `Display` prints them
/// outermost first: `resnet18.pt: layer1.0.conv1: weight has 3 axes, expected 4`.
///
/// Errors are equal where code, message, locations and help are, whatever caused them.
#[derive(Clone)]
pub struct Error(Box<ErrorData>);

#[derive(Clone)]
struct ErrorData {
    code: ErrorCode,
    message: String,
    /// Innermost first.
    locations: Vec<String>,
    help: Option<String>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl PartialEq for Error {
    fn eq(&self, other: &Error) -> bool {
        let parts = |error: &Error| (error.0.code, error.0.message.clone(), error.0.locations.clone(), error.0.help.clone());
        parts(self) == parts(other)
    }
}

impl Eq for Error {}

/// One constructor a code.
macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $code:ident),* $(,)?) => {
        impl Error { $($(#[$doc])* pub fn $name(message: impl Into<String>) -> Error { Error::new(ErrorCode::$code, message) })* }
    };
}

constructors! {
    /// Shapes that do not fit.
    shape => Shape,
    /// A dtype that is not taken.
    dtype => DType,
    /// An argument out of range.
    argument => Argument,
    /// A value that is not known.
    no_value => NoValue,
    /// A tensor used outside its trace.
    trace => Trace,
    /// Sizes that contradict each other.
    size => Size,
    /// Something known that is not supported.
    unsupported => Unsupported,
    /// A file that contradicts its format.
    damaged => Damaged,
    /// An input that does not fit.
    input => Input,
    /// A failure inside the runtime.
    runtime => Runtime,
    /// A claim on memory that the file does not justify.
    too_big => TooBig,
    /// Nesting beyond any real model.
    too_deep => TooDeep,
    /// A failed read.
    read => Read,
    /// A failed write.
    write => Write,
    /// A broken promise of this crate.
    internal => Internal,
}

impl Error {
    /// An error of this code; say what was expected and what came.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Error {
        Error(Box::new(ErrorData { code, message: message.into(), locations: Vec::new(), help: None, source: None }))
    }

    /// Adds what would help: a command, an option, another spelling. The innermost help stands.
    pub fn help(mut self, help: impl Into<String>) -> Error {
        self.0.help.get_or_insert_with(|| help.into());
        self
    }

    /// Adds the error that caused this one, which [`std::error::Error::source`] gives: that of a reader, the file system or tract.
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// Says where it happened; called again on the way up for the wider location.
    pub fn at(mut self, location: impl fmt::Display) -> Error {
        let location = location.to_string();
        if !location.is_empty() && self.0.locations.last() != Some(&location) {
            self.0.locations.push(location);
        }
        self
    }

    /// The kind of the failure.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// What was expected and what came, without the location.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where it happened, outermost first.
    pub fn locations(&self) -> impl Iterator<Item = &str> {
        self.0.locations.iter().rev().map(String::as_str)
    }

    /// What would help, if anything is known to.
    pub fn help_line(&self) -> Option<&str> {
        self.0.help.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for location in self.locations() {
            write!(f, "{location}: ")?;
        }
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {self}", self.0.code)?;
        match &self.0.help {
            Some(help) => write!(f, "\nhelp: {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

/// Adds locations to the errors of results: `module.forward(x).at("layer1.conv")?`.
pub trait ResultExt {
    /// The same result; its error has one location more.
    #[must_use]
    fn at(self, location: impl fmt::Display) -> Self;
}

impl<T> ResultExt for Result<T> {
    fn at(self, location: impl fmt::Display) -> Self {
        self.map_err(|error| error.at(location))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_is_the_cause() {
        let cause = std::io::Error::other("disk");
        let error = Error::read("cannot read").with_source(cause).at("x.onnx");
        assert_eq!(std::error::Error::source(&error).map(ToString::to_string).as_deref(), Some("disk"));
        assert_eq!(error, Error::read("cannot read").at("x.onnx"));
    }

    #[test]
    fn every_code_has_a_number_of_its_own() {
        let mut ids: Vec<_> = CODES.iter().map(|row| row.1).collect();
        ids.dedup();
        assert_eq!(ids.len(), CODES.len());
        assert!(ids.is_sorted());
    }

    #[test]
    fn every_code_is_explained_in_order_and_says_what_to_do() {
        let headings: Vec<&str> = EXPLANATIONS.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        let expected: Vec<String> = CODES.iter().map(|(_, id, title)| format!("{id} {title}")).collect();
        assert_eq!(headings, expected);
        for code in ErrorCode::all() {
            let text = code.explanation();
            assert!(text.contains("\nWhat to do: "), "{code}");
            assert!(text.contains("```") || text.contains("no example is known"), "{code}");
        }
    }

    #[test]
    fn locations_read_from_the_outside_in() {
        let error = Error::shape("weight has 3 axes, expected 4").at("layer1.conv").at("net.pt").help("reshape it");
        assert_eq!(error.to_string(), "net.pt: layer1.conv: weight has 3 axes, expected 4");
        assert_eq!(format!("{error:?}"), "error[E0101]: net.pt: layer1.conv: weight has 3 axes, expected 4\nhelp: reshape it");
    }
}
