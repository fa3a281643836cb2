"""Changes valid ONNX files in one place, and looks for those that `ontrace check` accepts and ONNX Runtime refuses.

usage: onnx_mutants.py [--ontrace PATH] [--seed N] [--count N] [--jobs N] [--leave FOLDER]

The valid files are the cases of onnx_graphs.py. A refusal counts where it is for a reason of the standard: not where ONNX Runtime has no kernel, and
not for the reasons in OWN. Exit status 1 where there is one. Needs onnx, onnxruntime and numpy.
"""
import argparse
import collections
import concurrent.futures
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import AttributeProto, defs, helper

import onnx_graphs

# Refusals of ONNX Runtime that are not the standard's: part of the message, and why.
OWN = [
    ("NOT_IMPLEMENTED", "no kernel for these types"),
    ("Could not find an implementation", "no kernel for these types"),
    ("InsertedPrecisionFreeCast", "its own casts around f16 are not valid in the opset"),
    ("No opset import for domain 'ai.onnx'", "does not know the other spelling of ONNX's domain"),
    ("_inlfunc_", "inlines the body of a function for a type that the body's operators do not take"),
    ("hidden_size", "needs an attribute that the schema lets be absent"),
    ("size_ % 2 == 1", "normalises over odd numbers of channels only; the formula of the standard has even ones"),
    ("is till opset", "does not know the opset yet"),
    ("Unsupported model IR version", "does not know the IR version yet"),
]

NAMES = sorted({schema.name for schema in defs.get_all_schemas() if schema.domain == ""})


class Nothing(Exception):
    """The graph has nothing of this kind to change."""


def pick(draw, items):
    items = list(items)
    if not items:
        raise Nothing
    return draw.choice(items)


def graphs(model):
    """The graph and those inside it."""
    found = [model.graph]
    for graph in found:
        found += [attribute.g for node in graph.node for attribute in node.attribute if attribute.type == AttributeProto.GRAPH]
    return found


def node(draw, model):
    return pick(draw, [node for graph in graphs(model) for node in graph.node])


def attribute(draw, model):
    return pick(draw, [attribute for graph in graphs(model) for node in graph.node for attribute in node.attribute])


def value(draw, model):
    return pick(draw, [value for graph in graphs(model) for value in [*graph.input, *graph.output, *graph.value_info]])


def rename_attribute(draw, model):
    chosen = attribute(draw, model)
    text = list(chosen.name)
    at = draw.randrange(len(text))
    text[at] = chr(ord(text[at]) ^ 1)
    chosen.name = "".join(text)


def drop_attribute(draw, model):
    chosen = pick(draw, [node for graph in graphs(model) for node in graph.node if node.attribute])
    del chosen.attribute[draw.randrange(len(chosen.attribute))]


def double_attribute(draw, model):
    chosen = pick(draw, [node for graph in graphs(model) for node in graph.node if node.attribute])
    chosen.attribute.append(pick(draw, chosen.attribute))


def add_attribute(draw, model):
    name = draw.choice(("axis", "alpha", "mode", "keepdims", "to", "axes", "epsilon", "training_mode", "value"))
    node(draw, model).attribute.append(helper.make_attribute(name, draw.choice((1, 0, 1.5, "constant", [1, 2]))))


def retype_attribute(draw, model):
    attribute(draw, model).type = draw.choice((0, 1, 2, 3, 4, 6, 7, 8, 42))


def change_attribute(draw, model):
    chosen = attribute(draw, model)
    if chosen.type == AttributeProto.INT:
        chosen.i = draw.choice((-1, 0, 1, 2, 5, -7, 100, chosen.i + 1))
    elif chosen.type == AttributeProto.INTS:
        kind = draw.randrange(3)
        if kind == 0:
            chosen.ints.append(draw.choice((0, 1, -1)))
        elif chosen.ints and kind == 1:
            chosen.ints.pop()
        elif chosen.ints:
            chosen.ints[draw.randrange(len(chosen.ints))] = draw.choice((-1, 0, 9, 100))
    elif chosen.type == AttributeProto.STRING:
        chosen.s = draw.choice((b"", b"NOTSET", b"zork", chosen.s[:-1], chosen.s + b"x"))
    else:
        raise Nothing


