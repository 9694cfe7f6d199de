"""Any chain of operators against plain Python, on every runner.

An example is a dataset and a chain of operators, each with its model in plain Python. A run
computes 20 examples: 220 of each family inline, and 40 of all families on each other runner.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import add
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from glowpy import Dataset, Flow
from tests.operators.ugly import Rows, Shards, all_rows
from tests.operators.ugly_table import dealt_shards
from tests.runners import INLINE, ON_EVERY_RUNNER, ON_OTHER_RUNNERS, Runner
from tests.tagged import collected
from tests.ugly_rows import same, written_length

TOGETHER = 20  # examples of a run
pytestmark = pytest.mark.slow


class Operator(NamedTuple):
    """A use of an operator, and the model of its output shards in plain Python."""

    name: str
    use: Callable[[Dataset], Dataset]
    model: Callable[[Shards], Shards]

    def __repr__(self) -> str:
        return self.name


def each(name: str, use: Callable[[Dataset], Dataset], model: Callable[[Rows], Rows]) -> Operator:
    """An operator that works on each shard separately."""
    return Operator(name, use, lambda shards: [model(shard) for shard in shards])


def boxed(row: Any) -> tuple[Any]:
    return (row,)


def size(row: Any) -> int:
    return len(str(row))


def pieces(row: Any) -> Rows:
    return [row] * (size(row) % 3)


def drawn(shards: Shards, fraction: float, seed: int) -> Shards:
    lots = [Random(f"{seed} {number}") for number in range(len(shards))]
    return [
        [row for row in shard if lot.random() < fraction]
        for lot, shard in zip(lots, shards, strict=True)
    ]


ROW_STEPS = st.sampled_from(
    [
        each("map", lambda rows: rows.map(boxed), lambda rows: list(map(boxed, rows))),
        each(
            "flat_map",
            lambda rows: rows.flat_map(pieces),
            lambda rows: [piece for row in rows for piece in pieces(row)],
        ),
        each(
            "filter",
            lambda rows: rows.filter(lambda row: size(row) % 2),
            lambda rows: [row for row in rows if size(row) % 2],
        ),
        each("key_by", lambda rows: rows.key_by(size), lambda rows: [(size(r), r) for r in rows]),
        each(
            "map_values",
            lambda rows: rows.key_by(size).map_values(boxed),
            lambda rows: [(size(row), (row,)) for row in rows],
        ),
        each(
            "pipe",
            lambda rows: rows.map(ascii).pipe("cat"),
            lambda rows: list(map(ascii, rows)),
        ),
    ]
)
SAMPLES = st.builds(
    lambda fraction, seed: Operator(
        f"sample({fraction}, {seed})",
        lambda rows: rows.sample(fraction, seed),
        lambda shards: drawn(shards, fraction, seed),
    ),
    st.floats(0, 1),
    st.integers(),
)
FOLDS = st.sampled_from(
    [
        Operator(
            "reduce",
            lambda rows: rows.map(boxed).reduce(add),
            lambda shards: [[tuple(all_rows(shards))]] if all_rows(shards) else [[]],
        ),
        each(
            "local_reduce",
            lambda rows: rows.map(boxed).local_reduce(add),
            lambda rows: [tuple(rows)] if rows else [],
        ),
        Operator(
            "merge_reduce",
            lambda rows: rows.map(boxed).merge_reduce(add),
            lambda shards: [[tuple(all_rows(shards))]] if all_rows(shards) else [[]],
        ),
        each(
            "map_partitions",
            lambda rows: rows.map_partitions(lambda rows: list(rows)[::-1]),
            lambda rows: rows[::-1],
        ),
    ]
)
LAYOUTS = st.one_of(
    st.integers(1, 4).map(
        lambda count: Operator(
            f"round_robin({count})",
            lambda rows: rows.round_robin(count),
            lambda shards: dealt_shards(shards, count),
        )
    ),
    st.sampled_from(
        [
            Operator("union with itself", lambda rows: rows.union(rows), lambda shards: shards * 2),
            Operator(
                "union with a part",
                lambda rows: rows.union(rows.filter(size), rows.map(boxed)),
                lambda shards: [
                    *shards,
                    *([row for row in shard if size(row)] for shard in shards),
                    *([(row,) for row in shard] for shard in shards),
                ],
            ),
        ]
    ),
)
FAMILIES = {
    "row steps": ROW_STEPS,
    "sample": SAMPLES,
    "folds": FOLDS,
    "layouts": LAYOUTS,
    "all": st.one_of(ROW_STEPS, SAMPLES, FOLDS, LAYOUTS),
}
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.frozensets(st.text(), max_size=1)
    ),
    max_leaves=5,
)


class Example(NamedTuple):
    """Rows in shards, and a chain of operators."""

    rows: Rows
    shard_count: int
    operators: list[Operator]

    def dataset(self, flow: Flow) -> Dataset:
        start = flow.slice(self.rows, self.shard_count)
        return reduce(lambda rows, each: each.use(rows), self.operators, start)

    def expected(self) -> Shards:
        total, count = len(self.rows), self.shard_count
        shards = [self.rows[total * n // count : total * (n + 1) // count] for n in range(count)]
        return reduce(lambda shards, each: each.model(shards), self.operators, shards)


def examples(operators: st.SearchStrategy[Operator]) -> st.SearchStrategy[Example]:
    return st.builds(
        Example,
        st.lists(values, max_size=12),
        st.integers(1, 5),
        st.lists(operators, min_size=1, max_size=3),
    )


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
        found = collected([example.dataset(flow) for example in some])
        for example, rows in zip(some, found, strict=True):
            expected = all_rows(example.expected())
            assert same(rows, expected), f"{example}:\n{rows}\ninstead of\n{expected}"

    check()


@pytest.mark.parametrize("family", FAMILIES)
def test_any_chain(family: str) -> None:
    check_examples(Runner("inline", INLINE), examples(FAMILIES[family]), run_count=11)


@ON_OTHER_RUNNERS
def test_any_chain_of_any_family(new_flow: Runner) -> None:
    check_examples(new_flow, examples(FAMILIES["all"]), run_count=2)


@ON_EVERY_RUNNER
def test_any_first_rows(new_flow: Runner) -> None:
    """take returns the first rows of collect, top the first rows of a sort."""
    runs = {"inline": 200, "standalone": 20, "cluster": 3}

    @settings(
        max_examples=runs[new_flow.name],
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(examples(FAMILIES["all"]), st.integers(1, 15))
    def check(example: Example, count: int) -> None:
        rows = example.dataset(new_flow())
        expected = all_rows(example.expected())
        assert same(rows.take(count), expected[:count])
        if count % 4 == 1:  # a run costs more than an example
            ordered = sorted(expected, key=written_length, reverse=True)
            assert same(rows.top(count, key=written_length), ordered[:count])

    check()
