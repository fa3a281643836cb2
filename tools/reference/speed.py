"""Compares the eager library with torch, Session with ONNX Runtime and tract alone, and conversion with a copy, in one run; prints tables of medians.

usage: python tools/reference/speed.py [--binary PATH] [--program PATH] [--rounds N] [--out FILE.md] [model.onnx model.pt ...]   (in the project's folder)

needs numpy, onnx, onnxruntime and torch (CPU); without --binary it builds benches/speed.rs by cargo. Each figure is the median of the
medians of some rounds, in milliseconds; in a round everyone measures in turn, so that a busy machine is busy for all. `.onnx` files are run at
the sizes they declare (1 where symbolic); `.pt` files are converted by --program, without the check, beside a copy of the file. Without a model
it measures the operators of the eager library and an encoder. --out writes the tables with the machine and the versions to a Markdown file.
"""

import argparse
import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROWS = ["matmul 512", "matmul 1024", "conv 3x3", "depthwise 3x3", "softmax", "layer_norm", "gelu", "lstm", "add row", "add column", "add transposed", "multiply strided"]
THREADS = [1, 2]


def median(run):
    """Milliseconds of one call, the median of many."""
    run()
    begin, times = time.perf_counter(), []
    while len(times) < 5 or (time.perf_counter() - begin < 0.6 and len(times) < 10_000):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def torchs(row, threads):
    """What torch does in a row: measured in a process of its own, whose threads are set once."""
    import torch
    from torch.nn import functional as F

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    draw = torch.randn
    square, width = draw(1024, 1024), draw(1024)

    def product(n):
        a, b = draw(n, n), draw(n, n)
        return lambda: a @ b

    def conv(groups):
        x, w = draw(1, 64, 56, 56), draw(64, 64 // groups, 3, 3)
        return lambda: F.conv2d(x, w, padding=1, groups=groups)

    def lstm():
        layer, x = torch.nn.LSTM(128, 256), draw(50, 8, 128)
        return lambda: layer(x)

    rows = {
        "matmul 512": lambda: product(512),
        "matmul 1024": lambda: product(1024),
        "conv 3x3": lambda: conv(1),
        "depthwise 3x3": lambda: conv(64),
        "softmax": lambda: lambda: F.softmax(square, -1),
        "layer_norm": lambda: lambda: F.layer_norm(square, (1024,), width, width),
        "gelu": lambda: lambda: F.gelu(square),
        "lstm": lstm,
        "add row": lambda: lambda: square + width,
        "add column": lambda: lambda: square + width[:, None],
        "add transposed": lambda: lambda: square + square.T,
        "multiply strided": lambda: lambda: square[:, ::2] * square[:, 1::2],
    }
    with torch.inference_mode():
        return median(rows[row]())


def prepared(model, threads):
    """A call of ONNX Runtime."""
    import numpy
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    inputs = {}
    for value in session.get_inputs():
        shape = [n if isinstance(n, int) else 1 for n in value.shape]
        dtype = {"tensor(int64)": "int64", "tensor(double)": "float64", "tensor(bool)": "bool"}.get(value.type, "float32")
        whole = dtype in ("int64", "bool")
        inputs[value.name] = numpy.ones(shape, dtype) if whole else numpy.random.default_rng(1).standard_normal(shape).astype(dtype)
    return lambda: session.run(None, inputs)


def onnxruntimes(model, threads):
    """What ONNX Runtime does with a model."""
    return median(prepared(model, threads))


def own(function, *arguments):
    """A figure measured by this file in a process of its own; NaN where that fails."""
    code = f"import sys; sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r}); import speed; print(speed.{function}(*{arguments!r}))"
    return figure([sys.executable, "-c", code])


def figure(command):
    done = subprocess.run(command, capture_output=True, text=True)
    return float(done.stdout.split()[-1]) if done.returncode == 0 and done.stdout else float("nan")


def table(title, rows, peers, rounds, say):
    """A line a row and number of threads: the first peer is us, the others are what we are compared with."""
    say(f"\n| {title} | threads | " + " | ".join(peers) + " | " + " | ".join(f"ratio to {peer}" for peer in list(peers)[1:]) + " | spread |")
    say("|---" * (2 * len(peers) + 2) + "|")
    for row in rows:
        for threads in THREADS:
            times = {peer: [] for peer in peers}
            for _ in range(rounds):
                for peer, measure in peers.items():
                    times[peer].append(measure(row, threads))
            middle = [statistics.median(found) for found in times.values()]
            ratios = [f"{middle[0] / other:.2f}" for other in middle[1:]]
            name = pathlib.Path(row).name if row.endswith(".onnx") else row
            say(f"| {name} | {threads} | " + " | ".join([f"{figure:.3f}" for figure in middle] + ratios) + f" | {spread(times.values())} |")


def spread(times):
    """How far the rounds of the most unsteady peer lie apart, as a share of their median."""
    return f"{max((max(found) - min(found)) / statistics.median(found) for found in times):.0%}"


def conversions(program, archives, rounds, say):
    """The CPU time of a conversion without its check, beside that of `cp` and its sync."""

    def cpu(command):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    say("\n| archive | MB | convert, CPU s | cp, CPU s | ratio | spread |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for archive in archives:
            times = {"convert": [], "cp": []}
            for _ in range(rounds):
                times["convert"].append(cpu([program, "convert", archive, "-o", f"{folder}/out.onnx", "--no-check", "-q"]))
                times["cp"].append(cpu(["sh", "-c", 'cp "$0" "$1" && sync "$1"', archive, f"{folder}/copy"]))
            convert, copy = (statistics.median(found) for found in times.values())
            size = os.path.getsize(archive) / 1e6
            say(f"| {pathlib.Path(archive).name} | {size:.1f} | {convert:.3f} | {copy:.3f} | {convert / max(copy, 0.001):.1f} | {spread(times.values())} |")


def anonymous():
    """The memory of this process that belongs to no file, in megabytes."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith("RssAnon:"))


def onnxruntimes_memory(model):
    """What a session of ONNX Runtime's holds after a call."""
    import onnxruntime  # noqa: F401, what the import takes is no session's

    before = anonymous()
    kept = prepared(model, 1)
    for _ in range(3):
        kept()
    return anonymous() - before


def memories(binary, networks, say):
    """What sessions hold, mapped files not counted, beside the file."""
    say("\n| model | file, MB | Session, MB | ONNX Runtime, MB | Session / file |\n|---|---|---|---|---|")
    for model in networks:
        size = os.path.getsize(model) / 1e6
        session, other = figure([binary, "memory", model]), own("onnxruntimes_memory", model)
        say(f"| {pathlib.Path(model).name} | {size:.1f} | {session:.1f} | {other:.1f} | {session / size:.2f} |")


def machine():
    """The processor and the versions of the peers."""
    import onnxruntime
    import torch

    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines() if os.path.exists("/proc/cpuinfo") else []
    processor = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return f"{processor}, {os.cpu_count()} cores; ONNX Runtime {onnxruntime.__version__}, torch {torch.__version__}"


def built():
    command = ["cargo", "bench", "--workspace", "--bench", "speed", "--no-run", "--message-format=json"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    messages = [json.loads(line) for line in lines if line.startswith("{")]
    return next(m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "speed")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", help="benches/speed.rs, built")
    parser.add_argument("--program", default="target/release/ontrace", help="the command line, built in release")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", help="a Markdown file that is written too")
    parser.add_argument("models", nargs="*", help="measured in place of the rows and the encoder")
    given = parser.parse_args()
    binary = given.binary or built()
    ours = lambda kind: lambda row, threads: figure([binary, kind, row, str(threads)])
    runtimes = {"Session": ours("session"), "ONNX Runtime": lambda row, threads: own("onnxruntimes", row, threads), "tract": ours("plain")}
    page = []

    def say(line):
        page.append(line)
        print(line, flush=True)

    say(f"{machine()}. Milliseconds, medians of {given.rounds} rounds; spread: (largest − smallest) / median of the most unsteady peer.")
    networks = [model for model in given.models if model.endswith(".onnx")]
    archives = [model for model in given.models if not model.endswith(".onnx")]
    if networks:
        table("model", networks, runtimes, given.rounds, say)
        memories(binary, networks, say)
    if archives:
        conversions(given.program, archives, given.rounds, say)
    if not given.models:
        table("eager", ROWS, {"ontrace": ours("eager"), "torch": lambda row, threads: own("torchs", row, threads)}, given.rounds, say)
        with tempfile.TemporaryDirectory() as folder:
            encoder = str(pathlib.Path(folder) / "encoder.onnx")
            subprocess.run([binary, "encoder", encoder], check=True)
            table("model", [encoder], runtimes, given.rounds, say)
    if given.out:
        out = pathlib.Path(given.out)
        # What a person wrote above stays.
        written = "Written by `tools/reference/speed.py`; every figure of a row was measured in the same run, in turn.\n\n"
        head = out.read_text().partition(written)[0] if out.exists() else "# Performance\n\n"
        out.write_text(head + written + "\n".join(page) + "\n")
