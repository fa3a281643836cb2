//! Images as inputs: `@photo.png` and `@photo.jpg`, resized, cropped and normalised as torchvision's classifiers expect it, or as the spec says.

use ontrace::array::map_file;
use ontrace::{Array, DType, Dim, Error, ErrorCode, Result, ResultExt, Scalar, Tensor, Type};
use std::io::Cursor;
use std::path::Path;

/// The most pixels of an image.
const MOST_PIXELS: usize = 100_000_000;

/// Means and standard deviations of ImageNet, of red, green and blue between 0 and 1.
const IMAGENET: ([f64; 3], [f64; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);

const HELP: &str =
    "an image is @photo.png[,resize=256][,crop=224][,mean=0.485/0.456/0.406][,std=0.229/0.224/0.225][,scale=255][,layout=nchw][,color=rgb]";

/// Decoded pixels: rows of red, green and blue.
struct Pixels {
    height: usize,
    width: usize,
    rgb: Vec<u8>,
}

/// Height and width: `224`, `320x240` (height first) or `none`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Size {
    /// The shorter side, or a square.
    One(usize),
    Both(usize, usize),
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Nchw,
    Nhwc,
    Chw,
    Hwc,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Color {
    Rgb,
    Bgr,
    Gray,
}

/// What is done to an image; `None` where the defaults decide.
#[derive(Debug, Default, PartialEq)]
struct Options {
    resize: Option<Size>,
    crop: Option<Size>,
    mean: Option<Vec<f64>>,
    std: Option<Vec<f64>>,
    scale: Option<f64>,
    layout: Option<Layout>,
    color: Option<Color>,
}

/// An image that became an input, and what was done to it.
pub struct Prepared {
    pub array: Array,
    pub note: String,
}

/// Whether a source is an image: its path, without the options behind a comma, ends with .png, .jpg or .jpeg.
pub fn is_image(spec: &str) -> bool {
    let extension = Path::new(split(spec).0).extension().and_then(|extension| extension.to_str()).map(str::to_lowercase);
    matches!(extension.as_deref(), Some("png" | "jpg" | "jpeg"))
}

/// The path and the options. A file may have a comma in its name.
fn split(spec: &str) -> (&str, &str) {
    match spec.find(',') {
        Some(at) if !Path::new(spec).exists() => (&spec[..at], &spec[at + 1..]),
        _ => (spec, ""),
    }
}

/// Reads an image as an input of this type: that of the model, of which symbolic sizes are unknown, or what the user says.
///
/// # Errors
/// [`Argument`](ErrorCode::Argument) for wrong options; where the file is no image, or has too many pixels.
pub fn read(spec: &str, wanted: Option<&Type>, dtype: DType) -> Result<Prepared> {
    let (path, options) = split(spec);
    let options = Options::parse(options).at(spec)?;
    let pixels = decode(Path::new(path)).at(path)?;
    options.apply(&pixels, wanted, dtype).at(path)
}

impl Size {
    fn parse(text: &str) -> Option<Size> {
        let side = |text: &str| text.parse::<usize>().ok().filter(|n| (1..=1 << 14).contains(n));
        match text.split_once('x') {
            _ if text == "none" => Some(Size::None),
            Some((height, width)) => Some(Size::Both(side(height)?, side(width)?)),
            None => side(text).map(Size::One),
        }
    }
}

impl Options {
    fn parse(text: &str) -> Result<Options> {
        let mut options = Options::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let wrong = || Error::argument(format!("`{part}` is no option of an image")).help(HELP);
            let (key, value) = part.split_once('=').ok_or_else(wrong)?;
            let list = || value.split('/').map(|x| x.parse::<f64>().ok().filter(|x| x.is_finite())).collect::<Option<Vec<f64>>>();
            let is_known = match key {
                "resize" => {
                    options.resize = Size::parse(value);
                    options.resize.is_some()
                }
                "crop" => {
                    options.crop = Size::parse(value);
                    options.crop.is_some()
                }
                "mean" => {
                    options.mean = list();
                    options.mean.is_some()
                }
                "std" => {
                    options.std = list().filter(|list| list.iter().all(|x| *x > 0.0));
                    options.std.is_some()
                }
                "scale" => {
                    options.scale = value.parse().ok().filter(|x: &f64| x.is_finite() && *x > 0.0);
                    options.scale.is_some()
                }
                "layout" => {
                    let known = [("nchw", Layout::Nchw), ("nhwc", Layout::Nhwc), ("chw", Layout::Chw), ("hwc", Layout::Hwc)];
                    options.layout = known.iter().find(|row| row.0.eq_ignore_ascii_case(value)).map(|row| row.1);
                    options.layout.is_some()
                }
                "color" | "colour" => {
                    let known = [("rgb", Color::Rgb), ("bgr", Color::Bgr), ("gray", Color::Gray), ("grey", Color::Gray)];
                    options.color = known.iter().find(|row| row.0.eq_ignore_ascii_case(value)).map(|row| row.1);
                    options.color.is_some()
                }
                _ => false,
            };
            if !is_known {
                return Err(wrong());
            }
        }
        Ok(options)
    }

    fn apply(&self, pixels: &Pixels, wanted: Option<&Type>, dtype: DType) -> Result<Prepared> {
        let fixed: Option<Vec<Option<usize>>> =
            wanted.map(|ty| ty.shape.iter().map(|dim| dim.fixed().and_then(|n| usize::try_from(n).ok())).collect());
        let layout = self.layout.unwrap_or_else(|| layout_of(fixed.as_deref()));
        let axes = axes_of(fixed.as_deref(), layout)?;
        let color = self.color.unwrap_or(if axes.channels == Some(1) { Color::Gray } else { Color::Rgb });
        let channels = if color == Color::Gray { 1 } else { 3 };
        if let Some(declared) = axes.channels.filter(|declared| *declared != channels) {
            return Err(Error::input(format!("the model takes {declared} channels, the image has {channels}")).help(HELP));
        }
        let crop = match (self.crop, axes.height, axes.width) {
            (Some(Size::One(n)), ..) => Some((n, n)),
            (Some(Size::Both(height, width)), ..) => Some((height, width)),
            (Some(Size::None), ..) => None,
            (None, height, width) => Some((height.unwrap_or(224), width.unwrap_or(224))),
        };
        let (height, width) = match (self.resize, crop) {
            (Some(Size::None), _) | (None, None) => (pixels.height, pixels.width),
            (Some(Size::Both(height, width)), _) => (height, width),
            (Some(Size::One(shorter)), _) => shorter_side(pixels, shorter),
            // As torchvision: 256 for 224. What is not square is resized to what it is to be.
            (None, Some((height, width))) if height == width => shorter_side(pixels, (height * 8).div_ceil(7)),
            (None, Some(both)) => both,
        };
        let mut image =
            Tensor::from(Array::new(&[pixels.height, pixels.width, 3], pixels.rgb.iter().map(|&x| f32::from(x)).collect::<Vec<f32>>())?);
        image = image.permute(&[2, 0, 1])?;
        if (height, width) != (pixels.height, pixels.width) {
            // PIL, and torchvision on bytes, resample the rows first, and round to bytes after either axis.
            for (height, width) in [(pixels.height, width), (height, width)] {
                let out = [Dim::Fixed(height as i64), Dim::Fixed(width as i64)];
                image = image.upsample_antialiased(&out, false, false, [None, None])?.add(0.5)?.floor()?;
                image = image.clamp(Some(Scalar::Float(0.0)), Some(Scalar::Float(255.0)))?;
            }
        }
        let (rows, columns) = crop.unwrap_or((height, width));
        if rows > height || columns > width {
            return Err(Error::argument(format!("a crop of {rows}x{columns} is larger than the image of {height}x{width}")).help(HELP));
        }
        let start = |whole: usize, part: usize| ((whole - part) as f64 / 2.0).round_ties_even() as i64;
        let (top, left) = (start(height, rows), start(width, columns));
        image = image.slice(1, top..top + rows as i64)?.slice(2, left..left + columns as i64)?;
        let values = Array::to_vec::<f32>(&image.to_array()?)?;
        let (mean, std, scale) = self.normalisation(channels, dtype)?;
        let planes = colored(&values, rows * columns, color);
        let normalised: Vec<f64> =
            planes.iter().enumerate().map(|(i, x)| (x / scale - mean[i / (rows * columns)]) / std[i / (rows * columns)]).collect();
        let array = Array::new(&[channels, rows, columns], normalised)?.cast(dtype)?;
        let array = arranged(array, layout)?;
        let note = format!(
            "{}x{} pixels resized to {height}x{width}, cropped to {rows}x{columns}, divided by {scale}, mean {mean:?}, std {std:?}, {}",
            pixels.height,
            pixels.width,
            format!("{layout:?}").to_lowercase()
        );
        repeated(array, axes.batch, note)
    }

    /// Mean, standard deviation and divisor: ImageNet's for colours as floats, nothing for integers.
    fn normalisation(&self, channels: usize, dtype: DType) -> Result<(Vec<f64>, Vec<f64>, f64)> {
        let is_float = dtype.is_float();
        let imagenet = is_float && channels == 3 && self.scale.is_none_or(|scale| scale == 255.0);
        let of = |given: &Option<Vec<f64>>, default: [f64; 3], neutral: f64| match given {
            Some(list) if list.len() == channels => Ok(list.clone()),
            Some(list) if list.len() == 1 => Ok(vec![list[0]; channels]),
            Some(list) => Err(Error::argument(format!("{} values for {channels} channels", list.len())).help(HELP)),
            None if imagenet => Ok(default.to_vec()),
            None => Ok(vec![neutral; channels]),
        };
        let scale = self.scale.unwrap_or(if is_float { 255.0 } else { 1.0 });
        Ok((of(&self.mean, IMAGENET.0, 0.0)?, of(&self.std, IMAGENET.1, 1.0)?, scale))
    }
}

