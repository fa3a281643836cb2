//! Operands that fit a method: among the values that a program has, or made for the purpose.

use super::program::{Argument, Axis, Input, Length, Node};
use ontrace::array::Random;
use ontrace::ops::{Padding, Reduction, Window};
use ontrace::{Array, DType, Dim, Type};
use std::collections::BTreeMap;

/// Chooses operands and arguments, where there are some that fit.
pub type Fit = fn(&mut Chooser) -> Option<Chosen>;
pub type Chosen = (Vec<usize>, Vec<Argument>);

/// The dtypes of inputs and casts.
pub const DTYPES: &[DType] = &[DType::F32, DType::F64, DType::F16, DType::I64, DType::I32, DType::Bool, DType::U8];

/// What is known of a value: its symbolic type, and its numbers in each call.
#[derive(Clone)]
pub struct Known {
    pub ty: Type,
    pub calls: Vec<Array>,
}

/// What the numbers of a fresh tensor are.
#[derive(Clone, Copy)]
pub enum Numbers {
    Any,
    Positive,
    /// Integers within these bounds.
    Within(i64, i64),
}

pub struct Chooser<'a> {
    pub random: &'a mut Random,
    pub known: Vec<Known>,
    /// Inputs and constants that were made for the purpose: they come after the known values.
    pub fresh: Vec<Node>,
    /// The lengths of each symbol in each call.
    pub symbols: &'a BTreeMap<String, Vec<usize>>,
    pub calls: usize,
}

