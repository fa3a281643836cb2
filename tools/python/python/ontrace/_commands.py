"""The commands of the command line as functions: they run in this process and give what `--json` prints."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping, Sequence

import numpy as np

from . import _native
from ._options import Dynamic, Inputs, Source, dynamic_options, file_of, files, input_options, to_array


def command(name: str, *arguments: Any) -> dict[str, Any]:
    """Runs any command of the command line and returns what it prints with `--json`.

    Raises `ontrace.Error`, with `code`, `message`, `location`, `help` and `exit_code`, where the command fails.
    """
    answer = json.loads(_native.answer([name, *(os.fspath(a) if isinstance(a, os.PathLike) else str(a) for a in arguments)]))
    return answer if isinstance(answer, dict) else {}


def _verdict(name: str, arguments: Sequence[Any]) -> dict[str, Any]:
    """The answer of a command whose answer may be no: `ok` is false, and `error` says why."""
    try:
        return command(name, *arguments)
    except _native.Error as error:
        if error.exit_code not in (3, 6):
            raise
        report = json.loads(error.report_json) if error.report_json else {}
        wrong = {"code": error.code, "message": error.message, "location": error.location, "help": error.help}
        return {**report, "ok": False, "error": wrong}


@dataclass
class Conversion:
    """What `convert` wrote."""

    #: Where the model was written; `None` where it was not asked to be.
    path: Path | None
    #: What the command reports: opset, nodes, sizes, notes, and how it was verified.
    report: dict[str, Any] = field(repr=False)
    #: The bytes of the model, where it was not written to a path.
    model: bytes | None = field(default=None, repr=False)

    @property
    def verified(self) -> bool:
        """Whether the result was compared with its source, and agrees."""
        return bool(self.report.get("verified"))

    @property
    def opset(self) -> int:
        """The ONNX opset that was written."""
        return int(self.report["opset"])

    def __bytes__(self) -> bytes:
        if self.model is not None:
            return self.model
        assert self.path is not None
        return self.path.read_bytes()


def convert(
    src: Source,
    dst: str | os.PathLike[str] | None = None,
    *,
    inputs: Inputs = None,
    dynamic: Dynamic = None,
    opset: int | None = None,
    check: bool = True,
    keep: bool = False,
    specialize: Sequence[str] = (),
    functions: bool = False,
    atol: float | None = None,
    rtol: float | None = None,
    effort: int = 2,
) -> Conversion:
    """Converts a model (`.pt`, `.pt2`, `.onnx`; a path or its bytes) to ONNX and verifies that the result computes what the source computes.

    Without `dst` the model is returned as bytes. `dynamic` names axes whose size is free, `{"x": {0: "batch"}}`. `inputs` are needed where the file does not
    carry any. Raises `ontrace.Error` where the model cannot be converted or differs from its source; nothing is written then, unless `keep`.
    """
    with files() as folder:
        target = Path(dst) if dst is not None else folder / "converted.onnx"
        arguments: list[Any] = [file_of(src, folder), "-o", target, *input_options(inputs, folder), *dynamic_options(dynamic)]
        arguments += ["--opset", opset] if opset is not None else []
        arguments += [part for name in specialize for part in ("--specialize", name)]
        arguments += [flag for flag, is_set in (("--no-check", not check), ("--keep", keep), ("--functions", functions)) if is_set]
        arguments += _limits(atol, rtol, effort)
        report = command("convert", *arguments)
        model = target.read_bytes() if dst is None else None
    return Conversion(target if dst is not None else None, report, model)


def inspect(model: Source, *, inputs: Inputs = None) -> dict[str, Any]:
    """What a model file contains: format, inputs, outputs, operators, parameters."""
    with files() as folder:
        return command("inspect", file_of(model, folder), *input_options(inputs, folder))


def check(
    model: Source,
    *,
    against: Source | Mapping[str, Any] | None = None,
    inputs: Inputs = None,
    dynamic: Dynamic = None,
    atol: float | None = None,
    rtol: float | None = None,
    effort: int = 2,
) -> dict[str, Any]:
    """Whether a model is valid, runs here, and agrees with a reference: another model, or outputs by name for the given inputs.

    The answer has `ok`; where it is false, `error` says why. Raises `ontrace.Error` where nothing could be checked.
    """
    with files() as folder:
        arguments: list[Any] = [file_of(model, folder), *input_options(inputs, folder), *dynamic_options(dynamic), *_limits(atol, rtol, effort)]
        if isinstance(against, Mapping):
            np.savez(folder / "expected.npz", **{name: to_array(value) for name, value in against.items()})
            arguments += ["--against", folder / "expected.npz"]
        elif against is not None:
            arguments += ["--against", file_of(against, folder, "reference")]
        return _verdict("check", arguments)


def compare(
    first: Source,
    second: Source,
    *,
    inputs: Inputs = None,
    dynamic: Dynamic = None,
    atol: float | None = None,
    rtol: float | None = None,
    effort: int = 2,
) -> dict[str, Any]:
    """Compares two models on the same inputs. The answer has `ok`; where it is false, `first_difference` names the first node that differs."""
    with files() as folder:
        models = [file_of(first, folder, "first"), file_of(second, folder, "second")]
        return _verdict("compare", [*models, *input_options(inputs, folder), *dynamic_options(dynamic), *_limits(atol, rtol, effort)])


def _limits(atol: float | None, rtol: float | None, effort: int) -> list[Any]:
    given = (("--atol", atol), ("--rtol", rtol), ("--effort", effort if effort != 2 else None))
    return [part for option, value in given if value is not None for part in (option, value)]
