//! Operands that are read as an index, a bound or a count: scalar inputs of which each call has another value.

use super::choose::{Chooser, Chosen, Known, Values};
use super::program::{Argument, Input, Node, Size};
use ontrace::{Array, DType, Type};

impl Chooser<'_> {
    /// A scalar input, or a vector of a fixed size, with a value for each call within bounds that depend on the call.
    fn value(&mut self, size: Option<usize>, bounds: impl Fn(usize) -> (i64, i64)) -> usize {
        let shape: Vec<usize> = size.into_iter().collect();
        let dtype = if self.one_in(4) { DType::I32 } else { DType::I64 };
        let calls: Vec<Array> = (0..self.calls)
            .map(|call| {
                let (low, high) = bounds(call);
                self.random.array(dtype, &shape, |random| random.integer(low, high.max(low)) as f64).expect("a dtype of integers")
            })
            .collect();
        let axes = shape.iter().map(|&n| super::program::Axis::Fixed(n)).collect();
        self.known.push(Known { ty: Type::from(&calls[0]), calls: calls.clone() });
        self.fresh.push(Node::Input(Input { axes, calls }));
        self.known.len() - 1
    }

    /// The size of an axis in each call.
    fn sizes(&self, x: usize, axis: usize) -> Vec<i64> {
        self.known[x].calls.iter().map(|array| array.shape()[axis] as i64).collect()
    }

    /// A tensor with an axis.
    fn with_axis(&mut self) -> Option<(usize, usize, Argument)> {
        let x = self.pick(|known| known.ty.rank() > 0 && known.calls.iter().all(|array| !array.is_empty()))?;
        let axis = self.axis_of(x)?;
        let rank = self.rank(x);
        Some((x, axis, self.signed(axis, rank)))
    }
}

/// An index of an axis, from either end.
pub fn index(c: &mut Chooser) -> Option<Chosen> {
    let (x, axis, argument) = c.with_axis()?;
    let sizes = c.sizes(x, axis);
    // `..i + 1` of the last index from the end is nothing.
    let low = c.one_in(2);
    let i = c.value(None, |call| (if low && sizes[call] > 1 { 1 - sizes[call] } else { 0 }, sizes[call] - 1));
    Some((vec![x, i], vec![argument]))
}

/// A bound of a slice, which may lie beyond the axis.
pub fn bound(c: &mut Chooser) -> Option<Chosen> {
    let (x, axis, argument) = c.with_axis()?;
    let sizes = c.sizes(x, axis);
    let i = c.value(None, |call| (-sizes[call] - 2, sizes[call] + 1));
    Some((vec![x, i], vec![argument]))
}

pub fn bounds(c: &mut Chooser) -> Option<Chosen> {
    let (x, axis, argument) = c.with_axis()?;
    let sizes = c.sizes(x, axis);
    let i = c.value(None, |call| (-sizes[call] - 1, sizes[call] / 2));
    let j = c.value(None, |call| (sizes[call] / 2, sizes[call] + 1));
    Some((vec![x, i, j], vec![argument]))
}

/// Where indices begin of which there are as many as the axis has in every call.
pub fn start(c: &mut Chooser) -> Option<Chosen> {
    let (x, axis, argument) = c.with_axis()?;
    let (sizes, shortest) = (c.sizes(x, axis), c.shortest(x, axis));
    let count = c.random.integer(1, shortest.min(3));
    let back = c.one_in(2);
    let i = c.value(None, |call| if back { (-sizes[call], -count) } else { (0, sizes[call] - count) });
    Some((vec![x, i], vec![argument, Argument::Int(count)]))
}

/// How many indices of an axis, at least one.
pub fn count(c: &mut Chooser) -> Option<Chosen> {
    let (x, axis, argument) = c.with_axis()?;
    let sizes = c.sizes(x, axis);
    let n = c.value(None, |call| (1, sizes[call]));
    Some((vec![x, n], vec![argument]))
}

/// An index, and what is put there.
pub fn put(c: &mut Chooser) -> Option<Chosen> {
    let (x, axis, argument) = c.with_axis()?;
    let sizes = c.sizes(x, axis);
    let i = c.value(None, |call| (-sizes[call], sizes[call] - 1));
    let mut dims = c.dims(x);
    dims.remove(axis);
    let y = c.make(c.dtype(x), &dims, Values::Any)?;
    Some((vec![x, i, y], vec![argument]))
}

/// An index from the start of an axis, and a slice of one index.
pub fn put_slice(c: &mut Chooser) -> Option<Chosen> {
    let (x, axis, argument) = c.with_axis()?;
    let sizes = c.sizes(x, axis);
    let i = c.value(None, |call| (0, sizes[call] - 1));
    let y = c.make(c.dtype(x), &[], Values::Any)?;
    Some((vec![x, i, y], vec![argument]))
}

/// How often.
pub fn times(c: &mut Chooser) -> Option<Chosen> {
    let (x, _, argument) = c.with_axis()?;
    let n = c.value(None, |_| (2, 4));
    Some((vec![x, n], vec![argument]))
}

/// How often each index of an axis of fixed size; not all are zero.
pub fn counts(c: &mut Chooser) -> Option<Chosen> {
    let (x, axis, argument) = c.with_axis()?;
    let size = usize::try_from(c.dim(x, axis).fixed()?).ok()?;
    let least = i64::from(c.one_in(2));
    let n = c.value(Some(size), |call| (if call == 0 || size == 1 { 1 } else { least }, 3));
    Some((vec![x, n], vec![argument]))
}

/// How many of the largest.
pub fn largest(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.dtype == DType::F32 && known.ty.rank() > 0)?;
    let axis = c.axis_of(x)?;
    let (rank, sizes) = (c.rank(x), c.sizes(x, axis));
    let k = c.value(None, |call| (1, sizes[call]));
    let argument = c.signed(axis, rank);
    Some((vec![x, k], vec![argument]))
}

/// The size of the first of two pieces.
pub fn pieces(c: &mut Chooser) -> Option<Chosen> {
    let (x, axis, argument) = c.with_axis()?;
    let sizes = c.sizes(x, axis);
    if sizes.iter().any(|&n| n < 2) {
        return None;
    }
    let i = c.value(None, |call| (1, sizes[call] - 1));
    Some((vec![x, i], vec![argument, Argument::Size(Size::Of(0, axis))]))
}
