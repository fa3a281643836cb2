//! Do two modules agree? On the same inputs, on fresh ones, at every size that was promised, and each time that one is asked.

mod alignment;
mod candidate;
mod comparison;
mod cost;
mod decomposition_check;
mod error_bounds;
mod fitting_sizes;
mod graph_diff;
mod input_generation;
mod input_uses;
mod locate;
mod memory;
mod minimise;
mod model_comparison;
mod parts;
mod report;
mod rounding;
mod size_use;
mod subgraph;
mod tolerance;
mod use_analysis;

pub use candidate::{BlackBox, Candidate};
pub use fitting_sizes::fitting_example;
pub use input_uses::{FilledInput, check_example_indices, check_indices, fill_inputs};
pub use memory::{check_comparison_memory, check_memory, check_verification_memory, memory_limit};
pub use minimise::Reproducer;
pub use model_comparison::{FirstDifference, ModelComparison, NodeDifference, NodeSide, by_position, compare_models};
pub use report::{Cost, Limit, OutputReport, Report, Verdict, WorstElement};

use crate::array::{Array, DType, Tolerance};
use crate::dim::{Bindings, Expr};
use crate::error::{Error, ErrorCode, Result, ResultExt};
use crate::graph::{Graph, VALID_ONLY};
use crate::module::{AsDynModule, DynModule, Example, Outputs};
use crate::ops::seeded;
use crate::tensor::Tensor;
use crate::trace::{Traced, repeated};
use crate::work::{LoopBudget, Work};
use fitting_sizes::permits;
use input_generation::{Call, CallSpec, InputGenerator};
use locate::Divergence;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// The options of a check. The default suits every model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CheckOptions {
    /// How many sets of random inputs are compared besides the example.
    pub random_inputs: usize,
    /// Whether every symbolic axis is also compared at other sizes.
    pub sizes: bool,
    /// The largest difference allowed. Where `None`, it follows from dtypes and operators; a traced graph that is compared with the module
    /// it was traced from must agree to the bit, because both run the same kernels.
    pub tolerance: Option<Tolerance>,
    /// The absolute part of the tolerance, where it is given without the other: that has its default by dtype.
    pub abs_tolerance: Option<f64>,
    /// The relative part of the tolerance, likewise.
    pub rel_tolerance: Option<f64>,
    /// The dtype that the graph computes in, where it is narrower than that of the module: mixed precision. Where no tolerance is given, floats may then
    /// differ by the relative tolerance of this dtype, of the element and of the root mean square of its array.
    pub precision: Option<DType>,
    /// Whether the graph was traced from this very module: the module is then traced again, and must give the same graph.
    pub retrace: bool,
    /// How much work may be done, in runs of the example. Small models are not bound by it.
    pub budget: f64,
    /// How many bytes the values of a comparison may take; without it, as many as there are. What would take more is not done, and said so.
    pub memory: Option<u64>,
    /// The inputs that keep the values of the example in every call, by name. Inputs whose values the traced graph is specialized for keep them anyway.
    pub held: Vec<String>,
}

impl Default for CheckOptions {
    fn default() -> CheckOptions {
        CheckOptions {
            random_inputs: 2,
            sizes: true,
            tolerance: None,
            abs_tolerance: None,
            rel_tolerance: None,
            precision: None,
            retrace: true,
            budget: 5.0,
            memory: None,
            held: Vec::new(),
        }
    }
}

impl CheckOptions {
    /// The default options.
    pub fn new() -> CheckOptions {
        CheckOptions::default()
    }

    /// Options that compare the example only: no random inputs, no other sizes.
    pub fn example_only() -> CheckOptions {
        CheckOptions { random_inputs: 0, sizes: false, ..CheckOptions::default() }
    }

    /// How many sets of random inputs are compared besides the example.
    #[must_use]
    pub fn random_inputs(mut self, sets: usize) -> CheckOptions {
        self.random_inputs = sets;
        self
    }

    /// Whether every symbolic axis is also compared at other sizes.
    #[must_use]
    pub fn sizes(mut self, sizes: bool) -> CheckOptions {
        self.sizes = sizes;
        self
    }

    /// The largest difference allowed, in place of what dtypes and operators ask for.
    #[must_use]
    pub fn tolerance(mut self, tolerance: Tolerance) -> CheckOptions {
        self.tolerance = Some(tolerance);
        self
    }

    /// The absolute part of the tolerance; the relative part stays by dtype unless it is given, too.
    #[must_use]
    pub fn abs_tolerance(mut self, abs: f64) -> CheckOptions {
        self.abs_tolerance = Some(abs);
        self
    }

