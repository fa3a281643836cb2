//! Reads and writes array files: .npy, .npz and .safetensors.

use ndarray_npy::{NpzReader, NpzWriter, ReadNpyError, ReadNpyExt, ReadableElement, WritableElement};
use ontrace::array::Element;
use ontrace::{Array, DType, Error, Result, ResultExt, onnx::AtomicFile, read};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Cursor, Write};
use std::path::Path;

/// Calls a macro with the element types of the npy format.
macro_rules! each_npy {
    ($run:ident) => {
        $run!(Bool bool, U8 u8, U16 u16, U32 u32, U64 u64, I8 i8, I16 i16, I32 i32, I64 i64, F32 f32, F64 f64)
    };
}

/// Reads an array: `x.npy`, `x.npz#key` or `x.safetensors#key`; the key may be omitted if there is one array.
pub fn read(spec: &str) -> Result<Array> {
    let (path, key) = match spec.rsplit_once('#') {
        Some((path, key)) => (path, Some(key)),
        None => (spec, None),
    };
    let all = read_all(Path::new(path))?;
    match (key, all.len()) {
        (Some(key), _) => all.get(key).cloned().ok_or_else(|| {
            Error::input(format!("no array `{key}`"))
                .help(format!("its arrays are: {}", all.keys().cloned().collect::<Vec<_>>().join(", ")))
                .at(path)
        }),
        (None, 1) => all.into_values().next().ok_or_else(|| Error::internal("the only array is missing")),
        (None, n) => Err(Error::input(format!("expected one array, found {n}"))
            .help(format!("choose one: @{path}#{}", all.keys().next().map_or("key", String::as_str)))
            .at(path)),
    }
}

/// Every array of a file by name.
pub fn read_all(path: &Path) -> Result<BTreeMap<String, Array>> {
    let location = path.display();
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("npy") => {
            let bytes = std::fs::read(path).map_err(|error| Error::read(error.to_string()).at(&location))?;
            Ok(BTreeMap::from([("array".to_string(), npy(&bytes).at(&location)?)]))
        }
        Some("npz") => {
            let file = File::open(path).map_err(|error| Error::read(error.to_string()).at(&location))?;
            let mut archive = NpzReader::new(BufReader::new(file)).map_err(|error| Error::damaged(error.to_string()).at(&location))?;
            let names = archive.names().map_err(|error| Error::damaged(error.to_string()).at(&location))?;
            let mut arrays = BTreeMap::new();
            for name in names {
                arrays.insert(name.trim_end_matches(".npy").to_string(), npz(&mut archive, &name).at(&name).at(&location)?);
            }
            Ok(arrays)
        }
        Some("safetensors") => Ok(read::checkpoint(path)?.into_iter().collect()),
        _ => Err(Error::argument("unknown array file format (.npy, .npz or .safetensors)").at(location)),
    }
}

/// The array, or its dtype in NumPy's notation if it is another one.
fn typed<T: Element + ReadableElement>(bytes: &[u8]) -> Result<Result<Array, String>> {
    match ndarray::ArrayD::<T>::read_npy(Cursor::new(bytes)) {
        Ok(array) => Ok(Ok(Array::from(array))),
        Err(ReadNpyError::WrongDescriptor(descriptor)) => Ok(Err(descriptor.to_string())),
        Err(error) => Err(Error::damaged(error.to_string())),
    }
}

/// The error for a dtype in NumPy's notation that is not read.
fn unsupported_dtype(descriptor: &str) -> Error {
    let name = match descriptor.trim_matches('\'') {
        "<f2" | ">f2" => "float16",
        "<c8" => "complex64",
        "<c16" => "complex128",
        other => other,
    };
    Error::unsupported(format!("dtype {name} is not read from .npy and .npz files")).help("save it as float32, or as .safetensors")
}

fn npy(bytes: &[u8]) -> Result<Array> {
    let mut other: Option<String> = None;
    macro_rules! attempt {
        ($($D:ident $T:ty),*) => {
            $(match typed::<$T>(bytes)? {
                Ok(array) => return Ok(array),
                Err(descriptor) => other = other.or(Some(descriptor)),
            })*
        };
    }
    each_npy!(attempt);
    Err(unsupported_dtype(other.as_deref().unwrap_or("?")))
}

fn npz(archive: &mut NpzReader<BufReader<File>>, name: &str) -> Result<Array> {
    let mut other: Option<String> = None;
    macro_rules! attempt {
        ($($D:ident $T:ty),*) => {
            $(match archive.by_name::<ndarray::OwnedRepr<$T>, ndarray::IxDyn>(name) {
                Ok(array) => return Ok(Array::from(array)),
                Err(ndarray_npy::ReadNpzError::Npy(ReadNpyError::WrongDescriptor(descriptor))) => other = other.or(Some(descriptor.to_string())),
                Err(error) => return Err(Error::damaged(error.to_string())),
            })*
        };
    }
    each_npy!(attempt);
    Err(unsupported_dtype(other.as_deref().unwrap_or("?")))
}

