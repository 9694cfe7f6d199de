"""The scheduler under random plans, orders of events and faults ends every run."""

from __future__ import annotations

from operator import add
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glowpy import Channel, Dataset, Flow
from glowpy.planner.fusion import make_plan
from glowpy.planner.plan import Plan
from tests.simulated_agents import World

OPERATORS = ["map", "partition", "reduce", "sort", "reduce_by_key"]
_MOST_STEPS = 20_000


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    flow = Flow(["-glow.inline"])
    kinds = st.sampled_from(["slice", "source", "channel"])
    datasets: list[Dataset] = []
    for kind in draw(st.lists(kinds, min_size=1, max_size=2)):
        shards = draw(st.integers(1, 4))
        datasets.append(_source(flow, kind, shards))
    for operator in draw(st.lists(st.sampled_from(OPERATORS), max_size=5)):
        parent = datasets[draw(st.integers(0, len(datasets) - 1))]
        datasets.append(_apply(parent, operator, draw(st.integers(1, 4))))
    target = datasets[draw(st.integers(0, len(datasets) - 1))]
    targets = [target._node] if draw(st.booleans()) else list(flow._graph.leaves())
    outputs = [each._node for each in datasets if draw(st.integers(0, 4)) == 0]
    is_stored = not outputs and draw(st.booleans())
    return make_plan(flow._graph, targets, stored=is_stored, outputs=outputs)


def _source(flow: Flow, kind: str, shards: int) -> Dataset:
    if kind == "slice":
        return flow.slice([1], shards)
    if kind == "channel":
        return flow.channel(Channel(), shards)
    return flow.source(lambda: [1], shards)


def _apply(parent: Dataset, operator: str, shards: int) -> Dataset:
    if operator == "map":
        return parent.map(lambda row: row)
    if operator == "partition":
        return parent.partition(shards)
    if operator == "sort":
        return parent.sort()
    return parent.reduce(add) if operator == "reduce" else parent.reduce_by_key(add)


def play(world: World, data: Any) -> None:
    """Run random steps and faults, drawn by hypothesis, until no step is possible."""
    for _ in range(_MOST_STEPS):
        steps = world.steps()
        faults = world.faults()
        if faults and data.draw(st.integers(0, 9)) == 0:
            steps = faults
        if not steps:
            break
        steps[data.draw(st.integers(0, len(steps) - 1))]()
    assert world.is_finished, "\n".join([*world.log, "and then nothing happened"])


@pytest.mark.slow
@settings(max_examples=300)
@given(plans(), st.integers(1, 4), st.integers(1, 3), st.integers(0, 6), st.data())
def test_every_run_ends_after_any_losses(
    plan: Plan, executors: int, agents: int, faults: int, data: Any
) -> None:
    world = World(plan, most_executors=executors, agents=agents, faults=faults)
    play(world, data)
    stored = {group for sg in plan.step_groups if sg.is_stored for group in sg.groups}
    targets = {g for sg in plan.step_groups if sg.output in plan.targets for g in sg.groups}
    assert set(world.done) >= targets & stored
    if not faults:
        assert set(world.done) == set(range(plan.group_count))
        assert set(world.runs.values()) <= {1}, "without faults nothing runs twice"


@pytest.mark.slow
@settings(max_examples=200)
@given(plans(), st.integers(2, 5), st.integers(1, 3), st.integers(0, 6), st.data())
def test_every_run_ends_with_speculative_attempts(
    plan: Plan, executors: int, agents: int, faults: int, data: Any
) -> None:
    world = World(plan, most_executors=executors, agents=agents, faults=faults, speculates=True)
    play(world, data)
    if not faults:
        assert set(world.done) == set(range(plan.group_count))
        again = sum(world.runs.values()) - len(world.runs)
        readers = (
            len(world.speculative) * plan.group_count
        )  # readers of a current attempt that has lost
        assert again <= len(world.speculative) + readers


@settings(max_examples=60)
@given(plans(), st.data())
def test_one_executor_is_enough(plan: Plan, data: Any) -> None:
    world = World(plan, most_executors=1, agents=1, faults=0)
    play(world, data)
    assert world.launched == 1, "it is used again, and again"
