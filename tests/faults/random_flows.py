"""Random flows: every operator somewhere, over rows whose result does not depend on their order."""

from __future__ import annotations

from collections.abc import Callable
from operator import add
from random import Random
from typing import Any, TypeAlias

from glowpy import Dataset, Flow

Change: TypeAlias = Callable[[Dataset], Dataset]
_MOST_ROWS = 3000


def _rows(random: Random) -> Callable[[Flow], Dataset]:
    count, shards = random.choice([0, 1, 7, 100, 1000, _MOST_ROWS]), random.randint(1, 6)
    size = random.choice([0, 0, 0, 20, 2000])  # of what each row carries along
    keys = random.choice([1, 5, 97])
    kind = random.choice(["slice", "slice", "source"])
    if kind == "slice":
        return lambda flow: flow.slice(
            [(row % keys, (row, "x" * (row * size // count))) for row in range(count)], shards
        )
    return lambda flow: flow.source(lambda: range(count), shards).map(
        lambda row: (row % keys, (row, "x" * (row * size // count)))
    )


def _changes(random: Random) -> dict[str, Change]:
    """One of each operator that takes pairs and gives pairs."""
    parts, factor = random.randint(1, 5), random.randint(2, 9)
    return {
        "map": lambda rows: rows.map(lambda pair: (pair[0] * factor % 101, pair[1])),
        "filter": lambda rows: rows.filter(lambda pair: hash(pair[1][0]) % factor != 1),
        "flat_map": lambda rows: rows.flat_map(lambda pair: [pair, (pair[0] + 1, pair[1])]),
        "partition": lambda rows: rows.partition(parts),
        "sort": lambda rows: rows.sort(),
        "sort by": lambda rows: rows.sort(lambda pair: (-pair[0], pair[1])),
        "reduce_by_key": lambda rows: rows.reduce_by_key(max),
        "distinct": lambda rows: rows.partition(parts).distinct(),
        "group_by_key": lambda rows: rows.group_by_key().map(
            lambda pair: (pair[0], (len(pair[1]), max(pair[1])[1]))
        ),
        "join": lambda rows: (
            rows.reduce_by_key(max)
            .join(rows.map(lambda pair: (pair[0], 1)).reduce_by_key(add))
            .map(lambda row: (row[0], (row[2], row[1][1])))
        ),
        "reduce": lambda rows: rows.reduce(max),
    }


def random_flow(random: Random) -> tuple[str, Callable[[Flow], Dataset]]:
    """A flow in words, and how it is made; the same for the same random numbers."""
    source = _rows(random)
    changes = _changes(random)
    names = [random.choice(list(changes)) for _ in range(random.randint(1, 5))]

    def make(flow: Flow) -> Dataset:
        rows = source(flow)
        for name in names:
            rows = changes[name](rows)
        return rows

    return ", ".join(names), make


def canonical(rows: list[Any]) -> list[str]:
    """Rows as a multiset: shards come in another order where keys are placed otherwise."""
    return sorted(map(repr, rows))
