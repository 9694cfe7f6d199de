"""The Python stack of an executor: written on a signal, read by the guarding process.

The stack is written to an unnamed file in memory, found among the open files of the process. A
process blocked in C code handles the signal as well.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress

_SIGNAL = signal.SIGRTMAX - 5  # unused by Python and known libraries
_FILE = "glowpy-stack"
_MOST_BYTES = 20_000

LIFELINE_THREAD = "glowpy-lifeline"  # 15 characters, the limit of the system


def offer_stack() -> None:
    """Write the stack of the main thread whenever the signal arrives."""
    if not hasattr(os, "memfd_create") or signal.getsignal(_SIGNAL) is not signal.SIG_DFL:
        return  # keep the user's own handler
    import faulthandler

    faulthandler.register(_SIGNAL, os.memfd_create(_FILE), all_threads=False)


def request_stack(pid: int) -> None:
    """Send the signal to a process that has called `offer_stack`."""
    if _file_of(pid):
        with suppress(ProcessLookupError):
            os.kill(pid, _SIGNAL)


def read_stack(pid: int) -> str:
    """Return the stack of a process, innermost call first; empty if none was written."""
    path = _file_of(pid)
    with suppress(OSError):
        if path:
            with open(path, "rb") as file:
                return file.read(_MOST_BYTES).decode(errors="replace").rstrip()
    return ""


def name_this_thread(name: str) -> None:
    """Set the name of this thread in the system's lists."""
    with suppress(OSError), open("/proc/thread-self/comm", "w") as file:
        file.write(name)


def _file_of(pid: int) -> str:
    directory = f"/proc/{pid}/fd"
    with suppress(OSError):
        for name in os.listdir(directory):
            path = f"{directory}/{name}"
            with suppress(OSError):  # closed in between
                if os.readlink(path).startswith(f"/memfd:{_FILE} "):
                    return path
    return ""
