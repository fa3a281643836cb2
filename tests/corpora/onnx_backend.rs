//! ONNX's own backend tests, read as modules: run eagerly, written and read again, and run by a session.

use crate::known_failures::KnownFailures;
use crate::{corpus, panics};
use ontrace::array::{Tolerance, compare};
use ontrace::onnx::Model;
use ontrace::onnx::proto::{self, ValueInfoProto};
use ontrace::read::{OnnxModule, Value};
#[cfg(feature = "tract")]
use ontrace::runtime::Session;
use ontrace::tree::Tree;
use ontrace::{Array, DynModule, ErrorCode, Example, Outputs, Result, Tensor, Traced, module, record};
use prost::Message;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where the tests are: `tools/reference/backend_tests.py` writes them there from the onnx package.
fn folder() -> Option<PathBuf> {
    corpus::folder("ONTRACE_ONNX_BACKEND", "target/onnx_backend", "meta.json")
}

/// A test: its name, and the tolerance that it asks for.
struct Case {
    name: String,
    tolerance: Tolerance,
}

fn cases(folder: &Path) -> Vec<Case> {
    let meta: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&std::fs::read(folder.join("meta.json")).unwrap()).unwrap();
    let only = std::env::var("ONTRACE_CASES").unwrap_or_default();
    let number = |meta: &serde_json::Value, key: &str, default: f64| meta[key].as_f64().unwrap_or(default);
    meta.into_iter()
        .filter(|(name, _)| name.contains(&only))
        .map(|(name, meta)| Case { tolerance: Tolerance { rel: number(&meta, "rtol", 1e-3), abs: number(&meta, "atol", 1e-7) }, name })
        .collect()
}

/// The values of one data set, in order, of the declared types.
fn values(set: &Path, prefix: &str, declared: &[ValueInfoProto]) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    for info in declared {
        let Ok(bytes) = std::fs::read(set.join(format!("{prefix}_{}.pb", found.len()))) else { break };
        found.push(Value::decode(&bytes, info.r#type.as_ref().unwrap())?);
    }
    Ok(found)
}

/// The tensors in values, each with its path.
fn leaves(values: &[Value]) -> Result<Vec<(String, Array)>> {
    let mut leaves = Vec::new();
    let paths = values.to_vec().tree_flatten(&mut leaves).paths();
    paths.into_iter().zip(leaves).map(|(path, tensor)| Ok((path, tensor.to_array()?))).collect()
}

/// A model with its inputs.
struct Given<'a> {
    /// The name of the test.
    name: &'a str,
    model: Model,
    /// The inputs as they are, and the tensors in them.
    values: Vec<Value>,
    arrays: Vec<Array>,
}

impl Given<'_> {
    /// The model for our kernels.
    fn module(&self) -> Result<OnnxModule> {
        OnnxModule::new(self.model.clone())?.arranged(self.values.clone())
    }
}

/// A way to run a model.
type Run = fn(&Given) -> Result<Vec<Array>>;

/// One test: `None` where it passes, else why it does not.
fn attempt(folder: &Path, name: &str, tolerance: Tolerance, run: Run) -> Option<String> {
    let work = || -> Result<Option<String>> {
        let home = folder.join(name);
        for k in 0.. {
            let set = home.join(format!("test_data_set_{k}"));
            if !set.is_dir() {
                break;
            }
            let bytes = std::fs::read(home.join("model.onnx")).unwrap();
            let graph = proto::ModelProto::decode(bytes.as_slice()).unwrap().graph.unwrap();
            let model = Model::load(bytes.into(), Some(&home))?;
            let initial: Vec<&str> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
            let given: Vec<ValueInfoProto> = graph.input.iter().filter(|info| !initial.contains(&info.name.as_str())).cloned().collect();
            let values = |prefix: &str, infos: &[ValueInfoProto]| values(&set, prefix, infos);
            let inputs = values("input", &given)?;
            let expected = leaves(&values("output", &graph.output)?)?;
            let arrays: Vec<Array> = leaves(&inputs)?.into_iter().map(|leaf| leaf.1).collect();
            let got = run(&Given { name, model, values: inputs, arrays })?;
            if got.len() != expected.len() {
                return Ok(Some(format!("wrong: {} outputs, expected {}", got.len(), expected.len())));
            }
            for (got, (i, expected)) in got.iter().zip(&expected) {
                match compare(got, expected, tolerance) {
                    Err(error) => return Ok(Some(format!("wrong: output {i}: {}", error.message()))),
                    Ok(found) if !found.agrees => return Ok(Some(format!("wrong: output {i}: {found:?}"))),
                    Ok(_) => {}
                }
            }
        }
        Ok(None)
    };
    match panics::caught(work) {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(error)) => Some(format!("{}: {}", error.code(), error.to_string().lines().collect::<Vec<_>>().join(" "))),
        Err(message) => Some(format!("panic: {message}")),
    }
}

