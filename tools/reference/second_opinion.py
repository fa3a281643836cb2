"""Asks ONNX's checker and ONNX Runtime about models that the tests wrote.

Usage: second_opinion.py PATH...   (files, or folders of .onnx files)

Every model must pass onnx.checker with full_check and load in ONNX Runtime. Beside `m.onnx` may stand `m.safetensors`
with in_0, in_1 ... and out_0, out_1 ...: then the outputs are compared too (rtol 1e-3, atol 1e-4; both 5e-3 for outputs of float16; exact for integers).

A model that ONNX Runtime has no kernel for passes the checker only, and is counted apart. Which operators and element types these are must be what
tests/data/onnxruntime_lacks.txt says, a line each.
"""

import pathlib
import re
import sys

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file


def models(paths):
    for path in map(pathlib.Path, paths):
        yield from sorted(path.glob("*.onnx")) if path.is_dir() else [path]


def numbered(arrays, prefix):
    names = (f"{prefix}_{i}" for i in range(len(arrays)))
    return [arrays[name] for name in names if name in arrays]


# Outputs of float32 that are a float16 cast: model, output.
CAST_HALVES = {("dtype_f16", 4)}


def compare(session, path):
    """The largest difference, or None where no values are recorded."""
    recorded = path.with_suffix(".safetensors")
    if not recorded.exists():
        return None
    # numpy has no bf16: such models are loaded only.
    if '"BF16"' in recorded.read_bytes()[8 : 8 + int.from_bytes(recorded.read_bytes()[:8], "little")].decode():
        return None
    arrays = load_file(recorded)
    feeds = {value.name: array for value, array in zip(session.get_inputs(), numbered(arrays, "in"))}
    worst = 0.0
    for i, (got, expected) in enumerate(zip(session.run(None, feeds), numbered(arrays, "out"), strict=True)):
        assert got.dtype == expected.dtype and got.shape == expected.shape, (got.dtype, got.shape, expected.dtype, expected.shape)
        exact, half = got.dtype.kind in "iub", got.dtype == np.float16 or (path.name.split(".")[0], i) in CAST_HALVES
        rtol, atol = (0, 0) if exact else (5e-3, 5e-3) if half else (1e-3, 1e-4)
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol, equal_nan=True)
        if not exact and got.size:
            worst = max(worst, float(np.nanmax(np.abs(got.astype(np.float64) - expected), initial=0.0)))
    return worst


LACKS = pathlib.Path("tests/data/onnxruntime_lacks.txt")


def lacking(path, operator):
    """The operator that ONNX Runtime named, and the element types that it has in a model: of its first input, or its output."""
    graph = onnx.load(str(path), load_external_data=False).graph
    types = {info.name: info.type.tensor_type.elem_type for info in [*graph.input, *graph.value_info, *graph.output]}
    types |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    nodes = [node for node in graph.node if node.op_type == operator]
    names = {next((name for name in node.input if name), node.output[0]) for node in nodes}
    return {f"{operator} {ours(types[name])}" for name in names if name in types}


def ours(data_type):
    """The project's name of an element type: f16 for FLOAT16, i8 for INT8."""
    name = onnx.TensorProto.DataType.Name(data_type)
    short = {"FLOAT": "f32", "DOUBLE": "f64", "FLOAT16": "f16", "BFLOAT16": "bf16", "BOOL": "bool"}
    return short.get(name, name.replace("UINT", "u").replace("INT", "i").replace("FLOAT", "f").lower())


def main(paths):
    passed, failed, compared, without_kernel, lacks = 0, 0, 0, 0, set()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    for path in models(paths):
        try:
            onnx.checker.check_model(str(path), full_check=True)
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            worst = compare(session, path)
            compared += worst is not None
            passed += 1
        except Exception as error:  # every failure is reported, whatever it is
            text = str(error).strip().splitlines()
            # Element types without a kernel are ONNX Runtime's limit, not the model's fault.
            if "NOT_IMPLEMENTED" in str(error) or "Batchwise recurrent operations" in str(error):
                print(f"no kernel in ONNX Runtime: {path.name}: {text[0][:160]}")
                without_kernel += 1
                if path.name.startswith("law_") and (named := re.search(r"implementation for (\w+)\(", str(error))):
                    lacks |= lacking(path, named[1])
                continue
            failed += 1
            print(f"FAILED {path.name}: {type(error).__name__}: {text[0][:300] if text else ''}")
    lines = "".join(f"{line}\n" for line in sorted(lacks))
    if lacks and LACKS.read_text() != lines:
        fresh = pathlib.Path("target/tmp", LACKS.name)
        fresh.write_text(lines)
        print(f"FAILED {LACKS} is stale: cp {fresh} {LACKS}, and run the laws again for docs/coverage.md")
        failed += 1
    print(f"models: {passed} passed ({compared} compared by their values), {without_kernel} without a kernel in ONNX Runtime, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
