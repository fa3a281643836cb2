"""A generator of valid, typed ONNX graphs of one to a few nodes: `case(seed)` gives a model and its inputs.

Operators, attributes and element types come from the schemas of the onnx package; the families below say which shapes and values fit together.
Axes of size 0 and 1, rank 0, absent optional inputs, negative and unordered axes, NaN, infinities and the ends of the integer ranges occur on purpose.
The families are in onnx_families.py. Used by onnx_sweep.py and onnx_mutants.py.
"""
import random

import numpy as np
import onnx
import onnx.reference
from onnx import defs, helper, numpy_helper

OPSETS = range(7, 26)
FLOATS = ("float16", "float32", "float64")
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTEGERS = SIGNED + UNSIGNED
DTYPES = FLOATS + INTEGERS + ("bool",)
# The names of element types in schemas, where numpy's differ.
SCHEMA_NAMES = {"float32": "float", "float64": "double"}


class NoCase(Exception):
    """These draws make no valid graph."""


class Draw:
    """Random choices, and the graph that they make."""

    def __init__(self, seed):
        self.random, self.np = random.Random(seed), np.random.default_rng(seed)
        self.opset = self.random.choice(OPSETS)
        self.nodes, self.inputs, self.initializers, self.feeds = [], [], [], {}
        self.values, self.count = {}, 0

    # Choices.
    def chance(self, probability):
        return self.random.random() < probability

    def choice(self, options):
        return self.random.choice(list(options))

    def int(self, least, most):
        return self.random.randint(least, most)

    def size(self, least=0):
        """A size of an axis: small, at times 0 or 1."""
        return max(least, self.random.choices((0, 1, 2, 3, 4, 5, 7), (1, 3, 6, 6, 4, 3, 1))[0])

    def shape(self, rank=None, most=4, least=0):
        rank = self.int(0, most) if rank is None else rank
        return [self.size(least) for _ in range(rank)]

    def broadcast(self, shape):
        """A shape that broadcasts to this one."""
        shape = [1 if self.chance(0.3) else size for size in shape]
        return shape[self.int(0, len(shape)):] if self.chance(0.3) else shape

    def axis(self, rank):
        axis = self.int(0, rank - 1)
        return axis - rank if self.chance(0.4) else axis

    def axes(self, rank, least=0):
        """Distinct axes, in any order and of either sign."""
        count = self.int(min(least, rank), rank)
        return [axis - rank if self.chance(0.3) else axis for axis in self.random.sample(range(rank), count)]

    # Element types.
    def allowed(self, op, parameter, among=DTYPES):
        schema = self.schema(op)
        constraints = {c.type_param_str: c.allowed_type_strs for c in schema.type_constraints}
        parameters = schema.inputs
        kind = parameters[min(parameter, len(parameters) - 1)].type_str if parameters else schema.outputs[0].type_str
        texts = constraints.get(kind, [kind])
        return [dtype for dtype in among if f"tensor({SCHEMA_NAMES.get(dtype, dtype)})" in texts]

    def dtype(self, op, parameter=0, among=DTYPES):
        """An element type that the operator takes there, float32 more often than others."""
        allowed = self.allowed(op, parameter, among)
        if not allowed:
            raise NoCase
        return "float32" if "float32" in allowed and self.chance(0.4) else self.choice(allowed)

    def schema(self, op):
        try:
            schema = defs.get_schema(op, self.opset, "")
        except Exception as error:
            raise NoCase from error
        if schema.deprecated:
            raise NoCase
        return schema

    def since(self, op):
        return self.schema(op).since_version

    # Values.
    def array(self, dtype, shape, edges=None, low=None, high=None):
        """Random values: floats mostly in -3..3, integers small; at times with the values at the edges of the type."""
        shape = tuple(shape)
        edges = self.chance(0.15) if edges is None else edges
        if dtype == "bool":
            return self.np.integers(0, 2, shape).astype(bool)
        if dtype in FLOATS:
            low, high = (-3 if low is None else low), (3 if high is None else high)
            array = np.asarray(self.np.uniform(low, high, shape))
            if self.chance(0.2):
                array = np.round(array * 2) / 2
            if edges and array.size:
                values = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.5, 30.0, -30.0, 100.0, -100.0]
                self.scatter(array, values)
            return np.asarray(array).astype(dtype)
        info = np.iinfo(dtype)
        low = (0 if info.min == 0 else -5) if low is None else low
        array = np.asarray(self.np.integers(low, 9 if high is None else high + 1, shape)).astype(dtype)
        if edges and array.size:
            self.scatter(array, [info.min, info.max, info.max - 1, 0, 1] + ([-1, info.min + 1] if info.min else []))
        return array

    def scatter(self, array, values):
        flat = array.reshape(-1)
        for _ in range(max(1, flat.size // 3)):
            flat[self.int(0, flat.size - 1)] = self.choice(values)

    # The graph.
    def name(self, prefix="v"):
        self.count += 1
        return f"{prefix}{self.count}"

    def input(self, array, constant=None):
        """A value of these elements: an input of the graph, or an initializer."""
        array = np.asarray(array)
        constant = self.chance(0.3) if constant is None else constant
        name = self.name("c" if constant else "x")
        self.values[name] = array
        if constant:
            self.initializers.append(numpy_helper.from_array(array, name))
        else:
            self.feeds[name] = array
            kind = helper.np_dtype_to_tensor_dtype(array.dtype)
            self.inputs.append(helper.make_tensor_value_info(name, kind, list(array.shape)))
        return name

    def ints(self, values, constant=None, dtype="int64"):
        """A small tensor of sizes or axes, mostly an initializer."""
        constant = not self.chance(0.25) if constant is None else constant
        return self.input(np.array(values, dtype=dtype), constant)

    def node(self, op, inputs, outputs=1, **attributes):
        """Adds a node; gives the names of its outputs (0 in a list of flags leaves one out)."""
        flags = [True] * outputs if isinstance(outputs, int) else outputs
        names = [self.name("y") if flag else "" for flag in flags]
        inputs = list(inputs)
        while inputs and not inputs[-1]:
            inputs.pop()
        attributes = {name: value for name, value in attributes.items() if value is not None}
        known = self.schema(op).attributes
        for name in [name for name in attributes if name not in known]:
            raise NoCase(f"{op} has no {name} in {self.opset}")
        made = helper.make_node(op, inputs, names, **attributes)
        for attribute in made.attribute:
            # An empty list has no type of its own.
            if attribute.name in known:
                attribute.type = int(known[attribute.name].type.value)
        self.nodes.append(made)
        return [name for name in names if name]

    def some(self, **attributes):
        """Each attribute with probability one half, and its default otherwise."""
        return {name: value for name, value in attributes.items() if self.chance(0.5)}

    def declared(self, model, name):
        """The type of an output whose rank depends on values: what onnx.reference gives, with free sizes."""
        try:
            array = onnx.reference.ReferenceEvaluator(model).run([name], self.feeds)[0]
        except Exception as error:
            raise NoCase from error
        kind = helper.np_dtype_to_tensor_dtype(np.asarray(array).dtype)
        return helper.make_tensor_value_info(name, kind, [f"{name}_{i}" for i in range(np.ndim(array))])

    def model(self, outputs):
        graph = helper.make_graph(self.nodes, "g", self.inputs, [onnx.ValueInfoProto(name=name) for name in outputs], self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8 if self.opset < 21 else 10)
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph.output
        for output, found in zip(model.graph.output, inferred, strict=True):
            kind = found.type.tensor_type
            if kind.elem_type and kind.HasField("shape"):
                output.CopyFrom(found)
            else:
                output.CopyFrom(self.declared(model, output.name))
        onnx.checker.check_model(model, full_check=True)
        return model


class Case:
    """A valid graph, its inputs, and the operator that it is about."""

    def __init__(self, seed, op, model, feeds):
        self.seed, self.op, self.model, self.feeds = seed, op, model, feeds
        # Whether what is right was computed in single precision, whatever the types of the graph are.
        self.in_singles = False

    @property
    def opset(self):
        return self.model.opset_import[0].version

    def arrays(self):
        """The values of inputs and initializers."""
        return [*self.feeds.values(), *map(numpy_helper.to_array, self.model.graph.initializer)]

    def values_of_rank(self, rank):
        return any(array.ndim == rank for array in self.arrays())

    def has_empty(self):
        return any(array.size == 0 for array in self.arrays())

    def is_integer(self):
        return any(array.dtype.kind in "iu" and array.dtype != np.int64 for array in self.arrays())


UNARY = ("Relu", "Neg", "Abs", "Tanh", "Sigmoid", "Exp", "Identity", "Floor", "Softplus", "Sqrt")


def follow(draw, name):
    """A second node that takes the output of the first, so that a runtime may fuse the two."""
    kind = draw.int(0, 4)
    if kind == 0:
        return draw.node(draw.choice(UNARY), [name])[0]
    if kind == 1:
        return draw.node("Cast", [name], to=helper.np_dtype_to_tensor_dtype(np.dtype(draw.choice(("float32", "float64")))))[0]
    if kind == 2:
        return draw.node("Flatten", [name], axis=draw.choice((0, 1)))[0]
    if kind == 3:
        return draw.node("Transpose", [name])[0]
    return draw.node(draw.choice(("Add", "Mul", "Max")), [name, name])[0]


def case(seed, only=None):
    """The case of a seed; the draws that make no valid graph are left out, so it always gives one."""
    from onnx_families import FAMILIES
    for attempt in range(1000):
        draw = Draw(seed * 1000 + attempt)
        op = draw.choice(only or sorted(FAMILIES))
        try:
            outputs = FAMILIES[op](draw)
            if draw.chance(0.15):
                outputs = [follow(draw, outputs[0]), *outputs[1:]]
            return Case(seed, op, draw.model(outputs), draw.feeds)
        except (NoCase, onnx.checker.ValidationError, onnx.shape_inference.InferenceError):
            continue
    raise NoCase(f"no valid graph for {only}")
