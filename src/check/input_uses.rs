//! What the inputs of a traced graph are used for: indices into tables, whose range follows from the table, and masks. Data that is made up is fit
//! for its use, and data that is given is compared with the range.

use super::use_analysis::{self, InputUse};
use crate::array::{Array, DType, Random};
use crate::dim::{Bindings, Sizes, Type};
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::module::Example;
use crate::tensor::Tensor;
use crate::trace::Traced;
use std::fmt;

/// The uses of the inputs in order. Of several tables the smallest counts.
pub(super) fn of(graph: &Graph) -> Vec<InputUse> {
    use_analysis::uses(graph)
}

/// What a single integer of which nothing is known is made up from: most are a count, a position or a step, which 0 is not always.
pub(super) const COUNTS: (i64, i64) = (1, 2);

/// The range of an array of u8 of which nothing is known: most are images.
const BYTES: (i64, i64) = (0, 255);

/// The use of an input by its name alone.
fn by_name(name: &str) -> InputUse {
    if name.to_lowercase().contains("mask") { InputUse::Mask } else { InputUse::Other }
}

impl InputUse {
    /// The range of an index at these sizes, where it is one.
    pub(super) fn range(&self, sizes: Sizes) -> Option<(i64, i64)> {
        match self {
            InputUse::Index(index) => index.inputs(0, index.rows(sizes)? - 1),
            _ => None,
        }
    }

    /// Whether random values of the right dtype are not enough.
    pub(super) fn is_particular(&self) -> bool {
        !matches!(self, InputUse::Other | InputUse::Scaled { .. })
    }

    /// Made-up values of a type, for an input of which nothing else is known. `step` counts the calls: indices go on through the table where
    /// the last call ended.
    pub(super) fn values(&self, random: &mut Random, step: usize, ty: &Type, shape: &[usize], sizes: Sizes) -> Result<Array> {
        let mut i = 0usize;
        match self {
            InputUse::Index(_) => {
                let (low, high) = self.range(sizes).unwrap_or((0, 0));
                let count: usize = shape.iter().product();
                let rows = permuted(high - low + 1);
                random.array(ty.dtype, shape, |_| {
                    i += 1;
                    (low + rows[(step * count + i - 1) % rows.len()]) as f64
                })
            }
            InputUse::Mask | InputUse::AdditiveMask => {
                let width = shape.last().copied().unwrap_or(1).max(1);
                let rows = shape.iter().product::<usize>() / width;
                let (on, off) = match (self, ty.dtype) {
                    (InputUse::Mask, _) => (1.0, 0.0),
                    (_, DType::F16) => (0.0, -1e4),
                    _ => (0.0, -1e9),
                };
                random.array(ty.dtype, shape, |_| {
                    let (row, column) = (i / width, i % width);
                    i += 1;
                    let is_cut = (rows == 1 || (row + step) % 2 == 1) && column >= width - cut(width, step);
                    if is_cut { off } else { on }
                })
            }
            InputUse::Sizes(used) => {
                let values = used.values(random, step, shape.iter().product(), sizes);
                random.array(ty.dtype, shape, |_| {
                    i += 1;
                    values[i - 1] as f64
                })
            }
            InputUse::Threshold => random.array(ty.dtype, shape, Random::uniform),
            InputUse::Scaled { mean, deviation } => random.array(ty.dtype, shape, |random| {
                let x = mean + deviation * random.normal();
                if ty.dtype.is_float() { x } else { x.round().clamp(BYTES.0 as f64, BYTES.1 as f64) }
            }),
            InputUse::Other if ty.dtype == DType::Bool => random.array(ty.dtype, shape, |random| (random.bits() >> 63) as f64),
            InputUse::Other if ty.dtype == DType::U8 && !shape.is_empty() => {
                random.array(ty.dtype, shape, |random| random.integer(BYTES.0, BYTES.1) as f64)
            }
            InputUse::Other if ty.dtype.is_int() && shape.is_empty() => random.array(ty.dtype, shape, |random| match step {
                0 => COUNTS.0 as f64,
                _ => random.integer(COUNTS.0, COUNTS.1) as f64,
            }),
            InputUse::Other if ty.dtype.is_int() => random.array(ty.dtype, shape, |random| random.integer(0, 1) as f64),
            InputUse::Other => random.array(ty.dtype, shape, Random::normal),
        }
    }

