//! `ontrace check`: whether a model is valid, runs here, and agrees with a reference.

use crate::array_files;
use crate::console::{Console, count, printable};
use crate::error::{CommandError, CommandResult};
use crate::inputs::{Inputs, Prepared};
use crate::tolerance::{Effort, Tolerances};
use crate::verification::{compared, number, percent, report_json, session, special, table, traced, unvaried, verified};
use ontrace::array::{Comparison, compare};
use ontrace::check::{Checker, fill_inputs};
use ontrace::onnx::{DataSet, Model, check_schemas, verify};
use ontrace::read::{self, Format, OnnxModule};
use ontrace::runtime::Session;
use ontrace::{Array, DynModule, Error, ErrorCode, Example, ResultExt, Tensor, Traced};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The arguments of `ontrace check`.
#[derive(clap::Args)]
pub struct Check {
    /// The model: .pt, .pt2 or .onnx, or a folder with model.onnx; test vectors beside an .onnx file (test_data_set_0 …) are run
    model: PathBuf,
    #[command(flatten)]
    inputs: Inputs,
    /// A reference: a model that must give the same outputs, or recorded outputs (.npz, .safetensors: y, y_0 … or out_0 …) for the given inputs
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// If the outputs differ, write the smallest failing subgraph to this folder: model.onnx and test_data_set_0
    #[arg(long, value_name = "DIR")]
    repro: Option<PathBuf>,
    #[command(flatten)]
    tolerances: Tolerances,
    #[command(flatten)]
    effort: Effort,
}

impl Check {
    /// Runs the command.
    pub fn run(&self, console: &Console) -> CommandResult {
        let path = if self.model.is_dir() { self.model.join("model.onnx") } else { self.model.clone() };
        let model = read::open(&path)?;
        let mut text = String::new();
        let mut data_sets = Vec::new();
        if model.format == Format::Onnx {
            let onnx = Model::open(&path)?;
            schemas(&onnx)?;
            for warning in verify(&onnx).warnings {
                text.push_str(&format!("warning: {}\n", printable(&warning.to_string())));
            }
            for (name, set) in DataSet::beside(&path)? {
                let started = Instant::now();
                data_sets.push(self.test_vectors(&name, &set, &model, &onnx, &mut text)?);
                console.progress("checked", &name, started);
            }
        }
        let format = model.format;
        let prepared = self.inputs.apply(model)?;
        prepared.notes.iter().for_each(|note| console.note(note));
        let model = &prepared.model;
        let (traced, example) = traced(&prepared, console)?;
        if format == Format::Onnx {
            declarations(&path, &traced, &example)?;
        }
        text.push_str(&format!("valid       {}\n", count(traced.graph().nodes().len(), "operator")));
        let is_recorded = |path: &&PathBuf| matches!(path.extension().and_then(|e| e.to_str()), Some("npz" | "npy" | "safetensors"));
        if let Some(path) = self.against.as_ref().filter(is_recorded) {
            return self.against_outputs(path, (&prepared, &traced), console, text);
        }
        let options = self.effort.options(self.tolerances.options());
        let repro = self.repro.as_deref();
        let started = Instant::now();
        let verdict = match (&self.against, traced.session()) {
            (Some(path), session) => {
                let reference = read::open(path)?;
                // Another model may compute the same with other operators, so the graphs are not compared.
                let checker = Checker::new(&reference, &traced, &example).options(options.retrace(false));
                match &session {
                    Ok(session) => {
                        text.push_str(&runs_here(session));
                        verified(&checker.candidate(session), repro, console)?
                    }
                    Err(error) => {
                        text.push_str(&format!("runs here   no, tract fails: {}\n", printable(&error.to_string())));
                        verified(&checker, repro, console)?
                    }
                }
            }
            (None, Ok(session)) => {
                text.push_str(&runs_here(&session));
                verified(&Checker::new(model, &traced, &example).candidate(&session).options(options), repro, console)?
            }
            (None, Err(error)) => {
                text.push_str(&format!("runs here   no, tract fails: {}\n", printable(&error.to_string())));
                verified(&Checker::new(model, &traced, &example).options(options), repro, console)?
            }
        };
        let report = &verdict.report;
        let failure = verdict.failure.or_else(|| unvaried(report));
        let value = json!({
            "schema": "ontrace.check/1",
            "ok": failure.is_none(),
            "reference": self.against.as_ref().map_or_else(|| "ontrace's interpreter of the file".to_string(), |path| path.display().to_string()),
            "check": report_json(report),
            "test_data_sets": data_sets,
        });
        if let Some(error) = failure {
            console.table(&table(report));
            return Err(failed(error, value));
        }
        console.progress("verified", &compared(report), started);
        text.push_str(&table(report));
        console.result(&text, value);
        Ok(())
    }

