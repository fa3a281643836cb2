"""The families of operators that move, select and generate elements, recurrent networks and graphs inside: see onnx_families.py."""
import numpy as np
from onnx import TensorProto, helper

from onnx_families import family, number
from onnx_graphs import DTYPES, FLOATS, NoCase


@family("Concat")
def concat(draw, op):
    dtype, shape = draw.dtype(op), draw.shape(draw.int(1, 4))
    axis = draw.axis(len(shape)) if draw.opset >= 11 else draw.int(0, len(shape) - 1)
    parts = []
    for _ in range(draw.int(1, 3)):
        shape = list(shape)
        shape[axis] = draw.size()
        parts.append(draw.input(draw.array(dtype, shape)))
    return draw.node(op, parts, axis=axis)


@family("Split")
def split(draw, op):
    dtype, shape, count = draw.dtype(op), draw.shape(draw.int(1, 4)), draw.int(1, 3)
    axis = draw.axis(len(shape)) if draw.opset >= 11 else draw.int(0, len(shape) - 1)
    sizes = [draw.size() for _ in range(count)]
    given = {"axis": axis} if axis != 0 or draw.chance(0.5) else {}
    if draw.chance(0.5):
        shape[axis] = sum(sizes)
        x = draw.input(draw.array(dtype, shape))
        return draw.node(op, [x, draw.ints(sizes)], count, **given) if draw.opset >= 13 else draw.node(op, [x], count, split=sizes, **given)
    each = draw.size(1)
    shape[axis] = each * count - (draw.int(0, 1) if draw.opset >= 18 and each > 1 else 0)
    if draw.opset >= 18:
        given["num_outputs"] = count
    return draw.node(op, [draw.input(draw.array(dtype, shape))], count, **given)


@family("Reshape")
def reshape(draw, op):
    dtype, shape = draw.dtype(op), draw.shape()
    total, target = int(np.prod(shape)), []
    rest = total
    while rest > 1 and draw.chance(0.8):
        divisors = [d for d in range(1, rest + 1) if rest % d == 0]
        target.append(draw.choice(divisors))
        rest //= target[-1]
    if rest != 1 or draw.chance(0.3):
        target.insert(draw.int(0, len(target)), rest)
    given = {}
    if total == 0:
        if draw.opset < 14:
            raise NoCase
        target, given = draw.random.sample(shape, len(shape)), {"allowzero": 1}
    else:
        if target and draw.chance(0.4):
            target[draw.int(0, len(target) - 1)] = -1
        for i, size in enumerate(target):
            if i < len(shape) and shape[i] == size and draw.chance(0.3):
                target[i] = 0
    return draw.node(op, [draw.input(draw.array(dtype, shape)), draw.ints(target)], **given)


@family("Transpose")
def transpose(draw, op):
    shape = draw.shape()
    perm = draw.random.sample(range(len(shape)), len(shape))
    return draw.node(op, [draw.input(draw.array(draw.dtype(op), shape))], **draw.some(perm=perm) if shape else {})


@family("Squeeze", "Unsqueeze")
def squeeze(draw, op):
    shape = [1 if draw.chance(0.4) else size for size in draw.shape()]
    if op == "Squeeze":
        ones = [i for i, size in enumerate(shape) if size == 1]
        axes = draw.random.sample(ones, draw.int(0, len(ones))) if draw.chance(0.7) else None
        total = len(shape)
        if not axes:
            axes = None
    else:
        total = len(shape) + draw.int(1, 2)
        axes = draw.random.sample(range(total), total - len(shape))
    if axes is not None and draw.opset >= 11:
        axes = [axis - total if draw.chance(0.3) else axis for axis in axes]
    x = draw.input(draw.array(draw.dtype(op), shape))
    if draw.opset >= 13:
        return draw.node(op, [x, draw.ints(axes) if axes is not None else ""])
    return draw.node(op, [x], axes=axes)


@family("Flatten")
def flatten(draw, op):
    shape = draw.shape(draw.int(1, 4))
    axis = draw.int(-len(shape) if draw.opset >= 11 else 0, len(shape))
    return draw.node(op, [draw.input(draw.array(draw.dtype(op), shape))], **({"axis": axis} if axis != 1 or draw.chance(0.5) else {}))


