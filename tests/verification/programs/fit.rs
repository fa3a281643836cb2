//! Operands of operators that move values, index, multiply matrices and slide windows.

use super::choose::{Chooser, Chosen, DTYPES, Known, Values, any_axis, is_float, is_number};
use super::program::{Argument, Size};
use ontrace::ops::{Padding, Reduction, Window};
use ontrace::{Array, DType, Dim};
use std::collections::BTreeMap;

pub fn reshaped(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() > 0)?;
    let mut shape: Vec<Size> = (0..c.rank(x)).map(|axis| Size::Of(0, axis)).collect();
    for _ in 0..1 + c.below(3) {
        match c.below(4) {
            // Two neighbours become one.
            0 | 1 if shape.len() > 1 => {
                let at = c.below(shape.len() - 1);
                let next = shape.remove(at + 1);
                shape[at] = Size::Times(Box::new(shape[at].clone()), Box::new(next));
            }
            2 if shape.len() < 5 => {
                let at = c.below(shape.len() + 1);
                shape.insert(at, Size::Fixed(1));
            }
            // A fixed one becomes two.
            _ => {
                let at = c.below(shape.len());
                if let Size::Of(_, axis) = shape[at]
                    && let Some(n) = c.dim(x, axis).fixed()
                    && let Some(by) = [2, 3].into_iter().find(|by| n % by == 0)
                {
                    shape[at] = Size::Fixed(by);
                    shape.insert(at, Size::Fixed(n / by));
                }
            }
        }
    }
    if c.one_in(3) {
        let at = c.below(shape.len());
        shape[at] = Size::Fixed(-1);
    }
    Some((vec![x], vec![Argument::Dims(shape)]))
}

fn order(c: &mut Chooser, n: usize) -> Vec<i64> {
    let mut order: Vec<i64> = (0..n as i64).collect();
    for i in (1..n).rev() {
        let j = c.below(i + 1);
        order.swap(i, j);
    }
    order
}

pub fn permuted(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() > 1)?;
    let order = order(c, c.rank(x));
    Some((vec![x], vec![Argument::Ints(order)]))
}

pub fn two_axes(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() > 1)?;
    let (a, b, rank) = (c.axis_of(x)?, c.axis_of(x)?, c.rank(x));
    Some((vec![x], vec![c.signed(a, rank), c.signed(b, rank)]))
}

/// To the shape of another value, or a new axis in front.
pub fn expanded(c: &mut Chooser) -> Option<Chosen> {
    let y = c.pick(|known| known.ty.rank() > 0)?;
    let shape = c.dims(y);
    let fits = |known: &Known| {
        known.ty.rank() <= shape.len() && known.ty.shape.iter().rev().zip(shape.iter().rev()).all(|(a, b)| *a == 1 || a == b)
    };
    let x = c.pick(fits)?;
    let rank = c.rank(y);
    let mut dims: Vec<Size> = (0..rank).map(|axis| Size::Of(1, axis)).collect();
    if c.one_in(3) && rank < 4 {
        dims.insert(0, Size::Fixed(2));
    }
    let kept = dims.len() - c.rank(x);
    for i in kept..dims.len() {
        if c.dims(x)[i - kept] == c.dims(y)[i + rank - dims.len()] && c.one_in(3) {
            dims[i] = Size::Fixed(-1);
        }
    }
    Some((vec![x, y], vec![Argument::Dims(dims)]))
}

pub fn flattened(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() > 1)?;
    let (a, b, rank) = (c.axis_of(x)?, c.axis_of(x)?, c.rank(x));
    Some((vec![x], vec![c.signed(a.min(b), rank), c.signed(a.max(b), rank)]))
}

pub fn unflattened(c: &mut Chooser) -> Option<Chosen> {
    let even = |dim: &Dim| dim.div_exact(&2i64.into(), ontrace::dim::Constraints::none()).is_some_and(|half| half != 0);
    let x = c.pick(|known| known.ty.rank() < 4 && known.ty.shape.iter().any(even))?;
    let axis = (0..c.rank(x)).find(|&axis| even(&c.dim(x, axis)))?;
    Some((vec![x], vec![c.signed(axis, c.rank(x)), Argument::Ints(c.of(&[vec![2, -1], vec![-1, 2]]))]))
}

