"""Compares ontrace with torch, operator by operator, on edge sizes, option values, dtypes and extremes.

usage: python tools/reference/torch_sweep.py ONTRACE [--cases 20] [--seed 0] [--only REGEX] [--keep FOLDER] [--part I/N] [--log FILE]
       (in the project's folder; needs torch, safetensors, onnx and onnxruntime)

For every overload of the operators in src/read/aten, arguments are made at random by their type and name, and torch says which are valid.
About forty calls become one TorchScript archive: `ontrace run --backend eager` computes it, `ontrace convert` writes it, ONNX Runtime runs what
was written. A call that is refused is left out and the others run again. Every call ends as right, refused, WRONG, crash, lacks (no kernel in ONNX
Runtime), runtime (ONNX Runtime's fault: onnx.reference computes torch's value from the same file, or RUNTIME_FAULTS says what it does) or torch
(TORCH_FAULTS says what it does), in eager and as written.
"""

import argparse
import collections
import io
import json
import math
import os
import pathlib
import pickle
import random
import re
import signal
import subprocess
import sys
import tempfile
import warnings
import zipfile

import numpy as np
import torch
from safetensors.torch import load_file, save_file

warnings.filterwarnings("ignore")
torch.set_num_threads(1)

SHAPES = [(), (0,), (1,), (2,), (3,), (5,), (7,), (13,), (2, 3), (1, 5), (3, 1), (0, 3), (3, 0), (7, 2), (2, 3, 5), (1, 1, 7), (2, 0, 3), (1, 2, 5, 7), (2, 1, 3, 3), (1, 2, 1, 1),
          (1, 2, 1, 4), (1, 3, 4, 4), (1, 1, 2, 3, 5), (1, 2, 1, 3, 1), (4, 4), (2, 4, 4), (2, 3, 3)]
FLOATS = [torch.float32, torch.float64, torch.float16]
INTS = [torch.int64, torch.int32, torch.int8, torch.uint8, torch.int16]
DTYPES = FLOATS + INTS + [torch.bool]

#: What has no one value, is no function of tensors, or changes what it is given.
LEFT_OUT = re.compile(
    r"^(rand|bernoulli|dropout|alpha_dropout|feature_|multinomial|normal|poisson|rrelu|empty|new_empty|binomial|exponential|geometric|cauchy|uniform|log_normal|native_dropout|_fused|"
    r"item|sym_|size|stride|numel|dim$|is_|_local_scalar|set_|resize|_standard_gamma|_sample_dirichlet|_dirichlet|lstm|gru|rnn_|_pack|_pad_packed|quantize|fake_quant|_assert|_nested|"
    r"linalg_eig$|linalg_eigh|eig|svd|linalg_svd$|_linalg|qr|linalg_qr|lu|linalg_lu|geqrf|ormqr|triangular|_efficient|_flash|_scaled_dot|to$|type_as|_to_copy|data|detach|lift|alias|contiguous|clone|copy$|copy_|"
    r"Int|Float|Bool|ScalarImplicit|storage_offset|element_size|__|nonzero_numpy|linalg_householder|histogramdd|kaiser|_cudnn|cudnn|miopen|mkldnn|_thnn|_batch_norm|native_batch_norm|_native|hspmm|"
    r"_weight_norm|_transformer|_native_multi|_addmm_act|_int_mm|_conj|_neg|_reshape|_unsafe|_foreach|_euclidean|_trilinear|_slow_conv|slow_conv|scaled_dot|native_group_norm|_transform_bias|_softmax_backward|_log_softmax_backward|_histogramdd_bin|linalg__powsum|as_strided_scatter|sspaddmm|stft|istft|fft_|view_as|real|imag|polar|complex|angle|_make|_sparse|unsafe|resolve|pin|_pin|linalg_ldl|lobpcg|"
    r"cholesky_inverse|linalg_lstsq|linalg_tensor|linalg_matrix_rank|linalg_pinv|linalg_inv|inverse|linalg_solve|linalg_det|det|logdet|slogdet|linalg_slogdet|linalg_cond|linalg_cholesky|cholesky|orgqr|matrix_exp|linalg_matrix_exp|pdist|_pdist)"
)


def names():
    found = set()
    for path in pathlib.Path("src/read/aten").glob("*.rs"):
        found |= set(re.findall(r'"([a-z_A-Z0-9]+)\([^"\n]*(?:\\"[^"\n]*)*\) -> ', path.read_text()))
    alias = pathlib.Path("src/read/aten/alias.rs").read_text()
    found |= set(re.findall(r'\("([a-z_0-9A-Z]+)", "', alias))
    return sorted(name for name in found if not LEFT_OUT.match(name) and hasattr(torch.ops.aten, name))


class Call:
    """A call of one overload: tensors by position in `inputs`."""

    def __init__(self, name, overload):
        self.name, self.overload = name, overload
        self.args, self.kwargs, self.expected, self.kinds = [], {}, [], []

    def tensors(self):
        def walk(value):
            if isinstance(value, torch.Tensor):
                yield value
            elif isinstance(value, (list, tuple)):
                for item in value:
                    yield from walk(item)

        for value in [*self.args, *self.kwargs.values()]:
            yield from walk(value)

    def run(self):
        function = getattr(getattr(torch.ops.aten, self.name), self.overload)
        fresh = lambda v: v.clone() if isinstance(v, torch.Tensor) else [fresh(x) for x in v] if isinstance(v, list) else v
        return function(*map(fresh, self.args), **{k: fresh(v) for k, v in self.kwargs.items()})

    def text(self, index):
        def show(value):
            if isinstance(value, torch.Tensor):
                return f"x{index[id(value)]}"
            if isinstance(value, str):
                return json.dumps(value)
            if isinstance(value, float):
                return repr(value) if "e" not in repr(value) else f"{value:.25f}"
            if isinstance(value, list):
                inside = ", ".join(map(show, value))
                return f"[{inside}]" if value else "annotate(List[int], [])"
            return str(value)

        parts = [show(v) for v in self.args] + [f"{k}={show(v)}" for k, v in self.kwargs.items()]
        return f"torch.{self.name}({', '.join(parts)})"

    def __str__(self):
        index = {id(t): i for i, t in enumerate(self.tensors())}
        shown = "; ".join(f"x{index[id(t)]}={str(t.dtype)[6:]}{list(t.shape)} {t.flatten()[:8].tolist()}" for t in self.tensors())
        return f"{self.text(index)} [{shown}]"


