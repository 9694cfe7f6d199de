"""Signals and ends of child processes: names, process groups, blocked signals, bounded waits."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def signal_name(number: int) -> str:
    """Return the name of a signal, such as SIGKILL; empty for unnamed or unknown numbers."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return ""


def kill_group(leader: int) -> None:
    """SIGKILL the group of a process: the process, if alive, and its children."""
    with suppress(ProcessLookupError, PermissionError):  # none is left, or only another user's
        os.killpg(leader, signal.SIGKILL)


def await_exit(pid: int, timeout_s: float) -> bool:
    """Wait until a child process has ended, and reap it; False if it runs after the timeout."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:  # reaped, by the system where SIGCHLD is ignored
        return True
    try:
        if not readable([descriptor], timeout_s):
            return False
    finally:
        os.close(descriptor)
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)
    return True


def readable(descriptors: Sequence[int], timeout_s: float) -> list[int]:
    """Wait until a descriptor is readable or at its end; return all that are, or none in time."""
    if not hasattr(select, "poll"):  # eventlet removes it
        return list(select.select(descriptors, [], [], timeout_s)[0])
    poll = select.poll()  # takes descriptors above 1023, too
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return [descriptor for descriptor, _event in poll.poll(timeout_s * 1000)]


@contextmanager
def signals_blocked() -> Iterator[None]:
    """Block SIGINT, SIGTERM and SIGHUP for this thread. A forked child has to unblock them.

    Use it around the creation of a resource and its registration: an unregistered resource is never
    removed, and a wait for its end never returns.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