pub fn new_axis(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() < 4)?;
    let rank = c.rank(x) + 1;
    let axis = c.below(rank);
    Some((vec![x], vec![c.signed(axis, rank)]))
}

/// Every symbolic axis stays, whatever its size: it should not be 1 in any call.
pub fn squeezed(c: &mut Chooser) -> Option<Chosen> {
    let long = |known: &Known, axis: usize| known.calls.iter().all(|array| array.shape()[axis] != 1);
    let stays = |known: &Known| known.ty.shape.iter().enumerate().all(|(axis, dim)| !dim.is_symbolic() || long(known, axis));
    Some((vec![c.pick(stays)?], vec![]))
}

pub fn ones(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.shape.iter().any(|dim| *dim == 1))?;
    let axes: Vec<i64> = (0..c.rank(x)).filter(|&axis| c.dim(x, axis) == 1).map(|axis| axis as i64).collect();
    let axis = c.of(&axes);
    Some((vec![x], vec![Argument::Ints(vec![axis])]))
}

pub fn sliced(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() > 0)?;
    let axis = c.axis_of(x)?;
    let n = c.shortest(x, axis);
    let start = c.random.integer(0, n - 1);
    let whole = || Box::new(Size::Of(0, axis));
    let (start, end, step) = match c.below(5) {
        0 => (Size::Fixed(start), Size::Fixed(c.random.integer(start + 1, start + 3)), 1),
        1 => (Size::Fixed(start), Size::Plus(whole(), c.random.integer(start + 1 - n, 0)), 1),
        2 => (Size::Fixed(start - n), Size::Fixed(i64::MAX), 1),
        3 => (Size::Over(whole(), 2), Size::Of(0, axis), c.random.integer(1, 2)),
        _ => (Size::Plus(whole(), -1), Size::Fixed(start - 1 - if start == 0 { i64::from(i32::MAX) } else { 0 }), c.of(&[-1, -2])),
    };
    Some((vec![x], vec![c.signed(axis, c.rank(x)), Argument::Size(start), Argument::Size(end), Argument::Int(step)]))
}

pub fn selected(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() > 0)?;
    let axis = c.axis_of(x)?;
    let n = c.shortest(x, axis);
    let whole = || Box::new(Size::Of(0, axis));
    let i = match c.below(4) {
        0 => Size::Plus(whole(), -1),
        1 => Size::Over(whole(), 2),
        2 => Size::Fixed(-c.random.integer(1, n)),
        _ => Size::Fixed(c.random.integer(0, n - 1)),
    };
    Some((vec![x], vec![c.signed(axis, c.rank(x)), Argument::Size(i)]))
}

pub fn narrowed(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() > 0)?;
    let axis = c.axis_of(x)?;
    let start = c.random.integer(0, c.shortest(x, axis) - 1);
    let length = if c.one_in(2) { Size::Fixed(1) } else { Size::Plus(Box::new(Size::Of(0, axis)), -start) };
    Some((vec![x], vec![c.signed(axis, c.rank(x)), Argument::Size(Size::Fixed(start)), Argument::Size(length)]))
}

pub fn some_axes(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() > 0)?;
    Some((vec![x], vec![Argument::Ints(c.some(x))]))
}

pub fn split(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() > 0)?;
    let axis = (0..c.rank(x)).find(|&axis| c.shortest(x, axis) > 1)?;
    let first = c.random.integer(1, c.shortest(x, axis) - 1);
    let dims = vec![Size::Fixed(first), Size::Plus(Box::new(Size::Of(0, axis)), -first)];
    Some((vec![x], vec![Argument::Dims(dims), c.signed(axis, c.rank(x))]))
}

