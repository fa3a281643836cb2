"""Writes tests/data/onnx: small models of kinds that ONNX's backend tests leave out, with inputs and the outputs that ONNX Runtime gives.

usage: python tools/reference/odd_models.py      (in the project's folder; needs numpy, onnx and onnxruntime)
"""

import pathlib
import shutil

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper, parser

FOLDER = pathlib.Path("tests/data/onnx")
random = np.random.default_rng(0)


def floats(*shape):
    return random.standard_normal(shape).astype(np.float32)


def proto(value, name=""):
    return numpy_helper.from_list(value, name) if isinstance(value, list) else numpy_helper.from_array(np.asarray(value), name)


def save(name, model, feeds, expected=None):
    """A model (or its text), what goes in, and what comes out where ONNX Runtime does not say it."""
    model = parser.parse_model(model) if isinstance(model, str) else model
    if expected is None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        expected = session.run(None, feeds)
    data = FOLDER / name / "test_data_set_0"
    data.mkdir(parents=True)
    (FOLDER / name / "model.onnx").write_bytes(model.SerializeToString())
    for kind, values in (("input", feeds.values()), ("output", expected)):
        for i, value in enumerate(values):
            (data / f"{kind}_{i}.pb").write_bytes(proto(value).SerializeToString())


def node(name, opset, ir, op, feeds, initializers, shape, **attributes):
    """A model of one node: inputs in the order given, those that are the same at every call after them."""
    value = lambda name, array: helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
    graph = helper.make_graph(
        [helper.make_node(op, [*feeds, *initializers], ["y"], **attributes)],
        name,
        [value(key, array) for key, array in (feeds | (initializers if ir < 4 else {})).items()],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(array, key) for key, array in initializers.items()],
    )
    save(name, helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir), feeds)


