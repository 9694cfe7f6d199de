"""Plans: fused steps, inputs of groups, and pictures equal to Glow's."""

from __future__ import annotations

import re
from collections import Counter
from operator import add
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glowpy import Channel, Dataset, Flow
from glowpy.flow.graph import OutputKind
from glowpy.planner.dot import to_dot
from glowpy.planner.fingerprint import describe, difference
from glowpy.planner.fusion import make_plan
from glowpy.planner.plan import Plan, shards_written
from glowpy.planner.run_description import InputFile, RunDescription, Sink

GOLDEN = Path(__file__).parent / "golden"


def new_flow() -> Flow:
    return Flow(["-glow.inline"])


def plan_of(*datasets: Dataset, stored: bool = False) -> Plan:
    graph = datasets[0]._graph
    return make_plan(graph, [dataset._node for dataset in datasets], stored=stored)


def groups(plan: Plan) -> list[str]:
    """Each step group: steps, number of tasks, and ! for drained output."""
    return [
        ">".join(step.label for step in each.steps)
        + f" x{each.task_count}"
        + ("" if each.is_stored else " !")
        for each in plan.step_groups
    ]


class Drawing:
    """A dot file as a graph: clusters by number, edges as a multiset, shapes."""

    def __init__(self, dot: str) -> None:
        dot = re.sub(r"\bFlatMap(?=\d)", "Map", dot)  # Glow has no FlatMap
        self.clusters: dict[str, list[str]] = {}
        # graphviz draws boxes only for this prefix
        dot = dot.replace("subgraph cluster_", "subgraph ")
        for number, body in re.findall(r"subgraph group_(\d+)\s*{(.*?)\n  }", dot, re.DOTALL):
            chain = next(
                line for line in map(str.strip, body.splitlines()) if line and "=" not in line
            )
            self.clusters[number] = [name.strip() for name in chain.rstrip(";").split("->")]
            assert f'label = "group_{number}' in body
        rest = re.sub(r"subgraph \w+\s*{.*?\n  }", "", dot, flags=re.DOTALL)
        self.edges = Counter(re.findall(r"(\w+) -> (\w+);", rest))
        self.shapes = Counter(re.findall(r"(\w+) \[shape=(\w+)\]", rest))


def drawn(dataset: Dataset) -> Plan:
    """The plan as `-glow.flow.plot` draws it."""
    return make_plan(dataset._graph, [dataset._node], stored=False, drawn=True)


def assert_drawn_like(plan: Plan, golden: str) -> None:
    ours, theirs = Drawing(to_dot(plan)), Drawing((GOLDEN / golden).read_text())
    assert theirs.clusters and theirs.edges
    assert ours.clusters == theirs.clusters
    assert ours.edges == theirs.edges
    assert ours.shapes == theirs.shapes


# --- drawn as Glow draws -----------------------------------------------------------------------


def test_golden_plan_1() -> None:
    dataset = (
        new_flow()
        .source(lambda: ["a:b"], 2)
        .filter(lambda line: not line.startswith("#"))
        .flat_map(lambda line: line.split(":"))
        .map(lambda token: 1)
        .reduce(lambda x, y: x + y)
        .map(lambda count: print("count:", count))
    )
    assert_drawn_like(drawn(dataset), "plan1.dot")


def test_golden_plan_2() -> None:
    dataset = (
        new_flow()
        .source(lambda: range(9), 7)
        .partition(2)
        .map(lambda row: row)
        .sort(key=lambda row: -row)
        .map(print)
    )
    assert_drawn_like(drawn(dataset), "plan2.dot")


def test_golden_plan_3() -> None:
    words = (
        new_flow()
        .source(lambda: ["a:b"], 3)
        .filter(lambda line: not line.startswith("#"))
        .flat_map(lambda line: line.split(":"))
        .map(lambda token: (token, 1))
    )
    assert_drawn_like(drawn(words.join(words).map(print)), "plan3.dot")


def test_golden_plan_4() -> None:
    flow = new_flow()
    left, right = (
        flow.source(lambda: ["a b"], 3)
        .flat_map(str.split)
        .map(lambda word: (word, 1))
        .sort()
        .local_reduce_by_key(add)
        for _ in range(2)
    )
    assert_drawn_like(drawn(left.join(right).map(print)), "plan4.dot")


