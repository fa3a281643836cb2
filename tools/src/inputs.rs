//! Parses `-i [NAME:]SHAPE[:DTYPE][=SOURCE]` and makes the example inputs that a model is traced, checked or run with.

use crate::array_files;
use ontrace::array::Random;
use ontrace::module::element;
use ontrace::{Array, DType, Dim, Error, ErrorCode, Example, Result, ResultExt, Shape, Tensor, Type};

/// The options for inputs and symbolic dimensions.
#[derive(clap::Args, Debug, Default)]
pub struct Inputs {
    /// An input: [NAME:]SHAPE[:DTYPE][=SOURCE], or NAME=SOURCE; repeated for several
    ///
    /// SHAPE is 1,3,224,224 or 1x3x224x224 or [1,3,224,224]; a size may be NAME=2 (symbolic). DTYPE defaults to the model's, else
    /// f32. SOURCE is @x.npy, @x.npz#key, @x.safetensors#key, zeros, ones, arange, normal, uniform(a,b) or int(a,b).
    #[arg(short = 'i', long = "input", value_name = "SPEC")]
    specs: Vec<String>,
    /// Make an axis symbolic: INPUT:AXIS=NAME; repeated for several axes
    #[arg(long = "dynamic", value_name = "INPUT:AXIS=NAME")]
    dynamic: Vec<String>,
}

/// A parsed `-i` option.
#[derive(Debug, PartialEq)]
struct Spec {
    name: Option<String>,
    /// Each size, with its name if it is symbolic.
    shape: Option<Vec<(Option<String>, usize)>>,
    dtype: Option<DType>,
    source: Option<DataSource>,
}

/// Where the values of an input come from.
#[derive(Clone, Debug, PartialEq)]
enum DataSource {
    File(String),
    Zeros,
    Ones,
    Arange,
    Normal,
    Uniform(f64, f64),
    Int(i64, i64),
}

fn wrong(spec: &str, why: &str) -> Error {
    Error::argument(format!("`{spec}`: {why}")).help("an input is [NAME:]SHAPE[:DTYPE][=SOURCE], for example x:1,3,224,224:f32=normal")
}

impl DataSource {
    fn parse(text: &str) -> Option<DataSource> {
        if let Some(path) = text.strip_prefix('@') {
            return Some(DataSource::File(path.to_string()));
        }
        let pair = |name: &str| text.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')')?.split_once(',');
        if let Some((low, high)) = pair("uniform") {
            return Some(DataSource::Uniform(low.trim().parse().ok()?, high.trim().parse().ok()?));
        }
        if let Some((low, high)) = pair("int") {
            return Some(DataSource::Int(low.trim().parse().ok()?, high.trim().parse().ok()?));
        }
        Some(match text {
            "zeros" => DataSource::Zeros,
            "ones" => DataSource::Ones,
            "arange" => DataSource::Arange,
            "normal" => DataSource::Normal,
            _ => return None,
        })
    }

    /// Values of this dtype and shape; a file has its own.
    fn array(&self, dtype: DType, shape: &[usize], seed: u64) -> Result<Array> {
        let count = ontrace::array::count(shape)?;
        if count.saturating_mul(8) > 1 << 34 {
            return Err(Error::too_big(format!("an input of shape {shape:?} takes over 16 GiB")));
        }
        let mut random = Random::new(seed);
        let mut next = 0.0;
        match *self {
            DataSource::Zeros => Array::full(dtype, shape, 0.into()).contiguous(),
            DataSource::Ones => Array::full(dtype, shape, 1.into()).contiguous(),
            DataSource::Arange => random.array(dtype, shape, |_| {
                next += 1.0;
                next - 1.0
            }),
            DataSource::Normal => random.array(dtype, shape, Random::normal),
            DataSource::Uniform(low, high) => random.array(dtype, shape, |random| low + (high - low) * random.uniform()),
            DataSource::Int(low, high) => random.array(dtype, shape, |random| random.integer(low, high) as f64),
            DataSource::File(ref path) => array_files::read(path),
        }
    }

    /// The default: normal floats; integers 0 and 1, which are valid indices of any table of two rows.
    fn default_for(dtype: DType) -> DataSource {
        if dtype.is_float() { DataSource::Normal } else { DataSource::Int(0, 1) }
    }
}

/// The sizes of a shape in any of its spellings; `[]` is a scalar.
fn sizes(text: &str) -> Option<Vec<(Option<String>, usize)>> {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text).trim();
    if inner.is_empty() {
        return text.starts_with('[').then(Vec::new);
    }
    let by_x = !inner.contains(',') && inner.split('x').all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit()));
    let parts: Vec<&str> = if by_x { inner.split('x').collect() } else { inner.split(',').collect() };
    let size = |part: &str| {
        let part = part.trim();
        let is_name = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        match part.split_once('=') {
            Some((name, size)) => is_name(name).then(|| size.parse().ok().map(|n| (Some(name.to_string()), n))).flatten(),
            None => part.parse().ok().map(|n| (None, n)).or_else(|| is_name(part).then(|| (Some(part.to_string()), 2))),
        }
    };
    parts.into_iter().map(size).collect()
}

