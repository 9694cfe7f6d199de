"""Task groups that may start early: each input is sealed or being written.

Early groups are offered to executors that are not needed otherwise. `dispatch` chooses; this module
knows the candidates.
"""

from __future__ import annotations

from collections.abc import Sequence

from glowpy.driver.scheduling.attempts import Attempt, State
from glowpy.driver.scheduling.dependencies import DependencyTracker
from glowpy.driver.scheduling.inputs import Inputs
from glowpy.driver.scheduling.market import Market
from glowpy.driver.scheduling.streaming_groups import StreamingGroups
from glowpy.planner.plan import Plan


class PipelinedGroups:
    """The candidates for an early start; reads the states of groups."""

    def __init__(
        self,
        plan: Plan,
        states: Sequence[State],
        streaming: StreamingGroups,
        inputs: Inputs,
        bid: float,
    ) -> None:
        self._states = states
        self._streaming = streaming
        self._inputs = inputs
        # marks: sealed groups, and running groups other than streaming ones
        self._begun = DependencyTracker(plan)
        self.market = Market(bid)  # the offered groups
        self.attempts: dict[int, Attempt] = {}  # current early attempts, by number
        self._not_offered: list[int] = []  # not offered yet; may contain groups that no longer wait

    def wait(self, group: int) -> None:
        """Consider a waiting group for an early start."""
        if self._can_start(group):
            self._not_offered.append(group)

    def offers(self) -> Market:
        """Return all groups that can start early."""
        while self._not_offered:
            group = self._not_offered.pop()
            if self._can_start(group) and group not in self.market:
                self.market.demand(group, self._inputs.origin(group))
        return self.market

    def withdraw(self, group: int) -> None:
        """Remove a group from the candidates."""
        if group in self.market:
            self.market.withdraw(group)

    def mark(self, group: int) -> None:
        """Mark a group as started or sealed; streaming groups count only when sealed."""
        for consumer in self._begun.mark(group):
            self.wait(consumer)

    def unmark(self, group: int) -> None:
        """Remove the mark of a group that lost its attempt."""
        for consumer in self._begun.unmark(group):
            self.withdraw(consumer)

    def _can_start(self, group: int) -> bool:
        is_waiting = self._states[group] is State.WAITING and group not in self._streaming
        return is_waiting and self._begun.is_satisfied(group)

    def check_invariants(self, current: Sequence[Attempt]) -> None:
        """For tests. Raises: AssertionError."""
        for group in range(len(self._states)):
            if self._can_start(group):
                assert group in self.market or group in self._not_offered, f"{group} is forgotten"
            else:
                assert group not in self.market, f"group {group} cannot start early"
        assert set(self.attempts) == {each.number for each in current if each.is_pipelined}
