"""The decisions after every event: which executor gets which group, and which is retired."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from glowpy.driver.scheduling.attempts import Attempt, Executor
from glowpy.driver.scheduling.board import Board
from glowpy.driver.scheduling.events import Action, Assign, Demand, Recall, Retire
from glowpy.driver.scheduling.losses import Losses

if TYPE_CHECKING:
    from glowpy.driver.scheduling.rivals import Rivals

Actions: TypeAlias = Iterator[Action]


class Dispatch:
    """Assigns groups to executors; the cost is proportional to the assignments.

    Args:
        rivals: finds slow groups; None: no speculative attempts.
        is_streaming: the plan has streaming groups.
    """

    def __init__(
        self, board: Board, losses: Losses, rivals: Rivals | None, *, is_streaming: bool
    ) -> None:
        self._board = board
        self._roster = board.roster
        self._losses = losses
        self._rivals = rivals
        self._is_streaming = is_streaming
        self._demand = 0
        self.share: int | None = None  # limit of held executors; None: no known limit

    def settle(self, now: float) -> Actions:
        """Assign groups to free executors, retire surplus executors, report a changed demand."""
        board = self._board
        if self.share is not None:
            yield from self._keep_to(self.share)
        if self._is_streaming:
            yield from self.assign_live(is_crowded=False)
        if board.market:
            yield from self._assign_ready()
        if self._roster.idle and not board.market:
            yield from self._rebalance()
            yield from self._assign_rivals(now)
            yield from self._assign_early()
            yield from self._retire_surplus()
        waiting = len(board.market) + len(board.queued) + len(board.recalled)
        demand = max(0, waiting - len(self._roster.idle))
        if self._is_streaming:
            demand += board.live.waiting_count()
        if demand != self._demand:
            self._demand = demand
            yield Demand(demand)

    def assign_live(self, *, is_crowded: bool) -> Actions:
        """Give each streaming group an executor without one; if `is_crowded`, any executor."""
        board = self._board
        while (group := board.live.next()) is not None:
            executor = board.live.choose(self._roster.idle, is_crowded=is_crowded)
            if executor is None:
                return
            yield self._assign(executor, group, is_streaming=True)

    def _assign_ready(self) -> Actions:
        """Assign one group to each idle executor, then one behind each busy executor."""
        board = self._board
        for supply in (self._roster.idle, self._roster.single):
            for group, executor in board.market.match(supply):
                yield self._assign(self._roster.executors[executor], group)

    def _rebalance(self) -> Actions:
        """Recall queued assignments while other executors are idle."""
        board = self._board
        wanted = len(self._roster.idle) - len(board.recalled)
        if board.queued and wanted > 0:
            yield from self._recall(list(islice(board.queued.values(), wanted)))

    def _recall(self, attempts: Iterable[Attempt]) -> Actions:
        for attempt in attempts:
            self._board.recall(attempt)
            yield Recall(attempt.executor, attempt.number)

    def _assign_early(self) -> Actions:
        """Assign groups with unfinished inputs to executors that are not needed otherwise."""
        board = self._board
        kept = len(board.recalled) + self._rivals_to_come()
        if len(self._roster.idle) <= kept:
            return
        for group, executor in board.early.offers().match(self._roster.idle):
            yield self._assign(self._roster.executors[executor], group)
            if len(self._roster.idle) <= kept:
                return

    def _rivals_to_come(self) -> int:
        """Return the number of executors reserved for groups that may turn out slow."""
        if self._rivals is None:
            return 0
        return sum(map(self._rivals.may_have, self._board.running()))

    def _assign_rivals(self, now: float) -> Actions:
        """Start speculative attempts of the slowest groups on executors not needed otherwise."""
        board = self._board
        if self._rivals is None or not self._roster.idle:
            return
        for attempt in self._rivals.slow(board.running(), now):
            if len(self._roster.idle) <= len(board.recalled):
                return
            names = list(self._roster.idle)
            elsewhere = (e for e in names if self._roster.executors[e].agent is not attempt.agent)
            executor = self._roster.executors[next(elsewhere, names[0])]
            rival = board.assign_rival(executor, attempt.group)
            self._rivals.begun(attempt.group)
            inputs = board.inputs.sources(attempt.group)
            yield Assign(executor.name, attempt.group, rival.number, inputs)

    def _assign(self, executor: Executor, group: int, *, is_streaming: bool = False) -> Assign:
        assign = self._board.assign_live if is_streaming else self._board.assign
        attempt = assign(executor, group)
        inputs = self._board.inputs.sources(group)
        is_last_try = self._losses.is_last_try(group)
        return Assign(executor.name, group, attempt.number, inputs, is_streaming, is_last_try)

    # --- executors to retire ---

    def _retire_surplus(self) -> Actions:
        """Retire executors beyond the number of remaining groups."""
        board = self._board
        needed = board.unassigned_count + len(board.recalled) + self._rivals_to_come()
        surplus = len(self._roster.idle) - needed
        if surplus > 0:
            unneeded = (
                name for name in reversed(self._roster.idle) if name not in board.live.hosts
            )
            for name in list(islice(unneeded, surplus)):
                board.leave(name)
                yield Retire(name)

    def _keep_to(self, share: int) -> Actions:
        """Dismiss executors above the share; each is retired once it is free.

        Idle executors go first, the most recent before others; busy ones after their running
        attempt.
        """
        board = self._board
        excess = len(self._roster.executors) - len(self._roster.leaving) - share
        if excess > 0:
            staying = (e for e in reversed(self._roster.executors.values()) if not e.is_leaving)
            freest = sorted(staying, key=lambda e: (len(e.live) > 0, len(e.held) > 0))
            for executor in freest[:excess]:
                self._roster.dismiss(executor)
                behind = (board.queued.get(attempt.number) for attempt in executor.held)
                yield from self._recall([attempt for attempt in behind if attempt])
        for executor in list(islice(self._roster.leaving.values(), max(0, -excess))):
            self._roster.keep(executor)
        while self._roster.dismissed:
            executor = self._roster.dismissed.pop()
            if executor.is_leaving and board.leave(executor.name) is executor:
                yield Retire(executor.name)
