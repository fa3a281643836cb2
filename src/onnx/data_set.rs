//! Test vectors beside a model: inputs and the outputs that belong to them, in the layout of ONNX's own tests.

use super::atomic_file::{AtomicFile, failed};
use super::proto::TensorProto;
use super::tensor;
use crate::array::{Array, map_file};
use crate::error::{Error, Result, ResultExt};
use prost::Message;
use std::path::{Path, PathBuf};

/// What the folder of a set begins with; its number follows.
const FOLDER: &str = "test_data_set_";

/// Inputs of a model and its outputs for them, by name, in the order of the model.
///
/// In a folder they are `input_0.pb`, `output_0.pb` and so on, one ONNX `TensorProto` each:
/// [the layout of ONNX's backend tests](https://github.com/onnx/onnx/blob/main/docs/OnnxBackendTest.md).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DataSet {
    /// The inputs.
    pub inputs: Vec<(String, Array)>,
    /// The outputs.
    pub outputs: Vec<(String, Array)>,
}

impl DataSet {
    /// Writes the set as the one of this number beside a model; the folder is made where it is missing.
    ///
    /// # Errors
    /// [`Write`](crate::ErrorCode::Write).
    pub fn save(&self, beside: impl AsRef<Path>, number: usize) -> Result<PathBuf> {
        let folder = beside.as_ref().join(format!("{FOLDER}{number}"));
        std::fs::create_dir_all(&folder).map_err(|error| failed(&error, 0, None)).at(folder.display())?;
        for (kind, arrays) in [("input", &self.inputs), ("output", &self.outputs)] {
            for (i, (name, array)) in arrays.iter().enumerate() {
                let path = folder.join(format!("{kind}_{i}.pb"));
                let bytes = tensor::proto(name, array)?.encode_to_vec();
                AtomicFile::save(&path, &bytes)?;
            }
            // What an earlier set had more is no part of this one.
            for i in arrays.len().. {
                if std::fs::remove_file(folder.join(format!("{kind}_{i}.pb"))).is_err() {
                    break;
                }
            }
        }
        Ok(folder)
    }

    /// Reads the set in a folder.
    ///
    /// # Errors
    /// [`Read`](crate::ErrorCode::Read), [`Damaged`](crate::ErrorCode::Damaged); [`Unsupported`](crate::ErrorCode::Unsupported) for what is no tensor of ours.
    pub fn open(folder: impl AsRef<Path>) -> Result<DataSet> {
        let read = |kind: &str| {
            let paths = (0..).map(|i| folder.as_ref().join(format!("{kind}_{i}.pb"))).take_while(|path| path.exists());
            paths.map(|path| one(&path).at(path.display())).collect::<Result<Vec<_>>>()
        };
        Ok(DataSet { inputs: read("input")?, outputs: read("output")? })
    }

    /// The sets in the folder of a model, in their order, each with the name of its own folder.
    ///
    /// # Errors
    /// As [`DataSet::open`].
    pub fn beside(model: impl AsRef<Path>) -> Result<Vec<(String, DataSet)>> {
        let folder = match model.as_ref().parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let entries = std::fs::read_dir(folder).map_err(|error| Error::read(error.to_string()).with_source(error).at(folder.display()))?;
        let number = |name: &str| name.strip_prefix(FOLDER)?.parse::<usize>().ok();
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut found: Vec<(usize, String)> = names.filter_map(|name| Some((number(&name)?, name))).collect();
        found.sort();
        found.into_iter().map(|(_, name)| Ok((name.clone(), DataSet::open(folder.join(name))?))).collect()
    }
}

fn one(path: &Path) -> Result<(String, Array)> {
    let proto = TensorProto::decode(map_file(path)?).map_err(|error| Error::damaged(error.to_string()).with_source(error))?;
    Ok((proto.name.clone(), tensor::array(&proto)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;

    #[test]
    fn what_is_written_is_read_in_order_and_an_older_set_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let named =
            |names: &[&str]| names.iter().map(|name| (name.to_string(), Array::vector(vec![name.len() as i64]))).collect::<Vec<_>>();
        let (many, few) =
            (DataSet { inputs: named(&["x", "yy"]), outputs: named(&["z"]) }, DataSet { inputs: named(&["x"]), outputs: vec![] });
        for number in [10, 2] {
            many.save(&folder, number).unwrap();
        }
        few.save(&folder, 2).unwrap();
        let expected = vec![("test_data_set_2".to_string(), few), ("test_data_set_10".to_string(), many)];
        assert_eq!(DataSet::beside(folder.path().join("model.onnx")).unwrap(), expected);
    }

    #[test]
    fn what_is_no_tensor_is_refused_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let set = DataSet { inputs: vec![("x".into(), Array::scalar(1f32))], outputs: vec![] }.save(&folder, 0).unwrap();
        std::fs::write(set.join("input_0.pb"), b"\xff\xff").unwrap();
        let error = DataSet::open(&set).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Damaged);
        assert!(error.to_string().contains("input_0.pb"), "{error}");
    }
}
