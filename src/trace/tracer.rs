//! How a module is traced: what is checked, what is refused, and the rounds that find out what its lengths must be.

use super::{Diagnostic, DiagnosticKind, RandomMode, Signature, Traced};
use crate::array::Tolerance;
use crate::check::{CheckOptions, Checker};
use crate::dim::solver::{self, Assumptions};
use crate::dim::{Constraint, Expr};
use crate::error::{Error, ErrorCode, Result};
use crate::graph::{Condition, Graph, Guard, Place};
use crate::module::{Example, Function, Module, function};
use crate::ops::seeded;
use crate::tensor::{Recorder, Tensor};
use crate::tree::{Structure, Tree};
use std::collections::{BTreeMap, BTreeSet};

/// How often a module may be run to find out what its lengths must be.
const ROUNDS: usize = 32;

/// The options of a trace: those of `torch.jit.trace`, and what it has not.
///
/// ```
/// use ontrace::trace::{DiagnosticKind, Tracer};
/// use ontrace::{ErrorCode, Tensor, module};
/// let x = Tensor::from(&[1.0f32, 2.0]);
/// let branches = module::function(|x: Tensor| if x.sum(.., false)?.gt(0.0)?.is_true()? { x.relu() } else { Ok(x) }, &x);
/// let traced = Tracer::new().trace(&branches, &x)?;
/// assert_eq!(traced.guards().len(), 1);
/// assert_eq!(Tracer::new().strict().trace(&branches, &x).unwrap_err().code(), ErrorCode::Denied);
/// assert_eq!(Tracer::new().deny(DiagnosticKind::Guard).trace(&branches, &x).unwrap_err().code(), ErrorCode::Denied);
/// # Ok::<(), ontrace::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tracer {
    strict: bool,
    check: Option<CheckOptions>,
    inputs: Vec<(Structure, Vec<Tensor>)>,
    denied: BTreeSet<DiagnosticKind>,
    draws: RandomMode,
    name: String,
}

impl Default for Tracer {
    fn default() -> Tracer {
        Tracer::new()
    }
}

impl Tracer {
    /// The default: checked with inputs that nobody supplied, and nothing refused that is right under its guards.
    pub fn new() -> Tracer {
        Tracer {
            strict: false,
            check: Some(CheckOptions::default()),
            inputs: Vec::new(),
            denied: BTreeSet::new(),
            draws: RandomMode::default(),
            name: "main".to_string(),
        }
    }

    /// Refuses a program that reads a number out of a traced tensor or length, at the line where it does.
    #[must_use]
    pub fn strict(mut self) -> Tracer {
        self.strict = true;
        self
    }

    /// Checks the record in another way than the default.
    #[must_use]
    pub fn check(mut self, check: CheckOptions) -> Tracer {
        self.check = Some(check);
        self
    }

    /// Does not check the record.
    #[must_use]
    pub fn unchecked(mut self) -> Tracer {
        self.check = None;
        self
    }

    /// Compares the record with its module on these inputs too. They are built as the example is.
    #[must_use]
    pub fn check_inputs(mut self, inputs: &impl Tree) -> Tracer {
        let mut leaves = Vec::new();
        let structure = inputs.take_apart(&mut leaves);
        self.inputs.push((structure, leaves));
        self.check.get_or_insert_default();
        self
    }

    /// How far numbers may stand apart in the check; by dtype and operator where it is not said.
    #[must_use]
    pub fn tolerance(mut self, tolerance: Tolerance) -> Tracer {
        self.check.get_or_insert_default().tolerance = Some(tolerance);
        self
    }

    /// Refuses a trace on which there is a note of this kind.
    #[must_use]
    pub fn deny(mut self, kind: DiagnosticKind) -> Tracer {
        self.denied.insert(kind);
        self
    }

    /// Accepts notes of this kind again.
    #[must_use]
    pub fn allow(mut self, kind: DiagnosticKind) -> Tracer {
        self.denied.remove(&kind);
        self
    }

    /// What becomes of numbers that are drawn at random.
    #[must_use]
    pub fn draws(mut self, draws: RandomMode) -> Tracer {
        self.draws = draws;
        self
    }

    /// The name of the record, and of the graph in the file.
    #[must_use]
    pub fn name(mut self, name: &str) -> Tracer {
        self.name = name.to_string();
        self
    }

