//! Parses `-i [NAME:]SHAPE[:DTYPE][=SOURCE]`, in the spellings of polygraphy, onnxsim, trtexec, tract and pnnx too.

use crate::suggestion::did_you_mean;
use ontrace::array::Random;
use ontrace::{Array, DType, Error, Result};

/// The sizes of a shape, each with its name where it is symbolic.
type NamedSizes = Vec<(Option<String>, usize)>;

/// A parsed `-i` option.
#[derive(Debug, Default, PartialEq)]
pub struct Spec {
    pub name: Option<String>,
    /// Each size, with its name if it is symbolic.
    pub shape: Option<NamedSizes>,
    pub dtype: Option<DType>,
    pub source: Option<DataSource>,
}

/// Where the values of an input come from.
#[derive(Clone, Debug, PartialEq)]
pub enum DataSource {
    /// A file of arrays, and after a `#` the name of one in it.
    File(String),
    /// An array that was read.
    Values(Array),
    Zeros,
    Ones,
    Arange,
    Normal,
    Uniform(f64, f64),
    Int(i64, i64),
    Number(f64),
    /// The input is left out.
    Absent,
}

/// The error for an option that cannot be read.
pub fn wrong(spec: &str, why: &str) -> Error {
    Error::argument(format!("`{spec}`: {why}")).help("an input is [NAME:]SHAPE[:DTYPE][=SOURCE], for example x:1,3,224,224:f32=normal")
}

impl DataSource {
    fn parse(text: &str) -> Option<DataSource> {
        if let Some(path) = text.strip_prefix('@') {
            return (!path.is_empty()).then(|| DataSource::File(path.to_string()));
        }
        let pair = |name: &str| text.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')')?.split_once(',');
        if let Some((low, high)) = pair("uniform") {
            let (low, high): (f64, f64) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
            return (low.is_finite() && high.is_finite() && low <= high).then_some(DataSource::Uniform(low, high));
        }
        if let Some((low, high)) = pair("int") {
            let (low, high): (i64, i64) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
            return (low <= high).then_some(DataSource::Int(low, high));
        }
        Some(match text {
            "zeros" => DataSource::Zeros,
            "ones" => DataSource::Ones,
            "arange" => DataSource::Arange,
            "normal" => DataSource::Normal,
            "none" | "None" => DataSource::Absent,
            "true" | "True" => DataSource::Number(1.0),
            "false" | "False" => DataSource::Number(0.0),
            _ => DataSource::Number(text.parse().ok()?),
        })
    }

    /// Values of this dtype and shape; `None` where the source has its own, or none.
    ///
    /// # Errors
    /// Where they would take over 16 GiB.
    pub fn array(&self, dtype: DType, shape: &[usize], seed: u64) -> Result<Option<Array>> {
        let count = ontrace::array::count(shape)?;
        if count.saturating_mul(8) > 1 << 34 {
            return Err(Error::too_big(format!("an input of shape {shape:?} takes over 16 GiB")));
        }
        let mut random = Random::new(seed);
        let mut next = 0.0;
        let array = match *self {
            DataSource::Zeros => Array::full(dtype, shape, 0.into()).contiguous()?,
            DataSource::Ones => Array::full(dtype, shape, 1.into()).contiguous()?,
            DataSource::Number(x) => random.array(dtype, shape, |_| x)?,
            DataSource::Arange => random.array(dtype, shape, |_| {
                next += 1.0;
                next - 1.0
            })?,
            DataSource::Normal => random.array(dtype, shape, Random::normal)?,
            DataSource::Uniform(low, high) => random.array(dtype, shape, |random| low + (high - low) * random.uniform())?,
            DataSource::Int(low, high) => random.array(dtype, shape, |random| random.integer(low, high) as f64)?,
            DataSource::File(_) | DataSource::Values(_) | DataSource::Absent => return Ok(None),
        };
        Ok(Some(array))
    }
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A shape, and the dtype that some tools write after it, and messages before it: `1,3,4`, `1x3x4`, `[1,3,4]`, `batch=2,3`, `[1,3]f32`, `f32[1,3]`,
/// `1,3,f32`; `[]` is a scalar.
fn shape_and_dtype(text: &str) -> Option<(NamedSizes, Option<DType>)> {
    if let Some((dtype, shape)) = text.find('[').filter(|&at| at > 0).map(|at| text.split_at(at))
        && shape.ends_with(']')
    {
        return Some((shape_and_dtype(shape)?.0, Some(DType::parse(dtype)?)));
    }
    let (inner, after, bracketed) = match text.strip_prefix('[') {
        Some(rest) => {
            let (inner, after) = rest.rsplit_once(']')?;
            (inner.trim(), after, true)
        }
        None => (text.trim(), "", false),
    };
    let mut dtype = if after.is_empty() { None } else { Some(DType::parse(after)?) };
    if inner.is_empty() {
        return bracketed.then(|| (Vec::new(), dtype));
    }
    let is_number = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    let by_x: Vec<&str> = inner.split('x').collect();
    let is_by_x = by_x.split_last().is_some_and(|(last, sizes)| {
        (is_number(last) || !sizes.is_empty() && DType::parse(last).is_some()) && sizes.iter().all(|size| is_number(size))
    });
    let mut parts: Vec<&str> = if is_by_x { by_x } else { inner.split(',').collect() };
    if dtype.is_none()
        && parts.len() > 1
        && let Some(last) = parts.last().and_then(|last| DType::parse(last.trim()))
    {
        dtype = Some(last);
        parts.pop();
    }
    let size = |part: &str| {
        let part = part.trim();
        match part.split_once('=') {
            Some((name, size)) => {
                is_identifier(name.trim()).then(|| size.trim().parse().ok().map(|n| (Some(name.trim().to_string()), n))).flatten()
            }
            None => part.parse().ok().map(|n| (None, n)).or_else(|| is_identifier(part).then(|| (Some(part.to_string()), 2))),
        }
    };
    Some((parts.into_iter().map(size).collect::<Option<_>>()?, dtype))
}