def drop_input(draw, model):
    chosen = pick(draw, [node for graph in graphs(model) for node in graph.node if node.input])
    at = draw.randrange(len(chosen.input))
    if draw.random() < 0.5:
        chosen.input[at] = ""
    else:
        del chosen.input[at]


def add_input(draw, model):
    chosen = pick(draw, [node for graph in graphs(model) for node in graph.node if node.input])
    chosen.input.insert(draw.randrange(len(chosen.input) + 1), pick(draw, chosen.input))


def rename_input(draw, model):
    chosen = pick(draw, [node for graph in graphs(model) for node in graph.node if node.input])
    names = [name for graph in graphs(model) for name in [*(v.name for v in graph.input), *(t.name for t in graph.initializer)]]
    chosen.input[draw.randrange(len(chosen.input))] = draw.choice([*names, "nowhere", *chosen.output])


def change_outputs(draw, model):
    chosen = node(draw, model)
    kind = draw.randrange(4)
    if kind == 0:
        chosen.output.append(draw.choice(("extra", chosen.output[0], "")))
    elif kind == 1:
        chosen.output.pop()
    elif kind == 2:
        chosen.output[0] = ""
    else:
        chosen.output[draw.randrange(len(chosen.output))] = pick(draw, [v.name for v in model.graph.input])


def change_operator(draw, model):
    node(draw, model).op_type = draw.choice(NAMES)


def change_domain(draw, model):
    node(draw, model).domain = draw.choice(("ai.onnx.ml", "com.microsoft", "ai.onnx", "zork"))


def change_opset(draw, model):
    model.opset_import[0].version = draw.choice((1, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 17, 18, 19, 20, 21, 22, 23))


def change_imports(draw, model):
    kind = draw.randrange(4)
    if kind == 0:
        del model.opset_import[:]
    elif kind == 1:
        model.opset_import[0].domain = draw.choice(("ai.onnx", "ai.onnx.ml", "zork"))
    elif kind == 2:
        model.opset_import.append(helper.make_opsetid("", draw.choice((7, 12, 18))))
    else:
        model.opset_import.append(helper.make_opsetid(draw.choice(("zork", "ai.onnx.ml")), 1))


def change_ir(draw, model):
    model.ir_version = draw.choice((0, 1, 2, 3, 4, 5, 7, 10))


def change_element_type(draw, model):
    value(draw, model).type.tensor_type.elem_type = draw.choice((0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16))


def change_shape(draw, model):
    kind = value(draw, model).type
    shape = kind.tensor_type.shape
    choice = draw.randrange(4)
    if choice == 0:
        shape.dim.add().dim_value = draw.choice((0, 1, 2, 3))
    elif choice == 1 and shape.dim:
        del shape.dim[draw.randrange(len(shape.dim))]
    elif choice == 2 and shape.dim:
        pick(draw, shape.dim).dim_value = draw.choice((-1, 0, 1, 2, 3, 4, 6))
    else:
        kind.Clear() if draw.random() < 0.3 else kind.tensor_type.ClearField("shape")


def add_value_info(draw, model):
    graph = pick(draw, graphs(model))
    name = pick(draw, [name for node in graph.node for name in node.output if name])
    graph.value_info.append(helper.make_tensor_value_info(name, draw.choice((1, 7, 9, 11)), [draw.choice((1, 2, 3)) for _ in range(draw.randrange(4))]))


def change_values(draw, model):
    """An input, output or initializer of a graph goes, comes twice or changes its name."""
    graph = pick(draw, graphs(model))
    of = pick(draw, [values for values in (graph.input, graph.output, graph.initializer, graph.node) if len(values)])
    kind = draw.randrange(5)
    at = draw.randrange(len(of))
    if kind == 0:
        del of[at]
    elif kind == 1:
        of.append(of[at])
    elif kind == 2:
        of[at].name = draw.choice(("", "other", *(v.name for v in graph.output), *(v.name for v in graph.input)))
    elif kind == 3:
        order = list(of)
        draw.shuffle(order)
        del of[:]
        of.extend(order)
    else:
        del of[:]


def change_initializer(draw, model):
    tensor = pick(draw, [tensor for graph in graphs(model) for tensor in graph.initializer])
    kind = draw.randrange(4)
    if kind == 0:
        tensor.data_type = draw.choice((0, 1, 6, 7, 9, 11, 12))
    elif kind == 1:
        tensor.dims.append(draw.choice((0, 1, 2)))
    elif kind == 2:
        tensor.raw_data = tensor.raw_data[:-1]
    elif len(tensor.dims):
        tensor.dims[draw.randrange(len(tensor.dims))] = draw.choice((0, 1, 2, 5, -1))
    else:
        raise Nothing


