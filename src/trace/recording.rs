//! Recording a module as a graph; repeated until the constraints on its sizes are known.

use super::diagnostic::elements_of_inputs;
use super::{Diagnostic, RandomMode, Traced};
use crate::dim::{Assumptions, Constraint, Expr, Relation, leave_a_choice};
use crate::error::{Error, ErrorCode, Result};
use crate::graph::{Condition, Graph, Guard, SourceLocation};
use crate::module::{DynModule, Example, Outputs, Signature};
use crate::ops::seeded;
use crate::tensor::{Recorder, Tensor};
use crate::tree::TreeDef;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// The most runs of a module to find the constraints on its sizes.
const ROUNDS: usize = 32;

/// How many of them may end before the module does.
const SHORT_ROUNDS: usize = 16;

/// The options of a recording.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    /// Refuses a program that reads a value out of a traced tensor or size.
    pub(crate) strict: bool,
    /// How random samples are exported.
    pub(crate) random_mode: RandomMode,
    /// The name of the trace, and of the graph in the file.
    pub(crate) name: String,
}

impl Default for Recording {
    fn default() -> Recording {
        Recording { strict: false, random_mode: RandomMode::default(), name: "main".to_string() }
    }
}

impl Recording {
    /// Runs the module until its constraints on sizes are solved: a symbol that must equal another becomes that one, a constraint
    /// that cannot be solved for a symbol becomes a guard.
    pub(crate) fn record(&self, module: &dyn DynModule, mut example: Example) -> Result<(Traced, Example)> {
        let mut granted: BTreeMap<Constraint, SourceLocation> =
            example.ranges().into_iter().map(|range| (range, SourceLocation::default())).collect();
        let mut notes = Vec::new();
        for round in 0..ROUNDS {
            let assumptions = Assumptions::new(granted.keys().cloned().collect(), example.bindings()?, example.leaves_open());
            let (result, found) = self.run(module, &example, assumptions, round < SHORT_ROUNDS);
            if found.is_empty() {
                let (graph, outputs) = result?;
                return Ok((self.finish(module, &example, graph, outputs, granted, notes), example));
            }
            let mut found = found.into_iter();
            let positions = example.positions();
            while let Some(Guard { condition, location, .. }) = found.next() {
                let Condition::Sizes(constraint) = condition else { continue };
                // What came before may have changed what the symbols are.
                match solved(&constraint, &example, &positions)? {
                    Some((symbol, expr)) => {
                        notes.push(Diagnostic::Sizes { constraint: constraint.to_string(), location });
                        let mut known = SolvedSymbols::from([(symbol, expr)]);
                        // The others were found under the old symbols: they are found again where they still matter, but for those that make two symbols
                        // one. There may be thousands of these.
                        notes.extend(found.filter_map(|guard| joined(guard, &positions, &mut known)));
                        let known = resolved(&known, &positions);
                        let of = |name: &str| known.get(name).cloned();
                        example = example.substituted(&of);
                        let moved = granted.into_iter().map(|(constraint, location)| (constraint.substitute(&of), location));
                        granted = moved.collect();
                        break;
                    }
                    None => {
                        granted.insert(constraint.clone(), location);
                        let is_one = |symbol: &&Arc<str>| example.declares(symbol) && !leave_a_choice(granted.keys(), symbol);
                        if let Some(symbol) = constraint.symbols().iter().find(is_one) {
                            return Err(one_size(symbol, &constraint));
                        }
                    }
                }
            }
        }
        Err(Error::new(ErrorCode::Size, "the constraints on the sizes have no solution").help("declare fewer symbolic sizes"))
    }

