"""Writes tests/data/boxes.pt and tests/data/boxes_scripted.pt with torch 2.15 and torchvision 0.29: the building blocks of detectors.

usage: python tools/reference/detection.py      (in the project's folder; needs torch, torchvision and safetensors)

boxes.pt is traced: torchvision's own operators. boxes_scripted.pt is code: a list of images as input, an object that the program makes, an
attribute that it assigns, a member of an enumeration, a dictionary that it keeps, a loop that iterates as often as the data say, a dictionary as
output. Beside each stand two .safetensors with
in_0, in_1 … and out_0, out_1 …, as torch computed them, of which the second keeps another number of boxes.
"""

import enum
import pathlib
import tempfile
import zipfile
from typing import Dict, List

import torch
import torchvision
from safetensors.torch import save_file

DATA = pathlib.Path("tests/data")


class Boxes(torch.nn.Module):
    """The best boxes, what stands in them, and a convolution that looks where it is told."""

    def __init__(self):
        super().__init__()
        self.offset = torch.nn.Conv2d(2, 18, 3, padding=1)
        self.deform = torchvision.ops.DeformConv2d(2, 3, 3, padding=1)

    def forward(self, images, boxes, scores):
        keep = torchvision.ops.nms(boxes, scores, 0.3)
        rois = torch.cat([torch.zeros(keep.shape[0], 1), boxes[keep]], 1)
        aligned = torchvision.ops.roi_align(images, rois, (2, 2), 0.5, 2, True)
        first = torchvision.ops.roi_align(images, rois, (1, 3), 1.0)
        pooled = torchvision.ops.roi_pool(images, rois, (2, 2), 0.5)
        return keep, aligned, first, pooled, self.deform(images, self.offset(images))


class Sizes:
    """An object that the program makes."""

    def __init__(self, sizes: List[int], factor: float):
        self.sizes = sizes
        self.factor = factor

    def scaled(self) -> float:
        return float(len(self.sizes)) * self.factor


class Order(enum.Enum):
    FIRST = "first"
    LAST = "last"


class Scripted(torch.nn.Module):
    kept: Dict[str, torch.Tensor]

    def __init__(self):
        super().__init__()
        self.order = Order.LAST
        self.kept = {}
        self.anchors = torch.zeros(1)
        self.warned = False

    def forward(self, images: List[torch.Tensor]) -> Dict[str, torch.Tensor]:
        sizes = Sizes([image.shape[-1] for image in images], 0.5)
        self.anchors = torch.arange(3, dtype=torch.float32) * sizes.scaled()
        if not self.warned:
            self.warned = True
        image = torch.cat(images, 0)
        kept = torch.where(image > 0)[0]
        sums = torch.zeros(image.shape[0])
        for i in range(kept.shape[0]):
            sums[kept[i]] += float(i)
        found: Dict[str, torch.Tensor] = {}
        if kept.shape[0] > 2:
            found["kept"] = image[kept] + self.anchors.sum()
        else:
            found["kept"] = image[kept] - self.anchors.sum()
        place = str(image.device)
        if place not in self.kept:
            self.kept[place] = self.anchors + 1.0
        out = dict([("sums", sums)])
        if self.order == Order.LAST:
            out["anchors"] = self.kept[place]
        out.update(found)
        return out


def saved(program, name):
    """The archive without traces of where it was written."""
    with tempfile.TemporaryDirectory() as folder:
        whole = pathlib.Path(folder, f"{name}.pt")
        program.save(whole)
        with zipfile.ZipFile(whole) as old, zipfile.ZipFile(DATA / f"{name}.pt", "w", zipfile.ZIP_DEFLATED) as new:
            for entry in old.namelist():
                if not entry.endswith(".debug_pkl"):
                    new.writestr(zipfile.ZipInfo(entry), old.read(entry), zipfile.ZIP_DEFLATED)


def recorded(name, i, given, outputs):
    arrays = {f"in_{k}": x for k, x in enumerate(given)}
    arrays |= {f"out_{k}": y.detach().contiguous() for k, y in enumerate(outputs)}
    save_file(arrays, DATA / f"{name}.{i}.safetensors")


def boxes(spread):
    corner = torch.rand(7, 2) * spread
    return torch.randn(1, 2, 8, 9), torch.cat([corner, corner + 1 + torch.rand(7, 2) * 3], 1), torch.rand(7)


def main():
    torch.manual_seed(0)
    model = Boxes().eval()
    saved(torch.jit.trace(model, boxes(2.0), check_trace=False), "boxes")
    for i, spread in enumerate([2.0, 9.0]):
        given = boxes(spread)
        recorded("boxes", i, given, model(*given))
    program = torch.jit.script(Scripted().eval())
    saved(program, "boxes_scripted")
    for i, images in enumerate([[torch.tensor([1.0, -2.0, 3.0]), torch.tensor([4.0, 5.0])], [torch.tensor([-1.0, 2.0, -3.0]), -torch.ones(2)]]):
        recorded("boxes_scripted", i, images, program(images).values())


if __name__ == "__main__":
    main()
