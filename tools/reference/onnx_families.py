"""The families of operators for onnx_graphs.py: each function draws the inputs and attributes of one operator and adds its node."""
import numpy as np
from onnx import TensorProto, helper

from onnx_graphs import FLOATS, INTEGERS, NoCase

FAMILIES = {}


def family(*names):
    """Registers a function of a draw and an operator for these operators."""
    def register(function):
        for name in names:
            FAMILIES[name] = lambda draw, name=name: function(draw, name)
        return function
    return register


def number(dtype):
    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


@family("Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BitwiseNot", "Ceil", "Cos", "Cosh", "Erf", "Exp", "Floor", "HardSwish",
        "Identity", "IsNaN", "Log", "Mish", "Neg", "Not", "Reciprocal", "Relu", "Round", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus",
        "Softsign", "Sqrt", "Tan", "Tanh", "NonZero", "Size", "Det", "GlobalAveragePool", "GlobalMaxPool")
def unary(draw, op):
    dtype = draw.dtype(op)
    shape, edges = draw.shape(), None
    if op == "Det":
        n, edges = draw.size(1), False
        shape = [*draw.shape(most=2), n, n]
    if op.startswith("Global"):
        # Of no elements there is no mean and no maximum.
        shape = [draw.size(), draw.size(), *draw.shape(draw.int(1, 3), least=1)]
    return draw.node(op, [draw.input(draw.array(dtype, shape, edges=edges))])


@family("Celu", "Elu", "Gelu", "HardSigmoid", "LeakyRelu", "Selu", "Shrink", "Swish", "ThresholdedRelu", "IsInf")
def unary_with_attributes(draw, op):
    x = draw.input(draw.array(draw.dtype(op), draw.shape(), edges=draw.chance(0.4)))
    given = {}
    for name, attribute in draw.schema(op).attributes.items():
        if name == "consumed_inputs" or draw.chance(0.5):
            continue
        kind = attribute.type.name
        given[name] = {"FLOAT": round(draw.random.uniform(-2 if op not in ("Celu", "Selu") else 0.1, 2), 2) or 1.0, "INT": draw.int(0, 1), "STRING": "tanh"}[kind]
    return draw.node(op, [x], **given)


@family("Add", "And", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual",
        "Mod", "Mul", "Or", "PRelu", "Pow", "Sub", "Xor")
def binary(draw, op):
    dtype, given = draw.dtype(op), {}
    shape = draw.shape()
    left, right = (draw.broadcast(shape), draw.broadcast(shape)) if op != "PRelu" else (shape, draw.broadcast(shape))
    other = draw.dtype(op, 1) if op == "Pow" and draw.chance(0.5) and draw.opset >= 12 else dtype
    a, b = draw.array(dtype, left), draw.array(other, right)
    if op == "BitShift":
        given["direction"] = draw.choice(("LEFT", "RIGHT"))
        b = draw.array(dtype, right, edges=False, low=0, high=7)
    if op == "Mod":
        given = {"fmod": 1} if dtype in FLOATS else draw.some(fmod=1)
    if op in ("Mod", "Div") and dtype not in FLOATS:
        b = np.where(b == 0, np.ones_like(b), b)
        if dtype.startswith("int"):
            # The least integer over -1 has no value.
            b = np.where(b == -1, np.full_like(b, -2), b)
    if op == "Pow" and dtype not in FLOATS:
        # A power beyond the integers of its type has no value, nor has a root of a negative number.
        a = draw.array(dtype, left, edges=False, low=0, high=6)
        b = draw.array(other, right, edges=False, low=0, high=2)
    a, b = draw.input(a), draw.input(b)
    return draw.node(op, [a, b] if op in ("Mod", "Div", "Pow") or not draw.chance(0.03) else [a, a], **given) if op != "PRelu" else draw.node(op, [a, b])


@family("Max", "Min", "Mean", "Sum")
def variadic(draw, op):
    dtype, shape = draw.dtype(op), draw.shape()
    return draw.node(op, [draw.input(draw.array(dtype, draw.broadcast(shape))) for _ in range(draw.int(1, 3))])