/// Writes named arrays in the format of the path's extension, atomically.
pub fn write(path: &Path, arrays: &[(String, Array)]) -> Result<()> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let bytes = match (extension, arrays) {
        ("npy", [(_, array)]) => {
            let mut bytes = Vec::new();
            write_npy(array, &mut bytes)?;
            bytes
        }
        ("npy", _) => {
            return Err(Error::argument(format!("an .npy file has one array, got {}", arrays.len())).help("write .npz or .safetensors"));
        }
        ("npz", _) => write_npz(arrays)?,
        ("safetensors", _) => {
            let views = arrays.iter().map(|(name, array)| Ok((name.clone(), View::of(array)?))).collect::<Result<Vec<_>>>()?;
            safetensors::serialize(views, None).map_err(|error| Error::write(error.to_string()))?
        }
        _ => return Err(Error::argument(format!("{}: unknown array file format (.npy, .npz or .safetensors)", path.display()))),
    };
    let failed = |error: std::io::Error| Error::write(error.to_string()).at(path.display());
    let mut file = AtomicFile::beside(path)?;
    file.write_all(&bytes).and_then(|()| file.sync()).map_err(failed)?;
    file.commit(path).map_err(failed)
}

/// The array in a dtype of the npy format.
fn npy_dtype(array: &Array) -> Result<Array> {
    match array.dtype() {
        DType::F16 | DType::BF16 => array.cast(DType::F32),
        narrow if narrow.is_narrow() => array.cast(if narrow.is_float() { DType::F32 } else { DType::I8 }),
        _ => Ok(array.clone()),
    }
}

fn write_npy(array: &Array, bytes: &mut Vec<u8>) -> Result<()> {
    fn one<T: Element + WritableElement>(array: &Array, bytes: &mut Vec<u8>) -> Result<()> {
        use ndarray_npy::WriteNpyExt;
        array.view::<T>()?.as_standard_layout().write_npy(bytes).map_err(|error| Error::write(error.to_string()))
    }
    let array = npy_dtype(array)?;
    macro_rules! pick {
        ($($D:ident $T:ty),*) => {
            match array.dtype() {
                $(DType::$D => one::<$T>(&array, bytes),)*
                other => Err(Error::unsupported(format!("the npy format has no dtype {other}"))),
            }
        };
    }
    each_npy!(pick)
}

fn write_npz(arrays: &[(String, Array)]) -> Result<Vec<u8>> {
    let failed = |error: ndarray_npy::WriteNpzError| Error::write(error.to_string());
    let mut writer = NpzWriter::new(Cursor::new(Vec::new()));
    for (name, array) in arrays {
        let array = npy_dtype(array)?;
        macro_rules! pick {
            ($($D:ident $T:ty),*) => {
                match array.dtype() {
                    $(DType::$D => writer.add_array(name.as_str(), &array.view::<$T>()?.as_standard_layout()).map_err(failed)?,)*
                    other => return Err(Error::unsupported(format!("the npz format has no dtype {other}"))),
                }
            };
        }
        each_npy!(pick);
    }
    Ok(writer.finish().map_err(failed)?.into_inner())
}

/// An array as a safetensors view.
struct View(Array, Vec<u8>);

/// The safetensors name of a dtype.
fn safetensors_dtype(dtype: DType) -> Option<safetensors::Dtype> {
    use safetensors::Dtype;
    Some(match dtype {
        DType::Bool => Dtype::BOOL,
        DType::U8 => Dtype::U8,
        DType::I8 => Dtype::I8,
        DType::I16 => Dtype::I16,
        DType::I32 => Dtype::I32,
        DType::I64 => Dtype::I64,
        DType::U16 => Dtype::U16,
        DType::U32 => Dtype::U32,
        DType::U64 => Dtype::U64,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::F32 => Dtype::F32,
        DType::F64 => Dtype::F64,
        DType::F8E4M3FN => Dtype::F8_E4M3,
        DType::F8E5M2 => Dtype::F8_E5M2,
        DType::F8E8M0 => Dtype::F8_E8M0,
        DType::F8E4M3FNUZ => Dtype::F8_E4M3FNUZ,
        DType::F8E5M2FNUZ => Dtype::F8_E5M2FNUZ,
        _ => return None,
    })
}

impl View {
    /// The array in the narrowest dtype of safetensors that holds its values.
    fn of(array: &Array) -> Result<View> {
        let wider = if array.dtype().is_float() { DType::F32 } else { DType::I8 };
        let array = if safetensors_dtype(array.dtype()).is_some() { array.clone() } else { array.cast(wider)? };
        let bytes = array.to_bytes()?.to_vec();
        Ok(View(array, bytes))
    }
}

impl safetensors::View for View {
    fn dtype(&self) -> safetensors::Dtype {
        safetensors_dtype(self.0.dtype()).unwrap_or(safetensors::Dtype::U8)
    }

    fn shape(&self) -> &[usize] {
        self.0.shape()
    }

    fn data(&self) -> std::borrow::Cow<'_, [u8]> {
        self.1.as_slice().into()
    }

    fn data_len(&self) -> usize {
        self.0.byte_len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_come_back_from_every_format() {
        let folder = tempfile::tempdir().unwrap();
        let x = Array::new(&[2, 3], vec![1i64, 2, 3, 4, 5, 6]).unwrap();
        for name in ["x.npy", "x.npz", "x.safetensors"] {
            let path = folder.path().join(name);
            write(&path, &[("y".to_string(), x.permute(&[1, 0]).unwrap())]).unwrap();
            assert_eq!(read(path.to_str().unwrap()).unwrap(), x.permute(&[1, 0]).unwrap(), "{name}");
        }
        let missing = read(&format!("{}#z", folder.path().join("x.npz").display())).unwrap_err();
        assert!(missing.help_line().unwrap().contains('y'));
    }
}
