"""The command line: `ontrace …`, or `python -m ontrace …`."""

import sys
from pathlib import Path

from . import _native


def main() -> None:
    """Runs the command of `sys.argv` and ends the process with its exit code."""
    sys.stdout.flush()
    # The program handles signals itself, and runs the command in a child process whose memory is limited. It is started as this one was: `-m` would look for
    # the package in the current folder first.
    script = Path(sys.argv[0])
    start = ["-m", "ontrace"] if script.name == "__main__.py" or not script.is_file() else [str(script)]
    child = [sys.executable, *start, *sys.argv[1:]]
    sys.exit(_native.main(["ontrace", *sys.argv[1:]], child))


if __name__ == "__main__":
    main()
