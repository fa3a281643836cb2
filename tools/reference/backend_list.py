"""Writes tests/data/onnx_backend.txt, the list of ONNX's backend tests that do not pass, from the verdicts of tests/corpora/onnx_backend.rs.

usage: cargo test --workspace --test corpora onnx_backend; python tools/reference/backend_list.py      (in the project's folder)

A line is a test's name, the ways in which it fails (eager, rewritten, session) and the reason, with tabs between.
"""

import pathlib
import re

failures = {}
for way in ("eager", "rewritten", "session"):
    for line in pathlib.Path(f"target/tmp/onnx_backend_{way}.tsv").read_text().splitlines():
        name, why = line.split("\t", 1)
        ways, _ = failures.setdefault(name, ([], why))
        ways.append(way)

# The cause of a difference in values, by the name of the test.
DIFFERENCES = [
    (r"bernoulli|training_dropout", "draws random numbers, which differ between runtimes"),
    (r"dft_inverse", "f32 rounding gives 2e-7 where the exact value is 0; the test's tolerance is 1e-7"),
    (r"dynamicquantizelinear", "tract divides by a constant by multiplying with its reciprocal; a tie then rounds the other way"),
    (r"signed_zero", "tract merges the constants 0 and -0"),
]

REASONS = [
    (r"^E\d+: 1 ONNX operators? (?:is|are) not supported +(ai\.onnx\.ml\.\w+) .*", r"\1 is not supported: only ONNX's own domain is"),
    (r"^E\d+: 1 ONNX operators? (?:is|are) not supported +(ai\.onnx\.preview\.training\.\w+) .*", r"\1 is not supported: it is for training"),
    (r"^E\d+: 1 ONNX operators? (?:is|are) not supported +(String\w+|RegexFullMatch) .*", r"\1 is not supported: strings are not supported"),
    (r"^E\d+: 1 ONNX operators? (?:is|are) not supported +(ImageDecoder) .*", r"\1 is not supported: it decodes an image file"),
    (r"^wrong: output \d+: Comparison.*", "the values differ"),
    (r"^wrong: (.{0,80}).*", r"\1"),
    (r"^E\d+: 1 ONNX operators? (?:is|are) not supported +([\w.]+) .*", r"\1 is not supported"),
    (r"^E\d+: (?:node #\d+ \(\w+\): |input \w+: )?(.{0,160}).*", r"\1"),
]


def reason(name, why):
    for pattern, text in DIFFERENCES if why.startswith("wrong: ") else []:
        if re.search(pattern, name):
            return text
    for pattern, text in REASONS:
        if re.match(pattern, why):
            return re.sub(pattern, text, why)
    raise SystemExit(f"no reason may be a panic: {why}")


lines = [f"{name}\t{' '.join(ways)}\t{reason(name, why)}\n" for name, (ways, why) in sorted(failures.items())]
pathlib.Path("tests/data/onnx_backend.txt").write_text("".join(lines))
print(f"{len(lines)} tests fail in some way")
