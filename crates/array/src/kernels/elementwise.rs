//! One number of the result from one number of each operand, broadcast without a copy.

use super::fill::{Output, write_with};
use super::number::in_wide_number;
use super::vector::vectorised;
use crate::array::strided_loop::{StridedLoop, at_offset};
use crate::array::{Array, DType, Dims, Element, Scalar, count};
use crate::each_dtype;
use crate::error::{Error, Result};

/// The shape to which these shapes broadcast: aligned at the last axis, a size of 1 is expanded.
///
/// <https://numpy.org/doc/stable/user/basics.broadcasting.html>
///
/// # Errors
/// [`Shape`](crate::ErrorCode::Shape) where two sizes differ and neither is 1; [`TooBig`](crate::ErrorCode::TooBig).
pub fn broadcast_shape(shapes: &[&[usize]]) -> Result<Vec<usize>> {
    let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let mut result = vec![1; rank];
    for shape in shapes {
        for (length, &other) in result[rank - shape.len()..].iter_mut().zip(*shape) {
            match (*length, other) {
                (1, _) => *length = other,
                (_, 1) => {}
                (a, b) if a == b => {}
                _ => {
                    let shapes: Vec<_> = shapes.iter().map(|shape| format!("{shape:?}")).collect();
                    return Err(Error::shape(format!("shapes {} do not broadcast", shapes.join(" and "))));
                }
            }
        }
    }
    count(&result)?;
    Ok(result)
}

/// How a result of several operands is computed: in the order in which the largest lies in memory, and elements that repeat
/// along an axis in every operand once.
struct Plan<const N: usize> {
    strided: StridedLoop<N>,
    /// The result's shape.
    shape: Dims<usize>,
    /// The sizes computed and the axes that they belong to, from the outermost loop to the innermost; `None` where that is
    /// the shape itself.
    transposed: Option<(Dims<usize>, Dims<usize>)>,
}

impl<const N: usize> Plan<N> {
    fn new(operands: [&Array; N]) -> Result<Plan<N>> {
        if let Some(plan) = Plan::run(operands) {
            return Ok(plan);
        }
        let shape = Dims::from_vec(broadcast_shape(&operands.map(Array::shape))?);
        let strides = operands.map(|x| {
            let new = shape.len() - x.rank();
            (0..shape.len())
                .map(|axis| if axis < new || x.shape()[axis - new] == 1 { 0 } else { x.strides()[axis - new] })
                .collect::<Dims<_>>()
        });
        let mut order: Dims<_> = (0..shape.len()).collect();
        // Only an operand that moves along every axis has an order worth keeping.
        let full = strides.iter().find(|strides| (0..shape.len()).all(|axis| shape[axis] == 1 || strides[axis] != 0));
        if let Some(strides) = full {
            order.sort_by_key(|&axis| std::cmp::Reverse(if shape[axis] == 1 { 0 } else { strides[axis].unsigned_abs() }));
        }
        let sizes: Dims<_> = order
            .iter()
            .map(|&axis| if shape[axis] > 1 && strides.iter().all(|strides| strides[axis] == 0) { 1 } else { shape[axis] })
            .collect();
        let ordered = strides.map(|strides| order.iter().map(|&axis| strides[axis]).collect::<Dims<_>>());
        let strided = StridedLoop::new(&sizes, ordered.each_ref().map(Dims::as_slice));
        Ok(Plan { strided, shape, transposed: Some((sizes, order)) })
    }

    /// One run, where operands lie in row-major order and have one shape, or one element.
    fn run(operands: [&Array; N]) -> Option<Plan<N>> {
        let mut shape: &[usize] = &[];
        let mut most = 0;
        for x in operands {
            let len = count(x.shape()).ok()?;
            if (x.rank(), len) >= (shape.len(), most) {
                (shape, most) = (x.shape(), len);
            }
        }
        let mut steps = [0; N];
        for (step, x) in steps.iter_mut().zip(operands) {
            *step = match x.len() {
                1 => 0,
                _ if x.shape() == shape && x.is_contiguous() => 1,
                _ => return None,
            };
        }
        let strided = StridedLoop::new(&[most], steps.each_ref().map(std::slice::from_ref));
        Some(Plan { strided, shape: shape.into(), transposed: None })
    }

