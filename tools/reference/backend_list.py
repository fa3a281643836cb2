"""Writes tests/data/onnx_backend.txt, the list of ONNX's backend tests that do not pass, from the verdicts of tests/onnx_backend.rs.

usage: cargo test --test onnx_backend; python tools/reference/backend_list.py      (in the project's folder)

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

REASONS = [
    (r"^wrong: output \d+: Comparison.*", "the numbers differ"),
    (r"^wrong: (.{0,80}).*", r"\1"),
    (r"^E\d+: 1 operators of ONNX are not read +([\w.]+) .*", r"\1 is not read"),
    (r"^E\d+: (?:node #\d+ \(\w+\): |input \w+: )?(.{0,160}).*", r"\1"),
]


def reason(why):
    for pattern, text in REASONS:
        if re.match(pattern, why):
            return re.sub(pattern, text, why)
    raise SystemExit(f"no reason may be a panic: {why}")


lines = [f"{name}\t{' '.join(ways)}\t{reason(why)}\n" for name, (ways, why) in sorted(failures.items())]
pathlib.Path("tests/data/onnx_backend.txt").write_text("".join(lines))
print(f"{len(lines)} tests fail in some way")
