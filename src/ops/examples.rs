//! Every operator at work, a line an example: what the laws are tried on.

use super::index::{GatherNd, ScatterNd};
use super::{
    Alignment, Cell, Distribution, Gathered, Outside, Padding, Recurrent, RecurrentWeights, Reduction, Sampling, Window, cond, fori_loop,
    map, scan, seeded, while_loop,
};
use crate::array::{Array, DType, Random, Scalar};
use crate::dim::Dim;
use crate::error::Result;
use crate::module::Module;
use crate::tensor::{Tensor, apply_one};

/// An input of any size: a dtype, a shape, and the numbers that its elements are taken from in turn.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub dtype: DType,
    pub shape: Vec<usize>,
    numbers: Vec<f64>,
}

impl Input {
    /// The input with this shape instead of its own.
    pub fn sized(&self, shape: &[usize]) -> Array {
        let mut numbers = self.numbers.iter().cycle();
        Random::new(0).array(self.dtype, shape, |_| *numbers.next().unwrap())
    }
}

/// An operation on some inputs.
#[derive(Clone)]
pub(crate) struct Case {
    pub name: String,
    pub inputs: Vec<Input>,
    run: fn(&[Tensor]) -> Result<Vec<Tensor>>,
}

impl Module for Case {
    fn forward(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        (self.run)(inputs)
    }
}

thread_local! {
    /// The dtype of the weights of examples that run on this thread.
    static WEIGHTS: std::cell::Cell<DType> = const { std::cell::Cell::new(DType::F32) };
}

/// An example in another dtype: its inputs of the dtype that the first has, and its weights.
pub(crate) struct Typed {
    case: Case,
    pub dtype: DType,
}

impl Typed {
    /// The example with this dtype in place of its own.
    pub fn new(case: &Case, dtype: DType) -> Typed {
        let mut case = case.clone();
        let own = case.inputs.first().map(|input| input.dtype);
        case.inputs.iter_mut().filter(|input| Some(input.dtype) == own).for_each(|input| input.dtype = dtype);
        Typed { case, dtype }
    }

    /// The inputs, of the shapes of the example.
    pub fn inputs(&self) -> Vec<Array> {
        self.case.inputs.iter().map(|input| input.sized(&input.shape)).collect()
    }
}

impl Module for Typed {
    fn forward(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let before = WEIGHTS.replace(self.dtype);
        let outputs = self.case.forward(inputs);
        WEIGHTS.set(before);
        outputs
    }
}

/// Random numbers between two, whole ones for integers. There are 97 of them, a prime: no axis repeats them in step.
fn of(dtype: DType, shape: &[usize], low: f64, high: f64) -> Input {
    let mut random = Random::new(shape.iter().fold(7 + shape.len() as u64, |seed, &n| seed * 31 + n as u64));
    let whole = !dtype.is_float();
    let mut draw = || if whole { random.integer(low as i64, high as i64) as f64 } else { low + (high - low) * random.uniform() };
    Input { dtype, shape: shape.to_vec(), numbers: (0..97).map(|_| draw()).collect() }
}

fn floats(shape: &[usize]) -> Input {
    of(DType::F32, shape, -2.0, 2.0)
}

fn bools(shape: &[usize]) -> Input {
    of(DType::Bool, shape, 0.0, 1.0)
}

/// Indices into an axis of length n.
fn indices(shape: &[usize], n: usize) -> Input {
    of(DType::I64, shape, 0.0, n as f64 - 1.0)
}

fn integers(shape: &[usize]) -> Input {
    of(DType::I64, shape, -9.0, 9.0)
}

fn these(dtype: DType, shape: &[usize], numbers: &[f64]) -> Input {
    Input { dtype, shape: shape.to_vec(), numbers: numbers.to_vec() }
}

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;
/// What floats do at their edges.
const EDGES: &[f64] = &[NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -0.5];

type One = fn(&Tensor) -> Result<Tensor>;
type Two = fn(&Tensor, &Tensor) -> Result<Tensor>;

/// Functions of one number, and where they are defined.
const UNARY: &[(&str, One, f64, f64)] = &[
    ("abs", Tensor::abs, -2.0, 2.0),
    ("neg", Tensor::neg, -2.0, 2.0),
    ("sign", Tensor::sign, -2.0, 2.0),
    ("ceil", Tensor::ceil, -3.0, 3.0),
    ("floor", Tensor::floor, -3.0, 3.0),
    ("round", Tensor::round, -3.0, 3.0),
    ("trunc", Tensor::trunc, -3.0, 3.0),
    ("exp", Tensor::exp, -2.0, 2.0),
    ("log", Tensor::log, 0.1, 3.0),
    ("sqrt", Tensor::sqrt, 0.1, 3.0),
    ("rsqrt", Tensor::rsqrt, 0.1, 3.0),
    ("square", Tensor::square, -2.0, 2.0),
    ("reciprocal", Tensor::reciprocal, 0.2, 3.0),
    ("sin", Tensor::sin, -3.0, 3.0),
    ("cos", Tensor::cos, -3.0, 3.0),
    ("tan", Tensor::tan, -1.2, 1.2),
    ("asin", Tensor::asin, -0.9, 0.9),
    ("acos", Tensor::acos, -0.9, 0.9),
    ("atan", Tensor::atan, -3.0, 3.0),
    ("sinh", Tensor::sinh, -2.0, 2.0),
    ("cosh", Tensor::cosh, -2.0, 2.0),
    ("tanh", Tensor::tanh, -3.0, 3.0),
    ("asinh", Tensor::asinh, -3.0, 3.0),
    ("acosh", Tensor::acosh, 1.1, 3.0),
    ("atanh", Tensor::atanh, -0.9, 0.9),
    ("erf", Tensor::erf, -2.0, 2.0),
    ("sigmoid", Tensor::sigmoid, -4.0, 4.0),
    ("relu", Tensor::relu, -2.0, 2.0),
    ("softsign", Tensor::softsign, -2.0, 2.0),
    ("softplus", |x| x.softplus(1.0, 20.0), -4.0, 4.0),
    ("is_nan", Tensor::is_nan, -1.0, 1.0),
    ("is_inf", Tensor::is_inf, -1.0, 1.0),
    ("is_finite", Tensor::is_finite, -1.0, 1.0),
    ("leaky_relu", |x| x.leaky_relu(0.1), -2.0, 2.0),
    ("elu", |x| x.elu(1.5), -2.0, 2.0),
    ("selu", Tensor::selu, -2.0, 2.0),
    ("silu", Tensor::silu, -3.0, 3.0),
    ("mish", Tensor::mish, -3.0, 3.0),
    ("gelu", |x| x.gelu(false), -3.0, 3.0),
    ("gelu_tanh", |x| x.gelu(true), -3.0, 3.0),
    ("hard_sigmoid", Tensor::hard_sigmoid, -4.0, 4.0),
    ("hard_swish", Tensor::hard_swish, -4.0, 4.0),
    ("clamp", |x| x.clamp(Some(Scalar::Float(-0.5)), Some(Scalar::Float(0.75))), -2.0, 2.0),
    ("clamp_below", |x| x.clamp(Some(Scalar::Float(0.25)), None), -2.0, 2.0),
];

