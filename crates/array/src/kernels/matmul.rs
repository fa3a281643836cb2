//! Matrix products: blocks of the result in parallel, each by a packed kernel, vectors by their own loops.

use super::elementwise::broadcast_shape;
use super::fill::{fill, zeros};
use super::half_precision::widened;
use super::number::{self, Number};
use super::product::serial_product;
use super::real::Real;
use super::threads::threads;
use super::vector::vectorised;
use crate::array::{Array, DType, count};
use crate::each_dtype;
use crate::error::{Error, Result};
use ndarray::{ArrayView2, ArrayViewD, ArrayViewMut2, Axis, Ix2};

/// Multiplications that are worth a thread of their own.
const GRAIN: usize = 1 << 22;
/// Blocks are split at multiples of this: whole vectors.
const TILE: usize = 16;

/// The matrix product of the last two axes, the axes before them broadcast; a vector on the left is a row,
/// on the right a column, and its axis is dropped from the result.
///
/// As [`torch.matmul`](https://pytorch.org/docs/stable/generated/torch.matmul.html) and ONNX
/// [`MatMul`](https://onnx.ai/onnx/operators/onnx__MatMul.html). Integers wrap.
///
/// # Errors
/// [`Shape`](crate::ErrorCode::Shape) for a scalar, inner sizes that differ or batches that do not broadcast;
/// [`DType`](crate::ErrorCode::DType) for Bool or two dtypes.
pub fn matmul(a: &Array, b: &Array) -> Result<Array> {
    let misfit = || Error::shape(format!("shapes {:?} and {:?} have no matrix product", a.shape(), b.shape()));
    let (a_axes, b_axes) = match (a.rank(), b.rank()) {
        (0, _) | (_, 0) => return Err(misfit().help("a matrix product needs at least one axis on each side")),
        (1, 1) => (a.reshape(&[1, a.len()])?, b.reshape(&[b.len(), 1])?),
        (1, _) => (a.reshape(&[1, a.len()])?, b.clone()),
        (_, 1) => (a.clone(), b.reshape(&[b.len(), 1])?),
        _ => (a.clone(), b.clone()),
    };
    let (a_batch, &[m, k]) = a_axes.shape().split_last_chunk().ok_or_else(misfit)?;
    let (b_batch, &[inner, n]) = b_axes.shape().split_last_chunk().ok_or_else(misfit)?;
    if k != inner {
        return Err(misfit().help(format!("matrix product: the inner sizes are {k} and {inner}")));
    }
    let batch = broadcast_shape(&[a_batch, b_batch]).map_err(|_| misfit())?;
    let mut shape = batch.clone();
    shape.extend((a.rank() > 1).then_some(m));
    shape.extend((b.rank() > 1).then_some(n));
    count(&shape)?;
    widened(&[&a_axes, &b_axes], |operands| {
        let (mut a, mut b, mut batch) = (operands[0].clone(), operands[1].clone(), batch);
        if b.rank() == 2 || b.shape()[..b.rank() - 2].iter().all(|&length| length == 1) && a.rank() >= b.rank() {
            // One matrix for the whole batch: the batch is more rows.
            a = a.reshape(&[a.len().checked_div(k).unwrap_or(count(&batch)? * m), k])?;
            b = b.reshape(&[k, n])?;
            batch.clear();
        }
        let (rows, columns) = (a.shape()[a.rank() - 2], n);
        let a = a.broadcast(&[&batch[..], &[rows, k]].concat())?;
        let b = b.broadcast(&[&batch[..], &[k, columns]].concat())?;
        if a.dtype().is_float() {
            each_dtype!(a.dtype(), T: float => batched::<T>(&a, &b, &shape, |a, b, c| product(a, b, false, c)))
        } else {
            // Products and sums of unsigned integers wrap as those of signed ones do.
            number::in_wide_ints(&[&a, &b], |operands| match operands[0].dtype() {
                DType::I32 => batched::<i32>(operands[0], operands[1], &shape, wrapping_product),
                DType::I64 => batched::<i64>(operands[0], operands[1], &shape, wrapping_product),
                DType::U64 => batched::<i64>(&operands[0].cast(DType::I64)?, &operands[1].cast(DType::I64)?, &shape, wrapping_product)?
                    .cast(DType::U64),
                other => Err(DType::not_taken(other)),
            })
        }
    })
}

