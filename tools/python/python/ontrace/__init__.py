"""Converts TorchScript, torch.export and ONNX models to ONNX, verifies the result, and runs it with tract.

    import ontrace

    ontrace.convert("model.pt", "model.onnx", dynamic="x:0=batch")
    scores = ontrace.Session("model.onnx")(image)
    ontrace.export(module, (image,), "model.onnx", dynamic={"x": {0: "batch"}})   # with torch
"""

from ._commands import Conversion, check, command, compare, convert, inspect
from ._native import Error, __version__
from ._session import Session, ValueType
from ._torch import Exported, export

__all__ = ["Conversion", "Error", "Exported", "Session", "ValueType", "__version__", "check", "command", "compare", "convert", "export", "inspect"]
