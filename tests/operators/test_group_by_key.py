"""group_by_key and local_group_by_key, on every runner."""

from __future__ import annotations

from typing import Any

import pytest

from glowpy.errors import TaskFailed
from tests.batch import in_one_run
from tests.operators.shards import shards_of
from tests.runners import Runner

PAIRS = [(number * 7 % 5, number) for number in range(40)]


@pytest.mark.parametrize("shards", [1, 3, 50])
def test_group_by_key_gives_a_list_per_key_in_row_order(new_flow: Runner, shards: int) -> None:
    dataset = new_flow().slice(PAIRS, shards).group_by_key()
    assert dataset.shard_count == shards
    expected = [(key, [n for k, n in PAIRS if k == key]) for key in range(5)]
    assert sorted(dataset.collect()) == expected


def test_each_shard_of_a_group_by_key_is_in_key_order(new_flow: Runner) -> None:
    pairs = [(number * 7919 % 1000, number) for number in range(1000)]
    shards = shards_of(new_flow().slice(pairs, 3).group_by_key())
    assert len(shards) == 3
    assert all(shard == sorted(shard) for shard in shards)


def test_group_by_key_of_keys_without_an_order(new_flow: Runner) -> None:
    pairs: list[Any] = [(None, 1), ("a", 2), (1, 3), (1.0, 4), (True, 5), (None, 6), ((), 7)]
    flow = new_flow()
    for shards in (1, 2):
        rows = flow.slice(pairs, shards).group_by_key().collect()
        assert sorted(rows, key=repr) == sorted(
            [(None, [1, 6]), ("a", [2]), (1, [3, 4, 5]), ((), [7])], key=repr
        )
        assert {type(key) for key, values in rows if key == 1} == {int}, "the first of equal keys"


def test_nan_keys_match_nothing(new_flow: Runner) -> None:
    nan = float("nan")
    rows = new_flow().slice(range(3)).map(lambda n: (nan, n)).local_group_by_key().collect()
    assert [values for _key, values in rows] == [[0], [1], [2]]
    rows = new_flow().slice(range(3)).map(lambda n: ((nan, "x"), n)).group_by_key().collect()
    assert [values for _key, values in rows] == [[0], [1], [2]]


def test_local_group_by_key_leaves_rows_in_their_shards(new_flow: Runner) -> None:
    dataset = new_flow().slice(["bx", "ay", "bz", "bw"], 2).map(lambda s: (s[0], s[1]))
    assert dataset.local_group_by_key().collect() == [
        ("a", ["y"]),
        ("b", ["x"]),
        ("b", ["z", "w"]),
    ]


def test_a_function_gets_the_key_and_the_list(new_flow: Runner) -> None:
    dataset = new_flow().slice([["k", 1], ("k", 2)]).group_by_key()
    assert dataset.map(lambda key, values: (key, max(values))).collect() == [("k", 2)]


@pytest.mark.parametrize("row", [("k", 1, 2), "ab", None, {"k": 1}])
def test_group_by_key_shows_a_row_that_is_no_pair(new_flow: Runner, row: Any) -> None:
    dataset = new_flow().slice([("a", 1), row]).group_by_key()
    with pytest.raises(TaskFailed, match=r"group_by_key needs rows of \(key, value\)") as failure:
        dataset.collect()
    assert f"row: {row!r}" in str(failure.value)
    assert "LocalGroupByKey" in str(failure.value)


@pytest.mark.parametrize("shards", [1, 2])
def test_group_by_key_shows_a_key_that_cannot_be_hashed(new_flow: Runner, shards: int) -> None:
    dataset = new_flow().slice([(1, 1), (["a", "b"], 1)], shards).group_by_key()
    with pytest.raises(TaskFailed, match=r"\['a', 'b'\] cannot be hashed"):
        dataset.run()


@pytest.mark.parametrize("shards", [1, 2])
def test_keys_hashed_by_address_are_refused(new_flow: Runner, shards: int) -> None:
    class Thing:
        pass

    dataset = new_flow().slice(range(3), shards).map(lambda n: (Thing(), n)).group_by_key()
    with pytest.raises(TaskFailed, match="define __eq__ and __hash__"):
        dataset.run()


test_in_one_run = in_one_run()