    /// Compares the outputs of a set of test vectors with those of the eager kernels and of tract.
    fn test_vectors(&self, name: &str, set: &DataSet, model: &dyn DynModule, onnx: &Model, text: &mut String) -> ontrace::Result<Value> {
        let arrays: Vec<Array> = set.inputs.iter().map(|input| input.1.clone()).collect();
        let tensors: Vec<Tensor> = arrays.iter().cloned().map(Tensor::from).collect();
        let eager =
            || ontrace::ops::seeded(0, || model.forward(&tensors))?.iter().map(Tensor::to_array).collect::<ontrace::Result<Vec<_>>>();
        let tract = || Session::new(onnx)?.run(&arrays);
        let mut result = json!({"name": name});
        for (backend, outputs) in [("eager", eager()), ("tract", tract())] {
            let outputs = outputs.at(backend).at(name)?;
            let mut max_abs: f64 = 0.0;
            for (i, (output, expected)) in set.outputs.iter().enumerate() {
                let missing = || Error::new(ErrorCode::Mismatch, format!("output {i} is missing"));
                let got = outputs.get(i).ok_or_else(missing).at(backend).at(name)?;
                let comparison = self.compared(got, expected).at(format!("output {i} ({})", printable(output))).at(backend).at(name)?;
                max_abs = max_abs.max(comparison.max_abs);
            }
            text.push_str(&format!(
                "{name:<18} {backend:<6} {}, largest difference {max_abs:.1e}   agrees\n",
                count(set.outputs.len(), "output")
            ));
            result[backend] = json!({"max_abs": max_abs});
        }
        Ok(result)
    }

    /// The difference between an array and its expected value; an error if it exceeds the tolerance.
    fn compared(&self, got: &Array, expected: &Array) -> ontrace::Result<Comparison> {
        let comparison = compare(got, expected, self.tolerances.of(got.dtype()))?;
        match &comparison.worst {
            Some((index, got, expected)) if !comparison.agrees => {
                Err(Error::new(ErrorCode::Mismatch, format!("at {index:?}: expected {expected}, got {got}")))
            }
            _ => Ok(comparison),
        }
    }

    /// Compares the outputs for the given inputs with recorded ones.
    fn against_outputs(&self, path: &Path, (prepared, traced): (&Prepared, &Traced), console: &Console, mut text: String) -> CommandResult {
        prepared.refuse_missing()?;
        let file = if self.model.is_dir() { self.model.join("model.onnx") } else { self.model.clone() };
        let session = session(&file, prepared.model.format, Ok(traced)).at("tract").at(file.display())?;
        text.push_str(&runs_here(&session));
        let tensors = prepared
            .example
            .tensors()
            .iter()
            .map(|tensor| tensor.to_array().map(Tensor::from))
            .collect::<ontrace::Result<Vec<_>>>()
            .map_err(|error| error.help("give the recorded inputs: -i x=@in.npy"))?;
        let outputs = ontrace::ops::seeded(0, || session.forward(&tensors)).at(file.display())?;
        let recorded = array_files::read_all(path)?;
        let names = outputs.names();
        let (mut results, mut failure) = (Vec::new(), None);
        for (i, output) in outputs.iter().enumerate() {
            let candidates =
                [names.get(i).cloned().unwrap_or_default(), format!("out_{i}"), format!("y_{i}"), "y".to_string(), "array".to_string()];
            let missing = || {
                let tried: Vec<&str> = candidates.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
                Error::input(format!("no recorded output {i}")).help(format!("name it one of: {}", tried.join(", "))).at(path.display())
            };
            let expected = candidates.iter().find_map(|name| recorded.get(name)).ok_or_else(missing)?;
            let got = output.to_array()?;
            let comparison = compare(&got, expected, self.tolerances.of(got.dtype())).at(format!("output {i}"))?;
            let (verdict, position) = match &comparison.closest_to_limit {
                Some((index, got, expected)) => {
                    (if comparison.agrees { "agrees" } else { "differs" }, format!(" at {index:?}: expected {expected}, got {got}"))
                }
                None => ("agrees", String::new()),
            };
            let share = percent(comparison.share);
            text.push_str(&format!(
                "   output {i:<6} largest difference {:.1e}, {share} of the limit{position}   {verdict}\n",
                comparison.max_abs
            ));
            if let Some(note) = special(expected)? {
                text.push_str(&format!("   warning: output {i}: {note}\n"));
            }
            results.push(json!({
                "output": i,
                "agrees": comparison.agrees,
                "max_abs": number(comparison.max_abs),
                "max_rel": number(comparison.max_rel),
                "share": number(comparison.share),
                "worst": comparison.closest_to_limit.as_ref().map(|(index, got, expected)| json!({"index": index, "got": number(*got), "expected": number(*expected)})),
            }));
            if !comparison.agrees && failure.is_none() {
                failure = Some(
                    Error::new(ErrorCode::Mismatch, format!("{} of {} elements differ{position}", comparison.outside, got.len()))
                        .at(format!("output {i}")),
                );
            }
        }
        let value =
            json!({"schema": "ontrace.check/1", "ok": failure.is_none(), "reference": path.display().to_string(), "outputs": results});
        if let Some(error) = failure {
            console.table(&text);
            return Err(CommandError { report: Some(Box::new(value)), ..CommandError::from(error) });
        }
        console.result(&text, value);
        Ok(())
    }
}

