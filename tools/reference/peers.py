"""Times other tools and ontrace on the same jobs and files, in one run.

    python tools/reference/peers.py target/release/ontrace [FOLDER] [--out docs/which-tool.md] [--only simplify,compare,…]

Needs torch, torchvision, transformers, onnx and onnxruntime; onnxsim, onnxslim, polygraphy and pnnx take part where they are installed (`PNNX` names the
program, where it is not on the path). The models are made once in FOLDER: architectures with random weights and, as in trained networks, biases and
statistics of batch norms that are not zeros and ones. The tables go to standard output, or into the document between its marks.
"""

import argparse
import importlib.util
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import numpy
import onnx
import onnxruntime

TIMEOUT = 150
UNCHECKED = False
FILES = None
MARKS = ("<!-- measured: written by tools/reference/peers.py -->", "<!-- end of measured -->")


def architectures():
    """Name, network, example inputs, names of the inputs."""
    import torch
    import torchvision.models as vision
    import transformers

    image = (torch.randn(1, 3, 224, 224),)
    yield "resnet18", lambda: vision.resnet18(), image, ["x"]
    yield "mobilenet_v2", lambda: vision.mobilenet_v2(), image, ["x"]
    yield "efficientnet_b0", lambda: vision.efficientnet_b0(), image, ["x"]
    yield "convnext_tiny", lambda: vision.convnext_tiny(), image, ["x"]
    yield "swin_t", lambda: vision.swin_t(), image, ["x"]
    ids = torch.randint(1000, (1, 64))

    class Hidden(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, input_ids):
            return self.model(input_ids, return_dict=False)[0]

    distilbert = transformers.DistilBertConfig(vocab_size=1000, n_layers=4, dim=256, hidden_dim=1024, n_heads=4, attn_implementation="eager")
    yield "distilbert", lambda: Hidden(transformers.DistilBertModel(distilbert)), (ids,), ["input_ids"]
    gpt2 = transformers.GPT2Config(vocab_size=1000, n_layer=4, n_embd=256, n_head=4, use_cache=False, attn_implementation="eager")
    yield "gpt2", lambda: Hidden(transformers.GPT2Model(gpt2)), (ids,), ["input_ids"]


def trained(network, example):
    """The network in evaluation mode: statistics of batch norms that fit, no parameter that is the same number everywhere."""
    import torch

    torch.manual_seed(0)
    network = network()
    with torch.no_grad():
        for norm in (module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)):
            norm.momentum = None
        if any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules()):
            network.train()(torch.randn(4, *example[0].shape[1:]))
        network.eval()
        for name, value in [*network.named_parameters(), *network.named_buffers()]:
            if value.is_floating_point() and value.numel() > 1 and (value == value.flatten()[0]).all():
                start = float(value.flatten()[0])
                value.copy_(start + 0.02 * torch.randn_like(value).abs() if "var" in name or start else 0.02 * torch.randn_like(value))
    return network


def make(folder):
    """The models: a traced archive, and what torch.onnx.export writes of them in both of its ways, with its seconds."""
    import torch

    log = folder / "made.json"
    made = json.loads(log.read_text()) if log.exists() else {}
    for name, network, example, names in architectures():
        if name in made:
            continue
        network, seconds = trained(network, example), {}
        torch.manual_seed(1)
        expected = network(*example).detach().numpy()
        numpy.savez(folder / f"{name}.npz", **{key: value.numpy() for key, value in zip(names, example)}, expected=expected)
        traced = torch.jit.trace(network, example, strict=False, check_trace=False)
        torch.jit.save(traced, folder / f"{name}.pt")
        for way, dynamo in [("script", False), ("dynamo", True)]:
            start = time.perf_counter()
            try:
                torch.onnx.export(network, example, str(folder / f"{name}.{way}.onnx"), input_names=names, output_names=["y"], dynamo=dynamo,
                                  external_data=False, **({} if dynamo else {"opset_version": 17}))
                seconds[way] = time.perf_counter() - start
            except Exception as error:  # noqa: BLE001: what an exporter cannot do is part of the table
                seconds[way] = f"{type(error).__name__}"
        made[name] = seconds
        log.write_text(json.dumps(made, indent=1))
    return made