    /// The relative part of the tolerance; the absolute part stays by dtype unless it is given, too.
    #[must_use]
    pub fn rel_tolerance(mut self, rel: f64) -> CheckOptions {
        self.rel_tolerance = Some(rel);
        self
    }

    /// The narrower dtype that the graph computes in: floats are compared in relation to the size of their array, because rounding inside a network is, and
    /// an element near 0 is a difference of larger ones.
    ///
    /// ```
    /// use ontrace::{DType, Example, Tensor, check::{CheckOptions, Checker}, module, trace_fn};
    /// let x = Tensor::from(&[1000.0f32, 0.001]);
    /// let half = |n: i64| trace_fn(move |x: Tensor| x.cast(DType::F16)?.add(n)?.cast(DType::F32), &x);
    /// let full = module::from_fn(|x: Tensor| x.add(1));
    /// let options = CheckOptions::example_only().retrace(false).precision(DType::F16);
    /// for (n, agrees) in [(1, true), (30, false)] {
    ///     let report = Checker::new(&full, &half(n)?, &Example::of(&x)).options(options.clone()).run();
    ///     assert_eq!(report.is_ok(), agrees);
    /// }
    /// # Ok::<(), ontrace::Error>(())
    /// ```
    #[must_use]
    pub fn precision(mut self, dtype: DType) -> CheckOptions {
        self.precision = Some(dtype);
        self
    }

    /// The inputs that keep the values of the example in every call, by name: settings rather than data.
    #[must_use]
    pub fn hold(mut self, inputs: Vec<String>) -> CheckOptions {
        self.held = inputs;
        self
    }

    /// Whether the user says what may differ.
    fn has_tolerance(&self) -> bool {
        self.tolerance.is_some() || self.abs_tolerance.is_some() || self.rel_tolerance.is_some() || self.precision.is_some()
    }

    /// What the user allows for these values; `None` where nothing was said.
    fn tolerance_for(&self, expected: &Array) -> Option<Tolerance> {
        let by_part = self.abs_tolerance.is_some() || self.rel_tolerance.is_some();
        let narrow = self.precision.filter(|_| expected.dtype().is_float()).map(|dtype| tolerance::relative_to_size(dtype, expected));
        let default = self.tolerance.or(by_part.then(|| Tolerance::of(expected.dtype()))).or(narrow)?;
        Some(Tolerance { abs: self.abs_tolerance.unwrap_or(default.abs), rel: self.rel_tolerance.unwrap_or(default.rel) })
    }

    /// Whether the graph was traced from this very module, so that tracing it again must give the same graph.
    #[must_use]
    pub fn retrace(mut self, retrace: bool) -> CheckOptions {
        self.retrace = retrace;
        self
    }

    /// How many bytes the values of a comparison may take.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> CheckOptions {
        self.memory = Some(bytes);
        self
    }

    /// Whether so many bytes are more than a comparison may take.
    fn is_beyond_memory(&self, bytes: u64) -> bool {
        self.memory.is_some_and(|limit| bytes > limit)
    }

    /// How much work may be done, in runs of the example.
    #[must_use]
    pub fn budget(mut self, runs: f64) -> CheckOptions {
        self.budget = runs;
        self
    }
}

/// How many other sizes of each symbol are compared, and how many are tried to get there.
const SIZES: (usize, usize) = (3, 9);
/// How many symbols are compared at other sizes each by itself; more of them change together, and calls would be as many as the square of what a file declares.
const SEPARATE: usize = 32;
/// The most calls that cover the rows of a table.
const MOST_CALLS: usize = 64;

/// What of a table was not read, when `covered` of the calls were made that read all of it.
fn unread(covered: usize, needed: usize) -> String {
    format!("about {} % of the rows of a table, of which the other calls read {} %", 100 - 100 * covered / needed, 100 * covered / needed)
}

/// Checks a traced graph against the module it was traced from, with the default options: [`Checker`] with nothing set.
///
/// # Errors
/// As [`Checker::run`].
pub fn check<K: ?Sized>(reference: &(impl AsDynModule<K> + ?Sized), traced: &Traced, example: &Example) -> Result<Report> {
    Checker::new(reference, traced, example).run()
}

