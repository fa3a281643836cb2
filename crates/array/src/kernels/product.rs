//! Products of two matrices of floats, of any strides: what does not lie as it is read is copied.

use super::real::Real;
use super::room::{lines, with_room};
use super::vector::CacheLine;
use crate::array;
use crate::error::Result;
use bytemuck::Zeroable;
use ndarray::{ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis, s};
use pulp::{Arch, Simd, WithSimd};
use std::marker::PhantomData;

/// Rows of the result that are summed together: with a panel's width in vectors, what the registers hold.
pub(super) const ROWS: usize = 6;
/// Summands that are taken together: so many rows of a panel lie in a core's cache beside those of the left side.
pub(super) const DEPTH: usize = 768;
/// Rows of the left side that meet a panel before the next one comes.
pub(super) const HEIGHT: usize = 32 * ROWS;
/// Columns of the right side that are copied at once.
const WIDTH: usize = 512;

/// C ← A·B, or C + A·B where `add`, on this thread. Where it does not add, C is not read.
///
/// Every sum is taken in one order, which depends on how long it is and not on the sides of C: a block of C has the values that it has in the whole.
///
/// # Panics
/// Where the matrices do not fit.
pub fn serial_product<T: Real>(a: ArrayView2<T>, b: ArrayView2<T>, add: bool, c: ArrayViewMut2<T>) {
    multiply(a, Right::View(b), add, c);
}

/// A right side of products that is copied once.
pub struct CopiedMatrix<T> {
    sides: (usize, usize),
    /// Its blocks as they are multiplied, one behind the other.
    elements: Vec<CacheLine>,
    float: PhantomData<T>,
}

impl<T: Real> CopiedMatrix<T> {
    /// Copies a matrix.
    ///
    /// # Errors
    /// [`TooBig`](crate::ErrorCode::TooBig) where the machine has no room for it.
    pub fn new(matrix: ArrayView2<T>) -> Result<CopiedMatrix<T>> {
        struct Copy<'a, T>(ArrayView2<'a, T>);
        impl<T: Real> WithSimd for Copy<'_, T> {
            type Output = Result<Vec<CacheLine>>;

            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) -> Self::Output {
                let RegisterSizes { lanes, width } = RegisterSizes::of::<S, T>();
                let (rows, columns) = self.0.dim();
                array::room::<T>(columns.saturating_add(lanes).saturating_mul(rows))?;
                let mut elements = vec![CacheLine::zeroed(); lines::<T>(columns.next_multiple_of(lanes) * rows)];
                let mut rest: &mut [T] = bytemuck::cast_slice_mut(&mut elements);
                for columns in self.0.axis_chunks_iter(Axis(1), WIDTH) {
                    for block in columns.axis_chunks_iter(Axis(0), depth(rows)) {
                        let (room, after) = rest.split_at_mut(block.nrows() * block.ncols().next_multiple_of(lanes));
                        copy_panels(block, width, lanes, room);
                        rest = after;
                    }
                }
                Ok(elements)
            }
        }
        Ok(CopiedMatrix { sides: matrix.dim(), elements: Arch::new().dispatch(Copy(matrix))?, float: PhantomData })
    }

    /// [`serial_product`] of a matrix by this one.
    ///
    /// # Panics
    /// Where the matrices do not fit.
    pub fn multiply(&self, a: ArrayView2<T>, add: bool, c: ArrayViewMut2<T>) {
        multiply(a, Right::Copied(self), add, c);
    }
}

/// The right side of a product.
enum Right<'a, T> {
    View(ArrayView2<'a, T>),
    Copied(&'a CopiedMatrix<T>),
}

fn multiply<'a, T: Real>(a: ArrayView2<'a, T>, b: Right<'a, T>, add: bool, mut c: ArrayViewMut2<T>) {
    let (m, k) = a.dim();
    let (inner, n) = match &b {
        Right::View(b) => b.dim(),
        Right::Copied(b) => b.sides,
    };
    assert!(k == inner && c.dim() == (m, n), "matrices of {m} × {k} and {inner} × {n} do not give shape {:?}", c.dim());
    if k == 0 && !add {
        c.fill(T::ZERO);
    }
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    let left = if a.strides()[1] == 1 || k == 1 { 0 } else { m.min(HEIGHT) * depth(k) };
    let right = match &b {
        // Vectors have as many elements as a line of the cache or fewer.
        Right::View(_) => n.min(WIDTH).next_multiple_of(size_of::<CacheLine>() / size_of::<T>()) * depth(k),
        Right::Copied(_) => 0,
    };
    with_room(right + left, |room: &mut [T]| {
        let (room_right, room_left) = room.split_at_mut(right);
        Arch::new().dispatch(SerialProduct { a, b, add, c, room_left, room_right });
    });
}

