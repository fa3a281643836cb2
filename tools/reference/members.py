"""Writes tests/data/members.pt and tests/data/members_traced.pt with torch 2.15: programs whose arguments have members or defaults.

usage: python tools/reference/members.py      (in the project's folder; needs torch and safetensors)

Beside each stands a .safetensors with the inputs by name, and out_0 (members.pt: without gain and bias), out_1 (with bias only).
"""

import pathlib
import tempfile
import zipfile
from typing import Dict, List, Optional, Tuple

import torch
from safetensors.torch import save_file

DATA = pathlib.Path("tests/data")


class Members(torch.nn.Module):
    """A tuple, a list, a dictionary, and two arguments that may be left out."""

    def forward(
        self,
        x,
        pair: Tuple[torch.Tensor, torch.Tensor],
        xs: List[torch.Tensor],
        batch: Dict[str, torch.Tensor],
        gain: Optional[torch.Tensor] = None,
        bias: Optional[torch.Tensor] = None,
    ):
        y = x * pair[0] - pair[1] + batch["input_ids"] * batch["mask"]
        for each in xs:
            y = 2 * y + each
        if gain is not None:
            y = y * gain
        if bias is not None:
            y = y + bias
        return y


class Traced(torch.nn.Module):
    def forward(self, batch: Dict[str, torch.Tensor]):
        return batch["image"] * batch["weight"] + batch["image"].sum()


def save(module, name):
    with tempfile.TemporaryDirectory() as folder:
        whole = pathlib.Path(folder, name)
        module.save(whole)
        with zipfile.ZipFile(whole) as old, zipfile.ZipFile(DATA / name, "w", zipfile.ZIP_DEFLATED) as new:
            for entry in old.namelist():
                if not entry.endswith(".debug_pkl"):
                    new.writestr(zipfile.ZipInfo(entry), old.read(entry), zipfile.ZIP_DEFLATED)


def main():
    torch.manual_seed(0)
    draw = lambda: torch.randn(2, 3)
    model = Members().eval()
    save(torch.jit.script(model), "members.pt")
    x, pair, xs, batch, bias = draw(), (draw(), draw()), [draw(), draw(), draw()], {"input_ids": draw(), "mask": draw()}, draw()
    arrays = {"x": x, "bias": bias, "batch.input_ids": batch["input_ids"], "batch.mask": batch["mask"]}
    arrays |= {f"pair.{i}": tensor for i, tensor in enumerate(pair)} | {f"xs.{i}": tensor for i, tensor in enumerate(xs)}
    arrays |= {"out_0": model(x, pair, xs, batch), "out_1": model(x, pair, xs, batch, None, bias)}
    save_file(arrays, DATA / "members.safetensors")

    traced = Traced().eval()
    batch = {"image": draw(), "weight": draw()}
    save(torch.jit.trace(traced, (batch,), strict=False), "members_traced.pt")
    save_file({f"batch.{key}": tensor for key, tensor in batch.items()} | {"out_0": traced(batch)}, DATA / "members_traced.safetensors")


if __name__ == "__main__":
    main()
