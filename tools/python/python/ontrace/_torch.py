"""`ontrace.export`: a module of torch to ONNX, verified against the outputs of torch itself."""

from __future__ import annotations

import keyword
import os
import time
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterator, Mapping, Sequence

import numpy as np

from . import _commands, _native
from ._options import Dynamic, dynamic_specs, files, to_array
from ._session import Session

if TYPE_CHECKING:
    import torch

#: The largest difference from torch that needs no reason, by dtype: absolute, and relative to the largest element of the output.
_LIMITS = {"float64": 1e-9, "float32": 1e-5, "float16": 1e-2, "bfloat16": 5e-2}
#: How much further from the exact result than torch an output may be: another order of the same operations.
_ROUNDING = 8.0


@dataclass
class Call:
    """One call that was compared with torch."""

    #: Which: `example`, `random`, or the sizes, `batch=5, seq=17`.
    name: str
    #: The largest difference of each output, by name.
    differences: dict[str, float]
    #: Why there is no comparison: torch itself refuses these inputs.
    rejected: str | None = None


@dataclass
class Exported:
    """What `export` wrote, and what it was compared with."""

    #: Where the model was written; `None` where it was not asked to be.
    path: Path | None
    #: How torch recorded the module: `trace`, `export` or `script`.
    method: str
    #: The calls that were compared with torch.
    calls: list[Call]
    #: Seconds of each step: `record`, `convert`, `verify`.
    seconds: dict[str, float]
    #: What the conversion reports.
    report: dict[str, Any] = field(repr=False)
    #: The bytes of the model, where it was not written to a path.
    model: bytes | None = field(default=None, repr=False)

    @property
    def verified(self) -> bool:
        """Whether any call was compared with torch; all that were agree."""
        return any(call.rejected is None for call in self.calls)

    def __bytes__(self) -> bytes:
        if self.model is not None:
            return self.model
        assert self.path is not None
        return self.path.read_bytes()