    /// One run: the recorded graph, and the constraints on sizes that it needs. Where it found some and `may_end`, it may be a part of the run.
    fn run(
        &self,
        module: &dyn DynModule,
        example: &Example,
        assumptions: Assumptions,
        may_end: bool,
    ) -> (Result<(Graph, Outputs)>, Vec<Guard>) {
        let recorder = Recorder::open().with_strictness(self.strict);
        let recorder = match recorder
            .and_then(|recorder| recorder.with_assumptions(assumptions)?.repeated(may_end)?.with_file_size(module.file_size()))
        {
            Ok(recorder) => recorder,
            Err(error) => return (Err(error), Vec::new()),
        };
        let input = |(name, tensor): &(String, Tensor)| match example.is_specialized(name) {
            true => recorder.specialized_input(name, tensor),
            false => recorder.input(name, tensor.ty().clone(), tensor),
        };
        let inputs = example.inputs().iter().map(input).collect::<Result<Vec<_>>>();
        let outputs = inputs.and_then(|inputs| seeded(0, || module.forward(&inputs)));
        let found = recorder.take_constraints().unwrap_or_default();
        let finished = outputs.and_then(|outputs| Ok((recorder.finish(&outputs)?, outputs)));
        (finished, found)
    }

    /// The traced graph with its names and diagnostics.
    fn finish(
        &self,
        module: &dyn DynModule,
        example: &Example,
        mut graph: Graph,
        outputs: Outputs,
        granted: BTreeMap<Constraint, SourceLocation>,
        mut notes: Vec<Diagnostic>,
    ) -> Traced {
        let (names, structure, state, declared) = outputs.into_description();
        graph.set_declared_outputs(declared);
        if !state.is_empty() {
            notes.push(Diagnostic::State(state));
        }
        for (constraint, location) in granted {
            graph.add_guard(Guard::sizes(constraint, location));
        }
        graph.name_guards(elements_of_inputs);
        let output_names = free_names(names, example.inputs().iter().map(|input| input.0.as_str()));
        let of_inputs = module.input_structure().or_else(|| example.structure().cloned());
        let signature = Signature::new(
            of_inputs.filter(|it| it.leaf_count() == example.inputs().len()).unwrap_or_else(|| TreeDef::list(example.inputs().len())),
            structure,
            output_names,
            example.symbols().into_iter().map(|(symbol, seen)| (symbol.to_string(), seen)).collect(),
        );
        let traced = Traced { notes, random_mode: self.random_mode, ..Traced::of(graph, &self.name, signature) };
        if self.random_mode == RandomMode::AsInput { traced.with_samples_as_inputs() } else { traced }
    }
}

/// Traces a module again under the guards of an earlier trace; gives the graph and the outputs.
///
/// # Errors
/// What the module fails with.
pub(crate) fn repeated(module: &dyn DynModule, traced: &Traced, example: &Example) -> Result<(Graph, Outputs)> {
    let known = traced.graph().size_constraints().cloned().collect();
    let assumptions = Assumptions::new(known, example.bindings()?, example.leaves_open());
    let (mut graph, outputs) = Recording::default().run(module, example, assumptions, false).0?;
    if traced.random_mode == RandomMode::AsInput {
        graph.open_sources("random");
    }
    Ok((graph, outputs))
}

/// A symbol of the example that a constraint gives away, and what it is: the one that stands last among the inputs.
///
/// # Errors
/// [`Size`](ErrorCode::Size) where the user declared the size that would be fixed.
fn solved(constraint: &Constraint, example: &Example, positions: &Positions) -> Result<Option<(Arc<str>, Expr)>> {
    let mut symbols: Vec<(usize, Arc<str>)> =
        constraint.symbols().into_iter().filter_map(|symbol| Some((*positions.get(&symbol)?, symbol))).collect();
    symbols.sort_unstable();
    for (_, symbol) in symbols.into_iter().rev() {
        let Some(expr) = constraint.solved_for(&symbol) else { continue };
        if expr.number().is_some() && example.declares(&symbol) {
            return Err(one_size(&symbol, constraint));
        }
        // Whatever replaces it must be read off an input.
        if expr.symbols().iter().all(|other| positions.contains_key(other)) {
            return Ok(Some((symbol, expr)));
        }
    }
    Ok(None)
}

/// Where each symbol stands among the inputs.
type Positions = HashMap<Arc<str>, usize>;

/// What symbols became: another symbol may have become something itself since.
type SolvedSymbols = HashMap<Arc<str>, Expr>;

/// What each symbol is in the end: none becomes one that stands behind it.
fn resolved(known: &SolvedSymbols, positions: &Positions) -> SolvedSymbols {
    let mut symbols: Vec<&Arc<str>> = known.keys().collect();
    symbols.sort_unstable_by_key(|symbol| positions.get(*symbol));
    symbols.into_iter().fold(SolvedSymbols::new(), |mut ends, symbol| {
        let end = known[symbol].substitute(&|name| ends.get(name).cloned());
        ends.insert(symbol.clone(), end);
        ends
    })
}