@family("Clip")
def clip(draw, op):
    if draw.opset < 11:
        dtype = draw.dtype(op)
        return draw.node(op, [draw.input(draw.array(dtype, draw.shape()))], **draw.some(min=-1.0, max=1.5))
    dtype = draw.dtype(op, among=FLOATS if draw.opset < 12 else FLOATS + INTEGERS)
    x = draw.input(draw.array(dtype, draw.shape()))
    low = draw.array(dtype, (), edges=False, low=-1 if not dtype.startswith("u") else 0, high=1)
    high = draw.array(dtype, (), edges=False, low=1, high=3)
    low, high = (draw.input(low) if draw.chance(0.7) else ""), (draw.input(high) if draw.chance(0.7) else "")
    return draw.node(op, [x, low, high])


@family("Cast")
def cast(draw, op):
    dtype, to = draw.dtype(op), draw.choice(draw.allowed(op, 0))
    array = draw.array(dtype, draw.shape(), edges=draw.chance(0.4))
    if dtype in FLOATS and to in INTEGERS:
        # Floats out of the range of an integer have no value by the standard.
        info = np.iinfo(to)
        array = np.clip(np.nan_to_num(array.astype(np.float64), nan=0, posinf=5, neginf=0), max(info.min, -100), min(info.max, 100)).astype(dtype)
    return draw.node(op, [draw.input(array)], to=number(to))


@family("CastLike")
def cast_like(draw, op):
    dtype, to = draw.dtype(op), draw.dtype(op, 1)
    array = draw.array(dtype, draw.shape(), edges=False, low=0, high=3)
    return draw.node(op, [draw.input(array), draw.input(draw.array(to, draw.shape()))])


@family("Where")
def where(draw, op):
    shape, dtype = draw.shape(), draw.dtype(op, 1)
    condition = draw.input(draw.array("bool", draw.broadcast(shape)))
    return draw.node(op, [condition, draw.input(draw.array(dtype, draw.broadcast(shape))), draw.input(draw.array(dtype, draw.broadcast(shape)))])


REDUCTIONS = ("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum",
              "ReduceSumSquare")


@family(*REDUCTIONS)
def reduction(draw, op):
    dtype, shape = draw.dtype(op), draw.shape()
    # What no type can hold has no value: roots, logarithms and products of the ends of the integers, logarithms of 0.
    low = {"ReduceLogSum": 1, "ReduceLogSumExp": -3 if not dtype.startswith("u") else 0}.get(op)
    narrow = dtype not in FLOATS and op in ("ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceProd", "ReduceMean")
    if dtype not in FLOATS and op == "ReduceLogSumExp" or op in ("ReduceMean", "ReduceLogSum") or op in ("ReduceMax", "ReduceMin") and draw.opset < 20:
        shape = [max(1, size) for size in shape]
    x = draw.input(draw.array(dtype, shape, edges=False if narrow or op in ("ReduceMax", "ReduceMin") and dtype in FLOATS else None, low=low))
    given = draw.some(keepdims=draw.int(0, 1))
    axes = draw.axes(len(shape)) if draw.chance(0.75) else None
    if draw.opset < (13 if op == "ReduceSum" else 18):
        return draw.node(op, [x], axes=axes or None, **given)
    noop = draw.some(noop_with_empty_axes=draw.int(0, 1))
    return draw.node(op, [x, draw.ints(axes) if axes is not None else ""], **given, **noop)


@family("ArgMax", "ArgMin")
def arg_extreme(draw, op):
    dtype, shape = draw.dtype(op), draw.shape(draw.int(1, 4))
    axis = draw.axis(len(shape)) if draw.opset >= 11 else draw.int(0, len(shape) - 1)
    given = draw.some(keepdims=draw.int(0, 1), **({"select_last_index": 1} if draw.opset >= 12 else {}))
    array = draw.array(dtype, shape, edges=False)
    if draw.chance(0.5) and dtype in FLOATS:
        array = np.round(array)
    if axis != 0 or draw.chance(0.5):
        given["axis"] = axis
    return draw.node(op, [draw.input(array)], **given)


@family("CumSum")
def cumulative(draw, op):
    dtype, shape = draw.dtype(op), draw.shape(draw.int(1, 4))
    axis = draw.ints(draw.axis(len(shape)), dtype=draw.choice(("int32", "int64")))
    return draw.node(op, [draw.input(draw.array(dtype, shape)), axis], **draw.some(exclusive=draw.int(0, 1), reverse=draw.int(0, 1)))


