//! Text from files in pictures: made visible, shortened, measured and escaped.

use crate::console::is_hidden;
use crate::markup::escaped;

/// The text with [hidden characters](is_hidden), ends of lines, variation selectors and the characters that XML does not allow as escapes.
pub fn visible(text: &str) -> String {
    let is_escaped = |c: char| is_hidden(c) || c == '\n' || matches!(u32::from(c), 0xFE00..=0xFE0F | 0xFFFE..=0xFFFF | 0xE0080..=0xE0FFF);
    text.chars().flat_map(|c| if is_escaped(c) { c.escape_unicode().collect::<Vec<_>>() } else { vec![c] }).collect()
}

/// The text with its middle left out where it has more characters than this: names differ at their ends.
pub fn shortened(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_string();
    }
    let tail = most * 3 / 5;
    let head: String = text.chars().take(most - 1 - tail).collect();
    head + "…" + &text.chars().skip(count - tail).collect::<String>()
}

/// The width of text in a monospaced font, in characters: those of Chinese, Japanese and Korean, and emoji, take two.
pub fn columns(text: &str) -> usize {
    let is_wide = |c: char| matches!(u32::from(c), 0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFE30..=0xFE6F | 0xFF00..=0xFF60 | 0x1F000..=0x3FFFD);
    text.chars().map(|c| if is_wide(c) { 2 } else { 1 }).sum()
}

/// Visible text as XML has it, in elements and in attributes.
pub fn xml(text: &str) -> String {
    escaped(&text.split('\n').map(visible).collect::<Vec<_>>().join("\n"))
}

/// Lines of text as a quoted string of DOT: graphviz reads escapes and the entities of HTML in labels.
pub fn dot(lines: &[String]) -> String {
    let escaped = |line: &String| visible(line).replace('\\', "\\\\").replace('"', "\\\"").replace('&', "&amp;");
    format!("\"{}\"", lines.iter().map(escaped).collect::<Vec<_>>().join("\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_hides_or_reorders_is_made_visible() {
        assert_eq!(visible("a\u{202e}b\u{1b}[2J\u{200b}é"), "a\\u{202e}b\\u{1b}[2J\\u{200b}é");
    }

    #[test]
    fn markup_in_names_is_text() {
        assert_eq!(xml("</title><script>'\"&\u{0}"), "&lt;/title&gt;&lt;script&gt;&#39;&quot;&amp;\\u{0}");
        assert_eq!(dot(&["a\"b\\N".into(), "&lt;".into()]), "\"a\\\"b\\\\N\\n&amp;lt;\"");
    }

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(shortened("abcdefghij", 6), "ab…hij");
        assert_eq!((shortened("abcdef", 6).as_str(), columns("a層")), ("abcdef", 3));
    }
}
