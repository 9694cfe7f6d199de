"""partition, on every runner: equal keys are in the same shard."""

from __future__ import annotations

import math
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from operator import itemgetter
from typing import Any

import pytest

from glowpy.errors import TaskFailed
from tests.batch import in_one_run
from tests.operators.shards import WORDS, shards_of
from tests.runners import Runner
from tests.ugly_rows import City, Level, Metres, Name, Point


@pytest.mark.parametrize(("before", "after"), [(1, 4), (4, 1), (3, 5), (7, 2), (2, 2)])
def test_partition_keeps_every_row_and_brings_equal_keys_together(
    new_flow: Runner, before: int, after: int
) -> None:
    pairs = [(word, number) for number, word in enumerate(WORDS * 3)]
    dataset = new_flow().slice(pairs, before).partition(after)
    assert dataset.shard_count == after
    shards = shards_of(dataset)
    assert len(shards) <= after
    assert sorted(row for shard in shards for row in shard) == sorted(pairs)
    homes: dict[str, set[int]] = {}
    for number, shard in enumerate(shards):
        for word, _ in shard:
            homes.setdefault(word, set()).add(number)
    assert all(len(numbers) == 1 for numbers in homes.values())
    for shard in shards:  # rows of a key stay in the order of the source shards
        assert [n for _, n in sorted(shard, key=itemgetter(0))] == [
            n for _, n in sorted(shard, key=itemgetter(0, 1))
        ]


def test_integers_are_placed_by_their_remainder_as_in_glow(new_flow: Runner) -> None:
    shards = shards_of(new_flow().slice(range(-8, 400), 2).partition(4))
    assert shards == [[n for n in range(-8, 400) if n % 4 == part] for part in range(4)]


def test_texts_are_placed_in_all_shards(new_flow: Runner) -> None:
    assert len(shards_of(new_flow().slice(map(str, range(100)), 2).partition(4))) == 4


@pytest.mark.parametrize(
    "keys",
    [
        [1, 1.0, True, Metres(1), Level.LOW, Decimal(1), Fraction(1), 1 + 0j],
        ["a", Name("a")],
        [(1, None), (1.0, None), Point(1, None), (True, None)],
        [frozenset({1, "x"}), frozenset({"x", 1.0})],
        [-0.0, 0.0, 0, False],
        [City("Bonn", None), City("Bonn", None)],
        [None, None],
        [float("nan"), math.nan, -math.nan],
    ],
    ids=["numbers", "str", "tuples", "frozensets", "zeros", "dataclasses", "none", "nan"],
)
def test_equal_keys_of_different_types_land_together(new_flow: Runner, keys: list[Any]) -> None:
    rows = [(key, n) for n, key in enumerate(keys)]
    # one shard for each row: every key is hashed in a separate batch
    assert len(shards_of(new_flow().slice(rows, len(rows)).partition(64))) == 1


def test_partition_of_rows_that_are_their_own_key(new_flow: Runner) -> None:
    rows = [None, "a", 1, None, "a", 1.0]
    shards = shards_of(new_flow().slice(rows, 2).partition(3))
    assert Counter(row for shard in shards for row in shard) == Counter(rows)
    assert all(sum(row in shard for shard in shards) == 1 for row in rows)


def test_partition_of_nothing(new_flow: Runner) -> None:
    assert new_flow().slice([], 3).partition(2).collect() == []


@pytest.mark.parametrize("row", [{"a": 1}, [["x"], 2], {1, 2}, bytearray(b"k"), (1, [2])])
def test_partition_shows_a_key_that_cannot_be_hashed(new_flow: Runner, row: Any) -> None:
    rows = [row if not isinstance(row, tuple) else (row, 0)]
    with pytest.raises(TaskFailed, match=r"cannot be hashed: unhashable type") as failure:
        new_flow().slice(rows).partition(2).run()
    assert "Partition_scatter" in str(failure.value) and "test_partition.py:" in str(failure.value)


class Thing:
    """An object with the default hash, which depends on the address."""


def test_partition_refuses_keys_hashed_by_address(new_flow: Runner) -> None:
    dataset = new_flow().slice([1]).map(lambda row: Thing()).partition(2)
    with pytest.raises(TaskFailed, match=r"Thing objects differ by their address"):
        dataset.run()


def test_a_hash_seed_moves_keys_and_no_results(new_flow: Runner) -> None:
    crowded = [(number, 1) for number in range(0, 400, 4)]

    def shards_under(seed: int) -> list[list[Any]]:
        flow = new_flow(f"-glow.hash.seed={seed}")
        return shards_of(flow.slice(crowded * 2, 2).partition(4))

    assert shards_under(0) == [crowded * 2]
    spread = shards_under(1)
    assert len(spread) == 4 and min(map(len, spread)) > 20
    assert sorted(row for shard in spread for row in shard) == sorted(crowded * 2)
    assert shards_under(1) == spread
    assert shards_under(2) != spread


test_in_one_run = in_one_run()