    /// The result, whose runs `run` writes: it gets where each operand's view stands, relative to its element 0, and how many elements are to be written.
    fn compute<U: Element>(self, run: &(dyn Fn([isize; N], usize, &mut Output<U>) + Sync)) -> Result<Array> {
        let elements = write_with(self.strided.len(), 1, 1, &|first, out: &mut Output<U>| {
            self.strided.runs(first..first + out.rest(), &mut |at, offsets| run(offsets, at.len(), out));
        })?;
        self.finish(elements)
    }

    /// The result as an array of its own shape.
    fn finish<U: Element>(self, elements: Vec<U>) -> Result<Array> {
        let Some((computed, order)) = self.transposed else { return Array::new(&self.shape, elements) };
        let computed = Array::new(&computed, elements)?;
        let mut inverse = Dims::from_elem(0, order.len());
        for (i, &axis) in order.iter().enumerate() {
            inverse[axis] = i;
        }
        computed.permute(&inverse)?.broadcast(&self.shape)
    }
}

/// `f` of every element. The result lies in memory as `x` does; elements that `x` repeats without memory are computed once.
///
/// # Errors
/// [`DType`](crate::ErrorCode::DType) where `T` is not the dtype; [`TooBig`](crate::ErrorCode::TooBig).
pub fn map<T: Element, U: Element>(x: &Array, f: impl Fn(T) -> U + Sync) -> Result<Array> {
    map_runs(x, &f, |from, out| _ = out.write(from.len(), |i| f(from[i])))
}

/// As [`map`], the elements that follow one another in memory by `run`.
fn map_runs<T: Element, U: Element>(x: &Array, f: impl Fn(T) -> U + Sync, run: impl Fn(&[T], &mut Output<U>) + Sync) -> Result<Array> {
    let plan = Plan::new([x])?;
    let (elements, start) = x.span::<T>()?;
    let [step] = plan.strided.step();
    plan.compute(&|[offset], n, out: &mut Output<U>| {
        let from = at_offset(start, offset);
        if step == 1 {
            run(&elements[from..from + n], out);
        } else {
            out.write(n, |i| f(elements[at_offset(from, i as isize * step)]));
        }
    })
}

/// `f` of every pair of elements, the shapes broadcast.
///
/// # Errors
/// [`Shape`](crate::ErrorCode::Shape) where the shapes do not broadcast; [`DType`](crate::ErrorCode::DType) where `A` or `B` is not
/// the dtype; [`TooBig`](crate::ErrorCode::TooBig).
pub fn zip<A: Element, B: Element, U: Element>(a: &Array, b: &Array, f: impl Fn(A, B) -> U + Sync) -> Result<Array> {
    let plan = Plan::new([a, b])?;
    let ((x, x_start), (y, y_start)) = (a.span::<A>()?, b.span::<B>()?);
    let [dx, dy] = plan.strided.step();
    plan.compute(&|[i, j], n, out: &mut Output<U>| {
        let (i, j) = (at_offset(x_start, i), at_offset(y_start, j));
        match (dx, dy) {
            (1, 1) => {
                let (x, y) = (&x[i..i + n], &y[j..j + n]);
                out.write(n, |k| f(x[k], y[k]))
            }
            (1, 0) => {
                let (x, y) = (&x[i..i + n], y[j]);
                out.write(n, |k| f(x[k], y))
            }
            (0, 1) => {
                let (x, y) = (x[i], &y[j..j + n]);
                out.write(n, |k| f(x, y[k]))
            }
            _ => out.write(n, |k| f(x[at_offset(i, k as isize * dx)], y[at_offset(j, k as isize * dy)])),
        };
    })
}