def sparse(places, name=""):
    tensor = onnx.SparseTensorProto(dims=[2, 3])
    tensor.values.CopyFrom(numpy_helper.from_array(np.array([1.5, 2.5], np.float32), name))
    tensor.indices.CopyFrom(numpy_helper.from_array(np.array(places, np.int64)))
    return tensor


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    head = '<ir_version: 8, opset_import: ["" : 17]>\n'
    # A loop without iterations collects nothing of the declared shape.
    save("loop_without_a_turn", head + """g (float[2,3] x) => (float[2,3] s, float[K,2,3] ys) {
  n = Constant<value_int=0>()
  s, ys = Loop (n, , x) <body = b (int64 i, bool ci, float[2,3] si) => (bool co, float[2,3] so, float[2,3] yo) {
    co = Identity(ci)
    so = Neg(si)
    yo = Identity(so)
  }>
}""", {"x": floats(2, 3)})
    save("scan_both_ways", head + """g (float[2] s0, float[3,4] a, float[2,4] b) => (float[2] s, float[2,4] y, float[4] z) {
  s, y, z = Scan (s0, a, b) <num_scan_inputs=2, scan_input_axes=[1,1], scan_input_directions=[1,0], scan_output_axes=[1,-1], scan_output_directions=[0,1],
    body = b (float[2] si, float[3] ai, float[2] bi) => (float[2] so, float[2] yo, float zo) {
      r = ReduceSum<keepdims=0>(ai)
      q = Mul(si, r)
      so = Add(q, bi)
      yo = Neg(so)
      zo = ReduceMax<keepdims=0>(yo)
    }>
}""", {"s0": floats(2), "a": floats(3, 4), "b": floats(2, 4)})
    save("two_sequences", head + """g (seq(float[K]) a, seq(float[K]) b) => (seq(float[K]) c) {
  c = SequenceMap (a, b) <body = bb (float[K] p, float[K] q) => (float[K] r) { r = Add(p, q) }>
}""", {"a": [floats(2), floats(3)], "b": [floats(2), floats(3)]})
    # A reference to an attribute inside a branch inside a function that another function calls.
    save("functions_in_functions", """<ir_version: 9, opset_import: ["" : 17, "m" : 1]>
g (float[2,3] x) => (float[2,3] y, float[2,3] z) { y = m.outer<a=0.25, ax=-1>(x)  z = m.outer<ax=0>(x) }
<domain: "m", opset_import: ["" : 17, "m" : 1]>
inner <alpha, axis>(p) => (q) { l = LeakyRelu<alpha: float = @alpha>(p)  q = Softmax<axis: int = @axis>(l) }
<domain: "m", opset_import: ["" : 17, "m" : 1]>
outer <ax, a: float = 0.5>(u) => (v) {
  t = m.inner<alpha: float = @a, axis: int = @ax>(u)
  c = Constant<value = bool {1}>()
  v = If (c) <
    then_branch = tb () => (float[2,3] r) { r = m.inner<alpha: float = @a, axis: int = @ax>(t) },
    else_branch = eb () => (float[2,3] w) { w = Neg(t) }>
}""", {"x": floats(2, 3)})
    save("function_with_an_input_left_out", """<ir_version: 9, opset_import: ["" : 17, "m" : 1]>
g (float[4] x) => (float[4] y) { lo = Constant<value_float=-0.5>() y = m.cut(x, lo) }
<domain: "m", opset_import: ["" : 17]>
cut (p, lo, hi) => (q) { q = Clip(p, lo, hi) }
""", {"x": floats(4)})
    node("upsample_linear", 9, 4, "Upsample", {"x": floats(1, 2, 3, 2)}, {"s": np.array([1, 1, 2, 2], np.float32)}, [1, 2, 6, 4], mode="linear")
    weight = {"w": floats(2, 3, 3, 3)}
    node("conv_transpose_same", 11, 6, "ConvTranspose", {"x": floats(1, 2, 4, 4)}, weight, [1, 3, 8, 8], strides=[2, 2], auto_pad="SAME_LOWER")
    regions = {"r": np.array([[0, 0, 4, 4], [1, 2, 5, 5.5]], np.float32), "b": np.array([1, 0])}
    sizes = {"output_height": 2, "output_width": 3, "sampling_ratio": 0, "spatial_scale": 0.8}
    node("roi_align_of_old", 10, 5, "RoiAlign", {"x": floats(2, 2, 6, 6)} | regions, {}, [2, 2, 2, 3], **sizes)
    pooled = {"r": np.array([[0, 0, 0, 4, 4], [1, 1, 2, 5, 5.5]], np.float32)}
    node("max_roi_pool", 13, 7, "MaxRoiPool", {"x": floats(2, 2, 6, 6)} | pooled, {}, [2, 2, 2, 3], pooled_shape=[2, 3], spatial_scale=0.9)
    offsets = {"x": floats(2, 4, 6, 5), "w": floats(4, 2, 3, 2), "o": floats(2, 24, 3, 3) * 2, "b": floats(4), "m": floats(2, 12, 3, 3)}
    ways = {"group": 2, "offset_group": 2, "strides": [2, 2], "pads": [1, 1, 1, 1], "dilations": [1, 2]}
    node("deform_conv", 19, 9, "DeformConv", offsets, {}, [2, 4, 3, 3], **ways)
    # ONNX Runtime keeps sparse initializers only where it can use them, so the sum is spelled out here.
    x = floats(2, 3)
    value = lambda name: helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2, 3])
    opset = {"opset_imports": [helper.make_opsetid("", 17)], "ir_version": 8}
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", [value("x")], [value("y")])
    graph.sparse_initializer.append(sparse([1, 4], "w"))
    save("sparse_initializer", helper.make_model(graph, **opset), {"x": x}, [x + np.array([[0, 1.5, 0], [0, 2.5, 0]], np.float32)])
    nodes = [helper.make_node("Constant", [], ["c"], sparse_value=sparse([[0, 1], [1, 2]])), helper.make_node("Add", ["x", "c"], ["y"])]
    graph = helper.make_graph(nodes, "g", [value("x")], [value("y")])
    save("sparse_constant", helper.make_model(graph, **opset), {"x": x}, [x + np.array([[0, 1.5, 0], [0, 0, 2.5]], np.float32)])

    hidden_and_cropped(head)
    sizes_as_inputs(head)
    integers(head)
    defaults(head)
    found_by_a_sweep(head)