def values(rng, shape, dtype):
    n = math.prod(shape)
    kind = rng.random()
    if dtype == torch.bool:
        return torch.tensor([rng.random() < 0.5 for _ in range(n)], dtype=dtype).reshape(shape)
    if dtype in INTS:
        info = torch.iinfo(dtype)
        pick = [info.min, info.max, info.min + 1, 0, 1, 2, 3, 7, 100, info.max // 2]
        if dtype != torch.uint8:
            pick += [-1, -2, -7, -100]
        if kind < 0.6:
            return torch.tensor([rng.randint(0 if dtype == torch.uint8 else -5, 6) for _ in range(n)], dtype=dtype).reshape(shape)
        return torch.tensor([rng.choice(pick) for _ in range(n)], dtype=dtype).reshape(shape)
    special = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 3.0, -3.0, 1e-3, 100.0, -100.0]
    if kind > 0.85:
        special += [math.inf, -math.inf, math.nan]
    elif kind > 0.7:
        special += [1e4, -1e4, torch.finfo(dtype).tiny]
    if kind < 0.5:
        return torch.tensor([round(rng.uniform(-4, 4), 3) for _ in range(n)], dtype=dtype).reshape(shape)
    return torch.tensor([rng.choice(special) for _ in range(n)], dtype=torch.float64).to(dtype).reshape(shape)


STRINGS = {
    "approximate": ["none", "tanh"], "rounding_mode": ["trunc", "floor"], "reduce": ["sum", "prod", "mean", "amax", "amin"], "indexing": ["ij", "xy"],
    "mode": ["constant", "reflect", "replicate", "circular"], "side": ["left", "right"], "UPLO": ["L", "U"], "ord": ["fro"], "padding": ["same", "valid"], "interpolation": ["linear", "lower", "higher", "midpoint", "nearest"],
}