/// `SHAPE[:DTYPE]`, or a dtype alone.
fn typed(text: &str) -> Option<(Option<NamedSizes>, Option<DType>)> {
    if let Some((shape, dtype)) = text.rsplit_once(':').and_then(|(shape, dtype)| Some((shape, DType::parse(dtype)?))) {
        return shape_and_dtype(shape).filter(|parsed| parsed.1.is_none()).map(|parsed| (Some(parsed.0), Some(dtype)));
    }
    if let Some(dtype) = DType::parse(text) {
        return Some((None, Some(dtype)));
    }
    shape_and_dtype(text).map(|(shape, dtype)| (Some(shape), dtype))
}

/// `SHAPE[:DTYPE][=SOURCE]`: what stands after the name.
fn body(text: &str) -> Option<Spec> {
    if let Some((shape, dtype)) = typed(text) {
        return Some(Spec { shape, dtype, ..Spec::default() });
    }
    // A symbolic size has a `=`, too: the source follows the first one before which there is a whole shape.
    text.match_indices('=').find_map(|(at, _)| {
        let ((shape, dtype), source) = (typed(&text[..at])?, DataSource::parse(&text[at + 1..])?);
        Some(Spec { shape, dtype, source: Some(source), ..Spec::default() })
    })
}

/// Letters and digits of a name, in which members are the same however they are written: `batch.image`, `batch_image`, `batch[image]`.
fn plain(name: &str) -> String {
    let mut plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    plain.truncate(plain.trim_end_matches('_').len());
    plain
}

/// The input or member that a text begins with, and what follows it. The names of the model win over every other reading, the longest first; then
/// members of the inputs that have some; then names that differ in their separators only.
fn name_of<'a>(spec: &'a str, names: &[String], open: &[String]) -> Option<(String, &'a str)> {
    let ends = |at: usize| at == spec.len() || spec[at..].starts_with([':', '=']);
    let exact =
        names.iter().filter(|name| !name.is_empty() && spec.starts_with(name.as_str()) && ends(name.len())).max_by_key(|name| name.len());
    if let Some(name) = exact {
        return Some((name.clone(), &spec[name.len()..]));
    }
    let heads = || spec.match_indices([':', '=']).map(|(at, _)| at).filter(|&at| at > 0);
    let member = heads().find_map(|at| {
        let head = &spec[..at];
        let is_member =
            |input: &String| head.strip_prefix(input.as_str()).is_some_and(|rest| rest.len() > 1 && rest.starts_with(['.', '_', '[']));
        let input = open.iter().filter(|input| is_member(input)).max_by_key(|input| input.len())?;
        let path = head[input.len()..].replace(['\'', '"'], "").replace("][", ".").replace(['[', ']'], ".");
        Some((format!("{input}{}", path.trim_end_matches('.')), &spec[at..]))
    });
    member.or_else(|| {
        heads().find_map(|at| {
            let head = plain(&spec[..at]);
            let mut same = names.iter().filter(|name| plain(name) == head);
            let (found, other) = (same.next()?, same.next());
            other.is_none().then(|| (found.clone(), &spec[at..]))
        })
    })
}