def retype_initializer(draw, model):
    """An initializer as a whole of another type."""
    tensor = pick(draw, [tensor for graph in graphs(model) for tensor in graph.initializer])
    array = onnx.numpy_helper.to_array(tensor).astype(draw.choice(("float32", "float64", "int32", "int64", "bool", "uint8")))
    tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))


def flip_bit(draw, model):
    data = bytearray(model.SerializeToString())
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(data)


CHANGES = [rename_attribute, drop_attribute, double_attribute, add_attribute, retype_attribute, change_attribute, drop_input, add_input, rename_input,
           change_outputs, change_operator, change_domain, change_opset, change_imports, change_ir, change_element_type, change_shape, add_value_info,
           change_values, change_initializer, retype_initializer, flip_bit]


def mutant(seed):
    draw = random.Random(seed)
    case = onnx_graphs.case(seed)
    for _ in range(100):
        model = onnx.ModelProto()
        model.CopyFrom(case.model)
        change = draw.choice(CHANGES)
        try:
            data = change(draw, model) or model.SerializeToString()
        except (Nothing, ValueError):  # protobuf takes no unknown number of a type
            continue
        if data != case.model.SerializeToString():
            return case, change.__name__, data
    raise Nothing


def refusal(data):
    """Why ONNX Runtime takes no such model: "" where it does, None where it crashes. It is asked in a child process."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        options = onnxruntime.SessionOptions()
        options.log_severity_level, options.intra_op_num_threads = 4, 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
            text = "valid"
        except Exception as error:
            text = str(error) or "refused"
        os.write(writer, text.encode(errors="replace")[:4000])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        text = pipe.read().decode(errors="replace")
    os.waitpid(child, 0)
    return {"valid": "", "": None}.get(text, text)


def examine(arguments):
    program, seed, leave = arguments
    try:
        case, change, data = mutant(seed)
    except (Nothing, onnx_graphs.NoCase):
        return None
    message = refusal(data)
    if not message:
        return seed, change, "crash" if message is None else "valid", ""
    if any(text in message for text, _ in OWN):
        return seed, change, "no kernel", ""
    with tempfile.TemporaryDirectory() as folder:
        path, feed = pathlib.Path(folder, "model.onnx"), pathlib.Path(folder, "feed.npz")
        path.write_bytes(data)
        np.savez(feed, **case.feeds)
        try:
            done = subprocess.run([program, "check", "-q", path], capture_output=True, text=True, timeout=60)
            code = done.returncode
        except subprocess.TimeoutExpired:
            code = "timeout"
    if code == 0 and leave:
        pathlib.Path(leave).mkdir(parents=True, exist_ok=True)
        pathlib.Path(leave, f"{change}_{seed}.onnx").write_bytes(data)
    return seed, f"{change} ({case.op} {case.opset})", "accepted" if code == 0 else "refused" if code in (1, 2, 3, 4, 5, 6) else f"exit {code}", message


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ontrace", default="target/debug/ontrace")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--leave", help="a folder for the mutants that are accepted")
    given = parser.parse_args()
    onnxruntime.set_default_logger_severity(4)
    counts = collections.Counter()
    with concurrent.futures.ProcessPoolExecutor(given.jobs) as pool:
        for row in pool.map(examine, [(given.ontrace, given.seed + i, given.leave) for i in range(given.count)], chunksize=8):
            if row is None:
                continue
            counts[row[2]] += 1
            if row[2] not in ("valid", "refused", "no kernel", "crash"):
                print(row[0], row[1], row[2], re.sub(r"\s+", " ", row[3])[:300], sep="\t", flush=True)
    print(f"{sum(counts.values())} mutants, seeds {given.seed} to {given.seed + given.count - 1}: valid in ONNX Runtime {counts['valid']}, "
          f"without a kernel {counts['no kernel']}, ONNX Runtime crashes {counts['crash']}, refused by both {counts['refused']}, accepted by check {counts['accepted']}")
    return 1 if counts["accepted"] else 0


if __name__ == "__main__":
    sys.exit(main())
