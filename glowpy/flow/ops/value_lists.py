"""Tables that hold the values of each key in a list, in row order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from glowpy.errors import RowError, shown
from glowpy.flow.ops.kernel import Batch, Row, Stream, chain
from glowpy.flow.ops.key_tables import Holding, Side, Table
from glowpy.flow.ops.keys import apart, check_pairs
from glowpy.flow.ops.memory import Pace
from glowpy.flow.ops.merging import firsts_of


def lists_side(shards: Sequence[Stream], operator: str) -> Side:
    """The rows of one input, (K, V), with the values of each key in a list."""
    fill = partial(_fill, operator)
    return Side(
        chain(shards), Holding(partial(defaultdict, list), fill, fill, _pairs_of, firsts_of)
    )


def _fill(operator: str, batches: Stream, pace: Pace, table: Table) -> Iterator[None]:
    taken = 0
    for batch in batches:
        check_pairs(batch, operator)
        rows = apart(batch)
        try:
            for key, value in rows:
                table[key].append(value)
        except TypeError as exc:
            raise_if_unhashable(rows, exc)
            raise
        taken += len(batch)
        if taken >= pace.rows:
            yield
            taken = 0


def raise_if_unhashable(rows: Batch, exc: TypeError) -> None:
    """Name the key, if there is one that has no hash."""
    for row in rows:
        try:
            hash(row[0])
        except TypeError:
            raise RowError(f"key {shown(row[0])} cannot be hashed: {exc}") from exc


def _pairs_of(table: Table, keys: Iterable[Row]) -> Iterator[Row]:
    return ((key, value) for key in keys for value in table[key])
