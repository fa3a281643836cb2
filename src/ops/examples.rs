//! Examples of operators: their form, inputs of any size, and the list of those that stand in the family files. The laws are tried on them.

use super::Window;
use crate::array::{Array, DType, Random};
use crate::error::Result;
use crate::module::{DynModule, Outputs};
use crate::tensor::Tensor;
use std::sync::Arc;

/// An input of any size: a dtype, a shape, and the values that its elements repeat.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub dtype: DType,
    pub shape: Vec<usize>,
    values: Vec<f64>,
}

impl Input {
    /// The input with this shape instead of its own.
    pub fn sized(&self, shape: &[usize]) -> Array {
        let mut values = self.values.iter().cycle();
        Random::new(0).array(self.dtype, shape, |_| *values.next().unwrap()).unwrap()
    }
}

type Run = Arc<dyn Fn(&[Tensor]) -> Result<Vec<Tensor>> + Send + Sync>;

/// An operation on some inputs.
#[derive(Clone)]
pub(crate) struct Case {
    pub name: String,
    pub inputs: Vec<Input>,
    pub(super) run: Run,
}

impl DynModule for Case {
    fn forward(&self, inputs: &[Tensor]) -> Result<Outputs> {
        (self.run)(inputs).map(Outputs::from)
    }
}

thread_local! {
    /// The dtype of the weights of examples that run on this thread.
    static WEIGHTS: std::cell::Cell<DType> = const { std::cell::Cell::new(DType::F32) };
}

/// An example in another dtype: its inputs of the dtype that the first has, and its weights.
#[cfg(feature = "tract")]
pub(crate) struct Typed {
    case: Case,
    pub dtype: DType,
}

#[cfg(feature = "tract")]
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

#[cfg(feature = "tract")]
impl DynModule for Typed {
    fn forward(&self, inputs: &[Tensor]) -> Result<Outputs> {
        let before = WEIGHTS.replace(self.dtype);
        let outputs = self.case.forward(inputs);
        WEIGHTS.set(before);
        outputs
    }
}

/// Random values between two, whole ones for integers. There are 97 of them, a prime: no axis repeats them in step.
pub(super) fn of(dtype: DType, shape: &[usize], low: f64, high: f64) -> Input {
    let mut random = Random::new(shape.iter().fold(7 + shape.len() as u64, |seed, &n| seed * 31 + n as u64));
    let whole = !dtype.is_float();
    let mut sample = || if whole { random.integer(low as i64, high as i64) as f64 } else { low + (high - low) * random.uniform() };
    Input { dtype, shape: shape.to_vec(), values: (0..97).map(|_| sample()).collect() }
}

pub(super) fn floats(shape: &[usize]) -> Input {
    of(DType::F32, shape, -2.0, 2.0)
}

pub(super) fn bools(shape: &[usize]) -> Input {
    of(DType::Bool, shape, 0.0, 1.0)
}

/// Indices into an axis of size n.
pub(super) fn indices(shape: &[usize], n: usize) -> Input {
    of(DType::I64, shape, 0.0, n as f64 - 1.0)
}

pub(super) fn integers(shape: &[usize]) -> Input {
    of(DType::I64, shape, -9.0, 9.0)
}

pub(super) fn these(dtype: DType, shape: &[usize], values: &[f64]) -> Input {
    Input { dtype, shape: shape.to_vec(), values: values.to_vec() }
}

pub(super) const NAN: f64 = f64::NAN;
pub(super) const INF: f64 = f64::INFINITY;
/// What floats do at their edges.
pub(super) const EDGES: &[f64] = &[NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -0.5];

/// The cases of a list of closures over tensors.
macro_rules! cases {
    ($($name:literal, [$($input:expr),* $(,)?], |$x:ident| $body:expr;)*) => {
        vec![$(Case { name: $name.to_string(), inputs: vec![$($input),*], run: std::sync::Arc::new(|$x: &[$crate::tensor::Tensor]| $body) }),*]
    };
}
pub(super) use cases;

pub(super) fn one(tensor: Tensor) -> Result<Vec<Tensor>> {
    Ok(vec![tensor])
}

pub(super) fn both((a, b): (Tensor, Tensor)) -> Result<Vec<Tensor>> {
    Ok(vec![a, b])
}

/// A tensor of small elements that are the same at every call: a weight.
pub(super) fn weight(shape: &[usize]) -> Tensor {
    Tensor::from(floats(shape).sized(shape).cast(WEIGHTS.get()).unwrap())
}