@family("Expand", "Tile")
def expand(draw, op):
    shape = draw.shape()
    x = draw.input(draw.array(draw.dtype(op), draw.broadcast(shape) if op == "Expand" else shape))
    if op == "Expand":
        target = [1 if draw.chance(0.2) else size for size in shape]
        return draw.node(op, [x, draw.ints(target)])
    return draw.node(op, [x, draw.ints([draw.choice((0, 1, 1, 2, 3)) for _ in shape])])


@family("Pad")
def pad(draw, op):
    dtype, mode = draw.dtype(op), draw.choice(("constant", "constant", "reflect", "edge", "wrap") if draw.opset >= 19 else ("constant", "reflect", "edge"))
    shape = draw.shape(draw.int(1, 4), least=0 if mode == "constant" else 2)
    low = -1 if mode == "constant" and draw.chance(0.4) else 0
    axes = draw.axes(len(shape), 1) if draw.opset >= 18 and draw.chance(0.4) else None
    count = len(axes) if axes is not None else len(shape)
    sizes = [shape[axis] for axis in axes] if axes is not None else shape
    pads = [draw.int(low if sizes[i % count] >= 2 else 0, 2 if mode == "constant" else min(2, sizes[i % count] - 1)) for i in range(2 * count)]
    given = {} if mode == "constant" and draw.chance(0.6) else {"mode": mode}
    x = draw.input(draw.array(dtype, shape))
    if draw.opset < 11:
        return draw.node(op, [x], pads=pads, **given, **(draw.some(value=1.5) if mode == "constant" else {}))
    value = draw.input(draw.array(dtype, (), edges=False)) if mode == "constant" and draw.chance(0.5) else ""
    return draw.node(op, [x, draw.ints(pads), value, draw.ints(axes) if axes is not None else ""], **given)


@family("Slice")
def slice_(draw, op):
    dtype, shape = draw.dtype(op), draw.shape(draw.int(1, 4))
    axes = draw.axes(len(shape), 1) if draw.chance(0.7) else list(range(draw.int(1, len(shape))))
    if draw.opset < 10:
        axes = sorted(axis % len(shape) for axis in axes)
        far = lambda: draw.choice((*range(-6, 8), 2**31 - 1, 1000))
        return draw.node(op, [draw.input(draw.array(dtype, shape))], starts=[far() for _ in axes], ends=[far() for _ in axes],
                         **({"axes": axes} if axes != list(range(len(axes))) or draw.chance(0.5) else {}))
    kind = draw.choice(("int32", "int64"))
    info = np.iinfo(kind)
    far = lambda: draw.choice((*range(-8, 9), info.max, info.min, info.min + 1, 1000, -1000)) if draw.chance(0.8) else draw.int(-3, 3)
    steps = [draw.choice((1, 1, 1, -1, -1, 2, -2, 3, -3, 7, 2**31 - 1 if draw.chance(0.1) else 1)) for _ in axes]
    steps = draw.ints(steps, dtype=kind) if draw.chance(0.7) else ""
    default = axes == list(range(len(axes))) and draw.chance(0.7) and not steps
    inputs = [draw.input(draw.array(dtype, shape)), draw.ints([far() for _ in axes], dtype=kind), draw.ints([far() for _ in axes], dtype=kind)]
    return draw.node(op, [*inputs, "" if default else draw.ints(axes, dtype=kind), steps])


def indices(draw, shape, size, negative=True):
    if size == 0 and np.prod(shape) != 0:
        raise NoCase
    low = -size if negative and draw.chance(0.5) else 0
    return draw.array(draw.choice(("int32", "int64")), shape, edges=False, low=low, high=max(size - 1, low))


@family("Gather")
def gather(draw, op):
    shape = draw.shape(draw.int(1, 4))
    axis = draw.axis(len(shape))
    index = indices(draw, draw.shape(most=2), shape[axis], draw.opset >= 11)
    return draw.node(op, [draw.input(draw.array(draw.dtype(op), shape)), draw.input(index)], **({"axis": axis} if axis else {}))


