"""DependencyTracker against its definition: all producers of a satisfied group are marked."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glowpy import Flow
from glowpy.driver.scheduling.dependencies import DependencyTracker
from glowpy.flow.graph import DatasetNode, Edge, EdgeKind, OutputKind
from glowpy.planner.fusion import make_plan
from glowpy.planner.plan import InputEdge, Plan, StepGroup, shards_read, writer_of

Draw = st.DrawFn


@st.composite
def plans(draw: Draw) -> Plan:
    """Step groups that read any earlier step groups, over every kind of edge."""
    step_groups: list[StepGroup] = []
    first_group = 0
    for index in range(draw(st.integers(1, 6))):
        task_count = draw(st.integers(1, 4))
        edges = []
        for source in draw(st.lists(st.sampled_from([-1, *range(index)]), max_size=3)):
            edge = draw(edges_of(step_groups, source, task_count))
            if edge is not None:
                edges.append(edge)
        output = draw(datasets(index, task_count))
        step_groups.append(
            StepGroup(index, (), task_count, first_group, tuple(edges), output, is_stored=True)
        )
        first_group += task_count
    return Plan(tuple(step_groups), first_group, ())


@st.composite
def datasets(draw: Draw, number: int, task_count: int) -> DatasetNode:
    """A possible output of a step with `task_count` tasks."""
    kind = draw(st.sampled_from(list(OutputKind)))
    if kind is not OutputKind.ONE_SHARD:
        parts = draw(st.integers(1, 4))
        return DatasetNode(number, task_count * parts, parts, kind)
    return DatasetNode(number, task_count, task_count, OutputKind.ONE_SHARD)


@st.composite
def edges_of(
    draw: Draw, step_groups: list[StepGroup], source: int, task_count: int
) -> InputEdge | None:
    """A possible edge from the source to a step with `task_count` tasks, or None."""
    if source < 0:
        stored = DatasetNode(99, task_count, task_count, OutputKind.ONE_SHARD, rows=())
        return InputEdge(-1, stored, Edge(EdgeKind.ONE_TO_ONE))
    dataset = step_groups[source].output
    kinds = [Edge(EdgeKind.BROADCAST)]
    if task_count == 1:
        kinds.append(Edge(EdgeKind.ALL_TO_ONE))
    if dataset.output_kind is not OutputKind.ONE_SHARD and dataset.part_count == task_count:
        kinds.append(Edge(EdgeKind.COLLECT))
    if dataset.output_kind is not OutputKind.SCATTER:
        kinds.append(Edge(EdgeKind.OFFSET, draw(st.integers(0, 3))))
        if dataset.shard_count == task_count:
            kinds.append(Edge(EdgeKind.ONE_TO_ONE))
    return InputEdge(source, dataset, draw(st.sampled_from(kinds)))


def waited_for(plan: Plan, group: int) -> set[int]:
    """The groups whose shards a group reads; at a barrier, all groups of the producing step."""
    step_group = plan.step_group_of(group)
    found: set[int] = set()
    for edge in step_group.inputs:
        if edge.source < 0:
            continue
        source = plan.step_groups[edge.source]
        read = {writer_of(source, n) for n in shards_read(edge, group - step_group.first_group)}
        found |= read if edge.is_pairwise else set(source.groups)
    return found


@pytest.mark.slow
@settings(max_examples=300)
@given(plan=plans(), data=st.data())
def test_marking_and_unmarking_in_any_order(plan: Plan, data: st.DataObject) -> None:
    readiness = DependencyTracker(plan)
    waits = [waited_for(plan, group) for group in range(plan.group_count)]
    marked: set[int] = set()

    def satisfied() -> set[int]:
        return {group for group, needed in enumerate(waits) if needed <= marked}

    for group in range(plan.group_count):
        readers = {reader for reader, needed in enumerate(waits) if group in needed}
        assert set(readiness.consumers(group)) == readers
    for _ in range(data.draw(st.integers(0, 30))):
        group = data.draw(st.integers(0, plan.group_count - 1))
        before = satisfied()
        if data.draw(st.booleans()):
            marked.add(group)
            news = readiness.mark(group)
            assert set(news) == satisfied() - before
        else:
            marked.discard(group)
            news = readiness.unmark(group)
            assert set(news) == before - satisfied()
        assert len(news) == len(set(news))
        assert set(readiness.satisfied()) == satisfied()
        assert [readiness.is_satisfied(each) for each in range(plan.group_count)] == [
            each in satisfied() for each in range(plan.group_count)
        ]


@given(plans())
def test_a_group_reads_only_from_groups_it_waits_for(plan: Plan) -> None:
    for group in range(plan.group_count):
        read = {
            shard.group
            for edge in plan.task_group(group).reads
            for shard in edge
            if shard.group >= 0
        }
        assert read <= waited_for(plan, group)


def test_a_barrier_opens_with_its_last_producer_and_closes_with_any() -> None:
    dataset = Flow(["-glow.inline"]).slice(range(9), 3).partition(2)
    readiness = DependencyTracker(make_plan(dataset._graph, [dataset._node], stored=True))
    assert list(readiness.satisfied()) == [0, 1, 2]
    assert readiness.mark(0) == readiness.mark(2) == []
    assert readiness.mark(2) == []  # a repetition changes nothing
    assert readiness.mark(1) == [3, 4]
    assert list(readiness.consumers(1)) == [3, 4]
    assert readiness.unmark(0) == [3, 4]
    assert readiness.unmark(2) == readiness.unmark(2) == []
    assert readiness.mark(2) == []
    assert readiness.mark(0) == [3, 4]
