"""Keyed operators over any rows against plain Python, on every runner.

An example is two datasets and one use of an operator with its model in plain Python. A run computes
20 examples: 220 of each family inline, and 40 of all families on each other runner.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from enum import Enum
from operator import itemgetter
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from glowpy import Dataset, Flow
from tests.operators.ugly import Data, Rows, Shards, all_rows, groups_of, is_as_expected
from tests.runners import INLINE, ON_EVERY_RUNNER, ON_OTHER_RUNNERS, Runner
from tests.tagged import collected
from tests.ugly_rows import City, Colour, same

TOGETHER = 20  # examples of a run
KINDS_OF_KEYS: list[list[Any]] = [
    [None, 0, False, -0.0, 1, True, 1.0, "a", b"a", "", (), (1, None), (1.0, None), 1 << 70, -7],
    [math.nan, -math.nan, 1.5, 2, frozenset({1}), frozenset(), Colour.RED, City("x", None), None],
    [-3, 0, 2, True, 7.5, -math.inf, 1 << 64],
    ["", "a", "b", "é", "\U0001f642"],
    [(1, "a"), (1, "b"), (0, "z"), (True, "a")],
    [datetime.date(2024, 2, 29), datetime.date.min, datetime.date(2024, 2, 28)],
]
IN_ORDER = KINDS_OF_KEYS[2:]


class Order(Enum):
    """Promised order of a result."""

    MODELS = "that of the model"
    KEYS = "shards are in key order where keys have one, rows of a key in that of the model"
    ROWS = "shards are in order where rows have one"


class Operator(NamedTuple):
    """A use of an operator on two datasets, and the model of the result in plain Python."""

    name: str
    use: Callable[[Dataset, Dataset], Dataset]
    model: Callable[[Shards, Shards], Rows]
    order: Order = Order.KEYS

    def __repr__(self) -> str:
        return self.name


def boxed(row: Any) -> list[Any]:
    return [row]


def joined(left: list[Any], right: list[Any]) -> list[Any]:
    return left + right


def grouped(*sides: Shards) -> list[tuple[Any, ...]]:
    return [tuple(group) for group in groups_of(*map(all_rows, sides))]


def matched(left: Shards, right: Shards, *, kept: tuple[bool, bool]) -> Rows:
    """Every combination; `kept`: include rows of the left, of the right side without a match."""
    return [
        (key, one, other)
        for key, ours, theirs in grouped(left, right)
        for one in ours or ([None] if kept[1] else [])
        for other in theirs or ([None] if kept[0] else [])
    ]


def found_for(left: Shards, right: Shards, missing: Rows) -> Rows:
    """Matches of the left rows in their order, and within a row in the order of the right rows."""
    return [
        (key, one, other)
        for key, one in all_rows(left)
        for other in [other for same_key, other in all_rows(right) if same_key == key] or missing
    ]


def by_shard(shards: Shards) -> Rows:
    return [group for shard in shards for group in grouped([shard])]


def key_of_text(key: Any) -> str:
    return str(key)[:1]


def by_text(left: Shards, _right: Shards) -> Rows:
    values: dict[str, tuple[Any, list[Any]]] = {}
    for key, value in all_rows(left):
        values.setdefault(key_of_text(key), (key, []))[1].append(value)
    return [values[text] for text in sorted(values)]


def once(left: Shards, _right: Shards) -> Rows:
    return [group[0] for group in grouped([[(key, None) for key, _ in all_rows(left)]])]


def sorted_rows(left: Shards, *, reverse: bool = False, by: int = 0) -> Rows:
    return sorted(all_rows(left), key=itemgetter(by), reverse=reverse)


def merged(rows: Dataset, *, reverse: bool) -> Dataset:
    return rows.local_sort(reverse=reverse).merge_sorted(reverse=reverse)


JOINS = [
    Operator("join", lambda a, b: a.join(b), lambda a, b: matched(a, b, kept=(False, False))),
    Operator(
        "with itself", lambda a, b: a.join(a), lambda a, b: matched(a, a, kept=(False, False))
    ),
    Operator(
        "left outer",
        lambda a, b: a.left_outer_join(b),
        lambda a, b: matched(a, b, kept=(True, False)),
    ),
    Operator(
        "right outer",
        lambda a, b: a.right_outer_join(b),
        lambda a, b: matched(a, b, kept=(False, True)),
    ),
    Operator(
        "full outer",
        lambda a, b: a.full_outer_join(b),
        lambda a, b: matched(a, b, kept=(True, True)),
    ),
    Operator(
        "join_partitioned_sorted",
        lambda a, b: a.partition(3).join_partitioned_sorted(b.partition(3), left_outer=True),
        lambda a, b: matched(a, b, kept=(True, False)),
    ),
    Operator(
        "broadcast_join",
        lambda a, b: a.broadcast_join(b),
        lambda a, b: found_for(a, b, []),
        Order.MODELS,
    ),
    Operator(
        "left outer broadcast_join",
        lambda a, b: a.broadcast_join(b, left_outer=True),
        lambda a, b: found_for(a, b, [None]),
        Order.MODELS,
    ),
]
GROUPS = [
    Operator("group_by_key", lambda a, b: a.group_by_key(), lambda a, b: grouped(a)),
    Operator("local_group_by_key", lambda a, b: a.local_group_by_key(), lambda a, b: by_shard(a)),
    Operator("cogroup", lambda a, b: a.cogroup(b), grouped),
    Operator("cogroup with itself", lambda a, b: a.cogroup(a), lambda a, b: grouped(a, a)),
    Operator(
        "cogroup_partitioned_sorted",
        lambda a, b: a.partition(2).cogroup_partitioned_sorted(b.partition(2)),
        grouped,
    ),
]
REDUCES = [
    Operator(
        "reduce_by_key",
        lambda a, b: a.map_values(boxed).reduce_by_key(joined),
        lambda a, b: grouped(a),
    ),
    Operator(
        "reduce_by_key into shards",
        lambda a, b: a.map_values(boxed).reduce_by_key(joined, shards=3),
        lambda a, b: grouped(a),
    ),
    Operator(
        "local_reduce_by_key",
        lambda a, b: a.map_values(boxed).local_reduce_by_key(joined),
        lambda a, b: by_shard(a),
    ),
    Operator(
        "reduce_by_user_defined_key",
        lambda a, b: a.map_values(boxed).reduce_by_user_defined_key(key_of_text, joined),
        by_text,
        Order.MODELS,
    ),
]
DISTINCTS = [
    Operator("distinct keys", lambda a, b: a.map(itemgetter(0)).distinct(), once, Order.ROWS),
    Operator(
        "distinct of rows with one key",
        lambda a, b: a.map(lambda row: ("k", row[0])).distinct(),
        lambda a, b: [("k", key) for key in once(a, b)],
        Order.ROWS,
    ),
    Operator(
        "distinct of what is partitioned",
        lambda a, b: a.map(itemgetter(0)).partition(3).distinct(),
        once,
        Order.ROWS,
    ),
]
SORTS = [
    Operator("sort", lambda a, b: a.sort(), lambda a, b: sorted_rows(a), Order.MODELS),
    Operator(
        "sort(reverse)",
        lambda a, b: a.sort(reverse=True),
        lambda a, b: sorted_rows(a, reverse=True),
        Order.MODELS,
    ),
    Operator(
        "sort into shards", lambda a, b: a.sort(shards=3), lambda a, b: sorted_rows(a), Order.MODELS
    ),
    Operator(
        "sort(key, reverse) into shards",
        lambda a, b: a.sort(itemgetter(1), reverse=True, shards=2),
        lambda a, b: sorted_rows(a, reverse=True, by=1),
        Order.MODELS,
    ),
    Operator(
        "local_sort",
        lambda a, b: a.local_sort(itemgetter(1)),
        lambda a, b: [row for shard in a for row in sorted(shard, key=itemgetter(1))],
        Order.MODELS,
    ),
    Operator(
        "merge_sorted",
        lambda a, b: merged(a, reverse=True),
        lambda a, b: sorted_rows(a, reverse=True),
        Order.MODELS,
    ),
]
FAMILIES = {
    "joins": JOINS,
    "groups": GROUPS,
    "reduces": REDUCES,
    "distinct": DISTINCTS,
    "sorts": SORTS,
}


class Example(NamedTuple):
    """The rows of two datasets, and the operator."""

    left: Data
    right: Data
    operator: Operator
    are_keys_in_order: bool

    def dataset(self, flow: Flow) -> Dataset:
        left, right = (flow.slice(each.rows, each.shard_count) for each in (self.left, self.right))
        return self.operator.use(left, right)

    def check(self, found: Rows, shard_count: int) -> None:
        expected = self.operator.model(self.left.shards, self.right.shards)
        in_order = self.operator.order is Order.MODELS
        if self.are_keys_in_order and shard_count == 1 and not in_order:
            expected.sort(key=itemgetter(0) if self.operator.order is Order.KEYS else None)
            in_order = True
        assert is_as_expected(found, expected, in_order=in_order), (
            f"{self}:\n{found}\ninstead of\n{expected}"
        )
        if self.operator.order is Order.KEYS:
            check_rows_of_keys(found, expected)


def check_rows_of_keys(found: Rows, expected: Rows) -> None:
    """The rows of each key are in the order of the model."""
    pairs, others = ([(row[0], row) for row in rows] for rows in (found, expected))
    for key, rows, same_rows in groups_of(pairs, others):
        assert key != key or same(rows, same_rows)


def examples(family: str) -> st.SearchStrategy[Example]:
    kinds = IN_ORDER if family == "sorts" else KINDS_OF_KEYS

    def of_kind(keys: list[Any]) -> st.SearchStrategy[Example]:
        pairs = st.lists(st.tuples(st.sampled_from(keys), st.integers(0, 9)), max_size=12)
        datas = st.builds(Data, st.just("any"), st.integers(1, 4), pairs)
        operators = st.sampled_from(FAMILIES[family])
        return st.builds(Example, datas, datas, operators, st.just(keys in IN_ORDER))

    return st.sampled_from(kinds).flatmap(of_kind)


def check_examples(new_flow: Runner, of: st.SearchStrategy[Example], run_count: int) -> None:
    @settings(
        max_examples=run_count,
        suppress_health_check=list(HealthCheck),
        # no shrinking, because runs are slow; the failing example is printed
        phases=[Phase.generate],
    )
    @given(st.lists(of, min_size=TOGETHER, max_size=TOGETHER))
    def check(some: list[Example]) -> None:
        flow = new_flow()
        datasets = [example.dataset(flow) for example in some]
        for example, dataset, rows in zip(some, datasets, collected(datasets), strict=True):
            example.check(rows, dataset.shard_count)

    check()


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_any_rows(family: str) -> None:
    check_examples(Runner("inline", INLINE), examples(family), run_count=11)


@ON_OTHER_RUNNERS
def test_any_rows_of_any_family(new_flow: Runner) -> None:
    check_examples(new_flow, st.one_of([examples(family) for family in FAMILIES]), run_count=2)


@ON_EVERY_RUNNER
@pytest.mark.slow
def test_over_a_budget_of_1_mb(new_flow: Runner) -> None:
    flow = new_flow("-glow.task.memoryMB=1")
    left = [(number * 7919 % 10_007, number) for number in range(30_000)]
    right = [(number * 31 % 20_011, str(number)) for number in range(15_000)]
    a, b = flow.slice(left, 2), flow.slice(right, 3)
    results = collected(
        [
            a.join(b),
            a.full_outer_join(b).filter(lambda key, one, other: None in (one, other)),
            a.cogroup(b).map(lambda key, ours, theirs: (key, len(ours), len(theirs))),
            a.broadcast_join(b),
            a.map(itemgetter(0)).distinct(),
            a.reduce_by_key(max, shards=3),
            a.sort(shards=3),
            a.join(flow.slice([(None, 0), *right])),
        ]
    )
    groups = groups_of(left, right)
    both = [(k, one, other) for k, ours, theirs in groups for one in ours for other in theirs]
    places = {number: place for place, (_key, number) in enumerate(left)}
    alone = [(k, one, None) for k, ours, theirs in groups if not theirs for one in ours]
    alone += [(k, None, other) for k, ours, theirs in groups if not ours for other in theirs]
    assert sorted(results[0]) == sorted(both)
    assert sorted(results[1], key=repr) == sorted(alone, key=repr)
    assert sorted(results[2]) == sorted((k, len(ours), len(theirs)) for k, ours, theirs in groups)
    assert results[3] == sorted(both, key=lambda row: places[row[1]])
    assert sorted(results[4]) == sorted({key for key, _ in left})
    assert sorted(results[5]) == sorted((k, max(ours)) for k, ours, _ in groups if ours)
    assert results[6] == sorted(left, key=itemgetter(0))
    assert sorted(results[7]) == sorted(both)
