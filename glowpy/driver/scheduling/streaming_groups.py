"""The streaming task groups of a plan: those that can run now, and the executors that host them.

A streaming group runs as long as its channel is open. It therefore shares its executor with other
groups, in turns, and may start as soon as each input is sealed, or is a streaming group that has
started.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

from glowpy.driver.scheduling.attempts import Attempt, Executor, State
from glowpy.driver.scheduling.dependencies import DependencyTracker
from glowpy.planner.plan import Plan


class StreamingGroups:
    """The streaming groups of a run; reads the states of groups."""

    def __init__(self, plan: Plan, states: Sequence[State]) -> None:
        self._groups = {
            group for each in plan.step_groups if each.is_streaming for group in each.groups
        }
        self._states = states
        # marks: sealed groups, and streaming groups that have started
        self._fed = DependencyTracker(plan) if self._groups else None
        self._waiting: list[int] = []  # heap; may contain groups that no longer wait
        self.hosts: dict[str, Executor] = {}  # executors with streaming attempts
        self.others: dict[str, Executor] = {}  # executors without

    def __contains__(self, group: int) -> bool:
        return group in self._groups

    # --- groups ---

    def wait(self, groups: Iterable[int]) -> None:
        """Queue the streaming groups among these that can run."""
        for group in groups:
            if group in self._groups and self._can_run(group):
                heapq.heappush(self._waiting, group)

    def mark(self, group: int) -> None:
        """Mark a group as sealed, or a streaming group as started."""
        if self._fed is not None:
            self.wait(self._fed.mark(group))

    def unmark(self, group: int) -> None:
        """Remove the mark of a group that lost its attempt."""
        if self._fed is not None:
            self._fed.unmark(group)

    def next(self) -> int | None:
        """Return the lowest group that lacks only an executor, or None."""
        while self._waiting and not self._can_run(self._waiting[0]):
            heapq.heappop(self._waiting)
        return self._waiting[0] if self._waiting else None

    def waiting_count(self) -> int:
        """Return the number of groups that lack only an executor."""
        return len({group for group in self._waiting if self._can_run(group)})

    def _can_run(self, group: int) -> bool:
        assert self._fed is not None
        return self._states[group] is State.WAITING and self._fed.is_satisfied(group)

    # --- executors ---

    def join(self, executor: Executor) -> None:
        self.others[executor.name] = executor

    def leave(self, name: str) -> None:
        self.hosts.pop(name, None)
        self.others.pop(name, None)

    def choose(self, idle: Iterable[str], *, is_crowded: bool) -> Executor | None:
        """Return an executor without a streaming group, idle or not; any if `is_crowded`."""
        for name in idle:
            if name in self.others:
                return self.others[name]
        for executor in self.others.values():
            if not executor.is_leaving:
                return executor
        if not is_crowded:
            return None
        staying = (each for each in self.hosts.values() if not each.is_leaving)
        return min(staying, key=lambda executor: len(executor.streaming), default=None)

    def host(self, executor: Executor, attempt: Attempt) -> None:
        """Add a streaming attempt to an executor."""
        executor.streaming.append(attempt)
        self.hosts[executor.name] = executor
        self.others.pop(executor.name, None)

    def free(self, executor: Executor, attempt: Attempt) -> None:
        """Remove a streaming attempt from its executor."""
        executor.streaming.remove(attempt)
        if not executor.streaming:
            del self.hosts[executor.name]
            self.others[executor.name] = executor

    def check_invariants(self, executors: dict[str, Executor]) -> None:
        """For tests. Raises: AssertionError."""
        assert self.hosts == {name: each for name, each in executors.items() if each.streaming}
        assert self.others == {name: each for name, each in executors.items() if not each.streaming}
        for group in self._groups:
            assert group in self._waiting or not self._can_run(group), f"group {group} is forgotten"
