"""The state of a run: the state of each task group, and the executor of each attempt.

    waiting -> ready -> assigned -> sealed        and back to waiting or ready when lost

Every change costs O(log n) and updates the counters used for decisions; this class decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from glowpy.driver.scheduling.attempts import Attempt, Executor, State
from glowpy.driver.scheduling.dependencies import DependencyTracker
from glowpy.driver.scheduling.executor_table import ExecutorTable
from glowpy.driver.scheduling.inputs import Inputs
from glowpy.driver.scheduling.market import Market
from glowpy.driver.scheduling.pipelined_groups import PipelinedGroups
from glowpy.driver.scheduling.streaming_groups import StreamingGroups
from glowpy.locality import Place
from glowpy.planner.plan import Plan


class RunState:
    """States of all groups, attempts and executors of one run."""

    def __init__(self, plan: Plan, *, bid: float, store_owner: str) -> None:
        self._plan = plan
        self.sealed = DependencyTracker(plan)  # marks: sealed groups
        self.states = [State.WAITING] * plan.group_count
        self.streaming = StreamingGroups(plan, self.states)
        self.current: dict[int, Attempt] = {}  # by group: assigned or sealed
        self.inputs = Inputs(plan, self.current, store_owner)
        bid_of_group = bid / max(1, plan.group_count)
        self.market = Market(bid_of_group)  # the ready groups
        self.pipelined = PipelinedGroups(
            plan, self.states, self.streaming, self.inputs, bid_of_group
        )
        self.table = ExecutorTable()
        self.queued: dict[int, Attempt] = {}  # by number: queued behind another, and not recalled
        self.recalled: dict[int, Attempt] = {}  # recalled, without an answer yet
        self.speculative: dict[int, Attempt] = {}  # speculative attempts, by group
        self.unsealed_count = plan.group_count
        self.unassigned_count = plan.group_count
        self._first_attempt = plan.first_attempt
        self._groups: list[int] = []  # by attempt, in the order of the attempts' numbers
        self._attempts: dict[int, Attempt] = {}  # by number: held by an executor

    # --- groups ---

    def make_ready(self, group: int) -> None:
        """Mark a group as ready, because all its inputs are sealed."""
        if group in self.streaming:
            self.streaming.wait([group])
            return
        self.pipelined.withdraw(group)
        self.states[group] = State.READY
        self.market.demand(group, self.inputs.origin(group))

    def make_waiting(self, group: int) -> None:
        """Return a group to the waiting state, or make it ready if its inputs are sealed."""
        self.states[group] = State.WAITING
        if group in self.streaming:
            self.streaming.wait([group])
        elif self.sealed.is_satisfied(group):
            self.make_ready(group)
        else:
            self.pipelined.wait(group)

    # --- executors ---

    def join(self, name: str, agent: str, place: Place, cpu_level: int) -> None:
        """Add an executor."""
        self.streaming.join(self.table.join(name, agent, place, cpu_level))

    def leave(self, name: str) -> Executor | None:
        """Remove an executor; its attempts remain until `free`."""
        executor = self.table.leave(name)
        if executor is not None:
            self.streaming.leave(name)
        return executor

    # --- attempts ---

    def assign(self, executor: Executor, group: int) -> Attempt:
        """Create an attempt of a group, queued behind the other attempts of the executor."""
        is_pipelined = self.states[group] is State.WAITING
        (self.pipelined.market if is_pipelined else self.market).withdraw(group)
        attempt = self._make_attempt(executor, group, is_pipelined=is_pipelined)
        if executor.held:
            self.queued[attempt.number] = attempt
        executor.held.append(attempt)
        self.table.place(executor)
        if is_pipelined:
            self.pipelined.attempts[attempt.number] = attempt
        return attempt

    def assign_streaming(self, executor: Executor, group: int) -> Attempt:
        """Create an attempt of a streaming group, beside the other attempts of the executor."""
        attempt = self._make_attempt(executor, group, is_pipelined=False)
        attempt.is_streaming = True
        self.streaming.host(executor, attempt)
        return attempt

    def assign_speculative(self, executor: Executor, group: int) -> Attempt:
        """Create a speculative attempt of a running group on an idle executor."""
        second = self.speculative[group] = self._new_attempt(executor, group, is_pipelined=False)
        executor.held.append(second)
        self.table.place(executor)
        return second

    def _make_attempt(self, executor: Executor, group: int, *, is_pipelined: bool) -> Attempt:
        attempt = self._new_attempt(executor, group, is_pipelined=is_pipelined)
        self.current[group] = attempt
        self.states[group] = State.ASSIGNED
        self.unassigned_count -= 1
        return attempt

    def _new_attempt(self, executor: Executor, group: int, *, is_pipelined: bool) -> Attempt:
        number = self._first_attempt + len(self._groups)
        self._groups.append(group)
        attempt = Attempt(number, group, executor.name, executor.agent, is_pipelined=is_pipelined)
        self._attempts[number] = attempt
        self.table.load(executor.agent, 1)
        return attempt

    def attempt(self, number: int) -> Attempt | None:
        """Return an attempt held by an executor, or None."""
        return self._attempts.get(number)

    def sealed_by(self, number: int) -> int | None:
        """Return the group sealed by the attempt of this number, or None."""
        place = number - self._first_attempt
        group = self._groups[place] if 0 <= place < len(self._groups) else None
        if group is None or self.states[group] is not State.SEALED:
            return None
        return group if self.current[group].number == number else None

    def second(self, number: int) -> Attempt | None:
        """Return the attempt of this number if it is speculative and not fenced, else None."""
        attempt = self._attempts.get(number)
        is_rival = attempt is not None and self.speculative.get(attempt.group) is attempt
        return attempt if is_rival else None

    def is_current(self, attempt: Attempt) -> bool:
        """Return False for a fenced attempt, whose reports only free its executor."""
        return (
            self.current.get(attempt.group) is attempt
            and self.states[attempt.group] is State.ASSIGNED
        )

    def free(self, number: int) -> Attempt | None:
        """Remove an attempt from its executor; return the attempt if it was current."""
        attempt = self._attempts.pop(number, None)
        if attempt is None:
            return None
        self.recalled.pop(number, None)
        self.queued.pop(number, None)
        if self.speculative.get(attempt.group) is attempt:
            del self.speculative[attempt.group]
        self.table.load(attempt.agent, -1)
        executor = self.table.executors.get(attempt.executor)
        if executor is not None:
            if attempt.is_streaming:
                self.streaming.free(executor, attempt)
            else:
                executor.held.remove(attempt)
            if executor.held:
                self.queued.pop(executor.held[0].number, None)  # it is about to start
            self.table.place(executor)
        return attempt if self.is_current(attempt) else None

    def recall(self, attempt: Attempt) -> None:
        """Mark a queued attempt as recalled."""
        attempt.is_recalled = True
        self.queued.pop(attempt.number, None)
        self.recalled[attempt.number] = attempt

    def begin(self, attempt: Attempt, now: float) -> None:
        """Mark an attempt as started."""
        attempt.started_at = now
        attempt.is_recalled = False
        self.recalled.pop(attempt.number, None)
        self.queued.pop(attempt.number, None)
        if not self.is_current(attempt):
            return
        if attempt.is_streaming:
            # The end of a streaming group is unknown, so groups that wait for it must not hold an
            # executor.
            self.streaming.mark(attempt.group)
        else:
            self.pipelined.mark(attempt.group)

    def seal(self, attempt: Attempt) -> None:
        """Mark a current attempt as complete; groups without other missing inputs become ready."""
        self.pipelined.attempts.pop(attempt.number, None)
        self.states[attempt.group] = State.SEALED
        self.unsealed_count -= 1
        self.pipelined.mark(attempt.group)
        self.streaming.mark(attempt.group)
        for group in self.sealed.mark(attempt.group):
            if group in self.streaming:
                continue
            if self.states[group] is State.WAITING:
                self.make_ready(group)
            elif self.states[group] is State.ASSIGNED:
                self._no_longer_pipelined(self.current[group])

    def _no_longer_pipelined(self, attempt: Attempt) -> None:
        """Clear the early mark, because all inputs of the attempt are sealed."""
        self.pipelined.attempts.pop(attempt.number)
        attempt.is_pipelined = False
        executor = self.table.executors.get(attempt.executor)
        if executor is not None:
            self.table.place(executor)

    def take_back(self, attempt: Attempt) -> None:
        """Drop a current attempt; a speculative attempt takes over, or the group waits again."""
        self.pipelined.attempts.pop(attempt.number, None)
        self._forget(attempt.group)
        second = self.speculative.pop(attempt.group, None)
        if second is None:
            self.unassigned_count += 1
            self.make_waiting(attempt.group)
            return
        self.current[attempt.group] = second
        if second.is_started:
            self.pipelined.mark(attempt.group)

    def running(self) -> Iterator[Attempt]:
        """Yield the attempts that run first on their executor, without a speculative attempt."""
        for executor in self.table.executors.values():
            if executor.held:
                attempt = executor.held[0]
                if self.is_current(attempt) and attempt.group not in self.speculative:
                    yield attempt

    def unseal(self, group: int) -> None:
        """Return a sealed group without shards to the waiting state, until `make_waiting`."""
        self._forget(group)
        self.states[group] = State.WAITING
        self.unsealed_count += 1
        self.unassigned_count += 1
        for consumer in self.sealed.unmark(group):
            if self.states[consumer] is State.READY:
                self.states[consumer] = State.WAITING
                self.market.withdraw(consumer)

    def _forget(self, group: int) -> None:
        """Remove the attempt of a group."""
        del self.current[group]
        self.pipelined.unmark(group)
        self.streaming.unmark(group)
        self.inputs.changed(self._plan.task_group(group).step_group.number)

    def bound_to(self, groups: Iterable[int]) -> Iterator[Attempt]:
        """Yield every current attempt that reads the output of these groups."""
        for group in self.sealed.readers(groups):
            if self.states[group] is State.ASSIGNED:
                yield self.current[group]

    def check_invariants(self) -> None:
        """Check the consistency, for tests after every event.

        Raises:
            AssertionError: the state contradicts itself.
        """
        held = [attempt for each in self.table.executors.values() for attempt in each.attempts]
        assert len({attempt.number for attempt in held}) == len(held), "an attempt is held twice"
        assert {attempt.number for attempt in held} == set(self._attempts), "an attempt is lost"
        self.table.check_invariants()
        for group, state in enumerate(self.states):
            attempt = self.current.get(group)
            assert (attempt is not None) == (state in (State.ASSIGNED, State.SEALED)), state
            assert (group in self.market) == (state is State.READY), f"group {group} is {state}"
            if state is State.SEALED:
                assert self.sealed_by(self.current[group].number) == group, "a sealed group is lost"
            if state is State.ASSIGNED:
                assert attempt in held, f"nobody holds group {group}"
            if state is State.READY:
                assert self.sealed.is_satisfied(group), f"group {group} has not all its inputs"
            if state is State.WAITING and group not in self.streaming:
                assert not self.sealed.is_satisfied(group), f"group {group} waits for nothing"
        self.streaming.check_invariants(self.table.executors)
        for group, second in self.speculative.items():
            assert second in held and second.group == group, f"nobody holds the second of {group}"
            assert self.states[group] is State.ASSIGNED and self.current[group] is not second
            assert self.current[group].executor != second.executor, "a second of itself"
        assert self.unsealed_count == sum(state is not State.SEALED for state in self.states)
        assert self.unassigned_count == sum(
            state in (State.WAITING, State.READY) for state in self.states
        )
        self.pipelined.check_invariants([each for each in held if self.is_current(each)])
        assert set(self.recalled) == {attempt.number for attempt in held if attempt.is_recalled}
        assert set(self.queued) == {
            attempt.number
            for executor in self.table.executors.values()
            for attempt in list(executor.held)[1:]
            if not (attempt.is_started or attempt.is_recalled)
        }