/// The sizes that the model fixes.
struct Axes {
    batch: Option<usize>,
    channels: Option<usize>,
    height: Option<usize>,
    width: Option<usize>,
}

/// The layout of an input of these sizes: channels are 1 or 3.
fn layout_of(fixed: Option<&[Option<usize>]>) -> Layout {
    let is_channels = |size: Option<&Option<usize>>| matches!(size, Some(Some(1 | 3)));
    match fixed {
        Some(sizes) if sizes.len() == 3 && !is_channels(sizes.first()) && is_channels(sizes.get(2)) => Layout::Hwc,
        Some(sizes) if sizes.len() == 3 => Layout::Chw,
        Some(sizes) if !is_channels(sizes.get(1)) && is_channels(sizes.get(3)) => Layout::Nhwc,
        _ => Layout::Nchw,
    }
}

fn axes_of(fixed: Option<&[Option<usize>]>, layout: Layout) -> Result<Axes> {
    let order: &[usize] = match layout {
        Layout::Nchw => &[1, 2, 3],
        Layout::Nhwc => &[3, 1, 2],
        Layout::Chw => &[0, 1, 2],
        Layout::Hwc => &[2, 0, 1],
    };
    let Some(sizes) = fixed else { return Ok(Axes { batch: None, channels: None, height: None, width: None }) };
    let rank = if matches!(layout, Layout::Nchw | Layout::Nhwc) { 4 } else { 3 };
    if sizes.len() != rank {
        return Err(Error::input(format!("an image has {rank} axes, the input {}", sizes.len())).help(HELP));
    }
    let batch = if rank == 4 { sizes[0] } else { None };
    Ok(Axes { batch, channels: sizes[order[0]], height: sizes[order[1]], width: sizes[order[2]] })
}

