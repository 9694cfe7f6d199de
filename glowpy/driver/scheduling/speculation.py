"""Speculation (`-glow.speculate`): second attempts of running groups that are slow.

A speculative attempt runs beside the current attempt of its group. The first of the two to complete
counts, the other is fenced. Until then the output of the speculative attempt is not read: readers
are bound to the current attempt. If the current attempt is lost, the speculative attempt replaces
it.
"""

from __future__ import annotations

from collections.abc import Iterable

from glowpy.driver.scheduling.attempts import Attempt
from glowpy.planner.plan import Plan

_SLOW = 2.0  # relative to the mean duration of the step's complete tasks
_MOST_ATTEMPTS = 3  # per group, one after another: the group itself may kill its executors


class Speculation:
    """Durations of groups. Pure: callers pass the time."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._sealed_counts = [0] * len(plan.step_groups)
        self._sealed_s = [0.0] * len(plan.step_groups)  # sum of the durations
        self._begun: dict[int, int] = {}  # speculative attempts, by group

    def sealed(self, attempt: Attempt, now: float) -> None:
        """Record the duration of a complete attempt."""
        if attempt.started_at is not None:
            step_group = self._plan.task_group(attempt.group).step_group.number
            self._sealed_counts[step_group] += 1
            self._sealed_s[step_group] += now - attempt.started_at

    def begun(self, group: int) -> None:
        """Count a speculative attempt of this group."""
        self._begun[group] = self._begun.get(group, 0) + 1

    def may_have(self, attempt: Attempt) -> bool:
        """Return True if a speculative attempt could help, should this attempt turn out slow."""
        step_group = self._plan.task_group(attempt.group).step_group
        return (
            attempt.is_started
            and not attempt.is_streaming
            and not attempt.is_pipelined  # may be waiting for other groups
            and step_group.task_count > 1
            and self._begun.get(attempt.group, 0) < _MOST_ATTEMPTS
        )

    def slow(self, attempts: Iterable[Attempt], now: float) -> list[Attempt]:
        """Return the attempts that run much longer than their siblings, the slowest first."""
        found = [(self._slowness(each, now), each) for each in attempts if self.may_have(each)]
        found = [pair for pair in found if pair[0] >= _SLOW]
        found.sort(key=lambda pair: (-pair[0], pair[1].number))
        return [attempt for _slowness, attempt in found]

    def _slowness(self, attempt: Attempt, now: float) -> float:
        """Return the running time relative to the siblings' mean."""
        step_group = self._plan.task_group(attempt.group).step_group.number
        count = self._sealed_counts[step_group]
        if not count or attempt.started_at is None:
            return 0.0
        mean_s = self._sealed_s[step_group] / count
        return (now - attempt.started_at) / max(mean_s, 1e-3)
