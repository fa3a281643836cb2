//! Operands that fit a method, number by number and along axes: among the values that a program has, or made for the purpose.

use super::program::{Argument, Axis, Input, Node, Size};
use ontrace::array::Random;
use ontrace::{Array, DType, Dim, Type};
use std::collections::BTreeMap;

/// Chooses operands and arguments, where there are some that fit.
pub type Fit = fn(&mut Chooser) -> Option<Chosen>;
pub type Chosen = (Vec<usize>, Vec<Argument>);

/// The dtypes of inputs and casts.
pub const DTYPES: &[DType] = &[DType::F32, DType::F64, DType::F16, DType::I64, DType::I32, DType::Bool, DType::U8];

/// What is known of a value: its symbolic type, and its values in each call.
#[derive(Clone)]
pub struct Known {
    pub ty: Type,
    pub calls: Vec<Array>,
}

/// What the values of a fresh tensor are.
#[derive(Clone, Copy)]
pub enum Values {
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
    /// The sizes of each symbol in each call.
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

    pub fn int(&mut self, low: i64, high: i64) -> Argument {
        Argument::Int(self.random.integer(low, high))
    }

    pub fn flag(&mut self) -> Argument {
        Argument::Flag(self.one_in(2))
    }

    /// A quarter of an integer, so that nothing is rounded.
    pub fn quarter(&mut self) -> f64 {
        self.random.integer(-12, 12) as f64 / 4.0
    }

    /// A value that passes, later ones more often.
    pub fn pick(&mut self, test: impl Fn(&Known) -> bool) -> Option<usize> {
        let fits: Vec<usize> = (0..self.known.len()).filter(|&i| test(&self.known[i])).collect();
        let last = self.below(fits.len()).max(self.below(fits.len()));
        fits.get(last).copied()
    }

    pub fn rank(&self, x: usize) -> usize {
        self.known[x].ty.rank()
    }

    pub fn dim(&self, x: usize, axis: usize) -> Dim {
        self.known[x].ty.shape[axis].clone()
    }

    pub fn dims(&self, x: usize) -> Vec<Dim> {
        self.known[x].ty.shape.to_vec()
    }

    pub fn dtype(&self, x: usize) -> DType {
        self.known[x].ty.dtype
    }

    /// The smallest size of an axis in any call.
    pub fn shortest(&self, x: usize, axis: usize) -> i64 {
        self.known[x].calls.iter().map(|array| array.shape()[axis] as i64).min().unwrap_or(0)
    }

    /// The axis, counted from either end.
    pub fn signed(&mut self, axis: usize, rank: usize) -> Argument {
        Argument::Int(if self.one_in(3) { axis as i64 - rank as i64 } else { axis as i64 })
    }

    pub fn axis_of(&mut self, x: usize) -> Option<usize> {
        let rank = self.rank(x);
        (rank > 0).then(|| self.below(rank))
    }

    /// Which axes are reduced.
    pub fn some(&mut self, x: usize) -> Vec<i64> {
        let rank = self.rank(x) as i64;
        let mut axes: Vec<i64> = (0..rank).filter(|_| self.one_in(2)).collect();
        if axes.is_empty() && rank > 0 {
            axes.push(self.random.integer(0, rank - 1));
        }
        axes.into_iter().map(|axis| if self.one_in(3) { axis - rank } else { axis }).collect()
    }

