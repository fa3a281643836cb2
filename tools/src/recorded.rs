//! The comparison of a model's outputs with recorded ones: what `ontrace check --against y.npz` does.

use crate::array_files;
use crate::check::runs_here;
use crate::console::{Console, printable};
use crate::error::{CommandError, CommandResult};
use crate::inputs::Prepared;
use crate::tolerance::Tolerances;
use crate::verification::{not_verified, nothing_compared, number, percent, session, special};
use ontrace::array::{Comparison, compare};
use ontrace::{Array, DynModule, Error, ErrorCode, ResultExt, Tensor, Traced};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Compares the outputs of a model for the given inputs with recorded ones.
pub fn against_recorded(
    path: &Path,
    (prepared, traced): (&Prepared, &Traced),
    (model, tolerances): (&Path, &Tolerances),
    console: &Console,
    mut text: String,
) -> CommandResult {
    prepared.refuse_missing()?;
    let tensors = values(prepared)?;
    let session = session(model, prepared.model.format, Ok(traced)).at("tract").at(model.display())?;
    text.push_str(&runs_here(&session));
    let outputs = ontrace::ops::seeded(0, || session.forward(&tensors)).at(model.display())?;
    let arrays = outputs.iter().map(Tensor::to_array).collect::<ontrace::Result<Vec<_>>>()?;
    let mut recorded = array_files::read_all(path)?;
    let (mut results, mut failure) = (Vec::new(), None);
    let mut warnings = Vec::new();
    let mut compared = 0;
    for (i, got) in arrays.iter().enumerate() {
        let (name, expected) = recorded_output(&mut recorded, i, outputs.names()).at(path.display())?;
        let comparison = compare(got, &expected, tolerances.of(got.dtype())).at(format!("output {i}"))?;
        let (line, error) = described(i, &comparison, got.len());
        text.push_str(&line);
        compared += got.len();
        warnings.extend(shows_nothing(&name, &expected)?.or(special(&expected)?.map(|note| format!("output {i}: {note}"))));
        results.push(as_json(i, &comparison));
        failure = failure.or(error);
    }
    let inputs = prepared.example.inputs();
    let left: Vec<&str> = recorded.keys().map(String::as_str).filter(|name| !inputs.iter().any(|input| input.0 == *name)).collect();
    if !left.is_empty() {
        warnings.push(format!("recorded arrays that no output was compared with: {}", left.join(", ")));
    }
    warnings.iter().for_each(|warning| text.push_str(&format!("   warning: {}\n", printable(warning))));
    if failure.is_none() && compared == 0 {
        failure = Some(not_verified(nothing_compared()));
    }
    let value = json!({
        "schema": "ontrace.check/1",
        "ok": failure.is_none(),
        "reference": path.display().to_string(),
        "outputs": results,
        "warnings": warnings,
    });
    if let Some(error) = failure {
        console.table(&text);
        return Err(CommandError { report: Some(Box::new(value)), ..CommandError::from(error) });
    }
    console.result(&text, value);
    Ok(())
}

/// The inputs that the outputs were recorded with, which nothing can stand in for.
fn values(prepared: &Prepared) -> Result<Vec<Tensor>, CommandError> {
    let value = |(name, tensor): (&String, Tensor)| {
        tensor.to_array().map(Tensor::from).map_err(|_| {
            let message =
                format!("recorded outputs are compared for the inputs that they were recorded with: input `{name}` has no values");
            CommandError::usage(Error::input(message).help(format!("give them: -i {name}=@{name}.npy")))
        })
    };
    let example = &prepared.example;
    example.inputs().iter().map(|input| &input.0).zip(example.tensors()).map(value).collect()
}

/// Takes the recorded array of an output, by its name, else by its position.
fn recorded_output(recorded: &mut BTreeMap<String, Array>, i: usize, names: &[String]) -> ontrace::Result<(String, Array)> {
    let mut candidates: Vec<String> = names.get(i).into_iter().filter(|name| !name.is_empty()).cloned().collect();
    candidates.extend([format!("out_{i}"), format!("y_{i}")]);
    if names.len() == 1 {
        candidates.extend(["y".to_string(), "array".to_string()]);
    }
    let known = candidates.iter().find(|name| recorded.contains_key(*name)).and_then(|name| recorded.remove_entry(name));
    known.ok_or_else(|| {
        let all: Vec<&str> = recorded.keys().map(String::as_str).collect();
        let help = format!("name it one of: {}; the arrays are: {}", candidates.join(", "), all.join(", "));
        Error::input(format!("no recorded output {i}")).help(help)
    })
}

/// The line of an output, and the error where it differs.
fn described(i: usize, comparison: &Comparison, elements: usize) -> (String, Option<Error>) {
    let position = comparison
        .closest_to_limit
        .as_ref()
        .map(|(index, got, expected)| format!(" at {index:?}: expected {expected}, got {got}"))
        .unwrap_or_default();
    let verdict = match comparison.agrees {
        true if elements == 0 => "no elements",
        true => "agrees",
        false => "differs",
    };
    let share = percent(comparison.share);
    let line = format!("   output {i:<6} largest difference {:.1e}, {share} of the limit{position}   {verdict}\n", comparison.max_abs);
    let error = (!comparison.agrees).then(|| {
        Error::new(ErrorCode::Mismatch, format!("{} of {elements} elements differ{position}", comparison.outside)).at(format!("output {i}"))
    });
    (line, error)
}

fn as_json(i: usize, comparison: &Comparison) -> Value {
    let worst =
        |(index, got, expected): &(Vec<usize>, f64, f64)| json!({"index": index, "got": number(*got), "expected": number(*expected)});
    json!({
        "output": i,
        "agrees": comparison.agrees,
        "max_abs": number(comparison.max_abs),
        "max_rel": number(comparison.max_rel),
        "share": number(comparison.share),
        "worst": comparison.closest_to_limit.as_ref().map(worst),
    })
}

/// What is said of a recorded output that shows nothing about the model: it is all NaN, or has no elements.
pub fn shows_nothing(name: &str, expected: &Array) -> ontrace::Result<Option<String>> {
    if expected.is_empty() {
        return Ok(Some(format!("output {name} has no elements: nothing of it was compared")));
    }
    let mut is_nan = expected.dtype().is_float();
    expected.for_each_f64(|x| is_nan &= x.is_nan())?;
    Ok(is_nan.then(|| format!("output {name} is all NaN: comparing NaN with NaN shows nothing about the model")))
}
