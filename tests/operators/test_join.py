"""join, its outer forms, and join_partitioned_sorted, on every runner."""

from __future__ import annotations

from typing import Any

import pytest

from glowpy import Dataset
from glowpy.errors import DefinitionError, TaskFailed
from tests.batch import in_one_run
from tests.operators.shards import shards_of
from tests.runners import Runner

Rows = list[tuple[Any, ...]]

LEFT = [("b", 1), ("a", 2), ("b", 3), ("d", 4)]
RIGHT = [("c", "x"), ("b", "y"), ("a", "z"), ("b", "w")]
BOTH: Rows = [("a", 2, "z"), ("b", 1, "y"), ("b", 1, "w"), ("b", 3, "y"), ("b", 3, "w")]
LEFT_ONLY: Rows = [("d", 4, None)]
RIGHT_ONLY: Rows = [("c", None, "x")]

FORMS = {
    "join": sorted(BOTH, key=lambda row: row[0]),
    "left_outer_join": sorted(BOTH + LEFT_ONLY, key=lambda row: row[0]),
    "right_outer_join": sorted(BOTH + RIGHT_ONLY, key=lambda row: row[0]),
    "full_outer_join": sorted(BOTH + LEFT_ONLY + RIGHT_ONLY, key=lambda row: row[0]),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_join_in_one_shard_is_in_key_order_then_left_then_right(
    new_flow: Runner, form: str
) -> None:
    flow = new_flow()
    dataset = getattr(flow.slice(LEFT), form)(flow.slice(RIGHT, 3))
    assert dataset.shard_count == 1
    assert dataset.collect() == FORMS[form]


@pytest.mark.parametrize("form", FORMS)
def test_a_join_has_the_shards_of_its_left_side(new_flow: Runner, form: str) -> None:
    flow = new_flow()
    dataset = getattr(flow.slice(LEFT, 3), form)(flow.slice(RIGHT, 2))
    assert dataset.shard_count == 3
    assert sorted(dataset.collect(), key=repr) == sorted(FORMS[form], key=repr)
    for shard in shards_of(dataset):
        keys = [row[0] for row in shard]
        assert keys == sorted(keys)


def test_a_join_with_itself(new_flow: Runner) -> None:
    dataset = new_flow().slice(LEFT, 2)
    rows = dataset.join(dataset).collect()
    expected = [(k, a, b) for k, a in LEFT for other, b in LEFT if k == other]
    assert sorted(rows) == sorted(expected)


def test_a_join_of_nothing(new_flow: Runner) -> None:
    flow = new_flow()
    empty, full = flow.slice([], 2), flow.slice(LEFT, 3)
    assert empty.join(full).collect() == full.join(empty).collect() == []
    assert sorted(empty.full_outer_join(full).collect()) == sorted((k, None, v) for k, v in LEFT)
    assert sorted(full.left_outer_join(empty).collect()) == sorted((k, v, None) for k, v in LEFT)


def test_joins_of_joins(new_flow: Runner) -> None:
    flow = new_flow()
    one, two = flow.slice([(n % 3, n) for n in range(6)], 2), flow.slice([(0, "x"), (1, "y")], 2)
    pairs = one.join(two).map(lambda key, number, text: (key, (number, text)))
    rows = pairs.join(two).map(lambda key, pair, text: (key, *pair, text)).collect()
    assert sorted(rows) == [(0, 0, "x", "x"), (0, 3, "x", "x"), (1, 1, "y", "y"), (1, 4, "y", "y")]


def test_keys_of_different_types_meet_where_they_are_equal(new_flow: Runner) -> None:
    flow = new_flow()
    left: list[Any] = [(1, "int"), (None, "none"), ("1", "str"), (0.0, "zero")]
    right: list[Any] = [(1.0, "float"), (True, "bool"), (None, "NONE"), (-0.0, "minus zero")]
    rows = flow.slice(left, 2).join(flow.slice(right, 2)).collect()
    assert sorted(rows, key=repr) == sorted(
        [
            (1, "int", "float"),
            (1, "int", "bool"),
            (None, "none", "NONE"),
            (0.0, "zero", "minus zero"),
        ],
        key=repr,
    )
    assert {type(key) for key, *_ in rows} == {int, type(None), float}, "the left side's key"


def test_nan_keys_match_nothing_and_are_not_lost(new_flow: Runner) -> None:
    nan = float("nan")
    numbers = new_flow().slice(range(2))
    left, right = numbers.map(lambda n: (nan, n)), numbers.map(lambda n: (nan, -n))
    assert left.join(right).collect() == left.join(left).collect() == []
    rows = left.full_outer_join(right).collect()
    assert sorted(str(row) for row in rows) == [
        "(nan, 0, None)",
        "(nan, 1, None)",
        "(nan, None, -1)",
        "(nan, None, 0)",
    ]


def test_one_key_on_both_sides_gives_every_combination(new_flow: Runner) -> None:
    flow = new_flow()
    left, right = flow.slice([("k", n) for n in range(300)], 2), flow.slice([("k", -1)] * 200, 2)
    assert left.join(right).count() == 60_000
    assert left.join(right).map(lambda key, a, b: a).reduce(lambda x, y: x + y).collect() == [
        200 * sum(range(300))
    ]


@pytest.mark.parametrize(
    ("flags", "form"),
    [
        ({}, "join"),
        ({"left_outer": True}, "left_outer_join"),
        ({"right_outer": True}, "right_outer_join"),
        ({"left_outer": True, "right_outer": True}, "full_outer_join"),
    ],
)
def test_join_partitioned_sorted_joins_shard_by_shard(
    new_flow: Runner, flags: dict[str, bool], form: str
) -> None:
    flow = new_flow()
    left, right = flow.slice(LEFT, 2).partition(3), flow.slice(RIGHT).partition(3)
    rows = left.join_partitioned_sorted(right, **flags).collect()
    assert sorted(rows, key=repr) == sorted(FORMS[form], key=repr)
    apart = flow.slice([(1, "a"), (2, "b")], 2).join_partitioned_sorted(
        flow.slice([(2, "x"), (1, "y")], 2)
    )
    assert apart.collect() == []


def test_invalid_joins_are_refused_at_the_users_line(new_flow: Runner) -> None:
    flow, other_flow = new_flow(), new_flow()
    dataset: Dataset = flow.slice(LEFT, 2)
    wrong: Any = LEFT
    with pytest.raises(DefinitionError, match=r"test_join\.py:\d+: join\(\) needs another dataset"):
        dataset.join(wrong)
    with pytest.raises(
        DefinitionError,
        match=r"left_outer_join\(\) needs two datasets of one flow.*; make both from one `flow =",
    ):
        dataset.left_outer_join(other_flow.slice(RIGHT))
    with pytest.raises(DefinitionError, match="these have 2 and 3 shards"):
        dataset.join_partitioned_sorted(flow.slice(RIGHT, 3))


def test_a_row_that_is_no_pair_and_a_key_without_hash_are_shown(new_flow: Runner) -> None:
    flow = new_flow()
    good = flow.slice(LEFT)
    with pytest.raises(
        TaskFailed, match=r"join needs rows of \(key, value\), but got 7"
    ) as failure:
        good.join(flow.slice([7])).run()
    assert "JoinPartitionedSorted" in str(failure.value)
    with pytest.raises(TaskFailed, match=r"key \{1\} cannot be hashed"):
        good.full_outer_join(flow.slice([({1}, 2)])).run()


test_in_one_run = in_one_run()