def test_the_comparison_can_fail() -> None:
    dataset = new_flow().source(lambda: [1], 2).filter(bool).map(abs).reduce(max).map(abs)
    with pytest.raises(AssertionError):
        assert_drawn_like(plan_of(dataset), "plan1.dot")


def test_a_slice_is_drawn_as_an_input_and_what_is_kept_as_an_output() -> None:
    dataset = new_flow().slice([1, 2], 2).map(abs)
    drawing = Drawing(to_dot(plan_of(dataset, stored=True)))
    assert drawing.edges == Counter(
        [
            ("input0", "Input0_0_2"),
            ("input0", "Input0_1_2"),
            ("Map1_0_2", "d1_0"),
            ("Map1_1_2", "d1_1"),
            ("d1_0", "output1"),
            ("d1_1", "output1"),
        ]
    )
    assert (
        drawing.shapes["input0", "doublecircle"] == drawing.shapes["output1", "doublecircle"] == 1
    )
    assert ("start", "Mdiamond") not in drawing.shapes


def test_every_slice_has_an_input_of_its_own() -> None:
    flow = new_flow()
    edges = Drawing(to_dot(plan_of(flow.slice([1]), flow.slice([2])))).edges
    assert edges["input0", "Input0"] == edges["input1", "Input1"] == 1


def test_a_dataset_without_readers_runs_to_its_end() -> None:
    drawing = Drawing(to_dot(plan_of(new_flow().slice([1], 2))))
    assert drawing.edges["Input0_0_2", "end"] == drawing.edges["Input0_1_2", "end"] == 1


# --- fusion ------------------------------------------------------------------------------------


def test_row_steps_fuse_up_to_the_next_exchange() -> None:
    flow = new_flow()
    dataset = flow.source(lambda: [1], 3).map(abs).filter(bool).partition(2).map(abs).reduce(max)
    assert groups(plan_of(dataset)) == [
        "Source0 x1",
        "Map1>Filter2>Partition_scatter3 x3",
        "Partition_collect4>Map5>LocalReduce6 x2",
        "MergeReduce7 x1 !",
    ]


def test_one_shard_fuses_through_everything_that_keeps_one_task() -> None:
    dataset = new_flow().source(lambda: [1], 1).sort().map(abs).reduce(max)
    assert groups(plan_of(dataset)) == [
        "Source0>LocalSort1>MergeSorted2>Map3>LocalReduce4>MergeReduce5 x1 !"
    ]


def test_two_readers_end_a_group() -> None:
    flow = new_flow()
    shared = flow.slice([1], 2).map(abs)
    left, right = shared.map(abs), shared.filter(bool)
    assert groups(plan_of(left, right)) == ["Input0>Map1 x2", "Map2 x2 !", "Filter3 x2 !"]
    assert groups(plan_of(left)) == ["Input0>Map1>Map2 x2 !"]


def test_a_target_in_the_middle_ends_a_group() -> None:
    flow = new_flow()
    middle = flow.slice([1], 2).map(abs)
    end = middle.map(abs)
    assert groups(plan_of(middle, end, stored=True)) == ["Input0>Map1 x2", "Map2 x2"]


def test_only_ancestors_are_planned() -> None:
    flow = new_flow()
    one, two = flow.slice([1]).map(abs), flow.slice([2]).map(abs)
    two.map(abs)
    assert groups(plan_of(one)) == ["Input0>Map1 x1 !"]
    assert groups(plan_of(two)) == ["Input2>Map3 x1 !"]


def test_stored_says_whether_the_driver_wants_the_rows() -> None:
    dataset = new_flow().slice([1]).map(abs)
    assert groups(plan_of(dataset, stored=True)) == ["Input0>Map1 x1"]


