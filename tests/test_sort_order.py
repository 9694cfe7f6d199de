"""The order of sort keys with missing values, by all sorts and top, against plain Python."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from fractions import Fraction
from functools import cmp_to_key
from typing import Any, NamedTuple

import attrs
import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest

from glowpy import Dataset, Flow
from glowpy.errors import TaskFailed
from glowpy.flow.ops import merging, sort
from tests.batch import in_one_run
from tests.runners import Runner

NAN = float("nan")
NOON = datetime(1970, 1, 3, 12, tzinfo=timezone.utc)
MISSING = [
    NAN,
    float("nan"),
    Decimal("NaN"),
    Decimal("sNaN"),
    np.float64("nan"),
    pd.NaT,
    pd.NA,
    np.datetime64("NaT"),
]


@dataclass(frozen=True, order=True)
class Reading:
    value: float
    place: str


@attrs.frozen(order=True)
class Measured:
    value: float


class Pair(NamedTuple):
    value: Any
    place: Any


def is_missing(value: Any) -> bool:
    if isinstance(value, Decimal):
        return value.is_nan()
    return value is pd.NA or bool(value != value)


def compared(left: Any, right: Any, reverse: bool) -> int:
    """-1, 0 or 1: the documented order of two keys."""
    if isinstance(left, (tuple, list)):
        for one, other in zip(left, right, strict=False):
            if order := compared(one, other, reverse):
                return order
        left, right = len(left), len(right)
    if isinstance(left, Reading):
        return compared((left.value, left.place), (right.value, right.place), reverse)
    if isinstance(left, Measured):
        return compared(left.value, right.value, reverse)
    if is_missing(left) or is_missing(right):
        return is_missing(left) - is_missing(right)
    order = int(bool(left > right)) - int(bool(left < right))
    return -order if reverse else order


def in_order(rows: list[Any], reverse: bool, key: Callable[[Any], Any]) -> list[Any]:
    by = cmp_to_key(lambda left, right: compared(key(left), key(right), reverse))
    return sorted(rows, key=by)


def same(found: list[Any], expected: list[Any]) -> bool:
    """Compare values and types, missing values included."""
    return list(map(repr, found)) == list(map(repr, expected))


def numbers(draw: random.Random) -> Any:
    return draw.choice([NAN, -0.0, 0.0, draw.randint(-3, 3), draw.uniform(-3, 3), True, 1 << 70])


def decimals(draw: random.Random) -> Any:
    return draw.choice(
        [Decimal("NaN"), Decimal("1.5"), 1.5, 2, NAN, Fraction(3, 2), Decimal(-7), float("-inf")]
    )


def of_numpy(draw: random.Random) -> Any:
    kind = draw.choice([np.float64, np.float32, np.int64, float])
    return kind("nan") if kind is not np.int64 and draw.random() < 0.3 else kind(draw.randint(0, 5))


def times(draw: random.Random) -> Any:
    return draw.choice([pd.NaT, pd.Timestamp(draw.randint(0, 9), unit="D", tz="UTC"), NOON])


def words(draw: random.Random) -> Any:
    return draw.choice([NAN, pd.NA, "", "a", "b", "é"])


KEYS: dict[str, Callable[[random.Random], Any]] = {
    "floats": lambda draw: NAN if draw.random() < 0.1 else draw.uniform(-9, 9),
    "numbers": numbers,
    "decimals": decimals,
    "numpy": of_numpy,
    "times": times,
    "datetime64": lambda draw: np.datetime64(draw.choice(["NaT", "2020-01-01", "1999-01-01"])),
    "words": words,
    "any missing value": lambda draw: draw.choice([*MISSING, 1.0, 2, 3.5]),
    "tuples": lambda draw: (numbers(draw), words(draw)),
    "nested": lambda draw: (draw.randint(0, 1), [numbers(draw), (words(draw),)]),
    "of several lengths": lambda draw: tuple(numbers(draw) for _ in range(draw.randint(0, 3))),
    "named tuples": lambda draw: draw.choice([Pair(1, numbers(draw)), (1, NAN), Pair(NAN, 0)]),
    "dataclasses": lambda draw: Reading(numbers(draw), draw.choice("ab")),
    "attrs": lambda draw: Measured(numbers(draw)),
}
Sorted = Callable[[Dataset, bool], Dataset]
SORTS: dict[str, Sorted] = {
    "sort": lambda rows, reverse: rows.sort(reverse=reverse),
    "sort by key": lambda rows, reverse: rows.sort(key=first, reverse=reverse),
    "sort by fields": lambda rows, reverse: rows.sort(key=lambda key, _: key, reverse=reverse),
    "sort into shards": lambda rows, reverse: rows.sort(reverse=reverse, shards=4),
    "sort into shards by key": lambda rows, reverse: rows.sort(
        key=first, reverse=reverse, shards=3
    ),
    "local_sort and merge_sorted": lambda rows, reverse: rows.local_sort(
        reverse=reverse
    ).merge_sorted(reverse=reverse),
    "local_sort and merge_sorted by key": lambda rows, reverse: rows.local_sort(
        first, reverse=reverse
    ).merge_sorted(first, reverse=reverse),
}


def first(row: Any) -> Any:
    return row[0]


@pytest.fixture
def tiny_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of a few rows go to disk, in blocks of a row or two, and are merged two at a time."""
    monkeypatch.setattr(sort, "_MOST_UNCHECKED", 4)
    monkeypatch.setattr(sort, "size_of_rows", lambda rows: len(rows) << 18)
    monkeypatch.setattr(sort, "BLOCKS_IN_BUDGET", 1 << 12)
    monkeypatch.setattr(merging, "BLOCKS_IN_BUDGET", 1 << 12)
    monkeypatch.setattr(merging, "FAN_IN", 2)


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("reverse", [False, True])
def test_missing_values_come_last_and_the_sort_is_stable(
    kind: str, reverse: bool, tiny_budget: None
) -> None:
    for seed in range(2):
        draw = random.Random(f"{kind} {seed}")
        rows = [(KEYS[kind](draw), number) for number in range(draw.randint(2, 60))]
        expected = in_order(rows, reverse, first)
        flow = Flow(["-glow.inline", "-glow.task.memoryMB=1"])
        for shards in (1, 5):
            for name, make in SORTS.items():
                found = make(flow.slice(rows, shards), reverse).collect()
                assert same(found, expected), f"{name} of {shards} shards, seed {seed}"


