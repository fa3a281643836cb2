//! `ontrace convert`: any model to ONNX, verified before it is written.

use crate::array_files;
use crate::console::{Console, bytes, count, error_json, printable, short_hash};
use crate::error::{CommandError, CommandResult};
use crate::evidence::{Evidence, SourceDigest};
use crate::inputs::{Inputs, Prepared};
use crate::limit::Limit;
use crate::suggestion::did_you_mean;
use crate::tolerance::{Effort, Tolerances};
use crate::verification::{compared, interpreter, report_json, table, traced, unvaried, verified};
use ontrace::check::{Checker, Report, Verdict, check_verification_memory, memory_limit};
use ontrace::dim::SizeRange;
use ontrace::onnx::{AtomicFile, Model};
use ontrace::read::{self, Format, LoadedModel};
use ontrace::runtime::Session;
use ontrace::trace::{Diagnostic, ExportOptions, OPSETS};
use ontrace::work::Work;
use ontrace::{DType, Error, ErrorCode, Example, ResultExt, Traced};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The arguments of `ontrace convert`.
#[derive(clap::Args, Clone)]
pub struct Convert {
    /// The model: .pt (TorchScript), .pt2 (torch.export) or .onnx
    model: PathBuf,
    /// The model of which this one is a part.
    #[arg(skip)]
    whole: Option<PathBuf>,
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
    #[arg(long, value_name = "INPUT", allow_hyphen_values = true)]
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

/// What a command does between tracing and writing that shares the rest with `convert`.
pub struct Step<'a> {
    /// The schema of its JSON.
    pub schema: &'a str,
    /// The file that is written, where the options do not decide.
    pub output: Option<PathBuf>,
    /// The opset that is written where the options name none, if it has what the model needs.
    pub opset: Option<i64>,
    /// The dtype that the model computes in afterwards, where it is narrower.
    pub precision: Option<DType>,
    /// What is done to the graph that was traced with this example, where anything is.
    pub apply: Option<&'a Transformation<'a>>,
}

/// What a command does to a traced graph; the example is that of the trace.
pub type Transformation<'a> = dyn Fn(&Traced, &Example) -> ontrace::Result<Transformed> + 'a;

/// A transformed graph.
pub struct Transformed {
    /// The graph that is verified, and written unless there is another.
    pub traced: Traced,
    /// The graph that is written in its place: the same with other types of inputs and outputs.
    pub written: Option<Traced>,
    /// What was done, for the model that is written: text, and members of the JSON object.
    pub report: Box<ReportOf>,
}

/// A report on the model that is written: text, and members of the JSON object.
pub type ReportOf = dyn Fn(&Model) -> (String, Value);

/// A traced graph with the texts that users keep in the metadata of the file that it was traced from.
///
/// # Errors
/// None in practice: keys of ontrace's own are left out.
pub fn with_metadata(traced: Traced, file: Option<&Model>) -> ontrace::Result<Traced> {
    let entries = file.into_iter().flat_map(|file| &file.proto.metadata_props).filter(|entry| !entry.key.starts_with("ontrace."));
    entries.into_iter().try_fold(traced, |traced, entry| traced.with_extra(&entry.key, &entry.value))
}

impl Convert {
    /// Runs the command.
    pub fn run(&self, console: &Console) -> CommandResult {
        self.conversion(None, console)?.show(console)
    }

    /// The model that is converted.
    pub fn model(&self) -> &Path {
        &self.model
    }

    /// The same command for another model, written to this file without a check.
    pub fn unchecked(&self, model: &Path, output: &Path) -> Convert {
        Convert { model: model.to_path_buf(), output: Some(output.to_path_buf()), no_check: true, keep: false, repro: None, ..self.clone() }
    }

    /// The same command for a part of the model, in a file of its own, whose inputs are those of the file. It is called as the model is.
    pub fn of_part(&self, part: &Path) -> Convert {
        Convert { model: part.to_path_buf(), whole: Some(self.model.clone()), inputs: Inputs::default(), ..self.clone() }
    }