def test_a_run_passes_by_what_only_collects() -> None:
    flow = new_flow()
    left, right = flow.source(lambda: [1], 3), flow.source(lambda: [1], 2)
    dataset = left.join(right).map(print)
    assert groups(drawn(dataset)) == [
        "Source0 x1",
        "Source1 x1",
        "Partition_scatter2 x3",
        "Partition_collect3>LocalSort4 x3",
        "Partition_scatter5 x2",
        "Partition_collect6>LocalSort7 x3",
        "JoinPartitionedSorted8>Map9 x3 !",
    ]
    plan = plan_of(dataset)
    assert groups(plan) == [
        "Source0 x1",
        "Source1 x1",
        "Partition_scatter2 x3",
        "Partition_scatter5 x2",
        "JoinPartitionedSorted8>Map9 x3 !",
    ]
    assert [list(each.groups) for each in plan.step_groups] == [
        [0],
        [1],
        [2, 3, 4],
        [5, 6],
        [7, 8, 9],
    ]
    first, second = plan.task_group(8).reads
    assert [(ref.group, ref.dataset, ref.shard) for ref in first] == [
        (2, 2, 3),
        (3, 2, 4),
        (4, 2, 5),
    ]
    assert [(ref.group, ref.dataset, ref.shard) for ref in second] == [(5, 5, 2), (6, 5, 3)]


def test_collecting_groups_stay_if_requested_or_read_otherwise() -> None:
    parted = new_flow().slice([1], 3).partition(2)
    self_joined = parted.join(parted)
    assert groups(plan_of(self_joined)) == [
        "Input0>Partition_scatter1 x3",
        "JoinPartitionedSorted4 x2 !",
    ]
    assert "Partition_collect2>LocalSort3 x2" not in groups(plan_of(self_joined))
    assert "Partition_collect2 x2" in groups(plan_of(parted, self_joined, stored=True))
    small = parted.broadcast_join(parted)
    assert groups(plan_of(small))[1:] == ["Partition_collect2 x2", "BroadcastJoin5 x2 !"]


# --- shards ------------------------------------------------------------------------------------


def test_task_groups_are_numbered_in_order_and_named() -> None:
    plan = plan_of(new_flow().source(lambda: [1], 3).map(abs).reduce(max))
    assert plan.group_count == 5
    found = [plan.task_group(n) for n in range(5)]
    assert [(each.number, each.step_group.number) for each in found] == [
        *((0, 0), (1, 1), (2, 1), (3, 1), (4, 2))
    ]
    assert [each.task for each in found] == [0, 0, 1, 2, 0]
    line = plan.step_groups[2].steps[0].location
    assert line.startswith("test_plan.py:")
    assert plan.task_group(2).label == f"Map1>LocalReduce2 ({line}) task 1 of 3"
    assert plan.task_group(4).label == f"MergeReduce3 ({line})"
    assert [list(each.groups) for each in plan.step_groups] == [[0], [1, 2, 3], [4]]


@given(writers=st.integers(1, 6), parts=st.integers(1, 6))
def test_every_shard_of_a_partition_is_written_once_and_read_once(writers: int, parts: int) -> None:
    dataset = new_flow().source(lambda: [1], writers).map(abs).partition(parts)
    plan = plan_of(dataset, stored=True)
    for step_group in plan.step_groups:
        written = [
            shard
            for task in range(step_group.task_count)
            for shard in shards_written(step_group, task)
        ]
        assert sorted(written) == list(range(step_group.output.shard_count))
    for reader in plan.step_groups[1:]:
        reads = [plan.task_group(group).reads for group in reader.groups]
        refs = [ref for edges in reads for edge in edges for ref in edge]
        for dataset_id in {ref.dataset for ref in refs}:
            shards = [ref.shard for ref in refs if ref.dataset == dataset_id]
            assert len(shards) == len(set(shards))
        for ref in refs:
            writer = plan.task_group(ref.group)
            assert writer.step_group.output.id == ref.dataset
            assert ref.shard in writer.writes


def test_a_collecting_task_reads_its_part_of_every_writer_in_order() -> None:
    plan = plan_of(new_flow().slice([1], 3).partition(2))
    first, second = plan.step_groups
    assert first.output.output_kind is OutputKind.SCATTER
    reads = [plan.task_group(group).reads for group in second.groups]
    assert [[ref.group for ref in edges[0]] for edges in reads] == [[0, 1, 2], [0, 1, 2]]
    assert [[ref.shard for ref in edges[0]] for edges in reads] == [[0, 1, 2], [3, 4, 5]]
    assert not second.inputs[0].is_pairwise


