//! The comparison of one call: by tolerance first, and where that fails by what rounding explains.

use super::input_generation::Call;
use super::report::{Limit, OutputReport, WorstElement};
use super::rounding::{self, Closeness, Evaluation};
use super::tolerance::{self, ArrayDifference};
use super::{CheckRun, Failure, alignment, cost, graph_diff};
use crate::array::{Array, Tolerance, index};
use crate::error::{Error, ErrorCode, Result};
use crate::graph::Graph;
use crate::trace::repeated;

/// How many calls of a large model are compared in f64 with another model that agrees within the tolerance; of a small one all are.
const EXACT_CALLS: usize = 2;

/// An output that differs by more than its tolerance.
struct Discrepancy {
    output: usize,
    words: String,
    /// Whether nothing may differ.
    is_exact: bool,
}

impl CheckRun<'_> {
    /// Compares all outputs of a call and adds the differences to the report.
    ///
    /// # Errors
    /// [`Mismatch`](ErrorCode::Mismatch) for the first output that differs.
    pub(super) fn compare(&mut self, call: &Call, got: &[Array], expected: &[Array]) -> Result<(), Failure> {
        if got.len() != expected.len() || got.len() != self.report.outputs.len() {
            let error = Error::new(ErrorCode::Mismatch, format!("{} outputs, expected {}", got.len(), expected.len()));
            return Err(self.blame(call.clone(), error.at(format!("called with {}", call.what)), expected));
        }
        let by_user = self.options.has_tolerance();
        let bits = self.same_kernels() && !by_user;
        let mut outside: Vec<Discrepancy> = Vec::new();
        for (i, (got, expected_array)) in got.iter().zip(expected).enumerate() {
            let tolerance = match self.options.tolerance_for(expected_array) {
                Some(tolerance) => tolerance,
                // Two implementations of one graph agree to the bit where its operators do; another model may have another order of additions.
                None if bits || self.options.retrace && self.exact.get(i) == Some(&true) => Tolerance::EXACT,
                None => tolerance::allowed(expected_array, &call.inputs).map_err(|error| self.blame(call.clone(), error, expected))?,
            };
            let difference = tolerance::difference(got, expected_array, tolerance, bits);
            let report = &mut self.report.outputs[i];
            if call.is_typical {
                count_special(report, expected_array)?;
            }
            if difference.words.is_none() || bits || by_user || tolerance == Tolerance::EXACT {
                add(report, call, &difference, tolerance);
            }
            let is_exact = tolerance == Tolerance::EXACT;
            outside.extend(difference.words.map(|words| Discrepancy { output: i, words, is_exact }));
        }
        if bits || by_user || outside.iter().any(|outside| outside.is_exact) {
            outside.sort_by_key(|outside| !outside.is_exact);
            return outside.into_iter().next().map_or(Ok(()), |first| Err(self.differs(call, &first, expected)));
        }
        // Another model may be wrong by less than a tolerance that is made for the rounding of any network, and for some inputs only.
        let exactly = !self.options.retrace && call.same_size && (self.unit <= cost::CHEAP || self.compared_exactly < EXACT_CALLS);
        self.compared_exactly += usize::from(exactly);
        if outside.is_empty() && !exactly {
            return Ok(());
        }
        self.judge(call, got, expected, outside)
    }

    /// Compares the outputs of a call with what rounding explains.
    fn judge(&mut self, call: &Call, got: &[Array], expected: &[Array], outside: Vec<Discrepancy>) -> Result<(), Failure> {
        let needed = cost::exact_memory(self.traced.graph(), &call.sizes);
        if self.options.is_beyond_memory(needed) {
            let message =
                format!("an evaluation in f64 to compare with takes about {} MB, more than the model may take", needed / 1_000_000);
            let Some(first) = outside.first() else {
                self.report.notes.push(format!("{}: {message}; compared by tolerance only", call.what));
                return Ok(());
            };
            let error = Error::too_big(format!("{}, which rounding may explain: {message}", first.words));
            let help = "smaller inputs take less (-i), --limit raises what the model may take, and --atol and --rtol say what may differ";
            return Err(error.at(format!("output {}", self.report.outputs[first.output].name)).help(help).into());
        }
        let judged = self.closeness(call, got, expected, outside.is_empty()).unwrap_or(None);
        let Some(closeness) = judged else {
            for Discrepancy { output, .. } in &outside {
                let difference = self.by_tolerance(call, &got[*output], &expected[*output]);
                add(&mut self.report.outputs[*output], call, &difference.0, difference.1);
            }
            return outside.into_iter().next().map_or(Ok(()), |first| Err(self.differs(call, &first, expected)));
        };
        let mut wrong = None;
        for (i, closeness) in closeness.iter().enumerate() {
            let words = outside.iter().find(|outside| outside.output == i).map(|outside| outside.words.clone());
            if words.is_none() && closeness.share <= 1.0 {
                continue;
            }
            let (difference, tolerance) = self.by_tolerance(call, &got[i], &expected[i]);
            let report = &mut self.report.outputs[i];
            add(report, call, &ArrayDifference { share: 0.0, element: None, ..difference }, tolerance);
            report.limit = Limit::Rounding;
            let at = index(expected[i].shape(), closeness.element);
            if closeness.share >= report.share {
                let element = |array: &Array| array.double_at(closeness.element).ok().flatten();
                let (got, expected) = (element(&got[i]).unwrap_or(f64::NAN), element(&expected[i]).unwrap_or(f64::NAN));
                report.share = closeness.share;
                report.worst = Some(WorstElement { call: call.what.clone(), index: at.clone(), got, expected, limit: closeness.limit });
            }
            if closeness.share > 1.0 && wrong.is_none() {
                let limit = format!("rounding explains {:.1e} at {at:?}", closeness.limit);
                let words = match words {
                    Some(words) => format!("{words}; {limit}"),
                    None => format!("the models differ by {:.1e} in f64, within the tolerance; {limit}", closeness.share * closeness.limit),
                };
                wrong = Some(Discrepancy { output: i, words, is_exact: false });
            }
        }
        wrong.map_or(Ok(()), |wrong| Err(self.differs(call, &wrong, expected)))
    }

    /// How close each output is to its reference in f64, the module's and the candidate's, whichever is further; `None` where that cannot be
    /// said, because the graph is not what the module computes. Where all
    /// outputs are within their tolerance, only the references of two models are left to be compared.
    fn closeness(&self, call: &Call, got: &[Array], expected: &[Array], is_within: bool) -> Result<Option<Vec<Closeness>>> {
        let inputs = [call.inputs.clone(), self.traced.noise(&call.inputs)?].concat();
        let other = match self.options.retrace {
            true => None,
            false => {
                let (graph, _) = repeated(self.module, self.traced, &self.example.with(&call.inputs)?)?;
                if graph_diff::difference(self.traced.graph(), &graph).is_none() { None } else { Some(graph) }
            }
        };
        if is_within && other.is_none() {
            return Ok(Some(vec![Closeness { share: 0.0, limit: 0.0, element: 0 }; expected.len()]));
        }
        let evaluated = |graph: &Graph| match is_within {
            true => rounding::evaluate_exactly(graph, &inputs, |_, _, _| Ok(())),
            false => rounding::evaluate(graph, &inputs, |_, _| Ok(())),
        };
        let mine = evaluated(self.traced.graph())?;
        let other = other.as_ref().map(evaluated).transpose()?;
        let Evaluation { replayed, outputs } = other.as_ref().unwrap_or(&mine);
        let is_replay = |(replayed, expected): (&Array, &Array)| tolerance::apart(replayed, expected, Tolerance::EXACT, true).is_none();
        if replayed.len() != expected.len() || !replayed.iter().zip(expected).all(is_replay) {
            return Ok(None);
        }
        let differing = || Closeness { share: f64::INFINITY, limit: 0.0, element: 0 };
        let one = |i: usize| -> Result<Closeness> {
            if got[i].dtype() != expected[i].dtype() || got[i].shape() != expected[i].shape() {
                return Ok(differing());
            }
            let (Some(reference), Some(own)) = (&outputs[i], &mine.outputs[i]) else {
                let same = tolerance::apart(&got[i], &expected[i], Tolerance::EXACT, false).is_none();
                return Ok(if same { Closeness { share: 0.0, ..differing() } } else { differing() });
            };
            let mut all = Vec::new();
            if !is_within {
                all.extend([own.closeness(&got[i])?, reference.closeness(&expected[i])?]);
            }
            if let Some(other) = &other {
                all.push(alignment::output_nearness(&mine, other, (i, i))?);
            }
            Ok(all.into_iter().max_by(|a, b| a.share.total_cmp(&b.share)).unwrap_or_else(differing))
        };
        (0..expected.len()).map(one).collect::<Result<Vec<_>>>().map(Some)
    }

    fn by_tolerance(&self, call: &Call, got: &Array, expected: &Array) -> (ArrayDifference, Tolerance) {
        let tolerance = tolerance::allowed(expected, &call.inputs).unwrap_or(Tolerance::of(expected.dtype()));
        (tolerance::difference(got, expected, tolerance, false), tolerance)
    }

    fn differs(&self, call: &Call, outside: &Discrepancy, expected: &[Array]) -> Failure {
        let name = &self.report.outputs[outside.output].name;
        let error = Error::new(ErrorCode::Mismatch, outside.words.clone());
        self.blame(call.clone(), error.at(format!("output {name}")).at(format!("called with {}", call.what)), expected)
    }
}

