"""slice and source, on every runner."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from glowpy.errors import TaskFailed
from tests.batch import in_one_run
from tests.operators.shards import shards_of
from tests.runners import Runner


@pytest.mark.parametrize("shards", [1, 2, 3, 10])
def test_slice_lays_rows_into_contiguous_shards(new_flow: Runner, shards: int) -> None:
    found = shards_of(new_flow().slice(range(7), shards))
    assert [row for shard in found for row in shard] == list(range(7))
    sizes = [len(shard) for shard in found]
    assert max(sizes) - min(sizes) <= 1 and len(found) == min(shards, 7)


def test_slice_takes_any_iterable_once(new_flow: Runner) -> None:
    dataset = new_flow().slice(iter("abc"), 2)
    assert dataset.collect() == ["a", "b", "c"]
    assert dataset.count() == 3


def test_slice_copies_the_callers_list(new_flow: Runner) -> None:
    rows = [1, 2]
    dataset = new_flow().slice(rows)
    rows.append(3)
    assert dataset.collect() == [1, 2]


@pytest.mark.parametrize("shards", [1, 2, 3, 7])
@pytest.mark.parametrize("count", [0, 1, 5, 5000])
def test_source_deals_its_rows_round_robin(new_flow: Runner, shards: int, count: int) -> None:
    dataset = new_flow().source(lambda: range(count), shards)
    assert dataset.shard_count == shards
    rows = list(range(count))
    assert dataset.collect() == [row for first in range(shards) for row in rows[first::shards]]


def test_source_takes_a_generator_function(new_flow: Runner) -> None:
    def rows() -> Iterable[str]:
        yield "a"
        yield "b"

    assert new_flow().source(rows, 2).collect() == ["a", "b"]


def test_source_that_raises_names_its_step(new_flow: Runner) -> None:
    def rows() -> Iterable[int]:
        yield 1
        raise OSError("the tape is torn")

    with pytest.raises(TaskFailed, match=r"Source0 .* failed on .*: OSError: the tape is torn"):
        new_flow().source(rows, 2).collect()


test_in_one_run = in_one_run()