def hidden_and_cropped(head):
    # An input of a body hides the name around it.
    save("loop_state_hides_a_name", head + """g (int64 n, float[3] x) => (float[3] y, float[3] z) {
  one = Constant<value = float {1}>()
  y = Loop (n, , x) <body = b (int64 i, bool ci, float[3] x) => (bool co, float[3] xo) { xo = Add(x, one) co = Identity(ci) }>
  z = Neg(x)
}""", {"n": np.array(3), "x": floats(3)})
    # Without axes only the reduction is left out.
    save("reduce_over_no_axes", head.replace("17", "18") + """g (float[2,3] x) => (float[2,3] a, float[2,3] b, float[2,3] c, float[2,3] d, float[2,3] e) {
  a = ReduceL1<noop_with_empty_axes=1>(x)
  b = ReduceL2<noop_with_empty_axes=1>(x)
  c = ReduceSumSquare<noop_with_empty_axes=1>(x)
  d = ReduceSum<noop_with_empty_axes=1>(x)
  e = ReduceMean<noop_with_empty_axes=1>(x)
}""", {"x": floats(2, 3)})
    # More outputs than one mean the statistics of the batch. ONNX Runtime has no kernel for it outside training.
    x, scale, bias, mean, var = floats(4, 3), floats(3), floats(3), floats(3), np.abs(floats(3))
    y = (x - x.mean(0)) / np.sqrt(x.var(0) + np.float32(1e-5)) * scale + bias
    moved = [old * np.float32(0.75) + new * np.float32(0.25) for old, new in ((mean, x.mean(0)), (var, x.var(0)))]
    save("batch_norm_of_old_trains", """<ir_version: 4, opset_import: ["" : 9]>
g (float[4,3] x, float[3] s, float[3] b, float[3] m, float[3] v) => (float[4,3] y, float[3] m2, float[3] v2) {
  y, m2, v2, sm, sv = BatchNormalization<momentum = 0.75>(x, s, b, m, v)
}""", {"x": x, "s": scale, "b": bias, "m": mean, "v": var}, [y, *moved])
    save("pad_crops_before_a_convolution", head + """g (float[1,1,5,4] x, float[2,1,3,3] w) => (float[1,2,4,3] y) {
  p = Constant<value = int64[8] {0, 0, -1, 0, 0, 0, 0, 0}>()
  c = Pad(x, p)
  y = Conv<pads = [1, 0, 1, 1]>(c, w)
}""", {"x": floats(1, 1, 5, 4), "w": floats(2, 1, 3, 3)})


def sizes_as_inputs(head):
    one = lambda n: np.array([n])
    save("slice_between_inputs", head + """g (float[N] x, int64[1] a, int64[1] b) => (float[K] y) { y = Slice(x, a, b) }""", {"x": floats(6), "a": one(1), "b": one(-1)})
    save("shape_of_inputs", head + """g (float[N] x, int64[1] a, int64[1] b) => (float[A,B] y, float[C,D] z) {
  s = Concat<axis=0>(a, b)
  y = Reshape(x, s)
  t = Add(s, b)
  e = ConstantOfShape<value = float[1] {0.5}>(t)
  z = Tanh(e)
}""", {"x": floats(6), "a": one(2), "b": one(3)})
    save("resize_by_an_input", head + """g (float[1,1,H,W] x, float[4] s) => (float[1,1,A,B] y) {
  u = Resize<mode = "linear">(x, , s)
  y = Relu(u)
}""", {"x": floats(1, 1, 3, 4), "s": np.array([1, 1, 2, 1.5], np.float32)})
    save("frames_of_a_loop", head + """g (float[N] x) => (float[K,2] y) {
  two = Constant<value = int64 {2}>()
  zero = Constant<value = int64[1] {0}>()
  n = Size(x)
  t = Div(n, two)
  y = Loop (t, "") <body = b (int64 i, bool ci) => (bool co, float[2] r) {
    f = Mul(i, two)
    l = Add(f, two)
    a = Unsqueeze(f, zero)
    b = Unsqueeze(l, zero)
    r = Slice(x, a, b)
    co = Identity(ci)
  }>
}""", {"x": floats(6)})
    save("axes_of_inputs", head + """g (float[2,3,4] x, int64[1] a, int64[1] k) => (float s, float[A,B,C] t, int64[A,B,C] i, float[D,E,F,G] u) {
  q = ReduceSum<keepdims=0>(x, a)
  s = ReduceMax<keepdims=0>(q)
  t, i = TopK(x, k)
  u = Unsqueeze(x, a)
}""", {"x": floats(2, 3, 4), "a": one(1), "k": one(2)})