/// Compares a candidate (the traced graph, or a session made from it) with the module that was traced.
///
/// Both are called with the example, with random inputs distributed like it, with edge-case values, and with every symbolic axis at other
/// sizes; all outputs are compared in number, dtype, shape and values. The module is traced again, and must give the same graph. Sizes
/// that the module itself rejects, and calls that a guard of the graph rejects, are reported and are no failure.
///
/// ```
/// use ontrace::check::Checker;
/// use ontrace::{Example, Tensor, module, trace};
/// let x = Tensor::from(&[1.0f32, -2.0]);
/// let model = module::from_fn(|x: Tensor| x.relu());
/// let example = Example::of(&x).symbolic("x", 0, "n")?;
/// let traced = trace(&model, example.clone())?;
/// let report = Checker::new(&model, &traced, &example).run()?;
/// assert!(report.calls.iter().any(|call| call == "n = 3"));
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone)]
pub struct Checker<'a> {
    reference: Arc<dyn DynModule + 'a>,
    traced: &'a Traced,
    candidate: &'a dyn Candidate,
    example: &'a Example,
    options: CheckOptions,
}

impl<'a> Checker<'a> {
    /// A check of `traced` against `reference`, the module it was traced from with this example. The example must have values.
    pub fn new<K: ?Sized>(reference: &'a (impl AsDynModule<K> + ?Sized), traced: &'a Traced, example: &'a Example) -> Checker<'a> {
        let reference = Arc::from(reference.as_dyn(Some(traced.signature().inputs())));
        Checker { reference, traced, candidate: traced, example, options: CheckOptions::default() }
    }

    /// Compares this candidate, made from the traced graph, in place of the graph itself.
    #[must_use]
    pub fn candidate(mut self, candidate: &'a dyn Candidate) -> Checker<'a> {
        self.candidate = candidate;
        self
    }

    /// Checks with these options.
    #[must_use]
    pub fn options(mut self, options: CheckOptions) -> Checker<'a> {
        self.options = options;
        self
    }

    /// Runs the check.
    ///
    /// # Errors
    /// [`Mismatch`](ErrorCode::Mismatch) names the output, the index, the expected and the actual value, and the first node of the graph whose
    /// value differs, with its source location; other errors are those of the two modules.
    pub fn run(&self) -> Result<Report> {
        self.checked().map_err(|failure| failure.error())
    }

    /// As [`Checker::run`], with the report of what was compared also where the two differ.
    pub fn verdict(&self) -> Verdict {
        let mut run = match CheckRun::new(self) {
            Ok(run) => run,
            Err(error) => return Verdict { report: Report::default(), failure: Some(error) },
        };
        let failure = run.run().err().map(Failure::error);
        Verdict { report: run.finished(), failure }
    }

    fn checked(&self) -> Result<Report, Failure> {
        let mut run = CheckRun::new(self)?;
        run.run()?;
        Ok(run.finished())
    }
}

/// A check that is running.
struct CheckRun<'a> {
    module: &'a dyn DynModule,
    traced: &'a Traced,
    candidate: &'a dyn Candidate,
    options: &'a CheckOptions,
    /// The example with the sizes as the traced graph has them.
    example: Example,
    generator: InputGenerator,
    exact: Vec<bool>,
    report: Report,
    /// The work of one run of the example, and the most bytes that are alive in it.
    unit: f64,
    peak: u64,
    /// Whether the second trace has been made: at the example's sizes, and at others.
    again: [bool; 2],
    /// How many calls were compared at the example's sizes.
    compared: usize,
    first_refusal: Option<Error>,
    /// How many calls were compared in f64 with another model.
    compared_exactly: usize,
}

/// Two answers that differ.
struct Failure {
    error: Error,
    /// The call, and the node that is to blame.
    found: Option<Box<(Call, Divergence)>>,
}

impl Failure {
    fn error(self) -> Error {
        match self.found {
            Some(found) => self.error.help(found.1.to_string()),
            None => self.error,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure { error, found: None }
    }
}

/// What came of a call.
#[derive(Clone, Copy, PartialEq)]
enum Outcome {
    Compared,
    /// A guard, or the module itself, does not allow it.
    Refused,
    Unaffordable,
}

impl<'a> CheckRun<'a> {
    fn new(checker: &'a Checker<'a>) -> Result<CheckRun<'a>> {
        let Checker { ref reference, traced, candidate, example, ref options } = *checker;
        let module = &**reference;
        let example = settled(example.clone().arranged(module)?, traced);
        let generator = InputGenerator::of(&example, traced.graph())?.holding(&options.held);
        let report = Report {
            outputs: traced.outputs().into_iter().map(|output| OutputReport::new(output.0)).collect(),
            nodes: traced.graph().nodes().len(),
            ..Report::default()
        };
        let (unit, peak) = (cost::work(traced.graph(), &generator.example_sizes), cost::peak(traced.graph(), &generator.example_sizes));
        let exact = tolerance::exact(traced.graph());
        let again = [!options.retrace; 2];
        Ok(CheckRun {
            module,
            traced,
            candidate,
            options,
            example,
            generator,
            exact,
            report,
            unit,
            peak,
            again,
            compared: 0,
            first_refusal: None,
            compared_exactly: 0,
        })
    }

