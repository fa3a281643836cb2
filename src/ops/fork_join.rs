//! Two computations that need not wait for each other.

use crate::tensor::is_tracing;

/// Runs two functions, on two threads where there are idle ones. Inside a trace they run one after the other on this one, so that the
/// traced graph is the same at every run: a traced tensor is refused on any other thread than its own.
///
/// ```
/// use ontrace::{Tensor, ops, trace_fn};
/// let f = |x: Tensor| {
///     let (a, b) = ops::join(|| x.mul(2.0), || x.add(1.0));
///     a?.mul(b?)
/// };
/// let x = Tensor::from(&[3.0f32]);
/// assert_eq!(f(x.clone())?.to_vec::<f32>()?, [24.0]);
/// assert_eq!(trace_fn(f, &x)?.graph().nodes().len(), 3);
/// # Ok::<(), ontrace::Error>(())
/// ```
pub fn join<A: Send, B: Send>(first: impl FnOnce() -> A + Send, second: impl FnOnce() -> B + Send) -> (A, B) {
    if is_tracing() { (first(), second()) } else { rayon::join(first, second) }
}
