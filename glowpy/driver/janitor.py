"""A small process that removes a run's directory after the driver was killed.

A standalone run needs none: its fork server removes the directory. The janitor reads a pipe whose
write end only the driver holds, so any death of the driver ends the read.
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
    """Within, a janitor guards the directory; without a shell, no process does."""
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
            # a program that waited for all its children has already reaped the janitor
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            await_exit(pid, _EXIT_S)
        os.close(tell)


def _spawn(directory: str, stdin: int) -> int:
    """Spawn the janitor in its own session, out of reach of signals to the driver's group."""
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