@family("Softmax", "LogSoftmax", "Hardmax", "LpNormalization")
def softmax(draw, op):
    shape = draw.shape(draw.int(1, 4))
    given = draw.some(axis=draw.axis(len(shape)))
    if draw.opset < 11:
        given = draw.some(axis=draw.int(0, len(shape) - 1))
    if draw.since(op) < 13 and len(shape) < 2 and "axis" not in given and op != "LpNormalization":
        given["axis"] = 0
    if op == "LpNormalization":
        given |= draw.some(p=draw.choice((1, 2)))
    return draw.node(op, [draw.input(draw.array(draw.dtype(op), shape, edges=draw.chance(0.05)))], **given)


@family("BatchNormalization")
def batch_normalization(draw, op):
    dtype, shape = draw.dtype(op), draw.shape(draw.int(2, 5))
    if shape[1] == 0:
        raise NoCase
    vector = lambda low: draw.input(draw.array(dtype, shape[1:2], edges=False, low=low), draw.chance(0.7))
    inputs = [draw.input(draw.array(dtype, shape)), vector(-2), vector(-2), vector(-2), vector(0.1)]
    given = draw.some(epsilon=1e-3, momentum=0.7)
    if draw.opset >= 14 and draw.chance(0.25):
        return draw.node(op, inputs, 3, training_mode=1, **given)
    return draw.node(op, inputs, **given)


@family("InstanceNormalization")
def instance_normalization(draw, op):
    dtype, shape = draw.dtype(op), draw.shape(draw.int(3, 5), least=1)
    vector = lambda: draw.input(draw.array(dtype, shape[1:2], edges=False), draw.chance(0.7))
    return draw.node(op, [draw.input(draw.array(dtype, shape, edges=False)), vector(), vector()], **draw.some(epsilon=1e-3))


@family("LayerNormalization", "RMSNormalization")
def layer_normalization(draw, op):
    dtype, shape = draw.dtype(op), draw.shape(draw.int(1, 4), least=1)
    given = draw.some(axis=draw.axis(len(shape)), epsilon=1e-2)
    tail = shape[given.get("axis", -1):]
    vector = lambda: draw.input(draw.array(dtype, tail, edges=False))
    inputs = [draw.input(draw.array(dtype, shape, edges=False)), vector()]
    if op == "LayerNormalization":
        outputs = draw.choice(([1], [1], [1, 1, 1], [1, 0, 1]))
        return draw.node(op, [*inputs, vector() if draw.chance(0.6) else ""], outputs, **given)
    return draw.node(op, inputs, **given)


@family("GroupNormalization")
def group_normalization(draw, op):
    dtype, groups = draw.dtype(op), draw.int(1, 3)
    if draw.opset < 18:
        raise NoCase
    shape = [draw.size(1), groups * draw.int(1, 3), *draw.shape(draw.int(1, 3), least=1)]
    length = [groups] if draw.opset < 21 else shape[1:2]
    vector = lambda: draw.input(draw.array(dtype, length, edges=False))
    return draw.node(op, [draw.input(draw.array(dtype, shape, edges=False)), vector(), vector()], num_groups=groups, **draw.some(epsilon=1e-2))


@family("MeanVarianceNormalization")
def mean_variance(draw, op):
    shape = draw.shape(4, least=1)
    return draw.node(op, [draw.input(draw.array(draw.dtype(op), shape, edges=False))], **draw.some(axes=draw.axes(4, 1) if draw.opset >= 13 else [0, 1]))


@family("LRN")
def local_response(draw, op):
    x = draw.input(draw.array(draw.dtype(op), draw.shape(draw.int(3, 4)), edges=False))
    return draw.node(op, [x], size=draw.choice((1, 3, 5)), **draw.some(alpha=0.3, beta=0.6, bias=1.5))


