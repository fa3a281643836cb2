"""Models in the types that ONNX Runtime has kernels for: an oracle for onnx_sweep.py where neither of its two has one."""
import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

#: Operators that only move integers or count with them, so that wider ones give the same.
MOVES = ("OneHot", "Resize", "Where", "Max", "Min", "Clip", "Abs", "Sign")
FLOATS = (TensorProto.FLOAT16, TensorProto.DOUBLE)
NARROW = (TensorProto.INT8, TensorProto.INT16, TensorProto.UINT8, TensorProto.UINT16, TensorProto.UINT32, TensorProto.INT32)


def widened(case):
    """The type that stands for each other one."""
    kinds = {kind: TensorProto.FLOAT for kind in FLOATS}
    return kinds | {kind: TensorProto.INT64 for kind in NARROW} if case.op in MOVES else kinds


def convert(graph, kinds):
    array = lambda tensor: numpy_helper.from_array(numpy_helper.to_array(tensor).astype(helper.tensor_dtype_to_np_dtype(kinds[tensor.data_type])), tensor.name)
    for value in [*graph.input, *graph.output, *graph.value_info]:
        kind = value.type.tensor_type
        kind.elem_type = kinds.get(kind.elem_type, kind.elem_type)
    for tensor in graph.initializer:
        if tensor.data_type in kinds:
            tensor.CopyFrom(array(tensor))
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR and attribute.t.data_type in kinds:
                attribute.t.CopyFrom(array(attribute.t))
            if attribute.name in ("to", "dtype", "stash_type"):
                attribute.i = kinds.get(attribute.i, attribute.i)
            if attribute.type == AttributeProto.GRAPH:
                convert(attribute.g, kinds)


def in_singles(case):
    """The case with singles for halves and doubles, and the types that its outputs had."""
    kinds = widened(case)
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    dtypes = [helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type) for value in model.graph.output]
    convert(model.graph, kinds)
    types = {value.name: helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type) for value in model.graph.input}
    return model, {name: array.astype(types.get(name, array.dtype)) for name, array in case.feeds.items()}, dtypes


def back(arrays, dtypes):
    """Results in the types that they have without the conversion; None where a value leaves its type."""
    with np.errstate(all="ignore"):
        narrow = [array.astype(dtype) for array, dtype in zip(arrays, dtypes)]
    for array, other in zip(arrays, narrow):
        if array.dtype.kind in "iu" and not np.array_equal(array, other.astype(array.dtype)):
            return None
    return narrow