@family("GatherElements", "ScatterElements", "Scatter")
def gather_elements(draw, op):
    dtype, shape = draw.dtype(op), draw.shape(draw.int(1, 3))
    axis = draw.axis(len(shape)) if op != "Scatter" else draw.int(0, len(shape) - 1)
    index = indices(draw, [draw.int(0, size) for size in shape], shape[axis], op != "Scatter")
    given = {"axis": axis} if axis else {}
    x = draw.input(draw.array(dtype, shape))
    if op == "GatherElements":
        return draw.node(op, [x, draw.input(index)], **given)
    mode = "none" if draw.opset < 16 or op == "Scatter" else draw.choice(("none", "add", "mul") + (("min", "max") if draw.opset >= 18 else ()))
    if mode == "none":
        # Equal indices would leave the order open.
        order = draw.np.permuted(np.broadcast_to(np.arange(shape[axis]).reshape([-1 if i == axis % len(shape) else 1 for i in range(len(shape))]), shape), axis=axis)
        index = order[tuple(slice(0, n) for n in index.shape)].astype(index.dtype)
    elif draw.chance(0.8) or op != "Scatter":
        given["reduction"] = mode
    return draw.node(op, [x, draw.input(index), draw.input(draw.array(dtype, index.shape))], **given)


@family("GatherND", "ScatterND")
def gather_nd(draw, op):
    dtype, shape = draw.dtype(op), draw.shape(draw.int(1, 4), least=1)
    batch = draw.int(0, min(1, len(shape) - 1)) if op == "GatherND" and draw.opset >= 12 else 0
    depth = draw.int(1, len(shape) - batch)
    lead = shape[:batch] + draw.shape(draw.int(0 if batch else 1, 2), least=1)
    index = np.stack([draw.np.integers(-size if draw.opset >= 11 and draw.chance(0.5) else 0, size, lead) for size in shape[batch:batch + depth]], -1).astype(np.int64)
    x = draw.input(draw.array(dtype, shape))
    if op == "GatherND":
        return draw.node(op, [x, draw.input(index)], **({"batch_dims": batch} if batch else {}))
    mode = "none" if draw.opset < 16 else draw.choice(("none", "add", "mul") + (("min", "max") if draw.opset >= 18 else ()))
    if mode == "none":
        places = list(np.ndindex(*shape[:depth]))
        count = min(len(places), max(1, draw.size()))
        index = np.array(draw.random.sample(places, count), dtype=np.int64)
        lead = [count]
    updates = draw.array(dtype, [*lead, *shape[depth:]])
    return draw.node(op, [x, draw.input(index), draw.input(updates)], **({"reduction": mode} if mode != "none" else {}))


@family("DepthToSpace", "SpaceToDepth")
def depth_to_space(draw, op):
    block, n, c, h, w = draw.int(1, 3), draw.size(), draw.size(), draw.size(), draw.size()
    if op == "DepthToSpace":
        given = draw.some(mode=draw.choice(("DCR", "CRD"))) if draw.opset >= 11 else {}
        return draw.node(op, [draw.input(draw.array(draw.dtype(op), [n, c * block * block, h, w]))], blocksize=block, **given)
    return draw.node(op, [draw.input(draw.array(draw.dtype(op), [n, c, h * block, w * block]))], blocksize=block)


@family("Compress")
def compress(draw, op):
    shape = draw.shape(draw.int(1, 3))
    axis = draw.axis(len(shape)) if draw.chance(0.6) else None
    if draw.opset < 11 and axis is not None:
        axis %= len(shape)
    size = shape[axis] if axis is not None else int(np.prod(shape))
    return draw.node(op, [draw.input(draw.array(draw.dtype(op), shape)), draw.input(draw.array("bool", [draw.int(0, size)]))], axis=axis)


@family("OneHot")
def one_hot(draw, op):
    depth, shape = draw.int(1, 5), draw.shape(most=3)
    kind, dtype = draw.dtype(op, 0, ("int64", "int32", "float32")), draw.dtype(op, 2)
    index = draw.array(kind, shape, edges=False, low=-depth if draw.opset >= 11 else 0, high=depth - 1)
    index = np.trunc(index)
    axis = draw.choice((-1, 0, len(shape)))
    depth = np.array(depth if draw.chance(0.5) else [depth], draw.choice(("int64", "int32")))
    return draw.node(op, [draw.input(index), draw.input(depth, draw.chance(0.8)), draw.input(draw.array(dtype, [2], edges=False))], **draw.some(axis=axis))


