//! What is printed: the answer on stdout, everything else on stderr.

use crate::fail::Failure;
use anstream::{eprintln, println};
use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};
use std::io::Write;
use std::time::Instant;

/// How to print.
#[derive(Clone, Copy)]
pub struct Say {
    /// JSON instead of text.
    pub json: bool,
    /// Errors only on stderr.
    pub quiet: bool,
}

const BOLD: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
const CYAN: Style = AnsiColor::Cyan.on_default();

impl Say {
    /// A step that was done, with its time.
    pub fn step(&self, verb: &str, what: &str, since: Instant) {
        if !self.quiet && !self.json {
            eprintln!("{CYAN}{verb:<11}{CYAN:#} {what:<64} {:>6.2} s", since.elapsed().as_secs_f64());
        }
    }

    /// Something to know.
    pub fn note(&self, what: &str) {
        if !self.quiet && !self.json {
            eprintln!("{CYAN}{:<11}{CYAN:#} {what}", "note");
        }
    }

    /// The answer, as text or as JSON.
    pub fn answer(&self, text: &str, value: Value) {
        // A closed pipe is nobody's fault: whoever reads has read enough.
        let mut out = std::io::stdout().lock();
        let _ = match self.json {
            true => writeln!(out, "{value}"),
            false => {
                drop(out);
                println!("{}", text.trim_end());
                return;
            }
        };
    }

    /// A failure, with its code, its place and what would help.
    pub fn failure(&self, failure: &Failure) {
        let error = &failure.error;
        if self.json {
            let places: Vec<&str> = error.places().collect();
            let value = json!({
                "schema": "ontrace.error/1",
                "code": error.code().id(),
                "title": error.code().title(),
                "message": error.message(),
                "places": places,
                "help": error.help_line(),
                "exit": failure.exit,
            });
            std::eprintln!("{value}");
            return;
        }
        eprintln!("{RED}error[{}]{RED:#}: {}", error.code(), printable(&error.to_string()));
        if let Some(help) = error.help_line() {
            eprintln!("{BOLD}help{BOLD:#}: {}", printable(help));
        }
    }
}

/// Text from a file without what would move the cursor or colour the terminal.
pub fn printable(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() && c != '\n' { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}

/// A number of bytes for people.
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
    fn sizes_and_names_are_printed_for_people() {
        assert_eq!([bytes(999), bytes(1500), bytes(46_900_000)], ["999 B", "1.5 kB", "46.9 MB"]);
        assert_eq!(printable("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
    }
}
