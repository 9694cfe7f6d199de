"""File descriptors of this process: the limit, and a reserve for later use."""

from __future__ import annotations

import os
import resource
from contextlib import suppress

_before: list[tuple[int, int]] = []  # the limits, once this process has raised the soft one


def raise_limit() -> None:
    """Raise the soft limit of this process to the hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        _before.append((soft, hard))


def restore_limit(pid: int) -> None:
    """Give a child process the original limits: `select` takes no more than 1,024 files."""
    if _before:
        with suppress(ProcessLookupError, PermissionError):  # the child has ended
            resource.prlimit(pid, resource.RLIMIT_NOFILE, _before[0])


def take(count: int) -> list[int]:
    """Open `count` descriptors, fewer where the limit is reached."""
    taken: list[int] = []
    with suppress(OSError):  # the limit is reached
        taken.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        while len(taken) < count:
            taken.append(os.dup(taken[0]))
    return taken