@family("TopK")
def top_k(draw, op):
    dtype, shape = draw.dtype(op), draw.shape(draw.int(1, 4))
    axis = draw.axis(len(shape)) if draw.opset >= 11 else draw.int(0, len(shape) - 1)
    k = draw.int(0, shape[axis]) if draw.opset >= 11 else draw.int(min(1, shape[axis]), shape[axis])
    total = int(np.prod(shape))
    values = np.asarray(draw.np.permutation(total)).reshape(shape).astype(dtype)
    if draw.chance(0.3) and draw.opset >= 11:
        values = draw.array(dtype, shape, edges=False)
        values = np.round(values) if dtype in FLOATS else values
    x = draw.input(values)
    if draw.opset < 10:
        if k < 1:
            raise NoCase
        return draw.node(op, [x], 2, k=k, axis=axis)
    given = draw.some(largest=draw.int(0, 1)) if draw.opset >= 11 else {}
    return draw.node(op, [x, draw.ints([k])], 2, axis=axis, **given)


@family("Unique")
def unique(draw, op):
    shape = draw.shape(draw.int(1, 3), least=1)
    axis = draw.axis(len(shape)) if draw.chance(0.4) else None
    array = draw.array(draw.dtype(op), shape, edges=False)
    array = np.round(array / 2) if array.dtype.kind == "f" else array
    return draw.node(op, [draw.input(array)], draw.choice(([1], [1, 1, 1, 1], [1, 0, 1], [1, 0, 0, 1])), axis=axis, **draw.some(sorted=draw.int(0, 1) if draw.chance(0.2) else 1))


@family("Trilu")
def trilu(draw, op):
    shape = draw.shape(draw.int(2, 4))
    k = draw.ints(draw.int(-4, 4)) if draw.chance(0.6) else ""
    return draw.node(op, [draw.input(draw.array(draw.dtype(op), shape)), k], **draw.some(upper=draw.int(0, 1)))


@family("EyeLike")
def eye_like(draw, op):
    kinds = draw.allowed(op, 0)
    return draw.node(op, [draw.input(draw.array(draw.dtype(op), draw.shape(2), edges=False))], **draw.some(k=draw.int(-3, 3), dtype=number(draw.choice(kinds))))


@family("Range")
def range_(draw, op):
    dtype = draw.dtype(op)
    step = draw.choice((1, 2, 3, -1, -2))
    if dtype in FLOATS and draw.chance(0.5):
        step = step / 2
    values = [draw.int(-3, 3), draw.int(-5, 8), step]
    return draw.node(op, [draw.input(np.array(value, dtype), draw.chance(0.6)) for value in values])


@family("ConstantOfShape")
def constant_of_shape(draw, op):
    kinds = [kind for kind in DTYPES if kind in draw.allowed(op, 0, DTYPES) or True]
    value = helper.make_tensor("value", number(kind := draw.choice(kinds)), [1], draw.array(kind, [1], edges=False).tolist())
    return draw.node(op, [draw.ints(draw.shape())], **draw.some(value=value))


@family("Shape")
def shape_(draw, op):
    shape = draw.shape()
    given = draw.some(start=draw.int(-5, 5), end=draw.int(-5, 5)) if draw.opset >= 15 else {}
    return draw.node(op, [draw.input(draw.array(draw.dtype(op), shape))], **given)


@family("Constant")
def constant(draw, op):
    if draw.opset < 12:
        dtype = draw.choice(draw.allowed(op, 0) or DTYPES)
        shape = draw.shape()
        return draw.node(op, [], value=helper.make_tensor("v", number(dtype), shape, draw.array(dtype, shape).reshape(-1).tolist()))
    return draw.node(op, [], **draw.choice(({"value_float": 1.5}, {"value_int": 3}, {"value_ints": [1, 2]}, {"value_floats": [1.5, 2.5]})))


@family("ReverseSequence")
def reverse_sequence(draw, op):
    shape = draw.shape(draw.int(2, 4), least=1)
    time = draw.int(0, 1)
    steps = draw.array("int64", [shape[1 - time]], edges=False, low=1, high=shape[time])
    return draw.node(op, [draw.input(draw.array(draw.dtype(op), shape)), draw.input(steps)], time_axis=time, batch_axis=1 - time)


