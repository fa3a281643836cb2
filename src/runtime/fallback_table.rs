//! Which operators tract lacks or gets wrong, and the copy of the model that is made for it.

#[cfg(test)]
mod needed;

use super::conversion::value_type;
use super::fallback_op;
use crate::array::{Array, DType};
use crate::dim::{Dim, Type};
use crate::error::Result;
use crate::onnx::proto::tensor_proto::DataType;
use crate::onnx::proto::{GraphProto, ModelProto, NodeProto};
use crate::onnx::{Model, calls, outer_names};
use crate::ops::OpRegistry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;

/// What a row asks of a node: whether it applies.
type Applies = fn(&NodeContext) -> bool;

/// A node, and what the model says of its inputs.
pub(super) struct NodeContext<'a> {
    node: &'a NodeProto,
    uses: &'a Consumers<'a>,
    /// Of a cast, whether it is of values that follow from shapes and constants alone.
    of_sizes: bool,
    types: Vec<Option<Type>>,
    /// The inputs that are the same at every call.
    constant: Vec<Option<&'a Array>>,
}

impl NodeContext<'_> {
    fn dtype(&self, i: usize) -> Option<DType> {
        self.types.get(i)?.as_ref().map(|ty| ty.dtype)
    }

    fn any(&self, test: impl Fn(DType) -> bool) -> bool {
        self.types.iter().flatten().any(|ty| test(ty.dtype))
    }

    fn string(&self, name: &str) -> &[u8] {
        self.node.attribute.iter().find(|attribute| attribute.name == name).map_or(b"", |attribute| &attribute.s)
    }
}

/// An operator that runs on our kernel: its name, where it applies, and why.
pub(super) type FallbackRow = (&'static str, Applies, &'static str);

const SQUARED_ROOT: &str = "takes the square of the root of a negative number for the number";

