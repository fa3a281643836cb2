//! `ontrace convert`: any model to ONNX, verified before it is written.

use crate::array_files;
use crate::console::{Console, bytes, count, error_json, printable, short_hash};
use crate::error::{CommandError, CommandResult};
use crate::evidence::Evidence;
use crate::inputs::{Inputs, Prepared};
use crate::isolation::limit_memory;
use crate::limit::Limit;
use crate::suggestion::did_you_mean;
use crate::tolerance::{Effort, Tolerances};
use crate::verification::{compared, report_json, table, traced, unvaried, verified};
use ontrace::check::{Checker, Report, Verdict, check_memory, memory_limit};
use ontrace::onnx::Model;
use ontrace::read::{self, Format, LoadedModel};
use ontrace::runtime::Session;
use ontrace::trace::{Diagnostic, ExportOptions, OPSETS};
use ontrace::{Error, ErrorCode, Example, ResultExt, Traced};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The arguments of `ontrace convert`.
#[derive(clap::Args)]
pub struct Convert {
    /// The model: .pt (TorchScript), .pt2 (torch.export) or .onnx
    model: PathBuf,
    /// The ONNX file to write, - for standard output; default: the model's path with the extension .onnx
    #[arg(short, long)]
    output: Option<PathBuf>,
    #[command(flatten)]
    inputs: Inputs,
    /// Write without comparing the result with the source
    #[arg(long)]
    no_check: bool,
    /// Accept that the model is converted for the given value of this input alone; repeated for several
    ///
    /// Needed where the model branches on a value that ONNX cannot express. A value that is given with -i is accepted without this option;
    /// one that nobody gave never is.
    #[arg(long, value_name = "INPUT")]
    specialize: Vec<String>,
    /// Write the file even if verification fails (exit code 6)
    #[arg(long, conflicts_with = "no_check")]
    keep: bool,
    /// If verification fails, write the smallest failing subgraph to this folder: model.onnx and test_data_set_0
    #[arg(long, value_name = "DIR", conflicts_with = "no_check")]
    repro: Option<PathBuf>,
    #[command(flatten)]
    tolerances: Tolerances,
    #[command(flatten)]
    effort: Effort,
    #[command(flatten)]
    limit: Limit,
    /// The ONNX opset to write: 13 to 26; default: 18, or the first later one that has what the model needs
    #[arg(long)]
    opset: Option<i64>,
    /// Write a module that occurs more than once as one ONNX function
    #[arg(long)]
    functions: bool,
}

impl Convert {
    /// Runs the command.
    pub fn run(&self, console: &Console) -> CommandResult {
        let output = self.output.clone().unwrap_or_else(|| self.model.with_extension("onnx"));
        if same_file(&output, &self.model) {
            Format::of_file(&self.model)?;
            return Err(Error::argument(format!("{} would be overwritten by its own conversion", self.model.display()))
                .help("give another output file: -o OUT.onnx")
                .into());
        }
        if self.no_check && self.tolerances.are_given() {
            return Err(Error::argument("--atol and --rtol cannot be used with --no-check: nothing is compared").into());
        }
        if let Some(opset) = self.opset.filter(|opset| !OPSETS.contains(opset)) {
            let message = format!("cannot write opset {opset} ({} to {})", OPSETS.start(), OPSETS.end());
            return Err(Error::argument(message).help("leave out --opset: the first one that has what the model needs is written").into());
        }
        let started = Instant::now();
        let model = read::open(&self.model)?;
        console.progress("read", &format!("{}   {}, {}", self.model.display(), model.format.name(), bytes(model.size as u64)), started);
        let started = Instant::now();
        let prepared = self.inputs.apply(self.limit.apply(model)).at(self.model.display())?;
        prepared.notes.iter().for_each(|note| console.note(note));
        let (traced, example) = traced(&prepared, console).at(self.model.display())?;
        if !self.no_check {
            check_memory(&traced, prepared.model.size, &prepared.given).at(self.model.display())?;
            limit_memory(memory_limit(&traced, prepared.model.size, &prepared.given));
        }
        self.admit_specialized(&prepared, &traced)?;
        let mut onnx = traced.to_model_as(ExportOptions { opset: self.opset, functions: self.functions })?;
        let inputs: Vec<String> =
            example.inputs().iter().map(|(name, tensor)| format!("{name} {}{:?}", tensor.dtype(), tensor.shape())).collect();
        let operators = count(traced.graph().nodes().len(), "operator");
        console.progress("traced", &format!("{operators}   input {}", printable(&inputs.join(", "))), started);
        for (size, range) in traced.size_ranges().iter().filter(|(_, range)| !range.is_full()) {
            console.note(&printable(&format!("valid for {size}: {range}")));
        }
        for note in grouped(&traced.notes()) {
            console.note(&printable(&note));
        }
        let mut outcome = VerificationResult::default();
        if !self.no_check {
            match self.verify((&prepared.model, &traced, &example), &prepared.scalars, &onnx, console) {
                Ok(Verdict { report, failure, .. }) => {
                    outcome.failed = failure.or_else(|| unvaried(&report));
                    outcome.report = Some(report);
                }
                Err(error) => outcome.failed = Some(error),
            }
        }
        if let Some(error) = outcome.failed.as_ref().filter(|_| !self.keep) {
            let help = error.help_line().unwrap_or("nothing was written; --keep writes the file anyway").to_string();
            let failed = unverified(error, help);
            let Some(report) = &outcome.report else { return Err(failed) };
            console.table(&table(report));
            return Err(CommandError { report: Some(Box::new(json!({"verified": false, "check": report_json(report)}))), ..failed });
        }
        let evidence = Evidence {
            source: (&self.model, prepared.model.format.name()),
            report: outcome.report.as_ref(),
            failed: outcome.failed.as_ref(),
            options: json!({
                "inputs": self.inputs.to_json(),
                "specialize": self.specialize,
                "opset": self.opset,
                "functions": self.functions,
                "tolerance": self.tolerances.to_json(),
                "effort": self.effort.to_json(),
            }),
        };
        evidence.write(&mut onnx)?;
        self.write((&output, &onnx), &traced, &outcome, console)?;
        match outcome.failed {
            Some(error) => Err(unverified(&error, format!("{} was written because of --keep", output.display()))),
            None => Ok(()),
        }
    }