@pytest.mark.parametrize("kind", KEYS)
def test_top_takes_missing_values_when_there_is_nothing_else(kind: str) -> None:
    draw = random.Random(kind)
    rows = [(KEYS[kind](draw), number) for number in range(40)]
    expected = in_order(rows, True, first)
    flow = Flow(["-glow.inline"])
    for count in (1, 3, 35, 50):
        assert same(flow.slice(rows, 3).top(count, first), expected[:count])
        assert same(flow.slice(rows, 3).top(count, lambda key, _: key), expected[:count])
    keys = [row[0] for row in rows]
    expected = in_order(keys, True, lambda key: key)
    assert same(flow.slice(keys, 3).top(7), expected[:7])


def test_nan_comes_last_on_every_runner(new_flow: Runner) -> None:
    draw = random.Random(1)
    rows = [NAN if draw.random() < 0.1 else draw.uniform(-9, 9) for _ in range(500)]
    flow = new_flow()
    dataset = flow.slice(rows, 4)
    for reverse in (False, True):
        expected = in_order(rows, reverse, lambda row: row)
        assert same(dataset.sort(reverse=reverse).collect(), expected)
        assert same(dataset.sort(reverse=reverse, shards=3).collect(), expected)
    assert same(dataset.top(480), in_order(rows, True, lambda row: row)[:480])


