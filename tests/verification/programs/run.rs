//! Does everything that can run a program give the same? Eager, the traced graph at every size, the session at every size, the file read back.

use super::program::{Axis, Program};
use crate::panics;
use ontrace::array::{Tolerance, compare};
use ontrace::graph::{Agreement, Graph, Node};
use ontrace::read::OnnxModule;
use ontrace::{Array, DynModule, Error, Example, Result, Tensor, Traced, record};

/// Where a program failed, and how.
#[derive(Clone, Debug)]
pub struct Failure {
    /// `eager`, `recorded`, `replayed`, `session` …: what shrinking keeps.
    pub stage: &'static str,
    pub detail: String,
}

impl Failure {
    pub fn new(stage: &'static str, detail: impl ToString) -> Failure {
        Failure { stage, detail: detail.to_string() }
    }

    /// What is the same of two failures with one cause: the stage, and the words of an error without its values.
    pub fn kind(&self) -> (&'static str, String) {
        let words = if self.detail.starts_with("output") { "" } else { &self.detail };
        (self.stage, words.chars().filter(|c| c.is_ascii_alphabetic()).take(40).collect())
    }
}

/// Runs what may panic; a panic is an error of its own.
pub fn caught<T>(run: impl FnOnce() -> Result<T>) -> Result<T> {
    panics::caught(run).unwrap_or_else(|message| Err(Error::internal(format!("panics: {message}"))))
}

/// What the program is traced with.
pub fn example(program: &Program) -> Example {
    let mut example = Example::new();
    for (i, input) in program.inputs().enumerate() {
        example = example.input(&format!("x{i}"), &Tensor::from(input.calls[0].clone()));
    }
    for (i, input) in program.inputs().enumerate() {
        for (axis, declared) in input.axes.iter().enumerate() {
            if let Axis::Symbol(name) = declared {
                example = example.symbolic(&format!("x{i}"), axis as i64, name).expect("a symbol has one length in a call");
            }
        }
    }
    example
}

/// Whether implementations may round a node each in its way: its operator says so, or a runtime may join it with the next one, as
/// 3 · (1.75 · x) becomes 5.25 · x.
pub fn rounds(graph: &Graph, node: &Node) -> bool {
    let float = node.outputs.iter().any(|&id| graph.value(id).ty.dtype.is_float());
    node.op.agreement() != Agreement::Exact || float && matches!(node.op.name(), "Add" | "Sub" | "Mul")
}

/// Which outputs of a traced graph are made by operators alone that every implementation makes to the bit.
pub fn exact(traced: &Traced) -> Vec<bool> {
    let graph = traced.graph();
    let mut rounded = std::collections::BTreeSet::new();
    for node in graph.nodes() {
        if rounds(graph, node) || node.inputs.iter().flatten().any(|id| rounded.contains(id)) {
            rounded.extend(node.outputs.iter().copied());
        }
    }
    graph.outputs().iter().map(|id| !rounded.contains(id)).collect()
}

/// What differs, of the outputs of one call.
fn differs(got: &[Array], expected: &[Array], exact: &[bool]) -> Option<String> {
    if got.len() != expected.len() {
        return Some(format!("{} outputs, expected {}", got.len(), expected.len()));
    }
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let tolerance = if exact[i] { Tolerance::EXACT } else { Tolerance::of(expected.dtype()) };
        match compare(got, expected, tolerance) {
            Err(error) => return Some(format!("output {i}: {}", error.message())),
            Ok(found) if !found.agrees => {
                return Some(format!("output {i}: {:?} (index, got, expected), {} outside", found.worst, found.outside));
            }
            Ok(_) => {}
        }
    }
    None
}

/// The traced graph without the sizes that its example has.
fn without_seen(traced: &Traced) -> String {
    let text = traced.to_string();
    let mut parts = text.split('=');
    let first = parts.next().unwrap_or_default().to_string();
    parts.fold(first, |text, part| text + "=" + part.trim_start_matches(|c: char| c.is_ascii_digit())).replace("=,", ",").replace("=]", "]")
}

fn eager(module: &dyn DynModule, inputs: &[Array]) -> Result<Vec<Array>> {
    let inputs: Vec<Tensor> = inputs.iter().cloned().map(Tensor::from).collect();
    caught(|| module.forward(&inputs)?.iter().map(Tensor::to_array).collect())
}

/// What the program gives in every call.
pub fn expected(program: &Program) -> Result<Vec<Vec<Array>>> {
    (0..program.calls()).map(|call| eager(program, &program.arrays(call))).collect()
}

/// Runs the program every way there is, and compares.
pub fn agrees(program: &Program) -> std::result::Result<Traced, Failure> {
    let expected = expected(program).map_err(|error| Failure::new("eager", error))?;
    let traced = caught(|| record(program, example(program))).map_err(|error| Failure::new("recorded", error))?;
    if let Some(guard) = traced.guards().first() {
        return Err(Failure::new("guarded", format!("{guard:?}")));
    }
    let bare = caught(|| record(program, example(program).shapes_only())).map_err(|error| Failure::new("traced of shapes", error))?;
    if without_seen(&bare) != without_seen(&traced) {
        return Err(Failure::new("traced of shapes", format!("output of another trace:\n{bare}\n--- is not ---\n{traced}")));
    }
    let exact = exact(&traced);
    let held = |stage: &'static str, run: &dyn Fn(&[Array]) -> Result<Vec<Array>>| {
        for (call, expected) in expected.iter().enumerate() {
            let failed = |detail: String| Failure::new(stage, format!("{detail}, in call {call}"));
            let got = caught(|| run(&program.arrays(call))).map_err(|error| failed(format!("{error}")))?;
            if let Some(detail) = differs(&got, expected, &exact) {
                return Err(failed(detail));
            }
        }
        Ok(())
    };
    held("replayed", &|inputs| eager(&traced, inputs))?;
    let model = caught(|| traced.to_model()).map_err(|error| Failure::new("written", error))?;
    #[cfg(feature = "tract")]
    {
        let session = caught(|| ontrace::runtime::Session::new(&model)).map_err(|error| Failure::new("session", error))?;
        held("session", &|inputs| session.run(inputs))?;
    }
    let again = caught(|| OnnxModule::new(model.clone())).map_err(|error| Failure::new("read back", error))?;
    held("read back", &|inputs| eager(&again, inputs))?;
    Ok(traced)
}
