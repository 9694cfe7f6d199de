"""sort, on every runner."""

from __future__ import annotations

from functools import cmp_to_key
from operator import itemgetter
from typing import Any

import pytest

from glowpy.errors import DefinitionError, TaskFailed
from tests.batch import in_one_run
from tests.operators.shards import WORDS, shards_of
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
    pairs = f"{rows[0]!r} and {rows[1]!r}:", f"{rows[1]!r} and {rows[0]!r}:"
    assert any(pair in str(failure.value) for pair in pairs)
    assert "LocalSort" in str(failure.value)


@pytest.mark.parametrize("shards", [1, 4])
@pytest.mark.parametrize("ranges", [2, 5])
def test_sort_into_shards_is_in_order_across_them(
    new_flow: Runner, shards: int, ranges: int
) -> None:
    rows = [(n * 7919 % 2000 // 3, n) for n in range(2000)]
    flow = new_flow()
    up = flow.slice(rows, shards).sort(shards=ranges)
    assert up.shard_count == ranges
    assert up.collect() == sorted(rows, key=itemgetter(0)), "stable by shard and position"
    down = flow.slice(rows, shards).sort(lambda row: row[0] % 100, reverse=True, shards=ranges)
    assert down.collect() == sorted(rows, key=lambda row: row[0] % 100, reverse=True)
    sizes = [len(shard) for shard in shards_of(up)]
    assert len(sizes) == ranges
    assert max(sizes) < 1.2 * len(rows) / ranges


def test_sort_into_shards_of_nothing_one_row_and_one_key(new_flow: Runner) -> None:
    flow = new_flow()
    assert flow.slice([], 2).sort(shards=3).collect() == []
    assert flow.slice([7]).sort(shards=3).collect() == [7]
    rows = [("k", n) for n in range(100)]
    assert flow.slice(rows, 3).sort(shards=4).collect() == rows


def test_local_sort_and_merge_sorted_are_the_halves_of_a_sort(new_flow: Runner) -> None:
    flow = new_flow()
    rows = [(n * 7 % 10, n) for n in range(40)]
    dataset = flow.slice(rows, 3)
    choices: list[dict[str, Any]] = [{}, {"key": lambda row: -row[1]}, {"reverse": True}]
    for options in choices:
        local = dataset.local_sort(**options)
        assert local.shard_count == 3
        whole = dataset.sort(**options).collect()
        assert local.merge_sorted(**options).collect() == whole
        assert local.collect() != whole
    assert flow.slice([3, 1, 4, 2], 2).local_sort().collect() == [1, 3, 2, 4]


def test_sorted_shards_are_not_sorted_again(new_flow: Runner) -> None:
    local = new_flow().slice([(2, "a"), (1, "b")], 2).partition(3).local_sort()
    assert repr(local.local_sort()) == repr(local)
    names = [step.name for step in local.group_by_key()._graph.steps]
    assert names[-2:] == ["LocalSort", "LocalGroupByKey"]
    assert sorted(local.group_by_key().collect()) == [(1, ["b"]), (2, ["a"])]


def test_keys_of_two_shards_without_a_common_order(new_flow: Runner) -> None:
    dataset = new_flow().slice([1, "a"], 2)
    for sorted_ in (dataset.sort(), dataset.sort(shards=2), dataset.local_sort().merge_sorted()):
        with pytest.raises(TaskFailed, match="sort cannot order the keys of two shards"):
            sorted_.run()


def test_an_error_of_a_key_function_of_merge_sorted_names_the_step(new_flow: Runner) -> None:
    def key(row: int) -> int:
        raise TypeError(f"no key for {row}")

    dataset = new_flow().slice([1, 2], 2).merge_sorted(key)
    with pytest.raises(TaskFailed, match="TypeError: no key for 1") as failure:
        dataset.run()
    assert "row: 1" in str(failure.value)


def by_length_then_backwards(left: str, right: str) -> int:
    if len(left) != len(right):
        return len(left) - len(right)
    return (left < right) - (left > right)


@pytest.mark.parametrize("reverse", [False, True])
def test_cmp_to_key_orders_rows_by_a_function_of_two(new_flow: Runner, reverse: bool) -> None:
    by = cmp_to_key(by_length_then_backwards)
    dataset = new_flow().slice(WORDS, 3)
    expected = sorted(WORDS, key=by, reverse=reverse)
    assert dataset.sort(key=by, reverse=reverse).collect() == expected
    assert dataset.sort(key=by, reverse=reverse, shards=2).collect() == expected
    local = dataset.local_sort(by, reverse=reverse)
    assert local.merge_sorted(by, reverse=reverse).collect() == expected
    assert dataset.top(4, by) == sorted(WORDS, key=by, reverse=True)[:4]


def test_cmp_to_key_over_the_memory_budget(new_flow: Runner) -> None:
    rows = [f"{n * 7919 % 10_007:060}" for n in range(10_000)]
    dataset = new_flow("-glow.task.memoryMB=1").slice(rows, 2)
    by = cmp_to_key(by_length_then_backwards)
    assert dataset.sort(key=by, shards=2).collect() == sorted(rows, reverse=True)


def test_a_cmp_to_key_object_that_a_key_function_returns_is_refused(new_flow: Runner) -> None:
    def key(row: tuple[str, int]) -> Any:
        return cmp_to_key(by_length_then_backwards)(row[0])

    dataset = new_flow().slice([("a", 1), ("b", 2)], 2).sort(key=key)
    with pytest.raises(TaskFailed, match=r"give sort\(key=functools.cmp_to_key\(f\)\) itself"):
        dataset.run()


def test_keys_take_the_fields_of_a_row_as_map_does(new_flow: Runner) -> None:
    rows = [("a", 3), ("b", 1), ("c", 2)]
    dataset = new_flow().slice(rows, 2)
    assert dataset.sort(key=lambda name, number: number).collect() == [rows[1], rows[2], rows[0]]
    assert dataset.sort(key=lambda *fields: -fields[1], shards=2).take(1) == [("a", 3)]
    assert dataset.top(1, key=lambda name, number: -number) == [("b", 1)]
    with pytest.raises(TaskFailed, match=r"gets the fields of a tuple or list of 2"):
        dataset.map(str).sort(key=lambda name, number: number).run()
    with pytest.raises(DefinitionError, match=r"sort\(\) calls its function with a row"):
        dataset.sort(key=lambda: 1)


def test_top_compares_whole_rows(new_flow: Runner) -> None:
    rows = [("a", 1), ("b", 1), ("b", 3), ("b", 2), ("a", 9)]
    dataset = new_flow().slice(rows, 2)
    assert dataset.top(3) == [("b", 3), ("b", 2), ("b", 1)]
    assert dataset.top(2, key=lambda row: row[0]) == [("b", 1), ("b", 3)]


test_in_one_run = in_one_run()
