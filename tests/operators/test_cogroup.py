"""cogroup and cogroup_partitioned_sorted, on every runner."""

from __future__ import annotations

import pytest

from glowpy.errors import DefinitionError
from tests.batch import in_one_run
from tests.operators.shards import shards_of
from tests.runners import Runner

LEFT = [("b", 1), ("a", 2), ("b", 3), ("d", 4)]
RIGHT = [("c", "x"), ("b", "y"), ("b", "w")]
GROUPS = [("a", [2], []), ("b", [1, 3], ["y", "w"]), ("c", [], ["x"]), ("d", [4], [])]


def test_cogroup_gives_every_key_of_either_side_in_order(new_flow: Runner) -> None:
    flow = new_flow()
    assert flow.slice(LEFT).cogroup(flow.slice(RIGHT, 2)).collect() == GROUPS
    dataset = flow.slice(LEFT, 3).cogroup(flow.slice(RIGHT))
    assert dataset.shard_count == 3
    assert sorted(dataset.collect()) == GROUPS
    assert all(shard == sorted(shard) for shard in shards_of(dataset))


def test_cogroup_of_nothing_and_with_itself(new_flow: Runner) -> None:
    flow = new_flow()
    empty, full = flow.slice([], 2), flow.slice([("k", 1), ("k", 2)])
    assert empty.cogroup(empty).collect() == []
    assert empty.cogroup(full).collect() == [("k", [], [1, 2])]
    assert full.cogroup(full).collect() == [("k", [1, 2], [1, 2])]


def test_cogroup_partitioned_sorted_takes_shards_as_they_lie(new_flow: Runner) -> None:
    flow = new_flow()
    left, right = flow.slice([(1, "a"), (2, "b")], 2), flow.slice([(2, "x"), (1, "y")], 2)
    assert left.cogroup_partitioned_sorted(right).collect() == [
        (1, ["a"], []),
        (2, [], ["x"]),
        (1, [], ["y"]),
        (2, ["b"], []),
    ]
    with pytest.raises(DefinitionError, match="these have 2 and 5 shards"):
        left.cogroup_partitioned_sorted(right.partition(5))


test_in_one_run = in_one_run()