/// Functions of two numbers; the second is not zero.
const BINARY: &[(&str, Two)] = &[
    ("add", |a, b| a.add(b)),
    ("sub", |a, b| a.sub(b)),
    ("mul", |a, b| a.mul(b)),
    ("div", |a, b| a.div(b)),
    ("floor_divide", |a, b| a.floor_divide(b)),
    ("trunc_divide", |a, b| a.trunc_divide(b)),
    ("remainder", |a, b| a.remainder(b)),
    ("fmod", |a, b| a.fmod(b)),
    ("minimum", |a, b| a.minimum(b)),
    ("maximum", |a, b| a.maximum(b)),
    ("eq", |a, b| a.eq(b)),
    ("ne", |a, b| a.ne(b)),
    ("lt", |a, b| a.lt(b)),
    ("le", |a, b| a.le(b)),
    ("gt", |a, b| a.gt(b)),
    ("ge", |a, b| a.ge(b)),
];

const LOGIC: &[(&str, Two)] = &[
    ("logical_and", |a, b| a.logical_and(b)),
    ("logical_or", |a, b| a.logical_or(b)),
    ("logical_xor", |a, b| a.logical_xor(b)),
    ("bitwise_and", |a, b| a.bitwise_and(b)),
    ("bitwise_or", |a, b| a.bitwise_or(b)),
    ("bitwise_xor", |a, b| a.bitwise_xor(b)),
    ("eq", |a, b| a.eq(b)),
    ("lt", |a, b| a.lt(b)),
    ("mul", |a, b| a.mul(b)),
];

/// Folds, with the axes and whether they stay.
const REDUCE: &[(&str, fn(&Tensor, Option<&[i64]>, bool) -> Result<Tensor>)] = &[
    ("sum", |x, axes, keep| x.sum(axes, keep)),
    ("mean", |x, axes, keep| x.mean(axes, keep)),
    ("prod", |x, axes, keep| x.prod(axes, keep)),
    ("amax", |x, axes, keep| x.amax(axes, keep)),
    ("amin", |x, axes, keep| x.amin(axes, keep)),
    ("log_sum_exp", |x, axes, keep| x.logsumexp(axes, keep)),
    ("var", |x, axes, keep| x.var(axes, 1.0, keep)),
    ("norm_1", |x, axes, keep| x.norm(1.0, axes, keep)),
    ("norm_2", |x, axes, keep| x.norm(2.0, axes, keep)),
    ("all", |x, axes, keep| x.all(axes, keep)),
    ("any", |x, axes, keep| x.any(axes, keep)),
];

/// The cases of a list of closures over tensors.
macro_rules! cases {
    ($($name:literal, [$($input:expr),* $(,)?], |$x:ident| $body:expr;)*) => {
        vec![$(Case { name: $name.to_string(), inputs: vec![$($input),*], run: |$x| $body }),*]
    };
}

fn one(tensor: Tensor) -> Result<Vec<Tensor>> {
    Ok(vec![tensor])
}

fn both((a, b): (Tensor, Tensor)) -> Result<Vec<Tensor>> {
    Ok(vec![a, b])
}

/// A tensor of small numbers that are the same at every call: a weight.
fn weight(shape: &[usize]) -> Tensor {
    Tensor::from(floats(shape).sized(shape).cast(WEIGHTS.get()))
}

/// Every example.
pub(crate) fn examples() -> Vec<Case> {
    [elementwise(), reductions(), windows(), places(), forms(), weights(), sequences(), branches(), chosen(), drawn()].concat()
}

fn drawn() -> Vec<Case> {
    cases! {
        "rand", [floats(&[2, 3])], |x| one(seeded(1, || Tensor::rand(x[0].shape(), DType::F32))?.add(&x[0])?);
        "randn", [floats(&[2, 3])], |x| one(seeded(2, || Tensor::randn(x[0].shape(), DType::F64))?.add(&x[0])?);
        "draw_f16", [floats(&[2])], |x| one(seeded(3, || Tensor::draw(Distribution::Uniform(-1.0, 3.0), x[0].shape(), DType::F16))?.add(&x[0])?);
        "bernoulli", [of(DType::F32, &[4, 5], 0.0, 1.0)], |x| one(seeded(4, || x[0].bernoulli())?);
        "drop_out", [floats(&[4, 5])], |x| both(seeded(5, || x[0].drop_out(0.4))?);
        "multinomial", [of(DType::F32, &[2, 4], 0.1, 1.0)], |x| one(seeded(6, || x[0].multinomial(3, true))?);
        "multinomial_once", [of(DType::F32, &[2, 4], 0.1, 1.0)], |x| one(seeded(7, || x[0].multinomial(3, false))?);
    }
}

