//! The vocabulary: one family a file; and torch's spelling of them as methods of [`Tensor`].
//!
//! A family file reads from top to bottom: the operators (rule, kernel, ONNX form), their readers, the methods, the examples.

mod activation;
mod antialias;
mod arithmetic;
mod arrange;
mod attention;
mod bessel;
mod binary;
mod cast;
mod coefficients;
mod compare;
mod contraction;
mod control;
mod conv;
mod create;
mod cumulative;
mod custom;
mod decompositions;
mod deform;
mod distance;
mod double_coefficients;
mod eigen;
mod einsum;
#[cfg(test)]
pub(crate) mod examples;
mod fold_unfold;
mod fork_join;
pub(crate) mod fourier;
mod gamma;
mod gradient;
mod grid;
mod histogram;
mod index;
mod inline;
mod integer_conv;
mod iteration_count;
mod join;
mod ldl;
mod linalg;
mod linear;
mod logarithms;
mod loss;
mod matrix_norm;
mod ml;
mod nms;
mod norm;
mod operators;
mod optimizer;
mod order;
mod polynomial;
mod pool;
mod random;
mod ranges;
mod rearrange;
mod recurrent;
mod reduce;
mod resample;
mod resize;
mod roi;
mod scan;
mod segments;
mod shape;
mod shrink;
mod sign;
mod singular;
mod slice;
mod special;
mod spectral;
mod statistics;
mod unary;
mod unpool;
mod upsample;
mod weight_norm;
mod where_clip;

pub(crate) use activation::Activation;
pub(crate) use attention::flex_attention;
pub(crate) use binary::Binary;
pub(crate) use cast::Cast;
pub(crate) use control::cond_by_sizes;
pub(crate) use control::{FEW, Iteration, read_scan, repeat};
pub use control::{cond, fori_loop, map, scan, while_loop};
pub use conv::Window;
pub(crate) use conv::{Conv, ConvTranspose};
pub use custom::{CustomOp, OpRegistry};
pub use fork_join::join;
pub use fourier::Complex;
pub use gradient::Spacing;
pub use grid::{GridPadding, Sampling};
pub use index::Reduction;
pub(crate) use inline::{inline, inline_as};
pub(crate) use iteration_count::{IterationCount, spend_steps, unjustified};
pub use join::Padding;
pub(crate) use join::{Concat, Pad};
pub(crate) use linalg::Lu;
pub(crate) use linear::{Gemm, MatMul};
pub use loss::{CrossEntropy, Ctc, LossReduction, TripletMargin};
pub use matrix_norm::MatrixNorm;
pub(crate) use norm::{BatchNorm, LayerNorm};
pub(crate) use pool::rounded_up;
pub use random::{Distribution, RandomSample, seeded};
pub(crate) use recurrent::layered;
pub use recurrent::{ActivationFunction, Cell, Recurrent, RecurrentWeights};
pub(crate) use reduce::{Fold, Reduce};
pub(crate) use resize::scaled_size;
pub use roi::{Alignment, Gathered};
pub(crate) use segments::scattered;
pub use segments::{ReduceMode, Segments};
pub(crate) use shape::{Expand, Reshape, Transpose};
pub(crate) use slice::{Slice, Split};
pub use spectral::Stft;
pub use statistics::QuantileInterpolation;
pub(crate) use statistics::sorted;
pub(crate) use unary::Unary;

use crate::array::{Array, DType};
use crate::dim::Dim;
use crate::error::{Error, ErrorCode, Result, ResultExt};
use crate::graph::Inputs;
use crate::onnx::Node;
use crate::tensor::{Tensor, untraced};
use std::collections::HashMap;
use std::sync::LazyLock;

/// Runs a node of an ONNX file on tensors: the mirror image of an operator's `lower`.
pub(crate) type Reader = fn(&Node, &Inputs<Tensor>) -> Result<Vec<Tensor>>;

/// The readers of every family.
const FAMILIES: &[&[(&str, Reader)]] = &[
    activation::READS,
    attention::READS,
    binary::READS,
    cast::READS,
    where_clip::READS,
    compare::READS,
    conv::READS,
    create::READS,
    deform::READS,
    einsum::READS,
    fold_unfold::READS,
    fourier::READS,
    decompositions::READS,
    grid::READS,
    index::READS,
    join::READS,
    linear::READS,
    norm::READS,
    order::READS,
    pool::READS,
    random::READS,
    recurrent::READS,
    reduce::READS,
    roi::READS,
    resize::READS,
    scan::READS,
    shape::READS,
    slice::READS,
    nms::READS,
    unary::READS,
];

/// The readers of ONNX's other domains, of which nothing is written: they are read as their decomposition.
const OTHER_DOMAINS: &[(&str, &[(&str, Reader)])] = &[("ai.onnx.ml", ml::READS), ("ai.onnx.preview.training", optimizer::READS)];

