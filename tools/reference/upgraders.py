"""Writes tests/data/upgraders.txt with torch 2.15: what operators of old TorchScript archives compute.

usage: python tools/reference/upgraders.py > tests/data/upgraders.txt      (needs torch)

An archive of each version of the file format is made from one of today by another `.data/version` and another body of `forward`;
torch.jit.load applies its upgraders (torch/csrc/jit/operator_upgraders) to it. A line says: the versions, the body, x, y, the result; a
result is `refused` where torch raises an error.
"""

import io
import sys
import zipfile

import torch

VERSIONS = range(1, 11)

NAMES = {torch.float32: "f32", torch.float64: "f64", torch.int64: "i64", torch.int32: "i32", torch.uint8: "u8", torch.bool: "bool"}

X = {
    "ints": torch.tensor([7, -7, 0, 9]),
    "small": torch.tensor([7, -7, 100, -128], dtype=torch.int32),
    "bytes": torch.tensor([7, 255, 0, 128], dtype=torch.uint8),
    "floats": torch.tensor([7.0, -7.0, 0.5, -0.0]),
    "wide": torch.tensor([7.0, -7.0, 0.5, 1e300], dtype=torch.float64),
}
Y = {
    "ints": torch.tensor([2, 2, 3, -4]),
    "small": torch.tensor([2, 2, 3, -5], dtype=torch.int32),
    "floats": torch.tensor([2.0, -0.5, 4.0, 8.0]),
}

#: Bodies of two tensors, run on every pair of inputs.
PAIRS = [
    "torch.div(x, y)",
    "torch.div(x, 2)",
    "torch.div(x, 2.5)",
    "torch.div(x, True)",
    "torch.div(x, y, rounding_mode=None)",
    'torch.div(x, y, rounding_mode="trunc")',
    'torch.div(x, y, rounding_mode="floor")',
    'torch.div(x, 2, rounding_mode="floor")',
    "torch.div_(torch.clone(x), y)",
    "torch.div_(torch.clone(x), 2)",
    'torch.div_(torch.clone(x), y, rounding_mode="floor")',
    "torch.div(x, y, out=torch.zeros([4]))",
    "torch.div(x, y, out=torch.zeros([4], dtype=4))",
    "torch.div(x, y, out=torch.zeros([0]))",
    'torch.div(x, y, rounding_mode="trunc", out=torch.zeros([4]))',
    "torch.divide(x, y)",
    "torch.divide_(torch.clone(x), y)",
    "torch.true_divide(x, y)",
    "torch.floor_divide(x, y)",
    "x / y",
    "x / 2",
    "torch.mul(torch.div(torch.size(x, 0), 3), x)",
]

#: Bodies of no tensors.
MADE = [
    "torch.full([2], 3)",
    "torch.full([2], True)",
    "torch.full([2], 2.5)",
    "torch.full([2], 3, dtype=4)",
    "torch.full([2], 3, dtype=None, layout=None, device=None, pin_memory=None)",
    "torch.full([2], 2.5, dtype=3)",
    "torch.full([2], 3, out=torch.zeros([2], dtype=7))",
    "torch.linspace(0, 99)",
    "torch.linspace(0, 99, None)",
    "torch.linspace(0, 99, 4)",
    "torch.linspace(0, 99, steps=None, dtype=4)",
    "torch.linspace(0, 99, None, dtype=7, layout=None, device=None, pin_memory=None)",
    "torch.linspace(0, 99, None, out=torch.zeros([100]))",
    "torch.logspace(0, 99, None, 1.)",
    "torch.logspace(0, 3, 4)",
    "torch.logspace(0, 3, 4, 2.)",
    "torch.logspace(0, 99, base=1.)",
    "torch.logspace(0, 3, 4, 2., dtype=7)",
    "torch.logspace(0, 99, None, 1., out=torch.zeros([100], dtype=7))",
    "torch.gelu(torch.zeros([2]))",
    'torch.gelu(torch.zeros([2]), approximate="none")',
    'torch.gelu(torch.zeros([2]), approximate="tanh")',
    "torch.gelu(torch.zeros([2]), out=torch.ones([2]))",
]


class M(torch.nn.Module):
    def forward(self, x, y):
        return x


def archive(version, body):
    """An archive of this version whose forward returns this."""
    whole, old = io.BytesIO(), io.BytesIO()
    torch.jit.save(torch.jit.script(M()), whole)
    code = f"class M(Module):\n  def forward(self: __torch__.M,\n    x: Tensor,\n    y: Tensor) -> Tensor:\n    return {body}\n"
    with zipfile.ZipFile(whole) as today, zipfile.ZipFile(old, "w") as archive:
        for name in today.namelist():
            short = name.split("/", 1)[1]
            text = {"code/__torch__.py": code, "version": f"{version}\n", ".data/version": f"{version}\n"}.get(short)
            if not name.endswith(".debug_pkl"):
                archive.writestr(name, today.read(name) if text is None else text)
    old.seek(0)
    return old


def shown(x):
    first = x.flatten()[:4].double() if x.dtype.is_floating_point else x.flatten()[:4].long()
    return f"{NAMES[x.dtype]}[{','.join(map(str, x.shape))}] " + " ".join(str(v) for v in first.tolist())


def result(version, body, x, y):
    try:
        return shown(torch.jit.load(archive(version, body))(x.clone(), y.clone()))
    except RuntimeError:
        return "refused"


def rows(body, x, y):
    """Neighbouring versions with one result stand in one line."""
    first = last = None
    for version in VERSIONS:
        found = result(version, body, x, y)
        if found == last:
            end = version
            continue
        if last is not None:
            print(f"{first}..{end} | {body} | {shown(x)} | {shown(y)} | {last}")
        first, end, last = version, version, found
    print(f"{first}..{end} | {body} | {shown(x)} | {shown(y)} | {last}")


def main():
    print("# versions | forward(x, y) | x | y | result (its first four values); written by tools/reference/upgraders.py with torch", torch.__version__)
    for body in PAIRS:
        for x in X.values():
            for y in Y.values():
                rows(body, x, y)
    for body in MADE:
        rows(body, X["floats"], Y["floats"])
    known = torch._C._get_operator_version_map()
    print("# torch's own table: operator, the version that changed it, the name of the upgrader")
    for name, entries in sorted(known.items()):
        for entry in entries:
            print(f"= {name} {entry.bumped_at_version} {entry.upgrader_name}")


if __name__ == "__main__":
    sys.exit(main())
