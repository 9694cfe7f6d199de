"""distinct, on every runner."""

from __future__ import annotations

from typing import Any

import pytest

from glowpy.errors import TaskFailed
from tests.batch import in_one_run
from tests.operators.shards import shards_of
from tests.runners import Runner
from tests.ugly_rows import City, Colour, same


@pytest.mark.parametrize("shards", [1, 3, 20])
def test_distinct_gives_equal_rows_once(new_flow: Runner, shards: int) -> None:
    rows = [(number % 3, number % 5) for number in range(100)]
    dataset = new_flow().slice(rows, shards).distinct()
    assert dataset.shard_count == shards
    assert sorted(dataset.collect()) == sorted(set(rows))
    assert all(shard == sorted(shard) for shard in shards_of(dataset))


def test_rows_with_one_key_are_spread_all_the_same(new_flow: Runner) -> None:
    rows = [("k", number) for number in range(1000)]
    assert len(shards_of(new_flow().slice(rows, 3).distinct())) == 3


def test_distinct_of_rows_without_an_order_keeps_the_first(new_flow: Runner) -> None:
    rows: list[Any] = [None, 1, "a", True, None, 1.0, (), Colour.RED, "a", City("x", None), -0.0]
    expected = [None, 1, "a", (), Colour.RED, City("x", None), -0.0]
    flow = new_flow()
    for shards in (1, 2):
        found = flow.slice([*rows, City("x", None), 0], shards).distinct().collect()
        assert same(sorted(found, key=repr), sorted(expected, key=repr))


def test_nan_is_equal_to_nothing(new_flow: Runner) -> None:
    nan = float("nan")
    numbers = new_flow().slice(range(6), 2)
    assert numbers.map(lambda n: nan).distinct().count() == 6
    assert numbers.map(lambda n: (nan, "x")).distinct().count() == 6


def test_distinct_of_nothing_and_of_what_is_partitioned(new_flow: Runner) -> None:
    flow = new_flow()
    assert flow.slice([], 3).distinct().collect() == []
    parted = flow.slice([3, 1, 3, 2], 2).partition(2).distinct()
    assert sorted(parted.collect()) == [1, 2, 3]
    assert repr(parted.partition(2)) == repr(parted), "nothing is moved"


@pytest.mark.parametrize("shards", [1, 2])
def test_a_row_that_cannot_be_hashed_is_shown(new_flow: Runner, shards: int) -> None:
    dataset = new_flow().slice([1, (2, [3])], shards).distinct()
    with pytest.raises(
        TaskFailed, match=r"row \(2, \[3\]\) cannot be hashed: .*; use a tuple"
    ) as failure:
        dataset.run()
    assert "LocalDistinct" in str(failure.value)


test_in_one_run = in_one_run()
