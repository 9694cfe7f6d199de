"""Operators over whole shards, and terminal calls, on every runner."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from glowpy import Channel, Flow
from glowpy.errors import DefinitionError, GlowError, TaskFailed
from glowpy.flow.graph import EdgeKind
from glowpy.planner.dot import to_dot
from glowpy.planner.explain import explain
from glowpy.planner.fusion import make_plan
from glowpy.planner.plan import shards_read
from tests.batch import in_one_run
from tests.operators.shards import WORDS, shards_of
from tests.runners import ON_EVERY_RUNNER, ON_OTHER_RUNNERS, Runner


def inline() -> Flow:
    return Flow(["-glow.inline"])


# --- map_partitions ------------------------------------------------------------------------------


@ON_EVERY_RUNNER
def test_map_partitions_is_called_once_for_each_shard(new_flow: Runner, tmp_path: Path) -> None:
    def use(rows: Iterator[int], shard: int) -> Iterable[tuple[int, int]]:
        (tmp_path / str(shard)).touch(exist_ok=False)
        return [(shard, sum(rows))]

    assert new_flow().slice(range(10), 4).map_partitions(use).collect() == [
        (0, 1),
        (1, 9),
        (2, 11),
        (3, 24),
    ]
    assert len(list(tmp_path.iterdir())) == 4


def test_map_partitions_is_lazy_at_both_ends(tmp_path: Path) -> None:
    seen: list[str] = []

    def source() -> Iterator[int]:
        for number in range(100_000):
            seen.append("in")
            yield number

    def use(rows: Iterator[int]) -> Iterator[int]:
        seen.append("set up")
        for row in rows:
            seen.append("out")
            yield row

    assert inline().source(source, 1).map_partitions(use).take(3) == [0, 1, 2]
    assert seen.count("set up") == 1 and len(seen) < 1000


def test_map_partitions_may_leave_rows_and_add_rows(new_flow: Runner) -> None:
    rows = new_flow().slice(range(100_000), 2)
    assert rows.map_partitions(lambda rows: [next(rows), "end"]).collect() == [
        *(0, "end"),
        *(50_000, "end"),
    ]
    assert rows.map_partitions(lambda rows: ()).collect() == []
    assert (
        new_flow().slice([], 2).map_partitions(lambda rows: [len(list(rows))]).collect() == [0] * 2
    )


@pytest.mark.parametrize("given", [None, 7])
def test_map_partitions_that_gives_no_rows(new_flow: Runner, given: Any) -> None:
    with pytest.raises(TaskFailed, match=f"MapPartitions1 .* an iterable of rows .* got {given}"):
        new_flow().slice([1]).map_partitions(lambda rows: given).collect()


def swallow(rows: Iterator[Any]) -> Iterator[Any]:
    try:
        yield from rows
    except Exception:  # noqa: BLE001 - the mistake under test
        yield "all is well"


def replace(rows: Iterator[Any]) -> Iterator[Any]:
    try:
        yield from rows
    except Exception as exc:
        raise KeyError("something else") from exc


@pytest.mark.parametrize("use", [swallow, replace, lambda rows: list(swallow(rows))])
def test_a_failure_before_map_partitions_names_its_step(new_flow: Runner, use: Any) -> None:
    rows = new_flow().slice([1, 0]).map(lambda row: 1 / row).map_partitions(use)
    with pytest.raises(TaskFailed, match=r"^Map1 .*ZeroDivisionError"):
        rows.collect()


def test_errors_in_map_partitions_are_reported(new_flow: Runner) -> None:
    def use(rows: Iterator[int]) -> Iterator[int]:
        yield next(rows)
        raise OSError("the tape is torn")

    with pytest.raises(TaskFailed, match=r"^MapPartitions1 .*OSError: the tape is torn"):
        new_flow().slice([1]).map_partitions(use).collect()


@pytest.mark.parametrize("function", [lambda: [1], lambda a, b, c: [], 7, None])
def test_functions_that_map_partitions_cannot_call(function: Any) -> None:
    with pytest.raises(DefinitionError, match=r"^test_shard_steps\.py:\d+: map_partitions\(\)"):
        inline().slice([1]).map_partitions(function)


# --- folds ---------------------------------------------------------------------------------------


def test_local_and_merge_reduce_are_the_halves_of_reduce(new_flow: Runner) -> None:
    rows = new_flow().slice("abcdefg", 3)

    def pair(left: str, right: str) -> str:
        return f"({left}{right})"

    assert rows.local_reduce(pair).collect() == ["(ab)", "(cd)", "((ef)g)"]
    assert rows.merge_reduce(pair).collect() == ["((((((ab)c)d)e)f)g)"]
    assert rows.local_reduce(pair).merge_reduce(pair).collect() == rows.reduce(pair).collect()
    assert rows.local_reduce(pair).shard_count == 3 and rows.merge_reduce(pair).shard_count == 1


# --- layout --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "after"), [(1, 1), (1, 4), (3, 2), (4, 1), (5, 5)])
def test_round_robin_lays_rows_out_evenly(new_flow: Runner, before: int, after: int) -> None:
    rows = new_flow().slice(range(103), before).round_robin(after)
    assert rows.shard_count == after
    shards = shards_of(rows)
    assert sorted(row for shard in shards for row in shard) == list(range(103))
    sizes = [len(shard) for shard in shards]
    assert max(sizes) - min(sizes) <= 1 + (before > 1) * 2
    assert all(shard == sorted(shard) for shard in shards)


def test_round_robin_of_many_short_shards_does_not_pile_up(new_flow: Runner) -> None:
    assert len(shards_of(new_flow().slice(range(12), 12).round_robin(4))) == 4


def test_dealt_rows_are_dealt_again(new_flow: Runner) -> None:
    rows = new_flow().slice(range(5), 2).round_robin(1).round_robin(3)
    assert rows.collect() == [0, 3, 1, 4, 2]
    assert rows.round_robin(4).collect() == [0, 3, 1, 4, 2]
    assert rows.partition(2).round_robin(2).count() == 5


def test_union_puts_shards_side_by_side(new_flow: Runner) -> None:
    flow = new_flow()
    words, numbers = flow.slice(WORDS, 2), flow.slice(range(5), 3)
    both = words.union(numbers)
    assert both.shard_count == 5
    assert shards_of(both) == [*shards_of(words), *shards_of(numbers)]
    assert both.count() == len(WORDS) + 5
    assert words.union().collect() == WORDS
    assert words.union(words).collect() == WORDS * 2
    assert both.union(both, numbers).map(str).count() == 2 * (len(WORDS) + 5) + 5
    assert sorted(numbers.union(numbers).partition(2).collect()) == sorted([*range(5)] * 2)
    assert words.union(words.filter(lambda word: False)).sort().collect() == sorted(WORDS)


def test_steps_behind_a_union_run_in_its_tasks() -> None:
    flow = inline()
    rows = flow.slice([1], 2).union(flow.slice([2], 3)).map(str).local_reduce(max)
    plan = make_plan(rows._graph, [rows._node], stored=True)
    assert [[step.name for step in each.steps] for each in plan.step_groups] == [
        ["Input"],
        ["Input"],
        ["Union", "Map", "LocalReduce"],
    ]
    union = plan.step_groups[-1]
    assert [edge.edge.kind for edge in union.inputs] == [EdgeKind.OFFSET] * 2
    reads = [
        [(ref.group, ref.shard) for edge in plan.task_group(g).reads for ref in edge]
        for g in union.groups
    ]
    assert reads == [[(0, 0)], [(1, 1)], [(2, 0)], [(3, 1)], [(4, 2)]]
    dot = to_dot(plan)
    for group, shard in ((0, "d0_0"), (1, "d0_1"), (2, "d1_0"), (3, "d1_1"), (4, "d1_2")):
        assert f"{shard} -> Union2_{group}_5;" in dot
    assert dot.count(" -> Union2_") == 5
    assert "reads   2 shards of Input0, offset: each goes to a task of its own" in explain(plan)


def test_union_of_what_cannot_be_put_together() -> None:
    rows = inline().slice([1])
    with pytest.raises(DefinitionError, match=r"test_shard_steps\.py:\d+: union\(\) needs two"):
        rows.union(inline().slice([1]))
    with pytest.raises(DefinitionError, match=r"union\(\) needs another dataset, not \[1\]"):
        rows.union([1])  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match="at most 100000 shards"):
        rows.round_robin(60_000).union(rows.round_robin(60_000))


# --- sample --------------------------------------------------------------------------------------


def test_sample_draws_the_same_again(new_flow: Runner) -> None:
    flow = new_flow()
    rows = flow.slice(range(2000), 3)
    drawn = rows.sample(0.3, 7).collect()
    assert drawn == rows.sample(0.3, 7).collect() == rows.map(lambda r: r).sample(0.3, 7).collect()
    assert drawn == inline().slice(range(2000), 3).sample(0.3, 7).collect(), "as inline"
    assert drawn == sorted(set(drawn)) and 500 < len(drawn) < 700
    assert drawn != rows.sample(0.3, 8).collect()
    assert rows.sample(0, 1).collect() == [] and rows.sample(1, 1).count() == 2000
    assert rows.sample(0.3, 7).count() == len(drawn)


@pytest.mark.parametrize(
    ("fraction", "seed"),
    [(-0.1, 0), (1.1, 0), (float("nan"), 0), ("x", 0), (0.5, "x"), (0.5, None)],
)
def test_a_sample_that_is_none(fraction: Any, seed: Any) -> None:
    with pytest.raises(DefinitionError, match=r"^test_shard_steps\.py:\d+: sample\(\) needs"):
        inline().slice([1]).sample(fraction, seed)


# --- ends ----------------------------------------------------------------------------------------


TOP_ROWS = [(number * 7919 % 1000, number) for number in range(30_000)]


def test_top_is_the_end_of_a_sort() -> None:
    flow = inline()
    rows = TOP_ROWS
    pairs = flow.slice(rows, 3)
    for count in (0, 1, 5, 40_000):
        assert pairs.top(count) == sorted(rows, reverse=True)[:count]
        by_first = sorted(rows, key=lambda row: row[0], reverse=True)[:count]
        assert pairs.top(count, key=lambda row: row[0]) == by_first
    assert pairs.top(3, key=lambda row: -row[1]) == rows[:3]
    assert flow.slice([], 2).top(3) == []
    with pytest.raises(TaskFailed, match=r"LocalTop\d+ .* top cannot order its keys: .*'a'"):
        flow.slice([1, "a"]).top(1)
    with pytest.raises(TaskFailed, match=r"MergeTop\d+ .* top cannot order its keys"):
        flow.slice([1, "a"], 2).top(1)
    with pytest.raises(TaskFailed, match=r"LocalTop\d+ .*: TypeError: unsupported") as failure:
        flow.slice([None]).top(1, key=lambda row: row + 1)
    assert "row: None" in str(failure.value)


@ON_OTHER_RUNNERS
def test_top_on_every_runner(new_flow: Runner) -> None:
    rows = TOP_ROWS[:6000]
    by_first = sorted(rows, key=lambda row: row[0], reverse=True)
    assert new_flow().slice(rows, 3).top(5, key=lambda row: row[0]) == by_first[:5]


@ON_EVERY_RUNNER
def test_for_each_calls_its_function_and_gives_nothing(new_flow: Runner, tmp_path: Path) -> None:
    flow = new_flow()

    def note(left: int, right: str) -> str:
        (tmp_path / right).write_text(str(left))
        return "dropped"

    assert flow.slice([(1, "a"), (2, "b")], 2).for_each(note) is None  # type: ignore[func-returns-value]
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {"a": "1", "b": "2"}
    with pytest.raises(TaskFailed, match=r"ForEach\d+ \(test_shard_steps\.py:\d+\) .*ZeroDiv"):
        flow.slice([0]).for_each(lambda row: 1 / row)


def yields(row: Any) -> Iterator[Any]:
    yield row


@pytest.mark.parametrize("function", [yields, lambda: None, 7])
def test_functions_that_for_each_cannot_call(function: Any) -> None:
    with pytest.raises(DefinitionError, match=r"^test_shard_steps\.py:\d+: for_each\(\)"):
        inline().slice([1]).for_each(function)


@ON_EVERY_RUNNER
def test_no_later_run_runs_the_steps_of_a_call(new_flow: Runner, tmp_path: Path) -> None:
    flow = new_flow()

    def noted(row: int) -> int:
        (tmp_path / f"map {row}").touch()
        return row

    rows = flow.slice([1, 2]).map(noted)
    rows.for_each(lambda row: (tmp_path / f"call {row}").touch())
    assert rows.top(1) == [2]
    names = [each.name for each in tmp_path.iterdir()]
    assert sorted(names) == ["call 1", "call 2", "map 1", "map 2"]
    for name in names:
        (tmp_path / name).unlink()
    flow.run()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["map 1", "map 2"]


@ON_EVERY_RUNNER
def test_save_bytes_puts_nothing_between_rows(new_flow: Runner, tmp_path: Path) -> None:
    path = tmp_path / "out"
    rows: list[Any] = [b"\x00\xff", b"", bytearray(b"\n"), b"x" * 3_000_000]
    new_flow().slice(rows, 2).save_bytes_to_file(path)
    assert path.read_bytes() == b"".join(rows)
    with pytest.raises(TaskFailed, match=r"needs rows of bytes, but got 'text'.*save_text_to_file"):
        new_flow().slice([b"a", "text"]).save_bytes_to_file(path)
    assert path.read_bytes() == b"".join(rows) and list(tmp_path.iterdir()) == [path]
    with pytest.raises(GlowError, match=r"save_bytes_to_file\(\) needs a path, not ''"):
        new_flow().slice([b"a"]).save_bytes_to_file("")


@pytest.mark.parametrize("before, after", [(7, 3), (5, 1), (4, 4), (3, 9)])
def test_coalesce_joins_consecutive_shards(new_flow: Runner, before: int, after: int) -> None:
    fewer = new_flow().slice(range(70), before).coalesce(after)
    assert fewer.shard_count == min(before, after)
    assert fewer.collect() == list(range(70))
    sizes = [len(shard) for shard in shards_of(fewer)]
    assert max(sizes) - min(sizes) <= -(-70 // before), sizes


def test_coalesce_moves_no_row_between_tasks_and_drops_the_mark_of_partition() -> None:
    flow = Flow([])
    fewer = flow.slice([(1, 2)], 6).partition(4).coalesce(2)
    plan = make_plan(fewer._graph, [fewer._node], stored=True)
    edge = plan.step_groups[-1].inputs[0]
    assert edge.edge.kind is EdgeKind.CONSECUTIVE
    assert [shards_read(edge, task) for task in range(2)] == [range(2), range(2, 4)]
    assert "each task gets some that follow one another" in explain(plan)
    assert [step.name for step in fewer.group_by_key()._graph.steps].count("Partition_collect") == 2


def test_limit_is_the_first_rows_in_shard_order(new_flow: Runner, tmp_path: Path) -> None:
    flow = new_flow()
    rows = flow.slice(range(40), 4)
    for count in (0, 3, 15, 99):
        first = rows.limit(count)
        assert first.shard_count == 1
        assert first.collect() == list(range(40))[:count]
    assert rows.sort(reverse=True).limit(5).map(str).reduce(lambda x, y: x + y).collect() == [
        "3938373635"
    ]
    assert flow.source(count_for_ever, 1).limit(3).count() == 3, "an endless source ends"


def count_for_ever() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1


@ON_EVERY_RUNNER
def test_limit_of_a_channel_takes_the_first_rows_and_lets_its_sender_go_on(
    new_flow: Runner,
) -> None:
    numbers, firsts = Channel(capacity=4), Channel()
    flow = new_flow()
    flow.channel(numbers).limit(2).add_output(firsts)
    run = flow.start()
    numbers.send(7)
    assert firsts.receive(timeout_s=60) == 7, "while the channel is open"
    for number in range(50):
        numbers.send(number, timeout_s=60)
    numbers.close()
    assert list(firsts) == [0]
    run.wait(60)


@pytest.mark.parametrize("operator", ["coalesce", "limit"])
def test_arguments_that_coalesce_and_limit_refuse(operator: str) -> None:
    rows = Flow([]).slice([1], 2)
    with pytest.raises(DefinitionError, match=rf"^test_shard_steps\.py:\d+: {operator}\(\) needs"):
        getattr(rows, operator)(-1 if operator == "limit" else 0)


test_in_one_run = in_one_run()