    /// Whether traced graph and module run the same kernels on the same values.
    fn same_kernels(&self) -> bool {
        self.options.retrace && self.candidate.replays()
    }

    fn run(&mut self) -> Result<(), Failure> {
        let (same, sizes) = (self.same_kernels(), self.options.sizes);
        let fresh = self.options.random_inputs as u64;
        if self.generator.has_values() {
            self.attempt(self.generator.example(), true)?;
        } else {
            self.attempt(self.generator.fresh(1), true)?;
        }
        // Sizes that the guards of the traced graph rule out would only be refused.
        let traced = self.traced;
        let generator = self.generator.clone();
        let allowed = |sizes: &Bindings| permits(traced.graph(), sizes) && generator.fits(sizes);
        if sizes {
            let mut unvaried: Vec<Arc<str>> = Vec::new();
            unvaried.extend(self.generator.symbols());
            for symbol in self.generator.other_sizes(&allowed, same, SEPARATE)? {
                let (mut compared, mut tried) = (0, 0);
                for spec in symbol.specs {
                    if compared >= SIZES.0 || tried >= SIZES.1 {
                        break;
                    }
                    tried += 1;
                    // One other size is always tried: that is what a symbol promises.
                    compared +=
                        usize::from(self.attempt(spec, compared == 0 && self.is_affordable_alone(&symbol.symbol))? == Outcome::Compared);
                }
            }
            if let Some(spec) = self.generator.all_different(&allowed)? {
                self.attempt(spec, false)?;
            }
            let varied = self.varied();
            unvaried.retain(|symbol| !varied.contains(&**symbol));
            self.report.unvaried = unvaried.iter().map(|symbol| self.unvaried(symbol)).collect();
        }
        // Where every input keeps its value, all calls are the example.
        let fresh = if self.generator.varies() { fresh } else { 0 };
        for seed in 1..=fresh {
            if self.generator.has_values() || seed > 1 {
                self.attempt(self.generator.fresh(seed), false)?;
            }
        }
        if fresh > 0 {
            self.cover_tables(fresh)?;
        }
        // A loop that ends by data may never end at infinity or NaN, in the module as in the traced graph.
        if fresh > 0 && self.generator.has_values() && !self.traced.graph().has_data_dependent_loop() {
            for spec in self.generator.edge_cases(same) {
                self.attempt(spec, false)?;
            }
        }
        if self.compared == 0 {
            let error = self.first_refusal.clone().unwrap_or_else(|| Error::input("no run could be compared"));
            return Err(error.help("give an example with realistic values, or fix the axis").into());
        }
        Ok(())
    }

    /// The report, as far as the check came.
    fn finished(mut self) -> Report {
        self.report.cost.work = (self.report.cost.work * 100.0).round() / 100.0;
        self.report.inputs = self.generator.described();
        if !self.report.calls.is_empty() {
            // What is constant in the graph needs no warning.
            let graph = self.traced.graph();
            let is_constant = graph.outputs().iter().map(|id| graph.value(*id).constant().is_some());
            for (output, _) in self.report.outputs.iter_mut().zip(is_constant).filter(|(_, is_constant)| *is_constant) {
                output.range = None;
            }
            self.report.warnings = self.report.outputs.iter().filter_map(OutputReport::warning).collect();
            self.report.notes.extend(self.generator.held_values());
        }
        self.report
    }

    /// More calls with fresh values, until every row was read of the tables that inputs index.
    fn cover_tables(&mut self, done: u64) -> Result<(), Failure> {
        let needed = self.generator.calls_to_cover();
        let most = if self.options.budget.is_infinite() { needed } else { MOST_CALLS };
        for seed in done + 1..=needed.min(most) as u64 {
            if self.attempt(self.generator.fresh(seed), false)? != Outcome::Compared {
                break;
            }
        }
        let compared = self.report.calls.iter().filter(|call| call.starts_with("seed ")).count();
        if compared < needed {
            self.report.skipped.push(unread(compared, needed));
        }
        Ok(())
    }