/// Height and width with a shorter side of this size, and the longer one in proportion, rounded down as torchvision does it.
fn shorter_side(pixels: &Pixels, shorter: usize) -> (usize, usize) {
    let longer = |long: usize, short: usize| (shorter * long / short.max(1)).max(1);
    match pixels.height <= pixels.width {
        true => (shorter, longer(pixels.width, pixels.height)),
        false => (longer(pixels.height, pixels.width), shorter),
    }
}

/// Planes of red, green and blue in the order of the colours, or their luma (ITU-R 601, as PIL has it).
fn colored(planes: &[f32], count: usize, color: Color) -> Vec<f64> {
    let plane = |i: usize| planes[i * count..(i + 1) * count].iter().map(|&x| f64::from(x));
    match color {
        Color::Rgb => plane(0).chain(plane(1)).chain(plane(2)).collect(),
        Color::Bgr => plane(2).chain(plane(1)).chain(plane(0)).collect(),
        Color::Gray => plane(0).zip(plane(1)).zip(plane(2)).map(|((r, g), b)| (0.299 * r + 0.587 * g + 0.114 * b).round()).collect(),
    }
}

fn arranged(array: Array, layout: Layout) -> Result<Array> {
    let tensor = Tensor::from(array);
    let tensor = match layout {
        Layout::Chw => tensor,
        Layout::Hwc => tensor.permute(&[1, 2, 0])?,
        Layout::Nchw => tensor.unsqueeze(0)?,
        Layout::Nhwc => tensor.permute(&[1, 2, 0])?.unsqueeze(0)?,
    };
    tensor.to_array()?.contiguous()
}

