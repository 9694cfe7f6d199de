"""reduce_by_key, on every runner."""

from __future__ import annotations

from collections import Counter
from operator import add
from typing import Any

import pytest

from glowpy.errors import TaskFailed
from tests.batch import in_one_run
from tests.operators.shards import WORDS, shards_of
from tests.runners import Runner
from tests.ugly_rows import Colour


@pytest.mark.parametrize("shards", [1, 3, 20])
def test_reduce_by_key_gives_one_pair_per_key_in_key_order(new_flow: Runner, shards: int) -> None:
    pairs = [(word, 1) for word in WORDS]
    dataset = new_flow().slice(pairs, shards).reduce_by_key(lambda x, y: x + y)
    assert dataset.shard_count == 1
    assert dataset.collect() == sorted(Counter(WORDS).items())


def test_reduce_by_key_reduces_the_values_in_row_order(new_flow: Runner) -> None:
    pairs = [(n % 2, str(n)) for n in range(10)]
    dataset = new_flow().slice(pairs, 3).reduce_by_key(lambda x, y: x + y)
    assert dataset.collect() == [(0, "02468"), (1, "13579")]


def test_reduce_by_key_takes_lists_and_gives_tuples(new_flow: Runner) -> None:
    dataset = new_flow().slice([["a", 1], ("a", 2)]).reduce_by_key(add)
    assert dataset.collect() == [("a", 3)]


def test_reduce_by_key_keeps_the_first_of_equal_keys(new_flow: Runner) -> None:
    dataset = new_flow().slice([(1, "a"), (1.0, "b"), (True, "c")], 2).reduce_by_key(add)
    rows = dataset.collect()
    assert rows == [(1, "abc")] and type(rows[0][0]) is int


def test_reduce_by_key_of_keys_without_an_order(new_flow: Runner) -> None:
    pairs = [(None, 1), ("a", 2), (3, 4), (None, 5), (("t",), 6), (Colour.RED, 1), ("a", 1)]
    rows = new_flow().slice(pairs, 3).reduce_by_key(add).collect()
    assert sorted(rows, key=repr) == sorted(
        [(None, 6), ("a", 3), (3, 4), (("t",), 6), (Colour.RED, 1)], key=repr
    )


def test_reduce_by_key_of_nothing_and_of_one_key(new_flow: Runner) -> None:
    flow = new_flow()
    assert flow.slice([], 2).reduce_by_key(add).collect() == []
    assert flow.slice([("k", 1)] * 100, 7).reduce_by_key(add).collect() == [("k", 100)]


def test_reduce_by_key_passes_values_that_are_none(new_flow: Runner) -> None:
    dataset = new_flow().slice([("k", None), ("k", None)]).reduce_by_key(lambda x, y: (x, y))
    assert dataset.collect() == [("k", (None, None))]


@pytest.mark.parametrize("shards", [1, 3])
def test_reduce_by_key_into_shards(new_flow: Runner, shards: int) -> None:
    pairs = [(word, 1) for word in WORDS]
    dataset = new_flow().slice(pairs, 2).reduce_by_key(add, shards=shards)
    assert dataset.shard_count == shards
    assert sorted(dataset.collect()) == sorted(Counter(WORDS).items())
    assert all(shard == sorted(shard) for shard in shards_of(dataset))


def test_reduce_by_key_of_what_is_partitioned_moves_nothing(new_flow: Runner) -> None:
    parted = new_flow().slice([(word, 1) for word in WORDS], 2).partition(3)
    reduced = parted.reduce_by_key(add, shards=3)
    assert repr(reduced.partition(3)) == repr(reduced)
    names = [step.name for step in reduced._graph.steps]
    assert names[1:] == ["Partition_scatter", "Partition_collect", "LocalSort", "LocalReduceByKey"]
    assert sorted(reduced.collect()) == sorted(Counter(WORDS).items())


def test_nan_keys_match_nothing(new_flow: Runner) -> None:
    nan = float("nan")
    numbers = new_flow().slice(range(3))
    for key in (nan, (nan, "x"), ("x", (1, nan))):
        rows = numbers.map(lambda n, key=key: (key, n)).reduce_by_key(add).collect()
        assert sorted(value for _key, value in rows) == [0, 1, 2]
        assert {type(row[0]) for row in rows} == {type(key)}
    keyed = numbers.map(lambda n: (nan, n)).reduce_by_user_defined_key(lambda key: key, add)
    assert sorted(value for _key, value in keyed.collect()) == [0, 1, 2]


def test_local_reduce_by_key_reduces_each_shard_by_itself(new_flow: Runner) -> None:
    dataset = new_flow().slice([("b", 1), ("a", 2), ("b", 3), ("b", 4)], 2)
    assert dataset.local_reduce_by_key(add).collect() == [("a", 2), ("b", 1), ("b", 7)]


@pytest.mark.parametrize("row", [("k", 1, 2), ("k",), "ab", 7, None, {"k": 1}])
def test_reduce_by_key_shows_a_row_that_is_no_pair(new_flow: Runner, row: Any) -> None:
    dataset = new_flow().slice([("a", 1), row], 1).reduce_by_key(add)
    with pytest.raises(TaskFailed, match=r"reduce_by_key needs rows of \(key, value\)") as failure:
        dataset.collect()
    assert repr(row) in str(failure.value)


def test_reduce_by_key_shows_a_key_that_cannot_be_hashed(new_flow: Runner) -> None:
    dataset = new_flow().slice([(["a", "b"], 1)]).reduce_by_key(add)
    with pytest.raises(TaskFailed, match=r"\['a', 'b'\] cannot be hashed") as failure:
        dataset.run()
    assert "LocalReduceByKey" in str(failure.value) and "test_reduce_by_key.py:" in str(
        failure.value
    )


test_in_one_run = in_one_run()
