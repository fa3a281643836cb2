"""Writes ONNX's own backend tests to a folder, for tests/corpora/onnx_backend.rs.

usage: python backend_tests.py FOLDER      (needs: pip install onnx==1.23.2 numpy)

FOLDER/SUITE/NAME/model.onnx, FOLDER/SUITE/NAME/test_data_set_K/{input,output}_J.pb, and FOLDER/meta.json with the tolerances. Node and simple
tests are made by the onnx package, the others are copied from it.
"""

import json
import pathlib
import shutil
import sys

import numpy as np
import onnx
import onnx.backend.test.case.model
import onnx.backend.test.case.node
from onnx import TensorProto, numpy_helper

WRITERS = {"map_type": numpy_helper.from_dict, "sequence_type": numpy_helper.from_list, "optional_type": numpy_helper.from_optional}


def proto(value, info):
    if isinstance(value, TensorProto):
        return value
    kind = info.type.WhichOneof("value")
    return WRITERS[kind](value, info.name) if kind in WRITERS else numpy_helper.from_array(np.asarray(value), info.name)


def made(folder, meta):
    simple = [case for case in onnx.backend.test.case.model.collect_testcases() if case.kind == "simple"]
    for case in onnx.backend.test.case.node.collect_testcases(None) + simple:
        home = folder / case.kind / case.name
        home.mkdir(parents=True, exist_ok=True)
        (home / "model.onnx").write_bytes(case.model.SerializeToString())
        meta[f"{case.kind}/{case.name}"] = {"rtol": case.rtol, "atol": case.atol}
        graph = case.model.graph
        for k, (inputs, outputs) in enumerate(case.data_sets):
            data = home / f"test_data_set_{k}"
            data.mkdir(exist_ok=True)
            for prefix, values, infos in (("input", inputs, graph.input), ("output", outputs, graph.output)):
                for j, value in enumerate(values):
                    try:
                        (data / f"{prefix}_{j}.pb").write_bytes(proto(value, infos[j]).SerializeToString())
                    except Exception as error:
                        print(f"not written: {case.name} {prefix} {j}: {str(error)[:80]}")


def copied(folder, meta):
    package = pathlib.Path(onnx.__file__).parent / "backend/test/data"
    for suite in ("pytorch-converted", "pytorch-operator"):
        for home in sorted(path.parent for path in (package / suite).glob("*/model.onnx")):
            shutil.copytree(home, folder / suite / home.name, dirs_exist_ok=True)
            meta[f"{suite}/{home.name}"] = {"rtol": 1e-3, "atol": 1e-7}

    # Large networks come without inputs: an even ramp, for which the package has the outputs.
    for path in sorted((package / "light").glob("light_*.onnx")):
        home = folder / "light" / path.stem.replace("light_", "test_", 1)
        data = home / "test_data_set_0"
        data.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, home / "model.onnx")
        graph = onnx.load(path).graph
        weights = {weight.name for weight in graph.initializer}
        for j, info in enumerate(info for info in graph.input if info.name not in weights):
            shape = [dim.dim_value or 1 for dim in info.type.tensor_type.shape.dim]
            ramp = np.arange(np.prod(shape)).reshape(shape) / np.prod(shape)
            (data / f"input_{j}.pb").write_bytes(numpy_helper.from_array(ramp.astype(np.float32), info.name).SerializeToString())
        for j in range(len(graph.output)):
            shutil.copy(path.with_name(f"{path.stem}_output_{j}.pb"), data / f"output_{j}.pb")
        meta[f"light/{home.name}"] = {"rtol": 1e-3, "atol": 1e-7}


def main(folder):
    shutil.rmtree(folder, ignore_errors=True)
    meta = {}
    made(folder, meta)
    copied(folder, meta)
    folder.joinpath("meta.json").write_text(json.dumps(meta, sort_keys=True))
    print(f"{len(meta)} tests in {folder}")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
