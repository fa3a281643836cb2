//! `ontrace convert`: any model → ONNX, proven before it is written.

use crate::fail::{Failure, Outcome};
use crate::inputs::Inputs;
use crate::say::{Say, bytes, printable};
use ontrace::check::{Checker, Report};
use ontrace::read::{self, LoadedModel};
use ontrace::runtime::Session;
use ontrace::trace::ExportOptions;
use ontrace::{At, Error, ErrorCode, Example, Module, Traced, record};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The arguments of `ontrace convert`.
#[derive(clap::Args)]
pub struct Convert {
    /// The model: .pt (TorchScript) or .onnx
    model: PathBuf,
    /// The ONNX file to write; beside the model where it is not given
    #[arg(short, long)]
    output: Option<PathBuf>,
    #[command(flatten)]
    inputs: Inputs,
    /// Write without comparing the result with the source
    #[arg(long)]
    no_check: bool,
    /// Write the file even where the check fails
    #[arg(long, conflicts_with = "no_check")]
    keep: bool,
    /// Where the check fails, write the smallest part that is wrong to this folder: model.onnx and test_data_set_0
    #[arg(long, value_name = "DIR", conflicts_with = "no_check")]
    repro: Option<PathBuf>,
    /// The ONNX opset to write: 13 to 26; 18 where it is not given, or the first later one that has what the model needs
    #[arg(long)]
    opset: Option<i64>,
    /// Write a module that is there more than once as one function that is called
    #[arg(long)]
    functions: bool,
}

/// Traces a model with shapes only, or (where it needs to know numbers) with numbers.
pub fn traced(model: &LoadedModel, inputs: &Inputs) -> ontrace::Result<(Traced, Example)> {
    let names = model.input_names();
    let example = inputs.example(&names, model.example(), false)?;
    match record(model, example.clone().shapes_only()) {
        Err(error) if error.code() == ErrorCode::NoValue => {
            let example = inputs.example(&names, model.example(), true)?;
            Ok((record(model, example.clone())?, example))
        }
        result => Ok((result?, example)),
    }
}

impl Convert {
    /// Runs the command.
    pub fn run(&self, say: &Say) -> Outcome {
        let output = self.output.clone().unwrap_or_else(|| self.model.with_extension("onnx"));
        if same_file(&output, &self.model) {
            return Err(Error::argument(format!("{} would be written over itself", self.model.display()))
                .help("give another file: -o OUT.onnx")
                .into());
        }
        let since = Instant::now();
        let model = read::open(&self.model)?;
        say.step("reading", &format!("{}     {}, {}", self.model.display(), model.format.name(), bytes(model.size as u64)), since);
        let since = Instant::now();
        let (record, example) = traced(&model, &self.inputs).at(self.model.display())?;
        let page = record.to_model_as(ExportOptions { opset: self.opset, functions: self.functions })?;
        let opset = page.opset("").unwrap_or_default();
        let inputs: Vec<String> =
            example.inputs().iter().map(|(name, tensor)| format!("{name} {}{:?}", tensor.dtype(), tensor.shape())).collect();
        let nodes = page.proto.graph.as_ref().map_or(0, |graph| graph.node.len());
        say.step("tracing", &format!("{} operators    input {}", record.graph().nodes().len(), printable(&inputs.join(", "))), since);
        for note in record.notes() {
            say.note(&printable(&note.to_string()));
        }
        let mut report = None;
        if !self.no_check {
            let since = Instant::now();
            let session = Session::new(&page)?;
            let found = checked(&Checker::new(&model, &record, &example).candidate(&session), self.repro.as_deref(), say);
            match found {
                Ok(found) => {
                    say.step("checking", &format!("tract against eager: {}", found.calls.join(" · ")), since);
                    report = Some(found);
                }
                Err(error) if self.keep => say.note(&format!("not proven: {}", printable(&error.to_string()))),
                Err(error) => {
                    let help = error.help_line().unwrap_or("nothing was written; --keep writes it all the same").to_string();
                    let unproven = Error::new(error.code(), format!("converted, but not proven: {error}")).help(help);
                    return Err(Failure { exit: 6, error: unproven }.into());
                }
            }
        }
        let saved = page.save(&output)?;
        let short = &saved.sha256[..8.min(saved.sha256.len())];
        let mut text = report.as_ref().map(table).unwrap_or_default();
        let data = saved.data.as_ref().map(|(path, size)| format!(" + {} ({})", path.display(), bytes(*size))).unwrap_or_default();
        text.push_str(&format!(
            "wrote       {}   {}{data} · opset {} · {nodes} nodes · sha256 {short}…",
            output.display(),
            bytes(saved.bytes),
            opset
        ));
        let value = json!({
            "schema": "ontrace.convert/1",
            "input": self.model.display().to_string(),
            "output": output.display().to_string(),
            "bytes": saved.bytes,
            "sha256": saved.sha256,
            "opset": opset,
            "nodes": nodes,
            "notes": record.notes().iter().map(ToString::to_string).collect::<Vec<_>>(),
            "check": report.as_ref().map(report_json),
        });
        say.answer(&text, value);
        Ok(())
    }
}

/// Checks; where that fails and a folder is given, the smallest part that is wrong is written there.
pub fn checked(checker: &Checker, repro: Option<&Path>, say: &Say) -> ontrace::Result<Report> {
    let result = checker.run();
    if let (Some(folder), Err(_)) = (repro, &result) {
        match checker.minimise() {
            Ok(Some(found)) => {
                found.save(folder)?;
                say.note(&format!("the smallest part that is wrong: {}", folder.display()));
            }
            _ => say.note("no part of the model is wrong by itself"),
        }
    }
    result
}

/// Whether two paths name one file.
pub fn same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// The differences that were found, a line an output.
pub fn table(report: &Report) -> String {
    let mut text = format!("   {:<14} {:>9} {:>9}   verdict\n", "output", "max abs", "max rel");
    for output in &report.outputs {
        let (abs, rel) = (output.tolerance.abs, output.tolerance.rel);
        text.push_str(&format!(
            "   {:<14} {:>9.1e} {:>9.1e}   agrees (allowed: abs {abs:.0e}, rel {rel:.0e})\n",
            printable(&output.name),
            output.max_abs,
            output.max_rel
        ));
    }
    let lines =
        [("valid only for", &report.skipped), ("the source model rejects", &report.refused), ("skipped (time budget)", &report.untried)];
    for (what, lines) in lines {
        lines.iter().for_each(|line| text.push_str(&format!("   {what}: {}\n", printable(line))));
    }
    text
}

/// The same as JSON.
pub fn report_json(report: &Report) -> Value {
    let outputs: Vec<Value> =
        report.outputs.iter().map(|output| json!({"name": output.name, "max_abs": output.max_abs, "max_rel": output.max_rel})).collect();
    let cost = report.cost;
    json!({
        "calls": report.calls,
        "outputs": outputs,
        "skipped": report.skipped,
        "refused": report.refused,
        "untried": report.untried,
        "notes": report.notes,
        "cost": {"module_runs": cost.module_runs, "record_runs": cost.record_runs, "work": cost.work, "memory": cost.memory},
    })
}