/// The symbol that a symbol is in the end, where it is one; what is on the way is it from here on.
fn root(known: &mut SolvedSymbols, symbol: &Arc<str>) -> Option<Arc<str>> {
    let (mut end, mut passed) = (symbol.clone(), Vec::new());
    while let Some(next) = known.get(&end) {
        let next = next.as_symbol()?.clone();
        passed.push(std::mem::replace(&mut end, next));
    }
    known.extend(passed.into_iter().map(|symbol| (symbol, Expr::symbol(&end))));
    Some(end)
}

/// Takes a constraint for a substitution where it says that two symbols are one: the one that stands last among the inputs becomes the other.
fn joined(guard: Guard, positions: &Positions, known: &mut SolvedSymbols) -> Option<Diagnostic> {
    let Condition::Sizes(Constraint::Related(left, Relation::Equal, right)) = guard.condition else { return None };
    let (left, right) = (root(known, left.as_symbol()?)?, root(known, right.as_symbol()?)?);
    let (a, b) = (positions.get(&left)?, positions.get(&right)?);
    if a == b {
        return None;
    }
    let constraint = Constraint::Related(Expr::symbol(&left), Relation::Equal, Expr::symbol(&right));
    let (first, last) = if a < b { (left, right) } else { (right, left) };
    known.insert(last, Expr::symbol(&first));
    Some(Diagnostic::Sizes { constraint: constraint.to_string(), location: guard.location })
}

/// The refusal of a symbol that the program allows one size only.
fn one_size(symbol: &str, constraint: &Constraint) -> Error {
    Error::size(format!("`{symbol}` is valid for one size only: {constraint}")).help(format!("give `{symbol}` a fixed size"))
}

/// The names of outputs, each marked as one where an input or another output has it already.
fn free_names<'a>(mut names: Vec<String>, inputs: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut taken: HashSet<Cow<str>> = inputs.map(Cow::Borrowed).collect();
    let mut marked = Vec::new();
    for (i, name) in names.iter().enumerate() {
        if taken.insert(Cow::Borrowed(name)) {
            continue;
        }
        let mut name = format!("{name}_out");
        while !taken.insert(Cow::Owned(name.clone())) {
            name.push_str("_out");
        }
        marked.push((i, name));
    }
    for (i, name) in marked {
        names[i] = name;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;

    /// Adds pairs of its inputs.
    struct Pairs(Vec<(usize, usize)>);

    impl DynModule for Pairs {
        fn forward(&self, inputs: &[Tensor]) -> Result<Outputs> {
            let sums = self.0.iter().map(|&(a, b)| inputs[a].add(&inputs[b]));
            sums.collect::<Result<Vec<_>>>().map(Outputs::from)
        }
    }

    /// The shapes of as many inputs, each with an axis of its own, once the pairs are added.
    fn shapes(count: usize, pairs: Vec<(usize, usize)>) -> Vec<String> {
        let x = Tensor::ones([3], DType::F32).unwrap();
        let named = |example: Example, i: usize| example.input(&format!("x{i}"), &x).symbolic(&format!("x{i}"), 0, &format!("n{i}"));
        let example = (0..count).try_fold(Example::new(), named).unwrap();
        let (traced, _) = Recording::default().record(&Pairs(pairs), example).unwrap();
        traced.inputs().iter().map(|(_, ty)| ty.shape.to_string()).collect()
    }

    #[test]
    fn hundreds_of_axes_that_must_be_equal_are_made_one_at_once() {
        let pairs = shapes(200, (0..100).map(|i| (2 * i, 2 * i + 1)).collect());
        assert!(pairs.iter().enumerate().all(|(i, shape)| *shape == format!("[n{}]", i / 2 * 2)), "{pairs:?}");
        // From the last to the first, each becomes the one before it.
        let chain = shapes(100, (1..100).rev().map(|i| (i - 1, i)).collect());
        assert!(chain.iter().all(|shape| shape == "[n0]"), "{chain:?}");
    }
}
