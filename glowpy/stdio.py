"""Standard input, output and error of a process that may lack them."""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def notify_user(text: str) -> None:
    """Write a line to standard error; do nothing if it is closed or unreadable.

    Not `print(…, file=sys.stderr)`: with sys.stderr None, print writes to standard output.
    """
    if sys.stderr is not None:
        with suppress(OSError, ValueError):  # the reader is gone, the disk full, the stream closed
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()


def flush() -> None:
    """Flush standard output and error, ignoring errors."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with suppress(OSError, ValueError):
                stream.flush()


def hold_descriptors() -> None:
    """Open descriptors 0, 1 and 2 on /dev/null if they are closed.

    Otherwise a socket of ours could get one of these numbers, and receive the output of child
    processes or C libraries.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # uses the lowest free number, which is this one


def print_exception() -> None:
    """Print the exception that is being handled, on standard error."""
    import traceback  # slow to load, and seldom needed

    traceback.print_exc()
