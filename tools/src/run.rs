//! `ontrace run`: runs a model on given or random inputs.

use crate::array_files;
use crate::console::{Console, count, printable};
use crate::error::CommandResult;
use crate::inputs::{Inputs, Prepared};
use crate::limit::Limit;
use crate::verification::{session, special, traced_unchecked};
use ontrace::check::{FilledInput, check_indices, check_memory, fill_inputs, memory_limit};
use ontrace::read;
use ontrace::work::LoopBudget;
use ontrace::{Array, DynModule, ErrorCode, Example, ResultExt, Tensor, Traced};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The arguments of `ontrace run`.
#[derive(clap::Args)]
pub struct Run {
    /// The model: .pt, .pt2 or .onnx
    model: PathBuf,
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    limit: Limit,
    /// The backend: tract, or ontrace's own kernels (eager)
    #[arg(long, value_enum, default_value_t = Backend::Tract)]
    backend: Backend,
    /// Write the outputs: .npz, .npy or .safetensors, or - for .npz on standard output; default: print a summary
    #[arg(short, long, alias = "output")]
    out: Option<PathBuf>,
}

/// What runs a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Backend {
    Tract,
    Eager,
}

impl Run {
    /// Runs the command.
    pub fn run(&self, console: &Console) -> CommandResult {
        self.out.as_deref().map(array_files::check_format).transpose()?;
        let prepared = self.inputs.apply(self.limit.apply(read::open(&self.model)?))?;
        let Ready { prepared, traced, arrays, made_up, .. } = ready(prepared, console)?;
        let tensors: Vec<Tensor> = arrays.into_iter().map(Tensor::from).collect();
        let started = Instant::now();
        let eager = || ontrace::ops::seeded(0, || prepared.model.forward(&tensors));
        let shown = console.working("running");
        let outputs = match self.backend {
            Backend::Eager => eager(),
            Backend::Tract => {
                let session =
                    session(&self.model, prepared.model.format, traced.as_ref().map_err(Clone::clone)).at(self.model.display())?;
                let _budget = LoopBudget::of_file(prepared.model.size);
                // Where tract fails, the interpreter says which node and why, if it fails too.
                session.forward(&tensors).map_err(|error| match error.code() {
                    ErrorCode::Runtime => eager().err().unwrap_or(error),
                    _ => error,
                })
            }
        };
        drop(shown);
        let outputs = outputs.at(self.model.display())?;
        console.progress("ran", &count(outputs.len(), "output"), started);
        let arrays = outputs
            .names()
            .iter()
            .zip(&outputs)
            .map(|(name, tensor)| Ok((name.clone(), tensor.to_array()?)))
            .collect::<ontrace::Result<Vec<(String, Array)>>>()?;
        for (name, array) in &arrays {
            if let Some(note) = special(array)? {
                console.warning(&printable(&format!("output {name}: {note}")));
            }
        }
        if let Some(out) = &self.out {
            array_files::write(out, &arrays)?;
        }
        let is_stdout = self.out.as_deref() == Some(Path::new(array_files::STDOUT));
        let line = |(name, array): &(String, Array)| -> ontrace::Result<String> {
            Ok(format!("{:<14} {array}{}", printable(name), statistics(array)?))
        };
        let text = arrays.iter().map(line).collect::<ontrace::Result<Vec<String>>>()?;
        let list: Vec<Value> =
            arrays.iter().map(|(name, array)| json!({"name": name, "dtype": array.dtype().name(), "shape": array.shape()})).collect();
        let value = json!({
            "schema": "ontrace.run/1",
            "outputs": list,
            "out": self.out.as_ref().map(|out| out.display().to_string()),
            "made_up": made_up.iter().map(|input| json!({"input": input.name, "values": input.values})).collect::<Vec<_>>(),
        });
        match is_stdout {
            true => console.result_beside(&text.join("\n"), value),
            false => console.result(&text.join("\n"), value),
        }
        Ok(())
    }
}

/// A model with values for all of its inputs.
pub struct Ready {
    pub prepared: Prepared,
    /// The traced graph, or why there is none.
    pub traced: ontrace::Result<Traced>,
    /// The example with values.
    pub example: Example,
    /// The values of the inputs, in order.
    pub arrays: Vec<Array>,
    /// The inputs that nobody gave.
    pub made_up: Vec<FilledInput>,
    /// How long the trace took.
    pub tracing: Duration,
}

/// Makes up the inputs that nobody gave and says so, and checks that the model can run on all of them.
///
/// # Errors
/// [`Input`](ErrorCode::Input) where some were given and others not, and where they do not fit.
pub fn ready(prepared: Prepared, console: &Console) -> ontrace::Result<Ready> {
    prepared.notes.iter().for_each(|note| console.note(note));
    prepared.refuse_missing()?;
    // The trace says what inputs are used for, so that made-up values fit and indices can be checked.
    let started = Instant::now();
    let traced = traced_unchecked(&prepared, console);
    let tracing = started.elapsed();
    let (example, made_up) = match &traced {
        Ok((traced, example)) => {
            check_memory(traced, prepared.model.size, &prepared.given)?;
            ontrace::isolation::limit_memory(memory_limit(traced, prepared.model.size, &prepared.given));
            fill_inputs(example, Some(traced), 0)?
        }
        // An input that does not fit is better named than what it leads to. What takes too much while it is traced takes too much when it runs.
        Err(error) if matches!(error.code(), ErrorCode::Input | ErrorCode::TooBig) => return Err(error.clone()),
        Err(_) => fill_inputs(&prepared.example, None, 0)?,
    };
    made_up.iter().for_each(|input| console.note(&printable(&input.to_string())));
    let arrays = example.tensors().iter().map(Tensor::to_array).collect::<ontrace::Result<Vec<_>>>()?;
    if let Ok((traced, _)) = &traced {
        check_indices(traced, &arrays)?;
    }
    Ok(Ready { prepared, traced: traced.map(|traced| traced.0), example, arrays, made_up, tracing })
}

/// A number with four digits behind the point, or with an exponent where these would say nothing.
fn brief(x: f64) -> String {
    if x == 0.0 || !x.is_finite() || (1e-3..1e6).contains(&x.abs()) { format!("{x:.4}") } else { format!("{x:.3e}") }
}

/// Minimum, maximum and mean of a float array that is too large to print.
fn statistics(array: &Array) -> ontrace::Result<String> {
    if array.len() <= 36 || !array.dtype().is_float() {
        return Ok(String::new());
    }
    let (mut low, mut high, mut sum) = (f64::INFINITY, f64::NEG_INFINITY, 0.0);
    array.for_each_f64(|x| (low, high, sum) = (low.min(x), high.max(x), sum + x))?;
    let mean = sum / array.len() as f64;
    Ok(format!("  min {} max {} mean {}", brief(low), brief(high), brief(mean)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_values_keep_their_digits() {
        assert_eq!([0.0, 0.25, -1.25e-7, 3e12].map(brief), ["0.0000", "0.2500", "-1.250e-7", "3.000e12"]);
    }
}
