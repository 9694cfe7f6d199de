"""The capacity of the whole cluster, regardless of its use."""

from __future__ import annotations

from bisect import bisect_left, insort

_SIZES = 1000  # cached sizes


class Capacity:
    """The sum of all agents' limits."""

    def __init__(self) -> None:
        self.executors = 0
        self._limits: dict[str, tuple[int, int]] = {}  # by agent: executors, memory in MB
        self._memories: list[tuple[int, str]] = []  # of agents with executors, sorted
        self._of_size: dict[int, int] = {}  # by memory of one executor: the number that fits in all

    @property
    def largest_memory_mb(self) -> int:
        """The largest possible memory of an executor, at any agent."""
        return self._memories[-1][0] if self._memories else 0

    def of(self, memory_mb: int) -> int:
        """Return the number of executors of this size in an idle cluster."""
        found = self._of_size.get(memory_mb)
        if found is None:
            if len(self._of_size) >= _SIZES:
                self._of_size.clear()
            limits = self._limits.values()
            found = self._of_size[memory_mb] = sum(
                min(executors, memory // memory_mb) if memory_mb else executors
                for executors, memory in limits
            )
        return found

    def set(self, agent: str, executors: int, memory_mb: int) -> None:
        """Set the limits of an agent."""
        if self._limits.get(agent) == (executors, memory_mb):
            return
        self.forget(agent)
        self._limits[agent] = executors, memory_mb
        self.executors += executors
        self._of_size.clear()
        if executors:
            insort(self._memories, (memory_mb, agent))

    def forget(self, agent: str) -> None:
        executors, memory_mb = self._limits.pop(agent, (0, 0))
        self.executors -= executors
        self._of_size.clear()
        if executors:
            del self._memories[bisect_left(self._memories, (memory_mb, agent))]

    def check_invariants(self) -> None:
        """For tests: check that every count agrees with the facts."""
        limits = self._limits.items()
        assert self.executors == sum(executors for _, (executors, _memory) in limits)
        assert self._memories == sorted((m, agent) for agent, (e, m) in limits if e)
