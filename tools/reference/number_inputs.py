"""Writes tests/data/numbers.pt with torch 2.15: a scripted program whose arguments are numbers beside a tensor.

usage: python tools/reference/number_inputs.py      (in the project's folder; needs torch and safetensors)

Beside it stands numbers.safetensors: an input `x`, and out_0 … of n = 1, a = 0.25, step = 2.
"""

import pathlib
import warnings

import torch
from safetensors.torch import save_file

warnings.filterwarnings("ignore")
DATA = pathlib.Path("tests/data")


class Numbers(torch.nn.Module):
    def forward(self, x: torch.Tensor, n: int, a: float, step: int, scale: float = 1.0):
        whole, rest = divmod(7, step)
        low, high = divmod(a, -2.0)
        return (
            torch.nn.functional.leaky_relu(torch.narrow(x, 0, n, 2), a) * scale,
            x[::step] + whole + rest,
            torch.tensor([low, high]),
        )


torch.manual_seed(0)
model = torch.jit.script(Numbers())
model.save(str(DATA / "numbers.pt"))
x = torch.randn(5, 3)
save_file({"x": x} | {f"out_{i}": y for i, y in enumerate(model(x, 1, 0.25, 2))}, DATA / "numbers.safetensors")