/// `a` where the condition holds, elsewhere `b`; the three shapes broadcast. (ONNX Where, torch.where)
///
/// # Errors
/// [`DType`](crate::ErrorCode::DType) unless the condition is Bool and `a` and `b` have one dtype; [`Shape`](crate::ErrorCode::Shape)
/// where the shapes do not broadcast; [`TooBig`](crate::ErrorCode::TooBig).
pub fn choose(condition: &Array, a: &Array, b: &Array) -> Result<Array> {
    if a.dtype() != b.dtype() {
        return Err(Error::dtype(format!("where: the branches have dtypes {} and {}", a.dtype(), b.dtype())));
    }
    let plan = Plan::new([condition, a, b])?;
    let (holds, start) = condition.span::<bool>()?;
    let [dc, da, db] = plan.strided.step();
    let b = b.words()?;
    a.move_elements(|a| {
        each_dtype!(a.dtype(), T: word => {
            let ((x, x_start), (y, y_start)) = (a.span::<T>()?, b.span::<T>()?);
            plan.compute(&|[c, i, j], n, out: &mut Output<T>| {
                let (c, i, j) = (at_offset(start, c), at_offset(x_start, i), at_offset(y_start, j));
                match (dc, da, db) {
                    // One condition for all: what it selects is copied.
                    (0, ..) => {
                        let (from, at, step) = if holds[c] { (&x, i, da) } else { (&y, j, db) };
                        match step {
                            1 => {
                                let from = &from[at..at + n];
                                out.write(n, |k| from[k])
                            }
                            _ => out.write(n, |k| from[at_offset(at, k as isize * step)]),
                        }
                    }
                    (1, 1, 1) => {
                        let (holds, x, y) = (&holds[c..c + n], &x[i..i + n], &y[j..j + n]);
                        out.write(n, |k| if holds[k] { x[k] } else { y[k] })
                    }
                    (1, 0, 1) => {
                        let (holds, x, y) = (&holds[c..c + n], x[i], &y[j..j + n]);
                        out.write(n, |k| if holds[k] { x } else { y[k] })
                    }
                    (1, 1, 0) => {
                        let (holds, x, y) = (&holds[c..c + n], &x[i..i + n], y[j]);
                        out.write(n, |k| if holds[k] { x[k] } else { y })
                    }
                    _ => out.write(n, |k| {
                        let k = k as isize;
                        if holds[at_offset(c, k * dc)] { x[at_offset(i, k * da)] } else { y[at_offset(j, k * db)] }
                    }),
                };
            })
        })
    })
}

/// Every element, but not less than `low` and not more than `high`, which wins; NaN stays. (ONNX Clip)
///
/// # Errors
/// [`DType`](crate::ErrorCode::DType) for Bool; [`TooBig`](crate::ErrorCode::TooBig).
pub fn clip(x: &Array, low: Option<Scalar>, high: Option<Scalar>) -> Result<Array> {
    // The bounds as the dtype holds them.
    let bound = |bound: Option<Scalar>| bound.map(|bound| Array::full(x.dtype(), &[], bound).item()).transpose();
    let (low, high) = (bound(low)?, bound(high)?);
    in_wide_number(x, |x| {
        each_dtype!(x.dtype(), T: wide => {
            let (low, high) = (low.map(Scalar::to::<T>), high.map(Scalar::to::<T>));
            map::<T, T>(x, move |a| {
                let a = low.filter(|&low| a < low).unwrap_or(a);
                high.filter(|&high| a > high).unwrap_or(a)
            })
        })
    })
}