/// The image as often as the model's fixed batch takes it.
fn repeated(array: Array, batch: Option<usize>, note: String) -> Result<Prepared> {
    match batch.filter(|batch| *batch > 1) {
        None => Ok(Prepared { array, note }),
        Some(batch) => {
            let copies: Vec<Tensor> = vec![Tensor::from(array); batch];
            let array = Tensor::cat(&copies.iter().collect::<Vec<_>>(), 0)?.to_array()?;
            Ok(Prepared { array, note: format!("{note}; repeated {batch} times for the model's batch") })
        }
    }
}

fn too_large(width: usize, height: usize) -> Error {
    Error::new(ErrorCode::TooBig, format!("an image of {width}x{height} pixels; at most {MOST_PIXELS} pixels are read"))
}

/// The pixels of a PNG or JPEG file, recognised by its bytes. Transparency is dropped, as PIL drops it.
fn decode(path: &Path) -> Result<Pixels> {
    let bytes = map_file(path)?;
    match &bytes[..] {
        [0x89, b'P', b'N', b'G', ..] => png(&bytes),
        [0xff, 0xd8, ..] => jpeg(&bytes),
        _ => Err(Error::damaged("not a PNG or JPEG image").help("convert it first, for example: magick IN photo.png")),
    }
}

fn png(bytes: &[u8]) -> Result<Pixels> {
    let failed = |error: png::DecodingError| Error::damaged(format!("PNG: {error}")).with_source(error);
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: 1 << 30 });
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let (width, height) = decoder.read_header_info().map_err(failed)?.size();
    let (width, height) = (width as usize, height as usize);
    if width.saturating_mul(height) > MOST_PIXELS {
        return Err(too_large(width, height));
    }
    let mut reader = decoder.read_info().map_err(failed)?;
    let size = reader.output_buffer_size().ok_or_else(|| too_large(width, height))?;
    let mut buffer = vec![0; size];
    let frame = reader.next_frame(&mut buffer).map_err(failed)?;
    let count = width * height;
    let samples = frame.color_type.samples();
    let used = buffer.get(..count * samples).ok_or_else(|| Error::damaged("PNG: too few pixels"))?;
    let rgb = match samples {
        3 => used.to_vec(),
        4 => used.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect(),
        n => used.chunks_exact(n).flat_map(|pixel| [pixel[0]; 3]).collect(),
    };
    Ok(Pixels { height, width, rgb })
}

fn jpeg(bytes: &[u8]) -> Result<Pixels> {
    use zune_jpeg::zune_core::{colorspace::ColorSpace, options::DecoderOptions};
    let failed = |error: zune_jpeg::errors::DecodeErrors| Error::damaged(format!("JPEG: {error}"));
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(Cursor::new(bytes), options);
    decoder.decode_headers().map_err(failed)?;
    let info = decoder.info().ok_or_else(|| Error::damaged("JPEG: no frame"))?;
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    if width.saturating_mul(height) > MOST_PIXELS {
        return Err(too_large(width, height));
    }
    let rgb = decoder.decode().map_err(failed)?;
    if rgb.len() != width * height * 3 || rgb.is_empty() {
        return Err(Error::damaged(format!("JPEG: {} bytes for {width}x{height} pixels", rgb.len())));
    }
    Ok(Pixels { height, width, rgb })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_wrong_ones_are_refused() {
        let options = Options::parse("resize=256,crop=224x200,mean=0.5,std=0.5/0.4/0.3,layout=NHWC,color=bgr,scale=1").unwrap();
        assert_eq!((options.resize, options.crop), (Some(Size::One(256)), Some(Size::Both(224, 200))));
        assert_eq!((options.layout, options.color, options.scale), (Some(Layout::Nhwc), Some(Color::Bgr), Some(1.0)));
        for wrong in ["size=3", "resize=0", "resize=-1", "crop=2y3", "mean=a", "std=0", "scale=nan", "layout=ncwh", "color=red", "resize"] {
            let error = Options::parse(wrong).unwrap_err();
            assert!(error.message().contains(wrong) && error.help_line().is_some(), "{wrong}");
        }
        assert!(is_image("a.PNG") && is_image("a.jpeg,crop=3") && !is_image("a.npy") && !is_image("crop.npz"));
    }

    #[test]
    fn the_shorter_side_decides() {
        let of = |height, width| shorter_side(&Pixels { height, width, rgb: vec![] }, 256);
        assert_eq!([of(480, 640), of(640, 480), of(256, 256), of(333, 500)], [(256, 341), (341, 256), (256, 256), (256, 384)]);
    }
}
