"""Process families: processes started by glowpy, found by a mark in their environment.

A child in a new session leaves the process group of its parent, and a child whose parent has ended
becomes a child of init. Both inherit the environment, and with it the mark.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress

_MOST_SEARCHES = 100  # a member may start another process during a search
_MOST_ENVIRONMENT_BYTES = 8 << 20  # more than the kernel accepts


def new_mark() -> str:
    """Return a value for a variable that marks a family of processes."""
    return os.urandom(8).hex()


def kill_family(variable: str, mark: str) -> None:
    """SIGKILL every process whose environment has this variable and value, except this process.

    Other users' processes are not found, nor are processes without the variable: those started with
    another environment, or by `fork()` in a process that set the variable after its start.
    """
    entry = f"\0{variable}={mark}\0".encode()
    killed = {os.getpid()}
    for _ in range(_MOST_SEARCHES):
        found = [pid for pid in _processes() if pid not in killed and _has_entry(pid, entry)]
        if not found:
            return
        for pid in found:
            _kill(pid, entry)
        killed.update(found)


def _processes() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def _has_entry(pid: int, entry: bytes) -> bool:
    try:
        descriptor = os.open(f"/proc/{pid}/environ", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # the process has ended, or belongs to another user
        return False
    try:
        return entry in b"\0" + os.read(descriptor, _MOST_ENVIRONMENT_BYTES)
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _kill(pid: int, entry: bytes) -> None:
    with suppress(OSError):  # the process has ended
        descriptor = os.pidfd_open(pid)
        try:
            if _has_entry(pid, entry):  # the system may have given the number to another process
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        finally:
            os.close(descriptor)
