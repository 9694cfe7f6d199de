"""The graph that the user's calls build: steps, edges, marks, and source lines."""

from __future__ import annotations

import inspect
from operator import add
from typing import Any

import pytest

from glowpy import Dataset, Flow
from glowpy.flow.graph import EdgeKind, OutputKind, Step
from glowpy.flow.ops.source import slice_shard, without_rows


def new_flow() -> Flow:
    return Flow(["-glow.inline"])


def steps_of(dataset: Dataset) -> list[Step]:
    return dataset._graph.steps


def names(dataset: Dataset) -> list[str]:
    return [step.label for step in steps_of(dataset)]


def test_steps_are_numbered_in_order_of_definition() -> None:
    flow = new_flow()
    dataset = flow.source(lambda: [1], 2).filter(bool).flat_map(range).map(str).reduce(add)
    assert names(dataset) == [
        "Source0",
        "Filter1",
        "FlatMap2",
        "Map3",
        "LocalReduce4",
        "MergeReduce5",
    ]
    assert [step.task_count for step in steps_of(dataset)] == [1, 2, 2, 2, 2, 1]
    assert [step.output.shard_count for step in steps_of(dataset)] == [2, 2, 2, 2, 2, 1]


def test_reduce_by_key_has_glows_four_steps() -> None:
    dataset = new_flow().slice([("k", 1)], 3).reduce_by_key(add)
    assert names(dataset) == [
        "Input0",
        "LocalSort1",
        "LocalReduceByKey2",
        "MergeSorted3",
        "LocalReduceByKey4",
    ]
    assert [step.task_count for step in steps_of(dataset)] == [3, 3, 3, 1, 1]


def test_partition_scatters_and_collects() -> None:
    dataset = new_flow().slice([1], 3).partition(4)
    scatter, collect = steps_of(dataset)[1:]
    assert (scatter.label, scatter.task_count) == ("Partition_scatter1", 3)
    assert scatter.output.output_kind is OutputKind.SCATTER
    assert (scatter.output.shard_count, scatter.output.part_count) == (12, 4)
    assert (collect.label, collect.task_count) == ("Partition_collect2", 4)
    assert [edge.kind for _, edge in collect.inputs] == [EdgeKind.COLLECT]


def test_partition_does_nothing_where_rows_already_lie_so() -> None:
    flow = new_flow()
    parts = flow.slice([1, 2], 3).partition(2)
    count = len(steps_of(parts))
    assert parts.partition(2)._node is parts._node
    assert parts.filter(bool).partition(2).shard_count == 2
    assert names(parts)[count:] == ["Filter3"]
    single = flow.slice([1], 1)
    assert single.partition(1)._node is single._node


@pytest.mark.parametrize("change", ["map", "flat_map", "other count", "not yet"])
def test_partition_adds_steps_where_rows_may_have_moved(change: str) -> None:
    dataset = new_flow().slice([1, 2], 2)
    if change != "not yet":
        dataset = dataset.partition(2)
    if change in ("map", "flat_map"):
        dataset = getattr(dataset, change)(lambda row: [row])
    count = len(steps_of(dataset))
    dataset = dataset.partition(3 if change == "other count" else 2)
    assert [step.name for step in steps_of(dataset)[count:]] == [
        "Partition_scatter",
        "Partition_collect",
    ]


def test_sort_marks_only_the_natural_order() -> None:
    for dataset, is_marked in (
        (new_flow().slice([1]).sort(), True),
        (new_flow().slice([1]).sort(reverse=True), False),
        (new_flow().slice([1]).sort(key=abs), False),
    ):
        local, merged = steps_of(dataset)[-2:]
        assert (local.name, merged.name) == ("LocalSort", "MergeSorted")
        assert local.output.sorted_by_key is is_marked
        assert [edge.kind for _, edge in merged.inputs] == [EdgeKind.ALL_TO_ONE]


def test_a_method_that_is_not_there_says_so() -> None:
    dataset: Any = new_flow().slice([1])
    with pytest.raises(AttributeError, match="no attribute 'joyn'"):
        dataset.joyn(dataset)
    assert not hasattr(dataset, "joyn")
    flow: Any = new_flow()
    with pytest.raises(AttributeError, match="no attribute 'slices'"):
        flow.slices([1])


def test_source_deals_and_slice_keeps_its_rows_with_the_driver() -> None:
    flow = new_flow()
    (source,) = steps_of(flow.source(lambda: [1], 3))
    assert (source.task_count, source.output.output_kind) == (1, OutputKind.DEAL)
    dataset = flow.slice(range(5), 2)
    step = steps_of(dataset)[-1]
    ((stored, edge),) = step.inputs
    assert edge.kind is EdgeKind.ONE_TO_ONE and step.task_count == 2
    assert [list(slice_shard(stored, shard)) for shard in (0, 1)] == [[0, 1], [2, 3, 4]]
    shipped = without_rows(step)
    assert shipped.inputs[0][0].rows == () and shipped.label == step.label
    assert without_rows(source) is source


def test_leaves_are_datasets_that_no_step_reads() -> None:
    flow = new_flow()
    words = flow.slice(["a"])
    lengths, upper = words.map(len), words.map(str.upper)
    doubled = lengths.map(lambda n: 2 * n)
    assert list(flow._graph.leaves()) == [upper._node, doubled._node]


def test_every_step_names_the_users_line() -> None:
    dataset = new_flow().slice([1])
    line = inspect.currentframe().f_lineno  # type: ignore[union-attr]
    dataset = dataset.map(abs)
    dataset = dataset.filter(bool)
    dataset = dataset.reduce(max)
    dataset = dataset.sort()
    dataset = dataset.partition(2)
    locations = [step.location for step in steps_of(dataset)[1:]]
    offsets = [1, 2, 3, 3, 4, 4, 5, 5]
    assert locations == [f"test_graph.py:{line + offset}" for offset in offsets]


def test_the_repr_of_a_flow_and_of_a_dataset() -> None:
    flow = new_flow()
    assert repr(flow).startswith(f"<Flow {flow._graph.flow_id} (test_graph.py:")
    text = repr(flow.slice([1, 2], 2).map(abs))
    assert text.startswith("<Dataset Map1 (test_graph.py:") and text.endswith("), 2 shards>")


def test_flows_are_numbered_per_process() -> None:
    one, two = new_flow(), new_flow()
    assert two._graph.flow_id == one._graph.flow_id + 1