fn elementwise() -> Vec<Case> {
    let mut all = cases! {
        "pow", [of(DType::F32, &[2, 3], 0.1, 2.0), floats(&[3])], |x| one(x[0].pow(&x[1])?);
        "pow_square", [floats(&[2, 3])], |x| one(x[0].pow(2)?);
        "pow_half", [of(DType::F32, &[2, 3], 0.1, 2.0)], |x| one(x[0].pow(0.5)?);
        "pow_i64", [integers(&[2, 3]), indices(&[3], 4)], |x| one(x[0].pow(&x[1])?);
        "broadcast", [floats(&[2, 1, 5]), floats(&[3, 1])], |x| one(x[0].add(&x[1])?);
        "rank_0", [floats(&[]), floats(&[])], |x| one(x[0].mul(&x[1])?);
        "mixed_dtypes", [floats(&[2, 3]), integers(&[3])], |x| one(x[0].mul(&x[1])?);
        "number_on_the_left", [floats(&[2, 3])], |x| one((1.0 - &x[0])?);
        "logical_not", [bools(&[2, 3])], |x| one(x[0].logical_not()?);
        "logical_not_of_floats", [these(DType::F32, &[2, 3], &[0.0, 1.0, -0.0, NAN])], |x| one(x[0].logical_not()?);
        "bitwise_not", [integers(&[2, 3])], |x| one(x[0].bitwise_not()?);
        "bitwise_not_u8", [of(DType::U8, &[2, 3], 0.0, 255.0)], |x| one(x[0].bitwise_not()?);
        "bitwise_and_i32", [of(DType::I32, &[2, 3], -99.0, 99.0), of(DType::I32, &[3], -99.0, 99.0)], |x| one(x[0].bitwise_and(&x[1])?);
        "bitwise_or_u8", [of(DType::U8, &[2, 3], 0.0, 255.0), of(DType::U8, &[3], 0.0, 255.0)], |x| one(x[0].bitwise_or(&x[1])?);
        "bitwise_xor_i64", [integers(&[2, 3]), integers(&[3])], |x| one(x[0].bitwise_xor(&x[1])?);
        "where", [bools(&[2, 3]), floats(&[2, 3]), floats(&[3])], |x| one(x[0].where_(&x[1], &x[2])?);
        "where_broadcast", [bools(&[2, 1]), integers(&[3]), integers(&[])], |x| one(x[0].where_(&x[1], &x[2])?);
        "masked_fill", [floats(&[2, 3]), bools(&[3])], |x| one(x[0].masked_fill(&x[1], f64::NEG_INFINITY)?);
        "clamp_i64", [integers(&[2, 3])], |x| one(x[0].clamp(Some(Scalar::Int(-2)), Some(Scalar::Int(3)))?);
        "clamp_tensors", [floats(&[2, 3]), these(DType::F32, &[3], &[-1.0, 0.0, -0.5])], |x| one(x[0].clamp_tensors(Some(&x[1]), None)?);
        "cast_f32_i64", [floats(&[2, 3])], |x| one(x[0].cast(DType::I64)?);
        "cast_f32_bool", [these(DType::F32, &[2, 3], &[0.0, 1.0, 0.5, -0.0, NAN])], |x| one(x[0].cast(DType::Bool)?);
        "cast_i64_u8", [of(DType::I64, &[2, 3], 0.0, 255.0)], |x| one(x[0].cast(DType::U8)?);
        "cast_i64_i32", [integers(&[2, 3])], |x| one(x[0].cast(DType::I32)?);
        "cast_bool_f32", [bools(&[2, 3])], |x| one(x[0].cast(DType::F32)?);
        "cast_f32_f64", [floats(&[2, 3])], |x| one(x[0].cast(DType::F64)?);
        "cast_f32_f8e4m3fn", [floats(&[2, 3])], |x| one(x[0].cast(DType::F8E4M3FN)?.transpose(0, 1)?.cast(DType::F32)?);
        "cast_f32_f8e5m2", [floats(&[2, 3])], |x| one(x[0].cast(DType::F8E5M2)?.cast(DType::F32)?);
        "cast_f32_i4", [floats(&[2, 3])], |x| one(x[0].cast(DType::I4)?.narrow(1, 0i64, 2i64)?.cast(DType::F32)?);
        "cast_f32_f4e2m1", [floats(&[2, 3])], |x| one(x[0].cast(DType::F4E2M1)?.cast(DType::F32)?);
        "bit_cast", [floats(&[2, 3])], |x| one(x[0].bit_cast(DType::I32)?);
        "cast_f32_f16", [floats(&[2, 3])], |x| one(x[0].cast(DType::F16)?);
        "softplus_beta", [of(DType::F32, &[2, 3], -9.0, 9.0)], |x| one(x[0].softplus(2.0, 5.0)?);
        "glu", [floats(&[2, 6])], |x| one(x[0].glu(-1)?);
        "prelu", [floats(&[2, 3, 4])], |x| one(x[0].gt(0.0)?.where_(&x[0], &x[0].mul(weight(&[3, 1]))?)?);
        "softmax", [floats(&[2, 3, 4])], |x| one(x[0].softmax(-1)?);
        "softmax_first", [floats(&[2, 3])], |x| one(x[0].softmax(0)?);
        "softmax_rank_0", [floats(&[])], |x| one(x[0].softmax(0)?);
        "softmax_f64", [of(DType::F64, &[2, 3], -3.0, 3.0)], |x| one(x[0].softmax(1)?);
        "softmax_f16", [of(DType::F16, &[2, 3], -3.0, 3.0)], |x| one(x[0].softmax(1)?);
        "log_softmax", [floats(&[2, 3])], |x| one(x[0].log_softmax(-1)?);
        "log_softmax_first", [floats(&[2, 3])], |x| one(x[0].log_softmax(0)?);
    };
    macro_rules! unary {
        ($($i:literal)*) => { [$({ let f: fn(&[Tensor]) -> Result<Vec<Tensor>> = |x| one((UNARY[$i].1)(&x[0])?); f }),*] };
    }
    macro_rules! binary {
        ($table:ident $($i:literal)*) => { [$({ let f: fn(&[Tensor]) -> Result<Vec<Tensor>> = |x| one(($table[$i].1)(&x[0], &x[1])?); f }),*] };
    }
    let unary =
        unary!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43);
    for (&(name, _, low, high), run) in UNARY.iter().zip(unary) {
        for (what, input) in [
            ("", of(DType::F32, &[2, 5], low, high)),
            ("_f64", of(DType::F64, &[2, 5], low, high)),
            ("_f16", of(DType::F16, &[2, 5], low, high)),
            ("_rank_0", of(DType::F32, &[], low, high)),
            ("_edges", these(DType::F32, &[11], EDGES)),
        ] {
            all.push(Case { name: format!("{name}{what}"), inputs: vec![input], run });
        }
    }
    let binary = binary!(BINARY 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    for (&(name, _), run) in BINARY.iter().zip(binary) {
        for (what, a, b) in [
            ("", floats(&[2, 3]), of(DType::F32, &[2, 3], 0.3, 2.0)),
            ("_negative", floats(&[2, 3]), of(DType::F32, &[3], -2.0, -0.3)),
            ("_f64", of(DType::F64, &[2, 3], -2.0, 2.0), of(DType::F64, &[2, 1], 0.3, 2.0)),
            ("_i64", integers(&[2, 3]), these(DType::I64, &[2, 3], &[3.0, -2.0, 5.0, -7.0, 1.0])),
            ("_i32", of(DType::I32, &[2, 3], -9.0, 9.0), of(DType::I32, &[3], 1.0, 5.0)),
            ("_u8", of(DType::U8, &[2, 3], 0.0, 99.0), of(DType::U8, &[3], 1.0, 5.0)),
        ] {
            all.push(Case { name: format!("{name}{what}"), inputs: vec![a, b], run });
        }
    }
    let logic = binary!(LOGIC 0 1 2 3 4 5 6 7 8);
    for (&(name, _), run) in LOGIC.iter().zip(logic) {
        all.push(Case { name: format!("{name}_bool"), inputs: vec![bools(&[2, 3]), bools(&[3])], run });
    }
    all
}