impl Spec {
    /// The options in a text, one for each input. `names` are the model's inputs, `open` those of them that have members.
    ///
    /// # Errors
    /// [`Argument`](ontrace::ErrorCode::Argument) where it is none, [`Input`](ontrace::ErrorCode::Input) where it names an unknown input.
    pub fn parse(text: &str, names: &[String], open: &[String]) -> Result<Vec<Spec>> {
        if name_of(text, names, open).is_none()
            && let Some(pieces) = shapes_in_brackets(text)
        {
            return pieces.into_iter().map(|piece| Spec::parse_one(piece, names, open)).collect();
        }
        let whole = Spec::parse_one(text, names, open);
        match several_inputs(text, names).filter(|_| whole.is_err()) {
            Some(pieces) => pieces.into_iter().map(|piece| Spec::parse_one(piece, names, open)).collect(),
            None => Ok(vec![whole?]),
        }
    }

    fn parse_one(text: &str, names: &[String], open: &[String]) -> Result<Spec> {
        if let Some((name, rest)) = name_of(text, names, open) {
            let parsed = match rest.split_at_checked(1) {
                Some((":", rest)) => body(rest),
                Some((_, source)) => DataSource::parse(source).map(|source| Spec { source: Some(source), ..Spec::default() }),
                None => None,
            };
            match parsed {
                Some(spec) => return Ok(Spec { name: Some(name), ..spec }),
                // `batch=2,3` is a shape where the model has an input `batch`, too.
                None if rest.starts_with('=') && body(text).is_some() => {}
                None if rest.is_empty() => return Err(wrong(text, "a name alone: give a shape or a source")),
                None => return Err(wrong(text, &format!("invalid shape or source after `{name}`"))),
            }
        }
        if let Some(path) = text.strip_prefix('@') {
            return Ok(Spec { source: Some(DataSource::File(path.to_string())), ..Spec::default() });
        }
        let unknown = |name: &str| Error::input(format!("there is no input `{name}`")).help(did_you_mean(name, names, "inputs"));
        if let Some((shape, dtype)) = typed(text).filter(|parsed| parsed.0.is_some()) {
            return Ok(Spec { shape, dtype, ..Spec::default() });
        }
        // One name before a source is that of an input.
        let before_source = text.match_indices('=').find(|(at, _)| DataSource::parse(&text[at + 1..]).is_some()).map(|(at, _)| &text[..at]);
        if let Some(name) = before_source.filter(|name| is_identifier(name)) {
            return Err(unknown(name));
        }
        if let Some(spec) = body(text) {
            return Ok(spec);
        }
        let named = text.match_indices(':').find(|(at, _)| *at > 0 && body(&text[at + 1..]).is_some());
        match (named, before_source) {
            (Some((at, _)), _) => Err(unknown(&text[..at])),
            (None, Some(name)) if typed(name).is_none() => Err(unknown(name)),
            _ => Err(wrong(text, "invalid shape")),
        }
    }
}

/// The inputs of trtexec and polygraphy, several in one text: `x:1x3,y:2x3`.
fn several_inputs<'a>(text: &'a str, names: &[String]) -> Option<Vec<&'a str>> {
    let begins = |at: usize| {
        let rest = &text[at + 1..];
        names.iter().any(|name| !name.is_empty() && rest.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with([':', '='])))
    };
    let (mut pieces, mut start) = (Vec::new(), 0);
    for (at, _) in text.match_indices(',').filter(|(at, _)| begins(*at)) {
        pieces.push(&text[start..at]);
        start = at + 1;
    }
    pieces.push(&text[start..]);
    (pieces.len() > 1).then_some(pieces)
}

