"""Standard input, output and error of a process that may have been started without them."""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def notify_user(text: str) -> None:
    """A line for the user, on standard error. Where nobody can read it, nothing happens.

    Not `print(…, file=sys.stderr)`: where that is None, it writes to standard output.
    """
    if sys.stderr is not None:
        with suppress(OSError, ValueError):  # the reader is gone, the disk full, the stream closed
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()


def flush() -> None:
    """Write what waits in the buffers of standard output and error, as far as that goes."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with suppress(OSError, ValueError):
                stream.flush()


def hold_descriptors() -> None:
    """Have descriptors 0, 1 and 2 open, on nothing if need be.

    A socket of ours would get the number otherwise, and what a child process or a C library writes
    to its standard output would go into that.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
