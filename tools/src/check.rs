//! `ontrace check`: is a model valid, does it run here, does it agree with a reference.

use crate::convert::{checked, report_json, table, traced};
use crate::fail::Outcome;
use crate::inputs::Inputs;
use crate::numbers;
use crate::say::{Say, printable};
use ontrace::array::{Tolerance, compare};
use ontrace::check;
use ontrace::onnx::{Model, verify};
use ontrace::read::{self, Format};
use ontrace::{Code, Error, Module, Tensor};
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

/// The arguments of `ontrace check`.
#[derive(clap::Args)]
pub struct Check {
    /// The model: .pt (TorchScript) or .onnx
    model: PathBuf,
    #[command(flatten)]
    inputs: Inputs,
    /// A model that must give the same answers, or the recorded outputs (.npz, .safetensors: y, y_0 … or out_0 …) for the given inputs
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Where the answers differ, write the smallest part that is wrong to this folder: model.onnx and test_data_set_0
    #[arg(long, value_name = "DIR")]
    repro: Option<PathBuf>,
    /// The absolute part of the tolerance; by dtype where it is not given
    #[arg(long)]
    atol: Option<f64>,
    /// The relative part of the tolerance; by dtype where it is not given
    #[arg(long)]
    rtol: Option<f64>,
}

impl Check {
    fn tolerance(&self) -> Option<Tolerance> {
        (self.atol.is_some() || self.rtol.is_some()).then(|| Tolerance { abs: self.atol.unwrap_or(0.0), rel: self.rtol.unwrap_or(0.0) })
    }

    /// Runs the command.
    pub fn run(&self, say: &Say) -> Outcome {
        let model = read::open(&self.model)?;
        let mut text = String::new();
        if model.format == Format::Onnx {
            for warning in verify(&Model::open(&self.model)?).warnings {
                text.push_str(&format!("warning: {}\n", printable(&warning.to_string())));
            }
        }
        let (record, example) = traced(&model, &self.inputs)?;
        text.push_str(&format!("valid       {} operators\n", record.graph().nodes().len()));
        let recorded =
            self.against.as_ref().filter(|path| matches!(path.extension().and_then(|e| e.to_str()), Some("npz" | "npy" | "safetensors")));
        if let Some(path) = recorded {
            return self.against_numbers(path, &model, say, text);
        }
        let options = check::Check { tolerance: self.tolerance(), ..check::Check::default() };
        let repro = self.repro.as_deref();
        let since = Instant::now();
        let session = record.session();
        let report = match (&self.against, session) {
            (Some(path), _) => {
                let reference = read::open(path)?;
                // Another model may do the same in another way.
                let options = check::Check { again: false, ..options };
                checked((&reference, &record, &record), &example, &options, repro, say)
            }
            (None, Ok(session)) => {
                let foreign = session.explain();
                text.push_str(&format!("runs here   yes, by tract ({} nodes on our kernels)\n", foreign.len()));
                checked((&model, &record, &session), &example, &options, repro, say)
            }
            (None, Err(error)) => {
                text.push_str(&format!("runs here   not by tract: {error}\n"));
                checked((&model, &record, &record), &example, &options, repro, say)
            }
        };
        let report = report?;
        say.step("checking", &report.calls.join(" · "), since);
        text.push_str(&table(&report));
        say.answer(&text, json!({"schema": "ontrace.check/1", "ok": true, "check": report_json(&report)}));
        Ok(())
    }

    /// The outputs for the given inputs beside recorded ones.
    fn against_numbers(&self, path: &std::path::Path, model: &dyn Module, say: &Say, mut text: String) -> Outcome {
        let names = model.input_names();
        let example = self.inputs.example(&names, None, false)?;
        let tensors = example
            .tensors()
            .iter()
            .map(|tensor| tensor.to_array().map(Tensor::from))
            .collect::<ontrace::Result<Vec<_>>>()
            .map_err(|error| error.help("give the inputs that were recorded: -i x=@in.npy"))?;
        let outputs = ontrace::ops::seeded(0, || model.forward(&tensors))?;
        let recorded = numbers::read_all(path)?;
        let names = model.output_names();
        let mut worst = Vec::new();
        for (i, output) in outputs.iter().enumerate() {
            let candidates =
                [names.get(i).cloned().unwrap_or_default(), format!("out_{i}"), format!("y_{i}"), "y".to_string(), "array".to_string()];
            let expected = candidates
                .iter()
                .find_map(|name| recorded.get(name))
                .ok_or_else(|| Error::input(format!("no recorded output {i}")).help(format!("one of: {}", candidates.join(", "))))?;
            let got = output.to_array()?;
            let tolerance = self.tolerance().unwrap_or(Tolerance::of(got.dtype()));
            let found = compare(&got, expected, tolerance).ok_or_else(|| {
                Error::new(
                    Code::Mismatch,
                    format!("output {i}: expected {}{:?}, got {}{:?}", expected.dtype(), expected.shape(), got.dtype(), got.shape()),
                )
            })?;
            if let (false, Some((index, got, expected))) = (found.agrees, &found.worst) {
                return Err(Error::new(Code::Mismatch, format!("output {i} at {index:?}: expected {expected}, got {got}")).into());
            }
            text.push_str(&format!("   output {i:<6} max abs {:.1e}   max rel {:.1e}   agrees\n", found.max_abs, found.max_rel));
            worst.push(json!({"output": i, "max_abs": found.max_abs, "max_rel": found.max_rel}));
        }
        say.answer(&text, json!({"schema": "ontrace.check/1", "ok": true, "outputs": worst}));
        Ok(())
    }
}
