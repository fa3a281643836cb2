//! Loops compiled for the vector instructions that this machine has.

use bytemuck::{Pod, Zeroable};
#[cfg(feature = "tract")]
use pulp::{MemMask, Simd};

/// Elements that a core reads at once.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct CacheLine([f32; 16]);

/// Runs a loop in the version for the widest vectors of this machine: the same elements, since nothing is reordered.
///
/// The loop must be inlined to be compiled again: `vectorised(#[inline(always)] || …)`.
#[inline(always)]
pub fn vectorised<R>(run: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(run)
}

/// The elements of a slice as a vector, zeros behind them; as many as the vector has, where the slice has more.
#[cfg(feature = "tract")]
#[inline(always)]
pub fn load<S: Simd>(simd: S, from: &[f32]) -> S::f32s {
    match S::as_simd_f32s(from).0.first() {
        Some(&whole) => whole,
        // SAFETY: the mask names no element beyond the slice, and what it leaves out is not read.
        None => unsafe { simd.mask_load_ptr_f32s(MemMask::new(simd.mask_between_m32s(0, from.len() as u32).mask()), from.as_ptr()) },
    }
}

/// Writes as many elements of a vector as a slice has, or as the vector has.
#[cfg(feature = "tract")]
#[inline(always)]
pub fn store<S: Simd>(simd: S, to: &mut [f32], vector: S::f32s) {
    match S::as_mut_simd_f32s(to).0.first_mut() {
        Some(whole) => *whole = vector,
        None => {
            let mask = MemMask::new(simd.mask_between_m32s(0, to.len() as u32).mask());
            // SAFETY: the mask names no element beyond the slice, and what it leaves out is not written.
            unsafe { simd.mask_store_ptr_f32s(mask, to.as_mut_ptr(), vector) }
        }
    }
}