/// The operators that run on our kernels, for tract 0.23.9. A test fails where tract alone does what a row says it does not.
pub(super) const FALLBACK_TABLE: &[FallbackRow] = &[
    ("Equal", |node_context| node_context.any(|dtype| dtype == DType::Bool), "does not compare bools"),
    (
        "MatMul",
        |node_context| node_context.any(|dtype| matches!(dtype, DType::I64 | DType::U8 | DType::U32 | DType::U64)),
        "panics on i64, refuses unsigned integers",
    ),
    ("MatMul", |node_context| node_context.types.iter().flatten().all(|ty| ty.rank() == 1), "refuses two vectors"),
    ("MatMul", large, SLOWER),
    ("Gemm", |node_context| !floats(node_context), "multiplies integers by a float"),
    ("Gemm", large, SLOWER),
    ("Gelu", single, SLOWER),
    ("Swish", single, SLOWER),
    ("LayerNormalization", single, SLOWER),
    ("Softmax", single, SLOWER),
    ("Add", broadcasts, SLOWER),
    ("Mul", broadcasts, SLOWER),
    ("Where", selects_among_broadcast, SLOWER),
    (
        "Mul",
        |node_context| node_context.node.input.first() == node_context.node.input.get(1) && !floats(node_context),
        "squares floats only",
    ),
    ("Expand", feeds_product, "leaves it out before a product, also of an axis that is summed"),
    ("Tile", feeds_product, "leaves it out before a product, also of an axis that is summed"),
    ("Mul", by_zero, "gives 0 for NaN and infinity times 0"),
    ("Pow", |node_context| !floats(node_context), "overflows on integers"),
    (
        "Mod",
        |node_context| floats(node_context) || !keeps_shape(node_context) || casts_sizes(node_context) || zero(node_context, 1),
        "swaps operands of two shapes, confuses cast integers with symbolic dimensions, panics on zero",
    ),
    ("Div", |node_context| floats(node_context) && !by_power_of_two(node_context), "multiplies by the reciprocal"),
    ("Erf", double, "has no f64 kernel"),
    ("Sigmoid", double, "has no f64 kernel"),
    ("HardSwish", double, "has no f64 kernel"),
    ("LeakyRelu", double, "has no f64 kernel"),
    ("Round", double, "has no f64 kernel"),
    ("IsNaN", double, "has no f64 kernel"),
    ("IsInf", double, "has no f64 kernel"),
    ("Selu", double, "rounds its constants to f32"),
    ("InstanceNormalization", double, "rounds its epsilon to f32"),
    ("Softplus", always, "overflows"),
    ("LogSoftmax", always, "takes the logarithm of an underflowed 0"),
    ("ReduceMean", double, "means squares in f32"),
    ("ReduceSum", half, "accumulates f16 in f16"),
    ("ReduceProd", half, "multiplies f16 in f16, where a product is infinite before it meets a 0"),
    ("ReduceSum", long, "leaves out the least integer"),
    ("Cast", to_long, "gives 2147483647 for every larger float"),
    ("Cast", to_word, "gives the greatest integer for every larger float"),
    ("Sqrt", is_squared, SQUARED_ROOT),
    ("Pow", is_squared_root, SQUARED_ROOT),
    ("Cast", of_large_integers, "loses the upper bits of integers without a sign"),
    ("Cast", to_unsigned, "gives 0 for every negative float"),
    ("Resize", double, "interpolates in f32"),
    ("Resize", half_pixels, "takes the middle of an axis for its first element where one is left"),
    ("Resize", feeds_integers, "rounds more than once, which shows where the result is cut to integers"),
    ("NonMaxSuppression", unlimited, "takes all boxes where no number of them is given, or 0"),
    ("LayerNormalization", double, "rounds its epsilon to f32"),
    ("CumSum", casts_sizes, "confuses cast integers with symbolic dimensions"),
    ("TopK", always, "confuses cast integers with symbolic dimensions, loses NaN"),
    ("ArgMax", always, "confuses cast integers with symbolic dimensions, loses NaN"),
    ("ArgMin", always, "confuses cast integers with symbolic dimensions, loses NaN"),
    ("ReduceMax", |node_context| !integers(node_context) || empty(node_context), "loses NaN, rejects bools, accepts empty inputs"),
    ("ReduceMin", |node_context| !integers(node_context) || empty(node_context), "loses NaN, rejects bools, accepts empty inputs"),
    ("ReduceLogSumExp", always, "overflows"),
    ("ReduceSum", empty, "divides by zero for empty inputs"),
    ("ReduceMean", empty, "divides by zero for empty inputs"),
    ("ReduceL1", empty, "divides by zero for empty inputs"),
    ("ReduceL2", empty, "divides by zero for empty inputs"),
    ("ReduceSumSquare", empty, "divides by zero for empty inputs"),
    ("Pad", |node_context| node_context.any(|dtype| dtype == DType::Bool), "does not pad bools"),
    ("Pad", |node_context| !matches!(node_context.string("mode"), b"" | b"constant"), "overflows with negative pads"),
    ("Pad", crops, "adds negative pads to those of a convolution after it"),
    ("Slice", stepped, "omits values before a softmax that needs them"),
    ("Mish", half, "loses small values in f16"),
    ("Tanh", half, "approximates with a quotient of f16 polynomials"),
    ("BatchNormalization", |node_context| node_context.constant.iter().skip(1).any(Option::is_none), "needs constant statistics"),
    ("LSTM", unusual, "ignores directions, sequence lengths and clip, and panics without a state"),
    ("GRU", unusual, "ignores directions, sequence lengths and clip, and panics without a state"),
    ("RNN", unusual, "ignores directions, sequence lengths and clip, and panics without a state"),
    ("BitCast", always, "does not implement it"),
    ("RandomUniform", always, "uses a different random generator"),
    ("RandomNormal", always, "uses a different random generator"),
    ("RandomUniformLike", always, "uses a different random generator"),
    ("RandomNormalLike", always, "uses a different random generator"),
    ("Bernoulli", always, "does not implement it"),
    ("Multinomial", always, "uses a different random generator"),
    ("Unique", always, "does not implement it"),
    ("Col2Im", always, "does not implement it"),
    ("RoiAlign", always, "does not implement it"),
    ("GridSample", double, "computes in f32"),
    (
        "GridSample",
        |node_context| matches!(node_context.string("mode"), b"cubic" | b"bicubic") && node_context.string("padding_mode") == b"border",
        "moves the point and not its neighbours inside the boundary",
    ),
    ("Conv", |node_context| node_context.dtype(0) == Some(DType::F16), "accumulates in f16"),
    ("MaxPool", |node_context| node_context.node.output.len() > 1, "has no indices for integers, loses NaN"),
    // tract lists the elements of a kernel, those in the padding too.
    ("MaxPool", vast, SLOWER),
    ("AveragePool", vast, SLOWER),
    // Also where it is cast to f32 for it: tract leaves the casts out.
    ("Celu", always, "is wrong in f16"),
    ("If", always, "rejects branches with equal names or different shapes"),
    ("Loop", always, "does not implement it"),
    ("Scan", always, "rejects bodies that use outer values"),
];