/// A float function of every element, given for f32 and for f64; halves are computed in f32 and rounded once.
///
/// Both are usually the same generic function: `real(x, Real::exp, Real::exp)`, or `real(x, |a| elu(a, α), |a| elu(a, α))`.
///
/// # Errors
/// [`DType`](crate::ErrorCode::DType) unless `x` is a float; [`TooBig`](crate::ErrorCode::TooBig).
pub fn real(x: &Array, f: impl Fn(f32) -> f32 + Sync, g: impl Fn(f64) -> f64 + Sync) -> Result<Array> {
    match x.dtype() {
        DType::F32 => map_runs(x, &f, |from: &[f32], out| {
            vectorised(
                #[inline(always)]
                || _ = out.write(from.len(), |i| f(from[i])),
            )
        }),
        DType::F64 => map(x, g),
        half @ (DType::F16 | DType::BF16) => real(&x.cast(DType::F32)?, f, g)?.cast(half),
        other => Err(DType::not_taken(other)),
    }
}

/// One float function for both precisions: `float!(x, f)`.
macro_rules! float {
    ($x:expr, $f:expr) => {
        $crate::kernels::elementwise::real($x, $f, $f)
    };
}
pub(super) use float;

/// A kernel that is written for f32 and f64, run on any float: halves are widened to f32 and the result is rounded.
///
/// # Errors
/// [`DType`](crate::ErrorCode::DType) unless `x` is a float; the kernel's own.
pub fn widened(x: &Array, kernel: impl FnOnce(&Array) -> Result<Array>) -> Result<Array> {
    match x.dtype() {
        DType::F32 | DType::F64 => kernel(x),
        half @ (DType::F16 | DType::BF16) => kernel(&x.cast(DType::F32)?)?.cast(half),
        other => Err(DType::not_taken(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::real::Real;
    use super::*;
    use half::f16;

    fn grid(shape: &[usize]) -> Array {
        Array::new(shape, (0..count(shape).unwrap()).map(|i| i as f32).collect()).unwrap()
    }

    /// The sum as the definition of broadcasting says it: both operands written out.
    fn added(a: &Array, b: &Array) -> Vec<f32> {
        let shape = broadcast_shape(&[a.shape(), b.shape()]).unwrap();
        let full = |x: &Array| x.broadcast(&shape).unwrap().to_vec::<f32>().unwrap();
        full(a).iter().zip(full(b)).map(|(a, b)| a + 10.0 * b).collect()
    }

    #[test]
    fn every_way_to_broadcast_is_the_written_out_sum() {
        let permuted = grid(&[4, 2, 3]).permute(&[1, 2, 0]).unwrap();
        let backwards = grid(&[2, 3, 4]).slice(1, 2, 3, -1).unwrap();
        let operands = [
            grid(&[2, 3, 4]),
            grid(&[]),
            grid(&[1]),
            grid(&[4]),
            grid(&[3, 1]),
            grid(&[2, 1, 1]),
            grid(&[2, 3, 1]),
            grid(&[1, 3, 4]),
            permuted,
            backwards,
            grid(&[5, 1, 1, 1]),
        ];
        for a in &operands {
            for b in &operands {
                let sum = zip(a, b, |a: f32, b: f32| a + 10.0 * b).unwrap();
                assert_eq!(sum.to_vec::<f32>().unwrap(), added(a, b), "{:?} {:?}", a.shape(), b.shape());
            }
        }
    }

    #[test]
    fn sizes_that_differ_and_are_not_one_are_refused() {
        let refused = zip(&grid(&[2, 3]), &grid(&[2]), |a: f32, _: f32| a).unwrap_err();
        assert_eq!(refused.to_string(), "shapes [2, 3] and [2] do not broadcast");
    }

    #[test]
    fn an_axis_of_size_zero_meets_a_one() {
        assert_eq!(zip(&grid(&[2, 0]), &grid(&[1]), |a: f32, _: f32| a).unwrap().shape(), [2, 0]);
        assert!(zip(&grid(&[2, 0]), &grid(&[3]), |a: f32, _: f32| a).is_err());
    }

    #[test]
    fn large_and_small_give_the_same_values() {
        let n = 100_003;
        let x = grid(&[n]);
        let y = map(&x, |a: f32| a.sqrt()).unwrap().to_vec::<f32>().unwrap();
        assert!((0..n).all(|i| y[i] == (i as f32).sqrt()));
        let rows = grid(&[300, 301]);
        let z = zip(&rows.permute(&[1, 0]).unwrap(), &grid(&[300]), |a: f32, b: f32| a - b).unwrap().to_vec::<f32>().unwrap();
        assert!((0..301).all(|i| (0..300).all(|j| z[i * 300 + j] == (j * 301 + i) as f32 - j as f32)));
    }

    #[test]
    fn a_permuted_operand_keeps_its_order_in_memory() {
        let x = grid(&[2, 3, 4]).permute(&[2, 0, 1]).unwrap();
        let y = map(&x, |a: f32| -a).unwrap();
        assert_eq!(y.strides(), x.strides());
        assert_eq!(y.to_vec::<f32>().unwrap(), x.to_vec::<f32>().unwrap().iter().map(|a| -a).collect::<Vec<_>>());
    }

    #[test]
    fn repeated_values_are_computed_once() {
        let calls = std::sync::atomic::AtomicUsize::new(0);
        let x = Array::full(DType::F32, &[1000, 1000], 2.0.into());
        let y = map(&x, |a: f32| {
            calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            a + 1.0
        });
        assert_eq!((y.unwrap().to_vec::<f32>().unwrap()[999_999], calls.into_inner()), (3.0, 1));
    }

    #[test]
    fn a_shape_beyond_memory_is_an_error() {
        let wide = Array::full(DType::U8, &[1 << 40, 1], 0.into());
        let tall = Array::full(DType::U8, &[1 << 40], 0.into());
        assert_eq!(zip(&wide, &tall, |a: u8, _: u8| a).unwrap_err().code(), crate::ErrorCode::TooBig);
    }

    #[test]
    fn the_condition_chooses_across_three_shapes() {
        let condition = Array::new(&[2, 1], vec![true, false]).unwrap();
        let chosen = choose(&condition, &grid(&[3]), &Array::scalar(9f32)).unwrap();
        assert_eq!(chosen.to_vec::<f32>().unwrap(), [0., 1., 2., 9., 9., 9.]);
        let condition = Array::vector(vec![true, false, true]);
        assert_eq!(choose(&condition, &Array::scalar(7f32), &grid(&[3])).unwrap().to_vec::<f32>().unwrap(), [7., 1., 7.]);
        assert_eq!(choose(&condition, &grid(&[3]), &grid(&[1])).unwrap().to_vec::<f32>().unwrap(), [0., 0., 2.]);
        let rows = Array::new(&[3, 1], vec![true, false, true]).unwrap();
        let of_rows = |a: &Array| choose(&rows, a, &Array::scalar(9f32)).unwrap().to_vec::<f32>().unwrap();
        assert_eq!(of_rows(&grid(&[3, 4])), [0., 1., 2., 3., 9., 9., 9., 9., 8., 9., 10., 11.]);
        assert_eq!(of_rows(&grid(&[4, 3]).permute(&[1, 0]).unwrap()), [0., 3., 6., 9., 9., 9., 9., 9., 2., 5., 8., 11.]);
        assert_eq!(of_rows(&grid(&[3, 8]).slice(1, 6, 4, -2).unwrap()), [6., 4., 2., 0., 9., 9., 9., 9., 22., 20., 18., 16.]);
        assert!(choose(&condition, &grid(&[3]), &Array::scalar(1i64)).is_err());
        assert!(choose(&grid(&[3]), &grid(&[3]), &grid(&[3])).is_err());
    }

    #[test]
    fn halves_are_rounded_once() {
        let x = Array::vector(vec![f16::from_f32(0.1)]);
        let y = real(&x, |a| a * 3.0 / 3.0, |a| a).unwrap();
        assert_eq!(y, x);
        assert!(real(&Array::scalar(1i32), Real::exp, Real::exp).is_err());
    }
}