def timed(command, **options):
    """Seconds, the exit code (`None` for a time-out) and what was printed."""
    start = time.perf_counter()
    try:
        ran = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=TIMEOUT, **options)
        return time.perf_counter() - start, ran.returncode, ran.stdout + ran.stderr
    except subprocess.TimeoutExpired:
        return TIMEOUT, None, ""


def nodes(path):
    def count(graph):
        inner = [attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g")]
        return sum(node.op_type != "Constant" for node in graph.node) + sum(map(count, inner))

    return count(onnx.load(path, load_external_data=False).graph)


def latencies(paths, inputs, rounds=15):
    """Milliseconds of a call in ONNX Runtime on one thread, each path in turn in each round; and the outputs."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    sessions = [onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]) for path in paths]
    feeds = [{value.name: inputs[value.name] for value in session.get_inputs()} for session in sessions]
    outputs = [session.run(None, feed)[0] for session, feed in zip(sessions, feeds)]
    times = [[] for _ in paths]
    for turn in range(rounds):
        order = range(len(paths)) if turn % 2 == 0 else reversed(range(len(paths)))
        for i in order:
            start = time.perf_counter()
            sessions[i].run(None, feeds[i])
            times[i].append(time.perf_counter() - start)
    return [statistics.median(own) * 1e3 for own in times], outputs


def milliseconds(value):
    return f"{value:.1f}" if value >= 1 else f"{value:.3f}"


def python(module, *arguments):
    return [sys.executable, "-m", module, *arguments]


def polygraphy(*arguments):
    return [sys.executable, "-c", "import sys; from polygraphy.tools import main; sys.exit(main())", *arguments]


def has(module):
    return importlib.util.find_spec(module) is not None


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def random_inputs(path):
    """An array for each input of a model, by name; free sizes are 1, integers are small."""
    random, inputs = numpy.random.default_rng(0), {}
    for value in onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).get_inputs():
        shape = [size if isinstance(size, int) else 1 for size in value.shape]
        inputs[value.name] = random.integers(0, 100, shape) if "int" in value.type else random.standard_normal(shape).astype(numpy.float32)
    return inputs


def exported(folder, made):
    """The files that are simplified: their names, paths and inputs."""
    if FILES:
        return [(path.stem, path, random_inputs(path)) for path in sorted(FILES.glob("*.onnx"))]
    cases = [(name, way, folder / f"{name}.{way}.onnx") for name in made for way in ("script", "dynamo")]
    return [(f"{name}, {way}", path, numpy.load(folder / f"{name}.npz")) for name, way, path in cases if path.exists()]


def simplify(ontrace, folder, made, scratch):
    tools = {"ontrace": lambda path, out: [ontrace, "simplify", path, "-o", out] + (["--no-check"] if UNCHECKED else [])}
    if has("onnxslim"):
        tools["onnxslim"] = lambda path, out: python("onnxslim", path, out)
    if has("onnxsim"):
        tools["onnxsim"] = lambda path, out: python("onnxsim", path, out)
    rows, slower, behind = [], 0, 0
    for title, path, inputs in exported(folder, made):
        results = {}
        for tool, command in tools.items():
            out = scratch / f"{path.stem}.{tool}.onnx"
            seconds, code, _ = timed(command(path, out))
            results[tool] = (seconds, out if code == 0 and out.exists() else None)
        files = [(tool, out) for tool, (_, out) in results.items() if out]
        times, outputs = latencies([path] + [out for _, out in files], inputs)
        speed = dict(zip([tool for tool, _ in files], times[1:]))
        count = {tool: nodes(out) for tool, out in files}
        row = [title, nodes(path)]
        for tool in tools:
            row.append(f"{count[tool]} · {results[tool][0]:.1f} s" if tool in count else f"none in {results[tool][0]:.0f} s")
        row.append(milliseconds(times[0]))
        row += [milliseconds(speed[tool]) if tool in speed else "" for tool in tools]
        rows.append(row)
        slower += speed.get("ontrace", 1e9) > 1.05 * times[0]
        behind += any(count[other] < count.get("ontrace", 1e9) for other in count)
        print(row, file=sys.stderr, flush=True)
        for _, out in files:
            out.unlink()
    head = ["model, exporter", "nodes"] + [f"{tool}: nodes · time" for tool in tools]
    head += ["ONNX Runtime, ms: as exported"] + list(tools)
    return (f"{table(head, rows)}\n\nOf {len(rows)} files, another tool has fewer nodes for {behind}; the file of ontrace is over 5 % slower than the exported one for "
            f"{slower}. " + ("Nobody compared the result with the file." if UNCHECKED else "ontrace's seconds include the comparison of the result with the file; the others do not compare."))


def faulted(source, out):
    """A copy in which the weights of one convolution in the middle are 1 % larger; the name of that node."""
    model = onnx.load(source)
    convolutions = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
    names = {tensor.name: tensor for tensor in model.graph.initializer}
    node = next(node for node in convolutions[len(convolutions) // 2:] if node.input[1] in names)
    tensor = names[node.input[1]]
    tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor) * numpy.float32(1.01), tensor.name))
    onnx.save(model, out)
    return node


def compare(ontrace, folder, made, scratch):
    rows = []
    for name in made:
        source, other = folder / f"{name}.script.onnx", scratch / f"{name}.faulted.onnx"
        if not source.exists():
            continue
        node = faulted(source, other)
        seconds, code, text = timed([ontrace, "compare", source, other])
        found = "first difference" in text and node.name in text.split("first difference", 1)[1]
        row = [name, f"{seconds:.1f} s, exit {code}, {'names the node' if found else 'names another node'}"]
        if has("polygraphy"):
            saved = scratch / "outputs.json"
            first = timed(polygraphy("run", source, "--onnxrt", "--onnx-outputs", "mark", "all", "--save-outputs", saved))
            second = timed(polygraphy("run", other, "--onnxrt", "--onnx-outputs", "mark", "all", "--load-outputs", saved))
            size = saved.stat().st_size / 1e6 if saved.exists() else 0
            lines = [line for line in second[2].splitlines() if "FAILED" in line or "Difference exceeds" in line or "do not match" in line.lower()]
            said = f"{len([line for line in second[2].splitlines() if 'FAILED | Output' in line])} outputs listed as failed" if lines else "nothing found"
            row.append(f"{first[0] + second[0]:.1f} s, exit {second[1]}, {size:.0f} MB of JSON, {said}")
        rows.append(row)
        print(row, file=sys.stderr, flush=True)
    return table(["model, weights of one node 1 % larger", "`ontrace compare`", "`polygraphy run` twice, all values marked"], rows)


def convert(ontrace, folder, made, scratch):
    pnnx = os.environ.get("PNNX") or shutil.which("pnnx")
    rows = []

    def judged(path, inputs):
        if not path or not path.exists():
            return "no file"
        try:
            session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
            keys = [key for key in inputs.files if key != "expected"]
            feed = {value.name: inputs[keys[i]] for i, value in enumerate(session.get_inputs())}
            return f"differs by {numpy.abs(session.run(None, feed)[0] - inputs['expected']).max():.0e}"
        except Exception as error:  # noqa: BLE001
            return f"ONNX Runtime: {type(error).__name__}"

    for name, seconds in made.items():
        inputs, archive = numpy.load(folder / f"{name}.npz"), folder / f"{name}.pt"
        out = scratch / f"{name}.ours.onnx"
        took, code, _ = timed([ontrace, "convert", archive, "-o", out])
        quick, _, _ = timed([ontrace, "convert", archive, "-o", scratch / "quick.onnx", "--no-check"])
        row = [name, f"{took:.1f} s ({quick:.1f} s unchecked), exit {code}, {judged(out, inputs)}"]
        for way in ("script", "dynamo"):
            value = seconds[way]
            row.append(f"{value:.1f} s, {judged(folder / f'{name}.{way}.onnx', inputs)}" if isinstance(value, float) else value)
        if pnnx:
            key = next(key for key in inputs.files if key != "expected")
            shape = ",".join(map(str, inputs[key].shape)) + ("i64" if inputs[key].dtype == numpy.int64 else "f32")
            shape = f"[{shape[:-3]}]{shape[-3:]}"
            home = scratch / f"pnnx_{name}"
            home.mkdir(exist_ok=True)
            shutil.copy(archive, home / "m.pt")
            took, code, _ = timed([pnnx, "m.pt", f"inputshape={shape}", "fp16=0"], cwd=home)
            row.append(f"{took:.1f} s, exit {code}, {judged(home / 'm.pnnx.onnx', inputs)}")
        rows.append(row)
        print(row, file=sys.stderr, flush=True)
    head = ["model", "`ontrace convert` of the archive", "torch.onnx.export, dynamo=False", "torch.onnx.export, dynamo=True"]
    return table(head + (["pnnx of the archive"] if pnnx else []), rows)


def small_jobs(ontrace, folder, made, scratch):
    source = folder / "resnet18.script.onnx"
    text = "import onnx, sys; onnx.checker.check_model(sys.argv[1], full_check=True)"
    half = ("import onnx, sys; from onnxruntime.transformers.float16 import convert_float_to_float16 as half; "
            "onnx.save(half(onnx.load(sys.argv[1]), keep_io_types=True), sys.argv[2])")
    extract = "import onnx, sys; onnx.utils.extract_model(sys.argv[1], sys.argv[2], [sys.argv[3]], [sys.argv[4]])"
    graph = onnx.load(source).graph
    values = [node.output[0] for node in graph.node if node.op_type == "Relu"]
    jobs = [
        ("check a file", [ontrace, "check", source], "onnx.checker, full_check", [sys.executable, "-c", text, source]),
        ("f16 inside, f32 outside", [ontrace, "edit", source, "-o", scratch / "a.onnx", "--f16"], "onnxruntime.transformers.float16",
         [sys.executable, "-c", half, source, scratch / "b.onnx"]),
        ("a part between two values", [ontrace, "edit", source, "-o", scratch / "a.onnx", "--from", values[2], "--to", values[6]],
         "onnx.utils.extract_model", [sys.executable, "-c", extract, source, scratch / "b.onnx", values[2], values[6]]),
        ("rename an input", [ontrace, "edit", source, "-o", scratch / "a.onnx", "--rename", "x=image"], "a script with onnx", None),
    ]
    rows = []
    for what, own, name, other in jobs:
        seconds, code, _ = timed(own)
        row = [what, f"{seconds:.2f} s, exit {code}", name]
        if other:
            seconds, code, _ = timed(other)
            row.append(f"{seconds:.2f} s, exit {code}")
        else:
            row.append("")
        rows.append(row)
        print(row, file=sys.stderr, flush=True)
    return table(["job, on resnet18", "ontrace", "the other", "time"], rows)


PARTS = {
    "convert": ("### From torch to ONNX", convert),
    "compare": ("### Two files that disagree", compare),
    "simplify": ("### A smaller file", simplify),
    "small": ("### Small jobs", small_jobs),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ontrace", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("folder", nargs="?", default="target/peers", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--only", default=",".join(PARTS), help="some of the tables: " + ", ".join(PARTS))
    parser.add_argument("--models", default="", help="some of the models, by name")
    parser.add_argument("--unchecked", action="store_true", help="simplify without the comparison, as the other tools do")
    parser.add_argument("--files", type=pathlib.Path, help="simplify the .onnx files of this folder, with random inputs, and make no models")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    made = {} if arguments.files else make(arguments.folder)
    made = {name: seconds for name, seconds in made.items() if not arguments.models or name in arguments.models.split(",")}
    global UNCHECKED, FILES
    UNCHECKED, FILES = arguments.unchecked, arguments.files
    versions = [f"{name} {module.__version__}" for name, module in [("onnx", onnx), ("ONNX Runtime", onnxruntime)]]
    for name in ("torch", "onnxslim", "onnxsim", "polygraphy", "pnnx"):
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{name} not installed")
    text = f"{os.cpu_count()} processors, {platform.machine()}; {', '.join(versions)}.\n"
    with tempfile.TemporaryDirectory() as scratch:
        for part in arguments.only.split(","):
            title, run = PARTS[part]
            text += f"\n{title}\n\n{run(arguments.ontrace, arguments.folder, made, pathlib.Path(scratch))}\n"
    if arguments.out:
        page = arguments.out.read_text()
        before, after = page.split(MARKS[0])[0], page.split(MARKS[1])[1]
        arguments.out.write_text(f"{before}{MARKS[0]}\n{text}{MARKS[1]}{after}")
    else:
        print(text)


if __name__ == "__main__":
    import importlib.metadata

    main()
