//! NaN and infinities in slices of floats: maxima and minima that keep NaN, and what restores it to results that lost it.

use super::vector::vectorised;
use crate::error::{Error, Result};
use half::f16;
use std::ops::{Add, Mul, Sub};

/// Elements that several steps go through while they are in the cache.
const CHUNK: usize = 4096;

/// A float of any width. What is done to slices of them is compiled here, for each width.
pub trait Float: Copy + PartialOrd + Add<Output = Self> + Mul<Output = Self> + Sub<Output = Self> {
    /// Not a number.
    const NAN: Self;
    /// 0
    const ZERO: Self;
    /// 1
    const ONE: Self;
    /// −∞
    const LOWEST: Self;
    /// ∞
    const HIGHEST: Self;

    /// Steps on all elements in place, each with an operand of its own.
    ///
    /// # Errors
    /// [`Internal`](crate::ErrorCode::Internal) for an operand without elements, or with more than it is combined with.
    fn chain(steps: &[(ChainStep, Share)], values: &mut [Self], operands: &[&[Self]]) -> Result<()>;

    /// Whether a number is NaN or infinite.
    fn any_not_finite(values: &[Self]) -> bool;

    /// Makes a function of each element NaN where its operand is, and what it is at −∞ and at ∞ where that is given.
    fn restore(x: &[Self], y: &mut [Self], limits: [Option<Self>; 2]);

    /// The operands of three pools that together are one that keeps NaN, although each begins with the lowest finite number: numbers, ones where NaN is, ones
    /// where a number is not −∞.
    fn pooled(x: &[Self]) -> [Vec<Self>; 3];

    /// The result of [three pools](Float::pooled), in place of the first.
    fn unite(values: &mut [Self], nan: &[Self], above: &[Self]);
}

macro_rules! floats {
    ($($T:ident $zero:expr, $one:expr;)*) => {
        $(impl Float for $T {
            const NAN: $T = $T::NAN;
            const ZERO: $T = $zero;
            const ONE: $T = $one;
            const LOWEST: $T = $T::NEG_INFINITY;
            const HIGHEST: $T = $T::INFINITY;

            fn chain(steps: &[(ChainStep, Share)], values: &mut [$T], operands: &[&[$T]]) -> Result<()> {
                chain(steps, values, operands)
            }

            fn any_not_finite(values: &[$T]) -> bool {
                any_not_finite(values)
            }

            fn restore(x: &[$T], y: &mut [$T], limits: [Option<$T>; 2]) {
                restore(x, y, limits)
            }

            fn pooled(x: &[$T]) -> [Vec<$T>; 3] {
                pooled(x)
            }

            fn unite(values: &mut [$T], nan: &[$T], above: &[$T]) {
                unite(values, nan, above)
            }
        })*
    };
}

floats!(f32 0.0, 1.0; f64 0.0, 1.0; f16 f16::ZERO, f16::ONE;);

/// Whether a number is NaN, the only one that is not itself.
#[allow(clippy::eq_op)]
#[inline(always)]
fn is_nan<T: Float>(x: T) -> bool {
    x != x
}

/// What a step does to an element x and an operand y.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainStep {
    /// The larger; NaN if either is.
    Max,
    /// The smaller; NaN if either is.
    Min,
    /// x + y
    Add,
    /// x · y
    Mul,
    /// x − y
    Sub,
    /// y − x
    SubFrom,
}

/// Which elements meet which values of an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// A block of them each value.
    Blocks,
    /// One after the other, again and again.
    Cycle,
}

fn chain<T: Float>(steps: &[(ChainStep, Share)], values: &mut [T], operands: &[&[T]]) -> Result<()> {
    let whole = values.len();
    // How many elements meet one value, or how many values meet one element each.
    let periods = steps.iter().zip(operands).map(|((_, share), operand)| match share {
        Share::Blocks => whole.checked_div(operand.len()).unwrap_or(0),
        Share::Cycle => operand.len(),
    });
    let periods: Vec<usize> = periods.collect();
    if whole > 0 && periods.contains(&0) {
        return Err(Error::internal("an operand of a step fits no element"));
    }
    for (i, chunk) in values.chunks_mut(CHUNK).enumerate() {
        for ((&(step, share), operand), &period) in steps.iter().zip(operands).zip(&periods) {
            let mut start = i * CHUNK;
            let mut rest = &mut *chunk;
            while !rest.is_empty() {
                let (block, within) = (start / period, start % period);
                let (part, after) = rest.split_at_mut(rest.len().min(period - within));
                start += part.len();
                match share {
                    Share::Blocks => vectorised(
                        #[inline(always)]
                        || by_value(step, part, operand[block]),
                    ),
                    Share::Cycle => vectorised(
                        #[inline(always)]
                        || by_values(step, part, &operand[within..]),
                    ),
                }
                rest = after;
            }
        }
    }
    Ok(())
}

