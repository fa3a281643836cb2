//! Diagrams as PNG, with fonts of our own: the same bytes on every machine, whatever fonts it has.

use super::diagram::Kind;
use super::scene::{HEADER, HEADER_BASELINE, LEGEND_BASELINE, Line, SWATCH, Scene, Segment, TextBox};
use super::text::columns;
use ::png::{BitDepth, ColorType, Compression, Encoder, EncodingError};
use ontrace::{Error, Result};
use ttf_parser::{Face as Font, OutlineBuilder};
use zeno::{Command, Fill, Mask, PathBuilder, Placement, Stroke, Style, Vector};

/// Pixels of the picture for one of the scene where the picture has room for it.
const SCALE: f64 = 2.0;
/// The longest side of a picture, and its most pixels: what viewers open, and 192 MB.
const MOST_SIDE: f64 = 16_384.0;
const MOST_PIXELS: f64 = (64 << 20) as f64;

const BACKGROUND: [u8; 3] = [0xf7, 0xf8, 0xfa];
const WHITE: [u8; 3] = [0xff; 3];
const LINE: [u8; 3] = [0x8d, 0x97, 0xa3];
const OUTLINE: [u8; 3] = [0xaa, 0xb2, 0xbc];
const HIGHLIGHT: [u8; 3] = [0xd8, 0x1b, 0x60];
const TEXT: [u8; 3] = [0x2b, 0x32, 0x3b];
const NAME: [u8; 3] = [0x6a, 0x74, 0x80];

/// A scene as PNG, and its pixels for one of the scene, less than 1 where the whole would be too large.
///
/// # Errors
///
/// [`Error::internal`] where a font cannot be read or the pixels cannot be encoded.
pub fn png(scene: &Scene) -> Result<(Vec<u8>, f64)> {
    let (width, height) = scene.size;
    let scale = scale(scene.size);
    let mut canvas = Canvas::new((width * scale).ceil() as usize, (height * scale).ceil() as usize, scale);
    let fonts = Fonts::new()?;
    let (top, side) = SWATCH;
    for entry in &scene.legend {
        canvas.fill(&rounded((entry.x, top), (side, side), 2.0), color(&entry.color));
        canvas.text(&fonts.rows, &entry.text, (entry.x + 18.0, LEGEND_BASELINE), TEXT);
    }
    canvas.origin = scene.origin;
    for line in &scene.lines {
        canvas.stroke(&path(line), 1.3, LINE);
        if let Some(end) = line.end() {
            canvas.fill(&arrow(end), LINE);
        }
    }
    for text_box in &scene.boxes {
        canvas.text_box(&fonts, text_box);
    }
    Ok((canvas.encoded()?, scale))
}

/// Pixels of the picture for one of a scene of this size.
fn scale((width, height): (f64, f64)) -> f64 {
    SCALE.min(MOST_SIDE / width.max(height)).min((MOST_PIXELS / (width * height)).sqrt())
}

type Path = Vec<Command>;

fn point((x, y): (f64, f64)) -> Vector {
    Vector::new(x as f32, y as f32)
}

fn rounded(corner: (f64, f64), (width, height): (f64, f64), radius: f64) -> Path {
    let mut path = Path::new();
    let radius = radius.min(height / 2.0) as f32;
    path.add_round_rect(point(corner), width as f32, height as f32, radius, radius);
    path
}

fn path(line: &Line) -> Path {
    let mut path = Path::new();
    for segment in line.segments() {
        match segment {
            Segment::Start(start) => path.move_to(point(start)),
            Segment::Down(y) => path.line_to(Vector::new(path.current_point().x, y as f32)),
            Segment::Curve(first, second, end) => path.curve_to(point(first), point(second), point(end)),
        };
    }
    path
}

/// A triangle whose tip is at the end of a line, which comes from above.
fn arrow((x, y): (f64, f64)) -> Path {
    let mut path = Path::new();
    path.move_to(point((x, y + 1.1))).line_to(point((x - 4.5, y - 8.0))).line_to(point((x + 4.5, y - 8.0))).close();
    path
}

/// A colour as `#rrggbb`.
fn color(text: &str) -> [u8; 3] {
    let rgb = u32::from_str_radix(text.trim_start_matches('#'), 16).unwrap_or(0);
    [16, 8, 0].map(|shift| (rgb >> shift) as u8)
}

/// A font at a size in pixels of the scene.
struct SizedFont {
    font: Font<'static>,
    size: f64,
}

struct Fonts {
    header: SizedFont,
    rows: SizedFont,
}

