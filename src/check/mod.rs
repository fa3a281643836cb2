//! Do two modules agree? On the same inputs, on fresh ones, and at every size that was promised.

mod locate;
mod vary;

use crate::array::{Array, Tolerance, compare};
use crate::error::{At, Code, Error, Result};
use crate::module::{Example, Module};
use crate::ops::seeded;
use crate::tensor::Tensor;
use crate::trace::Traced;
use std::fmt;
use vary::Call;

/// How a check is done. The default needs no help from the user.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// How many sets of fresh numbers are tried besides the example's.
    pub fresh: usize,
    /// Whether every symbolic axis is tried at other lengths.
    pub sizes: bool,
    /// How far numbers may stand apart; by dtype where `None`.
    pub tolerance: Option<Tolerance>,
}

impl Default for Check {
    fn default() -> Check {
        Check { fresh: 2, sizes: true, tolerance: None }
    }
}

/// What a check that found no difference has seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The calls that were compared: `the example`, `seed 1`, `batch = 5`.
    pub calls: Vec<String>,
    /// The largest differences of each output over all calls.
    pub outputs: Vec<OutputReport>,
}

/// The largest differences of one output.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputReport {
    /// The name of the output.
    pub name: String,
    /// The largest |got − expected|.
    pub max_abs: f64,
    /// The largest |got − expected| / |expected|.
    pub max_rel: f64,
    /// What was allowed.
    pub tolerance: Tolerance,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "agrees: {}", self.calls.join(" · "))?;
        for output in &self.outputs {
            let Tolerance { abs, rel } = output.tolerance;
            writeln!(
                f,
                "{:12} max abs {:.1e}  max rel {:.1e}  (allowed: abs {abs:.0e}, rel {rel:.0e})",
                output.name, output.max_abs, output.max_rel
            )?;
        }
        Ok(())
    }
}

/// Holds `subject` (a session, or the record itself) against the module that `traced` is the record of.
///
/// Both are called with the example, with fresh numbers distributed like it, and with every symbolic axis at other
/// lengths; all outputs are compared in dtype, shape and numbers.
///
/// # Errors
/// [`Mismatch`](Code::Mismatch) names the output, the index, what was expected and what came, and the first node of the
/// record whose value differs, with its place; other errors are those of the two modules.
pub fn check(module: &dyn Module, traced: &Traced, subject: &dyn Module, example: &Example, options: &Check) -> Result<Report> {
    let outputs = traced.outputs();
    let tolerance = |i: usize| outputs.get(i).map_or(Tolerance::EXACT, |(_, ty)| options.tolerance.unwrap_or(Tolerance::of(ty.dtype)));
    let report =
        |(i, (name, _)): (usize, &(String, _))| OutputReport { name: name.clone(), max_abs: 0.0, max_rel: 0.0, tolerance: tolerance(i) };
    let mut report = Report { calls: Vec::new(), outputs: outputs.iter().enumerate().map(report).collect() };
    for call in vary::calls(example, options.fresh, options.sizes)? {
        let inputs: Vec<Tensor> = call.inputs.iter().cloned().map(Tensor::from).collect();
        let expected = match seeded(0, || module.forward(&inputs)) {
            Ok(expected) => expected,
            // A function that is only legal on some sizes or numbers is not a wrong record, but nothing was proven either.
            Err(error) => {
                return Err(error
                    .at(format!("the module itself, called with {}", call.what))
                    .help("give an example with real numbers, or fix the axis"));
            }
        };
        let got = seeded(0, || subject.forward(&inputs)).at(format!("the record, called with {}", call.what))?;
        if got.len() != expected.len() {
            return Err(Error::new(Code::Mismatch, format!("{} outputs, expected {}", got.len(), expected.len())).at(&call.what));
        }
        for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
            let (got, expected) = (got.to_array()?, expected.to_array()?);
            let found = differs(&got, &expected, tolerance(i), &mut report.outputs[i]);
            if let Some(found) = found {
                return Err(blame(module, traced, &call, &report.outputs[i].name, &found, options));
            }
        }
        report.calls.push(call.what);
    }
    Ok(report)
}

/// What differs between two answers, in words; `None` where they agree.
fn differs(got: &Array, expected: &Array, tolerance: Tolerance, report: &mut OutputReport) -> Option<String> {
    let Some(comparison) = compare(got, expected, tolerance) else {
        let ty = |array: &Array| crate::dim::Type::from(array);
        return Some(format!("expected {}, got {}", ty(expected), ty(got)));
    };
    report.max_abs = report.max_abs.max(comparison.max_abs);
    report.max_rel = report.max_rel.max(comparison.max_rel);
    let (index, got_number, number) = comparison.worst?;
    let share = format!("{} of {} numbers differ", comparison.outside, got.len());
    Some(format!("{share}, most at {index:?}: expected {number}, got {got_number}"))
}

/// The error of a difference, with the first node whose value differs.
fn blame(module: &dyn Module, traced: &Traced, call: &Call, output: &str, found: &str, options: &Check) -> Error {
    let error = Error::new(Code::Mismatch, found).at(format!("output {output}")).at(format!("called with {}", call.what));
    match locate::locate(module, traced, &call.inputs, options) {
        Some(found) => error.help(found.to_string()),
        None if !call.same_size => error.help("the record holds at the example's size only: a length was baked in"),
        None => error,
    }
}
