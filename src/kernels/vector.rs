//! Loops compiled for the vector instructions that this machine has.

/// Runs a loop in the version for the widest vectors of this machine: the same elements, since nothing is reordered.
///
/// The loop must be inlined to be compiled again: `vectorised(#[inline(always)] || …)`.
#[inline(always)]
pub fn vectorised<R>(run: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(run)
}