    /// Refuses a graph that is right for values of inputs alone for which nobody agreed to that.
    fn admit_specialized(&self, prepared: &Prepared, traced: &Traced) -> Result<(), CommandError> {
        let names = traced.inputs().into_iter().map(|input| input.0).collect::<Vec<_>>();
        if let Some(unknown) = self.specialize.iter().find(|name| !names.contains(name)) {
            return Err(Error::input(format!("there is no input `{unknown}`")).help(did_you_mean(unknown, &names, "inputs")).into());
        }
        // A file of ours that was specialized stays so: its guards come with it.
        let known = if prepared.model.format == Format::Onnx {
            Traced::from_model(Model::open(&self.model)?).map(|file| file.specialized())
        } else {
            Ok(vec![])
        };
        let known = known.unwrap_or_default();
        let (model, given) = (&prepared.model, prepared.given_values());
        let in_file = |name: &str| {
            let example = model.example().into_iter().flat_map(|example| example.inputs());
            example.into_iter().any(|(input, tensor)| input == name && !tensor.is_type_only())
        };
        let agreed = |name: &String| given.contains(name) || self.specialize.contains(name) && in_file(name);
        let refused: Vec<_> = traced
            .specialized()
            .into_iter()
            .filter(|value| !known.iter().any(|known| known.value == value.value && known.inputs == value.inputs))
            .filter(|value| !value.inputs.iter().all(agreed))
            .collect();
        if refused.is_empty() {
            return Ok(());
        }
        let mut open: Vec<&String> = refused.iter().flat_map(|value| &value.inputs).filter(|name| !agreed(name)).collect();
        open.sort();
        open.dedup();
        let lines: Vec<String> = refused.iter().map(|value| format!("\n   {}", printable(&value.to_string()))).collect();
        let given = |name: &&String| if in_file(name) { format!("--specialize {name}") } else { format!("-i {name}=VALUE") };
        let options: Vec<String> = open.iter().map(given).collect();
        let noun = if refused.len() == 1 { "a value".to_string() } else { format!("{} values", refused.len()) };
        let error = Error::new(
            ErrorCode::Guard,
            format!("the exported file would be valid only for {noun} of its inputs, which it cannot check{}", lines.concat()),
        )
        .help(format!("to convert the model for such values alone: {}", options.join(" ")));
        Err(CommandError { exit: 4, error, report: None })
    }