def window(draw, rank, sizes, kernel=None):
    """Attributes of a window that fits the sizes: kernel, strides, dilations, pads or auto_pad."""
    kernel = kernel or [draw.int(1, 3) for _ in range(rank)]
    given = draw.some(strides=[draw.int(1, 3) for _ in range(rank)], dilations=[draw.int(1, 2) for _ in range(rank)])
    kind = draw.int(0, 3)
    if kind == 0:
        given["auto_pad"] = draw.choice(("VALID", "SAME_UPPER", "SAME_LOWER", "NOTSET"))
    elif kind == 1:
        given["pads"] = [draw.int(0, kernel[i % rank] - 1) for i in range(2 * rank)]
    pads = given.get("pads", [0] * 2 * rank)
    for i in range(rank):
        extent = (kernel[i] - 1) * given.get("dilations", [1] * rank)[i] + 1
        if sizes[i] + pads[i] + pads[rank + i] < extent and not given.get("auto_pad", "").startswith("SAME"):
            raise NoCase
    return kernel, given


@family("Conv", "ConvInteger")
def convolution(draw, op):
    rank, groups = draw.int(1, 3), draw.choice((1, 1, 1, 2, 3))
    dtype = draw.dtype(op)
    sizes = draw.shape(rank, least=1)
    kernel, given = window(draw, rank, sizes)
    per, out = draw.int(1, 2), draw.int(1, 3) * groups
    if draw.chance(0.2):
        per, out = 1, groups
    shape = [draw.size(), per * groups, *sizes]
    if groups > 1:
        given["group"] = groups
    given |= draw.some(kernel_shape=kernel)
    x = draw.input(draw.array(dtype, shape, edges=False))
    w = lambda dtype: draw.input(draw.array(dtype, [out, per, *kernel], edges=False), draw.chance(0.7))
    if op == "Conv":
        if draw.chance(0.2) and draw.opset >= 13:
            pads = draw.ints([0, 0, *[draw.int(-1, 1) for _ in range(rank)], 0, 0, *[draw.int(0, 1) for _ in range(rank)]])
            x = draw.node("Pad", [x, pads])[0]
        return draw.node(op, [x, w(dtype), draw.input(draw.array(dtype, [out], edges=False)) if draw.chance(0.5) else ""], **given)
    other = draw.dtype(op, 1)
    zero = lambda dtype: draw.input(draw.array(dtype, (), edges=False, low=0, high=3)) if draw.chance(0.5) else ""
    return draw.node(op, [x, w(other), zero(dtype), zero(other)], **given)


@family("ConvTranspose")
def transposed_convolution(draw, op):
    rank, groups = draw.int(1, 3), draw.choice((1, 1, 2))
    dtype, sizes = draw.dtype(op), draw.shape(rank, least=1)
    kernel, given = [draw.int(1, 3) for _ in range(rank)], {}
    given |= draw.some(strides=[draw.int(1, 3) for _ in range(rank)], dilations=[draw.int(1, 2) for _ in range(rank)], kernel_shape=kernel)
    kind = draw.int(0, 4)
    strides = given.get("strides", [1] * rank)
    if kind == 0:
        given["auto_pad"] = draw.choice(("VALID", "SAME_UPPER", "SAME_LOWER", "NOTSET"))
    elif kind == 1:
        given["pads"] = [draw.int(0, 1) if kernel[i % rank] > 1 else 0 for i in range(2 * rank)]
    elif kind == 2:
        given["output_padding"] = [draw.int(0, stride - 1) for stride in strides]
    elif kind == 3:
        given["output_shape"] = [size * stride + draw.int(0, 1) for size, stride in zip(sizes, strides)]
    per, out = draw.int(1, 2), draw.int(1, 2)
    if groups > 1:
        given["group"] = groups
    inputs = [draw.input(draw.array(dtype, [draw.size(1), per * groups, *sizes], edges=False)),
              draw.input(draw.array(dtype, [per * groups, out, *kernel], edges=False), draw.chance(0.7)),
              draw.input(draw.array(dtype, [out * groups], edges=False)) if draw.chance(0.5) else ""]
    return draw.node(op, inputs, **given)


