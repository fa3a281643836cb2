"""Converts a folder of models, and runs one over the partitions of a data set, as tasks of a Dask cluster.

    python dask_models.py FOLDER            (two worker processes on this machine; give the address of a scheduler as a second argument for others)

Needs `pip install "dask[array,distributed]" ontrace`. A session is not sent: each worker process loads the model once and keeps it.
"""

import functools
import pathlib
import sys

import dask
import dask.array as da
import numpy as np
from dask.distributed import Client, LocalCluster, as_completed

import ontrace


def convert(path, target):
    """One task: what came of a model. A model that cannot be converted is an answer, not the end of the run."""
    try:
        conversion = ontrace.convert(path, target)
        return path.name, "verified" if conversion.verified else "not verified"
    except ontrace.Error as error:
        return path.name, f"{error.code} {error.message}"


@functools.lru_cache(maxsize=4)
def session(path):
    """The session of this worker process."""
    return ontrace.Session(path)


def infer(block, path):
    """A partition of the data set: its rows are the batch."""
    return session(path)(np.ascontiguousarray(block))


def main(folder, scheduler=None):
    # tract runs a call on one thread: a task for each core keeps all busy.
    cluster = scheduler or LocalCluster(n_workers=2, threads_per_worker=1, processes=True)
    with Client(cluster) as client:
        models = sorted(path for path in pathlib.Path(folder).iterdir() if path.suffix in (".pt", ".pt2"))
        tasks = [client.submit(convert, path, path.with_suffix(".onnx"), pure=False) for path in models]
        for task in as_completed(tasks):
            print(*task.result())

        path = str(pathlib.Path(folder) / "resnet_tiny.onnx")
        ontrace.convert(pathlib.Path(folder) / "resnet_tiny.pt", path, dynamic="x:0=batch")
        images = da.random.default_rng(0).random((64, 3, 32, 32), chunks=(16, -1, -1, -1)).astype(np.float32)
        scores = images.map_blocks(infer, path, dtype=np.float32, chunks=(images.chunks[0], (10,)), drop_axis=(2, 3), meta=np.empty((0, 0), np.float32))
        with dask.config.set({"array.slicing.split_large_chunks": False}):
            result = scores.compute()
        np.testing.assert_allclose(result[:16], session(path)(images[:16].compute()), rtol=1e-5, atol=1e-6)
        print("scores", result.shape, "on", len(client.scheduler_info()["workers"]), "workers")


if __name__ == "__main__":
    main(*sys.argv[1:3])
