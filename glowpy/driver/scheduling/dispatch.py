"""The decisions after every event: which executor gets which group, and which is retired."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from glowpy.driver.scheduling.attempts import Attempt, Executor
from glowpy.driver.scheduling.events import Action, Assign, Demand, Recall, Retire
from glowpy.driver.scheduling.retry_budget import RetryBudget
from glowpy.driver.scheduling.run_state import RunState

if TYPE_CHECKING:
    from glowpy.driver.scheduling.speculation import Speculation

Actions: TypeAlias = Iterator[Action]


class Dispatch:
    """Assigns groups to executors; the cost is proportional to the assignments.

    Args:
        speculation: finds slow groups; None: no speculative attempts.
        is_streaming: the plan has streaming groups.
    """

    def __init__(
        self,
        state: RunState,
        budget: RetryBudget,
        speculation: Speculation | None,
        *,
        is_streaming: bool,
    ) -> None:
        self._state = state
        self._table = state.table
        self._budget = budget
        self._speculation = speculation
        self._is_streaming = is_streaming
        self._demand = 0
        self.share: int | None = None  # limit of held executors; None: no known limit

    def assign_work(self, now: float) -> Actions:
        """Assign groups to free executors, retire surplus executors, report a changed demand."""
        state = self._state
        if self.share is not None:
            yield from self._give_back_above(self.share)
        if self._is_streaming:
            yield from self.assign_streaming(is_crowded=False)
        if state.market:
            yield from self._assign_ready()
        if self._table.idle and not state.market:
            yield from self._rebalance()
            yield from self._assign_speculative(now)
            yield from self._assign_pipelined()
            yield from self._retire_surplus()
        waiting = len(state.market) + len(state.queued) + len(state.recalled)
        demand = max(0, waiting - len(self._table.idle))
        if self._is_streaming:
            demand += state.streaming.waiting_count()
        if demand != self._demand:
            self._demand = demand
            yield Demand(demand)

    def assign_streaming(self, *, is_crowded: bool) -> Actions:
        """Give each streaming group an executor without one; if `is_crowded`, any executor."""
        state = self._state
        while (group := state.streaming.next()) is not None:
            executor = state.streaming.choose(self._table.idle, is_crowded=is_crowded)
            if executor is None:
                return
            yield self._assign(executor, group, is_streaming=True)

    def _assign_ready(self) -> Actions:
        """Assign one group to each idle executor, then one behind each busy executor."""
        state = self._state
        for free in (self._table.idle, self._table.single):
            for group, executor in state.market.match(free):
                yield self._assign(self._table.executors[executor], group)

    def _rebalance(self) -> Actions:
        """Recall queued assignments while other executors are idle."""
        state = self._state
        wanted = len(self._table.idle) - len(state.recalled)
        if state.queued and wanted > 0:
            yield from self._recall(list(islice(state.queued.values(), wanted)))

    def _recall(self, attempts: Iterable[Attempt]) -> Actions:
        for attempt in attempts:
            self._state.recall(attempt)
            yield Recall(attempt.executor, attempt.number)

    def _assign_pipelined(self) -> Actions:
        """Assign groups with unfinished inputs to executors that are not needed otherwise."""
        state = self._state
        kept = len(state.recalled) + self._speculative_to_come()
        if len(self._table.idle) <= kept:
            return
        for group, executor in state.pipelined.offers().match(self._table.idle):
            yield self._assign(self._table.executors[executor], group)
            if len(self._table.idle) <= kept:
                return

    def _speculative_to_come(self) -> int:
        """Return the number of executors reserved for groups that may turn out slow."""
        if self._speculation is None:
            return 0
        return sum(map(self._speculation.may_have, self._state.running()))

    def _assign_speculative(self, now: float) -> Actions:
        """Start speculative attempts of the slowest groups on executors not needed otherwise."""
        state = self._state
        if self._speculation is None or not self._table.idle:
            return
        for attempt in self._speculation.slow(state.running(), now):
            if len(self._table.idle) <= len(state.recalled):
                return
            names = list(self._table.idle)
            elsewhere = (e for e in names if self._table.executors[e].agent is not attempt.agent)
            executor = self._table.executors[next(elsewhere, names[0])]
            second = state.assign_speculative(executor, attempt.group)
            self._speculation.begun(attempt.group)
            inputs = state.inputs.sources(attempt.group)
            yield Assign(
                executor=executor.name, group=attempt.group, attempt=second.number, inputs=inputs
            )

    def _assign(self, executor: Executor, group: int, *, is_streaming: bool = False) -> Assign:
        assign = self._state.assign_streaming if is_streaming else self._state.assign
        attempt = assign(executor, group)
        inputs = self._state.inputs.sources(group)
        is_last_attempt = self._budget.is_last_attempt(group)
        return Assign(
            executor=executor.name,
            group=group,
            attempt=attempt.number,
            inputs=inputs,
            is_streaming=is_streaming,
            is_last_attempt=is_last_attempt,
        )

    # --- executors to retire ---

    def _retire_surplus(self) -> Actions:
        """Retire executors beyond the number of remaining groups."""
        state = self._state
        needed = state.unassigned_count + len(state.recalled) + self._speculative_to_come()
        surplus = len(self._table.idle) - needed
        if surplus > 0:
            unneeded = (
                name for name in reversed(self._table.idle) if name not in state.streaming.hosts
            )
            for name in list(islice(unneeded, surplus)):
                state.leave(name)
                yield Retire(name)

    def _give_back_above(self, share: int) -> Actions:
        """Dismiss executors above the share; each is retired once it is free.

        Idle executors go first, the most recent before others; busy ones after their running
        attempt.
        """
        state = self._state
        excess = len(self._table.executors) - len(self._table.leaving) - share
        if excess > 0:
            staying = (e for e in reversed(self._table.executors.values()) if not e.is_leaving)
            freest = sorted(staying, key=lambda e: (len(e.streaming) > 0, len(e.held) > 0))
            for executor in freest[:excess]:
                self._table.dismiss(executor)
                behind = (state.queued.get(attempt.number) for attempt in executor.held)
                yield from self._recall([attempt for attempt in behind if attempt])
        for executor in list(islice(self._table.leaving.values(), max(0, -excess))):
            self._table.keep(executor)
        while self._table.dismissed:
            executor = self._table.dismissed.pop()
            if executor.is_leaving and state.leave(executor.name) is executor:
                yield Retire(executor.name)