def export(
    module: Any,
    args: Any = (),
    path: str | os.PathLike[str] | None = None,
    *,
    kwargs: Mapping[str, Any] | None = None,
    dynamic: Dynamic = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    opset: int | None = None,
    method: str = "auto",
    verify: bool = True,
    effort: int = 1,
    specialize: Sequence[str] = (),
    functions: bool = False,
    f: str | os.PathLike[str] | None = None,
    dynamic_axes: Dynamic = None,
    dynamic_shapes: Dynamic = None,
    opset_version: int | None = None,
) -> Exported:
    """Exports a module of torch to ONNX, as `torch.onnx.export(module, args, path, …)` does.

    torch records the module (`method="trace"`: `torch.jit.trace`; `"export"`: `torch.export`; `"auto"`: the first that is right), or the module is scripted or
    exported already. ontrace converts the archive. Then the result is run with the example, with random inputs, and at other sizes of each free axis, and
    compared with what torch computes. Where they differ, `ontrace.Error` says so and nothing is written.

    `dynamic` names free axes by input: `{"x": {0: "batch"}, "ids": {0: "batch", 1: ("seq", 1, 512)}}`. The arguments of `torch.onnx.export` of other names are
    taken too: `f`, `dynamic_axes`, `dynamic_shapes` by name, `opset_version`. The module is exported in evaluation mode.
    """
    torch = _torch()
    if method not in ("auto", "trace", "export"):
        raise ValueError(f"method is {method!r}, expected 'auto', 'trace' or 'export'")
    path = path if path is not None else f
    free = next((one for one in (dynamic, dynamic_axes, dynamic_shapes) if one is not None), None)
    if isinstance(free, Mapping) and output_names:
        free = {name: axes for name, axes in free.items() if name not in output_names}
    with _evaluating(module), torch.no_grad(), files() as folder:
        call = _Call(torch, module, args if isinstance(args, (tuple, list)) else (args,), dict(kwargs or {}), input_names, output_names)
        specs = call.renamed(dynamic_specs(free))
        methods = [call.method] if call.method else ["trace", "export"] if method == "auto" else [method]
        first: BaseException | None = None
        for one in methods:
            try:
                attempt = _Attempt(call, one, specs, folder / one)
                attempt.convert(opset if opset is not None else opset_version, effort, specialize, functions, verify)
                if verify:
                    attempt.verify(specs)
                return attempt.finish(Path(path) if path is not None else None)
            except Exception as error:  # noqa: BLE001  (the next method may do it; the last error is raised)
                if first is None:
                    first = error
                elif hasattr(first, "add_note"):
                    first.add_note(f"method='{one}' does not do it either: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
        assert first is not None
        raise first


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        raise ImportError("ontrace.export needs torch: pip install torch. Archives that torch saved are converted without it: ontrace.convert(\"model.pt\")") from None
    return torch


@contextmanager
def _evaluating(module: Any) -> Iterator[None]:
    """The module in evaluation mode, and afterwards each part in the mode it was in."""
    parts = [part for part in module.modules() if part.training] if hasattr(module, "modules") else []
    try:
        if parts:
            module.eval()
        yield
    finally:
        for part in parts:
            part.training = True


class _Call:
    """A module as a function of the tensors among its arguments, with names for them and for its results."""

    def __init__(
        self, torch: Any, module: Any, args: Sequence[Any], kwargs: dict[str, Any], input_names: Sequence[str] | None, output_names: Sequence[str] | None
    ) -> None:
        self.torch, self.module, self.args, self.kwargs = torch, module, tuple(args), kwargs
        is_script = isinstance(module, (torch.jit.ScriptModule, torch.jit.ScriptFunction))
        self.method = "script" if is_script else "exported" if isinstance(module, torch.export.ExportedProgram) else None
        self.tree = torch.utils._pytree
        self.leaves, self.structure = self.tree.tree_flatten((self.args, self.kwargs))
        # Numbers are inputs of scripted modules; of others they are part of what is recorded.
        self.input_types: tuple[type, ...] = (torch.Tensor, bool, int, float) if is_script else (torch.Tensor,)
        self.positions = [i for i, leaf in enumerate(self.leaves) if isinstance(leaf, self.input_types)]
        self.tensors = [self.leaves[i] for i in self.positions]
        self.own_names = self._names()
        self.names = list(input_names or []) + self.own_names[len(input_names or []) :]
        self.output_names = list(output_names) if output_names else None
        if len(self.names) != len(self.tensors):
            raise ValueError(f"{len(input_names or [])} input_names for {len(self.tensors)} tensors: {', '.join(self.own_names)}")
        if self.method and (input_names or output_names):
            raise ValueError("a module that is scripted or exported already keeps the names of its inputs and outputs")
        wrong = [name for name in self.names if not self.method and (not name.isidentifier() or keyword.iskeyword(name))]
        if wrong:
            raise ValueError(f"input name {wrong[0]!r} is not an identifier of Python, as torch.jit.trace needs it")

    def _names(self) -> list[str]:
        """Names of the tensors: those of the parameters of `forward`, with the index or key of a member behind them."""
        import inspect

        target = self.module.module() if self.method == "exported" else self.module
        forward = getattr(target, "forward", target)
        try:
            if self.method == "script":
                # The first argument of a method is the module itself, whatever its name.
                first = 0 if forward is target else 1
                return self._all_members([argument.name for argument in forward.schema.arguments[first:]])
            parameters = [p.name for p in inspect.signature(forward).parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        except (TypeError, ValueError):
            parameters = []
        return self._all_members(parameters)

    def _all_members(self, parameters: Sequence[str]) -> list[str]:
        names: list[str] = []
        for i, arg in enumerate(self.args):
            names += self._members(parameters[i] if i < len(parameters) else f"input_{i}", arg)
        for name, arg in self.kwargs.items():
            names += self._members(name, arg)
        return names

    def _members(self, name: str, value: Any) -> list[str]:
        pairs, _ = self.tree.tree_flatten_with_path(value)
        keys = [([getattr(key, "key", getattr(key, "idx", getattr(key, "name", ""))) for key in path], leaf) for path, leaf in pairs]
        members = [[str(key) for key in path] for path, leaf in keys if isinstance(leaf, self.input_types)]
        if self.method == "script":
            return [".".join([name, *path]) for path in members]
        # Parameters of a function.
        return ["_".join([name, *("".join(c if c.isalnum() else "_" for c in key) for key in path)]) for path in members]

    def renamed(self, specs: Sequence[str]) -> list[str]:
        """Axes by the names that inputs have now."""
        known = dict(zip(self.own_names, self.names))
        return [f"{known.get(spec.partition(':')[0], spec.partition(':')[0])}{spec[len(spec.partition(':')[0]) :]}" for spec in specs]

    def run(self, tensors: Sequence[Any], module: Any = None) -> dict[str, Any]:
        """The results of torch by name; the tensors are copies, which a module may write to."""
        leaves = list(self.leaves)
        for position, tensor in zip(self.positions, tensors):
            leaves[position] = tensor.clone() if isinstance(tensor, self.torch.Tensor) else tensor
        args, kwargs = self.tree.tree_unflatten(leaves, self.structure)
        target = module if module is not None else self.module.module() if self.method == "exported" else self.module
        return self.named(target(*args, **kwargs))

    def named(self, outputs: Any) -> dict[str, Any]:
        """The tensors of a result: `y`, `y_0` …, or their keys."""
        if isinstance(outputs, self.torch.Tensor):
            found = {"y": outputs}
        else:
            if not isinstance(outputs, (tuple, list, dict)) and hasattr(outputs, "__dict__") and not self.tree.tree_flatten_with_path(outputs)[0][0][0]:
                # A data class that torch does not know.
                outputs = dict(vars(outputs))
            pairs, _ = self.tree.tree_flatten_with_path(outputs)
            found = {}
            for path, leaf in pairs:
                if isinstance(leaf, self.torch.Tensor):
                    keys = [str(getattr(key, "key", getattr(key, "idx", getattr(key, "name", "")))) for key in path]
                    found[".".join(keys) if not keys[0].isdigit() else "y_" + ".".join(keys)] = leaf
        if self.output_names:
            if len(self.output_names) > len(found):
                raise ValueError(f"{len(self.output_names)} output_names for {len(found)} outputs")
            names = self.output_names + list(found)[len(self.output_names) :]
            found = dict(zip(names, found.values()))
        return found

    @contextmanager
    def flat(self) -> Iterator[Any]:
        """The module with a `forward` whose parameters are the tensors, and whose results are a tensor, or a dictionary of tensors."""
        module, original = self.module, self.module.forward if hasattr(self.module, "forward") else self.module

        def called(*tensors: Any) -> Any:
            leaves = list(self.leaves)
            for position, tensor in zip(self.positions, tensors):
                leaves[position] = tensor
            args, kwargs = self.tree.tree_unflatten(leaves, self.structure)
            outputs = original(*args, **kwargs)
            if isinstance(outputs, self.torch.Tensor) and not self.output_names:
                return outputs
            named = self.named(outputs)
            return tuple(named.values()) if all(name.startswith("y_") for name in named) else named

        space: dict[str, Any] = {"called": called}
        exec(f"def forward({', '.join(self.names)}):\n    return called({', '.join(self.names)})", space)  # noqa: S102  (identifiers only)
        if not hasattr(module, "forward"):
            yield space["forward"]
            return
        had = module.__dict__.get("forward")
        module.forward = space["forward"]
        try:
            yield module
        finally:
            if had is None:
                del module.forward
            else:
                module.forward = had


class _Attempt:
    """One way to record the module, converted and compared."""

    def __init__(self, call: _Call, method: str, specs: Sequence[str], folder: Path) -> None:
        folder.mkdir()
        self.call, self.method, self.folder, self.specs = call, method, folder, list(specs)
        self.seconds: dict[str, float] = {}
        self.calls: list[Call] = []
        self.reference = call.run(call.tensors)
        with self.timed("record"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.archive = getattr(self, f"_{method}")()

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[step] = time.perf_counter() - started

    def _script(self) -> Path:
        self.call.torch.jit.save(self.call.module, str(self.folder / "model.pt"))
        return self.folder / "model.pt"

    def _exported(self) -> Path:
        self.call.torch.export.save(self.call.module, str(self.folder / "model.pt2"))
        return self.folder / "model.pt2"

    def _trace(self) -> Path:
        with self.call.flat() as module:
            tensors = tuple(tensor.clone() for tensor in self.call.tensors)
            traced = self.call.torch.jit.trace(module, tensors, strict=False, check_trace=False)
        self.call.torch.jit.save(traced, str(self.folder / "model.pt"))
        return self.folder / "model.pt"

    def _export(self) -> Path:
        torch, call = self.call.torch, self.call
        with call.flat() as module:
            if not isinstance(module, torch.nn.Module):
                raise TypeError("torch.export takes modules, not functions")
            shapes: dict[str, Any] = {name: {} for name in call.names}
            for name, axis, _, _, _ in axes(self.specs):
                shapes.setdefault(name, {})[axis] = torch.export.Dim.AUTO
            dynamic = {name: sizes or None for name, sizes in shapes.items()} if self.specs else None
            program = torch.export.export(module, tuple(tensor.clone() for tensor in call.tensors), dynamic_shapes=dynamic, strict=False)
        torch.export.save(program, str(self.folder / "model.pt2"))
        return self.folder / "model.pt2"

    def convert(self, opset: int | None, effort: int, specialize: Sequence[str], functions: bool, verify: bool) -> None:
        """Writes the archive as ONNX."""
        self.onnx = self.folder / "onnx" / "model.onnx"
        self.onnx.parent.mkdir()
        tensors = {i: tensor for i, tensor in enumerate(self.call.tensors) if isinstance(tensor, self.call.torch.Tensor)}
        arrays = {f"a{i}": to_array(tensor) for i, tensor in tensors.items()}
        np.savez(self.folder / "inputs.npz", **arrays)
        arguments: list[Any] = [self.archive, "-o", self.onnx, "--effort", effort]
        if self.method == "script":
            # The archive carries no inputs.
            for i, name in enumerate(self.call.own_names):
                number = str(self.call.tensors[i]).lower()
                arguments += ["-i", f"{name}=@{self.folder / 'inputs.npz'}#a{i}" if i in tensors else f"{name}={number}"]
        for option, values in (("--dynamic", self.specs), ("--specialize", specialize)):
            arguments += [part for value in values for part in (option, value)]
        arguments += ["--opset", opset] if opset is not None else []
        arguments += [flag for flag, is_set in (("--functions", functions), ("--no-check", not verify)) if is_set]
        with self.timed("convert"):
            self.report = _commands.command("convert", *arguments)

    def verify(self, specs: Sequence[str]) -> None:
        """Compares the model with torch: the example, random inputs, other sizes."""
        with self.timed("verify"):
            session = Session(self.onnx)
            names = [one.name for one in session.inputs]
            order = self._order(names)
            generator = np.random.default_rng(0)
            for title, tensors in variants(self.call, specs, generator):
                try:
                    expected = self.reference if title == "example" else self.call.run(tensors)
                except Exception as error:  # noqa: BLE001  (whatever the module raises)
                    self.calls.append(Call(title, {}, str(error).splitlines()[0] if str(error) else type(error).__name__))
                    continue
                got = session(*(tensors[i] for i in order))
                self.calls.append(Call(title, self._compared(title, tensors, expected, got if isinstance(got, tuple) else (got,), session)))

    def _order(self, names: Sequence[str]) -> list[int]:
        """The tensor for each input of the model: by name, else by position. Inputs that torch dropped are left out."""
        known = {name: i for i, name in enumerate(self.call.names)}
        if all(name in known for name in names):
            return [known[name] for name in names]
        if len(names) == len(self.call.tensors):
            return list(range(len(names)))
        raise _native.Error(f"the model has the inputs {', '.join(names)}, torch was given {', '.join(self.call.names)}")

    def _compared(self, title: str, tensors: Sequence[Any], expected: dict[str, Any], got: Sequence[np.ndarray], session: Session) -> dict[str, float]:
        titles = [one.name for one in session.outputs]
        if len(got) != len(expected):
            raise _native.Error(f"{title}: torch gives {len(expected)} outputs ({', '.join(expected)}), the model {len(got)} ({', '.join(titles)})")
        by_name = set(titles) == set(expected)
        pairs = [(name, expected[name] if by_name else list(expected.values())[i], got[i]) for i, name in enumerate(titles)]
        exact: dict[str, Any] | None = None
        differences = {}
        for i, (name, reference, result) in enumerate(pairs):
            difference, is_within = difference_of(reference, result)
            if not is_within and reference.dtype.is_floating_point:
                # Torch rounds too. How far it is from the exact result says how far another order of the same operations may be.
                exact = exact if exact is not None else self._exact(tensors)
                key = name if by_name else list(expected)[i]
                is_within = exact is not None and key in exact and is_rounding(reference, result, exact[key])
            if not is_within:
                error = _native.Error(
                    f"the model differs from torch: output `{name}`, {title}: largest difference {difference:.3g}\n"
                    f"help: recorded by method='{self.method}'; what a module decides from values or sizes may be lost in a trace: try method='export', or torch.jit.script"
                )
                error.exit_code, error.code, error.message = 6, "E0403", f"output `{name}` differs from torch's, {title}"
                raise error
            differences[name] = difference
        return differences

    def _exact(self, tensors: Sequence[Any]) -> dict[str, Any] | None:
        """The results in double precision; `None` where the module cannot do it."""
        import copy

        try:
            target = self.call.module.module() if self.call.method == "exported" else self.call.module
            double = copy.deepcopy(target).double()
            return self.call.run([one.double() if isinstance(one, self.call.torch.Tensor) and one.dtype.is_floating_point else one for one in tensors], double)
        except Exception:  # noqa: BLE001
            return None

    def finish(self, path: Path | None) -> Exported:
        """The model where it was asked for; files appear whole or not at all."""
        model = None
        if path is None:
            model = self.onnx.read_bytes()
        elif len(list(self.onnx.parent.iterdir())) == 1:
            draft = path.with_name(f".{path.name}.{os.getpid()}.part")
            try:
                draft.write_bytes(self.onnx.read_bytes())
                os.replace(draft, path)
            finally:
                draft.unlink(missing_ok=True)
        else:
            # Weights beside the model: they are named after it.
            _commands.command("convert", self.onnx, "-o", path, "--no-check")
        names = {"exported": "export"}
        return Exported(path, names.get(self.method, self.method), self.calls, self.seconds, self.report, model)


def axes(specs: Sequence[str]) -> list[tuple[str, int, str, int, int]]:
    """Input, axis, symbol, least and greatest size of the values of `--dynamic`."""
    found = []
    for spec in specs:
        if "=" not in spec:
            continue
        where, _, size = spec.rpartition("=")
        name, _, axis = where.rpartition(":")
        symbol, _, bounds = size.partition(":")
        low, _, high = bounds.partition("..")
        found.append((name, int(axis), symbol, int(low or 1), int(high or 2**31 - 1)))
    return found


def variants(call: _Call, specs: Sequence[str], generator: np.random.Generator) -> Iterator[tuple[str, list[Any]]]:
    """Inputs to compare with: the example, others of its sizes, and two other sizes of each symbol."""
    yield "example", call.tensors
    yield "random", [resampled(call, name, tensor, {}, generator) for name, tensor in zip(call.names, call.tensors)]
    known = axes(specs)
    sizes, bounds = {}, {}
    for name, axis, symbol, low, high in known:
        tensor = call.tensors[call.names.index(name)] if name in call.names else None
        if isinstance(tensor, call.torch.Tensor) and -tensor.dim() <= axis < tensor.dim():
            sizes.setdefault(symbol, tensor.shape[axis])
            bounds[symbol] = (max(low, bounds.get(symbol, (1, 0))[0]), min(high, bounds.get(symbol, (1, 2**31))[1]))
    changes: list[Callable[[int, int], int]] = [lambda n, i: n + 1 + i, lambda n, i: 1, lambda n, i: 2 * n + 3]
    seen = [sizes]
    for change in changes if sizes else []:
        new = {symbol: min(max(change(size, i), bounds[symbol][0]), bounds[symbol][1]) for i, (symbol, size) in enumerate(sizes.items())}
        if new in seen:
            continue
        seen.append(new)
        tensors = []
        for name, tensor in zip(call.names, call.tensors):
            rank = tensor.dim() if isinstance(tensor, call.torch.Tensor) else 0
            own = {axis % max(rank, 1): new[symbol] for other, axis, symbol, _, _ in known if other == name and symbol in new}
            tensors.append(resampled(call, name, tensor, own, generator))
        yield ", ".join(f"{symbol}={size}" for symbol, size in new.items()), tensors


def resampled(call: _Call, name: str, tensor: Any, sizes: Mapping[int, int], generator: np.random.Generator) -> Any:
    """A tensor like another with other values, and other sizes of these axes. Floats have its mean and deviation; all others are values of it, which are valid
    where they are indices. A mask of ones gets some zeros at the end of its last row."""
    torch = call.torch
    if not isinstance(tensor, torch.Tensor):
        return tensor
    shape = [sizes.get(axis, size) for axis, size in enumerate(tensor.shape)]
    flat = tensor.detach().reshape(-1)
    if flat.numel() == 0:
        return torch.zeros(shape, dtype=tensor.dtype)
    if tensor.dtype.is_floating_point:
        values = flat.double()
        mean, deviation = float(values.mean()), float(values.std(unbiased=False))
        if np.isfinite(mean) and deviation > 0:
            return torch.from_numpy(generator.normal(mean, deviation, shape)).to(tensor.dtype)
    picked = flat[torch.from_numpy(generator.integers(0, flat.numel(), size=int(np.prod(shape, dtype=np.int64))))].reshape(shape).clone()
    if not tensor.dtype.is_floating_point and "mask" in name and len(shape) > 1 and shape[-1] > 2 and bool((picked == 1).all()):
        picked.reshape(-1, shape[-1])[-1, -(shape[-1] // 3) :] = 0
    return picked


def difference_of(reference: Any, result: np.ndarray) -> tuple[float, bool]:
    """The largest difference, and whether it is within the limit of the dtype: of the element where it is larger than 1, of the largest element where not."""
    if tuple(reference.shape) != tuple(result.shape):
        return float("inf"), False
    dtype = str(reference.dtype).removeprefix("torch.")
    if dtype not in _LIMITS:
        a, b = reference.detach().cpu().numpy(), np.asarray(result)
        return float((a != b).sum()), a.dtype == b.dtype and bool((a == b).all())
    a, b = reference.detach().double().cpu().numpy(), np.asarray(result, dtype=np.float64)
    if not bool((np.isnan(a) == np.isnan(b)).all()) or not bool((np.isinf(a) == np.isinf(b)).all()):
        return float("inf"), False
    finite = np.isfinite(a)
    a, b = a[finite], b[finite]
    if a.size == 0:
        return 0.0, True
    difference = np.abs(a - b)
    scale = float(np.abs(a).max())
    limit = _LIMITS[dtype] * (min(scale, 1.0) + np.abs(a)) + 1e-30
    return float(difference.max()), bool((difference <= limit).all())


def is_rounding(reference: Any, result: np.ndarray, exact: Any) -> bool:
    """Whether a result is about as far from the exact one as that of torch is."""
    if tuple(reference.shape) != tuple(result.shape):
        return False
    a, b, true = reference.detach().double().cpu().numpy(), np.asarray(result, dtype=np.float64), exact.detach().double().cpu().numpy()
    if not (np.isfinite(a).all() and np.isfinite(b).all() and np.isfinite(true).all()):
        return False
    return bool(np.abs(b - true).max() <= _ROUNDING * np.abs(a - true).max())