def integers(head):
    # ONNX reduces integers to integers, rounded towards zero.
    x = np.array([[3, -7, 5], [-2, 9, 4]], np.int32)
    save("integers_are_reduced_to_integers", head + """g (int32[2,3] x) => (int32[2] a, int32[1,1] b, int32[3] c, int32[2] d, int32[1,3] e, int32[2,1] f) {
  p = Abs(x)
  a = ReduceLogSum<axes = [1], keepdims = 0>(p)
  b = ReduceLogSumExp(x)
  c = ReduceMean<axes = [0], keepdims = 0>(x)
  d = ReduceL2<axes = [-1], keepdims = 0>(x)
  e = ReduceSumSquare<axes = [0]>(x)
  f = ReduceL1<axes = [1]>(x)
}""", {"x": x})
    # ONNX on ReduceMax: "minimum value of the data type" over nothing. ONNX Runtime has no kernel for u64.
    none = np.zeros((2, 0), np.uint64)
    limits = [np.full(2, value, np.uint64) for value in (0, 2**64 - 1)]
    save("extremes_of_no_unsigned_integers", head.replace("17", "20") + """g (uint64[2,0] x) => (uint64[2] a, uint64[2] b) {
  axis = Constant<value = int64[1] {1}>()
  a = ReduceMax<keepdims = 0>(x, axis)
  b = ReduceMin<keepdims = 0>(x, axis)
}""", {"x": none}, limits)
    save("extremes_of_no_signed_integers", head.replace("17", "20") + """g (int8[2,0] x, int32[2,0] y) => (int8[2] a, int8[2] b, int32[2] c, int32[2] d) {
  axis = Constant<value = int64[1] {1}>()
  a = ReduceMax<keepdims = 0>(x, axis)
  b = ReduceMin<keepdims = 0>(x, axis)
  c = ReduceMax<keepdims = 0>(y, axis)
  d = ReduceMin<keepdims = 0>(y, axis)
}""", {"x": np.zeros((2, 0), np.int8), "y": np.zeros((2, 0), np.int32)})
    save("roots_of_integers", head + """g (int64[4] x, float[4] e) => (int64[4] y) { y = Pow(x, e) }""", {"x": np.array([9, 16, 2, 5]), "e": np.array([0.5, 0.25, 1.5, 0], np.float32)})
    save("einsum_of_integers", head + """g (int32[2,3] x, int32[3,2] y) => (int32[2,2] z) { z = Einsum<equation = "ij,jk->ik">(x, y) }""",
         {"x": x, "y": x.reshape(3, 2)})
    save("bytes_are_resized", head + """g (uint8[1,1,3,4] x) => (uint8[1,1,5,6] y) {
  s = Constant<value = float[4] {1, 1, 1.7, 1.5}>()
  y = Resize<mode = "linear">(x, , s)
}""", {"x": np.arange(12, dtype=np.uint8).reshape(1, 1, 3, 4) * 19})
    save("integers_are_shrunk", head + """g (uint32[4] x) => (uint32[4] y) { y = Shrink<lambd = 3.0>(x) }""", {"x": np.array([0, 3, 4, 2**32 - 1], np.uint32)},
         [np.array([0, 0, 4, 2**32 - 1], np.uint32)])