    /// The path by which the model is known to the user.
    fn shown(&self) -> &Path {
        self.whole.as_deref().unwrap_or(&self.model)
    }

    /// Its inputs.
    pub fn inputs_mut(&mut self) -> &mut Inputs {
        &mut self.inputs
    }

    /// The file that is written: that of the options, else beside a model of another format.
    ///
    /// # Errors
    /// A usage error where the model itself would be overwritten.
    pub fn output_or(&self, model: &Path) -> Result<PathBuf, CommandError> {
        let output = self.output.clone().unwrap_or_else(|| model.with_extension("onnx"));
        if same_file(&output, model) {
            Format::of_file(model)?;
            return Err(Error::argument(format!("{} would be overwritten by its own conversion", model.display()))
                .help("give another output file: -o OUT.onnx")
                .into());
        }
        Ok(output)
    }

    /// Whether the options name the file that is written.
    pub fn has_output(&self) -> bool {
        self.output.is_some()
    }

    /// Whether the options ask for another model than the one that an ONNX file is.
    pub fn changes_the_model(&self) -> bool {
        self.opset.is_some() || self.functions || !self.specialize.is_empty() || !self.inputs.are_empty()
    }

    /// Converts, verifies and writes, with a step between tracing and writing; shows progress, but not the result.
    pub fn conversion(&self, step: Option<&Step>, console: &Console) -> Result<Conversion, CommandError> {
        let output = step.and_then(|step| step.output.clone()).map_or_else(|| self.output_or(&self.model), Ok)?;
        if self.no_check && self.tolerances.are_given() {
            return Err(Error::argument("--atol and --rtol cannot be used with --no-check: nothing is compared").into());
        }
        if let Some(opset) = self.opset.filter(|opset| !OPSETS.contains(opset)) {
            let message = format!("cannot write opset {opset} ({} to {})", OPSETS.start(), OPSETS.end());
            return Err(Error::argument(message).help("leave out --opset: the first one that has what the model needs is written").into());
        }
        let started = Instant::now();
        let model = read::open(&self.model)?;
        console.progress("read", &format!("{}   {}, {}", self.shown().display(), model.format.name(), bytes(model.size as u64)), started);
        if output != Path::new(array_files::STDOUT) {
            // A folder that is missing or may not be written is known before the work is done.
            drop(AtomicFile::beside(&output)?);
        }
        let started = Instant::now();
        let prepared = self.inputs.apply(self.limit.apply(model)).at(self.shown().display())?;
        prepared.notes.iter().for_each(|note| console.note(note));
        let (traced, example) = traced(&prepared, console).at(self.shown().display())?;
        let memory = memory_limit(&traced, prepared.model.size, &prepared.given);
        if !self.no_check {
            check_verification_memory(&traced, prepared.model.size, &prepared.given).at(self.shown().display())?;
            ontrace::isolation::limit_memory(memory);
        }
        self.admit_specialized(&prepared, &traced)?;
        let transformed = step.and_then(|step| step.apply).map(|apply| apply(&traced, &example)).transpose()?;
        let written = transformed.as_ref().map_or(&traced, |transformed| &transformed.traced);
        // Beside the hash of the weights, and the verification.
        let source = SourceDigest::start(&self.model);
        let mut onnx = self.lowered(written, step.and_then(|step| step.opset))?;
        let inputs: Vec<String> =
            example.inputs().iter().map(|(name, tensor)| format!("{name} {}{:?}", tensor.dtype(), tensor.shape())).collect();
        let operators = count(traced.graph().nodes().len(), "operator");
        console.progress("traced", &format!("{operators}   input {}", printable(&inputs.join(", "))), started);
        for (size, range) in traced.size_ranges().iter().filter(|(_, range)| !range.is_full()) {
            console.note(&printable(&format!("valid for {size}: {range}")));
        }
        for note in grouped(&traced.notes(), console.verbose) {
            console.note(&printable(&note));
        }
        let mut outcome = VerificationResult::default();
        if !self.no_check {
            let precision = step.and_then(|step| step.precision).filter(|_| !self.tolerances.are_given());
            match self.verify((&prepared.model, &traced, &example), (&prepared.scalars, precision, memory), &onnx, console) {
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
            let reference = interpreter(&self.model);
            console.table(&table(report, &reference));
            let report = json!({"verified": false, "reference": reference, "check": report_json(report)});
            return Err(CommandError { report: Some(Box::new(report)), ..failed });
        }
        let other = transformed.as_ref().and_then(|transformed| transformed.written.as_ref());
        if let Some(other) = other {
            onnx = self.lowered(other, step.and_then(|step| step.opset))?;
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
        evidence.write(source, &mut onnx)?;
        let report = transformed.as_ref().map(|transformed| (transformed.report)(&onnx));
        let is_verified = !self.no_check && outcome.failed.is_none();
        let size = onnx.initializers.iter().map(|(_, array)| (array.len() * array.dtype().size()) as u64).sum();
        let shown = console.counting(&format!("writing {}", output.display()), Work::BytesWritten, Some(size));
        let mut conversion = self.write((&output, &onnx), is_verified, (&outcome, step.map(|step| step.schema), report))?;
        drop(shown);
        conversion.value["sizes"] = sizes_json(written);
        conversion.value["notes"] = json!(written.notes().iter().map(ToString::to_string).collect::<Vec<_>>());
        conversion.failure = outcome.failed.map(|error| unverified(&error, format!("{} was written because of --keep", output.display())));
        Ok(conversion)
    }

    /// The model that is written: of the opset that the options name, else of this one if it has what the graph needs.
    fn lowered(&self, traced: &Traced, opset: Option<i64>) -> ontrace::Result<Model> {
        let lower = |opset| traced.to_model_as(ExportOptions { opset, functions: self.functions });
        match opset.filter(|opset| self.opset.is_none() && OPSETS.contains(opset)) {
            Some(opset) => lower(Some(opset)).or_else(|_| lower(None)),
            None => lower(self.opset),
        }
    }

    /// Refuses a graph that is right for values of inputs alone for which nobody agreed to that.
    fn admit_specialized(&self, prepared: &Prepared, traced: &Traced) -> Result<(), CommandError> {
        let names = traced.inputs().into_iter().map(|input| input.0).collect::<Vec<_>>();
        if let Some(unknown) = self.specialize.iter().find(|name| !names.contains(name)) {
            return Err(Error::input(format!("there is no input `{unknown}`")).help(did_you_mean(unknown, &names, "inputs")).into());
        }
        if traced.specialized().is_empty() {
            return Ok(());
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
        (scalars, precision, memory): (&[String], Option<DType>, u64),
        onnx: &Model,
        console: &Console,
    ) -> ontrace::Result<Verdict> {
        let started = Instant::now();
        let session = Session::new(onnx)?;
        let options = self.effort.options(self.tolerances.options()).hold(scalars.to_vec()).memory(memory);
        let options = precision.map_or(options.clone(), |dtype| options.precision(dtype));
        let checker = Checker::new(model, traced, example).candidate(&session).options(options);
        let verdict = verified(&checker, self.repro.as_deref(), console)?;
        let source = self.model.file_name().unwrap_or(self.model.as_os_str()).to_string_lossy();
        if verdict.failure.is_none() {
            console.progress("verified", &format!("tract against the interpreter of {source}: {}", compared(&verdict.report)), started);
        }
        Ok(verdict)
    }

    /// Writes a model that is known to compute what its source does, because nothing of its computation was changed.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write_unchanged(&self, (output, onnx): (&Path, &Model), schema: &str) -> ontrace::Result<Conversion> {
        self.write((output, onnx), true, (&VerificationResult::default(), Some(schema), None))
    }

    fn write(
        &self,
        (output, onnx): (&Path, &Model),
        is_verified: bool,
        (outcome, schema, report): (&VerificationResult, Option<&str>, Option<(String, Value)>),
    ) -> ontrace::Result<Conversion> {
        let opset = onnx.opset("").unwrap_or_default();
        let nodes = onnx.proto.graph.as_ref().map_or(0, |graph| graph.node.len());
        let is_stdout = output == Path::new(array_files::STDOUT);
        let saved = if is_stdout { onnx.save_to(&mut array_files::stdout()?)? } else { onnx.save(output)? };
        let (before, members) = report.unwrap_or_default();
        let mut text = before + &outcome.report.as_ref().map(|report| table(report, &interpreter(&self.model))).unwrap_or_default();
        let data = saved
            .data
            .as_ref()
            .map(|(path, size)| format!(" + {} ({})", printable(&path.display().to_string()), bytes(*size)))
            .unwrap_or_default();
        text.push_str(&format!(
            "wrote       {}   {}{data} · opset {opset} · {} · blake3 {}…",
            printable(&output.display().to_string()),
            bytes(saved.bytes),
            count(nodes, "node"),
            short_hash(&saved.blake3)
        ));
        let mut value = json!({
            "schema": schema.unwrap_or("ontrace.convert/1"),
            "input": self.shown().display().to_string(),
            "output": output.display().to_string(),
            "bytes": saved.bytes,
            "blake3": saved.blake3,
            "opset": opset,
            "nodes": nodes,
            "sizes": {},
            "notes": [],
            "reference": outcome.report.as_ref().map(|_| interpreter(&self.model)),
            "verified": is_verified,
            "failure": outcome.failed.as_ref().map(error_json),
            "check": outcome.report.as_ref().map(report_json),
        });
        for (key, member) in members.as_object().into_iter().flatten() {
            value[key] = member.clone();
        }
        Ok(Conversion { text, value, is_stdout, failure: None })
    }
}

/// A model that was written: the result of a command.
pub struct Conversion {
    /// The table of what was compared, and the line about the file.
    pub text: String,
    /// The JSON object.
    pub value: Value,
    /// Whether the file went to standard output.
    is_stdout: bool,
    /// Why it is not verified, where it was written all the same.
    pub failure: Option<CommandError>,
}

impl Conversion {
    /// The table of what was compared, without the line about the file.
    pub fn table(&self) -> String {
        self.text.lines().filter(|line| !line.starts_with("wrote ")).map(|line| format!("{line}\n")).collect()
    }

    /// Shows the result; gives the error of what was written unverified.
    pub fn show(self, console: &Console) -> CommandResult {
        match self.is_stdout {
            true => console.result_beside(&self.text, self.value),
            false => console.result(&self.text, self.value),
        }
        self.failure.map_or(Ok(()), Err)
    }
}

/// What came of a verification: a report, a reason why it failed, or (sizes that could not be compared) both.
#[derive(Default)]
struct VerificationResult {
    report: Option<Report>,
    failed: Option<Error>,
}

/// The range of each symbolic size.
fn sizes_json(traced: &Traced) -> Value {
    let range = |range: &SizeRange| json!({"min": range.least, "max": range.greatest, "multiple_of": range.multiple_of});
    traced.size_ranges().iter().map(|(size, of)| (size.clone(), range(of))).collect::<serde_json::Map<_, _>>().into()
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
fn grouped(notes: &[Diagnostic], is_verbose: bool) -> Vec<String> {
    /// The most constants that are named one by one.
    const NAMED: usize = 3;
    let sizes =
        notes.iter().filter_map(|note| if let Diagnostic::ConstantFolded { bytes, .. } = note { Some(*bytes as u64) } else { None });
    let folded: Vec<u64> = sizes.collect();
    if folded.len() <= NAMED || is_verbose {
        return notes.iter().map(ToString::to_string).collect();
    }
    let whole = format!("{} ({}) folded into the graph; -v lists them", count(folded.len(), "constant"), bytes(folded.iter().sum()));
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
            grouped(&trace_fn(add, &x).unwrap().notes(), false)
        };
        assert_eq!(traced(3).len(), 3);
        assert_eq!(traced(5), ["5 constants (40 B) folded into the graph; -v lists them"]);
    }
}
