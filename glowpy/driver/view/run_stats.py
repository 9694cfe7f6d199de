"""Statistics of a run: the progress of each step group, the work of each executor, the cost.

A pure machine beside the scheduler: receives the same events, and the scheduler's actions, each in
O(1). Rows count from the seal of their group's attempt until the group is undone; rows of running
attempts are counted separately.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from glowpy.driver.scheduling import events as do
from glowpy.planner.plan import Plan
from glowpy.record import NamedTuple
from glowpy.wire.run_messages import AttemptStats, GroupEnded, Outcome, Progress

_FIELDS = len(AttemptStats._fields)
_COUNTS = _FIELDS - 2  # of the fields are whole numbers, the rest times
_COLUMNS = _FIELDS + 3  # plus the queueing time, the number of the agent, and a flag: counted
_NOTHING = AttemptStats()
_ROWS_IN = AttemptStats._fields.index("rows_in")


class StepGroupStats:
    """Progress of one step group."""

    __slots__ = ("label", "retries", "rows_running", "rows_sealed", "running", "sealed", "tasks")

    def __init__(self, label: str, tasks: int) -> None:
        self.label = label
        self.tasks = tasks
        self.sealed = 0  # task groups
        self.running = 0  # started attempts
        self.retries = 0  # attempts started beyond the first of their group
        self.rows_sealed = 0  # read by sealed attempts
        self.rows_running = 0  # read by running attempts so far

    @property
    def rows(self) -> int:
        """Rows read by attempts that count, or may still count."""
        return self.rows_sealed + self.rows_running


class RunningAttempt:
    """One attempt held by an executor."""

    __slots__ = ("assigned_at", "begun_at", "executor", "group", "number", "work")

    def __init__(self, number: int, group: int, executor: str, assigned_at: float) -> None:
        self.number = number
        self.group = group
        self.executor = executor
        self.assigned_at = assigned_at
        self.begun_at: float | None = None  # None before the start
        self.work = _NOTHING  # as of the last progress message


class SealedWork(NamedTuple):
    """The cost of one sealed task group."""

    group: int
    agent: str
    queued_s: float  # from assignment to start
    work: AttemptStats

    @property
    def took_s(self) -> float:
        return self.work.waited_s + self.work.ran_s


def work_of(numbers: Sequence[float]) -> AttemptStats:
    """Build AttemptStats from its fields as plain numbers: counts first, then times."""
    counts = [int(number) for number in numbers[:_COUNTS]]
    return AttemptStats._make([*counts, *numbers[_COUNTS:]])


class RunStats:
    """Statistics of one run of a plan, updated by its events."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.steps = [
            StepGroupStats(">".join(step.label for step in each.steps), each.task_count)
            for each in plan.step_groups
        ]
        self.executors: dict[str, str] = {}  # of the current executors: the agent of each
        self.executors_seen = 0
        self.most_executors = 0
        self.sealed = 0  # task groups
        self._held: dict[int, RunningAttempt] = {}  # by number
        self._of_executor: dict[str, set[int]] = {}
        self._ended: RunningAttempt | None = None  # the last ended attempt, if sealed
        self._tries = array("H", bytes(2 * plan.group_count))
        # A row for each task group: 100,000 groups take 9 MB.
        self._numbers = array("d", bytes(8 * _COLUMNS * plan.group_count))
        self._agents: dict[str, int] = {}
        self._react: dict[type, Callable[[Any, float], None]] = {
            do.ExecutorJoined: self._joined,
            do.ExecutorLeft: self._left,
            do.Retire: self._left,
            do.AgentLost: self._agent_lost,
            do.Assign: self._assigned,
            do.GroupStarted: self._started,
            do.GroupDone: self._done,
            do.GroupUndone: self._undone,
            do.Abort: self._let_go,
            do.Recalled: self._let_go,
            GroupEnded: self._group_ended,
            Progress: self._progress,
        }

    def take(self, event: object, now: float) -> None:
        """Apply an event or action of the scheduler, or an agent's message about attempts."""
        react = self._react.get(type(event))
        if react is not None:
            react(event, now)

    @property
    def running(self) -> int:
        """The number of running attempts."""
        return sum(step.running for step in self.steps)

    def held(self) -> Iterator[RunningAttempt]:
        """Return every attempt held by an executor, in the order of assignment."""
        return iter(self._held.values())

    def step_of(self, group: int) -> StepGroupStats:
        return self.steps[self.plan.task_group(group).step_group.number]

    def sealed_work(self, groups: range) -> Iterator[SealedWork]:
        """Yield the cost of each sealed group among `groups`."""
        agents = list(self._agents)
        for group in groups:
            first = group * _COLUMNS
            numbers = self._numbers[first : first + _COLUMNS]
            if numbers[-1]:
                work = work_of(numbers[:_FIELDS])
                yield SealedWork(
                    group=group, agent=agents[int(numbers[-2])], queued_s=numbers[-3], work=work
                )

    # --- executors ---

    def _joined(self, event: do.ExecutorJoined, _now: float) -> None:
        self.executors[event.executor] = event.agent
        self.executors_seen += 1
        self.most_executors = max(self.most_executors, len(self.executors))

    def _left(self, event: do.ExecutorLeft | do.Retire, _now: float) -> None:
        self._forget(event.executor)

    def _agent_lost(self, event: do.AgentLost, _now: float) -> None:
        for executor in [each for each, at in self.executors.items() if at == event.agent]:
            self._forget(executor)

    def _forget(self, executor: str) -> None:
        self.executors.pop(executor, None)
        for number in self._of_executor.pop(executor, ()):
            self._drop(number)

    # --- attempts ---

    def _assigned(self, event: do.Assign, now: float) -> None:
        attempt = RunningAttempt(event.attempt, event.group, event.executor, now)
        self._held[event.attempt] = attempt
        self._of_executor.setdefault(event.executor, set()).add(event.attempt)

    def _started(self, event: do.GroupStarted, now: float) -> None:
        attempt = self._held.get(event.attempt)
        if attempt is None or attempt.begun_at is not None:
            return
        attempt.begun_at = now
        step = self.step_of(attempt.group)
        step.running += 1
        if self._tries[attempt.group]:
            step.retries += 1
        else:
            self._tries[attempt.group] = 1

    def _progress(self, event: Progress, _now: float) -> None:
        for number, work in event.attempts:
            attempt = self._held.get(number)
            if attempt is not None and attempt.begun_at is not None:
                self.step_of(attempt.group).rows_running += work.rows_in - attempt.work.rows_in
                attempt.work = work

    def _let_go(self, event: do.Abort | do.Recalled, _now: float) -> None:
        """Drop an attempt that is fenced or was never started: its results do not count."""
        self._drop(event.attempt)

    def _group_ended(self, event: GroupEnded, _now: float) -> None:
        attempt = self._drop(event.attempt)
        self._ended = None
        if attempt is not None and event.outcome is Outcome.SEALED:
            attempt.work = event.work
            self._ended = attempt

    def _drop(self, number: int) -> RunningAttempt | None:
        attempt = self._held.pop(number, None)
        if attempt is None:
            return None
        self._of_executor.get(attempt.executor, set()).discard(number)
        if attempt.begun_at is not None:
            step = self.step_of(attempt.group)
            step.running -= 1
            step.rows_running -= attempt.work.rows_in
        return attempt

    # --- groups ---

    def _done(self, event: do.GroupDone, now: float) -> None:
        attempt, self._ended = self._ended, None
        work, queued_s = _NOTHING, 0.0
        if attempt is not None and attempt.number == event.attempt:
            begun_at = now if attempt.begun_at is None else attempt.begun_at
            work, queued_s = attempt.work, begun_at - attempt.assigned_at
        agent = self._agents.setdefault(event.owner, len(self._agents))
        first = event.group * _COLUMNS
        self._numbers[first : first + _COLUMNS] = array("d", [*work, queued_s, agent, 1.0])
        step = self.step_of(event.group)
        step.sealed += 1
        step.rows_sealed += work.rows_in
        self.sealed += 1

    def _undone(self, event: do.GroupUndone, _now: float) -> None:
        first = event.group * _COLUMNS
        step = self.step_of(event.group)
        step.sealed -= 1
        step.rows_sealed -= int(self._numbers[first + _ROWS_IN])
        self._numbers[first : first + _COLUMNS] = array("d", bytes(8 * _COLUMNS))
        self.sealed -= 1

    def check_invariants(self) -> None:
        """For tests: check that every count agrees with the facts. Raises: AssertionError."""
        held = list(self._held.values())
        assert {each.number for each in held} == {
            n for of in self._of_executor.values() for n in of
        }
        for number, step in enumerate(self.steps):
            groups = self.plan.step_groups[number].groups
            begun = [each for each in held if each.group in groups and each.begun_at is not None]
            sealed = list(self.sealed_work(groups))
            assert step.running == len(begun), step.label
            assert step.rows_running == sum(each.work.rows_in for each in begun), step.label
            assert step.sealed == len(sealed), step.label
            assert step.rows_sealed == sum(each.work.rows_in for each in sealed), step.label
            assert step.retries == 0 or max(self._tries[group] for group in groups)
        assert self.sealed == sum(step.sealed for step in self.steps)
