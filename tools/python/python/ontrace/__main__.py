"""The command line: `ontrace …`, or `python -m ontrace …`."""

import signal
import sys

from . import _native


def main() -> None:
    """Runs the command of `sys.argv` and ends the process with its exit code."""
    # Python would note the signal and wait for the command to end.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.stdout.flush()
    sys.exit(_native.main(["ontrace", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