@pytest.mark.slow
def test_nan_comes_last_over_the_memory_budget(new_flow: Runner) -> None:
    draw = random.Random(2)
    rows = [(NAN if n % 7 == 0 else draw.random(), f"{n:050}") for n in range(20_000)]
    dataset = new_flow("-glow.task.memoryMB=1").slice(rows, 2)
    expected = in_order(rows, True, first)
    assert same(dataset.sort(reverse=True).collect(), expected)
    assert same(
        dataset.sort(key=lambda key, _: (key, 0), reverse=True, shards=3).collect(), expected
    )


UNORDERED: dict[str, list[Any]] = {
    "sets": [{1}, {2}],
    "subsets": [frozenset({1}), frozenset({1, 2})],
    "sets in tuples": [(1, {1}), (1, {1, 2})],
    "sets in lists in tuples": [(1, [frozenset({1})]), (1, [frozenset({1, 2})])],
    "counters": [Counter("a"), Counter("ab")],
    "None and a number": [None, 1],
    "None in tuples": [(1, None), (1, 2)],
    "text and a number": ["a", 1],
    "text and a number beside NaN": ["a", NAN, 1],
    "a tuple and a list": [(1,), [1]],
    "arrays": [np.array([1, 2]), np.array([2, 1])],
    "complex numbers": [1j, 2j],
    "classes": [Reading(1.0, "a"), Measured(1.0)],
}


@pytest.mark.parametrize("name", UNORDERED)
@pytest.mark.parametrize("shards", [1, 2])
def test_keys_without_an_order_are_an_error_that_shows_two(
    name: str, shards: int, tiny_budget: None
) -> None:
    keys = UNORDERED[name]
    dataset = Flow(["-glow.inline"]).slice([(key, 0) for key in keys], shards)
    ways: list[Callable[[], Any]] = [
        *(lambda make=make: make(dataset, False).collect() for make in SORTS.values()),
        lambda: dataset.top(2, first),
    ]
    shown = [repr(key) for key in keys]
    for way in ways:
        with pytest.raises(TaskFailed, match=r"(sort|top) cannot order") as failure:
            way()
        message = str(failure.value)
        assert sum(f" {text}" in message for text in shown) >= 2, message


@pytest.mark.parametrize("nones", [1, 3])
def test_the_error_for_none_beside_numbers_has_a_remedy_that_works(nones: int) -> None:
    rows = Flow(["-glow.inline"]).slice([2, *[None] * nones, 3, 1], 2)
    with pytest.raises(TaskFailed, match=r"such as key=lambda x: \(x is None, x\)"):
        rows.sort().collect()
    with pytest.raises(TaskFailed, match=r"such as key=lambda x: \(x is not None, x\)"):
        rows.top(2)
    assert rows.sort(key=lambda x: (x is None, x)).collect() == [1, 2, 3, *[None] * nones]
    assert rows.top(2, key=lambda x: (x is not None, x)) == [3, 2]


def test_equal_sets_are_equal_keys() -> None:
    rows = [({1}, 2, "a"), ({1}, 1, "b"), ({1}, 1, "c")]
    ordered = Flow(["-glow.inline"]).slice(rows, 2).sort(key=lambda row: row[:2])
    assert ordered.collect() == [rows[1], rows[2], rows[0]]


def test_zeros_and_booleans_are_equal_to_numbers_and_keep_their_order(tiny_budget: None) -> None:
    rows = [(0.0, "a"), (-0.0, "b"), (1, "c"), (True, "d"), (1.0, "e"), (False, "f"), (0, "g")]
    flow = Flow(["-glow.inline"])
    for reverse in (False, True):
        expected = sorted(rows, key=first, reverse=reverse)
        assert same(flow.slice(rows, 3).sort(reverse=reverse).collect(), expected)


test_in_one_run = in_one_run()