/// Why an operator of a user's crate runs on its kernel.
const LACKING: &str = "does not implement it";

/// Why a call of a function of the model runs on our kernels.
const FUNCTION: &str = "does not know the functions of a model";

/// The only reason that is not about what comes out.
pub(super) const SLOWER: &str = "takes longer";

/// Whether a product is large enough for a node of ours: many rows by a large matrix.
fn large(node_context: &NodeContext) -> bool {
    let [Some(x), Some(matrix), ..] = &node_context.types[..] else { return false };
    let width = x.shape.last().and_then(Dim::fixed).unwrap_or(i64::MAX).max(1);
    x.dtype == DType::F32 && volume(x) / width >= ROWS && volume(matrix) >= LARGE
}

/// Rows, and elements of the matrix, from which on our product was measured to win over tract's, on one thread and on two.
const ROWS: i64 = 128;
const LARGE: i64 = 1 << 18;

/// The number of elements of a value, a symbolic size counted as 1.
fn volume(ty: &Type) -> i64 {
    ty.shape.iter().map(|n| n.fixed().unwrap_or(1)).product()
}

/// Whether an input has no element.
fn empty(node_context: &NodeContext) -> bool {
    node_context.types.iter().flatten().any(|ty| ty.shape.iter().any(|n| *n == 0))
}

/// Whether a recurrent network is not of the plain kind: one way forward, from states that are given, all steps, no bound.
fn unusual(node_context: &NodeContext) -> bool {
    let given = |i: usize| node_context.node.input.get(i).is_some_and(|name| !name.is_empty());
    let states = if node_context.node.op_type == "LSTM" { given(5) && given(6) } else { given(5) };
    let plain = |name: &str| {
        matches!(name, "hidden_size" | "linear_before_reset") || name == "direction" && node_context.string(name) == b"forward"
    };
    node_context.dtype(0) != Some(DType::F32)
        || !states
        || given(4)
        || given(7)
        || !node_context.node.attribute.iter().all(|attribute| plain(&attribute.name))
}

fn always(_: &NodeContext) -> bool {
    true
}

/// Whether a pool has a kernel of more elements than images of networks have, most of it in the padding.
fn vast(node_context: &NodeContext) -> bool {
    super::is_vast_pool(node_context.node)
}

fn floats(node_context: &NodeContext) -> bool {
    node_context.dtype(0).is_none_or(DType::is_float)
}

fn double(node_context: &NodeContext) -> bool {
    node_context.dtype(0) == Some(DType::F64)
}

/// Whether one of two operands of f32 broadcasts to the other, along more than the leading axes: rows are added on the way of a product.
fn broadcasts(node_context: &NodeContext) -> bool {
    let [Some(a), Some(b)] = &node_context.types[..] else { return false };
    let is_part = |part: &Type, whole: &Type| {
        let Some(missing) = whole.rank().checked_sub(part.rank()) else { return false };
        let Some((_, leading)) = part.shape.split_last() else { return false };
        let fits = whole.shape[missing..].iter().zip(part.shape.iter()).all(|(whole, part)| part == whole || *part == 1);
        fits && part.shape != whole.shape && leading.iter().any(|n| *n != 1)
    };
    let is_large = |whole: &Type| whole.shape.iter().any(Dim::is_symbolic) || volume(whole) >= BROADCAST;
    let either = |part: &Type, whole: &Type| is_part(part, whole) && is_large(whole);
    a.dtype == DType::F32 && b.dtype == DType::F32 && (either(a, b) || either(b, a))
}

