"""Writes tests/data/{rotary.pt,spectral.pt2} with torch 2.15: programs of complex tensors, without traces of where they were written.

usage: python tools/reference/complex.py      (in the project's folder; needs torch and safetensors)

Beside each archive stands a .safetensors with in_0, in_1 … and out_0, out_1 …, as torch computed them.
"""

import json
import pathlib
import tempfile
import zipfile

import torch
from safetensors.torch import save_file

from hops import without_places


class Rotary(torch.nn.Module):
    """Queries rotated by frequencies that are a complex buffer, as Llama has it."""

    def __init__(self, width=8, length=6):
        super().__init__()
        angles = torch.outer(torch.arange(length).float(), 10000 ** -(torch.arange(0, width, 2) / width))
        self.register_buffer("freqs", torch.polar(torch.ones_like(angles), angles))

    def forward(self, x):
        pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2))
        return torch.view_as_real(pairs * self.freqs[: x.shape[1]].view(1, x.shape[1], 1, -1)).flatten(3)


class Spectral(torch.nn.Module):
    """A layer of a neural operator: the low frequencies of both signs, each times complex weights, written into zeros."""

    def __init__(self, channels=2, modes=2):
        super().__init__()
        self.modes = modes
        self.low = torch.nn.Parameter(torch.randn(channels, channels, modes, modes, dtype=torch.cfloat))
        self.high = torch.nn.Parameter(torch.randn(channels, channels, modes, modes, dtype=torch.cfloat))

    def forward(self, x):
        m = self.modes
        spectrum = torch.fft.rfft2(x)
        y = torch.zeros(*x.shape[:-1], x.shape[-1] // 2 + 1, dtype=torch.cfloat)
        y[:, :, :m, :m] = torch.einsum("bixy,ioxy->boxy", spectrum[:, :, :m, :m], self.low)
        y[:, :, -m:, :m] = torch.einsum("bixy,ioxy->boxy", spectrum[:, :, -m:, :m], self.high) * 1j
        return torch.fft.irfft2(y, s=x.shape[-2:]), spectrum.abs()


def copied(whole, target):
    """The archive without source locations."""
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.namelist():
            data = old.read(entry)
            if entry.endswith(".json") and "/models/" in entry:
                data = json.dumps(without_places(json.loads(data))).encode()
            if not entry.endswith(".debug_pkl"):
                new.writestr(zipfile.ZipInfo(entry), data)


def main():
    torch.manual_seed(0)
    for name, module, x in [("rotary.pt", Rotary(), torch.randn(2, 5, 2, 8)), ("spectral.pt2", Spectral(), torch.randn(1, 2, 6, 8))]:
        target = pathlib.Path("tests/data", name)
        with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
            whole = pathlib.Path(folder, name)
            if name.endswith(".pt2"):
                torch.export.save(torch.export.export(module, (x,)).run_decompositions(), whole)
            else:
                torch.jit.trace(module, (x,)).save(whole)
            copied(whole, target)
            outputs = torch.utils._pytree.tree_leaves(module(x))
        save_file({"in_0": x} | {f"out_{i}": y.contiguous() for i, y in enumerate(outputs)}, target.with_suffix(".safetensors"))


if __name__ == "__main__":
    main()