/// Adds the differences of one call to the report of an output.
pub(super) fn add(report: &mut OutputReport, call: &Call, difference: &ArrayDifference, tolerance: Tolerance) {
    report.max_abs = report.max_abs.max(difference.max_abs);
    report.max_rel = report.max_rel.max(difference.max_rel);
    if tolerance != Tolerance::EXACT {
        report.limit = report.limit.max(Limit::Tolerance);
    }
    if tolerance.abs >= report.tolerance.abs {
        report.tolerance = tolerance;
    }
    if difference.share > report.share || report.worst.is_none() && difference.element.is_some() {
        report.share = report.share.max(difference.share);
        report.worst = difference.element.clone().map(|(index, got, expected)| {
            let limit = tolerance.abs + if expected.is_finite() { tolerance.rel * expected.abs() } else { 0.0 };
            WorstElement { call: call.what.clone(), index, got, expected, limit }
        });
    }
}

/// Counts the elements that are no numbers.
pub(super) fn count_special(report: &mut OutputReport, expected: &Array) -> Result<()> {
    report.elements += expected.len();
    if !expected.dtype().is_float() {
        return Ok(());
    }
    expected.for_each_f64(|x| {
        report.nan += usize::from(x.is_nan());
        report.infinite += usize::from(x.is_infinite());
        if x.is_finite() {
            let (least, greatest) = report.range.unwrap_or((x, x));
            report.range = Some((least.min(x), greatest.max(x)));
        }
    })?;
    Ok(())
}