/// α·A·B + β·C, A and B transposed where asked; C broadcasts to the product.
///
/// ONNX [`Gemm`](https://onnx.ai/onnx/operators/onnx__Gemm.html): two axes each, and C is not read where β is 0.
/// Integers wrap where α and β are 1; otherwise the scaled sum is taken in doubles and truncated.
///
/// # Errors
/// [`Shape`](crate::ErrorCode::Shape) where the matrices or C do not fit; [`DType`](crate::ErrorCode::DType) as for [`matmul`].
pub fn gemm(a: &Array, b: &Array, c: Option<&Array>, alpha: f64, beta: f64, trans_a: bool, trans_b: bool) -> Result<Array> {
    let matrix = |x: &Array, transposed: bool| match x.rank() {
        2 if transposed => x.permute(&[1, 0]),
        2 => Ok(x.clone()),
        rank => Err(Error::shape(format!("expected a matrix, got {rank} axes"))),
    };
    let (a, b) = (matrix(a, trans_a)?, matrix(b, trans_b)?);
    let (m, n) = (a.shape()[0], b.shape()[1]);
    if a.shape()[1] != b.shape()[0] {
        return Err(Error::shape(format!("shapes {:?} and {:?} have no matrix product", a.shape(), b.shape())));
    }
    count(&[m, n])?;
    let c = c.filter(|_| beta != 0.0).map(|c| c.broadcast(&[m, n])).transpose()?;
    let operands: Vec<&Array> = [&a, &b].into_iter().chain(&c).collect();
    widened(&operands, |operands| {
        let (a, b, c) = (operands[0], operands[1], operands.get(2));
        if !a.dtype().is_float() {
            let product = matmul(a, b)?;
            return each_dtype!(a.dtype(), T: int => scaled_sum::<T>(&product, c.copied(), alpha, beta));
        }
        each_dtype!(a.dtype(), T: float => {
            // What is added is added last: it is scaled so that the product needs no factor of its own on the way.
            let (alpha, beta) = (T::of(alpha), T::of(beta));
            let mut out = zeros::<T>(m * n)?;
            product(matrix_of(a.view::<T>()?.view())?, matrix_of(b.view::<T>()?.view())?, false, block(m, n, &mut out)?);
            if alpha != T::ONE {
                out.iter_mut().for_each(|y| *y *= alpha);
            }
            if let Some(c) = c {
                out.iter_mut().zip(&c.view::<T>()?).for_each(|(y, &c)| *y += beta * c);
            }
            Array::new(&[m, n], out)
        })
    })
}

/// α·x + β·c in integers.
fn scaled_sum<T: Number>(x: &Array, c: Option<&Array>, alpha: f64, beta: f64) -> Result<Array> {
    let mut out = x.to_vec::<T>()?;
    let c = c.map_or_else(|| zeros(out.len()), |c| c.to_vec::<T>())?;
    for (y, c) in out.iter_mut().zip(c) {
        *y = match alpha == 1.0 && (beta == 1.0 || c == T::ZERO) {
            true => y.add(c),
            false => T::from_f64(alpha * y.to_f64() + beta * c.to_f64()),
        };
    }
    Array::new(x.shape(), out)
}

/// Multiplies matrix by matrix of two stacks of equal batch shape.
fn batched<T: Number>(
    a: &Array,
    b: &Array,
    shape: &[usize],
    multiply: impl Fn(ArrayView2<T>, ArrayView2<T>, ArrayViewMut2<T>) + Sync,
) -> Result<Array> {
    let (m, k, n) = (a.shape()[a.rank() - 2], a.shape()[a.rank() - 1], b.shape()[b.rank() - 1]);
    let size = m.saturating_mul(n);
    if k == 0 || count(shape)? == 0 {
        return Array::new(shape, zeros::<T>(count(shape)?)?);
    }
    let (a, b) = (a.view::<T>()?, b.view::<T>()?);
    let (a, b) = (matrices(a.view())?, matrices(b.view())?);
    let out = fill(a.len(), size, size.saturating_mul(k) / 8, |first, out: &mut [T]| {
        for ((c, a), b) in out.chunks_exact_mut(size).zip(&a[first..]).zip(&b[first..]) {
            if let Ok(c) = block(m, n, c) {
                multiply(*a, *b, c);
            }
        }
    })?;
    Array::new(shape, out)
}