impl Fonts {
    fn new() -> Result<Fonts> {
        let font = |bytes, size| {
            let font = Font::parse(bytes, 0).map_err(|error| Error::internal(format!("font: {error}")))?;
            Ok(SizedFont { font, size })
        };
        Ok(Fonts {
            header: font(include_bytes!("fonts/DejaVuSans-Bold.ttf").as_slice(), 12.0)?,
            rows: font(include_bytes!("fonts/DejaVuSansMono.ttf").as_slice(), 11.0)?,
        })
    }
}

impl SizedFont {
    /// The outlines of a line of text that begins here, and its width. A character that the font has not is a box.
    fn outline(&self, text: &str, start: (f64, f64)) -> (Path, f64) {
        let scale = self.size / f64::from(self.font.units_per_em());
        let mut outline = Outline { path: Path::new(), scale: scale as f32, origin: point(start) };
        let mut x = start.0;
        for character in text.chars() {
            let glyph = self.font.glyph_index(character).unwrap_or_default();
            outline.origin.x = x as f32;
            self.font.outline_glyph(glyph, &mut outline);
            let advance = f64::from(self.font.glyph_hor_advance(glyph).unwrap_or(0)) * scale;
            x += if glyph.0 == 0 { advance * columns(character.encode_utf8(&mut [0; 4])) as f64 } else { advance };
        }
        (outline.path, x - start.0)
    }
}

/// The outlines of glyphs, whose y grows upwards, as a path of the scene.
struct Outline {
    path: Path,
    scale: f32,
    origin: Vector,
}

impl Outline {
    fn at(&self, x: f32, y: f32) -> Vector {
        Vector::new(self.origin.x + x * self.scale, self.origin.y - y * self.scale)
    }
}

impl OutlineBuilder for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        let to = self.at(x, y);
        self.path.move_to(to);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let to = self.at(x, y);
        self.path.line_to(to);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let (control, to) = (self.at(x1, y1), self.at(x, y));
        self.path.quad_to(control, to);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let (first, second, to) = (self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        self.path.curve_to(first, second, to);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

/// Opaque pixels.
struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
    /// Pixels for one of the scene.
    scale: f64,
    /// What is added to positions of the scene.
    origin: (f64, f64),
}

impl Canvas {
    fn new(width: usize, height: usize, scale: f64) -> Canvas {
        Canvas { width, height, pixels: BACKGROUND.repeat(width * height), scale, origin: (0.0, 0.0) }
    }

    fn fill(&mut self, path: &Path, color: [u8; 3]) {
        self.draw(path, Fill::NonZero.into(), color);
    }

    fn stroke(&mut self, path: &Path, width: f64, color: [u8; 3]) {
        self.draw(path, Stroke::new((width * self.scale) as f32).into(), color);
    }

    /// Text that begins at this position of its baseline.
    fn text(&mut self, font: &SizedFont, text: &str, start: (f64, f64), color: [u8; 3]) {
        let (path, _) = font.outline(text, start);
        self.fill(&path, color);
    }

    /// Text whose middle is at this position of its baseline.
    fn centered(&mut self, font: &SizedFont, text: &str, (x, y): (f64, f64), color: [u8; 3]) {
        let (_, width) = font.outline(text, (0.0, 0.0));
        self.text(font, text, (x - width / 2.0, y), color);
    }

    fn text_box(&mut self, fonts: &Fonts, text_box: &TextBox) {
        let (corner @ (x, y), (width, height), radius) = (text_box.corner, text_box.size, text_box.radius);
        if text_box.block.kind == Kind::Scope {
            self.outlined(&rounded((x + 4.0, y + 4.0), (width, height), 4.0), 1.0, OUTLINE);
        }
        let box_path = rounded(corner, (width, height), radius);
        let (stroke, outline) = if text_box.is_highlighted { (4.0, HIGHLIGHT) } else { (1.0, OUTLINE) };
        self.outlined(&box_path, stroke, outline);
        let header = if text_box.face.rows.is_empty() { box_path } else { header(corner, width, radius) };
        self.fill(&header, color(&text_box.color));
        let middle = x + width / 2.0;
        self.centered(&fonts.header, &text_box.face.header, (middle, y + HEADER_BASELINE), WHITE);
        for (row, below, is_name) in text_box.rows() {
            self.centered(&fonts.rows, row, (middle, y + below), if is_name { NAME } else { TEXT });
        }
    }

    fn outlined(&mut self, path: &Path, width: f64, color: [u8; 3]) {
        self.fill(path, WHITE);
        self.stroke(path, width, color);
    }