class Maker:
    """Makes arguments: `self` first, the others to fit it more often than not."""

    def __init__(self, rng, name):
        self.rng, self.name = rng, name
        rank = 0
        for digit in "123":
            if re.search(rf"(pool|conv|upsample|pad|_conv_transpose|fold|shuffle|grid_sampler|unpool|im2col|col2im).*{digit}d?", name):
                rank = int(digit)
        self.spatial = rank
        shapes = [s for s in SHAPES if len(s) in (rank + 1, rank + 2) and len(s) >= 2] if rank else SHAPES
        if re.match(r"(conv|grid_sampler|upsample|instance_norm|batch_norm|group_norm|pixel|channel|_upsample|fold|unfold|col2im|im2col|adaptive)", name):
            shapes = [s for s in shapes if len(s) == (rank + 2 if rank else 4)] or SHAPES
        self.shape = rng.choice(shapes)
        self.dtype = rng.choice([torch.float32] * 6 + DTYPES) if not rank else rng.choice([torch.float32] * 8 + [torch.float64, torch.float16, torch.int64])
        self.count = 0

    def axis(self):
        rank = len(self.shape)
        return self.rng.randint(-max(rank, 1), max(rank, 1) - 1)

    def tensor(self, name):
        rng, shape = self.rng, self.shape
        self.count += 1
        if self.count == 1 and name not in ("mask", "condition", "index", "indices", "boundaries", "sorted_sequence"):
            return values(rng, shape, self.dtype)
        if name in ("mask", "condition"):
            return values(rng, self.broadcast(), torch.bool)
        if "embedding_bag" in self.name:
            if name == "indices":
                self.length = rng.choice([0, 1, 3, 5, 8])
                return torch.tensor([rng.randint(0, max(shape[0] if shape else 1, 1) - 1) for _ in range(self.length)], dtype=torch.int64)
            if name == "offsets":
                return torch.tensor([0] + sorted(rng.randint(0, self.length) for _ in range(rng.choice([0, 1, 2, 3]))), dtype=torch.int64)
            return values(rng, (self.length,), self.dtype)
        if name == "offs":
            return torch.tensor(sorted(rng.randint(0, 4) for _ in range(rng.choice([0, 1, 2]))) + [4], dtype=torch.int32)
        if self.name == "_grouped_mm" and name == "mat2":
            return values(rng, rng.choice([(4, 4), (2, 4, 4), (3, 4, 4), (2, 4, 8)]), self.dtype)
        if name in ("index", "indices", "target", "sorter"):
            n = max(shape[rng.randrange(len(shape))] if shape else 1, 1)
            low = -n if self.name in ("index", "take", "index_put") else 0
            size = rng.choice([shape, (rng.choice([0, 1, 2, 3]),), shape[:-1], shape[:1] + shape[2:]])
            return torch.tensor([rng.randint(low, n - 1) for _ in range(math.prod(size))], dtype=torch.int64).reshape(size)
        if name in ("boundaries", "sorted_sequence"):
            return values(rng, (rng.choice([1, 2, 3, 5]),), self.dtype).sort().values
        channels = shape[1] if len(shape) > 1 else 1
        if name == "weight" and self.spatial or self.name == "convolution" and name == "weight":
            out, groups = rng.choice([1, 2, 4]), rng.choice([1, 1, channels or 1])
            kernel = [rng.choice([1, 1, 2, 3]) for _ in range(self.spatial or 2)]
            first = (channels, out) if "transpose" in self.name else (out, max(channels // groups, 1))
            self.out = out
            return values(rng, (*first, *kernel), self.dtype)
        if name == "bias" and self.spatial:
            return values(rng, (getattr(self, "out", 1),), self.dtype)
        if name in ("running_mean", "running_var", "weight", "bias"):
            size = rng.choice([(channels,), shape[-1:], (1,)])
            return values(rng, size, self.dtype).abs() if name == "running_var" else values(rng, size, self.dtype)
        if name in ("mat2", "other", "batch2", "vec", "vec2", "tensor2", "mat1", "batch1") and shape and rng.random() < (0.9 if "m" in name else 0.2):
            last = shape[-1]
            return values(rng, rng.choice([(last, rng.choice([0, 1, 2, 5])), (last,), (*shape[:-2], last, 3), tuple(reversed(shape))]), self.dtype)
        if name == "grid":
            return torch.tensor([rng.uniform(-1.4, 1.4) for _ in range(shape[0] * math.prod([2, 3, 2][: self.spatial]) * self.spatial)], dtype=self.dtype).reshape(
                shape[0], *[2, 3, 2][: self.spatial], self.spatial)
        dtype = self.dtype if rng.random() < 0.75 else rng.choice(DTYPES)
        return values(rng, self.broadcast() if rng.random() < 0.5 else shape, dtype)

    def broadcast(self):
        rng = self.rng
        return rng.choice([self.shape, tuple(1 if rng.random() < 0.5 else n for n in self.shape), self.shape[1:], ()])

    def integer(self, name):
        rng = self.rng
        if name in ("dim", "axis", "dim0", "dim1", "axis0", "axis1", "start_dim", "end_dim", "source", "destination"):
            return self.axis()
        n = self.shape[rng.randrange(len(self.shape))] if self.shape else 1
        if name in ("start", "end"):
            return rng.choice([0, 1, -1, n, n - 1, -n, n + 3, -n - 3, 9223372036854775807 if name == "end" else 0])
        if name in ("step",):
            return rng.choice([1, 2, 3, n or 1, n + 2])
        if name in ("k", "split_size", "chunks", "sections", "size", "repeats", "num_classes", "groups", "upscale_factor", "downscale_factor", "num_groups", "kernel_size", "n", "length", "steps", "window_length", "N"):
            return rng.choice([0, 1, 1, 2, 2, 3, n, n + 1])
        if name in ("diagonal", "offset"):
            return rng.choice([0, 1, -1, n, -n, 2])
        if name == "interpolation_mode" and self.name == "grid_sampler_3d":
            # Bicubic is refused by grid_sampler, and no mode of grid_sampler_3d, which does not ask.
            return rng.choice([0, 1])
        if name in ("interpolation_mode", "padding_mode", "reduction"):
            return rng.choice([0, 1, 2])
        if name == "index":
            return rng.choice([0, -1, n - 1, -n])
        return rng.choice([0, 1, 2, 3, -1, 4])

    def integers(self, name, length):
        rng, shape = self.rng, self.shape
        if name in ("dim", "dims", "axis", "axes") or name.endswith("dims"):
            rank = len(shape)
            some = rng.sample(range(rank), rng.randint(0, rank))
            if self.name in ("permute",):
                some = rng.sample(range(rank), rank)
            return [i - rank if rng.random() < 0.3 else i for i in some]
        if name == "normalized_shape":
            return list(shape[-rng.randint(1, max(len(shape), 1)):])
        if name in ("size", "shape") and not self.spatial:
            return rng.choice([list(shape), [-1], [math.prod(shape)], [2, *shape], [1, -1], [0], [2, 3], [], [3], [1] + list(shape)])
        if name in ("repeats", "reps", "dims", "repeats"):
            return [rng.choice([0, 1, 2, 3]) for _ in range(len(shape) + rng.choice([0, 0, 1]))]
        if name in ("shifts",):
            return [rng.choice([0, 1, -1, 2, 5, -7]) for _ in range(rng.choice([1, 1, 2]))]
        if name in ("split_sizes", "split_size") and shape:
            n = rng.choice(shape)
            cut = rng.randint(0, n)
            return [cut, n - cut]
        if name in ("pad", "padding") and "pad" in self.name:
            count = self.spatial or rng.randint(0, len(shape))
            return [rng.choice([0, 0, 1, 2, -1]) for _ in range(2 * count)]
        count = length or self.spatial or len(shape) or 1
        low = {"kernel_size": [1, 1, 2, 3, 5], "stride": [1, 1, 2, 3], "padding": [0, 0, 1, 2], "dilation": [1, 1, 1, 2, 3], "output_size": [1, 1, 2, 3, 5, 7], "output_padding": [0, 0, 1]}.get(name, [0, 1, 2, 3])
        if name == "stride" and rng.random() < 0.3 and "pool" in self.name:
            return []
        if name in ("kernel_size", "output_size") and rng.random() < 0.3 and len(shape) >= count:
            return [n or 1 for n in shape[-count:]]
        return [rng.choice(low) for _ in range(count)]

    def value(self, kind, name):
        rng = self.rng
        if kind.startswith("Optional[") or kind.endswith("?"):
            inner = kind[9:-1] if kind.startswith("Optional[") else kind[:-1]
            return None if rng.random() < 0.4 else self.value(inner, name)
        if kind == "Tensor":
            return self.tensor(name)
        if kind in ("List[Tensor]", "Tensor[]"):
            if self.name in ("meshgrid", "cartesian_prod", "block_diag", "broadcast_tensors"):
                return [values(rng, rng.choice([(), (1,), (2,), (3,)]), self.dtype) for _ in range(rng.choice([1, 2, 3]))]
            return [self.tensor(name) if i == 0 else values(rng, self.shape if rng.random() < 0.8 else self.broadcast(), self.dtype) for i in range(rng.choice([1, 2, 2, 3]))]
        if kind in ("List[Optional[Tensor]]", "Tensor?[]"):
            return [self.tensor("index")]
        if kind in ("int", "SymInt"):
            if name == "dtype":
                return rng.choice([0, 1, 2, 3, 4, 5, 6, 7, 11])
            return self.integer(name)
        if kind in ("List[int]", "List[SymInt]") or re.match(r"(SymInt|int)\[", kind):
            match = re.search(r"\[(\d+)\]", kind)
            return self.integers(name, int(match.group(1)) if match else None)
        if kind == "ScalarType":
            return rng.choice([0, 1, 2, 3, 4, 5, 6, 7, 11])
        if kind == "bool":
            return rng.random() < 0.5
        if kind == "float":
            return rng.choice([0.0, 0.5, 1.0, 2.0, -1.0, 0.1, 1e-5, 3.0, 10.0])
        if kind in ("List[float]",) or kind.startswith("float["):
            return [rng.choice([0.5, 1.0, 2.0, 1.7]) for _ in range(self.spatial or 1)]
        if kind in ("Scalar", "number"):
            return rng.choice([0, 1, 2, -1, 3, -3, 0.5, -0.5, 2.0, 100, -100, True, 2.5])
        if kind == "str":
            return rng.choice(STRINGS.get(name, ["none"]))
        if kind in ("Layout", "Device", "MemoryFormat", "Generator", "Dimname", "Storage", "Stream"):
            return None
        raise TypeError(kind)


def kind_of(argument):
    return str(argument.type) if not hasattr(argument, "real_type") else str(argument.real_type)


def orders(call):
    """The orders of a call of a polynomial, where these are steps of a recurrence."""
    n = call.args[1] if len(call.args) > 1 else call.kwargs.get("n", 0)
    return n.flatten().tolist() if isinstance(n, torch.Tensor) else [n]


def make(rng, name, overload):
    schema = getattr(getattr(torch.ops.aten, name), overload)._schema
    call, maker, positional = Call(name, overload), Maker(rng, name), True
    for argument in schema.arguments:
        kind, fixed = str(argument.type), argument.N
        if fixed and kind in ("List[int]", "List[SymInt]"):
            kind = f"int[{fixed}]"
        if any(word in kind for word in ("Layout", "Device", "MemoryFormat", "Generator")) or argument.name in ("layout", "device", "pin_memory", "memory_format", "generator", "non_blocking"):
            if argument.has_default_value():
                positional = False
                continue
        if argument.has_default_value() and rng.random() < 0.35:
            positional = False
            continue
        value = maker.value(kind, argument.name)
        if argument.name == "dtype" and isinstance(value, int):
            pass
        if positional and not argument.kwarg_only:
            call.args.append(value)
        else:
            call.kwargs[argument.name] = value
    if not any(True for _ in call.tensors()):
        return None  # nothing to compute from: constants are tried elsewhere
    if "dtype" in call.kwargs and call.kwargs["dtype"] is None:
        del call.kwargs["dtype"]
    if "polynomial" in name and any(float(x) > 2.0**20 for x in orders(call)):
        return None  # torch, too, takes as many steps: some seconds for 2³⁰
    if call.kwargs.get("sorter") is not None:
        # For a sorter that does not sort torch defines nothing.
        n = call.args[0].shape[-1]
        call.args[0] = call.args[0][..., rng.sample(range(n), n)]
        call.kwargs["sorter"] = call.args[0].argsort(-1)
    if name in ("view", "view_copy") and overload == "dtype" and call.args[1] in (11, torch.bool):
        # What torch does with a byte that is neither 0 nor 1 differs from operator to operator.
        if not bool((call.args[0].contiguous().view(torch.uint8) <= 1).all()):
            return None
    if name == "linalg_polar" and not (bool(call.args[0].isfinite().all()) and bool((torch.linalg.matrix_rank(call.args[0].double(), rtol=1e-4) == call.args[0].shape[-1]).all())):
        return None  # of a singular matrix the orthonormal factor is not unique
    if "embedding_bag" in name:
        # Where the last offset is to be the number of indices, and is not, the modes disagree on what is behind it.
        at = [argument.name for argument in schema.arguments].index("include_last_offset")
        if (call.args[at] if at < len(call.args) else call.kwargs.get("include_last_offset")) and int(call.args[2][-1]) != call.args[1].numel():
            return None
    if name == "_grouped_mm" and len(call.args) > 2 and call.args[2] is not None:
        # Beyond the last end is memory that nobody wrote.
        x, y, ends = call.args[0], call.args[1], call.args[2].tolist()
        n = x.shape[-1] if x.dim() == y.dim() else x.shape[0] if x.dim() == 2 else y.shape[1]
        if ends != sorted(ends) or not ends or ends[0] < 0 or ends[-1] != n:
            return None
    if name == "ctc_loss":
        # Labels that are no classes are read from memory beside the probabilities.
        log, labels = call.args[0], call.args[1].long()
        if bool(((labels < 0) | (labels >= log.shape[-1])).any()):
            return None
    result = call.run()
    if name == "repeat_interleave" and call.kwargs.get("output_size") is not None:
        # A wrong one is not looked at, nor are negative counts of nothing.
        axis = call.args[2] if len(call.args) > 2 else call.kwargs.get("dim")
        if call.kwargs["output_size"] != result.shape[axis or 0]:
            return None
    for item in result if isinstance(result, (list, tuple)) else [result]:
        if isinstance(item, torch.Tensor):
            if item.is_complex() or item.numel() > 20000 or item.is_sparse or item.is_quantized or item.dtype not in DTYPES:
                return None
        else:
            return None
    # Floats that no integer holds are cast as the machine pleases.
    floats = [t for t in call.tensors() if t.is_floating_point()]
    if any(not t.isfinite().all() or (t.abs() > 100).any() for t in floats) and any(t.dtype in INTS for t in (result if isinstance(result, (list, tuple)) else [result])):
        return None
    call.kinds = "list" if isinstance(result, list) else "tuple" if isinstance(result, tuple) else "one"
    call.expected = [t.detach().clone() for t in (result if isinstance(result, (list, tuple)) else [result])]
    return call if call.expected else None


class M(torch.nn.Module):
    def forward(self, x0):
        return (x0,)


def base(module):
    whole = io.BytesIO()
    torch.jit.save(torch.jit.script(module), whole)
    with zipfile.ZipFile(whole) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith(".debug_pkl")}


BASE = base(M())


def write(calls, path):
    """The archive of these calls, its inputs, and the number of outputs of each call."""
    inputs, lines, outputs = [], [], []
    for k, call in enumerate(calls):
        index = {}
        for tensor in call.tensors():
            if id(tensor) not in index:
                index[id(tensor)] = len(inputs)
                inputs.append(tensor)
        if call.kinds == "tuple" and len(call.expected) > 1:
            names = [f"y{k}_{i}" for i in range(len(call.expected))]
            lines.append(f"    {', '.join(names)}, = {call.text(index)}")
            outputs += names
        elif call.kinds in ("list", "tuple"):
            lines.append(f"    y{k} = {call.text(index)}")
            outputs += [f"y{k}[{i}]" for i in range(len(call.expected))]
        else:
            lines.append(f"    y{k} = {call.text(index)}")
            outputs.append(f"y{k}")
    parameters = "".join(f",\n    x{i}: Tensor" for i in range(len(inputs)))
    code = f"class M(Module):\n  def forward(self: __torch__.M{parameters}) -> Tuple[{', '.join('Tensor' for _ in outputs)}]:\n" + "\n".join(lines)
    code += f"\n    return ({', '.join(outputs)},)\n"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in BASE.items():
            short = name.split("/", 1)[1]
            archive.writestr(name, code if short == "code/__torch__.py" else "10\n" if short in ("version", ".data/version") else data)
    save_file({f"x{i}": t.contiguous().clone() for i, t in enumerate(inputs)}, str(path) + ".in.safetensors")
    return inputs


def specs(inputs, path):
    return [part for i in range(len(inputs)) for part in ("-i", f"x{i}=@{path}.in.safetensors#x{i}")]


LOOSE = re.compile(r"(special_|lgamma|digamma|polygamma|erfinv|igamma|mvlgamma|i0|i1|ndtri|zeta|bessel|airy|gammainc|var|std|norm|logcumsumexp|cdist|prod|cumprod|corrcoef|cov|matrix_power|kl_div|softmax|pow)")


def differing(call, got, expected):
    """Which elements of a result differ from torch's, of the same dtype and shape."""
    if not expected.dtype.is_floating_point:
        return got != expected
    rtol = {torch.float16: 4e-3, torch.float32: 2e-5, torch.float64: 1e-9}[expected.dtype] * (50 if LOOSE.search(call.name) else 1)
    scale = max([1e-3] + [x.double().abs()[x.double().isfinite()].max().item() for x in call.tensors() if x.numel() and x.double().isfinite().any()])
    # What is left of running sums that cancel is as large as the rounding of the largest.
    scale = scale if call.name.startswith("cumulative") else min(scale, 100.0)
    return ~torch.isclose(got.double(), expected.double(), rtol=rtol, atol=rtol * scale, equal_nan=True)


def wrong(call, got, expected):
    if got is None:
        return "missing"
    if got.dtype != expected.dtype:
        return f"dtype {str(got.dtype)[6:]}, torch {str(expected.dtype)[6:]}"
    if got.shape != expected.shape:
        return f"shape {list(got.shape)}, torch {list(expected.shape)}"
    off = differing(call, got, expected).flatten()
    if not off.any():
        return None
    at = int(off.nonzero()[0])
    return f"{got.flatten()[at].item()!r} at {at}, torch {expected.flatten()[at].item()!r} ({int(off.sum())} of {off.numel()})"


class Sweep:
    """Runs batches of calls. Each call ends as right, refused, WRONG, crash, lacks (ONNX Runtime has no kernel) or runtime (ONNX Runtime's own fault)."""

    def __init__(self, options, folder):
        self.options, self.folder, self.count = options, folder, 0
        self.verdicts, self.failures, self.calls, self.right = collections.defaultdict(collections.Counter), [], 0, []
        self.log = open(options.log, "w") if options.log else None

    def record(self):
        failed = set()
        for path in filter(None, self.options.again.split(",")):
            failed |= {row["call"] for row in map(json.loads, open(path)) if row["where"] == "eager" and row["verdict"] in ("WRONG", "crash", "refused")}
        counts, lines = collections.Counter(), []
        for call in self.right:
            again = str(call)[:1200] in failed
            key = (call.name, call.overload, again)
            small = all(t.numel() <= 24 for t in [*call.tensors(), *call.expected])
            if small and (again or not self.options.again) and counts[key] < (2 if again else 1):
                counts[key] += 1
                lines.append(json.dumps(as_json(call)))
        pathlib.Path(self.options.record).write_text("\n".join(lines) + "\n")

    def ontrace(self, *arguments):
        try:
            done = subprocess.run([self.options.ontrace, *arguments], capture_output=True, text=True, timeout=300)
        except subprocess.TimeoutExpired:
            return 99, "timeout"
        text = done.stderr.strip() or done.stdout.strip()
        if "raise the limit" in text and "--limit" not in arguments:
            # Polynomials of a large order take as many steps.
            return self.ontrace(*arguments, "--limit", "8GB")
        return done.returncode, text

    def end(self, call, where, verdict, what=""):
        self.verdicts[call.name][f"{where} {verdict}"] += 1
        call.verdicts[where] = verdict
        if where == "eager" and verdict == "right" and self.options.record:
            self.right.append(call)
        what = " ".join(what.split())
        if verdict in ("refused", "WRONG", "crash", "runtime"):
            line = f"{where:7} {verdict:7} {call.name}.{call.overload}: {what[:300]} | {str(call)[:600]}"
            self.failures.append(line)
            print(line, flush=True)
        if self.log:
            self.log.write(json.dumps({"op": call.name, "overload": call.overload, "where": where, "verdict": verdict, "what": what[:400], "call": str(call)[:1200]}) + "\n")
            self.log.flush()

    def paths(self, calls):
        self.count += 1
        path = self.folder / f"{self.options.part.replace('/', '_of_')}_{self.count}.pt"
        inputs = write(calls, path)
        return path, inputs, specs(inputs, path)

    def clean(self, path):
        if not self.options.keep:
            for file in self.folder.glob(f"{path.stem}.*"):
                file.unlink()

    def culprit(self, text, calls, inputs):
        """The call that a message is about, by its line in the archive's code."""
        found = re.search(r"code/__torch__\.py:(\d+)", text)
        at = int(found.group(1)) - 3 - len(inputs) if found else -1
        return at if 0 <= at < len(calls) else None

    def without(self, calls, step, where, text, inputs):
        """Goes on with what is left when a batch failed: all but the call that the message names, or two halves."""
        if len(calls) == 1:
            if "NOT_IMPLEMENTED" in text or "Could not find an implementation" in text or "data type is not supported with Scatter" in text or "alpha attribute must be finite" in text:
                return self.end(calls[0], where, "lacks", text)
            crash = "panick" in text or "E09" in text or "timeout" in text or not text
            return self.end(calls[0], where, "crash", text) if crash else self.refused(calls[0], where, text)
        at = self.culprit(text, calls, inputs)
        parts = [calls[: len(calls) // 2], calls[len(calls) // 2 :]] if at is None else [calls[at : at + 1], calls[:at] + calls[at + 1 :]]
        if at is not None and "panick" not in text:
            self.refused(calls[at], where, text)
            parts = parts[1:]
        for part in parts:
            step(part)

    def batch(self, calls):
        for call in calls:
            call.verdicts = {}
        self.calls += len(calls)
        self.eager(calls)
        self.written([call for call in calls if call.verdicts.get("eager") in ("right", "WRONG", "torch")])

    def refused(self, call, where, text):
        """A refusal, or the reason why torch's answer is none."""
        why = next((why for name, shows, _, why in TORCH_FAULTS if re.fullmatch(name, call.name) and "memory that nobody wrote" in why and shows(call)), None)
        self.end(call, where, "torch" if why else "refused", why or text)

    def eager(self, calls):
        if not calls:
            return
        path, inputs, given = self.paths(calls)
        out = path.with_suffix(".safetensors")
        code, text = self.ontrace("run", str(path), "--backend", "eager", "-q", "--out", str(out), *given)
        if code != 0:
            self.without(calls, self.eager, "eager", text, inputs)
        else:
            self.compare(calls, list(load_ordered(out)), "eager")
        self.clean(path)

    def written(self, calls):
        if not calls:
            return
        path, inputs, given = self.paths(calls)
        model = path.with_suffix(".onnx")
        code, text = self.ontrace("convert", str(path), "-o", str(model), "--no-check", "-q", *given)
        ran = None
        if code == 0:
            try:
                ran = runtime(model, inputs)
            except Exception as error:  # ONNX Runtime's own classes are many
                text = f"onnxruntime: {str(error)[:300]}"
        if ran is None:
            self.without(calls, self.written, "written", text, inputs)
        else:
            self.compare(calls, ran, "written")
        self.clean(path)

    def blame(self, call):
        """Whether onnx.reference computes torch's value from what was written: then the difference is ONNX Runtime's."""
        path, inputs, given = self.paths([call])
        model = path.with_suffix(".onnx")
        try:
            if self.ontrace("convert", str(path), "-o", str(model), "--no-check", "-q", *given)[0] != 0:
                return False
            got = reference(model, inputs)
        except Exception:  # onnx.reference lacks much
            return False
        finally:
            self.clean(path)
        return all(wrong(call, g, e) is None for g, e in zip(got, call.expected))

    def compare(self, calls, got, where):
        at = 0
        for call in calls:
            found = None
            for i, expected in enumerate(call.expected):
                if i == 1 and TIES.fullmatch(call.name) and len(call.expected) > 1:
                    continue
                found = found or wrong(call, got[at + i] if at + i < len(got) else None, expected)
            own = got[at : at + len(call.expected)]
            at += len(call.expected)
            excuse = excused(call, own, where) if found else None
            if excuse:
                self.end(call, where, excuse[0], f"{found} ({excuse[1]})")
            elif found and where == "written" and call.verdicts.get("eager") == "right" and self.blame(call):
                self.end(call, where, "runtime", f"{found} (onnx.reference agrees with torch)")
            else:
                self.end(call, where, "WRONG" if found else "right", found or "")


#: Whose second result is the index of one of several equal elements: torch does not say which.
TIES = re.compile("kthvalue|topk|mode|median|nanmedian|sort|msort")


def any_float(test):
    return lambda call: any(bool(test(t).any()) for t in call.tensors() if t.is_floating_point())


def always(call):
    return True


def infinite(t):
    return ~t.isfinite()


def first_float(call):
    """The first tensor of floats among the arguments."""
    return next((t for t in call.tensors() if t.is_floating_point()), None)


def like(mask, expected):
    """A condition on the elements of an operand as one on those of the result, where they have one shape."""
    return mask.expand(expected.shape) if mask.shape == expected.shape or mask.numel() == 1 else torch.zeros(expected.shape, dtype=torch.bool)


# What is said of the elements of a result: from the call, which result, what came, and torch's.
def any_element(call, i, got, expected):
    return torch.ones(expected.shape, dtype=torch.bool)


def torch_is_nan(call, i, got, expected):
    return expected.isnan()


def came_nan(call, i, got, expected):
    return got.isnan()


def came_infinite(call, i, got, expected):
    return got.isinf()


def of_the_largest(call, i, got, expected):
    """Where the difference is rounding of the largest element: of its weight, and of a position along an axis."""
    largest = first_float(call).double().abs().nan_to_num(0, 0, 0).max()
    return (got.double() - expected.double()).abs() <= (4 + max(expected.shape[2:])) * torch.finfo(torch.float32).eps * largest


def one_is_nan(call, i, got, expected):
    return got.isnan() | expected.isnan()


def lowest_for_minus_infinity(call, i, got, expected):
    return (expected == -math.inf) & (got == torch.finfo(got.dtype).min) if got.is_floating_point() else got != got


def nan_for_infinite(call, i, got, expected):
    return (got.isnan() & expected.isinf()) | (got.isinf() & expected.isnan())


def beyond_double(call, i, got, expected):
    """Where a power of integers is more than a double holds, or more than what a double is cut to: 32 bits for narrow integers."""
    base, exponent = (torch.as_tensor(a).double() for a in call.args[:2])
    bits = 53 if expected.element_size() == 8 else 31
    return ((base.abs().log2() * exponent >= bits) | (exponent < 0)).expand(expected.shape)


def powers_overflow(call):
    largest = max([float(t.double().abs().nan_to_num(0, 0, 0).max()) for t in call.tensors() if t.numel()], default=0.0)
    singles = all(t.dtype != torch.float64 for t in call.tensors())
    return singles and largest > 1 and math.isfinite(order_of_distance(call)) and math.log2(2 * largest) * order_of_distance(call) > 127


def first_row_again(call, i, got, expected):
    rows = torch.arange(expected.shape[-2]).reshape(-1, 1) > 0
    return (expected == expected[..., :1, :]) & rows


def half_steps(call, i, got, expected):
    x = next(call.tensors())
    if call.args[2] == 1:
        # The neighbour of the nearest.
        return torch.isin(expected, x) & torch.isin(got, x)
    largest = x.double().abs().nan_to_num(0, 0, 0).max() if x.numel() else 0
    return (got.double() - expected.double()).abs() <= largest * 2.0**-5


def order_of_distance(call):
    return call.args[2] if len(call.args) > 2 else call.kwargs.get("p", 2.0)


def tiny_order(call, i, got, expected):
    log = lambda t: t.double().log().clamp(max=math.log(torch.finfo(t.dtype).max))
    return (log(got) - log(expected)).abs() <= 64 * torch.finfo(expected.dtype).eps / order_of_distance(call)


def below_zero(call, i, got, expected):
    return like(first_float(call) < 0, expected)


def at_infinity(call, i, got, expected):
    return like(first_float(call).isinf(), expected)


def not_finite(call, i, got, expected):
    return ~expected.isfinite()


def overflowed(call, i, got, expected):
    return expected.isinf()


def large_order(call, i, got, expected):
    return (torch.as_tensor(call.args[1]).double().abs() > 2.0**20).expand(expected.shape)


def of_mean(call, i, got, expected):
    return expected.isnan() if i == 1 else torch.zeros(expected.shape, dtype=torch.bool)


def in_halves(call, i, got, expected):
    return torch.isclose(got.double(), expected.double(), rtol=2e-3, atol=1e-3)


def has_halves(call):
    return any(t.dtype == torch.float16 for t in call.tensors())


def has_doubles(call):
    return any(t.dtype == torch.float64 for t in call.tensors())


def to_six_digits(call, i, got, expected):
    return (got - expected).abs() <= 4e-6


def in_another_order(call, i, got, expected):
    axis = call.kwargs.get("dim", call.args[2] if len(call.args) > 2 else -1)
    same = got.numel() and torch.equal(got.sort(axis).values, expected.sort(axis).values)
    return torch.full(expected.shape, bool(same) or i == 1)


def index_of_nothing(call, i, got, expected):
    return call.expected[0] == -math.inf if i == 1 else torch.zeros(expected.shape, dtype=torch.bool)


def of_counts(call, i, got, expected):
    return torch.full(expected.shape, i == 0)


def is_on_an_edge(call):
    """Whether a value is an inner edge of a histogram, but for the last digits of singles."""
    x, edges = first_float(call).flatten().double(), call.expected[1].double()
    distance = (x.unsqueeze(1) - edges[1:-1]).abs()
    return distance.numel() > 0 and bool((distance <= 2 * torch.finfo(torch.float32).eps * edges.abs().max()).any())


def scalar(call, i, got, expected):
    return torch.full(expected.shape, expected.ndim == 0)


def in_singles(call, i, got, expected):
    return torch.isclose(got.double(), expected.double(), rtol=2e-6, atol=0.0)


def beyond_integers(call, i, got, expected):
    """Where a power is no integer of the dtype: what a cast makes of it depends on the machine."""
    wide = getattr(torch.ops.aten.logspace, call.overload)(*call.args, **(call.kwargs | {"dtype": torch.float64}))
    return wide.abs() >= 2.0 ** (8 * expected.element_size() - 1)


def large_exponent(call, i, got, expected):
    s = torch.as_tensor(call.args[0]).double()
    return (s > 2.0**20).expand(expected.shape) & expected.isnan()


def keeps_a_size(call):
    return any_float(infinite)(call) and any(n == m for n, m in zip(call.args[0].shape[2:], call.expected[0].shape[2:]))


def reduces_nan(call):
    """A reduction to the largest or smallest beside NaN."""
    return any(value in ("amax", "amin", "max", "min") for value in [*call.args, *call.kwargs.values()] if isinstance(value, str)) and any_float(torch.isnan)(call)


def pads_an_infinite_kernel(call):
    """A convolution whose kernel has an infinity or NaN."""
    tensors = list(call.tensors())
    return len(tensors) > 1 and bool(infinite(tensors[1]).any())


#: What ONNX Runtime computes otherwise than the standard says: operators of torch, the calls that show it, the elements of a result that may differ in
#: such a call (where any other does, it is no excuse), and what it does.
RUNTIME_FAULTS = [
    ("index_reduce|scatter_reduce|segment_reduce", reduces_nan, torch_is_nan, "ScatterElements takes the update where max or min meets NaN in the data"),
    ("max_pool.*", any_float(torch.isnan), torch_is_nan, "MaxPool loses NaN"),
    ("max_pool.*", always, lowest_for_minus_infinity, "MaxPool begins with the lowest finite number, also where a window has -inf or padding alone"),
    ("cov|corrcoef", lambda call: any(t.numel() == 0 for t in call.tensors()), torch_is_nan, "a division by 0 is fused into MatMul, which refuses it"),
    ("pow", lambda call: not call.expected[0].is_floating_point(), beyond_double, "Pow of integers is computed in double and saturates"),
    ("upsample_(bi|tri)?linear.*", any_float(infinite), came_nan, "Resize multiplies infinities of other axes by 0"),
    ("upsample_(bi|tri)?linear.*", any_float(infinite), came_infinite, "a position is rounded to one beside it, which has a share of its neighbour"),
    ("grid_sampler.*", any_float(infinite), torch_is_nan, "the neighbours of a point outside are moved inside, and not the point: those of no weight are others"),
    ("grid_sampler.*", lambda call: call.args[3] != 0 and any_float(infinite)(call), came_nan, "a neighbour outside, of no weight, is an infinity inside"),
]

#: Where torch gives no value, or one that depends on its vector instructions: likewise, with what torch does.
TORCH_FAULTS = [
    ("_upsample_bi.*_aa", lambda call: any(t.ndim and t.shape[-1] == 1 for t in call.expected), first_row_again, "a result one column wide repeats its first row"),
    ("_pad_circular", lambda call: any(n < 0 for n in call.args[1]), any_element, "what is cropped to nothing is memory that nobody wrote"),
    ("_add_relu", any_float(torch.isnan), one_is_nan, "NaN stays in whole vectors and is 0 in what is left of them"),
    ("_?add(bmm|mm|mv|mm_activation)|baddbmm", lambda call: call.kwargs.get("alpha") == 0 and any_float(infinite)(call), one_is_nan, "whether a product is multiplied by an alpha of 0 depends on the implementation"),
    ("linalg_polar", any_float(infinite), any_element, "an infinite matrix has no singular values, and torch gives it a unit factor of +1 whatever its sign"),
    ("isin", lambda call: call.kwargs.get("assume_unique", False), any_element, "what is said to be unique is not"),
    ("softplus", any_float(lambda t: t > 80), overflowed, "the exponential overflows below a threshold that is beyond it"),
    ("gelu", any_float(torch.isinf), at_infinity, "the vector form of erf is NaN at infinity"),
    ("cosine_similarity", has_halves, in_halves, "a half beside a single is divided by its norm in half precision"),
    ("grid_sampler.*", has_halves, half_steps, "every step is rounded to half precision"),
    ("histogram", lambda call: first_float(call).unique().numel() == 1, of_counts, "the value is the edge in the middle, whose last digit depends on how many are computed together"),
    ("histogram", lambda call: call.overload == "bin_ct" and is_on_an_edge(call), of_counts, "a value is an edge, whose last digit depends on how many are computed together"),
    ("histogram", lambda call: call.overload == "bins_tensor" and not bool((call.args[1].diff() > 0).all()), of_counts, "edges that do not increase are searched as if they did"),
    ("cdist|_cdist_forward", lambda call: 0 < order_of_distance(call) < 1e-3, tiny_order, "the powers of a tiny order lose their digits"),
    ("cdist|_cdist_forward", powers_overflow, overflowed, "the powers of singles overflow before the root is taken"),
    ("cdist|_cdist_forward", any_float(torch.isinf), nan_for_infinite, "distances of order 2 by a matrix product are NaN where a point is infinite"),
    ("conv.*|thnn_conv.*|_convolution.*", pads_an_infinite_kernel, one_is_nan, "whether padding is multiplied by the kernel depends on the implementation"),
    ("max_pool.*with_indices", always, index_of_nothing, "a window with padding alone, or -inf, has an index that depends on the implementation"),
    ("multi(label)?_margin_loss", lambda call: any(t.numel() == 0 for t in call.tensors()), scalar, "the mean of nothing is memory that nobody wrote"),
    (".*polygamma", any_float(lambda t: t < 0), below_zero, "terms of both signs cancel before they are added in single precision"),
    (".*chebyshev_polynomial.*", always, large_order, "a multiple of an angle that has no digit left"),
    (".*_polynomial_.*", always, nan_for_infinite, "whether a difference of products that overflow is infinite or NaN depends on whether the compiler fuses them"),
    ("prod", lambda call: any(t.numel() and t.double().abs().max() > 1e18 for t in call.tensors()), torch_is_nan, "a product overflows in singles before it meets a zero"),
    ("prod", lambda call: call.expected[0].dtype == torch.float16, not_finite, "a product of halves overflows before it meets what is small"),
    ("glu", any_float(torch.isinf), torch_is_nan, "the exponential in the divisor of an infinity overflows where the sigmoid is not yet 0"),
    ("fmod|remainder", any_float(lambda t: t.abs() < 1e-30), torch_is_nan, "the vector form is NaN where the quotient overflows"),
    ("(instance|batch)_norm", any_float(infinite), torch_is_nan, "scale and shift are combined before they meet the values: infinities of both signs are added"),
    ("native_.*norm", any_float(infinite), torch_is_nan, "the mean is Welford's, NaN after an infinity"),
    ("_?upsample_((bi|tri)?linear|bicubic).*", any_float(infinite), one_is_nan, "whether an infinity beside a position is multiplied by 0 depends on how the position is rounded"),
    ("upsample_bicubic.*", always, of_the_largest, "weights of both signs are singles, which large elements show"),
    ("upsample_((bi|tri)?linear|bicubic).*", keeps_a_size, torch_is_nan, "an axis that keeps its size is multiplied by 1 and by 0"),
    ("(var|std)_mean", any_float(infinite), of_mean, "the mean is Welford's, NaN after an infinity"),
    ("logspace", lambda call: not call.expected[0].is_floating_point(), beyond_integers, "a power that the dtype has not is cast"),
    ("special_bessel_[jy].|special_airy_ai", has_doubles, to_six_digits, "the fits of singles serve doubles as well, right to six digits"),
    ("special_airy_ai", any_float(torch.isinf), torch_is_nan, "infinity, whose value is 0, is multiplied"),
    ("special_zeta", always, large_exponent, "products of the exponent overflow where the power vanishes"),
    ("topk", lambda call: call.kwargs.get("sorted", True) is False or call.args[4:5] == [False], in_another_order, "what need not be sorted has any order"),
    ("triplet_margin_loss|pairwise_distance|dist", lambda call: any(t.numel() and t.double().abs().max() > 1e18 for t in call.tensors()), overflowed, "squares overflow in singles"),
    ("triplet_margin_loss", lambda call: not any(t.is_floating_point() for t in list(call.tensors())[:2]), in_singles, "the distance of integers is a single, also beside one of doubles"),
]


def excused(call, got, where):
    """The verdict and the reasons where rows of the tables cover every element that differs; None where one is left."""
    if len(got) < len(call.expected) or any(g is None or g.dtype != e.dtype for g, e in zip(got, call.expected)):
        return None
    tables = [("torch", TORCH_FAULTS)] + ([("runtime", RUNTIME_FAULTS)] if where == "written" and call.verdicts.get("eager") != "WRONG" else [])
    rows = [(verdict, elements, why) for verdict, table in tables for name, shows, elements, why in table if re.fullmatch(name, call.name) and shows(call)]
    verdicts, reasons = set(), []
    for i, (g, e) in enumerate(zip(got, call.expected)):
        left = differing(call, g, e) if g.shape == e.shape else None
        if i == 1 and TIES.fullmatch(call.name) or left is not None and not bool(left.any()):
            continue
        for verdict, elements, why in rows:
            # Sizes are covered by a row that says nothing of elements.
            covered = elements is any_element if left is None else bool((left & elements(call, i, g, e)).any())
            if covered:
                left = torch.zeros(1, dtype=torch.bool) if left is None else left & ~elements(call, i, g, e)
                verdicts.add(verdict)
                reasons.append(why)
        if left is None or bool(left.any()):
            return None
    return ("runtime" if "runtime" in verdicts else "torch", "; ".join(dict.fromkeys(reasons))) if reasons else None


def reference(model, inputs):
    import onnx
    from onnx.reference import ReferenceEvaluator

    session = ReferenceEvaluator(onnx.load(model))
    outputs = session.run(None, {f"x{i}": t.numpy() for i, t in enumerate(inputs) if f"x{i}" in session.input_names})
    return [torch.from_numpy(np.array(y)) for y in outputs]


def as_json(value):
    """A call, or an argument of one, as the tests of src/read/aten/edge_cases.rs read it."""
    if isinstance(value, Call):
        tolerance = max([1e-9] + [{torch.float16: 4e-3, torch.float32: 2e-5, torch.float64: 1e-9}.get(t.dtype, 0.0) for t in value.expected]) * (50 if LOOSE.search(value.name) else 4)
        named = {k: as_json(v) for k, v in value.kwargs.items()}
        return {"op": value.name, "args": [as_json(v) for v in value.args], "named": named, "results": [as_json(t) for t in value.expected], "tolerance": tolerance}
    if isinstance(value, torch.Tensor):
        values = [as_json(x) if not isinstance(x, float) or not math.isfinite(x) else x for x in value.flatten().tolist()]
        return {"dtype": str(value.dtype)[6:], "shape": list(value.shape), "values": [v["float"] if isinstance(v, dict) else int(v) if isinstance(v, bool) else v for v in values]}
    if isinstance(value, float):
        return {"float": value if math.isfinite(value) else str(value)}
    if isinstance(value, (list, tuple)):
        return [as_json(v) for v in value]
    return value


def load_ordered(path):
    """The tensors of a file in the order of the outputs: `y_3` is the fourth, and `y_3_0` a list where torch has a tensor, which is missing here."""
    arrays = load_file(path)
    found = {}
    for name, array in arrays.items():
        numbers = [int(digits) for digits in re.findall(r"\d+", name)]
        if len(numbers) <= 1:
            found[numbers[0] if numbers else 0] = array
        else:
            found.setdefault(numbers[0], None)
    return [found.get(i) for i in range(max(found, default=-1) + 1)]


def runtime(model, inputs):
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    wanted = {value.name for value in session.get_inputs()}
    outputs = session.run(None, {f"x{i}": t.numpy() for i, t in enumerate(inputs) if f"x{i}" in wanted})
    return [torch.from_numpy(np.array(y)) for y in outputs]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ontrace")
    parser.add_argument("--cases", type=int, default=20, help="valid calls of each overload")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="operators whose names match")
    parser.add_argument("--keep", help="where the archives go")
    parser.add_argument("--batch", type=int, default=40, help="calls of one archive")
    parser.add_argument("--part", default="0/1", help="I/N: the I-th of N parts of the overloads")
    parser.add_argument("--record", help="a file for small calls that end right, which the tests run without torch: one of each overload, or those of --again")
    parser.add_argument("--again", default="", help="logs of former sweeps, joined by commas: calls that were wrong, crashed or were refused then are recorded")
    parser.add_argument("--log", help="a file for the verdicts, one JSON object a line")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(options.keep or temporary)
        folder.mkdir(exist_ok=True)
        sweep, pending, untried = Sweep(options, folder), [], []
        for name, overload in shard(options):
            made = calls_of(name, overload, options)
            if not made:
                untried.append(f"{name}.{overload}")
            pending += made
            if len(pending) >= options.batch:
                sweep.batch(pending)
                pending = []
        sweep.batch(pending)
    if options.record:
        sweep.record()
    report(sweep, untried)
    return 1 if sweep.failures else 0


def shard(options):
    part, parts = map(int, options.part.split("/"))
    at = 0
    for name in names():
        if not re.search(options.only, name):
            continue
        for overload in getattr(torch.ops.aten, name).overloads():
            if "out" in overload.split("_") or "dimname" in overload or "names" in overload or "complex" in overload or "str" == overload:
                continue
            schema = getattr(getattr(torch.ops.aten, name), overload)._schema
            if any(a.alias_info is not None and a.alias_info.is_write for a in schema.arguments):
                continue
            at += 1
            if at % parts == part:
                yield name, overload


def from_child(work):
    """What `work(pipe)` pickles in a child process, and whether that ended by itself: torch crashes on some arguments."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        with os.fdopen(writer, "wb") as pipe:
            work(pipe)
        os._exit(0)
    os.close(writer)
    told = []
    with os.fdopen(reader, "rb") as pipe:
        while True:
            try:
                told.append(pickle.load(pipe))
            except (EOFError, pickle.UnpicklingError):
                break
    return told, os.waitpid(child, 0)[1] == 0


def calls_of(name, overload, options):
    """Valid calls of an overload, each another. After an attempt on which torch crashes the next goes on."""
    made, seen, attempt = [], set(), 0
    while attempt < options.cases * 25 and len(made) < options.cases:
        told, ended = from_child(lambda pipe: attempts(name, overload, options, attempt, len(made), seen, pipe))
        for attempt, call in told:
            if call is not None:
                made.append(call)
                seen.add(str(call))
        if ended:
            break
        attempt += 1
    return made


def attempts(name, overload, options, first, made, seen, pipe):
    """The attempts from this one on, told before and after each."""
    signal.alarm(60)
    for attempt in range(first, options.cases * 25):
        if made >= options.cases:
            break
        pickle.dump((attempt, None), pipe)
        pipe.flush()
        try:
            call = make(random.Random(f"{options.seed} {name} {overload} {attempt}"), name, overload)
        except Exception:
            continue
        if call is not None and str(call) not in seen:
            seen.add(str(call))
            made += 1
            pickle.dump((attempt, call), pipe)
            pipe.flush()


def report(sweep, untried):
    total = sum(sweep.verdicts.values(), collections.Counter())
    print(f"\n{sweep.calls} calls; " + ", ".join(f"{k}: {v}" for k, v in sorted(total.items())))
    print("no valid call was found for", len(untried), "overloads:", " ".join(untried))
    for name, verdicts in sorted(sweep.verdicts.items()):
        if any(word in key for key in verdicts for word in ("WRONG", "refused", "crash", "runtime")):
            print(f"  {name}: " + ", ".join(f"{k} {v}" for k, v in sorted(verdicts.items())))


if __name__ == "__main__":
    sys.exit(main())
