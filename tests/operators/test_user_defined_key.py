"""reduce_by_user_defined_key, on every runner."""

from __future__ import annotations

from operator import add
from typing import Any

import pytest

from glowpy.errors import DefinitionError, TaskFailed
from tests.batch import in_one_run
from tests.runners import Runner

PAIRS = [("b", 1), ("A", 2), ("B", 3), ("c", 4), ("a", 5)]


@pytest.mark.parametrize("shards", [1, 2, 7])
def test_keys_are_equal_and_ordered_by_what_the_function_gives(
    new_flow: Runner, shards: int
) -> None:
    dataset = new_flow().slice(PAIRS, shards).reduce_by_user_defined_key(str.lower, add)
    assert dataset.shard_count == 1
    assert dataset.collect() == [("A", 7), ("b", 4), ("c", 4)], "the first of equal keys"
    reverse = new_flow().slice(PAIRS, shards).reduce_by_user_defined_key(lambda k: -ord(k), add)
    assert reverse.collect() == [("c", 4), ("b", 1), ("a", 5), ("B", 3), ("A", 2)]


def test_values_are_reduced_in_row_order(new_flow: Runner) -> None:
    pairs = [(n, str(n)) for n in range(10)]
    dataset = new_flow().slice(pairs, 3).reduce_by_user_defined_key(lambda n: n % 2, add)
    assert dataset.collect() == [(0, "02468"), (1, "13579")]


def test_keys_need_no_hash_of_their_own(new_flow: Runner) -> None:
    pairs: list[Any] = [[[1, 2], "a"], ({"x": 1}, "b"), ([2, 1], "c")]
    dataset = new_flow().slice(pairs, 2).reduce_by_user_defined_key(len, add)
    assert dataset.collect() == [({"x": 1}, "b"), ([1, 2], "ac")]


def test_invalid_keys_are_shown(new_flow: Runner) -> None:
    flow = new_flow()
    dataset = flow.slice([(1, 1), (0, 2)])
    with pytest.raises(TaskFailed, match="ZeroDivisionError") as failure:
        dataset.reduce_by_user_defined_key(lambda k: 1 // k, add).run()
    assert "row: (0, 2)" in str(failure.value) and "LocalSort" in str(failure.value)
    with pytest.raises(
        TaskFailed,
        match=r"the key function's result \[1\] cannot be hashed: .*; use a tuple",
    ):
        dataset.reduce_by_user_defined_key(lambda k: [k], add).run()
    with pytest.raises(TaskFailed, match="ZeroDivisionError") as failure:
        dataset.reduce_by_user_defined_key(lambda k: 0, lambda x, y: x // 0).run()
    assert "row: (0, 2)" in str(failure.value) and "LocalReduceByKey" in str(failure.value)
    with pytest.raises(TaskFailed, match=r"needs rows of \(key, value\), but got 7"):
        flow.slice([7]).reduce_by_user_defined_key(str, add).run()
    wrong: Any = add
    with pytest.raises(DefinitionError, match="calls its key function with a row"):
        dataset.reduce_by_user_defined_key(wrong, add)


test_in_one_run = in_one_run()
