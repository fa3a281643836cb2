//! Loops compiled for the vector instructions that this machine has.

use bytemuck::{Pod, Zeroable};
use pulp::MemMask;
use pulp::Simd;

/// Elements of f32 that a core reads at once.
pub const LINE: usize = 16;

/// As many.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct CacheLine([f32; LINE]);

/// A float of which this machine computes several at once.
pub trait SimdFloat: Pod {
    /// As many as it computes at once.
    type Vector<S: Simd>: Pod;

    /// The same value in each place.
    fn splat<S: Simd>(simd: S, x: Self) -> Self::Vector<S>;
    /// x · y + z, rounded once where the machine has an instruction for it.
    fn multiply_add<S: Simd>(simd: S, x: Self::Vector<S>, y: Self::Vector<S>, z: Self::Vector<S>) -> Self::Vector<S>;
}

macro_rules! simd_floats {
    ($($T:ident: $vector:ident, $splat:ident, $multiply_add:ident;)*) => { $(
        impl SimdFloat for $T {
            type Vector<S: Simd> = S::$vector;

            #[inline(always)]
            fn splat<S: Simd>(simd: S, x: $T) -> S::$vector {
                simd.$splat(x)
            }

            #[inline(always)]
            fn multiply_add<S: Simd>(simd: S, x: S::$vector, y: S::$vector, z: S::$vector) -> S::$vector {
                simd.$multiply_add(x, y, z)
            }
        }
    )* };
}

simd_floats! {
    f32: f32s, splat_f32s, mul_add_e_f32s;
    f64: f64s, splat_f64s, mul_add_e_f64s;
}

/// Runs a loop in the version for the widest vectors of this machine: the same elements, since nothing is reordered.
///
/// The loop must be inlined to be compiled again: `vectorised(#[inline(always)] || …)`.
#[inline(always)]
pub fn vectorised<R>(run: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(run)
}

/// The elements of a slice as a vector, zeros behind them; as many as the vector has, where the slice has more.
#[inline(always)]
pub fn load<S: Simd>(simd: S, from: &[f32]) -> S::f32s {
    match S::as_simd_f32s(from).0.first() {
        Some(&whole) => whole,
        // SAFETY: the mask names no element beyond the slice, and what it leaves out is not read.
        None => unsafe { simd.mask_load_ptr_f32s(MemMask::new(simd.mask_between_m32s(0, from.len() as u32).mask()), from.as_ptr()) },
    }
}

/// Writes as many elements of a vector as a slice has, or as the vector has.
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
