"""Compares ontrace with ONNX Runtime and onnx.reference on random valid graphs.

usage: onnx_sweep.py [--ontrace PATH] [--seed N] [--count N] [--only OP,OP] [--jobs N] [--leave FOLDER] [--alone]

Case i of a run has the seed N + i. Graphs of one opset are put into one model, side by side, so that a process runs a dozen; where such a model is
refused or a value in it differs, its graphs run one by one (and where they are right then, the verdict is "together"). Each graph runs with `ontrace run --backend tract`, `--backend eager`, and the file that `ontrace convert` writes
runs in ONNX Runtime; all are compared with what ONNX Runtime and onnx.reference give for the graph itself. Where those two disagree, RIGHT in onnx_verdicts.py says
who is right by the standard, and why; a disagreement that it does not name is reported as "unsettled". Where neither computes a graph, ONNX Runtime
does in the types that it has kernels for, if it can. Exit status 1 where a value of ontrace differs.
Needs onnx, onnxruntime and numpy. --leave writes the cases that fail, each in a folder as ONNX's backend tests are.
"""
import argparse
import collections
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import onnx
import onnx.compose
import onnxruntime
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

import onnx_graphs
import onnx_singles
from onnx_formulas import FORMULAS
from onnx_verdicts import is_open, no_reference, right, same

LIMIT = 60
# Seeds of one task of a process, and graphs of one model.
CHUNK, TOGETHER = 250, 12
# What is not printed case by case.
QUIET = ("right", "no kernel", "neither", "its fault")


def by_runtime(model, feeds):
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads, options.inter_op_num_threads = 4, 1, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    wanted = {value.name for value in session.get_inputs()}
    return session.run(None, {name: array for name, array in feeds.items() if name in wanted})


def by_reference(case):
    results = ReferenceEvaluator(case.model, new_ops=FORMULAS).run(None, case.feeds)
    return [np.asarray(result) for result in results]