/// Runs every test in one way by its own tolerance, and compares what fails with `tests/data/onnx_backend.txt`; a test that has another tolerance
/// there must be right within that.
fn every_case(way: &str, run: Run) {
    let Some(folder) = folder() else { return };
    let cases = cases(&folder);
    let known = KnownFailures::of("onnx_backend");
    let verdict = |case: &Case| {
        let verdict = attempt(&folder, &case.name, case.tolerance, run);
        let wider = verdict.as_ref().and_then(|_| known.tolerance(&case.name, way));
        // What is out of the wider tolerance too is said as a failure that no list excuses.
        let beyond = wider.and_then(|tolerance| attempt(&folder, &case.name, tolerance, run));
        (case.name.clone(), beyond.map(|why| format!("beyond: {why}")).or(verdict))
    };
    let verdicts: Vec<(String, Option<String>)> = cases.par_iter().map(verdict).collect();
    let whole = std::env::var_os("ONTRACE_CASES").is_none();
    known.compare(way, whole, &verdicts);
}

fn tensors(arrays: &[Array]) -> Vec<Tensor> {
    arrays.iter().cloned().map(Tensor::from).collect()
}

fn example(model: &OnnxModule, inputs: &[Array]) -> Example {
    let names = model.input_names();
    inputs
        .iter()
        .enumerate()
        .fold(Example::new(), |example, (i, array)| example.input(names.get(i).map_or("x", String::as_str), &Tensor::from(array.clone())))
}

fn run_all(outputs: Outputs) -> Result<Vec<Array>> {
    outputs.iter().map(Tensor::to_array).collect()
}

/// Runs a traced graph of the model. Small inputs that steer shapes, scales or a loop are fixed, where the traced graph needs to know them.
fn recorded(model: OnnxModule, inputs: &[Array], run: impl Fn(&Traced, &[Array]) -> Result<Vec<Array>>) -> Result<Vec<Array>> {
    let whole = record(&model, example(&model, inputs));
    match whole {
        Err(error) if matches!(error.code(), ErrorCode::NoValue | ErrorCode::Size | ErrorCode::Unsupported | ErrorCode::Argument) => {
            let steers = |index: usize, array: &Array| (index > 0 || !array.dtype().is_float()) && array.len() <= 64;
            let (fixed, rest): (Vec<_>, Vec<_>) = inputs.iter().cloned().enumerate().partition(|(index, array)| steers(*index, array));
            let rest: Vec<Array> = rest.into_iter().map(|input| input.1).collect();
            let module = module::bind_inputs(model, fixed.into_iter().map(|(index, array)| (index, Tensor::from(array))).collect());
            let names = module.input_names();
            let example = rest.iter().enumerate().fold(Example::new(), |example, (i, array)| {
                example.input(names.get(i).map_or("x", String::as_str), &Tensor::from(array.clone()))
            });
            run(&record(&module, example)?, &rest)
        }
        whole => run(&whole?, inputs),
    }
}

fn eagerly(given: &Given) -> Result<Vec<Array>> {
    run_all(given.module()?.forward(&tensors(&given.arrays))?)
}

/// Leaves what it writes in `target/tmp/models`, where a second opinion is asked about it; networks that come with ONNX are large.
fn written_and_read_again(given: &Given) -> Result<Vec<Array>> {
    recorded(given.module()?, &given.arrays, |traced, inputs| {
        if !given.name.starts_with("light/") {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("models");
            std::fs::create_dir_all(&folder).unwrap();
            traced.save(folder.join(format!("onnx_{}.onnx", given.name.replace('/', "_"))))?;
        }
        run_all(OnnxModule::new(traced.to_model()?)?.forward(&tensors(inputs))?)
    })
}

/// The inputs are those of the session: axes, shapes and sizes among them too. What takes or gives lists of tensors is traced before, flat.
#[cfg(feature = "tract")]
fn in_a_session(given: &Given) -> Result<Vec<Array>> {
    match Session::new(&given.model) {
        Err(error) if error.code() == ErrorCode::Unsupported => {
            recorded(given.module()?, &given.arrays, |traced, inputs| traced.session()?.run(inputs))
        }
        session => session?.run(&given.arrays),
    }
}

#[test]
fn backend_tests_pass_eagerly() {
    every_case("eager", eagerly);
}

#[test]
fn backend_tests_pass_written_and_read_again() {
    every_case("rewritten", written_and_read_again);
}

#[cfg(feature = "tract")]
#[test]
fn backend_tests_pass_in_a_session() {
    every_case("session", in_a_session);
}

/// Models of the kinds that ONNX's tests leave out, written with what ONNX Runtime or the formula says by `tools/reference/odd_models.py`.
#[test]
fn odd_models_give_what_onnx_runtime_gives() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/onnx");
    let mut names: Vec<String> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let ways: &[(&str, Run)] = &[
        ("eagerly", eagerly),
        ("written and read again", written_and_read_again),
        #[cfg(feature = "tract")]
        ("in a session", in_a_session),
    ];
    let mut failures = Vec::new();
    for name in &names {
        for (how, run) in ways {
            failures.extend(attempt(&folder, name, Tolerance { rel: 1e-4, abs: 1e-5 }, *run).map(|why| format!("{name} {how}: {why}")));
        }
    }
    assert!(names.len() >= 10 && failures.is_empty(), "of {} models:\n{}", names.len(), failures.join("\n"));
}
