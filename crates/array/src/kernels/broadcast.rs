//! Sums and products of f32 in place, with an operand that broadcasts.

use super::fill::write_lines;
use super::take::{advance, unravel};
use super::threads::threads;
use super::vector::vectorised;

/// Elements that are worth threads of their own.
const GRAIN: usize = 1 << 13;

/// How a part broadcasts over a whole of a larger shape: runs of the whole, each with the elements of the part that belong to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broadcast {
    /// The axes outside of a run: sizes, and how far apart the elements of the part are.
    sizes: Vec<usize>,
    strides: Vec<usize>,
    /// The elements of the whole in a run.
    run: usize,
    /// Whether one element of the part belongs to all of a run; else they lie together as those of the whole do.
    is_single: bool,
}

/// What is done to each element of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    Add,
    Mul,
}

impl Broadcast {
    /// How a part of this shape broadcasts to a whole; `None` where it does not, or where there is nothing to be done.
    pub fn new(whole: &[usize], part: &[usize]) -> Option<Broadcast> {
        let missing = whole.len().checked_sub(part.len())?;
        let fits = whole[missing..].iter().zip(part).all(|(whole, part)| part == whole || *part == 1);
        if !fits || whole.contains(&0) {
            return None;
        }
        let part_size = |axis: usize| axis.checked_sub(missing).map_or(1, |axis| part[axis]);
        let (mut axis, mut run) = (whole.len(), 1);
        // Axes of size 1 belong to either kind of run.
        let is_single = (0..whole.len()).rev().find(|&axis| whole[axis] > 1).is_none_or(|axis| part_size(axis) == 1);
        while axis > 0 && (whole[axis - 1] == 1 || (part_size(axis - 1) == 1) == is_single) {
            axis -= 1;
            run *= whole[axis];
        }
        let mut stride: usize = (axis..whole.len()).map(part_size).product();
        let mut strides = vec![0; axis];
        for axis in (0..axis).rev() {
            strides[axis] = if part_size(axis) == 1 { 0 } else { stride };
            stride *= part_size(axis);
        }
        Some(Broadcast { sizes: whole[..axis].to_vec(), strides, run, is_single })
    }

    /// Adds or multiplies each element of the whole in place.
    ///
    /// # Panics
    /// Where the slices do not have the sizes of the shapes.
    pub fn run(&self, combine: Combine, whole: &mut [f32], part: &[f32]) {
        let parallel = threads() > 1 && whole.len() > GRAIN;
        write_lines(whole, self.run, parallel, |first, whole| {
            let mut position = unravel(first, &self.sizes);
            for whole in whole.chunks_exact_mut(self.run) {
                let from: usize = position.iter().zip(&self.strides).map(|(i, stride)| i * stride).sum();
                let part = &part[from..][..if self.is_single { 1 } else { self.run }];
                match combine {
                    Combine::Add => each(whole, part, |y, x| y + x),
                    Combine::Mul => each(whole, part, |y, x| y * x),
                }
                advance(&mut position, &self.sizes);
            }
        });
    }
}

/// Combines the elements of a run with one element, or with as many.
fn each(whole: &mut [f32], part: &[f32], f: impl Fn(f32, f32) -> f32) {
    vectorised(
        #[inline(always)]
        || match part {
            &[x] => whole.iter_mut().for_each(|y| *y = f(*y, x)),
            part => whole.iter_mut().zip(part).for_each(|(y, &x)| *y = f(*y, x)),
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Array;

    #[test]
    fn a_part_broadcasts_as_arrays_do() {
        for (whole, part, run) in [
            (&[4, 3, 5, 5][..], &[1, 3, 5, 5][..], 75),
            (&[4, 3, 5, 5], &[4, 1, 5, 5], 25),
            (&[4, 3, 5, 5], &[3, 1, 1], 25),
            (&[4, 3, 5, 5], &[4, 1, 5, 1], 5),
            (&[4, 3, 1, 5], &[4, 3, 1, 1], 5),
            (&[2, 3], &[3], 3),
            (&[2, 3], &[2, 3], 6),
            (&[2, 3], &[], 6),
            (&[1, 7, 1], &[7, 1], 7),
        ] {
            let array = |shape: &[usize], seed: usize| {
                let count: usize = shape.iter().product();
                Array::new(shape, (0..count).map(|i| ((i * 7919 + seed) % 101) as f32 - 50.0).collect()).unwrap()
            };
            let (a, b) = (array(whole, 1), array(part, 2));
            let broadcast = Broadcast::new(whole, part).unwrap();
            assert_eq!(broadcast.run, run, "{whole:?} {part:?}");
            let spread = b.broadcast(whole).unwrap().to_vec::<f32>().unwrap();
            let mut sum = a.to_vec::<f32>().unwrap();
            broadcast.run(Combine::Add, &mut sum, &b.to_vec::<f32>().unwrap());
            assert!(sum.iter().zip(a.to_vec::<f32>().unwrap()).zip(&spread).all(|((sum, a), b)| *sum == a + b), "{whole:?} {part:?}");
            let mut product = a.to_vec::<f32>().unwrap();
            broadcast.run(Combine::Mul, &mut product, &b.to_vec::<f32>().unwrap());
            assert!(product.iter().zip(a.to_vec::<f32>().unwrap()).zip(&spread).all(|((product, a), b)| *product == a * b));
        }
        assert_eq!(Broadcast::new(&[1, 3], &[2, 3]), None);
        assert_eq!(Broadcast::new(&[3], &[1, 3]), None);
        assert_eq!(Broadcast::new(&[0, 3], &[3]), None);
    }
}