@family("MaxPool", "AveragePool", "LpPool")
def pool(draw, op):
    rank = draw.int(1, 3)
    sizes = draw.shape(rank, least=1)
    kernel, given = window(draw, rank, sizes)
    known = draw.schema(op).attributes
    given |= draw.some(ceil_mode=draw.int(0, 1))
    if op == "AveragePool":
        given |= draw.some(count_include_pad=1)
    if op == "LpPool":
        given |= draw.some(p=draw.int(1, 3))
    if op == "MaxPool":
        given |= draw.some(storage_order=draw.int(0, 1)) if draw.chance(0.2) else {}
    given = {name: value for name, value in given.items() if name in known}
    shape = [draw.size(), draw.size(), *sizes]
    outputs = 2 if op == "MaxPool" and draw.opset >= 8 and draw.chance(0.25) else 1
    dtype = draw.dtype(op)
    return draw.node(op, [draw.input(draw.array(dtype, shape, edges=draw.chance(0.1) and op == "MaxPool"))], outputs, kernel_shape=kernel, **given)


@family("GlobalLpPool")
def global_lp(draw, op):
    x = draw.input(draw.array(draw.dtype(op), draw.shape(draw.int(3, 5), least=1), edges=False))
    return draw.node(op, [x], **draw.some(p=draw.int(1, 3)))


@family("MatMul", "MatMulInteger")
def matmul(draw, op):
    dtype = draw.dtype(op)
    m, k, n = draw.size(), draw.size(), draw.size()
    batch = draw.shape(most=2)
    left, right = [*draw.broadcast(batch), m, k], [*draw.broadcast(batch), k, n]
    if draw.chance(0.15):
        left = [k]
    if draw.chance(0.15):
        right = [k]
    a = draw.input(draw.array(dtype, left, edges=False))
    if op == "MatMul":
        return draw.node(op, [a, draw.input(draw.array(dtype, right, edges=False))])
    other = draw.dtype(op, 1)
    zero = lambda dtype: draw.input(draw.array(dtype, (), edges=False, low=0, high=3)) if draw.chance(0.5) else ""
    return draw.node(op, [a, draw.input(draw.array(other, right, edges=False)), zero(dtype), zero(other)])


@family("Gemm")
def gemm(draw, op):
    dtype = draw.dtype(op)
    m, k, n, left, right = draw.size(1), draw.size(), draw.size(1), draw.int(0, 1), draw.int(0, 1)
    given = {"transA": left} if left else {}
    given |= {"transB": right} if right else {}
    given |= draw.some(alpha=0.5 if dtype in FLOATS else 2.0, beta=2.0)
    inputs = [draw.array(dtype, [k, m] if left else [m, k], edges=False), draw.array(dtype, [n, k] if right else [k, n], edges=False)]
    inputs = [draw.input(array) for array in inputs]
    c = draw.choice(([m, n], [n], [1, n], [m, 1], [1, 1], [], None if draw.opset >= 11 else [n]))
    return draw.node(op, [*inputs, draw.input(draw.array(dtype, c, edges=False)) if c is not None else ""], **given)


@family("Einsum")
def einsum(draw, op):
    dtype = draw.dtype(op)
    text = draw.choice(("ij,jk->ik", "ij,jk", "ij->ji", "ii->i", "ii", "ij,ij->", "bij,bjk->bik", "...ij,...jk->...ik", "i,j->ij", "ij->", " i j -> j",
                        "...i->...", "ij,ik->jk", "abc,cd->abd", "bhid,bhjd->bhij", "i->i", "ij,kj,k->i"))
    sizes = {letter: draw.size(1) for letter in "abcdhijk"}
    inputs = []
    for term in text.split("->")[0].replace(" ", "").split(","):
        shape = [2] if term.startswith("...") else []
        inputs.append(draw.input(draw.array(dtype, shape + [sizes[letter] for letter in term if letter.isalpha()], edges=False)))
    return draw.node(op, inputs, equation=text)


@family("QuantizeLinear")
def quantize(draw, op):
    dtype, shape = draw.dtype(op, 0, FLOATS + ("int32",)), draw.shape()
    to = draw.choice(draw.allowed(op, 2, ("int8", "uint8", "int16", "uint16")))
    given, axis = {}, None
    if shape and draw.chance(0.4) and draw.opset >= 13:
        axis = draw.axis(len(shape))
        given["axis"] = axis
    length = () if axis is None else (shape[axis],)
    kind = dtype if draw.opset >= 19 else "float32"
    if dtype == "int32" and draw.opset >= 23:
        kind = "float32"
    scale = draw.input(draw.array(kind, length, edges=False, low=0.05, high=1), draw.chance(0.7))
    zero = draw.input(draw.array(to, length, edges=False, low=0, high=9), draw.chance(0.7)) if draw.chance(0.7) else ""
    return draw.node(op, [draw.input(draw.array(dtype, shape, edges=False)), scale, zero], **given)


