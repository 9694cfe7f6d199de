"""File descriptors of this process: their limit, and some that are kept for later."""

from __future__ import annotations

import os
import resource
from contextlib import suppress

_before: list[tuple[int, int]] = []  # the limits, if this process has raised them


def raise_limit() -> None:
    """Let this process open as many files as the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        _before.append((soft, hard))


def restore_limit(pid: int) -> None:
    """Give a child process the limit that this one had: `select` takes no more than 1,024."""
    if _before:
        with suppress(ProcessLookupError, PermissionError):  # it has ended
            resource.prlimit(pid, resource.RLIMIT_NOFILE, _before[0])


def take(count: int) -> list[int]:
    """Open this many descriptors, or as many as there are."""
    taken: list[int] = []
    with suppress(OSError):  # there are no more
        taken.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        while len(taken) < count:
            taken.append(os.dup(taken[0]))
    return taken