@family("CenterCropPad")
def center_crop_pad(draw, op):
    shape = draw.shape(draw.int(1, 4), least=1)
    axes = draw.axes(len(shape), 1) if draw.chance(0.6) else None
    sizes = [draw.size(1) for _ in (axes if axes is not None else shape)]
    return draw.node(op, [draw.input(draw.array(draw.dtype(op), shape)), draw.ints(sizes)], axes=axes)


@family("Col2Im")
def col2im(draw, op):
    rank = draw.int(1, 2) if draw.chance(0.5) else 2
    image, block = [draw.int(2, 6) for _ in range(rank)], [draw.int(1, 2) for _ in range(rank)]
    given = draw.some(strides=[draw.int(1, 2) for _ in range(rank)], dilations=[draw.int(1, 2) for _ in range(rank)], pads=[draw.int(0, 1) for _ in range(2 * rank)])
    count = 1
    for i in range(rank):
        pads, dilation = given.get("pads", [0] * 2 * rank), given.get("dilations", [1] * rank)[i]
        n = (image[i] + pads[i] + pads[rank + i] - dilation * (block[i] - 1) - 1) // given.get("strides", [1] * rank)[i] + 1
        if n < 1:
            raise NoCase
        count *= n
    x = draw.array(draw.dtype(op), [draw.size(1), draw.int(1, 2) * int(np.prod(block)), count], edges=False)
    return draw.node(op, [draw.input(x), draw.ints(image), draw.ints(block)], **given)


@family("Resize")
def resize(draw, op):
    dtype, shape = draw.dtype(op), [draw.size(1), draw.int(1, 2), *draw.shape(draw.int(1, 2), least=1)]
    rank = len(shape)
    scales = [1.0, 1.0, *[draw.choice((0.5, 0.6, 1.0, 1.5, 2.0, 3.0, 0.34)) for _ in shape[2:]]]
    if any(int(n * s) < 1 for n, s in zip(shape, scales)):
        raise NoCase
    x = draw.input(draw.array(dtype, shape, edges=False))
    mode = draw.choice(("nearest", "linear") if rank != 4 or draw.opset < 11 else ("nearest", "linear", "cubic"))
    given = {"mode": mode}
    scale_input = draw.input(np.array(scales, np.float32), draw.chance(0.8))
    if draw.opset == 10:
        return draw.node(op, [x, scale_input], **given)
    transforms = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
    if draw.opset < 13:
        transforms.append("tf_half_pixel_for_nn") if mode == "nearest" else None
    if draw.opset >= 19:
        transforms.append("half_pixel_symmetric")
    given |= draw.some(coordinate_transformation_mode=draw.choice(transforms))
    if mode == "nearest":
        given |= draw.some(nearest_mode=draw.choice(("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")))
    if mode == "cubic":
        given |= draw.some(cubic_coeff_a=-0.5, exclude_outside=1)
    if draw.opset >= 18 and mode in ("linear", "cubic"):
        given |= draw.some(antialias=draw.int(0, 1))
    sized = draw.chance(0.5)
    given_shape = [max(1, int(n * s)) for n, s in zip(shape, scales)]
    if draw.opset >= 18 and draw.chance(0.3):
        axes = draw.random.sample(range(2, rank), rank - 2)
        given["axes"] = axes
        given_shape, scales = [given_shape[axis] for axis in axes], [scales[axis] for axis in axes]
        if sized and draw.chance(0.5):
            given["keep_aspect_ratio_policy"] = draw.choice(("stretch", "not_larger", "not_smaller"))
        scale_input = draw.input(np.array(scales, np.float32), True)
    none = "" if draw.opset >= 13 else draw.input(np.zeros(0, np.float32), True)
    if sized:
        empty = "" if draw.opset >= 13 else draw.input(np.zeros(0, np.float32), True)
        return draw.node(op, [x, none, empty, draw.ints(given_shape)], **given)
    return draw.node(op, [x, none, scale_input], **given)


