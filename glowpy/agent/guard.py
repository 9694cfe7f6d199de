"""The guard over executors: kills an executor that grows without bound, or stalls.

A process stopped by SIGSTOP sends nothing and never ends by itself; its group is run again
elsewhere. The same holds for a process whose only thread waits for its own lock.

The memory requested for a task (`-glow.task.memoryMB`) is a budget of glowpy's own buffers; memory
of the user's code comes on top. The hard limit is well above both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from glowpy.record import NamedTuple
from glowpy.timing import Timing

if TYPE_CHECKING:
    from glowpy.agent.standstill import Standstills

_FACTOR = 4
_LEAST_MB = 512


def hard_limit_mb(memory_mb: int) -> int:
    """Return the most memory of an executor, given its request."""
    return max(_FACTOR * memory_mb, _LEAST_MB)


class ExecutorToKill(NamedTuple):
    """An executor to be killed, and the reason."""

    executor: str
    reason: str
    stands_still: bool = False  # waits for a lock that nothing can release


class Guard:
    """Checks processes at intervals, and names those to be killed."""

    def __init__(self, timing: Timing, proc: str = "/proc") -> None:
        self._timing = timing
        self._proc = proc
        self._next_look = 0.0
        self._stopped: dict[int, float] = {}  # start of the stop, by process id
        self._standstills: Standstills | None = None

    def executors_to_kill(
        self, now: float, processes: Iterable[tuple[str, int, int]]
    ) -> Iterator[ExecutorToKill]:
        """Yield executors to be killed, and why.

        Args:
            processes: an executor, its process id, and its requested memory in MB.
        """
        if now < self._next_look:
            return
        if self._next_look:  # most runs end before a second check
            processes = list(processes)
            yield from self._standing_still(now, processes)
        self._next_look = now + self._timing.beat_s
        before, self._stopped = self._stopped, {}
        for executor, pid, memory_mb in processes:
            if is_stopped(pid, self._proc):
                since = self._stopped[pid] = before.get(pid, now)
                if now - since >= self._timing.peer_lost_s:
                    text = f"somebody stopped it (SIGSTOP), {self._timing.peer_lost_s:g} s ago"
                    yield ExecutorToKill(executor, text)
            limit_mb = hard_limit_mb(memory_mb)
            taken_mb = private_mb(pid, limit_mb, self._proc)
            if taken_mb > limit_mb:
                yield ExecutorToKill(
                    executor,
                    f"it took {taken_mb} MB of memory, more than its hard limit of {limit_mb} MB; "
                    f"the limit is {_FACTOR} times -glow.task.memoryMB ({memory_mb}), "
                    f"at least {_LEAST_MB} MB",
                )

    def _standing_still(
        self, now: float, processes: list[tuple[str, int, int]]
    ) -> Iterator[ExecutorToKill]:
        if self._standstills is None:
            from glowpy.agent.standstill import Standstills

            self._standstills = Standstills(self._timing.standstill_s, self._proc)
        names = {pid: executor for executor, pid, _memory_mb in processes}
        for pid, reason in self._standstills.look(now, names):
            yield ExecutorToKill(names[pid], reason, stands_still=True)


def is_stopped(pid: int, proc: str = "/proc") -> bool:
    """Return True while a process is suspended by a signal, except by a debugger."""
    try:
        with open(f"{proc}/{pid}/status", "rb") as file:
            return any(line.startswith(b"State:\tT ") for line in file)
    # the process has ended; or no file can be opened now, and the next check decides
    except OSError:
        return False


def private_mb(pid: int, above_mb: int = 0, proc: str = "/proc") -> int:
    """Return a process's private memory in MB, which its end would free.

    An exact count takes time, so memory below `above_mb` is only estimated. A process that cannot
    be read, for instance because it has ended, counts as 0.
    """
    try:
        with open(f"{proc}/{pid}/status", "rb") as file:
            rough_mb = _sum_kb(file, b"RssAnon:") >> 10
        if rough_mb <= above_mb:
            return rough_mb
        with open(f"{proc}/{pid}/smaps_rollup", "rb") as file:
            return _sum_kb(file, b"Private_Clean:", b"Private_Dirty:") >> 10
    except OSError:
        return 0


def _sum_kb(lines: Iterable[bytes], *names: bytes) -> int:
    return sum(int(line.split()[1]) for line in lines if line.startswith(names))
