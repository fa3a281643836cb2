"""Writes src/onnx/schemas.txt: ONNX's operator schemas, one row for each operator and version.

usage: schemas.py > ../../src/onnx/schemas.txt
Needs onnx. A row is `name|since|deprecated|inputs|outputs|attributes|types|input parameters|output parameters`: inputs and outputs as `least-most`,
attributes as `name:type` with `!` where required, types as `variable=` and the TensorProto.DataType values that it allows, in base 36 (`*` where it
may be no tensor). A parameter is its type variable, or `=` and its types, followed by `?` where optional, `+` where it stands for any number of values
of one type, and `~` where for any number of values of any types.
"""
import onnx
from onnx import defs

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
# Names of element types in type strings, where they differ from those of TensorProto.DataType.
NAMES = {"float": "FLOAT", "float16": "FLOAT16", "double": "DOUBLE", "bfloat16": "BFLOAT16", "string": "STRING", "bool": "BOOL"}
KINDS = {"FLOAT": "f", "INT": "i", "STRING": "s", "TENSOR": "t", "GRAPH": "g", "FLOATS": "F", "INTS": "I", "STRINGS": "S", "TENSORS": "T",
         "GRAPHS": "G", "SPARSE_TENSOR": "p", "TYPE_PROTO": "y"}
OPTIONS = {"Single": "", "Optional": "?", "Variadic": "+"}


def digit(text):
    if not text.startswith("tensor("):
        return None
    name = text[len("tensor("):-1]
    return DIGITS[onnx.TensorProto.DataType.Value(NAMES.get(name, name.upper()))]


def types(texts):
    kinds = [digit(text) for text in texts]
    return "*" if not kinds or None in kinds else "".join(sorted(kinds))


def parameter(schema, of):
    variables = {c.type_param_str for c in schema.type_constraints}
    option = OPTIONS[of.option.name]
    if option == "+" and not of.is_homogeneous:
        option = "~"
    return (of.type_str if of.type_str in variables else "=" + types([of.type_str])) + option


def row(schema):
    attributes = [f"{name}:{KINDS[a.type.name]}{'!' if a.required else ''}" for name, a in sorted(schema.attributes.items())]
    most = lambda n: "" if n > 10000 else str(n)
    return "|".join([
        schema.name, str(schema.since_version), "d" if schema.deprecated else "",
        f"{schema.min_input}-{most(schema.max_input)}", f"{schema.min_output}-{most(schema.max_output)}",
        " ".join(attributes),
        " ".join(f"{c.type_param_str}={types(c.allowed_type_strs)}" for c in schema.type_constraints),
        " ".join(parameter(schema, of) for of in schema.inputs),
        " ".join(parameter(schema, of) for of in schema.outputs),
    ])


rows = {(s.name, s.since_version): row(s) for s in defs.get_all_schemas_with_history() if s.domain == ""}
for key in sorted(rows):
    print(rows[key])