/// Elements from which on a sum with an operand that broadcasts is for a node of ours.
const BROADCAST: i64 = 4096;

/// Whether a selection of f32 has operands of several shapes, and a result that is large.
fn selects_among_broadcast(node_context: &NodeContext) -> bool {
    let [Some(condition), Some(a), Some(b)] = &node_context.types[..] else { return false };
    let is_large = |ty: &Type| ty.shape.iter().any(Dim::is_symbolic) || volume(ty) >= BROADCAST;
    let is_one_shape = condition.shape == a.shape && a.shape == b.shape;
    a.dtype == DType::F32 && !is_one_shape && [condition, a, b].into_iter().any(is_large)
}

fn single(node_context: &NodeContext) -> bool {
    node_context.dtype(0) == Some(DType::F32)
}

/// Whether a slice skips elements between those that it takes.
fn stepped(node_context: &NodeContext) -> bool {
    node_context
        .constant
        .get(4)
        .copied()
        .flatten()
        .is_some_and(|steps| steps.to_i64s().is_ok_and(|steps| steps.iter().any(|step| step.abs() > 1)))
}

/// Whether the divisor is known to be powers of two, whose reciprocals are exact.
fn by_power_of_two(node_context: &NodeContext) -> bool {
    let exact = |x: &f64| x.to_bits() << 12 == 0 && (1.0 / 8192.0..=8192.0).contains(&x.abs());
    node_context.constant.get(1).copied().flatten().is_some_and(|divisor| divisor.to_f64s().is_ok_and(|values| values.iter().all(exact)))
}

/// Whether what a node gives reaches a product, as it is or in another shape.
fn feeds_product(node_context: &NodeContext) -> bool {
    const PRODUCTS: &[&str] =
        &["Gemm", "MatMul", "Conv", "ConvTranspose", "Einsum", "MatMulInteger", "ConvInteger", "QLinearConv", "QLinearMatMul"];
    const MOVES: &[&str] = &["Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose", "Identity", "Cast"];
    let mut open: Vec<&str> = node_context.node.output.iter().map(String::as_str).collect();
    let mut reached: BTreeSet<&str> = BTreeSet::new();
    while let Some(name) = open.pop() {
        if !reached.insert(name) {
            continue;
        }
        for node in node_context.uses.of(name) {
            if PRODUCTS.contains(&node.op_type.as_str()) {
                return true;
            }
            if MOVES.contains(&node.op_type.as_str()) {
                open.extend(node.output.iter().map(String::as_str));
            }
        }
    }
    false
}

/// Whether a result is cast to integers and nothing else.
fn feeds_integers(node_context: &NodeContext) -> bool {
    let is_float =
        |i: i64| [DataType::Float, DataType::Double, DataType::Float16, DataType::Bfloat16].iter().any(|dtype| *dtype as i64 == i);
    let cuts = |node: &NodeProto| {
        node.op_type == "Cast" && node.attribute.iter().any(|attribute| attribute.name == "to" && !is_float(attribute.i))
    };
    let mut users = node_context.node.output.first().into_iter().flat_map(|name| node_context.uses.of(name)).peekable();
    users.peek().is_some() && users.all(cuts)
}

/// Whether the result is squared.
fn is_squared(node_context: &NodeContext) -> bool {
    let result = node_context.node.output.first();
    result.into_iter().flat_map(|name| node_context.uses.of(name)).any(|node| match node.op_type.as_str() {
        "Mul" => node.input.iter().all(|name| Some(name) == result),
        "Pow" => node.input.first() == result,
        _ => false,
    })
}