pub fn chunked(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.shape.iter().any(|dim| dim.fixed().is_some_and(|n| n > 1)))?;
    let axis = (0..c.rank(x)).find(|&axis| c.dim(x, axis).fixed().is_some_and(|n| n > 1))?;
    Some((vec![x], vec![c.int(1, 3), c.signed(axis, c.rank(x))]))
}

pub fn unbound(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.shape.iter().any(|dim| dim.fixed().is_some_and(|n| n < 4)))?;
    let axis = (0..c.rank(x)).find(|&axis| c.dim(x, axis).fixed().is_some_and(|n| n < 4))?;
    Some((vec![x], vec![c.signed(axis, c.rank(x))]))
}

pub fn square(c: &mut Chooser) -> Option<Chosen> {
    Some((vec![c.pick(|known| known.ty.rank() > 1)?], vec![c.int(-1, 1)]))
}

pub fn joined(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() > 0)?;
    let axis = c.axis_of(x)?;
    let shape = c.dims(x);
    let fits = |known: &Known| known.ty.rank() == shape.len() && (0..shape.len()).all(|i| i == axis || known.ty.shape[i] == shape[i]);
    let y = if c.one_in(3) {
        let dtype = c.of(DTYPES);
        let mut dims = shape.clone();
        dims[axis] = Dim::Fixed(2);
        c.make(dtype, &dims, Values::Any)?
    } else {
        c.pick(fits)?
    };
    Some((vec![x, y], vec![c.signed(axis, c.rank(x))]))
}

pub fn alone(c: &mut Chooser) -> Option<Chosen> {
    any_axis(c)
}

pub fn stacked(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() < 4)?;
    let shape = c.known[x].ty.shape.clone();
    let y = c.pick(|known| known.ty.shape == shape)?;
    let axis = c.below(c.rank(x) + 1);
    Some((vec![x, y], vec![c.signed(axis, c.rank(x) + 1)]))
}

pub fn repeated(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() < 4)?;
    let rank = c.rank(x) + usize::from(c.one_in(3));
    let times = (0..rank).map(|_| if c.one_in(6) { c.some_size(x).unwrap_or(Size::Fixed(2)) } else { Size::Fixed(c.random.integer(1, 2)) });
    let times = times.collect();
    Some((vec![x], vec![Argument::Dims(times)]))
}

pub fn padded(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() > 0)?;
    let mode = match c.below(5) {
        0 if c.rank(x) > 1 => Padding::Reflect,
        1 if c.rank(x) > 1 => Padding::Edge,
        2 if c.rank(x) > 1 => Padding::Wrap,
        _ => Padding::Constant(c.random.integer(0, 3).into()),
    };
    let axes = if matches!(mode, Padding::Constant(_)) { 1 + c.below(c.rank(x)) } else { 1 };
    let mut widths = Vec::new();
    for i in 0..axes {
        let n = c.shortest(x, c.rank(x) - 1 - i);
        let (low, high) = match mode {
            Padding::Constant(_) => (-i64::from(n > 2), 2),
            Padding::Reflect => (0, (n - 1).min(2)),
            _ => (0, n.min(2)),
        };
        widths.extend([c.random.integer(low, high), c.random.integer(low, high)]);
    }
    Some((vec![x], vec![Argument::Ints(widths), Argument::Border(mode)]))
}

/// Indices into an axis that exist in every call.
fn indices(c: &mut Chooser, x: usize, axis: usize, dims: &[Dim]) -> Option<usize> {
    let n = c.shortest(x, axis);
    let low = if c.one_in(3) { -n } else { 0 };
    let dtype = if c.one_in(4) { DType::I32 } else { DType::I64 };
    c.make(dtype, dims, Values::Within(low, n - 1))
}

/// The shape of a fresh index: a few sizes, perhaps a symbol.
fn index_shape(c: &mut Chooser, ranks: usize) -> Vec<Dim> {
    let symbols: Vec<(String, usize)> = c.symbols.iter().map(|(name, dims)| (name.clone(), dims[0])).collect();
    let rank = c.below(ranks + 1);
    (0..rank)
        .map(|_| match c.one_in(3) && !symbols.is_empty() {
            true => {
                let (name, seen) = c.of(&symbols);
                Dim::symbol(&name, seen)
            }
            false => Dim::Fixed(c.random.integer(1, 3)),
        })
        .collect()
}