def test_a_slice_is_read_from_the_drivers_store() -> None:
    plan = plan_of(new_flow().slice(range(4), 2).map(abs), stored=True)
    reads = [plan.task_group(group).reads for group in range(2)]
    assert reads == [(((-1, 0, 0),),), (((-1, 0, 1),),)]
    assert [tuple(ref) for ref in plan.output_shards(plan.targets[0])] == [(0, 1, 0), (1, 1, 1)]


# --- fingerprint and run description ------------------------------------------------------------


def build(shards: int, *, negated: bool = False) -> Plan:
    dataset = new_flow().slice(range(4), shards)
    dataset = dataset.map(lambda row: -row) if negated else dataset.filter(lambda row: row)
    return plan_of(dataset.reduce(add))


def test_equal_flows_have_equal_fingerprints() -> None:
    assert describe(build(2)) == describe(build(2))
    assert describe(build(2)) == describe(build(2))


def test_the_difference_names_step_line_and_counts() -> None:
    driver = describe(build(2))
    text = difference(driver, describe(build(3)))
    assert "-Input0 at test_plan.py:" in text and ": 2 tasks" in text
    assert "+Input0 at test_plan.py:" in text and ": 3 tasks" in text
    text = difference(driver, describe(build(2, negated=True)))
    assert "-Filter1 at" in text and "+Map1 at" in text and "Input0" not in text
    assert difference(driver, driver) == ""


def test_a_run_description_travels_as_bytes() -> None:
    dataset = new_flow().text_file("x", 2).map(len)
    plan = plan_of(dataset, stored=True)
    description = RunDescription(
        run="ab12",
        run_number=3,
        flow=0,
        targets=(1,),
        sink=Sink.TEXT,
        memory_mb=64,
        listings={0: (InputFile("/tmp/ä\udcff", 1 << 40, 1_700_000_000_123_456_789),)},
        plan_text=describe(plan),
        host="here",
    )
    again = RunDescription.from_bytes(description.to_bytes())
    assert again == description
    assert isinstance(again.listings[0][0], InputFile)
    assert describe(again.plan(dataset._graph)) == describe(plan)


def test_channels_are_drawn_as_glow_draws_them() -> None:
    flow = Flow(["-glow.inline"])
    mapped = flow.channel(Channel(), shards=2).map(abs).add_output(Channel())
    graph = flow._graph
    outputs = [output.dataset for output in graph.outputs]
    lines = to_dot(make_plan(graph, [mapped._node], stored=False, outputs=outputs)).splitlines()
    assert [line.strip() for line in lines if "input" in line or "output" in line] == [
        "input0 [shape=doublecircle];",
        "input0 -> Input0_0_2;",
        "input0 -> Input0_1_2;",
        "output1 [shape=doublecircle];",
        "d1_0 -> output1;",
        "d1_1 -> output1;",
    ]


def test_streaming_groups_end_before_the_first_step_that_waits_for_all_rows() -> None:
    flow = Flow(["-glow.inline"])
    rows = flow.channel(Channel(), shards=2).map(lambda x: (x, x))
    parted = rows.partition(3).map(lambda pair: pair)
    sums = parted.reduce_by_key(lambda x, y: x + y)
    joined = rows.union(flow.slice([(1, 1)]))
    targets = [sums._node, joined._node, rows.sample(0.5, 1)._node]
    plan = make_plan(flow._graph, targets, stored=True)
    kinds = [(g.steps[0].name, g.is_streaming, g.is_streaming_source) for g in plan.step_groups]
    assert kinds == [
        ("Input", True, True),
        ("Partition_scatter", True, True),
        ("Partition_collect", True, False),
        ("MergeSorted", False, False),
        ("Input", False, False),
        ("Union", True, True),
        ("Sample", True, True),
    ]
    collect = plan.step_groups[2]
    assert [plan.mixes(collect, edge) for edge in collect.inputs] == [True]