/// Whether a power is a root that is squared.
fn is_squared_root(node_context: &NodeContext) -> bool {
    let half = |array: &Array| array.to_f64s().is_ok_and(|values| values.iter().all(|x| *x == 0.5));
    node_context.constant.get(1).copied().flatten().is_some_and(half) && is_squared(node_context)
}

/// Whether floats are multiplied by a constant that is 0 everywhere.
fn by_zero(node_context: &NodeContext) -> bool {
    let is_zero = |array: &Array| !array.is_empty() && array.to_f64s().is_ok_and(|values| values.iter().all(|x| *x == 0.0));
    floats(node_context) && node_context.constant.iter().copied().flatten().any(is_zero)
}

/// Whether a pad may take values away.
fn crops(node_context: &NodeContext) -> bool {
    let negative = |pads: &Array| pads.to_i64s().is_ok_and(|pads| pads.iter().any(|&width| width < 0));
    matches!(node_context.string("mode"), b"" | b"constant") && node_context.constant.get(1).copied().flatten().is_none_or(negative)
}

/// Whether tract may take integers for symbolic sizes: it does with what is cast.
fn casts_sizes(node_context: &NodeContext) -> bool {
    // Inputs of the graph and constants it has as they are.
    let computed = |i: usize| node_context.constant[i].is_none() && !node_context.uses.is_input(&node_context.node.input[i]);
    (0..node_context.types.len()).any(|i| node_context.dtype(i).is_none_or(|dtype| dtype == DType::I64) && computed(i))
}

/// Whether the second of two operands has the shape of the first, or one number.
fn keeps_shape(node_context: &NodeContext) -> bool {
    let [Some(a), Some(b)] = &node_context.types[..] else { return false };
    a.shape == b.shape || b.rank() <= a.rank() && b.shape.iter().all(|n| *n == 1)
}

/// Whether an integer input may hold a zero.
fn zero(node_context: &NodeContext, i: usize) -> bool {
    !floats(node_context) && node_context.constant[i].is_none_or(|values| values.to_i64s().is_ok_and(|values| values.contains(&0)))
}

/// Whether it is given integers of which tract has extremes.
fn integers(node_context: &NodeContext) -> bool {
    node_context.dtype(0).is_some_and(|dtype| dtype.is_int() && !matches!(dtype, DType::U32 | DType::U64))
}

/// Whether floats become unsigned integers.
fn to_unsigned(node_context: &NodeContext) -> bool {
    const UNSIGNED: [DataType; 4] = [DataType::Uint8, DataType::Uint16, DataType::Uint32, DataType::Uint64];
    let is_unsigned = |i: i64| UNSIGNED.iter().any(|dtype| *dtype as i64 == i);
    let is_unsigned = node_context.node.attribute.iter().any(|attribute| attribute.name == "to" && is_unsigned(attribute.i));
    is_unsigned && node_context.dtype(0).is_some_and(DType::is_float)
}

/// Integers of 32 or 64 bits without a sign, cast to those of 64 bits with one.
fn of_large_integers(node_context: &NodeContext) -> bool {
    let to = node_context.node.attribute.iter().find(|attribute| attribute.name == "to");
    matches!(node_context.dtype(0), Some(DType::U32 | DType::U64)) && to.is_some_and(|to| to.i == DataType::Int64 as i64)
}

/// Whether floats become i64, and are not few enough to be sizes: tract has to see through the computation of these.
fn to_long(node_context: &NodeContext) -> bool {
    let is_long = node_context.node.attribute.iter().any(|attribute| attribute.name == "to" && attribute.i == DataType::Int64 as i64);
    let few = |ty: &Type| ty.rank() == 0 || ty.rank() == 1 && ty.shape[0].fixed().is_some_and(|n| n <= MOST_SIZES);
    let is_size = |ty: &Type| few(ty) && node_context.of_sizes;
    is_long && node_context.types.first().and_then(Option::as_ref).is_some_and(|ty| ty.dtype.is_float() && !is_size(ty))
}

