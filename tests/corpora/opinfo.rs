//! Torch's own operator samples (OpInfo): each agrees with the values that torch computed, or is a row of `tests/data/opinfo.txt`.

use crate::known_failures::KnownFailures;
use crate::{corpus, panics};
use ontrace::array::{Tolerance, compare};
use ontrace::graph::{Agreement, Graph, Node};
use ontrace::{Array, DynModule, Example, Result, Tensor, read, record};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What torch's own values are compared with; integers and truth values are exact.
const TORCH: Tolerance = Tolerance { abs: 1e-4, rel: 1e-3 };

/// Cases whose output `.1` holds the indices of equal elements, which torch gives in no defined order: along axis `.2` of the input they must
/// select the elements that torch's select.
const TIES: &[(&str, usize, i64)] = &[
    ("argsort/bool_0", 0, -1),
    ("kthvalue/int64_0", 1, -1),
    ("kthvalue/int64_2", 1, -1),
    ("sort/bool_0", 1, -1),
    ("topk/int64_0", 1, -1),
    ("topk/int64_2", 1, -2),
];

/// The cases by name, `abs/float32_0`; `ONTRACE_OPINFO` names a folder of others, built alike.
struct Cases {
    folder: PathBuf,
    names: Vec<String>,
    /// Whether these are all cases of the corpus that the list is about.
    whole: bool,
}

fn cases() -> Option<Cases> {
    let folder = corpus::folder("ONTRACE_OPINFO", "../shared/opinfo", "cases.csv")?;
    let table = std::fs::read_to_string(folder.join("cases.csv")).unwrap();
    // `ONTRACE_CASES=abs` tries only those whose name begins so.
    let only = std::env::var("ONTRACE_CASES").unwrap_or_default();
    let name = |line: &str| line.split(',').take(2).collect::<Vec<_>>().join("/");
    let names = table.lines().skip(1).map(name).filter(|name| name.starts_with(&only)).collect();
    let whole = only.is_empty() && std::env::var_os("ONTRACE_OPINFO").is_none();
    Some(Cases { folder, names, whole })
}

/// The arrays `in_0`, `in_1` … of a file.
fn arrays(path: &Path, prefix: &str) -> Result<Vec<Array>> {
    let all = read::checkpoint(path)?;
    Ok((0..).map_while(|i| all.get(&format!("{prefix}_{i}")).cloned()).collect())
}

/// Whether two arrays of indices select the same elements.
fn select_the_same(x: &Array, axis: i64, got: &Array, expected: &Array) -> Result<bool> {
    let x = Tensor::from(x.clone());
    let fetched = |index: &Array| {
        let index = Tensor::from(index.clone());
        let index = if index.rank() < x.rank() { index.unsqueeze(axis)? } else { index };
        x.gather(axis, &index)?.to_array()
    };
    let same_type = (got.dtype(), got.shape()) == (expected.dtype(), expected.shape());
    Ok(same_type && fetched(got)?.to_f64s().unwrap() == fetched(expected)?.to_f64s().unwrap())
}

/// For each output of a traced graph, whether it depends on a random sample.
fn random_outputs(graph: &Graph) -> Vec<bool> {
    fn is_random(node: &Node) -> bool {
        node.op.agreement() == Agreement::Random || node.op.graphs().iter().any(|graph| graph.nodes().iter().any(is_random))
    }
    let mut random = BTreeSet::new();
    for node in graph.nodes() {
        if is_random(node) || node.inputs.iter().flatten().any(|id| random.contains(id)) {
            random.extend(node.outputs.iter().copied());
        }
    }
    graph.outputs().iter().map(|id| random.contains(id)).collect()
}

/// Runs one case, and compares: `None` where it agrees, else why it does not.
fn attempt(folder: &Path, case: &str, run: fn(&read::LoadedModel, &[Array]) -> Result<Vec<Array>>) -> Option<String> {
    let program = folder.join(format!("{case}.pt"));
    let work = || -> Result<Option<String>> {
        let data = folder.join(format!("{case}.safetensors"));
        let (inputs, expected) = (arrays(&data, "in")?, arrays(&data, "out")?);
        let model = read::open(&program)?;
        let got = run(&model, &inputs)?;
        // A random sample agrees in dtype and shape.
        let is_random = |i: usize| -> Result<bool> {
            let traced = record(&model, example(&model, &inputs))?;
            Ok(random_outputs(traced.graph())[i])
        };
        if got.len() != expected.len() {
            return Ok(Some(format!("wrong: {} outputs, expected {}", got.len(), expected.len())));
        }
        for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
            if let Some(&(.., axis)) = TIES.iter().find(|row| row.0 == case && row.1 == i) {
                if !select_the_same(&inputs[0], axis, got, expected)? {
                    return Ok(Some(format!("wrong: output {i} selects other elements")));
                }
                continue;
            }
            match compare(got, expected, TORCH) {
                Err(error) => return Ok(Some(format!("wrong: output {i}: {}", error.message()))),
                Ok(found) if !found.agrees && !is_random(i)? => return Ok(Some(format!("wrong: output {i}: {found:?}"))),
                Ok(_) => {}
            }
        }
        Ok(None)
    };
    match panics::caught(work) {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(error)) => Some(format!("{}: {}", error.code(), error.message())),
        Err(message) => Some(format!("panic: {message}")),
    }
}

/// Runs every case in one way, and compares what fails with the list.
fn every_case(way: &str, run: fn(&read::LoadedModel, &[Array]) -> Result<Vec<Array>>) {
    let Some(Cases { folder, names, whole }) = cases() else { return };
    let verdicts: Vec<(String, Option<String>)> = names.par_iter().map(|case| (case.clone(), attempt(&folder, case, run))).collect();
    KnownFailures::of("opinfo").compare(way, whole, &verdicts);
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