@family("Upsample")
def upsample(draw, op):
    shape = [draw.size(1), 2, *draw.shape(2, least=1)]
    scales = [1.0, 1.0, *[draw.choice((1.0, 1.5, 2.0, 3.0)) for _ in range(2)]]
    x = draw.input(draw.array(draw.dtype(op), shape, edges=False))
    mode = draw.some(mode=draw.choice(("nearest", "linear")))
    if draw.opset < 9:
        return draw.node(op, [x], scales=scales, **mode)
    return draw.node(op, [x, draw.input(np.array(scales, np.float32), True)], **mode)


@family("GridSample")
def grid_sample(draw, op):
    # Samples of integers are rounded by no rule of the standard.
    dtype, rank = draw.dtype(op, 0, FLOATS), 2 if draw.opset < 20 else draw.int(2, 3)
    shape, out = [draw.size(1), draw.size(1), *draw.shape(rank, least=1)], draw.shape(rank, least=1)
    modes = ("bilinear", "nearest", "bicubic") if draw.opset < 20 else ("linear", "nearest", "cubic") if rank == 2 else ("linear", "nearest")
    given = draw.some(mode=draw.choice(modes), padding_mode=draw.choice(("zeros", "border", "reflection")), align_corners=draw.int(0, 1))
    grid = draw.array("float32" if dtype not in FLOATS else draw.choice(draw.allowed(op, 1)), [shape[0], *out, rank], edges=False, low=-1.3, high=1.3)
    return draw.node(op, [draw.input(draw.array(dtype, shape, edges=False)), draw.input(grid)], **given)


@family("AffineGrid")
def affine_grid(draw, op):
    rank, n = draw.int(2, 3), draw.size(1)
    theta = draw.array(draw.dtype(op), [n, rank, rank + 1], edges=False)
    return draw.node(op, [draw.input(theta), draw.ints([n, 2, *draw.shape(rank, least=1)])], **draw.some(align_corners=draw.int(0, 1)))


@family("RoiAlign")
def roi_align(draw, op):
    dtype, shape = draw.dtype(op), [draw.int(1, 2), draw.int(1, 2), draw.int(3, 6), draw.int(3, 6)]
    count = draw.int(1, 3)
    corners = draw.np.uniform(0, 2, (count, 2))
    rois = np.concatenate([corners, corners + draw.np.uniform(1, 3, (count, 2))], 1).astype(dtype)
    batch = draw.array("int64", [count], edges=False, low=0, high=shape[0] - 1)
    given = draw.some(mode=draw.choice(("avg", "max")), output_height=2, output_width=3, sampling_ratio=draw.int(0, 2), spatial_scale=0.5)
    if draw.opset >= 16:
        given |= draw.some(coordinate_transformation_mode=draw.choice(("half_pixel", "output_half_pixel")))
    return draw.node(op, [draw.input(draw.array(dtype, shape, edges=False)), draw.input(rois), draw.input(batch)], **given)


