//! Values that were computed from parameters while a module was traced, and how: so that other parameters can be put in.

use super::{Graph, Inputs, Operator, Source};
use crate::array::Array;
use crate::dim::{Sizes, Type};
use crate::error::{Error, Result, ResultExt};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Where the values of a constant come from, if a parameter is behind them.
#[derive(Clone, Debug)]
pub enum Derivation {
    /// They are those of the parameter of this name.
    Parameter(Arc<str>),
    /// They are the output of an operator whose inputs are constants.
    Computed(Arc<Computed>),
}

/// An operation on constants of which one at least comes from a parameter.
#[derive(Debug)]
pub struct Computed {
    /// The operator.
    pub op: Arc<dyn Operator>,
    /// Its inputs: values, and where those come from.
    pub inputs: Vec<Option<(Array, Option<Derivation>)>>,
    /// Which output it is.
    pub output: usize,
    /// How many operations are between it and the parameters, at most.
    pub depth: usize,
}

impl Derivation {
    /// The most operations between a constant and the parameters behind it: what is computed in more has no provenance, since each step of it is kept.
    pub const MOST_DEEP: usize = 256;

    /// How many operations are between the constant and the parameters, at most.
    pub fn depth(&self) -> usize {
        match self {
            Derivation::Parameter(_) => 0,
            Derivation::Computed(computed) => computed.depth,
        }
    }
}

/// The parameters behind an operation, each once.
fn leaves<'a>(array: &'a Array, derivation: &'a Derivation, found: &mut BTreeMap<Arc<str>, Array>, seen: &mut HashSet<*const Computed>) {
    match derivation {
        Derivation::Parameter(name) => drop(found.entry(name.clone()).or_insert_with(|| array.clone())),
        Derivation::Computed(computed) if seen.insert(Arc::as_ptr(computed)) => {
            for (array, derivation) in computed.inputs.iter().flatten() {
                if let Some(derivation) = derivation {
                    leaves(array, derivation, found, seen);
                }
            }
        }
        Derivation::Computed(_) => {}
    }
}

/// What has been computed again: the values, and where they come from now.
type Again = HashMap<*const Computed, Option<(Array, Derivation)>>;

/// The values of a constant where parameters have other values, and where they come from; `None` where no parameter behind it has.
fn again(derivation: &Derivation, parameters: &BTreeMap<String, Array>, done: &mut Again) -> Result<Option<(Array, Derivation)>> {
    let computed = match derivation {
        Derivation::Parameter(name) => return Ok(parameters.get(&**name).map(|array| (array.clone(), derivation.clone()))),
        Derivation::Computed(computed) => computed,
    };
    if let Some(known) = done.get(&Arc::as_ptr(computed)) {
        return Ok(known.clone());
    }
    let mut inputs = computed.inputs.clone();
    let mut changed = false;
    for input in inputs.iter_mut().flatten() {
        if let (_, Some(derivation)) = &input
            && let Some((array, derivation)) = again(derivation, parameters, done)?
        {
            *input = (array, Some(derivation));
            changed = true;
        }
    }
    let result = if changed {
        let arrays: Vec<Option<&Array>> = inputs.iter().map(|input| input.as_ref().map(|input| &input.0)).collect();
        let outputs = computed.op.eval(&Inputs::new(&arrays), Sizes::Example).at(computed.op.name())?;
        let array = outputs.into_iter().nth(computed.output).ok_or_else(|| Error::internal("the kernel did not return this output"))?;
        Some((
            array,
            Derivation::Computed(Arc::new(Computed { op: computed.op.clone(), inputs, output: computed.output, depth: computed.depth })),
        ))
    } else {
        None
    };
    done.insert(Arc::as_ptr(computed), result.clone());
    Ok(result)
}

impl Graph {
    /// The parameters behind all constants, by the names that the module gave them: also those that are in the graph only as what was
    /// computed from them.
    pub fn state(&self) -> BTreeMap<Arc<str>, Array> {
        let (mut found, mut seen) = (BTreeMap::new(), HashSet::new());
        for value in &self.values {
            if let (Source::Constant(array, _), Some(derivation)) = (&value.source, &value.derivation) {
                leaves(array, derivation, &mut found, &mut seen);
            }
        }
        found
    }

    /// The same graph with other values for parameters; what was computed from them is computed again.
    ///
    /// # Errors
    /// [`Input`](crate::ErrorCode::Input) for a name that is none, or a parameter of another dtype or shape.
    pub fn with_state(&self, parameters: &BTreeMap<String, Array>) -> Result<Graph> {
        let known = self.state();
        for (name, array) in parameters {
            let Some(before) = known.get(name.as_str()) else {
                let names = known.keys().map(|name| &**name).collect::<Vec<_>>().join(", ");
                return Err(Error::input(format!("there is no parameter `{name}`")).help(format!("the parameters are: {names}")));
            };
            if before.dtype() != array.dtype() || before.shape() != array.shape() {
                return Err(Error::input(format!("expected {}, got {}", Type::from(before), Type::from(array))).at(name));
            }
        }
        let mut graph = self.clone();
        let mut done = HashMap::new();
        for value in &mut graph.values {
            if let (Source::Constant(array, _), Some(derivation)) = (&mut value.source, &mut value.derivation)
                && let Some(fresh) = again(derivation, parameters, &mut done)?
            {
                let (fresh, of_fresh) = fresh;
                (*array, **derivation) = (Arc::new(fresh), of_fresh);
            }
        }
        Ok(graph)
    }
}
