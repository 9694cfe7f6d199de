"""A small process that removes a run's directory if the driver is killed.

A standalone run needs none: its nursery does that. What this process waits for is the end of a pipe
whose other end only the driver has, so it learns of the driver's death however that comes.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from glowpy.signals import await_exit

_SHELL = "/bin/sh"
_EXIT_S = 5.0  # after SIGKILL
_WAIT_AND_REMOVE = 'read -r _; rm -rf -- "$1"'


@contextmanager
def janitor(directory: str) -> Iterator[None]:
    """Within, the directory is removed when this process dies. Without a shell, nobody does it."""
    told, tell = os.pipe()
    try:
        pid = _spawn(directory, told)
    except OSError:
        pid = 0
    finally:
        os.close(told)
    try:
        yield
    finally:
        if pid:
            # Whoever has waited for all children has waited for this one.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            await_exit(pid, _EXIT_S)
        os.close(tell)


def _spawn(directory: str, stdin: int) -> int:
    """In a session of its own: what is told to the driver's terminal or group is not its."""
    return os.posix_spawn(
        _SHELL,
        ["sh", "-c", _WAIT_AND_REMOVE, "sh", directory],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, stdin, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=[],
    )