    /// Traces a closure over a tensor or a tree of tensors.
    ///
    /// # Errors
    /// As [`trace`](crate::trace()).
    pub fn trace_fn<I: Tree, O: Tree>(&self, f: impl Fn(I) -> Result<O>, example: &I) -> Result<Traced> {
        let module: Function<_, I, O> = function(f, example);
        self.trace(&module, Example::of(example))
    }

    /// Traces a module.
    ///
    /// # Errors
    /// As [`trace`](crate::trace()), and [`Denied`](ErrorCode::Denied) for what these options refuse.
    pub fn trace(&self, module: &(impl Module + ?Sized), example: impl Into<Example>) -> Result<Traced> {
        let (mut traced, example) = self.settle(&module, example.into().arranged(module)?)?;
        let denied: Vec<String> =
            traced.notes().iter().filter(|note| self.denied.contains(&note.kind())).map(|note| format!("\n   {note}")).collect();
        if !denied.is_empty() {
            return Err(Error::new(ErrorCode::Denied, format!("{} notes that are denied:{}", denied.len(), denied.concat())));
        }
        if let Some(check) = &self.check {
            traced.verdict = self.checked(&module, &traced, &example, check)?;
        }
        Ok(traced)
    }

    /// Holds the record against its module; says so in a line.
    fn checked(&self, module: &dyn Module, traced: &Traced, example: &Example, options: &CheckOptions) -> Result<Option<String>> {
        let known = example.inputs().iter().all(|(_, tensor)| !tensor.is_type_only());
        let mut calls = Vec::new();
        if known {
            calls.extend(Checker::new(module, traced, example).options(options.clone()).run()?.calls);
        }
        for (structure, leaves) in &self.inputs {
            traced.signature.inputs().expect(structure)?;
            let arrays = leaves.iter().map(Tensor::to_array).collect::<Result<Vec<_>>>()?;
            let given = example.with(&arrays)?;
            let once = options.clone().random_inputs(0).sizes(false);
            let report = Checker::new(module, traced, &given).options(once).run()?;
            calls.extend(report.calls.into_iter().map(|_| "given inputs".to_string()));
        }
        Ok((!calls.is_empty()).then(|| format!("the record agrees with its module: {}", calls.join(" · "))))
    }

    /// Runs the module until its lengths are what it needs them to be: a symbol that must equal another becomes that one, a condition
    /// that no symbol says becomes a guard.
    fn settle(&self, module: &dyn Module, mut example: Example) -> Result<(Traced, Example)> {
        let mut granted: BTreeMap<Constraint, Place> = example.ranges().into_iter().map(|range| (range, Place::default())).collect();
        let mut notes = Vec::new();
        for _ in 0..ROUNDS {
            let assumptions = Assumptions::new(granted.keys().cloned().collect(), example.leaves_open());
            let (result, found) = self.run(module, &example, assumptions);
            if found.is_empty() {
                let (graph, outputs, names) = result?;
                return Ok((self.finish(module, &example, graph, (outputs, names), granted, notes), example));
            }
            for Guard { condition, place } in found {
                let Condition::Lengths(constraint) = condition else { continue };
                // What came before may have changed what the symbols are.
                match solved(&constraint, &example)? {
                    Some((symbol, expr)) => {
                        let of = |name: &str| (*symbol == *name).then(|| expr.clone());
                        notes.push(Diagnostic::Sizes { constraint: constraint.to_string(), place });
                        example = example.substituted(&of);
                        let moved = granted.into_iter().map(|(constraint, place)| (constraint.substitute(&of), place));
                        granted = moved.collect();
                        // The others were found under the old symbols: they are found again where they still matter.
                        break;
                    }
                    None => drop(granted.insert(constraint, place)),
                }
            }
        }
        Err(Error::new(ErrorCode::Size, "the lengths contradict each other in ever new ways").help("declare fewer symbolic lengths"))
    }

