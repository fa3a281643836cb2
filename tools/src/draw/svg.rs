//! Diagrams as SVG: one file without scripts or references.

use super::color::Colors;
use super::diagram::{Diagram, Face, Kind};
use super::layout::{Boxes, Layout, Point, layout};
use super::text::{columns, shortened, xml};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Pixels of a character in the header and in a row, of a row, and of what is above the rows.
const HEADER_COLUMN: f64 = 7.9;
const ROW_COLUMN: f64 = 6.7;
const ROW: f64 = 15.0;
const HEADER: f64 = 24.0;
/// Left and right of the text of a box.
const PADDING: f64 = 10.0;
/// Above the picture, for the legend.
const LEGEND: f64 = 34.0;

const STYLE: &str = "\
text{font-family:'DejaVu Sans Mono',Menlo,Consolas,monospace;font-size:11px;fill:#2b323b}\
.header{font-family:'DejaVu Sans',Verdana,Arial,sans-serif;font-size:12px;font-weight:bold;fill:#fff}\
.name{fill:#6a7480}\
.box{fill:#fff;stroke:#aab2bc}\
.line{fill:none;stroke:#8d97a3;stroke-width:1.3}\
.found{stroke:#d81b60;stroke-width:4}";

/// The width and height of a box with this text.
pub fn size(face: &Face) -> (f64, f64) {
    let rows = face.rows.iter().map(|row| columns(row) as f64 * ROW_COLUMN).fold(0.0, f64::max);
    let width = (columns(&face.header) as f64 * HEADER_COLUMN).max(rows) + 2.0 * PADDING;
    let rows = face.rows.len() as f64;
    (width.max(64.0).ceil(), HEADER + rows * ROW + if rows > 0.0 { 5.0 } else { 0.0 })
}

/// The boxes of a diagram, for a layout.
pub fn boxes(diagram: &Diagram, faces: &[Face]) -> Boxes {
    let edges: BTreeSet<(usize, usize)> = diagram.edges.iter().map(|edge| (edge.from, edge.to)).collect();
    Boxes { sizes: faces.iter().map(size).collect(), edges: edges.into_iter().collect() }
}

/// The path of a line as SVG has it: curves between layers, straight where they go through one.
fn path(points: &[Point]) -> String {
    let part = |(at, &(x, y)): (usize, &Point)| match at.checked_sub(1).map(|before| points[before]) {
        None => format!("M{x:.1} {y:.1}"),
        Some((x0, _)) if (x0 - x).abs() < 0.05 => format!("V{y:.1}"),
        Some((x0, y0)) => {
            let middle = (y0 + y) / 2.0;
            format!("C{x0:.1} {middle:.1} {x:.1} {middle:.1} {x:.1} {y:.1}")
        }
    };
    points.iter().enumerate().map(part).collect()
}

/// A diagram as SVG; the blocks with these indices stand out.
pub fn svg(title: &str, diagram: &Diagram, colors: &Colors, highlighted: &BTreeSet<usize>) -> String {
    let faces: Vec<Face> = diagram.blocks.iter().map(super::diagram::Block::face).collect();
    let boxes = boxes(diagram, &faces);
    let layout = layout(&boxes);
    let legend = colors.legend(diagram.blocks.iter());
    let (width, height) = (layout.size.0.max(legend_width(&legend)), layout.size.1 + LEGEND);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n\
         <defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
         <path d=\"M0 0L8 4L0 8z\" fill=\"#8d97a3\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#f7f8fa\"/>\n",
        xml(title)
    );
    out.push_str(&legend_svg(&legend));
    let _ = writeln!(out, "<g transform=\"translate({:.1} {LEGEND})\">", (width - layout.size.0) / 2.0);
    let mut values: BTreeMap<(usize, usize), Vec<String>> = BTreeMap::new();
    for edge in &diagram.edges {
        values.entry((edge.from, edge.to)).or_default().push(format!("{} {}", edge.value, edge.ty).trim_end().to_string());
    }
    for (points, (_, values)) in layout.lines.iter().zip(&values) {
        let _ = writeln!(
            out,
            "<path class=\"line\" marker-end=\"url(#arrow)\" d=\"{}\"><title>{}</title></path>",
            path(points),
            xml(&values.join("\n"))
        );
    }
    for (i, face) in faces.iter().enumerate() {
        out.push_str(&block(diagram, i, face, &layout, boxes.sizes[i], &colors.of(&diagram.blocks[i]), highlighted.contains(&i)));
    }
    out.push_str("</g>\n</svg>\n");
    out
}

/// A box with its text.
fn block(diagram: &Diagram, i: usize, face: &Face, layout: &Layout, size: (f64, f64), color: &str, is_found: bool) -> String {
    let ((width, height), (x, y)) = (size, layout.centers[i]);
    let block = &diagram.blocks[i];
    let kind = match block.kind {
        Kind::Input => "input",
        Kind::Output => "output",
        Kind::Operator => "node",
        Kind::Scope => "scope",
    };
    let mut out = format!("<g id=\"n{i}\" class=\"{kind}\" transform=\"translate({:.1} {:.1})\">", x - width / 2.0, y - height / 2.0);
    let _ = write!(out, "<title>{}</title>", xml(&shortened(&block.description(), 4000)));
    let radius = if matches!(block.kind, Kind::Input | Kind::Output) { 12 } else { 4 };
    if block.kind == Kind::Scope {
        // Like a stack of paper: there is more behind it.
        let _ = write!(out, "<rect class=\"box\" x=\"4\" y=\"4\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"4\"/>");
    }
    let found = if is_found { " found" } else { "" };
    let _ = write!(out, "<rect class=\"box{found}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{radius}\"/>");
    let shape = if face.rows.is_empty() {
        format!("<rect width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{radius}\" fill=\"{color}\"/>")
    } else {
        format!(
            "<path d=\"M0 {HEADER}V{radius}A{radius} {radius} 0 0 1 {radius} 0H{:.1}A{radius} {radius} 0 0 1 {width:.1} {radius}V{HEADER}z\" fill=\"{color}\"/>",
            width - f64::from(radius)
        )
    };
    let _ = write!(
        out,
        "{shape}<text class=\"header\" x=\"{:.1}\" y=\"16.5\" text-anchor=\"middle\">{}</text>",
        width / 2.0,
        xml(&face.header)
    );
    for (at, row) in face.rows.iter().enumerate() {
        let class = if at == 0 && block.has_own_name() { " class=\"name\"" } else { "" };
        let y = HEADER + ROW * (at as f64 + 0.85);
        let _ = write!(out, "<text{class} x=\"{:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{}</text>", width / 2.0, xml(row));
    }
    out.push_str("</g>\n");
    out
}

fn legend_width(legend: &[(String, String)]) -> f64 {
    legend.iter().map(|(text, _)| columns(text) as f64 * ROW_COLUMN + 34.0).sum::<f64>() + 16.0
}

fn legend_svg(legend: &[(String, String)]) -> String {
    let (mut out, mut x) = (String::new(), 16.0);
    for (text, color) in legend {
        let _ = writeln!(
            out,
            "<rect x=\"{x:.1}\" y=\"10\" width=\"12\" height=\"12\" rx=\"2\" fill=\"{color}\"/><text x=\"{:.1}\" y=\"20\">{}</text>",
            x + 18.0,
            xml(text)
        );
        x += columns(text) as f64 * ROW_COLUMN + 34.0;
    }
    out
}