/// One layer of a network with these weights' shapes: gates, inputs, hidden, directions.
fn network(x: &Tensor, cell: Cell, reverse: &[bool], hidden: usize, first: &[Tensor]) -> Result<Vec<Tensor>> {
    let inputs = x.dim(-1)?.fixed().unwrap_or(1) as usize;
    let rows = cell.gates() * hidden;
    let set = |_: &bool| RecurrentWeights {
        input: weight(&[rows, inputs]),
        state: weight(&[rows, hidden]),
        biases: Some((weight(&[rows]), weight(&[rows]))),
    };
    x.recurrent(Recurrent::new(cell, reverse.to_vec())?, &reverse.iter().map(set).collect::<Vec<_>>(), None, first)
}

fn sequences() -> Vec<Case> {
    cases! {
        "rnn", [floats(&[4, 2, 3])], |x| network(&x[0], Cell::Rnn, &[false], 5, &[]);
        "gru", [floats(&[4, 2, 3]), floats(&[1, 2, 5])], |x| network(&x[0], Cell::Gru { reset_after: true }, &[false], 5, &x[1..]);
        "gru_reset_before", [floats(&[4, 2, 3])], |x| network(&x[0], Cell::Gru { reset_after: false }, &[true], 5, &[]);
        "lstm", [floats(&[4, 2, 3])], |x| network(&x[0], Cell::Lstm { coupled: false }, &[false], 5, &[]);
        "lstm_both_ways", [floats(&[4, 2, 3])], |x| network(&x[0], Cell::Lstm { coupled: false }, &[false, true], 5, &[]);
    }
}

fn branches() -> Vec<Case> {
    cases! {
        "cond", [floats(&[2, 3])], |x| cond(&x[0].sum(.., false)?.gt(0.0)?, || one(x[0].mul(2.0)?), || one(x[0].add(1.0)?));
        "while_loop", [of(DType::F32, &[3], 0.5, 2.0)], |x| {
            let below = |x: &Tensor| x.sum(.., false)?.lt(100.0);
            while_loop(&below(&x[0])?, vec![x[0].clone()], |state| {
                let doubled = state[0].mul(2.0)?;
                Ok((below(&doubled)?, vec![doubled]))
            })
        };
        "fori_loop", [these(DType::I64, &[], &[3.0]), floats(&[2, 3])], |x| {
            fori_loop(&x[0], vec![x[1].clone()], |i, state| one(state[0].mul(0.5)?.add(i.cast(DType::F32)?)?))
        };
        "scan", [floats(&[4, 3]), floats(&[3])], |x| {
            let (carry, sums) = scan(vec![x[1].clone()], &x[..1], |carry, row| {
                let sum = carry[0].add(&row[0])?;
                Ok((vec![sum.clone()], vec![sum.sum(.., false)?]))
            })?;
            Ok([carry, sums].concat())
        };
        "map", [floats(&[4, 3]), floats(&[3])], |x| map(&x[..1], |row| one(row[0].mul(&x[1])?.tanh()?));
    }
}

fn chosen() -> Vec<Case> {
    cases! {
        "nonzero", [these(DType::F32, &[2, 3], &[0.0, 1.0, -2.0, 0.0, 3.0])], |x| one(x[0].nonzero()?);
        "masked_select", [floats(&[2, 3]), bools(&[2, 3])], |x| one(x[0].masked_select(&x[1])?);
        "unique", [these(DType::I64, &[7], &[3.0, 1.0, 3.0, 2.0, 1.0])], |x| {
            let (values, inverse, counts) = x[0].unique(None)?;
            Ok(vec![values, inverse, counts])
        };
        "unique_rows", [these(DType::I64, &[5, 2], &[3.0, 1.0, 2.0])], |x| one(x[0].unique(Some(0))?.0);
        "index_put", [floats(&[4, 3]), indices(&[2], 4), floats(&[2, 3])], |x| one(x[0].index_put(&[Some(&x[1])], &x[2], Reduction::Add)?);
        "max_pool_indices", [floats(&[2, 3, 6, 6])], |x| both(x[0].max_pool_indices(&[2, 2], Window::symmetric(&[2, 2], &[0, 0], &[1, 1]), false)?);
        "col2im", [floats(&[2, 12, 4])], |x| one(x[0].col2im(&[3, 3], &[2, 2], Window::dense(2))?);
        "im2col", [floats(&[2, 3, 4, 4])], |x| one(x[0].im2col(&[2, 2], Window::dense(2))?);
        "grid_sample", [floats(&[2, 3, 4, 5]), of(DType::F32, &[2, 3, 3, 2], -1.0, 1.0)], |x| {
            one(x[0].grid_sample(&x[1], Sampling::Linear, Outside::Zeros, false)?)
        };
        "grid_sample_cubic", [floats(&[2, 3, 4, 5]), of(DType::F32, &[2, 3, 3, 2], -1.0, 1.0)], |x| {
            one(x[0].grid_sample(&x[1], Sampling::Cubic, Outside::Reflection, true)?)
        };
        "einsum", [floats(&[2, 3, 4]), floats(&[2, 4, 5])], |x| one(Tensor::einsum("bij,bjk->bik", &[&x[0], &x[1]])?);
    }
}

