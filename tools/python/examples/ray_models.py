"""Converts a folder of models, and runs one over the partitions of a data set, as tasks of Ray.

    python ray_models.py FOLDER

Needs `pip install "ray[data]" ontrace`. Shown, not run by the project's tests: `examples/dask_models.py` is.
"""

import pathlib
import sys

import numpy as np
import ray

import ontrace


@ray.remote(num_cpus=1, max_retries=1)
def convert(path):
    """One task: what came of a model. A worker that is killed (memory) is tried once more elsewhere."""
    try:
        conversion = ontrace.convert(path, path.with_suffix(".onnx"))
        return path.name, "verified" if conversion.verified else "not verified"
    except ontrace.Error as error:
        return path.name, f"{error.code} {error.message}"


class Infer:
    """An actor that loads the model once; Ray Data gives it batches."""

    def __init__(self, path):
        self.session = ontrace.Session(path)

    def __call__(self, batch):
        return {"scores": self.session(np.ascontiguousarray(batch["data"], dtype=np.float32))}


def main(folder):
    ray.init()
    pending = [convert.remote(path) for path in sorted(pathlib.Path(folder).iterdir()) if path.suffix in (".pt", ".pt2")]
    while pending:
        done, pending = ray.wait(pending)
        print(*ray.get(done[0]))

    path = str(pathlib.Path(folder) / "resnet_tiny.onnx")
    ontrace.convert(pathlib.Path(folder) / "resnet_tiny.pt", path, dynamic="x:0=batch")
    images = ray.data.range_tensor(64, shape=(3, 32, 32))
    scores = images.map_batches(Infer, fn_constructor_args=(path,), batch_size=16, concurrency=2)
    print("scores", len(scores.take_all()))


if __name__ == "__main__":
    main(sys.argv[1])
