//! Tracing and verification as `convert` and `check` share them, and the table of differences.

use crate::console::{Console, printable};
use crate::inputs::Prepared;
use ontrace::array::Tolerance;
use ontrace::check::{Checker, FilledInput, Limit, OutputReport, Report, Verdict, check_example_indices, fill_inputs, fitting_example};
use ontrace::onnx::Model;
use ontrace::read::{Format, LoadedModel};
use ontrace::runtime::Session;
use ontrace::work::Work;
use ontrace::{Array, Error, ErrorCode, Example, Tensor, Traced, record};
use serde_json::{Value, json};
use std::path::Path;

/// Traces a model with shapes only, or with values if the program needs to read some; values that nobody gave are then made up, and said so.
pub fn traced(prepared: &Prepared, console: &Console) -> ontrace::Result<(Traced, Example)> {
    let (traced, example) = traced_unchecked(prepared, console)?;
    check_example_indices(&traced, &example)?;
    Ok((traced, example))
}

/// As [`traced`], with indices that may be out of range.
pub fn traced_unchecked(prepared: &Prepared, console: &Console) -> ontrace::Result<(Traced, Example)> {
    let (model, example) = (&prepared.model, &prepared.example);
    let record = |example: Example| {
        let _shown = console.counting("tracing", Work::Operators, None);
        record(model, example)
    };
    let mut error = match record(example.clone().shapes_only()) {
        Ok(traced) => {
            // Sizes that were only assumed may contradict each other.
            let fitting = if prepared.given.is_empty() { fitting_example(example, traced.graph())? } else { None };
            let again = fitting.and_then(|fitting| Some((record(fitting.clone().shapes_only()).ok()?, fitting)));
            return Ok(again.unwrap_or_else(|| (traced, example.clone())));
        }
        Err(error) => error,
    };
    // A size that depends on data may have to be known, too.
    if matches!(error.code(), ErrorCode::NoValue | ErrorCode::Size | ErrorCode::Shape) {
        let (filled, made_up) = fill_inputs(example, None, 0)?;
        match record(filled.clone()) {
            Ok(traced) => {
                made_up.iter().for_each(|input| console.note(&input.to_string()));
                return Ok((traced, filled));
            }
            Err(second) if error.code() == ErrorCode::NoValue => {
                let ones = with_ones(&filled, &made_up);
                if let Some((traced, example)) = ones.and_then(|example| Some((record(example.clone()).ok()?, example))) {
                    let said = |input: &FilledInput| match is_ones(&example, &input.name) {
                        true => format!("input `{}` {} is made up: ones", input.name, input.ty),
                        false => input.to_string(),
                    };
                    made_up.iter().for_each(|input| console.note(&said(input)));
                    return Ok((traced, example));
                }
                error = index_out_of_range(model, &filled).unwrap_or(second);
            }
            Err(_) => {}
        }
    }
    // A number that was given may decide what the program does: the graph is then right for this number, and says so.
    let is_number = |tensor: &Tensor| tensor.rank() == 0 && tensor.dtype().is_int();
    let scalars: Vec<&(String, Tensor)> = example.inputs().iter().filter(|input| is_number(&input.1)).collect();
    let (open, given): (Vec<_>, Vec<_>) = scalars.into_iter().partition(|input| input.1.is_type_only());
    if !given.is_empty() {
        let specialized = given.iter().try_fold(example.clone(), |example, input| example.specialize(&input.0))?;
        if let Ok(traced) = record(specialized.clone().shapes_only()) {
            return Ok((traced, specialized));
        }
    }
    // The sizes of free axes may have been assumed: too small for a kernel, or not the only one that the graph takes.
    let has_values = example.inputs().iter().any(|(_, tensor)| !tensor.is_type_only());
    if prepared.given.is_empty() && !has_values && !example.symbols().is_empty() {
        for size in [64, 1] {
            let example = example.clone().with_sizes(&|_| Some(size));
            if let Ok(traced) = record(example.clone()) {
                return Ok((traced, example));
            }
        }
    }
    if let Some(note) = unnamed_axes(example).filter(|_| error.code() == ErrorCode::Size) {
        console.note(&note);
    }
    // A number that nobody gave may have to be known.
    let open: Vec<String> = open.iter().map(|(name, _)| format!("-i {name}=VALUE")).collect();
    match error.help_line() {
        None if !open.is_empty() => Err(error.help(format!("the program may decide by a number that is not given: {}", open.join(" ")))),
        _ => Err(error),
    }
}