impl Chooser<'_> {
    pub fn below(&mut self, n: usize) -> usize {
        self.random.integer(0, n.max(1) as i64 - 1) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn of<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())].clone()
    }

    fn int(&mut self, low: i64, high: i64) -> Argument {
        Argument::Int(self.random.integer(low, high))
    }

    fn flag(&mut self) -> Argument {
        Argument::Flag(self.one_in(2))
    }

    /// A quarter of an integer, so that nothing is rounded.
    fn quarter(&mut self) -> f64 {
        self.random.integer(-12, 12) as f64 / 4.0
    }

    /// A value that passes, later ones more often.
    fn pick(&mut self, test: impl Fn(&Known) -> bool) -> Option<usize> {
        let fits: Vec<usize> = (0..self.known.len()).filter(|&i| test(&self.known[i])).collect();
        let last = self.below(fits.len()).max(self.below(fits.len()));
        fits.get(last).copied()
    }

    fn rank(&self, x: usize) -> usize {
        self.known[x].ty.rank()
    }

    fn dim(&self, x: usize, axis: usize) -> Dim {
        self.known[x].ty.shape[axis].clone()
    }

    fn dims(&self, x: usize) -> Vec<Dim> {
        self.known[x].ty.shape.to_vec()
    }

    fn dtype(&self, x: usize) -> DType {
        self.known[x].ty.dtype
    }

    /// The smallest length of an axis in any call.
    fn shortest(&self, x: usize, axis: usize) -> i64 {
        self.known[x].calls.iter().map(|array| array.shape()[axis] as i64).min().unwrap_or(0)
    }

    /// The axis, counted from either end.
    fn signed(&mut self, axis: usize, rank: usize) -> Argument {
        Argument::Int(if self.one_in(3) { axis as i64 - rank as i64 } else { axis as i64 })
    }

    fn axis_of(&mut self, x: usize) -> Option<usize> {
        let rank = self.rank(x);
        (rank > 0).then(|| self.below(rank))
    }

    /// Which axes are reduced.
    fn some(&mut self, x: usize) -> Vec<i64> {
        let rank = self.rank(x) as i64;
        let mut axes: Vec<i64> = (0..rank).filter(|_| self.one_in(2)).collect();
        if axes.is_empty() && rank > 0 {
            axes.push(self.random.integer(0, rank - 1));
        }
        axes.into_iter().map(|axis| if self.one_in(3) { axis - rank } else { axis }).collect()
    }

    /// A tensor made for the purpose: an input where its axes can be declared, or a constant.
    pub fn make(&mut self, dtype: DType, dims: &[Dim], numbers: Numbers) -> Option<usize> {
        let mut axes = Vec::new();
        for dim in dims {
            axes.push(match (dim.fixed(), dim.expr().as_symbol()) {
                (Some(n), _) => Axis::Fixed(n as usize),
                (_, Some(symbol)) if self.symbols.contains_key(&**symbol) => Axis::Symbol(symbol.to_string()),
                _ => return None,
            });
        }
        let constant = dims.iter().all(|dim| !dim.is_symbolic()) && self.one_in(2);
        let ties = self.one_in(3);
        let calls: Vec<Array> = (0..if constant { 1 } else { self.calls })
            .map(|call| {
                let shape: Vec<usize> = axes
                    .iter()
                    .map(|axis| match axis {
                        Axis::Fixed(n) => *n,
                        Axis::Symbol(name) => self.symbols[name][call],
                    })
                    .collect();
                drawn(self.random, dtype, &shape, numbers, ties)
            })
            .collect();
        let place = self.known.len();
        self.known.push(Known {
            ty: Type::new(dtype, dims.to_vec()),
            calls: if constant { vec![calls[0].clone(); self.calls] } else { calls.clone() },
        });
        self.fresh.push(if constant { Node::Constant(calls[0].clone()) } else { Node::Input(Input { axes, calls }) });
        Some(place)
    }

    /// A constant of these numbers.
    fn constant(&mut self, array: Array) -> usize {
        self.known.push(Known { ty: Type::from(&array), calls: vec![array.clone(); self.calls] });
        self.fresh.push(Node::Constant(array));
        self.known.len() - 1
    }

    /// A value that broadcasts with this one.
    fn partner(&mut self, x: usize, dtype: Option<DType>, test: impl Fn(&Known) -> bool, numbers: Numbers) -> Option<usize> {
        let shape = self.dims(x);
        let broadcasts = |known: &Known| known.ty.shape.iter().rev().zip(shape.iter().rev()).all(|(a, b)| a == b || *a == 1 || *b == 1);
        if !self.one_in(4)
            && let Some(y) = self.pick(|known| test(known) && dtype.is_none_or(|dtype| known.ty.dtype == dtype) && broadcasts(known))
        {
            return Some(y);
        }
        let skipped = self.below(shape.len() + 1) * usize::from(self.one_in(3));
        let dims: Vec<Dim> = shape[skipped..].iter().map(|dim| if self.one_in(5) { Dim::Fixed(1) } else { dim.clone() }).collect();
        let dtype = match dtype {
            Some(dtype) => dtype,
            None => {
                let kinds: Vec<DType> = DTYPES
                    .iter()
                    .copied()
                    .filter(|&dtype| test(&Known { ty: Type::new(dtype, Vec::<Dim>::new()), calls: vec![] }))
                    .collect();
                if self.one_in(2) && kinds.contains(&self.dtype(x)) { self.dtype(x) } else { self.of(&kinds) }
            }
        };
        self.make(dtype, &dims, numbers)
    }
}

/// Random numbers; with ties, so that few of them differ.
fn drawn(random: &mut Random, dtype: DType, shape: &[usize], numbers: Numbers, ties: bool) -> Array {
    random.array(dtype, shape, |random| match (numbers, dtype) {
        (Numbers::Within(low, high), _) => random.integer(low, high) as f64,
        (_, DType::Bool) => random.integer(0, 1) as f64,
        (Numbers::Any, DType::U8) => random.integer(0, if ties { 3 } else { 20 }) as f64,
        (Numbers::Any, dtype) if dtype.is_int() => random.integer(-9, 9) as f64,
        (Numbers::Positive, dtype) if dtype.is_int() => random.integer(1, 7) as f64,
        (Numbers::Any, _) if ties => random.integer(-4, 4) as f64 / 2.0,
        (Numbers::Any, _) => 1.5 * random.normal(),
        (Numbers::Positive, _) => 0.5 + 2.0 * random.uniform(),
    })
}

fn is_number(known: &Known) -> bool {
    known.ty.dtype != DType::Bool
}

fn is_whole(known: &Known) -> bool {
    !known.ty.dtype.is_float()
}

fn is_float(known: &Known) -> bool {
    known.ty.dtype.is_float()
}