pub fn named(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() > 0)?;
    let axis = c.axis_of(x)?;
    let dims = index_shape(c, 2);
    let index = indices(c, x, axis, &dims)?;
    Some((vec![x, index], vec![c.signed(axis, c.rank(x))]))
}

pub fn gathered(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() > 0)?;
    let axis = c.axis_of(x)?;
    let mut dims = c.dims(x);
    dims[axis] = Dim::Fixed(c.random.integer(1, 3));
    let index = indices(c, x, axis, &dims)?;
    Some((vec![x, index], vec![c.signed(axis, c.rank(x))]))
}

pub fn masked_by(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|_| true)?;
    let mask = c.partner(x, Some(DType::Bool), |_| true, Values::Any)?;
    Some((vec![x, mask], vec![]))
}

pub fn table(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() == 2)?;
    let dims = index_shape(c, 2);
    Some((vec![x, indices(c, x, 0, &dims)?], vec![]))
}

/// A reduction, by which the order of the updates is all one.
fn reduction(c: &mut Chooser) -> Reduction {
    c.of(&[Reduction::Add, Reduction::Mul, Reduction::Max, Reduction::Min])
}

pub fn scattered(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| is_number(known) && known.ty.rank() > 0)?;
    let axis = c.axis_of(x)?;
    let mut dims = c.dims(x);
    if c.one_in(3) {
        // Every index occurs once.
        let n = c.dim(x, axis).fixed()?;
        let fixed = dims.iter().map(|dim| dim.fixed().map(|n| n as usize)).collect::<Option<Vec<usize>>>()?;
        let order = order(c, n as usize);
        let inner: usize = fixed[axis + 1..].iter().product();
        let count: usize = fixed.iter().product();
        let index = Array::new(&fixed, (0..count).map(|i| order[i / inner % n as usize]).collect::<Vec<i64>>()).ok()?;
        let index = c.constant(index);
        let y = c.make(c.dtype(x), &dims, Values::Any)?;
        return Some((vec![x, index, y], vec![c.signed(axis, c.rank(x)), Argument::Joined(Reduction::Replace)]));
    }
    dims[axis] = Dim::Fixed(c.random.integer(1, 3));
    let index = indices(c, x, axis, &dims)?;
    let y = c.make(c.dtype(x), &dims, Values::Any)?;
    Some((vec![x, index, y], vec![c.signed(axis, c.rank(x)), Argument::Joined(reduction(c))]))
}

pub fn first_index(c: &mut Chooser) -> Option<Chosen> {
    table_of(c, 1)
}

fn table_of(c: &mut Chooser, rank: usize) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() >= rank)?;
    let dims = index_shape(c, 2);
    Some((vec![x, indices(c, x, 0, &dims)?], vec![]))
}

pub fn two_indices(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() >= 2)?;
    let dims = index_shape(c, 2);
    Some((vec![x, indices(c, x, 0, &dims)?, indices(c, x, 1, &dims)?], vec![]))
}

pub fn outer_indices(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() >= 3)?;
    let dims = index_shape(c, 1);
    Some((vec![x, indices(c, x, 0, &dims)?, indices(c, x, 2, &dims)?], vec![]))
}

pub fn mask_of(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() > 0)?;
    let rank = 1 + c.below(c.rank(x));
    let shape = c.dims(x)[..rank].to_vec();
    let mask = match c.pick(|known| known.ty.dtype == DType::Bool && *known.ty.shape == *shape) {
        Some(mask) => mask,
        None => c.make(DType::Bool, &shape, Values::Any)?,
    };
    Some((vec![x, mask], vec![]))
}

pub fn put(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| is_number(known) && known.ty.rank() > 0)?;
    let dims = index_shape(c, 1);
    let index = indices(c, x, 0, &dims)?;
    let rest = c.dims(x)[1..].to_vec();
    let y = c.make(c.dtype(x), &[dims, rest].concat(), Values::Any)?;
    Some((vec![x, index, y], vec![Argument::Joined(reduction(c))]))
}

