//! Console output: the result of a command on stdout; progress, notes and errors on stderr.

use crate::error::CommandError;
use crate::progress::Progress;
use anstyle::{AnsiColor, Style};
use ontrace::work::Work;
use ontrace::{Error, ErrorCode};
use serde::Serialize;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::fmt;
use std::io::{BufWriter, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// The output options of a command.
#[derive(Clone, Copy, Default)]
pub struct Console {
    /// JSON instead of text.
    pub json: bool,
    /// Only errors on stderr.
    pub quiet: bool,
    /// Every note, also where several are one line otherwise.
    pub verbose: bool,
}

/// Whether something could not be written to stderr.
static IS_LOST: AtomicBool = AtomicBool::new(false);

/// A line on stderr. Where stderr is full the command goes on, and its exit code says so in the end; a closed pipe has a reader that has read enough.
fn line(text: fmt::Arguments<'_>) {
    report(writeln!(anstream::stderr().lock(), "{text}"));
}

fn report(result: std::io::Result<()>) {
    if result.is_err_and(|error| error.kind() != std::io::ErrorKind::BrokenPipe) {
        IS_LOST.store(true, Ordering::Relaxed);
    }
}

/// Whether a note, a warning or an error is missing on stderr because it could not be written.
pub fn is_lost() -> bool {
    IS_LOST.load(Ordering::Relaxed)
}

const BOLD: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const CYAN: Style = AnsiColor::Cyan.on_default();

impl Console {
    /// A console that prints nothing but an answer and errors.
    pub fn silent() -> Console {
        Console { json: true, quiet: true, verbose: false }
    }

    /// Shows a step while it lasts, on a terminal.
    pub fn working(&self, what: &str) -> Progress {
        Progress::new(&printable(what), self.quiet || self.json)
    }

    /// Shows a step while it lasts and how much of a kind of work is done, of how much where that is known.
    pub fn counting(&self, what: &str, work: Work, of: Option<u64>) -> Progress {
        self.working(what).counting(work, of)
    }

    /// A finished step and the time it took.
    pub fn progress(&self, step: &str, what: &str, started: Instant) {
        if !self.quiet && !self.json {
            let what = printable(what);
            line(format_args!("{CYAN}{step:<11}{CYAN:#} {what:<72} {:>6.2} s", started.elapsed().as_secs_f64()));
        }
    }

    /// A note.
    pub fn note(&self, note: &str) {
        if !self.quiet && !self.json {
            line(format_args!("{CYAN}{:<11}{CYAN:#} {}", "note", shortened(&printable(note), NOTE)));
        }
    }

    /// A warning.
    pub fn warning(&self, warning: &str) {
        if !self.quiet && !self.json {
            line(format_args!("{YELLOW}{:<11}{YELLOW:#} {}", "warning", shortened(&printable(warning), NOTE)));
        }
    }

    /// The result of a command, as text or as JSON.
    pub fn result(&self, text: &str, value: Value) {
        self.result_of(text, &value);
    }

    /// As [`Console::result`], for what is no JSON yet.
    pub fn result_of(&self, text: &str, value: &impl Serialize) {
        if is_captured(value) {
            return;
        }
        if self.json {
            let mut out = BufWriter::new(std::io::stdout().lock());
            written(
                serde_json::to_writer(&mut out, value)
                    .map_err(std::io::Error::from)
                    .and_then(|()| writeln!(out))
                    .and_then(|()| out.flush()),
            );
        } else {
            written(writeln!(anstream::stdout(), "{}", in_short_lines(text.trim_end())));
        }
    }

    /// Whether what a result says as JSON is asked for: it is printed, or kept for another command.
    pub fn is_structured(&self) -> bool {
        self.json || CAPTURED.with_borrow(Option::is_some)
    }

    /// The result of a command whose file is on stdout: on stderr.
    pub fn result_beside(&self, text: &str, value: Value) {
        match self.json {
            true if is_captured(&value) => {}
            true => report(writeln!(std::io::stderr().lock(), "{value}")),
            false if self.quiet => {}
            false => line(format_args!("{}", in_short_lines(text.trim_end()))),
        }
    }

    /// The table of a comparison that failed, before its error: on stderr.
    pub fn table(&self, table: &str) {
        if !self.quiet && !self.json && !table.trim().is_empty() {
            line(format_args!("{}", in_short_lines(table.trim_end())));
        }
    }

    /// An error with its code, location and help.
    pub fn error(&self, failed: &CommandError) {
        let error = &failed.error;
        if self.json {
            let mut value = error_json(error);
            value["schema"] = json!("ontrace.error/1");
            value["exit"] = json!(failed.exit);
            // The keys of the report that say more than the error does.
            if let Some(report) = failed.report.as_ref().and_then(|report| report.as_object()) {
                for (key, more) in report.iter().filter(|(key, _)| *key != "schema") {
                    value[key] = more.clone();
                }
            }
            report(writeln!(std::io::stderr().lock(), "{value}"));
            return;
        }
        line(format_args!("{RED}error[{}]{RED:#}: {}", error.code(), shortened(&printable(&error.to_string()), MESSAGE)));
        if let Some(help) = error.help_line() {
            line(format_args!("{BOLD}help{BOLD:#}: {}", shortened(&printable(help), MESSAGE)));
        }
        // Who reads a terminal can ask; a log needs no such line.
        if std::io::stderr().is_terminal() && error.code() != ErrorCode::Argument {
            line(format_args!("{BOLD}more{BOLD:#}: ontrace explain {}", error.code()));
        }
    }
}

thread_local! {
    /// The result of the command that runs on this thread, where it is not printed.
    static CAPTURED: RefCell<Option<Value>> = const { RefCell::new(None) };
}

/// Runs a command whose result is not printed, and gives it; `null` where the command has none.
pub fn captured<T>(run: impl FnOnce() -> T) -> (T, Value) {
    CAPTURED.set(Some(Value::Null));
    let result = run();
    (result, CAPTURED.take().unwrap_or_default())
}

/// Keeps the result where it is captured, and says whether it is.
fn is_captured(value: &impl Serialize) -> bool {
    let kept = || serde_json::to_value(value).unwrap_or_default();
    CAPTURED.with_borrow_mut(|captured| captured.as_mut().map(|captured| *captured = kept())).is_some()
}

/// Ends the program where its answer could not be written. A closed pipe is not an error: the reader has read enough.
fn written(result: std::io::Result<()>) {
    if let Err(error) = result
        && error.kind() != std::io::ErrorKind::BrokenPipe
    {
        line(format_args!("{RED}error{RED:#}: standard output cannot be written: {error}"));
        std::process::exit(1);
    }
}

/// An error as JSON.
pub fn error_json(error: &Error) -> Value {
    let location: Vec<&str> = error.locations().collect();
    json!({
        "code": error.code().id(),
        "title": error.code().title(),
        "message": error.message(),
        "location": location,
        "help": error.help_line(),
    })
}

/// Text from a file as it can be printed: control characters and those that do not show or turn the direction of text are escaped, so that it cannot
/// move the cursor, colour the terminal or pass for another; words of more than 400 characters are cut and end in a hash of the whole.
pub fn printable(text: &str) -> String {
    let words = text.split_inclusive([' ', '\n']).map(|word| match word.len() > WORD && word.chars().count() > WORD {
        true => {
            let (kept, end) =
                (word.chars().take(WORD * 3 / 4).collect::<String>(), word.chars().next_back().filter(|c| " \n".contains(*c)));
            format!("{kept}…#{}{}", short_hash(&ontrace::onnx::blake3(word.trim_end().as_bytes())), end.map_or(String::new(), String::from))
        }
        false => word.to_string(),
    });
    let cut: String = words.collect();
    cut.chars().flat_map(|c| if is_hidden(c) { c.escape_unicode().collect::<Vec<_>>() } else { vec![c] }).collect()
}

/// Control characters, except the end of a line, and Unicode's format characters: marks of direction, joiners, tags, separators of lines.
pub fn is_hidden(c: char) -> bool {
    let is_format = matches!(c, '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    is_format || (c.is_control() && c != '\n')
}

/// How many characters of a word are shown.
const WORD: usize = 400;

/// How many characters of a note are shown; `--json` has all of it.
const NOTE: usize = 400;

/// How many characters of an error are shown.
const MESSAGE: usize = 4000;

/// The beginning and the end of a text that is longer than this.
fn shortened(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_string();
    }
    let (head, tail) = (most * 3 / 4, most / 4);
    let end: String = text.chars().skip(count - tail).collect();
    format!("{} … {} characters … {end}", text.chars().take(head).collect::<String>(), count - head - tail)
}

/// The text with its lines cut that are longer than a message: a declaration of thousands of axes; `--json` has all of it.
fn in_short_lines(text: &str) -> String {
    text.split('\n').map(|line| shortened(line, MESSAGE)).collect::<Vec<_>>().join("\n")
}

/// The first digits of a hash.
pub fn short_hash(hash: &str) -> String {
    hash.chars().take(8).collect()
}

/// A count and its noun: `1 node`, `2 nodes`.
pub fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// A number of bytes in decimal units: `46.9 MB`.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if n < 1000 {
        return format!("{n} B");
    }
    let mut x = n as f64 / 1000.0;
    let mut unit = 0;
    while x >= 999.95 && unit + 1 < UNITS.len() {
        x /= 1000.0;
        unit += 1;
    }
    format!("{x:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_counts_have_decimal_units() {
        assert_eq!([bytes(999), bytes(1500), bytes(46_900_000)], ["999 B", "1.5 kB", "46.9 MB"]);
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(printable("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\n");
        assert_eq!(printable("a\u{202e}b\u{200b}"), "a\\u{202e}b\\u{200b}");
    }

    #[test]
    fn long_words_are_cut_and_end_in_a_hash_of_the_whole() {
        let (one, other) = ("n".repeat(100_000), "n".repeat(100_001));
        let cut = printable(&format!("{one} and\n"));
        assert!(cut.len() < 420 && cut.ends_with(" and\n"), "{cut}");
        assert_ne!(printable(&one), printable(&other));
        assert_eq!(printable(&"word ".repeat(200)), "word ".repeat(200));
    }

    #[test]
    fn long_texts_keep_their_beginning_and_their_end() {
        assert_eq!(shortened("abcdefgh", 8), "abcdefgh");
        assert_eq!(shortened("abcdefghij", 8), "abcdef … 2 characters … ij");
    }

    #[test]
    fn nouns_agree_with_their_count() {
        assert_eq!([count(0, "node"), count(1, "node"), count(2, "node")], ["0 nodes", "1 node", "2 nodes"]);
    }
}
