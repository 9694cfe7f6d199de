"""Run a function in a separate process, with limits or rights that the test must not have."""

from __future__ import annotations

import os
import resource
import select
import signal
import traceback
import warnings
from collections.abc import Callable

import pytest

_BOUND_S = 60.0
_NOBODY = 65534


def in_fork(function: Callable[[], str]) -> str:
    """Return the function's result; an exception of the function fails the test."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads of other fixtures
        pid = os.fork()
    if pid == 0:
        _live(writer, function)
    os.close(writer)
    try:
        data = b""
        while select.select([reader], [], [], _BOUND_S)[0] and (some := os.read(reader, 1 << 16)):
            data += some
    finally:
        os.close(reader)
        os.kill(pid, signal.SIGKILL)  # a child that is not reaped keeps its pid
        os.waitpid(pid, 0)
    kind, _, text = data.decode("utf-8", "surrogateescape").partition(" ")
    if kind != "returned":
        pytest.fail(f"in the forked process: {text or f'no end within {_BOUND_S:g} s'}")
    return text


def leave_descriptors(spare: int) -> None:
    """Limit this process to `spare` descriptors more than are open; the limit stays.

    RLIMIT_NOFILE bounds the numbers of descriptors, not their count. Free numbers below the highest
    are filled first, so that the limit is the same after any other tests.
    """
    highest = max(int(number) for number in os.listdir("/proc/self/fd"))
    while (number := os.open(os.devnull, os.O_RDONLY)) <= highest:
        pass
    os.close(number)
    resource.setrlimit(resource.RLIMIT_NOFILE, (number + spare, number + spare))


def become_nobody() -> None:
    """Drop root's rights, if the process runs as root; the process cannot regain them."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)


def _live(writer: int, function: Callable[[], str]) -> None:
    try:
        text = "returned " + function()
    except BaseException:  # noqa: BLE001
        text = "raised " + traceback.format_exc()
    try:
        with open(writer, "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))
    finally:
        os._exit(0)