pub fn put_masked(c: &mut Chooser) -> Option<Chosen> {
    let (mut chosen, _) = mask_of(c)?;
    let y = c.make(c.dtype(chosen[0]), &[], Values::Any)?;
    chosen.push(y);
    Some((chosen, vec![Argument::Joined(Reduction::Replace)]))
}

pub fn product(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| is_number(known) && known.ty.rank() > 0)?;
    let (dtype, inner) = (c.dtype(x), c.dim(x, c.rank(x) - 1));
    let batch = c.dims(x)[..c.rank(x).saturating_sub(2)].to_vec();
    let fits = |known: &Known| {
        let rank = known.ty.rank();
        known.ty.dtype == dtype
            && match rank {
                0 => false,
                1 => known.ty.shape[0] == inner,
                _ => {
                    known.ty.shape[rank - 2] == inner
                        && known.ty.shape[..rank - 2].iter().rev().zip(batch.iter().rev()).all(|(a, b)| a == b || *a == 1 || *b == 1)
                }
            }
    };
    let y = match c.pick(fits).filter(|_| !c.one_in(3)) {
        Some(y) => y,
        None => {
            let columns = if c.one_in(3) { Dim::Fixed(1) } else { Dim::Fixed(3) };
            let mut dims = if c.one_in(4) { vec![inner] } else { vec![inner, columns] };
            if dims.len() == 2 && c.one_in(3) {
                dims.splice(0..0, batch);
            }
            c.make(dtype, &dims, Values::Any)?
        }
    };
    Some((vec![x, y], vec![]))
}

pub fn linear(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| is_float(known) && known.ty.rank() > 0)?;
    let inner = c.dim(x, c.rank(x) - 1);
    let outer = Dim::Fixed(c.random.integer(1, 4));
    let weight = c.make(c.dtype(x), &[outer.clone(), inner], Values::Any)?;
    let bias = c.make(c.dtype(x), &[outer], Values::Any)?;
    Some((vec![x, weight, bias], vec![]))
}

pub fn added_product(c: &mut Chooser) -> Option<Chosen> {
    let a = c.pick(|known| is_float(known) && known.ty.rank() == 2)?;
    let columns = Dim::Fixed(c.random.integer(1, 4));
    let b = c.make(c.dtype(a), &[c.dim(a, 1), columns.clone()], Values::Any)?;
    let rows = c.dim(a, 0);
    let shape = c.of(&[vec![columns.clone()], vec![rows, columns], vec![Dim::Fixed(1)]]);
    let x = c.make(c.dtype(a), &shape, Values::Any)?;
    Some((vec![x, a, b], vec![Argument::Float(c.of(&[1.0, 0.5])), Argument::Float(c.of(&[1.0, 2.0]))]))
}

pub fn attention(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| is_float(known) && known.ty.rank() >= 2)?;
    let shape = c.known[x].ty.shape.clone();
    let dtype = c.dtype(x);
    let k = c.pick(|known| known.ty.shape == shape && known.ty.dtype == dtype)?;
    let v = c.pick(|known| known.ty.shape == shape && known.ty.dtype == dtype)?;
    Some((vec![x, k, v], vec![c.flag()]))
}

/// Equations of two operands, with the axes that each has.
const EQUATIONS: &[&str] =
    &["ij,jk->ik", "ij,kj->ik", "i,i->", "i,j->ij", "bij,bjk->bik", "ij,j->i", "bi,bi->b", "bij,kj->bik", "ij,ij->", "ij,ji->j"];

