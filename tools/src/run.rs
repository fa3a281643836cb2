//! `ontrace run`: runs a model on given or random inputs.

use crate::array_files;
use crate::console::{Console, count, printable};
use crate::error::CommandResult;
use crate::inputs::Inputs;
use crate::verification::traced;
use ontrace::onnx::Model;
use ontrace::read::{self, Format, LoadedModel};
use ontrace::runtime::Session;
use ontrace::{Array, DynModule, ErrorCode, ResultExt, Tensor};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Instant;

/// The arguments of `ontrace run`.
#[derive(clap::Args)]
pub struct Run {
    /// The model: .pt, .pt2 or .onnx
    model: PathBuf,
    #[command(flatten)]
    inputs: Inputs,
    /// The backend: tract, or ontrace's own kernels (eager)
    #[arg(long, value_enum, default_value_t = Backend::Tract)]
    backend: Backend,
    /// Write the outputs: .npz, .npy or .safetensors; default: print a summary
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Backend {
    Tract,
    Eager,
}

impl Run {
    /// An ONNX file runs as it is, its sizes and axes among the inputs if it has them there; any other model is traced, and so is a file
    /// whose inputs or outputs are not all tensors.
    fn session(&self, model: &LoadedModel) -> ontrace::Result<Session> {
        if model.format == Format::Onnx {
            match Model::open(&self.model).and_then(|file| Session::new(&file)) {
                Err(error) if error.code() == ErrorCode::Unsupported => {}
                session => return session,
            }
        }
        traced(model, &self.inputs)?.0.session()
    }

    /// Runs the command.
    pub fn run(&self, console: &Console) -> CommandResult {
        let model = read::open(&self.model)?;
        let example = self.inputs.example(&model.input_names(), model.example(), true)?;
        if !self.inputs.has_values() {
            console.note("the inputs are random; give values with -i NAME=@x.npy");
        }
        let tensors: Vec<Tensor> =
            example.tensors().iter().map(|tensor| tensor.to_array().map(Tensor::from)).collect::<ontrace::Result<_>>()?;
        let started = Instant::now();
        let outputs = match self.backend {
            Backend::Eager => ontrace::ops::seeded(0, || model.forward(&tensors)),
            Backend::Tract => self.session(&model)?.forward(&tensors),
        };
        let outputs = outputs.at(self.model.display())?;
        console.progress("ran", &count(outputs.len(), "output"), started);
        let arrays = outputs
            .names()
            .iter()
            .zip(&outputs)
            .map(|(name, tensor)| Ok((name.clone(), tensor.to_array()?)))
            .collect::<ontrace::Result<Vec<(String, Array)>>>()?;
        if let Some(out) = &self.out {
            array_files::write(out, &arrays)?;
        }
        let line = |(name, array): &(String, Array)| -> ontrace::Result<String> {
            Ok(format!("{:<14} {array}{}", printable(name), statistics(array)?))
        };
        let text = arrays.iter().map(line).collect::<ontrace::Result<Vec<String>>>()?;
        let list: Vec<Value> =
            arrays.iter().map(|(name, array)| json!({"name": name, "dtype": array.dtype().name(), "shape": array.shape()})).collect();
        console.result(
            &text.join("\n"),
            json!({"schema": "ontrace.run/1", "outputs": list, "out": self.out.as_ref().map(|out| out.display().to_string())}),
        );
        Ok(())
    }
}

/// Minimum, maximum and mean of a float array that is too large to print.
fn statistics(array: &Array) -> ontrace::Result<String> {
    let values = array.to_f64s()?;
    if values.len() <= 36 || !array.dtype().is_float() {
        return Ok(String::new());
    }
    let (low, high) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &x| (low.min(x), high.max(x)));
    Ok(format!("  min {low:.4} max {high:.4} mean {:.4}", values.iter().sum::<f64>() / values.len() as f64))
}