/// The error of a check with its report; that sizes are not verified is no difference.
fn failed(error: Error, report: Value) -> CommandError {
    let error = match error.code() {
        ErrorCode::Unverified => {
            let help = error.help_line().unwrap_or_default().to_string();
            Error::new(error.code(), format!("not verified: {error}")).help(help)
        }
        _ => error,
    };
    CommandError { report: Some(Box::new(report)), ..CommandError::from(error) }
}

/// Refuses a file whose nodes are not as ONNX's schemas allow.
fn schemas(model: &Model) -> Result<(), CommandError> {
    refuse(check_schemas(model))
}

/// Refuses a file that declares types of outputs or other values that they do not have.
fn declarations(path: &Path, traced: &Traced, example: &Example) -> Result<(), CommandError> {
    let module = OnnxModule::new(Model::open(path)?)?.with_inputs(example)?;
    // Where the graph needs values to run at all, types cannot be inferred without them.
    let with_values = || {
        let (filled, _) = fill_inputs(example, Some(traced), 0)?;
        let values = filled.tensors().iter().map(|tensor| tensor.to_array().map(Tensor::from)).collect::<ontrace::Result<Vec<_>>>()?;
        ontrace::ops::seeded(0, || module.wrong_declarations(&values))
    };
    refuse(module.wrong_declarations(&example.clone().shapes_only().tensors()).or_else(|_| with_values()).unwrap_or_default())
}

/// The first of several findings as the answer no, with the others in its help.
fn refuse(found: Vec<Error>) -> Result<(), CommandError> {
    const SHOWN: usize = 10;
    let others: Vec<String> = found.iter().skip(1).take(SHOWN).map(ToString::to_string).collect();
    let more = found.len().saturating_sub(1 + SHOWN);
    match found.into_iter().next() {
        None => Ok(()),
        Some(error) if others.is_empty() => Err(CommandError { exit: 3, error, report: None }),
        Some(error) => {
            let more = if more == 0 { String::new() } else { format!("\n   and {more} more") };
            Err(CommandError { exit: 3, error: error.help(format!("there is more:\n   {}{more}", others.join("\n   "))), report: None })
        }
    }
}

/// Which nodes do not run on tract, and why; repeated lines are counted.
fn runs_here(session: &Session) -> String {
    let explained = session.explain();
    let mut text = String::from("runs here   yes, on tract");
    if !explained.is_empty() {
        text.push_str(&format!("; {} on ontrace's kernels:", count(explained.len(), "node")));
    }
    text.push('\n');
    const SHOWN: usize = 8;
    explained.iter().take(SHOWN).for_each(|line| text.push_str(&format!("            {}\n", printable(line))));
    if explained.len() > SHOWN {
        text.push_str(&format!("            and {} more\n", explained.len() - SHOWN));
    }
    text
}
