//! Reports of checks: what agrees and by how much, what was not compared and why, and the cost.

use crate::array::Tolerance;
use crate::error::Error;
use std::fmt;

/// The report of a check that found no difference.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// The calls that were compared: `the example`, `seed 1`, `batch = 5`.
    pub calls: Vec<String>,
    /// The largest differences of each output over all calls.
    pub outputs: Vec<OutputReport>,
    /// What the inputs were in these calls: `ids: indices 0 to 39 of a table of 40 rows`.
    pub inputs: Vec<String>,
    /// Calls that a guard of the traced graph excludes.
    pub excluded: Vec<String>,
    /// Calls that the source model rejects: sizes or values that it is not made for.
    pub rejected: Vec<String>,
    /// Calls that were skipped, because they would have cost more than the time budget of the check.
    pub skipped: Vec<String>,
    /// Symbolic sizes that were compared at the example's size only, and why: that other sizes are right was not shown.
    pub unvaried: Vec<String>,
    /// What is odd, though every answer agrees.
    pub notes: Vec<String>,
    /// Outputs that contain NaN or infinity: where both sides have them, that shows less than numbers do.
    pub warnings: Vec<String>,
    /// The operations of the traced graph, each done once for every call that was compared.
    pub nodes: usize,
    /// What was spent.
    pub cost: Cost,
}

/// What a check has spent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// How often the module ran.
    pub module_runs: usize,
    /// How often the traced graph, or the candidate made from it, ran.
    pub traced_runs: usize,
    /// All of that in runs of the example, counted by the values and operations that a run makes.
    pub work: f64,
    /// The most memory at once besides the parameters, in bytes: an upper bound.
    pub memory: u64,
}

/// The largest differences of one output.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OutputReport {
    /// The name of the output.
    pub name: String,
    /// The largest |got − expected|.
    pub max_abs: f64,
    /// The largest |got − expected| / |expected|.
    pub max_rel: f64,
    /// What was allowed at most.
    pub tolerance: Tolerance,
    /// The largest difference as a share of what is allowed there: 1 is the limit.
    pub share: f64,
    /// What the limit is.
    pub limit: Limit,
    /// The element with the largest share, where any differs.
    pub worst: Option<WorstElement>,
    /// How many elements were compared, in inputs that are as the example is.
    pub elements: usize,
    /// How many of these are NaN, on both sides.
    pub nan: usize,
    /// How many of these are infinite, on both sides.
    pub infinite: usize,
    /// The least and the greatest of the others, for floats.
    pub range: Option<(f64, f64)>,
}

impl OutputReport {
    /// An output that was not compared yet.
    pub(super) fn new(name: String) -> OutputReport {
        OutputReport {
            name,
            max_abs: 0.0,
            max_rel: 0.0,
            tolerance: Tolerance::EXACT,
            share: 0.0,
            limit: Limit::Exact,
            worst: None,
            elements: 0,
            nan: 0,
            infinite: 0,
            range: None,
        }
    }

    /// Whether every comparison was within its limit.
    pub fn agrees(&self) -> bool {
        self.share <= 1.0
    }

    /// Whether there was no element to compare in any call.
    pub fn is_empty(&self) -> bool {
        self.elements == 0
    }

    /// Whether no element was a number in any call.
    pub fn is_nan(&self) -> bool {
        self.elements > 0 && self.nan == self.elements
    }

    /// What is odd about its values.
    pub(super) fn warning(&self) -> Option<String> {
        let OutputReport { name, elements, nan, infinite, .. } = self;
        if *elements == 0 {
            return Some(format!("output {name} has no elements in any call: nothing of it was compared"));
        }
        if self.is_nan() {
            return Some(format!(
                "output {name} is NaN for every input that was tried: comparing NaN with NaN shows nothing about the model"
            ));
        }
        let counts: Vec<String> = [(nan, "NaN"), (infinite, "infinite")]
            .into_iter()
            .filter(|(count, _)| **count > 0)
            .map(|(count, what)| format!("{count} of {elements} elements are {what}"))
            .collect();
        let single = self.range.filter(|(least, greatest)| least == greatest && *elements > 1 && counts.is_empty());
        if let Some((value, _)) = single {
            return Some(format!("output {name} is {value} everywhere, for every input that was tried: that shows little about the model"));
        }
        (!counts.is_empty()).then(|| format!("output {name}: {} (on both sides)", counts.join(", ")))
    }
}

/// What a difference is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Limit {
    /// Nothing may differ.
    #[default]
    Exact,
    /// |got − expected| ≤ abs + rel · |expected|.
    Tolerance,
    /// What the rounding of the operations explains, from an evaluation in f64.
    Rounding,
}

impl Limit {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Limit::Exact => "exact",
            Limit::Tolerance => "tolerance",
            Limit::Rounding => "rounding",
        }
    }
}

/// An element of an output.
#[derive(Clone, Debug, PartialEq)]
pub struct WorstElement {
    /// The call: `the example`, `seed 1`, `batch = 5`.
    pub call: String,
    /// Its index.
    pub index: Vec<usize>,
    /// What the candidate gives.
    pub got: f64,
    /// What the module gives.
    pub expected: f64,
    /// By how much they may differ.
    pub limit: f64,
}

/// What a check found: a report, and where the two differ the failure.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What was compared, as far as the check came.
    pub report: Report,
    /// Why the check failed.
    pub failure: Option<Error>,
}

impl Report {
    /// Whether outputs were made, and none has any element: nothing was compared.
    pub fn is_empty(&self) -> bool {
        !self.calls.is_empty() && self.outputs.iter().all(OutputReport::is_empty)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "agrees: {}", self.calls.join(" · "))?;
        for output in &self.outputs {
            let Tolerance { abs, rel } = output.tolerance;
            let share = (output.share * 100.0).ceil();
            let allowed = match output.limit {
                Limit::Exact => "tolerance: exact".to_string(),
                Limit::Tolerance => format!("{share} % of the tolerance: abs {abs:.0e}, rel {rel:.0e}"),
                Limit::Rounding => format!("{share} % of what rounding explains"),
            };
            writeln!(f, "{:12} max abs {:.1e}  max rel {:.1e}  ({allowed})", output.name, output.max_abs, output.max_rel)?;
        }
        for (what, lines) in [
            ("inputs", &self.inputs),
            ("valid only for", &self.excluded),
            ("the source model rejects", &self.rejected),
            ("skipped (time budget)", &self.skipped),
            ("not verified", &self.unvaried),
            ("warning", &self.warnings),
            ("note", &self.notes),
        ] {
            lines.iter().try_for_each(|line| writeln!(f, "{what}: {line}"))?;
        }
        let Cost { module_runs, traced_runs, work, memory } = self.cost;
        writeln!(
            f,
            "{} operations; the module ran {module_runs} times, the traced graph {traced_runs} times: work of {work:.1} example runs, peak memory {} KiB",
            self.nodes,
            memory.div_ceil(1024)
        )
    }
}
