"""Random flows: operators of every family. No result depends on the order of rows."""

from __future__ import annotations

from collections.abc import Callable
from operator import add
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

from glowpy import Dataset, Flow

Change: TypeAlias = Callable[[Dataset], Dataset]
_MOST_ROWS = 3000


def _rows(random: Random, directory: Path) -> Callable[[Flow], Dataset]:
    count, shards = random.choice([0, 1, 7, 100, 1000, _MOST_ROWS]), random.randint(1, 6)
    size = random.choice([0, 0, 0, 20, 2000])  # bytes of padding in each row
    keys = random.choice([1, 5, 97])
    kind = random.choice(["slice", "slice", "source", "text"])
    if kind == "text":
        path = directory / "input.txt"
        path.write_text("".join(f"{row}\n" for row in range(count)))
        return lambda flow: flow.text_file(path, shards).map(
            lambda line: (int(line) % keys, (int(line), "x" * (int(line) * size // count)))
        )
    if kind == "slice":
        return lambda flow: flow.slice(
            [(row % keys, (row, "x" * (row * size // count))) for row in range(count)], shards
        )
    return lambda flow: flow.source(lambda: range(count), shards).map(
        lambda row: (row % keys, (row, "x" * (row * size // count)))
    )


def _changes(random: Random) -> dict[str, Change]:
    """Operators from pairs to pairs."""
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
        "map_values": lambda rows: rows.map_values(lambda value: value),
        "map_partitions": lambda rows: rows.map_partitions(lambda pairs: iter(list(pairs)[::-1])),
        "round_robin": lambda rows: rows.round_robin(parts),
        "union": lambda rows: rows.union(rows.map(lambda pair: (pair[0] + 1, pair[1]))),
        "sort into shards": lambda rows: rows.sort(shards=parts),
        "local_sort": lambda rows: rows.local_sort(reverse=True).merge_sorted(reverse=True),
        "reduce_by_key into shards": lambda rows: rows.reduce_by_key(max, parts),
        "broadcast_join": lambda rows: rows.broadcast_join(rows.reduce_by_key(max)).map(
            lambda row: (row[0], max(row[1:]))
        ),
        "full_outer_join": lambda rows: (
            rows.reduce_by_key(max)
            .full_outer_join(rows.map(lambda pair: (pair[0] + 1, pair[1])).reduce_by_key(min))
            .map(lambda row: (row[0], max(filter(None, row[1:]))))
        ),
        "cogroup": lambda rows: rows.cogroup(rows.reduce_by_key(min)).map(
            lambda row: (row[0], max(row[1] + row[2]))
        ),
    }


def random_flow(random: Random, directory: Path) -> tuple[str, Callable[[Flow], Dataset]]:
    """Return a description of a random flow and its constructor; equal seeds make equal flows."""
    source = _rows(random, directory)
    changes = _changes(random)
    names = [random.choice(list(changes)) for _ in range(random.randint(1, 5))]

    def make(flow: Flow) -> Dataset:
        rows = source(flow)
        for name in names:
            rows = changes[name](rows)
        return rows

    return ", ".join(names), make


def terminal_call(random: Random, directory: Path) -> tuple[str, Callable[[Dataset], list[str]]]:
    """Return the text of a random terminal call, and a function for its rows as a multiset."""
    name = random.choice(["collect", "collect", "collect", "count", "save"])
    path = directory / "result.txt"

    def collect(rows: Dataset) -> list[str]:
        return canonical(rows.collect())

    def count(rows: Dataset) -> list[str]:
        return [str(rows.count())]

    def save(rows: Dataset) -> list[str]:
        rows.save_text_to_file(path)
        return sorted(path.read_text().splitlines())

    return name, {"collect": collect, "count": count, "save": save}[name]


def canonical(rows: list[Any]) -> list[str]:
    """Rows as a multiset, because the order of shards depends on the placement of keys."""
    return sorted(map(repr, rows))
