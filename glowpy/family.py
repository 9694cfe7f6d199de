"""Processes that a process of ours has started, found by a mark in their environment.

A child in a session of its own leaves the process group of its parent, and a child whose parent has
ended becomes a child of init. Both inherit the environment, and so the mark.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress

_MOST_SEARCHES = 100  # a member may start another while the members are searched
_MOST_ENVIRONMENT_BYTES = 8 << 20  # more than the kernel accepts


def new_mark() -> str:
    """A value for a variable that marks a family of processes."""
    return os.urandom(8).hex()


def kill_family(variable: str, mark: str) -> None:
    """SIGKILL every process whose environment has this variable with this value, but this process.

    Not found are processes of other users, and processes that were started without the variable:
    with an environment of their own, or by `fork()` in a process that has set it after its start.
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
    except OSError:  # the process has ended, or is another user's
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
            if _has_entry(pid, entry):  # the number may be another process's by now
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        finally:
            os.close(descriptor)
