//! Reads and writes array files: .npy, .npz and .safetensors.

use ontrace::array::map_file;
use ontrace::read::numpy;
use ontrace::{Array, DType, Error, Result, ResultExt, onnx::AtomicFile, read};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

/// The path that stands for standard output.
pub const STDOUT: &str = "-";

/// Reads an array: `x.npy`, `x.npz#key` or `x.safetensors#key`. Without a key it is the array of this name, else the only one.
pub fn read(spec: &str, name: Option<&str>) -> Result<Array> {
    // A file may have a # in its name.
    let (path, key) = match spec.rsplit_once('#') {
        Some((path, key)) if !Path::new(spec).exists() => (path, Some(key)),
        _ => (spec, None),
    };
    let mut all = read_all(Path::new(path))?;
    let listed = |all: &BTreeMap<String, Array>| format!("its arrays are: {}", all.keys().cloned().collect::<Vec<_>>().join(", "));
    match (key, name) {
        (Some(key), _) => all.remove(key).ok_or_else(|| Error::input(format!("no array `{key}`")).help(listed(&all)).at(path)),
        (None, Some(name)) if all.contains_key(name) => all.remove(name).ok_or_else(|| Error::internal("an array went missing")),
        _ if all.len() == 1 => all.into_values().next().ok_or_else(|| Error::internal("the only array is missing")),
        (None, name) => {
            let what = name.map_or_else(String::new, |name| format!(", and none is called `{name}`"));
            let help = format!("{}; choose one: @{path}#KEY", listed(&all));
            Err(Error::input(format!("expected one array, found {}{what}", all.len())).help(help).at(path))
        }
    }
}

/// Every array of a file by name; that of an .npy file is `array`.
pub fn read_all(path: &Path) -> Result<BTreeMap<String, Array>> {
    let bytes = map_file(path)?;
    let extension = path.extension().and_then(|extension| extension.to_str());
    let arrays = match extension {
        _ if numpy::is_npy(&bytes) => numpy::read_npy(&bytes).map(|array| BTreeMap::from([("array".to_string(), array)])),
        Some("npz") => numpy::read_npz(&bytes).map(|arrays| arrays.into_iter().collect()),
        Some("safetensors") => return Ok(read::checkpoint(path)?.into_iter().collect()),
        Some("npy") => numpy::read_npy(&bytes).map(|_| BTreeMap::new()),
        _ => Err(Error::argument("unknown array file format (.npy, .npz or .safetensors)")),
    };
    arrays.at(path.display())
}

/// Refuses a path whose extension names no format that [`write`] has.
pub fn check_format(path: &Path) -> Result<()> {
    let is_known = matches!(path.extension().and_then(|extension| extension.to_str()), Some("npy" | "npz" | "safetensors"));
    match is_known || path == Path::new(STDOUT) {
        true => Ok(()),
        false => Err(Error::argument(format!("{}: unknown array file format (.npy, .npz or .safetensors)", path.display()))),
    }
}

/// Writes named arrays in the format of the path's extension, atomically; `-` writes an .npz file to standard output.
pub fn write(path: &Path, arrays: &[(String, Array)]) -> Result<()> {
    let mut names = BTreeSet::new();
    if let Some((name, _)) = arrays.iter().find(|(name, _)| !names.insert(name)) {
        return Err(Error::write(format!("two arrays are called `{name}`: a file holds one of a name")).at(path.display()));
    }
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let is_stdout = path == Path::new(STDOUT);
    let bytes = match (extension, arrays) {
        ("npy", [(_, array)]) => numpy::write_npy(array)?,
        ("npy", _) => {
            return Err(Error::argument(format!("an .npy file has one array, got {}", arrays.len())).help("write .npz or .safetensors"));
        }
        ("npz", _) => numpy::write_npz(arrays)?,
        _ if is_stdout => numpy::write_npz(arrays)?,
        ("safetensors", _) => {
            let views = arrays.iter().map(|(name, array)| Ok((name.clone(), View::of(array)?))).collect::<Result<Vec<_>>>()?;
            safetensors::serialize(views, None).map_err(|error| Error::write(error.to_string()))?
        }
        _ => return Err(Error::argument(format!("{}: unknown array file format (.npy, .npz or .safetensors)", path.display()))),
    };
    if is_stdout {
        let mut out = stdout()?;
        return out.write_all(&bytes).and_then(|()| out.flush()).map_err(|error| Error::write(error.to_string()).at("standard output"));
    }
    AtomicFile::save(path, &bytes)
}

/// Standard output for a binary file, unless it is a terminal.
pub fn stdout() -> Result<std::io::StdoutLock<'static>> {
    use std::io::IsTerminal;
    let stdout = std::io::stdout().lock();
    match stdout.is_terminal() {
        true => Err(Error::argument("a binary file is not written to a terminal").help("redirect it: > OUT, or give a file in place of -")),
        false => Ok(stdout),
    }
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
        let x = Array::new(&[2, 3], vec![1i64, 2, 3, 4, 5, 6]).unwrap().permute(&[1, 0]).unwrap();
        let half = x.cast(DType::F16).unwrap();
        for (name, array) in ["x.npy", "x.npz", "x.safetensors"].iter().flat_map(|name| [(name, &x), (name, &half)]) {
            let path = folder.path().join(name);
            write(&path, &[("y".to_string(), array.clone())]).unwrap();
            assert_eq!(read(path.to_str().unwrap(), None).unwrap(), *array, "{name}");
        }
        let missing = read(&format!("{}#z", folder.path().join("x.npz").display()), None).unwrap_err();
        assert!(missing.help_line().unwrap().contains('y'));
    }

    #[test]
    fn two_arrays_of_one_name_are_refused_by_every_format() {
        let folder = tempfile::tempdir().unwrap();
        let arrays = [("y".to_string(), Array::scalar(1f32)), ("y".to_string(), Array::scalar(2f32))];
        for name in ["x.npz", "x.safetensors", "-"] {
            let error = write(&folder.path().join(name), &arrays).unwrap_err();
            assert!(error.message().contains("two arrays are called `y`"), "{name}: {error}");
        }
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    }

    #[test]
    fn of_several_arrays_the_one_with_the_name_of_the_input_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all.npz");
        let arrays = [("gain".to_string(), Array::scalar(1f32)), ("x".to_string(), Array::scalar(2f32))];
        write(&path, &arrays).unwrap();
        let path = path.to_str().unwrap();
        assert_eq!(read(path, Some("x")).unwrap(), arrays[1].1);
        let error = read(path, Some("z")).unwrap_err();
        assert!(error.help_line().unwrap().contains("gain, x"), "{error:?}");
    }
}
