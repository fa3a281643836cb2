"""Plants faults in real architectures and says which of them `ontrace check --against` finds, and whether it names the node.

usage: planted_faults.py ONTRACE [FOLDER] [--simplified] [--only NAME,...] [--faults NAME,...]
(needs torch, torchvision, timm, transformers, onnx, onnxruntime; --simplified needs onnxsim and onnxslim)

Each model (random weights, none of them all zero) is converted without a check; a fault is planted in a copy; the copy is checked against the original with `check --against`. With
--simplified the copy goes through onnxsim and through onnxslim first, and `compare` must name the node of the original. The last line counts: found (exit
code 3), and named (the message has the scope or the name of the node). The effect of a fault is measured by ONNX Runtime without optimisation: the largest
difference of outputs, in units of the largest difference that its own optimisation makes (its rounding). A survivor below 4 of these is below rounding.
"""
import argparse, copy, json, subprocess, tempfile, warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from false_alarms import trained
from onnx import numpy_helper


def models():
    import timm, torchvision
    import transformers as t

    torch.manual_seed(0)
    image = torch.randn(1, 3, 64, 64)
    yield "resnet18", torchvision.models.resnet18(), (image,)
    yield "mobilenet_v3_small", torchvision.models.mobilenet_v3_small(), (image,)
    yield "densenet121", torchvision.models.densenet121(), (image,)
    yield "shufflenet_v2", torchvision.models.shufflenet_v2_x0_5(), (image,)
    yield "squeezenet", torchvision.models.squeezenet1_1(), (image,)
    yield "vit_tiny", timm.create_model("vit_tiny_patch16_224", img_size=64), (image,)
    yield "convnext_atto", timm.create_model("convnext_atto"), (image,)
    yield "mixer_s32", timm.create_model("mixer_s32_224", img_size=64), (image,)
    yield "mnasnet", torchvision.models.mnasnet0_5(), (image,)
    yield "regnet", torchvision.models.regnet_y_400mf(), (image,)
    yield "efficientnet_b0", torchvision.models.efficientnet_b0(), (image,)
    yield "resnext", timm.create_model("resnext26ts"), (image,)
    yield "repvgg", timm.create_model("repvgg_a0"), (image,)
    yield "poolformer", timm.create_model("poolformer_s12"), (image,)
    ids = torch.randint(0, 99, (1, 12))
    small = dict(hidden_size=48, num_hidden_layers=3, num_attention_heads=4, intermediate_size=96, vocab_size=99)
    text = (ids, torch.tensor([[1] * 10 + [0] * 2]))
    yield "bert", t.BertModel(t.BertConfig(**small)), text
    yield "distilbert", t.DistilBertModel(t.DistilBertConfig(dim=48, n_layers=3, n_heads=4, hidden_dim=96, vocab_size=99)), text
    yield "roberta", t.RobertaModel(t.RobertaConfig(**small)), text
    yield "electra", t.ElectraModel(t.ElectraConfig(embedding_size=48, **small)), text
    yield "albert", t.AlbertModel(t.AlbertConfig(embedding_size=48, **small)), (ids,)
    yield "gpt2", t.GPT2LMHeadModel(t.GPT2Config(n_embd=48, n_layer=3, n_head=4, vocab_size=99, n_positions=32)), (ids,)


