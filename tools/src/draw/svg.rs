//! Diagrams as SVG: one file without scripts or references.

use super::diagram::Kind;
use super::scene::{HEADER, HEADER_BASELINE, LEGEND_BASELINE, Line, SWATCH, Scene, Segment, TextBox};
use super::text::{shortened, xml};
use std::fmt::Write;

const STYLE: &str = "\
text{font-family:'DejaVu Sans Mono',Menlo,Consolas,monospace;font-size:11px;fill:#2b323b}\
.header{font-family:'DejaVu Sans',Verdana,Arial,sans-serif;font-size:12px;font-weight:bold;fill:#fff}\
.name{fill:#6a7480}\
.box{fill:#fff;stroke:#aab2bc}\
.line{fill:none;stroke:#8d97a3;stroke-width:1.3}\
.found{stroke:#d81b60;stroke-width:4}";

/// A scene as SVG.
pub fn svg(title: &str, scene: &Scene) -> String {
    let (width, height) = scene.size;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n\
         <defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
         <path d=\"M0 0L8 4L0 8z\" fill=\"#8d97a3\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#f7f8fa\"/>\n",
        xml(title)
    );
    let (top, side) = SWATCH;
    for entry in &scene.legend {
        let _ = writeln!(
            out,
            "<rect x=\"{:.1}\" y=\"{top}\" width=\"{side}\" height=\"{side}\" rx=\"2\" fill=\"{}\"/><text x=\"{:.1}\" y=\"{LEGEND_BASELINE}\">{}</text>",
            entry.x,
            entry.color,
            entry.x + 18.0,
            xml(&entry.text)
        );
    }
    let _ = writeln!(out, "<g transform=\"translate({:.1} {})\">", scene.origin.0, scene.origin.1);
    for line in &scene.lines {
        let _ = writeln!(
            out,
            "<path class=\"line\" marker-end=\"url(#arrow)\" d=\"{}\"><title>{}</title></path>",
            path(line),
            xml(&line.values.join("\n"))
        );
    }
    for (i, text_box) in scene.boxes.iter().enumerate() {
        out.push_str(&group(i, text_box));
    }
    out.push_str("</g>\n</svg>\n");
    out
}

/// A line as the data of a path.
fn path(line: &Line) -> String {
    let segment = |segment| match segment {
        Segment::Start((x, y)) => format!("M{x:.1} {y:.1}"),
        Segment::Down(y) => format!("V{y:.1}"),
        Segment::Curve((x1, y1), (x2, y2), (x, y)) => format!("C{x1:.1} {y1:.1} {x2:.1} {y2:.1} {x:.1} {y:.1}"),
    };
    line.segments().map(segment).collect()
}

/// A box with its text.
fn group(i: usize, text_box: &TextBox) -> String {
    let TextBox { block, face, corner: (x, y), size: (width, height), radius, color, .. } = text_box;
    let kind = match block.kind {
        Kind::Input => "input",
        Kind::Output => "output",
        Kind::Operator => "node",
        Kind::Scope => "scope",
    };
    let mut out = format!("<g id=\"n{i}\" class=\"{kind}\" transform=\"translate({x:.1} {y:.1})\">");
    let _ = write!(out, "<title>{}</title>", xml(&shortened(&block.description(), 4000)));
    if block.kind == Kind::Scope {
        // Like a stack of paper: there is more behind it.
        let _ = write!(out, "<rect class=\"box\" x=\"4\" y=\"4\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"4\"/>");
    }
    let found = if text_box.is_highlighted { " found" } else { "" };
    let _ = write!(out, "<rect class=\"box{found}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{radius}\"/>");
    let shape = if face.rows.is_empty() {
        format!("<rect width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{radius}\" fill=\"{color}\"/>")
    } else {
        format!(
            "<path d=\"M0 {HEADER}V{radius}A{radius} {radius} 0 0 1 {radius} 0H{:.1}A{radius} {radius} 0 0 1 {width:.1} {radius}V{HEADER}z\" fill=\"{color}\"/>",
            width - radius
        )
    };
    let middle = width / 2.0;
    let _ = write!(
        out,
        "{shape}<text class=\"header\" x=\"{middle:.1}\" y=\"{HEADER_BASELINE}\" text-anchor=\"middle\">{}</text>",
        xml(&face.header)
    );
    for (row, y, is_name) in text_box.rows() {
        let class = if is_name { " class=\"name\"" } else { "" };
        let _ = write!(out, "<text{class} x=\"{middle:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{}</text>", xml(row));
    }
    out.push_str("</g>\n");
    out
}