fn reductions() -> Vec<Case> {
    let mut all = cases! {
        "argmax", [floats(&[2, 5])], |x| one(x[0].argmax(Some(-1), false)?);
        "argmax_keep", [floats(&[2, 5])], |x| one(x[0].argmax(Some(0), true)?);
        "argmax_all", [floats(&[2, 5])], |x| one(x[0].argmax(None, false)?);
        "argmax_of_equals", [these(DType::F32, &[2, 5], &[1.0, 3.0, 3.0])], |x| one(x[0].argmax(Some(1), false)?);
        "argmin", [integers(&[2, 5])], |x| one(x[0].argmin(Some(1), false)?);
        "max_along", [floats(&[2, 5])], |x| both(x[0].max_along(1, false)?);
        "min_along", [floats(&[2, 5])], |x| both(x[0].min_along(0, true)?);
        "sum_bool", [bools(&[2, 5])], |x| one(x[0].sum(1, false)?);
        "sum_i32", [of(DType::I32, &[2, 5], -9.0, 9.0)], |x| one(x[0].sum(.., false)?);
        "mean_f64", [of(DType::F64, &[2, 5], -9.0, 9.0)], |x| one(x[0].mean(-1, false)?);
        "mean_f16", [of(DType::F16, &[2, 5], -9.0, 9.0)], |x| one(x[0].mean(-1, false)?);
        "amax_edges", [these(DType::F32, &[2, 3], &[1.0, -INF, 3.0, INF])], |x| one(x[0].amax(1, false)?);
        "amax_bool", [bools(&[2, 5])], |x| one(x[0].amax(1, false)?);
        "all_bool", [bools(&[2, 5])], |x| one(x[0].all(1, false)?);
        "any_u8", [of(DType::U8, &[2, 5], 0.0, 1.0)], |x| one(x[0].any(1, false)?);
        "var_biased", [floats(&[2, 5])], |x| one(x[0].var(1, 0.0, false)?);
        "norm_inf", [floats(&[2, 5])], |x| one(x[0].norm(f64::INFINITY, 1, false)?);
        "cumsum", [floats(&[2, 5])], |x| one(x[0].cumsum(1)?);
        "cumsum_first", [floats(&[2, 5])], |x| one(x[0].cumsum(0)?);
        "cumsum_i64", [integers(&[2, 5])], |x| one(x[0].cumsum(-1)?);
        "cumsum_bool", [bools(&[2, 5])], |x| one(x[0].cumsum(-1)?);
        "topk", [floats(&[2, 5])], |x| both(x[0].topk(2, -1, true)?);
        "topk_smallest", [floats(&[5, 3])], |x| both(x[0].topk(3, 0, false)?);
        "topk_i64", [these(DType::I64, &[2, 5], &[3.0, 1.0, 4.0, 2.0, 9.0, 7.0, 8.0])], |x| both(x[0].topk(2, 1, true)?);
        "sort", [floats(&[2, 5])], |x| both(x[0].sort(-1, false)?);
        "sort_descending", [floats(&[5, 3])], |x| both(x[0].sort(0, true)?);
        "sort_of_equals", [these(DType::F32, &[2, 5], &[2.0, 1.0, 2.0])], |x| both(x[0].sort(-1, false)?);
    };
    macro_rules! run {
        ($axes:expr, $keep:literal) => { run!(@ $axes, $keep, 0 1 2 3 4 5 6 7 8 9 10) };
        (@ $axes:expr, $keep:literal, $($i:literal)*) => {
            [$({ let f: fn(&[Tensor]) -> Result<Vec<Tensor>> = |x| one((REDUCE[$i].1)(&x[0], $axes, $keep)?); f }),*]
        };
    }
    let forms = [("all", run!(None, false)), ("last", run!(Some(&[-1]), false)), ("first_and_last", run!(Some(&[0, 2]), true))];
    for (what, runs) in forms {
        for (&(name, _), run) in REDUCE.iter().zip(runs) {
            all.push(Case { name: format!("{name}_{what}"), inputs: vec![floats(&[2, 3, 4])], run });
        }
    }
    all
}

