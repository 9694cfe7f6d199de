"""The stats of a run counts sealed attempts only, after any number of attempts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glowpy import Flow
from glowpy.driver.scheduling import events as do
from glowpy.driver.view.run_stats import RunStats
from glowpy.planner.fusion import make_plan
from glowpy.planner.plan import Plan
from glowpy.wire.run_messages import AttemptStats, GroupEnded, Outcome, Progress
from tests.simulated_agents import World
from tests.test_scheduler_random import plans, play

WORK = AttemptStats(rows_in=10, bytes_in=100, rows_out=5, bytes_out=50, waited_s=1.0, ran_s=2.0)


def two_groups() -> Plan:
    """Group 0 and 1, the tasks of one step group."""
    dataset = Flow(["-glow.inline"]).slice([1], 2).map(abs)
    return make_plan(dataset._graph, [dataset._node], stored=True)


def ended(attempt: int, outcome: Outcome = Outcome.SEALED, work: AttemptStats = WORK) -> GroupEnded:
    return GroupEnded("r", "e1", 0, attempt, outcome, (), work)


class TallyFeed:
    """A stats that receives an event each second."""

    def __init__(self) -> None:
        self.stats = RunStats(two_groups())
        self.now = 0.0
        self.send(do.ExecutorJoined("e1", "a1"))

    def send(self, *events: Any) -> None:
        for event in events:
            self.stats.take(event, self.now)
            self.stats.check_invariants()
            self.now += 1.0

    def begin(self, group: int, attempt: int) -> None:
        self.send(do.Assign("e1", group, attempt, ()), do.GroupStarted(attempt))

    def seal(self, group: int, attempt: int, work: AttemptStats = WORK) -> None:
        self.send(ended(attempt, work=work), do.GroupDone(group, attempt, "a1"))

    def counts(self) -> tuple[int, int, int, int, int]:
        (step,) = self.stats.steps
        return step.sealed, step.running, step.retries, step.rows_sealed, step.rows_running


@pytest.fixture
def feed() -> TallyFeed:
    return TallyFeed()


def test_running_attempts_count_apart_until_they_are_sealed(feed: TallyFeed) -> None:
    feed.begin(0, 1)
    assert feed.counts() == (0, 1, 0, 0, 0)
    feed.send(
        Progress("r", ((1, AttemptStats(rows_in=4)),)),
        Progress("r", ((1, AttemptStats(rows_in=7)),)),
    )
    assert feed.counts() == (0, 1, 0, 0, 7)
    feed.seal(0, 1)
    assert feed.counts() == (1, 0, 0, 10, 0)
    (sealed,) = feed.stats.sealed_work(range(2))
    assert sealed == (0, "a1", 1.0, WORK) and sealed.took_s == 3.0


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.INPUT_LOST, Outcome.ABORTED])
def test_failed_attempts_do_not_count(feed: TallyFeed, outcome: Outcome) -> None:
    feed.begin(0, 1)
    feed.send(Progress("r", ((1, AttemptStats(rows_in=4)),)), ended(1, outcome))
    assert feed.counts() == (0, 0, 0, 0, 0)
    feed.begin(0, 2)
    feed.seal(0, 2)
    assert feed.counts() == (1, 0, 1, 10, 0)


def test_the_seal_of_a_fenced_attempt_does_not_count(feed: TallyFeed) -> None:
    feed.begin(0, 1)
    feed.send(do.Abort("e1", 1, "its input was lost"), ended(1))
    assert feed.counts() == (0, 0, 0, 0, 0)
    feed.begin(0, 2)
    feed.seal(0, 2, WORK._replace(rows_in=3))
    assert feed.counts() == (1, 0, 1, 3, 0)


def test_sealed_groups_that_are_undone_do_not_count_any_more(feed: TallyFeed) -> None:
    feed.begin(0, 1)
    feed.seal(0, 1)
    feed.begin(1, 2)
    feed.seal(1, 2)
    feed.send(do.AgentLost("a1", "silent"), do.GroupUndone(1))
    assert feed.counts() == (1, 0, 0, 10, 0)
    assert [sealed.group for sealed in feed.stats.sealed_work(range(2))] == [0]
    feed.send(do.ExecutorJoined("e1", "a2"))
    feed.begin(1, 3)
    feed.seal(1, 3)
    assert feed.counts() == (2, 0, 1, 20, 0)


@pytest.mark.parametrize(
    "event",
    [do.ExecutorLeft("e1", "SIGKILL"), do.AgentLost("a1", "silent"), do.Retire("e1")],
    ids=lambda event: type(event).__name__,
)
def test_executors_take_along_what_they_hold(feed: TallyFeed, event: Any) -> None:
    feed.begin(0, 1)
    feed.send(do.Assign("e1", 1, 2, ()), event)
    assert feed.counts() == (0, 0, 0, 0, 0)
    assert list(feed.stats.held()) == [] and feed.stats.executors == {}
    feed.send(ended(1), Progress("r", ((1, WORK), (2, WORK))), do.GroupStarted(2))
    assert feed.counts() == (0, 0, 0, 0, 0)


def test_unknown_attempts_are_ignored(feed: TallyFeed) -> None:
    feed.send(object(), do.Demand(3), do.Finished(), do.Recalled("e1", 9), ended(9))
    assert feed.counts() == (0, 0, 0, 0, 0)


class TalliedWorld(World):
    """Each group reads one row more than its number, in every attempt."""

    def __init__(self, plan: Plan, **how: Any) -> None:
        self.stats = RunStats(plan)
        super().__init__(plan, **how)

    def _handle(self, event: Any) -> None:
        if isinstance(event, do.GroupSealed):
            attempt = self.scheduler._state.attempt(event.attempt)
            work = AttemptStats(rows_in=1 if attempt is None else attempt.group + 1)
            self.stats.take(ended(event.attempt, work=work), 0.0)
        self.stats.take(event, 0.0)
        super()._handle(event)
        self.stats.check_invariants()

    def _carry_out(self, actions: list[Any]) -> None:
        for action in actions:
            self.stats.take(action, 0.0)
        super()._carry_out(actions)


@pytest.mark.slow
@settings(max_examples=100)
@given(plans(), st.integers(1, 4), st.integers(1, 3), st.integers(0, 6), st.data())
def test_the_tally_agrees_with_the_scheduler_under_faults(
    plan: Plan, executors: int, agents: int, faults: int, data: Any
) -> None:
    world = TalliedWorld(plan, most_executors=executors, agents=agents, faults=faults)
    play(world, data)
    stats = world.stats
    assert {each.group for each in stats.sealed_work(range(plan.group_count))} == set(world.done)
    for step, step_group in zip(stats.steps, plan.step_groups, strict=True):
        done = [group for group in step_group.groups if group in world.done]
        assert (step.sealed, step.rows_sealed) == (len(done), sum(group + 1 for group in done))
        tries = sum(world.runs.get(group, 0) for group in step_group.groups)
        assert step.retries <= max(0, tries - 1)
    if not faults:
        assert sum(step.retries for step in stats.steps) == 0