def attempt(function, *arguments):
    """The arrays, or the text of the error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(*arguments)
    except Exception as error:  # an oracle that fails has no say
        return f"{type(error).__name__}: {error}"


def command(program, *arguments):
    try:
        done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return "timeout"
    if done.returncode == 0:
        return None
    text = done.stderr.strip()
    error = re.search(r"error\[?E?\d*.*", text)
    return f"exit {done.returncode}: " + (error[0] if error else text[-300:])


def loaded(path, names):
    with np.load(path, allow_pickle=False) as file:
        return [file[name] for name in names]


def ours(program, case, folder):
    """What the three ways give: arrays, or the text of the refusal."""
    model, feed, out, written = (folder / name for name in ("model.onnx", "feed.npz", "out.npz", "written.onnx"))
    model.write_bytes(case.model.SerializeToString())
    np.savez(feed, **case.feeds)
    given = ["-i", f"@{feed}"] if case.feeds else []
    names, results = [output.name for output in case.model.graph.output], {}
    for backend in ("tract", "eager"):
        out.unlink(missing_ok=True)
        text = command(program, "run", "-q", model, *given, "--backend", backend, "--out", out)
        results[backend] = text or attempt(loaded, out, names)
    written.unlink(missing_ok=True)
    text = command(program, "convert", "-q", model, *given, "-o", written)
    if text and "no output has any element" in text:
        text = command(program, "convert", "-q", "--no-check", model, *given, "-o", written)
    results["converted"] = text or attempt(by_runtime, str(written), case.feeds)
    return results


def by_singles(case):
    """What ONNX Runtime gives for the graph in the types that it has kernels for."""
    model, feeds, dtypes = onnx_singles.in_singles(case)
    try:
        arrays = by_runtime(model.SerializeToString(), feeds)
    except Exception:  # opset 22 only gave its operators more types
        model.opset_import[0].version = min(case.opset, 21)
        arrays = by_runtime(model.SerializeToString(), feeds)
    arrays = onnx_singles.back(arrays, dtypes)
    if arrays is None:
        raise ValueError("a value leaves its type")
    return arrays


def declared(case, arrays):
    """The arrays if they have the types that the graph declares (which onnx's own inference gave), and else what is wrong."""
    if isinstance(arrays, str):
        return arrays
    for array, value in zip(arrays, case.model.graph.output):
        kind = value.type.tensor_type
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
        sizes = [dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim]
        if array.dtype != dtype or array.ndim != len(sizes) or any(size not in (None, n) for size, n in zip(sizes, array.shape)):
            return f"not of the inferred type: {array.dtype}{list(array.shape)}, expected {dtype}{sizes}"
    return arrays


def judged(case):
    """What is right, who says so, and whether the two oracles left that open."""
    runtime = declared(case, attempt(by_runtime, case.model.SerializeToString(), case.feeds))
    reference = no_reference(case) or declared(case, attempt(by_reference, case))
    if isinstance(runtime, str):
        who, why = right(case)
        # A kernel for other types has a say where there is none, but not on what no implementation decides.
        if "NOT_IMPLEMENTED" in runtime and not is_open(case) and (who == "runtime" or who == "unsettled" and isinstance(reference, str)):
            singles = declared(case, attempt(by_singles, case))
            if not isinstance(singles, str):
                case.in_singles = True
                return singles, "singles", ""
        if isinstance(reference, str):
            return None, "neither", f"{runtime[:150]} | {reference[:150]}"
        # Of what onnx.reference computes wrong, nobody has a say then.
        return (None, "neither", why) if who in ("runtime", "neither") else (reference, "reference", runtime)
    if isinstance(reference, str):
        who, why = right(case)
        return (None, who, why) if who == "neither" else (runtime, "runtime", reference)
    difference = same(case, runtime, reference)
    if difference is None:
        return runtime, "both", ""
    who, why = right(case)
    return {"runtime": runtime, "reference": reference}.get(who), who, f"{difference} {why}"


def verdicts(case, oracle, expected, results):
    """A row (seed, operator, opset, oracle, way, verdict, detail) for each way."""
    rows = []
    for way, got in results.items():
        if isinstance(got, str):
            # What ONNX Runtime refuses in the model itself, it refuses in what was written.
            lacks = way == "converted" and ("NOT_IMPLEMENTED" in got or (oracle in ("reference", "singles") and "[ONNXRuntimeError]" in got))
            rows.append((case.seed, case.op, case.opset, oracle, way, "no kernel" if lacks else "refused", got))
        else:
            difference = same(case, got, expected)
            verdict = "differs" if difference else "right"
            # Where ONNX Runtime departs from the standard it does so with what was written, too.
            if difference and way == "converted" and oracle in ("reference", "singles"):
                own = attempt(by_runtime, case.model.SerializeToString(), case.feeds)
                verdict = "its fault" if not isinstance(own, str) and same(case, got, own) is None else verdict
            rows.append((case.seed, case.op, case.opset, oracle, way, verdict, difference or ""))
    return rows


def side_by_side(cases):
    """One case of the graphs of several cases of one opset, with the seed of each before its names."""
    graph, feeds = onnx.GraphProto(name="g"), {}
    for case in cases:
        prefix = f"s{case.seed}_"
        part = onnx.compose.add_prefix_graph(case.model.graph, prefix)
        for value in part.output:
            for dim in value.type.tensor_type.shape.dim:
                if dim.dim_param:
                    dim.dim_param = prefix + dim.dim_param
        for field in ("node", "input", "output", "initializer"):
            getattr(graph, field).extend(getattr(part, field))
        feeds |= {prefix + name: array for name, array in case.feeds.items()}
    model = onnx.ModelProto()
    model.CopyFrom(cases[0].model)
    model.graph.CopyFrom(graph)
    return onnx_graphs.Case(cases[0].seed, "", model, feeds)


def named(texts, judgements):
    """The cases that the messages of a refusal name, by the prefix of their values."""
    seeds = {int(digits) for text in texts for digits in re.findall(r"\bs(\d+)_", text)}
    return [judgement for judgement in judgements if judgement[0].seed in seeds]


def together(program, judgements, folder):
    """The rows of cases of one opset, the cases that were refused, and those whose values differ: these have to run one by one.

    Where a model is refused, the rest of its graphs run without the one that the messages name, or as two halves."""
    if len(judgements) <= 1:
        return [], judgements, []
    results = ours(program, side_by_side([case for case, *_ in judgements]), folder)
    refusals = [got for got in results.values() if isinstance(got, str)]
    if refusals:
        refused = named(refusals, judgements)
        if 0 < len(refused) < len(judgements):
            left = [judgement for judgement in judgements if not any(judgement is other for other in refused)]
            rows, again, different = together(program, left, folder)
            return rows, refused + again, different
        half = len(judgements) // 2
        parts = [together(program, part, folder) for part in (judgements[:half], judgements[half:])]
        return tuple(first + second for first, second in zip(*parts))
    rows, different, at = [], [], 0
    for case, oracle, expected in judgements:
        count = len(case.model.graph.output)
        found = verdicts(case, oracle, expected, {way: got[at:at + count] for way, got in results.items()})
        at += count
        if any(row[5] == "differs" for row in found):
            different.append((case, oracle, expected))
        else:
            rows += found
    return rows, [], different


def alone(program, case, oracle, expected, folder, leave, was_right_before):
    rows = verdicts(case, oracle, expected, ours(program, case, folder))
    if not was_right_before and all(row[5] == "right" for row in rows):
        return [(*row[:5], "together", "differs side by side with others") for row in rows]
    if leave and any(row[5] not in ("right", "no kernel") for row in rows):
        keep(case, expected, pathlib.Path(leave, f"{case.op}_{case.seed}"))
    return rows


def settle(program, case, folder):
    """The case, its oracle and what is right; or rows, where the oracles leave that open."""
    expected, oracle, note = judged(case)
    if expected is not None:
        return (case, oracle, expected), []
    if oracle != "unsettled":
        return None, [(case.seed, case.op, case.opset, oracle, "", "neither", note)]
    runtime, reference = attempt(by_runtime, case.model.SerializeToString(), case.feeds), attempt(by_reference, case)
    agree = lambda got, other: not isinstance(got, str) and same(case, got, other) is None
    sides = [(way, "runtime" if agree(got, runtime) else "reference" if agree(got, reference) else "none")
             for way, got in ours(program, case, folder).items()]
    return None, [(case.seed, case.op, case.opset, oracle, "", oracle, f"{note} we agree with: {sides}")]


def examine(arguments):
    """The rows of the cases of these seeds."""
    program, seeds, only, leave, size = arguments
    rows, by_opset = [], collections.defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for seed in seeds:
            try:
                case = onnx_graphs.case(seed, only)
            except onnx_graphs.NoCase:
                continue
            judgement, found = settle(program, case, folder)
            rows += found
            if judgement:
                by_opset[case.opset].append(judgement)
        for judgements in by_opset.values():
            for at in range(0, len(judgements), size):
                found, refused, different = together(program, judgements[at:at + size], folder)
                rows += found
                for judgement in refused:
                    rows += alone(program, *judgement, folder, leave, True)
                for judgement in different:
                    rows += alone(program, *judgement, folder, leave, False)
    return rows


def keep(case, expected, folder):
    """Writes a case as ONNX's backend tests are written."""
    data = folder / "test_data_set_0"
    data.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(case.model.SerializeToString())
    for i, value in enumerate(case.model.graph.input):
        (data / f"input_{i}.pb").write_bytes(numpy_helper.from_array(case.feeds[value.name], value.name).SerializeToString())
    for i, value in enumerate(case.model.graph.output):
        (data / f"output_{i}.pb").write_bytes(numpy_helper.from_array(np.asarray(expected[i]), value.name).SerializeToString())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ontrace", default="target/debug/ontrace")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--only", help="operators, with commas")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--alone", action="store_true", help="one graph a process")
    parser.add_argument("--leave", help="a folder for the cases that fail")
    given = parser.parse_args()
    onnxruntime.set_default_logger_severity(4)
    only = sorted(given.only.split(",")) if given.only else None
    seeds = range(given.seed, given.seed + given.count)
    tasks = [(given.ontrace, seeds[i:i + CHUNK], only, given.leave, 1 if given.alone else TOGETHER) for i in range(0, given.count, CHUNK)]
    counts, graphs = collections.Counter(), set()
    with concurrent.futures.ProcessPoolExecutor(given.jobs) as pool:
        for done, rows in enumerate(pool.map(examine, tasks), 1):
            for row in sorted((row for row in rows if row[5] not in QUIET), key=lambda row: (row[5], row[1], row[0])):
                print(*(str(cell).replace("\n", " ")[:400] for cell in row), sep="\t", flush=True)
            counts.update((row[4], row[5]) for row in rows)
            graphs |= {row[0] for row in rows}
            differ = sum(count for (_, verdict), count in counts.items() if verdict == "differs")
            print(f"{min(done * CHUNK, given.count)} of {given.count} graphs, {differ} values differ", file=sys.stderr, flush=True)
    print(f"{len(graphs)} graphs, seeds {given.seed} to {given.seed + given.count - 1}")
    for (way, verdict), count in sorted(counts.items()):
        print(f"  {way:<10} {verdict:<10} {count}")
    return 1 if any(verdict == "differs" for _, verdict in counts) else 0


if __name__ == "__main__":
    sys.exit(main())
