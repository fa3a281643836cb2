"""Writes src/onnx/schemas.txt: ONNX's operator schemas, one row for each operator and version.

usage: schemas.py > ../../src/onnx/schemas.txt
Needs onnx. A row is `name|since|deprecated|inputs|outputs|attributes|types`, inputs and outputs as `least-most`, attributes as `name:type` with
`!` where required, types as the TensorProto.DataType values that each input allows, in base 36 (`*` where it is no tensor).
"""
import onnx
from onnx import defs

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
# Names of element types in type strings, where they differ from those of TensorProto.DataType.
NAMES = {"float": "FLOAT", "float16": "FLOAT16", "double": "DOUBLE", "bfloat16": "BFLOAT16", "string": "STRING", "bool": "BOOL"}
KINDS = {"FLOAT": "f", "INT": "i", "STRING": "s", "TENSOR": "t", "GRAPH": "g", "FLOATS": "F", "INTS": "I", "STRINGS": "S", "TENSORS": "T",
         "GRAPHS": "G", "SPARSE_TENSOR": "p", "TYPE_PROTO": "y"}


def digit(text):
    if not text.startswith("tensor("):
        return None
    name = text[len("tensor("):-1]
    return DIGITS[onnx.TensorProto.DataType.Value(NAMES.get(name, name.upper()))]


def allowed(schema, parameter):
    constraints = {c.type_param_str: c.allowed_type_strs for c in schema.type_constraints}
    kinds = [digit(text) for text in constraints.get(parameter.type_str, [parameter.type_str])]
    return "*" if not kinds or None in kinds else "".join(sorted(kinds))


def row(schema):
    attributes = [f"{name}:{KINDS[a.type.name]}{'!' if a.required else ''}" for name, a in sorted(schema.attributes.items())]
    most = lambda n: "" if n > 10000 else str(n)
    return "|".join([
        schema.name, str(schema.since_version), "d" if schema.deprecated else "",
        f"{schema.min_input}-{most(schema.max_input)}", f"{schema.min_output}-{most(schema.max_output)}",
        " ".join(attributes), " ".join(allowed(schema, parameter) for parameter in schema.inputs),
    ])


rows = {(s.name, s.since_version): row(s) for s in defs.get_all_schemas_with_history() if s.domain == ""}
for key in sorted(rows):
    print(rows[key])
