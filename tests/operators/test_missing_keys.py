"""Missing values as keys of grouping, joining and reducing: each matches nothing."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest

from glowpy import Dataset, Flow
from tests.batch import in_one_run
from tests.runners import Runner


@dataclass(frozen=True)
class Reading:
    value: float


NAN = float("nan")
MISSING: dict[str, Any] = {
    "nan": NAN,
    "numpy.nan": np.float64("nan"),
    "Decimal": Decimal("NaN"),
    "NaT": pd.NaT,
    "NA": pd.NA,
    "datetime64": np.datetime64("NaT"),
    "in a tuple": (1, pd.NaT),
    "in a tuple in a tuple": ((pd.NA,), 1),
    "in a frozenset": frozenset([pd.NaT, 1]),
    "in a dataclass": Reading(NAN),
}


def keyed_results(rows: Dataset) -> dict[str, tuple[list[Any], list[Any]]]:
    """By operator: the results for the keys k, k and "a" with the values 1, 2 and 3."""
    plain: dict[str, tuple[Callable[[], Dataset], Callable[[Any], list[Any]]]] = {
        "partition": (lambda: rows.partition(2), lambda k: [(k, 1), (k, 2), ("a", 3)]),
        "group_by_key": (rows.group_by_key, lambda k: [(k, [1]), (k, [2]), ("a", [3])]),
        "local_group_by_key": (
            rows.partition(1).local_group_by_key,
            lambda k: [(k, [1]), (k, [2]), ("a", [3])],
        ),
        "reduce_by_key": (
            lambda: rows.reduce_by_key(operator.add),
            lambda k: [(k, 1), (k, 2), ("a", 3)],
        ),
        "reduce_by_key into shards": (
            lambda: rows.reduce_by_key(operator.add, shards=3),
            lambda k: [(k, 1), (k, 2), ("a", 3)],
        ),
        "reduce_by_user_defined_key": (
            lambda: rows.reduce_by_user_defined_key(lambda key: key, operator.add),
            lambda k: [(k, 1), (k, 2), ("a", 3)],
        ),
        "distinct": (lambda: rows.map(operator.itemgetter(0)).distinct(), lambda k: [k, k, "a"]),
        "join": (lambda: rows.join(rows), lambda k: [("a", 3, 3)]),
        "left_outer_join": (
            lambda: rows.left_outer_join(rows),
            lambda k: [(k, 1, None), (k, 2, None), ("a", 3, 3)],
        ),
        "full_outer_join": (
            lambda: rows.full_outer_join(rows),
            lambda k: [(k, 1, None), (k, 2, None), (k, None, 1), (k, None, 2), ("a", 3, 3)],
        ),
        "broadcast_join": (
            lambda: rows.broadcast_join(rows, left_outer=True),
            lambda k: [(k, 1, None), (k, 2, None), ("a", 3, 3)],
        ),
        "cogroup": (
            lambda: rows.cogroup(rows),
            lambda k: [(k, [1], []), (k, [2], []), (k, [], [1]), (k, [], [2]), ("a", [3], [3])],
        ),
    }
    key = rows.take(1)[0][0]
    return {name: (make().collect(), expected(key)) for name, (make, expected) in plain.items()}


def check(rows: Dataset, what: str) -> None:
    for name, (found, expected) in keyed_results(rows).items():
        assert sorted(map(repr, found)) == sorted(map(repr, expected)), f"{name} of {what}"


@pytest.mark.parametrize("name", MISSING)
@pytest.mark.parametrize("shards", [1, 2])
def test_a_missing_key_matches_nothing_and_is_not_lost(name: str, shards: int) -> None:
    key = MISSING[name]
    check(Flow(["-glow.inline"]).slice([(key, 1), (key, 2), ("a", 3)], shards), name)


def test_a_missing_key_matches_nothing_on_every_runner(new_flow: Runner) -> None:
    rows = new_flow().slice([(pd.NaT, 1), (pd.NaT, 2), ("a", 3)], 2)
    assert rows.join(rows).collect() == [("a", 3, 3)]
    totals = rows.reduce_by_key(operator.add, shards=2).collect()
    assert sorted(map(repr, totals)) == ["('a', 3)", "(NaT, 1)", "(NaT, 2)"]


@pytest.mark.parametrize("key", [NAN, pd.NA], ids=repr)
def test_many_rows_with_one_missing_key_take_linear_time(key: Any) -> None:
    """With one hash for all, each row would be compared with all rows before."""
    rows = Flow(["-glow.inline"]).slice([(key, number) for number in range(30_000)], 2)
    assert rows.group_by_key().count() == 30_000


def test_a_missing_key_over_the_memory_budget() -> None:
    rows = [((pd.NaT, "x" * 50) if n % 3 else f"{n % 50}", n) for n in range(20_000)]
    flow = Flow(["-glow.inline", "-glow.task.memoryMB=1"])
    found = flow.slice(rows, 2).reduce_by_key(operator.add).collect()
    assert len(found) == len([row for row in rows if isinstance(row[0], tuple)]) + 50
    assert sum(value for _, value in found) == sum(range(20_000))
    assert {type(key) for key, _ in found} == {tuple, str}


test_in_one_run = in_one_run()
