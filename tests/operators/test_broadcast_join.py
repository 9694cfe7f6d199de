"""broadcast_join, on every runner."""

from __future__ import annotations

from typing import Any

import pytest

from glowpy.errors import TaskFailed
from tests.batch import in_one_run
from tests.runners import Runner

LEFT = [("b", 1), ("a", 2), ("b", 3), ("d", 4), (None, 5)]
RIGHT: list[Any] = [("c", "x"), ("b", "y"), ("a", "z"), ("b", "w"), (None, "n")]
INNER = [("b", 1, "y"), ("b", 1, "w"), ("a", 2, "z"), ("b", 3, "y"), ("b", 3, "w"), (None, 5, "n")]


@pytest.mark.parametrize("shards", [1, 2, 9])
def test_broadcast_join_keeps_shards_and_order_of_its_left_side(
    new_flow: Runner, shards: int
) -> None:
    flow = new_flow()
    dataset = flow.slice(LEFT, shards).broadcast_join(flow.slice(RIGHT, 3))
    assert dataset.shard_count == shards
    assert dataset.collect() == INNER


def test_broadcast_join_keeps_unmatched_rows_on_request(new_flow: Runner) -> None:
    flow = new_flow()
    dataset = flow.slice(LEFT, 2).broadcast_join(flow.slice(RIGHT), left_outer=True)
    assert dataset.collect() == [*INNER[:-1], ("d", 4, None), INNER[-1]]


def test_broadcast_join_of_nothing_and_with_itself(new_flow: Runner) -> None:
    flow = new_flow()
    empty, full = flow.slice([], 2), flow.slice([("k", 1), ("k", 2)], 2)
    assert empty.broadcast_join(full).collect() == full.broadcast_join(empty).collect() == []
    rows = full.broadcast_join(full).collect()
    assert rows == [("k", 1, 1), ("k", 1, 2), ("k", 2, 1), ("k", 2, 2)]


def test_a_partitioned_left_side_stays_partitioned(new_flow: Runner) -> None:
    flow = new_flow()
    dataset = flow.slice(LEFT, 2).partition(3).broadcast_join(flow.slice(RIGHT))
    assert repr(dataset.partition(3)) == repr(dataset)
    assert sorted(dataset.collect(), key=repr) == sorted(INNER, key=repr)


def test_nan_matches_nothing(new_flow: Runner) -> None:
    nan = float("nan")
    left = new_flow().slice(range(2)).map(lambda n: (nan, n))
    assert left.broadcast_join(left).collect() == []
    assert [row[1:] for row in left.broadcast_join(left, left_outer=True).collect()] == [
        (0, None),
        (1, None),
    ]


def test_wrong_rows_and_keys_are_shown(new_flow: Runner) -> None:
    flow = new_flow()
    good = flow.slice(LEFT)
    for left, right in ((good, flow.slice(["ab"])), (flow.slice(["ab"]), good)):
        with pytest.raises(
            TaskFailed, match=r"broadcast_join needs rows of \(key, value\)"
        ) as failure:
            left.broadcast_join(right).run()
        assert "BroadcastJoin" in str(failure.value) and "row: 'ab'" in str(failure.value)
    for left, right in ((good, flow.slice([([], 1)])), (flow.slice([([], 1)]), good)):
        with pytest.raises(TaskFailed, match=r"key \[\] cannot be hashed"):
            left.broadcast_join(right).run()


test_in_one_run = in_one_run()