/// Summands that are taken together, of so many.
pub(super) fn depth(summands: usize) -> usize {
    summands.div_ceil(summands.div_ceil(DEPTH).max(1)).max(1)
}

/// What fits into the registers of this machine.
struct RegisterSizes {
    /// Elements of a vector.
    lanes: usize,
    /// Columns of a panel.
    width: usize,
}

impl RegisterSizes {
    #[inline(always)]
    fn of<S: Simd, T: Real>() -> RegisterSizes {
        let lanes = size_of::<T::Vector<S>>() / size_of::<T>();
        // Machines with vectors of 32 bytes have 16 registers, others more.
        RegisterSizes { lanes, width: lanes * if size_of::<T::Vector<S>>() == 32 { 2 } else { 4 } }
    }
}

/// A product that is to be computed.
struct SerialProduct<'a, 'c, T> {
    a: ArrayView2<'a, T>,
    b: Right<'a, T>,
    add: bool,
    c: ArrayViewMut2<'c, T>,
    /// Room for a block of rows of A; none where their elements lie together.
    room_left: &'c mut [T],
    /// Room for a block of B; none where it is copied.
    room_right: &'c mut [T],
}

impl<T: Real> WithSimd for SerialProduct<'_, '_, T> {
    type Output = ();

    /// Part by part of what the caches hold.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let SerialProduct { a, b, add, mut c, room_left, room_right } = self;
        let RegisterSizes { lanes, width } = RegisterSizes::of::<S, T>();
        let (k, n) = (a.ncols(), c.ncols());
        let depth = depth(k);
        let mut copied: &[T] = match &b {
            Right::View(_) => &[],
            Right::Copied(b) => bytemuck::cast_slice(&b.elements),
        };
        for (first, mut c) in (0..n).step_by(WIDTH).zip(c.axis_chunks_iter_mut(Axis(1), WIDTH)) {
            for (i, a) in a.axis_chunks_iter(Axis(1), depth).enumerate() {
                let size = c.ncols().next_multiple_of(lanes) * a.ncols();
                let right: &[T] = match &b {
                    Right::View(b) => {
                        let right = &mut room_right[..size];
                        copy_panels(b.slice(s![i * depth..i * depth + a.ncols(), first..first + c.ncols()]), width, lanes, right);
                        right
                    }
                    Right::Copied(_) => copied.split_off(..size).expect("as many elements as were copied"),
                };
                for (mut c, a) in c.axis_chunks_iter_mut(Axis(0), HEIGHT).zip(a.axis_chunks_iter(Axis(0), HEIGHT)) {
                    let a = if room_left.is_empty() {
                        a
                    } else {
                        let copy = &mut room_left[..a.len()];
                        copy.iter_mut().zip(a).for_each(|(copy, &x)| *copy = x);
                        ArrayView2::from_shape(a.dim(), &*copy).expect("as many elements as the block has")
                    };
                    let mut panels = right;
                    for c in c.axis_chunks_iter_mut(Axis(1), width) {
                        let (panel, rest) = panels.split_at(c.ncols().next_multiple_of(lanes) * a.ncols());
                        panels = rest;
                        let add = add || i > 0;
                        match c.ncols().div_ceil(lanes) {
                            1 => panel_product::<S, T, 1>(simd, a, panel, add, c),
                            2 => panel_product::<S, T, 2>(simd, a, panel, add, c),
                            3 => panel_product::<S, T, 3>(simd, a, panel, add, c),
                            _ => panel_product::<S, T, 4>(simd, a, panel, add, c),
                        }
                    }
                }
            }
        }
    }
}

/// Copies a matrix in panels of so many columns, the elements of a panel one row behind the other; the last panel is as wide as it needs, in whole vectors,
/// with zeros behind its columns.
#[inline(always)]
pub(super) fn copy_panels<T: Real>(matrix: ArrayView2<T>, width: usize, lanes: usize, mut to: &mut [T]) {
    for panel in matrix.axis_chunks_iter(Axis(1), width) {
        let (rows, columns) = panel.dim();
        let padded = columns.next_multiple_of(lanes);
        let (room, rest) = std::mem::take(&mut to).split_at_mut(rows * padded);
        to = rest;
        if columns < padded {
            room.fill(T::ZERO);
        }
        if panel.strides()[0] == 1 {
            // A transposed matrix is read as it lies, so many rows at once that what is written stays in the cache.
            for (block, room) in panel.axis_chunks_iter(Axis(0), 16).zip(room.chunks_mut(16 * padded)) {
                for (i, column) in block.columns().into_iter().enumerate() {
                    column.iter().zip(room[i..].iter_mut().step_by(padded)).for_each(|(&x, room)| *room = x);
                }
            }
        } else {
            for (row, room) in panel.rows().into_iter().zip(room.chunks_exact_mut(padded)) {
                match row.to_slice() {
                    Some(row) => room[..columns].copy_from_slice(row),
                    None => row.iter().zip(room).for_each(|(&x, room)| *room = x),
                }
            }
        }
    }
}