class Outputs(torch.nn.Module):
    """A model whose output is its first tensor."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, *inputs):
        output = self.model(*inputs)
        return output if isinstance(output, torch.Tensor) else output[0]


def initializer(model, name):
    return next((i for i in model.graph.initializer if i.name == name), None)


def set_attribute(node, name, value):
    kept = [a for a in node.attribute if a.name != name]
    del node.attribute[:]
    node.attribute.extend(kept + [onnx.helper.make_attribute(name, value)])


def attribute(node, name, default=None):
    return next((onnx.helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)


def change(model, name, edit):
    tensor = initializer(model, name)
    if tensor is None:
        return False
    array = numpy_helper.to_array(tensor).copy()
    edit(array)
    tensor.CopyFrom(numpy_helper.from_array(array, name))
    return True


def middle(nodes):
    return nodes[len(nodes) // 2] if nodes else None


def nodes(model, *kinds, wanted=lambda node: True):
    return [n for n in model.graph.node if n.op_type in kinds and wanted(n)]


def epsilon(model):
    """An epsilon 100 times as large, and no less than the usual one."""
    node = middle(nodes(model, "BatchNormalization", "LayerNormalization"))
    if node:
        set_attribute(node, "epsilon", max(100 * attribute(node, "epsilon", 1e-5), 1e-5))
    return node


def weight(model):
    """The largest element of a weight, changed by one per cent."""
    node = middle(nodes(model, "Conv", "Gemm", "MatMul", wanted=lambda n: initializer(model, n.input[1]) is not None))

    def edit(array):
        flat = array.reshape(-1)
        flat[np.argmax(np.abs(flat))] *= 1.01

    return node if node and change(model, node.input[1], edit) else None


def bias(model):
    def added(node):
        """The name of a bias that is not zero."""
        name = next((name for name in node.input if name in products), None) if node.op_type == "Add" else node.input[2] if len(node.input) > 2 else None
        other = next(i for i in node.input if i != name) if name and node.op_type == "Add" else name
        found = initializer(model, other) if other else None
        return other if found is not None and np.any(numpy_helper.to_array(found)) else None

    products = {n.output[0] for n in nodes(model, "MatMul")}
    node = middle(nodes(model, "Conv", "Gemm", "LayerNormalization", "Add", wanted=added))
    if node is None:
        return None
    if node.op_type == "Add":
        change(model, added(node), lambda array: array.fill(0))
    else:
        del node.input[2:]
    return node


def gelu(model):
    """A Gelu with the tangent that approximates the error function: erf(z) ≈ tanh(2/√π · z + 0.044715 · 4/√π · z³)."""
    node = middle(nodes(model, "Erf"))
    if node is None:
        return None
    z, name = node.input[0], node.output[0]
    for value, factor in [("linear", 2 / np.sqrt(np.pi)), ("cubic", 0.044715 * 4 / np.sqrt(np.pi))]:
        model.graph.initializer.append(numpy_helper.from_array(np.float32(factor), f"{name}_{value}"))
    steps = [("Mul", [z, z], "square"), ("Mul", [f"{name}_square", f"{name}_cubic"], "scaled"), ("Add", [f"{name}_scaled", f"{name}_linear"], "sum")]
    at = list(model.graph.node).index(node)
    for i, (kind, operands, output) in enumerate([*steps, ("Mul", [f"{name}_sum", z], "argument")]):
        step = onnx.helper.make_node(kind, operands, [f"{name}_{output}"])
        step.metadata_props.extend(node.metadata_props)
        model.graph.node.insert(at + i, step)
    node = model.graph.node[at + 4]
    node.op_type, node.input[0] = "Tanh", f"{name}_argument"
    return node


def row(model):
    node = next(iter(nodes(model, "Gather", wanted=lambda n: (i := initializer(model, n.input[0])) is not None and len(i.dims) == 2 and i.dims[0] > 8)), None)

    def edit(array):
        array[-1] *= 1.1

    return node if node and change(model, node.input[0], edit) else None


def axis(model):
    node = middle(nodes(model, "Softmax"))
    if node:
        set_attribute(node, "axis", 2 if attribute(node, "axis", -1) == 3 else -2)
    return node


def pad(model):
    node = middle(nodes(model, "Conv", "MaxPool", wanted=lambda n: list(attribute(n, "pads", [])) == [1, 1, 1, 1]))
    if node:
        set_attribute(node, "pads", [0, 0, 2, 2])
    return node


def swapped(model):
    """A weight with two axes of one size in the other order."""
    pair = {"Conv": (-2, -1), "Gemm": (0, 1), "MatMul": (0, 1)}

    def square(node):
        i = initializer(model, node.input[1])
        return i is not None and len(i.dims) >= 2 and i.dims[pair[node.op_type][0]] == i.dims[pair[node.op_type][1]] > 1

    node = middle(nodes(model, *pair, wanted=square))

    def edit(array):
        array[...] = np.swapaxes(array.copy(), *pair[node.op_type])

    return node if node and change(model, node.input[1], edit) else None


def operands(model):
    """A Concat, a Sub or a Div with its operands in the other order."""

    def computed(node):
        return len(node.input) == 2 and not any(initializer(model, name) for name in node.input) and node.input[0] != node.input[1]

    node = middle(nodes(model, "Concat", "Sub", "Div", wanted=computed))
    if node:
        node.input[:] = [node.input[1], node.input[0]]
    return node


def activation(model):
    """An activation beside the right one."""
    other = {"Relu": "Softplus", "Sigmoid": "HardSigmoid", "HardSwish": "Mish", "Tanh": "Softsign", "Softmax": "LogSoftmax"}
    node = middle(nodes(model, *other))
    if node is None:
        return None
    node.op_type = other[node.op_type]
    return node


def mask(model):
    """The mask of the example in place of the input: every call masks what the first masked."""
    given = next((i for i in model.graph.input[1:]), None)
    if given is None:
        return None
    users = [n for n in model.graph.node if given.name in n.input]
    kept = numpy_helper.from_array(np.array([[1] * 10 + [0] * 2], np.int64), "stale_mask")
    model.graph.initializer.append(kept)
    for node in users:
        node.input[:] = ["stale_mask" if name == given.name else name for name in node.input]
    return users[0]


def causal(model):
    """A constant mask of a text model that lets each position see one further."""

    def triangle(node):
        for name in node.input:
            i = initializer(model, name)
            array = numpy_helper.to_array(i) if i is not None else None
            if array is not None and array.ndim >= 2 and array.shape[-1] == array.shape[-2] > 4 and np.array_equal(array != array.flat[0], np.triu(array != array.flat[0], 1)):
                return name
        return None

    node = next(iter(nodes(model, "Where", "Add", "And", "Cast", wanted=triangle)), None)

    def edit(array):
        array[..., np.arange(array.shape[-1] - 1), np.arange(1, array.shape[-1])] = array.flat[0]

    return node if node and change(model, triangle(node), edit) else None


FAULTS = [epsilon, weight, bias, gelu, row, axis, pad, swapped, operands, activation, mask, causal]


def check(ontrace, wrong, right, *options):
    done = subprocess.run([ontrace, "check", wrong, "--against", right, "--json", *options], capture_output=True, text=True)
    lines = [line for line in (done.stderr if done.returncode else done.stdout).splitlines() if line.startswith("{")]
    return done.returncode, json.loads(lines[-1]) if lines else {"message": done.stderr[-300:]}


def compare(ontrace, wrong, right):
    done = subprocess.run([ontrace, "compare", right, wrong, "--json"], capture_output=True, text=True)
    lines = [line for line in (done.stderr if done.returncode else done.stdout).splitlines() if line.startswith("{")]
    return done.returncode, json.loads(lines[-1]) if lines else {"message": done.stderr[-300:]}


def outputs(path, feeds, level):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level, options.log_severity_level = level, 4
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"]).run(None, feeds)


def effect(wrong, right, inputs):
    """The largest effect on an output, in units of the rounding that ONNX Runtime's optimisation changes; of text also with a mask of ones."""
    import onnxruntime as ort

    plain, full = ort.GraphOptimizationLevel.ORT_DISABLE_ALL, ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    names = [i.name for i in onnx.load(right, load_external_data=False).graph.input]
    arrays = [x.numpy() for x in inputs]
    shares = []
    for given in [arrays, *([[arrays[0], np.ones_like(arrays[1])]] if len(arrays) > 1 else [])]:
        feeds = dict(zip(names, given))
        expected, optimised, got = outputs(right, feeds, plain), outputs(right, feeds, full), outputs(wrong, feeds, plain)
        for e, o, g in zip(expected, optimised, got):
            shares.append(np.abs(g - e).max() / max(np.abs(o - e).max(), np.finfo(e.dtype).eps * np.abs(e).max()))
    return float(max(shares))


