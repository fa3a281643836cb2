"""Runs every command of the program on every file of a folder of hostile files, each run with limits, and prints a table.

    python tools/reference/hostile.py BINARY FOLDER [NAME ...]

One line a run: file, command, exit code, error code, seconds, peak memory in MB, and what is wrong with it: a panic, a signal, a time-out, more CPU time than 1 s and
1 s per 10 MB (inspect and check), more memory than the commands may take. The last line counts them; the exit code is 1 if there are any.
Files of .npy are given as input to a model of one f32 input x[n].
"""

import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time

COMMANDS = ["inspect", "check", "convert", "no-check", "run", "compare"]
# Seconds before a run is ended, and its address space. A run maps files and starts threads, which need no memory.
SECONDS, ADDRESSES = float(os.environ.get("HOSTILE_SECONDS", 60)), 6 << 30
# Inputs that the files do not state.
INPUTS = {".pt": ["-i", "2,2"], ".pt2": []}
# What a command may take: MB, and a multiple of the file. A program maps 45 MB of itself and of its tables.
MEMORY = {"inspect": 128, "no-check": 256}
RUN = 1300


def limits():
    os.setsid()
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def relu_model(folder):
    """The bytes of an ONNX model y = Relu(x), x: f32[n]; written by hand, so that no package is needed."""
    def field(number, payload):
        payload = payload.encode() if isinstance(payload, str) else payload
        return bytes([number << 3 | 2, len(payload)]) + payload
    node = field(1, field(1, "x") + field(2, "y") + field(4, "Relu"))
    def value(name):
        return field(1, name) + field(2, field(1, b"\x08\x01" + field(2, field(1, field(2, "n")))))
    graph = node + field(2, "g") + field(11, value("x")) + field(12, value("y"))
    path = os.path.join(folder, "relu.onnx")
    with open(path, "wb") as file:
        file.write(b"\x08\x08" + field(7, graph) + field(8, b"\x10\x12"))
    return path


def arguments(binary, command, path, folder):
    extension = os.path.splitext(path)[1]
    given = INPUTS.get(extension, [])
    model = path
    if extension == ".npy":
        model, given = relu_model(folder), ["-i", f"x=@{path}"]
    out = os.path.join(folder, "out.onnx")
    return [binary] + {
        "inspect": ["inspect", model],
        "check": ["check", model, *given],
        "convert": ["convert", model, "-o", out, *given],
        "no-check": ["convert", model, "--no-check", "-o", out, *given],
        "run": ["run", model, *given, "--out", os.path.join(folder, "y.npz")],
        "compare": ["compare", model, model, *given],
    }[command]


def one(binary, command, path):
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        log = os.path.join(folder, "log")
        with open(log, "wb") as stream:
            process = subprocess.Popen(arguments(binary, command, path, folder), stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, preexec_fn=limits)
        late = False
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() - started > SECONDS and not late:
                late = True
                os.killpg(process.pid, signal.SIGKILL)
            time.sleep(0.005)
        process.returncode = 0
        with open(log, "rb") as stream:
            text = stream.read().decode(errors="replace")
        left = [name for name in os.listdir(folder) if name.endswith(".part")]
    # CPU time: a busy machine is no fault of the program.
    seconds = usage.ru_utime + usage.ru_stime
    exit = os.waitstatus_to_exitcode(status)
    code = re.search(r"error\[(E\d+)\]", text)
    size, megabytes = os.path.getsize(path), usage.ru_maxrss / 1000
    wrong = []
    if late:
        wrong.append("time-out")
    elif exit < 0:
        wrong.append(signal.Signals(-exit).name)
    elif exit == 101 or "panicked at" in text or "E0901" in text:
        wrong.append("panic")
    if left:
        wrong.append("left " + left[0])
    if command in ("inspect", "check") and seconds > 1 + size / 1e7:
        wrong.append("slow")
    if megabytes > MEMORY.get(command, RUN) + 4 * size / 1e6:
        wrong.append("memory")
    if len(text) > 20_000:
        wrong.append(f"{len(text)} characters")
    if exit not in (0,) and not late and exit > 0 and exit != 101 and not code:
        wrong.append("no code")
    return exit, code.group(1) if code else "", seconds, megabytes, wrong, text


def main():
    binary, folder, names = sys.argv[1], sys.argv[2], sys.argv[3:]
    files = sorted(name for name in os.listdir(folder) if not name.endswith(".md") and (not names or any(part in name for part in names)))
    print(f"{'file':32} {'command':9} {'exit':>4} {'code':6} {'s':>6} {'MB':>6}  wrong")
    bad = runs = 0
    for name in files:
        for command in COMMANDS:
            exit, code, seconds, megabytes, wrong, text = one(binary, command, os.path.join(folder, name))
            runs += 1
            bad += bool(wrong)
            print(f"{name[:32]:32} {command:9} {exit:4} {code:6} {seconds:6.2f} {megabytes:6.0f}  {', '.join(wrong)}", flush=True)
            if os.environ.get("HOSTILE_TEXT"):
                print("    " + text[:1500].replace("\n", "\n    "))
    print(f"{runs} runs, {bad} wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