/// Floats mostly: what is no float becomes one.
pub fn floats(c: &mut Chooser) -> Option<Chosen> {
    let any = c.one_in(6);
    Some((vec![c.pick(|known| any || is_float(known))?], vec![]))
}

pub fn positive(c: &mut Chooser) -> Option<Chosen> {
    let above = |known: &Known| known.calls.iter().all(|array| array.to_f64s().iter().all(|&x| x > 0.01));
    let x = match c.pick(|known| is_float(known) && above(known)) {
        Some(x) => x,
        None => {
            let like = c.pick(|_| true)?;
            let dtype = c.of(&[DType::F32, DType::F64, DType::F16]);
            c.make(dtype, &c.dims(like), Numbers::Positive)?
        }
    };
    Some((vec![x], vec![]))
}

pub fn real(c: &mut Chooser) -> Option<Chosen> {
    Some((vec![c.pick(is_float)?], vec![]))
}

pub fn numbers(c: &mut Chooser) -> Option<Chosen> {
    Some((vec![c.pick(is_number)?], vec![]))
}

pub fn whole(c: &mut Chooser) -> Option<Chosen> {
    Some((vec![c.pick(is_whole)?], vec![]))
}

pub fn anything(c: &mut Chooser) -> Option<Chosen> {
    Some((vec![c.pick(|_| true)?], vec![]))
}

/// Numbers that one rounding of a tanh near 1 does not reach when it is multiplied by them.
pub fn gelu(c: &mut Chooser) -> Option<Chosen> {
    let small = |known: &Known| is_float(known) && known.calls.iter().all(|array| array.to_f64s().iter().all(|x| x.abs() <= 10.0));
    Some((vec![c.pick(small)?], vec![c.flag()]))
}

pub fn numbers_and_flag(c: &mut Chooser) -> Option<Chosen> {
    Some((vec![c.pick(is_number)?], vec![c.flag()]))
}

pub fn real_and_number(c: &mut Chooser) -> Option<Chosen> {
    Some((vec![c.pick(is_float)?], vec![Argument::Float(c.quarter())]))
}

pub fn softplus(c: &mut Chooser) -> Option<Chosen> {
    Some((vec![c.pick(is_float)?], vec![Argument::Float(c.of(&[1.0, 0.5, 2.0])), Argument::Float(c.of(&[20.0, 2.5]))]))
}

pub fn real_and_axis(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| is_float(known) && known.ty.rank() > 0)?;
    let axis = c.axis_of(x)?;
    Some((vec![x], vec![c.signed(axis, c.rank(x))]))
}

/// A length of an even number: half of it is a length.
pub fn halves(c: &mut Chooser) -> Option<Chosen> {
    let even = |dim: &Dim| dim.div_exact(&2i64.into()).is_some_and(|half| half != 0);
    let x = c.pick(|known| is_float(known) && known.ty.shape.iter().any(even))?;
    let axis = (0..c.rank(x)).find(|&axis| even(&c.dim(x, axis)))?;
    Some((vec![x], vec![c.signed(axis, c.rank(x))]))
}

pub fn cast(c: &mut Chooser) -> Option<Chosen> {
    Some((vec![c.pick(|_| true)?], vec![Argument::Kind(c.of(DTYPES))]))
}

fn pair_of(c: &mut Chooser, test: fn(&Known) -> bool, numbers: Numbers) -> Option<Chosen> {
    let x = c.pick(test)?;
    let y = c.partner(x, None, test, numbers)?;
    Some((if c.one_in(2) && matches!(numbers, Numbers::Any) { vec![y, x] } else { vec![x, y] }, vec![]))
}

pub fn pair(c: &mut Chooser) -> Option<Chosen> {
    pair_of(c, |_| true, Numbers::Any)
}

pub fn pair_of_numbers(c: &mut Chooser) -> Option<Chosen> {
    pair_of(c, is_number, Numbers::Any)
}

pub fn pair_of_reals(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(is_float)?;
    let y = c.partner(x, Some(c.dtype(x)), is_float, Numbers::Any)?;
    Some((vec![x, y], vec![]))
}

pub fn pair_of_wholes(c: &mut Chooser) -> Option<Chosen> {
    pair_of(c, is_whole, Numbers::Any)
}

