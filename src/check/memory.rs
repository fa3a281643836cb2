//! The memory that running a traced graph takes, compared with what its file justifies before anything runs.

use crate::dim::Type;
use crate::error::{Error, Result};
use crate::graph::{Graph, Node, Source};
use crate::trace::Traced;
use std::collections::BTreeSet;

/// What the values of a run may take at a time: this much, and multiples of the bytes of the file and of the inputs that the user gave.
const RUN: (u64, u64, u64) = (1 << 30, 16, 256);

/// What the values that follow from constants alone may take: this much, and a multiple of the bytes of the file.
const CONSTANTS: (u64, u64) = (256 << 20, 8);

/// Refuses a traced graph whose values take more memory at a time than its file justifies: over 1 GiB and a multiple of the file's size and of the
/// inputs in `given`, by name, or over 256 MiB and a multiple of the file's size in values that depend on no input. Sizes are those of the example;
/// what is not known counts nothing.
///
/// ```
/// use ontrace::{DType, ErrorCode, Tensor, check, module, record};
/// let repeated = module::from_fn(|x: Tensor| x.expand([1 << 20, 1 << 10]));
/// let traced = record(&repeated, &Tensor::ones([1], DType::F32)?)?;
/// assert_eq!(check::check_memory(&traced, 100, &[]).unwrap_err().code(), ErrorCode::TooBig);
/// # Ok::<(), ontrace::Error>(())
/// ```
///
/// # Errors
/// [`TooBig`](crate::ErrorCode::TooBig), with the node.
pub fn check_memory(traced: &Traced, file_size: usize, given: &[String]) -> Result<()> {
    check_copies(traced, file_size, given, 1)
}

/// As [`check_memory`], of a traced graph that is compared with another: both are evaluated in working precision and in f64, and so hold six times the values.
///
/// # Errors
/// As [`check_memory`].
pub fn check_comparison_memory(traced: &Traced, file_size: usize, given: &[String]) -> Result<()> {
    check_copies(traced, file_size, given, 6)
}

/// As [`check_memory`], of a traced graph that is verified: it runs in both the source model and the candidate, whose outputs wait for those of the other.
///
/// # Errors
/// As [`check_memory`].
pub fn check_verification_memory(traced: &Traced, file_size: usize, given: &[String]) -> Result<()> {
    check_copies(traced, file_size, given, 2)
}

/// As [`check_memory`], where each value is there this many times.
fn check_copies(traced: &Traced, file_size: usize, given: &[String], copies: u64) -> Result<()> {
    let graph = traced.graph();
    let (file, mut inputs, mut own) = (file_size as u64, 0u64, 0u64);
    for (name, ty) in traced.inputs() {
        let size = bytes(&ty);
        own = own.saturating_add(size);
        if given.contains(&name) {
            inputs = inputs.saturating_add(size);
        }
        let limit = run_limit(file, inputs) / copies;
        if own > limit {
            return Err(too_big(own, limit).at(format!("input {name}")));
        }
    }
    let limits =
        MemoryLimits { run: run_limit(file, inputs) / copies, constants: CONSTANTS.0.saturating_add(CONSTANTS.1.saturating_mul(file)) };
    limits.compare(graph, own, false)
}

/// What the values of a run may take at a time, in bytes: what [`check_memory`] allows.
pub fn memory_limit(traced: &Traced, file_size: usize, given: &[String]) -> u64 {
    let inputs = traced.inputs().iter().filter(|input| given.contains(&input.0)).map(|input| bytes(&input.1)).fold(0, u64::saturating_add);
    run_limit(file_size as u64, inputs)
}

fn run_limit(file: u64, inputs: u64) -> u64 {
    RUN.0.saturating_add(RUN.1.saturating_mul(file)).saturating_add(RUN.2.saturating_mul(inputs))
}

fn too_big(bytes: u64, limit: u64) -> Error {
    const MB: f64 = 1e6;
    Error::too_big(format!(
        "running the model takes over {:.0} MB at this point, the limit is {:.0} MB",
        bytes as f64 / MB,
        limit as f64 / MB
    ))
    .help("smaller inputs take less (-i); the limit grows with the file and with the inputs that are given, and --limit raises it")
}

struct MemoryLimits {
    run: u64,
    constants: u64,
}

