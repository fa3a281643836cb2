//! The manifest of a batch: options by model, in TOML.

use super::sources;
use ontrace::{Error, Result};
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// The options of all models, and of single ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    /// The folder of the manifest, from which its paths are meant.
    pub folder: PathBuf,
    /// Options of every model.
    pub options: Vec<String>,
    /// The longest that a model may take, in seconds.
    pub timeout: Option<f64>,
    /// The most memory that a model may take, in bytes.
    pub memory: Option<u64>,
    /// The models that it names.
    pub entries: Vec<Entry>,
}

/// A model of a manifest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// The file.
    pub path: PathBuf,
    /// The ONNX file, within the folder of outputs.
    pub output: Option<PathBuf>,
    /// Options of this model, after those of all.
    pub options: Vec<String>,
    /// Limits of its own.
    pub timeout: Option<f64>,
    /// Likewise.
    pub memory: Option<u64>,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// Where it is no TOML, or has keys or values that a manifest has not.
    pub fn open(path: &Path) -> Result<Manifest> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::read(format!("{}: {error}", path.display())))?;
        let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
        Manifest::parse(&text).map(|manifest| Manifest { folder, ..manifest }).map_err(|error| error.at(path.display()))
    }

    fn parse(text: &str) -> Result<Manifest> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| Error::argument(error.to_string().trim_end().to_string()))?;
        known(&table, &["options", "timeout", "memory", "model"], "the manifest")?;
        let mut entries = Vec::new();
        match table.get("model") {
            None => {}
            Some(Value::Array(list)) => {
                for (i, value) in list.iter().enumerate() {
                    entries.push(entry(value).map_err(|error| error.at(format!("model {}", i + 1)))?);
                }
            }
            Some(_) => return Err(Error::argument("`model` is no list").help("write [[model]] before each model")),
        }
        Ok(Manifest { folder: PathBuf::new(), options: options(&table)?, timeout: timeout(&table)?, memory: memory(&table)?, entries })
    }
}

fn entry(value: &Value) -> Result<Entry> {
    let table = value.as_table().ok_or_else(|| Error::argument("a model is a table").help("write [[model]] before each model"))?;
    known(table, &["path", "output", "options", "timeout", "memory"], "a model")?;
    let text = |key: &str| match table.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(PathBuf::from(text))),
        Some(other) => Err(wrong(key, "a string", other)),
    };
    let path = text("path")?.ok_or_else(|| Error::argument("`path` is missing").help("for example: path = \"resnet18.pt\""))?;
    Ok(Entry { path, output: text("output")?, options: options(table)?, timeout: timeout(table)?, memory: memory(table)? })
}

fn known(table: &Table, keys: &[&str], of: &str) -> Result<()> {
    match table.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(key) => Err(Error::argument(format!("{of} has no key `{key}`")).help(format!("the keys are: {}", keys.join(", ")))),
        None => Ok(()),
    }
}

fn wrong(key: &str, expected: &str, got: &Value) -> Error {
    Error::argument(format!("`{key}` is {}, expected {expected}", got.type_str()))
}

fn options(table: &Table) -> Result<Vec<String>> {
    let strings = |value: &Value| value.as_array()?.iter().map(|item| Some(item.as_str()?.to_string())).collect::<Option<Vec<_>>>();
    match table.get("options") {
        None => Ok(Vec::new()),
        Some(value) => {
            strings(value).ok_or_else(|| wrong("options", "a list of strings", value).help("for example: options = [\"--effort\", \"1\"]"))
        }
    }
}

fn timeout(table: &Table) -> Result<Option<f64>> {
    match table.get("timeout") {
        None => Ok(None),
        Some(Value::Integer(n)) if *n > 0 => Ok(Some(*n as f64)),
        Some(Value::Float(x)) if *x > 0.0 && x.is_finite() => Ok(Some(*x)),
        Some(other) => Err(wrong("timeout", "a number of seconds above 0", other)),
    }
}

fn memory(table: &Table) -> Result<Option<u64>> {
    match table.get("memory") {
        None => Ok(None),
        Some(Value::String(text)) => sources::memory(text).map(Some).map_err(|error| Error::argument(format!("`memory`: {error}"))),
        Some(other) => Err(wrong("memory", "a size such as \"8GB\"", other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_has_options_for_all_and_for_each() {
        let text = "options = ['--effort', '1']\ntimeout = 60\n[[model]]\npath = 'a.pt'\noptions = ['--dynamic', 'all']\nmemory = '8GB'\n[[model]]\npath = 'b.pt'";
        let manifest = Manifest::parse(text).unwrap();
        assert_eq!((manifest.options.len(), manifest.timeout, manifest.entries.len()), (2, Some(60.0), 2));
        assert_eq!((manifest.entries[0].memory, manifest.entries[0].options.len()), (Some(8_000_000_000), 2));
        assert_eq!(manifest.entries[1], Entry { path: "b.pt".into(), ..Entry::default() });
    }

    #[test]
    fn what_a_manifest_has_not_is_refused() {
        for (text, says) in [
            ("optoins = []", "no key `optoins`"),
            ("options = 'x'", "expected a list of strings"),
            ("timeout = -1", "above 0"),
            ("memory = '8 apples'", "8GB"),
            ("model = 3", "no list"),
            ("[[model]]\noutput = 'x'", "`path` is missing"),
            ("[[model]]\npath = 3", "expected a string"),
            ("[[model]", "TOML"),
        ] {
            let error = Manifest::parse(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