/// A divisor without zeros.
pub fn divided(c: &mut Chooser) -> Option<Chosen> {
    let apart = |known: &Known| is_number(known) && known.calls.iter().all(|array| array.to_f64s().iter().all(|x| x.abs() > 0.05));
    let x = c.pick(is_number)?;
    Some((vec![x, c.partner(x, None, apart, Numbers::Positive)?], vec![]))
}

pub fn raised(c: &mut Chooser) -> Option<Chosen> {
    let small =
        |known: &Known| is_number(known) && known.calls.iter().all(|array| array.to_f64s().iter().all(|&x| (0.0..=3.0).contains(&x)));
    let x = if c.one_in(2) { c.pick(is_number)? } else { positive(c)?.0[0] };
    Some((vec![x, c.partner(x, None, small, Numbers::Within(0, 3))?], vec![]))
}

pub fn shifted(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.dtype.is_int())?;
    let y = c.partner(x, Some(c.dtype(x)), |_| false, Numbers::Within(0, 4))?;
    Some((vec![x, y], vec![c.flag()]))
}

pub fn with_float(c: &mut Chooser) -> Option<Chosen> {
    let k = c.quarter();
    Some((vec![c.pick(is_number)?], vec![Argument::Float(if k == 0.0 { 1.5 } else { k })]))
}

pub fn with_int(c: &mut Chooser) -> Option<Chosen> {
    Some((vec![c.pick(|_| true)?], vec![c.int(-4, 6)]))
}

pub fn with_divisor(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(is_number)?;
    let k = if c.dtype(x) == DType::U8 { c.of(&[1, 2, 3, 7]) } else { c.of(&[-3, -2, 2, 3, 7]) };
    Some((vec![x], vec![Argument::Int(k)]))
}

pub fn with_power(c: &mut Chooser) -> Option<Chosen> {
    Some((vec![c.pick(is_number)?], vec![c.int(0, 3)]))
}

impl Chooser<'_> {
    /// An axis of the first tensor of the call, or something computed from it that is not 0.
    fn some_length(&mut self, x: usize) -> Option<Length> {
        let n = Length::Of(0, self.axis_of(x)?);
        Some(match self.below(6) {
            0 => Length::Plus(Box::new(n), 1),
            1 => Length::Times(Box::new(n), Box::new(Length::Fixed(2))),
            2 => Length::Times(Box::new(n.clone()), Box::new(n)),
            3 => Length::Plus(Box::new(Length::Over(Box::new(n), 2)), 1),
            _ => n,
        })
    }
}

pub fn with_length(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| is_number(known) && known.ty.rank() > 0)?;
    Some((vec![x], vec![Argument::Length(c.some_length(x)?)]))
}

pub fn length(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() > 0)?;
    let dtype = c.of(&[DType::F32, DType::I64, DType::I32, DType::F64]);
    Some((vec![x], vec![Argument::Length(c.some_length(x)?), Argument::Kind(dtype)]))
}

pub fn some_lengths(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() > 0)?;
    let count = 1 + c.below(3);
    let lengths = (0..count).map(|_| c.some_length(x)).collect::<Option<Vec<_>>>()?;
    Some((vec![x], vec![Argument::Lengths(lengths)]))
}

/// As many lengths as the last axis is long.
pub fn all_lengths(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| is_number(known) && known.ty.shape.last().is_some_and(|dim| dim.fixed().is_some()))?;
    let count = c.dim(x, c.rank(x) - 1).fixed()?;
    let lengths = (0..count).map(|_| c.some_length(x)).collect::<Option<Vec<_>>>()?;
    Some((vec![x], vec![Argument::Lengths(lengths)]))
}

pub fn range(c: &mut Chooser) -> Option<Chosen> {
    let (mut chosen, mut arguments) = length(c)?;
    let step = c.int(1, 2);
    arguments.insert(1, step);
    chosen.truncate(1);
    Some((chosen, arguments))
}

fn shape_of(c: &mut Chooser) -> Option<(usize, Vec<Length>)> {
    let x = c.pick(|known| known.ty.rank() > 0)?;
    let rank = c.below(3);
    let shape = (0..rank).map(|_| if c.one_in(3) { Some(Length::Fixed(2)) } else { Some(Length::Of(0, c.axis_of(x)?)) });
    let shape = shape.collect::<Option<Vec<_>>>()?;
    Some((x, shape))
}

