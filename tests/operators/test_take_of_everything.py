"""take(k) is collect()[:k] for every operator, and for every operator behind another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from glowpy import Dataset, Flow
from tests.operators.every_operator import ENDS, NAMED, OPERATORS, as_pair
from tests.runners import ON_EVERY_RUNNER, Runner

ROWS = [(key, number % 4) for number, key in enumerate("badcbadbabcadcab")]
OTHERS = [("a", "x"), ("b", "y"), ("b", "z"), ("e", "w")]
ALL = 10_000
# Operators with different plans; other runners execute the plans that the inline runner executes.
SHAPES = ["map", "round_robin", "sort2", "distinct", "union", "broadcast_join", "join"]


def check(dataset: Dataset, counts: Iterable[int], what: str) -> None:
    rows = dataset.collect()
    for count in counts:
        assert dataset.take(count) == rows[:count], f"{what}.take({count})"


def inputs(flow: Flow, rows: list[Any], shards: int) -> tuple[Dataset, Dataset]:
    return flow.slice(rows, shards), flow.slice(OTHERS, 3)


def test_every_method_is_in_the_table() -> None:
    methods = {
        name
        for name in dir(Dataset)
        if not name.startswith("_") and callable(getattr(Dataset, name))
    }
    assert methods == OPERATORS.keys() | ENDS


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("shards", [1, 2, 5])
def test_take_of_an_operator(name: str, shards: int) -> None:
    for rows in ([], ROWS[:1], ROWS):
        dataset = NAMED[name](*inputs(Flow(["-glow.inline"]), rows, shards))
        check(dataset, [0, 1, 3, ALL], f"{name} of {len(rows)} rows in {shards} shards")
        check(dataset.map(str), [1, 3, ALL], f"{name}.map of {len(rows)} rows in {shards} shards")


@pytest.mark.slow
@pytest.mark.parametrize("first", NAMED)
def test_take_of_an_operator_behind_another(first: str) -> None:
    for place, (then, make) in enumerate(NAMED.items()):
        shards = (1, 2, 5)[(place + len(first)) % 3]
        rows, other = inputs(Flow(["-glow.inline"]), ROWS, shards)
        dataset = make(NAMED[first](rows, other).map(as_pair), other)
        check(dataset, [(3, ALL)[place % 2]], f"{first}.{then} of {shards} shards")


@ON_EVERY_RUNNER
@pytest.mark.slow
def test_take_of_operators_on_every_runner(new_flow: Runner) -> None:
    rows, other = inputs(new_flow(), ROWS, 3)
    for first in SHAPES:
        then = SHAPES[SHAPES.index(first) - 2]
        dataset = NAMED[then](NAMED[first](rows, other).map(as_pair), other)
        check(dataset, [5], f"{first}.{then}")


@ON_EVERY_RUNNER
def test_a_broadcast_side_is_read_by_every_task_that_take_runs(new_flow: Runner) -> None:
    rows, other = inputs(new_flow(), [("b", n) for n in range(10)], 3)
    both = rows.broadcast_join(other).round_robin(2)
    everything = both.collect()
    assert len(everything) == 20
    assert both.take(100) == everything
