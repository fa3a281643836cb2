"""Converts text models whose embedding is their last layer, too, and says how large the files are beside their archives: tied weights are stored once.

usage: tied_sizes.py ONTRACE [--format pt,pt2] [--only NAME,...]          (needs torch, transformers)

A line a model: name, format, bytes of the archive, bytes of the ONNX file with its data, their ratio. Full size, random weights. Exit 1 where a file is
larger than its archive plus 1 %.
"""
import argparse, subprocess, sys, tempfile, warnings
from pathlib import Path

import torch


def models():
    import transformers as t

    ids = torch.randint(0, 1000, (1, 16))
    yield "gpt2", lambda: t.GPT2LMHeadModel(t.GPT2Config()), (ids,), lambda model, ids: model(input_ids=ids, use_cache=False).logits
    yield "roberta", lambda: t.RobertaForMaskedLM(t.RobertaConfig()), (ids,), lambda model, ids: model(input_ids=ids).logits
    features = torch.randn(1, 80, 3000)
    yield "whisper_tiny", lambda: t.WhisperForConditionalGeneration(t.WhisperConfig(d_model=384, encoder_layers=4, decoder_layers=4, encoder_attention_heads=6,
        decoder_attention_heads=6, encoder_ffn_dim=1536, decoder_ffn_dim=1536)), (features, ids), (
        lambda model, x, ids: model(input_features=x, decoder_input_ids=ids, use_cache=False).logits)
    yield "t5_small", lambda: t.T5ForConditionalGeneration(t.T5Config()), (ids, ids), (
        lambda model, x, ids: model(input_ids=x, decoder_input_ids=ids, use_cache=False).logits)


class Called(torch.nn.Module):
    def __init__(self, model, call):
        super().__init__()
        self.model, self.call = model, call

    def forward(self, *inputs):
        return self.call(self.model, *inputs)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ontrace")
    parser.add_argument("--format", default="pt")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    only, larger = set(filter(None, options.only.split(","))), 0
    for name, build, inputs, call in models():
        if only and name not in only:
            continue
        torch.manual_seed(0)
        model = Called(build().eval(), call)
        for format in options.format.split(","):
            with tempfile.TemporaryDirectory() as folder, torch.no_grad():
                path, out = Path(folder) / f"m.{format}", Path(folder) / "m.onnx"
                if format == "pt2":
                    torch.export.save(torch.export.export(model, inputs), str(path))
                else:
                    torch.jit.trace(model, inputs, check_trace=False, strict=False).save(str(path))
                spec = [] if format == "pt2" else [part for x in inputs for part in ("-i", ",".join(map(str, x.shape)) + (":i64" if x.dtype == torch.int64 else ":f32"))]
                done = subprocess.run([options.ontrace, "convert", str(path), "-o", str(out), "--no-check", *spec], capture_output=True, text=True)
                if done.returncode:
                    print(f"{name:14} {format:4} exit {done.returncode}: {done.stderr.strip().splitlines()[-1][:200]}", flush=True)
                    larger += 1
                    continue
                archive = path.stat().st_size
                written = sum(file.stat().st_size for file in Path(folder).iterdir() if file.name != path.name)
                larger += written > 1.01 * archive
                print(f"{name:14} {format:4} archive {archive / 1e6:8.1f} MB   file {written / 1e6:8.1f} MB   {written / archive:.3f}", flush=True)
    return 1 if larger else 0


if __name__ == "__main__":
    sys.exit(main())