    /// A tensor made for the purpose: an input where its axes can be declared, or a constant.
    pub fn make(&mut self, dtype: DType, dims: &[Dim], values: Values) -> Option<usize> {
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
                sampled(self.random, dtype, &shape, values, ties)
            })
            .collect();
        let index = self.known.len();
        self.known.push(Known {
            ty: Type::new(dtype, dims.to_vec()),
            calls: if constant { vec![calls[0].clone(); self.calls] } else { calls.clone() },
        });
        self.fresh.push(if constant { Node::Constant(calls[0].clone()) } else { Node::Input(Input { axes, calls }) });
        Some(index)
    }

    /// A constant of these values.
    pub fn constant(&mut self, array: Array) -> usize {
        self.known.push(Known { ty: Type::from(&array), calls: vec![array.clone(); self.calls] });
        self.fresh.push(Node::Constant(array));
        self.known.len() - 1
    }

    /// A value that broadcasts with this one.
    pub fn partner(&mut self, x: usize, dtype: Option<DType>, test: impl Fn(&Known) -> bool, values: Values) -> Option<usize> {
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
                let kinds: Vec<DType> =
                    DTYPES.iter().copied().filter(|&dtype| test(&Known { ty: Type::new(dtype, ()), calls: vec![] })).collect();
                if self.one_in(2) && kinds.contains(&self.dtype(x)) { self.dtype(x) } else { self.of(&kinds) }
            }
        };
        self.make(dtype, &dims, values)
    }
}

/// Random values; with ties, so that few of them differ.
fn sampled(random: &mut Random, dtype: DType, shape: &[usize], values: Values, ties: bool) -> Array {
    random
        .array(dtype, shape, |random| match (values, dtype) {
            (Values::Within(low, high), _) => random.integer(low, high) as f64,
            (_, DType::Bool) => random.integer(0, 1) as f64,
            (Values::Any, DType::U8) => random.integer(0, if ties { 3 } else { 20 }) as f64,
            (Values::Any, dtype) if dtype.is_int() => random.integer(-9, 9) as f64,
            (Values::Positive, dtype) if dtype.is_int() => random.integer(1, 7) as f64,
            (Values::Any, _) if ties => random.integer(-4, 4) as f64 / 2.0,
            (Values::Any, _) => 1.5 * random.normal(),
            (Values::Positive, _) => 0.5 + 2.0 * random.uniform(),
        })
        .unwrap()
}

pub fn is_number(known: &Known) -> bool {
    known.ty.dtype != DType::Bool
}

pub fn is_whole(known: &Known) -> bool {
    !known.ty.dtype.is_float()
}

pub fn is_float(known: &Known) -> bool {
    known.ty.dtype.is_float()
}

/// Floats mostly: what is no float becomes one.
pub fn floats(c: &mut Chooser) -> Option<Chosen> {
    let any = c.one_in(6);
    Some((vec![c.pick(|known| any || is_float(known))?], vec![]))
}

/// Floats of at most single precision.
pub fn single_floats(c: &mut Chooser) -> Option<Chosen> {
    Some((vec![c.pick(|known| is_float(known) && known.ty.dtype != DType::F64)?], vec![]))
}

pub fn positive(c: &mut Chooser) -> Option<Chosen> {
    let above = |known: &Known| known.calls.iter().all(|array| array.to_f64s().unwrap().iter().all(|&x| x > 0.01));
    let x = match c.pick(|known| is_float(known) && above(known)) {
        Some(x) => x,
        None => {
            let like = c.pick(|_| true)?;
            let dtype = c.of(&[DType::F32, DType::F64, DType::F16]);
            c.make(dtype, &c.dims(like), Values::Positive)?
        }
    };
    Some((vec![x], vec![]))
}

pub fn real(c: &mut Chooser) -> Option<Chosen> {
    Some((vec![c.pick(is_float)?], vec![]))
}

pub fn numeric(c: &mut Chooser) -> Option<Chosen> {
    Some((vec![c.pick(is_number)?], vec![]))
}

pub fn whole(c: &mut Chooser) -> Option<Chosen> {
    Some((vec![c.pick(is_whole)?], vec![]))
}

pub fn anything(c: &mut Chooser) -> Option<Chosen> {
    Some((vec![c.pick(|_| true)?], vec![]))
}