    /// A symbol that was compared at the example's size only, and why.
    fn unvaried(&self, symbol: &str) -> String {
        let size = self.generator.example_sizes.get(symbol).unwrap_or_default();
        let about = |line: &&String| line.contains(&format!("{symbol} = "));
        let refused = self.report.rejected.iter().find(about).map(|line| format!("the source model rejects {line}"));
        let skipped = self.report.excluded.iter().find(about).map(|line| format!("the traced graph is valid only for {line}"));
        let untried = self.report.skipped.iter().find(about).map(|line| format!("{line} would exceed the time budget"));
        let reason =
            refused.or(skipped).or(untried).unwrap_or_else(|| match self.generator.symbols().take(SEPARATE).any(|one| *one == *symbol) {
                true => "its guards allow no other size".to_string(),
                false => format!("of more than {SEPARATE} sizes the others change only all together"),
            });
        format!("`{symbol}` was compared at size {size} only: {reason}")
    }

    /// Whether anything of the symbol was compared already.
    fn is_affordable_alone(&self, symbol: &str) -> bool {
        !self.varied().contains(symbol)
    }

    /// The symbols that were compared at other sizes.
    fn varied(&self) -> HashSet<&str> {
        self.report.calls.iter().flat_map(|call| call.split(", ").filter_map(|part| part.split(" = ").next())).collect()
    }

    /// Calls both, unless that costs too much, and compares.
    fn attempt(&mut self, spec: CallSpec, always: bool) -> Result<Outcome, Failure> {
        let work = if spec.same_size { self.unit } else { cost::work(self.traced.graph(), &spec.sizes) };
        let cost = 2.0 * work / self.unit;
        if !always && work.max(self.unit) > cost::CHEAP && self.report.cost.work + cost > self.options.budget {
            self.report.skipped.push(spec.what);
            return Ok(Outcome::Unaffordable);
        }
        let what = spec.what.clone();
        let call = match self.generator.generate(spec) {
            Ok(call) => call,
            // No call without its example, but a size that no type has is no call.
            Err(error) if self.compared == 0 => return Err(error.into()),
            Err(_) => return Ok(Outcome::Refused),
        };
        self.report.cost.work += cost;
        let bytes = |arrays: &[Array]| arrays.iter().map(|array| array.byte_len() as u64).sum::<u64>();
        let peak = if call.same_size { self.peak } else { cost::peak(self.traced.graph(), &call.sizes) };
        let memory = bytes(&call.inputs) + 2 * peak;
        if self.compared > 0 && self.options.is_beyond_memory(memory) {
            self.report.skipped.push(what);
            return Ok(Outcome::Unaffordable);
        }
        self.report.cost.memory = self.report.cost.memory.max(memory);
        let inputs: Vec<Tensor> = call.inputs.iter().cloned().map(Tensor::from).collect();
        let got = {
            let _budget = self.module.file_size().map(LoopBudget::of_file);
            seeded(0, || self.candidate.forward(&inputs))
        };
        self.report.cost.traced_runs += 1;
        if let Err(error) = &got
            && is_guard(error)
        {
            let condition = error.message().strip_prefix(VALID_ONLY).unwrap_or(error.message());
            self.report.excluded.push(format!("{condition}; excludes {what}"));
            return Ok(Outcome::Refused);
        }
        self.report.cost.module_runs += 1;
        let (expected, other) = match self.expected(&call, &inputs) {
            Ok(expected) => expected,
            // Tensors that cross from one trace into the next are kept somewhere: no matter of sizes.
            Err(error) if error.code() == ErrorCode::Trace => return Err(error.at("traced a second time").into()),
            // A bound is no refusal by the model: what the example exceeds, other inputs will.
            Err(error) if error.code() == ErrorCode::TooBig && self.compared == 0 => {
                return Err(error.at(format!("called with {what}")).into());
            }
            Err(error) => return Ok(self.refused(&call, error, got)),
        };
        if let Some(other) = other {
            self.same_again(&call, &other)?;
        }
        let got = match got.and_then(|got| got.iter().map(Tensor::to_array).collect::<Result<Vec<_>>>()) {
            Ok(got) => got,
            Err(error) => {
                let error = error.at(format!("the traced graph, called with {what}"));
                return Err(self.blame(call, error, &expected));
            }
        };
        self.compare(&call, &got, &expected)?;
        decomposition_check::agree(self.traced, &call.inputs, self.options).at(format!("called with {what}"))?;
        self.report.calls.push(what);
        Work::Calls.add(1);
        self.compared += usize::from(call.same_size);
        Ok(Outcome::Compared)
    }