    pub(super) fn describe(&self, dtype: DType, rank: usize) -> String {
        match self {
            InputUse::Index(index) => {
                let rows = index.rows.example().unwrap_or(0);
                match self.range(Sizes::Example) {
                    Some((low, high)) => format!("indices {low} to {high} of a table of {rows} rows"),
                    None => format!("indices of a table of {rows} rows"),
                }
            }
            InputUse::Sizes(used) => used.describe(),
            InputUse::Threshold => "thresholds from 0 to 1".to_string(),
            InputUse::Mask => "ones, and zeros at the end of some rows".to_string(),
            InputUse::AdditiveMask => "zeros, and large negative values at the end of some rows".to_string(),
            InputUse::Scaled { mean, deviation } => {
                format!("normally distributed with mean {mean:.3} and deviation {deviation:.3}, as its first layer has it")
            }
            InputUse::Other if dtype == DType::Bool => "random truth values".to_string(),
            InputUse::Other if dtype == DType::U8 && rank > 0 => format!("random integers {} to {}", BYTES.0, BYTES.1),
            InputUse::Other if dtype.is_int() && rank == 0 => format!("{}", COUNTS.0),
            InputUse::Other if dtype.is_int() => "random zeros and ones".to_string(),
            InputUse::Other => "normally distributed random values".to_string(),
        }
    }
}

/// How many elements at the end of a row are masked in this call: never all.
fn cut(width: usize, step: usize) -> usize {
    match width {
        0 | 1 => 0,
        2 | 3 => step % 2,
        _ => 1 + (width / 4 - 1 + 3 * step) % (width / 2),
    }
}

/// The values from 0 to below `n`, shuffled behind both ends, the same for every `n`; of a large table a part.
fn permuted(n: i64) -> Vec<i64> {
    const MOST: i64 = 1 << 20;
    let mut random = Random::new(n as u64);
    let mut values: Vec<i64> = (0..n.clamp(1, MOST)).collect();
    if let Some(last) = values.last_mut() {
        *last = n.max(1) - 1;
    }
    let last = values.len() - 1;
    values.swap(1.min(last), last);
    for i in (3..values.len()).rev() {
        values.swap(i, random.integer(2, i as i64) as usize);
    }
    values
}

/// An input that was filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilledInput {
    /// Its name.
    pub name: String,
    /// Its type at the example's sizes.
    pub ty: String,
    /// What it was filled with.
    pub values: String,
}

impl fmt::Display for FilledInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "input `{}` {} is made up: {}", self.name, self.ty, self.values)
    }
}