/// Kernels that move over axes.
fn windows() -> Vec<Case> {
    fn window(strides: &[usize], padding: &[usize], dilations: &[usize]) -> Window {
        Window::symmetric(strides, padding, dilations)
    }
    cases! {
        "conv_1d", [floats(&[2, 3, 11])], |x| one(x[0].conv(&weight(&[4, 3, 5]), Some(&weight(&[4])), window(&[1], &[2], &[1]), 1)?);
        "conv_2d", [floats(&[2, 3, 7, 9])], |x| one(x[0].conv(&weight(&[4, 3, 3, 3]), None, window(&[1, 1], &[1, 1], &[1, 1]), 1)?);
        "conv_strides", [floats(&[2, 3, 7, 9])], |x| one(x[0].conv(&weight(&[4, 3, 3, 3]), None, window(&[2, 3], &[1, 0], &[1, 1]), 1)?);
        "conv_dilations", [floats(&[2, 3, 9, 11])], |x| one(x[0].conv(&weight(&[4, 3, 3, 3]), None, window(&[1, 2], &[2, 2], &[2, 3]), 1)?);
        "conv_groups", [floats(&[2, 4, 7, 9])], |x| one(x[0].conv(&weight(&[6, 2, 3, 3]), None, window(&[1, 1], &[0, 1], &[1, 1]), 2)?);
        "conv_depthwise", [floats(&[2, 4, 7, 9])], |x| one(x[0].conv(&weight(&[4, 1, 3, 3]), Some(&weight(&[4])), window(&[1, 1], &[1, 1], &[1, 1]), 4)?);
        "conv_pointwise", [floats(&[2, 3, 7, 9])], |x| one(x[0].conv(&weight(&[5, 3, 1, 1]), None, Window::dense(2), 1)?);
        "conv_3d", [floats(&[1, 2, 5, 6, 7])], |x| one(x[0].conv(&weight(&[3, 2, 2, 3, 2]), None, window(&[1, 2, 1], &[1, 0, 1], &[1, 1, 1]), 1)?);
        "conv_uneven_pads", [floats(&[2, 3, 8])], |x| {
            let window = Window { pads_begin: vec![1], pads_end: vec![3], ..Window::dense(1) };
            one(x[0].conv(&weight(&[4, 3, 3]), None, window, 1)?)
        };
        "conv_two_inputs", [floats(&[2, 3, 7]), floats(&[5, 3, 4])], |x| one(x[0].conv(&x[1], None, Window::dense(1), 1)?);
        "conv_unbatched", [floats(&[3, 11])], |x| one(x[0].conv(&weight(&[4, 3, 5]), None, Window::dense(1), 1)?);
        "conv_f64", [of(DType::F64, &[2, 3, 7], -1.0, 1.0)], |x| one(x[0].conv(&weight(&[4, 3, 3]).cast(DType::F64)?, None, Window::dense(1), 1)?);
        "conv_transpose_1d", [floats(&[2, 3, 5])], |x| one(x[0].conv_transpose(&weight(&[3, 4, 3]), Some(&weight(&[4])), window(&[2], &[1], &[1]), 1, &[1])?);
        "conv_transpose_2d", [floats(&[2, 3, 5, 6])], |x| one(x[0].conv_transpose(&weight(&[3, 4, 3, 2]), None, window(&[2, 3], &[1, 0], &[1, 1]), 1, &[0, 0])?);
        "conv_transpose_groups", [floats(&[2, 4, 5])], |x| one(x[0].conv_transpose(&weight(&[4, 3, 3]), None, window(&[2], &[0], &[1]), 2, &[0])?);
        "conv_transpose_dilations", [floats(&[2, 3, 5])], |x| one(x[0].conv_transpose(&weight(&[3, 4, 3]), None, window(&[1], &[1], &[2]), 1, &[0])?);
        "max_pool", [floats(&[2, 3, 7, 9])], |x| one(x[0].max_pool(&[2, 3], window(&[2, 3], &[0, 0], &[1, 1]), false)?);
        "max_pool_ceil", [floats(&[2, 3, 7, 10])], |x| one(x[0].max_pool(&[2, 3], window(&[2, 3], &[0, 0], &[1, 1]), true)?);
        "max_pool_padding", [floats(&[2, 3, 7, 9])], |x| one(x[0].max_pool(&[3, 3], window(&[2, 1], &[1, 1], &[1, 1]), false)?);
        "max_pool_dilations", [floats(&[2, 3, 11])], |x| one(x[0].max_pool(&[3], window(&[1], &[0], &[2]), false)?);
        "average_pool", [floats(&[2, 3, 7, 9])], |x| one(x[0].average_pool(&[2, 3], window(&[2, 3], &[0, 0], &[1, 1]), false, true)?);
        "average_pool_padding", [floats(&[2, 3, 7, 9])], |x| one(x[0].average_pool(&[3, 3], window(&[1, 2], &[1, 1], &[1, 1]), false, true)?);
        "average_pool_uncounted", [floats(&[2, 3, 7, 9])], |x| one(x[0].average_pool(&[3, 3], window(&[1, 2], &[1, 1], &[1, 1]), false, false)?);
        "average_pool_ceil", [floats(&[2, 3, 8])], |x| one(x[0].average_pool(&[3], window(&[3], &[0], &[1]), true, true)?);
        "average_pool_ceil_padding", [floats(&[2, 3, 8])], |x| one(x[0].average_pool(&[3], window(&[2], &[1], &[1]), true, true)?);
        "adaptive_average_pool_1", [floats(&[2, 3, 7, 9])], |x| one(x[0].adaptive_average_pool(&[1, 1])?);
        "adaptive_average_pool", [floats(&[2, 3, 6, 9])], |x| one(x[0].adaptive_average_pool(&[3, 3])?);
        "adaptive_average_pool_uneven", [floats(&[2, 3, 7])], |x| one(x[0].adaptive_average_pool(&[3])?);
        "adaptive_max_pool", [floats(&[2, 3, 6, 9])], |x| one(x[0].adaptive_max_pool(&[2, 3])?);
        "adaptive_max_pool_1", [floats(&[2, 3, 6, 9])], |x| one(x[0].adaptive_max_pool(&[1, 1])?);
        "upsample_nearest", [floats(&[2, 3, 4, 5])], |x| one(x[0].upsample(&[x[0].dim(2)? * 2, x[0].dim(3)? * 3], "nearest", false, &[Some(2.0), Some(3.0)])?);
        "upsample_nearest_to", [floats(&[2, 3, 4, 5])], |x| one(x[0].upsample(&[Dim::Fixed(7), Dim::Fixed(3)], "nearest", false, &[])?);
        "upsample_linear", [floats(&[2, 3, 5])], |x| one(x[0].upsample(&[x[0].dim(2)? * 2], "linear", false, &[Some(2.0)])?);
        "upsample_bilinear", [floats(&[2, 3, 4, 5])], |x| one(x[0].upsample(&[Dim::Fixed(7), Dim::Fixed(8)], "linear", false, &[])?);
        "upsample_corners", [floats(&[2, 3, 4, 5])], |x| one(x[0].upsample(&[Dim::Fixed(7), Dim::Fixed(8)], "linear", true, &[])?);
        "roi_align", [floats(&[2, 3, 8, 9]), of(DType::F32, &[5, 4], 0.0, 7.0), indices(&[5], 2)], |x| {
            one(x[0].roi_align(&x[1], &x[2], Alignment { bins: [2, 3], gathered: Gathered::Mean, samples: 2, scale: 0.75, half_pixel: true })?)
        };
        "nms", [of(DType::F32, &[9, 4], 0.0, 7.0), of(DType::F32, &[9], 0.0, 1.0)], |x| one(x[0].nms(&x[1], 0.25)?);
        "average_pool_dilations", [floats(&[2, 3, 9, 11])], |x| one(x[0].average_pool(&[2, 3], window(&[1, 2], &[1, 1], &[2, 3]), false, true)?);
        "upsample_cubic", [floats(&[2, 3, 4, 5])], |x| one(x[0].upsample(&[x[0].dim(2)? * 2, x[0].dim(3)? * 2], "cubic", false, &[Some(2.0), Some(2.0)])?);
    }
}

fn gather_nd(x: &Tensor, index: &Tensor, batch: usize) -> Result<Tensor> {
    apply_one(GatherNd { batch }, &[x, index])
}

fn scatter_nd(x: &Tensor, index: &Tensor, updates: &Tensor, reduction: Reduction) -> Result<Tensor> {
    apply_one(ScatterNd { reduction }, &[x, index, updates])
}