#[inline(always)]
fn by_value<T: Float>(step: ChainStep, xs: &mut [T], y: T) {
    match step {
        // A comparison with NaN is false, so that x stays; of y it is known here.
        ChainStep::Max if !is_nan(y) => xs.iter_mut().for_each(|x| *x = if y > *x { y } else { *x }),
        ChainStep::Min if !is_nan(y) => xs.iter_mut().for_each(|x| *x = if y < *x { y } else { *x }),
        ChainStep::Max | ChainStep::Min => xs.fill(T::NAN),
        ChainStep::Add => xs.iter_mut().for_each(|x| *x = *x + y),
        ChainStep::Mul => xs.iter_mut().for_each(|x| *x = *x * y),
        ChainStep::Sub => xs.iter_mut().for_each(|x| *x = *x - y),
        ChainStep::SubFrom => xs.iter_mut().for_each(|x| *x = y - *x),
    }
}

#[inline(always)]
fn by_values<T: Float>(step: ChainStep, xs: &mut [T], ys: &[T]) {
    let each = xs.iter_mut().zip(ys);
    match step {
        ChainStep::Max => each.for_each(|(x, &y)| *x = if y > *x || is_nan(y) { y } else { *x }),
        ChainStep::Min => each.for_each(|(x, &y)| *x = if y < *x || is_nan(y) { y } else { *x }),
        ChainStep::Add => each.for_each(|(x, &y)| *x = *x + y),
        ChainStep::Mul => each.for_each(|(x, &y)| *x = *x * y),
        ChainStep::Sub => each.for_each(|(x, &y)| *x = *x - y),
        ChainStep::SubFrom => each.for_each(|(x, &y)| *x = y - *x),
    }
}

fn any_not_finite<T: Float>(values: &[T]) -> bool {
    // Without a branch for each element.
    let is_odd = |x: T| is_nan(x) | (x == T::LOWEST) | (x == T::HIGHEST);
    values.chunks(CHUNK).any(|block| {
        vectorised(
            #[inline(always)]
            || block.iter().fold(false, |found, &x| found | is_odd(x)),
        )
    })
}

fn restore<T: Float>(x: &[T], y: &mut [T], [low, high]: [Option<T>; 2]) {
    for (y, &x) in y.iter_mut().zip(x) {
        if is_nan(x) {
            *y = x;
        } else if let Some(limit) = if x == T::LOWEST { low } else { high.filter(|_| x == T::HIGHEST) } {
            *y = limit;
        }
    }
}

fn pooled<T: Float>(x: &[T]) -> [Vec<T>; 3] {
    let of = |f: fn(T) -> T| x.iter().map(|&x| f(x)).collect();
    [
        of(|x| if is_nan(x) { T::LOWEST } else { x }),
        of(|x| if is_nan(x) { T::ONE } else { T::ZERO }),
        of(|x| if x == T::LOWEST { T::ZERO } else { T::ONE }),
    ]
}

fn unite<T: Float>(values: &mut [T], nan: &[T], above: &[T]) {
    for ((value, &nan), &above) in values.iter_mut().zip(nan).zip(above) {
        if nan > T::ZERO {
            *value = T::NAN;
        } else if above == T::ZERO {
            *value = T::LOWEST;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_keep_nan_and_meet_their_values() {
        let mut x = [1.0f32, f32::NAN, -3.0, 4.0];
        chain(&[(ChainStep::Max, Share::Blocks), (ChainStep::Add, Share::Cycle)], &mut x, &[&[0.0, 2.0], &[10.0, 20.0]]).unwrap();
        assert_eq!((x[0], x[2], x[3]), (11.0, 12.0, 24.0));
        assert!(x[1].is_nan());
        chain(&[(ChainStep::Min, Share::Cycle)], &mut x, &[&[5.0, 6.0, f32::NAN, 7.0]]).unwrap();
        assert_eq!((x[0], x[3]), (5.0, 7.0));
        assert!(x[1].is_nan() && x[2].is_nan());
        assert!(chain(&[(ChainStep::Sub, Share::Cycle)], &mut x, &[&[]]).is_err());
        assert!(chain(&[(ChainStep::SubFrom, Share::Blocks)], &mut x, &[&[0.0; 5]]).is_err());
    }

    #[test]
    fn what_is_not_finite_is_found_and_restored() {
        let x = [1.0f64, f64::NEG_INFINITY, f64::INFINITY, f64::NAN];
        assert!((1..4).all(|i| any_not_finite(&x[i..=i])) && !any_not_finite(&x[..1]));
        let mut y = [0.5; 4];
        restore(&x, &mut y, [Some(-1.0), None]);
        assert_eq!(y[..3], [0.5, -1.0, 0.5]);
        assert!(y[3].is_nan());
        let [mut values, nan, above] = pooled(&x);
        values[1] = f64::MIN;
        unite(&mut values, &nan, &above);
        assert_eq!(values[..3], x[..3]);
        assert!(values[3].is_nan());
    }
}
