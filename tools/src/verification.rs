//! Tracing and verification as `convert` and `check` share them, and the table of differences.

use crate::console::{Console, printable};
use crate::inputs::Prepared;
use ontrace::array::Tolerance;
use ontrace::check::{Checker, OutputReport, Report, fill_inputs};
use ontrace::{ErrorCode, Example, Traced, record};
use serde_json::{Value, json};
use std::path::Path;

/// Traces a model with shapes only, or with values if the program needs to read some; values that nobody gave are then made up, and said so.
pub fn traced(prepared: &Prepared, console: &Console) -> ontrace::Result<(Traced, Example)> {
    let (model, example) = (&prepared.model, &prepared.example);
    let error = match record(model, example.clone().shapes_only()) {
        Ok(traced) => return Ok((traced, example.clone())),
        Err(error) => error,
    };
    // A size that depends on data may have to be known, too.
    if matches!(error.code(), ErrorCode::NoValue | ErrorCode::Size | ErrorCode::Shape) {
        let (filled, made_up) = fill_inputs(example, None, 0)?;
        match record(model, filled.clone()) {
            Ok(traced) => {
                made_up.iter().for_each(|input| console.note(&input.to_string()));
                return Ok((traced, filled));
            }
            Err(second) if error.code() == ErrorCode::NoValue => return Err(second),
            Err(_) => {}
        }
    }
    // The sizes of free axes may have been assumed: too small for a kernel, or not the only one that the graph takes.
    let has_values = example.inputs().iter().any(|(_, tensor)| !tensor.is_type_only());
    if prepared.given.is_empty() && !has_values && !example.symbols().is_empty() {
        for size in [64, 1] {
            let example = example.clone().with_sizes(&|_| Some(size));
            if let Ok(traced) = record(model, example.clone()) {
                return Ok((traced, example));
            }
        }
    }
    Err(error)
}

/// Runs a check; if it fails and a folder is given, writes the smallest failing subgraph there.
pub fn verified(checker: &Checker<'_>, repro: Option<&Path>, console: &Console) -> ontrace::Result<Report> {
    let result = checker.run();
    if let (Some(folder), Err(_)) = (repro, &result) {
        match checker.minimise() {
            Ok(Some(minimised)) => {
                minimised.save(folder)?;
                console.note(&format!("smallest failing subgraph written to {}", folder.display()));
            }
            _ => console.note("no failing subgraph: no part of the model fails by itself"),
        }
    }
    result
}

/// What was compared, in one line: `example, batch 1 2 5, 2 random inputs`.
pub fn compared(report: &Report) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut sizes: Vec<(String, Vec<String>)> = Vec::new();
    let mut random = 0;
    for call in &report.calls {
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

/// An upper bound of the largest |got − expected| / (abs + rel · |expected|); `None` for an exact comparison.
fn share_of_limit(output: &OutputReport) -> Option<f64> {
    let Tolerance { abs, rel } = output.tolerance;
    let share = |difference: f64, limit: f64| if difference == 0.0 { 0.0 } else { difference / limit };
    (output.tolerance != Tolerance::EXACT).then(|| share(output.max_abs, abs).min(share(output.max_rel, rel)))
}

/// The largest difference of each output, a line an output, and what was not compared.
pub fn table(report: &Report) -> String {
    let mut text = format!("   {:<14} {:<20} {:<14}\n", "output", "largest difference", "of the limit");
    for output in &report.outputs {
        let (share, verdict) = match share_of_limit(output) {
            Some(share) => (format!("≤ {:.0} %", (share * 100.0).ceil()), "within rounding"),
            None => ("0 allowed".to_string(), "equal"),
        };
        text.push_str(&format!("   {:<14} {:<20} {share:<14} {verdict}\n", printable(&output.name), format!("{:.1e}", output.max_abs)));
    }
    let lines = [
        ("valid only for", &report.excluded),
        ("the source model rejects", &report.rejected),
        ("skipped (time budget)", &report.skipped),
        ("not verified", &report.unvaried),
        ("note", &report.notes),
    ];
    for (what, lines) in lines {
        lines.iter().for_each(|line| text.push_str(&format!("   {what}: {}\n", printable(line))));
    }
    text
}

/// The report as JSON.
pub fn report_json(report: &Report) -> Value {
    let output = |output: &OutputReport| {
        let Tolerance { abs, rel } = output.tolerance;
        json!({"name": output.name, "max_abs": output.max_abs, "max_rel": output.max_rel, "tolerance": {"abs": abs, "rel": rel}})
    };
    let cost = report.cost;
    json!({
        "calls": report.calls,
        "outputs": report.outputs.iter().map(output).collect::<Vec<_>>(),
        "excluded": report.excluded,
        "rejected": report.rejected,
        "skipped": report.skipped,
        "unvaried": report.unvaried,
        "notes": report.notes,
        "cost": {"module_runs": cost.module_runs, "traced_runs": cost.traced_runs, "work": cost.work, "memory": cost.memory},
    })
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
    fn the_share_of_the_limit_is_bounded_by_either_part_of_the_tolerance() {
        let output = |max_abs, max_rel, tolerance| OutputReport { name: "y".to_string(), max_abs, max_rel, tolerance };
        let tolerance = Tolerance { abs: 1e-5, rel: 1e-4 };
        assert_eq!(share_of_limit(&output(1e-6, 1e-2, tolerance)).map(|share| (share * 100.0).round()), Some(10.0));
        assert_eq!(share_of_limit(&output(0.0, 0.0, Tolerance { abs: 0.0, rel: 1e-4 })), Some(0.0));
        assert_eq!(share_of_limit(&output(0.0, 0.0, Tolerance::EXACT)), None);
    }
}
