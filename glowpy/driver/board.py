"""The scheduler's bookkeeping: what state each task group is in, and who holds which attempt.

    waiting -> ready -> assigned -> sealed        and back to waiting or ready when lost

Every change costs O(log n) and keeps the counters that decisions need; nothing is decided here.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from enum import Enum
from itertools import count

from glowpy.driver.readiness import Readiness
from glowpy.planner.plan import Plan


class State(Enum):
    """Of a task group."""

    WAITING = "waiting"  # for inputs
    READY = "ready"  # all inputs are sealed
    ASSIGNED = "assigned"  # to an executor
    SEALED = "sealed"  # its shards can be read


class Attempt:
    """One try of a task group; its number is unique within the run."""

    is_started = False
    is_recalled = False
    is_lost = False  # it was sealed, and its shards went with their agent

    def __init__(
        self,
        number: int,
        group: int,
        executor: str,
        agent: str,
        reads: frozenset[int],
        is_early: bool,
    ) -> None:
        self.number = number
        self.group = group
        self.executor = executor
        self.agent = agent
        self.reads = reads  # groups whose current attempts it is bound to
        self.is_early = is_early  # some of them are still running


class Executor:
    """An executor and the attempts it holds: the first is running, the others wait behind it."""

    def __init__(self, name: str, agent: str) -> None:
        self.name = name
        self.agent = agent
        self.held: deque[Attempt] = deque()


class Board:
    """States of all groups, attempts and executors of one run."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.sealed = Readiness(plan)  # marks: sealed groups
        self.begun = Readiness(plan)  # marks: sealed or running groups
        self.states = [State.WAITING] * plan.group_count
        self.current: dict[int, Attempt] = {}  # by group: assigned or sealed
        self.executors: dict[str, Executor] = {}
        self.idle: dict[str, Executor] = {}  # hold nothing
        self.single: dict[str, Executor] = {}  # hold one attempt, with nothing behind it
        self.early: dict[int, Attempt] = {}  # current attempts that are early, by number
        self.recalled: dict[int, Attempt] = {}  # asked back, not answered yet
        self.ready_count = 0
        self.unsealed_count = plan.group_count
        self.unassigned_count = plan.group_count
        self.queued_count = 0  # attempts behind another
        self._attempts: dict[int, Attempt] = {}  # by number: those an executor still holds
        self._ready: list[int] = []  # heap; may hold groups that are no longer ready
        self._may_be_early: list[int] = []  # the same, of groups that wait
        # Datasets in the driver's own store are attempts with their own numbers: stay above them.
        last = max((step.output.id for sg in plan.step_groups for step in sg.steps), default=0)
        self._numbers = count(last + 1)

    # --- groups ---

    def make_ready(self, group: int) -> None:
        """All inputs of a group are sealed."""
        self.states[group] = State.READY
        self.ready_count += 1
        heapq.heappush(self._ready, group)

    def make_waiting(self, group: int) -> None:
        """A group is to be assigned (again); it is ready if its inputs are there."""
        self.states[group] = State.WAITING
        if self.sealed.is_satisfied(group):
            self.make_ready(group)
        elif self.begun.is_satisfied(group):
            heapq.heappush(self._may_be_early, group)

    def next_ready(self) -> int | None:
        """The ready group with the lowest number, still to be taken."""
        while self._ready and self.states[self._ready[0]] is not State.READY:
            heapq.heappop(self._ready)
        return self._ready[0] if self._ready else None

    def next_early(self) -> int | None:
        """The lowest waiting group whose inputs are sealed or being written."""
        while self._may_be_early:
            group = self._may_be_early[0]
            if self.states[group] is State.WAITING and self.begun.is_satisfied(group):
                return group
            heapq.heappop(self._may_be_early)
        return None

    # --- executors ---

    def join(self, name: str, agent: str) -> None:
        """An executor is there."""
        self.executors[name] = self.idle[name] = Executor(name, agent)

    def leave(self, name: str) -> Executor | None:
        """An executor is gone; the attempts it holds stay to be freed."""
        executor = self.executors.pop(name, None)
        if executor is not None:
            self.idle.pop(name, None)
            self.single.pop(name, None)
            self.queued_count -= max(0, len(executor.held) - 1)
        return executor

    def _recount(self, executor: Executor, before: int) -> None:
        now = len(executor.held)
        self.queued_count += max(0, now - 1) - max(0, before - 1)
        for number, kept in ((0, self.idle), (1, self.single)):
            if now == number:
                kept[executor.name] = executor
            else:
                kept.pop(executor.name, None)

    # --- attempts ---

    def assign(self, executor: Executor, group: int, reads: frozenset[int]) -> Attempt:
        """A new attempt of a group, behind what the executor holds already."""
        is_early = self.states[group] is State.WAITING
        self.ready_count -= not is_early
        attempt = Attempt(
            next(self._numbers), group, executor.name, executor.agent, reads, is_early
        )
        self._attempts[attempt.number] = attempt
        self.current[group] = attempt
        self.states[group] = State.ASSIGNED
        self.unassigned_count -= 1
        executor.held.append(attempt)
        self._recount(executor, len(executor.held) - 1)
        if is_early:
            self.early[attempt.number] = attempt
        return attempt

    def attempt(self, number: int) -> Attempt | None:
        """An attempt that an executor holds."""
        return self._attempts.get(number)

    def is_current(self, attempt: Attempt) -> bool:
        """False once it is fenced: what it reports only frees its executor."""
        return (
            self.current.get(attempt.group) is attempt
            and self.states[attempt.group] is State.ASSIGNED
        )

    def free(self, number: int) -> Attempt | None:
        """An attempt has left its executor; returns it if it was its group's current one."""
        attempt = self._attempts.pop(number, None)
        if attempt is None:
            return None
        self.recalled.pop(number, None)
        executor = self.executors.get(attempt.executor)
        if executor is not None and attempt in executor.held:
            executor.held.remove(attempt)
            self._recount(executor, len(executor.held) + 1)
        return attempt if self.is_current(attempt) else None

    def recall(self, attempt: Attempt) -> None:
        """It has been asked back from its executor's queue."""
        attempt.is_recalled = True
        self.recalled[attempt.number] = attempt

    def begin(self, attempt: Attempt) -> None:
        """An executor has begun an attempt."""
        attempt.is_started = True
        attempt.is_recalled = False
        self.recalled.pop(attempt.number, None)
        if self.is_current(attempt):
            self._mark_begun(attempt.group)

    def seal(self, attempt: Attempt) -> None:
        """A current attempt is whole; groups that waited for it alone become ready."""
        self.early.pop(attempt.number, None)
        self.states[attempt.group] = State.SEALED
        self.unsealed_count -= 1
        self._mark_begun(attempt.group)
        for group in self.sealed.mark(attempt.group):
            if self.states[group] is State.WAITING:
                self.make_ready(group)
            elif self.states[group] is State.ASSIGNED:
                early = self.early.pop(self.current[group].number)
                early.is_early = False

    def _mark_begun(self, group: int) -> None:
        for consumer in self.begun.mark(group):
            if self.states[consumer] is State.WAITING:
                heapq.heappush(self._may_be_early, consumer)

    def take_back(self, attempt: Attempt) -> None:
        """A current attempt came to nothing: its group is to be assigned again."""
        self.early.pop(attempt.number, None)
        del self.current[attempt.group]
        self.begun.unmark(attempt.group)
        self.unassigned_count += 1
        self.make_waiting(attempt.group)

    def unseal(self, group: int) -> None:
        """The shards of a sealed group are gone: it waits again, until `make_waiting`."""
        del self.current[group]
        self.states[group] = State.WAITING
        self.unsealed_count += 1
        self.unassigned_count += 1
        self.begun.unmark(group)
        for consumer in self.sealed.unmark(group):
            if self.states[consumer] is State.READY:
                self.states[consumer] = State.WAITING
                self.ready_count -= 1

    def bound_to(self, groups: set[int]) -> Iterator[Attempt]:
        """Every current attempt that reads what these groups have written."""
        for executor in self.executors.values():
            for attempt in executor.held:
                if self.is_current(attempt) and not groups.isdisjoint(attempt.reads):
                    yield attempt

    def check_invariants(self) -> None:
        """For tests, after every event.

        Raises:
            AssertionError: the board contradicts itself.
        """
        held = [attempt for each in self.executors.values() for attempt in each.held]
        assert len({attempt.number for attempt in held}) == len(held), "an attempt is held twice"
        assert {attempt.number for attempt in held} == set(self._attempts), "an attempt is lost"
        assert self.queued_count == sum(max(0, len(e.held) - 1) for e in self.executors.values())
        for name, executor in self.executors.items():
            assert (name in self.idle) == (not executor.held), f"{name} idles or not?"
            assert (name in self.single) == (len(executor.held) == 1), f"{name} holds one or not?"
        assert not (set(self.idle) | set(self.single)) - set(self.executors), "the dead may work"
        for group, state in enumerate(self.states):
            attempt = self.current.get(group)
            assert (attempt is not None) == (state in (State.ASSIGNED, State.SEALED)), state
            if state is State.ASSIGNED:
                assert attempt in held, f"nobody holds group {group}"
            if state is State.READY:
                assert self.sealed.is_satisfied(group), f"group {group} has not all its inputs"
                assert group in self._ready, f"group {group} is forgotten"
            if state is State.WAITING:
                assert not self.sealed.is_satisfied(group), f"group {group} waits for nothing"
        assert self.ready_count == sum(state is State.READY for state in self.states)
        assert self.unsealed_count == sum(state is not State.SEALED for state in self.states)
        assert self.unassigned_count == sum(
            state in (State.WAITING, State.READY) for state in self.states
        )
        early = {attempt.number for attempt in held if attempt.is_early}
        assert set(self.early) == {n for n in early if self.is_current(self._attempts[n])}
        assert set(self.recalled) == {attempt.number for attempt in held if attempt.is_recalled}
