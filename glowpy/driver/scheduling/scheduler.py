"""The scheduler: decides when and where task groups run, and which work a loss undoes.

A pure machine: events in, actions out. Lost is not failed: the death of an executor or agent is
worked around within limits, an exception in the user's code ends the run at once.

Every attempt of a group has its own number and is bound to exactly one attempt of each group that
it reads; later reports of a fenced attempt only free its executor. The assignments after each event
are decided in `dispatch`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

from glowpy.driver.scheduling.attempts import Attempt, Executor, State
from glowpy.driver.scheduling.dispatch import Dispatch
from glowpy.driver.scheduling.events import (
    Abort,
    Action,
    AgentLost,
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
    Recalled,
    ShardLost,
    ShareChanged,
)
from glowpy.driver.scheduling.retry_budget import RetryBudget
from glowpy.driver.scheduling.run_state import RunState
from glowpy.planner.plan import Plan

if TYPE_CHECKING:
    from glowpy.driver.scheduling.speculation import Speculation

Actions: TypeAlias = Iterator[Action]


class Scheduler:
    """Schedules one run of a plan.

    Args:
        lost_attempts: limit of attempts of a group that end with the death of their executor.
        lost_agents: limit of attempts of a group that end with the loss of their agent.
        store_owner: address of the driver's own shard store with the rows of slices, where a
            dataset's number serves as its attempt number.
        bid: of the flow in the market; each group bids an equal part.
        speculates: start speculative attempts of slow groups; see `speculative`.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        lost_attempts: int,
        lost_agents: int,
        store_owner: str,
        bid: float = 100.0,
        speculates: bool = False,
    ) -> None:
        self._plan = plan
        self._state = RunState(plan, bid=bid, store_owner=store_owner)
        self._speculation: Speculation | None = None
        if speculates:
            from glowpy.driver.scheduling.speculation import Speculation  # seldom used

            self._speculation = Speculation(plan)
        self._budget = RetryBudget(plan, lost_attempts, lost_agents)
        self._dispatch = Dispatch(
            self._state, self._budget, self._speculation, is_streaming=plan.has_streaming_groups
        )
        self._collected: set[int] = set()  # groups whose rows the driver has read completely
        self._is_over = False

    def start(self) -> list[Action]:
        """Return the first actions."""
        for group in self._state.sealed.satisfied():
            self._state.make_ready(group)
        return list(self._settle(0.0))

    def handle(self, event: Event, now: float) -> list[Action]:
        """Return the actions for an event; `now` is monotonic."""
        return [*self._react(event, now), *self._settle(now)]

    def check_invariants(self) -> None:
        """For tests. Raises: AssertionError."""
        self._state.check_invariants()

    def _react(self, event: Event, now: float) -> Actions:
        state = self._state
        if isinstance(event, ExecutorJoined):
            state.join(event.executor, event.agent, event.place, event.cpu_level)
        elif isinstance(event, ExecutorLeft):
            yield from self._executor_left(event.executor, event.cause, event.last_row)
        elif isinstance(event, AgentLost):
            yield from self._agent_lost(event)
        elif isinstance(event, GroupStarted):
            self._budget.begun()
            attempt = state.attempt(event.attempt)
            if attempt is not None:
                state.begin(attempt, now)
        elif isinstance(event, GroupSealed):
            yield from self._group_sealed(event.attempt, now)
        elif isinstance(event, GroupFailed):
            if state.second(event.attempt) or self._drop(event.attempt):
                yield from self._fail(event.error)
        elif isinstance(event, InputLost):
            yield from self._input_lost(event)
        elif isinstance(event, (GroupAborted, Recalled)):
            self._drop(event.attempt)
        elif isinstance(event, ShareChanged):
            self._dispatch.share = event.executor_count
        elif isinstance(event, ShardLost):
            yield from self._shard_lost(event.attempt, event.reason)
        elif isinstance(event, FleetSettled):
            yield from self._dispatch.assign_streaming(is_crowded=True)
        elif isinstance(event, GroupCollected):
            self._collected.add(event.group)

    def _drop(self, number: int) -> Attempt | None:
        """Free a dropped attempt; return the attempt if it was current."""
        attempt = self._state.free(number)
        if attempt is not None:
            self._state.take_back(attempt)
        return attempt

    def _group_sealed(self, number: int, now: float) -> Actions:
        state = self._state
        if second := state.second(number):
            yield from self._supersede(second)
        attempt = state.free(number)
        if attempt is None:
            return
        if second := state.speculative.pop(attempt.group, None):
            yield Abort(second.executor, second.number, "the other attempt was faster")
        if self._speculation is not None:
            self._speculation.sealed(attempt, now)
        state.seal(attempt)
        yield GroupDone(attempt.group, attempt.number, attempt.agent.name)

    def _supersede(self, second: Attempt) -> Actions:
        """Fence the current attempt and its readers, because a speculative attempt is complete."""
        current = self._state.current[second.group]
        yield Abort(current.executor, current.number, "its second was faster")
        yield from self._abort_readers({second.group}, "what it reads is superseded")
        self._state.take_back(current)

    # --- losses ---

    def _input_lost(self, event: InputLost) -> Actions:
        attempt = self._drop(event.attempt)
        if attempt is not None:
            yield from self._fail(self._budget.input_missed(attempt.group, event.reason))
        yield from self._shard_lost(event.lost_attempt, event.reason)

    def _shard_lost(self, number: int, reason: str) -> Actions:
        """Run the group of a sealed attempt with unreadable shards again, within limits."""
        group = self._state.sealed_by(number)
        if group is None:
            return
        yield from self._fail(self._budget.shard_lost(group, reason))
        yield from self._unseal(group)

    def _executor_left(self, name: str, cause: str, last_row: str) -> Actions:
        executor = self._state.leave(name)
        if executor is None:
            return
        if not any(attempt.is_started for attempt in executor.attempts):
            yield from self._fail(self._budget.idle_died(cause))
        for attempt in self._free_all(executor):
            if attempt.is_started:
                agent = executor.agent.name
                yield from self._fail(self._budget.died(attempt.group, cause, agent, last_row))
            yield from self._abort_readers({attempt.group}, f"its input was lost: {cause}")

    def _agent_lost(self, event: AgentLost) -> Actions:
        state, agent, rows = self._state, event.agent, dict(event.last_rows)
        for executor in [
            each for each in state.table.executors.values() if each.agent.name == agent
        ]:
            state.leave(executor.name)
            for attempt in self._free_all(executor):
                if attempt.is_started:
                    row = rows.get(attempt.number, "")
                    error = self._budget.agent_lost(attempt.group, event.cause, agent, row)
                    yield from self._fail(error)
                yield from self._abort_readers({attempt.group}, event.cause)
        for group, attempt in state.current.items():
            if attempt.agent.name == agent and state.states[group] is State.SEALED:
                attempt.is_lost = True
        # Consumers have higher numbers than their inputs: determine the needed groups from the end.
        for group in sorted(state.current, reverse=True):
            if state.states[group] is not State.SEALED or state.current[group].agent.name != agent:
                continue  # or undone meanwhile, as an ancestor
            if self._is_needed(group):
                yield from self._unseal(group)

    def _free_all(self, executor: Executor) -> list[Attempt]:
        """Free all attempts of a vanished executor; return the current ones."""
        freed = [self._state.free(attempt.number) for attempt in executor.attempts]
        counted = [attempt for attempt in freed if attempt is not None]
        for attempt in counted:
            self._state.take_back(attempt)
        return counted

    def _is_needed(self, group: int) -> bool:
        """Return True if the output of this sealed group has yet to be read."""
        step_group = self._plan.step_group_of(group)
        is_target = step_group.is_stored and step_group.output in self._plan.targets
        is_wanted = is_target or step_group.output in self._plan.outputs
        if is_wanted and group not in self._collected:
            return True
        return any(
            self._state.states[consumer] is not State.SEALED
            for consumer in self._state.sealed.consumers(group)
        )

    def _unseal(self, group: int) -> Actions:
        """Run a sealed group without shards again, together with its lost ancestors."""
        state = self._state
        pending = [group]
        undone = set()
        while pending:
            lost = pending.pop()
            if state.states[lost] is not State.SEALED:
                continue
            readers = state.sealed.consumers(lost)
            done = (reader for reader in readers if state.states[reader] is State.SEALED)
            if error := self._budget.cannot_repeat(lost, done):
                yield from self._fail(error)
                return
            undone.add(lost)
            state.unseal(lost)
            self._is_over = False
            yield GroupUndone(lost)
            for edge in self._plan.task_group(lost).reads:
                for shard in edge:
                    source = state.current.get(shard.group)
                    if source is not None and source.is_lost:
                        pending.append(shard.group)
        for lost in undone:
            state.make_waiting(lost)
        yield from self._abort_readers(undone, "an input of it was lost")

    def _abort_readers(self, groups: set[int], reason: str) -> Actions:
        """Fence every attempt bound to the output of these groups, and their readers in turn.

        Waiting readers free their executors: the recomputation always finds one, without any
        preemption.
        """
        while groups:
            readers = list(self._state.bound_to(groups))
            for attempt in readers:
                second = self._state.speculative.pop(attempt.group, None)
                if second is not None:  # it reads the same inputs
                    yield Abort(second.executor, second.number, reason)
                yield Abort(attempt.executor, attempt.number, reason)
                self._state.take_back(attempt)
            groups = {attempt.group for attempt in readers}

    # --- after every event ---

    def _settle(self, now: float) -> Actions:
        if self._is_over:
            return
        if self._state.unsealed_count == 0:
            self._is_over = True
            yield Finished()
            return
        yield from self._dispatch.assign_work(now)

    @property
    def wants_streaming_hosts(self) -> bool:
        """True while streaming groups wait for executors; `FleetSettled` makes them share."""
        return not self._is_over and self._state.streaming.next() is not None

    def _fail(self, error: Exception | None) -> Actions:
        if error is not None:
            self._is_over = True
            yield Failed(error)