pub fn filled(c: &mut Chooser) -> Option<Chosen> {
    let (x, shape) = shape_of(c)?;
    let dtype = c.of(&[DType::F32, DType::F64, DType::I64]);
    let k = if dtype.is_float() { c.quarter() } else { 3.0 };
    Some((vec![x], vec![Argument::Lengths(shape), Argument::Float(k), Argument::Kind(dtype)]))
}

pub fn filled_bare(c: &mut Chooser) -> Option<Chosen> {
    let (x, shape) = shape_of(c)?;
    Some((vec![x], vec![Argument::Lengths(shape), Argument::Kind(c.of(DTYPES))]))
}

pub fn eye(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() > 0)?;
    let (n, m) = (c.some_length(x)?, c.some_length(x)?);
    Some((
        vec![x],
        vec![Argument::Length(n), Argument::Length(m), c.int(-1, 1), Argument::Kind(c.of(&[DType::F32, DType::I64, DType::Bool]))],
    ))
}

pub fn chosen(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|_| true)?;
    let y = c.partner(x, None, |_| true, Numbers::Any)?;
    let mask = c.partner(x, Some(DType::Bool), |_| true, Numbers::Any)?;
    together(c, &[mask, x, y]).then_some((vec![mask, x, y], vec![]))
}

/// Whether all of these broadcast with each other.
fn together(c: &Chooser, values: &[usize]) -> bool {
    let shape = |&x: &usize| c.known[x].ty.shape.clone();
    values.iter().map(shape).try_fold(ontrace::Shape::new(Vec::<Dim>::new()), |a, b| a.broadcast(&b)).is_ok()
}

pub fn masked(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(is_number)?;
    let mask = c.partner(x, Some(DType::Bool), |_| true, Numbers::Any)?;
    Some((vec![x, mask], vec![c.int(0, 5)]))
}

pub fn clamped(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(is_number)?;
    let low = c.random.integer(0, 2);
    let low = if c.dtype(x) == DType::U8 { low } else { low - 2 };
    Some((vec![x], vec![Argument::Int(low), c.int(3, 6)]))
}

pub fn between(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(is_number)?;
    let dtype = Some(c.dtype(x));
    let (y, z) = (c.partner(x, dtype, |_| true, Numbers::Any)?, c.partner(x, dtype, |_| true, Numbers::Any)?);
    together(c, &[x, y, z]).then_some((vec![x, y, z], vec![]))
}

fn axes_of(c: &mut Chooser, x: usize) -> Argument {
    if c.one_in(4) { Argument::Axes(None) } else { Argument::Axes(Some(c.some(x))) }
}

pub fn reduced(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|_| true)?;
    Some((vec![x], vec![axes_of(c, x), c.flag()]))
}

pub fn real_reduced(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(is_float)?;
    Some((vec![x], vec![axes_of(c, x), c.flag()]))
}

pub fn variance(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(is_float)?;
    Some((vec![x], vec![axes_of(c, x), Argument::Float(c.of(&[0.0, 1.0])), c.flag()]))
}

pub fn norm(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(is_float)?;
    Some((vec![x], vec![Argument::Float(c.of(&[0.0, 1.0, 2.0, 3.0, f64::INFINITY])), axes_of(c, x), c.flag()]))
}

pub fn one_axis(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| is_number(known) && known.ty.rank() > 0)?;
    let axis = c.axis_of(x)?;
    Some((vec![x], vec![c.signed(axis, c.rank(x)), c.flag()]))
}

pub fn any_axis(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() > 0)?;
    let axis = c.axis_of(x)?;
    Some((vec![x], vec![c.signed(axis, c.rank(x))]))
}

pub fn stepped(c: &mut Chooser) -> Option<Chosen> {
    let (x, mut arguments) = any_axis(c)?;
    arguments.push(Argument::Int(c.of(&[2, 3, -2])));
    Some((x, arguments))
}