    /// Blends a colour over the pixels that a path in the scene covers.
    fn draw(&mut self, path: &Path, style: Style, color: [u8; 3]) {
        let (scale, (x, y)) = (self.scale as f32, self.origin);
        let to_pixels = |at: &Vector| Vector::new((at.x + x as f32) * scale, (at.y + y as f32) * scale);
        let path: Path = path
            .iter()
            .map(|command| match command {
                Command::MoveTo(at) => Command::MoveTo(to_pixels(at)),
                Command::LineTo(at) => Command::LineTo(to_pixels(at)),
                Command::QuadTo(a, at) => Command::QuadTo(to_pixels(a), to_pixels(at)),
                Command::CurveTo(a, b, at) => Command::CurveTo(to_pixels(a), to_pixels(b), to_pixels(at)),
                Command::Close => Command::Close,
            })
            .collect();
        let (coverage, Placement { left, top, width, .. }) = Mask::new(&path).style(style).render();
        for (row, coverage) in coverage.chunks_exact((width as usize).max(1)).enumerate() {
            let Some(y) = usize::try_from(i64::from(top) + row as i64).ok().filter(|&y| y < self.height) else { continue };
            for (column, &share) in coverage.iter().enumerate().filter(|covered| *covered.1 > 0) {
                let Some(x) = usize::try_from(i64::from(left) + column as i64).ok().filter(|&x| x < self.width) else { continue };
                let at = 3 * (y * self.width + x);
                for (below, above) in self.pixels[at..at + 3].iter_mut().zip(color) {
                    let (below_share, share) = (255 - u32::from(share), u32::from(share));
                    *below = ((u32::from(*below) * below_share + u32::from(above) * share + 127) / 255) as u8;
                }
            }
        }
    }

    fn encoded(&self) -> Result<Vec<u8>> {
        let failed = |error: EncodingError| Error::internal(format!("PNG: {error}")).with_source(error);
        let mut out = Vec::new();
        let mut encoder = Encoder::new(&mut out, self.width as u32, self.height as u32);
        encoder.set_color(ColorType::Rgb);
        encoder.set_depth(BitDepth::Eight);
        encoder.set_compression(Compression::Balanced);
        let mut writer = encoder.write_header().map_err(failed)?;
        writer.write_image_data(&self.pixels).map_err(failed)?;
        writer.finish().map_err(failed)?;
        Ok(out)
    }
}

/// The header of a box with rows below it: round above.
fn header((x, y): (f64, f64), width: f64, radius: f64) -> Path {
    // The distance of control points at which a cubic curve is a quarter of a circle.
    let control = radius * (1.0 - 0.5523);
    let mut path = Path::new();
    path.move_to(point((x, y + HEADER)))
        .line_to(point((x, y + radius)))
        .curve_to(point((x, y + control)), point((x + control, y)), point((x + radius, y)))
        .line_to(point((x + width - radius, y)))
        .curve_to(point((x + width - control, y)), point((x + width, y + control)), point((x + width, y + radius)))
        .line_to(point((x + width, y + HEADER)))
        .close();
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_have_two_pixels_for_one_until_no_viewer_would_open_them() {
        assert_eq!(scale((600.0, 800.0)), 2.0);
        assert_eq!(scale((600.0, 65_536.0)), 0.25);
        assert_eq!(scale((65_536.0, 1024.0)), 0.25);
        let square = scale((10_000.0, 10_000.0));
        assert!((square - 0.8192).abs() < 1e-9, "{square}");
    }

    #[test]
    fn text_is_as_wide_as_the_font_says() {
        let fonts = Fonts::new().unwrap();
        // DejaVu Sans Mono: 1233 of 2048 units for every character; a character that it has not, and that takes two columns, takes two.
        for (text, columns) in [("f32[1, 3]", 9.0), ("→ é", 3.0), ("層", 2.0), ("", 0.0)] {
            let (_, width) = fonts.rows.outline(text, (0.0, 0.0));
            assert!((width - columns * 11.0 * 1233.0 / 2048.0).abs() < 1e-9, "{text}: {width}");
        }
    }

    #[test]
    fn what_lies_outside_of_the_picture_is_left_out() {
        let mut canvas = Canvas::new(4, 2, 1.0);
        canvas.fill(&rounded((-10.0, -10.0), (12.0, 11.0), 0.0), [0; 3]);
        let rows: Vec<&[u8]> = canvas.pixels.chunks(12).collect();
        let (dark, light) = ([0; 3], BACKGROUND);
        assert_eq!(rows, [[dark, dark, light, light].concat(), [light; 4].concat()]);
    }
}
