//! Reports of checks: what agrees and by how much, what was not compared and why, and the cost.

use crate::array::Tolerance;
use std::fmt;

/// The report of a check that found no difference.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// The calls that were compared: `the example`, `seed 1`, `batch = 5`.
    pub calls: Vec<String>,
    /// The largest differences of each output over all calls.
    pub outputs: Vec<OutputReport>,
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
pub struct OutputReport {
    /// The name of the output.
    pub name: String,
    /// The largest |got − expected|.
    pub max_abs: f64,
    /// The largest |got − expected| / |expected|.
    pub max_rel: f64,
    /// What was allowed at most.
    pub tolerance: Tolerance,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "agrees: {}", self.calls.join(" · "))?;
        for output in &self.outputs {
            let Tolerance { abs, rel } = output.tolerance;
            let allowed = match output.tolerance == Tolerance::EXACT {
                true => "tolerance: exact".to_string(),
                false => format!("tolerance: abs {abs:.0e}, rel {rel:.0e}"),
            };
            writeln!(f, "{:12} max abs {:.1e}  max rel {:.1e}  ({allowed})", output.name, output.max_abs, output.max_rel)?;
        }
        for (what, lines) in [
            ("valid only for", &self.excluded),
            ("the source model rejects", &self.rejected),
            ("skipped (time budget)", &self.skipped),
            ("not verified", &self.unvaried),
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