/// Whether floats become signed integers of 32 bits or fewer.
fn to_word(node_context: &NodeContext) -> bool {
    const NARROW: [DataType; 3] = [DataType::Int32, DataType::Int16, DataType::Int8];
    let is_narrow = |i: i64| NARROW.iter().any(|dtype| *dtype as i64 == i);
    let is_narrow = node_context.node.attribute.iter().any(|attribute| attribute.name == "to" && is_narrow(attribute.i));
    is_narrow && node_context.dtype(0).is_some_and(DType::is_float)
}

/// Whether one element may be left of an axis that is resized by the rule of torch's half pixels.
fn half_pixels(node_context: &NodeContext) -> bool {
    node_context.string("coordinate_transformation_mode") == b"pytorch_half_pixel"
}

fn long(node_context: &NodeContext) -> bool {
    node_context.dtype(0) == Some(DType::I64)
}

/// The most sizes that a model computes as one vector.
const MOST_SIZES: i64 = 8;

/// Whether the number of boxes may be 0, which it is too where none is given.
fn unlimited(node_context: &NodeContext) -> bool {
    let zero = |number: &Option<&Array>| number.is_none_or(|number| number.to_i64s().is_ok_and(|values| values.contains(&0)));
    node_context.node.input.get(2).is_none_or(String::is_empty) || node_context.constant.get(2).is_none_or(zero)
}

fn half(node_context: &NodeContext) -> bool {
    node_context.dtype(0) == Some(DType::F16)
}

/// A node that runs on our kernel.
#[derive(Clone, Debug)]
pub(super) struct Fallback {
    name: String,
    pub(super) op: String,
    pub(super) why: &'static str,
}

impl Fallback {
    /// A node that is faster on our kernel.
    pub(super) fn slower(name: &str, op: &str) -> Fallback {
        Fallback { name: name.to_string(), op: op.to_string(), why: SLOWER }
    }

    /// Whether tract could run it too.
    pub(super) fn is_for_speed(&self) -> bool {
        self.why == SLOWER
    }
}

impl fmt::Display for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}) runs on ontrace's kernel: tract's {}", self.name, self.op, self.why)
    }
}

/// The types of the values of a graph, as far as it declares them.
pub(super) fn types<'a>(graph: &'a GraphProto, model: &'a Model) -> HashMap<&'a str, Type> {
    let declared = graph.input.iter().chain(&graph.value_info).chain(&graph.output);
    let declared = declared.filter_map(|info| Some((info.name.as_str(), value_type(info).ok()?)));
    declared.chain(model.initializers.iter().map(|(name, array)| (name.as_str(), Type::from(array)))).collect()
}

/// The nodes that take a value, by its name, and the names of the inputs.
struct Consumers<'a> {
    nodes: HashMap<&'a str, Vec<&'a NodeProto>>,
    inputs: HashSet<&'a str>,
}

impl<'a> Consumers<'a> {
    fn new(graph: &'a GraphProto) -> Consumers<'a> {
        let mut uses: HashMap<&str, Vec<&NodeProto>> = HashMap::new();
        for node in &graph.node {
            node.input.iter().filter(|name| !name.is_empty()).for_each(|name| uses.entry(name).or_default().push(node));
        }
        Consumers { nodes: uses, inputs: graph.input.iter().map(|input| input.name.as_str()).collect() }
    }

    fn is_input(&self, name: &str) -> bool {
        self.inputs.contains(name)
    }

    fn of(&self, name: &str) -> impl Iterator<Item = &'a NodeProto> {
        self.nodes.get(name).into_iter().flatten().copied()
    }
}

/// Operators that sizes are computed with.
const OF_SIZES: &[&str] = &[
    "Add",
    "Cast",
    "Concat",
    "Constant",
    "Div",
    "Gather",
    "Identity",
    "Max",
    "Min",
    "Mod",
    "Mul",
    "Neg",
    "Reshape",
    "Shape",
    "Slice",
    "Squeeze",
    "Sub",
    "Unsqueeze",
];

