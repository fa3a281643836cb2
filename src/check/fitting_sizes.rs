//! Sizes that fit each other: those that a caller gives multiply, or add up, to sizes of other inputs, and say sizes of further ones.

use super::input_generation::InputGenerator;
use super::use_analysis::InputUse;
use crate::dim::{Bindings, Sizes};
use crate::error::Result;
use crate::graph::{Condition, Graph};
use crate::module::Example;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The sizes that are tried besides the example's: those with many divisors first.
const TRIED: [i64; 9] = [2, 3, 4, 6, 8, 5, 1, 12, 24];

/// How many combinations of them are tried.
const MOST: usize = 1 << 16;

/// The example at other sizes where its own contradict what its inputs are used for: where sizes that a caller gives are those of axes, which their
/// product does not fill. `None` where they do not, or where no sizes are found.
///
/// # Errors
/// Where sizes contradict each other otherwise.
pub fn fitting_example(example: &Example, graph: &Graph) -> Result<Option<Example>> {
    if example.symbols().is_empty() {
        return Ok(None);
    }
    let generator = InputGenerator::of(example, graph)?;
    if generator.fits(&generator.example_sizes) {
        return Ok(None);
    }
    let allowed = |sizes: &Bindings| generator.fits(sizes) && permits(graph, sizes);
    let found = generator.fitting(&allowed, false)?;
    Ok(found.map(|found| example.clone().with_sizes(&|name| found.iter().find(|size| *size.0 == *name).map(|size| size.1))))
}

/// Whether no guard of a graph forbids these sizes.
pub(super) fn permits(graph: &Graph, sizes: &Bindings) -> bool {
    graph.guards().iter().all(|guard| match &guard.condition {
        Condition::Sizes(constraint) => constraint.holds(sizes) != Some(false),
        Condition::Values(..) => true,
    })
}

impl InputGenerator {
    /// Whether inputs whose elements are sizes can have such elements at these sizes.
    pub(super) fn fits(&self, sizes: &Bindings) -> bool {
        self.sized().all(|(used, count)| used.holds(count, Sizes::Bound(sizes)))
    }

    /// Sizes of the symbols that inputs of sizes depend on, such that all is well; as many of them as can be are more than 1, then as in the example, or not so
    /// where `changed`, then different. `None` where there are none among those that are tried.
    pub(super) fn fitting(&self, allowed: &dyn Fn(&Bindings) -> bool, changed: bool) -> Result<Option<Vec<(Arc<str>, i64)>>> {
        let tied: BTreeSet<Arc<str>> = self.sized().flat_map(|(used, _)| used.symbols()).collect();
        let seen = tied.into_iter().filter_map(|symbol| Some((symbol.clone(), self.example_sizes.get(&symbol)?)));
        let seen: Vec<(Arc<str>, i64)> = seen.collect();
        let each = (1..=TRIED.len()).take_while(|&n| n.checked_pow(seen.len() as u32).is_some_and(|all| all <= MOST)).last();
        let Some(each) = each.filter(|_| !seen.is_empty()) else { return Ok(None) };
        let tried: Vec<Vec<i64>> = seen
            .iter()
            .map(|&(_, own)| {
                let others = TRIED.iter().copied().filter(|&n| n != own);
                std::iter::once(own).filter(|_| !changed).chain(others).take(each).collect()
            })
            .collect();
        let mut best = None;
        for number in 0..tried.iter().map(Vec::len).product::<usize>() {
            let mut rest = number;
            let sizes = seen.iter().zip(&tried).map(|((symbol, _), tried)| {
                let size = tried[rest % tried.len()];
                rest /= tried.len();
                (symbol.clone(), size)
            });
            let sizes: Vec<(Arc<str>, i64)> = sizes.collect();
            let changes: Vec<(&str, i64)> = sizes.iter().map(|(symbol, n)| (&**symbol, *n)).collect();
            if !allowed(&self.with(&changes)?) {
                continue;
            }
            let count = |test: &dyn Fn(i64, i64) -> bool| sizes.iter().zip(&seen).filter(|(size, own)| test(size.1, own.1)).count();
            let different = sizes.iter().map(|size| size.1).collect::<BTreeSet<_>>().len();
            let score = (count(&|n, _| n > 1), count(&|n, own| n == own), different);
            if best.as_ref().is_none_or(|(known, _)| score > *known) {
                best = Some((score, sizes));
            }
        }
        Ok(best.map(|best| best.1))
    }

    /// The inputs whose elements are sizes, and how many elements each has.
    fn sized(&self) -> impl Iterator<Item = (&super::size_use::SizeUse, usize)> {
        self.uses.iter().zip(&self.tensors).filter_map(|(used, tensor)| match used {
            InputUse::Sizes(used) => Some((used, usize::try_from(tensor.shape().numel().fixed()?).ok()?)),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Tensor;
    use crate::{DType, module, record};

    #[test]
    fn sizes_are_found_whose_product_fills_named_axes() {
        let f = module::from_fn(|(x, sizes, y): (Tensor, Tensor, Tensor)| x.reshape(&sizes.to_dims()?)?.add(&y));
        let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32).unwrap();
        let example =
            Example::new().input("x", &zeros(&[64, 2])).input("sizes", &Tensor::from(&[64i64, 1, 2])).input("y", &zeros(&[64, 64, 64]));
        let names = [("x", 0, "a"), ("x", 1, "b"), ("y", 0, "p"), ("y", 1, "q"), ("y", 2, "r")];
        let example = names.iter().fold(example, |example, &(input, axis, name)| example.symbolic(input, axis, name).unwrap());
        let traced = record(&module::named(f, &["x", "sizes", "y"], &[]), example.clone().shapes_only()).unwrap();
        let fitting = fitting_example(&example.shapes_only(), traced.graph()).unwrap().unwrap();
        let sizes: std::collections::BTreeMap<String, i64> = fitting.symbols().into_iter().map(|(name, n)| (name.to_string(), n)).collect();
        assert_eq!(sizes["a"] * sizes["b"], sizes["p"] * sizes["q"] * sizes["r"]);
        assert!(sizes.values().all(|&n| n > 1), "{sizes:?}");
        assert_eq!(fitting_example(&fitting, traced.graph()).unwrap().map(|example| example.symbols()), None);
    }
}