/// The shapes of pnnx, several in one text: `[1,3,224,224]f32,[1,16]i64`.
fn shapes_in_brackets(text: &str) -> Option<Vec<&str>> {
    let mut pieces = Vec::new();
    let (mut start, mut depth) = (0, 0usize);
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.checked_sub(1)?,
            ',' if depth == 0 => {
                pieces.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(&text[start..]);
    (pieces.len() > 1 && pieces.iter().all(|piece| piece.trim_start().starts_with('['))).then_some(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    fn parse(spec: &str, inputs: &[&str]) -> Spec {
        Spec::parse_one(spec, &names(inputs), &[]).unwrap()
    }

    fn shape(spec: &str) -> Vec<usize> {
        parse(spec, &["x"]).shape.unwrap().into_iter().map(|size| size.1).collect()
    }

    #[test]
    fn every_spelling_of_a_shape_is_read() {
        for spec in [
            "1,3,4",
            "1x3x4",
            "[1,3,4]",
            "x:1,3,4",
            "x:1,3,4:f32",
            "[1,3,4]f32",
            "1,3,4,f32",
            "1x3x4xf32",
            "x:[1,3,4]:f16=normal",
            "x:[1, 3, 4]f16=normal",
            "1,3,4=uniform(0,1)",
            "b,3,4",
            "b=1,c=3,d=4",
            "x:b=1,3,4=@dir=1/x.npy",
        ] {
            assert_eq!(shape(spec).len(), 3, "{spec}");
        }
        assert_eq!(shape("batch=5,3"), [5, 3]);
        assert_eq!(shape("batch,3"), [2, 3]);
        assert_eq!(shape("[]").len(), 0);
        assert_eq!(parse("1x3xf16", &[]).dtype, Some(DType::F16));
        let several = Spec::parse("[1,3,8,8]f32,[2,5]i64", &[], &[]).unwrap();
        assert_eq!(several.iter().map(|spec| spec.dtype).collect::<Vec<_>>(), [Some(DType::F32), Some(DType::I64)]);
    }

    #[test]
    fn several_inputs_are_told_apart_by_their_names() {
        let names = names(&["x", "y", "2"]);
        for text in ["x:1x3,y:2x3", "x:[1,3],y:[2,3]", "x:1,3,y:2,3", "x:1,3:f32=ones,y:2,3=int(0,5)"] {
            let specs = Spec::parse(text, &names, &[]).unwrap();
            let found: Vec<_> = specs.iter().map(|spec| (spec.name.as_deref().unwrap(), spec.shape.as_ref().unwrap().len())).collect();
            assert_eq!(found, [("x", 2), ("y", 2)], "{text}");
        }
        assert!(Spec::parse("x:1x3,z:2x3", &names, &[]).is_err());
        assert_eq!(Spec::parse("x:1,2,3", &names, &[]).unwrap().len(), 1);
    }

    #[test]
    fn names_types_and_sources_are_told_apart() {
        let spec = parse("ids:batch=2,7:i64=int(0,9)", &["ids"]);
        assert_eq!((spec.name.as_deref(), spec.dtype, spec.source), (Some("ids"), Some(DType::I64), Some(DataSource::Int(0, 9))));
        let spec = parse("x=@x.npz#a", &["x"]);
        assert_eq!((spec.name.as_deref(), spec.shape, spec.source), (Some("x"), None, Some(DataSource::File("x.npz#a".to_string()))));
        let spec = parse("x=zeros", &["x"]);
        assert_eq!((spec.name.as_deref(), spec.shape), (Some("x"), None));
        assert_eq!(parse("n=5", &["n"]).source, Some(DataSource::Number(5.0)));
        assert_eq!(parse("x:f16=@x.npy", &["x"]).dtype, Some(DType::F16));
        assert_eq!(parse("mask=none", &["x", "mask"]).source, Some(DataSource::Absent));
        for spec in ["", "x:y:1,2:f32", "1,2,", "x:1,?:f32", "[1,2]q7", "x"] {
            assert!(Spec::parse_one(spec, &names(&["x"]), &[]).is_err(), "{spec}");
        }
    }

    #[test]
    fn names_of_the_model_win_over_every_other_reading() {
        for (name, spec) in [
            ("x:0", "x:0:batch=2,3:f32=ones"),
            ("x:0", "x:0=@in.npz#x:0"),
            ("0", "0:1,3"),
            ("0", "0=ones"),
            ("a.b", "a.b:1,3"),
            ("a=b", "a=b=@x.npy"),
            ("2,3", "2,3:4"),
            ("f32", "f32:4"),
            ("ones", "ones=ones"),
            ("x", "x:0"),
        ] {
            assert_eq!(parse(spec, &["x", name]).name.as_deref(), Some(name), "{spec}");
        }
        assert_eq!(parse("x:0=ones", &["x"]).shape, Some(vec![(None, 0)]));
        assert_eq!(parse("batch=5,3", &["batch"]).shape.unwrap().len(), 2);
        assert_eq!(parse("inputs.input_ids=ones", &["inputs_input_ids"]).name.as_deref(), Some("inputs_input_ids"));
    }

    #[test]
    fn members_are_named_by_their_path() {
        let of = |spec: &str| Spec::parse_one(spec, &names(&["batch", "xs"]), &names(&["batch", "xs"])).unwrap().name.unwrap();
        assert_eq!((of("batch.image:2,4"), of("xs.0:1,2"), of("xs_1=ones")), ("batch.image".into(), "xs.0".into(), "xs_1".into()));
        assert_eq!((of("batch['image']:2,4"), of("xs[0]:2")), ("batch.image".to_string(), "xs.0".to_string()));
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest_one() {
        for spec in ["imagee:1,3", "imagee=ones"] {
            let error = Spec::parse_one(spec, &names(&["image", "mask"]), &[]).unwrap_err();
            assert_eq!(error.message(), "there is no input `imagee`");
            assert_eq!(error.help_line(), Some("did you mean `image`? the inputs are: image, mask"));
        }
    }
}
