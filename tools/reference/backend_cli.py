"""Runs ONNX's backend tests through the command line, with their inputs as inputs, and compares with ONNX's outputs.

usage: python backend_cli.py --binary target/debug/ontrace [--backend tract|eager] [--only TEXT] FOLDER      (needs: onnx, numpy)

FOLDER is what backend_tests.py writes. Counted are the tests whose inputs and outputs are tensors that .npz files carry: no sequences, maps or
optional values, no strings, and no types that numpy has not. Tolerances are those of the tests.
"""

import argparse
import collections
import concurrent.futures
import json
import pathlib
import subprocess
import tempfile

import numpy as np
import onnx
from onnx import numpy_helper

CARRIED = set("?bhilqBHILQefd")


def tensors(data, prefix, infos):
    """The arrays of a data set by name, or None where .npz does not carry one."""
    arrays = {}
    for j, info in enumerate(infos):
        path = data / f"{prefix}_{j}.pb"
        if not path.exists():
            break
        if info.type.WhichOneof("value") != "tensor_type":
            return None
        array = numpy_helper.to_array(onnx.load_tensor(path))
        if array.dtype.char not in CARRIED or info.name in arrays:
            return None
        arrays[info.name] = array
    return arrays


def difference(got, expected, rtol, atol):
    if got.shape != expected.shape:
        return f"shape {got.shape}, expected {expected.shape}"
    if got.dtype != expected.dtype:
        return f"dtype {got.dtype}, expected {expected.dtype}"
    close = np.isclose(got.astype(np.float64), expected.astype(np.float64), rtol=rtol, atol=atol, equal_nan=True) if got.dtype.char in "efd" else got == expected
    return "" if np.all(close) else f"{np.count_nonzero(~close)} of {close.size} values differ"


def attempt(binary, backend, home, meta):
    """None where a test is not counted, else what is wrong with it, or an empty string."""
    model = onnx.load(home / "model.onnx")
    weights = {weight.name for weight in model.graph.initializer}
    infos = [info for info in model.graph.input if info.name not in weights] if model.ir_version < 4 else list(model.graph.input)
    data = sorted(home.glob("test_data_set_*"))
    if not data:
        return None
    for one in data:
        inputs, outputs = tensors(one, "input", infos), tensors(one, "output", model.graph.output)
        if inputs is None or outputs is None or not outputs:
            return None
        with tempfile.TemporaryDirectory() as scratch:
            scratch = pathlib.Path(scratch)
            arguments = [binary, "run", home / "model.onnx", "--backend", backend, "--out", scratch / "out.npz"]
            if inputs:
                np.savez(scratch / "in.npz", **inputs)
                arguments += ["-i", f"@{scratch / 'in.npz'}"]
            try:
                run = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
            except subprocess.TimeoutExpired:
                return "no end after 60 s"
            if run.returncode:
                return f"exit {run.returncode}: {run.stderr.strip().splitlines()[0] if run.stderr.strip() else ''}"
            with np.load(scratch / "out.npz") as written:
                names = list(written.files)
                if len(names) != len(outputs):
                    return f"{len(names)} outputs, expected {len(outputs)}"
                for name, expected in outputs.items():
                    wrong = difference(written[name], expected, meta["rtol"], meta["atol"]) if name in names else "is not there"
                    if wrong:
                        return f"output {name}: {wrong}"
    return ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--backend", default="tract")
    parser.add_argument("--only", default="")
    parser.add_argument("folder", type=pathlib.Path)
    options = parser.parse_args()
    meta = json.loads((options.folder / "meta.json").read_text())
    names = [name for name in sorted(meta) if options.only in name]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda name: attempt(options.binary, options.backend, options.folder / name, meta[name]), names))
    kinds = collections.Counter()
    for name, wrong in zip(names, results):
        if wrong:
            kinds[wrong.split("'")[0][:60]] += 1
            print(f"{name}: {wrong[:200]}")
    counted = [wrong for wrong in results if wrong is not None]
    print(f"{options.backend}: {counted.count('')} of {len(counted)} tests pass, {len(names) - len(counted)} are not for .npz")


if __name__ == "__main__":
    main()