/// The matrices of a stack, in row-major order of the axes before them.
fn matrices<T>(stack: ArrayViewD<'_, T>) -> Result<Vec<ArrayView2<'_, T>>> {
    if stack.ndim() == 2 {
        return Ok(vec![matrix_of(stack)?]);
    }
    let mut all = Vec::new();
    for i in 0..stack.len_of(Axis(0)) {
        all.append(&mut matrices(stack.clone().index_axis_move(Axis(0), i))?);
    }
    Ok(all)
}

/// A view of two axes as a matrix.
pub fn matrix_of<T>(view: ArrayViewD<'_, T>) -> Result<ArrayView2<'_, T>> {
    view.into_dimensionality::<Ix2>().map_err(|e| Error::internal(format!("not a matrix: {e}")))
}

/// A slice as a row-major matrix.
pub fn block<T>(m: usize, n: usize, slice: &mut [T]) -> Result<ArrayViewMut2<'_, T>> {
    ArrayViewMut2::from_shape((m, n), slice).map_err(|e| Error::internal(format!("cannot view a block of {m} × {n}: {e}")))
}

/// C ← A·B, or C + A·B where `add`, on several threads where it is worth it. Where it does not add, C is not read.
///
/// How C is divided depends on the threads and yet does not show: no sum is divided.
pub fn product<T: Real>(a: ArrayView2<T>, b: ArrayView2<T>, add: bool, mut c: ArrayViewMut2<T>) {
    let (m, n) = c.dim();
    let vector = match (m, n) {
        (_, 1) => matrix_vector(a, &b.column(0).to_vec()),
        (1, _) => matrix_vector(b.t(), &a.row(0).to_vec()),
        _ => None,
    };
    match vector {
        Some(vector) => c.iter_mut().zip(vector).for_each(|(y, x)| *y = if add { *y + x } else { x }),
        None => divided(a, b, add, c, 2 * threads()),
    }
}

/// C ← A·B (+ C) in so many blocks.
fn divided<T: Real>(a: ArrayView2<T>, b: ArrayView2<T>, add: bool, c: ArrayViewMut2<T>, blocks: usize) {
    let ((m, k), n) = (a.dim(), b.ncols());
    let axis = if n >= m { Axis(1) } else { Axis(0) };
    let at = c.len_of(axis) / 2 / TILE * TILE;
    if blocks < 4 || m.saturating_mul(n).saturating_mul(k) < 2 * GRAIN || at == 0 {
        return serial_product(a, b, add, c);
    }
    let (c1, c2) = c.split_at(axis, at);
    let ((a1, a2), (b1, b2)) = match axis {
        Axis(0) => (a.split_at(axis, at), (b, b)),
        _ => ((a, a), b.split_at(axis, at)),
    };
    rayon::join(|| divided(a1, b1, add, c1, blocks / 2), || divided(a2, b2, add, c2, blocks / 2));
}

/// A·x, reading the matrix once in the order it stands in; `None` where neither rows nor columns are contiguous.
fn matrix_vector<T: Real>(a: ArrayView2<T>, x: &[T]) -> Option<Vec<T>> {
    /// Sums that one task keeps while it walks along the columns.
    const SUMS: usize = 1024;
    let (m, k) = a.dim();
    if m == 0 || k == 0 {
        return Some(vec![T::ZERO; m]);
    }
    if a.row(0).to_slice().is_some() {
        let rows = |first: usize, y: &mut [T]| {
            for (y, row) in y.iter_mut().zip(a.rows().into_iter().skip(first)) {
                *y = row.to_slice().map_or(T::ZERO, |row| {
                    vectorised(
                        #[inline(always)]
                        || dot(row, x),
                    )
                });
            }
        };
        return fill(m, 1, k / 4, rows).ok();
    }
    a.column(0).to_slice()?;
    let mut sums = fill(m.div_ceil(SUMS), SUMS, SUMS.saturating_mul(k) / 4, |first, y: &mut [T]| {
        for (y, first) in y.chunks_mut(SUMS).zip((first * SUMS..).step_by(SUMS)) {
            for (column, &x) in a.columns().into_iter().zip(x) {
                if let Some(column) = column.to_slice() {
                    y.iter_mut().zip(&column[first..]).for_each(|(y, &a)| *y += a * x);
                }
            }
        }
    })
    .ok()?;
    sums.truncate(m);
    Some(sums)
}

/// Σ a·b in sixteen partial sums, which the compiler keeps in vector registers.
#[inline(always)]
fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    const LANES: usize = 16;
    let mut sums = [T::ZERO; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a.remainder().iter().zip(b.remainder()).fold(T::ZERO, |sum, (&x, &y)| sum + x * y);
    for (a, b) in a.zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.into_iter().fold(rest, |sum, x| sum + x)
}

/// C ← A·B in wrapping integers, where C is 0.
fn wrapping_product<T: Number>(a: ArrayView2<T>, b: ArrayView2<T>, mut c: ArrayViewMut2<T>) {
    for (a, mut c) in a.rows().into_iter().zip(c.rows_mut()) {
        for (&x, b) in a.iter().zip(b.rows()) {
            c.iter_mut().zip(b).for_each(|(c, &y)| *c = c.add(x.mul(y)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::{DType, Tolerance, compare};

    /// Elements without pattern between −1 and 1.
    fn noise(shape: &[usize], seed: usize) -> Array {
        let n = shape.iter().product::<usize>();
        Array::new(shape, (0..n).map(|i| ((i * 7919 + seed * 104729) % 2003) as f64 / 1001.0 - 1.0).collect()).unwrap()
    }

    /// The definition: one sum an element.
    fn by_definition(a: &Array, b: &Array) -> Array {
        let (a, b) = (a.view::<f64>().unwrap(), b.view::<f64>().unwrap());
        let (a, b) = (matrix_of(a.view()).unwrap(), matrix_of(b.view()).unwrap());
        let ((m, k), n) = (a.dim(), b.dim().1);
        let sum = |i: usize, j: usize| (0..k).map(|l| a[(i, l)] * b[(l, j)]).sum::<f64>();
        Array::new(&[m, n], (0..m * n).map(|i| sum(i / n, i % n)).collect()).unwrap()
    }

    fn agree(got: &Array, expected: &Array) {
        let comparison = compare(got, expected, Tolerance { abs: 1e-9, rel: 1e-9 }).unwrap();
        assert!(comparison.agrees, "{comparison:?}");
    }

    #[test]
    fn every_size_and_order_of_axes_is_the_definition() {
        for (i, &(m, k, n)) in
            [(1, 1, 1), (3, 5, 7), (1, 70, 40), (40, 70, 1), (2, 0, 3), (33, 300, 65), (200, 300, 250)].iter().enumerate()
        {
            let (a, b) = (noise(&[m, k], i), noise(&[k, n], i + 1));
            let expected = by_definition(&a, &b);
            let transposed = |x: &Array| x.permute(&[1, 0]).unwrap().contiguous().unwrap().permute(&[1, 0]).unwrap();
            for a in [a.clone(), transposed(&a)] {
                for b in [b.clone(), transposed(&b)] {
                    agree(&matmul(&a, &b).unwrap(), &expected);
                }
            }
        }
    }

    #[test]
    fn vectors_are_rows_on_the_left_and_columns_on_the_right() {
        let (v, x) = (Array::vector(vec![1f32, 2.0]), Array::new(&[2, 2], vec![1f32, 2.0, 3.0, 4.0]).unwrap());
        assert_eq!(matmul(&v, &v).unwrap(), Array::scalar(5f32));
        assert_eq!(matmul(&v, &x).unwrap(), Array::vector(vec![7f32, 10.0]));
        assert_eq!(matmul(&x, &v).unwrap(), Array::vector(vec![5f32, 11.0]));
        assert_eq!(matmul(&x.broadcast(&[3, 2, 2]).unwrap(), &v).unwrap().shape(), [3, 2]);
    }

    #[test]
    fn batches_broadcast() {
        let (a, b) = (noise(&[2, 1, 3, 4], 1), noise(&[5, 4, 2], 2));
        let c = matmul(&a, &b).unwrap();
        assert_eq!(c.shape(), [2, 5, 3, 2]);
        let pick = |x: &Array, i: usize| x.slice(0, i, 1, 1).unwrap();
        for (i, j) in [(0, 0), (1, 4), (0, 3)] {
            let expected = by_definition(&pick(&a, i).reshape(&[3, 4]).unwrap(), &pick(&b, j).reshape(&[4, 2]).unwrap());
            agree(&c.slice(0, i, 1, 1).unwrap().slice(1, j, 1, 1).unwrap().reshape(&[3, 2]).unwrap(), &expected);
        }
        assert_eq!(matmul(&noise(&[0, 3, 4], 1), &noise(&[4, 2], 1)).unwrap().shape(), [0, 3, 2]);
        assert_eq!(matmul(&noise(&[3, 0], 1), &noise(&[2, 0, 4], 1)).unwrap(), Array::new(&[2, 3, 4], vec![0f64; 24]).unwrap());
    }

    #[test]
    fn integers_wrap() {
        let x = Array::new(&[1, 2], vec![100i8, 100]).unwrap();
        assert_eq!(matmul(&x, &x.permute(&[1, 0]).unwrap()).unwrap().to_i64s().unwrap(), [20000i64 as i8 as i64]);
    }

    #[test]
    fn halves_are_summed_as_singles() {
        let ones = Array::full(DType::F16, &[1, 4096], crate::Scalar::Float(1.0));
        assert_eq!(matmul(&ones, &ones.permute(&[1, 0]).unwrap()).unwrap().to_f64s().unwrap(), [4096.0]);
    }

    #[test]
    fn gemm_scales_transposes_and_adds() {
        let (a, b) = (Array::new(&[2, 1], vec![1f32, 2.0]).unwrap(), Array::new(&[3, 2], vec![1f32, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap());
        let c = Array::new(&[1, 1], vec![10f32]).unwrap();
        assert_eq!(gemm(&a, &b, Some(&c), 2.0, 0.5, true, true).unwrap().to_f64s().unwrap(), [15.0, 27.0, 39.0]);
        let nan = Array::scalar(f32::NAN);
        assert_eq!(gemm(&a, &b, Some(&nan), 1.0, 0.0, true, true).unwrap().to_f64s().unwrap(), [5.0, 11.0, 17.0]);
        let i = Array::new(&[2, 2], vec![1i32, 2, 3, 4]).unwrap();
        assert_eq!(gemm(&i, &i, Some(&Array::vector(vec![1i32, 0])), 0.5, 1.0, false, false).unwrap().to_i64s().unwrap(), [4, 5, 8, 11]);
    }

    #[test]
    fn wrong_operands_are_refused_by_code() {
        let x = noise(&[2, 3], 0);
        assert_eq!(matmul(&x, &x).unwrap_err().code(), crate::ErrorCode::Shape);
        assert_eq!(matmul(&Array::scalar(1f64), &x).unwrap_err().code(), crate::ErrorCode::Shape);
        assert_eq!(matmul(&noise(&[2, 2, 3], 0), &noise(&[3, 3, 2], 0)).unwrap_err().code(), crate::ErrorCode::Shape);
        assert_eq!(matmul(&x, &Array::new(&[3, 1], vec![1f32; 3]).unwrap()).unwrap_err().code(), crate::ErrorCode::DType);
        assert_eq!(matmul(&Array::vector(vec![true]), &Array::vector(vec![true])).unwrap_err().code(), crate::ErrorCode::DType);
        assert_eq!(gemm(&x, &x, None, 1.0, 1.0, false, false).unwrap_err().code(), crate::ErrorCode::Shape);
    }

    #[test]
    fn threads_do_not_show() {
        let (a, b) = (noise(&[150, 700], 3).cast(DType::F32).unwrap(), noise(&[700, 333], 4).cast(DType::F32).unwrap());
        let run = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| matmul(&a, &b).unwrap());
        assert_eq!(run(1), run(2));
    }
}