pub fn einsum(c: &mut Chooser) -> Option<Chosen> {
    let equation = c.of(EQUATIONS);
    let (terms, _) = equation.split_once("->")?;
    let (first, second) = terms.split_once(',')?;
    let x = c.pick(|known| is_float(known) && known.ty.rank() == first.len())?;
    let letters: BTreeMap<char, Dim> = first.chars().zip(c.dims(x)).collect();
    let dims: Vec<Dim> = second.chars().map(|letter| letters.get(&letter).cloned().unwrap_or(Dim::Fixed(2))).collect();
    let dtype = c.dtype(x);
    let fits = |known: &Known| {
        known.ty.dtype == dtype
            && known.ty.rank() == dims.len()
            && known.ty.shape.iter().zip(&dims).zip(second.chars()).all(|((a, b), letter)| a == b || !letters.contains_key(&letter))
    };
    let y = match c.pick(fits) {
        Some(y) => y,
        None => c.make(dtype, &dims, Values::Any)?,
    };
    Some((vec![x, y], vec![Argument::Text(equation)]))
}

pub fn einsum_of_one(c: &mut Chooser) -> Option<Chosen> {
    let equation = c.of(&["ij->ji", "ij->i", "ijk->kij", "ijk->j", "i->", "bij->ib"]);
    let rank = equation.split_once("->")?.0.len();
    Some((vec![c.pick(|known| is_float(known) && known.ty.rank() == rank)?], vec![Argument::Text(equation)]))
}

/// A window over the axes after batch and channels that fits in every call.
fn window(c: &mut Chooser, x: usize, kernel: &[usize]) -> Option<Window> {
    let axes = kernel.len();
    let strides: Vec<usize> = (0..axes).map(|_| 1 + c.below(2)).collect();
    let padding: Vec<usize> = kernel.iter().map(|&n| c.below(n / 2 + 1)).collect();
    let dilations: Vec<usize> = (0..axes).map(|_| 1 + usize::from(c.one_in(4))).collect();
    let rank = c.rank(x);
    let fits = (0..axes).all(|i| c.shortest(x, rank - axes + i) as usize + 2 * padding[i] > dilations[i] * (kernel[i] - 1));
    fits.then(|| Window::symmetric(&strides, &padding, &dilations))
}

pub fn padded_pool(c: &mut Chooser) -> Option<Chosen> {
    let (x, mut arguments) = pool(c)?;
    // Opset 18 has no means of values that stand apart.
    if let Argument::Move(window) = &mut arguments[1] {
        window.dilations.fill(1);
    }
    arguments[2] = c.flag();
    Some((x, arguments))
}

fn image(c: &mut Chooser, axes: usize) -> Option<usize> {
    let fits = |known: &Known| is_float(known) && known.ty.rank() == axes + 2 && known.ty.shape[1].fixed().is_some();
    if let Some(x) = c.pick(fits).filter(|_| !c.one_in(4)) {
        return Some(x);
    }
    let symbols: Vec<(String, usize)> = c.symbols.iter().map(|(name, dims)| (name.clone(), dims[0])).collect();
    let mut dims = Vec::new();
    for axis in 0..axes + 2 {
        let fixed = Dim::Fixed(c.random.integer(1, 4));
        let (name, seen) = c.of(&symbols);
        dims.push(if axis != 1 && c.one_in(2) { Dim::symbol(&name, seen) } else { fixed });
    }
    let dtype = c.of(&[DType::F32, DType::F32, DType::F64, DType::F16]);
    c.make(dtype, &dims, Values::Any)
}

pub fn conv(c: &mut Chooser) -> Option<Chosen> {
    let axes = 1 + c.below(2);
    let x = image(c, axes)?;
    let channels = c.dim(x, 1).fixed()?;
    let groups = if channels % 2 == 0 && c.one_in(2) { 2 } else { 1 };
    let out = groups * c.random.integer(1, 2);
    let kernel: Vec<usize> = (0..axes).map(|_| 1 + c.below(3)).collect();
    let window = window(c, x, &kernel)?;
    let mut dims = vec![Dim::Fixed(out), Dim::Fixed(channels / groups)];
    dims.extend(kernel.iter().map(|&n| Dim::from(n)));
    let weight = c.make(c.dtype(x), &dims, Values::Any)?;
    let bias = c.make(c.dtype(x), &dims[..1], Values::Any)?;
    Some((vec![x, weight, bias], vec![Argument::Move(window), Argument::Sizes(vec![groups as usize])]))
}

