"""Writes tests/data/packed.pt with torch 2.15: recurrent networks over packed sequences, without traces of where they were written.

usage: python tools/reference/packed.py      (in the project's folder; needs torch and safetensors)

Beside it stand two .safetensors with in_0, in_1 … and out_0, out_1 …, as torch computed them, of other batches and sequence lengths.
"""

import pathlib
import tempfile
import zipfile

import torch
from safetensors.torch import save_file
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

DATA = pathlib.Path("tests/data")


class Packed(torch.nn.Module):
    """An LSTM in both directions, something that looks into the packed values, and a GRU over that."""

    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(2, 2, batch_first=True, bidirectional=True)
        self.mix = torch.nn.Linear(4, 3)
        self.gru = torch.nn.GRU(3, 2, num_layers=2, batch_first=True)

    def forward(self, x, lengths):
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        packed, (h, c) = self.lstm(packed)
        mixed = PackedSequence(torch.relu(self.mix(packed.data)), *packed[1:])
        y, state = self.gru(mixed)
        y, ends = pad_packed_sequence(y, batch_first=True, padding_value=-1.0)
        return y, ends, h, c, state


def inputs(lengths, steps):
    return torch.randn(len(lengths), steps, 2), torch.tensor(lengths)


def main():
    torch.manual_seed(0)
    model = Packed().eval()
    with tempfile.TemporaryDirectory() as folder:
        whole = pathlib.Path(folder, "packed.pt")
        torch.jit.trace(model, inputs([2, 4, 3], 5), check_trace=False).save(whole)
        with zipfile.ZipFile(whole) as old, zipfile.ZipFile(DATA / "packed.pt", "w", zipfile.ZIP_DEFLATED) as new:
            for name in old.namelist():
                if not name.endswith(".debug_pkl"):
                    new.writestr(zipfile.ZipInfo(name), old.read(name), zipfile.ZIP_DEFLATED)
    for i, given in enumerate([inputs([2, 4, 3], 5), inputs([1, 6, 6, 2], 6)]):
        arrays = {f"in_{k}": x for k, x in enumerate(given)}
        arrays |= {f"out_{k}": y.detach().contiguous() for k, y in enumerate(model(*given))}
        save_file(arrays, DATA / f"packed.{i}.safetensors")


if __name__ == "__main__":
    main()