type One = fn(&Tensor) -> Result<Tensor>;
type Two = fn(&Tensor, &Tensor) -> Result<Tensor>;
type Reduction = fn(&Tensor, Option<&[i64]>, bool) -> Result<Tensor>;

fn case(name: String, inputs: Vec<Input>, run: impl Fn(&[Tensor]) -> Result<Vec<Tensor>> + Send + Sync + 'static) -> Case {
    Case { name, inputs, run: Arc::new(run) }
}

/// A function of one element that is defined between two values: in several dtypes, of rank 0, and on edge-case values.
pub(super) fn unary(name: &str, f: One, low: f64, high: f64) -> Vec<Case> {
    let variants = [
        ("", of(DType::F32, &[2, 5], low, high)),
        ("_f64", of(DType::F64, &[2, 5], low, high)),
        ("_f16", of(DType::F16, &[2, 5], low, high)),
        ("_rank_0", of(DType::F32, &[], low, high)),
        ("_edges", these(DType::F32, &[11], EDGES)),
    ];
    variants.into_iter().map(|(what, input)| case(format!("{name}{what}"), vec![input], move |x| one(f(&x[0])?))).collect()
}

/// A function of two elements, of which the second is not zero: broadcast, and in several dtypes.
pub(super) fn binary(name: &str, f: Two) -> Vec<Case> {
    let variants = [
        ("", floats(&[2, 3]), of(DType::F32, &[2, 3], 0.3, 2.0)),
        ("_negative", floats(&[2, 3]), of(DType::F32, &[3], -2.0, -0.3)),
        ("_f64", of(DType::F64, &[2, 3], -2.0, 2.0), of(DType::F64, &[2, 1], 0.3, 2.0)),
        ("_i64", integers(&[2, 3]), these(DType::I64, &[2, 3], &[3.0, -2.0, 5.0, -7.0, 1.0])),
        ("_i32", of(DType::I32, &[2, 3], -9.0, 9.0), of(DType::I32, &[3], 1.0, 5.0)),
        ("_u8", of(DType::U8, &[2, 3], 0.0, 99.0), of(DType::U8, &[3], 1.0, 5.0)),
    ];
    variants.into_iter().map(|(what, a, b)| case(format!("{name}{what}"), vec![a, b], move |x| one(f(&x[0], &x[1])?))).collect()
}

/// A function of two truth values.
pub(super) fn logical(name: &str, f: Two) -> Vec<Case> {
    vec![case(format!("{name}_bool"), vec![bools(&[2, 3]), bools(&[3])], move |x| one(f(&x[0], &x[1])?))]
}

/// A reduction: over all axes, the last, and two that are kept.
pub(super) fn reduction(name: &str, f: Reduction) -> Vec<Case> {
    let variants: [(&str, Option<&'static [i64]>, bool); 3] =
        [("all", None, false), ("last", Some(&[-1]), false), ("first_and_last", Some(&[0, 2]), true)];
    let variants = variants.into_iter();
    variants
        .map(|(what, axes, keep)| case(format!("{name}_{what}"), vec![floats(&[2, 3, 4])], move |x| one(f(&x[0], axes, keep)?)))
        .collect()
}

/// A window with equal padding on both sides of an axis.
pub(super) fn window(strides: &[usize], padding: &[usize], dilations: &[usize]) -> Window {
    Window::symmetric(strides, padding, dilations)
}

/// Every example of every family.
pub(crate) fn examples() -> Vec<Case> {
    use super::*;
    [
        activation::examples(),
        arrange::examples(),
        attention::examples(),
        binary::examples(),
        cast::examples(),
        compare::examples(),
        conv::examples(),
        create::examples(),
        cumulative::examples(),
        einsum::examples(),
        fold_unfold::examples(),
        fourier::examples(),
        grid::examples(),
        index::examples(),
        join::examples(),
        linear::examples(),
        nms::examples(),
        norm::examples(),
        order::examples(),
        pool::examples(),
        random::examples(),
        ranges::examples(),
        rearrange::examples(),
        recurrent::examples(),
        reduce::examples(),
        resize::examples(),
        roi::examples(),
        scan::examples(),
        shape::examples(),
        slice::examples(),
        spectral::examples(),
        unary::examples(),
        where_clip::examples(),
        control::examples(),
    ]
    .concat()
}
