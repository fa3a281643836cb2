"""Reads what `ontrace serve-layout` writes by Triton's own schema: `model_config.proto`, as the package tritonclient has it.

    python tools/reference/triton_config.py target/debug/ontrace

Needs protobuf and tritonclient (`pip install --no-deps tritonclient`); without it the script says so and ends well.
"""

import importlib.util
import pathlib
import subprocess
import sys
import tempfile

MODELS = [("resnet_tiny.pt", ["--dynamic", "x:0=batch"], 8), ("mlp.pt", [], 0), ("map.pt2", [], 0), ("rotary.pt", [], 0)]


def schema():
    """The messages of model_config.proto, without the client around them, which needs gRPC."""
    found = importlib.util.find_spec("tritonclient")
    path = found and pathlib.Path(found.submodule_search_locations[0]) / "grpc" / "model_config_pb2.py"
    if not path or not path.exists():
        return None
    spec = importlib.util.spec_from_file_location("model_config_pb2", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main():
    messages = schema()
    if messages is None:
        print("skipped: tritonclient is not installed")
        return
    from google.protobuf import text_format

    ontrace = pathlib.Path(sys.argv[1]).resolve()
    data = pathlib.Path(__file__).parents[2] / "tests/data"
    with tempfile.TemporaryDirectory() as folder:
        for name, options, batch in MODELS:
            model = pathlib.Path(folder) / pathlib.Path(name).with_suffix(".onnx")
            subprocess.run([ontrace, "convert", data / name, "-o", model, "-q", "--no-check", *options], check=True, stdout=subprocess.DEVNULL)
            subprocess.run([ontrace, "serve-layout", model, "--repo", folder, "-q"], check=True, stdout=subprocess.DEVNULL)
            text = (pathlib.Path(folder) / model.stem / "config.pbtxt").read_text()
            config = text_format.Parse(text, messages.ModelConfig())
            assert (config.name, config.platform, config.max_batch_size) == (model.stem, "onnxruntime_onnx", batch), config
            assert config.input and config.output and all(value.data_type for value in [*config.input, *config.output]), config
            assert config.instance_group[0].kind == messages.ModelInstanceGroup.KIND_CPU, config
    print(f"Triton's schema reads {len(MODELS)} configurations")


main()
