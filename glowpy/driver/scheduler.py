"""The scheduler: decides which task group runs when and where, and what is lost with whom.

A pure machine: an event goes in, actions come out. Lost is not failed: an executor or agent that
dies is worked around within bounds, an exception in the user's code ends the run at once.

Every try of a group is an attempt with a number of its own. An attempt is bound to exactly one
attempt of each group that it reads from; what a fenced attempt still reports only frees its
executor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeAlias

from glowpy.driver.attempts import Attempt, Executor, State
from glowpy.driver.board import Board
from glowpy.driver.scheduling import (
    Abort,
    Action,
    AgentLost,
    Assign,
    Demand,
    Event,
    ExecutorJoined,
    ExecutorLeft,
    Failed,
    Finished,
    FleetSettled,
    GroupAborted,
    GroupCollected,
    GroupDone,
    GroupFailed,
    GroupSealed,
    GroupStarted,
    GroupUndone,
    InputLost,
    Recall,
    Recalled,
    Retire,
    ShardLost,
    ShareChanged,
)
from glowpy.errors import ExecutorsDied, ShardError
from glowpy.planner.plan import Plan

Actions: TypeAlias = Iterator[Action]


class Scheduler:
    """Schedules one run of a plan.

    Args:
        lost_attempts: tries of a group that may each cost an executor its life.
        store_owner: address of the driver's own shard store, for the rows of slices. There the
            attempt number of a dataset is the dataset's number.
        bid: of the flow in the market; each group bids an equal part of it.
    """

    def __init__(
        self, plan: Plan, *, lost_attempts: int, store_owner: str, bid: float = 100.0
    ) -> None:
        self._plan = plan
        self._lost_attempts = lost_attempts
        self._board = Board(plan, bid=bid, store_owner=store_owner)
        self._deaths: dict[int, list[str]] = {}  # causes, by group
        self._startup_deaths: list[str] = []
        self._input_losses: dict[int, int] = {}
        self._shard_losses: dict[int, int] = {}
        self._collected: set[int] = set()  # groups whose rows the driver has got, all that it wants
        self._demand = 0
        self._share: int | None = None  # executors that may be held; None: no limit is known
        self._is_over = False

    def start(self) -> list[Action]:
        """What to do first."""
        for group in self._board.sealed.satisfied():
            self._board.make_ready(group)
        return list(self._settle())

    def handle(self, event: Event, now: float) -> list[Action]:
        """What to do about an event; `now` is monotonic."""
        return [*self._react(event, now), *self._settle()]

    def check_invariants(self) -> None:
        """For tests. Raises: AssertionError."""
        self._board.check_invariants()

    def _react(self, event: Event, now: float) -> Actions:
        board = self._board
        if isinstance(event, ExecutorJoined):
            board.join(event.executor, event.agent, event.place, event.cpu_level)
        elif isinstance(event, ExecutorLeft):
            yield from self._executor_left(event.executor, event.cause, event.last_row)
        elif isinstance(event, AgentLost):
            yield from self._agent_lost(event.agent, event.cause)
        elif isinstance(event, GroupStarted):
            self._startup_deaths.clear()
            attempt = board.attempt(event.attempt)
            if attempt is not None:
                board.begin(attempt, now)
        elif isinstance(event, GroupSealed):
            attempt = board.free(event.attempt)
            if attempt is not None:
                board.seal(attempt)
                yield GroupDone(attempt.group, attempt.number, attempt.agent.name)
        elif isinstance(event, GroupFailed):
            attempt = board.free(event.attempt)
            if attempt is not None:
                board.take_back(attempt)
                yield from self._fail(event.error)
        elif isinstance(event, InputLost):
            yield from self._input_lost(event)
        elif isinstance(event, (GroupAborted, Recalled)):
            attempt = board.free(event.attempt)
            if attempt is not None:
                board.take_back(attempt)
        elif isinstance(event, ShareChanged):
            self._share = event.executor_count
        elif isinstance(event, ShardLost):
            yield from self._shard_lost(event.attempt, event.reason)
        elif isinstance(event, FleetSettled):
            yield from self._assign_live(is_crowded=True)
        elif isinstance(event, GroupCollected):
            self._collected.add(event.group)

    # --- losses ---

    def _input_lost(self, event: InputLost) -> Actions:
        attempt = self._board.free(event.attempt)
        if attempt is not None:
            losses = self._input_losses.get(attempt.group, 0) + 1
            self._input_losses[attempt.group] = losses
            self._board.take_back(attempt)
            if losses > 3 * self._lost_attempts:
                label = self._plan.label(attempt.group)
                text = f"{label} lost an input {losses} times, at last: {event.reason}"
                yield from self._fail(ShardError(text))
        yield from self._shard_lost(event.lost_attempt, event.reason)

    def _shard_lost(self, number: int, reason: str) -> Actions:
        """Shards of a sealed attempt cannot be read: its group runs again, within bounds."""
        group = self._board.group_of.get(number)
        if group is None:
            return
        losses = self._shard_losses[group] = self._shard_losses.get(group, 0) + 1
        if losses > 3 * self._lost_attempts:
            label = self._plan.label(group)
            text = f"what {label} writes could not be read {losses} times, at last: {reason}"
            yield from self._fail(ShardError(text))
        yield from self._unseal(group)

    def _executor_left(self, name: str, cause: str, last_row: str) -> Actions:
        executor = self._board.leave(name)
        if executor is None:
            return
        if not any(attempt.is_started for attempt in executor.attempts):
            self._startup_deaths.append(cause)
            if len(self._startup_deaths) >= self._lost_attempts:
                text = (
                    f"{len(self._startup_deaths)} executors died before they ran anything: "
                    + _counted(self._startup_deaths)
                )
                yield from self._fail(ExecutorsDied(text))
        for attempt in self._free_all(executor):
            if attempt.is_started:
                causes_of = self._deaths.setdefault(attempt.group, [])
                causes_of.append(f"{cause}{_where(executor.agent.name)}")
                if len(causes_of) >= self._lost_attempts:
                    text = (
                        f"{self._plan.label(attempt.group)} killed its executor at each of "
                        f"{len(causes_of)} tries: {_counted(causes_of)}"
                    )
                    if last_row:
                        text += f"\nthe last row that it took: {last_row}"
                    yield from self._fail(ExecutorsDied(text))
            yield from self._abort_readers({attempt.group}, f"its input was lost: {cause}")

    def _agent_lost(self, agent: str, cause: str) -> Actions:
        board = self._board
        for executor in [each for each in board.executors.values() if each.agent.name == agent]:
            board.leave(executor.name)
            for attempt in self._free_all(executor):
                yield from self._abort_readers({attempt.group}, cause)
        for group, attempt in board.current.items():
            if attempt.agent.name == agent and board.states[group] is State.SEALED:
                attempt.is_lost = True
        # Consumers have higher numbers than what they read: who is needed is known from the end.
        for group in sorted(board.current, reverse=True):
            if board.states[group] is not State.SEALED or board.current[group].agent.name != agent:
                continue  # or undone meanwhile, as an ancestor
            if self._is_needed(group):
                yield from self._unseal(group)

    def _free_all(self, executor: Executor) -> list[Attempt]:
        """Take everything from an executor that is gone; the attempts that counted."""
        freed = [self._board.free(attempt.number) for attempt in executor.attempts]
        counted = [attempt for attempt in freed if attempt is not None]
        for attempt in counted:
            self._board.take_back(attempt)
        return counted

    def _is_needed(self, group: int) -> bool:
        """Somebody has still to read what this sealed group has written."""
        step_group = self._plan.step_group_of(group)
        is_target = step_group.is_stored and step_group.output in self._plan.targets
        is_wanted = is_target or step_group.output in self._plan.outputs
        if is_wanted and group not in self._collected:
            return True
        return any(
            self._board.states[consumer] is not State.SEALED
            for consumer in self._board.sealed.consumers(group)
        )

    def _unseal(self, group: int) -> Actions:
        """A sealed group's shards are gone: it runs again, and so do its lost ancestors."""
        board = self._board
        pending = [group]
        undone = set()
        while pending:
            lost = pending.pop()
            if board.states[lost] is not State.SEALED:
                continue
            if error := self._unsteadiness(lost):
                yield from self._fail(error)
                return
            undone.add(lost)
            board.unseal(lost)
            self._is_over = False
            yield GroupUndone(lost)
            for edge in self._plan.reads(lost):
                for shard in edge:
                    source = board.current.get(shard.group)
                    if source is not None and source.is_lost:
                        pending.append(shard.group)
        for lost in undone:
            board.make_waiting(lost)
        yield from self._abort_readers(undone, "an input of it was lost")

    def _unsteadiness(self, group: int) -> ShardError | None:
        """Why a group cannot be done again: readers that are done may have read other rows."""
        if not self._plan.has_live_groups or not self._plan.is_unsteady(group):
            return None
        for reader in self._board.sealed.consumers(group):
            if self._board.states[reader] is State.SEALED:
                return ShardError(
                    f"{self._plan.label(group)} took rows of a channel as they came, and is lost: "
                    f"done again, it could give others than {self._plan.label(reader)} has read"
                )
        return None

    def _abort_readers(self, groups: set[int], reason: str) -> Actions:
        """Fence every attempt that is bound to what these groups have written, and their readers.

        So whoever waits for a lost group gives its executor back: those that compute it again
        always find one, and no consumer ever has to be preempted for them.
        """
        while groups:
            readers = list(self._board.bound_to(groups))
            for attempt in readers:
                yield Abort(attempt.executor, attempt.number, reason)
                self._board.take_back(attempt)
            groups = {attempt.group for attempt in readers}

    # --- dispatch ---

    def _settle(self) -> Actions:
        """Give work to whoever can take it; say what is wanted."""
        if self._is_over:
            return
        board = self._board
        if board.unsealed_count == 0:
            self._is_over = True
            yield Finished()
            return
        yield from self._keep_to_share()
        yield from self._assign_live(is_crowded=False)
        yield from self._assign_ready()
        if board.idle and not board.market:
            yield from self._rebalance()
            yield from self._assign_early()
            yield from self._retire_surplus()
        waiting = len(board.market) + len(board.queued) + len(board.recalled)
        demand = max(0, waiting - len(board.idle)) + board.live.waiting_count()
        if demand != self._demand:
            self._demand = demand
            yield Demand(demand)

    @property
    def wants_hosts(self) -> bool:
        """Live groups wait for executors of their own; `FleetSettled` has them share."""
        return not self._is_over and self._board.live.next() is not None

    def _assign_live(self, *, is_crowded: bool) -> Actions:
        """Give each live group an executor that has none yet; if it `is_crowded`, any."""
        board = self._board
        while (group := board.live.next()) is not None:
            executor = board.live.choose(board.idle, is_crowded=is_crowded)
            if executor is None:
                return
            yield self._assign(executor, group, is_live=True)

    def _assign_ready(self) -> Actions:
        """One group for each executor that idles, then one behind each that is at work."""
        board = self._board
        for supply in (board.idle, board.single):
            for group, executor in board.market.match(supply):
                yield self._assign(board.executors[executor], group)

    def _rebalance(self) -> Actions:
        """Somebody idles while an assignment waits behind another: ask for it back."""
        board = self._board
        wanted = len(board.idle) - len(board.recalled)
        if board.queued and wanted > 0:
            yield from self._recall(list(islice(board.queued.values(), wanted)))

    def _recall(self, attempts: Iterable[Attempt]) -> Actions:
        for attempt in attempts:
            self._board.recall(attempt)
            yield Recall(attempt.executor, attempt.number)

    def _assign_early(self) -> Actions:
        """Groups whose inputs are being computed, for executors that nobody else needs."""
        board = self._board
        if len(board.idle) <= len(board.recalled):
            return
        for group, executor in board.offer_early().match(board.idle):
            yield self._assign(board.executors[executor], group)
            if len(board.idle) <= len(board.recalled):
                return

    def _assign(self, executor: Executor, group: int, *, is_live: bool = False) -> Assign:
        assign = self._board.assign_live if is_live else self._board.assign
        attempt = assign(executor, group)
        inputs = self._board.inputs.sources(group)
        deaths = len(self._deaths.get(group, ()))
        is_last_try = deaths > 0 and deaths == self._lost_attempts - 1
        return Assign(executor.name, group, attempt.number, inputs, is_live, is_last_try)

    # --- executors that are not to be kept ---

    def _retire_surplus(self) -> Actions:
        """Executors that no group is left for."""
        board = self._board
        surplus = len(board.idle) - board.unassigned_count - len(board.recalled)
        if surplus > 0:
            unneeded = (name for name in reversed(board.idle) if name not in board.live.hosts)
            for name in list(islice(unneeded, surplus)):
                board.leave(name)
                yield Retire(name)

    def _keep_to_share(self) -> Actions:
        """What is held above the share is not renewed: it is given back once it is free.

        The last that came goes first, if it idles, else after the group that it is running.
        """
        board = self._board
        if self._share is not None:
            excess = len(board.executors) - len(board.leaving) - self._share
            if excess > 0:
                going = [board.executors[name] for name in islice(reversed(board.idle), excess)]
                busy = (each for each in reversed(board.executors.values()) if each.held)
                staying = (each for each in busy if not each.is_leaving)
                for executor in [*going, *islice(staying, excess - len(going))]:
                    board.dismiss(executor)
                    behind = (board.queued.get(attempt.number) for attempt in executor.held)
                    yield from self._recall([attempt for attempt in behind if attempt])
            elif board.leaving:
                for executor in list(islice(board.leaving.values(), -excess)):
                    board.keep(executor)
        while board.dismissed:
            executor = board.dismissed.pop()
            if executor.is_leaving and board.leave(executor.name) is executor:
                yield Retire(executor.name)

    def _fail(self, error: Exception) -> Actions:
        self._is_over = True
        yield Failed(error)


def _counted(causes: list[str]) -> str:
    """Causes in words, equal ones once."""
    counts = Counter(causes)
    return "; ".join(f"{cause} ({n} times)" if n > 1 else cause for cause, n in counts.items())


def _where(agent: str) -> str:
    return "" if agent.startswith("ipc:") else f" at {agent}"  # a socket file is no place
