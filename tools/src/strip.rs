//! `ontrace strip`: removes ontrace's metadata from an ONNX file.

use crate::console::{Console, bytes, short_hash};
use crate::convert::same_file;
use crate::error::CommandResult;
use ontrace::onnx::Model;
use ontrace::read::Format;
use ontrace::{Error, ResultExt, Traced};
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
    pub fn run(&self, console: &Console) -> CommandResult {
        if same_file(&self.output, &self.model) {
            return Err(Error::argument(format!("{} would be overwritten by its own result", self.model.display()))
                .help("give another output file: -o OUT.onnx")
                .into());
        }
        let format = Format::of_file(&self.model)?;
        if format != Format::Onnx {
            let error =
                Error::argument(format!("{} is {}, not ONNX: only ONNX files have metadata to strip", self.model.display(), format.name()));
            return Err(error.help("convert it first").into());
        }
        let mut model = Model::open(&self.model)?;
        // The guards are metadata, too: who removes them should know them.
        let guards = Traced::from_model(model.clone()).map(|traced| traced.guards().iter().map(ToString::to_string).collect::<Vec<_>>());
        let guards = guards.unwrap_or_default();
        for guard in &guards {
            console.note(&format!("removed a guard: the model is valid only for {guard}"));
        }
        model.strip();
        let saved = model.save(&self.output).at(self.output.display())?;
        let text = format!(
            "wrote       {}   {} · blake3 {}…",
            crate::console::printable(&self.output.display().to_string()),
            bytes(saved.bytes),
            short_hash(&saved.blake3)
        );
        console.result(
            &text,
            json!({
                "schema": "ontrace.strip/1",
                "input": self.model.display().to_string(),
                "output": self.output.display().to_string(),
                "bytes": saved.bytes,
                "blake3": saved.blake3,
                "guards": guards,
            }),
        );
        Ok(())
    }
}