    /// What is left of a call that the module refuses: it may take the parts of the inputs. That says whether rows depend on each other, and
    /// is no comparison with the module at this size.
    fn refused(&mut self, call: &Call, error: Error, got: Result<Outputs>) -> Outcome {
        let got = got.and_then(|got| got.iter().map(Tensor::to_array).collect::<Result<Vec<_>>>());
        let in_parts = if call.same_size { None } else { got.ok().and_then(|got| self.compare_in_parts(call, &got)) };
        let error = match in_parts {
            Some(Ok(())) => Error::new(error.code(), format!("{error}; run on parts, it gives the same")),
            Some(Err(other)) => Error::new(error.code(), format!("{error}; run on parts, it gives something else: {other}")),
            None => error,
        };
        self.report.rejected.push(format!("{}: {error}", call.what));
        self.first_refusal.get_or_insert(error.at(format!("the source model, called with {}", call.what)));
        Outcome::Refused
    }

    /// The module's outputs; the first time at the example's sizes and at others while it is traced again, which is the same work.
    fn expected(&mut self, call: &Call, inputs: &[Tensor]) -> Result<(Vec<Array>, Option<Graph>)> {
        let other_size = usize::from(!call.same_size);
        if !self.again[other_size] {
            self.again[other_size] = true;
            let (again, outputs) = repeated(self.module, self.traced, &self.example.with(&call.inputs)?)?;
            if let Some(outputs) = outputs.iter().map(|tensor| tensor.value().cloned()).collect::<Option<Vec<_>>>() {
                return Ok((outputs, Some(again)));
            }
            return Ok((self.answers(inputs)?, Some(again)));
        }
        Ok((self.answers(inputs)?, None))
    }

    fn answers(&self, inputs: &[Tensor]) -> Result<Vec<Array>> {
        answers(self.module, inputs)
    }

    /// Compares a second trace with the traced graph.
    fn same_again(&mut self, call: &Call, again: &Graph) -> Result<(), Failure> {
        let Some(difference) = graph_diff::difference(self.traced.graph(), again) else { return Ok(()) };
        let mut found = Divergence::of_difference(self.traced, again, &difference, &call.inputs);
        if call.same_size {
            if let Ok(expected) = again.replay(&call.inputs) {
                found.cover_whole_graph(self.traced, call, &expected);
            }
            let error = Error::new(ErrorCode::Mismatch, "the module is not deterministic: a second trace differs")
                .at(format!("called with {}", call.what))
                .help(format!("{found}; what changes between calls must be an input of the module"));
            return Err(Failure { error, found: Some(Box::new((call.clone(), found))) });
        }
        self.report.notes.push(format!("at {} the module traces to a different graph: {found}", call.what));
        Ok(())
    }

    /// The failure, with the first node whose value differs.
    fn blame(&self, call: Call, error: Error, expected: &[Array]) -> Failure {
        let found = locate::locate(self.module, self.traced, self.candidate, &self.example, &call, expected, self.options);
        match found {
            Some(mut found) => {
                found.cover_whole_graph(self.traced, &call, expected);
                Failure { error, found: Some(Box::new((call, found))) }
            }
            None if !call.same_size => {
                error.help("the traced graph is right at the example's sizes only: a size was folded into it as a constant").into()
            }
            None => error.into(),
        }
    }
}

/// The outputs of a module.
fn answers(module: &dyn DynModule, inputs: &[Tensor]) -> Result<Vec<Array>> {
    seeded(0, || module.forward(inputs))?.iter().map(Tensor::to_array).collect()
}

/// Whether a traced graph refuses a call because a guard does not hold.
fn is_guard(error: &Error) -> bool {
    error.code() == ErrorCode::Guard
}

/// The example with its sizes as the traced graph has them: a symbol that was solved is replaced by its solution.
fn settled(example: Example, traced: &Traced) -> Example {
    let mut found: BTreeMap<Arc<str>, Expr> = BTreeMap::new();
    for ((_, tensor), (_, ty)) in example.inputs().iter().zip(traced.inputs()) {
        for (dim, recorded) in tensor.shape().iter().zip(ty.shape.iter()) {
            if let Some(symbol) = dim.expr().as_symbol() {
                found.entry(symbol.clone()).or_insert(recorded.expr());
            }
        }
    }
    example.substituted(&|symbol| found.get(symbol).cloned())
}