pub fn most(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| is_number(known) && known.ty.rank() > 0)?;
    let axis = c.axis_of(x)?;
    let k = if c.one_in(3) {
        Length::Plus(Box::new(Length::Over(Box::new(Length::Plus(Box::new(Length::Of(0, axis)), -1)), 2)), 1)
    } else {
        Length::Fixed(c.random.integer(1, c.shortest(x, axis)))
    };
    Some((vec![x], vec![Argument::Length(k), c.signed(axis, c.rank(x)), c.flag()]))
}

pub fn summed(c: &mut Chooser) -> Option<Chosen> {
    any_axis(c)
}

pub fn reshaped(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() > 0)?;
    let mut shape: Vec<Length> = (0..c.rank(x)).map(|axis| Length::Of(0, axis)).collect();
    for _ in 0..1 + c.below(3) {
        match c.below(4) {
            // Two neighbours become one.
            0 | 1 if shape.len() > 1 => {
                let at = c.below(shape.len() - 1);
                let next = shape.remove(at + 1);
                shape[at] = Length::Times(Box::new(shape[at].clone()), Box::new(next));
            }
            2 if shape.len() < 5 => {
                let at = c.below(shape.len() + 1);
                shape.insert(at, Length::Fixed(1));
            }
            // A fixed one becomes two.
            _ => {
                let at = c.below(shape.len());
                if let Length::Of(_, axis) = shape[at]
                    && let Some(n) = c.dim(x, axis).fixed()
                    && let Some(by) = [2, 3].into_iter().find(|by| n % by == 0)
                {
                    shape[at] = Length::Fixed(by);
                    shape.insert(at, Length::Fixed(n / by));
                }
            }
        }
    }
    if c.one_in(3) {
        let at = c.below(shape.len());
        shape[at] = Length::Fixed(-1);
    }
    Some((vec![x], vec![Argument::Lengths(shape)]))
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
    let mut lengths: Vec<Length> = (0..rank).map(|axis| Length::Of(1, axis)).collect();
    if c.one_in(3) && rank < 4 {
        lengths.insert(0, Length::Fixed(2));
    }
    let kept = lengths.len() - c.rank(x);
    for i in kept..lengths.len() {
        if c.dims(x)[i - kept] == c.dims(y)[i + rank - lengths.len()] && c.one_in(3) {
            lengths[i] = Length::Fixed(-1);
        }
    }
    Some((vec![x, y], vec![Argument::Lengths(lengths)]))
}

pub fn flattened(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() > 1)?;
    let (a, b, rank) = (c.axis_of(x)?, c.axis_of(x)?, c.rank(x));
    Some((vec![x], vec![c.signed(a.min(b), rank), c.signed(a.max(b), rank)]))
}

pub fn unflattened(c: &mut Chooser) -> Option<Chosen> {
    let even = |dim: &Dim| dim.div_exact(&2i64.into()).is_some_and(|half| half != 0);
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

/// Every symbolic axis stays, whatever its length: it should not be 1 in any call.
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
    let whole = || Box::new(Length::Of(0, axis));
    let (start, end, step) = match c.below(5) {
        0 => (Length::Fixed(start), Length::Fixed(c.random.integer(start + 1, start + 3)), 1),
        1 => (Length::Fixed(start), Length::Plus(whole(), c.random.integer(start + 1 - n, 0)), 1),
        2 => (Length::Fixed(start - n), Length::Fixed(i64::MAX), 1),
        3 => (Length::Over(whole(), 2), Length::Of(0, axis), c.random.integer(1, 2)),
        _ => (Length::Plus(whole(), -1), Length::Fixed(start - 1 - if start == 0 { i64::from(i32::MAX) } else { 0 }), c.of(&[-1, -2])),
    };
    Some((vec![x], vec![c.signed(axis, c.rank(x)), Argument::Length(start), Argument::Length(end), Argument::Int(step)]))
}

pub fn selected(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() > 0)?;
    let axis = c.axis_of(x)?;
    let n = c.shortest(x, axis);
    let whole = || Box::new(Length::Of(0, axis));
    let i = match c.below(4) {
        0 => Length::Plus(whole(), -1),
        1 => Length::Over(whole(), 2),
        2 => Length::Fixed(-c.random.integer(1, n)),
        _ => Length::Fixed(c.random.integer(0, n - 1)),
    };
    Some((vec![x], vec![c.signed(axis, c.rank(x)), Argument::Length(i)]))
}

