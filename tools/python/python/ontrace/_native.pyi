from os import PathLike
from typing import Any, Sequence

__version__: str

class Error(Exception):
    code: str
    title: str
    message: str
    location: list[str]
    help: str | None
    exit_code: int
    report_json: str | None

class NativeSession:
    def __new__(cls, path: str | PathLike[str], inputs: Sequence[str], dynamic: Sequence[str], threads: int | None) -> NativeSession: ...
    def inputs(self) -> list[tuple[str, str, list[str]]]: ...
    def outputs(self) -> list[tuple[str, str, list[str]]]: ...
    def run(self, inputs: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]: ...

def main(arguments: Sequence[str], child: Sequence[str]) -> int: ...
def answer(arguments: Sequence[str]) -> str: ...
