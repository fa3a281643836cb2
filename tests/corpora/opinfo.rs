//! Torch's own operator cases: each agrees with the numbers that torch computed, or is refused with a code; none is wrong.

use ontrace::array::{Tolerance, compare};
use ontrace::graph::Agreement;
use ontrace::{Array, Error, ErrorCode, Example, Module, Result, Tensor, read, record};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// What torch's own numbers are compared with; integers and truth values are exact.
const TORCH: Tolerance = Tolerance { abs: 1e-4, rel: 1e-3 };

/// Cases whose output `.1` is the places of equal numbers, which torch gives in no defined order: along axis `.2` of the input they must name
/// the numbers that torch's name.
const TIES: &[(&str, usize, i64)] = &[
    ("argsort/bool_0", 0, -1),
    ("kthvalue/int64_0", 1, -1),
    ("kthvalue/int64_2", 1, -1),
    ("sort/bool_0", 1, -1),
    ("topk/int64_0", 1, -1),
    ("topk/int64_2", 1, -2),
];

/// What came of a case.
enum Outcome {
    Agrees,
    Refused(Error),
    Wrong(String),
    Panics(String),
}

/// The cases by name, `abs/float32_0`; `ONTRACE_OPINFO` names a folder of others, built alike.
fn cases() -> Option<(PathBuf, Vec<String>)> {
    let shared = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/opinfo");
    let folder = std::env::var_os("ONTRACE_OPINFO").map_or_else(shared, PathBuf::from);
    let Ok(table) = std::fs::read_to_string(folder.join("cases.csv")) else {
        println!("skipped: no ../shared");
        return None;
    };
    // `ONTRACE_CASES=abs` tries only those whose name begins so.
    let only = std::env::var("ONTRACE_CASES").unwrap_or_default();
    let name = |line: &str| line.split(',').take(2).collect::<Vec<_>>().join("/");
    let names = table.lines().skip(1).map(name).filter(|name| name.starts_with(&only));
    Some((folder, names.collect()))
}

/// The arrays `in_0`, `in_1` … of a file.
fn arrays(path: &Path, prefix: &str) -> Result<Vec<Array>> {
    let all = read::checkpoint(path)?;
    Ok((0..).map_while(|i| all.get(&format!("{prefix}_{i}")).cloned()).collect())
}

/// Whether two arrays of indices fetch the same numbers.
fn name_the_same(x: &Array, axis: i64, got: &Array, expected: &Array) -> Result<bool> {
    let x = Tensor::from(x.clone());
    let fetched = |index: &Array| {
        let index = Tensor::from(index.clone());
        let index = if index.rank() < x.rank() { index.unsqueeze(axis)? } else { index };
        x.gather(axis, &index)?.to_array()
    };
    let same_type = (got.dtype(), got.shape()) == (expected.dtype(), expected.shape());
    Ok(same_type && fetched(got)?.to_f64s() == fetched(expected)?.to_f64s())
}

/// Runs one case by a runner, and compares.
fn attempt(folder: &Path, case: &str, run: fn(&read::LoadedModel, &[Array]) -> Result<Vec<Array>>) -> Outcome {
    let program = folder.join(format!("{case}.pt"));
    let work = || -> Result<Option<String>> {
        let data = folder.join(format!("{case}.safetensors"));
        let (inputs, expected) = (arrays(&data, "in")?, arrays(&data, "out")?);
        let model = read::open(&program)?;
        let got = run(&model, &inputs)?;
        // What is drawn at random agrees in structure.
        let drawn = || -> Result<bool> {
            let record = record(&model, example(&model, &inputs))?;
            Ok(record.graph().nodes().iter().any(|node| node.op.agreement() == Agreement::Random))
        };
        if got.len() != expected.len() {
            return Ok(Some(format!("{} outputs, expected {}", got.len(), expected.len())));
        }
        for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
            if let Some(&(.., axis)) = TIES.iter().find(|row| row.0 == case && row.1 == i) {
                if !name_the_same(&inputs[0], axis, got, expected)? {
                    return Ok(Some(format!("output {i} names other numbers")));
                }
                continue;
            }
            match compare(got, expected, TORCH) {
                None => return Ok(Some(format!("output {i} is {got}, expected {expected}"))),
                Some(found) if !found.agrees && drawn()? => {}
                Some(found) if !found.agrees => return Ok(Some(format!("output {i}: {found:?}"))),
                Some(_) => {}
            }
        }
        Ok(None)
    };
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(None)) => Outcome::Agrees,
        Ok(Ok(Some(difference))) => Outcome::Wrong(difference),
        Ok(Err(error)) => Outcome::Refused(error),
        Err(panic) => Outcome::Panics(panic.downcast_ref::<String>().cloned().unwrap_or_default()),
    }
}

/// Runs every case; the outcomes are left in a file, and what is neither right nor refused is a failure.
fn every_case(how: &str, run: fn(&read::LoadedModel, &[Array]) -> Result<Vec<Array>>) {
    let Some((folder, cases)) = cases() else { return };
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let outcomes: Vec<Outcome> = cases.par_iter().map(|case| attempt(&folder, case, run)).collect();
    std::panic::set_hook(hook);
    let (mut agree, mut bad, mut report, mut codes) = (0, Vec::new(), String::new(), BTreeMap::<ErrorCode, usize>::new());
    for (case, outcome) in cases.iter().zip(&outcomes) {
        match outcome {
            Outcome::Agrees => agree += 1,
            Outcome::Refused(error) => {
                *codes.entry(error.code()).or_default() += 1;
                let place = error.places().last().unwrap_or_default();
                writeln!(report, "{case}\trefused\t{}\t{place}\t{}", error.code(), error.message()).unwrap();
                if matches!(error.code(), ErrorCode::Internal | ErrorCode::Mismatch) {
                    bad.push(format!("{case}: {error}"));
                }
            }
            Outcome::Wrong(difference) => bad.push(format!("{case}: {difference}")),
            Outcome::Panics(message) => bad.push(format!("{case} panics: {message}")),
        }
    }
    report.extend(bad.iter().map(|line| format!("{}\n", line.replacen(": ", "\twrong\t\t\t", 1))));
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("opinfo_{how}.tsv"));
    std::fs::write(path, report).unwrap();
    println!("{how}: {agree} of {} agree, {} are neither right nor refused, {codes:?}", cases.len(), bad.len());
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

fn example(model: &read::LoadedModel, inputs: &[Array]) -> Example {
    let names = model.input_names();
    inputs
        .iter()
        .enumerate()
        .fold(Example::new(), |example, (i, array)| example.input(names.get(i).map_or("x", String::as_str), &Tensor::from(array.clone())))
}

fn eager(model: &read::LoadedModel, inputs: &[Array]) -> Result<Vec<Array>> {
    let inputs: Vec<Tensor> = inputs.iter().cloned().map(Tensor::from).collect();
    model.forward(&inputs)?.iter().map(Tensor::to_array).collect()
}

#[test]
fn torchs_cases_agree_in_eager() {
    every_case("eager", eager);
}

#[test]
fn torchs_cases_agree_traced() {
    every_case("traced", |model, inputs| {
        let traced = record(model, example(model, inputs))?;
        let inputs: Vec<Tensor> = inputs.iter().cloned().map(Tensor::from).collect();
        traced.forward(&inputs)?.iter().map(Tensor::to_array).collect()
    });
}

#[cfg(feature = "tract")]
#[test]
fn torchs_cases_agree_in_tract() {
    every_case("tract", |model, inputs| record(model, example(model, inputs))?.session()?.run(inputs));
}
