//! `ontrace strip`: an ONNX file without what it says of where it comes from.

use crate::convert::same_file;
use crate::fail::Outcome;
use crate::say::{Say, bytes};
use ontrace::onnx::Model;
use ontrace::{At, Error, Traced};
use serde_json::json;
use std::path::PathBuf;

/// The arguments of `ontrace strip`.
#[derive(clap::Args)]
pub struct Strip {
    /// The ONNX file
    model: PathBuf,
    /// The ONNX file to write
    #[arg(short, long)]
    output: PathBuf,
}

impl Strip {
    /// Runs the command.
    pub fn run(&self, say: &Say) -> Outcome {
        if same_file(&self.output, &self.model) {
            return Err(Error::argument(format!("{} would be written over itself", self.model.display())).help("give another file").into());
        }
        let mut model = Model::open(&self.model)?;
        // The conditions go with the rest: whoever strips a file should know that it had some.
        let guards = Traced::from_model(model.clone()).map(|traced| traced.guards().iter().map(ToString::to_string).collect::<Vec<_>>());
        let guards = guards.unwrap_or_default();
        for guard in &guards {
            say.note(&format!("the file no longer says that it holds only where {guard}"));
        }
        model.strip();
        let saved = model.save(&self.output).at(self.output.display())?;
        let text = format!("wrote       {}   {} · sha256 {}…", self.output.display(), bytes(saved.bytes), &saved.sha256[..8]);
        say.answer(
            &text,
            json!({
                "schema": "ontrace.strip/1",
                "input": self.model.display().to_string(),
                "output": self.output.display().to_string(),
                "bytes": saved.bytes,
                "sha256": saved.sha256,
                "guards": guards,
            }),
        );
        Ok(())
    }
}