def defaults(head):
    inf = np.float32(np.inf)
    # Before opset 11 a bound that is left out is an end of f32.
    save("clip_of_old_is_finite", """<ir_version: 5, opset_import: ["" : 10]>
g (float[4] x) => (float[4] y, float[4] z) { y = Clip<min = 0.0>(x) z = Clip(x) }""", {"x": np.array([-inf, -1, 2, inf], np.float32)})
    save("shrink_with_a_negative_edge", head + """g (float[5] x) => (float[5] y) { y = Shrink<lambd = -1.0, bias = 0.5>(x) }""",
         {"x": np.array([-2, -0.5, 0, 0.5, 2], np.float32)})
    x = floats(2, 3, 4, 2)
    norms = [(np.abs(x) ** p).sum((2, 3), keepdims=True) ** np.float32(1 / p) for p in (2, 1, 3)]
    save("global_lp_pool", head + """g (float[2,3,4,2] x) => (float[2,3,1,1] a, float[2,3,1,1] b, float[2,3,1,1] c) {
  a = GlobalLpPool(x)
  b = GlobalLpPool<p = 1>(x)
  c = GlobalLpPool<p = 3>(x)
}""", {"x": x}, norms)
    save("hardmax_over_nothing", head + """g (float[2,0] x) => (float[2,0] y) { y = Hardmax(x) }""", {"x": floats(2, 0)})
    # No number of boxes means none.
    boxes = np.array([[[0, 0, 1, 1], [0, 2, 1, 3]]], np.float32)
    save("suppression_without_a_number_of_boxes", head + """g (float[1,2,4] b, float[1,1,2] s) => (int64[K,3] y) { y = NonMaxSuppression(b, s) }""",
         {"b": boxes, "s": np.array([[[0.5, 0.25]]], np.float32)})
    # A start before the beginning is the first element, also where the step is negative.
    save("slice_begins_before_the_beginning", head + """g (float[5] x) => (float[A] y, float[B] z) {
  start = Constant<value = int64[1] {-9}>()
  end = Constant<value = int64[1] {-20}>()
  step = Constant<value = int64[1] {-1}>()
  zero = Constant<value = int64[1] {0}>()
  y = Slice(x, start, end, zero, step)
  two = Constant<value = int64[1] {-2}>()
  z = Slice(x, start, end, zero, two)
}""", {"x": floats(5)})
    save("axes_of_old_in_any_order", """<ir_version: 5, opset_import: ["" : 12]>
g (float[2,3] x) => (float[1,2,1,3] y, float[2,3] z) { y = Unsqueeze<axes = [2, 0]>(x) z = Squeeze<axes = [2, 0]>(y) }""", {"x": floats(2, 3)})
    save("softmax_of_old_flattens", """<ir_version: 5, opset_import: ["" : 11]>
g (float[2,3,4] x) => (float[2,3,4] a, float[2,3,4] b, float[2,3,4] c) {
  a = Softmax(x)
  b = LogSoftmax<axis = -2>(x)
  c = Hardmax<axis = 1>(x)
}""", {"x": floats(2, 3, 4)})


