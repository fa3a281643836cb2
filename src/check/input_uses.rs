//! What the inputs of a traced graph are used for: indices into tables, whose range follows from the table, and masks. Data that is made up is fit
//! for its use, and data that is given is compared with the range.

use crate::array::{Array, DType, Random};
use crate::dim::Type;
use crate::error::{Error, Result};
use crate::graph::{Attribute, Graph, ValueId};
use crate::module::Example;
use crate::tensor::Tensor;
use crate::trace::Traced;
use std::collections::HashMap;
use std::fmt;

/// What an input is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InputUse {
    /// An index, after `offset` is added, into a table of so many rows.
    Index { rows: i64, offset: i64 },
    /// A mask: ones, and zeros at the end of some rows.
    Mask,
    /// Anything else.
    Other,
}

/// Operators that move elements and do not change integers.
const MOVES: &[&str] = &["Cast", "Reshape", "Transpose", "Expand", "Slice", "Split", "Identity", "Concat"];

/// The uses of the inputs in order. Of several tables the smallest counts.
pub(super) fn of(graph: &Graph) -> Vec<InputUse> {
    let mut uses: Vec<InputUse> = Vec::new();
    // Values that are an input with something added: the position of the input, and what is added.
    let mut shifted: HashMap<ValueId, (usize, i64)> = HashMap::new();
    for (i, id) in graph.inputs().iter().enumerate() {
        let is_mask = graph.label(*id).to_lowercase().contains("mask");
        uses.push(if is_mask { InputUse::Mask } else { InputUse::Other });
        if graph.value(*id).ty.dtype.is_int() {
            shifted.insert(*id, (i, 0));
        }
    }
    for node in graph.nodes() {
        let operand = |i: usize| node.inputs.get(i).copied().flatten();
        let of_operand = |i: usize| operand(i).and_then(|id| shifted.get(&id).copied());
        let constant = |i: usize| operand(i).and_then(|id| graph.value(id).constant()).and_then(|array| array.item().ok());
        let name = node.op.name();
        let result = match name {
            "Gather" => {
                let axis =
                    node.op.attributes().get("axis").and_then(|axis| if let Attribute::Int(axis) = axis { Some(*axis) } else { None });
                let table = operand(0).map(|id| &graph.value(id).ty.shape);
                let rows = table.zip(axis).and_then(|(shape, axis)| shape.get(usize::try_from(axis).ok()?)?.fixed());
                if let (Some((input, offset)), Some(rows)) = (of_operand(1), rows.filter(|rows| *rows > 0)) {
                    uses[input] = match uses[input] {
                        InputUse::Index { rows: other, offset } if other <= rows => InputUse::Index { rows: other, offset },
                        _ => InputUse::Index { rows, offset },
                    };
                }
                None
            }
            "Add" | "Sub" => {
                let sign = if name == "Add" { 1 } else { -1 };
                let integer = |i: usize| constant(i).map(|scalar| scalar.to_f64() as i64);
                match (of_operand(0), integer(1), integer(0), of_operand(1)) {
                    (Some((input, offset)), Some(n), ..) => Some((input, offset + sign * n)),
                    (_, _, Some(n), Some((input, offset))) if sign == 1 => Some((input, offset + n)),
                    _ => None,
                }
            }
            _ if MOVES.contains(&name) => (0..node.inputs.len()).find_map(of_operand),
            _ => None,
        };
        if let Some(result) = result {
            shifted.extend(node.outputs.iter().filter(|id| graph.value(**id).ty.dtype.is_int()).map(|id| (*id, result)));
        }
    }
    uses
}

impl InputUse {
    /// The range of an index, where it is one.
    pub(super) fn range(self) -> Option<(i64, i64)> {
        match self {
            InputUse::Index { rows, offset } => Some((-offset, rows - 1 - offset)),
            _ => None,
        }
    }

    /// Made-up values of a type, for an input of which nothing else is known. `step` counts the calls: indices go on through the table where
    /// the last call ended.
    pub(super) fn values(self, random: &mut Random, step: usize, ty: &Type, shape: &[usize]) -> Result<Array> {
        let mut i = 0usize;
        match self {
            InputUse::Index { .. } => {
                let (low, high) = self.range().unwrap_or((0, 1));
                let count: usize = shape.iter().product();
                let rows = permuted(high - low + 1);
                random.array(ty.dtype, shape, |_| {
                    i += 1;
                    (low + rows[(step * count + i - 1) % rows.len()]) as f64
                })
            }
            InputUse::Mask => {
                let width = shape.last().copied().unwrap_or(1).max(1);
                let rows = shape.iter().product::<usize>() / width;
                random.array(ty.dtype, shape, |_| {
                    let (row, column) = (i / width, i % width);
                    i += 1;
                    let is_cut = (rows == 1 || row % 2 == 1) && column >= width - width / 4;
                    f64::from(u8::from(!is_cut))
                })
            }
            InputUse::Other if ty.dtype == DType::Bool => random.array(ty.dtype, shape, |random| (random.bits() >> 63) as f64),
            InputUse::Other if ty.dtype.is_int() => random.array(ty.dtype, shape, |random| random.integer(0, 1) as f64),
            InputUse::Other => random.array(ty.dtype, shape, Random::normal),
        }
    }

