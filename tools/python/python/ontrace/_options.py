"""Arguments of Python functions as options of the command line."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence, Union

import numpy as np

#: A path, or the bytes of a model file.
Source = Union[str, "os.PathLike[str]", bytes]
#: Inputs by name: an array, a shape, a number, or the text of an option (`"1,3,224,224=ones"`); or a list of options (`"x:1,3,224,224"`).
Inputs = Union[Mapping[str, Any], Sequence[str], None]
#: Symbolic axes: `{"x": {0: "batch", 1: ("seq", 1, 512)}}`, options (`"x:0=batch"`), or `"all"`.
Dynamic = Union[Mapping[str, Any], Sequence[str], str, None]


@contextmanager
def files() -> Iterator[Path]:
    """A folder for the files of one call."""
    with tempfile.TemporaryDirectory(prefix="ontrace-") as folder:
        yield Path(folder)


def file_of(source: Source, folder: Path, name: str = "model") -> str:
    """The path of a model; bytes are written to a file, which is recognised by its content."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        path = folder / name
        path.write_bytes(source)
        return str(path)
    return os.fspath(source)


def input_options(inputs: Inputs, folder: Path) -> list[str]:
    """The options `-i`; arrays are written to one file."""
    if inputs is None:
        return []
    if not isinstance(inputs, Mapping):
        return [part for spec in inputs for part in ("-i", str(spec))]
    options, arrays = [], {}
    for name, value in inputs.items():
        if isinstance(value, str):
            spec = f"{name}{value}" if value.startswith(("=", ":")) else f"{name}:{value}"
        elif value is None:
            spec = f"{name}=none"
        elif isinstance(value, (bool, int, float)):
            spec = f"{name}={str(value).lower()}"
        elif isinstance(value, tuple) and all(isinstance(size, int) for size in value):
            spec = f"{name}:{list(value)}".replace(" ", "")
        else:
            # The names of arrays in an .npz file may not be those of folders.
            key = f"a{len(arrays)}"
            arrays[key] = to_array(value)
            spec = f"{name}=@{folder / 'inputs.npz'}#{key}"
        options += ["-i", spec]
    if arrays:
        np.savez(folder / "inputs.npz", **arrays)
    return options


def dynamic_specs(dynamic: Dynamic) -> list[str]:
    """The values of `--dynamic`."""
    if dynamic is None:
        return []
    if isinstance(dynamic, str):
        return [dynamic]
    if not isinstance(dynamic, Mapping):
        return [str(spec) for spec in dynamic]
    specs = []
    for name, axes in dynamic.items():
        if isinstance(axes, Mapping):
            pairs = list(axes.items())
        elif all(isinstance(axis, int) for axis in axes):
            # A list of axes, as torch.onnx.export takes it.
            pairs = [(axis, f"{name}_{axis}") for axis in axes]
        else:
            # One entry for each axis, `None` for those that stay fixed, as torch.export takes it.
            pairs = list(enumerate(axes))
        for axis, size in pairs:
            if size is None or isinstance(size, int):
                continue
            if isinstance(size, tuple):
                symbol, low, high = size
                spec = f"{symbol}:{low}..{high}"
            elif hasattr(size, "__name__"):
                # torch.export.Dim
                low, high = getattr(size, "min", None), getattr(size, "max", None)
                bounds = [str(bound) if isinstance(bound, int) and bound < 2**31 - 1 else "" for bound in (low, high)]
                spec = size.__name__ + (f":{bounds[0]}..{bounds[1]}" if any(bounds) else "")
            else:
                spec = str(size)
            specs.append(f"{name}:{axis}={spec}")
    return specs


def dynamic_options(dynamic: Dynamic) -> list[str]:
    """The options `--dynamic`."""
    return [part for spec in dynamic_specs(dynamic) for part in ("--dynamic", spec)]


def to_array(value: Any) -> np.ndarray:
    """A value as an array of numpy: tensors of torch too, bfloat16 by its bits."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":
            import torch

            # As .npy files have it: two bytes without a meaning of their own.
            return value.contiguous().view(torch.int16).numpy().view(np.dtype("V2"))
        value = value.numpy()
    return np.asarray(value)
