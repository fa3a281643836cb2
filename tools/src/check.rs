//! `ontrace check`: whether a model is valid, runs here, and agrees with a reference.

use crate::console::{Console, count, printable};
use crate::error::{CommandError, CommandResult};
use crate::inputs::Inputs;
use crate::limit::Limit;
use crate::recorded::{against_recorded, shows_nothing};
use crate::tolerance::{Effort, Tolerances};
use crate::verification::{compared, interpreter, not_verified, report_json, special, table, traced, unvaried, verified};
use ontrace::array::{Comparison, compare};
use ontrace::check::{Checker, by_position, check_verification_memory, fill_inputs, memory_limit};
use ontrace::module::{Outputs, output_order};
use ontrace::onnx::{DataSet, Model, check_schemas, verify};
use ontrace::read::{self, Format, LoadedModel, OnnxModule};
use ontrace::runtime::Session;
use ontrace::{Array, DynModule, Error, ErrorCode, Example, ResultExt, Tensor, Traced, record};
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
    /// Refuse what is valid but not to be trusted: data files with other names (hard links) or wrong checksums, names that hide characters or are very long
    #[arg(long)]
    strict: bool,
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
    #[command(flatten)]
    limit: Limit,
}

impl Check {
    /// The file of the model: in a folder that has one, model.onnx.
    fn file(&self) -> PathBuf {
        let inner = self.model.join("model.onnx");
        if inner.is_file() { inner } else { self.model.clone() }
    }

