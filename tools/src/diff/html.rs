//! Two graphs side by side as one HTML file that needs nothing from elsewhere and runs no script.

use super::differences::{Differences, MergedRow, NodeLabel};
use super::{change_line, node_line, summary, weight_line};
use crate::console::printable;
use crate::markup::escaped;

const STYLE: &str = "\
body{font:14px/1.45 system-ui,sans-serif;margin:2em;color:#222;background:#fff}
h1{font-size:1.3em}h2{font-size:1.1em;margin-top:1.6em}
code,td,li{font-family:ui-monospace,monospace;font-size:12.5px;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%;table-layout:fixed}
td,th{padding:2px 8px;text-align:left;vertical-align:top;border-bottom:1px solid #eee;width:50%}
.first td:first-child{background:#ffebe9}.second td:last-child{background:#dafbe1}
.changed td{background:#fff8c5}.types{color:#777}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}td,th{border-color:#333}
.first td:first-child{background:#4b1d1d}.second td:last-child{background:#17381f}.changed td{background:#443a10}}";

/// Text from a file as HTML.
fn html(text: &str) -> String {
    escaped(&printable(text))
}

fn list(title: &str, lines: impl Iterator<Item = String>) -> String {
    let items: String = lines.map(|line| format!("<li>{}</li>\n", html(&line))).collect();
    if items.is_empty() { String::new() } else { format!("<h2>{}</h2>\n<ul>\n{items}</ul>\n", html(title)) }
}

fn cell(node: Option<&NodeLabel>) -> String {
    let Some(node) = node else { return "<td></td>".to_string() };
    let NodeLabel { operation, name, types, .. } = node;
    format!("<td><b>{}</b> {} <span class=\"types\">{}</span></td>", html(operation), html(name), html(types))
}

fn row(row: &MergedRow) -> String {
    let class = match (&row.first, &row.second, row.is_same) {
        (Some(_), None, _) => "first",
        (None, _, _) => "second",
        (_, _, true) => "same",
        _ => "changed",
    };
    format!("<tr class=\"{class}\">{}{}</tr>\n", cell(row.first.as_ref()), cell(row.second.as_ref()))
}

/// The document.
pub fn document((first, second): (&str, &str), found: &Differences) -> String {
    let verdict = if found.is_empty() { "the same, up to names and order".to_string() } else { summary(found) };
    let rows: String = found.rows.iter().map(row).collect();
    let (first_title, second_title) = (html(first), html(second));
    let lists = [
        list("Inputs and outputs", found.signature.iter().cloned()),
        list("Changed", found.changed.iter().map(change_line)),
        list(&format!("Only in {first}"), found.only_first.iter().map(node_line)),
        list(&format!("Only in {second}"), found.only_second.iter().map(node_line)),
        list("Weights", found.weights.iter().map(weight_line)),
    ]
    .concat();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{first_title} and {second_title}</title>\n<style>\n{STYLE}\n</style></head><body>\n\
         <h1>{first_title} and {second_title}</h1>\n<p>{}</p>\n{lists}\
         <h2>Both graphs</h2>\n<table>\n<tr><th>{first_title}</th><th>{second_title}</th></tr>\n{rows}</table>\n</body></html>\n",
        html(&verdict)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_like_markup_are_text() {
        let hostile = "<img src=x onerror=alert(1)>\"'&\u{1b}[2J";
        let node = NodeLabel { op: hostile.into(), name: hostile.into(), operation: hostile.into(), types: hostile.into() };
        let row = MergedRow { first: Some(node.clone()), second: None, is_same: false };
        let found = Differences { only_first: vec![node], signature: vec![hostile.into()], rows: vec![row], ..Differences::default() };
        let document = document((hostile, "b.onnx"), &found);
        assert!(!document.contains("<img") && !document.contains('\u{1b}') && document.contains("&lt;img src=x"), "{document}");
    }
}