impl MemoryLimits {
    /// Follows the values of a graph in order; `around` is what is alive outside. Values of a body depend on inputs.
    fn compare(&self, graph: &Graph, around: u64, is_body: bool) -> Result<()> {
        let size = |id: &crate::graph::ValueId| bytes(&graph.value(*id).ty);
        let mut constant: BTreeSet<_> = graph.values().filter(|(_, value)| value.constant().is_some()).map(|(id, _)| id).collect();
        let (mut alive, mut folded) = (around, 0u64);
        for (node, dead) in graph.nodes().iter().zip(graph.last_uses().iter()) {
            let made = node.outputs.iter().map(size).fold(0, u64::saturating_add);
            let is_constant = !is_body && node.inputs.iter().flatten().all(|id| constant.contains(id));
            alive = alive.saturating_add(made);
            if is_constant {
                constant.extend(&node.outputs);
                folded = folded.saturating_add(made);
            }
            for (taken, limit) in [(alive, self.run), (folded, self.constants)] {
                if taken > limit {
                    return Err(too_big(taken, limit).at(location(node)));
                }
            }
            for body in node.op.graphs() {
                self.compare(body, alive, true).map_err(|error| error.at(location(node)))?;
            }
            for id in dead.iter().filter(|id| matches!(graph.value(**id).source, Source::Node)) {
                alive = alive.saturating_sub(size(id));
                if constant.contains(id) {
                    folded = folded.saturating_sub(size(id));
                }
            }
        }
        Ok(())
    }
}

fn location(node: &Node) -> String {
    format!("{}{}", node.op.name(), node.location.suffix())
}

/// The bytes of a value in the example; 0 where a size is not known.
fn bytes(ty: &Type) -> u64 {
    ty.shape.numel().example().map_or(0, |n| u64::try_from(n).unwrap_or(0).saturating_mul(ty.dtype.size() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::from_fn;
    use crate::tensor::Tensor;
    use crate::trace::record;
    use crate::{DType, ErrorCode};

    fn example(n: i64) -> Tensor {
        Tensor::of_type(Type::new(DType::F32, vec![crate::dim::Dim::from(n)]))
    }

    #[test]
    fn what_is_alive_at_a_time_counts() {
        // 64 MiB each: only two are alive at a time.
        let chain = |x: Tensor| (0..40).try_fold(x, |x, _| x.exp());
        let traced = record(&from_fn(chain), &example(1 << 24)).unwrap();
        assert_eq!(check_memory(&traced, 0, &[]), Ok(()));
        let compared = check_comparison_memory(&traced, 0, &[]).unwrap_err();
        assert_eq!(compared.code(), ErrorCode::TooBig, "three are, each six times");
        assert_eq!(check_verification_memory(&traced, 0, &[]), Ok(()), "three, twice");
        let kept = |x: Tensor| {
            let all = (0..40).map(|i| x.add(i)).collect::<Result<Vec<_>>>()?;
            Tensor::cat(&all.iter().collect::<Vec<_>>(), 0)
        };
        let traced = record(&from_fn(kept), &example(1 << 24)).unwrap();
        let error = check_memory(&traced, 0, &[]).unwrap_err();
        assert!(error.code() == ErrorCode::TooBig && error.to_string().contains("Add"), "{error}");
        let names: Vec<String> = traced.inputs().into_iter().map(|input| input.0).collect();
        assert_eq!(check_memory(&traced, 0, &names), Ok(()), "inputs that the user gave justify more");
    }

    #[test]
    fn constants_are_justified_by_the_file_alone() {
        let filled = |x: Tensor| x.add(Tensor::full([100_000_000], 1.0, DType::F32)?.exp()?.sum(.., false)?);
        let traced = record(&from_fn(filled), &example(2)).unwrap();
        assert_eq!(check_memory(&traced, 0, &[]).unwrap_err().code(), ErrorCode::TooBig);
        assert_eq!(check_memory(&traced, 1 << 28, &[]), Ok(()));
    }

    #[test]
    fn declared_inputs_count() {
        let traced = record(&from_fn(|x: Tensor| x.sum(.., false)), &example(1 << 30)).unwrap();
        assert!(check_memory(&traced, 0, &[]).unwrap_err().to_string().contains("input x"));
    }
}
