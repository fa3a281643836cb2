//! `ontrace run`: a model on given or random data.

use crate::fail::Outcome;
use crate::inputs::Inputs;
use crate::numbers;
use crate::say::{Say, printable};
use ontrace::read;
use ontrace::{Array, At, Module, Tensor};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Instant;

/// The arguments of `ontrace run`.
#[derive(clap::Args)]
pub struct Run {
    /// The model: .pt (TorchScript) or .onnx
    model: PathBuf,
    #[command(flatten)]
    inputs: Inputs,
    /// What computes: tract, or our own kernels
    #[arg(long, value_enum, default_value_t = Backend::Tract)]
    backend: Backend,
    /// Write the outputs: .npz, .npy or .safetensors; a summary is printed where it is not given
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Backend {
    Tract,
    Eager,
}

impl Run {
    /// Runs the command.
    pub fn run(&self, say: &Say) -> Outcome {
        let model = read::open(&self.model)?;
        let example = self.inputs.example(&model.input_names(), model.example(), true)?;
        if !self.inputs.has_numbers() {
            say.note("random inputs: give numbers with -i NAME=@x.npy");
        }
        let tensors: Vec<Tensor> =
            example.tensors().iter().map(|tensor| tensor.to_array().map(Tensor::from)).collect::<ontrace::Result<_>>()?;
        let since = Instant::now();
        let outputs = match self.backend {
            Backend::Eager => ontrace::ops::seeded(0, || model.forward(&tensors)),
            Backend::Tract => {
                let session = crate::convert::traced(&model, &self.inputs)?.0.session()?;
                session.forward(&tensors)
            }
        };
        let outputs = outputs.at(self.model.display())?;
        say.step("ran", &format!("{} outputs", outputs.len()), since);
        let names = model.output_names();
        let name = |i: usize| names.get(i).cloned().unwrap_or_else(|| if outputs.len() == 1 { "y".to_string() } else { format!("y_{i}") });
        let arrays = outputs
            .iter()
            .enumerate()
            .map(|(i, tensor)| Ok((name(i), tensor.to_array()?)))
            .collect::<ontrace::Result<Vec<(String, Array)>>>()?;
        if let Some(out) = &self.out {
            numbers::write(out, &arrays)?;
        }
        let text: Vec<String> = arrays.iter().map(|(name, array)| format!("{:<14} {array}{}", printable(name), moments(array))).collect();
        let list: Vec<Value> =
            arrays.iter().map(|(name, array)| json!({"name": name, "dtype": array.dtype().name(), "shape": array.shape()})).collect();
        say.answer(
            &text.join("\n"),
            json!({"schema": "ontrace.run/1", "outputs": list, "out": self.out.as_ref().map(|out| out.display().to_string())}),
        );
        Ok(())
    }
}

/// The range and the mean of numbers that are too many to print.
fn moments(array: &Array) -> String {
    let numbers = array.to_f64s();
    if numbers.len() <= 36 || !array.dtype().is_float() {
        return String::new();
    }
    let (low, high) = numbers.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &x| (low.min(x), high.max(x)));
    format!("  min {low:.4} max {high:.4} mean {:.4}", numbers.iter().sum::<f64>() / numbers.len() as f64)
}