/// Values that one rounding of a tanh near 1 does not reach when it is multiplied by them.
pub fn gelu(c: &mut Chooser) -> Option<Chosen> {
    let small = |known: &Known| is_float(known) && known.calls.iter().all(|array| array.to_f64s().unwrap().iter().all(|x| x.abs() <= 10.0));
    Some((vec![c.pick(small)?], vec![c.flag()]))
}

pub fn numeric_and_flag(c: &mut Chooser) -> Option<Chosen> {
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

/// An even size: half of it is a size.
pub fn halves(c: &mut Chooser) -> Option<Chosen> {
    let even = |dim: &Dim| dim.div_exact(&2i64.into(), ontrace::dim::Constraints::none()).is_some_and(|half| half != 0);
    let x = c.pick(|known| is_float(known) && known.ty.shape.iter().any(even))?;
    let axis = (0..c.rank(x)).find(|&axis| even(&c.dim(x, axis)))?;
    Some((vec![x], vec![c.signed(axis, c.rank(x))]))
}

pub fn cast(c: &mut Chooser) -> Option<Chosen> {
    Some((vec![c.pick(|_| true)?], vec![Argument::Kind(c.of(DTYPES))]))
}

fn pair_of(c: &mut Chooser, test: fn(&Known) -> bool, values: Values) -> Option<Chosen> {
    let x = c.pick(test)?;
    let y = c.partner(x, None, test, values)?;
    Some((if c.one_in(2) && matches!(values, Values::Any) { vec![y, x] } else { vec![x, y] }, vec![]))
}

pub fn pair(c: &mut Chooser) -> Option<Chosen> {
    pair_of(c, |_| true, Values::Any)
}

pub fn pair_of_numeric(c: &mut Chooser) -> Option<Chosen> {
    pair_of(c, is_number, Values::Any)
}

pub fn pair_of_reals(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(is_float)?;
    let y = c.partner(x, Some(c.dtype(x)), is_float, Values::Any)?;
    Some((vec![x, y], vec![]))
}

pub fn pair_of_wholes(c: &mut Chooser) -> Option<Chosen> {
    pair_of(c, is_whole, Values::Any)
}

/// A divisor without zeros.
pub fn divided(c: &mut Chooser) -> Option<Chosen> {
    let apart = |known: &Known| is_number(known) && known.calls.iter().all(|array| array.to_f64s().unwrap().iter().all(|x| x.abs() > 0.05));
    let x = c.pick(is_number)?;
    Some((vec![x, c.partner(x, None, apart, Values::Positive)?], vec![]))
}

pub fn raised(c: &mut Chooser) -> Option<Chosen> {
    let small = |known: &Known| {
        is_number(known) && known.calls.iter().all(|array| array.to_f64s().unwrap().iter().all(|&x| (0.0..=3.0).contains(&x)))
    };
    let x = if c.one_in(2) { c.pick(is_number)? } else { positive(c)?.0[0] };
    Some((vec![x, c.partner(x, None, small, Values::Within(0, 3))?], vec![]))
}

pub fn shifted(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.dtype.is_int())?;
    let y = c.partner(x, Some(c.dtype(x)), |_| false, Values::Within(0, 4))?;
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
    pub fn some_size(&mut self, x: usize) -> Option<Size> {
        let n = Size::Of(0, self.axis_of(x)?);
        Some(match self.below(6) {
            0 => Size::Plus(Box::new(n), 1),
            1 => Size::Times(Box::new(n), Box::new(Size::Fixed(2))),
            2 => Size::Times(Box::new(n.clone()), Box::new(n)),
            3 => Size::Plus(Box::new(Size::Over(Box::new(n), 2)), 1),
            _ => n,
        })
    }
}

pub fn with_length(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| is_number(known) && known.ty.rank() > 0)?;
    Some((vec![x], vec![Argument::Size(c.some_size(x)?)]))
}

pub fn length(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() > 0)?;
    let dtype = c.of(&[DType::F32, DType::I64, DType::I32, DType::F64]);
    Some((vec![x], vec![Argument::Size(c.some_size(x)?), Argument::Kind(dtype)]))
}