@family("LSTM", "GRU", "RNN")
def recurrent(draw, op):
    dtype, gates = draw.dtype(op), {"LSTM": 4, "GRU": 3, "RNN": 1}[op]
    steps, batch, width, hidden = draw.int(1, 3), draw.int(1, 2), draw.int(1, 3), draw.int(1, 3)
    direction = draw.choice(("forward", "forward", "reverse", "bidirectional"))
    ways = 2 if direction == "bidirectional" else 1
    if dtype == "float64":
        # ONNX Runtime, the only oracle for these (see onnx_verdicts.py), has no kernel.
        raise NoCase
    make = lambda *shape: draw.input(draw.array(dtype, shape, edges=False, low=-1, high=1))
    maybe = lambda *shape: make(*shape) if draw.chance(0.5) else ""
    inputs = [make(steps, batch, width), make(ways, gates * hidden, width), make(ways, gates * hidden, hidden), maybe(ways, 2 * gates * hidden)]
    inputs.append(draw.input(draw.array("int32", [batch], edges=False, low=1, high=steps)) if draw.chance(0.2) else "")
    inputs.append(maybe(ways, batch, hidden))
    if op == "LSTM":
        inputs += [maybe(ways, batch, hidden), make(ways, 3 * hidden) if draw.chance(0.3) else ""]
    given = {"hidden_size": hidden}
    if direction != "forward" or draw.chance(0.3):
        given["direction"] = direction
    if op == "GRU":
        given |= draw.some(linear_before_reset=draw.int(0, 1))
    if draw.chance(0.2):
        given["clip"] = 0.7
    if draw.chance(0.2):
        names = {"LSTM": ["Sigmoid", "Tanh", "Relu"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Relu"]}[op]
        given["activations"] = names * ways
    outputs = draw.choice(([1, 1], [1], [0, 1])) if op != "LSTM" else draw.choice(([1, 1, 1], [1], [0, 1, 1]))
    return draw.node(op, inputs, outputs, **given)


def info(name, dtype, shape=None):
    return helper.make_tensor_value_info(name, number(dtype), shape)


@family("If")
def if_(draw, op):
    shape = draw.shape()
    x, condition = draw.input(draw.array("float32", shape), False), draw.input(draw.array("bool", draw.choice(([], [1]))))
    branch = lambda kind, name: helper.make_graph([helper.make_node(kind, [x], [name])], name, [], [info(name, "float32", shape)])
    return draw.node(op, [condition], then_branch=branch("Neg", "then_y"), else_branch=branch("Abs", "else_y"))


@family("Loop")
def loop(draw, op):
    shape = draw.shape(most=2, least=1)
    x = draw.input(draw.array("float32", shape, edges=False), False)
    count = draw.ints(draw.int(1, 3)) if draw.chance(0.7) else ""
    on = draw.input(np.array(True)) if not count or draw.chance(0.5) else ""
    body = helper.make_graph([helper.make_node("Add", ["s", x], ["t"]), helper.make_node("Constant", [], ["three"], value=helper.make_tensor("v", TensorProto.INT64, [], [2])),
                              helper.make_node("Less", ["i", "three"], ["go"]), helper.make_node("Identity", ["t"], ["item"])],
                             "body", [info("i", "int64", []), info("on", "bool", []), info("s", "float32", shape)],
                             [info("go", "bool", []), info("t", "float32", shape), info("item", "float32", shape)])
    return draw.node(op, [count, on, x], 2, body=body)


@family("Scan")
def scan(draw, op):
    if draw.opset < 9:
        raise NoCase
    shape = draw.shape(draw.int(2, 3), least=1)
    axis = draw.int(0, len(shape) - 1)
    inner = shape[:axis] + shape[axis + 1:]
    body = helper.make_graph([helper.make_node("Add", ["s", "e"], ["t"]), helper.make_node("Mul", ["t", "e"], ["item"])], "body",
                             [info("s", "float32", inner), info("e", "float32", inner)], [info("t", "float32", inner), info("item", "float32", inner)])
    state, x = draw.input(draw.array("float32", inner, edges=False)), draw.input(draw.array("float32", shape, edges=False))
    given = {"scan_input_axes": [axis]} if axis else {}
    given |= draw.some(scan_input_directions=[draw.int(0, 1)], scan_output_directions=[draw.int(0, 1)])
    if draw.chance(0.4):
        given["scan_output_axes"] = [draw.int(0, len(inner))]
    return draw.node(op, [state, x], 2, body=body, num_scan_inputs=1, **given)


@family("SequenceAt", "SequenceLength", "SplitToSequence", "ConcatFromSequence", "SequenceInsert", "SequenceErase")
def sequences(draw, op):
    shape = draw.shape(draw.int(1, 3), least=1)
    axis, dtype = draw.axis(len(shape)), draw.choice(("float32", "int64", "float64", "int32"))
    x = draw.input(draw.array(dtype, shape))
    if op == "SplitToSequence":
        keep = draw.int(0, 1)
        sequence = draw.node(op, [x], axis=axis, keepdims=keep) if draw.chance(0.5) else draw.node(op, [x, draw.ints(draw.int(1, 2), True)], axis=axis)
        return draw.node("SequenceAt", [sequence[0], draw.ints(0, True)])
    sequence = draw.node("SequenceConstruct", [x] * draw.int(2, 3))[0]
    if op == "SequenceInsert":
        sequence = draw.node(op, [sequence, x, *([draw.ints(draw.int(-2, 2))] if draw.chance(0.6) else [])])[0]
    if op == "SequenceErase":
        sequence = draw.node(op, [sequence, *([draw.ints(draw.int(-2, 1))] if draw.chance(0.6) else [])])[0]
    if op == "ConcatFromSequence":
        return draw.node(op, [sequence], axis=axis, **draw.some(new_axis=draw.int(0, 1)))
    return draw.node("SequenceLength", [sequence]) if op == "SequenceLength" else draw.node("SequenceAt", [sequence, draw.ints(draw.int(-1, 0))])


@family("DFT")
def dft(draw, op):
    shape = [draw.size(1), *draw.shape(draw.int(1, 2), least=1), draw.int(1, 2)]
    x = draw.input(draw.array(draw.dtype(op, 0, ("float32", "float64")), shape, edges=False))
    inverse = draw.int(0, 1) if shape[-1] == 2 else 0
    given = draw.some(onesided=1) if shape[-1] == 1 else draw.some(inverse=inverse)
    length = draw.ints(draw.int(1, 6)) if draw.chance(0.3) else ""
    if draw.opset < 20:
        return draw.node(op, [x, length], axis=draw.int(1, len(shape) - 2), **given)
    return draw.node(op, [x, length, draw.ints(draw.choice((*range(len(shape) - 1), -2))) if draw.chance(0.6) else ""], **given)


@family("HannWindow", "HammingWindow", "BlackmanWindow")
def windows(draw, op):
    return draw.node(op, [draw.ints(draw.int(2, 8))], **draw.some(periodic=draw.int(0, 1), output_datatype=TensorProto.DOUBLE))


@family("NonMaxSuppression")
def suppression(draw, op):
    n = draw.int(1, 5)
    corner = draw.np.uniform(0, 3, (1, n, 2))
    boxes = np.concatenate([corner, corner + draw.np.uniform(0.5, 3, (1, n, 2))], 2).astype(np.float32)
    scores = draw.np.permutation(n * 2).reshape(1, 2, n).astype(np.float32) / (2 * n)
    limits = [draw.ints([draw.int(0, 3)]), draw.input(np.array([0.4], np.float32)), draw.input(np.array([0.2], np.float32))][:draw.int(1, 3)]
    return draw.node(op, [draw.input(boxes), draw.input(scores), *limits], **draw.some(center_point_box=draw.int(0, 1)))


@family("Attention")
def attention(draw, op):
    dtype = draw.dtype(op, 0, ("float32", "float16", "float64"))
    batch, heads, queries, keys, width = draw.int(1, 2), draw.int(1, 3), draw.int(1, 3), draw.int(1, 4), draw.int(1, 3)
    make = lambda *shape: draw.input(draw.array(dtype, shape, edges=False))
    groups = heads if draw.chance(0.6) else 1
    given = draw.some(is_causal=draw.int(0, 1), scale=0.7) | ({"softcap": 2.0} if draw.chance(0.2) else {})
    if draw.chance(0.3):
        inputs = [make(batch, queries, heads * width), make(batch, keys, groups * width), make(batch, keys, groups * width)]
        given |= {"q_num_heads": heads, "kv_num_heads": groups}
    else:
        inputs = [make(batch, heads, queries, width), make(batch, groups, keys, width), make(batch, groups, keys, width)]
    if draw.chance(0.4):
        mask = draw.array(draw.choice(("bool", dtype)), [*draw.choice(([], [1], [1, 1])), queries, keys], edges=False)
        if mask.dtype == bool:
            mask[..., 0] = True
        inputs.append(draw.input(mask))
    return draw.node(op, inputs, **given)


@family("RotaryEmbedding")
def rotary(draw, op):
    dtype = draw.dtype(op, 0, ("float32", "float16"))
    batch, heads, steps, half = draw.int(1, 2), draw.int(1, 2), draw.int(1, 3), draw.int(1, 2)
    x = draw.input(draw.array(dtype, [batch, heads, steps, 2 * half], edges=False))
    given = draw.some(interleaved=draw.int(0, 1))
    if draw.chance(0.5):
        tables = [draw.input(draw.array(dtype, [5, half], edges=False)) for _ in range(2)]
        return draw.node(op, [x, *tables, draw.input(draw.array("int64", [batch, steps], edges=False, low=0, high=4))], **given)
    return draw.node(op, [x, *[draw.input(draw.array(dtype, [batch, steps, half], edges=False)) for _ in range(2)]], **given)
