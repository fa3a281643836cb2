"""Models that run on arrays of numpy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Mapping, NamedTuple, Sequence

import numpy as np

from . import _native
from ._commands import Conversion
from ._options import Dynamic, Inputs, Source, dynamic_specs, file_of, files, input_options

#: Names of dtypes, and numpy's.
_NUMPY = {
    "f16": np.float16, "f32": np.float32, "f64": np.float64, "i8": np.int8, "i16": np.int16, "i32": np.int32, "i64": np.int64,
    "u8": np.uint8, "u16": np.uint16, "u32": np.uint32, "u64": np.uint64, "bool": np.bool_,
}  # fmt: skip
_NAMES = {np.dtype(dtype): name for name, dtype in _NUMPY.items()}


class ValueType(NamedTuple):
    """An input or output: its name, its dtype (`f32`), and its sizes: numbers, or names of those that are free."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


class Session:
    """A model that is loaded once and runs any number of times, on any number of threads: the interpreter is free while it runs.

    `model` is a path, the bytes of a model file, or what `convert` returned. `.pt` and `.pt2` files are converted on the way; `inputs` and `dynamic` are
    then as in `convert`. `threads` are those of one call; by default it runs on the caller's alone.
    """

    def __init__(
        self, model: Source | Conversion, *, inputs: Inputs = None, dynamic: Dynamic = None, threads: int | None = None
    ) -> None:
        source: Source = (model.path or bytes(model)) if isinstance(model, Conversion) else model
        with files() as folder:
            options = input_options(inputs, folder)[1::2]
            self._native = _native.NativeSession(file_of(source, folder), options, dynamic_specs(dynamic), threads)
        self._title = "bytes" if isinstance(source, (bytes, bytearray, memoryview)) else Path(os.fspath(source)).name

    @property
    def inputs(self) -> list[ValueType]:
        """The inputs in order."""
        return [_value_type(*one) for one in self._native.inputs()]

    @property
    def outputs(self) -> list[ValueType]:
        """The outputs in order."""
        return [_value_type(*one) for one in self._native.outputs()]

    def run(self, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """The outputs by name, for inputs by name."""
        expected = self.inputs
        names = [one.name for one in expected]
        unknown = [name for name in inputs if name not in names]
        missing = [name for name in names if name not in inputs]
        if unknown or missing:
            what = f"there is no input `{unknown[0]}`" if unknown else f"input `{missing[0]}` is missing"
            raise TypeError(f"{what}; the inputs are: {', '.join(names)}")
        results = self._run([inputs[name] for name in names], expected)
        return dict(zip((one.name for one in self.outputs), results))

    def __call__(self, *args: Any, **named: Any) -> Any:
        """The output, or a tuple of the outputs, for inputs by position or by name."""
        expected = self.inputs
        rest = expected[len(args) :]
        unknown = [name for name in named if name not in [one.name for one in rest]]
        missing = [one.name for one in rest if one.name not in named]
        if len(args) > len(expected) or unknown or missing:
            names = ", ".join(one.name for one in expected)
            raise TypeError(f"the model takes {len(expected)} inputs, once each: {names}; got {len(args)} by position, by name: {', '.join(named) or 'none'}")
        results = self._run([*args, *(named[one.name] for one in rest)], expected)
        return results[0] if len(results) == 1 else tuple(results)

    def _run(self, values: Sequence[Any], expected: Sequence[ValueType]) -> list[np.ndarray]:
        arrays = [_given(value, one) for value, one in zip(values, expected)]
        return [_bfloat16(array) if dtype == "bf16" else array for dtype, array in self._native.run(arrays)]

    def __repr__(self) -> str:
        def show(values: Sequence[ValueType]) -> str:
            return ", ".join(f"{name}: {dtype}[{','.join(map(str, shape))}]" for name, dtype, shape in values)

        return f"Session({self._title}: ({show(self.inputs)}) -> ({show(self.outputs)}))"


def _value_type(name: str, dtype: str, sizes: Sequence[str]) -> ValueType:
    return ValueType(name, dtype, tuple(int(size) if size.lstrip("-").isdigit() else size for size in sizes))


def _given(value: Any, expected: ValueType) -> tuple[str, np.ndarray]:
    """A value with its dtype, as the extension takes it. Numbers and lists take the dtype that is expected; the dtype of an array is its own."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":
            import torch

            return "bf16", value.contiguous().view(torch.int16).numpy().view(np.uint16)
        value = value.numpy()
    if not hasattr(value, "dtype"):
        value = np.asarray(value, dtype=_NUMPY.get(expected.dtype))
    array = np.asarray(value)
    if array.dtype.name == "bfloat16" or array.dtype == np.dtype("V2"):
        return "bf16", np.ascontiguousarray(array).view(np.uint16)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    name = _NAMES.get(array.dtype)
    if name is None:
        raise TypeError(f"input `{expected.name}`: arrays of dtype {array.dtype} cannot be given, expected {expected.dtype}")
    return name, array


def _bfloat16(bits: np.ndarray) -> np.ndarray:
    """The array of bfloat16 with these bits: of ml_dtypes where it is installed, else as float32, which holds every value."""
    try:
        import ml_dtypes

        return bits.view(ml_dtypes.bfloat16)
    except ImportError:
        return (bits.astype(np.uint32) << 16).view(np.float32)