/// The example with values for the inputs that have none, and what they are. With the traced graph they are fit for their use: indices cover the
/// table that they index, masks are ones with some zeros at the end.
///
/// ```
/// use ontrace::{DType, Example, Tensor, Type, check, trace::record};
/// let table = Tensor::new([40, 2], (0..80).map(|n| n as f32).collect::<Vec<_>>())?;
/// let ids = Tensor::from(&[0i64, 1]);
/// let model = ontrace::module::from_fn(move |ids: Tensor| table.embedding(&ids));
/// let traced = record(&model, &ids)?;
/// let (example, filled) = check::fill_inputs(&Example::of(&ids).shapes_only(), Some(&traced), 0)?;
/// assert!(example.inputs()[0].1.to_vec::<i64>()?.iter().any(|&i| i > 1));
/// assert_eq!(filled[0].to_string(), "input `x` i64[2] is made up: indices 0 to 39 of a table of 40 rows");
/// # Ok::<(), ontrace::Error>(())
/// ```
///
/// # Errors
/// [`Size`](crate::ErrorCode::Size) where the size of an axis is not known.
pub fn fill_inputs(example: &Example, traced: Option<&Traced>, seed: u64) -> Result<(Example, Vec<FilledInput>)> {
    let uses = traced.map(|traced| of(traced.graph())).unwrap_or_default();
    let (mut values, mut filled) = (Vec::new(), Vec::new());
    for (i, (name, tensor)) in example.inputs().iter().enumerate().filter(|(_, (_, tensor))| tensor.is_type_only()) {
        let used = uses.get(i).cloned().unwrap_or_else(|| by_name(name));
        let shape = tensor.shape().example().ok_or_else(|| Error::size(format!("the sizes of input `{name}` are not known")))?;
        let array = used.values(&mut Random::new(seed + i as u64 + 1), 0, tensor.ty(), &shape, Sizes::Example)?;
        let ty = format!("{}{:?}", tensor.dtype(), shape).replace(' ', "");
        filled.push(FilledInput { name: name.clone(), ty, values: used.describe(tensor.dtype(), shape.len()) });
        values.push((name.clone(), Tensor::from(array)));
    }
    Ok((example.clone().with_given_values(&values), filled))
}

/// Compares inputs that are used as indices with the tables that they index.
///
/// # Errors
/// [`Input`](crate::ErrorCode::Input) names the input, the value, its position and the range: an index of ONNX counts from the end where it is negative.
pub fn check_indices(traced: &Traced, inputs: &[Array]) -> Result<()> {
    let bindings = traced.graph().bind(inputs).unwrap_or_else(|_| Bindings::new());
    let arrays: Vec<Option<&Array>> = inputs.iter().map(Some).collect();
    compare_indices(traced, &arrays, Sizes::Bound(&bindings))
}

/// As [`check_indices`], for the inputs of an example that have values.
///
/// # Errors
/// As [`check_indices`].
pub fn check_example_indices(traced: &Traced, example: &Example) -> Result<()> {
    let tensors = example.tensors();
    let arrays: Vec<Option<&Array>> = tensors.iter().map(Tensor::value).collect();
    compare_indices(traced, &arrays, Sizes::Example)
}