/// Operations that look numbers up by their place, or put them there.
fn places() -> Vec<Case> {
    cases! {
        "index_select", [floats(&[5, 3]), indices(&[4], 5)], |x| one(x[0].index_select(0, &x[1])?);
        "index_select_last", [floats(&[2, 5]), these(DType::I64, &[4], &[0.0, -1.0, 2.0, -5.0])], |x| one(x[0].index_select(-1, &x[1])?);
        "index_select_i32", [floats(&[5, 3]), of(DType::I32, &[4], 0.0, 4.0)], |x| one(x[0].index_select(0, &x[1])?);
        "gather", [floats(&[5, 3]), indices(&[4, 3], 5)], |x| one(x[0].gather(0, &x[1])?);
        "gather_last", [floats(&[2, 5]), indices(&[2, 3], 5)], |x| one(x[0].gather(-1, &x[1])?);
        "gather_i64", [integers(&[2, 5]), indices(&[2, 3], 5)], |x| one(x[0].gather(1, &x[1])?);
        "embedding", [indices(&[2, 3], 7)], |x| one(weight(&[7, 4]).embedding(&x[0])?);
        "scatter", [floats(&[2, 5]), these(DType::I64, &[2, 3], &[0.0, 3.0, 1.0]), floats(&[2, 3])], |x| one(x[0].scatter(1, &x[1], &x[2], Reduction::Replace)?);
        "scatter_add", [floats(&[5, 3]), indices(&[4, 3], 5), floats(&[4, 3])], |x| one(x[0].scatter(0, &x[1], &x[2], Reduction::Add)?);
        "scatter_mul", [floats(&[5, 3]), indices(&[4, 3], 5), floats(&[4, 3])], |x| one(x[0].scatter(0, &x[1], &x[2], Reduction::Mul)?);
        "scatter_max", [floats(&[5, 3]), indices(&[4, 3], 5), floats(&[4, 3])], |x| one(x[0].scatter(0, &x[1], &x[2], Reduction::Max)?);
        "scatter_min", [floats(&[5, 3]), indices(&[4, 3], 5), floats(&[4, 3])], |x| one(x[0].scatter(0, &x[1], &x[2], Reduction::Min)?);
        "gather_nd", [floats(&[3, 4, 5]), these(DType::I64, &[6, 2], &[0.0, 3.0, 2.0, 1.0])], |x| one(gather_nd(&x[0], &x[1], 0)?);
        "gather_nd_batch", [floats(&[2, 4, 5]), indices(&[2, 1], 4)], |x| one(gather_nd(&x[0], &x[1], 1)?);
        "scatter_nd", [floats(&[4, 3]), these(DType::I64, &[2, 1], &[0.0, 3.0]), floats(&[2, 3])], |x| one(scatter_nd(&x[0], &x[1], &x[2], Reduction::Replace)?);
        "scatter_nd_add", [floats(&[4, 3]), these(DType::I64, &[2, 1], &[0.0, 3.0]), floats(&[2, 3])], |x| one(scatter_nd(&x[0], &x[1], &x[2], Reduction::Add)?);
        "tril", [floats(&[2, 4, 5])], |x| one(x[0].tril(0)?);
        "triu", [floats(&[4, 5])], |x| one(x[0].triu(1)?);
        "tril_below", [floats(&[4, 5])], |x| one(x[0].tril(-2)?);
        "triu_i64", [integers(&[4, 5])], |x| one(x[0].triu(-1)?);
        "full", [floats(&[3, 2])], |x| one(x[0].add(Tensor::full([x[0].dim(0)?, Dim::Fixed(2)], 1.5, DType::F32)?)?);
        "zeros_i64", [floats(&[3, 2])], |x| one(Tensor::zeros([x[0].dim(0)?, x[0].dim(1)?], DType::I64)?);
        "arange", [floats(&[5])], |x| one(Tensor::arange(0, &x[0].dim(0)?, 1, DType::I64)?);
        "arange_step", [floats(&[5])], |x| one(Tensor::arange(1, &(x[0].dim(0)? * 3), 2, DType::F32)?);
        "arange_down", [floats(&[5])], |x| one(Tensor::arange(&x[0].dim(0)?, 0, -2, DType::I64)?);
        "eye", [floats(&[5])], |x| one(Tensor::eye(&x[0].dim(0)?, &Dim::Fixed(4), 1, DType::F32)?);
    }
}

/// Operations that only move numbers.
fn forms() -> Vec<Case> {
    cases! {
        "reshape", [floats(&[2, 3, 4])], |x| one(x[0].reshape(&[-1, 4])?);
        "reshape_flat", [floats(&[2, 3, 4])], |x| one(x[0].reshape(&[-1])?);
        "reshape_named", [floats(&[2, 3, 4])], |x| one(x[0].reshape(&[x[0].dim(0)?, x[0].dim(1)? * x[0].dim(2)?])?);
        "reshape_rank_0", [floats(&[])], |x| one(x[0].reshape(&[1, 1])?);
        "permute", [floats(&[2, 3, 4])], |x| one(x[0].permute(&[2, 0, 1])?);
        "permute_bool", [bools(&[2, 3, 4])], |x| one(x[0].permute(&[-1, 1, 0])?);
        "transpose", [floats(&[2, 3, 4])], |x| one(x[0].transpose(-1, -2)?);
        "expand", [floats(&[3, 1])], |x| one(x[0].expand(&[2, -1, 4])?);
        "expand_like", [floats(&[1, 3]), floats(&[5, 3])], |x| one(x[0].expand(&[x[1].dim(0)?, x[1].dim(1)?])?);
        "flatten", [floats(&[2, 3, 4, 5])], |x| one(x[0].flatten(1, -1)?);
        "flatten_middle", [floats(&[2, 3, 4, 5])], |x| one(x[0].flatten(1, 2)?);
        "unflatten", [floats(&[2, 6])], |x| one(x[0].unflatten(1, &[2, 3])?);
        "unsqueeze", [floats(&[2, 3])], |x| one(x[0].unsqueeze(-2)?);
        "unsqueeze_rank_0", [floats(&[])], |x| one(x[0].unsqueeze(0)?);
        "squeeze", [floats(&[2, 1, 3, 1])], |x| one(x[0].squeeze_axes(&[1, -1])?);
        "shape_as_numbers", [floats(&[2, 3])], |x| one(x[0].mul(Tensor::from_dim(&x[0].dim(0)?).cast(DType::F32)?)?);
        "slice", [floats(&[5, 7])], |x| one(x[0].slice(0, 1..4)?);
        "slice_step", [floats(&[5, 7])], |x| one(x[0].slice_step(1, 1.., 2)?);
        "slice_from_the_end", [floats(&[5, 7])], |x| one(x[0].slice(-1, -3..)?);
        "slice_but_the_last", [floats(&[5, 7])], |x| one(x[0].slice(0, ..-1)?);
        "slice_backwards", [floats(&[5, 7])], |x| one(x[0].slice_step(1, .., -2)?);
        "select", [floats(&[5, 7])], |x| one(x[0].select(0, 2)?);
        "select_last", [floats(&[5, 7])], |x| one(x[0].select(1, -1)?);
        "narrow", [integers(&[5, 7])], |x| one(x[0].narrow(1, 2, 3)?);
        "split", [floats(&[2, 7])], |x| x[0].split_with_sizes(&[2, 4, 1], 1);
        "split_first", [floats(&[6, 2])], |x| x[0].split(3, 0);
        "chunk", [floats(&[2, 6])], |x| x[0].chunk(3, -1);
        "unbind", [floats(&[2, 3])], |x| x[0].unbind(0);
        "flip", [floats(&[2, 3, 4])], |x| one(x[0].flip(&[0, -1])?);
        "cat", [floats(&[2, 3]), floats(&[5, 3])], |x| one(Tensor::cat(&[&x[0], &x[1]], 0)?);
        "cat_last", [floats(&[2, 3]), floats(&[2, 4]), floats(&[2, 3])], |x| one(Tensor::cat(&[&x[0], &x[1], &x[2]], -1)?);
        "cat_dtypes", [integers(&[2, 3]), floats(&[5, 3])], |x| one(Tensor::cat(&[&x[0], &x[1]], 0)?);
        "cat_bool", [bools(&[2, 3]), bools(&[5, 3])], |x| one(Tensor::cat(&[&x[0], &x[1]], 0)?);
        "stack", [floats(&[2, 3]), floats(&[2, 3])], |x| one(Tensor::stack(&[&x[0], &x[1]], 1)?);
        "repeat", [floats(&[2, 3])], |x| one(x[0].repeat(&[2, 1, 3])?);
        "repeat_by_length", [floats(&[2, 3])], |x| one(x[0].repeat(&[Dim::Fixed(1), x[0].dim(0)?])?);
        "pad", [floats(&[2, 3])], |x| one(x[0].pad(&[1, 2, 0, 3], Padding::Constant(Scalar::Float(0.5)))?);
        "pad_negative", [floats(&[2, 5])], |x| one(x[0].pad(&[-1, 2], Padding::Constant(Scalar::Int(0)))?);
        "pad_i64", [integers(&[2, 3])], |x| one(x[0].pad(&[1, 1], Padding::Constant(Scalar::Int(7)))?);
        "pad_reflect", [floats(&[2, 3, 5])], |x| one(x[0].pad(&[2, 3], Padding::Reflect)?);
        "pad_edge", [floats(&[2, 3, 5])], |x| one(x[0].pad(&[2, 3], Padding::Edge)?);
        "pad_wrap", [floats(&[2, 3, 5])], |x| one(x[0].pad(&[2, 3], Padding::Wrap)?);
        "pad_by_length", [floats(&[2, 3])], |x| one(x[0].pad(&[Dim::Fixed(0), x[0].dim(0)?], Padding::Constant(Scalar::Int(0)))?);
        "identity", [floats(&[2, 3])], |x| one(x[0].clone());
    }
}

