"""Finds deadlocked executors: they wait for a lock without a living owner.

Such a process has one thread besides glowpy's and no child processes, and this thread waits in a
futex of the process without a time limit: either a fork lacks the thread that held the lock, or a
function has taken a lock twice. Processes with other threads or children, which may release the
lock, are left alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from enum import Enum

from glowpy.installed import GLOWPY
from glowpy.record import NamedTuple
from glowpy.stacks import LIFELINE_THREAD, read_stack, request_stack

_FUTEX = {"x86_64": 202, "aarch64": 98, "riscv64": 98, "ppc64le": 221, "s390x": 238}
_WAIT, _WAIT_BITSET, _PRIVATE, _REALTIME = 0, 9, 128, 256
_OUR_FRAMES = tuple(f'  File "{place}' for place in (GLOWPY, "<glowpy "))
_OUR_THREADS = (LIFELINE_THREAD.encode(), b"ZMQbg/")


class Finding(Enum):
    """The result of a check of a process."""

    NOTHING = "nothing"
    ASK = "ask"  # the patience is over: request its stack
    STANDS_STILL = "stands still"


class Watch(NamedTuple):
    """A waiting process: the start of its wait, and the context switches of its main thread."""

    since: float
    switches: int
    is_asked: bool


def judge(
    watch: Watch | None, now: float, switches: int, patience_s: float
) -> tuple[Watch | None, Finding]:
    """Return the finding of a check, and the watch for the next check.

    Args:
        watch: of the last check.
        switches: context switches of the main thread so far; -1: no wait.
        patience_s: longest wait without being scheduled once.
    """
    if switches < 0:
        return None, Finding.NOTHING
    if watch is not None and watch.is_asked:  # the signal has only woken the process
        return watch, Finding.STANDS_STILL
    if watch is None or watch.switches != switches:
        watch = Watch(now, switches, False)
    if now - watch.since < patience_s:
        return watch, Finding.NOTHING
    return watch._replace(is_asked=True), Finding.ASK


class Standstills:
    """Finds stalled processes by repeated checks."""

    def __init__(self, patience_s: float, proc: str) -> None:
        self._patience_s = patience_s
        self._proc = proc
        self._watches: dict[int, Watch] = {}  # by process id

    def look(self, now: float, pids: Iterable[int]) -> Iterator[tuple[int, str]]:
        """Yield processes that wait for ever, each with the reason and the stack."""
        before, self._watches = self._watches, {}
        for pid in pids:
            switches = switches_of_waiting(pid, self._proc)
            watch, finding = judge(before.get(pid), now, switches, self._patience_s)
            if watch is not None:
                self._watches[pid] = watch
            if finding is Finding.ASK:
                request_stack(pid)  # read at the next check
            elif finding is Finding.STANDS_STILL:
                yield pid, self._reason(read_stack(pid))

    def _reason(self, stack: str) -> str:
        return (
            f"it has waited for {self._patience_s:g} s for a lock that nothing can release, having "
            "no other thread and no child process" + (f"\n{users_part(stack)}" if stack else "")
        )


def switches_of_waiting(pid: int, proc: str = "/proc") -> int:
    """Return the context switches of a process that can only wait; -1 for others and ended ones."""
    place = f"{proc}/{pid}"
    try:
        if not _waits_for_itself(_read(f"{place}/syscall").split()):
            return -1
        for task in os.listdir(f"{place}/task"):
            if _read(f"{place}/task/{task}/children").strip():
                return -1
            name = _read(f"{place}/task/{task}/comm")
            if task != str(pid) and not name.startswith(_OUR_THREADS):
                return -1
        lines = _read(f"{place}/status").splitlines()
    except OSError:  # or access is denied
        return -1
    return sum(int(line.split()[1]) for line in lines if b"voluntary_ctxt_switches:" in line)


def _waits_for_itself(call: list[bytes]) -> bool:
    """Return True if the system call waits for a lock of the process, without a time limit."""
    if len(call) < 5 or call[0] != b"%d" % _FUTEX.get(os.uname().machine, -1):
        return False
    operation, timeout = int(call[2], 16), int(call[4], 16)
    waits = (operation & ~_REALTIME) in (_WAIT | _PRIVATE, _WAIT_BITSET | _PRIVATE)
    return waits and timeout == 0


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def users_part(stack: str) -> str:
    """Return the frames of the user's code in a stack, innermost first; without any, the stack."""
    lines = stack.splitlines()
    ours = (number for number, line in enumerate(lines) if line.startswith(_OUR_FRAMES))
    return "\n".join(lines[: next(ours, 0)] or lines)