/// The reader of an operator of another domain of ONNX's.
pub(crate) fn reader_of_domain(domain: &str, op_type: &str) -> Option<Reader> {
    let rows = OTHER_DOMAINS.iter().find(|family| family.0 == domain)?.1;
    rows.iter().find(|row| row.0 == op_type).map(|row| row.1)
}

/// The reader of an operator of the standard domain.
pub(crate) fn reader(op_type: &str) -> Option<Reader> {
    static READERS: LazyLock<HashMap<&str, Reader>> = LazyLock::new(|| FAMILIES.iter().flat_map(|family| family.iter().copied()).collect());
    READERS.get(op_type).copied()
}

/// The families of which nothing is written: they are read as their decomposition.
#[cfg(test)]
const COMPOSITES: &[&[(&str, Reader)]] = &[attention::READS, deform::READS, fourier::READS, decompositions::READS, einsum::READS];

/// Whether an operator is read as its decomposition, so that it is never written.
#[cfg(test)]
pub(crate) fn is_composite(op_type: &str) -> bool {
    COMPOSITES.iter().flat_map(|family| family.iter()).any(|row| row.0 == op_type)
}

/// The operators of the standard domain that can be read.
pub fn readable() -> Vec<&'static str> {
    let mut names: Vec<_> = FAMILIES.iter().flat_map(|family| family.iter()).map(|row| row.0).collect();
    names.sort_unstable();
    names
}

/// Runs a node of the standard domain on tensors.
///
/// # Errors
/// [`UnknownOperators`](ErrorCode::UnknownOperators) where there is no reader; otherwise what the operator says.
pub(crate) fn read(node: &Node, inputs: &Inputs<Tensor>) -> Result<Vec<Tensor>> {
    let op_type = node.op_type();
    let reader = reader(op_type).filter(|_| matches!(node.domain(), "" | "ai.onnx"));
    let reader = reader.ok_or_else(|| Error::new(ErrorCode::UnknownOperators, format!("ONNX operator {op_type} is not supported")))?;
    reader(node, inputs).at(node.location())
}

/// Operands without the absent ones at the end.
fn given<'a, 'b>(operands: &'a [Option<&'b Tensor>]) -> &'a [Option<&'b Tensor>] {
    &operands[..operands.iter().rposition(Option::is_some).map_or(0, |last| last + 1)]
}

/// The output of an operator that has one, where optional inputs keep [`apply_one`](crate::tensor::apply_one) from serving.
fn one(outputs: Result<Vec<Tensor>>) -> Result<Tensor> {
    outputs?.into_iter().next().ok_or_else(|| Error::internal("the operator has no output"))
}

/// Runs a kernel of f32 and f64 on halves: widened to f32, and the float results narrowed again.
fn widened(inputs: &Inputs<Array>, kernel: impl FnOnce(&Inputs<Array>) -> Result<Vec<Array>>) -> Result<Vec<Array>> {
    let Some(half) = inputs.iter().map(Array::dtype).find(|dtype| matches!(dtype, DType::F16 | DType::BF16)) else {
        return kernel(inputs);
    };
    let widen = |array: &Array| if array.dtype() == half { array.cast(DType::F32) } else { Ok(array.clone()) };
    let wide = (0..inputs.len()).map(|i| inputs.opt(i).map(widen).transpose()).collect::<Result<Vec<Option<Array>>>>()?;
    let wide: Vec<Option<&Array>> = wide.iter().map(Option::as_ref).collect();
    let narrow = |array: Array| if array.dtype() == DType::F32 { array.cast(half) } else { Ok(array) };
    kernel(&Inputs::new(&wide))?.into_iter().map(narrow).collect()
}

/// The sizes, axes or indices that one input may have: a size takes many times its eight bytes.
const MOST_SIZES: i64 = 1 << 16;

/// Refuses a matrix, or a tensor of too many elements, as sizes, axes or indices, before any of them is read.
fn are_few(tensor: &Tensor) -> Result<()> {
    if tensor.rank() > 1 {
        return Err(Error::shape(format!("sizes, axes or indices are a list, not {}", tensor.ty())));
    }
    match tensor.ty().shape.numel().example().filter(|&count| count > MOST_SIZES) {
        Some(count) => {
            Err(Error::too_big(format!("a tensor of {count} elements as sizes, axes or indices, of which {MOST_SIZES} may be given")))
        }
        None => Ok(()),
    }
}

/// ONNX has no axis of a scalar, where torch takes its axes 0 and -1.
///
/// # Errors
/// [`Shape`](ErrorCode::Shape) for a scalar.
fn has_axes(node: &Node, x: &Tensor) -> Result<()> {
    if x.rank() == 0 { Err(Error::shape(format!("{}: a scalar has no axis", node.op_type()))) } else { Ok(()) }
}

