//! `ontrace check`: is a model valid, does it run here, does it agree with a reference.

use crate::convert::{checked, report_json, table, traced};
use crate::fail::Outcome;
use crate::inputs::Inputs;
use crate::numbers;
use crate::say::{Say, printable};
use ontrace::array::{Comparison, Tolerance, compare};
use ontrace::check::{CheckOptions, Checker};
use ontrace::onnx::{DataSet, Model, verify};
use ontrace::read::{self, Format};
use ontrace::runtime::Session;
use ontrace::{Array, At, Error, ErrorCode, Module, Tensor};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Instant;

/// The arguments of `ontrace check`.
#[derive(clap::Args)]
pub struct Check {
    /// The model: .pt (TorchScript) or .onnx, or a folder with model.onnx; test vectors beside an .onnx (test_data_set_0 …) are run
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
        let path = if self.model.is_dir() { self.model.join("model.onnx") } else { self.model.clone() };
        let model = read::open(&path)?;
        let mut text = String::new();
        let mut vectors = Vec::new();
        if model.format == Format::Onnx {
            let page = Model::open(&path)?;
            for warning in verify(&page).warnings {
                text.push_str(&format!("warning: {}\n", printable(&warning.to_string())));
            }
            for (name, set) in DataSet::beside(&path)? {
                let since = Instant::now();
                vectors.push(self.vectors(&name, &set, &model, &page, &mut text)?);
                say.step("checking", &name, since);
            }
        }
        let (record, example) = traced(&model, &self.inputs)?;
        text.push_str(&format!("valid       {} operators\n", record.graph().nodes().len()));
        let recorded =
            self.against.as_ref().filter(|path| matches!(path.extension().and_then(|e| e.to_str()), Some("npz" | "npy" | "safetensors")));
        if let Some(path) = recorded {
            return self.against_numbers(path, &model, say, text);
        }
        let options = match self.tolerance() {
            Some(tolerance) => CheckOptions::new().tolerance(tolerance),
            None => CheckOptions::new(),
        };
        let repro = self.repro.as_deref();
        let since = Instant::now();
        let session = record.session();
        let report = match (&self.against, session) {
            (Some(path), _) => {
                let reference = read::open(path)?;
                // Another model may do the same in another way.
                checked(&Checker::new(&reference, &record, &example).options(options.retrace(false)), repro, say)
            }
            (None, Ok(session)) => {
                let foreign = session.explain();
                text.push_str(&format!("runs here   yes, by tract ({} nodes on our kernels)\n", foreign.len()));
                checked(&Checker::new(&model, &record, &example).candidate(&session).options(options), repro, say)
            }
            (None, Err(error)) => {
                text.push_str(&format!("runs here   not by tract: {error}\n"));
                checked(&Checker::new(&model, &record, &example).options(options), repro, say)
            }
        };
        let report = report?;
        say.step("checking", &report.calls.join(" · "), since);
        text.push_str(&table(&report));
        say.answer(&text, json!({"schema": "ontrace.check/1", "ok": true, "check": report_json(&report), "test_data_sets": vectors}));
        Ok(())
    }

    /// The outputs of a set of test vectors beside what our kernels and tract compute.
    fn vectors(&self, name: &str, set: &DataSet, model: &dyn Module, page: &Model, text: &mut String) -> anyhow::Result<Value> {
        let arrays: Vec<Array> = set.inputs.iter().map(|input| input.1.clone()).collect();
        let tensors: Vec<Tensor> = arrays.iter().cloned().map(Tensor::from).collect();
        let ours =
            || ontrace::ops::seeded(0, || model.forward(&tensors))?.iter().map(Tensor::to_array).collect::<ontrace::Result<Vec<_>>>();
        let mut worst = json!({"name": name});
        let by_tract = || Session::new(page)?.run(&arrays);
        for (who, got) in [("eager", ours()), ("tract", by_tract())] {
            let got = got.at(who).at(name)?;
            let mut max_abs: f64 = 0.0;
            for (i, (wanted, expected)) in set.outputs.iter().enumerate() {
                let got = got.get(i).ok_or_else(|| Error::new(ErrorCode::Mismatch, format!("there is no output {i}")).at(who).at(name))?;
                max_abs =
                    max_abs.max(self.compared(got, expected).at(format!("output {i} ({})", printable(wanted))).at(who).at(name)?.max_abs);
            }
            text.push_str(&format!("{name:<18} {who:<6} {} outputs   max abs {max_abs:.1e}   agrees\n", set.outputs.len()));
            worst[who] = json!({"max_abs": max_abs});
        }
        Ok(worst)
    }

    /// How far an array is from what it should be.
    fn compared(&self, got: &Array, expected: &Array) -> ontrace::Result<Comparison> {
        let ty = |array: &Array| format!("{}{:?}", array.dtype(), array.shape());
        let found = compare(got, expected, self.tolerance().unwrap_or(Tolerance::of(got.dtype())));
        let found = found.ok_or_else(|| Error::new(ErrorCode::Mismatch, format!("expected {}, got {}", ty(expected), ty(got))))?;
        match &found.worst {
            Some((index, got, expected)) if !found.agrees => {
                Err(Error::new(ErrorCode::Mismatch, format!("at {index:?}: expected {expected}, got {got}")))
            }
            _ => Ok(found),
        }
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
            let found = self.compared(&got, expected).at(format!("output {i}"))?;
            text.push_str(&format!("   output {i:<6} max abs {:.1e}   max rel {:.1e}   agrees\n", found.max_abs, found.max_rel));
            worst.push(json!({"output": i, "max_abs": found.max_abs, "max_rel": found.max_rel}));
        }
        say.answer(&text, json!({"schema": "ontrace.check/1", "ok": true, "outputs": worst}));
        Ok(())
    }
}
