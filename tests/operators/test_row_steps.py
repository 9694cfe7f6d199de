"""map, flat_map and filter, on every runner."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.batch import in_one_run
from tests.runners import Runner


def test_map_gives_one_row_for_each_in_shard_order(new_flow: Runner) -> None:
    assert new_flow().slice(range(10), 3).map(lambda x: x * x).collect() == [
        x * x for x in range(10)
    ]


def test_map_keeps_none_and_every_other_false_row(new_flow: Runner) -> None:
    rows: list[Any] = [None, 0, "", (), [], False, {}]
    assert new_flow().slice(rows, 2).map(lambda row: row).collect() == rows
    assert new_flow().slice(range(3)).map(lambda row: None).collect() == [None] * 3
    assert new_flow().slice(rows).map(lambda row: None).count() == len(rows)


def test_flat_map_gives_none_one_or_many(new_flow: Runner) -> None:
    lines = ["a b", "", "c", "  d  e f "]
    assert new_flow().slice(lines, 2).flat_map(str.split).collect() == list("abcdef")
    assert new_flow().slice(lines).flat_map(lambda line: ()).collect() == []


def test_flat_map_takes_generator_functions_and_any_iterable(new_flow: Runner) -> None:
    def up_to(number: int) -> Iterable[int]:
        yield from range(number)

    flow = new_flow()
    assert flow.slice([2, 0, 3], 2).flat_map(up_to).collect() == [0, 1, 0, 1, 2]
    assert flow.slice([3]).flat_map(range).collect() == [0, 1, 2]
    assert flow.slice([{"k": 1}]).flat_map(lambda row: row.items()).collect() == [("k", 1)]


def test_filter_keeps_rows_for_which_the_result_is_true(new_flow: Runner) -> None:
    assert new_flow().slice(range(9), 4).filter(lambda x: x % 3).collect() == [1, 2, 4, 5, 7, 8]
    assert new_flow().slice(["", "x", None, [0]]).filter(bool).collect() == ["x", [0]]


def test_row_steps_after_one_another_are_applied_in_order(new_flow: Runner) -> None:
    dataset = (
        new_flow()
        .slice(["3 1", "x 2", ""], 2)
        .flat_map(str.split)
        .filter(str.isdigit)
        .map(int)
        .flat_map(lambda n: [n] * n)
        .filter(lambda n: n > 1)
        .map(lambda n: (n, -n))
    )
    assert dataset.collect() == [(3, -3)] * 3 + [(2, -2)] * 2


def test_more_steps_than_python_can_nest(new_flow: Runner) -> None:
    dataset = new_flow().slice(range(50), 2)
    for number in range(45):
        dataset = dataset.filter(lambda row, n=number: row != n).map(lambda row: row)
    assert dataset.collect() == [45, 46, 47, 48, 49]


test_in_one_run = in_one_run()
