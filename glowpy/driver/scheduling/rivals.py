"""Speculation (`-glow.speculate`): which running groups are slow enough for a second attempt.

A rival is a second attempt of a group, at work beside the current one. The first of the two that
is whole counts, the other is fenced. Until then nobody reads what a rival has written: readers are
bound to the current attempt. If that is lost, its rival takes its place.
"""

from __future__ import annotations

from collections.abc import Iterable

from glowpy.driver.scheduling.attempts import Attempt
from glowpy.planner.plan import Plan

_SLOW = 2.0  # times the mean of those tasks of its step that are whole
_MOST_RIVALS = 3  # of one group, one after another: it may be what kills its executors


class Rivals:
    """What is known of how long groups take. Pure: it is told the time."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._sealed_counts = [0] * len(plan.step_groups)
        self._sealed_s = [0.0] * len(plan.step_groups)  # that they took, together
        self._begun: dict[int, int] = {}  # rivals, by group

    def sealed(self, attempt: Attempt, now: float) -> None:
        """An attempt is whole."""
        if attempt.started_at is not None:
            step_group = self._plan.task_group(attempt.group).step_group.number
            self._sealed_counts[step_group] += 1
            self._sealed_s[step_group] += now - attempt.started_at

    def begun(self, group: int) -> None:
        """A rival of this group has been assigned."""
        self._begun[group] = self._begun.get(group, 0) + 1

    def may_have(self, attempt: Attempt) -> bool:
        """A rival could be of use to this attempt, once it turns out to be slow."""
        step_group = self._plan.task_group(attempt.group).step_group
        return (
            attempt.is_started
            and not attempt.is_streaming
            and not attempt.is_early  # it waits, perhaps, for others
            and step_group.task_count > 1
            and self._begun.get(attempt.group, 0) < _MOST_RIVALS
        )

    def slow(self, attempts: Iterable[Attempt], now: float) -> list[Attempt]:
        """Those that take much longer than their siblings did, the slowest first."""
        found = [(self._slowness(each, now), each) for each in attempts if self.may_have(each)]
        found = [pair for pair in found if pair[0] >= _SLOW]
        found.sort(key=lambda pair: (-pair[0], pair[1].number))
        return [attempt for _slowness, attempt in found]

    def _slowness(self, attempt: Attempt, now: float) -> float:
        """How many times as long it has taken as its siblings, on average."""
        step_group = self._plan.task_group(attempt.group).step_group.number
        count = self._sealed_counts[step_group]
        if not count or attempt.started_at is None:
            return 0.0
        mean_s = self._sealed_s[step_group] / count
        return (now - attempt.started_at) / max(mean_s, 1e-3)
