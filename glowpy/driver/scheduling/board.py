"""The state of a run: the state of each task group, and the executor of each attempt.

    waiting -> ready -> assigned -> sealed        and back to waiting or ready when lost

Every change costs O(log n) and updates the counters used for decisions; this class decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from glowpy.driver.scheduling.attempts import Attempt, Executor, State
from glowpy.driver.scheduling.early_groups import EarlyGroups
from glowpy.driver.scheduling.inputs import Inputs
from glowpy.driver.scheduling.live_groups import LiveGroups
from glowpy.driver.scheduling.market import Market
from glowpy.driver.scheduling.readiness import Readiness
from glowpy.driver.scheduling.roster import Roster
from glowpy.locality import Place
from glowpy.planner.plan import Plan


class Board:
    """States of all groups, attempts and executors of one run."""

    def __init__(self, plan: Plan, *, bid: float, store_owner: str) -> None:
        self._plan = plan
        self.sealed = Readiness(plan)  # marks: sealed groups
        self.states = [State.WAITING] * plan.group_count
        self.live = LiveGroups(plan, self.states)
        self.current: dict[int, Attempt] = {}  # by group: assigned or sealed
        self.inputs = Inputs(plan, self.current, store_owner)
        bid_of_group = bid / max(1, plan.group_count)
        self.market = Market(bid_of_group)  # the ready groups
        self.early = EarlyGroups(plan, self.states, self.live, self.inputs, bid_of_group)
        self.roster = Roster()
        self.queued: dict[int, Attempt] = {}  # by number: queued behind another, and not recalled
        self.recalled: dict[int, Attempt] = {}  # recalled, without an answer yet
        self.rivals: dict[int, Attempt] = {}  # speculative attempts, by group
        self.unsealed_count = plan.group_count
        self.unassigned_count = plan.group_count
        self._first_attempt = plan.first_attempt
        self._groups: list[int] = []  # by attempt, in the order of the attempts' numbers
        self._attempts: dict[int, Attempt] = {}  # by number: held by an executor

    # --- groups ---

    def make_ready(self, group: int) -> None:
        """Mark a group as ready, because all its inputs are sealed."""
        if group in self.live:
            self.live.wait([group])
            return
        self.early.withdraw(group)
        self.states[group] = State.READY
        self.market.demand(group, self.inputs.origin(group))

    def make_waiting(self, group: int) -> None:
        """Return a group to the waiting state, or make it ready if its inputs are sealed."""
        self.states[group] = State.WAITING
        if group in self.live:
            self.live.wait([group])
        elif self.sealed.is_satisfied(group):
            self.make_ready(group)
        else:
            self.early.wait(group)

    # --- executors ---

    def join(self, name: str, agent: str, place: Place, cpu_level: int) -> None:
        """Add an executor."""
        self.live.join(self.roster.join(name, agent, place, cpu_level))

    def leave(self, name: str) -> Executor | None:
        """Remove an executor; its attempts remain until `free`."""
        executor = self.roster.leave(name)
        if executor is not None:
            self.live.leave(name)
        return executor

    # --- attempts ---

    def assign(self, executor: Executor, group: int) -> Attempt:
        """Create an attempt of a group, queued behind the other attempts of the executor."""
        is_early = self.states[group] is State.WAITING
        (self.early.market if is_early else self.market).withdraw(group)
        attempt = self._make_attempt(executor, group, is_early=is_early)
        if executor.held:
            self.queued[attempt.number] = attempt
        executor.held.append(attempt)
        self.roster.place(executor)
        if is_early:
            self.early.attempts[attempt.number] = attempt
        return attempt

    def assign_live(self, executor: Executor, group: int) -> Attempt:
        """Create an attempt of a streaming group, beside the other attempts of the executor."""
        attempt = self._make_attempt(executor, group, is_early=False)
        attempt.is_streaming = True
        self.live.host(executor, attempt)
        return attempt

    def assign_rival(self, executor: Executor, group: int) -> Attempt:
        """Create a speculative attempt of a running group on an idle executor."""
        rival = self.rivals[group] = self._new_attempt(executor, group, is_early=False)
        executor.held.append(rival)
        self.roster.place(executor)
        return rival

    def _make_attempt(self, executor: Executor, group: int, *, is_early: bool) -> Attempt:
        attempt = self._new_attempt(executor, group, is_early=is_early)
        self.current[group] = attempt
        self.states[group] = State.ASSIGNED
        self.unassigned_count -= 1
        return attempt

    def _new_attempt(self, executor: Executor, group: int, *, is_early: bool) -> Attempt:
        number = self._first_attempt + len(self._groups)
        self._groups.append(group)
        attempt = Attempt(number, group, executor.name, executor.agent, is_early=is_early)
        self._attempts[number] = attempt
        self.roster.load(executor.agent, 1)
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

    def rival(self, number: int) -> Attempt | None:
        """Return the attempt of this number if it is speculative and not fenced, else None."""
        attempt = self._attempts.get(number)
        is_rival = attempt is not None and self.rivals.get(attempt.group) is attempt
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
        if self.rivals.get(attempt.group) is attempt:
            del self.rivals[attempt.group]
        self.roster.load(attempt.agent, -1)
        executor = self.roster.executors.get(attempt.executor)
        if executor is not None:
            if attempt.is_streaming:
                self.live.free(executor, attempt)
            else:
                executor.held.remove(attempt)
            if executor.held:
                self.queued.pop(executor.held[0].number, None)  # it is about to start
            self.roster.place(executor)
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
            self.live.mark(attempt.group)
        else:
            self.early.mark(attempt.group)

    def seal(self, attempt: Attempt) -> None:
        """Mark a current attempt as complete; groups without other missing inputs become ready."""
        self.early.attempts.pop(attempt.number, None)
        self.states[attempt.group] = State.SEALED
        self.unsealed_count -= 1
        self.early.mark(attempt.group)
        self.live.mark(attempt.group)
        for group in self.sealed.mark(attempt.group):
            if group in self.live:
                continue
            if self.states[group] is State.WAITING:
                self.make_ready(group)
            elif self.states[group] is State.ASSIGNED:
                self._no_longer_early(self.current[group])

    def _no_longer_early(self, attempt: Attempt) -> None:
        """Clear the early mark, because all inputs of the attempt are sealed."""
        self.early.attempts.pop(attempt.number)
        attempt.is_early = False
        executor = self.roster.executors.get(attempt.executor)
        if executor is not None:
            self.roster.place(executor)

    def take_back(self, attempt: Attempt) -> None:
        """Drop a current attempt; a speculative attempt takes over, or the group waits again."""
        self.early.attempts.pop(attempt.number, None)
        self._forget(attempt.group)
        rival = self.rivals.pop(attempt.group, None)
        if rival is None:
            self.unassigned_count += 1
            self.make_waiting(attempt.group)
            return
        self.current[attempt.group] = rival
        if rival.is_started:
            self.early.mark(attempt.group)

    def running(self) -> Iterator[Attempt]:
        """Yield the attempts that run first on their executor, without a speculative attempt."""
        for executor in self.roster.executors.values():
            if executor.held:
                attempt = executor.held[0]
                if self.is_current(attempt) and attempt.group not in self.rivals:
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
        self.early.unmark(group)
        self.live.unmark(group)
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
        held = [attempt for each in self.roster.executors.values() for attempt in each.attempts]
        assert len({attempt.number for attempt in held}) == len(held), "an attempt is held twice"
        assert {attempt.number for attempt in held} == set(self._attempts), "an attempt is lost"
        self.roster.check_invariants()
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
            if state is State.WAITING and group not in self.live:
                assert not self.sealed.is_satisfied(group), f"group {group} waits for nothing"
        self.live.check_invariants(self.roster.executors)
        for group, rival in self.rivals.items():
            assert rival in held and rival.group == group, f"nobody holds the rival of {group}"
            assert self.states[group] is State.ASSIGNED and self.current[group] is not rival
            assert self.current[group].executor != rival.executor, "a rival of itself"
        assert self.unsealed_count == sum(state is not State.SEALED for state in self.states)
        assert self.unassigned_count == sum(
            state in (State.WAITING, State.READY) for state in self.states
        )
        self.early.check_invariants([each for each in held if self.is_current(each)])
        assert set(self.recalled) == {attempt.number for attempt in held if attempt.is_recalled}
        assert set(self.queued) == {
            attempt.number
            for executor in self.roster.executors.values()
            for attempt in list(executor.held)[1:]
            if not (attempt.is_started or attempt.is_recalled)
        }