@family("DequantizeLinear")
def dequantize(draw, op):
    dtype, shape = draw.dtype(op, 0, ("int8", "uint8", "int32", "int16", "uint16")), draw.shape()
    given, axis = {}, None
    if shape and draw.chance(0.4) and draw.opset >= 13:
        axis = draw.axis(len(shape))
        given["axis"] = axis
    length = () if axis is None else (shape[axis],)
    kind = draw.choice(draw.allowed(op, 1, FLOATS))
    scale = draw.input(draw.array(kind, length, edges=False, low=0.05, high=1), draw.chance(0.7))
    zero = draw.input(draw.array(dtype, length, edges=False, low=0, high=0 if dtype == "int32" else 9), draw.chance(0.7)) if draw.chance(0.7) else ""
    return draw.node(op, [draw.input(draw.array(dtype, shape)), scale, zero], **given)


@family("DynamicQuantizeLinear")
def dynamic_quantize(draw, op):
    return draw.node(op, [draw.input(draw.array("float32", draw.shape(least=1), edges=False))], 3)


@family("QLinearMatMul")
def quantized_matmul(draw, op):
    a, b, c = (draw.choice(("int8", "uint8")) for _ in range(3))
    m, k, n = draw.size(1), draw.size(1), draw.size(1)
    scale = lambda: draw.input(draw.array("float32", (), edges=False, low=0.1, high=1))
    zero = lambda dtype: draw.input(draw.array(dtype, (), edges=False, low=0, high=3))
    return draw.node(op, [draw.input(draw.array(a, [m, k], edges=False)), scale(), zero(a), draw.input(draw.array(b, [k, n], edges=False)), scale(), zero(b),
                          scale(), zero(c)])


@family("QLinearConv")
def quantized_convolution(draw, op):
    dtype, other = draw.choice(("int8", "uint8")), draw.choice(("int8", "uint8"))
    rank = draw.int(1, 2)
    sizes = draw.shape(rank, least=1)
    kernel, given = window(draw, rank, sizes)
    scale = lambda: draw.input(draw.array("float32", (), edges=False, low=0.1, high=1), True)
    zero = lambda dtype: draw.input(draw.array(dtype, (), edges=False, low=0, high=3), True)
    inputs = [draw.input(draw.array(dtype, [1, 2, *sizes], edges=False)), scale(), zero(dtype), draw.input(draw.array(other, [3, 2, *kernel], edges=False), True), scale(),
              zero(other), scale(), zero(dtype)]
    if draw.chance(0.4):
        inputs.append(draw.input(draw.array("int32", [3], edges=False), True))
    return draw.node(op, inputs, **given)


@family("Dropout")
def dropout(draw, op):
    dtype, outputs = draw.dtype(op), draw.choice(([1], [1, 1]))
    x = draw.input(draw.array(dtype, draw.shape()))
    if draw.opset < 12:
        return draw.node(op, [x], outputs, **draw.some(ratio=0.3))
    ratio = draw.input(np.float32(0.4), True) if draw.chance(0.5) else ""
    training = draw.input(np.array(False), True) if draw.chance(0.3) else ""
    return draw.node(op, [x, ratio, training], outputs)


@family("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss")
def loss(draw, op):
    dtype, classes = draw.dtype(op), draw.size(1)
    shape = [draw.size(1), classes, *draw.shape(draw.int(0, 2), least=1)]
    target = draw.array(draw.choice(("int32", "int64")), [shape[0], *shape[2:]], edges=False, low=0, high=classes - 1)
    given = draw.some(ignore_index=draw.int(0, classes - 1), reduction=draw.choice(("none", "sum", "mean")))
    weight = draw.input(draw.array(dtype, [classes], edges=False, low=0.1)) if draw.chance(0.5) else ""
    outputs = draw.choice(([1], [1, 1])) if op.startswith("Softmax") else [1]
    return draw.node(op, [draw.input(draw.array(dtype, shape, edges=False)), draw.input(target), weight], outputs, **given)


from onnx_families_data import *  # noqa: E402,F401,F403 - the families that move and select elements register themselves
