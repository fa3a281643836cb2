//! Where a picture has what: measures of text and boxes, their positions, and lines as curves. SVG and PNG pictures are the same scene.

use super::color::Colors;
use super::diagram::{Block, Diagram, Face, Kind};
use super::layout::{Boxes, Layout, Point, layout};
use super::text::columns;
use std::collections::{BTreeMap, BTreeSet};

/// Pixels of a character in the header and in a row, of a row, and of what is above the rows.
const HEADER_COLUMN: f64 = 7.9;
const ROW_COLUMN: f64 = 6.7;
pub const ROW: f64 = 15.0;
pub const HEADER: f64 = 24.0;
/// Where the header's text stands.
pub const HEADER_BASELINE: f64 = 16.5;
/// Left and right of the text of a box.
const PADDING: f64 = 10.0;
/// Above the diagram, for the legend: its height, the square of a colour, and where its text stands.
pub const LEGEND: f64 = 34.0;
pub const SWATCH: (f64, f64) = (10.0, 12.0);
pub const LEGEND_BASELINE: f64 = 20.0;

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

/// A diagram with everything in its position.
pub struct Scene<'a> {
    /// The width and height of the picture.
    pub size: (f64, f64),
    /// What the colours mean, in one row from left to right.
    pub legend: Vec<LegendEntry>,
    /// Where the diagram begins; the positions of lines and boxes count from it.
    pub origin: Point,
    /// The lines, below the boxes.
    pub lines: Vec<Line>,
    /// The boxes, in the order of the diagram's blocks.
    pub boxes: Vec<TextBox<'a>>,
}

/// A colour of the legend.
pub struct LegendEntry {
    /// Its left edge.
    pub x: f64,
    pub text: String,
    pub color: String,
}

/// A line from box to box, with an arrow at its end.
pub struct Line {
    points: Vec<Point>,
    /// The values that it carries.
    pub values: Vec<String>,
}

/// A part of a line.
pub enum Segment {
    /// Where it begins.
    Start(Point),
    /// Straight down to this height.
    Down(f64),
    /// A cubic curve: both control points and the end.
    Curve(Point, Point, Point),
}

/// A box with its text.
pub struct TextBox<'a> {
    pub block: &'a Block,
    pub face: Face,
    /// The upper left corner.
    pub corner: Point,
    pub size: (f64, f64),
    /// The radius of the corners.
    pub radius: f64,
    /// The colour of the header.
    pub color: String,
    /// Whether it stands out.
    pub is_highlighted: bool,
}

impl Scene<'_> {
    /// The scene of a diagram; the blocks with these indices stand out.
    pub fn of<'a>(diagram: &'a Diagram, colors: &Colors, highlighted: &BTreeSet<usize>) -> Scene<'a> {
        let faces: Vec<Face> = diagram.blocks.iter().map(Block::face).collect();
        let boxes = boxes(diagram, &faces);
        let Layout { centers, lines, size } = layout(&boxes);
        let (legend, legend_width) = legend(colors.legend(diagram.blocks.iter()));
        let width = size.0.max(legend_width);
        let mut values: BTreeMap<(usize, usize), Vec<String>> = BTreeMap::new();
        for edge in &diagram.edges {
            values.entry((edge.from, edge.to)).or_default().push(format!("{} {}", edge.value, edge.ty).trim_end().to_string());
        }
        let text_box = |(i, face): (usize, Face)| {
            let (block, (width, height), (x, y)) = (&diagram.blocks[i], boxes.sizes[i], centers[i]);
            TextBox {
                block,
                face,
                corner: (x - width / 2.0, y - height / 2.0),
                size: (width, height),
                radius: if matches!(block.kind, Kind::Input | Kind::Output) { 12.0 } else { 4.0 },
                color: colors.of(block),
                is_highlighted: highlighted.contains(&i),
            }
        };
        Scene {
            size: (width, size.1 + LEGEND),
            legend,
            origin: ((width - size.0) / 2.0, LEGEND),
            lines: lines.into_iter().zip(values.into_values()).map(|(points, values)| Line { points, values }).collect(),
            boxes: faces.into_iter().enumerate().map(text_box).collect(),
        }
    }
}

impl Line {
    /// Its parts: curves between layers, straight where it goes through one.
    pub fn segments(&self) -> impl Iterator<Item = Segment> + '_ {
        self.points.iter().enumerate().map(|(at, &(x, y))| match at.checked_sub(1).map(|before| self.points[before]) {
            None => Segment::Start((x, y)),
            Some((x0, _)) if (x0 - x).abs() < 0.05 => Segment::Down(y),
            Some((x0, y0)) => {
                let middle = (y0 + y) / 2.0;
                Segment::Curve((x0, middle), (x, middle), (x, y))
            }
        })
    }

    /// Where the arrow points to.
    pub fn end(&self) -> Option<Point> {
        self.points.last().copied()
    }
}

impl TextBox<'_> {
    /// The rows, where each stands, and whether it is the name of the block.
    pub fn rows<'a>(&'a self) -> impl Iterator<Item = (&'a str, f64, bool)> {
        let row = |(at, row): (usize, &'a String)| (row.as_str(), HEADER + ROW * (at as f64 + 0.85), at == 0 && self.block.has_own_name());
        self.face.rows.iter().enumerate().map(row)
    }
}

/// The entries of the legend from left to right, and the width of the row.
fn legend(entries: Vec<(String, String)>) -> (Vec<LegendEntry>, f64) {
    let (mut out, mut x) = (Vec::new(), 16.0);
    for (text, color) in entries {
        let width = columns(&text) as f64 * ROW_COLUMN + 34.0;
        out.push(LegendEntry { x, text, color });
        x += width;
    }
    (out, x)
}
