"""Compares numbers of TorchScript programs with torch: every operator of torch that takes and gives Python numbers, on edge cases.

usage: python tools/reference/torch_scalars.py ONTRACE [--only REGEX] [--full]
       (in the project's folder; needs torch, safetensors and numpy)

The calls of one operator become one TorchScript archive of literals, which `ontrace run --backend eager` evaluates. What torch refuses is not compared.
"""

import argparse
import itertools
import json
import math
import pathlib
import pickle
import re
import struct
import subprocess
import sys
import tempfile
import zipfile

import torch
from torch_sweep import base, from_child

LOW, HIGH = -(2**63), 2**63 - 1
INTS = [0, 1, -1, 2, -2, 3, 7, -7, 10, 63, 64, 2**53 + 1, LOW, HIGH]
FLOATS = [0.0, -0.0, 0.5, -0.5, 1.0, -1.5, 2.5, 3.0, -7.25, 1e-5, 1e300, math.inf, -math.inf, math.nan]
LEFT_OUT = re.compile(r"aten::(rand|Complex|complex|normal|bernoulli|sym_|manual_seed|device|tensor|scalar_tensor|empty|zeros|ones|full|arange|linspace|logspace|range|seed|.*window|initial_seed|storage|_|.*\.t_|warn|hash|.*cuda|eye|tri|fft_|get_|set_|is_|sorted|confirmed|ldexp)")


class M(torch.nn.Module):
    def forward(self, x):
        return (x,)


def operators():
    found = {}
    for schema in torch._C._jit_get_all_schemas():
        kinds = [str(a.type) for a in schema.arguments]
        returns = [str(r.type) for r in schema.returns]
        plain = {"int", "float", "bool", "number", "Scalar"}
        if schema.name.startswith("aten::") and not LEFT_OUT.match(schema.name) and kinds and len(kinds) <= 2 and set(kinds) <= plain and len(returns) == 1 and set(returns) <= plain:
            found.setdefault(schema.name, []).append(tuple(kinds))
    return dict(sorted(found.items()))


def values(kind):
    return {"int": INTS, "float": FLOATS, "bool": [False, True], "number": INTS[:8] + FLOATS[:8], "Scalar": INTS[:8] + FLOATS[:8]}[kind]


def text(value):
    if isinstance(value, float):
        if math.isnan(value) or math.isinf(value):
            return {"nan": 'float("nan")', "inf": 'float("inf")', "-inf": 'float("-inf")'}[str(value)]
        return repr(value) if "e" not in repr(value) else (f"{value:.30f}" if abs(value) < 1 else f"{value:.1f}")
    return str(value)


def expected(name, tuples):
    """What torch gives; some arguments end the process that calls it."""
    results, at = {}, 0
    operation = torch._C._jit_get_operation(name)[0]

    def tell(pipe):
        for i in range(at, len(tuples)):
            pickle.dump((i, None), pipe)
            pipe.flush()
            try:
                pickle.dump((i, (operation(*tuples[i]),)), pipe)
            except Exception:
                pass

    while at < len(tuples):
        told, ended = from_child(tell)
        for at, result in told:
            if result is not None:
                results[tuples[at]] = result[0]
        at = len(tuples) if ended else at + 1
    return results


def write(name, rows, path, parts):
    call = lambda row: f"torch.{name[6:]}({', '.join(map(text, row))})"
    lines = [f"    y{i} = torch.tensor({call(row)}, dtype={ {'int': 4, 'float': 7, 'bool': 11}[kind] })" for i, (row, kind) in enumerate(rows)]
    code = "class M(Module):\n  def forward(self: __torch__.M,\n    x: Tensor) -> Tuple[" + ", ".join("Tensor" for _ in rows) + "]:\n" + "\n".join(lines)
    code += "\n    return (" + ", ".join(f"y{i}" for i in range(len(rows))) + ",)\n"
    with zipfile.ZipFile(path, "w") as archive:
        for entry, data in parts.items():
            archive.writestr(entry, code if entry.endswith("code/__torch__.py") else "10\n" if entry.endswith("version") else data)


def run(options, name, rows, folder, parts):
    """What ontrace gives for each row: a value, or a text."""
    path, out = folder / "m.pt", folder / "out.safetensors"
    write(name, rows, path, parts)
    done = subprocess.run([options.ontrace, "run", str(path), "--backend", "eager", "-q", "--out", str(out), "-i", "1"], capture_output=True, text=True)
    if done.returncode == 0:
        data = out.read_bytes()
        size = struct.unpack("<Q", data[:8])[0]
        got = {}
        for key, entry in json.loads(data[8 : 8 + size]).items():
            if key == "__metadata__":
                continue
            begin = 8 + size + entry["data_offsets"][0]
            form = {"I64": "<q", "F64": "<d", "BOOL": "<?", "F32": "<f"}[entry["dtype"]]
            got[int(re.findall(r"\d+", key)[0]) if re.findall(r"\d+", key) else 0] = struct.unpack_from(form, data, begin)[0]
        return [got.get(i) for i in range(len(rows))]
    message = " ".join((done.stderr or done.stdout).split())
    found = re.search(r"code/__torch__\.py:(\d+)", message)
    at = int(found.group(1)) - 4 if found else None
    if len(rows) == 1 or at is None or not 0 <= at < len(rows):
        return [f"refused: {message}"] * len(rows)
    return run(options, name, rows[:at], folder, parts) + [f"refused: {message}"] + (run(options, name, rows[at + 1 :], folder, parts) if at + 1 < len(rows) else []) if at else \
        [f"refused: {message}"] + (run(options, name, rows[1:], folder, parts) if len(rows) > 1 else [])


def same(a, b):
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b)) or math.isclose(a, b, rel_tol=1e-13)
    return a == b


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ontrace")
    parser.add_argument("--only", default="")
    parser.add_argument("--full", action="store_true", help="every difference, not three of an operator")
    options = parser.parse_args()
    total, wrong, refused = 0, 0, 0
    parts = base(M())
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        for name, overloads in operators().items():
            if not re.search(options.only, name):
                continue
            tuples = list(dict.fromkeys(row for kinds in overloads for row in itertools.product(*map(values, kinds))))
            tuples = [row for i, row in enumerate(tuples) if not any(other == row and list(map(type, other)) == list(map(type, row)) for other in tuples[:i])] if len(tuples) < 50 else tuples
            right = expected(name, tuples)
            rows = [(row, type(value).__name__) for row, value in right.items() if type(value) in (int, float, bool)]
            if not rows:
                continue
            got = run(options, name, rows, folder, parts)
            bad = [(row, value, right[row]) for (row, _), value in zip(rows, got) if isinstance(value, str) or not same(value, right[row])]
            no = sum(isinstance(value, str) for _, value, _ in bad)
            total, refused, wrong = total + len(rows), refused + no, wrong + len(bad) - no
            print(f"{name}: {len(rows)} calls, {len(bad) - no} wrong, {no} refused", flush=True)
            for row, value, want in bad if options.full else bad[:3]:
                print(f"    {row}: {str(value)[:200]}, torch {want!r}")
    print(f"{total} calls, {wrong} wrong, {refused} refused")
    return 1 if wrong or refused else 0


if __name__ == "__main__":
    sys.exit(main())