pub fn conv_transpose(c: &mut Chooser) -> Option<Chosen> {
    let x = image(c, 1)?;
    let channels = c.dim(x, 1);
    let kernel = 2 + c.below(2);
    let window = window(c, x, &[kernel])?;
    let weight = c.make(c.dtype(x), &[channels, Dim::Fixed(2), Dim::from(kernel)], Values::Any)?;
    Some((vec![x, weight], vec![Argument::Move(window)]))
}

pub fn pool(c: &mut Chooser) -> Option<Chosen> {
    let axes = 1 + c.below(2);
    let x = image(c, axes)?;
    let kernel: Vec<usize> = (0..axes).map(|_| 1 + c.below(3)).collect();
    let window = window(c, x, &kernel)?;
    // Windows are not rounded up over an axis of symbolic size.
    let fixed = c.dims(x)[2..].iter().all(|dim| !dim.is_symbolic());
    let ceil = Argument::Flag(fixed && c.one_in(2));
    Some((vec![x], vec![Argument::Sizes(kernel), Argument::Move(window), ceil]))
}

pub fn images(c: &mut Chooser) -> Option<Chosen> {
    Some((vec![image(c, 2)?], vec![]))
}

/// An image of at least one axis beside batch and channels.
pub fn rooms(c: &mut Chooser) -> Option<Chosen> {
    let axes = 1 + c.below(2);
    Some((vec![image(c, axes)?], vec![]))
}

pub fn batch_norm(c: &mut Chooser) -> Option<Chosen> {
    let axes = 1 + c.below(2);
    let x = image(c, axes)?;
    let channels = [c.dim(x, 1)];
    let mut chosen = vec![x];
    for values in [Values::Any, Values::Any, Values::Any, Values::Positive] {
        chosen.push(c.make(c.dtype(x), &channels, values)?);
    }
    Some((chosen, vec![]))
}

pub fn layer_norm(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| is_float(known) && known.ty.rank() > 0)?;
    let rank = c.rank(x);
    let first = rank - 1 - c.below(rank.min(2));
    let dims = c.dims(x)[first..].to_vec();
    let (scale, bias) = (c.make(c.dtype(x), &dims, Values::Any)?, c.make(c.dtype(x), &dims, Values::Any)?);
    Some((vec![x, scale, bias], vec![Argument::Dims((first..rank).map(|axis| Size::Of(0, axis)).collect())]))
}

pub fn group_norm(c: &mut Chooser) -> Option<Chosen> {
    let axes = 1 + c.below(2);
    let x = image(c, axes)?;
    let channels = c.dim(x, 1).fixed()?;
    let groups = if channels % 2 == 0 { 2 } else { 1 };
    Some((vec![x], vec![Argument::Int(groups)]))
}

pub fn real_vectors(c: &mut Chooser) -> Option<Chosen> {
    Some((vec![c.pick(|known| is_float(known) && known.ty.rank() > 0)?], vec![]))
}

pub fn resized(c: &mut Chooser) -> Option<Chosen> {
    let axes = 1 + c.below(2);
    let x = image(c, axes)?;
    let dims = (0..axes)
        .map(|axis| {
            let n = Box::new(Size::Of(0, axis + 2));
            match c.below(3) {
                0 => Size::Fixed(c.random.integer(1, 5)),
                1 => Size::Times(n, Box::new(Size::Fixed(2))),
                _ => Size::Plus(n, 1),
            }
        })
        .collect();
    let mode = c.of(&["nearest", "nearest-exact", "linear", "cubic"]);
    let corners = c.one_in(2) && !mode.starts_with("nearest");
    Some((vec![x], vec![Argument::Dims(dims), Argument::Text(mode), Argument::Flag(corners)]))
}

pub fn alike(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(is_float)?;
    let known = c.known[x].ty.clone();
    let y = c.pick(|other| other.ty == known)?;
    Some((vec![x, y], vec![]))
}