    /// One run: what was recorded, and what it turned out to need of the lengths.
    fn run(
        &self,
        module: &dyn Module,
        example: &Example,
        assumptions: Assumptions,
    ) -> (Result<(Graph, Vec<Tensor>, Vec<String>)>, Vec<Guard>) {
        let _assuming = solver::assuming(assumptions);
        let recorder = match Recorder::open().with_strictness(self.strict) {
            Ok(recorder) => recorder,
            Err(error) => return (Err(error), Vec::new()),
        };
        let input = |(name, tensor): &(String, Tensor)| recorder.input(name, tensor.ty().clone(), tensor);
        let outputs = example.inputs().iter().map(input).collect::<Result<Vec<_>>>();
        let outputs = outputs.and_then(|inputs| seeded(0, || module.forward(&inputs)));
        let mut found = recorder.take_constraints().unwrap_or_default();
        found.extend(solver::take_found().into_iter().map(|constraint| Guard::lengths(constraint, Place::default())));
        let finished = outputs.and_then(|outputs| Ok((recorder.finish(&outputs)?, outputs, module.output_names())));
        (finished, found)
    }

    /// The record with its names and notes.
    fn finish(
        &self,
        module: &dyn Module,
        example: &Example,
        mut graph: Graph,
        (outputs, wanted): (Vec<Tensor>, Vec<String>),
        granted: BTreeMap<Constraint, Place>,
        notes: Vec<Diagnostic>,
    ) -> Traced {
        for (constraint, place) in granted {
            graph.add_guard(Guard::lengths(constraint, place));
        }
        let mut output_names: Vec<String> = Vec::with_capacity(outputs.len());
        for i in 0..outputs.len() {
            let wanted = wanted.get(i).cloned().unwrap_or_else(|| default_name(i, outputs.len()));
            output_names.push(free_name(wanted, example, &output_names));
        }
        let of_inputs = module.input_structure().or_else(|| example.structure().cloned());
        let signature = Signature::new(
            of_inputs.filter(|it| it.names().len() == example.inputs().len()).unwrap_or_else(|| Structure::list(example.inputs().len())),
            module.output_structure().filter(|it| it.names().len() == outputs.len()).unwrap_or_else(|| Structure::list(outputs.len())),
            output_names,
            example.symbols().into_iter().map(|(symbol, seen)| (symbol.to_string(), seen)).collect(),
        );
        let traced = Traced { notes, draws: self.draws, ..Traced::of(graph, &self.name, signature) };
        if self.draws == RandomMode::AsInput { traced.with_draws_as_inputs() } else { traced }
    }
}

/// Runs a module once more as it was traced, under the conditions that its record has: what it records now, and what it answers.
///
/// # Errors
/// What the module fails with.
pub(crate) fn repeated(module: &dyn Module, record: &Traced, example: &Example) -> Result<(Graph, Vec<Tensor>)> {
    let known = record.guards().iter().filter_map(|guard| match &guard.condition {
        Condition::Lengths(constraint) => Some(constraint.clone()),
        Condition::Numbers(..) => None,
    });
    let assumptions = Assumptions::new(known.collect(), example.leaves_open());
    let (mut graph, outputs, _) = Tracer::new().run(&module, example, assumptions).0?;
    if record.draws == RandomMode::AsInput {
        graph.open_sources("random");
    }
    Ok((graph, outputs))
}

/// A symbol of the example that a constraint gives away, and what it is: the one that stands last among the inputs.
///
/// # Errors
/// [`Size`](ErrorCode::Size) where the user declared the length that would be a number.
fn solved(constraint: &Constraint, example: &Example) -> Result<Option<(std::sync::Arc<str>, Expr)>> {
    let symbols = example.symbols();
    for (symbol, _) in symbols.iter().rev() {
        let Some(expr) = constraint.solved_for(symbol) else { continue };
        if expr.number().is_some() && example.declares(symbol) {
            return Err(Error::size(format!("`{symbol}` cannot be any length: {constraint}")).help(format!("fix `{symbol}` to a number")));
        }
        // Whatever replaces it must be read off an input.
        if expr.symbols().iter().all(|other| symbols.iter().any(|known| known.0 == *other)) {
            return Ok(Some((symbol.clone(), expr)));
        }
    }
    Ok(None)
}

/// The name, marked as an output's where an input or another output has it already.
fn free_name(wanted: String, example: &Example, taken: &[String]) -> String {
    let is_taken = |name: &String| taken.contains(name) || example.inputs().iter().any(|input| input.0 == *name);
    let mut name = wanted;
    while is_taken(&name) {
        name.push_str("_out");
    }
    name
}

/// `y`, or `y_0`, `y_1` … where there are several outputs.
pub(super) fn default_name(i: usize, count: usize) -> String {
    if count == 1 { "y".to_string() } else { format!("y_{i}") }
}
