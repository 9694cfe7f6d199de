"""take: the first rows in shard order, computing only the necessary rows, on every runner."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from glowpy import Dataset, Flow
from glowpy.errors import DefinitionError, TaskFailed
from glowpy.planner.fusion import make_plan
from glowpy.resources import cores
from tests.runners import ON_EVERY_RUNNER, ON_THE_CLUSTER, ON_THIS_MACHINE, Runner

CLUSTER_EXECUTORS = 3  # of the fixture's

MakeRows = Callable[[Flow], Dataset]


def marked(path: Path, row: Any) -> Any:
    """Return the row and write a mark to a file of the row."""
    with (path / str(row)).open("ab", 0) as file:
        file.write(b".")
    return row


def calls(path: Path) -> dict[int, int]:
    """The number of computations of each row."""
    return {int(each.name): each.stat().st_size for each in path.iterdir()}


@ON_EVERY_RUNNER
def test_take_gives_the_first_rows_in_shard_order(new_flow: Runner) -> None:
    rows = new_flow().slice(range(10), 3)
    for count in (1, 3, 4, 10, 11) if new_flow.is_inline else (4,):
        assert rows.take(count) == list(range(10))[:count]
    assert rows.take(0) == []
    assert rows.filter(lambda row: row > 7).take(1) == [8]
    assert rows.filter(lambda row: row > 99).take(1) == []


@ON_THIS_MACHINE
def test_take_behind_every_kind_of_edge(new_flow: Runner) -> None:
    flow = new_flow()
    rows = flow.slice(range(20), 4)
    words = flow.slice("abcdef", 2)
    assert rows.sort(reverse=True).take(3) == [19, 18, 17]
    assert rows.union(words, rows.map(str)).map(lambda row: row).take(27)[18:] == [
        *(18, 19),
        *"abcdef",
        "0",
    ]
    assert rows.round_robin(3).map(lambda row: -row).take(4) == [0, -3, -7, -11]
    assert sorted(rows.partition(3).map(lambda row: row).take(50)) == list(range(20))
    assert words.union(words).take(8) == [*"abcdef", "a", "b"]
    assert flow.source(lambda: range(10), 4).map(str).take(9) == list("048159263")


ENDLESS: dict[str, tuple[MakeRows, list[Any]]] = {
    "one shard": (lambda flow: flow.source(itertools.count, 1), [0, 1, 2, 3, 4]),
    "several shards": (lambda flow: flow.source(itertools.count, 3), [0, 3, 6, 9, 12]),
    "steps in the loop": (
        lambda flow: flow.source(itertools.count, 1).filter(lambda n: n % 2).map(str),
        ["1", "3", "5", "7", "9"],
    ),
    "steps behind a deal": (
        lambda flow: flow.source(itertools.count, 3).filter(lambda n: n % 2).map(str),
        ["3", "9", "15", "21", "27"],
    ),
    "two deals": (
        lambda flow: flow.source(itertools.count, 2).round_robin(2).map(str),
        ["0", "4", "8", "12", "16"],
    ),
    "union": (
        lambda flow: flow.slice([-1]).union(flow.source(itertools.count, 1)),
        [-1, 0, 1, 2, 3],
    ),
    "union of deals": (
        lambda flow: flow.source(itertools.count, 2).union(flow.source(itertools.count, 2)),
        [0, 2, 4, 6, 8],
    ),
    "map_partitions": (
        lambda flow: flow.slice([7], 2).map_partitions(lambda rows: itertools.repeat(1)),
        [1] * 5,
    ),
    "pipe": (lambda flow: flow.slice([7]).pipe("yes").round_robin(2).map(len), [1] * 5),
}


@ON_THIS_MACHINE
@pytest.mark.parametrize("name", ENDLESS)
def test_an_endless_source_ends(name: str, new_flow: Runner) -> None:
    make, expected = ENDLESS[name]
    assert make(new_flow()).take(5) == expected


@ON_THE_CLUSTER
def test_an_endless_source_ends_on_a_cluster(new_flow: Runner) -> None:
    flow = new_flow()
    for name in ("steps behind a deal", "pipe"):
        make, expected = ENDLESS[name]
        assert make(flow).take(5) == expected, name


@ON_EVERY_RUNNER
def test_an_endless_source_is_partitioned(new_flow: Runner) -> None:
    rows = new_flow().source(itertools.count, 1).partition(3).map(lambda row: row).take(20)
    assert len(set(rows)) == 20 and rows == sorted(rows)


@pytest.mark.parametrize("name", ENDLESS)
def test_one_executor_is_enough(name: str) -> None:
    make, expected = ENDLESS[name]
    assert make(Flow(["-glow.workers=1"])).take(5) == expected


def patient(path: Path) -> Iterator[int]:
    """Rows that stop before the end of the iterator, which leaves a file when closed."""
    try:
        yield from range(5)
        raise AssertionError("more rows were asked for than are needed")
    finally:
        (path / "ended").touch()


@ON_EVERY_RUNNER
@pytest.mark.parametrize("shards", [1, 3])
def test_no_source_computes_more_rows_than_needed(
    shards: int, new_flow: Runner, tmp_path: Path
) -> None:
    rows = new_flow().source(partial(patient, tmp_path), shards)
    count = len(range(0, 5, shards))
    assert rows.map(lambda row: row + 1).take(count) == list(range(1, 6, shards))
    assert (tmp_path / "ended").exists(), "the source was not closed"


@ON_EVERY_RUNNER
def test_functions_are_called_once_for_each_row_that_is_needed(
    new_flow: Runner, tmp_path: Path
) -> None:
    flow = new_flow()
    assert flow.source(itertools.count, 3).map(partial(marked, tmp_path)).take(2) == [0, 3]
    found = calls(tmp_path)
    assert set(found.values()) == {1} and {0, 3} <= set(found) <= {0, 3, 6, 9, 12, 15}


@ON_EVERY_RUNNER
def test_shards_are_begun_in_their_order(new_flow: Runner, tmp_path: Path) -> None:
    rows = new_flow().slice(range(300), 100).map(partial(marked, tmp_path))
    assert rows.take(4) == [0, 1, 2, 3]
    # The number of groups that start before shards 0 and 1 are complete varies, but not the order:
    # gaps are at most the groups that were assigned and withdrawn before their start.
    begun = {row // 3 for row in calls(tmp_path)}
    assert {0, 1} <= begun
    # each executor may hold two
    assert len(set(range(max(begun))) - begun) <= 2 * max(CLUSTER_EXECUTORS, cores())
    assert set(calls(tmp_path).values()) <= {0, 1}  # 0: cancelled on the way


def refuse_large(row: int) -> int:
    if row >= 10:
        raise ValueError(f"{row} is too large")
    return row


@ON_EVERY_RUNNER
def test_a_failure_behind_the_last_row_needed_is_none(new_flow: Runner) -> None:
    rows = new_flow().slice(range(100), 10).map(refuse_large)
    for _ in range(1 if new_flow.name == "cluster" else 3):
        assert rows.take(10) == list(range(10))
    with pytest.raises(TaskFailed, match="10 is too large"):
        rows.take(11)


@ON_EVERY_RUNNER
def test_rows_behind_the_last_one_need_not_travel(new_flow: Runner) -> None:
    rows = new_flow().slice([1, 2]).map(lambda row: row if row == 1 else (n for n in [row]))
    assert rows.take(1) == [1]


@pytest.mark.parametrize("count", [-1, 1.0, True, "3", None])
def test_a_count_that_is_none(count: Any) -> None:
    with pytest.raises(DefinitionError, match=r"^test_take\.py:\d+: take\(\) needs a whole number"):
        Flow(["-glow.inline"]).slice([1]).take(count)


def test_take_runs_only_groups_before_a_barrier() -> None:
    flow = Flow(["-glow.inline"])
    once = flow.slice(range(4), 2)
    twice = flow.slice(range(4), 2)

    def groups(dataset: Dataset) -> list[str]:
        plan = make_plan(dataset._graph, [dataset._node], stored=True, limit=1)
        return [
            ">".join(step.name for step in each.steps) + f" x{each.task_count}"
            for each in plan.step_groups
        ]

    assert groups(once.union(flow.slice([1]))) == ["Input>Input>Union x3"]
    assert groups(twice.union(twice)) == ["Input x2", "Union x4"], "computed once, for two readers"
    assert groups(once.round_robin(3)) == ["Input>RoundRobin_scatter>RoundRobin_collect x1"]
    assert groups(once.partition(3)) == ["Input>Partition_scatter x2", "Partition_collect x3"]
    assert groups(flow.source(itertools.count, 1).partition(2)) == [
        "Source>Partition_scatter>Partition_collect x1"
    ]
    assert groups(once.sort()) == ["Input>LocalSort x2", "MergeSorted x1"]