/// What names the axes that are as long as a named one in the example: masks and positions follow the tokens.
fn unnamed_axes(example: &Example) -> Option<String> {
    let symbols = example.symbols();
    let option = |input: &str, axis: usize, n: i64| {
        let (symbol, _) = symbols.iter().find(|(_, size)| *size == n && n > 1)?;
        Some(format!("--dynamic {input}:{axis}={symbol}"))
    };
    let of_input = |(name, tensor): &(String, Tensor)| {
        let sizes = tensor.shape().iter().enumerate();
        sizes.filter_map(|(axis, dim)| option(name, axis, dim.fixed()?)).collect::<Vec<_>>()
    };
    let options: Vec<String> = example.inputs().iter().flat_map(of_input).collect();
    (!options.is_empty()).then(|| format!("axes of the same size in the example are fixed: {}", options.join(" ")))
}

/// The example with ones for the integers that were made up: steps, factors and counts may not be 0.
fn with_ones(filled: &Example, made_up: &[FilledInput]) -> Option<Example> {
    let is_open = |(name, tensor): &&(String, Tensor)| tensor.dtype().is_int() && made_up.iter().any(|input| input.name == *name);
    let one = |(name, tensor): &(String, Tensor)| Some((name.clone(), Tensor::ones(tensor.shape(), tensor.dtype()).ok()?));
    let ones: Vec<_> = filled.inputs().iter().filter(is_open).filter_map(one).collect();
    filled.clone().with_given(&ones).ok().filter(|_| !ones.is_empty())
}

/// Whether an input is an integer one everywhere.
fn is_ones(example: &Example, name: &str) -> bool {
    let input = example.inputs().iter().find(|input| input.0 == name);
    input.and_then(|input| input.1.to_array().ok()).is_some_and(|array| array.to_i64s().is_ok_and(|values| values.iter().all(|n| *n == 1)))
}

/// The index among the inputs that is out of range, for which a model cannot be traced; traced with small ones it says what they index.
fn index_out_of_range(model: &LoadedModel, example: &Example) -> Option<Error> {
    let small = |n: i64| {
        let is_index = |tensor: &Tensor| tensor.dtype().is_int() && !tensor.is_type_only();
        let one = |(name, tensor): &(String, Tensor)| {
            let shape = tensor.shape().example()?;
            Some((name.clone(), Tensor::full(shape, n, tensor.dtype()).ok()?))
        };
        let given: Vec<_> = example.inputs().iter().filter(|input| is_index(&input.1)).filter_map(one).collect();
        let traced = record(model, example.clone().with_given(&given).ok()?).ok()?;
        check_example_indices(&traced, example).err()
    };
    [1, 0].into_iter().find_map(small)
}

/// Runs a check; if it fails and a folder is given, writes the smallest failing subgraph there.
///
/// # Errors
/// Where the subgraph cannot be written.
pub fn verified(checker: &Checker<'_>, repro: Option<&Path>, console: &Console) -> ontrace::Result<Verdict> {
    let shown = console.counting("comparing the result with the source", Work::Calls, None);
    let verdict = checker.verdict();
    drop(shown);
    if let (Some(folder), Some(_)) = (repro, &verdict.failure) {
        match checker.minimise() {
            Ok(Some(minimised)) => {
                minimised.save(folder)?;
                console.note(&format!("smallest failing subgraph written to {}", folder.display()));
            }
            _ => console.note("no failing subgraph: no part of the model fails by itself"),
        }
    }
    Ok(verdict)
}

/// What was not verified though nothing differs: symbolic sizes are a promise, so an error where one could not be compared at a second size; and
/// where no output has an element to compare.
pub fn unvaried(report: &Report) -> Option<Error> {
    if report.is_empty() {
        return Some(nothing_compared());
    }
    (!report.unvaried.is_empty()).then(|| {
        Error::new(ErrorCode::Unverified, report.unvaried.join("; "))
            .help("fix the size with --fixed NAME=SIZE, or give `convert` --keep to write the file all the same (exit code 6)")
    })
}

/// The error of something that was not compared, and so does not differ.
pub fn not_verified(error: Error) -> Error {
    let help = error.help_line().map(str::to_string);
    let named = Error::new(error.code(), format!("not verified: {error}"));
    match help {
        Some(help) => named.help(help),
        None => named,
    }
}

/// The error of a comparison in which no output has any element.
pub fn nothing_compared() -> Error {
    Error::new(ErrorCode::Unverified, "no output has any element: nothing was compared")
        .help("give an example without sizes of 0, for example: -i x:2,3")
}

/// A session of the model in tract. An ONNX file runs as it is, its sizes and axes among the inputs if it has them there; any other model is
/// traced, and so is a file whose inputs or outputs are not all tensors.
///
/// # Errors
/// Where tract cannot load the model, or it could not be traced.
pub fn session(path: &Path, format: Format, traced: ontrace::Result<&Traced>) -> ontrace::Result<Session> {
    if format == Format::Onnx {
        match Model::open(path).and_then(|file| Session::new(&file)) {
            Err(error) if error.code() == ErrorCode::Unsupported => {}
            session => return session,
        }
    }
    traced?.session()
}