/// A few columns of C by a panel, tile by tile.
#[inline(always)]
fn panel_product<S: Simd, T: Real, const V: usize>(simd: S, a: ArrayView2<T>, panel: &[T], add: bool, mut c: ArrayViewMut2<T>) {
    let panel: &[T::Vector<S>] = bytemuck::cast_slice(panel);
    let panel = panel.as_chunks::<V>().0;
    let mut rows_of_a = a.rows().into_iter().map(|row| row.to_slice().expect("elements that lie together"));
    let mut rows_of_c = c.rows_mut().into_iter();
    while rows_of_c.len() > 0 {
        /// The next rows as one tile.
        macro_rules! tile {
            ($R:literal) => {{
                let mut a: [&[T]; $R] = [&[]; $R];
                a.iter_mut().zip(&mut rows_of_a).for_each(|(row, next)| *row = next);
                tile_product::<S, T, $R, V>(simd, a, panel, add, &mut rows_of_c);
            }};
        }
        match rows_of_c.len() {
            ROWS.. => tile!(6),
            4.. => tile!(4),
            2.. => tile!(2),
            _ => tile!(1),
        }
    }
}

/// A tile of C: its next rows.
#[inline(always)]
fn tile_product<'c, S: Simd, T: Real, const R: usize, const V: usize>(
    simd: S,
    a: [&[T]; R],
    panel: &[[T::Vector<S>; V]],
    add: bool,
    c: &mut impl Iterator<Item = ArrayViewMut1<'c, T>>,
) {
    let sums = simd.vectorize(
        #[inline(always)]
        || sums::<S, T, R, V>(simd, a, panel),
    );
    for (sums, mut row) in sums.iter().zip(c) {
        let sums: &[T] = bytemuck::cast_slice(sums);
        match row.as_slice_mut() {
            Some(row) if add => row.iter_mut().zip(sums).for_each(|(y, &x)| *y += x),
            Some(row) => row.copy_from_slice(&sums[..row.len()]),
            None => row.iter_mut().zip(sums).for_each(|(y, &x)| *y = if add { *y + x } else { x }),
        }
    }
}

/// The sums of a tile, `V` vectors wide.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "sums that are walked by reference do not stay in registers")]
fn sums<S: Simd, T: Real, const R: usize, const V: usize>(
    simd: S,
    mut rows: [&[T]; R],
    panel: &[[T::Vector<S>; V]],
) -> [[T::Vector<S>; V]; R] {
    // As long as the panel, which the compiler then knows.
    for r in 0..R {
        rows[r] = &rows[r][..panel.len()];
    }
    let mut sums = [[T::splat(simd, T::ZERO); V]; R];
    for i in 0..panel.len() {
        let b = panel[i];
        for r in 0..R {
            let x = T::splat(simd, rows[r][i]);
            for v in 0..V {
                sums[r][v] = T::multiply_add(simd, x, b[v], sums[r][v]);
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

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

    #[test]
    fn every_size_gives_the_definition_whether_copied_before_or_not() {
        for (m, k, n) in [(1, 1, 1), (2, 7, 33), (5, 30, 16), (13, 1030, 65), (100, 40, 2100)] {
            let number = |i: usize| ((i * 7919) % 2003) as f64 / 1001.0 - 1.0;
            let a = Array2::from_shape_fn((m, k), |(i, j)| number(i * k + j));
            let b = Array2::from_shape_fn((k, n), |(i, j)| number(i * n + j + 5));
            let mut c = Array2::from_elem((m, n), f64::NAN);
            serial_product(a.view(), b.view(), false, c.view_mut());
            for ((i, j), &y) in c.indexed_iter() {
                let sum: f64 = (0..k).map(|l| a[[i, l]] * b[[l, j]]).sum();
                assert!((y - sum).abs() <= 1e-13 * k as f64, "{m} × {k} × {n} at {i}, {j}: {y}, not {sum}");
            }
            let mut again = Array2::from_elem((m, n), f64::NAN);
            CopiedMatrix::new(b.view()).unwrap().multiply(a.view(), false, again.view_mut());
            assert_eq!(again, c);
            let (low, high) = (m / 3, n / 2);
            let mut part = Array2::zeros((m - low, n - high));
            serial_product(a.slice(s![low.., ..]), b.slice(s![.., high..]), false, part.view_mut());
            assert_eq!(part, c.slice(s![low.., high..]));
        }
    }
}
