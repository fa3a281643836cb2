"""How values are compared in onnx_sweep.py, and who is right where ONNX Runtime and onnx.reference disagree."""
import numpy as np
from onnx import AttributeProto, ModelProto, TensorProto, ValueInfoProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

# Relative and absolute tolerance by the narrowest float in a model.
TOLERANCES = {TensorProto.FLOAT16: (2e-2, 1e-2), TensorProto.FLOAT: (1e-3, 1e-5), TensorProto.DOUBLE: (1e-6, 1e-7)}

# Operators whose last bit depends on the order in which floats are rounded.
QUANTIZING = ("QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "Resize")

# Operators with a type of their own for what is in between.
STASHING = ("GroupNormalization", "LayerNormalization", "RMSNormalization")


def narrowest(case):
    """The narrowest float among inputs, initializers, outputs and casts."""
    graph = case.model.graph
    kinds = {value.type.tensor_type.elem_type for value in [*graph.input, *graph.output]} | {tensor.data_type for tensor in graph.initializer}
    kinds |= {attribute.i for node in graph.node for attribute in node.attribute if node.op_type == "Cast" and attribute.type == AttributeProto.INT}
    # Normalisation computes in single precision, unless it is told otherwise.
    stash = next((a.i for node in graph.node for a in node.attribute if a.name == "stash_type"), TensorProto.FLOAT)
    if any(node.op_type in STASHING for node in graph.node):
        kinds.add(stash)
    if case.in_singles:
        kinds.add(TensorProto.FLOAT)
    return next((kind for kind in TOLERANCES if kind in kinds), TensorProto.FLOAT)


def same(case, got, expected):
    """None where the arrays agree; otherwise what differs first."""
    if len(got) != len(expected):
        return f"{len(got)} outputs, expected {len(expected)}"
    rtol, atol = TOLERANCES[narrowest(case)]
    if case.op.endswith("Window"):
        # The ends are 0 but for rounding, whose sign a floor shows.
        atol = 1 if takes_floor(case) else 1e-6
    for i, (g, e) in enumerate(zip(got, expected)):
        g, e = np.asarray(g), np.asarray(e)
        if g.dtype != e.dtype or g.shape != e.shape:
            return f"output {i}: {g.dtype}{list(g.shape)}, expected {e.dtype}{list(e.shape)}"
        if e.dtype.kind == "f":
            with np.errstate(all="ignore"):
                bad = ~np.isclose(g.astype(np.float64), e.astype(np.float64), rtol=rtol, atol=atol, equal_nan=True)
        else:
            bad = g != e
            if case.op in QUANTIZING and e.dtype.kind in "iu":
                bad = np.abs(g.astype(np.int64) - e.astype(np.int64)) > 1
        if np.any(bad):
            at = tuple(int(k) for k in np.argwhere(bad)[0])
            return f"output {i}: {int(bad.sum())} of {bad.size} at {list(at)}: {g[at]}, expected {e[at]}"
    return None


def node(case):
    return next(node for node in case.model.graph.node if node.op_type == case.op)


def given(case, name):
    """Whether the node has an attribute."""
    return any(attribute.name == name for attribute in node(case).attribute)


def always(case):
    return True


def ends_at_maximum(case):
    """Whether there is the largest integer, and a negative step."""
    arrays = [array for array in case.arrays() if array.dtype.kind == "i" and array.ndim == 1 and array.size]
    return any(np.iinfo(array.dtype).max in array for array in arrays) and any(array.min() < 0 for array in arrays)


def before(opset):
    return lambda case: case.opset < opset


# Operators of which onnx.reference is not asked at all, and why.
NO_REFERENCE = {
    "RNN": "ignores direction, sequence_lens, clip and activations",
    "GRU": "ignores direction, sequence_lens, clip and activations",
    "LSTM": "ignores direction, sequence_lens, clip and activations",
    "ConvTranspose": "adds the bias of the first group to all groups",
    "Scan": "knows neither axes nor directions",
}


def has_nan_or_infinity(case):
    return any(array.dtype.kind == "f" and not np.isfinite(array.astype(np.float64)).all() for array in case.arrays())


def divides_by_zero(position):
    """Whether a scale, the operand at this position, is 0."""
    def found(case):
        known = {tensor.name: numpy_helper.to_array(tensor) for tensor in case.model.graph.initializer} | case.feeds
        scale = known.get(node(case).input[position])
        return scale is not None and not scale.astype(np.float64).all()
    return found


def of_integers(*operators):
    return lambda case: case.op in operators and any(array.dtype.kind in "iu" for array in case.arrays())


def attribute(case, name, default):
    found = [onnx_attribute(a) for a in node(case).attribute if a.name == name]
    return found[0] if found else default


def onnx_attribute(proto):
    value = helper.get_attribute_value(proto)
    return value.decode() if isinstance(value, bytes) else value


def same_with_dilation(case):
    """Whether a pool pads for the same size, and its windows have gaps."""
    return case.op in ("AveragePool", "LpPool", "MaxPool") and attribute(case, "auto_pad", "").startswith("SAME") and any(n > 1 for n in attribute(case, "dilations", []))


def same_with_steps_over(case):
    """Whether a pool pads for the same size, and its windows leave elements out between them, so that no padding is needed."""
    if case.op not in ("AveragePool", "LpPool", "MaxPool") or not attribute(case, "auto_pad", "").startswith("SAME"):
        return False
    return any(stride > size for stride, size in zip(attribute(case, "strides", []), attribute(case, "kernel_shape", [])))


def spreads_beyond_exponentials(case):
    """Whether the exponential of a difference of two elements is below the normal numbers."""
    finite = [array[np.isfinite(array)] for array in case.arrays() if array.dtype.kind == "f"]
    return any(values.size and float(values.max()) - float(values.min()) > 80 for values in finite)


def sees_padding_alone(case):
    """Whether a dilated window of a pool has all its positions in the padding."""
    kernel = attribute(case, "kernel_shape", [])
    dilations, strides = attribute(case, "dilations", [1] * len(kernel)), attribute(case, "strides", [1] * len(kernel))
    pads = attribute(case, "pads", [0] * 2 * len(kernel))
    sizes = next((array.shape[2:] for array in case.arrays() if array.ndim == len(kernel) + 2), ())
    for axis, size in enumerate(sizes):
        extent = (kernel[axis] - 1) * dilations[axis] + 1
        for start in range(-pads[axis], size + pads[axis + len(kernel)] - extent + 1, strides[axis]):
            if not any(0 <= start + k * dilations[axis] < size for k in range(kernel[axis])):
                return True
    return False


def has_single_point(case):
    """Whether a grid has one point along an axis, and its ends are the centers of the corner pixels."""
    sizes = [array[2:] for array in case.arrays() if array.dtype == np.int64 and array.ndim == 1]
    return attribute(case, "align_corners", 0) == 1 and any(1 in size for size in sizes)


def clips_infinity(case):
    """Whether an infinity is clipped by a bound that is left out."""
    return len([name for name in node(case).input if name]) < 3 and any(np.isinf(array).any() for array in case.arrays() if array.dtype.kind == "f")


def compares_nan(case):
    return attribute(case, "reduction", "none") in ("min", "max") and has_nan(case)


def dilates_one_axis(case):
    dilations = attribute(case, "dilations", [1])
    return len(dilations) == 1 and dilations[0] > 1


def squares_overflow(case):
    arrays = [array for array in case.arrays() if array.dtype.kind in "iu"]
    return any(sum(int(n) ** 2 for n in array.ravel()) > np.iinfo(array.dtype).max for array in arrays)


def is_cubic_at_border(case):
    return attribute(case, "mode", "linear") in ("cubic", "bicubic") and attribute(case, "padding_mode", "zeros") == "border"


def sums_overflow(case):
    """Whether some sum of integers, in some order, leaves their type."""
    arrays = [array for array in case.arrays() if array.dtype.kind in "iu"]
    return any(sum(abs(int(n)) for n in array.ravel()) > np.iinfo(array.dtype).max for array in arrays)


def between_two(case):
    """Whether the nearest element is asked for of a position that is whole or half in singles and not in doubles."""
    if attribute(case, "mode", "nearest") != "nearest":
        return False
    known = [array.ravel() for array in case.arrays() if array.dtype == np.float32 and array.ndim == 1]
    halves = lambda x: x * 2 == np.round(x * 2)
    for scale in {float(s) for array in known for s in array if s > 0}:
        for i in range(64):
            single, double = np.float32(i + 0.5) / np.float32(scale), (i + 0.5) / scale
            if halves(single) != halves(double):
                return True
    return False


def has_nan(case):
    return any(array.dtype.kind == "f" and np.isnan(array.astype(np.float64)).any() for array in case.arrays())


def has_infinity(case):
    return any(array.dtype.kind == "f" and np.isinf(array.astype(np.float64)).any() for array in case.arrays())


def is_zero(case):
    """Whether all inputs are zeros."""
    return not any(array.any() for array in case.arrays())


def has_half_grid(case):
    name = node(case).input[1]
    arrays = case.feeds | {tensor.name: numpy_helper.to_array(tensor) for tensor in case.model.graph.initializer}
    return name in arrays and arrays[name].dtype == np.float16


def has_doubles(case):
    return any(array.dtype == np.float64 for array in case.arrays())


def flattens_scalar(case):
    """Whether an axis of a scalar is asked for, which shows only when the graph runs."""
    flattened = {n.input[0] for n in case.model.graph.node if n.op_type == "Flatten" and next((a.i for a in n.attribute if a.name == "axis"), 1) != 0}
    if not flattened:
        return False
    before = ModelProto()
    before.CopyFrom(case.model)
    del before.graph.output[:]
    before.graph.output.extend(ValueInfoProto(name=name) for name in flattened)
    try:
        return any(np.ndim(value) == 0 for value in ReferenceEvaluator(before).run(None, case.feeds))
    except Exception:  # onnx.reference lacks much
        reduces = any(a.name == "keepdims" and a.i == 0 for n in case.model.graph.node for a in n.attribute)
        return reduces or case.values_of_rank(0)


def shifts_large_integers(case):
    return case.op == "Shrink" and any(array.dtype.kind in "iu" and array.size and max(abs(int(n)) for n in array.ravel()) > 2**53 for array in case.arrays())


def is_half(case):
    return narrowest(case) == TensorProto.FLOAT16


def products_overflow(case):
    return any(array.dtype.kind in "iu" and array.size and np.prod(np.maximum(np.abs(array.astype(np.float64)), 1)) > np.iinfo(array.dtype).max for array in case.arrays())


def widens_halves(case):
    """Whether halves become singles or doubles at once: ONNX Runtime, which computes them in singles, leaves the casts between out."""
    made = {name for n in case.model.graph.node if n.op_type == case.op for name in n.output}
    return is_half(case) and any(n.op_type == "Cast" and n.input[0] in made for n in case.model.graph.node)


def roots_of_rounding(case):
    return any(n.op_type in ("Sqrt", "Log", "Reciprocal") for n in case.model.graph.node)


def takes_floor(case):
    return any(n.op_type == "Floor" for n in case.model.graph.node)


def has_part_of_pixel(case):
    """Whether an axis is resized by its corners to a size that its scale does not give exactly."""
    return attribute(case, "coordinate_transformation_mode", "half_pixel") == "align_corners"


def halves_to_one(case):
    return attribute(case, "coordinate_transformation_mode", "half_pixel") == "pytorch_half_pixel"


# Of which cases ONNX Runtime has no kernel and onnx.reference no say, and why.
OPEN = [
    (lambda case: case.op == "BatchNormalization" and case.has_empty(), "the statistics of nothing are undefined"),
    (same_with_dilation, "onnx.reference pads as if the windows had no gaps; ONNX Runtime does, too, and gives another size than the standard infers"),
    (lambda case: case.op == "MaxPool" and has_nan(case), "ONNX Runtime's pools and onnx.reference ignore NaN, ONNX Runtime's ReduceMax gives it; the standard does not say"),
    (same_with_steps_over, "a padding is not negative: ONNX Runtime's pools and onnx.reference's MaxPool begin inside the image or at the edge, as the division of negative integers rounds"),
    (shifts_large_integers, "integers are shifted as doubles by both, which hold them to 53 bits"),
    (flattens_scalar, "a scalar has no axis to flatten from"),
    (of_integers("Erf"), "onnx.reference takes the function of integers in f32 and cuts its value, which may be rounded up to 1"),
]


# Operator, predicate of the case, who is right by the standard ("runtime", "reference" or "neither"), and why.
RIGHT = [
    ("Unique", lambda case: attribute(case, "sorted", 1) == 0, "runtime", "unsorted values come in the order in which they occur; onnx.reference sorts them"),
    ("Softmax", before(13), "runtime", "before opset 13 the axes from `axis` on are one"),
    ("LogSoftmax", lambda case: case.opset < 13 and has_nan_or_infinity(case), "neither", "ONNX Runtime's maximum of doubles skips NaN; onnx.reference does not take the axes from `axis` on for one"),
    ("LogSoftmax", before(13), "runtime", "before opset 13 the axes from `axis` on are one"),
    ("Hardmax", has_nan, "neither", "where the maximum of NaN is, is not said"),
    ("Hardmax", before(13), "runtime", "before opset 13 the axes from `axis` on are one"),
    ("BatchNormalization", lambda case: case.has_empty(), "neither", "the statistics of nothing are undefined"),
    ("DynamicQuantizeLinear", is_zero, "runtime", "the scale of zeros would be 0; onnx.reference takes a range of 1, ONNX Runtime a scale of 1"),
    ("GridSample", is_cubic_at_border, "runtime", "the neighbours of a point are moved inside, as in torch; onnx.reference moves the point"),
    ("GridSample", has_half_grid, "runtime", "the position of a point, near the middle of two elements, is computed in singles, as torch does; onnx.reference computes it in halves"),
    ("GridSample", has_doubles, "runtime", "onnx.reference takes weights in single precision"),
    ("BatchNormalization", before(14), "runtime", "a momentum alone does not make it train"),
    ("Unsqueeze", before(13), "runtime", "axes are those of the result, in any order"),
    ("RoiAlign", before(16), "runtime", "before opset 16 there is no half pixel"),
    ("Loop", always, "runtime", "scan outputs are stacked on a new axis"),
    ("Slice", ends_at_maximum, "neither", "ONNX Runtime takes the largest integer as the end in either direction, the standard clamps it"),
    ("Slice", always, "runtime", "a start before the beginning is clamped to 0, with a negative step too"),
    ("NonZero", lambda case: case.values_of_rank(0), "reference", "of a scalar the result has the shape (0, N)"),
    ("MatMulInteger", lambda case: case.has_empty(), "reference", "a sum of nothing is 0; ONNX Runtime leaves memory as it was"),
    ("AveragePool", has_nan, "runtime", "onnx.reference skips NaN"),
    ("MaxPool", has_nan_or_infinity, "neither", "ONNX Runtime begins with the lowest finite number: of NaN or -inf alone it gives that"),
    ("MaxPool", same_with_dilation, "neither", "ONNX Runtime pads for the same size as if the windows had no gaps; the formula of the standard has them"),
    ("LpPool", same_with_dilation, "neither", "ONNX Runtime pads for the same size as if the windows had no gaps; the formula of the standard has them"),
    *((op, same_with_steps_over, "neither", "a padding is not negative: ONNX Runtime's pools begin inside the image then, its convolutions at the edge") for op in ("AveragePool", "LpPool", "MaxPool")),
    ("Sign", lambda case: has_nan(case) and is_half(case), "reference", "ONNX Runtime's sign of a NaN of half precision is 0"),
    ("MaxPool", sees_padding_alone, "neither", "the maximum of no element is not defined"),
    ("AffineGrid", has_single_point, "neither", "which of the ends a single point is, is not said"),
    ("Clip", clips_infinity, "neither", "by the operator's page the default is the lowest finite number, by onnx.reference there is none"),
    ("ScatterND", compares_nan, "neither", "what the smallest of NaN and others is, is not said"),
    ("ScatterElements", compares_nan, "neither", "what the smallest of NaN and others is, is not said"),
    ("Col2Im", dilates_one_axis, "reference", "ONNX Runtime forgets the dilation of the only axis"),
    ("GlobalMaxPool", has_nan_or_infinity, "neither", "ONNX Runtime's pools ignore NaN, its ReduceMax gives it; the standard does not say"),
    ("Dropout", before(12), "neither", "what the mask is in inference is not said"),
    ("MeanVarianceNormalization", always, "neither", "the added epsilon underflows in f16"),
    ("Resize", lambda case: case.is_integer(), "neither", "how interpolated integers are rounded is not said"),
    ("ReduceMean", lambda case: case.has_empty(), "neither", "the mean of nothing is undefined"),
    ("ReduceSumSquare", squares_overflow, "neither", "what an integer becomes that its type has not is not said"),
    ("MaxPool", lambda case: len(node(case).output) == 2, "runtime", "indices count over the whole tensor; onnx.reference's along one line"),
    ("QuantizeLinear", divides_by_zero(1), "neither", "a division by a scale of 0 is undefined"),
    ("QLinearMatMul", divides_by_zero(6), "neither", "a division by a scale of 0 is undefined"),
    ("QLinearConv", divides_by_zero(6), "neither", "a division by a scale of 0 is undefined"),
    ("ReduceProd", products_overflow, "neither", "what an integer becomes that its type has not is not said"),
    ("ReduceSum", sums_overflow, "neither", "what an integer becomes that its type has not is not said"),
    ("PRelu", has_nan_or_infinity, "runtime", "a zero is not below zero; onnx.reference multiplies it by the slope"),
    ("Upsample", lambda case: case.is_integer(), "neither", "how interpolated integers are rounded is not said"),
    ("Resize", between_two, "neither", "a position between two elements, or on one, is rounded in singles by ONNX Runtime and torch, in doubles by onnx.reference"),
    ("Shrink", lambda case: case.is_integer(), "neither", "in which type integers are shifted is not said"),
    ("Shrink", shifts_large_integers, "neither", "integers are shifted as doubles by both, which hold them to 53 bits"),
    ("LogSoftmax", lambda case: has_nan_or_infinity(case) and spreads_beyond_exponentials(case), "neither", "ONNX Runtime's maximum of doubles skips NaN; onnx.reference takes the logarithm of a softmax that has underflowed"),
    ("LogSoftmax", lambda case: is_half(case) or spreads_beyond_exponentials(case), "runtime", "onnx.reference takes the logarithm of a softmax that has underflowed"),
    ("LogSoftmax", has_nan_or_infinity, "reference", "infinity less the maximum is NaN, as its sum is; ONNX Runtime's maximum of doubles skips NaN"),
    ("ReduceLogSumExp", of_integers("ReduceLogSumExp"), "neither", "ONNX Runtime rounds every power to an integer; how is not said"),
    ("ReduceLogSumExp", lambda case: has_nan(case) and has_infinity(case), "neither", "ONNX Runtime gives a maximum that is infinite, also beside NaN; onnx.reference makes NaN of infinity"),
    ("ReduceLogSumExp", has_nan, "reference", "ONNX Runtime gives a maximum that is infinite, also beside NaN"),
    ("ReduceL1", squares_overflow, "neither", "what an integer becomes that its type has not is not said"),
    ("DFT", roots_of_rounding, "neither", "a root of what rounding leaves is rounding"),
    ("Resize", has_part_of_pixel, "reference", "the standard's tests take the size times the scale for the resized size, ONNX Runtime the whole number below"),
    ("Resize", halves_to_one, "runtime", "where one element is left its position is 0; onnx.reference takes -0.5"),
]


def is_open(case):
    """Whether no implementation decides what is right."""
    return any(applies(case) for applies, _ in OPEN)


def no_reference(case):
    """Why onnx.reference is not asked about a case, where it is not."""
    return NO_REFERENCE.get(case.op) or next((why for applies, why in OPEN if applies(case)), None)


def right(case):
    for op, applies, who, why in RIGHT:
        if op == case.op and applies(case):
            return who, why
    if widens_halves(case):
        return "reference", "what halves cannot hold is infinite; ONNX Runtime computes it in singles, and leaves out the cast to halves and back"
    return "unsettled", ""