/// What was compared, in one line: `example, batch 1 2 5, 2 random inputs`.
pub fn compared(report: &Report) -> String {
    in_one_line(&report.calls)
}

/// Calls in one line: the sizes of each symbol beside each other, random inputs counted.
fn in_one_line(calls: &[String]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut sizes: Vec<(String, Vec<String>)> = Vec::new();
    let mut random = 0;
    for call in calls {
        let size = call.split_once(" = ").filter(|(name, n)| !name.contains(' ') && n.parse::<u64>().is_ok());
        match (call.strip_prefix("seed "), size) {
            (Some(_), _) => random += 1,
            (None, Some((name, n))) => match sizes.iter_mut().find(|row| row.0 == name) {
                Some(row) => row.1.push(n.to_string()),
                None => sizes.push((name.to_string(), vec![n.to_string()])),
            },
            (None, None) => parts.push(call.strip_prefix("the ").unwrap_or(call).to_string()),
        }
    }
    parts.extend(sizes.into_iter().map(|(name, sizes)| format!("{name} {}", sizes.join(" "))));
    match random {
        0 => {}
        1 => parts.push("1 random input".to_string()),
        n => parts.push(format!("{n} random inputs")),
    }
    parts.join(", ")
}

/// A share of a limit in per cent, rounded up: 100 % is within it.
pub fn percent(share: f64) -> String {
    match share {
        share if !share.is_finite() => "outside".to_string(),
        share if share > 0.0 && share < 0.01 => "< 1 %".to_string(),
        share => format!("{:.0} %", (share * 100.0).ceil()),
    }
}

/// The largest difference of each output, its share of the limit and where it is, a line an output.
pub fn output_table(outputs: &[OutputReport]) -> String {
    let mut text = format!("   {:<14} {:<20} {:<14}\n", "output", "largest difference", "of the limit");
    for output in outputs {
        let (share, verdict) = match (output.limit, output.agrees()) {
            (_, true) if output.is_nan() => ("nothing".to_string(), "only NaN"),
            (_, true) if output.is_empty() => ("nothing".to_string(), "not compared"),
            (Limit::Exact, true) => ("0 allowed".to_string(), "equal"),
            (Limit::Exact, false) => ("0 allowed".to_string(), "differs"),
            (_, true) => (percent(output.share), "within rounding"),
            (_, false) => (percent(output.share), "differs"),
        };
        let position = match &output.worst {
            Some(worst) if output.share > 0.0 => {
                format!("   at {:?}, {}: {:.6e} for {:.6e}", worst.index, worst.call, worst.got, worst.expected)
            }
            _ => String::new(),
        };
        text.push_str(&format!(
            "   {:<14} {:<20} {share:<14} {verdict}{}\n",
            printable(&output.name),
            format!("{:.1e}", output.max_abs),
            printable(&position)
        ));
    }
    text
}

/// What an output may differ by, where a tolerance says it: `|got − expected| ≤ 1.0e-5 + 1.0e-4·|expected|`.
pub fn tolerance(output: &OutputReport) -> String {
    let Tolerance { abs, rel } = output.tolerance;
    format!("|got − expected| ≤ {abs:.1e} + {rel:.1e}·|expected|")
}

/// What the outputs may differ by, those with one limit in one line: `y: |got − expected| ≤ 1.0e-5 + 1.0e-4·|expected|`.
pub fn limits(outputs: &[OutputReport]) -> Vec<String> {
    const NAMED: usize = 8;
    let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
    for output in outputs {
        let limit = match output.limit {
            Limit::Exact => "equality".to_string(),
            Limit::Tolerance => tolerance(output),
            _ => match &output.worst {
                Some(worst) => format!("what rounding explains, {:.1e} at that element", worst.limit),
                None => "what rounding explains".to_string(),
            },
        };
        match lines.iter_mut().find(|line| line.0 == limit) {
            Some(line) => line.1.push(&output.name),
            None => lines.push((limit, vec![&output.name])),
        }
    }
    let named = |names: Vec<&str>| match names.len() {
        n if n > NAMED => format!("{} and {} more", names[..NAMED].join(", "), n - NAMED),
        _ => names.join(", "),
    };
    lines.into_iter().map(|(limit, names)| format!("{}: {limit}", named(names))).collect()
}

/// The inputs, sizes and seeds of a report, in one line.
fn calls(report: &Report) -> String {
    let seeds: Vec<&str> = report.calls.iter().filter_map(|call| call.strip_prefix("seed ")).collect();
    let line = compared(report);
    match (seeds.first(), seeds.last()) {
        (Some(first), Some(last)) if first != last => format!("{line} (seeds {first} to {last})"),
        (Some(first), _) => format!("{line} (seed {first})"),
        _ => line,
    }
}

