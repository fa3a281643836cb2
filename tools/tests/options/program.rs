//! The program as tests run it: in a folder of its own, with files that they write.

use ontrace::onnx::Model;
use ontrace::{Array, read};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder, and the program run in it.
pub struct Folder(tempfile::TempDir);

/// What a run gave.
pub struct Ran {
    pub exit: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Ran {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The run, where it ended with this exit code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Ran {
        assert_eq!(self.exit, code, "stderr: {}\nstdout: {}", self.stderr, self.text());
        self
    }

    /// The run, where stderr has each of these texts.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Ran {
        for text in texts {
            assert!(self.stderr.contains(text), "no `{text}` in: {}", self.stderr);
        }
        self
    }
}

impl Folder {
    pub fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs the program with these arguments.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ontrace"));
        let output = command.args(arguments).env("NO_COLOR", "1").current_dir(self.0.path()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Ran { exit: output.status.code().unwrap_or(-1), stdout: output.stdout, stderr }
    }

    /// Writes an .npy file, or an .npz file by its extension.
    pub fn write(&self, name: &str, arrays: &[(&str, Array)]) {
        let named: Vec<(String, Array)> = arrays.iter().map(|(name, array)| (name.to_string(), array.clone())).collect();
        let bytes = match name.ends_with(".npz") {
            true => read::numpy::write_npz(&named),
            false => read::numpy::write_npy(&named[0].1),
        };
        std::fs::write(self.path(name), bytes.unwrap()).unwrap();
    }

    /// The arrays of an .npz file that the program wrote.
    pub fn outputs(&self, name: &str) -> Vec<Array> {
        let bytes = std::fs::read(self.path(name)).unwrap();
        read::numpy::read_npz(&bytes.into()).unwrap().into_values().collect()
    }

    /// Writes a model after a change to its message.
    pub fn save(&self, name: &str, mut model: Model, change: impl FnOnce(&mut Model)) {
        change(&mut model);
        std::fs::write(self.path(name), model.to_bytes().unwrap()).unwrap();
    }
}

/// A file of the project's test data.
pub fn data(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data").join(name).to_str().unwrap().to_string()
}