    /// Compares tract's results for the exported model with those of the source model.
    fn verify(
        &self,
        (model, traced, example): (&LoadedModel, &Traced, &Example),
        scalars: &[String],
        onnx: &Model,
        console: &Console,
    ) -> ontrace::Result<Verdict> {
        let started = Instant::now();
        let session = Session::new(onnx)?;
        let options = self.effort.options(self.tolerances.options()).hold(scalars.to_vec());
        let checker = Checker::new(model, traced, example).candidate(&session).options(options);
        let verdict = verified(&checker, self.repro.as_deref(), console)?;
        let source = self.model.file_name().unwrap_or(self.model.as_os_str()).to_string_lossy();
        if verdict.failure.is_none() {
            console.progress("verified", &format!("tract against the interpreter of {source}: {}", compared(&verdict.report)), started);
        }
        Ok(verdict)
    }

    fn write(
        &self,
        (output, onnx): (&Path, &Model),
        traced: &Traced,
        outcome: &VerificationResult,
        console: &Console,
    ) -> ontrace::Result<()> {
        let opset = onnx.opset("").unwrap_or_default();
        let nodes = onnx.proto.graph.as_ref().map_or(0, |graph| graph.node.len());
        let is_stdout = output == Path::new(array_files::STDOUT);
        let saved = if is_stdout { onnx.save_to(&mut array_files::stdout()?)? } else { onnx.save(output)? };
        let mut text = outcome.report.as_ref().map(table).unwrap_or_default();
        let data = saved
            .data
            .as_ref()
            .map(|(path, size)| format!(" + {} ({})", printable(&path.display().to_string()), bytes(*size)))
            .unwrap_or_default();
        text.push_str(&format!(
            "wrote       {}   {}{data} · opset {opset} · {} · sha256 {}…",
            printable(&output.display().to_string()),
            bytes(saved.bytes),
            count(nodes, "node"),
            short_hash(&saved.sha256)
        ));
        let value = json!({
            "schema": "ontrace.convert/1",
            "input": self.model.display().to_string(),
            "output": output.display().to_string(),
            "bytes": saved.bytes,
            "sha256": saved.sha256,
            "opset": opset,
            "nodes": nodes,
            "sizes": traced.size_ranges().iter().map(|(size, range)| (size.clone(), json!({"min": range.least, "max": range.greatest, "multiple_of": range.multiple_of}))).collect::<serde_json::Map<_, _>>(),
            "notes": traced.notes().iter().map(ToString::to_string).collect::<Vec<_>>(),
            "verified": !self.no_check && outcome.failed.is_none(),
            "failure": outcome.failed.as_ref().map(error_json),
            "check": outcome.report.as_ref().map(report_json),
        });
        match is_stdout {
            true => console.result_beside(&text, value),
            false => console.result(&text, value),
        }
        Ok(())
    }
}

/// What came of a verification: a report, a reason why it failed, or (sizes that could not be compared) both.
#[derive(Default)]
struct VerificationResult {
    report: Option<Report>,
    failed: Option<Error>,
}

/// The error of a conversion whose result differs from its source.
fn unverified(error: &Error, help: String) -> CommandError {
    let what = if error.code() == ErrorCode::Unverified { "not verified" } else { "verification failed" };
    CommandError { exit: 6, error: Error::new(error.code(), format!("{what}: {error}")).help(help), report: None }
}

/// Whether two paths name one file.
pub fn same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// Notes as they are shown: many constants in one line.
fn grouped(notes: &[Diagnostic]) -> Vec<String> {
    /// The most constants that are named one by one.
    const NAMED: usize = 3;
    let sizes =
        notes.iter().filter_map(|note| if let Diagnostic::ConstantFolded { bytes, .. } = note { Some(*bytes as u64) } else { None });
    let folded: Vec<u64> = sizes.collect();
    if folded.len() <= NAMED {
        return notes.iter().map(ToString::to_string).collect();
    }
    let whole = format!("{} ({}) folded into the graph; --json lists them", count(folded.len(), "constant"), bytes(folded.iter().sum()));
    let others = notes.iter().filter(|note| !matches!(note, Diagnostic::ConstantFolded { .. })).map(ToString::to_string);
    [whole].into_iter().chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ontrace::{Tensor, trace_fn};

    #[test]
    fn many_constants_are_one_note() {
        let x = Tensor::from(&[1.0f32, 2.0]);
        let traced = |times: usize| {
            let add = |x: Tensor| (0..times).try_fold(x, |x, i| x.add(Tensor::from(&[i as f32, 7.0])));
            grouped(&trace_fn(add, &x).unwrap().notes())
        };
        assert_eq!(traced(3).len(), 3);
        assert_eq!(traced(5), ["5 constants (40 B) folded into the graph; --json lists them"]);
    }
}
