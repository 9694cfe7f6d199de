"""The scheduler: decides which task group runs when and where, and what is lost with whom.

A pure machine: an event goes in, actions come out. Lost is not failed: an executor or agent that
dies is worked around within bounds, an exception in the user's code ends the run at once.

    waiting -> ready -> assigned -> sealed        and back to waiting or ready when lost

Every try of a group is an attempt with a number of its own. An attempt is bound to exactly one
attempt of each group that it reads from; what a fenced attempt still reports only frees its
executor.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from itertools import count
from typing import TypeAlias

from glowpy.driver.readiness import Readiness
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
    GroupAborted,
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
)
from glowpy.errors import ExecutorsDied, ShardError
from glowpy.planner.plan import Plan

_MOST_HELD = 2  # assignments of one executor: one running, one behind it


class _State(Enum):
    WAITING = "waiting"  # for inputs
    READY = "ready"  # all inputs are sealed
    ASSIGNED = "assigned"  # to an executor
    SEALED = "sealed"  # its shards can be read


@dataclass(slots=True, eq=False)
class _Attempt:
    number: int
    group: int
    executor: str
    agent: str
    reads: frozenset[int]  # groups whose current attempts it is bound to
    is_early: bool  # some of them are still running
    is_started: bool = False
    is_recalled: bool = False


@dataclass(slots=True, eq=False)
class _Executor:
    name: str
    agent: str
    held: deque[_Attempt] = field(default_factory=deque)


Actions: TypeAlias = Iterator[Action]


class Scheduler:
    """Schedules one run of a plan.

    Args:
        lost_attempts: tries of a group that may each cost an executor its life.
        store_owner: address of the driver's own shard store, for the rows of slices. There the
            attempt number of a dataset is the dataset's number.
    """

    def __init__(self, plan: Plan, *, lost_attempts: int, store_owner: str) -> None:
        self._plan = plan
        self._lost_attempts = lost_attempts
        self._store_owner = store_owner
        self._sealed = Readiness(plan)  # marks: sealed groups
        self._begun = Readiness(plan)  # marks: sealed or running groups
        self._states = [_State.WAITING] * plan.group_count
        self._current: dict[int, _Attempt] = {}  # by group: assigned or sealed
        self._attempts: dict[int, _Attempt] = {}  # by number: those an executor still holds
        self._executors: dict[str, _Executor] = {}
        self._idle: dict[str, _Executor] = {}
        self._ready: list[int] = []  # heap
        self._early: list[int] = []  # heap; may hold groups that are no longer waiting
        self._deaths: dict[int, list[str]] = {}  # causes, by group
        self._startup_deaths: list[str] = []
        self._input_losses: dict[int, int] = {}
        self._lost_agents: set[str] = set()
        self._unsealed_count = plan.group_count
        self._unassigned_count = plan.group_count
        self._demand = 0
        self._is_over = False
        first = max((step.output.id for sg in plan.step_groups for step in sg.steps), default=0)
        self._numbers = count(first + 1)

    def start(self) -> list[Action]:
        """What to do first."""
        for group in self._sealed.satisfied():
            self._make_ready(group)
        return list(self._settle())

    def handle(self, event: Event) -> list[Action]:
        """What to do about an event."""
        if self._is_over and not isinstance(event, (AgentLost, ShardLost, ExecutorLeft)):
            self._release(event)
            return []
        return [*self._react(event), *self._settle()]

    def waiting_for(self) -> str:
        """In words: how far the run is."""
        done = self._plan.group_count - self._unsealed_count
        running = sum(len(executor.held) for executor in self._executors.values())
        return (
            f"{done} of {self._plan.group_count} groups done, {running} on "
            f"{len(self._executors)} executors, {len(self._ready)} waiting for executors"
        )

    def _react(self, event: Event) -> Actions:
        if isinstance(event, ExecutorJoined):
            executor = _Executor(event.executor, event.agent)
            self._executors[event.executor] = self._idle[event.executor] = executor
        elif isinstance(event, ExecutorLeft):
            yield from self._executor_left(event.executor, event.cause)
        elif isinstance(event, AgentLost):
            yield from self._agent_lost(event.agent, event.cause)
        elif isinstance(event, GroupStarted):
            self._group_started(event.attempt)
        elif isinstance(event, GroupSealed):
            yield from self._group_sealed(event.attempt)
        elif isinstance(event, GroupFailed):
            if self._free(event.attempt) is not None:
                yield from self._fail(event.error)
        elif isinstance(event, InputLost):
            yield from self._input_lost(event)
        elif isinstance(event, (GroupAborted, Recalled)):
            attempt = self._free(event.attempt)
            if attempt is not None:
                self._take_back(attempt)
        elif isinstance(event, ShardLost):
            yield from self._shard_lost(event.attempt)

    def _release(self, event: Event) -> None:
        """After the end: keep count of who is free, nothing else."""
        if isinstance(event, (GroupSealed, GroupAborted, Recalled, GroupFailed, InputLost)):
            self._free(event.attempt)

    # --- attempts ---

    def _group_started(self, number: int) -> None:
        self._startup_deaths.clear()
        attempt = self._attempts.get(number)
        if attempt is None:
            return
        attempt.is_started = True
        attempt.is_recalled = False
        if self._is_current(attempt):
            for group in self._begun.mark(attempt.group):
                if self._states[group] is _State.WAITING:
                    heapq.heappush(self._early, group)

    def _group_sealed(self, number: int) -> Actions:
        attempt = self._free(number)
        if attempt is None or attempt.agent in self._lost_agents:
            return
        self._states[attempt.group] = _State.SEALED
        self._unsealed_count -= 1
        for group in self._begun.mark(attempt.group):
            if self._states[group] is _State.WAITING:
                heapq.heappush(self._early, group)
        for group in self._sealed.mark(attempt.group):
            if self._states[group] is _State.WAITING:
                self._make_ready(group)
            elif self._states[group] is _State.ASSIGNED:
                self._current[group].is_early = False
        yield GroupDone(attempt.group, attempt.number, attempt.agent)

    def _input_lost(self, event: InputLost) -> Actions:
        attempt = self._free(event.attempt)
        if attempt is not None:
            losses = self._input_losses.get(attempt.group, 0) + 1
            self._input_losses[attempt.group] = losses
            if losses > 3 * self._lost_attempts:
                label = self._plan.label(attempt.group)
                text = f"{label} lost an input {losses} times, at last: {event.reason}"
                yield from self._fail(ShardError(text))
                return
            self._take_back(attempt)
        yield from self._shard_lost(event.lost_attempt)

    def _shard_lost(self, number: int) -> Actions:
        """Shards of a sealed attempt cannot be read: its group runs again."""
        for group, attempt in list(self._current.items()):
            if attempt.number == number and self._states[group] is _State.SEALED:
                yield from self._unseal(group)

    def _free(self, number: int) -> _Attempt | None:
        """An attempt has left its executor; returns it if it was its group's current one."""
        attempt = self._attempts.pop(number, None)
        if attempt is None:
            return None
        executor = self._executors.get(attempt.executor)
        if executor is not None and attempt in executor.held:
            executor.held.remove(attempt)
            if not executor.held:
                self._idle[executor.name] = executor
        return attempt if self._is_current(attempt) else None

    def _is_current(self, attempt: _Attempt) -> bool:
        return (
            self._current.get(attempt.group) is attempt
            and self._states[attempt.group] is _State.ASSIGNED
        )

    def _take_back(self, attempt: _Attempt) -> None:
        """A current attempt came to nothing: its group is to be assigned again."""
        group = attempt.group
        del self._current[group]
        self._begun.unmark(group)
        self._unassigned_count += 1
        self._states[group] = _State.WAITING
        if self._sealed.is_satisfied(group):
            self._make_ready(group)
        elif self._begun.is_satisfied(group):
            heapq.heappush(self._early, group)

    def _make_ready(self, group: int) -> None:
        self._states[group] = _State.READY
        heapq.heappush(self._ready, group)

    # --- losses ---

    def _executor_left(self, name: str, cause: str) -> Actions:
        executor = self._executors.pop(name, None)
        self._idle.pop(name, None)
        if executor is None:
            return
        started = [attempt for attempt in executor.held if attempt.is_started]
        if not started:
            self._startup_deaths.append(cause)
            if len(self._startup_deaths) >= self._lost_attempts:
                causes = "; ".join(self._startup_deaths)
                text = (
                    f"{len(self._startup_deaths)} executors died before they ran anything: {causes}"
                )
                yield from self._fail(ExecutorsDied(text))
                return
        for attempt in list(executor.held):
            was_current = self._free(attempt.number) is not None
            if not was_current:
                continue
            if attempt.is_started:
                causes_of = self._deaths.setdefault(attempt.group, [])
                causes_of.append(f"{cause} at {executor.agent}")
                if len(causes_of) >= self._lost_attempts:
                    text = (
                        f"{self._plan.label(attempt.group)} killed its executor at each of "
                        f"{len(causes_of)} tries: " + "; ".join(causes_of)
                    )
                    yield from self._fail(ExecutorsDied(text))
                    return
            self._take_back(attempt)
            yield from self._abort_readers({attempt.group}, f"its input was lost: {cause}")

    def _agent_lost(self, agent: str, cause: str) -> Actions:
        self._lost_agents.add(agent)
        for executor in [each for each in self._executors.values() if each.agent == agent]:
            del self._executors[executor.name]
            self._idle.pop(executor.name, None)
            for attempt in list(executor.held):
                if self._free(attempt.number) is not None:
                    self._take_back(attempt)
                    yield from self._abort_readers({attempt.group}, cause)
        # Consumers have higher numbers than what they read: who is needed is known from the end.
        for group in sorted(self._current, reverse=True):
            attempt = self._current[group]
            is_lost = self._states[group] is _State.SEALED and attempt.agent == agent
            if is_lost and self._is_needed(group):
                yield from self._unseal(group)

    def _is_needed(self, group: int) -> bool:
        """Somebody has still to read what this sealed group has written."""
        step_group = self._plan.step_group_of(group)
        if step_group.is_stored and step_group.output in self._plan.targets:
            return True
        return any(
            self._states[consumer] is not _State.SEALED
            for consumer in self._sealed.consumers(group)
        )

    def _unseal(self, group: int) -> Actions:
        """A sealed group's shards are gone: it runs again, and so do its lost ancestors."""
        pending = [group]
        undone = set()
        while pending:
            lost = pending.pop()
            if self._states[lost] is not _State.SEALED:
                continue
            undone.add(lost)
            del self._current[lost]
            self._states[lost] = _State.WAITING
            self._unsealed_count += 1
            self._unassigned_count += 1
            self._begun.unmark(lost)
            for consumer in self._sealed.unmark(lost):
                if self._states[consumer] is _State.READY:
                    self._states[consumer] = _State.WAITING
            self._is_over = False
            yield GroupUndone(lost)
            for edge in self._plan.reads(lost):
                for shard in edge:
                    source = self._current.get(shard.group)
                    if source is not None and source.agent in self._lost_agents:
                        pending.append(shard.group)
        for lost in undone:
            if self._sealed.is_satisfied(lost):
                self._make_ready(lost)
        yield from self._abort_readers(undone, "an input of it was lost")

    def _abort_readers(self, groups: set[int], reason: str) -> Actions:
        """Fence every attempt that is bound to what these groups have written."""
        for executor in self._executors.values():
            for attempt in executor.held:
                if self._is_current(attempt) and not groups.isdisjoint(attempt.reads):
                    yield Abort(executor.name, attempt.number, reason)
                    self._take_back(attempt)

    # --- dispatch ---

    def _settle(self) -> Actions:
        """Give work to whoever can take it; say what is wanted."""
        if self._is_over:
            return
        if self._unsealed_count == 0:
            self._is_over = True
            yield Finished()
            return
        yield from self._assign_ready()
        if not self._ready:
            yield from self._rebalance()
            yield from self._assign_early()
        yield from self._retire_surplus()
        yield from self._preempt()
        queued = sum(len(each.held) - 1 for each in self._executors.values() if each.held)
        demand = max(0, len(self._ready) + queued - len(self._idle))
        if demand != self._demand:
            self._demand = demand
            yield Demand(demand)

    def _assign_ready(self) -> Actions:
        while self._next_ready() is not None and self._idle:
            executor = next(iter(self._idle.values()))
            yield self._assign(executor, heapq.heappop(self._ready), is_early=False)
        if self._next_ready() is None:
            return
        for executor in self._executors.values():
            if len(executor.held) < _MOST_HELD and not executor.held[0].is_early:
                if self._next_ready() is None:
                    return
                yield self._assign(executor, heapq.heappop(self._ready), is_early=False)

    def _next_ready(self) -> int | None:
        """The first ready group; groups that are no longer ready are dropped on the way."""
        while self._ready and self._states[self._ready[0]] is not _State.READY:
            heapq.heappop(self._ready)
        return self._ready[0] if self._ready else None

    def _rebalance(self) -> Actions:
        """Somebody idles while an assignment waits behind another: ask for it back."""
        behind = [
            executor.held[-1]
            for executor in self._executors.values()
            if len(executor.held) > 1 and not executor.held[-1].is_started
        ]
        asked = sum(attempt.is_recalled for attempt in behind)
        for attempt in behind:
            if asked >= len(self._idle):
                return
            if not attempt.is_recalled:
                attempt.is_recalled = True
                asked += 1
                yield Recall(attempt.executor, attempt.number)

    def _assign_early(self) -> Actions:
        """Groups whose inputs are being computed, for executors that nobody else needs."""
        while self._early and self._idle:
            group = heapq.heappop(self._early)
            if self._states[group] is _State.WAITING and self._begun.is_satisfied(group):
                executor = next(iter(self._idle.values()))
                yield self._assign(executor, group, is_early=True)

    def _assign(self, executor: _Executor, group: int, *, is_early: bool) -> Assign:
        inputs = []
        reads: set[int] = set()
        for edge in self._plan.reads(group):
            shards = []
            for shard in edge:
                if shard.group < 0:
                    shards.append((self._store_owner, shard.dataset, shard.shard))
                else:
                    source = self._current[shard.group]
                    shards.append((source.agent, source.number, shard.shard))
                    reads.add(shard.group)
            inputs.append(tuple(shards))
        attempt = _Attempt(
            next(self._numbers), group, executor.name, executor.agent, frozenset(reads), is_early
        )
        self._attempts[attempt.number] = attempt
        self._current[group] = attempt
        self._states[group] = _State.ASSIGNED
        self._unassigned_count -= 1
        executor.held.append(attempt)
        self._idle.pop(executor.name, None)
        return Assign(executor.name, group, attempt.number, tuple(inputs))

    def _retire_surplus(self) -> Actions:
        """Executors that no group is left for."""
        recalled = sum(
            attempt.is_recalled for each in self._executors.values() for attempt in each.held
        )
        while len(self._idle) > self._unassigned_count + recalled:
            name, _executor = self._idle.popitem()
            del self._executors[name]
            yield Retire(name)

    def _preempt(self) -> Actions:
        """Every executor waits for something that has to run again: one of them gives way."""
        if self._next_ready() is None or not self._executors or self._idle:
            return
        first = [executor.held[0] for executor in self._executors.values()]
        if all(attempt.is_early and self._is_current(attempt) for attempt in first):
            youngest = max(first, key=lambda attempt: attempt.number)
            yield Abort(youngest.executor, youngest.number, "a group that it waits for runs again")
            self._take_back(youngest)

    def _fail(self, error: Exception) -> Actions:
        self._is_over = True
        yield Failed(error)
