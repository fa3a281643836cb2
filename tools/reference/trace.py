"""Holds tracing and its check against torch.jit.trace, in one run: ten thousand small operations, in milliseconds.

usage: python tools/reference/trace.py [--binary PATH] [--rounds N]      (in the project's folder)

needs torch (CPU); without --binary it builds benches/trace.rs by cargo. Each figure is the median of some rounds; in a round both measure in
turn, so that a busy machine is busy for both.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import time
import warnings

OPERATIONS = 10_000


def torchs():
    """Eager, trace without check, trace with check; one run each, because the check takes its time."""
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    x, y = torch.tensor([0.5, -1.0, 2.0, 0.25]), torch.tensor([1.0, 0.5, 0.25, 1.0])

    def module(x):
        for i in range(OPERATIONS):
            x = x + y if i % 2 == 0 else x * y
        return x

    def once(run):
        start = time.perf_counter()
        run()
        return (time.perf_counter() - start) * 1e3

    module(x)
    return [
        once(lambda: module(x)),
        once(lambda: torch.jit.trace(module, x, check_trace=False)),
        once(lambda: torch.jit.trace(module, x)),
    ]


def built():
    """The binary of benches/trace.rs."""
    command = ["cargo", "bench", "--bench", "trace", "--no-run", "--message-format=json"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    found = [json.loads(line) for line in lines if '"executable":"' in line]
    return next(row["executable"] for row in found if row["target"]["name"] == "trace")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    binary = arguments.binary or built()
    ours, theirs = [], []
    for _ in range(arguments.rounds):
        ours.append([float(word) for word in subprocess.run([binary], check=True, capture_output=True, text=True).stdout.split()])
        theirs.append(torchs())
    print(f"{'':10} {'eager':>10} {'trace':>10} {'with check':>12} {'above eager':>12} {'check, runs':>12}")
    for name, rounds in (("ontrace", ours), ("torch", theirs)):
        eager, traced, checked = (statistics.median(row[i] for row in rounds) for i in range(3))
        runs = (checked - traced) / eager
        print(f"{name:10} {eager:10.2f} {traced:10.2f} {checked:12.2f} {traced - eager:12.2f} {runs:12.1f}")


if __name__ == "__main__":
    main()
