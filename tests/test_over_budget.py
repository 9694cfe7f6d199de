"""Kernels with more rows than their memory budget: the same result as in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from operator import add
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glowpy import Dataset, Flow
from glowpy.flow.ops import fold_tables, key_order, key_tables, merging, sort
from glowpy.flow.ops.broadcast_join import broadcast_join_kernel
from glowpy.flow.ops.group import cogroup_kernel, group_kernel
from glowpy.flow.ops.join import join_kernel
from glowpy.flow.ops.kernel import Batch
from glowpy.planner.fusion import make_plan
from glowpy.task.context import Context, ScratchFile
from glowpy.task.pipeline import build

tight = settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NUMBERS = st.integers(-50, 50)
MIXED = st.one_of(st.none(), NUMBERS, st.text("ab", max_size=2), st.booleans())


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure every few rows, and merge few streams at a time."""
    monkeypatch.setattr(key_tables, "_MOST_UNCHECKED", 8)
    monkeypatch.setattr(fold_tables, "_MOST_UNCHECKED", 8)
    monkeypatch.setattr(sort, "_MOST_UNCHECKED", 8)
    monkeypatch.setattr(merging, "FAN_IN", 2)


@pytest.fixture
def scratches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list with one item for each temporary file that has been written."""
    opened: list[int] = []
    open_file = ScratchFile._open

    def counting(self: ScratchFile) -> None:
        opened.append(1)
        open_file(self)

    monkeypatch.setattr(ScratchFile, "_open", counting)
    return opened


def test_a_broadcast_join_keeps_the_key_of_each_left_row(
    tmp_path: Path, scratches: list[int]
) -> None:
    """Equal keys of several types, with a right side that fits in memory or not."""
    left = [(1, "a"), (1.0, "b"), (True, "c"), (2, "d")]
    right = [(number, "x" * 100) for number in range(200)]

    def rows(budget_bytes: int) -> Batch:
        edges = [[batches(left)], [batches(right)]]
        context = Context(0, 1, budget_bytes, str(tmp_path))
        stream = broadcast_join_kernel(False, context, edges)
        return [(type(row[0]), *row) for batch in stream for row in batch]

    found = rows(64 << 20)
    assert [row[:3] for row in found] == [(type(key), key, value) for key, value in left]
    assert scratches == []
    assert rows(2000) == found
    assert scratches != []


def batches(rows: Batch, size: int = 5) -> Iterator[Batch]:
    left = iter(rows)
    while batch := list(islice(left, size)):
        yield batch


def last_group(
    make: Callable[[Dataset], Dataset], shards: list[Batch], directory: Path, budget_bytes: int
) -> Batch:
    """Run every task of `make(slice)` with this budget; return the rows of the last step."""
    dataset = make(Flow(["-glow.inline"]).slice([], len(shards)))
    plan = make_plan(dataset._graph, [dataset._node], stored=True)
    written = {(-1, task): shard for task, shard in enumerate(shards)}
    for step_group in plan.step_groups:
        for group in step_group.groups:
            task = group - step_group.first_group
            context = Context(task, step_group.task_count, budget_bytes, str(directory))
            edges = [
                [batches(written[s.group, s.shard if s.group < 0 else 0]) for s in edge]
                for edge in plan.task_group(group).reads
            ]
            stream = build(step_group, context, edges, {})
            written[group, 0] = [row for batch in stream for row in batch]
            assert os.listdir(directory) == []
    return written[plan.group_count - 1, 0]


def shards_of(rows: Batch, count: int) -> list[Batch]:
    return [rows[len(rows) * n // count : len(rows) * (n + 1) // count] for n in range(count)]


@tight
@given(
    rows=st.lists(st.tuples(NUMBERS, st.integers()), max_size=200),
    shards=st.integers(1, 5),
    reverse=st.booleans(),
)
def test_sort_by_the_natural_key(rows: Batch, shards: int, reverse: bool, tmp_path: Path) -> None:
    def make(dataset: Dataset) -> Dataset:
        return dataset.sort(reverse=reverse)

    expected = sorted(rows, key=lambda row: row[0], reverse=reverse)
    assert last_group(make, shards_of(rows, shards), tmp_path, 2000) == expected


@tight
@given(rows=st.lists(NUMBERS, max_size=200), shards=st.integers(1, 5), reverse=st.booleans())
def test_sort_calls_the_users_key_once_per_row(
    rows: Batch, shards: int, reverse: bool, tmp_path: Path
) -> None:
    calls: list[int] = []

    def key(row: int) -> int:
        calls.append(row)
        return row % 7

    expected = sorted(rows, key=lambda row: row % 7, reverse=reverse)
    found = last_group(
        lambda dataset: dataset.sort(key, reverse=reverse), shards_of(rows, shards), tmp_path, 2000
    )
    assert found == expected, "stable by shard and position"
    assert sorted(calls) == sorted(rows)


@tight
@given(
    rows=st.lists(st.tuples(MIXED, st.text("xyz", max_size=3)), max_size=200),
    shards=st.integers(1, 5),
)
def test_reduce_by_key(rows: Batch, shards: int, tmp_path: Path) -> None:
    expected: dict[Any, str] = {}
    for key, value in rows:
        expected[key] = expected[key] + value if key in expected else value
    calls: list[str] = []

    def counted_add(left: str, right: str) -> str:
        calls.append(right)
        return left + right

    found = last_group(
        lambda dataset: dataset.reduce_by_key(counted_add), shards_of(rows, shards), tmp_path, 2000
    )
    assert len(calls) == len(rows) - len(expected)
    assert len(found) == len(expected) and dict(found) == expected
    if len({type(key) for key in expected}) == 1 and None not in expected:
        assert found == sorted(found), "in key order, where keys have one"


PAIRS = st.lists(st.tuples(MIXED, st.integers()), max_size=100)
PAIRS_IN_ORDER = st.lists(st.tuples(NUMBERS, st.integers()), max_size=100)
BUDGETS = st.sampled_from([500, 3000, 10_000, 64 << 20])


def kernel_rows(
    kernel: Callable[..., Iterator[Batch]], sides: list[Batch], directory: Path, budget_bytes: int
) -> Batch:
    """The output of a kernel for inputs of one shard each, with this budget."""
    context = Context(0, 1, budget_bytes, str(directory))
    found = [row for batch in kernel(context, [[batches(side)] for side in sides]) for row in batch]
    assert os.listdir(directory) == []
    return found


def values_of(pairs: Batch) -> dict[Any, list[Any]]:
    values: dict[Any, list[Any]] = {}
    for key, value in pairs:
        values.setdefault(key, []).append(value)
    return values


def keys_seen(found: Batch) -> list[Any]:
    """The keys of rows, each once, if the rows of equal keys are adjacent."""
    keys = [
        row[0] for number, row in enumerate(found) if not number or row[0] != found[number - 1][0]
    ]
    assert len(keys) == len(set(keys)), "all rows of a key follow one another"
    return keys


@tight
@given(rows=PAIRS | PAIRS_IN_ORDER, budget_bytes=BUDGETS)
def test_group_by_key(rows: Batch, budget_bytes: int, tmp_path: Path) -> None:
    found = kernel_rows(partial(group_kernel, "group"), [rows], tmp_path, budget_bytes)
    expected = values_of(rows)
    assert len(found) == len(expected) and dict(found) == expected
    first = {key: type(key) for key in reversed([key for key, _ in rows])}
    assert all(type(key) is first[key] for key, _ in found), "the first of equal keys"
    if all(type(key) is int for key, _ in rows):
        assert found == sorted(found)


@tight
@given(left=PAIRS | PAIRS_IN_ORDER, right=PAIRS | PAIRS_IN_ORDER, budget_bytes=BUDGETS)
def test_cogroup(left: Batch, right: Batch, budget_bytes: int, tmp_path: Path) -> None:
    kernel = partial(cogroup_kernel, "cogroup")
    found = kernel_rows(kernel, [left, right], tmp_path, budget_bytes)
    lefts, rights = values_of(left), values_of(right)
    keys = lefts.keys() | rights.keys()
    assert {row[0]: row[1:] for row in found} == {
        key: (lefts.get(key, []), rights.get(key, [])) for key in keys
    }
    assert len(found) == len(keys)
    if all(type(key) is int for key in keys):
        assert [row[0] for row in found] == sorted(keys)


@tight
@given(
    left=PAIRS | PAIRS_IN_ORDER,
    right=PAIRS | PAIRS_IN_ORDER,
    outer=st.tuples(st.booleans(), st.booleans()),
    budget_bytes=BUDGETS,
)
def test_joins(
    left: Batch, right: Batch, outer: tuple[bool, bool], budget_bytes: int, tmp_path: Path
) -> None:
    found = kernel_rows(partial(join_kernel, "join", *outer), [left, right], tmp_path, budget_bytes)
    lefts, rights = values_of(left), values_of(right)
    expected = {
        key: [
            (one, other)
            for one in lefts.get(key, [None] if outer[1] else [])
            for other in rights.get(key, [None] if outer[0] else [])
        ]
        for key in lefts.keys() | rights.keys()
    }
    expected = {key: pairs for key, pairs in expected.items() if pairs}
    keys = keys_seen(found)
    pairs_of = {key: [row[1:] for row in found if row[0] == key] for key in keys}
    assert pairs_of == expected, "in order of left rows, then right rows"
    if all(type(key) is int for key in [*lefts, *rights]):
        assert keys == sorted(keys)


@pytest.mark.slow
def test_one_key_with_many_rows_on_the_left_streams_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest: list[int] = []
    window = key_tables.KeyChunk

    def seen(tables: list[Any], is_ordered: bool) -> key_tables.KeyChunk:
        longest.append(max(map(len, tables[0].values()), default=0))
        return window(tables, is_ordered)

    monkeypatch.setattr(key_tables, "KeyChunk", seen)
    left = [("hot" if n % 10 else n // 100, n) for n in range(5000)]
    left = [(str(key), value) for key, value in left]
    right = [("hot", "x"), ("hot", "y"), ("7", "z"), ("none", "n")]
    found = kernel_rows(partial(join_kernel, "join", False, True), [left, right], tmp_path, 20_000)
    hot = [("hot", n, text) for key, n in left if key == "hot" for text in "xy"]
    sevens = [("7", n, "z") for key, n in left if key == "7"]
    assert found == [*sevens, *hot, ("none", None, "n")]
    assert max(longest) < 500, "of 4500 rows"


@pytest.mark.slow
def test_only_tables_over_budget_go_to_disk(tmp_path: Path, scratches: list[int]) -> None:
    rows = [(number * 7919 % 1000, 1) for number in range(3000)]
    for make in (lambda d: d.sort(), lambda d: d.sort(hash), lambda d: d.reduce_by_key(add)):
        last_group(make, [rows], tmp_path, 64 << 20)
        assert not scratches
        last_group(make, [rows], tmp_path, 20_000)
        assert scratches
        scratches.clear()


@pytest.mark.slow
def test_unequal_keys_in_the_same_place_stay_distinct(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (key_tables, key_order):
        monkeypatch.setattr(module, "places_of", lambda keys: [(6, 7)] * len(keys))
    rows = [(None if number % 700 == 3 else number % 700, 1) for number in range(2100)]
    found = last_group(lambda d: d.reduce_by_key(add), [rows], tmp_path, 5000)
    assert sorted(found, key=repr) == sorted(
        [(None if number == 3 else number, 3) for number in range(700)], key=repr
    )


def test_an_empty_rest_does_not_cost_the_order(tmp_path: Path) -> None:
    rows = [(word, "x" * 500) for word in "baab" * 30]
    found = last_group(lambda d: d.reduce_by_key(add), [rows], tmp_path, 1000)
    assert found == [("a", "x" * 30_000), ("b", "x" * 30_000)]


def test_many_shards_are_merged_in_passes(tmp_path: Path, scratches: list[int]) -> None:
    shards = [[(n, shard) for n in range(10)] for shard in range(9)]
    rows = last_group(lambda d: d.sort(), shards, tmp_path, 64 << 20)
    assert rows == [(n, shard) for n in range(10) for shard in range(9)]
    assert len(scratches) == 3, "9 streams, two at a time: 5, 3 and 2 of them"


@tight
@given(st.lists(st.lists(NUMBERS, max_size=30), max_size=5), st.integers(1, 9), st.booleans())
def test_merged_is_sorted_and_stable(shards: list[Batch], size: int, reverse: bool) -> None:
    runs = [
        sorted(((key, number) for key in keys), key=merging.first_of, reverse=reverse)
        for number, keys in enumerate(shards)
    ]
    streams = [batches(run, size) for run in runs]
    found = [
        row
        for batch in merging.merged(streams, merging.firsts_of, reverse=reverse)
        for row in batch
    ]
    everything = [row for run in runs for row in run]
    assert found == sorted(everything, key=merging.first_of, reverse=reverse)
