"""take(k) is collect()[:k] for every operator, and for every pair of operators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from glowpy import Dataset, Flow
from tests.batch import in_one_run
from tests.operators.every_operator import ENDS, NAMED, OPERATORS, as_pair
from tests.runners import ON_EVERY_RUNNER, Runner
from tests.tagged import collected

ROWS = [(key, number % 4) for number, key in enumerate("badcbadbabcadcab")]
OTHERS = [("a", "x"), ("b", "y"), ("b", "z"), ("e", "w")]
ALL = 10_000
# Operators with different plans; other runners execute the plans that the inline runner executes.
SHAPES = ["map", "round_robin", "sort2", "distinct", "union", "broadcast_join", "join"]


def check(datasets: Mapping[str, tuple[Dataset, Iterable[int]]]) -> None:
    """Compare `take` of each dataset with the first rows of `collect`; one run collects all."""
    everything = collected([dataset for dataset, _counts in datasets.values()])
    for (name, (dataset, counts)), rows in zip(datasets.items(), everything, strict=True):
        for count in counts:
            assert dataset.take(count) == rows[:count], f"{name}.take({count})"


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
    flow = Flow(["-glow.inline"])
    datasets = {}
    for rows, counts in (([], [0, ALL]), (ROWS[:1], [1]), (ROWS, [1, 3, ALL])):
        made = NAMED[name](*inputs(flow, rows, shards))
        what = f"{name} of {len(rows)} rows in {shards} shards"
        datasets[what] = made, counts
        datasets[f"{what}, mapped"] = made.map(str), [3]
    check(datasets)


@pytest.mark.slow
@pytest.mark.parametrize("first", NAMED)
def test_take_of_an_operator_behind_another(first: str) -> None:
    flow = Flow(["-glow.inline"])
    datasets = {}
    for place, (then, make) in enumerate(NAMED.items()):
        shards = (1, 2, 5)[(place + len(first)) % 3]
        rows, other = inputs(flow, ROWS, shards)
        made = make(NAMED[first](rows, other).map(as_pair), other)
        datasets[f"{first}.{then} of {shards} shards"] = made, [(3, ALL)[place % 2]]
    check(datasets)


@ON_EVERY_RUNNER
@pytest.mark.slow
def test_take_of_operators_on_every_runner(new_flow: Runner) -> None:
    rows, other = inputs(new_flow(), ROWS, 3)
    pairs = list(zip(SHAPES, [*SHAPES[-2:], *SHAPES[:-2]], strict=True))
    check(
        {
            f"{first}.{then}": (NAMED[then](NAMED[first](rows, other).map(as_pair), other), [5])
            for first, then in (pairs[::3] if new_flow.name == "cluster" else pairs)
        }
    )


def test_a_broadcast_side_is_read_by_every_task_that_take_runs(new_flow: Runner) -> None:
    rows, other = inputs(new_flow(), [("b", n) for n in range(10)], 3)
    both = rows.broadcast_join(other).round_robin(2)
    everything = both.collect()
    assert len(everything) == 20
    assert both.take(100) == everything


test_in_one_run = in_one_run()