def found_by_a_sweep(head):
    """What onnx_sweep.py found; where ONNX Runtime has no kernel, by onnx.reference or the formula."""
    # The sum of absolute values of unsigned integers is their sum.
    x = np.array([[2**63, 4], [2**64 - 9, 8]], np.uint64)
    save("norm_of_unsigned_integers", head + """g (uint64[2,2] x) => (uint64[2] y) { y = ReduceL1<axes = [1], keepdims = 0>(x) }""", {"x": x},
         [np.array([2**63 + 4, 2**64 - 1], np.uint64)])
    boxes = np.array([[[0, 0, 1, 1], [0, 2, 1, 3]]], np.float32)
    save("suppression_to_no_boxes", head + """g (float[1,2,4] b, float[1,1,2] s, int64[1] n) => (int64[K,3] y) { y = NonMaxSuppression(b, s, n) }""",
         {"b": boxes, "s": np.array([[[0.5, 0.25]]], np.float32), "n": np.array([0])})
    # ONNX Runtime begins with the lowest finite number here too; the maximum of -inf is -inf.
    inf = np.float32(np.inf)
    x = np.array([[[[-inf, 1], [-inf, -inf], [2, -inf]]]], np.float32)
    save("pool_of_minus_infinity", head + """g (float[1,1,3,2] x) => (float[1,1,2,2] y) { y = MaxPool<kernel_shape = [2, 1]>(x) }""", {"x": x},
         [np.array([[[[-inf, 1], [2, -inf]]]], np.float32)])
    # ONNX gives integers: the result rounded towards zero.
    x = np.array([-7, -1, 0, 2, 9], np.int32)
    save("error_function_of_integers", head + """g (int32[5] x) => (int32[5] y) { y = Erf(x) }""", {"x": x}, [np.array([-1, 0, 0, 0, 1], np.int32)])
    columns = np.array([[[200, 3], [60, 7]]], np.uint8)
    save("columns_of_bytes", head.replace("17", "18") + """g (uint8[1,2,2] x) => (uint8[1,1,1,3] y, bool[1,1,1,3] z) {
  image = Constant<value = int64[2] {1, 3}>()
  block = Constant<value = int64[2] {1, 2}>()
  y = Col2Im(x, image, block)
  five = Constant<value = uint8 {5}>()
  b = Greater(x, five)
  z = Col2Im(b, image, block)
}""", {"x": columns}, [np.array([[[[200, 63, 7]]]], np.uint8), np.array([[[[True, True, True]]]])])
    # ONNX Runtime has no kernel; sums wrap.
    columns = np.array([[[2**63 - 1, 3], [2**62, -(2**63)]]], np.int64)
    save("columns_of_long_integers", head.replace("17", "18") + """g (int64[1,2,2] x) => (int64[1,1,1,3] y, uint64[1,1,1,3] z) {
  image = Constant<value = int64[2] {1, 3}>()
  block = Constant<value = int64[2] {1, 2}>()
  y = Col2Im(x, image, block)
  u = Cast<to = 13>(x)
  z = Col2Im(u, image, block)
}""", {"x": columns}, [np.array([[[[2**63 - 1, 2**62 + 3, -(2**63)]]]]), np.array([[[[2**63 - 1, 2**62 + 3, 2**63]]]], np.uint64)])
    save("floats_of_large_integers", head + """g (uint64[3] x) => (double[3] y, float[3] z) { y = Cast<to = 11>(x) z = Cast<to = 1>(x) }""",
         {"x": np.array([1, 2**63 + 4096, 2**64 - 1], np.uint64)})
    save("range_of_zeros_quantized", head + """g (float[3] x) => (uint8[3] y, float s, uint8 p) { y, s, p = DynamicQuantizeLinear(x) }""", {"x": np.zeros(3, np.float32)})
    save("padding_by_an_input", head + """g (float[2,3] x, float v) => (float[2,4] y) {
  p = Constant<value = int64[4] {1, -1, -1, 2}>()
  y = Pad(x, p, v)
}""", {"x": floats(2, 3), "v": np.array(0.75, np.float32)})
    # Sizes that a call gives, which fit only together.
    save("pieces_of_an_input", head + """g (int16[4,2] x, int64[2] sizes) => (int16[a,2] y, int16[b,2] z) { y, z = Split<axis = 0>(x, sizes) }""",
         {"x": np.arange(8, dtype=np.int16).reshape(4, 2), "sizes": np.array([1, 3])})
    save("columns_to_a_size_of_an_input", head.replace("17", "18") + """g (float[1,2,2] x, int64[1] size) => (float[1,1,n] y) {
  block = Constant<value = int64[1] {2}>()
  y = Col2Im(x, size, block)
}""", {"x": floats(1, 2, 2), "size": np.array([3])})
    x = floats(2, 3, 4)
    for name, shape in (("reshape_to_an_input", [0, -1, 2]), ("reshape_to_an_input_of_sizes", [4, 3, 2])):
        save(name, head + """g (float[2,3,4] x, int64[3] s) => (float[a,b,c] y, float[a,b,c] z) { y = Reshape(x, s) z = Relu(y) }""", {"x": x, "s": np.array(shape)})
    save("wrap_by_an_input", head.replace("17", "19") + """g (float[3,2] x, int64[4] p) => (float[a,b] y) { y = Pad<mode = "wrap">(x, p) }""",
         {"x": floats(3, 2), "p": np.array([2, 1, 1, 0])})
    save("transform_of_a_length_that_is_an_input", head + """g (float[1,7,3,2] x, int64 n) => (float[1,7,k,2] y) { y = DFT<axis = 2>(x, n) }""",
         {"x": floats(1, 7, 3, 2), "n": np.array(5)})
    # By the standard a scalar has no axes, and its indices no rows; ONNX Runtime gives one.
    save("nonzero_of_a_scalar", head + """g (int32 x) => (int64[r,n] y) { y = NonZero(x) }""", {"x": np.array(8, np.int32)}, [np.zeros((0, 1), np.int64)])
    # A window of extent 3 over 3 rows has one row of padding on either side; ONNX Runtime and onnx.reference forget the dilation.
    x = np.array([[[[1], [2], [5]]]], np.float32)
    save("mean_of_dilated_windows_of_the_same_size", head.replace("17", "19") + """g (float[1,1,3,1] x) => (float[1,1,3,1] y) {
  y = AveragePool<auto_pad = "SAME_UPPER", count_include_pad = 1, dilations = [2, 1], kernel_shape = [2, 2]>(x)
}""", {"x": x}, [np.array([[[[0.5], [1.5], [0.5]]]], np.float32)])
    # As torch exports x.squeeze(-1): which branch runs follows from a size, and their results differ in rank.
    save("branches_of_other_ranks", head + """g (float[2,K] x) => (float[2] y) {
  sizes = Shape(x)
  one = Constant<value = int64[1] {1}>()
  last = Gather(sizes, one)
  is_one = Equal(last, one)
  condition = Squeeze(is_one)
  z = If (condition) <
    then_branch = yes () => (float[2] a) { a = Squeeze(x, one) },
    else_branch = no () => (float[2,K] b) { b = Identity(x) }
  >
  y = Relu(z)
}""", {"x": floats(2, 1)})
    # As Silero VAD: nothing in the file says that the batches of input and state are one.
    save("state_of_another_free_batch", head + """g (float[3,N,2] x, float[1,M,2] h) => (float[3,1,B,2] y) {
  w = Constant<value = float[1,2,2] {0.5, -0.25, 0.75, 1.0}>()
  r = Constant<value = float[1,2,2] {-0.5, 0.25, 0.125, 0.75}>()
  y = RNN<hidden_size = 2>(x, w, r, , , h)
}""", {"x": floats(3, 2, 2), "h": floats(1, 2, 2)})
    save("indices_of_no_rows", head + """g (float[0,3,0,1] x) => (int64[0,3,1,1] y, int64[0,3,1] z) { y = ArgMax<axis = 2>(x) z = ArgMin<axis = 2, keepdims = 0>(x) }""",
         {"x": floats(0, 3, 0, 1)})
    save("determinant_of_halves", head + """g (float16[1,7,7] x) => (float16[1] y) { y = Det(x) }""", {"x": (floats(1, 7, 7) * 2).astype(np.float16)})


if __name__ == "__main__":
    main()