pub fn narrowed(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() > 0)?;
    let axis = c.axis_of(x)?;
    let start = c.random.integer(0, c.shortest(x, axis) - 1);
    let length = if c.one_in(2) { Length::Fixed(1) } else { Length::Plus(Box::new(Length::Of(0, axis)), -start) };
    Some((vec![x], vec![c.signed(axis, c.rank(x)), Argument::Length(Length::Fixed(start)), Argument::Length(length)]))
}

pub fn some_axes(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() > 0)?;
    Some((vec![x], vec![Argument::Ints(c.some(x))]))
}

pub fn split(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() > 0)?;
    let axis = (0..c.rank(x)).find(|&axis| c.shortest(x, axis) > 1)?;
    let first = c.random.integer(1, c.shortest(x, axis) - 1);
    let lengths = vec![Length::Fixed(first), Length::Plus(Box::new(Length::Of(0, axis)), -first)];
    Some((vec![x], vec![Argument::Lengths(lengths), c.signed(axis, c.rank(x))]))
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
        c.make(dtype, &dims, Numbers::Any)?
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
    let times =
        (0..rank).map(|_| if c.one_in(6) { c.some_length(x).unwrap_or(Length::Fixed(2)) } else { Length::Fixed(c.random.integer(1, 2)) });
    let times = times.collect();
    Some((vec![x], vec![Argument::Lengths(times)]))
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
    c.make(dtype, dims, Numbers::Within(low, n - 1))
}

/// The shape of a fresh index: a few lengths, perhaps a symbol.
fn index_shape(c: &mut Chooser, ranks: usize) -> Vec<Dim> {
    let symbols: Vec<(String, usize)> = c.symbols.iter().map(|(name, lengths)| (name.clone(), lengths[0])).collect();
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
    let mask = c.partner(x, Some(DType::Bool), |_| true, Numbers::Any)?;
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
        // Every place is named once.
        let n = c.dim(x, axis).fixed()?;
        let fixed = dims.iter().map(|dim| dim.fixed().map(|n| n as usize)).collect::<Option<Vec<usize>>>()?;
        let order = order(c, n as usize);
        let inner: usize = fixed[axis + 1..].iter().product();
        let count: usize = fixed.iter().product();
        let index = Array::new(&fixed, (0..count).map(|i| order[i / inner % n as usize]).collect::<Vec<i64>>()).ok()?;
        let index = c.constant(index);
        let y = c.make(c.dtype(x), &dims, Numbers::Any)?;
        return Some((vec![x, index, y], vec![c.signed(axis, c.rank(x)), Argument::Joined(Reduction::Replace)]));
    }
    dims[axis] = Dim::Fixed(c.random.integer(1, 3));
    let index = indices(c, x, axis, &dims)?;
    let y = c.make(c.dtype(x), &dims, Numbers::Any)?;
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
        None => c.make(DType::Bool, &shape, Numbers::Any)?,
    };
    Some((vec![x, mask], vec![]))
}

pub fn put(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| is_number(known) && known.ty.rank() > 0)?;
    let dims = index_shape(c, 1);
    let index = indices(c, x, 0, &dims)?;
    let rest = c.dims(x)[1..].to_vec();
    let y = c.make(c.dtype(x), &[dims, rest].concat(), Numbers::Any)?;
    Some((vec![x, index, y], vec![Argument::Joined(reduction(c))]))
}

pub fn put_masked(c: &mut Chooser) -> Option<Chosen> {
    let (mut chosen, _) = mask_of(c)?;
    let y = c.make(c.dtype(chosen[0]), &[], Numbers::Any)?;
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
            c.make(dtype, &dims, Numbers::Any)?
        }
    };
    Some((vec![x, y], vec![]))
}

pub fn linear(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| is_float(known) && known.ty.rank() > 0)?;
    let inner = c.dim(x, c.rank(x) - 1);
    let outer = Dim::Fixed(c.random.integer(1, 4));
    let weight = c.make(c.dtype(x), &[outer.clone(), inner], Numbers::Any)?;
    let bias = c.make(c.dtype(x), &[outer], Numbers::Any)?;
    Some((vec![x, weight, bias], vec![]))
}

