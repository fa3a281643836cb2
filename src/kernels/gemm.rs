//! The product of two matrices in the `gemm` crates, one crate a type.

use gemm_common::Parallelism;

/// `(m, n, k, c, c_columns, c_rows, reads_c, a, a_columns, a_rows, b, b_columns, b_rows, alpha, beta, …)`: C ← alpha·C + beta·A·B with A of m × k and
/// B of k × n, where `columns` and `rows` are strides; the three booleans conjugate complex elements. Without `reads_c` C is only written.
pub type GemmFn<T> = unsafe fn(
    usize,
    usize,
    usize,
    *mut T,
    isize,
    isize,
    bool,
    *const T,
    isize,
    isize,
    *const T,
    isize,
    isize,
    T,
    T,
    bool,
    bool,
    bool,
    Parallelism,
);

/// The types of which there are products.
pub trait GemmKernel: Sized {
    /// The product for this processor.
    fn gemm() -> GemmFn<Self>;
}

impl GemmKernel for f32 {
    fn gemm() -> GemmFn<f32> {
        gemm_f32::gemm::f32::get_gemm_fn()
    }
}

impl GemmKernel for f64 {
    fn gemm() -> GemmFn<f64> {
        gemm_f64::gemm::f64::get_gemm_fn()
    }
}
