//! Loops compiled for the vector instructions that this machine has.

#[cfg(feature = "tract")]
use pulp::{Simd, WithSimd};

/// Runs a loop in the version for the widest vectors of this machine: the same elements, since nothing is reordered.
///
/// The loop must be inlined to be compiled again: `vectorised(#[inline(always)] || …)`.
#[inline(always)]
pub fn vectorised<R>(run: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(run)
}

/// As [`vectorised`], for a loop that is told whether this machine multiplies and adds in one instruction: a constant in each version.
#[cfg(feature = "tract")]
#[inline(always)]
pub fn vectorised_fused<R>(run: impl FnOnce(bool) -> R) -> R {
    struct Loop<F>(F);
    impl<R, F: FnOnce(bool) -> R> WithSimd for Loop<F> {
        type Output = R;

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> R {
            self.0(!S::IS_SCALAR && cfg!(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))
        }
    }
    pulp::Arch::new().dispatch(Loop(run))
}