pub fn added_product(c: &mut Chooser) -> Option<Chosen> {
    let a = c.pick(|known| is_float(known) && known.ty.rank() == 2)?;
    let columns = Dim::Fixed(c.random.integer(1, 4));
    let b = c.make(c.dtype(a), &[c.dim(a, 1), columns.clone()], Numbers::Any)?;
    let rows = c.dim(a, 0);
    let shape = c.of(&[vec![columns.clone()], vec![rows, columns], vec![Dim::Fixed(1)]]);
    let x = c.make(c.dtype(a), &shape, Numbers::Any)?;
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
        None => c.make(dtype, &dims, Numbers::Any)?,
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
    // Opset 18 has no means of numbers that stand apart.
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
    let symbols: Vec<(String, usize)> = c.symbols.iter().map(|(name, lengths)| (name.clone(), lengths[0])).collect();
    let mut dims = Vec::new();
    for axis in 0..axes + 2 {
        let fixed = Dim::Fixed(c.random.integer(1, 4));
        let (name, seen) = c.of(&symbols);
        dims.push(if axis != 1 && c.one_in(2) { Dim::symbol(&name, seen) } else { fixed });
    }
    let dtype = c.of(&[DType::F32, DType::F32, DType::F64, DType::F16]);
    c.make(dtype, &dims, Numbers::Any)
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
    let weight = c.make(c.dtype(x), &dims, Numbers::Any)?;
    let bias = c.make(c.dtype(x), &dims[..1], Numbers::Any)?;
    Some((vec![x, weight, bias], vec![Argument::Move(window), Argument::Sizes(vec![groups as usize])]))
}

pub fn conv_transpose(c: &mut Chooser) -> Option<Chosen> {
    let x = image(c, 1)?;
    let channels = c.dim(x, 1);
    let kernel = 2 + c.below(2);
    let window = window(c, x, &[kernel])?;
    let weight = c.make(c.dtype(x), &[channels, Dim::Fixed(2), Dim::from(kernel)], Numbers::Any)?;
    Some((vec![x, weight], vec![Argument::Move(window)]))
}

pub fn pool(c: &mut Chooser) -> Option<Chosen> {
    let axes = 1 + c.below(2);
    let x = image(c, axes)?;
    let kernel: Vec<usize> = (0..axes).map(|_| 1 + c.below(3)).collect();
    let window = window(c, x, &kernel)?;
    // Windows are not rounded up over an axis of symbolic length.
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
    for numbers in [Numbers::Any, Numbers::Any, Numbers::Any, Numbers::Positive] {
        chosen.push(c.make(c.dtype(x), &channels, numbers)?);
    }
    Some((chosen, vec![]))
}

pub fn layer_norm(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| is_float(known) && known.ty.rank() > 0)?;
    let rank = c.rank(x);
    let first = rank - 1 - c.below(rank.min(2));
    let dims = c.dims(x)[first..].to_vec();
    let (scale, bias) = (c.make(c.dtype(x), &dims, Numbers::Any)?, c.make(c.dtype(x), &dims, Numbers::Any)?);
    Some((vec![x, scale, bias], vec![Argument::Lengths((first..rank).map(|axis| Length::Of(0, axis)).collect())]))
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
    let lengths = (0..axes)
        .map(|axis| {
            let n = Box::new(Length::Of(0, axis + 2));
            match c.below(3) {
                0 => Length::Fixed(c.random.integer(1, 5)),
                1 => Length::Times(n, Box::new(Length::Fixed(2))),
                _ => Length::Plus(n, 1),
            }
        })
        .collect();
    let mode = c.of(&["nearest", "nearest-exact", "linear", "cubic"]);
    let corners = c.one_in(2) && !mode.starts_with("nearest");
    Some((vec![x], vec![Argument::Lengths(lengths), Argument::Text(mode), Argument::Flag(corners)]))
}

pub fn alike(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(is_float)?;
    let known = c.known[x].ty.clone();
    let y = c.pick(|other| other.ty == known)?;
    Some((vec![x, y], vec![]))
}