/// The table of the outputs, with their limits, inputs and reference; then what was not compared.
pub fn table(report: &Report, reference: &str) -> String {
    let mut text = output_table(&report.outputs);
    if !report.calls.is_empty() || report.outputs.iter().any(|output| output.worst.is_some()) {
        limits(&report.outputs).iter().for_each(|line| text.push_str(&format!("   limit: {}\n", printable(line))));
        report.inputs.iter().for_each(|line| text.push_str(&format!("   input {}\n", printable(line))));
        let with = if report.calls.is_empty() { String::new() } else { format!(", with {}", calls(report)) };
        text.push_str(&format!("   reference: {}{}\n", printable(reference), printable(&with)));
    }
    for output in report.outputs.iter().filter(|output| output.limit == Limit::Rounding) {
        let what = "beyond the tolerance by dtype; compared with what rounding explains, from an evaluation in f64";
        text.push_str(&format!("   note: output {}: {what}\n", printable(&output.name)));
    }
    let skipped = if report.skipped.is_empty() { vec![] } else { vec![in_one_line(&report.skipped)] };
    let lines = [
        ("valid only for", &report.excluded),
        ("the source model rejects", &report.rejected),
        ("skipped (time budget; --effort 3 tries them)", &skipped),
        ("not verified", &report.unvaried),
        ("warning", &report.warnings),
        ("note", &report.notes),
    ];
    for (what, lines) in lines {
        lines.iter().for_each(|line| text.push_str(&format!("   {what}: {}\n", printable(line))));
    }
    text
}

/// An output of a comparison as JSON.
pub fn output_json(output: &OutputReport) -> Value {
    let Tolerance { abs, rel } = output.tolerance;
    let worst = output.worst.as_ref().map(|worst| {
        json!({"call": worst.call, "index": worst.index, "got": number(worst.got), "expected": number(worst.expected), "limit": number(worst.limit)})
    });
    json!({
        "name": output.name,
        "agrees": output.agrees(),
        "max_abs": number(output.max_abs),
        "max_rel": number(output.max_rel),
        "limit": output.limit.name(),
        "share": number(output.share),
        "worst": worst,
        "tolerance": {"abs": abs, "rel": rel},
        "elements": output.elements,
        "nan": output.nan,
        "infinite": output.infinite,
    })
}

/// The report as JSON.
pub fn report_json(report: &Report) -> Value {
    let cost = report.cost;
    json!({
        "calls": report.calls,
        "inputs": report.inputs,
        "outputs": report.outputs.iter().map(output_json).collect::<Vec<_>>(),
        "excluded": report.excluded,
        "rejected": report.rejected,
        "skipped": report.skipped,
        "unvaried": report.unvaried,
        "notes": report.notes,
        "warnings": report.warnings,
        "cost": {"module_runs": cost.module_runs, "traced_runs": cost.traced_runs, "work": cost.work, "memory": cost.memory},
    })
}

/// What a model is compared with where nothing else is given: ontrace's own interpreter of the file, which recorded outputs are independent of.
pub fn interpreter(source: &Path) -> String {
    format!("ontrace's interpreter of {}", source.file_name().unwrap_or(source.as_os_str()).to_string_lossy())
}

/// A number as JSON has it; what it has not, as text.
pub fn number(x: f64) -> Value {
    if x.is_finite() { json!(x) } else { json!(x.to_string()) }
}

/// How many elements are NaN or infinite, where any is.
pub fn special(array: &Array) -> ontrace::Result<Option<String>> {
    if !array.dtype().is_float() {
        return Ok(None);
    }
    let (mut nan, mut infinite) = (0usize, 0usize);
    array.for_each_f64(|x| {
        nan += usize::from(x.is_nan());
        infinite += usize::from(x.is_infinite());
    })?;
    let parts: Vec<String> = [("NaN", nan), ("infinite", infinite)]
        .iter()
        .filter(|row| row.1 > 0)
        .map(|(what, count)| format!("{count} of {} elements are {what}", array.len()))
        .collect();
    Ok((!parts.is_empty()).then(|| parts.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_grouped_by_dimension_and_kind() {
        let calls = ["the example", "seed 1", "batch = 1", "batch = 5", "NaN and infinity", "seed 2", "a = 1, b = 2"];
        let report = Report { calls: calls.iter().map(ToString::to_string).collect(), ..Report::default() };
        assert_eq!(compared(&report), "example, NaN and infinity, a = 1, b = 2, batch 1 5, 2 random inputs");
    }

    #[test]
    fn shares_of_the_limit_are_rounded_up() {
        let texts = [0.0, 1e-4, 0.121, 1.0, 1.001, f64::INFINITY].map(percent);
        assert_eq!(texts, ["0 %", "< 1 %", "13 %", "100 %", "101 %", "outside"]);
    }
}