fn compare_indices(traced: &Traced, inputs: &[Option<&Array>], sizes: Sizes) -> Result<()> {
    if inputs.iter().all(Option::is_none) {
        return Ok(());
    }
    for ((used, array), (name, _)) in of(traced.graph()).into_iter().zip(inputs).zip(traced.inputs()) {
        let (InputUse::Index(index), Some(array)) = (used, array) else { continue };
        let Some(rows) = index.rows(sizes).filter(|_| index.is_checked) else { continue };
        let Some((low, high)) = index.inputs(-rows, rows - 1) else { continue };
        let values = array.cast(DType::I64)?.to_vec::<i64>()?;
        if let Some(at) = values.iter().position(|index| !(low..=high).contains(index)) {
            let position = if array.rank() == 0 { String::new() } else { format!(" at {:?}", crate::array::index(array.shape(), at)) };
            return Err(Error::input(format!(
                "index {}{position} is out of range: a table of {rows} rows takes {low} to {high}",
                values[at]
            ))
            .at(format!("input {name}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dim::Shape;
    use crate::module::from_fn;
    use crate::trace::record;

    fn embedding(offset: i64) -> Traced {
        let table = Tensor::new([40, 2], vec![0f32; 80]).unwrap();
        let model = from_fn(move |ids: Tensor| table.embedding(&ids.add(offset)?.reshape([-1i64])?));
        record(&model, &Tensor::new([2, 3], vec![0i64; 6]).unwrap()).unwrap()
    }

    #[test]
    fn indices_cover_their_table_in_a_few_calls() {
        let used = of(embedding(0).graph()).remove(0);
        assert_eq!(used.range(Sizes::Example), Some((0, 39)));
        let ty = Type::new(DType::I64, Shape::fixed(&[2, 3]));
        let call = |step| used.values(&mut Random::new(0), step, &ty, &[2, 3], Sizes::Example).unwrap().to_vec::<i64>().unwrap();
        assert!(call(0).contains(&0) && call(0).contains(&39), "both ends come first");
        let mut seen: Vec<i64> = (0..7).flat_map(call).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, (0..40).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_added_to_an_index_moves_its_range() {
        let traced = embedding(2);
        assert_eq!(of(traced.graph())[0].range(Sizes::Example), Some((-2, 37)));
        let ids = |n: i64| [Array::new(&[2, 3], vec![0, 0, 0, 0, n, 0]).unwrap()];
        assert!(check_indices(&traced, &ids(37)).is_ok() && check_indices(&traced, &ids(-42)).is_ok());
        let error = check_indices(&traced, &ids(38)).unwrap_err();
        assert_eq!(error.to_string(), "input x: index 38 at [1, 1] is out of range: a table of 40 rows takes -42 to 37");
    }

    #[test]
    fn a_mask_has_ones_in_every_row_and_zeros_at_some_ends() {
        let ty = Type::new(DType::I64, Shape::fixed(&[2, 8]));
        let mask = |step, shape: &[usize]| InputUse::Mask.values(&mut Random::new(0), step, &ty, shape, Sizes::Example).unwrap();
        assert_eq!(mask(0, &[2, 8]).to_vec::<i64>().unwrap(), [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
        for (step, width) in (0..9).flat_map(|step| (1..9).map(move |width| (step, width))) {
            let rows = mask(step, &[3, width]).to_vec::<i64>().unwrap();
            assert!(rows.chunks(width).all(|row| row[0] == 1), "{rows:?}");
        }
    }

    /// The range of the only input of a function of integers.
    fn range(function: impl Fn(Tensor) -> Result<Tensor>) -> Option<(i64, i64)> {
        let traced = record(&from_fn(function), &Tensor::new([4], vec![1i64, 0, 1, 0]).unwrap()).unwrap();
        of(traced.graph())[0].range(Sizes::Example)
    }

    #[test]
    fn ranges_follow_from_arithmetic_before_the_table() {
        let table = || Tensor::new([40, 2], vec![0f32; 80]).unwrap();
        assert_eq!(range(|x| table().embedding(&x.mul(2i64)?)), Some((0, 19)));
        assert_eq!(range(|x| table().embedding(&x.mul(-1i64)?.add(39i64)?)), Some((0, 39)));
        assert_eq!(range(|x| table().embedding(&x.cast(DType::F32)?.cast(DType::I64)?)), Some((0, 39)));
        assert_eq!(range(|x| table().embedding(&x.remainder(7i64)?)), Some((0, 6)));
        assert_eq!(range(|x| table().embedding(&x.clamp(Some(0i64.into()), Some(39i64.into()))?)), Some((0, 39)));
        assert_eq!(range(|x| x.one_hot(5)), Some((0, 4)));
    }

    #[test]
    fn the_range_of_a_start_follows_from_how_many_indices_are_taken() {
        let x = Tensor::new([5, 2], vec![0f32; 10]).unwrap();
        let model = from_fn(|(x, n): (Tensor, Tensor)| x.narrow(0, n.to_dim()?, 2));
        let n = Tensor::from_dim(&crate::dim::Dim::Fixed(1));
        let traced = record(&model, Example::new().input("x", &x).input("n", &n)).unwrap();
        let call = |n: i64| check_indices(&traced, &[x.to_array().unwrap(), Array::scalar(n)]);
        assert!(call(3).is_ok() && call(-5).is_ok());
        assert_eq!(call(4).unwrap_err().to_string(), "input n: index 4 is out of range: a table of 5 rows takes -5 to 3");
        assert!(call(-6).is_err());
        // In the file the indices are joined one by one.
        let traced = Traced::from_model(traced.to_model().unwrap()).unwrap();
        assert!(check_indices(&traced, &[x.to_array().unwrap(), Array::scalar(4i64)]).is_err());
    }

    #[test]
    fn a_float_or_an_image_is_as_its_first_layer_has_it() {
        let used = |x: &Tensor, function: fn(Tensor) -> Result<Tensor>| of(record(&from_fn(function), x).unwrap().graph()).remove(0);
        let image = Tensor::zeros([1, 3, 4, 4], DType::F32).unwrap();
        let normalised = |x: Tensor| x.cast(DType::F32)?.div(255.0)?.sub(0.4)?.div(0.2)?.relu();
        let bytes = image.cast(DType::U8).unwrap();
        for used in [used(&image, normalised), used(&bytes, normalised)] {
            let InputUse::Scaled { mean, deviation } = used else { panic!("{used:?}") };
            assert!((mean - 102.0).abs() < 1e-3 && (deviation - 51.0).abs() < 1e-3, "{mean} {deviation}");
        }
        let normed = used(&image, |x| {
            let per_channel = |x: f64| Tensor::full([3], x, DType::F32);
            x.batch_norm(None, None, &per_channel(5.0)?, &per_channel(4.0)?, 1e-5)?.relu()
        });
        assert_eq!(normed, InputUse::Scaled { mean: 5.0, deviation: 2.0 });
        // A factor alone says nothing about what it meets.
        assert_eq!(used(&image, |x| x.mul(3.0)?.relu()), InputUse::Other);
        let ty = Type::new(DType::U8, Shape::fixed(&[1000]));
        let values = InputUse::Other.values(&mut Random::new(0), 0, &ty, &[1000], Sizes::Example).unwrap().to_f64s().unwrap();
        assert!(values.iter().any(|x| *x > 240.0) && values.iter().any(|x| *x < 15.0));
    }

    #[test]
    fn the_thresholds_of_a_suppression_are_from_0_to_1() {
        let mut builder = crate::onnx::GraphBuilder::new(19);
        let types: [(DType, &[usize]); 4] = [(DType::F32, &[1, 5, 4]), (DType::F32, &[1, 1, 5]), (DType::I64, &[1]), (DType::F32, &[1])];
        let inputs: Vec<_> = types.iter().map(|(dtype, shape)| builder.input("x", &Type::new(*dtype, Shape::fixed(shape)))).collect();
        let chosen = builder.node("NonMaxSuppression", &inputs).write_one(Type::new(DType::I64, Shape::fixed(&[1, 3]))).unwrap();
        let model = builder.finish("main", &inputs, &[("y".to_string(), chosen)]).unwrap();
        let traced = Traced::from_model(model).unwrap();
        let used = of(traced.graph()).remove(3);
        assert_eq!(used, InputUse::Threshold);
        let ty = Type::new(DType::F32, Shape::fixed(&[1]));
        for seed in 0..20 {
            let value = used.values(&mut Random::new(seed), seed as usize, &ty, &[1], Sizes::Example).unwrap().to_f64s().unwrap()[0];
            assert!((0.0..=1.0).contains(&value), "{value}");
        }
    }

    #[test]
    fn an_index_that_wraps_or_is_clamped_is_never_out_of_range() {
        let table = Tensor::new([40, 2], vec![0f32; 80]).unwrap();
        let model = from_fn(move |x: Tensor| table.embedding(&x.clamp(Some(0i64.into()), Some(39i64.into()))?));
        let traced = record(&model, &Tensor::from(&[0i64])).unwrap();
        assert!(check_indices(&traced, &[Array::vector(vec![900i64])]).is_ok());
    }
}