def simplified(model):
    import onnxsim, onnxslim

    yield "onnxsim", lambda: onnxsim.simplify(copy.deepcopy(model))[0]
    yield "onnxslim", lambda: onnxslim.slim(copy.deepcopy(model))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ontrace")
    parser.add_argument("folder", nargs="?", default=tempfile.mkdtemp())
    parser.add_argument("--simplified", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--faults", default="")
    options = parser.parse_args()
    ontrace, folder, only = options.ontrace, Path(options.folder), set(filter(None, options.only.split(",")))
    folder.mkdir(exist_ok=True)
    warnings.simplefilter("ignore")
    chosen = [fault for fault in FAULTS if not options.faults or fault.__name__ in options.faults.split(",")]
    count = found = named = small = alarms = 0
    for name, model, inputs in models():
        if only and name not in only:
            continue
        pt, right = str(folder / f"{name}.pt"), str(folder / f"{name}.onnx")
        with torch.no_grad():
            torch.jit.trace(Outputs(trained(model, inputs[0]).eval()), inputs, check_trace=False, strict=False).save(pt)
        done = subprocess.run([ontrace, "convert", pt, "-o", right, "--no-check"], capture_output=True, text=True)
        if done.returncode:
            print(f"{name:20} cannot be converted: {done.stderr.strip().splitlines()[-1][:150]}", flush=True)
            continue
        if options.simplified:
            for kind, simplify in simplified(onnx.load(right)):
                path = str(folder / f"{name}_{kind}.onnx")
                onnx.save(simplify(), path)
                code, report = compare(ontrace, path, right)
                alarms += code != 0
                print(f"{name:20} {kind:8} exit {code} {report.get('help') or report.get('message') or ''}"[:200], flush=True)
        else:
            code, report = check(ontrace, right, right)
            alarms += code != 0
            print(f"{name:20} {'itself':8} exit {code}", flush=True)
        kept = {n.output[0]: n.op_type for n in onnx.load(right).graph.node}
        for fault in chosen:
            wrong = onnx.load(right)
            node = fault(wrong)
            if node is None:
                continue
            path = str(folder / f"{name}_{fault.__name__}.onnx")
            scope = next((p.value for p in node.metadata_props if p.key.endswith("scope")), node.name)
            del wrong.metadata_props[:]
            onnx.save(wrong, path)
            variants = [("", path)]
            if options.simplified:
                variants = []
                for kind, simplify in simplified(wrong):
                    variants.append((kind, str(folder / f"{name}_{fault.__name__}_{kind}.onnx")))
                    onnx.save(simplify(), variants[-1][1])
            for kind, variant in variants:
                code, report = compare(ontrace, variant, right) if kind else check(ontrace, path, right)
                text = json.dumps(report["first_difference"]["first"]) if report.get("first_difference") else json.dumps(report)
                kinds = {node.op_type, kept.get(node.output[0], node.op_type)}
                is_named = code == 3 and ((scope or node.name) in text or node.name in text) and any(kind in text for kind in kinds)
                count, found, named = count + 1, found + (code == 3), named + is_named
                verdict = "named" if is_named else "found" if code == 3 else f"exit {code}"
                if code == 0:
                    share = effect(path, right, inputs)
                    small += share < 4
                    verdict = f"SURVIVES, effect of {share:.1f} roundings"
                help = "" if is_named else (report.get("help") or report.get("message") or "")[:200]
                print(f"{name:20} {fault.__name__:10} {kind:8} {node.op_type:20} {scope:40} {verdict}   {help}", flush=True)
    print(f"{found} of {count} found, {named} named, {small} with an effect below rounding, {alarms} false alarms")


if __name__ == "__main__":
    main()