/// Nodes that compute sizes, by what they make.
struct SizeValues<'a> {
    makers: HashMap<&'a str, usize>,
    graph: &'a GraphProto,
    constants: &'a HashMap<&'a str, &'a Array>,
}

impl<'a> SizeValues<'a> {
    fn new(graph: &'a GraphProto, constants: &'a HashMap<&'a str, &'a Array>) -> SizeValues<'a> {
        let made = graph.node.iter().enumerate().filter(|(_, node)| OF_SIZES.contains(&node.op_type.as_str()));
        SizeValues { makers: made.flat_map(|(i, node)| node.output.iter().map(move |name| (name.as_str(), i))).collect(), graph, constants }
    }

    /// The nodes that a value is made by, where they look at shapes and constants only.
    fn of(&self, name: &str, nodes: &mut BTreeSet<usize>) -> bool {
        if self.constants.contains_key(name) {
            return true;
        }
        let Some(&i) = self.makers.get(name) else { return false };
        let node = &self.graph.node[i];
        if nodes.contains(&i) {
            return true;
        }
        if nodes.len() > MOST {
            return false;
        }
        nodes.insert(i);
        node.op_type == "Shape" || node.input.iter().filter(|name| !name.is_empty()).all(|name| self.of(name, nodes))
    }

    /// The nodes that compute sizes for a node, so that its shape rule knows them.
    fn before(&self, node: &NodeProto) -> Vec<NodeProto> {
        let mut all = BTreeSet::new();
        for name in node.input.iter().map(String::as_str).chain(outer_names(node)) {
            let mut nodes = BTreeSet::new();
            if self.of(name, &mut nodes) {
                all.extend(nodes);
            }
        }
        all.into_iter().map(|i| self.graph.node[i].clone()).collect()
    }
}

/// How many nodes may compute the sizes of one.
const MOST: usize = 64;

/// The model as tract gets it: without declarations that it would only trip over, and with our names on what these rows say.
pub(super) fn for_tract(model: &Model, rows: &[FallbackRow], operators: &OpRegistry) -> Result<(ModelProto, Vec<Fallback>)> {
    let mut fallbacks = Vec::new();
    let mut proto = model.clone().into_proto()?;
    let opset = model.opset("").unwrap_or(0);
    if let (Some(graph), Some(original)) = (proto.graph.as_mut(), model.proto.graph.as_ref()) {
        let constants: HashMap<&str, &Array> = model.initializers.iter().map(|(name, array)| (name.as_str(), array)).collect();
        let (types, size_values, uses) = (types(original, model), SizeValues::new(original, &constants), Consumers::new(original));
        for node in &mut graph.node {
            if node.op_type == "ConstantOfShape" && node.attribute.is_empty() {
                // Without a value tract makes f64.
                node.attribute.push(fallback_op::zero_value()?);
            }
            let of_sizes = node.op_type == "Cast" && node.input.iter().all(|name| size_values.of(name, &mut BTreeSet::new()));
            let node_context = NodeContext {
                node,
                of_sizes,
                uses: &uses,
                types: node.input.iter().map(|name| types.get(name.as_str()).cloned()).collect(),
                constant: node.input.iter().map(|name| constants.get(name.as_str()).copied()).collect(),
            };
            let is_call = proto.functions.iter().any(|function| calls(node, function));
            let why = match rows.iter().find(|row| row.0 == node.op_type && (row.1)(&node_context)) {
                _ if operators.reader(&node.domain, &node.op_type).is_some() => Some(LACKING),
                _ if is_call && !rows.is_empty() => Some(FUNCTION),
                row => row.map(|row| row.2),
            };
            match why {
                Some(why) => {
                    fallbacks.push(Fallback { name: node.name.clone(), op: node.op_type.clone(), why });
                    let before = size_values.before(node);
                    *node = fallback_op::node(std::mem::take(node), before, &proto.functions, opset);
                }
                None => node.metadata_props.clear(),
            }
        }
        graph.value_info.clear();
    }
    Ok((proto, fallbacks))
}
