"""Kernels that get more rows than their budget holds: the result is that of the rows in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import islice
from operator import add
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glowpy import Dataset, Flow
from glowpy.flow.ops import by_key, merging, sort
from glowpy.flow.ops.kernel import Batch
from glowpy.planner.fusion import make_plan
from glowpy.task.context import Context, ScratchFile
from glowpy.task.pipeline import build

tight = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
NUMBERS = st.integers(-50, 50)
MIXED = st.one_of(st.none(), NUMBERS, st.text("ab", max_size=2), st.booleans())


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every few rows are measured, and few streams merged at a time."""
    monkeypatch.setattr(by_key, "_MOST_UNCHECKED", 8)
    monkeypatch.setattr(sort, "_MOST_UNCHECKED", 8)
    monkeypatch.setattr(by_key, "_PARTS", 3)
    monkeypatch.setattr(merging, "FAN_IN", 2)


@pytest.fixture
def scratches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with each temporary file that is written to."""
    opened: list[int] = []
    open_file = ScratchFile._open

    def counting(self: ScratchFile) -> None:
        opened.append(1)
        open_file(self)

    monkeypatch.setattr(ScratchFile, "_open", counting)
    return opened


def batches(rows: Batch, size: int = 5) -> Iterator[Batch]:
    left = iter(rows)
    while batch := list(islice(left, size)):
        yield batch


def last_group(
    make: Callable[[Dataset], Dataset], shards: list[Batch], directory: Path, budget_bytes: int
) -> Batch:
    """Run every task of `make(slice)` with this budget; the rows of its last step."""
    dataset = make(Flow(["-glow.inline"]).slice([], len(shards)))
    plan = make_plan(dataset._graph, [dataset._node], stored=True)
    written = {(-1, task): shard for task, shard in enumerate(shards)}
    for step_group in plan.step_groups:
        for group in step_group.groups:
            task = group - step_group.first_group
            context = Context(task, step_group.task_count, budget_bytes, str(directory))
            edges = [
                [batches(written[s.group, s.shard if s.group < 0 else 0]) for s in edge]
                for edge in plan.reads(group)
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


def test_what_does_not_fit_goes_to_disk_and_what_fits_does_not(
    tmp_path: Path, scratches: list[int]
) -> None:
    rows = [(number * 7919 % 1000, 1) for number in range(3000)]
    for make in (lambda d: d.sort(), lambda d: d.sort(hash), lambda d: d.reduce_by_key(add)):
        last_group(make, [rows], tmp_path, 64 << 20)
        assert not scratches
        last_group(make, [rows], tmp_path, 20_000)
        assert scratches
        scratches.clear()


def test_keys_that_share_every_hash_are_folded_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_key, "parts_of", lambda keys, count: [count - 1] * len(keys))
    rows = [(number % 700, 1) for number in range(2100)]
    found = last_group(lambda d: d.reduce_by_key(add), [rows], tmp_path, 5000)
    assert found == [(number, 3) for number in range(700)]


def test_parts_without_keys_do_not_cost_the_order(tmp_path: Path) -> None:
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
        row for batch in merging.merged(streams, by_key.keys_of, reverse=reverse) for row in batch
    ]
    everything = [row for run in runs for row in run]
    assert found == sorted(everything, key=merging.first_of, reverse=reverse)
