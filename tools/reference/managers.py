"""Writes tests/data/managers.pt with torch 2.15: a script with context managers, without traces of where it was written.

usage: python tools/reference/managers.py      (in the project's folder; needs torch and safetensors)

Beside it stand two .safetensors with in_0 and out_0, out_1 …, as torch computed them, of other sizes.
"""

import pathlib
import tempfile
import zipfile
from typing import Any

import torch
from safetensors.torch import save_file

DATA = pathlib.Path("tests/data")


@torch.jit.script
class Level:
    """Counts how deeply it is entered, and keeps the sum of what it was told."""

    def __init__(self, step: int):
        self.step = step
        self.depth = 0
        self.total = torch.zeros(1)

    def __enter__(self):
        self.depth += self.step
        return self.depth

    def __exit__(self, kind: Any, value: Any, traceback: Any):
        self.depth -= 2 * self.step


class Managers(torch.nn.Module):
    def forward(self, x):
        level = Level(3)
        with level as depth:
            y = x * depth
            if bool((y.sum() > 0).item()):
                y = y + 1
            else:
                y = y - 1
            level.total = level.total + y.mean()
        grad = [torch.is_grad_enabled()]
        with torch.no_grad():
            grad.append(torch.is_grad_enabled())
            with level as inner:
                z = torch.relu(y) + inner
            with torch.no_grad():
                grad.append(torch.is_grad_enabled())
            grad.append(torch.is_grad_enabled())
        grad.append(torch.is_grad_enabled())
        count = 0
        for i in range(3):
            with Level(i) as now:
                count += now
        return y, z, level.total, torch.tensor(level.depth), x + count, torch.tensor(grad)


def main():
    torch.manual_seed(0)
    model = torch.jit.script(Managers().eval())
    with tempfile.TemporaryDirectory() as folder:
        whole = pathlib.Path(folder, "managers.pt")
        model.save(whole)
        with zipfile.ZipFile(whole) as old, zipfile.ZipFile(DATA / "managers.pt", "w", zipfile.ZIP_DEFLATED) as new:
            for name in old.namelist():
                if not name.endswith(".debug_pkl"):
                    new.writestr(zipfile.ZipInfo(name), old.read(name), zipfile.ZIP_DEFLATED)
    for i, x in enumerate([torch.tensor([1.0, 2.0, -0.5]), torch.tensor([-1.0, 0.5, -2.0, 0.25, 0.125])]):
        arrays = {"in_0": x} | {f"out_{k}": y.detach().contiguous() for k, y in enumerate(model(x))}
        save_file(arrays, DATA / f"managers.{i}.safetensors")


if __name__ == "__main__":
    main()