pub fn some_dims(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() > 0)?;
    let count = 1 + c.below(3);
    let dims = (0..count).map(|_| c.some_size(x)).collect::<Option<Vec<_>>>()?;
    Some((vec![x], vec![Argument::Dims(dims)]))
}

/// As many sizes as the last axis is long.
pub fn all_dims(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| is_number(known) && known.ty.shape.last().is_some_and(|dim| dim.fixed().is_some()))?;
    let count = c.dim(x, c.rank(x) - 1).fixed()?;
    let dims = (0..count).map(|_| c.some_size(x)).collect::<Option<Vec<_>>>()?;
    Some((vec![x], vec![Argument::Dims(dims)]))
}

pub fn range(c: &mut Chooser) -> Option<Chosen> {
    let (mut chosen, mut arguments) = length(c)?;
    let step = c.int(1, 2);
    arguments.insert(1, step);
    chosen.truncate(1);
    Some((chosen, arguments))
}

fn shape_of(c: &mut Chooser) -> Option<(usize, Vec<Size>)> {
    let x = c.pick(|known| known.ty.rank() > 0)?;
    let rank = c.below(3);
    let shape = (0..rank).map(|_| if c.one_in(3) { Some(Size::Fixed(2)) } else { Some(Size::Of(0, c.axis_of(x)?)) });
    let shape = shape.collect::<Option<Vec<_>>>()?;
    Some((x, shape))
}

pub fn filled(c: &mut Chooser) -> Option<Chosen> {
    let (x, shape) = shape_of(c)?;
    let dtype = c.of(&[DType::F32, DType::F64, DType::I64]);
    let k = if dtype.is_float() { c.quarter() } else { 3.0 };
    Some((vec![x], vec![Argument::Dims(shape), Argument::Float(k), Argument::Kind(dtype)]))
}

pub fn filled_bare(c: &mut Chooser) -> Option<Chosen> {
    let (x, shape) = shape_of(c)?;
    Some((vec![x], vec![Argument::Dims(shape), Argument::Kind(c.of(DTYPES))]))
}

pub fn eye(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|known| known.ty.rank() > 0)?;
    let (n, m) = (c.some_size(x)?, c.some_size(x)?);
    Some((vec![x], vec![Argument::Size(n), Argument::Size(m), c.int(-1, 1), Argument::Kind(c.of(&[DType::F32, DType::I64, DType::Bool]))]))
}

pub fn chosen(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(|_| true)?;
    let y = c.partner(x, None, |_| true, Values::Any)?;
    let mask = c.partner(x, Some(DType::Bool), |_| true, Values::Any)?;
    together(c, &[mask, x, y]).then_some((vec![mask, x, y], vec![]))
}

/// Whether all of these broadcast with each other.
fn together(c: &Chooser, values: &[usize]) -> bool {
    let shape = |&x: &usize| c.known[x].ty.shape.clone();
    values.iter().map(shape).try_fold(ontrace::Shape::default(), |a, b| a.broadcast(&b, ontrace::dim::Constraints::none())).is_ok()
}

pub fn masked(c: &mut Chooser) -> Option<Chosen> {
    let x = c.pick(is_number)?;
    let mask = c.partner(x, Some(DType::Bool), |_| true, Values::Any)?;
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
    let (y, z) = (c.partner(x, dtype, |_| true, Values::Any)?, c.partner(x, dtype, |_| true, Values::Any)?);
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
        Size::Plus(Box::new(Size::Over(Box::new(Size::Plus(Box::new(Size::Of(0, axis)), -1)), 2)), 1)
    } else {
        Size::Fixed(c.random.integer(1, c.shortest(x, axis)))
    };
    Some((vec![x], vec![Argument::Size(k), c.signed(axis, c.rank(x)), c.flag()]))
}

pub fn summed(c: &mut Chooser) -> Option<Chosen> {
    any_axis(c)
}