impl Spec {
    fn parse(spec: &str) -> Result<Spec> {
        // The source follows the last `=` that is followed by one: a symbolic size has an `=`, too.
        let cut = spec.rmatch_indices('=').find(|(at, _)| DataSource::parse(&spec[at + 1..]).is_some() && !spec[..*at].ends_with('='));
        let (head, source) = match cut {
            Some((at, _)) => (&spec[..at], DataSource::parse(&spec[at + 1..])),
            None => (spec, None),
        };
        let mut parts: Vec<&str> = head.split(':').collect();
        let mut dtype = parts.last().and_then(|last| DType::parse(last)).filter(|_| parts.len() > 1);
        if dtype.is_some() {
            parts.pop();
        }
        // tract's and pnnx's spelling: [1,3]f32
        let mut last = parts.last().copied().unwrap_or_default().to_string();
        if let Some(close) = last.rfind(']')
            && dtype.is_none()
            && close + 1 < last.len()
        {
            dtype = Some(DType::parse(&last[close + 1..]).ok_or_else(|| wrong(spec, "unknown dtype"))?);
            last.truncate(close + 1);
        }
        let only_name = parts.len() == 1
            && source.is_some()
            && (sizes(&last).is_none()
                || last.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !last.starts_with(|c: char| c.is_ascii_digit()));
        let (name, shape) = match parts.as_slice() {
            [_] if only_name => (Some(last), None),
            [_] => (None, Some(sizes(&last).ok_or_else(|| wrong(spec, "invalid shape"))?)),
            [name, _] => (Some(name.to_string()), Some(sizes(&last).ok_or_else(|| wrong(spec, "invalid shape"))?)),
            _ => return Err(wrong(spec, "too many colons")),
        };
        Ok(Spec { name, shape, dtype, source })
    }
}

/// The name of an input, or of the given elements if the input is a list.
fn named(input: &str, specs: &[Spec]) -> Vec<String> {
    let given = specs.iter().filter_map(|spec| spec.name.as_deref());
    let mut elements: Vec<(usize, &str)> = given.filter_map(|name| Some((element(name, input)?, name))).collect();
    elements.sort_unstable();
    if elements.is_empty() { vec![input.to_string()] } else { elements.into_iter().map(|(_, name)| name.to_string()).collect() }
}

impl Inputs {
    /// Whether values were given.
    pub fn has_values(&self) -> bool {
        self.specs.iter().any(|spec| Spec::parse(spec).is_ok_and(|spec| spec.source.is_some()))
    }

    /// The inputs whose values were given.
    pub fn given(&self, names: &[String]) -> Vec<String> {
        let mut given = Vec::new();
        let mut next = 0;
        for spec in self.specs.iter().filter_map(|spec| Spec::parse(spec).ok()) {
            let position = spec.name.as_ref().map_or(Some(next), |name| names.iter().position(|known| known == name));
            let Some(position) = position else { continue };
            next = position + 1;
            if spec.source.is_some() {
                given.extend(names.get(position).cloned());
            }
        }
        given
    }

