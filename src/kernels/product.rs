//! Products of two matrices of floats by the `gemm` crates.

use super::real::Real;
use gemm_common::Parallelism;
use ndarray::{ArrayView2, ArrayViewMut2, Axis};

/// Summands that are taken together: as many as `gemm` keeps in a cache whatever the sides of C, so that they do not show.
const DEPTH: usize = 512;
/// Blocks of C with more elements than this are summed like the whole.
pub const BLOCK: usize = 256;

/// C ← A·B, or C + A·B where `add`, on this thread. Where it does not add, C is not read.
///
/// Every sum is taken in one order, which depends on how long it is and not on the sides of C: a block of C that is larger than
/// [`BLOCK`], and not a vector, has the values that it has in the whole.
///
/// # Panics
/// Where the matrices do not fit.
pub fn serial_product<T: Real>(a: ArrayView2<T>, b: ArrayView2<T>, add: bool, mut c: ArrayViewMut2<T>) {
    let ((m, k), (inner, n)) = (a.dim(), b.dim());
    assert!(k == inner && c.dim() == (m, n), "matrices of {m} × {k} and {inner} × {n} do not give shape {:?}", c.dim());
    let depth = k.div_ceil(k.div_ceil(DEPTH).max(1)).max(1);
    for (i, (a, b)) in a.axis_chunks_iter(Axis(1), depth).zip(b.axis_chunks_iter(Axis(0), depth)).enumerate() {
        multiply(a, b, add || i > 0, c.view_mut());
    }
    if k == 0 && !add {
        c.fill(T::ZERO);
    }
}

/// C ← A·B, or C + A·B where `add`, of matrices that fit.
fn multiply<T: Real>(a: ArrayView2<T>, b: ArrayView2<T>, add: bool, mut c: ArrayViewMut2<T>) {
    let ((m, k), n) = (a.dim(), b.dim().1);
    let strides = |strides: &[isize]| (strides[1], strides[0]);
    let ((a_columns, a_rows), (b_columns, b_rows), (c_columns, c_rows)) =
        (strides(a.strides()), strides(b.strides()), strides(c.strides()));
    let before = if add { T::ONE } else { T::ZERO };
    // SAFETY: pointers and strides are those of views of m × k, k × n and m × n elements that live through the call, whose caller has
    // seen that they fit; C, which is borrowed mutably, overlaps none; `Real` is f32 and f64, which the function takes.
    unsafe {
        T::gemm()(
            m,
            n,
            k,
            c.as_mut_ptr(),
            c_columns,
            c_rows,
            add,
            a.as_ptr(),
            a_columns,
            a_rows,
            b.as_ptr(),
            b_columns,
            b_rows,
            before,
            T::ONE,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, s};

    #[test]
    fn views_of_any_strides_are_multiplied() {
        let number = |i: usize, j: usize| (3 * i + j) as f64 - 4.0;
        let (a, b) = (Array2::from_shape_fn((4, 6), |(i, j)| number(i, j)), Array2::from_shape_fn((3, 5), |(i, j)| number(i, j)));
        // 4 × 3 of every second column, backwards, and the same as the transposed of another layout.
        let (a, transposed) = (a.slice(s![.., ..;-2]), b.t());
        let (first, second) = (a.to_owned(), transposed.to_owned());
        let sum = |i: usize, j: usize| (0..3).map(|k| first[[i, k]] * second[[j, k]]).sum::<f64>();
        for add in [false, true] {
            // Every second row of C.
            let mut c = Array2::from_elem((8, 5), 1.0);
            serial_product(a, transposed.t(), add, c.slice_mut(s![..;2, ..]));
            let expected = Array2::from_shape_fn((8, 5), |(i, j)| if i % 2 == 1 { 1.0 } else { sum(i / 2, j) + f64::from(u8::from(add)) });
            assert_eq!(c, expected);
        }
    }
}
