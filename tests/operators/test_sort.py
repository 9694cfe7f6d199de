"""sort, on every runner."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import pytest

from glowpy.errors import TaskFailed
from tests.operators.shards import WORDS
from tests.runners import Runner


@pytest.mark.parametrize("shards", [1, 2, 7, 20])
@pytest.mark.parametrize("reverse", [False, True])
def test_sort_gives_the_whole_order_in_one_shard(
    new_flow: Runner, shards: int, reverse: bool
) -> None:
    dataset = new_flow().slice(WORDS, shards).sort(reverse=reverse)
    assert dataset.shard_count == 1
    assert dataset.collect() == sorted(WORDS, reverse=reverse)


@pytest.mark.parametrize("reverse", [False, True])
def test_sort_is_stable(new_flow: Runner, reverse: bool) -> None:
    rows = [(n * 7 % 3, n) for n in range(30)]
    expected = sorted(rows, key=itemgetter(0), reverse=reverse)
    flow = new_flow()
    assert flow.slice(rows, 4).sort(reverse=reverse).collect() == expected
    assert flow.slice(rows, 4).sort(key=lambda row: row[0], reverse=reverse).collect() == expected


def test_sort_without_a_key_compares_first_elements_only(new_flow: Runner) -> None:
    rows: list[Any] = [(2, {}), (1, None), [1, {}], (2, None)]
    assert new_flow().slice(rows, 2).sort().collect() == [
        (1, None),
        [1, {}],
        (2, {}),
        (2, None),
    ]


def test_sort_passes_the_row_to_its_key(new_flow: Runner) -> None:
    rows = [("b", 1), ("a", 2), ("c", 0)]
    assert new_flow().slice(rows, 2).sort(key=itemgetter(1)).collect() == [
        ("c", 0),
        ("b", 1),
        ("a", 2),
    ]
    assert new_flow().slice(["bb", "a"]).sort(key=len).collect() == ["a", "bb"]


def test_sort_of_nothing_and_after_a_sort(new_flow: Runner) -> None:
    flow = new_flow()
    assert flow.slice([], 2).sort().collect() == []
    assert flow.slice([2, 3, 1], 2).sort().sort(reverse=True).collect() == [3, 2, 1]
    assert flow.slice([2, 3, 1], 2).sort(reverse=True).sort().collect() == [1, 2, 3]


@pytest.mark.parametrize("rows", [[1, "a"], [None, 1], [1j, 2j], [{}, {}]], ids=repr)
def test_sort_says_which_keys_it_cannot_order(new_flow: Runner, rows: list[Any]) -> None:
    with pytest.raises(
        TaskFailed, match=r"sort cannot order its keys: .* not supported"
    ) as failure:
        new_flow().slice(rows).sort().collect()
    kinds = ", ".join(sorted({type(row).__name__ for row in rows}))
    assert f"keys are of type {kinds}" in str(failure.value)
    assert "LocalSort" in str(failure.value)