    /// The example inputs: those of the file, changed and completed by the options.
    ///
    /// With `values`, inputs of which only the type is known get random values.
    pub fn example(&self, names: &[String], from_file: Option<&Example>, values: bool) -> Result<Example> {
        let specs = self.specs.iter().map(|spec| Spec::parse(spec)).collect::<Result<Vec<_>>>()?;
        let mut inputs: Vec<(String, Option<Tensor>)> = match from_file {
            Some(example) => example.inputs().iter().map(|(name, tensor)| (name.clone(), Some(tensor.clone()))).collect(),
            None => names.iter().flat_map(|name| named(name, &specs)).map(|name| (name, None)).collect(),
        };
        let known: Vec<String> = inputs.iter().map(|input| input.0.clone()).collect();
        let mut symbolic = Vec::new();
        let mut next = 0;
        for spec in &specs {
            let position = match &spec.name {
                Some(name) => known.iter().position(|known| known == name).ok_or_else(|| {
                    Error::input(format!("there is no input `{name}`")).help(format!("the inputs are: {}", known.join(", ")))
                })?,
                None => next,
            };
            next = position + 1;
            let slot = inputs.get_mut(position).ok_or_else(|| {
                Error::input(format!("{} inputs given, more than the model has", specs.len()))
                    .help(format!("the inputs are: {}", known.join(", ")))
            })?;
            let before = slot.1.as_ref().map(|tensor| tensor.ty().clone());
            let dtype = spec
                .dtype
                .or(before.as_ref().map(|ty| ty.dtype).filter(|_| spec.shape.is_none() || from_file.is_some()))
                .unwrap_or(DType::F32);
            let shape = match (&spec.shape, &before) {
                (Some(shape), _) => Some(shape.iter().map(|size| size.1).collect::<Vec<_>>()),
                (None, Some(ty)) => ty.shape.example(),
                (None, None) => None,
            };
            let name = slot.0.clone();
            let tensor = match (&spec.source, shape) {
                (Some(DataSource::File(path)), wanted) => {
                    let array = array_files::read(path)?;
                    if let Some(wanted) = wanted.filter(|wanted| spec.shape.is_some() && *wanted != array.shape()) {
                        return Err(Error::input(format!("{path} has shape {:?}, expected {wanted:?}", array.shape())));
                    }
                    Tensor::from(if spec.dtype.is_some() { array.cast(dtype)? } else { array })
                }
                (Some(source), Some(shape)) => Tensor::from(source.array(dtype, &shape, position as u64 + 1).at(&name)?),
                (None, Some(shape)) => Tensor::of_type(Type::new(dtype, Shape::fixed(&shape))),
                (_, None) => {
                    return Err(Error::new(ErrorCode::NoInputs, format!("unknown shape for input `{name}`"))
                        .help(format!("give it: -i {name}:1,3,224,224")));
                }
            };
            for (axis, (symbol, _)) in spec.shape.iter().flatten().enumerate() {
                symbolic.extend(symbol.clone().map(|symbol| (name.clone(), axis as i64, symbol)));
            }
            slot.1 = Some(tensor);
        }
        let mut example = Example::new();
        for (i, (name, tensor)) in inputs.iter().enumerate() {
            let tensor = tensor.clone().ok_or_else(|| {
                let flags: Vec<String> = inputs.iter().map(|(name, _)| format!("-i {name}:1,3,224,224")).collect();
                Error::new(ErrorCode::NoInputs, format!("unknown shape for input `{name}`"))
                    .help(format!("give every input, for example: {}", flags.join(" ")))
            })?;
            let symbols: Vec<(usize, Dim)> = tensor.shape().iter().cloned().enumerate().filter(|(_, dim)| dim.is_symbolic()).collect();
            let missing = tensor.is_type_only();
            let tensor = match tensor.shape().example() {
                Some(shape) if values && missing => {
                    Tensor::from(DataSource::default_for(tensor.dtype()).array(tensor.dtype(), &shape, i as u64 + 1)?)
                }
                _ => tensor,
            };
            example = example.input(name, &tensor);
            for (axis, dim) in symbols.iter().filter(|_| values && missing) {
                example = example.symbolic(name, *axis as i64, &dim.to_string())?;
            }
        }
        for (name, axis, symbol) in symbolic {
            example = example.symbolic(&name, axis, &symbol)?;
        }
        for spec in &self.dynamic {
            let wrong = || Error::argument(format!("`{spec}`: expected INPUT:AXIS=NAME")).help("for example: --dynamic x:0=batch");
            let (input, rest) = spec.rsplit_once(':').ok_or_else(wrong)?;
            let (axis, symbol) = rest.split_once('=').ok_or_else(wrong)?;
            example = example.symbolic(input, axis.parse().map_err(|_| wrong())?, symbol)?;
        }
        Ok(example)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(spec: &str) -> Vec<usize> {
        Spec::parse(spec).unwrap().shape.unwrap().into_iter().map(|size| size.1).collect()
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
            "x:[1,3,4]:f16=normal",
            "1,3,4=uniform(0,1)",
            "b,3,4",
            "b=1,c=3,d=4",
        ] {
            assert_eq!(shape(spec).len(), 3, "{spec}");
        }
        assert_eq!(shape("batch=5,3"), [5, 3]);
        assert_eq!(shape("batch,3"), [2, 3]);
        assert_eq!(shape("[]").len(), 0);
    }

    #[test]
    fn names_types_and_sources_are_told_apart() {
        let spec = Spec::parse("ids:batch=2,7:i64=int(0,9)").unwrap();
        assert_eq!((spec.name.as_deref(), spec.dtype, spec.source), (Some("ids"), Some(DType::I64), Some(DataSource::Int(0, 9))));
        let spec = Spec::parse("x=@x.npz#a").unwrap();
        assert_eq!((spec.name.as_deref(), spec.shape, spec.source), (Some("x"), None, Some(DataSource::File("x.npz#a".to_string()))));
        let spec = Spec::parse("x=zeros").unwrap();
        assert_eq!((spec.name.as_deref(), spec.shape), (Some("x"), None));
        for spec in ["", "x:y:1,2:f32", "1,2,", "x:1,?:f32", "[1,2]q7"] {
            assert!(Spec::parse(spec).is_err(), "{spec}");
        }
    }
}