/// The contents of a shape-like input; what depends on data is symbolic.
///
/// # Errors
/// [`NoValue`](ErrorCode::NoValue) where nothing is known of them outside a trace; [`TooBig`](ErrorCode::TooBig) where there are more than 65,536.
fn dims_of(tensor: &Tensor) -> Result<Vec<Dim>> {
    are_few(tensor)?;
    if let Some(dims) = tensor.symbolic_values() {
        return Ok(dims.dims.clone());
    }
    match tensor.constant() {
        Some(array) => Ok(array.to_i64s()?.into_iter().map(Dim::Fixed).collect()),
        None if tensor.is_traced() => tensor.to_dims(),
        None => Err(Error::no_value("a shape, axis or index must not depend on data")),
    }
}

/// Integers that must be the same at every call: axes, steps. A trace holds for those of the example.
///
/// # Errors
/// [`NoValue`](ErrorCode::NoValue) where they are not known; [`TooBig`](ErrorCode::TooBig) as for the contents of shapes.
pub(crate) fn fixed(tensor: &Tensor) -> Result<Vec<i64>> {
    are_few(tensor)?;
    let fixed = |dim: Dim| dim.fixed().ok_or_else(|| Error::no_value(format!("expected a fixed integer, got the symbolic size `{dim}`")));
    if tensor.symbolic_values().is_none() && tensor.constant().is_none() {
        return match tensor.is_type_only() {
            true => Err(Error::no_value("a shape, axis or index must not depend on data")),
            // In a trace that is right for these integers alone, which is recorded.
            false => tensor.to_array()?.to_i64s(),
        };
    }
    dims_of(tensor)?.into_iter().map(fixed).collect()
}

/// What follows from these sizes alone: computed once where they are fixed, part of the graph where one of them is symbolic.
fn constant_where_fixed<R>(sizes: &[&Dim], compute: impl FnOnce() -> Result<R>) -> Result<R> {
    if sizes.iter().any(|dim| dim.is_symbolic()) { compute() } else { untraced(compute) }
}

/// A matrix of positions: row i, column j holds i · `rows.1` + j · `columns.1`.
pub(crate) fn positions(rows: (&Dim, i64), columns: (&Dim, i64)) -> Result<Tensor> {
    let steps = |(count, step): (&Dim, i64)| Tensor::arange(0, count, 1, DType::I64)?.mul(step);
    constant_where_fixed(&[rows.0, columns.0], || steps(rows)?.unsqueeze(1)?.add(steps(columns)?))
}

/// Axes as an input (newer opsets) or an attribute (older ones); `None` where neither is there.
fn axes(node: &Node, inputs: &Inputs<Tensor>, input: usize) -> Result<Option<Vec<i64>>> {
    match inputs.opt(input) {
        Some(axes) => fixed(axes).map(Some),
        None => Ok(node.ints("axes")?.map(<[i64]>::to_vec)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_of_many_elements_is_no_shape() {
        let zeros = |count: i64| Tensor::zeros([count], DType::I64).unwrap();
        assert_eq!(fixed(&zeros(MOST_SIZES + 1)).unwrap_err().code(), ErrorCode::TooBig);
        let of = |count: i64| dims_of(&zeros(count));
        assert_eq!(of(MOST_SIZES).unwrap().len(), 1 << 16);
        assert_eq!(of(MOST_SIZES + 1).unwrap_err().code(), ErrorCode::TooBig);
    }

    #[test]
    fn operands_that_onnx_refuses_when_it_infers_shapes_are_refused() {
        use crate::onnx::proto::NodeProto;

        let zeros = |shape: &[i64], dtype: DType| Tensor::zeros(shape, dtype).unwrap();
        let message = |op: &str, inputs: &[&Tensor], outputs: usize| {
            let output = (0..outputs).map(|i| format!("y{i}")).collect();
            let proto = NodeProto { op_type: op.into(), output, ..NodeProto::default() };
            let inputs: Vec<Option<&Tensor>> = inputs.iter().copied().map(Some).collect();
            read(&Node::new(&proto, 0), &Inputs::new(&inputs)).unwrap_err().message().to_string()
        };
        let (scalar, row) = (zeros(&[], DType::F32), zeros(&[7], DType::F32));
        for op in ["Softmax", "LogSoftmax", "Hardmax"] {
            assert!(message(op, &[&scalar], 1).contains("a scalar has no axis"));
        }
        assert!(message("Split", &[&row], 3).contains("7 elements do not split into 3 equal parts"));
        let (index, depth) = (zeros(&[2], DType::I64), Tensor::from(&[1i64]));
        assert!(message("OneHot", &[&index, &depth, &row], 1).contains("one value for off and one for on"));
        assert!(message("AffineGrid", &[&zeros(&[1, 2, 3], DType::F32), &zeros(&[4, 1], DType::I64)], 1).contains("are a list"));
    }
}
