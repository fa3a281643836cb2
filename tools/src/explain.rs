//! `ontrace explain`: what an error code means and what to do.

use crate::console::Console;
use crate::error::CommandResult;
use crate::suggestion::nearest;
use ontrace::{Error, ErrorCode};
use serde_json::{Value, json};

const EXAMPLES: &str = "\
Examples:
  ontrace explain E0304
  ontrace explain --json";

/// The arguments of `ontrace explain`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Explain {
    /// The code of an error, for example E0304; without one all codes are listed
    code: Option<String>,
}

impl Explain {
    /// Runs the command.
    pub fn run(&self, console: &Console) -> CommandResult {
        let Some(text) = &self.code else {
            let lines: Vec<String> = ErrorCode::all().map(|code| format!("{}   {}", code.id(), code.title())).collect();
            let list: Vec<Value> = ErrorCode::all().map(|code| json!({"code": code.id(), "title": code.title()})).collect();
            console.result(&lines.join("\n"), json!({"schema": "ontrace.explain/1", "codes": list}));
            return Ok(());
        };
        let code = code_of(text).ok_or_else(|| unknown(text))?;
        let value = json!({
            "schema": "ontrace.explain/1",
            "code": code.id(),
            "title": code.title(),
            "markdown": code.explanation(),
        });
        console.result(&plain_text(code.explanation()), value);
        Ok(())
    }
}

/// The digits that a user wrote: 304 for `E0304`, `e304` and `304`.
fn digits(text: &str) -> Option<u32> {
    text.trim().trim_start_matches(['e', 'E']).parse().ok()
}

/// The code that a user wrote.
fn code_of(text: &str) -> Option<ErrorCode> {
    let written = digits(text)?;
    ErrorCode::all().find(|code| digits(code.id()) == Some(written))
}

fn unknown(text: &str) -> Error {
    let words = text.to_lowercase();
    let titled = |code: &ErrorCode| words.len() > 2 && code.title().contains(&words);
    let ids: Vec<&str> = ErrorCode::all().map(ErrorCode::id).collect();
    let apart = |code: &ErrorCode| digits(code.id()).zip(digits(text)).map_or(u32::MAX, |(known, written)| known.abs_diff(written));
    let by_digits = ErrorCode::all().min_by_key(apart).filter(|code| apart(code) < 100);
    let near = ErrorCode::all().find(titled).or(by_digits).or_else(|| nearest(text, &ids).and_then(code_of));
    let help = match near {
        Some(code) => format!("did you mean {} ({})? `ontrace explain` lists all codes", code.id(), code.title()),
        None => "`ontrace explain` lists all codes".to_string(),
    };
    Error::argument(format!("no error code `{text}`")).help(help)
}

/// The width that paragraphs are filled to.
const WIDTH: usize = 100;

/// Markdown as text for a terminal: paragraphs are filled, blocks of code are indented.
fn plain_text(markdown: &str) -> String {
    let (mut text, mut line, mut is_code) = (String::new(), String::new(), false);
    for source in markdown.lines() {
        if source.starts_with("```") || source.is_empty() || is_code {
            if !line.is_empty() {
                text.push_str(&format!("{line}\n"));
                line.clear();
            }
            match source {
                fence if fence.starts_with("```") => is_code = !is_code,
                // Lines that only the test of an example needs.
                hidden if is_code && hidden.starts_with("# ") => {}
                code if is_code => text.push_str(&format!("    {code}\n")),
                _ => text.push('\n'),
            }
            continue;
        }
        for word in source.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
                text.push_str(&format!("{line}\n"));
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    text + &line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_however_it_is_written() {
        for text in ["E0304", "e0304", "304", "0304", " E304 "] {
            assert_eq!(code_of(text), Some(ErrorCode::NoInputs), "{text}");
        }
        for (text, says) in
            [("E0305x", "E0305"), ("E0309", "did you mean E030"), ("memory", "E0501"), ("Shapes", "E0101"), ("", "lists all")]
        {
            assert_eq!(code_of(text), None);
            assert!(unknown(text).help_line().unwrap().contains(says), "{text}");
        }
    }

    #[test]
    fn code_is_indented_and_paragraphs_are_filled() {
        let text = plain_text("E1 title\n\nOne\ntwo.\n\n```rust\nlet x = 1;\n# hidden\n```\n\nLast.");
        assert_eq!(text, "E1 title\n\nOne two.\n\n    let x = 1;\n\nLast.");
    }
}
