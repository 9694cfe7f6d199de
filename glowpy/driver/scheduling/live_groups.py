"""The live task groups of a plan: which of them can run now, and which executors host them.

Nobody knows how long a live group runs: as long as a channel brings rows. So it takes no executor
away from others, but takes turns with them, and may begin as soon as what it reads is sealed, or is
live and has begun.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

from glowpy.driver.scheduling.attempts import Attempt, Executor, State
from glowpy.driver.scheduling.readiness import Readiness
from glowpy.planner.plan import Plan


class LiveGroups:
    """A part of the board, whose states of groups it reads."""

    def __init__(self, plan: Plan, states: Sequence[State]) -> None:
        self._groups = {
            group for each in plan.step_groups if each.is_streaming for group in each.groups
        }
        self._states = states
        # marks: sealed groups, and live ones that have begun
        self._fed = Readiness(plan) if self._groups else None
        self._waiting: list[int] = []  # heap; may hold groups that no longer wait
        self.hosts: dict[str, Executor] = {}  # executors with live attempts
        self.others: dict[str, Executor] = {}  # those without

    def __contains__(self, group: int) -> bool:
        return group in self._groups

    # --- groups ---

    def wait(self, groups: Iterable[int]) -> None:
        """Live groups among these may have become able to run."""
        for group in groups:
            if group in self._groups and self._can_run(group):
                heapq.heappush(self._waiting, group)

    def mark(self, group: int) -> None:
        """A group is sealed, or is live and has begun."""
        if self._fed is not None:
            self.wait(self._fed.mark(group))

    def unmark(self, group: int) -> None:
        """A group has no attempt any more."""
        if self._fed is not None:
            self._fed.unmark(group)

    def next(self) -> int | None:
        """The lowest group that only wants an executor."""
        while self._waiting and not self._can_run(self._waiting[0]):
            heapq.heappop(self._waiting)
        return self._waiting[0] if self._waiting else None

    def waiting_count(self) -> int:
        """Groups that only want an executor."""
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
        """An executor for a group: one that hosts none, idle or not; if it `is_crowded`, any."""
        for name in idle:
            if name in self.others:
                return self.others[name]
        for executor in self.others.values():
            if not executor.is_leaving:
                return executor
        if not is_crowded:
            return None
        staying = (each for each in self.hosts.values() if not each.is_leaving)
        return min(staying, key=lambda executor: len(executor.live), default=None)

    def host(self, executor: Executor, attempt: Attempt) -> None:
        """An attempt takes its turns there."""
        executor.live.append(attempt)
        self.hosts[executor.name] = executor
        self.others.pop(executor.name, None)

    def free(self, executor: Executor, attempt: Attempt) -> None:
        """It does not any more."""
        executor.live.remove(attempt)
        if not executor.live:
            del self.hosts[executor.name]
            self.others[executor.name] = executor

    def check_invariants(self, executors: dict[str, Executor]) -> None:
        """For tests. Raises: AssertionError."""
        assert self.hosts == {name: each for name, each in executors.items() if each.live}
        assert self.others == {name: each for name, each in executors.items() if not each.live}
        for group in self._groups:
            assert group in self._waiting or not self._can_run(group), f"group {group} is forgotten"
