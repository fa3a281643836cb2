"""Writes tests/data/{while_loop,map,scan}.pt2 with torch 2.15: programs whose graphs hold graphs, without traces of where they were written.

usage: python tools/reference/hops.py      (in the project's folder; needs torch and safetensors)

Beside each archive stands a .safetensors with in_0, in_1 … and out_0, out_1 …, as torch computed them.
"""

import json
import pathlib
import tempfile
import zipfile

import torch
from safetensors.torch import save_file
from torch._higher_order_ops.map import map as higher_map
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop


class WhileLoop(torch.nn.Module):
    """As many iterations as the counts say together."""

    def forward(self, x, counts):
        go_on = lambda i, state: i < counts.sum()
        turn = lambda i, state: (i + 1, state * 1.5 + x)
        return while_loop(go_on, turn, (torch.zeros((), dtype=torch.int64), x))


class Map(torch.nn.Module):
    def forward(self, x, y):
        return higher_map(lambda row, y: (row * y).sum(-1) + y.sum(), x, y)


class Scan(torch.nn.Module):
    def forward(self, x):
        def step(state, row):
            state = state * 0.5 + row
            return state, state.sin()

        return scan(step, torch.zeros(3), x)


def without_places(value):
    if isinstance(value, dict):
        return {key: without_places(inner) for key, inner in value.items() if key != "stack_trace"}
    return [without_places(inner) for inner in value] if isinstance(value, list) else value


def save(name, module, inputs):
    program = torch.export.export(module, inputs)
    outputs = torch.utils._pytree.tree_leaves(module(*inputs))
    target = pathlib.Path("tests/data", f"{name}.pt2")
    with tempfile.TemporaryDirectory() as folder:
        whole = pathlib.Path(folder, f"{name}.pt2")
        torch.export.save(program, whole)
        with zipfile.ZipFile(whole) as old, zipfile.ZipFile(target, "w") as new:
            for entry in old.namelist():
                data = old.read(entry)
                if entry.endswith(".json") and "/models/" in entry:
                    data = json.dumps(without_places(json.loads(data))).encode()
                new.writestr(zipfile.ZipInfo(entry, (2000, 1, 1, 0, 0, 0)), data)
    tensors = {f"in_{i}": x for i, x in enumerate(inputs)} | {f"out_{i}": y.contiguous() for i, y in enumerate(outputs)}
    save_file(tensors, target.with_suffix(".safetensors"))


if __name__ == "__main__":
    torch.manual_seed(0)
    save("while_loop", WhileLoop(), (torch.randn(3), torch.tensor([2, 3])))
    save("map", Map(), (torch.randn(4, 3), torch.randn(3)))
    save("scan", Scan(), (torch.randn(5, 3),))