/// Products with weights, and normalisation.
fn weights() -> Vec<Case> {
    cases! {
        "matmul", [floats(&[2, 3]), floats(&[3, 5])], |x| one(x[0].matmul(&x[1])?);
        "matmul_batch", [floats(&[4, 2, 3]), floats(&[4, 3, 5])], |x| one(x[0].matmul(&x[1])?);
        "matmul_broadcast", [floats(&[4, 1, 2, 3]), floats(&[6, 3, 5])], |x| one(x[0].matmul(&x[1])?);
        "matmul_vectors", [floats(&[3]), floats(&[3])], |x| one(x[0].matmul(&x[1])?);
        "matmul_matrix_vector", [floats(&[2, 3]), floats(&[3])], |x| one(x[0].matmul(&x[1])?);
        "matmul_vector_batch", [floats(&[3]), floats(&[4, 3, 5])], |x| one(x[0].matmul(&x[1])?);
        "matmul_i64", [integers(&[2, 3]), integers(&[3, 5])], |x| one(x[0].matmul(&x[1])?);
        "matmul_f64", [of(DType::F64, &[2, 3], -1.0, 1.0), of(DType::F64, &[3, 5], -1.0, 1.0)], |x| one(x[0].matmul(&x[1])?);
        "matmul_f16", [of(DType::F16, &[2, 3], -1.0, 1.0), of(DType::F16, &[3, 5], -1.0, 1.0)], |x| one(x[0].matmul(&x[1])?);
        "linear", [floats(&[2, 3])], |x| one(x[0].linear(&weight(&[5, 3]), Some(&weight(&[5])))?);
        "linear_batch", [floats(&[4, 2, 3])], |x| one(x[0].linear(&weight(&[5, 3]), Some(&weight(&[5])))?);
        "linear_without_bias", [floats(&[2, 3])], |x| one(x[0].linear(&weight(&[5, 3]), None)?);
        "linear_vector", [floats(&[3])], |x| one(x[0].linear(&weight(&[5, 3]), Some(&weight(&[5])))?);
        "addmm", [floats(&[5]), floats(&[2, 3]), floats(&[3, 5])], |x| one(x[0].addmm(&x[1], &x[2], 0.5, 2.0)?);
        "attention", [floats(&[2, 4, 5, 8]), floats(&[2, 4, 7, 8]), floats(&[2, 4, 7, 6])], |x| one(x[0].attention(&x[1], &x[2], None, false, None)?);
        "attention_causal", [floats(&[2, 5, 8]), floats(&[2, 5, 8]), floats(&[2, 5, 8])], |x| one(x[0].attention(&x[1], &x[2], None, true, None)?);
        "attention_masked", [floats(&[2, 5, 8]), floats(&[2, 7, 8]), floats(&[2, 7, 8]), floats(&[5, 7])], |x| one(x[0].attention(&x[1], &x[2], Some(&x[3]), false, Some(0.3))?);
        "batch_norm", [floats(&[2, 3, 4, 5])], |x| one(x[0].batch_norm(Some(&weight(&[3])), Some(&weight(&[3])), &weight(&[3]), &weight(&[3]).abs()?, 1e-5)?);
        "batch_norm_rank_2", [floats(&[2, 3])], |x| one(x[0].batch_norm(None, None, &weight(&[3]), &weight(&[3]).abs()?, 1e-3)?);
        "batch_norm_by_itself", [floats(&[2, 3, 4])], |x| one(x[0].batch_norm_by_itself(Some(&weight(&[3])), Some(&weight(&[3])), 1e-5)?);
        "layer_norm", [floats(&[2, 3, 4])], |x| one(x[0].layer_norm(&[Dim::Fixed(4)], Some(&weight(&[4])), Some(&weight(&[4])), 1e-5)?);
        "layer_norm_two_axes", [floats(&[2, 3, 4])], |x| one(x[0].layer_norm(&[Dim::Fixed(3), Dim::Fixed(4)], None, None, 1e-5)?);
        "layer_norm_f64", [of(DType::F64, &[2, 4], -1.0, 1.0)], |x| one(x[0].layer_norm(&[Dim::Fixed(4)], None, None, 1e-5)?);
        "group_norm", [floats(&[2, 6, 5])], |x| one(x[0].group_norm(3, Some(&weight(&[6])), Some(&weight(&[6])), 1e-5)?);
        "instance_norm", [floats(&[2, 3, 4, 5])], |x| one(x[0].instance_norm(Some(&weight(&[3])), Some(&weight(&[3])), 1e-5)?);
        "rms_norm", [floats(&[2, 3, 4])], |x| one(x[0].rms_norm(Some(&weight(&[4])), 1e-5)?);
    }
}