    fn describe(self, dtype: DType) -> String {
        match self {
            InputUse::Index { rows, offset: 0 } => format!("indices 0 to {} of a table of {rows} rows", rows - 1),
            InputUse::Index { rows, offset } => format!("indices {} to {} of a table of {rows} rows", -offset, rows - 1 - offset),
            InputUse::Mask => "ones, and zeros at the end of some rows".to_string(),
            InputUse::Other if dtype == DType::Bool => "random truth values".to_string(),
            InputUse::Other if dtype.is_int() => "random zeros and ones".to_string(),
            InputUse::Other => "normally distributed random values".to_string(),
        }
    }
}

/// The values from 0 to below `n`, shuffled, the same for every `n`; of a large table a part.
fn permuted(n: i64) -> Vec<i64> {
    const MOST: i64 = 1 << 20;
    let mut random = Random::new(n as u64);
    let mut values: Vec<i64> = (0..n.clamp(1, MOST)).collect();
    for i in (1..values.len()).rev() {
        values.swap(i, random.integer(0, i as i64) as usize);
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
        let by_name = if name.to_lowercase().contains("mask") { InputUse::Mask } else { InputUse::Other };
        let used = uses.get(i).copied().unwrap_or(by_name);
        let shape = tensor.shape().example().ok_or_else(|| Error::size(format!("the sizes of input `{name}` are not known")))?;
        let array = used.values(&mut Random::new(seed + i as u64 + 1), 0, tensor.ty(), &shape)?;
        let ty = format!("{}{:?}", tensor.dtype(), shape).replace(' ', "");
        filled.push(FilledInput { name: name.clone(), ty, values: used.describe(tensor.dtype()) });
        values.push((name.clone(), Tensor::from(array)));
    }
    Ok((example.clone().with_given_values(&values), filled))
}

/// Compares inputs that are used as indices with the tables that they index.
///
/// # Errors
/// [`Input`](crate::ErrorCode::Input) names the input, the value, its position and the range: an index of ONNX counts from the end where it is negative.
pub fn check_indices(traced: &Traced, inputs: &[Array]) -> Result<()> {
    let uses = of(traced.graph());
    for ((used, array), (name, _)) in uses.into_iter().zip(inputs).zip(traced.inputs()) {
        let InputUse::Index { rows, offset } = used else { continue };
        let (low, high) = (-rows - offset, rows - 1 - offset);
        let values = array.cast(DType::I64)?.to_vec::<i64>()?;
        if let Some(at) = values.iter().position(|index| !(low..=high).contains(index)) {
            let mut rest = at;
            let mut position: Vec<usize> = array.shape().iter().rev().map(|&n| (rest % n, rest /= n).0).collect();
            position.reverse();
            return Err(Error::input(format!(
                "index {} at {position:?} is out of range: a table of {rows} rows takes {low} to {high}",
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
        let used = of(embedding(0).graph())[0];
        assert_eq!(used, InputUse::Index { rows: 40, offset: 0 });
        let ty = Type::new(DType::I64, Shape::fixed(&[2, 3]));
        let call = |step| used.values(&mut Random::new(0), step, &ty, &[2, 3]).unwrap().to_vec::<i64>().unwrap();
        let mut seen: Vec<i64> = (0..7).flat_map(call).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, (0..40).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_added_to_an_index_moves_its_range() {
        let traced = embedding(2);
        assert_eq!(of(traced.graph())[0].range(), Some((-2, 37)));
        let ids = |n: i64| [Array::new(&[2, 3], vec![0, 0, 0, 0, n, 0]).unwrap()];
        assert!(check_indices(&traced, &ids(37)).is_ok() && check_indices(&traced, &ids(-42)).is_ok());
        let error = check_indices(&traced, &ids(38)).unwrap_err();
        assert_eq!(error.to_string(), "input x: index 38 at [1, 1] is out of range: a table of 40 rows takes -42 to 37");
    }

    #[test]
    fn a_mask_has_ones_in_every_row_and_zeros_at_some_ends() {
        let mask = InputUse::Mask.values(&mut Random::new(0), 0, &Type::new(DType::I64, Shape::fixed(&[2, 8])), &[2, 8]).unwrap();
        assert_eq!(mask.to_vec::<i64>().unwrap(), [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
    }
}