    /// Runs the command.
    pub fn run(&self, console: &Console) -> CommandResult {
        let path = self.file();
        let model = self.limit.apply(read::open(&path)?);
        let mut text = String::new();
        let mut data_sets = Vec::new();
        if model.format == Format::Onnx {
            let onnx = Model::open(&path)?;
            schemas(&onnx)?;
            text.push_str(&crate::strict::findings(&path, &onnx, self.strict)?);
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
        check_verification_memory(&traced, model.size, &prepared.given)?;
        let memory = memory_limit(&traced, model.size, &prepared.given);
        ontrace::isolation::limit_memory(memory);
        if format == Format::Onnx {
            declarations(&path, &traced, &example)?;
            for contradiction in traced.contradicting_axes() {
                text.push_str(&format!("warning: {}\n", printable(&contradiction)));
            }
        }
        text.push_str(&format!("valid       {}\n", count(traced.graph().nodes().len(), "operator")));
        let is_recorded = |path: &&PathBuf| matches!(path.extension().and_then(|e| e.to_str()), Some("npz" | "npy" | "safetensors"));
        if let Some(path) = self.against.as_ref().filter(is_recorded) {
            return against_recorded(path, (&prepared, &traced), (&self.file(), &self.tolerances), console, text);
        }
        let options = self.effort.options(self.tolerances.options()).hold(prepared.scalars.clone()).memory(memory);
        let repro = self.repro.as_deref();
        let started = Instant::now();
        let verdict = match (&self.against, traced.session()) {
            (Some(path), session) => {
                let (reference, note) = Reordered::new(read::open(path)?, &traced, &example);
                note.iter().for_each(|note| console.note(&printable(note)));
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
        let reference = self.against.as_ref().map_or_else(|| interpreter(&path), |path| interpreter(path));
        let failure = verdict.failure.or_else(|| unvaried(report));
        let value = json!({
            "schema": "ontrace.check/1",
            "ok": failure.is_none(),
            "reference": reference,
            "check": report_json(report),
            "test_data_sets": data_sets,
        });
        if let Some(error) = failure {
            console.table(&table(report, &reference));
            return Err(failed(error, value));
        }
        console.progress("verified", &compared(report), started);
        text.push_str(&table(report, &reference));
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
        let (mut result, mut warnings) = (json!({"name": name}), Vec::new());
        for (backend, outputs) in [("eager", eager()), ("tract", tract())] {
            let outputs = outputs.at(backend).at(name)?;
            let mut max_abs: f64 = 0.0;
            for (i, (output, expected)) in set.outputs.iter().enumerate() {
                let missing = || Error::new(ErrorCode::Mismatch, format!("output {i} is missing"));
                let got = outputs.get(i).ok_or_else(missing).at(backend).at(name)?;
                let comparison = self.compared(got, expected).at(format!("output {i} ({})", printable(output))).at(backend).at(name)?;
                max_abs = max_abs.max(comparison.max_abs);
                if backend == "eager"
                    && let Some(warning) =
                        shows_nothing(output, expected)?.or(special(expected)?.map(|note| format!("output {output}: {note}")))
                {
                    text.push_str(&format!("warning: {name}: {}\n", printable(&warning)));
                    warnings.push(warning);
                }
            }
            text.push_str(&format!(
                "{name:<18} {backend:<6} {}, largest difference {max_abs:.1e}   agrees\n",
                count(set.outputs.len(), "output")
            ));
            result[backend] = json!({"max_abs": max_abs});
        }
        result["warnings"] = json!(warnings);
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
}

/// The error of a check with its report; that something was not compared is no difference.
fn failed(error: Error, report: Value) -> CommandError {
    let error = if error.code() == ErrorCode::Unverified { not_verified(error) } else { error };
    CommandError { report: Some(Box::new(report)), ..CommandError::from(error) }
}

/// A reference with its outputs in the order of the model's.
struct Reordered {
    model: LoadedModel,
    order: Vec<usize>,
}

impl Reordered {
    /// The reference with outputs matched by name where both have the same names, else by position; then a note says so.
    fn new(model: LoadedModel, traced: &Traced, example: &Example) -> (Reordered, Option<String>) {
        let expected: Vec<String> = traced.outputs().into_iter().map(|output| output.0).collect();
        let mut names = model.output_names();
        if names.is_empty() {
            let reference = record(&model, example.clone().shapes_only());
            names = reference.map(|traced| traced.outputs().into_iter().map(|output| output.0).collect()).unwrap_or_default();
        }
        let order = output_order(&expected, &names);
        let note = if order.is_none() && expected.len() == names.len() { by_position(&names, &expected) } else { None };
        (Reordered { model, order: order.unwrap_or_default() }, note)
    }
}

impl DynModule for Reordered {
    fn forward(&self, inputs: &[Tensor]) -> ontrace::Result<Outputs> {
        let outputs = self.model.forward(inputs)?;
        let is_ordered = outputs.len() != self.order.len() || self.order.iter().copied().eq(0..outputs.len());
        match is_ordered {
            true => Ok(outputs),
            false => {
                let tensors = outputs.into_tensors();
                Ok(Outputs::from(self.order.iter().filter_map(|&i| tensors.get(i).cloned()).collect::<Vec<_>>()))
            }
        }
    }

    fn input_names(&self) -> Vec<String> {
        self.model.input_names()
    }
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
pub fn runs_here(session: &Session) -> String {
    let explained = session.explain();
    let mut text = String::from("runs here   yes, on tract");
    if !explained.is_empty() {
        text.push_str(&format!("; {} on ontrace's kernels:", count(explained.len(), "node")));
    }
    text.push('\n');
    const SHOWN: usize = 8;
    let lines = by_reason(&explained);
    lines.iter().take(SHOWN).for_each(|line| text.push_str(&format!("            {}\n", printable(line))));
    if lines.len() > SHOWN {
        text.push_str(&format!("            and {} more\n", lines.len() - SHOWN));
    }
    text
}

/// Lines about nodes, `conv1 (Conv) runs on …`, as one line for each operator and reason: the first node, and how many more there are.
fn by_reason(lines: &[String]) -> Vec<String> {
    let mut groups: Vec<(&str, &str, usize)> = Vec::new();
    for line in lines {
        // The name of a node may have parentheses itself.
        let (name, rest) = match line.find(") runs on ").and_then(|end| line[..end].rfind(" (")) {
            Some(at) => line.split_at(at),
            None => (line.as_str(), ""),
        };
        match groups.iter_mut().find(|group| group.1 == rest && !rest.is_empty()) {
            Some(group) => group.2 += 1,
            None => groups.push((name, rest, 0)),
        }
    }
    let one = |(name, rest, more): (&str, &str, usize)| match more {
        0 => format!("{name}{rest}"),
        more => format!("{name} and {more} more{}", rest.replacen(" runs on ", " run on ", 1)),
    };
    groups.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_with_one_reason_are_one_line() {
        let lines =
            ["a (1) (Conv) runs on x: slow", "b (Conv) runs on x: slow", "c (Erf) runs on x: wrong", "note", "note"].map(String::from);
        assert_eq!(by_reason(&lines), ["a (1) and 1 more (Conv) run on x: slow", "c (Erf) runs on x: wrong", "note", "note"]);
    }
}
